pub fn variant() -> Result<(), &'static str> { Ok(()) }
pub fn call() -> Result<(), &'static str> { Ok(()) }

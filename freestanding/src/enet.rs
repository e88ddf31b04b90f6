pub fn exchange() -> Result<(), &'static str> {
    Ok(())
}

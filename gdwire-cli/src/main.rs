//! The gdwire command.
fn main() {}

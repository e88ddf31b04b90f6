//! How often a property is tried: [`cases`].

/// How many cases a property test tries: what `PROPTEST_CASES` says, or the test's own number.
///
/// `proptest` reads that variable only where a test names no number of its own.
///
/// # Panics
///
/// If the variable is no number.
#[must_use]
pub fn cases(own: u32) -> u32 {
    match std::env::var("PROPTEST_CASES") {
        Ok(asked) => asked.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => own,
    }
}

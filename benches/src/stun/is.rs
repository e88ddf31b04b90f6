//! `is`, the ICE agent of str0m.

use super::{Side, Work};
use is::stun::StunMessage;

/// The side of `is`, which reads nothing but ICE and never checks FINGERPRINT.
#[derive(Debug)]
pub struct Is;

impl Side for Is {
    const NAME: &'static str = "is";

    fn new() -> Self {
        Self
    }

    fn can(work: Work) -> bool {
        work == Work::Parse
    }

    fn parse(&mut self, message: &[u8]) -> bool {
        core::hint::black_box(StunMessage::parse(message)).is_ok()
    }
}

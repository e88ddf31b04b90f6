//! STUN messages read and written by `stun-proto` and by other crates, with the same bytes.
//!
//! Each side uses the cheapest calls that its crate offers for the job, keeps what can be kept between messages (keys,
//! buffers, decoders), and writes the same bytes: [`check_side`] compares them.

mod is;
mod ours;
mod rtc_stun;
mod stun_codec;
mod stun_types;

pub use is::Is;
pub use ours::Ours;
pub use rtc_stun::RtcStun;
pub use stun_codec::StunCodec;
pub use stun_types::StunTypes;

use core::net::SocketAddr;

/// The password of all messages, that of RFC 5769.
pub const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
/// USERNAME of the check.
pub const USERNAME: &str = "evtj:h6vY";
/// PRIORITY of the check.
pub const PRIORITY: u32 = 1_853_824_767;
/// ICE-CONTROLLING of the check.
pub const TIE_BREAKER: u64 = 0x932f_f9b1_5126_3b36;
/// The id of all messages.
pub const ID: [u8; 12] = *b"benchmarking";

/// What a side does to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reads an ICE check that has no FINGERPRINT.
    Parse,
    /// Reads an ICE check and checks its FINGERPRINT.
    Fingerprint,
    /// The same, and checks its MESSAGE-INTEGRITY.
    Verify,
    /// Writes an ICE check with MESSAGE-INTEGRITY and FINGERPRINT.
    Build,
    /// Reads a Binding request with FINGERPRINT and writes the answer.
    Answer,
}

impl Work {
    /// All of it.
    pub const ALL: [Self; 5] = [
        Self::Parse,
        Self::Fingerprint,
        Self::Verify,
        Self::Build,
        Self::Answer,
    ];

    /// How the table calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Fingerprint => "parse + FINGERPRINT",
            Self::Verify => "parse + FINGERPRINT + HMAC-SHA1",
            Self::Build => "build with HMAC-SHA1 + FINGERPRINT",
            Self::Answer => "server answer",
        }
    }
}

/// One crate.
pub trait Side {
    /// How the table calls it.
    const NAME: &'static str;

    /// With the key of [`PASSWORD`] prepared as far as the crate can.
    fn new() -> Self;

    /// Whether the crate does this work at all.
    #[must_use]
    fn can(_work: Work) -> bool {
        true
    }

    /// Reads a message, and checks its FINGERPRINT if it has one; whether it is good.
    fn parse(&mut self, message: &[u8]) -> bool;

    /// The same, and checks its MESSAGE-INTEGRITY.
    fn verify(&mut self, _message: &[u8]) -> bool {
        false
    }

    /// Writes the ICE check; gives its bytes.
    fn build<'a>(&'a mut self, _buffer: &'a mut [u8]) -> &'a [u8] {
        &[]
    }

    /// Answers a Binding request with FINGERPRINT, in the same way.
    fn answer<'a>(
        &'a mut self,
        _request: &[u8],
        _from: SocketAddr,
        _buffer: &'a mut [u8],
    ) -> &'a [u8] {
        &[]
    }
}

/// The messages, written by `stun-proto`.
#[derive(Debug)]
pub struct Messages {
    /// An ICE check with MESSAGE-INTEGRITY.
    pub bare: Vec<u8>,
    /// The same with FINGERPRINT too.
    pub check: Vec<u8>,
    /// A Binding request with FINGERPRINT.
    pub request: Vec<u8>,
    /// Where it comes from.
    pub from: SocketAddr,
}

impl Messages {
    /// Writes them.
    #[must_use]
    pub fn new() -> Self {
        ours::messages()
    }

    /// Lets `side` do this work so many times; whether all of it went well.
    pub fn run<S: Side>(&self, side: &mut S, work: Work, count: u64) -> bool {
        use core::hint::black_box;
        let mut buffer = [0; 1500];
        (0..count).fold(true, |good, _| {
            good & match work {
                Work::Parse => side.parse(black_box(&self.bare)),
                Work::Fingerprint => side.parse(black_box(&self.check)),
                Work::Verify => side.verify(black_box(&self.check)),
                Work::Build => !black_box(side.build(black_box(&mut buffer))).is_empty(),
                Work::Answer => {
                    let request = black_box(&self.request[..]);
                    let answer = side.answer(request, black_box(self.from), &mut buffer);
                    !black_box(answer).is_empty()
                }
            }
        })
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

/// Panics unless this side does what ours does: accepts the same, refuses what is damaged, and writes the same bytes.
///
/// # Panics
/// If it does not.
pub fn check_side<S: Side>() {
    let messages = Messages::new();
    let (mut ours, mut side) = (Ours::new(), S::new());
    let (mut a, mut b) = ([0; 1500], [0; 1500]);
    let mut damaged = messages.check.clone();
    damaged[30] ^= 1;
    for work in Work::ALL.into_iter().filter(|work| S::can(*work)) {
        let name = work.name();
        assert!(messages.run(&mut side, work, 2), "{}: {name}", S::NAME);
        match work {
            Work::Parse => {}
            Work::Fingerprint => assert!(!side.parse(&damaged), "{}: {name}", S::NAME),
            Work::Verify => assert!(!side.verify(&damaged), "{}: {name}", S::NAME),
            Work::Build => assert_eq!(side.build(&mut a), ours.build(&mut b), "{}", S::NAME),
            Work::Answer => assert_eq!(
                side.answer(&messages.request, messages.from, &mut a),
                ours.answer(&messages.request, messages.from, &mut b),
                "{}",
                S::NAME
            ),
        }
    }
}

//! What one side tells the other: [`Description`].

mod compact;
mod lines;
#[cfg(feature = "sdp")]
mod sdp;
#[cfg(test)]
mod tests;

pub use compact::CompactError;
pub use lines::{DescriptionError, ReadDescription};
#[cfg(feature = "sdp")]
pub use sdp::parse_sdp;

use crate::{Candidate, Credentials};
use alloc::vec::Vec;
use core::time::Duration;

/// What a side can do (`a=ice-options`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// Candidates may come one by one (RFC 8838).
    pub trickle: bool,
    /// It follows RFC 8445: no aggressive nomination.
    pub ice2: bool,
    /// The controlling side may move the selection without a restart (an extension of browsers).
    pub renomination: bool,
}

/// Credentials, abilities and candidates of one side, for signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Fragment and password.
    pub credentials: Credentials,
    /// Whether it only answers checks.
    pub lite: bool,
    /// What it can do.
    pub options: Options,
    /// Ta that it asks for; [`Pacer::DEFAULT`](crate::Pacer::DEFAULT) if it does not say.
    pub pacing: Option<Duration>,
    /// Its candidates so far.
    pub candidates: Vec<Candidate>,
    /// Whether there will be no more.
    pub ended: bool,
}

impl Description {
    /// Most candidates in a description that is read.
    pub const MOST_CANDIDATES: usize = 100;

    /// A description of a full agent of RFC 8445 with trickle, so far without candidates.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            lite: false,
            options: Options {
                trickle: true,
                ice2: true,
                renomination: false,
            },
            pacing: None,
            candidates: Vec::new(),
            ended: false,
        }
    }
}

//! Who may ask what: short-term and long-term credentials, for servers and clients (RFC 8489 section 9).
//!
//! A server with accounts holds one [`LongTermServer`], which keeps nothing about strangers; an ICE agent calls
//! [`check_short_term`]; a client holds a [`ClientAuth`] for each server. [`RestSecret`] makes and checks the passwords of
//! limited validity that TURN services hand out. The server's [`GuessLimiter`] makes guessing slow.
//!
//! Names, realms and passwords must have gone through OpaqueString (RFC 8265) before they come here; text of letters,
//! digits and ASCII marks is its own result. The feature `opaque-string` adds the function `opaque_string` for all other.

mod base64;
mod client;
mod guesses;
mod nonce;
mod rest;
mod server;
mod short_term;

use crate::attribute::ErrorNumber;

pub use client::{Attempts, AuthFailure, ClientAuth, ResponseVerdict, Sent};
pub use guesses::{GuessLimiter, GuessLimits};
pub use nonce::{IssuedNonce, NonceFeatures, NonceIssuer, NonceState};
pub use rest::{RestError, RestSecret};
pub use server::{Accepted, AuthStats, LongTermServer, Offer, User};
pub use short_term::{ShortTerm, check_short_term};

/// Why a request is refused before anything else about it is looked at. An indication is dropped instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a server must answer each")]
pub enum Refusal {
    /// 400: credentials are incomplete or contradict each other.
    BadRequest,
    /// 401: credentials are missing or wrong. A long-term server adds its challenge.
    Unauthenticated,
    /// 438: the nonce is too old, or was not issued to this sender. A long-term server adds a new one.
    StaleNonce,
    /// Silence: there were too many wrong passwords for this user from this network. Long-term servers only.
    Locked,
}

impl Refusal {
    /// The number to answer with; `None` if there is to be no answer.
    #[must_use]
    pub const fn number(self) -> Option<ErrorNumber> {
        match self {
            Self::BadRequest => Some(ErrorNumber::BAD_REQUEST),
            Self::Unauthenticated => Some(ErrorNumber::UNAUTHENTICATED),
            Self::StaleNonce => Some(ErrorNumber::STALE_NONCE),
            Self::Locked => None,
        }
    }
}

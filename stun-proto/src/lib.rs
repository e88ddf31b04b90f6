//! STUN whole (RFC 8489, with RFC 5389 and RFC 3489 peers): messages, credentials, transactions, streams.
//!
//! Nothing here owns a socket, reads a clock or draws randomness: bytes and times come in as arguments. Reading borrows
//! from the received bytes and allocates nothing; writing goes straight into the caller's buffer.
//!
//! # Writing and reading
//!
//! An ICE check, from the controlling agent to the other one, and the answer:
//!
//! ```
//! use proto_core::SeedRng;
//! use stun_proto::attribute::{IceControlling, Priority, UseCandidate, Username, XorMappedAddress};
//! use stun_proto::{Class, FingerprintCheck, Key, Message, MessageWriter, Method, ParseOptions, TransactionId};
//!
//! // One key for each password, kept: it is prepared for many messages.
//! let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
//! let mut rng = SeedRng::new([7; 32]);
//! let id = TransactionId::random(&mut rng);
//!
//! let mut buffer = [0; 548];
//! let check = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
//!     .attribute(&Username::new("evtj:h6vY")?)
//!     .attribute(&Priority(1_853_824_767))
//!     .attribute(&IceControlling(0x932f_f9b1_5126_3b36))
//!     .attribute(&UseCandidate)
//!     .integrity(&key)
//!     .fingerprint()
//!     .finish()?;
//! assert_eq!(check.len(), 92);
//!
//! // At the other agent. On a socket that other protocols share, FINGERPRINT must be there.
//! let mut options = ParseOptions::default();
//! options.fingerprint = FingerprintCheck::Required;
//! let request = Message::parse_with::<stun_proto::crypto::RustCrypto>(check, options)?;
//! assert_eq!((request.class(), request.method()), (Class::Request, Method::BINDING));
//! let integrity = request.verify(&key)?;
//! // From here on everything that `request` shows is what the other agent wrote.
//! assert_eq!(request.get::<Username>()?.map(|name| name.as_str()), Some("evtj:h6vY"));
//! assert_eq!(request.get::<Priority>()?, Some(Priority(1_853_824_767)));
//! assert!(request.has::<UseCandidate>());
//!
//! let from = "192.0.2.1:32853".parse()?;
//! let mut buffer = [0; 548];
//! let answer = MessageWriter::response(&mut buffer, Class::Success, &request)
//!     .attribute(&XorMappedAddress(from))
//!     .integrity_as(integrity, &key)
//!     .fingerprint()
//!     .finish()?;
//!
//! let response = Message::parse(answer)?;
//! assert_eq!(response.transaction_id(), id);
//! response.verify(&key)?;
//! assert_eq!(response.get::<XorMappedAddress>()?, Some(XorMappedAddress(from)));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! [`Message::parse`] gives the verdict about a datagram, and each [`ParseError`] means silence. A value that is not
//! well formed shows when its attribute is read, as an [`AttributeError`](attribute::AttributeError), or for all at once
//! with [`Message::check_attributes`]; for a request it means 400. [`Message::unknown_required`] gives the list of a 420.
//!
//! # The rest
//!
//! [`client::StunClient`] asks for one's address and [`server::BindingServer`] answers, [`nat::Discovery`] finds out what
//! NATs on the way do, and [`nat::predict`] what that means for two players. [`auth`] is who may ask what.
//!
//! [`Transaction`] says when a request is sent again and [`RttEstimator`] how soon; [`Framer`] cuts streams into
//! messages; [`uri`] reads `stun:` and `turn:`; [`classify`] tells STUN from what else shares its socket. [`attribute`]
//! has a type for each registered attribute of STUN, ICE and TURN, and shows how to add one; [`ChannelData`] is what else
//! TURN sends. [`crypto::Provider`] is where other hashes are plugged in.
//!
//! # Stricter than the RFC
//!
//! A datagram is one message: bytes behind it make it malformed, and so does anything behind FINGERPRINT, which is
//! checked whenever it is there. Truncated MACs are refused unless they are asked for. Where both integrities are
//! present, the SHA-1 of a message whose SHA-256 is wrong counts for nothing.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

pub mod attribute;
pub mod auth;
mod channel;
pub mod client;
pub mod crypto;
mod demux;
mod framer;
mod message;
pub mod nat;
#[cfg(feature = "opaque-string")]
mod opaque_string;
mod scope;
pub mod server;
mod sources;
mod transaction;
pub mod uri;

pub use attribute::UserHash;
pub use channel::{ChannelData, ChannelDataError};
pub use crypto::{Key, LongTermKeys, Password};
pub use demux::{Protocol, Sender, classify};
pub use framer::{Frame, FrameError, Framed, Framer, Framing};
pub use message::{
    BeforeFingerprint, BeforeSha256, BuildError, Class, FingerprintCheck, HEADER_BYTES, Integrity,
    IntegrityError, MAGIC_COOKIE, Message, MessageWriter, Method, Open, ParseError, ParseOptions,
    REQUEST_BYTES_IPV4, REQUEST_BYTES_IPV6, Sealed, Signed, SignedSha256, TransactionId,
};
#[cfg(feature = "opaque-string")]
pub use opaque_string::{OpaqueStringError, opaque_string};
pub use transaction::{Outcome, RttEstimator, Schedule, Step, Transaction};

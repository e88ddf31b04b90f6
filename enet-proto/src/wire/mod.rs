//! The bytes of ENet 1.3: the datagram [`Header`], its [`Command`]s and the checksum.
//!
//! Pure functions over slices: nothing here knows a peer, a clock or a socket. All numbers are big-endian except the
//! connect ID, which is four opaque bytes.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod checksum;
mod command;
mod connect;
mod header;

pub use checksum::checksum;
pub use command::{Body, Command, Fragment};
pub(crate) use command::{Head, payload};
pub use connect::{Connect, ConnectId, VerifyConnect};
pub use header::Header;
pub(crate) use header::Word;

/// Smallest MTU that a peer may negotiate, in bytes.
pub const MINIMUM_MTU_BYTES: u16 = 576;
/// Largest MTU that a peer may negotiate, and largest datagram that is read, in bytes.
pub const MAXIMUM_MTU_BYTES: u16 = 4096;
/// Smallest window of reliable data in flight, in bytes.
pub const MINIMUM_WINDOW_BYTES: u32 = 4096;
/// Largest window of reliable data in flight, in bytes.
pub const MAXIMUM_WINDOW_BYTES: u32 = 65_536;
/// Largest number of channels of a connection.
pub const MAXIMUM_CHANNELS: usize = 255;
/// The peer id that means "no id yet"; ids are below it.
pub const NO_PEER_ID: u16 = 0x0fff;
/// The channel id of commands that concern the connection.
pub const CONNECTION_CHANNEL: u8 = 0xff;
/// Largest number of commands that ENet puts into one datagram; receivers take any number.
pub const COMMANDS_PER_DATAGRAM: usize = 32;
/// Largest number of fragments of one packet.
pub const MAXIMUM_FRAGMENTS: u32 = 1 << 20;

//! The UDP side of noray, the punch service of the netfox addons for Godot.
//!
//! A player registers the public address of the socket it will play over ([`Registration`]). When a client asks for a
//! host, the control service tells each the address of the other; the client runs a [`Punch`], the host
//! [`Invitations`]. Both ends of an unmodified game may be the addon: [`Punch`] is its `PacketHandshake.over_packet_peer`
//! and [`Invitations`] its `over_enet`, better in what a machine that reads the socket can know.

mod claims;
mod invitations;
mod punch;
mod registration;
#[cfg(test)]
mod tests;

pub use claims::{Claims, HANDSHAKE_BYTES};
pub use invitations::{
    Answers, Invitation, Invitations, InvitationsConfig, InviteError, Limits, Stats,
};
pub use punch::{Outcome, Punch, PunchConfig, Sources};
pub use registration::{BadPid, MOST_PID_BYTES, Registered, Registration, RegistrationConfig};

use core::time::Duration;

/// How often the addon sends.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// How long the addon tries.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// The address is not one where somebody can be: port 0, unspecified, multicast or broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody can be at that address")]
#[non_exhaustive]
pub struct BadAddress;

/// Why a machine here dropped a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// It comes from an address that nobody announced.
    #[error("from an address that was not announced")]
    Stranger,
    /// It comes from yet another port of an announced address, and [`Limits::ports_per_address`] are in use.
    #[error("from too many ports of one address")]
    TooManyPorts,
    /// The machine is at its end.
    #[error("too late")]
    Late,
}

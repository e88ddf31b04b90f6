//! Time, for latency compensation: helpers beside the session, in the terms that game programmers use.
//!
//! None of them sends anything. Their messages are plain integers and the caller's own types, so they travel in any RPC,
//! property or raw packet. Nothing reads a clock, everything a peer can grow is bounded, and the same calls give the same
//! results on every machine.
//!
//! | question | answer |
//! | --- | --- |
//! | what time is it at the server, and how far is it | [`ClockSync`], [`TimeRequest`], [`TimeReply`] |
//! | which tick should a client simulate now, so that its inputs come in time | [`TickLead`] |
//! | how do inputs reach their tick, through loss | [`InputSender`], [`InputBuffer`] |
//! | what does the player see at once, and what if the server disagrees | [`Predictor`], [`ErrorSmoother`] |
//! | how are the others shown between snapshots | [`SnapshotBuffer`] |
//! | where was a target when this peer saw it | [`Rewind`] |
//!
//! # Three lines of time
//!
//! ```text
//!    what a client shows of others     the server now        what a client predicts of itself
//! ─────────┬───────────────────────────────┬───────────────────────────────┬──────────▶ server time
//!          │◀── travel + playback delay ──▶│◀──── lead: travel + margin ──▶│
//!    SnapshotBuffer, Rewind            ClockSync                   TickLead, Predictor
//! ```
//!
//! All times are [`Instant`](proto_core::Instant)s on the server's clock unless a name says otherwise; ticks are
//! [`Tick`]s of one [`TickRate`] from the epoch of that clock.

mod clock;
mod input;
mod interpolate;
mod lead;
mod predict;
mod recent;
mod rewind;
mod slew;
mod smooth;
mod snapshot;
mod tick;

pub use clock::{
    ClockConfig, ClockQuality, ClockStats, ClockSync, StampDrop, StampVerdict, TimeReply,
    TimeRequest,
};
pub use input::{
    Consumed, InputAck, InputBuffer, InputBufferStats, InputConfig, InputPacket, InputSender,
    InputSenderStats, MissingInput,
};
pub use interpolate::Interpolate;
pub use lead::{LeadConfig, LeadStats, TickLead, Ticks};
pub use predict::{PredictionStats, Predictor, Reconciled, Simulation};
pub use rewind::{Past, Rewind, RewindConfig, RewindError, RewindStats, View, ViewBasis};
pub use smooth::{ErrorSmoother, ErrorVector, SmoothingConfig};
pub use snapshot::{
    Playback, Sample, SnapshotBuffer, SnapshotConfig, SnapshotDrop, SnapshotStats, SnapshotVerdict,
};
pub use tick::{SyncTimeUnwrap, Tick, TickRate};

/// A number of a configuration is out of its documented bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field} is out of its bounds")]
#[non_exhaustive]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
}

impl ConfigError {
    pub(crate) const fn unless(holds: bool, field: &'static str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field }) }
    }
}

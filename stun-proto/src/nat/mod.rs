//! What the NATs on the way do, and what that means for a connection between players (RFC 5780, RFC 4787).
//!
//! [`Discovery`] asks a server a few questions from a few sockets and ends with a [`NatReport`]; two of those make a
//! [`predict()`]ion. Both are hints: NATs change with load, and a connection should be tried in any case.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod discovery;
mod lifetime;
mod ports;
mod predict;
mod probe;
mod report;

pub use discovery::{Discovery, DiscoveryConfig, DiscoveryError, DiscoveryEvent, DropReason};
pub use lifetime::LifetimeSearch;
pub use ports::{Pooling, PortPattern, PortProfile, PortSample};
pub use predict::{Circumstances, Path, Prediction, Reason, predict};
pub use report::{Dependence, Fragments, Hairpin, MappingLifetime, NatReport, NatType, Oddity};

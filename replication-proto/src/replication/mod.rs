//! Scene replication: what spawners and synchronizers of a session hold.
//!
//! ```text
//!   application                                                     peers
//!   spawn, despawn ──► spawn_out ──────────────────────────────────► SPAWN, DESPAWN
//!   set_visibility, update_visibility ──► visibility ──► spawn_out
//!   set ──► values ──► tick ──► sync_out (encode once, share) ─────► SYNC full, delta
//!   Event::Spawned, Despawned ◄── spawn_in ◄──────────────────────── SPAWN, DESPAWN
//!   Event::Sync ◄── sync_in ◄─────────────────────────────────────── SYNC full, delta
//! ```
//! State is encoded when it changed, once, whatever the number of peers. Peers that see the same get the same packets,
//! one allocation for all of them.

mod access;
mod bits;
mod budget;
mod encode;
mod finite;
mod freed;
mod held;
mod instance;
mod pack;
mod profile;
mod slab;
mod spawn_in;
mod spawn_out;
mod state;
mod sync_in;
mod sync_out;
mod values;
mod visibility;
mod waiting;

pub use budget::Budget;
pub use held::SpawnRequest;
pub use profile::{CallProfile, NodeProfile, Traffic};
pub use spawn_out::{SpawnConfig, SpawnError};
pub use values::{PropertyError, PropertyKey};
pub use visibility::{Visibility, VisibilityError};

pub(crate) use profile::CallTraffic;
pub(crate) use state::{PeerReplication, Replication};

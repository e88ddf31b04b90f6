//! How a session is set up: [`Config`] and [`Limits`].

use crate::packet::{Command, ConfirmFormat};
use crate::peer::PeerId;
use crate::replication::Budget;
use crate::variant;
use core::time::Duration;
use proto_core::Rate;

/// The engine's least `max_sync_packet_size`.
const MIN_SYNC_PACKET: usize = 128;

/// Which part this end plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "MultiplayerPeer knows these three arrangements"
)]
pub enum Role {
    /// Connected to the server, and through its relay to the other clients.
    Client,
    /// Connected to each other peer, without a relay.
    Mesh,
    /// Connected to each client; announces clients to each other and relays between them.
    Server,
}

/// Whether peers must authenticate before they are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an auth callback is set or not")]
pub enum Authentication {
    /// Peers are admitted when the transport connects them.
    #[default]
    None,
    /// Peers are pending until both sides have completed (Godot: `auth_callback` is set).
    Required,
}

/// Whether packets between clients go through the server (Godot: `server_relay`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "on or off")]
pub enum Relay {
    /// They do not.
    Disabled,
    /// They do, and the server announces clients to each other.
    #[default]
    Enabled,
}

/// What to do with calls between ends whose method lists for that node differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "on or off")]
pub enum MismatchPolicy {
    /// Make the calls, as the engine does; the wrong method may run.
    Call,
    /// Refuse them in both directions.
    #[default]
    Refuse,
}

/// How the full states of a frame are stamped. Receivers only compare times of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way to count")]
pub enum SyncTime {
    /// One count for all peers, so that peers who see the same share packets.
    #[default]
    Shared,
    /// One count per peer, from 1, as the engine does.
    PerPeer,
}

/// A set of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commands(u8);

impl Commands {
    /// Every command.
    pub const ALL: Self = Self(0xff);
    /// No command.
    pub const NONE: Self = Self(0);

    /// This set with `command`.
    #[must_use]
    pub const fn with(self, command: Command) -> Self {
        Self(self.0 | 1 << command.byte())
    }

    /// This set without `command`.
    #[must_use]
    pub const fn without(self, command: Command) -> Self {
        Self(self.0 & !(1 << command.byte()))
    }

    /// Whether `command` is in it.
    #[must_use]
    pub const fn contains(self, command: Command) -> bool {
        self.0 & 1 << command.byte() != 0
    }
}

/// The settings of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// This end's number: 1 for a server, 2 to 2³¹ − 1 otherwise.
    pub id: PeerId,
    /// This end's part.
    pub role: Role,
    /// Whether peers authenticate. Default: no.
    pub authentication: Authentication,
    /// How long a peer may stay unauthenticated, from its connection on; zero is for ever. Default: 3 s.
    pub auth_timeout: Duration,
    /// Whether this end relays or uses the relay. Default: enabled. Has no effect in a mesh.
    pub relay: Relay,
    /// What a server forwards. Default: every command but SYS, which clients refuse anyway; the engine forwards it.
    pub forward: Commands,
    /// Form of CONFIRM_PATH for peers without their own setting. Default: that of Godot 4.3 and later.
    pub confirm_format: ConfirmFormat,
    /// Calls between ends with different method lists. Default: refused.
    pub mismatch: MismatchPolicy,
    /// Whether packets with meaningless flag bits are refused. Default: no, as the engine.
    pub refuse_unknown_flags: bool,
    /// Whether calls with bytes behind the last argument are refused. Default: no, as the engine.
    pub refuse_surplus_bytes: bool,
    /// How often the session runs a network frame by itself, from `handle_timeout`, while there is something to
    /// replicate; `None` leaves that to [`Session::tick`](crate::Session::tick). Default: 60 times a second.
    pub frame_interval: Option<Duration>,
    /// After how long the path of a synchronizer is announced again to a peer that did not confirm it, as when it has
    /// not loaded that scene yet; each time after twice as long, up to 16 times this. The engine announces once and
    /// such a synchronizer stays silent for ever; `None` does the same. Default: 2 s.
    pub path_retry: Option<Duration>,
    /// How full states are stamped. Default: shared.
    pub sync_time: SyncTime,
    /// What a packet of full states may have (`max_sync_packet_size`). Default: 1,350.
    pub max_sync_packet_bytes: usize,
    /// What a packet of deltas may have (`max_delta_packet_size`). Default: 65,535.
    pub max_delta_packet_bytes: usize,
    /// What replication may send to each peer per frame. Default: no limit.
    pub budget: Option<Budget>,
    /// What one peer may use.
    pub limits: Limits,
}

impl Config {
    /// A server.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(PeerId::SERVER, Role::Server)
    }

    /// A client of number `id`.
    #[must_use]
    pub const fn client(id: PeerId) -> Self {
        Self::new(id, Role::Client)
    }

    /// A member of a mesh, of number `id`.
    #[must_use]
    pub const fn mesh(id: PeerId) -> Self {
        Self::new(id, Role::Mesh)
    }

    const fn new(id: PeerId, role: Role) -> Self {
        Self {
            id,
            role,
            authentication: Authentication::None,
            auth_timeout: Duration::from_secs(3),
            relay: Relay::Enabled,
            forward: Commands::ALL.without(Command::Sys),
            confirm_format: ConfirmFormat::Id,
            mismatch: MismatchPolicy::Refuse,
            refuse_unknown_flags: false,
            refuse_surplus_bytes: false,
            frame_interval: Some(Duration::from_micros(16_667)),
            path_retry: Some(Duration::from_secs(2)),
            sync_time: SyncTime::Shared,
            max_sync_packet_bytes: 1350,
            max_delta_packet_bytes: 65_535,
            budget: None,
            limits: Limits::hardened(),
        }
    }

    pub(crate) const fn validate(&self) -> Result<(), ConfigError> {
        if matches!(self.role, Role::Server) != self.id.is_server()
            && !matches!(self.role, Role::Mesh)
        {
            return Err(ConfigError::IdAndRole);
        }
        if self.max_sync_packet_bytes < MIN_SYNC_PACKET
            || self.max_delta_packet_bytes < MIN_SYNC_PACKET
        {
            return Err(ConfigError::PacketSize);
        }
        if self.limits.peers == 0 || self.limits.path_bytes == 0 || self.limits.path_names == 0 {
            return Err(ConfigError::ZeroLimit);
        }
        Ok(())
    }
}

/// Why a session cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A server has number 1, and a client another.
    #[error("the id does not fit the role: a server is 1, a client is not")]
    IdAndRole,
    /// A size of state packets is below 128 bytes.
    #[error("a packet of state must have room for 128 bytes")]
    PacketSize,
    /// A limit that must allow at least one is zero.
    #[error("a limit is zero")]
    ZeroLimit,
}

/// What one peer can make the session hold or do.
///
/// Per admitted peer the hardened limits allow about 1 MiB of delayed relay packets and 4,096 cached paths (some 100
/// bytes each, since their text is shared with the scene).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Peers in all, pending ones among them. Hardened: 4,095.
    pub peers: usize,
    /// Authentication messages before admission. Hardened: 16.
    pub auth_messages: usize,
    /// Bytes of one of them. Hardened: 16 KiB.
    pub auth_message_bytes: usize,
    /// Path numbers that one peer may announce. Hardened: 4,096.
    pub cached_paths: usize,
    /// Bytes of their text. Hardened: 256 KiB.
    pub cached_path_bytes: usize,
    /// Bytes of one path. Hardened: 1,024.
    pub path_bytes: usize,
    /// Names in one path. Hardened: 64.
    pub path_names: usize,
    /// Calls of one peer. Hardened: 500 per second, 1,000 at once.
    pub rpc_rate: Rate,
    /// Bytes that one peer may have relayed, counted once per receiver. Hardened: 256 KiB per second, 1 MiB at once.
    pub relay_rate: Rate,
    /// Bytes of reliable packets of one peer that wait for that rate; beyond, the peer is disconnected. Hardened: 1 MiB.
    pub relay_backlog_bytes: usize,
    /// Nodes that one peer may have spawned here at a time; beyond, it is disconnected. Hardened: 65,536.
    pub spawned_nodes: usize,
    /// Numbers of nodes that one peer spawned here, and of synchronizers in them, that are remembered when they are gone,
    /// so that what is on its way counts as [`DropReason::FreedNode`](crate::DropReason::FreedNode) and not as
    /// [`DropReason::UnknownId`](crate::DropReason::UnknownId); those with the lowest numbers are forgotten first, since a peer
    /// counts up. Hardened: 1024.
    pub freed_numbers: usize,
    /// What packets of one peer may cost that wait for the application to answer a custom spawn; beyond, it is
    /// disconnected. Hardened: 1 MiB.
    pub held_bytes: usize,
    /// Limits of a decoded value.
    pub variant: variant::Limits,
}

impl Limits {
    /// The default: room for honest games, little for attackers.
    #[must_use]
    pub const fn hardened() -> Self {
        Self {
            peers: 4095,
            auth_messages: 16,
            auth_message_bytes: 16 << 10,
            cached_paths: 4096,
            cached_path_bytes: 256 << 10,
            path_bytes: 1024,
            path_names: 64,
            rpc_rate: Rate::new(500, 1000),
            relay_rate: Rate::new(256 << 10, 1 << 20),
            relay_backlog_bytes: 1 << 20,
            spawned_nodes: 65_536,
            freed_numbers: 1024,
            held_bytes: 1 << 20,
            variant: variant::Limits::new(),
        }
    }

    /// What the engine itself would take: no limit beyond what its formats imply.
    #[must_use]
    pub const fn reference() -> Self {
        Self {
            peers: usize::MAX,
            auth_messages: usize::MAX,
            auth_message_bytes: usize::MAX,
            cached_paths: usize::MAX,
            cached_path_bytes: usize::MAX,
            path_bytes: usize::MAX,
            path_names: usize::MAX,
            rpc_rate: Rate::UNLIMITED,
            relay_rate: Rate::UNLIMITED,
            relay_backlog_bytes: usize::MAX,
            spawned_nodes: usize::MAX,
            // A memory, not a limit: without bounds it would grow for ever.
            freed_numbers: 1024,
            held_bytes: usize::MAX,
            variant: variant::Limits::reference(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::hardened()
    }
}

//! ICE (RFC 8445) for games and data: two programs find a path to each other, whatever stands between them.
//!
//! [`Agent`] is a state machine for one component. It owns no socket and reads no clock: the caller gives it candidates,
//! what signalling brought, datagrams and the time, and takes datagrams, events and the next deadline from it. It is a full
//! agent or a lite one, with regular nomination, trickle, restart, consent (RFC 7675), patience (RFC 8863) and an
//! explanation in words.
//!
//! ```
//! use ice_lite::{Agent, Config, LocalCandidate, Role, State};
//! use proto_core::Instant;
//!
//! let addresses = ["192.0.2.1:4000".parse()?, "192.0.2.2:5000".parse()?];
//! let mut agents = [
//!     Agent::new(Config::new([1; 32], Role::Controlling))?,
//!     Agent::new(Config::new([2; 32], Role::Controlled))?,
//! ];
//! let mut now = Instant::from_millis(1000);
//! for (agent, address) in agents.iter_mut().zip(addresses) {
//!     agent.add_local(now, LocalCandidate::host(address))?;
//!     agent.end_of_local_candidates(now);
//! }
//! // Signalling, by any means: each side gets the description of the other.
//! let descriptions = agents.each_ref().map(Agent::description);
//! agents[0].set_remote(now, &descriptions[1])?;
//! agents[1].set_remote(now, &descriptions[0])?;
//!
//! let mut buffer = [0; Agent::BUFFER];
//! while agents.iter().any(|agent| agent.state() != State::Completed) {
//!     for (from, to) in [(0, 1), (1, 0)] {
//!         agents[from].handle_timeout(now);
//!         while let Some(transmit) = agents[from].poll_transmit(now, &mut buffer) {
//!             let bytes = &buffer[transmit.bytes];
//!             let _ = agents[to].handle_datagram(now, transmit.destination, addresses[from], bytes);
//!         }
//!     }
//!     now = now + core::time::Duration::from_millis(10);
//! }
//! // The application's own datagrams go where the agent says, as long as the peer consents.
//! let transmit = agents[0].send(now, 0..5)?;
//! assert_eq!(transmit.destination, addresses[1]);
//! assert!(agents[1].why().contains("is used"));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # How far it is
//!
//! A first version. Each rule of RFC 8445, trickle, restart, consent and lite agents that it follows has a test, named
//! after it; agents connect through NAT boxes of every mapping and filter in a simulated internet, with and without a relay,
//! exactly where there is a way; the recorded hostile inputs and floods stay within bounds. On real sockets it connects with
//! Chromium, aioice, libnice and libjuice in both roles, with and without trickle, restarts with Chromium and libnice, and is a
//! lite agent for Chromium, aioice and libnice. Offers and answers of Chromium, libwebrtc, libdatachannel, aiortc and werift are
//! read (feature `sdp`), and Chromium reads ours.
//! [`PortMapper`] opens, renews and gives back ports of miniupnpd, by PCP and by NAT-PMP, and follows its restart.
//! It has not been run over the internet.
//!
//! # A driver
//!
//! It binds a socket per local address and lets a [`Gatherer`] find the candidates of these, or adds each by hand as
//! [`LocalCandidate::host`]. In its loop it hands each datagram to the gatherer and then to [`Agent::handle_datagram`] with the address it came in on; what comes back as
//! [`Handled::Inner`](proto_core::Handled::Inner) is the application's. It sends what [`Agent::poll_transmit`] writes from
//! the socket that [`Transmit::source`](proto_core::Transmit::source) names. A relay needs nothing else: its address is a
//! local candidate, the driver wraps what leaves from there and unwraps what arrives there.
//!
//! A port that a gateway opens on request, by PCP or NAT-PMP, is a candidate too: [`PortMapper`].
//!
//! A server gives all its agents to an [`AgentSet`], which finds the one that a datagram is for.
//!
//! # TCP
//!
//! Where datagrams are blocked, candidates of TCP may connect (RFC 6544). The driver opens, accepts and closes the connections:
//!
//! - It adds [`LocalCandidate::host`] with [`LocalCandidate::with_transport`]: a passive candidate for each listener, and an
//!   active one with port 9 for each address that it can connect from.
//! - It does what [`Event::Tcp`] says, and answers with [`Agent::handle_connected`] or [`Agent::handle_closed`]. What its
//!   listeners accept it tells by [`Agent::handle_accepted`].
//! - It cuts what it reads with a [`Framer`](stun_proto::Framer) of its own for each connection
//!   ([`Framing::LengthPrefix`](stun_proto::Framing::LengthPrefix), which bounds what is held of a packet that is not whole),
//!   and hands each packet to [`Agent::handle_packet`]. A framer that fails is a connection to be closed.
//! - It sends data with [`Agent::send_framed`] when [`Path::connection`] says so.
//!
//! Any pair of UDP is better than one of TCP of the same kind of candidates, and a pair of TCP that works is kept by consent as
//! any other. A connection that closes ends it at once. On a server with an [`AgentSet`] the driver reads the first packet of a connection, which is at
//! most [`Framer::UNAUTHENTICATED_BYTES`](stun_proto::Framer::UNAUTHENTICATED_BYTES), asks [`AgentSet::agent_for`] for whom it
//! is, and bounds how many connections wait for that, and how long.
//!
//! # What it guards against
//!
//! Only checks with the right user name and integrity change anything, and only answers to own checks make a pair valid.
//! They count from wherever they come, unless [`Profile::Strict`] is set: who has seen neither the check nor the peer's password cannot make one,
//! and only a peer that says so is told to use a pair that was answered from elsewhere. Tables are bounded by [`Limits`]; a proven pair never makes room for another. Signalled
//! candidates cannot make it a flooder: new checks are paced, the rate to unproven addresses is limited, and an IP address
//! that never answers gets a fixed number of checks. Data from an address that no check has proven is not handed on.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod agent;
mod candidate;
mod check;
mod config;
mod connection;
mod consent;
mod credentials;
mod description;
mod event;
mod gather;
mod mapping;
mod pacer;
mod pair;
mod set;
mod stats;
mod timeline;

/// The crate that [`Description::from_sdp`] and [`Description::write_sdp`] go through.
#[cfg(feature = "sdp")]
#[cfg_attr(docsrs, doc(cfg(feature = "sdp")))]
pub use ::sdp;
pub use agent::{
    AddError, Agent, AttributesError, LocalCandidate, RemoteChange, RestartError, SendError,
    SetRemoteError,
};
pub use candidate::{
    Candidate, CandidateAddress, CandidateError, CandidateKind, Forbidden, Foundation, Loopback,
    MAPPED_PREFERENCE, MOST_EXTENSIONS, MOST_LINE_BYTES, TcpType, Transport,
    dual_stack_preferences, judge, pair_priority, priority, tcp_local_preference,
};
pub use config::{
    Config, ConfigError, Implementation, Limits, Nomination, Policy, Profile, Role, RoleAttribute,
    Standby, Timing,
};
pub use connection::{AcceptError, ConnectionId, TcpAction};
pub use credentials::{Credentials, CredentialsError};
#[cfg(feature = "sdp")]
pub use description::parse_sdp;
pub use description::{CompactError, Description, DescriptionError, Options, ReadDescription};
pub use event::{Event, Path, RestartReason, State};
pub use gather::{
    GatherConfig, GatherDrop, GatherEvent, GatherFailure, Gatherer, HostAddresses, SourceId,
};
pub use mapping::{
    MappedBy, MapperConfig, MapperDrop, MapperEvent, NatPmpRequest, NatPmpResponse,
    PcpAnnouncement, PcpRequest, PcpResponse, PortMapper,
};
pub use pacer::Pacer;
pub use set::{AgentId, AgentSet, InsertError, SetConfig, SetDrop, SetStats};
pub use stats::{DropReason, PairKey, PairState, PairStats, PairView, Stats};
pub use timeline::{Entry, Timeline, Why};

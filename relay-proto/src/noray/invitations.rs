//! The host's side of the handshake: [`Invitations`].

use super::{Claims, DropReason, HANDSHAKE_BYTES, INTERVAL, PATIENCE};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit, is_possible_source};

/// How [`Invitations`] go about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitationsConfig {
    /// Time between two datagrams to the same address; 100 ms.
    pub interval: Duration,
    /// When an invitation ends; 8 s, as long as a client tries.
    pub patience: Duration,
    /// What the host says of itself; [`Answers::Heard`].
    pub answers: Answers,
    /// Bounds.
    pub limits: Limits,
}

impl Default for InvitationsConfig {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            patience: PATIENCE,
            answers: Answers::Heard,
            limits: Limits::default(),
        }
    }
}

/// What a host says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answers {
    /// `$-w-` until it has heard the client, then `$rwx`. A client that hears the host through a way that does not lead
    /// back learns that. No slower than [`Answers::Always`], for a host that gets the client's datagrams.
    Heard,
    /// `$rwx` from the beginning, as a Godot host does, which cannot read what its ENet socket receives. For a caller that
    /// cannot either.
    Always,
}

/// Bounds of [`Invitations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Invitations at the same time; 64. Each is a stream of ten datagrams a second.
    pub invitations: usize,
    /// Further ports of an invited address that answer and are answered; 3. A client may really be at the second one, and a
    /// [`Punch`](super::Punch) must see a third to know that its ports never settle.
    pub ports_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            invitations: 64,
            ports_per_address: 3,
        }
    }
}

/// Why somebody cannot be invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Port 0, unspecified, multicast or broadcast.
    #[error("nobody can be at that address")]
    BadAddress,
    /// [`Limits::invitations`] are open.
    #[error("too many invitations at the same time")]
    TooMany,
}

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invitation {
    /// The first datagram of an invited client arrived: the way from there is open.
    Heard {
        /// Who was invited.
        invited: SocketAddr,
        /// Where it really is; another port behind some NAT boxes.
        from: SocketAddr,
    },
    /// Its time is over.
    Ended {
        /// Who was invited.
        invited: SocketAddr,
        /// Whether it was heard.
        heard: bool,
    },
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams written.
    pub sent: u64,
    /// Datagrams of invited clients.
    pub received: u64,
    /// Datagrams dropped with [`DropReason::Stranger`].
    pub strangers: u64,
    /// Datagrams dropped with [`DropReason::TooManyPorts`].
    pub excess_ports: u64,
}

/// Opens the ways to clients from the ENet socket of a host: `PacketHandshake.over_enet` of the addon.
#[derive(Debug)]
pub struct Invitations {
    config: InvitationsConfig,
    targets: Vec<Target>,
    events: VecDeque<Invitation>,
    stats: Stats,
}

/// An address to send to.
#[derive(Clone, Copy, Debug)]
struct Target {
    address: SocketAddr,
    /// Who was invited: `address`, or one that differs in the port.
    invited: SocketAddr,
    heard: bool,
    next: Instant,
    ends: Instant,
}

impl Invitations {
    /// Nobody is invited yet.
    #[must_use]
    pub const fn new(config: InvitationsConfig) -> Self {
        Self {
            config,
            targets: Vec::new(),
            events: VecDeque::new(),
            stats: Stats {
                sent: 0,
                received: 0,
                strangers: 0,
                excess_ports: 0,
            },
        }
    }

    /// Begins to send to `address`, the one that the control service gave. Who is invited already gets more time.
    ///
    /// # Errors
    /// If nobody can be at `address`, or too many are invited.
    pub fn invite(&mut self, now: Instant, address: SocketAddr) -> Result<(), InviteError> {
        if !is_possible_source(address) {
            return Err(InviteError::BadAddress);
        }
        let ends = now + self.config.patience;
        let mut known = false;
        for target in self.targets.iter_mut().filter(|one| one.invited == address) {
            target.ends = ends;
            known = true;
        }
        if known {
            return Ok(());
        }
        if self.open() >= self.config.limits.invitations {
            return Err(InviteError::TooMany);
        }
        // It may have been found as another port of somebody else behind the same NAT box.
        self.targets.retain(|target| target.address != address);
        self.targets.push(Target {
            address,
            invited: address,
            heard: false,
            next: now,
            ends,
        });
        Ok(())
    }

    /// Ends the invitation of `address`, without an event: the client connected from there, or is not wanted any more.
    pub fn withdraw(&mut self, address: SocketAddr) {
        let found = self.targets.iter().find(|one| one.address == address);
        if let Some(invited) = found.map(|target| target.invited) {
            self.targets.retain(|target| target.invited != invited);
        }
    }

    /// Open invitations.
    #[must_use]
    pub fn open(&self) -> usize {
        let invited = |target: &&Target| target.address == target.invited;
        self.targets.iter().filter(invited).count()
    }

    /// Counters since the beginning.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes a datagram that arrived on the socket.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Handled<DropReason> {
        if Claims::parse(datagram).is_none() {
            return Handled::NotMine;
        }
        let target = match self.targets.iter().position(|one| one.address == from) {
            Some(index) => &mut self.targets[index],
            None => match self.add_port(now, from) {
                Ok(target) => target,
                Err(reason) => return Handled::Dropped(reason),
            },
        };
        if !target.heard {
            target.heard = true;
            // The client waits for this one.
            target.next = now;
            let invited = target.invited;
            self.events.push_back(Invitation::Heard { invited, from });
        }
        self.stats.received += 1;
        Handled::Consumed
    }

    /// An invited client shows another port than the one announced.
    fn add_port(&mut self, now: Instant, from: SocketAddr) -> Result<&mut Target, DropReason> {
        let Some(invited) = self.invited_at(from.ip()).filter(|_| from.port() != 0) else {
            self.stats.strangers += 1;
            return Err(DropReason::Stranger);
        };
        let same = self
            .targets
            .iter()
            .filter(|one| one.invited == invited.address);
        if same.count() > self.config.limits.ports_per_address {
            self.stats.excess_ports += 1;
            return Err(DropReason::TooManyPorts);
        }
        let at = self.targets.len();
        self.targets.push(Target {
            address: from,
            heard: false,
            next: now,
            ..invited
        });
        Ok(&mut self.targets[at])
    }

    /// Who was invited at `ip`: of several behind one NAT box the first that was not heard yet.
    fn invited_at(&self, ip: IpAddr) -> Option<Target> {
        let mut there = self
            .targets
            .iter()
            .filter(|one| one.address == one.invited && one.address.ip() == ip);
        let first = there.clone().next().copied();
        let quiet = |invited: SocketAddr| {
            let mut same = self.targets.iter().filter(|one| one.invited == invited);
            same.all(|one| !one.heard)
        };
        there.find(|one| quiet(one.invited)).copied().or(first)
    }

    /// Ends invitations whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.targets.iter().all(|target| now < target.ends) {
            return;
        }
        for index in 0..self.targets.len() {
            let Target {
                address,
                invited,
                ends,
                ..
            } = self.targets[index];
            if address == invited && now >= ends {
                let mut same = self.targets.iter().filter(|one| one.invited == invited);
                let heard = same.any(|one| one.heard);
                self.events.push_back(Invitation::Ended { invited, heard });
            }
        }
        self.targets.retain(|target| now < target.ends);
    }

    /// Writes the next datagram into `buffer`, which has at least [`HANDSHAKE_BYTES`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let due = |target: &&mut Target| target.next <= now && now < target.ends;
        let target = self.targets.iter_mut().find(due)?;
        let heard = target.heard || self.config.answers == Answers::Always;
        let claims = Claims {
            received: heard,
            // The addon does not look at this one: it tells a `Punch` that it is seen at another port than announced.
            sent: target.address == target.invited,
            exchanged: heard,
        };
        claims.write(buffer).ok()?;
        target.next = now + self.config.interval;
        self.stats.sent += 1;
        Some(Transmit {
            source: None,
            destination: target.address,
            bytes: 0..HANDSHAKE_BYTES,
        })
    }

    /// When to call [`Invitations::handle_timeout`] and [`Invitations::poll_transmit`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = self.targets.iter().map(|one| one.next.min(one.ends));
        deadlines.min()
    }

    /// What became of an invitation. At most one [`Invitation::Heard`] per port and one [`Invitation::Ended`] per
    /// invitation wait here.
    pub fn poll_event(&mut self) -> Option<Invitation> {
        self.events.pop_front()
    }
}

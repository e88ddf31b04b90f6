//! A port that a gateway opens on request: [`PortMapper`], with the messages of PCP and NAT-PMP.

mod announce;
mod nat_pmp;
mod pcp;
#[cfg(test)]
mod tests;

pub use announce::PcpAnnouncement;
pub use nat_pmp::{NatPmpRequest, NatPmpResponse};
pub use pcp::{PcpRequest, PcpResponse};

use crate::candidate::{Loopback, judge, plain};
use crate::{ConfigError, LocalCandidate};
use alloc::collections::VecDeque;
use announce::Epoch;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use proto_core::{Handled, Instant, SeedRng, Transmit};

/// Waits between copies of a request. Gateways are near: RFC 6886 begins with 250 ms, and a player waits.
const WAITS: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];
/// A lease that is shorter is no use; one that is longer is taken for this long.
const SHORTEST_LEASE: Duration = Duration::from_secs(30);
const LONGEST_LEASE: Duration = Duration::from_secs(86_400);

/// Settings of a [`PortMapper`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MapperConfig {
    /// Source of the nonce that names the mapping.
    pub seed: [u8; 32],
    /// The gateway, usually the default route's next hop, at [`MapperConfig::PORT`].
    pub gateway: SocketAddr,
    /// The socket that is to be reached from outside. Requests leave from it, or from any other of the same IP address: PCP
    /// compares that.
    pub internal: SocketAddr,
    /// The lease that is asked for: two hours by default, as RFC 6886 recommends.
    pub lifetime: Duration,
}

impl MapperConfig {
    /// Where gateways listen, for both protocols.
    pub const PORT: u16 = 5351;

    /// A mapping of `internal` at the gateway with this address.
    #[must_use]
    pub const fn new(seed: [u8; 32], gateway: IpAddr, internal: SocketAddr) -> Self {
        Self {
            seed,
            gateway: SocketAddr::new(gateway, Self::PORT),
            internal,
            lifetime: Duration::from_secs(7200),
        }
    }
}

/// Which protocol made a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MappedBy {
    /// The Port Control Protocol.
    Pcp,
    /// The NAT Port Mapping Protocol.
    NatPmp,
    /// Universal Plug and Play, Internet Gateway Device: a driver asked by it, a [`PortMapper`] does not.
    Upnp,
}

/// What a mapper found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapperEvent {
    /// The port is open at this outer address, anew or at another one than before. An address in a private range means that
    /// another gateway stands further out.
    Mapped {
        /// The outer address.
        external: SocketAddr,
        /// By which protocol.
        by: MappedBy,
        /// How long it lives unless it is renewed, as it is at half of that; `None` is without end, which some gateways give
        /// by UPnP.
        lease: Option<Duration>,
    },
    /// The mapping has ended and could not be renewed.
    Lost,
    /// The gateway refused, or answered neither protocol. Nothing more happens.
    Failed,
}

/// Why a datagram was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapperDrop {
    /// It is no answer to what was asked, or is malformed.
    Unexpected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Pcp,
    /// NAT-PMP tells the outer address by itself.
    NatPmpAddress,
    NatPmpMap(Ipv4Addr),
    /// Nothing to ask until then.
    Rest(Instant),
    Over,
}

/// Asks a gateway to open a UDP port, by PCP (RFC 6887) and, if it does not know that, by NAT-PMP (RFC 6886), and renews the lease
/// until it is stopped, or anew when the gateway tells that it has lost it ([`PortMapper::handle_announcement`]).
///
/// It is off unless a caller makes one. What it finds is a candidate, [`PortMapper::candidate`], for
/// [`Gatherer::provide`](crate::Gatherer::provide).
///
/// ```
/// use ice_lite::{MapperConfig, PcpRequest, PortMapper};
/// use proto_core::Instant;
///
/// let now = Instant::from_millis(1000);
/// let config = MapperConfig::new([7; 32], "192.168.0.1".parse()?, "192.168.0.2:4000".parse()?);
/// let mut mapper = PortMapper::new(now, config)?;
/// let mut buffer = [0; PortMapper::BUFFER];
/// let transmit = mapper.poll_transmit(now, &mut buffer).expect("it asks at once");
/// let request = PcpRequest::read(&buffer[transmit.bytes])?;
/// assert_eq!((request.internal_port, request.lifetime_seconds), (4000, 7200));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PortMapper {
    config: MapperConfig,
    rng: SeedRng,
    nonce: [u8; 12],
    now: Instant,
    step: Step,
    sends: usize,
    due: Instant,
    mapped: Option<(SocketAddr, MappedBy)>,
    /// That of the last answer.
    epoch: Option<Epoch>,
    expires: Instant,
    /// The request that is written removes the mapping.
    stopping: bool,
    events: VecDeque<MapperEvent>,
}

impl PortMapper {
    /// Bytes of the smallest buffer for [`PortMapper::poll_transmit`].
    pub const BUFFER: usize = PcpRequest::BYTES;

    /// A mapper that asks at once.
    ///
    /// # Errors
    /// If addresses are of two families or unspecified, or the lease is shorter than 30 s or longer than a day.
    pub fn new(now: Instant, config: MapperConfig) -> Result<Self, ConfigError> {
        let mut rng = SeedRng::new(config.seed);
        let mut nonce = [0; 12];
        rng.fill(&mut nonce);
        let internal = config.internal;
        if internal.is_ipv4() != config.gateway.is_ipv4() || internal.ip().is_unspecified() {
            return Err(ConfigError { field: "internal" });
        }
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&config.lifetime) {
            return Err(ConfigError { field: "lifetime" });
        }
        Ok(Self {
            config,
            rng,
            nonce,
            now,
            step: Step::Pcp,
            sends: 0,
            due: now,
            mapped: None,
            epoch: None,
            expires: Instant::MAX,
            stopping: false,
            events: VecDeque::new(),
        })
    }

    /// The mapping as a candidate, while there is one.
    #[must_use]
    pub fn candidate(&self) -> Option<LocalCandidate> {
        let (external, _) = self.mapped?;
        Some(LocalCandidate::mapped(external, self.config.internal))
    }

    /// Removes the mapping, or the one that was asked for last: one more request, which is not waited for.
    pub fn stop(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.stopping = true;
        self.step = match self.mapped.take() {
            Some((_, MappedBy::NatPmp)) => Step::NatPmpMap(Ipv4Addr::UNSPECIFIED),
            Some(_) => Step::Pcp,
            // A request is on its way: the gateway may have granted it already.
            None if self.step == Step::Pcp && self.sends > 0 => Step::Pcp,
            None if matches!(self.step, Step::NatPmpMap(_)) && self.sends > 0 => {
                Step::NatPmpMap(Ipv4Addr::UNSPECIFIED)
            }
            None => Step::Over,
        };
        self.sends = 0;
        self.due = self.now;
    }

    fn begin(&mut self, step: Step) {
        self.step = step;
        self.sends = 0;
        self.due = self.now;
    }

    /// A datagram came for the socket from which requests leave.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<MapperDrop> {
        self.now = self.now.max(now);
        if plain(from) != plain(self.config.gateway) {
            return Handled::NotMine;
        }
        let used = match self.step {
            Step::Pcp => self.on_pcp(data),
            Step::NatPmpAddress | Step::NatPmpMap(_) => self.on_nat_pmp(data),
            Step::Rest(_) | Step::Over => false,
        };
        if used && !self.stopping {
            Handled::Consumed
        } else {
            Handled::Dropped(MapperDrop::Unexpected)
        }
    }

    fn on_pcp(&mut self, data: &[u8]) -> bool {
        if let Ok(response) = PcpResponse::read(data) {
            let ours = response.nonce == self.nonce
                && response.internal_port == self.config.internal.port();
            if ours && !self.stopping {
                self.on_pcp_result(&response);
            }
            return ours;
        }
        // A gateway that knows NAT-PMP only, or another version of PCP alone (RFC 6887 appendix A).
        let refused = NatPmpResponse::read(data).ok();
        let result = NatPmpResponse::UNSUPPORTED_VERSION;
        let older = refused == Some(NatPmpResponse::Refused { result });
        if older && !self.stopping {
            self.fall_back();
        }
        older
    }

    fn on_pcp_result(&mut self, response: &PcpResponse) {
        if response.result == 0 {
            self.epoch = Some(self.epoch_of(response.epoch_seconds));
            let lease = Duration::from_secs(response.lifetime_seconds.into());
            self.on_mapped(response.external, MappedBy::Pcp, lease);
        } else if self.mapped.is_none() && self.config.internal.is_ipv4() {
            self.fall_back();
        } else {
            self.give_up();
        }
    }

    fn on_nat_pmp(&mut self, data: &[u8]) -> bool {
        let Ok(response) = NatPmpResponse::read(data) else {
            return false;
        };
        match (self.step, response) {
            (_, NatPmpResponse::Refused { .. }) => self.give_up(),
            (Step::NatPmpAddress, NatPmpResponse::Address { external, .. }) => {
                self.begin(Step::NatPmpMap(external));
            }
            (
                Step::NatPmpMap(ip),
                NatPmpResponse::Map {
                    internal_port,
                    external_port,
                    lifetime_seconds,
                    epoch_seconds,
                },
            ) if internal_port == self.config.internal.port() && !self.stopping => {
                self.epoch = Some(self.epoch_of(epoch_seconds));
                let external = SocketAddr::new(ip.into(), external_port);
                let lease = Duration::from_secs(lifetime_seconds.into());
                self.on_mapped(external, MappedBy::NatPmp, lease);
            }
            _ => return false,
        }
        true
    }

    const fn epoch_of(&self, seconds: u32) -> Epoch {
        let at = self.now;
        Epoch { seconds, at }
    }

    fn on_mapped(&mut self, external: SocketAddr, by: MappedBy, lease: Duration) {
        let external = plain(external);
        let usable = judge(external, Loopback::Allowed).is_ok()
            && external.is_ipv4() == self.config.internal.is_ipv4();
        if !usable || lease < SHORTEST_LEASE {
            self.give_up();
            return;
        }
        let lease = lease.min(LONGEST_LEASE);
        self.expires = self.now + lease;
        // Half of the lease is left for a gateway that answers late (RFC 6886 section 3.3, RFC 6887 section 11.2.1).
        self.step = Step::Rest(self.now + lease / 2);
        if self.mapped != Some((external, by)) {
            self.mapped = Some((external, by));
            self.events.push_back(MapperEvent::Mapped {
                external,
                by,
                lease: Some(lease),
            });
        }
    }

    /// The gateway does not know PCP. NAT-PMP is for IPv4 only.
    fn fall_back(&mut self) {
        if self.config.internal.is_ipv4() && self.mapped.is_none() {
            self.begin(Step::NatPmpAddress);
        } else {
            self.give_up();
        }
    }

    /// Nothing was granted. A mapping that still lives is asked for again until it ends.
    fn give_up(&mut self) {
        match self.mapped {
            Some(_) if self.now < self.expires => {
                let left = self.expires.saturating_since(self.now);
                let pause = (left / 2).max(Duration::from_secs(1));
                self.step = Step::Rest(self.now + pause);
            }
            Some(_) => self.end(MapperEvent::Lost),
            None => self.end(MapperEvent::Failed),
        }
    }

    fn end(&mut self, event: MapperEvent) {
        self.mapped = None;
        self.step = Step::Over;
        self.events.push_back(event);
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.mapped.is_some() && self.now >= self.expires {
            self.end(MapperEvent::Lost);
        }
        if let Step::Rest(until) = self.step
            && self.now >= until
        {
            let by = self.mapped.map(|(_, by)| by);
            self.begin(match by {
                Some(MappedBy::NatPmp) => Step::NatPmpAddress,
                _ => Step::Pcp,
            });
        }
        if self.is_asking() && self.sends >= WAITS.len() && self.now >= self.due {
            match self.step {
                _ if self.stopping => self.step = Step::Over,
                Step::Pcp => self.fall_back(),
                _ => self.give_up(),
            }
        }
    }

    const fn is_asking(&self) -> bool {
        matches!(
            self.step,
            Step::Pcp | Step::NatPmpAddress | Step::NatPmpMap(_)
        )
    }

    /// Writes the next request into `buffer`, which has [`PortMapper::BUFFER`] bytes.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.now = self.now.max(now);
        if !self.is_asking() || self.now < self.due {
            return None;
        }
        let wait = WAITS.get(self.sends).copied()?;
        let length = self.write(buffer)?;
        self.sends += 1;
        self.due = self.now + wait;
        if self.stopping {
            self.step = Step::Over;
        }
        Some(Transmit {
            source: Some(self.config.internal),
            destination: self.config.gateway,
            bytes: 0..length,
        })
    }

    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let lifetime_seconds = if self.stopping {
            0
        } else {
            u32::try_from(self.config.lifetime.as_secs()).unwrap_or(u32::MAX)
        };
        let internal_port = self.config.internal.port();
        let held = self.mapped.map(|(external, _)| external);
        let written = match self.step {
            Step::Pcp => PcpRequest {
                client: self.config.internal.ip(),
                nonce: self.nonce,
                internal_port,
                suggested: held.unwrap_or_else(|| self.any_address()),
                lifetime_seconds,
            }
            .write(buffer),
            Step::NatPmpAddress => NatPmpRequest::Address.write(buffer),
            Step::NatPmpMap(_) => NatPmpRequest::Map {
                internal_port,
                // A removal names no outer port (RFC 6886 section 3.4).
                suggested_port: match held {
                    Some(held) => held.port(),
                    None if self.stopping => 0,
                    None => internal_port,
                },
                lifetime_seconds,
            }
            .write(buffer),
            Step::Rest(_) | Step::Over => return None,
        };
        written.ok()
    }

    /// "Any" of the family, with the inner port as a wish: many games tell friends a port.
    const fn any_address(&self) -> SocketAddr {
        let ip = if self.config.internal.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let port = if self.stopping {
            0
        } else {
            self.config.internal.port()
        };
        SocketAddr::new(ip, port)
    }

    /// The next moment at which something changes by itself. A moment that has passed means now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.step {
            Step::Over => return None,
            Step::Rest(until) => until,
            _ => self.due,
        };
        Some(match self.mapped {
            Some(_) => next.min(self.expires),
            None => next,
        })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<MapperEvent> {
        self.events.pop_front()
    }
}

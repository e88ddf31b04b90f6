//! The mappings of one box: [`Table`].

use super::nat::{Dependence, Firewall, Nat, Overload, Pooling, PortPolicy, Refresh};
use crate::Dice;
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::Instant;

/// The most remote endpoints that one mapping remembers; the one idle for longest gives way.
const PEERS_PER_MAPPING: usize = 4096;

/// Why a box did not let a datagram through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Blocked {
    /// No port was left for a new mapping.
    Exhausted,
    /// The filter of the mapping does not know the sender.
    Filtered,
    /// The box does not hairpin.
    Hairpin,
    /// The box lets no datagrams pass, or not to that port.
    Policy,
    /// Nobody inside has that outer address and port.
    Unmapped,
}

/// What a mapping is for: an inner endpoint, and as much of the destination as the box looks at.
type Use = (SocketAddr, Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Mapping {
    purpose: Use,
    last_use: Instant,
    peers: BTreeMap<SocketAddr, Instant>,
    /// Made by hand, for ever and for everybody.
    forwarded: bool,
}

/// A NAT's state: mappings by what they are for and by their outer endpoints.
#[derive(Debug)]
pub(crate) struct Table {
    nat: Nat,
    external: Vec<IpAddr>,
    /// Whether outer endpoints are the inner ones: a firewall's table.
    transparent: bool,
    by_use: BTreeMap<Use, SocketAddr>,
    by_external: BTreeMap<SocketAddr, Mapping>,
    paired: BTreeMap<IpAddr, IpAddr>,
    next_port: BTreeMap<IpAddr, u16>,
    blocks: BTreeMap<IpAddr, u16>,
    dice: Dice,
}

impl Table {
    pub(crate) fn new(nat: Nat, external: Vec<IpAddr>, dice: Dice) -> Self {
        Self {
            nat,
            external,
            transparent: false,
            by_use: BTreeMap::new(),
            by_external: BTreeMap::new(),
            paired: BTreeMap::new(),
            next_port: BTreeMap::new(),
            blocks: BTreeMap::new(),
            dice,
        }
    }

    /// The table of a box that filters and does not translate.
    pub(crate) fn transparent(firewall: &Firewall, dice: Dice) -> Self {
        let nat = Nat {
            lifetime: firewall.lifetime,
            refresh: firewall.refresh,
            refusal: firewall.refusal,
            ..Nat::new(Dependence::EndpointIndependent, firewall.filtering)
        };
        Self {
            transparent: true,
            ..Self::new(nat, Vec::new(), dice)
        }
    }

    pub(crate) const fn nat(&self) -> &Nat {
        &self.nat
    }

    pub(crate) fn external(&self) -> &[IpAddr] {
        &self.external
    }

    /// Forgets everything, as a box does that loses power.
    pub(crate) fn clear(&mut self) {
        self.by_use.clear();
        self.by_external.clear();
        self.paired.clear();
        self.next_port.clear();
        self.blocks.clear();
    }

    /// Replaces the outer addresses, and forgets everything that hung on them.
    pub(crate) fn set_external(&mut self, external: Vec<IpAddr>) {
        self.clear();
        self.external = external;
    }

    /// Forwards `external` to `internal`, from anybody and for ever.
    pub(crate) fn forward(&mut self, internal: SocketAddr, external: SocketAddr) {
        self.remove(external);
        let purpose = (internal, None, None);
        if self.nat.mapping == Dependence::EndpointIndependent
            && let Some(before) = self.by_use.insert(purpose, external)
        {
            self.by_external.remove(&before);
        }
        let mapping = Mapping {
            purpose,
            last_use: Instant::ZERO,
            peers: BTreeMap::new(),
            forwarded: true,
        };
        self.by_external.insert(external, mapping);
    }

    /// The outer endpoint from which a datagram of `internal` to `remote` leaves.
    pub(crate) fn outbound(
        &mut self,
        now: Instant,
        internal: SocketAddr,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Blocked> {
        let purpose = self.purpose(internal, remote);
        let known = self.by_use.get(&purpose).copied();
        let external = match known {
            Some(external) if self.is_live(external, now) => external,
            _ => self.create(now, purpose, remote)?,
        };
        if let Some(mapping) = self.by_external.get_mut(&external) {
            mapping.last_use = now;
            mapping.permit(remote, now);
        }
        Ok(external)
    }

    /// The inner endpoint to which a datagram from `remote` to `external` goes.
    pub(crate) fn inbound(
        &mut self,
        now: Instant,
        external: SocketAddr,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Blocked> {
        if !self.is_live(external, now) {
            return self.unknown(external);
        }
        let (filtering, lifetime) = (self.nat.filtering, self.nat.lifetime);
        let Some(mapping) = self.by_external.get_mut(&external) else {
            return self.unknown(external);
        };
        if !mapping.admits(remote, filtering, now, lifetime) {
            return Err(Blocked::Filtered);
        }
        if self.nat.refresh == Refresh::Both {
            mapping.last_use = now;
            if let Some(used) = mapping.peers.get_mut(&remote) {
                *used = now;
            }
        }
        Ok(mapping.purpose.0)
    }

    /// The inner endpoint behind `external`, whoever asks: for errors about datagrams that left there.
    pub(crate) fn owner(&self, now: Instant, external: SocketAddr) -> Option<SocketAddr> {
        let mapping = self.by_external.get(&external)?;
        self.is_live(external, now).then_some(mapping.purpose.0)
    }

    /// Live mappings as (inner endpoint, outer endpoint), in the order of the outer ones.
    pub(crate) fn mappings(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        self.by_external
            .iter()
            .filter(move |(external, _)| self.is_live(**external, now))
            .map(|(&external, mapping)| (mapping.purpose.0, external))
    }

    fn unknown(&self, external: SocketAddr) -> Result<SocketAddr, Blocked> {
        if !self.transparent {
            return Err(Blocked::Unmapped);
        }
        if self.nat.filtering == Dependence::EndpointIndependent {
            Ok(external)
        } else {
            Err(Blocked::Filtered)
        }
    }

    fn purpose(&self, internal: SocketAddr, remote: SocketAddr) -> Use {
        match self.nat.mapping {
            Dependence::EndpointIndependent => (internal, None, None),
            Dependence::AddressDependent => (internal, Some(remote.ip()), None),
            Dependence::AddressAndPortDependent => {
                (internal, Some(remote.ip()), Some(remote.port()))
            }
        }
    }

    fn is_live(&self, external: SocketAddr, now: Instant) -> bool {
        self.by_external
            .get(&external)
            .is_some_and(|mapping| mapping.forwarded || now <= mapping.last_use + self.nat.lifetime)
    }

    fn remove(&mut self, external: SocketAddr) {
        let Some(mapping) = self.by_external.remove(&external) else {
            return;
        };
        if self.by_use.get(&mapping.purpose) == Some(&external) {
            self.by_use.remove(&mapping.purpose);
        }
    }

    fn create(
        &mut self,
        now: Instant,
        purpose: Use,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Blocked> {
        let external = if self.transparent {
            purpose.0
        } else {
            self.allocate(now, purpose.0, remote)?
        };
        if let Some(&before) = self.by_use.get(&purpose) {
            self.remove(before);
        }
        self.remove(external);
        self.by_use.insert(purpose, external);
        let mapping = Mapping {
            purpose,
            last_use: now,
            peers: BTreeMap::new(),
            forwarded: false,
        };
        self.by_external.insert(external, mapping);
        Ok(external)
    }

    fn allocate(
        &mut self,
        now: Instant,
        internal: SocketAddr,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Blocked> {
        if self.by_external.len() >= self.nat.mappings_max {
            self.forget_expired(now);
        }
        let ip = self.outer_address(internal.ip(), remote.ip())?;
        let pool = self.pool(ip, internal)?;
        let full = self.by_external.len() >= self.nat.mappings_max;
        let free = if full {
            None
        } else {
            pool.ports()
                .find(|&port| !self.is_live(SocketAddr::new(ip, port), now))
        };
        let port = match (free, self.nat.overload) {
            (Some(port), _) => port,
            (None, Overload::Refuse) => return Err(Blocked::Exhausted),
            (None, Overload::RecycleOldest) => self.oldest(ip, &pool).ok_or(Blocked::Exhausted)?,
        };
        self.next_port.insert(ip, port.checked_add(1).unwrap_or(0));
        let external = SocketAddr::new(ip, port);
        self.remove(external);
        Ok(external)
    }

    fn forget_expired(&mut self, now: Instant) {
        let expired: Vec<_> = self
            .by_external
            .keys()
            .copied()
            .filter(|&external| !self.is_live(external, now))
            .collect();
        for external in expired {
            self.remove(external);
        }
    }

    /// The outer address for a new mapping: one of the family of the destination.
    fn outer_address(&mut self, internal: IpAddr, remote: IpAddr) -> Result<IpAddr, Blocked> {
        if let (Pooling::Paired, Some(&ip)) = (self.nat.pooling, self.paired.get(&internal))
            && ip.is_ipv4() == remote.is_ipv4()
        {
            return Ok(ip);
        }
        let fitting: Vec<_> = self
            .external
            .iter()
            .copied()
            .filter(|ip| ip.is_ipv4() == remote.is_ipv4())
            .collect();
        let pick = if fitting.len() > 1 {
            usize::try_from(self.dice.below(fitting.len() as u64)).unwrap_or_default()
        } else {
            0
        };
        let &ip = fitting.get(pick).ok_or(Blocked::Exhausted)?;
        if self.nat.pooling == Pooling::Paired {
            self.paired.insert(internal, ip);
        }
        Ok(ip)
    }

    /// The ports that a mapping of `internal` may get, in the order in which they are tried.
    fn pool(&mut self, ip: IpAddr, internal: SocketAddr) -> Result<Pool, Blocked> {
        let (first, last) = self.nat.port_range;
        let port = internal.port();
        let whole = |start, step| Pool {
            first,
            last,
            start,
            step,
        };
        let inside = port.clamp(first, last);
        Ok(match self.nat.ports {
            PortPolicy::Preserve => Pool {
                first: port,
                last: port,
                start: port,
                step: 1,
            },
            PortPolicy::PreserveOrNext => whole(inside, 1),
            PortPolicy::Sequential => {
                let next = self.next_port.get(&ip).copied().unwrap_or(first);
                whole(
                    if (first..=last).contains(&next) {
                        next
                    } else {
                        first
                    },
                    1,
                )
            }
            PortPolicy::Random => {
                let width = u64::from(last.saturating_sub(first)) + 1;
                let offset = u16::try_from(self.dice.below(width)).unwrap_or_default();
                whole(first.saturating_add(offset), 1)
            }
            PortPolicy::Blocks(size) => {
                let start = self.block(internal.ip(), size.max(1))?;
                let last = start.saturating_add(size.max(1) - 1).min(last);
                Pool {
                    first: start,
                    last,
                    start,
                    step: 1,
                }
            }
            PortPolicy::Parity => {
                // The range begins with a port of the wanted parity, so that going round keeps it.
                let first = if first % 2 == port % 2 {
                    first
                } else {
                    first.saturating_add(1)
                };
                let last = if last % 2 == port % 2 {
                    last
                } else {
                    last.saturating_sub(1)
                };
                Pool {
                    first,
                    last,
                    start: port.clamp(first, last),
                    step: 2,
                }
            }
        })
    }

    /// The first port of the block of an inner address.
    fn block(&mut self, internal: IpAddr, size: u16) -> Result<u16, Blocked> {
        if let Some(&start) = self.blocks.get(&internal) {
            return Ok(start);
        }
        let taken = u16::try_from(self.blocks.len()).map_err(|_| Blocked::Exhausted)?;
        let (first, last) = self.nat.port_range;
        let start = taken
            .checked_mul(size)
            .and_then(|offset| first.checked_add(offset))
            .filter(|&start| start <= last)
            .ok_or(Blocked::Exhausted)?;
        self.blocks.insert(internal, start);
        Ok(start)
    }

    fn oldest(&self, ip: IpAddr, pool: &Pool) -> Option<u16> {
        self.by_external
            .range(SocketAddr::new(ip, pool.first)..=SocketAddr::new(ip, pool.last))
            .filter(|(external, mapping)| !mapping.forwarded && pool.contains(external.port()))
            .min_by_key(|(_, mapping)| mapping.last_use)
            .map(|(external, _)| external.port())
    }
}

impl Mapping {
    fn permit(&mut self, remote: SocketAddr, now: Instant) {
        if self.peers.len() >= PEERS_PER_MAPPING && !self.peers.contains_key(&remote) {
            let oldest = self.peers.iter().min_by_key(|(_, used)| **used);
            if let Some(oldest) = oldest.map(|(&peer, _)| peer) {
                self.peers.remove(&oldest);
            }
        }
        self.peers.insert(remote, now);
    }

    fn admits(
        &self,
        remote: SocketAddr,
        filtering: Dependence,
        now: Instant,
        lifetime: Duration,
    ) -> bool {
        let fresh = |used: &Instant| now <= *used + lifetime;
        self.forwarded
            || match filtering {
                Dependence::EndpointIndependent => true,
                Dependence::AddressDependent => {
                    let ip = remote.ip();
                    self.peers
                        .range(SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX))
                        .any(|(_, used)| fresh(used))
                }
                Dependence::AddressAndPortDependent => self.peers.get(&remote).is_some_and(fresh),
            }
    }
}

/// A row of ports, from `start` round to it again.
struct Pool {
    first: u16,
    last: u16,
    start: u16,
    step: u16,
}

impl Pool {
    fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let step = usize::from(self.step);
        (self.start..=self.last)
            .step_by(step)
            .chain((self.first..self.start).step_by(step))
    }

    fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port) && (port - self.first).is_multiple_of(self.step)
    }
}

#[cfg(test)]
mod tests;

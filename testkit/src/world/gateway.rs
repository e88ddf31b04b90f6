//! A box between two zones: [`Gateway`] says which, `GatewayState` moves packets through it.

use super::ZoneId;
use super::nat::{Firewall, Hairpin, Nat, Refusal};
use super::packet::{Body, Packet, SendError, behind_nat64, nat64_address};
use super::table::{Blocked, Table};
use crate::Dice;
use crate::link::LinkState;
use alloc::rc::Rc;
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;

/// A box at the edge of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests go through all of them and write them as literals"
)]
pub enum Gateway {
    /// Filters and translates nothing. Hosts behind it keep addresses that the outer zone routes to it.
    Firewall(Firewall),
    /// Translates addresses within a family.
    Nat(Nat),
    /// Translates IPv6 inside to IPv4 outside; inner hosts send to [`nat64_address`]es.
    Nat64(Nat),
}

impl From<Nat> for Gateway {
    fn from(nat: Nat) -> Self {
        Self::Nat(nat)
    }
}

impl From<Firewall> for Gateway {
    fn from(firewall: Firewall) -> Self {
        Self::Firewall(firewall)
    }
}

/// What a box did with a packet.
#[derive(Debug)]
pub(crate) enum Passage {
    /// It goes on in the outer zone.
    Out(Packet),
    /// It goes on in the inner zone.
    In(Packet),
    /// It ends here; the error goes back to the side that it came from.
    Blocked(Blocked, Option<Packet>),
}

#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) name: Rc<str>,
    pub(crate) key: u64,
    pub(crate) kind: Gateway,
    pub(crate) inner: ZoneId,
    pub(crate) outer: ZoneId,
    pub(crate) up: LinkState,
    pub(crate) down: LinkState,
    pub(crate) table: Table,
}

impl GatewayState {
    pub(crate) fn table(kind: &Gateway, external: Vec<IpAddr>, dice: Dice) -> Table {
        match kind {
            Gateway::Firewall(firewall) => Table::transparent(firewall, dice),
            Gateway::Nat(nat) | Gateway::Nat64(nat) => Table::new(*nat, external, dice),
        }
    }

    /// Whether it takes packets from inside for this destination.
    pub(crate) fn carries(&self, to: IpAddr) -> bool {
        let external = self.table.external();
        match self.kind {
            Gateway::Firewall(_) => behind_nat64(to).is_none(),
            Gateway::Nat(_) => external.iter().any(|ip| ip.is_ipv4() == to.is_ipv4()),
            Gateway::Nat64(_) => behind_nat64(to).is_some(),
        }
    }

    pub(crate) const fn is_transparent(&self) -> bool {
        matches!(self.kind, Gateway::Firewall(_))
    }

    /// A packet from inside.
    pub(crate) fn outbound(&mut self, now: Instant, packet: Packet) -> Passage {
        if let Body::Error { error, about } = packet.body {
            return self.error_outbound(now, &packet, error, about);
        }
        if let Err(blocked) = self.allows(packet.to.port()) {
            return self.block(blocked, &packet);
        }
        let to = match (&self.kind, behind_nat64(packet.to.ip())) {
            (Gateway::Nat64(_), Some(ip)) => SocketAddr::new(ip.into(), packet.to.port()),
            _ => packet.to,
        };
        let hairpin = self.table.external().contains(&to.ip());
        if hairpin && self.table.nat().hairpin == Hairpin::None {
            return self.block(Blocked::Hairpin, &packet);
        }
        let from = match self.table.outbound(now, packet.from, to) {
            Ok(from) => from,
            Err(blocked) => return self.block(blocked, &packet),
        };
        let inner = packet.from;
        let mut outside = Packet { from, to, ..packet };
        self.rewrite(&mut outside, inner.ip(), from.ip());
        if !hairpin {
            return Passage::Out(outside);
        }
        match self.inbound(now, outside) {
            Passage::In(mut packet) => {
                if self.table.nat().hairpin == Hairpin::InternalSource {
                    packet.from = inner;
                }
                Passage::In(packet)
            }
            // The error was meant for the outer endpoint of the sender, and the sender is inside.
            Passage::Blocked(blocked, error) => {
                Passage::Blocked(blocked, error.map(|error| Packet { to: inner, ..error }))
            }
            out @ Passage::Out(_) => out,
        }
    }

    /// A packet from outside.
    pub(crate) fn inbound(&mut self, now: Instant, mut packet: Packet) -> Passage {
        if let Body::Error { about, .. } = packet.body {
            // An error belongs to a mapping whoever sends it (RFC 5508 §4.2).
            let inner = if self.is_transparent() {
                Some(packet.to)
            } else {
                self.table.owner(now, packet.to)
            };
            let Some(inner) = inner else {
                return Passage::Blocked(Blocked::Unmapped, None);
            };
            packet.to = inner;
            packet.from = self.shown_inside(packet.from);
            if let Body::Error { about: slot, .. } = &mut packet.body {
                *slot = match self.kind {
                    Gateway::Nat64(_) => to_nat64(about),
                    _ => about,
                };
            }
            return Passage::In(packet);
        }
        if let Gateway::Firewall(Firewall { udp: false, .. }) = self.kind {
            return self.block(Blocked::Policy, &packet);
        }
        match self.table.inbound(now, packet.to, packet.from) {
            Ok(inner) => {
                let outer = packet.to;
                packet.to = inner;
                packet.from = self.shown_inside(packet.from);
                self.rewrite(&mut packet, outer.ip(), inner.ip());
                Passage::In(packet)
            }
            Err(blocked) => self.block(blocked, &packet),
        }
    }

    /// An error from an inner host or box about a datagram that came from outside.
    fn error_outbound(
        &self,
        now: Instant,
        packet: &Packet,
        error: SendError,
        about: SocketAddr,
    ) -> Passage {
        let to = match (&self.kind, behind_nat64(packet.to.ip())) {
            (Gateway::Nat64(_), Some(ip)) => SocketAddr::new(ip.into(), packet.to.port()),
            _ => packet.to,
        };
        let shown = self
            .table
            .mappings(now)
            .find(|&(inner, _)| inner == about)
            .map(|(_, outer)| outer);
        let about = match shown {
            Some(outer) => outer,
            None if self.is_transparent() => about,
            None => return Passage::Blocked(Blocked::Unmapped, None),
        };
        Passage::Out(Packet {
            from: about,
            to,
            body: Body::Error { error, about },
            hops: packet.hops,
        })
    }

    fn allows(&self, port: u16) -> Result<(), Blocked> {
        let Gateway::Firewall(firewall) = &self.kind else {
            return Ok(());
        };
        let listed = firewall
            .remote_ports
            .as_ref()
            .is_none_or(|ports| ports.contains(&port));
        if firewall.udp && listed {
            Ok(())
        } else {
            Err(Blocked::Policy)
        }
    }

    fn block(&self, blocked: Blocked, packet: &Packet) -> Passage {
        let tells = self.table.nat().refusal == Refusal::Icmp;
        let error = tells.then(|| packet.error(SendError::Prohibited)).flatten();
        Passage::Blocked(blocked, error)
    }

    fn shown_inside(&self, from: SocketAddr) -> SocketAddr {
        match self.kind {
            Gateway::Nat64(_) => to_nat64(from),
            Gateway::Firewall(_) | Gateway::Nat(_) => from,
        }
    }

    fn rewrite(&self, packet: &mut Packet, was: IpAddr, is: IpAddr) {
        if !self.table.nat().rewrites_payload {
            return;
        }
        let (IpAddr::V4(was), IpAddr::V4(is), Body::Udp(bytes)) = (was, is, &mut packet.body)
        else {
            return;
        };
        let (was, is) = (was.octets(), is.octets());
        let mut at = 0;
        while let Some(four) = bytes.get_mut(at..at + 4) {
            if *four == was {
                four.copy_from_slice(&is);
                at += 4;
            } else {
                at += 1;
            }
        }
    }
}

fn to_nat64(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(nat64_address(*v4.ip()).into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

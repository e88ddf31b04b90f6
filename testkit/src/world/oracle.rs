//! Who can reach whom, computed from the boxes: [`Reach`].
//!
//! The oracle assumes what any good agent does: both sides know their own addresses and what a server on the internet sees
//! of them, tell each other both, send to everything they know again and again, and also to the sources of what arrives. A way
//! works if one endpoint of each side sends to the other's and is let in, both ways. Where there is none such, each side may
//! still reach the other: what it sends comes in at one port, and what comes back has left from another one. It assumes that
//! mappings live for as long as that takes, that links lose less than everything, and that a host behind a NAT64 sends to
//! [`nat64_address`]es.

use super::gateway::{Gateway, GatewayState};
use super::nat::{Dependence, Hairpin, Pooling};
use super::packet::nat64_address;
use super::{GatewayId, HostId, Route, World, ZoneId};
use crate::Machine;
use alloc::collections::BTreeSet;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The best way between two hosts, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must handle every verdict"
)]
pub enum Reach {
    /// Each other.
    Direct,
    /// Each other or not: it depends on a draw of a box that pools addresses arbitrarily, or on a case that the oracle
    /// does not decide (an internal-source hairpin with boxes on both sides).
    Uncertain,
    /// Each other, but answers come from another port than questions go to, whichever ports they try. Who takes only what
    /// comes from where it sends to asks [`World::reach_symmetric`].
    Asymmetric,
    /// Each other, if the ports that boxes give next are foretold.
    Predicted,
    /// A relay that both reach.
    Relayed,
    /// Nothing.
    Impossible,
}

/// What a port of one side looks like to the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Port {
    /// The one that the server saw.
    Server,
    /// The one toward the peer's address, or toward one port of the peer.
    Peer(Option<Box<Self>>),
    /// The one that each side foretells of the other.
    Foretold,
}

impl Port {
    /// A chain of answers from ever new ports never settles, so it is cut here.
    const DEEPEST: usize = 5;

    fn depth(&self) -> usize {
        match self {
            Self::Peer(Some(port)) => 1 + port.depth(),
            Self::Server | Self::Peer(None) | Self::Foretold => 1,
        }
    }
}

/// All boxes between a host and the place where the two meet, as one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    mapping: Dependence,
    /// For each box, what its mappings and those of the boxes inside it depend on, and its filter.
    filters: Vec<(Dependence, Dependence)>,
    /// Whether its ports can be foretold.
    foretellable: bool,
    /// Whether its outer address may change from mapping to mapping.
    varies: bool,
    /// Whether boxes stop everything.
    blocked: bool,
}

impl Side {
    const OPEN: Self = Self {
        mapping: Dependence::EndpointIndependent,
        filters: Vec::new(),
        foretellable: true,
        varies: false,
        blocked: false,
    };

    fn through(mut self, gateway: &GatewayState) -> Self {
        let nat = gateway.table.nat();
        let pools = nat.pooling == Pooling::Arbitrary && gateway.table.external().len() > 1;
        let blocked = match &gateway.kind {
            // Peers have any port, so a list of ports allows none of them for certain.
            Gateway::Firewall(firewall) => !firewall.udp || firewall.remote_ports.is_some(),
            Gateway::Nat(_) | Gateway::Nat64(_) => false,
        };
        let mapping = self.mapping.max(nat.mapping);
        self.filters.push((mapping, nat.filtering));
        Self {
            mapping,
            filters: self.filters,
            foretellable: self.foretellable
                && (gateway.is_transparent() || nat.ports.is_predictable()),
            varies: self.varies || pools,
            blocked: self.blocked || blocked,
        }
    }

    fn port_toward(&self, remote: &Port) -> Port {
        match (self.mapping, remote) {
            (Dependence::EndpointIndependent, _) => Port::Server,
            (Dependence::AddressDependent, _) => Port::Peer(None),
            (Dependence::AddressAndPortDependent, Port::Foretold) => Port::Foretold,
            (Dependence::AddressAndPortDependent, _) => Port::Peer(Some(Box::new(remote.clone()))),
        }
    }

    /// Which of its ports the other side foretells.
    fn foretold(&self, other: &Self) -> Option<Port> {
        let other_moves = other.mapping != Dependence::EndpointIndependent && other.foretellable;
        match self.mapping {
            _ if !self.foretellable => None,
            Dependence::EndpointIndependent => None,
            Dependence::AddressDependent => Some(Port::Peer(None)),
            Dependence::AddressAndPortDependent if !other_moves => {
                Some(Port::Peer(Some(Box::new(Port::Server))))
            }
            Dependence::AddressAndPortDependent => Some(match other.mapping {
                Dependence::AddressDependent => Port::Peer(Some(Box::new(Port::Peer(None)))),
                _ => Port::Foretold,
            }),
        }
    }

    /// Whether what comes from `source` gets in at `port`, if this side sends to the ports in `known`.
    fn admits(
        &self,
        port: &Port,
        source: &Port,
        known: &BTreeSet<Port>,
        same_address: bool,
    ) -> bool {
        let exists = match port {
            Port::Server => true,
            Port::Peer(None) => !known.is_empty(),
            Port::Peer(Some(to)) => known.contains(to),
            Port::Foretold => known.contains(&Port::Foretold),
        };
        let admits = |&(mapping, filtering): &(Dependence, Dependence)| {
            let independent = mapping == Dependence::EndpointIndependent;
            let server = *port == Port::Server;
            // What this box was sent through the mapping that lies behind `port`.
            let sent = !known.is_empty() && (independent || !server);
            let exactly = match (mapping, port) {
                (Dependence::AddressAndPortDependent, Port::Peer(Some(to))) => **to == *source,
                (Dependence::AddressAndPortDependent, Port::Foretold) => *source == Port::Foretold,
                _ => sent && known.contains(source),
            };
            match filtering {
                Dependence::EndpointIndependent => true,
                Dependence::AddressDependent => (same_address && sent) || exactly,
                Dependence::AddressAndPortDependent => exactly,
            }
        };
        exists && self.filters.iter().all(admits)
    }
}

/// One side, and which ports of the other it sends to.
struct Player {
    side: Side,
    known: BTreeSet<Port>,
    /// Whether an answer has come to anything that it sent.
    answered: bool,
}

/// How two sides find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    /// On a way that is the same in both directions.
    Symmetric,
    /// On one for each direction.
    Asymmetric,
    Never,
}

/// Whether two sides that know what servers saw of each other find a way.
fn meet(a: &Side, b: &Side, foretell: bool, lucky: bool) -> Meeting {
    if a.blocked || b.blocked {
        return Meeting::Never;
    }
    let player = |side: &Side, other: &Side| {
        let mut known = BTreeSet::from([Port::Server]);
        if foretell {
            known.extend(other.foretold(side));
        }
        Player {
            side: side.clone(),
            known,
            answered: false,
        }
    };
    let (mut a, mut b) = (player(a, b), player(b, a));
    loop {
        let before = a.known.len() + b.known.len();
        if learn(&mut a, &mut b, lucky) || learn(&mut b, &mut a, lucky) {
            return Meeting::Symmetric;
        }
        if a.known.len() + b.known.len() == before {
            break;
        }
    }
    if a.answered && b.answered {
        Meeting::Asymmetric
    } else {
        Meeting::Never
    }
}

/// Lets `from` send to all that it knows, and `to` learn from what gets in; whether one of those is a way in both directions.
fn learn(from: &mut Player, to: &mut Player, lucky: bool) -> bool {
    let same = |side: &Side| lucky || !side.varies;
    for port in &from.known {
        let source = from.side.port_toward(port);
        if !to.side.admits(port, &source, &to.known, same(&from.side)) {
            continue;
        }
        let back = to.side.port_toward(&source);
        if from
            .side
            .admits(&source, &back, &from.known, same(&to.side))
        {
            from.answered = true;
            if back == *port {
                return true;
            }
        }
        if source.depth() <= Port::DEEPEST {
            to.known.insert(source);
        }
    }
    false
}

/// A way from an interface up to the internet in one family.
struct Ascent {
    ip: IpAddr,
    zones: Vec<ZoneId>,
    boxes: Vec<GatewayId>,
}

impl<M: Machine> World<M> {
    /// The best way between two hosts, without relays.
    #[must_use]
    pub fn reach(&self, a: HostId, b: HostId) -> Reach {
        self.reach_with(a, b, &[])
    }

    /// The best way between two hosts, with relays at the first sockets of these hosts.
    #[must_use]
    pub fn reach_with(&self, a: HostId, b: HostId, relays: &[HostId]) -> Reach {
        self.best(a, b, relays, true)
    }

    /// The same for programs that take only what comes from where they send to, as RFC 8445 section 7.2.5.2.1 has it: they have
    /// no use for what is [`Reach::Asymmetric`] otherwise.
    #[must_use]
    pub fn reach_symmetric(&self, a: HostId, b: HostId, relays: &[HostId]) -> Reach {
        self.best(a, b, relays, false)
    }

    fn best(&self, a: HostId, b: HostId, relays: &[HostId], asymmetric: bool) -> Reach {
        let mut best = Reach::Impossible;
        for family in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            for from in self.ascents(a, family) {
                for to in self.ascents(b, family) {
                    best = best.min(self.between(&from, &to, asymmetric));
                }
            }
        }
        let relayed = |relay: &HostId| self.serves(*relay, a) && self.serves(*relay, b);
        if best > Reach::Relayed && relays.iter().any(relayed) {
            return Reach::Relayed;
        }
        best
    }

    /// Whether a server's first socket is reached from a host, and can answer.
    fn serves(&self, server: HostId, client: HostId) -> bool {
        let sockets = &self.hosts[server.0].first_socket;
        sockets.first().is_some_and(|socket| {
            let family = super::host::unspecified(socket.ip());
            self.ascents(client, family).iter().any(|ascent| {
                ascent
                    .boxes
                    .iter()
                    .all(|&id| match &self.gateways[id.0].kind {
                        Gateway::Firewall(firewall) => {
                            let ports = firewall.remote_ports.as_ref();
                            firewall.udp && ports.is_none_or(|ports| ports.contains(&socket.port()))
                        }
                        Gateway::Nat(_) | Gateway::Nat64(_) => true,
                    })
            })
        })
    }

    /// The ways from a host's interfaces to the internet of `family`.
    fn ascents(&self, host: HostId, family: IpAddr) -> Vec<Ascent> {
        let interfaces = &self.hosts[host.0].interfaces;
        let ascents = interfaces.iter().filter_map(|interface| {
            let mut ascent = Ascent {
                ip: interface.ip,
                zones: vec![interface.zone],
                boxes: Vec::new(),
            };
            let mut inside = interface.ip.is_ipv4();
            let mut zone = interface.zone;
            while !self.zones[zone.0].gateways.is_empty() {
                let example = match (inside, family) {
                    (false, IpAddr::V4(ip)) => nat64_address(ip).into(),
                    _ => family,
                };
                let carries = |id: &&GatewayId| self.gateways[id.0].carries(example);
                let Some(&id) = self.zones[zone.0].gateways.iter().find(carries) else {
                    break;
                };
                inside |= matches!(self.gateways[id.0].kind, Gateway::Nat64(_));
                zone = self.gateways[id.0].outer;
                ascent.boxes.push(id);
                ascent.zones.push(zone);
            }
            (inside == family.is_ipv4()).then_some(ascent)
        });
        ascents.collect()
    }

    fn side(&self, boxes: &[GatewayId]) -> Side {
        boxes
            .iter()
            .fold(Side::OPEN, |side, id| side.through(&self.gateways[id.0]))
    }

    fn between(&self, a: &Ascent, b: &Ascent, asymmetric: bool) -> Reach {
        let judge = |a: &Side, b: &Side| judge(a, b, asymmetric);
        let meeting = a
            .zones
            .iter()
            .enumerate()
            .find_map(|(i, zone)| Some((i, b.zones.iter().position(|other| other == zone)?)));
        let Some((i, j)) = meeting else {
            return Reach::Impossible;
        };
        let (near_a, near_b) = (&a.boxes[..i], &b.boxes[..j]);
        let shared = &a.boxes[i..];
        let known_here = self.shows_itself(a, b, i) || self.shows_itself(b, a, j);
        let Some(top) = shared
            .iter()
            .rposition(|id| !self.gateways[id.0].is_transparent())
        else {
            return judge(&self.side(near_a), &self.side(near_b));
        };
        if known_here {
            let here = judge(&self.side(near_a), &self.side(near_b));
            if here == Reach::Direct {
                return here;
            }
        }
        let turning = &shared[..=top];
        match self.gateways[turning[top].0].table.nat().hairpin {
            Hairpin::None => Reach::Impossible,
            Hairpin::ExternalSource => judge(
                &self.side(&a.boxes[..=i + top]),
                &self.side(&b.boxes[..=j + top]),
            ),
            Hairpin::InternalSource => self.turned_inside(near_a, near_b, turning),
        }
    }

    /// Whether the own address of a host means the same at the place where the two meet, `boxes` up, and to the other host.
    fn shows_itself(&self, host: &Ascent, other: &Ascent, boxes: usize) -> bool {
        let transparent = |id: &GatewayId| self.gateways[id.0].is_transparent();
        let meeting = host.zones[boxes];
        let mut below = other.zones.iter().take_while(|zone| **zone != meeting);
        host.boxes[..boxes].iter().all(transparent)
            && below.all(|zone| !self.zones[zone.0].routes.contains_key(&host.ip))
            && matches!(
                self.zones[meeting.0].routes.get(&host.ip),
                Some(Route::Host(_) | Route::Gateway(_))
            )
    }

    /// A hairpin that shows inner sources: the two then answer each other within the zone below it.
    fn turned_inside(&self, a: &[GatewayId], b: &[GatewayId], turning: &[GatewayId]) -> Reach {
        let open = Dependence::EndpointIndependent;
        let (near_a, near_b) = (self.side(a), self.side(b));
        let strict = |side: &Side| side.filters.iter().any(|&(_, filter)| filter != open);
        if near_a.blocked || near_b.blocked || self.side(turning).blocked {
            Reach::Impossible
        } else if turning.len() > 1 {
            Reach::Uncertain
        } else if strict(&near_a) || strict(&near_b) {
            // The inner source was never sent to, and nothing else tells of it.
            Reach::Impossible
        } else {
            Reach::Uncertain
        }
    }
}

fn judge(a: &Side, b: &Side, asymmetric: bool) -> Reach {
    let certain = meet(a, b, false, false);
    let lucky = meet(a, b, false, true);
    match (certain, lucky) {
        (Meeting::Symmetric, _) => Reach::Direct,
        (Meeting::Asymmetric, _) if asymmetric => Reach::Asymmetric,
        (_, Meeting::Symmetric) => Reach::Uncertain,
        (_, Meeting::Asymmetric) if asymmetric => Reach::Uncertain,
        _ if meet(a, b, true, true) == Meeting::Symmetric => Reach::Predicted,
        _ => Reach::Impossible,
    }
}

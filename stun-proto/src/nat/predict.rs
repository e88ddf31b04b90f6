//! How two players are likely to reach each other, before they try: [`predict`].

use super::ports::{Pooling, PortPattern};
use super::report::{Dependence, Hairpin, NatReport};
use core::fmt;

/// What is known beside the two reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circumstances {
    /// Both are in one local network, so that their inside addresses reach each other.
    pub same_lan: bool,
    /// Both have a global IPv6 address.
    pub ipv6: bool,
    /// One of them has a port mapping (UPnP, NAT-PMP, PCP, by hand).
    pub port_mapping: bool,
}

/// The way by which two players are most likely to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum Path {
    /// One of them can simply connect to the other.
    Direct,
    /// Both send at the same time to the address that a server saw.
    Punch,
    /// A punch at a guessed port. The chance is an estimate in percent, from the profile of ports.
    PredictedPort {
        /// 1 to 99.
        percent: u8,
    },
    /// Through a relay.
    Relay,
    /// The reports do not say enough.
    Unknown,
}

/// A prediction with its reason. `Display` gives a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Prediction {
    /// The most likely way.
    pub path: Path,
    /// Why.
    pub reason: Reason,
}

/// Why [`predict`] says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Inside addresses reach each other.
    SameNetwork,
    /// A port mapping lets anybody in.
    PortMapping,
    /// IPv6 has no NAT, and filters open when both send.
    Ipv6,
    /// At least one lets UDP in neither nor out.
    UdpBlocked,
    /// Mapping or filtering of one is not known.
    NotEnoughKnown,
    /// Both are behind one NAT, which does not carry packets from its inside to its outside.
    SameNatWithoutHairpin,
    /// One lets packets in from anybody.
    OneIsOpen,
    /// Both have one outside address for all remotes.
    BothKeepTheirAddress,
    /// One has a new outside port for each remote, and the other filters by IP address only.
    FilterIgnoresPorts,
    /// New outside ports follow a rule.
    PortsFollowARule,
    /// New outside ports, or the outside IP address, cannot be guessed.
    PortsAreRandom,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameNetwork => "both are in one local network",
            Self::PortMapping => "a port mapping lets anybody in",
            Self::Ipv6 => "over IPv6 there is no address translation, and filters open when both send",
            Self::UdpBlocked => "UDP does not get through to one of them",
            Self::NotEnoughKnown => "mapping or filtering of one of them is not known",
            Self::SameNatWithoutHairpin => {
                "both are behind one NAT that does not carry packets back in (no hairpinning)"
            }
            Self::OneIsOpen => "one of them accepts packets from anybody",
            Self::BothKeepTheirAddress => {
                "both keep one outside address for all remotes, so each can be sent to where servers see it"
            }
            Self::FilterIgnoresPorts => {
                "one gets a new outside port for each remote, and the filter of the other looks at IP addresses only"
            }
            Self::PortsFollowARule => {
                "an outside port is new for each remote, but follows a rule and can be guessed"
            }
            Self::PortsAreRandom => "an outside address is new for each remote and cannot be guessed",
        })
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason;
        match self.path {
            Path::Direct => write!(f, "a direct connection should work: {reason}"),
            Path::Punch => write!(f, "a hole punch should work: {reason}"),
            Path::PredictedPort { percent } => {
                write!(
                    f,
                    "a hole punch at a guessed port may work (about {percent} %): {reason}"
                )
            }
            Path::Relay => write!(f, "a relay will be needed: {reason}"),
            Path::Unknown => write!(f, "no prediction: {reason}"),
        }
    }
}

/// Says how two players are most likely to connect, and why.
///
/// A pure function of the two reports, in this order; the first line that fits decides:
///
/// | it holds that | then |
/// | --- | --- |
/// | one local network, or a port mapping | direct |
/// | both have IPv6 | punch |
/// | UDP is blocked for one | relay |
/// | one outside IP address for both, which does not hairpin | relay |
/// | mapping or filtering of one is unknown, unless the other is open | unknown |
/// | one filters endpoint-independently | direct |
/// | both map endpoint-independently | punch |
/// | one maps so, filters by address alone, and the other has one outside IP address | punch |
/// | one maps so, or both do not, and each new port follows a rule | predicted port |
/// | else | relay |
///
/// It is a hint: an agent should order, widen or start earlier by it, but leave nothing out.
#[must_use]
pub fn predict(local: &NatReport, remote: &NatReport, known: Circumstances) -> Prediction {
    let (path, reason) = decide(local, remote, known);
    Prediction { path, reason }
}

fn decide(a: &NatReport, b: &NatReport, known: Circumstances) -> (Path, Reason) {
    if known.same_lan {
        return (Path::Direct, Reason::SameNetwork);
    }
    if known.port_mapping {
        return (Path::Direct, Reason::PortMapping);
    }
    if known.ipv6 {
        return (Path::Punch, Reason::Ipv6);
    }
    if a.blocked || b.blocked {
        return (Path::Relay, Reason::UdpBlocked);
    }
    if let (Some(ours), Some(theirs)) = (a.mapped, b.mapped)
        && ours.ip() == theirs.ip()
        && a.is_translated() == Some(true)
        && (a.hairpin == Some(Hairpin::None) || b.hairpin == Some(Hairpin::None))
    {
        return (Path::Relay, Reason::SameNatWithoutHairpin);
    }
    let open =
        |side: &NatReport| side.filtering == Some(Dependence::Endpoint) && side.mapped.is_some();
    if open(a) || open(b) {
        return (Path::Direct, Reason::OneIsOpen);
    }
    let (Some(maps_a), Some(maps_b)) = (a.mapping, b.mapping) else {
        return (Path::Unknown, Reason::NotEnoughKnown);
    };
    match (
        maps_a == Dependence::Endpoint,
        maps_b == Dependence::Endpoint,
    ) {
        (true, true) => (Path::Punch, Reason::BothKeepTheirAddress),
        (true, false) => one_moves(a, b),
        (false, true) => one_moves(b, a),
        (false, false) => match chance(a).zip(chance(b)) {
            Some((x, y)) => predicted(u16::from(x) * u16::from(y) / 100),
            None => (Path::Relay, Reason::PortsAreRandom),
        },
    }
}

/// `fixed` has one outside address for all; `moving` gets another for each remote.
fn one_moves(fixed: &NatReport, moving: &NatReport) -> (Path, Reason) {
    let pooling = moving.ports.as_ref().map(|ports| ports.pooling);
    match fixed.filtering {
        None => (Path::Unknown, Reason::NotEnoughKnown),
        Some(Dependence::Address) if pooling != Some(Pooling::Arbitrary) => {
            (Path::Punch, Reason::FilterIgnoresPorts)
        }
        Some(_) => match chance(moving) {
            Some(percent) => predicted(u16::from(percent)),
            None => (Path::Relay, Reason::PortsAreRandom),
        },
    }
}

fn predicted(percent: u16) -> (Path, Reason) {
    let percent = u8::try_from(percent.clamp(1, 99)).unwrap_or(99);
    (Path::PredictedPort { percent }, Reason::PortsFollowARule)
}

/// How sure the next outside port of a moving side can be guessed, in percent.
fn chance(side: &NatReport) -> Option<u8> {
    let ports = side.ports.as_ref()?;
    if ports.pooling == Pooling::Arbitrary {
        return None;
    }
    match ports.pattern {
        PortPattern::Preserving
        | PortPattern::PerDestination { .. }
        | PortPattern::Contiguous { .. } => Some(ports.confidence),
        PortPattern::ParityPreserving | PortPattern::Random => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ports::PortProfile;
    use super::*;
    use Dependence::{Address, AddressAndPort, Endpoint};
    use alloc::vec::Vec;

    fn side(host: u8, mapping: Dependence, filtering: Dependence) -> NatReport {
        NatReport {
            local: "10.0.0.2:5000".parse().ok(),
            mapped: Some(([192, 0, 2, host], 6000).into()),
            mapping: Some(mapping),
            filtering: Some(filtering),
            ..NatReport::default()
        }
    }

    fn with_ports(mut report: NatReport, pattern: PortPattern, confidence: u8) -> NatReport {
        report.ports = Some(PortProfile {
            pattern,
            confidence,
            pooling: Pooling::Paired,
            block: None,
            samples: Vec::new(),
        });
        report
    }

    fn both(a: &NatReport, b: &NatReport) -> Path {
        let there = predict(a, b, Circumstances::default());
        let back = predict(b, a, Circumstances::default());
        assert_eq!(there, back, "both sides must say the same");
        there.path
    }

    // req: N-13
    #[test]
    fn the_table_holds_for_all_pairs_of_kinds() {
        let kinds = [Endpoint, Address, AddressAndPort];
        for (ma, fa) in kinds.map(|m| kinds.map(|f| (m, f))).concat() {
            for (mb, fb) in kinds.map(|m| kinds.map(|f| (m, f))).concat() {
                let path = both(&side(1, ma, fa), &side(2, mb, fb));
                let expected = if fa == Endpoint || fb == Endpoint {
                    Path::Direct
                } else if (ma == Endpoint && (mb == Endpoint || fa == Address))
                    || (mb == Endpoint && fb == Address)
                {
                    Path::Punch
                } else {
                    Path::Relay
                };
                assert_eq!(path, expected, "{ma}/{fa} with {mb}/{fb}");
            }
        }
    }

    // req: N-13
    #[test]
    fn ports_that_follow_a_rule_can_be_guessed_and_two_guesses_are_harder_than_one() {
        let rule = PortPattern::PerDestination {
            delta: 1,
            jitter: 0,
        };
        let moving = |host| with_ports(side(host, AddressAndPort, AddressAndPort), rule, 80);
        let fixed = side(1, Endpoint, AddressAndPort);
        assert_eq!(
            both(&fixed, &moving(2)),
            Path::PredictedPort { percent: 80 }
        );
        assert_eq!(
            both(&moving(1), &moving(2)),
            Path::PredictedPort { percent: 64 }
        );
        let random = with_ports(moving(2), PortPattern::Random, 100);
        assert_eq!(both(&fixed, &random), Path::Relay);
        let mut arbitrary = moving(2);
        if let Some(ports) = &mut arbitrary.ports {
            ports.pooling = Pooling::Arbitrary;
        }
        assert_eq!(both(&fixed, &arbitrary), Path::Relay);
        assert_eq!(both(&side(1, Endpoint, Address), &arbitrary), Path::Relay);
    }

    #[test]
    fn what_is_known_otherwise_comes_first() {
        let worst = side(1, AddressAndPort, AddressAndPort);
        let path = |known| predict(&worst, &worst, known).path;
        let known = Circumstances::default();
        assert_eq!(
            path(Circumstances {
                same_lan: true,
                ..known
            }),
            Path::Direct
        );
        assert_eq!(
            path(Circumstances {
                port_mapping: true,
                ..known
            }),
            Path::Direct
        );
        assert_eq!(
            path(Circumstances {
                ipv6: true,
                ..known
            }),
            Path::Punch
        );
    }

    #[test]
    fn one_nat_for_both_needs_hairpinning() {
        let mut first = side(1, Endpoint, Address);
        let second = first.clone();
        assert_eq!(both(&first, &second), Path::Punch);
        first.hairpin = Some(Hairpin::None);
        assert_eq!(both(&first, &second), Path::Relay);
    }

    #[test]
    fn what_is_not_known_is_not_guessed_and_blocked_udp_needs_a_relay() {
        let unknown = NatReport::default();
        let good = side(1, Endpoint, Address);
        assert_eq!(both(&good, &unknown), Path::Unknown);
        assert_eq!(both(&side(1, Endpoint, Endpoint), &unknown), Path::Direct);
        let blocked = NatReport {
            blocked: true,
            ..NatReport::default()
        };
        assert_eq!(both(&side(1, Endpoint, Endpoint), &blocked), Path::Relay);
    }

    #[test]
    fn a_prediction_is_a_sentence() {
        let prediction = predict(
            &side(1, Endpoint, Address),
            &side(2, Endpoint, Address),
            Circumstances::default(),
        );
        let text = alloc::format!("{prediction}");
        assert!(
            text.starts_with("a hole punch should work: both keep"),
            "{text}"
        );
    }
}

//! What discovery found out: [`NatReport`], in the words of RFC 4787 and in those of players.

use super::ports::PortProfile;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// What something depends on: the mapping of a NAT (RFC 4787 section 4.1), or its filtering (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4787 has these three")]
pub enum Dependence {
    /// On the internal address and port alone.
    Endpoint,
    /// On the remote IP address too.
    Address,
    /// On the remote IP address and port too.
    AddressAndPort,
}

impl fmt::Display for Dependence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "endpoint-independent",
            Self::Address => "address-dependent",
            Self::AddressAndPort => "address-and-port-dependent",
        })
    }
}

/// What happens to a datagram from inside to an outside address of the same NAT (RFC 4787 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4787 has these three")]
pub enum Hairpin {
    /// It is lost.
    None,
    /// It arrives with the sender's inside address, which RFC 4787 forbids.
    InternalSource,
    /// It arrives with the sender's outside address.
    ExternalSource,
}

/// How long an unused mapping lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MappingLifetime {
    /// It was still there after this long.
    pub at_least: Duration,
    /// It was gone after this long; `None` if it outlived the longest probe.
    pub less_than: Option<Duration>,
}

/// What became of datagrams too long for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an answer comes or it does not")]
pub enum Fragments {
    /// A request and an answer of more than one packet got through.
    Pass,
    /// No answer came, though short ones do.
    Lost,
}

/// Something odd that a reader of the report should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Oddity {
    /// The server serves no NAT discovery (no OTHER-ADDRESS), so mapping and filtering are not known.
    NoDiscovery,
    /// The server refuses CHANGE-REQUEST, so filtering is not known.
    NoChangeRequest,
    /// The server's other address never answered, so mapping is not known.
    OtherAddressSilent,
    /// An answer came from another address than CHANGE-REQUEST asked for: the server lies, or something rewrites packets.
    WrongOrigin,
    /// MAPPED-ADDRESS and XOR-MAPPED-ADDRESS differ: something on the way rewrites addresses in payloads (an ALG).
    RewrittenPayload,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDiscovery => "the server has no second address: mapping and filtering stay unknown",
            Self::NoChangeRequest => "the server refuses CHANGE-REQUEST: filtering stays unknown",
            Self::OtherAddressSilent => {
                "the server's other address does not answer: mapping stays unknown"
            }
            Self::WrongOrigin => {
                "an answer came from another address than it should: the server or a box on the way lies"
            }
            Self::RewrittenPayload => "a box on the way rewrites addresses inside packets (an ALG)",
        })
    }
}

/// How players' consoles call it, by a stated rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "consoles have these three")]
pub enum NatType {
    /// Anybody can reach it: no NAT and no filter, or endpoint-independent mapping and filtering.
    Open,
    /// Those can whom it has contacted at the address that servers see: endpoint-independent mapping with a filter.
    Moderate,
    /// Its address differs from remote to remote (any other mapping), or UDP is blocked.
    Strict,
}

impl fmt::Display for NatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Moderate => "moderate",
            Self::Strict => "strict",
        })
    }
}

/// What one side's way to the outside does to UDP. `None` in a field means that it is not known.
///
/// It is a hint, and never a reason to leave out a try: NATs change with load, and this is one look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatReport {
    /// Whether no answer came at all: UDP is blocked, or the server is down.
    pub blocked: bool,
    /// The address of the socket from which mapping was tested.
    pub local: Option<SocketAddr>,
    /// The same socket as the server sees it.
    pub mapped: Option<SocketAddr>,
    /// The server's other address and port.
    pub other: Option<SocketAddr>,
    /// What an outside address depends on. [`Dependence::Endpoint`] where there is no NAT.
    pub mapping: Option<Dependence>,
    /// Who may answer.
    pub filtering: Option<Dependence>,
    /// Whether two clients behind this NAT can talk over its outside.
    pub hairpin: Option<Hairpin>,
    /// How outside ports are chosen.
    pub ports: Option<PortProfile>,
    /// How long an unused mapping lives.
    pub lifetime: Option<MappingLifetime>,
    /// Whether datagrams of several packets pass.
    pub fragments: Option<Fragments>,
    /// Round trip time of the first answer, if it was not ambiguous.
    pub rtt: Option<Duration>,
    /// What was odd, each once.
    pub oddities: alloc::vec::Vec<Oddity>,
}

impl NatReport {
    /// Whether addresses are translated; `None` while no answer came.
    #[must_use]
    pub fn is_translated(&self) -> Option<bool> {
        let (local, mapped) = (self.local?, self.mapped?);
        Some(
            local.ip().to_canonical() != mapped.ip().to_canonical()
                || local.port() != mapped.port(),
        )
    }

    /// The name that consoles give it.
    ///
    /// Open: mapping and filtering are endpoint-independent. Moderate: only the mapping is. Strict: neither, or blocked.
    #[must_use]
    pub fn nat_type(&self) -> Option<NatType> {
        if self.blocked {
            return Some(NatType::Strict);
        }
        match (self.mapping?, self.filtering) {
            (Dependence::Endpoint, Some(Dependence::Endpoint)) => Some(NatType::Open),
            (Dependence::Endpoint, Some(_)) => Some(NatType::Moderate),
            (Dependence::Endpoint, None) => None,
            _ => Some(NatType::Strict),
        }
    }

    /// The name that RFC 3489 gave it, which many still use.
    #[must_use]
    pub fn classic_name(&self) -> Option<&'static str> {
        if self.blocked {
            return Some("UDP blocked");
        }
        let translated = self.is_translated()?;
        Some(match (translated, self.mapping?, self.filtering) {
            (true, Dependence::Address | Dependence::AddressAndPort, _) => "symmetric NAT",
            (false, _, Some(Dependence::Endpoint)) => "open internet",
            (false, _, Some(_)) => "symmetric UDP firewall",
            (true, _, Some(Dependence::Endpoint)) => "full cone NAT",
            (true, _, Some(Dependence::Address)) => "restricted cone NAT",
            (true, _, Some(Dependence::AddressAndPort)) => "port restricted cone NAT",
            (_, _, None) => return None,
        })
    }

    pub(super) fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(mapping: Dependence, filtering: Dependence, mapped: &str) -> NatReport {
        NatReport {
            local: "10.0.0.2:5000".parse().ok(),
            mapped: mapped.parse().ok(),
            mapping: Some(mapping),
            filtering: Some(filtering),
            ..NatReport::default()
        }
    }

    // req: N-12
    #[test]
    fn each_kind_has_the_names_that_people_know() {
        use Dependence::{Address, AddressAndPort, Endpoint};
        let nat = "192.0.2.1:5000";
        let none = "10.0.0.2:5000";
        let cases = [
            (Endpoint, Endpoint, none, "open internet", NatType::Open),
            (
                Endpoint,
                AddressAndPort,
                none,
                "symmetric UDP firewall",
                NatType::Moderate,
            ),
            (Endpoint, Endpoint, nat, "full cone NAT", NatType::Open),
            (
                Endpoint,
                Address,
                nat,
                "restricted cone NAT",
                NatType::Moderate,
            ),
            (
                Endpoint,
                AddressAndPort,
                nat,
                "port restricted cone NAT",
                NatType::Moderate,
            ),
            (Address, Endpoint, nat, "symmetric NAT", NatType::Strict),
            (
                AddressAndPort,
                AddressAndPort,
                nat,
                "symmetric NAT",
                NatType::Strict,
            ),
        ];
        for (mapping, filtering, mapped, classic, kind) in cases {
            let report = report(mapping, filtering, mapped);
            assert_eq!(report.classic_name(), Some(classic));
            assert_eq!(report.nat_type(), Some(kind));
        }
        let blocked = NatReport {
            blocked: true,
            ..NatReport::default()
        };
        assert_eq!(blocked.nat_type(), Some(NatType::Strict));
        assert_eq!(blocked.classic_name(), Some("UDP blocked"));
        assert_eq!(NatReport::default().nat_type(), None);
        assert_eq!(NatReport::default().classic_name(), None);
    }

    #[test]
    fn a_mapped_ipv4_address_is_no_translation() {
        let mut report = report(Dependence::Endpoint, Dependence::Endpoint, "10.0.0.2:5000");
        report.local = "[::ffff:10.0.0.2]:5000".parse().ok();
        assert_eq!(report.is_translated(), Some(false));
    }
}

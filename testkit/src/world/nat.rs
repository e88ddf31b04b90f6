//! What a NAT box does, in the words of RFC 4787: [`Nat`].

use core::time::Duration;

/// What a decision of a NAT depends on (RFC 4787 §4.1 for mappings, §5 for filters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 4787 names three, and tests go through all of them"
)]
pub enum Dependence {
    /// On the inner endpoint alone.
    EndpointIndependent,
    /// On the remote address, too.
    AddressDependent,
    /// On the remote address and port, too.
    AddressAndPortDependent,
}

impl Dependence {
    /// All three, from the most open one.
    pub const ALL: [Self; 3] = [
        Self::EndpointIndependent,
        Self::AddressDependent,
        Self::AddressAndPortDependent,
    ];
}

/// Which outer port a new mapping gets (RFC 4787 §4.2).
///
/// An outer address and port belongs to one mapping at a time. What happens when there is none left for a new mapping is
/// [`Overload`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests go through all of them and write them as literals"
)]
pub enum PortPolicy {
    /// The inner port and no other.
    Preserve,
    /// The inner port, or the next free one above it.
    PreserveOrNext,
    /// The next free port above the one before, for whomever it was.
    Sequential,
    /// Any free port.
    Random,
    /// The next free port of a block of so many, one block for each inner address (carrier-grade NATs, RFC 7422).
    Blocks(u16),
    /// The inner port, or the next free one with the same parity.
    Parity,
}

impl PortPolicy {
    /// Whether an outsider who has seen some ports of an inner endpoint can name the next one.
    #[must_use]
    pub const fn is_predictable(self) -> bool {
        !matches!(self, Self::Random)
    }
}

/// What becomes of a datagram from inside to an outer address of the box itself (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests go through all of them and write them as literals"
)]
pub enum Hairpin {
    /// It is dropped.
    None,
    /// It arrives, and shows the inner address of its sender. Answers then come from the inner address, too.
    InternalSource,
    /// It arrives, and shows the outer address of its sender, as RFC 4787 demands.
    ExternalSource,
}

impl Hairpin {
    /// All three.
    pub const ALL: [Self; 3] = [Self::None, Self::InternalSource, Self::ExternalSource];
}

/// Which outer address a new mapping gets where the box has several (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4787 names two")]
pub enum Pooling {
    /// The same for all mappings of one inner address.
    Paired,
    /// Any.
    Arbitrary,
}

/// Which direction keeps a mapping alive (RFC 4787 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum Refresh {
    /// Datagrams from inside.
    Outbound,
    /// Datagrams from inside, and those from outside that the filter lets in.
    Both,
}

/// What happens when no port is left for a new mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum Overload {
    /// The datagram that wants it is dropped.
    Refuse,
    /// The mapping that was idle for longest gives way.
    RecycleOldest,
}

/// How a box treats what it does not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum Refusal {
    /// It drops it.
    Silent,
    /// It drops it and tells the sender, as ICMP does.
    Icmp,
}

/// A NAT box.
///
/// Filters belong to a mapping: with a mapping that depends on the destination, what an inner endpoint sent through one
/// mapping opens nothing at its others. That is how boxes that keep sessions work.
///
/// Write one with struct update syntax:
///
/// ```
/// use testkit::world::{Nat, PortPolicy};
/// let company = Nat { ports: PortPolicy::Sequential, ..Nat::SYMMETRIC };
/// assert_ne!(company, Nat::SYMMETRIC);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write boxes as literals with struct update"
)]
pub struct Nat {
    /// When two destinations share a mapping.
    pub mapping: Dependence,
    /// Whose datagrams a mapping lets in: anybody's, those of addresses or those of endpoints that were sent to.
    pub filtering: Dependence,
    /// Which outer port a mapping gets.
    pub ports: PortPolicy,
    /// The first and the last port that the policy gives.
    pub port_range: (u16, u16),
    /// Whether inner hosts reach each other through outer addresses.
    pub hairpin: Hairpin,
    /// Which outer address a mapping gets.
    pub pooling: Pooling,
    /// How long an idle mapping lives, and an idle entry of its filter.
    pub lifetime: Duration,
    /// What counts as use.
    pub refresh: Refresh,
    /// What happens when no port is left.
    pub overload: Overload,
    /// The most mappings at a time.
    pub mappings_max: usize,
    /// What senders hear of datagrams that are not let through.
    pub refusal: Refusal,
    /// Whether addresses inside payloads are rewritten, too: a misguided application-level gateway. It replaces the four
    /// bytes of an inner address by the outer one on the way out, and the reverse on the way in.
    pub rewrites_payload: bool,
}

impl Nat {
    /// A box with this mapping and filtering, and else as well-behaved as RFC 4787 asks: hairpinning, paired pooling, ports
    /// preserved where possible, two minutes.
    #[must_use]
    pub const fn new(mapping: Dependence, filtering: Dependence) -> Self {
        Self {
            mapping,
            filtering,
            ports: PortPolicy::PreserveOrNext,
            port_range: (1024, u16::MAX),
            hairpin: Hairpin::ExternalSource,
            pooling: Pooling::Paired,
            lifetime: Duration::from_secs(120),
            refresh: Refresh::Outbound,
            overload: Overload::Refuse,
            mappings_max: 65_536,
            refusal: Refusal::Silent,
            rewrites_payload: false,
        }
    }

    /// One mapping for all, which lets anybody in. A game console says "open".
    pub const FULL_CONE: Self = Self::new(
        Dependence::EndpointIndependent,
        Dependence::EndpointIndependent,
    );

    /// One mapping for all, which lets addresses in that were sent to.
    pub const ADDRESS_RESTRICTED: Self = Self::new(
        Dependence::EndpointIndependent,
        Dependence::AddressDependent,
    );

    /// One mapping for all, which lets endpoints in that were sent to: most homes, and Linux's masquerading.
    pub const PORT_RESTRICTED: Self = Self {
        hairpin: Hairpin::None,
        ..Self::new(
            Dependence::EndpointIndependent,
            Dependence::AddressAndPortDependent,
        )
    };

    /// A mapping for each destination with a port that nobody can foretell: many companies and mobile networks, and
    /// Linux's masquerading with `random-fully`.
    pub const SYMMETRIC: Self = Self {
        ports: PortPolicy::Random,
        hairpin: Hairpin::None,
        ..Self::new(
            Dependence::AddressAndPortDependent,
            Dependence::AddressAndPortDependent,
        )
    };

    /// A carrier's box: one mapping for all, a block of ports and ten minutes for each customer (RFC 6888).
    pub const CARRIER: Self = Self {
        ports: PortPolicy::Blocks(512),
        lifetime: Duration::from_secs(600),
        ..Self::new(
            Dependence::EndpointIndependent,
            Dependence::EndpointIndependent,
        )
    };
}

/// A box that changes no address: it lets out what it allows, and in what answers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write firewalls as literals with struct update"
)]
pub struct Firewall {
    /// Whether any datagram passes at all.
    pub udp: bool,
    /// The remote ports that inner hosts may send to; all, if there is no list.
    pub remote_ports: Option<Vec<u16>>,
    /// Whose datagrams come in: anybody's, those of addresses or those of endpoints that were sent to.
    pub filtering: Dependence,
    /// How long an idle permission lives.
    pub lifetime: Duration,
    /// What counts as use.
    pub refresh: Refresh,
    /// What senders hear of datagrams that are not let through.
    pub refusal: Refusal,
}

impl Firewall {
    /// Lets out everything and in what answers it: what a home router does for IPv6.
    pub const STATEFUL: Self = Self {
        udp: true,
        remote_ports: None,
        filtering: Dependence::AddressAndPortDependent,
        lifetime: Duration::from_secs(120),
        refresh: Refresh::Both,
        refusal: Refusal::Silent,
    };

    /// Lets everything out and in.
    pub const OPEN: Self = Self {
        filtering: Dependence::EndpointIndependent,
        ..Self::STATEFUL
    };

    /// Lets no datagram pass.
    pub const NO_UDP: Self = Self {
        udp: false,
        ..Self::STATEFUL
    };
}

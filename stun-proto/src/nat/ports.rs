//! How a NAT chooses outside ports: [`PortProfile`], from a handful of samples.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

/// One look at a mapping: which outside address a socket had towards a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller may have samples of its own"
)]
pub struct PortSample {
    /// The inside port.
    pub local_port: u16,
    /// Where the request went.
    pub destination: SocketAddr,
    /// Where it seemed to come from.
    pub external: SocketAddr,
}

/// The rule by which outside ports seem to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortPattern {
    /// The outside port is the inside one.
    Preserving,
    /// Each new socket gets a port so much above the last one's, give or take `jitter`.
    Contiguous {
        /// Step from one socket to the next.
        delta: i32,
        /// Most by which a step differed from `delta`.
        jitter: u16,
    },
    /// Each new destination of one socket gets a port so much above the last one's.
    PerDestination {
        /// Step from one destination to the next.
        delta: i32,
        /// Most by which a step differed from `delta`.
        jitter: u16,
    },
    /// Even inside ports get even outside ones, and odd ones odd ones; nothing else is seen.
    ParityPreserving,
    /// No rule is seen.
    Random,
}

/// Whether one host has one outside IP address (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4787 has these two")]
pub enum Pooling {
    /// All its sockets have the same: "paired".
    Paired,
    /// Sockets have different ones: "arbitrary".
    Arbitrary,
}

/// How a NAT chooses outside ports, as far as a few samples show it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortProfile {
    /// The rule.
    pub pattern: PortPattern,
    /// How sure the rule is, in percent: the share of steps that follow it, less for few samples.
    pub confidence: u8,
    /// Whether all samples have one outside IP address.
    pub pooling: Pooling,
    /// The block of 2^n ports that all samples lie in, if it is small enough to be no accident: some carriers give each
    /// subscriber such a block.
    pub block: Option<(u16, u16)>,
    /// What it was read from, in the order of sending.
    pub samples: Vec<PortSample>,
}

/// Steps larger than this between ports are no sequence: they would be as likely by chance.
const LONGEST_STEP: i32 = 16;
/// Largest difference between steps of one sequence; other hosts behind the NAT take ports in between.
const LARGEST_JITTER: i32 = 8;
/// Largest block that is taken for one.
const LARGEST_BLOCK: u32 = 4096;

impl PortProfile {
    /// The profile that `samples` show, in the order in which they were sent; `None` for fewer than four of them.
    ///
    /// Samples of one socket to several destinations show whether a mapping depends on the destination, samples of
    /// several sockets to one destination how sockets follow each other.
    #[must_use]
    pub fn of(samples: Vec<PortSample>) -> Option<Self> {
        let first = samples.first()?;
        if samples.len() < 4 {
            return None;
        }
        let same_ip = samples
            .iter()
            .all(|sample| sample.external.ip() == first.external.ip());
        let pooling = if same_ip {
            Pooling::Paired
        } else {
            Pooling::Arbitrary
        };
        let (pattern, share) = pattern(&samples);
        // A rule that eight samples follow is as sure as it gets here.
        let weight = samples.len().min(8) * 100 / 8;
        let confidence = u8::try_from(share * weight / 100).unwrap_or(100);
        Some(Self {
            pattern,
            confidence,
            pooling,
            block: block(&samples),
            samples,
        })
    }
}

/// The rule, and the percentage of samples that follow it.
fn pattern(samples: &[PortSample]) -> (PortPattern, usize) {
    let share = |follows: usize, of: usize| (follows * 100).checked_div(of).unwrap_or(0);
    let preserved = samples
        .iter()
        .filter(|sample| sample.local_port == sample.external.port())
        .count();
    if preserved * 4 >= samples.len() * 3 {
        return (PortPattern::Preserving, share(preserved, samples.len()));
    }
    let external: Vec<u16> = samples
        .iter()
        .map(|sample| sample.external.port())
        .collect();
    let varies = samples
        .chunk_by(|a, b| a.local_port == b.local_port)
        .any(|of_socket| {
            let ports = of_socket.iter().map(|sample| sample.external.port());
            let mut ports: Vec<u16> = ports.collect();
            ports.dedup();
            ports.len() > 1
        });
    if varies {
        if let Some((delta, jitter, follows)) = sequence(&external) {
            let pattern = PortPattern::PerDestination { delta, jitter };
            return (pattern, share(follows, external.len() - 1));
        }
    } else {
        let mut sockets = external;
        sockets.dedup();
        if let Some((delta, jitter, follows)) = sequence(&sockets) {
            let pattern = PortPattern::Contiguous { delta, jitter };
            return (pattern, share(follows, sockets.len() - 1));
        }
    }
    let same_parity = |sample: &&PortSample| (sample.local_port ^ sample.external.port()) & 1 == 0;
    let sockets = samples
        .chunk_by(|a, b| a.local_port == b.local_port)
        .count();
    // Of four sockets one in sixteen keeps parity by chance, so fewer say nothing.
    if sockets >= 4 && samples.iter().all(|sample| same_parity(&sample)) {
        return (PortPattern::ParityPreserving, 100 - (100 >> sockets.min(6)));
    }
    (PortPattern::Random, 100)
}

/// The median step of a run of ports, the most by which others differ, and how many follow; `None` if there is no such.
fn sequence(ports: &[u16]) -> Option<(i32, u16, usize)> {
    if ports.len() < 3 {
        return None;
    }
    let steps = ports
        .windows(2)
        .filter_map(|pair| <[u16; 2]>::try_from(pair).ok());
    let steps: Vec<i32> = steps.map(|[a, b]| i32::from(b) - i32::from(a)).collect();
    let mut sorted = steps.clone();
    sorted.sort_unstable();
    let delta = *sorted.get(sorted.len() / 2)?;
    let near = |step: &&i32| (**step - delta).abs() <= LARGEST_JITTER;
    let follows = steps.iter().filter(near).count();
    // One step may be a wrap at the end of the range.
    if delta == 0 || delta.abs() > LONGEST_STEP || follows + 1 < steps.len() {
        return None;
    }
    let jitter = steps
        .iter()
        .filter(near)
        .map(|step| (step - delta).unsigned_abs());
    let jitter = u16::try_from(jitter.max()?).ok()?;
    Some((delta, jitter, follows))
}

/// The smallest aligned block of 2^n ports with all outside ports, if it is small and holds several different ones.
fn block(samples: &[PortSample]) -> Option<(u16, u16)> {
    let ports = || samples.iter().map(|sample| sample.external.port());
    let (low, high) = (ports().min()?, ports().max()?);
    if low == high {
        return None;
    }
    let bits = u16::BITS - (low ^ high).leading_zeros();
    let size = 1_u32 << bits;
    if size > LARGEST_BLOCK {
        return None;
    }
    let first = u32::from(low) & !(size - 1);
    let last = u16::try_from(first + size - 1).ok()?;
    Some((u16::try_from(first).ok()?, last))
}

impl fmt::Display for PortPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preserving => f.write_str("the outside port is the inside one"),
            Self::Contiguous { delta, jitter } => {
                write!(
                    f,
                    "each socket gets a port {delta} (±{jitter}) from the last one's"
                )
            }
            Self::PerDestination { delta, jitter } => {
                write!(
                    f,
                    "each destination gets a port {delta} (±{jitter}) from the last one's"
                )
            }
            Self::ParityPreserving => f.write_str("random, but even stays even and odd stays odd"),
            Self::Random => f.write_str("random"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::SeedRng;

    fn below(rng: &mut SeedRng, bound: u16) -> u16 {
        u16::try_from(rng.below(bound.into())).expect("below 16 bits")
    }

    /// Four sockets to three destinations; `external` says the outside port by socket and destination.
    fn profile(mut external: impl FnMut(u16, u16) -> u16) -> PortProfile {
        let mut samples = Vec::new();
        for socket in 0..4 {
            for destination in 0..3 {
                samples.push(PortSample {
                    local_port: 40_000 + socket * 7,
                    destination: SocketAddr::from(([203, 0, 113, 1], 3478 + destination)),
                    external: SocketAddr::from(([192, 0, 2, 1], external(socket, destination))),
                });
            }
        }
        PortProfile::of(samples).expect("enough samples")
    }

    // req: N-11
    #[test]
    fn every_policy_is_recognised() {
        let preserving = profile(|socket, _| 40_000 + socket * 7);
        assert_eq!(preserving.pattern, PortPattern::Preserving);
        assert_eq!(
            (preserving.confidence, preserving.pooling),
            (100, Pooling::Paired)
        );

        let contiguous = profile(|socket, _| 1024 + socket * 2);
        let expected = PortPattern::Contiguous {
            delta: 2,
            jitter: 0,
        };
        assert_eq!(contiguous.pattern, expected);
        assert_eq!(contiguous.block, Some((1024, 1031)));

        let mut next = 5000;
        let symmetric = profile(|_, _| {
            next += 1;
            next
        });
        let expected = PortPattern::PerDestination {
            delta: 1,
            jitter: 0,
        };
        assert_eq!(symmetric.pattern, expected);

        let mut rng = SeedRng::new([2; 32]);
        let ports: Vec<u16> = (0..4).map(|_| 1024 + below(&mut rng, 30_000) * 2).collect();
        let parity = profile(|socket, _| ports[usize::from(socket)] | ((socket * 7) & 1));
        assert_eq!(parity.pattern, PortPattern::ParityPreserving);

        let mut rng = SeedRng::new([3; 32]);
        let random = profile(|_, _| 1024 + below(&mut rng, 60_000));
        assert_eq!((random.pattern, random.block), (PortPattern::Random, None));
    }

    #[test]
    fn busy_neighbours_and_one_wrap_do_not_hide_a_sequence() {
        let mut next = 65_500_u16;
        let mut call = 0;
        let busy = profile(|_, _| {
            call += 1;
            next = if next > 65_520 {
                1024
            } else {
                next + 2 + call % 3
            };
            next
        });
        assert!(matches!(
            busy.pattern,
            PortPattern::PerDestination { delta: 2..=4, .. }
        ));
        assert!(busy.confidence >= 80, "{}", busy.confidence);
    }

    #[test]
    fn few_samples_give_no_profile_and_several_addresses_are_arbitrary_pooling() {
        assert_eq!(PortProfile::of(Vec::new()), None);
        let mut samples = profile(|socket, _| 40_000 + socket * 7).samples;
        samples[5].external.set_ip([192, 0, 2, 2].into());
        let profile = PortProfile::of(samples.clone()).expect("enough");
        assert_eq!(profile.pooling, Pooling::Arbitrary);
        samples.truncate(3);
        assert_eq!(PortProfile::of(samples), None);
    }
}

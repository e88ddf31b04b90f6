//! What `nat` found, for people.

use core::net::SocketAddr;
use gdwire::stun::nat::{
    Circumstances, Dependence, Fragments, Hairpin, MappingLifetime, NatReport, Pooling, Prediction,
    predict,
};
use std::io::{self, Write};

/// All that is printed.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) server: SocketAddr,
    pub(super) report: NatReport,
    /// Our address as the server sees it over TCP.
    pub(super) tcp: Option<SocketAddr>,
    /// Against whom, and how a connection will most likely come about.
    pub(super) predictions: Vec<(&'static str, Prediction)>,
}

impl Findings {
    /// Predicts against `peer`, or else against the usual kinds of NAT.
    pub(super) fn new(server: SocketAddr, report: NatReport, peer: Option<NatReport>) -> Self {
        let known = Circumstances::default();
        let against = match peer {
            Some(peer) => vec![("this peer", peer)],
            None => usual(report.mapped),
        };
        let predictions = against.iter();
        Self {
            server,
            predictions: predictions
                .map(|(name, peer)| (*name, predict(&report, peer, known)))
                .collect(),
            report,
            tcp: None,
        }
    }
}

/// The kinds of NAT that most players are behind.
fn usual(like: Option<SocketAddr>) -> Vec<(&'static str, NatReport)> {
    use Dependence::{AddressAndPort, Endpoint};
    let of = |mapping, filtering| {
        let mut report = NatReport::default();
        report.mapping = Some(mapping);
        report.filtering = Some(filtering);
        // Some other address: documentation has one of each family.
        let elsewhere = if like.is_some_and(|like| like.is_ipv6()) {
            "[2001:db8::1]:1"
        } else {
            "192.0.2.1:1"
        };
        report.mapped = elsewhere.parse().ok();
        report
    };
    vec![
        ("open", of(Endpoint, Endpoint)),
        ("port restricted cone NAT", of(Endpoint, AddressAndPort)),
        ("symmetric NAT", of(AddressAndPort, AddressAndPort)),
    ]
}

/// The report for people.
pub(super) fn write_table(out: &mut impl Write, findings: &Findings) -> io::Result<()> {
    let report = &findings.report;
    let mut line = |name: &str, text: &dyn core::fmt::Display| writeln!(out, "{name:<11} {text}");
    match report.rtt {
        Some(rtt) => line(
            "server",
            &format_args!("{} ({:.1} ms)", findings.server, rtt.as_secs_f64() * 1e3),
        )?,
        None => line("server", &findings.server)?,
    }
    if report.blocked {
        line("udp", &"blocked: no answer came, or the server is down")?;
    }
    if let Some(local) = report.local {
        line("local", &local)?;
    }
    if let Some(mapped) = report.mapped {
        let how = match report.is_translated() {
            Some(false) => " (not translated)",
            _ => "",
        };
        line("mapped", &format_args!("{mapped}{how}"))?;
    }
    match findings.tcp {
        Some(tcp) => line("over tcp", &tcp)?,
        None => line("over tcp", &"no answer")?,
    }
    line("mapping", &known(report.mapping))?;
    line("filtering", &known(report.filtering))?;
    if let (Some(classic), Some(kind)) = (report.classic_name(), report.nat_type()) {
        line("type", &format_args!("{classic}; {kind}"))?;
    }
    if let Some(hairpin) = report.hairpin {
        line("hairpin", &hairpin_words(hairpin))?;
    }
    if let Some(ports) = &report.ports {
        let pooling = match ports.pooling {
            Pooling::Paired => "",
            Pooling::Arbitrary => ", outside addresses vary",
        };
        let words = format_args!("{} ({} % sure{pooling})", ports.pattern, ports.confidence);
        line("ports", &words)?;
    }
    if let Some(lifetime) = report.lifetime {
        line("lifetime", &lifetime_words(lifetime))?;
    }
    if let Some(fragments) = report.fragments {
        let words = match fragments {
            Fragments::Pass => "pass",
            Fragments::Lost => "are lost",
        };
        line("fragments", &words)?;
    }
    for oddity in &report.oddities {
        line("note", oddity)?;
    }
    for (peer, prediction) in &findings.predictions {
        let name = if *peer == "this peer" {
            "with the peer".to_owned()
        } else {
            format!("with {peer}")
        };
        writeln!(out, "{name}: {prediction}")?;
    }
    Ok(())
}

fn known(dependence: Option<Dependence>) -> String {
    dependence.map_or_else(|| "unknown".to_owned(), |known| known.to_string())
}

const fn hairpin_words(hairpin: Hairpin) -> &'static str {
    match hairpin {
        Hairpin::None => "no: players behind this NAT cannot reach each other by its outside",
        Hairpin::InternalSource => "yes, with inside addresses",
        Hairpin::ExternalSource => "yes",
    }
}

fn lifetime_words(lifetime: MappingLifetime) -> String {
    let alive = lifetime.at_least.as_secs();
    match lifetime.less_than {
        Some(gone) => format!("{alive} s to {} s without traffic", gone.as_secs()),
        None => format!("more than {alive} s without traffic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(report: NatReport) -> String {
        let server = "203.0.113.1:3478".parse().unwrap();
        let mut out = Vec::new();
        write_table(&mut out, &Findings::new(server, report, None)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_blocked_player_is_told_so_and_what_follows() {
        let mut report = NatReport::default();
        report.blocked = true;
        let text = text(report);
        assert!(text.contains("udp         blocked"), "{text}");
        assert!(text.contains("with open: a relay will be needed"), "{text}");
    }

    #[test]
    fn a_cone_nat_is_named_in_both_vocabularies_and_its_chances_are_told() {
        let mut report = NatReport::default();
        report.local = "192.168.1.7:50001".parse().ok();
        report.mapped = "198.51.100.7:61000".parse().ok();
        report.mapping = Some(Dependence::Endpoint);
        report.filtering = Some(Dependence::AddressAndPort);
        report.hairpin = Some(Hairpin::None);
        let text = text(report);
        for line in [
            "mapping     endpoint-independent",
            "type        port restricted cone NAT; moderate",
            "with port restricted cone NAT: a hole punch should work",
            "with symmetric NAT: a relay will be needed",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

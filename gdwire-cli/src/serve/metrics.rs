//! Counters in the text format of Prometheus.

use core::fmt::Write;
use gdwire::drive::stun::StunServerStats;
use gdwire::stun::server::DropReason;

/// What scrapers expect to be told.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All counters.
pub(super) fn text(stats: &StunServerStats) -> String {
    let mut page = Page(String::new());
    let version = env!("CARGO_PKG_VERSION");
    page.family("gdwire_build_info", "gauge", "The version, in a label.");
    page.sample("gdwire_build_info", &[("version", version)], 1);
    stun(&mut page, stats);
    page.0
}

fn stun(page: &mut Page, stats: &StunServerStats) {
    let answered = "Binding requests that were answered with an address.";
    page.counter(
        "gdwire_stun_answered_total",
        answered,
        stats.sum(|s| s.answered),
    );
    let reflected = "Of these, ones of NAT discovery, whose answers may go elsewhere.";
    page.counter(
        "gdwire_stun_reflected_total",
        reflected,
        stats.sum(|s| s.reflected),
    );
    let name = "gdwire_stun_errors_total";
    page.family(
        name,
        "counter",
        "Requests that were answered with an error.",
    );
    page.sample(name, &[("code", "400")], stats.sum(|s| s.bad_requests));
    page.sample(
        name,
        &[("code", "420")],
        stats.sum(|s| s.unknown_attributes),
    );
    let name = "gdwire_stun_bytes_total";
    page.family(
        name,
        "counter",
        "Bytes of messages, without headers of UDP, TCP and IP.",
    );
    page.sample(name, &[("direction", "in")], stats.sum(|s| s.bytes_in));
    page.sample(name, &[("direction", "out")], stats.sum(|s| s.bytes_out));
    let name = "gdwire_stun_dropped_total";
    page.family(name, "counter", "Messages that were met with silence.");
    for reason in DropReason::ALL {
        page.sample(name, &[("reason", reason.name())], stats.dropped(reason));
    }
    let unsent = "Answers that the system did not take.";
    page.counter("gdwire_stun_unsent_total", unsent, stats.unsent);
    let name = "gdwire_stun_connections";
    page.family(name, "gauge", "TCP connections that are open.");
    page.sample(name, &[], stats.connections);
    let name = "gdwire_stun_connections_total";
    page.family(
        name,
        "counter",
        "TCP connections: taken, closed at once for want of room, ended for what they did.",
    );
    page.sample(name, &[("outcome", "accepted")], stats.accepted);
    page.sample(name, &[("outcome", "refused")], stats.refused);
    page.sample(name, &[("outcome", "ended")], stats.ended);
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // A string takes all that is written to it.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Labels are words of ours, so that nothing has to be escaped.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_has_a_family_and_each_family_a_sample() {
        let text = text(&StunServerStats::default());
        let mut families = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                families.push((rest.split(' ').next().unwrap(), 0));
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let (family, samples) = families.last_mut().unwrap();
                assert_eq!(name, *family);
                *samples += 1;
                assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok());
            }
        }
        assert!(families.len() >= 8 && families.iter().all(|(_, samples)| *samples > 0));
        assert!(text.contains("gdwire_stun_dropped_total{reason=\"rate_limited\"} 0"));
    }
}

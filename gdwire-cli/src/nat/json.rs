//! What `nat` found, as JSON, and reading it again.

use super::report::Findings;
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::stun::nat::{
    Dependence, Fragments, Hairpin, NatReport, Oddity, Path, Pooling, PortPattern, PortProfile,
    PortSample, Prediction,
};
use serde_json::{Value as Json, json};
use std::io;

/// Most bytes of a report that is read.
const REPORT_BYTES: u64 = 1024 * 1024;

/// Everything as one object.
pub(super) fn to_json(findings: &Findings) -> Json {
    let report = &findings.report;
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let predictions = findings.predictions.iter();
    json!({
        "server": findings.server.to_string(),
        "blocked": report.blocked,
        "local": address(report.local),
        "mapped": address(report.mapped),
        "mapped_tcp": address(findings.tcp),
        "other": address(report.other),
        "translated": report.is_translated(),
        "mapping": report.mapping.map(dependence_name),
        "filtering": report.filtering.map(dependence_name),
        "type": report.nat_type().map(|kind| kind.to_string()),
        "classic": report.classic_name(),
        "hairpin": report.hairpin.map(hairpin_name),
        "fragments": report.fragments.map(fragments_name),
        "ports": report.ports.as_ref().map(ports),
        "lifetime": report.lifetime.map(|lifetime| json!({
            "at_least_s": lifetime.at_least.as_secs_f64(),
            "less_than_s": lifetime.less_than.map(|end| end.as_secs_f64()),
        })),
        "rtt_ms": report.rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
        "oddities": report.oddities.iter().map(|oddity| oddity_name(*oddity)).collect::<Vec<_>>(),
        "predictions": predictions.map(|(peer, found)| prediction(peer, found)).collect::<Vec<_>>(),
    })
}

/// The report in a file that [`to_json`] wrote, as far as predictions need it.
///
/// # Errors
/// What the system says; `InvalidInput` with the file's name if it is no such report.
pub(super) fn read(path: &std::path::Path) -> io::Result<NatReport> {
    use io::Read;
    let wrong = |why: String| {
        let message = format!("{}: {why}", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(REPORT_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| wrong(error.to_string()))?;
    let json: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    from_json(&json).map_err(|field| wrong(format!("{field} is missing or makes no sense")))
}

/// The report in `json`, or the name of the field that is wrong.
fn from_json(json: &Json) -> Result<NatReport, &'static str> {
    let mut report = NatReport::default();
    report.blocked = json["blocked"].as_bool().ok_or("blocked")?;
    report.local = optional(&json["local"], parse).ok_or("local")?;
    report.mapped = optional(&json["mapped"], parse).ok_or("mapped")?;
    report.mapping = optional(&json["mapping"], dependence).ok_or("mapping")?;
    report.filtering = optional(&json["filtering"], dependence).ok_or("filtering")?;
    report.hairpin = optional(&json["hairpin"], |json| {
        named(
            json,
            &[
                Hairpin::None,
                Hairpin::InternalSource,
                Hairpin::ExternalSource,
            ],
            hairpin_name,
        )
    })
    .ok_or("hairpin")?;
    report.rtt = optional(&json["rtt_ms"], |json| {
        Duration::try_from_secs_f64(json.as_f64()? / 1e3).ok()
    })
    .ok_or("rtt_ms")?;
    report.ports = optional(&json["ports"], profile).ok_or("ports")?;
    Ok(report)
}

/// What `read` makes of a value that may be missing; `None` if it is there and wrong.
#[expect(clippy::option_option, reason = "wrong and not there are different")]
fn optional<T>(json: &Json, read: impl FnOnce(&Json) -> Option<T>) -> Option<Option<T>> {
    if json.is_null() {
        return Some(None);
    }
    read(json).map(Some)
}

/// The one of `all` that has this name.
fn named<T: Copy>(json: &Json, all: &[T], name: impl Fn(T) -> &'static str) -> Option<T> {
    let text = json.as_str()?;
    all.iter().copied().find(|one| name(*one) == text)
}

fn parse(json: &Json) -> Option<SocketAddr> {
    json.as_str()?.parse().ok()
}

fn dependence(json: &Json) -> Option<Dependence> {
    let all = [
        Dependence::Endpoint,
        Dependence::Address,
        Dependence::AddressAndPort,
    ];
    named(json, &all, dependence_name)
}

/// The profile of ports that the samples show.
fn profile(json: &Json) -> Option<PortProfile> {
    let samples = json["samples"].as_array()?.iter().map(|sample| {
        Some(PortSample {
            local_port: u16::try_from(sample["local_port"].as_u64()?).ok()?,
            destination: parse(&sample["destination"])?,
            external: parse(&sample["external"])?,
        })
    });
    PortProfile::of(samples.collect::<Option<Vec<_>>>()?)
}

fn ports(profile: &PortProfile) -> Json {
    let (pattern, delta, jitter) = match profile.pattern {
        PortPattern::Preserving => ("preserving", None, None),
        PortPattern::Contiguous { delta, jitter } => ("contiguous", Some(delta), Some(jitter)),
        PortPattern::PerDestination { delta, jitter } => {
            ("per_destination", Some(delta), Some(jitter))
        }
        PortPattern::ParityPreserving => ("parity_preserving", None, None),
        PortPattern::Random => ("random", None, None),
        _ => ("unknown", None, None),
    };
    let samples = profile.samples.iter().map(|sample| {
        json!({
            "local_port": sample.local_port,
            "destination": sample.destination.to_string(),
            "external": sample.external.to_string(),
        })
    });
    json!({
        "pattern": pattern,
        "delta": delta,
        "jitter": jitter,
        "confidence": profile.confidence,
        "pooling": match profile.pooling {
            Pooling::Paired => "paired",
            Pooling::Arbitrary => "arbitrary",
        },
        "block": profile.block.map(|(first, last)| json!([first, last])),
        "samples": samples.collect::<Vec<_>>(),
    })
}

fn prediction(peer: &str, prediction: &Prediction) -> Json {
    let (path, percent) = match prediction.path {
        Path::Direct => ("direct", None),
        Path::Punch => ("punch", None),
        Path::PredictedPort { percent } => ("predicted_port", Some(percent)),
        Path::Relay => ("relay", None),
        Path::Unknown => ("unknown", None),
    };
    json!({ "peer": peer, "path": path, "percent": percent, "words": prediction.to_string() })
}

const fn dependence_name(dependence: Dependence) -> &'static str {
    match dependence {
        Dependence::Endpoint => "endpoint_independent",
        Dependence::Address => "address_dependent",
        Dependence::AddressAndPort => "address_and_port_dependent",
    }
}

const fn hairpin_name(hairpin: Hairpin) -> &'static str {
    match hairpin {
        Hairpin::None => "none",
        Hairpin::InternalSource => "internal_source",
        Hairpin::ExternalSource => "external_source",
    }
}

const fn fragments_name(fragments: Fragments) -> &'static str {
    match fragments {
        Fragments::Pass => "pass",
        Fragments::Lost => "lost",
    }
}

const fn oddity_name(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::NoDiscovery => "no_discovery",
        Oddity::NoChangeRequest => "no_change_request",
        Oddity::OtherAddressSilent => "other_address_silent",
        Oddity::WrongOrigin => "wrong_origin",
        Oddity::RewrittenPayload => "rewritten_payload",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut report = NatReport::default();
        report.local = "192.168.1.7:50001".parse().ok();
        report.mapped = "198.51.100.7:61000".parse().ok();
        report.mapping = Some(Dependence::AddressAndPort);
        report.filtering = Some(Dependence::Address);
        report.hairpin = Some(Hairpin::ExternalSource);
        report.rtt = Some(Duration::from_micros(12_500));
        let samples = (0..6).map(|index| PortSample {
            local_port: 5000 + index * 7,
            destination: "203.0.113.1:3478".parse().unwrap(),
            external: SocketAddr::from(([198, 51, 100, 7], 61_000 + index)),
        });
        report.ports = PortProfile::of(samples.collect());
        let server = "203.0.113.1:3478".parse().unwrap();
        let json = to_json(&Findings::new(server, report.clone(), None));
        assert_eq!(from_json(&json), Ok(report));
        assert_eq!(json["predictions"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let good = json!({ "blocked": false });
        assert!(from_json(&good).is_ok());
        for (field, value) in [
            ("blocked", json!("no")),
            ("mapped", json!("here")),
            ("mapping", json!("symmetric")),
            ("hairpin", json!(1)),
            ("rtt_ms", json!(-1)),
            ("ports", json!({ "samples": [{}] })),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert_eq!(from_json(&bad), Err(field));
        }
        assert_eq!(from_json(&json!([])), Err("blocked"));
    }
}

//! What a swarm prints at its end.

use super::histogram::Histogram;
use super::tally::Tally;
use alloc::collections::BTreeMap;
use core::time::Duration;
use serde_json::{Value as Json, json};
use std::io::{self, Write};

/// The report as one object.
pub(super) fn to_json(tally: &Tally) -> Json {
    let (source, round_trips) = tally.round_trips();
    let (received, traffic) = (&tally.received, &tally.traffic);
    json!({
        "clients": tally.clients,
        "threads": tally.threads,
        "joined": tally.joined,
        "failed": tally.failed.values().sum::<u32>(),
        "failed_by_reason": tally.failed,
        "lost": tally.lost.values().sum::<u32>(),
        "lost_by_reason": tally.lost,
        "seconds": tally.elapsed.as_secs_f64(),
        "joining_ms": percentiles(&tally.joining),
        "round_trip_source": source,
        "round_trip_ms": percentiles(round_trips),
        "calls_sent": tally.calls_sent,
        "calls_answered": tally.answers.count(),
        "calls_unanswered": tally.calls_sent.saturating_sub(tally.answers.count()),
        "calls_refused": tally.calls_refused,
        "rpcs_received": received.rpcs,
        "packets_received": received.packets,
        "spawns": received.spawns,
        "despawns": received.despawns,
        "syncs": received.syncs,
        "deltas": received.deltas,
        "dropped": received.dropped,
        "method_mismatches": received.mismatches,
        "bytes_in": traffic.bytes_in,
        "bytes_out": traffic.bytes_out,
        "bytes_in_per_second": per_second(traffic.bytes_in, tally.elapsed),
        "bytes_out_per_second": per_second(traffic.bytes_out, tally.elapsed),
        "datagrams_in": traffic.datagrams_in,
        "datagrams_out": traffic.datagrams_out,
        "resent": traffic.resent,
        "discarded": traffic.discarded,
        "loss_mean": traffic.mean_loss(),
        "loss_worst": traffic.worst_loss,
        "memory_bytes_when_joined": tally.memory_when_joined,
        "memory_bytes": tally.memory_at_end,
    })
}

/// The report for people.
pub(super) fn write_table(out: &mut impl Write, tally: &Tally) -> io::Result<()> {
    let (source, round_trips) = tally.round_trips();
    let (received, traffic) = (&tally.received, &tally.traffic);
    writeln!(
        out,
        "clients     {} joined of {} in {:.1} s{}{}",
        tally.joined,
        tally.clients,
        tally.elapsed.as_secs_f64(),
        reasons("failed", &tally.failed),
        reasons("lost", &tally.lost),
    )?;
    writeln!(out, "joining     {}", shown(&tally.joining))?;
    writeln!(out, "round trip  {} ({source})", shown(round_trips))?;
    if tally.calls_sent + tally.calls_refused > 0 {
        writeln!(
            out,
            "calls       {} sent, {} answered, {} not, {} refused",
            tally.calls_sent,
            tally.answers.count(),
            tally.calls_sent.saturating_sub(tally.answers.count()),
            tally.calls_refused
        )?;
    }
    writeln!(
        out,
        "received    {} RPCs, {} packets, {} spawns, {} despawns, {} syncs, {} deltas",
        received.rpcs,
        received.packets,
        received.spawns,
        received.despawns,
        received.syncs,
        received.deltas
    )?;
    if received.dropped + received.mismatches > 0 {
        writeln!(
            out,
            "refused     {} packets, {} method mismatches",
            received.dropped, received.mismatches
        )?;
    }
    writeln!(
        out,
        "traffic     {:.0} bytes/s in, {:.0} bytes/s out, {} datagrams in, {} out",
        per_second(traffic.bytes_in, tally.elapsed),
        per_second(traffic.bytes_out, tally.elapsed),
        traffic.datagrams_in,
        traffic.datagrams_out
    )?;
    writeln!(
        out,
        "losses      {} resent, {} discarded, {:.2} % on average, {:.2} % at worst",
        traffic.resent,
        traffic.discarded,
        traffic.mean_loss() * 100.0,
        traffic.worst_loss * 100.0
    )?;
    if let (Some(joined), Some(end)) = (tally.memory_when_joined, tally.memory_at_end) {
        writeln!(
            out,
            "memory      {:.1} MiB when all had joined, {:.1} MiB at the end",
            mebibytes(joined),
            mebibytes(end)
        )?;
    }
    Ok(())
}

fn percentiles(histogram: &Histogram) -> Json {
    let millis = |percent| histogram.percentile(percent).map(as_millis);
    json!({
        "samples": histogram.count(),
        "p50": millis(50),
        "p90": millis(90),
        "p99": millis(99),
        "max": (histogram.count() > 0).then(|| as_millis(histogram.largest())),
    })
}

fn shown(histogram: &Histogram) -> String {
    let millis = |percent| histogram.percentile(percent).map(as_millis);
    match (millis(50), millis(90), millis(99)) {
        (Some(half), Some(most), Some(nearly_all)) => format!(
            "p50 {half:.1} ms, p90 {most:.1} ms, p99 {nearly_all:.1} ms, max {:.1} ms",
            as_millis(histogram.largest())
        ),
        _ => "-".to_owned(),
    }
}

fn reasons(what: &str, counts: &BTreeMap<&'static str, u32>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let list: Vec<String> = counts
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    format!("; {what}: {}", list.join(", "))
}

fn as_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn per_second(bytes: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let bytes = bytes as f64;
    bytes / elapsed.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_why_clients_failed_and_which_round_trips_it_has() {
        let mut tally = Tally {
            clients: 10,
            joined: 7,
            elapsed: Duration::from_secs(2),
            ..Tally::default()
        };
        tally.failed.insert("refused", 3);
        tally.acknowledgements.add(Duration::from_millis(4));
        tally.traffic.bytes_in = 1000;
        let mut table = Vec::new();
        write_table(&mut table, &tally).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(table.starts_with("clients     7 joined of 10 in 2.0 s; failed: 3 refused\n"));
        assert!(table.contains("joining     -\n"), "{table}");
        assert!(table.contains("max 4.0 ms (enet)"), "{table}");
        assert!(table.contains("500 bytes/s in"), "{table}");

        let json = to_json(&tally);
        assert_eq!(json["failed_by_reason"]["refused"], 3);
        assert_eq!(json["round_trip_source"], "enet");
        assert_eq!(json["joining_ms"]["p50"], Json::Null);
        assert_eq!(json["bytes_in_per_second"], 500.0);
    }
}

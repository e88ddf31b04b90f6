//! `gdwire demo`: plays a short game over real loopback sockets, and tells what arrived.

mod dedicated;
mod game;
mod godot;
mod player;

use clap::{Args, ValueEnum};
use core::time::Duration;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Plays a short game over real loopback sockets through each topology, and prints what arrived
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::DEMO)]
pub(crate) struct DemoOptions {
    /// Plays only this one; all without
    topology: Option<Topology>,
    /// The players are headless processes of this Godot 4
    #[arg(long, value_name = "PATH", env = "GODOT")]
    godot: Option<PathBuf>,
    /// One JSON object per topology in place of the table
    #[arg(long)]
    json: bool,
}

/// How players reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Topology {
    /// One ENet server that everybody reaches
    Dedicated,
}

/// What came of one game.
#[derive(Clone, Debug)]
struct Outcome {
    topology: &'static str,
    path: &'static str,
    /// From the start of the slowest connection to its first call.
    first_rpc: Option<Duration>,
    round_trip: Option<Duration>,
    /// At the server, both directions.
    bytes: u64,
    spawns: usize,
    syncs: usize,
    calls: usize,
    /// What is wrong, if anything is.
    problem: Option<String>,
}

impl DemoOptions {
    /// How long a game may take; engines need a while to start.
    const fn patience(&self) -> Duration {
        match self.godot {
            Some(_) => Duration::from_secs(30),
            None => Duration::from_secs(10),
        }
    }
}

pub(crate) async fn run(options: DemoOptions) -> io::Result<ExitCode> {
    let outcomes = match options.topology {
        None | Some(Topology::Dedicated) => [dedicated::play(&options).await?],
    };
    let mut out = io::stdout().lock();
    if options.json {
        for outcome in &outcomes {
            writeln!(out, "{}", to_json(outcome))?;
        }
    } else {
        write_table(&mut out, &outcomes)?;
    }
    out.flush()?;
    if outcomes.iter().all(|outcome| outcome.problem.is_none()) {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

fn to_json(outcome: &Outcome) -> Json {
    let millis =
        |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1000.0);
    json!({
        "topology": outcome.topology,
        "path": outcome.path,
        "first_rpc_ms": millis(outcome.first_rpc),
        "round_trip_ms": millis(outcome.round_trip),
        "bytes": outcome.bytes,
        "spawns": outcome.spawns,
        "spawns_expected": game::SPAWNS,
        "syncs": outcome.syncs,
        "rpcs": outcome.calls,
        "rpcs_expected": game::CALLS,
        "verdict": if outcome.problem.is_none() { "ok" } else { "failed" },
        "problem": outcome.problem,
    })
}

/// One row per topology, columns as wide as their widest cell.
fn write_table(out: &mut impl Write, outcomes: &[Outcome]) -> io::Result<()> {
    let heads = [
        "topology",
        "path",
        "first RPC",
        "round trip",
        "bytes",
        "spawns",
        "syncs",
        "RPCs",
        "verdict",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(outcomes.iter().map(|outcome| {
        [
            outcome.topology.to_owned(),
            outcome.path.to_owned(),
            shown(outcome.first_rpc),
            shown(outcome.round_trip),
            outcome.bytes.to_string(),
            format!("{}/{}", outcome.spawns, game::SPAWNS),
            outcome.syncs.to_string(),
            format!("{}/{}", outcome.calls, game::CALLS),
            outcome.problem.clone().unwrap_or_else(|| "ok".to_owned()),
        ]
    }));
    let widths: [usize; 9] = core::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn shown(duration: Option<Duration>) -> String {
    match duration {
        Some(duration) => format!("{:.1} ms", duration.as_secs_f64() * 1000.0),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_aligned_columns_and_the_problem_in_words() {
        let outcome = Outcome {
            topology: "dedicated",
            path: "direct",
            first_rpc: Some(Duration::from_micros(2340)),
            round_trip: None,
            bytes: 12345,
            spawns: 4,
            syncs: 9,
            calls: 3,
            problem: Some("a player failed".to_owned()),
        };
        let mut table = Vec::new();
        write_table(&mut table, &[outcome]).unwrap();
        let table = String::from_utf8(table).unwrap();
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 2);
        let column = rows[0].find("first RPC").unwrap();
        assert!(rows[1][column..].starts_with("2.3 ms"));
        assert!(rows[1].ends_with("a player failed"));
    }
}

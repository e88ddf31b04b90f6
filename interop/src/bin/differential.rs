//! Prints the tables of `docs/differential.md`: C ENet and ours at either end of the same simulated networks.
//!
//! `cargo run --release --bin differential [SECONDS [SEEDS]]` runs each cell SEEDS times for SECONDS of virtual time in
//! both roles (default 60 and 2, as in the table); cells in which chance has a say, by how much is lost, more often.

use core::time::Duration;
use interop::differential::{Cell, Ends, Figures, LOSSES, ROUND_TRIPS_MS, link, special_links};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| {
        let number: Result<u64, _> = argument.parse();
        number.expect("a number of seconds, a number of seeds")
    });
    let duration = Duration::from_secs(arguments.next().unwrap_or(60));
    let seeds = u8::try_from(arguments.next().unwrap_or(2)).expect("at most 255 seeds");
    let mut links = Vec::new();
    for round_trip in ROUND_TRIPS_MS {
        for loss in LOSSES {
            let name = format!("{round_trip} ms, {} %", f64::from(loss) / 10.0);
            // Fast links give as many packets in a minute as slow ones in an hour.
            let times = match (loss, round_trip) {
                (0..=30, _) | (_, 0..20) => 1,
                (_, 20..60) => 4,
                _ => 16,
            };
            links.push((name, link(round_trip, loss), seeds.saturating_mul(times)));
        }
    }
    links.extend(special_links().map(|(name, link)| (name.to_owned(), link, 2 * seeds)));
    let mut hours = 0.0;
    println!("### As much as goes through\n");
    println!(
        "| network | C to C, kB/s | ours to C | C to ours | ours to ours | share of the wire, C | ours |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, link, seeds) in &links {
        let cell = Cell::bulk(*link, *seeds, duration);
        hours += cell.virtual_hours();
        let ratio = |ends: Ends| {
            let figures = cell.get(ends);
            let ratio = figures.goodput() / cell.get(Ends::CToC).goodput();
            format!("{ratio:.2}{}", broken(figures))
        };
        let reference = cell.get(Ends::CToC);
        println!(
            "| {name} | {:.0}{} | {} | {} | {} | {:.2} | {:.2} |",
            reference.goodput() / 1e3,
            broken(reference),
            ratio(Ends::OursToC),
            ratio(Ends::CToOurs),
            ratio(Ends::OursToOurs),
            reference.wire_share(),
            cell.get(Ends::OursToOurs).wire_share(),
        );
    }
    println!("\n### A game\n");
    println!(
        "| network | C to C, mean ms | slowest | ours to C, mean | slowest | C to ours, mean | slowest | ours to ours, mean | slowest | unreliable, ours : C |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, link, seeds) in &links {
        let cell = Cell::game(*link, *seeds, duration);
        hours += cell.virtual_hours();
        let reference = cell.get(Ends::CToC);
        let ratio = |ends: Ends| {
            let figures = cell.get(ends);
            let mean = figures.mean_latency() / reference.mean_latency();
            let late = figures.slowest_latency() / reference.slowest_latency();
            format!("{mean:.2}{} | {late:.2}", broken(figures))
        };
        println!(
            "| {name} | {:.1}{} | {:.1} | {} | {} | {} | {:.2} |",
            reference.mean_latency(),
            broken(reference),
            reference.slowest_latency(),
            ratio(Ends::OursToC),
            ratio(Ends::CToOurs),
            ratio(Ends::OursToOurs),
            cell.get(Ends::OursToOurs).unreliable_rate() / reference.unreliable_rate(),
        );
    }
    println!("\n{hours:.0} hours of virtual time.");
}

/// Marks figures of which connections broke.
fn broken(figures: &Figures) -> String {
    match figures.broken {
        0 => String::new(),
        count => format!(" ({count} broke)"),
    }
}

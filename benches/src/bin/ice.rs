//! Prints which crate's agents connect in which cell of the NAT matrix, and how fast: `ice [SEEDS]`.

use benches::ice::{Contender, Meeting};
use core::time::Duration;
use testkit::Link;
use testkit::world::{Dependence, Nat, PortPolicy, Reach};

fn kinds() -> Vec<(String, Option<Nat>)> {
    let letter = |dependence| match dependence {
        Dependence::EndpointIndependent => 'E',
        Dependence::AddressDependent => 'A',
        Dependence::AddressAndPortDependent => 'P',
    };
    let mut kinds = vec![("none".to_owned(), None)];
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            let nat = Nat {
                ports: PortPolicy::Random,
                ..Nat::new(mapping, filtering)
            };
            let name = [letter(mapping), letter(filtering)].iter().collect();
            kinds.push((name, Some(nat)));
        }
    }
    kinds
}

/// What one crate did in one cell.
#[derive(Default)]
struct Tally {
    connected: u64,
    possible: u64,
    times: Vec<u128>,
    datagrams: u64,
    panics: u64,
}

impl Tally {
    fn median(&mut self) -> Option<u128> {
        self.times.sort_unstable();
        self.times.get(self.times.len() / 2).copied()
    }
}

fn main() {
    // A contender that panics is counted; its words would bury the table.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = std::env::args()
        .nth(1)
        .map_or(20, |text| text.parse().expect("a number of seeds"));
    for loss in [0, 100] {
        println!(
            "\nloss {} % on each line, {seeds} seeds for each pair; median ms (connected)\n",
            loss / 10
        );
        let names = Contender::ALL.map(Contender::name).join(" | ");
        println!(
            "| controlling | controlled | {names} |\n| --- | --- |{}",
            " ---: |".repeat(Contender::ALL.len())
        );
        let mut totals = Contender::ALL.map(|_| Tally::default());
        let mut behind = Vec::new();
        for (one, outer) in kinds() {
            for (other, inner) in kinds() {
                let cells =
                    Contender::ALL.map(|contender| cell(contender, [outer, inner], loss, seeds));
                let Some(cells) = table_row(&one, &other, cells, &mut totals) else {
                    continue;
                };
                let best = cells[1..].iter().flatten().min();
                if let (Some(ours), Some(best)) = (cells[0], best)
                    && ours > *best
                {
                    behind.push(format!("{one}-{other} {ours}:{best}"));
                }
            }
        }
        // Ours never panics, so it has met every pair.
        let possible = totals[0].possible;
        println!();
        for (contender, mut total) in Contender::ALL.into_iter().zip(totals) {
            let median = total.median().unwrap_or_default();
            let Tally {
                connected,
                datagrams,
                panics,
                ..
            } = total;
            println!(
                "{}: {connected} connected ({possible} can), median {median} ms, {} datagrams for each, {panics} panics",
                contender.name(),
                datagrams / connected.max(1)
            );
        }
        println!(
            "cells where another is faster: {} {}",
            behind.len(),
            behind.join(", ")
        );
    }
}

fn cell(contender: Contender, boxes: [Option<Nat>; 2], loss: u32, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 1..=seeds {
        let link = Link {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(10),
            loss,
            ..Link::PERFECT
        };
        let Some(outcome) = (Meeting { boxes, link, seed }).play(contender) else {
            tally.panics += 1;
            continue;
        };
        tally.possible += u64::from(matches!(outcome.reach, Reach::Direct | Reach::Asymmetric));
        tally.datagrams += outcome.datagrams;
        if let Some(after) = outcome.connected_after {
            tally.connected += 1;
            tally.times.push(after.as_millis());
        }
    }
    tally
}

/// Prints a row if anybody connected; gives the medians.
fn table_row(
    one: &str,
    other: &str,
    cells: [Tally; 4],
    totals: &mut [Tally; 4],
) -> Option<[Option<u128>; 4]> {
    if cells
        .iter()
        .all(|cell| cell.connected == 0 && cell.possible == 0)
    {
        return None;
    }
    let mut medians = [None; 4];
    let mut row = format!("| {one} | {other} |");
    for (index, mut cell) in cells.into_iter().enumerate() {
        medians[index] = cell.median();
        let shown = medians[index].map_or_else(|| "–".to_owned(), |median| median.to_string());
        row += &format!(" {shown} ({}) |", cell.connected);
        let total = &mut totals[index];
        total.connected += cell.connected;
        total.possible += cell.possible;
        total.datagrams += cell.datagrams;
        total.panics += cell.panics;
        total.times.append(&mut cell.times);
    }
    println!("{row}");
    Some(medians)
}

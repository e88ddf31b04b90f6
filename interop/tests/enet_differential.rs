//! A short form of the table in `docs/differential.md`: on one network script, ours at either end delivers what C ENet
//! at both ends delivers, and not later or less of it by more than a twentieth.

use core::time::Duration;
use interop::differential::{Cell, Ends, link, run_timetable, special_links};
use testkit::Link;

/// Ours worse than C by no more than this.
const TOLERANCE: f64 = 0.05;
/// The same for the share of the wire, which in two runs of half a minute depends more on chance.
const WASTE_TOLERANCE: f64 = 0.1;

fn check(name: &str, bulk: &Cell, game: &Cell) {
    let reference = bulk.get(Ends::CToC);
    for ends in [Ends::OursToC, Ends::CToOurs, Ends::OursToOurs] {
        let figures = bulk.get(ends);
        assert!(
            figures.goodput() >= reference.goodput() * (1.0 - TOLERANCE),
            "{name}, {ends:?}: {:.0} bytes a second, C ENet {:.0}",
            figures.goodput(),
            reference.goodput()
        );
        assert!(
            figures.wire_share() >= reference.wire_share() * (1.0 - WASTE_TOLERANCE),
            "{name}, {ends:?}: {:.3} of what was sent is packets that arrived, C ENet {:.3}",
            figures.wire_share(),
            reference.wire_share()
        );
    }
    let reference = game.get(Ends::CToC);
    for ends in [Ends::OursToC, Ends::CToOurs, Ends::OursToOurs] {
        let figures = game.get(ends);
        assert!(
            figures.mean_latency() <= reference.mean_latency() * (1.0 + TOLERANCE),
            "{name}, {ends:?}: {:.2} ms on average, C ENet {:.2} ms",
            figures.mean_latency(),
            reference.mean_latency()
        );
        assert!(
            figures.unreliable_rate() >= reference.unreliable_rate() * (1.0 - TOLERANCE),
            "{name}, {ends:?}: {:.1} unreliable packets a second, C ENet {:.1}",
            figures.unreliable_rate(),
            reference.unreliable_rate()
        );
    }
    for (load, cell) in [("bulk", bulk), ("game", game)] {
        let broken = cell.get(Ends::OursToOurs).broken;
        assert_eq!(broken, 0, "{name}, {load}: our connections broke");
    }
}

fn check_link(name: &str, link: Link) {
    let bulk = Cell::bulk(link, 2, Duration::from_secs(30));
    let game = Cell::game(link, 2, Duration::from_secs(120));
    check(name, &bulk, &game);
}

#[test]
fn goodput_and_latency_are_no_worse_on_networks_without_loss() {
    for round_trip in [20, 60, 300] {
        check_link(&format!("{round_trip} ms"), link(round_trip, 0));
    }
}

#[test]
fn goodput_and_latency_are_no_worse_under_loss() {
    for (round_trip, loss) in [(20, 10), (20, 50), (60, 30), (150, 30)] {
        check_link(
            &format!("{round_trip} ms, {loss} in 1000"),
            link(round_trip, loss),
        );
    }
}

#[test]
fn goodput_and_latency_are_no_worse_where_packets_are_late_doubled_or_queued() {
    for (name, link) in special_links() {
        check_link(name, link);
    }
}

#[test]
fn the_same_unreliable_packets_arrive_when_the_network_follows_a_timetable() {
    let [reference, others @ ..] = Ends::ALL.map(|ends| run_timetable(ends, 9));
    for side in &reference {
        let lost = side.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
        assert!(
            lost > 20,
            "the timetable lost nothing: {} arrived",
            side.len()
        );
    }
    for other in others {
        assert_eq!(other, reference);
    }
}

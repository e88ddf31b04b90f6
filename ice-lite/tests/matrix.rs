//! The NAT matrix: which pairs of boxes connect, how, and how fast. `docs/nat-matrix.md` is what this writes with many seeds.
//!
//! `UPDATE_NAT_MATRIX=1000 cargo test --release -p gdwire-ice-lite --test matrix` writes the page anew with 1,000 seeds per pair.

extern crate alloc;

mod common;

use common::world::{Match, Options, Side};
use core::fmt::Write as _;
use core::time::Duration;
use testkit::Link;
use testkit::world::{Dependence, Nat, PortPolicy, Reach};

/// Seeds of each pair in a test run; the first ones of the page's.
const SEEDS: u64 = 2;

/// The same, or what `NAT_MATRIX_SEEDS` asks for.
fn seeds() -> u64 {
    let asked = std::env::var("NAT_MATRIX_SEEDS").ok();
    asked.map_or(SEEDS, |asked| asked.parse().expect("a number of seeds"))
}

/// Ports that each agent foretells.
const PREDICTED: usize = 4;

const PAGE: &str = "../docs/nat-matrix.md";

/// A kind of player: its name in the table, and its box.
fn kinds() -> Vec<(String, Option<Nat>)> {
    let mut kinds = vec![("none".to_owned(), None)];
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            let nat = Nat {
                ports: PortPolicy::Random,
                ..Nat::new(mapping, filtering)
            };
            kinds.push((
                format!("{}{}", letter(mapping), letter(filtering)),
                Some(nat),
            ));
        }
    }
    let sequential = Nat {
        ports: PortPolicy::Sequential,
        ..Nat::SYMMETRIC
    };
    kinds.push(("PP+1".to_owned(), Some(sequential)));
    kinds
}

const fn letter(dependence: Dependence) -> char {
    match dependence {
        Dependence::EndpointIndependent => 'E',
        Dependence::AddressDependent => 'A',
        Dependence::AddressAndPortDependent => 'P',
    }
}

fn side(nat: Option<Nat>, loss: u32) -> Side {
    let mut side = nat.map_or_else(Side::public, |nat| Side::behind([nat]));
    side.link = Link {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(10),
        loss,
        ..Link::PERFECT
    };
    side
}

/// What became of one pair under many seeds.
#[derive(Default)]
struct Cell {
    direct: u64,
    relayed: u64,
    failed: u64,
    reach: Option<Reach>,
    lossy: bool,
    /// Milliseconds until the first datagram of each player had reached the other.
    times: Vec<u128>,
}

impl Cell {
    /// Plays a pair with the seeds from 1 to `seeds`.
    fn play(pair: &[(String, Option<Nat>); 2], relay: bool, loss: u32, seeds: u64) -> Self {
        let mut cell = Self {
            lossy: loss > 0,
            ..Self::default()
        };
        for seed in 1..=seeds {
            let sides = pair.each_ref().map(|(_, nat)| side(*nat, loss));
            let options = Options {
                relay,
                predicted: PREDICTED,
                ..Options::default()
            };
            cell.add(
                Match::new(seed, sides, options),
                &format!("{pair:?}, seed {seed}"),
            );
        }
        cell.times.sort_unstable();
        cell
    }

    fn add(&mut self, mut game: Match, name: &str) {
        let limit = Duration::from_secs(40);
        let reach = game.reach();
        let connected = game.connect(limit);
        let path = game.player(0).agent.path().filter(|_| connected);
        let relayed = path.is_some_and(|path| path.is_relayed());
        self.reach = Some(reach);
        match reach {
            // With loss a relay may have worked before the direct way did.
            Reach::Direct | Reach::Asymmetric => {
                let fair = !relayed || self.lossy;
                assert!(connected && fair, "{name}: {}", game.why());
            }
            Reach::Relayed => assert!(connected && relayed, "{name}: {}", game.why()),
            Reach::Impossible => assert!(!connected, "{name}: {}", game.why()),
            Reach::Predicted => assert!(connected || !game.has_relay(), "{name}: {}", game.why()),
            Reach::Uncertain => panic!("{name}: these boxes leave nothing open"),
        }
        let first = |index: usize| game.player(index).first_data;
        if let (true, Some(one), Some(other)) = (connected, first(0), first(1)) {
            self.times.push(u128::from(one.max(other).as_millis()));
        }
        match (connected, relayed) {
            (false, _) => self.failed += 1,
            (true, true) => self.relayed += 1,
            (true, false) => self.direct += 1,
        }
    }

    /// The median and the 99th percentile.
    fn quantiles(&self) -> Option<[u128; 2]> {
        let at = |permille: usize| self.times.get((self.times.len() - 1) * permille / 1000);
        (!self.times.is_empty())
            .then(|| [500, 990].map(|permille| *at(permille).expect("in range")))
    }

    /// The kind of way, as the table says it: what the oracle says, which every run has proven.
    const fn verdict(&self) -> &'static str {
        match self.reach {
            Some(Reach::Direct) => "direct",
            Some(Reach::Asymmetric) => "crossed",
            Some(Reach::Predicted) => "foretold",
            Some(Reach::Relayed) => "relay",
            _ => "none",
        }
    }

    fn text(&self) -> String {
        let mut text = self.verdict().to_owned();
        if self.reach == Some(Reach::Predicted) || (self.direct > 0 && self.relayed > 0) {
            let percent = self.direct * 100 / (self.direct + self.relayed + self.failed);
            write!(text, " {percent} %").expect("a string takes any text");
        }
        if let Some([median, late]) = self.quantiles() {
            write!(text, " {median}/{late}").expect("a string takes any text");
        }
        text
    }
}

/// The three tables: title, whether there is a relay, loss in 1000.
const TABLES: [(&str, bool, u32); 3] = [
    ("Without a relay", false, 0),
    ("With a relay", true, 0),
    (
        "With a relay, and 10 % loss in each direction of each line",
        true,
        100,
    ),
];

fn table(relay: bool, loss: u32, seeds: u64) -> String {
    let kinds = kinds();
    let names = kinds.iter().map(|(name, _)| name.as_str());
    let mut text = format!("| | {} |\n|", names.collect::<Vec<_>>().join(" | "));
    text += &" --- |".repeat(kinds.len() + 1);
    for one in &kinds {
        write!(text, "\n| {} |", one.0).expect("a string takes any text");
        for other in &kinds {
            let cell = Cell::play(&[one.clone(), other.clone()], relay, loss, seeds);
            write!(text, " {} |", cell.text()).expect("a string takes any text");
        }
    }
    text
}

fn page(seeds: u64) -> String {
    let mut page = format!(
        "# Which NAT boxes connect, and how fast\n\n\
         Two agents of `gdwire-ice-lite` look for each other in the simulated internet of `gdwire-testkit`, each behind a box of a kind,\n\
         with {seeds} seeds for each pair. In every run without exception the agents connected if and only if the oracle of the\n\
         simulator says that there is a way; where ports must be foretold the share of runs that found the way is given.\n\n\
         A kind is two letters: what its mapping and what its filter depend on (RFC 4787), **E**ndpoint independent, **A**ddress,\n\
         or address and **P**ort. EE is a full cone, EA address restricted, EP port restricted, PP symmetric. Ports are chosen at\n\
         random, but for PP+1, which takes the next one. Rows are the controlling side.\n\n\
         Crossed is direct, too, but answers come from another port than checks go to. A peer that is strict about RFC 8445\n\
         section 7.2.5.2.1 does not take them, so with one of those it is none, or relay.\n\n\
         A cell says the kind of way, and the median and 99th percentile of the milliseconds until a datagram of each side has\n\
         reached the other, counted from the moment at which both begin to gather. A line takes 20 to 30 ms in each direction, so a\n\
         round trip between two players takes about 100 ms, as one of the signalling does; agents trickle and foretell {PREDICTED} ports.\n\n\
         `ice-lite/tests/matrix.rs` writes this page, and its test plays the first {SEEDS} seeds of each pair again.\n"
    );
    for (title, relay, loss) in TABLES {
        write!(page, "\n## {title}\n\n{}\n", table(relay, loss, seeds))
            .expect("a string takes any text");
    }
    page
}

/// The cells of the page's tables, table by table, row by row.
fn cells(page: &str) -> Vec<Vec<String>> {
    let sections = page.split("\n## ").skip(1);
    let rows = |section: &str| {
        let rows = section
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(2);
        let cells = rows.flat_map(|row| {
            row.split(" | ")
                .skip(1)
                .map(|cell| cell.trim_end_matches(" |").to_owned())
        });
        cells.collect()
    };
    sections.map(rows).collect()
}

// req: HI-14
#[test]
fn the_matrix_in_the_docs_is_true() {
    if let Ok(seeds) = std::env::var("UPDATE_NAT_MATRIX") {
        let seeds = seeds.parse().expect("a number of seeds");
        std::fs::write(PAGE, page(seeds)).expect("the page can be written");
        return;
    }
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let written = cells(&page);
    let (kinds, seeds) = (kinds(), seeds());
    assert_eq!(written.len(), TABLES.len());
    for ((title, relay, loss), written) in TABLES.into_iter().zip(written) {
        assert_eq!(written.len(), kinds.len() * kinds.len(), "{title}");
        let pairs = kinds
            .iter()
            .flat_map(|one| kinds.iter().map(move |other| [one.clone(), other.clone()]));
        for (pair, written) in pairs.zip(written) {
            let cell = Cell::play(&pair, relay, loss, seeds);
            let name = format!("{title}: {} and {}: {written}", pair[0].0, pair[1].0);
            assert_eq!(written.split(' ').next(), Some(cell.verdict()), "{name}");
            let late = written
                .rsplit_once('/')
                .map(|(_, late)| late.parse::<u128>().expect("a number"));
            let median = cell.quantiles().map(|[median, _]| median);
            // Half of these seeds are quicker than nearly all of the page's, or the page is old.
            assert!(
                median.is_none() || cell.reach == Some(Reach::Predicted) || median <= late,
                "{name}: now {median:?}"
            );
        }
    }
}

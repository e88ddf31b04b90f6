//! One scenario under many seeds: [`trial`] finds a seed that breaks an invariant and cuts it down to what matters.
//!
//! A scenario builds a [`World`](crate::world::World) from a [`Run`], plays it, and says which invariant broke, if one did. Each seed first
//! switches each kind of fault on or off and then draws its rate, so that rare combinations occur, and days without any.
//! If a seed breaks something, the run is turned into a list of decisions (what each link did to which datagram, which actions
//! were taken), and decisions are taken away for as long as the same invariant breaks. What is left is printed: a text that
//! [`replay`] plays again without any dice, to be kept as a test.
//!
//! | environment | what it does |
//! | --- | --- |
//! | `TRIAL_SEED=7` | plays this seed and no other; the line that a failure prints |
//! | `TRIAL_SEEDS=20000` | plays so many seeds instead of the test's own number |
//! | `TRIAL_PCAPNG=file` | writes what passed in a run that breaks, for packet analysers |
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use proto_core::{Handled, Instant, Transmit};
//! use testkit::Machine;
//! use testkit::trial::{Broken, Run, trial};
//! use testkit::world::World;
//!
//! /// Sends a counter each 100 ms, and remembers what it heard.
//! #[derive(Default)]
//! struct Ticker { to: Option<SocketAddr>, sent: u8, due: Instant, heard: Vec<u8> }
//!
//! impl Machine for Ticker {
//!     type Event = ();
//!     type Drop = ();
//!     fn handle_datagram(&mut self, _: Instant, _: SocketAddr, _: SocketAddr, data: &[u8]) -> Handled<()> {
//!         self.heard.extend(data.first());
//!         Handled::Consumed
//!     }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
//!         let destination = self.to.filter(|_| now >= self.due && self.sent < 20)?;
//!         self.due = now + Duration::from_millis(100);
//!         self.sent += 1;
//!         buffer[0] = self.sent;
//!         Some(Transmit { source: None, destination, bytes: 0..1 })
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> { (self.to.is_some() && self.sent < 20).then_some(self.due) }
//!     fn poll_event(&mut self) -> Option<()> { None }
//!     fn buffer_bytes(&self) -> usize { 16 }
//! }
//!
//! let summary = trial("ticker", 50, |run: &mut Run| {
//!     let mut world = World::new(run.seed());
//!     let (a, b): (SocketAddr, SocketAddr) = (([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into());
//!     let sender = Ticker { to: Some(b), ..Ticker::default() };
//!     let sender = world.add_host("a", World::<Ticker>::INTERNET, a, sender);
//!     let hearer = world.add_host("b", World::<Ticker>::INTERNET, b, Ticker::default());
//!     let link = run.link();
//!     world.set_access(sender, a.ip(), link);
//!     run.play(&mut world, |run, world| {
//!         world.run_for(Duration::from_secs(5));
//!         let heard = &world.machine(hearer).heard;
//!         run.delivered(heard.len());
//!         Broken::unless(heard.len() <= 40, "at most two copies of each", || format!("{heard:?}"))
//!     })
//! });
//! assert_eq!(summary.runs, 50);
//! ```

mod case;
mod run;
mod shrink;

pub use case::{BadCase, Case};
pub use run::{Broken, Features, Run};

use core::fmt;

/// The fewest runs of a trial, in 1000, that must deliver data of the application. A simulator that does nothing breaks nothing.
const LEAST_DELIVERING: u64 = 950;

/// What a trial did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Seeds that were played.
    pub runs: u64,
    /// Runs that told of delivered data.
    pub delivering: u64,
    /// What runs told of delivered data, together.
    pub delivered: u64,
    /// Entries in the logs of all worlds.
    pub happenings: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            delivering,
            delivered,
            happenings,
        } = self;
        write!(
            f,
            "{runs} seeds, {delivering} delivered data ({delivered} pieces), {happenings} happenings"
        )
    }
}

/// Plays `scenario` with the seeds from 1 to `seeds`, or with those that the environment asks for, and prints a summary.
///
/// # Panics
///
/// If an invariant breaks: with the seed, the invariant, the last happenings, the line that plays it again, and the shortest
/// case that was found. Also if less than 95 % of at least 20 runs told of delivered data ([`Run::delivered`]).
pub fn trial(name: &str, seeds: u64, scenario: impl Fn(&mut Run) -> Result<(), Broken>) -> Summary {
    let asked = |key| {
        std::env::var(key)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let (first, last) = match asked("TRIAL_SEED") {
        Some(seed) => (seed, seed),
        None => (1, asked("TRIAL_SEEDS").unwrap_or(seeds)),
    };
    let mut summary = Summary::default();
    for seed in first..=last {
        let mut run = Run::new(&Case::new(name, seed));
        if let Err(broken) = scenario(&mut run) {
            let (case, tries) = shrink::shrink(&run, &broken, &scenario);
            panic!("{}", report(&run, &broken, &case, tries));
        }
        summary.runs += 1;
        summary.delivering += u64::from(run.told() > 0);
        summary.delivered += run.told();
        summary.happenings += run.happenings();
    }
    println!("trial {name}: {summary}");
    let enough = summary.runs < 20 || summary.delivering * 1000 >= summary.runs * LEAST_DELIVERING;
    assert!(
        enough,
        "trial {name} delivers too little to find anything: {summary}"
    );
    summary
}

/// The first seed from 1 to `seeds` with which `scenario` breaks an invariant, and the case it was cut down to.
///
/// For tests of tests: that a planted mistake is found.
pub fn hunt(
    name: &str,
    seeds: u64,
    scenario: impl Fn(&mut Run) -> Result<(), Broken>,
) -> Option<(Case, Broken)> {
    (1..=seeds).find_map(|seed| {
        let mut run = Run::new(&Case::new(name, seed));
        let broken = scenario(&mut run).err()?;
        Some((shrink::shrink(&run, &broken, &scenario).0, broken))
    })
}

/// Plays a kept case, without dice.
///
/// # Errors
///
/// What broke.
pub fn replay(
    case: &Case,
    scenario: impl Fn(&mut Run) -> Result<(), Broken>,
) -> Result<(), Broken> {
    scenario(&mut Run::new(case))
}

fn report(run: &Run, broken: &Broken, case: &Case, tries: usize) -> String {
    let (name, seed) = (case.name(), case.seed());
    let last: String = run
        .last()
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect();
    format!(
        "trial {name}, seed {seed}: {broken}\n\
         play it again: TRIAL_SEED={seed} cargo test {name}\n\
         the last happenings:\n{last}\
         the shortest case after {tries} tries, for testkit::trial::replay:\n{case}"
    )
}

#[cfg(test)]
mod tests;

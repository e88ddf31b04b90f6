//! One run of a scenario: [`Run`].

use super::Case;
use crate::world::{World, pcapng};
use crate::{Blackout, Burst, Dice, Jitter, Link, Machine, Rate, Script};
use core::fmt;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;

/// The most datagrams that are kept for a packet analyser.
const MOST_CAPTURED: usize = 100_000;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// Its name: two runs break the same if this is equal.
    pub invariant: String,
    /// What was seen.
    pub detail: String,
}

impl Broken {
    /// `invariant` did not hold, as `detail` shows.
    #[must_use]
    pub fn new(invariant: &str, detail: impl Into<String>) -> Self {
        Self {
            invariant: invariant.to_owned(),
            detail: detail.into(),
        }
    }

    /// Nothing if `holds`.
    ///
    /// # Errors
    ///
    /// Otherwise that `invariant` is broken.
    pub fn unless(
        holds: bool,
        invariant: &str,
        detail: impl FnOnce() -> String,
    ) -> Result<(), Self> {
        if holds {
            return Ok(());
        }
        Err(Self::new(invariant, detail()))
    }

    fn panic(payload: &(dyn core::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("a panic without words");
        let first = text.lines().next().unwrap_or_default();
        // Numbers differ from run to run; it is the same panic.
        let name: String = first.chars().filter(|c| !c.is_ascii_digit()).collect();
        Self::new(&format!("no panic: {name}"), text)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}: {}", self.invariant, self.detail)
    }
}

impl core::error::Error for Broken {}

/// Which kinds of fault a run has. Each seed draws them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each kind of fault is on or off on its own"
)]
#[non_exhaustive]
pub struct Features {
    /// Datagrams are lost one by one.
    pub loss: bool,
    /// Datagrams are lost in bursts.
    pub bursts: bool,
    /// Nothing passes for a while, again and again.
    pub blackouts: bool,
    /// Copies arrive.
    pub duplicates: bool,
    /// Later ones overtake.
    pub reordering: bool,
    /// The time on the way varies.
    pub jitter: bool,
    /// Bits flip, ends are missing, bytes are added.
    pub damage: bool,
    /// There is a bottleneck.
    pub rate: bool,
}

impl Features {
    fn draw(dice: &mut Dice) -> Self {
        let mut drawn = || dice.chance(500);
        Self {
            loss: drawn(),
            bursts: drawn(),
            blackouts: drawn(),
            duplicates: drawn(),
            reordering: drawn(),
            jitter: drawn(),
            damage: drawn(),
            rate: drawn(),
        }
    }
}

/// One run of a scenario: where its dice come from, and what it is told.
#[derive(Debug)]
pub struct Run {
    case: Case,
    dice: Dice,
    links: u64,
    features: Features,
    damage_allowed: bool,
    /// The actions that were taken, if the scenario asked for some.
    actions: Option<Vec<u64>>,
    recorded: Option<Script>,
    told: u64,
    happenings: u64,
    last: Vec<String>,
    quiet: bool,
}

impl Run {
    pub(super) fn new(case: &Case) -> Self {
        let dice = Dice::new(case.seed()).part(b"trial");
        Self {
            case: case.clone(),
            features: Features::draw(&mut dice.part(b"features")),
            dice,
            links: 0,
            damage_allowed: true,
            actions: None,
            recorded: None,
            told: 0,
            happenings: 0,
            last: Vec::new(),
            quiet: false,
        }
    }

    /// Does not write files; for the many runs of a shrinking.
    pub(super) const fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The seed, for everything that the scenario draws itself.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.case.seed()
    }

    /// Dice of this run for what `label` names.
    #[must_use]
    pub fn dice(&self, label: &str) -> Dice {
        self.dice.part(label.as_bytes())
    }

    /// Which kinds of fault this run has.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// No datagram is damaged in this run: for protocols that trust the checksum of UDP. To be called before [`Run::link`].
    pub const fn without_damage(&mut self) {
        self.damage_allowed = false;
    }

    /// A link with the faults of this run, at rates drawn for it.
    pub fn link(&mut self) -> Link {
        self.links += 1;
        let mut dice = self.dice.part(&self.links.to_be_bytes());
        let features = self.features;
        let millis = |dice: &mut Dice, most| Duration::from_millis(dice.below(most));
        let shape = [Jitter::Uniform, Jitter::Normal, Jitter::Pareto];
        let mut link = Link {
            latency: millis(&mut dice, 120),
            ..Link::PERFECT
        };
        if features.jitter {
            link.jitter = millis(&mut dice, 80);
            link.jitter_shape = shape[usize::from(dice.roll().to_le_bytes()[0] % 3)];
            link.jitter_memory = permille(&mut dice, 900);
        }
        if features.loss {
            link.loss = permille(&mut dice, 200);
        }
        if features.bursts {
            link.burst = Some(Burst {
                enter: permille(&mut dice, 30),
                leave: 100 + permille(&mut dice, 400),
                loss: 500 + permille(&mut dice, 500),
            });
        }
        if features.blackouts {
            link.blackout = Some(Blackout {
                every: Duration::from_secs(4) + millis(&mut dice, 8000),
                lasts: millis(&mut dice, 1500),
            });
        }
        if features.duplicates {
            link.duplicate = permille(&mut dice, 200);
        }
        if features.reordering {
            link.reorder = permille(&mut dice, 200);
            link.reorder_by = millis(&mut dice, 200);
        }
        if features.damage && self.damage_allowed {
            link.corrupt = permille(&mut dice, 30);
            link.truncate = permille(&mut dice, 10);
            link.extend = permille(&mut dice, 10);
        }
        if features.rate {
            link.rate = Some(Rate {
                bytes_per_second: 20_000 + dice.below(500_000),
                queue_bytes: 4000 + dice.below(60_000),
            });
            link.early_drop = dice.chance(500);
        }
        link
    }

    /// Up to `most` actions as numbers, for the scenario to make something of. The shrinking takes some away and makes others
    /// smaller, so nothing else may decide what a scenario does. To be called once.
    pub fn actions(&mut self, most: u64) -> Vec<u64> {
        let mut dice = self.dice.part(b"actions");
        let actions = self.case.actions().map_or_else(
            || {
                let count = 1 + dice.below(most);
                (0..count).map(|_| dice.roll()).collect()
            },
            <[u64]>::to_vec,
        );
        self.actions = Some(actions.clone());
        actions
    }

    /// Plays `world`, as far as its hosts and boxes exist already, and asks `body` what broke. A panic in it counts, too.
    ///
    /// # Errors
    ///
    /// What broke.
    ///
    /// # Panics
    ///
    /// If the file that the environment asks for cannot be written.
    pub fn play<M: Machine>(
        &mut self,
        world: &mut World<M>,
        body: impl FnOnce(&mut Self, &mut World<M>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        match self.case.script() {
            Some(script) => world.follow(script),
            None => world.record(),
        }
        let path = std::env::var_os("TRIAL_PCAPNG").filter(|_| !self.quiet);
        if path.is_some() {
            world.capture_up_to(MOST_CAPTURED);
        }
        let result = catch_unwind(AssertUnwindSafe(|| body(self, world)))
            .unwrap_or_else(|payload| Err(Broken::panic(&*payload)));
        self.recorded = match self.case.script() {
            Some(script) => Some(script.clone()),
            None => Some(world.take_recorded()),
        };
        self.happenings += world.log().count();
        self.last = world.log().last().map(ToString::to_string).collect();
        if let (Some(path), Err(_)) = (path, &result) {
            let written = std::fs::write(&path, pcapng(&world.take_captured()));
            written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        }
        result
    }

    /// Tells that so many pieces of the application's data arrived.
    pub fn delivered(&mut self, pieces: usize) {
        self.told += u64::try_from(pieces).unwrap_or(u64::MAX);
    }

    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    pub(super) const fn happenings(&self) -> u64 {
        self.happenings
    }

    pub(super) fn last(&self) -> &[String] {
        &self.last
    }

    /// The run as decisions.
    pub(super) fn decisions(&self) -> Case {
        self.case.with(self.actions.clone(), self.recorded.clone())
    }
}

fn permille(dice: &mut Dice, most: u32) -> u32 {
    u32::try_from(dice.below(u64::from(most) + 1)).unwrap_or(most)
}

//! Writing down what links did to single datagrams, and doing the same again.

use super::World;
use crate::link::{LinkState, Tape};
use crate::{Deviation, Dice, Fault, Link, Machine, Script};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;

/// What each link, also those to come, is given as its tape.
#[derive(Debug, Default)]
pub(super) enum Tapes {
    #[default]
    Off,
    Record,
    Follow(BTreeMap<String, BTreeMap<u64, Vec<Fault>>>),
}

impl Tapes {
    /// A new link.
    pub(super) fn link(&self, name: String, dice: Dice) -> LinkState {
        let mut link = LinkState::new(Link::PERFECT, Rc::from(name), dice);
        self.arm(&mut link);
        link
    }

    fn arm(&self, link: &mut LinkState) {
        link.tape = match self {
            Self::Off => Tape::Off,
            Self::Record => Tape::Record(Vec::new()),
            Self::Follow(script) => {
                Tape::Follow(script.get(&*link.name).cloned().unwrap_or_default())
            }
        };
    }
}

impl<M: Machine> World<M> {
    fn links(&mut self) -> impl Iterator<Item = &mut LinkState> {
        let hosts = self.hosts.iter_mut();
        let interfaces = hosts.flat_map(|host| host.interfaces.iter_mut());
        let of_hosts = interfaces.flat_map(|one| [&mut one.up, &mut one.down]);
        let boxes = self.gateways.iter_mut();
        of_hosts.chain(boxes.flat_map(|gateway| [&mut gateway.up, &mut gateway.down]))
    }

    fn arm(&mut self, tapes: Tapes) {
        self.links().for_each(|link| tapes.arm(link));
        self.tapes = tapes;
    }

    /// Writes down from now on what links do to single datagrams; [`World::take_recorded`] gives it.
    pub fn record(&mut self) {
        self.arm(Tapes::Record);
    }

    /// What links did since [`World::record`], link by link.
    pub fn take_recorded(&mut self) -> Script {
        let mut deviations: Vec<Deviation> = Vec::new();
        for link in self.links() {
            if let Tape::Record(recorded) = &mut link.tape {
                deviations.append(recorded);
            }
        }
        Script::new(deviations)
    }

    /// From now on links do what `script` says and nothing else: their dice rest, their latency, length and rate stay.
    ///
    /// Datagrams are counted from the beginning of the world, so this belongs there.
    pub fn follow(&mut self, script: &Script) {
        let mut tapes: BTreeMap<String, BTreeMap<u64, Vec<Fault>>> = BTreeMap::new();
        for one in &script.deviations {
            let faults = tapes.entry(one.link.clone()).or_default();
            faults.entry(one.number).or_default().push(one.fault);
        }
        self.arm(Tapes::Follow(tapes));
    }

    /// The weather clears: links keep their latency and nothing else, and no direction is cut.
    pub fn heal_all(&mut self) {
        for state in self.links() {
            state.link = Link::with_latency(state.link.latency);
        }
        self.cuts.clear();
    }
}

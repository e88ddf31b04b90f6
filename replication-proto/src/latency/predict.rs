//! Acting at once and being right later: [`Predictor`].

use super::{ConfigError, Tick};
use alloc::collections::VecDeque;

/// The part of a game that a client can compute by itself: the same code as at the server.
///
/// A step must depend on nothing but its arguments, or replays and the server come to other results.
pub trait Simulation {
    /// What is simulated, such as position and velocity of the player's own unit.
    type State: Clone;
    /// What the player does in one tick.
    type Input;

    /// The state one tick later.
    #[must_use]
    fn step(&self, state: &Self::State, input: &Self::Input) -> Self::State;

    /// Whether a prediction is so wrong that it must be corrected. A small tolerance saves replays where floating point
    /// or the wire rounds; it is also the error that may stay.
    #[must_use]
    fn differs(&self, predicted: &Self::State, authoritative: &Self::State) -> bool;
}

/// What became of a state that the server sent.
#[must_use = "a correction makes a jump that the player should not see"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconciled<S> {
    /// It is ahead of all predictions, and is the present state now.
    Ahead,
    /// The prediction was right.
    Confirmed,
    /// The prediction was wrong. The state was set right and the ticks after it were simulated again.
    Corrected {
        /// The present state before, for [`ErrorSmoother`](super::ErrorSmoother).
        before: S,
        /// How many ticks were simulated again, at most the capacity.
        replayed: usize,
    },
    /// The tick's prediction gave way to newer ones, so nothing could be compared. Larger capacity, or a worse network
    /// than the game is made for.
    Forgotten,
    /// A newer state was here before: a duplicate, or overtaken.
    Stale,
}

/// What a [`Predictor`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PredictionStats {
    /// Ticks predicted.
    pub predicted: u64,
    /// States that confirmed a prediction.
    pub confirmed: u64,
    /// States that corrected one.
    pub corrections: u64,
    /// Ticks simulated again in all.
    pub replayed: u64,
    /// The most ticks simulated again at once.
    pub longest_replay: usize,
    /// States that were ahead of all predictions.
    pub ahead: u64,
    /// States whose predictions were gone.
    pub forgotten: u64,
    /// States that came after a newer one.
    pub stale: u64,
}

/// The present state of what a client controls, predicted from its inputs, corrected by the server's states.
///
/// "The state of tick t" is the one after t was simulated.
///
/// ```
/// use replication_proto::latency::{Predictor, Reconciled, Simulation, Tick};
///
/// struct Walk;
/// impl Simulation for Walk {
///     type State = i32;
///     type Input = i32;
///     fn step(&self, position: &i32, step: &i32) -> i32 { position + step }
///     fn differs(&self, predicted: &i32, authoritative: &i32) -> bool { predicted != authoritative }
/// }
///
/// let mut me = Predictor::new(Walk, 128, Tick::new(100), 0)?;
/// for tick in 101..=105 {
///     me.predict(Tick::new(tick), 10);
/// }
/// assert_eq!(*me.state(), 50);
/// assert_eq!(me.reconcile(Tick::new(101), 10), Reconciled::Confirmed);
///
/// // Somebody pushed us by 3 at tick 102: that is kept, and the steps after it are not lost.
/// assert_eq!(me.reconcile(Tick::new(102), 23), Reconciled::Corrected { before: 50, replayed: 3 });
/// assert_eq!(*me.state(), 53);
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
pub struct Predictor<S: Simulation> {
    simulation: S,
    capacity: usize,
    /// The newest tick of which the server has told the state.
    told: Tick,
    /// The state before the oldest prediction.
    base: (Tick, S::State),
    predictions: VecDeque<Prediction<S>>,
    stats: PredictionStats,
}

struct Prediction<S: Simulation> {
    tick: Tick,
    input: S::Input,
    state: S::State,
}

impl<S: Simulation> Predictor<S> {
    /// Begins with the state of `tick`, as the server told it. Up to `capacity` ticks are kept for replay, 1 to 1024; the
    /// oldest give way. It must exceed the ticks of a round trip and of the lead.
    ///
    /// # Errors
    /// [`ConfigError`] if the capacity is out of its bounds.
    pub fn new(
        simulation: S,
        capacity: usize,
        tick: Tick,
        state: S::State,
    ) -> Result<Self, ConfigError> {
        ConfigError::unless((1..=1024).contains(&capacity), "capacity")?;
        Ok(Self {
            simulation,
            capacity,
            told: tick,
            base: (tick, state),
            predictions: VecDeque::new(),
            stats: PredictionStats::default(),
        })
    }

    /// Simulates `tick` with `input` on top of the present state, which it gives back. A tick that is not after the
    /// present one changes nothing.
    pub fn predict(&mut self, tick: Tick, input: S::Input) -> &S::State {
        if tick <= self.tick() {
            return self.state();
        }
        let state = self.simulation.step(self.state(), &input);
        if self.predictions.len() >= self.capacity
            && let Some(oldest) = self.predictions.pop_front()
        {
            self.base = (oldest.tick, oldest.state);
        }
        self.predictions
            .push_back(Prediction { tick, input, state });
        self.stats.predicted += 1;
        self.state()
    }

    /// The server's state of `tick` came.
    pub fn reconcile(&mut self, tick: Tick, state: S::State) -> Reconciled<S::State> {
        if tick <= self.told {
            self.stats.stale += 1;
            return Reconciled::Stale;
        }
        self.told = tick;
        if tick < self.base.0 {
            self.stats.forgotten += 1;
            return Reconciled::Forgotten;
        }
        if tick > self.tick() {
            self.predictions.clear();
            self.base = (tick, state);
            self.stats.ahead += 1;
            return Reconciled::Ahead;
        }
        let done = self
            .predictions
            .partition_point(|prediction| prediction.tick <= tick);
        let last = done.checked_sub(1).and_then(|at| self.predictions.get(at));
        let predicted = last.map_or(&self.base.1, |prediction| &prediction.state);
        let differs = self.simulation.differs(predicted, &state);
        let before = differs.then(|| self.state().clone());
        self.predictions.drain(..done);
        self.base = (tick, state);
        match before {
            None => {
                self.stats.confirmed += 1;
                Reconciled::Confirmed
            }
            Some(before) => {
                let replayed = self.replay();
                Reconciled::Corrected { before, replayed }
            }
        }
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> &S::State {
        let newest = self.predictions.back();
        newest.map_or(&self.base.1, |prediction| &prediction.state)
    }

    /// The tick of the present state.
    #[must_use]
    pub fn tick(&self) -> Tick {
        let newest = self.predictions.back();
        newest.map_or(self.base.0, |prediction| prediction.tick)
    }

    /// How many ticks are predicted and not yet told by the server.
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.predictions.len()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> PredictionStats {
        self.stats
    }

    fn replay(&mut self) -> usize {
        let mut state = &self.base.1;
        for prediction in &mut self.predictions {
            prediction.state = self.simulation.step(state, &prediction.input);
            state = &prediction.state;
        }
        let replayed = self.predictions.len();
        self.stats.corrections += 1;
        self.stats.replayed += replayed as u64;
        self.stats.longest_replay = self.stats.longest_replay.max(replayed);
        replayed
    }
}

impl<S: Simulation> core::fmt::Debug for Predictor<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Predictor")
            .field("told", &self.told)
            .field("present", &self.tick())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// A simulation in which order matters, so that a wrong replay shows.
    #[derive(Clone, Debug)]
    struct Hash;

    impl Simulation for Hash {
        type State = u64;
        type Input = u64;
        fn step(&self, state: &u64, input: &u64) -> u64 {
            (state ^ input).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
        fn differs(&self, predicted: &u64, authoritative: &u64) -> bool {
            predicted != authoritative
        }
    }

    fn predictor() -> Predictor<Hash> {
        Predictor::new(Hash, 64, Tick::ZERO, 1).unwrap()
    }

    #[test]
    fn a_state_ahead_of_all_predictions_is_the_present() {
        let mut me = predictor();
        me.predict(Tick::new(1), 5);
        assert_eq!(me.reconcile(Tick::new(9), 77), Reconciled::Ahead);
        assert_eq!((me.tick(), *me.state()), (Tick::new(9), 77));
        assert_eq!(me.predict(Tick::new(9), 5), &77, "it is simulated already");
    }

    #[test]
    fn late_and_duplicate_states_change_nothing() {
        let mut me = predictor();
        for tick in 1..5 {
            me.predict(Tick::new(tick), tick);
        }
        let present = *me.state();
        let third = me.predictions[2].state;
        assert_eq!(me.reconcile(Tick::new(3), third), Reconciled::Confirmed);
        assert_eq!(me.reconcile(Tick::new(3), 0), Reconciled::Stale);
        assert_eq!(me.reconcile(Tick::new(1), 0), Reconciled::Stale);
        assert_eq!(*me.state(), present);
    }

    // req: HG-13
    #[test]
    fn a_silent_server_costs_bounded_memory_and_replays_stay_bounded() {
        let mut me = predictor();
        for tick in 1..=1000 {
            me.predict(Tick::new(tick), tick);
        }
        assert_eq!(me.unconfirmed(), 64);
        assert_eq!(me.reconcile(Tick::new(500), 0), Reconciled::Forgotten);
        assert!(matches!(
            me.reconcile(Tick::new(936), 0),
            Reconciled::Corrected { replayed: 64, .. }
        ));
        assert_eq!(me.stats().longest_replay, 64);
    }

    proptest! {
        /// Whatever the server does and however late it says so, once it has said all, both agree.
        #[test]
        fn after_the_last_state_the_prediction_is_the_truth(
            steps in proptest::collection::vec((any::<u64>(), prop::bool::weighted(0.1), prop::bool::weighted(0.3)), 1..200),
            delay in 1usize..30,
        ) {
            let mut me = predictor();
            let mut truth = vec![1u64];
            for (at, &(input, pushed, told)) in steps.iter().enumerate() {
                let tick = Tick::new(at as u64 + 1);
                me.predict(tick, input);
                let state = Hash.step(&truth[at], &input);
                truth.push(if pushed { state ^ 1 } else { state });
                if let Some(old) = (at + 1).checked_sub(delay).filter(|_| told) {
                    let _ = me.reconcile(Tick::new(old as u64), truth[old]);
                    // All that the server has told is in the present, all that it has not is as the inputs say.
                    let expected = steps[old..=at]
                        .iter()
                        .fold(truth[old], |state, step| Hash.step(&state, &step.0));
                    prop_assert_eq!(*me.state(), expected);
                }
            }
            let last = steps.len();
            let _ = me.reconcile(Tick::new(last as u64), truth[last]);
            prop_assert_eq!(*me.state(), truth[last]);
            prop_assert_eq!(me.unconfirmed(), 0);
        }
    }
}

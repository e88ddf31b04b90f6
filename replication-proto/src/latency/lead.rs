//! Which tick a client simulates: [`TickLead`].

use super::recent::Recent;
use super::slew::{Slew, SlewRule, micros, moment, stamp};
use super::{ConfigError, InputAck, Tick, TickRate};
use alloc::collections::VecDeque;
use core::time::Duration;
use proto_core::Instant;

/// Numbers that a [`TickLead`] works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadConfig {
    /// How long before its tick an input should come at least: 5 ms by default.
    pub spare: Duration,
    /// Margins from which the lead is computed: 8 to 1024, 128 by default.
    pub window: usize,
    /// How many in 1000 margins should keep the spare time: 980 by default.
    pub in_time_permille: u16,
    /// The largest lead: 1 s by default. A server cannot make a client run further ahead.
    pub most_lead: Duration,
    /// How much faster or slower than real time ticks may come to reach the lead, in parts per million: 50,000 by
    /// default, at most 500,000.
    pub slew_ppm: u32,
    /// Ticks in one call: 1 to 1000, 8 by default. After a pause the ticks beyond that are left out.
    pub most_ticks: u64,
}

impl LeadConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            spare: Duration::from_millis(5),
            window: 128,
            in_time_permille: 980,
            most_lead: Duration::from_secs(1),
            slew_ppm: 50_000,
            most_ticks: 8,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless((8..=1024).contains(&self.window), "window")?;
        ConfigError::unless(self.in_time_permille <= 1000, "in_time_permille")?;
        ConfigError::unless(self.slew_ppm <= 500_000, "slew_ppm")?;
        ConfigError::unless((1..=1000).contains(&self.most_ticks), "most_ticks")
    }
}

impl Default for LeadConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`TickLead`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadStats {
    /// Ticks given out.
    pub ticks: u64,
    /// Ticks left out after a pause or a jump of the clock.
    pub skipped: u64,
    /// Margins used.
    pub margins: u64,
    /// Margins of ticks that are not remembered; ignored.
    pub unknown_margins: u64,
}

/// Ticks to simulate now, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticks {
    next: Tick,
    left: u64,
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        self.left = self.left.checked_sub(1)?;
        let tick = self.next;
        self.next = tick.next();
        Some(tick)
    }
}

/// Ticks whose lead is remembered until the server tells their margin.
const REMEMBERED: usize = 512;

/// Keeps a client so far ahead of the server that its inputs come in time, and not further.
///
/// The server measures how early inputs come ([`InputBuffer::acknowledge`](super::InputBuffer::acknowledge)). As this
/// remembers with which lead each tick was simulated, a margin tells how much lead was needed, whatever the lead was
/// then. The lead follows the largest needs, loss and jitter included, and never sets ticks back.
///
/// ```
/// use core::time::Duration;
/// use proto_core::Instant;
/// use replication_proto::latency::{LeadConfig, Tick, TickLead, TickRate};
///
/// let at = Instant::from_millis;
/// let mut lead = TickLead::new(LeadConfig::new(), TickRate::new(50)?, Duration::from_millis(100))?;
/// // The second argument is what ClockSync says.
/// let ticks: Vec<_> = lead.due(at(0), at(2000)).collect();
/// assert_eq!(ticks, [Tick::new(105)]);
/// assert_eq!(lead.due(at(40), at(2040)).count(), 2);
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TickLead {
    config: LeadConfig,
    rate: TickRate,
    needs: Recent,
    /// How far ahead ticks should be, in microseconds.
    aim: i64,
    clock: Option<Slew>,
    next: Tick,
    now: Instant,
    leads: VecDeque<(Tick, i64)>,
    stats: LeadStats,
}

impl TickLead {
    /// A lead that starts at `initial`, before the first margin is known: half of the round trip, a tick and twice the
    /// jitter is a good guess ([`ClockQuality`](super::ClockQuality)).
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: LeadConfig, rate: TickRate, initial: Duration) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            rate,
            needs: Recent::new(config.window),
            aim: micros(initial.min(config.most_lead)),
            clock: None,
            next: Tick::ZERO,
            now: Instant::ZERO,
            leads: VecDeque::new(),
            stats: LeadStats::default(),
        })
    }

    /// The ticks to simulate at `now`, when the server's clock shows `server_time`. None is given out twice.
    pub fn due(&mut self, now: Instant, server_time: Instant) -> Ticks {
        self.now = self.now.max(now);
        let target = stamp(server_time).saturating_add(self.aim);
        let rule = SlewRule {
            rate: self.config.slew_ppm,
            jump: Duration::from_millis(250),
        };
        let first = self.clock.is_none();
        let clock = self.clock.get_or_insert_with(|| Slew::new(now, target));
        clock.anchor(self.now, target, target, rule);
        let shown = clock.read(self.now, target);
        let due = self.rate.tick_at(moment(shown));
        if first {
            self.next = due;
        }
        let mut count = due.next().since(self.next);
        if count > self.config.most_ticks {
            let skipped = count - self.config.most_ticks;
            self.stats.skipped += skipped;
            self.next = self.next.plus(skipped);
            count = self.config.most_ticks;
        }
        let ticks = Ticks {
            next: self.next,
            left: count,
        };
        self.next = self.next.plus(count);
        self.stats.ticks += count;
        self.remember(ticks.clone(), server_time);
        ticks
    }

    /// An acknowledgement came.
    pub fn handle_ack(&mut self, ack: &InputAck) {
        if ack.margin_tick == -1 {
            return;
        }
        let lead = Tick::from_wire(ack.margin_tick).and_then(|tick| {
            let at = self.leads.binary_search_by_key(&tick, |&(tick, _)| tick);
            at.ok().map(|at| self.leads[at].1)
        });
        let Some(lead) = lead else {
            self.stats.unknown_margins += 1;
            return;
        };
        let most = micros(self.config.most_lead);
        let need = lead.saturating_sub(ack.margin_micros).clamp(0, most);
        self.needs.push(need);
        self.stats.margins += 1;
        if let Some(need) = self.needs.quantile(self.config.in_time_permille) {
            self.aim = need.saturating_add(micros(self.config.spare)).min(most);
        }
    }

    /// How far ahead of the server ticks shall be. They move there at [`LeadConfig::slew_ppm`].
    #[must_use]
    pub fn lead(&self) -> Duration {
        super::slew::duration(self.aim)
    }

    /// The next tick that [`TickLead::due`] gives out.
    #[must_use]
    pub const fn next_tick(&self) -> Tick {
        self.next
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> LeadStats {
        self.stats
    }

    /// Notes how far ahead of the server's time these ticks begin.
    fn remember(&mut self, ticks: Ticks, server_time: Instant) {
        for tick in ticks {
            if self.leads.len() >= REMEMBERED {
                self.leads.pop_front();
            }
            let ahead = stamp(self.rate.time_of(tick)).saturating_sub(stamp(server_time));
            self.leads.push_back((tick, ahead));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn lead(initial: u64) -> TickLead {
        let rate = TickRate::new(50).unwrap();
        TickLead::new(LeadConfig::new(), rate, Duration::from_millis(initial)).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn ack(tick: Tick, margin_micros: i64) -> InputAck {
        InputAck {
            consumed: -1,
            margin_tick: tick.to_wire(),
            margin_micros,
        }
    }

    #[test]
    fn the_lead_becomes_what_was_needed_and_the_spare_time() {
        let mut lead = lead(200);
        for step in 0..500 {
            // It takes 60 ms from here to the server.
            let now = at(4 * step);
            for tick in lead.due(now, now) {
                let begins = stamp(TickRate::new(50).unwrap().time_of(tick));
                let arrives = stamp(now) + 60_000;
                lead.handle_ack(&ack(tick, begins - arrives));
            }
        }
        assert_eq!(lead.lead(), Duration::from_millis(65));
        assert_eq!(lead.stats().skipped, 0);
    }

    #[test]
    fn ticks_follow_each_other_while_the_lead_changes() {
        let mut lead = lead(50);
        let mut expected = lead.due(at(0), at(1000)).next().unwrap();
        for step in 1..400u64 {
            let now = at(10 * step);
            if step % 100 == 50 {
                let margin = if step < 200 { -100_000 } else { 100_000 };
                lead.handle_ack(&ack(expected, margin));
            }
            for tick in lead.due(now, at(1000 + 10 * step)) {
                expected = expected.next();
                assert_eq!(tick, expected);
            }
        }
    }

    #[test]
    fn after_a_pause_the_ticks_in_between_are_left_out() {
        let mut lead = lead(0);
        assert_eq!(lead.due(at(0), at(1000)).count(), 1);
        let ticks: Vec<_> = lead.due(at(10_000), at(11_000)).collect();
        assert_eq!(ticks.len(), 8);
        assert_eq!(ticks.last(), Some(&Tick::new(550)));
        assert_eq!(lead.stats().skipped, 492);
        assert_eq!(lead.due(at(10_000), at(11_000)).count(), 0);
    }

    #[test]
    fn a_server_that_lies_about_margins_moves_the_lead_only_within_its_bounds() {
        let mut lead = lead(50);
        let tick = lead.due(at(0), at(1000)).next().unwrap();
        for margin in [i64::MIN, i64::MAX, i64::MIN] {
            lead.handle_ack(&ack(tick, margin));
        }
        assert_eq!(lead.lead(), Duration::from_secs(1));
        lead.handle_ack(&ack(Tick::new(7), 0));
        assert_eq!(lead.stats().unknown_margins, 1);
    }
}

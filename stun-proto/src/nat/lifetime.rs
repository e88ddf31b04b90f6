//! How long a mapping lives when nobody uses it: [`LifetimeSearch`] (RFC 5780 section 4.6).

use super::report::MappingLifetime;
use core::time::Duration;
use proto_core::Instant;

/// The range and the exactness of a search for the lifetime of mappings.
///
/// It doubles the silence from `shortest` until the mapping is gone or `longest` is reached, and then halves the range
/// until it is no wider than `resolution`. With the defaults and a NAT of two minutes that takes about ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a range and a step, no more")]
pub struct LifetimeSearch {
    /// The first silence that is tried. Default: 15 s.
    pub shortest: Duration,
    /// The longest silence that is tried. Default: 20 min.
    pub longest: Duration,
    /// How exact the result is. Default: 10 s.
    pub resolution: Duration,
}

impl Default for LifetimeSearch {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(15),
            longest: Duration::from_secs(20 * 60),
            resolution: Duration::from_secs(10),
        }
    }
}

/// What the search wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A Binding request from the socket, which makes its mapping new.
    Refresh,
    /// A Binding request from another socket, whose answer goes to this port of the mapping.
    Test(u16),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Refresh,
    Refreshing,
    /// Silence until then, for this outside port.
    Silence(Instant, u16),
    Testing,
    Over,
}

/// The search in progress.
#[derive(Debug)]
pub(super) struct Lifetime {
    search: LifetimeSearch,
    state: State,
    /// The silence of this round; zero in the first, which finds out whether the server can help at all.
    silence: Duration,
    alive: Duration,
    gone: Option<Duration>,
}

impl Lifetime {
    pub(super) const fn new(search: LifetimeSearch) -> Self {
        Self {
            search,
            state: State::Refresh,
            silence: Duration::ZERO,
            alive: Duration::ZERO,
            gone: None,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Refresh => Some(Instant::ZERO),
            State::Silence(until, _) => Some(until),
            State::Refreshing | State::Testing | State::Over => None,
        }
    }

    /// What is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Ask> {
        match self.state {
            State::Refresh => {
                self.state = State::Refreshing;
                Some(Ask::Refresh)
            }
            State::Silence(until, port) if until <= now => {
                self.state = State::Testing;
                Some(Ask::Test(port))
            }
            _ => None,
        }
    }

    /// The mapping is new, at this outside port; or the server is gone.
    pub(super) fn on_refresh(&mut self, now: Instant, port: Option<u16>) {
        self.state = match port {
            Some(port) => State::Silence(now + self.silence, port),
            None => State::Over,
        };
    }

    /// Whether the answer came through after the silence.
    pub(super) fn on_test(&mut self, came: bool) -> Option<MappingLifetime> {
        if self.silence.is_zero() && !came {
            // Not even a fresh mapping gets it: the server knows no RESPONSE-PORT.
            self.state = State::Over;
            return None;
        }
        if came {
            self.alive = self.silence;
        } else {
            self.gone = Some(self.silence);
        }
        self.state = State::Refresh;
        match self.gone {
            None if self.alive >= self.search.longest => self.state = State::Over,
            None => {
                let doubled = (self.alive * 2).max(self.search.shortest);
                self.silence = doubled.min(self.search.longest);
            }
            Some(gone) if gone.saturating_sub(self.alive) <= self.search.resolution => {
                self.state = State::Over;
            }
            Some(gone) => self.silence = self.alive + (gone - self.alive) / 2,
        }
        (!self.alive.is_zero() || self.gone.is_some()).then_some(MappingLifetime {
            at_least: self.alive,
            less_than: self.gone,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search finds for a NAT that forgets after `lifetime` seconds, and in how many rounds.
    fn search(lifetime: u64) -> (Option<MappingLifetime>, usize) {
        let mut search = Lifetime::new(LifetimeSearch::default());
        let (mut now, mut refreshed) = (Instant::ZERO, Instant::ZERO);
        let (mut known, mut rounds) = (None, 0);
        while !search.is_over() {
            now = search.poll_timeout().map_or(now, |at| at.max(now));
            match search.next(now) {
                Some(Ask::Refresh) => {
                    refreshed = now;
                    search.on_refresh(now, Some(4000));
                }
                Some(Ask::Test(port)) => {
                    assert_eq!(port, 4000);
                    rounds += 1;
                    let came = now.saturating_since(refreshed) < Duration::from_secs(lifetime);
                    known = search.on_test(came).or(known);
                }
                None => panic!("it asked for this time"),
            }
        }
        (known, rounds)
    }

    // req: N-8
    #[test]
    fn the_lifetime_is_found_within_ten_seconds() {
        for lifetime in [1, 20, 30, 61, 120, 300, 900] {
            let (known, rounds) = search(lifetime);
            let known = known.expect("a result");
            let lifetime = Duration::from_secs(lifetime);
            let gone = known.less_than.expect("it ends");
            assert!(known.at_least < lifetime && lifetime <= gone, "{known:?}");
            assert!(
                gone - known.at_least <= Duration::from_secs(10),
                "{known:?}"
            );
            assert!(rounds <= 15, "{rounds} rounds");
        }
    }

    #[test]
    fn a_mapping_that_outlives_the_search_has_no_end() {
        let (known, _) = search(100_000);
        let expected = MappingLifetime {
            at_least: Duration::from_secs(1200),
            less_than: None,
        };
        assert_eq!(known, Some(expected));
    }

    #[test]
    fn a_server_that_cannot_help_ends_the_search_without_a_result() {
        assert_eq!(search(0), (None, 1));
    }
}

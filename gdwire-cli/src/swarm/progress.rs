//! How far a swarm is, as one line on a terminal that is written again and again: [`Progress`].

use super::tally::Tally;
use core::time::Duration;
use std::io::{self, IsTerminal, Write};

/// Characters of the bar.
const WIDTH: u32 = 30;

/// Goes to the start of the line and removes what is there.
const CLEAR: &str = "\r\x1b[K";

/// The line. Where standard error is no terminal there is none.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    /// When the swarm ends by itself.
    end: Option<Duration>,
}

impl Progress {
    pub(super) fn new(end: Option<Duration>) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { is_shown, end }
    }

    /// Writes the line anew.
    pub(super) fn show(&self, tally: &Tally, elapsed: Duration) {
        if self.is_shown {
            // A terminal that is gone is no reason to stop.
            let _ = write!(io::stderr(), "{CLEAR}{}", line(tally, elapsed, self.end));
        }
    }

    /// Makes room for what is written at the end.
    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

fn line(tally: &Tally, elapsed: Duration, end: Option<Duration>) -> String {
    let done = u64::from(tally.joined) * u64::from(WIDTH) / u64::from(tally.clients.max(1));
    let bar: String = (0..u64::from(WIDTH))
        .map(|at| if at < done { '#' } else { '.' })
        .collect();
    let mut line = format!("[{bar}] {} of {} joined", tally.joined, tally.clients);
    for (what, counts) in [("failed", &tally.failed), ("lost", &tally.lost)] {
        let count: u32 = counts.values().sum();
        if count > 0 {
            line += &format!(", {count} {what}");
        }
    }
    line += &format!(", {} s", elapsed.as_secs());
    if let Some(end) = end {
        line += &format!(" of {} s", end.as_secs());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_who_joined_who_did_not_and_the_time() {
        let mut tally = Tally {
            clients: 1000,
            joined: 500,
            ..Tally::default()
        };
        let seconds = Duration::from_secs;
        assert_eq!(
            line(&tally, seconds(3), None),
            "[###############...............] 500 of 1000 joined, 3 s"
        );
        tally.failed.insert("timeout", 2);
        tally.lost.insert("timeout", 1);
        tally.joined = 1000;
        assert_eq!(
            line(&tally, seconds(9), Some(seconds(60))),
            "[##############################] 1000 of 1000 joined, 2 failed, 1 lost, 9 s of 60 s"
        );
    }

    #[test]
    fn nothing_is_written_where_nobody_looks() {
        // Tests have no terminal.
        if !io::stderr().is_terminal() {
            assert!(!Progress::new(None).is_shown);
        }
    }
}

//! How far a swarm is, as one line on a terminal that is written again and again: [`Progress`].

use super::parts::Counts;
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
    pub(super) fn show(&self, counts: &Counts, elapsed: Duration) {
        if self.is_shown {
            // A terminal that is gone is no reason to stop.
            let _ = write!(io::stderr(), "{CLEAR}{}", line(counts, elapsed, self.end));
        }
    }

    /// Makes room for what is written at the end.
    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

fn line(counts: &Counts, elapsed: Duration, end: Option<Duration>) -> String {
    let Counts {
        clients,
        joined,
        failed,
        lost,
    } = *counts;
    let done = u64::from(joined) * u64::from(WIDTH) / u64::from(clients.max(1));
    let bar: String = (0..u64::from(WIDTH))
        .map(|at| if at < done { '#' } else { '.' })
        .collect();
    let mut line = format!("[{bar}] {joined} of {clients} joined");
    for (what, count) in [("failed", failed), ("lost", lost)] {
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
        let mut counts = Counts {
            clients: 1000,
            joined: 500,
            ..Counts::default()
        };
        let seconds = Duration::from_secs;
        assert_eq!(
            line(&counts, seconds(3), None),
            "[###############...............] 500 of 1000 joined, 3 s"
        );
        counts.failed = 2;
        counts.lost = 1;
        counts.joined = 1000;
        assert_eq!(
            line(&counts, seconds(9), Some(seconds(60))),
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

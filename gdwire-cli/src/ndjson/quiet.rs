//! Lines that strangers can cause: [`Quiet`] lets one per second and cause through.

use alloc::collections::BTreeMap;
use core::time::Duration;
use tokio::time::Instant;

/// How long a cause is silent after a line.
const SILENCE: Duration = Duration::from_secs(1);

/// Counts what happens again too soon. Causes are few: they are names in this program.
#[derive(Debug, Default)]
pub(super) struct Quiet(BTreeMap<&'static str, Cause>);

#[derive(Debug)]
struct Cause {
    last: Instant,
    unsaid: u64,
}

impl Quiet {
    /// Whether a line about `cause` may be written at `now`; gives how many were not since the last.
    // req: HG-17
    pub(super) fn admit(&mut self, cause: &'static str, now: Instant) -> Option<u64> {
        match self.0.get_mut(cause) {
            Some(known) if now.saturating_duration_since(known.last) < SILENCE => {
                known.unsaid = known.unsaid.saturating_add(1);
                None
            }
            Some(known) => {
                known.last = now;
                Some(core::mem::take(&mut known.unsaid))
            }
            None => {
                let unsaid = 0;
                self.0.insert(cause, Cause { last: now, unsaid });
                Some(unsaid)
            }
        }
    }
}

/// `message`, and how often the like of it was not said.
pub(super) fn with_unsaid(message: String, unsaid: u64) -> String {
    match unsaid {
        0 => message,
        count => format!("{message} ({count} more since the last such line)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: HG-17
    #[test]
    fn each_cause_has_one_line_a_second_and_the_next_line_counts_the_rest() {
        let mut quiet = Quiet::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(quiet.admit("refused", start), Some(0));
        assert_eq!(quiet.admit("refused", after(1)), None);
        assert_eq!(quiet.admit("refused", after(999)), None);
        assert_eq!(quiet.admit("send", after(999)), Some(0));
        assert_eq!(quiet.admit("refused", after(1000)), Some(2));
        assert_eq!(quiet.admit("refused", after(3000)), Some(0));
        assert_eq!(
            with_unsaid("no".to_owned(), 2),
            "no (2 more since the last such line)"
        );
    }
}

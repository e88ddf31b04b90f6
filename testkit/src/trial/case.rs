//! A run as a list of decisions: [`Case`].

use crate::{Deviation, Script};
use core::fmt;
use core::str::FromStr;

/// What a run of a scenario depends on: its seed, and, if it was cut down, the actions and what links did.
///
/// Its text form is what a failing trial prints and what a test keeps:
///
/// ```
/// use testkit::trial::Case;
/// let text = "trial ticker seed 7\naction 3\nlink a 192.0.2.1 up #2 lost\n";
/// assert_eq!(text.parse::<Case>()?.to_string(), text);
/// # Ok::<(), testkit::trial::BadCase>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    name: String,
    seed: u64,
    actions: Option<Vec<u64>>,
    script: Option<Script>,
}

impl Case {
    pub(super) fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            actions: None,
            script: None,
        }
    }

    pub(super) fn with(&self, actions: Option<Vec<u64>>, script: Option<Script>) -> Self {
        Self {
            actions,
            script,
            ..self.clone()
        }
    }

    /// The name of the trial.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The seed, which still decides what is no action and no deviation of a link.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The actions, unless the seed draws them.
    #[must_use]
    pub fn actions(&self) -> Option<&[u64]> {
        self.actions.as_deref()
    }

    /// What links do, unless their dice decide.
    #[must_use]
    pub const fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// How many decisions are written down.
    #[must_use]
    pub fn len(&self) -> usize {
        let actions = self.actions.as_ref().map_or(0, Vec::len);
        actions
            + self
                .script
                .as_ref()
                .map_or(0, |script| script.deviations.len())
    }

    /// Whether no decision is written down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "trial {} seed {}", self.name, self.seed)?;
        for action in self.actions.iter().flatten() {
            writeln!(f, "action {action}")?;
        }
        for one in self.script.iter().flat_map(|script| &script.deviations) {
            writeln!(f, "link {one}")?;
        }
        Ok(())
    }
}

/// A line that does not belong into a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadCase {
    /// The line.
    pub line: String,
}

impl fmt::Display for BadCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a line of a case: {:?}", self.line)
    }
}

impl core::error::Error for BadCase {}

impl FromStr for Case {
    type Err = BadCase;

    /// Reads the text form. A case that is written down has no dice: without lines there are no actions and no deviations.
    fn from_str(text: &str) -> Result<Self, BadCase> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        let bad = |line: &str| BadCase { line: line.into() };
        let head = first.strip_prefix("trial ").and_then(|rest| {
            let (name, seed) = rest.rsplit_once(" seed ")?;
            Some(Self::new(name, seed.parse().ok()?))
        });
        let case = head.ok_or_else(|| bad(first))?;
        let (mut actions, mut deviations): (Vec<u64>, Vec<Deviation>) = (Vec::new(), Vec::new());
        for line in lines {
            if let Some(action) = line.strip_prefix("action ") {
                actions.push(action.parse().map_err(|_| bad(line))?);
            } else {
                let script = line
                    .strip_prefix("link ")
                    .and_then(|rest| rest.parse::<Script>().ok());
                deviations.extend(script.ok_or_else(|| bad(line))?.deviations);
            }
        }
        Ok(case.with(Some(actions), Some(Script::new(deviations))))
    }
}

//! What links did to single datagrams, as text that can be kept, cut down and played again: [`Script`].

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// What a link does to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It does not arrive.
    Lost,
    /// It arrives so much later than the latency says.
    Delayed(Duration),
    /// A second copy arrives so much later than the first.
    Copied(Duration),
    /// This bit is flipped.
    Flipped(usize),
    /// Only so many bytes arrive.
    Truncated(usize),
    /// So many bytes too many arrive.
    Extended(usize),
}

/// One datagram that did not pass as on a quiet day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "tests write scripts as literals")]
pub struct Deviation {
    /// The name of the link, such as `alice 192.168.0.2 up`.
    pub link: String,
    /// Which of the datagrams that it carries, from 1.
    pub number: u64,
    /// What happens.
    pub fault: Fault,
}

/// All that links do to single datagrams in one run; what is not in it passes after the latency.
///
/// As text it has a line per deviation, which [`Script::from_str`] reads back:
///
/// ```
/// use testkit::Script;
/// let text = "alice 192.168.0.2 up #3 lost\nbob 192.168.1.2 down #12 delayed 1500us\n";
/// let script: Script = text.parse()?;
/// assert_eq!(script.deviations.len(), 2);
/// assert_eq!(script.to_string(), text);
/// # Ok::<(), testkit::BadScript>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Script {
    /// In any order.
    pub deviations: Vec<Deviation>,
}

impl Script {
    /// A script of `deviations`.
    #[must_use]
    pub const fn new(deviations: Vec<Deviation>) -> Self {
        Self { deviations }
    }
}

/// A line that is no deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadScript {
    /// The line.
    pub line: String,
}

impl fmt::Display for BadScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a deviation of a link: {:?}", self.line)
    }
}

impl core::error::Error for BadScript {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::Delayed(by) => write!(f, "delayed {}us", by.as_micros()),
            Self::Copied(later) => write!(f, "copied {}us", later.as_micros()),
            Self::Flipped(bit) => write!(f, "flipped {bit}"),
            Self::Truncated(left) => write!(f, "truncated {left}"),
            Self::Extended(count) => write!(f, "extended {count}"),
        }
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {}", self.link, self.number, self.fault)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deviations
            .iter()
            .try_for_each(|one| writeln!(f, "{one}"))
    }
}

impl FromStr for Script {
    type Err = BadScript;

    fn from_str(text: &str) -> Result<Self, BadScript> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let deviations =
            lines.map(|line| deviation(line).ok_or_else(|| BadScript { line: line.into() }));
        deviations.collect::<Result<_, _>>().map(Self::new)
    }
}

fn deviation(line: &str) -> Option<Deviation> {
    let (link, rest) = line.rsplit_once(" #")?;
    let mut words = rest.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let (kind, value) = (words.next()?, words.next());
    let count = || value?.parse().ok();
    let micros = || {
        Some(Duration::from_micros(
            value?.strip_suffix("us")?.parse().ok()?,
        ))
    };
    let fault = match kind {
        "lost" if value.is_none() => Fault::Lost,
        "delayed" => Fault::Delayed(micros()?),
        "copied" => Fault::Copied(micros()?),
        "flipped" => Fault::Flipped(count()?),
        "truncated" => Fault::Truncated(count()?),
        "extended" => Fault::Extended(count()?),
        _ => return None,
    };
    words.next().is_none().then(|| Deviation {
        link: link.to_owned(),
        number,
        fault,
    })
}

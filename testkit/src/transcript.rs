//! What happened, as text that can be compared with a file: [`Transcript`].

use core::fmt::{Debug, Write as _};
use core::net::SocketAddr;
use proto_core::Instant;
use std::path::Path;

/// The datagrams and events of a run, one line each, with their times.
///
/// ```text
/// 0.000000s 10.0.0.1:40001 > 10.0.0.2:7777 52 bytes, arrives 0.020000s: 8fff…
/// 0.020000s 10.0.0.2:7777 event Connected
/// ```
///
/// [`Transcript::assert_matches`] compares it with a checked-in file, so that a changed exchange shows up in review as a
/// changed line. With the environment variable `UPDATE_TRANSCRIPTS` set, it writes the file instead.
#[derive(Clone, Debug)]
pub struct Transcript {
    text: String,
    describe: fn(&[u8]) -> String,
}

impl Transcript {
    /// An empty transcript that shows datagrams in hexadecimal.
    #[must_use]
    pub fn new() -> Self {
        Self::described_by(hex)
    }

    /// An empty transcript that shows datagrams as `describe` says.
    #[must_use]
    pub const fn described_by(describe: fn(&[u8]) -> String) -> Self {
        Self {
            text: String::new(),
            describe,
        }
    }

    /// The lines so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a line of the test's own, such as a command that it gives.
    pub fn note(&mut self, now: Instant, text: &str) {
        self.line(format_args!("{now} {text}"));
    }

    /// Compares the transcript with the file at `path`, or writes that file if `UPDATE_TRANSCRIPTS` is set.
    ///
    /// # Panics
    ///
    /// If they differ, with the first line that does; or if the file cannot be read or written.
    pub fn assert_matches(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            std::fs::write(path, &self.text)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
            return;
        }
        let expected = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        if let Some((number, was, is)) = first_difference(&expected, &self.text) {
            panic!(
                "{} differs at line {number}\n  file: {was}\n  now:  {is}\n\
                 set UPDATE_TRANSCRIPTS=1 to accept the change",
                path.display()
            );
        }
    }

    pub(crate) fn datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        arrivals: &[Option<Instant>; 2],
    ) {
        let fate = match arrivals {
            [None, _] => String::from("lost"),
            [Some(at), None] => format!("arrives {at}"),
            [Some(at), Some(again)] => format!("arrives {at} and {again}"),
        };
        let shown = (self.describe)(bytes);
        self.line(format_args!(
            "{now} {from} > {to} {} bytes, {fate}: {shown}",
            bytes.len()
        ));
    }

    pub(crate) fn event(&mut self, now: Instant, at: SocketAddr, event: &impl Debug) {
        self.line(format_args!("{now} {at} event {event:?}"));
    }

    pub(crate) fn verdict(&mut self, now: Instant, at: SocketAddr, verdict: &impl Debug) {
        self.line(format_args!("{now} {at} verdict {verdict:?}"));
    }

    fn line(&mut self, line: core::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").unwrap_or_else(|_| unreachable!("a string takes any text"));
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

/// `bytes` in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that `text` shows in hexadecimal.
///
/// # Panics
///
/// If it is not an even number of hexadecimal digits.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = core::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}

fn first_difference<'a>(was: &'a str, is: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut was, mut is) = (was.lines(), is.lines());
    for number in 1.. {
        match (was.next(), is.next()) {
            (None, None) => break,
            (a, b) if a != b => return Some((number, a.unwrap_or("(end)"), b.unwrap_or("(end)"))),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(first_difference("a\n", "a\nc\n"), Some((2, "(end)", "c")));
    }

    #[test]
    fn hexadecimal_text_is_read_back() {
        assert_eq!(hex(&[0, 0x8f, 255]), "008fff");
        assert_eq!(unhex("008fff"), [0, 0x8f, 255]);
    }
}

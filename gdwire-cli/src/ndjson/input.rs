//! Lines from standard input: [`lines`] reads them on a thread of its own and bounds their length.

use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;

/// Longest line of a command, in bytes; enough for the longest packet in hexadecimal digits.
pub(crate) const LINE_BYTES: u64 = 16 * 1024 * 1024;
/// Lines that wait for the session; the reader then waits too.
const WAITING_LINES: usize = 16;

/// One line of input with its number, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: Result<String, LineError>,
}

/// Why a line is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("longer than {LINE_BYTES} bytes")]
    TooLong,
}

/// Reads standard input until it ends. The thread ends with the process.
pub(crate) fn lines() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(WAITING_LINES);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut number = 0;
        while let Ok(Some(text)) = read_line(&mut input, LINE_BYTES) {
            number += 1;
            if sender.blocking_send(Line { number, text }).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line without its end, or `None` at the end of the input; what exceeds `limit` bytes is skipped.
fn read_line(
    input: &mut impl BufRead,
    limit: u64,
) -> io::Result<Option<Result<String, LineError>>> {
    let mut bytes = Vec::new();
    if input.take(limit + 1).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() as u64 > limit {
        input.skip_until(b'\n')?;
        return Ok(Some(Err(LineError::TooLong)));
    }
    Ok(Some(
        String::from_utf8(bytes).map_err(|_| LineError::NotUtf8),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: HB-11
    #[test]
    fn a_line_that_is_too_long_or_no_text_costs_only_itself() {
        let mut input: &[u8] = b"ok\n0123456789\n01234567\n\xff\nlast";
        let mut next = || read_line(&mut input, 8).unwrap();
        assert_eq!(next(), Some(Ok("ok".into())));
        assert_eq!(next(), Some(Err(LineError::TooLong)));
        assert_eq!(next(), Some(Ok("01234567".into())));
        assert_eq!(next(), Some(Err(LineError::NotUtf8)));
        assert_eq!(next(), Some(Ok("last".into())));
        assert_eq!(next(), None);
    }
}

//! Messages in a stream of bytes: [`Framer`] (RFC 8489 section 6.2.2, RFC 8656 section 12.5, RFC 4571).

use alloc::vec::Vec;
use core::time::Duration;
use proto_core::Instant;

/// How messages follow each other in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum Framing {
    /// STUN messages back to back, as servers speak it.
    Stun,
    /// STUN and ChannelData back to back, the latter padded to whole words: TURN once there is an allocation.
    StunAndChannelData,
    /// Packets that each follow two bytes of length: ICE over TCP (RFC 6544, RFC 4571).
    LengthPrefix,
}

/// One message of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum Frame<'a> {
    /// A STUN message by its first byte and length, to be given to [`Message::parse`](crate::Message::parse).
    Stun(&'a [u8]),
    /// A ChannelData message without its padding: channel, length, data.
    ChannelData(&'a [u8]),
    /// A packet of [`Framing::LengthPrefix`], without its length.
    Packet(&'a [u8]),
}

impl<'a> Frame<'a> {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Self::Stun(bytes) | Self::ChannelData(bytes) | Self::Packet(bytes) => bytes,
        }
    }
}

/// What [`Framer::handle_bytes`] made of its input.
#[must_use = "bytes that were not used must be given again"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Framed<'a> {
    /// Bytes of the input that were taken.
    pub used: usize,
    /// The message that they completed.
    pub frame: Option<Frame<'a>>,
}

/// Why a stream has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The first byte of a message is none of STUN or ChannelData.
    #[error("first byte {0:#04x} is of neither STUN nor ChannelData")]
    BadFraming(u8),
    /// A message announces more than the limit.
    #[error("a message of {announced} bytes, where {limit} are allowed")]
    TooLong {
        /// Bytes that were announced.
        announced: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Part of a message came, and then nothing for [`Framer::PARTIAL_TIMEOUT`].
    #[error("a message was not completed in time")]
    Stalled,
}

/// Cuts a stream of bytes into messages.
///
/// It keeps at most one incomplete message, and reserves nothing for what is only announced. A message that lies whole
/// in what is given is not copied. An error is final: close the connection, the framer gives nothing any more.
///
/// ```
/// use proto_core::Instant;
/// use stun_proto::{Frame, Framer, Framing};
///
/// let mut framer = Framer::new(Framing::Stun);
/// let message = *b"\x00\x01\x00\x00\x21\x12\xa4\x42identifier!!";
/// let input = [&message[..], &message[..10]].concat();
/// let now = Instant::ZERO;
/// let first = framer.handle_bytes(now, &input)?;
/// assert_eq!((first.used, first.frame), (20, Some(Frame::Stun(&message))));
/// assert_eq!(framer.handle_bytes(now, &input[20..])?.frame, None);
/// let second = framer.handle_bytes(now, &message[10..])?;
/// assert_eq!((second.used, second.frame), (10, Some(Frame::Stun(&message))));
/// # Ok::<(), stun_proto::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    limit: usize,
    /// The beginning of a message that has not come whole, or a whole one that was handed out.
    partial: Vec<u8>,
    /// Whether `partial` was handed out.
    taken: bool,
    /// When bytes of an incomplete message came last.
    progress: Instant,
    failed: Option<FrameError>,
}

impl Framer {
    /// Longest message before the remote has authenticated, in bytes.
    pub const UNAUTHENTICATED_BYTES: usize = 2048;
    /// Longest message of all: a header and what its 16 bits of length can say.
    pub const MAXIMUM_BYTES: usize = 65_552;
    /// How long an incomplete message may make no progress.
    pub const PARTIAL_TIMEOUT: Duration = Duration::from_secs(30);

    /// A framer at the start of a stream, for messages up to [`UNAUTHENTICATED_BYTES`](Self::UNAUTHENTICATED_BYTES).
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        Self {
            framing,
            limit: Self::UNAUTHENTICATED_BYTES,
            partial: Vec::new(),
            taken: false,
            progress: Instant::ZERO,
            failed: None,
        }
    }

    /// Longest message from now on in bytes, at most [`MAXIMUM_BYTES`](Self::MAXIMUM_BYTES).
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes.min(Self::MAXIMUM_BYTES);
    }

    /// How messages follow each other from now on, such as with ChannelData once there is an allocation.
    pub const fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Takes bytes of the stream up to the end of the next message.
    ///
    /// Call it with what follows [`Framed::used`] until all is used; it used all if there is no frame.
    ///
    /// # Errors
    /// [`FrameError`]: close the connection.
    pub fn handle_bytes<'a>(
        &'a mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<Framed<'a>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.taken {
            self.taken = false;
            self.partial.clear();
        }
        if self.partial.is_empty() {
            let extent = self.extent(input);
            if let Some(extent) = self.keep(extent)?
                && let Some((message, _)) = input.split_at_checked(extent.whole)
            {
                return Ok(Framed {
                    used: extent.whole,
                    frame: Some(extent.frame(message)),
                });
            }
        }
        let mut rest = input;
        while !rest.is_empty() {
            // A header first, which says how much belongs to the message.
            let extent = self.extent(&self.partial);
            let want = self.keep(extent)?;
            let want = want.map_or_else(|| self.header_bytes(), |extent| extent.whole);
            let missing = want.saturating_sub(self.partial.len());
            let (head, tail) = rest.split_at(missing.min(rest.len()));
            self.partial.extend_from_slice(head);
            rest = tail;
            self.progress = now;
            let extent = self.extent(&self.partial);
            if let Some(extent) = self.keep(extent)?
                && extent.whole == self.partial.len()
            {
                self.taken = true;
                return Ok(Framed {
                    used: input.len() - rest.len(),
                    frame: Some(extent.frame(&self.partial)),
                });
            }
        }
        Ok(Framed {
            used: input.len(),
            frame: None,
        })
    }

    /// Bytes after which the length of a message is known.
    const fn header_bytes(&self) -> usize {
        match self.framing {
            Framing::LengthPrefix => 2,
            Framing::Stun | Framing::StunAndChannelData => 4,
        }
    }

    /// When an incomplete message will have waited too long.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = !self.partial.is_empty() && !self.taken && self.failed.is_none();
        waits.then(|| self.progress + Self::PARTIAL_TIMEOUT)
    }

    /// Ends the stream if an incomplete message has waited too long.
    ///
    /// # Errors
    /// [`FrameError::Stalled`]: close the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), FrameError> {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.failed = Some(FrameError::Stalled);
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Bytes of an incomplete message that are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        if self.taken { 0 } else { self.partial.len() }
    }

    /// Where the message that `bytes` begin with ends, as soon as that can be known.
    fn extent(&self, bytes: &[u8]) -> Result<Option<Extent>, FrameError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (kind, header, at) = match (self.framing, first) {
            (Framing::LengthPrefix, _) => (Kind::Packet, 2, 0),
            (_, 0..=3) => (Kind::Stun, 20, 2),
            (Framing::StunAndChannelData, 64..=79) => (Kind::ChannelData, 4, 2),
            _ => return Err(FrameError::BadFraming(first)),
        };
        let Some(&[high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            return Ok(None);
        };
        let message = header + usize::from(u16::from_be_bytes([high, low]));
        let whole = match kind {
            Kind::ChannelData => message.next_multiple_of(4),
            Kind::Stun | Kind::Packet => message,
        };
        if whole > self.limit {
            return Err(FrameError::TooLong {
                announced: whole,
                limit: self.limit,
            });
        }
        Ok(Some(Extent {
            kind,
            message,
            whole,
        }))
    }

    /// Makes an error final.
    fn keep<T>(&mut self, result: Result<T, FrameError>) -> Result<T, FrameError> {
        if let Err(error) = &result {
            self.failed = Some(*error);
            self.partial = Vec::new();
        }
        result
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Stun,
    ChannelData,
    Packet,
}

/// Where a message ends.
#[derive(Clone, Copy)]
struct Extent {
    kind: Kind,
    /// Without padding.
    message: usize,
    /// With padding.
    whole: usize,
}

impl Extent {
    /// The message in all of its bytes.
    fn frame(self, whole: &[u8]) -> Frame<'_> {
        let bytes = whole.get(..self.message).unwrap_or(whole);
        match self.kind {
            Kind::Stun => Frame::Stun(bytes),
            Kind::ChannelData => Frame::ChannelData(bytes),
            Kind::Packet => Frame::Packet(bytes.get(2..).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;

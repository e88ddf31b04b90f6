//! Data of a TURN channel: [`ChannelData`] (RFC 8656 section 12).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::message::BuildError;
use core::ops::RangeInclusive;

/// Bytes before the data.
const HEADER_BYTES: usize = 4;

/// Data that goes to or comes from the peer of a channel, with four bytes around it where a Send indication has 36.
///
/// ```
/// use stun_proto::ChannelData;
///
/// let sent = ChannelData { channel: 0x4000, data: b"hello" };
/// let mut buffer = [0; 64];
/// let datagram = sent.write(&mut buffer)?;
/// assert_eq!(datagram, b"\x40\x00\x00\x05hello");
/// assert_eq!(ChannelData::parse(datagram)?, sent);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format has these two")]
pub struct ChannelData<'a> {
    /// The number of the channel, in [`ChannelData::CHANNELS`].
    pub channel: u16,
    /// What is carried; may be empty.
    pub data: &'a [u8],
}

/// Why bytes are no [`ChannelData`]. They are dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelDataError {
    /// Fewer than four bytes.
    #[error("a header of {0} bytes")]
    Truncated(usize),
    /// A number that no channel can have.
    #[error("channel number {0:#06x} is reserved")]
    Reserved(u16),
    /// The length in the header goes beyond the datagram.
    #[error("the header announces {announced} bytes, the datagram has {have}")]
    WrongLength {
        /// Length of header and data as the header has it.
        announced: usize,
        /// Length of the datagram.
        have: usize,
    },
}

impl<'a> ChannelData<'a> {
    /// The numbers of channels (RFC 8656 section 12). RFC 5766 had more, up to 0x7FFF, which are reserved since.
    pub const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

    /// Reads a datagram, or what [`Framer`](crate::Framer) cut out of a stream. What follows the data is padding, which
    /// a datagram need not have.
    ///
    /// # Errors
    /// [`ChannelDataError`]; whether the channel is bound is for the caller to know.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ChannelDataError> {
        let Some(([c0, c1, l0, l1], rest)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
            return Err(ChannelDataError::Truncated(datagram.len()));
        };
        let channel = u16::from_be_bytes([*c0, *c1]);
        if !Self::CHANNELS.contains(&channel) {
            return Err(ChannelDataError::Reserved(channel));
        }
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        match rest.get(..length) {
            Some(data) => Ok(Self { channel, data }),
            None => Err(ChannelDataError::WrongLength {
                announced: length.saturating_add(HEADER_BYTES),
                have: datagram.len(),
            }),
        }
    }

    /// Writes it for a datagram, without padding, to the front of `buffer`; gives its bytes.
    ///
    /// # Errors
    /// [`BuildError`] if `buffer` is too short, or the data is longer than 65,535 bytes.
    #[inline]
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
        self.put(buffer, self.data.len())
    }

    /// The same for a stream, padded with zeros to whole words.
    ///
    /// # Errors
    /// [`BuildError`] if `buffer` is too short, or the data is longer than 65,535 bytes.
    #[inline]
    pub fn write_padded<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
        self.put(buffer, self.data.len().next_multiple_of(4))
    }

    /// Writes header and data; `padded` is the length of the data with its padding.
    #[inline]
    fn put<'b>(&self, buffer: &'b mut [u8], padded: usize) -> Result<&'b [u8], BuildError> {
        let length = u16::try_from(self.data.len()).map_err(|_| BuildError::TooLong {
            need: self.data.len(),
            limit: usize::from(u16::MAX),
        })?;
        let (need, have) = (padded.saturating_add(HEADER_BYTES), buffer.len());
        let no_space = BuildError::NoSpace { need, have };
        let (message, _) = buffer.split_at_mut_checked(need).ok_or(no_space)?;
        let header = message.split_first_chunk_mut::<HEADER_BYTES>();
        let (header, rest) = header.ok_or(no_space)?;
        let ([c0, c1], [l0, l1]) = (self.channel.to_be_bytes(), length.to_be_bytes());
        *header = [c0, c1, l0, l1];
        let (data, padding) = rest.split_at_mut_checked(self.data.len()).ok_or(no_space)?;
        data.copy_from_slice(self.data);
        padding.fill(0);
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: HS-16
    #[test]
    fn what_is_written_is_read_and_padding_is_zero() {
        for length in 0..9 {
            let sent = ChannelData {
                channel: 0x4FFF,
                data: &[7; 8][..length.min(8)],
            };
            let mut buffer = [0xAA; 16];
            let plain = sent.write(&mut buffer).expect("room");
            assert_eq!(plain.len(), HEADER_BYTES + sent.data.len());
            assert_eq!(ChannelData::parse(plain), Ok(sent));
            let mut buffer = [0xAA; 16];
            let padded = sent.write_padded(&mut buffer).expect("room");
            assert!(padded.len().is_multiple_of(4));
            assert_eq!(ChannelData::parse(padded), Ok(sent));
            assert!(
                padded[HEADER_BYTES + sent.data.len()..]
                    .iter()
                    .all(|byte| *byte == 0)
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sent = ChannelData {
            channel: 0x4000,
            data: b"hello",
        };
        let no_space = |need, have| Err(BuildError::NoSpace { need, have });
        assert_eq!(sent.write(&mut [0; 8]), no_space(9, 8));
        assert_eq!(sent.write_padded(&mut [0; 11]), no_space(12, 11));
        let long = ChannelData {
            channel: 0x4000,
            data: &[0; 65_536],
        };
        let (need, limit) = (65_536, 65_535);
        assert_eq!(
            long.write(&mut [0; 70_000]),
            Err(BuildError::TooLong { need, limit })
        );
    }
}

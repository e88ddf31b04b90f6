//! The first two or four bytes of a datagram.

use proto_core::{DecodeError, NoSpace, Reader, Writer};

const COMPRESSED: u16 = 0x4000;
const SENT_TIME: u16 = 0x8000;
const SESSION_SHIFT: u32 = 12;
const PEER_ID_MASK: u16 = 0x0fff;

/// The header of a datagram: whom it is for, and when it was sent.
///
/// ```text
///  15        14         13..12  11..0    then, with SENT_TIME, 16 bits of milliseconds
/// +---------+----------+-------+--------+-----------+
/// |SENT_TIME|COMPRESSED|session|peer id | sent time |
/// +---------+----------+-------+--------+-----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is closed")]
pub struct Header {
    /// The number that the receiver gave to the sender, or [`NO_PEER_ID`](super::NO_PEER_ID).
    pub peer_id: u16,
    /// Session of that number, 0 to 3.
    pub session: u8,
    /// Whether all that follows is compressed.
    pub compressed: bool,
    /// Low 16 bits of the sender's clock in milliseconds; there when a command wants an acknowledgement.
    pub sent_time: Option<u16>,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// The input is shorter than its flags say.
    #[inline]
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let word = Word::decode(reader)?;
        let sent_time = word.sent_time(reader)?;
        Ok(word.header(sent_time))
    }

    /// Writes this header.
    ///
    /// # Errors
    /// [`NoSpace`] if the buffer ends; part of the header may have been written.
    #[inline]
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), NoSpace> {
        let mut word = self.peer_id & PEER_ID_MASK | u16::from(self.session & 3) << SESSION_SHIFT;
        if self.compressed {
            word |= COMPRESSED;
        }
        if self.sent_time.is_some() {
            word |= SENT_TIME;
        }
        writer.u16_be(word)?;
        match self.sent_time {
            Some(time) => writer.u16_be(time),
            None => Ok(()),
        }
    }

    /// How many bytes [`Header::encode`] writes: 2 or 4.
    #[must_use]
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        if self.sent_time.is_some() { 4 } else { 2 }
    }
}

/// The first two bytes: all of a [`Header`] but its sent time.
///
/// For the receiver, to whom a result with a whole header in it comes in memory, where reading it waits for writing it.
#[derive(Clone, Copy)]
pub(crate) struct Word(u16);

impl Word {
    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u16_be("peer id").map(Self)
    }

    /// Reads the sent time, which follows if this says so.
    #[inline]
    pub(crate) fn sent_time(self, reader: &mut Reader<'_>) -> Result<Option<u16>, DecodeError> {
        if self.0 & SENT_TIME == 0 {
            return Ok(None);
        }
        reader.u16_be("sent time").map(Some)
    }

    #[inline]
    pub(crate) const fn header(self, sent_time: Option<u16>) -> Header {
        Header {
            peer_id: self.0 & PEER_ID_MASK,
            session: (self.0 >> SESSION_SHIFT & 3) as u8,
            compressed: self.0 & COMPRESSED != 0,
            sent_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_word_round_trips() {
        for word in 0..=u16::MAX {
            let [high, low] = word.to_be_bytes();
            let bytes = [high, low, 0x12, 0x34];
            let header = Header::decode(&mut Reader::new(&bytes)).unwrap();
            let mut buffer = [0; 4];
            let mut writer = Writer::new(&mut buffer);
            header.encode(&mut writer).unwrap();
            assert_eq!(writer.written(), &bytes[..header.encoded_len()]);
        }
    }

    #[test]
    fn a_header_shorter_than_its_flags_is_refused() {
        for bytes in [&[][..], &[0x0f], &[0x80, 0], &[0x80, 0, 0]] {
            assert!(Header::decode(&mut Reader::new(bytes)).is_err());
        }
    }
}

//! What a gateway tells everybody: that it has lost its mappings, or has another outer address.

use super::pcp::{ANNOUNCE, RESPONSE, VERSION, expect};
use super::{MapperDrop, NatPmpResponse, PortMapper, Step};
use crate::candidate::plain;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{DecodeError, Handled, Instant, NoSpace, Reader, Writer};

/// All hosts of a network hear of a restart at once, and shall not all ask at once (RFC 6887 section 14.1.3).
const SPREAD_MILLIS: u32 = 5000;

/// What a gateway with PCP tells everybody when it has started anew (RFC 6887 section 14.1), of 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "these are the fields of the message"
)]
pub struct PcpAnnouncement {
    /// Seconds since it lost its mappings.
    pub epoch_seconds: u32,
}

impl PcpAnnouncement {
    /// Length of the message.
    pub const BYTES: usize = 24;

    /// Reads one. What follows it, options, is passed over.
    ///
    /// # Errors
    /// If it is cut off, of another version or opcode, or tells of an error.
    pub fn read(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        expect(&mut reader, "version", VERSION)?;
        expect(&mut reader, "opcode", RESPONSE | ANNOUNCE)?;
        reader.u8("reserved")?;
        expect(&mut reader, "result", 0)?;
        reader.u32_be("lifetime")?;
        let epoch_seconds = reader.u32_be("epoch")?;
        reader.bytes(12, "reserved")?;
        Ok(Self { epoch_seconds })
    }

    /// Writes it to the front of `buffer`, as a gateway would; the length.
    ///
    /// # Errors
    /// If the buffer is shorter than [`PcpAnnouncement::BYTES`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = Writer::new(buffer);
        writer.bytes(&[VERSION, RESPONSE | ANNOUNCE, 0, 0])?;
        writer.u32_be(0)?;
        writer.u32_be(self.epoch_seconds)?;
        writer.bytes(&[0; 12])?;
        Ok(writer.at())
    }
}

/// A gateway's count of seconds since it lost its mappings, as it was told last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) seconds: u32,
    pub(super) at: Instant,
}

impl Epoch {
    /// Whether `later` may be the same count, with clocks that differ by a sixteenth (RFC 6887 section 8.5).
    fn leads_to(self, later: Self) -> bool {
        let (before, after) = (u64::from(self.seconds), u64::from(later.seconds));
        if after + 1 < before {
            return false;
        }
        let theirs = after.saturating_sub(before);
        let ours = later.at.saturating_since(self.at).as_secs();
        ours + 2 >= theirs - theirs / 16 && theirs + 2 >= ours - ours / 16
    }
}

impl PortMapper {
    /// Where gateways tell of their restarts: to this port of 224.0.0.1 and ff02::1.
    pub const ANNOUNCEMENT_PORT: u16 = 5350;

    /// A datagram came to [`PortMapper::ANNOUNCEMENT_PORT`], on a socket that the caller has for that.
    ///
    /// If the gateway has lost its mappings or has another outer address, the mapping is asked for again within 5 s. A mapper
    /// whose caller does not listen there finds out with the next renewal, at half of the lease. A forged announcement
    /// makes it ask once, and changes nothing else.
    pub fn handle_announcement(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<MapperDrop> {
        self.now = self.now.max(now);
        if plain(from).ip() != plain(self.config.gateway).ip() {
            return Handled::NotMine;
        }
        let (seconds, external) = match (PcpAnnouncement::read(data), NatPmpResponse::read(data)) {
            (Ok(announcement), _) => (announcement.epoch_seconds, None),
            (
                _,
                Ok(NatPmpResponse::Address {
                    epoch_seconds,
                    external,
                }),
            ) => (epoch_seconds, Some(external)),
            _ => return Handled::Dropped(MapperDrop::Unexpected),
        };
        let (Some((held, _)), Step::Rest(until)) = (self.mapped, self.step) else {
            return Handled::Consumed;
        };
        let at = self.now;
        let same = self
            .epoch
            .is_none_or(|known| known.leads_to(Epoch { seconds, at }));
        if !same || external.is_some_and(|external| held.ip() != external) {
            let pause = Duration::from_millis(self.rng.below(SPREAD_MILLIS).into());
            self.step = Step::Rest(until.min(at + pause));
        }
        Handled::Consumed
    }
}

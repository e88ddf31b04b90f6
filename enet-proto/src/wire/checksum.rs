//! The optional CRC-32 over a datagram.

use super::ConnectId;

/// The checksum of a datagram: CRC-32 (zlib's) over the header, `seed` in place of the checksum, and the commands.
///
/// The seed is the connect ID once the sender knows the receiver's number for it, else four zero bytes.
#[must_use]
pub fn checksum(header: &[u8], seed: ConnectId, commands: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(&seed.0);
    hasher.update(commands);
    hasher.finalize()
}

//! SIMPLIFY_PATH and CONFIRM_PATH: numbers for node paths (spec: path cache).

use super::{Command, PacketError, PacketErrorKind, cstring};
use alloc::vec::Vec;
use core::fmt;
use md5::{Digest as _, Md5};
use proto_core::Reader;

/// The MD5 of a node's RPC method names in the order of their ids.
///
/// Both ends compute it and compare: different lists would give methods different numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 16]);

impl Checksum {
    /// The checksum of `names`, concatenated in this order.
    #[must_use]
    pub fn of_names<I>(names: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut md5 = Md5::new();
        for name in names {
            md5.update(name.as_ref());
        }
        Self(md5.finalize().into())
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn from_hex(hex: &[u8; 32]) -> Option<Self> {
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = (digit(*high)? << 4) | digit(*low)?;
        }
        Some(Self(bytes))
    }

    fn hex(self) -> [u8; 32] {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            let digits = [byte >> 4, byte & 15].map(usize::from);
            for (place, index) in pair.iter_mut().zip(digits) {
                *place = DIGITS.get(index).copied().unwrap_or_default();
            }
        }
        hex
    }
}

/// The value of a lower-case hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// SIMPLIFY_PATH: "from now on I call this node by this number".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimplifyPath<'a> {
    /// Of the sender's RPC method names of that node.
    pub checksum: Checksum,
    /// In the sender's space of numbers.
    pub id: u32,
    /// Relative to the multiplayer root; `.` is the root itself.
    pub path: &'a str,
}

impl<'a> SimplifyPath<'a> {
    /// A packet of these fields.
    #[must_use]
    pub const fn new(checksum: Checksum, id: u32, path: &'a str) -> Self {
        Self { checksum, id, path }
    }

    /// Decodes a whole packet of this command. The zero byte after the path may be missing, as Godot allows.
    ///
    /// # Errors
    /// Truncated (below 38 bytes), a malformed checksum, or a path that is not UTF-8.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let hex = reader.array::<32>("checksum")?;
        let terminator = reader.u8("checksum end")?;
        let id = reader.u32_le("id")?;
        let (Some(checksum), 0) = (Checksum::from_hex(&hex), terminator) else {
            return Err(PacketError::new(1, PacketErrorKind::BadChecksum));
        };
        let path = cstring(reader.rest(), reader.at())?;
        Ok(Self { checksum, id, path })
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::SimplifyPath.byte());
        out.extend_from_slice(&self.checksum.hex());
        out.push(0);
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(self.path.as_bytes());
        out.push(0);
    }
}

/// Which form of CONFIRM_PATH a peer speaks; the engine changed it without a version number on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "two forms were ever released")]
pub enum ConfirmFormat {
    /// Godot 4.3 and later: the number.
    #[default]
    Id,
    /// Godot 4.0 to 4.2: the path.
    Path,
}

/// What a CONFIRM_PATH confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two forms were ever released")]
pub enum Confirmed<'a> {
    /// A number of the receiver's space.
    Id(u32),
    /// A path of the receiver.
    Path(&'a str),
}

/// CONFIRM_PATH: "I know that node".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfirmPath<'a> {
    /// Whether the method lists agree.
    pub valid: bool,
    /// Which announcement it answers.
    pub confirmed: Confirmed<'a>,
}

impl<'a> ConfirmPath<'a> {
    /// A packet of these fields.
    #[must_use]
    pub const fn new(valid: bool, confirmed: Confirmed<'a>) -> Self {
        Self { valid, confirmed }
    }

    /// Decodes a whole packet of this command in the given form.
    ///
    /// # Errors
    /// Truncated; trailing bytes (id form is exactly 6 bytes); a path that is not UTF-8.
    pub fn decode(bytes: &'a [u8], format: ConfirmFormat) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let valid = reader.u8("valid")? != 0;
        let confirmed = match format {
            ConfirmFormat::Id => {
                let id = reader.u32_le("id")?;
                reader.finish()?;
                Confirmed::Id(id)
            }
            ConfirmFormat::Path => Confirmed::Path(cstring(reader.rest(), reader.at())?),
        };
        Ok(Self { valid, confirmed })
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::ConfirmPath.byte());
        out.push(u8::from(self.valid));
        match self.confirmed {
            Confirmed::Id(id) => out.extend_from_slice(&id.to_le_bytes()),
            Confirmed::Path(path) => {
                out.extend_from_slice(path.as_bytes());
                out.push(0);
            }
        }
    }
}

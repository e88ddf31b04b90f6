//! SPAWN and DESPAWN (spec: MultiplayerSpawner packets).

use super::{Command, PacketError, PacketErrorKind};
use alloc::vec::Vec;
use proto_core::Reader;

/// The characters that Godot keeps out of node names. `@` is not among them here: names that the engine makes up carry it.
const RESERVED: [char; 5] = ['.', ':', '/', '"', '%'];

/// SPAWN: a node appears under a spawner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spawn<'a> {
    /// Index in the spawner's list of scenes; 255 is the spawn function.
    pub scene: u8,
    /// Path cache id of the spawner, in the sender's space.
    pub spawner: u32,
    /// The node's network id, in the sender's space.
    pub net_id: u32,
    /// Network ids of the synchronizers whose state follows.
    pub synchronizers: SynchronizerIds<'a>,
    /// Name of the node.
    pub name: &'a str,
    /// The encoded argument of the spawn function, for scene 255 only.
    pub argument: Option<&'a [u8]>,
    /// The encoded spawn state of the synchronizers, one after the other.
    pub state: &'a [u8],
}

/// The list of synchronizer ids of a [`Spawn`], still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynchronizerIds<'a>(&'a [[u8; 4]]);

impl<'a> SynchronizerIds<'a> {
    /// The list of these numbers, each encoded.
    #[must_use]
    pub const fn of(ids: &'a [[u8; 4]]) -> Self {
        Self(ids)
    }
}

impl SynchronizerIds<'_> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        self.0.iter().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

impl<'a> Spawn<'a> {
    /// The scene number that stands for the spawn function.
    pub const CUSTOM: u8 = 255;

    /// Decodes a whole packet of this command.
    ///
    /// # Errors
    /// Truncated; lengths beyond the packet; a name that is empty, not UTF-8 or holds reserved characters.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let scene = reader.u8("scene")?;
        let spawner = reader.u32_le("spawner")?;
        let net_id = reader.u32_le("net id")?;
        let count = reader.u32_le("synchronizer count")?;
        let name_length = reader.u32_le("name length")?;
        let ids = take(&mut reader, u64::from(count).saturating_mul(4))?;
        let name_at = reader.at();
        let name = take(&mut reader, u64::from(name_length))?;
        let name =
            decode_name(name).ok_or_else(|| PacketError::new(name_at, PacketErrorKind::BadName))?;
        let argument = if scene == Self::CUSTOM {
            let size = reader.u32_le("argument size")?;
            Some(take(&mut reader, u64::from(size))?)
        } else {
            None
        };
        Ok(Self {
            scene,
            spawner,
            net_id,
            synchronizers: SynchronizerIds(ids.as_chunks().0),
            name,
            argument,
            state: reader.rest(),
        })
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[Command::Spawn.byte(), self.scene]);
        out.extend_from_slice(&self.spawner.to_le_bytes());
        out.extend_from_slice(&self.net_id.to_le_bytes());
        out.extend_from_slice(&length(self.synchronizers.len()));
        out.extend_from_slice(&length(self.name.len().saturating_add(1)));
        out.extend_from_slice(self.synchronizers.0.as_flattened());
        out.extend_from_slice(self.name.as_bytes());
        out.push(0);
        if let Some(argument) = self.argument {
            out.extend_from_slice(&length(argument.len()));
            out.extend_from_slice(argument);
        }
        out.extend_from_slice(self.state);
    }
}

/// The next `count` bytes, where a count beyond the packet is a bad length and not a truncation.
fn take<'a>(reader: &mut Reader<'a>, count: u64) -> Result<&'a [u8], PacketError> {
    let at = reader.at();
    usize::try_from(count)
        .ok()
        .and_then(|count| reader.bytes(count, "length").ok())
        .ok_or_else(|| PacketError::new(at, PacketErrorKind::BadLength))
}

/// A name with or without its zero byte.
fn decode_name(bytes: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).ok()?;
    let allowed = !name.is_empty() && !name.contains(RESERVED) && !name.contains('\0');
    allowed.then_some(name)
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// DESPAWN: a spawned node is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Despawn {
    /// The node's network id, in the sender's space.
    pub net_id: u32,
}

impl Despawn {
    /// A packet of this field.
    #[must_use]
    pub const fn new(net_id: u32) -> Self {
        Self { net_id }
    }

    /// Decodes a whole packet of this command; bytes after the id are ignored, as Godot does.
    ///
    /// # Errors
    /// Truncated.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let net_id = reader.u32_le("net id")?;
        Ok(Self { net_id })
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::Despawn.byte());
        out.extend_from_slice(&self.net_id.to_le_bytes());
    }
}

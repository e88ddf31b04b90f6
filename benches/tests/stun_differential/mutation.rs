//! Damage to a message.

use proptest::prelude::*;

/// One change to the bytes of a message.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// Another value for a byte, by its position modulo the length.
    Set(u16, u8),
    /// The first of this many bytes stay.
    Cut(u16),
    /// Bytes behind.
    Append(Vec<u8>),
    /// An attribute before the one of this number, with its length in the header.
    Insert(u8, u16, Vec<u8>),
    /// The length of the attribute of this number grows or shrinks.
    Stretch(u8, i8),
    /// The length in the header says what is there.
    MendLength,
    /// The last eight bytes are a right FINGERPRINT.
    MendFingerprint,
}

/// A few of them.
pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let kinds = prop_oneof![
        prop::sample::select(vec![
            0x0001_u16, 0x0006, 0x0008, 0x0009, 0x000a, 0x0014, 0x0015, 0x001c
        ]),
        prop::sample::select(vec![
            0x0020_u16, 0x8020, 0x8022, 0x8023, 0x8028, 0x001e, 0x0024, 0x0025
        ]),
        any::<u16>(),
    ];
    let values = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![0_usize, 4, 8, 20, 32]).prop_map(|length| vec![1; length]),
        // Around the limits of texts.
        prop::sample::select(vec![508_usize, 509, 512, 513, 514, 763, 764])
            .prop_map(|length| vec![b'a'; length]),
    ];
    let one = prop_oneof![
        4 => any::<(u16, u8)>().prop_map(|(at, value)| Mutation::Set(at, value)),
        1 => any::<u16>().prop_map(Mutation::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Mutation::Append),
        3 => (any::<u8>(), kinds, values).prop_map(|(at, kind, value)| Mutation::Insert(at, kind, value)),
        2 => any::<(u8, i8)>().prop_map(|(at, by)| Mutation::Stretch(at, by % 9)),
        1 => Just(Mutation::MendLength),
        2 => Just(Mutation::MendFingerprint),
    ];
    prop::collection::vec(one, 1..4)
}

/// Where the attributes begin, and the end.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut at = 20;
    let mut found = vec![at];
    while let Some([_, _, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        at += 4 + usize::from(u16::from_be_bytes([*high, *low])).next_multiple_of(4);
        if at > bytes.len() {
            break;
        }
        found.push(at);
    }
    found
}

fn set_length(bytes: &mut [u8]) {
    let length = u16::try_from(bytes.len().saturating_sub(20)).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

impl Mutation {
    /// Changes the bytes; nothing if there is no place for the change.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Set(at, value) if !bytes.is_empty() => {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *value;
            }
            Self::Set(..) => {}
            Self::Cut(length) => bytes.truncate(usize::from(*length) % (bytes.len() + 1)),
            Self::Append(more) => bytes.extend(more),
            Self::Insert(at, kind, value) if bytes.len() >= 20 => {
                let places = boundaries(bytes);
                let place = places[usize::from(*at) % places.len()];
                let length = u16::try_from(value.len()).expect("it is short");
                let mut attribute = [kind.to_be_bytes(), length.to_be_bytes()].concat();
                attribute.extend(value);
                attribute.resize(attribute.len().next_multiple_of(4), 0);
                bytes.splice(place..place, attribute);
                set_length(bytes);
            }
            Self::Insert(..) => {}
            Self::Stretch(at, by) => {
                let places = boundaries(bytes);
                let place = places[usize::from(*at) % places.len()];
                if let Some(field) = bytes.get_mut(place + 2..place + 4) {
                    let length = u16::from_be_bytes([field[0], field[1]]);
                    let length = length.saturating_add_signed((*by).into());
                    field.copy_from_slice(&length.to_be_bytes());
                }
            }
            Self::MendLength => set_length(bytes),
            Self::MendFingerprint => {
                let Some(end) = bytes.len().checked_sub(8).filter(|end| *end >= 20) else {
                    return;
                };
                bytes[end..end + 4].copy_from_slice(&[0x80, 0x28, 0, 4]);
                let value = crc32fast::hash(&bytes[..end]) ^ 0x5354_554e;
                bytes[end + 4..].copy_from_slice(&value.to_be_bytes());
            }
        }
    }
}

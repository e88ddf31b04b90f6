//! Messages in no crate's words, and what ours writes and reads.

use super::Reading;
use proptest::prelude::*;
use std::collections::BTreeMap;
use stun_proto::attribute::AttributeType;
use stun_proto::{
    BuildError, Class, Integrity, Key, Message, MessageWriter, Method, ParseError, TransactionId,
};

/// The password of every message.
pub(crate) const PASSWORD: &str = "correct horse";

const CLASSES: [Class; 4] = [
    Class::Request,
    Class::Indication,
    Class::Success,
    Class::Error,
];

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    /// In the order of the wire: request, indication, success, error.
    pub(crate) class: u8,
    pub(crate) method: u16,
    pub(crate) id: [u8; 12],
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
    pub(crate) sha1: bool,
    pub(crate) sha256: bool,
    pub(crate) fingerprint: bool,
}

fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![Just("a"), Just("Z9"), Just("é"), Just("マ"), Just(" ")];
    prop::collection::vec(part, 0..most).prop_map(|parts| parts.concat().into_bytes())
}

fn address() -> impl Strategy<Value = Vec<u8>> {
    let v4 = any::<[u8; 6]>().prop_map(|rest| [&[0, 1], &rest[..]].concat());
    let v6 = any::<([u8; 2], [u8; 16])>().prop_map(|(port, ip)| [&[0, 2], &port[..], &ip].concat());
    prop_oneof![v4, v6]
}

/// An attribute with a value as its RFC has it.
fn known() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let error = (3_u8..=5, 0_u8..100, text(8))
        .prop_map(|(class, number, reason)| [&[0, 0, class, number], &reason[..]].concat());
    let numbers = prop::collection::vec(any::<u16>(), 0..6)
        .prop_map(|numbers| numbers.into_iter().flat_map(u16::to_be_bytes).collect());
    let addresses = prop::sample::select(vec![0x0001, 0x0020, 0x8023]);
    let texts = prop::sample::select(vec![0x0006, 0x0014, 0x0015, 0x8022]);
    prop_oneof![
        (addresses, address()),
        (texts, text(12)),
        (Just(0x0009), error),
        (Just(0x000a), numbers),
        (
            Just(0x001e),
            any::<[u8; 32]>().prop_map(|hash| hash.to_vec())
        ),
        (
            Just(0x0024),
            any::<[u8; 4]>().prop_map(|priority| priority.to_vec())
        ),
        (
            Just(0x802a),
            any::<[u8; 8]>().prop_map(|number| number.to_vec())
        ),
        (Just(0x0025), Just(Vec::new())),
    ]
}

/// One that no crate knows.
fn unknown() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let kinds = prop_oneof![0x0031_u16..0x0100, 0xC100_u16..=0xFFFF];
    (kinds, prop::collection::vec(any::<u8>(), 0..20))
}

/// A good message.
pub(crate) fn plain(without_sha256: bool, small_methods: bool) -> impl Strategy<Value = Plain> {
    let attributes = prop::collection::vec(prop_oneof![3 => known(), 1 => unknown()], 0..6);
    let method = prop_oneof![4 => Just(1_u16), 1 => 1_u16..0x1000];
    (
        0_u8..4,
        method,
        any::<[u8; 12]>(),
        attributes,
        any::<[bool; 3]>(),
    )
        .prop_map(
            move |(class, method, id, attributes, [sha1, sha256, fingerprint])| Plain {
                class,
                method: if small_methods { method % 16 } else { method },
                id,
                attributes,
                sha1,
                sha256: sha256 && !without_sha256,
                fingerprint,
            },
        )
}

/// Lets ours write it.
pub(crate) fn write(message: &Plain) -> Vec<u8> {
    let mut buffer = [0; 2048];
    written(message, &mut buffer).expect("it fits").to_vec()
}

fn written<'b>(message: &Plain, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
    let key: Key = Key::short_term(PASSWORD);
    let class = CLASSES[usize::from(message.class)];
    let method = Method::new(message.method).expect("12 bits");
    let mut writer = MessageWriter::new(buffer, class, method, TransactionId::new(message.id));
    for (kind, value) in &message.attributes {
        writer = writer.raw(AttributeType::new(*kind), value);
    }
    let writer = match (message.sha1, message.sha256) {
        (true, true) => writer.integrity(&key).integrity_sha256(&key),
        (true, false) => writer.integrity_as(Integrity::Sha1, &key),
        (false, true) => writer.integrity_sha256(&key),
        (false, false) => writer.unsigned(),
    };
    if message.fingerprint {
        writer.fingerprint().finish()
    } else {
        writer.finish()
    }
}

/// Whether a number ends the plain attributes of a message.
pub(crate) const fn is_protection(kind: u16) -> bool {
    matches!(kind, 0x0008 | 0x001c | 0x8028)
}

/// What ours makes of bytes, or why it refuses them, in the words of the document.
pub(crate) fn ours_read(bytes: &[u8]) -> Result<Reading, &'static str> {
    let message = Message::parse(bytes).map_err(|error| match error {
        ParseError::NotStun | ParseError::ChannelData => "what does not begin like STUN",
        ParseError::UnalignedLength(_) => "a length that is no multiple of four",
        ParseError::WrongLength { announced, have } if announced < have => {
            "bytes behind the message"
        }
        ParseError::WrongLength { .. } => "a message that is cut",
        ParseError::Truncated(_) => "an attribute that is cut",
        ParseError::AfterFingerprint => "an attribute after FINGERPRINT",
        ParseError::FingerprintLength => "a FINGERPRINT of another length",
        ParseError::WrongFingerprint => "a wrong FINGERPRINT",
        _ => "what ours refuses for another reason",
    })?;
    let class = CLASSES.iter().position(|class| *class == message.class());
    let id = *message.transaction_id().as_bytes();
    let plain = message.attributes();
    let plain: Vec<_> = plain
        .filter(|raw| !is_protection(raw.kind.number()))
        .collect();
    let mut values = BTreeMap::new();
    for raw in &plain {
        let first = message
            .raw(raw.kind)
            .is_some_and(|value| core::ptr::eq(value, raw.value));
        if first {
            values.insert(raw.kind.number(), is_legal(raw.kind, raw.value, id));
        }
    }
    let key: Key = Key::short_term(PASSWORD);
    Ok(Reading {
        header: (
            class.expect("one of four") as u8,
            message.method().number(),
            id,
        ),
        attributes: plain
            .iter()
            .map(|raw| (raw.kind.number(), raw.value.to_vec()))
            .collect(),
        values,
        verified: message
            .has_integrity()
            .then(|| message.verify(&key).is_ok()),
    })
}

/// The judgement of ours about one value, in a message of its own.
fn is_legal(kind: AttributeType, value: &[u8], id: [u8; 12]) -> bool {
    let mut buffer = vec![0; 70_000];
    let bytes = MessageWriter::new(
        &mut buffer,
        Class::Success,
        Method::BINDING,
        TransactionId::new(id),
    )
    .raw(kind, value)
    .finish()
    .expect("it fits");
    Message::parse(bytes).is_ok_and(|message| message.check_attributes().is_ok())
}

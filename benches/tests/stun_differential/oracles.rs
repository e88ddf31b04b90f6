//! The other crates.

use super::{PASSWORD, Plain, Reading};
use crate::messages::is_protection;
use bytecodec::{DecodeExt, EncodeExt};
use core::fmt::Debug;
use std::collections::BTreeMap;

/// One crate as a reader and a writer.
pub(crate) trait Oracle {
    const NAME: &'static str;
    /// It does not know MESSAGE-INTEGRITY-SHA256.
    const NOT_SHA256: bool;
    /// It writes methods of more than four bits wrong.
    const SMALL_METHODS: bool = false;
    /// It reads all values that it knows at once, and refuses the message if one is not legal.
    const READS_VALUES: bool = false;

    /// What it makes of bytes when it is used as its documentation says, or why it refuses them.
    fn read(bytes: &[u8]) -> Result<Reading, String>;

    fn write(message: &Plain) -> Vec<u8>;
}

/// The first of each number.
fn firsts(attributes: &[(u16, Vec<u8>)]) -> BTreeMap<u16, &[u8]> {
    let mut firsts = BTreeMap::new();
    for (kind, value) in attributes {
        firsts.entry(*kind).or_insert(&value[..]);
    }
    firsts
}

/// The beginning of an error, without what it says about the input.
fn short(error: impl Debug) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '(', '{', ':']).unwrap_or(text.len());
    text[..end].to_owned()
}

pub(crate) struct StunTypes;

impl StunTypes {
    fn key() -> stun_types::message::IntegrityKey {
        stun_types::message::ShortTermCredentials::new(PASSWORD.to_owned()).make_key()
    }
}

impl Oracle for StunTypes {
    const NAME: &'static str = "stun-types";
    const NOT_SHA256: bool = false;

    fn read(bytes: &[u8]) -> Result<Reading, String> {
        use stun_types::attribute::*;
        let message = stun_types::message::Message::from_bytes(bytes).map_err(short)?;
        let all: Vec<_> = message
            .iter_attributes()
            .map(|(_, raw)| (raw.get_type().value(), raw.value.to_vec()))
            .collect();
        let (ends, attributes): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(kind, _)| is_protection(*kind));
        let mut values = BTreeMap::new();
        for (kind, _) in firsts(&attributes) {
            let legal = match kind {
                0x0006 => message.attribute::<Username>().is_ok(),
                0x0009 => message.attribute::<ErrorCode>().is_ok(),
                0x000a => message.attribute::<UnknownAttributes>().is_ok(),
                0x0014 => message.attribute::<Realm>().is_ok(),
                0x0015 => message.attribute::<Nonce>().is_ok(),
                0x001e => message.attribute::<Userhash>().is_ok(),
                0x0020 => message.attribute::<XorMappedAddress>().is_ok(),
                0x8022 => message.attribute::<Software>().is_ok(),
                0x8023 => message.attribute::<AlternateServer>().is_ok(),
                _ => continue,
            };
            values.insert(kind, legal);
        }
        let has_integrity = ends.iter().any(|(kind, _)| *kind != 0x8028);
        let verify = || message.validate_integrity_with_key(&Self::key()).is_ok();
        let id = u128::from(message.transaction_id()).to_be_bytes();
        Ok(Reading {
            header: (
                match message.class() {
                    stun_types::message::MessageClass::Request => 0,
                    stun_types::message::MessageClass::Indication => 1,
                    stun_types::message::MessageClass::Success => 2,
                    stun_types::message::MessageClass::Error => 3,
                },
                message.method().value(),
                id[4..].try_into().expect("12 bytes"),
            ),
            attributes,
            values,
            verified: has_integrity.then(verify),
        })
    }

    fn write(message: &Plain) -> Vec<u8> {
        use stun_types::attribute::{AttributeType, RawAttribute};
        use stun_types::message::*;
        let class = [
            MessageClass::Request,
            MessageClass::Indication,
            MessageClass::Success,
            MessageClass::Error,
        ][usize::from(message.class)];
        let kind = MessageType::from_class_method(class, Method::new(message.method));
        let mut id = [0; 16];
        id[4..].copy_from_slice(&message.id);
        let id = TransactionId::from(u128::from_be_bytes(id));
        let mut writer = Message::builder(kind, id, MessageWriteVec::new());
        for (kind, value) in &message.attributes {
            let raw = RawAttribute::new(AttributeType::new(*kind), value);
            writer.add_attribute(&raw).expect("it can be added");
        }
        for (wanted, algorithm) in [
            (message.sha1, IntegrityAlgorithm::Sha1),
            (message.sha256, IntegrityAlgorithm::Sha256),
        ] {
            if wanted {
                let added = writer.add_message_integrity_with_key(&Self::key(), algorithm);
                added.expect("it can be added");
            }
        }
        if message.fingerprint {
            writer.add_fingerprint().expect("it can be added");
        }
        writer.finish()
    }
}

pub(crate) struct StunCodec;

mod codec_attributes {
    use stun_codec::rfc5389::attributes::{Fingerprint, MessageIntegrity};
    stun_codec::define_attribute_enums!(
        Raw,
        RawDecoder,
        RawEncoder,
        [MessageIntegrity, Fingerprint]
    );
}
use codec_attributes::Raw;

/// The numbers that `stun_codec::rfc5389` knows.
const KNOWN: [u16; 9] = [
    0x0001, 0x0006, 0x0009, 0x000a, 0x0014, 0x0015, 0x0020, 0x8022, 0x8023,
];

impl Oracle for StunCodec {
    const NAME: &'static str = "stun_codec";
    const NOT_SHA256: bool = true;
    const SMALL_METHODS: bool = true;
    const READS_VALUES: bool = true;

    fn read(bytes: &[u8]) -> Result<Reading, String> {
        use stun_codec::rfc5389::Attribute;
        use stun_codec::rfc5389::attributes::MessageIntegrity;
        use stun_codec::{Attribute as _, MessageClass, MessageDecoder};
        let decoded = MessageDecoder::<Attribute>::new().decode_from_bytes(bytes);
        let decoded = decoded.map_err(|_| "the header")?;
        decoded.map_err(|_| "the attributes")?;
        // Once more, with everything but the ends left as it is.
        let decoded = MessageDecoder::<Raw>::new().decode_from_bytes(bytes);
        let message = decoded.map_err(|_| "the header")?;
        let message = message.map_err(|_| "the attributes")?;
        let attributes = message.unknown_attributes();
        let attributes = attributes.map(|raw| (raw.get_type().as_u16(), raw.value().to_vec()));
        let attributes: Vec<_> = attributes
            .filter(|(kind, _)| !is_protection(*kind))
            .collect();
        let integrity = message.get_attribute::<MessageIntegrity>();
        Ok(Reading {
            header: (
                match message.class() {
                    MessageClass::Request => 0,
                    MessageClass::Indication => 1,
                    MessageClass::SuccessResponse => 2,
                    MessageClass::ErrorResponse => 3,
                },
                message.method().as_u16(),
                *message.transaction_id().as_bytes(),
            ),
            // It has read all values that it knows.
            values: firsts(&attributes)
                .into_keys()
                .filter(|kind| KNOWN.contains(kind))
                .map(|kind| (kind, true))
                .collect(),
            attributes,
            verified: integrity.map(|mac| mac.check_short_term_credential(PASSWORD).is_ok()),
        })
    }

    fn write(message: &Plain) -> Vec<u8> {
        use stun_codec::rfc5389::attributes::{Fingerprint, MessageIntegrity};
        use stun_codec::{Message, MessageClass, MessageEncoder, Method, TransactionId};
        let class = [
            MessageClass::Request,
            MessageClass::Indication,
            MessageClass::SuccessResponse,
            MessageClass::ErrorResponse,
        ][usize::from(message.class)];
        let method = Method::new(message.method).expect("12 bits");
        let mut out =
            Message::<stun_codec::RawAttribute>::new(class, method, TransactionId::new(message.id));
        for (kind, value) in &message.attributes {
            out.add_attribute(raw(*kind, value));
        }
        if message.sha1 {
            let mac = MessageIntegrity::new_short_term_credential(&out, PASSWORD);
            let hmac = mac.expect("it can be made").hmac_sha1();
            out.add_attribute(raw(0x0008, &hmac));
        }
        if message.fingerprint {
            let crc = Fingerprint::new(&out).expect("it can be made").crc32();
            out.add_attribute(raw(0x8028, &crc.to_be_bytes()));
        }
        MessageEncoder::new()
            .encode_into_bytes(out)
            .expect("it can be written")
    }
}

fn raw(kind: u16, value: &[u8]) -> stun_codec::RawAttribute {
    stun_codec::RawAttribute::new(kind.into(), value.to_vec())
}

pub(crate) struct RtcStun;

impl Oracle for RtcStun {
    const NAME: &'static str = "rtc-stun";
    const NOT_SHA256: bool = true;

    fn read(bytes: &[u8]) -> Result<Reading, String> {
        use rtc_stun::attributes::*;
        use rtc_stun::error_code::ErrorCodeAttribute;
        use rtc_stun::fingerprint::FINGERPRINT;
        use rtc_stun::integrity::MessageIntegrity;
        use rtc_stun::message::{Getter, Message};
        use rtc_stun::textattrs::TextAttribute;
        use rtc_stun::uattrs::UnknownAttributes;
        use rtc_stun::xoraddr::XorMappedAddress;
        let mut message = Message::new();
        message.unmarshal_binary(bytes).map_err(short)?;
        if message.contains(ATTR_FINGERPRINT) {
            FINGERPRINT.check(&message).map_err(short)?;
        }
        let raw = message.attributes.0.iter();
        let all: Vec<_> = raw
            .map(|raw| (raw.typ.value(), raw.value.clone()))
            .collect();
        let (ends, attributes): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(kind, _)| is_protection(*kind));
        let mut values = BTreeMap::new();
        for (kind, _) in firsts(&attributes) {
            let text = |kind| TextAttribute::get_from_as(&message, kind).is_ok();
            let legal = match kind {
                0x0006 => text(ATTR_USERNAME),
                0x0009 => ErrorCodeAttribute::default().get_from(&message).is_ok(),
                0x000a => UnknownAttributes(Vec::new()).get_from(&message).is_ok(),
                0x0014 => text(ATTR_REALM),
                0x0015 => text(ATTR_NONCE),
                0x0020 => XorMappedAddress::default().get_from(&message).is_ok(),
                0x8022 => text(ATTR_SOFTWARE),
                _ => continue,
            };
            values.insert(kind, legal);
        }
        let crypto = rtc_crypto::default_provider().expect("ring is compiled in");
        let has_integrity = ends.iter().any(|(kind, _)| *kind == 0x0008);
        let kind = message.typ;
        let class = [
            rtc_stun::message::CLASS_REQUEST,
            rtc_stun::message::CLASS_INDICATION,
            rtc_stun::message::CLASS_SUCCESS_RESPONSE,
            rtc_stun::message::CLASS_ERROR_RESPONSE,
        ]
        .iter()
        .position(|class| *class == kind.class);
        let header = (
            class.expect("one of four") as u8,
            method_of(kind.value()),
            message.transaction_id.0,
        );
        let key = PASSWORD.as_bytes();
        let mut verify = || MessageIntegrity::check(&mut message, key, crypto.crypto()).is_ok();
        Ok(Reading {
            header,
            attributes,
            values,
            verified: has_integrity.then(&mut verify),
        })
    }

    fn write(message: &Plain) -> Vec<u8> {
        use rtc_stun::attributes::AttrType;
        use rtc_stun::fingerprint::FINGERPRINT;
        use rtc_stun::integrity::MessageIntegrity;
        use rtc_stun::message::{Message, MessageType, Setter, TransactionId};
        let mut out = Message::new();
        let mut kind = MessageType::default();
        kind.read_value(type_of(message.class, message.method));
        out.typ = kind;
        out.transaction_id = TransactionId(message.id);
        out.write_header();
        for (kind, value) in &message.attributes {
            out.add(AttrType(*kind), value);
        }
        if message.sha1 {
            let crypto = rtc_crypto::default_provider().expect("ring is compiled in");
            let mac = MessageIntegrity::new_raw_integrity_with_provider(PASSWORD, crypto.crypto());
            mac.add_to(&mut out).expect("it can be added");
        }
        if message.fingerprint {
            FINGERPRINT.add_to(&mut out).expect("it can be added");
        }
        out.raw
    }
}

/// The first 16 bits of a message (RFC 8489 section 5).
fn type_of(class: u8, method: u16) -> u16 {
    let class = u16::from(class);
    (method & 0xF80) << 2
        | (method & 0x70) << 1
        | method & 0xF
        | (class & 2) << 7
        | (class & 1) << 4
}

fn method_of(bits: u16) -> u16 {
    (bits & 0x3E00) >> 2 | (bits & 0xE0) >> 1 | bits & 0xF
}

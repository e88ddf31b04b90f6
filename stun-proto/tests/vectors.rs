//! The recorded messages: published ones, ones made for this test, and malformed ones, with the verdict of each.

extern crate alloc;

use serde_json::Value;
use stun_proto::attribute::*;
use stun_proto::crypto::RustCrypto;
use stun_proto::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/stun.json")).expect("the vectors are JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn hex(digits: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn number(text: &str) -> u16 {
    u16::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hex number")
}

fn class(name: &str) -> Class {
    match name {
        "request" => Class::Request,
        "indication" => Class::Indication,
        "success" => Class::Success,
        "error" => Class::Error,
        _ => panic!("class {name}"),
    }
}

fn key(case: &Value) -> Option<Key> {
    let digits = case["credential"]["key_hex"].as_str()?;
    Some(Key::from_bytes(&hex(digits)))
}

/// Checks everything that a vector says about a good message.
fn check_good(case: &Value) {
    let (id, bytes) = (text(case, "id"), hex(text(case, "hex")));
    let message = Message::parse(&bytes).unwrap_or_else(|error| panic!("{id}: {error}"));
    let expect = &case["expect"];
    assert_eq!(message.class(), class(text(expect, "class")), "{id}");
    assert_eq!(message.method().number(), number(text(expect, "method")));
    assert_eq!(
        message.transaction_id().to_string(),
        text(expect, "transaction_id")
    );
    assert_eq!(message.check_attributes(), Ok(()), "{id}");
    let found: Vec<_> = message
        .attributes()
        .map(|raw| (raw.kind.number(), raw.value.to_vec()))
        .collect();
    let expected: Vec<_> = list(&expect["attributes"])
        .iter()
        .map(|attribute| {
            (
                number(text(attribute, "type")),
                hex(text(attribute, "value_hex")),
            )
        })
        .collect();
    assert_eq!(found, expected, "{id}");
    for (attribute, raw) in list(&expect["attributes"]).iter().zip(message.attributes()) {
        if let Some(name) = raw.kind.name() {
            assert_eq!(name, text(attribute, "name"), "{id}");
        }
        if let Some(address) = attribute["address"].as_str() {
            assert_eq!(address_of(&message, raw), address, "{id}");
        }
        if let Some(expected) = attribute["text"].as_str() {
            assert_eq!(core::str::from_utf8(raw.value), Ok(expected), "{id}");
        }
    }
    check_macs(id, case, &message);
}

/// The address in an attribute, as text with the octets of IPv6 addresses in hex groups.
fn address_of(message: &Message<'_>, raw: RawAttribute<'_>) -> String {
    macro_rules! address {
        ($($type:ident),+) => {
            match raw.kind {
                $($type::TYPE => $type::decode(raw.value, &message.transaction_id()).expect("an address").0,)+
                other => panic!("{other} holds no address"),
            }
        };
    }
    let address = address!(
        MappedAddress,
        XorMappedAddress,
        XorPeerAddress,
        XorRelayedAddress,
        AlternateServer
    );
    // The standard library shows mapped addresses with dots, the vectors do not.
    match address {
        core::net::SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            let [.., a, b] = v6.ip().segments();
            format!("[::ffff:{a:x}:{b:x}]:{}", v6.port())
        }
        address => address.to_string(),
    }
}

fn check_macs(id: &str, case: &Value, message: &Message<'_>) {
    let checks = case["checks"].as_object().expect("checks");
    assert_eq!(
        message.has_fingerprint(),
        checks.contains_key("FINGERPRINT"),
        "{id}"
    );
    let kinds = [
        ("MESSAGE-INTEGRITY", Integrity::Sha1),
        ("MESSAGE-INTEGRITY-SHA256", Integrity::Sha256),
    ];
    for (name, kind) in kinds {
        assert_eq!(
            message.has_integrity_of(kind),
            checks.contains_key(name),
            "{id}"
        );
        if !checks.contains_key(name) {
            continue;
        }
        let key = key(case).expect("a protected message has a key");
        let length = message
            .attributes()
            .find(|raw| raw.kind.name() == Some(name))
            .map(|raw| raw.value.len());
        if kind == Integrity::Sha256 && length != Some(32) {
            assert_eq!(message.verify(&key), Err(IntegrityError::Length), "{id}");
            assert_eq!(message.verify_truncated(16, &key), Ok(()), "{id}");
        } else {
            assert_eq!(message.verify_as(kind, &key), Ok(()), "{id}");
        }
        let wrong = Key::short_term("something else");
        assert!(message.verify(&wrong).is_err(), "{id}");
        assert!(message.verify_truncated(16, &wrong).is_err(), "{id}");
    }
}

// req: S-1, S-2, S-4, S-30, S-31, S-32, S-33, S-34, S-35, S-36, S-37, S-38, S-39, S-40, S-42, HS-1, HS-2
#[test]
fn every_good_message_parses_and_verifies() {
    let vectors = vectors();
    for list_name in ["published", "derived"] {
        list(&vectors[list_name]).iter().for_each(check_good);
    }
}

#[test]
fn every_class_and_method_has_its_number() {
    for case in list(&vectors()["message_types"]) {
        let method = Method::new(number(text(case, "method"))).expect("12 bits");
        let mut buffer = [0; 20];
        let id = TransactionId::new([0; 12]);
        let bytes = MessageWriter::new(&mut buffer, class(text(case, "class")), method, id)
            .finish()
            .expect("it fits");
        assert_eq!(bytes[..2], number(text(case, "type")).to_be_bytes());
    }
}

/// Writes the same attributes and MACs again.
fn rebuild<'b>(buffer: &'b mut [u8], message: &Message<'_>, key: Option<&Key>) -> &'b [u8] {
    let id = message.transaction_id();
    let mut writer = MessageWriter::new(buffer, message.class(), message.method(), id).limit(9999);
    for raw in message.attributes() {
        let protection = [
            AttributeType::MESSAGE_INTEGRITY,
            AttributeType::MESSAGE_INTEGRITY_SHA256,
            AttributeType::FINGERPRINT,
        ];
        if !protection.contains(&raw.kind) {
            writer = writer.raw(raw.kind, raw.value);
        }
    }
    let (sha1, sha256) = (
        message.has_integrity_of(Integrity::Sha1),
        message.has_integrity_of(Integrity::Sha256),
    );
    let built = match (key, sha1, sha256, message.has_fingerprint()) {
        (Some(key), true, true, true) => writer
            .integrity(key)
            .integrity_sha256(key)
            .fingerprint()
            .finish(),
        (Some(key), true, false, true) => writer.integrity(key).fingerprint().finish(),
        (Some(key), true, false, false) => writer.integrity(key).finish(),
        (Some(key), false, true, true) => writer.integrity_sha256(key).fingerprint().finish(),
        (Some(key), false, true, false) => writer.integrity_sha256(key).finish(),
        (_, false, false, true) => writer.fingerprint().finish(),
        (_, false, false, false) => writer.finish(),
        _ => panic!("a combination that no vector has"),
    };
    built.expect("it fits")
}

// req: S-9, HS-4
#[test]
fn decoded_messages_encode_to_the_same_bytes() {
    let vectors = vectors();
    let mut buffer = [0xAA; 2048];
    for case in list(&vectors["published"])
        .iter()
        .chain(list(&vectors["derived"]))
    {
        let (id, bytes) = (text(case, "id"), hex(text(case, "hex")));
        let message = Message::parse(&bytes).expect("it is good");
        // Truncated MACs and padding that is not zero are read and never written.
        if id.contains("truncated")
            || id.contains("padding")
            || id.starts_with("rfc5769-2.") && !id.contains("long-term")
        {
            continue;
        }
        assert_eq!(
            rebuild(&mut buffer, &message, key(case).as_ref()),
            bytes,
            "{id}"
        );
    }
}

// req: S-4, HS-4
#[test]
fn padding_is_written_as_zero_whatever_lay_in_the_buffer() {
    let vectors = vectors();
    let case = list(&vectors["published"])
        .iter()
        .find(|case| text(case, "id") == "rfc5769-2.1-request")
        .expect("it is there");
    let bytes = hex(text(case, "hex"));
    let message = Message::parse(&bytes).expect("it is good");
    let mut buffer = [0xAA; 200];
    let built = rebuild(&mut buffer, &message, key(case).as_ref()).to_vec();
    assert_eq!(built.len(), bytes.len());
    let again = Message::parse(&built).expect("it is good");
    assert_eq!(
        again.verify(&key(case).expect("a key")),
        Ok(Integrity::Sha1)
    );
    // USERNAME ends at byte 73 and its padding at 76.
    assert_eq!(
        (&bytes[73..76], &built[73..76]),
        (&b"   "[..], &[0, 0, 0][..])
    );
}

#[test]
fn the_sample_of_the_rfc_as_printed_is_refused() {
    for case in list(&vectors()["published_wrong"]) {
        let bytes = hex(text(case, "hex"));
        assert!(matches!(
            Message::parse(&bytes),
            Err(ParseError::WrongLength { .. })
        ));
    }
}

/// The verdict of the vectors for a datagram.
fn verdict(bytes: &[u8]) -> &'static str {
    match Message::parse(bytes) {
        Ok(message) if message.check_attributes().is_ok() => "ok",
        Ok(_) => "bad-attribute",
        Err(ParseError::NotStun) => "not-stun",
        Err(ParseError::ChannelData) => "channel-data-range",
        Err(ParseError::WrongFingerprint) => "bad-fingerprint",
        Err(_) => "malformed",
    }
}

/// The same for the beginning of a stream.
fn stream_verdict(bytes: &[u8]) -> &'static str {
    let mut framer = Framer::new(Framing::Stun);
    let framed = framer.handle_bytes(proto_core::Instant::ZERO, bytes);
    match framed.map(|framed| framed.frame) {
        Ok(None) => "incomplete",
        Ok(Some(frame)) => verdict(frame.as_bytes()),
        Err(FrameError::BadFraming(64..=79)) => "channel-data-range",
        Err(FrameError::BadFraming(_)) => "not-stun",
        Err(_) => "malformed",
    }
}

// req: S-7, S-10, S-11, S-12, S-16, S-29, HS-1, HS-2, HS-3
#[test]
fn every_malformed_message_gets_its_verdict() {
    for case in list(&vectors()["malformed"]) {
        let (id, bytes) = (text(case, "id"), hex(text(case, "hex")));
        let verdict = match text(case, "transport") {
            "stream" => stream_verdict(&bytes),
            _ => verdict(&bytes),
        };
        assert_eq!(verdict, text(case, "codec"), "{id}");
        let Some(integrity) = case["integrity"].as_str() else {
            continue;
        };
        let message = Message::parse(&bytes).expect("it is good");
        let verified = message.verify(&key(case).expect("a key"));
        assert_eq!(verified.is_ok(), integrity == "valid", "{id}");
    }
}

// req: S-27, S-28
#[test]
fn what_follows_an_integrity_does_not_exist() {
    let vectors = vectors();
    let find = |id: &str| {
        let mut cases = list(&vectors["malformed"]).iter();
        let case = cases.find(|case| text(case, "id") == id);
        hex(text(case.expect("it is there"), "hex"))
    };
    let bytes = find("m-attribute-after-mi");
    let message = Message::parse(&bytes).expect("it is good");
    assert_eq!(message.get::<Priority>(), Ok(None));
    assert!(message.attributes().all(|raw| raw.kind != Priority::TYPE));
    let bytes = find("m-mi-after-mi256");
    let message = Message::parse(&bytes).expect("it is good");
    assert!(!message.has_integrity_of(Integrity::Sha1));
}

// req: S-5, S-6, S-15, S-40
#[test]
fn unknown_required_attributes_are_listed_once_and_at_most_sixteen() {
    let vectors = vectors();
    let unknown = |id: &str| {
        let mut cases = list(&vectors["malformed"]).iter();
        let case = cases.find(|case| text(case, "id") == id);
        let bytes = hex(text(case.expect("it is there"), "hex"));
        let message = Message::parse(&bytes).expect("it is good");
        let unknown = message.unknown_required(|kind| kind.name().is_some());
        unknown
            .as_slice()
            .iter()
            .map(|kind| kind.number())
            .collect::<Vec<_>>()
    };
    assert_eq!(unknown("m-unknown-required-request"), [0x31]);
    assert_eq!(unknown("m-unknown-required-duplicate"), [0x31, 0x32]);
    assert_eq!(
        unknown("m-unknown-required-500").len(),
        UnknownAttributes::LIMIT
    );
}

// req: S-77
#[test]
fn every_first_byte_belongs_to_the_protocol_of_the_table() {
    for case in list(&vectors()["demultiplexing"]) {
        let [from, to] = list(&case["first_byte"]) else {
            panic!("a range")
        };
        let bounds =
            [from, to].map(|at| u8::try_from(at.as_u64().expect("a byte")).expect("a byte"));
        for first in bounds[0]..=bounds[1] {
            let name = |sender| match classify(first, sender) {
                Protocol::Stun => "STUN",
                Protocol::Zrtp => "ZRTP",
                Protocol::Dtls => "DTLS",
                Protocol::ChannelData => "TURN",
                Protocol::Quic => "QUIC",
                Protocol::Rtp => "RTP",
                Protocol::Unassigned => "drop",
                other => panic!("{other:?}"),
            };
            assert!(
                text(case, "protocol").starts_with(name(Sender::TurnServer)),
                "{first}"
            );
            assert!(
                text(case, "protocol").contains(name(Sender::Other)),
                "{first}"
            );
        }
    }
}

// req: S-73, HS-16
#[test]
fn every_message_of_a_channel_gets_its_verdict() {
    for case in list(&vectors()["channel_data"]) {
        let (id, bytes) = (text(case, "id"), hex(text(case, "hex")));
        let expected = text(case, "verdict");
        if text(case, "transport") == "datagram" {
            // Whether a channel is bound is for the relay to know.
            let expected = if id == "c-udp-unbound" {
                "ok"
            } else {
                expected
            };
            let parsed = ChannelData::parse(&bytes);
            assert_eq!(parsed.is_ok(), expected == "ok", "{id}");
            let (Ok(parsed), Some(channel)) = (parsed, case["channel"].as_str()) else {
                continue;
            };
            assert_eq!(parsed.channel, number(channel), "{id}");
            assert_eq!(parsed.data, hex(text(case, "payload_hex")), "{id}");
            continue;
        }
        let mut framer = Framer::new(Framing::StunAndChannelData);
        framer.set_limit(Framer::MAXIMUM_BYTES);
        let (mut used, mut frames) = (0, Vec::new());
        while used < bytes.len() {
            let framed = framer.handle_bytes(proto_core::Instant::ZERO, &bytes[used..]);
            let framed = framed.expect("it is good");
            used += framed.used;
            let Some(frame) = framed.frame else { break };
            frames.push(frame.as_bytes().to_vec());
        }
        let verdict = ["incomplete", "ok", "ok-two"][frames.len()];
        assert_eq!(verdict, expected, "{id}");
        // Of an incomplete one no more is kept than came.
        assert!(framer.held_bytes() <= bytes.len(), "{id}");
        if let Some(payload) = case["payload_hex"].as_str() {
            let parsed = ChannelData::parse(&frames[0]).expect("it is good");
            assert_eq!(parsed.data, hex(payload), "{id}");
            let mut buffer = [0xAA; 64];
            assert_eq!(parsed.write_padded(&mut buffer), Ok(&bytes[..]), "{id}");
        }
    }
}

// req: S-33, S-44
#[test]
fn keys_and_user_hashes_are_those_of_the_vectors() {
    for case in list(&vectors()["keys"]["cases"]) {
        let [user, realm, password] =
            ["username", "realm", "password"].map(|name| text(case, name));
        let id = TransactionId::new([3; 12]);
        for (derived, expected) in [
            (Key::long_term_md5(user, realm, password), "md5_hex"),
            (
                Some(Key::long_term_sha256(user, realm, password)),
                "sha256_hex",
            ),
        ] {
            let mut buffer = [0; 100];
            let derived = derived.expect("both are compiled in");
            let bytes = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
                .integrity(&derived)
                .integrity_sha256(&derived)
                .finish()
                .expect("it fits");
            let message = Message::parse(bytes).expect("it is good");
            let expected: Key = Key::from_bytes(&hex(text(case, expected)));
            assert_eq!(message.verify_as(Integrity::Sha1, &expected), Ok(()));
            assert_eq!(message.verify_as(Integrity::Sha256, &expected), Ok(()));
        }
        if let Some(hash) = case["userhash_hex"].as_str() {
            assert_eq!(UserHash::of(user, realm).0, hex(hash)[..]);
        }
    }
}

// req: X-3, HX-1, HX-2, HS-5
#[test]
fn no_prefix_and_no_changed_byte_of_a_published_message_is_accepted() {
    for case in list(&vectors()["published"]) {
        let id = text(case, "id");
        let key = key(case).expect("all are protected");
        let original = hex(text(case, "hex"));
        for length in 0..original.len() {
            assert!(
                Message::parse(&original[..length]).is_err(),
                "{id}: {length} bytes"
            );
        }
        // Behind the integrity is only FINGERPRINT, which those must ask for who rely on it.
        let mut options = ParseOptions::default();
        if Message::parse(&original).is_ok_and(|message| message.has_fingerprint()) {
            options.fingerprint = FingerprintCheck::Required;
        }
        let mut bytes = original.clone();
        for at in 0..bytes.len() {
            for change in 1..=255 {
                bytes[at] = original[at] ^ change;
                let parsed = Message::parse_with::<RustCrypto>(&bytes, options);
                let accepted = parsed.is_ok_and(|message| {
                    let _ = message.check_attributes();
                    message.verify(&key).is_ok()
                });
                assert!(!accepted, "{id}: byte {at} changed by {change:#04x}");
            }
            bytes[at] = original[at];
        }
    }
}

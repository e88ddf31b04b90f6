//! Bodies for the codec, the servers and the framer of `stun-proto`.

use crate::parts;
use arbitrary::{Arbitrary, Unstructured};
use core::net::SocketAddr;
use proto_core::Instant;
use stun_proto::attribute::{
    AttributeType, ErrorCode, ErrorNumber, IceControlling, Nonce, PasswordAlgorithms, Priority,
    RawAttribute, Realm, Software, UnknownAttributes, Username, XorMappedAddress, XorPeerAddress,
};
use stun_proto::auth::{LongTermServer, Offer, check_short_term};
use stun_proto::crypto::RustCrypto;
use stun_proto::server::{Answer, BindingServer, DiscoveryAddresses, ServerConfig};
use stun_proto::{
    BuildError, ChannelData, Class, FingerprintCheck, FrameError, Framer, Framing, Integrity, Key,
    LongTermKeys, Message, MessageWriter, Method, ParseOptions, TransactionId,
};

const NOW: Instant = Instant::from_millis(1_000_000);

fn local() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 3478))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 40_000))
}

/// One datagram through the codec, the servers and the credentials.
///
/// # Panics
/// If anything panics, a message shows bytes that it does not have, or a stranger gets more than his share.
pub fn stun_parse(data: &[u8]) {
    let _ = ChannelData::parse(data);
    let mut accepted = 0;
    for (fingerprint, accept_classic) in [
        (FingerprintCheck::IfPresent, false),
        (FingerprintCheck::Required, false),
        (FingerprintCheck::Skip, true),
    ] {
        let mut options = ParseOptions::default();
        (options.fingerprint, options.accept_classic) = (fingerprint, accept_classic);
        if let Ok(message) = Message::parse_with::<RustCrypto>(data, options) {
            accepted += 1;
            read(&message);
        }
    }
    // Each of the three asks for less than the one before but for FINGERPRINT.
    assert_eq!(
        Message::parse(data).is_ok(),
        accepted > 1,
        "the options contradict each other"
    );
    serve(data);
}

/// Reads everything that a message has.
fn read(message: &Message<'_>) {
    let shown: usize = message.attributes().map(|raw| 4 + raw.value.len()).sum();
    assert!(
        20 + shown <= message.as_bytes().len(),
        "more is shown than came"
    );
    let legal = message.check_attributes();
    if let Err(error) = legal {
        assert!(message.attributes().any(|raw| raw.kind == error.attribute));
    }
    let unknown = message.unknown_required(|kind| kind.name().is_some());
    assert!(unknown.as_slice().len() <= UnknownAttributes::LIMIT);
    assert!(!format!("{message}").contains(char::is_control));
    let addresses = message.all::<XorPeerAddress>();
    assert!(addresses.count() <= message.as_bytes().len() / 4);
    let _ = (
        message.get::<Nonce<'_>>(),
        message.get::<PasswordAlgorithms<'_>>(),
    );
    let key: Key = Key::short_term("not the password");
    assert!(message.verify(&key).is_err() && message.verify_truncated(16, &key).is_err());
    let known = |user: &str| (user == "user").then(|| key.clone());
    assert!(check_short_term(message, known).is_err());
}

/// What servers answer to a stranger.
fn serve(data: &[u8]) {
    let mut buffer = [0; BindingServer::BUFFER];
    for discovery in [false, true] {
        let mut config = ServerConfig::new([1; 32]);
        config.accept_classic = true;
        let other = SocketAddr::from(([203, 0, 113, 2], 3479));
        config.discovery = DiscoveryAddresses::new(local(), other)
            .ok()
            .filter(|_| discovery);
        let mut server = BindingServer::new(config);
        let answer = server.handle_datagram(NOW, local(), stranger(), data, &mut buffer);
        let Answer::Reply(reply) = answer else {
            continue;
        };
        assert_eq!(
            reply.destination.ip(),
            stranger().ip(),
            "somebody else is answered"
        );
        assert!(discovery || reply.destination == stranger());
        let most = if discovery {
            68.max(data.len() * 17 / 5)
        } else {
            data.len() * 8 / 5
        };
        assert!(
            reply.bytes.len() <= most,
            "{} bytes for {}",
            reply.bytes.len(),
            data.len()
        );
        let mut options = ParseOptions::default();
        options.accept_classic = true;
        let reply = Message::parse_with::<RustCrypto>(&buffer[reply.bytes], options);
        assert!(reply.is_ok_and(|reply| reply.check_attributes().is_ok()));
    }
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let server = LongTermServer::<RustCrypto>::new("realm", [2; 32], Offer::Sha256OrMd5);
    let mut server = server.expect("the realm is short");
    let refused = server.check(NOW, stranger(), &message, |_| None::<LongTermKeys>);
    let refusal = refused.expect_err("there are no users");
    let reply = server.refuse(NOW, stranger(), &message, refusal, &mut buffer);
    assert!(reply.expect("room").is_none_or(|reply| reply.len() <= 108));
}

/// An attribute as the input wants it.
#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Raw { kind: u16, value: &'a [u8] },
    User(&'a str),
    Realm(&'a str),
    Software(&'a str),
    Mapped { v6: bool, ip: u128, port: u16 },
    Error { number: u16, reason: &'a str },
    Unknown([u16; 3]),
    Priority(u32),
    Controlling(u64),
}

fn put<'b>(writer: MessageWriter<'b>, piece: &Piece<'_>) -> MessageWriter<'b> {
    match *piece {
        Piece::Raw { kind, value } => {
            let kind = AttributeType::new(kind);
            if is_end(kind) {
                writer
            } else {
                writer.raw(kind, value)
            }
        }
        Piece::User(text) => writer.attribute_if(Username::new(text).ok().as_ref()),
        Piece::Realm(text) => writer.attribute_if(Realm::new(text).ok().as_ref()),
        Piece::Software(text) => writer.attribute_if(Software::new(text).ok().as_ref()),
        Piece::Mapped { v6, ip, port } => {
            let [.., a, b, c, d] = ip.to_be_bytes();
            let address = if v6 {
                SocketAddr::from((ip.to_be_bytes(), port))
            } else {
                SocketAddr::from(([a, b, c, d], port))
            };
            writer.attribute(&XorMappedAddress(address))
        }
        Piece::Error { number, reason } => {
            let number = ErrorNumber::new(number);
            let error = number.and_then(|number| ErrorCode::with_reason(number, reason).ok());
            writer.attribute_if(error.as_ref())
        }
        Piece::Unknown(kinds) => {
            let mut list = UnknownAttributes::default();
            kinds
                .iter()
                .for_each(|kind| list.push(AttributeType::new(*kind)));
            writer.attribute(&list)
        }
        Piece::Priority(priority) => writer.attribute(&Priority(priority)),
        Piece::Controlling(number) => writer.attribute(&IceControlling(number)),
    }
}

const fn is_end(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::MESSAGE_INTEGRITY
            | AttributeType::MESSAGE_INTEGRITY_SHA256
            | AttributeType::FINGERPRINT
    )
}

/// A message as the input wants it.
#[derive(Arbitrary, Debug)]
struct Wanted<'a> {
    class: u8,
    method: u16,
    id: [u8; 12],
    ends: u8,
    pieces: Vec<Piece<'a>>,
}

fn write<'b>(wanted: &Wanted<'_>, key: &Key, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
    let classes = [
        Class::Request,
        Class::Indication,
        Class::Success,
        Class::Error,
    ];
    let class = classes[usize::from(wanted.class % 4)];
    let method = Method::new(wanted.method & 0xFFF).expect("12 bits");
    let id = TransactionId::new(wanted.id);
    let writer = MessageWriter::new(buffer, class, method, id).limit(usize::MAX);
    let writer = wanted.pieces.iter().fold(writer, put);
    let writer = match wanted.ends & 3 {
        0 => writer.unsigned(),
        1 => writer.integrity_as(Integrity::Sha1, key),
        2 => writer.integrity_sha256(key),
        _ => writer.integrity(key).integrity_sha256(key),
    };
    if wanted.ends & 4 == 0 {
        writer.finish()
    } else {
        writer.fingerprint().finish()
    }
}

/// What is written is read back, and written to the same bytes from what was read.
///
/// # Panics
/// If it is not.
pub fn stun_roundtrip(data: &[u8]) {
    let Ok(wanted) = Wanted::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    let key: Key = Key::short_term("password");
    let (mut buffer, mut again) = (vec![0xAA; 70_000], vec![0x55; 70_000]);
    let bytes = match write(&wanted, &key, &mut buffer) {
        Ok(bytes) => bytes,
        Err(BuildError::TooLong { need, limit }) => return assert!(need > limit),
        Err(other) => panic!("{other}"),
    };
    let message = Message::parse(bytes).expect("what was written is good");
    assert_eq!(message.transaction_id(), TransactionId::new(wanted.id));
    assert_eq!(message.method().number(), wanted.method & 0xFFF);
    assert_eq!(message.has_fingerprint(), wanted.ends & 4 != 0);
    assert_eq!(message.verify(&key).is_ok(), wanted.ends & 3 != 0);
    let plain = message.attributes().filter(|raw| !is_end(raw.kind));
    let raw = |RawAttribute { kind, value, .. }| Piece::Raw {
        kind: kind.number(),
        value,
    };
    let copy = Wanted {
        pieces: plain.map(raw).collect(),
        ..wanted
    };
    assert_eq!(
        write(&copy, &key, &mut again),
        Ok(bytes),
        "the same says other bytes"
    );
    for have in [0, 19, 20, bytes.len() / 2, bytes.len() - 1] {
        let have = have.min(bytes.len() - 1);
        let need = bytes.len();
        assert_eq!(
            write(&copy, &key, &mut again[..have]),
            Err(BuildError::NoSpace { need, have })
        );
    }
}

/// What a framer made of a stream.
type Frames = (Vec<Vec<u8>>, Option<FrameError>);

#[expect(single_use_lifetimes, reason = "stable Rust has no anonymous one here")]
fn frames<'a>(framing: Framing, limit: usize, chunks: impl Iterator<Item = &'a [u8]>) -> Frames {
    let mut framer = Framer::new(framing);
    framer.set_limit(limit);
    let mut found = Vec::new();
    for mut chunk in chunks {
        loop {
            let framed = match framer.handle_bytes(NOW, chunk) {
                Ok(framed) => framed,
                Err(error) => {
                    assert_eq!(framer.held_bytes(), 0, "bytes are kept after the end");
                    return (found, Some(error));
                }
            };
            let frame = framed.frame.map(|frame| frame.as_bytes().to_vec());
            let is_frame = frame.is_some();
            found.extend(frame);
            chunk = &chunk[framed.used..];
            assert!(framer.held_bytes() <= limit, "more is held than is allowed");
            if !is_frame {
                assert!(chunk.is_empty(), "no message and bytes left");
                break;
            }
        }
    }
    (found, None)
}

/// A stream in the pieces of the input gives the same messages and the same end as byte by byte and at once.
///
/// The first byte chooses framing and limit; length-prefixed pieces follow.
///
/// # Panics
/// If it does not, or more is held than is allowed.
pub fn stun_stream(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let framing = match selector % 3 {
        0 => Framing::Stun,
        1 => Framing::StunAndChannelData,
        _ => Framing::LengthPrefix,
    };
    let limit = [Framer::UNAUTHENTICATED_BYTES, 64][usize::from(selector >> 7)];
    let whole: Vec<u8> = parts(data).flatten().copied().collect();
    let at_once = frames(framing, limit, core::iter::once(&whole[..]));
    assert_eq!(
        frames(framing, limit, parts(data)),
        at_once,
        "pieces change the messages"
    );
    assert_eq!(
        frames(framing, limit, whole.chunks(1)),
        at_once,
        "bytes change the messages"
    );
}

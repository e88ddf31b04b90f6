use super::*;
use crate::attribute::{Software, Username};
use crate::{Key, TransactionId};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

const SERVER: &str = "203.0.113.1:3478";
const OTHER: &str = "203.0.113.2:3479";
const CLIENT: &str = "192.0.2.10:40000";
const ID: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn plain() -> BindingServer {
    BindingServer::new(ServerConfig::new([7; 32]))
}

fn discovering() -> BindingServer {
    let mut config = ServerConfig::new([7; 32]);
    let addresses = DiscoveryAddresses::new(address(SERVER), address(OTHER));
    config.discovery = Some(addresses.expect("two addresses"));
    BindingServer::new(config)
}

/// A request as `build` completes it.
fn request(build: impl FnOnce(MessageWriter<'_>) -> Result<&[u8], BuildError>) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let id = TransactionId::new(ID);
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id);
    build(writer.limit(4096)).expect("it fits").to_vec()
}

struct Reply {
    transmit: Transmit,
    bytes: Vec<u8>,
}

impl Reply {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("a message")
    }

    fn error(&self) -> Option<u16> {
        let code = self.message().get::<ErrorCode<'_>>().expect("well formed");
        code.map(|code| code.number().get())
    }
}

fn ask_at(
    server: &mut BindingServer,
    now: Instant,
    from: SocketAddr,
    data: &[u8],
) -> Result<Reply, String> {
    let mut buffer = [0; BindingServer::BUFFER];
    match server.handle_datagram(now, address(SERVER), from, data, &mut buffer) {
        Answer::Reply(transmit) => Ok(Reply {
            bytes: buffer[transmit.bytes.clone()].to_vec(),
            transmit,
        }),
        Answer::NotMine => Err("not mine".to_string()),
        Answer::Dropped(reason) => Err(reason.name().to_string()),
    }
}

fn ask(server: &mut BindingServer, data: &[u8]) -> Result<Reply, String> {
    ask_at(server, Instant::from_millis(1), address(CLIENT), data)
}

fn reply(server: &mut BindingServer, data: &[u8]) -> Reply {
    ask(server, data).unwrap_or_else(|reason| panic!("no reply: {reason}"))
}

// req: S-17, S-18, S-43, S-80, S-81
#[test]
fn a_binding_request_gets_its_source_back_in_32_bytes_over_ipv4_and_44_over_ipv6() {
    let mut server = plain();
    let data = request(|writer| writer.finish());
    for (from, length) in [(CLIENT, 32), ("[2001:db8::7]:40000", 44)] {
        let from = address(from);
        let reply = ask_at(&mut server, Instant::ZERO, from, &data).expect("a reply");
        assert_eq!(reply.bytes.len(), length);
        assert_eq!(reply.transmit.source, Some(address(SERVER)));
        assert_eq!(reply.transmit.destination, from);
        let message = reply.message();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.transaction_id(), TransactionId::new(ID));
        let mapped = message.get::<XorMappedAddress>().expect("well formed");
        assert_eq!(mapped, Some(XorMappedAddress(from)));
        assert!(!message.has::<Software<'_>>() && !message.has_fingerprint());
    }
    assert_eq!(server.stats().answered, 2);
    assert_eq!(
        (server.stats().bytes_in, server.stats().bytes_out),
        (40, 76)
    );
}

// req: S-80
#[test]
fn fingerprint_is_answered_with_fingerprint() {
    let data = request(|writer| writer.fingerprint().finish());
    assert!(reply(&mut plain(), &data).message().has_fingerprint());
}

// req: S-13, S-22, S-72, HS-6
#[test]
fn what_asks_for_nothing_gets_nothing() {
    let mut server = plain();
    let mut buffer = [0; 64];
    let id = TransactionId::new(ID);
    let cases = [
        (Class::Indication, Method::BINDING, "indication"),
        (Class::Success, Method::BINDING, "unexpected_class"),
        (Class::Error, Method::BINDING, "unexpected_class"),
        (Class::Request, Method::ALLOCATE, "unknown_method"),
    ];
    for (class, method, reason) in cases {
        let data = MessageWriter::new(&mut buffer, class, method, id).finish();
        let refused = ask(&mut server, data.expect("it fits")).err();
        assert_eq!(refused.as_deref(), Some(reason));
    }
    assert_eq!(ask(&mut server, b"$-w-").err().as_deref(), Some("not mine"));
    assert_eq!(server.stats().dropped(DropReason::UnexpectedClass), 2);
    assert_eq!(server.stats().bytes_out, 0);
}

#[test]
fn a_source_where_nobody_can_be_gets_nothing() {
    let data = request(|writer| writer.finish());
    for from in [
        "192.0.2.1:0",
        "255.255.255.255:5",
        "224.0.0.1:5",
        "0.0.0.0:5",
        SERVER,
        OTHER,
    ] {
        let refused = ask_at(&mut discovering(), Instant::ZERO, address(from), &data).err();
        assert_eq!(refused.as_deref(), Some("impossible_source"), "{from}");
    }
}

// req: S-15, S-40, A-2
#[test]
fn unknown_required_attributes_are_named_within_the_budget() {
    let mut server = plain();
    let one = request(|writer| writer.raw(AttributeType::new(0x7FFF), &[]).finish());
    let answer = reply(&mut server, &one);
    assert_eq!(answer.error(), Some(420));
    let unknown = answer.message().get::<UnknownAttributes>();
    let unknown = unknown.expect("well formed").expect("a list");
    assert_eq!(unknown.as_slice(), [AttributeType::new(0x7FFF)]);
    assert!(answer.bytes.len() <= one.len() * 3 / 2);

    let many = request(|mut writer| {
        for number in 0x7000..0x70C8 {
            writer = writer.raw(AttributeType::new(number), &[]);
        }
        writer.finish()
    });
    let answer = reply(&mut server, &many);
    let unknown = answer.message().get::<UnknownAttributes>();
    assert_eq!(
        unknown
            .expect("well formed")
            .expect("a list")
            .as_slice()
            .len(),
        16
    );
    assert!(answer.bytes.len() <= many.len());

    let short = request(|writer| {
        let name = Username::new("u").expect("short");
        let writer = writer.raw(AttributeType::new(0x7FFF), &[]);
        writer.attribute(&name).finish()
    });
    assert_eq!(short.len(), 32);
    let refused = ask(&mut server, &short).err();
    assert_eq!(refused.as_deref(), Some("amplification"));
}

// req: S-16
#[test]
fn a_bad_value_is_a_bad_request_unless_the_attribute_is_optional() {
    let mut server = plain();
    let bad = request(|writer| writer.raw(AttributeType::USERNAME, &[0xFF; 4]).finish());
    assert_eq!(reply(&mut server, &bad).error(), Some(400));
    let fine = request(|writer| writer.raw(AttributeType::SOFTWARE, &[b'x'; 764]).finish());
    assert_eq!(reply(&mut server, &fine).error(), None);
    assert_eq!(server.stats().bad_requests, 1);
}

#[test]
fn credentials_that_nobody_asked_for_are_ignored() {
    let data = request(|writer| {
        let name = Username::new("evtj:h6vY").expect("short");
        let writer = writer.attribute(&name);
        writer.integrity(&Key::short_term("secret")).finish()
    });
    assert_eq!(reply(&mut plain(), &data).bytes.len(), 32);
}

// req: N-1
#[test]
fn without_a_second_address_change_request_is_unknown() {
    let change = ChangeRequest {
        ip: true,
        port: true,
    };
    let data = request(|writer| writer.attribute(&change).finish());
    assert_eq!(reply(&mut plain(), &data).error(), Some(420));
}

// req: N-1, N-2
#[test]
fn answers_come_from_the_socket_that_change_request_names() {
    let mut server = discovering();
    for (ip, port, source) in [
        (false, false, SERVER),
        (false, true, "203.0.113.1:3479"),
        (true, false, "203.0.113.2:3478"),
        (true, true, OTHER),
    ] {
        let data = request(|writer| writer.attribute(&ChangeRequest { ip, port }).finish());
        let answer = reply(&mut server, &data);
        assert_eq!(answer.transmit.source, Some(address(source)));
        assert_eq!(answer.transmit.destination, address(CLIENT));
        let origin = answer.message().get::<ResponseOrigin>();
        assert_eq!(origin, Ok(Some(ResponseOrigin(address(source)))));
    }
    let data = request(|writer| writer.finish());
    let answer = reply(&mut server, &data);
    let other = answer.message().get::<OtherAddress>();
    assert_eq!(other, Ok(Some(OtherAddress(address(OTHER)))));
    let mapped = answer.message().get::<MappedAddress>();
    assert_eq!(mapped, Ok(Some(MappedAddress(address(CLIENT)))));
}

// req: N-3, N-4
#[test]
fn response_port_leads_to_another_port_of_the_source_and_to_no_service() {
    let mut server = discovering();
    let to = |port| request(|writer| writer.attribute(&ResponsePort(port)).finish());
    let answer = reply(&mut server, &to(50_000));
    assert_eq!(answer.transmit.destination, address("192.0.2.10:50000"));
    let refused = ask(&mut server, &to(53)).err();
    assert_eq!(refused.as_deref(), Some("forbidden_port"));
    let low = address("192.0.2.10:500");
    let answer = ask_at(&mut server, Instant::from_millis(1), low, &to(500));
    assert_eq!(answer.expect("its own port").transmit.destination, low);

    let both = request(|writer| {
        let writer = writer.attribute(&ResponsePort(50_000));
        writer.attribute(&Zeros(100)).finish()
    });
    assert_eq!(reply(&mut server, &both).error(), Some(400));
}

// req: N-3, A-2
#[test]
fn padding_is_answered_with_no_more_than_was_sent() {
    let mut server = discovering();
    for length in [4, 60, 1000, 3000] {
        let data = request(|writer| writer.attribute(&Zeros(length)).fingerprint().finish());
        let answer = reply(&mut server, &data);
        let most = data.len().clamp(76, BindingServer::BUFFER);
        assert!(
            answer.bytes.len() <= most,
            "{length}: {}",
            answer.bytes.len()
        );
        assert!(answer.bytes.len() + 8 > data.len().min(BindingServer::BUFFER) || length < 60);
    }
}

// req, HS-6, HG-12
#[test]
fn a_forged_source_gets_a_bounded_number_of_answers() {
    let mut server = discovering();
    let data = request(|writer| writer.finish());
    let mut count = |from: &str, seconds: u64| {
        let answers = (0..1000_u16).filter(|&k| {
            let from = SocketAddr::new(address(from).ip(), 1024 + k);
            let now = Instant::from_millis(10_000 * seconds + u64::from(k));
            ask_at(&mut server, now, from, &data).is_ok()
        });
        answers.count()
    };
    // A second of a thousand requests: the burst, and what the second earns.
    assert_eq!(count("198.51.100.7:1", 1), 29);
    assert_eq!(count("198.51.101.7:1", 2), 29);
    assert!(server.stats().dropped(DropReason::RateLimited) > 1900);
}

// req: A-11, N-4
#[test]
fn reflections_have_a_rate_of_their_own() {
    let mut config = ServerConfig::new([7; 32]);
    config.discovery = DiscoveryAddresses::new(address(SERVER), address(OTHER)).ok();
    config.reflections = Rate::new(1, 2);
    let mut server = BindingServer::new(config);
    let change = ChangeRequest {
        ip: true,
        port: true,
    };
    let change = request(|writer| writer.attribute(&change).finish());
    let results: Vec<_> = (0..4).map(|_| ask(&mut server, &change).is_ok()).collect();
    assert_eq!(results, [true, true, false, false]);
    assert!(ask(&mut server, &request(|writer| writer.finish())).is_ok());
}

// req: N-3
#[test]
fn streams_are_not_limited_and_know_no_change_request() {
    let mut server = discovering();
    let mut buffer = [0; BindingServer::BUFFER];
    let mut answer = |data: &[u8]| {
        let (local, from) = (address(SERVER), address(CLIENT));
        match server.handle_stream_message(local, from, data, &mut buffer) {
            Answer::Reply(transmit) => buffer[transmit.bytes].to_vec(),
            other => panic!("{other:?}"),
        }
    };
    let data = request(|writer| writer.finish());
    for _ in 0..200 {
        answer(&data);
    }
    let data = request(|writer| writer.attribute(&ChangeRequest::default()).finish());
    let reply = answer(&data);
    let code = Message::parse(&reply)
        .expect("a message")
        .get::<ErrorCode<'_>>();
    assert_eq!(code.expect("well formed").expect("one").number().get(), 420);
}

// req: S-78
#[test]
fn old_clients_are_answered_in_their_own_words_if_they_are_wanted() {
    let mut data = request(|writer| writer.finish());
    data[4..8].copy_from_slice(&[9; 4]);
    assert_eq!(ask(&mut plain(), &data).err().as_deref(), Some("not mine"));

    let mut config = ServerConfig::new([7; 32]);
    config.accept_classic = true;
    let answer = reply(&mut BindingServer::new(config), &data);
    assert_eq!(answer.bytes[4..20], data[4..20]);
    let options = ParseOptions {
        accept_classic: true,
        ..ParseOptions::default()
    };
    let message = Message::parse_with::<RustCrypto>(&answer.bytes, options).expect("a message");
    let mapped = message.get::<MappedAddress>();
    assert_eq!(mapped, Ok(Some(MappedAddress(address(CLIENT)))));
    assert!(!message.has::<XorMappedAddress>());
}

#[test]
fn fingerprint_can_be_required() {
    let mut config = ServerConfig::new([7; 32]);
    config.require_fingerprint = true;
    let mut server = BindingServer::new(config);
    let bare = request(|writer| writer.finish());
    assert_eq!(ask(&mut server, &bare).err().as_deref(), Some("malformed"));
    let sealed = request(|writer| writer.fingerprint().finish());
    assert!(ask(&mut server, &sealed).is_ok());
}

#[test]
fn a_short_buffer_and_a_foreign_socket_are_the_drivers_fault_and_no_panic() {
    let data = request(|writer| writer.finish());
    let mut server = discovering();
    let (now, from) = (Instant::from_millis(1), address(CLIENT));
    let short = server.handle_datagram(now, address(SERVER), from, &data, &mut [0; 10]);
    assert_eq!(short, Answer::Dropped(DropReason::Unsendable));
    let elsewhere = address("203.0.113.9:3478");
    let mut buffer = [0; BindingServer::BUFFER];
    let foreign = server.handle_datagram(now, elsewhere, from, &data, &mut buffer);
    assert_eq!(foreign, Answer::Dropped(DropReason::Unsendable));
}

// req: X-10
#[test]
fn a_hundred_thousand_strangers_are_answered_without_a_table_of_them() {
    let mut server = plain();
    let data = request(|writer| writer.finish());
    for number in 0..100_000_u32 {
        let from = SocketAddr::from((core::net::Ipv4Addr::from(0x0B00_0000 + number * 256), 9));
        let now = Instant::ZERO + Duration::from_secs(u64::from(number));
        let _ = ask_at(&mut server, now, from, &data);
    }
    assert_eq!(server.stats().answered, 100_000);
    // Nothing in it can grow but the numbers: the tables of rates are fixed slices.
    assert!(size_of::<BindingServer>() < 512);
}

// req: S-19
#[test]
fn a_retransmitted_request_is_answered_again_with_the_same_bytes() {
    let mut server = plain();
    let data = request(|writer| writer.fingerprint().finish());
    let mut answers = (0..3).map(|_| {
        let mut buffer = [0; BindingServer::BUFFER];
        let now = Instant::from_millis(500);
        let answer =
            server.handle_datagram(now, address(SERVER), address(CLIENT), &data, &mut buffer);
        let Answer::Reply(reply) = answer else {
            panic!("{answer:?}")
        };
        buffer[reply.bytes].to_vec()
    });
    let first = answers.next();
    assert!(answers.all(|answer| Some(answer) == first));
}

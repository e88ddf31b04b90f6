//! Hostile input: each case of `vectors/hostile.json` gets the stated verdict and moves one counter, and what follows it
//! works as before. The cases that need an allocation are `relay-proto`'s.

extern crate alloc;

use alloc::collections::BTreeSet;
use core::net::SocketAddr;
use proto_core::{Handled, Instant};
use serde_json::Value;
use stun_proto::attribute::{ErrorCode, Nonce, RequestedTransport, UnknownAttributes, Username};
use stun_proto::auth::{LongTermServer, Offer, Refusal, RestError, RestSecret, User};
use stun_proto::client::{self, ClientConfig, ClientEvent, Failure, RedirectError, StunClient};
use stun_proto::server::{
    Answer, BindingServer, DiscoveryAddresses, DropReason, Rate, ServerConfig,
};
use stun_proto::*;
use testkit::unhex;

/// Cases of the relay behind the credentials, which this crate does not have.
const RELAY: [&str; 17] = [
    "turn_allocation_quota",
    "turn_channel_data_without_allocation",
    "turn_channel_rebind_other_peer",
    "turn_family_and_reservation",
    "turn_family_unknown",
    "turn_lifetime_max",
    "turn_lifetime_zero_in_allocate",
    "turn_other_user_on_same_allocation",
    "turn_peer_other_allocation",
    "turn_peer_own_listener",
    "turn_peer_port_zero",
    "turn_permission_flood",
    "turn_replay_of_captured_allocate",
    "turn_send_indication_without_data",
    "turn_send_indication_without_permission",
    "turn_transport_tcp_on_udp_only",
    // `benches/tests/stun_allocation.rs` counts.
    "turn_unauth_memory",
];

/// Requests without credentials.
const CHALLENGED: [&str; 3] = [
    "turn_allocate_unauthenticated",
    "turn_allocate_no_transport_unauthenticated",
    "turn_refresh_without_allocation",
];

const ID: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn local() -> SocketAddr {
    address("203.0.113.1:3478")
}

fn from() -> SocketAddr {
    address("192.0.2.10:40000")
}

/// One case.
struct Case {
    name: String,
    given: String,
    bytes: Vec<u8>,
    expected: String,
}

fn cases() -> Vec<Case> {
    let vectors: Value = serde_json::from_str(include_str!("vectors/hostile.json")).expect("json");
    let text = |case: &Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let cases = vectors["cases"].as_array().expect("a list").iter();
    cases
        .map(|case| Case {
            name: text(case, "name"),
            given: text(case, "given"),
            bytes: unhex(&text(case, "hex")),
            expected: text(case, "expected"),
        })
        .collect()
}

fn given(fixture: &str) -> Vec<Case> {
    cases()
        .into_iter()
        .filter(|case| case.given == fixture)
        .collect()
}

#[test]
fn each_case_has_a_test() {
    let tested = [
        "turn_peer_",
        "turn_channel_data_",
        "turn_nonce_",
        "turn_tcp_stream_",
    ];
    let mut relay = BTreeSet::from(RELAY);
    for Case { name, given, .. } in cases() {
        let is_tested = matches!(&given[..], "C" | "I" | "S" | "S5780")
            || tested.iter().any(|prefix| name.starts_with(prefix))
            || CHALLENGED.contains(&&name[..]);
        let is_listed = relay.remove(&name[..]);
        assert!(is_tested || is_listed, "{given}: {name}");
    }
    assert_eq!(relay, BTreeSet::new());
}

/// What the server did, in the words of the list.
fn verdict(answer: &Answer, reply: &[u8], parsed: Result<Message<'_>, ParseError>) -> String {
    match (answer, parsed) {
        (Answer::NotMine, _) => "drop: NotStun".to_owned(),
        (Answer::Dropped(DropReason::Malformed), Err(error)) => match error {
            ParseError::UnalignedLength(_) | ParseError::WrongLength { .. } => "drop: BadLength",
            ParseError::Truncated(_) => "reject: Truncated",
            ParseError::WrongFingerprint | ParseError::AfterFingerprint => "drop: BadFingerprint",
            ParseError::FingerprintLength => "reject: BadAttribute",
            other => panic!("{other}"),
        }
        .to_owned(),
        (Answer::Dropped(DropReason::UnexpectedClass), _) => "drop: UnexpectedClass".to_owned(),
        (Answer::Dropped(DropReason::UnknownMethod), _) => "drop: UnknownMethod".to_owned(),
        (Answer::Dropped(DropReason::Indication), _) => "drop: Indication".to_owned(),
        (Answer::Dropped(DropReason::ForbiddenPort), _) => "drop: Forbidden".to_owned(),
        (Answer::Dropped(DropReason::Amplification), _) => "silence".to_owned(),
        (Answer::Reply(_), Ok(request)) => {
            let reply = Message::parse(reply).expect("it is good");
            assert_eq!(reply.transaction_id(), request.transaction_id());
            match reply.get::<ErrorCode<'_>>().expect("it is good") {
                None => "respond: Binding success".to_owned(),
                Some(code) if code.number().get() == 400 => "reject: BadAttribute".to_owned(),
                Some(code) => format!("respond: {}", code.number().get()),
            }
        }
        (answer, parsed) => panic!("{answer:?}, {parsed:?}"),
    }
}

/// Whether the list allows what was done.
fn allows(expected: &str, verdict: &str) -> bool {
    let alternatives = match expected {
        // A request with a bad value is answered with 400 within the budget, or with silence.
        "reject: BadAttribute" => vec!["reject: BadAttribute", "silence"],
        "reject: BadOrder" => vec!["drop: BadFingerprint"],
        "respond: Binding success or drop" => {
            vec!["respond: Binding success", "reject: BadAttribute"]
        }
        _ if expected.starts_with("respond: Binding success") => vec!["respond: Binding success"],
        _ if expected.starts_with("respond: padding") => vec!["respond: Binding success"],
        // "reply not longer than the request, or no reply"
        _ if expected.starts_with("respond: 420") => vec!["respond: 420", "silence"],
        other => vec![other],
    };
    alternatives.contains(&verdict)
}

fn counted(server: &BindingServer) -> u64 {
    let stats = server.stats();
    let dropped = DropReason::ALL.map(|reason| stats.dropped(reason));
    let answered = stats.answered + stats.bad_requests + stats.unknown_attributes;
    answered + dropped.iter().sum::<u64>()
}

fn server(given: &str) -> BindingServer {
    let mut config = ServerConfig::new([7; 32]);
    config.replies = Rate::UNLIMITED;
    if given == "S5780" {
        let other = address("203.0.113.2:3479");
        config.discovery = Some(DiscoveryAddresses::new(local(), other).expect("two of each"));
        config.reflections = Rate::UNLIMITED;
    }
    BindingServer::new(config)
}

// req: HS-1, HS-2, HS-3, HS-6, HG-4, S-80, X-11, A-4
#[test]
fn the_binding_server_gives_each_case_its_verdict_and_goes_on() {
    let control = unhex("000100002112a4420102030405060708090a0b0c");
    let fixtures = ["S", "S5780"];
    for case in fixtures.iter().flat_map(|fixture| given(fixture)) {
        let mut server = server(&case.given);
        let mut buffer = [0; BindingServer::BUFFER];
        let answer =
            server.handle_datagram(Instant::ZERO, local(), from(), &case.bytes, &mut buffer);
        let reply = match &answer {
            Answer::Reply(reply) => &buffer[reply.bytes.clone()],
            _ => &[],
        };
        let parsed = Message::parse(&case.bytes);
        let verdict = verdict(&answer, reply, parsed);
        assert!(
            allows(&case.expected, &verdict),
            "{}: {verdict}, not {}",
            case.name,
            case.expected
        );
        let mine = u64::from(answer != Answer::NotMine);
        // A 420 that would be too long is counted as the request that it is and as the silence that it gets.
        let silent_420 = u64::from(server.stats().unknown_attributes == 1 && verdict == "silence");
        assert_eq!(counted(&server), mine + silent_420, "{}", case.name);
        if let Ok(request) = parsed
            && verdict.starts_with("respond: 420")
        {
            let error = Message::parse(reply).expect("it is good");
            let list = error
                .get::<UnknownAttributes>()
                .expect("it is good")
                .expect("it is there");
            assert!(list.as_slice().len() <= UnknownAttributes::LIMIT);
            assert!(
                list.as_slice()
                    .iter()
                    .all(|kind| request.raw(*kind).is_some())
            );
            assert!(2 * reply.len() <= 3 * case.bytes.len(), "{}", case.name);
        }
        let control = server.handle_datagram(Instant::ZERO, local(), from(), &control, &mut buffer);
        assert!(matches!(control, Answer::Reply(_)), "after {}", case.name);
    }
}

// req: HS-2, S-16
#[test]
fn bad_values_in_checks_of_ice_are_found_with_their_attribute() {
    for case in given("I") {
        assert_eq!(case.expected, "reject: BadAttribute");
        let message = Message::parse(&case.bytes).expect("its structure is good");
        let error = message.check_attributes().expect_err(&case.name);
        assert!(message.raw(error.attribute).is_some(), "{}", case.name);
    }
}

/// A client that waits for an answer, and its request.
fn asking() -> (StunClient, Vec<u8>) {
    let mut client = StunClient::new(ClientConfig::new([3; 32]), local());
    client.bind(Instant::ZERO).expect("room");
    let mut buffer = [0; StunClient::BUFFER];
    let sent = client
        .poll_transmit(Instant::ZERO, &mut buffer)
        .expect("a request");
    let request = buffer[sent.bytes].to_vec();
    (client, request)
}

// req: HS-2, HS-10, S-22, A-22, HG-4
#[test]
fn the_client_gives_each_case_its_verdict_and_still_takes_the_right_answer() {
    for mut case in given("C") {
        let (mut client, request) = asking();
        if case.bytes[8..20] == ID {
            case.bytes[8..20].copy_from_slice(&request[8..20]);
        }
        let elsewhere = address("203.0.113.1:3479");
        let source = if case.name.ends_with("wrong_source") {
            elsewhere
        } else {
            local()
        };
        let handled = client.handle_datagram(Instant::ZERO, source, &case.bytes);
        let expected = match &case.expected[..] {
            "drop: UnknownTransaction" => Handled::Dropped(client::DropReason::UnknownTransaction),
            "drop: WrongAddress" => Handled::Dropped(client::DropReason::WrongAddress),
            "reject: BadAttribute" | "reject: MissingAttribute" => {
                Handled::Dropped(client::DropReason::BadAnswer)
            }
            "reject: UntrustedRedirect" => Handled::Consumed,
            accepted if accepted.starts_with("accept: code 400") => Handled::Consumed,
            other => panic!("{other}"),
        };
        assert_eq!(handled, expected, "{}", case.name);
        let event = client.poll_event();
        if handled == Handled::Consumed {
            let Some(ClientEvent::Failed(failed)) = event else {
                panic!("{}: {event:?}", case.name);
            };
            let forbidden = Failure::Redirect(RedirectError::Forbidden);
            let refused = matches!(failed.reason, Failure::Refused(number) if number.get() == 400);
            assert!(
                refused || failed.reason == forbidden,
                "{}: {failed:?}",
                case.name
            );
            continue;
        }
        assert_eq!((event, client.stats().dropped), (None, 1), "{}", case.name);
        let mut server = server("S");
        let mut buffer = [0; BindingServer::BUFFER];
        let answer = server.handle_datagram(Instant::ZERO, local(), from(), &request, &mut buffer);
        let Answer::Reply(reply) = answer else {
            panic!("{answer:?}")
        };
        let handled = client.handle_datagram(Instant::ZERO, local(), &buffer[reply.bytes]);
        assert_eq!(handled, Handled::Consumed, "after {}", case.name);
        let event = client.poll_event();
        assert!(
            matches!(event, Some(ClientEvent::Answered(_))),
            "after {}",
            case.name
        );
    }
}

#[test]
fn a_reason_that_is_no_text_reaches_nobody_as_it_is() {
    let case = given("C")
        .into_iter()
        .find(|case| case.name == "error_reason_not_utf8");
    let bytes = case.expect("it is there").bytes;
    let message = Message::parse(&bytes).expect("it is good");
    let code = message
        .get::<ErrorCode<'_>>()
        .expect("it is good")
        .expect("it is there");
    assert_eq!(code.number().get(), 400);
    assert_eq!(code.reason(), None);
    assert!(!format!("{message} {message:?}").contains(char::is_control));
}

fn long_term() -> LongTermServer {
    LongTermServer::new("gdwire", [7; 32], Offer::Sha256OrMd5).expect("the realm is short")
}

fn keys() -> LongTermKeys {
    LongTermKeys::new("u", "gdwire", "secret")
}

// req: HS-7, S-51, A-2
#[test]
fn requests_without_credentials_are_challenged_in_few_bytes() {
    for case in given("T")
        .into_iter()
        .filter(|case| CHALLENGED.contains(&&case.name[..]))
    {
        assert!(case.expected.starts_with("respond: 401"));
        let mut server = long_term();
        let request = Message::parse(&case.bytes).expect("it is good");
        let now = Instant::from_millis(5000);
        let refused = server.check(now, from(), &request, |_| Some(keys()));
        let refusal = refused.expect_err("no credentials");
        assert_eq!(refusal, Refusal::Unauthenticated);
        let mut buffer = [0; 200];
        let reply = server.refuse(now, from(), &request, refusal, &mut buffer);
        let reply = reply.expect("room").expect("no silence");
        let message = Message::parse(reply).expect("it is good");
        assert!(message.has::<Nonce<'_>>(), "{}", case.name);
        // The smallest request that may be answered has 28 bytes; the relay drops shorter ones.
        let length = case.bytes.len().max(28);
        assert!(
            2 * reply.len() <= 7 * length,
            "{}: {} bytes",
            case.name,
            reply.len()
        );
    }
}

/// What a request with right credentials and this nonce gets from a source.
fn with_nonce(server: &mut LongTermServer, now: Instant, nonce: &str) -> Result<(), Refusal> {
    let mut buffer = [0; 548];
    let key = Key::long_term_md5("u", "gdwire", "secret").expect("MD5 is there");
    let bytes = MessageWriter::new(
        &mut buffer,
        Class::Request,
        Method::ALLOCATE,
        TransactionId::new(ID),
    )
    .attribute(&RequestedTransport::UDP)
    .attribute(&Username::new("u").expect("it is short"))
    .attribute(&attribute::Realm::new("gdwire").expect("it is short"))
    .attribute(&Nonce::new(nonce).expect("it is short"))
    .integrity(&key)
    .finish()
    .expect("it fits");
    let request = Message::parse(bytes).expect("it is good");
    let known = |user| (user == User::Name("u")).then(keys);
    server.check(now, from(), &request, known).map(drop)
}

fn nonce_for(server: &mut LongTermServer, now: Instant, source: SocketAddr) -> String {
    let request = unhex("000300082112a4420102030405060708090a0b0c0019000411000000");
    let request = Message::parse(&request).expect("it is good");
    let mut buffer = [0; 200];
    let refused = server.refuse(now, source, &request, Refusal::Unauthenticated, &mut buffer);
    let reply = Message::parse(refused.expect("room").expect("no silence")).expect("it is good");
    let nonce = reply
        .get::<Nonce<'_>>()
        .expect("it is good")
        .expect("it is there");
    nonce.as_str().to_owned()
}

// req: HS-8, S-52
#[test]
fn nonces_that_are_forged_foreign_or_old_get_438() {
    let mut offers = LongTermServer::new("gdwire", [7; 32], Offer::Classic).expect("short");
    let server = &mut offers;
    let now = Instant::from_millis(5_000_000);
    let own = nonce_for(server, now, from());
    let foreign = nonce_for(server, now, address("192.0.2.10:40001"));
    assert_eq!(with_nonce(server, now, &own), Ok(()));
    for case in cases()
        .into_iter()
        .filter(|case| case.expected == "respond: 438")
    {
        let (at, nonce) = match &case.name[..] {
            "turn_nonce_forged" => (now, "0123456789abcdef"),
            "turn_nonce_of_other_client" => (now, &foreign[..]),
            "turn_nonce_old" => (Instant::from_millis(5_601_000), &own[..]),
            other => panic!("{other}"),
        };
        assert_eq!(
            with_nonce(server, at, nonce),
            Err(Refusal::StaleNonce),
            "{}",
            case.name
        );
    }
}

// req: HS-9
#[test]
fn a_name_whose_time_is_over_is_an_unknown_user() {
    type Secret = RestSecret;
    assert_eq!(
        Secret::check_username(1_767_225_700, "1767225600:u"),
        Err(RestError::Expired)
    );
    assert_eq!(
        Secret::check_username(1_767_225_660, "1767225600:u"),
        Ok("u")
    );
    assert_eq!(
        Secret::check_username(1_767_000_000, "1767225600:u"),
        Err(RestError::TooLong)
    );
}

// req: HS-16, HS-1
#[test]
fn channel_data_that_is_cut_or_reserved_is_dropped() {
    for case in given("T")
        .into_iter()
        .filter(|case| case.name.starts_with("turn_channel_data_"))
    {
        let parsed = ChannelData::parse(&case.bytes);
        let fits = match &case.expected[..] {
            "drop: NoAllocation" => parsed.is_ok(),
            "drop: BadLength" => matches!(parsed, Err(ChannelDataError::WrongLength { .. })),
            "drop: Truncated" => matches!(parsed, Err(ChannelDataError::Truncated(3))),
            "drop: NotStun" => matches!(parsed, Err(ChannelDataError::Reserved(_))),
            other => panic!("{other}"),
        };
        assert!(fits, "{}: {parsed:?}", case.name);
        assert!(Message::parse(&case.bytes).is_err(), "{}", case.name);
    }
}

// req: HS-15, S-73, S-74
#[test]
fn a_stream_in_drops_gives_the_same_as_one_write_and_garbage_ends_it() {
    let now = Instant::ZERO;
    let request = unhex("000300082112a4420102030405060708090a0b0c0019000411000000");
    let stream = [&request[..], b"\x40\x00\x00\x05hello\0\0\0"].concat();
    let mut framer = Framer::new(Framing::StunAndChannelData);
    let mut frames = Vec::new();
    for byte in &stream {
        let framed = framer
            .handle_bytes(now, core::slice::from_ref(byte))
            .expect("it is good");
        frames.extend(framed.frame.map(|frame| frame.as_bytes().to_vec()));
    }
    assert_eq!(frames, [request, b"\x40\x00\x00\x05hello".to_vec()]);
    let mut framer = Framer::new(Framing::StunAndChannelData);
    let garbage = vec![0xff; 65 << 10];
    assert_eq!(
        framer.handle_bytes(now, &garbage),
        Err(FrameError::BadFraming(0xff))
    );
    assert_eq!(framer.held_bytes(), 0);
}

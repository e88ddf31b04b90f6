use super::*;
use crate::attribute::{
    AlternateDomain, AlternateServer, AttributeType, ErrorCode, ErrorNumber, MappedAddress,
    OtherAddress, RawAttribute, Realm, UnknownAttributes, XorMappedAddress, XorPeerAddress,
};
use crate::auth::{AuthFailure, LongTermServer, Offer, User};
use crate::crypto::{Key, LongTermKeys};
use crate::message::{Class, Integrity, MessageWriter, SignedSha256};
use alloc::string::ToString;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn here() -> SocketAddr {
    address("198.51.100.7:40000")
}

fn server() -> SocketAddr {
    address("8.8.8.8:3478")
}

fn config() -> ClientConfig {
    ClientConfig::new([3; 32])
}

fn long_term() -> ClientAuth {
    ClientAuth::long_term("user", "secret").expect("the name is short")
}

/// What the client sends now: whom, and the request.
fn sent<P: Provider>(client: &mut StunClient<P>, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
    let mut buffer = [0; BUFFER];
    let transmit = client.poll_transmit(now, &mut buffer)?;
    Some((transmit.destination, buffer[transmit.bytes].to_vec()))
}

/// The response to `request` that `fill` writes.
fn response(
    request: &[u8],
    class: Class,
    fill: impl for<'b> FnOnce(MessageWriter<'b>) -> MessageWriter<'b, SignedSha256>,
) -> Vec<u8> {
    let request = Message::parse(request).expect("it is good");
    let mut buffer = [0; 1500];
    let writer = fill(MessageWriter::response(&mut buffer, class, &request));
    writer.finish().expect("it fits").to_vec()
}

fn success(request: &[u8]) -> Vec<u8> {
    response(request, Class::Success, |writer| {
        writer.attribute(&XorMappedAddress(here())).unsigned()
    })
}

fn error(request: &[u8], number: u16) -> Vec<u8> {
    let number = ErrorNumber::new(number).expect("an error");
    response(request, Class::Error, |writer| {
        writer.attribute(&ErrorCode::new(number)).unsigned()
    })
}

fn alternate(request: &[u8], to: &str) -> Vec<u8> {
    response(request, Class::Error, |writer| {
        writer
            .attribute(&ErrorCode::new(ErrorNumber::TRY_ALTERNATE))
            .attribute(&AlternateServer(address(to)))
            .unsigned()
    })
}

fn failure(client: &mut StunClient) -> Option<Failure> {
    match client.poll_event()? {
        ClientEvent::Failed(failed) => Some(failed.reason),
        other => panic!("{other:?}"),
    }
}

/// Runs until no request is open; gives the time.
fn run_out(client: &mut StunClient, from: Instant) -> Instant {
    let mut now = from;
    while let Some(at) = client.poll_timeout() {
        now = at;
        client.handle_timeout(now);
        while sent(client, now).is_some() {}
    }
    now
}

// req: S-22, S-71, HS-10, A-22
#[test]
fn an_answer_counts_only_from_where_the_request_went_and_under_its_id() {
    let mut client = StunClient::new(config(), server());
    let request = client.bind(Instant::ZERO).expect("room");
    let (to, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    assert_eq!((to, bytes.len()), (server(), 20));

    let now = Instant::from_millis(30);
    let answer = success(&bytes);
    let stranger = client.handle_datagram(now, address("8.8.8.8:3479"), &answer);
    assert_eq!(stranger, Handled::Dropped(DropReason::WrongAddress));
    let mut other = answer.clone();
    other[19] ^= 1;
    let other = client.handle_datagram(now, server(), &other);
    assert_eq!(other, Handled::Dropped(DropReason::UnknownTransaction));
    let echo = client.handle_datagram(now, server(), &bytes);
    assert_eq!(echo, Handled::Dropped(DropReason::NoResponse));
    let foreign = client.handle_datagram(now, server(), b"\xff\xff game");
    assert_eq!(foreign, Handled::NotMine);
    let broken = client.handle_datagram(now, server(), &answer[..24]);
    assert_eq!(broken, Handled::Dropped(DropReason::Malformed));
    assert_eq!(client.poll_event(), None);

    assert!(client.handle_datagram(now, server(), &answer).is_consumed());
    let Some(ClientEvent::Answered(answered)) = client.poll_event() else {
        panic!("no answer");
    };
    assert_eq!((answered.request, answered.mapped), (request, here()));
    assert_eq!((answered.server, answered.sends), (server(), 1));
    assert_eq!(answered.rtt, Some(Duration::from_millis(30)));
    assert!(answered.is_plausible && !answered.is_authentic);
    let again = client.handle_datagram(now, server(), &answer);
    assert_eq!(again, Handled::Dropped(DropReason::UnknownTransaction));
    assert_eq!(client.poll_timeout(), None);
    assert_eq!(client.stats().dropped, 5);
}

// req: S-3, S-65
#[test]
fn a_silent_server_gets_seven_identical_requests_in_thirty_nine_seconds_and_a_half() {
    let mut client = StunClient::new(config(), server());
    client.bind(Instant::ZERO).expect("room");
    let first = sent(&mut client, Instant::ZERO).expect("a request");
    let mut sends = 1;
    let mut now = Instant::ZERO;
    while let Some(at) = client.poll_timeout() {
        now = at;
        client.handle_timeout(now);
        while let Some(next) = sent(&mut client, now) {
            assert_eq!(next, first);
            sends += 1;
        }
    }
    assert_eq!((sends, now), (7, Instant::from_millis(39_500)));
    assert_eq!(failure(&mut client), Some(Failure::TimedOut));
}

// req: S-66
#[test]
fn the_next_request_waits_as_long_as_the_round_trips_before_say() {
    let mut config = config();
    config.schedule.rto = Duration::from_millis(20);
    let mut client = StunClient::new(config, server());
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    assert_eq!(client.poll_timeout(), Some(Instant::from_millis(20)));
    let now = Instant::from_millis(15);
    assert!(
        client
            .handle_datagram(now, server(), &success(&bytes))
            .is_consumed()
    );
    client.bind(now).expect("room");
    // SRTT and four times half of it.
    assert_eq!(client.poll_timeout(), Some(now + Duration::from_millis(45)));
}

// req: S-20
#[test]
fn an_error_of_the_server_is_tried_again_after_one_two_four_and_eight_seconds() {
    let mut client = StunClient::new(config(), server());
    client.bind(Instant::ZERO).expect("room");
    let mut now = Instant::ZERO;
    let mut ids = Vec::new();
    for expected in [1, 2, 4, 8] {
        let (_, bytes) = sent(&mut client, now).expect("a request");
        ids.push(bytes[8..20].to_vec());
        assert!(
            client
                .handle_datagram(now, server(), &error(&bytes, 500))
                .is_consumed()
        );
        assert_eq!(client.poll_timeout(), Some(now + SECOND * expected));
        now = now + SECOND * expected;
    }
    let (_, bytes) = sent(&mut client, now).expect("a request");
    assert!(!ids.contains(&bytes[8..20].to_vec()));
    assert!(
        client
            .handle_datagram(now, server(), &error(&bytes, 508))
            .is_consumed()
    );
    let Some(ClientEvent::Failed(failed)) = client.poll_event() else {
        panic!("it goes on");
    };
    let full = ErrorNumber::INSUFFICIENT_CAPACITY;
    assert_eq!((failed.reason, failed.sends), (Failure::Refused(full), 5));
    assert_eq!(client.stats().server_errors, 4);
}

// req: S-20, S-21, S-15, S-16
#[test]
fn each_other_answer_that_is_no_success_ends_the_request_with_its_reason() {
    let ask = |answer: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut client = StunClient::new(config(), server());
        client.bind(Instant::ZERO).expect("room");
        let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
        let handled = client.handle_datagram(Instant::ZERO, server(), &answer(&bytes));
        (handled, failure(&mut client))
    };
    let forbidden = ask(&|bytes| error(bytes, 403));
    let expected = Failure::Refused(ErrorNumber::FORBIDDEN);
    assert_eq!(forbidden, (Handled::Consumed, Some(expected)));
    let (_, unauthenticated) = ask(&|bytes| error(bytes, 401));
    let expected = Failure::Credentials(AuthFailure::NoCredentials);
    assert_eq!(unauthenticated, Some(expected));

    let mut list = UnknownAttributes::default();
    list.push(AttributeType::PRIORITY);
    let (_, unknown) = ask(&|bytes| {
        response(bytes, Class::Error, |writer| {
            let code = ErrorCode::new(ErrorNumber::UNKNOWN_ATTRIBUTE);
            writer.attribute(&code).attribute(&list).unsigned()
        })
    });
    assert_eq!(unknown, Some(Failure::UnknownAttributes(list)));

    let (_, strange) = ask(&|bytes| {
        response(bytes, Class::Success, |writer| {
            let strange = XorPeerAddress(here());
            let mapped = XorMappedAddress(here());
            writer.attribute(&mapped).attribute(&strange).unsigned()
        })
    });
    assert_eq!(strange, Some(Failure::AnswerNotUnderstood));

    // What is not well formed counts for nothing.
    let bad = (Handled::Dropped(DropReason::BadAnswer), None);
    assert_eq!(
        ask(&|bytes| response(bytes, Class::Success, |writer| writer.unsigned())),
        bad
    );
    assert_eq!(
        ask(&|bytes| response(bytes, Class::Error, |writer| writer.unsigned())),
        bad
    );
    let short = RawAttribute {
        kind: AttributeType::XOR_MAPPED_ADDRESS,
        value: &[0, 1],
    };
    let truncated = ask(&|bytes| {
        response(bytes, Class::Success, |writer| {
            writer.raw(short.kind, short.value).unsigned()
        })
    });
    assert_eq!(truncated, bad);
}

// req: S-79
#[test]
fn a_server_that_knows_the_plain_address_only_is_understood() {
    let mut client = StunClient::new(config(), server());
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    let answer = response(&bytes, Class::Success, |writer| {
        writer
            .attribute(&MappedAddress(here()))
            .attribute(&OtherAddress(server()))
            .unsigned()
    });
    assert!(
        client
            .handle_datagram(Instant::ZERO, server(), &answer)
            .is_consumed()
    );
    let event = client.poll_event();
    assert!(matches!(event, Some(ClientEvent::Answered(a)) if a.mapped == here()));
}

// req: A-21
#[test]
fn a_private_address_from_a_public_server_is_not_plausible() {
    for (server, mapped, plausible) in [
        ("8.8.8.8:3478", "10.0.0.1:5", false),
        ("8.8.8.8:3478", "127.0.0.1:5", false),
        ("8.8.8.8:3478", "9.9.9.9:5", true),
        ("10.0.0.9:3478", "10.0.0.1:5", true),
        ("127.0.0.1:3478", "127.0.0.1:5", true),
    ] {
        let server = address(server);
        let mut client = StunClient::new(config(), server);
        client.bind(Instant::ZERO).expect("room");
        let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
        let answer = response(&bytes, Class::Success, |writer| {
            writer
                .attribute(&XorMappedAddress(address(mapped)))
                .unsigned()
        });
        assert!(
            client
                .handle_datagram(Instant::ZERO, server, &answer)
                .is_consumed()
        );
        let Some(ClientEvent::Answered(answered)) = client.poll_event() else {
            panic!("no answer");
        };
        assert_eq!(answered.is_plausible, plausible, "{server} {mapped}");
    }
}

/// A server with one user that answers Binding with credentials only.
struct Guarded {
    auth: LongTermServer,
    keys: LongTermKeys,
}

impl Guarded {
    fn new(offer: Offer) -> Self {
        Self {
            auth: LongTermServer::new("example.org", [7; 32], offer).expect("a short realm"),
            keys: LongTermKeys::new("user", "example.org", "secret"),
        }
    }

    fn answer(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let request = Message::parse(bytes).expect("it is good");
        let keys = &self.keys;
        let known = |user: User<'_>| match user {
            User::Name(name) => name == "user",
            User::Hash(hash) => hash == crate::UserHash::of("user", "example.org"),
        };
        let checked = self
            .auth
            .check(now, from, &request, |user| known(user).then_some(keys));
        let mut buffer = [0; 1500];
        match checked {
            Ok(accepted) => {
                let writer = MessageWriter::response(&mut buffer, Class::Success, &request);
                let writer = writer.attribute(&XorMappedAddress(from));
                accepted.sign(writer).finish().expect("it fits").to_vec()
            }
            Err(refusal) => {
                let bytes = self.auth.refuse(now, from, &request, refusal, &mut buffer);
                bytes.expect("it fits").unwrap_or_default().to_vec()
            }
        }
    }

    /// Carries messages until the client has none; how many requests it sent.
    fn serve(&mut self, client: &mut StunClient, now: Instant) -> usize {
        let mut requests = 0;
        while let Some((to, bytes)) = sent(client, now) {
            requests += 1;
            let answer = self.answer(now, here(), &bytes);
            assert!(client.handle_datagram(now, to, &answer).is_consumed());
        }
        requests
    }
}

fn answered(client: &mut StunClient) -> Answered {
    match client.poll_event() {
        Some(ClientEvent::Answered(answered)) => answered,
        other => panic!("{other:?}"),
    }
}

// req: S-50, S-55, S-56, S-59, S-61
#[test]
fn a_challenge_is_answered_once_and_a_stale_nonce_followed_with_each_offer() {
    for offer in [Offer::Classic, Offer::Sha256OrMd5, Offer::Sha256] {
        let mut guarded = Guarded::new(offer);
        let mut client = StunClient::with_auth(config(), server(), long_term());
        let mut now = Instant::ZERO;
        client.bind(now).expect("room");
        assert_eq!(guarded.serve(&mut client, now), 2, "{offer:?}");
        let first = answered(&mut client);
        assert!(first.is_authentic && first.sends == 2);
        assert_eq!(client.auth().realm(), Some("example.org"));
        client.bind(now).expect("room");
        assert_eq!(guarded.serve(&mut client, now), 1, "{offer:?}");
        assert!(answered(&mut client).is_authentic);
        // Nonces live for ten minutes.
        now = now + SECOND * 700;
        client.bind(now).expect("room");
        assert_eq!(guarded.serve(&mut client, now), 2, "{offer:?}");
        assert!(answered(&mut client).is_authentic);
        assert_eq!(guarded.auth.stats().stale_nonces, 1);
    }
}

// req: S-55
#[test]
fn a_wrong_password_is_final_after_one_try() {
    let mut guarded = Guarded::new(Offer::Classic);
    let auth = ClientAuth::long_term("user", "guess").expect("a short name");
    let mut client = StunClient::with_auth(config(), server(), auth);
    client.bind(Instant::ZERO).expect("room");
    assert_eq!(guarded.serve(&mut client, Instant::ZERO), 2);
    let expected = Failure::Credentials(AuthFailure::WrongCredentials);
    assert_eq!(failure(&mut client), Some(expected));
}

// req: S-56, HS-10
#[test]
fn a_server_whose_nonces_are_all_stale_is_given_up() {
    let mut client = StunClient::with_auth(config(), server(), long_term());
    client.bind(Instant::ZERO).expect("room");
    let mut requests = 0;
    while let Some((to, bytes)) = sent(&mut client, Instant::ZERO) {
        requests += 1;
        let number = if requests == 1 { 401 } else { 438 };
        let number = ErrorNumber::new(number).expect("an error");
        let answer = response(&bytes, Class::Error, |writer| {
            let nonce = requests.to_string();
            writer
                .attribute(&ErrorCode::new(number))
                .attribute(&Realm::new("example.org").expect("short"))
                .attribute(&crate::attribute::Nonce::new(&nonce).expect("short"))
                .unsigned()
        });
        assert!(
            client
                .handle_datagram(Instant::ZERO, to, &answer)
                .is_consumed()
        );
        assert!(requests < 10);
    }
    assert_eq!(requests, 5);
    let expected = Failure::Credentials(AuthFailure::NonceLoop);
    assert_eq!(failure(&mut client), Some(expected));
}

// req: S-48, S-57, A-22
#[test]
fn unsigned_answers_to_a_signed_request_are_ignored_and_told_at_the_end() {
    let auth = ClientAuth::short_term("user", "secret").expect("a short name");
    let mut client = StunClient::with_auth(config(), server(), auth);
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    for forged in [
        success(&bytes),
        error(&bytes, 400),
        error(&bytes, 500),
        alternate(&bytes, "9.9.9.9:3478"),
    ] {
        let handled = client.handle_datagram(Instant::ZERO, server(), &forged);
        assert_eq!(handled, Handled::Dropped(DropReason::Unauthentic));
    }
    assert_eq!(client.stats().unauthentic, 4);
    let end = run_out(&mut client, Instant::ZERO);
    assert_eq!(end, Instant::from_millis(39_500));
    assert_eq!(failure(&mut client), Some(Failure::IntegrityViolated));
}

// req: S-48
#[test]
fn over_a_stream_a_wrong_integrity_ends_the_request_at_once() {
    let auth = ClientAuth::short_term("user", "secret").expect("a short name");
    let mut client = StunClient::with_auth(ClientConfig::stream([3; 32]), server(), auth);
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    let key = Key::short_term("guess");
    let forged = response(&bytes, Class::Success, |writer| {
        let writer = writer.attribute(&XorMappedAddress(here()));
        writer.integrity_as(Integrity::Sha256, &key)
    });
    assert_eq!(client.handle_bytes(Instant::ZERO, &forged), Ok(()));
    assert_eq!(failure(&mut client), Some(Failure::IntegrityViolated));
}

// req: S-62, S-63, HS-10
#[test]
fn a_redirection_is_followed_with_the_credentials_and_stays() {
    let mut guarded = Guarded::new(Offer::Classic);
    let mut client = StunClient::with_auth(config(), server(), long_term());
    let now = Instant::ZERO;
    client.bind(now).expect("room");
    let (_, bytes) = sent(&mut client, now).expect("a request");
    let redirect = response(&bytes, Class::Error, |writer| {
        writer
            .attribute(&ErrorCode::new(ErrorNumber::TRY_ALTERNATE))
            .attribute(&AlternateServer(address("9.9.9.9:3478")))
            .attribute(&AlternateDomain::new("b.example.org").expect("short"))
            .unsigned()
    });
    assert!(
        client
            .handle_datagram(now, server(), &redirect)
            .is_consumed()
    );
    let to = address("9.9.9.9:3478");
    let domain = Some("b.example.org".into());
    let event = client.poll_event();
    assert_eq!(event, Some(ClientEvent::Redirected { to, domain }));
    assert_eq!(client.server(), to);
    assert_eq!(guarded.serve(&mut client, now), 2);
    let answer = answered(&mut client);
    assert_eq!((answer.server, answer.sends), (to, 3));
    client.bind(now).expect("room");
    assert_eq!(sent(&mut client, now).map(|(to, _)| to), Some(to));
}

// req: S-62, S-63
#[test]
fn circles_long_chains_and_special_places_end_the_request() {
    let follow = |path: &[&str]| {
        let mut client = StunClient::new(config(), server());
        client.bind(Instant::ZERO).expect("room");
        for to in path {
            let (asked, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
            let answer = alternate(&bytes, to);
            assert!(
                client
                    .handle_datagram(Instant::ZERO, asked, &answer)
                    .is_consumed()
            );
        }
        let mut events = core::iter::from_fn(|| client.poll_event());
        events.find_map(|event| match event {
            ClientEvent::Failed(failed) => Some(failed.reason),
            _ => None,
        })
    };
    let failed = |error: RedirectError| Some(Failure::Redirect(error));
    assert_eq!(follow(&["9.9.9.9:1", "9.9.9.9:2", "9.9.9.9:3"]), None);
    assert_eq!(
        follow(&["9.9.9.9:1", "9.9.9.9:2", "9.9.9.9:3", "9.9.9.9:4"]),
        failed(RedirectError::TooMany)
    );
    assert_eq!(
        follow(&["9.9.9.9:1", "8.8.8.8:3478"]),
        failed(RedirectError::Circle)
    );
    assert_eq!(follow(&["8.8.8.8:3478"]), failed(RedirectError::Circle));
    assert_eq!(
        follow(&["127.0.0.1:3478"]),
        failed(RedirectError::Forbidden)
    );
    assert_eq!(
        follow(&["192.168.0.1:3478"]),
        failed(RedirectError::Forbidden)
    );
    assert_eq!(
        follow(&["[2001:4860::1]:3478"]),
        failed(RedirectError::OtherFamily)
    );

    let mut client = StunClient::new(config(), server());
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    let answer = error(&bytes, 300);
    assert!(
        client
            .handle_datagram(Instant::ZERO, server(), &answer)
            .is_consumed()
    );
    assert_eq!(failure(&mut client), failed(RedirectError::NoAddress));
}

// req: S-62
#[test]
fn requests_that_are_open_together_follow_one_redirection() {
    let mut client = StunClient::new(config(), server());
    let now = Instant::ZERO;
    client.bind(now).expect("room");
    client.bind(now).expect("room");
    let (_, first) = sent(&mut client, now).expect("a request");
    let (_, second) = sent(&mut client, now).expect("a request");
    for bytes in [first, second] {
        let answer = alternate(&bytes, "9.9.9.9:3478");
        assert!(client.handle_datagram(now, server(), &answer).is_consumed());
    }
    let to = address("9.9.9.9:3478");
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Redirected { .. })
    ));
    assert_eq!(client.poll_event(), None);
    for _ in 0..2 {
        let (asked, bytes) = sent(&mut client, now).expect("a request");
        assert!(
            client
                .handle_datagram(now, asked, &success(&bytes))
                .is_consumed()
        );
        assert_eq!(answered(&mut client).server, to);
    }
}

// req: S-62
#[test]
fn over_a_stream_everything_that_is_open_moves_to_the_new_connection() {
    let mut client = StunClient::new(ClientConfig::stream([3; 32]), server());
    let now = Instant::ZERO;
    client.bind(now).expect("room");
    client.bind(now).expect("room");
    let (_, first) = sent(&mut client, now).expect("a request");
    let (_, second) = sent(&mut client, now).expect("a request");
    let answer = alternate(&first, "9.9.9.9:3478");
    assert_eq!(client.handle_bytes(now, &answer), Ok(()));
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Redirected { .. })
    ));
    client.handle_connected();
    let to = address("9.9.9.9:3478");
    let again = [sent(&mut client, now), sent(&mut client, now)];
    let again = again.map(|sent| sent.expect("a request"));
    assert!(again.iter().all(|(asked, _)| *asked == to));
    assert_ne!(again[1].1, second);
    let stream = [success(&again[0].1), success(&again[1].1)].concat();
    assert_eq!(client.handle_bytes(now, &stream), Ok(()));
    assert_eq!(answered(&mut client).server, to);
    assert_eq!(answered(&mut client).server, to);
}

// req: S-68
#[test]
fn ten_requests_are_out_at_a_time_and_the_rest_wait_their_turn() {
    let mut client = StunClient::new(config(), server());
    let now = Instant::ZERO;
    for _ in 0..74 {
        client.bind(now).expect("room");
    }
    assert_eq!(client.bind(now), Err(QueueFull(64)));
    let mut out: Vec<_> = core::iter::from_fn(|| sent(&mut client, now)).collect();
    assert_eq!(out.len(), 10);
    for answered in 1..=74 {
        let (_, bytes) = out.remove(0);
        assert!(
            client
                .handle_datagram(now, server(), &success(&bytes))
                .is_consumed()
        );
        out.extend(core::iter::from_fn(|| sent(&mut client, now)));
        assert_eq!(out.len(), 10.min(74 - answered));
    }
    assert!(client.is_idle());
}

// req: S-67, S-73, S-74
#[test]
fn over_a_stream_a_request_goes_out_once_and_answers_may_come_in_pieces() {
    let mut client = StunClient::new(ClientConfig::stream([3; 32]), server());
    let now = Instant::ZERO;
    client.bind(now).expect("room");
    let (_, bytes) = sent(&mut client, now).expect("a request");
    for byte in success(&bytes) {
        assert_eq!(client.handle_bytes(now, &[byte]), Ok(()));
    }
    assert_eq!(answered(&mut client).mapped, here());

    client.bind(now).expect("room");
    assert!(sent(&mut client, now).is_some());
    assert_eq!(run_out(&mut client, now), Instant::from_millis(39_500));
    assert_eq!(failure(&mut client), Some(Failure::TimedOut));

    client.bind(now).expect("room");
    client.handle_closed();
    assert_eq!(failure(&mut client), Some(Failure::Closed));

    client.bind(now).expect("room");
    let error = FrameError::BadFraming(b'H');
    assert_eq!(client.handle_bytes(now, b"HTTP/1.1 400"), Err(error));
    assert_eq!(failure(&mut client), Some(Failure::Stream(error)));
    assert!(client.is_idle());
}

// req: S-75
#[test]
fn an_answer_that_stops_halfway_ends_what_is_open() {
    let mut client = StunClient::new(ClientConfig::stream([3; 32]), server());
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    let half = &success(&bytes)[..24];
    assert_eq!(client.handle_bytes(Instant::ZERO, half), Ok(()));
    assert_eq!(
        run_out(&mut client, Instant::ZERO),
        Instant::from_millis(30_000)
    );
    let expected = Failure::Stream(FrameError::Stalled);
    assert_eq!(failure(&mut client), Some(expected));
}

// req: S-69
#[test]
fn that_the_server_is_unreachable_is_counted_and_believed_only_on_request() {
    let mut client = StunClient::new(config(), server());
    client.bind(Instant::ZERO).expect("room");
    client.handle_unreachable(Instant::ZERO, server());
    assert_eq!(client.poll_event(), None);
    assert_eq!(client.stats().unreachable, 1);

    let mut credulous = config();
    credulous.believe_unreachable = true;
    let mut client = StunClient::new(credulous, server());
    client.bind(Instant::ZERO).expect("room");
    client.handle_unreachable(Instant::ZERO, here());
    assert_eq!(client.poll_event(), None);
    client.handle_unreachable(Instant::ZERO, server());
    assert_eq!(failure(&mut client), Some(Failure::Unreachable));
}

// req: S-70
#[test]
fn a_cancelled_request_is_not_sent_again_and_takes_its_answer_a_forgotten_one_does_not() {
    let mut client = StunClient::new(config(), server());
    let now = Instant::ZERO;
    let cancelled = client.bind(now).expect("room");
    let forgotten = client.bind(now).expect("room");
    let (_, first) = sent(&mut client, now).expect("a request");
    let (_, second) = sent(&mut client, now).expect("a request");
    client.cancel(cancelled);
    client.forget(forgotten);
    let later = Instant::from_millis(20_000);
    assert_eq!(sent(&mut client, later), None);
    assert!(
        client
            .handle_datagram(later, server(), &success(&first))
            .is_consumed()
    );
    assert_eq!(answered(&mut client).request, cancelled);
    let handled = client.handle_datagram(later, server(), &success(&second));
    assert_eq!(handled, Handled::Dropped(DropReason::UnknownTransaction));
}

// req: S-12
#[test]
fn on_a_shared_socket_both_directions_carry_a_fingerprint() {
    let mut shared = config();
    shared.fingerprint = true;
    let mut client = StunClient::new(shared, server());
    client.bind(Instant::ZERO).expect("room");
    let (_, bytes) = sent(&mut client, Instant::ZERO).expect("a request");
    let request = Message::parse(&bytes).expect("it is good");
    assert!(request.has_fingerprint());
    let handled = client.handle_datagram(Instant::ZERO, server(), &success(&bytes));
    assert_eq!(handled, Handled::Dropped(DropReason::Malformed));
    let mut buffer = [0; 100];
    let answer = MessageWriter::response(&mut buffer, Class::Success, &request)
        .attribute(&XorMappedAddress(here()))
        .fingerprint()
        .finish()
        .expect("it fits");
    assert!(
        client
            .handle_datagram(Instant::ZERO, server(), answer)
            .is_consumed()
    );
}

// req: S-8
#[test]
fn a_challenge_that_makes_the_request_too_long_for_unknown_paths_ends_it() {
    let name = "n".repeat(508);
    let auth = ClientAuth::long_term(&name, "secret").expect("it just fits");
    let mut guarded = Guarded::new(Offer::Classic);
    let mut client = StunClient::with_auth(config(), server(), auth);
    client.bind(Instant::ZERO).expect("room");
    assert_eq!(guarded.serve(&mut client, Instant::ZERO), 1);
    assert_eq!(failure(&mut client), Some(Failure::TooLong));
}

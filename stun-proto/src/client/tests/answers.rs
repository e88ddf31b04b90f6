//! Which answers count, and what errors lead to.

use super::*;

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

//! Requests that wait, are given up or share a socket.

use super::*;

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

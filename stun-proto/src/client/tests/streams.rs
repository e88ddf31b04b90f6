//! Over TCP or TLS.

use super::*;

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

//! ALTERNATE-SERVER.

use super::*;

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

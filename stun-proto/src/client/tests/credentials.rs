//! Long-term credentials.

use super::*;

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

use super::*;
use crate::attribute::{AttributeType, RequestedTransport};
use crate::auth::{Attempts, AuthFailure, ClientAuth, ResponseVerdict};
use crate::message::{Method, TransactionId};
use alloc::string::ToString;
use alloc::vec::Vec;

const NOW: Instant = Instant::from_millis(1_000_000);

fn from() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 40000))
}

fn server(offer: Offer) -> LongTermServer {
    LongTermServer::new("example.org", [7; 32], offer).expect("the realm is short")
}

fn keys() -> LongTermKeys {
    LongTermKeys::new("user", "example.org", "secret")
}

/// The user that the server knows, by name and by hash.
fn known(user: User<'_>) -> Option<LongTermKeys> {
    let hash = UserHash::of("user", "example.org");
    (user == User::Name("user") || user == User::Hash(hash)).then(keys)
}

fn request<'b>(
    buffer: &'b mut [u8],
    fill: impl FnOnce(MessageWriter<'b>) -> MessageWriter<'b, SignedSha256>,
) -> Message<'b> {
    let id = TransactionId::new([5; 12]);
    let writer = MessageWriter::new(buffer, Class::Request, Method::ALLOCATE, id)
        .attribute(&RequestedTransport::UDP);
    let bytes = fill(writer).finish().expect("it fits");
    Message::parse(bytes).expect("it is good")
}

fn check(server: &mut LongTermServer, request: &Message<'_>) -> Result<Integrity, Refusal> {
    let accepted = server.check(NOW, from(), request, known);
    accepted.map(|accepted| accepted.integrity())
}

/// The bytes of an answer that has to be there.
fn answer(reply: Result<Option<&[u8]>, BuildError>) -> &[u8] {
    reply.expect("it fits").expect("it is no silence")
}

/// A complete request with parts left out or replaced.
#[derive(Clone)]
struct Parts {
    user: Option<&'static str>,
    hash: Option<UserHash>,
    realm: Option<&'static str>,
    nonce: Option<String>,
    algorithms: Option<PasswordAlgorithms<'static>>,
    algorithm: Option<Algorithm>,
    key: Key,
    integrity: Integrity,
}

impl Parts {
    fn classic(server: &mut LongTermServer) -> Self {
        Self {
            user: Some("user"),
            hash: None,
            realm: Some("example.org"),
            nonce: Some(server.nonces.issue(NOW, from()).as_str().to_string()),
            algorithms: None,
            algorithm: None,
            key: keys().key(Algorithm::MD5).expect("MD5 is there").clone(),
            integrity: Integrity::Sha1,
        }
    }

    fn negotiated(server: &mut LongTermServer) -> Self {
        Self {
            algorithms: Some(PasswordAlgorithms::SHA256_MD5),
            algorithm: Some(Algorithm::SHA256),
            key: keys().key(Algorithm::SHA256).expect("it is there").clone(),
            integrity: Integrity::Sha256,
            ..Self::classic(server)
        }
    }

    fn send(&self, server: &mut LongTermServer) -> Result<Integrity, Refusal> {
        let mut buffer = [0; 548];
        let request = request(&mut buffer, |writer| self.fill(writer));
        check(server, &request)
    }

    fn fill<'b>(&self, mut writer: MessageWriter<'b>) -> MessageWriter<'b, SignedSha256> {
        for (kind, text) in [
            (AttributeType::USERNAME, self.user),
            (AttributeType::REALM, self.realm),
            (AttributeType::NONCE, self.nonce.as_deref()),
        ] {
            if let Some(text) = text {
                writer = writer.raw(kind, text.as_bytes());
            }
        }
        let choice = self.algorithm.map(PasswordAlgorithm::new);
        writer
            .attribute_if(self.hash.as_ref())
            .attribute_if(self.algorithms.as_ref())
            .attribute_if(choice.as_ref())
            .integrity_as(self.integrity, &self.key)
    }
}

// req: S-51, S-61, S-79
#[test]
fn a_request_without_credentials_is_challenged_and_a_complete_one_accepted() {
    let mut server = server(Offer::Classic);
    let mut buffer = [0; 548];
    let first = request(&mut buffer, MessageWriter::unsigned);
    assert_eq!(check(&mut server, &first), Err(Refusal::Unauthenticated));
    let parts = Parts::classic(&mut server);
    assert_eq!(parts.send(&mut server), Ok(Integrity::Sha1));
    let stats = *server.stats();
    assert_eq!((stats.challenged, stats.accepted), (1, 1));
}

// req: S-51
#[test]
fn an_incomplete_credential_is_a_bad_request() {
    let mut server = server(Offer::Classic);
    let complete = Parts::classic(&mut server);
    let without_user = Parts {
        user: None,
        ..complete.clone()
    };
    let without_realm = Parts {
        realm: None,
        ..complete.clone()
    };
    let without_nonce = Parts {
        nonce: None,
        ..complete
    };
    for parts in [without_user, without_realm, without_nonce] {
        assert_eq!(parts.send(&mut server), Err(Refusal::BadRequest));
    }
    assert_eq!(server.stats().bad_requests, 3);
}

// req: S-51, HS-5
#[test]
fn the_negotiated_algorithm_must_be_one_that_was_offered_as_it_was_offered() {
    let mut server = server(Offer::Sha256OrMd5);
    let good = Parts::negotiated(&mut server);
    assert_eq!(good.send(&mut server), Ok(Integrity::Sha256));
    let stripped = Parts {
        algorithms: Some(PasswordAlgorithms::MD5),
        algorithm: Some(Algorithm::MD5),
        ..good.clone()
    };
    let no_list = Parts {
        algorithms: None,
        ..good.clone()
    };
    let no_choice = Parts {
        algorithm: None,
        ..good.clone()
    };
    let foreign = Parts {
        algorithm: Some(Algorithm(9)),
        ..good.clone()
    };
    for parts in [stripped, no_list, no_choice, foreign] {
        assert_eq!(parts.send(&mut server), Err(Refusal::BadRequest));
    }
    let weak = Parts {
        integrity: Integrity::Sha1,
        ..good
    };
    assert_eq!(weak.send(&mut server), Err(Refusal::Unauthenticated));
}

// req: S-51, S-79
#[test]
fn clients_of_the_older_rfc_are_served_unless_only_sha256_is_offered() {
    let mut both = server(Offer::Sha256OrMd5);
    let parts = Parts::classic(&mut both);
    assert_eq!(parts.send(&mut both), Ok(Integrity::Sha1));
    let mut strict = server(Offer::Sha256);
    let parts = Parts::classic(&mut strict);
    assert_eq!(parts.send(&mut strict), Err(Refusal::Unauthenticated));
    let choice = Parts {
        algorithms: Some(PasswordAlgorithms::SHA256),
        ..Parts::negotiated(&mut strict)
    };
    assert_eq!(choice.send(&mut strict), Ok(Integrity::Sha256));
}

// req: S-33, S-51
#[test]
fn a_user_may_ask_by_hash() {
    let mut server = server(Offer::Sha256OrMd5);
    let by_hash = Parts {
        user: None,
        hash: Some(UserHash::of("user", "example.org")),
        ..Parts::negotiated(&mut server)
    };
    assert_eq!(by_hash.send(&mut server), Ok(Integrity::Sha256));
    let other = Parts {
        hash: Some(UserHash::of("other", "example.org")),
        ..by_hash
    };
    assert_eq!(other.send(&mut server), Err(Refusal::Unauthenticated));
}

// req: S-51, HS-9
#[test]
fn an_unknown_user_a_wrong_password_and_another_realm_give_the_same_bytes() {
    let mut replies = Vec::new();
    for wrong in 0..3 {
        let mut server = server(Offer::Sha256OrMd5);
        let mut parts = Parts::negotiated(&mut server);
        match wrong {
            0 => parts.user = Some("nobody"),
            1 => parts.key = Key::short_term("guess"),
            _ => parts.realm = Some("example.com"),
        }
        let refusal = parts.send(&mut server).expect_err("it is wrong");
        assert_eq!(refusal, Refusal::Unauthenticated);
        assert_eq!(server.stats().wrong_credentials, 1);
        let (mut first, mut buffer) = ([0; 100], [0; 200]);
        let request = request(&mut first, MessageWriter::unsigned);
        let reply = server.refuse(NOW, from(), &request, refusal, &mut buffer);
        replies.push(answer(reply).to_vec());
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]));
}

// req: S-51, S-52, HS-8
#[test]
fn an_old_nonce_is_stale_once_the_password_is_right() {
    let mut server = server(Offer::Classic);
    let old = Instant::from_millis(1_000_000 - 601_000);
    let parts = Parts {
        nonce: Some(server.nonces.issue(old, from()).as_str().to_string()),
        ..Parts::classic(&mut server)
    };
    assert_eq!(parts.send(&mut server), Err(Refusal::StaleNonce));
    let wrong = Parts {
        key: Key::short_term("guess"),
        ..parts
    };
    assert_eq!(wrong.send(&mut server), Err(Refusal::Unauthenticated));
    assert_eq!(server.stats().stale_nonces, 1);
}

// req: S-52, A-3, HS-8
#[test]
fn a_forged_or_stolen_nonce_is_stale_whatever_the_password_and_counts_for_nobody() {
    let mut server = server(Offer::Classic);
    let elsewhere = SocketAddr::from(([192, 0, 2, 10], 40001));
    let nonces = [
        server.nonces.issue(NOW, elsewhere).as_str().to_string(),
        "0123456789abcdef".to_string(),
    ];
    let good = Parts::classic(&mut server);
    for nonce in nonces {
        let right = Parts {
            nonce: Some(nonce),
            ..good.clone()
        };
        assert_eq!(right.send(&mut server), Err(Refusal::StaleNonce));
        let wrong = Parts {
            key: Key::short_term("guess"),
            ..right
        };
        for _ in 0..20 {
            assert_eq!(wrong.send(&mut server), Err(Refusal::StaleNonce));
        }
    }
    assert_eq!(good.send(&mut server), Ok(Integrity::Sha1));
    assert_eq!(server.guesses().locks(), 0);
}

// req: A-5
#[test]
fn ten_wrong_passwords_in_a_minute_are_met_with_silence_until_it_is_over() {
    let mut server = server(Offer::Sha256OrMd5);
    let good = Parts::negotiated(&mut server);
    let guess = Parts {
        key: Key::short_term("guess"),
        ..good.clone()
    };
    let by_hash = Parts {
        user: None,
        hash: Some(UserHash::of("user", "example.org")),
        ..guess.clone()
    };
    for count in 0..10 {
        // By name and by hash it is one user.
        let guess = if count % 2 == 0 { &guess } else { &by_hash };
        assert_eq!(guess.send(&mut server), Err(Refusal::Unauthenticated));
    }
    assert_eq!(server.guesses().locks(), 1);
    for parts in [&guess, &by_hash, &good] {
        assert_eq!(parts.send(&mut server), Err(Refusal::Locked));
    }
    assert_eq!(server.stats().locked, 3);
    let (mut first, mut buffer) = ([0; 100], [0; 200]);
    let request = request(&mut first, MessageWriter::unsigned);
    let silence = server.refuse(NOW, from(), &request, Refusal::Locked, &mut buffer);
    assert_eq!(silence, Ok(None));
    // Unknown users are locked out like known ones.
    let nobody = Parts {
        user: Some("nobody"),
        ..guess
    };
    for _ in 0..10 {
        assert_eq!(nobody.send(&mut server), Err(Refusal::Unauthenticated));
    }
    assert_eq!(nobody.send(&mut server), Err(Refusal::Locked));
    // The user is let in from another network.
    let mut buffer = [0; 548];
    let there = SocketAddr::from(([198, 51, 100, 10], 40000));
    let nonce = server.nonces.issue(NOW, there);
    let key = &good.key;
    let elsewhere = self::request(&mut buffer, |writer| {
        writer
            .attribute(&Username::new("user").expect("short"))
            .attribute(&Realm::new("example.org").expect("short"))
            .attribute(&Nonce::new(nonce.as_str()).expect("short"))
            .attribute(&PasswordAlgorithms::SHA256_MD5)
            .attribute(&PasswordAlgorithm::new(Algorithm::SHA256))
            .integrity_as(Integrity::Sha256, key)
    });
    assert!(server.check(NOW, there, &elsewhere, known).is_ok());
    let later = NOW + Duration::from_secs(61);
    let mut buffer = [0; 548];
    let retry = self::request(&mut buffer, |writer| good.fill(writer));
    assert!(server.check(later, from(), &retry, known).is_ok());
}

// req: A-5
#[test]
fn the_limits_of_guesses_can_be_set() {
    let limits = GuessLimits {
        failures_per_user: 2,
        ..GuessLimits::default()
    };
    let mut server = server(Offer::Classic).with_guess_limits(limits);
    let guess = Parts {
        key: Key::short_term("guess"),
        ..Parts::classic(&mut server)
    };
    assert_eq!(guess.send(&mut server), Err(Refusal::Unauthenticated));
    assert_eq!(guess.send(&mut server), Err(Refusal::Unauthenticated));
    assert_eq!(guess.send(&mut server), Err(Refusal::Locked));
}

// req: A-2, HS-7
#[test]
fn challenges_are_at_most_three_times_the_shortest_allocate_request() {
    for (offer, most) in [(Offer::Classic, 84), (Offer::Sha256OrMd5, 98)] {
        let mut server =
            LongTermServer::<RustCrypto>::new("twelve.bytes", [7; 32], offer).expect("short");
        let (mut first, mut buffer) = ([0; 100], [0; 200]);
        let request = request(&mut first, MessageWriter::unsigned);
        assert_eq!(request.as_bytes().len(), 28);
        for refusal in [
            Refusal::Unauthenticated,
            Refusal::StaleNonce,
            Refusal::BadRequest,
        ] {
            let reply = server.refuse(NOW, from(), &request, refusal, &mut buffer);
            assert!(answer(reply).len() <= most, "{offer:?} {refusal:?}");
        }
    }
}

// req: S-50, S-51, S-52, S-53, S-55, S-59
#[test]
fn client_and_server_agree_on_the_strongest_that_both_have() {
    for (offer, expected) in [
        (Offer::Classic, Integrity::Sha1),
        (Offer::Sha256OrMd5, Integrity::Sha256),
        (Offer::Sha256, Integrity::Sha256),
    ] {
        let mut server = server(offer);
        let mut client: ClientAuth = ClientAuth::long_term("user", "secret").expect("short");
        let mut attempts = Attempts::default();
        let mut rounds = 0;
        let integrity = loop {
            let (mut asked, mut answered) = ([0; 548], [0; 548]);
            let mut sent = None;
            let request = request(&mut asked, |writer| {
                let (writer, with) = client.apply(writer);
                sent = Some(with);
                writer
            });
            let sent = sent.expect("it was applied");
            let reply = match server.check(NOW, from(), &request, known) {
                Ok(accepted) => {
                    let writer = MessageWriter::response(&mut answered, Class::Success, &request);
                    accepted.sign(writer).finish().map(Some)
                }
                Err(refusal) => server.refuse(NOW, from(), &request, refusal, &mut answered),
            };
            let reply = Message::parse(answer(reply)).expect("it is good");
            rounds += 1;
            match client.handle_response(&reply, &sent, &mut attempts) {
                ResponseVerdict::Accept => break request.verify(server_key(offer)).ok(),
                ResponseVerdict::Retry => assert!(rounds < 3),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((integrity, rounds), (Some(expected), 2));
        assert_eq!(client.realm(), Some("example.org"));
    }
}

fn server_key(offer: Offer) -> &'static Key {
    let algorithm = match offer {
        Offer::Classic => Algorithm::MD5,
        _ => Algorithm::SHA256,
    };
    let keys = alloc::boxed::Box::leak(alloc::boxed::Box::new(keys()));
    keys.key(algorithm).expect("it is there")
}

#[test]
fn a_wrong_password_fails_after_one_retry() {
    let mut server = server(Offer::Classic);
    let mut client: ClientAuth = ClientAuth::long_term("user", "guess").expect("short");
    let mut attempts = Attempts::default();
    let mut verdicts = Vec::new();
    for _ in 0..2 {
        let (mut asked, mut answered) = ([0; 548], [0; 548]);
        let mut sent = None;
        let request = request(&mut asked, |writer| {
            let (writer, with) = client.apply(writer);
            sent = Some(with);
            writer
        });
        let refusal = check(&mut server, &request).expect_err("it is wrong");
        let reply = server.refuse(NOW, from(), &request, refusal, &mut answered);
        let reply = Message::parse(answer(reply)).expect("it is good");
        let sent = sent.expect("it was applied");
        verdicts.push(client.handle_response(&reply, &sent, &mut attempts));
    }
    let failed = ResponseVerdict::Fail(AuthFailure::WrongCredentials);
    assert_eq!(verdicts, [ResponseVerdict::Retry, failed]);
}

// req: HS-7, A-1, A-6, HG-13
#[test]
fn a_flood_of_first_requests_gets_few_challenges_and_who_knows_the_password_is_served() {
    let mut server = server(Offer::Classic);
    let network = |host: u8| SocketAddr::from(([203, 0, 113, host], 5000));
    let mut first = [0; 100];
    let request = request(&mut first, |writer| writer.unsigned());
    let mut buffer = [0; 200];
    let mut challenge = |server: &mut LongTermServer, millis, from| {
        let now = Instant::from_millis(millis);
        let refused = server.check(now, from, &request, |_| None::<LongTermKeys>);
        let refusal = refused.expect_err("no credentials");
        let reply = server.refuse(now, from, &request, refusal, &mut buffer);
        reply.expect("room").is_some()
    };
    let at_once = (0..100).filter(|&host| challenge(&mut server, 1000, network(host)));
    assert_eq!(at_once.count(), 20);
    assert_eq!(server.stats().rate_limited, 80);
    let later = (0..1000).filter(|&k| challenge(&mut server, 1000 + k * 10, network(7)));
    assert_eq!(later.count(), 99);
    // Other networks have not noticed, until all together are too many.
    let others = (0..4000_u32).filter(|&n| {
        let [_, _, a, b] = n.to_be_bytes();
        challenge(
            &mut server,
            20_000,
            SocketAddr::from(([100, a, b, 1], 5000)),
        )
    });
    assert!((900..=1000).contains(&others.count()));
    let unlimited = (0..100).filter(|_| {
        let now = Instant::from_millis(20_000);
        let refusal = Refusal::Unauthenticated;
        let mut buffer = [0; 200];
        let reply = server.refuse_on_stream(now, network(7), &request, refusal, &mut buffer);
        reply.expect("room").is_some()
    });
    assert_eq!(unlimited.count(), 100);
}

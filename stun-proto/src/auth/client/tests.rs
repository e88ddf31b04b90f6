use super::*;
use crate::attribute::XorMappedAddress;
use crate::message::{Method, TransactionId};

const ID: TransactionId = TransactionId::new([9; 12]);

/// A response built by `fill`, judged by `auth` for a request that it signed.
fn judge(
    auth: &mut ClientAuth,
    attempts: &mut Attempts,
    class: Class,
    fill: impl for<'b> FnOnce(MessageWriter<'b>) -> MessageWriter<'b, SignedSha256>,
) -> ResponseVerdict {
    let mut buffer = [0; 548];
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, ID);
    let (writer, sent) = auth.apply(writer);
    writer.finish().expect("it fits");
    let mut buffer = [0; 548];
    let writer = MessageWriter::new(&mut buffer, class, Method::ALLOCATE, ID);
    let bytes = fill(writer).finish().expect("it fits");
    let response = Message::parse(bytes).expect("it is good");
    auth.handle_response(&response, &sent, attempts)
}

fn long_term() -> ClientAuth {
    ClientAuth::long_term("user", "secret").expect("the name is short")
}

/// A challenge of `number` with this realm, nonce and list.
fn challenge<'b>(
    writer: MessageWriter<'b>,
    number: ErrorNumber,
    realm: &str,
    nonce: &str,
    algorithms: Option<PasswordAlgorithms<'_>>,
) -> MessageWriter<'b, SignedSha256> {
    writer
        .attribute(&ErrorCode::new(number))
        .attribute(&Realm::new(realm).expect("short"))
        .attribute(&Nonce::new(nonce).expect("short"))
        .attribute_if(algorithms.as_ref())
        .unsigned()
}

fn challenged(
    nonce: &str,
    algorithms: Option<PasswordAlgorithms<'_>>,
) -> (ClientAuth, ResponseVerdict) {
    let mut auth = long_term();
    let verdict = judge(
        &mut auth,
        &mut Attempts::default(),
        Class::Error,
        |writer| {
            challenge(
                writer,
                ErrorNumber::UNAUTHENTICATED,
                "realm",
                nonce,
                algorithms,
            )
        },
    );
    (auth, verdict)
}

// req: S-54, HS-5
#[test]
fn a_challenge_without_its_algorithms_is_a_downgrade() {
    let (_, verdict) = challenged("obMatJos2gAAAxyz", None);
    assert_eq!(verdict, ResponseVerdict::Fail(AuthFailure::Downgrade));
    let (_, verdict) = challenged("obMatJos2AAAAxyz", None);
    assert_eq!(verdict, ResponseVerdict::Retry);
    let list = PasswordAlgorithms::decode(&[0, 9, 0, 0], &ID).expect("one entry");
    let (_, verdict) = challenged("obMatJos2gAAAxyz", Some(list));
    assert_eq!(verdict, ResponseVerdict::Fail(AuthFailure::NoAlgorithm));
}

use crate::attribute::Attribute;

// req: S-54
#[test]
fn a_success_with_a_nonce_that_hides_its_algorithms_is_ignored() {
    let (mut auth, _) = challenged("plain", None);
    let key = Key::long_term_md5("user", "realm", "secret").expect("MD5 is there");
    let verdict = judge(
        &mut auth,
        &mut Attempts::default(),
        Class::Success,
        |writer| {
            writer
                .attribute(&Nonce::new("obMatJos2gAAAxyz").expect("short"))
                .integrity_as(Integrity::Sha1, &key)
        },
    );
    assert_eq!(verdict, ResponseVerdict::Discard);
}

// req: S-54, S-55
#[test]
fn the_retry_carries_what_the_challenge_asks_for_and_nothing_before_it() {
    let mut buffer = [0; 548];
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, ID);
    let bytes = long_term().apply(writer).0.finish().expect("it fits");
    assert_eq!(bytes.len(), 20);

    let (auth, verdict) = challenged("obMatJos2wAAAxyz", Some(PasswordAlgorithms::SHA256_MD5));
    assert_eq!(verdict, ResponseVerdict::Retry);
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, ID);
    let bytes = auth.apply(writer).0.finish().expect("it fits");
    let request = Message::parse(bytes).expect("it is good");
    assert!(!request.has::<Username<'_>>());
    assert_eq!(request.get(), Ok(Some(UserHash::of("user", "realm"))));
    assert_eq!(request.get(), Ok(Some(PasswordAlgorithms::SHA256_MD5)));
    assert_eq!(
        request.get(),
        Ok(Some(PasswordAlgorithm::new(Algorithm::SHA256)))
    );
    let key = Key::long_term_sha256("user", "realm", "secret");
    assert_eq!(request.verify(&key), Ok(Integrity::Sha256));
    assert!(!request.has_integrity_of(Integrity::Sha1));
}

// req: S-59
#[test]
fn a_server_that_is_too_weak_is_refused_where_sha256_is_asked_for() {
    let mut auth = long_term().with_integrity(Integrity::Sha256);
    let verdict = judge(
        &mut auth,
        &mut Attempts::default(),
        Class::Error,
        |writer| challenge(writer, ErrorNumber::UNAUTHENTICATED, "realm", "plain", None),
    );
    assert_eq!(verdict, ResponseVerdict::Fail(AuthFailure::NoAlgorithm));
}

// req: S-56, HS-10
#[test]
fn three_stale_nonces_in_a_row_are_followed_and_no_more() {
    let (mut auth, _) = challenged("first", None);
    let mut attempts = Attempts::default();
    for round in 0..4 {
        let verdict = judge(&mut auth, &mut attempts, Class::Error, |writer| {
            challenge(writer, ErrorNumber::STALE_NONCE, "realm", "next", None)
        });
        let expected = match round {
            0..3 => ResponseVerdict::Retry,
            _ => ResponseVerdict::Fail(AuthFailure::NonceLoop),
        };
        assert_eq!(verdict, expected);
    }
}

// req: S-57, A-22
#[test]
fn an_error_without_integrity_is_ignored_once_requests_are_signed() {
    let (mut auth, _) = challenged("plain", None);
    for number in [
        ErrorNumber::BAD_REQUEST,
        ErrorNumber::FORBIDDEN,
        ErrorNumber::SERVER_ERROR,
    ] {
        let verdict = judge(
            &mut auth,
            &mut Attempts::default(),
            Class::Error,
            |writer| writer.attribute(&ErrorCode::new(number)).unsigned(),
        );
        assert_eq!(verdict, ResponseVerdict::Discard);
    }
}

/// What `auth` makes of a 438 of another realm.
fn stale_elsewhere(auth: &mut ClientAuth) -> ResponseVerdict {
    judge(auth, &mut Attempts::default(), Class::Error, |writer| {
        challenge(writer, ErrorNumber::STALE_NONCE, "other", "next", None)
    })
}

// req: S-58, A-20
#[test]
fn a_change_of_realm_is_refused_unless_it_is_allowed() {
    let (mut auth, _) = challenged("plain", None);
    let verdict = stale_elsewhere(&mut auth);
    assert_eq!(verdict, ResponseVerdict::Fail(AuthFailure::RealmChanged));
    assert_eq!(auth.realm(), Some("realm"));
    let mut auth = auth.following_realm_changes();
    let verdict = stale_elsewhere(&mut auth);
    assert_eq!(verdict, ResponseVerdict::Retry);
    assert_eq!(auth.realm(), Some("other"));
}

// req: S-45, S-47, S-48, S-49
#[test]
fn a_short_term_client_offers_both_and_then_keeps_to_what_the_server_chose() {
    let mut auth: ClientAuth = ClientAuth::short_term("user", "secret").expect("short");
    let key = Key::short_term("secret");
    let mut buffer = [0; 200];
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, ID);
    let bytes = auth.apply(writer).0.finish().expect("it fits");
    let request = Message::parse(bytes).expect("it is good");
    assert!(request.has_integrity_of(Integrity::Sha1));
    assert_eq!(request.verify(&key), Ok(Integrity::Sha256));

    let address = XorMappedAddress(([192, 0, 2, 1], 5).into());
    let mut answer = |integrity| {
        judge(
            &mut auth,
            &mut Attempts::default(),
            Class::Success,
            |writer| writer.attribute(&address).integrity_as(integrity, &key),
        )
    };
    assert_eq!(answer(Integrity::Sha256), ResponseVerdict::Accept);
    assert_eq!(answer(Integrity::Sha1), ResponseVerdict::Discard);
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, ID);
    let bytes = auth.apply(writer).0.finish().expect("it fits");
    let request = Message::parse(bytes).expect("it is good");
    assert!(!request.has_integrity_of(Integrity::Sha1));
}

// req: HG-11, A-24
#[test]
fn nothing_of_a_secret_shows() {
    let auth = long_term();
    let password = Password::new("secret");
    let key = Key::short_term("secret");
    let shown = alloc::format!("{auth:?} {password:?} {key:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(password == Password::new("secret") && password != Password::new("other"));
}

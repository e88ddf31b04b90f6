use super::*;
use crate::{CandidateError, CredentialsError};
use alloc::string::{String, ToString};
use proptest::prelude::*;

fn credentials() -> Credentials {
    Credentials::new("UfRag/+1", "password0123456789abcdef").expect("good")
}

fn full() -> Description {
    let mut description = Description::new(credentials());
    description.lite = true;
    description.options.renomination = true;
    description.pacing = Some(Duration::from_millis(20));
    description.ended = true;
    description.candidates = [
        "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "candidate:2 1 udp 1694498815 203.0.113.7 5000 typ srflx raddr 10.0.0.1 rport 4000",
        "candidate:3 1 udp 2122252543 2001:db8::7 5000 typ host",
        "candidate:4 1 udp 16777215 198.51.100.9 50000 typ relay raddr 2001:db8::1 rport 9",
        "candidate:5 1 udp 7 192.0.2.9 5001 typ prflx raddr 0.0.0.0 rport 0",
        "candidate:6 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active",
        "candidate:7 2 udp 1 host.local 5000 typ host generation 0 ufrag abcd",
    ]
    .map(|line| line.parse().expect("a candidate"))
    .to_vec();
    description
}

// req: D-7
#[test]
fn the_compact_form_keeps_everything_and_is_small() {
    let description = full();
    let bytes = description.to_compact();
    assert_eq!(Description::from_compact(&bytes).as_ref(), Ok(&description));

    let mut usual = Description::new(credentials());
    usual.candidates = description.candidates[..4].to_vec();
    let bytes = usual.to_compact();
    assert_eq!(Description::from_compact(&bytes).as_ref(), Ok(&usual));
    assert!(bytes.len() <= 140, "{} bytes", bytes.len());
}

// req: D-7
#[test]
fn a_compact_description_that_is_cut_or_changed_is_refused_or_is_another_good_one() {
    let bytes = full().to_compact();
    for end in 0..bytes.len() {
        assert!(Description::from_compact(&bytes[..end]).is_err(), "{end}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(other) = Description::from_compact(&changed) {
                let again = Description::from_compact(&other.to_compact());
                assert_eq!(again, Ok(other));
            }
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        Description::from_compact(&longer),
        Err(CompactError::Malformed(_))
    ));
    let mut newer = bytes;
    newer[0] = 2;
    assert_eq!(
        Description::from_compact(&newer),
        Err(CompactError::Version(2))
    );
}

// req: D-7
#[test]
fn the_values_of_a_compact_description_are_checked() {
    let build = |ufrag: &str, count: u8, tail: &[u8]| {
        let mut bytes = alloc::vec![1, 0, u8::try_from(ufrag.len() - 1).expect("short")];
        bytes.extend(ufrag.as_bytes());
        bytes.push(21);
        bytes.extend([b'p'; 22]);
        bytes.push(count);
        bytes.extend(tail);
        Description::from_compact(&bytes)
    };
    let host = [0, 1, b'1', 0, 0, 0, 9, 10, 0, 0, 1, 0, 80];
    assert!(build("abcd", 1, &host).is_ok());
    let credentials = CompactError::Credentials(CredentialsError::BadUfrag);
    assert_eq!(build("ab:d", 0, &[]), Err(credentials));
    assert_eq!(build("abcd", 101, &[]), Err(CompactError::TooMany));
    let changed = |at: usize, value: u8| {
        let mut host = host;
        host[at] = value;
        build("abcd", 1, &host)
    };
    assert_eq!(changed(2, b':'), Err(CandidateError::BadFoundation.into()));
    assert_eq!(changed(3, 0x80), Err(CandidateError::BadPriority.into()));
    assert_eq!(changed(12, 0), Err(CandidateError::BadPort.into()));
    assert!(matches!(changed(0, 0x20), Err(CompactError::Malformed(_))));
    assert!(matches!(changed(0, 0x10), Err(CompactError::Malformed(_))));
}

// req: D-2, K-7
#[test]
fn attribute_lines_keep_everything() {
    let description = full();
    let lines = description.attributes();
    let expected = [
        "ice-lite",
        "ice-ufrag:UfRag/+1",
        "ice-pwd:password0123456789abcdef",
        "ice-options:ice2 trickle renomination",
        "ice-pacing:20",
    ];
    assert_eq!(lines[..5], expected);
    assert_eq!(lines.last().map(String::as_str), Some("end-of-candidates"));
    let read = Description::from_attributes(lines.iter().map(String::as_str));
    let read = read.expect("a description");
    assert_eq!((read.description, read.skipped), (description, 0));
}

// req: D-2
#[test]
fn lines_of_the_media_win_over_those_of_the_session_and_others_are_passed_over() {
    let lines = [
        "a=ice-ufrag:session1",
        "a=ice-pwd:sessionpassword0123456789",
        "a=fingerprint:sha-256 AA:BB",
        "a=ice-options:trickle unheard-of",
        "a=ice-ufrag:media123",
        "a=ice-pwd:mediapassword0123456789ab",
        "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host",
        "a=candidate:1 1 udp 1 192.0.2.1 99999 typ host",
        "a=candidate:1 1 sctp 1 192.0.2.1 5000 typ host",
        "a=mid:0",
    ];
    let read = Description::from_attributes(lines).expect("a description");
    assert_eq!(read.description.credentials.ufrag(), "media123");
    assert!(read.description.options.trickle && !read.description.options.ice2);
    assert_eq!((read.description.candidates.len(), read.skipped), (1, 2));
}

// hostile.json: ufrag_*, pwd_*, sdp_attributes_100000, sdp_counter_wrap
// req: D-2, D-6, HI-12
#[test]
fn lines_without_good_credentials_or_without_end_are_refused() {
    let read = |lines: &[&str]| {
        Description::from_attributes(lines.iter().copied()).map(|read| read.description)
    };
    let password = "a=ice-pwd:pppppppppppppppppppppp";
    assert_eq!(read(&[password]), Err(DescriptionError::NoCredentials));
    assert_eq!(
        read(&["a=ice-ufrag:abc", password]),
        Err(CredentialsError::BadUfrag.into())
    );
    assert_eq!(
        read(&["a=ice-ufrag:ab:cd", password]),
        Err(CredentialsError::BadUfrag.into())
    );
    assert_eq!(
        read(&["a=ice-ufrag:abcd", "a=ice-pwd:ppppppppppppppppppppp"]),
        Err(CredentialsError::BadPassword.into())
    );
    assert_eq!(
        read(&["a=ice-ufrag:abcd", "a=ice-pwd:pppppppppppppppppppppp x"]),
        Err(CredentialsError::BadPassword.into())
    );
    assert_eq!(
        read(&["a=ice-ufrag:abcd", password, "a=ice-mismatch"]),
        Err(DescriptionError::Mismatch)
    );
    let lines = core::iter::repeat_n("a=x:y", 100_000);
    let endless = Description::from_attributes(lines);
    assert_eq!(endless, Err(DescriptionError::TooLong));
    let many: Vec<String> = (0..300)
        .map(|port| alloc::format!("a=candidate:1 1 udp 1 192.0.2.1 {} typ host", port + 1))
        .collect();
    let lines = ["a=ice-ufrag:abcd", password].into_iter();
    let lines = lines.chain(many.iter().map(String::as_str));
    let read = Description::from_attributes(lines).expect("a description");
    assert_eq!(
        (read.description.candidates.len(), read.skipped),
        (100, 200)
    );
    assert_eq!(read.description.candidates[0].address.port(), 1);
}

proptest! {
    #[test]
    fn no_bytes_make_the_compact_form_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Description::from_compact(&bytes);
    }

    #[test]
    fn no_text_makes_the_lines_panic(text in ".{0,200}") {
        let _ = Description::from_attributes(text.split('\n'));
        let _ = text.parse::<Candidate>().map(|candidate| candidate.to_string());
    }
}

//! Offers and answers of other implementations, as they wrote them on one day, and ours.
#![cfg(feature = "sdp")]

use ice_lite::{Candidate, Credentials, Description, DescriptionError, Transport, parse_sdp};

/// What the files hold: fragment, candidates over UDP and TCP, trickle, ice2, ended.
const RECORDED: [(&str, &str, [usize; 2], [bool; 3]); 10] = [
    ("aiortc-offer", "Nnaa", [2, 0], [false, false, true]),
    ("aiortc-answer", "2tMd", [2, 0], [false, false, true]),
    // Names of multicast DNS in place of addresses.
    ("chromium-offer", "Ux7Q", [2, 0], [true, false, false]),
    ("chromium-answer", "PmD2", [2, 0], [true, false, false]),
    ("libdatachannel-offer", "WnCb", [2, 0], [true, true, true]),
    ("libdatachannel-answer", "JJXC", [2, 0], [true, true, true]),
    ("libwebrtc-offer", "ZfPm", [4, 4], [true, false, false]),
    ("libwebrtc-answer", "oiWb", [4, 0], [true, false, false]),
    ("werift-offer", "a9c8", [2, 0], [true, false, true]),
    ("werift-answer", "731c", [2, 0], [true, false, true]),
];

fn recorded(name: &str) -> String {
    let path = format!("{}/tests/data/sdp/{name}.sdp", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// req: D-2, D-4, K-7
#[test]
fn offers_and_answers_of_other_implementations_are_read() {
    for (name, ufrag, [udp, tcp], [trickle, ice2, ended]) in RECORDED {
        let session = parse_sdp(&recorded(name)).expect(name);
        let read = Description::from_sdp(&session, 0).expect(name);
        let description = read.description;
        assert_eq!(description.credentials.ufrag(), ufrag);
        let over_udp = |candidate: &&Candidate| candidate.transport == Transport::Udp;
        assert_eq!(
            description.candidates.iter().filter(over_udp).count(),
            udp,
            "{name}"
        );
        assert_eq!(description.candidates.len(), udp + tcp, "{name}");
        assert_eq!(read.skipped, 0, "{name}");
        assert!(!read.mismatch && !description.lite, "{name}");
        let options = description.options;
        assert_eq!((options.trickle, options.ice2), (trickle, ice2), "{name}");
        assert_eq!(description.ended, ended, "{name}");
    }
}

// req: D-2
#[test]
fn what_is_written_into_a_session_is_read_back_and_the_rest_of_it_stays() {
    for (name, ..) in RECORDED {
        let text = recorded(name);
        let mut session = parse_sdp(&text).expect(name);
        let theirs = Description::from_sdp(&session, 0).expect(name).description;
        let mut ours =
            Description::new(Credentials::new("ours", "oursoursoursoursoursours").expect("good"));
        ours.lite = true;
        ours.candidates = theirs.candidates.clone();
        ours.write_sdp(&mut session, 0).expect(name);
        let written = session.marshal();
        let again = parse_sdp(&written).expect(name);
        let read = Description::from_sdp(&again, 0).expect(name);
        assert_eq!(read.description, ours, "{name}");
        assert!(!read.mismatch, "{name}: {written}");
        assert!(!written.contains(theirs.credentials.ufrag()) || name.contains("werift"));
        for line in text.lines().filter(|line| {
            line.starts_with("a=fingerprint")
                || line.starts_with("a=setup")
                || line.starts_with("a=mid")
        }) {
            assert!(written.contains(line), "{name}: {line}");
        }
    }
}

// req: K-7
#[test]
fn without_candidates_the_default_destination_says_nothing() {
    let mut session = parse_sdp(&recorded("werift-offer")).expect("an offer");
    let ours = Description::new(Credentials::new("ours", &"ours".repeat(6)).expect("good"));
    ours.write_sdp(&mut session, 0).expect("a section");
    let written = session.marshal();
    assert!(written.contains("m=application 9 ") && written.contains("c=IN IP4 0.0.0.0\r\n"));
}

// req: D-4
#[test]
fn a_default_destination_that_is_no_candidate_is_a_mismatch() {
    let text = recorded("aiortc-offer").replace("c=IN IP4 192.0.2.2", "c=IN IP4 198.51.100.7");
    let session = parse_sdp(&text).expect("an offer");
    assert!(Description::from_sdp(&session, 0).expect("ICE").mismatch);
}

// hostile.json: sdp_attributes_100000, sdp_line_without_equals, sdp_counter_wrap
// req: HI-12, D-6
#[test]
fn hostile_sessions_are_refused_or_cut() {
    let offer = recorded("werift-offer");
    let long = offer.clone() + &"a=x:y\r\n".repeat(100_000);
    assert_eq!(parse_sdp(&long).err(), Some(DescriptionError::TooLong));
    let media = "m=audio 9 RTP/AVP 0\r\n".repeat(17);
    let many = offer.clone() + &media;
    assert_eq!(parse_sdp(&many).err(), Some(DescriptionError::TooLong));
    for broken in [
        "",
        "v=0",
        "v=0\r\nxyz\r\n",
        "candidate:",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na",
    ] {
        assert_eq!(
            parse_sdp(broken).err(),
            Some(DescriptionError::NotSdp),
            "{broken:?}"
        );
    }
    let three_hundred: String = (0..300)
        .map(|number| format!("a=x{number}:y\r\n"))
        .collect();
    let session = parse_sdp(&(offer.clone() + &three_hundred)).expect("within bounds");
    let read = Description::from_sdp(&session, 0).expect("ICE");
    assert_eq!(read.description.credentials.ufrag(), "a9c8");
    assert_eq!(
        Description::from_sdp(&session, 1).err(),
        Some(DescriptionError::NoMedia)
    );
    // Every single change is refused or read, and nothing panics.
    let bytes = offer.as_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] = changed[at].wrapping_add(1) & 0x7f;
        if let Ok(session) = parse_sdp(&String::from_utf8_lossy(&changed)) {
            let _ = Description::from_sdp(&session, 0);
        }
    }
}

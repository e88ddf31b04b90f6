use super::*;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::SeedRng;

// req: U-1, U-3
#[test]
fn uris_are_read_and_written_in_their_canonical_form() {
    for (text, canonical, port) in [
        ("stun:example.org", "stun:example.org", 3478),
        ("STUN:Example.ORG:3478", "stun:example.org", 3478),
        ("stuns:example.org", "stuns:example.org", 5349),
        ("stun:192.0.2.1:1000", "stun:192.0.2.1:1000", 1000),
        ("stun:[2001:DB8::1]", "stun:[2001:db8::1]", 3478),
        (
            "stun:[2001:db8::1]:19302",
            "stun:[2001:db8::1]:19302",
            19302,
        ),
        (
            "turn:example.org?transport=TCP",
            "turn:example.org?transport=tcp",
            3478,
        ),
        (
            "turns:a.b:443?transport=udp",
            "turns:a.b:443?transport=udp",
            443,
        ),
    ] {
        let uri: ServerUri = text.parse().expect(text);
        assert_eq!(uri.to_string(), canonical);
        assert_eq!(uri.port(), port, "{text}");
        let again: ServerUri = canonical.parse().expect(canonical);
        assert_eq!(again.to_string(), canonical);
    }
}

// req: U-1, U-2
#[test]
fn what_is_no_uri_of_a_server_is_refused_with_the_part_that_is_wrong() {
    let long = alloc::format!("stun:{}", "a".repeat(256));
    for (text, error) in [
        ("", UriError::Scheme),
        ("example.org", UriError::Scheme),
        ("http:example.org", UriError::Scheme),
        ("stun://example.org", UriError::Slashes),
        ("stun:", UriError::Host),
        ("stun::3478", UriError::Host),
        ("stun:user@example.org", UriError::Host),
        ("stun:exa mple.org", UriError::Host),
        ("stun:example.org/path", UriError::Host),
        ("stun:example.org#part", UriError::Host),
        ("stun:ex%41mple.org", UriError::Host),
        ("stun:.org", UriError::Host),
        ("stun:a..b", UriError::Host),
        ("stun:-a", UriError::Host),
        ("stun:2001:db8::1", UriError::Port),
        ("stun:[2001:db8::1", UriError::Host),
        ("stun:[fe80::1%eth0]", UriError::Host),
        ("stun:[192.0.2.1]", UriError::Host),
        ("stun:[::1]x", UriError::Host),
        (&long, UriError::Host),
        ("stun:example.org:", UriError::Port),
        ("stun:example.org:0", UriError::Port),
        ("stun:example.org:65536", UriError::Port),
        ("stun:example.org:+1", UriError::Port),
        ("stun:example.org: 1", UriError::Port),
        ("stun:example.org?transport=udp", UriError::Query),
        ("turn:example.org?transport=sctp", UriError::Query),
        ("turn:example.org?proto=udp", UriError::Query),
        ("turn:example.org?transport=udp?x", UriError::Query),
        ("turn:example.org?", UriError::Query),
    ] {
        assert_eq!(text.parse::<ServerUri>(), Err(error), "{text}");
    }
    let lenient =
        ServerUri::parse_lenient("stun:example.org?transport=tcp").expect("as in browsers");
    assert_eq!(lenient.transport(), Some(UriTransport::Tcp));
}

// req: U-4
#[test]
fn a_name_is_looked_up_as_a_service_first_unless_a_port_or_an_address_is_stated() {
    let lookups = |text: &str| text.parse::<ServerUri>().expect(text).lookups();
    let service = |name: &str| Lookup::Service(name.into());
    let host = |name: &str, port| Lookup::Host {
        name: name.into(),
        port,
    };
    assert_eq!(
        lookups("stun:a.org"),
        [service("_stun._udp.a.org"), host("a.org", 3478)]
    );
    assert_eq!(
        lookups("stuns:a.org"),
        [service("_stuns._tcp.a.org"), host("a.org", 5349)]
    );
    assert_eq!(
        lookups("turn:a.org"),
        [
            service("_turn._udp.a.org"),
            service("_turn._tcp.a.org"),
            host("a.org", 3478)
        ]
    );
    assert_eq!(
        lookups("turns:a.org?transport=udp"),
        [service("_turns._udp.a.org"), host("a.org", 5349)]
    );
    assert_eq!(lookups("stun:a.org:99"), [host("a.org", 99)]);
    let address = "[::1]:3478".parse().expect("an address");
    assert_eq!(lookups("stun:[::1]"), [Lookup::Address(address)]);
    let uri: ServerUri = "stun:a.org".parse().expect("a URI");
    let behavior = uri.behavior_service();
    assert_eq!(behavior.as_deref(), Some("_stun-behavior._udp.a.org"));
}

// req: U-4
#[test]
fn records_are_tried_by_priority_and_drawn_by_weight() {
    let record = |priority, weight, target: &str| ServiceRecord {
        priority,
        weight,
        port: 3478,
        target: target.into(),
    };
    let mut rng = SeedRng::new([4; 32]);
    let mut heavy_first = 0;
    for _ in 0..1000 {
        let mut records = [
            record(20, 0, "last"),
            record(10, 1, "light"),
            record(10, 9, "heavy"),
            record(10, 0, "none"),
        ];
        order_records(&mut records, &mut rng);
        let names: Vec<&str> = records.iter().map(|record| &*record.target).collect();
        assert_eq!(names[3], "last");
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["heavy", "last", "light", "none"]);
        heavy_first += usize::from(names[0] == "heavy");
    }
    // Nine tenths of eleven chances.
    assert!((760..880).contains(&heavy_first), "{heavy_first}");
    order_records(&mut [], &mut rng);
}

// req: U-5
#[test]
fn the_families_are_tried_in_turn_ipv6_first() {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let found = ["1.1.1.1:1", "1.1.1.2:1", "[::2]:1", "1.1.1.3:1"].map(address);
    let expected = ["[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"].map(address);
    let tried: Vec<Attempt> = attempts(&found).collect();
    assert_eq!(tried.len(), 4);
    for (place, (attempt, expected)) in (0..).zip(tried.iter().zip(expected)) {
        assert_eq!(attempt.server, expected);
        assert_eq!(attempt.after, Duration::from_millis(250 * place));
    }
    assert_eq!(attempts(&[]).next(), None);
}

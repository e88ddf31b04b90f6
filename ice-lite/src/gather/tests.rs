use super::*;
use alloc::string::ToString;
use alloc::vec;
use stun_proto::attribute::{ErrorCode, ErrorNumber, XorMappedAddress};
use stun_proto::{Class, MessageWriter};

const MILLISECOND: Duration = Duration::from_millis(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn config(bases: &[&str], servers: &[&str]) -> GatherConfig {
    let all = |texts: &[&str]| texts.iter().map(|text| address(text)).collect();
    GatherConfig::new([1; 32], all(bases), all(servers))
}

fn gatherer(config: GatherConfig) -> Gatherer {
    Gatherer::new(Instant::ZERO, config).expect("a valid configuration")
}

/// What a gatherer sent: when, from where, to where, and the request.
type Sent = (Instant, SocketAddr, SocketAddr, Vec<u8>);

/// Runs for `limit` and gives all that was sent; `answer` may answer each.
fn run(
    gatherer: &mut Gatherer,
    limit: Duration,
    mut answer: impl FnMut(&Sent) -> Option<(SocketAddr, Vec<u8>)>,
) -> Vec<Sent> {
    let mut buffer = [0; Gatherer::BUFFER];
    let (mut sent, mut now) = (Vec::new(), gatherer.now);
    let end = now + limit;
    while now <= end {
        gatherer.handle_timeout(now);
        while let Some(transmit) = gatherer.poll_transmit(now, &mut buffer) {
            let bytes = buffer[transmit.bytes].to_vec();
            let source = transmit.source.expect("a base");
            let item = (now, source, transmit.destination, bytes);
            if let Some((from, bytes)) = answer(&item) {
                let _ = gatherer.handle_datagram(now, source, from, &bytes);
            }
            sent.push(item);
        }
        let Some(next) = gatherer.poll_timeout() else {
            break;
        };
        now = next.max(now + MILLISECOND / 1000);
    }
    sent
}

fn success(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
    let request = Message::parse(request).expect("a request");
    let mut buffer = [0; 128];
    let writer = MessageWriter::response(&mut buffer, Class::Success, &request);
    let writer = writer.attribute(&XorMappedAddress(mapped));
    writer.finish().expect("it fits").to_vec()
}

/// What was told, as text.
fn told(gatherer: &mut Gatherer) -> Vec<alloc::string::String> {
    core::iter::from_fn(|| gatherer.poll_event())
        .map(|event| match event {
            GatherEvent::Candidate(candidate) => {
                alloc::format!("{} {}", candidate.kind().word(), candidate.address())
            }
            GatherEvent::Failed { failure, .. } => failure.to_string(),
            GatherEvent::Done => "done".to_string(),
        })
        .collect()
}

// req: I-3
#[test]
fn each_socket_asks_each_server_of_its_family_once_per_ta() {
    let bases = ["10.0.0.2:4000", "[2001:db8::2]:4000", "[fe80::2]:4000"];
    let servers = ["192.0.2.1:3478", "[2001:db8:1::1]:3478", "192.0.2.2:3478"];
    let mut gatherer = gatherer(config(&bases, &servers));
    let sent = run(&mut gatherer, 300 * MILLISECOND, |_| None);
    let asked: Vec<_> = sent
        .iter()
        .map(|(at, base, server, _)| (at.as_millis(), base.to_string(), server.to_string()))
        .collect();
    let expected = [
        (0, "10.0.0.2:4000", "192.0.2.1:3478"),
        (50, "[2001:db8::2]:4000", "[2001:db8:1::1]:3478"),
        (100, "10.0.0.2:4000", "192.0.2.2:3478"),
    ];
    let expected = expected.map(|(at, base, to)| (at, base.to_string(), to.to_string()));
    assert_eq!(asked, expected);
}

// req: I-3
#[test]
fn the_timeout_grows_with_the_number_of_questions() {
    let servers = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"];
    let bases = ["10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3", "10.0.0.2:4"];
    let mut gatherer = gatherer(config(&bases, &servers));
    let sent = run(&mut gatherer, Duration::from_secs(9), |_| None);
    let first = (sent[0].1, sent[0].2);
    let times = sent.iter().filter(|sent| (sent.1, sent.2) == first);
    let times: Vec<u64> = times.map(|sent| sent.0.as_millis()).collect();
    assert_eq!(
        times,
        [0, 800, 2400, 5600],
        "16 questions of 50 ms are 800 ms"
    );
}

#[test]
fn servers_that_see_the_same_give_one_candidate_and_the_end_is_told_last() {
    let mut gatherer = gatherer(config(
        &["10.0.0.2:4000"],
        &["192.0.2.1:3478", "192.0.2.2:3478"],
    ));
    run(
        &mut gatherer,
        MILLISECOND * 500,
        |(_, _, server, request)| Some((*server, success(request, address("203.0.113.5:6000")))),
    );
    assert_eq!(
        told(&mut gatherer),
        ["host 10.0.0.2:4000", "srflx 203.0.113.5:6000", "done"]
    );
    assert!(gatherer.is_done());
}

// req: I-4
#[test]
fn a_server_that_sees_the_socket_itself_gives_no_candidate() {
    let mut gatherer = gatherer(config(&["203.0.113.5:6000"], &["192.0.2.1:3478"]));
    run(&mut gatherer, MILLISECOND, |(_, base, server, request)| {
        Some((*server, success(request, *base)))
    });
    assert_eq!(told(&mut gatherer), ["host 203.0.113.5:6000", "done"]);
}

// req: S-22
#[test]
fn an_answer_from_elsewhere_or_to_another_question_says_nothing() {
    let mut gatherer = gatherer(config(&["10.0.0.2:4000"], &["192.0.2.1:3478"]));
    let forged = address("203.0.113.66:6666");
    let sent = run(&mut gatherer, MILLISECOND, |(_, _, _, request)| {
        Some((address("198.51.100.9:3478"), success(request, forged)))
    });
    let (_, base, server, request) = &sent[0];
    let now = gatherer.now;
    let good = success(request, forged);
    let elsewhere = address("10.0.0.9:4000");
    assert_eq!(
        gatherer.handle_datagram(now, elsewhere, *server, &good),
        Handled::Dropped(GatherDrop::WrongAddress)
    );
    let mut other = good.clone();
    other[19] ^= 1;
    assert_eq!(
        gatherer.handle_datagram(now, *base, *server, &other),
        Handled::NotMine,
        "it may be for the agent"
    );
    assert_eq!(
        gatherer.handle_datagram(now, *base, *server, b"data"),
        Handled::NotMine
    );
    assert_eq!(told(&mut gatherer), ["host 10.0.0.2:4000"]);
    assert!(
        gatherer
            .handle_datagram(now, *base, *server, &good)
            .is_consumed()
    );
    assert_eq!(told(&mut gatherer), ["srflx 203.0.113.66:6666", "done"]);
}

#[test]
fn silence_and_refusal_are_told_and_end_the_search_in_ten_seconds() {
    let mut gatherer = gatherer(config(
        &["10.0.0.2:4000"],
        &["192.0.2.1:3478", "192.0.2.2:3478", "192.0.2.3:3478"],
    ));
    run(
        &mut gatherer,
        Duration::from_secs(9),
        |(_, _, server, request)| {
            let request_read = Message::parse(request).expect("a request");
            match server.ip().to_string().as_str() {
                "192.0.2.1" => {
                    let mut buffer = [0; 128];
                    let writer = MessageWriter::response(&mut buffer, Class::Error, &request_read);
                    let writer = writer.attribute(&ErrorCode::new(ErrorNumber::BAD_REQUEST));
                    Some((*server, writer.finish().expect("it fits").to_vec()))
                }
                "192.0.2.2" => Some((*server, success(request, address("224.0.0.1:5")))),
                _ => None,
            }
        },
    );
    assert_eq!(
        told(&mut gatherer),
        [
            "host 10.0.0.2:4000",
            "the server refused",
            "the server refused"
        ]
    );
    run(&mut gatherer, Duration::from_secs(10), |_| None);
    assert!((10_000..10_200).contains(&gatherer.now.as_millis()));
    assert_eq!(told(&mut gatherer), ["the server did not answer", "done"]);
    assert_eq!(gatherer.poll_timeout(), None);
}

// req: I-6
#[test]
fn mappings_are_kept_open_until_the_end_and_a_new_one_is_told() {
    let mut gatherer = gatherer(config(&["10.0.0.2:4000"], &["192.0.2.1:3478"]));
    let mut port = 6000;
    let sent = run(
        &mut gatherer,
        Duration::from_secs(100),
        |(at, _, server, request)| {
            if at.as_millis() > 50_000 {
                port = 7000;
            }
            let mapped = SocketAddr::new(address("203.0.113.5:1").ip(), port);
            Some((*server, success(request, mapped)))
        },
    );
    let times: Vec<u64> = sent.iter().map(|sent| sent.0.as_millis() / 1000).collect();
    assert_eq!(times, [0, 15, 30, 45, 60, 75, 90]);
    let ids: alloc::collections::BTreeSet<_> = sent.iter().map(|sent| sent.3.clone()).collect();
    assert_eq!(ids.len(), sent.len(), "each question is a new transaction");
    let expected = [
        "host 10.0.0.2:4000",
        "srflx 203.0.113.5:6000",
        "done",
        "srflx 203.0.113.5:7000",
    ];
    assert_eq!(told(&mut gatherer), expected);
    gatherer.stop();
    assert_eq!(gatherer.poll_timeout(), None);
}

#[test]
fn other_sources_are_waited_for_and_a_late_one_does_not_hold_the_end() {
    let relayed = || {
        let (at, seen) = (address("198.51.100.7:50000"), address("203.0.113.5:6000"));
        LocalCandidate::relayed(at, seen, address("198.51.100.7:1").ip())
    };
    let mut quick = gatherer(config(&["10.0.0.2:4000"], &[]));
    let source = quick
        .expect(Instant::ZERO, Duration::from_secs(5))
        .expect("early");
    assert!(!quick.is_done());
    quick.provide(Instant::from_millis(1_000), relayed());
    quick.provided(Instant::from_millis(1_000), source);
    let expected = ["host 10.0.0.2:4000", "relay 198.51.100.7:50000", "done"];
    assert_eq!(told(&mut quick), expected);
    assert_eq!(
        quick.expect(Instant::from_millis(1_000), MILLISECOND),
        None,
        "the end was told"
    );

    let mut slow = gatherer(config(&["10.0.0.2:4000"], &[]));
    slow.expect(Instant::ZERO, Duration::from_secs(5))
        .expect("early");
    assert_eq!(slow.poll_timeout(), Some(Instant::from_millis(5_000)));
    slow.handle_timeout(Instant::from_millis(5_000));
    assert_eq!(told(&mut slow), ["host 10.0.0.2:4000", "done"]);

    let mut many = gatherer(config(&["10.0.0.2:4000"], &[]));
    let taken = (0..100).filter_map(|_| many.expect(Instant::ZERO, MILLISECOND));
    assert_eq!(taken.count(), MOST_SOURCES);
}

// req: A-23
#[test]
fn hidden_hosts_are_neither_candidates_nor_related_addresses() {
    let mut config = config(&["10.0.0.2:4000"], &["192.0.2.1:3478"]);
    config.host_addresses = HostAddresses::Hidden;
    let mut gatherer = gatherer(config);
    run(&mut gatherer, MILLISECOND, |(_, _, server, request)| {
        Some((*server, success(request, address("203.0.113.5:6000"))))
    });
    let mut agent = crate::Agent::new(crate::Config::new([2; 32], crate::Role::Controlling))
        .expect("a valid configuration");
    let mut lines = Vec::new();
    while let Some(event) = gatherer.poll_event() {
        if let GatherEvent::Candidate(candidate) = event {
            let told = agent.add_local(Instant::ZERO, candidate).expect("good");
            lines.push(told.to_string());
        }
    }
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].contains("10.0.0.2"), "{lines:?}");
    assert!(lines[0].contains("raddr 0.0.0.0 rport 9"), "{lines:?}");
}

// req: I-7
#[test]
fn ports_are_foretold_once_all_servers_have_spoken_and_only_within_the_budget() {
    let servers = ["192.0.2.1:3478", "192.0.2.2:3478"];
    for (budget, expected) in [
        (0, vec![]),
        (2, vec!["srflx 203.0.113.5:6002", "srflx 203.0.113.5:6003"]),
    ] {
        let mut config = config(&["10.0.0.2:4000"], &servers);
        config.predicted = budget;
        let mut gatherer = gatherer(config);
        let mut port = 5999;
        run(
            &mut gatherer,
            500 * MILLISECOND,
            |(_, _, server, request)| {
                port += 1;
                let mapped = SocketAddr::new(address("203.0.113.5:1").ip(), port);
                Some((*server, success(request, mapped)))
            },
        );
        let mut all = vec![
            "host 10.0.0.2:4000",
            "srflx 203.0.113.5:6000",
            "srflx 203.0.113.5:6001",
        ];
        all.extend(expected);
        all.push("done");
        assert_eq!(told(&mut gatherer), all);
    }
}

// req: HG-14
#[test]
fn settings_out_of_range_are_refused() {
    let refused = |adjust: fn(&mut GatherConfig)| {
        let mut config = config(&["10.0.0.2:4000"], &["192.0.2.1:3478"]);
        adjust(&mut config);
        Gatherer::new(Instant::ZERO, config)
            .err()
            .map(|error| error.field)
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(
        refused(|config| config.bases = vec![address("127.0.0.1:1")]),
        Some("bases")
    );
    assert_eq!(
        refused(|config| config.bases = vec![address("10.0.0.2:1"); 17]),
        Some("bases")
    );
    assert_eq!(
        refused(|config| config.servers = vec![address("192.0.2.1:1"); 9]),
        Some("servers")
    );
    assert_eq!(refused(|config| config.pace = Duration::ZERO), Some("pace"));
    assert_eq!(refused(|config| config.predicted = 17), Some("predicted"));
}

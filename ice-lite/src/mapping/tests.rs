use super::*;
use alloc::vec::Vec;

const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn config() -> MapperConfig {
    let gateway = address("192.168.0.1:1").ip();
    MapperConfig::new([3; 32], gateway, address("192.168.0.2:4000"))
}

/// A gateway that knows one protocol, both, or none.
#[derive(Clone, Copy)]
struct Gateway {
    pcp: bool,
    nat_pmp: bool,
    external: &'static str,
    lease_seconds: u32,
    refuses: bool,
}

const BOTH: Gateway = Gateway {
    pcp: true,
    nat_pmp: true,
    external: "203.0.113.5:4000",
    lease_seconds: 7200,
    refuses: false,
};

impl Gateway {
    fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [0; PcpResponse::BYTES];
        let external = address(self.external);
        let length = if let Ok(request) = PcpRequest::read(request) {
            if self.pcp {
                let response = PcpResponse {
                    result: if self.refuses { 2 } else { 0 },
                    lifetime_seconds: self.lease_seconds.min(request.lifetime_seconds),
                    epoch_seconds: 9,
                    nonce: request.nonce,
                    internal_port: request.internal_port,
                    external,
                };
                response.write(&mut buffer)
            } else if self.nat_pmp {
                NatPmpResponse::Refused { result: 1 }.write(&mut buffer)
            } else {
                return None;
            }
        } else {
            let request = NatPmpRequest::read(request).expect("one of the two");
            if !self.nat_pmp {
                return None;
            }
            let SocketAddr::V4(external) = external else {
                panic!("NAT-PMP is for IPv4")
            };
            match request {
                _ if self.refuses => NatPmpResponse::Refused { result: 2 },
                NatPmpRequest::Address => NatPmpResponse::Address {
                    epoch_seconds: 9,
                    external: *external.ip(),
                },
                NatPmpRequest::Map {
                    internal_port,
                    lifetime_seconds,
                    ..
                } => NatPmpResponse::Map {
                    epoch_seconds: 9,
                    internal_port,
                    external_port: external.port(),
                    lifetime_seconds: self.lease_seconds.min(lifetime_seconds),
                },
            }
            .write(&mut buffer)
        };
        Some(buffer[..length.expect("it fits")].to_vec())
    }
}

/// Runs to the end of `time`; when requests were sent, and the events.
fn run(mapper: &mut PortMapper, time: Duration, gateway: Gateway) -> (Vec<u64>, Vec<MapperEvent>) {
    let mut buffer = [0; PortMapper::BUFFER];
    let (mut times, mut events) = (Vec::new(), Vec::new());
    let (mut now, end) = (mapper.now, mapper.now + time);
    loop {
        mapper.handle_timeout(now);
        while let Some(transmit) = mapper.poll_transmit(now, &mut buffer) {
            assert_eq!(transmit.destination, mapper.config.gateway);
            times.push(now.as_millis());
            if let Some(answer) = gateway.answer(&buffer[transmit.bytes]) {
                let _ = mapper.handle_datagram(now, transmit.destination, &answer);
            }
        }
        events.extend(core::iter::from_fn(|| mapper.poll_event()));
        match mapper.poll_timeout().filter(|&next| next <= end) {
            Some(next) => now = next.max(now + Duration::from_micros(1)),
            None => break,
        }
    }
    mapper.now = end;
    (times, events)
}

fn mapper() -> PortMapper {
    PortMapper::new(Instant::ZERO, config()).expect("good settings")
}

fn mapped_at(external: &str, by: MappedBy) -> MapperEvent {
    MapperEvent::Mapped {
        external: address(external),
        by,
        lease: Some(Duration::from_secs(7200)),
    }
}

fn mapped(by: MappedBy) -> MapperEvent {
    mapped_at("203.0.113.5:4000", by)
}

// RFC 6887 sections 7 and 11.1, RFC 6886 sections 3.2 and 3.3: byte by byte.
#[test]
fn messages_stand_on_the_wire_as_the_documents_draw_them() {
    let mut buffer = [0; 60];
    let request = PcpRequest {
        client: address("192.168.0.2:1").ip(),
        nonce: *b"abcdefghijkl",
        internal_port: 4000,
        suggested: address("0.0.0.0:4001"),
        lifetime_seconds: 7200,
    };
    assert_eq!(request.write(&mut buffer), Ok(60));
    let expected = "0201000000001c20\
        00000000000000000000ffffc0a80002\
        6162636465666768696a6b6c\
        110000000fa00fa1\
        00000000000000000000ffff00000000";
    assert_eq!(testkit::hex(&buffer), expected);
    assert_eq!(PcpRequest::read(&buffer), Ok(request));

    let answer = "028100000000 0e10 00000007 000000000000000000000000\
        6162636465666768696a6b6c 11000000 0fa0 1388\
        00000000000000000000ffffcb007105";
    let answer = testkit::unhex(&answer.replace(' ', ""));
    let read = PcpResponse::read(&answer).expect("well formed");
    assert_eq!((read.result, read.lifetime_seconds), (0, 3600));
    assert_eq!(read.external, address("203.0.113.5:5000"));
    let mut again = [0; 60];
    assert_eq!(read.write(&mut again), Ok(60));
    assert_eq!(again[..], answer[..]);

    let request = NatPmpRequest::Map {
        internal_port: 4000,
        suggested_port: 4001,
        lifetime_seconds: 7200,
    };
    assert_eq!(request.write(&mut buffer), Ok(12));
    assert_eq!(testkit::hex(&buffer[..12]), "000100000fa00fa100001c20");
    assert_eq!(NatPmpRequest::Address.write(&mut buffer), Ok(2));
    assert_eq!(buffer[..2], [0, 0]);
    let answer = testkit::unhex("00800000 00000007 cb007105".replace(' ', "").as_str());
    let expected = NatPmpResponse::Address {
        epoch_seconds: 7,
        external: Ipv4Addr::new(203, 0, 113, 5),
    };
    assert_eq!(NatPmpResponse::read(&answer), Ok(expected));
    let answer = testkit::unhex("00810000000000070fa0138800000e10");
    let expected = NatPmpResponse::Map {
        epoch_seconds: 7,
        internal_port: 4000,
        external_port: 5000,
        lifetime_seconds: 3600,
    };
    assert_eq!(NatPmpResponse::read(&answer), Ok(expected));
}

#[test]
fn messages_that_are_cut_or_of_something_else_are_refused() {
    let mut buffer = [0; 60];
    let pcp = BOTH.answer(&{
        let request = mapper().poll_transmit(Instant::ZERO, &mut buffer);
        buffer[request.expect("a request").bytes].to_vec()
    });
    let pcp = pcp.expect("an answer");
    for end in 0..pcp.len() {
        assert!(PcpResponse::read(&pcp[..end]).is_err());
        assert!(PcpRequest::read(&pcp[..end]).is_err());
    }
    for at in [0, 1, 36] {
        let mut other = pcp.clone();
        other[at] ^= 4;
        assert!(PcpResponse::read(&other).is_err(), "{at}");
    }
    let map = testkit::unhex("00810000000000070fa0138800000e10");
    for end in 0..map.len() {
        assert!(NatPmpResponse::read(&map[..end]).is_err());
    }
    assert!(NatPmpResponse::read(&[0, 1, 0, 0]).is_err(), "a request");
}

// req: I-7
#[test]
fn a_gateway_with_pcp_maps_the_port_and_the_lease_is_renewed_at_half_of_it() {
    let mut mapper = mapper();
    let (times, events) = run(&mut mapper, 10_000 * SECOND, BOTH);
    assert_eq!(events, [mapped(MappedBy::Pcp)], "told once");
    assert_eq!(times, [0, 3_600_000, 7_200_000]);
    let candidate = mapper.candidate().expect("a mapping");
    assert_eq!(candidate.address(), address("203.0.113.5:4000"));
    assert_eq!(candidate.base(), address("192.168.0.2:4000"));
}

// req: I-7
#[test]
fn a_gateway_with_nat_pmp_alone_says_so_and_maps_the_port() {
    let gateway = Gateway { pcp: false, ..BOTH };
    let (times, events) = run(&mut mapper(), SECOND, gateway);
    assert_eq!(events, [mapped(MappedBy::NatPmp)]);
    assert_eq!(times, [0, 0, 0], "PCP, the address, the mapping");
    let refusing = Gateway {
        refuses: true,
        ..BOTH
    };
    let (_, events) = run(&mut mapper(), 20 * SECOND, refusing);
    assert_eq!(events, [MapperEvent::Failed]);
}

#[test]
fn a_gateway_that_says_nothing_is_given_up_in_eight_seconds() {
    let silent = Gateway {
        pcp: false,
        nat_pmp: false,
        ..BOTH
    };
    let mut mapper = mapper();
    let (times, events) = run(&mut mapper, 20 * SECOND, silent);
    assert_eq!(times, [0, 250, 750, 1750, 3750, 4000, 4500, 5500]);
    assert_eq!(events, [MapperEvent::Failed]);
    assert_eq!(mapper.poll_timeout(), None);
}

#[test]
fn a_mapping_that_is_not_renewed_is_lost_at_its_end_and_one_that_moves_is_told() {
    let mut mapper = mapper();
    run(&mut mapper, SECOND, BOTH);
    let moved = Gateway {
        external: "203.0.113.6:4000",
        ..BOTH
    };
    let (_, events) = run(&mut mapper, 3600 * SECOND, moved);
    assert_eq!(events, [mapped_at("203.0.113.6:4000", MappedBy::Pcp)]);
    let silent = Gateway {
        pcp: false,
        nat_pmp: false,
        ..BOTH
    };
    let (times, events) = run(&mut mapper, 8000 * SECOND, silent);
    assert_eq!(events, [MapperEvent::Lost]);
    assert!(times.len() >= 16 && times.len() < 100, "{}", times.len());
    assert!(mapper.candidate().is_none());
}

/// What the gateway tells everybody, in the words of `by`, `seconds` after it lost its mappings.
fn announcement(by: MappedBy, seconds: u32) -> Vec<u8> {
    let mut buffer = [0; PcpAnnouncement::BYTES];
    let written = if by == MappedBy::Pcp {
        let epoch_seconds = seconds;
        PcpAnnouncement { epoch_seconds }.write(&mut buffer)
    } else {
        NatPmpResponse::Address {
            epoch_seconds: seconds,
            external: Ipv4Addr::new(203, 0, 113, 5),
        }
        .write(&mut buffer)
    };
    buffer[..written.expect("it fits")].to_vec()
}

// RFC 6887 sections 8.5 and 14.1, RFC 6886 sections 3.2.1 and 3.6.
#[test]
fn a_gateway_that_started_anew_is_asked_within_five_seconds_and_one_that_did_not_is_left_alone() {
    for (gateway, by) in [
        (BOTH, MappedBy::Pcp),
        (Gateway { pcp: false, ..BOTH }, MappedBy::NatPmp),
    ] {
        let mut mapper = mapper();
        run(&mut mapper, 100 * SECOND, gateway);
        let from = mapper.config.gateway;
        let mut after = |seconds: u32, from: SocketAddr| {
            let now = mapper.now;
            let data = announcement(by, seconds);
            let handled = mapper.handle_announcement(now, from, &data);
            let (times, events) = run(&mut mapper, 6 * SECOND, gateway);
            assert_eq!(events, [], "the address is the same");
            (handled, times.len())
        };
        // The first answer said 9 s, 100 s ago.
        assert_eq!(after(109, from), (Handled::Consumed, 0));
        let stranger = address("192.168.0.9:5351");
        assert_eq!(after(3, stranger), (Handled::NotMine, 0));
        let asked = if by == MappedBy::Pcp { 1 } else { 2 };
        assert_eq!(after(3, from), (Handled::Consumed, asked));
        // It answered 9 s again, so that it has started again long since.
        assert_eq!(after(10_000, from), (Handled::Consumed, asked));
    }
}

#[test]
fn an_announcement_of_another_outer_address_moves_the_mapping() {
    let gateway = Gateway { pcp: false, ..BOTH };
    let mut mapper = mapper();
    run(&mut mapper, SECOND, gateway);
    let external = Ipv4Addr::new(203, 0, 113, 6);
    let mut buffer = [0; NatPmpResponse::BYTES];
    let told = NatPmpResponse::Address {
        epoch_seconds: 10,
        external,
    };
    let length = told.write(&mut buffer).expect("it fits");
    let (now, from) = (mapper.now, mapper.config.gateway);
    let handled = mapper.handle_announcement(now, from, &buffer[..length]);
    assert!(handled.is_consumed());
    let moved = Gateway {
        external: "203.0.113.6:4000",
        ..gateway
    };
    let (_, events) = run(&mut mapper, 6 * SECOND, moved);
    assert_eq!(events, [mapped_at("203.0.113.6:4000", MappedBy::NatPmp)]);
}

#[test]
fn announcements_that_are_malformed_or_come_before_a_mapping_change_nothing() {
    let mut mapper = mapper();
    let (now, from) = (mapper.now, mapper.config.gateway);
    let announced = announcement(MappedBy::Pcp, 3);
    assert_eq!(
        mapper.handle_announcement(now, from, &announced),
        Handled::Consumed
    );
    let (times, _) = run(&mut mapper, SECOND, BOTH);
    assert_eq!(times, [0]);
    let unexpected = Handled::Dropped(MapperDrop::Unexpected);
    for end in 0..announced.len() {
        let handled = mapper.handle_announcement(now, from, &announced[..end]);
        assert_eq!(handled, unexpected, "{end}");
    }
    // An answer to a request is no announcement.
    let map = testkit::unhex("00810000000000070fa0138800000e10");
    assert_eq!(mapper.handle_announcement(now, from, &map), unexpected);
    mapper.stop(now);
    assert!(
        mapper
            .handle_announcement(now, from, &announced)
            .is_consumed()
    );
    assert!(mapper.candidate().is_none());
}

#[test]
fn answers_of_others_and_useless_ones_map_nothing() {
    let mut mapper = mapper();
    let mut buffer = [0; PortMapper::BUFFER];
    let transmit = mapper.poll_transmit(Instant::ZERO, &mut buffer);
    let request = buffer[transmit.expect("a request").bytes].to_vec();
    let answer = BOTH.answer(&request).expect("an answer");
    let stranger = address("192.168.0.9:5351");
    let now = Instant::ZERO;
    assert_eq!(
        mapper.handle_datagram(now, stranger, &answer),
        Handled::NotMine
    );
    let gateway = mapper.config.gateway;
    let mut forged = answer.clone();
    forged[24] ^= 1;
    let unexpected = Handled::Dropped(MapperDrop::Unexpected);
    assert_eq!(mapper.handle_datagram(now, gateway, &forged), unexpected);
    assert_eq!(mapper.handle_datagram(now, gateway, b"?"), unexpected);
    assert!(mapper.handle_datagram(now, gateway, &answer).is_consumed());
    assert_eq!(
        mapper.handle_datagram(now, gateway, &answer),
        unexpected,
        "asked once"
    );
    for (external, lease_seconds) in [
        ("0.0.0.0:1", 7200),
        ("224.0.0.1:1", 7200),
        ("203.0.113.5:1", 5),
    ] {
        let useless = Gateway {
            external,
            lease_seconds,
            ..BOTH
        };
        let (_, events) = run(&mut self::mapper(), 20 * SECOND, useless);
        assert_eq!(events, [MapperEvent::Failed], "{external}");
    }
}

#[test]
fn the_end_removes_the_mapping_with_one_request() {
    for gateway in [BOTH, Gateway { pcp: false, ..BOTH }] {
        let mut mapper = mapper();
        run(&mut mapper, SECOND, gateway);
        let now = mapper.now;
        mapper.stop(now);
        let mut buffer = [0; PortMapper::BUFFER];
        let transmit = mapper.poll_transmit(now, &mut buffer).expect("a request");
        let bytes = &buffer[transmit.bytes];
        if gateway.pcp {
            let request = PcpRequest::read(bytes).expect("PCP");
            assert_eq!(request.lifetime_seconds, 0);
        } else {
            let removal = NatPmpRequest::Map {
                internal_port: 4000,
                suggested_port: 0,
                lifetime_seconds: 0,
            };
            assert_eq!(NatPmpRequest::read(bytes), Ok(removal));
        }
        assert_eq!(mapper.poll_timeout(), None);
        assert!(mapper.candidate().is_none());
    }
}

#[test]
fn a_mapping_that_was_asked_for_and_not_yet_granted_is_removed_too() {
    let mut buffer = [0; PortMapper::BUFFER];
    let now = Instant::ZERO;
    let mut mapper = mapper();
    let _ = mapper.poll_transmit(now, &mut buffer).expect("a request");
    mapper.stop(now);
    let transmit = mapper.poll_transmit(now, &mut buffer).expect("the removal");
    let removal = PcpRequest::read(&buffer[transmit.bytes]).expect("PCP");
    assert_eq!(removal.lifetime_seconds, 0);
    assert_eq!(mapper.poll_timeout(), None);

    let older = Gateway { pcp: false, ..BOTH };
    let mut mapper = self::mapper();
    let gateway = mapper.config.gateway;
    for _ in 0..2 {
        let request = mapper.poll_transmit(now, &mut buffer).expect("a request");
        let answer = older.answer(&buffer[request.bytes]).expect("an answer");
        assert!(mapper.handle_datagram(now, gateway, &answer).is_consumed());
    }
    let _ = mapper.poll_transmit(now, &mut buffer).expect("the mapping");
    mapper.stop(now);
    let transmit = mapper.poll_transmit(now, &mut buffer).expect("the removal");
    let removal = NatPmpRequest::Map {
        internal_port: 4000,
        suggested_port: 0,
        lifetime_seconds: 0,
    };
    assert_eq!(NatPmpRequest::read(&buffer[transmit.bytes]), Ok(removal));
    assert_eq!(mapper.poll_timeout(), None);
}

#[test]
fn a_mapper_that_never_asked_or_failed_has_nothing_to_remove() {
    let mut buffer = [0; PortMapper::BUFFER];
    let mut fresh = mapper();
    let refusing = Gateway {
        refuses: true,
        ..BOTH
    };
    let mut failed = mapper();
    run(&mut failed, 20 * SECOND, refusing);
    for mapper in [&mut fresh, &mut failed] {
        let now = mapper.now;
        mapper.stop(now);
        assert!(mapper.poll_transmit(now, &mut buffer).is_none());
        assert_eq!(mapper.poll_timeout(), None);
    }
}

// req: HG-14
#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |adjust: fn(&mut MapperConfig)| {
        let mut config = config();
        adjust(&mut config);
        PortMapper::new(Instant::ZERO, config)
            .err()
            .map(|error| error.field)
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(
        refused(|config| config.internal = address("0.0.0.0:4000")),
        Some("internal")
    );
    assert_eq!(
        refused(|config| config.gateway = address("[fe80::1]:5351")),
        Some("internal")
    );
    assert_eq!(refused(|config| config.lifetime = SECOND), Some("lifetime"));
}

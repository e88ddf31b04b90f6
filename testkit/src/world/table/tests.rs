use super::*;
use crate::world::{Hairpin, Refusal};

fn at(secs: u64) -> Instant {
    Instant::from_millis(secs * 1000)
}

fn inner(host: u8, port: u16) -> SocketAddr {
    ([192, 168, 0, host], port).into()
}

fn remote(host: u8, port: u16) -> SocketAddr {
    ([198, 51, 100, host], port).into()
}

fn table(nat: Nat) -> Table {
    Table::new(nat, vec![[203, 0, 113, 1].into()], Dice::new(4))
}

fn with_ports(ports: PortPolicy) -> Nat {
    Nat {
        ports,
        ..Nat::SYMMETRIC
    }
}

/// The ports of mappings toward so many destinations.
fn ports(table: &mut Table, from: SocketAddr, count: u8) -> Vec<u16> {
    (0..count)
        .map(|i| {
            table
                .outbound(at(0), from, remote(i, 9))
                .map(|to| to.port())
        })
        .collect::<Result<_, _>>()
        .expect("there are ports")
}

// req: SIM-4
#[test]
fn destinations_share_a_mapping_as_rfc_4787_says_for_each_kind() {
    for mapping in Dependence::ALL {
        let mut table = table(Nat::new(mapping, Dependence::EndpointIndependent));
        let from = inner(2, 5000);
        let first = table.outbound(at(0), from, remote(1, 9)).expect("a port");
        let other_port = table.outbound(at(0), from, remote(1, 10)).expect("a port");
        let other_host = table.outbound(at(0), from, remote(2, 9)).expect("a port");
        let again = table.outbound(at(1), from, remote(1, 9)).expect("a port");
        assert_eq!(first, again);
        assert_eq!(
            first == other_port,
            mapping != Dependence::AddressAndPortDependent
        );
        assert_eq!(
            first == other_host,
            mapping == Dependence::EndpointIndependent
        );
    }
}

// req: SIM-4
#[test]
fn a_filter_lets_in_whom_rfc_4787_says_for_each_kind() {
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            let mut table = table(Nat::new(mapping, filtering));
            let from = inner(2, 5000);
            let outer = table.outbound(at(0), from, remote(1, 9)).expect("a port");
            let mut lets = |remote| table.inbound(at(1), outer, remote) == Ok(from);
            assert!(lets(remote(1, 9)));
            assert_eq!(
                lets(remote(1, 10)),
                filtering != Dependence::AddressAndPortDependent
            );
            assert_eq!(
                lets(remote(2, 9)),
                filtering == Dependence::EndpointIndependent
            );
        }
    }
}

#[test]
fn a_mapping_dies_when_idle_and_what_keeps_it_alive_is_configured() {
    for (refresh, alive) in [(Refresh::Outbound, false), (Refresh::Both, true)] {
        let mut table = table(Nat {
            refresh,
            ..Nat::PORT_RESTRICTED
        });
        let from = inner(2, 5000);
        let outer = table.outbound(at(0), from, remote(1, 9)).expect("a port");
        assert_eq!(table.inbound(at(100), outer, remote(1, 9)), Ok(from));
        let later = table.inbound(at(200), outer, remote(1, 9));
        assert_eq!(later.is_ok(), alive, "{refresh:?}");
        assert_eq!(table.mappings(at(1000)).count(), 0);
    }
}

#[test]
fn a_filter_forgets_an_idle_peer_while_the_mapping_lives() {
    let mut table = table(Nat::PORT_RESTRICTED);
    let from = inner(2, 5000);
    let outer = table.outbound(at(0), from, remote(1, 9)).expect("a port");
    table.outbound(at(100), from, remote(2, 9)).expect("a port");
    assert_eq!(
        table.inbound(at(130), outer, remote(1, 9)),
        Err(Blocked::Filtered)
    );
    assert_eq!(table.inbound(at(130), outer, remote(2, 9)), Ok(from));
}

#[test]
fn ports_are_chosen_by_policy() {
    let from = inner(2, 5001);
    let mut next = table(with_ports(PortPolicy::PreserveOrNext));
    assert_eq!(ports(&mut next, from, 3), [5001, 5002, 5003]);
    let mut sequential = table(with_ports(PortPolicy::Sequential));
    assert_eq!(ports(&mut sequential, from, 2), [1024, 1025]);
    assert_eq!(ports(&mut sequential, inner(3, 7), 1), [1026]);
    let mut parity = table(with_ports(PortPolicy::Parity));
    assert_eq!(ports(&mut parity, from, 3), [5001, 5003, 5005]);
    let mut blocks = table(with_ports(PortPolicy::Blocks(100)));
    assert_eq!(ports(&mut blocks, from, 2), [1024, 1025]);
    assert_eq!(ports(&mut blocks, inner(3, 5001), 2), [1124, 1125]);
    assert_eq!(ports(&mut blocks, from, 3)[2], 1026);
    let mut random = table(with_ports(PortPolicy::Random));
    let drawn = ports(&mut random, from, 100);
    let neighbours = drawn.windows(2).filter(|two| two[1] == two[0] + 1).count();
    assert!(neighbours < 3, "{drawn:?}");
}

#[test]
fn a_box_without_ports_refuses_or_recycles_the_oldest() {
    let small = Nat {
        port_range: (2000, 2002),
        ..with_ports(PortPolicy::Sequential)
    };
    let from = inner(2, 5000);
    let mut refusing = table(small);
    assert_eq!(ports(&mut refusing, from, 3), [2000, 2001, 2002]);
    let fourth = refusing.outbound(at(1), from, remote(9, 9));
    assert_eq!(fourth, Err(Blocked::Exhausted));
    let later = refusing.outbound(at(200), from, remote(9, 9));
    assert!(later.is_ok(), "what expired gives its port back");

    let mut recycling = table(Nat {
        overload: Overload::RecycleOldest,
        ..small
    });
    ports(&mut recycling, from, 3);
    recycling
        .outbound(at(1), from, remote(0, 9))
        .expect("known");
    let fourth = recycling
        .outbound(at(2), from, remote(9, 9))
        .expect("taken");
    assert_eq!(fourth.port(), 2001, "the first one was used since");
    assert_eq!(recycling.mappings(at(2)).count(), 3);
}

#[test]
fn a_box_that_only_preserves_gives_a_port_to_one_host_at_a_time() {
    let mut strict = table(Nat {
        ports: PortPolicy::Preserve,
        ..Nat::FULL_CONE
    });
    let first = strict
        .outbound(at(0), inner(2, 5000), remote(1, 9))
        .expect("free");
    assert_eq!(first.port(), 5000);
    let second = strict.outbound(at(0), inner(3, 5000), remote(1, 9));
    assert_eq!(second, Err(Blocked::Exhausted));
}

#[test]
fn pooling_pairs_an_inner_address_with_an_outer_one_or_does_not() {
    let outer: Vec<IpAddr> = (1..=8).map(|i| [203, 0, 113, i].into()).collect();
    for (pooling, paired) in [(Pooling::Paired, true), (Pooling::Arbitrary, false)] {
        let nat = Nat {
            pooling,
            ..Nat::SYMMETRIC
        };
        let mut table = Table::new(nat, outer.clone(), Dice::new(1));
        let seen: Vec<IpAddr> = (0..20)
            .map(|i| table.outbound(at(0), inner(2, 5000), remote(i, 9)))
            .map(|outer| outer.expect("a port").ip())
            .collect();
        assert_eq!(seen.windows(2).all(|two| two[0] == two[1]), paired);
    }
}

#[test]
fn a_reboot_forgets_and_a_forwarded_port_is_open_to_all_until_then() {
    let mut table = table(Nat::SYMMETRIC);
    let outer = SocketAddr::from(([203, 0, 113, 1], 7777));
    table.forward(inner(2, 5000), outer);
    assert_eq!(
        table.inbound(at(9999), outer, remote(7, 7)),
        Ok(inner(2, 5000))
    );
    let outer = table
        .outbound(at(0), inner(2, 1), remote(1, 9))
        .expect("a port");
    table.clear();
    assert_eq!(
        table.inbound(at(0), outer, remote(1, 9)),
        Err(Blocked::Unmapped)
    );
}

#[test]
fn a_transparent_table_changes_nothing_and_lets_in_answers_only() {
    let mut table = Table::transparent(&Firewall::STATEFUL, Dice::new(1));
    let from = inner(2, 5000);
    assert_eq!(
        table.inbound(at(0), from, remote(1, 9)),
        Err(Blocked::Filtered)
    );
    assert_eq!(table.outbound(at(0), from, remote(1, 9)), Ok(from));
    assert_eq!(table.inbound(at(0), from, remote(1, 9)), Ok(from));
    assert_eq!(
        table.inbound(at(0), from, remote(1, 8)),
        Err(Blocked::Filtered)
    );
    let mut open = Table::transparent(&Firewall::OPEN, Dice::new(1));
    assert_eq!(open.inbound(at(0), from, remote(1, 9)), Ok(from));
}

/// No two live mappings share an outer endpoint, and each inner endpoint finds its own again, whatever the box is.
#[test]
fn a_busy_box_keeps_its_mappings_apart() {
    let policies = [
        PortPolicy::Preserve,
        PortPolicy::PreserveOrNext,
        PortPolicy::Sequential,
        PortPolicy::Random,
        PortPolicy::Blocks(16),
        PortPolicy::Parity,
    ];
    for seed in 0..60_u64 {
        let mut dice = Dice::new(seed);
        let mut upto = |bound| u8::try_from(dice.below(bound)).expect("a small bound");
        let mut pick = || Dependence::ALL[usize::from(upto(3))];
        let (mapping, filtering) = (pick(), pick());
        let nat = Nat {
            ports: policies[usize::from(upto(6))],
            port_range: (3000, 3063),
            overload: [Overload::Refuse, Overload::RecycleOldest][usize::from(upto(2))],
            lifetime: Duration::from_secs(20),
            hairpin: Hairpin::None,
            refusal: Refusal::Silent,
            ..Nat::new(mapping, filtering)
        };
        let mut table = Table::new(
            nat,
            vec![[203, 0, 113, 1].into()],
            Dice::new(seed).part(b"t"),
        );
        for second in 0..400 {
            let from = inner(upto(4), 3000 + u16::from(upto(30)));
            let to = remote(upto(4), u16::from(upto(4)));
            let now = at(second / 4);
            let Ok(outer) = table.outbound(now, from, to) else {
                continue;
            };
            assert_eq!(
                table.inbound(now, outer, to),
                Ok(from),
                "seed {seed}: {nat:?}"
            );
            let live: Vec<_> = table.mappings(now).collect();
            assert!(live.contains(&(from, outer)));
            let distinct: alloc::collections::BTreeSet<_> =
                live.iter().map(|&(_, outer)| outer).collect();
            assert_eq!(distinct.len(), live.len());
        }
    }
}

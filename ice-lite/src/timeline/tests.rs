use super::*;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddrV6;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
    let v6 = any::<([u8; 16], u16, u32)>();
    let v6 = v6.prop_map(|(ip, port, scope)| SocketAddrV6::new(ip.into(), port, 0, scope).into());
    prop_oneof![v4, v6]
}

fn key() -> impl Strategy<Value = PairKey> {
    prop_oneof![0..300_u32, any::<u32>()].prop_map(PairKey)
}

fn entry() -> impl Strategy<Value = Entry> {
    let states = [PairState::Frozen, PairState::Succeeded, PairState::Failed];
    let kinds = || prop_oneof![Just(CandidateKind::Host), Just(CandidateKind::Relayed)];
    let roles = || prop_oneof![Just(Role::Controlling), Just(Role::Controlled)];
    let why = prop::sample::select(Why::ALL);
    prop_oneof![
        Just(Entry::State(State::Closed)),
        (kinds(), address()).prop_map(|(kind, at)| Entry::LocalCandidate(kind, at)),
        (kinds(), address()).prop_map(|(kind, at)| Entry::RemoteCandidate(kind, at)),
        (key(), address(), address()).prop_map(|(key, base, to)| Entry::Pair(key, base, to)),
        (key(), prop::sample::select(states.to_vec()), why)
            .prop_map(|(key, state, why)| Entry::PairState(key, state, why)),
        (key(), address()).prop_map(|(key, mapped)| Entry::Valid(key, mapped)),
        (key(), address()).prop_map(|(key, from)| Entry::Asymmetric(key, from)),
        key().prop_map(Entry::Selected),
        (key(), roles()).prop_map(|(key, role)| Entry::Nominated(key, role)),
        roles().prop_map(Entry::Role),
        Just(Entry::LocalEnd),
        Just(Entry::RemoteEnd),
        any::<u32>().prop_map(Entry::Restart),
        Just(Entry::ConsentExpired),
        Just(Entry::RestartNeeded(RestartReason::AddressGone)),
    ]
}

proptest! {
    #[test]
    fn a_timeline_gives_the_last_entries_as_they_were_noted(
        most in 1..20_usize,
        start in any::<u64>(),
        noted in prop::collection::vec((any::<u64>(), 0..64_u32, entry()), 0..60),
    ) {
        let mut timeline = Timeline::new();
        let mut all = Vec::new();
        let mut now = Instant::from_micros(start);
        for (since, shift, entry) in noted {
            now = now.add_micros(since >> shift);
            timeline.push(most, now, &entry);
            all.push((now, entry));
        }
        let kept = all.len().min(most);
        let dropped = all.len() - kept;
        prop_assert_eq!(timeline.iter().collect::<Vec<_>>(), all.split_off(dropped));
        prop_assert_eq!(timeline.dropped(), dropped as u64);
    }
}

#[test]
fn entries_of_a_search_take_some_ten_bytes_each() {
    let (base, to) = (
        SocketAddr::from(([10, 0, 0, 1], 5000)),
        SocketAddr::from(([192, 0, 2, 1], 5000)),
    );
    let mut timeline = Timeline::new();
    for number in 0..50 {
        let (at, key) = (
            Instant::from_millis(u64::from(number) * 20),
            PairKey(number),
        );
        timeline.push(256, at, &Entry::Pair(key, base, to));
        for state in [PairState::Waiting, PairState::InProgress, PairState::Failed] {
            timeline.push(256, at, &Entry::PairState(key, state, Why::NoAnswer));
        }
    }
    assert!(
        timeline.entries.len() <= 200 * 10,
        "{}",
        timeline.entries.len()
    );
}

//! SYNC packets.

use super::*;

fn value(session: &Session, name: &str) -> Value {
    let node = session.node("Main/L").unwrap();
    session.property(node, name).unwrap().clone()
}

/// A client with a node that is there in both scenes, whose synchronizer the server has announced under 4.
fn synchronized(property: PropertyConfig) -> Session {
    let mut session = Session::new(Config::client(peer(2))).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    let sync = SynchronizerConfig::new().property(property);
    session.add_node(NodeConfig::new("N")).unwrap();
    session
        .add_node(NodeConfig::new("N/S").synchronizer(sync))
        .unwrap();
    let announce = simplify(&session, 4, "N/S");
    assert!(give(&mut session, 1, &announce).is_accepted());
    session
}

#[test]
fn very_many_unknown_entries_are_skipped() {
    let name = "sync_ten_thousand_unknown_entries";
    let mut session = client();
    assert_eq!(
        give(&mut session, 1, &bytes_of(name)),
        Verdict::Dropped(DropReason::UnknownId)
    );
    assert_eq!(session.stats().dropped(DropReason::UnknownId), 1199);
    check_control("RC", &mut session, 1, name);
}

#[test]
fn unknown_entries_are_skipped_and_known_ones_applied() {
    // req: HP-13
    let mut session = client();
    let packet = bytes_of("sync_unknown_then_known");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert_eq!(value(&session, "a"), Value::Int(7));
    assert_eq!(session.stats().dropped(DropReason::UnknownId), 1);
}

#[test]
fn a_state_that_comes_late_is_dropped_also_at_half_of_the_range() {
    // req: HP-13
    let mut session = client();
    assert!(give(&mut session, 1, &hex("06020004000000020000000209")).is_accepted());
    assert_eq!(
        give(&mut session, 1, &bytes_of("sync_stale_time")),
        Verdict::Dropped(DropReason::Stale)
    );
    assert_eq!(value(&session, "a"), Value::Int(9));
    assert!(give(&mut session, 1, &bytes_of("sync_time_half_range")).is_accepted());
    assert_eq!(value(&session, "a"), Value::Int(7));
}

#[test]
fn an_entry_is_applied_whole_or_not_at_all() {
    // req: HP-13
    let mut session = client();
    assert_eq!(
        give(&mut session, 1, &bytes_of("sync_too_few_values")),
        Verdict::Rejected(DropReason::Truncated)
    );
    assert_eq!(value(&session, "a"), Value::Int(0));
    assert!(session.poll_event().is_none());

    let packet = bytes_of("delta_partial_then_broken");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert_eq!(value(&session, "b"), Value::Int(7));
    assert_eq!(session.stats().dropped(DropReason::Truncated), 2);
    // Both properties, the second one cut.
    let cut = "160400000003000000000000000300000002090200";
    assert!(!give(&mut session, 1, &hex(&cut[..cut.len() - 2])).is_accepted());
    assert_eq!(value(&session, "b"), Value::Int(7), "not half applied");
    check_control("RC", &mut session, 1, "delta_partial_then_broken");
}

#[test]
fn values_that_are_not_finite_are_flagged_or_refused() {
    // req: HP-15
    let packet = bytes_of("sync_value_nan_position");
    let mut session = client();
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert!(matches!(session.poll_event(), Some(Event::Sync(state)) if !state.is_finite));
    assert_eq!(session.stats().non_finite, 1);

    let refused = PropertyConfig::new("a").non_finite(NonFinite::Refuse);
    let mut session = synchronized(refused);
    let mut packet = packet;
    packet[6] = 0x80;
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::NonFinite)
    );
}

#[test]
fn a_value_of_another_type_is_refused() {
    let mut session = synchronized(PropertyConfig::new("hp").initial(1));
    assert_eq!(
        give(&mut session, 1, &hex("0601000400008001000000810000")),
        Verdict::Rejected(DropReason::WrongType)
    );
    assert!(give(&mut session, 1, &hex("06010004000080020000000205")).is_accepted());
}

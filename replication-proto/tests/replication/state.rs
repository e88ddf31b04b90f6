//! State: who gets it, when, and what it counts.

use super::*;

#[test]
fn peers_who_see_the_same_get_the_same_allocation() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    spawn(&mut net, "B");
    frames(&mut net, 3);
    let now = net.now + Duration::from_millis(16);
    set(&mut net, 1, "Units/A", "name", "x");
    net.at(1).tick(now);
    let mut packets = Vec::new();
    while let Some(out) = net.at(1).poll_packet() {
        packets.push(out.packet);
    }
    let [full_2, delta_2, full_3, delta_3] = &packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!(full_2.as_ptr(), full_3.as_ptr());
    assert_eq!(delta_2.as_ptr(), delta_3.as_ptr());
}

#[test]
fn a_value_that_did_not_change_is_not_sent_again() {
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 3);
    net.take_log();
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 2);
    assert_eq!(deltas(&net.take_log()), 0);
}

#[test]
fn intervals_space_full_states_and_deltas() {
    let sync = SynchronizerConfig::new()
        .replication_interval(Duration::from_millis(64))
        .delta_interval(Duration::from_millis(48));
    let mut net = world(&[2], sync);
    spawn(&mut net, "A");
    frames(&mut net, 2);
    net.take_log();
    for round in 0..24 {
        set(&mut net, 1, "Units/A", "name", format!("{round}"));
        net.frame();
    }
    let log = net.take_log();
    assert_eq!(deltas(&log), 8);
    let full = log.iter().filter(|sent| sent.hex.starts_with("06")).count();
    assert_eq!(full, 6);
    frames(&mut net, 4);
    assert_eq!(value(&mut net, 2, "Units/A", "name"), Value::from("23"));
}

#[test]
fn a_session_runs_its_own_frames_while_there_is_something_to_replicate() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let mut session = replication_proto::Session::new(Config::server()).unwrap();
    assert_eq!(session.poll_timeout(), None);
    session.add_node(NodeConfig::new("N")).unwrap();
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp"));
    let node = session
        .add_node(NodeConfig::new("N/S").synchronizer(sync))
        .unwrap();
    assert_eq!(session.poll_timeout(), None, "nobody is there");
    assert!(
        session
            .handle_peer_connected(net.now, peer(2))
            .is_accepted()
    );
    let mut beats = Vec::new();
    for _ in 0..3 {
        let due = session.poll_timeout().unwrap();
        net.now = net.now.max(due);
        session.handle_timeout(net.now);
        beats.push(net.now.as_micros());
    }
    assert_eq!(beats[2] - beats[1], 16_667);
    session.set_authority(node, peer(2)).unwrap();
    assert_eq!(session.poll_timeout(), None, "nothing is owned");
}

#[test]
fn a_path_announced_before_its_node_is_there_is_confirmed_when_it_appears() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let add = |net: &mut Net, id: i32| {
        let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(id));
        net.at(id).add_node(NodeConfig::new("Level")).unwrap();
        net.at(id)
            .add_node(NodeConfig::new("Level/Sync").synchronizer(sync))
            .unwrap();
    };
    add(&mut net, 1);
    frames(&mut net, 3);
    assert_eq!(net.take_refusals(), [(2, 1, DropReason::UnknownNode)]);
    add(&mut net, 2);
    frames(&mut net, 3);
    assert_eq!(value(&mut net, 2, "Level", "hp"), Value::Int(1));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_path_that_is_not_confirmed_is_announced_again_less_and_less_often() {
    let mut net = world(&[2], SynchronizerConfig::new());
    net.at(1).add_node(NodeConfig::new("Level")).unwrap();
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(1));
    net.at(1)
        .add_node(NodeConfig::new("Level/Sync").synchronizer(sync))
        .unwrap();
    net.take_log();
    // 16 ms each: about 16 s.
    frames(&mut net, 1000);
    let log = net.take_log();
    let announced = log.iter().filter(|sent| sent.hex.starts_with("01")).count();
    assert_eq!(announced, 4, "at 0, 2, 6 and 14 s");
}

#[test]
fn a_node_freed_while_a_delta_is_on_its_way_is_an_ordinary_case() {
    // req: HP-14
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    net.forget();
    set(&mut net, 1, "Units/A", "name", "late");
    let now = net.now + Duration::from_millis(1);
    net.at(1).tick(now);
    net.send_from(1);
    let node = net.at(2).node("Units/A").unwrap();
    net.at(2).remove_node(node).unwrap();
    net.settle();
    let late = (2, 1, DropReason::FreedNode);
    assert_eq!(
        net.take_refusals(),
        [late, late],
        "a full state and a delta"
    );
    let node = net.at(1).node("Units/A").unwrap();
    net.at(1).despawn(node).unwrap();
    net.settle();
    assert_eq!(net.take_refusals(), [late], "its end");
    spawn(&mut net, "A");
    frames(&mut net, 3);
    assert!(has(&mut net, 2, "Units/A"));
}

#[test]
fn state_for_a_synchronizer_that_was_removed_alone_leaves_the_rest_of_its_packet() {
    // req: HP-14
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    spawn(&mut net, "B");
    frames(&mut net, 3);
    let sync = net.at(2).node("Units/A/Sync").unwrap();
    net.at(2).remove_node(sync).unwrap();
    net.forget();
    for id in ["A", "B"] {
        set(&mut net, 1, &format!("Units/{id}"), "hp", 7);
    }
    frames(&mut net, 2);
    assert_eq!(value(&mut net, 2, "Units/B", "hp"), Value::Int(7));
    let stats = net.at(2).stats();
    assert_eq!(stats.dropped(DropReason::FreedNode), stats.dropped_total());
    assert!(stats.dropped_total() > 0);
}

#[test]
fn state_by_path_for_a_node_that_was_here_is_told_from_an_unknown_one() {
    // req: HP-14
    let mut net = world(&[2], SynchronizerConfig::new());
    for id in [1, 2] {
        net.at(id).add_node(NodeConfig::new("Level")).unwrap();
        let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(1));
        net.at(id)
            .add_node(NodeConfig::new("Level/Sync").synchronizer(sync))
            .unwrap();
    }
    frames(&mut net, 3);
    net.forget();
    let level = net.at(2).node("Level").unwrap();
    net.at(2).remove_node(level).unwrap();
    frames(&mut net, 2);
    let late = (2, 1, DropReason::FreedNode);
    assert!(net.take_refusals().iter().all(|&refusal| refusal == late));
    assert!(net.at(2).stats().dropped(DropReason::FreedNode) > 0);
    let unknown = hex("06090063000080020000000264");
    assert_eq!(
        net.inject(1, 2, unknown),
        Verdict::Dropped(DropReason::UnknownId)
    );
}

#[test]
fn the_profile_counts_what_is_on_the_wire() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    let node = spawn(&mut net, "A");
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 4);
    net.at(1)
        .rpc(Target::All, node, "hit", &[Value::Int(1)])
        .unwrap();
    net.settle();
    let log = net.take_log();
    let of_server = |start: &str, head: usize| -> usize {
        let sent = log
            .iter()
            .filter(|sent| sent.from == 1 && sent.hex.starts_with(start));
        sent.map(|sent| sent.hex.len() / 2 - head).sum()
    };
    let state = of_server("06", 3) + of_server("16", 1);
    let sync = net.at(1).node("Units/A/Sync").unwrap();
    let profile = net.at(1).node_profile(sync).unwrap();
    assert_eq!(profile.state.bytes_out, state as u64);
    let profile = net.at(1).node_profile(node).unwrap();
    assert_eq!(profile.spawn.bytes_out, of_server("04", 0) as u64);
    assert_eq!(profile.spawn.messages_out, 2);
    assert_eq!(&*profile.calls[0].method, "hit");
    assert_eq!(
        profile.calls[0].traffic.bytes_out,
        of_server("20", 0) as u64
    );
    assert_eq!(profile.calls[0].traffic.messages_out, 2);
    let at_2 = net.at(2).node("Units/A/Sync").unwrap();
    let at_2 = net.at(2).node_profile(at_2).unwrap();
    assert_eq!(at_2.state.bytes_in * 2, state as u64);
    assert_eq!(net.at(1).profile().count(), 2);
}

#[test]
fn the_profile_of_a_client_counts_what_goes_through_the_relay_too() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    let node = net.at(2).node("Units/A").unwrap();
    // The first call announces the path.
    net.at(2)
        .rpc(Target::All, node, "hit", &[Value::Int(1)])
        .unwrap();
    net.settle();
    let before = net.at(2).node_profile(node).unwrap().calls[0].traffic;
    net.take_log();
    net.at(2)
        .rpc(Target::All, node, "hit", &[Value::Int(2)])
        .unwrap();
    net.settle();
    let log = net.take_log();
    let sent: Vec<&Sent> = log.iter().filter(|sent| sent.from == 2).collect();
    assert_eq!(sent.len(), 2, "to the server, and through it: {sent:?}");
    let bytes: usize = sent.iter().map(|sent| sent.hex.len() / 2).sum();
    let after = net.at(2).node_profile(node).unwrap().calls[0].traffic;
    assert_eq!(after.bytes_out - before.bytes_out, bytes as u64);
    assert_eq!(after.messages_out - before.messages_out, 2);
}

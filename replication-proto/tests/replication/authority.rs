//! Authority that moves, peers that leave and return.

use super::*;

#[test]
fn authority_goes_to_a_client_and_back() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 4);
    let hand_over = |net: &mut Net, to: i32| {
        for id in [1, 2, 3] {
            let sync = net.at(id).node("Units/A/Sync").unwrap();
            net.at(id).set_authority(sync, peer(to)).unwrap();
        }
        frames(net, 6);
    };
    hand_over(&mut net, 2);
    set(&mut net, 2, "Units/A", "hp", 55);
    set(&mut net, 2, "Units/A", "name", "mine");
    frames(&mut net, 6);
    for id in [1, 3] {
        assert_eq!(value(&mut net, id, "Units/A", "hp"), Value::Int(55));
        assert_eq!(value(&mut net, id, "Units/A", "name"), Value::from("mine"));
    }
    // What is on its way while it changes hands is refused entry by entry.
    hand_over(&mut net, 1);
    set(&mut net, 1, "Units/A", "hp", 66);
    frames(&mut net, 6);
    for id in [2, 3] {
        assert_eq!(value(&mut net, id, "Units/A", "hp"), Value::Int(66));
        assert_eq!(value(&mut net, id, "Units/A", "name"), Value::from("mine"));
    }
    let refusals = net.take_refusals();
    let honest = [DropReason::Unauthorized, DropReason::UnknownId];
    assert!(
        refusals
            .iter()
            .all(|(_, _, reason)| honest.contains(reason)),
        "{refusals:?}"
    );
}

#[test]
fn a_client_that_comes_back_gets_everything_anew() {
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    net.disconnect(2);
    assert!(
        !has(&mut net, 2, "Units/A"),
        "what the server spawned is gone with it"
    );
    let events = net.events(2);
    let despawned = events
        .iter()
        .position(|event| matches!(event, Event::Despawned { .. }));
    let left = events
        .iter()
        .position(|event| matches!(event, Event::PeerDisconnected { .. }));
    assert!(despawned.unwrap() < left.unwrap());
    set(&mut net, 1, "Units/A", "name", "meanwhile");
    net.frame();
    net.connect(2);
    frames(&mut net, 3);
    assert_eq!(
        value(&mut net, 2, "Units/A", "name"),
        Value::from("meanwhile")
    );
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn state_of_a_client_that_comes_back_with_its_number_is_not_taken_for_late() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    let declare = |net: &mut Net, id: i32| {
        let aim = SynchronizerConfig::new().property(PropertyConfig::new("aim").initial(0));
        let sync = NodeConfig::new("Level/Sync").authority(peer(2));
        net.at(id).add_node(NodeConfig::new("Level")).unwrap();
        net.at(id).add_node(sync.synchronizer(aim)).unwrap();
    };
    for id in [1, 2, 3] {
        declare(&mut net, id);
    }
    frames(&mut net, 3);
    set(&mut net, 2, "Level", "aim", 1);
    frames(&mut net, 100);
    net.disconnect(2);
    net.settle();
    join(&mut net, 2, &unit_of(SynchronizerConfig::new()));
    declare(&mut net, 2);
    frames(&mut net, 3);
    set(&mut net, 2, "Level", "aim", 2);
    frames(&mut net, 4);
    for id in [1, 3] {
        assert_eq!(value(&mut net, id, "Level", "aim"), Value::Int(2));
        assert_eq!(net.at(id).stats().dropped(DropReason::Stale), 0);
    }
}

/// A world in which client 2 has just spawned a node with a synchronizer of the server.
fn with_toy_of_a_client() -> Net {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    for id in [1, 2, 3] {
        let spawner = SpawnerConfig::new("../Toys").scene(UNIT);
        net.at(id)
            .add_node(NodeConfig::new("Mine").authority(peer(2)).spawner(spawner))
            .unwrap();
    }
    let spawner = net.at(2).node("Mine").unwrap();
    net.at(2)
        .spawn(spawner, SpawnConfig::scene(0, "T"))
        .unwrap();
    net
}

#[test]
fn a_client_with_a_spawner_of_its_own_spawns_at_everybody_and_leaves_nothing() {
    let mut net = with_toy_of_a_client();
    frames(&mut net, 4);
    assert!(has(&mut net, 1, "Toys/T") && has(&mut net, 3, "Toys/T"));
    net.disconnect(2);
    frames(&mut net, 2);
    assert!(!has(&mut net, 1, "Toys/T") && !has(&mut net, 3, "Toys/T"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_client_that_comes_back_within_a_frame_spawns_under_its_new_numbers() {
    let mut net = with_toy_of_a_client();
    let toy = net.at(2).node("Toys/T").unwrap();
    // Numbers that the first connection took and the second one does not have.
    let spawner = net.at(2).node("Mine").unwrap();
    let other = SpawnConfig::scene(0, "Other");
    let other = net.at(2).spawn(spawner, other).unwrap();
    net.settle();
    net.at(2).remove_node(toy).unwrap();
    net.settle();
    // No frame of the client runs between its spawn and its return.
    net.disconnect(2);
    net.connect(2);
    net.settle();
    assert!(has(&mut net, 1, "Toys/Other") && has(&mut net, 3, "Toys/Other"));
    assert_eq!(net.at(2).spawn_number(other), Some(1));
    net.at(2).despawn(other).unwrap();
    net.settle();
    assert!(!has(&mut net, 1, "Toys/Other") && !has(&mut net, 3, "Toys/Other"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_path_in_a_clients_node_is_announced_to_another_when_the_relayed_spawn_must_be_there() {
    let mut net = with_toy_of_a_client();
    let mut announced = Vec::new();
    for frame in 0..12 {
        net.frame();
        let path = to_hex(b"Toys/T/Sync");
        for sent in net.take_log() {
            if sent.from == 1 && sent.hex.starts_with("01") && sent.hex.contains(&path) {
                announced.push((frame, sent.to));
            }
        }
    }
    let [(first, 2), (second, 3)] = announced[..] else {
        panic!("{announced:?}")
    };
    // Frames are 16 ms apart.
    assert!((7..=8).contains(&(second - first)), "{announced:?}");
    set(&mut net, 1, "Toys/T", "name", "x");
    frames(&mut net, 3);
    assert_eq!(value(&mut net, 3, "Toys/T", "name"), Value::from("x"));
}

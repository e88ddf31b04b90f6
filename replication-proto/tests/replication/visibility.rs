//! Who sees what.

use super::*;

#[test]
fn a_filtered_node_is_unknown_to_a_late_joiner_until_the_filter_lets_it_in() {
    let sync = SynchronizerConfig::new().filtered();
    let mut net = world(&[2], sync.clone());
    let near = spawn(&mut net, "Near");
    spawn(&mut net, "Far");
    net.settle();
    assert!(!has(&mut net, 2, "Units/Near"));
    net.at(1).update_visibility(|_, node| node == near);
    net.settle();
    assert!(has(&mut net, 2, "Units/Near") && !has(&mut net, 2, "Units/Far"));
    join(&mut net, 3, &unit_of(sync));
    assert!(!has(&mut net, 3, "Units/Near"));
    let far = net.at(1).node("Units/Far").unwrap();
    net.at(1).set_relevant(peer(3), [far]);
    net.settle();
    assert!(!has(&mut net, 3, "Units/Near") && has(&mut net, 3, "Units/Far"));
    net.at(1).set_relevant(peer(3), []);
    net.settle();
    assert!(!has(&mut net, 3, "Units/Far"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_grid_shows_what_is_near_and_hides_what_is_not() {
    let mut net = world(&[2], SynchronizerConfig::new().filtered());
    let (near, far) = (spawn(&mut net, "Near"), spawn(&mut net, "Far"));
    let mut grid = Grid::<2, _, _>::new(GridConfig::new(64.0)).unwrap();
    grid.insert_entity(near, [0.0, 0.0]).unwrap();
    grid.insert_entity(far, [1e4, 0.0]).unwrap();
    grid.insert_observer(peer(2), [1.0, 1.0], GridRange::new(50.0, 10.0))
        .unwrap();
    net.at(1).follow_interest(&grid.update());
    net.settle();
    assert!(has(&mut net, 2, "Units/Near") && !has(&mut net, 2, "Units/Far"));
    grid.move_observer(peer(2), [1e4, 1.0]).unwrap();
    net.at(1).follow_interest(&grid.update());
    net.settle();
    assert!(!has(&mut net, 2, "Units/Near") && has(&mut net, 2, "Units/Far"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn calls_go_only_to_peers_who_have_the_node() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    let node = spawn(&mut net, "A");
    net.at(1)
        .set_visibility(node, peer(2), Visibility::Hidden)
        .unwrap();
    net.settle();
    assert_eq!(net.at(1).rpc(Target::All, node, "hit", &[]), Ok(1));
    assert_eq!(
        net.at(1).rpc(peer(2), node, "hit", &[]),
        Err(CallError::NotVisible(peer(2)))
    );
    assert!(!net.at(1).is_visible(node, peer(2)));
    assert!(!net.at(1).is_spawned_at(node, peer(2)));
    assert!(net.at(1).is_spawned_at(node, peer(3)));
}

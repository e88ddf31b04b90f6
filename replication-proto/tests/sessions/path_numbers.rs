//! Numbers of paths over time.

use super::*;

fn with_ping(net: &mut Net, ids: &[i32]) -> NodeKey {
    for &id in ids {
        net.at(id).add_node(ping("N")).unwrap();
    }
    net.at(SERVER).node("N").unwrap()
}

fn call(net: &mut Net, node: NodeKey) -> Vec<String> {
    net.take_log();
    net.at(SERVER).rpc(Target::All, node, "ping", &[]).unwrap();
    net.settle();
    net.take_log()
        .into_iter()
        .map(|packet| packet.hex)
        .collect()
}

#[test]
fn a_number_is_announced_once_and_used_when_confirmed() {
    let mut net = Net::connected(&[A]);
    let node = with_ping(&mut net, &[SERVER, A]);
    assert_eq!(call(&mut net, node).len(), 3);
    assert_eq!(call(&mut net, node), ["800100"]);
    assert_eq!(calls(&mut net, A).len(), 2);
}

#[test]
fn a_peer_that_returns_with_its_number_is_told_anew() {
    let mut net = Net::connected(&[A, B]);
    let node = with_ping(&mut net, &[SERVER, A, B]);
    call(&mut net, node);
    net.disconnect(A);
    net.settle();
    net.connect(A);
    net.settle();
    let sent = call(&mut net, node);
    assert_eq!(
        sent.len(),
        4,
        "announcement, two calls, confirmation: {sent:?}"
    );
    // B was admitted first now; it knows the number, but shares the call with one that does not.
    assert!(sent.contains(&"a00100000000".into()));
    assert_eq!(call(&mut net, node), ["800100", "800100"]);
}

#[test]
fn a_node_that_leaves_and_returns_has_another_number() {
    let mut net = Net::connected(&[A]);
    let node = with_ping(&mut net, &[SERVER, A]);
    call(&mut net, node);
    net.at(SERVER).remove_node(node).unwrap();
    let again = net.at(SERVER).add_node(ping("N")).unwrap();
    assert_eq!(
        net.at(SERVER).rpc(Target::All, node, "ping", &[]),
        Err(CallError::UnknownNode)
    );
    assert_eq!(call(&mut net, again).len(), 3);
    assert_eq!(call(&mut net, again), ["800200"]);
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_receiver_finds_a_node_again_that_was_made_anew_under_its_path() {
    let mut net = Net::connected(&[A]);
    let node = with_ping(&mut net, &[SERVER, A]);
    call(&mut net, node);
    let old = net.at(A).node("N").unwrap();
    net.at(A).remove_node(old).unwrap();
    assert_eq!(call(&mut net, node), ["800100"]);
    assert_eq!(
        net.take_refusals(),
        [(A, SERVER, DropReason::UnknownNode)],
        "a freed node is an ordinary case"
    );
    net.at(A).add_node(ping("N")).unwrap();
    calls(&mut net, A);
    assert_eq!(call(&mut net, node), ["800100"]);
    assert_eq!(calls(&mut net, A), [(SERVER, "ping".into())]);

    // Made anew with other methods, the number is good for nothing.
    let old = net.at(A).node("N").unwrap();
    net.at(A).remove_node(old).unwrap();
    let other = NodeConfig::new("N").rpc(RpcConfig::new("other").any_peer());
    net.at(A).add_node(other).unwrap();
    call(&mut net, node);
    assert_eq!(
        net.take_refusals(),
        [(A, SERVER, DropReason::MethodMismatch)]
    );
}

#[test]
fn a_late_confirmation_of_a_freed_node_is_dropped() {
    let mut net = Net::connected(&[A]);
    let node = with_ping(&mut net, &[SERVER, A]);
    net.at(SERVER).rpc(Target::All, node, "ping", &[]).unwrap();
    net.at(SERVER).remove_node(node).unwrap();
    net.settle();
    assert_eq!(net.take_refusals(), [(SERVER, A, DropReason::FreedNode)]);
}

#[test]
fn numbers_of_freed_nodes_make_room_in_a_full_table() {
    let mut net = Net::new();
    let mut config = Config::client(peer(A));
    config.limits.cached_paths = 3;
    net.add(Config::server());
    net.add(config);
    net.connect(A);
    net.settle();
    for round in 0..10 {
        let path = format!("N{round}");
        let there = net.at(A).add_node(ping(&path)).unwrap();
        let node = net.at(SERVER).add_node(ping(&path)).unwrap();
        call(&mut net, node);
        net.at(A).remove_node(there).unwrap();
        net.at(SERVER).remove_node(node).unwrap();
    }
    assert_eq!(net.take_refusals(), []);
    assert_eq!(calls(&mut net, A).len(), 10);
}

#[test]
fn peers_before_4_3_confirm_with_the_path() {
    let mut net = Net::new();
    let mut config = Config::client(peer(A));
    config.confirm_format = ConfirmFormat::Path;
    net.add(Config::server());
    net.add(config);
    net.connect(A);
    net.settle();
    net.at(SERVER)
        .set_confirm_format(peer(A), ConfirmFormat::Path);
    let node = with_ping(&mut net, &[SERVER, A]);
    let sent = call(&mut net, node);
    assert_eq!(sent[2], "02014e00");
    assert_eq!(call(&mut net, node), ["800100"]);
    assert_eq!(net.take_refusals(), []);
}

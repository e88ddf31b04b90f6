//! Who may call what.

use super::*;

fn guarded() -> NodeConfig {
    NodeConfig::new("N")
        .authority(peer(A))
        .rpc(RpcConfig::new("any").any_peer())
        .rpc(RpcConfig::new("authority"))
        .rpc(RpcConfig::new("disabled").mode(RpcMode::Disabled))
}

#[test]
fn each_mode_lets_through_whom_it_says() {
    let mut net = Net::connected(&[A, B]);
    for id in [SERVER, A, B] {
        net.at(id).add_node(guarded()).unwrap();
    }
    for (caller, callee) in [(SERVER, B), (A, SERVER), (A, B), (B, SERVER), (B, A)] {
        let node = net.at(caller).node("N").unwrap();
        for method in ["any", "authority", "disabled"] {
            net.at(caller).rpc(one(callee), node, method, &[]).unwrap();
        }
        net.settle();
        let mut expected = vec![(caller, "any".to_owned())];
        if caller == A {
            expected.push((caller, "authority".to_owned()));
        }
        assert_eq!(calls(&mut net, callee), expected, "{caller} calls {callee}");
    }
}

#[test]
fn authority_moves_with_a_call_at_each_end() {
    let mut net = Net::connected(&[A, B]);
    for id in [SERVER, A, B] {
        let node = net.at(id).add_node(guarded()).unwrap();
        net.at(id).set_authority(node, peer(B)).unwrap();
    }
    for caller in [A, B] {
        let node = net.at(caller).node("N").unwrap();
        net.at(caller)
            .rpc(one(SERVER), node, "authority", &[])
            .unwrap();
    }
    net.settle();
    assert_eq!(calls(&mut net, SERVER), [(B, "authority".into())]);
}

#[test]
fn local_calls_happen_when_the_target_includes_the_caller() {
    let mut net = Net::connected(&[A]);
    let config = || NodeConfig::new("N").rpc(RpcConfig::new("m").any_peer().call_local());
    net.at(A).add_node(config()).unwrap();
    let node = net.at(SERVER).add_node(config()).unwrap();
    for (target, at_server, at_client) in [
        (Target::All, 1, 1),
        (one(SERVER), 1, 0),
        (one(A), 0, 1),
        (Target::AllBut(peer(SERVER)), 0, 1),
        (Target::AllBut(peer(A)), 1, 0),
    ] {
        net.at(SERVER).rpc(target, node, "m", &[]).unwrap();
        net.settle();
        assert_eq!(calls(&mut net, SERVER).len(), at_server, "{target:?}");
        assert_eq!(calls(&mut net, A).len(), at_client, "{target:?}");
    }
}

#[test]
fn a_client_that_excludes_itself_reaches_all_others() {
    let mut net = Net::connected(&[A, B]);
    for id in [SERVER, A, B] {
        net.at(id).add_node(ping("N")).unwrap();
    }
    let node = net.at(A).node("N").unwrap();
    let target = Target::AllBut(peer(A));
    // The engine fails such a call of a client, since it looks itself up among its peers; here it means what it says.
    assert_eq!(net.at(A).rpc(target, node, "ping", &[]), Ok(2));
}

#[test]
fn a_relay_can_be_closed_for_calls() {
    let mut net = Net::new();
    let mut config = Config::server();
    config.forward = Commands::ALL.without(replication_proto::packet::Command::RemoteCall);
    net.add(config);
    for id in [A, B] {
        net.add(Config::client(peer(id)));
        net.connect(id);
        net.at(id).add_node(ping("N")).unwrap();
        net.settle();
    }
    net.forget();
    let node = net.at(A).node("N").unwrap();
    net.at(A).rpc(one(B), node, "ping", &[]).unwrap();
    net.settle();
    assert_eq!(
        net.take_refusals(),
        [(SERVER, A, DropReason::RelayFiltered)]
    );
    assert_eq!(calls(&mut net, B), []);
}

#[test]
fn a_server_without_nodes_is_a_pure_relay() {
    let mut net = Net::connected(&[A, B]);
    for id in [A, B] {
        net.at(id).add_node(recorded_n()).unwrap();
    }
    let node = net.at(A).node("N").unwrap();
    for _ in 0..2 {
        let arguments = [Value::from("hi")];
        net.at(A).rpc(one(B), node, "beta", &arguments).unwrap();
        net.settle();
        assert_eq!(calls(&mut net, B), [(A, "beta".into())]);
    }
    assert_eq!(net.take_refusals(), []);
    assert_eq!(net.at(SERVER).stats().calls_in, 0);
    let last = net.log.last().unwrap();
    assert_eq!((last.mode, last.channel), (TransferMode::Unreliable, 3));
}

#[test]
fn a_mesh_needs_no_relay_and_announces_nobody() {
    let mut net = Net::new();
    for id in [2, 3, 4] {
        net.add(Config::mesh(peer(id)));
        net.at(id).add_node(ping("N")).unwrap();
    }
    for (a, b) in [(2, 3), (2, 4), (3, 4)] {
        net.link(a, b);
    }
    net.settle();
    assert_eq!(net.take_log(), []);
    let node = net.at(3).node("N").unwrap();
    assert_eq!(net.at(3).rpc(Target::All, node, "ping", &[]), Ok(2));
    net.settle();
    for id in [2, 4] {
        assert_eq!(calls(&mut net, id), [(3, "ping".into())]);
    }
    assert!(
        net.take_log()
            .iter()
            .all(|packet| !packet.hex.starts_with("07"))
    );
}

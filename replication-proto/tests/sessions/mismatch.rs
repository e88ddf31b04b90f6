//! Method lists that differ.

use super::*;

fn list(names: &[&str]) -> NodeConfig {
    names.iter().fold(NodeConfig::new("N"), |node, name| {
        node.rpc(RpcConfig::new(name).any_peer())
    })
}

fn md5(text: &str) -> String {
    Checksum::of_names([text]).to_string()
}

/// Lets the server call a client with another list, and gives what the client and the server report.
fn reports(ours: &[&str], theirs: &[&str]) -> (String, String) {
    let mut net = Net::connected(&[A]);
    let node = net.at(SERVER).add_node(list(theirs)).unwrap();
    net.at(A).add_node(list(ours)).unwrap();
    net.at(SERVER).rpc(one(A), node, theirs[0], &[]).unwrap();
    net.settle();
    assert_eq!(
        net.take_refusals(),
        [(A, SERVER, DropReason::MethodMismatch)],
        "the first call names the path, and is refused too"
    );
    assert_eq!(
        net.at(SERVER).rpc(one(A), node, theirs[0], &[]),
        Err(CallError::MethodMismatch)
    );
    let mut report = |id: i32| {
        let events = net.events(id);
        let [Event::MethodMismatch(mismatch)] = &events[..] else {
            panic!("{events:?}")
        };
        net.at(id).explain_mismatch(mismatch).to_string()
    };
    (report(A), report(SERVER))
}

#[test]
fn the_report_names_the_node_and_both_lists() {
    let (at_client, at_server) = reports(&["attack", "jump", "move"], &["jump", "move"]);
    assert_eq!(
        at_client,
        format!(
            "node N has other methods at peer 1: here [attack, jump, move] (checksum {}), \
             there [jump, move] (checksum {})",
            md5("attackjumpmove"),
            md5("jumpmove")
        )
    );
    assert_eq!(
        at_server,
        format!(
            "node N has other methods at peer 1000: here [jump, move] (checksum {}), \
             there an unknown list",
            md5("jumpmove")
        )
    );
}

#[test]
fn a_list_that_nobody_could_guess_is_told_by_its_checksum() {
    let (at_client, _) = reports(&["a"], &["something else", "b"]);
    let checksum = md5("bsomething else");
    assert!(at_client.ends_with(&format!("there an unknown list (checksum {checksum})")));
}

#[test]
fn lists_of_other_nodes_and_names_from_them_are_found() {
    let mut net = Net::connected(&[A]);
    let client = net.at(A);
    client.add_node(list(&["b", "c"])).unwrap();
    let other = NodeConfig::new("Other")
        .rpc(RpcConfig::new("a"))
        .rpc(RpcConfig::new("d"));
    client.add_node(other).unwrap();
    for (theirs, number) in [
        (&["a", "d"][..], 1),
        (&["b", "c", "d"], 2),
        (&["a", "c"], 3),
    ] {
        let names: String = theirs.concat();
        let mut packet = vec![1];
        packet.extend_from_slice(md5(&names).as_bytes());
        packet.push(0);
        packet.extend_from_slice(&u32::to_le_bytes(number));
        packet.extend_from_slice(b"N\0");
        assert!(net.inject(SERVER, A, packet).is_accepted());
        let events = net.events(A);
        let [Event::MethodMismatch(mismatch)] = &events[..] else {
            panic!("{events:?}")
        };
        let report = net.at(A).explain_mismatch(mismatch);
        let found = report.theirs.unwrap();
        assert_eq!(found, theirs);
    }
}

#[test]
fn a_report_of_the_peer_finds_the_list_that_the_peer_announces_later() {
    let mut net = Net::connected(&[A]);
    let node = net.at(SERVER).add_node(list(&["a", "b"])).unwrap();
    let there = net.at(A).add_node(list(&["a"])).unwrap();
    net.at(SERVER).rpc(one(A), node, "a", &[]).unwrap();
    // The client calls before it hears of the server's list.
    net.at(A).rpc(one(SERVER), there, "a", &[]).unwrap();
    net.settle();
    let events = net.events(SERVER);
    let theirs: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::MethodMismatch(mismatch) => net.at(SERVER).explain_mismatch(mismatch).theirs,
            _ => None,
        })
        .collect();
    assert_eq!(theirs, [["a"], ["a"]]);
}

#[test]
fn the_engines_policy_calls_nevertheless() {
    let mut net = Net::new();
    for mut config in [Config::server(), Config::client(peer(A))] {
        config.mismatch = MismatchPolicy::Call;
        net.add(config);
    }
    net.connect(A);
    let node = net.at(SERVER).add_node(list(&["b"])).unwrap();
    net.at(A).add_node(list(&["a", "b"])).unwrap();
    for _ in 0..2 {
        net.at(SERVER).rpc(one(A), node, "b", &[]).unwrap();
        net.settle();
        assert_eq!(
            calls(&mut net, A),
            [(SERVER, "a".into())],
            "the wrong method runs"
        );
    }
}

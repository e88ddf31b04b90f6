//! Sessions against each other: admission, path numbers over time, permissions, mismatches.
mod common;

use common::{Net, hex, peer, recorded_n};
use core::time::Duration;
use replication_proto::packet::{Checksum, ConfirmFormat};
use replication_proto::variant::Value;
use replication_proto::{
    AuthError, AuthFailure, Authentication, CallError, Commands, Config, DisconnectReason,
    DropReason, Event, MismatchPolicy, NodeConfig, NodeKey, PeerId, RpcConfig, RpcMode, SendError,
    Target, TransferMode, Verdict,
};

const SERVER: i32 = 1;
const A: i32 = 1000;
const B: i32 = 2000;

fn one(id: i32) -> Target {
    Target::Peer(peer(id))
}

/// Which methods were called at a session since the last look, and by whom.
fn calls(net: &mut Net, id: i32) -> Vec<(i32, String)> {
    net.events(id)
        .into_iter()
        .filter_map(|event| match event {
            Event::Rpc(call) => Some((call.peer.value(), call.method.to_string())),
            _ => None,
        })
        .collect()
}

fn ping(path: &str) -> NodeConfig {
    NodeConfig::new(path).rpc(RpcConfig::new("ping").any_peer())
}

fn authenticating(id: i32) -> Config {
    let mut config = match id {
        SERVER => Config::server(),
        _ => Config::client(peer(id)),
    };
    config.authentication = Authentication::Required;
    config
}

mod admission {
    use super::*;

    #[test]
    fn both_sides_are_admitted_when_both_have_completed() {
        let mut net = Net::new();
        net.add(authenticating(SERVER));
        net.add(authenticating(A));
        net.connect(A);
        net.at(A).send_auth(peer(SERVER), b"token").unwrap();
        net.settle();
        let events = net.events(SERVER);
        assert!(matches!(&events[0], Event::Authenticating { .. }));
        assert!(matches!(&events[1], Event::AuthReceived { data, .. } if data[..] == b"token"[..]));

        net.at(SERVER).complete_auth(peer(A)).unwrap();
        net.settle();
        assert!(!net.at(SERVER).is_admitted(peer(A)));
        net.at(A).complete_auth(peer(SERVER)).unwrap();
        net.settle();
        for (id, other) in [(SERVER, A), (A, SERVER)] {
            let events = net.events(id);
            let connected = |event: &Event| matches!(event, Event::PeerConnected { peer: it } if *it == peer(other));
            assert_eq!(events.iter().filter(|event| connected(event)).count(), 1);
            assert!(net.at(id).is_admitted(peer(other)));
        }
        assert_eq!(net.at(SERVER).poll_timeout(), None);
    }

    #[test]
    fn a_refused_peer_is_disconnected_and_its_last_event_says_so() {
        let mut net = Net::new();
        net.add(authenticating(SERVER));
        net.add(authenticating(A));
        net.connect(A);
        net.at(A).send_auth(peer(SERVER), b"wrong").unwrap();
        net.settle();
        net.at(SERVER).disconnect_peer(peer(A));
        net.settle();
        assert_eq!(net.disconnects, [(SERVER, A)]);
        net.disconnect(A);
        for (id, expected) in [
            (SERVER, AuthFailure::Refused),
            (A, AuthFailure::ConnectionEnded),
        ] {
            let last = net.events(id).pop();
            assert!(
                matches!(last, Some(Event::AuthFailed { reason, .. }) if reason == expected),
                "{last:?}"
            );
        }
    }

    #[test]
    fn a_client_without_authentication_is_timed_out_by_a_server_with_it() {
        let mut net = Net::new();
        net.add(authenticating(SERVER));
        net.add(Config::client(peer(A)));
        net.connect(A);
        // The client believes that it is in, and sends at once.
        let mode = TransferMode::Reliable;
        net.at(A).send_bytes(one(SERVER), b"x", mode, 0).unwrap();
        net.settle();
        let refused = (SERVER, A, DropReason::NotAuthenticated);
        assert_eq!(net.take_refusals(), [refused]);

        net.pass(Duration::from_millis(2999));
        net.settle();
        assert_eq!(net.disconnects, []);
        net.pass(Duration::from_millis(1));
        net.settle();
        assert_eq!(net.disconnects, [(SERVER, A)]);
        let last = net.events(SERVER).pop();
        assert!(matches!(
            last,
            Some(Event::AuthFailed {
                reason: AuthFailure::Timeout,
                ..
            })
        ));
    }

    #[test]
    fn a_timeout_of_zero_waits_for_ever() {
        let mut net = Net::new();
        let mut config = authenticating(SERVER);
        config.auth_timeout = Duration::ZERO;
        net.add(config);
        net.add(authenticating(A));
        let now = net.now;
        assert!(
            net.at(SERVER)
                .handle_peer_connected(now, peer(A))
                .is_accepted()
        );
        assert_eq!(net.at(SERVER).poll_timeout(), None);
    }

    #[test]
    fn authentication_commands_need_a_pending_peer_and_data() {
        let mut net = Net::new();
        net.add(authenticating(SERVER));
        net.add(authenticating(A));
        let server = net.at(SERVER);
        assert_eq!(server.send_auth(peer(A), b"x"), Err(AuthError::NotPending));
        net.connect(A);
        let server = net.at(SERVER);
        assert_eq!(server.send_auth(peer(A), b""), Err(AuthError::Empty));
        server.complete_auth(peer(A)).unwrap();
        assert_eq!(server.send_auth(peer(A), b"x"), Err(AuthError::Complete));
        assert_eq!(server.complete_auth(peer(A)), Err(AuthError::Complete));
    }

    #[test]
    fn numbers_that_cannot_be_peers_are_refused() {
        let mut net = Net::connected(&[A]);
        let now = net.now;
        let bad = Verdict::Rejected(DropReason::BadPeerId);
        assert_eq!(net.at(SERVER).handle_peer_connected(now, peer(SERVER)), bad);
        assert_eq!(net.at(SERVER).handle_peer_connected(now, peer(A)), bad);
        assert_eq!(net.at(A).handle_peer_connected(now, peer(B)), bad);
        assert_eq!(PeerId::of_client(1), None);
        assert_eq!(PeerId::of_client(0xffff_ffff), None);
        assert_eq!(PeerId::of_client(2), Some(peer(2)));
        assert_eq!(PeerId::new(0), None);
        assert_eq!(PeerId::new(-1), None);
    }

    #[test]
    fn pending_peers_are_not_announced_and_get_nothing_relayed() {
        let mut net = Net::new();
        net.add(authenticating(SERVER));
        for id in [A, B] {
            net.add(authenticating(id));
            net.connect(id);
        }
        net.at(A).complete_auth(peer(SERVER)).unwrap();
        net.at(SERVER).complete_auth(peer(A)).unwrap();
        net.settle();
        net.forget();
        let mode = TransferMode::Reliable;
        net.at(A).send_bytes(Target::All, b"x", mode, 0).unwrap();
        net.at(SERVER)
            .send_bytes(Target::All, b"y", mode, 0)
            .unwrap();
        net.settle();
        assert!(net.log.iter().all(|packet| packet.to != B));
        assert!(!net.at(A).is_admitted(peer(B)));
    }

    #[test]
    fn a_client_that_loses_the_server_loses_everything() {
        let mut net = Net::connected(&[A, B]);
        let node = net.at(A).add_node(ping("N")).unwrap();
        net.at(SERVER).add_node(ping("N")).unwrap();
        net.at(A).rpc(one(SERVER), node, "ping", &[]).unwrap();
        net.settle();
        net.forget();
        net.disconnect(A);
        let left: Vec<_> = net
            .events(A)
            .into_iter()
            .map(|event| match event {
                Event::PeerDisconnected {
                    peer,
                    reason: DisconnectReason::ConnectionEnded,
                } => peer.value(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(left, [B, SERVER]);
        assert_eq!(
            net.at(A).rpc(Target::All, node, "ping", &[]),
            Err(CallError::NotConnected)
        );
        let mode = TransferMode::Reliable;
        assert_eq!(
            net.at(A).send_bytes(Target::All, b"x", mode, 0),
            Err(SendError::NotConnected)
        );

        // Back with the same number, all numbers of nodes start anew.
        net.connect(A);
        net.settle();
        net.forget();
        net.at(A).rpc(one(SERVER), node, "ping", &[]).unwrap();
        net.settle();
        assert_eq!(net.log[1].hex, "a006000080004e00");
        assert_eq!(net.log[2].hex, "020101000000");
        assert_eq!(net.take_refusals(), []);
    }
}

mod path_numbers {
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
}

mod permissions {
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
}

mod rates {
    use super::*;
    use replication_proto::Rate;

    // req: HP-10
    #[test]
    fn a_method_may_have_a_rate_of_its_own() {
        let mut net = Net::connected(&[A, B]);
        let config = || {
            let rare = RpcConfig::new("rare").any_peer().rate(Rate::new(1, 2));
            ping("N").rpc(rare)
        };
        for id in [SERVER, A, B] {
            net.at(id).add_node(config()).unwrap();
        }
        for caller in [A, B] {
            let node = net.at(caller).node("N").unwrap();
            for _ in 0..3 {
                net.at(caller).rpc(one(SERVER), node, "rare", &[]).unwrap();
                net.at(caller).rpc(one(SERVER), node, "ping", &[]).unwrap();
            }
            net.settle();
            let called = calls(&mut net, SERVER);
            let count = |name| called.iter().filter(|(_, method)| method == name).count();
            assert_eq!((count("rare"), count("ping")), (2, 3));
        }
        net.pass(Duration::from_secs(1));
        let node = net.at(A).node("N").unwrap();
        net.at(A).rpc(one(SERVER), node, "rare", &[]).unwrap();
        net.settle();
        assert_eq!(calls(&mut net, SERVER), [(A, "rare".into())]);
    }

    // req: HP-10
    #[test]
    fn an_expensive_call_can_be_charged_as_many() {
        let mut net = Net::connected(&[A]);
        net.at(A).add_node(ping("N")).unwrap();
        net.at(SERVER).add_node(ping("N")).unwrap();
        let now = net.now;
        net.at(SERVER).charge_calls(now, peer(A), 999);
        let node = net.at(A).node("N").unwrap();
        for _ in 0..2 {
            net.at(A).rpc(one(SERVER), node, "ping", &[]).unwrap();
        }
        net.settle();
        assert_eq!(calls(&mut net, SERVER).len(), 1);
        assert_eq!(net.take_refusals(), [(SERVER, A, DropReason::RpcBudget)]);
    }
}

mod mismatch {
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
}

mod arguments {
    use super::*;
    use replication_proto::variant::ValueType;

    #[test]
    fn a_declared_byte_array_may_be_empty() {
        let mut net = Net::connected(&[A]);
        let config = || {
            let bytes = [Some(ValueType::PackedByteArray)];
            NodeConfig::new("N").rpc(RpcConfig::new("m").any_peer().argument_types(bytes))
        };
        net.at(A).add_node(config()).unwrap();
        let node = net.at(SERVER).add_node(config()).unwrap();
        let empty = [Value::PackedByteArray(Vec::new())];
        net.at(SERVER).rpc(one(A), node, "m", &empty).unwrap();
        net.settle();
        let events = net.events(A);
        let Some(Event::Rpc(call)) = events.last() else {
            panic!("{events:?}")
        };
        assert_eq!(call.arguments, empty);
        assert_eq!(
            net.at(SERVER).rpc(one(A), node, "m", &[Value::Nil]),
            Err(CallError::BadArguments)
        );
    }

    #[test]
    fn a_call_with_a_broken_argument_does_not_happen() {
        let mut net = Net::connected(&[A]);
        let node = net.at(SERVER).add_node(ping("N")).unwrap();
        net.at(A).add_node(ping("N")).unwrap();
        net.at(SERVER).rpc(one(A), node, "ping", &[]).unwrap();
        net.settle();
        net.forget();
        for (packet, reason) in [
            ("000100020207", DropReason::Truncated),
            ("00010002020727000000", DropReason::BadValue),
            ("0001000104000000ffffffff", DropReason::BadValue),
        ] {
            assert_eq!(
                net.inject(SERVER, A, hex(packet)),
                Verdict::Rejected(reason)
            );
        }
        assert!(net.events(A).is_empty());
    }
}

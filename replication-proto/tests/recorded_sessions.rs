//! The steps of the engine's recorded sessions, done by sessions of this crate: the same packets leave in the same order.
mod common;

use common::{Net, hex, peer, recorded_n, recorded_script, recorded_scripted, recorded_step};
use replication_proto::variant::Value;
use replication_proto::{
    CallError, Commands, Config, DropReason, Event, NodeConfig, NodeKey, Relay, RpcConfig,
    RpcTable, Target, TransferMode, Verdict,
};

const SERVER: i32 = 1;
const A: i32 = 1000;
const B: i32 = 2000;
const C: i32 = 3000;

/// Settles the net and compares what was sent with a recorded step.
fn expect(net: &mut Net, scenario: &str, step: &str) {
    net.settle();
    assert_eq!(net.take_log(), recorded_step(scenario, step), "{step}");
}

fn n(net: &mut Net, id: i32) -> NodeKey {
    net.at(id).node("N").unwrap()
}

fn all_but(id: i32) -> Target {
    Target::AllBut(peer(id))
}

fn one(id: i32) -> Target {
    Target::Peer(peer(id))
}

/// Server, A and B with node N everywhere, before the first call.
fn rpc_scene() -> Net {
    let mut net = Net::connected(&[A]);
    net.add(Config::client(peer(B)));
    for id in [SERVER, A, B] {
        net.at(id).add_node(recorded_n()).unwrap();
    }
    net.connect(B);
    net
}

/// The same after the server's first call to all: N is number 1 of the server.
fn rpc_scene_after_first_call() -> Net {
    let mut net = rpc_scene();
    net.settle();
    let node = n(&mut net, SERVER);
    net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    net.settle();
    net.forget();
    net
}

#[test]
fn a_server_announces_a_new_client_and_calls_by_path_until_confirmed() {
    let scenario = "rpc_and_relay";
    let mut net = rpc_scene();
    expect(&mut net, scenario, "connect B");

    let node = n(&mut net, SERVER);
    net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc zeta to all, first time");
    net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc zeta to all, cached");
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn calls_of_every_kind_have_the_bytes_of_the_engine() {
    let mut net = rpc_scene_after_first_call();
    let node = n(&mut net, SERVER);
    let bytes = |bytes: &[u8]| Value::PackedByteArray(bytes.into());
    let many = [
        bytes(&[9]),
        Value::Int(300),
        Value::Int(-70000),
        Value::Int(1 << 40),
    ];
    let calls: [(&str, &str, Vec<Value>); 8] = [
        (
            "rpc beta(5) to A, ch3 unreliable",
            "beta",
            vec![Value::Int(5)],
        ),
        ("rpc beta(PackedByteArray)", "beta", vec![bytes(&[1, 2, 3])]),
        ("rpc beta(empty PackedByteArray)", "beta", vec![bytes(&[])]),
        (
            "rpc alpha(true,false)",
            "alpha",
            vec![Value::Bool(true), Value::Bool(false)],
        ),
        ("rpc Many(PBA, 300, -70000, 2^40)", "Many", many.into()),
        ("rpc dflt", "dflt", vec![]),
        (
            "rpc nodefn (node config)",
            "nodefn",
            vec![Value::from("hi")],
        ),
        ("rpc bb (node config)", "bb", vec![]),
    ];
    for (step, method, arguments) in calls {
        net.at(SERVER)
            .rpc(one(A), node, method, &arguments)
            .unwrap();
        expect(&mut net, "rpc_and_relay", step);
        let [Event::Rpc(call)] = &net.events(A)[..] else {
            panic!("{step}: one call")
        };
        assert_eq!((&*call.method, call.peer), (method, peer(SERVER)));
        if step.contains("empty") {
            assert_eq!(call.arguments, [], "an empty byte array arrives as nothing");
        } else {
            assert_eq!(call.arguments, arguments);
        }
    }
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_client_reaches_the_server_directly_and_the_others_through_the_relay() {
    let scenario = "rpc_and_relay";
    let mut net = rpc_scene_after_first_call();
    let node = n(&mut net, A);

    net.at(A).rpc(one(SERVER), node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "client A rpc zeta to server first");
    net.at(A).rpc(Target::All, node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "client A rpc zeta to all");
    net.at(A).rpc(Target::All, node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "client A rpc zeta to all cached");
    net.at(A).rpc(all_but(SERVER), node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "client A rpc zeta to -1");
    assert_eq!(net.take_refusals(), []);

    net.at(A).rpc(one(SERVER), node, "auth_only", &[]).unwrap();
    expect(
        &mut net,
        scenario,
        "client A rpc auth_only to server (not authority)",
    );
    assert_eq!(net.take_refusals(), [(SERVER, A, DropReason::Unauthorized)]);

    let calls = net.events(B).into_iter().filter(|event| {
        matches!(event, Event::Rpc(call) if call.peer == peer(A) && &*call.method == "zeta")
    });
    assert_eq!(calls.count(), 3);
}

#[test]
fn raw_packets_take_every_form_of_target() {
    let scenario = "rpc_and_relay";
    let mut net = rpc_scene_after_first_call();
    for (target, number, receivers) in [
        (Target::All, "0", &[SERVER, B][..]),
        (one(SERVER), "1", &[SERVER]),
        (one(B), "2000", &[B]),
        (all_but(SERVER), "-1", &[B]),
        (all_but(B), "-2000", &[SERVER]),
    ] {
        let bytes = [0xde, 0xad, 0xbe, 0xef];
        let mode = TransferMode::Unreliable;
        net.at(A).send_bytes(target, &bytes, mode, 4).unwrap();
        let step = format!("client A send_bytes(DEADBEEF, to={number}, unreliable, ch 4)");
        expect(&mut net, scenario, &step);
        for id in [SERVER, B] {
            let events = net.events(id);
            if receivers.contains(&id) {
                let [
                    Event::Packet {
                        peer: from,
                        payload,
                        mode,
                        channel,
                    },
                ] = &events[..]
                else {
                    panic!("{step}: one packet at {id}")
                };
                assert_eq!((*from, &payload[..]), (peer(A), &bytes[..]));
                assert_eq!((*mode, *channel), (TransferMode::Unreliable, 4));
            } else {
                assert!(events.is_empty(), "{step}: nothing at {id}");
            }
        }
    }
    let reliable = TransferMode::Reliable;
    net.at(SERVER)
        .send_bytes(Target::All, &[1], reliable, 0)
        .unwrap();
    expect(&mut net, scenario, "server send_bytes(01, to=0)");
    net.at(SERVER)
        .send_bytes(all_but(A), &[1], reliable, 0)
        .unwrap();
    expect(&mut net, scenario, "server send_bytes(01, to=-1000)");
    assert_eq!(net.take_refusals(), []);
}

/// The arguments of the steps `arg1 …`, in their order.
fn single_arguments() -> Vec<Value> {
    let ints = [
        0,
        1,
        -1,
        127,
        128,
        -128,
        -129,
        255,
        256,
        32767,
        32768,
        -32768,
        -32769,
        65535,
        65536,
        2_147_483_647,
        2_147_483_648,
        -2_147_483_648,
        -2_147_483_649,
        i64::MAX,
    ];
    let mut values = vec![Value::Nil, Value::Bool(true), Value::Bool(false)];
    values.extend(ints.map(Value::Int));
    values.extend([0.0, 1.5, 0.1, f64::NAN].map(Value::Float));
    values.extend(["", "a", "abcd"].map(Value::from));
    let hexes = [
        "1500000002000000736e0000",
        "16000000020000800100000000000000010000004100000001000000420000000100000063000000",
        "050000000000803f00000040",
        "0a000000010000000200000003000000",
        "140000000000803f00000000000000000000803f",
        "1c00000000000000",
        "1c000000010000000200000001000000",
        "1c000000020000000200000001000000040000000100000061000000",
        "1b00000000000000",
        "1b000000010000000400000001000000610000000200000001000000",
        "1d00000000000000",
        "1d0000000300000001020300",
        "1e0000000100000001000000",
        "22000000010000000200000061000000",
        "19000000",
        "170000000000000000000000",
        "1c00010002000000010000000200000007000000",
        "1b00050004000000020000000100000004000000010000006b0000000200000001000000",
    ];
    let limits = replication_proto::variant::Limits::new();
    values.extend(hexes.map(|text| {
        replication_proto::variant::decode(&hex(text), &limits)
            .unwrap()
            .0
    }));
    values
}

#[test]
fn one_argument_of_every_recorded_value_has_the_bytes_of_the_engine() {
    let mut net = rpc_scene_after_first_call();
    let node = n(&mut net, SERVER);
    let mut expected: Vec<_> = common::recorded()
        .into_iter()
        .filter(|packet| packet.scenario == "rpc_and_relay" && packet.step.starts_with("arg1 "))
        .filter(|packet| !packet.step.contains("allow_object_decoding"))
        .map(|packet| packet.sent)
        .collect();
    expected.extend(recorded_step("rpc_and_relay", "no args v()"));
    for argument in single_arguments() {
        net.at(SERVER).rpc(one(A), node, "v", &[argument]).unwrap();
    }
    net.at(SERVER).rpc(one(A), node, "v", &[]).unwrap();
    net.settle();
    assert_eq!(net.take_log(), expected);
    assert_eq!(net.take_refusals(), []);
    assert_eq!(net.events(A).len(), expected.len());
}

#[test]
fn an_object_by_value_is_refused_in_a_call() {
    let mut net = rpc_scene_after_first_call();
    let step = "arg1 RefCounted with allow_object_decoding on sender";
    let packet = &recorded_step("rpc_and_relay", step)[0];
    assert_eq!(
        net.inject(SERVER, A, hex(&packet.hex)),
        Verdict::Rejected(DropReason::ObjectNotAllowed)
    );
    assert!(net.events(A).is_empty());
}

#[test]
fn a_node_that_is_missing_there_keeps_getting_its_path() {
    let scenario = "rpc_and_relay";
    let mut net = rpc_scene_after_first_call();
    let nested = "N/Ünï";
    net.at(A).add_node(recorded_scripted(nested)).unwrap();
    let node = net.at(SERVER).add_node(recorded_scripted(nested)).unwrap();
    net.at(SERVER).rpc(one(A), node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc on nested path");

    let only = net.at(SERVER).add_node(recorded_scripted("OnlyS")).unwrap();
    net.at(SERVER).rpc(one(A), only, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc on missing remote node");
    net.at(SERVER).rpc(one(A), only, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc on missing remote node, again");
    let missing = (A, SERVER, DropReason::UnknownNode);
    assert_eq!(net.take_refusals(), [missing, missing, missing]);

    for number in 0..300 {
        let path = format!("M{number}");
        net.at(A).add_node(recorded_scripted(&path)).unwrap();
        let node = net.at(SERVER).add_node(recorded_scripted(&path)).unwrap();
        net.at(SERVER).rpc(one(A), node, "zeta", &[]).unwrap();
        net.settle();
    }
    net.forget();
    let last = net.at(SERVER).node("M299").unwrap();
    net.at(SERVER).rpc(one(A), last, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "rpc with 16-bit node id (M299)");
}

#[test]
fn wide_method_ids_take_two_bytes() {
    let scenario = "wide_method_ids";
    let mut net = Net::connected(&[A]);
    let methods = (0..300).map(|number| RpcConfig::new(&format!("m{number:03}")));
    let table = RpcTable::of_script(methods).unwrap();
    let config = NodeConfig::new("Big").rpc_table(table);
    net.at(A).add_node(config.clone()).unwrap();
    let node = net.at(SERVER).add_node(config).unwrap();
    net.at(SERVER).rpc(one(A), node, "m299", &[]).unwrap();
    expect(&mut net, scenario, "method id 299 uncached");
    net.at(SERVER).rpc(one(A), node, "m255", &[]).unwrap();
    net.at(SERVER).rpc(one(A), node, "m256", &[]).unwrap();
    expect(&mut net, scenario, "method id 255/256 cached");
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn both_sides_of_an_authentication_send_what_the_engine_sends() {
    use replication_proto::Authentication;
    let scenario = "auth_spawn_sync";
    let mut net = Net::new();
    let mut server = Config::server();
    server.authentication = Authentication::Required;
    let mut client = Config::client(peer(A));
    client.authentication = Authentication::Required;
    net.add(server);
    net.add(client);
    net.connect(A);
    net.at(A)
        .send_auth(peer(SERVER), &[0xc0, 0xff, 0xee])
        .unwrap();
    net.settle();
    net.at(SERVER).send_auth(peer(A), &[0xaa]).unwrap();
    expect(&mut net, scenario, "auth: A sends data, S replies");

    let step = "auth: game packet from S while A pending";
    let packet = &recorded_step(scenario, step)[0];
    assert_eq!(
        net.inject(SERVER, A, hex(&packet.hex)),
        Verdict::Dropped(DropReason::NotAuthenticated)
    );

    net.at(A).complete_auth(peer(SERVER)).unwrap();
    expect(&mut net, scenario, "auth: A completes");
    assert!(!net.at(SERVER).is_admitted(peer(A)));
    net.at(SERVER).complete_auth(peer(A)).unwrap();
    expect(&mut net, scenario, "auth: S completes");
    assert!(net.at(SERVER).is_admitted(peer(A)));
    assert!(net.at(A).is_admitted(peer(SERVER)));
}

#[test]
fn a_third_client_is_announced_in_the_order_of_admission() {
    let mut net = Net::connected(&[A, B]);
    net.add(Config::client(peer(C)));
    net.connect(C);
    net.settle();
    let mut expected = recorded_step("auth_spawn_sync", "late join C");
    expected.retain(|packet| packet.hex.starts_with("0701"));
    assert_eq!(net.take_log(), expected);

    net.disconnect(B);
    expect(&mut net, "auth_spawn_sync", "B disconnects");
}

#[test]
fn a_local_call_follows_the_sent_ones_and_names_the_own_id() {
    let scenario = "player_owned_sync";
    let mut net = rpc_scene();
    net.settle();
    // N is the third node that the recorded server gave a number.
    for path in ["First", "Second"] {
        let node = net.at(SERVER).add_node(recorded_scripted(path)).unwrap();
        net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    }
    net.settle();
    net.forget();
    let node = n(&mut net, SERVER);
    let arguments = [Value::Int(1), Value::Int(2)];
    let sent = net.at(SERVER).rpc(Target::All, node, "alpha", &arguments);
    assert_eq!(sent, Ok(2));
    expect(&mut net, scenario, "rpc alpha call_local to all");
    let [Event::Rpc(call)] = &net.events(SERVER)[..] else {
        panic!("one local call")
    };
    assert_eq!(
        (call.peer, &call.arguments[..]),
        (peer(SERVER), &arguments[..])
    );

    net.at(SERVER).rpc(all_but(A), node, "zeta", &[]).unwrap();
    expect(&mut net, scenario, "server rpc to -1000");
}

#[test]
fn an_inherited_script_numbers_all_its_methods() {
    let mut net = Net::connected(&[A]);
    let mut methods = recorded_script();
    methods.push(RpcConfig::new("aaa"));
    let table = RpcTable::of_script(methods).unwrap();
    let config = NodeConfig::new("Holder/1000").rpc_table(table);
    // The recorded server gave number 1 to its spawner.
    let first = net.at(SERVER).add_node(recorded_scripted("First")).unwrap();
    net.at(SERVER).rpc(one(A), first, "zeta", &[]).unwrap();
    net.settle();
    net.forget();
    net.at(A).add_node(config.clone()).unwrap();
    let node = net.at(SERVER).add_node(config).unwrap();
    net.at(SERVER).rpc(one(A), node, "aaa", &[]).unwrap();
    expect(&mut net, "player_owned_sync", "rpc aaa (inherited script)");
}

#[test]
fn a_bad_checksum_is_confirmed_as_invalid_and_a_missing_terminator_does_no_harm() {
    let scenario = "player_owned_sync";
    let mut net = rpc_scene();
    net.settle();
    net.forget();
    let mut packet = vec![1];
    packet.extend_from_slice(b"00000000000000000000000000000000\0");
    packet.extend_from_slice(&99_u32.to_le_bytes());
    packet.extend_from_slice(b"N\0");
    assert_eq!(net.inject(SERVER, A, packet.clone()), Verdict::Accepted);
    expect(&mut net, scenario, "bad checksum SIMPLIFY_PATH at A");
    assert_eq!(packet.pop(), Some(0));
    packet[34] = 100;
    assert_eq!(net.inject(SERVER, A, packet), Verdict::Accepted);
    expect(
        &mut net,
        scenario,
        "simplify path without trailing NUL at A",
    );
}

#[test]
fn a_disconnected_peer_is_taken_off_everywhere() {
    let mut net = rpc_scene_after_first_call();
    net.at(SERVER).disconnect_peer(peer(A));
    net.settle();
    let mut expected = recorded_step("player_owned_sync", "disconnect_peer(1000) via API");
    expected.retain(|packet| packet.hex.starts_with("0702"));
    assert_eq!(net.take_log(), expected);
    assert_eq!(net.disconnects, [(SERVER, A)]);
    assert!(!net.at(B).is_admitted(peer(A)));
}

#[test]
fn the_root_itself_can_be_called() {
    let mut net = Net::connected(&[A, B]);
    net.at(A).add_node(recorded_scripted(".")).unwrap();
    let root = net.at(SERVER).add_node(recorded_scripted(".")).unwrap();
    net.at(SERVER).rpc(one(A), root, "zeta", &[]).unwrap();
    let step = "rpc on the multiplayer root itself";
    expect(&mut net, "visibility_nesting_relay", step);
}

#[test]
fn a_relay_can_be_switched_off_at_either_end() {
    let scenario = "visibility_nesting_relay";
    let mut net = Net::new();
    let mut server = Config::server();
    server.relay = Relay::Disabled;
    net.add(server);
    net.add(Config::client(peer(A)));
    net.connect(A);
    net.settle();
    net.forget();
    let step = "relay packet while relay disabled on server";
    let packet = &recorded_step(scenario, step)[0];
    assert_eq!(
        net.inject(A, SERVER, hex(&packet.hex)),
        Verdict::Rejected(DropReason::RelayDisabled)
    );

    let mut net = Net::new();
    net.add(Config::mesh(peer(A)));
    net.add(Config::mesh(peer(B)));
    net.link(A, B);
    let mode = TransferMode::Reliable;
    net.at(A).send_bytes(one(B), &[0xaa], mode, 0).unwrap();
    expect(
        &mut net,
        scenario,
        "client with relay disabled sends to peer 2000",
    );
}

#[test]
fn a_relay_bounces_and_forwards_nested_sys_packets_only_when_told_to() {
    let scenario = "visibility_nesting_relay";
    let mut net = Net::connected(&[A, B, C]);
    for (packet, verdict) in [
        (
            "07034d00000003aa",
            Verdict::Dropped(DropReason::UnknownPeer),
        ),
        ("0703e803000003aa", Verdict::Accepted),
        (
            "07030100000003aa",
            Verdict::Dropped(DropReason::UnknownPeer),
        ),
    ] {
        assert_eq!(net.inject(A, SERVER, hex(packet)), verdict, "{packet}");
    }
    let step = "A sends RELAY to unknown peer 77 / to itself / to 1";
    expect(&mut net, scenario, step);

    let mut server = Config::server();
    server.forward = Commands::ALL;
    let mut net = Net::new();
    net.add(server);
    for id in [A, B, C] {
        net.add(Config::client(peer(id)));
        net.connect(id);
        net.settle();
    }
    net.forget();
    assert_eq!(
        net.inject(A, SERVER, hex("0703000000000700")),
        Verdict::Rejected(DropReason::NestedSys)
    );
    expect(&mut net, scenario, "relay inner SYS");
    let nested = DropReason::NestedSys;
    assert_eq!(
        net.take_refusals(),
        [(B, SERVER, nested), (C, SERVER, nested)]
    );
}

#[test]
fn unconfirmed_receivers_make_the_engines_wide_form_for_all() {
    let mut net = rpc_scene_after_first_call();
    net.add(Config::client(peer(C)));
    net.at(C).add_node(recorded_n()).unwrap();
    net.connect(C);
    net.settle();
    net.take_log();
    let node = n(&mut net, SERVER);
    net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    net.settle();
    let calls: Vec<_> = net
        .take_log()
        .into_iter()
        .filter(|packet| packet.from == SERVER && packet.hex.starts_with('a'))
        .map(|packet| (packet.to, packet.hex))
        .collect();
    let (wide, inline) = ("a00100000006", "a006000080064e00");
    assert_eq!(
        calls,
        [(A, wide.into()), (B, wide.into()), (C, inline.into())]
    );
}

#[test]
fn calls_that_cannot_be_made_send_nothing() {
    let mut net = rpc_scene_after_first_call();
    let node = n(&mut net, SERVER);
    let many = vec![Value::Nil; 256];
    let server = net.at(SERVER);
    assert_eq!(
        server.rpc(one(77), node, "zeta", &[]),
        Err(CallError::UnknownPeer(peer(77)))
    );
    assert_eq!(
        server.rpc(all_but(77), node, "zeta", &[]),
        Err(CallError::UnknownPeer(peer(77)))
    );
    assert_eq!(
        server.rpc(one(SERVER), node, "zeta", &[]),
        Err(CallError::NotLocal)
    );
    assert_eq!(
        server.rpc(Target::All, node, "none", &[]),
        Err(CallError::UnknownMethod)
    );
    assert_eq!(
        server.rpc(Target::All, node, "zeta", &many),
        Err(CallError::TooManyArguments)
    );
    assert_eq!(server.rpc(one(SERVER), node, "alpha", &[]), Ok(0));
    server.remove_node(node).unwrap();
    assert_eq!(
        server.rpc(Target::All, node, "zeta", &[]),
        Err(CallError::UnknownNode)
    );
    net.settle();
    assert_eq!(net.take_log(), []);
    assert!(matches!(&net.events(SERVER)[..], [Event::Rpc(_)]));
}

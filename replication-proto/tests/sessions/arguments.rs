//! Arguments of calls.

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

//! Calls beyond a rate.

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

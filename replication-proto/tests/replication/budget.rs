//! Budgets and priorities.

use super::*;

#[test]
fn a_budget_leaves_out_and_what_was_left_out_is_first_next_time() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    for number in 0..20 {
        spawn(&mut net, &format!("U{number}"));
    }
    frames(&mut net, 4);
    net.at(1).set_budget(peer(2), Some(Budget::new(60)));
    net.forget();
    net.take_log();
    let mut sent_ids: Vec<Vec<u32>> = Vec::new();
    for _ in 0..5 {
        net.frame();
        let log = net.take_log();
        let to_2: Vec<_> = log
            .iter()
            .filter(|sent| sent.from == 1 && sent.to == 2)
            .collect();
        let bytes: usize = to_2.iter().map(|sent| sent.hex.len() / 2).sum();
        assert!(bytes <= 60, "{bytes}");
        let ids = to_2.iter().flat_map(|sent| {
            let packet = hex(&sent.hex);
            packet[3..]
                .chunks(10)
                .map(|entry| entry[0].into())
                .collect::<Vec<u32>>()
        });
        sent_ids.push(ids.collect());
    }
    assert!(sent_ids.iter().all(|ids| ids.len() == 5), "{sent_ids:?}");
    let mut first: Vec<u32> = sent_ids[..4].concat();
    first.sort_unstable();
    first.dedup();
    assert_eq!(
        first.len(),
        20,
        "all had their turn before any had a second"
    );
    assert_eq!(sent_ids[4], sent_ids[0]);
    assert!(net.at(1).stats().put_off >= 75);
}

#[test]
fn a_budget_delays_spawns_and_deltas_and_loses_none() {
    let unit = unit_of(SynchronizerConfig::new());
    let mut net = Net::new();
    let mut server = engine(Config::server());
    server.budget = Some(Budget::new(200));
    net.add(server);
    declare(&mut net, 1, &unit, SpawnerConfig::new("../Units"));
    for number in 0..30 {
        spawn(&mut net, &format!("U{number}"));
        set(
            &mut net,
            1,
            &format!("Units/U{number}"),
            "name",
            "n".repeat(20),
        );
    }
    join(&mut net, 2, &unit);
    let early = net.at(2).spawned_nodes().count();
    assert!(early < 30, "{early}");
    frames(&mut net, 60);
    assert_eq!(net.at(2).spawned_nodes().count(), 30);
    for number in 0..30 {
        let path = format!("Units/U{number}");
        assert_eq!(
            value(&mut net, 2, &path, "name"),
            Value::from("n".repeat(20))
        );
    }
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_higher_priority_is_sent_more_often() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let first = spawn(&mut net, "U0");
    for number in 1..20 {
        spawn(&mut net, &format!("U{number}"));
    }
    frames(&mut net, 4);
    net.at(1).set_priority(first, 8).unwrap();
    net.at(1).set_budget(peer(2), Some(Budget::new(33)));
    net.forget();
    for _ in 0..30 {
        net.frame();
    }
    let mut counts = std::collections::HashMap::<String, usize>::new();
    for event in net.events(2) {
        if let Event::Sync(state) = event {
            *counts.entry(state.path.to_string()).or_insert(0) += 1;
        }
    }
    let of_first = counts["Units/U0"];
    let most = counts
        .iter()
        .filter(|(path, _)| **path != "Units/U0")
        .map(|(_, count)| *count)
        .max()
        .unwrap();
    assert!(of_first >= 2 * most, "{counts:?}");
    assert_eq!(counts.len(), 20, "nobody starves");
}

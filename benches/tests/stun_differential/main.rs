//! `stun-proto` against other crates for STUN: what one writes the others read, and where they disagree about damaged
//! messages the difference is one that `docs/stun-differences.md` lists.

mod messages;
mod mutation;
mod oracles;

use core::cell::RefCell;
use core::cmp::Ordering;
use messages::{PASSWORD, Plain, ours_read, plain, write};
use mutation::{Mutation, mutations};
use oracles::{Oracle, RtcStun, StunCodec, StunTypes};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a reader makes of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Class in the order of the wire, method, id.
    header: (u8, u16, [u8; 12]),
    /// What it shows, integrities and FINGERPRINT excluded.
    attributes: Vec<(u16, Vec<u8>)>,
    /// Whether the first visible attribute of each number that it knows has a legal value.
    values: BTreeMap<u16, bool>,
    /// Whether the strongest integrity that it shows fits the password; `None` without one.
    verified: Option<bool>,
}

/// A runner whose cases are the same each time, so that a new difference is found here and not by somebody's change.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn check_reads_ours<O: Oracle>() {
    let strategy = plain(O::NOT_SHA256, O::SMALL_METHODS);
    let checked = runner(2000).run(&strategy, |message| {
        let bytes = write(&message);
        let theirs = O::read(&bytes).map_err(TestCaseError::fail)?;
        let ours = ours_read(&bytes).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert_eq!(&theirs.header, &ours.header);
        prop_assert_eq!(&theirs.attributes, &ours.attributes);
        prop_assert!(
            theirs.values.values().all(|legal| *legal),
            "{:?}",
            theirs.values
        );
        prop_assert_eq!(theirs.verified, ours.verified);
        prop_assert_ne!(ours.verified, Some(false));
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{}: {error}", O::NAME));
}

fn check_is_read_by_ours<O: Oracle>() {
    let strategy = plain(O::NOT_SHA256, O::SMALL_METHODS);
    let checked = runner(2000).run(&strategy, |message| {
        let bytes = O::write(&message);
        prop_assert_eq!(&bytes, &write(&message), "the bytes differ");
        let ours = ours_read(&bytes).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert!(ours.values.values().all(|legal| *legal));
        prop_assert_ne!(ours.verified, Some(false));
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{}: {error}", O::NAME));
}

#[test]
fn what_we_write_the_others_read() {
    check_reads_ours::<StunTypes>();
    check_reads_ours::<StunCodec>();
    check_reads_ours::<RtcStun>();
}

#[test]
fn the_others_write_the_same_bytes_and_we_read_them() {
    check_is_read_by_ours::<StunTypes>();
    check_is_read_by_ours::<StunCodec>();
    check_is_read_by_ours::<RtcStun>();
}

/// The differences between both readings of `bytes`, each in the words of the document.
fn differences<O: Oracle>(bytes: &[u8]) -> Vec<String> {
    let theirs = std::panic::catch_unwind(|| O::read(bytes));
    let Ok(theirs) = theirs else {
        return vec![format!("{} panics", O::NAME)];
    };
    let say = |text: String| vec![format!("{} {text}", O::NAME)];
    match (ours_read(bytes), theirs) {
        (Err(_), Err(_)) => Vec::new(),
        (Err(reason), Ok(_)) => say(format!("accepts {reason}")),
        (Ok(ours), Err(_)) if O::READS_VALUES => refused_values::<O>(&ours),
        (Ok(_), Err(reason)) => say(format!("refuses {reason}")),
        (Ok(ours), Ok(theirs)) => compare(O::NAME, &ours, &theirs),
    }
}

/// Why a message was refused that ours accepts: for values that ours finds legal, or for what ours leaves alone.
fn refused_values<O: Oracle>(ours: &Reading) -> Vec<String> {
    if ours.values.values().any(|legal| !legal) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let firsts = ours
        .attributes
        .iter()
        .filter(|(kind, _)| seen.insert(*kind));
    let alone = firsts.map(|(kind, value)| Plain {
        class: 2,
        method: 1,
        id: ours.header.2,
        attributes: vec![(*kind, value.clone())],
        sha1: false,
        sha256: false,
        fingerprint: false,
    });
    let refused = alone.filter(|message| O::read(&write(message)).is_err());
    let mut refused: Vec<_> = refused
        .map(|message| {
            format!(
                "{} refuses a value of {:#06x}",
                O::NAME,
                message.attributes[0].0
            )
        })
        .collect();
    if refused.is_empty() {
        refused.push(format!("{} refuses what ours ignores", O::NAME));
    }
    refused
}

fn compare(name: &str, ours: &Reading, theirs: &Reading) -> Vec<String> {
    let mut found = Vec::new();
    if ours.header != theirs.header {
        found.push(format!("{name} reads another header"));
    }
    if ours.attributes != theirs.attributes {
        let what = match theirs.attributes.len().cmp(&ours.attributes.len()) {
            Ordering::Less => "hides attributes",
            Ordering::Equal => "shows other attributes",
            Ordering::Greater => "shows what follows an integrity",
        };
        found.push(format!("{name} {what}"));
        // Which of several is the first depends on what is shown.
        return found;
    }
    for (kind, legal) in &theirs.values {
        match ours.values.get(kind) {
            Some(own) if own != legal => {
                let verb = if *legal { "accepts" } else { "refuses" };
                found.push(format!("{name} {verb} a value of {kind:#06x}"));
            }
            _ => {}
        }
    }
    if ours.verified != theirs.verified {
        let word = |verified| match verified {
            None => "none",
            Some(true) => "right",
            Some(false) => "wrong",
        };
        let (own, other) = (word(ours.verified), word(theirs.verified));
        found.push(format!(
            "{name} finds the integrity {other} where ours finds {own}"
        ));
    }
    found
}

/// The differences that the document lists: the texts between backticks that begin its table rows.
fn listed() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/stun-differences.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect()
}

fn damaged() -> impl Strategy<Value = (Plain, Vec<Mutation>)> {
    (plain(false, false), mutations())
}

#[test]
fn every_difference_about_a_damaged_message_is_listed_and_every_listed_one_is_found() {
    let found = RefCell::new(BTreeMap::new());
    let cases = std::env::var("STUN_DIFFERENTIAL_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(20_000);
    let checked = runner(cases).run(&damaged(), |(message, mutations)| {
        let mut bytes = write(&message);
        mutations
            .iter()
            .for_each(|mutation| mutation.apply(&mut bytes));
        let all = [
            differences::<StunTypes>(&bytes),
            differences::<StunCodec>(&bytes),
            differences::<RtcStun>(&bytes),
        ];
        for difference in all.into_iter().flatten() {
            found
                .borrow_mut()
                .entry(difference)
                .or_insert_with(|| bytes.clone());
        }
        Ok(())
    });
    checked.expect("no panic in ours");
    let found = found.into_inner();
    for (difference, bytes) in &found {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{difference}\n    {hex}");
    }
    let found: BTreeSet<_> = found.into_keys().collect();
    let listed = listed();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "not in docs/stun-differences.md: {unlisted:#?}"
    );
    let unseen: Vec<_> = listed.difference(&found).collect();
    assert!(unseen.is_empty(), "listed, and not seen: {unseen:#?}");
}

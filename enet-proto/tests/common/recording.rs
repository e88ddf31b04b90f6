//! Recorded sessions of C ENet as they stand in the file.

use super::raw::parse;
use bytes::Bytes;
use enet_proto::PacketFlags;
use serde_json::Value;

/// Which side of a recording our host plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What an application saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected {
        data: u32,
        channels: u64,
    },
    Disconnected {
        data: u32,
    },
    Received {
        channel: u8,
        flags: u8,
        length: usize,
        crc32: u32,
    },
}

/// All recordings.
pub(crate) fn recordings() -> Vec<Value> {
    let text = include_str!("../data/enet-session.json");
    let file: Value = serde_json::from_str(text).expect("the recordings are JSON");
    file["sessions"].as_array().expect("a list").clone()
}

/// What the recording says that the application of `role` saw.
pub(crate) fn recorded_events(recording: &Value, role: Role) -> Vec<Seen> {
    let key = match role {
        Role::Client => "client_events",
        Role::Server => "server_events",
    };
    let events = recording[key].as_array().expect("a list").iter();
    let number = |event: &Value, field: &str| event[field].as_u64().expect("a number");
    let seen = events.filter_map(|event| match event["event"].as_str()? {
        "connect" => Some(Seen::Connected {
            data: narrow(number(event, "data")),
            channels: number(event, "channels"),
        }),
        "disconnect" => Some(Seen::Disconnected {
            data: narrow(number(event, "data")),
        }),
        "receive" => Some(Seen::Received {
            channel: narrow(number(event, "channel")),
            flags: narrow(number(event, "flags")),
            length: narrow(number(event, "len")),
            crc32: u32::from_str_radix(event["crc32"].as_str()?, 16).ok()?,
        }),
        _ => None,
    });
    seen.collect()
}

pub(crate) fn narrow<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).unwrap_or_else(|_| panic!("{number} is out of range"))
}

/// A datagram of the recording from the point of view of one side, with the time of that side's clock.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) ours: bool,
    pub(crate) at_ms: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Whether the script sleeps before it first serves its host.
pub(crate) fn sleeps_first(recording: &Value, key: &str) -> bool {
    let words = recording[key].as_array().expect("a list").iter();
    let mut waits = words.filter_map(Value::as_str).map(|word| split(word).0);
    let first = waits.find(|name| ["sleep", "pump"].contains(name) || name.starts_with("wait"));
    first == Some("sleep")
}

pub(crate) fn split(word: &str) -> (&str, Vec<u64>) {
    let mut parts = word.split_whitespace();
    let name = parts.next().expect("a word is not empty");
    (name, parts.filter_map(|part| part.parse().ok()).collect())
}

pub(crate) fn flags_of(bits: u64) -> PacketFlags {
    let all = [
        (1, PacketFlags::RELIABLE),
        (2, PacketFlags::UNSEQUENCED),
        (8, PacketFlags::UNRELIABLE_FRAGMENT),
    ];
    let set = all.into_iter().filter(|(bit, _)| bits & bit != 0);
    set.fold(PacketFlags::NONE, |flags, (_, flag)| flags | flag)
}

pub(crate) fn payload(length: u64, seed: u64) -> Bytes {
    (0..length)
        .map(|i| ((31 * seed + 7 * i + 13 * (i >> 8)) & 0xff) as u8)
        .collect()
}

/// The datagrams in the order in which one side sent or got them, timed by its own clock.
///
/// The proxy's times are its own; the sent times in our side's datagrams say what our clock showed.
pub(crate) fn items(recording: &Value, role: Role, clock_ms: u64, checksum: bool) -> Vec<Item> {
    let ours = match role {
        Role::Client => "c2s",
        Role::Server => "s2c",
    };
    let mut items = Vec::new();
    for datagram in recording["datagrams"].as_array().expect("a list") {
        let bytes = testkit::unhex(datagram["hex"].as_str().expect("text"));
        let at = datagram["t_ms"].as_u64().expect("a number");
        if datagram["dir"] == ours {
            items.push((at, true, bytes));
            continue;
        }
        let delays = datagram["delivered_after_ms"].as_array();
        let delays = delays.map_or_else(
            || vec![0],
            |delays| delays.iter().filter_map(Value::as_u64).collect(),
        );
        for delay in delays {
            items.push((at + delay, false, bytes.clone()));
        }
    }
    items.sort_by_key(|&(at, ..)| at);
    let sent_time = |bytes: &[u8]| parse(bytes, checksum).sent_time.map(u64::from);
    let first = items.iter().filter(|(_, ours, _)| *ours);
    let offset = first
        .filter_map(|(at, _, bytes)| Some(sent_time(bytes)?.saturating_sub(*at)))
        .next()
        .unwrap_or(clock_ms);
    let times: Vec<Option<u64>> = items
        .iter()
        .map(|(_, ours, bytes)| if *ours { sent_time(bytes) } else { None })
        .collect();
    let mut now = clock_ms;
    let mut timed = Vec::new();
    for (index, (at, ours, bytes)) in items.into_iter().enumerate() {
        let next_known = times[index..].iter().flatten().min().copied();
        let at_ms = times[index].unwrap_or(offset + at);
        now = now.max(at_ms.min(next_known.unwrap_or(u64::MAX)));
        timed.push(Item {
            ours,
            at_ms: now,
            bytes,
        });
    }
    timed
}

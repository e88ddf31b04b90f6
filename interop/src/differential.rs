//! The same network script with C ENet and ours at either end: what arrives, how much of it, and how late.
//!
//! [`run`] drives one pairing of implementations over a link under virtual time and gives [`Figures`]; a [`Cell`] has
//! those of all four pairings, and the program `differential` prints the table of `docs/differential.md`.

use crate::enet::{Event, Flags, Kind, Pairing, Settings, Side, World};
use core::time::Duration;
use proto_core::Instant;
use testkit::{Link, Rate};

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// C ENet at both ends: what the others are compared with.
    CToC,
    /// Ours sends, C ENet receives; in a game, ours is the client.
    OursToC,
    /// C ENet sends, ours receives; in a game, ours is the server.
    CToOurs,
    /// Ours at both ends.
    OursToOurs,
}

impl Ends {
    /// All four.
    pub const ALL: [Self; 4] = [Self::CToC, Self::OursToC, Self::CToOurs, Self::OursToOurs];

    /// Sender and receiver.
    const fn kinds(self) -> (Kind, Kind) {
        match self {
            Self::CToC => (Kind::C, Kind::C),
            Self::OursToC => (Kind::Rust, Kind::C),
            Self::CToOurs => (Kind::C, Kind::Rust),
            Self::OursToOurs => (Kind::Rust, Kind::Rust),
        }
    }
}

/// What the four pairings gave on one network.
#[derive(Clone, Debug)]
pub struct Cell([Figures; 4]);

impl Cell {
    /// As much as goes through, with the sender as client and as server.
    #[must_use]
    pub fn bulk(link: Link, seeds: u8, duration: Duration) -> Self {
        Self::of(seeds, |ends, seed| {
            let (sender, receiver) = ends.kinds();
            let mut figures = run(
                Pairing {
                    client: sender,
                    server: receiver,
                },
                link,
                Load::Upload,
                seed,
                duration,
            );
            figures.add(run(
                Pairing {
                    client: receiver,
                    server: sender,
                },
                link,
                Load::Download,
                seed,
                duration,
            ));
            figures
        })
    }

    /// A game, in both directions at once.
    #[must_use]
    pub fn game(link: Link, seeds: u8, duration: Duration) -> Self {
        Self::of(seeds, |ends, seed| {
            let (client, server) = ends.kinds();
            run(Pairing { client, server }, link, Load::Game, seed, duration)
        })
    }

    fn of(seeds: u8, run: impl Fn(Ends, u8) -> Figures) -> Self {
        Self(Ends::ALL.map(|ends| {
            let mut sum = Figures::default();
            for seed in 0..seeds {
                sum.add(run(ends, seed));
            }
            sum
        }))
    }

    /// The figures of one pairing.
    #[must_use]
    pub const fn get(&self, ends: Ends) -> &Figures {
        &self.0[ends as usize]
    }

    /// How long all runs were.
    #[must_use]
    pub fn virtual_hours(&self) -> f64 {
        let seconds = self.0.iter().map(|figures| figures.duration.as_secs_f64());
        seconds.sum::<f64>() / 3600.0
    }
}

/// Round trips of the table, in milliseconds.
pub const ROUND_TRIPS_MS: [u64; 5] = [4, 20, 60, 150, 300];
/// Losses of the table, in 1000, in each direction.
pub const LOSSES: [u32; 5] = [0, 10, 30, 50, 100];

/// What the two ends send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As much reliable data as goes through, from the client only: packets of 8 kB, 256 kB of them under way.
    Upload,
    /// The same from the server only.
    Download,
    /// Fifty times a second from both ends: a reliable packet of 120 bytes, and an unreliable one on a channel of its own.
    Game,
}

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Bytes of reliable packets that arrived.
    pub reliable_bytes: u64,
    /// Bytes of all datagrams that both ends sent.
    pub wire_bytes: u64,
    /// Reliable packets that arrived.
    pub reliable: u64,
    /// Unreliable packets that arrived.
    pub unreliable: u64,
    /// Time from the send call to the arrival, of reliable packets, in microseconds, sorted.
    pub latencies: Vec<u64>,
    /// How long the run was.
    pub duration: Duration,
    /// Connections that one end gave up for dead, which ends a run.
    pub broken: u32,
}

impl Figures {
    /// Bytes of reliable packets a second.
    #[must_use]
    pub fn goodput(&self) -> f64 {
        self.reliable_bytes as f64 / self.duration.as_secs_f64()
    }

    /// Unreliable packets a second that arrived.
    #[must_use]
    pub fn unreliable_rate(&self) -> f64 {
        self.unreliable as f64 / self.duration.as_secs_f64()
    }

    /// What share of the bytes of all datagrams was reliable packets that arrived.
    #[must_use]
    pub fn wire_share(&self) -> f64 {
        self.reliable_bytes as f64 / self.wire_bytes.max(1) as f64
    }

    /// Mean time to arrive, in milliseconds.
    #[must_use]
    pub fn mean_latency(&self) -> f64 {
        let sum: u64 = self.latencies.iter().sum();
        sum as f64 / 1e3 / self.latencies.len().max(1) as f64
    }

    /// The time within which a share of the packets arrived, in milliseconds.
    #[must_use]
    pub fn latency(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        let micros = self.latencies.get((last * share) as usize);
        micros.map_or(0.0, |&micros| micros as f64 / 1e3)
    }

    /// Mean time to arrive of the slowest hundredth, in milliseconds. A percentile jumps where a share of late packets passes
    /// it; this does not.
    #[must_use]
    pub fn slowest_latency(&self) -> f64 {
        let count = self.latencies.len().div_ceil(100);
        let slowest = &self.latencies[self.latencies.len() - count..];
        slowest.iter().sum::<u64>() as f64 / 1e3 / count.max(1) as f64
    }

    /// Adds another run of the same course.
    pub fn add(&mut self, other: Self) {
        self.reliable_bytes += other.reliable_bytes;
        self.wire_bytes += other.wire_bytes;
        self.reliable += other.reliable;
        self.unreliable += other.unreliable;
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.duration += other.duration;
        self.broken += other.broken;
    }
}

/// A link with this round trip in milliseconds and this loss in 1000 each way, with a little jitter.
#[must_use]
pub fn link(round_trip_ms: u64, loss: u32) -> Link {
    Link {
        latency: Duration::from_millis(round_trip_ms) / 2,
        jitter: Duration::from_millis(round_trip_ms) / 20,
        loss,
        ..Link::PERFECT
    }
}

/// Links that do more than lose: each with its name.
#[must_use]
pub fn special_links() -> [(&'static str, Link); 8] {
    let base = link(60, 20);
    let limited = |bytes_per_second, queue_bytes| Link {
        rate: Some(Rate {
            bytes_per_second,
            queue_bytes,
        }),
        ..link(60, 0)
    };
    [
        (
            "60 ms, 2 %, jitter of 30 ms",
            Link {
                jitter: Duration::from_millis(30),
                ..base
            },
        ),
        (
            "60 ms, 2 %, 10 % duplicated",
            Link {
                duplicate: 100,
                ..base
            },
        ),
        (
            "60 ms, 2 %, 10 % late by up to 40 ms",
            Link {
                reorder: 100,
                reorder_by: Duration::from_millis(40),
                ..base
            },
        ),
        (
            "60 ms, bursts of loss",
            Link {
                loss: 0,
                burst: Some(testkit::Burst {
                    enter: 10,
                    leave: 250,
                    loss: 900,
                }),
                ..base
            },
        ),
        ("60 ms, 64 kB/s, queue of 64 kB", limited(64_000, 64_000)),
        ("60 ms, 256 kB/s, queue of 16 kB", limited(256_000, 16_000)),
        ("60 ms, 256 kB/s, queue of 64 kB", limited(256_000, 64_000)),
        ("60 ms, 1 MB/s, queue of 64 kB", limited(1_000_000, 64_000)),
    ]
}

/// Reliable packets of the bulk loads.
const BULK_BYTES: usize = 8_000;
/// How much of these the application has under way.
const BULK_UNDER_WAY: usize = 32;
/// Packets of the game load.
const GAME_BYTES: usize = 120;
/// How often both ends of a game send.
const GAME_INTERVAL: Duration = Duration::from_millis(20);
const RELIABLE_CHANNEL: u8 = 0;
const UNRELIABLE_CHANNEL: u8 = 1;

/// One direction: what was sent when, and what has arrived.
#[derive(Debug, Default)]
struct Stream {
    sent_at: Vec<Instant>,
    arrived: u64,
    unreliable_sent: u64,
    unreliable_next: u64,
}

/// A run under way.
#[derive(Debug)]
struct Run {
    /// What the client sends, and what the server sends.
    streams: [Stream; 2],
    figures: Figures,
}

/// Drives one pairing through a link for `duration` after the handshake, which has a perfect link.
///
/// # Panics
/// When a reliable packet is changed, doubled or out of order, or an unreliable one is changed, doubled or stale.
#[must_use]
pub fn run(pairing: Pairing, link: Link, load: Load, seed: u8, duration: Duration) -> Figures {
    let settings = Settings {
        seed,
        ..Settings::default()
    };
    let mut world = World::new(pairing, &settings, &settings);
    // Both ends measure their first round trip on this link, but nothing is lost yet.
    world.set_link(Link {
        loss: 0,
        burst: None,
        ..link
    });
    world.connect(2);
    world.set_link(link);
    let before = world.network.stats().sent_bytes;
    let mut run = Run {
        streams: Default::default(),
        figures: Figures::default(),
    };
    let start = world.network.now();
    let end = start + duration;
    while world.network.now() < end && run.figures.broken == 0 {
        run.send(&mut world, load);
        let pause = match load {
            Load::Game => GAME_INTERVAL,
            Load::Upload | Load::Download => Duration::from_millis(1),
        };
        let nodes = Side::BOTH.map(|side| (side, world.node(side)));
        world.network.run_until(pause, |network| {
            let now = network.now();
            for (side, node) in nodes {
                while let Some(event) = network.poll_event(node) {
                    run.arrived(now, side, event);
                }
            }
            run.figures.broken > 0
        });
    }
    let mut figures = run.figures;
    figures.duration = world.network.now().saturating_since(start);
    figures.wire_bytes = world.network.stats().sent_bytes - before;
    figures.latencies.sort_unstable();
    figures
}

impl Run {
    fn send(&mut self, world: &mut World, load: Load) {
        let under_way = |stream: &Stream| stream.sent_at.len() - stream.arrived as usize;
        match load {
            Load::Game => {
                for side in Side::BOTH {
                    self.send_reliable(world, side, GAME_BYTES);
                    let stream = &mut self.streams[side as usize];
                    let packet = numbered(stream.unreliable_sent, GAME_BYTES);
                    stream.unreliable_sent += 1;
                    assert!(world.send(side, UNRELIABLE_CHANNEL, Flags::NONE, &packet));
                }
            }
            Load::Upload | Load::Download => {
                let side = if load == Load::Upload {
                    Side::Client
                } else {
                    Side::Server
                };
                while under_way(&self.streams[side as usize]) < BULK_UNDER_WAY {
                    self.send_reliable(world, side, BULK_BYTES);
                }
            }
        }
    }

    fn send_reliable(&mut self, world: &mut World, side: Side, bytes: usize) {
        let stream = &mut self.streams[side as usize];
        let packet = numbered(stream.sent_at.len() as u64, bytes);
        stream.sent_at.push(world.network.now());
        assert!(world.send(side, RELIABLE_CHANNEL, Flags::RELIABLE, &packet));
    }

    fn arrived(&mut self, now: Instant, at: Side, event: Event) {
        let Event::Received {
            channel, payload, ..
        } = event
        else {
            assert!(
                matches!(event, Event::Disconnected { .. }),
                "{at:?} saw {event:?}"
            );
            self.figures.broken = 1;
            return;
        };
        let stream = &mut self.streams[at.other() as usize];
        let number = number_of(&payload);
        if channel == UNRELIABLE_CHANNEL {
            assert!(
                number >= stream.unreliable_next && number < stream.unreliable_sent,
                "unreliable {number} is stale"
            );
            stream.unreliable_next = number + 1;
            self.figures.unreliable += 1;
            return;
        }
        assert_eq!(number, stream.arrived, "reliable packets out of order");
        let taken = now.saturating_since(stream.sent_at[stream.arrived as usize]);
        stream.arrived += 1;
        self.figures.reliable += 1;
        self.figures.reliable_bytes += payload.len() as u64;
        self.figures.latencies.push(taken.as_micros() as u64);
    }
}

/// Unreliable packets both ways for five minutes over a link that is cut off at times fixed by `seed`, whatever is sent;
/// gives the numbers that arrived at the client, and at the server.
///
/// # Panics
/// As [`run`], or when the connection ends.
#[must_use]
pub fn run_timetable(ends: Ends, seed: u8) -> [Vec<u64>; 2] {
    let (client, server) = ends.kinds();
    let settings = Settings::default();
    let mut world = World::new(Pairing { client, server }, &settings, &settings);
    let open = link(40, 0);
    world.set_link(Link {
        jitter: Duration::ZERO,
        ..open
    });
    world.connect(2);
    for side in Side::BOTH {
        // A throttle that never slows down: what is lost shall be the network's doing.
        let peer = world.peer(side);
        let interval = Duration::from_secs(5);
        world.end_mut(side).configure_throttle(peer, interval, 2, 0);
        world.take(side);
    }
    world.run_for(Duration::from_secs(1));
    let mut dice = testkit::Dice::new(seed.into());
    for number in 0..15_000 {
        // Half way between two packets, so that a moment more or less changes nothing.
        world.run_for(GAME_INTERVAL / 2);
        world.set_link(Link {
            loss: if dice.chance(100) { 1000 } else { 0 },
            jitter: Duration::ZERO,
            ..open
        });
        world.run_for(GAME_INTERVAL / 2);
        for side in Side::BOTH {
            let packet = numbered(number, GAME_BYTES);
            assert!(world.send(side, UNRELIABLE_CHANNEL, Flags::UNSEQUENCED, &packet));
        }
    }
    world.run_for(Duration::from_secs(1));
    Side::BOTH.map(|side| {
        let received = world.take_received(side).into_iter();
        received.map(|(.., packet)| number_of(&packet)).collect()
    })
}

/// A packet that no other number gives.
fn numbered(number: u64, bytes: usize) -> Vec<u8> {
    let mut packet = number.to_le_bytes().to_vec();
    packet.resize(bytes, number as u8);
    packet
}

/// The number of such a packet, if it is unaltered.
fn number_of(packet: &[u8]) -> u64 {
    let number = u64::from_le_bytes(packet[..8].try_into().expect("longer than that"));
    assert!(
        packet == numbered(number, packet.len()),
        "packet {number} is changed"
    );
    number
}

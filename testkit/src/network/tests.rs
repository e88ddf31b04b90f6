use super::*;
use crate::{run_operations, unhex};
use core::cell::Cell;
use proto_core::Transmit;

/// Sends a numbered datagram to each friend every `period`, and reports what it hears.
struct Beacon {
    friends: Vec<SocketAddr>,
    outbox: VecDeque<(SocketAddr, u8)>,
    heard: VecDeque<(SocketAddr, u8)>,
    next: Option<Instant>,
    period: Duration,
    count: u8,
    timeouts: Cell<usize>,
}

impl Beacon {
    fn new(friends: &[SocketAddr], period: Duration) -> Self {
        Self {
            friends: friends.to_vec(),
            outbox: VecDeque::new(),
            heard: VecDeque::new(),
            next: (!friends.is_empty()).then_some(Instant::ZERO),
            period,
            count: 0,
            timeouts: Cell::new(0),
        }
    }
}

impl Machine for Beacon {
    type Event = (SocketAddr, u8);
    type Drop = &'static str;

    fn handle_datagram(
        &mut self,
        _: Instant,
        _: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<&'static str> {
        let [number] = data else {
            return Handled::Dropped("length");
        };
        self.heard.push_back((from, *number));
        Handled::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.timeouts.set(self.timeouts.get() + 1);
        for &friend in &self.friends {
            self.outbox.push_back((friend, self.count));
        }
        self.count = self.count.wrapping_add(1);
        self.next = Some(now + self.period);
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (destination, number) = self.outbox.pop_front()?;
        buf[0] = number;
        Some(Transmit {
            source: None,
            destination,
            bytes: 0..1,
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn poll_event(&mut self) -> Option<(SocketAddr, u8)> {
        self.heard.pop_front()
    }

    fn buffer_bytes(&self) -> usize {
        64
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 1000))
}

const MILLISECOND: Duration = Duration::from_millis(1);

fn bad_link() -> Link {
    Link {
        latency: 5 * MILLISECOND,
        jitter: 10 * MILLISECOND,
        loss: 200,
        duplicate: 100,
        reorder: 200,
        corrupt: 50,
        ..Link::PERFECT
    }
}

fn transcript_of(seed: u64, order: [u8; 3]) -> String {
    let mut network = Network::new(seed, bad_link());
    network.record(Transcript::new());
    for last in order {
        let friends: Vec<_> = order
            .iter()
            .filter(|&&other| other != last)
            .map(|&other| address(other))
            .collect();
        let mut friends = friends;
        friends.sort();
        network.add(address(last), Beacon::new(&friends, 10 * MILLISECOND));
    }
    network.run_for(200 * MILLISECOND);
    network
        .transcript()
        .expect("it was recorded")
        .text()
        .to_owned()
}

#[test]
fn the_same_seed_gives_the_same_transcript_and_another_seed_another() {
    for seed in 0..20 {
        assert_eq!(
            transcript_of(seed, [1, 2, 3]),
            transcript_of(seed, [1, 2, 3])
        );
    }
    assert_ne!(transcript_of(1, [1, 2, 3]), transcript_of(2, [1, 2, 3]));
}

#[test]
fn what_a_link_does_does_not_depend_on_the_order_of_joining() {
    let datagrams = |text: String| {
        let mut lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains(" > "))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(
        datagrams(transcript_of(9, [1, 2, 3])),
        datagrams(transcript_of(9, [3, 1, 2]))
    );
}

#[test]
fn a_transcript_shows_datagrams_fates_and_events() {
    let client = Beacon::new(&[Pair::<Beacon>::SERVER], 10 * MILLISECOND);
    let mut pair = Pair::new(
        1,
        Link::with_latency(3 * MILLISECOND),
        client,
        Beacon::new(&[], MILLISECOND),
    );
    pair.network.record(Transcript::new());
    pair.network.run_for(4 * MILLISECOND);
    assert_eq!(
        pair.network.transcript().map(Transcript::text),
        Some(
            "0.000000s 10.0.0.1:40001 > 10.0.0.2:7777 1 bytes, arrives 0.003000s: 00\n\
             0.003000s 10.0.0.2:7777 event (10.0.0.1:40001, 0)\n"
        )
    );
}

#[test]
fn time_jumps_from_one_deadline_to_the_next() {
    let client = Beacon::new(&[Pair::<Beacon>::SERVER], Duration::from_secs(3600));
    let mut pair = Pair::new(1, Link::PERFECT, client, Beacon::new(&[], MILLISECOND));
    pair.network.run_for(Duration::from_secs(24 * 3600));
    assert_eq!(pair.network.now(), Instant::from_millis(24 * 3600 * 1000));
    assert_eq!(pair.network.machine(pair.client).timeouts.get(), 25);
    assert_eq!(pair.network.take_events(pair.server).len(), 25);
}

#[test]
fn run_until_stops_at_the_moment_that_the_condition_holds() {
    let client = Beacon::new(&[Pair::<Beacon>::SERVER], 10 * MILLISECOND);
    let mut pair = Pair::new(1, Link::PERFECT, client, Beacon::new(&[], MILLISECOND));
    let mut heard = 0;
    let server = pair.server;
    let met = pair.network.run_until(Duration::from_secs(1), |network| {
        heard += network.take_events(server).len();
        heard == 4
    });
    assert!(met);
    assert_eq!(pair.network.now(), Instant::from_millis(30));
    assert!(!pair.network.run_until(5 * MILLISECOND, |_| false));
    assert_eq!(pair.network.now(), Instant::from_millis(35));
}

#[test]
fn a_clock_offset_shifts_what_a_machine_sees_and_not_when_things_happen() {
    let client = Beacon::new(&[Pair::<Beacon>::SERVER], 10 * MILLISECOND);
    let mut pair = Pair::new(1, Link::PERFECT, client, Beacon::new(&[], MILLISECOND));
    pair.network.set_clock_offset(pair.client, 4_294_000_000);
    pair.network.run_for(20 * MILLISECOND);
    assert_eq!(pair.network.now_at(pair.client).as_millis(), 4_294_020);
    assert_eq!(pair.network.take_events(pair.server).len(), 3);
}

#[test]
fn strangers_can_inject_and_what_goes_to_nobody_is_counted() {
    let client = Beacon::new(&[address(99)], 10 * MILLISECOND);
    let mut pair = Pair::new(1, Link::PERFECT, client, Beacon::new(&[], MILLISECOND));
    pair.network
        .inject(address(50), Pair::<Beacon>::SERVER, &unhex("07"));
    pair.network
        .inject(address(50), Pair::<Beacon>::SERVER, &unhex("0708"));
    pair.network.drive();
    assert_eq!(pair.network.poll_event(pair.server), Some((address(50), 7)));
    let stats = pair.network.stats();
    assert_eq!((stats.dropped, stats.stray, stats.stray_bytes), (1, 1, 1));
}

#[test]
#[should_panic(expected = "still busy")]
fn a_machine_that_asks_for_the_same_moment_for_ever_is_caught() {
    let client = Beacon::new(&[Pair::<Beacon>::SERVER], Duration::ZERO);
    let mut pair = Pair::new(1, Link::PERFECT, client, Beacon::new(&[], MILLISECOND));
    pair.network.run_for(MILLISECOND);
}

#[test]
fn an_operation_that_breaks_an_invariant_is_named() {
    let server = Beacon::new(&[], MILLISECOND);
    let mut pair = Pair::new(1, Link::PERFECT, Beacon::new(&[], MILLISECOND), server);
    let server = pair.server;
    let result = run_operations(
        &mut pair.network,
        &[1_u8, 2, 9, 4],
        |network, number| network.inject(address(5), Pair::<Beacon>::SERVER, &[*number]),
        |network| match network.poll_event(server) {
            Some((_, number)) if number > 8 => Err(format!("{number} is too large")),
            _ => Ok(()),
        },
    );
    let broken = result.expect_err("the third operation breaks it");
    assert_eq!(broken.to_string(), "after operation 2, 9: 9 is too large");
}

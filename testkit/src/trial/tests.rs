//! The trial is tried: each of six mistakes, planted in toy protocols, must be found and cut down.

use super::*;
use crate::world::World;
use crate::{Link, Machine, Script};
use alloc::collections::{BTreeMap, VecDeque};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};

const RESEND: Duration = Duration::from_millis(300);
const PING: Duration = Duration::from_millis(500);
const CONSENT: Duration = Duration::from_secs(3);
const PERMISSION: Duration = Duration::from_secs(4);
const WINDOW: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    DeliversTwice,
    LosesRetransmission,
    WindowTooLarge,
    IgnoresConsent,
    KeepsPermission,
    TrustsAnybody,
}

/// A toy that sends numbered data in a window, streams while its peer consents, forwards while it has permission, and takes
/// state from its owner.
struct Toy {
    mistake: Mistake,
    peer: SocketAddr,
    owner: SocketAddr,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Sending: the first number without an answer, the next new one, how many are wanted, when to send again.
    base: u8,
    next: u8,
    wanted: u8,
    resend: Option<Instant>,
    /// Receiving: what came too early, by number modulo the window, and what was delivered.
    early: BTreeMap<u8, u8>,
    expected: u8,
    delivered: Vec<u8>,
    ping: Option<Instant>,
    consent: Option<Instant>,
    stream: Option<Instant>,
    streamed_without_consent: u32,
    permission: Option<Instant>,
    forwarded_without_permission: u32,
    state: Option<u8>,
    foreign_state: bool,
}

impl Toy {
    fn new(mistake: Mistake, peer: SocketAddr, owner: SocketAddr) -> Self {
        Self {
            mistake,
            peer,
            owner,
            outbox: VecDeque::new(),
            base: 0,
            next: 0,
            wanted: 0,
            resend: None,
            early: BTreeMap::new(),
            expected: 0,
            delivered: Vec::new(),
            ping: None,
            consent: None,
            stream: None,
            streamed_without_consent: 0,
            permission: None,
            forwarded_without_permission: 0,
            state: None,
            foreign_state: false,
        }
    }

    fn fill_window(&mut self, now: Instant) {
        let window = WINDOW + u8::from(self.mistake == Mistake::WindowTooLarge);
        while self.next < self.wanted && self.next - self.base < window {
            self.outbox.push_back((self.peer, vec![b'D', self.next]));
            self.next += 1;
            self.resend.get_or_insert(now + RESEND);
        }
    }

    fn receive_data(&mut self, from: SocketAddr, number: u8) {
        let behind = number < self.expected;
        if behind && self.mistake == Mistake::DeliversTwice {
            self.delivered.push(number);
        }
        if !behind {
            // A receiver has room for a window, and tells places apart by the number modulo that.
            self.early.insert(number % WINDOW, number);
        }
        while let Some(number) = self.early.remove(&(self.expected % WINDOW)) {
            self.delivered.push(number);
            self.expected += 1;
        }
        self.outbox.push_back((from, vec![b'K', self.expected]));
    }

    fn stream(&mut self, now: Instant) {
        let consented = self.consent.is_some_and(|until| now < until);
        if consented || (self.mistake == Mistake::IgnoresConsent && self.consent.is_some()) {
            self.streamed_without_consent += u32::from(!consented);
            self.outbox.push_back((self.peer, vec![b'U']));
        }
    }

    fn forward(&mut self, now: Instant) {
        let permitted = self.permission.is_some_and(|until| now < until);
        if permitted || (self.mistake == Mistake::KeepsPermission && self.permission.is_some()) {
            self.forwarded_without_permission += u32::from(!permitted);
            self.outbox.push_back((self.peer, vec![b'X']));
        }
    }
}

impl Machine for Toy {
    type Event = ();
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        _: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        match *data {
            [b'D', number] => self.receive_data(from, number),
            [b'K', expected] if expected > self.base => {
                self.base = expected;
                self.resend = (self.base < self.next).then_some(now + RESEND);
                self.fill_window(now);
            }
            [b'P'] => self.consent = Some(now + CONSENT),
            [b'O'] => self.permission = Some(now + PERMISSION),
            [b'F'] => self.forward(now),
            [b'S', value] if from == self.owner || self.mistake == Mistake::TrustsAnybody => {
                self.foreign_state |= from != self.owner;
                self.state = Some(value);
            }
            _ => return Handled::Dropped(()),
        }
        Handled::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.resend.is_some_and(|due| now >= due) {
            self.resend = Some(now + RESEND);
            for number in self.base..self.next {
                let forgets = self.mistake == Mistake::LosesRetransmission && number % 16 == 15;
                if !forgets {
                    self.outbox.push_back((self.peer, vec![b'D', number]));
                }
            }
        }
        if self.ping.is_some_and(|due| now >= due) {
            self.ping = Some(now + PING);
            self.outbox.push_back((self.peer, vec![b'P']));
        }
        if self.stream.is_some_and(|due| now >= due) {
            self.stream = Some(now + PING);
            self.stream(now);
        }
    }

    fn poll_transmit(&mut self, _: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let (destination, bytes) = self.outbox.pop_front()?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit {
            source: None,
            destination,
            bytes: 0..bytes.len(),
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.resend, self.ping, self.stream];
        deadlines.into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn buffer_bytes(&self) -> usize {
        16
    }
}

/// Three toys: `a` sends to `b`, streams and forwards to it; `b` consents, permits and owns; `c` meddles.
fn scenario(mistake: Mistake) -> impl Fn(&mut Run) -> Result<(), Broken> {
    move |run| {
        let sockets = [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 4000)));
        let [a, b, c] = sockets;
        let mut world = World::new(run.seed());
        run.without_damage();
        let mut hosts = Vec::new();
        for (name, socket, peer) in [("a", a, b), ("b", b, a), ("c", c, a)] {
            let toy = Toy::new(mistake, peer, b);
            let host = world.add_host(name, World::<Toy>::INTERNET, socket, toy);
            let link = run.link();
            world.set_access(host, socket.ip(), link);
            hosts.push(host);
        }
        let [a_host, b_host, c_host] = hosts[..] else {
            unreachable!("three were added");
        };
        let actions = run.actions(40);
        run.play(&mut world, |run, world| {
            let now = world.now();
            world.machine_mut(a_host).stream = Some(now);
            world.machine_mut(b_host).ping = Some(now);
            for action in actions {
                let now = world.now();
                match action % 8 {
                    0..=2 => {
                        let toy = world.machine_mut(a_host);
                        let more = u8::try_from((action >> 8) % 5).expect("below 5");
                        toy.wanted = toy.wanted.saturating_add(more).min(100);
                        toy.fill_window(now);
                    }
                    3 => world
                        .machine_mut(b_host)
                        .outbox
                        .push_back((a, b"O".to_vec())),
                    4 => world
                        .machine_mut(c_host)
                        .outbox
                        .push_back((a, b"F".to_vec())),
                    5 => {
                        let value = action.to_le_bytes()[1];
                        world
                            .machine_mut(c_host)
                            .outbox
                            .push_back((a, vec![b'S', value]));
                    }
                    6 => {
                        let toy = world.machine_mut(b_host);
                        toy.ping = if toy.ping.is_some() { None } else { Some(now) };
                    }
                    _ => {}
                }
                world.run_for(Duration::from_millis((action >> 16) % 1000));
                check(world.machine(a_host), world.machine(b_host))?;
            }
            world.heal_all();
            world.run_for(Duration::from_secs(20));
            let (sender, receiver) = (world.machine(a_host), world.machine(b_host));
            check(sender, receiver)?;
            run.delivered(receiver.delivered.len() + usize::from(sender.consent.is_some()));
            Broken::unless(
                receiver.delivered.len() == usize::from(sender.wanted),
                "everything arrives in the end",
                || format!("{} of {}", receiver.delivered.len(), sender.wanted),
            )
        })
    }
}

fn check(sender: &Toy, receiver: &Toy) -> Result<(), Broken> {
    let delivered = &receiver.delivered;
    let in_order = delivered.iter().copied().eq(0..receiver.expected);
    Broken::unless(in_order, "each number once and in order", || {
        format!("{delivered:?}")
    })?;
    let streamed = sender.streamed_without_consent;
    Broken::unless(streamed == 0, "no stream without consent", || {
        streamed.to_string()
    })?;
    let forwarded = sender.forwarded_without_permission;
    Broken::unless(forwarded == 0, "no data without permission", || {
        forwarded.to_string()
    })?;
    Broken::unless(
        !sender.foreign_state,
        "state only from its owner",
        String::new,
    )
}

// req: SIM-10, SIM-8
#[test]
fn two_hundred_seeds_without_a_mistake_break_nothing() {
    let summary = trial("two_hundred_seeds", 200, scenario(Mistake::None));
    assert_eq!(summary.runs, 200);
    assert!(summary.happenings > 20_000, "{summary}");
}

// req: SIM-13, SIM-12
#[test]
fn each_planted_mistake_is_found_within_2000_seeds_and_cut_down_to_50_lines() {
    for (mistake, invariant) in [
        (Mistake::DeliversTwice, "each number once and in order"),
        (
            Mistake::LosesRetransmission,
            "everything arrives in the end",
        ),
        (Mistake::WindowTooLarge, "each number once and in order"),
        (Mistake::IgnoresConsent, "no stream without consent"),
        (Mistake::KeepsPermission, "no data without permission"),
        (Mistake::TrustsAnybody, "state only from its owner"),
    ] {
        let found = hunt("mistakes", 2000, scenario(mistake));
        let (case, broken) = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
        assert_eq!(broken.invariant, invariant, "{mistake:?}");
        let text = case.to_string();
        let lines = text.lines().count();
        println!("{mistake:?}: seed {}, {lines} lines\n{text}", case.seed());
        assert!(lines <= 50, "{mistake:?} takes {lines} lines:\n{text}");
        // The text alone plays it again, and is innocent without the mistake.
        let read: Case = text.parse().expect("what was printed is read back");
        let again = replay(&read, scenario(mistake)).expect_err("it breaks again");
        assert_eq!(again.invariant, invariant);
        assert_eq!(replay(&read, scenario(Mistake::None)), Ok(()));
    }
}

// req: SIM-11
#[test]
fn a_failure_names_its_seed_its_invariant_how_to_play_it_again_and_the_shortest_case() {
    let payload = std::panic::catch_unwind(|| {
        trial("a_failure", 2000, scenario(Mistake::TrustsAnybody));
    })
    .expect_err("the mistake is found");
    let text = payload.downcast_ref::<String>().expect("words");
    for part in [
        "state only from its owner",
        "TRIAL_SEED=",
        "Delivered",
        "\ntrial a_failure seed ",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn a_panic_of_a_machine_is_an_invariant_too() {
    let panics = |run: &mut Run| {
        let mut world = World::<Toy>::new(run.seed());
        run.play(&mut world, |run, _| {
            panic!("at {} of all places", run.seed())
        })
    };
    let (case, broken) = hunt("panics", 1, panics).expect("it panics");
    assert_eq!(broken.invariant, "no panic: at  of all places");
    assert_eq!(broken.detail, "at 1 of all places");
    assert!(case.is_empty());
}

#[test]
fn a_run_that_follows_what_was_recorded_is_the_run_that_was_recorded() {
    let link = Link {
        latency: Duration::from_millis(30),
        jitter: Duration::from_millis(50),
        loss: 100,
        duplicate: 100,
        reorder: 100,
        ..Link::PERFECT
    };
    let play = |seed: u64, script: Option<&Script>| {
        let mut world = World::new(seed);
        let sockets = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 4000)));
        match script {
            Some(script) => world.follow(script),
            None => world.record(),
        }
        for (name, at, peer) in [("a", 0, 1), ("b", 1, 0)] {
            let toy = Toy::new(Mistake::None, sockets[peer], sockets[0]);
            let host = world.add_host(name, World::<Toy>::INTERNET, sockets[at], toy);
            world.set_access(host, sockets[at].ip(), link);
            let toy = world.machine_mut(host);
            toy.wanted = 50;
            toy.fill_window(Instant::ZERO);
        }
        world.run_for(Duration::from_secs(20));
        (world.log().digest(), world.take_recorded())
    };
    let (digest, script) = play(1, None);
    assert!(script.deviations.len() > 50);
    let read: Script = script
        .to_string()
        .parse()
        .expect("what was printed is read back");
    // Another seed: nothing but the script decides.
    assert_eq!(play(2, Some(&read)).0, digest);
    assert_ne!(play(2, None).0, digest);
}

#[test]
fn lines_that_are_none_are_refused() {
    for bad in [
        "",
        "trial x",
        "trial x seed y",
        "trial x seed 1\nwhat",
        "trial x seed 1\nlink a #1 gone",
    ] {
        assert!(bad.parse::<Case>().is_err(), "{bad:?}");
    }
    for bad in ["a lost", "a #x lost", "a #1 delayed 5", "a #1 lost twice"] {
        assert!(bad.parse::<Script>().is_err(), "{bad:?}");
    }
}

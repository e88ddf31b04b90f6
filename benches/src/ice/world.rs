//! Two players of one crate behind boxes, with a STUN server and signalling.

use super::{Agent, Contender};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};
use stun_proto::attribute::XorMappedAddress;
use stun_proto::server::{BindingServer, ServerConfig};
use stun_proto::{Class, Message, MessageWriter, Method, TransactionId};
use testkit::world::{Actor, Nat, Reach, Server, Signals, World};
use testkit::{Link, Machine};

/// How often a player asks the STUN server.
const ASK: Duration = Duration::from_millis(500);

/// How often a player sends data once it has a path.
const DATA: Duration = Duration::from_millis(50);

/// How long signalling takes.
const SIGNALLING: Duration = Duration::from_millis(50);

/// The longest that is waited for a connection.
const LIMIT: Duration = Duration::from_secs(40);

pub(super) fn stun_server() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 3478))
}

enum Signal {
    Credentials(String, String),
    Candidate(String),
    End,
}

struct Player {
    agent: Box<dyn Agent>,
    base: SocketAddr,
    id: TransactionId,
    gathered: bool,
    ask_at: Instant,
    signals: Signals<Signal>,
    data_at: Instant,
    deadline: Option<Instant>,
    first_data: Option<Instant>,
    datagrams: u64,
}

impl Player {
    fn new(mut agent: Box<dyn Agent>, base: SocketAddr) -> Self {
        let now = Instant::ZERO;
        let (fragment, password) = agent.credentials();
        let mut signals = Signals::new();
        signals.tell(Signal::Credentials(fragment, password));
        if let Some(told) = agent.add_local(now, base, base) {
            signals.tell(Signal::Candidate(told));
        }
        let last = base.port().to_be_bytes()[1];
        Self {
            agent,
            base,
            id: TransactionId::new([last; 12]),
            gathered: false,
            ask_at: now,
            signals,
            data_at: now,
            deadline: Some(now),
            first_data: None,
            datagrams: 0,
        }
    }

    fn take_mapped(&mut self, now: Instant, data: &[u8]) {
        let Ok(message) = Message::parse(data) else {
            return;
        };
        if self.gathered || message.transaction_id() != self.id {
            return;
        }
        if let Ok(Some(XorMappedAddress(mapped))) = message.get::<XorMappedAddress>() {
            self.gathered = true;
            if mapped != self.base
                && let Some(told) = self.agent.add_local(now, mapped, self.base)
            {
                self.signals.tell(Signal::Candidate(told));
            }
            self.agent.end_local(now);
            self.signals.tell(Signal::End);
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.take(now) {
            match signal {
                Signal::Credentials(fragment, password) => {
                    self.agent.set_remote(now, &fragment, &password);
                }
                Signal::Candidate(candidate) => self.agent.add_remote(now, &candidate),
                Signal::End => self.agent.end_remote(now),
            }
        }
    }

    fn ask(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        if self.gathered || now < self.ask_at {
            return None;
        }
        self.ask_at = now + ASK;
        let writer = MessageWriter::new(buffer, Class::Request, Method::BINDING, self.id);
        let len = writer.finish().expect("it fits").len();
        Some(Transmit {
            source: Some(self.base),
            destination: stun_server(),
            bytes: 0..len,
        })
    }

    fn send_data(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let (from, to) = self.agent.path().filter(|_| now >= self.data_at)?;
        self.data_at = now + DATA;
        buffer[..4].copy_from_slice(b"data");
        Some(Transmit {
            source: Some(from),
            destination: to,
            bytes: 0..4,
        })
    }
}

impl Machine for Player {
    type Event = ();
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        if data == b"data" {
            if self.agent.hands_on(now, local, from, data) {
                self.first_data.get_or_insert(now);
            }
        } else if from == stun_server() {
            self.take_mapped(now, data);
        } else {
            self.agent.receive(now, local, from, data);
        }
        Handled::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.take_signals(now);
        self.agent.wake(now);
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        if let Some(transmit) = self.ask(now, buffer) {
            return Some(transmit);
        }
        if let Some((from, to, length)) = self.agent.transmit(now, buffer) {
            self.datagrams += 1;
            return Some(Transmit {
                source: Some(from),
                destination: to,
                bytes: 0..length,
            });
        }
        let data = self.send_data(now, buffer);
        if data.is_none() {
            self.deadline = self.agent.deadline(now);
        }
        data
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ask = (!self.gathered).then_some(self.ask_at);
        let data = self.agent.path().map(|_| self.data_at);
        [ask, self.signals.poll_timeout(), data, self.deadline]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn buffer_bytes(&self) -> usize {
        2048
    }
}

/// Two players who look for each other.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    /// The box of the controlling player and of the other; none is the open internet.
    pub boxes: [Option<Nat>; 2],
    /// The line of each player.
    pub link: Link,
    /// What chance there is.
    pub seed: u64,
}

/// What became of a meeting.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Whether there is a way at all.
    pub reach: Reach,
    /// When the first datagram of each player had reached the other; `None` if that took too long.
    pub connected_after: Option<Duration>,
    /// Datagrams that both agents sent until then.
    pub datagrams: u64,
}

impl Meeting {
    /// Plays it with two agents of `contender`; `None` if one of them panicked.
    #[must_use]
    pub fn play(&self, contender: Contender) -> Option<Outcome> {
        std::panic::catch_unwind(|| self.play_through(contender)).ok()
    }

    fn play_through(&self, contender: Contender) -> Outcome {
        let mut world = World::new(self.seed);
        let internet = World::<Actor<Player>>::INTERNET;
        let mut config = ServerConfig::new([9; 32]);
        config.require_fingerprint = false;
        let mut server = BindingServer::new(config);
        let server = Server::new(move |now, local, from, data, buffer| {
            let answer = server.handle_datagram(now, local, from, data, buffer);
            answer.reply()
        });
        world.add_host("stun", internet, stun_server(), Actor::Server(server));
        let players = [0, 1].map(|index| {
            let number = u8::try_from(index).expect("two");
            let outer = IpAddr::from([203, 0, 113, 1 + number]);
            let (zone, ip) = match self.boxes[index] {
                Some(nat) => {
                    let gateway =
                        world.add_gateway(&format!("box {index}"), internet, &[outer], nat);
                    (world.inside(gateway), IpAddr::from([192, 168, number, 2]))
                }
                None => (internet, outer),
            };
            let base = SocketAddr::new(ip, 40_000 + u16::from(number));
            let agent = contender.agent(self.seed, index == 0);
            let player = Actor::player(Player::new(agent, base));
            let host = world.add_host(&format!("player {index}"), zone, base, player);
            world.set_access(host, ip, self.link);
            host
        });
        let reach = world.reach(players[0], players[1]);
        world.run_until(LIMIT, |world| {
            Signals::exchange(world, players, SIGNALLING, |player| &mut player.signals);
            players
                .iter()
                .all(|&host| world.machine(host).as_player().first_data.is_some())
        });
        let first = players.map(|host| world.machine(host).as_player().first_data);
        let [one, other] = first;
        Outcome {
            reach,
            connected_after: one
                .zip(other)
                .map(|(one, other)| one.max(other).saturating_since(Instant::ZERO)),
            datagrams: players
                .iter()
                .map(|&host| world.machine(host).as_player().datagrams)
                .sum(),
        }
    }
}

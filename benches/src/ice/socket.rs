//! Many agents behind one socket, as a server has them: what a datagram costs, by their number.

use super::crowd::{Couple, Watch};
use super::{Agent, Contender, is, ours, rice};
use core::net::SocketAddr;
use proto_core::Instant;
use stun_proto::attribute::{IceControlling, Priority, Username};
use stun_proto::{Class, Key, MessageWriter, Method, TransactionId};

/// The address of the socket.
const HERE: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);

/// What arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketWork {
    /// A check of a peer that is connected, which has to be answered.
    Check,
    /// Data of such a peer, which has to reach its session.
    Data,
}

/// Agents behind one socket.
pub trait Socket {
    /// Takes a datagram and sends what answers it, at `now`; whether that is what was to be done.
    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], work: SocketWork) -> bool;
}

/// Agents behind one socket, each connected to a peer of its own, and what these peers send.
pub struct Datagrams {
    socket: Box<dyn Socket>,
    now: Instant,
    checks: Vec<(SocketAddr, Vec<u8>)>,
    order: u64,
}

impl core::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Datagrams").finish_non_exhaustive()
    }
}

impl Datagrams {
    /// So many datagrams, from one peer after the other in an order that no cache foresees. Time stands still.
    ///
    /// # Panics
    /// If one of them does not get where it should.
    pub fn run(&mut self, work: SocketWork, count: u64) {
        for _ in 0..count {
            // The generator of Knuth's MMIX; its upper bits are good enough to mix an order.
            self.order = self
                .order
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = (self.order >> 33) % self.checks.len() as u64;
            let (from, check) = &self.checks[usize::try_from(index).expect("small")];
            let datagram = match work {
                SocketWork::Check => &check[..],
                SocketWork::Data => &[7; 100],
            };
            let good = self.socket.take(self.now, *from, datagram, work);
            assert!(good, "a datagram did not get where it should");
        }
    }
}

impl Contender {
    /// So many agents behind one socket; `None` where the crate leaves it to its user to find the agent of a datagram.
    #[must_use]
    pub fn socket(self, agents: usize) -> Option<Datagrams> {
        match self {
            Self::Ours => Some(datagrams(agents, ours::Ours::unlimited, ours::Set::new)),
            Self::Is => Some(datagrams(
                agents,
                <is::Is as Agent>::new,
                is::Accepting::new,
            )),
            Self::Rice | Self::Rtc => None,
        }
    }

    /// One agent by itself; `None` for `rtc-ice`, which checks back with each answer and searches a list of these checks, so
    /// that the list grows when time stands still.
    #[must_use]
    pub fn alone(self) -> Option<Datagrams> {
        match self {
            Self::Ours => Some(datagrams(1, ours::Ours::unlimited, Alone::new)),
            Self::Is => Some(datagrams(1, <is::Is as Agent>::new, Alone::new)),
            Self::Rice => Some(datagrams(1, <rice::Rice as Agent>::new, Alone::new)),
            Self::Rtc => None,
        }
    }
}

pub(super) fn here() -> SocketAddr {
    SocketAddr::from(HERE)
}

fn datagrams<A: Agent, S: Socket + 'static>(
    count: usize,
    new: impl Fn(u64, bool) -> A,
    socket: impl Fn(Vec<A>, Instant) -> S,
) -> Datagrams {
    let mut now = Instant::ZERO;
    let mut checks = Vec::new();
    let agents = (0..count).map(|index| {
        let [.., high, low] = index.to_be_bytes();
        let from = SocketAddr::from(([10, 1, high, low], 6000));
        let agents = [true, false].map(|controlling| new(index as u64 + 1, controlling));
        let mut couple = Couple::of(agents, Watch::Time);
        couple.gather_at(0, [from].into_iter());
        couple.gather_at(1, [here()].into_iter());
        couple.introduce();
        assert!(
            couple.connect(),
            "agents without anything between them connect"
        );
        now = now.max(couple.now);
        let [peer, agent] = couple.into_agents();
        checks.push((from, check(&peer, &agent, index)));
        agent
    });
    let agents = agents.collect();
    Datagrams {
        socket: Box::new(socket(agents, now)),
        now,
        checks,
        order: 1,
    }
}

/// A check as a controlling peer sends it after the nomination.
fn check<A: Agent>(from: &A, to: &A, index: usize) -> Vec<u8> {
    let ((sender, _), (receiver, password)) = (from.credentials(), to.credentials());
    let username = format!("{receiver}:{sender}");
    let mut id = [7; 12];
    id[..8].copy_from_slice(&index.to_be_bytes());
    let mut buffer = [0; 500];
    let key = Key::short_term(&password);
    let message = MessageWriter::new(
        &mut buffer,
        Class::Request,
        Method::BINDING,
        TransactionId::new(id),
    )
    .attribute(&Username::new(&username).expect("a name"))
    .attribute(&Priority(1_853_824_767))
    .attribute(&IceControlling(u64::MAX))
    .integrity(&key)
    .fingerprint()
    .finish();
    message.expect("it fits").to_vec()
}

/// One agent, without anything that finds it.
struct Alone<A>(A);

impl<A: Agent> Alone<A> {
    fn new(mut agents: Vec<A>, _: Instant) -> Self {
        Self(agents.pop().expect("one agent"))
    }
}

impl<A: Agent> Socket for Alone<A> {
    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], _: SocketWork) -> bool {
        self.0.receive(now, here(), from, datagram);
        answered(&mut self.0, now, from)
    }
}

/// Whether an agent sends an answer to an address; all that it sends is taken.
pub(super) fn answered<A: Agent>(agent: &mut A, now: Instant, to: SocketAddr) -> bool {
    let mut buffer = [0; 1500];
    let mut answers = 0;
    while let Some((_, destination, _)) = agent.transmit(now, &mut buffer) {
        answers += usize::from(destination == to && buffer.starts_with(&[1, 1]));
    }
    answers == 1
}

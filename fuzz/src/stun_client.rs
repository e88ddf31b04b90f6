//! The client of `stun-proto` under a script.

use alloc::collections::{BTreeSet, VecDeque};
use arbitrary::{Arbitrary, Unstructured};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use stun_proto::attribute::{AlternateServer, ErrorCode, ErrorNumber, XorMappedAddress};
use stun_proto::auth::{ClientAuth, LongTermServer, Offer, User};
use stun_proto::client::{ClientConfig, ClientEvent, Failure, RequestId, StunClient};
use stun_proto::crypto::RustCrypto;
use stun_proto::{Class, Integrity, LongTermKeys, Message, MessageWriter, SignedSha256};

/// Longer than the longest way of a request: each retry, redirection and pause with all of its retransmissions.
const PATIENCE: Duration = Duration::from_secs(3600);

fn here() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 40_000))
}

/// One of the servers that know each other.
fn server(index: u8) -> SocketAddr {
    SocketAddr::from(([8, 8, 8, 1 + index % 6], 3478))
}

/// How the servers answer from now on.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Manner {
    Success,
    Credentials,
    Error(u16),
    Redirect(u8),
    Nothing,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Bind,
    Wait {
        millis: u16,
    },
    Manner(Manner),
    Deliver {
        index: u8,
    },
    DeliverAll,
    Lose {
        index: u8,
    },
    Duplicate {
        index: u8,
    },
    /// A response under way is changed; to keep its id is what only somebody on the path can.
    Change {
        index: u8,
        at: u8,
        value: u8,
    },
    Stranger {
        from: u8,
        bytes: &'a [u8],
    },
    Cancel {
        request: u8,
    },
    Forget {
        request: u8,
    },
    Unreachable {
        server: u8,
    },
}

/// A client, servers that answer as the script says, and what is on its way to the client.
struct World {
    now: Instant,
    client: StunClient,
    responder: LongTermServer,
    manner: Manner,
    signs: bool,
    wire: VecDeque<(SocketAddr, Vec<u8>)>,
    asked: Vec<RequestId>,
    open: BTreeSet<RequestId>,
    /// Those that may end without an event.
    cancelled: BTreeSet<RequestId>,
}

impl World {
    fn new(kind: u8) -> Self {
        let long_term = || ClientAuth::long_term("user", "secret").expect("the name is short");
        let (offer, auth, signs) = match kind % 4 {
            0 => (Offer::Classic, ClientAuth::none(), false),
            1 => (Offer::Classic, long_term(), true),
            2 => (Offer::Sha256OrMd5, long_term(), true),
            _ => (
                Offer::Sha256,
                long_term().with_integrity(Integrity::Sha256),
                true,
            ),
        };
        let mut config = ClientConfig::new([kind; 32]);
        config.believe_unreachable = kind & 4 != 0;
        Self {
            now: Instant::from_millis(1000),
            client: StunClient::with_auth(config, server(0), auth),
            responder: LongTermServer::<RustCrypto>::new("realm", [1; 32], offer).expect("short"),
            manner: Manner::Success,
            signs,
            wire: VecDeque::new(),
            asked: Vec::new(),
            open: BTreeSet::new(),
            cancelled: BTreeSet::new(),
        }
    }

    /// Takes out what the client sends, answers it, and takes its events.
    fn collect(&mut self) {
        let mut buffer = [0; StunClient::BUFFER];
        while let Some(sent) = self.client.poll_transmit(self.now, &mut buffer) {
            let (to, request) = (sent.destination, buffer[sent.bytes].to_vec());
            let answer = self.answer(&request);
            self.wire.extend(answer.map(|answer| (to, answer)));
            assert!(self.wire.len() < 10_000, "the client does not stop sending");
        }
        if let Some(at) = self.client.poll_timeout() {
            assert!(at > self.now, "a deadline passes without an effect");
        }
        while let Some(event) = self.client.poll_event() {
            self.observe(&event);
        }
    }

    fn observe(&mut self, event: &ClientEvent) {
        let request = match event {
            ClientEvent::Answered(answer) => {
                assert!(self.signs || !answer.is_authentic, "nobody signed");
                assert!(
                    !answer.is_authentic || answer.mapped == here(),
                    "a forgery was believed"
                );
                answer.request
            }
            ClientEvent::Failed(failed) => {
                let unreachable = failed.reason == Failure::Unreachable;
                assert!(failed.sends > 0 || !unreachable);
                failed.request
            }
            _ => return,
        };
        assert!(
            self.open.remove(&request),
            "a request ended twice, or was given up"
        );
    }

    /// What the servers answer now.
    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let request = Message::parse(request).expect("the client writes good messages");
        assert!(request.check_attributes().is_ok());
        let mut buffer = [0; 1500];
        let mut signature = None;
        if matches!(self.manner, Manner::Credentials) || request.has_integrity() {
            let keys = LongTermKeys::new("user", "realm", "secret");
            let hash = stun_proto::UserHash::of("user", "realm");
            let known =
                |user| (user == User::Name("user") || user == User::Hash(hash)).then_some(&keys);
            match self.responder.check(self.now, here(), &request, known) {
                Ok(accepted) => {
                    let key = keys.key(accepted.algorithm()).expect("it was used").clone();
                    signature = Some((accepted.integrity(), key));
                }
                Err(refusal) => {
                    let reply = self.responder.refuse_on_stream(
                        self.now,
                        here(),
                        &request,
                        refusal,
                        &mut buffer,
                    );
                    return reply.expect("room").map(<[u8]>::to_vec);
                }
            }
        }
        let sign = |writer: MessageWriter<'_>| -> Vec<u8> {
            let writer: MessageWriter<'_, SignedSha256> = match &signature {
                Some((integrity, key)) => writer.integrity_as(*integrity, key),
                None => writer.unsigned(),
            };
            writer.finish().expect("it fits").to_vec()
        };
        let error =
            |number| ErrorCode::new(ErrorNumber::new(number).unwrap_or(ErrorNumber::BAD_REQUEST));
        Some(match self.manner {
            Manner::Nothing => return None,
            Manner::Success | Manner::Credentials => {
                let reply = MessageWriter::response(&mut buffer, Class::Success, &request);
                sign(reply.attribute(&XorMappedAddress(here())))
            }
            Manner::Error(number) => {
                let number = 300 + number % 400;
                let reply = MessageWriter::response(&mut buffer, Class::Error, &request);
                sign(reply.attribute(&error(number)))
            }
            Manner::Redirect(to) => {
                let reply = MessageWriter::response(&mut buffer, Class::Error, &request);
                let reply = reply.attribute(&error(300));
                sign(reply.attribute(&AlternateServer(server(to))))
            }
        })
    }

    fn deliver(&mut self, from: SocketAddr, bytes: &[u8]) {
        let before = self.client.stats().dropped;
        let handled = self.client.handle_datagram(self.now, from, bytes);
        let dropped = matches!(handled, proto_core::Handled::Dropped(_));
        assert_eq!(
            self.client.stats().dropped - before,
            u64::from(dropped),
            "a drop is not counted"
        );
        self.collect();
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let Some((from, bytes)) = self.wire.pop_front() else {
                return;
            };
            self.deliver(from, &bytes);
        }
        panic!("client and servers do not stop talking");
    }

    /// Lets time pass, with each deadline at its moment.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.client.handle_timeout(at);
            self.collect();
        }
        self.now = end;
        self.collect();
    }

    fn apply(&mut self, step: Step<'_>) {
        let pick = |index: u8, length: usize| (length > 0).then(|| usize::from(index) % length);
        match step {
            Step::Bind => {
                if let Ok(request) = self.client.bind(self.now) {
                    self.asked.push(request);
                    self.open.insert(request);
                }
                assert!(
                    self.open.difference(&self.cancelled).count() <= 74,
                    "too many requests wait"
                );
            }
            Step::Wait { millis } => self.pass(Duration::from_millis(millis.into())),
            Step::Manner(manner) => self.manner = manner,
            Step::Deliver { index } => {
                let at = pick(index, self.wire.len()).and_then(|at| self.wire.remove(at));
                at.into_iter()
                    .for_each(|(from, bytes)| self.deliver(from, &bytes));
            }
            Step::DeliverAll => self.settle(),
            Step::Lose { index } => {
                pick(index, self.wire.len()).and_then(|at| self.wire.remove(at));
            }
            Step::Duplicate { index } => {
                let copy = pick(index, self.wire.len()).map(|at| self.wire[at].clone());
                copy.into_iter()
                    .for_each(|(from, bytes)| self.deliver(from, &bytes));
            }
            Step::Change { index, at, value } => {
                if let Some((_, bytes)) = pick(index, self.wire.len()).map(|at| &mut self.wire[at])
                    && let Some(at) = pick(at, bytes.len())
                {
                    bytes[at] = value;
                }
            }
            Step::Stranger { from, bytes } => self.deliver(server(from), bytes),
            Step::Cancel { request } => {
                if let Some(at) = pick(request, self.asked.len()) {
                    self.client.cancel(self.asked[at]);
                    self.cancelled.insert(self.asked[at]);
                }
            }
            Step::Forget { request } => {
                if let Some(at) = pick(request, self.asked.len()) {
                    self.client.forget(self.asked[at]);
                    self.open.remove(&self.asked[at]);
                }
            }
            Step::Unreachable { server: index } => {
                self.client.handle_unreachable(self.now, server(index))
            }
        }
        self.collect();
    }
}

/// A client under a script of answers, challenges, redirections, losses, forgeries and time.
///
/// The first byte chooses the credentials.
///
/// # Panics
/// If the client panics, spins, believes a forgery, ends a request twice or never.
pub fn stun_client_script(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else {
        return;
    };
    let mut input = Unstructured::new(data);
    let mut world = World::new(kind);
    for _ in 0..500 {
        let Ok(step) = Step::arbitrary(&mut input) else {
            break;
        };
        if input.is_empty() {
            break;
        }
        world.apply(step);
    }
    // Nobody answers any more, and each request ends all the same.
    world.manner = Manner::Nothing;
    world.wire.clear();
    world.pass(PATIENCE);
    assert!(world.client.is_idle(), "a request never ends");
    assert!(
        world.open.is_subset(&world.cancelled),
        "a request ended without a word"
    );
}

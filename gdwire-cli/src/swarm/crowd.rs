//! The clients of a swarm and what they do: [`Crowd`].

use super::SwarmOptions;
use super::parts::Part;
use super::tally::{Received, Tally, Traffic};
use crate::connect;
use crate::memory::resident_bytes;
use crate::ndjson::{self, reason_name};
use crate::options::Hex;
use crate::scene::Stage;
use crate::url::EnetUrl;
use alloc::collections::{BinaryHeap, VecDeque};
use alloc::sync::Arc;
use core::cmp::Reverse;
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::tokio::SwarmDriver;
use gdwire::dtls::DtlsClient;
use gdwire::session::{AuthError, NodeKey, PeerId, Relay, RpcCall, SpawnRequest};
use gdwire::{Client, DisconnectReason, Event, Instant, Value};
use std::io;

/// Calls of one client that may wait for an answer; older ones count as unanswered.
const WAITING_CALLS: usize = 1024;
/// Waiting calls for which a client keeps memory.
const CALM_CALLS: usize = 8;
/// Tasks that are done before sockets are looked at again, however many are due.
const TASKS_PER_TURN: usize = 64;
/// How often ENet's figures are looked at.
const SAMPLE: Duration = Duration::from_secs(1);

/// The clients of a part of the swarm.
pub(super) struct Crowd {
    driver: SwarmDriver,
    part: Part,
    /// At least one.
    doors: Arc<[Door]>,
    token: Option<Hex>,
    relay: Relay,
    stage: Stage,
    call: Option<Call>,
    join_period: Duration,
    frame: Option<Duration>,
    members: Vec<Member>,
    agenda: BinaryHeap<Reverse<(Instant, Task)>>,
    begun: Instant,
    is_leaving: bool,
    tally: Tally,
}

/// A way into the game.
pub(super) struct Door {
    pub(super) server: SocketAddr,
    pub(super) url: EnetUrl,
    pub(super) dtls: Option<DtlsClient>,
}

/// What clients call, again and again.
struct Call {
    node: String,
    method: String,
    arguments: Option<Vec<Value>>,
    period: Duration,
    is_over: bool,
}

/// What is to be done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Join,
    Call(usize),
    Frame(usize),
    Sample,
}

/// One client.
struct Member {
    begun: Instant,
    node: Option<NodeKey>,
    /// With frames: when the next call is due, in or before the frame that makes it.
    next_call: Option<Instant>,
    has_joined: bool,
    is_over: bool,
    next_number: i64,
    /// Calls without an answer, oldest first.
    waiting: VecDeque<(i64, Instant)>,
}

impl Crowd {
    /// A crowd of which nobody has joined.
    pub(super) fn new(options: &SwarmOptions, doors: Arc<[Door]>, part: Part) -> io::Result<Self> {
        let call = options.scene.rpcs.first().map(|rpc| Call {
            node: rpc.node.clone(),
            method: rpc.method.clone(),
            arguments: options.args.clone().map(|arguments| arguments.0),
            period: Duration::from_secs_f64(options.rate.recip()),
            is_over: false,
        });
        let driver = match options.frame {
            Some(_) => SwarmDriver::unwatched(),
            None => SwarmDriver::new(),
        };
        let now = driver.now();
        // As if one thread let all join, one after the other.
        let join_period = Duration::from_secs_f64(options.join_rate.recip());
        let first = now + join_period * part.number(0);
        let agenda = [(first, Task::Join), (now + SAMPLE, Task::Sample)];
        let tally = Tally {
            clients: part.clients(),
            threads: 1,
            ..Tally::default()
        };
        Ok(Self {
            begun: now,
            driver,
            doors,
            token: options.auth.clone(),
            relay: if options.no_relay {
                Relay::Disabled
            } else {
                Relay::Enabled
            },
            stage: options.scene.stage()?,
            call,
            frame: options.frame,
            join_period: join_period * part.stride(),
            part,
            members: Vec::new(),
            agenda: agenda.map(Reverse).into(),
            is_leaving: false,
            tally,
        })
    }

    /// Plays until nobody is left.
    pub(super) async fn play(&mut self) -> io::Result<()> {
        self.play_while(|crowd| crowd.tally.unfinished() > 0 || crowd.driver.open_clients() > 0)
            .await
    }

    /// Makes no more calls and waits a while for the answers to those that were made, if there are answers at all.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        self.tally.elapsed = self.driver.now().saturating_since(self.begun);
        self.call = self.call.take().map(|call| Call {
            is_over: true,
            ..call
        });
        if self.tally.answers.count() == 0 {
            return Ok(());
        }
        let answers = self.play_while(|crowd| {
            let mut members = crowd.members.iter();
            members.any(|member| !member.is_over && !member.waiting.is_empty())
        });
        // What has not come by then counts as unanswered.
        tokio::time::timeout(super::PATIENCE, answers)
            .await
            .unwrap_or(Ok(()))
    }

    async fn play_while(&mut self, goes_on: impl Fn(&Self) -> bool) -> io::Result<()> {
        while goes_on(self) {
            let due = self.act()?;
            tokio::select! {
                biased;
                event = self.driver.next_event(), if self.driver.open_clients() > 0 => {
                    let mut event = event?;
                    while let Some((index, that)) = event {
                        self.on_event(index, that);
                        event = self.driver.ready_event();
                    }
                }
                () = pause(due) => {}
            }
        }
        Ok(())
    }

    /// Counts what is to be counted while everybody is there, and sends everybody home.
    pub(super) fn leave(&mut self) -> Tally {
        self.is_leaving = true;
        let mut tally = self.tally.clone();
        tally.memory_when_joined = self.part.shared.memory_when_joined();
        tally.memory_at_end = resident_bytes();
        tally.traffic = self.traffic();
        tally.received.dropped = self.dropped();
        let unfinished = tally.unfinished();
        if unfinished > 0 {
            tally.failed.insert("time", unfinished);
        }
        for client in self.driver.clients_mut() {
            client.close();
        }
        tally
    }

    /// Lets the clients say goodbye.
    pub(super) async fn part(&mut self) -> io::Result<()> {
        let farewell = self.play_while(|crowd| crowd.driver.open_clients() > 0);
        if let Ok(result) = tokio::time::timeout(super::FAREWELL, farewell).await {
            return result;
        }
        for client in self.driver.clients_mut() {
            client.close_now();
        }
        while self.driver.next_event().await?.is_some() {}
        Ok(())
    }

    /// Does what is due, but not more than fits a turn; tells how long there is time until the next task.
    fn act(&mut self) -> io::Result<Duration> {
        for _ in 0..TASKS_PER_TURN {
            let now = self.driver.now();
            let Some(&Reverse((due, task))) = self.agenda.peek() else {
                return Ok(SAMPLE);
            };
            if due > now {
                return Ok(due.saturating_since(now));
            }
            self.agenda.pop();
            self.begin(task, due, now)?;
        }
        Ok(Duration::ZERO)
    }

    /// Does a task, and puts what follows from it into the agenda.
    fn begin(&mut self, task: Task, due: Instant, now: Instant) -> io::Result<()> {
        let next = match task {
            Task::Join if self.is_leaving => None,
            Task::Join => {
                self.join(now)?;
                let is_last = self.members.len() >= self.tally.clients as usize;
                (!is_last).then_some(due + self.join_period)
            }
            Task::Call(index) => self.call(index, now, due),
            Task::Frame(index) => self.frame(index, now, due)?,
            Task::Sample => {
                self.sample();
                Some(now + SAMPLE)
            }
        };
        if let Some(next) = next {
            self.agenda.push(Reverse((next, task)));
        }
        Ok(())
    }

    fn join(&mut self, now: Instant) -> io::Result<()> {
        let index = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let number = self.part.number(index) as usize;
        let door = &self.doors[number % self.doors.len()];
        let mut config = connect::client_config(&door.url, self.token.as_ref())?;
        while !self.part.shared.take_id(config.session.id) {
            config = connect::client_config(&door.url, self.token.as_ref())?;
        }
        config.session.relay = self.relay;
        config.dtls.clone_from(&door.dtls);
        let mut client = Client::new(config).map_err(io::Error::other)?;
        ndjson::declare(&mut client, &self.stage)?;
        let call = self.call.as_ref();
        let node = call.and_then(|call| client.session().node(&call.node));
        self.driver.connect(door.server, client)?;
        if let Some(frame) = self.frame {
            let first = Task::Frame(self.members.len());
            self.agenda.push(Reverse((now + frame, first)));
        }
        self.members.push(Member {
            begun: now,
            node,
            next_call: None,
            has_joined: false,
            is_over: false,
            next_number: 0,
            waiting: VecDeque::new(),
        });
        Ok(())
    }

    /// A frame of a client: what came for it, then the call that is due; both leave together. Tells when the next is.
    fn frame(&mut self, index: usize, now: Instant, due: Instant) -> io::Result<Option<Instant>> {
        self.driver.look(index)?;
        while let Some(event) = self.driver.client_mut(index).and_then(Client::poll_event) {
            self.on_event(index, event);
        }
        if self.driver.client(index).is_none_or(Client::is_closed) {
            return Ok(None);
        }
        let next_call = self.members.get(index).and_then(|member| member.next_call);
        if let Some(call_due) = next_call.filter(|&at| at <= now) {
            let next = self.call(index, now, call_due);
            if let Some(member) = self.members.get_mut(index) {
                member.next_call = next;
            }
        }
        // At once, while all that belongs to this client is in the processor's cache.
        while let Some((index, event)) = self.driver.ready_event() {
            self.on_event(index, event);
        }
        let frame = self.frame.unwrap_or_default();
        Ok(Some((due + frame).max(now)))
    }

    /// Makes the next call of a client; tells when the one after it is due.
    fn call(&mut self, index: usize, now: Instant, due: Instant) -> Option<Instant> {
        let member = self.members.get_mut(index)?;
        let call = self.call.as_ref()?;
        if member.is_over || call.is_over {
            return None;
        }
        let (node, client) = (member.node?, self.driver.client_mut(index)?);
        let number = member.next_number;
        member.next_number += 1;
        let numbered = [Value::Int(number)];
        let arguments = call.arguments.as_deref().unwrap_or(&numbered);
        match client.rpc(PeerId::SERVER, node, &call.method, arguments) {
            Ok(_) => {
                self.tally.calls_sent += 1;
                if member.waiting.len() >= WAITING_CALLS {
                    member.waiting.pop_front();
                }
                member.waiting.push_back((number, now));
            }
            Err(error) => {
                tracing::debug!(index, %error, "call");
                self.tally.calls_refused += 1;
            }
        }
        // A process that cannot keep up calls less often instead of in bursts.
        Some((due + call.period).max(now))
    }

    /// Looks at ENet's figures of each client.
    fn sample(&mut self) {
        for (index, member) in self.members.iter_mut().enumerate() {
            // The memory of a stall would stay, and in the end each client has had its worst one.
            member.waiting.shrink_to(CALM_CALLS);
            if member.has_joined
                && !member.is_over
                && let Some(client) = self.driver.client(index)
                && let Some(stats) = client.server_stats()
            {
                self.tally.acknowledgements.add(stats.round_trip);
            }
        }
    }

    fn on_event(&mut self, index: usize, event: Event) {
        tracing::trace!(index, ?event);
        let now = self.driver.now();
        match event {
            Event::Connected { .. } => self.on_connected(index, now),
            Event::ConnectionFailed { reason } => self.on_failed(index, reason),
            Event::Disconnected { reason } => self.on_lost(index, reason),
            Event::Authenticating { peer } => self.authenticate(index, peer),
            Event::Rpc(call) => self.on_rpc(index, now, &call),
            Event::SpawnRequested(request) => self.on_spawn_requested(index, &request),
            other => self.tally.received.count(&other),
        }
    }

    fn on_spawn_requested(&mut self, index: usize, request: &SpawnRequest) {
        let Some(client) = self.driver.client_mut(index) else {
            return;
        };
        let scene = self.stage.requested(client.session(), request);
        let verdict = client.answer_spawn(request.id, Some(scene));
        if let Some(reason) = verdict.reason() {
            tracing::debug!(index, %reason, path = %request.path, "custom spawn");
        }
    }

    fn on_connected(&mut self, index: usize, now: Instant) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        member.has_joined = true;
        self.tally.joined += 1;
        self.part.shared.note_joined();
        self.tally.joining.add(now.saturating_since(member.begun));
        match self.frame {
            Some(_) => member.next_call = Some(now),
            None if self.call.is_some() => self.agenda.push(Reverse((now, Task::Call(index)))),
            None => {}
        }
    }

    fn on_failed(&mut self, index: usize, reason: DisconnectReason) {
        self.on_over(index);
        let word = match reason {
            DisconnectReason::Remote => "refused",
            other => reason_name(other),
        };
        *self.tally.failed.entry(word).or_default() += 1;
        self.part.shared.note_failed();
    }

    fn on_lost(&mut self, index: usize, reason: DisconnectReason) {
        self.on_over(index);
        if !self.is_leaving {
            *self.tally.lost.entry(reason_name(reason)).or_default() += 1;
            self.part.shared.note_lost();
        }
    }

    fn on_over(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.is_over = true;
        }
    }

    fn authenticate(&mut self, index: usize, peer: PeerId) {
        let (Some(token), Some(client)) = (&self.token, self.driver.client_mut(index)) else {
            return;
        };
        if let Err(error) = show(client, peer, &token.0) {
            tracing::debug!(index, %error, "authentication");
        }
    }

    /// An answer is a call of the same method by the server.
    fn on_rpc(&mut self, index: usize, now: Instant, call: &RpcCall) {
        self.tally.received.rpcs += 1;
        let (Some(asked), Some(member)) = (&self.call, self.members.get_mut(index)) else {
            return;
        };
        let is_answer = call.peer.is_server()
            && Some(call.node) == member.node
            && *call.method == *asked.method;
        if !is_answer {
            return;
        }
        let sent = match &asked.arguments {
            Some(_) => member.waiting.pop_front().map(|(_, sent)| sent),
            None => member.take(call.arguments.first()),
        };
        if let Some(sent) = sent {
            self.tally.answers.add(now.saturating_since(sent));
        }
    }

    fn dropped(&self) -> u64 {
        (0..self.members.len())
            .filter_map(|index| self.driver.client(index))
            .map(|client| client.session().stats().dropped_total())
            .sum()
    }

    fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for index in 0..self.members.len() {
            let Some(client) = self.driver.client(index) else {
                continue;
            };
            let stats = client.enet().stats();
            traffic.bytes_in += stats.bytes_received;
            traffic.bytes_out += stats.bytes_sent;
            traffic.datagrams_in += stats.datagrams_received;
            traffic.datagrams_out += stats.datagrams_sent;
            traffic.resent += stats.retransmissions;
            traffic.discarded += stats.throttled + stats.unreliable_evicted;
            if let Some(peer) = client.server_stats() {
                let loss = f64::from(peer.packet_loss);
                traffic.sum_of_losses += loss;
                traffic.worst_loss = traffic.worst_loss.max(loss);
                traffic.connected += 1;
            }
        }
        traffic
    }
}

async fn pause(duration: Duration) {
    if duration.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(duration).await;
    }
}

impl Member {
    /// Takes the call with this number out of those that wait; gives when it was made.
    fn take(&mut self, number: Option<&Value>) -> Option<Instant> {
        let number = number?.as_int()?;
        let place = self
            .waiting
            .binary_search_by_key(&number, |&(number, _)| number);
        self.waiting.remove(place.ok()?).map(|(_, sent)| sent)
    }
}

impl Received {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Despawned { .. } => self.despawns += 1,
            Event::Packet { .. } => self.packets += 1,
            Event::Spawned(_) => self.spawns += 1,
            Event::Sync(state) if state.is_delta() => self.deltas += 1,
            Event::Sync(_) => self.syncs += 1,
            Event::MethodMismatch(_) => self.mismatches += 1,
            _ => {}
        }
    }
}

fn show(client: &mut Client, peer: PeerId, token: &[u8]) -> Result<(), AuthError> {
    if !token.is_empty() {
        client.send_auth(peer, token)?;
    }
    client.complete_auth(peer)
}

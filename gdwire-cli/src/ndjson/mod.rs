//! A session as lines of JSON: what `connect` and `host` have in common.

mod command;
mod event;
mod input;
mod quiet;
pub(crate) mod value;

use crate::options::{self, Hex, SessionOptions, to_hex};
use alloc::collections::BTreeMap;
use command::{Command, CommandError};
use core::time::Duration;
use event::Line;
use gdwire::session::{
    AuthError, CallError, MethodMismatch, MismatchReport, NodeConfig, NodeError, NodeKey, PeerId,
    SendError, Target, TransferMode,
};
use gdwire::variant::Value;
use gdwire::{DisconnectReason, Event, PeerStats, RefusalReason};
use quiet::Quiet;
use std::io;
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

pub(crate) use event::{error, listening, reason_name};

/// How long a session that ends may still talk to its peers.
const FAREWELL: Duration = Duration::from_secs(1);

/// Method lists that are looked for when they differ.
const EXPLANATIONS: u32 = 16;

/// What `connect` and `host` drive: a client or a server.
pub(crate) trait Endpoint {
    async fn next_event(&mut self) -> io::Result<Option<Event>>;
    fn add_node(&mut self, node: NodeConfig) -> Result<NodeKey, NodeError>;
    fn rpc(
        &mut self,
        target: Target,
        node: NodeKey,
        method: &str,
        arguments: &[Value],
    ) -> Result<usize, CallError>;
    fn send_bytes(
        &mut self,
        target: Target,
        payload: &[u8],
        mode: TransferMode,
        channel: u8,
    ) -> Result<(), SendError>;
    fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError>;
    fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError>;
    fn disconnect_peer(&mut self, peer: PeerId);
    fn has_peer(&self, peer: PeerId) -> bool;
    fn explain(&self, mismatch: &MethodMismatch) -> MismatchReport;
    fn stats(&self) -> Vec<(PeerId, PeerStats)>;
    fn close(&mut self);
    fn close_now(&mut self);
    /// Whether it is the side that judges what others send to authenticate.
    fn is_host(&self) -> bool;
}

/// A session that runs.
struct Session<E> {
    endpoint: E,
    nodes: BTreeMap<String, NodeKey>,
    token: Option<Hex>,
    /// What pending peers sent last to authenticate.
    credentials: BTreeMap<PeerId, String>,
    explanations: u32,
    quiet: Quiet,
}

/// Why a session ended.
enum End {
    /// `quit`, Ctrl-C or `--for`.
    Wanted(&'static str),
    /// It is over by itself.
    Over(DisconnectReason),
    /// A client could not join.
    Failed(DisconnectReason),
}

/// Runs `endpoint` until its end and tells the exit code.
pub(crate) async fn run(endpoint: impl Endpoint, options: SessionOptions) -> io::Result<ExitCode> {
    let mut session = Session {
        endpoint,
        nodes: BTreeMap::new(),
        token: options.auth.clone(),
        credentials: BTreeMap::new(),
        explanations: 0,
        quiet: Quiet::default(),
    };
    session.declare(&options)?;
    let end = session.until_end(&options).await?;
    session.part().await?;
    let (reason, code) = match end {
        End::Wanted(why) => (why, ExitCode::SUCCESS),
        End::Over(reason @ (DisconnectReason::Remote | DisconnectReason::Local)) => {
            (reason_name(reason), ExitCode::SUCCESS)
        }
        End::Over(reason) => (reason_name(reason), ExitCode::FAILURE),
        End::Failed(DisconnectReason::Remote) => ("refused", ExitCode::FAILURE),
        End::Failed(reason) => (reason_name(reason), ExitCode::FAILURE),
    };
    Line::new("disconnected").with("reason", reason).write()?;
    Ok(code)
}

impl<E: Endpoint> Session<E> {
    /// Adds the nodes of `--rpc`.
    fn declare(&mut self, options: &SessionOptions) -> io::Result<()> {
        for (path, node) in options::nodes(&options.rpcs) {
            let key = self.endpoint.add_node(node).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("--rpc {path}: {error}"),
                )
            })?;
            self.nodes.insert(path, key);
        }
        Ok(())
    }

    async fn until_end(&mut self, options: &SessionOptions) -> io::Result<End> {
        let mut lines = Some(input::lines());
        let end = options.duration.map(|duration| Instant::now() + duration);
        let mut ticks = options.stats.map(interval);
        let mut interrupt = core::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                event = self.endpoint.next_event() => match event? {
                    Some(event) => if let Some(end) = self.on_event(event)? {
                        return Ok(end);
                    },
                    None => return Ok(End::Over(DisconnectReason::Local)),
                },
                line = next_line(&mut lines) => match line {
                    Some(line) => if self.on_line(line)? {
                        return Ok(End::Wanted("quit"));
                    },
                    None => lines = None,
                },
                () = tick(&mut ticks) => event::stats(self.endpoint.stats().into_iter()).write()?,
                () = until(end) => return Ok(End::Wanted("time")),
                result = &mut interrupt => {
                    result?;
                    return Ok(End::Wanted("interrupted"));
                }
            }
        }
    }

    /// Lets the peers know, and shows what they still say.
    async fn part(&mut self) -> io::Result<()> {
        self.endpoint.close();
        let farewell = async {
            while let Some(event) = self.endpoint.next_event().await? {
                tracing::debug!(?event, "while leaving");
            }
            Ok::<(), io::Error>(())
        };
        if let Ok(result) = tokio::time::timeout(FAREWELL, farewell).await {
            return result;
        }
        self.endpoint.close_now();
        while self.endpoint.next_event().await?.is_some() {}
        Ok(())
    }

    /// Prints an event and does what the options ask for; tells whether it was the last.
    fn on_event(&mut self, event: Event) -> io::Result<Option<End>> {
        tracing::trace!(?event);
        match event {
            Event::Connected { id } => Line::new("connected")
                .with("id", id.value())
                .with("path", "direct")
                .write()?,
            Event::ConnectionFailed { reason } => {
                let word = match reason {
                    DisconnectReason::Remote => "refused",
                    other => reason_name(other),
                };
                Line::new("connection_failed")
                    .with("reason", word)
                    .write()?;
                return Ok(Some(End::Failed(reason)));
            }
            Event::Disconnected { reason } => return Ok(Some(End::Over(reason))),
            Event::PeerConnected { peer } => {
                self.credentials.remove(&peer);
                Line::new("peer_connected").peer(peer).write()?;
            }
            Event::PeerDisconnected { peer, reason } => Line::new("peer_disconnected")
                .peer(peer)
                .with("reason", reason_name(reason))
                .write()?,
            Event::Rpc(call) => event::rpc(&call).write()?,
            Event::Packet {
                peer,
                payload,
                mode,
                channel,
            } => event::packet(peer, &payload, mode, channel).write()?,
            other => self.on_rare_event(other)?,
        }
        Ok(None)
    }

    fn on_rare_event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Authenticating { peer } => self.on_authenticating(peer),
            Event::AuthReceived { peer, data } => self.on_credential(peer, &data),
            Event::AuthFailed { peer, reason } => Line::new("auth_failed")
                .peer(peer)
                .with("hex", self.credentials.remove(&peer).unwrap_or_default())
                .with("reason", event::auth_failure_name(reason))
                .write(),
            Event::MethodMismatch(mismatch) => self.on_mismatch(&mismatch),
            Event::Refused {
                address,
                data,
                reason,
            } => {
                let Some(unsaid) = self.quiet.admit(refusal_name(reason), Instant::now()) else {
                    return Ok(());
                };
                let message = format!("{address} as {data}: {reason}");
                error("refused", quiet::with_unsaid(message, unsaid))
                    .with("peer", data)
                    .write()
            }
            Event::SendFailed { peer, error: why } => {
                let Some(unsaid) = self.quiet.admit("send", Instant::now()) else {
                    return Ok(());
                };
                error("send", quiet::with_unsaid(why.to_string(), unsaid))
                    .peer(peer)
                    .write()
            }
            _ => Ok(()),
        }
    }

    /// Looks for the other list only a few times, since that takes a while and any peer can ask for it.
    fn on_mismatch(&mut self, mismatch: &MethodMismatch) -> io::Result<()> {
        let message = if self.explanations < EXPLANATIONS {
            self.explanations += 1;
            self.endpoint.explain(mismatch).to_string()
        } else {
            mismatch.to_string()
        };
        error("method_mismatch", message)
            .peer(mismatch.peer)
            .write()
    }

    /// A client shows its token at once; a host waits for the peer's.
    fn on_authenticating(&mut self, peer: PeerId) -> io::Result<()> {
        Line::new("authenticating")
            .peer(peer)
            .with("hex", "")
            .write()?;
        let (Some(token), false) = (&self.token, self.endpoint.is_host()) else {
            return Ok(());
        };
        let shown = match token.0.as_slice() {
            [] => Ok(()),
            data => self.endpoint.send_auth(peer, data),
        };
        match shown.and_then(|()| self.endpoint.complete_auth(peer)) {
            Ok(()) => Ok(()),
            Err(why) => error("auth", why.to_string()).peer(peer).write(),
        }
    }

    fn on_credential(&mut self, peer: PeerId, data: &[u8]) -> io::Result<()> {
        let hex = to_hex(data);
        self.credentials.insert(peer, hex.clone());
        Line::new("authenticating")
            .peer(peer)
            .with("hex", hex)
            .write()?;
        if !self.endpoint.is_host() {
            return Ok(());
        }
        let is_right = self
            .token
            .as_ref()
            .is_some_and(|token| is_equal(&token.0, data));
        if !is_right {
            self.endpoint.disconnect_peer(peer);
            return Ok(());
        }
        match self.endpoint.complete_auth(peer) {
            Ok(()) => Ok(()),
            Err(why) => error("auth", why.to_string()).peer(peer).write(),
        }
    }

    /// Obeys a line of input; tells whether it was `quit`.
    fn on_line(&mut self, line: input::Line) -> io::Result<bool> {
        let obeyed = match &line.text {
            Ok(text) if text.trim().is_empty() => Ok(false),
            Ok(text) => Command::parse(text).and_then(|command| self.obey(command)),
            Err(problem) => Err(problem.to_string().into()),
        };
        match obeyed {
            Ok(is_quit) => Ok(is_quit),
            Err(CommandError { kind, message }) => {
                error(kind, message).with("line", line.number).write()?;
                Ok(false)
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<bool, CommandError> {
        match command {
            Command::Rpc {
                peer,
                node,
                method,
                arguments,
            } => {
                let key = *self
                    .nodes
                    .get(&node)
                    .ok_or_else(|| format!("no --rpc declares the node {node:?}"))?;
                self.endpoint
                    .rpc(target(peer)?, key, &method, &arguments)
                    .map_err(|error| format!("{node}:{method}: {error}"))?;
            }
            Command::Send {
                peer,
                payload,
                mode,
                channel,
            } => self
                .endpoint
                .send_bytes(target(peer)?, &payload, mode, channel)
                .map_err(|error| error.to_string())?,
            Command::Kick { peer } => match PeerId::new(peer) {
                Some(peer) if self.endpoint.has_peer(peer) => self.endpoint.disconnect_peer(peer),
                _ => return Err(format!("peer {peer} is not connected").into()),
            },
            Command::Stats => event::stats(self.endpoint.stats().into_iter())
                .write()
                .map_err(|error| error.to_string())?,
            Command::Quit => return Ok(true),
        }
        Ok(false)
    }
}

/// The cause of a refusal, for the limit of lines.
const fn refusal_name(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::IllegalId => "refused: illegal id",
        RefusalReason::TakenId => "refused: taken id",
        _ => "refused: closed",
    }
}

/// The last lines of a client that did not even start to connect.
pub(crate) fn never_connected(reason: &str) -> io::Result<ExitCode> {
    Line::new("connection_failed")
        .with("reason", reason)
        .write()?;
    Line::new("disconnected").with("reason", reason).write()?;
    Ok(ExitCode::FAILURE)
}

fn target(peer: i32) -> Result<Target, CommandError> {
    Target::from_number(peer).ok_or_else(|| format!("peer {peer} is out of range").into())
}

/// Compares without telling by its duration where the first difference is.
fn is_equal(ours: &[u8], theirs: &[u8]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .fold(0, |differences, (a, b)| differences | (a ^ b))
            == 0
}

async fn next_line(lines: &mut Option<mpsc::Receiver<input::Line>>) -> Option<input::Line> {
    match lines {
        Some(lines) => lines.recv().await,
        None => core::future::pending().await,
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => core::future::pending().await,
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => core::future::pending().await,
    }
}

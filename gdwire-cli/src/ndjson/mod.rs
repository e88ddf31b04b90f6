//! A session as lines of JSON: what `connect` and `host` have in common.

mod command;
mod event;
mod input;
mod quiet;
mod scene;
pub(crate) mod value;

use crate::endpoint::{Endpoint, Machine};
use crate::options::{Hex, SessionOptions, to_hex};
use crate::scene::Stage;
use crate::serve::stop_signal;
use alloc::collections::BTreeMap;
use command::{Command, CommandError};
use core::time::Duration;
use event::Echoes;
use gdwire::session::{MethodMismatch, PeerId, RpcCall, Target};
use gdwire::{DisconnectReason, Event, RefusalReason};
use quiet::Quiet;
use std::io;
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

pub(crate) use event::{Line, error, listening, reason_name};

/// How long a session that ends may still talk to its peers.
const FAREWELL: Duration = Duration::from_secs(1);

/// Method lists that are looked for when they differ.
const EXPLANATIONS: u32 = 16;

/// A session that runs.
struct Session<E> {
    endpoint: E,
    stage: Stage,
    token: Option<Hex>,
    /// What pending peers sent last to authenticate.
    credentials: BTreeMap<PeerId, String>,
    explanations: u32,
    quiet: Quiet,
    /// Whether calls are answered in place of printing them.
    is_echo: bool,
    echoes: Echoes,
}

/// Why a session ended.
enum End {
    /// `quit`, Ctrl-C, SIGTERM or `--for`.
    Wanted(&'static str),
    /// It is over by itself.
    Over(DisconnectReason),
    /// A client could not join.
    Failed(DisconnectReason),
}

/// Runs `endpoint` until its end and tells the exit code.
pub(crate) async fn run(
    endpoint: impl Endpoint,
    options: SessionOptions,
    stage: Stage,
) -> io::Result<ExitCode> {
    let mut session = Session {
        endpoint,
        stage,
        token: options.auth.clone(),
        credentials: BTreeMap::new(),
        explanations: 0,
        quiet: Quiet::default(),
        is_echo: options.echo,
        echoes: Echoes::default(),
    };
    let end = session.until_end(&options).await?;
    if options.report.is_some() {
        session.report().write()?;
    }
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
    async fn until_end(&mut self, options: &SessionOptions) -> io::Result<End> {
        let mut lines = Some(input::lines());
        let end = options.duration.map(|duration| Instant::now() + duration);
        let mut ticks = options.stats.map(interval);
        let mut reports = options.report.map(interval);
        let mut interrupt = core::pin::pin!(stop_signal());
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
                () = tick(&mut reports) => self.report().write()?,
                () = until(end) => return Ok(End::Wanted("time")),
                reason = &mut interrupt => return Ok(End::Wanted(reason?)),
            }
        }
    }

    /// Lets the peers know, and shows what they still say.
    async fn part(&mut self) -> io::Result<()> {
        self.endpoint.machine_mut().close();
        let farewell = async {
            while let Some(event) = self.endpoint.next_event().await? {
                tracing::debug!(?event, "while leaving");
            }
            Ok::<(), io::Error>(())
        };
        if let Ok(result) = tokio::time::timeout(FAREWELL, farewell).await {
            return result;
        }
        self.endpoint.machine_mut().close_now();
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
            Event::Rpc(call) if self.is_echo => self.echo(&call),
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

    /// Answers a call with the same call. That it cannot be answered is counted and not printed: callers can cause it.
    fn echo(&mut self, call: &RpcCall) {
        let target = Target::Peer(call.peer);
        let machine = self.endpoint.machine_mut();
        match machine.rpc(target, call.node, &call.method, &call.arguments) {
            Ok(_) => self.echoes.sent += 1,
            Err(error) => {
                tracing::debug!(peer = call.peer.value(), %error, "echo");
                self.echoes.failed += 1;
            }
        }
    }

    fn report(&self) -> Line {
        let session = self.endpoint.machine().session();
        let hosts = self.endpoint.hosts();
        event::report(session.peers().count(), &hosts, session, self.echoes)
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
            Event::DtlsFailed { address, failure } => {
                let cause = event::dtls_failure_name(failure);
                let Some(unsaid) = self.quiet.admit(cause, Instant::now()) else {
                    return Ok(());
                };
                let message = format!("{address}: {failure}");
                error("dtls", quiet::with_unsaid(message, unsaid)).write()
            }
            Event::SendFailed { peer, error: why } => {
                let Some(unsaid) = self.quiet.admit("send", Instant::now()) else {
                    return Ok(());
                };
                error("send", quiet::with_unsaid(why.to_string(), unsaid))
                    .peer(peer)
                    .write()
            }
            other => self.on_scene_event(other),
        }
    }

    /// Looks for the other list only a few times, since that takes a while and any peer can ask for it.
    fn on_mismatch(&mut self, mismatch: &MethodMismatch) -> io::Result<()> {
        let message = if self.explanations < EXPLANATIONS {
            self.explanations += 1;
            self.endpoint
                .machine()
                .session()
                .explain_mismatch(mismatch)
                .to_string()
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
            data => self.endpoint.machine_mut().send_auth(peer, data),
        };
        match shown.and_then(|()| self.endpoint.machine_mut().complete_auth(peer)) {
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
            self.endpoint.machine_mut().disconnect_peer(peer);
            return Ok(());
        }
        match self.endpoint.machine_mut().complete_auth(peer) {
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
                let (target, key) = (target(peer)?, self.node(&node)?);
                let called = self.machine().rpc(target, key, &method, &arguments);
                called.map_err(|error| format!("{node}:{method}: {error}"))?;
            }
            Command::Send {
                peer,
                payload,
                mode,
                channel,
            } => {
                let target = target(peer)?;
                let sent = self.machine().send_bytes(target, &payload, mode, channel);
                sent.map_err(|error| error.to_string())?;
            }
            Command::Scene(command) => self.obey_scene(command)?,
            Command::Kick { peer } => match PeerId::new(peer) {
                Some(peer) if self.endpoint.has_peer(peer) => self.machine().disconnect_peer(peer),
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

/// Gives a machine what is in the game.
///
/// # Errors
/// `InvalidInput`: what the options declare contradicts itself.
pub(crate) fn declare(machine: &mut impl Machine, stage: &Stage) -> io::Result<()> {
    machine
        .add_blueprint(&stage.blueprint)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
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

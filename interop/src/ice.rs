//! An agent of `ice-lite` on a real socket, and another implementation of ICE in a process of its own.

mod session;
mod stranger;
mod tcp;

pub use session::TheirPair;
pub use stranger::Stranger;

use crate::engine::{Engine, find};
use ice_lite::{
    Agent, Candidate, Config, Credentials, Description, Event, LocalCandidate, Loopback, Options,
    State, TcpType, Transport,
};
use proto_core::Handled;
use serde_json::{Value as Json, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tcp::Connections;

/// The longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(45);

/// Python with aioice, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn aioice() -> Option<PathBuf> {
    find("GDWIRE_AIOICE", "a Python with aioice")
}

/// Python with libjuice, inside the bindings of libdatachannel, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn libjuice() -> Option<PathBuf> {
    find("GDWIRE_LIBJUICE", "a Python with pylibdatachannel")
}

/// Python with the bindings of libnice, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn libnice() -> Option<PathBuf> {
    find("GDWIRE_LIBNICE", "a Python with libnice")
}

/// Chromium, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn chromium() -> Option<PathBuf> {
    find("GDWIRE_CHROMIUM", "a Chromium")
}

/// How candidates are told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// One by one, after the credentials.
    Trickle,
    /// Before the credentials, with the end.
    Whole,
}

/// What signalling carries.
enum Signals {
    /// Credentials and candidates; what else a description says is known beforehand.
    Credentials { abilities: Options, lite: bool },
    /// Whole offers and answers, and candidates. So many of ours were told.
    Sessions(u64),
}

/// Both sides.
pub struct Meeting {
    /// Ours.
    pub agent: Agent,
    /// Theirs.
    pub peer: Engine,
    /// The data that our side has received.
    pub received: Vec<String>,
    /// What our agent has reported.
    pub events: Vec<Event>,
    signals: Signals,
    telling: Telling,
    taken: usize,
    socket: UdpSocket,
    local: SocketAddr,
    connections: Connections,
    /// The last datagram that our agent has sent.
    pub sent: Vec<u8>,
    began: Instant,
}

impl Meeting {
    /// Starts the script under `interop/ice` with these words; `describe` says what signalling would tell of its abilities.
    ///
    /// # Panics
    /// When a socket or the process cannot be had.
    #[must_use]
    pub fn new(
        process: (PathBuf, &str, &[&str]),
        config: Config,
        telling: Telling,
        describe: impl FnOnce(&mut Description),
    ) -> Self {
        let loopback = Ipv4Addr::LOCALHOST.into();
        Self::at(loopback, process, (config, telling), describe)
    }

    /// The same over TCP alone, with one candidate of this kind.
    ///
    /// # Panics
    /// When a socket or the process cannot be had.
    #[must_use]
    pub fn over_tcp(
        kind: TcpType,
        process: (PathBuf, &str, &[&str]),
        setting: (Config, Telling),
        describe: impl FnOnce(&mut Description),
    ) -> Self {
        let place = (Ipv4Addr::LOCALHOST.into(), Transport::Tcp(kind));
        Self::over(place, process, setting, describe)
    }

    /// The same with our socket at another address of this host.
    ///
    /// # Panics
    /// When a socket or the process cannot be had.
    #[must_use]
    pub fn at(
        ip: IpAddr,
        process: (PathBuf, &str, &[&str]),
        setting: (Config, Telling),
        describe: impl FnOnce(&mut Description),
    ) -> Self {
        Self::over((ip, Transport::Udp), process, setting, describe)
    }

    fn over(
        place: (IpAddr, Transport),
        process: (PathBuf, &str, &[&str]),
        setting: (Config, Telling),
        describe: impl FnOnce(&mut Description),
    ) -> Self {
        let nobody = Credentials::new("none", "nonenonenonenonenonenone").expect("good");
        let mut description = Description::new(nobody);
        describe(&mut description);
        let signals = Signals::Credentials {
            abilities: description.options,
            lite: description.lite,
        };
        let mut meeting = Self::start(place, process, setting, signals);
        meeting.tell();
        meeting
    }

    fn start(
        (ip, transport): (IpAddr, Transport),
        (program, script, words): (PathBuf, &str, &[&str]),
        (mut config, telling): (Config, Telling),
        signals: Signals,
    ) -> Self {
        config.loopback = Loopback::Allowed;
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        let local = socket.local_addr().expect("it is bound");
        let mut command = Command::new(program);
        command
            .arg(format!(
                concat!(env!("CARGO_MANIFEST_DIR"), "/ice/{}"),
                script
            ))
            .args(words);
        let mut agent = Agent::new(config).expect("a valid configuration");
        let began = Instant::now();
        let mut connections = Connections::default();
        let address = match transport {
            Transport::Udp => local,
            Transport::Tcp(kind) => connections.candidate(ip, kind),
        };
        let candidate = LocalCandidate::host(address).with_transport(transport);
        agent.add_local(now(began), candidate).expect("a candidate");
        agent.end_of_local_candidates(now(began));
        Self {
            agent,
            peer: Engine::spawn(command),
            received: Vec::new(),
            events: Vec::new(),
            signals,
            telling,
            taken: 0,
            socket,
            local,
            connections,
            sent: Vec::new(),
            began,
        }
    }

    /// Tells the other side our description.
    pub fn tell(&mut self) {
        let description = self.agent.description();
        let credentials = json!({
            "ufrag": description.credentials.ufrag(),
            "password": description.credentials.password(),
        });
        let candidates = description.candidates.iter();
        let mut lines: Vec<Json> = candidates
            .map(|candidate| json!({"candidate": candidate.to_string()}))
            .collect();
        match self.telling {
            Telling::Trickle => lines.insert(0, credentials),
            Telling::Whole => lines.push(credentials),
        }
        lines.push(json!({"end": true}));
        for line in lines {
            self.peer.command(&line);
        }
    }

    fn take_signals(&mut self) {
        self.peer.pump(Duration::from_millis(1));
        let now = now(self.began);
        while let Some(event) = self.peer.events.get(self.taken).cloned() {
            self.taken += 1;
            if let Some(line) = event["candidate"].as_str() {
                let candidate: Candidate = line.parse().expect(line);
                let _ = self.agent.add_remote(now, candidate);
            } else if event["end"] == true {
                self.agent.end_of_remote_candidates(now);
            } else if event["sdp"].is_string() {
                self.take_session(&event);
            } else if event["ufrag"].is_string() {
                self.take_credentials(&event);
            }
        }
    }

    fn take_credentials(&mut self, event: &Json) {
        let Signals::Credentials { abilities, lite } = self.signals else {
            panic!("credentials without a session: {event}");
        };
        let text = |key: &str| event[key].as_str().expect("both are there");
        let credentials = Credentials::new(text("ufrag"), text("password")).expect("good ones");
        let mut description = Description::new(credentials);
        description.options = abilities;
        description.lite = lite;
        self.agent
            .set_remote(now(self.began), &description)
            .expect("a description");
    }

    /// Does what is due for a moment.
    pub fn step(&mut self) {
        self.take_signals();
        let mut buffer = [0; 2048];
        self.agent.handle_timeout(now(self.began));
        while let Some(transmit) = self.agent.poll_transmit(now(self.began), &mut buffer) {
            // A peer that is gone answers with an error of the system, which silence will tell as well.
            self.sent = buffer[transmit.bytes].to_vec();
            let _ = self.socket.send_to(&self.sent, transmit.destination);
        }
        self.socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .expect("not zero");
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let data = &buffer[..length];
            let at = now(self.began);
            if let Handled::Inner { bytes, .. } =
                self.agent.handle_datagram(at, self.local, from, data)
            {
                let text = String::from_utf8_lossy(&data[bytes]);
                self.received.push(text.into_owned());
            }
        }
        let at = now(self.began);
        self.connections
            .read(at, &mut self.agent, &mut self.received);
        while let Some(event) = self.agent.poll_event() {
            self.connections.act(at, &mut self.agent, &event);
            self.events.push(event);
        }
    }

    /// Goes on until `done`.
    ///
    /// # Panics
    /// When it does not happen.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "no {what}: {}\n{}\n{:?}\n{}",
                self.agent.why(),
                self.agent.timeline(),
                self.peer.events,
                self.peer.noise(),
            );
            self.step();
        }
    }

    /// Goes on for a while.
    pub fn run(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step();
        }
    }

    /// Sends data over the path of our agent; whether there is one.
    pub fn send(&mut self, text: &str) -> bool {
        let path = self.agent.path();
        if path.is_some_and(|path| path.connection.is_some()) {
            return self.send_framed(text);
        }
        let sent = self.agent.send(now(self.began), 0..text.len());
        sent.is_ok_and(|transmit| {
            self.socket
                .send_to(text.as_bytes(), transmit.destination)
                .is_ok()
        })
    }

    fn send_framed(&mut self, text: &str) -> bool {
        let mut out = Vec::new();
        let at = now(self.began);
        let sent = self.agent.send_framed(at, text.as_bytes(), &mut out);
        sent.is_ok_and(|connection| {
            self.connections.write(connection, &out);
            true
        })
    }

    /// Where our side receives datagrams.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.local
    }

    /// The credentials that the other side has told.
    ///
    /// # Panics
    /// Before that.
    #[must_use]
    pub fn their_credentials(&self) -> Credentials {
        let told = self.peer.events.iter().rev();
        let mut told = told.filter(|event| event["ufrag"].is_string());
        let event = told.next().expect("it has told them");
        let text = |key: &str| event[key].as_str().expect("both are there");
        Credentials::new(text("ufrag"), text("password")).expect("good ones")
    }

    /// Hears all that the other side has told once more: it answers our restart with what it is.
    pub const fn hear_again(&mut self) {
        self.taken = 0;
    }

    /// Restarts our side; its new description is to be told.
    ///
    /// # Panics
    /// When the last restart was a moment ago.
    pub fn restart(&mut self) {
        self.agent.restart(now(self.began)).expect("a restart");
        self.agent.end_of_local_candidates(now(self.began));
    }

    /// Whether the other side has reported this word.
    #[must_use]
    pub fn told(&self, word: &str) -> bool {
        self.peer.events.iter().any(|event| !event[word].is_null())
    }

    /// Both connect, and data goes both ways.
    ///
    /// # Panics
    /// When they do not.
    pub fn connect(&mut self) {
        self.until("path", |meeting| {
            meeting.agent.state() == State::Completed && meeting.told("connected")
        });
        self.exchange("hello");
    }

    /// Our data reaches the other side, and its echo ours.
    ///
    /// # Panics
    /// When they do not.
    pub fn exchange(&mut self, text: &str) {
        let echo = format!("echo {text}");
        let mut next = Instant::now();
        self.until("echo", |meeting| {
            // Datagrams may be lost, even here.
            if Instant::now() >= next {
                meeting.send(text);
                next = Instant::now() + Duration::from_millis(500);
            }
            meeting.received.contains(&echo)
        });
    }
}

fn now(began: Instant) -> proto_core::Instant {
    let micros = u64::try_from(began.elapsed().as_micros()).expect("a short test");
    proto_core::Instant::from_micros(micros + 1)
}

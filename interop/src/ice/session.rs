//! Meetings with a WebRTC stack: whole offers and answers, written and read by the feature `sdp` of `ice-lite`.

use super::{Meeting, PATIENCE, Signals, Telling, now};
use ice_lite::{Config, Description, Event, RemoteChange, State, Transport, parse_sdp};
use serde_json::{Value as Json, json};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A session with a data channel, without what it says of ICE. The other side begins a handshake of DTLS as soon as there is
/// a path, and nobody answers it.
const SESSION: &str = "v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=sctp-port:5000
a=fingerprint:sha-256 AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA
";

/// The pair that the other side has selected, as its `getStats` tells it.
#[derive(Clone, Debug)]
pub struct TheirPair {
    /// Its own address. Nothing while the browser hides that.
    pub local: Option<SocketAddr>,
    /// Its own port.
    pub port: u16,
    /// Our address.
    pub remote: SocketAddr,
    /// The user name fragment of its candidate.
    pub ufrag: String,
    /// "controlling" or "controlled".
    pub role: String,
    /// Whether it has been nominated.
    pub nominated: bool,
    /// How many datagrams that are not STUN it has received.
    pub received: u64,
    /// How many of its checks we have answered.
    pub answers: u64,
}

impl TheirPair {
    fn read(pair: &Json) -> Option<Self> {
        let port = |end: &str| u16::try_from(pair[end]["port"].as_u64()?).ok();
        let address = |end: &str| {
            let ip: IpAddr = pair[end]["address"].as_str()?.parse().ok()?;
            Some(SocketAddr::new(ip, port(end)?))
        };
        Some(Self {
            local: address("local"),
            port: port("local")?,
            remote: address("remote")?,
            ufrag: pair["local"]["ufrag"].as_str()?.to_owned(),
            role: pair["role"].as_str()?.to_owned(),
            nominated: pair["nominated"] == true,
            received: pair["packetsReceived"].as_u64()?,
            answers: pair["responsesReceived"].as_u64()?,
        })
    }
}

impl Meeting {
    /// Starts the script under `interop/ice`, a WebRTC stack that signals whole sessions. Nobody has called yet.
    ///
    /// # Panics
    /// When a socket or the process cannot be had.
    #[must_use]
    pub fn session(
        ip: IpAddr,
        process: (PathBuf, &str, &[&str]),
        setting: (Config, Telling),
    ) -> Self {
        let place = (ip, Transport::Udp);
        Self::start(place, process, setting, Signals::Sessions(0))
    }

    /// We call: the other side is told our offer.
    pub fn call(&mut self) {
        self.tell_session("offer", "actpass");
    }

    /// The other side calls.
    pub fn be_called(&mut self) {
        self.peer.command(&json!({"call": true}));
    }

    /// The other side restarts, which is an offer too.
    pub fn be_restarted(&mut self) {
        self.peer.command(&json!({"restart": true}));
    }

    fn tell_session(&mut self, kind: &str, setup: &str) {
        let Signals::Sessions(told) = &mut self.signals else {
            panic!("this side signals credentials");
        };
        *told += 1;
        let version = *told;
        let mut description = self.agent.description();
        let mut later = Vec::new();
        if self.telling == Telling::Trickle {
            later.append(&mut description.candidates);
            description.ended = false;
        }
        let text = format!("{SESSION}a=setup:{setup}\n");
        let mut session = parse_sdp(&text).expect("a session");
        session.origin.session_version = version;
        description.write_sdp(&mut session, 0).expect("it has one");
        self.peer.command(&json!({kind: session.marshal()}));
        if self.telling == Telling::Trickle {
            let lines = later.iter().map(ToString::to_string);
            // An empty line is the end.
            for line in lines.chain([String::new()]) {
                self.peer.command(&json!({"candidate": line}));
            }
        }
    }

    pub(super) fn take_session(&mut self, event: &Json) {
        let text = event["sdp"].as_str().expect("checked by the caller");
        let session = parse_sdp(text).expect(text);
        let read = Description::from_sdp(&session, 0).expect(text);
        assert!(!read.mismatch && read.skipped == 0, "{read:?}");
        let at = now(self.began);
        let change = self.agent.set_remote(at, &read.description).expect(text);
        if change == RemoteChange::Restarted {
            // The socket and its address stay.
            self.agent.end_of_local_candidates(at);
        }
        if event["type"] == "offer" {
            self.tell_session("answer", "passive");
        }
    }

    /// Goes on until the other side uses another pair than `before`, with data of ours meanwhile.
    ///
    /// The controlled side of libwebrtc stays on the path of the old generation when data came last on that, as long as we
    /// answer there. Data on the new path moves it.
    ///
    /// # Panics
    /// When it stays.
    pub fn until_moved(&mut self, before: &TheirPair) {
        self.until("new path", |meeting| {
            meeting.agent.state() == State::Completed
        });
        let deadline = Instant::now() + PATIENCE;
        while self.until_pair("a pair", |_| true).ufrag == before.ufrag {
            assert!(Instant::now() < deadline, "it stays on {before:?}");
            self.send("moves it");
        }
    }

    /// Does nothing, as if our program were gone, until the other side tells this state.
    ///
    /// # Panics
    /// When it never does.
    pub fn be_silent_until(&mut self, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.peer.events.iter().any(|event| event["state"] == state) {
            assert!(Instant::now() < deadline, "{:?}", self.peer.events);
            self.peer.pump(Duration::from_millis(100));
        }
    }

    /// The names that our agent wants to be looked up.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Resolve(name) => Some(&**name),
            _ => None,
        })
    }

    /// Answers [`Event::Resolve`].
    pub fn resolve(&mut self, name: &str, address: Option<IpAddr>) {
        self.agent.resolved(now(self.began), name, address);
    }

    /// Goes on until the other side has a nominated pair for which this holds.
    ///
    /// # Panics
    /// When it does not happen.
    pub fn until_pair(&mut self, what: &str, done: impl Fn(&TheirPair) -> bool) -> TheirPair {
        let mut looked = self.peer.events.len();
        let mut asked = false;
        let mut found = None;
        self.until(what, |meeting| {
            if !asked {
                meeting.peer.command(&json!({"stats": true}));
                asked = true;
            }
            for event in &meeting.peer.events[looked..] {
                asked &= event["pair"].is_null();
                let pair = TheirPair::read(&event["pair"]);
                found = found
                    .take()
                    .or(pair.filter(|pair| pair.nominated && done(pair)));
            }
            looked = meeting.peer.events.len();
            found.is_some()
        });
        found.expect("it was found")
    }
}

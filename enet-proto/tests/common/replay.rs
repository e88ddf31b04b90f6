//! A host that plays one side of a recorded session of C ENet.

use super::raw::{self, Parsed, crc32, parse};
use super::recording::{Item, Role, Seen, flags_of, items, narrow, payload, sleeps_first, split};
use alloc::collections::{BTreeSet, VecDeque};
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, DropReason, Event, Host, PeerKey, Timeouts};
use proto_core::{Handled, Instant};
use serde_json::Value;

/// What the script waits for.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Nothing,
    Until(u64),
    Connected(u64),
    Gone(u64),
    Received(usize, u64),
}

/// Our host in the place of one side.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) host: Host,
    pub(crate) seen: Vec<Seen>,
    /// Verdicts other than `Consumed` on recorded datagrams.
    pub(crate) refused: Vec<(usize, Handled<DropReason>)>,
    /// What our host sent.
    pub(crate) sent: usize,
    role: Role,
    checksum: bool,
    remote: SocketAddr,
    items: Vec<Item>,
    words: VecDeque<String>,
    wait: Wait,
    peer: Option<PeerKey>,
    received: usize,
    connected: bool,
    gone: bool,
    /// The connect id of the recording, and ours in its place.
    connect_ids: ([u8; 4], [u8; 4]),
    buffer: Vec<u8>,
    now_ms: u64,
    /// When the script did what it did last; the next wait counts from here.
    script_ms: u64,
    commands_of_script: BTreeSet<(u8, u8, u16, u32)>,
}

impl Replay {
    pub(crate) fn new(recording: &Value, role: Role) -> Self {
        let key = match role {
            Role::Client => "client_script",
            Role::Server => "server_script",
        };
        let script = recording[key].as_array().expect("a list").iter();
        let words: VecDeque<String> = script
            .map(|word| word.as_str().expect("text").to_owned())
            .collect();
        let mut config = Config::reference([3; 32]);
        let mut clock_ms = 0;
        for word in &words {
            let (name, numbers) = split(word);
            match name {
                "clock" => clock_ms = numbers[0],
                "host" => {
                    // In front of these stands a port, or the word PORT.
                    let [.., peers, channels, incoming, outgoing] = numbers[..] else {
                        panic!("too few numbers in {word}");
                    };
                    config.max_peers = narrow(peers);
                    config.channel_limit = if channels == 0 { 255 } else { narrow(channels) };
                    config.incoming_bandwidth = narrow(incoming);
                    config.outgoing_bandwidth = narrow(outgoing);
                }
                "mtu" => config.mtu_bytes = narrow(numbers[0]),
                "checksum" => config.checksum = true,
                _ => {}
            }
        }
        // C ENet gives the number of an ended connection to the next one at once.
        config.limits.tombstones = 0;
        let checksum = config.checksum;
        let items = items(recording, role, clock_ms, checksum);
        if role == Role::Client {
            // Older versions have another default.
            let request = &parse(&items[0].bytes, checksum).commands[0];
            config.mtu_bytes = raw::be16(&request.bytes, 10);
        }
        let mut replay = Self {
            host: Host::new(config).expect("the settings are legal"),
            seen: Vec::new(),
            refused: Vec::new(),
            sent: 0,
            role,
            checksum,
            remote: SocketAddr::from(([127, 0, 0, 1], 7000)),
            items,
            words,
            wait: Wait::Nothing,
            peer: None,
            received: 0,
            connected: false,
            gone: false,
            connect_ids: ([0; 4], [0; 4]),
            buffer: vec![0; Host::BUFFER],
            now_ms: clock_ms,
            script_ms: clock_ms,
            commands_of_script: BTreeSet::new(),
        };
        replay.run_script(false);
        // The first service call, from which C ENet counts its seconds.
        let first = match (replay.wait, &replay.words) {
            (Wait::Until(end), words) if !words.is_empty() && sleeps_first(recording, key) => end,
            _ => clock_ms,
        };
        replay.host.handle_timeout(Instant::from_millis(first));
        replay
    }

    /// Plays the recording; whatever our host sends is not looked at.
    pub(crate) fn accept_all(&mut self) {
        let items = self.items.clone();
        for (index, item) in items.iter().enumerate() {
            let next_ours = items[index..]
                .iter()
                .find(|item| item.ours)
                .map(|item| item.at_ms);
            self.run_overdue_script(item.at_ms);
            self.run_timers_until(item.at_ms, next_ours);
            self.now_ms = item.at_ms;
            if item.ours {
                self.catch_up();
                let new = self.starts_something(&item.bytes);
                self.run_script(new);
                while self.transmit().is_some() {}
            } else {
                self.deliver(index, &item.bytes);
            }
            self.take_events();
        }
        // What is left of the script, with its waits.
        while !self.words.is_empty() || !self.wait_is_over() {
            let end = self.now_ms + 10;
            self.run_timers_until(end, None);
            self.now_ms = end;
            self.run_script(true);
            while self.transmit().is_some() {}
            self.take_events();
        }
    }

    /// Plays the recording and compares each datagram with what our host sends at that point.
    ///
    /// Only what the seed decides is masked: the connect id, and with it the checksum. Acknowledgements show how many
    /// datagrams our side had read when it sent one, so those are delivered just before.
    pub(crate) fn compare_all(&mut self) -> Result<(), String> {
        let mut unread = VecDeque::new();
        for (index, item) in self.items.clone().into_iter().enumerate() {
            if !item.ours {
                unread.push_back((index, item));
                if unread.len() == 1 && !asks(&unread[0].1, self.checksum) {
                    self.read(unread.drain(..));
                }
                continue;
            }
            if self.run_overdue_script(item.at_ms) > 0 {
                return Err(format!("a datagram before {index} that was not recorded"));
            }
            self.read(take_read(&mut unread, &item.bytes, self.checksum));
            self.now_ms = item.at_ms;
            self.catch_up();
            let new = self.starts_something(&item.bytes);
            self.run_script(new);
            let sent = self.transmit();
            let sent = sent.map(|bytes| self.as_recorded(&item.bytes, &bytes));
            if sent.as_ref() != Some(&item.bytes) {
                let sent = sent.map(|bytes| parse(&bytes, self.checksum));
                let recorded = parse(&item.bytes, self.checksum);
                let now = self.now();
                return Err(format!(
                    "datagram {index} at {now}\n  recorded {recorded:x?}\n  ours     {sent:x?}"
                ));
            }
            self.take_events();
        }
        self.read(unread);
        match self.transmit() {
            None => Ok(()),
            Some(more) => {
                let more = parse(&more, self.checksum);
                Err(format!("one more at the end: {more:x?}"))
            }
        }
    }

    fn read(&mut self, items: impl IntoIterator<Item = (usize, Item)>) {
        for (index, item) in items {
            self.now_ms = self.now_ms.max(item.at_ms);
            self.catch_up();
            self.deliver(index, &item.bytes);
            self.take_events();
        }
    }

    fn catch_up(&mut self) {
        let now = self.now();
        if self
            .host
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.host.handle_timeout(now);
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now_ms)
    }

    fn deliver(&mut self, index: usize, bytes: &[u8]) {
        let bytes = self.as_ours(bytes);
        let verdict = self.host.handle_datagram(self.now(), self.remote, &bytes);
        if verdict != Handled::Consumed {
            self.refused.push((index, verdict));
        }
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        let now = self.now();
        let transmit = self.host.poll_transmit(now, &mut self.buffer)?;
        assert_eq!(transmit.destination, self.remote);
        self.sent += 1;
        let bytes = self.buffer[transmit.bytes].to_vec();
        for command in parse(&bytes, self.checksum).commands {
            if command.kind == 2 {
                self.connect_ids.1.copy_from_slice(&command.bytes[40..44]);
            }
        }
        Some(bytes)
    }

    /// Runs timers as they come, but those that our side of the recording served a little late, just as late: the
    /// acknowledgements in it echo those times.
    fn run_timers_until(&mut self, end_ms: u64, next_ours: Option<u64>) {
        const SERVICE_DELAY_MS: u64 = 6;
        while let Some(deadline) = self.host.poll_timeout() {
            let late_ms = deadline.as_millis() + SERVICE_DELAY_MS;
            let is_served = next_ours.is_some_and(|at_ms| at_ms <= late_ms);
            if deadline > Instant::from_millis(end_ms) || is_served {
                return;
            }
            self.now_ms = self.now_ms.max(deadline.as_micros().div_ceil(1000));
            self.host.handle_timeout(self.now());
            while self.transmit().is_some() {}
            self.take_events();
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.host.poll_event() {
            self.note(event);
        }
        self.run_script(false);
    }

    fn note(&mut self, event: Event) {
        let seen = match event {
            Event::Connected { peer, data } => {
                self.peer = Some(peer);
                self.connected = true;
                let view = self.host.peer(peer).expect("it has just connected");
                Seen::Connected {
                    data,
                    channels: view.channel_count() as u64,
                }
            }
            Event::Disconnected { reason, .. } => {
                self.gone = true;
                let data = match reason {
                    DisconnectReason::Remote { data } => data,
                    _ => 0,
                };
                Seen::Disconnected { data }
            }
            Event::Received {
                channel,
                flags,
                payload,
                ..
            } => {
                self.received += 1;
                Seen::Received {
                    channel,
                    flags: flags.bits(),
                    length: payload.len(),
                    crc32: crc32(&payload),
                }
            }
            other => panic!("unexpected {other:?}"),
        };
        self.seen.push(seen);
    }

    /// Runs the script up to the next wait that is not over, but what sends only if `may_send`.
    fn run_script(&mut self, may_send: bool) {
        let from = match self.wait {
            Wait::Until(end) if !may_send => end.min(self.now_ms),
            _ => self.now_ms,
        };
        self.run_script_from(from, may_send);
    }

    /// The same, where waits that begin now count from `from_ms`.
    fn run_script_from(&mut self, from_ms: u64, may_send: bool) {
        self.script_ms = from_ms;
        // The recording cuts its times to milliseconds: what a datagram shows to be done may seem to be still awaited.
        let cut_ms = u64::from(may_send);
        let mut flushed = false;
        while !flushed && self.wait_is_over_at(self.now_ms + cut_ms) {
            let Some(word) = self.words.front().cloned() else {
                return;
            };
            let (name, numbers) = split(&word);
            let sends = [
                "send",
                "bcast",
                "ping",
                "throttle",
                "connect",
                "disconnect",
                "disconnect_now",
                "disconnect_later",
            ];
            if sends.contains(&name) && !may_send {
                return;
            }
            self.words.pop_front();
            // A wait that is over stays known until the script does something that shows.
            if sends.contains(&name) {
                self.wait = Wait::Nothing;
            }
            flushed = name == "flush";
            self.word(name, &numbers);
        }
    }

    /// Runs what the script did well before `at_ms` without a datagram to show for it; how many ours makes of it.
    fn run_overdue_script(&mut self, at_ms: u64) -> usize {
        const MOST_LATE_MS: u64 = 10;
        let mut sent = 0;
        while let Wait::Until(end) = self.wait
            && end + MOST_LATE_MS < at_ms
            && !self.words.is_empty()
        {
            self.now_ms = self.now_ms.max(end);
            self.catch_up();
            self.run_script_from(end, true);
            while self.transmit().is_some() {
                sent += 1;
            }
            self.take_events();
        }
        sent
    }

    fn wait_is_over(&self) -> bool {
        self.wait_is_over_at(self.now_ms)
    }

    fn wait_is_over_at(&self, now_ms: u64) -> bool {
        match self.wait {
            Wait::Nothing => true,
            Wait::Until(end) => now_ms >= end,
            Wait::Connected(limit) => self.connected || now_ms >= limit,
            Wait::Gone(limit) => self.gone || now_ms >= limit,
            Wait::Received(count, limit) => self.received >= count || now_ms >= limit,
        }
    }

    fn word(&mut self, name: &str, numbers: &[u64]) {
        let (now, from_ms) = (self.now(), self.script_ms);
        let host = &mut self.host;
        match (name, numbers) {
            ("connect", &[channels, data]) => {
                let peer = host.connect(now, self.remote, narrow(channels), narrow(data));
                self.peer = Some(peer.expect("there is room"));
            }
            ("waitconn", &[limit]) => self.wait = Wait::Connected(from_ms + limit),
            ("waitgone", &[limit]) => self.wait = Wait::Gone(from_ms + limit),
            ("waitrecv", &[count, limit]) => {
                self.wait = Wait::Received(narrow(count), from_ms + limit);
            }
            ("pump" | "sleep", &[duration]) => self.wait = Wait::Until(from_ms + duration),
            ("clearflags", []) => {
                (self.connected, self.gone, self.received) = (false, false, 0);
                self.wait = Wait::Nothing;
            }
            ("bwlimit", &[incoming, outgoing]) => {
                host.set_bandwidth(narrow(incoming), narrow(outgoing));
            }
            ("bcast", &[channel, flags, length, seed]) => {
                host.broadcast(narrow(channel), flags_of(flags), &payload(length, seed));
            }
            _ => self.peer_word(name, numbers),
        }
    }

    fn peer_word(&mut self, name: &str, numbers: &[u64]) {
        let settings = [
            "clock", "host", "seed", "mtu", "checksum", "stats", "flush", "unrelseq",
        ];
        if settings.contains(&name) {
            return;
        }
        let (host, peer) = (&mut self.host, self.peer.expect("connected before"));
        match (name, numbers) {
            ("send", &[channel, flags, length, seed]) => {
                let packet = payload(length, seed);
                host.send(peer, narrow(channel), flags_of(flags), packet)
                    .expect("connected");
            }
            ("ping", []) => host.ping(peer),
            ("pinginterval", &[millis]) => {
                host.set_ping_interval(peer, Duration::from_millis(millis));
            }
            ("timeout", &[limit, minimum, maximum]) => {
                let timeouts = Timeouts {
                    limit: narrow(limit),
                    minimum: Duration::from_millis(minimum),
                    maximum: Duration::from_millis(maximum),
                };
                host.set_timeouts(peer, timeouts);
            }
            ("throttle", &[interval, acceleration, deceleration]) => host.configure_throttle(
                peer,
                Duration::from_millis(interval),
                narrow(acceleration),
                narrow(deceleration),
            ),
            ("disconnect", &[data]) => host.disconnect(peer, narrow(data)),
            ("disconnect_now", &[data]) => host.disconnect_now(peer, narrow(data)),
            ("disconnect_later", &[data]) => host.disconnect_later(peer, narrow(data)),
            _ => panic!("unknown word {name} {numbers:?}"),
        }
    }

    /// Whether a recorded datagram of our side has a command that the script, and no timer, has caused.
    fn starts_something(&mut self, bytes: &[u8]) -> bool {
        let pings = self.words.iter().any(|word| word == "ping");
        let mut new = false;
        for command in parse(bytes, self.checksum).commands {
            let number = match command.kind {
                2 | 3 => u32::from(raw::be16(&command.bytes, 40)),
                7 | 9 | 12 => u32::from(raw::be16(&command.bytes, 4)),
                _ => 0,
            };
            let key = (command.kind, command.channel, command.sequence, number);
            if matches!(command.kind, 2 | 3) && !self.commands_of_script.contains(&key) {
                // Another connection, which counts from 1 again.
                self.commands_of_script.clear();
            }
            let by_timer = matches!(command.kind, 1 | 3 | 10) || command.kind == 5 && !pings;
            new |= self.commands_of_script.insert(key) && !by_timer;
        }
        new
    }

    /// A recorded datagram of the remote as it would be if our connect id had been recorded.
    fn as_ours(&self, bytes: &[u8]) -> Vec<u8> {
        match self.role {
            Role::Server => bytes.to_vec(),
            Role::Client => self.with_connect_id(bytes, self.connect_ids.1),
        }
    }

    /// Our datagram as it would be with the connect id of the recording.
    fn as_recorded(&mut self, recorded: &[u8], bytes: &[u8]) -> Vec<u8> {
        if self.role == Role::Server {
            return bytes.to_vec();
        }
        for command in parse(recorded, self.checksum).commands {
            if command.kind == 2 {
                self.connect_ids.0.copy_from_slice(&command.bytes[40..44]);
            }
        }
        let ours = self.with_connect_id(bytes, self.connect_ids.1);
        assert_eq!(ours, bytes, "our checksum is wrong");
        self.with_connect_id(bytes, self.connect_ids.0)
    }

    fn with_connect_id(&self, bytes: &[u8], connect_id: [u8; 4]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let header = parse(&bytes, self.checksum);
        let mut at = header_length(&header);
        for command in &header.commands {
            if matches!(command.kind, 2 | 3) {
                bytes[at + 40..at + 44].copy_from_slice(&connect_id);
            }
            at += command.bytes.len();
        }
        if header.checksum.is_some() {
            let at = header_length(&header) - 4;
            let seed = if header.peer_id == 0x0fff {
                [0; 4]
            } else {
                connect_id
            };
            bytes[at..at + 4].copy_from_slice(&seed);
            let checksum = crc32(&bytes);
            bytes[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
        }
        bytes
    }
}

/// Takes out of `unread` what our side had read when it sent `datagram`.
///
/// That is everything up to the last datagram that it acknowledges, and after that what asks for no acknowledgement.
fn take_read(
    unread: &mut VecDeque<(usize, Item)>,
    datagram: &[u8],
    checksum: bool,
) -> Vec<(usize, Item)> {
    let sent = parse(datagram, checksum).commands;
    let acknowledges = |item: &Item| {
        let asked = parse(&item.bytes, checksum).commands.into_iter();
        let mut asked = asked.filter(|command| command.flags & 0x80 != 0);
        asked.any(|asked| {
            let mut answers = sent.iter().filter(|command| command.kind == 1);
            answers
                .any(|answer| (answer.channel, answer.sequence) == (asked.channel, asked.sequence))
        })
    };
    let last = unread.iter().rposition(|(_, item)| acknowledges(item));
    let read = last.map_or(0, |last| last + 1);
    let more = unread
        .iter()
        .skip(read)
        .take_while(|(_, item)| !asks(item, checksum))
        .count();
    unread.drain(..read + more).collect()
}

/// Whether a datagram of the remote asks for an acknowledgement; CONNECT gets none.
fn asks(item: &Item, checksum: bool) -> bool {
    let commands = parse(&item.bytes, checksum).commands;
    commands
        .iter()
        .any(|command| command.flags & 0x80 != 0 && command.kind != 2)
}

const fn header_length(header: &Parsed) -> usize {
    2 + 2 * header.sent_time.is_some() as usize + 4 * header.checksum.is_some() as usize
}

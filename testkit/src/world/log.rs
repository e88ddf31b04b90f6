//! What happened in a [`World`](super::World), as a number and as the last lines.

use super::packet::{Body, Packet, SendError};
use super::table::Blocked;
use alloc::rc::Rc;
use core::fmt;
use core::net::SocketAddr;
use proto_core::Instant;

/// How many entries are kept to be shown.
const KEPT: usize = 50;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Happening {
    /// A box did not let it through.
    Blocked(Blocked),
    /// A host received it.
    Delivered,
    /// A machine gave an event; the addresses say nothing.
    Event,
    /// The host was not running, or its buffer was full.
    HostDown,
    /// A link lost it.
    Lost,
    /// A machine could not send it, or heard that it did not arrive.
    SendError(SendError),
    /// A machine sent it.
    Sent,
    /// It came to an address where nobody is.
    Stray,
    /// The test changed something; the name says where.
    Changed,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// The name of the host or box.
    pub place: Rc<str>,
    /// What.
    pub what: Happening,
    /// The source that the datagram showed there.
    pub from: SocketAddr,
    /// Where it was going.
    pub to: SocketAddr,
    /// Its length in bytes.
    pub bytes: usize,
    /// A digest of its bytes.
    pub digest: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            place,
            what,
            from,
            to,
            bytes,
            digest,
        } = self;
        match what {
            Happening::Event | Happening::Changed => {
                write!(f, "{at} {place}: {what:?} {digest:016x}")
            }
            _ => write!(
                f,
                "{at} {place}: {what:?} {from} > {to} {bytes} bytes {digest:016x}"
            ),
        }
    }
}

/// The digest of a run so far, and its last entries.
#[derive(Clone, Debug)]
pub struct Log {
    digest: u64,
    count: u64,
    last: Vec<Entry>,
    next: usize,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Self {
            digest: 0xcbf2_9ce4_8422_2325,
            count: 0,
            last: Vec::new(),
            next: 0,
        }
    }

    /// A number that two runs share if, and only if but for a chance of 1 in 2⁶⁴, the same happened in both.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many entries there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last entries, oldest first; at most 50.
    pub fn last(&self) -> impl Iterator<Item = &Entry> {
        let (newer, older) = self.last.split_at(self.next);
        older.iter().chain(newer)
    }

    pub(crate) fn packet(
        &mut self,
        at: Instant,
        place: &Rc<str>,
        what: Happening,
        packet: &Packet,
    ) {
        let digest = match &packet.body {
            Body::Udp(bytes) => digest(bytes),
            Body::Error { error, .. } => digest(format!("{error:?}").as_bytes()),
        };
        self.add(Entry {
            at,
            place: Rc::clone(place),
            what,
            from: packet.from,
            to: packet.to,
            bytes: packet.body.len(),
            digest,
        });
    }

    pub(crate) fn note(&mut self, at: Instant, place: &Rc<str>, what: Happening, text: &str) {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        self.add(Entry {
            at,
            place: Rc::clone(place),
            what,
            from: nowhere,
            to: nowhere,
            bytes: text.len(),
            digest: digest(text.as_bytes()),
        });
    }

    fn add(&mut self, entry: Entry) {
        let mut mix = Mix(self.digest);
        mix.number(entry.at.as_micros());
        mix.number(digest(entry.place.as_bytes()));
        mix.number(digest(format!("{:?}", entry.what).as_bytes()));
        mix.address(entry.from);
        mix.address(entry.to);
        mix.number(entry.digest);
        self.digest = mix.0;
        self.count += 1;
        if self.last.len() < KEPT {
            self.last.push(entry);
            return;
        }
        if let Some(slot) = self.last.get_mut(self.next) {
            *slot = entry;
        }
        self.next = (self.next + 1) % KEPT;
    }
}

/// A digest that is the same on every machine and in every run, unlike the standard library's.
struct Mix(u64);

impl Mix {
    const fn number(&mut self, number: u64) {
        let mut z = self.0 ^ number;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = z ^ (z >> 31);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            core::net::IpAddr::V4(ip) => self.number(u64::from(ip.to_bits())),
            core::net::IpAddr::V6(ip) => {
                for half in ip.to_bits().to_be_bytes().chunks(8) {
                    self.bytes(half);
                }
            }
        }
        self.number(u64::from(address.port()));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(eight));
        }
        self.number(bytes.len() as u64);
    }
}

pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut mix = Mix(0x6765_7774_7769_7265);
    mix.bytes(bytes);
    mix.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(notes: &[&str]) -> Log {
        let mut log = Log::new();
        for (i, note) in notes.iter().enumerate() {
            let at = Instant::from_millis(i as u64);
            log.note(at, &Rc::from("here"), Happening::Event, note);
        }
        log
    }

    #[test]
    fn the_digest_depends_on_what_happened_and_on_its_order() {
        assert_eq!(log(&["a", "b"]).digest(), log(&["a", "b"]).digest());
        assert_ne!(log(&["a", "b"]).digest(), log(&["b", "a"]).digest());
        assert_ne!(log(&["ab", ""]).digest(), log(&["a", "b"]).digest());
    }

    #[test]
    fn the_last_fifty_are_kept_in_order() {
        let notes: Vec<_> = (0..120).map(|i| i.to_string()).collect();
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        let log = log(&notes);
        let times: Vec<_> = log.last().map(|entry| entry.at.as_millis()).collect();
        assert_eq!(times, (70..120).collect::<Vec<_>>());
        assert_eq!(log.count(), 120);
    }
}

//! Remotes that asked to connect and have not proven their address: [`HalfOpenTable`].

use crate::RequestGone;
use crate::key::RequestKey;
use crate::wire::VerifyConnect;
use alloc::collections::{BTreeMap, VecDeque};
use core::net::SocketAddr;
use proto_core::Instant;

/// Attempts of VERIFY_CONNECT whose echo is accepted, last ones first.
pub(super) const ATTEMPTS: usize = 8;

/// A VERIFY_CONNECT that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) at: Instant,
    /// The sent time that its datagram gave, for the remote to echo.
    pub(super) echo: u16,
}

/// A remote that asked to connect.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) serial: u32,
    pub(super) address: SocketAddr,
    /// What the remote sent.
    pub(super) offer: VerifyConnect,
    pub(super) data: u32,
    /// Number of its CONNECT.
    pub(super) sequence: u16,
    /// Whether it met a challenge: then it gives way only to others who did.
    pub(super) proven: bool,
    /// Session of datagrams to us, and from us.
    pub(super) sessions: (u8, u8),
    pub(super) granted: bool,
    /// Bytes that it sent and that were not answered; no answer is longer.
    pub(super) credit: usize,
    /// The last one first.
    pub(super) sent: [Option<Attempt>; ATTEMPTS],
    /// When it is forgotten, and the latest time to which that may be put off.
    pub(super) expires: Instant,
    pub(super) expires_at_last: Instant,
    /// Whether a VERIFY_CONNECT waits to be sent.
    pub(super) is_queued: bool,
    /// The last PING that came too early, by number and sent time: it is acknowledged when the remote is in.
    pub(super) ping: Option<(u16, u16)>,
}

/// All remotes that asked to connect, oldest first.
#[derive(Debug, Default)]
pub(super) struct HalfOpenTable {
    entries: BTreeMap<u16, HalfOpen>,
    unproven: Ages,
    proven: Ages,
    serial: u32,
}

/// Entries in order of arrival: when each expires, its number and serial; one that is gone leaves when it comes to the
/// front.
#[derive(Debug, Default)]
struct Ages(VecDeque<(Instant, u16, u32)>);

impl Ages {
    /// The number of the oldest one, if it expires by `now`.
    fn oldest(&mut self, now: Instant, entries: &BTreeMap<u16, HalfOpen>) -> Option<u16> {
        while let Some(&(expires, id, serial)) = self.0.front() {
            let entry = entries.get(&id);
            let put_off = match entry.filter(|entry| entry.serial == serial) {
                Some(entry) if entry.expires > expires => Some(entry.expires),
                Some(_) => return (expires <= now).then_some(id),
                None => None,
            };
            self.0.pop_front();
            if let Some(expires) = put_off {
                self.0.push_back((expires, id, serial));
            }
        }
        None
    }

    fn clean(&mut self, entries: &BTreeMap<u16, HalfOpen>) {
        while let Some(&(_, id, serial)) = self.0.front()
            && entries.get(&id).is_none_or(|entry| entry.serial != serial)
        {
            self.0.pop_front();
        }
    }
}

impl HalfOpenTable {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: u16) -> Option<&HalfOpen> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut HalfOpen> {
        self.entries.get_mut(&id)
    }

    /// The serial of the next entry.
    pub(super) const fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    pub(super) fn insert(&mut self, id: u16, entry: HalfOpen) {
        let ages = if entry.proven {
            &mut self.proven
        } else {
            &mut self.unproven
        };
        ages.0.push_back((entry.expires, id, entry.serial));
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: u16) -> Option<HalfOpen> {
        let entry = self.entries.remove(&id)?;
        self.unproven.clean(&self.entries);
        self.proven.clean(&self.entries);
        Some(entry)
    }

    /// When the oldest one expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let fronts = [self.unproven.0.front(), self.proven.0.front()];
        fronts.into_iter().flatten().map(|&(at, ..)| at).min()
    }

    /// The number of one that expires by `now`.
    pub(super) fn expired(&mut self, now: Instant) -> Option<u16> {
        let id = self.unproven.oldest(now, &self.entries);
        id.or_else(|| self.proven.oldest(now, &self.entries))
    }

    /// The number of the one that gives way: the oldest that has proven nothing, or else the oldest.
    pub(super) fn weakest(&mut self) -> Option<u16> {
        self.expired(Instant::MAX)
    }

    /// The entry of a request that was not answered yet.
    pub(super) fn find(&mut self, request: RequestKey) -> Result<&mut HalfOpen, RequestGone> {
        match self.entries.get_mut(&request.wire_id) {
            Some(entry) if entry.serial == request.serial && !entry.granted => Ok(entry),
            _ => Err(RequestGone),
        }
    }
}

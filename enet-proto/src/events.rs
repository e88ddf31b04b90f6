//! Events that the application has not taken: [`EventQueue`].

use crate::ring::Ring;
use crate::{Event, Limits, PacketFlags, PeerKey};
use bytes::Bytes;

/// A queue of events with a bound on those that remotes can make.
#[derive(Debug)]
pub(crate) struct EventQueue {
    events: Ring<Event>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl EventQueue {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            events: Ring::new(),
            bytes: 0,
            most: limits.events,
            most_bytes: limits.event_bytes,
        }
    }

    /// Whether packets must be refused until the application takes some.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= self.most || self.bytes >= self.most_bytes
    }

    /// The most frequent event. Inlined, so that the event is not put together elsewhere first.
    #[inline(always)]
    pub(crate) fn push_packet(
        &mut self,
        (peer, channel): (PeerKey, u8),
        flags: PacketFlags,
        payload: Bytes,
    ) {
        self.bytes += payload.len();
        self.events.push_back(Event::Received {
            peer,
            channel,
            flags,
            payload,
        });
    }

    pub(crate) fn push(&mut self, event: Event) {
        if let Event::Received { payload, .. } = &event {
            self.bytes += payload.len();
        }
        self.events.push_back(event);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Received { payload, .. } = &event {
            self.bytes -= payload.len();
        }
        Some(event)
    }
}

//! Events that the application has not taken: [`EventQueue`].

use crate::{Event, Limits};
use alloc::collections::VecDeque;

/// A queue of events with a bound on those that remotes can make.
#[derive(Debug)]
pub(crate) struct EventQueue {
    events: VecDeque<Event>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl EventQueue {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            events: VecDeque::new(),
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

    #[inline]
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
        if self.events.is_empty() {
            // The next one goes into memory that is still in the cache.
            self.events.clear();
        }
        Some(event)
    }
}

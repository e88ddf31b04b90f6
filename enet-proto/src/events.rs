//! Events that the application has not taken: [`EventQueue`].

use crate::{Event, Limits};
use alloc::collections::VecDeque;

/// A queue of events with a bound on those that remotes can make.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    events: VecDeque<Event>,
    bytes: usize,
}

impl EventQueue {
    /// Whether packets must be refused until the application takes some.
    #[inline]
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.events.len() >= limits.events || self.bytes >= limits.event_bytes
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
        Some(event)
    }
}

//! Buffers that the sockets of a thread use in turn: [`Scratch`].

use super::outbox::Outbox;
use super::receive::Inbox;
use core::cell::Cell;

/// Room for the datagrams of one system call in each direction. It holds nothing between two calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    inbox: Option<Inbox>,
    outbox: Option<Outbox>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Lends the buffers of this thread to `work`; new ones if `work` runs inside of another.
pub(super) fn lend<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    let result = work(&mut scratch);
    SCRATCH.set(Some(scratch));
    result
}

impl Scratch {
    /// Buffers for a system that puts up to `gro_segments` datagrams into one.
    pub(super) fn inbox(&mut self, gro_segments: usize) -> &mut Inbox {
        let fits = self.inbox.as_ref();
        if !fits.is_some_and(|inbox| inbox.fits(gro_segments)) {
            self.inbox = None;
        }
        self.inbox.get_or_insert_with(|| Inbox::new(gro_segments))
    }

    /// An outbox in which nothing is.
    pub(super) fn outbox(&mut self) -> &mut Outbox {
        let outbox = self.outbox.get_or_insert_with(Outbox::new);
        outbox.clear();
        outbox
    }
}

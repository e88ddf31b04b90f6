//! Which of many sockets may have something: [`Ready`].
//!
//! A task that waits for a thousand sockets is told only that one of them is ready. Here each socket has a waker of its
//! own, which notes the socket's number before it wakes the task.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of sockets that were woken, each once.
#[derive(Debug, Default)]
pub(super) struct Ready(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    woken: Vec<usize>,
    is_woken: Vec<bool>,
    task: Option<Waker>,
}

impl Ready {
    /// The waker of socket `index`.
    pub(super) fn waker(&self, index: usize) -> Waker {
        let shared = Arc::clone(&self.0);
        Waker::from(Arc::new(Entry { shared, index }))
    }

    /// Wakes `task` when a socket is noted, once: a wake may cost a system call.
    pub(super) fn register(&self, task: &Waker) {
        let mut shared = lock(&self.0);
        match &mut shared.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Notes a socket.
    pub(super) fn note(&self, index: usize) {
        if let Some(task) = lock(&self.0).note(index) {
            task.wake();
        }
    }

    /// Moves the numbers that were noted to the end of `into`.
    pub(super) fn take(&self, into: &mut Vec<usize>) {
        let mut shared = lock(&self.0);
        let Shared {
            woken, is_woken, ..
        } = &mut *shared;
        for &index in &*woken {
            is_woken[index] = false;
        }
        into.append(woken);
    }
}

impl Shared {
    /// Notes a socket; gives the task to wake if it was not woken since it registered.
    fn note(&mut self, index: usize) -> Option<Waker> {
        if self.is_woken.len() <= index {
            self.is_woken.resize(index + 1, false);
        }
        if core::mem::replace(&mut self.is_woken[index], true) {
            return None;
        }
        self.woken.push(index);
        self.task.take()
    }
}

struct Entry {
    shared: Arc<Mutex<Shared>>,
    index: usize,
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let task = lock(&self.shared).note(self.index);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A panic elsewhere leaves the list as good as it was.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_socket_that_is_woken_twice_is_noted_once_until_it_is_taken() {
        let ready = Ready::default();
        let count = Arc::new(Count::default());
        ready.register(&Waker::from(Arc::clone(&count)));
        let mut taken = Vec::new();

        ready.waker(3).wake();
        ready.waker(3).wake_by_ref();
        ready.note(1);
        ready.take(&mut taken);
        assert_eq!(taken, [3, 1]);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);

        ready.register(&Waker::from(Arc::clone(&count)));
        ready.waker(3).wake();
        taken.clear();
        ready.take(&mut taken);
        assert_eq!(taken, [3]);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}

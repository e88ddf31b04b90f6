//! Receiving: [`Inbox`], buffers for one system call that returns many datagrams.

use super::canonical;
use core::net::{IpAddr, SocketAddr};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};

/// Buffers that one call fills; with GRO each may hold a train of datagrams.
const SLOTS: usize = if quinn_udp::BATCH_SIZE < 32 {
    quinn_udp::BATCH_SIZE
} else {
    32
};
/// The longest datagram of ENet, and one byte to notice a longer one.
const DATAGRAM_BYTES: usize = 4097;
/// The longest train that any kernel returns.
const TRAIN_BYTES: usize = 65_535;

/// Buffers of 2 MiB with GRO and 128 KiB without; pages that no train reaches are never touched.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Box<[u8]>,
    slot_bytes: usize,
}

/// What one system call brought.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drive) struct Received {
    /// How many datagrams.
    pub(in crate::drive) count: usize,
    /// Whether the socket had less than it was asked for, so that it is empty now.
    pub(in crate::drive) is_drained: bool,
}

impl Received {
    /// The socket was empty.
    #[cfg(feature = "tokio")]
    pub(in crate::drive) const NOTHING: Self = Self {
        count: 0,
        is_drained: true,
    };
    /// No datagram, but word about one that was sent.
    pub(super) const NOTICE: Self = Self {
        count: 0,
        is_drained: false,
    };
}

impl Inbox {
    /// Buffers for a system that puts up to `gro_segments` datagrams into one.
    pub(super) fn new(gro_segments: usize) -> Self {
        let slot_bytes = slot_bytes(gro_segments);
        Self {
            buffer: vec![0; slot_bytes * SLOTS].into_boxed_slice(),
            slot_bytes,
        }
    }

    /// Whether it is what `new` would make.
    pub(super) const fn fits(&self, gro_segments: usize) -> bool {
        self.slot_bytes == slot_bytes(gro_segments)
    }

    /// One system call; hands each train to `each`: who sent it, to which of our addresses, and its datagrams.
    pub(super) fn receive(
        &mut self,
        state: &UdpSocketState,
        socket: UdpSockRef<'_>,
        mut each: impl FnMut(SocketAddr, Option<IpAddr>, &mut dyn Iterator<Item = &[u8]>),
    ) -> io::Result<Received> {
        let mut metas = [RecvMeta::default(); SLOTS];
        let mut slots = self.buffer.chunks_exact_mut(self.slot_bytes);
        let mut slices: [IoSliceMut<'_>; SLOTS] =
            core::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        let filled = state.recv(socket, &mut slices, &mut metas)?;
        let mut count = 0;
        for (meta, slot) in metas.iter().zip(&slices).take(filled) {
            let train = slot.get(..meta.len).unwrap_or_default();
            let mut datagrams = train.chunks(meta.stride.max(1)).inspect(|_| count += 1);
            each(canonical(meta.addr), meta.dst_ip, &mut datagrams);
        }
        Ok(Received {
            count,
            is_drained: filled < SLOTS,
        })
    }
}

const fn slot_bytes(gro_segments: usize) -> usize {
    if gro_segments > 1 {
        TRAIN_BYTES
    } else {
        DATAGRAM_BYTES
    }
}

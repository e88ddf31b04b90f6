//! Receiving: [`Inbox`], buffers for one system call that returns many datagrams.

use super::canonical;
use core::net::SocketAddr;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};

/// Buffers that one call fills; with GRO each may hold a train of datagrams.
pub(super) const SLOTS: usize = if quinn_udp::BATCH_SIZE < 16 {
    quinn_udp::BATCH_SIZE
} else {
    16
};
/// The longest datagram of ENet, and one byte to notice a longer one.
const DATAGRAM_BYTES: usize = 4097;
/// The longest train that any kernel returns.
const TRAIN_BYTES: usize = 65_535;

/// Buffers of 1 MiB with GRO and 64 KiB without; pages that no train reaches are never touched.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Box<[u8]>,
    slot_bytes: usize,
}

impl Inbox {
    /// Buffers for a system that puts up to `gro_segments` datagrams into one.
    pub(super) fn new(gro_segments: usize) -> Self {
        let slot_bytes = if gro_segments > 1 {
            TRAIN_BYTES
        } else {
            DATAGRAM_BYTES
        };
        Self {
            buffer: vec![0; slot_bytes * SLOTS].into_boxed_slice(),
            slot_bytes,
        }
    }

    /// One system call; hands each datagram to `each` and returns how many there were.
    pub(super) fn receive(
        &mut self,
        state: &UdpSocketState,
        socket: UdpSockRef<'_>,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); SLOTS];
        let mut slots = self.buffer.chunks_exact_mut(self.slot_bytes);
        let mut slices: [IoSliceMut<'_>; SLOTS] =
            core::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        let filled = state.recv(socket, &mut slices, &mut metas)?;
        let mut count = 0;
        for (meta, slot) in metas.iter().zip(&slices).take(filled) {
            let train = slot.get(..meta.len).unwrap_or_default();
            for datagram in train.chunks(meta.stride.max(1)) {
                each(canonical(meta.addr), datagram);
                count += 1;
            }
        }
        Ok(count)
    }
}

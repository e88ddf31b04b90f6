//! Sending: [`Outbox`] gathers datagrams that one system call can send.

use core::net::SocketAddr;
use core::ops::Range;
use proto_core::Transmit;

/// Room for datagrams that wait to be sent together.
const BUFFER_BYTES: usize = 128 * 1024;
/// The longest train: what an IP packet may carry behind its own and UDP's header.
const TRAIN_BYTES: usize = 65_535 - 40 - 8;

/// Datagrams to one address, all of one size but for a shorter last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Where they go.
    pub(super) destination: SocketAddr,
    bytes: Range<usize>,
    segment: usize,
}

impl Batch {
    fn single(transmit: Transmit, offset: usize) -> Self {
        Self {
            destination: transmit.destination,
            segment: transmit.bytes.len(),
            bytes: transmit.bytes.start + offset..transmit.bytes.end + offset,
        }
    }

    /// The size of one datagram if there are several.
    pub(super) fn segment_bytes(&self) -> Option<usize> {
        (self.bytes.len() > self.segment).then_some(self.segment)
    }

    fn takes_more(&self, segments: usize) -> bool {
        self.segment > 0
            && self.bytes.len().is_multiple_of(self.segment)
            && self.bytes.len() / self.segment < segments
            && self.bytes.len() + self.segment <= TRAIN_BYTES
    }

    /// Appends `next` if it lies right behind and fits in; gives it back if not.
    fn append(&mut self, next: Self) -> Option<Self> {
        let fits = next.destination == self.destination
            && next.bytes.start == self.bytes.end
            && (1..=self.segment).contains(&next.segment);
        if !fits {
            return Some(next);
        }
        self.bytes.end = next.bytes.end;
        None
    }
}

/// Datagrams on their way to the socket.
///
/// A batch stays until it is dropped, so an interrupted driver loses nothing; behind it at most one datagram waits
/// that did not fit in.
#[derive(Debug)]
pub(super) struct Outbox {
    buffer: Box<[u8]>,
    datagram_bytes: usize,
    batch: Option<Batch>,
    behind: Option<Batch>,
    /// Set when the system refused to cut the batch itself: it then leaves one datagram at a time.
    is_split: bool,
}

impl Outbox {
    /// An outbox for datagrams of up to `datagram_bytes`.
    pub(super) fn new(datagram_bytes: usize) -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES + datagram_bytes].into_boxed_slice(),
            datagram_bytes,
            batch: None,
            behind: None,
            is_split: false,
        }
    }

    /// The batch to send now: the one that was not dropped yet, or a new one of up to `segments` datagrams from `poll`.
    pub(super) fn fill(
        &mut self,
        segments: usize,
        mut poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) -> Option<Batch> {
        if let Some(batch) = &self.batch {
            return Some(self.head(batch));
        }
        let mut batch = match self.behind.take() {
            Some(behind) => self.move_to_front(behind),
            None => Batch::single(poll(&mut self.buffer)?, 0),
        };
        while batch.takes_more(segments)
            && batch.bytes.end + self.datagram_bytes <= self.buffer.len()
        {
            let Some(transmit) = poll(&mut self.buffer[batch.bytes.end..]) else {
                break;
            };
            self.behind = batch.append(Batch::single(transmit, batch.bytes.end));
            if self.behind.is_some() {
                break;
            }
        }
        self.batch = Some(batch.clone());
        Some(batch)
    }

    /// The bytes of `batch`.
    pub(super) fn bytes(&self, batch: &Batch) -> &[u8] {
        &self.buffer[batch.bytes.clone()]
    }

    /// Forgets what the last [`Outbox::fill`] returned: it was sent, or is lost.
    pub(super) fn drop_batch(&mut self) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let rest = batch.bytes.start + batch.segment..batch.bytes.end;
        if self.is_split && !rest.is_empty() {
            self.batch = Some(Batch {
                bytes: rest,
                ..batch
            });
        } else {
            self.is_split = false;
        }
    }

    /// Forgets all that waits.
    #[cfg(feature = "tokio")]
    pub(super) fn discard(&mut self) {
        self.batch = None;
        self.behind = None;
        self.is_split = false;
    }

    /// Lets the current batch leave one datagram at a time.
    pub(super) fn split_batch(&mut self) {
        self.is_split = true;
    }

    fn head(&self, batch: &Batch) -> Batch {
        let mut head = batch.clone();
        if self.is_split {
            head.bytes.end = head.bytes.end.min(head.bytes.start + head.segment);
        }
        head
    }

    /// Moves one datagram to the start of the buffer, so that others have room behind it.
    fn move_to_front(&mut self, batch: Batch) -> Batch {
        let length = batch.bytes.len();
        self.buffer.copy_within(batch.bytes, 0);
        Batch {
            bytes: 0..length,
            ..batch
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A source of datagrams `(port, length)`, each filled with its index.
    fn source(list: &[(u16, usize)]) -> impl FnMut(&mut [u8]) -> Option<Transmit> {
        let mut list = list.iter().copied().enumerate();
        move |buffer| {
            let (index, (port, length)) = list.next()?;
            buffer[..length].fill(u8::try_from(index).unwrap());
            Some(Transmit {
                source: None,
                destination: address(port),
                bytes: 0..length,
            })
        }
    }

    /// Everything that leaves: destination, length and segment size of each batch.
    fn drain(outbox: &mut Outbox, list: &[(u16, usize)]) -> Vec<(u16, usize, Option<usize>)> {
        let mut poll = source(list);
        let mut sent = Vec::new();
        while let Some(batch) = outbox.fill(4, &mut poll) {
            sent.push((
                batch.destination.port(),
                outbox.bytes(&batch).len(),
                batch.segment_bytes(),
            ));
            outbox.drop_batch();
        }
        sent
    }

    #[test]
    fn equal_datagrams_to_one_address_form_a_batch_that_a_shorter_one_ends() {
        let mut outbox = Outbox::new(4100);
        let sent = drain(&mut outbox, &[(1, 50), (1, 50), (1, 20), (1, 50), (2, 50)]);
        assert_eq!(sent, [(1, 120, Some(50)), (1, 50, None), (2, 50, None)]);
    }

    #[test]
    fn a_longer_datagram_starts_a_new_batch_and_no_batch_exceeds_the_segments() {
        let mut outbox = Outbox::new(4100);
        let sent = drain(
            &mut outbox,
            &[(1, 5), (1, 9), (1, 9), (1, 9), (1, 9), (1, 9)],
        );
        assert_eq!(sent, [(1, 5, None), (1, 36, Some(9)), (1, 9, None)]);
    }

    #[test]
    fn a_batch_that_was_not_sent_is_offered_again() {
        let mut outbox = Outbox::new(4100);
        let mut poll = source(&[(1, 8), (2, 8)]);
        let first = outbox.fill(4, &mut poll).unwrap();
        assert_eq!(outbox.fill(4, &mut poll), Some(first));
        outbox.drop_batch();
        assert_eq!(outbox.fill(4, &mut poll).unwrap().destination, address(2));
    }

    #[test]
    fn a_split_batch_leaves_one_datagram_at_a_time_with_its_bytes() {
        let mut outbox = Outbox::new(4100);
        let mut poll = source(&[(1, 8), (1, 8), (1, 3), (1, 8)]);
        let whole = outbox.fill(4, &mut poll).unwrap();
        assert_eq!(whole.segment_bytes(), Some(8));
        outbox.split_batch();
        let mut sent = Vec::new();
        while let Some(batch) = outbox.fill(4, &mut poll) {
            assert_eq!(batch.segment_bytes(), None);
            sent.push(outbox.bytes(&batch).to_vec());
            outbox.drop_batch();
        }
        assert_eq!(sent, [vec![0; 8], vec![1; 8], vec![2; 3], vec![3; 8]]);
    }
}

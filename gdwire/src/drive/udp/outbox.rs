//! Sending: [`Outbox`] gathers datagrams that one system call can send.

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use proto_core::Transmit;

/// The longest datagram that a machine writes.
pub(in crate::drive) const DATAGRAM_BYTES: usize = 4096;
/// Room for datagrams that leave together.
const BUFFER_BYTES: usize = 256 * 1024;
/// The longest train: what an IP packet may carry behind its own and UDP's header.
const TRAIN_BYTES: usize = 65_535 - 40 - 8;
/// Trains that one system call sends at most.
pub(super) const GROUP: usize = 64;

/// Datagrams to one address, all of one size but for a shorter last one: what GSO sends as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Train {
    /// Where it goes.
    pub(super) destination: SocketAddr,
    /// The local address that it leaves from; the system chooses if there is none.
    pub(super) source: Option<IpAddr>,
    bytes: Range<usize>,
    segment: usize,
}

impl Train {
    /// The size of one datagram if there are several.
    fn segment_bytes(&self) -> Option<usize> {
        (self.bytes.len() > self.segment).then_some(self.segment)
    }

    fn takes(&self, next: &Self, segments: usize) -> bool {
        next.destination == self.destination
            && next.bytes.start == self.bytes.end
            && (1..=self.segment).contains(&next.segment)
            && self.bytes.len().is_multiple_of(self.segment)
            && self.bytes.len() / self.segment < segments
            && self.bytes.len() + next.segment <= TRAIN_BYTES
    }
}

/// Trains that one system call can send: they leave from one address and have datagrams of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    /// At least one, at most [`GROUP`].
    pub(super) trains: &'a [Train],
    buffer: &'a [u8],
}

impl<'a> Group<'a> {
    /// The bytes of `train`.
    pub(super) fn bytes(&self, train: &Train) -> &'a [u8] {
        self.buffer.get(train.bytes.clone()).unwrap_or_default()
    }

    /// The size of one datagram if the trains have several.
    pub(super) fn segment_bytes(&self) -> Option<usize> {
        self.trains.first()?.segment_bytes()
    }

    /// The local address that they leave from.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.trains.first()?.source
    }
}

/// Datagrams on their way to the socket, oldest first.
#[derive(Debug)]
pub(super) struct Outbox {
    buffer: Box<[u8]>,
    trains: Vec<Train>,
    /// How many of the trains are done with.
    done: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            trains: Vec::new(),
            done: 0,
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.trains.clear();
        self.done = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.done == self.trains.len()
    }

    /// Takes what `poll` gives, in an outbox where nothing is left, as far as there is room for; trains have up to
    /// `segments` datagrams. `home` tells from which address to send to a remote.
    pub(super) fn fill(
        &mut self,
        segments: usize,
        home: impl Fn(SocketAddr) -> Option<IpAddr>,
        mut poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) {
        self.clear();
        let mut end = 0;
        while self.trains.len() < GROUP && end + DATAGRAM_BYTES <= self.buffer.len() {
            let Some(transmit) = poll(&mut self.buffer[end..]) else {
                return;
            };
            let next = Train {
                destination: transmit.destination,
                source: None,
                segment: transmit.bytes.len(),
                bytes: transmit.bytes.start + end..transmit.bytes.end + end,
            };
            end = next.bytes.end;
            match self.trains.last_mut() {
                Some(last) if last.takes(&next, segments) => last.bytes.end = end,
                _ => self.trains.push(Train {
                    source: home(next.destination),
                    ..next
                }),
            }
        }
    }

    /// What to send now: the trains in front that one call can send.
    pub(super) fn group(&self) -> Option<Group<'_>> {
        let rest = self.trains.get(self.done..)?;
        let first = rest.first()?;
        let alike = rest.iter().take(GROUP).take_while(|train| {
            train.source == first.source && train.segment_bytes() == first.segment_bytes()
        });
        Some(Group {
            trains: &rest[..alike.count()],
            buffer: &self.buffer,
        })
    }

    /// The first `count` trains were sent.
    pub(super) fn drop_first(&mut self, count: usize) {
        self.done = (self.done + count).min(self.trains.len());
    }

    /// The system does not take the first train as it is. Without offload and an address of its own it may; a single
    /// datagram that it refuses is lost. Gives the destination if the address was given up.
    pub(super) fn refuse_first(&mut self) -> Option<SocketAddr> {
        let first = self.trains.get_mut(self.done)?;
        if first.segment_bytes().is_some() {
            let train = first.clone();
            let starts = train.bytes.clone().step_by(train.segment);
            let singles = starts.map(|start| {
                let end = train.bytes.end.min(start + train.segment);
                Train {
                    bytes: start..end,
                    segment: end - start,
                    ..train.clone()
                }
            });
            self.trains.splice(self.done..=self.done, singles);
            return None;
        }
        if first.source.take().is_some() {
            return Some(first.destination);
        }
        self.drop_first(1);
        None
    }

    /// Moves what is left into an outbox that has just the room for it.
    pub(super) fn take_rest(&mut self) -> Self {
        let mut rest = self.trains.split_off(self.done.min(self.trains.len()));
        self.clear();
        let start = rest.first().map_or(0, |train| train.bytes.start);
        let end = rest.last().map_or(0, |train| train.bytes.end);
        for train in &mut rest {
            train.bytes = train.bytes.start - start..train.bytes.end - start;
        }
        Self {
            buffer: self.buffer.get(start..end).unwrap_or_default().into(),
            trains: rest,
            done: 0,
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

    fn filled(list: &[(u16, usize)]) -> Outbox {
        let mut outbox = Outbox::new();
        outbox.fill(4, |_| None, source(list));
        outbox
    }

    /// The trains of the next group: destination, length, segment size.
    fn next(outbox: &mut Outbox) -> Vec<(u16, usize, Option<usize>)> {
        let Some(group) = outbox.group() else {
            return Vec::new();
        };
        let all = group.trains.iter();
        let all: Vec<_> = all
            .map(|train| {
                let length = group.bytes(train).len();
                (train.destination.port(), length, group.segment_bytes())
            })
            .collect();
        outbox.drop_first(all.len());
        all
    }

    #[test]
    fn equal_datagrams_to_one_address_form_a_train_that_a_shorter_one_ends() {
        let mut outbox = filled(&[(1, 50), (1, 50), (1, 20), (1, 50), (2, 60)]);
        assert_eq!(next(&mut outbox), [(1, 120, Some(50))]);
        assert_eq!(next(&mut outbox), [(1, 50, None), (2, 60, None)]);
        assert!(outbox.is_empty());
        assert_eq!(next(&mut outbox), []);
    }

    #[test]
    fn a_longer_datagram_starts_a_train_and_none_exceeds_the_segments() {
        let mut outbox = filled(&[(1, 5), (1, 9), (1, 9), (1, 9), (1, 9), (1, 9)]);
        assert_eq!(next(&mut outbox), [(1, 5, None)]);
        assert_eq!(next(&mut outbox), [(1, 36, Some(9))]);
        assert_eq!(next(&mut outbox), [(1, 9, None)]);
    }

    #[test]
    fn trains_of_one_size_to_many_addresses_leave_in_one_call() {
        let mut outbox = filled(&[(1, 9), (1, 3), (2, 9), (2, 4), (3, 8), (3, 1)]);
        let together = [(1, 12, Some(9)), (2, 13, Some(9))];
        assert_eq!(next(&mut outbox), together);
        assert_eq!(next(&mut outbox), [(3, 9, Some(8))]);
    }

    #[test]
    fn what_was_not_sent_is_offered_again_and_can_be_put_aside() {
        let mut outbox = filled(&[(1, 8), (2, 8), (3, 7)]);
        assert_eq!(outbox.group().unwrap().trains.len(), 3);
        outbox.drop_first(1);
        let mut rest = outbox.take_rest();
        assert!(outbox.is_empty());
        assert_eq!(rest.buffer.len(), 15);
        let group = rest.group().unwrap();
        assert_eq!(group.bytes(&group.trains[0]), [1; 8]);
        assert_eq!(group.bytes(&group.trains[1]), [2; 7]);
        assert_eq!(next(&mut rest), [(2, 8, None), (3, 7, None)]);
    }

    #[test]
    fn a_refused_train_leaves_one_datagram_at_a_time_with_its_bytes() {
        let mut outbox = filled(&[(1, 8), (1, 8), (1, 3), (1, 8)]);
        assert_eq!(outbox.refuse_first(), None);
        let mut sent = Vec::new();
        while let Some(group) = outbox.group() {
            assert_eq!(group.segment_bytes(), None);
            sent.push(group.bytes(&group.trains[0]).to_vec());
            outbox.drop_first(1);
        }
        assert_eq!(sent, [vec![0; 8], vec![1; 8], vec![2; 3], vec![3; 8]]);
    }

    #[test]
    fn a_refused_datagram_leaves_without_its_own_address_and_is_lost_if_refused_again() {
        let mut outbox = Outbox::new();
        let home = Some(IpAddr::from([10, 0, 0, 1]));
        outbox.fill(1, |_| home, source(&[(1, 8), (2, 8)]));
        assert_eq!(outbox.group().unwrap().source(), home);
        assert_eq!(outbox.group().unwrap().trains.len(), 2);
        assert_eq!(outbox.refuse_first(), Some(address(1)));
        let group = outbox.group().unwrap();
        assert_eq!((group.source(), group.trains.len()), (None, 1));
        assert_eq!(outbox.refuse_first(), None);
        assert_eq!(outbox.group().unwrap().trains[0].destination, address(2));
    }

    #[test]
    fn an_outbox_takes_no_more_than_it_has_room_for() {
        let mut outbox = Outbox::new();
        let mut polled = 0;
        outbox.fill(
            1,
            |_| None,
            |buffer| {
                assert!(buffer.len() >= DATAGRAM_BYTES);
                polled += 1;
                Some(Transmit {
                    source: None,
                    destination: address(1),
                    bytes: 0..DATAGRAM_BYTES,
                })
            },
        );
        assert_eq!(polled, GROUP.min(BUFFER_BYTES / DATAGRAM_BYTES));
    }
}

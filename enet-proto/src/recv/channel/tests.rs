use super::*;
use crate::Limits;
use crate::pool::Pool;
use alloc::vec;
use alloc::vec::Vec;

struct Receiver {
    channel: ChannelIn,
    held: Held,
    limits: Limits,
    pool: Pool,
    got: Vec<(PacketFlags, Bytes)>,
}

impl Receiver {
    fn new() -> Self {
        Self {
            channel: ChannelIn::default(),
            held: Held::default(),
            limits: Limits::hardened(),
            pool: Pool::new(usize::MAX, 1),
            got: Vec::new(),
        }
    }

    fn reliable(&mut self, sequence: u16, payload: &[u8]) -> Verdict {
        let got = &mut self.got;
        self.channel.on_reliable(
            sequence,
            payload,
            (
                &mut self.held,
                Room {
                    limits: &self.limits,
                    pool: &self.pool,
                },
            ),
            &mut |flags, payload| got.push((flags, payload)),
        )
    }

    fn unreliable(&mut self, sequence: u16, number: u16, payload: &[u8]) -> Verdict {
        let got = &mut self.got;
        self.channel.on_unreliable(
            (sequence, number),
            payload,
            (
                &mut self.held,
                Room {
                    limits: &self.limits,
                    pool: &self.pool,
                },
            ),
            &mut |flags, payload| got.push((flags, payload)),
        )
    }

    fn part(&mut self, start: u16, number: u32, kind: PacketFlags) -> Verdict {
        let bytes = b"abcdefgh";
        let from = number as usize * 3;
        let part = Fragment {
            start_sequence: start,
            count: 3,
            number,
            total_bytes: 8,
            offset: number * 3,
            payload: &bytes[from..bytes.len().min(from + 3)],
        };
        let got = &mut self.got;
        let deliver = &mut |flags, payload| got.push((flags, payload));
        let budget = (
            &mut self.held,
            Room {
                limits: &self.limits,
                pool: &self.pool,
            },
        );
        if kind == PacketFlags::RELIABLE {
            let sequence = start + u16::try_from(number).unwrap();
            self.channel.on_fragment(sequence, &part, budget, deliver)
        } else {
            self.channel
                .on_unreliable_fragment(0, &part, budget, deliver)
        }
    }

    fn texts(&self) -> Vec<&[u8]> {
        self.got.iter().map(|(_, payload)| &payload[..]).collect()
    }
}

#[test]
fn reliable_packets_come_in_order_and_once() {
    let mut receiver = Receiver::new();
    for sequence in [3, 2, 3, 1, 2, 1] {
        receiver.reliable(sequence, &sequence.to_be_bytes());
    }
    assert_eq!(receiver.texts(), [[0, 1], [0, 2], [0, 3]]);
    assert_eq!(receiver.held.waiting_bytes, 0);
    assert_eq!(
        receiver.reliable(0, b""),
        Verdict::Ignored(DropReason::Duplicate)
    );
}

#[test]
fn a_number_seven_windows_ahead_is_outside_and_not_acknowledged() {
    let mut receiver = Receiver::new();
    let far = 7 << 12;
    assert_eq!(
        receiver.reliable(far, b""),
        Verdict::Ignored(DropReason::OutsideWindow)
    );
    assert!(!receiver.channel.acknowledges(far));
    assert_eq!(receiver.reliable(far - 1, b""), Verdict::Taken);
    assert!(receiver.channel.acknowledges(far - 1));
    assert_eq!(
        receiver.reliable(u16::MAX, b""),
        Verdict::Ignored(DropReason::Duplicate)
    );
    assert!(
        receiver.channel.acknowledges(u16::MAX),
        "its acknowledgement was lost"
    );
}

#[test]
fn numbers_wrap_without_a_gap() {
    let mut receiver = Receiver::new();
    for sequence in 1..=70_000_u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the wire has 16 bits")]
        let verdict = receiver.reliable(sequence as u16, b"");
        assert_eq!(verdict, Verdict::Taken, "{sequence}");
    }
}

#[test]
fn unreliable_packets_wait_for_their_reliable_one_and_never_come_late() {
    let mut receiver = Receiver::new();
    receiver.unreliable(1, 1, b"after one");
    receiver.unreliable(0, 2, b"second");
    assert_eq!(
        receiver.unreliable(0, 1, b"first"),
        Verdict::Ignored(DropReason::Stale)
    );
    receiver.reliable(1, b"one");
    assert_eq!(receiver.texts(), [&b"second"[..], b"one", b"after one"]);
    assert_eq!(
        receiver.unreliable(0, 3, b""),
        Verdict::Ignored(DropReason::Stale)
    );
    assert_eq!(
        receiver.unreliable(1, 1, b""),
        Verdict::Ignored(DropReason::Stale)
    );
    assert_eq!(receiver.held.waiting_bytes, 0);
}

#[test]
fn unreliable_packets_between_reliable_ones_that_come_together_are_lost() {
    let mut receiver = Receiver::new();
    receiver.reliable(2, b"two");
    receiver.unreliable(1, 1, b"between");
    receiver.unreliable(2, 1, b"behind");
    receiver.reliable(1, b"one");
    assert_eq!(receiver.texts(), [&b"one"[..], b"two", b"behind"]);
    assert_eq!(receiver.held.evicted, 1);
}

#[test]
fn parts_of_both_kinds_make_packets_and_free_what_they_held() {
    let mut receiver = Receiver::new();
    for kind in [PacketFlags::UNRELIABLE_FRAGMENT, PacketFlags::RELIABLE] {
        for number in [2, 0, 2, 1] {
            receiver.part(1, number, kind);
        }
    }
    assert_eq!(
        receiver.got,
        vec![
            (
                PacketFlags::UNRELIABLE_FRAGMENT,
                Bytes::from_static(b"abcdefgh")
            ),
            (PacketFlags::RELIABLE, Bytes::from_static(b"abcdefgh")),
        ]
    );
    assert_eq!(receiver.held.reassemblies, 0);
    assert_eq!(receiver.held.reassembly_bytes, 0);
    assert_eq!(receiver.reliable(4, b"next"), Verdict::Taken);
    assert_eq!(receiver.texts().last(), Some(&&b"next"[..]));
}

#[test]
fn the_third_incomplete_unreliable_packet_evicts_the_oldest() {
    let mut receiver = Receiver::new();
    let kind = PacketFlags::UNRELIABLE_FRAGMENT;
    for start in [1, 2, 3] {
        receiver.part(start, 0, kind);
    }
    assert_eq!((receiver.held.reassemblies, receiver.held.evicted), (2, 1));
    receiver.part(2, 1, kind);
    receiver.part(2, 2, kind);
    receiver.unreliable(0, 4, b"later");
    assert_eq!(receiver.texts(), [&b"abcdefgh"[..], b"later"]);
    assert_eq!(
        (receiver.held.reassemblies, receiver.held.reassembly_bytes),
        (0, 0)
    );
}

// req: HE-9
#[test]
fn what_waits_is_charged_and_refused_beyond_the_limit() {
    let mut receiver = Receiver::new();
    let mut refused = 0;
    for sequence in 2..28_000 {
        if receiver.reliable(sequence, b"x") == Verdict::Refused(DropReason::ReceiveLimit) {
            refused += 1;
        }
        assert!(receiver.held.waiting_bytes <= receiver.limits.waiting_bytes);
    }
    assert!(refused > 0);
    receiver.reliable(1, b"x");
    assert_eq!(receiver.held.waiting_bytes, 0);
}

#[test]
fn the_next_packet_is_assembled_even_when_later_ones_fill_the_limit() {
    let mut receiver = Receiver::new();
    let limit = u16::try_from(receiver.limits.reassemblies).unwrap();
    for packet in 1..=limit {
        assert_eq!(
            receiver.part(1 + 3 * packet, 0, PacketFlags::RELIABLE),
            Verdict::Taken
        );
    }
    assert_eq!(
        receiver.part(1 + 3 * (limit + 1), 0, PacketFlags::RELIABLE),
        Verdict::Refused(DropReason::ReceiveLimit)
    );

    for number in 0..3 {
        assert_eq!(
            receiver.part(1, number, PacketFlags::RELIABLE),
            Verdict::Taken
        );
    }

    assert_eq!(receiver.texts(), [b"abcdefgh"]);
}

#[test]
fn complete_packets_that_wait_for_their_turn_take_no_place_of_incomplete_ones() {
    let mut receiver = Receiver::new();
    let count = u16::try_from(3 * receiver.limits.reassemblies).unwrap();
    for packet in 1..=count {
        for number in 0..3 {
            assert_eq!(
                receiver.part(1 + 3 * packet, number, PacketFlags::RELIABLE),
                Verdict::Taken
            );
        }
    }
    for number in 0..3 {
        receiver.part(1, number, PacketFlags::RELIABLE);
    }
    assert_eq!(receiver.got.len(), usize::from(count) + 1);
    assert_eq!(
        (receiver.held.reassemblies, receiver.held.reassembly_bytes),
        (0, 0)
    );
}

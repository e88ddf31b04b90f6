use super::*;
use alloc::vec::Vec;

const NOW: Instant = Instant::from_millis(1000);

fn stun(attributes: usize) -> Vec<u8> {
    let length = u16::try_from(attributes).expect("short");
    let mut bytes = Vec::from([0, 1]);
    bytes.extend(length.to_be_bytes());
    bytes.resize(20 + attributes, 7);
    bytes
}

fn channel_data(length: u16) -> Vec<u8> {
    let mut bytes = Vec::from([0x40, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.resize(4 + usize::from(length).next_multiple_of(4), 9);
    bytes
}

fn frame<'a>(
    framer: &'a mut Framer,
    now: Instant,
    input: &'a [u8],
) -> Result<Option<Frame<'a>>, FrameError> {
    framer.handle_bytes(now, input).map(|framed| framed.frame)
}

/// All frames of `stream` when it comes in parts of `size` bytes.
fn frames(framing: Framing, stream: &[u8], size: usize) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut framer = Framer::new(framing);
    let mut frames = Vec::new();
    for mut part in stream.chunks(size) {
        while !part.is_empty() {
            let framed = framer.handle_bytes(NOW, part)?;
            frames.extend(framed.frame.map(|frame| frame.as_bytes().to_vec()));
            assert!(framed.used > 0 && (framed.used == part.len() || framed.frame.is_some()));
            part = &part[framed.used..];
        }
        assert!(framer.held_bytes() <= Framer::UNAUTHENTICATED_BYTES);
    }
    Ok(frames)
}

// req: S-73, HS-15
#[test]
fn a_stream_gives_the_same_messages_however_it_is_cut() {
    let data = channel_data(5);
    let parts = [&stun(0)[..], &data, &stun(12), &channel_data(0), &stun(100)];
    let stream = parts.concat();
    let expected = [
        &stun(0)[..],
        &data[..9],
        &stun(12),
        &channel_data(0),
        &stun(100),
    ];
    for size in 1..=stream.len() {
        let frames = frames(Framing::StunAndChannelData, &stream, size).expect("it is good");
        assert_eq!(frames, expected, "in parts of {size}");
    }
}

// req: S-73
#[test]
fn packets_behind_a_length_may_be_anything_and_empty() {
    let stream = b"\0\x03abc\0\0\0\x01z";
    for size in 1..=stream.len() {
        let frames = frames(Framing::LengthPrefix, stream, size).expect("it is good");
        assert_eq!(frames, [&b"abc"[..], b"", b"z"], "in parts of {size}");
    }
}

// req: S-73, HS-15
#[test]
fn bytes_of_another_protocol_end_the_stream_at_once() {
    for (framing, first) in [
        (Framing::Stun, 0x47),
        (Framing::Stun, 0x16),
        (Framing::StunAndChannelData, 0x50),
        (Framing::StunAndChannelData, 0xFF),
    ] {
        let mut framer = Framer::new(framing);
        let bad = FrameError::BadFraming(first);
        assert_eq!(framer.handle_bytes(NOW, &[first]), Err(bad));
        assert_eq!(framer.handle_bytes(NOW, &stun(0)), Err(bad));
        assert_eq!(framer.held_bytes(), 0);
    }
}

// req: S-74, HG-7
#[test]
fn an_announced_length_above_the_limit_ends_the_stream_before_memory_is_taken() {
    let mut framer = Framer::new(Framing::Stun);
    let announced = stun(0xFFFC);
    let refused = framer.handle_bytes(NOW, &announced[..4]);
    let expected = FrameError::TooLong {
        announced: 0x1_0010,
        limit: Framer::UNAUTHENTICATED_BYTES,
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(framer.partial.capacity(), 0);

    let mut framer = Framer::new(Framing::Stun);
    framer.set_limit(usize::MAX);
    assert_eq!(frame(&mut framer, NOW, &announced[..100]), Ok(None));
    assert!(framer.partial.capacity() < 1000);
    let whole = frame(&mut framer, NOW, &announced[100..]);
    assert_eq!(whole, Ok(Some(Frame::Stun(&announced))));
}

// req: S-75
#[test]
fn an_incomplete_message_may_not_stand_still() {
    let mut framer = Framer::new(Framing::Stun);
    assert_eq!(framer.poll_timeout(), None);
    let message = stun(4);
    assert_eq!(frame(&mut framer, NOW, &message[..5]), Ok(None));
    let later = NOW + Framer::PARTIAL_TIMEOUT;
    assert_eq!(framer.poll_timeout(), Some(later));
    assert_eq!(frame(&mut framer, later, &message[5..6]), Ok(None));
    assert_eq!(framer.handle_timeout(later), Ok(()));
    let end = later + Framer::PARTIAL_TIMEOUT;
    assert_eq!(framer.handle_timeout(end), Err(FrameError::Stalled));
    assert_eq!(
        frame(&mut framer, end, &message[6..]),
        Err(FrameError::Stalled)
    );
    assert_eq!(framer.poll_timeout(), None);
}

#[test]
fn a_whole_message_is_not_copied() {
    let mut framer = Framer::new(Framing::Stun);
    let stream = [stun(8), stun(0)].concat();
    let first = framer.handle_bytes(NOW, &stream).expect("it is good");
    assert_eq!(
        (first.used, first.frame),
        (28, Some(Frame::Stun(&stream[..28])))
    );
    let second = framer.handle_bytes(NOW, &stream[28..]).expect("it is good");
    assert_eq!(second.frame, Some(Frame::Stun(&stream[28..])));
    assert_eq!(framer.partial.capacity(), 0);
}

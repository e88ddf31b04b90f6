use super::*;
use crate::wire::ConnectId;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

fn terms() -> VerifyConnect {
    VerifyConnect {
        outgoing_peer_id: 7,
        incoming_session_id: 0xff,
        outgoing_session_id: 3,
        mtu_bytes: 1392,
        window_bytes: 65_536,
        channel_count: 255,
        incoming_bandwidth: 1,
        outgoing_bandwidth: 2,
        throttle_interval_ms: 5000,
        throttle_acceleration: 2,
        throttle_deceleration: 2,
        connect_id: ConnectId([1, 2, 3, 4]),
    }
}

fn one_of_each() -> Vec<Command<'static>> {
    let part = Fragment {
        start_sequence: 4,
        count: 2,
        number: 1,
        total_bytes: 5,
        offset: 3,
        payload: b"de",
    };
    [
        Body::Acknowledge {
            sequence: 9,
            sent_time: 10,
        },
        Body::Connect(Connect {
            terms: terms(),
            data: 11,
        }),
        Body::VerifyConnect(terms()),
        Body::Disconnect { data: 12 },
        Body::Ping,
        Body::SendReliable { payload: b"abc" },
        Body::SendUnreliable {
            unreliable_sequence: 13,
            payload: b"",
        },
        Body::SendFragment(part),
        Body::SendUnsequenced {
            group: 14,
            payload: b"x",
        },
        Body::BandwidthLimit {
            incoming: 15,
            outgoing: 16,
        },
        Body::ThrottleConfigure {
            interval_ms: 17,
            acceleration: 18,
            deceleration: 19,
        },
        Body::SendUnreliableFragment(part),
    ]
    .map(|body| Command {
        acknowledge: matches!(body.number(), 2..=6 | 8 | 10 | 11),
        unsequenced: body.number() == 9,
        channel: 5,
        sequence: 0x1234,
        body,
    })
    .to_vec()
}

#[test]
fn each_command_round_trips_and_knows_its_length() {
    for command in one_of_each() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        command.encode(&mut writer).unwrap();
        assert_eq!(writer.at(), command.encoded_len(), "{command}");
        let bytes = writer.written().to_vec();
        let mut reader = Reader::new(&bytes);
        assert_eq!(Command::decode(&mut reader), Ok(command));
        assert!(reader.is_empty());
        for cut in 0..bytes.len() {
            assert!(Command::decode(&mut Reader::new(&bytes[..cut])).is_err());
            assert!(command.encode(&mut Writer::new(&mut vec![0; cut])).is_err());
        }
    }
}

#[test]
fn unknown_numbers_are_refused_by_name() {
    for number in [0, 13, 14, 15] {
        let error = Command::decode(&mut Reader::new(&[number; 64])).unwrap_err();
        assert!(error.to_string().starts_with("command number"), "{error}");
    }
}

#[test]
fn the_first_bytes_are_those_of_c_enet() {
    let mut first = Vec::new();
    for command in one_of_each() {
        let mut buffer = [0; 64];
        command.encode(&mut Writer::new(&mut buffer)).unwrap();
        first.push(buffer[0]);
    }
    let expected = [
        1, 0x82, 0x83, 0x84, 0x85, 0x86, 7, 0x88, 0x49, 0x8a, 0x8b, 12,
    ];
    assert_eq!(first, expected);
}

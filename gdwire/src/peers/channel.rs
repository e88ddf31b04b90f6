//! Godot's transfer modes and channels as ENet's channels and flags.
//!
//! | mode | Godot channel 0 | Godot channel c | ENet flags |
//! | --- | --- | --- | --- |
//! | reliable | ENet 0 | ENet c + 1 | reliable |
//! | unreliable ordered | ENet 1 | ENet c + 1 | unreliable fragment |
//! | unreliable | ENet 1 | ENet c + 1 | unsequenced, unreliable fragment |

use enet_proto::PacketFlags;
use replication_proto::TransferMode;

/// ENet channels that carry Godot's channel 0.
pub(super) const SYSTEM_CHANNELS: u8 = 2;
/// Godot's last user channel.
const LAST_USER_CHANNEL: u8 = 253;

/// The ENet channel and flags of a packet; `None` for a channel that ENet does not have.
pub(super) fn to_enet(mode: TransferMode, channel: u8) -> Option<(u8, PacketFlags)> {
    let enet_channel = match (channel, mode) {
        (0, TransferMode::Reliable) => 0,
        (0, _) => 1,
        (1..=LAST_USER_CHANNEL, _) => channel + 1,
        _ => return None,
    };
    let flags = match mode {
        TransferMode::Reliable => PacketFlags::RELIABLE,
        TransferMode::UnreliableOrdered => PacketFlags::UNRELIABLE_FRAGMENT,
        TransferMode::Unreliable => PacketFlags::UNSEQUENCED | PacketFlags::UNRELIABLE_FRAGMENT,
    };
    Some((enet_channel, flags))
}

/// The mode and the Godot channel of a received packet.
pub(super) const fn from_enet(channel: u8, flags: PacketFlags) -> (TransferMode, u8) {
    let mode = if flags.contains(PacketFlags::RELIABLE) {
        TransferMode::Reliable
    } else if flags.contains(PacketFlags::UNSEQUENCED) {
        TransferMode::Unreliable
    } else {
        TransferMode::UnreliableOrdered
    };
    let godot_channel = if channel < SYSTEM_CHANNELS {
        0
    } else {
        channel - 1
    };
    (mode, godot_channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [TransferMode; 3] = [
        TransferMode::Unreliable,
        TransferMode::UnreliableOrdered,
        TransferMode::Reliable,
    ];

    #[test]
    fn every_mode_and_channel_comes_back_as_it_was_sent() {
        for mode in MODES {
            for channel in 0..=LAST_USER_CHANNEL {
                let (enet_channel, flags) = to_enet(mode, channel).unwrap();
                assert_eq!(from_enet(enet_channel, flags), (mode, channel));
            }
            assert_eq!(to_enet(mode, 254), None);
            assert_eq!(to_enet(mode, 255), None);
        }
    }

    #[test]
    fn channel_zero_uses_the_system_channels_and_others_move_up_by_one() {
        let channel = |mode, channel| to_enet(mode, channel).map(|(channel, _)| channel);
        assert_eq!(channel(TransferMode::Reliable, 0), Some(0));
        assert_eq!(channel(TransferMode::Unreliable, 0), Some(1));
        assert_eq!(channel(TransferMode::UnreliableOrdered, 0), Some(1));
        assert_eq!(channel(TransferMode::Reliable, 3), Some(4));
        assert_eq!(channel(TransferMode::Unreliable, 253), Some(254));
    }

    #[test]
    fn an_unreliable_packet_in_fragments_arrives_as_ordered() {
        assert_eq!(
            from_enet(1, PacketFlags::UNRELIABLE_FRAGMENT),
            (TransferMode::UnreliableOrdered, 0)
        );
    }
}

//! The system call that sends: [`launch`].

use super::outbox::{Group, Train};
use super::{Socket, on_wire};
use quinn_udp::{UdpSockRef, UdpSocketState};
use std::io;

/// Sends a group; tells how many of its trains left, which is at least one.
///
/// # Errors
/// What the system says to the first train.
pub(super) fn launch(
    state: &UdpSocketState,
    socket: &impl Socket,
    group: &Group<'_>,
    is_ipv6: bool,
) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    if group.trains.len() > 1 {
        match many::launch(socket, group, is_ipv6) {
            // The first alone shows `quinn-udp` what the system does not offer.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
    let Some(first) = group.trains.first() else {
        return Ok(0);
    };
    let transmit = transmit(group, first, is_ipv6);
    state.try_send(UdpSockRef::from(socket), &transmit)?;
    Ok(1)
}

fn transmit<'a>(group: &Group<'a>, train: &Train, is_ipv6: bool) -> quinn_udp::Transmit<'a> {
    quinn_udp::Transmit {
        destination: on_wire(train.destination, is_ipv6),
        ecn: None,
        contents: group.bytes(train),
        segment_size: group.segment_bytes(),
        src_ip: train.source,
    }
}

/// `sendmmsg`: many trains in one call.
#[cfg(target_os = "linux")]
mod many {
    use super::super::outbox::GROUP;
    use super::{Group, Socket, on_wire};
    use core::net::IpAddr;
    use nix::cmsg_space;
    use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
    use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
    use std::io::{self, IoSlice};
    use std::os::fd::AsRawFd;

    /// What all trains of a group have in common.
    struct Common {
        segment_bytes: Option<u16>,
        source: Option<Source>,
    }

    enum Source {
        V4(in_pktinfo),
        V6(in6_pktinfo),
    }

    pub(super) fn launch(
        socket: &impl Socket,
        group: &Group<'_>,
        is_ipv6: bool,
    ) -> io::Result<usize> {
        let mut addresses = [None; GROUP];
        let mut slices = [[IoSlice::new(&[])]; GROUP];
        let count = group.trains.len().min(GROUP);
        for ((train, address), slice) in group.trains.iter().zip(&mut addresses).zip(&mut slices) {
            let destination = on_wire(train.destination, is_ipv6);
            *address = Some(SockaddrStorage::from(destination));
            *slice = [IoSlice::new(group.bytes(train))];
        }
        let common = Common::of(group);
        let mut headers = MultiHeaders::preallocate(count, common.room());
        let sent = sendmmsg(
            socket.as_fd().as_raw_fd(),
            &mut headers,
            &slices[..count],
            &addresses[..count],
            common.messages(),
            MsgFlags::empty(),
        )?;
        Ok(sent.count())
    }

    impl Common {
        fn of(group: &Group<'_>) -> Self {
            let segment_bytes = group.segment_bytes();
            Self {
                // A segment is a datagram of at most 4096 bytes.
                segment_bytes: segment_bytes.and_then(|bytes| u16::try_from(bytes).ok()),
                source: group.source().map(Source::of),
            }
        }

        /// Exactly the room that the messages take: the system refuses an empty rest.
        fn room(&self) -> Option<Vec<u8>> {
            match (&self.segment_bytes, &self.source) {
                (None, None) => None,
                (Some(_), None) => Some(cmsg_space!(u16)),
                (None, Some(Source::V4(_))) => Some(cmsg_space!(in_pktinfo)),
                (None, Some(Source::V6(_))) => Some(cmsg_space!(in6_pktinfo)),
                (Some(_), Some(Source::V4(_))) => Some(cmsg_space!(u16, in_pktinfo)),
                (Some(_), Some(Source::V6(_))) => Some(cmsg_space!(u16, in6_pktinfo)),
            }
        }

        fn messages(&self) -> Vec<ControlMessage<'_>> {
            let segment = self.segment_bytes.as_ref();
            let source = self.source.as_ref().map(|source| match source {
                Source::V4(info) => ControlMessage::Ipv4PacketInfo(info),
                Source::V6(info) => ControlMessage::Ipv6PacketInfo(info),
            });
            let segment = segment.map(ControlMessage::UdpGsoSegments);
            segment.into_iter().chain(source).collect()
        }
    }

    impl Source {
        fn of(address: IpAddr) -> Self {
            match address {
                IpAddr::V4(address) => Self::V4(in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr {
                        s_addr: u32::from_ne_bytes(address.octets()),
                    },
                    ipi_addr: in_addr { s_addr: 0 },
                }),
                IpAddr::V6(address) => Self::V6(in6_pktinfo {
                    ipi6_addr: in6_addr {
                        s6_addr: address.octets(),
                    },
                    ipi6_ifindex: 0,
                }),
            }
        }
    }
}

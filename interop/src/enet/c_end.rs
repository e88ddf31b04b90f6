//! C ENet as an [`End`](super::End).

use super::wire::Wire;
use super::{Ending, Event, Flags, Settings};
use cenet::{Host, Peer};
use core::net::{SocketAddr, SocketAddrV4};
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};
use std::collections::VecDeque;

/// C ENet has no next deadline to ask for, so it is serviced in steps of one millisecond.
const SERVICE_INTERVAL: Duration = Duration::from_millis(1);

/// A C ENet host.
#[derive(Debug)]
pub struct CEnd {
    host: Host,
    clock: u32,
    serviced: Instant,
    /// Whether something waits for a service call at this very moment.
    due: bool,
    events: VecDeque<Event>,
    wire: Wire,
}

impl CEnd {
    pub(super) fn new(address: SocketAddr, settings: &Settings) -> Self {
        cenet::set_time(settings.clock);
        let c_settings = cenet::Settings {
            peers: settings.peers,
            channel_limit: settings.channel_limit,
            incoming_bandwidth: settings.incoming_bandwidth,
            outgoing_bandwidth: settings.outgoing_bandwidth,
            mtu: Some(u32::from(settings.mtu)),
            checksum: settings.checksum,
            seed: u32::from(settings.seed),
        };
        let mut host = Host::new(v4(address), &c_settings).expect("C ENet takes these settings");
        if settings.range_coder {
            assert!(host.compress_with_range_coder(), "malloc succeeds");
        }
        Self {
            host,
            clock: settings.clock,
            serviced: Instant::ZERO,
            due: true,
            events: VecDeque::new(),
            wire: Wire::new(settings.checksum),
        }
    }

    fn set_time(&self, now: Instant) {
        let elapsed = now.as_millis() % (1 << 32);
        cenet::set_time(
            self.clock
                .wrapping_add(u32::try_from(elapsed).expect("reduced above")),
        );
    }

    pub(super) fn connect(
        &mut self,
        now: Instant,
        address: SocketAddr,
        channels: usize,
        data: u32,
    ) -> Option<usize> {
        self.set_time(now);
        self.due = true;
        Some(self.host.connect(v4(address), channels, data)?.0)
    }

    pub(super) fn send(&mut self, peer: usize, channel: u8, flags: Flags, payload: &[u8]) -> bool {
        self.due = true;
        self.host.send(
            Peer(peer),
            channel,
            cenet::Flags(u32::from(flags.0)),
            payload,
        )
    }

    pub(super) fn broadcast(&mut self, channel: u8, flags: Flags, payload: &[u8]) {
        self.due = true;
        self.host
            .broadcast(channel, cenet::Flags(u32::from(flags.0)), payload);
    }

    pub(super) fn end(&mut self, peer: usize, ending: Ending, data: u32) {
        self.due = true;
        match ending {
            Ending::Graceful => self.host.disconnect(Peer(peer), data),
            Ending::Now => self.host.disconnect_now(Peer(peer), data),
            Ending::Later => self.host.disconnect_later(Peer(peer), data),
            Ending::Reset => self.host.reset(Peer(peer)),
        }
    }

    pub(super) fn ping(&mut self, peer: usize) {
        self.due = true;
        self.host.ping(Peer(peer));
    }

    pub(super) fn set_ping_interval(&mut self, peer: usize, interval: Duration) {
        self.host.set_ping_interval(Peer(peer), millis(interval));
    }

    pub(super) fn set_timeouts(
        &mut self,
        peer: usize,
        limit: u32,
        minimum: Duration,
        maximum: Duration,
    ) {
        self.host
            .set_timeouts(Peer(peer), limit, millis(minimum), millis(maximum));
    }

    pub(super) fn configure_throttle(
        &mut self,
        peer: usize,
        interval: Duration,
        up: u32,
        down: u32,
    ) {
        self.due = true;
        self.host
            .configure_throttle(Peer(peer), millis(interval), up, down);
    }

    pub(super) fn set_bandwidth(&mut self, incoming: u32, outgoing: u32) {
        self.host.set_bandwidth(incoming, outgoing);
    }

    pub(super) fn channel_count(&self, peer: usize) -> usize {
        self.slot(peer).channel_count
    }

    pub(super) fn slot(&self, peer: usize) -> &cenet::ffi::Peer {
        self.host.slot(Peer(peer))
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) fn handle_datagram(
        &mut self,
        _now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<String> {
        self.due = true;
        let mut buffer = cenet::buffer();
        buffer.extend_from_slice(data);
        self.host.deliver(v4(from), buffer);
        Handled::Consumed
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.set_time(now);
        self.serviced = now;
        self.due = false;
        loop {
            match self.host.service() {
                Some(event) => self.events.push_back(translate(event)),
                // One call reads at most 256 datagrams.
                None if self.host.inbox_length() > 0 => {}
                None => break,
            }
        }
    }

    pub(super) fn poll_transmit(&mut self, _now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let datagram = self.host.poll_datagram()?;
        self.wire.count(&datagram.bytes);
        let length = datagram.bytes.len();
        buf[..length].copy_from_slice(&datagram.bytes);
        cenet::recycle(datagram.bytes);
        Some(Transmit {
            source: None,
            destination: SocketAddr::V4(datagram.address),
            bytes: 0..length,
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        Some(if self.due {
            self.serviced
        } else {
            self.serviced + SERVICE_INTERVAL
        })
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

fn translate(event: cenet::Event) -> Event {
    match event {
        cenet::Event::Connected { peer, data } => Event::Connected { peer: peer.0, data },
        cenet::Event::Disconnected { peer, data } => Event::Disconnected { peer: peer.0, data },
        cenet::Event::Received {
            peer,
            channel,
            packet,
        } => Event::Received {
            peer: peer.0,
            channel,
            flags: Flags(
                u8::try_from(packet.flags().0).expect("received packets carry small flags"),
            ),
            payload: packet.to_vec(),
        },
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => panic!("C ENet has no IPv6: {address}"),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).expect("a short duration")
}

//! The scenario of `enet-proto`.

use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use enet_proto::compress::Compression;
use enet_proto::{Config, Event, Host, PacketFlags};
use proto_core::Instant;

/// Longer than a datagram, so it travels in fragments.
static MESSAGE: [u8; 5000] = [0x5a; 5000];

/// Two hosts connect in memory, and a message arrives whole, with every compressor.
pub(crate) fn exchange() -> Result<(), &'static str> {
    for compression in [
        Compression::None,
        Compression::RangeCoder,
        Compression::FastLz,
        Compression::Zlib,
        Compression::Zstd,
    ] {
        exchange_with(compression)?;
    }
    Ok(())
}

fn exchange_with(compression: Compression) -> Result<(), &'static str> {
    let addresses = [1, 2].map(|last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7777)));
    let mut hosts = [host(1, compression)?, host(2, compression)?];
    let mut now = Instant::from_millis(1000);
    let peer = hosts[0]
        .connect(now, addresses[1], 2, 7)
        .map_err(|_| "no connection was begun")?;
    for _ in 0..100 {
        carry(now, &mut hosts, addresses);
        while let Some(event) = hosts[0].poll_event() {
            if matches!(event, Event::Connected { .. }) {
                let message = Bytes::from_static(&MESSAGE);
                let sent = hosts[0].send(peer, 0, PacketFlags::RELIABLE, message);
                sent.map_err(|_| "the message was not queued")?;
            }
        }
        while let Some(event) = hosts[1].poll_event() {
            match event {
                Event::Received { payload, .. } if payload == MESSAGE[..] => {
                    let is_compressed = hosts[1].stats().compressed_received > 0;
                    return if is_compressed == (compression != Compression::None) {
                        Ok(())
                    } else {
                        Err("the datagrams were not compressed")
                    };
                }
                Event::Received { .. } => return Err("another message arrived"),
                _ => {}
            }
        }
        now = now + Duration::from_millis(10);
    }
    Err("the message did not arrive")
}

fn host(seed: u8, compression: Compression) -> Result<Host, &'static str> {
    let mut config = Config::new([seed; 32]);
    config.compression = compression;
    Host::new(config).map_err(|_| "the configuration was refused")
}

/// Expires timers and hands each host what the other one sends.
fn carry(now: Instant, hosts: &mut [Host; 2], addresses: [SocketAddr; 2]) {
    let mut buffer = [0; Host::BUFFER];
    for (from, to) in [(0, 1), (1, 0)] {
        hosts[from].handle_timeout(now);
        while let Some(transmit) = hosts[from].poll_transmit(now, &mut buffer) {
            let _ = hosts[to].handle_datagram(now, addresses[from], &buffer[transmit.bytes]);
        }
    }
}

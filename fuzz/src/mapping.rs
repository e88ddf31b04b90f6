//! Port mapping of `ice-lite`: messages, and a mapper under a script.

use crate::parts;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use ice_lite::{
    MapperConfig, MapperEvent, NatPmpRequest, NatPmpResponse, PcpAnnouncement, PcpRequest,
    PcpResponse, PortMapper,
};
use proto_core::{DecodeError, Instant, NoSpace};

fn internal() -> SocketAddr {
    SocketAddr::from(([192, 168, 0, 2], 4000))
}

fn gateway() -> SocketAddr {
    SocketAddr::from(([192, 168, 0, 1], MapperConfig::PORT))
}

/// What was read is written and read to the same.
fn reread<T: PartialEq + core::fmt::Debug>(
    data: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T, &mut [u8]) -> Result<usize, NoSpace>,
) {
    if let Ok(message) = read(data) {
        let mut buffer = [0; PortMapper::BUFFER];
        let length = write(&message, &mut buffer).expect("the longest message fits");
        assert_eq!(read(&buffer[..length]), Ok(message));
    }
}

fn messages(data: &[u8]) {
    reread(data, PcpRequest::read, PcpRequest::write);
    reread(data, PcpResponse::read, PcpResponse::write);
    reread(data, PcpAnnouncement::read, PcpAnnouncement::write);
    reread(data, NatPmpRequest::read, NatPmpRequest::write);
    reread(data, NatPmpResponse::read, NatPmpResponse::write);
}

/// A mapper, and what its gateway saw.
struct Scene {
    now: Instant,
    mapper: PortMapper,
    asked: Vec<u8>,
    mapped: Option<SocketAddr>,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::from_millis(1000);
        let config = MapperConfig::new([7; 32], gateway().ip(), internal());
        Self {
            now,
            mapper: PortMapper::new(now, config).expect("a valid configuration"),
            asked: Vec::new(),
            mapped: None,
        }
    }

    fn step(&mut self, action: u8, words: &[u8]) {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        match action & 7 {
            0 => {
                let millis = u64::from(word(0)) << (word(1) & 31);
                self.now = self.now + Duration::from_millis(millis);
            }
            1 => self.answer(words),
            2 => self.deliver(words),
            3 => {
                let from = SocketAddr::from((Ipv4Addr::new(192, 168, 0, word(0)), 5351));
                let _ =
                    self.mapper
                        .handle_datagram(self.now, from, words.get(1..).unwrap_or_default());
            }
            4 => {
                let _ = self.mapper.handle_announcement(self.now, gateway(), words);
            }
            5 if word(0) == 255 => self.mapper.stop(self.now),
            // Time in the order of the deadlines.
            _ => {
                if let Some(next) = self.mapper.poll_timeout() {
                    self.now = self.now.max(next);
                }
            }
        }
        self.mapper.handle_timeout(self.now);
        self.collect();
    }

    fn deliver(&mut self, bytes: &[u8]) {
        let _ = self.mapper.handle_datagram(self.now, gateway(), bytes);
    }

    /// What the gateway makes of the last request, with fields as `words` has them.
    fn answer(&mut self, words: &[u8]) {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let wide = |index: usize| u32::from(word(index)) << (word(index + 1) & 31);
        let external = SocketAddr::from(([word(0) | 1, word(1), 3, 4], u16::from(word(2)) << 7));
        let mut buffer = [0; PortMapper::BUFFER];
        let length = match (
            PcpRequest::read(&self.asked),
            NatPmpRequest::read(&self.asked),
        ) {
            (Ok(request), _) => PcpResponse {
                result: word(7) & word(8),
                lifetime_seconds: wide(3),
                epoch_seconds: wide(5),
                nonce: request.nonce,
                internal_port: request.internal_port,
                external,
            }
            .write(&mut buffer),
            (_, Ok(NatPmpRequest::Address)) => NatPmpResponse::Address {
                epoch_seconds: wide(5),
                external: Ipv4Addr::new(word(0) | 1, word(1), 3, 4),
            }
            .write(&mut buffer),
            (_, Ok(NatPmpRequest::Map { internal_port, .. })) => NatPmpResponse::Map {
                epoch_seconds: wide(5),
                internal_port,
                external_port: external.port(),
                lifetime_seconds: wide(3),
            }
            .write(&mut buffer),
            _ => return,
        };
        let length = length.expect("the longest message fits");
        self.deliver(&buffer[..length]);
    }

    /// Takes out what the mapper has to say.
    fn collect(&mut self) {
        let mut buffer = [0; PortMapper::BUFFER];
        let mut count = 0;
        while let Some(transmit) = self.mapper.poll_transmit(self.now, &mut buffer) {
            count += 1;
            assert!(count < 10, "a mapper does not stop sending");
            assert_eq!(transmit.destination, gateway());
            self.asked = buffer[transmit.bytes].to_vec();
        }
        while let Some(event) = self.mapper.poll_event() {
            count += 1;
            assert!(count < 20, "a mapper does not stop talking");
            self.mapped = match event {
                MapperEvent::Mapped {
                    external, lease, ..
                } => {
                    let lease = lease.expect("these protocols have leases").as_secs();
                    assert!((30..=86_400).contains(&lease), "{lease}");
                    Some(external)
                }
                _ => None,
            };
        }
        let candidate = self.mapper.candidate();
        assert!(candidate.is_none() || self.mapped.is_some());
    }
}

/// Messages that are read are written and read to the same, and a mapper comes to rest whatever its gateway says.
///
/// # Panics
/// If a promise does not hold.
pub fn mapping_script(data: &[u8]) {
    messages(data);
    let mut scene = Scene::new();
    scene.collect();
    for part in parts(data) {
        messages(part);
        if let Some((action, words)) = part.split_first() {
            scene.step(*action, words);
        }
    }
    // A gateway that says nothing more ends it: the last lease is at most a day, and no step takes longer.
    for _ in 0..200 {
        let Some(next) = scene.mapper.poll_timeout() else {
            return;
        };
        scene.step(7, &[]);
        assert!(scene.now >= next, "the deadline is met");
    }
    panic!("a mapper does not come to rest");
}

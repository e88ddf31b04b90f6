//! Bodies for DTLS of the facade.

use crate::parts;
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::dtls::{DtlsClient, DtlsServer, Identity};
use gdwire::{Client, ClientConfig, Instant, Server, ServerConfig};
use std::time::UNIX_EPOCH;

/// Datagrams that the honest side and the server exchange before the attack, at most; more than they need to join.
const EXCHANGED: usize = 64;

/// A server with DTLS, a client of it, and the datagrams between them.
struct Siege {
    now: Instant,
    server: Server,
    client: Client,
    /// What has been sent so far, for replays.
    recorded: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    /// Bytes that the server sent to the attacker.
    answered: usize,
}

fn place(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 4000))
}

const SERVER: u8 = 1;
const HONEST: u8 = 2;
const ATTACKER: u8 = 3;

impl Siege {
    fn new() -> Self {
        let today = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let identity = Identity::self_signed("a", today, [1; 32]).expect("a good name");
        let trusted = identity.certificate_pem();
        let mut config = ServerConfig::new([1; 32]);
        config.dtls = Some(DtlsServer::new(identity));
        let server = Server::new(config).expect("a valid configuration");
        let mut config = ClientConfig::new([2; 32]);
        let dtls = DtlsClient::new(&trusted, "a", today);
        config.dtls = Some(dtls.expect("a certificate"));
        let mut client = Client::new(config).expect("a valid configuration");
        let now = Instant::from_millis(1000);
        client.connect(now, place(SERVER)).expect("a good address");
        Self {
            now,
            server,
            client,
            recorded: Vec::new(),
            buffer: vec![0; Server::BUFFER],
            answered: 0,
        }
    }

    /// Carries datagrams until `most` have been carried or nobody has any.
    fn exchange(&mut self, most: usize) {
        let mut carried = 0;
        loop {
            let before = carried;
            while self.client.poll_event().is_some() || self.server.poll_event().is_some() {}
            while let Some(sent) = self.client.poll_transmit(self.now, &mut self.buffer) {
                let datagram = self.buffer[sent.bytes].to_vec();
                let _ = self
                    .server
                    .handle_datagram(self.now, place(HONEST), &datagram);
                self.recorded.push(datagram);
                carried += 1;
            }
            while let Some(sent) = self.server.poll_transmit(self.now, &mut self.buffer) {
                let datagram = self.buffer[sent.bytes].to_vec();
                if sent.destination != place(HONEST) {
                    self.answered += datagram.len();
                    continue;
                }
                let _ = self
                    .client
                    .handle_datagram(self.now, place(SERVER), &datagram);
                self.recorded.push(datagram);
                carried += 1;
            }
            if carried == before || carried >= most {
                return;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now.saturating_add(Duration::from_millis(millis));
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    /// What `part` says: bytes as they are, or a recorded datagram with a byte changed.
    fn forge(&self, part: &[u8]) -> Vec<u8> {
        match part {
            [0xff, index, at, change] if !self.recorded.is_empty() => {
                let index = usize::from(*index) % self.recorded.len();
                let mut datagram = self.recorded[index].clone();
                if let Some(byte) = datagram.get_mut(usize::from(*at)) {
                    *byte ^= change;
                }
                datagram
            }
            bytes => bytes.to_vec(),
        }
    }
}

/// Forged and replayed datagrams at a server and its client, before, during and after a handshake.
///
/// The first byte says how far the two have come: 0 to 7 exchanges of datagrams, or, above, that the client has joined. Then
/// come parts: to whom and as whom (0 and 1: to the server as a stranger and as the client; 2: to the client as the server; 3:
/// time passes), and a datagram, or 0xff with the number of a recorded one, an offset and what to change there.
///
/// # Panics
/// When a machine does, when a stranger gets more bytes than it sent, or when a client that has joined is thrown out.
pub fn dtls_datagram(data: &[u8]) {
    let Some((&stage, script)) = data.split_first() else {
        return;
    };
    let has_joined = stage >= 8;
    let mut siege = Siege::new();
    siege.exchange(if has_joined {
        EXCHANGED
    } else {
        usize::from(stage)
    });
    let mut sent = 0;
    for part in parts(script).take(32) {
        let Some((&target, rest)) = part.split_first() else {
            continue;
        };
        let forged = siege.forge(rest);
        let now = siege.now;
        match target % 4 {
            0 => {
                sent += forged.len();
                let _ = siege.server.handle_datagram(now, place(ATTACKER), &forged);
            }
            1 => drop(siege.server.handle_datagram(now, place(HONEST), &forged)),
            2 => drop(siege.client.handle_datagram(now, place(SERVER), &forged)),
            _ => siege.pass(1 + u64::from(rest.first().copied().unwrap_or(0))),
        }
        siege.exchange(EXCHANGED);
        assert!(
            siege.answered <= sent,
            "{} bytes for {sent}",
            siege.answered
        );
    }
    if has_joined {
        assert!(siege.client.is_connected(), "thrown out");
        assert_eq!(siege.server.peers().count(), 1);
    }
}

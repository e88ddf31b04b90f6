//! One end of a connection as a process, for network namespaces: `ice_player LOCAL STUN controlling|controlled`.
//!
//! Prints `description HEX` when it has gathered, reads the other's from its input in the same form, and prints `connected
//! LOCAL REMOTE`, `data` and `failed`. `ice_player stun LOCAL` is the STUN server. Both end by themselves.

use ice_lite::{
    Agent, Config, Description, GatherConfig, GatherEvent, Gatherer, Pacer, Role, State,
};
use proto_core::{Handled, Instant};
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant as Clock};
use stun_proto::server::{Answer, BindingServer, ServerConfig};
use testkit::{hex, unhex};

/// The longest that a process lives.
const LIFETIME: Duration = Duration::from_secs(90);

const DATA_INTERVAL: Duration = Duration::from_millis(100);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = |index: usize| -> SocketAddr { words[index].parse().expect("an address") };
    if words[0] == "stun" {
        serve(address(1));
    } else {
        let role = match words[2].as_str() {
            "controlling" => Role::Controlling,
            _ => Role::Controlled,
        };
        Player::new(address(0), address(1), role).run();
    }
}

fn socket(local: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(local).expect("a socket");
    let timeout = socket.set_read_timeout(Some(Duration::from_millis(5)));
    timeout.expect("a timeout");
    socket
}

fn serve(local: SocketAddr) {
    let mut config = ServerConfig::new([1; 32]);
    config.require_fingerprint = false;
    let (mut server, socket, began) = (BindingServer::new(config), socket(local), Clock::now());
    let (mut data, mut buffer) = ([0; 2048], [0; BindingServer::BUFFER]);
    println!("listening");
    while began.elapsed() < LIFETIME {
        let Ok((len, from)) = socket.recv_from(&mut data) else {
            continue;
        };
        let now = Instant::ZERO + began.elapsed();
        let answer = server.handle_datagram(now, local, from, &data[..len], &mut buffer);
        if let Answer::Reply(transmit) = answer {
            let _ = socket.send_to(&buffer[transmit.bytes], transmit.destination);
        }
    }
}

struct Player {
    socket: UdpSocket,
    local: SocketAddr,
    agent: Agent,
    gatherer: Gatherer,
    pacer: Pacer,
    began: Clock,
    received: u32,
    said_connected: bool,
    data_at: Instant,
}

impl Player {
    fn new(local: SocketAddr, stun: SocketAddr, role: Role) -> Self {
        let mut seed = [0; 32];
        // Two processes must differ, and a run need not be repeatable: the kernel's boxes are not.
        seed[..4].copy_from_slice(&std::process::id().to_be_bytes());
        let config = Config::new(seed, role);
        let pacer = Pacer::new(config.timing.pace);
        let gather = GatherConfig::new(seed, vec![local], vec![stun]);
        Self {
            socket: socket(local),
            local,
            agent: Agent::new(config).expect("a configuration"),
            gatherer: Gatherer::new(Instant::ZERO, gather).expect("a configuration"),
            pacer,
            began: Clock::now(),
            received: 0,
            said_connected: false,
            data_at: Instant::ZERO,
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    fn run(mut self) {
        let (to_us, inbox) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines();
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(to_us.send(line)));
        });
        // The other side needs some data of ours, too.
        let mut enough: Option<Clock> = None;
        while self.began.elapsed() < LIFETIME
            && enough.is_none_or(|at| at.elapsed() < Duration::from_secs(2))
        {
            if let Ok(line) = inbox.try_recv() {
                let bytes = unhex(line.trim_start_matches("description "));
                let description = Description::from_compact(&bytes).expect("a description");
                let known = self.agent.set_remote(self.now(), &description);
                known.expect("a description of a peer");
            }
            self.receive();
            self.send();
            self.tell();
            if self.agent.state() == State::Failed {
                println!("failed");
                return;
            }
            if self.received >= 3 && self.said_connected {
                enough.get_or_insert_with(Clock::now);
            }
        }
    }

    fn receive(&mut self) {
        let mut data = [0; 2048];
        let Ok((len, from)) = self.socket.recv_from(&mut data) else {
            return;
        };
        let (now, data) = (self.now(), &data[..len]);
        if self.gatherer.handle_datagram(now, self.local, from, data) != Handled::NotMine {
            return;
        }
        if let Handled::Inner { .. } = self.agent.handle_datagram(now, self.local, from, data) {
            self.received += 1;
            println!("data");
        }
    }

    fn send(&mut self) {
        let now = self.now();
        self.gatherer.handle_timeout(now);
        self.agent.handle_timeout(now);
        let mut buffer = [0; Agent::BUFFER];
        while let Some(transmit) = self
            .gatherer
            .poll_transmit_paced(now, &mut self.pacer, &mut buffer)
            .or_else(|| {
                self.agent
                    .poll_transmit_paced(now, &mut self.pacer, &mut buffer)
            })
        {
            let _ = self
                .socket
                .send_to(&buffer[transmit.bytes], transmit.destination);
        }
        if now >= self.data_at
            && let Ok(transmit) = self.agent.send(now, 0..4)
        {
            self.data_at = now + DATA_INTERVAL;
            let _ = self.socket.send_to(b"data", transmit.destination);
        }
    }

    fn tell(&mut self) {
        let now = self.now();
        while let Some(event) = self.gatherer.poll_event() {
            match event {
                GatherEvent::Candidate(candidate) => {
                    let _ = self.agent.add_local(now, candidate);
                }
                GatherEvent::Done => {
                    self.agent.end_of_local_candidates(now);
                    println!(
                        "description {}",
                        hex(&self.agent.description().to_compact())
                    );
                }
                _ => {}
            }
        }
        while self.agent.poll_event().is_some() {}
        if let Some(path) = self.agent.path()
            && !self.said_connected
        {
            self.said_connected = true;
            println!("connected {} {}", path.base, path.remote);
        }
    }
}

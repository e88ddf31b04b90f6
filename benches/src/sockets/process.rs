//! An echo server in a process of its own, and the CPU time that the system counts for it: [`Process`].

use super::{Load, Pattern};
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::{self, blocking::ServerDriver};
use gdwire::session::{Relay, Target};
use gdwire::{Event, Server, ServerConfig};
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// How long clients may take to join.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long connections run before they are measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// A server that has told its port; it is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a server that writes `port N` first.
    ///
    /// # Errors
    /// It cannot be started, or says something else.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let port = line.trim().strip_prefix("port ");
        let port: u16 = port
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| io::Error::other(format!("a server said {line:?}")))?;
        Ok(Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }

    /// Microseconds of CPU time that the server takes for a message that comes and its answer, while `pattern` runs for so
    /// long.
    ///
    /// # Errors
    /// A socket is broken, clients cannot join, or nothing comes back.
    pub fn measure(&self, pattern: Pattern, window: Duration) -> io::Result<f64> {
        let mut load = Load::new(self.address, pattern);
        let deadline = Instant::now() + PATIENCE;
        while !load.is_complete() {
            load.turn()?;
            if Instant::now() > deadline {
                return Err(io::Error::other("clients cannot join"));
            }
        }
        load.send(true);
        run(&mut load, WARM_UP)?;
        let (cpu, echoes) = (self.cpu()?, load.echoes());
        run(&mut load, window)?;
        let cpu = self.cpu()?.saturating_sub(cpu);
        let echoes = load.echoes() - echoes;
        if echoes == 0 {
            return Err(io::Error::other("nothing came back"));
        }
        Ok(cpu.as_secs_f64() * 1e6 / echoes as f64)
    }

    /// CPU time of its one thread, in the system too, which the scheduler counts in nanoseconds.
    fn cpu(&self) -> io::Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
        Ok(Duration::from_nanos(nanos.unwrap_or(0)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(load: &mut Load, time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        load.turn()?;
    }
    Ok(())
}

/// Is an echo server for so long: a whole session of Godot, whose raw packets go back to their sender. With a tick it looks
/// at its socket once in that time, as a game does in a frame.
///
/// # Errors
/// A socket is broken.
pub fn serve(lifetime: Duration, tick: Duration) -> io::Result<()> {
    let mut config = ServerConfig::new(drive::seed()?);
    config.enet.max_peers = 4095;
    config.session.relay = Relay::Disabled;
    let server = Server::new(config).map_err(io::Error::other)?;
    let mut driver = ServerDriver::bind(([127, 0, 0, 1], 0).into(), server)?;
    println!("port {}", driver.local_address()?.port());
    if !tick.is_zero() {
        driver = driver.paced(tick)?;
    }
    let end = Instant::now() + lifetime;
    while Instant::now() < end {
        let event = driver.next_event_within(Duration::from_millis(100))?;
        if let Some(Event::Packet {
            peer,
            payload,
            mode,
            channel,
        }) = event
        {
            // A client may have left meanwhile.
            let _ = driver
                .server_mut()
                .send_bytes(Target::Peer(peer), &payload, mode, channel);
        }
    }
    Ok(())
}

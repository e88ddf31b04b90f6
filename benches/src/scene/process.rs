//! A server in a process of its own, ours or the engine's, and what the system says it used: [`Process`].

use super::{Received, Sight, Swarm, Units, machine, unit_scene};
use core::time::Duration;
use gdwire::Server;
use gdwire::drive::blocking::ServerDriver;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

/// Frames between two reports of a server.
const FRAMES_PER_REPORT: u64 = 30;

/// How long a server may take to start, and clients to join.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often clients look at their sockets.
const PERIOD: Duration = Duration::from_millis(2);

/// A server that writes `port N` for each of its ports, and then `frame N` each 30 frames.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    ports: Vec<u16>,
}

/// What a server used in so many of its frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Frames of the window.
    pub frames: u64,
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// The share of it that the process spent outside of the system, of 1.
    pub user_share: f64,
    /// Wall time.
    pub wall: Duration,
    /// What the clients got.
    pub states: u64,
    /// The same, of changes.
    pub changes: u64,
    /// Memory that belongs to it alone and its share of the rest, in bytes.
    pub pss: u64,
}

impl Usage {
    /// CPU time of one frame in microseconds.
    #[must_use]
    pub fn frame_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.frames as f64
    }
}

/// Readings of a process at one moment.
struct Reading {
    at: Instant,
    frame: u64,
    cpu: Duration,
    user_ticks: u64,
    system_ticks: u64,
    received: Received,
}

impl Process {
    /// Starts a server and waits for its ports, of which it has so many.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(mut command: Command, ports: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().expect("piped above");
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut process = Self {
            child,
            lines,
            ports: Vec::new(),
        };
        while process.ports.len() < ports {
            let line = process.lines.recv_timeout(PATIENCE);
            let line = line.expect("the server tells its ports");
            let port = line
                .strip_prefix("port ")
                .and_then(|port| port.parse::<u16>().ok());
            process.ports.extend(port);
        }
        process
    }

    /// Lets clients join each port, waits until they have `spawns` units each, and measures for so many frames.
    ///
    /// # Errors
    /// A socket is broken.
    ///
    /// # Panics
    /// When they cannot join, or the server ends.
    pub fn measure(&mut self, clients: usize, spawns: usize, frames: u64) -> io::Result<Usage> {
        let ports = self.ports.iter();
        let servers: Vec<SocketAddr> = ports
            .map(|&port| SocketAddr::from(([127, 0, 0, 1], port)))
            .collect();
        let mut swarm = Swarm::connect(&servers, clients)?;
        let all = clients * servers.len();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let received = swarm.service()?;
            if received.joined == all && received.spawns >= (all * spawns) as u64 {
                break;
            }
            assert!(Instant::now() < deadline, "clients join: {received:?}");
            std::thread::sleep(PERIOD);
        }
        // What was needed to join is over, and connections have found their pace.
        let warm = self.reading(&mut swarm, 60)?;
        let start = self.reading(&mut swarm, warm.frame + 1)?;
        let end = self.reading(&mut swarm, start.frame + frames)?;
        let user = (end.user_ticks - start.user_ticks) as f64;
        let system = (end.system_ticks - start.system_ticks) as f64;
        Ok(Usage {
            frames: end.frame - start.frame,
            cpu: end.cpu.saturating_sub(start.cpu),
            user_share: user / (user + system).max(1.0),
            wall: end.at - start.at,
            states: end.received.states - start.received.states,
            changes: end.received.changes - start.received.changes,
            pss: self.pss()?,
        })
    }

    /// Serves the clients until the server reports `frame` or a later one.
    fn reading(&mut self, swarm: &mut Swarm, frame: u64) -> io::Result<Reading> {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let received = swarm.service()?;
            for line in self.lines.try_iter() {
                let reported = line.strip_prefix("frame ").and_then(|at| at.parse().ok());
                if let Some(reported) = reported.filter(|&reported: &u64| reported >= frame) {
                    let (user_ticks, system_ticks) = self.ticks()?;
                    return Ok(Reading {
                        at: Instant::now(),
                        frame: reported,
                        cpu: self.cpu()?,
                        user_ticks,
                        system_ticks,
                        received,
                    });
                }
            }
            assert!(Instant::now() < deadline, "the server goes on");
            std::thread::sleep(PERIOD);
        }
    }

    /// CPU time of all threads, which the scheduler counts in nanoseconds.
    fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split(' ').next().and_then(|first| first.parse().ok());
            nanos += first.unwrap_or(0_u64);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// `utime` and `stime`.
    fn ticks(&self) -> io::Result<(u64, u64)> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let behind_name = text.rsplit(')').next().unwrap_or_default();
        let mut fields = behind_name.split_whitespace().skip(11);
        let mut next = || fields.next().and_then(|field| field.parse().ok());
        Ok((next().unwrap_or(0), next().unwrap_or(0)))
    }

    fn pss(&self) -> io::Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0);
        Ok(kib * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a server process with so many rooms, until `lifetime` has passed: 60 frames a second, each unit moved in each.
///
/// # Errors
/// A socket is broken.
///
/// # Panics
/// When a room cannot be made.
pub fn serve(rooms: usize, units: usize, sight: Sight, lifetime: Duration) -> io::Result<()> {
    let scene = unit_scene(sight);
    let mut drivers = Vec::new();
    for _ in 0..rooms {
        let mut server = Server::new(machine::server_config(64)).expect("good settings");
        let units = Units::spawn(&mut server, &scene, units);
        let driver = ServerDriver::bind(([127, 0, 0, 1], 0).into(), server)?;
        println!("port {}", driver.local_address()?.port());
        drivers.push((driver, units));
    }
    let started = Instant::now();
    for frame in 1_u64.. {
        for (driver, units) in &mut drivers {
            while driver.next_event_within(Duration::ZERO)?.is_some() {}
            units.step(driver.server_mut());
            let now = driver.now();
            driver.server_mut().tick(now);
            driver.flush();
        }
        if frame.is_multiple_of(FRAMES_PER_REPORT) {
            println!("frame {frame}");
        }
        let elapsed = started.elapsed();
        if elapsed > lifetime {
            break;
        }
        let due = super::FRAME.saturating_mul(u32::try_from(frame).unwrap_or(u32::MAX));
        std::thread::sleep(due.saturating_sub(elapsed));
    }
    Ok(())
}

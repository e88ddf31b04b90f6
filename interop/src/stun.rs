//! coturn and other programs that speak STUN.

use crate::engine::find;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Every program ends by itself after so many seconds, whatever becomes of the test.
const LIFETIME_SECONDS: &str = "100";
/// Tries to find ports that nobody takes until coturn has them.
const TRIES: usize = 10;
/// Looks whether coturn answers, each of them a tenth of a second.
const LOOKS: usize = 200;

/// The addresses at which coturn listens.
const ADDRESSES: [&str; 3] = ["127.0.0.1", "127.0.0.2", "::1"];

/// coturn's server: `GDWIRE_COTURN`, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn coturn() -> Option<PathBuf> {
    find("GDWIRE_COTURN", "the server of coturn")
}

/// A running server of coturn on loopback, ended when it is dropped.
#[derive(Debug)]
pub struct Coturn {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Coturn {
    /// Starts one on free ports of 127.0.0.1, 127.0.0.2 and ::1, with further options, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        for _ in 0..TRIES {
            let mut coturn = Self::try_start(options, free_ports());
            if coturn.answers() {
                return coturn;
            }
        }
        panic!("coturn does not start");
    }

    fn try_start(options: &[&str], [port, alternate]: [u16; 2]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("gdwire-coturn-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let mut command = Command::new("timeout");
        command
            .arg(LIFETIME_SECONDS)
            .arg(coturn().expect("checked by the test"))
            // The configuration of Debian's package switches NAT discovery off.
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--simple-log"])
            .args(["--log-file=stdout", "--relay-ip=127.0.0.1"])
            .args(ADDRESSES.map(|address| format!("--listening-ip={address}")))
            .arg(format!("--listening-port={port}"))
            .arg(format!("--alt-listening-port={alternate}"))
            .arg(format!("--pidfile={}", folder.join("pid").display()))
            .arg(format!("--db={}", folder.join("db").display()))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
            folder,
            port,
        }
    }

    /// Where it listens: `host` is one of its addresses.
    ///
    /// # Panics
    /// If `host` is no address.
    #[must_use]
    pub fn at(&self, host: &str) -> SocketAddr {
        SocketAddr::new(host.parse().expect("an address"), self.port)
    }

    /// Waits until it answers at all of its addresses, if only with an error.
    fn answers(&mut self) -> bool {
        let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42is it there?";
        ADDRESSES.iter().all(|address| {
            let wildcard = if address.contains(':') {
                "[::]:0"
            } else {
                "0.0.0.0:0"
            };
            let socket = UdpSocket::bind(wildcard).expect("a socket");
            let wait = Some(Duration::from_millis(100));
            socket.set_read_timeout(wait).expect("a timeout");
            (0..LOOKS).any(|_| {
                // Where nobody listens yet this may fail.
                let _ = socket.send_to(&request, self.at(address));
                let answered = socket.recv(&mut [0; 1500]).is_ok();
                answered || !matches!(self.child.try_wait(), Ok(None))
            }) && matches!(self.child.try_wait(), Ok(None))
        })
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It may have ended already. `timeout` passes this signal on.
        let process = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &process]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Two ports that are free at all addresses, for UDP and TCP.
fn free_ports() -> [u16; 2] {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    while ports.len() < 2 {
        let first = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = first.local_addr().expect("it is bound").port();
        let others = ADDRESSES.iter().skip(1);
        let others: Result<Vec<_>, _> = others.map(|ip| UdpSocket::bind((*ip, port))).collect();
        let streams = ADDRESSES.iter();
        let streams: Result<Vec<_>, _> = streams.map(|ip| TcpListener::bind((*ip, port))).collect();
        if others.is_ok() && streams.is_ok() {
            ports.push(port);
        }
        held.push((first, others, streams));
    }
    [ports[0], ports[1]]
}

/// Runs a program to its end, at most 60 s; gives what it wrote, and whether its exit code is 0.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(program: &std::path::Path, arguments: &[&str]) -> (bool, String) {
    let mut child = Command::new("timeout")
        .arg("60")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut text = String::new();
    let output = child.stdout.as_mut().expect("piped above");
    output.read_to_string(&mut text).expect("it writes text");
    let status = child.wait().expect("it was started");
    (status.success(), text)
}

/// Runs one of coturn's own programs, such as `turnutils_stunclient`, as [`run`] does.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn tool(name: &str, arguments: &[&str]) -> (bool, String) {
    let server = coturn().expect("checked by the test");
    run(&server.with_file_name(name), arguments)
}

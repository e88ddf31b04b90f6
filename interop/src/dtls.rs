//! Foreign DTLS: mbedTLS in a program that takes datagrams through it (`interop/dtls/bridge.c`), the `openssl` command,
//! and C ENet with its datagrams on a socket or a pipe.

use cenet::{Event, Flags, Host, Peer, Settings};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Where C ENet believes the other end is, whatever carries its datagrams.
const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 9);

/// The bridge, built from its source; or none, with a word about it, where mbedTLS is missing.
///
/// # Panics
/// With `CI=true`, if it cannot be built.
pub fn bridge_program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    // Beside the test, one for each, so that nothing is left elsewhere.
    let program = std::env::current_exe().ok()?.with_extension("bridge");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/dtls/bridge.c");
    let built = Command::new("cc")
        .args(["-O1", "-o"])
        .arg(&program)
        .args([source, "-lmbedtls", "-lmbedx509", "-lmbedcrypto"])
        .output();
    let complaint = match built {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    skip("mbedTLS", "install libmbedtls-dev", &complaint);
    None
}

/// Whether there is an `openssl` command; says so if not.
///
/// # Panics
/// With `CI=true`, if there is none.
pub fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        skip("the openssl command", "install openssl", "");
    }
    is_there
}

fn skip(name: &str, cure: &str, complaint: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{name} is missing: {cure}\n{complaint}"
    );
    // Not with eprintln, which the test harness swallows.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} is missing: {cure}");
}

/// A directory for certificates and keys that goes when it is dropped.
#[derive(Debug)]
pub struct Vault(PathBuf);

impl Vault {
    /// A new one; `name` has to be unique in the process.
    ///
    /// # Panics
    /// When the system does not let us.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gdwire-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// Writes a file and gives its path.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn put(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a temporary file");
        path
    }

    /// Reads a file.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("made before")
    }

    /// The path of a file.
    ///
    /// # Panics
    /// When it is not Unicode.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("a plain path").to_owned()
    }

    /// Runs `openssl` in the directory.
    ///
    /// # Panics
    /// When it fails.
    pub fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .output()
            .expect("checked by the test");
        assert!(
            output.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program with lines on its standard output, which ends with this value.
#[derive(Debug)]
pub struct Bridge {
    child: Child,
    _input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has said so far.
    pub said: Vec<String>,
    /// The port that it listens at.
    pub port: u16,
}

impl Bridge {
    /// Takes plain datagrams to the DTLS server at `port`; `authorities` are trusted, if there are any.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn client(port: u16, authorities: Option<&str>, name: Option<&str>) -> Self {
        let (authorities, name) = (authorities.unwrap_or("-"), name.unwrap_or("-"));
        Self::start(&["client", &port.to_string(), authorities, name], None)
    }

    /// The same with one cipher suite only, by mbedTLS's name, for anybody's certificate.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn client_with_suite(port: u16, suite: &str) -> Self {
        Self::start(&["client", &port.to_string(), "-", "-"], Some(suite))
    }

    /// Serves a DTLS client, and takes its datagrams to the plain host at `port`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn server(certificate: &str, key: &str, port: u16) -> Self {
        Self::start(&["server", certificate, key, &port.to_string()], None)
    }

    fn start(arguments: &[&str], suite: Option<&str>) -> Self {
        let mut child = Command::new(bridge_program().expect("checked by the test"))
            .args(arguments)
            .envs(suite.map(|suite| ("BRIDGE_SUITE", suite)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built here");
        let output = child.stdout.take().expect("piped above");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut bridge = Self {
            _input: child.stdin.take(),
            child,
            lines,
            said: Vec::new(),
            port: 0,
        };
        let line = bridge.wait_for("listening");
        let port = line.split(' ').nth(1).and_then(|port| port.parse().ok());
        bridge.port = port.expect("a port");
        bridge
    }

    /// Waits for a line that starts so.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for(&mut self, start: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(line) = self.find(start) {
                return line;
            }
            assert!(Instant::now() < deadline, "no {start}: {:?}", self.said);
            if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(100)) {
                self.said.push(line);
            }
        }
    }

    /// A line that starts so, if there is one yet.
    pub fn find(&mut self, start: &str) -> Option<String> {
        self.said.extend(self.lines.try_iter());
        let mut said = self.said.iter();
        said.find(|line| line.starts_with(start)).cloned()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What carries the datagrams of a C ENet host.
#[derive(Debug)]
enum Carrier {
    /// A plain socket, and where it sends.
    Socket(UdpSocket, Option<std::net::SocketAddr>),
    /// `openssl s_client` or `s_server`, one datagram a write.
    Pipe(Child, ChildStdin, Receiver<Vec<u8>>),
}

/// A C ENet host whose datagrams leave the process.
#[derive(Debug)]
pub struct Plug {
    carrier: Carrier,
    host: Host,
    started: Instant,
    /// The connection, while there is one.
    pub peer: Option<Peer>,
    /// The packets that arrived.
    pub received: Vec<Vec<u8>>,
    /// Connections that came and went.
    pub connected: usize,
    /// Connections that ended.
    pub disconnected: usize,
}

impl Plug {
    /// A host on a plain socket that sends to `port`, or to whoever sends first.
    ///
    /// # Panics
    /// When the system does not let us.
    #[must_use]
    pub fn on_socket(port: Option<u16>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let to = port.map(|port| (Ipv4Addr::LOCALHOST, port).into());
        Self::new(Carrier::Socket(socket, to))
    }

    /// A host at the standard input and output of `openssl`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn on_openssl<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Self {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("checked by the test");
        let input = child.stdin.take().expect("piped above");
        let mut output = child.stdout.take().expect("piped above");
        let (sender, datagrams) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self::new(Carrier::Pipe(child, input, datagrams))
    }

    fn new(carrier: Carrier) -> Self {
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 1);
        let host = Host::new(address, &Settings::default()).expect("a free slot");
        Self {
            carrier,
            host,
            started: Instant::now(),
            peer: None,
            received: Vec::new(),
            connected: 0,
            disconnected: 0,
        }
    }

    /// The port of the plain socket.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.carrier {
            Carrier::Socket(socket, _) => socket.local_addr().expect("a socket").port(),
            Carrier::Pipe(..) => panic!("a pipe has no port"),
        }
    }

    /// Works off what is due, and sends back each packet that has arrived.
    pub fn echo(&mut self) {
        self.pump();
        for packet in std::mem::take(&mut self.received) {
            self.send(&packet);
        }
    }

    /// Starts to connect as the Godot peer `id`.
    ///
    /// # Panics
    /// When no slot is free.
    pub fn connect(&mut self, id: u32) {
        self.set_time();
        self.peer = Some(self.host.connect(REMOTE, 255, id).expect("a free slot"));
    }

    /// Sends a reliable packet.
    ///
    /// # Panics
    /// Without a connection.
    pub fn send(&mut self, payload: &[u8]) {
        let peer = self.peer.expect("a connection");
        assert!(self.host.send(peer, 0, Flags::RELIABLE, payload));
    }

    /// Says goodbye.
    ///
    /// # Panics
    /// Without a connection.
    pub fn disconnect(&mut self) {
        self.host.disconnect(self.peer.expect("a connection"), 0);
    }

    fn set_time(&self) {
        let passed = u32::try_from(self.started.elapsed().as_millis()).expect("a short test");
        cenet::set_time(1000 + passed);
    }

    /// Moves datagrams and lets the host do what is due.
    pub fn pump(&mut self) {
        self.set_time();
        while let Some(datagram) = self.receive() {
            self.host.deliver(REMOTE, datagram);
        }
        while let Some(event) = self.host.service() {
            match event {
                Event::Connected { peer, .. } => {
                    self.peer = Some(peer);
                    self.connected += 1;
                }
                Event::Disconnected { .. } => {
                    self.peer = None;
                    self.disconnected += 1;
                }
                Event::Received { packet, .. } => self.received.push(packet.to_vec()),
            }
        }
        while let Some(datagram) = self.host.poll_datagram() {
            self.transmit(&datagram.bytes);
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        match &mut self.carrier {
            Carrier::Socket(socket, to) => {
                let mut buffer = [0; 1 << 16];
                let (count, from) = socket.recv_from(&mut buffer).ok()?;
                *to = Some(from);
                Some(buffer[..count].to_vec())
            }
            Carrier::Pipe(_, _, datagrams) => datagrams.try_recv().ok(),
        }
    }

    fn transmit(&mut self, datagram: &[u8]) {
        // What cannot be sent is lost, as on any network.
        match &mut self.carrier {
            Carrier::Socket(socket, Some(to)) => drop(socket.send_to(datagram, *to)),
            Carrier::Socket(..) => {}
            Carrier::Pipe(_, input, _) => {
                drop(input.write_all(datagram).and_then(|()| input.flush()));
                // The command reads what is there: two datagrams at a time would be one record.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        if let Carrier::Pipe(child, ..) = &mut self.carrier {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! A home whose gateway opens ports on request: miniupnpd on a NAT box of the kernel, in network namespaces of the test.

use crate::engine::find;
use crate::namespaces::{ip, number, run, skipped, within};
use ice_lite::{MapperConfig, MapperEvent, PortMapper};
use proto_core::Handled;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// miniupnpd, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn miniupnpd() -> Option<PathBuf> {
    find("GDWIRE_MINIUPNPD", "miniupnpd")
}

/// Which protocols a gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// PCP, NAT-PMP and UPnP.
    All,
    /// NAT-PMP; it says nothing to the others.
    NatPmp,
    /// UPnP; its port for the others is closed.
    Upnp,
}

/// A computer behind a gateway, and one on the other side. Everything is gone when this is dropped.
#[derive(Debug)]
pub struct Home {
    names: Vec<String>,
    number: u32,
    speaks: Speaks,
    program: PathBuf,
    daemon: Option<Child>,
}

impl Home {
    /// The gateway as the home sees it.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
    /// The computer at home.
    pub const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
    /// Another address at home, for a second computer.
    pub const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 3);
    /// The gateway as the others see it. miniupnpd refuses to open ports of an address that is private or for documentation, so
    /// this one is of a range that nobody announces; it exists in the namespaces only.
    pub const EXTERNAL: Ipv4Addr = Ipv4Addr::new(25, 0, 0, 1);
    /// The computer on the other side, which lets in answers alone.
    pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(25, 0, 0, 9);

    /// A home whose gateway has just started. `None`, with a word about it, where this machine does not allow that.
    #[must_use]
    pub fn new(speaks: Speaks) -> Option<Self> {
        let mut home = Self {
            names: Vec::new(),
            number: number(),
            speaks,
            program: miniupnpd()?,
            daemon: None,
        };
        match home.build() {
            Ok(()) => Some(home),
            Err(what) => {
                skipped(&what);
                None
            }
        }
    }

    fn build(&mut self) -> Result<(), String> {
        let [gateway, inside, outside] =
            ["gateway", "inside", "outside"].map(|role| self.name(role));
        for name in [&gateway, &inside, &outside] {
            run("ip", &["netns", "add", name], None)?;
            self.names.push(name.clone());
            ip(name, "link set lo up")?;
        }
        for (name, computer, near, far) in [
            ("in", &inside, Self::GATEWAY, Self::INSIDE),
            ("out", &outside, Self::EXTERNAL, Self::OUTSIDE),
        ] {
            ip(
                &gateway,
                &format!("link add {name} type veth peer name eth netns {computer}"),
            )?;
            for (at, link, address) in [(&gateway, name, near), (computer, "eth", far)] {
                ip(at, &format!("addr add {address}/24 dev {link}"))?;
                ip(at, &format!("link set {link} up"))?;
            }
        }
        ip(&inside, &format!("addr add {}/24 dev eth", Self::NEIGHBOUR))?;
        ip(&inside, &format!("route add default via {}", Self::GATEWAY))?;
        let forward = "net.ipv4.ip_forward=1";
        in_namespace(&gateway, &["sysctl", "-qw", forward], None)?;
        in_namespace(&gateway, &["nft", "-f", "-"], Some(&self.rules()))?;
        in_namespace(&outside, &["nft", "-f", "-"], Some(FIREWALL))?;
        std::fs::write(self.config_path(), self.config()).map_err(|error| error.to_string())?;
        self.start();
        Ok(())
    }

    fn name(&self, role: &str) -> String {
        format!("gdwire-{}-{}-{role}", std::process::id(), self.number)
    }

    fn config_path(&self) -> PathBuf {
        std::env::temp_dir().join(self.name("miniupnpd.conf"))
    }

    fn config(&self) -> String {
        let [nat_pmp, upnp] = match self.speaks {
            Speaks::All => ["yes", "yes"],
            Speaks::NatPmp => ["yes", "no"],
            Speaks::Upnp => ["no", "yes"],
        };
        format!(
            "ext_ifname=out\nlistening_ip=in\nenable_natpmp={nat_pmp}\nenable_upnp={upnp}\n\
             min_lifetime=1\nmax_lifetime=86400\nsecure_mode=yes\n\
             uuid=00000000-0000-4000-8000-000000000000\n\
             allow 1024-65535 0.0.0.0/0 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
        )
    }

    /// A symmetric NAT that lets in nothing but answers and what miniupnpd allows, in the chains that it expects.
    fn rules(&self) -> String {
        let deaf = match self.speaks {
            Speaks::NatPmp => "udp dport 5351 @th,64,8 2 drop",
            _ => "",
        };
        format!(
            "table inet filter {{
                chain miniupnpd {{ }}
                chain prerouting_miniupnpd {{ }}
                chain postrouting_miniupnpd {{ }}
                chain forward {{
                    type filter hook forward priority 0; policy drop
                    ct state established,related accept
                    iifname \"in\" accept
                    jump miniupnpd
                }}
                chain input {{
                    type filter hook input priority 0; policy accept
                    iifname \"out\" udp dport 1-65535 drop
                    {deaf}
                }}
                chain prerouting {{
                    type nat hook prerouting priority -100; policy accept
                    jump prerouting_miniupnpd
                }}
                chain postrouting {{
                    type nat hook postrouting priority 100; policy accept
                    jump postrouting_miniupnpd
                    oifname \"out\" masquerade fully-random
                }}
            }}\n"
        )
    }

    fn start(&mut self) {
        let gateway = self.name("gateway");
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &gateway])
            .arg(&self.program)
            .arg("-d")
            .arg("-f")
            .arg(self.config_path())
            .arg("-P")
            .arg(self.config_path().with_extension("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.daemon = Some(command.spawn().expect("ip was there a moment ago"));
        let end = Instant::now() + PATIENCE;
        while !self.listens() {
            assert!(Instant::now() < end, "miniupnpd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the gateway's service has bound its ports.
    fn listens(&self) -> bool {
        let read = || std::fs::read_to_string("/proc/thread-self/net/udp");
        let table = within(&self.name("gateway"), read).unwrap_or_default();
        let bound = |port: u16| table.contains(&format!(":{port:04X} 00000000:0000"));
        match self.speaks {
            Speaks::All => bound(5351) && bound(1900),
            Speaks::NatPmp => bound(5351),
            Speaks::Upnp => bound(1900),
        }
    }

    /// Ends the gateway's service without a word and takes its mappings away, as if the power had failed; then starts it.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn restart(&mut self) {
        self.end();
        let gateway = self.name("gateway");
        for chain in ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"] {
            let flush = ["nft", "flush", "chain", "inet", "filter", chain];
            in_namespace(&gateway, &flush, None).expect("our own chain");
        }
        self.start();
    }

    fn end(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Runs `body` on the computer at home. What it binds stays there.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        within(&self.name("inside"), body)
    }

    /// Runs `body` on the computer on the other side. What it binds stays there.
    pub fn outside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        within(&self.name("outside"), body)
    }

    /// Whether a datagram from outside, and from a port that never was in use, reaches `socket` by way of `external`. A
    /// datagram that does not arrive is sent again.
    ///
    /// # Panics
    /// When the system does not let us.
    #[must_use]
    pub fn reaches(&self, external: SocketAddr, socket: &UdpSocket) -> bool {
        let from = self.outside(|| UdpSocket::bind((Self::OUTSIDE, 0)).expect("a socket"));
        let word = from.local_addr().expect("it is bound").to_string();
        let waits = Some(Duration::from_millis(200));
        socket.set_read_timeout(waits).expect("not zero");
        let mut buffer = [0; 1500];
        for _ in 0..5 {
            from.send_to(word.as_bytes(), external).expect("it leaves");
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                if &buffer[..length] == word.as_bytes() {
                    return true;
                }
            }
        }
        false
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_file(self.config_path());
        let _ = std::fs::remove_file(self.config_path().with_extension("pid"));
        for name in &self.names {
            let _ = run("ip", &["netns", "del", name], None);
        }
    }
}

/// Lets in nothing but answers.
const FIREWALL: &str = "table ip wall {
    chain input {
        type filter hook input priority 0; policy drop
        ct state established,related accept
    }
}\n";

fn in_namespace(name: &str, words: &[&str], input: Option<&str>) -> Result<(), String> {
    let all = [&["netns", "exec", name], words].concat();
    run("ip", &all, input)
}

/// A program at home that wants a port open.
pub struct Player {
    /// What asks.
    pub mapper: PortMapper,
    /// The socket that is to be reached.
    pub socket: UdpSocket,
    /// What the mapper has reported.
    pub events: Vec<MapperEvent>,
    /// Where gateways tell of their restarts. The first player at a home has that port.
    news: Option<UdpSocket>,
    /// How many of them there were.
    pub announcements: u32,
    began: Instant,
}

impl Player {
    /// One that asks for this lease.
    ///
    /// # Panics
    /// When it has no sockets.
    #[must_use]
    pub fn new(home: &Home, lifetime: Duration) -> Self {
        let (socket, news) = home.inside(|| {
            let news = (Ipv4Addr::UNSPECIFIED, PortMapper::ANNOUNCEMENT_PORT);
            let news = UdpSocket::bind(news).ok();
            let socket = UdpSocket::bind((Home::INSIDE, 0));
            (socket.expect("a socket"), news)
        });
        if let Some(news) = &news {
            let all = Ipv4Addr::new(224, 0, 0, 1);
            let joined = news.join_multicast_v4(&all, &Home::INSIDE);
            joined.expect("a group of all hosts");
            news.set_nonblocking(true).expect("a socket");
        }
        let local = socket.local_addr().expect("it is bound");
        let mut config = MapperConfig::new([7; 32], Home::GATEWAY.into(), local);
        config.lifetime = lifetime;
        let began = Instant::now();
        Self {
            mapper: PortMapper::new(now(began), config).expect("good settings"),
            socket,
            events: Vec::new(),
            news,
            announcements: 0,
            began,
        }
    }

    /// This moment, as the mapper counts.
    #[must_use]
    pub fn now(&self) -> proto_core::Instant {
        now(self.began)
    }

    /// Does what is due for a moment.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn step(&mut self) {
        let mut buffer = [0; 1500];
        let now = self.now();
        self.mapper.handle_timeout(now);
        while let Some(transmit) = self.mapper.poll_transmit(now, &mut buffer) {
            // A closed port answers with an error of the system, at any later call.
            let _ = self
                .socket
                .send_to(&buffer[transmit.bytes], transmit.destination);
        }
        let wait = Some(Duration::from_millis(10));
        self.socket.set_read_timeout(wait).expect("not zero");
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let _ = self.mapper.handle_datagram(now, from, &buffer[..length]);
        }
        while let Some(Ok((length, from))) =
            self.news.as_ref().map(|news| news.recv_from(&mut buffer))
        {
            let data = &buffer[..length];
            if self.mapper.handle_announcement(now, from, data) == Handled::Consumed {
                self.announcements += 1;
            }
        }
        self.events
            .extend(core::iter::from_fn(|| self.mapper.poll_event()));
    }

    /// Goes on for a while.
    pub fn run(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step();
        }
    }

    /// Goes on until `done`.
    ///
    /// # Panics
    /// When it does not happen.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let (mapper, events) = (&self.mapper, &self.events);
            assert!(
                Instant::now() < deadline,
                "no {what}: {mapper:?} {events:?}"
            );
            self.step();
        }
    }

    /// Goes on until there is a mapping: its outer address.
    ///
    /// # Panics
    /// When there is none.
    pub fn mapped(&mut self) -> SocketAddr {
        self.until("mapping", |player| player.mapper.candidate().is_some());
        let candidate = self.mapper.candidate().expect("there is one");
        candidate.address()
    }
}

fn now(began: Instant) -> proto_core::Instant {
    let micros = u64::try_from(began.elapsed().as_micros()).expect("a short test");
    proto_core::Instant::from_micros(micros + 1)
}

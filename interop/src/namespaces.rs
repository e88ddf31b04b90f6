//! Computers and NAT boxes that the kernel plays: network namespaces with nftables, made and removed by the test.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How a box of the kernel chooses outer ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masquerade {
    /// The inner one where it is free. One mapping serves all remotes and each remote port opens it for itself: port
    /// restricted.
    Preserving,
    /// Any, for each remote: symmetric.
    Random,
}

/// An internet with two homes on it. Everything is gone when this is dropped.
#[derive(Debug)]
pub struct Internet {
    names: Vec<String>,
    number: u32,
}

/// So that tests of one process do not meet.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A number that nobody of this process has had.
pub(crate) fn number() -> u32 {
    MADE.fetch_add(1, Ordering::Relaxed)
}

impl Internet {
    /// The public address of a server in [`Internet::server`].
    pub const SERVER: &str = "203.0.113.9";

    /// The inner addresses of the two homes' computers.
    pub const HOMES: [&str; 2] = ["192.168.1.2", "192.168.2.2"];

    /// Two homes behind boxes of their own. `None`, with a word about it, where this machine does not allow that.
    #[must_use]
    pub fn new(boxes: [Masquerade; 2]) -> Option<Self> {
        let mut internet = Self {
            names: Vec::new(),
            number: number(),
        };
        match internet.build(boxes) {
            Ok(()) => Some(internet),
            Err(what) => {
                skipped(&what);
                None
            }
        }
    }

    fn build(&mut self, boxes: [Masquerade; 2]) -> Result<(), String> {
        let [hub, box_one, box_two, home_one, home_two] =
            ["hub", "box1", "box2", "home1", "home2"].map(|role| self.name(role));
        for name in [&hub, &box_one, &box_two, &home_one, &home_two] {
            run("ip", &["netns", "add", name], None)?;
            self.names.push(name.clone());
            ip(name, "link set lo up")?;
        }
        // The hub is the public internet: a bridge to which the boxes and the server are connected.
        ip(&hub, "link add net type bridge")?;
        ip(&hub, &format!("addr add {}/24 dev net", Self::SERVER))?;
        ip(&hub, "link set net up")?;
        for (index, (gateway, home)) in [(&box_one, &home_one), (&box_two, &home_two)]
            .into_iter()
            .enumerate()
        {
            let number = index + 1;
            let port = format!("port{number}");
            ip(
                gateway,
                &format!("link add out type veth peer name {port} netns {hub}"),
            )?;
            ip(&hub, &format!("link set {port} master net up"))?;
            ip(gateway, &format!("addr add 203.0.113.{number}/24 dev out"))?;
            ip(gateway, "link set out up")?;
            ip(
                gateway,
                &format!("link add in type veth peer name eth netns {home}"),
            )?;
            ip(gateway, &format!("addr add 192.168.{number}.1/24 dev in"))?;
            ip(gateway, "link set in up")?;
            ip(home, &format!("addr add {}/24 dev eth", Self::HOMES[index]))?;
            ip(home, "link set eth up")?;
            ip(home, &format!("route add default via 192.168.{number}.1"))?;
            run(
                "ip",
                &[
                    "netns",
                    "exec",
                    gateway,
                    "sysctl",
                    "-qw",
                    "net.ipv4.ip_forward=1",
                ],
                None,
            )?;
            run(
                "ip",
                &["netns", "exec", gateway, "nft", "-f", "-"],
                Some(&rules(boxes[index])),
            )?;
        }
        Ok(())
    }

    fn name(&self, role: &str) -> String {
        format!("gdwire-{}-{}-{role}", std::process::id(), self.number)
    }

    /// Starts a program where the server is.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn server(&self, program: &str, words: &[&str]) -> Child {
        start(&self.name("hub"), program, words)
    }

    /// Starts a program on the computer of home 0 or 1.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn home(&self, index: usize, program: &str, words: &[&str]) -> Child {
        start(&self.name(["home1", "home2"][index]), program, words)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run("ip", &["netns", "del", name], None);
        }
    }
}

/// The rules of a box: it translates what leaves, and lets in nothing but answers.
fn rules(masquerade: Masquerade) -> String {
    let flag = match masquerade {
        Masquerade::Preserving => "",
        Masquerade::Random => " fully-random",
    };
    format!(
        "table ip box {{
            chain out {{
                type nat hook postrouting priority 100
                oifname \"out\" masquerade{flag}
            }}
            chain through {{
                type filter hook forward priority 0; policy drop
                ct state established,related accept
                iifname \"in\" accept
            }}
            chain to_box {{
                type filter hook input priority 0; policy accept
                iifname \"out\" udp dport 1-65535 drop
            }}
        }}\n"
    )
}

/// Runs `body` on a thread in the namespace with this name, and gives what it gives. Sockets that it binds stay there.
///
/// # Panics
/// If `body` does, or there is no such namespace.
pub(crate) fn within<T: Send>(name: &str, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let namespace = File::open(format!("/run/netns/{name}")).expect("it was made");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("allowed a moment ago");
            body()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs `body` in a computer of its own with one network interface that leads nowhere, for programs that do not use loopback;
/// `body` gets its address. What it binds and starts is in that namespace. Nothing, with a word about it, where this machine
/// does not allow that.
///
/// # Panics
/// If `body` does.
pub fn alone(body: impl FnOnce(IpAddr) + Send) {
    let address = IpAddr::from([192, 168, 77, 1]);
    let enter = || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
        for words in [
            "link set lo up".to_owned(),
            "link add eth type veth peer name far".to_owned(),
            "link set far up".to_owned(),
            format!("addr add {address}/24 dev eth"),
            "link set eth up".to_owned(),
            // A browser offers the addresses of its default route only.
            "route add default dev eth".to_owned(),
        ] {
            run("ip", &words.split(' ').collect::<Vec<_>>(), None)?;
        }
        Ok::<_, String>(())
    };
    // A namespace belongs to a thread, and this one ends with it.
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || match enter() {
            Ok(()) => body(address),
            Err(what) => skipped(&what),
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

pub(crate) fn skipped(what: &str) {
    // Not with eprintln, which the test harness swallows.
    let _ = writeln!(std::io::stderr(), "SKIPPED: network namespaces: {what}");
}

pub(crate) fn ip(namespace: &str, words: &str) -> Result<(), String> {
    let words: Vec<&str> = ["-n", namespace]
        .into_iter()
        .chain(words.split(' '))
        .collect();
    run("ip", &words, None)
}

pub(crate) fn run(program: &str, words: &[&str], input: Option<&str>) -> Result<(), String> {
    let shown = format!("{program} {}", words.join(" "));
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    let written = stdin.write_all(input.unwrap_or_default().as_bytes());
    written.map_err(|error| format!("{shown}: {error}"))?;
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{shown}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

pub(crate) fn start(namespace: &str, program: &str, words: &[&str]) -> Child {
    Command::new("ip")
        .args(["netns", "exec", namespace, program])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ip was there a moment ago")
}

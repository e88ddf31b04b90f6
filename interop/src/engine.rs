//! One process of the Godot engine that runs the project under `interop/godot`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Every engine ends by itself after so many seconds, whatever becomes of the test.
const LIFETIME_SECONDS: u32 = 60;

/// The longest that a server may take to listen.
const START: Duration = Duration::from_secs(40);

/// Names an engine with its own ENet, as the official builds are.
const FULL: &str = "GODOT_FULL";

/// A program that speaks one JSON object per line: the engine, or the `gdwire` command.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    noise: Arc<Mutex<String>>,
    /// What it has reported so far.
    pub events: Vec<Json>,
}

/// The engine to use: `GODOT`, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    find("GODOT", "the Godot engine")
}

/// The `gdwire` command to use: `GDWIRE`, or none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is none.
#[must_use]
pub fn command() -> Option<PathBuf> {
    find("GDWIRE", "the gdwire command")
}

/// What only an engine with its own ENet can do; one that is linked with the system's library cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// DTLS around ENet.
    Dtls,
    /// IPv6, and sockets for both families.
    Ipv6,
}

impl Ability {
    const fn name(self) -> &'static str {
        match self {
            Self::Dtls => "DTLS",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// An engine that has `ability`: the one that `GODOT_FULL` names, or else `GODOT`; none with a word about it.
///
/// # Panics
/// With `CI=true`, if there is no engine at all; if `GODOT_FULL` names one that lacks it.
#[must_use]
pub fn installed_with(ability: Ability) -> Option<PathBuf> {
    static ABILITIES: OnceLock<Option<(PathBuf, Vec<Ability>)>> = OnceLock::new();
    let is_full = std::env::var_os(FULL).is_some();
    let found = ABILITIES.get_or_init(|| {
        let program = if is_full {
            find(FULL, "an engine with its own ENet")
        } else {
            installed()
        }?;
        let abilities = abilities(&program);
        Some((program, abilities))
    });
    let (program, abilities) = found.as_ref()?;
    if abilities.contains(&ability) {
        return Some(program.clone());
    }
    let name = ability.name();
    assert!(
        !is_full,
        "the engine of {FULL} has no {name}: give one with its own ENet"
    );
    // Not with eprintln, which the test harness swallows.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: this engine's ENet has no {name}; set {FULL} to an engine that has, such as an official build"
    );
    None
}

/// Asks an engine what its ENet can do.
fn abilities(program: &Path) -> Vec<Ability> {
    let mut engine = Engine::start_in(program, &["--abilities".to_owned()]);
    let deadline = Instant::now() + START;
    while !engine.has("abilities") && Instant::now() < deadline {
        engine.pump(Duration::from_millis(2));
    }
    let event = engine.all("abilities").next();
    let event = event.unwrap_or_else(|| panic!("no answer: {}", engine.noise()));
    [("dtls", Ability::Dtls), ("ipv6", Ability::Ipv6)]
        .into_iter()
        .filter(|(name, _)| event[name] == true)
        .map(|(_, ability)| ability)
        .collect()
}

pub(crate) fn find(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    if path.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{variable} does not name {name}: use interop/run"
        );
        // Not with eprintln, which the test harness swallows.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {variable} does not name {name}; interop/run sets it"
        );
    }
    path
}

impl Engine {
    /// Starts an engine with the given options of the project.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(options: &[String]) -> Self {
        Self::start_in(&installed().expect("checked by the test"), options)
    }

    /// The same with the engine at `program`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_in(program: &Path, options: &[String]) -> Self {
        let mut command = Command::new(program);
        command
            .args([
                "--headless",
                "--path",
                concat!(env!("CARGO_MANIFEST_DIR"), "/godot"),
                "--",
            ])
            .arg(format!("--for={LIFETIME_SECONDS}"))
            .args(options);
        Self::spawn(command)
    }

    /// Starts an engine as server with the given options, and waits until it listens.
    ///
    /// # Panics
    /// When it cannot be started, or does not listen.
    #[must_use]
    pub fn server(options: &[&str]) -> Self {
        Self::server_in(&installed().expect("checked by the test"), options)
    }

    /// The same with the engine at `program`.
    ///
    /// # Panics
    /// As [`Engine::server`].
    #[must_use]
    pub fn server_in(program: &Path, options: &[&str]) -> Self {
        let mut all = vec!["--role=server".to_owned()];
        all.extend(options.iter().map(ToString::to_string));
        let mut engine = Self::start_in(program, &all);
        let deadline = Instant::now() + START;
        while !engine.has("listening") && Instant::now() < deadline {
            engine.pump(Duration::from_millis(2));
        }
        assert!(engine.has("listening"), "{}", engine.noise());
        engine
    }

    /// Starts the `gdwire` command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_command(arguments: &[&str]) -> Self {
        let mut process = Command::new(command().expect("checked by the test"));
        process
            .args(arguments)
            .args(["--for", &LIFETIME_SECONDS.to_string()]);
        Self::spawn(process)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        let noise = Arc::new(Mutex::new(String::new()));
        let output = child.stdout.take().expect("piped above");
        let errors = child.stderr.take().expect("piped above");
        let collected = Arc::clone(&noise);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut text = collected.lock().expect("no writer panics");
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            noise,
            events: Vec::new(),
        }
    }

    /// Gives it a command.
    pub fn command(&mut self, command: &Json) {
        if let Some(input) = &mut self.input {
            // One that has ended already shows in its events.
            let _ = writeln!(input, "{command}").and_then(|()| input.flush());
        }
    }

    /// Lets it call a method of a node of the project on `peer`; `arguments` is Godot's text of an array.
    pub fn rpc(&mut self, peer: i32, node: &str, method: &str, arguments: &str) {
        self.command(
            &json!({"do": "rpc", "peer": peer, "node": node, "method": method, "args": arguments}),
        );
    }

    /// Takes over what it has reported since the last call; waits for at most `wait` if that is nothing.
    pub fn pump(&mut self, wait: Duration) {
        let mut next = self.lines.recv_timeout(wait).ok();
        while let Some(line) = next {
            // The engine prints its version and an empty line first.
            if let Ok(event) = serde_json::from_str::<Json>(&line) {
                self.events.push(event);
            }
            next = self.lines.try_recv().ok();
        }
    }

    /// The events of a kind.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Json> {
        self.events
            .iter()
            .filter(move |event| event["event"] == kind)
    }

    /// Whether it has reported an event of this kind.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.all(kind).next().is_some()
    }

    /// Whether it has reported an event of this kind about `peer`.
    #[must_use]
    pub fn has_of(&self, kind: &str, peer: i32) -> bool {
        self.all(kind)
            .any(|event| number(event, "peer") == Some(i64::from(peer)))
    }

    /// The calls it received: method and Godot's text of the arguments.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, String)> {
        let text = |event: &Json, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        self.all("rpc")
            .map(|event| (text(event, "method"), text(event, "args")))
            .collect()
    }

    /// Its id, once it listens or is connected.
    ///
    /// # Panics
    /// Before that.
    #[must_use]
    pub fn id(&self) -> i32 {
        let event = self
            .all("listening")
            .next()
            .expect("it has an id from the start");
        i32::try_from(number(event, "id").expect("an id")).expect("ids have 31 bits")
    }

    /// The port of a server.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn port(&self) -> u16 {
        let event = self.all("listening").next().expect("it listens");
        u16::try_from(number(event, "port").expect("a port")).expect("ports have 16 bits")
    }

    /// What the engine has complained about so far.
    ///
    /// # Panics
    /// Never: no writer of the text panics.
    #[must_use]
    pub fn noise(&self) -> String {
        self.noise.lock().expect("no writer panics").clone()
    }

    /// Stops the process, which keeps its sockets and answers nothing.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("ids have 31 bits");
        kill(Pid::from_raw(id), signal).expect("our own child");
    }

    /// Ends the process without a word to anybody.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Whether the process has ended, and with which code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .and_then(|status| status.code())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole number of an event; Godot writes some with a point.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "Godot's floats here are whole"
)]
pub fn number(event: &Json, key: &str) -> Option<i64> {
    event[key]
        .as_i64()
        .or_else(|| event[key].as_f64().map(|float| float as i64))
}

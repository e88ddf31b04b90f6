//! The built binary, run and talked to.

use core::time::Duration;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

/// How long an expected line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `gdwire`, killed when it is dropped.
pub(crate) struct Gdwire {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Json>,
}

impl Gdwire {
    /// Starts it; it ends by itself after a minute.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command()
            .args(arguments)
            .args(["--for", "60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).expect("each line is JSON");
                if sender.send(json).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    /// Starts a host on a free port; gives the URL for clients too.
    pub(crate) fn host(arguments: &[&str]) -> (Self, String) {
        let mut all = vec!["host", "enet://127.0.0.1:0"];
        all.extend(arguments);
        let host = Self::start(&all);
        let listening = host.expect("listening");
        assert_eq!(listening["id"], 1);
        let url = format!("enet://{}", listening["address"].as_str().unwrap());
        (host, url)
    }

    /// Starts a client and waits until it has joined.
    pub(crate) fn join(url: &str, arguments: &[&str]) -> (Self, i64) {
        let mut all = vec!["connect", url];
        all.extend(arguments);
        let client = Self::start(&all);
        let connected = client.expect("connected");
        assert_eq!(connected["path"], "direct");
        let id = connected["id"].as_i64().unwrap();
        (client, id)
    }

    /// Writes a line to its input.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// The next event of this kind; others before it are skipped.
    pub(crate) fn expect(&self, event: &str) -> Json {
        let mut skipped = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(json) if json["event"] == event => return json,
                Ok(json) => skipped.push(json),
                Err(why) => panic!("no {event} came ({why}), only {skipped:?}"),
            }
        }
    }

    /// Waits until it ends; gives the exit code, and what it wrote since.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Json>) {
        let mut rest = Vec::new();
        while let Ok(json) = self.lines.recv_timeout(PATIENCE) {
            rest.push(json);
        }
        let status: ExitStatus = self.child.wait().unwrap();
        (status.code(), rest)
    }

    /// Sends Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Ends it as a supervisor does.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Gdwire {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without the surroundings of the test run.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gdwire"));
    command.env_remove("GODOT").env_remove("RUST_LOG");
    command
}

/// Runs it to its end: exit code, output, and what it wrote to standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

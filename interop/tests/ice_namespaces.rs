//! Two agents behind NAT boxes of the kernel: the same answers as in the simulated internet.
//!
//! The tests make network namespaces of their own and remove them. Where a machine does not allow that they are skipped aloud.

use interop::namespaces::{Internet, Masquerade};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ice_player");
const PATIENCE: Duration = Duration::from_secs(80);

/// A process whose lines are read.
struct Player {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Player {
    fn new(mut child: Child) -> Self {
        let (to_us, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(to_us.send(line)));
        });
        let input = child.stdin.take().expect("it is piped");
        Self {
            child,
            input,
            lines,
        }
    }

    /// The next line that begins with one of `words`.
    fn line(&self, words: &[&str]) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("it speaks in time");
            if words.iter().any(|word| line.starts_with(word)) {
                return line;
            }
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether two players behind such boxes connect; `None` if this machine has no namespaces.
fn connects(boxes: [Masquerade; 2]) -> Option<bool> {
    let internet = Internet::new(boxes)?;
    let server = format!("{}:3478", Internet::SERVER);
    let stun = Player::new(internet.server(PROGRAM, &["stun", &server]));
    stun.line(&["listening"]);
    let mut players = [(0, "controlling"), (1, "controlled")].map(|(index, role)| {
        let local = format!("{}:4000{index}", Internet::HOMES[index]);
        Player::new(internet.home(index, PROGRAM, &[&local, &server, role]))
    });
    let descriptions = players
        .each_ref()
        .map(|player| player.line(&["description"]));
    for (player, description) in players.iter_mut().zip(descriptions.iter().rev()) {
        writeln!(player.input, "{description}").expect("it listens");
    }
    let outcomes = players
        .each_ref()
        .map(|player| player.line(&["data", "failed"]));
    println!("{boxes:?}: {outcomes:?}");
    assert_eq!(outcomes[0], outcomes[1], "both sides agree");
    Some(outcomes[0] == "data")
}

// The three run side by side: a pair that cannot connect takes 40 s to say so.

#[test]
fn two_boxes_that_preserve_ports_let_players_connect() {
    let way = connects([Masquerade::Preserving, Masquerade::Preserving]);
    assert!(way.unwrap_or(true));
}

#[test]
fn a_symmetric_box_of_the_other_player_keeps_them_apart() {
    let way = connects([Masquerade::Preserving, Masquerade::Random]);
    assert!(!way.unwrap_or(false));
}

#[test]
fn a_symmetric_box_of_the_own_home_keeps_them_apart() {
    let way = connects([Masquerade::Random, Masquerade::Preserving]);
    assert!(!way.unwrap_or(false));
}

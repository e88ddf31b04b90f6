//! TCP candidates of `ice-lite` against libnice, over connections of this host.

use gdwire::drive::seed;
use ice_lite::{Config, Description, Event, Role, State, TcpType};
use interop::ice::{Meeting, Telling, libnice};
use std::path::PathBuf;

fn meeting(
    python: PathBuf,
    kind: TcpType,
    words: &[&str],
    config: Config,
    telling: Telling,
) -> Meeting {
    let regular = words.contains(&"regular");
    let process = (python, "nice_peer.py", words);
    let describe = |description: &mut Description| description.options.ice2 = regular;
    Meeting::over_tcp(kind, process, (config, telling), describe)
}

// req: P-1, P-3, P-4
#[test]
fn libnice_and_we_connect_over_tcp_in_both_roles_whoever_opens_the_connection() {
    let Some(python) = libnice() else { return };
    for (word, role) in [
        ("controlling", Role::Controlled),
        ("controlled", Role::Controlling),
    ] {
        for kind in [TcpType::Active, TcpType::Passive] {
            for (telling, words) in [
                (Telling::Trickle, &[word, "tcp"][..]),
                (Telling::Whole, &[word, "tcp", "regular"]),
            ] {
                let config = Config::new(seed().unwrap(), role);
                let mut meeting = meeting(python.clone(), kind, words, config, telling);
                meeting.connect();
                let path = meeting.agent.path().expect("a path");
                assert!(path.connection.is_some(), "{words:?} {kind:?}");
                let asked = meeting
                    .agent
                    .pairs()
                    .all(|pair| pair.path.connection.is_some());
                assert!(asked, "there is nothing but TCP");
            }
        }
    }
}

// req: P-4, I-71
#[test]
fn libnice_connects_to_our_lite_agent_over_tcp() {
    let Some(python) = libnice() else { return };
    let words = &["controlling", "tcp", "regular"];
    let config = Config::lite(seed().unwrap());
    meeting(python, TcpType::Passive, words, config, Telling::Whole).connect();
}

// req: P-3
#[test]
fn libnice_that_is_killed_is_found_out_as_its_connection_closes() {
    let Some(python) = libnice() else { return };
    for kind in [TcpType::Active, TcpType::Passive] {
        let words = &["controlled", "tcp", "regular"];
        let config = Config::new(seed().unwrap(), Role::Controlling);
        let mut meeting = meeting(python.clone(), kind, words, config, Telling::Trickle);
        meeting.connect();
        let path = meeting.agent.path().expect("a path");
        meeting.peer.kill();
        // Silence would take 30 s and more to tell, and a path that was only silent would be disconnected before.
        meeting.until("end of consent", |meeting| {
            meeting.events.contains(&Event::ConsentExpired(path))
        });
        assert!(!meeting.events.contains(&Event::State(State::Disconnected)));
        assert_eq!(meeting.agent.state(), State::Failed);
        assert!(!meeting.send("nothing leaves"));
    }
}

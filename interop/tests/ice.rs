//! `ice-lite` against aioice, libnice and libjuice, in both roles, inside this host.

use gdwire::drive::seed;
use ice_lite::{CandidateKind, Config, Description, DropReason, Event, Nomination, Role, State};
use interop::ice::{Meeting, Stranger, Telling, aioice, libjuice, libnice};
use interop::namespaces::alone;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const WORDS: [&str; 2] = ["controlling", "controlled"];

/// Our agent in the role that is left.
fn config(theirs: &str) -> Config {
    let role = if theirs == "controlling" {
        Role::Controlled
    } else {
        Role::Controlling
    };
    Config::new(seed().unwrap(), role)
}

/// aioice names pairs in each check.
fn aggressive(description: &mut Description) {
    description.options.ice2 = false;
}

#[test]
fn aioice_and_we_connect_in_both_roles_with_and_without_trickle() {
    let Some(python) = aioice() else { return };
    for word in WORDS {
        for telling in [Telling::Trickle, Telling::Whole] {
            let process = (python.clone(), "aioice_peer.py", &[word][..]);
            let mut meeting = Meeting::new(process, config(word), telling, aggressive);
            meeting.connect();
            let path = meeting.agent.path().expect("a path");
            assert_eq!(path.remote_kind, CandidateKind::Host, "{word} {telling:?}");
        }
    }
}

// req: I-15, I-16
#[test]
fn aioice_and_we_resolve_a_conflict_of_roles() {
    let Some(python) = aioice() else { return };
    for (word, role) in [
        ("controlling", Role::Controlling),
        ("controlled", Role::Controlled),
    ] {
        for tie_breaker in [0, u64::MAX] {
            let mut config = Config::new(seed().unwrap(), role);
            config.tie_breaker = Some(tie_breaker);
            let process = (python.clone(), "aioice_peer.py", &[word][..]);
            let mut meeting = Meeting::new(process, config, Telling::Whole, aggressive);
            meeting.connect();
            let expected = if tie_breaker == 0 {
                Role::Controlled
            } else {
                Role::Controlling
            };
            assert_eq!(meeting.agent.role(), expected, "{word} {tie_breaker}");
        }
    }
}

// req: I-71
#[test]
fn aioice_connects_to_our_lite_agent() {
    let Some(python) = aioice() else { return };
    let process = (python, "aioice_peer.py", &["controlling", "lite"][..]);
    let config = Config::lite(seed().unwrap());
    let mut meeting = Meeting::new(process, config, Telling::Whole, aggressive);
    meeting.connect();
    // Its consent checks keep the session.
    meeting.run(Duration::from_secs(8));
    assert_eq!(meeting.agent.state(), State::Completed);
}

// req: C-1, C-2
#[test]
fn aioice_that_is_killed_is_found_out_when_consent_ends_and_not_while_it_answers() {
    let Some(python) = aioice() else { return };
    let process = (python, "aioice_peer.py", &["controlled"][..]);
    let mut config = config("controlled");
    // A third of the times of RFC 7675, so that the test is not a long one.
    config.timing.consent_expiry = Duration::from_secs(10);
    config.timing.consent_interval = Duration::from_secs(5);
    let mut meeting = Meeting::new(process, config, Telling::Trickle, aggressive);
    meeting.connect();
    meeting.run(Duration::from_secs(12));
    assert_eq!(meeting.agent.state(), State::Completed, "it answers");
    meeting.peer.kill();
    meeting.until("end of consent", |meeting| {
        meeting
            .events
            .iter()
            .any(|event| matches!(event, Event::ConsentExpired(_)))
    });
    assert!(!meeting.send("nothing leaves"));
    assert_eq!(meeting.agent.state(), State::Failed);
}

/// How many answers of the peer to our checks have counted.
fn answers(meeting: &Meeting) -> u64 {
    let pairs = meeting.agent.pairs();
    pairs.map(|pair| pair.stats.responses_received).sum()
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::ConsentExpired(_))
}

// req: C-1, C-2, HI-3
#[test]
fn a_peer_that_stops_for_a_while_keeps_consent_and_one_that_stays_away_loses_it_whatever_strangers_answer()
 {
    let Some(python) = aioice() else { return };
    let process = (python, "aioice_peer.py", &["controlled"][..]);
    let config = Config::new(seed().unwrap(), Role::Controlling);
    let expiry = config.timing.consent_expiry;
    assert_eq!(expiry, Duration::from_secs(30), "RFC 7675 section 5.1");
    let mut meeting = Meeting::new(process, config, Telling::Trickle, |description| {
        description.options.ice2 = false;
    });
    meeting.connect();

    meeting.peer.pause();
    meeting.until("silence", |meeting| {
        meeting.agent.state() == State::Disconnected
    });
    meeting.peer.resume();
    meeting.until("answer", |meeting| {
        meeting.agent.state() == State::Completed
    });
    meeting.exchange("it is back");
    assert!(!meeting.events.iter().any(is_end));

    let first = answers(&meeting);
    let mut answered = Instant::now();
    meeting.until("an answer", |meeting| {
        let done = answers(meeting) > first;
        if !done {
            // It comes in the next step at the earliest.
            answered = Instant::now();
        }
        done
    });
    meeting.peer.pause();
    let last = answers(&meeting);
    let mut stranger = Stranger::on_this_host();
    meeting.until("end of consent", |meeting| {
        stranger.answer(meeting);
        meeting.events.iter().any(is_end)
    });
    let took = answered.elapsed();
    assert_eq!(answers(&meeting), last, "no answer of the stranger counts");
    assert!(took >= expiry, "{took:?}");
    // The machine may be busy.
    assert!(took < expiry + Duration::from_secs(10), "{took:?}");
    assert_eq!(meeting.agent.state(), State::Failed);
    assert!(!meeting.send("nothing leaves"));
    let stats = meeting.agent.stats();
    for reason in [
        DropReason::WrongAddress,
        DropReason::BadIntegrity,
        DropReason::UnknownTransaction,
    ] {
        // Two to each of at least four checks.
        assert!(
            stats.dropped(reason) >= 8,
            "{reason:?}: {}",
            stats.dropped(reason)
        );
    }
}

// req: I-78
#[test]
fn aioice_without_a_restart_of_its_own_follows_ours_and_data_goes_on() {
    let Some(python) = aioice() else { return };
    let process = (python, "aioice_peer.py", &["controlled"][..]);
    let config = config("controlled");
    let mut meeting = Meeting::new(process, config, Telling::Trickle, aggressive);
    meeting.connect();
    meeting.run(Duration::from_millis(1100));
    meeting.restart();
    meeting.exchange("before it knows");
    let ours = meeting.agent.credentials();
    let told = json!({"ufrag": ours.ufrag(), "password": ours.password()});
    meeting.peer.command(&told);
    meeting.hear_again();
    meeting.until("new path", |meeting| {
        meeting.agent.state() == State::Completed
    });
    // The old generation ends, and the consent of both goes on in the new one.
    meeting.run(Duration::from_secs(18));
    assert_eq!(meeting.agent.state(), State::Completed);
    meeting.exchange("after it");
}

fn nice(python: PathBuf, words: &[&str], config: Config, telling: Telling) -> Meeting {
    let regular = words.contains(&"regular");
    let lite = words.contains(&"lite");
    let process = (python, "nice_peer.py", words);
    Meeting::new(process, config, telling, |description| {
        description.options.ice2 = regular;
        description.lite = lite;
    })
}

#[test]
fn libnice_and_we_connect_in_both_roles_with_and_without_trickle() {
    let Some(python) = libnice() else { return };
    for word in WORDS {
        for telling in [Telling::Trickle, Telling::Whole] {
            for words in [&[word][..], &[word, "regular"]] {
                let mut meeting = nice(python.clone(), words, config(word), telling);
                meeting.connect();
            }
        }
    }
}

// req: I-50
#[test]
fn libnice_follows_our_aggressive_nomination() {
    let Some(python) = libnice() else { return };
    let mut config = config("controlled");
    config.nomination = Nomination::Aggressive;
    nice(python, &["controlled"], config, Telling::Whole).connect();
}

// req: I-14, I-71
#[test]
fn libnice_and_we_connect_when_one_of_us_is_lite() {
    let Some(python) = libnice() else { return };
    let words = &["controlling", "regular"];
    nice(
        python.clone(),
        words,
        Config::lite(seed().unwrap()),
        Telling::Whole,
    )
    .connect();
    let words = &["controlled", "lite"];
    nice(python, words, config("controlled"), Telling::Whole).connect();
}

// req: I-78
#[test]
fn libnice_and_we_restart_in_both_roles_and_data_goes_on() {
    let Some(python) = libnice() else { return };
    for word in WORDS {
        let words = &[word, "regular"];
        let mut meeting = nice(python.clone(), words, config(word), Telling::Trickle);
        meeting.connect();
        meeting.run(Duration::from_millis(1100));
        let before = meeting.agent.credentials().clone();
        // libnice begins a new generation and tells it, which restarts our side too.
        meeting.peer.command(&json!({"restart": true}));
        meeting.until("restart", |meeting| meeting.agent.credentials() != &before);
        meeting.tell();
        meeting.until("new path", |meeting| {
            meeting.agent.state() == State::Completed
        });
        meeting.exchange("after the restart");
    }
}

#[test]
fn libjuice_and_we_connect_in_both_roles_with_and_without_trickle() {
    let Some(python) = libjuice() else { return };
    // libjuice does not use the loopback interface.
    alone(|ip| {
        for word in WORDS {
            for telling in [Telling::Trickle, Telling::Whole] {
                let process = (python.clone(), "juice_peer.py", &[word][..]);
                let setting = (config(word), telling);
                let mut meeting = Meeting::at(ip, process, setting, |_| {});
                meeting.until("path", |meeting| {
                    meeting.agent.state() == State::Completed && meeting.told("connected")
                });
                // libdatachannel begins its handshake on the path: a record of DTLS.
                meeting.until("data", |meeting| {
                    meeting
                        .received
                        .iter()
                        .any(|data| data.starts_with('\u{16}'))
                });
            }
        }
    });
}

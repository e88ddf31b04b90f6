//! `ice-lite` against the ICE of libwebrtc in a running Chromium: whole offers and answers, in both roles.

use gdwire::drive::seed;
use ice_lite::{CandidateKind, Config, Event, Nomination, Role, State};
use interop::ice::{Meeting, Telling, TheirPair, chromium};
use interop::namespaces::alone;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

fn meet(browser: &Path, ip: IpAddr, config: Config, telling: Telling, more: &[&str]) -> Meeting {
    let browser = browser.to_str().expect("a path in UTF-8");
    let manner = match telling {
        Telling::Trickle => "trickle",
        Telling::Whole => "whole",
    };
    let words: Vec<&str> = [browser, manner].iter().chain(more).copied().collect();
    let process = ("python3".into(), "chromium_peer.py", &words[..]);
    Meeting::session(ip, process, (config, telling))
}

/// The caller controls, and the first word goes.
fn call(meeting: &mut Meeting, we_call: bool) {
    if we_call {
        meeting.call();
    } else {
        meeting.be_called();
    }
}

const fn role(we_call: bool) -> Role {
    if we_call {
        Role::Controlling
    } else {
        Role::Controlled
    }
}

/// Both sides have chosen the same pair, data comes and goes on it.
fn connect(meeting: &mut Meeting) -> TheirPair {
    meeting.until("path", |meeting| {
        meeting.agent.state() == State::Completed && meeting.told("connected")
    });
    let path = meeting.agent.path().expect("a path");
    let pair = meeting.until_pair("the same pair", |pair| {
        pair.local.is_none_or(|local| local == path.remote) && pair.remote == path.base
    });
    assert_eq!(pair.port, path.remote.port());
    let expected = match meeting.agent.role() {
        Role::Controlling => "controlled",
        Role::Controlled => "controlling",
    };
    assert_eq!(pair.role, expected);
    pair
}

/// The browser gets what we send.
fn send(meeting: &mut Meeting) {
    let before = meeting.until_pair("a count", |_| true).received;
    assert!(meeting.send("no record of DTLS"));
    meeting.until_pair("data", |pair| pair.received > before);
}

/// libwebrtc begins its handshake on the path: a record of DTLS.
fn receive(meeting: &mut Meeting) {
    meeting.until("data", |meeting| {
        let mut received = meeting.received.iter();
        received.any(|data| data.starts_with('\u{16}'))
    });
}

#[test]
fn chromium_and_we_connect_in_both_roles_with_and_without_trickle() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        for we_call in [true, false] {
            for telling in [Telling::Trickle, Telling::Whole] {
                let config = Config::new(seed().unwrap(), role(we_call));
                let mut meeting = meet(&browser, ip, config, telling, &[]);
                call(&mut meeting, we_call);
                connect(&mut meeting);
                assert_eq!(meeting.agent.role(), role(we_call));
                receive(&mut meeting);
                send(&mut meeting);
            }
        }
    });
}

// req: I-14, I-71
#[test]
fn chromium_controls_our_lite_agent_whoever_calls_and_keeps_its_path() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        for we_call in [true, false] {
            let config = Config::lite(seed().unwrap());
            let mut meeting = meet(&browser, ip, config, Telling::Whole, &[]);
            call(&mut meeting, we_call);
            let before = connect(&mut meeting);
            receive(&mut meeting);
            meeting.run(Duration::from_secs(8));
            assert_eq!(meeting.agent.state(), State::Completed);
            let after = connect(&mut meeting);
            assert!(after.answers > before.answers, "{before:?} {after:?}");
            send(&mut meeting);
        }
    });
}

// req: I-78, I-79
#[test]
fn chromium_and_we_restart_after_each_other_and_data_goes_on() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        for (telling, we_call) in [(Telling::Trickle, true), (Telling::Whole, false)] {
            let config = Config::new(seed().unwrap(), role(we_call));
            let mut meeting = meet(&browser, ip, config, telling, &[]);
            call(&mut meeting, we_call);
            let mut pair = connect(&mut meeting);
            for we_restart in [true, false] {
                let ours = meeting.agent.credentials().clone();
                // Agents take no two restarts within a second.
                meeting.run(Duration::from_millis(1100));
                if we_restart {
                    meeting.restart();
                    meeting.call();
                } else {
                    meeting.be_restarted();
                    meeting.until("restart", |meeting| meeting.agent.credentials() != &ours);
                }
                meeting.until_moved(&pair);
                pair = connect(&mut meeting);
                assert_ne!(meeting.agent.credentials(), &ours);
                send(&mut meeting);
            }
            // Roles last as long as the session, but libwebrtc takes control when it restarts: a conflict, which is resolved.
            assert!(!meeting.peer.events.iter().any(|event| {
                matches!(event["state"].as_str(), Some("disconnected" | "failed"))
            }));
        }
    });
}

// req: I-15, I-16
#[test]
fn chromium_and_we_resolve_a_conflict_of_roles() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        for we_call in [true, false] {
            for (tie_breaker, expected) in [(0, Role::Controlled), (u64::MAX, Role::Controlling)] {
                // Both believe that they control, or both that they do not.
                let mut config = Config::new(seed().unwrap(), role(we_call).opposite());
                config.tie_breaker = Some(tie_breaker);
                let mut meeting = meet(&browser, ip, config, Telling::Whole, &[]);
                call(&mut meeting, we_call);
                connect(&mut meeting);
                assert_eq!(meeting.agent.role(), expected, "{we_call} {tie_breaker}");
            }
        }
    });
}

// req: I-50
#[test]
fn chromium_follows_our_aggressive_nomination() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        let mut config = Config::new(seed().unwrap(), Role::Controlling);
        config.nomination = Nomination::Aggressive;
        let mut meeting = meet(&browser, ip, config, Telling::Trickle, &[]);
        meeting.call();
        connect(&mut meeting);
    });
}

#[test]
fn the_name_behind_which_chromium_hides_its_address_is_for_the_caller_to_look_up() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        for we_call in [true, false] {
            let config = Config::new(seed().unwrap(), role(we_call));
            let mut meeting = meet(&browser, ip, config, Telling::Trickle, &["mdns"]);
            call(&mut meeting, we_call);
            meeting.until("name", |meeting| meeting.names().next().is_some());
            let name = meeting.names().next().expect("seen").to_owned();
            assert!(name.ends_with(".local"), "{name}");
            meeting.resolve(&name, Some(ip));
            let pair = connect(&mut meeting);
            assert_eq!(pair.local, None, "it is hidden from the page too");
            let path = meeting.agent.path().expect("a path");
            assert_eq!(path.remote_kind, CandidateKind::Host);
        }
    });
}

// req: C-1, C-2
#[test]
fn chromium_that_is_killed_is_found_out_when_consent_ends_and_not_while_it_answers() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        let mut config = Config::new(seed().unwrap(), Role::Controlling);
        // A third of the times of RFC 7675, so that the test is not a long one.
        config.timing.consent_expiry = Duration::from_secs(10);
        config.timing.consent_interval = Duration::from_secs(5);
        let mut meeting = meet(&browser, ip, config, Telling::Trickle, &[]);
        meeting.call();
        connect(&mut meeting);
        meeting.run(Duration::from_secs(12));
        connect(&mut meeting);
        meeting.peer.kill();
        meeting.until("end of consent", |meeting| {
            let mut events = meeting.events.iter();
            events.any(|event| matches!(event, Event::ConsentExpired(_)))
        });
        assert!(!meeting.send("nothing leaves"));
        assert_eq!(meeting.agent.state(), State::Failed);
    });
}

// req: I-78
#[test]
fn chromium_notices_that_we_are_silent_and_a_restart_brings_both_back() {
    let Some(browser) = chromium() else { return };
    alone(|ip| {
        let config = Config::new(seed().unwrap(), Role::Controlling);
        let mut meeting = meet(&browser, ip, config, Telling::Trickle, &[]);
        meeting.call();
        let before = connect(&mut meeting);
        meeting.be_silent_until("disconnected");
        meeting.restart();
        meeting.call();
        meeting.until_moved(&before);
        connect(&mut meeting);
        send(&mut meeting);
    });
}

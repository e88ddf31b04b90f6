//! Measures echo servers over loopback sockets, ours and C ENet's, by the CPU time of their processes.
//!
//! ```text
//! sockets compare C_ECHO             both, with each load
//! sockets quick C_ECHO               the same for an instant, without figures
//! sockets serve SECONDS TICK_MICROS  our server, for the parts above
//! ```

use benches::sockets::{Pattern, Process, serve};
use core::time::Duration;
use std::io;
use std::process::{Command, ExitCode};

/// Seconds after which a server ends by itself.
const LIFETIME: &str = "120";
/// Measurements of each side of a case; the median counts.
const SAMPLES: usize = 5;
/// A frame of a game.
const TICK_MICROS: u32 = 16_667;

struct Case {
    name: &'static str,
    pattern: Pattern,
    tick_micros: u32,
}

const ONE: Pattern = Pattern {
    clients: 1,
    period: Duration::from_millis(1),
    batch: 16,
};
const THOUSAND: Pattern = Pattern {
    clients: 1000,
    period: Duration::from_millis(50),
    batch: 1,
};
const CASES: [Case; 4] = [
    Case {
        name: "1 peer, 16 messages each millisecond",
        pattern: ONE,
        tick_micros: 0,
    },
    Case {
        name: "the same, served 60 times a second",
        pattern: ONE,
        tick_micros: TICK_MICROS,
    },
    Case {
        name: "1,000 peers, 20 messages a second each",
        pattern: THOUSAND,
        tick_micros: 0,
    },
    Case {
        name: "the same, served 60 times a second",
        pattern: THOUSAND,
        tick_micros: TICK_MICROS,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["compare", c_echo] => compare(c_echo),
        ["quick", c_echo] => quick(c_echo),
        ["serve", seconds, tick] => number(seconds).and_then(|seconds| {
            let tick = Duration::from_micros(number(tick)?);
            serve(Duration::from_secs(seconds), tick)
        }),
        _ => Err(io::Error::other(
            "see the head of benches/src/bin/sockets.rs",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockets: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse()
        .map_err(|_| io::Error::other(format!("{text} is not a number")))
}

fn ours(case: &Case) -> io::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", LIFETIME, &case.tick_micros.to_string()]);
    Process::start(command)
}

fn c(case: &Case, c_echo: &str) -> io::Result<Process> {
    let mut command = Command::new(c_echo);
    command.args([LIFETIME, &case.tick_micros.to_string()]);
    Process::start(command)
}

fn compare(c_echo: &str) -> io::Result<()> {
    println!(
        "CPU time of the server, in the system too, for a message of 64 bytes and its answer; medians\n"
    );
    println!(
        "{:<42} {:>10} {:>10} {:>7}",
        "load", "gdwire", "C ENet", "ours:C"
    );
    for case in &CASES {
        let window = Duration::from_secs(3);
        let (mut our_samples, mut c_samples) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            our_samples.push(ours(case)?.measure(case.pattern, window)?);
            c_samples.push(c(case, c_echo)?.measure(case.pattern, window)?);
        }
        let (ours, c) = (median(our_samples), median(c_samples));
        println!(
            "{:<42} {ours:>7.2} us {c:>7.2} us {:>7.3}",
            case.name,
            ours / c
        );
    }
    Ok(())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn quick(c_echo: &str) -> io::Result<()> {
    for case in &CASES {
        let pattern = Pattern {
            clients: case.pattern.clients.min(20),
            ..case.pattern
        };
        let window = Duration::from_millis(300);
        ours(case)?.measure(pattern, window)?;
        c(case, c_echo)?.measure(pattern, window)?;
    }
    println!("sockets: both servers answer");
    Ok(())
}

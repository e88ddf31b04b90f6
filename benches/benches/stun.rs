//! Measures `stun-proto` beside other crates for STUN and prints all with the ratio to the fastest of the others.
//!
//! One batch of each side after the other, many times, and the medians of their CPU times: what disturbs the machine
//! disturbs all sides alike.

use benches::stun::{Is, Messages, Ours, RtcStun, Side, StunCodec, StunTypes, Work, check_side};
use cpu_time::ThreadTime;

/// Batches of each side.
const BATCHES: usize = 101;
/// Messages of a batch.
const BATCH: u64 = 2000;

/// What one side needs for a message, by the kind of work.
struct Row {
    name: &'static str,
    nanos: [Option<f64>; Work::ALL.len()],
}

/// Runs one batch of some work.
type Batch<'a> = Box<dyn FnMut() -> bool + 'a>;

fn batch<S: Side + 'static>(messages: &Messages, work: Work) -> Option<Batch<'_>> {
    if !S::can(work) {
        return None;
    }
    let mut side = S::new();
    Some(Box::new(move || messages.run(&mut side, work, BATCH)))
}

/// Medians in nanoseconds for one message, side by side.
fn measure(mut sides: Vec<Option<Batch<'_>>>) -> Vec<Option<f64>> {
    let mut samples = vec![Vec::new(); sides.len()];
    for round in 0..=BATCHES {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            let Some(side) = side else { continue };
            let start = ThreadTime::now();
            let good = side();
            let nanos = start.elapsed().as_nanos() as f64 / BATCH as f64;
            assert!(good, "a good message was refused");
            // The first round warms up.
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied()
    };
    samples.into_iter().map(median).collect()
}

macro_rules! sides {
    ($($side:ident),+) => {
        fn check() {
            $(check_side::<$side>();)+
        }

        fn rows(messages: &Messages) -> Vec<Row> {
            let mut rows = vec![$(Row { name: $side::NAME, nanos: [None; Work::ALL.len()] }),+];
            for (column, work) in Work::ALL.into_iter().enumerate() {
                let nanos = measure(vec![$(batch::<$side>(messages, work)),+]);
                for (row, nanos) in rows.iter_mut().zip(nanos) {
                    row.nanos[column] = nanos;
                }
            }
            rows
        }
    };
}

sides!(Ours, StunTypes, StunCodec, RtcStun, Is);

fn main() {
    check();
    if std::env::args().any(|argument| argument == "--test") {
        println!("stun: all sides read and write the same");
        return;
    }
    let rows = rows(&Messages::new());
    println!("\nSTUN, nanoseconds for a message, medians, CPU time of one thread\n");
    print!("{:<38}", "work");
    rows.iter().for_each(|row| print!("{:>12}", row.name));
    println!("{:>12}", "ours:best");
    let (ours, others) = rows.split_first().expect("ours is the first");
    for (column, work) in Work::ALL.into_iter().enumerate() {
        print!("{:<38}", work.name());
        for row in &rows {
            let cell = row.nanos[column].map(|nanos| format!("{nanos:.0}"));
            print!("{:>12}", cell.unwrap_or_else(|| "-".to_owned()));
        }
        let best = others.iter().filter_map(|row| row.nanos[column]);
        let best = best.fold(f64::INFINITY, f64::min);
        let ratio = ours.nanos[column].map_or(f64::NAN, |nanos| nanos / best);
        println!("{ratio:>12.2}");
    }
}

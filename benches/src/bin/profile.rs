//! Runs one case of the comparison for a profiler, without statistics.
//!
//! ```text
//! cargo build --release --bin profile
//! valgrind --tool=callgrind target/release/profile reliable-64 gdwire 100000
//! ```

use benches::coder::{CCoder, Coder, OurCoder};
use benches::ice::{Contender, SocketWork};
use benches::scenario::{Crowd, Pair, Stream, bytes_per_idle_peer};
use benches::{CEnet, Delivery, End, Options, Ours, allocation};
use core::hint::black_box;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, side, count] = arguments.as_slice() else {
        eprintln!("profile CASE gdwire|c COUNT");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse() else {
        eprintln!("COUNT is a number");
        return ExitCode::from(2);
    };
    let known = match side.as_str() {
        "gdwire" => {
            run::<Ours>(case, count)
                || run_coder::<OurCoder>(case, count)
                || run_socket(case, count)
        }
        "c" => run::<CEnet>(case, count) || run_coder::<CCoder>(case, count),
        _ => false,
    };
    if !known {
        eprintln!("unknown case {case} or side {side}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn run<E: End>(case: &str, count: u64) -> bool {
    use Delivery::{Reliable, Unreliable};
    let usual = Options::default();
    let checksum = Options {
        checksum: true,
        ..usual
    };
    match case {
        "reliable-64" => messages::<E>(Reliable, 64, 16, count, usual),
        "unreliable-64" => messages::<E>(Unreliable, 64, 16, count, usual),
        "checksum-64" => messages::<E>(Reliable, 64, 16, count, checksum),
        "reliable-1200" => messages::<E>(Reliable, 1200, 16, count, usual),
        "reliable-1M" => messages::<E>(Reliable, 1 << 20, 1, count, usual),
        "loss-0" => stream::<E>(0, count),
        "loss-1" => stream::<E>(10, count),
        "loss-5" => stream::<E>(50, count),
        "idle" => {
            let mut crowd = Crowd::<E>::connected(1000, 2);
            timed(count, || (0..count).for_each(|_| crowd.idle_service()));
        }
        "broadcast" => {
            let mut crowd = Crowd::<E>::connected(1000, 2);
            timed(count * 1000, || {
                (0..count).for_each(|_| crowd.broadcast(Reliable, &[7; 64]));
            });
        }
        "broadcast-unreliable" => {
            let mut crowd = Crowd::<E>::connected(1000, 2);
            timed(count * 1000, || {
                (0..count).for_each(|_| crowd.broadcast(Unreliable, &[7; 64]));
            });
        }
        "packets" => {
            let mut crowd = Crowd::<E>::connected(1000, 2);
            timed(count * 2000, || {
                for _ in 0..count {
                    black_box(crowd.converse(&[7; 64], 1));
                }
            });
        }
        "memory" => {
            let measure = || bytes_per_idle_peer::<E>(1000, 255, allocation::live_bytes);
            let bytes = allocation::counting(|| allocation::counting_c(measure));
            println!("{bytes} bytes per peer");
        }
        _ => return false,
    }
    true
}

fn run_coder<C: Coder>(case: &str, count: u64) -> bool {
    let bytes = match case {
        "range-coder-64" => 64,
        "range-coder-1200" => 1200,
        _ => return false,
    };
    let mut coder = C::default();
    timed(count, || coder.round_trips(bytes, count));
    true
}

/// `ice-check-1000`: checks for one of 1,000 ICE agents on a socket; `ice-data-1000`: data.
fn run_socket(case: &str, count: u64) -> bool {
    let work = [
        ("ice-check-", SocketWork::Check),
        ("ice-data-", SocketWork::Data),
    ];
    let found = work.into_iter().find_map(|(prefix, work)| {
        let agents = case.strip_prefix(prefix)?.parse().ok()?;
        Some((work, Contender::Ours.socket(agents)?))
    });
    let Some((work, mut datagrams)) = found else {
        return false;
    };
    timed(count, || datagrams.run(work, count));
    true
}

fn messages<E: End>(delivery: Delivery, size: usize, batch: usize, count: u64, options: Options) {
    let mut pair = Pair::<E>::connected(1, options);
    let payload = vec![7; size];
    timed(count, || {
        pair.send_batches(delivery, &payload, batch, count);
    });
}

fn stream<E: End>(loss_permille: u32, count: u64) {
    let options = Options {
        deep_queues: true,
        ..Options::default()
    };
    let mut stream = Stream::<E>::new(8000, loss_permille, options);
    let before = stream.elapsed_ms();
    timed(count, || stream.receive(&[7; 8], count));
    println!("{} ms of virtual time", stream.elapsed_ms() - before);
}

/// Not inlined, since the profiler is switched on by its name.
#[inline(never)]
fn timed(count: u64, work: impl FnOnce()) {
    let start = cpu_time::ThreadTime::now();
    work();
    let nanos = start.elapsed().as_nanos();
    println!("{:.1} ns each", nanos as f64 / count as f64);
}

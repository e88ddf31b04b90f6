//! Measures gdwire beside C ENet with criterion and prints both with their ratio.
//!
//! Times are those of the thread's CPU clock, so that other programs disturb them less.

use benches::coder::{CCoder, Coder, OurCoder, datagram};
use benches::scenario::{Crowd, Pair, Stream};
use benches::{CEnet, Delivery, End, Options, Ours, values};
use core::cell::RefCell;
use core::hint::black_box;
use core::time::Duration;
use cpu_time::ThreadTime;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use replication_proto::variant::{self, Limits, compact};
use std::process::Command;

/// Peers in the scenarios with many.
const CROWD: usize = 1000;

/// One line of the summary: nanoseconds, or bytes.
struct Line {
    case: &'static str,
    unit: &'static str,
    ours: f64,
    c: Option<f64>,
    /// Most that ours may take of what C ENet takes.
    aim: Option<f64>,
}

/// What a side takes for one unit of work, in nanoseconds, from how many units it shall do; it says how many it did.
type Measured = (Duration, u64);

/// Measures one side of a case; gives the median of the samples in nanoseconds.
///
/// `make` gives what does at least the given number of units of work, and says how long it took and how many it did;
/// it is not called if the command line leaves this case out.
fn measure<R: FnMut(u64) -> Measured>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    side: &str,
    make: impl Fn() -> R,
) -> f64 {
    let samples = RefCell::new(Vec::new());
    let mut run = None;
    group.bench_function(side, |bencher| {
        let run = run.get_or_insert_with(&make);
        bencher.iter_custom(|count| {
            let (time, done) = run(count);
            let each = time.as_nanos() as f64 / done as f64;
            samples.borrow_mut().push(each);
            Duration::from_nanos((each * count as f64) as u64)
        });
    });
    let mut samples = samples.into_inner();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Takes the time of all that `run` does.
fn timed(mut run: impl FnMut(u64) -> u64) -> impl FnMut(u64) -> Measured {
    move |count| {
        let start = ThreadTime::now();
        let done = run(count);
        (start.elapsed(), done)
    }
}

const USUAL: Options = Options {
    checksum: false,
    range_coder: false,
    deep_queues: false,
};
const CHECKSUM: Options = Options {
    checksum: true,
    ..USUAL
};
const RANGE_CODER: Options = Options {
    range_coder: true,
    ..USUAL
};
const DEEP_QUEUES: Options = Options {
    deep_queues: true,
    ..USUAL
};

fn messages<E: End>(
    delivery: Delivery,
    size: usize,
    batch: usize,
    options: Options,
) -> impl FnMut(u64) -> Measured {
    let mut pair = Pair::<E>::connected(1, options);
    let payload = datagram(size, 1);
    timed(move |count| pair.send_batches(delivery, &payload, batch, count))
}

/// Both ends of the coder without a host around it.
fn coder<C: Coder>(bytes: usize) -> impl FnMut(u64) -> Measured {
    let mut coder = C::default();
    timed(move |count| {
        coder.round_trips(bytes, count);
        count
    })
}

fn stream<E: End>(
    in_flight: u64,
    loss_permille: u32,
    options: Options,
) -> impl FnMut(u64) -> Measured {
    let mut stream = Stream::<E>::new(in_flight, loss_permille, options);
    timed(move |count| {
        // Fewer than a burst of thousands would measure how long it takes to begin.
        let count = count.max(in_flight);
        stream.receive(&[7; 8], count);
        count
    })
}

fn idle<E: End>() -> impl FnMut(u64) -> Measured {
    let mut crowd = Crowd::<E>::connected(CROWD, 2);
    timed(move |count| {
        (0..count).for_each(|_| crowd.idle_service());
        count
    })
}

fn broadcast<E: End>(delivery: Delivery) -> impl FnMut(u64) -> Measured {
    let mut crowd = Crowd::<E>::connected(CROWD, 2);
    timed(move |count| {
        let rounds = count.div_ceil(CROWD as u64);
        (0..rounds).for_each(|_| crowd.broadcast(delivery, &[7; 64]));
        rounds * CROWD as u64
    })
}

/// What a packet costs the server alone, whether it goes out or comes in.
fn packets<E: End>(peers: usize) -> impl FnMut(u64) -> Measured {
    let mut crowd = Crowd::<E>::connected(peers, 2);
    // Few peers get several packets at a time, so that reading the clock does not count.
    let each = (256 / peers).max(1);
    let packets = (2 * peers * each) as u64;
    move |count| {
        let rounds = count.div_ceil(packets);
        let times = (0..rounds).map(|_| crowd.converse(&[7; 64], each));
        (times.sum(), rounds * packets)
    }
}

/// Both sides of one case.
macro_rules! compare {
    ($criterion:ident, $lines:ident, $case:literal, $aim:expr, $scenario:ident($($argument:expr),*)) => {
        compare!($criterion, $lines, $case, $aim, $scenario($($argument),*), Ours, CEnet);
    };
    ($criterion:ident, $lines:ident, $case:literal, $aim:expr, $scenario:ident($($argument:expr),*), $ours:ident, $c:ident) => {
        let mut group = $criterion.benchmark_group($case);
        let ours = measure(&mut group, $ours::NAME, || $scenario::<$ours>($($argument),*));
        let c = measure(&mut group, $c::NAME, || $scenario::<$c>($($argument),*));
        group.finish();
        $lines.push(Line { case: $case, unit: "ns", ours, c: Some(c), aim: $aim });
    };
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let criterion = &mut criterion;
    let mut lines = Vec::new();
    hosts(criterion, &mut lines);
    variants(criterion, &mut lines);
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    if lines.iter().any(|line| line.ours.is_nan()) {
        // The command line chose some cases.
        lines.retain(|line| !line.ours.is_nan());
    } else {
        lines.push(memory());
    }
    print(&lines);
}

/// Host against host; our limits are the defaults but where the case says otherwise.
fn hosts(criterion: &mut Criterion, lines: &mut Vec<Line>) {
    use Delivery::{Reliable, Unreliable};
    compare!(
        criterion,
        lines,
        "64 B reliable",
        Some(0.7),
        messages(Reliable, 64, 16, USUAL)
    );
    compare!(
        criterion,
        lines,
        "64 B unreliable",
        Some(0.7),
        messages(Unreliable, 64, 16, USUAL)
    );
    compare!(
        criterion,
        lines,
        "64 B reliable, CRC-32",
        Some(0.3),
        messages(Reliable, 64, 16, CHECKSUM)
    );
    compare!(
        criterion,
        lines,
        "64 B reliable, range coder",
        Some(0.6),
        messages(Reliable, 64, 16, RANGE_CODER)
    );
    compare!(
        criterion,
        lines,
        "range coder alone, 64 B",
        None,
        coder(64),
        OurCoder,
        CCoder
    );
    compare!(
        criterion,
        lines,
        "range coder alone, 1200 B",
        None,
        coder(1200),
        OurCoder,
        CCoder
    );
    compare!(
        criterion,
        lines,
        "1200 B reliable",
        None,
        messages(Reliable, 1200, 16, USUAL)
    );
    compare!(
        criterion,
        lines,
        "1 MiB reliable",
        None,
        messages(Reliable, 1 << 20, 1, USUAL)
    );
    compare!(
        criterion,
        lines,
        "8 B reliable, 1000 in flight",
        None,
        stream(1000, 0, USUAL)
    );
    compare!(
        criterion,
        lines,
        "1000 in flight, 1 % loss",
        None,
        stream(1000, 10, USUAL)
    );
    compare!(
        criterion,
        lines,
        "1000 in flight, 5 % loss",
        Some(0.1),
        stream(1000, 50, USUAL)
    );
    compare!(
        criterion,
        lines,
        "8000 in flight, raised limits",
        None,
        stream(8000, 0, DEEP_QUEUES)
    );
    compare!(
        criterion,
        lines,
        "8000 in flight, 1 % loss, raised limits",
        None,
        stream(8000, 10, DEEP_QUEUES)
    );
    compare!(
        criterion,
        lines,
        "8000 in flight, 5 % loss, raised limits",
        Some(0.1),
        stream(8000, 50, DEEP_QUEUES)
    );
    compare!(
        criterion,
        lines,
        "idle service call, 1000 peers",
        Some(0.05),
        idle()
    );
    compare!(
        criterion,
        lines,
        "broadcast of 64 B reliable, per peer",
        Some(0.4),
        broadcast(Reliable)
    );
    compare!(
        criterion,
        lines,
        "broadcast of 64 B unreliable, per peer",
        Some(0.4),
        broadcast(Unreliable)
    );
    compare!(
        criterion,
        lines,
        "server's cost of a packet, 1 peer",
        None,
        packets(1)
    );
    compare!(
        criterion,
        lines,
        "server's cost of a packet, 100 peers",
        None,
        packets(100)
    );
    compare!(
        criterion,
        lines,
        "server's cost of a packet, 1000 peers",
        None,
        packets(1000)
    );
    compare!(
        criterion,
        lines,
        "server's cost of a packet, 4000 peers",
        None,
        packets(4000)
    );
}

/// Encoding and decoding of values, which C ENet has nothing to set beside.
fn variants(criterion: &mut Criterion, lines: &mut Vec<Line>) {
    let limits = Limits::default();
    for (names, value) in [
        (
            ["encode a game state", "decode a game state"],
            values::game_state(),
        ),
        (
            ["encode 1000 points", "decode 1000 points"],
            values::points(),
        ),
    ] {
        let mut bytes = Vec::new();
        variant::encode(&value, &mut bytes).expect("the value is encodable");
        let mut out = Vec::new();
        alone(criterion, lines, names[0], || {
            out.clear();
            variant::encode(black_box(&value), &mut out).expect("the value is encodable");
        });
        alone(criterion, lines, names[1], || {
            black_box(variant::decode(black_box(&bytes), &limits).expect("the bytes are good"));
        });
    }
    let arguments = values::movement();
    let mut bytes = Vec::new();
    let form = compact::encode_arguments(&arguments, &mut bytes).expect("they are encodable");
    let mut out = Vec::new();
    alone(criterion, lines, "encode 4 call arguments", || {
        out.clear();
        black_box(compact::encode_arguments(black_box(&arguments), &mut out).is_ok());
    });
    alone(criterion, lines, "decode 4 call arguments", || {
        black_box(compact::decode_arguments(black_box(&bytes), form, 255, &limits).is_ok());
    });
}

/// Measures what only we have.
fn alone(
    criterion: &mut Criterion,
    lines: &mut Vec<Line>,
    case: &'static str,
    mut run: impl FnMut(),
) {
    let mut group = criterion.benchmark_group(case);
    let run = RefCell::new(&mut run);
    let ours = measure(&mut group, Ours::NAME, || {
        timed(|count| {
            (0..count).for_each(|_| run.borrow_mut()());
            count
        })
    });
    group.finish();
    lines.push(Line {
        case,
        unit: "ns",
        ours,
        c: None,
        aim: None,
    });
}

/// Asks another program, since an allocator that counts would slow the other cases down.
fn memory() -> Line {
    let bytes = |side: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_profile"))
            .args(["memory", side, "1"])
            .output()
            .expect("the program was built with this one");
        let text = String::from_utf8_lossy(&output.stdout);
        let bytes = text.split(' ').next().and_then(|text| text.parse().ok());
        bytes.expect("it prints bytes per peer")
    };
    Line {
        case: "memory per idle peer, 255 channels",
        unit: "B",
        ours: bytes("gdwire"),
        c: Some(bytes("c")),
        aim: Some(0.1),
    }
}

fn print(lines: &[Line]) {
    let (major, minor, patch) = cenet::version();
    println!(
        "\nBoth ends together, medians, CPU time of one thread; C ENet {major}.{minor}.{patch}\n"
    );
    println!(
        "{:<40} {:>14} {:>14} {:>7}  aim",
        "case", "gdwire", "C ENet", "ours:C"
    );
    for line in lines {
        let show = |value: f64| format!("{value:.1} {}", line.unit);
        let Some(c) = line.c else {
            println!("{:<40} {:>14}", line.case, show(line.ours));
            continue;
        };
        let ratio = line.ours / c;
        let verdict = line.aim.map_or(String::new(), |aim| {
            let verdict = if ratio <= aim { "met" } else { "missed" };
            format!("{aim:.2} {verdict}")
        });
        println!(
            "{:<40} {:>14} {:>14} {ratio:>7.3}  {verdict}",
            line.case,
            show(line.ours),
            show(c),
        );
    }
}

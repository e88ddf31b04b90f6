//! Measures gdwire beside C ENet with criterion and prints both with their ratio.
//!
//! Times are those of the thread's CPU clock, so that other programs disturb them less.

use benches::scenario::{Crowd, Pair, Stream, bytes_per_idle_peer};
use benches::{CEnet, Delivery, End, Ours, allocation, values};
use core::cell::RefCell;
use core::hint::black_box;
use core::time::Duration;
use cpu_time::ThreadTime;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use replication_proto::variant::{self, Limits, compact};

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

/// Peers in the scenarios with many.
const CROWD: usize = 1000;

/// One line of the summary: nanoseconds, or bytes.
struct Line {
    case: &'static str,
    unit: &'static str,
    ours: f64,
    c: Option<f64>,
    /// How many times ahead of C ENet it shall be.
    goal: f64,
}

/// Measures one side of a case; gives the median of the samples in nanoseconds.
///
/// `make` gives what does at least the given number of units of work and says how many it did; it
/// is not called if the command line leaves this case out.
fn measure<R: FnMut(u64) -> u64>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    side: &str,
    make: impl Fn() -> R,
) -> f64 {
    let samples = RefCell::new(Vec::new());
    let mut run = None;
    group.bench_function(side, |bencher| {
        let run = run.get_or_insert_with(&make);
        bencher.iter_custom(|count| {
            let start = ThreadTime::now();
            let done = run(count);
            let each = start.elapsed().as_nanos() as f64 / done as f64;
            samples.borrow_mut().push(each);
            Duration::from_nanos((each * count as f64) as u64)
        });
    });
    let mut samples = samples.into_inner();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn messages<E: End>(delivery: Delivery, size: usize, batch: usize) -> impl FnMut(u64) -> u64 {
    let mut pair = Pair::<E>::connected(1);
    let payload = vec![7; size];
    move |count| pair.send_batches(delivery, &payload, batch, count)
}

fn stream<E: End>(loss_permille: u32) -> impl FnMut(u64) -> u64 {
    let mut stream = Stream::<E>::new(loss_permille);
    move |count| {
        // Fewer than a burst of thousands would measure how long it takes to begin.
        let count = count.max(Stream::<E>::IN_FLIGHT);
        stream.receive(&[7; 8], count);
        count
    }
}

fn idle<E: End>() -> impl FnMut(u64) -> u64 {
    let mut crowd = Crowd::<E>::connected(CROWD, 2);
    move |count| {
        (0..count).for_each(|_| crowd.idle_service());
        count
    }
}

fn broadcast<E: End>(delivery: Delivery) -> impl FnMut(u64) -> u64 {
    let mut crowd = Crowd::<E>::connected(CROWD, 2);
    move |count| {
        let rounds = count.div_ceil(CROWD as u64);
        (0..rounds).for_each(|_| crowd.broadcast(delivery, &[7; 64]));
        rounds * CROWD as u64
    }
}

/// Both sides of one case.
macro_rules! compare {
    ($criterion:ident, $lines:ident, $case:literal, goal $goal:literal, $scenario:ident($($argument:expr),*)) => {
        let mut group = $criterion.benchmark_group($case);
        let ours = measure(&mut group, Ours::NAME, || $scenario::<Ours>($($argument),*));
        let c = measure(&mut group, CEnet::NAME, || $scenario::<CEnet>($($argument),*));
        group.finish();
        $lines.push(Line { case: $case, unit: "ns", ours, c: Some(c), goal: $goal });
    };
}

fn main() {
    use Delivery::{Reliable, Unreliable};
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let criterion = &mut criterion;
    let mut lines = Vec::new();
    compare!(criterion, lines, "64 B reliable", goal 1.0, messages(Reliable, 64, 16));
    compare!(criterion, lines, "64 B unreliable", goal 1.0, messages(Unreliable, 64, 16));
    compare!(criterion, lines, "1200 B reliable", goal 1.0, messages(Reliable, 1200, 16));
    compare!(criterion, lines, "1 MiB reliable", goal 1.0, messages(Reliable, 1 << 20, 1));
    compare!(criterion, lines, "8 B reliable, 8000 in flight", goal 1.0, stream(0));
    compare!(criterion, lines, "the same with 1 % loss", goal 10.0, stream(10));
    compare!(criterion, lines, "the same with 5 % loss", goal 10.0, stream(50));
    compare!(criterion, lines, "idle service call, 1000 peers", goal 10.0, idle());
    compare!(criterion, lines, "broadcast of 64 B reliable, per peer", goal 1.0, broadcast(Reliable));
    compare!(criterion, lines, "broadcast of 64 B unreliable, per peer", goal 1.0, broadcast(Unreliable));
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
        |count| {
            (0..count).for_each(|_| run.borrow_mut()());
            count
        }
    });
    group.finish();
    lines.push(Line {
        case,
        unit: "ns",
        ours,
        c: None,
        goal: 0.0,
    });
}

fn memory() -> Line {
    let ours =
        allocation::counting(|| bytes_per_idle_peer::<Ours>(CROWD, 255, allocation::live_bytes));
    let c = allocation::counting(|| {
        allocation::counting_c(|| bytes_per_idle_peer::<CEnet>(CROWD, 255, allocation::live_bytes))
    });
    Line {
        case: "memory per idle peer, 255 channels",
        unit: "B",
        ours: ours as f64,
        c: Some(c as f64),
        goal: 1.0,
    }
}

fn print(lines: &[Line]) {
    let (major, minor, patch) = cenet::version();
    println!(
        "\nBoth ends together, medians, CPU time of one thread; C ENet {major}.{minor}.{patch}\n"
    );
    println!(
        "{:<40} {:>14} {:>14} {:>8}  goal",
        "case", "gdwire", "C ENet", "C/ours"
    );
    for line in lines {
        let show = |value: f64| format!("{value:.1} {}", line.unit);
        let Some(c) = line.c else {
            println!("{:<40} {:>14}", line.case, show(line.ours));
            continue;
        };
        let ratio = c / line.ours;
        let verdict = if ratio >= line.goal { "met" } else { "missed" };
        println!(
            "{:<40} {:>14} {:>14} {ratio:>7.2}x  {:.0}x {verdict}",
            line.case,
            show(line.ours),
            show(c),
            line.goal,
        );
    }
}

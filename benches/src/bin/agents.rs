//! Prints what ICE agents of four crates cost, side by side: `agents [--quick]`.

use benches::allocation;
use benches::ice::{Amount, Connected, Contender, Cost, Datagrams, Memory, SocketWork};
use core::time::Duration;
use cpu_time::ThreadTime;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

const CONTENDERS: usize = Contender::ALL.len();

/// How much is measured.
struct Effort {
    rounds: usize,
    couples: u64,
    datagrams: u64,
    agents: &'static [usize],
}

const FULL: Effort = Effort {
    rounds: 21,
    couples: 200,
    datagrams: 4000,
    agents: &[1, 10, 100, 1000],
};

const QUICK: Effort = Effort {
    rounds: 1,
    couples: 4,
    datagrams: 20,
    agents: &[1, 10],
};

fn main() {
    let quick = std::env::args().nth(1).as_deref() == Some("--quick");
    let effort = if quick { QUICK } else { FULL };
    let names = Contender::ALL.map(Contender::name).join(" | ");
    println!(
        "| work | {names} | ours : best other |\n| --- |{}",
        " ---: |".repeat(CONTENDERS + 1)
    );
    connections(&effort);
    steady(&effort);
    answers(&effort);
    memory(&effort);
    sockets(&effort);
    if quick {
        println!("each part ran once; the figures above mean nothing");
    }
}

/// One line of the table; a contender without a figure did not do the work.
fn row(work: &str, unit: &str, figures: [Option<f64>; CONTENDERS]) {
    let shown = figures.map(|figure| match figure {
        Some(figure) if figure >= 100.0 => format!("{figure:.0}{unit}"),
        Some(figure) => format!("{figure:.2}{unit}"),
        None => "–".to_owned(),
    });
    let best = figures[1..]
        .iter()
        .flatten()
        .copied()
        .min_by(f64::total_cmp);
    let ratio = match (figures[0], best) {
        (Some(ours), Some(best)) if best > 0.0 => format!("{:.2}", ours / best),
        _ => "–".to_owned(),
    };
    println!("| {work} | {} | {ratio} |", shown.join(" | "));
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// The medians of several rounds, in each of which all contenders take their turns. The first round warms up.
fn medians(
    effort: &Effort,
    mut measure: impl FnMut(usize) -> Option<f64>,
) -> [Option<f64>; CONTENDERS] {
    let mut figures: [Vec<f64>; CONTENDERS] = Default::default();
    for round in 0..=effort.rounds {
        for (index, figures) in figures.iter_mut().enumerate() {
            figures.extend(measure(index).filter(|_| round > 0));
        }
    }
    figures.map(median)
}

fn connections(effort: &Effort) {
    for candidates in [1, 4] {
        let name = format!("connect, {candidates} × {candidates} candidates");
        let nanos = medians(effort, |index| {
            let amount = Contender::ALL[index].connect(candidates, effort.couples / 4);
            Some(amount.nanos / 1000.0)
        });
        row(&name, " µs", nanos);
        let counted = Contender::ALL
            .map(|contender| contender.connect_counted(candidates, effort.couples / 4));
        row(
            "– allocations",
            "",
            counted.map(|amount| Some(amount.allocations)),
        );
        row(
            "– datagrams",
            "",
            counted.map(|amount| Some(amount.datagrams)),
        );
    }
}

fn steady(effort: &Effort) {
    let mut crowds = Contender::ALL.map(|contender| contender.connected(effort.couples));
    let mut counted = Contender::ALL.map(|contender| contender.connected_counted(effort.couples));
    let duration = Duration::from_secs(20);
    // Who sends nothing neither keeps the path open nor notices its end.
    let nanos = medians(effort, |index| {
        let amount = crowds[index].live(duration);
        (amount.datagrams > 0.0).then_some(amount.nanos)
    });
    row("being connected, agent and second", " ns", nanos);
    let amounts = counted.each_mut().map(|crowd| crowd.live(duration * 3));
    row(
        "– allocations",
        "",
        amounts.map(|amount| Some(amount.allocations)),
    );
    row(
        "– datagrams",
        "",
        amounts.map(|amount| Some(amount.datagrams)),
    );

    let counts = counted.each_mut().map(|crowd| crowd.checks(duration * 3));
    for (side, name) in ["controlling", "controlled"].into_iter().enumerate() {
        whole_checks(effort, &mut crowds, side, name);
        let allocations = |part: fn(&Cost) -> Amount| {
            counts.map(|costs| (costs[side].checks > 0).then(|| part(&costs[side]).allocations))
        };
        row("– allocations", "", allocations(Cost::whole));
    }
}

/// A whole check that one side makes, and its parts.
fn whole_checks(
    effort: &Effort,
    crowds: &mut [Box<dyn Connected>; CONTENDERS],
    side: usize,
    name: &str,
) {
    let mut parts: [[Vec<f64>; 4]; CONTENDERS] = Default::default();
    for round in 0..=effort.rounds {
        for (crowd, parts) in crowds.iter_mut().zip(&mut parts) {
            let cost = crowd.checks(Duration::from_secs(10))[side];
            if round == 0 || cost.checks == 0 {
                continue;
            }
            let amounts = [cost.whole(), cost.ask, cost.answer, cost.conclude];
            for (figures, amount) in parts.iter_mut().zip(amounts) {
                figures.push(amount.nanos);
            }
        }
    }
    let medians = parts.map(|parts| parts.map(median));
    let names = [
        format!("a whole check of the {name} side"),
        "– asking".to_owned(),
        "– answering".to_owned(),
        "– using the answer".to_owned(),
    ];
    for (part, name) in names.iter().enumerate() {
        row(name, " ns", medians.map(|medians| medians[part]));
    }
}

fn timed(datagrams: &mut Datagrams, work: SocketWork, count: u64) -> f64 {
    let start = ThreadTime::now();
    datagrams.run(work, count);
    start.elapsed().as_nanos() as f64 / count as f64
}

fn counted(datagrams: &mut Datagrams, work: SocketWork, count: u64) -> f64 {
    let before = allocation::allocations();
    allocation::counting(|| datagrams.run(work, count));
    (allocation::allocations() - before) as f64 / count as f64
}

fn answers(effort: &Effort) {
    let mut alone = Contender::ALL.map(Contender::alone);
    let nanos = medians(effort, |index| {
        let one = alone[index].as_mut()?;
        Some(timed(one, SocketWork::Check, effort.datagrams))
    });
    row("answering a check, time standing still", " ns", nanos);
    let allocations = alone.each_mut().map(|one| {
        let one = one.as_mut()?;
        Some(counted(one, SocketWork::Check, effort.datagrams))
    });
    row("– allocations", "", allocations);
}

/// What is read from the memory of an agent.
type Part = fn(&Memory) -> f64;

fn memory(effort: &Effort) {
    for candidates in [1, 4, 8] {
        let memory =
            Contender::ALL.map(|contender| contender.memory(candidates, effort.couples / 4));
        let parts: [(&str, Part); 4] = [
            ("idle agent", |memory| memory.idle),
            ("gathered", |memory| memory.gathered),
            ("most while connecting", |memory| memory.peak),
            ("connected", |memory| memory.connected),
        ];
        for (name, part) in parts {
            let name = format!("{name}, {candidates} × {candidates} candidates");
            row(&name, " B", memory.map(|memory| Some(part(&memory))));
        }
    }
}

fn sockets(effort: &Effort) {
    for &agents in effort.agents {
        let mut sockets = Contender::ALL.map(|contender| contender.socket(agents));
        // Asking one agent after the other takes a while.
        let count = |index| match index {
            0 => effort.datagrams,
            _ => effort.datagrams / 10,
        };
        let nanos = medians(effort, |index| {
            let socket = sockets[index].as_mut()?;
            Some(timed(socket, SocketWork::Check, count(index)))
        });
        row(
            &format!("a check, {agents} agents on the socket"),
            " ns",
            nanos,
        );
        let ours = sockets[0].as_mut().expect("ours has sets");
        let allocations = counted(ours, SocketWork::Check, effort.datagrams);
        row("– allocations", "", [Some(allocations), None, None, None]);
        let figures = (0..=effort.rounds).map(|_| timed(ours, SocketWork::Data, effort.datagrams));
        let data = median(figures.collect());
        row(
            &format!("data, {agents} agents on the socket"),
            " ns",
            [data, None, None, None],
        );
    }
}

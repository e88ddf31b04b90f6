//! The example's run: the checked-in plot is what it draws, and what `docs/latency.md` says about it holds.

mod mailbox;
#[path = "../examples/prediction/plot.rs"]
mod plot;
#[path = "../examples/prediction/scenario.rs"]
mod scenario;

use scenario::{Frame, RATE, SEED, run};

const DRAWN: &str = include_str!("../../docs/prediction.svg");

#[test]
fn the_plot_in_the_docs_is_what_the_example_draws() {
    assert!(
        plot::svg(&run(SEED)) == DRAWN,
        "draw it again: cargo run -p gdwire-replication-proto --example prediction -- docs/prediction.svg"
    );
}

#[test]
fn the_errors_are_what_the_docs_say_for_every_network() {
    for seed in 1..=5 {
        let run = run(seed);
        let settled = 3 * RATE as usize;
        let frames = &run.frames[settled..];
        let share = |holds: fn(&Frame) -> bool| {
            frames.iter().filter(|frame| holds(frame)).count() * 100 / frames.len()
        };
        let mean =
            |error: fn(&Frame) -> f32| frames.iter().map(error).sum::<f32>() / frames.len() as f32;
        let exact = share(|frame| frame.predicted < 0.002);
        let (without, with) = (
            mean(|frame| frame.unpredicted),
            mean(|frame| frame.predicted),
        );
        println!(
            "{seed}: {exact} % exact, mean {without:.3} m without, {with:.3} m with, {:.3} m shown, \
             jumps {:.3} m and {:.3} m, {:?} {:?}",
            mean(|frame| frame.shown),
            run.largest_jump,
            run.largest_shown_jump,
            run.prediction,
            run.inputs
        );
        assert!(exact >= 75, "{exact} % of ticks were predicted exactly");
        assert!(
            with * 5.0 < without,
            "{with} m is not far below {without} m"
        );
        assert!(run.largest_shown_jump < run.largest_jump / 2.0);
        assert!(run.prediction.longest_replay <= 40);
        assert_eq!(run.prediction.forgotten, 0);
    }
}

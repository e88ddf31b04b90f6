//! A player who runs and is pushed, over a network of 150 ms each way that loses 5 %: what prediction, reconciliation and
//! smoothing make of it. Prints the error over time, and writes it as a plot if a file is named:
//!
//! ```sh
//! cargo run -p gdwire-replication-proto --example prediction -- docs/prediction.svg
//! ```

#[path = "../../tests/mailbox/mod.rs"]
mod mailbox;
mod plot;
mod scenario;

use core::error::Error;
use scenario::{Frame, RATE, Run};

fn main() -> Result<(), Box<dyn Error>> {
    let run = scenario::run(scenario::SEED);
    print(&run);
    if let Some(path) = std::env::args_os().nth(1) {
        std::fs::write(&path, plot::svg(&run))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn print(run: &Run) {
    println!("mean error in metres:");
    println!(" second   unpredicted   predicted   shown");
    for (second, frames) in run.frames.chunks(RATE as usize).enumerate() {
        let mean =
            |error: fn(&Frame) -> f32| frames.iter().map(error).sum::<f32>() / frames.len() as f32;
        println!(
            "{second:7}{:14.3}{:12.3}{:8.3}",
            mean(|frame| frame.unpredicted),
            mean(|frame| frame.predicted),
            mean(|frame| frame.shown),
        );
    }
    println!("{:#?}", run.prediction);
    println!("inputs at the server: {:#?}", run.inputs);
    println!(
        "largest jump of a frame: {:.3} m as predicted, {:.3} m as shown",
        run.largest_jump, run.largest_shown_jump
    );
}

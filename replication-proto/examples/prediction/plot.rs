//! The run as a picture that is the same for the same run, in light and dark.

use crate::scenario::{Frame, RATE, Run};
use core::fmt::Write;

const WIDTH: f32 = 960.0;
const HEIGHT: f32 = 380.0;
const LEFT: f32 = 56.0;
const RIGHT: f32 = 16.0;
const TOP: f32 = 56.0;
const BOTTOM: f32 = 48.0;
/// Ticks that one point of a line stands for; it shows the largest error of them.
const TICKS_PER_POINT: usize = 3;
const STYLE: &str = "text{font:13px sans-serif;fill:#333}.title{font-size:15px;font-weight:600}\
.grid{stroke:#8884;stroke-width:1}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}\
.unpredicted{stroke:#999}.predicted{stroke:#d9730d}.shown{stroke:#0b6e99}.push{fill:#d9730d}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.shown{stroke:#5bb3d8}.predicted{stroke:#ffa344}.push{fill:#ffa344}}";

struct Scale {
    seconds: f32,
    metres: f32,
}

impl Scale {
    fn x(&self, seconds: f32) -> f32 {
        LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, metres: f32) -> f32 {
        HEIGHT - BOTTOM - metres / self.metres * (HEIGHT - TOP - BOTTOM)
    }
}

/// The plot as SVG.
pub(crate) fn svg(run: &Run) -> String {
    let most = |error: fn(&Frame) -> f32| run.frames.iter().map(error).fold(0.0, f32::max);
    let largest = most(|frame| frame.unpredicted).max(most(|frame| frame.predicted));
    let end = run.first_tick as f32 + run.frames.len() as f32;
    let scale = Scale {
        seconds: (end / RATE as f32).ceil(),
        metres: largest.max(most(|frame| frame.shown)).ceil(),
    };
    let mut out = String::new();
    draw(&mut out, run, &scale).expect("a string takes all");
    out
}

fn draw(out: &mut String, run: &Run, scale: &Scale) -> core::fmt::Result {
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#
    )?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(
        out,
        r#"<text class="title" x="{LEFT}" y="20">Error of the player's own unit: 150 ms each way, 10 ms jitter, 5 % loss</text>"#
    )?;
    axes(out, scale)?;
    legend(out)?;
    line(out, "unpredicted", scale, run, |frame| frame.unpredicted)?;
    line(out, "predicted", scale, run, |frame| frame.predicted)?;
    line(out, "shown", scale, run, |frame| frame.shown)?;
    for &push in &run.pushes {
        let (x, y) = (scale.x(push as f32 / RATE as f32), scale.y(0.0));
        writeln!(out, r#"<path class="push" d="M{x:.1} {y:.1}l-4 8h8z"/>"#)?;
    }
    writeln!(out, "</svg>")
}

fn axes(out: &mut String, scale: &Scale) -> core::fmt::Result {
    let (left, right) = (scale.x(0.0), scale.x(scale.seconds));
    let mut metres = 0.0;
    while metres <= scale.metres {
        let y = scale.y(metres);
        writeln!(
            out,
            r#"<path class="grid" d="M{left:.1} {y:.1}H{right:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{metres} m</text>"#,
            left - 6.0,
            y + 4.0
        )?;
        metres += 1.0;
    }
    let mut seconds = 0.0;
    while seconds <= scale.seconds {
        let (x, y) = (scale.x(seconds), scale.y(0.0) + 26.0);
        writeln!(
            out,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{seconds} s</text>"#
        )?;
        seconds += 2.0;
    }
    Ok(())
}

fn legend(out: &mut String) -> core::fmt::Result {
    let entries = [
        ("unpredicted", "newest state shown", 0.0),
        ("predicted", "predicted and reconciled", 180.0),
        ("shown", "as shown, corrections smoothed", 395.0),
    ];
    for (class, text, x) in entries {
        let x = LEFT + x;
        writeln!(
            out,
            r#"<path class="line {class}" d="M{x} 38h22"/><text x="{}" y="42">{text}</text>"#,
            x + 28.0
        )?;
    }
    let x = LEFT + 650.0;
    writeln!(
        out,
        r#"<path class="push" d="M{x} 34l-4 8h8z"/><text x="{}" y="42">the server pushes the unit</text>"#,
        x + 10.0
    )
}

fn line(
    out: &mut String,
    class: &str,
    scale: &Scale,
    run: &Run,
    error: fn(&Frame) -> f32,
) -> core::fmt::Result {
    write!(out, r#"<polyline class="line {class}" points=""#)?;
    for (at, frames) in run.frames.chunks(TICKS_PER_POINT).enumerate() {
        let tick = run.first_tick as f32 + (at * TICKS_PER_POINT) as f32;
        let most = frames.iter().map(error).fold(0.0, f32::max);
        let (x, y) = (scale.x(tick / RATE as f32), scale.y(most));
        write!(out, "{x:.1},{y:.1} ")?;
    }
    writeln!(out, r#""/>"#)
}

//! Measures a room of moving units, and the engine on the same room.
//!
//! ```text
//! scene                                  ours alone
//! scene engine GODOT PROJECT             ours and the engine, with sockets too
//! scene quick                            each part once, without figures
//! scene profile session|machine UNITS CLIENTS FRAMES
//! scene serve ROOMS UNITS SECONDS        a server process, for the parts above
//! ```
//!
//! Times are CPU times. `unit` in the tables means unit, client and frame.

use benches::allocation;
use benches::scene::{
    FULL_ENTRY_BYTES, MachineRoom, Process, SessionRoom, Usage, serve, unit_scene,
};
use core::time::Duration;
use cpu_time::ThreadTime;
use std::io;
use std::process::{Command, ExitCode};

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

const UNITS: [usize; 2] = [100, 1000];
const CLIENTS: [usize; 3] = [1, 8, 32];

/// Frames of a window in which a process is measured.
const FRAMES: u64 = 480;

/// A room that many fit of into one process.
const SMALL_UNITS: usize = 100;
const SMALL_CLIENTS: usize = 8;
const ROOMS: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [] => ours().map(|_| ()),
        ["quick"] => quick(),
        ["engine", godot, project] => compare(godot, project),
        ["profile", what, counts @ ..] => profile(what, counts),
        ["serve", rooms, units, seconds] => serve_for(rooms, units, seconds),
        _ => Err(io::Error::other("see the head of benches/src/bin/scene.rs")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scene: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number<T: core::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse()
        .map_err(|_| io::Error::other(format!("{text} is not a number")))
}

fn serve_for(rooms: &str, units: &str, seconds: &str) -> io::Result<()> {
    let lifetime = Duration::from_secs(number(seconds)?);
    serve(number(rooms)?, number(units)?, lifetime)
}

fn plain(work: &mut dyn FnMut()) {
    work();
}

fn counted(work: &mut dyn FnMut()) {
    allocation::counting(work);
}

/// What rooms without sockets cost.
struct Ours {
    units: usize,
    clients: usize,
    session_nanos: f64,
    machine_nanos: f64,
    session_bytes: usize,
    machine_bytes: usize,
}

fn ours() -> io::Result<Vec<Ours>> {
    println!("\nwithout sockets: CPU per unit, client and frame; memory of a room");
    println!("units  clients   session ns   server ns   session KiB   server KiB");
    let mut all = Vec::new();
    for units in UNITS {
        for clients in CLIENTS {
            let each = (units * clients) as f64;
            let line = Ours {
                units,
                clients,
                session_nanos: session_frame(units, clients, 1_000_000) / each,
                machine_nanos: machine_frame(units, clients, 1_000_000) / each,
                session_bytes: session_bytes(units, clients),
                machine_bytes: machine_bytes(units, clients, 1),
            };
            println!(
                "{units:>5} {clients:>8} {:>12.1} {:>11.1} {:>13} {:>12}",
                line.session_nanos,
                line.machine_nanos,
                line.session_bytes / 1024,
                line.machine_bytes / 1024,
            );
            all.push(line);
        }
    }
    Ok(all)
}

/// Nanoseconds of a frame: the median of batches.
fn median(updates: usize, per_frame: usize, mut batch: impl FnMut(u32) -> Duration) -> f64 {
    const BATCHES: usize = 15;
    let frames = (updates / per_frame / BATCHES).clamp(10, 2000);
    let frames = u32::try_from(frames).expect("clamped above");
    let each = |_| batch(frames).as_nanos() as f64 / f64::from(frames);
    let mut samples: Vec<f64> = (0..BATCHES).map(each).collect();
    samples.sort_by(f64::total_cmp);
    samples[BATCHES / 2]
}

fn session_frame(units: usize, clients: usize, updates: usize) -> f64 {
    let mut room = SessionRoom::new(&unit_scene(), units, clients);
    median(updates * 4, units * clients, |frames| {
        let start = ThreadTime::now();
        for _ in 0..frames {
            core::hint::black_box(room.frame());
        }
        start.elapsed()
    })
}

fn machine_frame(units: usize, clients: usize, updates: usize) -> f64 {
    let mut room = MachineRoom::new(&unit_scene(), units, clients, plain);
    median(updates, units * clients, |frames| {
        room.take_busy();
        (0..frames).for_each(|_| room.frame());
        room.take_busy()
    })
}

fn session_bytes(units: usize, clients: usize) -> usize {
    let scene = unit_scene();
    let before = allocation::live_bytes();
    let room = allocation::counting(|| {
        let mut room = SessionRoom::new(&scene, units, clients);
        (0..60).for_each(|_| {
            room.frame();
        });
        room
    });
    let bytes = allocation::live_bytes().wrapping_sub(before);
    drop(room);
    bytes
}

/// What the server of each of so many rooms holds, in the middle of the game.
fn machine_bytes(units: usize, clients: usize, rooms: usize) -> usize {
    let scene = unit_scene();
    let before = allocation::live_bytes();
    let mut all: Vec<MachineRoom> = Vec::new();
    for _ in 0..rooms {
        all.push(MachineRoom::new(&scene, units, clients, counted));
    }
    for room in &mut all {
        (0..60).for_each(|_| room.frame());
    }
    allocation::live_bytes().wrapping_sub(before) / rooms
}

fn quick() -> io::Result<()> {
    let mut room = SessionRoom::new(&unit_scene(), 20, 3);
    assert!(
        room.frame() as u64 >= 20 * 3 * FULL_ENTRY_BYTES,
        "all units are sent"
    );
    let mut room = MachineRoom::new(&unit_scene(), 20, 3, plain);
    room.frame();
    assert!(
        room.bytes_of_frame() as u64 >= 20 * 3 * FULL_ENTRY_BYTES,
        "all units are sent"
    );
    assert!(machine_bytes(20, 3, 2) > 0, "memory is counted");
    let usage = our_process(1, 20)?.measure(2, 20, 30)?;
    assert!(
        usage.states > 0 && usage.changes > 0,
        "clients are served: {usage:?}"
    );
    Ok(())
}

fn profile(what: &str, counts: &[&str]) -> io::Result<()> {
    let [units, clients, frames] = counts else {
        return Err(io::Error::other(
            "profile session|machine UNITS CLIENTS FRAMES",
        ));
    };
    let (units, clients, frames) = (number(units)?, number(clients)?, number::<u32>(frames)?);
    let scene = unit_scene();
    match what {
        "session" => {
            let mut room = SessionRoom::new(&scene, units, clients);
            timed(|| (0..frames).for_each(|_| drop(room.frame())));
        }
        "machine" => {
            let mut room = MachineRoom::new(&scene, units, clients, plain);
            timed(|| (0..frames).for_each(|_| room.frame()));
        }
        _ => return Err(io::Error::other("profile session or machine")),
    }
    Ok(())
}

/// A name for callgrind to collect in.
#[inline(never)]
fn timed(work: impl FnOnce()) {
    work();
}

fn our_process(rooms: usize, units: usize) -> io::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", &rooms.to_string(), &units.to_string(), "120"]);
    Ok(Process::start(command, rooms))
}

fn engine_process(godot: &str, project: &str, units: usize, hidden: bool) -> Process {
    let mut command = Command::new(godot);
    command.args(["--headless", "--path", project, "--", "--for=120"]);
    command.arg(format!("--units={units}"));
    if hidden {
        command.arg("--hidden");
    }
    Process::start(command, 1)
}

/// Both sides as processes with sockets and the same clients.
fn compare(godot: &str, project: &str) -> io::Result<()> {
    load("before");
    let alone = ours()?;
    println!(
        "\nas processes over loopback UDP: CPU time per frame in µs; `rest` is the engine with the same clients"
    );
    println!(
        "and its units hidden from them, which is subtracted from its columns, and nothing from ours"
    );
    println!(
        "units  clients  engine frame   rest  ours frame   engine ns/unit  ours ns/unit  ratio   server ns/unit  ratio   \
         engine user  ours user   engine got  ours got   engine MiB  ours MiB"
    );
    for units in UNITS {
        for clients in CLIENTS {
            let rest = engine_process(godot, project, units, true).measure(clients, 0, FRAMES)?;
            let engine =
                engine_process(godot, project, units, false).measure(clients, units, FRAMES)?;
            let ours = our_process(1, units)?.measure(clients, units, FRAMES)?;
            let machine = alone
                .iter()
                .find(|line| (line.units, line.clients) == (units, clients));
            print_pair(units, clients, &rest, &engine, &ours, machine);
        }
    }
    rooms(godot, project)?;
    load("after");
    Ok(())
}

fn print_pair(
    units: usize,
    clients: usize,
    rest: &Usage,
    engine: &Usage,
    ours: &Usage,
    machine: Option<&Ours>,
) {
    let each = (units * clients) as f64;
    let engine_nanos = (engine.frame_micros() - rest.frame_micros()) * 1000.0 / each;
    let our_nanos = ours.frame_micros() * 1000.0 / each;
    let machine_nanos = machine.map_or(f64::NAN, |line| line.machine_nanos);
    let got = |usage: &Usage| 100.0 * usage.states as f64 / (usage.frames as f64 * each);
    let mib = |usage: &Usage| usage.pss as f64 / f64::from(1 << 20);
    println!(
        "{units:>5} {clients:>8} {:>13.0} {:>6.0} {:>11.0} {engine_nanos:>16.0} {our_nanos:>13.1} {:>5.1}x {machine_nanos:>16.1} {:>5.1}x \
         {:>12.0} % {:>8.0} % {:>10.0} % {:>7.0} % {:>12.1} {:>9.1}",
        engine.frame_micros(),
        rest.frame_micros(),
        ours.frame_micros(),
        engine_nanos / our_nanos,
        engine_nanos / machine_nanos,
        100.0 * engine.user_share,
        100.0 * ours.user_share,
        got(engine),
        got(ours),
        mib(engine),
        mib(ours),
    );
}

/// Many rooms of ours in one process beside one of the engine.
fn rooms(godot: &str, project: &str) -> io::Result<()> {
    let engine = engine_process(godot, project, SMALL_UNITS, false).measure(
        SMALL_CLIENTS,
        SMALL_UNITS,
        FRAMES,
    )?;
    let ours = our_process(ROOMS, SMALL_UNITS)?.measure(SMALL_CLIENTS, SMALL_UNITS, 120)?;
    let mib = |usage: &Usage| usage.pss as f64 / f64::from(1 << 20);
    println!("\nrooms of {SMALL_UNITS} units and {SMALL_CLIENTS} clients");
    println!(
        "engine, 1 room: {:.1} MiB, {:.0} µs per frame",
        mib(&engine),
        engine.frame_micros()
    );
    println!(
        "ours, {ROOMS} rooms: {:.1} MiB, {:.0} µs per frame of all, {:.1} frames a second",
        mib(&ours),
        ours.frame_micros(),
        ours.frames as f64 / ours.wall.as_secs_f64()
    );
    println!(
        "ours, {ROOMS} rooms in memory: {} KiB allocated by the server of each",
        machine_bytes(SMALL_UNITS, SMALL_CLIENTS, ROOMS) / 1024
    );
    Ok(())
}

/// What else the machine does.
fn load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {when}: {}", load.trim());
}

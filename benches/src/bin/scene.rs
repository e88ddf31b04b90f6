//! Measures a room of moving units, and the engine on the same room.
//!
//! ```text
//! scene                                  ours alone
//! scene engine GODOT PROJECT             ours and the engine, with sockets too
//! scene process ROOMS UNITS CLIENTS [GODOT PROJECT]
//!                                        one process with sockets: ours, or the engine with one room
//! scene counts                           what a frame of ours encodes, allocates and sends
//! scene quick                            each part once, without figures
//! scene profile session|machine UNITS CLIENTS FRAMES
//! scene serve ROOMS UNITS shown|hidden SECONDS
//!                                        a server process, for the parts above
//! ```
//!
//! Times are CPU times. `unit` in the tables means unit, client and frame.

use benches::allocation;
use benches::scene::{
    FULL_ENTRY_BYTES, MachineRoom, Process, SessionRoom, Sight, Usage, serve, unit_scene,
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
        ["counts"] => counts(),
        ["quick"] => quick(),
        ["engine", godot, project] => compare(godot, project),
        ["process", rooms, units, clients, engine @ ..] => process(rooms, units, clients, engine),
        ["profile", what, counts @ ..] => profile(what, counts),
        ["serve", rooms, units, sight, seconds] => serve_for(rooms, units, sight, seconds),
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

fn serve_for(rooms: &str, units: &str, sight: &str, seconds: &str) -> io::Result<()> {
    let sight = match sight {
        "hidden" => Sight::Hidden,
        _ => Sight::Shown,
    };
    let lifetime = Duration::from_secs(number(seconds)?);
    serve(number(rooms)?, number(units)?, sight, lifetime)
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
    let mut room = SessionRoom::new(&unit_scene(Sight::Shown), units, clients);
    median(updates * 4, units * clients, |frames| {
        let start = ThreadTime::now();
        for _ in 0..frames {
            core::hint::black_box(room.frame());
        }
        start.elapsed()
    })
}

fn machine_frame(units: usize, clients: usize, updates: usize) -> f64 {
    let mut room = MachineRoom::new(&unit_scene(Sight::Shown), units, clients, plain);
    median(updates, units * clients, |frames| {
        room.take_busy();
        (0..frames).for_each(|_| room.frame());
        room.take_busy()
    })
}

fn session_bytes(units: usize, clients: usize) -> usize {
    let scene = unit_scene(Sight::Shown);
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

/// What happens in so many frames of a session, which is the same in each run.
#[derive(Debug, PartialEq)]
struct Counts {
    encoded: u64,
    allocations: usize,
    packets: u64,
    bytes: u64,
}

fn count_frames(units: usize, clients: usize, frames: usize) -> Counts {
    let mut room = SessionRoom::new(&unit_scene(Sight::Shown), units, clients);
    let (before, allocations) = (room.stats(), allocation::allocations());
    allocation::counting(|| {
        (0..frames).for_each(|_| {
            room.frame();
        });
    });
    let after = room.stats();
    Counts {
        encoded: after.states_encoded - before.states_encoded,
        allocations: allocation::allocations() - allocations,
        packets: after.packets_out - before.packets_out,
        bytes: after.bytes_out - before.bytes_out,
    }
}

/// Frames after which each unit has changed everything as often.
const PERIOD: usize = 60;

fn counts() -> io::Result<()> {
    println!("a frame of a session: what is done for all clients, and what for each");
    println!("units  clients   encoded   allocations   packets      bytes");
    let each = |total: f64| total / PERIOD as f64;
    for units in UNITS {
        for clients in CLIENTS {
            let counts = count_frames(units, clients, PERIOD);
            println!(
                "{units:>5} {clients:>8} {:>9.1} {:>13.1} {:>9.1} {:>10.0}",
                each(counts.encoded as f64),
                each(counts.allocations as f64),
                each(counts.packets as f64),
                each(counts.bytes as f64),
            );
        }
    }
    Ok(())
}

/// What the server of each of so many rooms holds, in the middle of the game.
fn machine_bytes(units: usize, clients: usize, rooms: usize) -> usize {
    let scene = unit_scene(Sight::Shown);
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
    let mut room = SessionRoom::new(&unit_scene(Sight::Shown), 20, 3);
    assert!(
        room.frame() as u64 >= 20 * 3 * FULL_ENTRY_BYTES,
        "all units are sent"
    );
    let (one, many) = (count_frames(20, 1, PERIOD), count_frames(20, 16, PERIOD));
    assert_eq!(one.encoded, many.encoded, "once for all clients");
    assert!(
        many.allocations <= one.allocations + PERIOD,
        "{many:?}, and for one client {one:?}"
    );
    assert_eq!(16 * one.packets, many.packets);
    let mut room = MachineRoom::new(&unit_scene(Sight::Shown), 20, 3, plain);
    room.frame();
    assert!(
        room.bytes_of_frame() as u64 >= 20 * 3 * FULL_ENTRY_BYTES,
        "all units are sent"
    );
    assert!(machine_bytes(20, 3, 2) > 0, "memory is counted");
    let usage = our_process(1, 20, Sight::Shown)?.measure(2, 20, 30)?;
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
    let scene = unit_scene(Sight::Shown);
    match what {
        "session" => {
            let mut room = SessionRoom::new(&scene, units, clients);
            timed(|| {
                (0..frames).for_each(|_| {
                    core::hint::black_box(room.frame());
                })
            });
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

fn our_process(rooms: usize, units: usize, sight: Sight) -> io::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    let (count, units) = (rooms.to_string(), units.to_string());
    command.args(["serve", &count, &units, sight.word(), "200"]);
    Ok(Process::start(command, rooms))
}

fn engine_process(godot: &str, project: &str, units: usize, sight: Sight) -> Process {
    let mut command = Command::new(godot);
    command.args(["--headless", "--path", project, "--", "--for=200"]);
    command.arg(format!("--units={units}"));
    if sight == Sight::Hidden {
        command.arg("--hidden");
    }
    Process::start(command, 1)
}

/// One process with sockets, with the units shown and hidden.
fn process(rooms: &str, units: &str, clients: &str, engine: &[&str]) -> io::Result<()> {
    let (rooms, units, clients) = (number(rooms)?, number(units)?, number(clients)?);
    load("before");
    let mut usages = Vec::new();
    for (sight, spawns) in [(Sight::Hidden, 0), (Sight::Shown, units)] {
        let mut process = match engine {
            [godot, project] => engine_process(godot, project, units, sight),
            _ => our_process(rooms, units, sight)?,
        };
        usages.push(process.measure(clients, spawns, FRAMES)?);
    }
    for (name, usage) in ["hidden", "shown"].iter().zip(&usages) {
        let each = usage.frames as f64 * (rooms * units * clients) as f64;
        println!(
            "{name:>6}: {:.0} µs per frame, {:.0} % outside of the system, {:.1} frames a second, got {:.1} %, {:.1} MiB",
            usage.frame_micros(),
            100.0 * usage.user_share,
            usage.frames as f64 / usage.wall.as_secs_f64(),
            100.0 * usage.states as f64 / each,
            mib(usage),
        );
    }
    let net = usages[1].frame_micros() - usages[0].frame_micros();
    let each = (rooms * units * clients) as f64;
    println!(
        "net: {net:.0} µs per frame, {:.1} ns per unit, client and frame",
        net * 1000.0 / each
    );
    load("after");
    Ok(())
}

/// Both sides as processes with sockets and the same clients.
fn compare(godot: &str, project: &str) -> io::Result<()> {
    load("before");
    let alone = ours()?;
    println!("\nas processes over loopback UDP, the system's share included, CPU in µs per frame;");
    println!(
        "`rest`: the same with the units hidden from the clients; `unit`: the difference, in ns"
    );
    println!("per unit, client and frame; `got`: entries of full state that reached the clients;");
    println!("`times`: engine to ours; `machine`: to our server without sockets, from above");
    println!(
        "               ------------ engine -------------   ------------- ours --------------"
    );
    println!(
        "units clients  frame  rest  unit  user   got   MiB  frame  rest  unit  user   got   MiB   times  machine"
    );
    for units in UNITS {
        for clients in CLIENTS {
            let mut usages = Vec::new();
            for (sight, spawns) in [(Sight::Hidden, 0), (Sight::Shown, units)] {
                let mut process = engine_process(godot, project, units, sight);
                usages.push(process.measure(clients, spawns, FRAMES)?);
            }
            for (sight, spawns) in [(Sight::Hidden, 0), (Sight::Shown, units)] {
                let mut process = our_process(1, units, sight)?;
                usages.push(process.measure(clients, spawns, FRAMES)?);
            }
            let machine = alone
                .iter()
                .find(|line| (line.units, line.clients) == (units, clients));
            print_pair(units, clients, &usages, machine);
        }
    }
    rooms(godot, project)?;
    load("after");
    Ok(())
}

fn print_pair(units: usize, clients: usize, usages: &[Usage], machine: Option<&Ours>) {
    let each = (units * clients) as f64;
    let nanos =
        |rest: &Usage, full: &Usage| (full.frame_micros() - rest.frame_micros()) * 1000.0 / each;
    print!("{units:>5} {clients:>7}");
    let mut costs = Vec::new();
    for pair in usages.chunks_exact(2) {
        let [rest, full] = pair else { continue };
        costs.push(nanos(rest, full));
        print!(
            " {:>6.0} {:>5.0} {:>5.0} {:>3.0} % {:>3.0} % {:>5.1}",
            full.frame_micros(),
            rest.frame_micros(),
            nanos(rest, full),
            100.0 * full.user_share,
            100.0 * full.states as f64 / (full.frames as f64 * each),
            mib(full),
        );
    }
    let (engine, ours) = (costs[0], costs[1]);
    let machine = machine.map_or(f64::NAN, |line| line.machine_nanos);
    println!("  {:>5.1}x {:>7.1}x", engine / ours, engine / machine);
}

fn mib(usage: &Usage) -> f64 {
    usage.pss as f64 / f64::from(1 << 20)
}

/// Many rooms of ours in one process beside one of the engine.
fn rooms(godot: &str, project: &str) -> io::Result<()> {
    let engine = engine_process(godot, project, SMALL_UNITS, Sight::Shown).measure(
        SMALL_CLIENTS,
        SMALL_UNITS,
        FRAMES,
    )?;
    let ours =
        our_process(ROOMS, SMALL_UNITS, Sight::Shown)?.measure(SMALL_CLIENTS, SMALL_UNITS, 120)?;
    println!("\nrooms of {SMALL_UNITS} units and {SMALL_CLIENTS} clients, as processes");
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
        "ours, {ROOMS} rooms without sockets: {} KiB allocated by the server of each",
        machine_bytes(SMALL_UNITS, SMALL_CLIENTS, ROOMS) / 1024
    );
    Ok(())
}

/// What else the machine does.
fn load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {when}: {}", load.trim());
}

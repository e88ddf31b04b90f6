//! A flood of CONNECTs over real sockets against `gdwire host`, while engines play.

use interop::engine::{self, Engine};
use serde_json::json;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// CONNECTs at a time, and the pause between: 5,000 a second.
const BURST: u32 = 10;
const PAUSE: Duration = Duration::from_millis(2);
/// A flood ends after so many datagrams, whatever becomes of the test.
const MOST: u32 = 150_000;

/// A CONNECT of nobody.
fn connect(connect_id: u32) -> Vec<u8> {
    let mut datagram = vec![0x8f, 0xff, 0, 0, 0x82, 0xff, 0, 1, 0, 0, 0xff, 0xff];
    for number in [1392, 65_536, 4, 0, 0, 5000, 2, 2, connect_id, 77] {
        datagram.extend(u32::to_be_bytes(number));
    }
    datagram
}

/// Sends CONNECTs that nobody follows up, from many ports, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(target: SocketAddr) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let sockets: Vec<_> = (0..32)
            .map(|_| UdpSocket::bind("127.0.0.1:0").expect("loopback has ports"))
            .collect();
        let thread = std::thread::spawn(move || {
            for (number, socket) in (0..MOST).zip(sockets.iter().cycle()) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A full buffer is part of a flood.
                let _ = socket.send_to(&connect(number), target);
                count.store(number, Ordering::Relaxed);
                if number % BURST == 0 {
                    std::thread::sleep(PAUSE);
                }
            }
        });
        Self {
            stop,
            sent,
            thread: Some(thread),
        }
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until `done` holds for all programs.
fn until<const N: usize>(
    what: &str,
    programs: &mut [&mut Engine; N],
    done: impl Fn(&[&mut Engine; N]) -> bool,
) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done(programs) {
        for program in programs.iter_mut() {
            program.pump(Duration::from_millis(5));
        }
        let report = |program: &&mut Engine| format!("{:#?}\n{}", program.events, program.noise());
        assert!(
            Instant::now() < deadline,
            "waiting in vain: {what}\n{}",
            programs.iter().map(report).collect::<String>()
        );
    }
}

// req: HG-13
#[test]
fn an_engine_stays_and_another_joins_while_a_flood_of_connects_goes_on() {
    if engine::installed().is_none() || engine::command().is_none() {
        return;
    }
    let mut host = Engine::start_command(&["host", "enet://127.0.0.1:0"]);
    until("it listens", &mut [&mut host], |[host]| {
        host.has("listening")
    });
    let address = host.all("listening").next().expect("it listens")["address"].clone();
    let address: SocketAddr = address.as_str().expect("text").parse().expect("an address");
    let join = || Engine::start(&[format!("--port={}", address.port())]);
    let mut first = join();
    until(
        "the first is in",
        &mut [&mut host, &mut first],
        |[host, first]| host.has("peer_connected") && first.has("connected"),
    );

    let flood = Flood::start(address);
    while flood.sent() < 2000 {
        std::thread::sleep(PAUSE);
    }
    let mut second = join();
    let programs = &mut [&mut host, &mut first, &mut second];
    until("the second is in", programs, |[host, _, second]| {
        host.all("peer_connected").count() == 2 && second.has("connected")
    });
    let before = flood.sent();
    for _ in 0..20 {
        let packet =
            json!({"do": "send", "peer": 1, "hex": "be", "mode": "reliable", "channel": 1});
        programs[1].command(&packet);
        programs[2].command(&packet);
        programs[0].command(
            &json!({"do": "send", "peer": 0, "hex": "ef", "mode": "reliable", "channel": 1}),
        );
    }
    until("their packets arrive", programs, |[host, first, second]| {
        let packets = |program: &Engine| program.all("packet").count();
        packets(host) == 40 && packets(first) == 20 && packets(second) == 20
    });
    let after = flood.sent();
    assert!(
        before >= 2000 && after < MOST - 1,
        "the flood was over: {before}, {after}"
    );
    drop(flood);
    for (program, name) in programs[1..].iter().zip(["first", "second"]) {
        assert!(!program.has("disconnected"), "{name}: {}", program.noise());
    }
    assert!(!programs[0].has("peer_disconnected"));
}

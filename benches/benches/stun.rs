//! Measures `stun-proto` beside other crates for STUN and prints all with the ratio to the fastest of the others.
//!
//! One batch of each side after the other, many times, and the medians of their CPU times: what disturbs the machine
//! disturbs all sides alike.

use benches::stun::{Is, Messages, Ours, RtcStun, Side, StunCodec, StunTypes, Work, check_side};
use core::hint::black_box;
use core::net::SocketAddr;
use cpu_time::ThreadTime;
use proto_core::Instant;
use stun_proto::attribute::{Nonce, Realm, Username};
use stun_proto::auth::{GuessLimits, LongTermServer, Offer, Refusal, User};
use stun_proto::crypto::RustCrypto;
use stun_proto::{Class, Key, LongTermKeys, Message, MessageWriter, Method, TransactionId};

/// Batches of each side.
const BATCHES: usize = 101;
/// Messages of a batch.
const BATCH: u64 = 2000;

/// What one side needs for a message, by the kind of work.
struct Row {
    name: &'static str,
    nanos: [Option<f64>; Work::ALL.len()],
}

/// Runs one batch of some work.
type Batch<'a> = Box<dyn FnMut() -> bool + 'a>;

fn batch<S: Side + 'static>(messages: &Messages, work: Work) -> Option<Batch<'_>> {
    if !S::can(work) {
        return None;
    }
    let mut side = S::new();
    Some(Box::new(move || messages.run(&mut side, work, BATCH)))
}

/// Medians in nanoseconds for one message, side by side.
fn measure(mut sides: Vec<Option<Batch<'_>>>) -> Vec<Option<f64>> {
    let mut samples = vec![Vec::new(); sides.len()];
    for round in 0..=BATCHES {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            let Some(side) = side else { continue };
            let start = ThreadTime::now();
            let good = side();
            let nanos = start.elapsed().as_nanos() as f64 / BATCH as f64;
            assert!(good, "a good message was refused");
            // The first round warms up.
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied()
    };
    samples.into_iter().map(median).collect()
}

macro_rules! sides {
    ($($side:ident),+) => {
        fn check() {
            $(check_side::<$side>();)+
        }

        fn rows(messages: &Messages) -> Vec<Row> {
            let mut rows = vec![$(Row { name: $side::NAME, nanos: [None; Work::ALL.len()] }),+];
            for (column, work) in Work::ALL.into_iter().enumerate() {
                let nanos = measure(vec![$(batch::<$side>(messages, work)),+]);
                for (row, nanos) in rows.iter_mut().zip(nanos) {
                    row.nanos[column] = nanos;
                }
            }
            rows
        }
    };
}

sides!(Ours, StunTypes, StunCodec, RtcStun, Is);

/// A request with the credentials of `user` and a MAC that nobody's password makes.
fn guess(user: &str, nonce: &str) -> Vec<u8> {
    let mut buffer = [0; 548];
    let id = TransactionId::new([1; 12]);
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, id)
        .attribute(&Username::new(user).expect("it is short"))
        .attribute(&Realm::new("realm").expect("it is short"))
        .attribute(&Nonce::new(nonce).expect("it is short"));
    let wrong: Key = Key::short_term("wrong");
    writer.integrity(&wrong).finish().expect("it fits").to_vec()
}

/// A server's refusal of a guess, as a batch.
fn refusals(user: &'static str) -> Batch<'static> {
    let mut limits = GuessLimits::default();
    limits.failures_per_user = u32::MAX;
    limits.failures_per_network = u32::MAX;
    let server = LongTermServer::<RustCrypto>::new("realm", [7; 32], Offer::Classic);
    let mut server = server.expect("it is short").with_guess_limits(limits);
    let keys = LongTermKeys::new("known", "realm", "secret");
    let (now, from) = (
        Instant::from_millis(1000),
        SocketAddr::from(([192, 0, 2, 1], 5000)),
    );
    let mut buffer = [0; 200];
    let first = guess(user, "none");
    let first = Message::parse(&first).expect("it is good");
    let reply = server.refuse(now, from, &first, Refusal::StaleNonce, &mut buffer);
    let reply = Message::parse(reply.expect("room").expect("no silence")).expect("it is good");
    let nonce = reply
        .get::<Nonce<'_>>()
        .expect("it is good")
        .expect("it is there");
    let guess = guess(user, nonce.as_str());
    Box::new(move || {
        (0..BATCH).all(|_| {
            let request = Message::parse(black_box(&guess)).expect("it is good");
            let known = |user| (user == User::Name("known")).then_some(&keys);
            server.check(now, from, &request, known).err() == Some(Refusal::Unauthenticated)
        })
    })
}

/// Checks of a MAC that is wrong in one byte, counted from its beginning, as a batch.
fn wrong_mac(at: usize) -> Batch<'static> {
    let mut message = Messages::new().bare;
    let mac = message.len() - 20;
    message[mac + at] ^= 1;
    let mut side = Ours::new();
    Box::new(move || (0..BATCH).all(|_| !side.verify(black_box(&message))))
}

/// Times that must tell a stranger nothing. An alarm and no test, since no two times are the same.
fn timing() {
    println!("\nTimes that must not differ\n");
    for (one, other, sides) in [
        (
            "unknown user",
            "wrong password",
            [refusals("other"), refusals("known")],
        ),
        (
            "MAC wrong in front",
            "at its end",
            [wrong_mac(0), wrong_mac(19)],
        ),
    ] {
        let nanos = measure(sides.into_iter().map(Some).collect());
        let [Some(a), Some(b)] = nanos[..] else {
            continue;
        };
        let alarm = if (0.95..1.05).contains(&(a / b)) {
            ""
        } else {
            "  LOOK AT THIS"
        };
        println!("{one} {a:.0}, {other} {b:.0}: {:.3}{alarm}", a / b);
    }
}

fn main() {
    check();
    if std::env::args().any(|argument| argument == "--test") {
        println!("stun: all sides read and write the same");
        return;
    }
    let rows = rows(&Messages::new());
    println!("\nSTUN, nanoseconds for a message, medians, CPU time of one thread\n");
    print!("{:<38}", "work");
    rows.iter().for_each(|row| print!("{:>12}", row.name));
    println!("{:>12}", "ours:best");
    let (ours, others) = rows.split_first().expect("ours is the first");
    for (column, work) in Work::ALL.into_iter().enumerate() {
        print!("{:<38}", work.name());
        for row in &rows {
            let cell = row.nanos[column].map(|nanos| format!("{nanos:.0}"));
            print!("{:>12}", cell.unwrap_or_else(|| "-".to_owned()));
        }
        let best = others.iter().filter_map(|row| row.nanos[column]);
        let best = best.fold(f64::INFINITY, f64::min);
        let ratio = ours.nanos[column].map_or(f64::NAN, |nanos| nanos / best);
        println!("{ratio:>12.2}");
    }
    timing();
}

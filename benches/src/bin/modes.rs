//! What each compressor costs there and back, and how much it leaves of datagrams as a game sends them.

use benches::coder::datagram;
use cpu_time::ThreadTime;
use enet_proto::compress::{Compression, Compressor};
use std::time::Duration;

const MODES: [(&str, Compression); 4] = [
    ("range coder", Compression::RangeCoder),
    ("FastLZ", Compression::FastLz),
    ("zlib", Compression::Zlib),
    ("Zstandard", Compression::Zstd),
];
const BYTES: [usize; 3] = [64, 300, 1200];
const DATAGRAMS: u64 = 500;
/// The best of so many passes counts: other programs only add.
const PASSES: usize = 25;

fn main() {
    println!("| mode | bytes | compress | decompress | left |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, mode) in MODES {
        for bytes in BYTES {
            row(name, mode, bytes);
        }
    }
}

fn row(name: &str, mode: Compression, bytes: usize) {
    let mut coder = mode.compressor().expect("a mode that compresses");
    let plain: Vec<_> = (0..DATAGRAMS)
        .map(|number| datagram(bytes, number))
        .collect();
    let packed: Vec<_> = plain
        .iter()
        .map(|plain| packed(&mut *coder, plain))
        .collect();
    let mut room = [0; 4096];
    let compress = best(|| {
        for plain in &plain {
            let _ = coder.compress(plain, &mut room);
        }
    });
    let decompress = best(|| {
        for packed in &packed {
            let length = coder.decompress(packed, &mut room);
            assert_eq!(length, Some(bytes), "{name}");
        }
    });
    let left: usize = packed.iter().map(Vec::len).sum();
    let percent = left as f64 * 100.0 / (bytes as f64 * DATAGRAMS as f64);
    println!("| {name} | {bytes} | {compress:.0} ns | {decompress:.0} ns | {percent:.0} % |");
}

fn packed(coder: &mut dyn Compressor, plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; 2 * plain.len() + 64];
    let length = coder.compress(plain, &mut packed).expect("there is room");
    packed.truncate(length);
    packed
}

/// Nanoseconds of the processor for one datagram.
fn best(mut pass: impl FnMut()) -> f64 {
    let times = (0..PASSES).map(|_| {
        let start = ThreadTime::now();
        pass();
        start.elapsed()
    });
    times.min().unwrap_or(Duration::ZERO).as_nanos() as f64 / DATAGRAMS as f64
}

//! The range coder alone, ours and C ENet's: datagrams as a game sends them, there and back.

use enet_proto::compress::{Compressor, RangeCoder};

/// A range coder of either implementation.
pub trait Coder: Default {
    /// How the table calls this implementation.
    const NAME: &'static str;

    /// Compresses `input` into `output`; gives the length.
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize;

    /// The reverse.
    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> usize;

    /// Compresses and decompresses `count` different datagrams of `bytes` bytes.
    ///
    /// # Panics
    /// If one does not come back.
    fn round_trips(&mut self, bytes: usize, count: u64) {
        let mut packed = [0; 4096];
        let mut plain = [0; 4096];
        for number in 0..count {
            let datagram = datagram(bytes, number);
            let length = self.compress(&datagram, &mut packed);
            let back = self.decompress(&packed[..length], &mut plain);
            assert_eq!(plain[..back], datagram);
        }
    }
}

/// Reliable commands with the state of moving things in them: node numbers, times, and positions as 32-bit floats.
#[must_use]
pub fn datagram(bytes: usize, number: u64) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(bytes + 64);
    let mut sequence = number as u16;
    while datagram.len() < bytes {
        datagram.extend_from_slice(&[0x86, 0]);
        datagram.extend_from_slice(&sequence.to_be_bytes());
        datagram.extend_from_slice(&[0, 44, 6]);
        datagram.extend_from_slice(&(number as u16).to_le_bytes());
        for thing in 0..2u16 {
            let angle = f32::from(sequence) / 7.0 + f32::from(thing);
            datagram.extend_from_slice(&u32::from(thing + 3).to_le_bytes());
            datagram.extend_from_slice(&12u32.to_le_bytes());
            for value in [angle.sin() * 40.0, 1.5, angle.cos() * 40.0] {
                datagram.extend_from_slice(&value.to_le_bytes());
            }
        }
        sequence = sequence.wrapping_add(1);
    }
    datagram.truncate(bytes);
    datagram
}

/// C ENet's.
#[derive(Debug, Default)]
pub struct CCoder(cenet::RangeCoder);

impl Coder for CCoder {
    const NAME: &'static str = "C ENet";

    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        self.0.compress(input, output)
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        self.0.decompress(input, output)
    }
}

/// Ours.
#[derive(Debug, Default)]
pub struct OurCoder(RangeCoder);

impl Coder for OurCoder {
    const NAME: &'static str = "gdwire";

    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        self.0.compress(input, output).unwrap_or(0)
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        self.0.decompress(input, output).unwrap_or(0)
    }
}

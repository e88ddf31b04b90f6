//! ENet's built-in compressor: an adaptive order-2 model and a byte-wise range coder.
//!
//! The bytes are those of C ENet's `enet_range_coder_compress` and `enet_range_coder_decompress`, also for damaged
//! input. What differs is how they are found: the context without a predecessor, which C keeps as an unbalanced search
//! tree, is a table of sums here, see [`root`].

#![expect(
    clippy::cast_possible_truncation,
    reason = "the numbers of the format are 8, 16 and 32 bits wide and wrap"
)]

mod arithmetic;
mod damaged;
mod model;
mod root;
#[cfg(test)]
mod tests;

use super::Compressor;
use alloc::boxed::Box;
use arithmetic::{Decoder, Encoder, Intervals, Tail};
use model::{Arena, Contexts, Link};
use root::Root;

/// ENet's range coder (C: `enet_host_compress_with_range_coder`, Godot: `COMPRESS_RANGE_CODER`).
///
/// Holds 66 KB of state, made once: neither direction allocates. Each datagram starts from an empty model, so order and
/// loss of datagrams do not matter, and both directions may share one coder.
///
/// ```
/// use enet_proto::compress::{Compressor, RangeCoder};
///
/// let mut coder = RangeCoder::new();
/// let (mut packed, mut plain) = ([0; 64], [0; 64]);
/// let length = coder.compress(&[7; 60], &mut packed).ok_or("it did not shrink")?;
/// assert!(length < 10);
/// assert_eq!(coder.decompress(&packed[..length], &mut plain), Some(60));
/// assert_eq!(plain[..60], [7; 60]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct RangeCoder {
    arena: Arena,
    root: Box<Root>,
}

impl Default for RangeCoder {
    fn default() -> Self {
        Self::new()
    }
}

impl RangeCoder {
    /// A coder; this is the only place that allocates.
    #[must_use]
    pub fn new() -> Self {
        Self {
            arena: Arena::new(),
            root: Box::new(Root::new()),
        }
    }
}

impl Compressor for RangeCoder {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if input.is_empty() {
            return None;
        }
        let mut model = Model::new(&mut self.arena, &mut self.root);
        let mut encoder = Encoder::new(output);
        for &value in input {
            model.encode(value, &mut encoder)?;
        }
        encoder.finish()
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if input.is_empty() {
            return None;
        }
        let mut model = Model::new(&mut self.arena, &mut self.root);
        match model.decompress(input, output) {
            Ok(length) => Some(length),
            Err(Failure::Refused) => None,
            Err(Failure::Damaged) => damaged::decompress(&mut self.arena, input, output),
        }
    }
}

/// Why there is no next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// C ENet refuses this too.
    Refused,
    /// No encoder writes this, but C ENet makes something of it: its tree knows what.
    Damaged,
}

/// What is known of the bytes so far.
struct Model<'a> {
    contexts: Contexts<'a>,
    root: &'a mut Root,
}

impl<'a> Model<'a> {
    fn new(arena: &'a mut Arena, root: &'a mut Root) -> Self {
        root.forget();
        Self {
            contexts: Contexts::new(arena),
            root,
        }
    }

    #[inline(always)]
    fn advance(&mut self, node: Link) {
        self.contexts.advance(node);
        if self.contexts.is_full() {
            self.contexts.forget();
            self.root.forget();
        }
    }

    #[inline(always)]
    fn encode(&mut self, value: u8, encoder: &mut Encoder<'_>) -> Option<()> {
        let context = self.contexts.longest;
        if context == Link::ROOT {
            let node = self.encode_in_root(value, encoder)?;
            self.advance(node);
            return Some(());
        }
        let (first, is_found) = self.contexts.code(context, value, encoder)?;
        if is_found {
            self.contexts.advance_known(first);
            return Some(());
        }
        let (mut longer, mut context) = (first, self.contexts.at(context).parent());
        loop {
            let (node, is_found) = if context == Link::ROOT {
                (self.encode_in_root(value, encoder)?, true)
            } else {
                self.contexts.code(context, value, encoder)?
            };
            self.contexts.open(longer, node);
            if is_found {
                break;
            }
            longer = node;
            context = self.contexts.at(context).parent();
        }
        self.advance(first);
        Some(())
    }

    #[inline(always)]
    fn encode_in_root(&mut self, value: u8, encoder: &mut Encoder<'_>) -> Option<Link> {
        let symbol = self.root.symbol(value);
        encoder.code(symbol.below, symbol.frequency, self.root.total())?;
        Some(self.root.touch(&mut self.contexts, symbol))
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, Failure> {
        let tail = Tail::of(input);
        let mut decoder = Decoder::new(input, &tail);
        let room = output.len();
        let mut output = output.iter_mut();
        loop {
            let mut context = self.contexts.longest;
            let mut node = Link::ROOT;
            if context != Link::ROOT {
                let decoded = self.contexts.decode(context, &mut decoder);
                node = decoded.ok_or(Failure::Refused)?;
                // Most bytes of most datagrams end here: no context is to be changed then.
                if node != Link::ROOT {
                    *output.next().ok_or(Failure::Refused)? = self.contexts.at(node).value();
                    self.contexts.advance_known(node);
                    continue;
                }
                context = self.contexts.at(context).parent();
            }
            while context != Link::ROOT {
                let decoded = self.contexts.decode(context, &mut decoder);
                node = decoded.ok_or(Failure::Refused)?;
                if node != Link::ROOT {
                    break;
                }
                context = self.contexts.at(context).parent();
            }
            if context == Link::ROOT {
                node = self.decode_in_root(&mut decoder)?;
                if node == Link::ROOT {
                    // An empty result is C's way to refuse.
                    let length = room - output.len();
                    let is_empty = length == 0;
                    return if is_empty {
                        Err(Failure::Refused)
                    } else {
                        Ok(length)
                    };
                }
            }
            let value = self.contexts.at(node).value();
            *output.next().ok_or(Failure::Refused)? = value;
            let longest = self.contexts.patch(value, node, context);
            self.advance(longest.ok_or(Failure::Damaged)?);
        }
    }

    /// The context that the next byte opens, when it is in no longer one; none at the end.
    #[inline(always)]
    fn decode_in_root(&mut self, decoder: &mut Decoder<'_>) -> Result<Link, Failure> {
        let (unit, code) = decoder.read(self.root.total()).ok_or(Failure::Refused)?;
        if code < root::ESCAPES {
            return Ok(Link::ROOT);
        }
        let value = self.root.find(code).ok_or(Failure::Damaged)?;
        let symbol = self.root.symbol(value);
        decoder.pass(unit, unit.wrapping_mul(symbol.below), symbol.frequency);
        Ok(self.root.touch(&mut self.contexts, symbol))
    }
}

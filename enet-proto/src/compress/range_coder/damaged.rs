//! Decoding what no encoder wrote, as C ENet does.
//!
//! A number beyond the total has no byte. C's search tree makes one up, with a value that wraps around, and hangs it where
//! it does not belong. Only a tree gives the same bytes after that; this is the slow path for it, and for a byte that is
//! in a context that was escaped.

use super::arithmetic::{Decoder, Tail, Unwritten};
use super::model::{Arena, Contexts, LEFT, Link, RIGHT, TOTAL_LIMIT};
use super::root::{ESCAPES, FREQUENCY_LIMIT, INCREMENT, INITIAL_TOTAL, MINIMUM};

pub(super) fn decompress(arena: &mut Arena, input: &[u8], output: &mut [u8]) -> Option<usize> {
    let contexts = &mut Contexts::new(arena);
    start(contexts);
    let tail = Tail::of(input);
    let mut decoder = Decoder::new(input, &tail);
    let mut length = 0;
    loop {
        let mut context = contexts.longest;
        let mut node = Link::ROOT;
        while context != Link::ROOT {
            node = contexts.decode(context, &mut decoder)?;
            if node != Link::ROOT {
                break;
            }
            context = contexts.at(context).parent();
        }
        if context == Link::ROOT {
            node = decode_in_root(contexts, &mut decoder)?;
            if node == Link::ROOT {
                return (length > 0).then_some(length);
            }
        }
        let value = contexts.at(node).value();
        *output.get_mut(length)? = value;
        length += 1;
        let longest = patch(contexts, value, node, context)?;
        contexts.advance(longest);
        if contexts.is_full() {
            start(contexts);
        }
    }
}

/// As [`Contexts::patch`], but the byte may be in longer contexts already.
fn patch(contexts: &mut Contexts<'_>, value: u8, node: Link, found_in: Link) -> Option<Link> {
    let mut context = contexts.longest;
    let (mut first, mut longer) = (Link::ROOT, Link::ROOT);
    while context != found_in {
        let next = contexts.at(context).parent();
        let (new, is_found) = contexts.code(context, value, &mut Unwritten)?;
        if !is_found {
            contexts.open(new, Link::ROOT);
        }
        if longer == Link::ROOT {
            first = new;
        } else {
            contexts.shorten(longer, new);
        }
        (longer, context) = (new, next);
    }
    if longer == Link::ROOT {
        return Some(node);
    }
    contexts.shorten(longer, node);
    Some(first)
}

fn start(contexts: &mut Contexts<'_>) {
    contexts.forget();
    contexts
        .at_mut(Link::ROOT)
        .set_weights(ESCAPES, INITIAL_TOTAL);
}

/// As in [`Model::decode_in_root`](super::Model::decode_in_root).
fn decode_in_root(contexts: &mut Contexts<'_>, decoder: &mut Decoder<'_>) -> Option<Link> {
    let root = *contexts.at(Link::ROOT);
    let (unit, code) = decoder.read_any(root.total())?;
    let escapes = root.escapes();
    if code < escapes {
        return Some(Link::ROOT);
    }
    let (node, below, frequency) = find(contexts, code - escapes);
    let below = escapes.wrapping_add(below);
    decoder.pass(unit, unit.wrapping_mul(below.into()), frequency.into());
    let root = contexts.at_mut(Link::ROOT);
    let total = root.total().wrapping_add(INCREMENT.into());
    root.set_weights(escapes, total);
    if frequency > FREQUENCY_LIMIT || u32::from(total) > TOTAL_LIMIT {
        fade(contexts);
    }
    Some(node)
}

/// The node for the byte whose interval holds `code`, made if need be; and that interval. Counts it.
fn find(contexts: &mut Contexts<'_>, code: u16) -> (Link, u16, u16) {
    let mut link = contexts.at(Link::ROOT).symbols();
    if link == Link::ROOT {
        let node = create(contexts, code);
        contexts.at_mut(Link::ROOT).set_symbols(node);
        return (node, code, MINIMUM);
    }
    let mut below = 0u16;
    loop {
        let node = contexts.at_mut(link);
        let own = u16::from(node.value()) + MINIMUM;
        let after = below.wrapping_add(node.under()).wrapping_add(own);
        let frequency = u16::from(node.count()) + MINIMUM;
        let under = node.under().wrapping_add(INCREMENT.into());
        let is_right = code >= after;
        let (next, value) = if is_right {
            below = below.wrapping_add(node.under());
            (
                node.child(RIGHT),
                own.wrapping_add(code.wrapping_sub(after)),
            )
        } else if i32::from(code) < i32::from(after) - i32::from(frequency) {
            node.set_counts(node.count(), under);
            let gap = after.wrapping_sub(frequency).wrapping_sub(code);
            (node.child(LEFT), u16::from(node.value()).wrapping_sub(gap))
        } else {
            node.set_counts(node.count().wrapping_add(INCREMENT), under);
            return (link, after.wrapping_sub(frequency), frequency);
        };
        if next == Link::ROOT {
            let new = create(contexts, value);
            let side = if is_right { RIGHT } else { LEFT };
            contexts.at_mut(link).hang(side, new);
            return (new, code, MINIMUM);
        }
        link = next;
    }
}

fn create(contexts: &mut Contexts<'_>, value: u16) -> Link {
    let link = contexts.create(value as u8, INCREMENT);
    contexts.open(link, Link::ROOT);
    link
}

/// Halves all counts of the root.
///
/// Its tree may be thousands deep, so this goes without recursion: whatever hangs on a node is younger and has a higher
/// number, and only nodes of this tree have the root for the next shorter context.
fn fade(contexts: &mut Contexts<'_>) {
    for link in (1..contexts.used()).rev().map(Link::new) {
        if contexts.at(link).parent() == Link::ROOT {
            let left = row(contexts, contexts.at(link).child(LEFT));
            let node = contexts.at_mut(link);
            let count = node.count() - node.count() / 2;
            node.set_counts(count, left.wrapping_add(count.into()));
        }
    }
    let sum = row(contexts, contexts.at(Link::ROOT).symbols());
    let root = contexts.at_mut(Link::ROOT);
    let escapes = root.escapes() - root.escapes() / 2;
    let total = sum.wrapping_add(escapes).wrapping_add(256 * MINIMUM);
    root.set_weights(escapes, total);
}

/// The sum of the tree at `link`; no node is in the way of two such sums.
fn row(contexts: &Contexts<'_>, mut link: Link) -> u16 {
    let mut sum = 0u16;
    while link != Link::ROOT {
        sum = sum.wrapping_add(contexts.at(link).under());
        link = contexts.at(link).child(RIGHT);
    }
    sum
}

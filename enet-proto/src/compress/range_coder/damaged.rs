//! Decoding what no encoder wrote, as C ENet does.
//!
//! A number beyond the total has no byte. C's search tree makes one up, with a value that wraps around, and hangs it where
//! it does not belong. Only a tree gives the same bytes after that; this is the slow path for it.

use super::arithmetic::{Decoder, Tail};
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
            context = contexts.at(context).parent;
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
        let longest = contexts.patch(value, node, context);
        contexts.advance(longest);
        if contexts.is_full() {
            start(contexts);
        }
    }
}

fn start(contexts: &mut Contexts<'_>) {
    contexts.forget();
    let root = contexts.at_mut(Link::ROOT);
    root.escapes = ESCAPES;
    root.total = INITIAL_TOTAL;
}

/// As in [`Model::decode_in_root`](super::Model::decode_in_root).
fn decode_in_root(contexts: &mut Contexts<'_>, decoder: &mut Decoder<'_>) -> Option<Link> {
    let root = *contexts.at(Link::ROOT);
    let code = decoder.read(root.total.into())?;
    if code < root.escapes {
        return Some(Link::ROOT);
    }
    let (node, below, frequency) = find(contexts, code - root.escapes);
    let below = root.escapes.wrapping_add(below);
    decoder.consume(below.into(), frequency.into());
    let root = contexts.at_mut(Link::ROOT);
    root.total = root.total.wrapping_add(INCREMENT.into());
    if frequency > FREQUENCY_LIMIT || u32::from(root.total) > TOTAL_LIMIT {
        fade(contexts);
    }
    Some(node)
}

/// The node for the byte whose interval holds `code`, made if need be; and that interval. Counts it.
fn find(contexts: &mut Contexts<'_>, code: u16) -> (Link, u16, u16) {
    let mut link = contexts.at(Link::ROOT).symbols;
    if link == Link::ROOT {
        let node = create(contexts, code);
        contexts.at_mut(Link::ROOT).symbols = node;
        return (node, code, MINIMUM);
    }
    let mut below = 0u16;
    loop {
        let node = contexts.at_mut(link);
        let own = u16::from(node.value()) + MINIMUM;
        let after = below.wrapping_add(node.under()).wrapping_add(own);
        let frequency = u16::from(node.count()) + MINIMUM;
        let is_right = code >= after;
        let (next, value) = if is_right {
            below = below.wrapping_add(node.under());
            (
                node.children[RIGHT],
                own.wrapping_add(code.wrapping_sub(after)),
            )
        } else if i32::from(code) < i32::from(after) - i32::from(frequency) {
            node.set_under(node.under().wrapping_add(INCREMENT.into()));
            let gap = after.wrapping_sub(frequency).wrapping_sub(code);
            (
                node.children[LEFT],
                u16::from(node.value()).wrapping_sub(gap),
            )
        } else {
            node.set_under(node.under().wrapping_add(INCREMENT.into()));
            node.set_count(node.count().wrapping_add(INCREMENT));
            return (link, after.wrapping_sub(frequency), frequency);
        };
        if next == Link::ROOT {
            let new = create(contexts, value);
            let node = contexts.at_mut(link);
            if is_right {
                node.children[RIGHT] = new;
            } else {
                node.children[LEFT] = new;
            }
            return (new, code, MINIMUM);
        }
        link = next;
    }
}

fn create(contexts: &mut Contexts<'_>, value: u16) -> Link {
    let link = contexts.create(value as u8, INCREMENT);
    contexts.at_mut(link).parent = Link::ROOT;
    link
}

/// Halves all counts of the root.
///
/// Its tree may be thousands deep, so this goes without recursion: whatever hangs on a node is younger and has a higher
/// number, and only nodes of this tree have the root for the next shorter context.
fn fade(contexts: &mut Contexts<'_>) {
    for link in (1..contexts.used()).rev().map(Link::new) {
        if contexts.at(link).parent == Link::ROOT {
            let left = row(contexts, contexts.at(link).children[LEFT]);
            let node = contexts.at_mut(link);
            node.set_count(node.count() - node.count() / 2);
            node.set_under(left.wrapping_add(node.count().into()));
        }
    }
    let sum = row(contexts, contexts.at(Link::ROOT).symbols);
    let root = contexts.at_mut(Link::ROOT);
    root.escapes -= root.escapes / 2;
    root.total = sum.wrapping_add(root.escapes).wrapping_add(256 * MINIMUM);
}

/// The sum of the tree at `link`; no node is in the way of two such sums.
fn row(contexts: &Contexts<'_>, mut link: Link) -> u16 {
    let mut sum = 0u16;
    while link != Link::ROOT {
        sum = sum.wrapping_add(contexts.at(link).under());
        link = contexts.at(link).children[RIGHT];
    }
    sum
}

//! What was seen after one and after two bytes: [`Contexts`].

use super::arithmetic::{Decoder, Intervals, Unwritten};
use alloc::boxed::Box;
use alloc::vec;

/// What a byte gains each time it is seen.
const INCREMENT: u8 = 2;
/// What the escape gains each time a new byte is seen.
const ESCAPE_INCREMENT: u16 = 5;
/// Length of the longest context, in bytes.
const ORDERS: u8 = 2;
const CAPACITY: usize = 4096;
/// Coding one byte makes three nodes at most.
const FULL: Link = Link::new(4094);
/// A byte seen more often than this makes its context fade.
const FREQUENCY_LIMIT: u32 = 251;
/// So does a context of more than this.
pub(super) const TOTAL_LIMIT: u32 = 65_280;

/// The number of a node, times the 16 bytes that one takes: an address needs no shift, and no link can be out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link(u16);

impl Link {
    /// The context without a predecessor; elsewhere "none".
    pub(super) const ROOT: Self = Self(0);
    const FIRST: Self = Self::new(1);

    pub(super) const fn new(index: usize) -> Self {
        Self((index as u16) << 4)
    }

    pub(super) const fn index(self) -> usize {
        (self.0 >> 4) as usize
    }
}

/// Places in [`Node::children`].
pub(super) const LEFT: usize = 0;
pub(super) const RIGHT: usize = 1;

/// A byte in its context, and at once the context that this byte opens.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Node {
    /// Smaller bytes of the same context, and larger ones.
    pub(super) children: [Link; 2],
    /// The tree of the bytes seen in the context that this one opens.
    pub(super) symbols: Link,
    /// The weight of "none of them" there; of no meaning while there are none.
    pub(super) escapes: u16,
    /// That weight and all counts there; the same.
    pub(super) total: u16,
    /// The context that is one byte shorter; of no meaning until that has the byte too.
    pub(super) parent: Link,
    /// The byte, how often it was seen, and in little-endian order `under`: one word for who makes a node.
    head: [u8; 4],
}

impl Node {
    /// The byte.
    #[inline(always)]
    pub(super) const fn value(&self) -> u8 {
        self.head[0]
    }

    /// How often it was seen, weighted.
    #[inline(always)]
    pub(super) const fn count(&self) -> u8 {
        self.head[1]
    }

    /// The counts of this node and of all that hang to its left.
    #[inline(always)]
    pub(super) const fn under(&self) -> u16 {
        u16::from_le_bytes([self.head[2], self.head[3]])
    }

    #[inline(always)]
    pub(super) const fn set_count(&mut self, count: u8) {
        self.head[1] = count;
    }

    #[inline(always)]
    pub(super) const fn set_under(&mut self, under: u16) {
        let [low, high] = under.to_le_bytes();
        self.head[2] = low;
        self.head[3] = high;
    }
}

/// Room for the contexts of one datagram.
#[derive(Debug)]
pub(super) struct Arena(Box<[Node; CAPACITY]>);

impl Arena {
    pub(super) fn new() -> Self {
        let nodes = vec![Node::default(); CAPACITY].into_boxed_slice();
        // The length is the one that it was made with.
        Self(nodes.try_into().expect("the capacity"))
    }
}

/// All contexts but the root. They use nodes until none are left, and then begin anew.
pub(super) struct Contexts<'a> {
    nodes: &'a mut [Node; CAPACITY],
    free: Link,
    /// The context in which the next byte is looked for first.
    pub(super) longest: Link,
    /// The length of that, in bytes.
    order: u8,
}

/// Where a byte was found or put, and what its interval was before that.
#[derive(Clone, Copy, Debug)]
struct Place {
    node: Link,
    below: u32,
    /// 0 if it is new.
    frequency: u32,
}

impl<'a> Contexts<'a> {
    pub(super) fn new(arena: &'a mut Arena) -> Self {
        let mut this = Self {
            nodes: &mut arena.0,
            free: Link::FIRST,
            longest: Link::ROOT,
            order: 0,
        };
        this.forget();
        this
    }

    #[inline(always)]
    pub(super) fn at(&self, link: Link) -> &Node {
        &self.nodes[link.index()]
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, link: Link) -> &mut Node {
        &mut self.nodes[link.index()]
    }

    /// Keeps nothing; the root is node 0.
    pub(super) fn forget(&mut self) {
        *self.at_mut(Link::ROOT) = Node::default();
        self.free = Link::FIRST;
        self.longest = Link::ROOT;
        self.order = 0;
    }

    /// How many nodes there are, the root included.
    pub(super) const fn used(&self) -> usize {
        self.free.index()
    }

    /// Whether it is time to forget. All nodes taken is what number 0 says.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.free >= FULL || self.free == Link::ROOT
    }

    /// Chooses the context for the next byte, when the last one is `node` in the longest.
    #[inline(always)]
    pub(super) fn advance(&mut self, node: Link) {
        if self.order >= ORDERS {
            self.longest = self.at(node).parent;
        } else {
            self.longest = node;
            self.order += 1;
        }
    }

    /// A new node for `value`, seen once with a weight of `increment`.
    #[inline(always)]
    pub(super) fn create(&mut self, value: u8, increment: u8) -> Link {
        let link = self.free;
        self.free = Link(link.0.wrapping_add(Link::FIRST.0));
        let node = self.at_mut(link);
        (node.children, node.symbols) = ([Link::ROOT; 2], Link::ROOT);
        node.escapes = 0;
        let increment = u32::from(increment);
        node.head = (u32::from(value) | increment << 8 | increment << 16).to_le_bytes();
        link
    }

    /// Codes `value` in `context` and counts it there; gives its node, and whether it was there before.
    #[inline(always)]
    pub(super) fn code(
        &mut self,
        context: Link,
        value: u8,
        intervals: &mut impl Intervals,
    ) -> Option<(Link, bool)> {
        let Node {
            symbols,
            escapes,
            total,
            ..
        } = *self.at(context);
        if symbols == Link::ROOT {
            let new = self.create(value, INCREMENT);
            let context = self.at_mut(context);
            context.symbols = new;
            context.escapes = ESCAPE_INCREMENT;
            context.total = ESCAPE_INCREMENT + INCREMENT as u16;
            return Some((new, false));
        }
        let place = self.search(symbols, value);
        let is_found = place.frequency > 0;
        if is_found {
            let below = place.below.wrapping_add(escapes.into());
            intervals.code(below, place.frequency, total.into())?;
            self.note_found(context, place.frequency);
        } else {
            intervals.code(0, escapes.into(), total.into())?;
            self.note_escape(context);
        }
        Some((place.node, is_found))
    }

    /// Finds `value` in a tree or puts it there, and counts it.
    #[inline(always)]
    fn search(&mut self, mut link: Link, value: u8) -> Place {
        let mut below = 0u32;
        loop {
            let node = self.at_mut(link);
            let under = u32::from(node.under());
            if value == node.value() {
                let frequency = u32::from(node.count());
                node.set_under(node.under().wrapping_add(INCREMENT.into()));
                node.set_count(node.count().wrapping_add(INCREMENT));
                return Place {
                    node: link,
                    below: below.wrapping_add(under).wrapping_sub(frequency),
                    frequency,
                };
            }
            let is_left = value < node.value();
            let next = if is_left {
                node.set_under(node.under().wrapping_add(INCREMENT.into()));
                node.children[LEFT]
            } else {
                below = below.wrapping_add(under);
                node.children[RIGHT]
            };
            if next == Link::ROOT {
                return self.hang(link, usize::from(!is_left), value);
            }
            link = next;
        }
    }

    #[inline(always)]
    fn hang(&mut self, link: Link, side: usize, value: u8) -> Place {
        let new = self.create(value, INCREMENT);
        let node = self.at_mut(link);
        node.children[side & 1] = new;
        Place {
            node: new,
            below: 0,
            frequency: 0,
        }
    }

    /// Counts in `context` that a byte was there, which had `frequency` before.
    #[inline(always)]
    fn note_found(&mut self, context: Link, frequency: u32) {
        let node = self.at_mut(context);
        node.total = node.total.wrapping_add(INCREMENT.into());
        if frequency > FREQUENCY_LIMIT || u32::from(node.total) > TOTAL_LIMIT {
            fade(self.nodes, context);
        }
    }

    /// Counts in `context` that a byte was not there, and now is.
    #[inline(always)]
    fn note_escape(&mut self, context: Link) {
        let node = self.at_mut(context);
        node.escapes = node.escapes.wrapping_add(ESCAPE_INCREMENT);
        node.total = node.total.wrapping_add(ESCAPE_INCREMENT + INCREMENT as u16);
        if u32::from(node.total) > TOTAL_LIMIT {
            fade(self.nodes, context);
        }
    }

    /// Reads a byte in `context`, counts it and gives its node; none if it is not there.
    #[inline(always)]
    pub(super) fn decode(&mut self, context: Link, decoder: &mut Decoder<'_>) -> Option<Link> {
        let Node {
            symbols,
            escapes,
            total,
            ..
        } = *self.at(context);
        if symbols == Link::ROOT {
            return Some(Link::ROOT);
        }
        let escapes = u32::from(escapes);
        let (unit, offset) = decoder.locate(total.into())?;
        let below = unit.wrapping_mul(escapes);
        if offset < below {
            decoder.pass_interval(0, escapes);
            return Some(Link::ROOT);
        }
        let place = self.find(symbols, (unit, offset), below)?;
        decoder.pass_interval(place.below, place.frequency);
        self.note_found(context, place.frequency);
        Some(place.node)
    }

    /// The byte of the tree at `link` whose interval holds `offset`; counts it. All is in multiples of `unit`, what is
    /// below the tree too.
    #[inline(always)]
    fn find(
        &mut self,
        mut link: Link,
        (unit, offset): (u32, u32),
        mut below: u32,
    ) -> Option<Place> {
        while link != Link::ROOT {
            let node = self.at_mut(link);
            let after = below.wrapping_add(unit.wrapping_mul(node.under().into()));
            if offset >= after {
                below = after;
                link = node.children[RIGHT];
                continue;
            }
            let frequency = u32::from(node.count());
            let start = after.wrapping_sub(unit.wrapping_mul(frequency));
            node.set_under(node.under().wrapping_add(INCREMENT.into()));
            if offset < start {
                link = node.children[LEFT];
                continue;
            }
            node.set_count(node.count().wrapping_add(INCREMENT));
            return Some(Place {
                node: link,
                below: start,
                frequency,
            });
        }
        None
    }

    /// Counts `value`, which was found as `node` in the context `found_in`, in all longer ones too; gives its node in
    /// the longest.
    #[inline(always)]
    pub(super) fn patch(&mut self, value: u8, node: Link, found_in: Link) -> Link {
        let mut context = self.longest;
        if context == found_in {
            return node;
        }
        let (mut first, mut longer) = (Link::ROOT, Link::ROOT);
        while context != found_in {
            let next = self.at(context).parent;
            let Some((node, _)) = self.code(context, value, &mut Unwritten) else {
                break;
            };
            // For the first this writes to the root, which has no shorter context and reads none.
            self.at_mut(longer).parent = node;
            if first == Link::ROOT {
                first = node;
            }
            longer = node;
            context = next;
        }
        self.at_mut(longer).parent = node;
        first
    }
}

/// Halves all counts of `context`. Not a method, so that the fields of [`Contexts`] stay in registers.
#[cold]
fn fade(nodes: &mut [Node; CAPACITY], context: Link) {
    let sum = fade_tree(nodes, nodes[context.index()].symbols);
    let node = &mut nodes[context.index()];
    node.escapes -= node.escapes / 2;
    node.total = sum.wrapping_add(node.escapes);
}

/// The same for the tree at `link`; gives the sum. All bytes of a tree differ, so it is at most 256 deep.
fn fade_tree(nodes: &mut [Node; CAPACITY], mut link: Link) -> u16 {
    let mut sum = 0u16;
    while link != Link::ROOT {
        let left = fade_tree(nodes, nodes[link.index()].children[LEFT]);
        let node = &mut nodes[link.index()];
        node.set_count(node.count() - node.count() / 2);
        node.set_under(left.wrapping_add(node.count().into()));
        sum = sum.wrapping_add(node.under());
        link = node.children[RIGHT];
    }
    sum
}

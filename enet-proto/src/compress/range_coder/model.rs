//! What was seen after one and after two bytes: [`Contexts`].

use super::arithmetic::{Decoder, Intervals, wrapped};
use alloc::boxed::Box;
use alloc::vec;

/// What a byte gains each time it is seen.
const INCREMENT: u8 = 2;
/// What the escape gains each time a new byte is seen.
const ESCAPE_INCREMENT: u64 = 5;
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

/// Sides of a [`Node`].
pub(super) const LEFT: u32 = 0;
pub(super) const RIGHT: u32 = 1;

/// A byte in its context, and at once the context that this byte opens.
///
/// Two words, each read and written as a whole: to read what was just written in parts makes a processor wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// From the lowest bit: the byte (8), how often it was seen, weighted (8), the counts of this node and of all that
    /// hang to its left (16), [`LEFT`] and [`RIGHT`], smaller bytes of the same context and larger ones (16 each).
    tree: u64,
    /// From the lowest bit, 16 each: the tree of the bytes seen in the context that this one opens; the weight of "none
    /// of them" there; that weight and all counts there; the context that is one byte shorter. The first three are 0
    /// while no byte is there; the last is of no meaning until that context has the byte too.
    context: u64,
}

const COUNT: u32 = 8;
const UNDER: u32 = 16;
const CHILDREN: u32 = 32;
const ESCAPES: u32 = 16;
const TOTAL: u32 = 32;
const PARENT: u32 = 48;

/// What a byte's `tree` gains when it is seen, and when one to its left is.
const SEEN: u64 = (INCREMENT as u64) << COUNT | SEEN_LEFT;
const SEEN_LEFT: u64 = (INCREMENT as u64) << UNDER;
/// What the `context` gains then, and when the byte is new there.
const FOUND: u64 = (INCREMENT as u64) << TOTAL;
const ESCAPED: u64 = (ESCAPE_INCREMENT << ESCAPES) + (ESCAPE_INCREMENT << TOTAL) + FOUND;

impl Node {
    /// The byte.
    #[inline(always)]
    pub(super) const fn value(&self) -> u8 {
        self.tree as u8
    }

    /// How often it was seen, weighted.
    #[inline(always)]
    pub(super) const fn count(&self) -> u8 {
        (self.tree >> COUNT) as u8
    }

    /// The counts of this node and of all that hang to its left.
    #[inline(always)]
    pub(super) const fn under(&self) -> u16 {
        (self.tree >> UNDER) as u16
    }

    /// What hangs at that side, [`LEFT`] or [`RIGHT`].
    #[inline(always)]
    pub(super) const fn child(&self, side: u32) -> Link {
        Link((self.tree >> (CHILDREN + 16 * (side & RIGHT))) as u16)
    }

    /// The tree of the bytes seen in the context that this one opens.
    #[inline(always)]
    pub(super) const fn symbols(&self) -> Link {
        Link(self.context as u16)
    }

    /// The weight of "none of them" there.
    #[inline(always)]
    pub(super) const fn escapes(&self) -> u16 {
        (self.context >> ESCAPES) as u16
    }

    /// That weight and all counts there.
    #[inline(always)]
    pub(super) const fn total(&self) -> u16 {
        (self.context >> TOTAL) as u16
    }

    /// The context that is one byte shorter.
    #[inline(always)]
    pub(super) const fn parent(&self) -> Link {
        Link((self.context >> PARENT) as u16)
    }

    pub(super) const fn set_counts(&mut self, count: u8, under: u16) {
        self.tree = put(self.tree, UNDER, under);
        self.tree = self.tree & !(0xff << COUNT) | (count as u64) << COUNT;
    }

    /// Hangs a node where there is none.
    #[inline(always)]
    pub(super) const fn hang(&mut self, side: u32, child: Link) {
        self.tree |= (child.0 as u64) << (CHILDREN + 16 * (side & RIGHT));
    }

    pub(super) const fn set_symbols(&mut self, symbols: Link) {
        self.context = put(self.context, 0, symbols.0);
    }

    pub(super) const fn set_weights(&mut self, escapes: u16, total: u16) {
        self.context = put(put(self.context, ESCAPES, escapes), TOTAL, total);
    }
}

/// `word` with those 16 bits.
const fn put(word: u64, at: u32, bits: u16) -> u64 {
    word & !(0xffff << at) | (bits as u64) << at
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

    /// Chooses the context for the next byte, when the last one is `node`, which is new, in the longest.
    #[inline(always)]
    pub(super) fn advance(&mut self, node: Link) {
        if self.order >= ORDERS {
            self.longest = self.at(node).parent();
        } else {
            self.longest = node;
            self.order += 1;
        }
    }

    /// The same when the byte was there before: contexts that are not the longest possible are empty when they are used.
    #[inline(always)]
    pub(super) fn advance_known(&mut self, node: Link) {
        self.longest = self.at(node).parent();
    }

    /// A new node for `value`, seen once with a weight of `increment`. It has no context until [`Contexts::open`].
    #[inline(always)]
    pub(super) fn create(&mut self, value: u8, increment: u8) -> Link {
        let link = self.free;
        self.free = Link(link.0.wrapping_add(Link::FIRST.0));
        let increment = u64::from(increment);
        self.at_mut(link).tree = u64::from(value) | increment << COUNT | increment << UNDER;
        link
    }

    /// Makes a new node a context in which nothing was seen, one byte longer than `parent`.
    #[inline(always)]
    pub(super) fn open(&mut self, link: Link, parent: Link) {
        self.at_mut(link).context = u64::from(parent.0) << PARENT;
    }

    /// The same for any node.
    pub(super) fn shorten(&mut self, link: Link, parent: Link) {
        let node = self.at_mut(link);
        node.context = put(node.context, PARENT, parent.0);
    }

    /// Codes `value` in `context` and counts it there; gives its node, and whether it was there before.
    #[inline(always)]
    pub(super) fn code(
        &mut self,
        context: Link,
        value: u8,
        intervals: &mut impl Intervals,
    ) -> Option<(Link, bool)> {
        let known = *self.at(context);
        if known.symbols() == Link::ROOT {
            let new = self.create(value, INCREMENT);
            self.at_mut(context).context = (known.context | u64::from(new.0)).wrapping_add(ESCAPED);
            return Some((new, false));
        }
        let place = self.search(known.symbols(), value);
        let (escapes, total) = (u32::from(known.escapes()), u32::from(known.total()));
        let is_found = place.frequency > 0;
        if is_found {
            let below = place.below.wrapping_add(escapes);
            intervals.code(below, place.frequency, total)?;
        } else {
            intervals.code(0, escapes, total)?;
        }
        let gain = if is_found { FOUND } else { ESCAPED };
        self.note(context, known, gain, place.frequency);
        Some((place.node, is_found))
    }

    /// Finds `value` in a tree or puts it there, and counts it.
    #[inline(always)]
    fn search(&mut self, mut link: Link, value: u8) -> Place {
        let mut below = 0u32;
        loop {
            let node = self.at_mut(link);
            let was = *node;
            if value == was.value() {
                node.tree = was.tree.wrapping_add(SEEN);
                let frequency = u32::from(was.count());
                return Place {
                    node: link,
                    below: below.wrapping_add(u32::from(was.under()).wrapping_sub(frequency)),
                    frequency,
                };
            }
            let side = if value < was.value() {
                node.tree = was.tree.wrapping_add(SEEN_LEFT);
                LEFT
            } else {
                below = below.wrapping_add(was.under().into());
                RIGHT
            };
            let next = was.child(side);
            if next == Link::ROOT {
                let new = self.create(value, INCREMENT);
                self.at_mut(link).hang(side, new);
                return Place {
                    node: new,
                    below: 0,
                    frequency: 0,
                };
            }
            link = next;
        }
    }

    /// Counts in `context` a byte that had `frequency` before.
    #[inline(always)]
    fn note(&mut self, context: Link, known: Node, gain: u64, frequency: u32) {
        let node = self.at_mut(context);
        node.context = known.context.wrapping_add(gain);
        if frequency > FREQUENCY_LIMIT || u32::from(node.total()) > TOTAL_LIMIT {
            fade(self.nodes, context);
        }
    }

    /// Reads a byte in `context`, counts it and gives its node; none if it is not there.
    #[inline(always)]
    pub(super) fn decode(&mut self, context: Link, decoder: &mut Decoder<'_>) -> Option<Link> {
        let known = *self.at(context);
        if known.symbols() == Link::ROOT {
            return Some(Link::ROOT);
        }
        let (escapes, total) = (u32::from(known.escapes()), u32::from(known.total()));
        let (unit, mut offset) = decoder.locate(total);
        let below = unit.wrapping_mul(escapes);
        loop {
            if offset < below {
                decoder.pass(unit, 0, escapes);
                return Some(Link::ROOT);
            }
            if let Some(place) = self.find(known.symbols(), (unit, offset), below) {
                decoder.pass(unit, place.below, place.frequency);
                self.note(context, known, FOUND, place.frequency);
                return Some(place.node);
            }
            offset = wrapped(unit, offset, total)?;
        }
    }

    /// The byte of the tree at `link` whose interval holds `offset`; counts it. All is in multiples of `unit`, what is
    /// below the tree too. `None`, and nothing is counted, if `offset` is above the tree.
    #[inline(always)]
    fn find(
        &mut self,
        mut link: Link,
        (unit, offset): (u32, u32),
        mut below: u32,
    ) -> Option<Place> {
        while link != Link::ROOT {
            let node = self.at_mut(link);
            let was = *node;
            let after = below.wrapping_add(unit.wrapping_mul(was.under().into()));
            if offset >= after {
                below = after;
                link = was.child(RIGHT);
                continue;
            }
            let frequency = u32::from(was.count());
            let start = after.wrapping_sub(unit.wrapping_mul(frequency));
            if offset < start {
                node.tree = was.tree.wrapping_add(SEEN_LEFT);
                link = was.child(LEFT);
                continue;
            }
            node.tree = was.tree.wrapping_add(SEEN);
            return Some(Place {
                node: link,
                below: start,
                frequency,
            });
        }
        None
    }

    /// Counts `value`, which was found as `node` in the context `found_in`, in all longer ones too; gives its node in
    /// the longest. `None` if it is in one of those already: no encoder escapes a byte that is there.
    #[inline(always)]
    pub(super) fn patch(&mut self, value: u8, node: Link, found_in: Link) -> Option<Link> {
        let mut context = self.longest;
        if context == found_in {
            return Some(node);
        }
        let first = self.free;
        loop {
            let next = self.at(context).parent();
            let new = self.add(context, value)?;
            if next == found_in {
                self.open(new, node);
                return Some(first);
            }
            // That is the next one to be made.
            self.open(new, self.free);
            context = next;
        }
    }

    /// Counts a byte that is new in `context`, after its escape; `None` if it is there.
    #[inline(always)]
    fn add(&mut self, context: Link, value: u8) -> Option<Link> {
        let known = *self.at(context);
        let mut link = known.symbols();
        if link == Link::ROOT {
            let new = self.create(value, INCREMENT);
            self.at_mut(context).context = (known.context | u64::from(new.0)).wrapping_add(ESCAPED);
            return Some(new);
        }
        let new = loop {
            let node = self.at_mut(link);
            let was = *node;
            if value == was.value() {
                return None;
            }
            let side = if value < was.value() {
                node.tree = was.tree.wrapping_add(SEEN_LEFT);
                LEFT
            } else {
                RIGHT
            };
            let next = was.child(side);
            if next == Link::ROOT {
                let new = self.create(value, INCREMENT);
                self.at_mut(link).hang(side, new);
                break new;
            }
            link = next;
        };
        self.note(context, known, ESCAPED, 0);
        Some(new)
    }
}

/// Halves all counts of `context`. Not a method, so that the fields of [`Contexts`] stay in registers.
#[cold]
fn fade(nodes: &mut [Node; CAPACITY], context: Link) {
    let sum = fade_tree(nodes, nodes[context.index()].symbols());
    let node = &mut nodes[context.index()];
    let escapes = node.escapes() - node.escapes() / 2;
    node.set_weights(escapes, sum.wrapping_add(escapes));
}

/// The same for the tree at `link`; gives the sum. All bytes of a tree differ, so it is at most 256 deep.
fn fade_tree(nodes: &mut [Node; CAPACITY], mut link: Link) -> u16 {
    let mut sum = 0u16;
    while link != Link::ROOT {
        let left = fade_tree(nodes, nodes[link.index()].child(LEFT));
        let node = &mut nodes[link.index()];
        let count = node.count() - node.count() / 2;
        node.set_counts(count, left.wrapping_add(count.into()));
        sum = sum.wrapping_add(node.under());
        link = node.child(RIGHT);
    }
    sum
}

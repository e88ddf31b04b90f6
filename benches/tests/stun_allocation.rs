//! `stun-proto` allocates nothing for a message, whatever is done to it. A program of its own: the count is one for all
//! threads.

use benches::allocation::{self, Counting};
use benches::stun::{Messages, Ours, Side, Work};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations while the side does this work a hundred times.
fn allocations<S: Side>(work: Work) -> usize {
    let (messages, mut side) = (Messages::new(), S::new());
    let before = allocation::allocations();
    let good = allocation::counting(|| messages.run(&mut side, work, 100));
    assert!(good, "{}", work.name());
    allocation::allocations() - before
}

// req: X-2
fn main() {
    for work in Work::ALL {
        assert_eq!(allocations::<Ours>(work), 0, "{}", work.name());
        println!("{}: no allocation", work.name());
    }
    // The count counts: another crate copies what it reads.
    assert!(allocations::<benches::stun::RtcStun>(Work::Parse) >= 100);
}

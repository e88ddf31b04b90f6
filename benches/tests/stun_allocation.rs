//! `stun-proto` allocates nothing for a message, whatever is done to it. A program of its own: the count is one for all
//! threads.

use benches::allocation::{self, Counting};
use benches::stun::{Messages, Ours, Side, Work};
use core::net::{Ipv4Addr, SocketAddr};
use proto_core::Instant;
use stun_proto::auth::{LongTermServer, Offer};
use stun_proto::crypto::RustCrypto;
use stun_proto::{Class, LongTermKeys, Message, MessageWriter, Method, TransactionId};

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

/// Challenges of a server of long-term credentials to strangers who come from so many addresses.
fn challenges(strangers: u32) -> usize {
    let server = LongTermServer::<RustCrypto>::new("gdwire", [7; 32], Offer::Sha256OrMd5);
    let mut server = server.expect("the realm is short");
    let mut buffer = [0; 100];
    let id = TransactionId::new([1; 12]);
    let request = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, id).finish();
    let request = Message::parse(request.expect("it fits")).expect("it is good");
    let mut challenged = 0;
    for stranger in 0..strangers {
        let now = Instant::from_micros(u64::from(stranger) * 1000);
        let from = SocketAddr::from((Ipv4Addr::from_bits(0x0b00_0000 + stranger * 97), 40_000));
        let refused = server.check(now, from, &request, |_| None::<LongTermKeys>);
        let refusal = refused.expect_err("there are no credentials");
        let mut buffer = [0; 200];
        let reply = server.refuse(now, from, &request, refusal, &mut buffer);
        challenged += usize::from(reply.expect("it fits").is_some());
    }
    challenged
}

// req: X-2, HS-7
fn main() {
    for work in Work::ALL {
        assert_eq!(allocations::<Ours>(work), 0, "{}", work.name());
        println!("{}: no allocation", work.name());
    }
    let before = allocation::allocations();
    let (live, challenged) = (
        allocation::live_bytes(),
        allocation::counting(|| challenges(1)),
    );
    let fixed = allocation::allocations() - before;
    assert_eq!((challenged, allocation::live_bytes()), (1, live));
    let before = allocation::allocations();
    let challenged = allocation::counting(|| challenges(200_000));
    assert!(challenged > 100_000, "{challenged}");
    assert_eq!(allocation::allocations() - before, fixed);
    println!("{challenged} challenges to strangers: no allocation");
    // The count counts: another crate copies what it reads.
    assert!(allocations::<benches::stun::RtcStun>(Work::Parse) >= 100);
}

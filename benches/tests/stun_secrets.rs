//! What `stun-proto` frees holds no secret any more. A program of its own, since it looks at every block that is freed.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::size_of;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use proto_core::Instant;
use std::alloc::System;
use stun_proto::auth::{ClientAuth, NonceFeatures, NonceIssuer, RestSecret};
use stun_proto::crypto::RustCrypto;
use stun_proto::{Key, LongTermKeys, Password};

/// Room for what is freed while it is recorded.
const ROOM: usize = 1 << 20;
/// So many bytes of a secret in a row are no chance.
const RUN: usize = 8;

/// The bytes of the blocks that were freed, one after the other, in their order.
struct Recording {
    bytes: UnsafeCell<[u8; ROOM]>,
    /// Bytes recorded; `usize::MAX` while nothing is to be.
    used: AtomicUsize,
}

// SAFETY: only the one thread of this program allocates.
unsafe impl Sync for Recording {}

#[global_allocator]
static FREED: Recording = Recording {
    bytes: UnsafeCell::new([0; ROOM]),
    used: AtomicUsize::new(usize::MAX),
};

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract. Zeros, so that nothing but what was written is found in a block.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let used = self.used.load(Ordering::Relaxed);
        if used <= ROOM - layout.size().min(ROOM) {
            // SAFETY: the block lives until it is given to the system, and there is room.
            unsafe {
                let to = self.bytes.get().cast::<u8>().add(used);
                pointer.copy_to_nonoverlapping(to, layout.size());
            }
            self.used.store(used + layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What is freed by `work`.
fn freed(work: impl FnOnce()) -> Vec<u8> {
    FREED.used.store(0, Ordering::Relaxed);
    work();
    let used = FREED.used.swap(usize::MAX, Ordering::Relaxed);
    // SAFETY: nothing is recorded any more, and so many bytes were.
    unsafe { slice::from_raw_parts(FREED.bytes.get().cast::<u8>(), used) }.to_vec()
}

/// The bytes of a value in a box, padding included: the block was zero before the value was moved in.
fn bytes_of<T>(value: &T) -> Vec<u8> {
    // SAFETY: the value is that long. What lies between its fields may be anything and is only compared.
    unsafe { slice::from_raw_parts(core::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
        .to_vec()
}

/// Parts of a value in which it differs from one with another secret.
fn secrets<T>(make: impl Fn(&str) -> T) -> Vec<Vec<u8>> {
    let [one, other] = ["correct horse battery", "incorrect donkey cell"]
        .map(|secret| bytes_of(&*Box::new(make(secret))));
    let differs: Vec<_> = one.iter().zip(&other).map(|(a, b)| a != b).collect();
    let windows = one.windows(RUN).zip(differs.windows(RUN));
    windows
        .filter(|(bytes, differs)| {
            // What is mostly zero is no secret, whatever an unused field of the other had there.
            let count = |flags: &mut dyn Iterator<Item = bool>| flags.filter(|flag| *flag).count();
            let differing = count(&mut differs.iter().copied());
            differing > RUN / 2 && count(&mut bytes.iter().map(|byte| *byte != 0)) > RUN / 2
        })
        .map(|(bytes, _)| bytes.to_vec())
        .collect()
}

/// How many parts of the secret lie in what is freed with a value.
fn left<T>(name: &str, make: impl Fn(&str) -> T) -> usize {
    let mut secrets = secrets(&make);
    secrets.extend(b"correct horse battery".windows(RUN).map(<[u8]>::to_vec));
    let value = Box::new(make("correct horse battery"));
    let freed = freed(|| drop(value));
    let found = freed
        .windows(RUN)
        .filter(|window| secrets.iter().any(|secret| secret == window));
    let found = found.count();
    println!(
        "{name}: {} bytes freed, {found} parts of the secret left",
        freed.len()
    );
    found
}

// req: A-24, HG-11
fn main() {
    // What is not wiped is found, so the test can fail.
    assert!(left("a String, for comparison", str::to_owned) > 0);
    assert!(secrets(|secret| Key::<RustCrypto>::from_bytes(secret.as_bytes())).len() > 50);
    assert_eq!(left("Key", Key::short_term), 0);
    assert_eq!(left("Password", |secret| Password::new(secret)), 0);
    let keys = |secret: &str| LongTermKeys::new("user", "realm", secret);
    assert_eq!(left("LongTermKeys", keys), 0);
    let rest = |secret: &str| RestSecret::<RustCrypto>::new(secret.as_bytes());
    assert_eq!(left("RestSecret", rest), 0);
    let auth = |secret: &str| ClientAuth::<RustCrypto>::long_term("user", secret).expect("short");
    assert_eq!(left("ClientAuth", auth), 0);
    let issuer = |secret: &str| {
        let mut bytes = [0; 32];
        bytes[..secret.len()].copy_from_slice(secret.as_bytes());
        let mut issuer =
            NonceIssuer::<RustCrypto>::new(bytes, Duration::from_secs(600), NonceFeatures::NONE);
        let _ = issuer.issue(Instant::ZERO, ([192, 0, 2, 1], 1).into());
        issuer
    };
    assert_eq!(left("NonceIssuer", issuer), 0);
}

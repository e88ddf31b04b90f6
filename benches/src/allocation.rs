//! Counts the bytes that are allocated, by Rust and by C ENet.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::alloc::System;

static COUNTING: AtomicBool = AtomicBool::new(false);
/// Wraps below zero when blocks from before the count are freed in it; differences are right.
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// The largest that the live bytes have been, as a signed number, since they may wrap.
static PEAK_BYTES: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// Runs `work` while allocations are counted; otherwise the count costs a load and nothing more.
pub fn counting<R>(work: impl FnOnce() -> R) -> R {
    COUNTING.store(true, Ordering::Relaxed);
    let result = work();
    COUNTING.store(false, Ordering::Relaxed);
    result
}

fn note(allocated: usize, freed: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        let change = allocated.wrapping_sub(freed);
        let live = LIVE_BYTES
            .fetch_add(change, Ordering::Relaxed)
            .wrapping_add(change);
        PEAK_BYTES.fetch_max(live.cast_signed(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(usize::from(allocated > 0), Ordering::Relaxed);
    }
}

/// Bytes that are allocated, of which only the change while counting means something, and without
/// what the system's allocator adds to each block.
#[must_use]
pub fn live_bytes() -> usize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// The most bytes that were allocated at once since [`reset_peak`].
#[must_use]
pub fn peak_bytes() -> usize {
    PEAK_BYTES.load(Ordering::Relaxed).cast_unsigned()
}

/// Lets the peak begin again at what is allocated now.
pub fn reset_peak() {
    PEAK_BYTES.store(live_bytes().cast_signed(), Ordering::Relaxed);
}

/// Allocations that were counted.
#[must_use]
pub fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// The system's allocator with a count. A program makes it its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    // Not left to the default, which writes the zeros: the system's fresh pages take memory only when they are used.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// ENet's `ENetCallbacks`.
#[repr(C)]
struct Callbacks {
    malloc: Option<unsafe extern "C" fn(usize) -> *mut c_void>,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
    no_memory: Option<unsafe extern "C" fn()>,
}

unsafe extern "C" {
    fn enet_initialize_with_callbacks(version: u32, callbacks: *const Callbacks) -> c_int;
    fn malloc(size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

/// Room in front of each block for its size, which keeps the alignment that `malloc` gives.
const PREFIX: usize = 16;

unsafe extern "C" fn counting_malloc(size: usize) -> *mut c_void {
    note(size, 0);
    // SAFETY: the block has room for the prefix, which is aligned for a size.
    unsafe {
        let block = malloc(size + PREFIX);
        if block.is_null() {
            return null_mut();
        }
        block.cast::<usize>().write(size);
        block.byte_add(PREFIX)
    }
}

unsafe extern "C" fn counting_free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: only blocks of `counting_malloc` come here.
    unsafe {
        let block = memory.byte_sub(PREFIX);
        note(0, block.cast::<usize>().read());
        free(block);
    }
}

/// Runs `work` while C ENet's allocations are counted too.
///
/// No host of C ENet may live before or after it: a block has to be freed by what allocated it.
pub fn counting_c<R>(work: impl FnOnce() -> R) -> R {
    install(Some(counting_malloc), Some(counting_free));
    let result = work();
    install(Some(malloc), Some(free));
    result
}

fn install(
    malloc: Option<unsafe extern "C" fn(usize) -> *mut c_void>,
    free: Option<unsafe extern "C" fn(*mut c_void)>,
) {
    let callbacks = Callbacks {
        malloc,
        free,
        no_memory: None,
    };
    // SAFETY: the structure lives through the call, which copies it.
    let result = unsafe { enet_initialize_with_callbacks(0x0001_0300, &raw const callbacks) };
    assert_eq!(result, 0, "libenet refused the callbacks");
}

//! What libc and `std` usually bring: entry point, output, exit, memory, and the symbols that the compiler calls.
#![allow(
    unsafe_code,
    reason = "a program without libc talks to the kernel and the linker itself"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the freestanding proof speaks x86_64 Linux only");

/// All the memory that the program has. Nothing is given back, so its mark is the sum of all allocations.
const ARENA_BYTES: usize = 16 << 20;

#[repr(align(64))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

// SAFETY: each byte is handed out once, by the atomic counter below.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES]));
static USED: AtomicUsize = AtomicUsize::new(0);

struct Bump;

// SAFETY: `alloc` gives disjoint, aligned parts of the arena, or null when it is used up.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = ARENA.0.get() as usize;
        let mut used = USED.load(Ordering::Relaxed);
        loop {
            let start = (base + used).next_multiple_of(layout.align());
            let end = start - base + layout.size();
            if end > ARENA_BYTES {
                return core::ptr::null_mut();
            }
            match USED.compare_exchange(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return start as *mut u8,
                Err(seen) => used = seen,
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump;

/// Bytes taken from the arena so far.
pub fn used_bytes() -> usize {
    USED.load(Ordering::Relaxed)
}

/// Writes to standard output.
pub fn print(text: &str) {
    // SAFETY: write(1, pointer, length) of a valid slice; the kernel clobbers rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") 1usize => _, in("rdi") 1usize, in("rsi") text.as_ptr(),
             in("rdx") text.len(), out("rcx") _, out("r11") _, options(nostack));
    }
}

/// Ends the process.
pub fn exit(code: i32) -> ! {
    // SAFETY: exit_group(code) does not return.
    unsafe { asm!("syscall", in("rax") 231usize, in("edi") code, options(noreturn, nostack)) }
}

#[panic_handler]
fn on_panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print(&alloc::format!("{info}\n"));
    exit(101)
}

#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {run}", "ud2", run = sym crate::run)
}

macro_rules! symbol {
    ($name:ident($($type:ty),*) -> $result:ty, $($line:literal),+) => {
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($(_: $type),*) -> $result {
            naked_asm!($($line),+)
        }
    };
}

symbol!(
    memcpy(*mut u8, *const u8, usize) -> *mut u8,
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret"
);
symbol!(
    memmove(*mut u8, *const u8, usize) -> *mut u8,
    "mov rax, rdi",
    "mov rcx, rdx",
    "mov r8, rdi",
    "sub r8, rsi",
    "cmp r8, rdx",
    "jb 2f",
    "rep movsb",
    "ret",
    "2:",
    "lea rdi, [rdi + rcx - 1]",
    "lea rsi, [rsi + rcx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret"
);
symbol!(
    memset(*mut u8, i32, usize) -> *mut u8,
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret"
);
symbol!(
    memcmp(*const u8, *const u8, usize) -> i32,
    "xor ecx, ecx",
    "2:",
    "cmp rcx, rdx",
    "je 3f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "inc rcx",
    "sub eax, r8d",
    "je 2b",
    "ret",
    "3:",
    "xor eax, eax",
    "ret"
);
symbol!(bcmp(*const u8, *const u8, usize) -> i32, "jmp memcmp");
symbol!(
    strlen(*const u8) -> usize,
    "xor eax, eax",
    "2:",
    "cmp byte ptr [rdi + rax], 0",
    "je 3f",
    "inc rax",
    "jmp 2b",
    "3:",
    "ret"
);

/// Named by the precompiled `alloc` and never called, since a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The same.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(102)
}

//! Memory that is wiped before it is given back, for a process through which
//! secrets pass in buffers that aren't ours: a library's copy of a password goes
//! with the buffer, and not with whatever comes to lie there next.
//!
//! ```
//! #[global_allocator]
//! static MEMORY: sandbox::Wiping = sandbox::Wiping;
//! # drop(vec![1]);
//! ```
//!
//! Invariants: all that was allocated is wiped when it is freed, and when it is
//! moved to grow. Stacks are not reached.
//!
//! And memory that goes back to the kernel while a process rests ([`give_back`]): there
//! may be a process for each account, so what each keeps for nothing counts.

use rustix::process::getpid;
use rustix::thread::gettid;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_int, c_void};

/// Bytes of a block that goes back to the kernel as soon as it is freed, behind
/// [`keep_no_large_block`].
#[cfg(target_env = "gnu")]
const LARGE: c_int = 1 << 20;

/// Bytes that a frame of ours, and what the compiler keeps below it, never reach.
const FRAME_MAX: usize = 4 << 10;

/// Bytes of stack that are given back at once: less than the gap of 1 MiB that the kernel
/// keeps free below the first thread's stack (`stack_guard_gap`), so that no other memory
/// is ever among them.
const STACK_MAX: usize = 512 << 10;

/// A page of the smallest kind, and a divisor of all others.
const PAGE: usize = 4 << 10;

/// The system's allocator, which forgets what it takes back.
#[derive(Debug)]
pub struct Wiping;

// SAFETY: every call is the system allocator's. `realloc` is left to the trait,
// which allocates, copies and calls `dealloc`.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller gives a block of this size, and looks at it no more.
        unsafe { libc::explicit_bzero(memory.cast::<c_void>(), layout.size()) };
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Gives back to the kernel what is free on the heaps, and what the first thread's stack
/// no longer uses, if that is who calls. The next to need a page pays a fault for it, so
/// this is for a process that rests. It takes longer the more free pieces there are.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: any thread may call it at any time; no block in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
    if getpid() == gettid() {
        give_back_stack();
    }
}

/// Of the first thread only: below another's stack there may be anything.
#[inline(never)]
fn give_back_stack() {
    let mark = 0_u8;
    let here = (&raw const mark).addr();
    let end = here.saturating_sub(FRAME_MAX) & !PAGE.wrapping_sub(1);
    let begin = end.saturating_sub(STACK_MAX) as *mut c_void;
    // SAFETY: a stack grows down, and all frames in use are above `end`: this one is
    // shorter than FRAME_MAX. Between `begin` and `end` there is only this stack, or the
    // gap below it, for which the kernel answers ENOMEM.
    unsafe {
        libc::madvise(begin, STACK_MAX, libc::MADV_DONTNEED);
    }
}

/// From now on a large block goes back to the kernel when it is freed, and is not kept
/// for the next of its size: for a process that seldom needs one, and then a very large
/// one, such as what a password's hash is made in.
pub fn keep_no_large_block() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number of the allocator's; LARGE is within what it takes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// From now on the threads that are made share the first thread's heap, for a process that
/// has few of them: each heap of its own is 12 KiB at least, and some calls to make it.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number of the allocator's; one heap is what it begins with.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Wipes a buffer that will be used again. No compiler leaves this out.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: exactly the bytes that the reference is for.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast::<c_void>(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Resident bytes.
    fn resident() -> usize {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * PAGE
    }

    #[test]
    fn what_was_freed_among_what_is_in_use_is_given_back() {
        let blocks: Vec<Vec<u8>> = (0..4_000).map(|_| vec![7; 8 << 10]).collect();
        let kept: Vec<Vec<u8>> = blocks
            .into_iter()
            .enumerate()
            .filter_map(|(at, block)| (at % 100 == 0).then_some(block))
            .collect();
        let before = resident();
        give_back();
        assert!(before.saturating_sub(resident()) > 16 << 20, "{before}");
        assert!(kept.iter().flatten().all(|byte| *byte == 7));
    }

    #[inline(never)]
    fn deep(levels: usize) -> usize {
        let bytes = std::hint::black_box([levels; 512]);
        match levels {
            0 => bytes.len(),
            _ => deep(levels - 1) + bytes[0],
        }
    }

    /// On a thread whose stack is long enough for all that is given back to be its own.
    #[test]
    fn the_stack_is_given_back_and_what_is_in_use_stays() {
        let thread = std::thread::Builder::new().stack_size(8 << 20);
        thread.spawn(use_give_back_and_use).unwrap().join().unwrap();
    }

    fn use_give_back_and_use() {
        let sum = deep(60);
        let text = std::hint::black_box([3_u8; 32 << 10]);
        give_back_stack();
        assert!(text.iter().all(|byte| *byte == 3));
        assert_eq!(deep(60), sum);
    }

    #[test]
    fn what_is_wiped_is_zero_and_its_neighbours_are_not() {
        let mut bytes = *b"a secret word";
        wipe(&mut bytes[2..8]);
        assert_eq!(&bytes, b"a \0\0\0\0\0\0 word");
        wipe(&mut []);
    }
}

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

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;

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

/// Wipes a buffer that will be used again. No compiler leaves this out.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: exactly the bytes that the reference is for.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast::<c_void>(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wiped_is_zero_and_its_neighbours_are_not() {
        let mut bytes = *b"a secret word";
        wipe(&mut bytes[2..8]);
        assert_eq!(&bytes, b"a \0\0\0\0\0\0 word");
        wipe(&mut []);
    }
}

//! Memory that a possessed process is given for what a test puts into it.

use nix::libc::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE};

/// As much as some of the longest datagrams with all their descriptors need.
pub const BYTES: u64 = 1 << 20;

/// What everything in it begins at a multiple of: more than any structure of the kernel
/// asks for.
const ALIGNMENT: u64 = 16;

/// A mapping in which the next free byte is known.
#[derive(Debug)]
pub struct Arena {
    first: u64,
    next: u64,
}

impl Arena {
    /// The arguments of the mmap(2) that makes one.
    pub const MAP: [u64; 6] = [
        0,
        BYTES,
        (PROT_READ | PROT_WRITE) as u64,
        (MAP_PRIVATE | MAP_ANONYMOUS) as u64,
        u64::MAX,
        0,
    ];

    /// One that was made there.
    pub fn at(address: u64) -> Self {
        Self {
            first: address,
            next: address,
        }
    }

    /// The arguments of munmap(2).
    pub fn whole(&self) -> [u64; 2] {
        [self.first, BYTES]
    }

    /// Room for so many bytes.
    ///
    /// # Panics
    /// If there is none left.
    pub fn take(&mut self, len: usize) -> u64 {
        let address = self.next;
        let end = address + u64::try_from(len).expect("a length");
        self.next = end.next_multiple_of(ALIGNMENT);
        assert!(self.next <= self.first + BYTES, "the arena is full");
        address
    }

    /// Where the next room begins; see [`Self::forget_from`].
    pub fn mark(&self) -> u64 {
        self.next
    }

    /// All room taken since a mark is free again.
    pub fn forget_from(&mut self, mark: u64) {
        self.next = mark;
    }
}

//! Bytes that must not be seen: no `Debug`, no `Display`, no `Clone`, wiped
//! when they go, in debug builds as well.

use crate::codec::{Bytes, Decoder, Encoder, Field, Malformed};
use zeroize::{Zeroize, Zeroizing};

/// At most `MAX` secret bytes.
pub struct Secret<const MAX: usize>(Zeroizing<Vec<u8>>);

impl<const MAX: usize> Secret<MAX> {
    /// Takes the bytes if they fit; what does not fit is wiped.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] above `MAX` bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > MAX {
            Err(Malformed::TooLong)
        } else {
            Ok(Self(bytes))
        }
    }

    /// Takes an array, which fits by its type.
    #[must_use]
    pub fn from_array<const N: usize>(bytes: [u8; N]) -> Self {
        const { assert!(N <= MAX, "the array is longer than the secret may be") };
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes, for the one place that needs them. The name is long so that
    /// every such place is found by searching for it.
    #[must_use]
    pub fn dangerous_reveal(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> std::fmt::Debug for Secret<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl<const MAX: usize> Field for Secret<MAX> {
    const LONGEST: usize = Bytes::<MAX>::LONGEST;
    fn encode(self, to: &mut Encoder) {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        length.encode(to);
        to.raw(&self.0);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        Bytes::<MAX>::decode(from).and_then(|bytes| Self::new(bytes.into_vec()))
    }
}

/// Bytes of stack that a turn of any loop of ours uses, several times over: in debug
/// builds, which copy the most, tens of kilobytes.
const STACK_BYTES_MAX: usize = 128 * 1024;

/// Wipes what calls that have returned left on the stack, where values that were moved
/// leave a copy in each frame that they came through. For a loop, before it waits.
#[inline(never)]
pub fn wipe_stack() {
    // They are below us, so that whoever is called next stands on them.
    let mut below = [0_u8; STACK_BYTES_MAX];
    std::hint::black_box(&mut below);
}

/// Wipes a buffer that held secrets among other things, such as a datagram.
pub fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::<16>::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.dangerous_reveal(), b"hunter2");
    }

    /// Leaves a copy on the stack, and says where it ends: deeper than whoever looks for
    /// it stands.
    #[inline(never)]
    fn leave_a_copy() -> usize {
        let mut copy = [0x5e_u8; STACK_BYTES_MAX / 4];
        std::hint::black_box(&mut copy).as_ptr().addr()
    }

    fn lies_at(address: usize) -> [u8; 64] {
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut found = [0; 64];
        let at = u64::try_from(address).unwrap();
        memory.read_exact_at(&mut found, at).unwrap();
        found
    }

    #[test]
    fn a_copy_that_a_call_left_on_the_stack_is_wiped() {
        let copy = leave_a_copy();
        assert_eq!(lies_at(copy), [0x5e; 64]);
        wipe_stack();
        assert_eq!(lies_at(copy), [0; 64]);
    }
}

//! Bytes that are wiped when they are no longer needed.
//!
//! A [`Secret`] cannot be printed, compared or cloned. It grows by copying into
//! a new allocation and wiping the old one, so that no freed memory keeps a
//! half of a password.

use zeroize::Zeroize;

/// Bytes that are wiped on drop. Deliberately without `Debug`, `Display`,
/// `Clone` and `PartialEq`.
#[derive(Default)]
pub struct Secret {
    bytes: Vec<u8>,
}

impl Secret {
    /// No bytes, no allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// What it holds. The caller must not copy it anywhere that isn't wiped.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be filled in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Takes over an allocation as it is.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Appends `more`; memory that is given up on the way is wiped first.
    pub fn append(&mut self, more: &[u8]) {
        let needed = self.bytes.len().saturating_add(more.len());
        if needed > self.bytes.capacity() {
            self.move_to(needed.next_power_of_two());
        }
        self.bytes.extend_from_slice(more);
    }

    /// Keeps the first `bytes` and wipes the rest.
    pub fn truncate(&mut self, bytes: usize) {
        if let Some(rest) = self.bytes.get_mut(bytes..) {
            rest.zeroize();
        }
        self.bytes.truncate(bytes);
    }

    /// Wipes everything and gives the memory back.
    pub fn wipe(&mut self) {
        self.bytes.zeroize();
        self.bytes = Vec::new();
    }

    fn move_to(&mut self, capacity: usize) {
        let mut roomier = Vec::with_capacity(capacity);
        roomier.extend_from_slice(&self.bytes);
        self.bytes.zeroize();
        self.bytes = roomier;
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
        }
    }
}

impl FromIterator<u8> for Secret {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut secret = Self::new();
        bytes.into_iter().for_each(|byte| secret.append(&[byte]));
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn appending_keeps_every_byte_through_growth() {
        let mut secret = Secret::new();
        let said: Vec<u8> = (0..=255).cycle().take(5000).collect();
        said.chunks(7).for_each(|piece| secret.append(piece));
        assert_eq!(secret.expose(), said);
    }

    #[test]
    fn a_wiped_secret_is_empty_and_owns_no_memory() {
        let mut secret = Secret::from(b"wonderland".as_slice());
        secret.wipe();
        assert!(secret.expose().is_empty());
        assert_eq!(secret.bytes.capacity(), 0);
    }

    #[test]
    fn truncation_keeps_the_head_and_bears_a_length_beyond_the_end() {
        let mut secret: Secret = b"alice\r\n".iter().copied().collect();
        secret.truncate(5);
        secret.truncate(99);
        assert_eq!(secret.expose(), b"alice");
    }
}

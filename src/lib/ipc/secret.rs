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

/// Wipes a buffer that held secrets among other things, such as a datagram.
pub fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::<16>::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.dangerous_reveal(), b"hunter2");
    }
}

//! The ids that cross channels, each a type of its own so that none can stand
//! in for another.

use crate::codec::{Decoder, Encoder, Field, Malformed};

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident($inner:ty);)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl Field for $name {
            const LONGEST: usize = <$inner>::LONGEST;
            fn encode(self, to: &mut Encoder) {
                self.0.encode(to);
            }
            fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
                <$inner>::decode(from).map(Self)
            }
        }
    )+};
}

ids! {
    /// An account, for ever: never given twice. Its uid is the configured base
    /// plus this number.
    AccountId(u32);
    /// How often the account's tickets have been revoked; a ticket of a lower
    /// epoch than the highest seen is refused.
    Epoch(u64);
    /// `SO_COOKIE` of a socket (socket(7)): unique on the machine since boot,
    /// and the same for whoever holds the descriptor.
    Cookie(u64);
    /// A client's connection, as `front` counts them.
    ConnectionId(u64);
    /// One life of one process, as the supervisor counts them. The supervisor
    /// tells both ends of a channel who is at the other, so that identity is
    /// the channel and never something that a peer says.
    Instance(u32);
    /// A number that the asker draws fresh for each authentication or delivery.
    Nonce([u8; 16]);
}

impl Nonce {
    /// Draws a fresh one from the kernel.
    ///
    /// # Errors
    /// If the kernel has no randomness to give, which it has not only before
    /// the end of early boot.
    pub fn draw() -> Result<Self, rustix::io::Errno> {
        random().map(Self)
    }
}

/// `N` bytes of the kernel's randomness (getrandom(2)).
///
/// # Errors
/// As getrandom(2); a short answer is EIO.
pub fn random<const N: usize>() -> Result<[u8; N], rustix::io::Errno> {
    let mut bytes = [0; N];
    let drawn = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    if drawn == N {
        Ok(bytes)
    } else {
        Err(rustix::io::Errno::IO)
    }
}

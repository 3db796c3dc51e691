//! Tickets: what lets a socket reach an account, written by `auth` alone.
//!
//! A ticket is sealed with HMAC-SHA-256 under a key of its one account, derived
//! from a master key that only the supervisor, `auth` and `broker` ever hold. It
//! names the socket (by cookie) that it is for, so that nobody on its way can
//! put it on another. A [`Ticket`] can be made by [`AccountKey::open`] alone: to
//! hold one is the proof that the seal was good and the time not over.

use crate::codec::{Encoder, Field, Malformed};
use crate::identity::{AccountId, Cookie, Epoch, Nonce};
use crate::secret::Secret;
use crate::{choice, record};
use hmac_sha256::HMAC;

/// Bytes of every key here: the width of SHA-256.
pub const KEY_BYTES: usize = 32;

/// How long a ticket is good for, in seconds since it was minted. It must only
/// outlive the way from `auth` over `director` to a new-born worker, whose birth
/// may wait 5 s for the lock of its predecessor.
pub const TICKET_SECONDS_MAX: u64 = 20;

choice! {
    /// What a ticket is for. The kind is a label inside the seal, so that a
    /// ticket of one kind never opens as another.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        1 => Session,
        2 => Delivery,
        3 => Admin,
        4 => Wake,
        /// A check of the account by an independent reader: it bears no worker, and
        /// no worker takes it.
        5 => Verify,
    }
}

record! {
    /// What `auth` grants.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Grant {
        /// What it is for.
        kind: Kind,
        /// Whose mail.
        account: AccountId,
        /// The account's epoch when it was minted.
        epoch: Epoch,
        /// Who acts; another account's principal when mailboxes are shared.
        principal: AccountId,
        /// RFC 4314 rights, as a bit set that `store` defines; all bits for the
        /// owner.
        rights: u32,
        /// The asker's number for this authentication.
        nonce: Nonce,
        /// The one socket that it is for.
        cookie: Cookie,
        /// When it ends: seconds of CLOCK_BOOTTIME (clock_gettime(2)).
        expires: u64,
        /// Whether the account's directory may be made if there is none: so until
        /// `auth` has heard that it was made, and never after, lest an unmounted
        /// store be taken for an empty one.
        may_create: bool,
    }
}

record! {
    /// A grant under its seal, as it travels. Says nothing until it is opened.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SealedTicket {
        /// What it claims to grant.
        claim: Grant,
        /// HMAC-SHA-256 over the claim.
        seal: [u8; KEY_BYTES],
    }
}

record! {
    /// `auth`'s word that an account's epoch has risen, under its seal.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SealedEpoch {
        /// Whose.
        account: AccountId,
        /// The lowest epoch that tickets must now have.
        epoch: Epoch,
        /// HMAC-SHA-256 over the two.
        seal: [u8; KEY_BYTES],
    }
}

record! {
    /// A worker's word that its account has a store, under the account's seal: from then
    /// on no ticket need make one. `director` brings it, and can't say it by itself.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SealedStorage {
        /// Whose.
        account: AccountId,
        /// HMAC-SHA-256 over that.
        seal: [u8; KEY_BYTES],
    }
}

/// Why a ticket was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The seal is not of this account's key.
    Forged,
    /// Its time is over.
    Expired,
}

/// A grant whose seal was good when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(Grant);

impl Ticket {
    /// What is granted.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.0
    }
}

/// The key that every account's key is derived from.
#[derive(Debug)]
pub struct MasterKey(Secret<KEY_BYTES>);

impl MasterKey {
    /// Takes a key of [`KEY_BYTES`] bytes.
    ///
    /// # Errors
    /// [`Malformed`] if it has another length.
    pub fn new(key: Secret<KEY_BYTES>) -> Result<Self, Malformed> {
        if key.dangerous_reveal().len() == KEY_BYTES {
            Ok(Self(key))
        } else {
            Err(Malformed::TooShort)
        }
    }

    /// The key of one account.
    #[must_use]
    pub fn account_key(&self, account: AccountId) -> AccountKey {
        AccountKey {
            account,
            key: Secret::from_array(mac(&self.0, b"mailkeep account key", account)),
        }
    }
}

/// One account's key: seals and opens this account's tickets and no others.
pub struct AccountKey {
    account: AccountId,
    key: Secret<KEY_BYTES>,
}

impl AccountKey {
    /// Takes a key that was derived elsewhere (a worker gets its own).
    ///
    /// # Errors
    /// [`Malformed`] if it has not [`KEY_BYTES`] bytes.
    pub fn new(account: AccountId, key: Secret<KEY_BYTES>) -> Result<Self, Malformed> {
        MasterKey::new(key).map(|MasterKey(key)| Self { account, key })
    }

    /// A copy of the key, for the account's worker.
    #[must_use]
    pub fn dangerous_key_bytes(&self) -> Secret<KEY_BYTES> {
        let mut bytes = [0; KEY_BYTES];
        bytes
            .iter_mut()
            .zip(self.key.dangerous_reveal())
            .for_each(|(to, from)| *to = *from);
        Secret::from_array(bytes)
    }

    /// Seals a grant. `None` if it is another account's.
    #[must_use]
    pub fn seal(&self, claim: Grant) -> Option<SealedTicket> {
        (claim.account == self.account).then(|| SealedTicket {
            claim,
            seal: self.mac(b"mailkeep ticket", claim),
        })
    }

    /// Opens a ticket at the time `now` (seconds of CLOCK_BOOTTIME).
    ///
    /// # Errors
    /// [`Refusal`]: whoever brought it is lying or late.
    pub fn open(&self, sealed: &SealedTicket, now: u64) -> Result<Ticket, Refusal> {
        if sealed.claim.account != self.account
            || !self.verifies(b"mailkeep ticket", sealed.claim, &sealed.seal)
        {
            return Err(Refusal::Forged);
        }
        if now >= sealed.claim.expires {
            Err(Refusal::Expired)
        } else {
            Ok(Ticket(sealed.claim))
        }
    }

    /// Seals the account's new epoch.
    #[must_use]
    pub fn seal_epoch(&self, epoch: Epoch) -> SealedEpoch {
        let seal = self.mac(b"mailkeep epoch", (self.account, epoch));
        SealedEpoch {
            account: self.account,
            epoch,
            seal,
        }
    }

    /// Opens an epoch message.
    ///
    /// # Errors
    /// [`Refusal::Forged`].
    pub fn open_epoch(&self, sealed: &SealedEpoch) -> Result<Epoch, Refusal> {
        let content = (self.account, sealed.epoch);
        let good = sealed.account == self.account
            && self.verifies(b"mailkeep epoch", content, &sealed.seal);
        if good {
            Ok(sealed.epoch)
        } else {
            Err(Refusal::Forged)
        }
    }

    /// Seals that the account has a store.
    #[must_use]
    pub fn seal_storage(&self) -> SealedStorage {
        SealedStorage {
            account: self.account,
            seal: self.mac(b"mailkeep storage", self.account),
        }
    }

    /// Opens a storage message.
    ///
    /// # Errors
    /// [`Refusal::Forged`].
    pub fn open_storage(&self, sealed: &SealedStorage) -> Result<(), Refusal> {
        let good = sealed.account == self.account
            && self.verifies(b"mailkeep storage", self.account, &sealed.seal);
        if good { Ok(()) } else { Err(Refusal::Forged) }
    }

    /// Compares in constant time.
    fn verifies(&self, label: &[u8], content: impl Field, seal: &[u8; KEY_BYTES]) -> bool {
        HMAC::verify(labelled(label, content), self.key.dangerous_reveal(), seal)
    }

    fn mac(&self, label: &[u8], content: impl Field) -> [u8; KEY_BYTES] {
        mac(&self.key, label, content)
    }
}

/// The time that tickets are measured by: seconds of CLOCK_BOOTTIME, which
/// nobody can set back.
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0)
}

fn mac(key: &Secret<KEY_BYTES>, label: &[u8], content: impl Field) -> [u8; KEY_BYTES] {
    HMAC::mac(labelled(label, content), key.dangerous_reveal())
}

/// The length before the label keeps two labels from running together.
fn labelled(label: &[u8], content: impl Field) -> Vec<u8> {
    let mut encoder = Encoder::default();
    u8::try_from(label.len())
        .unwrap_or(u8::MAX)
        .encode(&mut encoder);
    encoder.raw(label);
    content.encode(&mut encoder);
    encoder.finish().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::new(Secret::from_array([byte; KEY_BYTES])).unwrap()
    }

    fn grant(account: u32) -> Grant {
        Grant {
            kind: Kind::Session,
            account: AccountId(account),
            epoch: Epoch(3),
            principal: AccountId(account),
            rights: u32::MAX,
            nonce: Nonce([9; 16]),
            cookie: Cookie(77),
            expires: 1_000,
            may_create: false,
        }
    }

    #[test]
    fn a_ticket_opens_under_its_accounts_key_until_it_expires() {
        let key = master(1).account_key(AccountId(5));
        let sealed = key.seal(grant(5)).unwrap();
        assert_eq!(key.open(&sealed, 999).unwrap().grant(), &grant(5));
        assert_eq!(key.open(&sealed, 1_000), Err(Refusal::Expired));
    }

    #[test]
    fn no_key_but_the_accounts_own_opens_a_ticket() {
        let sealed = master(1).account_key(AccountId(5)).seal(grant(5)).unwrap();
        assert_eq!(
            master(2).account_key(AccountId(5)).open(&sealed, 0),
            Err(Refusal::Forged)
        );
        assert_eq!(
            master(1).account_key(AccountId(6)).open(&sealed, 0),
            Err(Refusal::Forged)
        );
    }

    #[test]
    fn an_account_key_seals_for_no_other_account() {
        assert_eq!(master(1).account_key(AccountId(5)).seal(grant(6)), None);
    }

    #[test]
    fn an_epoch_seal_is_no_ticket_seal() {
        let key = master(1).account_key(AccountId(5));
        let sealed = key.seal_epoch(Epoch(4));
        assert_eq!(key.open_epoch(&sealed), Ok(Epoch(4)));
        let raised = SealedEpoch {
            epoch: Epoch(5),
            ..sealed
        };
        assert_eq!(key.open_epoch(&raised), Err(Refusal::Forged));
    }

    #[test]
    fn no_key_but_the_accounts_own_says_that_there_is_a_store() {
        let key = |by, account| master(by).account_key(AccountId(account));
        let sealed = key(1, 5).seal_storage();
        assert_eq!(key(1, 5).open_storage(&sealed), Ok(()));
        let others = SealedStorage {
            account: AccountId(6),
            ..sealed
        };
        assert_eq!(key(1, 6).open_storage(&others), Err(Refusal::Forged));
        let invented = key(2, 5).seal_storage();
        assert_eq!(key(1, 5).open_storage(&invented), Err(Refusal::Forged));
    }

    proptest! {
        #[test]
        fn a_ticket_with_any_bit_changed_is_forged(bit in 0usize..8 * 32) {
            let key = master(1).account_key(AccountId(5));
            let mut encoder = Encoder::default();
            key.seal(grant(5)).unwrap().encode(&mut encoder);
            let (mut bytes, _) = encoder.finish();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let decoded = SealedTicket::decode(&mut crate::Decoder::new(&bytes, Vec::new()));
            if let Ok(changed) = decoded {
                prop_assert_eq!(key.open(&changed, 0), Err(Refusal::Forged));
            }
        }
    }
}

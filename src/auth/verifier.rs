//! Whether a password is the one that a verifier was made from.
//!
//! Invariants: a verifier's parameters are checked before they cost anything
//! ([`check`]); hashes are compared in constant time; a password that belongs to
//! nobody costs what one of the configured cost does ([`Cost::decoy`]).
//!
//! An account that came with another scheme than the configured one costs what
//! that scheme does, which somebody who measures can tell from a name that
//! nobody has. It ends with the account's first login: the password is then at
//! hand, and hashed anew with the configured Argon2id.

use crate::prepared::prepared;
use crate::scram;
use ipc::Bytes;
use ipc::edge::control_auth::Verifier;
use ipc::{record, slice};
use sha_crypt::{Params, sha512_crypt};
use sha1::Sha1;
use sha2::{Digest, Sha512};
use std::ops::RangeInclusive;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What one verification may need of memory, in KiB. Threads times this must
/// stay well below the process's limit, for an allocation that fails aborts.
pub const ARGON2_KIB_MAX: u32 = 128 * 1024;

/// KiB times passes that one verification may need: some two seconds.
const ARGON2_WORK_MAX: u64 = 1 << 20;

const ARGON2_KIB: RangeInclusive<u32> = 64..=ARGON2_KIB_MAX;
const ARGON2_PASSES: RangeInclusive<u32> = 1..=64;
const ARGON2_LANES: RangeInclusive<u32> = 1..=8;
const ARGON2_SALT_BYTES: RangeInclusive<usize> = 8..=64;
const ARGON2_HASH_BYTES: RangeInclusive<usize> = 16..=64;

/// bcrypt's own minimum, to about two seconds. Dovecot's default is 5.
const BCRYPT_COST: RangeInclusive<u8> = 4..=15;

/// The scheme's own minimum, to about two seconds for the longest password.
const SHA512_CRYPT_ROUNDS: RangeInclusive<u32> = 1_000..=500_000;

/// Dovecot's {SSHA512} has four bytes of salt.
const SALTED_SHA512_SALT_BYTES: RangeInclusive<usize> = 4..=64;

const PBKDF2_ROUNDS: RangeInclusive<u32> = 1_000..=2_000_000;
const PBKDF2_SALT_BYTES: RangeInclusive<usize> = 8..=64;

/// Bytes of the salts and hashes that we make.
const OUR_SALT_BYTES: usize = 16;
const OUR_HASH_BYTES: usize = 32;

/// Bytes of a password that bcrypt looks at; the rest makes no difference there.
const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// Bytes of bcrypt's hash that its text form keeps, and thus everybody.
const BCRYPT_HASH_BYTES: usize = 23;

/// A verifier's parameters are too weak to be one, or too costly to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadVerifier;

/// Checks the parameters that somebody else has chosen.
///
/// # Errors
/// [`BadVerifier`].
pub fn check(verifier: &Verifier) -> Result<(), BadVerifier> {
    let good = match verifier {
        Verifier::Argon2id {
            kib,
            passes,
            lanes,
            salt,
            hash,
        } => {
            ARGON2_KIB.contains(kib)
                && ARGON2_PASSES.contains(passes)
                && ARGON2_LANES.contains(lanes)
                && u64::from(*kib).saturating_mul(u64::from(*passes)) <= ARGON2_WORK_MAX
                && ARGON2_SALT_BYTES.contains(&salt.as_slice().len())
                && ARGON2_HASH_BYTES.contains(&hash.as_slice().len())
        }
        Verifier::Bcrypt { cost, .. } => BCRYPT_COST.contains(cost),
        Verifier::Sha512Crypt { rounds, .. } => SHA512_CRYPT_ROUNDS.contains(rounds),
        Verifier::SaltedSha512 { salt, .. } => {
            SALTED_SHA512_SALT_BYTES.contains(&salt.as_slice().len())
        }
        Verifier::Pbkdf2Sha1 { rounds, salt, .. } => {
            PBKDF2_ROUNDS.contains(rounds) && PBKDF2_SALT_BYTES.contains(&salt.as_slice().len())
        }
    };
    if good { Ok(()) } else { Err(BadVerifier) }
}

/// Whether it is the password. False as well if the parameters are bad.
///
/// Others may have hashed the bytes as they were typed, so these are tried, too,
/// where they differ from the one form; which depends on them alone, not on whose
/// they are.
#[must_use]
pub fn verify(verifier: &Verifier, password: &[u8]) -> bool {
    let form = prepared(password);
    check(verifier).is_ok()
        && (is_hash_of(verifier, &form)
            || (form.as_slice() != password && is_hash_of(verifier, password)))
}

fn is_hash_of(verifier: &Verifier, password: &[u8]) -> bool {
    match verifier {
        Verifier::Argon2id {
            kib,
            passes,
            lanes,
            salt,
            hash,
        } => {
            let mut ours = Zeroizing::new(vec![0; hash.as_slice().len()]);
            argon2id(
                (*kib, *passes, *lanes),
                salt.as_slice(),
                password,
                &mut ours,
            )
            .is_some()
                && same(&ours, hash.as_slice())
        }
        Verifier::Bcrypt { cost, salt, hash } => {
            let ours = Zeroizing::new(bcrypt::bcrypt((*cost).into(), *salt, &bcrypt_key(password)));
            same(ours.get(..BCRYPT_HASH_BYTES).unwrap_or_default(), hash)
        }
        Verifier::Sha512Crypt { rounds, salt, hash } => {
            let Ok(rounds) = Params::new(*rounds) else {
                return false;
            };
            same(
                &*Zeroizing::new(sha512_crypt(password, salt.as_slice(), rounds)),
                hash,
            )
        }
        Verifier::SaltedSha512 { salt, hash } => {
            let ours = Sha512::new()
                .chain_update(password)
                .chain_update(salt.as_slice())
                .finalize();
            same(&ours, hash)
        }
        Verifier::Pbkdf2Sha1 { rounds, salt, hash } => {
            let mut ours = Zeroizing::new([0; 20]);
            pbkdf2::pbkdf2_hmac::<Sha1>(password, salt.as_slice(), *rounds, &mut *ours);
            same(&*ours, hash)
        }
    }
}

record! {
    /// What is kept of a password.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Kept {
        /// What the password itself is checked against.
        verifier: Verifier,
        /// What SCRAM's proofs are. A hash from elsewhere comes without.
        keys: Option<scram::Keys>,
    }
}

/// A hash that was made elsewhere.
impl From<Verifier> for Kept {
    fn from(verifier: Verifier) -> Self {
        Self {
            verifier,
            keys: None,
        }
    }
}

/// What the configured Argon2id costs, and whether SCRAM's keys are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    kib: u32,
    passes: u32,
    scram: bool,
}

impl Cost {
    /// The configured one.
    ///
    /// # Errors
    /// The reason, for the administrator.
    pub fn new(slice: &slice::Auth) -> Result<Self, &'static str> {
        let cost = Self {
            kib: slice.argon2_kib,
            passes: slice.argon2_passes,
            scram: slice.scram,
        };
        let usable = check(&cost.decoy()).map(|()| cost);
        usable.map_err(|_| "argon2_kib and argon2_passes must be 64 to 131072 and 1 to 64, their product at most 1048576")
    }

    /// A verifier that no password is known for, to be checked for a name that
    /// nobody has.
    #[must_use]
    pub fn decoy(self) -> Verifier {
        self.verifier([0x5a; OUR_SALT_BYTES], [0xa5; OUR_HASH_BYTES])
    }

    /// Makes what is kept of a password, with fresh salts. `None` if these can't
    /// be drawn or the memory not be had.
    #[must_use]
    pub fn keep(self, password: &[u8]) -> Option<Kept> {
        let salt = ipc::identity::random().ok()?;
        let mut hash = [0; OUR_HASH_BYTES];
        let form = prepared(password);
        argon2id((self.kib, self.passes, 1), &salt, &form, &mut hash)?;
        let keys = match self.scram {
            true => Some(scram::Keys::new(password, ipc::identity::random().ok()?)),
            false => None,
        };
        Some(Kept {
            verifier: self.verifier(salt, hash),
            keys,
        })
    }

    /// Whether SCRAM is spoken.
    #[must_use]
    pub fn scram(self) -> bool {
        self.scram
    }

    /// Whether what is kept is cheaper to break than ours would be, or lacks keys
    /// that are wanted.
    #[must_use]
    pub fn exceeds(self, kept: &Kept) -> bool {
        let lacks_keys = self.scram && kept.keys.is_none();
        lacks_keys
            || match &kept.verifier {
                Verifier::Argon2id { kib, passes, .. } => *kib < self.kib || *passes < self.passes,
                _ => true,
            }
    }

    fn verifier(self, salt: [u8; OUR_SALT_BYTES], hash: [u8; OUR_HASH_BYTES]) -> Verifier {
        let (kib, passes) = (self.kib, self.passes);
        // Both are shorter than HASH_BYTES_MAX.
        let [salt, hash] =
            [salt.to_vec(), hash.to_vec()].map(|bytes| Bytes::new(bytes).unwrap_or_default());
        Verifier::Argon2id {
            kib,
            passes,
            lanes: 1,
            salt,
            hash,
        }
    }
}

fn argon2id(
    (kib, passes, lanes): (u32, u32, u32),
    salt: &[u8],
    password: &[u8],
    out: &mut [u8],
) -> Option<()> {
    let params = argon2::Params::new(kib, passes, lanes, Some(out.len())).ok()?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_into(password, salt, out).ok()
}

/// The key is the password and a NUL, cut to what bcrypt looks at.
fn bcrypt_key(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let key = password.iter().copied().chain([0]);
    Zeroizing::new(key.take(BCRYPT_PASSWORD_BYTES_MAX).collect())
}

fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
pub mod tests;

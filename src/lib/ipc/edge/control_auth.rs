//! `control` brings admin requests about accounts to `auth`. The command has
//! parsed all text: passwords of other servers come as typed [`Verifier`]s.

use crate::codec::{Bytes, List};
use crate::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use crate::identity::{AccountId, Cookie, Nonce};
use crate::secret::Secret;
use crate::{choice, messages, record};

/// Bytes of a password (RFC 9051 sets none; PLAIN's is bounded by
/// `SASL_BYTES_MAX`). Longer ones only make hashing slow.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Bytes of a salt or hash of any scheme.
pub const HASH_BYTES_MAX: usize = 128;

/// Accounts in one page of a list: as many as fit into a datagram if each has
/// [`ALIASES_MAX`] further addresses of the longest.
pub const PAGE_ACCOUNTS_MAX: usize = 15;

/// Further addresses of one account in one answer.
pub const ALIASES_MAX: usize = 32;

choice! {
    /// What a password is checked against. Each scheme's own parameters; salts
    /// and hashes as raw bytes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Verifier {
        /// RFC 9106, version 0x13.
        1 => Argon2id { kib: u32, passes: u32, lanes: u32, salt: Bytes<HASH_BYTES_MAX>, hash: Bytes<HASH_BYTES_MAX>, },
        /// bcrypt ($2a$, $2b$, $2y$): the 16 salt bytes and 23 hash bytes.
        2 => Bcrypt { cost: u8, salt: [u8; 16], hash: [u8; 23], },
        /// SHA-512-crypt ($6$): the salt's characters and the 64 hash bytes, in
        /// the order in which SHA-512 gives them, not in that of the text.
        3 => Sha512Crypt { rounds: u32, salt: Bytes<16>, hash: [u8; 64], },
        /// SHA-512(password, salt).
        4 => SaltedSha512 { salt: Bytes<HASH_BYTES_MAX>, hash: [u8; 64], },
        /// PBKDF2-HMAC-SHA-1 as Dovecot's {PBKDF2} ($1$salt$rounds$hash): the
        /// salt's characters and 20 bytes.
        5 => Pbkdf2Sha1 { rounds: u32, salt: Bytes<HASH_BYTES_MAX>, hash: [u8; 20], },
    }
}

choice! {
    /// How a new or changed account is to be verified.
    #[derive(Debug)]
    pub enum Credential {
        /// Hash this with the configured Argon2id.
        1 => Password { password: Secret<PASSWORD_BYTES_MAX>, },
        /// Hashed elsewhere.
        2 => Hashed { verifier: Verifier, },
    }
}

record! {
    /// One account in a list.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Account {
        id: AccountId,
        name: Bytes<ADDRESS_BYTES_MAX>,
        aliases: List<Bytes<ADDRESS_BYTES_MAX>, ALIASES_MAX>,
        disabled: bool,
        deleting: bool,
        /// Which scheme the verifier has: the variant's number.
        scheme: u8,
    }
}

choice! {
    /// Why a request was not carried out.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Refusal {
        1 => NoSuchAccount,
        /// The name or address belongs to an account already.
        2 => Taken,
        /// Not a name that can be used: empty, control characters, too long, not
        /// UTF-8, or of a form that PRECIS forbids.
        3 => BadName,
        /// Its domain is not one of ours.
        4 => ForeignDomain,
        /// All account ids are used.
        5 => NoMoreIds,
        /// The table could not be written.
        6 => Storage,
        /// The verifier's parameters are outside of what is allowed (too weak to
        /// be one, or too costly to check).
        7 => BadVerifier,
        /// Too many aliases.
        8 => TooManyAliases,
        /// `auth` is busy or not there.
        9 => Unavailable,
        /// The account's store can't be opened: it awaits repair.
        10 => Distress,
        /// A task of this kind is under way on the account, or on as many as may be.
        11 => Busy,
        /// What was asked for doesn't fit in time, or was cut short by the death of
        /// whoever did it.
        12 => CutShort,
        /// The account has no directory yet, or one that is not its own.
        13 => NoStore,
    }
}

choice! {
    /// Who does a task.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TaskKind {
        /// The account's worker.
        1 => Work,
        /// A verifier.
        2 => Verify,
    }
}

messages! {
    /// What `control` asks. Each has a number, which its answer repeats.
    pub enum ToAuth, at most 16 * 1024, {
        1 => Add { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, credential: Credential, },
        2 => SetCredential { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, credential: Credential, },
        /// Disables at once and for ever, raises the epoch, and gives `director` an
        /// admin ticket under this nonce so that the worker empties the store. May
        /// be asked again, if whoever was to empty it has died.
        3 => Delete { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, nonce: Nonce, cookie: Cookie, },
        /// The worker has emptied the store: `broker` may remove the directory.
        4 => Emptied { query: u64, account: AccountId, },
        /// The page of accounts whose ids are above this one.
        5 => List { query: u64, after: Option<AccountId>, },
        6 => AddAlias { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, alias: Bytes<ADDRESS_BYTES_MAX>, },
        7 => RemoveAlias { query: u64, alias: Bytes<ADDRESS_BYTES_MAX>, },
        8 => SetDisabled { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, disabled: bool, },
        /// Ends all sessions of the account: raises its epoch.
        9 => Kick { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, },
        /// Gives `director` a ticket under this nonce, so that a task is done on the
        /// account. A disabled account's files want care, too.
        10 => Task { query: u64, name: Bytes<ADDRESS_BYTES_MAX>, kind: TaskKind, nonce: Nonce, cookie: Cookie, },
    }
}

messages! {
    /// What `auth` answers, when it is durable.
    pub enum ToControl, at most 160 * 1024, {
        1 => Done { query: u64, account: AccountId, },
        2 => Refused { query: u64, refusal: Refusal, },
        3 => Page { query: u64, accounts: List<Account, PAGE_ACCOUNTS_MAX>, more: bool, },
    }
}

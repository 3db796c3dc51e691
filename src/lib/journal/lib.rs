//! An append-only journal of typed records on one directory.
//!
//! It is a crate of its own because `auth` keeps its account table by the same
//! rules as a mail store and must not link the store. It holds no thread, no
//! clock, no randomness and no meaning of any record but its own quiet record.
//!
//! Invariants:
//! - A record in haste is acknowledged only when an `fdatasync` that covers it,
//!   and the directory entry that leads to it, has succeeded; any other when it
//!   is written.
//! - After a failed sync nothing more is acknowledged: the writer is poisoned.
//! - What is read is checked: every header and every 64 KiB block by its CRC.
//! - A file is hostile input: no byte of it makes us panic, loop for ever, or
//!   allocate beyond a named limit.
//!
//! It must never skip damage in silence, or change a file whose format it
//! doesn't know. The bytes are laid out in `docs/store-format.md`.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod block;
pub mod disk;
pub mod le;
pub mod record;
pub mod recover;
pub mod segment;
pub mod sim;
pub mod single;
pub mod torn;
pub mod writer;

pub use record::{Kind, Lsn, Record};
pub use recover::{OpenError, OpenReport, Rejected, Settings, Start, Verdict};
pub use single::Journal;
pub use torn::Torn;
pub use writer::{AppendError, Appender, Batch, CommitError, Haste, Reached, SyncReport, Syncer};

//! A whole Mailkeep for a test: built, started on a loopback address of its own,
//! spoken to, and ended.
//!
//! Works as root (separate uids) and as an ordinary user (one uid for all). Every
//! set listens on its own address in 127.0.0.0/8, so that any number can run at
//! once. Nothing here sleeps for luck: it waits for what it waits for, and gives
//! up, with the set's log, after a stated time.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

pub mod account;
pub mod authority;
pub mod binaries;
pub mod directory;
pub mod dovecot;
pub mod memory;
pub mod possession;
pub mod proc;
pub mod record;
pub mod repository;
pub mod session;
pub mod set;
pub mod strace;
#[path = "../stress/mod.rs"]
pub mod stress;
pub mod trace;
pub mod verifier;

pub use authority::Authority;
pub use dovecot::Dovecot;
pub use session::Session;
pub use set::Set;

//! What every process of Mailkeep may do, and the only way in.
//!
//! A [`Profile`] says, as data, what one process is: ids, capabilities,
//! namespaces, root, paths, system calls, limits, and the descriptors that it
//! is born with. Two moments make it true. [`birth`] is the parent's side:
//! between fork and execveat a child takes its ids, its root and its limits, and
//! loses every capability that its profile doesn't keep. [`enter`] is the
//! process's own side, first thing in `main`: Landlock, the system-call filter,
//! and a check of everything that birth did. What `enter` gives back,
//! [`Entered`], is the proof that each process's loop demands.
//!
//! Invariants: a layer that the kernel lacks, or enforces in part, is a
//! [`Refusal`], unless the site's [`Waivers`] name it; the system-call filter
//! can't be waived; nothing here is decided by what a stranger or a file says.
//!
//! This is the one crate where `unsafe` may stand: in [`mod@birth`] (fork and
//! exec), in `kernel` (system calls that no safe crate offers) and in `memory` (an
//! allocator that forgets, and memory given back). It must never parse text, and never open a file by a name that it was given.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

#[macro_use]
mod words;

pub mod account;
pub mod birth;
mod capability;
mod describe;
mod enter;
mod filter;
mod ids;
pub mod inspect;
mod kernel;
mod layer;
mod limits;
mod memory;
mod need;
mod panic;
mod paths;
pub mod profile;
mod program;
mod site;

pub use birth::{Child, Ended, Newborn, Stillborn};
pub use describe::describe;
pub use enter::{
    Act, Entered, Finding, Refusal, Sealed, enter, enter_supervisor, refuse, seal_threads,
};
pub use ids::{AccountUid, IdRanges, ProcessUid};
pub use layer::{Layer, Waivers, kernel_lacks};
pub use memory::{Wiping, give_back, keep_no_large_block, share_one_heap, wipe};
pub use need::{Need, machine_lacks};
pub use profile::{Process, Profile};
pub use program::{NotSealed, Program, is_sealed};
pub use site::{Ids, Site};

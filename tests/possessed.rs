//! The processes that strangers reach, taken over while they live: `front`, `login` and
//! a worker, each with its real peers. For each the test says first what an attacker
//! has, so that the attack is known to work, and then what he doesn't get. When it is
//! over everybody else serves as before, and holds nothing more than before.
//!
//! What an attacker has is said in `audit/threat-model.md`; the trusted processes are in
//! `possessed_trusted.rs`. All this needs root.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "possessed/calls.rs"]
mod calls;
#[path = "possessed/front.rs"]
mod front;
#[path = "possessed/login.rs"]
mod login;
#[path = "possessed/neighbours.rs"]
mod neighbours;
#[path = "possessed/words.rs"]
mod words;
#[path = "possessed/worker.rs"]
mod worker;

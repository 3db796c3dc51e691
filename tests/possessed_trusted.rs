//! The processes with power, taken over while they live.
//!
//! A real set runs, somebody else's code is in one of its processes, and does what it
//! can: system calls, and messages over the descriptors that it has. For each process
//! the tests say first what an attacker gets who owns it (so that they are known to
//! work), and then what he doesn't, as audit/threat-model.md has it.
//!
//! Only root may take a process over: as an ordinary user nothing is checked here.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "possessed/attempts.rs"]
mod attempts;
#[path = "possessed/auth.rs"]
mod auth;
#[path = "possessed/broker.rs"]
mod broker;
#[path = "possessed/control.rs"]
mod control;
#[path = "possessed/director.rs"]
mod director;
#[path = "possessed/house.rs"]
mod house;
#[path = "possessed/keyholder.rs"]
mod keyholder;
#[path = "possessed/lmtp.rs"]
mod lmtp;
#[path = "possessed/memory.rs"]
mod memory;
#[path = "possessed/siege.rs"]
mod siege;
#[path = "possessed/speech.rs"]
mod speech;
#[path = "possessed/wiring.rs"]
mod wiring;

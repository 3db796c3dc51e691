//! Whole sessions, in this process, over socket pairs, on a simulated disk.

mod house;
mod model;
mod names;
mod pipelining;
mod trace;

pub use house::{House, Wire, run};

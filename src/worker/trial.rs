//! Whole sessions, in this process, over socket pairs, on a simulated disk.

mod desk;
mod failing;
mod house;
mod limits;
mod model;
mod names;
mod pipelining;
mod trace;

pub use house::{House, Wire, open, run};

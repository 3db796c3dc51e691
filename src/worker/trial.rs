//! Whole sessions, in this process, over socket pairs, on a simulated disk.

mod appending;
mod caching;
mod copying;
mod desk;
mod failing;
mod hanging;
mod house;
mod limits;
mod listing;
mod model;
mod names;
mod pipelining;
mod reading;
mod soup;
mod trace;
mod waiting;

pub use house::{House, Wire, open, run};

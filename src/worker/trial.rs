//! Whole sessions, in this process, over socket pairs, on a simulated disk.

mod appending;
mod authorisation;
mod caching;
mod compressing;
mod copying;
mod damage;
mod desk;
mod failing;
mod flags;
mod following;
mod guarded;
mod hanging;
mod house;
mod limits;
mod listing;
mod loading;
mod model;
mod names;
mod numbers;
mod objects;
mod pipelining;
mod pop3;
mod quota;
mod reading;
mod resync;
mod sets;
mod sorting;
mod soup;
mod threading;
mod trace;
mod trees;
mod upkeep;
mod vanished;
mod waiting;
mod watching;

pub use house::{House, Wire, open, run, suspects};

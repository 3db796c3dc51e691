//! Upkeep: what keeps an account quick to open, and its space in use.

pub(crate) mod opening;

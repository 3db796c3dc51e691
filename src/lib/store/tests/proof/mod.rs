//! A plain account beside the store: what must be there after every history.
//!
//! [`model`] is the account as simply as it can be written, [`draw`] draws random
//! changes of it, [`house`] holds a store with both threads in one hand, and
//! [`witness`] remembers all that anybody was ever shown.

pub mod draw;
pub mod house;
pub mod model;
pub mod witness;

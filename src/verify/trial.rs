//! Whole checks of whole accounts.

mod broken;
mod hostile;
mod real;
mod repaired;

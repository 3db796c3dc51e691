//! Whole checks of whole accounts.

mod broken;
mod real;

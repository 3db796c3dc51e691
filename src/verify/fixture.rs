//! Accounts for the tests: bytes as the format has them, and nothing of ours
//! that reads them.

mod paper;
mod papers;
mod story;
mod tree;

pub use paper::{Bytes, header, operation, record_header, seal, transaction};
pub use papers::{ChunkPaper, ManifestPaper, PackPaper, SegmentPaper, Twists, twist};
pub use story::{Piece, annotate, append, create, healthy, set_flags, transfer, with_pieces};
pub use tree::{Heard, Scratch, Shown, Tree};

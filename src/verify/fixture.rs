//! Accounts for the tests: bytes as the format has them, and nothing of ours
//! that reads them.

mod paper;
mod story;
mod tree;

pub use paper::{Bytes, header, operation, record_header, seal, transaction};
pub use story::{
    ChunkPaper, ManifestPaper, PackPaper, Piece, SegmentPaper, Twists, append, create, healthy,
    set_flags, transfer, twist, with_pieces,
};
pub use tree::{Heard, Scratch, Shown, Tree};

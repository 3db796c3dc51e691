//! What the structure of one letter may keep, and which limit was met first.

use super::Limit;
use crate::limits::STRUCTURE_BYTES_MAX;

/// Bytes that may still be kept. The last thing bought may cost more than is
/// left: its size has a limit of its own.
pub(super) struct Budget {
    left: usize,
    met: Option<Limit>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            left: STRUCTURE_BYTES_MAX,
            met: None,
        }
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// Whether nothing may be kept any more; says so in [`Self::met`].
    pub(super) fn is_spent(&mut self) -> bool {
        if self.left == 0 {
            self.meet(Limit::Memory);
        }
        self.left == 0
    }

    /// Notes that a limit was met; the first one stays.
    pub(super) fn meet(&mut self, limit: Limit) {
        self.met = self.met.or(Some(limit));
    }

    pub(super) fn met(&self) -> Option<Limit> {
        self.met
    }
}

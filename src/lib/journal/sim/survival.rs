//! How much a power cut leaves of what wasn't synced.

use super::Random;

/// The manner of one power cut. It is the same for the whole machine, because
/// what a disk did in order it did so for all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survival {
    /// Nothing that wasn't synced.
    Nothing,
    /// All of it.
    All,
    /// All up to a moment, and a part of what was written then.
    UpTo(u64),
    /// Every name and length, and no data.
    Husks,
    /// Each page, each length and each name decides for itself.
    Any,
}

impl Survival {
    /// Draws a manner for a machine whose un-synced changes lie between two moments.
    pub(super) fn draw(oldest: u64, now: u64, random: &mut Random) -> Self {
        match random.below(7) {
            0 => Self::Nothing,
            1 => Self::All,
            2 => Self::Husks,
            3 | 4 => Self::UpTo(oldest + random.below(now.saturating_sub(oldest) + 1)),
            _ => Self::Any,
        }
    }

    /// Whether a change of this moment to a name or a length is on the disk.
    pub(super) fn keeps(self, moment: u64, random: &mut Random) -> bool {
        match self {
            Self::Nothing => false,
            Self::All | Self::Husks => true,
            Self::UpTo(last) => moment < last,
            Self::Any => !random.chance(3),
        }
    }

    /// Whether what was written in this moment is on the disk.
    pub(super) fn keeps_data(self, moment: u64, random: &mut Random) -> bool {
        self != Self::Husks && self.keeps(moment, random)
    }

    /// Whether a write that isn't kept left a part.
    pub(super) fn tears(self, moment: u64, random: &mut Random) -> bool {
        match self {
            Self::Nothing | Self::All | Self::Husks => false,
            Self::UpTo(last) => moment == last,
            Self::Any => random.chance(2),
        }
    }
}

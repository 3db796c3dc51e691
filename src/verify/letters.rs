//! Where letters lie: every range of every pack and record that was read, with
//! what its bytes proved to be.
//!
//! This is the larger half of a verifier's memory: 32 bytes for a letter in a
//! pack, about 100 for one in the journal, which holds few. It is gone before
//! the journal is replayed.

use ipc::edge::verify::What;
use std::collections::BTreeMap;

/// Letters that are remembered: as many as an account may have entries.
pub const LETTERS_MAX: u64 = 1 << 23;

/// Bit 63 of a place: the number of a pack, not an LSN.
pub const IN_PACK: u64 = 1 << 63;

/// One letter within its pack or record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// In the body.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// 0: not known.
    pub message: u64,
    /// The first bytes of its SHA-256, as it was written down.
    pub print: u64,
    /// What is wrong with its bytes.
    pub ailment: Option<What>,
    /// Whether an entry refers to it.
    pub referred: bool,
}

/// Every letter.
#[derive(Debug, Default)]
pub struct Letters {
    places: BTreeMap<u64, Box<[Letter]>>,
    /// Places that could not be read whole, and what is said of a letter there
    /// that isn't known.
    doubtful: BTreeMap<u64, Result<u64, What>>,
    known: u64,
    overfull: bool,
    torn_journal: bool,
}

impl Letters {
    /// Takes in the letters of a place; `false` if there are too many by now.
    pub fn insert(&mut self, place: u64, mut letters: Vec<Letter>) -> bool {
        self.known = self.known.saturating_add(letters.len() as u64);
        self.overfull |= self.known > LETTERS_MAX;
        if self.overfull {
            return false;
        }
        letters.sort_unstable_by_key(|letter| (letter.offset, letter.size));
        self.places.insert(place, letters.into());
        true
    }

    /// Whether a place was read, or tried to.
    pub fn has(&self, place: u64) -> bool {
        self.overfull || self.places.contains_key(&place) || self.doubtful.contains_key(&place)
    }

    /// How many letters a place has, and their bytes; `None` if that isn't known.
    pub fn extent(&self, place: u64) -> Option<(u64, u64)> {
        let letters = self
            .places
            .get(&place)
            .filter(|_| !self.doubtful.contains_key(&place))?;
        let bytes = letters.iter().map(|letter| u64::from(letter.size));
        Some((letters.len() as u64, bytes.fold(0, u64::saturating_add)))
    }

    /// What a place holds could not be read whole. `said`: of its unknown letters.
    pub fn doubt(&mut self, place: u64, said: Result<u64, What>) {
        self.doubtful.insert(place, said);
    }

    /// Records of the journal could not be read.
    pub fn doubt_journal(&mut self) {
        self.torn_journal = true;
    }

    fn unknown(&self, place: u64) -> Result<u64, What> {
        match self.doubtful.get(&place) {
            Some(said) => *said,
            None if self.torn_journal && place & IN_PACK == 0 => Err(What::RottenLetter),
            None => Err(What::NoSuchLetter),
        }
    }

    /// Refers to a letter, which lives by that.
    ///
    /// # Errors
    /// [`What::NoSuchLetter`], [`What::OtherMessage`], or what is wrong with it.
    pub fn refer(&mut self, place: u64, offset: u32, size: u32, message: u64) -> Result<u64, What> {
        self.find(place, offset, size, message, true)
    }

    /// As [`Self::refer`], by an older manifest: letters don't live by that.
    ///
    /// # Errors
    /// Likewise.
    pub fn remember(
        &mut self,
        place: u64,
        offset: u32,
        size: u32,
        message: u64,
    ) -> Result<u64, What> {
        self.find(place, offset, size, message, false)
    }

    fn find(
        &mut self,
        place: u64,
        offset: u32,
        size: u32,
        message: u64,
        lives: bool,
    ) -> Result<u64, What> {
        if self.overfull {
            return Ok(0);
        }
        let unknown = self.unknown(place);
        let Some(letters) = self.places.get_mut(&place) else {
            return unknown;
        };
        let first = letters.partition_point(|letter| (letter.offset, letter.size) < (offset, size));
        let mut found = unknown;
        // There are several only of no bytes.
        for letter in letters.iter_mut().skip(first) {
            if (letter.offset, letter.size) != (offset, size) {
                break;
            }
            if letter.message != 0 && letter.message != message {
                found = Err(What::OtherMessage);
                continue;
            }
            letter.referred |= lives;
            return letter.ailment.map_or(Ok(letter.print), Err);
        }
        found
    }

    /// Letters with an ailment that nothing referred to: place and offset.
    pub fn dead(&self) -> impl Iterator<Item = (u64, u32)> {
        let is_dead = |letter: &&Letter| letter.ailment.is_some() && !letter.referred;
        self.places.iter().flat_map(move |(place, letters)| {
            let dead = letters.iter().filter(is_dead);
            dead.map(move |letter| (*place, letter.offset))
        })
    }
}

/// The first bytes of a SHA-256.
pub fn print(sha256: &[u8; 32]) -> u64 {
    sha256
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: u32, size: u32, message: u64) -> Letter {
        Letter {
            offset,
            size,
            message,
            print: 9,
            ailment: None,
            referred: false,
        }
    }

    #[test]
    fn a_letter_is_found_by_its_exact_place_and_message() {
        let mut letters = Letters::default();
        letters.insert(
            IN_PACK | 3,
            vec![
                letter(0, 5, 1),
                letter(5, 0, 2),
                letter(5, 0, 3),
                letter(5, 7, 0),
            ],
        );
        assert_eq!(letters.refer(IN_PACK | 3, 0, 5, 1), Ok(9));
        assert_eq!(letters.refer(IN_PACK | 3, 5, 0, 3), Ok(9));
        assert_eq!(letters.refer(IN_PACK | 3, 5, 7, 8), Ok(9));
        assert_eq!(letters.refer(IN_PACK | 3, 0, 5, 2), Err(What::OtherMessage));
        assert_eq!(letters.refer(IN_PACK | 3, 0, 4, 1), Err(What::NoSuchLetter));
        assert_eq!(letters.refer(3, 0, 5, 1), Err(What::NoSuchLetter));
    }

    #[test]
    fn a_damaged_letter_is_dead_until_it_is_referred_to() {
        let mut letters = Letters::default();
        let damaged = Letter {
            ailment: Some(What::RottenLetter),
            ..letter(4, 4, 1)
        };
        letters.insert(7, vec![letter(0, 4, 1), damaged]);
        assert_eq!(letters.dead().collect::<Vec<_>>(), [(7, 4)]);
        assert_eq!(letters.refer(7, 4, 4, 1), Err(What::RottenLetter));
        assert_eq!(letters.dead().count(), 0);
    }

    #[test]
    fn a_letter_of_a_place_that_cant_be_read_is_lost_and_no_contradiction() {
        let mut letters = Letters::default();
        letters.doubt(IN_PACK | 1, Err(What::RottenLetter));
        letters.doubt(5, Ok(0));
        assert_eq!(letters.refer(IN_PACK | 1, 0, 5, 1), Err(What::RottenLetter));
        assert_eq!(letters.refer(5, 0, 5, 1), Ok(0));
        assert_eq!(letters.refer(6, 0, 5, 1), Err(What::NoSuchLetter));
        letters.doubt_journal();
        assert_eq!(letters.refer(6, 0, 5, 1), Err(What::RottenLetter));
    }

    #[test]
    fn too_many_letters_are_not_remembered_and_not_missed() {
        let mut letters = Letters {
            known: LETTERS_MAX,
            ..Letters::default()
        };
        assert!(!letters.insert(7, vec![letter(0, 4, 1)]));
        assert_eq!(letters.refer(7, 4, 4, 1), Ok(0));
    }
}

//! What is known by a hash, in tables that grow one by one: whatever number of entries
//! there is, adding one never takes long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

/// Tables. With four million entries one of them has 16,000, and doubles in a third of a
/// millisecond.
const TABLES: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Table<T> {
    tables: Vec<HashMap<u64, T, BuildHasherDefault<Itself>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        let tables = std::iter::repeat_with(HashMap::default);
        Self {
            tables: tables.take(TABLES).collect(),
        }
    }
}

impl<T> Table<T> {
    /// What is known by a hash, or may be from now on.
    pub fn entry(&mut self, hash: u64) -> Option<Entry<'_, u64, T>> {
        let table = self.tables.get_mut(table_of(hash))?;
        Some(table.entry(hash))
    }

    /// What is known by a hash.
    pub fn get_mut(&mut self, hash: u64) -> Option<&mut T> {
        self.tables.get_mut(table_of(hash))?.get_mut(&hash)
    }
}

/// By bits that the table itself doesn't begin with.
fn table_of(hash: u64) -> usize {
    (hash >> 32) as usize % TABLES
}

/// What is a hash already needs no other.
#[derive(Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_one_table(hashes in prop::collection::vec((0_u64..4, 0_u64..4), 0..60)) {
            let mut table = Table::default();
            let mut model = HashMap::new();
            for (number, (high, low)) in hashes.into_iter().enumerate() {
                let hash = high << 32 | low;
                let known = *table.entry(hash).unwrap().or_insert(number);
                prop_assert_eq!(known, *model.entry(hash).or_insert(number));
                prop_assert_eq!(table.get_mut(hash).copied(), Some(known));
                prop_assert_eq!(table.get_mut(hash | 1 << 40), None);
            }
        }
    }
}

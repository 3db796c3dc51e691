//! One simulated file: what is read, what is on the platter, and which pages
//! are between the two.

use super::Random;
use std::collections::BTreeSet;

/// Bytes of a page: what the kernel writes at once.
const PAGE_BYTES: usize = 4096;

/// Bytes of a sector: what a disk writes whole, if it is kind.
const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    len_dirty: bool,
}

impl Content {
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.live.get(from..).unwrap_or(&[]);
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        n
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let from = offset as usize;
        let to = from + bytes.len();
        if self.live.len() < to {
            self.live.resize(to, 0);
            self.len_dirty = true;
        }
        self.live[from..to].copy_from_slice(bytes);
        self.dirty.extend(from / PAGE_BYTES..=(to - 1) / PAGE_BYTES);
    }

    pub(super) fn truncate(&mut self, len: u64) {
        let len = len as usize;
        self.live.resize(len, 0);
        self.len_dirty = true;
        self.dirty.retain(|page| page * PAGE_BYTES < len);
        self.dirty.insert(len / PAGE_BYTES);
    }

    pub(super) fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.persist(page);
        }
        self.persist_len(self.live.len());
    }

    /// Some pages reach the platter; all are marked clean.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        let len = self.some_len(random);
        for page in std::mem::take(&mut self.dirty) {
            if random.chance(2) {
                self.persist(page);
            }
        }
        self.persist_len(len);
    }

    /// The kernel writes some pages when it likes.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        for page in std::mem::take(&mut self.dirty) {
            match random.chance(2) {
                true => self.persist(page),
                false => _ = self.dirty.insert(page),
            }
        }
        self.persist_len(self.durable.len());
    }

    /// Clean pages are read from the platter again, some time.
    pub(super) fn evict(&mut self, random: &mut Random) {
        for page in 0..self.live.len().div_ceil(PAGE_BYTES) {
            if !self.dirty.contains(&page) && random.chance(2) {
                let (from, to) = self.range(page, self.live.len());
                let platter = page_of(&self.durable, from, to);
                self.live[from..to].copy_from_slice(&platter);
            }
        }
    }

    /// Each page that wasn't synced is old, new, or torn between the two.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        let style = random.below(4);
        let len = self.some_len(random);
        for page in std::mem::take(&mut self.dirty) {
            let fate = if style < 3 { style } else { random.below(3) };
            match fate {
                0 => {}
                1 => self.persist(page),
                _ => self.tear(page, random),
            }
        }
        self.persist_len(len);
        self.live.clone_from(&self.durable);
    }

    fn some_len(&self, random: &mut Random) -> usize {
        let (old, new) = (self.durable.len(), self.live.len());
        if !self.len_dirty {
            return old;
        }
        match random.below(3) {
            0 => old,
            1 => new,
            _ => old.min(new) + random.below(old.abs_diff(new) as u64 + 1) as usize,
        }
    }

    fn persist_len(&mut self, len: usize) {
        self.durable.resize(len, 0);
        self.len_dirty = self.durable.len() != self.live.len();
    }

    fn persist(&mut self, page: usize) {
        let (from, to) = self.range(page, self.live.len());
        self.put(from, to);
    }

    /// A prefix of the page is new: cut at a sector, or anywhere.
    fn tear(&mut self, page: usize, random: &mut Random) {
        let (from, to) = self.range(page, self.live.len());
        let cut = random.below((to - from) as u64 + 1);
        let cut = match random.chance(2) {
            true => cut - cut % SECTOR_BYTES,
            false => cut,
        };
        self.put(from, from + cut as usize);
    }

    fn put(&mut self, from: usize, to: usize) {
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        if from < to {
            self.durable[from..to].copy_from_slice(&self.live[from..to]);
        }
    }

    /// The part of a page that lies below `len`.
    fn range(&self, page: usize, len: usize) -> (usize, usize) {
        let from = (page * PAGE_BYTES).min(len);
        (from, (from + PAGE_BYTES).min(len))
    }
}

fn page_of(durable: &[u8], from: usize, to: usize) -> Vec<u8> {
    let there = to.min(durable.len());
    let mut page = durable.get(from..there).unwrap_or(&[]).to_vec();
    page.resize(to - from, 0);
    page
}

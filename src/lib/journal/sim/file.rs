//! One simulated file: what is read, what is on the platter, and every write that
//! lies between the two.
//!
//! A write is kept as one piece for each page that it touches, with its moment,
//! so that a power cut can keep any of the states that a page has had, and any
//! mixture of pages.

use super::Random;
use super::survival::Survival;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes of a page: what the kernel writes at once.
const PAGE_BYTES: usize = 4096;

/// Bytes of a sector: what a disk writes whole, if it is kind.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    live: Arc<Vec<u8>>,
    platter: Arc<Vec<u8>>,
    /// Writes that aren't on the platter, in their order.
    pieces: Vec<Piece>,
    /// Lengths that aren't on the platter, in their order.
    lengths: Vec<(u64, usize)>,
    /// Pages that are marked clean, and aren't on the platter as they read.
    lost: BTreeSet<usize>,
}

/// What one write put into one page.
#[derive(Clone, Debug)]
struct Piece {
    moment: u64,
    at: usize,
    bytes: Arc<[u8]>,
}

impl Piece {
    fn page(&self) -> usize {
        self.at / PAGE_BYTES
    }
}

impl Content {
    pub(super) fn durable(bytes: &[u8]) -> Self {
        let bytes = Arc::new(bytes.to_vec());
        Self {
            live: Arc::clone(&bytes),
            platter: bytes,
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

    pub(super) fn write(&mut self, moment: u64, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let from = offset as usize;
        let to = from + bytes.len();
        if self.live.len() < to {
            self.lengths.push((moment, to));
            Arc::make_mut(&mut self.live).resize(to, 0);
        }
        Arc::make_mut(&mut self.live)[from..to].copy_from_slice(bytes);
        self.note(moment, from, to);
    }

    pub(super) fn truncate(&mut self, moment: u64, len: u64) {
        let (len, old) = (len as usize, self.live.len());
        let live = Arc::make_mut(&mut self.live);
        live.truncate(len);
        live.resize(len.max(old), 0);
        self.note(moment, len.min(old), old);
        Arc::make_mut(&mut self.live).truncate(len);
        self.lengths.push((moment, len));
    }

    /// The moment of the oldest change that isn't on the platter.
    pub(super) fn oldest(&self) -> Option<u64> {
        let piece = self.pieces.first().map(|piece| piece.moment);
        let length = self.lengths.first().map(|(moment, _)| *moment);
        piece.into_iter().chain(length).min()
    }

    /// Cuts what was just written into pieces. A page that was lost is written
    /// whole again, with all that was lost.
    fn note(&mut self, moment: u64, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let page = at / PAGE_BYTES;
            let end = to.min((page + 1) * PAGE_BYTES);
            let (start, end) = match self.lost.remove(&page) {
                true => self.range(page),
                false => (at, end),
            };
            self.pieces.push(Piece {
                moment,
                at: start,
                bytes: self.live[start..end].into(),
            });
            at = (page + 1) * PAGE_BYTES;
        }
    }

    pub(super) fn sync(&mut self) {
        for piece in std::mem::take(&mut self.pieces) {
            self.put(piece.at, &piece.bytes);
        }
        self.end_at(self.live.len());
        self.lengths.clear();
    }

    /// Some pages reach the platter; all are marked clean.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        let mut fates = Fates::default();
        for piece in std::mem::take(&mut self.pieces) {
            match fates.of(piece.page(), random) {
                true => self.put(piece.at, &piece.bytes),
                false => _ = self.lost.insert(piece.page()),
            }
        }
        self.end_at(self.platter.len().min(self.live.len()));
    }

    /// The kernel writes some pages when it likes.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        let mut fates = Fates::default();
        for piece in std::mem::take(&mut self.pieces) {
            match fates.of(piece.page(), random) {
                true => self.put(piece.at, &piece.bytes),
                false => self.pieces.push(piece),
            }
        }
    }

    /// Pages that were marked clean are read from the platter again, some time.
    pub(super) fn evict(&mut self, random: &mut Random) {
        for page in std::mem::take(&mut self.lost) {
            if random.chance(2) {
                let (from, to) = self.range(page);
                let mut platter = self.platter.get(from..).unwrap_or(&[]).to_vec();
                platter.resize(to - from, 0);
                Arc::make_mut(&mut self.live)[from..to].copy_from_slice(&platter);
            } else {
                self.lost.insert(page);
            }
        }
    }

    /// Each page has one of the states that it had since it was synced, or is
    /// torn between one and the next; the length likewise.
    pub(super) fn cut_power(&mut self, survival: Survival, random: &mut Random) {
        let len = self.surviving_len(survival, random);
        let mut ended = BTreeSet::new();
        for piece in std::mem::take(&mut self.pieces) {
            if ended.contains(&piece.page()) {
                continue;
            }
            if survival.keeps_data(piece.moment, random) {
                self.put(piece.at, &piece.bytes);
            } else {
                ended.insert(piece.page());
                if survival.tears(piece.moment, random) {
                    self.tear(&piece, random);
                }
            }
        }
        self.end_at(len);
        self.lengths.clear();
        self.lost.clear();
        self.live = Arc::clone(&self.platter);
    }

    fn surviving_len(&self, survival: Survival, random: &mut Random) -> usize {
        let kept = self.lengths.iter();
        let kept = kept.take_while(|(moment, _)| survival.keeps(*moment, random));
        let old = self.platter.len();
        let len = kept.last().map_or(old, |(_, len)| *len);
        match survival {
            Survival::Any if random.chance(4) => {
                old.min(len) + random.below(old.abs_diff(len) as u64 + 1) as usize
            }
            _ => len,
        }
    }

    /// Some sectors of the page are new; or it is cut anywhere, by a disk that is
    /// unkind to sectors.
    fn tear(&mut self, piece: &Piece, random: &mut Random) {
        if random.chance(4) {
            let cut = random.below(piece.bytes.len() as u64 + 1) as usize;
            return self.put(piece.at, &piece.bytes[..cut]);
        }
        let end = piece.at + piece.bytes.len();
        let mut at = piece.at;
        while at < end {
            let next = end.min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
            if random.chance(2) {
                self.put(at, &piece.bytes[at - piece.at..next - piece.at]);
            }
            at = next;
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let platter = Arc::make_mut(&mut self.platter);
        let end = at + bytes.len();
        if platter.len() < end {
            platter.resize(end, 0);
        }
        platter[at..end].copy_from_slice(bytes);
    }

    fn end_at(&mut self, len: usize) {
        if self.platter.len() != len {
            Arc::make_mut(&mut self.platter).resize(len, 0);
        }
    }

    /// The part of a page that lies in the file.
    fn range(&self, page: usize) -> (usize, usize) {
        let from = (page * PAGE_BYTES).min(self.live.len());
        (from, (from + PAGE_BYTES).min(self.live.len()))
    }
}

/// One decision for each page.
#[derive(Default)]
struct Fates {
    decided: std::collections::BTreeMap<usize, bool>,
}

impl Fates {
    fn of(&mut self, page: usize, random: &mut Random) -> bool {
        *self.decided.entry(page).or_insert_with(|| random.chance(2))
    }
}

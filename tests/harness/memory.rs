//! What stands in the memory of living processes. Root alone can look.
//!
//! Everything that the process could read itself is read: its heap, stacks and
//! buffers, and what it maps of files. The kernel's own buffers, a socket's say,
//! are in nobody's memory.

use crate::Set;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes that must never stand where they needn't.
#[derive(Debug, Clone)]
pub struct Needle {
    /// Whose, and in which form.
    pub name: String,
    /// What is looked for.
    pub bytes: Vec<u8>,
}

impl Needle {
    /// Bytes under a name.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        let (name, bytes) = (name.to_owned(), bytes.to_owned());
        Self { name, bytes }
    }
}

/// One living process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Living {
    /// Its program's name.
    pub name: String,
    /// Its number.
    pub pid: u32,
}

/// A place where a needle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The needle's name.
    pub needle: String,
    /// In whose memory.
    pub process: String,
    /// What the kernel calls the mapping (`[heap]`, `[stack]`, …).
    pub mapping: String,
    /// Where.
    pub address: u64,
}

/// Every living process of a set: the supervisor, its children, and theirs.
#[must_use]
pub fn everybody(set: &Set) -> Vec<Living> {
    let mut all = vec![set.supervisor()];
    let mut looked = 0;
    while let Some(pid) = all.get(looked) {
        all.extend(crate::proc::children(*pid));
        looked += 1;
    }
    all.into_iter().map(living).collect()
}

fn living(pid: u32) -> Living {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    Living { name, pid }
}

/// Where any of the needles stands in a process. One that ends meanwhile has none.
///
/// # Panics
/// If the kernel lets nobody look.
#[must_use]
pub fn search(process: &Living, needles: &[Needle]) -> Vec<Sighting> {
    let Ok(maps) = std::fs::read_to_string(format!("/proc/{}/maps", process.pid)) else {
        return Vec::new();
    };
    let memory = match File::open(format!("/proc/{}/mem", process.pid)) {
        Ok(memory) => memory,
        Err(why) if is_gone(&why) => return Vec::new(),
        Err(why) => panic!("root may look: {why}"),
    };
    let mut found = Vec::new();
    for mapping in maps.lines().filter_map(Mapping::read) {
        mapping.search(&memory, needles, |needle, address| {
            found.push(Sighting {
                needle: needle.name.clone(),
                process: process.name.clone(),
                mapping: mapping.name.clone(),
                address,
            });
        });
    }
    found
}

/// Whether there is no such process any more.
fn is_gone(why: &std::io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::SRCH].map(Errno::raw_os_error);
    why.raw_os_error().is_some_and(|code| gone.contains(&code))
}

/// One line of `/proc/PID/maps` that can be read.
struct Mapping {
    start: u64,
    end: u64,
    name: String,
}

impl Mapping {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let readable = words.next()?.starts_with('r');
        let name = words.nth(3).unwrap_or("anonymous").to_owned();
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        // The kernel's own pages hold the time and nothing of anybody's.
        (readable && !name.starts_with("[v")).then_some(Self { start, end, name })
    }

    fn search(&self, memory: &File, needles: &[Needle], mut found: impl FnMut(&Needle, u64)) {
        let overlap = needles.iter().map(|needle| needle.bytes.len()).max();
        let overlap = overlap.unwrap_or(1).saturating_sub(1);
        let mut piece = vec![0; PIECE_BYTES + overlap];
        for at in (self.start..self.end).step_by(PIECE_BYTES) {
            let wanted = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let wanted = wanted.min(piece.len());
            // A page that is gone by now, or was never there, holds nothing.
            let Ok(read) = memory.read_at(&mut piece[..wanted], at) else {
                continue;
            };
            for needle in needles {
                for place in memchr::memmem::find_iter(&piece[..read], &needle.bytes) {
                    found(needle, at + place as u64);
                }
            }
        }
    }
}

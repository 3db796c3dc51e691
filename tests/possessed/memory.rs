//! What lies in the memory of a living process.

use ipc::Secret;
use ipc::ticket::{KEY_BYTES, MasterKey, SealedTicket, now};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Fewer different bytes than these have 32 that were drawn at random once in a
/// million times.
const DIFFERENT_MIN: usize = 22;

/// How far from one another keys begin, where an allocator has put them.
const ALIGNMENT: usize = 8;

/// All that a process can write: its heap, stacks, data.
pub fn of(pid: u32) -> Vec<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root may");
    let ranges = maps.lines().filter_map(writable);
    ranges
        .filter_map(|(first, end)| read(&memory, first, end))
        .collect()
}

/// The range of a line of `maps`, if it can be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (first, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw")
        .then_some((number(first)?, number(end)?))
}

fn read(memory: &File, first: u64, end: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end - first).ok()?];
    memory.read_exact_at(&mut bytes, first).ok()?;
    Some(bytes)
}

/// Whether bytes lie anywhere in a process's memory.
pub fn holds(pid: u32, wanted: &[u8]) -> bool {
    let first = wanted[0];
    of(pid).iter().any(|region| {
        let mut from = 0;
        while let Some(at) = region[from..].iter().position(|byte| *byte == first) {
            if region[from + at..].starts_with(wanted) {
                return true;
            }
            from += at + 1;
        }
        false
    })
}

/// The key under which a ticket was sealed, if the process has it: found by trying.
pub fn master_key(pid: u32, sealed: &SealedTicket) -> Option<[u8; KEY_BYTES]> {
    let regions = of(pid);
    let places = regions
        .iter()
        .flat_map(|region| region.windows(KEY_BYTES).step_by(ALIGNMENT));
    let random =
        places.filter(|bytes| bytes.iter().collect::<BTreeSet<_>>().len() >= DIFFERENT_MIN);
    let mut keys = random.filter_map(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
    keys.find(|key| opens(*key, sealed))
}

fn opens(key: [u8; KEY_BYTES], sealed: &SealedTicket) -> bool {
    let key = MasterKey::new(Secret::from_array(key)).expect("its length");
    // Also one that is late was sealed under this key.
    let then = now().min(sealed.claim.expires - 1);
    key.account_key(sealed.claim.account)
        .open(sealed, then)
        .is_ok()
}

//! Any change to the files of `cache/`: whoever asks gets what was kept or nothing,
//! what is asked for again can be kept again, and tidying up comes to an end.

use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use std::sync::OnceLock;
use store::{
    CacheReader, LetterCache, Lookup, MessageId, Stamp, Swept, THREADS_KEY_BYTES, ThreadId, Threads,
};

const STAMP: Stamp = Stamp {
    kind: 1,
    version: 1,
};

const KEY: [u8; THREADS_KEY_BYTES] = [7; THREADS_KEY_BYTES];

const NOW: i64 = 1_700_000_000;

/// Calls of the disk that one input may cost.
const CALLS_MAX: u64 = 100_000;

/// Records, in two files.
const IDS: [u64; 5] = [1, 2, 3, 4096, 5000];

/// One input: the first byte chooses a file, the others change it as
/// `crate::damage` says.
pub fn run(data: &[u8]) {
    static GOOD: OnceLock<SimDisk> = OnceLock::new();
    let good = GOOD.get_or_init(good);
    let Some((which, change)) = data.split_first() else {
        return;
    };
    let disk = good.fork(1);
    let cache = cache(&disk);
    let mut names = cache.list().expect("a disk that works");
    names.sort();
    let name = &names[usize::from(*which) % names.len()];
    let bytes = cache.content(name).expect("a file");
    if let Some(damaged) = crate::damage::damage(&bytes, change) {
        cache.plant(name, &damaged.bytes).expect("its directory");
    }
    letters(&disk);
    threads(&disk);
    assert!(disk.calls() + disk.looks() < CALLS_MAX, "it goes on and on");
}

/// What is found is what was kept: records have CRCs of their own.
fn letters(disk: &SimDisk) {
    let mut cache = LetterCache::new(disk.clone());
    let mut reader = cache.reader();
    for id in IDS {
        if let Some(found) = get(&mut cache, &mut reader, id) {
            assert_eq!(found, record(id), "a record that was never kept");
        }
    }
    for id in IDS {
        if cache.put(MessageId(id), STAMP, b"anew", NOW) {
            reader.was_put(MessageId(id));
            reader.forget();
            let found = get(&mut cache, &mut reader, id);
            assert!(found.is_none() || found == Some(b"anew".to_vec()));
        }
    }
    let mut tidy = cache.tidy();
    while cache.sweep(&mut tidy, MessageId(4000), NOW) != Swept::Over {}
}

fn get(
    cache: &mut LetterCache<SimDisk>,
    reader: &mut CacheReader<SimDisk>,
    id: u64,
) -> Option<Vec<u8>> {
    for _ in 0..8 {
        match reader.get(MessageId(id), STAMP) {
            Lookup::Found(bytes) => return Some(bytes.to_vec()),
            Lookup::Absent => return None,
            Lookup::Cold(region) => reader.take_in(cache.read(region)),
        }
    }
    None
}

fn threads(disk: &SimDisk) {
    let mut threads = Threads::new(disk.clone());
    threads.coverage();
    for id in IDS {
        threads.find([id.to_le_bytes().as_slice()]);
    }
    threads.note([b"another".as_slice()], ThreadId(9), KEY);
    threads.find([b"another".as_slice()]);
    threads.set_whole(KEY);
}

fn good() -> SimDisk {
    let disk = SimDisk::new(1);
    let mut cache = LetterCache::new(disk.clone());
    let mut threads = Threads::new(disk.clone());
    for id in IDS {
        assert!(cache.put(MessageId(id), STAMP, &record(id), NOW));
        assert!(threads.note([id.to_le_bytes().as_slice()], ThreadId(id), KEY));
    }
    disk
}

fn record(id: u64) -> Vec<u8> {
    vec![id as u8; 100 + id as usize % 100]
}

fn cache(disk: &SimDisk) -> SimDisk {
    let name = Name::new("cache").expect("a name");
    disk.open_dir(&name).expect("it was made")
}

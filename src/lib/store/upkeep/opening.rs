//! What stands on the disk when an account is opened: which manifest replay
//! begins at, and which files nothing refers to.

use crate::account::Account;
use crate::file::{CHUNK, FileKind, MANIFEST, PACK};
use crate::manifest::{self, ManifestFault, Named, Read};
use journal::Start;
use journal::disk::{Disk, DiskError};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// Numbers that files of ours can have: a planted higher one is left alone, so
/// that it can't use the numbers up.
const NUMBER_MAX: u64 = 1 << 62;

/// A manifest that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedManifest {
    /// Its number.
    pub number: u64,
    /// What is wrong with it.
    pub fault: ManifestFault,
}

impl fmt::Display for DamagedManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "manifest {} can't be used: {}", self.number, self.fault)
    }
}

/// Why no manifest can be begun with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Baseless {
    Disk(DiskError),
    /// The last two are damaged.
    Damaged(DamagedManifest),
    /// Only a newer program may open the account.
    Newer(DamagedManifest),
}

impl From<DiskError> for Baseless {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What an opening begins with.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) account: Account,
    /// Where replay begins.
    pub(crate) start: Start,
    /// The manifests that are kept, the newest last.
    pub(crate) manifests: VecDeque<Named>,
    /// Manifests that aren't: damaged ones, and those that should be gone.
    pub(crate) strays: Vec<u64>,
    /// The newest is damaged, and this begins with the one before.
    pub(crate) fell_back: Option<DamagedManifest>,
    /// An older program wrote the manifest.
    pub(crate) older: bool,
    /// Everything that should be read of manifests could be: what none of them
    /// names is an orphan.
    pub(crate) whole: bool,
}

impl Standing {
    /// With no manifest: the whole journal is replayed.
    fn beginning() -> Self {
        Self {
            account: Account::new(),
            start: Start::BEGINNING,
            manifests: VecDeque::new(),
            strays: Vec::new(),
            fell_back: None,
            older: false,
            whole: true,
        }
    }

    fn from(read: Read) -> Self {
        Self {
            start: read.manifest.start,
            account: read.manifest.account,
            manifests: [read.named].into(),
            older: read.older,
            ..Self::beginning()
        }
    }
}

/// Reads the newest manifest, or the one before if that is damaged, or begins
/// with none if there was only a first one.
///
/// # Errors
/// As [`Baseless`] says.
pub(crate) fn standing<D: Disk>(root: &D) -> Result<Standing, Baseless> {
    // Whoever wrote before us may have died of a failed sync of a directory.
    for kind in [PACK, CHUNK, MANIFEST] {
        kind.sync_if_there(root)?;
    }
    let mut numbers = numbers(root, MANIFEST)?.0;
    let Some(newest) = numbers.pop() else {
        return Ok(Standing::beginning());
    };
    let before = numbers.pop();
    let mut standing = match (read(root, newest)?, before) {
        (Ok(read), None) => Standing::from(read),
        (Ok(newest), Some(number)) => with_spare(newest, number, read(root, number)?),
        (Err(damaged), None) if newest == 1 => fallen_back(Standing::beginning(), damaged),
        (Err(damaged), None) => return Err(Baseless::Damaged(damaged)),
        (Err(damaged), Some(number)) => match read(root, number)? {
            Err(_) => return Err(Baseless::Damaged(damaged)),
            Ok(read) => fallen_back(Standing::from(read), damaged),
        },
    };
    standing.strays.extend(numbers);
    Ok(standing)
}

/// The newest is good: the one before is kept as well, if it is.
fn with_spare(newest: Read, number: u64, spare: Result<Read, DamagedManifest>) -> Standing {
    let mut standing = Standing::from(newest);
    match spare {
        Ok(spare) => standing.manifests.push_front(spare.named),
        Err(_) => {
            standing.strays.push(number);
            standing.whole = false;
        }
    }
    standing
}

fn fallen_back(standing: Standing, damaged: DamagedManifest) -> Standing {
    Standing {
        strays: vec![damaged.number],
        fell_back: Some(damaged),
        whole: false,
        ..standing
    }
}

/// Reads a manifest; one of a newer program stops everything.
fn read<D: Disk>(root: &D, number: u64) -> Result<Result<Read, DamagedManifest>, Baseless> {
    match manifest::read(root, number)? {
        Ok(read) => Ok(Ok(read)),
        Err(fault) if fault.is_newer() => Err(Baseless::Newer(DamagedManifest { number, fault })),
        Err(fault) => Ok(Err(DamagedManifest { number, fault })),
    }
}

/// The numbers of whole files, and of those that aren't.
fn numbers<D: Disk>(root: &D, kind: FileKind) -> Result<(Vec<u64>, Vec<u64>), DiskError> {
    let (mut whole, mut unfinished) = kind.list(root)?;
    whole.retain(|number| *number <= NUMBER_MAX);
    unfinished.retain(|number| *number <= NUMBER_MAX);
    Ok((whole, unfinished))
}

/// After the replay: removes what nothing refers to, and raises the account's
/// counters above every number that a file has ever had here.
///
/// Where a manifest is damaged nobody knows what it named: then only files that
/// were never whole go.
///
/// # Errors
/// What the disk said.
pub(crate) fn sweep<D: Disk>(
    root: &D,
    standing: &Standing,
    account: &mut Account,
) -> Result<(), DiskError> {
    let mut packs: BTreeSet<u64> = account.packs.keys().map(|pack| pack.0).collect();
    let mut chunks = BTreeSet::new();
    for named in &standing.manifests {
        packs.extend(named.packs.iter().map(|pack| pack.0));
        chunks.extend(named.chunks.iter().map(|chunk| chunk.0));
    }
    let keep = |needed: BTreeSet<u64>| standing.whole.then_some(needed);
    let highest = sweep_kind(root, PACK, keep(packs))?;
    account.next_pack = account.next_pack.max(highest.saturating_add(1));
    let highest = sweep_kind(root, CHUNK, keep(chunks))?;
    account.next_chunk = account.next_chunk.max(highest.saturating_add(1));
    for number in numbers(root, MANIFEST)?.1 {
        MANIFEST.remove_unfinished(root, number)?;
    }
    Ok(())
}

/// Removes files of a kind that aren't whole, and those that aren't needed; the
/// highest number seen.
fn sweep_kind<D: Disk>(
    root: &D,
    kind: FileKind,
    needed: Option<BTreeSet<u64>>,
) -> Result<u64, DiskError> {
    let (whole, unfinished) = numbers(root, kind)?;
    let orphan = |number: &&u64| {
        needed
            .as_ref()
            .is_some_and(|needed| !needed.contains(*number))
    };
    for number in whole.iter().filter(orphan) {
        kind.remove(root, *number)?;
    }
    for number in &unfinished {
        kind.remove_unfinished(root, *number)?;
    }
    let highest = whole.iter().chain(&unfinished).max();
    Ok(highest.copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChunkId, PackId};
    use crate::manifest::tests::{encode_older, some_manifest};
    use journal::sim::SimDisk;

    fn plant(root: &SimDisk, number: u64, seed: u64) -> Named {
        let mut manifest = some_manifest(seed);
        manifest.number = number;
        let bytes = manifest.encode();
        MANIFEST.write(root, number, &bytes).unwrap();
        manifest.named(bytes.len() as u64)
    }

    fn spoil(root: &SimDisk, number: u64) {
        MANIFEST.remove(root, number).unwrap();
        MANIFEST.write(root, number, b"spoilt").unwrap();
    }

    #[test]
    fn the_newest_good_one_is_begun_with_and_the_last_two_are_kept() {
        let root = SimDisk::new(1);
        let named: Vec<Named> = (1..=4).map(|number| plant(&root, number, number)).collect();
        let standing = standing(&root).unwrap();
        assert_eq!(standing.manifests, named[2..].to_vec());
        assert_eq!((standing.fell_back, standing.strays), (None, vec![1, 2]));
        assert_eq!(standing.account.modseq, some_manifest(4).account.modseq);
    }

    #[test]
    fn a_damaged_newest_falls_back_and_says_so() {
        let root = SimDisk::new(1);
        let older = plant(&root, 1, 1);
        plant(&root, 2, 2);
        spoil(&root, 2);
        let standing = standing(&root).unwrap();
        assert_eq!(standing.manifests, [older]);
        let fault = ManifestFault::Damaged;
        assert_eq!(
            standing.fell_back,
            Some(DamagedManifest { number: 2, fault })
        );
        assert_eq!(standing.strays, [2]);
    }

    #[test]
    fn a_first_one_that_is_damaged_falls_back_to_the_beginning() {
        let root = SimDisk::new(1);
        plant(&root, 1, 1);
        spoil(&root, 1);
        let standing = standing(&root).unwrap();
        assert_eq!(standing.start, Start::BEGINNING);
        assert!(standing.fell_back.is_some());
    }

    #[test]
    fn two_damaged_ones_are_for_repair_and_a_newer_one_for_a_newer_program() {
        let root = SimDisk::new(1);
        for number in [4, 5] {
            plant(&root, number, number);
            spoil(&root, number);
        }
        assert!(matches!(standing(&root), Err(Baseless::Damaged(_))));
        let newer = crate::file::header(MANIFEST, 9, &[]);
        MANIFEST.write(&root, 6, &newer).unwrap();
        let Err(Baseless::Newer(damaged)) = standing(&root) else {
            panic!("it opens");
        };
        assert_eq!(damaged.fault, ManifestFault::NewerFormat(9));
    }

    #[test]
    fn an_older_manifest_is_known_as_one() {
        let root = SimDisk::new(1);
        let manifest = some_manifest(1);
        let number = manifest.number;
        MANIFEST
            .write(&root, number, &encode_older(&manifest))
            .unwrap();
        assert!(standing(&root).unwrap().older);
    }

    #[test]
    fn only_orphans_are_swept_and_numbers_rise_above_all_that_were_seen() {
        let root = SimDisk::new(1);
        let kept: Vec<Named> = (1..=2).map(|number| plant(&root, number, number)).collect();
        let needed: BTreeSet<ChunkId> =
            kept.iter().flat_map(|named| named.chunks.clone()).collect();
        for number in (1..100).chain([500, u64::MAX]) {
            CHUNK.write(&root, number, b"x").unwrap();
        }
        for number in 1..=30 {
            PACK.write(&root, number, b"x").unwrap();
        }
        PACK.create(&root, 40).unwrap();
        MANIFEST.create(&root, 3).unwrap();
        let standing = standing(&root).unwrap();
        let mut account = standing.account.clone();
        sweep(&root, &standing, &mut account).unwrap();
        assert_eq!((account.next_chunk, account.next_pack), (501, 41));
        let left = CHUNK.list(&root).unwrap().0.into_iter().map(ChunkId);
        let expected = needed.into_iter().chain([ChunkId(u64::MAX)]);
        assert!(left.eq(expected));
        let packs: Vec<PackId> = PACK
            .list(&root)
            .unwrap()
            .0
            .into_iter()
            .map(PackId)
            .collect();
        assert!(packs.iter().eq(standing.account.packs.keys()));
        assert_eq!(MANIFEST.list(&root).unwrap(), (vec![1, 2], vec![]));
    }

    #[test]
    fn beside_a_damaged_manifest_nothing_whole_is_swept() {
        let root = SimDisk::new(1);
        for number in 1..=3 {
            plant(&root, number, number);
        }
        spoil(&root, 2);
        PACK.write(&root, 99, b"x").unwrap();
        let standing = standing(&root).unwrap();
        sweep(&root, &standing, &mut standing.account.clone()).unwrap();
        assert_eq!(PACK.list(&root).unwrap().0, [99]);
    }
}

//! The programs of the set: the files on disk, what the supervisor has sealed of
//! them, and their hashes.

use super::finding::{Check, Layer};
use super::living::{Inode, Running, Seen, Unseen};
use super::members::{self, Found};
use ring::digest::{Context, SHA256};
use sandbox::{Process, profile};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the check is called that compares the files with what runs.
pub const COMPARED: &str = "the file on disk is what runs";

/// Bytes that are read at once to be hashed.
const PIECE_BYTES: usize = 1 << 16;

/// Hashes of files that were read already: a program is some megabytes.
#[derive(Debug, Default)]
pub struct Hashes(BTreeMap<Version, String>);

/// A file as it was at one time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Inode, u64, (i64, i64));

impl Hashes {
    /// The SHA-256 of a file.
    fn of(&mut self, file: File) -> Seen<String> {
        let metadata = file.metadata().map_err(|_| Unseen::NotShown)?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let version = Version(Inode::of(&metadata), metadata.len(), changed);
        if let Some(hash) = self.0.get(&version) {
            return Ok(hash.clone());
        }
        let hash = hash(file)?;
        self.0.insert(version, hash.clone());
        Ok(hash)
    }
}

/// All programs.
#[derive(Debug)]
pub struct Programs {
    pub directory: Option<PathBuf>,
    /// The supervisor's file on disk.
    pub supervisor: Seen<Inode>,
    pub all: Vec<ProgramFile>,
}

/// One program.
#[derive(Debug)]
pub struct ProgramFile {
    pub name: &'static str,
    pub on_disk: Seen<String>,
    pub sealed: Seen<String>,
    inode: Seen<Inode>,
}

impl Programs {
    /// Hashes them all: on disk beside the supervisor's, and what it holds.
    pub fn look(found: &Found, hashes: &mut Hashes) -> Self {
        let supervisor = found.one(Process::Supervisor);
        let running = supervisor.map_or(Err(Unseen::Gone), |one| one.living.program.clone());
        let directory = running.as_ref().ok().and_then(directory_of);
        let sealed = sealed_by(found);
        let names = profile::ALL.into_iter().map(|one| one.process.program());
        let all = names.map(|name| {
            let held = match name == Process::Supervisor.program() {
                true => running
                    .as_ref()
                    .map(|running| running.file)
                    .map_err(|unseen| *unseen),
                false => sealed
                    .as_ref()
                    .map_err(|unseen| *unseen)
                    .and_then(|sealed| sealed.get(name).copied().ok_or(Unseen::Gone)),
            };
            ProgramFile {
                name,
                on_disk: hash_at(directory.as_deref(), name, hashes),
                sealed: hash_held(found, name, hashes),
                inode: held,
            }
        });
        Self {
            all: all.collect(),
            supervisor: running.map(|running| running.file),
            directory,
        }
    }

    /// The memory that holds a kind's program, by what the supervisor holds open.
    pub fn sealed_inode(&self, process: Process) -> Seen<Inode> {
        let found = self.all.iter().find(|one| one.name == process.program());
        found.map_or(Err(Unseen::Gone), |one| one.inode)
    }

    /// What runs against what lies on the disk.
    pub fn checks(&self) -> Vec<Check> {
        let check = |one: &ProgramFile| {
            let expected = one
                .on_disk
                .clone()
                .unwrap_or_else(|unseen| unseen.to_string());
            let expected = format!("{} {expected}", one.name);
            let found = one
                .sealed
                .clone()
                .map(|hash| format!("{} {hash}", one.name));
            Check::compare_seen(Layer::Program, COMPARED, expected, found)
        };
        self.all.iter().map(check).collect()
    }
}

/// Where the supervisor's program lies: that of an update that has replaced it, too.
fn directory_of(running: &Running) -> Option<PathBuf> {
    let path = running.link.trim_end_matches(" (deleted)");
    Path::new(path).parent().map(Path::to_owned)
}

/// What the supervisor has sealed, by name. Of two with one name neither is
/// believed.
fn sealed_by(found: &Found) -> Seen<BTreeMap<String, Inode>> {
    let supervisor = found.one(Process::Supervisor).ok_or(Unseen::Gone)?;
    let descriptors = supervisor
        .living
        .descriptors
        .as_ref()
        .map_err(|unseen| *unseen)?;
    let named = descriptors.iter().filter_map(|one| {
        Some((
            members::program_in_memory(&one.link)?.to_owned(),
            one.inode?,
        ))
    });
    Ok(named.collect())
}

fn hash_at(directory: Option<&Path>, name: &str, hashes: &mut Hashes) -> Seen<String> {
    let path = directory.ok_or(Unseen::Gone)?.join(name);
    hashes.of(File::open(path).map_err(|_| Unseen::Gone)?)
}

/// The bytes of the memory that the supervisor holds; its own program is the file
/// that it runs.
fn hash_held(found: &Found, name: &str, hashes: &mut Hashes) -> Seen<String> {
    let supervisor = found.one(Process::Supervisor).ok_or(Unseen::Gone)?;
    let pid = supervisor.living.pid;
    if name == Process::Supervisor.program() {
        return hashes.of(File::open(format!("/proc/{pid}/exe")).map_err(|_| Unseen::Denied)?);
    }
    let descriptors = supervisor
        .living
        .descriptors
        .as_ref()
        .map_err(|unseen| *unseen)?;
    let held = descriptors
        .iter()
        .find(|one| members::program_in_memory(&one.link) == Some(name))
        .ok_or(Unseen::Gone)?;
    hashes.of(super::living::open(pid, held.number)?)
}

fn hash(mut file: File) -> Seen<String> {
    let mut hash = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hexadecimal(hash.finish().as_ref())),
            Ok(length) => hash.update(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Unseen::NotShown),
        }
    }
}

/// The SHA-256 of bytes.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(ring::digest::digest(&SHA256, bytes).as_ref())
}

/// Bytes as people compare them.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_sha256sum() {
        let path = std::env::temp_dir().join(format!("mailkeep-hash-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        let found = hash(File::open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found, Ok(known.to_owned()));
    }

    #[test]
    fn the_programs_lie_where_the_supervisor_does_even_if_it_was_replaced() {
        let running = |link: &str| Running {
            link: link.to_owned(),
            file: Inode {
                device: 0,
                number: 0,
            },
            is_sealed: false,
        };
        for link in [
            "/a/b/mailkeep-supervisor",
            "/a/b/mailkeep-supervisor (deleted)",
        ] {
            assert_eq!(directory_of(&running(link)), Some(PathBuf::from("/a/b")));
        }
    }
}

//! One living process, as the kernel shows it from outside: a snapshot, taken by
//! reading /proc and nothing else.
//!
//! Invariants: what could not be read is an [`Unseen`], never an empty value; a
//! process that ended meanwhile, or whose number went to another, has no snapshot.

use super::procfs::{self, Limit, Status};
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The kinds of namespaces that a process is in, by their names in /proc/PID/ns.
const NAMESPACES: [&str; 8] = ["net", "ipc", "user", "mnt", "pid", "uts", "cgroup", "time"];

/// Something that was read, or why not.
pub type Seen<T> = Result<T, Unseen>;

/// Why something was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// The process, or the thing, is not there any more.
    Gone,
    /// Who looks may not.
    Denied,
    /// The kernel shows no such thing.
    NotShown,
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gone => "it was gone",
            Self::Denied => "not permitted to look",
            Self::NotShown => "this kernel doesn't show it",
        })
    }
}

/// A process.
#[derive(Debug)]
pub struct Living {
    pub pid: u32,
    pub parent: u32,
    /// The clock tick at which it began.
    pub began: u64,
    pub program: Seen<Running>,
    pub threads: Vec<Thread>,
    pub namespaces: Vec<(&'static str, Seen<String>)>,
    /// The ids in its user namespace: uids, gids.
    pub maps: [Seen<String>; 2],
    pub devices: Seen<Vec<String>>,
    pub routes: Seen<usize>,
    pub root: Seen<Place>,
    pub cwd: Seen<Place>,
    /// Whether another process of its user could look into it.
    pub dumpable: Seen<bool>,
    /// The text of its limits.
    pub limits: Seen<String>,
    pub descriptors: Seen<Vec<Descriptor>>,
}

/// What a process executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub link: String,
    pub file: Inode,
    /// Sealed memory, that nobody can change.
    pub is_sealed: bool,
}

/// What names a file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode {
    pub device: u64,
    pub number: u64,
}

impl Inode {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            number: metadata.ino(),
        }
    }
}

/// A thread.
#[derive(Debug)]
pub struct Thread {
    pub number: u32,
    pub status: Status,
}

/// A directory that a process has as root, or works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: String,
    pub inode: Inode,
    pub owner: u32,
    pub mode: u32,
    pub is_empty: Option<bool>,
}

/// An open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub number: u32,
    pub link: String,
    pub inode: Option<Inode>,
    pub is_directory: bool,
    pub is_file: bool,
    pub flags: Option<u32>,
}

impl Living {
    /// Looks at a process; `None` if it isn't there, or ended meanwhile.
    pub fn look(pid: u32) -> Option<Self> {
        let began = began(pid)?;
        let living = Self {
            pid,
            parent: parent(pid)?,
            began,
            program: running(pid),
            threads: threads(pid)?,
            namespaces: NAMESPACES
                .map(|kind| (kind, link(pid, &format!("ns/{kind}"))))
                .into(),
            maps: ["uid_map", "gid_map"].map(|file| read(pid, file).map(|map| procfs::map(&map))),
            devices: read(pid, "net/dev").map(|text| procfs::devices(&text)),
            routes: routes(pid),
            root: place(pid, "root"),
            cwd: place(pid, "cwd"),
            dumpable: dumpable(pid),
            limits: read(pid, "limits"),
            descriptors: descriptors(pid),
        };
        (self::began(pid) == Some(living.began)).then_some(living)
    }

    /// A namespace of it.
    pub fn namespace(&self, kind: &str) -> Seen<&str> {
        let found = self.namespaces.iter().find(|(name, _)| *name == kind);
        let (_, seen) = found.ok_or(Unseen::NotShown)?;
        seen.as_deref().map_err(|unseen| *unseen)
    }

    /// Its first thread's status.
    pub fn status(&self, name: &str) -> &str {
        let first = self.threads.iter().find(|one| one.number == self.pid);
        first.map_or("", |thread| thread.status.text(name))
    }

    /// A limit of it.
    pub fn limit(&self, name: &str) -> Seen<Limit> {
        let text = self.limits.as_ref().map_err(|unseen| *unseen)?;
        procfs::limit(text, name).ok_or(Unseen::NotShown)
    }
}

/// Every process of the machine that who looks is shown, with its parent.
pub fn everybody() -> Vec<(u32, u32)> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect()
}

/// A process's real uid.
pub fn uid(pid: u32) -> Option<u32> {
    let status = Status::parse(&read(pid, "status").ok()?);
    status.numbers("Uid").first().copied()
}

/// What a process executes, if it can be seen.
pub fn running(pid: u32) -> Seen<Running> {
    let path = of(pid, "exe");
    let file = File::open(&path).map_err(unseen)?;
    let metadata = file.metadata().map_err(unseen)?;
    Ok(Running {
        link: link(pid, "exe")?,
        file: Inode::of(&metadata),
        is_sealed: sandbox::is_sealed(&file),
    })
}

/// A directory that a process has as root, or works in.
pub fn place(pid: u32, name: &str) -> Seen<Place> {
    // The dot: what the link leads to, seen from there.
    let inside = of(pid, name).join(".");
    let metadata = fs::metadata(&inside).map_err(unseen)?;
    Ok(Place {
        path: link(pid, name)?,
        inode: Inode::of(&metadata),
        owner: metadata.uid(),
        mode: metadata.mode() & 0o7777,
        is_empty: fs::read_dir(&inside)
            .ok()
            .map(|mut names| names.next().is_none()),
    })
}

/// The file behind a descriptor of a process, opened anew.
pub fn open(pid: u32, descriptor: u32) -> Seen<File> {
    File::open(of(pid, &format!("fd/{descriptor}"))).map_err(unseen)
}

/// A file of a process's directory, as text.
pub fn read(pid: u32, name: &str) -> Seen<String> {
    let bytes = fs::read(of(pid, name)).map_err(unseen)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of(pid: u32, name: &str) -> PathBuf {
    format!("/proc/{pid}/{name}").into()
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn unseen(error: std::io::Error) -> Unseen {
    // ESRCH: the process has ended while it was looked at.
    const ESRCH: i32 = 3;
    match error.kind() {
        ErrorKind::PermissionDenied => Unseen::Denied,
        ErrorKind::NotFound => Unseen::Gone,
        _ if error.raw_os_error() == Some(ESRCH) => Unseen::Gone,
        _ => Unseen::NotShown,
    }
}

fn link(pid: u32, name: &str) -> Seen<String> {
    let target = fs::read_link(of(pid, name)).map_err(unseen)?;
    Ok(target.to_string_lossy().into_owned())
}

/// The clock tick at which a process began, if it is there.
pub fn began(pid: u32) -> Option<u64> {
    procfs::began(&read(pid, "stat").ok()?)
}

fn parent(pid: u32) -> Option<u32> {
    let status = Status::parse(&read(pid, "status").ok()?);
    u32::try_from(status.number("PPid")?).ok()
}

fn threads(pid: u32) -> Option<Vec<Thread>> {
    let entries = fs::read_dir(of(pid, "task")).ok()?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let thread = |number: u32| {
        let text = read(pid, &format!("task/{number}/status")).ok()?;
        let status = Status::parse(&text);
        Some(Thread { number, status })
    };
    // A thread that has just ended is none.
    let threads: Vec<Thread> = numbers.filter_map(thread).collect();
    (!threads.is_empty()).then_some(threads)
}

fn routes(pid: u32) -> Seen<usize> {
    read(pid, "net/route").map(|text| procfs::rows(&text))
}

/// The files of a process that is not dumpable belong to root (proc(5)), so nothing
/// is told of one that runs as root.
fn dumpable(pid: u32) -> Seen<bool> {
    let owner = fs::metadata(of(pid, "environ")).map_err(unseen)?.uid();
    match uid(pid).ok_or(Unseen::Gone)? {
        0 => Err(Unseen::NotShown),
        _ => Ok(owner != 0),
    }
}

fn descriptors(pid: u32) -> Seen<Vec<Descriptor>> {
    let entries = fs::read_dir(of(pid, "fd")).map_err(unseen)?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut descriptors: Vec<Descriptor> = numbers
        .filter_map(|number| descriptor(pid, number).ok())
        .collect();
    descriptors.sort_by_key(|one| one.number);
    Ok(descriptors)
}

/// One that is closed meanwhile is none.
fn descriptor(pid: u32, number: u32) -> Seen<Descriptor> {
    let link = link(pid, &format!("fd/{number}"))?;
    let metadata = fs::metadata(of(pid, &format!("fd/{number}"))).ok();
    let info = read(pid, &format!("fdinfo/{number}"))?;
    Ok(Descriptor {
        number,
        link,
        inode: metadata.as_ref().map(Inode::of),
        is_directory: metadata.as_ref().is_some_and(Metadata::is_dir),
        is_file: metadata.as_ref().is_some_and(Metadata::is_file),
        flags: procfs::open_flags(&info),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself_as_it_is() {
        let own = std::process::id();
        let living = Living::look(own).expect("we live");
        assert_eq!(living.pid, own);
        assert!(living.threads.iter().any(|thread| thread.number == own));
        assert_eq!(living.status("NoNewPrivs").len(), 1);
        let root = living.root.as_ref().expect("our own root");
        assert_eq!(root.is_empty, Some(false));
        assert!(!living.program.as_ref().expect("our own program").is_sealed);
        assert!(living.limit("Max open files").is_ok());
        assert_eq!(living.limit("Max patience"), Err(Unseen::NotShown));
        let descriptors = living.descriptors.as_ref().expect("our own descriptors");
        assert!(descriptors.iter().any(|one| one.number == 0));
        assert!(
            everybody()
                .iter()
                .any(|(pid, parent)| *pid == own && *parent == living.parent)
        );
    }

    #[test]
    fn who_is_not_there_has_no_snapshot() {
        assert!(Living::look(u32::MAX).is_none());
        assert_eq!(running(u32::MAX), Err(Unseen::Gone));
    }
}

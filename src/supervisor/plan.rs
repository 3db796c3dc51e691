//! What `config` says, collected: the plan that a set runs by. It is looked at
//! only as far as the supervisor's own part goes; slices are passed on.

use ipc::Bytes;
use ipc::edge::config::{Address, FromConfig, PATH_BYTES_MAX, Supervision};
use ipc::edge::supervisor::{FileUse, Process};
use ipc::slice::{Listener, Logging, Slice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Listeners that are taken, as many as `config` lets a file name.
const LISTENERS_MAX: usize = 64;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The supervisor's own part.
    pub supervision: Supervision,
    /// Each process's part.
    pub slices: Vec<Slice>,
    /// Where it listens.
    pub listeners: Vec<(Listener, Address)>,
    /// What files it names.
    pub files: Vec<(FileUse, Bytes<PATH_BYTES_MAX>)>,
}

/// A plan that is still being told.
#[derive(Debug, Default)]
pub struct Draft {
    supervision: Option<Supervision>,
    slices: Vec<Slice>,
    listeners: Vec<(Listener, Address)>,
    files: Vec<(FileUse, Bytes<PATH_BYTES_MAX>)>,
}

/// What one more word of `config` makes.
#[derive(Debug)]
pub enum Told {
    /// Something, but not yet all.
    More(Draft),
    /// All.
    Plan(Box<Plan>),
    /// There is none, for so many mistakes.
    Mistakes(u32),
    /// There is none, for `config` did not keep to its protocol.
    Nonsense,
}

impl Draft {
    /// Takes one more word.
    pub fn hear(mut self, message: FromConfig) -> Told {
        match message {
            FromConfig::Supervision { plan } if self.supervision.is_none() => {
                self.supervision = Some(plan);
            }
            FromConfig::Slice { slice } if !self.has(&slice) => self.slices.push(slice),
            FromConfig::Listener { listener, address } if self.listeners.len() < LISTENERS_MAX => {
                self.listeners.push((listener, address));
            }
            FromConfig::File { purpose, path } if !self.names(purpose) => {
                self.files.push((purpose, path));
            }
            FromConfig::Complete => return self.complete(),
            FromConfig::Mistakes { count } => return Told::Mistakes(count),
            _ => return Told::Nonsense,
        }
        Told::More(self)
    }

    fn has(&self, slice: &Slice) -> bool {
        self.slices
            .iter()
            .any(|other| for_whom(other) == for_whom(slice))
    }

    fn names(&self, purpose: FileUse) -> bool {
        self.files.iter().any(|(other, _)| *other == purpose)
    }

    fn complete(self) -> Told {
        let all = crate::HOUSE
            .iter()
            .map(|room| room.process)
            .chain([Process::Worker]);
        let whole = all
            .into_iter()
            .all(|process| self.slices.iter().any(|slice| for_whom(slice) == process));
        match self.supervision {
            Some(supervision) if whole => Told::Plan(Box::new(Plan {
                supervision,
                slices: self.slices,
                listeners: self.listeners,
                files: self.files,
            })),
            _ => Told::Nonsense,
        }
    }
}

impl Plan {
    /// A process's slice. `config` has said one for every kind.
    pub fn slice(&self, process: Process) -> Option<Slice> {
        self.slices
            .iter()
            .find(|slice| for_whom(slice) == process)
            .cloned()
    }

    /// The path of a file, if one is named.
    pub fn file(&self, purpose: FileUse) -> Option<&Path> {
        let named = self.files.iter().find(|(other, _)| *other == purpose);
        named.map(|(_, path)| as_path(path))
    }

    /// What every process logs, the supervisor too.
    pub fn logging(&self) -> Option<Logging> {
        self.slices.iter().find_map(|slice| match slice {
            Slice::Director { slice } => Some(slice.logging.clone()),
            _ => None,
        })
    }

    /// Whether the other plan differs in nothing that a running set can't take.
    pub fn is_reachable(&self, other: &Self) -> bool {
        self.supervision == other.supervision && self.listeners == other.listeners
    }
}

/// A path as it came.
pub fn as_path(path: &Bytes<PATH_BYTES_MAX>) -> &Path {
    Path::new(OsStr::from_bytes(path.as_slice()))
}

fn for_whom(slice: &Slice) -> Process {
    match slice {
        Slice::Front { .. } => Process::Front,
        Slice::Keyholder { .. } => Process::Keyholder,
        Slice::Login { .. } => Process::Login,
        Slice::Auth { .. } => Process::Auth,
        Slice::Director { .. } => Process::Director,
        Slice::Broker { .. } => Process::Broker,
        Slice::Worker { .. } => Process::Worker,
        Slice::Lmtp { .. } => Process::Lmtp,
        Slice::Control { .. } => Process::Control,
    }
}

//! A set of directories as the supervisor makes them, and births into it.
//!
//! As root with separate ids, as an ordinary user with a single one.

use super::nursery::{ACCOUNT, follow, pair};
use super::order::send;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pipe::PipeFlags;
use sandbox::profile::{Identity, Root};
use sandbox::{Child, IdRanges, Newborn, Profile, Program, Site, Stillborn, profile};
use std::fs::{DirBuilder, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The directories, and what is born into them.
pub struct House {
    pub directory: PathBuf,
    pub site: Site,
    pub program: Program,
    complaints: Complaints,
}

/// A pipe that is everybody's standard error: a crash that was ordered must not read as
/// a failure of the test.
struct Complaints {
    heard: OwnedFd,
    spoken: OwnedFd,
}

impl House {
    /// A new one, with the account that the tests use.
    pub fn new(name: &str, probe: impl AsRef<Path>) -> Self {
        let directory =
            std::env::temp_dir().join(format!("mailkeep-{name}-{}", std::process::id()));
        let lacks = sandbox::kernel_lacks();
        let is_root = rustix::process::geteuid().is_root();
        let site = if is_root {
            Site::separate(IdRanges::default(), lacks)
        } else {
            Site::single(lacks)
        };
        // Of an earlier process of this number, which was killed.
        let _gone = std::fs::remove_dir_all(&directory);
        make(&directory, 0o755, None);
        let program = File::open(probe).expect("the probe is built");
        let house = Self {
            directory,
            site,
            program: Program::seal(c"probe", &program).expect("memory can be sealed"),
            complaints: Complaints::new(),
        };
        house.furnish();
        house
    }

    fn furnish(&self) {
        make(&self.path(Root::Empty), 0o755, None);
        for owner in [&profile::AUTH, &profile::LMTP] {
            make(
                &self.directory.join(owner.process.program()),
                0o700,
                self.owner(owner),
            );
        }
        let broker = self
            .owner(&profile::BROKER)
            .map(|(_, gid)| (Uid::ROOT, gid));
        make(
            &self.path(Root::Store),
            if broker.is_some() { 0o731 } else { 0o700 },
            broker,
        );
        let account = self
            .site
            .ranges()
            .and_then(|ranges| ranges.account(ACCOUNT));
        make(
            &self.path(Root::Store).join(ACCOUNT.to_string()),
            0o700,
            account.map(|a| (a.uid(), a.gid())),
        );
    }

    fn owner(&self, profile: &Profile) -> Option<(Uid, Gid)> {
        self.site
            .ranges()
            .map(|ranges| ranges.process(profile.process))
            .map(|own| (own.uid(), own.gid()))
    }

    /// The directory of a root.
    pub fn path(&self, root: Root) -> PathBuf {
        self.directory.join(if root == Root::Store {
            "store"
        } else {
            "empty"
        })
    }

    /// The root directory of a profile.
    pub fn root(&self, profile: &Profile) -> OwnedFd {
        let path = match profile.root {
            Root::Own => self.directory.join(profile.process.program()),
            root => self.path(root),
        };
        open(&path, OFlags::PATH)
    }

    /// The store, opened for reading.
    pub fn store(&self) -> OwnedFd {
        open(&self.path(Root::Store), OFlags::RDONLY)
    }

    /// Bears a probe that plays the profile's process.
    pub fn bear(&self, profile: &'static Profile) -> Result<(Child, OwnedFd), Stillborn> {
        self.bear_with(profile, open(Path::new("/dev/null"), OFlags::RDWR))
    }

    /// As `bear`, with something else for standard output.
    pub fn bear_with(
        &self,
        profile: &'static Profile,
        output: impl AsFd,
    ) -> Result<(Child, OwnedFd), Stillborn> {
        let (ours, theirs) = pair();
        let (null, store, root) = (
            open(Path::new("/dev/null"), OFlags::RDWR),
            self.store(),
            self.root(profile),
        );
        let table = [
            null.as_fd(),
            output.as_fd(),
            self.complaints.spoken.as_fd(),
            theirs.as_fd(),
            self.program.as_fd(),
            store.as_fd(),
            self.program.as_fd(),
        ];
        let table = &table[..profile.descriptors.len()];
        let child =
            Newborn::process(profile, self.site, root.as_fd(), &self.program, table).spawn()?;
        Ok((child, ours))
    }

    /// Lets a probe enter the profile and obey; how that went.
    pub fn obey(&self, profile: &'static Profile, order: &str) -> String {
        self.watch(profile, order, |_| {})
    }

    /// As `obey`; `waiting` is given the number of a probe that waits.
    pub fn watch(
        &self,
        profile: &'static Profile,
        order: &str,
        waiting: impl FnMut(i32),
    ) -> String {
        let order = match profile.identity {
            Identity::Account => format!("bear {} {order}", profile.process.program()),
            _ => order.to_owned(),
        };
        let parent = if profile.identity == Identity::Account {
            &profile::BROKER
        } else {
            profile
        };
        match self.bear(parent) {
            Err(stillborn) => stillborn.to_string(),
            Ok((child, channel)) => {
                send(&channel, &order);
                follow(&child, &channel, waiting)
            }
        }
    }
}

impl House {
    /// What the probes have said on standard error since this was asked last.
    pub fn complaints(&self) -> String {
        let (mut said, mut some) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = rustix::io::read(&self.complaints.heard, &mut some) {
            said.extend_from_slice(&some[..count]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Complaints {
    /// Neither end waits: a probe that says more than a pipe holds is heard no more.
    fn new() -> Self {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (heard, spoken) = rustix::pipe::pipe_with(flags).expect("a pipe can be made");
        Self { heard, spoken }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.complaints());
        }
        // What is left lies in the system's directory for temporary files.
        let _left = std::fs::remove_dir_all(&self.directory);
    }
}

fn make(path: &Path, mode: u32, owner: Option<(Uid, Gid)>) {
    DirBuilder::new()
        .create(path)
        .expect("a directory can be made");
    if let Some((uid, gid)) = owner {
        rustix::fs::chown(path, Some(uid), Some(gid)).expect("root may give it away");
    }
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).expect("its owner may set its mode");
}

fn open(path: &Path, flags: OFlags) -> OwnedFd {
    rustix::fs::openat(
        rustix::fs::CWD,
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .expect("it is there")
}

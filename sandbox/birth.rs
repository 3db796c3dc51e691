//! Birth: what a parent does to bring a process into the world confined.
//!
//! Between fork and execveat the child takes its namespaces, ids, root, limits and
//! descriptors, and loses every capability that its profile doesn't keep, so that
//! its program never runs with more. A step that fails ends the child and is
//! named to the parent. Invariants: the order of `child::steps` is the order
//! of the text in docs/ARCHITECTURE.md; the child allocates nothing; the parent
//! waits for nothing but the child's own steps.

mod child;
mod maps;
mod step;

pub(crate) use step::{NOT_DONE, advice, at};
pub use step::{Step, Stillborn};

use crate::ids::AccountUid;
use crate::kernel::{self, Arguments, Forked};
use crate::profile::{Identity, Namespace, Profile};
use crate::program::Program;
use crate::site::{Ids, Site};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Descriptors that a process can be born with. Copies for the child are made
/// at this number and above, so that putting one into its place overwrites
/// none that is still needed.
const DESCRIPTORS_MAX: RawFd = 16;

/// A process that is to be born.
#[derive(Debug)]
pub struct Newborn<'a> {
    profile: &'static Profile,
    site: Site,
    account: Option<AccountUid>,
    root: Option<BorrowedFd<'a>>,
    program: &'a Program,
    descriptors: &'a [BorrowedFd<'a>],
}

impl<'a> Newborn<'a> {
    /// One of the supervisor's processes: chrooted into `root`, executing
    /// `program`, with `descriptors` as numbers 0, 1, 2 and so on.
    #[must_use]
    pub fn process(
        profile: &'static Profile,
        site: Site,
        root: BorrowedFd<'a>,
        program: &'a Program,
        descriptors: &'a [BorrowedFd<'a>],
    ) -> Self {
        Self {
            profile,
            site,
            account: None,
            root: Some(root),
            program,
            descriptors,
        }
    }

    /// A worker or verifier of an account (`None` where all have one id), chrooted
    /// into the account's directory.
    #[must_use]
    pub fn of_account(
        profile: &'static Profile,
        site: Site,
        account: Option<AccountUid>,
        root: BorrowedFd<'a>,
        program: &'a Program,
        descriptors: &'a [BorrowedFd<'a>],
    ) -> Self {
        Self {
            profile,
            site,
            account,
            root: Some(root),
            program,
            descriptors,
        }
    }

    /// Brings it into the world, and waits until it executes its program.
    ///
    /// # Errors
    /// [`Stillborn`]: the step that failed. Nothing of the child is left.
    pub fn spawn(&self) -> Result<Child, Stillborn> {
        let arguments = self.arguments();
        let (tell, told) = at(Step::Fork, pipe_with(PipeFlags::CLOEXEC))?;
        let (wait, go) = at(Step::Fork, pipe_with(PipeFlags::CLOEXEC))?;
        let plan = self.plan(&arguments, told, wait)?;
        // SAFETY: `child::become_newborn` allocates nothing, calls only
        // async-signal-safe functions, and never returns.
        let child = match at(Step::Fork, unsafe { kernel::fork() })? {
            Forked::Child => child::become_newborn(&plan),
            Forked::Parent(pid, descriptor) => Child { pid, descriptor },
        };
        drop(plan);
        self.attend(&child, &tell, &go)
            .inspect_err(|_| child.abandon(self.account))?;
        Ok(child)
    }

    fn arguments(&self) -> Vec<CString> {
        let name = CString::new(self.profile.process.program()).unwrap_or_default();
        [name].into_iter().chain(self.site.to_arguments()).collect()
    }

    /// The parent's side: maps when the child asks for them, then its report.
    fn attend(&self, child: &Child, tell: &OwnedFd, go: &OwnedFd) -> Result<(), Stillborn> {
        if maps::wanted(self.profile, self.site) {
            match read_report(tell)? {
                Some(child::NAMESPACES_MADE) => {}
                Some(report) => return Err(child::stillborn(report)),
                None => {
                    return Err(Stillborn {
                        step: Step::Namespaces,
                        errno: Errno::PIPE,
                    });
                }
            }
            at(Step::Maps, maps::write(child.pid, self.profile, self.site))?;
            at(Step::Maps, rustix::io::write(go, &[1]).map(drop))?;
        }
        match read_report(tell)? {
            Some(report) => Err(child::stillborn(report)),
            None => Ok(()),
        }
    }

    fn plan<'p>(
        &self,
        arguments: &'p [CString],
        told: OwnedFd,
        wait: OwnedFd,
    ) -> Result<child::Plan<'p>, Stillborn> {
        if self.descriptors.len() != self.profile.descriptors.len() {
            return Err(Stillborn {
                step: Step::Descriptors,
                errno: Errno::INVAL,
            });
        }
        let copies = self
            .descriptors
            .iter()
            .map(|one| copy(one.as_fd()))
            .collect::<Result<_, _>>();
        let root = self.root.map(copy).transpose();
        Ok(child::Plan {
            profile: self.profile,
            namespaces: unshared(self.profile, self.site),
            parents: self.parents_namespaces()?,
            maps: maps::wanted(self.profile, self.site),
            id: self.id()?,
            root: at(Step::Root, root)?,
            descriptors: at(Step::Descriptors, copies)?,
            program: at(Step::Program, copy(self.program.as_fd()))?,
            arguments: Arguments::new(arguments.iter().map(CString::as_c_str)),
            parent: rustix::process::getpid(),
            told: at(Step::Fork, copy(told.as_fd()))?,
            wait,
        })
    }

    /// Ours, which the child must have left; `broker`, whose root holds no /proc, bears
    /// into its own.
    fn parents_namespaces(&self) -> Result<child::ParentsNamespaces, Stillborn> {
        match unshared(self.profile, self.site) {
            0 => Ok(child::ParentsNamespaces::default()),
            _ => at(Step::Namespaces, child::own_namespaces()),
        }
    }

    /// The number that becomes the child's uid and gid, where ids are separate.
    fn id(&self) -> Result<Option<u32>, Stillborn> {
        match (self.site.ids(), self.profile.identity, self.account) {
            (Ids::Single, _, None) => Ok(None),
            (Ids::Separate(ranges), Identity::Own, None) => {
                Ok(Some(ranges.process(self.profile.process).number()))
            }
            (Ids::Separate(_), Identity::Account, Some(account)) => Ok(Some(account.number())),
            _ => Err(Stillborn {
                step: Step::Ids,
                errno: Errno::INVAL,
            }),
        }
    }
}

fn copy(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, DESCRIPTORS_MAX)
}

/// The flags of unshare(2) for a profile on this site.
pub(crate) fn unshared(profile: &Profile, site: Site) -> i32 {
    profile.namespaces.iter().fold(
        user_flag(profile, site),
        |flags, namespace| match namespace {
            Namespace::Network if !site.waivers().has(crate::Layer::NetNamespace) => {
                flags | libc::CLONE_NEWNET
            }
            Namespace::Ipc if !site.waivers().has(crate::Layer::NetNamespace) => {
                flags | libc::CLONE_NEWIPC
            }
            _ => flags,
        },
    )
}

fn user_flag(profile: &Profile, site: Site) -> i32 {
    if maps::wanted(profile, site) {
        libc::CLONE_NEWUSER
    } else {
        0
    }
}

/// A living or ended child. Whoever drops it before it has ended leaves its
/// reaping to the parent's end.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    descriptor: OwnedFd,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal: SIGSYS if it made a system call that its profile lacks.
    Killed(i32),
}

impl Child {
    /// Its number, for people to read; never to address it.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Kills it. Needs the right to: see [`crate::account::kill`] for a worker.
    ///
    /// # Errors
    /// As pidfd_send_signal(2).
    pub fn kill(&self) -> Result<(), Errno> {
        self.signal(Signal::KILL)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// As pidfd_send_signal(2).
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        rustix::process::pidfd_send_signal(&self.descriptor, signal)
    }

    /// How it ended, if it has; reaps it then. Its descriptor is readable from
    /// that moment on.
    ///
    /// # Errors
    /// As waitid(2).
    pub fn ended(&self) -> Result<Option<Ended>, Errno> {
        wait_for(
            &self.descriptor,
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        )
    }

    /// Reaps a child whose birth has failed, and which ends by itself or by our signal:
    /// it may wait for us, or, if we failed to hear that it was born, for nobody. Whose
    /// uid it has depends on how far it came.
    fn abandon(&self, account: Option<AccountUid>) {
        // It may be gone already, and there is nobody to tell.
        let _gone = self.kill();
        let _gone_as_account = crate::account::kill(self, account);
        let _reaped = reap(&self.descriptor);
    }
}

/// The pidfd: readable when the child has ended.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Waits for a short-lived child's end.
pub(crate) fn reap(descriptor: &OwnedFd) -> Result<Ended, Errno> {
    loop {
        match wait_for(descriptor, WaitIdOptions::EXITED) {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn wait_for(descriptor: &OwnedFd, options: WaitIdOptions) -> Result<Option<Ended>, Errno> {
    let Some(status) = rustix::process::waitid(WaitId::PidFd(descriptor.as_fd()), options)? else {
        return Ok(None);
    };
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(exit), _) => Some(Ended::Exited(exit)),
        (None, Some(signal)) => Some(Ended::Killed(signal)),
        (None, None) => None,
    })
}

/// The child's next report; `None` when it executes its program, which closes
/// the pipe.
fn read_report(tell: &OwnedFd) -> Result<Option<child::Report>, Stillborn> {
    let mut report = child::Report::default();
    match at(
        Step::Fork,
        rustix::io::retry_on_intr(|| rustix::io::read(tell, &mut report)),
    )? {
        0 => Ok(None),
        read if read == report.len() => Ok(Some(report)),
        _ => Err(Stillborn {
            step: Step::Fork,
            errno: Errno::IO,
        }),
    }
}

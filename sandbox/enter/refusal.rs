//! Why a process refuses to go on, in words for whoever has to mend it.
//!
//! Each wall that a process looks at has its own finding, and a test
//! (`sandbox/tests/half_confined.rs`) that makes it be found: one that nothing ever finds
//! fails there.

use crate::birth::advice;
use crate::layer::{Layer, Waivers};
use rustix::io::Errno;

words! {
    /// What a process does to itself, or has to ask the kernel, to be confined.
    Act {
        Descriptors = "closing what it was not given";
        Root = "looking at its root";
        Ids = "looking at its ids";
        Groups = "giving up groups";
        Capabilities = "giving up capabilities";
        Limits = "taking its limits";
        NoNewPrivileges = "giving up new privileges";
        Dumpable = "forbidding others to look into it";
    }
}

words! {
    /// What a process finds that its profile forbids.
    Finding {
        Descriptors = "it has descriptors that it was not given";
        NoDescriptors = "it lacks descriptors that it should have been given";
        NotEmptyRoot = "its root is not empty";
        ForeignRoot = "its root is not its own";
        NoStore = "its root is not the store";
        MixedIds = "its real, effective and saved ids differ";
        ForeignIds = "it has the ids of another";
        Groups = "it has supplementary groups";
        Capabilities = "it has capabilities that its profile lacks";
        NewPrivileges = "it could gain privileges";
        Dumpable = "it is dumpable";
        Landlock = "Landlock let through what it has no rule for";
        NotFiltered = "its system calls are not filtered";
        NotSealed = "it could make more threads";
    }
}

/// Why a process refuses to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its arguments are not what a parent of ours gives.
    NotBornBySupervisor,
    /// The kernel lacks these layers, and the site hasn't said that it does
    /// without them.
    KernelLacks(Waivers),
    /// The kernel enforces this layer only in part.
    EnforcedInPart(Layer),
    /// There is a thread besides the first, which confinement wouldn't reach.
    HasThreads,
    /// The kernel refused.
    Failed(Act, Errno),
    /// The system-call filter could not be made or installed.
    NoFilter,
    /// Something that the profile forbids was found or succeeded.
    NotConfined(Finding),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotBornBySupervisor => {
                f.write_str("this program is started by the supervisor (mailkeep run)")
            }
            Self::KernelLacks(layers) => {
                for layer in layers.layers() {
                    write!(
                        f,
                        "this kernel lacks {} (needs {}); ",
                        layer.name(),
                        layer.needs()
                    )?;
                }
                write!(f, "to do without, configure: {layers}")
            }
            Self::EnforcedInPart(layer) => {
                let without = Waivers::NONE.with(*layer);
                write!(
                    f,
                    "this kernel enforces {} only in part; to do without, configure: {without}",
                    layer.name()
                )
            }
            Self::HasThreads => f.write_str("a second thread exists before confinement"),
            Self::Failed(act, errno) => {
                write!(f, "confinement failed: {}: {errno}", act.text())?;
                advice(*errno).map_or(Ok(()), |advice| write!(f, "; {advice}"))
            }
            Self::NoFilter => f.write_str(
                "confinement failed: the system-call filter was not installed; nothing runs \
                 without it: the kernel needs CONFIG_SECCOMP_FILTER, and nothing around the set \
                 may forbid seccomp(2)",
            ),
            Self::NotConfined(found) => {
                write!(
                    f,
                    "confinement failed its own check: {}; this is a mistake of ours, or something \
                     answers in the kernel's place: please report it",
                    found.text()
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Says why on standard error, as an error (`<3>`, sd-daemon(3)), and gives the exit
/// code that the supervisor knows as "would not be confined" (EX_OSERR, sysexits.h).
#[must_use]
pub fn refuse(refusal: &Refusal) -> std::process::ExitCode {
    let line = format!("<3>{refusal}\n");
    // There is nobody else to tell.
    let _unheard = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
    std::process::ExitCode::from(71)
}

/// The kernel's answer to an act.
pub(super) fn act<T>(act: Act, result: Result<T, Errno>) -> Result<T, Refusal> {
    result.map_err(|errno| Refusal::Failed(act, errno))
}

/// Refuses unless this holds.
pub(super) fn demand(holds: bool, else_found: Finding) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::NotConfined(else_found))
    }
}

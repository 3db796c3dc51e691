//! A machine that lacks something, as far as a program and its children can see.
//!
//!     lacking exec WHAT PROGRAM [ARGUMENT ...]
//!     lacking watch WHAT PROGRAM [ARGUMENT ...]
//!
//! WHAT is a list, with commas between, of `NAME:ERROR`: a filter (seccomp(2)) answers
//! the calls of that name with that error. The name `stray-descriptor`, without an error,
//! stands for something that the caller forgot to close: it is open in the program.
//! `exec` becomes the program. `watch` stays, ends with its exit code, and says on
//! standard error which processes it has left.

#![allow(clippy::panic, reason = "a tool of tests says why and ends")]

use harness::proc;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{WaitOptions, set_child_subreaper};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::IntoRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long who was left may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// A name, a system call's number, and for some the bits that one argument has.
type Named = (&'static str, i64, Option<(u8, u64)>);

/// x86_64's numbers.
#[rustfmt::skip]
const CALLS: &[Named] = &[
    ("landlock",          444, None), // landlock_create_ruleset
    ("landlock",          445, None), // landlock_add_rule
    ("landlock",          446, None), // landlock_restrict_self
    ("landlock-restrict", 446, None),
    ("landlock-rule",     445, None),
    ("seccomp",           317, Some((0, 1))), // SECCOMP_SET_MODE_FILTER
    ("user-namespace",    272, Some((0, 0x1000_0000))), // unshare, CLONE_NEWUSER
    ("net-namespace",     272, Some((0, 0x4000_0000))), // CLONE_NEWNET
    ("ipc-namespace",     272, Some((0, 0x0800_0000))), // CLONE_NEWIPC
    ("memfd-exec",        319, Some((1, 0x10))), // memfd_create, MFD_EXEC
    ("memfd-noexec",      319, Some((1, 0x08))), // MFD_NOEXEC_SEAL, and nothing else
    ("execveat",          322, None),
    ("chroot",            161, None),
    ("fchdir",            81,  None),
    ("setgroups",         116, None),
    ("setresuid",         117, None),
    ("setresgid",         119, None),
    ("capset",            126, None),
    ("bounding",          157, Some((0, 24))), // prctl, PR_CAPBSET_DROP
    ("death-signal",      157, Some((0, 1))), // PR_SET_PDEATHSIG, and other odd options
    ("setsid",            112, None),
    ("pidfd",             56,  Some((0, 0x1000))), // clone, CLONE_PIDFD
    ("pidfd",             424, None), // pidfd_send_signal
    ("pidfd",             434, None), // pidfd_open
    ("pidfd-signal",      424, None),
    ("close_range",       436, None),
    ("openat2",           437, None),
    ("subreaper",         157, Some((0, 36))), // PR_SET_CHILD_SUBREAPER
];

/// Says that a descriptor is left open.
const STRAY: &str = "stray-descriptor";

/// No process is given so many.
const STRAY_NUMBER: i32 = 200;

/// The errors' numbers (errno(3)).
const ERRORS: &[(&str, u32)] = &[
    ("0", 0),
    ("EPERM", 1),
    ("EACCES", 13),
    ("EINVAL", 22),
    ("ENOSPC", 28),
    ("ENOSYS", 38),
    ("EOPNOTSUPP", 95),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [how, what, program, rest @ ..] = arguments.as_slice() else {
        panic!("lacking exec|watch WHAT PROGRAM [ARGUMENT ...]");
    };
    if how == "watch" {
        return watch(what, program, rest);
    }
    what.to_str().expect("names").split(',').for_each(lack);
    let error = Command::new(program).args(rest).exec();
    panic!("{}: {error}", program.display());
}

/// A descriptor that no exec closes, above all those that a process is given, which
/// would take its place.
fn stray() {
    let flags = rustix::fs::OFlags::RDONLY;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty());
    let null = null.expect("every machine has it");
    let stray = fcntl_dupfd_cloexec(null, STRAY_NUMBER).expect("there is room");
    fcntl_setfd(&stray, FdFlags::empty()).expect("it is open");
    let _ = stray.into_raw_fd();
}

/// Answers the calls of `NAME:ERROR` from now on.
fn lack(what: &str) {
    if what == STRAY {
        return stray();
    }
    let (name, error) = what.split_once(':').expect("NAME:ERROR");
    let (_, errno) = ERRORS
        .iter()
        .find(|(known, _)| *known == error)
        .unwrap_or_else(|| panic!("no error {error}"));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (_, call, condition) in CALLS.iter().filter(|(known, ..)| *known == name) {
        rules.entry(*call).or_default().extend(condition.map(rule));
    }
    assert!(!rules.is_empty(), "no calls of the name {name}");
    let answer = SeccompAction::Errno(*errno);
    let architecture = std::env::consts::ARCH.try_into().expect("a known one");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture);
    let filter: BpfProgram = filter
        .and_then(TryInto::try_into)
        .expect("a filter of ours compiles");
    seccompiler::apply_filter(&filter).expect("this machine has filters");
}

/// The argument has these bits; small ones are numbers, and must be all.
fn rule((index, bits): (u8, u64)) -> SeccompRule {
    let operator = match bits {
        0..0x100 if bits != 0x10 => SeccompCmpOp::Eq,
        _ => SeccompCmpOp::MaskedEq(bits),
    };
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, bits);
    SeccompRule::new(vec![condition.expect("an argument")]).expect("a rule")
}

/// Whoever loses his parent below is ours then.
fn watch(what: &OsString, program: &OsString, rest: &[OsString]) -> ExitCode {
    set_child_subreaper(Some(rustix::process::getpid())).expect("the kernel knows reapers");
    let own = std::env::current_exe().expect("a program knows where it is");
    let mut inner = Command::new(own);
    inner.arg("exec").arg(what).arg(program).args(rest);
    let status = inner.status().expect("it starts");
    let gone = harness::set::wait_for(ENDING, || {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        proc::children(std::process::id()).is_empty()
    });
    if !gone {
        for left in proc::children(std::process::id()) {
            eprintln!("LEFT: {} {left}", proc::name(left));
            harness::set::signal_pid(left, rustix::process::Signal::KILL);
        }
    }
    ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(255),
    )
}

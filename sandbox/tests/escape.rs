//! Escapes: code that has taken over a worker, a `login`, the `broker` or a verifier
//! tries what such code tries, each attempt in a fresh process, and each fails as stated.
//!
//! "kill" is death by the system-call filter. A number is the kernel's error, where
//! the call itself is allowed and another wall stands: 1 EPERM, 2 ENOENT (it isn't
//! below the root), 9 EBADF (nothing was leaked), 13 EACCES (Landlock), 21 EISDIR, 38
//! ENOSYS.
//! "own" is a power that the process has by its duty, and "id" one that it has where
//! ids are separate: other attempts show what they don't open.
//! The broker's filter is wide, because workers inherit it: there the uid range,
//! the user namespace, Landlock and the empty network namespace are the walls.

#[path = "../probe/house.rs"]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

use house::House;
use sandbox::profile::{BROKER, LOGIN, VERIFY, WORKER};
use sandbox::{Ids, Profile};

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

/// What was tried, and how it must end in the worker, in `login`, in the broker, in
/// the verifier.
#[rustfmt::skip]
const MATRIX: &[(&str, [&str; 4])] = &[
    ("read /etc/passwd",                            ["2", "kill", "2", "2"]),
    ("read ../../../../etc/passwd",                 ["2", "kill", "2", "2"]),
    ("walk out by descriptor and read /etc/passwd", ["kill", "kill", "13", "kill"]),
    ("read a neighbour's directory",                ["2", "kill", "2", "2"]),
    ("leaked directory: read a neighbour's mail",   ["9", "kill", "9", "9"]),
    ("leaked directory: read what all may read",    ["9", "kill", "9", "9"]),
    ("leaked directory: fchdir",                    ["kill", "kill", "9", "kill"]),
    ("leaked log: write",                           ["9", "9", "9", "kill"]),
    ("leaked socket: write",                        ["9", "9", "9", "kill"]),
    ("leaked directory: hard link",                 ["kill", "kill", "kill", "kill"]),
    ("chroot again",                                ["kill", "kill", "own", "kill"]),
    ("setresuid(0)",                                ["kill", "kill", "kill", "kill"]),
    ("setresgid(0)",                                ["kill", "kill", "kill", "kill"]),
    ("setresuid below the accounts",                ["kill", "kill", "kill", "kill"]),
    ("setresuid above the accounts",                ["kill", "kill", "kill", "kill"]),
    ("setresgid above the accounts",                ["kill", "kill", "kill", "kill"]),
    ("setresuid(-1)",                               ["kill", "kill", "kill", "kill"]),
    ("setresgid(-1)",                               ["kill", "kill", "kill", "kill"]),
    ("setresuid, root among accounts",              ["kill", "kill", "kill", "kill"]),
    ("setresuid, one left as it is",                ["kill", "kill", "kill", "kill"]),
    ("setresuid to another account",                ["kill", "kill", "id", "kill"]),
    ("setuid(0)",                                   ["kill", "kill", "kill", "kill"]),
    ("setfsuid(0)",                                 ["kill", "kill", "kill", "kill"]),
    ("setgroups of one",                            ["kill", "kill", "kill", "kill"]),
    ("become an account, then root",                ["kill", "kill", "kill", "kill"]),
    ("chown what is outside",                       ["kill", "kill", "kill", "kill"]),
    ("kill the parent",                             ["kill", "kill", "kill", "kill"]),
    ("kill a sibling",                              ["kill", "kill", "kill", "kill"]),
    ("ptrace the parent",                           ["kill", "kill", "kill", "kill"]),
    ("read the parent's memory",                    ["kill", "kill", "kill", "kill"]),
    ("pidfd_open the parent",                       ["kill", "kill", "kill", "kill"]),
    ("pidfd_getfd",                                 ["kill", "kill", "kill", "kill"]),
    ("socket: TCP",                                 ["kill", "kill", "kill", "kill"]),
    ("socket: UDP",                                 ["kill", "kill", "kill", "kill"]),
    ("socket: Unix",                                ["kill", "kill", "kill", "kill"]),
    ("socket: netlink",                             ["kill", "kill", "kill", "kill"]),
    ("socket: crypto",                              ["kill", "kill", "kill", "kill"]),
    ("socket: vsock",                               ["kill", "kill", "kill", "kill"]),
    ("socketpair: netlink",                         ["kill", "kill", "kill", "kill"]),
    ("connect",                                     ["kill", "kill", "kill", "kill"]),
    ("bind",                                        ["kill", "kill", "kill", "kill"]),
    ("listen",                                      ["kill", "kill", "kill", "kill"]),
    ("sendto an address",                           ["kill", "kill", "kill", "kill"]),
    ("keys of kTLS",                                ["kill", "kill", "kill", "kill"]),
    ("io_uring",                                    ["kill", "kill", "kill", "kill"]),
    ("bpf",                                         ["kill", "kill", "kill", "kill"]),
    ("perf_event_open",                             ["kill", "kill", "kill", "kill"]),
    ("userfaultfd",                                 ["kill", "kill", "kill", "kill"]),
    ("add_key",                                     ["kill", "kill", "kill", "kill"]),
    ("keyctl",                                      ["kill", "kill", "kill", "kill"]),
    ("unshare user",                                ["kill", "kill", "kill", "kill"]),
    ("unshare user and mounts",                     ["kill", "kill", "kill", "kill"]),
    ("setns",                                       ["kill", "kill", "kill", "kill"]),
    ("mount",                                       ["kill", "kill", "kill", "kill"]),
    ("pivot_root",                                  ["kill", "kill", "kill", "kill"]),
    ("map writable and executable",                 ["kill", "kill", "kill", "kill"]),
    ("make a page executable",                      ["kill", "kill", "kill", "kill"]),
    ("pkey_mprotect",                               ["kill", "kill", "kill", "kill"]),
    ("memfd_create",                                ["kill", "kill", "kill", "kill"]),
    ("execve what is in the root",                  ["kill", "kill", "kill", "kill"]),
    ("execveat what is in the root",                ["kill", "kill", "kill", "kill"]),
    ("mkfifo",                                      ["kill", "kill", "13", "kill"]),
    ("device",                                      ["kill", "kill", "kill", "kill"]),
    ("symlink",                                     ["kill", "kill", "kill", "kill"]),
    ("open_by_handle_at",                           ["kill", "kill", "kill", "kill"]),
    ("fork",                                        ["kill", "kill", "kill", "kill"]),
    ("vfork",                                       ["kill", "kill", "kill", "kill"]),
    ("clone3",                                      ["38", "38", "38", "38"]),
    ("raise a limit",                               ["kill", "kill", "1", "kill"]),
    ("chmod its root",                              ["kill", "kill", "kill", "kill"]),
    ("setxattr",                                    ["kill", "kill", "kill", "kill"]),
    ("inotify",                                     ["kill", "kill", "kill", "kill"]),
    ("i386 getpid",                                 ["kill", "kill", "kill", "kill"]),
    ("x32 getpid",                                  ["kill", "kill", "kill", "kill"]),
    ("TIOCSTI",                                     ["kill", "kill", "kill", "kill"]),
    ("dumpable again",                              ["kill", "kill", "kill", "kill"]),
    ("another filter",                              ["kill", "kill", "kill", "kill"]),
    ("make a file",                                 ["own", "kill", "own", "kill"]),
    ("open its root for writing",                   ["21", "kill", "21", "kill"]),
    ("write a file at an offset",                   ["9", "kill", "9", "kill"]),
    ("cut a file",                                  ["9", "kill", "9", "kill"]),
    ("sync a file",                                 ["9", "kill", "9", "kill"]),
    ("take the writer's lock",                      ["9", "kill", "9", "kill"]),
    ("make a directory",                            ["own", "kill", "own", "kill"]),
    ("rename a file",                               ["2", "kill", "2", "kill"]),
    ("remove a file",                               ["2", "kill", "2", "kill"]),
    ("set a file's times",                          ["kill", "kill", "kill", "kill"]),
    ("reboot",                                      ["kill", "kill", "kill", "kill"]),
    ("swapon",                                      ["kill", "kill", "kill", "kill"]),
    ("init_module",                                 ["kill", "kill", "kill", "kill"]),
    ("set the clock",                               ["kill", "kill", "kill", "kill"]),
];

/// Tries the whole matrix in one profile, and names every attempt that ended
/// otherwise.
fn assert_confined(profile: &'static Profile, column: usize) {
    let house = House::new(profile.process.program(), PROBE);
    let wrong = MATRIX.iter().filter_map(|(attempt, stated)| {
        let stated = match stated[column] {
            "kill" => "killed 31".to_owned(),
            "id" if house.site.ids() == Ids::Single => "killed 31".to_owned(),
            "own" | "id" => "succeeded".to_owned(),
            number => format!("errno {number}"),
        };
        let found = house.obey(profile, attempt);
        (found != stated).then(|| format!("{attempt}: {found} instead of {stated}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn nothing_leaves_a_worker() {
    assert_confined(&WORKER, 0);
}

#[test]
fn nothing_leaves_login() {
    assert_confined(&LOGIN, 1);
}

#[test]
fn nothing_leaves_the_store_through_the_broker() {
    assert_confined(&BROKER, 2);
}

#[test]
fn nothing_leaves_a_verifier_and_it_changes_nothing() {
    assert_confined(&VERIFY, 3);
}

#[test]
fn a_worker_can_do_its_own_work() {
    let house = House::new("legitimate", PROBE);
    assert_eq!(
        house.obey(&WORKER, "legitimate: create, write, sync, rename"),
        "succeeded"
    );
}

#[test]
fn a_verifier_can_do_its_own_work() {
    let house = House::new("reading", PROBE);
    assert_eq!(
        house.obey(&VERIFY, "legitimate: open, look, list"),
        "succeeded"
    );
}

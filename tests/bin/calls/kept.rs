//! Which arguments of a call are kept: commands, flags and levels, by which rules can
//! tell one use from another. Descriptors, lengths, offsets and addresses are not.

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command, a level, or a set of flags: kept, if it isn't an address after all.
    Flags,
    /// A switch, a signal or a small command: kept if it can be one.
    Small,
    /// A descriptor: kept if it is one of the first three.
    Descriptor,
    /// An address: kept if it is null.
    Address,
    /// A uid or gid: those of the accounts are one, those of processes another.
    Id,
}

use Kind::{Address, Descriptor, Flags, Id, Small};

/// The calls of which anything is kept.
#[rustfmt::skip]
const KEPT: &[(&str, &[(usize, Kind)])] = &[
    ("accept4", &[(3, Flags)]),
    ("arch_prctl", &[(0, Flags)]),
    ("clone", &[(0, Flags)]),
    ("close_range", &[(2, Flags)]),
    ("dup3", &[(2, Flags)]),
    ("epoll_create1", &[(0, Flags)]),
    ("epoll_ctl", &[(1, Flags)]),
    ("eventfd2", &[(0, Flags), (1, Flags)]),
    ("execveat", &[(4, Flags)]),
    ("fchmod", &[(1, Flags)]),
    ("fchmodat", &[(2, Flags)]),
    ("fcntl", &[(1, Flags)]),
    ("flock", &[(1, Flags)]),
    ("futex", &[(1, Flags)]),
    ("getrandom", &[(2, Flags)]),
    ("getsockopt", &[(1, Flags), (2, Flags)]),
    ("ioctl", &[(1, Flags)]),
    ("kill", &[(1, Flags)]),
    ("landlock_add_rule", &[(1, Flags), (3, Flags)]),
    ("landlock_create_ruleset", &[(2, Flags)]),
    ("landlock_restrict_self", &[(1, Flags)]),
    ("madvise", &[(2, Flags)]),
    ("memfd_create", &[(1, Flags)]),
    ("mkdirat", &[(2, Flags)]),
    ("mknodat", &[(2, Flags)]),
    ("mmap", &[(2, Flags), (3, Flags)]),
    ("mprotect", &[(2, Flags)]),
    ("mremap", &[(3, Flags)]),
    ("newfstatat", &[(3, Flags)]),
    ("openat", &[(2, Flags)]),
    ("pidfd_send_signal", &[(1, Flags), (3, Flags)]),
    ("pipe2", &[(1, Flags)]),
    ("prctl", &[(0, Flags), (1, Small)]),
    ("preadv2", &[(5, Flags)]),
    ("prlimit64", &[(0, Flags), (1, Flags), (2, Address)]),
    ("recvfrom", &[(3, Flags), (4, Address)]),
    ("recvmsg", &[(2, Flags)]),
    ("rt_sigaction", &[(0, Flags)]),
    ("rt_sigprocmask", &[(0, Flags)]),
    ("seccomp", &[(0, Flags), (1, Flags)]),
    ("sendmsg", &[(2, Flags)]),
    ("sendto", &[(3, Flags), (4, Address)]),
    ("setgroups", &[(0, Flags)]),
    ("setresgid", &[(0, Id), (1, Id), (2, Id)]),
    ("setresuid", &[(0, Id), (1, Id), (2, Id)]),
    ("setsockopt", &[(1, Flags), (2, Flags)]),
    ("shutdown", &[(1, Flags)]),
    ("signalfd4", &[(3, Flags)]),
    ("socket", &[(0, Flags), (1, Flags), (2, Flags)]),
    ("socketpair", &[(0, Flags), (1, Flags), (2, Flags)]),
    ("tgkill", &[(2, Flags)]),
    ("umask", &[(0, Flags)]),
    ("unlinkat", &[(2, Flags)]),
    ("unshare", &[(0, Flags)]),
    ("waitid", &[(0, Flags), (3, Flags)]),
    ("write", &[(0, Descriptor)]),
];

/// SIGKILL, which a child asks for when its parent dies; other small numbers are lower.
const SMALL_MAX: u64 = 9;

/// The accounts' uids, where the configuration doesn't say otherwise.
const ACCOUNTS: std::ops::RangeInclusive<u64> = 1_900_000_000..=2_099_999_999;

/// The processes' uids, below them.
const PROCESSES: std::ops::RangeInclusive<u64> = 1_899_999_000..=1_899_999_999;

/// A call in the ledger's words: its name, and what is kept, by position. `_` stands
/// for what isn't.
pub fn words(name: &str, arguments: [u64; 6]) -> String {
    let kept = KEPT.iter().find(|(call, _)| *call == name);
    let kept = kept.map_or(&[][..], |(_, kept)| kept);
    let words = kept
        .iter()
        .map(|&(index, kind)| format!("{index}: {}", word(kind, arguments[index])));
    format!("{name}({})", words.collect::<Vec<_>>().join(", "))
}

fn word(kind: Kind, value: u64) -> String {
    match kind {
        Flags if value <= u64::from(u32::MAX) => format!("{value:#x}"),
        Small if value <= SMALL_MAX => format!("{value:#x}"),
        Descriptor if value <= 2 => format!("{value:#x}"),
        Address if value == 0 => "0x0".to_owned(),
        Id if ACCOUNTS.contains(&value) => "account".to_owned(),
        Id if PROCESSES.contains(&value) => "process".to_owned(),
        Id => format!("{value:#x}"),
        Flags | Small | Descriptor | Address => "_".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kept_and_what_a_process_works_on_is_not() {
        assert_eq!(
            words("mmap", [4096, 8192, 3, 0x22, 9, 0]),
            "mmap(2: 0x3, 3: 0x22)"
        );
        assert_eq!(words("write", [2, 1, 1, 0, 0, 0]), "write(0: 0x2)");
        assert_eq!(words("write", [17, 1, 1, 0, 0, 0]), "write(0: _)");
        assert_eq!(words("brk", [1; 6]), "brk()");
        let name = 0x7f01_fe4a_c100;
        assert_eq!(
            words("prctl", [15, name, 0, 0, 0, 0]),
            "prctl(0: 0xf, 1: _)"
        );
    }

    #[test]
    fn accounts_are_one() {
        let id = 1_900_000_007;
        assert_eq!(
            words("setresuid", [id, id, 0, 0, 0, 0]),
            "setresuid(0: account, 1: account, 2: 0x0)"
        );
    }
}

//! The lists of system calls that profiles are made of. Each call stands with
//! the reason why it is needed, and with the arguments that it is needed for.
//!
//! A condition costs: the kernel remembers calls that are allowed whatever their
//! arguments, and runs the filter for the others (some 50 ns). So a call of every
//! moment has one only where the arguments that it shuts out would hurt; the others
//! say what they are used with. What nothing uses goes: `audit/calls-seen.toml` has
//! what was seen, and `sandbox/tests/calls_seen.rs` holds the two against each other.

// Conditions are written in the kernel's own words.
use libc::*;

/// The flags with which the C library makes a thread: it shares all that there is to
/// share, and nothing is new.
const A_THREAD: c_int = CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID;

/// A list of calls that belong together.
#[derive(Debug)]
pub struct List {
    /// Its name in the ledger.
    pub name: &'static str,
    /// The calls.
    pub calls: &'static [Call],
}

/// One system call.
#[derive(Debug)]
pub struct Call {
    /// Its number on this architecture.
    pub number: c_long,
    /// For which arguments.
    pub when: When,
    /// `SYS_`, its name, and its condition as it is written here, each test with
    /// an "and" behind it.
    pub text: &'static str,
    /// What the process needs it for.
    pub reason: &'static str,
}

/// For which arguments a call is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// For any.
    Always,
    /// If all these hold.
    If(&'static [Argument]),
    /// For none: it is answered with this error instead of death, because the C
    /// library then takes another way.
    Answered(i32),
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Which one; the first is 0.
    pub index: u8,
    /// What must hold of it.
    pub test: Test,
}

/// What must hold of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The lower 32 bits are those of this number.
    Is(u64),
    /// Of all 64 bits these are not set.
    Lacks(u64),
    /// Of all 64 bits these are set.
    Has(u64),
    /// The lower 32 bits are the uid of an account.
    Account,
}

impl Call {
    /// Its name and condition, as the ledger has them.
    #[must_use]
    pub fn words(&self) -> &'static str {
        self.text
            .trim_start_matches("SYS_")
            .trim_end_matches(" and")
    }

    /// Its name alone.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let words = self.words();
        words.split_once(' ').map_or(words, |(name, _)| name)
    }

    /// Whether it lets arguments through, or answers them; `accounts` are the first
    /// and the last uid that an account can have. The filter that the kernel runs
    /// says the same (a test of [`crate::filter`]'s compares the two).
    #[must_use]
    pub fn covers(&self, arguments: [u64; 6], accounts: Option<(u32, u32)>) -> bool {
        match self.when {
            When::Always | When::Answered(_) => true,
            When::If(all) => all.iter().all(|one| one.holds(arguments, accounts)),
        }
    }

    /// Whether all that this one covers is covered by another rule for the same
    /// call, which covers more.
    #[must_use]
    pub fn is_narrower_than(&self, other: &Self) -> bool {
        self.number == other.number
            && match (self.when, other.when) {
                (When::If(_), When::Always) => true,
                (When::If(own), When::If(fewer)) => {
                    own.len() > fewer.len() && fewer.iter().all(|one| own.contains(one))
                }
                _ => false,
            }
    }
}

impl Argument {
    fn holds(&self, arguments: [u64; 6], accounts: Option<(u32, u32)>) -> bool {
        let Some(&value) = arguments.get(usize::from(self.index)) else {
            return false;
        };
        let word = value & 0xffff_ffff;
        match self.test {
            Test::Is(number) => word == number & 0xffff_ffff,
            Test::Lacks(bits) => value & bits == 0,
            Test::Has(bits) => value & bits == bits,
            Test::Account => {
                accounts.is_some_and(|(first, last)| (first.into()..=last.into()).contains(&word))
            }
        }
    }
}

const fn is(index: u8, number: u64) -> Argument {
    Argument {
        index,
        test: Test::Is(number),
    }
}

const fn lacks(index: u8, bits: u64) -> Argument {
    Argument {
        index,
        test: Test::Lacks(bits),
    }
}

const fn has(index: u8, bits: u64) -> Argument {
    Argument {
        index,
        test: Test::Has(bits),
    }
}

const fn account(index: u8) -> Argument {
    Argument {
        index,
        test: Test::Account,
    }
}

/// `NAME { SYS_call if test(argument, value) and ... else ERRNO, "reason"; }`
macro_rules! lists {
    ($($(#[$meta:meta])* $list:ident {
        $($call:ident
            $(if $($test:ident($index:literal $(, $value:expr)?))and+)?
            $(else $errno:ident)?, $reason:literal;)+
    })+) => {$(
        $(#[$meta])*
        pub static $list: List = List {
            name: stringify!($list),
            calls: &[$(Call {
                number: $call,
                when: lists!(@when $([$($test($index $(, ($value) as u64)?)),+])? $($errno)?),
                text: concat!(
                    stringify!($call),
                    $(" if" $(, " ", stringify!($test), "(", $index, $(", ", stringify!($value),)? ") and")+,)?
                    $(" else ", stringify!($errno),)?
                ),
                reason: $reason,
            },)+],
        };
    )+};
    (@when) => { When::Always };
    (@when [$($argument:expr),+]) => { When::If(&[$($argument),+]) };
    (@when $errno:ident) => { When::Answered($errno) };
}

lists! {
    /// What any Rust program needs to run and to end, well or not.
    LIFE {
        SYS_brk, "heap";
        SYS_mmap if lacks(2, PROT_EXEC) and lacks(3, MAP_SHARED | MAP_GROWSDOWN), "heap and stacks: never executable, always counted by RLIMIT_DATA";
        SYS_mremap if is(3, MREMAP_MAYMOVE), "heap: a large block that grows";
        SYS_munmap, "heap";
        SYS_clock_gettime, "time, where the vDSO can't tell it";
        SYS_rt_sigaction if is(0, SIGSEGV), "a fault: the standard library's handler gives way to it";
        SYS_rt_sigprocmask, "abort";
        SYS_rt_sigreturn, "a fault: the handler's end";
        SYS_sigaltstack, "the guard of the stack, at a thread's end";
        SYS_getpid, "abort";
        SYS_gettid, "abort, and a panic's message";
        SYS_tgkill if is(2, SIGABRT), "abort";
        SYS_exit_group, "the end";
        SYS_close, "descriptors";
        SYS_fcntl if is(1, F_GETFD), "debug builds: that a descriptor is closed once";
        SYS_clone3 else ENOSYS, "proof that the filter stands; makes glibc use clone";
    }

    /// Numbers that nobody guesses.
    CHANCE {
        SYS_getrandom, "keys of hash tables, nonces";
    }

    /// Lines of the log.
    LOG {
        SYS_write if is(0, 2), "a line of the log";
    }

    /// Messages to others over channels, descriptors among them.
    SAYING {
        SYS_sendmsg if lacks(2, MSG_FASTOPEN | MSG_OOB), "a message, never a connection";
        SYS_ioctl if is(1, FIONBIO), "channels don't block";
        SYS_getsockopt if is(1, SOL_SOCKET) and is(2, SO_TYPE), "that it is a channel; never the keys of kTLS";
    }

    /// Messages from others.
    HEARING {
        SYS_recvmsg if lacks(2, MSG_OOB), "a message";
    }

    /// Waiting for one descriptor, with a deadline.
    PATIENCE {
        SYS_ppoll, "the first messages, or an answer";
    }

    /// What kind of socket a descriptor is.
    SOCKET {
        SYS_getsockopt if is(1, SOL_SOCKET) and is(2, SO_DOMAIN), "that it is a Unix or an internet socket, as said";
        SYS_getsockopt if is(1, SOL_SOCKET) and is(2, SO_ACCEPTCONN), "that it listens, or doesn't";
    }

    /// Which socket a descriptor is.
    COOKIE {
        SYS_getsockopt if is(1, SOL_SOCKET) and is(2, SO_COOKIE), "that it is the one of the ticket";
    }

    /// Who is at the other end of a Unix socket.
    PEER {
        SYS_getsockopt if is(1, SOL_SOCKET) and is(2, SO_PEERCRED), "who asks";
    }

    /// A set of descriptors.
    EPOLL {
        SYS_epoll_create1, "the set";
        SYS_epoll_ctl, "its members";
    }

    /// Waiting for a set of descriptors, without a runtime.
    WAITING {
        SYS_epoll_pwait, "the wait";
    }

    /// The async runtime, on one thread.
    TOKIO {
        SYS_eventfd2 if is(0, 0), "tokio's waker";
        SYS_write, "tokio's waker";
        SYS_fcntl if is(1, F_DUPFD_CLOEXEC), "tokio's copy of the epoll set";
        SYS_epoll_wait, "the wait";
        SYS_futex if lacks(1, FUTEX_FD | FUTEX_CMP_REQUEUE), "tokio's parking: waits and wakes, nothing that requeues or inherits priority";
    }

    /// Bytes over connections.
    STREAM {
        SYS_recvfrom if lacks(3, MSG_OOB), "a connection";
        SYS_sendto if is(4, 0) and lacks(3, MSG_FASTOPEN | MSG_OOB), "a connection, never to an address";
        SYS_fcntl if is(1, F_GETFL), "debug builds: that a connection doesn't block";
    }

    /// Ending a connection before its descriptor is closed.
    HANGING_UP {
        SYS_shutdown if is(1, SHUT_WR), "the end of one direction; both ends of a listening socket would make it one that connects";
    }

    /// Ending a connection for whoever holds a copy of it.
    CUTTING {
        SYS_shutdown if is(1, SHUT_RDWR), "a session that is refused after all";
    }

    /// Accepting connections on sockets that came as descriptors.
    ACCEPT {
        SYS_accept4, "a client";
    }

    /// Making both ends of a local connection.
    PAIR {
        SYS_socketpair if is(0, AF_UNIX) and lacks(1, SOCK_DGRAM), "the two ends of a channel or a session";
    }

    /// Bytes from one connection to another that need not come to memory.
    SPLICING {
        SYS_pipe2 if is(1, O_CLOEXEC | O_NONBLOCK), "where bytes are between two connections";
        SYS_splice if is(1, 0) and is(3, 0) and is(5, SPLICE_F_MOVE | SPLICE_F_NONBLOCK), "bytes of a session in the clear, into a pipe and out of it; never at an offset of a file";
    }

    /// Connections whose other end may be far away, and vanish without a word.
    INTERNET {
        SYS_setsockopt if is(1, IPPROTO_TCP) and is(2, TCP_NODELAY), "answers leave at once";
        SYS_setsockopt if is(1, SOL_SOCKET) and is(2, SO_KEEPALIVE), "a client that is gone is noticed";
        SYS_setsockopt if is(1, IPPROTO_TCP) and is(2, TCP_KEEPIDLE), "and when";
        SYS_setsockopt if is(1, IPPROTO_TCP) and is(2, TCP_KEEPINTVL), "and when";
        SYS_setsockopt if is(1, IPPROTO_TCP) and is(2, TCP_KEEPCNT), "and when";
    }

    /// Being told by a thread of its own.
    WAKER {
        SYS_eventfd2 if is(0, 0), "work done by a thread";
        SYS_write, "that it is done";
        SYS_read, "that it is done";
    }

    /// Who started the set.
    STARTER {
        SYS_getuid, "the admin, where all have one id";
    }

    /// A file that the supervisor opened.
    GIVEN_FILE {
        SYS_read, "the file, once";
    }

    /// A peer that reads slowly.
    SLOW_READER {
        SYS_sched_yield, "until the supervisor has taken everything";
    }

    /// A journal below the root, within Landlock's rules.
    JOURNAL {
        SYS_openat if lacks(2, O_PATH), "files below the root";
        SYS_fstat, "size and owner";
        SYS_pread64, "a file";
        SYS_pwrite64, "a file";
        SYS_fsync, "a directory, or a file with its size, on disk";
        SYS_fdatasync, "a file's bytes on disk";
        SYS_ftruncate, "a torn tail cut";
        SYS_getdents64, "the names in a directory";
        SYS_fcntl if is(1, F_GETFL), "how a directory was opened, before it is opened again to be listed";
        SYS_mkdirat, "a directory";
        SYS_renameat, "a file's final name";
        SYS_unlinkat if is(2, 0), "a file that nothing needs any more";
    }

    /// What an account needs beside its journal.
    MAIL {
        SYS_preadv2 if is(5, RWF_NOWAIT), "a file, if it is in memory";
        SYS_unlinkat if is(2, AT_REMOVEDIR), "an account that is deleted: its directories";
        SYS_flock if is(1, LOCK_EX | LOCK_NB), "the one writer";
        SYS_fcntl if is(1, F_GET_SEALS), "whether a letter in memory is sealed";
    }

    /// Files below the root, which nothing here can make, change or remove.
    READING {
        SYS_openat if lacks(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_PATH), "files below the root, for reading";
        SYS_fstat, "size, kind and owner";
        SYS_pread64, "a file";
        SYS_getdents64, "the names in a directory";
    }

    /// Letters too large for memory, below the root.
    SPOOL {
        SYS_openat if lacks(2, O_PATH), "a letter: made, and opened again read-only";
        SYS_unlinkat if is(2, 0), "a letter's name, before its first byte is passed on";
        SYS_getdents64, "what a former life has left";
        SYS_write, "a letter";
        SYS_memfd_create if has(1, MFD_NOEXEC_SEAL), "a small letter, which can't become a program";
        SYS_fcntl if is(1, F_ADD_SEALS), "a small letter that nobody can change any more";
    }

    /// An account's directory.
    ACCOUNT {
        SYS_openat2, "an account's directory";
        SYS_mkdirat, "a new account's directory";
        SYS_fsync, "a new account's name, on disk";
        SYS_unlinkat if is(2, AT_REMOVEDIR), "a deleted account's directory";
        SYS_fstat, "whose it is";
        SYS_geteuid, "whose it must be, where one id serves for all";
        SYS_fcntl if is(1, F_GET_SEALS), "that a worker's program can't change";
    }

    /// What the supervisor does with the machine.
    HOST {
        SYS_geteuid, "who started the set";
        SYS_getegid, "who started the set";
        SYS_socket if is(0, AF_UNIX) and lacks(1, SOCK_DGRAM), "listening sockets";
        SYS_socket if is(0, AF_INET) and is(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), "listening sockets";
        SYS_socket if is(0, AF_INET6) and is(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), "listening sockets";
        SYS_bind, "listening sockets";
        SYS_listen, "listening sockets";
        SYS_setsockopt if is(1, SOL_SOCKET) and is(2, SO_REUSEADDR), "listening sockets, again after a restart";
        SYS_setsockopt if is(1, IPPROTO_IPV6) and is(2, IPV6_V6ONLY), "listening sockets: one for each protocol";
        SYS_openat, "programs, directories, files that the configuration names; maps of ids";
        SYS_mkdirat, "state directories";
        SYS_unlinkat if is(2, 0), "a stale socket";
        SYS_unlinkat if is(2, AT_REMOVEDIR), "the empty directory that was some processes' root";
        SYS_fchown, "state directories";
        SYS_fchmod if lacks(1, S_ISUID | S_ISGID), "state directories";
        SYS_fchmodat if lacks(2, S_ISUID | S_ISGID), "who may connect to a socket";
        SYS_memfd_create, "sealed programs";
        SYS_fcntl if is(1, F_ADD_SEALS), "sealed programs";
        SYS_signalfd4, "signals, in order";
        SYS_kill if is(1, SIGKILL), "what a dead broker left";
        SYS_newfstatat if is(3, AT_SYMLINK_NOFOLLOW), "directories and stale sockets";
        SYS_flock if is(1, LOCK_EX | LOCK_NB), "one set for one state directory";
        SYS_sendfile, "programs into memory";
    }

    /// A few threads, made at start, and the call that then forbids more.
    THREADS {
        SYS_clone if is(0, A_THREAD), "a thread with the flags of the C library's (pthread_create(3)), never a process or a namespace";
        SYS_set_robust_list, "a thread's start";
        SYS_rseq, "a thread's start";
        SYS_sched_getaffinity, "a thread's start";
        SYS_rt_sigaction if is(0, 33), "the C library's own signal, before the first thread";
        SYS_mprotect if lacks(2, PROT_EXEC), "the guard of a thread's stack, and its heap";
        SYS_madvise if is(2, MADV_DONTNEED), "a thread's heap given back";
        SYS_futex if lacks(1, FUTEX_FD | FUTEX_CMP_REQUEUE), "locks of the standard library: waits and wakes, nothing that requeues or inherits priority";
        SYS_sched_yield, "queues of the standard library, while another thread is at the same place";
        SYS_exit, "a thread's end";
        SYS_prctl if is(0, PR_SET_NAME), "a thread's name";
        SYS_prctl if is(0, PR_SET_NO_NEW_PRIVS), "the second filter";
        SYS_seccomp if is(0, SECCOMP_SET_MODE_FILTER) and is(1, SECCOMP_FILTER_FLAG_TSYNC), "the second filter";
    }

    /// A thread that waits for another with a deadline.
    WATCHDOG {
        SYS_restart_syscall, "a wait with a deadline that a stop has interrupted";
    }

    /// What a filter that stands over a birth must leave: the child's steps, its program's start, and its own `enter`.
    BIRTH {
        SYS_setsid, "the child is nobody's job";
        SYS_umask, "files for the owner only";
        SYS_chroot, "the child's root";
        SYS_fchdir, "the child's root";
        SYS_capget, "the child's capabilities";
        SYS_capset, "the child's capabilities";
        SYS_prctl if is(0, PR_CAP_AMBIENT) and is(1, PR_CAP_AMBIENT_CLEAR_ALL), "the child's capabilities";
        SYS_prctl if is(0, PR_CAP_AMBIENT) and is(1, PR_CAP_AMBIENT_IS_SET), "proof of the capabilities";
        SYS_prctl if is(0, PR_CAPBSET_DROP), "the child's capabilities";
        SYS_prctl if is(0, PR_CAPBSET_READ), "proof of the capabilities";
        SYS_prctl if is(0, PR_SET_KEEPCAPS), "the child's ids before its capabilities";
        SYS_prctl if is(0, PR_SET_NO_NEW_PRIVS), "the child gains nothing by its program";
        SYS_prctl if is(0, PR_GET_NO_NEW_PRIVS), "proof of it";
        SYS_prctl if is(0, PR_SET_DUMPABLE) and is(1, 0), "nobody looks into it";
        SYS_prctl if is(0, PR_GET_DUMPABLE), "proof of it";
        SYS_prlimit64 if is(0, 0), "the child's limits, by itself";
        SYS_dup3, "the child's descriptors";
        SYS_fcntl if is(1, F_DUPFD_CLOEXEC), "the child's descriptors";
        SYS_close_range, "the child's descriptors";
        SYS_execveat if is(4, AT_EMPTY_PATH), "the child's program, by descriptor";
        SYS_write, "which step failed";
        SYS_read, "which step failed";
        SYS_pipe2, "which step failed";
        SYS_arch_prctl, "a program's start: thread-local storage";
        SYS_set_tid_address, "a program's start";
        SYS_set_robust_list, "a program's start";
        SYS_rseq, "a program's start";
        SYS_mprotect if lacks(2, PROT_EXEC), "a program's start: what is only read from now on";
        SYS_rt_sigaction if is(0, SIGBUS), "a program's start: faults";
        SYS_rt_sigaction if is(0, SIGPIPE), "a program's start: ends of connections are no faults";
        SYS_readlink, "a program's start: /proc/self/exe, which isn't there";
        SYS_newfstatat if is(3, AT_EMPTY_PATH), "a program's start: by descriptor";
        SYS_newfstatat if is(3, AT_SYMLINK_NOFOLLOW), "proof of the root: what the child sees as it";
        SYS_poll, "a program's start: are descriptors 0 to 2 open";
        SYS_openat, "the root, to name it to Landlock; a trial that Landlock refuses";
        SYS_fstat, "whose the root is";
        SYS_mknodat if is(2, S_IFIFO), "a trial that Landlock refuses";
        SYS_getresuid, "proof of the ids";
        SYS_getresgid, "proof of the ids";
        SYS_getgroups, "proof of the ids";
        SYS_unshare if is(0, CLONE_THREAD), "proof that there is one thread";
        SYS_landlock_create_ruleset, "Landlock";
        SYS_landlock_add_rule, "Landlock";
        SYS_landlock_restrict_self, "Landlock";
        SYS_seccomp if is(0, SECCOMP_SET_MODE_FILTER) and is(1, SECCOMP_FILTER_FLAG_TSYNC), "the child's own filter";
    }

    /// A parent's care for its children.
    PARENT {
        SYS_clone if is(0, CLONE_PIDFD | SIGCHLD), "a child, never a shared memory";
        SYS_waitid, "a child's end";
        SYS_pidfd_send_signal if is(1, SIGKILL), "a child's end";
    }

    /// What a child of the supervisor takes besides: ids and namespaces, as root.
    PROCESS {
        SYS_setresuid, "a process's uid";
        SYS_setresgid, "a process's gid";
        SYS_setgroups if is(0, 0), "a process has no groups";
        SYS_unshare if lacks(0, !(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)), "a process's namespaces";
        SYS_prctl if is(0, PR_SET_DUMPABLE) and is(1, 1), "a child whose maps its parent writes";
        SYS_prctl if is(0, PR_SET_PDEATHSIG) and is(1, SIGKILL), "a child that dies with its parent";
        SYS_prctl if is(0, PR_CAP_AMBIENT) and is(1, PR_CAP_AMBIENT_RAISE), "the broker's capabilities";
        SYS_getppid, "whether the parent still lives";
        SYS_getdents64, "whether an empty root is empty";
        SYS_newfstatat if is(3, 0), "proof of the namespaces: that they are not the parent's";
        SYS_prctl if is(0, PR_SET_CHILD_SUBREAPER), "a dead broker's workers";
    }

    /// Taking the ids of an account.
    ACCOUNT_IDS {
        SYS_setresuid if account(0) and account(1) and account(2), "a worker's uid";
        SYS_setresgid if account(0) and account(1) and account(2), "a worker's gid";
        SYS_setgroups if is(0, 0), "a worker has no groups";
    }
}

//! System calls that no safe crate offers, each with the reason why calling it
//! is sound. Every function here is async-signal-safe: it may be called between
//! fork and execveat.

use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{CStr, c_char, c_int, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// landlock_create_ruleset(2): "return the highest supported ABI version".
const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;

/// Descriptors that the kernel is asked about in one call: a call costs more than the
/// numbers in it. It answers EINVAL for more than the caller's limit.
const ASKED_AT_ONCE: RawFd = 1024;

/// The answer of a system call: -1 and errno, or a number.
fn answer(result: c_long) -> Result<c_long, Errno> {
    if result >= 0 {
        return Ok(result);
    }
    // SAFETY: errno's address is valid for the life of the thread.
    Err(Errno::from_raw_os_error(unsafe {
        *libc::__errno_location()
    }))
}

/// Which side of a fork this is.
pub enum Forked {
    /// The child.
    Child,
    /// The parent, with the child's number and a descriptor of it.
    Parent(Pid, OwnedFd),
}

/// Forks, with a pidfd (clone(2), `CLONE_PIDFD`), so that the child is never
/// known by its number alone.
///
/// # Safety
/// The child has a copy of one thread only: until it executes a program or
/// exits (by [`exit`]) it must call nothing but async-signal-safe functions, and
/// must not return from the caller's frame.
pub unsafe fn fork() -> Result<Forked, Errno> {
    let mut pidfd: c_int = -1;
    let flags = c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child runs on a copy of this stack (a null
    // stack says so); the kernel writes the pidfd to a valid c_int. The rest is
    // the caller's promise.
    let pid = answer(unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) })?;
    match i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // SAFETY: the kernel has just made this descriptor for us alone.
        Some(pid) => Ok(Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
        None => Ok(Forked::Child),
    }
}

/// Ends the process at once, without running anything of its own.
pub fn exit(status: c_int) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(status) }
}

/// A program's arguments as execveat(2) wants them, made before the fork
/// because it allocates.
pub struct Arguments<'a> {
    pointers: Vec<*const c_char>,
    strings: std::marker::PhantomData<&'a CStr>,
}

impl<'a> Arguments<'a> {
    /// These arguments, the program's name first.
    pub fn new(strings: impl Iterator<Item = &'a CStr>) -> Self {
        let pointers = strings
            .map(CStr::as_ptr)
            .chain([std::ptr::null()])
            .collect();
        Self {
            pointers,
            strings: std::marker::PhantomData,
        }
    }
}

/// Executes the program that a descriptor refers to, with an empty environment.
/// Returns only if that fails.
pub fn execute(program: BorrowedFd<'_>, arguments: &Arguments<'_>) -> Errno {
    let environment = [std::ptr::null::<c_char>()];
    let no_path: *const c_char = c"".as_ptr();
    // SAFETY: both arrays end with a null pointer, and what they point to lives
    // as long as `arguments`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            no_path,
            arguments.pointers.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    answer(result).err().unwrap_or(Errno::IO)
}

/// Makes `from` number `to`, which stays open across execveat.
pub fn place(from: BorrowedFd<'_>, to: RawFd) -> Result<(), Errno> {
    // SAFETY: dup3 touches no memory. Whoever held `to` is not asked: the
    // callers are children between fork and execveat, where no owner is dropped.
    answer(unsafe { libc::syscall(libc::SYS_dup3, from.as_raw_fd(), to, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed by execveat.
pub fn close_on_exec_from(first: RawFd) -> Result<(), Errno> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from `first` on.
///
/// # Safety
/// Nothing in the process may still own one of them.
pub unsafe fn close_from(first: RawFd) -> Result<(), Errno> {
    close_range(first, 0)
}

fn close_range(first: RawFd, flags: u32) -> Result<(), Errno> {
    // SAFETY: touches no memory; who owns the descriptors is the callers' affair.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Lets every signal through, whatever the parent had blocked.
pub fn unblock_signals() -> Result<(), Errno> {
    let (none, mut blocked): (u64, u64) = (0, u64::MAX);
    for found in [std::ptr::null_mut(), &raw mut blocked] {
        // SAFETY: reads 8 bytes, the size of the kernel's set, and writes as many to a
        // place of that size, or none.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const none,
                found,
                size_of::<u64>(),
            )
        };
        answer(result)?;
    }
    if blocked == 0 {
        Ok(())
    } else {
        Err(Errno::CANCELED)
    }
}

/// Sets the mask of modes; what it was before. A filter can refuse it, though umask(2)
/// says that it never fails.
pub fn umask(mask: u32) -> Result<u32, Errno> {
    // SAFETY: touches no memory.
    answer(unsafe { libc::syscall(libc::SYS_umask, mask) }).map(number)
}

/// Starts a session; its number.
pub fn start_session() -> Result<u32, Errno> {
    // SAFETY: touches no memory.
    answer(unsafe { libc::syscall(libc::SYS_setsid) }).map(number)
}

/// The caller's process number.
pub fn own_number() -> u32 {
    rustix::process::getpid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

fn number(result: c_long) -> u32 {
    u32::try_from(result).unwrap_or(0)
}

/// A limit of the caller's, soft and hard, as it was before; and sets it to what is
/// given, if anything is. C libraries differ in the type of `RLIMIT_...`.
pub fn limit(resource: impl Into<c_long>, new: Option<[u64; 2]>) -> Result<[u64; 2], Errno> {
    let resource: c_long = resource.into();
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = [0_u64; 2];
    // SAFETY: prlimit64 reads two words, if it is not given a null pointer, and writes
    // two.
    let result = unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, new, &raw mut old) };
    answer(result).map(|_| old)
}

/// What lies at this number.
pub fn status_of(descriptor: RawFd) -> Result<rustix::fs::Stat, Errno> {
    // SAFETY: borrowed for one call, which answers EBADF if it isn't open.
    rustix::fs::fstat(unsafe { BorrowedFd::borrow_raw(descriptor) })
}

/// Whether a descriptor is open whose number is at least `first` and below `end`
/// (ppoll(2): one that isn't is `POLLNVAL`).
pub fn is_any_open(first: RawFd, end: RawFd) -> Result<bool, Errno> {
    let mut from = first;
    while from < end {
        let to = end.min(from.saturating_add(ASKED_AT_ONCE.min(end)));
        let mut asked: Vec<libc::pollfd> = (from..to).map(unasked).collect();
        poll_at_once(&mut asked)?;
        if asked.iter().any(|one| one.revents & libc::POLLNVAL == 0) {
            return Ok(true);
        }
        from = to;
    }
    Ok(false)
}

fn unasked(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    }
}

fn poll_at_once(asked: &mut [libc::pollfd]) -> Result<(), Errno> {
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let no_mask: *const u64 = std::ptr::null();
    // SAFETY: the kernel writes into as many places as it is told that there are, and
    // reads a timespec that outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ppoll,
            asked.as_mut_ptr(),
            asked.len(),
            &raw const at_once,
            no_mask,
            size_of::<u64>(),
        )
    };
    answer(result).map(drop)
}

/// Moves the caller into namespaces of its own (unshare(2)).
pub fn unshare(flags: c_int) -> Result<(), Errno> {
    // SAFETY: touches no memory; no caller passes CLONE_FILES or CLONE_VM.
    answer(unsafe { libc::syscall(libc::SYS_unshare, flags) }).map(drop)
}

/// Whether the caller is the only thread of its process: unshare(2) refuses
/// `CLONE_THREAD` if there is another, and does nothing if there is none.
pub fn is_single_threaded() -> bool {
    unshare(libc::CLONE_THREAD).is_ok()
}

/// Whether an attempt at these namespaces, in a child that then ends, succeeds.
pub fn can_unshare(flags: c_int) -> bool {
    can(|| unshare(flags))
}

/// Whether something succeeds in a child that then ends. `attempt` must be
/// async-signal-safe.
pub fn can(attempt: impl FnOnce() -> Result<(), Errno>) -> bool {
    // SAFETY: the child makes the attempt, which is safe by the callers' word, and exits.
    match unsafe { fork() } {
        Ok(Forked::Child) => exit(c_int::from(attempt().is_err())),
        Ok(Forked::Parent(_, child)) => {
            crate::birth::reap(&child).is_ok_and(|end| end == crate::Ended::Exited(0))
        }
        Err(_) => false,
    }
}

/// The version of Landlock's interface in this kernel; 0 if there is none.
pub fn landlock_abi() -> i32 {
    let none: *const libc::c_void = std::ptr::null();
    // SAFETY: with a null attribute of size 0 and this flag the kernel only
    // returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            none,
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Real, effective and saved uids, then gids.
pub fn ids() -> Result<([u32; 3], [u32; 3]), Errno> {
    let ([mut r, mut e, mut s], [mut rg, mut eg, mut sg]) = ([0; 3], [0; 3]);
    // SAFETY: six valid places for what the kernel writes.
    answer(unsafe { libc::syscall(libc::SYS_getresuid, &raw mut r, &raw mut e, &raw mut s) })?;
    // SAFETY: as above.
    answer(unsafe { libc::syscall(libc::SYS_getresgid, &raw mut rg, &raw mut eg, &raw mut sg) })?;
    Ok(([r, e, s], [rg, eg, sg]))
}

/// Calls clone3 with no arguments of this impossible size: EINVAL is the kernel's own
/// answer, anything else a filter's.
pub fn clone3_of_size(size: u32) -> Errno {
    let none: *const libc::c_void = std::ptr::null();
    // SAFETY: with a size below the smallest the kernel reads nothing and makes no
    // process (clone(2)).
    answer(unsafe { libc::syscall(libc::SYS_clone3, none, libc::c_ulong::from(size)) })
        .err()
        .unwrap_or(Errno::IO)
}

/// One instruction of a filter (`struct sock_filter`), as it lies in memory.
pub type Instruction = [u8; 8];

/// Instructions in one filter (BPF_MAXINSNS).
const INSTRUCTIONS_MAX: usize = 4096;

/// `PTRACE_SECCOMP_GET_FILTER`, which libc lacks.
const PTRACE_SECCOMP_GET_FILTER: c_long = 0x420c;

/// A thread that this process traces (ptrace(2)), seized and told to stop.
/// Invariant: only the thread that made it uses it, for tracing is by thread.
pub struct Tracee {
    thread: Pid,
    only_here: std::marker::PhantomData<*const ()>,
}

impl Tracee {
    /// Seizes a thread and tells it to stop; it may go on for a moment.
    pub fn seize(thread: i32) -> Result<Self, Errno> {
        let thread = Pid::from_raw(thread).ok_or(Errno::SRCH)?;
        ptrace(libc::PTRACE_SEIZE, thread, 0, std::ptr::null_mut())?;
        let tracee = Self {
            thread,
            only_here: std::marker::PhantomData,
        };
        ptrace(libc::PTRACE_INTERRUPT, thread, 0, std::ptr::null_mut())?;
        Ok(tracee)
    }

    /// Whether it stands because it was told to. Must be asked until it does. A signal
    /// that stops it before is passed on, as if nobody traced.
    pub fn has_stopped(&self) -> Result<bool, Errno> {
        let mut status: c_int = 0;
        let thread = self.thread.as_raw_nonzero().get();
        let flags = libc::WNOHANG | libc::__WALL;
        // SAFETY: the kernel writes to a valid c_int.
        let waited = unsafe { libc::waitpid(thread, &raw mut status, flags) };
        match answer(waited.into())? {
            0 => Ok(false),
            _ if status >> 16 == libc::PTRACE_EVENT_STOP => Ok(true),
            _ if libc::WIFSTOPPED(status) => self.pass_on(libc::WSTOPSIG(status)),
            _ => Err(Errno::SRCH),
        }
    }

    /// Lets it go on with the signal that was on its way to it; the stop that was
    /// asked for is still to come.
    fn pass_on(&self, signal: c_int) -> Result<bool, Errno> {
        self.go_on(signal)?;
        // A stop for a signal may have taken the place of the one that was asked for.
        ptrace(libc::PTRACE_INTERRUPT, self.thread, 0, std::ptr::null_mut()).map(|_| false)
    }

    /// Lets one that stands go on, with a signal or none (0), and traces it further.
    pub fn go_on(&self, signal: c_int) -> Result<(), Errno> {
        let signal = usize::try_from(signal).map_err(|_| Errno::INVAL)?;
        let signal = std::ptr::without_provenance_mut(signal);
        ptrace(libc::PTRACE_CONT, self.thread, 0, signal).map(drop)
    }

    /// A filter of a thread that stands, the oldest at 0; `None` beyond the newest.
    pub fn filter(&self, index: usize) -> Result<Option<Vec<Instruction>>, Errno> {
        let mut program = vec![Instruction::default(); INSTRUCTIONS_MAX];
        match ptrace(
            PTRACE_SECCOMP_GET_FILTER,
            self.thread,
            index,
            program.as_mut_ptr().cast(),
        ) {
            Ok(length) => {
                program.truncate(usize::try_from(length).unwrap_or(0));
                Ok(Some(program))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Lets a traced thread go on. It must stand, or be gone: one that still runs would
/// stand at its coming stop until the tracer ends.
pub fn detach(tracee: &Tracee) {
    let nothing = std::ptr::null_mut();
    let _gone = ptrace(libc::PTRACE_DETACH, tracee.thread, 0, nothing);
}

/// The requests of [`Tracee`] alone, of a type that differs between C libraries: of those
/// the kernel writes for one, at most [`INSTRUCTIONS_MAX`] instructions, to `data`.
fn ptrace(
    request: impl Into<c_long>,
    thread: Pid,
    address: usize,
    data: *mut libc::c_void,
) -> Result<c_long, Errno> {
    let request: c_long = request.into();
    let thread = thread.as_raw_nonzero().get();
    // SAFETY: `data` is null, the number of a signal, which the kernel doesn't follow,
    // or room for as many instructions as a filter can have.
    answer(unsafe { libc::syscall(libc::SYS_ptrace, request, thread, address, data) })
}

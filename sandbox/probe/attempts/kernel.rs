//! The machine and its kernel: wide interfaces where holes are found, and the rights of
//! an administrator.
//!
//! Arguments are such that nothing happens to the machine where an attempt is let
//! through.

use super::Table;
use super::call::{CWD, LOG, PAIR, at, call, place, scratch, seen, words};
use super::processes::software_clock;
use libc::{SIGEV_NONE, TIOCSTI};
use rustix::io::Errno;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    // Wide interfaces.
    ("io_uring", || call(libc::SYS_io_uring_setup, [8, scratch()])),
    ("io_uring, without a ring", || call(libc::SYS_io_uring_enter, [u64::MAX, 1, 0, 0, 0, 0])),
    ("io_uring, to register", || call(libc::SYS_io_uring_register, [u64::MAX, 18, 0, 0])),
    ("asynchronous input", || call(libc::SYS_io_setup, [1, scratch()])),
    ("bpf", || call(libc::SYS_bpf, [0, words(&[2 | 4 << 32, 4 | 1 << 32, 0, 0, 0, 0, 0, 0, 0]), 72])),
    ("perf_event_open", || call(libc::SYS_perf_event_open, [place(&software_clock()), 0, u64::MAX, u64::MAX, 0])),
    ("add_key", || call(libc::SYS_add_key, [at(c"user"), at(c"mailkeep-probe"), at(c"x"), 1, (-2i64) as u64])),
    ("request_key", || call(libc::SYS_request_key, [at(c"user"), at(c"mailkeep-none"), 0, 0])),
    ("keyctl", || call(libc::SYS_keyctl, [0, (-3i64) as u64, 1, 0, 0])),
    ("i386 getpid", i386_getpid),
    ("x32 getpid", || call(0x4000_0000 + libc::SYS_getpid, [])),
    ("no such call", || call(100_000, [])),
    ("a timer", || call(libc::SYS_timer_create, [0, words(&[0, (SIGEV_NONE as u64) << 32, 0, 0, 0, 0, 0, 0]), scratch()])),
    ("a timer's descriptor", || call(libc::SYS_timerfd_create, [0, 0])),
    ("an alarm", || call(libc::SYS_setitimer, [0, 0, 0])),
    ("signals as a file", || call(libc::SYS_signalfd4, [u64::MAX, scratch(), 8, 0])),
    ("events as a file", || call(libc::SYS_eventfd2, [0, 0])),
    ("a semaphore of events", || call(libc::SYS_eventfd2, [0, 1])),
    ("another wait (epoll_pwait2)", || call(libc::SYS_epoll_pwait2, [u64::MAX, scratch(), 1, 0, 0, 0])),
    ("a pipe", || call(libc::SYS_pipe2, [scratch(), 0])),
    ("a large pipe (F_SETPIPE_SZ)", large_pipe),
    ("who else uses processor and memory (getrusage)", || call(libc::SYS_getrusage, [0, scratch()])),
    ("what the machine is (uname)", || call(libc::SYS_uname, [scratch()])),
    ("what the machine has (sysinfo)", || call(libc::SYS_sysinfo, [scratch()])),
    ("on which processor (getcpu)", || call(libc::SYS_getcpu, [scratch(), 0, 0])),
    ("TIOCSTI", || call(libc::SYS_ioctl, [LOG, TIOCSTI, place(b"x")])),
    ("TIOCLINUX", || call(libc::SYS_ioctl, [LOG, libc::TIOCLINUX, place(&[2])])),
    ("how many bytes wait (FIONREAD)", || call(libc::SYS_ioctl, [PAIR, libc::FIONREAD, scratch()])),
    // Mounts.
    ("mount", || call(libc::SYS_mount, [at(c"none"), at(c"mount"), at(c"tmpfs"), 0, 0])),
    ("mount what is there again (bind)", || call(libc::SYS_mount, [at(c"."), at(c"mount"), 0, libc::MS_BIND, 0])),
    ("unmount", || call(libc::SYS_umount2, [at(c"mount"), 0])),
    ("pivot_root", || call(libc::SYS_pivot_root, [at(c"mount"), at(c"mount")])),
    ("open_tree", || call(libc::SYS_open_tree, [CWD, at(c"."), 1])),
    ("move_mount", || call(libc::SYS_move_mount, [CWD, at(c"mount"), CWD, at(c"."), 0])),
    ("fsopen", || call(libc::SYS_fsopen, [at(c"tmpfs"), 0])),
    ("fspick", || call(libc::SYS_fspick, [CWD, at(c"/"), 0])),
    ("mount_setattr", || call(libc::SYS_mount_setattr, [CWD, at(c"."), 0, scratch(), 32])),
    ("what is mounted (listmount)", || call(458, [words(&[24, u64::MAX, 0]), scratch(), 8, 0])),
    // An administrator's.
    ("reboot", || call(libc::SYS_reboot, [0, 0, 0, 0])),
    ("swapon", || call(libc::SYS_swapon, [at(c"."), 0])),
    ("swapoff", || call(libc::SYS_swapoff, [at(c".")])),
    ("init_module", || call(libc::SYS_init_module, [scratch(), 0, at(c"")])),
    ("finit_module", || call(libc::SYS_finit_module, [LOG, at(c""), 1 << 20])),
    ("delete_module", || call(libc::SYS_delete_module, [at(c"mailkeep-none"), libc::O_NONBLOCK as u64])),
    ("another kernel (kexec)", || call(libc::SYS_kexec_load, [0, 17, 0, 0])),
    ("set the clock", || call(libc::SYS_settimeofday, [0, 0])),
    ("set the clock's pace", || call(libc::SYS_adjtimex, [words(&[0x8001])])),
    ("the machine's name", || call(libc::SYS_sethostname, [at(c"mailkeep-probe"), 14])),
    ("the machine's domain", || call(libc::SYS_setdomainname, [at(c"mailkeep-probe"), 14])),
    ("the kernel's log", || call(libc::SYS_syslog, [8, 0, 0])),
    ("account for processes", || call(libc::SYS_acct, [at(c"none")])),
    ("quotas", || call(libc::SYS_quotactl, [0x80_0007 << 8, at(c"none"), 0, scratch()])),
    ("ports of the machine (iopl)", || call(libc::SYS_iopl, [3])),
    ("ports of the machine (ioperm)", || call(libc::SYS_ioperm, [0x80, 1, 1])),
];

fn large_pipe() -> Result<i64, Errno> {
    let ends = scratch();
    call(libc::SYS_pipe2, [ends, 0])?;
    call(
        libc::SYS_fcntl,
        [seen(ends), libc::F_SETPIPE_SZ as u64, 1 << 20],
    )
}

/// getpid by the i386 ABI, which counts calls otherwise.
#[cfg(target_arch = "x86_64")]
fn i386_getpid() -> Result<i64, Errno> {
    let answer: i64;
    // SAFETY: getpid (20 there) touches no memory; r8 to r11 may be lost.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20i64 => answer,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    Ok(answer)
}

#[cfg(not(target_arch = "x86_64"))]
fn i386_getpid() -> Result<i64, Errno> {
    Err(Errno::NOSYS)
}

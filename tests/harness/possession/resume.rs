//! How a thread goes on that stood in a system call.
//!
//! The kernel rewinds a call that a stop has interrupted only on some of the ways out of
//! a stop, and epoll's waits never: those end with EINTR (signal(7)). Here each begins
//! again. One that waits with a timeout of its own (nanosleep) knows what is left of it;
//! an epoll wait begins its timeout anew.

use nix::libc::{self, user_regs_struct};

/// Bytes of a `syscall` instruction.
const INSTRUCTION: u64 = 2;

/// "Begin again" (ERESTARTSYS, ERESTARTNOINTR and ERESTARTNOHAND of the kernel, which
/// differ in what a handler of the process's own would change).
const AGAIN: [i64; 3] = [512, 513, 514];

/// "Go on with what is left" (ERESTART_RESTARTBLOCK), by restart_syscall(2).
const REMAINDER: i64 = 516;

/// Waits that a stop ends with EINTR.
const EPOLL: [i64; 3] = [
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
];

/// The registers with which a thread goes on as if it had not stood.
pub fn resumed(stood: user_regs_struct) -> user_regs_struct {
    let call = match again(&stood) {
        Some(call) => call,
        None => return stood,
    };
    user_regs_struct {
        rax: call,
        orig_rax: u64::MAX,
        rip: stood.rip.wrapping_sub(INSTRUCTION),
        ..stood
    }
}

/// The call that begins again, if one was interrupted.
fn again(stood: &user_regs_struct) -> Option<u64> {
    let call = stood.orig_rax.cast_signed();
    let errno = stood.rax.cast_signed().checked_neg()?;
    match errno {
        _ if call < 0 => None,
        _ if AGAIN.contains(&errno) => Some(stood.orig_rax),
        REMAINDER => Some(libc::SYS_restart_syscall.cast_unsigned()),
        _ if errno == i64::from(libc::EINTR) && EPOLL.contains(&call) => Some(stood.orig_rax),
        _ => None,
    }
}

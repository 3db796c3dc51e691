//! One thread of another process, traced with ptrace(2).
//!
//! The kernel lets only the thread that has seized it command it, so a [`Traced`]
//! stays where it was made. Invariants: it is commanded only while it stands; who
//! is gone is said to be gone, and never waited for again.

use nix::errno::Errno;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::marker::PhantomData;

/// A traced thread, or a process that has one.
#[derive(Debug)]
pub struct Traced {
    number: Pid,
    _stays: PhantomData<*const ()>,
}

/// Why a traced thread stands, or that it doesn't live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was asked to, or has just been born.
    Asked,
    /// It is bearing this child or thread, which is traced, too.
    Bears(u32),
    /// It executes a program.
    Executes,
    /// It enters or leaves a system call.
    Call,
    /// It is about to get this signal.
    Signal(Signal),
    /// It is about to end, and its memory is still there.
    Ends,
    /// It has ended: by this signal, or by itself.
    Ended(Option<Signal>),
}

impl Traced {
    /// Begins to trace a living thread, which goes on meanwhile.
    ///
    /// # Errors
    /// As ptrace(2): ESRCH if there is none, EPERM if one may not.
    pub fn seize(number: u32, options: Options) -> Result<Self, Errno> {
        let traced = Self::known(number);
        ptrace::seize(traced.number, options).map(|()| traced)
    }

    /// One that is traced already, because who bore it is.
    ///
    /// # Panics
    /// Never: the kernel has no such numbers.
    #[must_use]
    pub fn known(number: u32) -> Self {
        Self {
            number: Pid::from_raw(i32::try_from(number).expect("a pid")),
            _stays: PhantomData,
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number.as_raw().unsigned_abs()
    }

    /// Waits until it stands.
    ///
    /// # Panics
    /// If it isn't traced, or stands for a reason that nobody asked for.
    #[must_use]
    pub fn wait(&self) -> Stop {
        reason(wait(self.number))
    }

    /// Waits until it or another thread of its process group stands or has ended; which,
    /// and why. A main thread that is killed ends only after all others, so who traces
    /// several must wait for any.
    ///
    /// # Panics
    /// If none is traced.
    #[must_use]
    pub fn wait_for_any(&self) -> (u32, Stop) {
        let status = wait(Pid::from_raw(-self.number.as_raw()));
        let number = status.pid().expect("the kernel says whose");
        (number.as_raw().unsigned_abs(), reason(status))
    }

    /// Makes it stand, wherever it is: between two instructions of its own, or in a
    /// system call that it will begin again. What it meets before it stands (a
    /// signal, a birth) happens.
    ///
    /// # Errors
    /// ESRCH: it has ended.
    pub fn stand(&self) -> Result<(), Errno> {
        ptrace::interrupt(self.number)?;
        loop {
            match self.wait() {
                Stop::Asked => return Ok(()),
                Stop::Signal(signal) => ptrace::cont(self.number, signal)?,
                Stop::Bears(child) => {
                    let child = Self::known(child);
                    let _it_was_born_standing = child.wait();
                    child.let_go(None)?;
                    ptrace::cont(self.number, None)?;
                }
                Stop::Ended(_) => return Err(Errno::ESRCH),
                Stop::Executes | Stop::Call | Stop::Ends => ptrace::cont(self.number, None)?,
            }
        }
    }

    /// Lets it go on until its next stop, with a signal.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn go_on(&self, signal: Option<Signal>) -> Result<(), Errno> {
        ptrace::cont(self.number, signal)
    }

    /// Lets it go on until it enters or leaves a system call.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn go_on_to_a_call(&self, signal: Option<Signal>) -> Result<(), Errno> {
        ptrace::syscall(self.number, signal)
    }

    /// Lets it execute one instruction; it stands behind it with SIGTRAP.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn step(&self) -> Result<(), Errno> {
        ptrace::step(self.number, None)
    }

    /// Its registers.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn registers(&self) -> Result<user_regs_struct, Errno> {
        ptrace::getregs(self.number)
    }

    /// Gives it others.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn set_registers(&self, registers: user_regs_struct) -> Result<(), Errno> {
        ptrace::setregs(self.number, registers)
    }

    /// Traces it no more, and gives it a signal on its way.
    ///
    /// # Errors
    /// ESRCH: it has been killed.
    pub fn let_go(self, signal: Option<Signal>) -> Result<(), Errno> {
        ptrace::detach(self.number, signal)
    }
}

fn wait(whom: Pid) -> WaitStatus {
    loop {
        match waitpid(whom, Some(WaitPidFlag::__WALL)) {
            Ok(status) => return status,
            Err(Errno::EINTR) => {}
            Err(errno) => panic!("waiting for the traced {whom}: {errno}"),
        }
    }
}

fn reason(status: WaitStatus) -> Stop {
    match status {
        WaitStatus::PtraceEvent(who, _, event) => met(who, event),
        WaitStatus::PtraceSyscall(_) => Stop::Call,
        WaitStatus::Stopped(_, signal) => Stop::Signal(signal),
        WaitStatus::Exited(..) => Stop::Ended(None),
        WaitStatus::Signaled(_, signal, _) => Stop::Ended(Some(signal)),
        other => panic!("nobody asked for {other:?}"),
    }
}

fn met(who: Pid, event: i32) -> Stop {
    match event {
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            let child = ptrace::getevent(who).expect("it stands");
            Stop::Bears(u32::try_from(child).expect("a pid"))
        }
        libc::PTRACE_EVENT_EXEC => Stop::Executes,
        libc::PTRACE_EVENT_EXIT => Stop::Ends,
        libc::PTRACE_EVENT_STOP => Stop::Asked,
        other => panic!("nobody asked for event {other}"),
    }
}

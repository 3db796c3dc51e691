//! Somebody else's code inside a living process, by ptrace(2).
//!
//! A [`Possessed`] process stands still, all threads of it, and its main thread makes
//! the system calls that a test wants it to make: with its ids, its root, its
//! descriptors, its memory and under its filters. So what it may do is found by doing
//! it, in the real process. When it is let go it is as if nothing had been: its
//! registers are what they were, what was put into its memory lay in a mapping of its
//! own that is gone, and a call that it was waiting in begins again.
//!
//! What remains: a descriptor that was opened and not closed, whatever a call has done
//! to the world, and time. A deadline inside the process goes on while it stands.
//!
//! One that is killed by somebody else meanwhile is not gone before it is let go: its
//! parent can't reap it, for the test does.
//!
//! Works on whoever the test may trace: as root on every process of a set, dumpable or
//! not, in its own namespaces, filtered. A child that comes of a call is killed before
//! its first instruction.

mod arena;
mod datagram;
mod resume;
mod text;
mod thread;
mod vigil;
mod wires;

pub use datagram::Datagram;
pub use thread::{Stop, Traced};
pub use wires::{cookie, peers, sockets, wires};

use crate::proc;
use arena::Arena;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::Options;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use vigil::Vigil;

/// The main thread is followed into its own end, which else couldn't be waited for while
/// its other threads are traced; and whom it bears is caught.
const MAIN: Options = Options::PTRACE_O_TRACEEXIT
    .union(Options::PTRACE_O_TRACEFORK)
    .union(Options::PTRACE_O_TRACEVFORK)
    .union(Options::PTRACE_O_TRACECLONE);

/// The largest errno that a system call answers, negative (MAX_ERRNO of the kernel).
const ERRNO_MAX: i64 = 4095;

/// From here on an errno means "begin again", and shows only to who traces.
const RESTARTING: i64 = 512;

/// What has become of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and answered this.
    Returned(u64),
    /// It was refused.
    Failed(Errno),
    /// The process's filter has killed it (SIGSYS): it was there, and is no more.
    Killed,
    /// Somebody else has ended it meanwhile, perhaps for what the call did: whether it was
    /// done nobody can say.
    Ended,
}

/// A process that does what a test wants.
#[derive(Debug)]
pub struct Possessed {
    pid: u32,
    /// The main thread is the first. None once it has ended.
    threads: Vec<Traced>,
    kept: user_regs_struct,
    memory: File,
    /// Where there is a `syscall` instruction.
    call: u64,
    arena: Option<Arena>,
    /// A signal that came meanwhile: for when it is let go.
    owed: Option<Signal>,
    _vigil: Vigil,
}

impl Possessed {
    /// Takes a process over: all its threads stand when this returns.
    ///
    /// # Panics
    /// If it doesn't live, may not be traced, or doesn't lead a process group (those of a
    /// set do).
    #[must_use]
    pub fn seize(pid: u32) -> Self {
        let number = Some(Pid::from_raw(i32::try_from(pid).expect("a pid")));
        assert_eq!(
            nix::unistd::getpgid(number).ok(),
            number,
            "{pid} leads no group"
        );
        let vigil = Vigil::keep(pid);
        let threads = stand_all(pid);
        let memory = format!("/proc/{pid}/mem");
        let memory = File::options().read(true).write(true).open(memory);
        let memory = memory.expect("who may trace may see its memory");
        let main = threads.first().expect("it lives");
        Self {
            pid,
            kept: main.registers().expect("it stands"),
            call: text::call(pid, &memory),
            threads,
            memory,
            arena: None,
            owed: None,
            _vigil: vigil,
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Makes a system call (`nix::libc::SYS_…`) in its main thread, and gives what the
    /// kernel answers. A call that waits keeps the test waiting.
    ///
    /// # Panics
    /// If there are more arguments than any call has.
    pub fn call(&mut self, number: i64, arguments: &[u64]) -> Outcome {
        let mut registers = self.kept;
        registers.rip = self.call;
        registers.rax = number.cast_unsigned();
        // Outside of any call: nothing is to begin again.
        registers.orig_rax = u64::MAX;
        let places = [
            &mut registers.rdi,
            &mut registers.rsi,
            &mut registers.rdx,
            &mut registers.r10,
            &mut registers.r8,
            &mut registers.r9,
        ];
        assert!(arguments.len() <= places.len(), "too many arguments");
        let filled = arguments.iter().chain(std::iter::repeat(&0));
        places
            .into_iter()
            .zip(filled)
            .for_each(|(to, from)| *to = *from);
        match self
            .threads
            .first()
            .map(|main| main.set_registers(registers))
        {
            Some(Ok(())) => self.step(),
            Some(Err(_)) => self.bury(),
            None => Outcome::Ended,
        }
    }

    /// Over one instruction, a call.
    fn step(&mut self) -> Outcome {
        while self.main().step().is_ok() {
            match self.wait() {
                Stop::Signal(Signal::SIGTRAP) => return self.answer(),
                Stop::Signal(other) => self.owed = Some(other),
                Stop::Bears(child) => end(&Traced::known(child)),
                Stop::Ended(how) => return ended(how),
                Stop::Ends => break,
                Stop::Asked | Stop::Executes | Stop::Call => {}
            }
        }
        self.bury()
    }

    /// Waits for the main thread. The others only end, and only with it.
    fn wait(&mut self) -> Stop {
        loop {
            let (number, stop) = self.main().wait_for_any();
            let is_end = matches!(stop, Stop::Ended(_));
            if number == self.pid {
                if is_end {
                    self.threads.clear();
                }
                return stop;
            }
            if is_end {
                self.threads.retain(|thread| thread.number() != number);
            }
        }
    }

    /// It is about to end, or has been killed: waits until it has, and says whether it
    /// was its filter.
    fn bury(&mut self) -> Outcome {
        loop {
            for thread in &self.threads {
                let _its_end_goes_on = thread.go_on(None);
            }
            if let Stop::Ended(how) = self.wait() {
                return ended(how);
            }
        }
    }

    fn answer(&mut self) -> Outcome {
        let Ok(registers) = self.main().registers() else {
            return self.bury();
        };
        match registers.rax.cast_signed().checked_neg() {
            Some(errno @ 1..=ERRNO_MAX) if errno >= RESTARTING => Outcome::Failed(Errno::INTR),
            Some(errno @ 1..=ERRNO_MAX) => {
                let errno = i32::try_from(errno).expect("in range");
                Outcome::Failed(Errno::from_raw_os_error(errno))
            }
            _ => Outcome::Returned(registers.rax),
        }
    }

    /// Puts bytes into memory of its own, a mapping that it hadn't before, and gives
    /// their address, a multiple of 16.
    ///
    /// # Panics
    /// If it may not have memory, has ended, or [`arena::BYTES`] are full.
    pub fn place(&mut self, bytes: &[u8]) -> u64 {
        let address = self.arena().take(bytes.len());
        self.poke(address, bytes);
        address
    }

    fn arena(&mut self) -> &mut Arena {
        if self.arena.is_none() {
            let Outcome::Returned(address) = self.call(libc::SYS_mmap, &Arena::MAP) else {
                panic!("{} may have no memory", self.pid);
            };
            self.arena = Some(Arena::at(address));
        }
        self.arena.as_mut().expect("just made")
    }

    /// Writes over its memory, mapped however.
    ///
    /// # Panics
    /// If nothing is mapped there.
    pub fn poke(&mut self, address: u64, bytes: &[u8]) {
        let written = self.memory.write_all_at(bytes, address);
        written.expect("its memory is there");
    }

    /// What is in its memory.
    ///
    /// # Panics
    /// If nothing is mapped there.
    #[must_use]
    pub fn peek(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let read = self.memory.read_exact_at(&mut bytes, address);
        read.expect("its memory is there");
        bytes
    }

    /// What each of its descriptors is, by number.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(u32, String)> {
        proc::descriptors(self.pid)
    }

    /// The registers of its main thread, as they were when it was taken over.
    #[must_use]
    pub fn registers(&self) -> user_regs_struct {
        self.kept
    }

    /// Lets it go on as if nothing had been. Dropping it does the same.
    pub fn let_go(self) {}

    fn main(&self) -> &Traced {
        self.threads.first().expect("it has not ended")
    }

    fn release(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        if let Some(arena) = self.arena.take() {
            let _unmapped = self.call(libc::SYS_munmap, &arena.whole());
        }
        // Who has been killed meanwhile has nothing that could be given back.
        let restored = self
            .threads
            .first()
            .map(|main| main.set_registers(self.kept));
        if restored.is_some_and(|restored| restored.is_err()) {
            self.bury();
        }
        let threads = std::mem::take(&mut self.threads);
        // The main thread last: it can't end before the others.
        let dying = threads
            .into_iter()
            .rev()
            .filter_map(|thread| self.detach(thread));
        dying.collect::<Vec<_>>().iter().for_each(see_out);
    }

    /// Lets a thread go; gives it back if it has just been killed.
    fn detach(&self, thread: Traced) -> Option<Traced> {
        let number = thread.number();
        let _resumed = thread.registers().and_then(|registers| {
            let registers = resume::resumed(registers);
            thread.set_registers(registers)
        });
        let owed = self.owed.filter(|_| number == self.pid);
        let gone = thread.let_go(owed).is_err();
        gone.then(|| Traced::known(number))
    }
}

/// Waits until a thread that has been killed has ended: who traces it must, or it never
/// does.
fn see_out(thread: &Traced) {
    loop {
        let _its_end_goes_on = thread.go_on(None);
        if matches!(thread.wait(), Stop::Ended(_)) {
            return;
        }
    }
}

impl Drop for Possessed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.release();
        }
    }
}

/// Makes all threads of a process stand, also those that are made meanwhile.
fn stand_all(pid: u32) -> Vec<Traced> {
    let mut standing: Vec<Traced> = Vec::new();
    loop {
        let known = |number: &u32| standing.iter().any(|thread| thread.number() == *number);
        let mut new = proc::threads(pid);
        new.retain(|number| !known(number));
        if new.is_empty() {
            standing.sort_by_key(|thread| thread.number() != pid);
            return standing;
        }
        standing.extend(new.into_iter().filter_map(|number| stand(pid, number)));
    }
}

/// Makes a thread stand, if it lives. Only a main thread must.
fn stand(pid: u32, number: u32) -> Option<Traced> {
    let options = if number == pid {
        MAIN
    } else {
        Options::empty()
    };
    let seized = Traced::seize(number, options).and_then(|thread| thread.stand().map(|()| thread));
    match seized {
        Ok(thread) => Some(thread),
        Err(nix::errno::Errno::ESRCH) if number != pid => None,
        Err(errno) => panic!("{number} of {pid} can't be taken over: {errno}"),
    }
}

/// Who has ended it: its filter, or somebody.
fn ended(how: Option<Signal>) -> Outcome {
    match how {
        Some(Signal::SIGSYS) => Outcome::Killed,
        _ => Outcome::Ended,
    }
}

/// Ends a newborn child before it has done anything.
fn end(child: &Traced) {
    crate::set::signal_pid(child.number(), rustix::process::Signal::KILL);
    while !matches!(child.wait(), Stop::Ended(_)) {
        let _its_end_goes_on = child.go_on(None);
    }
}

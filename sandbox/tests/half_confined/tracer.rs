//! Somebody between a process and its kernel: every system call of a stage, and of
//! all that it bears, passes by here, and can be answered with a failure or with a lie
//! (ptrace(2)).
//!
//! An answered call is not carried out: a harmless one takes its place, and what it
//! returns is replaced. Only the thread that began may go on (`__WNOTHREAD`).

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A birth takes some milliseconds, on a busy machine some hundred: who takes this long
/// waits for somebody who never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// One system call, as it is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Who makes it: 0 is the stage, 1 its child, 2 that one's.
    pub generation: usize,
    /// How many calls of this process were seen before, since it was forked or, for
    /// the stage, told to go on.
    pub index: usize,
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The process.
    pub process: Pid,
}

/// What is decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is made.
    Pass,
    /// It is tampered with.
    Tamper(Fault),
    /// The same, and no further call is looked at.
    TamperLast(Fault),
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not made, and this is its answer: 0 is a lie, -EPERM a failure.
    Answered(i64),
    /// It is made with another value for this argument.
    Changed(usize, u64),
    /// It is made, and finds another word at this argument's address plus so much.
    Written(usize, u64, i64),
}

/// One of the processes.
#[derive(Debug)]
struct Tracee {
    generation: usize,
    /// In which round it was born.
    round: usize,
    calls: usize,
    /// Whether the call that it is in was let through, and what it is to be told
    /// if not.
    inside: Option<Option<i64>>,
    /// Whether its calls are decided about.
    watched: bool,
    /// Whether this call is the last one that is.
    leaving: bool,
}

/// A stage, and all that it bears.
#[derive(Debug)]
pub struct Stage {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    tracees: BTreeMap<Pid, Tracee>,
    round: usize,
}

impl Stage {
    /// Starts one, and takes hold of it.
    pub fn begin(role: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sandbox-stage"))
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the stage is built");
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut stage = Self {
            process,
            stdin,
            stdout,
            tracees: BTreeMap::new(),
            round: 0,
        };
        assert_eq!(stage.line(), "ready");
        stage.seize();
        stage
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// Where it keeps the directories that it bears into.
    pub fn house(&self) -> PathBuf {
        std::env::temp_dir().join(format!("mailkeep-stage-{}", self.pid()))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    fn seize(&mut self) {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(self.pid(), options).expect("our own child can be traced");
        ptrace::interrupt(self.pid()).expect("it is traced");
        waitpid(self.pid(), Some(WaitPidFlag::__WALL)).expect("it stops");
        self.tracees.insert(self.pid(), Tracee::new(0, 0, true));
    }

    /// Tells it one line, and decides about the calls of one generation until it
    /// answers; `None` if it has died of what was decided.
    pub fn tell(
        &mut self,
        line: &str,
        whose: usize,
        mut decide: impl FnMut(&Call) -> Choice,
    ) -> Option<String> {
        let own = self.pid();
        let mut stdin = self.stdin.as_ref().expect("it is open while it lives");
        writeln!(stdin, "{line}").ok()?;
        let _watch = Watch::over(own);
        self.go_on(own, None);
        loop {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            match waitpid(None::<Pid>, Some(flags)).ok()? {
                WaitStatus::PtraceSyscall(pid) => {
                    if self.pass(pid, whose, &mut decide) {
                        return Some(self.line());
                    }
                    self.go_on(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_FORK) => {
                    self.born(pid, whose);
                    self.go_on(pid, None);
                }
                // Its birth may not have been told yet; then that lets it go on.
                WaitStatus::PtraceEvent(pid, ..) => self.go_on(pid, None),
                WaitStatus::Stopped(pid, signal) => self.go_on(pid, Some(signal)),
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                    self.tracees.remove(&pid);
                    if pid == own {
                        return None;
                    }
                }
                _ => {}
            }
        }
    }

    /// Begins a round: births from now on are this one's.
    pub fn begin_round(&mut self) {
        self.round += 1;
        let own = self.pid();
        self.tracees.insert(own, Tracee::new(0, self.round, true));
    }

    fn born(&mut self, parent: Pid, whose: usize) {
        let child = ptrace::getevent(parent).expect("a fork has a child");
        let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
        let generation = self.tracees.get(&parent).map_or(0, |one| one.generation) + 1;
        let is_new = !self.tracees.contains_key(&child);
        let born = Tracee::new(generation, self.round, generation == whose);
        self.tracees.insert(child, born);
        if !is_new {
            self.go_on(child, None);
        }
    }

    /// Lets a process go on: to its next call, if that is looked at.
    fn go_on(&mut self, pid: Pid, signal: Option<Signal>) {
        let Some(tracee) = self.tracees.get(&pid) else {
            // Seen before its birth was told: it stays where it is till then.
            self.tracees.insert(pid, Tracee::new(usize::MAX, 0, false));
            return;
        };
        // It may have been killed meanwhile.
        let _gone = match tracee.watched || tracee.generation == 0 {
            true => ptrace::syscall(pid, signal),
            false => ptrace::cont(pid, signal),
        };
    }

    /// A process enters a call, or leaves one; whether the stage has answered.
    fn pass(&mut self, pid: Pid, whose: usize, decide: &mut impl FnMut(&Call) -> Choice) -> bool {
        let round = self.round;
        let (Some(tracee), Ok(registers)) = (self.tracees.get_mut(&pid), ptrace::getregs(pid))
        else {
            return false;
        };
        if let Some(answer) = tracee.inside.take() {
            tracee.watched &= !std::mem::take(&mut tracee.leaving);
            if let Some(answer) = answer {
                set(pid, registers, |r| r.rax = answer.cast_unsigned());
            }
            return pid == self.pid() && is_answer(&registers);
        }
        let call = tracee.call(pid, &registers);
        tracee.calls += 1;
        let choice = if (tracee.generation, tracee.round) == (whose, round) && tracee.watched {
            decide(&call)
        } else {
            Choice::Pass
        };
        let (fault, watched) = match choice {
            Choice::Pass => (None, tracee.watched),
            Choice::Tamper(fault) => (Some(fault), tracee.watched),
            Choice::TamperLast(fault) => (Some(fault), false),
        };
        let answer = carry_out(pid, registers, fault);
        // To be told another answer it has to be met at the end of the call.
        tracee.inside = Some(answer);
        tracee.leaving = !watched;
        false
    }
}

impl Tracee {
    fn new(generation: usize, round: usize, watched: bool) -> Self {
        Self {
            generation,
            round,
            calls: 0,
            inside: None,
            watched,
            leaving: false,
        }
    }

    fn call(&self, process: Pid, registers: &libc::user_regs_struct) -> Call {
        let r = registers;
        Call {
            generation: self.generation,
            index: self.calls,
            number: r.orig_rax.cast_signed(),
            arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9],
            process,
        }
    }
}

/// Whether a call that was left was the stage's answer to the test.
fn is_answer(registers: &libc::user_regs_struct) -> bool {
    registers.orig_rax.cast_signed() == libc::SYS_write && registers.rdi == 1
}

/// Does to a call what was decided; what the process is to be told instead of the
/// kernel's answer, if that is not to count.
fn carry_out(pid: Pid, registers: libc::user_regs_struct, fault: Option<Fault>) -> Option<i64> {
    match fault? {
        Fault::Answered(answer) => {
            // Allowed in every profile, and without effect.
            set(pid, registers, |r| {
                r.orig_rax = libc::SYS_getpid.cast_unsigned()
            });
            Some(answer)
        }
        Fault::Changed(argument, value) => {
            set(pid, registers, |r| *argument_of(r, argument) = value);
            None
        }
        Fault::Written(argument, offset, word) => {
            let mut registers = registers;
            let address = *argument_of(&mut registers, argument) + offset;
            ptrace::write(pid, address as ptrace::AddressType, word).expect("it is writable");
            None
        }
    }
}

fn argument_of(registers: &mut libc::user_regs_struct, argument: usize) -> &mut u64 {
    match argument {
        0 => &mut registers.rdi,
        1 => &mut registers.rsi,
        _ => &mut registers.rdx,
    }
}

fn set(
    pid: Pid,
    mut registers: libc::user_regs_struct,
    change: impl FnOnce(&mut libc::user_regs_struct),
) {
    change(&mut registers);
    // It may have been killed meanwhile.
    let _gone = ptrace::setregs(pid, registers);
}

/// Kills a stage that takes too long; those whom it has borne find themselves alone,
/// and end.
struct Watch(#[expect(dead_code, reason = "its end is the message")] Sender<()>);

impl Watch {
    fn over(stage: Pid) -> Self {
        let (over, ended) = channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _gone = kill(stage, Signal::SIGKILL);
            }
        });
        Self(over)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stdin.take());
        for pid in self.tracees.keys() {
            let _gone = ptrace::detach(*pid, None);
        }
        let _reaped = self.process.wait();
    }
}

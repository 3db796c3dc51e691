//! The possession of a process (`harness::possession`) does what it says: tests which
//! find that a process can't do a thing rest on it.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::possession::{Outcome, Possessed};
use harness::session::PATIENCE;
use harness::set::{signal_pid, wait_for};
use harness::{binaries, proc};
use nix::libc;
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process that waits in one way.
struct Sleeper {
    child: Child,
    said: BufReader<ChildStdout>,
    wakes: UnixStream,
}

impl Sleeper {
    /// One that is about to wait.
    fn begin(way: &str) -> Self {
        let (wakes, input) = UnixStream::pair().expect("a pair");
        let mut child = Command::new(binaries::program("sleeper"))
            .arg(way)
            .process_group(0)
            .stdin(OwnedFd::from(input))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a pipe");
        assert_eq!(line, "ready\n");
        Self { child, said, wakes }
    }

    /// One that waits: whatever it had to do before is done.
    fn waiting(way: &str) -> Self {
        let sleeper = Self::begin(way);
        sleeper.waits();
        sleeper
    }

    fn waits(&self) {
        let waits = || state(self.pid()).starts_with('S');
        assert!(wait_for(PATIENCE, waits), "{}", state(self.pid()));
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wake(&mut self) {
        self.wakes.write_all(b"x").expect("it listens");
    }

    /// It ends, and has noticed nothing.
    fn ends_undisturbed(mut self) {
        let mut line = String::new();
        self.said.read_to_string(&mut line).expect("a pipe");
        let status = self.child.wait().expect("our child");
        assert!(
            status.success() && line == "undisturbed\n",
            "{status}: {line}"
        );
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the main thread of a process does.
fn state(pid: u32) -> String {
    let tasks = proc::tasks(pid);
    tasks.first().expect("it is not reaped").status("State")
}

#[test]
fn a_call_answers_what_the_process_itself_would_hear() {
    let mut sleeper = Sleeper::waiting("receive");
    let mut possessed = Possessed::seize(sleeper.pid());
    let pid = u64::from(sleeper.pid());
    assert_eq!(
        possessed.call(libc::SYS_getpid, &[]),
        Outcome::Returned(pid)
    );
    assert_eq!(
        possessed.call(libc::SYS_close, &[77]),
        Outcome::Failed(Errno::BADF)
    );
    let path = possessed.place(b"/dev/null\0");
    let opened = possessed.call(libc::SYS_openat, &[u64::MAX, path, 0, 0]);
    let Outcome::Returned(descriptor) = opened else {
        panic!("{opened:?}");
    };
    let found = possessed.descriptors();
    assert!(found.contains(&(
        u32::try_from(descriptor).expect("small"),
        "/dev/null".into()
    )));
    assert_eq!(
        possessed.call(libc::SYS_close, &[descriptor]),
        Outcome::Returned(0)
    );
    possessed.let_go();
    sleeper.wake();
    sleeper.ends_undisturbed();
}

#[test]
fn what_is_placed_can_be_read_by_the_process_and_peeked_at() {
    let mut sleeper = Sleeper::waiting("receive");
    let mut possessed = Possessed::seize(sleeper.pid());
    let (source, target) = (possessed.place(b"some bytes"), possessed.place(&[0; 10]));
    let bytes = [source, 10].map(u64::to_le_bytes).concat();
    let from = possessed.place(&bytes);
    let into = possessed.place(&[target, 10].map(u64::to_le_bytes).concat());
    let own = u64::from(sleeper.pid());
    let copied = possessed.call(libc::SYS_process_vm_readv, &[own, into, 1, from, 1, 0]);
    assert_eq!(copied, Outcome::Returned(10));
    assert_eq!(possessed.peek(target, 10), b"some bytes");
    possessed.let_go();
    sleeper.wake();
    sleeper.ends_undisturbed();
}

/// Every writable mapping of a process, with its bytes.
fn memory(possessed: &Possessed) -> Vec<(String, Vec<u8>)> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", possessed.pid()));
    let maps = maps.expect("it lives");
    let written = maps.lines().filter(|line| line.contains(" rw"));
    let read = written.map(|line| {
        let (first, rest) = line.split_once('-').expect("a range");
        let end = rest.split_once(' ').expect("a range").0;
        let [first, end] = [first, end].map(|one| u64::from_str_radix(one, 16).expect("hex"));
        let len = usize::try_from(end - first).expect("a length");
        (line.to_owned(), possessed.peek(first, len))
    });
    read.collect()
}

#[test]
fn memory_and_registers_are_afterwards_what_they_were_before() {
    let mut sleeper = Sleeper::waiting("receive");
    let mut possessed = Possessed::seize(sleeper.pid());
    let before = (possessed.registers(), memory(&possessed));
    let _placed = possessed.place(&[0xaa; 100_000]);
    let _sent = possessed.send(1, b"nothing that is a socket", &[]);
    possessed.let_go();
    // It is in its call again.
    sleeper.waits();
    let possessed = Possessed::seize(sleeper.pid());
    assert_eq!(possessed.registers(), before.0);
    assert!(memory(&possessed) == before.1, "its memory has changed");
    possessed.let_go();
    sleeper.wake();
    sleeper.ends_undisturbed();
}

#[test]
fn a_wait_that_was_interrupted_goes_on_as_if_nothing_had_been() {
    for way in ["epoll", "receive", "sleep"] {
        let mut sleeper = Sleeper::waiting(way);
        for _ in 0..5 {
            let mut possessed = Possessed::seize(sleeper.pid());
            let own = Outcome::Returned(sleeper.pid().into());
            assert_eq!(possessed.call(libc::SYS_getpid, &[]), own, "{way}");
            possessed.let_go();
        }
        if way != "sleep" {
            sleeper.wake();
        }
        sleeper.ends_undisturbed();
    }
}

#[test]
fn all_threads_stand_while_one_of_them_is_made_to_call_and_go_on_afterwards() {
    let mut sleeper = Sleeper::begin("busy");
    for _ in 0..20 {
        let mut possessed = Possessed::seize(sleeper.pid());
        for task in proc::tasks(sleeper.pid()) {
            assert!(task.status("State").starts_with('t'), "{task:?}");
        }
        let own = Outcome::Returned(sleeper.pid().into());
        assert_eq!(possessed.call(libc::SYS_getpid, &[]), own);
        possessed.let_go();
    }
    sleeper.wake();
    sleeper.ends_undisturbed();
}

/// Puts a filter on a process which kills it at one call, and lets all others through.
fn forbid(possessed: &mut Possessed, call: i64) {
    let no_new_privileges = u64::from(libc::PR_SET_NO_NEW_PRIVS.cast_unsigned());
    let done = possessed.call(libc::SYS_prctl, &[no_new_privileges, 1]);
    assert_eq!(done, Outcome::Returned(0));
    let number = u32::try_from(call).expect("a call");
    let program: Vec<u8> = [
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, [0, 0], 0),
        (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, [0, 1], number),
        (
            libc::BPF_RET | libc::BPF_K,
            [0, 0],
            libc::SECCOMP_RET_KILL_PROCESS,
        ),
        (libc::BPF_RET | libc::BPF_K, [0, 0], libc::SECCOMP_RET_ALLOW),
    ]
    .iter()
    .flat_map(|(code, jumps, value)| {
        let code = u16::try_from(*code).expect("a code").to_le_bytes();
        [&code[..], jumps, &value.to_le_bytes()].concat()
    })
    .collect();
    let filter = possessed.place(&program);
    let filter = possessed.place(&[4, filter].map(u64::to_le_bytes).concat());
    let (mode, all_threads) = (1, 1);
    let done = possessed.call(libc::SYS_seccomp, &[mode, all_threads, filter]);
    assert_eq!(done, Outcome::Returned(0));
}

#[test]
fn who_is_killed_by_his_filter_is_told_as_killed_with_all_his_threads() {
    for way in ["receive", "busy"] {
        let sleeper = Sleeper::begin(way);
        let mut possessed = Possessed::seize(sleeper.pid());
        forbid(&mut possessed, libc::SYS_getppid);
        let own = Outcome::Returned(sleeper.pid().into());
        assert_eq!(possessed.call(libc::SYS_getpid, &[]), own, "{way}");
        assert_eq!(possessed.call(libc::SYS_getppid, &[]), Outcome::Killed);
        assert!(proc::descriptors(sleeper.pid()).is_empty(), "{way}");
        possessed.let_go();
    }
}

#[test]
fn who_is_killed_by_somebody_else_meanwhile_is_let_go_like_the_living() {
    for way in ["receive", "busy"] {
        let sleeper = Sleeper::begin(way);
        let mut possessed = Possessed::seize(sleeper.pid());
        let _placed = possessed.place(b"something to be taken back");
        signal_pid(sleeper.pid(), Signal::KILL);
        assert_eq!(possessed.call(libc::SYS_getpid, &[]), Outcome::Ended);
        possessed.let_go();
        assert!(proc::descriptors(sleeper.pid()).is_empty(), "{way}");
    }
}

#[test]
fn a_child_that_comes_of_a_call_never_does_anything() {
    let mut sleeper = Sleeper::waiting("receive");
    let mut possessed = Possessed::seize(sleeper.pid());
    let Outcome::Returned(child) = possessed.call(libc::SYS_fork, &[]) else {
        panic!("nothing forbids it");
    };
    assert!(state(u32::try_from(child).expect("a pid")).starts_with('Z'));
    possessed.let_go();
    sleeper.wake();
    sleeper.ends_undisturbed();
}

#[test]
fn messages_are_sent_and_received_with_their_descriptors() {
    let mut sleeper = Sleeper::waiting("receive");
    let mut possessed = Possessed::seize(sleeper.pid());
    let pair = possessed.place(&[0; 8]);
    let (unix, packets) = (libc::AF_UNIX, libc::SOCK_SEQPACKET);
    let arguments = [unix, packets, 0].map(|one| u64::from(one.cast_unsigned()));
    let [a, b, c] = arguments;
    let made = possessed.call(libc::SYS_socketpair, &[a, b, c, pair]);
    assert_eq!(made, Outcome::Returned(0));
    let pair = possessed.peek(pair, 8);
    let number = |at: usize| u32::from_le_bytes(pair[at..at + 4].try_into().expect("four"));
    let (one, other) = (number(0), number(4));
    let nothing = Err(Outcome::Failed(Errno::AGAIN));
    assert_eq!(possessed.receive(other), nothing);
    let sent = possessed.send(one, b"two streams", &[0, 1]);
    assert_eq!(sent, Outcome::Returned(11));
    let received = possessed.receive(other).expect("it was sent");
    assert_eq!(received.bytes, b"two streams");
    assert_eq!((received.descriptors.len(), received.truncated), (2, false));
    for descriptor in received.descriptors.into_iter().chain([one, other]) {
        let closed = possessed.call(libc::SYS_close, &[descriptor.into()]);
        assert_eq!(closed, Outcome::Returned(0));
    }
    possessed.let_go();
    sleeper.wake();
    sleeper.ends_undisturbed();
}

/// The possession of one that its set has confined: other ids, a user namespace of its
/// own, not dumpable, filtered, several threads.
#[test]
fn confined_processes_of_a_set_are_possessed_and_serve_on() {
    let set = harness::Set::start();
    set.add_user("alice@example.org");
    let mut session = set.login("alice@example.org");
    session.ok("s SELECT INBOX");
    let everybody = [
        "front",
        "login",
        "auth",
        "director",
        "keyholder",
        "broker",
        "lmtp",
    ];
    let mut pids: Vec<u32> = everybody.map(|name| set.pid(name)).to_vec();
    pids.push(set.pid("control"));
    pids.extend(set.workers());
    for pid in pids {
        let mut possessed = Possessed::seize(pid);
        let descriptors = possessed.descriptors();
        assert_eq!(
            possessed.call(libc::SYS_getpid, &[]),
            Outcome::Returned(pid.into())
        );
        assert_eq!(possessed.descriptors(), descriptors);
        possessed.let_go();
        session.ok("n NOOP");
    }
    set.login("alice@example.org").ok("l LOGOUT");
    assert!(
        set.deliver("alice@example.org", "Subject: x\r\n\r\nx\r\n")
            .starts_with("250")
    );
}

//! A `worker` that cheats. It enters the real profile, locks the account's root, takes
//! every session and delivery, and serves nothing but what a client orders: `tag WORD`.
//!
//! It acknowledges letters that it drops, and no epoch. `INVENT`: a letter that nobody
//! sent. `FORK`, `PANIC words`: as they say. `LOG`, `FLOOD`: the log, and `director`, full.
//! `LOCK`, `HOARD`: tries to have the lock of its root outlive it. `LOOK number`: another account's
//! directory.

#![allow(clippy::panic, reason = "it is told to")]

#[path = "hostile/accomplice.rs"]
mod accomplice;
#[path = "hostile/watch.rs"]
mod watch;

use accomplice::Accomplice;
use ipc::edge::birth::{Birth, ToBroker};
use ipc::edge::delivery::{Outcome, ToLmtp, ToWorker as Delivery};
use ipc::edge::director_worker::{Health, ToDirector, ToWorker};
use ipc::edge::handover::Work;
use ipc::{Channel, Nonce, Received};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::collections::BTreeMap;
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use watch::{Registered, Watch, turn};

/// Messages and lines of a flood.
const FLOOD: u32 = 100_000;

#[derive(Debug, Clone, Copy)]
enum Peer {
    Director,
    Session(u64),
    Letter(u64),
}

struct Worker {
    watch: Watch<Peer>,
    director: Registered<ToDirector, ToWorker>,
    root: OwnedFd,
    sessions: BTreeMap<u64, Accomplice>,
    letters: BTreeMap<u64, Registered<ToLmtp, Delivery>>,
    next: u64,
}

fn main() -> ExitCode {
    let Ok(entered) = sandbox::enter(&sandbox::profile::WORKER) else {
        return ExitCode::FAILURE;
    };
    let director = entered.descriptor(3).expect("the table has it");
    let record = entered.descriptor(4).expect("the table has it");
    let mut record = Channel::<ToBroker, Birth>::adopt(record).expect("a channel");
    let born = matches!(
        record.receive(),
        Ok(Received::Message(Birth::Worker { .. }))
    );
    assert!(born, "no birth record");
    let root = root();
    let locked = rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive);
    let mut watch = Watch::new();
    let mut director = watch.register(Peer::Director, director);
    let ready = match locked {
        Ok(()) => ToDirector::Ready { storage: None },
        Err(_) => ToDirector::Failed,
    };
    director.channel.send(ready).expect("it listens");
    let _sealed = sandbox::seal_threads(entered).expect("it can be sealed");
    let mut worker = Worker {
        watch,
        director,
        root,
        sessions: BTreeMap::new(),
        letters: BTreeMap::new(),
        next: 0,
    };
    worker.serve();
    ExitCode::SUCCESS
}

fn root() -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(rustix::fs::CWD, "/", flags, Mode::empty()).expect("its own root")
}

impl Worker {
    fn serve(&mut self) {
        loop {
            for peer in self.watch.wait() {
                match peer {
                    Peer::Director if self.is_over() => return,
                    Peer::Director => {}
                    Peer::Session(number) => self.hear(number),
                    Peer::Letter(number) => self.drop_letter(number),
                }
            }
        }
    }

    fn is_over(&mut self) -> bool {
        let (messages, open) = turn(&mut self.director);
        let mut leave = open.is_err();
        for message in messages {
            match message {
                ToWorker::Serve {
                    ticket,
                    work,
                    socket,
                } => self.take(ticket.claim.nonce, &work, socket),
                ToWorker::Leave => leave = true,
                _ => {}
            }
        }
        leave
    }

    fn take(&mut self, nonce: Nonce, work: &Work, socket: OwnedFd) {
        let number = self.next;
        self.next += 1;
        self.tell(ToDirector::Taken { nonce });
        match work {
            Work::Session { tag, .. } => {
                let session = Accomplice::at(socket);
                let tag = String::from_utf8_lossy(tag.as_slice()).into_owned();
                session.say(&format!("{tag} OK logged in"));
                self.watch.watch(Peer::Session(number), &session);
                self.sessions.insert(number, session);
            }
            _ => {
                let letter = self.watch.register(Peer::Letter(number), socket);
                self.letters.insert(number, letter);
            }
        }
    }

    fn tell(&mut self, message: ToDirector) -> bool {
        self.director.channel.send(message).is_ok()
    }

    /// Says that it is delivered, and lets it go.
    fn drop_letter(&mut self, number: u64) {
        let Some(mut pair) = self.letters.remove(&number) else {
            return;
        };
        let (messages, _) = turn(&mut pair);
        if messages.is_empty() {
            self.letters.insert(number, pair);
            return;
        }
        let outcome = Outcome::Delivered;
        let _gone = pair.channel.send(ToLmtp::Done { outcome });
        self.watch.forget(&pair);
    }

    fn hear(&mut self, number: u64) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let Some(lines) = session.lines() else {
            // Closed, it is watched no more.
            self.sessions.remove(&number);
            return;
        };
        for words in lines {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.obey(number, &words);
        }
    }

    fn obey(&mut self, number: u64, words: &[&str]) {
        let (tag, order) = words.split_first().unwrap_or((&"*", &[]));
        let said = match order {
            ["INVENT"] => "* 1 FETCH (FLAGS ($Invented))".to_owned(),
            ["FORK"] => format!("{:?}", std::process::Command::new("/bin/true").spawn()),
            ["PANIC", words] => panic!("{words}"),
            ["LOG"] => {
                (0..FLOOD).for_each(log);
                String::new()
            }
            ["FLOOD"] => format!("cut off: {}", self.flood()),
            ["LOCK"] => self.pass_the_lock_on(number),
            ["HOARD"] => self.hoard_the_lock(number),
            ["LOOK", account] => look(account),
            _ => String::new(),
        };
        if let Some(session) = self.sessions.get(&number) {
            session.say(&format!("{tag} OK {said}"));
        }
    }

    fn flood(&mut self) -> bool {
        let health = Health::default();
        (0..FLOOD).any(|_| !self.tell(ToDirector::Health { health }))
    }

    /// Sends the locked descriptor wherever one can be sent: to `director`, whose messages
    /// have none, and to the session's other end, which reads bytes.
    fn pass_the_lock_on(&self, number: u64) -> String {
        let session = self.sessions.get(&number).expect("who asks is there");
        let ways = [session.as_fd(), self.director.channel.as_fd()];
        format!(
            "{:?}",
            ways.map(|way| send(way, Some(self.root.as_fd())).is_ok())
        )
    }

    /// Leaves the locked descriptor on its way to a client who doesn't read.
    fn hoard_the_lock(&self, number: u64) -> ! {
        let session = self.sessions.get(&number).expect("who asks is there");
        // `front` empties it as long as the client's own buffers take it.
        loop {
            let filled = send(session.as_fd(), None);
            if filled.is_ok() {
                let _full = send(session.as_fd(), Some(self.root.as_fd()));
            }
            std::hint::spin_loop();
        }
    }
}

/// A few thousand bytes, and a descriptor with them.
fn send(over: BorrowedFd<'_>, descriptor: Option<BorrowedFd<'_>>) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let rights = descriptor.map(|one| [one]);
    let pushed = rights
        .as_ref()
        .is_none_or(|rights| control.push(SendAncillaryMessage::ScmRights(rights)));
    assert!(pushed, "room for one");
    sendmsg(
        over,
        &[IoSlice::new(&[b'\n'; 4096])],
        &mut control,
        SendFlags::NOSIGNAL,
    )
}

/// A line of the log, if it takes one.
fn log(number: u32) {
    let _full = writeln!(std::io::stderr(), "<3>{number} lies");
}

/// What it finds of another account, by every name that it may have.
fn look(account: &str) -> String {
    let ways = [
        format!("/{account}"),
        format!("/../{account}"),
        format!("../../{account}"),
    ];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let open = |way: String| rustix::fs::openat(rustix::fs::CWD, way, flags, Mode::empty());
    format!("{:?}", ways.map(|way| open(way).is_ok()))
}

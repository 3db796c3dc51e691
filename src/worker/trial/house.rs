//! An account with its two threads, and clients that talk to it.

use crate::account::{Account, Limits, Reading};
use crate::damage::Damage;
use crate::disk::{DiskThread, Pulse};
use crate::fixture;
use crate::imap::{self, Handed};
use crate::opening;
use crate::pop3;
use crate::scratch::Scratch;
use crate::scrub::Rounds;
use crate::suspects::Suspects;
use ipc::{AccountId, Epoch};
use journal::disk::Disk;
use journal::sim::SimDisk;
use std::cell::RefCell;
use std::future::Future;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, LocalSet};

/// How long an answer may take before a test is given up: far more than any
/// takes, for the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test as the mail thread runs.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// See the module. Must be made within [`run`].
pub struct House {
    pub account: Rc<Account>,
    commits: JoinHandle<Result<(), crate::account::Fatal>>,
    sessions: RefCell<Vec<JoinHandle<()>>>,
}

/// Opens an account on a disk, and starts its disk thread. `root` is what an
/// emptying empties.
pub fn open<D: Disk + 'static>(disk: &D, root: &Path) -> Rc<Account>
where
    D::File: 'static,
{
    open_beating(disk, root, Pulse::default())
}

/// The same with a pulse of the test's.
pub fn open_beating<D: Disk + 'static>(disk: &D, root: &Path, pulse: Pulse) -> Rc<Account>
where
    D::File: 'static,
{
    let opened = opening::open(disk, &fixture::born(true)).unwrap();
    let (suspects, mut notebook) = Suspects::open(disk);
    let damage = Damage::open(disk, &mut notebook);
    let rounds = Rounds::open(disk, &mut notebook, crate::clock::seconds());
    let lengths = pop3::Lengths::open(disk, &mut notebook);
    let reading = Reading {
        bodies: Box::new(RefCell::new(opened.files.reader())),
        records: Box::new(opened.files.letter_cache().reader()),
        threads: Box::new(opened.files.threads()),
        suspects,
        damage,
        rounds,
        lengths,
    };
    let root = std::fs::File::open(root).unwrap();
    let (syncer, files) = (opened.syncer, opened.files);
    let thread = DiskThread::start(syncer, files, notebook, root.into(), pulse.clone());
    tokio::task::spawn_local(async move { pulse.beat().await });
    let limits = Limits::from(&fixture::slice());
    Account::new(
        fixture::ACCOUNT,
        opened.store,
        thread.unwrap(),
        reading,
        limits,
    )
}

/// What is known of letters that may kill, and the thread that notes it.
pub fn suspects(disk: &SimDisk) -> (Suspects, DiskThread) {
    let opened = opening::open(disk, &fixture::born(true)).unwrap();
    let (suspects, notebook) = Suspects::open(disk);
    let root = std::fs::File::open(std::env::temp_dir()).unwrap();
    let (syncer, files) = (opened.syncer, opened.files);
    let thread = DiskThread::start(syncer, files, notebook, root.into(), Pulse::default());
    (suspects, thread.unwrap())
}

impl House {
    /// An account on a disk.
    pub fn on(disk: &SimDisk) -> Self {
        let scratch = Scratch::new("house");
        Self::around(open(disk, scratch.path()))
    }

    /// An account that is open.
    pub fn around(account: Rc<Account>) -> Self {
        let upkeep = Rc::clone(&account);
        tokio::task::spawn_local(async move { upkeep.run_upkeep().await });
        Self::untended(account)
    }

    /// One whose files nobody looks after: all that is read, clients have caused.
    pub fn untended(account: Rc<Account>) -> Self {
        let commits = Rc::clone(&account);
        Self {
            commits: tokio::task::spawn_local(async move { commits.run_commits().await }),
            account,
            sessions: RefCell::default(),
        }
    }

    /// A client that acts for somebody who need not be the owner, and has heard its
    /// welcome.
    pub async fn client_for(&self, principal: AccountId) -> Wire {
        let mut wire = self.hand_over_for(principal, b"");
        wire.line().await;
        wire
    }

    /// A new account on a disk of its own.
    pub fn new() -> Self {
        Self::on(&SimDisk::new(1))
    }

    /// A client that has just been handed over and heard its welcome.
    pub async fn client(&self) -> Wire {
        let mut wire = self.hand_over(b"");
        let welcome = wire.line().await;
        assert!(
            welcome.starts_with("login OK [CAPABILITY IMAP4rev1"),
            "{welcome}"
        );
        wire
    }

    /// A client that had sent `leftover` behind its login.
    pub fn hand_over(&self, leftover: &[u8]) -> Wire {
        self.hand_over_for(self.account.id(), leftover)
    }

    /// The same for somebody who need not be the owner.
    pub fn hand_over_for(&self, principal: AccountId, leftover: &[u8]) -> Wire {
        let (ours, theirs) = StdStream::pair().unwrap();
        let handed = Handed {
            principal,
            epoch: Epoch(0),
            tag: b"login".to_vec(),
            leftover: leftover.to_vec(),
        };
        let account = Rc::clone(&self.account);
        let session = tokio::task::spawn_local(imap::serve(account, ours.into(), handed));
        self.sessions.borrow_mut().push(session);
        Wire::new(theirs)
    }

    /// A POP3 client of the owner's that has just been handed over, and has heard its
    /// welcome.
    pub async fn pop3_client(&self, utf8: bool) -> Wire {
        let mut wire = self.hand_over_pop3(self.account.id(), utf8, b"");
        assert_eq!(wire.line().await, "+OK Logged in");
        wire
    }

    /// A POP3 client of somebody's that had sent `leftover` behind its login.
    pub fn hand_over_pop3(&self, principal: AccountId, utf8: bool, leftover: &[u8]) -> Wire {
        self.serve_pop3(pop3::Handed {
            principal,
            epoch: Epoch(0),
            utf8,
            mechanisms: b"SCRAM-SHA-256 PLAIN".to_vec(),
            leftover: leftover.to_vec(),
        })
    }

    /// A POP3 client that was handed over like this.
    pub fn serve_pop3(&self, handed: pop3::Handed) -> Wire {
        let (ours, theirs) = StdStream::pair().unwrap();
        let account = Rc::clone(&self.account);
        let session = tokio::task::spawn_local(pop3::serve(account, ours.into(), handed));
        self.sessions.borrow_mut().push(session);
        Wire::new(theirs)
    }

    /// The session that began last, to wait for its end.
    pub fn last_session(&self) -> JoinHandle<()> {
        self.sessions.borrow_mut().pop().unwrap()
    }

    /// Ends the sessions, of which none may have panicked, and brings the journal
    /// to rest.
    pub async fn leave(self) {
        self.account.leave();
        for session in self.sessions.into_inner() {
            session.await.unwrap();
        }
        self.account.tidy_up().await;
        self.account.finish();
        self.commits.await.unwrap().unwrap();
    }
}

/// A client's end.
pub struct Wire {
    socket: UnixStream,
    heard: Vec<u8>,
}

impl Wire {
    /// A client at this end.
    pub fn new(socket: StdStream) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: UnixStream::from_std(socket).unwrap(),
            heard: Vec::new(),
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The next line, without its CRLF.
    pub async fn line(&mut self) -> String {
        let mut looked = 0;
        loop {
            let end = self.heard[looked..].windows(2).position(|it| it == b"\r\n");
            if let Some(at) = end.map(|end| looked + end) {
                let line = String::from_utf8_lossy(&self.heard[..at]).into_owned();
                self.heard.drain(..at + 2);
                return line;
            }
            looked = self.heard.len().saturating_sub(1);
            assert!(self.hear().await, "closed within {:?}", self.text());
        }
    }

    /// So many bytes (a literal's).
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.heard.len() < count {
            assert!(self.hear().await, "closed within {:?}", self.text());
        }
        self.heard.drain(..count).collect()
    }

    /// Sends a command and gives all lines up to its tagged answer, which is the
    /// last.
    pub async fn command(&mut self, tag: &str, command: &str) -> Vec<String> {
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        self.answer(tag).await
    }

    /// All lines up to a tagged answer.
    pub async fn answer(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let is_last = line.starts_with(&format!("{tag} "));
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Sends a command of POP3 and gives the first line of its answer.
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.line().await
    }

    /// The same with all lines up to the dot, which isn't given.
    pub async fn ask_for_lines(&mut self, command: &str) -> Vec<String> {
        let mut lines = vec![self.ask(command).await];
        while lines[0].starts_with("+OK") {
            match self.line().await {
                line if line == "." => break,
                line => lines.push(line),
            }
        }
        lines
    }

    /// As [`Self::answer`]; or all lines that there are, if the server closes.
    pub async fn answer_or_end(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while self.heard_line() || self.hear().await {
            if !self.heard_line() {
                continue;
            }
            lines.push(self.line().await);
            if lines
                .iter()
                .any(|line| line.starts_with(&format!("{tag} ")))
            {
                break;
            }
        }
        lines
    }

    fn heard_line(&self) -> bool {
        self.heard.windows(2).any(|it| it == b"\r\n")
    }

    /// Everything that is said until the server closes.
    pub async fn last_words(&mut self) -> String {
        while self.hear().await {}
        self.text()
    }

    /// The same, however long it takes.
    pub async fn patient_last_words(&mut self) -> String {
        let mut said = Vec::new();
        let _ = self.socket.read_to_end(&mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Sends bytes; whether somebody is there to take them.
    pub async fn send_if_open(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    /// All that is heard, as soon as that is enough.
    pub async fn until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        while !is_enough(&self.heard) {
            assert!(self.hear().await, "closed within {:?}", self.text());
        }
        std::mem::take(&mut self.heard)
    }

    /// The next bytes as they come; none at the end.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.heard.is_empty() {
            self.hear().await;
        }
        std::mem::take(&mut self.heard)
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// Says that nothing more will be sent, and gives all that is still heard.
    pub async fn rest(&mut self) -> Vec<u8> {
        self.finish().await;
        while self.hear().await {}
        std::mem::take(&mut self.heard)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    async fn hear(&mut self) -> bool {
        self.heard.reserve(4096);
        let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.heard)).await;
        let count = read.unwrap_or_else(|_| panic!("silence after {:?}", self.text()));
        count.is_ok_and(|count| count > 0)
    }
}

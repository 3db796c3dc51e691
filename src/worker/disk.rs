//! The disk thread: everything that may wait for a disk, in the order asked.
//!
//! The mail thread never waits for a disk. It sends [`Job`]s here and goes on
//! with other sessions until the answer comes back. Jobs are small (a piece of
//! a letter, not a letter), so that a commit never waits behind a long copy.
//!
//! The disk thread is also the watchdog: a mail thread that has not ticked for
//! [`SILENCE_MAX`] hangs, and then the process aborts. Nothing here decides what
//! is stored: that is `store`'s, on the mail thread.

pub mod empty;
mod packs;
mod watchdog;

pub use packs::Piece;
pub use watchdog::Pulse;

use crate::cache::{Ask, Shelf};
use crate::letter;
use crate::notebook::{Note, Notebook};
use crate::repair::{self, Unrepaired};
use ipc::AccountId;
use journal::disk::{Disk, DiskError};
use journal::{Batch, SyncReport, Syncer};
use packs::Packs;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use store::repair::Report;
use store::{
    Block, BodyReader, BodyRef, Fetched, Files, PackId, PackedBody, Progress, ReadError, Wish,
};
use tokio::sync::oneshot;
use watchdog::Watchdog;

/// What the mail thread asks. An answer that nobody waits for any more is
/// dropped: its session has gone.
enum Job {
    Commit {
        batch: Batch,
        done: oneshot::Sender<SyncReport>,
    },
    Read {
        body: BodyRef,
        offset: u64,
        done: oneshot::Sender<Result<Block, ReadError>>,
    },
    Letter {
        letter: Arc<OwnedFd>,
        offset: u64,
        bytes: usize,
        done: oneshot::Sender<Result<Vec<u8>, letter::Unreadable>>,
    },
    Pack {
        id: PackId,
        piece: Piece,
        done: oneshot::Sender<Result<(), DiskError>>,
    },
    FinishPack {
        id: PackId,
        done: oneshot::Sender<Result<PackedBody, DiskError>>,
    },
    DropPack {
        id: PackId,
    },
    Fetch {
        wish: Wish,
        done: oneshot::Sender<Result<Fetched, ReadError>>,
    },
    Upkeep {
        job: store::Job,
        done: oneshot::Sender<Stepped>,
    },
    Note {
        note: Note,
        done: Option<oneshot::Sender<()>>,
    },
    Shelf(Ask),
    Empty {
        done: oneshot::Sender<Result<(), Errno>>,
    },
    Repair {
        account: AccountId,
        done: oneshot::Sender<Result<Report, Unrepaired>>,
    },
}

/// A job of upkeep after a step, and what the step came to.
pub type Stepped = (store::Job, Result<Progress, DiskError>);

/// The disk thread has gone, which it does only when the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The mail thread's side.
#[derive(Clone)]
pub struct DiskThread {
    jobs: Sender<Job>,
}

impl DiskThread {
    /// Starts the thread. It ends when the last handle has been dropped. `root`
    /// is the directory that [`Self::empty`] empties.
    ///
    /// # Errors
    /// As clone(2) and getrandom(2).
    pub fn start<D: Disk + 'static>(
        syncer: Syncer<D>,
        files: Files<D>,
        notebook: Notebook,
        root: OwnedFd,
        pulse: Pulse,
    ) -> std::io::Result<Self>
    where
        D::File: 'static,
    {
        let (jobs, queue) = channel();
        let thread = Thread {
            reader: files.reader(),
            shelf: Shelf::new(&files)?,
            packs: Packs::new(files.clone()),
            files,
            syncer,
            notebook,
            root,
            emptied: None,
        };
        std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || thread.run(&queue, Watchdog::new(pulse)))?;
        Ok(Self { jobs })
    }

    /// Writes a batch and syncs it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn commit(&self, batch: Batch) -> Result<SyncReport, Gone> {
        self.ask(|done| Job::Commit { batch, done }).await
    }

    /// Reads the block that holds a byte of a body.
    ///
    /// # Errors
    /// [`Gone`]; within, what the store found.
    pub async fn read(&self, body: BodyRef, offset: u64) -> Result<Result<Block, ReadError>, Gone> {
        self.ask(|done| Job::Read { body, offset, done }).await
    }

    /// Reads exactly `bytes` of a letter that `lmtp` has passed.
    ///
    /// # Errors
    /// [`Gone`]; within, why the letter can't be read.
    pub async fn read_letter(
        &self,
        letter: Arc<OwnedFd>,
        offset: u64,
        bytes: usize,
    ) -> Result<Result<Vec<u8>, letter::Unreadable>, Gone> {
        self.ask(|done| Job::Letter {
            letter,
            offset,
            bytes,
            done,
        })
        .await
    }

    /// Appends a piece to a pack, which is made by its first one.
    ///
    /// # Errors
    /// [`Gone`]; within, what the disk said: the pack is then removed.
    pub async fn write_pack(
        &self,
        id: PackId,
        piece: Piece,
    ) -> Result<Result<(), DiskError>, Gone> {
        self.ask(|done| Job::Pack { id, piece, done }).await
    }

    /// Makes a pack durable.
    ///
    /// # Errors
    /// [`Gone`]; within, what the disk said: the pack is then removed.
    pub async fn finish_pack(&self, id: PackId) -> Result<Result<PackedBody, DiskError>, Gone> {
        self.ask(|done| Job::FinishPack { id, done }).await
    }

    /// Removes a pack that nothing refers to.
    pub fn drop_pack(&self, id: PackId) {
        // If the thread has gone the next opening sweeps the pack away.
        let _ = self.jobs.send(Job::DropPack { id });
    }

    /// Reads chunks of a mailbox's index.
    ///
    /// # Errors
    /// [`Gone`]; within, what the disk said, or that a chunk is damaged.
    pub async fn fetch(&self, wish: Wish) -> Result<Result<Fetched, ReadError>, Gone> {
        self.ask(|done| Job::Fetch { wish, done }).await
    }

    /// Does one step of upkeep. A commit that is asked for meanwhile waits for
    /// this step and no other, for the next is asked for behind it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn step(&self, job: store::Job) -> Result<Stepped, Gone> {
        self.ask(|done| Job::Upkeep { job, done }).await
    }

    /// Writes into the notebook, and says when it is written.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn note(&self, note: Note) -> Result<(), Gone> {
        let job = |done| Job::Note {
            note,
            done: Some(done),
        };
        self.ask(job).await
    }

    /// Resolves when everything that was asked for before has been done.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn catch_up(&self) -> Result<(), Gone> {
        self.note(Note::default()).await
    }

    /// Writes into the notebook, some time.
    pub fn note_later(&self, note: Note) {
        let _ = self.jobs.send(Job::Note { note, done: None });
    }

    /// Has the cache's files read or written. If that can't be any more, the answer's
    /// sender is dropped.
    pub fn shelf(&self, ask: Ask) {
        // Without the thread nothing is known, which is an answer too.
        let _ = self.jobs.send(Job::Shelf(ask));
    }

    /// Removes every file of the account. From then on nothing is written any
    /// more: a commit or a step of upkeep that comes later is never answered.
    ///
    /// # Errors
    /// [`Gone`]; within, what the kernel said.
    pub async fn empty(&self) -> Result<Result<(), Errno>, Gone> {
        self.ask(|done| Job::Empty { done }).await
    }

    /// Repairs the account below the open store, to which nothing is written from
    /// then on.
    ///
    /// # Errors
    /// [`Gone`]; within, why it is not repaired.
    pub async fn repair(&self, account: AccountId) -> Result<Result<Report, Unrepaired>, Gone> {
        self.ask(|done| Job::Repair { account, done }).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Gone> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

struct Thread<D: Disk> {
    syncer: Syncer<D>,
    reader: BodyReader<D>,
    shelf: Shelf<D>,
    packs: Packs<D>,
    files: Files<D>,
    notebook: Notebook,
    root: OwnedFd,
    /// Who asked after the account was emptied, held unanswered.
    emptied: Option<Vec<Unanswered>>,
}

/// Who waits until the process ends.
#[expect(dead_code, reason = "held so that nobody is told")]
enum Unanswered {
    Commit(oneshot::Sender<SyncReport>),
    Step(oneshot::Sender<Stepped>),
}

impl<D: Disk> Thread<D> {
    fn run(mut self, queue: &Receiver<Job>, mut watchdog: Watchdog) {
        loop {
            match queue.recv_timeout(watchdog.round()) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            watchdog.look();
        }
    }

    /// Does one job. Whether its answer is still wanted doesn't matter.
    fn work(&mut self, job: Job) {
        match job {
            Job::Commit { batch, done } => self.commit(batch, done),
            Job::Read { body, offset, done } => answer(done, self.reader.block(&body, offset)),
            Job::Letter {
                letter,
                offset,
                bytes,
                done,
            } => answer(done, letter::read(&letter, offset, bytes)),
            Job::Pack { id, piece, done } => answer(done, self.packs.write(id, piece)),
            Job::FinishPack { id, done } => answer(done, self.packs.finish(id)),
            Job::DropPack { id } => self.packs.abandon(id),
            Job::Fetch { wish, done } => answer(done, self.files.fetch(&wish)),
            Job::Upkeep { job, done } => self.step(job, done),
            Job::Note { note, done } => {
                self.notebook.write(&note);
                done.into_iter().for_each(|done| answer(done, ()));
            }
            // What is being emptied gets no new file.
            Job::Shelf(ask) if self.emptied.is_none() => self.shelf.work(ask),
            Job::Shelf(_) => {}
            Job::Empty { done } => answer(done, self.empty()),
            Job::Repair { account, done } => answer(done, self.repair(account)),
        }
    }

    fn commit(&mut self, batch: Batch, done: oneshot::Sender<SyncReport>) {
        match &mut self.emptied {
            Some(unanswered) => unanswered.push(Unanswered::Commit(done)),
            None => answer(done, self.syncer.commit(batch)),
        }
    }

    fn step(&mut self, mut job: store::Job, done: oneshot::Sender<Stepped>) {
        match &mut self.emptied {
            Some(unanswered) => unanswered.push(Unanswered::Step(done)),
            None => {
                let stepped = job.step(&self.files);
                answer(done, (job, stepped));
            }
        }
    }

    fn empty(&mut self) -> Result<(), Errno> {
        self.emptied = Some(Vec::new());
        empty::empty(self.root.as_fd())
    }

    fn repair(&mut self, account: AccountId) -> Result<Report, Unrepaired> {
        self.emptied.get_or_insert_default();
        let root = self.root.try_clone();
        let root = root.map_err(|_| Unrepaired::Kernel(Errno::MFILE))?;
        repair::repair(root, account)
    }
}

fn answer<T>(to: oneshot::Sender<T>, answer: T) {
    // Nobody waits: the session that asked has ended.
    let _ = to.send(answer);
}

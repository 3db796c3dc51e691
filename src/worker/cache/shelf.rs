//! The disk thread's side of the cache: the files, and what is asked of them.
//!
//! Nothing here fails: an answer is what was found, or nothing.

use super::Rest;
use crate::cache::record::STAMP;
use journal::disk::Disk;
use message::Ties;
use rustix::io::Errno;
use store::{
    Coverage, Files, LetterCache, MessageId, Region, THREADS_KEY_BYTES, ThreadId, Threads, Tidy,
    Warm,
};
use tokio::sync::oneshot;

/// What the mail thread asks. An answer that nobody waits for any more is dropped.
pub enum Ask {
    /// To read a stretch of a file.
    Read {
        region: Region,
        done: oneshot::Sender<Warm>,
    },
    /// To keep gists; which were kept.
    Put {
        gists: Vec<(MessageId, Vec<u8>)>,
        now_secs: i64,
        done: oneshot::Sender<Vec<MessageId>>,
    },
    /// To begin to tidy up.
    Tidy { done: oneshot::Sender<Tidy> },
    /// To tidy one file.
    Sweep {
        tidy: Tidy,
        lowest: MessageId,
        now_secs: i64,
        done: oneshot::Sender<Rest>,
    },
    /// To find the thread of a letter.
    Find {
        ties: Ties,
        done: oneshot::Sender<Option<ThreadId>>,
    },
    /// To note the threads of letters, in this order.
    Note {
        letters: Vec<(Ties, ThreadId)>,
        done: oneshot::Sender<()>,
    },
    /// Whether the map of threads knows all letters.
    Coverage { done: oneshot::Sender<Coverage> },
    /// That it does.
    SetWhole { done: oneshot::Sender<bool> },
}

/// See the module.
pub struct Shelf<D: Disk> {
    letters: LetterCache<D>,
    threads: Threads<D>,
    key: [u8; THREADS_KEY_BYTES],
}

impl<D: Disk> Shelf<D> {
    /// The shelf of an account. Nothing is opened yet.
    ///
    /// # Errors
    /// The kernel has no randomness for a new map's key.
    pub fn new(files: &Files<D>) -> Result<Self, Errno> {
        Ok(Self {
            letters: files.letter_cache(),
            threads: files.threads(),
            key: ipc::identity::random()?,
        })
    }

    /// Does what is asked.
    pub fn work(&mut self, ask: Ask) {
        match ask {
            Ask::Read { region, done } => answer(done, self.letters.read(region)),
            Ask::Put {
                gists,
                now_secs,
                done,
            } => answer(done, self.put(gists, now_secs)),
            Ask::Tidy { done } => answer(done, self.letters.tidy()),
            Ask::Sweep {
                mut tidy,
                lowest,
                now_secs,
                done,
            } => {
                let swept = self.letters.sweep(&mut tidy, lowest, now_secs);
                answer(done, (swept, tidy));
            }
            Ask::Find { ties, done } => answer(done, self.threads.find(ties.ids())),
            Ask::Note { letters, done } => {
                self.note(&letters);
                answer(done, ());
            }
            Ask::Coverage { done } => answer(done, self.threads.coverage()),
            Ask::SetWhole { done } => answer(done, self.threads.set_whole(self.key)),
        }
    }

    fn put(&mut self, gists: Vec<(MessageId, Vec<u8>)>, now_secs: i64) -> Vec<MessageId> {
        let kept = gists
            .iter()
            .filter(|(id, gist)| self.letters.put(*id, STAMP, gist, now_secs));
        kept.map(|(id, _)| *id).collect()
    }

    fn note(&mut self, letters: &[(Ties, ThreadId)]) {
        for (ties, thread) in letters {
            // What can't be noted begins threads of its own.
            self.threads.note(ties.ids(), *thread, self.key);
        }
    }
}

fn answer<T>(to: oneshot::Sender<T>, answer: T) {
    // Nobody waits: the session that asked has ended.
    let _ = to.send(answer);
}

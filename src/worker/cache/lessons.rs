//! Letters that have just been kept, to be looked into while their bytes are still in
//! memory: many at once.
//!
//! Each look needs the disk thread: to note which letter may kill its reader, to keep
//! what it says, to show its ties to the map of threads. Mail comes in crowds, and a
//! crowd needs it three times, not three times for each letter. Nobody waits for any of
//! this: who asks for a letter before it was looked into looks himself.

use super::threads::{self, Joining};
use super::{gists, record};
use crate::account::Account;
use crate::holding::Held;
use crate::pace::Pace;
use crate::suspects::TOGETHER_MAX;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use store::{MessageId, ThreadId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// How long a letter waits for others. A client that is told of it at once and asks at
/// once looks into it itself, which takes well under a millisecond.
pub const WAIT: Duration = Duration::from_millis(250);

/// Letters that are learned together. More would not be learned faster.
const LETTERS_MAX: usize = 64;

const _: () = assert!(LETTERS_MAX <= TOGETHER_MAX, "they are noted together");

/// Bytes of letters that wait for each other: an eighth of what may be held, so that letters on their
/// way in find room.
const BYTES_MAX: u64 = crate::holding::HELD_BYTES_MAX / 8;

/// See the module. What waits belongs to the task that works, and ends with it.
#[derive(Default)]
pub struct Lessons(RefCell<Option<Work>>);

/// Where lessons are given, and who works them off.
struct Work {
    queue: UnboundedSender<Lesson>,
    worker: JoinHandle<()>,
}

impl Lessons {
    /// Has all that waits learned, without waiting for more: for a worker that leaves.
    /// The map of threads would never hear again of a letter that it wasn't shown.
    pub async fn finish(&self) {
        let work = self.0.take();
        if let Some(Work { queue, worker }) = work {
            drop(queue);
            let _ = worker.await;
        }
    }
}

/// Something to be learned.
enum Lesson {
    Letter(Letter),
    Ties(Joining, ThreadId),
}

/// A letter that was kept, with the room that its bytes take.
pub struct Letter {
    /// Its message.
    pub id: MessageId,
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its room.
    pub held: Held,
}

/// Has a letter looked into, behind the caller's back.
pub fn learn(account: &Rc<Account>, letter: Letter) {
    give(account, Lesson::Letter(letter));
}

/// Has a durable letter's ties noted in the map of threads, behind the caller's back.
/// Until then it is remembered as one on its way.
pub fn note(account: &Rc<Account>, letter: Joining, thread: ThreadId) {
    letter.was_kept();
    give(account, Lesson::Ties(letter, thread));
}

fn give(account: &Rc<Account>, lesson: Lesson) {
    let mut work = account.cache().lessons().0.borrow_mut();
    let work = work.get_or_insert_with(|| {
        let (queue, waiting) = unbounded_channel();
        let worker = tokio::task::spawn_local(work_off(Rc::clone(account), waiting));
        Work { queue, worker }
    });
    // The other end is there as long as this one.
    let _ = work.queue.send(lesson);
}

/// Works until nothing waits. Letters that wait are bounded by the room that they hold;
/// ties only by how long a crowd takes, so that nothing here may wait for a session.
async fn work_off(account: Rc<Account>, mut waiting: UnboundedReceiver<Lesson>) {
    loop {
        let crowd = Crowd::gather(&mut waiting).await;
        if crowd.is_empty() {
            account.cache().lessons().0.take();
            return;
        }
        look_into(&account, crowd.letters).await;
        show(&account, crowd.ties).await;
    }
}

/// What is learned together.
#[derive(Default)]
struct Crowd {
    letters: Vec<Letter>,
    bytes: u64,
    ties: Vec<(Joining, ThreadId)>,
}

impl Crowd {
    /// Whatever comes until [`WAIT`] is over, or it is enough.
    async fn gather(waiting: &mut UnboundedReceiver<Lesson>) -> Self {
        let mut crowd = Self::default();
        let end = Instant::now() + WAIT;
        while !crowd.is_enough()
            && let Ok(Some(lesson)) = timeout_at(end, waiting.recv()).await
        {
            crowd.push(lesson);
        }
        crowd
    }

    fn push(&mut self, lesson: Lesson) {
        match lesson {
            Lesson::Letter(letter) => {
                self.bytes = self.bytes.saturating_add(letter.held.bytes());
                self.letters.push(letter);
            }
            Lesson::Ties(letter, thread) => self.ties.push((letter, thread)),
        }
    }

    fn is_enough(&self) -> bool {
        let most = self.letters.len().max(self.ties.len());
        most >= LETTERS_MAX || self.bytes >= BYTES_MAX
    }

    fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.ties.is_empty()
    }
}

/// What the letters say goes to the cache. One that may have killed a reader is left
/// for whoever asks for it. So are all while somebody else looks through many: that may
/// take minutes, in which room would run out for letters on their way in, and ties
/// would gather that nothing bounds.
async fn look_into(account: &Rc<Account>, mut letters: Vec<Letter>) {
    letters.retain(|letter| !account.suspects().is_suspect(letter.id));
    if letters.is_empty() || account.suspects().has_many_noted() {
        return;
    }
    let ids = letters.iter().map(|letter| letter.id);
    let Ok(watch) = account.suspects().watch_all(account.disk(), ids).await else {
        return;
    };
    let mut learned = Vec::with_capacity(letters.len());
    let mut pace = Pace::new();
    for letter in letters {
        let gist = gists::of(&letter.bytes, &mut pace).await;
        learned.extend(record::encode(&gist).map(|record| (letter.id, record)));
        pace.breathe().await;
    }
    drop(watch);
    account.cache().put_all(account.disk(), learned).await;
}

async fn show(account: &Rc<Account>, ties: Vec<(Joining, ThreadId)>) {
    let (letters, notes): (Vec<Joining>, Vec<_>) = ties
        .into_iter()
        .map(|(letter, thread)| {
            let note = (letter.ties().clone(), thread);
            (letter, note)
        })
        .unzip();
    threads::show_all(account, notes).await;
    // Only now may they be forgotten as letters on their way.
    drop(letters);
}

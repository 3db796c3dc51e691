//! What is learned of letters once they are kept: their threads, for the map, and what
//! they say.
//!
//! Nobody waits for it, and it asks the disk thread for much. So it is done together
//! for the letters that come within [`GATHER`] of each other: their notes are one
//! note, and what was found is put away at once. What is lost with the process is
//! found again when somebody asks.

use super::gists::{self, Kept};
use super::threads::{self, Joining};
use crate::account::Account;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use store::ThreadId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long letters gather: at a thousand a second ten share the work, and a client
/// that is told of a letter seldom asks sooner.
pub const GATHER: Duration = Duration::from_millis(10);

/// Letters that are learned together: what is done for them on the disk thread keeps a
/// commit waiting for no longer than a millisecond.
const TOGETHER_MAX: usize = 32;

/// Something to learn. It lies with whoever learns, so that it goes with them; letters
/// are as many as have room in [`crate::holding`].
pub enum Lesson {
    /// A letter is durable in this thread.
    Thread(Joining, ThreadId),
    /// What a letter says.
    Letter(Kept),
}

/// The way to the task that learns, while there is one.
#[derive(Default)]
pub struct Lessons(RefCell<Option<UnboundedSender<Lesson>>>);

/// Has something learned, behind the caller's back.
pub fn give(account: &Rc<Account>, lesson: Lesson) {
    let mut way = account.cache().lessons.0.borrow_mut();
    let untaken = match &*way {
        Some(open) => open.send(lesson).err().map(|unsent| unsent.0),
        None => Some(lesson),
    };
    let Some(lesson) = untaken else {
        return;
    };
    let (sender, lessons) = unbounded_channel();
    // Its other end is at hand.
    let _ = sender.send(lesson);
    *way = Some(sender);
    tokio::task::spawn_local(learn(Rc::clone(account), lessons));
}

/// Learns until nothing has come for a while.
async fn learn(account: Rc<Account>, mut lessons: UnboundedReceiver<Lesson>) {
    let mut is_behind = false;
    loop {
        if !is_behind {
            tokio::time::sleep(GATHER).await;
        }
        let together = gathered(&mut lessons);
        if together.is_empty() && !is_behind {
            return;
        }
        is_behind = together.len() >= TOGETHER_MAX;
        take_in(&account, together).await;
    }
}

fn gathered(lessons: &mut UnboundedReceiver<Lesson>) -> Vec<Lesson> {
    let waiting = std::iter::from_fn(|| lessons.try_recv().ok());
    waiting.take(TOGETHER_MAX).collect()
}

async fn take_in(account: &Rc<Account>, together: Vec<Lesson>) {
    let (mut joined, mut letters) = (Vec::new(), Vec::new());
    for lesson in together {
        match lesson {
            Lesson::Thread(letter, thread) => joined.push((letter, thread)),
            Lesson::Letter(letter) => letters.push(letter),
        }
    }
    threads::note_all(account, joined).await;
    gists::learn(account, letters).await;
}

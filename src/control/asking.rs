//! Questions to another process and their answers, which may come in another
//! order: each question has a key, and the one who asked waits for it.
//!
//! When the process at the other end dies, every question is answered by
//! nothing, at once. Nobody waits longer than [`ANSWER_SECONDS_MAX`].

use ipc::channel::Fault;
use ipc::codec::Message;
use ipc_async::AsyncChannel;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long an answer may take. `auth` hashes a password in a tenth of a second
/// and may have a thousand before this one; a worker may have to be born.
pub const ANSWER_SECONDS_MAX: u64 = 120;

/// A process that answers.
pub struct Asking<Tx, Rx, K> {
    channel: RefCell<Option<Rc<AsyncChannel<Tx, Rx>>>>,
    waiting: RefCell<HashMap<K, oneshot::Sender<Rx>>>,
    key: fn(&Rx) -> K,
}

impl<Tx, Rx, K> Asking<Tx, Rx, K>
where
    Tx: Message + 'static,
    Rx: Message + 'static,
    K: Hash + Eq + Copy + 'static,
{
    /// Nobody there yet. `key` tells which question an answer is for.
    pub fn new(key: fn(&Rx) -> K) -> Self {
        Self {
            channel: RefCell::new(None),
            waiting: RefCell::new(HashMap::new()),
            key,
        }
    }

    /// Takes a new channel; an older one is closed, and what was asked over it is
    /// answered by nothing.
    pub fn connect(self: &Rc<Self>, socket: OwnedFd) -> Result<(), Fault> {
        let channel = Rc::new(AsyncChannel::adopt(socket)?);
        self.waiting.borrow_mut().clear();
        *self.channel.borrow_mut() = Some(Rc::clone(&channel));
        tokio::task::spawn_local(Rc::clone(self).hear(channel));
        Ok(())
    }

    /// Asks, and waits for the answer; `None` if none will come.
    pub async fn ask(&self, key: K, question: Tx) -> Option<Rx> {
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        self.ask_until(Instant::now() + limit, key, question).await
    }

    /// As [`Self::ask`], but no longer than this.
    pub async fn ask_until(&self, end: Instant, key: K, question: Tx) -> Option<Rx> {
        let answer = self.expect(key);
        self.send(question)?;
        let answered = tokio::time::timeout_at(end, answer).await;
        self.waiting.borrow_mut().remove(&key);
        answered.ok()?.ok()
    }

    fn expect(&self, key: K) -> oneshot::Receiver<Rx> {
        let (tell, answer) = oneshot::channel();
        self.waiting.borrow_mut().insert(key, tell);
        answer
    }

    fn send(&self, message: Tx) -> Option<()> {
        let channel = self.channel.borrow().clone()?;
        match channel.send(message) {
            Ok(()) => Some(()),
            Err(fault) => {
                tracing::warn!(%fault, "a process could not be asked");
                self.lose(&channel);
                None
            }
        }
    }

    async fn hear(self: Rc<Self>, channel: Rc<AsyncChannel<Tx, Rx>>) {
        loop {
            match channel.receive().await {
                Ok(Some(answer)) => self.tell(answer),
                Ok(None) => break,
                Err(fault) => {
                    tracing::error!(%fault, "a process broke the rules of its channel");
                    break;
                }
            }
        }
        self.lose(&channel);
    }

    fn tell(&self, answer: Rx) {
        let key = (self.key)(&answer);
        if let Some(tell) = self.waiting.borrow_mut().remove(&key) {
            // Who asked may have given up.
            let _nobody_waits = tell.send(answer);
        }
    }

    /// Forgets a channel, unless it has been replaced already.
    fn lose(&self, lost: &Rc<AsyncChannel<Tx, Rx>>) {
        let mut channel = self.channel.borrow_mut();
        if channel
            .as_ref()
            .is_some_and(|current| Rc::ptr_eq(current, lost))
        {
            *channel = None;
            self.waiting.borrow_mut().clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::messages;

    messages! {
        /// A test's direction.
        pub enum Note, at most 16, {
            1 => Number { value: u32, },
        }
    }

    type Numbers = Asking<Note, Note, u32>;

    fn numbers() -> Rc<Numbers> {
        Rc::new(Asking::new(|Note::Number { value }| *value))
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    #[test]
    fn answers_find_their_questions_in_any_order() {
        run(async {
            let asking = numbers();
            let (near, far) = ipc::channel::pair().unwrap();
            asking.connect(near).unwrap();
            let far: AsyncChannel<Note, Note> = AsyncChannel::adopt(far).unwrap();
            let answer = async {
                let first = far.receive().await.unwrap().unwrap();
                let second = far.receive().await.unwrap().unwrap();
                far.send(second).unwrap();
                far.send(first).unwrap();
                far.drain().await.unwrap();
            };
            let ask = |value| asking.ask(value, Note::Number { value });
            let (one, two, ()) = tokio::join!(ask(1), ask(2), answer);
            assert!(matches!(one, Some(Note::Number { value: 1 })));
            assert!(matches!(two, Some(Note::Number { value: 2 })));
        });
    }

    #[test]
    fn who_asks_a_process_that_dies_is_told_at_once() {
        run(async {
            let asking = numbers();
            let (near, far) = ipc::channel::pair().unwrap();
            asking.connect(near).unwrap();
            let far: AsyncChannel<Note, Note> = AsyncChannel::adopt(far).unwrap();
            let die = async {
                far.receive().await.unwrap();
                drop(far);
            };
            let (answer, ()) = tokio::join!(asking.ask(1, Note::Number { value: 1 }), die);
            assert!(answer.is_none());
            assert!(asking.ask(2, Note::Number { value: 2 }).await.is_none());
        });
    }
}

//! The quiet moments: all connections have their answers, nothing is on its way. Then
//! all of them, a fresh one, and the ledger must agree about everything.

use super::client::{Client, Step, Stop, locked};
use super::command::{Command, Item, Meant};
use super::ledger::Message;
use super::letter::Letter;
use super::picture::{Known, Picture};
use super::plan::{Account, DELIVERY, INSPECTOR, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where all threads of a run wait for each other. Once one has failed, nobody waits.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    threads: usize,
    here: usize,
    turn: u64,
    broken: bool,
}

impl Gate {
    /// For so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let gate = Self::default();
        locked(&gate.state).threads = threads;
        gate
    }

    /// Waits for all others; false if the run is over.
    pub fn pass(&self) -> bool {
        let mut state = locked(&self.state);
        let turn = state.turn;
        state.here += 1;
        if state.here == state.threads {
            (state.here, state.turn) = (0, turn + 1);
            self.changed.notify_all();
        }
        while state.turn == turn && !state.broken {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.broken
    }

    /// Rests for a while, unless the run is over.
    pub fn rest(&self, pause: Duration) {
        let goes_on = |state: &mut Waiting| !state.broken;
        let state = locked(&self.state);
        drop(self.changed.wait_timeout_while(state, pause, goes_on));
    }

    /// Lets everybody go: the run is over.
    pub fn break_open(&self) {
        locked(&self.state).broken = true;
        self.changed.notify_all();
    }

    /// Whether the run is over.
    pub fn is_broken(&self) -> bool {
        locked(&self.state).broken
    }
}

/// What connections have shown of themselves at a quiet moment.
pub type Board = Mutex<Vec<(u16, Picture)>>;

impl Client {
    /// Hears out what is in progress.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn fall_quiet(&mut self) -> Step {
        self.settle(0)
    }

    /// Asks for the last news, which is all that a client must do, and shows what it
    /// knows.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn show(&mut self, board: &Board) -> Step {
        if self.may_lose() && self.picture.is_some() && self.random.chance(2) {
            self.lose()?;
        }
        self.perform(Command::Noop)?;
        if let Some(picture) = &self.picture
            && !self.is_on_thin_ice()
        {
            locked(board).push((self.number, picture.clone()));
        }
        Ok(())
    }
}

/// Looks at everything through a fresh connection, and holds against it what all
/// connections know.
///
/// # Errors
/// [`Stop`]: what differs.
pub fn compare(plan: &Arc<Plan>, account: &Arc<Account>, board: &Board) -> Step {
    let mut inspector = Client::new(plan, account, INSPECTOR)?;
    let compared = inspect(&mut inspector, plan, account, board);
    compared.map_err(|stop| inspector.tell(stop))?;
    locked(board).clear();
    Ok(())
}

fn inspect(inspector: &mut Client, plan: &Plan, account: &Account, board: &Board) -> Step {
    for which in 0..3 {
        let mailbox = plan.shared(which);
        let truth = look(inspector, &mailbox)?;
        counts_agree(inspector, &mailbox, &truth)?;
        for (number, picture) in locked(board).iter() {
            if picture.place == truth.place {
                agree(picture, &truth).map_err(|why| {
                    Stop::Fault(format!("quiet: connection {number}, {mailbox}: {why}"))
                })?;
            }
        }
        with_ledger(account, &truth)
            .map_err(|why| Stop::Fault(format!("quiet: {mailbox}: {why}")))?;
    }
    Ok(())
}

/// A mailbox as it is.
fn look(inspector: &mut Client, mailbox: &str) -> Step<Picture> {
    inspector.open(mailbox.to_owned(), true)?;
    let meant = Meant {
        set: "1:*".into(),
        by_uid: true,
        from: Some(1),
        ..Meant::default()
    };
    let items = vec![Item::Flags, Item::Uid, Item::Name];
    inspector.perform(Command::Fetch { meant, items })?;
    inspector
        .picture
        .clone()
        .ok_or_else(|| Stop::Fault(format!("quiet: {mailbox} is gone")))
}

/// STATUS tells what a fresh look has found.
fn counts_agree(inspector: &mut Client, mailbox: &str, truth: &Picture) -> Step {
    inspector.perform(Command::Unselect)?;
    inspector.last_counts = None;
    inspector.perform(Command::Status {
        mailbox: mailbox.to_owned(),
        items: vec!["MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY"],
    })?;
    let counts = inspector.last_counts.take().unwrap_or_default();
    let seen = |known: &&Known| {
        known
            .flags
            .as_ref()
            .is_some_and(|flags| flags.contains("\\Seen"))
    };
    let unseen = truth.messages.len() - truth.messages.iter().filter(seen).count();
    let expected = [
        ("MESSAGES", truth.messages.len() as u64),
        ("UNSEEN", unseen as u64),
        ("UIDNEXT", truth.uid_next.into()),
        ("UIDVALIDITY", truth.place.1.into()),
    ];
    for (item, expected) in expected {
        if counts.get(item) != Some(&expected) {
            return Err(Stop::Fault(format!(
                "status: {item} of {mailbox} is {:?}, but a fresh look finds {expected}",
                counts.get(item)
            )));
        }
    }
    Ok(())
}

/// A connection's picture is what is there, as far as it was told.
fn agree(picture: &Picture, truth: &Picture) -> Result<(), String> {
    if picture.count() != truth.count() {
        return Err(format!(
            "{} messages are known, but there are {}",
            picture.count(),
            truth.count()
        ));
    }
    for ((known, true_one), number) in picture.messages.iter().zip(&truth.messages).zip(1..) {
        if known.uid.is_some() && known.uid != true_one.uid {
            return Err(format!(
                "message {number} is UID {:?}, not {:?}",
                true_one.uid, known.uid
            ));
        }
        if known.flags.is_some() && known.flags != true_one.flags {
            return Err(format!(
                "message {number} (UID {:?}) has {:?}, but {:?} was told",
                true_one.uid, true_one.flags, known.flags
            ));
        }
    }
    Ok(())
}

/// Nothing has come or gone of which nobody knows, and no change was lost.
fn with_ledger(account: &Account, truth: &Picture) -> Result<(), String> {
    let mut ledger = account.ledger();
    let now = ledger.now();
    let other = truth.has(&ledger.certain(&truth.place, now))?;
    if let Some(uid) = other.first() {
        return Err(format!(
            "UID {uid} is there with other flags than it was given"
        ));
    }
    let messages = ledger.messages(&truth.place);
    for (uid, message) in &messages {
        if message.gone.is_some() && !ledger.is_doomed(&truth.place, message) {
            return Err(format!("UID {uid} is gone, though nobody has removed it"));
        }
    }
    if truth.place.0 == "INBOX" {
        let delivered = ledger
            .delivered
            .difference(&ledger.removed)
            .copied()
            .collect();
        every_delivery_is_there(&delivered, &messages)?;
    }
    ledger.forget_gone(&truth.place);
    Ok(())
}

/// Each delivered letter came once, and is there unless somebody has removed it.
fn every_delivery_is_there(
    delivered: &BTreeSet<Letter>,
    messages: &BTreeMap<u32, Message>,
) -> Result<(), String> {
    let mut came: BTreeMap<Letter, u32> = BTreeMap::new();
    for message in messages.values().filter(|message| !message.copied) {
        if let Some(letter) = message.letter.filter(|letter| letter.owner == DELIVERY) {
            *came.entry(letter).or_default() += 1;
        }
    }
    let wrong = delivered.iter().find(|letter| came.get(letter) != Some(&1));
    match wrong {
        None => Ok(()),
        Some(letter) => Err(format!(
            "{letter} was delivered, and is there {:?} times",
            came.get(letter)
        )),
    }
}

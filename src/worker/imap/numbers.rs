//! Sequence numbers of a view, for whoever looks at it in steps.
//!
//! Between two steps others may expunge, and still no message of the view gets
//! another number. So what is gone is gathered once; each step adds what has gone
//! since, which is little, however much is held back.

use store::{Messages, Modseq, Numbering, Uid, View};

/// Rows of messages that a step may add: beyond it, all is gathered anew. So what
/// others expunge meanwhile makes no step long.
const LATER_ROWS_MAX: usize = 1024;

/// What the view's client believes to be there, and is gone.
#[derive(Debug, Default)]
pub struct Numbers {
    gathered: Option<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    /// Rows of UIDs, the lowest first.
    rows: Vec<Row>,
    /// What was expunged up to this is in them.
    up_to: Modseq,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    first: Uid,
    last: Uid,
    /// How many lie in the rows before.
    before: u32,
}

/// The numbers at one moment.
pub struct Now<'a> {
    gathered: &'a Gathered,
    later: Numbering<'a>,
    /// Nothing is gone that the client believes to be there.
    is_all_there: bool,
}

impl Numbers {
    /// For one step. The view's expunges must not have been told since the first.
    pub fn now<'a>(&'a mut self, messages: &Messages<'a>, view: &View) -> Now<'a> {
        let gathered = self
            .gathered
            .get_or_insert_with(|| Gathered::new(messages, view));
        let mut later = gathered.later(messages, view);
        let mut rows = later.ghosts().ranges().len();
        if rows > LATER_ROWS_MAX {
            *gathered = Gathered::new(messages, view);
            later = gathered.later(messages, view);
            rows = later.ghosts().ranges().len();
        }
        Now {
            is_all_there: rows == 0 && gathered.rows.is_empty(),
            gathered,
            later,
        }
    }
}

impl Gathered {
    fn new(messages: &Messages<'_>, view: &View) -> Self {
        let mut before = 0_u32;
        let ghosts = messages.numbering(view).ghosts();
        let rows = ghosts.ranges().iter().map(|uids| {
            let row = Row {
                first: uids.first,
                last: uids.last,
                before,
            };
            before = row.below(None);
            row
        });
        Self {
            rows: rows.collect(),
            up_to: messages.highest_modseq(),
        }
    }

    /// As if all that was gathered had been told.
    fn later<'a>(&self, messages: &Messages<'a>, view: &View) -> Numbering<'a> {
        messages.numbering(&View {
            told_expunged: self.up_to,
            ..*view
        })
    }

    /// How many of them are below a UID.
    fn below(&self, uid: Uid) -> u32 {
        let begun = self.rows.partition_point(|row| row.first < uid);
        let row = begun.checked_sub(1).and_then(|at| self.rows.get(at));
        row.map_or(0, |row| row.below(Some(uid)))
    }
}

impl Row {
    /// How many up to here are below a UID that is above the first; by default all.
    fn below(&self, uid: Option<Uid>) -> u32 {
        let end = self.last.get().saturating_add(1);
        let end = uid.map_or(end, |uid| end.min(uid.get()));
        let within = end.saturating_sub(self.first.get());
        self.before.saturating_add(within)
    }
}

impl Now<'_> {
    /// The sequence number of a message that is there; `None` if the client doesn't
    /// know it.
    pub fn seq_of(&self, uid: Uid) -> Option<u32> {
        let seq = self.later.seq_of(uid)?;
        seq.checked_add(self.gathered.below(uid))
    }

    /// The same for the message that is so many of those that are there behind one that
    /// has the number `before`: where nothing is gone, that needs no looking.
    pub fn seq_behind(&self, before: Option<u32>, further: u32, uid: Uid) -> Option<u32> {
        match before {
            Some(before) if self.is_all_there => before.checked_add(further),
            _ => self.seq_of(uid),
        }
    }

    /// The UID of a sequence number, whether its message is there or gone; `None`
    /// beyond the last.
    pub fn uid_at(&self, sequence: u32) -> Option<Uid> {
        let rows = &self.gathered.rows;
        let begun = rows.partition_point(|row| self.seq_of_gone(row.first) <= sequence);
        let Some(row) = begun.checked_sub(1).and_then(|at| rows.get(at)) else {
            return self.later.uid_at(sequence);
        };
        let within = sequence.checked_sub(self.seq_of_gone(row.first))?;
        let uid = row.first.get().saturating_add(within);
        match uid <= row.last.get() {
            true => Uid::new(uid),
            false => self.later.uid_at(sequence.checked_sub(row.below(None))?),
        }
    }

    /// The sequence number of a message that the client knows and that is gone.
    pub fn seq_of_gone(&self, uid: Uid) -> u32 {
        let there = u32::try_from(self.later.known_below(uid)).unwrap_or(u32::MAX);
        let below = there.saturating_add(self.gathered.below(uid));
        below.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Inbox;
    use proptest::prelude::*;

    /// Whether each message, there or gone, has the number that the store gives it.
    fn agrees(inbox: &Inbox, view: &View, numbers: &mut Numbers) -> bool {
        let handle = inbox.handle();
        let messages = inbox.store.messages(&handle).unwrap();
        let now = numbers.now(&messages, view);
        let mut there = messages.iter().map(store::Entry::uid);
        let ghosts = messages.changes(view).expunged;
        let mut sequences = 0..=messages.exists(view).saturating_add(1);
        sequences.all(|at| now.uid_at(at) == messages.uid_at(view, at))
            && there.all(|uid| now.seq_of(uid) == messages.seq_of(view, uid))
            && ghosts
                .iter()
                .all(|(seq, uid)| now.seq_of_gone(*uid) == *seq)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_is_expunged_between_the_steps_numbers_are_the_views(
            known in 1_usize..20,
            gone in prop::collection::vec(prop::collection::vec(1_u32..25, 0..4), 1..6),
        ) {
            let mut inbox = Inbox::new();
            inbox.append(known);
            let view = inbox.view();
            inbox.remove(&[2, 3, 7]);
            inbox.append(2);
            let mut numbers = Numbers::default();
            prop_assert!(agrees(&inbox, &view, &mut numbers));
            for some in gone {
                inbox.remove(&some);
                prop_assert!(agrees(&inbox, &view, &mut numbers));
            }
        }
    }

    /// Else a step would take as long as all that is held back makes it.
    #[test]
    fn a_step_gathers_what_has_gone_since_the_first_and_nothing_else() {
        let mut inbox = Inbox::new();
        inbox.append(100);
        let view = inbox.view();
        (1..=40).for_each(|at| inbox.remove(&[2 * at]));
        let mut numbers = Numbers::default();
        assert!(agrees(&inbox, &view, &mut numbers));
        for since in 0..3 {
            let handle = inbox.handle();
            let messages = inbox.store.messages(&handle).unwrap();
            let now = numbers.now(&messages, &view);
            assert_eq!(now.later.ghosts().ranges().len(), since as usize);
            assert_eq!(now.gathered.rows.len(), 40);
            inbox.remove(&[1 + 4 * since]);
        }
    }

    #[test]
    fn who_expunges_much_meanwhile_has_it_gathered_once_more() {
        let mut inbox = Inbox::new();
        let rows = LATER_ROWS_MAX as u32 + 1;
        inbox.append(2 * rows as usize);
        let view = inbox.view();
        let mut numbers = Numbers::default();
        assert!(agrees(&inbox, &view, &mut numbers));
        inbox.remove(&(1..=rows).map(|at| 2 * at).collect::<Vec<_>>());
        assert!(agrees(&inbox, &view, &mut numbers));
        let gathered = numbers.gathered.unwrap();
        assert_eq!(gathered.rows.len(), rows as usize);
    }
}

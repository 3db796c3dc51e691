//! Several sessions look at one mailbox. Each client is a plain list of UIDs that
//! believes what it is told; after every announcement its list must be the one
//! that the server thinks it has, and in the end the mailbox's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{append, done, flags, inbox, new_account, range, uid};
use journal::sim::{Random, SimDisk};
use store::{Entry, FlagAction, FlagChange, Messages, Opened, SystemFlags, Uid, UidRange, View};

/// A client: what it was told, in the order of sequence numbers.
struct Client {
    view: View,
    told: Vec<(Uid, SystemFlags)>,
}

impl Client {
    fn select(messages: &Messages<'_>) -> Self {
        Self {
            view: messages.view(),
            told: messages
                .iter()
                .map(|e| (e.uid(), e.system_flags()))
                .collect(),
        }
    }

    /// As an IMAP server does it: EXPUNGE, then EXISTS, then FETCH.
    fn update(&mut self, messages: &Messages<'_>, with_expunges: bool) {
        let changes = messages.changes(&self.view);
        if with_expunges {
            for (sequence, uid) in &changes.expunged {
                let (gone, _) = self.told.remove(*sequence as usize - 1);
                assert_eq!(gone, *uid, "the wrong message was expunged");
            }
            self.view = messages.announce_all(self.view);
        } else {
            self.view = messages.announce_no_expunges(self.view);
        }
        let exists = messages.exists(&self.view) as usize;
        assert!(exists >= self.told.len(), "EXISTS fell");
        for sequence in self.told.len() + 1..=exists {
            let uid = messages.uid_at(&self.view, sequence as u32).unwrap();
            let flags = messages.get(uid).map(Entry::system_flags);
            self.told.push((uid, flags.unwrap_or_default()));
        }
        for uid in changes.flagged {
            let sequence = messages.seq_of(&self.view, uid).unwrap() as usize;
            self.told[sequence - 1].1 = messages.get(uid).unwrap().system_flags();
        }
        self.agree(messages);
    }

    /// Both ends count alike.
    fn agree(&self, messages: &Messages<'_>) {
        assert_eq!(messages.exists(&self.view) as usize, self.told.len());
        for ((uid, _), sequence) in self.told.iter().zip(1..) {
            assert_eq!(messages.uid_at(&self.view, sequence), Some(*uid));
            assert_eq!(messages.seq_of(&self.view, *uid), Some(sequence));
        }
        let beyond = self.told.len() as u32 + 1;
        assert_eq!(messages.uid_at(&self.view, beyond), None);
        assert_eq!(messages.uid_at(&self.view, 0), None);
    }
}

/// What is looked at from somewhere on, or only counted, is what is there.
fn agrees_with_itself(messages: &Messages<'_>, view: &View, random: &mut Random) {
    let next = u64::from(messages.uid_next().get());
    let from = uid(1 + random.below(next) as u32);
    let all: Vec<&Entry> = messages.iter().filter(|e| e.uid() >= from).collect();
    let changed = all.iter().filter(|entry| entry.modseq() > view.told);
    let found = messages.changed_from(from, view.told);
    assert!(found.map(Entry::uid).eq(changed.map(|entry| entry.uid())));
    let last = uid(from.get() + random.below(6) as u32);
    let counted = messages.count_in(UidRange { first: from, last });
    let there = all.iter().filter(|entry| entry.uid() <= last);
    assert_eq!(counted, there.count());
    let mut ghosts = messages.numbering(view).ghosts();
    let expunged = messages.changes(view).expunged;
    let downwards = std::iter::from_fn(|| ghosts.pop_last());
    assert!(downwards.eq(expunged.iter().map(|(_, uid)| *uid)));
}

fn some_change(opened: &mut Opened<SimDisk>, random: &mut Random) {
    let inbox = inbox(&opened.store);
    let next = opened.store.status(&inbox).unwrap().uid_next.get();
    let first = 1 + random.below(u64::from(next)) as u32;
    let some = range(first, first + random.below(4) as u32);
    let store = &mut opened.store;
    let asked = match random.below(5) {
        0 | 1 => append(store, &inbox, b"letter", &flags(SystemFlags::NONE, &[])),
        2 => store.remove(&inbox, &some),
        3 => store.move_to(&inbox, &some, &inbox),
        _ => {
            let change = FlagChange {
                action: FlagAction::Replace,
                flags: flags(SystemFlags::of_bits(random.below(32) as u8).unwrap(), &[]),
                unchanged_since: None,
            };
            store.set_flags(&inbox, &some, &change)
        }
    };
    let _ = done(opened, asked);
}

#[test]
fn every_client_sees_every_change_in_order_with_right_sequence_numbers() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut opened = new_account();
        let inbox = inbox(&opened.store);
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..40 {
            (0..random.below(3)).for_each(|_| some_change(&mut opened, &mut random));
            let messages = opened.store.messages(&inbox).unwrap();
            if clients.len() < 3 {
                clients.push(Client::select(&messages));
            }
            let n = random.below(clients.len() as u64) as usize;
            agrees_with_itself(&messages, &clients[n].view, &mut random);
            clients[n].update(&messages, random.chance(2));
        }
        let messages = opened.store.messages(&inbox).unwrap();
        let all: Vec<_> = messages
            .iter()
            .map(|e| (e.uid(), e.system_flags()))
            .collect();
        for client in &mut clients {
            client.update(&messages, true);
            assert_eq!(client.told, all, "seed {seed}");
            assert!(messages.changes(&client.view).is_empty());
        }
    }
}

#[test]
fn an_expunged_message_that_is_not_yet_announced_keeps_its_sequence_number() {
    let mut opened = new_account();
    let inbox = inbox(&opened.store);
    for _ in 0..4 {
        let asked = append(
            &mut opened.store,
            &inbox,
            b"x",
            &flags(SystemFlags::NONE, &[]),
        );
        done(&mut opened, asked).unwrap();
    }
    let view = opened.store.messages(&inbox).unwrap().view();
    let asked = opened.store.remove(&inbox, &range(2, 3));
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&inbox).unwrap();
    assert_eq!(messages.seq_of(&view, uid(2)), Some(2));
    assert!(messages.get(uid(2)).is_none());
    assert_eq!(messages.seq_of(&view, uid(4)), Some(4));
    assert_eq!(messages.changes(&view).expunged, [(3, uid(3)), (2, uid(2))]);
    let told = messages.announce_all(view);
    assert_eq!(messages.seq_of(&told, uid(4)), Some(2));
    assert_eq!(messages.seq_of(&told, uid(2)), None);
}

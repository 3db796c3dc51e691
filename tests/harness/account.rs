//! An account's directory without its set: opened by the store itself, in this
//! process, with both of its threads in one hand.

use journal::disk::OsDisk;
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use store::{
    APPLY_STEP, AccountId, Fatal, Flags, InternalDate, MailboxHandle, MailboxId, MailboxName,
    NewBody, NewMessage, OpenError, Opened, Opening, Place, Principal, Progress, QuotaLimits,
    Refusal, Settled, Store, Ticket, UidRange, Urgency,
};

/// Now: any time.
const SECS: i64 = 1_700_000_000;

/// An opened account.
#[derive(Debug)]
pub struct Account {
    /// The store.
    pub opened: Opened<OsDisk>,
    /// When the next letter arrives.
    arrives: i64,
}

/// Why an account could not be opened.
pub type Failure = OpenError;

impl Account {
    /// Opens what lies in a directory, or founds an account there.
    ///
    /// # Errors
    /// What the store says.
    ///
    /// # Panics
    /// If there is no such directory.
    pub fn open(directory: &Path, account: u32) -> Result<Self, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(directory, flags, Mode::empty());
        let root = root.unwrap_or_else(|errno| panic!("{}: {errno}", directory.display()));
        let opening = Opening {
            account: AccountId(account),
            writer: u64::from(std::process::id()) << 32 | 0x6d61_696c,
            now_secs: SECS,
            letter_bytes_max: 1 << 30,
            folders: &[],
            quota: QuotaLimits::default(),
        };
        let opened = Store::open(&OsDisk::new(root), &opening)?;
        Ok(Self {
            opened,
            arrives: SECS,
        })
    }

    /// Opens a mailbox, which is made if it isn't there.
    ///
    /// # Panics
    /// If that is refused.
    pub fn mailbox(&mut self, path: &[&str]) -> MailboxHandle {
        let name = MailboxName::new(path.iter().copied()).expect("a name");
        if let Ok(mailbox) = self.opened.store.open_mailbox(&Principal::Owner, &name) {
            return mailbox;
        }
        let asked = self.opened.store.create(&Principal::Owner, &name, None);
        self.done(asked);
        let made = self.opened.store.open_mailbox(&Principal::Owner, &name);
        made.expect("it was just made")
    }

    /// INBOX.
    ///
    /// # Panics
    /// Never: it is always there.
    #[must_use]
    pub fn inbox(&self) -> MailboxHandle {
        let store = &self.opened.store;
        let inbox = store.open_by_id(&Principal::Owner, MailboxId::INBOX);
        inbox.expect("there is always an INBOX")
    }

    /// Adds letters to a mailbox in one change, which arrived a second after each other.
    ///
    /// # Panics
    /// If that is refused, or the disk fails.
    pub fn append(&mut self, mailbox: &MailboxHandle, letters: &[Vec<u8>]) {
        let flags = Flags::default();
        let flags = &flags;
        let places = [Place { mailbox, flags }];
        let messages: Vec<NewMessage<'_>> = letters
            .iter()
            .zip(self.arrives..)
            .map(|(letter, secs)| NewMessage {
                places: &places,
                date: InternalDate {
                    secs,
                    offset_minutes: 0,
                },
                body: NewBody::Inline(letter),
                thread: None,
            })
            .collect();
        self.arrives += letters.len() as i64;
        let asked = self.opened.store.append(&messages);
        self.done(asked);
    }

    /// Adds a letter by way of a pack.
    ///
    /// # Panics
    /// If that is refused, or the disk fails.
    pub fn append_packed(&mut self, mailbox: &MailboxHandle, letter: &[u8]) {
        let pack = self.opened.store.reserve_pack();
        let mut writer = self.opened.files.pack_writer(pack).expect("a pack");
        writer.write(letter).expect("room for a letter");
        let body = writer.finish().expect("a whole pack");
        let flags = &Flags::default();
        let asked = self.opened.store.append(&[NewMessage {
            places: &[Place { mailbox, flags }],
            date: InternalDate {
                secs: SECS,
                offset_minutes: 0,
            },
            body: NewBody::Packed(&body),
            thread: None,
        }]);
        self.done(asked);
    }

    /// Expunges messages.
    ///
    /// # Panics
    /// If that is refused, or the disk fails.
    pub fn remove(&mut self, mailbox: &MailboxHandle, uids: &[UidRange]) {
        self.load(mailbox);
        let asked = self.opened.store.remove(mailbox, uids);
        self.done(asked);
    }

    /// Fetches a mailbox's chunks.
    ///
    /// # Panics
    /// If the disk fails.
    pub fn load(&mut self, mailbox: &MailboxHandle) {
        while let Some(wish) = self.opened.store.wish(mailbox).expect("it is there") {
            let fetched = self.opened.files.fetch(&wish).expect("its chunks");
            self.opened.store.take_in(fetched);
        }
    }

    /// Every letter of a mailbox, read.
    ///
    /// # Panics
    /// If one can't be read.
    pub fn letters(&mut self, mailbox: &MailboxHandle) -> Vec<Vec<u8>> {
        self.load(mailbox);
        let messages = self.opened.store.messages(mailbox).expect("it is loaded");
        let mut reader = self.opened.files.reader();
        let letters = messages.iter().map(|entry| {
            let mut letter = vec![0; entry.size() as usize];
            let read = reader.read(&messages.body(entry), 0, &mut letter);
            assert_eq!(read, Ok(letter.len()), "UID {}", entry.uid().get());
            letter
        });
        letters.collect()
    }

    fn done(&mut self, asked: Result<Ticket, Refusal>) {
        let ticket = asked.expect("it is possible");
        let settled = self.commit().expect("the disk works");
        let last = settled.last().expect("one change");
        assert!(last.ticket == ticket && last.outcome.is_ok(), "{last:?}");
    }

    /// Writes and applies what is pending.
    ///
    /// # Errors
    /// What the disk said.
    pub fn commit(&mut self) -> Result<Vec<Settled>, Fatal> {
        let mut settled = Vec::new();
        while let Some(batch) = self.opened.store.take_batch() {
            let report = self.opened.syncer.commit(batch);
            self.opened.store.settle(report)?;
            loop {
                let applied = self.opened.store.apply(APPLY_STEP)?;
                settled.extend(applied.settled);
                if !applied.more {
                    break;
                }
            }
        }
        Ok(settled)
    }

    /// Does all upkeep that is due, and how many jobs that were.
    ///
    /// # Panics
    /// If the disk fails.
    pub fn keep_up(&mut self, urgency: Urgency) -> u32 {
        let mut jobs = 0;
        loop {
            let _ = self.commit().expect("the disk works");
            let Some(mut job) = self.opened.store.upkeep(SECS, urgency) else {
                return jobs;
            };
            jobs += 1;
            let report = loop {
                match job.step(&self.opened.files).expect("the disk works") {
                    Progress::More => {}
                    Progress::Done(report) => break report,
                }
            };
            self.opened.store.finish(report);
            while self.opened.store.finish_step(SECS) {}
        }
    }

    /// Ends as a worker that leaves does.
    ///
    /// # Panics
    /// If the disk fails.
    pub fn leave(mut self) {
        self.keep_up(Urgency::Leaving);
        while self.opened.store.quiet().expect("the disk works") {
            let _ = self.commit().expect("the disk works");
        }
    }
}

/// A letter by its number, of some hundred bytes.
#[must_use]
pub fn letter(number: u32) -> Vec<u8> {
    let text = format!("a letter with the number {number}\r\n").repeat(10);
    format!("Subject: {number}\r\n\r\n{text}").into_bytes()
}

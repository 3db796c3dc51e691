//! A store on a simulated disk, with both threads in one hand.

use journal::disk::Disk;
use journal::sim::SimDisk;
use store::{
    APPLY_STEP, AccountId, Fatal, Flags, InternalDate, Keyword, MailboxHandle, MailboxName,
    NewBody, NewMessage, OpenError, Opened, Opening, Outcome, Place, Principal, QuotaLimits,
    Refusal, Settled, Store, SystemFlags, Ticket, Uid, UidRange,
};

pub const OWNER: &Principal = &Principal::Owner;

pub const DATE: InternalDate = InternalDate {
    secs: 1_700_000_000,
    offset_minutes: 60,
};

pub fn opening() -> Opening<'static> {
    Opening {
        account: AccountId(7),
        writer: 0xfeed_beef_0bad_cafe,
        now_secs: 1_700_000_000,
        letter_bytes_max: 1 << 20,
        quota: QuotaLimits::default(),
        folders: &[],
    }
}

pub fn open<D: Disk>(root: &D) -> Result<Opened<D>, OpenError> {
    Store::open(root, &opening())
}

pub fn new_account() -> Opened<SimDisk> {
    open(&SimDisk::new(1)).unwrap()
}

pub fn name(path: &str) -> MailboxName {
    MailboxName::new(path.split('/')).unwrap()
}

pub fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

/// All UIDs, or one.
pub fn range(first: u32, last: u32) -> Vec<UidRange> {
    vec![UidRange {
        first: uid(first),
        last: uid(last),
    }]
}

pub fn flags(system: SystemFlags, keywords: &[&str]) -> Flags {
    Flags {
        system,
        keywords: keywords
            .iter()
            .map(|keyword| Keyword::new(keyword).unwrap())
            .collect(),
    }
}

/// Sends what has gathered to the disk and takes in what came of it.
pub fn commit<D: Disk>(opened: &mut Opened<D>) -> Result<Vec<Settled>, Fatal> {
    match opened.store.take_batch() {
        None => Ok(Vec::new()),
        Some(batch) => {
            let report = opened.syncer.commit(batch);
            opened.store.settle(report)?;
            apply(&mut opened.store)
        }
    }
}

/// Applies all that the disk has.
pub fn apply(store: &mut Store) -> Result<Vec<Settled>, Fatal> {
    let mut settled = Vec::new();
    loop {
        let applied = store.apply(APPLY_STEP)?;
        settled.extend(applied.settled);
        if !applied.more {
            return Ok(settled);
        }
    }
}

/// Waits for one change: its outcome.
pub fn done<D: Disk>(
    opened: &mut Opened<D>,
    asked: Result<Ticket, Refusal>,
) -> Result<Outcome, Refusal> {
    let ticket = asked?;
    let mut settled = commit(opened).unwrap();
    let last = settled.pop().unwrap();
    assert_eq!(last.ticket, ticket);
    last.outcome
}

pub fn inbox(store: &Store) -> MailboxHandle {
    store.open_mailbox(OWNER, &name("INBOX")).unwrap()
}

/// Prepares an append of one letter.
pub fn append(
    store: &mut Store,
    mailbox: &MailboxHandle,
    bytes: &[u8],
    flags: &Flags,
) -> Result<Ticket, Refusal> {
    store.append(&[NewMessage {
        places: &[Place { mailbox, flags }],
        date: DATE,
        body: NewBody::Inline(bytes),
        thread: None,
    }])
}

/// Makes a mailbox and opens it.
pub fn create<D: Disk>(opened: &mut Opened<D>, path: &str) -> MailboxHandle {
    let asked = opened.store.create(OWNER, &name(path), None);
    done(opened, asked).unwrap();
    opened.store.open_mailbox(OWNER, &name(path)).unwrap()
}

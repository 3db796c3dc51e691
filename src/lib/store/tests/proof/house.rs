//! A store on a simulated disk, with both of its threads in one hand.

use super::model::{
    Account, Annotations, Change, Mailbox, Marks, Message, Path, letter_bytes, letter_len,
};
use journal::OpenError as JournalError;
use journal::sim::{Random, SimDisk};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    AccountId, Annotated, AnnotationName, Fatal, FlagChange, Flags, Folder, Grantee,
    INLINE_BODY_BYTES_MAX, InternalDate, Keyword, MailboxHandle, MailboxName, Messages, NewBody,
    NewMessage, OpenError, Opened, Opening, PackedBody, Place, Principal, QuotaLimits, ReadError,
    Refusal, Rights, SpecialUse, Store, SystemFlags, ThreadId, Ticket, Uid, UidRange,
};

pub const OWNER: &Principal = &Principal::Owner;

/// Opens the tests' account.
pub fn open(root: &SimDisk) -> Result<Opened<SimDisk>, OpenError> {
    let sent = Folder {
        name: MailboxName::new(["Sent"]).unwrap(),
        special_use: Some(SpecialUse::Sent),
        subscribed: true,
    };
    let opening = Opening {
        account: AccountId(7),
        writer: 0xfeed_beef_0bad_cafe,
        now_secs: 1_700_000_000,
        letter_bytes_max: 1 << 20,
        folders: &[sent],
        quota: QuotaLimits::default(),
    };
    Store::open(root, &opening)
}

/// Whether an account didn't open because the disk failed, not because of what
/// is on it.
pub fn is_of_the_disk(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Disk(_)
            | OpenError::Journal(JournalError::Disk(_))
            | OpenError::Chunk(ReadError::Disk(_))
            | OpenError::NotBegun(Refusal::NoSpace)
            | OpenError::Fatal(Fatal::Disk(_))
    )
}

pub fn name(path: &Path) -> MailboxName {
    MailboxName::new(path.iter().map(String::as_str)).unwrap()
}

fn handle(store: &Store, path: &Path) -> Result<MailboxHandle, Refusal> {
    store.open_mailbox(OWNER, &name(path))
}

/// Every mailbox that there is, by its id.
pub fn mailboxes(store: &Store) -> Vec<(Path, MailboxHandle)> {
    store
        .list(OWNER)
        .map(|listed| {
            let handle = store.open_by_id(OWNER, listed.id).unwrap();
            (listed.name.components().to_vec(), handle)
        })
        .collect()
}

/// Fetches what of a mailbox is not in memory.
pub fn load(opened: &mut Opened<SimDisk>, mailbox: &MailboxHandle) -> Result<(), ReadError> {
    while let Some(wish) = opened.store.wish(mailbox).unwrap() {
        let fetched = opened.files.fetch(&wish)?;
        opened.store.take_in(fetched);
    }
    Ok(())
}

/// Asks for a change, and again with what it needs in memory.
pub fn ask(
    opened: &mut Opened<SimDisk>,
    change: &Change,
    packed: &[Option<PackedBody>],
) -> Result<Result<Ticket, Refusal>, ReadError> {
    match prepare(&mut opened.store, change, packed) {
        Err(Refusal::NotLoaded) => {}
        asked => return Ok(asked),
    }
    if let Change::SetFlags { mailbox: from, .. }
    | Change::Expunge { mailbox: from, .. }
    | Change::Replace { mailbox: from, .. }
    | Change::ClaimRecent { mailbox: from, .. }
    | Change::Transfer { from, .. }
    | Change::Rename(from, _) = change
        && let Ok(source) = handle(&opened.store, from)
    {
        load(opened, &source)?;
    }
    let asked = prepare(&mut opened.store, change, packed);
    assert_ne!(asked, Err(Refusal::NotLoaded), "{change:?}: it was loaded");
    Ok(asked)
}

fn prepare(
    store: &mut Store,
    change: &Change,
    packed: &[Option<PackedBody>],
) -> Result<Ticket, Refusal> {
    match change {
        Change::Append { letters, places } => {
            new_letters(store, letters, places, packed, Store::append)
        }
        Change::Replace { .. } => replace(store, change, packed),
        Change::SetFlags {
            mailbox,
            uids,
            action,
            marks,
            unchanged_since,
        } => {
            let change = FlagChange {
                action: *action,
                flags: flags(marks),
                unchanged_since: unchanged_since.map(store::Modseq),
            };
            store.set_flags(&handle(store, mailbox)?, &ranges(uids), &change)
        }
        Change::Expunge {
            mailbox,
            uids,
            only_deleted,
        } => {
            let mailbox = handle(store, mailbox)?;
            match only_deleted {
                true => store.expunge(&mailbox, Some(&ranges(uids))),
                false => store.remove(&mailbox, &ranges(uids)),
            }
        }
        Change::Transfer {
            from,
            to,
            uids,
            moving,
        } => {
            let (from, to) = (handle(store, from)?, handle(store, to)?);
            match moving {
                true => store.move_to(&from, &ranges(uids), &to),
                false => store.copy(&from, &ranges(uids), &to),
            }
        }
        Change::ClaimRecent { mailbox, .. } => store.claim_recent(&handle(store, mailbox)?),
        Change::Create(path) => store.create(OWNER, &name(path), None),
        Change::Delete(path) => store.delete(OWNER, &name(path)),
        Change::Rename(from, to) => store.rename(OWNER, &name(from), &name(to)),
        Change::Subscribe(path) => store.subscribe(OWNER, &name(path)),
        Change::Unsubscribe(path) => store.unsubscribe(OWNER, &name(path)),
        Change::SetAcl(path, grantee, rights) => {
            let grantee = match grantee {
                0 => Grantee::Anyone,
                account => Grantee::Account(AccountId(*account)),
            };
            let rights = Rights::of_bits(*rights).unwrap();
            store.set_acl(&handle(store, path)?, grantee, rights)
        }
        Change::Annotate(path, news) => annotate(store, path.as_ref(), news),
        Change::RaiseEpoch(epoch) => store.raise_epoch(*epoch),
        Change::SetQuota(quota) => store.set_quota(*quota),
        Change::Rewound => store.rewound(),
    }
}

fn replace(
    store: &mut Store,
    change: &Change,
    packed: &[Option<PackedBody>],
) -> Result<Ticket, Refusal> {
    let Change::Replace {
        letter,
        to,
        marks,
        mailbox,
        old,
    } = change
    else {
        panic!("{change:?} replaces nothing");
    };
    let (letters, places) = ([(*letter, None)], [(to.clone(), marks.clone())]);
    let (mailbox, old) = (handle(store, mailbox)?, Uid::new(*old).unwrap());
    new_letters(store, &letters, &places, packed, |store, letters| {
        store.replace(letters, &mailbox, old)
    })
}

fn annotate(
    store: &mut Store,
    path: Option<&Path>,
    news: &BTreeMap<String, Option<Vec<u8>>>,
) -> Result<Ticket, Refusal> {
    let new = |(name, value): (&String, &Option<Vec<u8>>)| {
        let value = value.as_deref().map(Into::into);
        (AnnotationName::new(name).unwrap(), value)
    };
    let news: Vec<_> = news.iter().map(new).collect();
    match path {
        Some(path) => {
            let handle = handle(store, path)?;
            store.annotate(Annotated::Mailbox(&handle), &news)
        }
        None => store.annotate(Annotated::Account(OWNER), &news),
    }
}

fn new_letters(
    store: &mut Store,
    letters: &[(u64, Option<u64>)],
    places: &[(Path, Marks)],
    packed: &[Option<PackedBody>],
    ask: impl FnOnce(&mut Store, &[NewMessage<'_>]) -> Result<Ticket, Refusal>,
) -> Result<Ticket, Refusal> {
    let mut opened = Vec::new();
    for (path, marks) in places {
        opened.push((handle(store, path)?, flags(marks)));
    }
    let places = opened.iter();
    let places: Vec<_> = places
        .map(|(mailbox, flags)| Place { mailbox, flags })
        .collect();
    let bytes: Vec<_> = letters
        .iter()
        .map(|(letter, _)| letter_bytes(*letter))
        .collect();
    let messages: Vec<NewMessage<'_>> = letters
        .iter()
        .zip(&bytes)
        .zip(packed)
        .map(|(((letter, thread), bytes), packed)| NewMessage {
            places: &places,
            date: date(*letter),
            body: packed
                .as_ref()
                .map_or(NewBody::Inline(bytes), NewBody::Packed),
            thread: thread.map(ThreadId),
        })
        .collect();
    ask(store, &messages)
}

fn date(letter: u64) -> InternalDate {
    InternalDate {
        secs: letter as i64,
        offset_minutes: -90,
    }
}

/// UIDs as ranges, joined where they meet.
fn ranges(uids: &BTreeSet<u32>) -> Vec<UidRange> {
    let one = |uid: &u32| {
        let uid = Uid::new(*uid).unwrap();
        UidRange {
            first: uid,
            last: uid,
        }
    };
    uids.iter().map(one).collect()
}

fn flags(marks: &Marks) -> Flags {
    let keywords = marks.keywords.iter();
    Flags {
        system: SystemFlags::of_bits(marks.system).unwrap(),
        keywords: keywords
            .map(|keyword| Keyword::new(keyword).unwrap())
            .collect(),
    }
}

/// Writes a letter into a pack of its own.
fn pack(opened: &mut Opened<SimDisk>, letter: u64) -> Result<PackedBody, ()> {
    let pack = opened.store.reserve_pack();
    let mut writer = opened.files.pack_writer(pack).map_err(|_| ())?;
    for piece in letter_bytes(letter).chunks(70_000) {
        writer.write(piece).map_err(|_| ())?;
    }
    writer.finish().map_err(|_| ())
}

/// The bodies of new letters: those that no record takes are packed, others now and
/// then. `None` if the disk failed.
pub fn bodies(
    opened: &mut Opened<SimDisk>,
    change: &Change,
    random: &mut Random,
) -> Option<Vec<Option<PackedBody>>> {
    let mut bodies = Vec::new();
    for letter in change.letters() {
        let long = letter_len(letter) > INLINE_BODY_BYTES_MAX;
        bodies.push(match long || random.chance(8) {
            true => Some(pack(opened, letter).ok()?),
            false => None,
        });
    }
    Some(bodies)
}

/// What the store shows now. Of a mailbox that isn't in memory its messages are
/// taken from `known`, if its counters say that they are the same number.
pub fn see(store: &Store, known: &Account) -> Account {
    let mut account = outline(store);
    for (path, handle) in mailboxes(store) {
        let mut mailbox = frame(store, &handle);
        match (store.messages(&handle), known.mailboxes.get(&path)) {
            (Ok(messages), _) => fill(&mut mailbox, &messages),
            (Err(Refusal::NotLoaded), Some(known)) => {
                mailbox.recent_from = known.recent_from;
                mailbox.messages = known.messages.clone();
            }
            (refused, _) => panic!("{path:?}: {refused:?}"),
        }
        check_counters(store, &handle, &mailbox);
        account.mailboxes.insert(path, mailbox);
    }
    check_usage(store, &account);
    account
}

/// Everything that the store has: all chunks loaded, all letters read.
pub fn read_all(opened: &mut Opened<SimDisk>) -> Result<Account, ReadError> {
    let mut account = outline(&opened.store);
    for (path, handle) in mailboxes(&opened.store) {
        load(opened, &handle)?;
        let messages = opened.store.messages(&handle).unwrap();
        read_letters(opened, &messages)?;
        let mut mailbox = frame(&opened.store, &handle);
        fill(&mut mailbox, &messages);
        check_counters(&opened.store, &handle, &mailbox);
        account.mailboxes.insert(path, mailbox);
    }
    check_usage(&opened.store, &account);
    Ok(account)
}

fn read_letters(opened: &Opened<SimDisk>, messages: &Messages<'_>) -> Result<(), ReadError> {
    let mut reader = opened.files.reader();
    for entry in messages.iter() {
        let letter = letter_bytes(entry.date().secs as u64);
        let mut read = vec![0; letter.len() + 1];
        let n = reader.read(&messages.body(entry), 0, &mut read)?;
        assert!(
            read[..n] == letter,
            "letter {} came back changed",
            entry.date().secs
        );
    }
    Ok(())
}

fn outline(store: &Store) -> Account {
    let (names, limits) = (store.subscriptions(OWNER), store.quota());
    Account {
        mailboxes: BTreeMap::new(),
        subscriptions: names.map(|name| name.components().to_vec()).collect(),
        annotations: annotations(store, Annotated::Account(OWNER)),
        epoch: store.epoch(),
        limits: [limits.bytes, limits.messages, limits.mailboxes],
    }
}

/// A mailbox without its messages.
fn frame(store: &Store, handle: &MailboxHandle) -> Mailbox {
    let status = store.status(handle).unwrap();
    let acl = store.acl(handle).unwrap().iter();
    Mailbox {
        id: Some((handle.id().0, status.validity.get())),
        uid_next: status.uid_next.get(),
        recent_from: 0,
        acl: acl
            .map(|line| (grantee(line.grantee), line.rights.bits()))
            .collect(),
        annotations: annotations(store, Annotated::Mailbox(handle)),
        messages: BTreeMap::new(),
    }
}

fn annotations(store: &Store, of: Annotated<'_>) -> Annotations {
    let all = store.annotations(of).unwrap();
    all.iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_vec()))
        .collect()
}

fn grantee(grantee: Grantee) -> u32 {
    match grantee {
        Grantee::Anyone => 0,
        Grantee::Account(account) => account.0,
    }
}

fn fill(mailbox: &mut Mailbox, messages: &Messages<'_>) {
    mailbox.recent_from = messages.recent_from().get();
    mailbox.messages = entries(messages);
}

fn entries(messages: &Messages<'_>) -> BTreeMap<u32, Message> {
    messages
        .iter()
        .map(|entry| {
            let (message, thread) = (entry.message().0, entry.thread().0);
            assert_eq!(entry.date(), date(entry.date().secs as u64));
            let shown = Message {
                letter: entry.date().secs as u64,
                system: entry.system_flags().bits(),
                keywords: messages
                    .keywords_of(entry)
                    .map(|keyword| keyword.as_str().to_owned())
                    .collect(),
                thread: (thread != message).then_some(thread),
                id: Some(message),
                modseq: Some(entry.modseq().0),
                saved: Some(entry.saved()),
            };
            (entry.uid().get(), shown)
        })
        .collect()
}

fn check_counters(store: &Store, handle: &MailboxHandle, mailbox: &Mailbox) {
    let counters = store.status(handle).unwrap().counters;
    let of_flag = |flag: SystemFlags| {
        let with = |message: &&Message| message.system & flag.bits() != 0;
        mailbox.messages.values().filter(with).count() as u32
    };
    let messages = mailbox.messages.len() as u32;
    assert_eq!(counters.messages, messages);
    assert_eq!(counters.unseen, messages - of_flag(SystemFlags::SEEN));
    let recent = mailbox.messages.range(mailbox.recent_from..).count();
    assert_eq!(counters.recent as usize, recent);
    assert_eq!(counters.deleted, of_flag(SystemFlags::DELETED));
    let bytes = mailbox.messages.values();
    let bytes = bytes.map(|message| letter_len(message.letter) as u64);
    assert_eq!(counters.bytes, bytes.sum::<u64>());
}

fn check_usage(store: &Store, account: &Account) {
    let usage = store.usage();
    let counted = [usage.bytes, usage.messages, usage.mailboxes];
    assert_eq!(counted, account.usage(), "usage is not the sum");
}

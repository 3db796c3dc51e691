//! Any change to the files of an account, with their CRCs put right or not: it
//! opens or says why not, everything in it can be looked at, upkeep and scrub
//! come to an end, and after a repair it opens and can be read to the end.
//!
//! What was changed without the CRCs is damage: then no letter is read that never
//! was, and if only the index was damaged, repair brings back every letter.

use crate::seals;
use journal::disk::{Disk, DiskError, Name};
use journal::sim::SimDisk;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use store::repair::{Orders, RepairError, repair};
use store::{
    APPLY_STEP, AccountId, Annotated, FlagAction, FlagChange, Flags, InternalDate, MailboxHandle,
    MailboxName, Modseq, NewBody, NewMessage, OpenError, Opened, Opening, Place, Principal,
    Progress, QuotaLimits, Refusal, ScrubCursor, Store, SystemFlags, Ticket, Uid, UidRange,
    Urgency,
};

const OWNER: &Principal = &Principal::Owner;

const OPENING: Opening<'static> = Opening {
    account: AccountId(7),
    writer: 0x0123_4567_89ab_cdef,
    now_secs: 1_700_000_000,
    letter_bytes_max: 1 << 20,
    folders: &[],
    quota: QuotaLimits {
        bytes: None,
        messages: None,
        mailboxes: None,
    },
};

/// Where an account keeps its files.
const DIRECTORIES: [&str; 4] = ["manifest", "chunk", "pack", "journal"];

/// Changes of one input.
const CHANGES_MAX: usize = 12;

/// Calls of the disk that one input may cost: some hundred times what a good
/// account costs. A loop that the files keep alive ends here.
const CALLS_MAX: u64 = 500_000;

/// Letters that the account has had.
const LETTERS: u8 = 24;

/// Bytes of journal after which upkeep comes: the account has all that there is.
const UPKEEP_BYTES: u64 = 3000;

/// A file of the good account.
struct Good {
    directory: &'static str,
    name: Name,
    bytes: Vec<u8>,
}

struct Account {
    disk: SimDisk,
    files: Vec<Good>,
    letters: BTreeSet<Vec<u8>>,
    /// Those that were expunged as well: a repair without an index can't know.
    ever: BTreeSet<Vec<u8>>,
}

/// What an input did.
#[derive(Default)]
struct Damage {
    /// Some CRCs were put right.
    believed: bool,
    /// A pack or a segment was changed.
    letters: bool,
}

/// One input: changes, one after the other.
///
/// ```text
/// input  = *change
/// change = how file where count *OCTET
/// how    = OCTET     ; what is done; bit 7: and its CRCs are put right
/// file   = OCTET     ; which of the account's files
/// where  = 2OCTET    ; little-endian
/// count  = OCTET     ; of the octets that follow
/// ```
pub fn run(data: &[u8]) {
    static GOOD: OnceLock<Account> = OnceLock::new();
    let good = GOOD.get_or_init(Account::new);
    let disk = good.disk.fork(1);
    let damage = change(good, &disk, data);
    let copy = disk.fork(2);
    look(&disk, good, &damage);
    assert!(disk.calls() + disk.looks() < CALLS_MAX, "it goes on and on");
    mend(&copy, good, &damage);
    assert!(copy.calls() + copy.looks() < CALLS_MAX, "repair goes on and on");
}

fn change(good: &Account, disk: &SimDisk, mut data: &[u8]) -> Damage {
    let mut damage = Damage::default();
    for _ in 0..CHANGES_MAX {
        let Some(([how, file, low, high, count], rest)) = data.split_first_chunk() else {
            break;
        };
        let (put, rest) = rest.split_at(rest.len().min(usize::from(*count)));
        data = rest;
        let file = &good.files[usize::from(*file) % good.files.len()];
        let believed = how & 0x80 != 0;
        damage.believed |= believed;
        damage.letters |= matches!(file.directory, "pack" | "journal");
        let at = u16::from_le_bytes([*low, *high]).into();
        change_file(disk, file, (how & 0x7f, believed), at, put);
    }
    damage
}

fn change_file(disk: &SimDisk, file: &Good, (how, believed): (u8, bool), at: usize, put: &[u8]) {
    let directory = directory(disk, file.directory);
    let mut bytes = directory.content(&file.name).unwrap_or_else(|_| file.bytes.clone());
    let at = at % (bytes.len() + 1);
    let end = bytes.len().min(at + put.len());
    let mut name = file.name.clone();
    match how % 8 {
        0 => bytes[at..end].copy_from_slice(&put[..end - at]),
        1 => bytes[at..end].iter_mut().zip(put).for_each(|(byte, put)| *byte ^= put),
        2 => bytes.truncate(at),
        3 => bytes.extend_from_slice(put),
        4 => bytes = [&bytes[..at], put, &bytes[at..]].concat(),
        5 => bytes = [&bytes[..at], &bytes[end..]].concat(),
        6 => {
            let extension = name.as_str().rsplit('.').next().unwrap_or_default().to_owned();
            let number = name.number(&extension).unwrap_or_default() ^ at as u64;
            name = Name::new(&format!("{number:016x}.{extension}")).expect("a name");
        }
        _ => {
            let _gone_already = directory.remove(&file.name);
            return;
        }
    }
    if believed {
        seals::mend(file.directory, &mut bytes);
    }
    directory.plant(&name, &bytes).expect("its directory");
}

fn directory(disk: &SimDisk, name: &str) -> SimDisk {
    let name = Name::new(name).expect("a name");
    disk.open_dir(&name).expect("the good account has it")
}

/// Opens what there is, and does everything with it that a worker does.
fn look(disk: &SimDisk, good: &Account, damage: &Damage) {
    let Some(mut opened) = open(disk) else {
        return;
    };
    read_all(&mut opened, good, damage);
    let mut cursor = ScrubCursor::default();
    while let Some(job) = opened.store.scrub(&cursor) {
        let Some(next) = finish(&mut opened, job) else {
            return;
        };
        cursor = next.unwrap_or_default();
        if cursor == ScrubCursor::default() {
            break;
        }
    }
    opened.store.hurry_upkeep(UPKEEP_BYTES);
    while let Some(job) = opened.store.upkeep(OPENING.now_secs, Urgency::Usual) {
        if finish(&mut opened, job).is_none() {
            return;
        }
        commit(&mut opened);
    }
    read_all(&mut opened, good, damage);
}

/// Does a job to its end. The outer `None`: the worker must end.
fn finish(opened: &mut Opened<SimDisk>, mut job: store::Job) -> Option<Option<ScrubCursor>> {
    let report = loop {
        match job.step(&opened.files) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(report)) => break report,
            Err(error) => return died(error),
        }
    };
    let cursor = report.cursor();
    opened.store.finish(report);
    while opened.store.finish_step(OPENING.now_secs) {}
    Some(cursor)
}

/// A worker may give up for a name that is taken or gone, never for the disk.
fn died<T>(error: DiskError) -> Option<T> {
    assert!(!matches!(error, DiskError::Io(_) | DiskError::NoSpace), "{error}");
    None
}

fn mend(disk: &SimDisk, good: &Account, damage: &Damage) {
    let orders = Orders {
        account: OPENING.account,
        now_secs: OPENING.now_secs,
        writer: 99,
    };
    match repair(disk, &orders) {
        Ok(_) => {}
        // A number in a header that is believed.
        Err(RepairError::Newer | RepairError::WrongAccount(_)) if damage.believed => return,
        Err(error) => panic!("a repair always ends well: {error}"),
    }
    let mut opened = Store::open(disk, &OPENING).expect("what was repaired opens");
    let found = read_all(&mut opened, good, damage);
    if !damage.believed && !damage.letters {
        let missing = good.letters.difference(&found).next();
        assert!(missing.is_none(), "repair finds letters that no index knows: {missing:?}");
    }
    let again = repair(&disk.restart_process(), &orders);
    let again = again.expect("a second time");
    assert!(!again.mended, "a repaired account is sound: {again:?}");
}

fn open(disk: &SimDisk) -> Option<Opened<SimDisk>> {
    match Store::open(disk, &OPENING) {
        Ok(opened) => Some(opened),
        Err(OpenError::Disk(error)) => died(error),
        Err(OpenError::Fatal(_) | OpenError::NotBegun(_)) => panic!("a disk that works"),
        Err(_) => None,
    }
}

/// Looks at everything; the letters that could be read.
fn read_all(opened: &mut Opened<SimDisk>, good: &Account, damage: &Damage) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let ids: Vec<_> = opened.store.list(OWNER).map(|listed| listed.id).collect();
    for id in ids {
        let handle = opened.store.open_by_id(OWNER, id).expect("what is listed can be opened");
        opened.store.status(&handle).expect("and asked for");
        if load(opened, &handle) {
            read_letters(opened, &handle, &mut found);
        }
    }
    let strange = found.difference(&good.ever).next();
    assert!(damage.believed || strange.is_none(), "a letter that never was: {strange:?}");
    found
}

fn load(opened: &mut Opened<SimDisk>, handle: &MailboxHandle) -> bool {
    while let Some(wish) = opened.store.wish(handle).expect("it is there") {
        match opened.files.fetch(&wish) {
            Ok(fetched) => opened.store.take_in(fetched),
            Err(_) => return false,
        }
    }
    true
}

fn read_letters(
    opened: &Opened<SimDisk>,
    handle: &MailboxHandle,
    found: &mut BTreeSet<Vec<u8>>,
) {
    let messages = opened.store.messages(handle).expect("it is loaded");
    let mut reader = opened.files.reader();
    let view = messages.view();
    messages.vanished_since(&view, Modseq(1));
    messages.changes(&view);
    // Annotations came from the manifest, too.
    let annotations = opened.store.annotations(Annotated::Mailbox(handle));
    annotations.expect("the owner may see them").iter().count();
    for entry in messages.iter() {
        messages.keywords_of(entry).count();
        let mut letter = vec![0; entry.size().min(1 << 20) as usize];
        if reader.read(&messages.body(entry), 0, &mut letter) == Ok(letter.len()) {
            found.insert(letter);
        }
    }
}

impl Account {
    /// An account with everything in it: settled letters and new ones, a long one,
    /// copies, expunges, and two manifests.
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let mut opened = Store::open(&disk, &OPENING).expect("an empty disk");
        opened.store.shorten_segments(6000);
        opened.store.hurry_upkeep(UPKEEP_BYTES);
        let asked = opened.store.create(OWNER, &name("other"), None);
        settle(&mut opened, asked);
        for number in 0..LETTERS {
            one_more(&mut opened, number);
        }
        while opened.store.quiet().expect("it was just opened") {
            commit(&mut opened);
        }
        let letters = read_all_good(&mut opened);
        let files = DIRECTORIES.iter().flat_map(|directory| files(&disk, directory));
        let files: Vec<Good> = files.collect();
        for file in &files {
            let mut mended = file.bytes.clone();
            seals::mend(file.directory, &mut mended);
            assert_eq!(mended, file.bytes, "a good file's CRCs are right already");
        }
        for kind in DIRECTORIES {
            let of_kind = files.iter().filter(|file| file.directory == kind);
            assert!(of_kind.count() > 1, "no two files in {kind}");
        }
        Self {
            disk,
            files,
            letters,
            ever: (0..LETTERS).map(letter).collect(),
        }
    }
}

fn letter(number: u8) -> Vec<u8> {
    [b"Subject: ", &[b'a' + number % 26; 300][..], b"\r\n\r\n", &[number]].concat()
}

/// A letter comes, and something happens to those before.
fn one_more(opened: &mut Opened<SimDisk>, number: u8) {
    let inbox = opened.store.open_mailbox(OWNER, &name("INBOX")).expect("there is one");
    let other = opened.store.open_mailbox(OWNER, &name("other")).expect("it was made");
    let asked = append(opened, &inbox, &letter(number), number % 7 == 3);
    settle(opened, asked);
    assert!(load(opened, &inbox) && load(opened, &other));
    let uid = Uid::new(u32::from(number) + 1).expect("above 0");
    let this = [UidRange {
        first: uid,
        last: uid,
    }];
    let asked = match number % 5 {
        0 => opened.store.copy(&inbox, &this, &other),
        1 => opened.store.remove(&inbox, &this),
        2 => opened.store.set_flags(&inbox, &this, &seen()),
        _ => return,
    };
    settle(opened, asked);
    if number % 6 == 5 {
        while let Some(job) = opened.store.upkeep(OPENING.now_secs, Urgency::Usual) {
            finish(opened, job).expect("a disk that works");
            commit(opened);
        }
    }
}

fn append(
    opened: &mut Opened<SimDisk>,
    mailbox: &MailboxHandle,
    letter: &[u8],
    packed: bool,
) -> Result<Ticket, Refusal> {
    let flags = &Flags::default();
    let packed = packed.then(|| {
        let pack = opened.store.reserve_pack();
        let mut writer = opened.files.pack_writer(pack).expect("a disk that works");
        writer.write(letter).expect("a disk that works");
        writer.finish().expect("a disk that works")
    });
    opened.store.append(&[NewMessage {
        places: &[Place { mailbox, flags }],
        date: InternalDate {
            secs: OPENING.now_secs,
            offset_minutes: 60,
        },
        body: packed.as_ref().map_or(NewBody::Inline(letter), NewBody::Packed),
        thread: None,
    }])
}

fn seen() -> FlagChange {
    FlagChange {
        action: FlagAction::Add,
        flags: Flags {
            system: SystemFlags::SEEN,
            ..Flags::default()
        },
        unchanged_since: None,
    }
}

fn settle(opened: &mut Opened<SimDisk>, asked: Result<Ticket, Refusal>) {
    asked.expect("it is possible");
    commit(opened);
}

fn commit(opened: &mut Opened<SimDisk>) {
    while let Some(batch) = opened.store.take_batch() {
        let report = opened.syncer.commit(batch);
        opened.store.settle(report).expect("a disk that works");
        while opened.store.apply(APPLY_STEP).expect("what we prepared").more {}
    }
}

fn read_all_good(opened: &mut Opened<SimDisk>) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for mailbox in ["INBOX", "other"] {
        let handle = opened.store.open_mailbox(OWNER, &name(mailbox)).expect("it is there");
        assert!(load(opened, &handle));
        read_letters(opened, &handle, &mut found);
    }
    found
}

fn files(disk: &SimDisk, kind: &'static str) -> Vec<Good> {
    let directory = directory(disk, kind);
    let mut names = directory.list().expect("a disk that works");
    names.sort();
    let files = names.into_iter().map(|name| Good {
        bytes: directory.content(&name).expect("a file"),
        directory: kind,
        name,
    });
    files.collect()
}

fn name(name: &str) -> MailboxName {
    MailboxName::new([name]).expect("a name")
}

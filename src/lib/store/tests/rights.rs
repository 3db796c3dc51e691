//! Every operation on every right: what the table says it needs is exactly what
//! it needs, and who may not look learns nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{OWNER, append, create, done, flags, name, new_account, range};
use journal::sim::SimDisk;
use store::{
    AccountId, Annotated, AnnotationName, FlagAction, FlagChange, Grantee, MailboxHandle, NewBody,
    NewMessage, Opened, Outcome, Place, Principal, Refusal, Rights, SpecialUse, Store, SystemFlags,
    Ticket,
};

const FRIEND: Principal = Principal::Account(AccountId(9));

/// A mailbox `box` with one letter, on which the friend has these rights, and a
/// mailbox `other` on which the friend has all.
fn shared(rights: Rights) -> Opened<SimDisk> {
    let mut opened = new_account();
    let shared = create(&mut opened, "box");
    let other = create(&mut opened, "other");
    for mailbox in [&shared, &other] {
        let letter = append(
            &mut opened.store,
            mailbox,
            b"letter",
            &flags(SystemFlags::DELETED, &[]),
        );
        done(&mut opened, letter).unwrap();
    }
    give(&mut opened, &shared, rights);
    give(&mut opened, &other, Rights::ALL);
    opened
}

fn give(opened: &mut Opened<SimDisk>, mailbox: &MailboxHandle, rights: Rights) {
    let asked = opened
        .store
        .set_acl(mailbox, Grantee::Account(AccountId(9)), rights);
    done(opened, asked).unwrap();
}

/// Every operation of the store that somebody's rights decide about. Whoever adds
/// one to the store adds it here: see `no_operation_of_the_store_is_forgotten`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    OpenByName,
    OpenById,
    OpenTarget,
    Name,
    Rights,
    Acl,
    Status,
    Wish,
    Messages,
    ClaimRecent,
    FlagSeen,
    FlagDeleted,
    FlagAnother,
    FlagKeyword,
    Expunge,
    Remove,
    CopyFrom,
    CopyTo,
    MoveFrom,
    MoveTo,
    Append,
    Replace,
    Annotations,
    Annotate,
    SetAcl,
    CreateBelow,
    RenameFrom,
    RenameTo,
    Delete,
    Subscribe,
    Unsubscribe,
}

const OPERATIONS: [Operation; 31] = [
    Operation::OpenByName,
    Operation::OpenById,
    Operation::OpenTarget,
    Operation::Name,
    Operation::Rights,
    Operation::Acl,
    Operation::Status,
    Operation::Wish,
    Operation::Messages,
    Operation::ClaimRecent,
    Operation::FlagSeen,
    Operation::FlagDeleted,
    Operation::FlagAnother,
    Operation::FlagKeyword,
    Operation::Expunge,
    Operation::Remove,
    Operation::CopyFrom,
    Operation::CopyTo,
    Operation::MoveFrom,
    Operation::MoveTo,
    Operation::Append,
    Operation::Replace,
    Operation::Annotations,
    Operation::Annotate,
    Operation::SetAcl,
    Operation::CreateBelow,
    Operation::RenameFrom,
    Operation::RenameTo,
    Operation::Delete,
    Operation::Subscribe,
    Operation::Unsubscribe,
];

/// What an operation asks for.
enum Needs {
    /// These, on the mailbox; who may not see it is told that there is none.
    On(&'static str),
    /// `l`, and one of these.
    OneOf(&'static str),
    /// These, on the mailbox above; who hasn't them is told no more than that.
    Above(&'static str),
    /// Nobody but the owner may.
    Ownership,
}

/// The method of the store behind an operation, and what it needs.
fn rule(operation: Operation) -> (&'static str, Needs) {
    use Needs::{Above, On, OneOf, Ownership};
    match operation {
        Operation::OpenByName => ("open_mailbox", On("l")),
        Operation::OpenById => ("open_by_id", On("l")),
        Operation::OpenTarget => ("open_target", On("li")),
        Operation::Name => ("name", On("l")),
        Operation::Rights => ("rights", On("l")),
        Operation::Acl => ("acl", On("la")),
        Operation::Status => ("status", On("lr")),
        Operation::Wish => ("wish", On("lr")),
        Operation::Messages => ("messages", On("lr")),
        Operation::ClaimRecent => ("claim_recent", On("lr")),
        Operation::FlagSeen => ("set_flags", On("ls")),
        Operation::FlagDeleted => ("set_flags", On("lt")),
        Operation::FlagAnother | Operation::FlagKeyword => ("set_flags", On("lw")),
        Operation::Expunge => ("expunge", On("le")),
        Operation::Remove => ("remove", On("lte")),
        Operation::CopyFrom => ("copy", On("lr")),
        Operation::CopyTo => ("copy", On("li")),
        Operation::MoveFrom => ("move_to", On("lrte")),
        Operation::MoveTo => ("move_to", On("li")),
        Operation::Append => ("append", On("li")),
        Operation::Replace => ("replace", On("lte")),
        Operation::Annotations => ("annotations", OneOf("rswip")),
        Operation::Annotate => ("annotate", On("lw")),
        Operation::SetAcl => ("set_acl", On("la")),
        Operation::CreateBelow => ("create", Above("lk")),
        Operation::RenameFrom => ("rename", On("lx")),
        Operation::RenameTo => ("rename", Above("lk")),
        Operation::Delete => ("delete", On("lx")),
        Operation::Subscribe => ("subscribe", Ownership),
        Operation::Unsubscribe => ("unsubscribe", Ownership),
    }
}

/// Methods that decide by no right, and why they needn't.
const FREE: &[(&str, &str)] = &[
    ("list", "shows what may be seen: tested by itself"),
    ("list_behind", "the same"),
    (
        "subscriptions",
        "shows them to the owner alone: tested by itself",
    ),
    (
        "annotations_changed",
        "shows what may be seen: tested by itself",
    ),
    ("annotations_modseq", "one number of the whole account"),
    ("annotations_forgotten", "one truth of the whole account"),
    ("open", "makes the store"),
    ("take_batch", "carries what was prepared"),
    ("is_settled", "carries what was prepared"),
    ("is_synced", "carries what was prepared"),
    ("want_sync", "carries what was prepared"),
    ("quiet", "carries what was prepared"),
    ("settle", "carries what was prepared"),
    ("apply", "carries what was prepared"),
    ("epoch", "the site's"),
    ("raise_epoch", "the site's"),
    ("usage", "the site's; the worker shows it to whom it may"),
    ("quota", "the site's; the worker shows it to whom it may"),
    (
        "own_quota",
        "the site's; the worker shows it to whom it may",
    ),
    ("set_quota", "the site's"),
    ("set_default_quota", "the site's"),
    ("rewound", "the site's"),
    ("modseq", "one number of the whole account"),
    ("known", "compares numbers"),
    ("modseq_floor", "compares numbers"),
    ("keep_history_since", "the worker's"),
    ("tell_time", "the worker's"),
    ("shorten_segments", "for tests"),
    (
        "reserve_pack",
        "the worker's; a pack is nothing until it is appended",
    ),
    ("wish_for", "the worker's; chunks go to the store alone"),
    ("take_in", "the worker's; chunks go to the store alone"),
    ("put_away", "the worker's; chunks go to the store alone"),
    ("next_message", "one number of the whole account"),
    ("upkeep", "the worker's"),
    ("hurry_upkeep", "for tests"),
    ("finish", "the worker's"),
    ("finish_step", "the worker's"),
    ("scrub", "the worker's"),
    ("findings", "the site's"),
    ("hold", "the site's"),
    ("release", "the site's"),
];

fn add(system: SystemFlags, keywords: &[&str]) -> FlagChange {
    FlagChange {
        action: FlagAction::Add,
        flags: flags(system, keywords),
        unchanged_since: None,
    }
}

/// Puts a letter into one mailbox in the place of one in another.
fn replace(store: &mut Store, into: &MailboxHandle, of: &MailboxHandle) -> Result<Ticket, Refusal> {
    let flags = flags(SystemFlags::NONE, &[]);
    let places = [Place {
        mailbox: into,
        flags: &flags,
    }];
    let letter = NewMessage {
        places: &places,
        date: desk::DATE,
        body: NewBody::Inline(b"x"),
        thread: None,
    };
    store.replace(&[letter], of, desk::uid(1))
}

fn annotation(name: &str) -> AnnotationName {
    AnnotationName::new(name).unwrap()
}

/// Tries an operation on `box`, through a handle that was opened when `who` had
/// every right.
fn attempt(
    operation: Operation,
    store: &mut Store,
    who: &Principal,
    on: &MailboxHandle,
) -> Result<(), Refusal> {
    let other = store.open_mailbox(who, &name("other")).unwrap();
    let (path, one) = (name("box"), range(1, 1));
    let flag = |store: &mut Store, change: FlagChange| store.set_flags(on, &one, &change);
    match operation {
        Operation::OpenByName => store.open_mailbox(who, &path).map(|_| ()),
        Operation::OpenById => store.open_by_id(who, on.id()).map(|_| ()),
        Operation::OpenTarget => store.open_target(who, &path).map(|_| ()),
        Operation::Name => store.name(on).map(|_| ()),
        Operation::Rights => store.rights(on).map(|_| ()),
        Operation::Acl => store.acl(on).map(|_| ()),
        Operation::Status => store.status(on).map(|_| ()),
        Operation::Wish => store.wish(on).map(|_| ()),
        Operation::Messages => store.messages(on).map(|_| ()),
        Operation::ClaimRecent => store.claim_recent(on).map(|_| ()),
        Operation::FlagSeen => flag(store, add(SystemFlags::SEEN, &[])).map(|_| ()),
        Operation::FlagDeleted => flag(store, add(SystemFlags::DELETED, &[])).map(|_| ()),
        Operation::FlagAnother => flag(store, add(SystemFlags::FLAGGED, &[])).map(|_| ()),
        Operation::FlagKeyword => flag(store, add(SystemFlags::NONE, &["k"])).map(|_| ()),
        Operation::Expunge => store.expunge(on, None).map(|_| ()),
        Operation::Remove => store.remove(on, &one).map(|_| ()),
        Operation::CopyFrom => store.copy(on, &one, &other).map(|_| ()),
        Operation::CopyTo => store.copy(&other, &one, on).map(|_| ()),
        Operation::MoveFrom => store.move_to(on, &one, &other).map(|_| ()),
        Operation::MoveTo => store.move_to(&other, &one, on).map(|_| ()),
        Operation::Replace => replace(store, &other, on).map(|_| ()),
        Operation::Append => append(store, on, b"x", &flags(SystemFlags::NONE, &[])).map(|_| ()),
        Operation::Annotations => store.annotations(Annotated::Mailbox(on)).map(|_| ()),
        Operation::Annotate => {
            let new = (annotation("/shared/comment"), Some([1][..].into()));
            store.annotate(Annotated::Mailbox(on), &[new]).map(|_| ())
        }
        Operation::SetAcl => store
            .set_acl(on, Grantee::Anyone, Rights::LOOKUP)
            .map(|_| ()),
        Operation::CreateBelow => store.create(who, &name("box/new"), None).map(|_| ()),
        Operation::RenameFrom => store.rename(who, &path, &name("other/new")).map(|_| ()),
        Operation::RenameTo => store
            .rename(who, &name("other"), &name("box/new"))
            .map(|_| ()),
        Operation::Delete => store.delete(who, &path).map(|_| ()),
        Operation::Subscribe => store.subscribe(who, &path).map(|_| ()),
        Operation::Unsubscribe => store.unsubscribe(who, &name("INBOX")).map(|_| ()),
    }
}

fn expected(operation: Operation, rights: Rights) -> Result<(), Refusal> {
    let has = |letters: &str| rights.contains(Rights::of_letters(letters).unwrap());
    match rule(operation).1 {
        Needs::On(_) | Needs::OneOf(_) if !has("l") => Err(Refusal::NoSuchMailbox),
        Needs::OneOf(any) if any.chars().any(|one| has(&one.to_string())) => Ok(()),
        Needs::On(letters) | Needs::Above(letters) if has(letters) => Ok(()),
        Needs::On(_) | Needs::OneOf(_) | Needs::Above(_) | Needs::Ownership => {
            Err(Refusal::NoRight)
        }
    }
}

/// None, every right alone, every two, what the operation needs, that without
/// each of it, all, and all without each.
fn rights_that_matter(operation: Operation) -> Vec<Rights> {
    let ones = Rights::ALL.letters();
    let without = |all: &str, gone: char| all.replace(gone, "");
    let mut sets = vec![String::new(), ones.clone()];
    for one in ones.chars() {
        sets.push(without(&ones, one));
        sets.extend(ones.chars().map(|two| format!("{one}{two}")));
    }
    if let Needs::On(needed) | Needs::Above(needed) = rule(operation).1 {
        sets.push(needed.to_owned());
        sets.extend(needed.chars().map(|gone| without(needed, gone)));
    }
    sets.iter()
        .map(|set| Rights::of_letters(set).unwrap())
        .collect()
}

/// An account with `box`, and what is given on it to `grantee`.
struct Shared {
    opened: Opened<SimDisk>,
    owners: MailboxHandle,
    grantee: Grantee,
}

impl Shared {
    fn with(grantee: Grantee) -> Self {
        let mut opened = shared(Rights::NONE);
        let owners = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
        let asked = opened.store.subscribe(OWNER, &name("elsewhere"));
        done(&mut opened, asked).unwrap();
        Self {
            opened,
            owners,
            grantee,
        }
    }

    fn give(&mut self, rights: Rights) {
        let asked = self
            .opened
            .store
            .set_acl(&self.owners, self.grantee, rights);
        done(&mut self.opened, asked).unwrap();
    }
}

#[test]
fn every_operation_needs_exactly_its_rights() {
    for grantee in [Grantee::Account(AccountId(9)), Grantee::Anyone] {
        for operation in OPERATIONS {
            let mut shared = Shared::with(grantee);
            for rights in rights_that_matter(operation) {
                shared.give(Rights::ALL);
                let handle = shared.opened.store.open_mailbox(&FRIEND, &name("box"));
                shared.give(rights);
                let store = &mut shared.opened.store;
                let found = attempt(operation, store, &FRIEND, &handle.unwrap());
                let letters = rights.letters();
                assert_eq!(
                    found,
                    expected(operation, rights),
                    "{operation:?} {letters}"
                );
                if store.is_settled() {
                    continue;
                }
                assert_eq!(found, Ok(()), "{operation:?} with {letters} was prepared");
                shared = Shared::with(grantee);
            }
        }
    }
}

#[test]
fn a_right_that_another_account_has_is_worth_nothing() {
    let stranger = Principal::Account(AccountId(10));
    for operation in OPERATIONS {
        let mut shared = Shared::with(Grantee::Account(AccountId(9)));
        shared.give(Rights::ALL);
        let store = &mut shared.opened.store;
        let handle = store.open_mailbox(&FRIEND, &name("box")).unwrap();
        let other = store.open_mailbox(OWNER, &name("other")).unwrap();
        let asked = store.set_acl(&other, Grantee::Account(AccountId(10)), Rights::ALL);
        done(&mut shared.opened, asked).unwrap();
        // There is no such handle for the stranger; what goes by name is asked.
        let by_handle = !matches!(
            operation,
            Operation::OpenByName
                | Operation::OpenById
                | Operation::OpenTarget
                | Operation::CreateBelow
                | Operation::RenameFrom
                | Operation::RenameTo
                | Operation::Delete
                | Operation::Subscribe
                | Operation::Unsubscribe
        );
        if !by_handle {
            let found = attempt(operation, &mut shared.opened.store, &stranger, &handle);
            assert_eq!(found, expected(operation, Rights::NONE), "{operation:?}");
        }
    }
}

#[test]
fn the_owner_may_do_everything_whatever_the_access_list_says() {
    for operation in OPERATIONS {
        let mut shared = Shared::with(Grantee::Anyone);
        shared.give(Rights::LOOKUP);
        let owners = shared.owners;
        let found = attempt(operation, &mut shared.opened.store, OWNER, &owners);
        assert_eq!(found, Ok(()), "{operation:?}");
    }
}

#[test]
fn no_such_mailbox_and_no_right_to_see_it_are_one_answer() {
    for operation in OPERATIONS {
        let mut hidden = Shared::with(Grantee::Anyone);
        hidden.give(Rights::ALL);
        let handle = hidden
            .opened
            .store
            .open_mailbox(&FRIEND, &name("box"))
            .unwrap();
        let all_but_lookup = Rights::of_letters("rswipkxtea").unwrap();
        hidden.give(all_but_lookup);
        let told = attempt(operation, &mut hidden.opened.store, &FRIEND, &handle);
        let mut gone = Shared::with(Grantee::Anyone);
        gone.give(Rights::ALL);
        let handle = gone
            .opened
            .store
            .open_mailbox(&FRIEND, &name("box"))
            .unwrap();
        let asked = gone.opened.store.delete(OWNER, &name("box"));
        done(&mut gone.opened, asked).unwrap();
        let absent = attempt(operation, &mut gone.opened.store, &FRIEND, &handle);
        assert_eq!(told, absent, "{operation:?}");
        assert!(told.is_err(), "{operation:?}");
    }
}

/// The public methods of `Store` in one source file.
fn methods(source: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in source.lines() {
        match line {
            "impl Store {" => inside = true,
            "}" => inside = false,
            _ => {
                let method = line.strip_prefix("    pub fn ").filter(|_| inside);
                let name = method.and_then(|rest| rest.split(['(', '<']).next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
    found
}

fn sources(dir: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("tests") => {}
            true => sources(&path, found),
            false if path.extension().is_some_and(|kind| kind == "rs") => {
                found.extend(methods(&std::fs::read_to_string(&path).unwrap()));
            }
            false => {}
        }
    }
}

#[test]
fn no_operation_of_the_store_is_forgotten() {
    let mut found = Vec::new();
    sources(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    assert!(found.len() > 40, "the sources were not found");
    let ruled = |method: &str| OPERATIONS.iter().any(|op| rule(*op).0 == method);
    let free = |method: &str| FREE.iter().any(|(name, _)| *name == method);
    let unclear = found.iter().filter(|method| ruled(method) == free(method));
    assert_eq!(unclear.collect::<Vec<_>>(), Vec::<&String>::new());
    let gone = FREE
        .iter()
        .filter(|(name, _)| !found.iter().any(|method| method == name));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
}

#[test]
fn subscriptions_are_the_owner_s_alone() {
    let shared = Shared::with(Grantee::Anyone);
    let store = &shared.opened.store;
    assert_eq!(store.subscriptions(OWNER).count(), 2);
    assert_eq!(store.subscriptions(&FRIEND).count(), 0);
}

#[test]
fn a_mailbox_that_may_not_be_seen_is_none() {
    let all_but_lookup = Rights::of_letters("rswipkxtea").unwrap();
    let opened = shared(all_but_lookup);
    let hidden = opened.store.open_mailbox(&FRIEND, &name("box"));
    let absent = opened.store.open_mailbox(&FRIEND, &name("nothing"));
    assert_eq!(hidden, Err(Refusal::NoSuchMailbox));
    assert_eq!(hidden, absent);
    let listed: Vec<_> = opened
        .store
        .list(&FRIEND)
        .map(|m| m.name.to_string())
        .collect();
    assert_eq!(listed, ["other"]);
}

#[test]
fn what_may_not_be_seen_is_neither_renamed_nor_deleted_nor_found_taken() {
    let mut opened = shared(Rights::of_letters("x").unwrap());
    let store = &mut opened.store;
    let gone = Err(Refusal::NoSuchMailbox);
    assert_eq!(store.delete(&FRIEND, &name("box")), gone);
    assert_eq!(store.rename(&FRIEND, &name("box"), &name("other/b")), gone);
    assert_eq!(store.delete(&FRIEND, &name("nothing")), gone);
    let taken = store.create(&FRIEND, &name("box"), None);
    let free = store.create(&FRIEND, &name("nothing"), None);
    assert_eq!(taken, Err(Refusal::NoRight));
    assert_eq!(taken, free);
}

/// What a rename of `box` to `other/b` says to the friend, with this hidden one
/// in the way.
fn renamed_beside(hidden: &str, rights: &str) -> Result<(), Refusal> {
    let mut opened = shared(Rights::ALL);
    create(&mut opened, "box/c");
    for path in ["box/c", hidden] {
        let handle = match opened.store.open_mailbox(OWNER, &name(path)) {
            Ok(handle) => handle,
            Err(_) => create(&mut opened, path),
        };
        give(&mut opened, &handle, Rights::of_letters(rights).unwrap());
    }
    let asked = opened.store.rename(&FRIEND, &name("box"), &name("other/b"));
    asked.map(|_| ())
}

#[test]
fn a_refused_rename_says_nothing_of_what_may_not_be_seen() {
    let deep = format!("box/{}", vec!["d"; 30].join("/"));
    assert_eq!(renamed_beside("box/c", "x"), Ok(()));
    assert_eq!(renamed_beside("box/c", "rw"), Err(Refusal::NoRight));
    assert_eq!(renamed_beside("other/b/c", "x"), Err(Refusal::NoRight));
    assert_eq!(renamed_beside(&deep, "x"), Ok(()));
    let deepest = format!("box/{}", vec!["d"; 31].join("/"));
    assert_eq!(renamed_beside(&deepest, "x"), Err(Refusal::NoRight));
    assert_eq!(renamed_beside(&deepest, "lx"), Err(Refusal::NameTooLong));
    assert_eq!(
        renamed_beside("other/b/c", "lx"),
        Err(Refusal::AlreadyExists)
    );
}

#[test]
fn a_handle_loses_a_right_when_the_access_list_does_and_gains_none() {
    let mut opened = shared(Rights::of_letters("lr").unwrap());
    let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let shared = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
    assert!(opened.store.messages(&handle).is_ok());
    give(&mut opened, &shared, Rights::of_letters("li").unwrap());
    let refused = opened.store.messages(&handle).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoRight));
    let letter = append(
        &mut opened.store,
        &handle,
        b"x",
        &flags(SystemFlags::NONE, &[]),
    );
    assert_eq!(letter, Err(Refusal::NoRight));
    give(&mut opened, &shared, Rights::NONE);
    let refused = opened.store.messages(&handle).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
}

#[test]
fn a_handle_of_a_deleted_mailbox_reaches_nothing_also_when_the_name_is_made_anew() {
    let mut opened = new_account();
    let old = create(&mut opened, "box");
    let asked = opened.store.delete(OWNER, &name("box"));
    done(&mut opened, asked).unwrap();
    let new = create(&mut opened, "box");
    assert!(new.validity() > old.validity() && new.id() != old.id());
    let refused = opened.store.messages(&old).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
}

#[test]
fn nobody_but_the_owner_says_what_a_mailbox_is_for() {
    let mut opened = shared(Rights::ALL);
    let use_of = |opened: &mut Opened<SimDisk>, who: &Principal, path: &str| {
        let sent = Some(SpecialUse::Sent);
        opened.store.create(who, &name(path), sent).map(|_| ())
    };
    let refused = use_of(&mut opened, &FRIEND, "box/Sent");
    assert_eq!(refused, Err(Refusal::NoRight));
    assert_eq!(use_of(&mut opened, OWNER, "box/Sent"), Ok(()));
}

#[test]
fn rights_are_told_as_they_are_and_never_as_more_than_they_were() {
    let mut opened = shared(Rights::of_letters("lrs").unwrap());
    let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let owners = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
    for (given, told) in [("lrs", "lrs"), ("lrsw", "lrs"), ("lrw", "lr"), ("l", "l")] {
        give(&mut opened, &owners, Rights::of_letters(given).unwrap());
        let rights = opened.store.rights(&handle).unwrap();
        assert_eq!(rights.letters(), told);
    }
}

#[test]
fn flags_without_their_right_are_left_out_of_an_append() {
    let mut opened = shared(Rights::of_letters("lris").unwrap());
    let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let all = flags(SystemFlags::ALL, &["$Junk"]);
    let asked = append(&mut opened.store, &handle, b"x", &all);
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&handle).unwrap();
    let entry = messages.iter().last().unwrap();
    assert_eq!(entry.system_flags(), SystemFlags::SEEN);
    assert_eq!(messages.keywords_of(entry).count(), 0);
}

#[test]
fn flags_without_their_right_are_left_behind_by_a_copy_and_a_move() {
    let all = SystemFlags::SEEN | SystemFlags::DELETED | SystemFlags::FLAGGED;
    for (rights, kept, keyword) in [
        ("lri", SystemFlags::NONE, false),
        ("lris", SystemFlags::SEEN, false),
        ("lrit", SystemFlags::DELETED, false),
        ("lriw", SystemFlags::FLAGGED, true),
        ("lristw", all, true),
    ] {
        let mut opened = shared(Rights::of_letters(rights).unwrap());
        let source = opened.store.open_mailbox(&FRIEND, &name("other")).unwrap();
        let target = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
        let letter = append(&mut opened.store, &source, b"x", &flags(all, &["k"]));
        done(&mut opened, letter).unwrap();
        let copied = opened.store.copy(&source, &range(2, 2), &target);
        let copied = done(&mut opened, copied).unwrap();
        assert!(matches!(copied, Outcome::Copied { pairs, .. } if pairs.len() == 1));
        let moved = opened.store.move_to(&source, &range(2, 2), &target);
        done(&mut opened, moved).unwrap();
        let messages = opened.store.messages(&target).unwrap();
        for entry in messages.iter().skip(1) {
            assert_eq!(entry.system_flags(), kept, "{rights}");
            assert_eq!(
                messages.keywords_of(entry).count() == 1,
                keyword,
                "{rights}"
            );
        }
        assert_eq!(messages.len(), 3);
        let first = messages.iter().next().unwrap();
        assert_eq!(
            first.system_flags(),
            SystemFlags::DELETED,
            "what was there stays"
        );
    }
}

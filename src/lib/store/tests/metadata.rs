//! Annotations: what is kept, who sees it, and how much there may be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{OWNER, create, done, inbox, name, new_account};
use journal::sim::SimDisk;
use std::sync::Arc;
use store::{
    ANNOTATION_BYTES_MAX, ANNOTATIONS_MAX, AccountId, Annotated, AnnotationName, Grantee,
    MailboxHandle, Modseq, NewAnnotation, Opened, Outcome, Principal, Refusal, Rights,
};

const FRIEND: Principal = Principal::Account(AccountId(9));

fn set(entry: &str, value: &str) -> NewAnnotation {
    (entry_name(entry), Some(value.as_bytes().into()))
}

fn unset(entry: &str) -> NewAnnotation {
    (entry_name(entry), None)
}

fn entry_name(entry: &str) -> AnnotationName {
    AnnotationName::new(entry).unwrap()
}

fn annotate(
    opened: &mut Opened<SimDisk>,
    of: Annotated<'_>,
    news: &[NewAnnotation],
) -> Result<Modseq, Refusal> {
    let asked = opened.store.annotate(of, news);
    match done(opened, asked)? {
        Outcome::Annotated { modseq } => Ok(modseq),
        other => panic!("{other:?}"),
    }
}

fn said(opened: &Opened<SimDisk>, of: Annotated<'_>) -> Vec<String> {
    let all = opened.store.annotations(of).unwrap();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    all.iter()
        .map(|(name, value)| format!("{}={}", name.as_str(), text(value)))
        .collect()
}

fn said_of(opened: &Opened<SimDisk>, path: &str) -> Vec<String> {
    let handle = opened.store.open_mailbox(OWNER, &name(path)).unwrap();
    said(opened, Annotated::Mailbox(&handle))
}

/// What changed, as `place: names`.
fn changed(opened: &Opened<SimDisk>, who: &Principal, since: Modseq) -> Vec<String> {
    let changed = opened.store.annotations_changed(who, since, None);
    let line = |it: &store::ChangedAnnotations<'_>| {
        let place = it
            .mailbox
            .map_or(String::new(), |(_, name)| name.to_string());
        format!("{place}: {:?}", it.names)
    };
    changed.iter().map(line).collect()
}

/// An account with `box`, on which the friend has these rights.
fn shared(rights: &str) -> (Opened<SimDisk>, MailboxHandle) {
    let mut opened = new_account();
    create(&mut opened, "box");
    let handle = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
    let rights = Rights::of_letters(rights).unwrap();
    let asked = opened.store.set_acl(&handle, Grantee::Anyone, rights);
    done(&mut opened, asked).unwrap();
    (opened, handle)
}

#[test]
fn a_value_goes_with_its_mailbox_and_dies_with_it() {
    let mut opened = new_account();
    create(&mut opened, "a");
    create(&mut opened, "a/b");
    let below = opened.store.open_mailbox(OWNER, &name("a/b")).unwrap();
    annotate(
        &mut opened,
        Annotated::Mailbox(&below),
        &[set("/private/comment", "x")],
    )
    .unwrap();
    let asked = opened.store.rename(OWNER, &name("a"), &name("c"));
    done(&mut opened, asked).unwrap();
    assert_eq!(said_of(&opened, "c/b"), ["/private/comment=x"]);
    let asked = opened.store.delete(OWNER, &name("c/b"));
    done(&mut opened, asked).unwrap();
    create(&mut opened, "c/b");
    assert!(said_of(&opened, "c/b").is_empty());
}

#[test]
fn inbox_keeps_its_values_when_its_letters_are_renamed_away() {
    let mut opened = new_account();
    let handle = inbox(&opened.store);
    annotate(
        &mut opened,
        Annotated::Mailbox(&handle),
        &[set("/shared/comment", "x")],
    )
    .unwrap();
    let asked = opened.store.rename(OWNER, &name("INBOX"), &name("old"));
    done(&mut opened, asked).unwrap();
    assert_eq!(said_of(&opened, "INBOX"), ["/shared/comment=x"]);
    assert_eq!(said_of(&opened, "old"), ["/shared/comment=x"]);
}

#[test]
fn a_friend_sees_and_hears_of_no_private_value_and_sets_none() {
    let (mut opened, owners) = shared("lrw");
    let both = [set("/private/a", "1"), set("/shared/a", "2")];
    annotate(&mut opened, Annotated::Mailbox(&owners), &both).unwrap();
    annotate(
        &mut opened,
        Annotated::Account(OWNER),
        &[set("/private/b", "3"), set("/shared/b", "3")],
    )
    .unwrap();
    let friends = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let of = Annotated::Mailbox(&friends);
    assert_eq!(said(&opened, of), ["/shared/a=2"]);
    let seen = opened.store.annotations(of).unwrap();
    assert_eq!(seen.get(&entry_name("/private/a")), None);
    assert_eq!(seen.get(&entry_name("/shared/a")), Some(&b"2"[..]));
    assert_eq!(changed(&opened, &FRIEND, Modseq(0)), ["box: [/shared/a]"]);
    assert_eq!(
        annotate(
            &mut opened,
            of,
            &[set("/shared/a", "4"), set("/private/a", "4")]
        ),
        Err(Refusal::NoPrivateAnnotations)
    );
    assert_eq!(said(&opened, of), ["/shared/a=2"], "all or none");
    let account = Annotated::Account(&FRIEND);
    assert_eq!(
        opened.store.annotations(account).map(drop),
        Err(Refusal::NoRight)
    );
    assert_eq!(annotate(&mut opened, account, &both), Err(Refusal::NoRight));
}

#[test]
fn who_may_not_see_annotations_does_not_hear_of_them_either() {
    for rights in ["", "r", "lkxtea"] {
        let (mut opened, owners) = shared(rights);
        let new = [set("/shared/a", "2")];
        annotate(&mut opened, Annotated::Mailbox(&owners), &new).unwrap();
        assert!(changed(&opened, &FRIEND, Modseq(0)).is_empty(), "{rights}");
        let friends = opened.store.open_mailbox(&FRIEND, &name("box"));
        let seen = friends.and_then(|friends| {
            let seen = opened.store.annotations(Annotated::Mailbox(&friends));
            seen.map(drop)
        });
        assert!(seen.is_err(), "{rights}");
    }
}

#[test]
fn every_change_is_told_once_and_not_to_who_made_it() {
    let (mut opened, owners) = shared("lrw");
    let of = Annotated::Mailbox(&owners);
    let first = annotate(
        &mut opened,
        of,
        &[set("/shared/a", "1"), set("/shared/b", "1")],
    );
    let first = first.unwrap();
    let second = annotate(&mut opened, of, &[unset("/shared/a")]).unwrap();
    let third = annotate(
        &mut opened,
        Annotated::Account(OWNER),
        &[set("/private/c", "1")],
    );
    assert_eq!(
        changed(&opened, OWNER, Modseq(0)),
        [": [/private/c]", "box: [/shared/a, /shared/b]"]
    );
    assert_eq!(
        changed(&opened, OWNER, first),
        [": [/private/c]", "box: [/shared/a]"]
    );
    let without = opened.store.annotations_changed(OWNER, first, Some(second));
    assert_eq!(without.len(), 1);
    assert_eq!(opened.store.annotations_modseq(), third.unwrap());
    assert_eq!(
        annotate(&mut opened, of, &[unset("/shared/a")]),
        Err(Refusal::NothingToDo)
    );
}

#[test]
fn a_full_mailbox_takes_no_more_but_another_in_place_of_one() {
    let mut opened = new_account();
    let handle = inbox(&opened.store);
    let of = Annotated::Mailbox(&handle);
    let numbered = |n: usize| set(&format!("/private/{n}"), "x");
    let all: Vec<_> = (0..ANNOTATIONS_MAX).map(numbered).collect();
    annotate(&mut opened, of, &all).unwrap();
    let more = numbered(ANNOTATIONS_MAX);
    let too_many = Err(Refusal::TooManyAnnotations);
    assert_eq!(
        annotate(&mut opened, of, std::slice::from_ref(&more)),
        too_many
    );
    annotate(&mut opened, of, &[more, unset("/private/0")]).unwrap();
    assert_eq!(said_of(&opened, "INBOX").len(), ANNOTATIONS_MAX);
    annotate(&mut opened, Annotated::Account(OWNER), &all).unwrap();
}

#[test]
fn an_account_s_values_are_bounded_together() {
    let mut opened = new_account();
    let long: Arc<[u8]> = vec![0; ANNOTATION_BYTES_MAX].into();
    let mut refused = 0;
    for n in 0..8 {
        create(&mut opened, &format!("box{n}"));
        let path = name(&format!("box{n}"));
        let handle = opened.store.open_mailbox(OWNER, &path).unwrap();
        for n in 0..10 {
            let new = (entry_name(&format!("/shared/{n}")), Some(Arc::clone(&long)));
            match annotate(&mut opened, Annotated::Mailbox(&handle), &[new]) {
                Ok(_) => assert_eq!(refused, 0),
                Err(why) => {
                    assert_eq!(why, Refusal::TooManyAnnotations);
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(
        refused,
        80 - 63,
        "63 values and their names make a mebibyte"
    );
    let longer: Arc<[u8]> = vec![0; ANNOTATION_BYTES_MAX + 1].into();
    let handle = inbox(&opened.store);
    let new = (entry_name("/shared/a"), Some(longer));
    let asked = annotate(&mut opened, Annotated::Mailbox(&handle), &[new]);
    assert_eq!(asked, Err(Refusal::AnnotationTooLong));
}

#[test]
fn a_changed_value_raises_its_mailbox_s_modseq_and_no_other_s() {
    let mut opened = new_account();
    let other = create(&mut opened, "other");
    let handle = inbox(&opened.store);
    let of = Annotated::Mailbox(&handle);
    let modseq = annotate(&mut opened, of, &[set("/shared/a", "1")]).unwrap();
    let of_inbox = opened.store.status(&handle).unwrap().modseq;
    let of_other = opened.store.status(&other).unwrap().modseq;
    assert_eq!(of_inbox, modseq);
    assert!(of_other < modseq);
    let both = [set("/shared/a", "1"), set("/shared/b", "1")];
    let later = annotate(&mut opened, of, &both).unwrap();
    assert_eq!(opened.store.status(&handle).unwrap().modseq, later);
    assert_eq!(annotate(&mut opened, of, &both), Err(Refusal::NothingToDo));
}

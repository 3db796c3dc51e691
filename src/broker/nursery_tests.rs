//! What a ticket brings about, and what it doesn't before its seal is good.

use super::*;
use crate::house::{Root, as_broker, deletion, grant, null, readable, received, sealed};
use ipc::channel::Received;
use ipc::edge::birth::ToBroker;
use ipc::ticket::{Grant, KEY_BYTES};
use ipc::{Decoder, Encoder, Epoch, Field};
use proptest::prelude::*;
use sandbox::{Ended, IdRanges};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn refused(nursery: &Nursery, ticket: &SealedTicket) -> NotBorn {
    nursery.bear(ticket, &null()).map(|_| ()).unwrap_err()
}

fn bad(forged: Option<u32>) -> NotBorn {
    NotBorn {
        failure: BirthFailure::BadTicket,
        event: forged.map(|account| Event::ForgedTicket { account }),
    }
}

fn foreign(account: u32) -> NotBorn {
    NotBorn {
        failure: BirthFailure::NoStorage,
        event: Some(Event::ForeignDirectory { account }),
    }
}

/// Waits for a worker that has nothing to do.
fn end_of(child: &Child) -> Ended {
    readable(child);
    child.ended().unwrap().unwrap()
}

#[test]
fn a_ticket_that_may_create_makes_a_directory_of_the_accounts_alone_and_a_worker_in_it() {
    as_broker(|| {
        let root = Root::new();
        let child = root.nursery().bear(&sealed(grant(5, true)), &null());
        assert_eq!(end_of(&child.unwrap()), Ended::Exited(0));
        assert_eq!(root.names(), ["5"]);
        let made = std::fs::metadata(root.0.join("5")).unwrap();
        assert_eq!(made.mode() & 0o7777, 0o700);
        assert_eq!(made.uid(), rustix::process::geteuid().as_raw());
    });
}

#[test]
fn a_ticket_that_may_not_create_makes_nothing_and_an_unmounted_store_shows() {
    let root = Root::new();
    assert_eq!(
        refused(&root.nursery(), &sealed(grant(5, false))),
        foreign(5)
    );
    assert!(root.names().is_empty());
}

#[test]
fn a_directory_that_is_there_is_opened_as_it_is_whatever_the_ticket_may() {
    as_broker(|| {
        for may_create in [false, true] {
            let root = Root::new();
            let nursery = root.nursery();
            make_directory(nursery.store.as_fd(), 5, None).unwrap();
            std::fs::write(root.0.join("5/letter"), "dear").unwrap();
            let child = nursery.bear(&sealed(grant(5, may_create)), &null());
            end_of(&child.unwrap());
            let letter = std::fs::read(root.0.join("5/letter")).unwrap();
            assert_eq!(letter, b"dear");
        }
    });
}

#[test]
fn what_is_no_directory_of_the_accounts_alone_is_not_opened() {
    let makings: [fn(&std::path::Path); 4] = [
        |at| std::fs::write(at, "").unwrap(),
        |at| symlink("/tmp", at).unwrap(),
        |at| symlink("nowhere", at).unwrap(),
        |at| {
            std::fs::create_dir(at).unwrap();
            std::fs::set_permissions(at, PermissionsExt::from_mode(0o750)).unwrap();
        },
    ];
    for make in makings {
        let root = Root::new();
        make(&root.0.join("5"));
        assert_eq!(
            refused(&root.nursery(), &sealed(grant(5, true))),
            foreign(5)
        );
        assert_eq!(root.names(), ["5"]);
    }
}

#[test]
fn an_expired_ticket_makes_nothing_and_nobody_is_called_a_forger() {
    let root = Root::new();
    let late = sealed(Grant {
        expires: now(),
        ..grant(5, true)
    });
    assert_eq!(refused(&root.nursery(), &late), bad(None));
    assert!(root.names().is_empty());
}

#[test]
fn a_ticket_of_another_account_or_another_house_is_forged_and_makes_nothing() {
    let root = Root::new();
    let mut others = sealed(grant(6, true));
    others.claim.account = AccountId(5);
    assert_eq!(refused(&root.nursery(), &others), bad(Some(5)));
    let elsewhere = MasterKey::new(ipc::Secret::from_array([8; KEY_BYTES])).unwrap();
    let elsewhere = elsewhere.account_key(AccountId(5));
    let foreign = elsewhere.seal(grant(5, true)).unwrap();
    assert_eq!(refused(&root.nursery(), &foreign), bad(Some(5)));
    assert!(root.names().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_ticket_with_any_bit_changed_makes_nothing(bit: prop::sample::Index) {
        let root = Root::new();
        let mut encoder = Encoder::default();
        sealed(grant(5, true)).encode(&mut encoder);
        let (mut bytes, _) = encoder.finish();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = SealedTicket::decode(&mut Decoder::new(&bytes, Vec::new())) {
            let refusal = refused(&root.nursery(), &changed);
            prop_assert_eq!(refusal, bad(Some(changed.claim.account.0)));
        }
        prop_assert!(root.names().is_empty());
    }
}

#[test]
fn an_account_without_a_uid_makes_nothing_and_is_judged_after_its_seal() {
    let root = Root::new();
    let nursery = root.nursery_with(IdRanges::new(70_000, 80_000, 5).unwrap());
    let out_of_range = NotBorn {
        failure: BirthFailure::OutOfRange,
        event: None,
    };
    assert!(nursery.uid(AccountId(4)).unwrap().is_some());
    assert_eq!(refused(&nursery, &sealed(grant(5, true))), out_of_range);
    let mut forged = sealed(grant(5, true));
    forged.seal[0] ^= 1;
    assert_eq!(refused(&nursery, &forged), bad(Some(5)));
    assert!(root.names().is_empty());
}

#[test]
fn a_worker_is_told_its_account_its_accounts_key_and_whether_it_may_make_a_store() {
    for may_create in [false, true] {
        let nursery = Root::new().nursery();
        let key = nursery.master.account_key(AccountId(5));
        let ticket = key.open(&sealed(grant(5, may_create)), now()).unwrap();
        let record = left_to_read(nursery.record_of_worker(&ticket)).unwrap();
        let mut record = Channel::<ToBroker, Birth>::adopt(record).unwrap();
        let Ok(Received::Message(Birth::Worker {
            account,
            key,
            slice,
            created,
        })) = record.receive()
        else {
            panic!("no record");
        };
        assert_eq!((account, created), (AccountId(5), may_create));
        assert_eq!(slice, nursery.slice);
        let own = nursery.master.account_key(account).dangerous_key_bytes();
        assert_eq!(key.dangerous_reveal(), own.dangerous_reveal());
        assert!(matches!(received(&mut record), Ok(Received::Closed)));
    }
}

#[test]
fn only_auths_word_that_this_account_is_deleted_removes_its_directory() {
    let root = Root::new();
    let nursery = root.nursery();
    for account in [5, 6] {
        make_directory(nursery.store.as_fd(), account, None).unwrap();
    }
    let mut forged = deletion(5);
    forged.seal[31] ^= 1;
    let others = SealedEpoch {
        account: AccountId(5),
        ..deletion(6)
    };
    let key = nursery.master.account_key(AccountId(5));
    let revoked = key.seal_epoch(Epoch(u64::MAX - 1));
    let claimed = SealedEpoch {
        epoch: EPOCH_DELETED,
        ..revoked
    };
    for word in [forged, others, revoked, claimed] {
        assert!(!nursery.remove(&word));
        assert_eq!(root.names(), ["5", "6"]);
    }
    assert!(nursery.remove(&deletion(5)));
    assert_eq!(root.names(), ["6"]);
    // Asked again after a crash, it is gone.
    assert!(nursery.remove(&deletion(5)));
}

#[test]
fn what_its_worker_has_not_emptied_is_not_removed() {
    let root = Root::new();
    let nursery = root.nursery();
    make_directory(nursery.store.as_fd(), 5, None).unwrap();
    std::fs::write(root.0.join("5/letter"), "").unwrap();
    assert!(!nursery.remove(&deletion(5)));
    assert_eq!(root.names(), ["5"]);
}

fn verification(account: u32, may_create: bool, pair: &OwnedFd) -> SealedTicket {
    sealed(Grant {
        kind: Kind::Verify,
        cookie: ipc::socket::cookie(pair).unwrap(),
        ..grant(account, may_create)
    })
}

fn other(account: u32) -> NotBorn {
    NotBorn {
        failure: BirthFailure::OtherTicket,
        event: Some(Event::ForgedTicket { account }),
    }
}

#[test]
fn a_verifier_is_born_for_a_ticket_of_its_kind_on_the_socket_that_it_names_alone() {
    as_broker(|| {
        let root = Root::new();
        let nursery = root.nursery();
        make_directory(nursery.store.as_fd(), 5, None).unwrap();
        let (_near, pair) = ipc::channel::pair().unwrap();
        let (_other_near, other_pair) = ipc::channel::pair().unwrap();
        let ticket = verification(5, false, &pair);
        let refused = |ticket: &SealedTicket, pair: &OwnedFd| {
            let born = nursery.bear_verifier(ticket, None, pair);
            born.map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(&ticket, &other_pair), other(5));
        assert_eq!(refused(&ticket, &null()), other(5));
        for kind in [Kind::Session, Kind::Delivery, Kind::Admin, Kind::Wake] {
            let claim = Grant {
                kind,
                ..ticket.claim
            };
            assert_eq!(refused(&sealed(claim), &pair), other(5));
        }
        let mut forged = ticket;
        forged.seal[3] ^= 1;
        assert_eq!(refused(&forged, &pair), bad(Some(5)));
        let child = nursery.bear_verifier(&ticket, None, &pair).unwrap();
        assert_eq!(end_of(&child), Ended::Exited(0));
    });
}

#[test]
fn a_ticket_for_a_check_bears_no_worker() {
    let root = Root::new();
    let (_near, pair) = ipc::channel::pair().unwrap();
    let ticket = verification(5, true, &pair);
    assert_eq!(refused(&root.nursery(), &ticket), other(5));
    assert!(root.names().is_empty());
}

#[test]
fn a_verifier_makes_no_directory_and_that_a_new_account_has_none_is_no_event() {
    let root = Root::new();
    let nursery = root.nursery();
    let (_near, pair) = ipc::channel::pair().unwrap();
    for (may_create, wanted) in [
        (true, NotBorn::quietly(BirthFailure::NoStorage)),
        (false, foreign(5)),
    ] {
        let ticket = verification(5, may_create, &pair);
        let born = nursery.bear_verifier(&ticket, None, &pair);
        assert_eq!(born.map(|_| ()).unwrap_err(), wanted);
        assert!(root.names().is_empty());
    }
}

//! Quota: what is counted, and that nothing that comes at once is ever too much.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{OWNER, append, commit, create, done, flags, inbox, name, open, opening, range};
use journal::sim::{Random, SimDisk};
use store::{
    Flags, Limit, MailboxHandle, Opened, Principal, QuotaLimits, QuotaOverride, Refusal, Resource,
    Store, SystemFlags, Usage,
};

fn none() -> Flags {
    flags(SystemFlags::NONE, &[])
}

fn limited(bytes: Option<u64>, messages: Option<u64>, mailboxes: Option<u64>) -> Opened<SimDisk> {
    let opening = store::Opening {
        quota: QuotaLimits {
            bytes,
            messages,
            mailboxes,
        },
        ..opening()
    };
    Store::open(&SimDisk::new(1), &opening).unwrap()
}

const OVER_BYTES: Refusal = Refusal::OverQuota(Resource::Bytes);
const OVER_MESSAGES: Refusal = Refusal::OverQuota(Resource::Messages);

#[test]
fn a_letter_may_fill_the_quota_and_not_pass_it() {
    let mut opened = limited(Some(100), None, None);
    let inbox = inbox(&opened.store);
    let store = &mut opened.store;
    assert_eq!(
        append(store, &inbox, &[b'x'; 101], &none()),
        Err(OVER_BYTES)
    );
    let asked = append(store, &inbox, &[b'x'; 60], &none());
    done(&mut opened, asked).unwrap();
    let store = &mut opened.store;
    assert_eq!(append(store, &inbox, &[b'x'; 41], &none()), Err(OVER_BYTES));
    assert_eq!(store.copy(&inbox, &range(1, 1), &inbox), Err(OVER_BYTES));
    let asked = append(store, &inbox, &[b'x'; 40], &none());
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.usage().bytes, 100);
    // A move adds nothing, and what is expunged makes room.
    let other = create(&mut opened, "other");
    let asked = opened.store.move_to(&inbox, &range(1, 1), &other);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.remove(&other, &range(1, 9));
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.usage().bytes, 40);
    let asked = append(&mut opened.store, &inbox, &[b'x'; 60], &none());
    done(&mut opened, asked).unwrap();
}

#[test]
fn what_is_pending_counts_so_that_nothing_is_over_by_coming_at_once() {
    let mut opened = limited(Some(100), Some(3), None);
    let inbox = inbox(&opened.store);
    let store = &mut opened.store;
    append(store, &inbox, &[b'x'; 70], &none()).unwrap();
    assert_eq!(append(store, &inbox, &[b'x'; 31], &none()), Err(OVER_BYTES));
    append(store, &inbox, &[b'x'; 30], &none()).unwrap();
    append(store, &inbox, b"", &none()).unwrap();
    assert_eq!(append(store, &inbox, b"", &none()), Err(OVER_MESSAGES));
    commit(&mut opened).unwrap();
    let usage = opened.store.usage();
    assert_eq!((usage.bytes, usage.messages), (100, 3));
    // What was pending isn't counted twice once it is there.
    let asked = opened.store.remove(&inbox, &range(1, 1));
    done(&mut opened, asked).unwrap();
    append(&mut opened.store, &inbox, &[b'x'; 70], &none()).unwrap();
}

#[test]
fn what_a_full_disk_refused_takes_no_quota() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    opened.store.set_default_quota(QuotaLimits {
        bytes: Some(100),
        ..QuotaLimits::default()
    });
    append(&mut opened.store, &inbox, &[b'x'; 100], &none()).unwrap();
    root.fill_up(true);
    let settled = commit(&mut opened).unwrap();
    assert_eq!(settled[0].outcome, Err(Refusal::NoSpace));
    root.fill_up(false);
    let asked = append(&mut opened.store, &inbox, &[b'x'; 100], &none());
    done(&mut opened, asked).unwrap();
}

#[test]
fn mailboxes_count_and_inbox_is_one_of_them() {
    let mut opened = limited(None, None, Some(2));
    create(&mut opened, "a");
    let refused = opened.store.create(OWNER, &name("b"), None);
    assert_eq!(refused, Err(Refusal::OverQuota(Resource::Mailboxes)));
    let refused = opened.store.rename(OWNER, &name("INBOX"), &name("b"));
    assert_eq!(refused, Err(Refusal::OverQuota(Resource::Mailboxes)));
    let asked = opened.store.delete(OWNER, &name("a"));
    done(&mut opened, asked).unwrap();
    create(&mut opened, "b");
    assert_eq!(opened.store.usage().mailboxes, 2);
}

#[test]
fn an_account_s_own_limits_stand_before_the_site_s_and_survive() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let own = QuotaOverride {
        bytes: Limit::AtMost(10),
        messages: Limit::Unlimited,
        mailboxes: Limit::Default,
    };
    let asked = opened.store.set_quota(own);
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.set_quota(own), Err(Refusal::NothingToDo));
    let mut opened = open(&root.restore_power()).unwrap();
    let site = QuotaLimits {
        bytes: Some(1),
        messages: Some(2),
        mailboxes: Some(3),
    };
    opened.store.set_default_quota(site);
    let limits = opened.store.quota();
    assert_eq!((limits.bytes, limits.messages), (Some(10), None));
    assert_eq!(limits.mailboxes, Some(3));
    let asked = opened.store.set_quota(QuotaOverride::default());
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.quota(), site);
}

/// What STATUS shows of all mailboxes together.
fn counted(store: &Store) -> Usage {
    let mut usage = Usage::default();
    for listed in store.list(&Principal::Owner) {
        let handle = store.open_by_id(&Principal::Owner, listed.id).unwrap();
        let counters = store.status(&handle).unwrap().counters;
        usage.bytes += counters.bytes;
        usage.messages += u64::from(counters.messages);
        usage.mailboxes += 1;
    }
    usage
}

fn some_handle(store: &Store, random: &mut Random) -> MailboxHandle {
    let ids: Vec<_> = store.list(OWNER).map(|listed| listed.id).collect();
    let id = ids[random.below(ids.len() as u64) as usize];
    store.open_by_id(OWNER, id).unwrap()
}

#[test]
fn usage_is_the_sum_of_all_mailboxes_whatever_happens() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let root = SimDisk::new(seed);
        let mut opened = open(&root).unwrap();
        for n in 0..60 {
            let (one, two) = (
                some_handle(&opened.store, &mut random),
                some_handle(&opened.store, &mut random),
            );
            let some = range(1, 1 + random.below(20) as u32);
            let store = &mut opened.store;
            let _ = match random.below(9) {
                0..=3 => {
                    let letter = vec![b'x'; random.below(300) as usize];
                    append(store, &one, &letter, &none())
                }
                4 => store.remove(&one, &some),
                5 => store.copy(&one, &some, &two),
                6 => store.move_to(&one, &some, &two),
                7 => store.create(OWNER, &name(&format!("box{n}")), None),
                _ => {
                    let path = store.name(&one).unwrap().clone();
                    store.delete(OWNER, &path)
                }
            };
            if random.chance(2) {
                commit(&mut opened).unwrap();
                assert_eq!(opened.store.usage(), counted(&opened.store), "seed {seed}");
            }
        }
        commit(&mut opened).unwrap();
        let again = open(&root.restart_process()).unwrap();
        assert_eq!(again.store.usage(), opened.store.usage(), "seed {seed}");
        assert_eq!(again.store.usage(), counted(&again.store), "seed {seed}");
    }
}

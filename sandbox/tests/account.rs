//! Accounts' directories and workers in the broker's hands: by number only, never
//! one that isn't the account's alone, and with no right to the account itself.

#[path = "../probe/house.rs"]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

use house::House;
use sandbox::Ids;
use sandbox::profile::BROKER;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::PathBuf;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

fn in_store(house: &House, name: &str) -> PathBuf {
    house.directory.join("store").join(name)
}

fn make(house: &House, name: &str, mode: u32, owner: Option<u32>) {
    std::fs::DirBuilder::new()
        .mode(mode)
        .create(in_store(house, name))
        .expect("it can be made");
    if let Some(owner) = owner {
        std::os::unix::fs::chown(in_store(house, name), Some(owner), Some(owner))
            .expect("root may");
    }
}

#[test]
fn a_new_account_s_directory_is_its_own_and_nobody_else_s() {
    let house = House::new("make", PROBE);
    assert_eq!(house.obey(&BROKER, "make 8"), "done");
    let made = std::fs::metadata(in_store(&house, "8")).unwrap();
    let owner = house
        .site
        .ranges()
        .map_or(rustix::process::geteuid().as_raw(), |r| {
            r.account(8).unwrap().number()
        });
    assert_eq!((made.uid(), made.mode() & 0o7777), (owner, 0o700));
    assert_eq!(house.obey(&BROKER, "open 8"), "done");
    assert_eq!(
        house.obey(&BROKER, "make 8"),
        "Os { code: 17, kind: AlreadyExists, message: \"File exists\" }"
    );
}

#[test]
fn an_account_that_is_not_there_is_missing() {
    let house = House::new("missing", PROBE);
    assert_eq!(house.obey(&BROKER, "open 8"), "Missing");
}

#[test]
fn what_only_looks_like_an_account_s_directory_is_not_opened() {
    let house = House::new("planted", PROBE);
    let owner = |number| {
        house
            .site
            .ranges()
            .map(|ranges| ranges.account(number).unwrap().number())
    };
    symlink("7", in_store(&house, "8")).unwrap();
    std::fs::write(in_store(&house, "9"), "a file").unwrap();
    make(&house, "10", 0o755, owner(10));
    for planted in ["open 8", "open 9", "open 10"] {
        assert_eq!(house.obey(&BROKER, planted), "NotTheAccounts", "{planted}");
    }
    if house.site.ids() != Ids::Single {
        make(&house, "11", 0o700, owner(12));
        make(&house, "12", 0o700, None);
        assert_eq!(house.obey(&BROKER, "open 11"), "NotTheAccounts");
        assert_eq!(house.obey(&BROKER, "open 12"), "NotTheAccounts");
    }
}

#[test]
fn only_an_empty_directory_is_removed_and_a_neighbour_s_mail_stays() {
    let house = House::new("remove", PROBE);
    assert_eq!(house.obey(&BROKER, "remove 7"), "done");
    assert!(!in_store(&house, "7").exists());
    make(&house, "8", 0o700, None);
    std::fs::write(in_store(&house, "8").join("mail"), "mail").unwrap();
    assert_ne!(house.obey(&BROKER, "remove 8"), "done");
    assert!(in_store(&house, "8").join("mail").exists());
}

#[test]
fn a_worker_is_ended_by_a_child_that_takes_its_account_s_uid() {
    let house = House::new("end", PROBE);
    let as_parent = match house.site.ids() {
        Ids::Separate(_) => {
            "Os { code: 1, kind: PermissionDenied, message: \"Operation not permitted\" }"
        }
        Ids::Single => "done",
    };
    assert_eq!(
        house.obey(&BROKER, "end"),
        format!("as its parent: {as_parent}; then killed 9")
    );
}

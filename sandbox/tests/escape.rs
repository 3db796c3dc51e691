//! Escapes: code that has taken over a process tries what such code tries, each attempt
//! in a fresh child of one birth, and each ends as the matrix states.
//!
//! A row of the matrix is an attempt, and where it doesn't end as usual: "usual" is death
//! by the system-call filter, so an empty row is killed in all twelve profiles. A row
//! with differences reads "how: where; how: where", where
//!
//! * a number is the kernel's error, the call itself being allowed and another wall
//!   standing: 1 EPERM, 2 ENOENT (it isn't below the root), 9 EBADF (nothing was leaked,
//!   or it is open to read), 11 EAGAIN, 12 ENOMEM, 13 EACCES (Landlock, or the file's
//!   mode), 21 EISDIR, 22 EINVAL, 24 EMFILE, 38 ENOSYS;
//! * "own" is a power that the process has by its duty, or something that harms nobody:
//!   other attempts show what it doesn't open; "kill" is the usual, where "all" isn't;
//! * "signalled" is that its target, which is of the same uid, got the signal;
//! * `one|other` is the end where ids are separate, and where an ordinary user started
//!   the set and all have his;
//! * "all" stands for every profile that isn't named otherwise.
//!
//! The supervisor is in the matrix though it has everything: so it is seen what "everything"
//! is, and what even it has given up. The broker's filter is wide, because workers inherit
//! it: there the range of ids, the user namespace, Landlock and the empty network namespace
//! are the walls. What each layer stops alone is in `layers.rs`.

#[path = "../probe/house.rs"]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "escape/subject.rs"]
mod subject;

#[path = "escape/files.rs"]
mod files;
#[path = "escape/identity.rs"]
mod identity;
#[path = "escape/kernel.rs"]
mod kernel;
#[path = "escape/memory.rs"]
mod memory;
#[path = "escape/network.rs"]
mod network;
#[path = "escape/processes.rs"]
mod processes;
#[path = "escape/resources.rs"]
mod resources;

use house::House;
use sandbox::profile::{self, VERIFY, WORKER};
use sandbox::{Ids, Profile};
use std::collections::{BTreeMap, BTreeSet};
use subject::Subject;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

/// What was tried, and where it must end otherwise than in death.
type Row = (&'static str, &'static str);

const MATRIX: [&[Row]; 7] = [
    files::ROWS,
    processes::ROWS,
    identity::ROWS,
    memory::ROWS,
    network::ROWS,
    kernel::ROWS,
    resources::ROWS,
];

fn rows() -> impl Iterator<Item = Row> {
    MATRIX.into_iter().flatten().copied()
}

/// The word in the matrix for a profile.
fn word(profile: &Profile) -> &'static str {
    let program = profile.process.program();
    program.strip_prefix("mailkeep-").unwrap_or(program)
}

/// The ends of a row by the word for the profile.
fn ends(row: &'static str) -> BTreeMap<&'static str, &'static str> {
    let differences = row.split("; ").filter(|difference| !difference.is_empty());
    differences
        .flat_map(|difference| {
            let (end, places) = difference.split_once(": ").expect("\"how: where\"");
            places.split(' ').map(move |place| (place, end))
        })
        .collect()
}

/// How an attempt must end in a profile, in the probe's words.
fn stated(row: &'static str, profile: &Profile, ids: Ids) -> String {
    let ends = ends(row);
    let end = ends
        .get(word(profile))
        .or(ends.get("all"))
        .unwrap_or(&"kill");
    let (separate, single) = end.split_once('|').unwrap_or((end, end));
    match if ids == Ids::Single { single } else { separate } {
        "kill" => "killed 31".to_owned(),
        "own" => "succeeded".to_owned(),
        "signalled" => "signalled".to_owned(),
        number => format!("errno {number}"),
    }
}

/// Tries the whole matrix in one profile, and names every attempt that ended
/// otherwise.
fn assert_confined(profile: &'static Profile) {
    let house = House::new(word(profile), PROBE);
    let subject = if profile.descriptors.is_empty() {
        Subject::executed(&house, &house.directory, "supervisor")
    } else {
        Subject::born(&house, profile)
    };
    let wrong = rows().filter_map(|(attempt, row)| {
        let stated = stated(row, profile, house.site.ids());
        let found = subject.attempt(attempt);
        (found != stated).then(|| format!("{attempt}: {found} instead of {stated}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn nothing_leaves_a_worker() {
    assert_confined(&WORKER);
}

#[test]
fn nothing_leaves_login() {
    assert_confined(&profile::LOGIN);
}

#[test]
fn nothing_leaves_the_store_through_the_broker() {
    assert_confined(&profile::BROKER);
}

#[test]
fn nothing_leaves_a_verifier_and_it_changes_nothing() {
    assert_confined(&VERIFY);
}

#[test]
fn nothing_leaves_auth() {
    assert_confined(&profile::AUTH);
}

#[test]
fn nothing_leaves_the_director() {
    assert_confined(&profile::DIRECTOR);
}

#[test]
fn nothing_leaves_the_keyholder() {
    assert_confined(&profile::KEYHOLDER);
}

#[test]
fn nothing_leaves_control() {
    assert_confined(&profile::CONTROL);
}

#[test]
fn front_reaches_nothing_but_the_connections_that_it_accepts() {
    assert_confined(&profile::FRONT);
}

#[test]
fn nothing_leaves_lmtp_but_letters() {
    assert_confined(&profile::LMTP);
}

#[test]
fn nothing_leaves_config() {
    assert_confined(&profile::CONFIG);
}

#[test]
fn even_the_supervisor_has_given_up_what_the_matrix_says() {
    assert_confined(&profile::SUPERVISOR);
}

/// The numbers of system calls that Linux has by now, and some that it will have.
const CALLS: std::ops::Range<i64> = 0..512;

/// uretprobe(2) and uprobe(2), which newer kernels let past every filter: whoever calls
/// them from elsewhere than the kernel's own page ends by SIGILL (4), or gets ENXIO (6).
const UNFILTERED: [(i64, &str); 2] = [(335, "killed 4"), (336, "errno 6")];

/// The calls that a profile names, whatever their arguments, and those of whom it bears.
fn named(profile: &Profile) -> BTreeSet<i64> {
    let own = profile.calls.iter().flat_map(|list| list.calls);
    let bears = profile.bears.iter().flat_map(|child| named(child));
    own.map(|call| call.number).chain(bears).collect()
}

/// The matrix has the calls that somebody thought of: these are all the others, in those
/// whom strangers and letters reach.
#[test]
fn every_call_that_a_profile_does_not_name_kills() {
    let reached = [&WORKER, &profile::LOGIN, &profile::FRONT, &profile::LMTP];
    for profile in reached {
        let house = House::new(&format!("{}-calls", word(profile)), PROBE);
        let subject = Subject::born(&house, profile);
        let named = named(profile);
        let survives = |number: &i64| {
            let end = subject.attempt(&format!("call {number}"));
            end != "killed 31" && !UNFILTERED.contains(&(*number, end.as_str()))
        };
        let survived = CALLS.filter(|number| !named.contains(number) && survives(number));
        assert_eq!(
            survived.collect::<Vec<_>>(),
            Vec::<i64>::new(),
            "{}",
            word(profile)
        );
    }
}

/// A row that is misspelt would be a row that is killed, or not tried.
#[test]
fn the_matrix_has_every_attempt_once_and_names_profiles_that_exist() {
    let names = std::process::Command::new(PROBE).arg("names").output();
    let names = String::from_utf8(names.expect("the probe is built").stdout);
    let names = names.expect("names are text");
    let rows: Vec<Row> = rows().collect();
    assert_eq!(
        rows.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(),
        names.lines().collect::<Vec<_>>(),
        "the probe's attempts, in its order"
    );
    assert_eq!(
        rows.iter()
            .map(|(attempt, _)| attempt)
            .collect::<BTreeSet<_>>()
            .len(),
        rows.len(),
        "no name twice"
    );
    let known: BTreeSet<&str> = profile::ALL.into_iter().map(word).chain(["all"]).collect();
    for (attempt, row) in rows {
        let count = row
            .split([':', ' ', ';'])
            .filter(|word| known.contains(word))
            .count();
        let ends = ends(row);
        assert_eq!(ends.len(), count, "{attempt}: a profile twice");
        let unknown: Vec<_> = ends
            .keys()
            .filter(|place| !known.contains(*place))
            .collect();
        assert_eq!(unknown, Vec::<&&str>::new(), "{attempt}");
    }
}

#[test]
fn a_worker_can_do_its_own_work() {
    let house = House::new("legitimate", PROBE);
    assert_eq!(
        house.obey(&WORKER, "legitimate: create, write, sync, rename"),
        "succeeded"
    );
}

#[test]
fn a_verifier_can_do_its_own_work() {
    let house = House::new("reading", PROBE);
    assert_eq!(
        house.obey(&VERIFY, "legitimate: open, look, list"),
        "succeeded"
    );
}

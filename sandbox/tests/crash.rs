//! A process that panics, faults, or runs out of memory dies of that, and can say
//! so: what the standard library and the C library call on the way is in every
//! profile. If the filter killed it first, every fault would look like an attack.

#[path = "../probe/house.rs"]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

use house::House;
use sandbox::profile;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

/// The order, the signal that it must end by, and what it says on standard error. Who
/// sees no /proc doesn't know where its stack ends: there that is a fault like another.
const CRASHES: &[(&str, i32, &str)] = &[
    ("panic", libc::SIGABRT, "panicked at"),
    ("fault", libc::SIGSEGV, ""),
    ("run out of heap", libc::SIGABRT, "memory allocation of"),
    ("run out of stack", libc::SIGSEGV, ""),
];

/// The same of the supervisor.
const SUPERVISORS: &[(&str, i32, &str)] = &[
    ("panic", libc::SIGABRT, "panicked at"),
    ("fault", libc::SIGSEGV, ""),
    ("run out of heap", libc::SIGABRT, "memory allocation of"),
    ("run out of stack", libc::SIGABRT, "stack overflow"),
];

#[test]
fn every_process_dies_of_its_own_faults_and_not_of_its_filter_and_says_why() {
    let house = House::new("crash", PROBE);
    for profile in profile::ALL
        .into_iter()
        .filter(|one| !one.descriptors.is_empty())
    {
        for (order, signal, words) in CRASHES {
            let found = house.obey(profile, order);
            let said = house.complaints();
            let told = format!("{:?}: {order}: {said}", profile.process);
            assert_eq!(found, format!("killed {signal}"), "{told}");
            assert!(said.contains(words), "{told}");
        }
    }
}

#[test]
fn the_supervisor_too() {
    for (order, signal, words) in SUPERVISORS {
        let ended = Command::new(PROBE)
            .args(["supervise", order])
            .arg0("mailkeep-supervisor")
            // As `mailkeep run` does: a backtrace would open files, and be killed.
            .env_remove("RUST_BACKTRACE")
            .output()
            .expect("the probe runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(*signal), "{order}: {said}");
        assert!(said.contains(words), "{order}: {said}");
    }
}

//! A mail thread that never comes back: the process ends, and so all of its sessions.

use super::house;
use crate::disk::Pulse;
use crate::scratch::Scratch;
use journal::sim::SimDisk;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// In the environment of the child, which is this program again.
const CHILD: &str = "MAILKEEP_TEST_SPINS";

/// How much faster than in life the watchdog is: a fifth of a second for ten.
const TIMES: u32 = 50;

/// signal(7).
const SIGABRT: i32 = 6;

#[test]
fn a_mail_thread_that_spins_is_the_end_of_its_process() {
    if std::env::var_os(CHILD).is_some() {
        return spin();
    }
    let this = std::env::current_exe().unwrap();
    let own = "trial::hanging::a_mail_thread_that_spins_is_the_end_of_its_process";
    let child = Command::new(this)
        .args(["--exact", own])
        .env(CHILD, "")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(child.unwrap().signal(), Some(SIGABRT));
}

/// An account that was served and then no more. Should nobody end it, it ends
/// well after a minute, and the test fails.
fn spin() {
    let scratch = Scratch::new("hanging");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    LocalSet::new().block_on(&runtime.unwrap(), async {
        let disk = SimDisk::new(1);
        let account = house::open_beating(&disk, scratch.path(), Pulse::hurried(TIMES));
        tokio::task::yield_now().await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            std::hint::spin_loop();
        }
        drop(account);
    });
}

//! A parent on whose children a test lays its hands.
//!
//! Bears what it is told to, one line of standard input each, and says on standard
//! output how that went. As `supervisor` it confines itself instead, once. It decides
//! nothing: the test sits between it and the kernel, and makes single calls fail.

#[path = "../probe/house.rs"]
#[expect(dead_code, reason = "the tests beside this one use all of it")]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

use house::House;
use rustix::fd::IntoRawFd;
use sandbox::{Profile, profile};
use std::io::Write as _;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("supervisor") => be_supervisor(),
        Some(probe) => bear_all(probe),
        None => say("usage: sandbox-stage PROBE | supervisor"),
    }
}

/// Bears the process of each program that it reads, with the order behind the
/// name, until there is no more.
fn bear_all(probe: &str) {
    let house = House::new("stage", probe);
    leave_a_file_open();
    say("ready");
    while let Some(told) = hear() {
        let (program, order) = told.split_once(' ').expect("a program and an order");
        let said = house.watch(named(program), order, |number| {
            say(&format!("waiting {number}"));
            hear();
        });
        say(&said);
    }
}

/// What a careless parent leaves to its children: a file without close-on-exec.
fn leave_a_file_open() {
    let left = std::fs::File::open("/").expect("every machine has it");
    let left = rustix::io::dup(&left).expect("there is room for one more");
    let _stays_open = left.into_raw_fd();
}

fn be_supervisor() {
    say("ready");
    hear();
    match sandbox::enter_supervisor() {
        Ok(_confined) => say("succeeded"),
        Err(refusal) => say(&format!("refused: {refusal}")),
    }
}

fn named(program: &str) -> &'static Profile {
    profile::ALL
        .into_iter()
        .find(|profile| profile.process.program() == program)
        .expect("the test names a program")
}

/// A line of the test's; `None` if it wants no more.
fn hear() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    let any = read.expect("the test writes text") > 0;
    any.then(|| line.trim_end().to_owned())
}

fn say(line: &str) {
    // Whoever asked may have gone.
    let _unheard = writeln!(std::io::stdout(), "{line}");
}

//! Hostile code inside a profile.
//!
//! Born like any process of Mailkeep, under the name of the one that it plays, it
//! takes one order over descriptor 3. Told to make attempts, it becomes a `zygote`: it
//! forks a child for each, which enters the profile, tries, and is killed where the
//! filter kills. Told anything else, it enters itself and does that.

mod accounts;
mod alone;
mod attempts;
mod crashes;
mod house;
mod nursery;
mod order;
mod price;
mod zygote;

// The names by which the sandbox's modules in `alone` know each other.
use sandbox::profile;
mod ids {
    pub use sandbox::IdRanges;
}
mod layer {
    pub use sandbox::{Layer, Waivers};
}
mod site {
    pub use sandbox::{Ids, Site};
}

use attempts::Outcome;
use order::{receive, send};
use sandbox::{Child, Entered, Newborn, Process, Profile, Program, Site, enter};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Where a newborn finds the channel to its parent.
const CHANNEL: RawFd = 3;
/// Above every table; a file is left here before confinement begins.
const LEAKED: RawFd = attempts::call::LEAKED as RawFd;

fn main() {
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "supervise" => return supervise(&std::env::args().nth(2).unwrap_or_default()),
        "supervisor" => return zygote::run_as_supervisor(),
        "layers" => return alone::run(),
        "price" => return price::run(&std::env::args().nth(2).unwrap_or_default()),
        "names" => return attempts::names().for_each(|name| println!("{name}")),
        "executed" => return,
        "capable" => return zygote::say_whether_capable(),
        _ => {}
    }
    let channel = borrow(CHANNEL);
    let order = receive(channel);
    if let Some(port) = order.strip_prefix("attempts ") {
        return zygote::run(zygote::Way::Profile(role()), port);
    }
    if let Some(port) = order.strip_prefix("wide attempts ") {
        return zygote::run(zygote::Way::Profile(&alone::WIDE), port);
    }
    before_entering(&order);
    let outcome = match enter(role()) {
        Err(refusal) => Outcome::Refused(refusal.to_string()).to_string(),
        Ok(entered) => obey(&order, entered),
    };
    send(channel, &outcome);
}

/// Plays the supervisor: confines itself, dies if that is the order, else bears every
/// process once. What it has put on the disk is its caller's to remove.
fn supervise(order: &str) {
    let house = std::mem::ManuallyDrop::new(house::House::new("supervise", "/proc/self/exe"));
    sandbox::enter_supervisor().expect("the supervisor can be confined");
    crashes::crash(order);
    for profile in profile::ALL
        .into_iter()
        .filter(|one| !one.descriptors.is_empty())
    {
        println!(
            "{}: {}",
            profile.process.program(),
            house.obey(profile, "wait")
        );
    }
}

/// The profile of the process that it plays, by the name it was born with.
fn role() -> &'static Profile {
    named(&std::env::args().next().unwrap_or_default())
}

fn named(program: &str) -> &'static Profile {
    profile::ALL
        .into_iter()
        .find(|profile| profile.process.program() == program)
        .expect("a newborn has the name of a program")
}

fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the table of the profile says that it is open, and nothing else in
    // this program owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// What must be there already when confinement begins.
fn before_entering(order: &str) {
    match order {
        "a thread before" => drop(std::thread::spawn(std::thread::park)),
        "a file before" => {
            let root = std::fs::File::open("/").expect("no Landlock stands yet");
            let leaked =
                rustix::io::fcntl_dupfd_cloexec(&root, LEAKED).expect("there is room for one more");
            assert_eq!(leaked.into_raw_fd(), LEAKED);
        }
        _ => {}
    }
}

fn obey(order: &str, entered: Entered) -> String {
    crashes::crash(order);
    match (order, entered.profile().process) {
        ("two threads", _) => two_threads(entered).to_string(),
        ("wait", _) => wait().to_string(),
        (order, Process::Broker) if order.starts_with("bear ") => bear(order, &entered),
        (order, Process::Broker) => accounts::carry_out(order, entered.site())
            .unwrap_or_else(|| attempts::attempt(order).to_string()),
        (order, _) => attempts::attempt(order).to_string(),
    }
}

fn borrow(descriptor: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the table of the profile says that it is open, and nothing in this
    // program closes it before its end.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

/// Lives until its parent closes the channel, or says something.
fn wait() -> Outcome {
    let channel = borrow(CHANNEL);
    send(channel, "waiting");
    match role().process {
        // It hears nothing from anybody; but it reads.
        Process::Config => drop(rustix::io::read(channel, &mut [0; 64])),
        _ => drop(receive(channel)),
    }
    Outcome::Succeeded
}

/// Makes its second thread, forbids more, and lives on until the test has looked
/// at both; then tries to make a third.
fn two_threads(entered: Entered) -> Outcome {
    drop(std::thread::spawn(std::thread::park));
    let _sealed = match sandbox::seal_threads(entered) {
        Ok(sealed) => sealed,
        Err(refusal) => return Outcome::Refused(refusal.to_string()),
    };
    wait();
    attempts::attempt("thread")
}

/// `bear PROGRAM ORDER`: bears what has an account's uid and gives it this order;
/// relays what it says.
fn bear(order: &str, entered: &Entered) -> String {
    let (program, order) = order
        .trim_start_matches("bear ")
        .split_once(' ')
        .expect("a program and its order");
    match born(named(program), entered.site()) {
        Err(why) => why,
        Ok((_, channel)) if order.starts_with("attempts ") => {
            send(&channel, order);
            relay(&channel)
        }
        Ok((child, channel)) => {
            send(&channel, order);
            nursery::follow(&child, &channel, |number| {
                send(borrow(CHANNEL), &format!("waiting {number}"));
                receive(borrow(CHANNEL));
            })
        }
    }
}

/// Carries names of attempts down and how they went up, until there are no more.
fn relay(channel: &OwnedFd) -> String {
    loop {
        let name = receive(borrow(CHANNEL));
        if name.is_empty() {
            return String::new();
        }
        send(channel, &name);
        send(borrow(CHANNEL), &receive(channel));
    }
}

fn born(profile: &'static Profile, site: Site) -> Result<(Child, OwnedFd), String> {
    let uid = site
        .ranges()
        .and_then(|ranges| ranges.account(nursery::ACCOUNT));
    let program = Program::adopt(own(4)).map_err(|not| not.to_string())?;
    let directory = sandbox::account::open_directory(borrow(5), nursery::ACCOUNT, uid)
        .map_err(|not| format!("{not:?}"))?;
    let (ours, theirs) = nursery::pair();
    let (null, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let table = [null, output, rustix::stdio::stderr(), theirs.as_fd(), null];
    let newborn = Newborn::of_account(profile, site, uid, directory.as_fd(), &program, &table);
    newborn
        .spawn()
        .map(|child| (child, ours))
        .map_err(|stillborn| stillborn.to_string())
}

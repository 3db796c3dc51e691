//! Births, as root with separate ids or as an ordinary user with a single one:
//! what a newborn has, and that a step that fails makes no service.

#[path = "../probe/house.rs"]
mod house;
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

use house::House;
use rustix::io::Errno;
use sandbox::birth::Step;
use sandbox::profile::{self, Root};
use sandbox::{Ids, Newborn, Profile, Stillborn};
use std::os::fd::AsFd;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

/// The value of one line of /proc/PID/status.
fn status(task: &str, field: &str) -> String {
    let text = std::fs::read_to_string(format!("{task}/status")).expect("the process lives");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("the kernel has this field").trim().to_owned()
}

fn tasks(number: i32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{number}/task")).expect("the process lives");
    tasks
        .map(|task| {
            task.expect("the process lives")
                .path()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn assert_confined(task: &str, profile: &Profile, uid: Option<u32>) {
    let kept = format!("{:016x}", profile.capabilities.bits());
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(task, set), kept, "{:?}: {set}", profile.process);
    }
    assert_eq!(status(task, "NoNewPrivs"), "1");
    assert_eq!(status(task, "Seccomp"), "2");
    if let Some(uid) = uid {
        assert_eq!(
            status(task, "Uid"),
            format!("{uid}\t{uid}\t{uid}\t{uid}"),
            "{:?}",
            profile.process
        );
        assert_eq!(
            status(task, "Gid"),
            format!("{uid}\t{uid}\t{uid}\t{uid}"),
            "{:?}",
            profile.process
        );
        assert_eq!(status(task, "Groups"), "");
    }
}

#[test]
fn every_process_is_born_with_what_its_profile_says_and_no_more() {
    let house = House::new("born", PROBE);
    for profile in profile::ALL
        .into_iter()
        .filter(|one| !one.descriptors.is_empty())
    {
        let own = house.site.ranges().map(|ranges| match profile.root {
            Root::Account => ranges.account(nursery::ACCOUNT).unwrap().number(),
            _ => ranges.process(profile.process).number(),
        });
        let mut seen = 0;
        let said = house.watch(profile, "wait", |number| {
            seen += 1;
            for task in tasks(number) {
                assert_confined(&task, profile, own);
            }
        });
        assert_eq!(
            (said.as_str(), seen),
            ("succeeded", 1),
            "{:?}",
            profile.process
        );
    }
}

/// The supervisor's filter stands over every birth and over every process, so it
/// must leave each what it needs.
#[test]
fn every_process_is_born_under_the_supervisor_s_own_confinement() {
    let house = House::new("supervised", PROBE);
    let mut supervisor = std::process::Command::new(PROBE);
    let output = supervisor
        .arg("supervise")
        .env("TMPDIR", &house.directory)
        .output()
        .unwrap();
    let born = profile::ALL
        .into_iter()
        .filter(|one| !one.descriptors.is_empty());
    let stated: String = born
        .map(|one| format!("{}: succeeded\n", one.process.program()))
        .collect();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        stated,
        "{output:?}"
    );
}

#[test]
fn a_process_has_the_descriptors_of_its_table_alone() {
    let house = House::new("table", PROBE);
    if house.site.ids() == Ids::Single {
        return; // Only root may look into a process that is not dumpable.
    }
    for profile in profile::ALL
        .into_iter()
        .filter(|one| !one.descriptors.is_empty())
    {
        house.watch(profile, "wait", |number| {
            let open = std::fs::read_dir(format!("/proc/{number}/fd")).unwrap();
            let mut open: Vec<usize> = open
                .map(|one| one.unwrap().file_name().to_str().unwrap().parse().unwrap())
                .collect();
            open.sort_unstable();
            let table: Vec<usize> = (0..profile.descriptors.len()).collect();
            assert_eq!(open, table, "{:?}", profile.process);
        });
    }
}

#[test]
fn both_threads_of_a_worker_are_confined_and_a_third_is_its_death() {
    let house = House::new("threads", PROBE);
    let mut seen = 0;
    let said = house.watch(&profile::WORKER, "two threads", |number| {
        let tasks = tasks(number);
        seen = tasks.len();
        let own = house
            .site
            .ranges()
            .map(|ranges| ranges.account(nursery::ACCOUNT).unwrap().number());
        tasks
            .iter()
            .for_each(|task| assert_confined(task, &profile::WORKER, own));
    });
    assert_eq!((said.as_str(), seen), ("killed 31", 2));
}

#[test]
fn a_file_opened_before_entering_is_closed_by_it() {
    let house = House::new("file", PROBE);
    assert_eq!(house.obey(&profile::WORKER, "a file before"), "errno 9");
}

#[test]
fn a_second_thread_before_entering_is_a_refusal() {
    let house = House::new("thread", PROBE);
    let refusal = "refused: a second thread exists before confinement";
    for profile in [&profile::WORKER, &profile::LOGIN, &profile::BROKER] {
        assert_eq!(house.obey(profile, "a thread before"), refusal);
    }
}

#[test]
fn a_root_that_is_not_empty_is_a_refusal() {
    let house = House::new("planted", PROBE);
    std::fs::write(house.directory.join("empty/passwd"), "planted").unwrap();
    let refusal = "refused: confinement failed its own check: its root is not empty";
    let said = house.obey(&profile::LOGIN, "wait");
    assert!(said.starts_with(refusal), "{said}");
}

#[test]
fn a_program_that_nobody_bore_refuses_to_run() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sandbox-probe"))
        .output()
        .unwrap();
    assert!(!output.status.success());
}

/// Bears `login` with one thing wrong.
fn stillborn(
    house: &House,
    profile: &'static Profile,
    root: impl AsFd,
    program: &sandbox::Program,
    table: usize,
) -> Stillborn {
    let null = std::fs::File::open("/dev/null").expect("every machine has it");
    let table = vec![null.as_fd(); table];
    Newborn::process(profile, house.site, root.as_fd(), program, &table)
        .spawn()
        .expect_err("a step fails")
}

#[test]
fn a_step_that_fails_is_named() {
    let house = House::new("steps", PROBE);
    let (login, null) = (&profile::LOGIN, std::fs::File::open("/dev/null").unwrap());
    let root = house.root(login);
    let wrong = |step, errno| Stillborn { step, errno };
    assert_eq!(
        stillborn(&house, login, &null, &house.program, 4),
        wrong(Step::Root, Errno::NOTDIR)
    );
    assert_eq!(
        stillborn(&house, login, &root, &house.program, 3),
        wrong(Step::Descriptors, Errno::INVAL)
    );
    let junk = house.directory.join("junk");
    std::fs::write(&junk, "no program").unwrap();
    let junk = sandbox::Program::seal(c"junk", &std::fs::File::open(junk).unwrap()).unwrap();
    assert_eq!(
        stillborn(&house, login, &root, &junk, 4),
        wrong(Step::Program, Errno::NOEXEC)
    );
    if house.site.ids() != Ids::Single {
        let table = profile::WORKER.descriptors.len();
        let ids = stillborn(&house, &profile::WORKER, &root, &house.program, table);
        assert_eq!(ids, wrong(Step::Ids, Errno::INVAL));
    }
}

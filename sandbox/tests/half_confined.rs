//! Nothing is half-confined: every system call between a fork and the proof of
//! confinement is made to fail, and to lie, one by one. Then either nothing serves, or
//! what serves looks from outside as if nothing had been.
//!
//! Nobody has to remember to add a test: a new step makes calls, and each call is tried.
//! A new name of a step, an act or a finding doesn't compile here until it has its case.

#[path = "half_confined/appearance.rs"]
mod appearance;
#[path = "half_confined/tracer.rs"]
mod tracer;

use appearance::Appearance;
use nix::libc;
use sandbox::birth::Step;
use sandbox::profile::{self, Identity};
use sandbox::{Act, Finding, Layer, Profile};
use std::os::unix::fs::symlink;
use tracer::{Call, Choice, Fault, Stage};

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");

/// A lie, and what kernels and those who forbid calls say.
const ANSWERS: [i64; 4] = [
    0,
    -libc::EPERM as i64,
    -libc::EINVAL as i64,
    -libc::ENOSYS as i64,
];

const NOT_PERMITTED: Fault = Fault::Answered(-libc::EPERM as i64);
const A_LIE: Fault = Fault::Answered(0);

/// How a birth went.
#[derive(Debug)]
struct Ending {
    /// What the stage or the process said of it; nothing if the stage has died.
    said: String,
    /// How the process looked when it had the proof that it is confined.
    appearance: Option<Appearance>,
}

impl Ending {
    fn serves(&self) -> bool {
        self.said == "succeeded"
    }
}

/// Bears a process; decides about the calls of one generation.
fn bear(
    stage: &mut Stage,
    profile: &Profile,
    order: &str,
    whose: usize,
    mut decide: impl FnMut(&Call) -> Choice,
) -> Ending {
    let mut appearance = None;
    let mut line = format!("{} {order}", profile.process.program());
    stage.begin_round();
    let said = loop {
        let said = stage.tell(&line, whose, |call| match call.number {
            // Its order is no part of its confinement.
            libc::SYS_recvmsg => Choice::Pass,
            _ => decide(call),
        });
        match said
            .as_deref()
            .and_then(|said| said.strip_prefix("waiting "))
        {
            Some(number) => appearance = appearance::of(number),
            None => break said,
        }
        "go on".clone_into(&mut line);
    };
    if said.is_none() {
        *stage = Stage::begin(PROBE);
    }
    Ending {
        said: said.unwrap_or_default(),
        appearance,
    }
}

/// The stage's child, or the child of the broker that it bears.
fn generation(profile: &Profile) -> usize {
    match profile.identity {
        Identity::Account => 2,
        _ => 1,
    }
}

/// The calls that a healthy birth makes, and how the process looks then.
fn record(stage: &mut Stage, profile: &Profile, whose: usize) -> (Vec<Call>, Appearance) {
    let (mut calls, mut over) = (Vec::new(), false);
    let ending = bear(stage, profile, "wait", whose, |call| {
        // Its first word to its parent: it has the proof.
        over |= whose == generation(profile) && call.number == libc::SYS_sendmsg;
        if !over && call.number != libc::SYS_recvmsg {
            calls.push(*call);
        }
        Choice::Pass
    });
    assert!(ending.serves(), "{ending:?}");
    (calls, ending.appearance.expect("it was seen"))
}

/// One call is answered so, and none after it is looked at.
fn only(wanted: &Call, answer: i64) -> impl FnMut(&Call) -> Choice {
    let index = wanted.index;
    move |call| match call.index == index {
        true => Choice::TamperLast(Fault::Answered(answer)),
        false => Choice::Pass,
    }
}

/// Of calls that repeat, as those on each capability do, the first, the middle and the
/// last.
fn worth_trying(calls: &[Call]) -> Vec<Call> {
    let alike = |one: &Call, other: &Call| {
        (one.number, one.arguments[0]) == (other.number, other.arguments[0])
    };
    calls
        .chunk_by(alike)
        .flat_map(|run| {
            let mut tried = vec![run[0], run[run.len() / 2], run[run.len() - 1]];
            tried.dedup();
            tried
        })
        .collect()
}

/// Whether a process may serve though this call was answered so: not without its own
/// Landlock and filter, which nobody sees from outside.
fn may_serve_without(profile: &Profile, call: &Call) -> bool {
    // A worker's trial is refused by the domain that it inherits from its broker.
    let inherits = profile.process == sandbox::Process::Worker;
    match call.number {
        libc::SYS_seccomp | libc::SYS_landlock_create_ruleset => false,
        libc::SYS_landlock_restrict_self => inherits,
        _ => true,
    }
}

/// Every call of the process itself, with every answer.
fn assert_closed(profiles: &[&'static Profile]) {
    let mut half = Vec::new();
    for profile in profiles {
        let mut stage = Stage::begin(PROBE);
        let own = generation(profile);
        let (calls, healthy) = record(&mut stage, profile, own);
        for call in worth_trying(&calls) {
            for answer in ANSWERS {
                let ending = bear(&mut stage, profile, "wait", own, only(&call, answer));
                half.extend(fault_of(profile, &call, answer, &ending, &healthy));
            }
        }
    }
    assert!(half.is_empty(), "{}", half.join("\n"));
}

fn fault_of(
    profile: &Profile,
    call: &Call,
    answer: i64,
    ending: &Ending,
    healthy: &Appearance,
) -> Option<String> {
    let Call {
        index,
        number,
        arguments: [one, two, ..],
        ..
    } = call;
    let what = format!(
        "{}: call {index}, {number}({one:#x}, {two:#x}), answered {answer}",
        profile.process.program()
    );
    let seen = ending.appearance.as_ref();
    let differs = healthy
        .iter()
        // What close(2) leaves open of its own is below its root, and known to nobody.
        .filter(|(name, _)| *name != "descriptors" || *number != libc::SYS_close)
        .filter(|(name, value)| seen.and_then(|seen| seen.get(*name)) != Some(value));
    let differs: Vec<_> = differs.map(|(name, _)| name.as_str()).collect();
    match ending {
        Ending { said, .. } if said.is_empty() => Some(format!("{what}: the stage has died")),
        ending if !ending.serves() => None,
        _ if !differs.is_empty() => Some(format!("{what}: serves, but for {differs:?}")),
        _ if !may_serve_without(profile, call) => Some(format!("{what}: serves without it")),
        _ => None,
    }
}

#[test]
fn no_call_of_a_birth_fails_or_lies_and_leaves_a_process_half_confined() {
    assert_closed(&[&profile::CONFIG, &profile::AUTH, &profile::CONTROL]);
}

#[test]
fn no_call_of_a_birth_fails_or_lies_and_leaves_who_meets_strangers_half_confined() {
    assert_closed(&[&profile::FRONT, &profile::LOGIN, &profile::LMTP]);
}

#[test]
fn no_call_of_a_birth_fails_or_lies_and_leaves_who_has_power_half_confined() {
    assert_closed(&[&profile::BROKER, &profile::DIRECTOR, &profile::KEYHOLDER]);
}

#[test]
fn no_call_of_a_birth_fails_or_lies_and_leaves_who_reads_mail_half_confined() {
    assert_closed(&[&profile::WORKER, &profile::VERIFY]);
}

/// A parent whose own calls fail bears nobody, or a whole child. It is not lied to: that
/// fork answered 0 says to it that it is the child.
#[test]
fn no_call_of_a_parent_fails_and_leaves_its_child_half_confined() {
    for profile in [&profile::LOGIN, &profile::WORKER] {
        let mut stage = Stage::begin(PROBE);
        let parent = generation(profile) - 1;
        let (calls, healthy) = record(&mut stage, profile, parent);
        let begun = calls.iter().position(is_first_of_birth).expect("a birth");
        let birth = calls[begun..].iter().copied();
        let birth: Vec<Call> = birth
            .take_while(|call| call.number != libc::SYS_sendmsg)
            .collect();
        // None can fail and leave anything as it was.
        let never = [
            libc::SYS_getpid,
            libc::SYS_geteuid,
            libc::SYS_getegid,
            libc::SYS_close,
        ];
        let mut tried = worth_trying(&birth);
        tried.retain(|call| !never.contains(&call.number));
        for call in tried {
            for answer in &ANSWERS[1..] {
                let ending = bear(&mut stage, profile, "wait", parent, only(&call, *answer));
                let fault = fault_of(profile, &call, *answer, &ending, &healthy);
                assert_eq!(fault, None);
            }
        }
    }
}

/// The first of two pipes.
fn is_first_of_birth(call: &Call) -> bool {
    call.number == libc::SYS_pipe2
}

/// A call that is known by its number and its first arguments, and what becomes of it.
fn at(number: i64, arguments: &'static [u64], fault: Fault) -> Tampering {
    Box::new(
        move |call| match call.number == number && call.arguments.starts_with(arguments) {
            true => Choice::Tamper(fault),
            false => Choice::Pass,
        },
    )
}

type Tampering = Box<dyn FnMut(&Call) -> Choice>;

/// prctl(2)'s options, as arguments of calls.
const SET_DEATH_SIGNAL: &[u64] = &[libc::PR_SET_PDEATHSIG as u64];
const SET_DUMPABLE: &[u64] = &[libc::PR_SET_DUMPABLE as u64, 0];
const DROP: &[u64] = &[libc::PR_CAPBSET_DROP as u64, 0];
const IS_AMBIENT: &[u64] = &[libc::PR_CAP_AMBIENT as u64, 1];
const SET_NO_NEW: &[u64] = &[libc::PR_SET_NO_NEW_PRIVS as u64];
const GET_NO_NEW: &[u64] = &[libc::PR_GET_NO_NEW_PRIVS as u64];

/// How each step of a birth is made to fail: whose call, and which.
fn failing(step: Step) -> (usize, Tampering) {
    let at = |number, arguments| at(number, arguments, NOT_PERMITTED);
    match step {
        Step::Fork => (0, at(libc::SYS_clone, &[])),
        Step::Session => (1, at(libc::SYS_setsid, &[])),
        Step::Namespaces => (1, at(libc::SYS_unshare, &[])),
        Step::Maps => (0, Box::new(a_map)),
        Step::Ids => (1, at(libc::SYS_setresuid, &[])),
        Step::Root => (1, at(libc::SYS_chroot, &[])),
        Step::Limits => (
            1,
            at(libc::SYS_prlimit64, &[0, libc::RLIMIT_DATA as u64, 0]),
        ),
        Step::Capabilities => (1, at(libc::SYS_prctl, DROP)),
        Step::NoNewPrivileges => (1, at(libc::SYS_prctl, SET_NO_NEW)),
        Step::ParentsDeath => (1, at(libc::SYS_prctl, SET_DEATH_SIGNAL)),
        Step::Descriptors => (1, at(libc::SYS_dup3, &[])),
        Step::Program => (1, at(libc::SYS_execveat, &[])),
    }
}

/// The parent opens a map to write it.
fn a_map(call: &Call) -> Choice {
    let writes = call.arguments[2] & libc::O_CREAT as u64 != 0;
    match call.number == libc::SYS_openat && writes {
        true => Choice::Tamper(NOT_PERMITTED),
        false => Choice::Pass,
    }
}

#[test]
fn every_step_of_a_birth_that_fails_is_named_and_nothing_is_born() {
    let mut stage = Stage::begin(PROBE);
    for step in Step::ALL {
        if *step == Step::Ids && !is_root() {
            continue; // An ordinary user's processes have his.
        }
        let (whose, decide) = failing(*step);
        let ending = bear(&mut stage, &profile::LOGIN, "wait", whose, decide);
        let stated = format!("a process was not born: {} failed", step.text());
        assert!(ending.said.starts_with(&stated), "{step:?}: {ending:?}");
        assert!(ending.said.contains("; "), "no advice: {ending:?}");
        assert_eq!(ending.appearance, None);
    }
}

/// How each act of entering is made to fail.
fn refused(act: Act) -> Tampering {
    let (number, arguments): (_, &[u64]) = match act {
        Act::Descriptors => (libc::SYS_ppoll, &[]),
        Act::Root => (libc::SYS_getdents64, &[]),
        Act::Ids => (libc::SYS_getresuid, &[]),
        Act::Groups => (libc::SYS_getgroups, &[]),
        Act::Capabilities => (libc::SYS_prctl, IS_AMBIENT),
        Act::Limits => (libc::SYS_prlimit64, &[]),
        Act::NoNewPrivileges => (libc::SYS_prctl, GET_NO_NEW),
        Act::Dumpable => (libc::SYS_prctl, SET_DUMPABLE),
    };
    at(number, arguments, NOT_PERMITTED)
}

#[test]
fn every_act_of_entering_that_fails_is_named_and_the_process_refuses() {
    let mut stage = Stage::begin(PROBE);
    for act in Act::ALL {
        let ending = match act {
            // Others have them from birth.
            Act::Limits => enter_supervisor(refused(*act)),
            _ => bear(&mut stage, &profile::LOGIN, "wait", 1, refused(*act)),
        };
        let stated = format!("refused: confinement failed: {}: ", act.text());
        assert!(ending.said.starts_with(&stated), "{act:?}: {ending:?}");
    }
}

/// What is put in the place of a directory: the machine's root.
type Replaced = Option<&'static str>;

/// How each finding comes to be found: in whom, with which order, what was exchanged
/// before, and whose call lied.
fn found(finding: Finding) -> (&'static Profile, &'static str, Replaced, Tampering) {
    let login = |number, arguments| {
        let lie = at(number, arguments, A_LIE);
        (&profile::LOGIN, "wait", None, lie)
    };
    let nothing = || -> Tampering { Box::new(|_| Choice::Pass) };
    match finding {
        // The stage leaves a file open that both birth and process should close.
        Finding::Descriptors => login(libc::SYS_close_range, &[]),
        // Put into its place, it goes when the program is executed.
        Finding::NoDescriptors => {
            let lost = Box::new(|call: &Call| match call.number {
                libc::SYS_dup3 if call.arguments[1] == 4 => {
                    Choice::Tamper(Fault::Changed(2, libc::O_CLOEXEC as u64))
                }
                _ => Choice::Pass,
            });
            (&profile::WORKER, "wait", None, lost)
        }
        Finding::NotEmptyRoot => (&profile::LOGIN, "wait", Some("empty"), nothing()),
        Finding::ForeignRoot => (&profile::AUTH, "wait", Some("mailkeep-auth"), nothing()),
        Finding::NoStore => (&profile::BROKER, "wait", Some("store"), nothing()),
        Finding::MixedIds => (&profile::LOGIN, "wait", None, Box::new(a_saved_id_of_zero)),
        Finding::ForeignIds => login(libc::SYS_getresuid, &[]),
        Finding::Groups => {
            let one = at(libc::SYS_getgroups, &[], Fault::Answered(1));
            (&profile::LOGIN, "wait", None, one)
        }
        Finding::Capabilities => login(libc::SYS_prctl, DROP),
        Finding::NewPrivileges => login(libc::SYS_prctl, SET_NO_NEW),
        Finding::Dumpable => login(libc::SYS_prctl, SET_DUMPABLE),
        Finding::Landlock => login(libc::SYS_landlock_restrict_self, &[]),
        Finding::NotFiltered => login(libc::SYS_seccomp, &[]),
        Finding::NotSealed => {
            let mut filters = 0;
            let second = Box::new(move |call: &Call| {
                filters += i32::from(call.number == libc::SYS_seccomp);
                match call.number == libc::SYS_seccomp && filters == 2 {
                    true => Choice::Tamper(A_LIE),
                    false => Choice::Pass,
                }
            });
            (&profile::AUTH, "two threads", None, second)
        }
    }
}

/// The kernel is asked to show the saved id where the real one goes.
fn a_saved_id_of_zero(call: &Call) -> Choice {
    match call.number {
        libc::SYS_getresuid => Choice::Tamper(Fault::Changed(2, call.arguments[0])),
        _ => Choice::Pass,
    }
}

#[test]
fn every_finding_is_found_and_the_process_refuses() {
    for finding in Finding::ALL {
        let mut stage = Stage::begin(PROBE);
        let (profile, order, replaced, decide) = found(*finding);
        if is_nobody() && [Finding::ForeignRoot, Finding::NoStore].contains(finding) {
            eprintln!("not checked: to nobody everything unknown looks like his own");
            continue;
        }
        if let Some(name) = replaced {
            exchange(&stage, name);
        }
        let ending = bear(&mut stage, profile, order, generation(profile), decide);
        let stated = format!(
            "refused: confinement failed its own check: {}",
            finding.text()
        );
        assert!(ending.said.starts_with(&stated), "{finding:?}: {ending:?}");
    }
}

/// Puts the machine's root into the place of one of the stage's directories.
fn exchange(stage: &Stage, name: &str) {
    let place = stage.house().join(name);
    std::fs::rename(&place, place.with_extension("moved")).expect("it is ours");
    symlink("/", place).expect("it is ours");
}

#[test]
fn a_landlock_of_an_older_kernel_is_named_with_what_it_lacks() {
    if !sandbox::kernel_lacks()
        .without(Layer::SeparateUids)
        .is_empty()
    {
        eprintln!("not checked: this kernel lacks layers itself");
        return;
    }
    let needed = [
        (2, Layer::Landlock),
        (3, Layer::LandlockTruncate),
        (4, Layer::LandlockNet),
        (5, Layer::LandlockIoctl),
        (6, Layer::LandlockScopes),
    ];
    let mut stage = Stage::begin(PROBE);
    for version in 0..=6 {
        let ending = bear(&mut stage, &profile::WORKER, "wait", 2, |call| {
            let asks = call.number == libc::SYS_landlock_create_ruleset && call.arguments[2] == 1;
            match asks {
                true => Choice::Tamper(Fault::Answered(version)),
                false => Choice::Pass,
            }
        });
        assert_eq!(ending.serves(), version == 6, "{version}: {ending:?}");
        for (since, layer) in needed {
            let lacks = format!(
                "this kernel lacks {} (needs {})",
                layer.name(),
                layer.needs()
            );
            assert_eq!(
                ending.said.contains(&lacks),
                version < since,
                "{version}: {ending:?}"
            );
        }
    }
}

/// One of the three ids that a process is given is another's: the first two show, the
/// saved one (and with it the one for files) is made the effective one by execve(2).
#[test]
fn an_id_of_another_in_any_place_is_found_or_mended_by_the_kernel() {
    if !is_root() {
        eprintln!("not checked: an ordinary user takes no ids");
        return;
    }
    let account = u64::from(sandbox::IdRanges::default().accounts().0);
    let mut stage = Stage::begin(PROBE);
    let (_, healthy) = record(&mut stage, &profile::BROKER, 1);
    for number in [libc::SYS_setresuid, libc::SYS_setresgid] {
        for place in 0..3 {
            let ending = bear(&mut stage, &profile::BROKER, "wait", 1, |call| {
                match call.number == number {
                    true => Choice::Tamper(Fault::Changed(place, account)),
                    false => Choice::Pass,
                }
            });
            match ending.serves() {
                true => assert_eq!(ending.appearance.as_ref(), Some(&healthy), "{place}"),
                false => assert_ne!(ending.said, "", "{place}"),
            }
            assert_eq!(ending.serves(), place == 2, "{place}: {ending:?}");
        }
    }
}

/// The child is made to keep one capability in a set that capset(2) sets: what is in the
/// effective or the permitted one alone goes with execve(2), what can be inherited is
/// found. The bounding set is among the calls that lie; the ambient one can hold nothing
/// that these don't.
#[test]
fn a_capability_that_is_left_in_any_set_is_found_or_lost() {
    let chown = 1;
    let mut stage = Stage::begin(PROBE);
    let (_, healthy) = record(&mut stage, &profile::LOGIN, 1);
    for offset in [0, 4, 8] {
        let mut sets = 0;
        let ending = bear(&mut stage, &profile::LOGIN, "wait", 1, move |call| {
            sets += i32::from(call.number == libc::SYS_capset);
            // The first raises what a change of ids has emptied, as root.
            match call.number == libc::SYS_capset && sets == if is_root() { 2 } else { 1 } {
                true => Choice::Tamper(Fault::Written(1, offset, chown)),
                false => Choice::Pass,
            }
        });
        assert_eq!(ending.serves(), offset == 4, "{offset}: {ending:?}");
        if ending.serves() {
            assert_eq!(ending.appearance.as_ref(), Some(&healthy));
        }
    }
}

/// Whether this user's number is the one that stands for every other in a namespace.
fn is_nobody() -> bool {
    rustix::process::geteuid().as_raw() == 65_534
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Starts a stage that confines itself as the supervisor does.
fn enter_supervisor(mut decide: impl FnMut(&Call) -> Choice) -> Ending {
    let mut stage = Stage::begin("supervisor");
    let mut appearance = None;
    stage.begin_round();
    let said = stage.tell("enter", 0, |call| {
        if call.number == libc::SYS_write {
            appearance = appearance::of(&call.process.to_string());
        }
        decide(call)
    });
    Ending {
        said: said.unwrap_or_default(),
        appearance,
    }
}

/// The supervisor has no parent of ours that could look after it: each of its calls.
#[test]
fn no_call_of_the_supervisor_fails_or_lies_and_leaves_it_half_confined() {
    let mut calls = Vec::new();
    let healthy = enter_supervisor(|call| {
        calls.push(*call);
        Choice::Pass
    });
    assert!(healthy.serves(), "{healthy:?}");
    let over = calls.iter().position(|call| call.number == libc::SYS_write);
    calls.truncate(over.expect("it has said so"));
    calls.retain(|call| call.number != libc::SYS_read);
    for call in worth_trying(&calls) {
        for answer in ANSWERS {
            let ending = enter_supervisor(|seen| match seen.index == call.index {
                true => Choice::Tamper(Fault::Answered(answer)),
                false => Choice::Pass,
            });
            if ending.serves() {
                let same = ending.appearance == healthy.appearance;
                assert!(same, "{call:?} answered {answer}: {ending:?}");
                assert!(may_serve_without(&profile::SUPERVISOR, &call), "{call:?}");
            }
        }
    }
}

//! The system-call filter of a profile (seccomp(2)): from the lists that are
//! data to a program that the kernel runs.
//!
//! Invariants: what no list names kills the process; i386 and x32 calls are
//! named by none; a call in several lists is allowed if one of them allows it.

use crate::ids::IdRanges;
use crate::profile::Profile;
use crate::profile::calls::{Argument, Call, Test, When};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};
use std::collections::BTreeMap;

/// Sizes that no argument of clone3(2) has: asked with one of them, the filter that was
/// installed last says who it is.
pub const WHOSE_FILTER: u32 = 1;
/// See [`WHOSE_FILTER`].
pub const IS_IT_SEALED: u32 = 2;

/// Errors that the kernel has none of: a profile's own is this plus its number. Filters
/// are inherited, and a parent's would answer "no such call" as the child's does.
const PROFILES: u16 = 1000;
/// The second filter's.
pub const SEALED: u16 = 2000;

/// Why there is no filter.
pub type Fault = seccompiler::Error;

/// Rules as seccompiler has them: a call without a rule is always allowed.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the profile's filter on every thread of the process.
pub fn install(profile: &Profile, accounts: Option<IdRanges>) -> Result<(), Fault> {
    seccompiler::apply_filter_all_threads(&compile(profile, accounts)?)
}

/// The filter that a profile makes: what the process needs and what it must leave
/// to those whom it bears.
pub fn compile(profile: &Profile, accounts: Option<IdRanges>) -> Result<BpfProgram, Fault> {
    let calls: Vec<&Call> = needed(profile);
    let mut program = build(
        rules(&calls, accounts)?,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
    )?;
    for call in &calls {
        if let When::Answered(errno) = call.when {
            answer(&mut program, call.number, errno);
        }
    }
    sign(&mut program, WHOSE_FILTER, signature(profile));
    Ok(program)
}

/// The error that this profile's filter, if it was installed last, answers clone3 of the
/// size [`WHOSE_FILTER`] with.
pub fn signature(profile: &Profile) -> u16 {
    PROFILES.saturating_add(profile.process as u16)
}

/// Installs the short second filter on every thread: no further thread,
/// process or filter.
pub fn install_second() -> Result<(), Fault> {
    seccompiler::apply_filter_all_threads(&compile_second()?)
}

/// That filter.
pub fn compile_second() -> Result<BpfProgram, Fault> {
    let never = [libc::SYS_clone, libc::SYS_clone3, libc::SYS_seccomp];
    let rules = never
        .into_iter()
        .map(|number| (number, Vec::new()))
        .collect();
    let mut program = build(rules, SeccompAction::Allow, SeccompAction::KillProcess)?;
    sign(&mut program, IS_IT_SEALED, SEALED);
    Ok(program)
}

/// Installs a filter that allows everything, to see whether one can be. Allocates
/// nothing.
pub fn install_nothing() -> Result<(), Errno> {
    let mut allow = fail_with(0);
    allow.k = libc::SECCOMP_RET_ALLOW;
    seccompiler::apply_filter(&[allow]).map_err(|_| Errno::PERM)
}

/// The calls of a profile, its own first, then those of whom it bears.
pub fn needed(profile: &Profile) -> Vec<&'static Call> {
    let own = profile.calls.iter().flat_map(|list| list.calls);
    own.chain(profile.bears.iter().flat_map(|child| needed(child)))
        .collect()
}

fn build(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, Fault> {
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, matched, architecture)?.try_into()?)
}

fn rules(calls: &[&Call], accounts: Option<IdRanges>) -> Result<Rules, Fault> {
    let mut rules = Rules::new();
    let is_always = |number| {
        calls
            .iter()
            .any(|call| call.number == number && call.when == When::Always)
    };
    for call in calls {
        match call.when {
            When::Answered(_) => {}
            _ if is_always(call.number) => drop(rules.insert(call.number, Vec::new())),
            When::Always => {}
            When::If(arguments) => {
                let rule = SeccompRule::new(conditions(arguments, accounts)?)?;
                let alternatives = rules.entry(call.number).or_default();
                if !alternatives.contains(&rule) {
                    alternatives.push(rule);
                }
            }
        }
    }
    Ok(rules)
}

fn conditions(
    arguments: &[Argument],
    accounts: Option<IdRanges>,
) -> Result<Vec<SeccompCondition>, Fault> {
    let mut conditions = Vec::new();
    for argument in arguments {
        let mut hold = |width, operator, number| {
            SeccompCondition::new(argument.index, width, operator, number)
                .map(|one| conditions.push(one))
        };
        match argument.test {
            Test::Is(number) => hold(
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                number & 0xffff_ffff,
            )?,
            Test::Lacks(bits) => hold(SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(bits), 0)?,
            Test::Has(bits) => hold(SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(bits), bits)?,
            Test::Account => {
                // Without accounts' ids there is none to take: no number is both
                // at least 1 and at most 0.
                let (first, last) = accounts.map_or((1, 0), |ranges| ranges.accounts());
                hold(SeccompCmpArgLen::Dword, SeccompCmpOp::Ge, first.into())?;
                hold(SeccompCmpArgLen::Dword, SeccompCmpOp::Le, last.into())?;
            }
        }
    }
    Ok(conditions)
}

/// Answers a call with an error. seccompiler has one answer for all that
/// matches; a second filter would cost each birth and each call more than two
/// instructions behind the one that loads the call's number.
fn answer(program: &mut BpfProgram, number: i64, errno: i32) {
    let errno = u16::try_from(errno).unwrap_or(0);
    insert(program, &[unless(call(number), 1), fail_with(errno)]);
}

/// Answers clone3 of an impossible size with an error that says whose filter this is.
fn sign(program: &mut BpfProgram, size: u32, errno: u16) {
    /// The lower half of the second argument (`struct seccomp_data`, seccomp(2)).
    const SIZE: u32 = 24;
    let signed = [
        unless(call(libc::SYS_clone3), 4),
        load(SIZE),
        unless(size, 1),
        fail_with(errno),
        load(NUMBER),
    ];
    insert(program, &signed);
}

/// Where `struct seccomp_data` has the call's number.
const NUMBER: u32 = 0;

/// Puts instructions behind the one that loads the call's number.
fn insert(program: &mut BpfProgram, instructions: &[sock_filter]) {
    let number = load(NUMBER);
    let loads_number = |one: &sock_filter| (one.code, one.k) == (number.code, number.k);
    if let Some(load) = program.iter().position(loads_number) {
        let place = load.saturating_add(1);
        program.splice(place..place, instructions.iter().cloned());
    }
}

fn call(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// BPF_LD | BPF_W | BPF_ABS.
fn load(k: u32) -> sock_filter {
    sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k,
    }
}

/// BPF_JMP | BPF_JEQ | BPF_K: skips so many if it is anything else.
fn unless(k: u32, skipped: u8) -> sock_filter {
    sock_filter {
        code: 0x15,
        jt: 0,
        jf: skipped,
        k,
    }
}

/// BPF_RET | BPF_K.
fn fail_with(errno: u16) -> sock_filter {
    let k = libc::SECCOMP_RET_ERRNO | u32::from(errno);
    sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{ALL, BROKER, LOGIN, SUPERVISOR, WORKER};
    use proptest::prelude::*;

    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

    /// What the kernel would make of a call: the few instructions that filters are
    /// made of, on `struct seccomp_data` (seccomp(2)).
    fn verdict(
        program: &[sock_filter],
        architecture: u32,
        number: i64,
        arguments: [u64; 6],
    ) -> u32 {
        let mut words = vec![number as u32, architecture, 0, 0];
        words.extend(
            arguments
                .iter()
                .flat_map(|argument| [*argument as u32, (argument >> 32) as u32]),
        );
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let one = &program[at];
            let holds = match one.code {
                0x06 => return one.k,
                0x20 => {
                    accumulator = words[one.k as usize / 4];
                    None
                }
                0x54 => {
                    accumulator &= one.k;
                    None
                }
                0x05 => {
                    at += one.k as usize;
                    None
                }
                0x15 => Some(accumulator == one.k),
                0x25 => Some(accumulator > one.k),
                0x35 => Some(accumulator >= one.k),
                other => panic!("no filter has the instruction {other:#x}"),
            };
            at += 1 + holds.map_or(0, |holds| usize::from(if holds { one.jt } else { one.jf }));
        }
    }

    /// What the lists say of a call.
    fn stated(
        profile: &Profile,
        ranges: Option<IdRanges>,
        number: i64,
        arguments: [u64; 6],
    ) -> u32 {
        if number == libc::SYS_clone3 && arguments[1] as u32 == WHOSE_FILTER {
            return libc::SECCOMP_RET_ERRNO | u32::from(signature(profile));
        }
        let accounts = ranges.map(|ranges| ranges.accounts());
        let calls = needed(profile)
            .into_iter()
            .filter(|call| call.number == number && call.covers(arguments, accounts));
        let answers = calls.map(|call| match call.when {
            When::Answered(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
            When::Always | When::If(_) => ALLOW,
        });
        answers.max().unwrap_or(KILL)
    }

    /// Numbers at the edges of every condition in the lists, and some others.
    fn argument() -> impl Strategy<Value = u64> {
        let ids = [
            1_899_999_999,
            1_900_000_000,
            1_900_000_007,
            2_099_999_999,
            2_100_000_000,
        ];
        let edges = [
            0,
            1,
            2,
            4,
            6,
            22,
            24,
            38,
            47,
            0x5421,
            0x1011,
            0x1000,
            0x10000,
            u64::MAX,
            1 << 32,
            1 << 63,
        ];
        prop_oneof![
            proptest::sample::select([&ids[..], &edges[..]].concat()),
            (0u64..2048),
            any::<u64>(),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn the_kernel_s_program_says_what_the_lists_say(
            profile in proptest::sample::select(ALL.to_vec()),
            separate in any::<bool>(),
            numbers in proptest::collection::vec(0i64..470, 64),
            arguments in proptest::array::uniform6(argument()),
        ) {
            let ranges = separate.then(IdRanges::default);
            let program = compile(profile, ranges).unwrap();
            for number in numbers {
                let found = verdict(&program, X86_64, number, arguments);
                prop_assert_eq!(found, stated(profile, ranges, number, arguments), "{} {:?}", number, arguments);
            }
        }
    }

    #[test]
    fn every_filter_says_whose_it_is_and_no_two_say_the_same() {
        let said: std::collections::BTreeSet<u32> = ALL
            .into_iter()
            .map(|profile| {
                let program = compile(profile, None).unwrap();
                let size = u64::from(WHOSE_FILTER);
                verdict(&program, X86_64, libc::SYS_clone3, [0, size, 0, 0, 0, 0])
            })
            .collect();
        assert_eq!(said.len(), ALL.len());
        assert!(
            said.iter()
                .all(|one| one & 0xffff_0000 == libc::SECCOMP_RET_ERRNO)
        );
    }

    #[test]
    fn calls_of_the_other_two_abis_kill() {
        for profile in ALL {
            let program = compile(profile, None).unwrap();
            for number in 0..512 {
                assert_eq!(verdict(&program, I386, number, [0; 6]), KILL);
                assert_eq!(
                    verdict(&program, X86_64, 0x4000_0000 + number, [0; 6]),
                    KILL
                );
            }
        }
    }

    #[test]
    fn whatever_is_allowed_to_a_child_its_parents_leave_it() {
        let covers = |parent: &Profile, child: &Profile| {
            let parents = needed(parent);
            needed(child).iter().all(|one| {
                parents
                    .iter()
                    .any(|other| (other.number, other.when) == (one.number, one.when))
            })
        };
        for profile in ALL {
            assert!(covers(&SUPERVISOR, profile), "{:?}", profile.process);
        }
        assert!(covers(&BROKER, &WORKER));
        assert!(!covers(&LOGIN, &WORKER));
    }

    #[test]
    fn without_accounts_no_id_can_be_taken() {
        let program = compile(&BROKER, None).unwrap();
        for id in [0, 1, 1000, 1_900_000_000, u32::MAX.into()] {
            assert_eq!(
                verdict(&program, X86_64, libc::SYS_setresuid, [id, id, id, 0, 0, 0]),
                KILL
            );
        }
    }

    #[test]
    fn a_filter_is_far_below_the_kernel_s_limit() {
        // BPF_MAXINSNS; and each instruction is paid for at every birth.
        for profile in ALL {
            let length = compile(profile, Some(IdRanges::default())).unwrap().len();
            assert!(length < 1024, "{:?}: {length}", profile.process);
        }
    }
}

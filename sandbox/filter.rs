//! The system-call filter of a profile (seccomp(2)): from the lists that are
//! data to a program that the kernel runs.
//!
//! Invariants: what no list names kills the process; i386 and x32 calls are
//! named by none; a call in several lists is allowed if one of them allows it.

use crate::ids::IdRanges;
use crate::profile::Profile;
use crate::profile::calls::{Argument, Call, Test, When};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};
use std::collections::BTreeMap;

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
    Ok(program)
}

/// Installs the short second filter on every thread: no further thread,
/// process or filter.
pub fn install_second() -> Result<(), Fault> {
    let never = [libc::SYS_clone, libc::SYS_clone3, libc::SYS_seccomp];
    let rules = never
        .into_iter()
        .map(|number| (number, Vec::new()))
        .collect();
    let program = build(rules, SeccompAction::Allow, SeccompAction::KillProcess)?;
    seccompiler::apply_filter_all_threads(&program)
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
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let loads_number = |one: &sock_filter| one.code == LOAD_WORD && one.k == 0;
    let Some(load) = program.iter().position(loads_number) else {
        return;
    };
    let place = load.saturating_add(1);
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let result = libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
    let inserted = [
        sock_filter {
            code: JUMP_IF_EQUAL,
            jt: 0,
            jf: 1,
            k: number,
        },
        sock_filter {
            code: RETURN,
            jt: 0,
            jf: 0,
            k: result,
        },
    ];
    program.splice(place..place, inserted);
}

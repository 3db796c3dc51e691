//! Who is who: whose rules bind a process at each moment of its life.
//!
//! A child is bound by its parent's filter, through its birth and the start of its
//! program, until its own stands. So what it calls meanwhile is counted for the
//! parent, whose profile must allow it; before the supervisor's own filter nobody's
//! rules count.

use crate::line::{Call, Event, Line, parse};
use crate::seen::Seen;
use sandbox::{Process, Profile, profile};
use std::collections::HashMap;

/// Threads start with this flag of clone(2).
const CLONE_THREAD: u64 = 0x10000;

/// First argument of the seccomp(2) that installs a filter.
const SECCOMP_SET_MODE_FILTER: u64 = 1;

/// One process.
#[derive(Debug, Default, Clone, Copy)]
struct Life {
    /// Whose rules bind it.
    bound: Option<&'static Profile>,
    /// Whose program it executes.
    program: Option<&'static Profile>,
}

/// All that strace follows.
#[derive(Debug, Default)]
pub struct Family {
    lives: Vec<Life>,
    threads: HashMap<u32, usize>,
    /// The call that a thread is in.
    entered: HashMap<u32, [u64; 6]>,
    /// Lines of threads whose parent's clone hasn't returned yet.
    early: HashMap<u32, Vec<String>>,
}

impl Family {
    /// Takes the next line.
    pub fn hear(&mut self, text: &str, seen: &mut Seen) {
        let Some(line) = parse(text) else { return };
        if self.lives.is_empty() {
            self.begin(line.thread, Life::default());
        }
        match self.threads.get(&line.thread) {
            Some(&life) => self.follow(line, life, seen),
            None => self
                .early
                .entry(line.thread)
                .or_default()
                .push(text.to_owned()),
        }
    }

    fn begin(&mut self, thread: u32, life: Life) {
        self.threads.insert(thread, self.lives.len());
        self.lives.push(life);
    }

    fn follow(&mut self, line: Line<'_>, life: usize, seen: &mut Seen) {
        match line.event {
            Event::Called(call, result) => {
                self.note(&call, life, seen);
                self.entered.insert(line.thread, call.arguments);
                self.returned(line.thread, call.name, result, seen);
            }
            Event::Returned(name, result) => self.returned(line.thread, name, result, seen),
            Event::Ended => {
                self.threads.remove(&line.thread);
            }
        }
    }

    fn note(&mut self, call: &Call<'_>, life: usize, seen: &mut Seen) {
        if let Some(profile) = self.lives[life].bound {
            seen.note(profile, call);
        }
        if let Some(program) = call.program {
            self.lives[life].program = named(program, call.name);
        }
    }

    fn returned(&mut self, thread: u32, name: &str, result: Option<i64>, seen: &mut Seen) {
        let arguments = self.entered.get(&thread).copied().unwrap_or_default();
        let Some(&life) = self.threads.get(&thread) else {
            return;
        };
        match (name, result) {
            ("seccomp", Some(0)) if arguments[0] == SECCOMP_SET_MODE_FILTER => {
                let own = &mut self.lives[life];
                own.bound = own.program.or(own.bound);
            }
            ("clone" | "clone3" | "fork" | "vfork", Some(child @ 1..)) => {
                let is_thread = name == "clone" && arguments[0] & CLONE_THREAD != 0;
                self.born(u32::try_from(child).unwrap_or(0), is_thread, life, seen);
            }
            _ => {}
        }
    }

    fn born(&mut self, child: u32, is_thread: bool, parent: usize, seen: &mut Seen) {
        if is_thread {
            self.threads.insert(child, parent);
        } else {
            let bound = self.lives[parent].bound;
            self.begin(
                child,
                Life {
                    bound,
                    program: None,
                },
            );
        }
        for line in self.early.remove(&child).unwrap_or_default() {
            self.hear(&line, seen);
        }
    }
}

/// Whose program it is. A parent of ours executes by descriptor; only the supervisor,
/// whom nobody bears, is executed by its path. `mailkeep-config check`, by its path, is
/// no process of the set.
fn named(program: &str, by: &str) -> Option<&'static Profile> {
    let found = profile::ALL
        .into_iter()
        .find(|profile| profile.process.program() == program)?;
    let is_borne = found.process != Process::Supervisor;
    (is_borne == (by == "execveat")).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: &[&str] = &[
        r#"10 execve("/m", ["/bin/mailkeep-supervisor"], 0x1 /* 1 var */) = 0"#,
        "10 getpid() = 0xa",
        "10 seccomp(0x1, 0x1, 0x7ff) = 0",
        "10 clone(0x1011, 0, 0, 0, 0 <unfinished ...>",
        "11 setsid() = 0xb",
        "10 <... clone resumed>) = 0xb",
        r#"11 execveat(9, "", ["mailkeep-auth", "single"], 0x1, 0x1000) = 0"#,
        "11 brk(0) = 0x1",
        "11 seccomp(0x1, 0x1, 0x7ff) = 0",
        "11 clone(0x3d0f00, 0x1, 0x2, 0x3, 0x4) = 0xc",
        "12 flock(0x5, 0x2) = 0",
        "10 kill(0xb, 0x9) = 0",
        r#"13 execve("/m", ["mailkeep-config", "check"], 0x1 /* 1 var */) = 0"#,
        "13 seccomp(0x1, 0x1, 0x7ff) = 0",
        "13 reboot(0x1) = 0",
        "10 clone(0x1011, 0, 0, 0, 0) = 0xd",
        "11 ???() = ?",
    ];

    fn seen(lines: &[&str]) -> Vec<String> {
        let (mut family, mut seen) = (Family::default(), Seen::default());
        for line in lines {
            family.hear(line, &mut seen);
        }
        seen.names()
    }

    #[test]
    fn calls_count_for_whose_filter_stands() {
        let expected = [
            "mailkeep-auth clone",
            "mailkeep-auth flock",
            "mailkeep-supervisor brk",
            "mailkeep-supervisor clone",
            "mailkeep-supervisor execve",
            "mailkeep-supervisor execveat",
            "mailkeep-supervisor kill",
            "mailkeep-supervisor reboot",
            "mailkeep-supervisor seccomp",
            "mailkeep-supervisor setsid",
        ];
        assert_eq!(seen(LIFE), expected);
    }

    #[test]
    fn a_number_that_is_used_again_is_somebody_else() {
        let again = [
            "11 +++ exited with 0 +++",
            "10 clone(0x1011, 0, 0, 0, 0 <unfinished ...>",
            "11 chroot(0x1) = 0",
            "10 <... clone resumed>) = 0xb",
        ];
        let found = seen(&[LIFE, &again].concat());
        assert!(
            found.contains(&"mailkeep-supervisor chroot".to_owned()),
            "{found:?}"
        );
        assert!(
            !found.contains(&"mailkeep-auth chroot".to_owned()),
            "{found:?}"
        );
    }
}

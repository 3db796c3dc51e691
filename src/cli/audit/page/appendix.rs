//! What the sections refer to: system calls with their reasons, messages with their
//! moments, programs with their hashes, and how to look again.

use super::markup::Markup;
use crate::audit::ledger::Ledger;
use crate::audit::living::Seen;
use crate::audit::report::{Report, SHOWN_BY_TESTS};
use std::collections::BTreeMap;

/// A: every list of system calls.
pub fn calls(page: &mut Markup, ledger: &Ledger) {
    page.of(
        "h2",
        &[("id", "calls")],
        "A. System calls, with their reasons",
    );
    page.of("p", &[], "A filter is made of these lists. Any other call kills the process, and so does any other argument where there is a condition: is(argument, value), lacks(argument, bits), has(argument, bits), account(argument), arguments counted from 0. \"else\" is an answer instead of death.");
    for (list, users) in users(ledger) {
        page.of("h3", &[], list);
        page.of(
            "p",
            &[("class", "soft")],
            &format!("for {}", users.join(", ")),
        );
        page.table("", &["call", "why"], |page| {
            for call in ledger.list(list) {
                page.element("tr", &[], |page| {
                    page.of("td", &[("class", "value")], &call.what)
                        .of("td", &[], &call.why);
                });
            }
        });
    }
}

/// The lists that are in use, and by whom.
fn users(ledger: &Ledger) -> BTreeMap<&str, Vec<&'static str>> {
    let mut users: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for profile in sandbox::profile::ALL {
        let program = profile.process.program();
        let lists = ledger
            .of(program)
            .into_iter()
            .flat_map(|entry| &entry.calls);
        for list in lists {
            let short = program.trim_start_matches("mailkeep-");
            users.entry(list).or_default().push(short);
        }
    }
    users
}

/// B: every direction of every edge.
pub fn channels(page: &mut Markup, ledger: &Ledger) {
    page.of(
        "h2",
        &[("id", "channels")],
        "B. Channels: what can be said, and when",
    );
    page.of("p", &[], "A channel carries these messages and no other. What doesn't fit (unknown, too long, too short, out of turn, a descriptor too many or too few) ends the channel of who sent it.");
    page.table(
        "",
        &["edge", "from", "to", "comes about", "message", "when"],
        |page| {
            for one in ledger.directions() {
                let (from, to) = (short(&one.from), short(&one.to));
                for message in &one.messages {
                    page.row(&[
                        &one.name,
                        &from,
                        &to,
                        &one.wired,
                        &message.what,
                        &message.why,
                    ]);
                }
            }
        },
    );
}

fn short(programs: &[&str]) -> String {
    let short = programs
        .iter()
        .map(|name| name.trim_start_matches("mailkeep-"));
    short.collect::<Vec<_>>().join(", ")
}

/// C: programs and ledgers, by their hashes.
pub fn hashes(page: &mut Markup, report: &Report) {
    page.of(
        "h2",
        &[("id", "hashes")],
        "C. Programs and ledgers, by SHA-256",
    );
    if let Some(directory) = &report.programs.directory {
        page.of("p", &[], &format!("On disk: in {}. Running: the memory that the supervisor sealed at its start, from which every process was executed; of the supervisor itself, the file that it runs.", directory.display()));
    }
    page.table("", &["program", "on disk", "running"], |page| {
        for one in &report.programs.all {
            page.element("tr", &[], |page| {
                page.of("th", &[], one.name);
                page.of("td", &[("class", "value")], &told(&one.on_disk));
                page.of("td", &[("class", "value")], &told(&one.sealed));
            });
        }
    });
    page.of(
        "p",
        &[],
        "The ledgers that this page was made from are compiled into the command:",
    );
    page.table("", &["file of the source", "SHA-256"], |page| {
        for (name, digest) in Ledger::files() {
            page.element("tr", &[], |page| {
                page.of("th", &[], name)
                    .of("td", &[("class", "value")], &digest);
            });
        }
    });
}

fn told(hash: &Seen<String>) -> String {
    hash.clone().unwrap_or_else(|unseen| unseen.to_string())
}

/// D: what this page doesn't prove, and what does.
pub fn bounds(page: &mut Markup) {
    page.of("h2", &[("id", "bounds")], "D. What this doesn't show");
    page.of("p", &[], "This page shows what the kernel tells of the living processes at one moment. It doesn't show:");
    page.element("ul", &[], |page| {
        for bound in [
            "Landlock's rules. The kernel shows them to nobody outside of a process. That they stand is known by tests, and by order: a process installs its own system-call filter, which was found, only after Landlock has refused it a trial.",
            "That a process dies with its parent (PR_SET_PDEATHSIG), and whether the supervisor is dumpable where it runs as root: nothing outside tells.",
            "What was before, and what comes after. Whoever controls the kernel, or is root, can show anything.",
            "That the programs are those of a source. Compare the hashes with a build of your own.",
        ] {
            page.of("li", &[], bound);
        }
    });
    page.of(
        "p",
        &[],
        "These tests of the source hold what can't be seen from outside:",
    );
    page.element("ul", &[], |page| {
        for (file, what) in SHOWN_BY_TESTS {
            page.element("li", &[], |page| {
                page.of("code", &[], file).text(": ").text(what);
            });
        }
    });
}

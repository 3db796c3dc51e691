//! One kind of process: what it may do and why, and what was found of each that
//! lives.

use super::markup::Markup;
use super::verdict;
use crate::audit::finding::{Check, Layer, Subject, Verdict};
use crate::audit::ledger::{Entry, Ledger};
use crate::audit::report::Report;

/// Values that are told one by one where processes of a kind differ in what is
/// right for each (their ids, say).
const VALUES_MAX: usize = 3;

/// The section of a kind.
pub fn section(page: &mut Markup, report: &Report, ledger: &Ledger, program: &str) {
    let Some(entry) = ledger.of(program) else {
        return;
    };
    let living: Vec<&Subject> = report
        .members
        .iter()
        .filter(|one| one.program == program)
        .collect();
    page.element(
        "section",
        &[("class", "process"), ("id", program)],
        |page| {
            heading(page, program, &living);
            page.of("p", &[], &entry.about);
            page.element("p", &[("class", "threat")], |page| {
                page.of("strong", &[], "Whoever takes it over gets ");
                page.text(entry.threat.trim_start_matches("Gets: "));
            });
            page.of("h4", &[], "What it may do");
            page.facts(
                &rights(entry, ledger)
                    .iter()
                    .map(|(term, fact)| (*term, fact.as_str()))
                    .collect::<Vec<_>>(),
            );
            page.element("div", &[("class", "two")], |page| {
                page.element("div", &[], |page| held(page, entry));
                page.element("div", &[], |page| said(page, ledger, program));
            });
            unused(page, ledger, program);
            page.of("h4", &[], "What was found");
            found(page, &living);
        },
    );
}

fn heading(page: &mut Markup, program: &str, living: &[&Subject]) {
    page.element("h3", &[], |page| {
        page.text(program);
        let gravest = living.iter().map(|one| one.gravest()).max();
        match gravest {
            // What tests show is as stated.
            Some(Verdict::Tested) => verdict(page, Verdict::AsStated),
            Some(gravest) => verdict(page, gravest),
            None => {
                page.of("span", &[("class", "mark pause")], "none is running");
            }
        }
    });
    let names: Vec<String> = living
        .iter()
        .take(VALUES_MAX)
        .map(|one| one.name())
        .collect();
    if !names.is_empty() {
        let more = living.len().saturating_sub(VALUES_MAX);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        page.of(
            "p",
            &[("class", "soft")],
            &format!("{}{more}", names.join(", ")),
        );
    }
}

fn rights(entry: &Entry, ledger: &Ledger) -> Vec<(&'static str, String)> {
    let landlock = match &entry.landlock {
        None => "none: it opens what the configuration names".to_owned(),
        Some(paths) if paths.is_empty() => {
            "no file, no TCP, no signal or abstract socket of others".to_owned()
        }
        Some(paths) => {
            let paths = paths
                .iter()
                .map(|(path, rights)| format!("below {path} of its root: {}", rights.join(" ")));
            format!(
                "{}; no TCP, no signal or abstract socket of others",
                paths.collect::<Vec<_>>().join("; ")
            )
        }
    };
    let rules: usize = entry.calls.iter().map(|list| ledger.list(list).len()).sum();
    let inherited = match entry.inherited_by.is_empty() {
        true => String::new(),
        false => format!(
            "; its filter leaves theirs to {}",
            entry.inherited_by.join(", ")
        ),
    };
    vec![
        ("ids", uid(entry).to_owned()),
        ("capabilities", or(&entry.capabilities.join(" "), "none")),
        (
            "namespaces",
            or(&entry.namespaces.join(", "), "none of its own"),
        ),
        ("root", root(entry).to_owned()),
        ("Landlock", landlock),
        (
            "system calls",
            format!(
                "{} ({rules} rules, appendix A); any other kills it{inherited}",
                entry.calls.join(", ")
            ),
        ),
        ("threads", threads(entry).to_owned()),
        (
            "limits",
            format!(
                "{} descriptors, {} MiB of memory, no core dump",
                entry.descriptors_max, entry.data_mib_max
            ),
        ),
        (
            "born with",
            or(
                &numbered(&entry.born_with),
                "what whoever started the set gave it",
            ),
        ),
        (
            "when its parent dies",
            if entry.dies_with_parent {
                "the kernel kills it"
            } else {
                "it lives on"
            }
            .to_owned(),
        ),
    ]
}

fn uid(entry: &Entry) -> &'static str {
    match entry.uid.as_str() {
        "own" => "a uid and gid of its own kind, no groups",
        "account" => "the account's uid and gid, no groups",
        _ => "those of whoever started the set, no groups",
    }
}

fn root(entry: &Entry) -> &'static str {
    match entry.root.as_str() {
        "host" => "the machine's",
        "empty" => "an empty directory that it can't write",
        "own" => "a directory of its own",
        "store" => "the store",
        _ => "the account's directory",
    }
}

fn threads(entry: &Entry) -> &'static str {
    match entry.threads.as_str() {
        "one" => "one",
        _ => "a few at start; then a second filter forbids more",
    }
}

fn or(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise } else { text }.to_owned()
}

fn numbered(names: &[String]) -> String {
    let names = names.iter().enumerate();
    names
        .map(|(number, name)| format!("{number}: {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn held(page: &mut Markup, entry: &Entry) {
    page.of("h4", &[], "What it may hold open while it serves");
    page.table("", &["kind", "why"], |page| {
        for one in &entry.holds {
            page.row(&[&one.what, &one.why]);
        }
    });
}

/// Both sides of each of its channels, by name; the messages stand in the appendix.
fn said(page: &mut Markup, ledger: &Ledger, program: &str) {
    let directions = ledger
        .directions()
        .iter()
        .filter(|one| one.from.contains(&program) || one.to.contains(&program));
    page.of("h4", &[], "With whom it speaks (appendix B: when)");
    page.table("", &["", "with", "messages"], |page| {
        for one in directions {
            let says = one.from.contains(&program);
            let with = if says { &one.to } else { &one.from };
            let with: Vec<&str> = with
                .iter()
                .map(|name| name.trim_start_matches("mailkeep-"))
                .collect();
            let messages: Vec<&str> = one
                .messages
                .iter()
                .map(|message| message.what.as_str())
                .collect();
            let word = if says { "says" } else { "hears" };
            page.row(&[word, &with.join(", "), &or(&messages.join(", "), "nothing")]);
        }
    });
}

/// What a process may call that nobody has seen it call.
fn unused(page: &mut Markup, ledger: &Ledger, program: &str) {
    let unused: Vec<_> = ledger.unused(program).collect();
    if unused.is_empty() {
        return;
    }
    page.of(
        "h4",
        &[],
        "Calls that no recorded run of the tests has used, and why they stay",
    );
    page.table("", &["call", "why"], |page| {
        for call in unused {
            page.element("tr", &[], |page| {
                page.of("td", &[("class", "value")], &call.what)
                    .of("td", &[], &call.why);
            });
        }
    });
}

/// One row for each check; where processes of the kind differ, each value.
fn found(page: &mut Markup, living: &[&Subject]) {
    if living.is_empty() {
        page.of(
            "p",
            &[("class", "soft")],
            "None was running: it comes and goes. What it may do is held by tests.",
        );
        return;
    }
    let heads = ["layer", "what", "the ledger says", "found", "verdict"];
    page.table("checks", &heads, |page| {
        for ((layer, what), checks) in grouped(living) {
            row(page, layer, what, &checks);
        }
    });
}

/// The checks of all, by what they look at, in the order in which they were made.
fn grouped<'a>(living: &[&'a Subject]) -> Vec<((Layer, &'static str), Vec<&'a Check>)> {
    let mut grouped: Vec<((Layer, &'static str), Vec<&Check>)> = Vec::new();
    for check in living.iter().flat_map(|one| &one.checks) {
        let key = (check.layer, check.what);
        match grouped.iter_mut().find(|(other, _)| *other == key) {
            Some((_, checks)) => checks.push(check),
            None => grouped.push((key, vec![check])),
        }
    }
    grouped
}

fn row(page: &mut Markup, layer: Layer, what: &str, checks: &[&Check]) {
    let gravest = checks
        .iter()
        .map(|check| check.verdict)
        .max()
        .unwrap_or(Verdict::NotSeen);
    let class = if gravest == Verdict::Differs {
        "differs"
    } else {
        ""
    };
    page.element("tr", &[("class", class)], |page| {
        page.of("td", &[], layer.name()).of("td", &[], what);
        page.of(
            "td",
            &[("class", "value")],
            &values(checks, |check| &check.expected),
        );
        page.of(
            "td",
            &[("class", "value")],
            &values(checks, |check| &check.found),
        );
        page.element("td", &[], |page| verdict(page, gravest));
    });
}

/// The different values, those that differ from the ledger first.
fn values(checks: &[&Check], of: impl Fn(&Check) -> &String) -> String {
    let mut sorted: Vec<&Check> = checks.to_vec();
    sorted.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    let mut values: Vec<&str> = Vec::new();
    for check in sorted {
        let value = of(check).as_str();
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let more = values.len().saturating_sub(VALUES_MAX);
    let told = values
        .iter()
        .take(VALUES_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join("; ");
    match more {
        0 => told,
        more => format!("{told}; and {more} other values"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_values_the_one_that_differs_is_always_told() {
        let check = |found: &str| Check::compare(Layer::Ids, "uid", "1", found);
        let checks: Vec<Check> = ["1", "1", "1", "1", "9"].map(check).into();
        let checks: Vec<&Check> = checks.iter().collect();
        assert_eq!(values(&checks, |check| &check.found), "9; 1");
        let many: Vec<Check> = (0..10).map(|number| check(&number.to_string())).collect();
        let many: Vec<&Check> = many.iter().collect();
        assert!(values(&many, |check| &check.found).ends_with("and 7 other values"));
    }
}

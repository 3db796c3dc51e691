//! One page that an auditor can file: everything that was seen, with what the ledger
//! says, in a single file.
//!
//! Invariants: it refers to nothing outside of itself, carries no script, and shows
//! what comes from outside as text only ([`markup::Markup`]).

mod appendix;
mod markup;
mod picture;
mod process;

use super::finding::{Check, Layer, Subject, Verdict};
use super::ledger::Ledger;
use super::report::Report;
use markup::Markup;

/// The page's look, for screens light and dark, and for paper.
const STYLE: &str = include_str!("page/style.css");

/// What a browser may do with it: show it.
const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"referrer\" content=\"no-referrer\">\n";

/// The whole page.
pub fn page(report: &Report) -> String {
    let ledger = Ledger::compiled_in();
    let mut page = Markup::default();
    page.raw(HEAD);
    page.of(
        "title",
        &[],
        &format!(
            "Mailkeep: confinement of {}, {}",
            report.host,
            report.time()
        ),
    );
    page.raw("<style>\n")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n");
    head(&mut page, report);
    contents(&mut page);
    glance(&mut page, report);
    exceptions(&mut page, report);
    page.of("h2", &[("id", "picture")], "Who talks to whom");
    picture::draw(&mut page, report, &ledger);
    processes(&mut page, report, &ledger);
    appendix::calls(&mut page, &ledger);
    appendix::channels(&mut page, &ledger);
    appendix::hashes(&mut page, report);
    appendix::bounds(&mut page);
    foot(&mut page, report);
    page.raw("\n</body>\n</html>\n");
    page.finish()
}

fn head(page: &mut Markup, report: &Report) {
    let gravest = report.gravest();
    page.element("header", &[], |page| {
        page.of(
            "p",
            &[("class", "kicker")],
            "Mailkeep, audit of a running set",
        );
        page.of("h1", &[], &format!("Confinement on {}", report.host));
        page.of(
            "p",
            &[("class", "soft")],
            &format!(
                "Seen {} by the mailkeep command, from outside the processes",
                report.time()
            ),
        );
    });
    let class = match gravest {
        Verdict::Differs | Verdict::Passed => "banner bad",
        Verdict::NotSeen => "banner pause",
        _ => "banner good",
    };
    page.of("p", &[("class", class)], &report.verdict_in_words());
    let waived = report.waived();
    let waived = if waived.is_empty() {
        "none".to_owned()
    } else {
        waived.join(", ")
    };
    let looked = match report.looked_as_root {
        true => "root",
        false => "an ordinary user, who can't see everything",
    };
    page.facts(&[
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision of the build", report.revision()),
        ("kernel", &report.kernel),
        ("seen as", looked),
        ("layers that the configuration does without", &waived),
    ]);
}

fn contents(page: &mut Markup) {
    let rows = [
        ("#glance", "At a glance"),
        ("#exceptions", "Exceptions"),
        ("#picture", "Who talks to whom"),
        ("#processes", "Process by process"),
        ("#calls", "A. System calls"),
        ("#channels", "B. Channels"),
        ("#hashes", "C. Hashes"),
        ("#bounds", "D. What this doesn't show"),
    ];
    page.element("nav", &[("aria-label", "Contents")], |page| {
        page.element("ul", &[], |page| {
            for (place, name) in rows {
                page.element("li", &[], |page| {
                    page.of("a", &[("href", place)], name);
                });
            }
        });
    });
}

/// A verdict is a word, never a colour alone.
fn verdict(page: &mut Markup, verdict: Verdict) {
    page.of("span", &[("class", class_of(verdict))], verdict.word());
}

fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::AsStated => "mark good",
        Verdict::Tested => "mark test",
        Verdict::Waived | Verdict::NotSeen => "mark pause",
        Verdict::Differs | Verdict::Passed => "mark bad",
    }
}

/// Every process and every layer.
fn glance(page: &mut Markup, report: &Report) {
    page.of("h2", &[("id", "glance")], "At a glance");
    let mut heads = vec!["process"];
    heads.extend(Layer::ALL.map(Layer::name));
    page.table("glance", &heads, |page| {
        for member in &report.members {
            glance_row(page, member);
        }
    });
    page.element("ul", &[("class", "plain columns")], |page| {
        for layer in Layer::ALL {
            page.element("li", &[], |page| {
                page.of("strong", &[], layer.name())
                    .text(": ")
                    .text(layer.meaning());
            });
        }
    });
    page.of("p", &[("class", "soft")], "ok: as the ledger says. t: shown by tests, for the kernel shows it to nobody outside. -: the configuration does without. ?: could not be seen.");
}

fn glance_row(page: &mut Markup, member: &Subject) {
    page.element("tr", &[], |page| {
        let short = member.program.trim_start_matches("mailkeep-");
        page.element("th", &[("scope", "row")], |page| {
            page.text(short);
            let pid = member.pid.map_or(String::new(), |pid| pid.to_string());
            let which = member.which.as_ref();
            let which = which.map_or(String::new(), |which| format!("{which}, "));
            page.of("span", &[("class", "which")], &format!(" {which}{pid}"));
        });
        for layer in Layer::ALL {
            page.element("td", &[], |page| {
                if let Some(found) = member.verdict(layer) {
                    let mark = if matches!(found, Verdict::Differs | Verdict::Passed) {
                        found.word()
                    } else {
                        found.mark()
                    };
                    page.of("span", &[("class", class_of(found))], mark);
                }
            });
        }
    });
}

/// The heads of a table of checks; what stands before says whose they are.
const CHECKED: [&str; 5] = ["layer", "what", "the ledger says", "found", "verdict"];

/// What differs, what is waived, and what could not be seen; and the set as a whole.
fn exceptions(page: &mut Markup, report: &Report) {
    page.of("h2", &[("id", "exceptions")], "Exceptions");
    let graver = [
        Verdict::Differs,
        Verdict::Passed,
        Verdict::NotSeen,
        Verdict::Waived,
    ];
    let all: Vec<(&Subject, &Check)> = graver
        .into_iter()
        .flat_map(|one| report.with(one))
        .collect();
    if all.is_empty() {
        page.of("p", &[], "None.");
    } else {
        let heads = [&["where"], &CHECKED[..]].concat();
        page.table("checks", &heads, |page| {
            for (subject, check) in all {
                check_row(page, Some(&subject.name()), check);
            }
        });
    }
    page.of("h3", &[], "The set as a whole");
    page.table("checks", &CHECKED, |page| {
        let of_programs = |check: &&Check| check.what == super::programs::COMPARED;
        for check in report.set.checks.iter().filter(|check| !of_programs(check)) {
            check_row(page, None, check);
        }
    });
    page.of(
        "p",
        &[("class", "soft")],
        "That the files on disk are what runs: appendix C.",
    );
}

fn check_row(page: &mut Markup, who: Option<&str>, check: &Check) {
    let differs = matches!(check.verdict, Verdict::Differs | Verdict::Passed);
    let class = if differs { "differs" } else { "" };
    page.element("tr", &[("class", class)], |page| {
        if let Some(who) = who {
            page.of("td", &[], who);
        }
        page.of("td", &[], check.layer.name())
            .of("td", &[], check.what);
        page.of("td", &[("class", "value")], &check.expected);
        page.of("td", &[("class", "value")], &check.found);
        page.element("td", &[], |page| verdict(page, check.verdict));
    });
}

fn processes(page: &mut Markup, report: &Report, ledger: &Ledger) {
    page.of("h2", &[("id", "processes")], "Process by process");
    page.of("p", &[], "What each may do is the ledger's word (audit/privileges.toml), from the process with the most power to the one with the least; what was found is the kernel's.");
    for profile in sandbox::profile::ALL {
        process::section(page, report, ledger, profile.process.program());
    }
}

fn foot(page: &mut Markup, report: &Report) {
    page.element("footer", &[], |page| {
        page.text("Made by ").of("code", &[], "mailkeep audit --html FILE").text(&format!(
            " as root, on {} at {}. It ends with 0 if all is as the ledger says, with 1 if something differs, with 77 if nothing differs but not all could be seen.",
            report.host,
            report.time()
        ));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::living::Unseen;
    use crate::audit::programs::Programs;

    const HOSTILE: &str = "</td><script>alert(1)</script><img src=x onerror=\"alert('x')\">";

    /// A report in which everything that can come from outside is hostile.
    fn hostile() -> Report {
        let checks = Layer::ALL.map(|layer| Check::compare(layer, "what", HOSTILE, "other"));
        let subject = |program: &str| Subject {
            program: program.to_owned(),
            pid: Some(1),
            which: Some(HOSTILE.to_owned()),
            checks: checks.to_vec(),
        };
        Report {
            at: 0,
            host: HOSTILE.to_owned(),
            kernel: HOSTILE.to_owned(),
            looked_as_root: false,
            site: sandbox::Site::single(sandbox::Waivers::NONE),
            programs: Programs {
                directory: Some(HOSTILE.into()),
                supervisor: Err(Unseen::Gone),
                all: Vec::new(),
            },
            set: subject("the set"),
            members: vec![subject("mailkeep-worker"), subject("mailkeep-auth")],
            edges: None,
        }
    }

    #[test]
    fn nothing_that_was_found_becomes_markup() {
        let page = page(&hostile());
        for markup in ["<script", "<img", "onerror=\"", "alert('"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn what_differs_and_what_was_not_seen_stand_at_the_top() {
        let page = page(&hostile());
        let (before, _) = page.split_once("id=\"picture\"").unwrap();
        assert!(before.contains("class=\"banner bad\""));
        assert_eq!(
            before.matches("<tr class=\"differs\">").count(),
            4 * Layer::ALL.len()
        );
        assert!(before.contains("separate-uids"));
    }
}

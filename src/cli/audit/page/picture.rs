//! The picture: who talks to whom, and what each may do.
//!
//! Where boxes stand and lines run is drawn by hand, below. What stands in the boxes,
//! which lines there are, and which of them live, comes from the ledger and from what
//! was found; a test holds that every edge of the ledger has its line.

use super::markup::Markup;
use crate::audit::finding::Verdict;
use crate::audit::ledger::{ADMINISTRATOR, Entry, Ledger};
use crate::audit::report::Report;
use std::collections::BTreeMap;

/// The size of a box.
const WIDTH: f64 = 186.0;
const HEIGHT: f64 = 104.0;

/// The picture's size.
const VIEW: &str = "0 0 1122 736";

/// Where each process stands: its box's upper left corner.
const PLACES: [(&str, f64, f64); 11] = [
    ("mailkeep-keyholder", 124.0, 84.0),
    ("mailkeep-front", 124.0, 268.0),
    ("mailkeep-login", 398.0, 196.0),
    ("mailkeep-lmtp", 398.0, 366.0),
    ("mailkeep-control", 398.0, 620.0),
    ("mailkeep-auth", 664.0, 84.0),
    ("mailkeep-director", 664.0, 302.0),
    ("mailkeep-config", 124.0, 452.0),
    ("mailkeep-broker", 914.0, 218.0),
    ("mailkeep-worker", 914.0, 418.0),
    ("mailkeep-verify", 914.0, 620.0),
];

/// One line: between whom, its path, and where its number stands.
struct Line {
    between: (&'static str, &'static str),
    path: &'static str,
    at: (f64, f64),
}

const fn line(one: &'static str, other: &'static str, path: &'static str, at: (f64, f64)) -> Line {
    Line {
        between: (one, other),
        path,
        at,
    }
}

/// All lines but those of the supervisor, which has one to everybody it bears.
const LINES: [Line; 19] = [
    line("front", "keyholder", "M217 268 V188", (217.0, 228.0)),
    line(
        "front",
        "login",
        "M310 300 C354 300 354 256 398 256",
        (354.0, 278.0),
    ),
    line(
        "front",
        "lmtp",
        "M310 344 C354 344 354 404 398 404",
        (354.0, 374.0),
    ),
    line(
        "front",
        "auth",
        "M284 268 C300 150 420 112 664 112",
        (432.0, 137.0),
    ),
    line(
        "auth",
        "login",
        "M584 222 C632 222 616 140 664 140",
        (612.0, 190.0),
    ),
    line(
        "auth",
        "lmtp",
        "M584 384 C640 384 604 164 664 164",
        (614.0, 330.0),
    ),
    line(
        "auth",
        "control",
        "M540 620 C548 520 640 520 634 400 C630 300 690 260 694 188",
        (622.0, 478.0),
    ),
    line("auth", "director", "M780 188 V302", (780.0, 245.0)),
    line(
        "director",
        "login",
        "M584 268 C632 268 620 326 664 326",
        (598.0, 270.0),
    ),
    line(
        "director",
        "lmtp",
        "M584 420 C630 420 624 372 664 372",
        (600.0, 419.0),
    ),
    line(
        "control",
        "director",
        "M566 620 C574 540 700 560 714 406",
        (690.0, 506.0),
    ),
    line(
        "broker",
        "director",
        "M850 330 C882 330 882 284 914 284",
        (882.0, 307.0),
    ),
    line(
        "director",
        "worker",
        "M850 376 C882 376 882 446 914 446",
        (882.0, 411.0),
    ),
    line("broker", "worker", "M1007 322 V418", (1007.0, 370.0)),
    line(
        "broker",
        "verify",
        "M1100 284 C1112 300 1112 640 1100 660",
        (1108.0, 470.0),
    ),
    line(
        "lmtp",
        "worker",
        "M584 450 C660 470 780 474 914 474",
        (800.0, 471.0),
    ),
    line(
        "control",
        "worker",
        "M584 656 C740 650 780 504 914 504",
        (768.0, 580.0),
    ),
    line("control", "verify", "M584 690 H914", (750.0, 690.0)),
    line("control", ADMINISTRATOR, "M310 672 H398", (354.0, 672.0)),
];

/// The picture, and the table that its numbers lead to.
pub fn draw(page: &mut Markup, report: &Report, ledger: &Ledger) {
    page.element("figure", &[], |page| {
        page.element("div", &[("class", "scroll"), ("tabindex", "0")], |page| {
            let title = "The processes of the set and the channels between them";
            let attributes = [("viewBox", VIEW), ("role", "img"), ("aria-label", title)];
            page.element("svg", &attributes, |page| svg(page, report, ledger));
        });
        page.of(
            "figcaption",
            &[],
            "Boxes are processes; the shaded ones can reach all mail. The numbers are those of the table below. A solid line is a channel that was open when this was seen, a dotted one is none now: it comes and goes, or who has it isn't there. Not drawn: the supervisor's own channel to each process that it bears.",
        );
    });
    legend(page, report, ledger);
}

fn svg(page: &mut Markup, report: &Report, ledger: &Ledger) {
    LINES.iter().for_each(|line| edge(page, line, report));
    outside(page, "clients", "and MTAs", (8.0, 288.0), 84.0);
    page.open("path", &[("class", "edge"), ("d", "M92 320 H124")])
        .raw("</path>");
    outside(
        page,
        "an administrator",
        "the mailkeep command",
        (124.0, 640.0),
        WIDTH,
    );
    supervisor(page, report, ledger);
    for (program, x, y) in PLACES {
        if let Some(entry) = ledger.of(program) {
            process(page, report, program, entry, (x, y));
        }
    }
    LINES
        .iter()
        .enumerate()
        .for_each(|(at, line)| number(page, at, line.at));
}

fn edge(page: &mut Markup, line: &Line, report: &Report) {
    let class = match living(report, line) {
        Some(0) => "edge idle",
        _ => "edge",
    };
    page.open("path", &[("class", class), ("d", line.path)])
        .raw("</path>");
}

/// How many channels live on a line; `None` if it could not be told.
fn living(report: &Report, line: &Line) -> Option<usize> {
    let edges = report.edges.as_ref()?;
    let (one, other) = (program(line.between.0), program(line.between.1));
    let pairs = [(one.clone(), other.clone()), (other, one)];
    Some(pairs.iter().filter_map(|pair| edges.get(pair)).sum())
}

fn program(short: &str) -> String {
    match short {
        ADMINISTRATOR => ADMINISTRATOR.to_owned(),
        short => format!("mailkeep-{short}"),
    }
}

fn number(page: &mut Markup, at: usize, (x, y): (f64, f64)) {
    let (x, y, below) = (x.to_string(), y.to_string(), (y + 4.0).to_string());
    page.open(
        "circle",
        &[("class", "tag"), ("cx", &x), ("cy", &y), ("r", "9.5")],
    )
    .raw("</circle>");
    let number = at.saturating_add(1).to_string();
    page.of(
        "text",
        &[("class", "number"), ("x", &x), ("y", &below)],
        &number,
    );
}

fn rectangle(page: &mut Markup, class: &str, (x, y): (f64, f64), width: f64, height: f64) {
    let numbers = [x, y, width, height].map(|number| number.to_string());
    let [x, y, width, height] = &numbers;
    let attributes = [
        ("class", class),
        ("x", x),
        ("y", y),
        ("width", width),
        ("height", height),
        ("rx", "5"),
    ];
    page.open("rect", &attributes).raw("</rect>");
}

fn words(page: &mut Markup, class: &str, (x, y): (f64, f64), text: &str) {
    let (x, y) = (x.to_string(), y.to_string());
    page.of("text", &[("class", class), ("x", &x), ("y", &y)], text);
}

fn outside(page: &mut Markup, name: &str, how: &str, (x, y): (f64, f64), width: f64) {
    rectangle(page, "box outside", (x, y), width, 64.0);
    words(page, "right", (x + 9.0, y + 27.0), name);
    words(page, "right", (x + 9.0, y + 45.0), how);
}

fn supervisor(page: &mut Markup, report: &Report, ledger: &Ledger) {
    const NAME: &str = "mailkeep-supervisor";
    let (x, y) = (8.0, 4.0);
    rectangle(page, box_class(report, NAME), (x, y), 1104.0, 54.0);
    words(page, "name", (x + 12.0, y + 23.0), "supervisor");
    state(page, report, NAME, (x + 12.0, y + 42.0));
    if let Some(entry) = ledger.of(NAME) {
        let text = format!(
            "bears, wires and ends all others; reads nothing of a stranger's; {}",
            capabilities(entry)
        );
        words(page, "right", (x + 190.0, y + 23.0), &text);
        let calls = calls_in_words(entry, ledger);
        words(
            page,
            "right",
            (x + 190.0, y + 42.0),
            &format!("{}; {calls}", files(entry)),
        );
    }
}

fn process(page: &mut Markup, report: &Report, program: &str, entry: &Entry, (x, y): (f64, f64)) {
    rectangle(page, box_class(report, program), (x, y), WIDTH, HEIGHT);
    let short = program.trim_start_matches("mailkeep-");
    words(page, "name", (x + 11.0, y + 22.0), short);
    let rights = [ids(entry).to_owned(), capabilities(entry), files(entry)];
    for (line, right) in (0_u8..).zip(&rights) {
        words(
            page,
            "right",
            (x + 11.0, y + 41.0 + 16.0 * f64::from(line)),
            right,
        );
    }
    state(page, report, program, (x + 11.0, y + 94.0));
}

/// Those that can reach all mail are shaded.
fn box_class(report: &Report, program: &str) -> &'static str {
    let power = ["mailkeep-supervisor", "mailkeep-broker", "mailkeep-auth"].contains(&program);
    let mut of_kind = report.members.iter().filter(|one| one.program == program);
    let differs = of_kind.clone().any(|one| one.gravest() == Verdict::Differs);
    match (power, differs, of_kind.next().is_some()) {
        (true, true, _) => "box power bad",
        (false, true, _) => "box bad",
        (true, false, _) => "box power",
        (false, false, true) => "box",
        (false, false, false) => "box absent",
    }
}

fn state(page: &mut Markup, report: &Report, program: &str, at: (f64, f64)) {
    let of_kind: Vec<_> = report
        .members
        .iter()
        .filter(|one| one.program == program)
        .collect();
    let differ = of_kind
        .iter()
        .filter(|one| one.gravest() == Verdict::Differs)
        .count();
    let (class, text) = match (of_kind.len(), differ) {
        (0, _) => ("state soft", "none now: it comes and goes".to_owned()),
        (count, 0) => ("state", format!("{count} running, as stated")),
        (count, differ) => ("state bad", format!("{count} running, {differ} DIFFER")),
    };
    words(page, class, at, &text);
}

fn ids(entry: &Entry) -> &'static str {
    match entry.uid.as_str() {
        "own" => "a uid of its own",
        "account" => "the account's uid",
        _ => "the starter's uid",
    }
}

fn capabilities(entry: &Entry) -> String {
    match entry.capabilities.len() {
        0 => "no capability".to_owned(),
        count if entry.has_namespace("user") => format!("{count} capabilities, for its ids"),
        count => format!("{count} capabilities"),
    }
}

fn files(entry: &Entry) -> String {
    let writes = |rights: &[String]| rights.iter().any(|right| right == "WriteFile");
    let rights = entry.landlock.as_ref().map(|paths| paths.first());
    match (rights, entry.root.as_str()) {
        (None, _) => "files: as its capabilities allow".to_owned(),
        (Some(None), _) => "files: none".to_owned(),
        (Some(Some((_, rights))), root) => {
            let place = match root {
                "store" => "the store",
                "account" => "one account",
                _ => "its own directory",
            };
            let how = if writes(rights) { "" } else { ", to read" };
            format!("files: {place}{how}")
        }
    }
}

fn calls_in_words(entry: &Entry, ledger: &Ledger) -> String {
    let calls: usize = entry.calls.iter().map(|list| ledger.list(list).len()).sum();
    format!("{calls} rules for system calls, and those of whom it bears")
}

/// The table that the numbers lead to: who says what.
fn legend(page: &mut Markup, report: &Report, ledger: &Ledger) {
    let heads = ["", "between", "open now", "what can be said"];
    page.table("legend", &heads, |page| {
        for (at, line) in (1_usize..).zip(&LINES) {
            let count = match living(report, line) {
                Some(count) => count.to_string(),
                None => "not seen".to_owned(),
            };
            page.element("tr", &[], |page| {
                page.of("th", &[], &at.to_string());
                page.of(
                    "td",
                    &[],
                    &format!("{} – {}", line.between.0, line.between.1),
                );
                page.of("td", &[], &count);
                page.of("td", &[], &said(ledger, line));
            });
        }
    });
}

fn said(ledger: &Ledger, line: &Line) -> String {
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in [line.between, (line.between.1, line.between.0)] {
        let (says, hears) = (program(from), program(to));
        let directions = ledger
            .directions()
            .iter()
            .filter(|one| one.from.contains(&says.as_str()) && one.to.contains(&hears.as_str()));
        let messages =
            directions.flat_map(|one| one.messages.iter().map(|message| message.what.as_str()));
        said.entry(from).or_default().extend(messages);
    }
    let told = said.iter().filter(|(_, messages)| !messages.is_empty());
    let told: Vec<String> = told
        .map(|(who, messages)| format!("{who}: {}", messages.join(", ")))
        .collect();
    told.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_edge_of_the_ledger_has_its_line_and_no_other_is_drawn() {
        let ledger = Ledger::compiled_in();
        let ordered = |one: &str, other: &str| {
            let (one, other) = (one.to_owned(), other.to_owned());
            if one < other {
                (one, other)
            } else {
                (other, one)
            }
        };
        let stated: BTreeSet<_> = ledger
            .directions()
            .iter()
            .flat_map(|one| {
                one.from
                    .iter()
                    .flat_map(|from| one.to.iter().map(|to| ordered(from, to)))
            })
            .filter(|(one, other)| ![one, other].contains(&&"mailkeep-supervisor".to_owned()))
            .collect();
        let drawn: BTreeSet<_> = LINES
            .iter()
            .map(|line| ordered(&program(line.between.0), &program(line.between.1)))
            .collect();
        assert_eq!(drawn, stated);
    }

    #[test]
    fn every_process_has_its_place() {
        let mut programs: BTreeSet<&str> = PLACES.iter().map(|(program, ..)| *program).collect();
        programs.insert("mailkeep-supervisor");
        let all = sandbox::profile::ALL.map(|profile| profile.process.program());
        assert_eq!(programs, BTreeSet::from(all));
    }
}

//! Each layer alone: what it stops by itself, and so what still holds when another fails.
//!
//! The table is `audit/layers.md`, written by hand for those who audit; this is what holds
//! it to the truth. Every attempt is made once without any layer, as whoever starts
//! the test, and once under each layer as a worker has it, and nothing else. Under the
//! supervisor's uid 0 and with every capability that is the worst case; as an ordinary user
//! some layers can't be put on alone, and less succeeds without them.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../probe/house.rs"]
mod house;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../probe/nursery.rs"]
mod nursery;
#[path = "../probe/order.rs"]
mod order;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "escape/subject.rs"]
mod subject;

use house::House;
use sandbox::Ids;
use sandbox::profile::{LOGIN, Root};
use std::collections::BTreeSet;
use subject::{Subject, furnish};

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");
const PAGE: &str = include_str!("../../audit/layers.md");

/// The columns behind "attempt" and "nothing", by the probe's names for them.
const LAYERS: [&str; 7] = [
    "filter",
    "Landlock",
    "root",
    "uid",
    "namespaces",
    "privileges",
    "limits",
];

/// Rows whose attempt ends otherwise without any layer than it is stated to, because
/// the kernel was built or set otherwise, are passed over; many of them would be an
/// accident.
const PASSED_OVER_MAX: usize = 20;

/// One row of the page: an attempt, how it ends without any layer, and how each layer
/// ends it, `None` where it makes no difference.
#[derive(Debug)]
struct Row {
    attempt: &'static str,
    nothing: &'static str,
    layers: [Option<&'static str>; 7],
}

impl Row {
    fn parse(line: &'static str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let [attempt, nothing, layers @ .., ""] = cells.as_slice() else {
            return None;
        };
        let layers: [&str; 7] = layers.try_into().ok()?;
        let is_heading = ["attempt", "---"].contains(attempt);
        (!is_heading).then_some(Self {
            attempt,
            nothing,
            layers: layers.map(|cell| (cell != ".").then_some(cell)),
        })
    }

    /// How many layers stop it.
    fn stops(&self) -> usize {
        self.layers.iter().flatten().count()
    }
}

/// A section of the page, by its heading.
fn section(heading: &str) -> &'static str {
    let found = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    found.expect("audit/layers.md has the section")
}

fn rows(text: &'static str) -> Vec<Row> {
    text.lines().filter_map(Row::parse).collect()
}

/// How the page writes what the probe says.
fn end(said: &str) -> String {
    match said {
        "succeeded" => "own".to_owned(),
        "killed 31" => "kill".to_owned(),
        other => other.trim_start_matches("errno ").to_owned(),
    }
}

/// An account's directory with everything in it and around it that attempts are about.
fn house(name: &str) -> (House, impl Sized) {
    let house = House::new(name, PROBE);
    let socket = furnish(&house);
    (house, socket)
}

fn subject(house: &House) -> Subject {
    Subject::executed(house, &house.path(Root::Store).join("7"), "layers")
}

#[test]
fn each_layer_alone_stops_what_the_page_says_and_nothing_else() {
    let (house, _socket) = house("layers");
    if house.site.ids() == Ids::Single {
        eprintln!("not checked: each layer alone, which needs root");
        return;
    }
    let subject = subject(&house);
    let (mut wrong, mut passed_over) = (Vec::new(), Vec::new());
    for row in rows(PAGE) {
        let try_it = |layer: &str| end(&subject.attempt(&format!("{layer}: {}", row.attempt)));
        let found = try_it("nothing");
        if found != row.nothing {
            passed_over.push(format!(
                "{}: {found} instead of {}",
                row.attempt, row.nothing
            ));
            continue;
        }
        for (layer, stated) in LAYERS.into_iter().zip(row.layers) {
            let (found, stated) = (try_it(layer), stated.unwrap_or(row.nothing));
            if found != stated {
                wrong.push(format!(
                    "{layer}: {}: {found} instead of {stated}",
                    row.attempt
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    for row in &passed_over {
        eprintln!("not checked, for this kernel is another: {row}");
    }
    assert!(passed_over.len() <= PASSED_OVER_MAX, "{passed_over:#?}");
}

/// What an ordinary user can put on alone: the filter kills, and Landlock stops, whatever
/// else would. As root that is a part of the test above.
#[test]
fn the_filter_and_landlock_alone_stop_what_the_page_says_for_an_ordinary_user() {
    let (house, _socket) = house("layers-anybody");
    if house.site.ids() != Ids::Single {
        return;
    }
    let subject = subject(&house);
    let mut wrong = Vec::new();
    for row in rows(PAGE) {
        let [filter, landlock, ..] = row.layers;
        for (layer, stated) in [("filter", filter), ("Landlock", landlock)] {
            let Some(stated) = stated else { continue };
            let found = end(&subject.attempt(&format!("{layer}: {}", row.attempt)));
            let is_stopped = if layer == "filter" {
                found == stated
            } else {
                found != "own"
            };
            if !is_stopped {
                wrong.push(format!("{layer}: {}: {found}", row.attempt));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_attempt_is_stopped_by_two_layers_or_the_page_says_why_not() {
    for row in rows(section("Stopped by two layers or more")) {
        assert!(row.stops() >= 2, "{row:?}");
    }
    for (heading, stops) in [("Stopped by one layer alone", 1), ("Stopped by none", 0)] {
        for group in section(heading).split("\n### ").skip(1) {
            let (name, text) = group.split_once("\n\n").expect("a heading and a reason");
            let reason = text.split("\n\n").next().unwrap_or_default();
            assert!(
                reason.len() > 40 && !reason.starts_with('|'),
                "{name}: why?"
            );
            let rows = rows(group);
            assert!(!rows.is_empty(), "{name}: what?");
            for row in rows {
                assert_eq!(row.stops(), stops, "{row:?}");
            }
        }
    }
}

#[test]
fn the_page_has_every_attempt_once() {
    let names = std::process::Command::new(PROBE).arg("names").output();
    let names = String::from_utf8(names.expect("the probe is built").stdout);
    let names = names.expect("names are text");
    let mut left: BTreeSet<&str> = names.lines().collect();
    let listed = section("Not tried alone").lines();
    let listed = listed.filter_map(|line| line.strip_prefix("* "));
    for attempt in rows(PAGE).iter().map(|row| row.attempt).chain(listed) {
        assert!(left.remove(attempt), "twice, or no attempt: {attempt}");
    }
    assert_eq!(left, BTreeSet::new(), "not on the page");
}

/// Everywhere else the filter is in front of these: here it lets their calls through.
#[test]
fn landlock_s_rules_for_tcp_signals_and_abstract_sockets_stand_after_enter() {
    let house = House::new("wide", PROBE);
    let subject = Subject::ordered(&house, &LOGIN, "wide attempts");
    for (attempt, stated) in [
        ("connect by TCP", "errno 13"),
        ("bind by TCP", "errno 13"),
        ("connect an abstract socket", "errno 1"),
        ("datagram to an abstract socket", "errno 1"),
        ("kill a sibling", "errno 1"),
        ("signal a sibling by its pidfd", "errno 1"),
        ("signal the peer of a socket by its pidfd", "errno 1"),
        ("abort a sibling (tgkill)", "errno 1"),
        ("ptrace a sibling", "errno 1"),
        // What it says nothing about: these are the filter's and the namespace's.
        ("socket: TCP", "succeeded"),
        ("send by UDP", "errno 101"),
        ("connect by Fast Open", "errno 101"),
    ] {
        assert_eq!(subject.attempt(attempt), stated, "{attempt}");
    }
}

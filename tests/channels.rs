//! The ledger of channels, `audit/channels.toml`, has every message that one process can
//! say to another, and no other.

use harness::repository::{self, Source};
use harness::set::workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// By edge, then by direction.
type Ledger = BTreeMap<String, BTreeMap<String, Direction>>;

/// What stands in the ledger of one direction of an edge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direction {
    from: String,
    to: String,
    bytes_max: String,
    wired: String,
    messages: BTreeMap<String, String>,
}

/// What the code has of it.
#[derive(Debug, PartialEq)]
struct Spoken {
    bytes_max: String,
    /// Each message, and whether a descriptor comes with it.
    messages: BTreeMap<String, bool>,
}

const EDGES: &str = "src/lib/ipc/edge/";

fn ledger() -> Ledger {
    let path = workspace().join("audit/channels.toml");
    let text = std::fs::read_to_string(path).expect("audit/channels.toml");
    toml::from_str(&text).expect("audit/channels.toml")
}

#[test]
fn every_message_of_every_channel_is_in_the_ledger() {
    let written = ledger().into_iter().flat_map(|(edge, directions)| {
        let named = move |(name, it): (String, Direction)| ((edge.clone(), name), written(&it));
        directions.into_iter().map(named)
    });
    let written: BTreeMap<(String, String), Spoken> = written.collect();
    let spoken = spoken();
    assert!(spoken.len() >= 30, "the enums were not found");
    for (name, direction) in &spoken {
        assert_eq!(written.get(name), Some(direction), "{name:?}");
    }
    let unspoken: Vec<_> = written
        .keys()
        .filter(|it| !spoken.contains_key(it))
        .collect();
    assert!(unspoken.is_empty(), "no such enum: {unspoken:?}");
}

/// A direction as the code would have it.
fn written(direction: &Direction) -> Spoken {
    let messages = direction.messages.iter().map(|(name, when)| {
        assert!(when.len() > 8, "{name}: when may it be said?");
        (name.clone(), when.contains(": with "))
    });
    Spoken {
        bytes_max: direction.bytes_max.clone(),
        messages: messages.collect(),
    }
}

/// Every direction of every edge, by the code.
fn spoken() -> BTreeMap<(String, String), Spoken> {
    let mut found = BTreeMap::new();
    for source in repository::rust() {
        let Some(edge) = source.path.strip_prefix(EDGES) else {
            continue;
        };
        let edge = edge.trim_end_matches(".rs");
        for block in words(&source).split("messages! { ").skip(1) {
            let (name, direction) = direction(block);
            found.insert((edge.to_owned(), name), direction);
        }
    }
    found
}

/// A file's code, one space between words.
fn words(source: &Source) -> String {
    let lines: Vec<String> = source.production_code().map(|(_, line)| line).collect();
    let words: Vec<String> = lines
        .iter()
        .flat_map(|line| line.split_whitespace())
        .map(str::to_owned)
        .collect();
    words.join(" ")
}

/// `pub enum NAME, at most BYTES, { MESSAGES } }`
fn direction(block: &str) -> (String, Spoken) {
    let (_, block) = block.split_once("pub enum ").expect("an enum");
    let (name, block) = block.split_once(", at most ").expect("a longest message");
    let (bytes_max, block) = block.split_once(", {").expect("its messages");
    let spoken = Spoken {
        bytes_max: bytes_max.to_owned(),
        messages: messages(block),
    };
    (name.to_owned(), spoken)
}

/// `NUMBER => NAME { FIELDS },` and so on, until the enum ends.
fn messages(block: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut rest = block;
    while let Some((before, after)) = rest.split_once("=>") {
        if before.contains('}') && !before.trim_start().starts_with("},") {
            break;
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphanumeric()).expect("an end");
        let (name, fields) = after.split_at(end);
        let fields = fields.trim_start().strip_prefix('{');
        let fields = fields.and_then(|fields| fields.split_once('}'));
        found.insert(
            name.to_owned(),
            fields.is_some_and(|(fields, _)| fields.contains("OwnedFd")),
        );
        rest = fields.map_or(&after[end..], |(_, behind)| behind);
    }
    found
}

#[test]
fn every_edge_that_the_supervisor_wires_is_in_the_ledger_in_both_directions() {
    let ledger = ledger();
    let directions: Vec<&Direction> = ledger.values().flat_map(BTreeMap::values).collect();
    let edges = edges();
    assert!(edges.len() >= 14, "the table was not found");
    for (edge, one, other) in &edges {
        let by = |from: &str, to: &str| {
            let said =
                |it: &&&Direction| has(&it.wired, edge) && has(&it.from, from) && has(&it.to, to);
            directions.iter().filter(said).count()
        };
        assert_eq!((by(one, other), by(other, one)), (1, 1), "{edge}");
    }
    let named = directions.iter().flat_map(|it| it.wired.split(", "));
    let named: BTreeSet<&str> = named.filter(|it| is_edge(it)).collect();
    let wired: BTreeSet<&str> = edges.iter().map(|(edge, _, _)| edge.as_str()).collect();
    assert_eq!(named, wired);
}

/// Whether a list has this word.
fn has(list: &str, word: &str) -> bool {
    list.split(", ").any(|it| it == word)
}

/// The supervisor's names of edges are one word each.
fn is_edge(text: &str) -> bool {
    text.starts_with(char::is_uppercase) && text.chars().all(char::is_alphabetic)
}

/// `(Edge::NAME, Process::ONE, Process::OTHER)`, as the supervisor's table has them.
fn edges() -> Vec<(String, String, String)> {
    let sources = repository::rust();
    let table = sources
        .iter()
        .find(|it| it.path == "src/supervisor/table.rs");
    let code = words(table.expect("the supervisor's table"));
    let rows = code
        .split("Edge::")
        .skip(1)
        .filter(|row| row.contains("Process::"))
        .map(|row| {
            let row = row.split(')').next().unwrap_or_default();
            let mut words = row.split(", ").map(|word| {
                word.trim_start_matches("Process::")
                    .trim_end_matches(',')
                    .to_owned()
            });
            let mut next = || words.next().unwrap_or_default();
            (next(), next().to_lowercase(), next().to_lowercase())
        });
    rows.collect()
}

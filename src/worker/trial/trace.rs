//! Runs the dialogues of `traces/`: what a client says (`C:`) and what the server
//! must answer (`S:`), line by line.
//!
//! A number behind the letter names the connection (`C2:`); each begins after its
//! login. `C>` sends without a line end. In what the server says `<n>` stands for
//! any number, `<date>` for a date and time, `<...>` for anything within a line.
//! `#` begins a comment. At the end nothing may be left unsaid on any connection.

use super::{House, Wire, run};
use std::collections::BTreeMap;

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Client(String, Vec<u8>),
    Server(String, String),
}

fn steps(trace: &str) -> Vec<Step> {
    let said = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    trace.lines().filter(said).map(step).collect()
}

fn step(line: &str) -> Step {
    let at = line
        .find([':', '>'])
        .unwrap_or_else(|| panic!("no step: {line}"));
    let (who, text) = line.split_at(at);
    let (mark, text) = text.split_at(1);
    let text = text.strip_prefix(' ').unwrap_or(text);
    let connection = who[1..].to_owned();
    match (&who[..1], mark) {
        ("C", ":") => Step::Client(connection, format!("{text}\r\n").into_bytes()),
        ("C", _) => Step::Client(connection, text.as_bytes().to_vec()),
        ("S", ":") => Step::Server(connection, text.to_owned()),
        _ => panic!("no step: {line}"),
    }
}

/// Everything that the one client of a trace says.
pub fn client_bytes(trace: &str) -> Vec<u8> {
    let said = steps(trace).into_iter().filter_map(|step| match step {
        Step::Client(_, bytes) => Some(bytes),
        Step::Server(..) => None,
    });
    said.flatten().collect()
}

/// Whether a line is what the trace says.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('<') else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(before) else {
        return false;
    };
    let Some((wild, behind)) = rest.split_once('>') else {
        return false;
    };
    let stands_for = |text: &str| match wild {
        "n" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        "date" => text.len() == "17-Jul-1996 02:44:25 -0700".len(),
        "..." => true,
        _ => text == format!("<{wild}>"),
    };
    let ends = (0..=line.len()).filter(|end| line.is_char_boundary(*end));
    let mut ends = ends.filter(|end| stands_for(&line[..*end]));
    ends.any(|end| fits(behind, &line[end..]))
}

async fn play(trace: &str) {
    let house = House::new();
    let mut wires: BTreeMap<String, Wire> = BTreeMap::new();
    for step in steps(trace) {
        let name = match &step {
            Step::Client(name, _) | Step::Server(name, _) => name.clone(),
        };
        if !wires.contains_key(&name) {
            wires.insert(name.clone(), house.client().await);
        }
        let wire = wires.get_mut(&name).unwrap();
        match step {
            Step::Client(_, bytes) => wire.send(&bytes).await,
            Step::Server(_, pattern) => {
                let line = wire.line().await;
                assert!(
                    fits(&pattern, &line),
                    "\nexpected: {pattern}\n    said: {line}"
                );
            }
        }
    }
    for (name, mut wire) in wires {
        let rest = wire.rest().await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty(), "unasked on connection {name:?}: {rest}");
    }
    house.leave().await;
}

macro_rules! traces {
    ($($claim:ident: $file:literal,)+) => {$(
        #[test]
        fn $claim() {
            run(play(include_str!(concat!("../traces/", $file))));
        }
    )+};
}

traces! {
    a_letter_is_appended_read_flagged_and_expunged: "life-of-a-letter.txt",
    two_sessions_see_each_other: "two-sessions.txt",
    mailboxes_are_made_listed_renamed_and_deleted: "mailboxes.txt",
    searches_find_by_flag_date_size_header_and_text: "search.txt",
    letters_are_copied_and_moved: "copy-and-move.txt",
    parts_of_letters_are_fetched: "parts.txt",
    what_makes_no_sense_is_refused_in_words: "refusals.txt",
    rev2_speaks_utf8_and_esearch: "rev2.txt",
    utf8_accept_speaks_utf8_in_names_strings_and_letters: "utf8.txt",
    xlist_is_list_in_gmails_words: "xlist.txt",
    an_account_without_limits_has_no_quota_root: "quota.txt",
    new_mail_wakes_an_idling_session: "idle.txt",
}

#[test]
fn wildcards_stand_for_what_they_say() {
    assert!(fits("a <n> b", "a 12 b") && !fits("a <n> b", "a x b"));
    assert!(fits("<...>]", "[x]]") && fits("x", "x") && !fits("x", "y"));
    assert!(fits("<a@b>", "<a@b>"));
}

//! The table of guards: what is counted, and where it is done.

use Place::{Libraries, Sessions};

/// One kind of work.
#[derive(Debug)]
pub struct Guard {
    /// Its name in the ledger.
    pub name: &'static str,
    /// What a count is for.
    pub unit: &'static str,
    /// How many of them a round has.
    pub units: u64,
    /// Rounds beyond the first ones: enough for a hundred million instructions, beside
    /// which little matters that a process does at its own time (some ten million).
    pub rounds: u64,
    /// Where its test is.
    pub place: Place,
    /// The test.
    pub test: &'static str,
}

/// Which program has a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `guarded.rs` of this package: the libraries.
    Libraries,
    /// `trial/guarded.rs` of the worker: whole sessions on a file system.
    Sessions,
}

impl Place {
    /// What `cargo test` has to be told to run its tests alone.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Libraries => ["--package", "mailkeep-guards", "--test", "guarded"],
            Self::Sessions => ["--package", "mailkeep-worker", "--bin", "mailkeep-worker"],
        }
    }

    /// What stands before the test's name.
    pub fn module(self) -> &'static str {
        match self {
            Self::Libraries => "",
            Self::Sessions => "trial::guarded::",
        }
    }
}

const fn guard(
    place: Place,
    name: &'static str,
    (units, unit): (u64, &'static str),
    rounds: u64,
    test: &'static str,
) -> Guard {
    Guard {
        name,
        unit,
        units,
        rounds,
        place,
        test,
    }
}

/// Letters in the mailbox of the sessions' guards.
const MESSAGES: (u64, &str) = (300, "message");

/// Letters that one round brings in.
const LETTERS: (u64, &str) = (100, "letter");

/// Every guard, from what strangers reach to what a whole mailbox costs.
pub const GUARDS: [Guard; 14] = [
    guard(
        Libraries,
        "preauth",
        (5, "command"),
        2000,
        "a_login_is_read",
    ),
    guard(
        Libraries,
        "commands",
        (12, "command"),
        2000,
        "commands_of_clients_are_read",
    ),
    guard(
        Libraries,
        "ticket",
        (1, "ticket"),
        1000,
        "a_ticket_is_sealed_and_opened",
    ),
    guard(
        Libraries,
        "gist",
        LETTERS,
        4,
        "the_gist_of_letters_is_gathered",
    ),
    guard(
        Libraries,
        "journal-append",
        (100, "record"),
        20,
        "records_are_appended_and_synced",
    ),
    guard(
        Sessions,
        "select",
        (1, "command"),
        4000,
        "a_mailbox_is_selected",
    ),
    guard(
        Sessions,
        "fetch-flags",
        MESSAGES,
        300,
        "every_message_tells_its_flags",
    ),
    guard(
        Sessions,
        "fetch-structure",
        MESSAGES,
        40,
        "every_message_tells_its_envelope_and_structure",
    ),
    guard(
        Sessions,
        "fetch-fields",
        MESSAGES,
        60,
        "every_message_tells_the_fields_that_a_list_shows",
    ),
    guard(
        Sessions,
        "fetch-bodies",
        MESSAGES,
        50,
        "every_message_gives_its_bytes",
    ),
    guard(
        Sessions,
        "store-flags",
        (600, "change"),
        120,
        "every_message_takes_a_flag_and_gives_it_back",
    ),
    guard(
        Sessions,
        "search-flags",
        MESSAGES,
        800,
        "a_search_by_flags_is_answered",
    ),
    guard(
        Sessions,
        "search-subject",
        MESSAGES,
        30,
        "a_search_by_subject_is_answered",
    ),
    guard(Sessions, "append", LETTERS, 2, "letters_come_in_one_by_one"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn source(place: Place) -> &'static str {
        match place {
            Place::Libraries => include_str!("guarded.rs"),
            Place::Sessions => include_str!("../../src/worker/trial/guarded.rs"),
        }
    }

    #[test]
    fn every_guard_has_its_test_and_every_test_its_guard() {
        for place in [Place::Libraries, Place::Sessions] {
            let lines = source(place).lines().collect::<Vec<_>>();
            let tests = lines.windows(2).filter(|two| two[0] == "#[test]");
            let tests = tests.filter_map(|two| two[1].strip_prefix("fn ")?.split('(').next());
            let guards = GUARDS.iter().filter(|guard| guard.place == place);
            let guards: BTreeSet<&str> = guards.map(|guard| guard.test).collect();
            assert_eq!(tests.collect::<BTreeSet<_>>(), guards);
        }
    }

    #[test]
    fn every_guard_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = GUARDS.iter().map(|guard| guard.name).collect();
        assert_eq!(names.len(), GUARDS.len());
    }
}

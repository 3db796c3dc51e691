//! Trees of mailboxes that are made, renamed and deleted while other sessions have
//! them open: each command is answered as the tree says, and each session is told of
//! the mailbox that it has open, whatever it is called by now.

mod world;

use super::{House, Wire, run};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use world::{INBOX, Id, Verdict, World};

/// Sessions of one account at once.
const SESSIONS: usize = 3;

/// One command of one session.
#[derive(Debug, Clone)]
enum Deed {
    Create(String),
    Delete(String),
    Rename(String, String),
    Append(String),
    Select(String),
    Look,
    Idle,
}

/// Few names, so that they meet.
fn name() -> impl Strategy<Value = String> {
    let names = ["a", "a/b", "a/b/c", "b", "b/c", "INBOX", "INBOX/a", "Sent"];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => name().prop_map(Deed::Create),
        2 => name().prop_map(Deed::Delete),
        3 => (name(), name()).prop_map(|(from, to)| Deed::Rename(from, to)),
        4 => name().prop_map(Deed::Append),
        4 => name().prop_map(Deed::Select),
        2 => Just(Deed::Look),
        2 => Just(Deed::Idle),
    ]
}

/// A session, and what it knows.
struct Seat {
    wire: Wire,
    /// What it has open, with the number of messages that it was told of.
    open: Option<(Id, usize)>,
    idles: bool,
}

impl Seat {
    async fn enter(house: &House) -> Self {
        Self {
            wire: house.client().await,
            open: None,
            idles: false,
        }
    }

    /// Takes a line in.
    fn hear(&mut self, line: &str) {
        let Some((_, known)) = &mut self.open else {
            assert!(
                !line.contains("EXISTS") && !line.contains("EXPUNGE"),
                "{line}"
            );
            return;
        };
        let number = |what: &str| {
            let number = line.strip_prefix("* ")?.strip_suffix(what)?;
            number.parse::<usize>().ok()
        };
        if let Some(number) = number(" EXISTS") {
            assert!(number >= *known, "{line} after {known}");
            *known = number;
        }
        if let Some(number) = number(" EXPUNGE") {
            assert!((1..=*known).contains(&number), "{line} of {known}");
            *known -= 1;
        }
    }

    /// A command, and the tagged answer to it without its tag; none if the session
    /// ended behind it.
    async fn say(&mut self, command: &str) -> String {
        let lines = self.wire.command("t", command).await;
        let (last, before) = lines.split_last().unwrap();
        before.iter().for_each(|line| self.hear(line));
        last.strip_prefix("t ").unwrap().to_owned()
    }

    async fn stop_idling(&mut self) {
        if std::mem::take(&mut self.idles) {
            self.wire.send(b"DONE\r\n").await;
            let lines = self.wire.answer("i").await;
            lines.iter().for_each(|line| self.hear(line));
        }
    }

    async fn begin_idling(&mut self) {
        self.idles = true;
        self.wire.send(b"i IDLE\r\n").await;
        loop {
            match self.wire.line().await {
                line if line.starts_with("+ ") => return,
                line => self.hear(&line),
            }
        }
    }
}

/// The sessions, and the tree as it should be.
struct Game {
    house: House,
    world: World,
    seats: Vec<Seat>,
    /// The UIDVALIDITY of each mailbox that was looked at.
    validities: BTreeMap<Id, String>,
}

impl Game {
    async fn begin() -> Self {
        let house = House::new();
        let mut seats = Vec::new();
        for _ in 0..SESSIONS {
            seats.push(Seat::enter(&house).await);
        }
        Self {
            house,
            world: World::founded(),
            seats,
            validities: BTreeMap::new(),
        }
    }

    async fn play(&mut self, who: usize, deed: &Deed) {
        self.seats[who].stop_idling().await;
        let (command, verdict) = self.expect(deed);
        let seat = &mut self.seats[who];
        if matches!(deed, Deed::Idle) {
            seat.begin_idling().await;
            return;
        }
        if let Deed::Select(_) = deed {
            seat.open = None;
        }
        if let (Deed::Select(name), Verdict::Ok) = (deed, verdict) {
            seat.open = self.world.named(name).map(|id| (id, 0));
        }
        let said = seat.say(&command).await;
        assert!(said.starts_with(verdict.words()), "{command}: {said}");
        let own = seat.open.filter(|(id, _)| !self.world.is_there(*id));
        if matches!(deed, Deed::Delete(_)) && own.is_some() {
            seat.open = None;
        }
        self.see_who_is_left().await;
    }

    /// Does it to the tree; the command, and what is answered.
    fn expect(&mut self, deed: &Deed) -> (String, Verdict) {
        match deed {
            Deed::Create(name) => (format!("CREATE {name}"), self.world.create(name)),
            Deed::Delete(name) => (format!("DELETE {name}"), self.world.delete(name)),
            Deed::Rename(from, to) => {
                let verdict = self.world.rename(from, to);
                (format!("RENAME {from} {to}"), verdict)
            }
            Deed::Append(name) => {
                if let Some(id) = self.world.named(name) {
                    self.world.letters[id] += 1;
                    return (format!("APPEND {name} {{1+}}\r\nx"), Verdict::Ok);
                }
                (format!("STATUS {name} (MESSAGES)"), Verdict::NonExistent)
            }
            Deed::Select(name) => (format!("SELECT {name}"), self.there(name)),
            Deed::Look | Deed::Idle => ("NOOP".to_owned(), Verdict::Ok),
        }
    }

    fn there(&self, name: &str) -> Verdict {
        match self.world.named(name) {
            Some(_) => Verdict::Ok,
            None => Verdict::NonExistent,
        }
    }

    /// Whoever has a mailbox open that is gone is told so and leaves: at once if it
    /// idles, else with its next command.
    async fn see_who_is_left(&mut self) {
        for seat in &mut self.seats {
            let gone = seat.open.is_some_and(|(id, _)| !self.world.is_there(id));
            if !gone {
                continue;
            }
            if !std::mem::take(&mut seat.idles) {
                seat.wire.send(b"g NOOP\r\n").await;
            }
            let words = seat.wire.last_words().await;
            assert!(words.contains("* BYE "), "{words}");
            *seat = Seat::enter(&self.house).await;
        }
    }

    /// In the end every session knows how many letters there are in what it has open,
    /// and the tree is the tree.
    async fn end(mut self) {
        for seat in &mut self.seats {
            seat.stop_idling().await;
            seat.say("NOOP").await;
            if let Some((id, known)) = seat.open {
                assert_eq!(known, self.world.letters[id]);
            }
        }
        let mut names = BTreeSet::new();
        for line in self.seats[0].wire.command("l", "LIST \"\" *").await {
            if let Some((attributes, name)) = line.split_once(" \"/\" ") {
                let is_there = !attributes.contains("\\Noselect");
                names.extend(is_there.then(|| name.to_owned()));
            }
        }
        let expected: BTreeSet<String> = self.world.names().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, expected);
        self.house.leave().await;
    }

    /// No two mailboxes that ever were share a UIDVALIDITY, and a renamed one keeps
    /// its own; so it is with the number of letters.
    async fn count(&mut self) {
        let names: Vec<(String, Id)> = self.world.names().map(|(n, id)| (n.clone(), *id)).collect();
        let mut observer = self.house.client().await;
        for (name, id) in names {
            let command = format!("STATUS {name} (MESSAGES UIDVALIDITY)");
            let said = observer.command("s", &command).await;
            let (_, counts) = said[0].split_once(" (MESSAGES ").unwrap();
            let (letters, validity) = counts.split_once(" UIDVALIDITY ").unwrap();
            assert_eq!(letters.parse(), Ok(self.world.letters[id]), "{name}");
            let known = self.validities.entry(id);
            assert_eq!(known.or_insert(validity.to_owned()), validity, "{name}");
        }
        let different: BTreeSet<&String> = self.validities.values().collect();
        assert_eq!(different.len(), self.validities.len());
        observer.rest().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sessions_are_told_of_the_tree_as_it_is_whoever_changes_it(
        deeds in prop::collection::vec((0..SESSIONS, deed()), 1..40),
    ) {
        run(async {
            let mut game = Game::begin().await;
            for (who, deed) in &deeds {
                game.play(*who, deed).await;
            }
            game.count().await;
            game.end().await;
        });
    }
}

/// A letter on its way lands where it was sent to, under whatever name.
#[test]
fn a_letter_that_is_appended_while_its_mailbox_is_renamed_arrives_in_it() {
    run(async {
        let house = House::new();
        let mut sender = house.client().await;
        let mut other = house.client().await;
        sender.command("a", "CREATE a/b").await;
        sender.send(b"b APPEND a/b {6}\r\n").await;
        assert!(sender.line().await.starts_with("+ "));
        sender.send(b"one").await;
        other.command("a", "RENAME a z").await;
        other.command("b", "CREATE a/b").await;
        sender.send(b"two\r\n").await;
        let said = sender.answer("b").await;
        assert!(said[0].starts_with("b OK [APPENDUID "), "{said:?}");
        let status = other.command("c", "STATUS z/b (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS z/b (MESSAGES 1)");
        let status = other.command("d", "STATUS a/b (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS a/b (MESSAGES 0)");
        house.leave().await;
    });
}

/// Nor in another that has got its name meanwhile.
#[test]
fn a_letter_that_is_appended_while_its_mailbox_is_deleted_arrives_nowhere() {
    run(async {
        let house = House::new();
        let mut sender = house.client().await;
        let mut other = house.client().await;
        sender.command("a", "CREATE a").await;
        sender.send(b"b APPEND a {6}\r\n").await;
        assert!(sender.line().await.starts_with("+ "));
        sender.send(b"one").await;
        other.command("a", "DELETE a").await;
        other.command("b", "CREATE a").await;
        sender.send(b"two\r\n").await;
        let said = sender.answer("b").await;
        assert!(said[0].starts_with("b NO [TRYCREATE]"), "{said:?}");
        let status = other.command("c", "STATUS a (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS a (MESSAGES 0)");
        let again = sender.command("d", "NOOP").await;
        assert_eq!(again, ["d OK Nothing done"]);
        house.leave().await;
    });
}

#[test]
fn commands_behind_the_deletion_of_the_own_mailbox_find_none_selected() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("a", "CREATE a").await;
        client.command("b", "SELECT a").await;
        client
            .send(b"c DELETE a\r\nd FETCH 1:* UID\r\ne CREATE a\r\nf EXPUNGE\r\ng SELECT a\r\n")
            .await;
        let said = client.answer("g").await;
        let tagged = |tag: &str| said.iter().any(|line| line.starts_with(tag));
        assert!(
            tagged("c OK ") && tagged("d BAD ") && tagged("e OK "),
            "{said:?}"
        );
        assert!(tagged("f BAD ") && tagged("g OK [READ-WRITE]"), "{said:?}");
        house.leave().await;
    });
}

/// What was fetched when the mailbox went comes whole; then the session ends.
#[test]
fn a_fetch_from_a_mailbox_that_is_deleted_meanwhile_ends_between_two_messages() {
    run(async {
        let house = House::new();
        let mut reader = house.client().await;
        let mut other = house.client().await;
        reader.command("a", "CREATE a").await;
        let letter = "x".repeat(200_000);
        for _ in 0..8 {
            let append = format!("APPEND a {{{}+}}\r\n{letter}", letter.len());
            other.command("b", &append).await;
        }
        reader.command("c", "SELECT a").await;
        reader.send(b"d FETCH 1:* (UID BODY.PEEK[])\r\n").await;
        let first = reader.line().await;
        assert!(
            first.starts_with("* 1 FETCH (UID 1 BODY[] {200000}"),
            "{first}"
        );
        other.command("e", "DELETE a").await;
        let words = reader.last_words().await;
        let whole = words.matches(&format!("{letter})\r\n")).count();
        let begun = words.matches("{200000}").count() + 1;
        assert_eq!(whole, begun, "a letter was cut");
        let end = words.rsplit("x)\r\n").next().unwrap();
        assert!(
            end.starts_with("* BYE ") || end.starts_with("d NO "),
            "{end:?}"
        );
        house.leave().await;
    });
}

/// INBOX, whose letters go when it is renamed, keeps its sessions.
#[test]
fn renaming_inbox_expunges_it_for_those_who_have_it_open() {
    run(async {
        let house = House::new();
        let mut idler = house.client().await;
        let mut other = house.client().await;
        for _ in 0..2 {
            other.command("a", "APPEND INBOX {1+}\r\nx").await;
        }
        idler.command("b", "SELECT INBOX").await;
        idler.send(b"c IDLE\r\n").await;
        assert!(idler.line().await.starts_with("+ "));
        other.command("d", "RENAME INBOX Old").await;
        assert_eq!(idler.line().await, "* 2 EXPUNGE");
        assert_eq!(idler.line().await, "* 1 EXPUNGE");
        other.command("e", "APPEND INBOX {1+}\r\nx").await;
        assert_eq!(idler.line().await, "* 1 EXISTS");
        assert_eq!(INBOX, 0);
        house.leave().await;
    });
}

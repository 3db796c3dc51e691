//! Each row, with each set of rights that matters: done, refused, or done without
//! what the rights don't allow; and nothing else has changed.

use super::rows::{self, OWNERS_ALONE, Place, Row, Whose};
use super::world::{FRIEND, Image, Letter, Picture, World, answer, has, rights_that_matter, say};
use crate::fixture::ACCOUNT;
use crate::trial::run;
use ipc::AccountId;
use store::{Grantee, Rights, SystemFlags};

/// What a row comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Refused,
    /// OK, and nothing happens.
    Nothing,
    Done,
}

fn verdict(row: &Row, rights: &str) -> Verdict {
    let some = row.one_of.is_empty() || row.one_of.chars().any(|one| rights.contains(one));
    if row.whose != Whose::Anybodys || !has(rights, row.needs) || !some {
        Verdict::Refused
    } else if has(rights, row.acts) {
        Verdict::Done
    } else {
        Verdict::Nothing
    }
}

/// What a row leaves behind, if only flags can be changed for which there are rights.
fn expected(before: &Picture, by_owner: &Picture, rights: &str) -> Picture {
    let mut picture = by_owner.clone();
    if let (Some(found), Some(was)) = (
        picture.mailboxes.get_mut("box"),
        before.mailboxes.get("box"),
    ) {
        for (uid, letter) in &mut found.letters {
            *letter = allowed(was.letters.get(uid), letter, rights);
        }
    }
    picture
}

/// A letter's flags: those that rights allow to change as they have become, the
/// others as they were.
fn allowed(was: Option<&Letter>, is: &Letter, rights: &str) -> Letter {
    let when = |right, flags| {
        if has(rights, right) {
            flags
        } else {
            SystemFlags::NONE
        }
    };
    let others = !(SystemFlags::SEEN | SystemFlags::DELETED);
    let mask = when("s", SystemFlags::SEEN) | when("t", SystemFlags::DELETED) | when("w", others);
    let nothing = Letter {
        system: SystemFlags::NONE,
        keywords: Default::default(),
    };
    let was = was.unwrap_or(&nothing);
    Letter {
        system: (was.system & !mask) | (is.system & mask),
        keywords: match has(rights, "w") {
            true => is.keywords.clone(),
            false => was.keywords.clone(),
        },
    }
}

/// One row with one set of rights.
struct Case<'a> {
    row: &'a Row,
    rights: &'a str,
    /// The rights were others when the mailbox was selected.
    meanwhile: bool,
}

impl Case<'_> {
    /// What a client hears.
    async fn play(&self, world: &World, principal: AccountId) -> Vec<String> {
        let all = Rights::ALL.letters();
        let at_first = if self.meanwhile { &all } else { self.rights };
        world.give("box", at_first).await;
        let mut wire = world.client_of(principal, self.row).await;
        if self.meanwhile {
            world.give("box", self.rights).await;
        }
        say(&mut wire, self.row).await
    }

    fn is_in_box(&self) -> bool {
        matches!(self.row.place, Place::InBox | Place::Examined)
    }

    /// Whether the mailbox that is selected has gone, as far as the client knows.
    fn is_cut_off(&self) -> bool {
        self.is_in_box() && !has(self.rights, "lr")
    }

    fn check(&self, heard: &[String]) {
        let told = format!("{} with {:?}: {heard:#?}", self.row.says, self.rights);
        let answer = answer(heard);
        match verdict(self.row, self.rights) {
            Verdict::Refused => self.check_refusal(answer, heard, &told),
            // IDLE has no answer if the session ends within.
            _ if answer.is_none() => assert!(self.is_cut_off(), "{told}"),
            _ => assert!(answer.unwrap().starts_with("OK"), "{told}"),
        }
        for (line, rights) in self.row.shows {
            let shown = untagged(heard).any(|heard| heard.contains(line));
            assert_eq!(shown, has(self.rights, rights), "{line} in {told}");
        }
        for foreign in ["INBOX", "Archive", "Sent"] {
            assert!(
                !untagged(heard).any(|line| line.contains(foreign)),
                "{told}"
            );
        }
        if self.is_cut_off() {
            self.check_silence(heard, &told);
        }
    }

    fn check_refusal(&self, answer: Option<&str>, heard: &[String], told: &str) {
        let Some(answer) = answer else {
            return assert!(self.is_cut_off(), "{told}");
        };
        let code = answer
            .strip_prefix("NO [")
            .and_then(|rest| rest.split_once(']'));
        let (code, _) = code.unwrap_or_else(|| panic!("{told}"));
        let may_change = "ieswt".chars().any(|one| self.rights.contains(one));
        let opened_so = self.row.place == Place::Examined || (self.is_in_box() && !may_change);
        let fits = match self.row.whose {
            // Other reasons come first.
            Whose::Nobodys => true,
            Whose::TheOwners => matches!(code, "NOPERM" | "NONEXISTENT" | "METADATA NOPRIVATE"),
            Whose::Anybodys if has(self.rights, "l") => {
                code == "NOPERM" || code == "READ-ONLY" && opened_so
            }
            Whose::Anybodys if self.is_in_box() => matches!(code, "NONEXISTENT" | "TRYCREATE"),
            Whose::Anybodys => code == self.row.hidden,
        };
        assert!(fits, "{told}");
        self.check_silence(heard, told);
    }

    /// Nothing is told that the mailbox holds.
    fn check_silence(&self, heard: &[String], told: &str) {
        let of_the_box = |line: &str| {
            let data = [
                " FETCH ",
                " EXISTS",
                " EXPUNGE",
                " RECENT",
                "* SEARCH",
                "* ESEARCH",
                "* FLAGS",
                "* STATUS box",
                "* METADATA box",
                "COPYUID",
                "APPENDUID",
            ];
            data.iter().any(|data| line.contains(data))
        };
        // What is selected afterwards may be told of.
        if self.row.says != "SELECT other" {
            assert!(!heard.iter().any(|line| of_the_box(line)), "{told}");
        }
    }
}

/// Untagged lines.
fn untagged(heard: &[String]) -> impl Iterator<Item = &String> {
    heard.iter().filter(|line| line.starts_with("* "))
}

/// What the owner does with a row, and what that leaves behind.
async fn by_owner(image: &Image, row: &Row) -> (Vec<String>, Picture) {
    let world = World::on(image);
    world.give("other", &Rights::ALL.letters()).await;
    // He has every right, and can lose none.
    let himself = Grantee::Account(store::AccountId(ACCOUNT.0));
    world.give_to(himself, "box", "l").await;
    let case = Case {
        row,
        rights: "",
        meanwhile: false,
    };
    let heard = case.play(&world, ACCOUNT).await;
    let refused = row.whose == Whose::Nobodys;
    let answer = answer(&heard).unwrap();
    assert_eq!(
        answer.starts_with("NO"),
        refused,
        "{}: {heard:#?}",
        row.says
    );
    assert_eq!(
        answer.starts_with("OK"),
        !refused,
        "{}: {heard:#?}",
        row.says
    );
    (heard, world.picture())
}

async fn every_set_of_rights(image: &Image, row: &Row) {
    let (_, by_owner) = by_owner(image, row).await;
    let mut world = World::on(image);
    world.give("other", &Rights::ALL.letters()).await;
    let before = world.picture();
    for rights in rights_that_matter(row) {
        for meanwhile in [false, true] {
            let case = Case {
                row,
                rights: &rights,
                meanwhile,
            };
            if meanwhile != case.is_cut_off() && !(meanwhile && case.is_in_box()) {
                continue;
            }
            let heard = case.play(&world, FRIEND).await;
            case.check(&heard);
            let after = world.picture();
            let expected = match verdict(row, &rights) {
                Verdict::Done => expected(&before, &by_owner, &rights),
                Verdict::Refused | Verdict::Nothing => before.clone(),
            };
            assert_eq!(after, expected, "{} with {rights:?}: {heard:#?}", row.says);
            if after != before {
                world = World::on(image);
                world.give("other", &Rights::ALL.letters()).await;
            }
        }
    }
}

fn all_of(place: Place) {
    run(async {
        let image = Image::with_box().await;
        for row in rows::all().filter(|row| row.place == place) {
            every_set_of_rights(&image, row).await;
        }
    });
}

#[test]
fn with_nothing_selected_each_command_takes_the_rights_that_the_rfc_says() {
    all_of(Place::Anywhere);
}

#[test]
fn in_a_mailbox_each_command_takes_the_rights_that_the_rfc_says() {
    all_of(Place::InBox);
}

#[test]
fn in_an_examined_mailbox_nothing_is_changed_whatever_the_rights() {
    all_of(Place::Examined);
}

#[test]
fn from_another_mailbox_each_command_takes_the_rights_that_the_rfc_says() {
    all_of(Place::InOther);
}

/// Whether a row shows mailboxes that only the owner sees.
fn lists_all(row: &Row) -> bool {
    row.shows == OWNERS_ALONE || row.says.contains("\"\" *") || row.says.contains("\"\" %")
}

/// Without the mod-sequence of what was just changed: to be given rights is a change, too.
fn unnumbered(said: Vec<String>) -> Vec<String> {
    let line = |line: String| match line.split_once(" MODSEQ (") {
        Some((before, behind)) if line.contains(" FETCH ") => {
            format!(
                "{before}{}",
                behind.trim_start_matches(|c: char| c.is_ascii_digit())
            )
        }
        _ => line,
    };
    said.into_iter().map(line).collect()
}

/// So a friend is told neither less than there is nor more.
#[test]
fn who_has_every_right_hears_what_the_owner_hears() {
    run(async {
        let image = Image::with_box().await;
        let rows = rows::all().filter(|row| row.whose == Whose::Anybodys && !lists_all(row));
        for row in rows {
            let (owner, _) = by_owner(&image, row).await;
            let world = World::on(&image);
            world.give("other", &Rights::ALL.letters()).await;
            let case = Case {
                row,
                rights: &Rights::ALL.letters(),
                meanwhile: false,
            };
            let friend = case.play(&world, FRIEND).await;
            assert_eq!(unnumbered(friend), unnumbered(owner), "{}", row.says);
        }
    });
}

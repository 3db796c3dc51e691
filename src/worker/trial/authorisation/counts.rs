//! What may not be read may not be counted: for whoever may see a mailbox but not
//! read it, an empty one and a full one have the same answers, and cost the same.
//! So it is with the account's quota for whoever may put nothing into it.

use super::rows::{self, Place, Row};
use super::world::{A_BOX, FRIEND, Image, Work, World, say};
use crate::trial::pipelining::without_times;
use crate::trial::run;
use store::{Limit, QuotaOverride, Rights};

/// Sets of rights that have `with` and not those `without`.
fn sets(with: &str, without: &str) -> Vec<String> {
    let all = Rights::ALL.letters();
    let others = all
        .chars()
        .filter(|right| !without.contains(*right) && !with.contains(*right));
    let mut sets = vec![
        with.to_owned(),
        others.clone().chain(with.chars()).collect(),
    ];
    sets.extend(others.map(|right| format!("{with}{right}")));
    sets
}

fn rows_in(places: &[Place]) -> impl Iterator<Item = &'static Row> {
    rows::all().filter(|row| places.contains(&row.place))
}

/// What is heard of a row, but for the hour; the world is a new one if it was changed.
async fn play(world: &mut World, image: &Image, rights: &str, row: &Row) -> (Vec<String>, u64) {
    world.give("box", rights).await;
    let before = world.picture();
    let mut wire = world.client_of(FRIEND, row).await;
    let work = world.work();
    let said = say(&mut wire, row).await;
    let work = world.work() - work;
    let timeless = |line: &String| String::from_utf8(without_times(line.as_bytes())).unwrap();
    let heard = said.iter().map(timeless).collect();
    if world.picture() != before {
        *world = begin(image).await;
    }
    (heard, work.store)
}

async fn begin(image: &Image) -> World {
    let world = World::on(image);
    world.give("other", "lr").await;
    world
}

#[test]
fn who_may_not_read_a_mailbox_learns_no_number_of_it() {
    run(async {
        // One account of one second, which is in the ids of its mailboxes.
        let account = Image::new().await;
        let empty = account.after(&["CREATE box"]).await;
        let full = account.after(&A_BOX).await;
        let (mut of_empty, mut of_full) = (begin(&empty).await, begin(&full).await);
        for rights in sets("l", "r") {
            for row in rows_in(&[Place::Anywhere, Place::InOther]) {
                let empty = play(&mut of_empty, &empty, &rights, row).await;
                let full = play(&mut of_full, &full, &rights, row).await;
                assert_eq!(empty, full, "{} with {rights}", row.says);
            }
        }
    });
}

/// RFC 4315, section 3: "the server SHOULD NOT send an APPENDUID or COPYUID response
/// code as it would disclose information about the mailbox."
#[test]
fn who_puts_letters_where_they_may_not_look_is_not_told_where_they_are() {
    run(async {
        let image = Image::with_box().await;
        for (rights, told) in [("li", false), ("lri", true)] {
            for (place, says, code) in [
                (Place::Anywhere, "APPEND box {1+}\r\nx", "APPENDUID"),
                (Place::InOther, "COPY 1 box", "COPYUID"),
                (Place::InOther, "MOVE 1 box", "COPYUID"),
            ] {
                let world = World::on(&image);
                world.give("other", "lrte").await;
                world.give("box", rights).await;
                let mut wire = world.client(FRIEND, place).await;
                let heard = wire.command("x", says).await;
                assert!(
                    heard.last().unwrap().starts_with("x OK"),
                    "{says}: {heard:?}"
                );
                assert_eq!(heard.concat().contains(code), told, "{says}: {heard:?}");
            }
        }
    });
}

/// The remaining quota could be found by asking whether letters of this or that
/// size would do.
#[test]
fn who_may_put_nothing_into_an_account_does_not_learn_how_full_it_is() {
    run(async {
        let image = Image::with_box().await;
        let (mut roomy, mut full) = (begin(&image).await, begin(&image).await);
        let nothing_more = QuotaOverride {
            bytes: Limit::AtMost(1),
            messages: Limit::AtMost(1),
            mailboxes: Limit::AtMost(1),
        };
        for rights in sets("l", "ik") {
            for row in rows_in(&[Place::Anywhere, Place::InOther]) {
                let account = full.house.account.clone();
                // Refused if it is so already.
                let _ = account
                    .change_tree(|store| store.set_quota(nothing_more))
                    .await;
                let roomy = play(&mut roomy, &image, &rights, row).await;
                let full = play(&mut full, &image, &rights, row).await;
                assert_eq!(roomy, full, "{} with {rights}", row.says);
            }
        }
    });
}

/// An account with letters of such a size that a leaving worker writes the index,
/// and the next one has it not in memory.
async fn large() -> Image {
    let letter = format!("Subject: x\r\n\r\n{}", "lorem ipsum ".repeat(2000));
    let append = |mailbox| format!("APPEND {mailbox} {{{}+}}\r\n{letter}", letter.len());
    let (to_box, to_inbox) = (append("box"), append("INBOX"));
    let image = Image::new().await;
    image
        .after(&["CREATE box", &to_box, &to_inbox, &to_box, &to_inbox])
        .await
}

fn is_away(world: &World, mailbox: &str) -> bool {
    let handle = world.owners(mailbox).unwrap();
    world.house.account.store().wish(&handle).unwrap().is_some()
}

#[test]
fn for_whoever_may_not_read_a_mailbox_nothing_of_it_is_read_from_the_disk() {
    run(async {
        let image = large().await;
        for rights in sets("l", "rix").into_iter().chain(sets("", "l")) {
            let world = begin(&image).await;
            world.give("box", &rights).await;
            assert!(is_away(&world, "box"));
            for row in rows_in(&[Place::Anywhere]) {
                let mut wire = world.client_of(FRIEND, row).await;
                let Work { disk: before, .. } = world.work();
                say(&mut wire, row).await;
                let Work { disk: after, .. } = world.work();
                assert!(is_away(&world, "box"), "{} with {rights}", row.says);
                assert_eq!(after, before, "{} with {rights}", row.says);
            }
        }
    });
}

/// RENAME of INBOX moves its letters, for which they must be at hand.
#[test]
fn inbox_comes_into_memory_for_a_rename_by_whoever_may_and_for_nobody_else() {
    run(async {
        let image = large().await;
        for (rights, away, answer) in [
            ("l", true, "x NO [NOPERM] You have no right to do that here"),
            ("x", true, "x NO [NONEXISTENT] There is no such mailbox"),
            (
                "lr",
                true,
                "x NO [NOPERM] You have no right to do that here",
            ),
            ("lx", false, "x OK Renamed"),
        ] {
            let world = World::on(&image);
            world.give("other", "lk").await;
            world.give("INBOX", rights).await;
            let mut wire = world.client(FRIEND, Place::Anywhere).await;
            assert_eq!(wire.command("x", "RENAME INBOX other/old").await, [answer]);
            assert_eq!(is_away(&world, "INBOX"), away, "{rights}");
        }
    });
}

//! What may not be seen is not there: every row has the same answers, byte for
//! byte, and has the store and the disk asked as often, whether a mailbox can't be
//! seen or doesn't exist. No clock is looked at.
//!
//! So that the bytes can be compared the two are of the same name, in two accounts
//! that differ in nothing else.

use super::rows::{self, Place, Row};
use super::world::{A_BOX, FRIEND, Image, STRANGER, Work, World, answer, say};
use crate::trial::run;
use ipc::AccountId;
use store::Rights;

/// What was heard, and what it cost.
type Heard = (Vec<String>, Work);

async fn play(world: &World, principal: AccountId, row: &Row) -> Heard {
    let mut wire = world.client_of(principal, row).await;
    let before = world.work();
    let heard = say(&mut wire, row).await;
    (heard, world.work() - before)
}

/// Everything but the right to see it, and each right alone but that.
fn rights_without_lookup() -> Vec<String> {
    let all = Rights::ALL.letters().replace('l', "");
    let alone = all.chars().map(|right| right.to_string());
    let mut sets: Vec<String> = alone.collect();
    sets.push(String::new());
    sets.push(all);
    sets
}

fn rows_elsewhere() -> impl Iterator<Item = &'static Row> {
    rows::all().filter(|row| matches!(row.place, Place::Anywhere | Place::InOther))
}

/// Each row in an account where something is hidden, and in one where it isn't.
struct Twins {
    hidden: World,
    absent: World,
}

impl Twins {
    async fn of(hidden: &Image, absent: &Image) -> Self {
        let twins = Self {
            hidden: World::on(hidden),
            absent: World::on(absent),
        };
        for world in [&twins.hidden, &twins.absent] {
            world.give("other", "lr").await;
        }
        twins
    }

    async fn compare(&self, row: &Row, principal: AccountId, told: &str) {
        let hidden = play(&self.hidden, principal, row).await;
        let absent = play(&self.absent, principal, row).await;
        assert_eq!(hidden, absent, "{} with {told}", row.says);
    }
}

#[test]
fn a_mailbox_that_may_not_be_seen_is_answered_for_like_one_that_is_not_there() {
    run(async {
        let without = Image::new().await;
        let twins = Twins::of(&without.after(&A_BOX).await, &without).await;
        for rights in rights_without_lookup() {
            twins.hidden.give("box", &rights).await;
            for row in rows_elsewhere() {
                twins.compare(row, FRIEND, &rights).await;
            }
        }
    });
}

#[test]
fn what_was_given_to_somebody_else_is_not_there() {
    run(async {
        let without = Image::new().await;
        let twins = Twins::of(&without.after(&A_BOX).await, &without).await;
        twins.hidden.give("box", &Rights::ALL.letters()).await;
        let nothing_is_selected = |row: &&Row| row.place == Place::Anywhere;
        for row in rows_elsewhere().filter(nothing_is_selected) {
            twins.compare(row, STRANGER, "another's rights").await;
        }
    });
}

/// RFC 4314, section 4: "if the user has "l" right to a mailbox "A/B", but not to
/// its parent mailbox "A", the LIST command should behave as if the mailbox "A"
/// doesn't exist".
#[test]
fn above_a_mailbox_that_may_be_seen_a_hidden_one_is_not_there() {
    run(async {
        let below = Image::new().await.after(&["CREATE box/child"]).await;
        let both = below.after(&A_BOX).await;
        let twins = Twins::of(&both, &below).await;
        for world in [&twins.hidden, &twins.absent] {
            world.give("box/child", "lr").await;
        }
        for rights in rights_without_lookup() {
            twins.hidden.give("box", &rights).await;
            for row in rows_elsewhere() {
                twins.compare(row, FRIEND, &rights).await;
            }
        }
    });
}

#[test]
fn below_a_mailbox_that_may_be_seen_a_hidden_one_is_not_there() {
    run(async {
        let above = Image::with_box().await;
        let both = above.after(&["CREATE box/child"]).await;
        for rights in rights_without_lookup() {
            let twins = Twins::of(&both, &above).await;
            twins.hidden.give("box/child", &rights).await;
            for world in [&twins.hidden, &twins.absent] {
                world.give("box", "lr").await;
            }
            for row in rows_elsewhere() {
                twins.compare(row, FRIEND, &rights).await;
            }
        }
    });
}

/// The right to see it is taken away while it is selected; or it is deleted.
#[test]
fn a_selected_mailbox_that_may_not_be_seen_any_more_has_been_deleted() {
    run(async {
        let image = Image::with_box().await;
        for row in rows::all().filter(|row| matches!(row.place, Place::InBox | Place::Examined)) {
            let mut hidden = Vec::new();
            for rights in ["", &Rights::ALL.letters().replace('l', "")] {
                hidden.push(cut_off(&image, row, Some(rights)).await);
            }
            let absent = cut_off(&image, row, None).await;
            assert!(
                hidden.iter().all(|hidden| *hidden == absent),
                "{}: {hidden:#?} {absent:#?}",
                row.says
            );
        }
    });
}

/// What a client hears when its mailbox has been left these rights, or been deleted;
/// and how often the store was asked.
async fn cut_off(image: &Image, row: &Row, rights: Option<&str>) -> (Vec<String>, u64) {
    let world = World::on(image);
    world.give("other", "lr").await;
    world.give("box", &Rights::ALL.letters()).await;
    let mut wire = world.client_of(FRIEND, row).await;
    match rights {
        Some(rights) => world.give("box", rights).await,
        None => {
            let mut owner = world.house.client().await;
            assert_eq!(owner.command("d", "DELETE box").await, ["d OK Deleted"]);
        }
    }
    let before = world.work();
    let heard = say(&mut wire, row).await;
    (heard, (world.work() - before).store)
}

/// Names are taken or they aren't: so much whoever may make mailboxes, or move them,
/// can't help but find out, and this is all.
#[test]
fn of_a_hidden_name_that_is_in_the_way_no_more_is_told_than_that_it_is_not_to_be_had() {
    run(async {
        let above = Image::with_box().await;
        let both = above.after(&["CREATE box/new"]).await;
        let world = World::on(&both);
        world.give("other", "lx").await;
        world.give("box", "lkx").await;
        for says in [
            "CREATE box/new",
            "CREATE box/new/far",
            "RENAME other box/new",
            "RENAME box other/new",
        ] {
            let mut wire = world.house.client_for(FRIEND).await;
            let heard = wire.command("x", says).await;
            let refused = Some("NO [NOPERM] You have no right to do that here");
            assert_eq!(answer(&heard), refused, "{says}");
        }
    });
}

/// "The DELETE command MUST delete the ACL associated with the deleted mailbox." A
/// new one has none either: the RFC would have it inherit its parent's, which waits
/// until lists can be changed by IMAP.
#[test]
fn a_new_mailbox_is_nobodys_but_the_owners_whoever_made_it() {
    run(async {
        let world = World::on(&Image::with_box().await);
        world.give("box", "lrk").await;
        let mut friend = world.house.client_for(FRIEND).await;
        let mut owner = world.house.client().await;
        let made = friend.command("x", "CREATE box/new").await;
        assert!(made[0].starts_with("x OK [MAILBOXID (F"), "{made:?}");
        owner.command("o", "DELETE box").await;
        owner.command("o", "CREATE box").await;
        for name in ["box", "box/new"] {
            let heard = friend.command("x", &format!("SELECT {name}")).await;
            let absent = Some("NO [NONEXISTENT] There is no such mailbox");
            assert_eq!(answer(&heard), absent, "{name}");
            let listed = friend.command("x", &format!("LIST \"\" {name}")).await;
            assert_eq!(listed, ["x OK Listed"]);
        }
    });
}

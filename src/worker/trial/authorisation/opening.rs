//! What SELECT and EXAMINE say of what may be changed, and that reading alone
//! changes nothing.

use super::rows::Place;
use super::world::{FRIEND, Image, STRANGER, World, has};
use crate::trial::run;
use store::Grantee;

/// Every set of the rights on which it depends.
fn sets() -> impl Iterator<Item = String> {
    let rights = ['s', 'w', 't', 'e', 'i'];
    (0..1_u32 << rights.len()).map(move |set| {
        let chosen = (0..rights.len()).filter(|bit| set >> bit & 1 == 1);
        ['l', 'r']
            .into_iter()
            .chain(chosen.map(|bit| rights[bit]))
            .collect()
    })
}

/// PERMANENTFLAGS for these rights: what `STORE` takes.
fn permanent(rights: &str) -> String {
    let flags = [
        ("w", "\\Answered"),
        ("w", "\\Flagged"),
        ("t", "\\Deleted"),
        ("s", "\\Seen"),
        ("w", "\\Draft"),
        ("w", "worn"),
        ("w", "\\*"),
    ];
    let may = flags.iter().filter(|(right, _)| has(rights, right));
    let may: Vec<&str> = may.map(|(_, flag)| *flag).collect();
    format!("* OK [PERMANENTFLAGS ({})] Flags that last", may.join(" "))
}

/// RFC 4314, section 5.2: the answer to SELECT has READ-ONLY if the user has none of
/// `i`, `e` and the rights to flags that all see, else READ-WRITE.
#[test]
fn select_says_read_only_to_whoever_can_change_nothing_and_names_the_flags_that_last() {
    run(async {
        let world = World::on(&Image::with_box().await);
        for rights in sets() {
            world.give("box", &rights).await;
            let mut wire = world.client(FRIEND, Place::Anywhere).await;
            for command in ["SELECT box", "EXAMINE box"] {
                let heard = wire.command("x", command).await;
                let (read_only, permanent) = match command {
                    "SELECT box" => (rights == "lr", permanent(&rights)),
                    _ => (true, permanent("")),
                };
                let answer = heard.last().unwrap();
                assert_eq!(
                    answer.starts_with("x OK [READ-ONLY]"),
                    read_only,
                    "{rights}: {heard:#?}"
                );
                assert_eq!(
                    answer.starts_with("x OK [READ-WRITE]"),
                    !read_only,
                    "{rights}: {heard:#?}"
                );
                assert!(
                    heard.contains(&permanent),
                    "{permanent} with {rights}: {heard:#?}"
                );
            }
        }
    });
}

/// Whoever is first told of a new letter takes \Recent off it for all others (RFC
/// 3501, section 2.3.2). A reader who may change nothing changes not even that.
#[test]
fn whoever_can_change_nothing_takes_recent_from_nobody() {
    run(async {
        let image = Image::with_box().await;
        for (rights, command, left) in [
            ("lr", "SELECT box", 1),
            ("lrs", "EXAMINE box", 1),
            ("lrs", "SELECT box", 0),
        ] {
            let world = World::on(&image);
            world.give("box", rights).await;
            let mut friend = world.client(FRIEND, Place::Anywhere).await;
            friend.command("x", command).await;
            let mut owner = world.house.client().await;
            let status = owner.command("o", "STATUS box (RECENT)").await;
            assert_eq!(
                status[0],
                format!("* STATUS box (RECENT {left})"),
                "{rights} {command}"
            );
        }
    });
}

/// What everybody has and what one has add up, for that one alone.
#[test]
fn rights_of_everybody_are_everybodys_and_add_to_ones_own() {
    run(async {
        let world = World::on(&Image::with_box().await);
        world.give_to(Grantee::Anyone, "box", "lr").await;
        world.give("box", "s").await;
        for (principal, code) in [(FRIEND, "READ-WRITE"), (STRANGER, "READ-ONLY")] {
            let mut wire = world.client(principal, Place::Anywhere).await;
            let opened = wire.command("x", "SELECT box").await.pop().unwrap();
            assert!(opened.starts_with(&format!("x OK [{code}]")), "{opened}");
            let stored = wire
                .command("x", "STORE 1 +FLAGS (\\Seen)")
                .await
                .pop()
                .unwrap();
            assert_eq!(stored.starts_with("x OK"), principal == FRIEND, "{stored}");
        }
    });
}

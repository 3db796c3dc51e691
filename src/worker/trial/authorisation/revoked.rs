//! Rights that are taken away while a session is in the mailbox: nothing more is
//! told, whether the client asks or only listens, and in the middle of an answer.

use super::rows::Place;
use super::world::{FRIEND, Image, World};
use crate::trial::{Wire, run};

const GONE: &str = "* BYE The selected mailbox is gone, or no longer yours to read\r\n";

/// A friend who may read and is idling, and the owner.
async fn idling(world: &World) -> (Wire, Wire) {
    world.give("box", "lrs").await;
    let mut friend = world.client(FRIEND, Place::InBox).await;
    friend.send(b"i IDLE\r\n").await;
    assert!(friend.line().await.starts_with('+'));
    (friend, world.house.client().await)
}

async fn append(owner: &mut Wire) {
    let kept = owner
        .command("a", "APPEND box {3+}\r\nnew")
        .await
        .pop()
        .unwrap();
    assert!(kept.starts_with("a OK"), "{kept}");
}

#[test]
fn whoever_idles_is_told_of_new_letters_until_the_right_to_read_is_taken_away() {
    run(async {
        for left in ["", "l", "lswipkxtea", "rswipkxtea"] {
            let world = World::on(&Image::with_box().await);
            let (mut friend, mut owner) = idling(&world).await;
            append(&mut owner).await;
            assert_eq!(friend.line().await, "* 4 EXISTS");
            assert_eq!(friend.line().await, "* 2 RECENT");
            world.give("box", left).await;
            append(&mut owner).await;
            assert_eq!(friend.last_words().await, GONE, "{left}");
        }
    });
}

/// The order counts, too: what came before the right went, and was not yet told, is
/// not told any more.
#[test]
fn what_was_not_yet_told_is_not_told_any_more() {
    run(async {
        for command in ["NOOP", "CHECK", "FETCH 1 FLAGS", "STATUS other (MESSAGES)"] {
            let world = World::on(&Image::with_box().await);
            world.give("box", "lr").await;
            world.give("other", "lr").await;
            let mut friend = world.client(FRIEND, Place::InBox).await;
            let mut owner = world.house.client().await;
            append(&mut owner).await;
            world.give("box", "l").await;
            friend.send(format!("x {command}\r\n").as_bytes()).await;
            let heard = friend.last_words().await;
            assert!(heard.ends_with(GONE), "{heard}");
            assert!(
                !heard.contains("EXISTS") && !heard.contains("FETCH ("),
                "{heard}"
            );
        }
    });
}

#[test]
fn losing_another_right_ends_no_session() {
    run(async {
        let world = World::on(&Image::with_box().await);
        let (mut friend, mut owner) = idling(&world).await;
        world.give("box", "lr").await;
        append(&mut owner).await;
        assert_eq!(friend.line().await, "* 4 EXISTS");
        friend.send(b"DONE\r\n").await;
        friend.answer("i").await;
        let stored = friend.command("x", "STORE 1 +FLAGS (\\Seen)").await;
        assert_eq!(stored, ["x NO [NOPERM] You have no right to do that here"]);
    });
}

/// A client that takes its time over a long answer.
#[test]
fn an_answer_under_way_ends_with_the_letter_that_was_begun() {
    run(async {
        let letter = "x".repeat(100_000);
        let append = format!("APPEND box {{{}+}}\r\n{letter}", letter.len());
        let commands: Vec<&str> = std::iter::once("CREATE box")
            .chain(std::iter::repeat_n(append.as_str(), 40))
            .collect();
        let world = World::on(&Image::new().await.after(&commands).await);
        world.give("box", "lr").await;
        let mut friend = world.client(FRIEND, Place::InBox).await;
        friend.send(b"x FETCH 1:* BODY[]\r\n").await;
        friend.line().await;
        // From here on the server writes what the socket takes, and no more.
        world.give("box", "").await;
        let heard = friend.last_words().await;
        assert!(heard.ends_with(GONE), "{}", &heard[heard.len() - 200..]);
        let letters = heard.matches(" FETCH (BODY[] {100000}").count();
        assert!(
            letters < 20,
            "{letters} letters after the right was taken away"
        );
    });
}

/// A letter that is on its way when the right to put it there goes.
#[test]
fn a_letter_on_its_way_is_not_kept_without_the_right_and_says_no_more_than_any_other() {
    run(async {
        for (left, answer) in [
            ("lr", "x NO [NOPERM] You have no right to do that here"),
            (
                "ri",
                "x NO [TRYCREATE] There is no such mailbox; create it first",
            ),
        ] {
            let world = World::on(&Image::with_box().await);
            let before = world.picture();
            world.give("box", "li").await;
            let mut friend = world.client(FRIEND, Place::Anywhere).await;
            friend.send(b"x APPEND box {3}\r\n").await;
            assert!(friend.line().await.starts_with('+'));
            world.give("box", left).await;
            friend.send(b"new\r\n").await;
            assert_eq!(friend.answer("x").await, [answer]);
            assert_eq!(world.picture(), before);
        }
    });
}

//! Commands in every order and of every shape: whatever a client says, the
//! process lives (it would abort on a panic), and others are served.

use super::{House, run};
use proptest::prelude::*;

/// Words that begin commands.
const VERBS: &str = "FETCH STORE SEARCH COPY MOVE UID EXPUNGE NOOP SELECT EXAMINE CLOSE UNSELECT LIST \
    LSUB STATUS CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE APPEND IDLE ENABLE CHECK NAMESPACE ID DONE \
    LOGOUT CAPABILITY";

/// Words that follow.
const WORDS: &str = "1 1:* * 4294967295 1,3,2 $ 0 INBOX inbox Archive new/one \"\" % (FLAGS) FLAGS \
    +FLAGS -FLAGS.SILENT (\\Seen) (\\Deleted () BODY[] BODY.PEEK[1.2.MIME]<3.4> BINARY[1] \
    BODY[HEADER.FIELDS (To)] BODYSTRUCTURE ENVELOPE (UID RFC822) ALL NOT OR TEXT x SEEN RETURN (SAVE) \
    (MIN COUNT) (MESSAGES SIZE) IMAP4rev2 NIL \"q\\\"\" (";

/// Literals, with what they announce.
const LITERALS: [&str; 4] = ["{3+}\r\none", "{3}\r\none", "~{2+}\r\n\0\0", "{0+}\r\n"];

/// A word that stands somewhere in the grammar.
fn word() -> impl Strategy<Value = String> {
    let among = |words: &'static str| prop::sample::select(words.split(' ').collect::<Vec<_>>());
    let word = prop_oneof![
        among(VERBS),
        among(WORDS),
        prop::sample::select(&LITERALS[..])
    ];
    word.prop_map(str::to_owned)
}

/// A line of words, or a command that means something.
fn line() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(word(), 0..6).prop_map(|words| words.join(" "));
    let sense = prop::sample::select(vec![
        "SELECT INBOX",
        "EXAMINE INBOX",
        "SELECT new/one",
        "APPEND INBOX (\\Seen) {29+}\r\nSubject: x\r\nTo: y\r\n\r\nhello",
        "STORE 1:* +FLAGS (\\Deleted)",
        "EXPUNGE",
        "UID FETCH 1:* (FLAGS BODY[TEXT] BODYSTRUCTURE)",
        "UID SEARCH RETURN (SAVE COUNT) TEXT hello",
        "MOVE 1 Archive",
        "COPY $ INBOX",
        "CREATE new/one",
        "RENAME INBOX new/one",
        "DELETE new/one",
        "IDLE\r\nDONE",
        "LIST (SUBSCRIBED) \"\" * RETURN (STATUS (MESSAGES))",
    ]);
    prop_oneof![3 => sense.prop_map(str::to_owned), 1 => words]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_dialogue_ends_the_process_or_anybody_elses_session(
        scripts in prop::collection::vec(prop::collection::vec(line(), 1..25), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        run(async {
            let house = House::new();
            let mut wires = Vec::new();
            for script in &scripts {
                let lines: Vec<String> = script
                    .iter()
                    .enumerate()
                    .map(|(at, line)| format!("t{at} {line}\r\n"))
                    .collect();
                let mut wire = house.client().await;
                wire.send(lines.concat().as_bytes()).await;
                wires.push(wire);
            }
            // One hangs up in the middle of its answers; the others are heard out.
            drop(wires.remove(cut.index(wires.len())));
            for mut wire in wires {
                wire.rest().await;
            }
            let mut witness = house.client().await;
            let said = witness.command("w", "STATUS INBOX (MESSAGES)").await;
            assert_eq!(said.last().unwrap(), "w OK Counted");
            house.leave().await;
        });
    }

    #[test]
    fn bytes_that_are_no_dialogue_end_their_own_session_only(soup: Vec<u8>) {
        run(async {
            let house = House::new();
            let mut wire = house.hand_over(&soup);
            wire.send(&soup).await;
            wire.rest().await;
            house.leave().await;
        });
    }
}

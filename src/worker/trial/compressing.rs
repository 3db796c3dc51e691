//! COMPRESS=DEFLATE (RFC 4978): where it begins, that it changes nothing of what is
//! said, and what a client can't do with it.

use super::pipelining::{bytes_of_traces, without_times};
use super::{House, Wire, run};
use crate::deflate::{Deflater, INFLATION_ALLOWANCE_BYTES, INFLATION_MAX, Inflater};
use crate::output::DEFLATER_KEPT;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A client that compresses.
struct Pressed {
    wire: Wire,
    deflater: Deflater,
    inflater: Inflater,
    heard: Vec<u8>,
}

impl Pressed {
    async fn new(mut wire: Wire) -> Self {
        let heard = wire.command("z", "COMPRESS DEFLATE").await;
        assert_eq!(heard, ["z OK From here on compressed"]);
        Self::after_ok(wire)
    }

    fn after_ok(wire: Wire) -> Self {
        Self {
            wire,
            deflater: Deflater::default(),
            inflater: Inflater::default(),
            heard: Vec::new(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        let pressed = pressed(&mut self.deflater, bytes);
        self.wire.send(&pressed).await;
    }

    /// The next bytes of the wire, inflated; how many there were before, or none at
    /// the end.
    async fn hear(&mut self) -> Option<usize> {
        let came = self.wire.some().await;
        let mut rest = came.as_slice();
        while let Some(piece) = self.inflater.advance(&mut rest).unwrap() {
            self.inflater.excuse(piece.len());
            self.heard.extend(piece);
        }
        (!came.is_empty()).then_some(came.len())
    }

    /// What is said up to a tagged answer, and how many bytes that took.
    async fn command(&mut self, tag: &str, command: &str) -> (String, usize) {
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        let mut bytes = 0;
        loop {
            bytes += self.hear().await.expect("an answer");
            let said = String::from_utf8_lossy(&self.heard).into_owned();
            let last = said.lines().last().unwrap_or_default();
            if said.ends_with("\r\n") && last.starts_with(&format!("{tag} ")) {
                self.heard.clear();
                return (said, bytes);
            }
        }
    }

    /// Everything that is said until the server closes.
    async fn last_words(mut self) -> String {
        while self.hear().await.is_some() {}
        String::from_utf8(self.heard).unwrap()
    }
}

fn pressed(deflater: &mut Deflater, mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let step = deflater.step(bytes);
        bytes = &bytes[step.used..];
        out.extend(step.bytes);
        if step.is_last {
            return out;
        }
    }
}

#[test]
fn the_answer_is_plain_and_whatever_follows_is_compressed() {
    run(async {
        let house = House::new();
        let mut client = Pressed::new(house.client().await).await;
        let (said, _) = client.command("a", "NOOP").await;
        assert_eq!(said, "a OK Nothing done\r\n");
        let (said, _) = client.command("b", "COMPRESS DEFLATE").await;
        assert!(said.starts_with("b NO [COMPRESSIONACTIVE] "), "{said}");
        let (said, _) = client.command("c", "COMPRESS LZMA").await;
        assert!(said.starts_with("c BAD "), "{said}");
        let (said, _) = client.command("d", "SELECT INBOX").await;
        assert!(said.ends_with("d OK [READ-WRITE] Opened\r\n"), "{said}");
        client.send(b"e LOGOUT\r\n").await;
        let last = client.last_words().await;
        assert_eq!(last, "* BYE Logging out\r\ne OK Bye\r\n");
        house.leave().await;
    });
}

#[test]
fn an_algorithm_that_is_not_known_changes_nothing() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let heard = client.command("a", "COMPRESS LZMA").await;
        assert_eq!(heard, ["a BAD Expected DEFLATE"]);
        assert_eq!(client.command("b", "NOOP").await, ["b OK Nothing done"]);
        house.leave().await;
    });
}

#[test]
fn what_is_pipelined_behind_the_command_is_compressed_already() {
    run(async {
        let house = House::new();
        let mut wire = house.client().await;
        let mut deflater = Deflater::default();
        let mut sent = b"a COMPRESS DEFLATE\r\n".to_vec();
        sent.extend(pressed(&mut deflater, b"b NOOP\r\nc LOGOUT\r\n"));
        wire.send(&sent).await;
        assert_eq!(wire.line().await, "a OK From here on compressed");
        let said = Pressed::after_ok(wire).last_words().await;
        assert_eq!(
            said,
            "b OK Nothing done\r\n* BYE Logging out\r\nc OK Bye\r\n"
        );
        house.leave().await;
    });
}

/// Commands that somebody has put in between before the client compresses can't be
/// taken for its own.
#[test]
fn plain_text_behind_the_command_ends_the_session_with_a_compressed_bye() {
    run(async {
        let house = House::new();
        let mut wire = house.client().await;
        wire.send(b"a COMPRESS DEFLATE\r\na DELETE Archive\r\n")
            .await;
        assert_eq!(wire.line().await, "a OK From here on compressed");
        let said = Pressed::after_ok(wire).last_words().await;
        assert_eq!(
            said,
            "* BYE [CLIENTBUG] What you send is not compressed as commands are\r\n"
        );
        let mut other = house.client().await;
        let heard = other.command("a", "LIST \"\" Archive").await;
        assert_eq!(heard.len(), 2, "{heard:?}");
        house.leave().await;
    });
}

#[test]
fn a_session_that_must_end_says_so_compressed() {
    run(async {
        let house = House::new();
        let client = Pressed::new(house.client().await).await;
        house.account.leave();
        let said = client.last_words().await;
        assert!(said.starts_with("* BYE [UNAVAILABLE] "), "{said}");
        house.leave().await;
    });
}

/// ATTACKS: 1000 bytes of commands for one that is sent. What is read of it is
/// bounded by what came, and so are the answers.
#[test]
fn a_bomb_of_commands_is_read_for_a_bounded_while() {
    run(async {
        let house = House::new();
        let mut client = Pressed::new(house.client().await).await;
        let bomb = pressed(&mut client.deflater, &b"a NOOP\r\n".repeat(1 << 20));
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        client.wire.send(&bomb).await;
        let said = client.last_words().await;
        let (answers, bye) = said.trim_end().rsplit_once("\r\n").unwrap();
        assert!(bye.starts_with("* BYE [CLIENTBUG] "), "{bye}");
        let read = answers.lines().count() as u64 * 8;
        let paid = bomb.len() as u64 * INFLATION_MAX;
        assert!(read <= INFLATION_ALLOWANCE_BYTES + paid, "{read}");
        house.leave().await;
    });
}

/// What shrinks well is no bomb if it is a letter: it has limits of its own.
#[test]
fn a_letter_that_shrinks_a_thousandfold_is_a_letter() {
    run(async {
        let house = House::new();
        let mut client = Pressed::new(house.client().await).await;
        let zeros = "0".repeat(house.account.limits().message_bytes_max as usize);
        let append = format!("APPEND INBOX {{{}+}}\r\n{zeros}", zeros.len());
        let (said, _) = client.command("a", &append).await;
        assert!(said.starts_with("a OK [APPENDUID "), "{said}");
        let (said, bytes) = {
            client.command("s", "SELECT INBOX").await;
            client.command("f", "FETCH 1 BODY[]").await
        };
        assert!(said.contains(&zeros) && bytes < 100_000, "{bytes}");
        house.leave().await;
    });
}

/// Nor is it one that is refused, and read only to stay in step.
#[test]
fn a_letter_that_is_refused_is_passed_over_however_well_it_shrinks() {
    run(async {
        let house = House::new();
        let mut client = Pressed::new(house.client().await).await;
        let zeros = "0".repeat(house.account.limits().message_bytes_max as usize);
        let append = format!("APPEND Nowhere {{{}+}}\r\n{zeros}", zeros.len());
        for _ in 0..3 {
            let (said, _) = client.command("a", &append).await;
            assert!(said.starts_with("a NO [TRYCREATE] "), "{said}");
        }
        let (said, _) = client.command("b", "NOOP").await;
        assert_eq!(said, "b OK Nothing done\r\n");
        house.leave().await;
    });
}

/// A session that idles keeps no compressor; its client can't tell, but for a byte
/// more or less.
#[test]
fn an_idle_session_gives_its_compressor_back_and_goes_on() {
    run(async {
        let house = House::new();
        let mut client = Pressed::new(house.client().await).await;
        let (_, first) = client.command("a", "CAPABILITY").await;
        let (_, known) = client.command("a", "CAPABILITY").await;
        assert!(known < first / 4, "{known} of {first}");
        tokio::time::pause();
        tokio::time::advance(DEFLATER_KEPT * 2).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        tokio::time::resume();
        let (said, anew) = client.command("a", "CAPABILITY").await;
        assert!(said.starts_with("* CAPABILITY IMAP4rev1 "), "{said}");
        assert_eq!(anew, first);
        house.leave().await;
    });
}

/// What the server says to a script, sent in pieces; compressed or not.
fn transcript(script: &[u8], compressed: bool, pieces: &[usize]) -> String {
    run(async {
        let house = House::new();
        let mut wire = house.client().await;
        let said = match compressed {
            false => {
                wire.send(script).await;
                wire.rest().await
            }
            true => {
                let mut client = Pressed::new(wire).await;
                let bytes = pressed(&mut client.deflater, script);
                let mut rest = bytes.as_slice();
                for size in pieces.iter().cycle() {
                    let (piece, behind) = rest.split_at((*size).min(rest.len()));
                    client.wire.send(piece).await;
                    tokio::task::yield_now().await;
                    rest = behind;
                    if rest.is_empty() {
                        break;
                    }
                }
                client.wire.finish().await;
                client.last_words().await.into_bytes()
            }
        };
        house.leave().await;
        String::from_utf8(without_times(&said)).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_script_means_the_same_compressed_however_it_is_cut(
        which in any::<prop::sample::Index>(),
        pieces in prop::collection::vec(1usize..200, 1..6),
    ) {
        static SCRIPTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(bytes_of_traces);
        let script = which.get(&SCRIPTS);
        prop_assert_eq!(transcript(script, true, &pieces), transcript(script, false, &[]));
    }
}

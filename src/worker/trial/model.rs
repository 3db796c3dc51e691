//! Several clients at once, each with the picture that the protocol gives it:
//! nothing that a client is told may contradict it, and in the end all pictures
//! are the same.

mod picture;

use super::{House, Wire, run};
use journal::sim::Random;
use picture::{Picture, Range};

/// Clients of one account at once.
const CLIENTS: u64 = 4;

/// Commands of each.
const COMMANDS: u64 = 60;

const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "$Label"];

/// One client: its end of the wire, its picture, its dice.
struct Player {
    wire: Wire,
    picture: Picture,
    random: Random,
    tag: u64,
    /// It has enabled QRESYNC or UIDONLY, so it must know UIDs.
    goes_by_uids: bool,
    /// It has enabled UIDONLY, so it names no number.
    uid_only: bool,
}

impl Player {
    async fn enter(house: &House, seed: u64) -> Self {
        let mut wire = house.client().await;
        let uid_only = seed % 4 == 2;
        let goes_by_uids = seed % 2 == 1 || uid_only;
        match uid_only {
            true => drop(wire.command("u", "ENABLE UIDONLY").await),
            false if goes_by_uids => drop(wire.command("q", "ENABLE QRESYNC").await),
            false => {}
        }
        let mut picture = Picture::default();
        for line in wire.command("in", "SELECT INBOX").await {
            picture.hear(&line, true);
        }
        Self {
            wire,
            picture,
            random: Random::new(seed),
            tag: 0,
            goes_by_uids,
            uid_only,
        }
    }

    /// Says something and takes in all that is answered.
    async fn say(&mut self, command: &str, may_expunge: bool) {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        for line in self.wire.command(&tag, command).await {
            self.picture.hear(&line, may_expunge);
        }
    }

    async fn play(&mut self) {
        for _ in 0..COMMANDS {
            self.turn().await;
            self.learn_uids().await;
            for _ in 0..self.random.below(4) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// By numbers, so that they stay, if it may name any.
    async fn learn_uids(&mut self) {
        while let Some(first) = self.picture.unnamed().filter(|_| self.goes_by_uids) {
            match self.uid_only {
                true => self.say("UID FETCH 1:* (UID)", true).await,
                false => self.say(&format!("FETCH {first}:* (UID)"), false).await,
            }
            // One that is gone has no UID to be told: it vanishes.
            if self.picture.unnamed() == Some(first) {
                self.say("NOOP", true).await;
            }
        }
    }

    /// How a range is named in a command.
    fn named(&self, range: &Range) -> Option<(&'static str, u32, u32)> {
        match self.uid_only {
            true => self
                .picture
                .uids(range)
                .map(|(first, last)| ("UID ", first, last)),
            false => Some(("", range.from, range.to)),
        }
    }

    async fn turn(&mut self) {
        match self.random.below(15) {
            0..=3 => {
                let flag = self.flag();
                self.say(&format!("APPEND INBOX ({flag}) {{1+}}\r\nx"), true)
                    .await;
            }
            4 => self.say("NOOP", true).await,
            5 => self.say("EXPUNGE", true).await,
            6 => self.idle().await,
            7..=9 => self.change_flags().await,
            10 => self.on_range("FETCH", "(UID FLAGS)", false).await,
            11 => self.on_range("COPY", "INBOX", true).await,
            12 => self.on_range("MOVE", "Archive", true).await,
            13 => self.replace().await,
            _ => {
                self.say("UID FETCH 1:* (FLAGS)", true).await;
                match self.uid_only {
                    true => self.say("UID SEARCH ALL", true).await,
                    false => self.say("SEARCH ALL", false).await,
                }
            }
        }
    }

    /// Here, or by what goes elsewhere; the message may be gone.
    async fn replace(&mut self) {
        let mailbox = ["INBOX", "Archive"][self.random.below(2) as usize];
        let (range, flag) = (self.range(), self.flag());
        if let Some((prefix, number, _)) = range.and_then(|range| self.named(&range)) {
            let command = format!("{prefix}REPLACE {number} {mailbox} ({flag}) {{1+}}\r\nx");
            self.say(&command, true).await;
        }
    }

    async fn on_range(&mut self, command: &str, what: &str, may_expunge: bool) {
        let range = self.range();
        if let Some((prefix, from, to)) = range.and_then(|range| self.named(&range)) {
            let may_expunge = may_expunge || self.uid_only;
            self.say(
                &format!("{prefix}{command} {from}:{to} {what}"),
                may_expunge,
            )
            .await;
        }
    }

    /// By number or by UID, aloud or in silence. What a silent change does the
    /// client works out itself.
    async fn change_flags(&mut self) {
        let Some(range) = self.range() else { return };
        let sign = ["+", "-", ""][self.random.below(3) as usize];
        let flag = self.flag();
        let silent = ["", ".SILENT"][self.random.below(2) as usize];
        let Range { from, to } = range;
        let uids = self.picture.uids(&range);
        let by_uid = uids.is_some() && (self.random.below(2) == 0 || self.uid_only);
        if self.uid_only && !by_uid {
            return;
        }
        if !silent.is_empty() {
            self.picture.change(&range, sign, flag);
        }
        let (prefix, from, to) = match uids.filter(|_| by_uid) {
            Some((first, last)) => ("UID ", first, last),
            None => ("", from, to),
        };
        let command = format!("{prefix}STORE {from}:{to} {sign}FLAGS{silent} ({flag})");
        self.say(&command, by_uid).await;
    }

    async fn idle(&mut self) {
        self.wire.send(b"i IDLE\r\n").await;
        while self.wire.line().await != "+ OK" {}
        for _ in 0..self.random.below(20) {
            tokio::task::yield_now().await;
        }
        self.wire.send(b"DONE\r\n").await;
        for line in self.wire.answer("i").await {
            self.picture.hear(&line, true);
        }
    }

    fn range(&mut self) -> Option<Range> {
        let exists = u64::from(self.picture.exists());
        if exists == 0 {
            return None;
        }
        let (a, b) = (self.random.below(exists) + 1, self.random.below(exists) + 1);
        Some(Range {
            from: a.min(b) as u32,
            to: a.max(b) as u32,
        })
    }

    fn flag(&mut self) -> &'static str {
        FLAGS[self.random.below(FLAGS.len() as u64) as usize]
    }

    /// Hears what is left to hear; then looks, and finds nothing new.
    async fn settle(&mut self) -> Vec<String> {
        self.say("NOOP", true).await;
        self.learn_uids().await;
        let before = self.picture.clone();
        if before.exists() == 0 {
            return Vec::new();
        }
        match self.uid_only {
            true => self.say("UID FETCH 1:* (UID FLAGS)", true).await,
            false => self.say("FETCH 1:* (UID FLAGS)", false).await,
        }
        before.agrees_with(&self.picture);
        self.picture.lines()
    }
}

fn play(seed: u64) {
    run(async {
        let house = House::new();
        let mut players = Vec::new();
        for number in 0..CLIENTS {
            players.push(Player::enter(&house, seed * CLIENTS + number).await);
        }
        let players = players.into_iter().map(|mut player| {
            tokio::task::spawn_local(async move {
                player.play().await;
                player
            })
        });
        let mut ends = Vec::new();
        for player in players.collect::<Vec<_>>() {
            let mut player = player.await.unwrap();
            // The others may still be playing; this one only listens.
            player.say("NOOP", true).await;
            ends.push(player);
        }
        let mut pictures = Vec::new();
        for player in &mut ends {
            pictures.push(player.settle().await);
        }
        assert!(
            pictures.windows(2).all(|pair| pair[0] == pair[1]),
            "{pictures:#?}"
        );
        house.leave().await;
    });
}

#[test]
fn no_client_is_ever_told_what_contradicts_its_picture() {
    for seed in 1..=40 {
        eprintln!("seed {seed}");
        play(seed);
    }
}

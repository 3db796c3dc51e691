//! Who comes back with QRESYNC ends where a full fetch ends: after a lost connection, after
//! the worker was killed and after a power cut, at any moment of whatever is in progress;
//! from its last state as from any earlier one. And of two who change a message on the
//! condition that nobody else has, one is told that the other was first.

mod cache;

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
use cache::{Cache, Connected, Flags, full};
use journal::sim::{Random, SimDisk};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a client is cut off in one run.
const RETURNS: u64 = 5;

/// Commands between two of these, at most.
const COMMANDS: u64 = 14;

/// UIDs that commands are drawn from.
const UIDS: u64 = 40;

const WORDS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "$Label"];

/// How a client loses its connection.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Connection,
    Worker,
    Power,
}

/// An account, one who changes things, and one who comes and goes.
struct Stage {
    disk: SimDisk,
    house: House,
    writer: Wire,
    wire: Wire,
    client: Connected,
    /// What the client has kept, from the oldest on.
    kept: Vec<Cache>,
    random: Random,
    tag: u64,
}

impl Stage {
    async fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let disk = SimDisk::new(seed);
        let house = House::on(&disk);
        delay(&house, &mut random);
        let writer = enter(&house).await;
        let wire = house.client().await;
        let mut stage = Self {
            disk,
            house,
            writer,
            wire,
            client: Connected::default(),
            kept: Vec::new(),
            random,
            tag: 0,
        };
        for _ in 0..8 {
            stage.write("APPEND INBOX {1+}\r\nx").await;
        }
        stage.say("ENABLE QRESYNC", true).await;
        stage.say("SELECT INBOX", true).await;
        stage.look().await;
        stage
    }

    /// The client says something, hears all of the answer, and looks at what is new.
    async fn say(&mut self, command: &str, may_vanish: bool) -> Vec<String> {
        self.tag += 1;
        let lines = self.wire.command(&format!("t{}", self.tag), command).await;
        for line in &lines {
            self.client.hear(line, may_vanish);
        }
        lines
    }

    /// As a client does when it has been told of new messages.
    async fn look(&mut self) {
        if self.client.kept().is_none() {
            let from = self.client.cache.uid_next.max(1);
            self.say(&format!("UID FETCH {from}:* (FLAGS MODSEQ)"), true)
                .await;
        }
        if let Some(kept) = self.client.kept() {
            self.kept.push(kept);
        }
    }

    async fn write(&mut self, command: &str) {
        let said = self.writer.command("w", command).await;
        assert!(
            said.last().unwrap().starts_with("w OK"),
            "{command}: {said:?}"
        );
    }

    async fn play(&mut self) {
        for _ in 0..self.random.below(COMMANDS) {
            match self.random.chance(2) {
                true => {
                    let command = self.change();
                    self.write(&command).await;
                }
                false => self.turn().await,
            }
        }
    }

    /// Something of the writer's.
    fn change(&mut self) -> String {
        let uids = self.uids();
        let flag = self.flag();
        match self.random.below(10) {
            0..=2 => format!("APPEND INBOX ({flag}) {{1+}}\r\nx"),
            3..=5 => format!("UID STORE {uids} +FLAGS.SILENT ({flag})"),
            6 => format!("UID STORE {uids} -FLAGS.SILENT ({flag})"),
            7 => format!("UID MOVE {uids} Archive"),
            8 => format!("UID EXPUNGE {uids}"),
            _ => "EXPUNGE".to_owned(),
        }
    }

    /// Something of the client's.
    async fn turn(&mut self) {
        let modseq = self.client.cache.modseq;
        match self.random.below(8) {
            0 => self.say("NOOP", true).await,
            1 => self.say("SEARCH ALL", false).await,
            2 => self.say("UID SEARCH ALL", true).await,
            3 => {
                let since = modseq.saturating_sub(self.random.below(5)).max(1);
                let modifiers = format!("(CHANGEDSINCE {since} VANISHED)");
                self.say(&format!("UID FETCH 1:* (FLAGS) {modifiers}"), true)
                    .await
            }
            4 if self.client.exists() > 0 => {
                let number = self.random.below(self.client.exists()) + 1;
                self.say(&format!("FETCH {number} (UID MODSEQ)"), false)
                    .await
            }
            5 => self.say("EXPUNGE", true).await,
            _ => {
                let (command, by_uid) = self.silent_store(modseq);
                self.say(&command, by_uid).await
            }
        };
        self.look().await;
    }

    /// By UID or by number, on a condition or on none; and whether by UID.
    fn silent_store(&mut self, modseq: u64) -> (String, bool) {
        let (flag, sign) = (self.flag(), [' ', '+', '-'][self.random.below(3) as usize]);
        let by_uid = self.client.exists() == 0 || self.random.chance(2);
        let named = match by_uid {
            true => format!("UID STORE {}", self.uids()),
            false => format!("STORE {}:*", self.random.below(self.client.exists()) + 1),
        };
        let unless = match self.random.chance(2) {
            true => format!("(UNCHANGEDSINCE {modseq}) "),
            false => String::new(),
        };
        self.client.will_change(sign, flag);
        let sign = sign.to_string();
        (
            format!("{named} {unless}{}FLAGS.SILENT ({flag})", sign.trim()),
            by_uid,
        )
    }

    fn uids(&mut self) -> String {
        let from = self.random.below(UIDS) + 1;
        format!("{from}:{}", from + self.random.below(6))
    }

    fn flag(&mut self) -> &'static str {
        WORDS[self.random.below(WORDS.len() as u64) as usize]
    }

    /// Commands are on their way, and then nobody is there any more.
    async fn cut(&mut self, cut: Cut) {
        for _ in 0..self.random.below(4) {
            let command = self.change();
            self.wire.send(format!("l {command}\r\n").as_bytes()).await;
            let command = self.change();
            self.writer
                .send(format!("l {command}\r\n").as_bytes())
                .await;
        }
        for _ in 0..self.random.below(60) {
            tokio::task::yield_now().await;
        }
        match cut {
            Cut::Connection => {
                // What is said now the client never hears.
                self.wire.rest().await;
                self.writer.rest().await;
            }
            Cut::Worker => self.open(self.disk.restart_process()),
            Cut::Power => self.open(self.disk.restore_power()),
        }
        self.writer = enter(&self.house).await;
    }

    fn open(&mut self, disk: SimDisk) {
        self.house = House::on(&disk);
        self.disk = disk;
        delay(&self.house, &mut self.random);
    }

    /// The client comes back, from what it has kept last; and somebody from each of some
    /// earlier states.
    async fn come_back(&mut self) {
        let truth = self.truth().await;
        for _ in 0..3 {
            let which = self.random.below(self.kept.len() as u64) as usize;
            let earlier = self.kept[which].clone();
            self.resume(earlier, "EXAMINE", &truth).await;
        }
        let last = self.kept.last().cloned().unwrap_or_default();
        self.resume(last, "SELECT", &truth).await;
        self.look().await;
    }

    /// A full fetch.
    async fn truth(&mut self) -> BTreeMap<u32, Flags> {
        let said = self.writer.command("f", "UID FETCH 1:* (FLAGS)").await;
        full(&said)
    }

    async fn resume(&mut self, kept: Cache, how: &str, truth: &BTreeMap<u32, Flags>) {
        let before = kept.clone();
        self.wire = self.house.client().await;
        let commands = match self.random.chance(3) {
            true => kept.questions(how),
            false => vec![kept.one_question(how, self.random.below(6))],
        };
        self.client = Connected::with(kept);
        self.say("ENABLE QRESYNC", true).await;
        for command in commands {
            let said = self.say(&command, true).await;
            eprintln!("{command}: {said:#?}");
        }
        let after = &self.client.cache;
        assert_eq!(after.validity, before.validity);
        after.agrees_with(truth, before.uid_next);
        self.client.go_on();
    }
}

/// Flags reach the disk with their OK, or long after it.
fn delay(house: &House, random: &mut Random) {
    let seconds = if random.chance(2) { 0 } else { 60 };
    house.account.set_limits(Limits {
        flag_sync: Duration::from_secs(seconds),
        ..Limits::from(&fixture::slice())
    });
}

async fn enter(house: &House) -> Wire {
    let mut wire = house.client().await;
    wire.command("s", "SELECT INBOX").await;
    wire
}

fn play(seed: u64, cut: impl Fn(&mut Random) -> Cut) {
    run(async {
        eprintln!("seed {seed}");
        let mut stage = Stage::new(seed).await;
        for _ in 0..RETURNS {
            stage.play().await;
            let cut = cut(&mut stage.random);
            stage.cut(cut).await;
            stage.come_back().await;
        }
    });
}

#[test]
fn a_client_whose_connection_was_lost_ends_where_a_full_fetch_ends() {
    (0..20).for_each(|seed| play(seed, |_| Cut::Connection));
}

#[test]
fn a_client_whose_worker_was_killed_ends_where_a_full_fetch_ends() {
    (100..120).for_each(|seed| play(seed, |_| Cut::Worker));
}

#[test]
fn a_client_that_saw_what_a_power_cut_took_back_ends_where_a_full_fetch_ends() {
    (200..220).for_each(|seed| play(seed, |_| Cut::Power));
}

#[test]
fn a_client_that_loses_all_in_turn_ends_where_a_full_fetch_ends() {
    let any =
        |random: &mut Random| [Cut::Connection, Cut::Worker, Cut::Power][random.below(3) as usize];
    (300..320).for_each(|seed| play(seed, any));
}

/// A number in the flags of message 1, as its bits.
fn counted(lines: &[String]) -> (u64, String) {
    let line = &lines[0];
    let bits = (0..6).filter(|bit| line.contains(&format!("$b{bit}")));
    let (_, modseq) = line.split_once("MODSEQ (").unwrap();
    let modseq = modseq.split(')').next().unwrap().to_owned();
    (bits.map(|bit| 1 << bit).sum(), modseq)
}

/// Adds one so often, each time on the condition that nobody has added since it looked.
async fn count(mut wire: Wire, times: u64) {
    let mut done = 0;
    wire.command("s", "SELECT INBOX").await;
    while done < times {
        let looked = wire.command("f", "FETCH 1 (FLAGS MODSEQ)").await;
        let lines: Vec<String> = looked
            .into_iter()
            .filter(|line| line.contains("MODSEQ ("))
            .collect();
        let (count, modseq) = counted(&lines);
        let bits = (0..6).filter(|bit| (count + 1) & (1 << bit) != 0);
        let flags: Vec<String> = bits.map(|bit| format!("$b{bit}")).collect();
        tokio::task::yield_now().await;
        let store = format!(
            "STORE 1 (UNCHANGEDSINCE {modseq}) FLAGS.SILENT ($c {})",
            flags.join(" ")
        );
        let said = wire.command("t", &store).await;
        let last = said.last().unwrap();
        assert!(last.starts_with("t OK"), "{last}");
        done += u64::from(!last.contains("[MODIFIED 1]"));
    }
}

#[test]
fn no_update_on_condition_is_lost() {
    run(async {
        let house = House::new();
        let mut wire = house.client().await;
        wire.command("a", "APPEND INBOX ($c) {1+}\r\nx").await;
        let mut counting = Vec::new();
        for times in [9, 10, 11, 12] {
            counting.push(tokio::task::spawn_local(count(house.client().await, times)));
        }
        for one in counting {
            one.await.unwrap();
        }
        wire.command("s", "SELECT INBOX (CONDSTORE)").await;
        let said = wire.command("f", "FETCH 1 (FLAGS MODSEQ)").await;
        assert_eq!(counted(&said).0, 9 + 10 + 11 + 12);
        house.leave().await;
    });
}

//! A session against a model, while IMAP adds and removes: what each command must
//! answer, to the octet.

use super::{append, as_lines, octets, unstuffed};
use crate::trial::{House, Wire, run};
use message::downgrade::Downgrader;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Letters that differ in what POP3 cares for.
const LETTERS: [&[u8]; 8] = [
    b"Subject: a\r\n\r\nOne.\r\nTwo.\r\n",
    b"Subject: b\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
    b"Subject: c\n\nbare\n.\nends\n",
    b"Subject: d\r\n\r\nno end",
    b"Subject: e\r\n",
    b"\r\nno header\r\n\r\n",
    b"Subject: f\r\n\r\nhalf an end\r",
    "Subject: \u{e9}t\u{e9}\r\nFrom: \u{e9}@a\r\n\r\n\u{e9}\n".as_bytes(),
];

#[derive(Debug, Clone)]
enum Step {
    Stat,
    List,
    ListOne(u32),
    Uidl,
    UidlOne(u32),
    Retr(u32),
    Top(u32, usize),
    Dele(u32),
    Rset,
    /// Ends the session as it should, and begins another.
    Quit,
    /// Closes the connection, and begins another.
    Drop,
    /// IMAP adds a letter.
    Add(usize),
    /// IMAP removes one of those that are there.
    Remove(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0u32..9;
    let step = prop_oneof![
        2 => Just(Step::Stat),
        2 => Just(Step::List),
        1 => number.clone().prop_map(Step::ListOne),
        1 => Just(Step::Uidl),
        1 => number.clone().prop_map(Step::UidlOne),
        2 => number.clone().prop_map(Step::Retr),
        2 => (number.clone(), 0usize..5).prop_map(|(number, lines)| Step::Top(number, lines)),
        4 => number.prop_map(Step::Dele),
        1 => Just(Step::Rset),
        2 => Just(Step::Quit),
        1 => Just(Step::Drop),
        5 => (0..LETTERS.len()).prop_map(Step::Add),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..50)
}

/// What there is, and what the session knows.
#[derive(Default)]
struct Model {
    /// UIDs and letters, in order.
    inbox: Vec<(u32, usize)>,
    next: u32,
    /// The maildrop: what was there when the session began.
    maildrop: Vec<(u32, usize)>,
    marks: BTreeSet<u32>,
    /// Whether the client takes headers in UTF-8.
    utf8: bool,
    /// The unique ids that were told, by UID.
    told: Vec<(u32, String)>,
}

impl Model {
    fn begin(&mut self) {
        self.maildrop = self.inbox.clone();
        self.marks.clear();
    }

    /// The letter of a number, if it can be had.
    fn letter(&self, number: u32) -> Option<Vec<u8>> {
        let at = number.checked_sub(1)? as usize;
        let (uid, letter) = *self.maildrop.get(at)?;
        let there = self.inbox.iter().any(|(other, _)| *other == uid);
        (there && !self.marks.contains(&number)).then(|| self.seen(LETTERS[letter]))
    }

    /// A letter as this client gets it.
    fn seen(&self, letter: &[u8]) -> Vec<u8> {
        if self.utf8 {
            return letter.to_vec();
        }
        let (mut downgrader, mut ascii) = (Downgrader::new(), Vec::new());
        downgrader.push(letter, &mut ascii);
        downgrader.finish(&mut ascii);
        ascii
    }

    /// Numbers and letters of all that can be had.
    fn all(&self) -> Vec<(u32, Vec<u8>)> {
        let numbers = 1..=self.maildrop.len() as u32;
        let some = numbers.filter_map(|number| Some((number, self.letter(number)?)));
        some.collect()
    }

    fn uid(&self, number: u32) -> u32 {
        self.maildrop[number as usize - 1].0
    }

    /// Removes what is marked.
    fn update(&mut self) {
        let gone: Vec<u32> = self.marks.iter().map(|mark| self.uid(*mark)).collect();
        self.inbox.retain(|(uid, _)| !gone.contains(uid));
    }

    /// A unique id was told: always the same of one message, never of another.
    fn hear_id(&mut self, number: u32, id: &str) {
        let uid = self.uid(number);
        for (other, known) in &self.told {
            assert_eq!(*other == uid, known == id, "{id} of {uid}");
        }
        if !self.told.iter().any(|(other, _)| *other == uid) {
            self.told.push((uid, id.to_owned()));
        }
    }
}

struct Trial {
    house: House,
    model: Model,
    pop3: Wire,
    imap: Wire,
}

impl Trial {
    async fn new(utf8: bool) -> Self {
        let house = House::new();
        let mut imap = house.client().await;
        imap.command("s", "SELECT INBOX").await;
        Self {
            model: Model {
                next: 1,
                utf8,
                ..Model::default()
            },
            pop3: house.pop3_client(utf8).await,
            imap,
            house,
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Stat => self.stat().await,
            Step::List => self.list().await,
            Step::ListOne(number) => {
                let size = self.model.letter(*number).map(|letter| octets(&letter));
                let answer = size.map(|size| format!("+OK {number} {size}"));
                self.one(&format!("LIST {number}"), answer).await;
            }
            Step::Uidl => self.uidl().await,
            Step::UidlOne(number) => self.uidl_one(*number).await,
            Step::Retr(number) => self.retr(*number).await,
            Step::Top(number, lines) => self.top(*number, *lines).await,
            Step::Dele(number) => self.dele(*number).await,
            Step::Rset => {
                self.model.marks.clear();
                assert!(self.pop3.ask("RSET").await.starts_with("+OK"));
            }
            Step::Quit => {
                assert_eq!(self.pop3.ask("QUIT").await, "+OK Bye");
                self.model.update();
                self.begin().await;
            }
            Step::Drop => self.begin().await,
            Step::Add(letter) => {
                append(&mut self.imap, LETTERS[*letter]).await;
                self.model.inbox.push((self.model.next, *letter));
                self.model.next += 1;
            }
            Step::Remove(which) => self.remove(which).await,
        }
    }

    async fn begin(&mut self) {
        self.pop3 = self.house.pop3_client(self.model.utf8).await;
        self.model.begin();
    }

    async fn one(&mut self, command: &str, answer: Option<String>) {
        let said = self.pop3.ask(command).await;
        match answer {
            Some(answer) => assert_eq!(said, answer, "{command}"),
            None => assert!(said.starts_with("-ERR "), "{command}: {said}"),
        }
    }

    async fn stat(&mut self) {
        let all = self.model.all();
        let sum: usize = all.iter().map(|(_, letter)| octets(letter)).sum();
        self.one("STAT", Some(format!("+OK {} {sum}", all.len())))
            .await;
    }

    async fn list(&mut self) {
        let said = self.pop3.ask_for_lines("LIST").await;
        let all = self.model.all().into_iter();
        let wanted: Vec<String> = all
            .map(|(number, letter)| format!("{number} {}", octets(&letter)))
            .collect();
        assert_eq!(said[1..], wanted);
    }

    async fn uidl(&mut self) {
        let said = self.pop3.ask_for_lines("UIDL").await;
        let all = self.model.all();
        assert_eq!(said.len() - 1, all.len(), "{said:?}");
        for (line, (number, _)) in said[1..].iter().zip(all) {
            let (told, id) = line.split_once(' ').unwrap();
            assert_eq!(told, number.to_string());
            self.model.hear_id(number, id);
        }
    }

    async fn uidl_one(&mut self, number: u32) {
        let said = self.pop3.ask(&format!("UIDL {number}")).await;
        match self.model.letter(number) {
            Some(_) => {
                let id = said.strip_prefix(&format!("+OK {number} ")).unwrap();
                self.model.hear_id(number, id);
            }
            None => assert!(said.starts_with("-ERR "), "{said}"),
        }
    }

    async fn retr(&mut self, number: u32) {
        let said = self.pop3.ask_for_lines(&format!("RETR {number}")).await;
        match self.model.letter(number) {
            Some(letter) => {
                assert_eq!(said[0], format!("+OK {} octets", octets(&letter)));
                assert_eq!(unstuffed(&said[1..]), as_lines(&letter));
            }
            None => assert!(said[0].starts_with("-ERR "), "{said:?}"),
        }
    }

    async fn top(&mut self, number: u32, lines: usize) {
        let said = self
            .pop3
            .ask_for_lines(&format!("TOP {number} {lines}"))
            .await;
        match self.model.letter(number) {
            Some(letter) => {
                let mut wanted = as_lines(&letter);
                let empty = wanted.iter().position(String::is_empty);
                let header = empty.map_or(wanted.len(), |at| at + 1);
                wanted.truncate(header + lines);
                assert_eq!(unstuffed(&said[1..]), wanted);
            }
            None => assert!(said[0].starts_with("-ERR "), "{said:?}"),
        }
    }

    async fn dele(&mut self, number: u32) {
        let there = self.model.letter(number).is_some();
        let answer = there.then(|| format!("+OK Message {number} deleted"));
        self.one(&format!("DELE {number}"), answer).await;
        if there {
            self.model.marks.insert(number);
        }
    }

    async fn remove(&mut self, which: &prop::sample::Index) {
        if self.model.inbox.is_empty() {
            return;
        }
        let at = which.index(self.model.inbox.len());
        let (uid, _) = self.model.inbox.remove(at);
        let store = format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)");
        self.imap.command("t", &store).await;
        let said = self.imap.command("e", &format!("UID EXPUNGE {uid}")).await;
        assert!(said.last().unwrap().starts_with("e OK"), "{said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_session_answers_as_the_model_whatever_imap_does(steps in steps(), utf8: bool) {
        run(async {
            let mut trial = Trial::new(utf8).await;
            for step in &steps {
                trial.take(step).await;
            }
            // Whatever there is in the end, a new session finds it.
            trial.begin().await;
            trial.list().await;
            trial.uidl().await;
            let Trial { house, pop3, imap, .. } = trial;
            drop((pop3, imap));
            house.leave().await;
        });
    }
}

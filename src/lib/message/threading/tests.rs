//! Threads are those of the RFC's words, step by step.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// A letter of a test.
#[derive(Debug, Clone, Default)]
struct Sample {
    own: Option<u8>,
    references: Vec<u8>,
    subject: &'static str,
    is_reply: bool,
    sent: u8,
}

fn rows_by(samples: &[Sample]) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..samples.len() as u32).collect();
    rows.sort_by_key(|row| samples[*row as usize].sent);
    rows
}

/// With so much effort in a step; numbers are counted from 1.
fn threads(algorithm: Algorithm, samples: &[Sample], step: usize) -> String {
    let mut threading = Threading::new(algorithm, samples.len());
    for sample in samples {
        let own = sample.own.map(|id| vec![id]);
        let references: Vec<Vec<u8>> = sample.references.iter().map(|id| vec![*id]).collect();
        let letter = Letter {
            own: own.as_deref(),
            references: &references,
            subject: sample.subject.as_bytes(),
            is_reply_or_forward: sample.is_reply,
        };
        threading.add(&letter).unwrap();
    }
    for pass in threading.passes() {
        let rows = match pass.order() {
            Order::Sent => rows_by(samples),
            Order::Newest => (0..samples.len() as u32).rev().collect(),
            Order::Threads => (0..threading.threads()).collect(),
        };
        go_over(&mut threading, *pass, &rows, step);
    }
    spelled(&threading.finish())
}

/// How many steps that takes.
fn go_over(threading: &mut Threading, pass: Pass, rows: &[u32], effort: usize) -> usize {
    let (mut rest, mut steps) = (rows, 0);
    while !rest.is_empty() {
        rest = &rest[threading.pass(pass, rest, effort)..];
        steps += 1;
    }
    steps
}

fn spelled(threads: &Threads) -> String {
    let spell = |token| match token {
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
        Token::Space => " ".to_owned(),
        Token::Letter(row) => (row + 1).to_string(),
    };
    threads.written().map(spell).collect()
}

/// A tree as the RFC speaks of it: slow, and after its words.
#[derive(Default)]
struct ByTheLetter<'s> {
    samples: &'s [Sample],
    /// Rows of nodes; none for a dummy.
    rows: Vec<Option<usize>>,
    parents: Vec<Option<usize>>,
    named: HashMap<u8, usize>,
    /// Children of nodes, and those of the root last.
    children: HashMap<Option<usize>, Vec<usize>>,
}

impl<'s> ByTheLetter<'s> {
    fn node(&mut self) -> usize {
        self.rows.push(None);
        self.parents.push(None);
        self.rows.len() - 1
    }

    fn named(&mut self, id: u8) -> usize {
        if let Some(node) = self.named.get(&id) {
            return *node;
        }
        let node = self.node();
        self.named.insert(id, node);
        node
    }

    fn makes_a_loop(&self, parent: usize, child: usize) -> bool {
        std::iter::successors(Some(parent), |at| self.parents[*at]).any(|at| at == child)
    }

    fn step_1(samples: &'s [Sample]) -> Self {
        let mut tree = Self {
            samples,
            ..Self::default()
        };
        for (row, sample) in samples.iter().enumerate() {
            let own = sample.own.map(|id| tree.named(id));
            let node = own.filter(|node| tree.rows[*node].is_none());
            let node = node.unwrap_or_else(|| tree.node());
            tree.rows[node] = Some(row);
            let references: Vec<usize> =
                sample.references.iter().map(|id| tree.named(*id)).collect();
            for pair in references.windows(2) {
                if tree.parents[pair[1]].is_none() && !tree.makes_a_loop(pair[0], pair[1]) {
                    tree.parents[pair[1]] = Some(pair[0]);
                }
            }
            tree.parents[node] = None;
            let last = references.last().copied();
            tree.parents[node] = last.filter(|last| !tree.makes_a_loop(*last, node));
        }
        for node in 0..tree.rows.len() {
            let siblings = tree.children.entry(tree.parents[node]).or_default();
            siblings.push(node);
        }
        tree
    }

    fn of(&self, node: Option<usize>) -> Vec<usize> {
        self.children.get(&node).cloned().unwrap_or_default()
    }

    /// Bottom up, as RFC 5256 has it in step 3.
    fn step_3(&mut self, at: Option<usize>) {
        let mut left = Vec::new();
        for child in self.of(at) {
            self.step_3(Some(child));
            let below = self.of(Some(child));
            match self.rows[child] {
                None if at.is_some() || below.len() <= 1 => left.extend(below),
                _ => left.push(child),
            }
        }
        self.children.insert(at, left);
    }

    /// The letter by which a thread is sorted, and has its subject.
    fn speaker(&self, node: usize) -> usize {
        self.rows[node].unwrap_or_else(|| self.speaker(self.of(Some(node))[0]))
    }

    fn sort_all(&mut self) {
        for node in (0..self.rows.len()).map(Some).chain([None]) {
            // Dummies are at the top only, which comes last.
            let mut siblings = self.of(node);
            siblings.sort_by_key(|child| {
                let row = self.speaker(*child);
                (self.samples[row].sent, row)
            });
            self.children.insert(node, siblings);
        }
    }

    fn subject(&self, node: usize) -> (&'static str, bool) {
        let sample = &self.samples[self.speaker(node)];
        (sample.subject, sample.is_reply)
    }

    fn step_5(&mut self) {
        let mut table: HashMap<&str, usize> = HashMap::new();
        for node in self.of(None) {
            let (subject, is_reply) = self.subject(node);
            if subject.is_empty() {
                continue;
            }
            match table.get(subject).copied() {
                None => drop(table.insert(subject, node)),
                Some(known) if self.rows[known].is_some() => {
                    let known_replies = self.subject(known).1;
                    if self.rows[node].is_none() || (known_replies && !is_reply) {
                        table.insert(subject, node);
                    }
                }
                Some(_) => {}
            }
        }
        for node in self.of(None) {
            let (subject, is_reply) = self.subject(node);
            let Some(known) = table.get(subject).copied() else {
                continue;
            };
            let is_top = self.of(None).contains(&node);
            if known == node || !is_top {
                continue;
            }
            let mut top = self.of(None);
            top.retain(|one| *one != node);
            if self.rows[known].is_none() && self.rows[node].is_none() {
                let below = self.of(Some(node));
                self.children.entry(Some(known)).or_default().extend(below);
            } else if self.rows[known].is_none() || (is_reply && !self.subject(known).1) {
                self.children.entry(Some(known)).or_default().push(node);
            } else {
                top.retain(|one| *one != known);
                let dummy = self.node();
                self.children.insert(Some(dummy), vec![known, node]);
                top.push(dummy);
                table.insert(subject, dummy);
            }
            self.children.insert(None, top);
        }
    }

    /// REFS: by the newest letter of each.
    fn sort_by_newest(&mut self) {
        let mut tops = self.of(None);
        tops.sort_by_key(|top| self.newest(*top));
        self.children.insert(None, tops);
    }

    fn newest(&self, node: usize) -> Option<usize> {
        let below = self.of(Some(node));
        let below = below.iter().map(|child| self.newest(*child)).max();
        self.rows[node].max(below.flatten())
    }

    fn spelled(&self, node: usize) -> String {
        let own = self.rows[node].map(|row| (row + 1).to_string());
        let below = self.of(Some(node));
        let below = match below.as_slice() {
            [] => None,
            [only] => Some(self.spelled(*only)),
            many => Some(
                many.iter()
                    .map(|one| format!("({})", self.spelled(*one)))
                    .collect(),
            ),
        };
        let parts: Vec<String> = own.into_iter().chain(below).collect();
        parts.join(" ")
    }

    fn all(&self) -> String {
        let tops = self.of(None);
        tops.iter()
            .map(|top| format!("({})", self.spelled(*top)))
            .collect()
    }
}

fn by_the_letter(algorithm: Algorithm, samples: &[Sample]) -> String {
    let mut tree = ByTheLetter::step_1(samples);
    tree.step_3(None);
    tree.sort_all();
    match algorithm {
        Algorithm::Refs => tree.sort_by_newest(),
        _ => {
            tree.step_5();
            tree.sort_all();
        }
    }
    tree.all()
}

fn ordered_by_subject(samples: &[Sample]) -> String {
    let mut groups: Vec<(&str, Vec<u32>)> = Vec::new();
    for row in rows_by(samples) {
        let subject = samples[row as usize].subject;
        match groups.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, rows)) => rows.push(row + 1),
            None => groups.push((subject, vec![row + 1])),
        }
    }
    let spell = |rows: &[u32]| match rows {
        [only] => format!("({only})"),
        [first, second] => format!("({first} {second})"),
        [first, more @ ..] => {
            let more: String = more.iter().map(|row| format!("({row})")).collect();
            format!("({first} {more})")
        }
        [] => String::new(),
    };
    groups.iter().map(|(_, rows)| spell(rows)).collect()
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let subjects = prop::sample::select(vec!["", "a", "a", "b"]);
    let references = prop::collection::vec(0_u8..12, 0..5);
    let sample = (
        prop::option::weighted(0.9, 0_u8..12),
        references,
        subjects,
        any::<bool>(),
        0_u8..9,
    );
    let sample = sample.prop_map(|(own, references, subject, is_reply, sent)| Sample {
        own,
        references,
        subject,
        is_reply,
        sent,
    });
    prop::collection::vec(sample, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn references_are_what_the_steps_of_the_rfc_come_to(samples in samples(), step in 1_usize..5) {
        let expected = by_the_letter(Algorithm::References, &samples);
        prop_assert_eq!(threads(Algorithm::References, &samples, step), expected);
    }

    #[test]
    fn refs_leave_subjects_alone_and_the_newest_thread_is_last(samples in samples(), step in 1_usize..5) {
        let expected = by_the_letter(Algorithm::Refs, &samples);
        prop_assert_eq!(threads(Algorithm::Refs, &samples, step), expected);
    }

    #[test]
    fn subjects_are_threads_under_their_earliest_letter(samples in samples(), step in 1_usize..5) {
        let expected = ordered_by_subject(&samples);
        prop_assert_eq!(threads(Algorithm::OrderedSubject, &samples, step), expected);
    }
}

fn chain(length: u32, descends: bool) -> Threads {
    let mut threading = Threading::new(Algorithm::References, 0);
    for at in 0..length {
        let (own, parent) = match descends {
            true => (at + 1, at),
            false => (length - at, length - at - 1),
        };
        let letter = Letter {
            own: Some(&own.to_be_bytes()),
            references: &[parent.to_be_bytes().to_vec()],
            ..Letter::default()
        };
        threading.add(&letter).unwrap();
    }
    let rows: Vec<u32> = (0..length).collect();
    for pass in threading.passes() {
        go_over(&mut threading, *pass, &rows, 100);
    }
    threading.finish()
}

#[test]
fn a_thread_is_as_deep_as_it_is_whichever_end_comes_first() {
    for descends in [true, false] {
        let spelled = spelled(&chain(20_000, descends));
        assert_eq!(spelled.matches('(').count(), 1);
        assert_eq!(spelled.matches(' ').count(), 19_999);
    }
}

#[test]
fn there_are_no_more_nodes_than_may_be() {
    let mut threading = Threading::new(Algorithm::References, 0);
    let mut letters = (0..).take_while(|_| threading.add(&Letter::default()).is_ok());
    assert_eq!(letters.by_ref().count(), links::NODES_MAX);
}

#[test]
fn a_letter_with_descendants_that_comes_late_under_a_long_thread_begins_its_own() {
    for (length, tops) in [(links::ANCESTRY_MAX, 1), (links::ANCESTRY_MAX + 1, 2)] {
        let mut threading = Threading::new(Algorithm::Refs, 0);
        let length = length as u32;
        let answers = (1..length).map(|at| (at, at - 1));
        // One answers what isn't there, and then that comes and answers the last.
        let late = [(7_000_000, 8_000_000), (8_000_000, length - 1)];
        for (own, answered) in answers.chain(late) {
            let answered = [own, answered].map(|id| id.to_be_bytes().to_vec());
            let letter = Letter {
                own: Some(&answered[0]),
                references: &answered[1..],
                ..Letter::default()
            };
            threading.add(&letter).unwrap();
        }
        let rows: Vec<u32> = (0..=length).rev().collect();
        for pass in threading.passes() {
            go_over(&mut threading, *pass, &rows, 100);
        }
        let spelled = spelled(&threading.finish());
        assert_eq!(spelled.matches('(').count(), tops, "{length}");
    }
}

/// Letters that name so many ids each, all of one chain of ids that no letter has.
fn chained(letters: u32, each: u32) -> Threading {
    let mut threading = Threading::new(Algorithm::Refs, 0);
    for letter in 0..letters {
        let first = letter * (each - 1);
        let references: Vec<Vec<u8>> = (first..first + each)
            .map(|id| id.to_be_bytes().to_vec())
            .collect();
        let letter = Letter {
            references: &references,
            ..Letter::default()
        };
        threading.add(&letter).unwrap();
    }
    threading
}

#[test]
fn no_step_climbs_more_than_its_effort_and_no_chain_is_climbed_again_and_again() {
    let (letters, each, effort) = (2000, 100, 1000);
    let mut threading = chained(letters, each);
    let rows: Vec<u32> = (0..letters).rev().collect();
    let ids = (letters * (each - 1)) as usize;
    // The last letter alone is below all of them.
    assert_eq!(threading.pass(Pass::Prune, &rows[..1], effort), 0);
    for pass in threading.passes() {
        let steps = go_over(&mut threading, *pass, &rows, effort);
        let most = ids * ids.ilog2() as usize;
        assert!(steps <= most / effort, "{pass:?}: {steps} steps");
    }
    let siblings = spelled(&threading.finish()).matches(')').count();
    assert_eq!(siblings, letters as usize + 1);
}

//! What FETCH and SEARCH say, against what `message` says of the same bytes and
//! a naive reading of the same keys.

use super::{House, Wire, run};
use journal::disk::{Disk, File, Name};
use journal::sim::SimDisk;
use message::{Scanner, SectionText};
use proptest::prelude::*;

async fn append(client: &mut Wire, options: &str, letter: &[u8]) {
    let head = format!("a APPEND INBOX {options}{{{}+}}\r\n", letter.len());
    client
        .send(&[head.as_bytes(), letter, b"\r\n"].concat())
        .await;
    let said = client.answer("a").await.pop().unwrap();
    assert!(said.starts_with("a OK"), "{said}");
}

/// A part: text, a multipart of parts, or a letter within.
fn part() -> impl Strategy<Value = String> {
    let leaf =
        "[a-z \r\n]{0,40}".prop_map(|text| format!("Content-Type: text/plain\r\n\r\n{text}"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let multipart = (prop::collection::vec(inner.clone(), 1..4), "[A-Z]{4}");
        let multipart = multipart.prop_map(|(parts, boundary)| {
            let parts: String =
                parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
            format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{parts}--{boundary}--\r\n")
        });
        let message = inner
            .prop_map(|part| format!("Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n{part}"));
        prop_oneof![multipart, message]
    })
}

/// A section and what of the letter it is.
fn sections() -> Vec<(&'static str, &'static [u32], SectionText)> {
    vec![
        ("", &[], SectionText::Whole),
        ("HEADER", &[], SectionText::Header),
        ("TEXT", &[], SectionText::Text),
        ("1", &[1], SectionText::Whole),
        ("2", &[2], SectionText::Whole),
        ("1.MIME", &[1], SectionText::Mime),
        ("1.1", &[1, 1], SectionText::Whole),
        ("1.HEADER", &[1], SectionText::Header),
        ("2.1.TEXT", &[2, 1], SectionText::Text),
        ("3.2.MIME", &[3, 2], SectionText::Mime),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_section_is_the_bytes_that_its_part_has(
        body in part(), offset in 0u64..60, length in 1u64..60,
    ) {
        let letter = format!("Subject: x\r\n{body}");
        let mut scanner = Scanner::new();
        scanner.feed(letter.as_bytes());
        let structure = scanner.finish();
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            append(&mut client, "", letter.as_bytes()).await;
            client.command("e", "EXAMINE INBOX").await;
            for (name, path, text) in sections() {
                let fetch = format!("F9 FETCH 1 BODY[{name}]<{offset}.{length}>\r\n");
                client.send(fetch.as_bytes()).await;
                let said = client.answer("F9").await.join("\r\n");
                let expected = match structure.section(path, text) {
                    None => "NIL)\r\n".to_owned(),
                    Some(span) => {
                        let start = (span.start + offset).min(span.end);
                        let end = (start + length).min(span.end);
                        let bytes = &letter[start as usize..end as usize];
                        match bytes {
                            // Leniency `empty-partial`
                            "" => "\"\")\r\n".to_owned(),
                            _ => format!("{{{}}}\r\n{bytes})\r\n", bytes.len()),
                        }
                    }
                };
                let expected = format!("* 1 FETCH (BODY[{name}]<{offset}> {expected}F9 OK Fetched");
                assert_eq!(said, expected, "{letter}");
            }
            house.leave().await;
        });
    }
}

/// A letter as a naive reader knows it.
#[derive(Debug, Clone)]
struct Known {
    seen: bool,
    flagged: bool,
    subject: String,
    body: String,
    day: u32,
}

fn known() -> impl Strategy<Value = Known> {
    let flags = (any::<bool>(), any::<bool>());
    (flags, "[abA]{0,4}", "[abc]{0,8}", 1u32..28).prop_map(
        |((seen, flagged), subject, body, day)| Known {
            seen,
            flagged,
            subject,
            body,
            day,
        },
    )
}

impl Known {
    fn letter(&self) -> String {
        format!("Subject: {}\r\n\r\n{}", self.subject, self.body)
    }

    fn options(&self) -> String {
        let seen = if self.seen { "\\Seen" } else { "" };
        let flagged = if self.flagged { "\\Flagged" } else { "" };
        let flags = format!("{seen} {flagged}");
        format!(
            "({}) \"{:02}-Mar-2020 12:00:00 +0000\" ",
            flags.trim(),
            self.day
        )
    }
}

/// A key as IMAP writes it, and as the naive reader understands it.
#[derive(Debug, Clone)]
enum Naive {
    Seen,
    Flagged,
    Subject(String),
    Body(String),
    Text(String),
    Since(u32),
    Larger(usize),
    Not(Box<Naive>),
    Or(Box<Naive>, Box<Naive>),
    And(Vec<Naive>),
}

impl Naive {
    fn text(&self) -> String {
        match self {
            Self::Seen => "SEEN".to_owned(),
            Self::Flagged => "FLAGGED".to_owned(),
            Self::Subject(text) => format!("SUBJECT \"{text}\""),
            Self::Body(text) => format!("BODY \"{text}\""),
            Self::Text(text) => format!("TEXT \"{text}\""),
            Self::Since(day) => format!("SINCE {day}-Mar-2020"),
            Self::Larger(bytes) => format!("LARGER {bytes}"),
            Self::Not(key) => format!("NOT {}", key.text()),
            Self::Or(a, b) => format!("OR {} {}", a.text(), b.text()),
            Self::And(keys) => {
                let keys: Vec<String> = keys.iter().map(Self::text).collect();
                format!("({})", keys.join(" "))
            }
        }
    }

    fn fits(&self, known: &Known) -> bool {
        let holds = |text: &str, needle: &str| text.to_lowercase().contains(&needle.to_lowercase());
        match self {
            Self::Seen => known.seen,
            Self::Flagged => known.flagged,
            Self::Subject(text) => holds(&known.subject, text),
            Self::Body(text) => holds(&known.body, text),
            Self::Text(text) => {
                holds(&format!("Subject: {}", known.subject), text) || holds(&known.body, text)
            }
            Self::Since(day) => known.day >= *day,
            Self::Larger(bytes) => known.letter().len() > *bytes,
            Self::Not(key) => !key.fits(known),
            Self::Or(a, b) => a.fits(known) || b.fits(known),
            Self::And(keys) => keys.iter().all(|key| key.fits(known)),
        }
    }
}

fn key() -> impl Strategy<Value = Naive> {
    let leaf = prop_oneof![
        Just(Naive::Seen),
        Just(Naive::Flagged),
        "[aAb]{1,2}".prop_map(Naive::Subject),
        "[abc]{1,3}".prop_map(Naive::Body),
        "[abS]{1,2}".prop_map(Naive::Text),
        (1u32..28).prop_map(Naive::Since),
        (10usize..30).prop_map(Naive::Larger),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| Naive::Not(Box::new(key))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Naive::Or(Box::new(a), Box::new(b))),
            prop::collection::vec(inner, 1..3).prop_map(Naive::And),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_search_finds_what_a_naive_reader_finds(
        letters in prop::collection::vec(known(), 1..8),
        keys in prop::collection::vec(key(), 1..6),
    ) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            for known in &letters {
                append(&mut client, &known.options(), known.letter().as_bytes()).await;
            }
            client.command("e", "EXAMINE INBOX").await;
            for key in &keys {
                let said = client.command("s", &format!("SEARCH {}", key.text())).await;
                let numbers = letters.iter().enumerate().filter(|(_, known)| key.fits(known));
                let numbers: String = numbers.map(|(at, _)| format!(" {}", at + 1)).collect();
                assert_eq!(said[0], format!("* SEARCH{numbers}"), "{} in {letters:?}", key.text());
            }
            house.leave().await;
        });
    }
}

#[test]
fn a_letter_that_killed_two_workers_is_served_flat_and_whole() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        let mut client = house.client().await;
        append(&mut client, "", b"Subject: killer\r\n\r\nbody").await;
        let killer = first_letter(&house);
        house.leave().await;
        // What a worker leaves that died while it parsed this letter.
        for _ in 0..2 {
            let cache = disk.open_dir(&Name::new("cache").unwrap()).unwrap();
            let note = cache.open(&Name::new("suspects").unwrap()).unwrap();
            note.write_at(0, &u128::from(killer.0).to_le_bytes())
                .unwrap();
            drop(crate::suspects::Suspects::open(&disk));
        }
        let house = House::on(&disk);
        let mut client = house.client().await;
        client.command("e", "EXAMINE INBOX").await;
        let flat = client
            .command("f", "FETCH 1 (BODYSTRUCTURE ENVELOPE BODY[HEADER])")
            .await;
        assert!(flat[0].starts_with(
            "* 1 FETCH (BODYSTRUCTURE (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 23 "
        ), "{flat:?}");
        assert!(
            flat[0]
                .ends_with("ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) BODY[HEADER] {0}")
        );
        let whole = client.command("g", "FETCH 1 BODY[]").await;
        assert_eq!(whole[1..4], ["Subject: killer", "", "body)"]);
        house.leave().await;
    });
}

fn first_letter(house: &House) -> store::MessageId {
    let store = house.account.store();
    let inbox = store
        .open_by_id(&store::Principal::Owner, store::MailboxId::INBOX)
        .unwrap();
    let messages = store.messages(&inbox).unwrap();
    messages.iter().next().unwrap().message()
}

//! SORT against a sort that is plain to see: every order, whole, in pages, and by its ends.

use super::{House, Wire, run};
use proptest::prelude::*;

/// What a letter is drawn from.
#[derive(Debug, Clone)]
struct Letter {
    subject: &'static str,
    from: &'static str,
    /// The day of February on which it was sent, and on which it came.
    days: (u32, u32),
    padding: usize,
}

impl Letter {
    fn text(&self) -> String {
        let Self {
            subject,
            from,
            days: (sent, _),
            padding,
        } = self;
        let text = "x".repeat(*padding);
        format!(
            "Subject: {subject}\r\nFrom: {from}\r\nDate: {sent} Feb 2020 12:00:00 +0000\r\n\r\n{text}"
        )
    }

    /// What it is sorted by, for each key in turn.
    fn keys(&self) -> Keys {
        let subject = self.subject.trim_start_matches("Re: ").to_ascii_uppercase();
        let address = self.from.trim_end_matches('>');
        let address = address.rsplit('<').next().unwrap();
        let (mailbox, _) = address.split_once('@').unwrap();
        let shown = match self.from.split_once(" <") {
            Some((name, _)) => name,
            None => address,
        };
        Keys {
            subject,
            from: mailbox.to_ascii_uppercase(),
            shown: shown.to_ascii_uppercase(),
            sent: self.days.0,
            came: self.days.1,
            octets: self.text().len(),
        }
    }
}

struct Keys {
    subject: String,
    from: String,
    shown: String,
    sent: u32,
    came: u32,
    octets: usize,
}

/// The criteria, as SORT names them.
const CRITERIA: [&str; 6] = ["SUBJECT", "FROM", "DISPLAYFROM", "DATE", "ARRIVAL", "SIZE"];

/// Sequence numbers in the order of one criterion after the other.
fn sorted(letters: &[Letter], criteria: &[(usize, bool)]) -> Vec<usize> {
    let keys: Vec<Keys> = letters.iter().map(Letter::keys).collect();
    let mut numbers: Vec<usize> = (1..=letters.len()).collect();
    for (by, reverse) in criteria.iter().rev() {
        // Stable, so that what was the order before decides where this doesn't.
        numbers.sort_by(|one, other| {
            let (one, other) = (&keys[one - 1], &keys[other - 1]);
            let order = match CRITERIA[*by] {
                "SUBJECT" => one.subject.cmp(&other.subject),
                "FROM" => one.from.cmp(&other.from),
                "DISPLAYFROM" => one.shown.cmp(&other.shown),
                "DATE" => one.sent.cmp(&other.sent),
                "ARRIVAL" => one.came.cmp(&other.came),
                _ => one.octets.cmp(&other.octets),
            };
            if *reverse { order.reverse() } else { order }
        });
    }
    numbers
}

fn letters() -> impl Strategy<Value = Vec<Letter>> {
    let letter = (
        prop::sample::select(vec!["b", "B", "Re: b", "a", "c_", "cd", ""]),
        prop::sample::select(vec!["ann@x", "Ann <zoe@x>", "BOB@y", "bob@x", "_ <ann@z>"]),
        (1u32..4, 1u32..4),
        0usize..3,
    );
    let letter = letter.prop_map(|(subject, from, days, padding)| Letter {
        subject,
        from,
        days,
        padding,
    });
    prop::collection::vec(letter, 1..12)
}

async fn fill(client: &mut Wire, letters: &[Letter]) {
    for letter in letters {
        let text = letter.text();
        let came = letter.days.1;
        let command = format!(
            "APPEND INBOX \"0{came}-Feb-2021 00:00:00 +0000\" {{{}+}}\r\n{text}",
            text.len()
        );
        let said = client.command("f", &command).await;
        assert!(said.last().unwrap().starts_with("f OK"), "{said:?}");
    }
}

/// The numbers of a set that is written in order.
fn numbers(set: &str) -> Vec<usize> {
    let range = |range: &str| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        first.parse::<usize>().unwrap()..=last.parse().unwrap()
    };
    let ranges = set
        .split(',')
        .filter(|range| !range.is_empty() && *range != "NIL");
    ranges.flat_map(range).collect()
}

/// What stands behind a word of an ESEARCH.
fn told<'s>(said: &'s [String], word: &str) -> &'s str {
    let esearch = said.iter().find(|line| line.starts_with("* ESEARCH"));
    let mut words = esearch.unwrap().split(' ').skip_while(|it| *it != word);
    words.nth(1).unwrap_or("")
}

/// What is on the one page of an ESEARCH, in order.
fn page_told(said: &[String], page: &str) -> Vec<usize> {
    let (_, set) = said[0].split_once(&format!("PARTIAL ({page} ")).unwrap();
    numbers(set.split_once(')').unwrap().0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sort_puts_messages_in_the_order_of_each_criterion_after_the_other(
        letters in letters(),
        criteria in prop::collection::vec((0..CRITERIA.len(), any::<bool>()), 1..4),
        page in (1usize..9, 0usize..4),
    ) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            fill(&mut client, &letters).await;
            client.command("s", "SELECT INBOX").await;
            let expected = sorted(&letters, &criteria);
            let named = criteria.iter().map(|(by, reverse)| {
                let reverse = if *reverse { "REVERSE " } else { "" };
                format!("{reverse}{}", CRITERIA[*by])
            });
            let order = named.collect::<Vec<_>>().join(" ");

            let said = client.command("a", &format!("SORT ({order}) UTF-8 ALL")).await;
            let plain = said[0].strip_prefix("* SORT ").unwrap();
            assert_eq!(numbers(&plain.replace(' ', ",")), expected, "{order}");

            let command = format!("SORT RETURN (MIN MAX COUNT ALL) ({order}) UTF-8 ALL");
            let said = client.command("b", &command).await;
            assert_eq!(numbers(told(&said, "ALL")), expected, "{order}");
            assert_eq!(told(&said, "MIN"), expected[0].to_string());
            assert_eq!(told(&said, "MAX"), expected.last().unwrap().to_string());
            assert_eq!(told(&said, "COUNT"), expected.len().to_string());

            let (first, more) = page;
            let last = first + more;
            let command = format!("SORT RETURN (PARTIAL {first}:{last} MAX) ({order}) UTF-8 ALL");
            let said = client.command("c", &command).await;
            let on_page = expected.iter().skip(first - 1).take(more + 1);
            let on_page = on_page.copied().collect::<Vec<_>>();
            assert_eq!(page_told(&said, &format!("{first}:{last}")), on_page, "{order}");
            assert_eq!(told(&said, "MAX"), expected.last().unwrap().to_string());

            let command = format!("SORT RETURN (PARTIAL -{first}:-{last}) ({order}) UTF-8 ALL");
            let said = client.command("d", &command).await;
            let end = expected.len().saturating_sub(first - 1);
            let on_page = &expected[end.saturating_sub(more + 1)..end];
            assert_eq!(page_told(&said, &format!("-{first}:-{last}")), on_page, "{order}");
        });
    }
}

/// Whatever else is asked for decides which rows are kept.
#[test]
fn a_page_is_that_of_the_whole_order_beside_any_other_result() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        for octets in [4, 2, 6, 3, 5, 1] {
            let letter = "x".repeat(octets);
            client
                .command("f", &format!("APPEND INBOX {{{octets}+}}\r\n{letter}"))
                .await;
        }
        client.command("s", "SELECT INBOX").await;
        let whole = [6, 2, 4, 1, 5, 3];
        let pages = (1..=7).flat_map(|from| (1..=7).map(move |to| (from, to)));
        for ((from, to), others) in pages.flat_map(|page| OTHERS.map(|others| (page, others))) {
            let (first, last) = (from.min(to) - 1, from.max(to));
            let on_page = &whole[first.min(6)..last.min(6)];
            let from_last = &whole[6 - last.min(6)..6 - first.min(6)];
            for (page, expected) in [
                (format!("{from}:{to}"), on_page),
                (format!("-{from}:-{to}"), from_last),
            ] {
                let command = format!("SORT RETURN (PARTIAL {page}{others}) (SIZE) UTF-8 ALL");
                let said = client.command("a", &command).await;
                assert_eq!(page_told(&said, &page), expected, "{command}: {said:?}");
            }
        }
    });
}

/// RFC 7162 §3.1.10, RFC 4731 §3.2: that of MIN, MAX and a page alone, unless ALL or COUNT
/// speak of everything.
#[test]
fn the_mod_sequence_of_a_sort_is_that_of_what_it_tells() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let letters = "APPEND INBOX {1+}\r\nx {2+}\r\nxx {3+}\r\nxxx {4+}\r\nxxxx";
        client.command("f", letters).await;
        client.command("s", "SELECT INBOX (CONDSTORE)").await;
        let mut modseqs = Vec::new();
        for number in 1..=4 {
            let change = format!("STORE {number} +FLAGS (\\Seen)");
            let said = client.command("c", &change).await;
            let (_, modseq) = said[0].split_once("MODSEQ (").unwrap();
            modseqs.push(modseq.split(')').next().unwrap().to_owned());
        }
        for (returns, highest) in [
            ("MIN", 4),
            ("MAX", 1),
            ("MIN MAX", 4),
            ("PARTIAL 2:3", 3),
            ("PARTIAL -1:-2", 2),
            ("MAX PARTIAL 3:3", 2),
            ("MAX COUNT", 4),
            ("ALL", 4),
        ] {
            let command = format!("SORT RETURN ({returns}) (REVERSE SIZE) UTF-8 MODSEQ 1");
            let said = client.command("a", &command).await;
            let expected = &modseqs[highest - 1];
            assert_eq!(told(&said, "MODSEQ"), expected, "{command}: {said:?}");
        }
        house.leave().await;
    });
}

#[test]
fn thread_that_asks_for_mod_sequences_is_told_them_from_then_on() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("f", "APPEND INBOX {1+}\r\nx").await;
        client.command("s", "SELECT INBOX").await;
        let said = client
            .command("t", "THREAD REFERENCES UTF-8 MODSEQ 1")
            .await;
        assert!(said.contains(&"* THREAD (1)".to_owned()), "{said:?}");
        let said = client.command("c", "STORE 1 +FLAGS (\\Seen)").await;
        assert!(said[0].contains(" MODSEQ ("), "{said:?}");
        house.leave().await;
    });
}

/// What may be asked for beside a page.
const OTHERS: [&str; 5] = ["", " MIN", " MAX", " MIN MAX", " COUNT"];

/// A mailbox in which one message in nine came on each day, and the oldest of them first.
async fn days_of_many(client: &mut Wire) {
    for day in [5, 3, 9, 1, 7, 2, 8, 4, 6] {
        let date = format!("0{day}-Feb-2021 00:00:00 +0000");
        let command = format!("APPEND INBOX \"{date}\" {{4+}}\r\nX:\r\n");
        client.command("f", &command).await;
    }
    client.command("s", "SELECT INBOX").await;
    for _ in 0..8 {
        client.command("c", "COPY 1:* INBOX").await;
    }
}

/// Some of them lie far from the end at which one looks first.
#[test]
fn an_end_by_arrival_is_that_of_the_whole_order() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        days_of_many(&mut client).await;
        for (order, key) in [
            ("ARRIVAL", "ALL"),
            ("REVERSE ARRIVAL", "ALL"),
            ("ARRIVAL REVERSE SIZE", "NOT 5:70"),
            ("REVERSE ARRIVAL SIZE", "3,2200:*"),
        ] {
            let command = format!("SORT RETURN (ALL COUNT) ({order}) UTF-8 {key}");
            let said = client.command("a", &command).await;
            let all = numbers(told(&said, "ALL"));
            for (page, expected) in [
                ("1:300", all.iter().take(300).collect::<Vec<_>>()),
                ("290:310", all.iter().skip(289).take(21).collect()),
                (
                    "-1:-300",
                    all.iter().skip(all.len().saturating_sub(300)).collect(),
                ),
            ] {
                let command = format!("SORT RETURN (PARTIAL {page}) ({order}) UTF-8 {key}");
                let said = client.command("b", &command).await;
                let told = page_told(&said, page);
                assert_eq!(told.iter().collect::<Vec<_>>(), expected, "{command}");
            }
            for (end, expected) in [("MIN", all.first()), ("MAX", all.last())] {
                let command = format!("SORT RETURN ({end}) ({order}) UTF-8 {key}");
                let said = client.command("c", &command).await;
                assert_eq!(told(&said, end), expected.unwrap().to_string(), "{command}");
            }
        }
    });
}

#[test]
fn uid_sort_tells_uids_and_only_of_what_is_looked_for() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        for subject in ["b", "c", "a"] {
            let text = format!("Subject: {subject}\r\n\r\n");
            let command = format!("APPEND INBOX {{{}+}}\r\n{text}", text.len());
            client.command("f", &command).await;
        }
        client.command("s", "SELECT INBOX").await;
        client
            .command("t", "STORE 1 +FLAGS.SILENT (\\Deleted)")
            .await;
        client.command("u", "EXPUNGE").await;
        let said = client.command("v", "UID SORT (SUBJECT) US-ASCII ALL").await;
        assert_eq!(said[0], "* SORT 3 2");
        let said = client
            .command("w", "UID SORT (SUBJECT) UTF-8 SUBJECT C")
            .await;
        assert_eq!(said[0], "* SORT 2");
        let said = client.command("x", "SORT (SUBJECT) UTF-8 FLAGGED").await;
        assert_eq!(said[0], "* SORT");
        let said = client
            .command("y", "SORT RETURN (SAVE) (SUBJECT) UTF-8 ALL")
            .await;
        assert!(said[0].starts_with("y BAD"), "{said:?}");
        let said = client.command("z", "SORT (SUBJECT) x-none ALL").await;
        assert!(said[0].starts_with("z NO [BADCHARSET"), "{said:?}");
    });
}

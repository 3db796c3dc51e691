//! What a client is told when something isn't done: every NO of IMAP has the code that an
//! RFC defines for it, and every sentence of IMAP and POP3 stands in
//! docs/manual/answers.md with what its reader can do.
//!
//! The sentences are read out of the code, so that none is forgotten: those that
//! `login` and `worker` write themselves from their text, those of the grammars from
//! their types.

use harness::repository;
use harness::set::workspace;
use preauth::imap::Refusal as Fault;
use preauth::line;
use preauth::sasl::Malformed;
use std::collections::BTreeMap;
use wire::imap::{NameFault, Refusal, Status};

const DOCUMENT: &str = "docs/manual/answers.md";

/// A sentence and the code with which it comes.
type Answers = BTreeMap<String, String>;

/// Where sentences stand as they are sent.
fn speaks(path: &str) -> bool {
    path == "src/login/imap.rs" || path.starts_with("src/worker/imap/")
}

/// `NO [CODE]` of a code's name in the source, `NonExistent`.
fn no(code: &str) -> String {
    // What stands behind it is another each time.
    let (code, _) = code.split_once('(').unwrap_or((code, ""));
    let name = match code {
        "ReadOnly" => "READ-ONLY".to_owned(),
        "UnknownCte" => "UNKNOWN-CTE".to_owned(),
        other => other.to_uppercase(),
    };
    format!("NO [{name}]")
}

/// The text of a source that isn't a test, as one line.
fn in_one_line(source: &repository::Source) -> String {
    let lines = source.text.lines().take(source.production);
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// `Code::Name, "sentence"`, or `Code::Name(argument), "sentence"`, or with braces,
/// wherever it stands.
fn with_code(text: &str) -> impl Iterator<Item = (&str, String)> {
    let found = text.match_indices("Code::");
    let begins = found.filter(|(at, _)| !text[..*at].ends_with(char::is_alphanumeric));
    begins.filter_map(|(at, name)| {
        let behind = &text[at + name.len()..];
        let end = behind.find(|c: char| !c.is_alphanumeric());
        let (code, rest) = behind.split_at(end.unwrap_or(behind.len()));
        let sentence = behind_argument(rest)?.strip_prefix(',').and_then(quoted)?;
        Some((code, sentence))
    })
}

/// What stands behind the parentheses or braces that a text begins with, if it does.
fn behind_argument(text: &str) -> Option<&str> {
    let text = text.trim_start();
    if !text.starts_with(['(', '{']) {
        return Some(text);
    }
    let mut depth = 0_usize;
    let end = text.find(|c: char| {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    text.get(end? + 1..)
}

/// What the code says: `Code::Name, "sentence"`, that behind `bad_with(`, and
/// `bad("sentence")`.
fn written() -> Answers {
    let mut answers = Answers::new();
    for source in repository::rust().iter().filter(|it| speaks(&it.path)) {
        let text = in_one_line(source);
        // What is closed, and what a mailbox is like, is said with an OK.
        let told = ["Closed", "Unseen", "HighestModseq", "MailboxId"];
        let coded = with_code(&text).filter(|(code, _)| !told.contains(code));
        answers.extend(coded.map(|(code, sentence)| (sentence, no(code))));
        let bad = text.split("bad_with(").skip(1);
        let bad = bad.filter(|behind| behind.trim_start().starts_with("Code::"));
        let bad = bad.filter_map(|behind| with_code(behind).next());
        answers.extend(bad.map(|(code, sentence)| (sentence, no(code).replacen("NO", "BAD", 1))));
        for behind in text.split("bad(").skip(1) {
            let argument = behind.trim_start_matches("&tag, ");
            let argument = argument.trim_start_matches("&self.tag, ");
            let argument = argument.trim_start_matches("tag, ");
            if let Some(sentence) = quoted(argument.trim_start_matches('&')) {
                answers.insert(sentence, "BAD".to_owned());
            }
        }
    }
    answers
}

fn speaks_pop3(path: &str) -> bool {
    path == "src/login/pop3.rs" || path.starts_with("src/worker/pop3")
}

/// What POP3's code says: `Code::Name, "sentence"`, `bad(&"sentence")`,
/// `err(None, "sentence")`, and why there is no such message.
fn written_by_pop3() -> Answers {
    let mut answers = Answers::new();
    for source in repository::rust().iter().filter(|it| speaks_pop3(&it.path)) {
        // `err(Some(Code::Name), "sentence")` is the same.
        let text = in_one_line(source).replace("), \"", ", \"");
        let coded = with_code(&text);
        answers.extend(coded.map(|(code, sentence)| (sentence, err(code))));
        let absent = source.path.ends_with("/maildrop.rs");
        let bare = ["bad(&", "err(None,"].into_iter();
        for mark in bare.chain(absent.then_some("=>")) {
            let sentences = text.split(mark).skip(1).filter_map(quoted);
            answers.extend(sentences.map(|sentence| (sentence, "-ERR".to_owned())));
        }
    }
    answers
}

/// `-ERR [CODE]` of a code's name in the source, `SysTemp`.
fn err(code: &str) -> String {
    let name = match code {
        "InUse" => "IN-USE".to_owned(),
        "LoginDelay" => "LOGIN-DELAY".to_owned(),
        "SysTemp" => "SYS/TEMP".to_owned(),
        "SysPerm" => "SYS/PERM".to_owned(),
        other => other.to_uppercase(),
    };
    format!("-ERR [{name}]")
}

/// What POP3's grammars refuse, before the login and behind it. One that isn't here
/// doesn't compile, and is to be added.
fn refused_by_pop3() -> Answers {
    use preauth::pop3::Refusal as Early;
    use wire::pop3::Refusal as Late;
    let early = [
        Early::LineTooLong,
        Early::Line(line::Fault::LineFeedWithoutCarriageReturn),
        Early::Line(line::Fault::CarriageReturnWithoutLineFeed),
        Early::Line(line::Fault::Nul),
        Early::CommandUnknown,
        Early::Expected("…"),
        Early::BadBase64,
    ];
    let late = [
        Late::LineTooLong,
        Late::BadLine,
        Late::Unknown,
        Late::TooLate,
        Late::Expected("…"),
    ];
    let early = early.map(|it| match it {
        Early::LineTooLong
        | Early::Line(
            line::Fault::LineFeedWithoutCarriageReturn
            | line::Fault::CarriageReturnWithoutLineFeed
            | line::Fault::Nul,
        )
        | Early::CommandUnknown
        | Early::Expected(_)
        | Early::BadBase64 => it.to_string(),
    });
    let late = late.map(|it| match it {
        Late::LineTooLong | Late::BadLine | Late::Unknown | Late::TooLate | Late::Expected(_) => {
            it.to_string()
        }
    });
    let all = early.into_iter().chain(late).chain(malformed());
    all.map(|sentence| (sentence, "-ERR".to_owned())).collect()
}

/// What SASL's messages are refused for, in both protocols.
fn malformed() -> impl Iterator<Item = String> {
    let all = [
        Malformed::NotThreeFields,
        Malformed::UserName,
        Malformed::Password,
        Malformed::TooLong,
    ];
    all.into_iter().map(|it| match it {
        Malformed::NotThreeFields
        | Malformed::UserName
        | Malformed::Password
        | Malformed::TooLong => it.to_string(),
    })
}
/// A string at the beginning of an expression.
fn quoted(text: &str) -> Option<String> {
    let (sentence, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(sentence.to_owned())
}

/// One that isn't here doesn't compile, and is to be added to [`refused`].
fn is_listed(refusal: &Refusal) {
    match refusal {
        Refusal::Grammar(
            Fault::LineTooLong
            | Fault::LineFeedWithoutCarriageReturn
            | Fault::CarriageReturnWithoutLineFeed
            | Fault::NulInLine
            | Fault::LiteralTooLarge
            | Fault::TooManyLiterals
            | Fault::TagUnreadable
            | Fault::CommandUnknown
            | Fault::Expected(_)
            | Fault::BadBase64,
        )
        | Refusal::MailboxName(
            NameFault::EmptyComponent
            | NameFault::ForbiddenCharacter
            | NameFault::TooLong
            | NameFault::TooDeep
            | NameFault::BadEncoding,
        )
        | Refusal::AlreadyAuthenticated
        | Refusal::TooMany(_)
        | Refusal::CharsetNamed
        | Refusal::Utf8NotEnabled
        | Refusal::SpecialUseUnknown
        | Refusal::LetterTooLarge
        | Refusal::AnnotationTooLarge
        | Refusal::NotDone => {}
    }
}

/// What the grammars refuse.
fn refused() -> Answers {
    let faults = [
        Fault::LineTooLong,
        Fault::LineFeedWithoutCarriageReturn,
        Fault::CarriageReturnWithoutLineFeed,
        Fault::NulInLine,
        Fault::LiteralTooLarge,
        Fault::TooManyLiterals,
        Fault::TagUnreadable,
        Fault::CommandUnknown,
        Fault::Expected("…"),
        Fault::BadBase64,
    ];
    let names = [
        NameFault::EmptyComponent,
        NameFault::ForbiddenCharacter,
        NameFault::TooLong,
        NameFault::TooDeep,
        NameFault::BadEncoding,
    ];
    let own = [
        Refusal::AlreadyAuthenticated,
        Refusal::TooMany("…"),
        Refusal::CharsetNamed,
        Refusal::Utf8NotEnabled,
        Refusal::SpecialUseUnknown,
        Refusal::LetterTooLarge,
        Refusal::AnnotationTooLarge,
        Refusal::NotDone,
    ];
    let faults = faults.into_iter().map(Refusal::Grammar);
    let names = names.into_iter().map(Refusal::MailboxName);
    let all = faults.chain(names).chain(own);
    let all = all
        .inspect(is_listed)
        .map(|refusal| (refusal.to_string(), status(&refusal)));
    let sasl = malformed().map(|sentence| (sentence, "BAD".to_owned()));
    all.chain(sasl).collect()
}

fn status(refusal: &Refusal) -> String {
    let code = refusal.code().map(|code| format!("{code:?}"));
    match (refusal.status(), code) {
        (Status::No, Some(code)) => no(&code),
        (Status::No, None) => "NO".to_owned(),
        (_, Some(code)) => no(&code).replacen("NO", "BAD", 1),
        (_, None) => "BAD".to_owned(),
    }
}

/// The document's rows of a protocol: code, sentence, what helps.
fn documented(protocol: &str) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(workspace().join(DOCUMENT)).unwrap_or_default();
    let sections = text.split("\n## ");
    let section = sections.into_iter().find(|it| it.starts_with(protocol));
    let rows = section.unwrap_or_default().lines();
    let rows = rows.filter(|line| line.starts_with("| `"));
    let cells = |row: &str| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let mut next = || cells.next().unwrap_or_default().replace('`', "");
        [next(), next(), next()]
    };
    rows.map(cells).collect()
}

fn all() -> Answers {
    let mut all = written();
    all.extend(refused());
    all
}

fn all_of_pop3() -> Answers {
    let mut all = written_by_pop3();
    all.extend(refused_by_pop3());
    all
}

fn is_a_sentence(sentence: &str) -> bool {
    let begins = sentence.chars().next().is_some_and(char::is_uppercase);
    begins && sentence.len() > 5 && !sentence.ends_with('.')
}

#[test]
fn every_no_has_a_code_and_every_answer_a_sentence() {
    for (sentence, status) in all() {
        assert!(
            status.contains('[') || status == "BAD",
            "{status} {sentence}"
        );
        assert!(is_a_sentence(&sentence), "{sentence:?}");
    }
    for sentence in all_of_pop3().into_keys() {
        assert!(is_a_sentence(&sentence), "{sentence:?}");
    }
    // Nothing escapes the search: a NO without a code has no other way out.
    for source in repository::rust().iter().filter(|it| speaks(&it.path)) {
        for (at, line) in source.production_code() {
            let bare = line.contains("Status::No, None");
            assert!(!bare, "{}:{}: a NO without a code", source.path, at + 1);
        }
    }
}

#[test]
fn the_manual_explains_every_answer_and_no_other() {
    let mut wrong = differences(&all(), &documented("IMAP"));
    wrong.extend(differences(&all_of_pop3(), &documented("POP3")));
    assert!(wrong.is_empty(), "{DOCUMENT}:\n{}", wrong.join("\n"));
}

fn differences(all: &Answers, documented: &[[String; 3]]) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    for [status, sentence, help] in documented {
        if all.get(sentence) != Some(status) {
            wrong.push(format!("not said (any more): {status} {sentence}"));
        }
        if help.is_empty() {
            wrong.push(format!("and now? {sentence}"));
        }
    }
    for (sentence, status) in all {
        if !documented.iter().any(|[_, known, _]| known == sentence) {
            wrong.push(format!("missing: | `{status}` | {sentence} |"));
        }
    }
    wrong
}

#[test]
fn over_quota_is_temporary() {
    let all = all();
    let over = all.iter().filter(|(_, status)| *status == "NO [OVERQUOTA]");
    assert!(over.count() >= 4, "{all:#?}");
    // LMTP's reply is held by src/lmtp; IMAP's NO is never followed by a BYE.
    let lmtp = repository::rust();
    let reply = |it: &&repository::Source| it.path.starts_with("src/lib/wire/lmtp/reply");
    let reply = lmtp.iter().find(reply).expect("LMTP's replies");
    assert!(reply.text.contains("(452, \"4.2.2\","), "{}", reply.path);
}

//! What a client is told when something isn't done: every NO has the code that an RFC
//! defines for it, and every sentence stands in docs/manual/answers.md with what its
//! reader can do.
//!
//! The sentences are read out of the code, so that none is forgotten: those that
//! `login` and `worker` write themselves from their text, those of the grammars from
//! their types.

use harness::repository;
use harness::set::workspace;
use preauth::imap::Refusal as Fault;
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
    let name = match code {
        "ReadOnly" => "READ-ONLY".to_owned(),
        "UnknownCte" => "UNKNOWN-CTE".to_owned(),
        other => other.to_uppercase(),
    };
    format!("NO [{name}]")
}

/// What the code says: `Code::Name, "sentence"` and `bad("sentence")`.
fn written() -> Answers {
    let mut answers = Answers::new();
    for source in repository::rust().iter().filter(|it| speaks(&it.path)) {
        let lines = source.text.lines().take(source.production);
        let text = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        for behind in text.split("Code::").skip(1) {
            let end = behind.find(|c: char| !c.is_alphanumeric());
            let (code, rest) = behind.split_at(end.unwrap_or(behind.len()));
            let sentence = rest.strip_prefix(',').and_then(quoted);
            // What is closed is said with an OK.
            if let Some(sentence) = sentence.filter(|_| code != "Closed") {
                answers.insert(sentence, no(code));
            }
        }
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
        Refusal::NotDone,
    ];
    let faults = faults.into_iter().map(Refusal::Grammar);
    let names = names.into_iter().map(Refusal::MailboxName);
    let all = faults.chain(names).chain(own);
    all.inspect(is_listed)
        .map(|refusal| (refusal.to_string(), status(&refusal)))
        .collect()
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

/// The document's rows: code, sentence, what helps.
fn documented() -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(workspace().join(DOCUMENT)).unwrap_or_default();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
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

#[test]
fn every_no_has_a_code_and_every_answer_a_sentence() {
    for (sentence, status) in all() {
        assert!(
            status.contains('[') || status == "BAD",
            "{status} {sentence}"
        );
        assert!(
            sentence.len() > 5 && !sentence.ends_with('.'),
            "{sentence:?}"
        );
        let begins = sentence.chars().next();
        assert!(begins.is_some_and(char::is_uppercase), "{sentence:?}");
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
    let (all, documented) = (all(), documented());
    let mut wrong: Vec<String> = Vec::new();
    for [status, sentence, help] in &documented {
        if all.get(sentence) != Some(status) {
            wrong.push(format!("not said (any more): {status} {sentence}"));
        }
        if help.is_empty() {
            wrong.push(format!("and now? {sentence}"));
        }
    }
    for (sentence, status) in &all {
        if !documented.iter().any(|[_, known, _]| known == sentence) {
            wrong.push(format!("missing: | `{status}` | {sentence} |"));
        }
    }
    assert!(wrong.is_empty(), "{DOCUMENT}:\n{}", wrong.join("\n"));
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

//! Plays the traces of tests/traces that begin after a login in this process, in
//! milliseconds. tests/harness/trace.rs says how they are written, and plays them
//! against whole servers.

#[path = "../../../tests/harness/trace/pattern.rs"]
mod pattern;
#[path = "../../../tests/harness/trace/script.rs"]
mod script;

use super::{House, Wire, run};
use pattern::{Known, Letters};
use script::{Begins, Event, Script, Step, announced};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces")
}

fn files(directory: &Path, extension: &str) -> Vec<(String, String)> {
    let paths = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|is| is == extension));
    let mut files: Vec<(String, String)> = paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn letters() -> Letters {
    let files = files(&directory().join("letters"), "eml").into_iter();
    let wired = |text: String| text.replace('\r', "").replace('\n', "\r\n");
    files.map(|(name, text)| (name, wired(text))).collect()
}

/// Every trace that can be played here, with its file's name.
pub fn scripts() -> Vec<(String, Script)> {
    let letters = letters();
    let files = files(&directory(), "txt").into_iter();
    let read =
        |(name, text): (String, String)| (name, Script::read(&text, "mailkeep", true, &letters));
    let begins_here = |script: &Script| {
        let tls = |step: &Step| step.event == Event::StartsTls;
        script.begins.is_none_or(|it| it == Begins::LoggedIn) && !script.steps.iter().any(tls)
    };
    let scripts = files.map(read);
    scripts.filter(|(_, script)| begins_here(script)).collect()
}

/// Every trace of POP3. Its connections speak POP3, but for the eighth, which has said
/// UTF8 before, and the ninth, which speaks IMAP.
pub fn pop3_scripts() -> Vec<(String, Script)> {
    let letters = letters();
    let files = files(&directory().join("pop3"), "txt").into_iter();
    let read = |(name, text): (String, String)| {
        let script = Script::read(&text, "mailkeep", false, &letters);
        (format!("pop3/{name}"), script)
    };
    files.map(read).collect()
}

/// Everything that the one client of a trace says, what it begins with first; `None` if
/// there are several clients.
pub fn client_bytes(script: &Script) -> Option<Vec<u8>> {
    let mut bytes = script.preparation.concat();
    let first = script.steps.first()?;
    for step in &script.steps {
        if step.connection != first.connection {
            return None;
        }
        if let Event::Says(text) = &step.event {
            bytes.extend(script.spoken(text, &Known::new()));
        }
    }
    Some(bytes)
}

/// Which protocol a trace's connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Imap,
    Pop3,
}

async fn connect(house: &House, speaks: Speaks, connection: &str) -> Wire {
    match (speaks, connection) {
        (Speaks::Imap, _) | (Speaks::Pop3, "9") => house.client().await,
        (Speaks::Pop3, "8") => house.pop3_client(true).await,
        (Speaks::Pop3, _) => house.pop3_client(false).await,
    }
}

/// Plays a trace; the client sends its bytes in pieces of this size.
async fn play(name: &str, script: &Script, speaks: Speaks, piece: usize) {
    let house = House::new();
    let mut wires: BTreeMap<String, Wire> = BTreeMap::new();
    prepare(&house, script).await;
    let mut known = Known::new();
    for step in &script.steps {
        let place = format!("{name}.txt:{}", step.line);
        if !wires.contains_key(&step.connection) {
            let wire = connect(&house, speaks, &step.connection).await;
            wires.insert(step.connection.clone(), wire);
        }
        let wire = wires.get_mut(&step.connection).unwrap();
        match &step.event {
            Event::Says(text) => say(wire, &script.spoken(text, &known), piece).await,
            _ => happen(wire, step, &mut known, &place).await,
        }
    }
    for (connection, mut wire) in wires {
        let rest = wire.rest().await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty(), "{name}: unasked on {connection:?}: {rest}");
    }
    house.leave().await;
}

async fn prepare(house: &House, script: &Script) {
    let mut wire = house.client().await;
    for command in &script.preparation {
        wire.send(command).await;
        let lines = wire.answer("prepare").await;
        assert!(lines.last().unwrap().starts_with("prepare OK"), "{lines:?}");
    }
    wire.rest().await;
}

async fn say(wire: &mut Wire, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        wire.send(piece).await;
        tokio::task::yield_now().await;
    }
}

async fn happen(wire: &mut Wire, step: &Step, known: &mut Known, place: &str) {
    match &step.event {
        Event::Says(_) | Event::StartsTls => panic!("{place}: there is no TLS here"),
        Event::Ends => assert!(wire.last_words().await.is_empty(), "{place}: more is said"),
        Event::Hears(expectation) => {
            let mut expectation = expectation.clone();
            while !expectation.is_met() {
                let awaited = expectation.awaited();
                let response = response(wire).await;
                assert!(
                    expectation.take(&response, known),
                    "{place}:\nexpected: {awaited}\n    said: {response}"
                );
            }
        }
    }
}

/// The next line with its literals.
async fn response(wire: &mut Wire) -> String {
    let mut response = wire.line().await;
    while let Some(count) = announced(response.rsplit("\r\n").next().unwrap()) {
        let content = wire.exactly(count).await;
        let behind = wire.line().await;
        response = format!(
            "{response}\r\n{}{behind}",
            String::from_utf8_lossy(&content)
        );
    }
    response
}

/// Every trace, or those that `TRACE` names.
fn play_all(scripts: Vec<(String, Script)>, speaks: Speaks, piece: usize) {
    let wanted = std::env::var("TRACE").unwrap_or_default();
    let scripts = scripts.into_iter();
    for (name, script) in scripts.filter(|(name, _)| name.contains(&wanted)) {
        println!("{name}");
        run(play(&name, &script, speaks, piece));
    }
}

#[test]
fn every_trace_goes_as_it_is_written() {
    play_all(scripts(), Speaks::Imap, usize::MAX);
}

#[test]
fn every_trace_of_pop3_goes_as_it_is_written() {
    play_all(pop3_scripts(), Speaks::Pop3, usize::MAX);
}

/// Also those with several clients.
#[test]
fn every_trace_goes_the_same_byte_by_byte() {
    play_all(scripts(), Speaks::Imap, 1);
    play_all(pop3_scripts(), Speaks::Pop3, 1);
}

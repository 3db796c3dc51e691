//! Client libraries against the real set: programs in the library's own language do what
//! its users do (tests/clients), and end with 0 if everything was as it must be.
//!
//! Python's own library comes with the interpreter. IMAPClient and ImapFlow come from
//! PyPI and npm; `.ci/client-libraries` puts them under target/clients. Where they
//! are not, the test says so and shows nothing.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::Set;
use harness::set::{IMAPS, PASSWORD, text, workspace};
use std::path::PathBuf;
use std::process::Command;

const BOB: &str = "bob@example.org";

/// Where a language's client libraries lie, if this one is there.
fn library(path: &str) -> Option<PathBuf> {
    let found = workspace().join("target/clients").join(path);
    if !found.exists() {
        eprintln!("not checked: {path} is not there; .ci/client-libraries brings it");
    }
    found.exists().then_some(found)
}

/// Runs a script with what it needs to log in.
fn script(mut interpreter: Command, name: &str) {
    let set = Set::start();
    set.add_user(BOB);
    let script = workspace().join("tests/clients").join(name);
    let _ = interpreter
        .arg(script)
        .args([set.host(), IMAPS.to_string()]);
    let _ = interpreter
        .arg(set.certificate_file())
        .args([BOB, PASSWORD]);
    let output = interpreter.output().expect("the interpreter runs");
    assert!(
        output.status.success(),
        "{name}: {}\n{}",
        text(&output),
        set.log()
    );
}

#[test]
fn a_session_that_zlib_compresses_goes_as_any_other() {
    script(Command::new("python3"), "compress_session.py");
}

#[test]
fn imapclient_runs_a_whole_session() {
    if let Some(library) = library("python/imapclient") {
        let mut python = Command::new("python3");
        let _ = python.env("PYTHONPATH", library.with_file_name(""));
        script(python, "imapclient_session.py");
    }
}

#[test]
fn imapflow_runs_a_whole_session_with_every_extension_that_it_knows() {
    if let Some(library) = library("node/node_modules/imapflow") {
        let mut node = Command::new("node");
        let _ = node.env("CLIENTS", library.with_file_name(""));
        script(node, "imapflow_session.mjs");
    }
}

//! Makes an account of many messages in little time, for measurements: it writes
//! into the account's directory through the store, as a worker would, in large
//! transactions and with all upkeep. No worker may have the account open.
//!
//!     fill DIRECTORY --account 1 --messages 1000000 --mailboxes 1000 --bytes 2000
//!
//! `DIRECTORY` is the account's own (state/<number> below `store.directory`). What
//! is made gets the directory's owner.

#![allow(clippy::panic, reason = "a tool of tests says why and ends")]

use harness::account::Account;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use store::Urgency;

/// Bytes of letters in one transaction: well below the 16 MiB of a record.
const BATCH_BYTES: usize = 8 << 20;

/// Letters in one transaction.
const BATCH_LETTERS: usize = 20_000;

struct Order {
    directory: PathBuf,
    account: u32,
    messages: usize,
    mailboxes: usize,
    bytes: usize,
}

fn main() {
    let order = order();
    let mut account = Account::open(&order.directory, order.account)
        .unwrap_or_else(|error| panic!("{}: {error}", order.directory.display()));
    for mailbox in 0..order.mailboxes {
        fill(&mut account, &order, mailbox);
        if mailbox % 50 == 49 {
            account.opened.store.put_away(|_| false);
            println!("{} of {} mailboxes", mailbox + 1, order.mailboxes);
        }
    }
    account.leave();
    own(&order.directory);
}

/// Fills one mailbox: INBOX is the first.
fn fill(account: &mut Account, order: &Order, mailbox: usize) {
    let share = order.messages / order.mailboxes;
    let extra = order.messages % order.mailboxes;
    let first = share * mailbox + mailbox.min(extra);
    let end = first + share + usize::from(mailbox < extra);
    let (above, name) = (format!("f{}", mailbox / 100), format!("m{mailbox}"));
    let handle = match mailbox {
        0 => account.inbox(),
        _ => account.mailbox(&[&above, &name]),
    };
    let batch = (BATCH_BYTES / order.bytes.max(1)).clamp(1, BATCH_LETTERS);
    for from in (first..end).step_by(batch) {
        let letters = from..end.min(from + batch);
        let letters: Vec<_> = letters.map(|number| letter(number, order.bytes)).collect();
        account.append(&handle, &letters);
        account.keep_up(Urgency::Usual);
    }
}

/// A letter of a length, with what clients list.
fn letter(number: usize, bytes: usize) -> Vec<u8> {
    let mut letter = format!(
        "Return-Path: <sender{}@example.net>\r\n\
         From: Sender {} <sender{}@example.net>\r\n\
         To: Alice <alice@example.org>\r\n\
         Subject: Letter {number} about matter {}\r\n\
         Date: Tue, {} Nov 2023 22:13:20 +0000\r\n\
         Message-ID: <{number}@example.net>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
        number % 997,
        number % 997,
        number % 997,
        number % 211,
        number % 28 + 1,
    )
    .into_bytes();
    let mut word = number;
    while letter.len() + 2 < bytes {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let line = format!("{:016x} word{:04} lorem ipsum dolor\r\n", word, word % 5000);
        letter.extend_from_slice(line.as_bytes());
    }
    letter.truncate(bytes.max(2));
    let end = letter.len() - 2;
    letter[end..].copy_from_slice(b"\r\n");
    letter
}

/// Gives everything in a directory to its owner.
fn own(directory: &Path) {
    let owner = std::fs::metadata(directory).expect("the directory");
    let entries = std::fs::read_dir(directory).expect("the directory");
    for entry in entries {
        let entry = entry.expect("an entry");
        let path = entry.path();
        std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if entry.file_type().expect("its type").is_dir() {
            own(&path);
        }
    }
}

fn order() -> Order {
    let mut order = Order {
        directory: PathBuf::new(),
        account: 1,
        messages: 10_000,
        mailboxes: 10,
        bytes: 2000,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|value| value.parse().ok());
            value.unwrap_or_else(|| panic!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--account" => order.account = u32::try_from(number()).expect("an account's number"),
            "--messages" => order.messages = number(),
            "--mailboxes" => order.mailboxes = usize::max(number(), 1),
            "--bytes" => order.bytes = number(),
            directory => order.directory = directory.into(),
        }
    }
    order
}

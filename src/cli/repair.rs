//! `mailkeep repair`: the account's worker makes the best of its files, and this tells
//! what that was.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use crate::{amount, verify};
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::task::{Mend, Repairs};
use std::path::Path;

/// Make the best of an account's files; it opens afterwards, whatever happened
///
/// Ends the account's sessions. Everything that can't be brought back is told.
#[derive(Debug, Args)]
pub struct Repair {
    /// The account
    name: String,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

impl Repair {
    /// Asks, and tells what was mended.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(&self, socket: &Path) -> Result<(), Failure> {
        let mut admin = AdminSocket::connect(socket)?;
        admin.send(Request::Repair {
            name: bytes(&self.name)?,
        })?;
        let (mut mends, mut repairs) = (Vec::new(), Repairs::default());
        loop {
            match admin.answer()? {
                Answer::Working => {}
                Answer::Mends { mends: page } => mends.extend(page.into_vec()),
                Answer::Repaired { repairs: all } => repairs = all,
                Answer::Done => break,
                _ => return Err(Failure::OutOfOrder),
            }
        }
        self.tell(&mends, &repairs);
        Ok(())
    }

    fn tell(&self, mends: &[Mend], repairs: &Repairs) {
        if self.json {
            println!("{}", as_json(&self.name, mends, repairs));
            return;
        }
        mends.iter().for_each(|mend| println!("{}", as_line(mend)));
        println!("{}", summary(repairs));
    }
}

/// Names come from the account's files, which may hold anything.
fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn as_line(mend: &Mend) -> String {
    match mend {
        Mend::Lost { mailbox, uid } => {
            format!("lost: the letter of {} UID {uid}", text(mailbox.as_slice()))
        }
        Mend::Vanished { mailbox, letters } => format!(
            "lost: {} of {}, of which nothing is known",
            amount::of(*letters, "message"),
            text(mailbox.as_slice())
        ),
        Mend::Renumbered { mailbox, validity } => format!(
            "renumbered: {} has the UIDVALIDITY {validity} now",
            text(mailbox.as_slice())
        ),
        Mend::Recovered { mailbox, letters } => format!(
            "recovered to {}: {} that no index knew",
            text(mailbox.as_slice()),
            amount::of(*letters, "letter")
        ),
        Mend::Skipped { from, to } => {
            format!("skipped: the journal from LSN {from} to {to} can't be followed")
        }
        Mend::Manifest { number } => {
            format!("skipped: {} can't be used", verify::manifest(*number))
        }
    }
}

fn summary(repairs: &Repairs) -> String {
    let Repairs {
        mended,
        mailboxes,
        messages,
        lost,
        recovered,
    } = repairs;
    let there = format!(
        "{}, {}",
        amount::of(*mailboxes, "mailbox"),
        amount::of(*messages, "message")
    );
    let lost = amount::of(*lost, "letter");
    let letters = format!("{lost} lost or damaged, {recovered} recovered");
    match mended {
        false => format!("nothing was changed: {there}; {letters}"),
        true => format!("repaired: {there}; {letters}"),
    }
}

fn as_json(name: &str, mends: &[Mend], repairs: &Repairs) -> serde_json::Value {
    let mends: Vec<_> = mends.iter().map(mend_json).collect();
    serde_json::json!({
        "account": name,
        "mended": repairs.mended,
        "mends": mends,
        "totals": {
            "mailboxes": repairs.mailboxes,
            "messages": repairs.messages,
            "lost": repairs.lost,
            "recovered": repairs.recovered,
        },
    })
}

fn mend_json(mend: &Mend) -> serde_json::Value {
    let of = |mend: &str, mailbox: &[u8], key: &str, value: u64| {
        let mailbox = String::from_utf8_lossy(mailbox);
        serde_json::json!({ "mend": mend, "mailbox": mailbox, key: value })
    };
    match mend {
        Mend::Lost { mailbox, uid } => of("lost", mailbox.as_slice(), "uid", (*uid).into()),
        Mend::Vanished { mailbox, letters } => {
            of("vanished", mailbox.as_slice(), "letters", *letters)
        }
        Mend::Renumbered { mailbox, validity } => {
            let validity = (*validity).into();
            of("renumbered", mailbox.as_slice(), "uidvalidity", validity)
        }
        Mend::Recovered { mailbox, letters } => {
            of("recovered", mailbox.as_slice(), "letters", *letters)
        }
        Mend::Skipped { from, to } => {
            serde_json::json!({ "mend": "skipped", "from": from, "to": to })
        }
        Mend::Manifest { number } => {
            serde_json::json!({ "mend": "manifest", "file": verify::manifest(*number) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::Bytes;

    #[test]
    fn each_mend_is_one_line_and_no_name_leaves_it() {
        let mailbox = || Bytes::new("a\n\u{1b}b").unwrap();
        let mends = [
            Mend::Lost {
                mailbox: mailbox(),
                uid: 7,
            },
            Mend::Renumbered {
                mailbox: mailbox(),
                validity: 9,
            },
            Mend::Recovered {
                mailbox: mailbox(),
                letters: 3,
            },
            Mend::Vanished {
                mailbox: mailbox(),
                letters: 3,
            },
            Mend::Manifest { number: 10 },
        ];
        for mend in &mends {
            let line = as_line(mend);
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        assert!(as_line(&mends[4]).contains("manifest/000000000000000a.mf"));
    }

    #[test]
    fn what_was_not_changed_is_told_so() {
        let sound = Repairs {
            messages: 4,
            ..Repairs::default()
        };
        assert!(summary(&sound).starts_with("nothing was changed"));
        let mended = Repairs {
            mended: true,
            lost: 2,
            ..sound
        };
        assert!(summary(&mended).contains("2 letters lost"));
    }
}

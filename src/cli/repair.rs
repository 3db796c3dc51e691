//! `mailkeep repair`: the account's worker makes the best of its files, and this tells
//! what that was.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use crate::verify;
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
        Mend::Renumbered { mailbox, validity } => format!(
            "renumbered: {} has the UIDVALIDITY {validity} now",
            text(mailbox.as_slice())
        ),
        Mend::Recovered { mailbox, letters } => format!(
            "recovered: {letters} letters that no index knew are in {}",
            text(mailbox.as_slice())
        ),
        Mend::SetAside { place } => {
            format!("set aside: {} is kept in torn/", verify::file(*place))
        }
    }
}

fn summary(repairs: &Repairs) -> String {
    let Repairs {
        mended,
        mailboxes,
        messages,
        lost,
        renumbered,
        recovered,
        set_aside,
    } = repairs;
    let there = format!("{mailboxes} mailboxes, {messages} messages");
    match mended {
        false => format!("nothing had to be mended: {there}"),
        true => format!(
            "repaired: {there}; {lost} letters lost, {recovered} recovered, \
             {renumbered} mailboxes renumbered, {set_aside} files set aside"
        ),
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
            "renumbered": repairs.renumbered,
            "recovered": repairs.recovered,
            "set_aside": repairs.set_aside,
        },
    })
}

fn mend_json(mend: &Mend) -> serde_json::Value {
    let lossy = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    match mend {
        Mend::Lost { mailbox, uid } => {
            serde_json::json!({ "mend": "lost", "mailbox": lossy(mailbox.as_slice()), "uid": uid })
        }
        Mend::Renumbered { mailbox, validity } => serde_json::json!({
            "mend": "renumbered",
            "mailbox": lossy(mailbox.as_slice()),
            "uidvalidity": validity,
        }),
        Mend::Recovered { mailbox, letters } => serde_json::json!({
            "mend": "recovered",
            "mailbox": lossy(mailbox.as_slice()),
            "letters": letters,
        }),
        Mend::SetAside { place } => {
            serde_json::json!({ "mend": "set aside", "file": verify::file(*place) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::Bytes;
    use ipc::edge::verify::Place;

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
            Mend::SetAside {
                place: Place::Chunk { id: 10 },
            },
        ];
        for mend in &mends {
            let line = as_line(mend);
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        assert!(as_line(&mends[3]).contains("chunk/000000000000000a.ix"));
    }

    #[test]
    fn a_sound_account_had_nothing_to_mend() {
        let sound = Repairs {
            messages: 4,
            ..Repairs::default()
        };
        assert!(summary(&sound).starts_with("nothing had to be mended"));
        let mended = Repairs {
            mended: true,
            lost: 2,
            ..sound
        };
        assert!(summary(&mended).contains("2 letters lost"));
    }
}

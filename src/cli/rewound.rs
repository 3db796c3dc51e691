//! `mailkeep rewound`: the files of accounts were put back to an older state.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use std::io::{BufRead, Write};
use std::path::Path;

/// Accounts between two words of progress.
const PROGRESS_ACCOUNTS: usize = 100;

/// Say that accounts were put back to an older state (a restore, a snapshot)
///
/// Every mailbox gets a new UIDVALIDITY and all counters go far ahead, so that no
/// number is given a second time; clients fetch everything anew.
#[derive(Debug, Args)]
pub struct Rewound {
    /// The account
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Every account
    #[arg(long)]
    all: bool,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

impl Rewound {
    /// Asks whether that is wanted, and does it.
    ///
    /// # Errors
    /// What to tell the administrator.
    pub fn run(&self, socket: &Path) -> Result<(), String> {
        let mut admin = AdminSocket::connect(socket).map_err(|failure| failure.to_string())?;
        let whose = self.name.as_deref().unwrap_or("every account");
        if !self.yes && !confirmed(whose)? {
            return Err("nothing was changed".to_owned());
        }
        match &self.name {
            Some(name) => rewound(&mut admin, name).map_err(|failure| failure.to_string())?,
            None => all(&mut admin)?,
        }
        println!("done");
        Ok(())
    }
}

fn confirmed(whose: &str) -> Result<bool, String> {
    print!(
        "Every mailbox of {whose} gets a new UIDVALIDITY, and clients fetch all mail anew. \
         Type yes to go on: "
    );
    let mut line = String::new();
    std::io::stdout()
        .flush()
        .and_then(|()| std::io::stdin().lock().read_line(&mut line))
        .map_err(|error| error.to_string())?;
    Ok(line.trim_end() == "yes")
}

fn rewound(admin: &mut AdminSocket, name: &str) -> Result<(), Failure> {
    admin.ask(Request::Rewound { name: bytes(name)? })
}

/// One after the other: each may need its worker to be born. What fails is told and
/// doesn't keep the others.
fn all(admin: &mut AdminSocket) -> Result<(), String> {
    let names = names(admin).map_err(|failure| failure.to_string())?;
    let mut failed = 0;
    for (done, name) in (1_usize..).zip(&names) {
        if let Err(failure) = rewound(admin, name) {
            failed += 1;
            eprintln!("{}: {failure}", name.escape_debug());
        }
        if done % PROGRESS_ACCOUNTS == 0 {
            eprintln!("{done} of {} accounts", names.len());
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!(
            "{failed} accounts were not changed; the others were"
        )),
    }
}

fn names(admin: &mut AdminSocket) -> Result<Vec<String>, Failure> {
    admin.send(Request::UserList)?;
    let mut names = Vec::new();
    loop {
        match admin.answer()? {
            Answer::Accounts { accounts } => {
                let kept = accounts.into_vec().into_iter();
                let kept = kept.filter(|account| !account.deleting);
                names.extend(
                    kept.map(|one| String::from_utf8_lossy(one.name.as_slice()).into_owned()),
                );
            }
            Answer::Done => return Ok(names),
            _ => return Err(Failure::OutOfOrder),
        }
    }
}

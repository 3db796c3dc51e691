//! The mailboxes that are read: `big`, whose letters are of every kind, `huge`, which
//! holds it several times, and `resync`, which holds it once: Dovecot counts a mailbox's
//! changes from the first client on that asks for them, and is slower from then on. They
//! are filled once, and found again by a later run.

use crate::client::{Imap, number};
use crate::failed::Failed;
use crate::letters::{arrived, date, mixed};
use crate::scale::Scale;
use crate::server::{Over, Server};
use crate::users::BIG;

/// Letters of one MULTIAPPEND.
const BATCH: usize = 200;

/// Fills a server's mailboxes, as far as they aren't full.
///
/// # Errors
/// If it doesn't take them.
pub fn fill(server: &mut Server, scale: &Scale) -> Result<(), Failed> {
    if held(server, "resync")? == scale.big {
        return Ok(());
    }
    server.in_haste(|server| {
        let mut imap = server.login(BIG, Over::Clear)?;
        for mailbox in ["big", "huge", "resync"] {
            // What an interrupted run left is no measure of anything.
            let _ = imap.run(&format!("DELETE {mailbox}"));
            imap.run(&format!("CREATE {mailbox}"))?;
        }
        append(&mut imap, scale.big)?;
        mark(&mut imap, scale.big)?;
        for _ in 0..scale.copies {
            imap.run("COPY 1:* huge")?;
        }
        imap.run("COPY 1:* resync")?;
        imap.logout()
    })
}

fn held(server: &Server, mailbox: &str) -> Result<usize, Failed> {
    let mut imap = server.login(BIG, Over::Clear)?;
    let Ok(status) = imap.ask(&format!("STATUS {mailbox} (MESSAGES)")) else {
        return Ok(0);
    };
    imap.logout()?;
    let held = number(&status, "MESSAGES").unwrap_or(0);
    Ok(usize::try_from(held).unwrap_or(0))
}

fn append(imap: &mut Imap, count: usize) -> Result<(), Failed> {
    let letters: Vec<_> = (0..).zip(mixed().take(count)).collect();
    for batch in letters.chunks(BATCH) {
        let dated: Vec<_> = batch
            .iter()
            .map(|(number, letter)| (&**letter, Some(date::internal(arrived(*number)))))
            .collect();
        let tag = imap.append("big", &dated)?;
        imap.await_ok(&tag)?;
    }
    Ok(())
}

/// A third is seen, a tenth flagged.
fn mark(imap: &mut Imap, count: usize) -> Result<(), Failed> {
    imap.run("SELECT big")?;
    imap.run(&format!("STORE 1:{} +FLAGS.SILENT (\\Seen)", count / 3))?;
    imap.run(&format!("STORE 1:{} +FLAGS.SILENT (\\Flagged)", count / 10))?;
    Ok(())
}

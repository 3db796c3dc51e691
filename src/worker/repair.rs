//! Repair, as the worker has it done: below whatever is open, on the second thread.

use crate::clock;
use crate::task::{TaskChannel, tell as say};
use ipc::codec::{Bytes, List};
use ipc::edge::task::{MAILBOX_BYTES_MAX, Mend, PAGE_MENDS_MAX, Repairs, ToControl};
use ipc::{AccountId, identity};
use journal::disk::OsDisk;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use store::MailboxName;
use store::repair::{self, Orders, RepairError, Report};

/// Why nothing was repaired.
#[derive(Debug, PartialEq, Eq)]
pub enum Unrepaired {
    /// The kernel has no randomness, or no descriptor.
    Kernel(Errno),
    /// What the store says.
    Store(RepairError),
}

impl std::fmt::Display for Unrepaired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kernel(errno) => errno.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

/// Repairs the account in `root`. Waits for the disk, perhaps for hours.
///
/// # Errors
/// [`Unrepaired`]; it can be tried again.
pub fn repair(root: OwnedFd, account: AccountId) -> Result<Report, Unrepaired> {
    let writer = identity::random().map_err(Unrepaired::Kernel)?;
    let orders = Orders {
        account: store::AccountId(account.0),
        now_secs: clock::seconds(),
        writer: u64::from_le_bytes(writer),
    };
    let report = repair::repair(&OsDisk::new(root), &orders).map_err(Unrepaired::Store)?;
    let Report {
        mended,
        lost,
        recovered,
        ..
    } = report;
    tracing::warn!(mended, lost, recovered, "the account was repaired");
    Ok(report)
}

/// Tells `control` page by page; gives the last word back.
pub async fn tell(channel: &TaskChannel, report: Report) -> ToControl {
    let repairs = Repairs {
        mended: report.mended,
        mailboxes: report.mailboxes,
        messages: report.messages,
        lost: report.lost,
        recovered: report.recovered,
    };
    let mut mends = report.mends.into_iter().map(as_told);
    loop {
        let page: Vec<Mend> = mends.by_ref().take(PAGE_MENDS_MAX).collect();
        if page.is_empty() {
            return ToControl::Repaired { repairs };
        }
        let mends = List::new(page).unwrap_or_default();
        say(channel, ToControl::Mends { mends }).await;
    }
}

fn as_told(mend: repair::Mend) -> Mend {
    match mend {
        repair::Mend::Lost { mailbox, uid } => Mend::Lost {
            mailbox: text(&mailbox),
            uid: uid.get(),
        },
        repair::Mend::Vanished { mailbox, letters } => Mend::Vanished {
            mailbox: text(&mailbox),
            letters,
        },
        repair::Mend::Renumbered { mailbox, validity } => Mend::Renumbered {
            mailbox: text(&mailbox),
            validity: validity.get(),
        },
        repair::Mend::Recovered { mailbox, letters } => Mend::Recovered {
            mailbox: text(&mailbox),
            letters,
        },
        repair::Mend::Skipped { from, to } => Mend::Skipped {
            from: from.0,
            to: to.0,
        },
        repair::Mend::Manifest(number) => Mend::Manifest { number },
    }
}

/// No component holds a `/`, and together they are no longer than this may be.
fn text(mailbox: &MailboxName) -> Bytes<MAILBOX_BYTES_MAX> {
    Bytes::new(mailbox.components().join("/")).unwrap_or_default()
}

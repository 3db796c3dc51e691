//! `mailkeep-verify`: an independent reader of one account.
//!
//! **Duty.** Reads an account's files, which its worker holds in place
//! meanwhile, and tells what is wrong with them: every CRC, every letter's
//! SHA-256, every invariant of docs/store-format.md. It was written from that
//! text, and shares no line with the store whose work it judges.
//!
//! **Trusts** `broker`, for whose account this is; the kernel. No byte below its
//! root.
//!
//! **Is trusted by** the administrator, when it finds nothing.
//!
//! **If taken over**, by an account's files: they can be read, and false numbers
//! told to `control`. There is no system call with which it could change a file,
//! no other file below its root, no network.
//!
//! It links neither `store` nor `journal`, and no parser of mail.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod annotations;
mod audit;
mod birth;
mod check;
mod chunk;
mod compare;
mod directory;
mod entry;
mod fields;
mod header;
mod index;
mod journal;
mod letters;
mod manifest;
mod model;
mod name;
mod pack;
mod record;
mod replay;
mod report;
mod sealed;
mod state;
mod teller;
mod transaction;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod trial;

use directory::OsDirectory;
use ipc::Channel;
use ipc::edge::verify::ToControl;
use sandbox::Entered;
use std::process::ExitCode;
use teller::Teller;

/// The pair that `control` made for this check.
const CONTROL: i32 = 3;

/// Where `broker` has left the birth record.
const BIRTH: i32 = 4;

/// It could not be born, or nobody listened (EX_IOERR, sysexits.h).
const FAILED: u8 = 74;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::VERIFY) {
        Ok(entered) => run(&entered).unwrap_or(ExitCode::from(FAILED)),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

/// From confinement to the end. `None`: it could not be born, or told nobody.
fn run(entered: &Entered) -> Option<ExitCode> {
    let channel = Channel::adopt(entered.descriptor(CONTROL)?).ok()?;
    let held = birth::receive(entered.descriptor(BIRTH)?).ok()?;
    let directory = OsDirectory::of_the_process().ok()?;
    let mut teller = Teller::new(channel);
    teller.tell(check::begun(&directory, held)).ok()?;
    let totals = check::check(&directory, held, &mut teller);
    teller.tell(ToControl::Done { totals }).ok()?;
    Some(ExitCode::SUCCESS)
}

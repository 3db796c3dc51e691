//! Debian's Dovecot 2.3 from bench/dovecot.conf: sdbox, default durability, and nothing
//! of the machine's own configuration, mail or users.

use super::{Durable, Home, IMAP, IMAPS, Kind, LMTP};
use crate::failed::Failed;
use std::os::unix::fs::chown;
use std::process::Command;

/// Debian's place for the program.
const PROGRAM: &str = "/usr/sbin/dovecot";

/// An unprivileged user that every Debian has, whose the mail is.
const NOBODY: u32 = 65534;

const TEMPLATE: &str = include_str!("../dovecot.conf");

/// The command that starts it.
pub(super) fn program(home: &Home, kind: Kind, durable: Durable) -> Result<Command, Failed> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failed::World("Dovecot is started by root".to_owned()));
    }
    let mail = home.at("mail");
    std::fs::create_dir_all(&mail).map_err(Failed::doing("making Dovecot's mail"))?;
    chown(&mail, Some(NOBODY), Some(NOBODY)).map_err(Failed::doing("Dovecot's mail"))?;
    if !home.at("users").exists() {
        home.write("users", "")?;
    }
    let configuration = home.write("dovecot.conf", &configuration(home, kind, durable))?;
    let mut command = Command::new(PROGRAM);
    command.arg("-F").arg("-c").arg(configuration);
    Ok(command)
}

fn configuration(home: &Home, kind: Kind, durable: Durable) -> String {
    let reuses = kind == Kind::DovecotReusing;
    let (clients, waiting) = if reuses { ("0", "2") } else { ("1", "0") };
    let sync = match durable {
        Durable::Yes => "optimized",
        Durable::No => "never",
    };
    let blanks = [
        ("DIRECTORY", home.path.display().to_string()),
        ("ADDRESS", home.address.to_string()),
        ("IMAP", IMAP.to_string()),
        ("IMAPS", IMAPS.to_string()),
        ("LMTP", LMTP.to_string()),
        ("MAIL", NOBODY.to_string()),
        ("CLIENTS", clients.to_owned()),
        ("WAITING", waiting.to_owned()),
        ("SYNC", sync.to_owned()),
    ];
    let mut text = TEMPLATE.to_owned();
    for (blank, value) in blanks {
        text = text.replace(&format!("@{blank}@"), &value);
    }
    text
}

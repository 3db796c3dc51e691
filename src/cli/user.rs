//! `mailkeep user …`: accounts, over the admin socket.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use crate::passwd_file::{self, Line};
use clap::{Args, Subcommand};
use ipc::Secret;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_auth::{Account, Credential};
use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Requests sent ahead of their answers during an import: what `control` takes at
/// once, so that `auth` can commit many together.
const AHEAD_MAX: usize = 48;

/// Lines between two words of progress.
const PROGRESS_LINES: usize = 1_000;

/// Accounts.
#[derive(Debug, Args)]
pub struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account; the password is asked for, or read from standard input
    Add {
        /// local@domain; a bare name gets the default domain
        name: String,
    },
    /// Set an account's password, and end its sessions
    Passwd {
        /// The account
        name: String,
    },
    /// Show all accounts
    List {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Delete an account and all its mail
    Delete {
        /// The account
        name: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse an account's logins and deliveries for the time being
    Disable {
        /// The account
        name: String,
    },
    /// Undo `disable`
    Enable {
        /// The account
        name: String,
    },
    /// End all sessions of an account
    Kick {
        /// The account
        name: String,
    },
    /// Give an account a further address, or (`@domain`) all that no other has
    Alias {
        /// The account
        name: String,
        /// The address
        address: String,
    },
    /// Take a further address away
    Unalias {
        /// The address
        address: String,
    },
    /// Add the accounts of a Dovecot passwd-file
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
}

/// Why a command failed.
#[derive(Debug)]
pub enum Error {
    /// Mailkeep said no, or nothing.
    Admin(Failure),
    /// The password could not be read, or the two differ.
    Password(String),
    /// A file could not be read.
    File(PathBuf, std::io::Error),
    /// Some lines of an import were not taken; they were told one by one.
    Import(usize),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Admin(failure)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Admin(failure) => failure.fmt(f),
            Self::Password(why) => f.write_str(why),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Import(failed) => write!(f, "{failed} lines were not imported; the others were"),
        }
    }
}

impl User {
    /// Carries the command out.
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&self, socket: &Path) -> Result<(), Error> {
        let mut admin = AdminSocket::connect(socket)?;
        match &self.action {
            Action::Add { name } => {
                let request = Request::UserAdd {
                    name: bytes(name)?,
                    credential: new_password()?,
                };
                done(&mut admin, request)
            }
            Action::Passwd { name } => {
                let request = Request::UserPassword {
                    name: bytes(name)?,
                    credential: new_password()?,
                };
                done(&mut admin, request)
            }
            Action::List { json } => list(&mut admin, *json),
            Action::Delete { name, yes } => delete(&mut admin, name, *yes),
            Action::Disable { name } => done(
                &mut admin,
                Request::UserDisable {
                    name: bytes(name)?,
                    disabled: true,
                },
            ),
            Action::Enable { name } => done(
                &mut admin,
                Request::UserDisable {
                    name: bytes(name)?,
                    disabled: false,
                },
            ),
            Action::Kick { name } => done(&mut admin, Request::Kick { name: bytes(name)? }),
            Action::Alias { name, address } => done(
                &mut admin,
                Request::AliasAdd {
                    name: bytes(name)?,
                    alias: bytes(address)?,
                },
            ),
            Action::Unalias { address } => done(
                &mut admin,
                Request::AliasRemove {
                    alias: bytes(address)?,
                },
            ),
            Action::Import { file } => import(&mut admin, file),
        }
    }
}

fn done(admin: &mut AdminSocket, request: Request) -> Result<(), Error> {
    admin.ask(request)?;
    println!("done");
    Ok(())
}

/// Asked for twice at a terminal; otherwise the first line of standard input.
fn new_password() -> Result<Credential, Error> {
    let password = if std::io::stdin().is_terminal() {
        ask_twice()?
    } else {
        first_line()?
    };
    if password.is_empty() {
        return Err(Error::Password("an empty password is not taken".to_owned()));
    }
    let password = Secret::new(password.into_bytes());
    let password = password
        .map_err(|_| Error::Password("the password is longer than 1,024 bytes".to_owned()))?;
    Ok(Credential::Password { password })
}

fn ask_twice() -> Result<String, Error> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt).map_err(|error| Error::Password(error.to_string()))
    };
    let password = ask("New password: ")?;
    if ask("Again: ")? == password {
        Ok(password)
    } else {
        Err(Error::Password("the two differ".to_owned()))
    }
}

fn first_line() -> Result<String, Error> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::Password(error.to_string()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn list(admin: &mut AdminSocket, json: bool) -> Result<(), Error> {
    admin.send(Request::UserList)?;
    let mut accounts = Vec::new();
    loop {
        match admin.answer()? {
            Answer::Accounts { accounts: page } => accounts.extend(page.into_vec()),
            Answer::Done => break,
            _ => return Err(Failure::OutOfOrder.into()),
        }
    }
    if json {
        println!(
            "{}",
            serde_json::Value::Array(accounts.iter().map(as_json).collect())
        );
    } else {
        accounts
            .iter()
            .for_each(|account| println!("{}", as_line(account)));
    }
    Ok(())
}

/// Names are checked by `auth` to hold no control characters, but what goes to a
/// terminal is escaped all the same.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

fn scheme(number: u8) -> &'static str {
    match number {
        1 => "ARGON2ID",
        2 => "BLF-CRYPT",
        3 => "SHA512-CRYPT",
        4 => "SSHA512",
        5 => "PBKDF2",
        _ => "unknown",
    }
}

fn state(account: &Account) -> &'static str {
    match (account.deleting, account.disabled) {
        (true, _) => "deleting",
        (false, true) => "disabled",
        (false, false) => "active",
    }
}

fn as_line(account: &Account) -> String {
    let aliases: Vec<String> = account
        .aliases
        .as_slice()
        .iter()
        .map(|alias| text(alias.as_slice()))
        .collect();
    let name = text(account.name.as_slice());
    format!(
        "{:>10}  {:<8}  {:<12}  {name}  {}",
        account.id.0,
        state(account),
        scheme(account.scheme),
        aliases.join(" ")
    )
}

fn as_json(account: &Account) -> serde_json::Value {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let aliases: Vec<String> = account
        .aliases
        .as_slice()
        .iter()
        .map(|alias| lossy(alias.as_slice()))
        .collect();
    serde_json::json!({
        "id": account.id.0,
        "name": lossy(account.name.as_slice()),
        "aliases": aliases,
        "state": state(account),
        "scheme": scheme(account.scheme),
    })
}

fn delete(admin: &mut AdminSocket, name: &str, yes: bool) -> Result<(), Error> {
    if !yes && !confirmed(name)? {
        return Err(Error::Password("nothing was deleted".to_owned()));
    }
    done(admin, Request::UserDelete { name: bytes(name)? })
}

fn confirmed(name: &str) -> Result<bool, Error> {
    print!("This deletes all mail of {name}. Type the name again to go on: ");
    std::io::stdout()
        .flush()
        .map_err(|error| Error::Password(error.to_string()))?;
    Ok(first_line()? == name)
}

fn import(admin: &mut AdminSocket, file: &Path) -> Result<(), Error> {
    let unreadable = |error| Error::File(file.to_owned(), error);
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(
            std::fs::File::open(file).map_err(unreadable)?,
        ))
    };
    let mut importing = Importing {
        admin,
        ahead: VecDeque::new(),
        added: 0,
        failed: 0,
    };
    for (number, line) in passwd_file::lines(reader).enumerate() {
        importing.take(number + 1, line.map_err(unreadable)?)?;
        if (number + 1) % PROGRESS_LINES == 0 {
            eprintln!(
                "{} lines read, {} accounts added",
                number + 1,
                importing.added
            );
        }
    }
    importing.finish()
}

/// An import under way: which lines wait for their answers.
struct Importing<'a> {
    admin: &'a mut AdminSocket,
    ahead: VecDeque<(usize, String)>,
    added: usize,
    failed: usize,
}

impl Importing<'_> {
    fn take(
        &mut self,
        number: usize,
        line: Result<Line, passwd_file::BadLine>,
    ) -> Result<(), Error> {
        match line {
            Ok(Line::Nothing) => {}
            Ok(Line::Account { name, verifier }) => {
                let credential = Credential::Hashed { verifier };
                self.admin.send(Request::UserAdd {
                    name: bytes(&name)?,
                    credential,
                })?;
                self.ahead.push_back((number, name));
            }
            Err(bad) => self.report(number, &bad.to_string()),
        }
        while self.ahead.len() > AHEAD_MAX {
            self.settle()?;
        }
        Ok(())
    }

    /// Takes the answer to the oldest line that waits.
    fn settle(&mut self) -> Result<(), Error> {
        let Some((number, name)) = self.ahead.pop_front() else {
            return Ok(());
        };
        match self.admin.answer() {
            Ok(Answer::Done) => self.added += 1,
            Ok(_) => return Err(Failure::OutOfOrder.into()),
            Err(Failure::Refused(refusal)) => {
                let why = Failure::Refused(refusal).to_string();
                self.report(number, &format!("{}: {why}", name.escape_debug()));
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    fn report(&mut self, number: usize, why: &str) {
        self.failed += 1;
        eprintln!("line {number}: {why}");
    }

    fn finish(mut self) -> Result<(), Error> {
        while !self.ahead.is_empty() {
            self.settle()?;
        }
        println!("{} accounts added", self.added);
        if self.failed == 0 {
            Ok(())
        } else {
            Err(Error::Import(self.failed))
        }
    }
}

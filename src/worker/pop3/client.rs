//! The client of one session: what it says, what it is told, and what it must be
//! told to end.

use super::{End, Handed};
use crate::account::{Account, Orders};
use crate::input::Input;
use crate::output::Output;
use crate::pace::Pace;
use crate::socket::Socket;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;
use store::Principal;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::pop3::response::{self, Code};
use wire::pop3::{Command, Reader, Refusal};
use wire::{Mechanism, Text};

/// How long a client may say nothing: the least that RFC 1939, section 3, allows.
/// A session has no reason to wait.
pub const SILENCE_MAX: Duration = Duration::from_secs(600);

/// How long a last word may take to be written.
const LAST_WORD_WAIT_MAX: Duration = Duration::from_secs(5);

/// What the client has said.
pub type Heard = Result<Command, Refusal>;

/// See the module.
pub struct Client {
    account: Rc<Account>,
    out: Output,
    input: Input,
    reader: Reader,
    orders: watch::Receiver<Orders>,
    handed: Handed,
    pace: Pace,
    heard_last: Instant,
}

impl Client {
    /// A client that was handed over.
    pub fn new(account: Rc<Account>, socket: Socket, mut handed: Handed) -> Self {
        Self {
            orders: account.orders(),
            out: Output::new(socket),
            input: Input::new(std::mem::take(&mut handed.leftover)),
            reader: Reader::new(),
            handed,
            pace: Pace::new(),
            heard_last: Instant::now(),
            account,
        }
    }

    /// The account that this client is in.
    pub fn account(&self) -> &Rc<Account> {
        &self.account
    }

    /// Who acts, as the store knows them.
    pub fn principal(&self) -> Principal {
        let principal = self.handed.principal;
        match principal == self.account.id() {
            true => Principal::Owner,
            false => Principal::Account(store::AccountId(principal.0)),
        }
    }

    /// Whether the client takes letters with headers in UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.handed.utf8
    }

    /// The SASL mechanisms that the client was offered. Names that we don't know are
    /// none, so that nothing but these comes to be said.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        let names = self.handed.mechanisms.split(|byte| *byte == b' ');
        let offered = names.map(Mechanism::named);
        offered.filter(|one| *one != Mechanism::Unknown).collect()
    }

    /// Where answers go.
    pub fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// It was done.
    pub fn ok(&mut self, text: &dyn Display) {
        response::ok(self.out.buffer(), &Text::from(text));
    }

    /// It was not done.
    pub fn err(&mut self, code: Option<Code>, text: &'static str) {
        response::err(self.out.buffer(), code, &Text::new(text));
    }

    /// The next thing that the client says. All answers leave before it waits.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn hear(&mut self) -> Result<Heard, End> {
        // A long answer is no silence of the client's; a part of a command is.
        self.heard_last = Instant::now();
        loop {
            self.pause().await?;
            self.check_orders()?;
            let reader = &mut self.reader;
            match self.input.advance(|rest| reader.advance(rest)) {
                Some(heard) => return Ok(heard),
                None => self.wait().await?,
            }
        }
    }

    /// Writes what has gathered, if that is much, and lets others run if it is time
    /// to; a session whose client has gone then stops, whatever it was doing.
    ///
    /// # Errors
    /// [`End::Lost`].
    pub async fn pause(&mut self) -> Result<(), End> {
        self.out.relieve().await?;
        if self.pace.breathe().await && self.out.client_is_gone().await {
            return Err(End::Lost(crate::output::Lost::Gone));
        }
        Ok(())
    }

    /// The last words, as far as there are any, and as far as they are heard. Who
    /// waits for an answer takes them for it, so they are no `+OK`.
    pub async fn part(&mut self, end: &End) {
        if let Some((code, text)) = last_words(end) {
            self.err(Some(code), text);
        }
        if !matches!(end, End::Lost(_) | End::Torn) {
            let _ = tokio::time::timeout(LAST_WORD_WAIT_MAX, self.out.flush()).await;
        }
    }

    /// Waits until the client has said something, or the worker has changed its
    /// orders.
    async fn wait(&mut self) -> Result<(), End> {
        self.out.flush().await?;
        self.out.rest();
        tokio::select! {
            filled = self.input.fill(self.out.socket()) => Ok(filled?),
            _ = self.orders.changed() => Ok(()),
            () = tokio::time::sleep_until(self.heard_last + SILENCE_MAX) => Err(End::Silent),
        }
    }

    fn check_orders(&mut self) -> Result<(), End> {
        let orders = *self.orders.borrow_and_update();
        if self.handed.epoch < orders.epoch {
            Err(End::Revoked)
        } else if orders.leaving {
            Err(End::Leaving)
        } else {
            Ok(())
        }
    }
}

/// What is said at an end, in words that help. Of silence nothing is said (RFC 1939,
/// section 3).
fn last_words(end: &End) -> Option<(Code, &'static str)> {
    match end {
        End::Quit | End::Lost(_) | End::Silent | End::NoMaildrop | End::Torn => None,
        End::Leaving => Some((Code::SysTemp, "The server restarts; connect again")),
        End::Revoked => Some((
            Code::SysPerm,
            "The account's password or standing has changed; log in again",
        )),
        End::MaildropGone => Some((Code::SysPerm, "The maildrop is no longer yours to read")),
        End::LeftBehind => Some((
            Code::SysTemp,
            "Too much has changed in the maildrop; connect again",
        )),
    }
}

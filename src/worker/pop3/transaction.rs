//! The TRANSACTION state (RFC 1939, section 5).

use super::End;
use super::client::{Client, Heard};
use super::maildrop::{Maildrop, Message};
use super::update::Update;
use store::Refusal;
use wire::pop3::response::{self, Code};
use wire::pop3::{Command, Number};

/// See the module.
#[derive(Debug)]
pub struct Transaction {
    pub(super) maildrop: Maildrop,
}

/// The state after a command.
pub enum Next {
    /// The same.
    Transaction(Transaction),
    /// The client has said QUIT.
    Update(Update),
}

impl Transaction {
    /// Opens the maildrop, and answers the command that authenticated.
    ///
    /// # Errors
    /// [`End::NoMaildrop`]: the client has been told.
    pub async fn begin(client: &mut Client) -> Result<Self, End> {
        let principal = client.principal();
        let account = client.account().clone();
        match Maildrop::open(&account, &principal).await {
            Ok(maildrop) => {
                client.ok(&"Logged in");
                Ok(Self { maildrop })
            }
            Err(refusal) => {
                let (code, text) = no_maildrop(refusal);
                client.err(Some(code), text);
                Err(End::NoMaildrop)
            }
        }
    }

    /// Does one command.
    pub async fn obey(mut self, client: &mut Client, heard: Heard) -> Result<Next, End> {
        match heard {
            Err(why) => response::refused(client.out().buffer(), why),
            Ok(Command::Quit) => return Ok(Next::Update(Update::of(self.maildrop))),
            Ok(Command::Stat) => self.stat(client).await?,
            Ok(Command::List(None)) => self.list(client).await?,
            Ok(Command::List(Some(number))) => self.list_one(client, number).await?,
            Ok(Command::Uidl(None)) => self.uidl(client).await?,
            Ok(Command::Uidl(Some(number))) => self.uidl_one(client, number)?,
            Ok(Command::Retr(number)) => self.retrieve(client, number, None).await?,
            Ok(Command::Top { message, lines }) => {
                self.retrieve(client, message, Some(lines)).await?;
            }
            Ok(Command::Dele(number)) => self.mark(client, number)?,
            Ok(Command::Rset) => self.reset(client),
            Ok(Command::Noop) => client.ok(&"Nothing done"),
            Ok(Command::Capa) => client.capa(),
            Ok(Command::Lang(range)) => client.lang(range.as_ref()),
        }
        Ok(Next::Transaction(self))
    }

    /// The message that a command names; without one the client has been told why.
    pub(super) fn named(
        &self,
        client: &mut Client,
        number: Number,
    ) -> Result<Option<Message>, End> {
        let message = self.maildrop.message(client.account(), number)?;
        Ok(match message {
            Ok(message) => Some(message),
            Err(absent) => {
                client.err(None, absent.text());
                None
            }
        })
    }

    /// DELE.
    fn mark(&mut self, client: &mut Client, number: Number) -> Result<(), End> {
        if let Some(message) = self.named(client, number)? {
            self.maildrop.marks.set(message.number);
            client.ok(&format_args!("Message {} deleted", message.number));
        }
        Ok(())
    }

    /// RSET. What others have removed doesn't come back.
    fn reset(&mut self, client: &mut Client) {
        self.maildrop.marks.clear();
        client.ok(&"No message is marked");
    }
}

/// Why there is no maildrop. That one may not be seen and that there is none are one
/// answer.
fn no_maildrop(refusal: Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::NoSuchMailbox | Refusal::NoRight => {
            (Code::SysPerm, "There is no maildrop here for you")
        }
        Refusal::NotLoaded => (
            Code::SysPerm,
            "The maildrop's index is damaged; the administrator must run mailkeep repair",
        ),
        _ => (Code::SysTemp, "The maildrop can't be opened now; try again"),
    }
}

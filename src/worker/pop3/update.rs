//! The UPDATE state (RFC 1939, section 6): QUIT, and nothing else, removes what is
//! marked.

use super::End;
use super::client::Client;
use super::maildrop::Maildrop;
use store::{RANGES_MAX, Refusal};
use wire::pop3::response::Code;

/// See the module.
#[derive(Debug)]
pub struct Update {
    maildrop: Maildrop,
}

impl Update {
    /// The client has said QUIT.
    pub fn of(maildrop: Maildrop) -> Self {
        Self { maildrop }
    }

    /// Removes what is marked, and says `+OK` when none of it is there any more, on
    /// the disk.
    pub async fn run(self, client: &mut Client) -> End {
        match self.remove(client).await {
            Ok(Ok(())) => client.ok(&"Bye"),
            Ok(Err(refusal)) => {
                let (code, text) = kept(refusal);
                client.err(Some(code), text);
            }
            Err(end) => return end,
        }
        End::Quit
    }

    /// One transaction, unless what is marked lies so scattered that it takes
    /// several. What somebody else has removed meanwhile is removed.
    async fn remove(&self, client: &mut Client) -> Result<Result<(), Refusal>, End> {
        let account = client.account().clone();
        let handle = *self.maildrop.handle();
        let mut from = Some(1);
        while let Some(first) = from {
            let (ranges, next) = self.maildrop.marked_from(&account, first, RANGES_MAX)?;
            from = next;
            if ranges.is_empty() {
                continue;
            }
            let removed = account.change(|store| store.remove(&handle, &ranges));
            match removed.await {
                Ok(_) | Err(Refusal::NothingToDo) => {}
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(()))
    }
}

/// Why some of what was marked is still there.
fn kept(refusal: Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::NoRight | Refusal::NoSuchMailbox => (
            Code::SysPerm,
            "Some deleted messages not removed: you have no right to",
        ),
        _ => (
            Code::SysTemp,
            "Some deleted messages not removed; try again",
        ),
    }
}

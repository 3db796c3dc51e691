//! IDLE (RFC 2177, RFC 9051 §6.3.13): the session sleeps and is woken by any
//! change in the account; what concerns it, it sees at a glance.

use super::answer::Answer;
use super::client::{Client, Heard};
use super::selected::Selected;
use super::view::Expunges;
use super::{End, State};
use wire::imap::Tag;

impl Selected {
    /// Tells what happens until the client says DONE.
    pub async fn idle(mut self: Box<Self>, client: &mut Client, tag: &Tag) -> Result<State, End> {
        client.ask_for_more().await?;
        loop {
            let account = client.account().clone();
            // Listens before it looks, so that nothing falls in between.
            let changed = account.changed();
            self.tell_news(client, Expunges::Told, false).await?;
            client.tell_elsewhere(Some(self.handle().id())).await?;
            client.tell_annotated(None).await?;
            match client.hear_or(changed).await? {
                None => {}
                Some(Heard::IdleDone) => break,
                // Something else than DONE was refused and answered already.
                Some(_) => return Ok(State::Selected(self)),
            }
        }
        self.tell_news(client, Expunges::Told, false).await?;
        let mut answer = Answer::ok("Idled");
        self.settle(client, Some(&mut answer))?;
        client.answer(tag, &answer).await?;
        Ok(State::Selected(self))
    }
}

impl Client {
    /// IDLE without a mailbox: there is nothing to tell but of annotations, and what
    /// NOTIFY has asked for.
    pub async fn idle_without_mailbox(&mut self, tag: &Tag) -> Result<(), End> {
        self.ask_for_more().await?;
        loop {
            let account = self.account().clone();
            // Listens before it looks, so that nothing falls in between.
            let changed = account.changed();
            self.tell_elsewhere(None).await?;
            self.tell_annotated(None).await?;
            match self.hear_or(changed).await? {
                None => {}
                Some(Heard::IdleDone) => break,
                // Something else than DONE was refused and answered already.
                Some(_) => return Ok(()),
            }
        }
        self.answer(tag, &Answer::ok("Idled")).await
    }
}

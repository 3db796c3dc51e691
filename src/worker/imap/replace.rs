//! REPLACE and UID REPLACE (RFC 8508): a letter comes in the place of another, as one
//! change: nobody ever sees both, or neither.

use super::answer::Answer;
use super::append::{self, Gathered};
use super::client::Client;
use super::expunge::read_only;
use super::search::of_uids;
use super::selected::Selected;
use super::uid_only;
use super::view::Expunges;
use super::{End, State};
use crate::arrival::{self, Item, NotKept, Replaced};
use store::{MailboxHandle, Refusal};
use wire::imap::response::Code;
use wire::imap::{AppendBegin, Replaces};

/// Takes the letter of one command in; only while a mailbox is selected.
pub async fn replace(client: &mut Client, state: State, begin: AppendBegin) -> Result<State, End> {
    match (state, begin.replaces.clone()) {
        (State::Selected(selected), Some(replaces))
            if replaces.uid || !client.enabled().uidonly =>
        {
            selected.replace(client, begin, &replaces).await
        }
        (state, _) => {
            client.refuse_append();
            let answer = match state {
                State::Selected(_) => uid_only::refusal(),
                State::Authenticated(_) => Answer::bad("Select a mailbox first"),
            };
            client.answer(&begin.tag, &answer).await?;
            Ok(state)
        }
    }
}

impl Selected {
    /// Takes a letter in, and removes the one that it replaces.
    async fn replace(
        mut self: Box<Self>,
        client: &mut Client,
        begin: AppendBegin,
        replaces: &Replaces,
    ) -> Result<State, End> {
        let tag = begin.tag.clone();
        client.begin(&tag);
        self.check_view(client)?;
        let mut answer = self.put_in_place(client, begin, replaces).await?;
        let announced = self.tell_news(client, Expunges::Told, replaces.uid).await;
        let announced = announced.and_then(|()| self.settle(client, answer.as_mut()));
        if let Some(answer) = answer {
            client.answer(&tag, &answer).await?;
        }
        announced.map(|()| State::Selected(self))
    }

    /// The answer, unless the client has it already.
    async fn put_in_place(
        &mut self,
        client: &mut Client,
        begin: AppendBegin,
        replaces: &Replaces,
    ) -> Result<Option<Answer>, End> {
        let found = self.replaced(client, replaces).and_then(|replaced| {
            let target = client.target(&begin.mailbox);
            let target = target.map_err(|refusal| Answer::from(NotKept::Refused(refusal)))?;
            Ok((replaced, target))
        });
        let (replaced, target) = match found {
            Ok(found) => found,
            Err(answer) => {
                client.refuse_append();
                return Ok(Some(answer));
            }
        };
        match append::gather(client, begin, Some(replaced.bytes)).await? {
            Gathered::All(items) => Ok(Some(self.keep(client, &target, items, replaced).await)),
            Gathered::NotKept(why) => {
                client.refuse_append();
                Ok(Some(Answer::from(why)))
            }
            Gathered::Refused => Ok(None),
        }
    }

    async fn keep(
        &mut self,
        client: &mut Client,
        target: &MailboxHandle,
        items: Vec<Item>,
        replaced: Replaced,
    ) -> Answer {
        match arrival::keep(client.account(), target, items, Some(replaced)).await {
            Ok(placed) => {
                self.heard.gone = true;
                client.made(target.id(), &of_uids(placed.iter().map(|place| place.uid)));
                let code = append::append_uid(&placed);
                if let Some(code) = code.filter(|_| client.may_know_uids(target)) {
                    // Before EXPUNGE (RFC 8508 §4.3).
                    client.remark(&code, "The replacement is kept");
                }
                Answer::ok("Replaced")
            }
            Err(NotKept::Refused(Refusal::NothingToDo)) => gone(),
            Err(why) => Answer::from(why),
        }
    }

    /// The message that is meant. Refused before the client sends another, if it waits
    /// to be asked.
    fn replaced(&self, client: &Client, replaces: &Replaces) -> Result<Replaced, Answer> {
        if self.is_read_only() {
            return Err(read_only());
        }
        let meant = self.meant(client, &replaces.message, replaces.uid)?;
        let store = client.account().store();
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        let uid = meant.ranges.first().ok_or_else(gone)?.first;
        let entry = messages.get(uid).ok_or_else(gone)?;
        Ok(Replaced {
            mailbox: *self.handle(),
            uid,
            bytes: u64::from(entry.size()),
        })
    }
}

fn gone() -> Answer {
    Answer::no(
        Code::ExpungeIssued,
        "The message that is to be replaced is gone; nothing was kept",
    )
}

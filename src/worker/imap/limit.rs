//! MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command may take, if the
//! administrator has set a limit.
//!
//! The limit is what it was when the session began: so its client was told. A command that
//! means more takes those with the highest UIDs, and says how far down it
//! came: the client goes on below. COPY, which is all or nothing, takes none. EXPUNGE and
//! CLOSE have no limit (RFC 9738 §3.1), nor has what the server does of its own accord.

use super::answer::Answer;
use super::client::Client;
use super::messages::Meant;
use super::selected::Selected;
use store::{Messages, Uid};
use wire::Text;
use wire::imap::response::{self, Capability, Code};
use wire::imap::{PartialRange, SequenceSet, Status};

/// Why less was done than was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    limit: u32,
    /// The lowest that was, or would be, processed.
    lowest: Uid,
}

impl Cut {
    /// A command was cut off at the lowest of so many.
    pub fn new(limit: u32, lowest: Uid) -> Self {
        Self { limit, lowest }
    }

    /// The answer to a command that takes all or nothing.
    pub fn refusal(self) -> Answer {
        let (limit, lowest) = (self.limit, Some(self.lowest.get()));
        Answer::no(
            Code::MessageLimit { limit, lowest },
            "Too many messages for one command; name fewer",
        )
    }

    /// What is said of a command that took some.
    fn said(self) -> (Code, &'static str) {
        let (limit, lowest) = (self.limit, Some(self.lowest.get()));
        (
            Code::MessageLimit { limit, lowest },
            "There are more; go on below the lowest",
        )
    }
}

impl Client {
    /// What is announced of the limits.
    pub fn message_limit(&self) -> Option<Capability> {
        let limits = self.messages_max;
        let saves = limits.per_copy.map(Capability::SaveLimit);
        limits.per_command.map(Capability::MessageLimit).or(saves)
    }

    /// Messages that any command may take.
    pub fn per_command(&self) -> Option<u32> {
        self.messages_max.per_command
    }

    /// Messages that a COPY may take.
    pub fn per_copy(&self) -> Option<u32> {
        let limits = self.messages_max;
        limits.per_command.or(limits.per_copy)
    }

    /// The answer to a command that was cut. Where the answer has something else to say
    /// that a client acts upon, that there was a cut is said before (RFC 9738 §3.1).
    pub fn cut_answer(&mut self, answer: Answer, cut: Option<Cut>) -> Answer {
        match cut.map(Cut::said) {
            None => answer,
            Some((code, text)) if answer.status == Status::Ok && answer.is_bare() => {
                Answer::ok_with(Some(code), text)
            }
            Some((code, text)) => {
                let out = self.out().buffer();
                response::untagged(out, Status::No, Some(&code), &Text::new(text));
                answer
            }
        }
    }
}

impl Meant {
    /// The newest so many, and whether that leaves any out.
    pub fn newest(self, limit: Option<u32>, messages: &Messages<'_>) -> (Self, Option<Cut>) {
        let Some(limit) = limit.filter(|limit| self.count(messages) > *limit as usize) else {
            return (self, None);
        };
        let newest = PartialRange::last(limit).map(|page| self.page(page, messages));
        let newest = newest.unwrap_or(self);
        let lowest = newest.ranges.first().map(|range| range.first);
        let cut = lowest.map(|lowest| Cut::new(limit, lowest));
        (newest, cut)
    }
}

impl Selected {
    /// What a FETCH shows: what it means, or a page of that, and no more than one command
    /// may take. A page that may be longer is refused as it is: its client has said how
    /// many it wants.
    ///
    /// # Errors
    /// The answer to give.
    pub fn shown(
        &self,
        client: &Client,
        set: &SequenceSet,
        by_uid: bool,
        page: Option<PartialRange>,
    ) -> Result<(Meant, Option<Cut>), Answer> {
        let limit = client.per_command();
        let meant = self.meant(client, set, by_uid)?;
        let Some(page) = page else {
            return self.newest(client, meant, limit);
        };
        if let Some(limit) = limit.filter(|limit| page.len() > u64::from(*limit)) {
            let lowest = None;
            return Err(Answer::no(
                Code::MessageLimit { limit, lowest },
                "The page is too long for one command",
            ));
        }
        let store = client.account().store();
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        Ok((meant.page(page, &messages), None))
    }

    /// What one command may take of what it means.
    ///
    /// # Errors
    /// The answer to give.
    pub fn newest(
        &self,
        client: &Client,
        meant: Meant,
        limit: Option<u32>,
    ) -> Result<(Meant, Option<Cut>), Answer> {
        let store = client.account().store();
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        Ok(meant.newest(limit, &messages))
    }
}

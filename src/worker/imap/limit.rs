//! MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command may take, if the
//! administrator has set a limit.
//!
//! The limit is what it was when the session began: so its client was told. A command that
//! means more takes those with the highest UIDs, and says how far down it
//! came: the client goes on below. COPY, which is all or nothing, takes none. EXPUNGE and
//! CLOSE have no limit (RFC 9738 §3.1), nor has what the server does of its own accord.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::messages::Meant;
use super::selected::Selected;
use std::collections::VecDeque;
use store::{Messages, SystemFlags, Uid};
use wire::Text;
use wire::imap::response::{self, Capability, Code};
use wire::imap::{PartialRange, SequenceSet, Status};

/// Messages looked at between two breaths, for a flag of each.
const STEP_MESSAGES: usize = 1 << 16;

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

/// The last of many UIDs.
struct Newest {
    limit: usize,
    uids: VecDeque<Uid>,
    /// There were others before them.
    is_cut: bool,
}

impl Newest {
    fn new(limit: u32) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            uids: VecDeque::new(),
            is_cut: false,
        }
    }

    fn push(&mut self, uid: Uid) {
        if self.uids.len() >= self.limit {
            self.uids.pop_front();
            self.is_cut = true;
        }
        self.uids.push_back(uid);
    }

    /// The lowest of them, if there were others before.
    fn lowest(&self) -> Option<Uid> {
        self.uids.front().copied().filter(|_| self.is_cut)
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
    /// that a client acts upon, that there was a cut is said before; and that some were
    /// expunged is then said in an OK (RFC 9738 §3.1).
    pub fn cut_answer(&mut self, mut answer: Answer, cut: Option<Cut>) -> Answer {
        match cut.map(Cut::said) {
            None => answer,
            Some((code, text)) if answer.status == Status::Ok && answer.is_bare() => {
                Answer::ok_with(Some(code), text)
            }
            Some((code, text)) => {
                let out = self.out().buffer();
                response::untagged(out, Status::No, Some(&code), &Text::new(text));
                if answer.code == Some(Code::ExpungeIssued) {
                    answer.status = Status::Ok;
                }
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

    /// What a STORE changes: what it means, and no more than one command may take.
    ///
    /// # Errors
    /// The answer to give.
    pub fn changeable(
        &self,
        client: &Client,
        set: &SequenceSet,
        by_uid: bool,
    ) -> Result<(Meant, Option<Cut>), Answer> {
        let meant = self.meant(client, set, by_uid)?;
        self.newest(client, meant, client.per_command())
    }

    /// What a UID EXPUNGE removes: of what is meant and marked as deleted the newest, as
    /// many as one command may take.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn newest_deleted(
        &self,
        client: &mut Client,
        meant: Meant,
    ) -> Result<(Meant, Option<Cut>), End> {
        let Some(limit) = client.per_command() else {
            return Ok((meant, None));
        };
        let (mut newest, mut after) = (Newest::new(limit), None);
        while let Some(last) = self.look_for_deleted(client, &meant, after, &mut newest)? {
            after = Some(last);
            client.breathe().await?;
        }
        Ok(match newest.lowest() {
            None => (meant, None),
            Some(lowest) => (
                meant.between(lowest, Uid::MAX),
                Some(Cut::new(limit, lowest)),
            ),
        })
    }

    /// Looks at some more messages; the last of them, or none at the end.
    fn look_for_deleted(
        &self,
        client: &Client,
        meant: &Meant,
        after: Option<Uid>,
        newest: &mut Newest,
    ) -> Result<Option<Uid>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let some = meant.entries(&messages, self.view(), after);
        let mut last = None;
        for entry in some.take(STEP_MESSAGES) {
            last = Some(entry.uid());
            if entry.system_flags().contains(SystemFlags::DELETED) {
                newest.push(entry.uid());
            }
        }
        Ok(last)
    }

    fn newest(
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

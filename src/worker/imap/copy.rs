//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8), with UIDPLUS's codes. Each is one
//! transaction: all or nothing, and nobody sees a half.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::copied::Copied;
use super::expunge::read_only;
use super::limit::Cut;
use super::messages::Meant;
use super::names;
use super::selected::Selected;
use store::{MailboxHandle, Refusal};
use wire::imap::response::Code;
use wire::imap::{MailboxName, SequenceSet};

impl Selected {
    /// COPY and UID COPY.
    pub async fn copy(
        &mut self,
        client: &mut Client,
        by_uid: bool,
        set: &SequenceSet,
        to: &MailboxName,
    ) -> Result<Answer, End> {
        let (source, target) =
            match self.source_and_target(client, by_uid, set, to, client.per_copy()) {
                Ok(found) => found,
                Err(answer) => return Ok(answer),
            };
        let Source { meant, cut } = source;
        if let Some(cut) = cut {
            return Ok(cut.refusal());
        }
        let source = *self.handle();
        let copied = client
            .account()
            .change(|store| store.copy(&source, &meant.ranges, &target));
        Ok(match copied.await {
            Ok(outcome) => {
                let copied = Copied::of(outcome);
                if let Some(copied) = &copied {
                    client.made(target.id(), &copied.made());
                }
                let copied = copied.filter(|_| client.may_know_uids(&target));
                Answer::copied(copied)
            }
            Err(refusal) => missing_target(refusal),
        })
    }

    /// MOVE and UID MOVE, of the newest if there are more than one command may take: what
    /// was moved is gone from here, so the client says the same once more (RFC 9738 §3.1).
    /// COPYUID goes before the EXPUNGEs (RFC 6851 §4.3).
    pub async fn move_to(
        &mut self,
        client: &mut Client,
        by_uid: bool,
        set: &SequenceSet,
        to: &MailboxName,
    ) -> Result<Answer, End> {
        if self.is_read_only() {
            return Ok(read_only());
        }
        let (source, target) =
            match self.source_and_target(client, by_uid, set, to, client.per_command()) {
                Ok(found) => found,
                Err(answer) => return Ok(answer),
            };
        let Source { meant, cut } = source;
        let source = *self.handle();
        let moved = client
            .account()
            .change(|store| store.move_to(&source, &meant.ranges, &target));
        Ok(match moved.await {
            Ok(outcome) => {
                let moved = Copied::of(outcome);
                if let Some(moved) = &moved {
                    client.made(target.id(), &moved.made());
                }
                let moved = moved.filter(|_| client.may_know_uids(&target));
                if let Some(moved) = moved {
                    client.tell_copied(None, &moved, "Moved").await?;
                }
                client.cut_answer(Answer::ok("Done"), cut)
            }
            Err(refusal) => missing_target(refusal),
        })
    }

    fn source_and_target(
        &self,
        client: &Client,
        by_uid: bool,
        set: &SequenceSet,
        to: &MailboxName,
        limit: Option<u32>,
    ) -> Result<(Source, MailboxHandle), Answer> {
        let meant = self.meant(client, set, by_uid)?;
        let store = client.account().store();
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        if meant.misses_some(&messages) {
            // All or nothing (RFC 9051 §6.4.7): what the client does next may be
            // to remove what it believes to be copied.
            return Err(Answer::no(
                Code::ExpungeIssued,
                "Some of the messages are gone; nothing was copied",
            ));
        }
        let target = client.target(to).map_err(missing_target)?;
        let (meant, cut) = meant.newest(limit, &messages);
        Ok((Source { meant, cut }, target))
    }
}

/// What is to be copied or moved.
struct Source {
    meant: Meant,
    cut: Option<Cut>,
}

impl Client {
    /// A mailbox that something is to be put into.
    pub fn target(&self, name: &MailboxName) -> Result<MailboxHandle, Refusal> {
        let name = names::to_store(name).ok_or(Refusal::NoSuchMailbox)?;
        let store = self.account().store();
        store.open_target(&self.principal(), &name)
    }

    /// Whether the client may know where in a mailbox it has put something.
    /// Otherwise UIDs would tell how much is in there (RFC 4315 §3).
    pub fn may_know_uids(&self, mailbox: &MailboxHandle) -> bool {
        self.account().store().status(mailbox).is_ok()
    }
}

/// TRYCREATE (RFC 9051 §6.4.7): not if the name belongs to a mailbox that the
/// client may see but not fill.
fn missing_target(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoSuchMailbox => {
            Answer::no(Code::TryCreate, "There is no such mailbox; create it first")
        }
        refusal => Answer::from(refusal),
    }
}

//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). What is gone is
//! told by the announcement that follows every command, and up to where all is known with
//! the answer (RFC 7162 §3.2.7, §3.2.9).

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::selected::Selected;
use wire::imap::SequenceSet;
use wire::imap::response::Code;

impl Selected {
    /// Removes what is marked `\Deleted`; with a set, only of these.
    pub async fn expunge(
        &mut self,
        client: &mut Client,
        only: Option<&SequenceSet>,
    ) -> Result<Answer, End> {
        if self.is_read_only() {
            return Ok(read_only());
        }
        let meant = match only.map(|set| self.meant(client, set, true)).transpose() {
            Ok(meant) => meant,
            Err(answer) => return Ok(answer),
        };
        let (meant, cut) = match meant {
            Some(meant) => {
                let (meant, cut) = self.newest_deleted(client, meant).await?;
                (Some(meant), cut)
            }
            None => (None, None),
        };
        let ranges = meant.as_ref().map(|meant| meant.ranges.as_slice());
        let handle = *self.handle();
        let expunged = client
            .account()
            .change(|store| store.expunge(&handle, ranges));
        Ok(match expunged.await {
            Ok(_) => {
                self.heard.gone = true;
                client.cut_answer(Answer::ok("Expunged"), cut)
            }
            Err(refusal) => Answer::from(refusal),
        })
    }
}

/// The answer to a change in a mailbox that was opened for reading.
pub fn read_only() -> Answer {
    Answer::no(Code::ReadOnly, "The mailbox was opened for reading only")
}

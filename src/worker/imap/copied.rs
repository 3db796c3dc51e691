//! COPYUID (RFC 4315 §3), of a message or of a million: told in steps, of which each
//! is written before the next is made.

use super::End;
use super::client::Client;
use super::runs::Runs;
use super::search::of_uids;
use store::{Outcome, Uid, UidRange, UidValidity};
use wire::Text;
use wire::imap::Tag;
use wire::imap::response::CopyUidWriter;

/// Messages told between two breaths: ten bytes each at most.
const STEP_MESSAGES: usize = 4096;

/// What a COPY or a MOVE has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    validity: UidValidity,
    /// The old and the new UID of each; both ascend. Not empty.
    pairs: Vec<(Uid, Uid)>,
}

impl Copied {
    /// The UIDs that the copies got.
    pub fn made(&self) -> Vec<UidRange> {
        of_uids(self.pairs.iter().map(|(_, to)| *to))
    }

    /// None if nothing was copied: then there is nothing to say.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Copied { validity, pairs } if !pairs.is_empty() => {
                Some(Self { validity, pairs })
            }
            _ => None,
        }
    }
}

impl Client {
    /// Says what was copied: with a tag as the answer, else on the way to it.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_copied(
        &mut self,
        tag: Option<&Tag>,
        copied: &Copied,
        text: &'static str,
    ) -> Result<(), End> {
        let validity = copied.validity.get();
        let mut writer = CopyUidWriter::begin(self.out().buffer(), tag, validity);
        let pairs = &copied.pairs;
        self.tell_uids(&mut writer, pairs, |(from, _)| from).await?;
        writer.turn();
        self.tell_uids(&mut writer, pairs, |(_, to)| to).await?;
        writer.end(self.out().buffer(), &Text::new(text));
        Ok(self.out().relieve().await?)
    }

    /// One of the two sets.
    async fn tell_uids(
        &mut self,
        writer: &mut CopyUidWriter,
        pairs: &[(Uid, Uid)],
        uid: impl Fn((Uid, Uid)) -> Uid,
    ) -> Result<(), End> {
        let mut runs = Runs::default();
        for some in pairs.chunks(STEP_MESSAGES) {
            some.iter().for_each(|pair| runs.push(uid(*pair).get()));
            writer.ranges(self.out().buffer(), &runs.closed());
            self.out().relieve().await?;
            self.breathe().await?;
        }
        writer.ranges(self.out().buffer(), &runs.all());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::Handed;
    use crate::output::GATHERED_BYTES_MAX;
    use crate::socket::Socket;
    use crate::trial::{House, Wire, run};
    use ipc::Epoch;
    use std::os::unix::net::UnixStream as StdStream;

    /// A client of the house, and who reads what it is told.
    fn pair(house: &House) -> (Client, Wire) {
        let (ours, theirs) = StdStream::pair().unwrap();
        let handed = Handed {
            principal: house.account.id(),
            epoch: Epoch(0),
            tag: b"login".to_vec(),
            leftover: Vec::new(),
        };
        let ours = Socket::new(ours.into()).unwrap();
        let client = Client::new(house.account.clone(), ours, handed).unwrap();
        (client, Wire::new(theirs))
    }

    /// Every second of the messages was copied.
    fn scattered(count: u32) -> Copied {
        let uid = |uid| Uid::new(uid).unwrap();
        let pairs = (1..=count).map(|at| (uid(2 * at), uid(at)));
        Copied {
            validity: UidValidity::new(7).unwrap(),
            pairs: pairs.collect(),
        }
    }

    #[test]
    fn a_million_scattered_pairs_are_never_in_memory_as_text() {
        run(async {
            let house = House::new();
            let (mut client, mut reader) = pair(&house);
            let count = 1_000_000;
            let told = tokio::task::spawn_local(async move {
                let tag = Tag::new(b"a").unwrap();
                let copied = scattered(count);
                client
                    .tell_copied(Some(&tag), &copied, "Copied")
                    .await
                    .unwrap();
                client.out().flush().await.unwrap();
                client.out().buffer().capacity()
            });
            let heard = reader.rest().await;
            let from: Vec<String> = (1..=count).map(|at| (2 * at).to_string()).collect();
            let line = format!("a OK [COPYUID 7 {} 1:{count}] Copied\r\n", from.join(","));
            assert!(heard == line.as_bytes(), "{} bytes", heard.len());
            assert!(told.await.unwrap() <= 4 * GATHERED_BYTES_MAX);
            house.leave().await;
        });
    }
}

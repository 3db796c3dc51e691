//! STAT, LIST and UIDL (RFC 1939, sections 5 and 7).
//!
//! All walk the maildrop in steps. What is marked, or was removed by others, is not
//! in them, so that their counts agree with each other.

use super::End;
use super::client::Client;
use super::maildrop::Message;
use super::transaction::Transaction;
use store::Uid;
use wire::pop3::response;
use wire::pop3::{Number, UniqueId};

impl Transaction {
    /// STAT.
    pub(super) async fn stat(&self, client: &mut Client) -> Result<(), End> {
        let (mut count, mut sum) = (0_u64, 0_u64);
        let mut from = Some(Uid::MIN);
        while let Some(some) = self.step(client, &mut from)? {
            for message in some {
                if let Some(octets) = client.octets(&self.maildrop, &message).await? {
                    count = count.saturating_add(1);
                    sum = sum.saturating_add(octets);
                }
            }
            client.pause().await?;
        }
        client.ok(&format_args!("{count} {sum}"));
        Ok(())
    }

    /// LIST.
    pub(super) async fn list(&self, client: &mut Client) -> Result<(), End> {
        client.ok(&"Sizes follow");
        let mut from = Some(Uid::MIN);
        while let Some(some) = self.step(client, &mut from)? {
            for message in some {
                if let Some(octets) = client.octets(&self.maildrop, &message).await? {
                    response::size(client.out().buffer(), message.number, octets);
                }
            }
            client.pause().await?;
        }
        response::end(client.out().buffer());
        Ok(())
    }

    /// LIST of one message.
    pub(super) async fn list_one(&self, client: &mut Client, number: Number) -> Result<(), End> {
        let Some(message) = self.named(client, number)? else {
            return Ok(());
        };
        match client.octets(&self.maildrop, &message).await? {
            Some(octets) => client.ok(&format_args!("{} {octets}", message.number)),
            None => client.err(None, super::maildrop::Absent::Gone.text()),
        }
        Ok(())
    }

    /// UIDL.
    pub(super) async fn uidl(&self, client: &mut Client) -> Result<(), End> {
        client.ok(&"Unique ids follow");
        let mut from = Some(Uid::MIN);
        while let Some(some) = self.step(client, &mut from)? {
            for message in some {
                let id = message.unique_id();
                let out = client.out().buffer();
                id.iter()
                    .for_each(|id: &UniqueId| response::unique_id(out, message.number, id));
            }
            client.pause().await?;
        }
        response::end(client.out().buffer());
        Ok(())
    }

    /// UIDL of one message.
    pub(super) fn uidl_one(&self, client: &mut Client, number: Number) -> Result<(), End> {
        if let Some(message) = self.named(client, number)?
            && let Some(id) = message.unique_id()
        {
            client.ok(&format_args!("{} {id}", message.number));
        }
        Ok(())
    }

    /// The next messages; none at the end.
    fn step(&self, client: &Client, from: &mut Option<Uid>) -> Result<Option<Vec<Message>>, End> {
        let Some(first) = *from else {
            return Ok(None);
        };
        let (some, next) = self.maildrop.some_from(client.account(), first)?;
        *from = next;
        Ok(Some(some))
    }
}

//! APPEND (RFC 9051 §6.3.12), with LITERAL+ (RFC 7888) and MULTIAPPEND (RFC
//! 3502).
//!
//! A letter streams in while others work. All letters of one command become
//! visible at once, or none. What can be refused is refused before the client
//! sends a byte of the letter, if it waits to be asked.
//!
//! Leniency `raw-headers` (docs/clients.md): whether a header has 8-bit characters is
//! not looked at, whatever the client has enabled and however it says so.

use super::End;
use super::answer::Answer;
use super::client::{Client, Heard};
use super::flags;
use super::search::of_uids;
use crate::arrival::{self, Arrival, Item, NotKept};
use crate::clock;
use store::{InternalDate, MailboxHandle, Placed};
use wire::imap::response::Code;
use wire::imap::{AppendBegin, SequenceSet, Tag};

/// Bytes of one command's letters that are held in memory; further letters go to
/// packs however small they are. A record of the journal holds 16 MiB.
const HELD_BYTES_MAX: u64 = 4 << 20;

/// Takes the letters of one command in. The answer is for the caller to give,
/// after what else must be told; none if it has been given.
pub async fn append(client: &mut Client, first: AppendBegin) -> Result<Option<(Tag, Answer)>, End> {
    let tag = first.tag.clone();
    let mailbox = match client.target(&first.mailbox) {
        Ok(mailbox) => mailbox,
        Err(refusal) => return Ok(Some(refuse(client, tag, NotKept::Refused(refusal)))),
    };
    match gather(client, first).await? {
        Gathered::All(items) => {
            let answer = keep(client, &mailbox, items).await;
            Ok(Some((tag, answer)))
        }
        Gathered::NotKept(why) => Ok(Some(refuse(client, tag, why))),
        Gathered::Refused => Ok(None),
    }
}

/// What became of the letters on their way.
enum Gathered {
    /// All are here.
    All(Vec<Item>),
    /// One could not be taken.
    NotKept(NotKept),
    /// The client broke off, or was refused and has its answer.
    Refused,
}

async fn gather(client: &mut Client, first: AppendBegin) -> Result<Gathered, End> {
    let (mut items, mut held_max) = (Vec::new(), HELD_BYTES_MAX);
    let mut next = Heard::Letter(first);
    loop {
        match next {
            Heard::Letter(begin) => match receive(client, begin, held_max).await? {
                Received::Whole(item) => {
                    held_max = held_max.saturating_sub(item.letter.held());
                    items.push(*item);
                }
                Received::NotKept(why) => return Ok(Gathered::NotKept(why)),
                Received::Refused => return Ok(Gathered::Refused),
            },
            Heard::AppendDone => return Ok(Gathered::All(items)),
            _ => return Ok(Gathered::Refused),
        }
        next = client.hear().await?;
    }
}

/// What became of one letter.
enum Received {
    Whole(Box<Item>),
    NotKept(NotKept),
    Refused,
}

async fn receive(client: &mut Client, begin: AppendBegin, held_max: u64) -> Result<Received, End> {
    if begin.bytes == 0 {
        return Ok(Received::NotKept(NotKept::Empty));
    }
    if let Err(refusal) = client.account().check_room(begin.bytes) {
        return Ok(Received::NotKept(refusal.into()));
    }
    if begin.sync {
        client.ask_for_more().await?;
    }
    let mut arrival = Arrival::new(client.account(), begin.bytes, held_max);
    loop {
        match client.hear().await? {
            Heard::Bytes(bytes) => {
                if let Err(why) = arrival.push(&bytes).await {
                    return Ok(Received::NotKept(why));
                }
            }
            Heard::LetterEnd => break,
            _ => return Ok(Received::Refused),
        }
    }
    Ok(match arrival.finish().await {
        Ok(letter) => Received::Whole(Box::new(Item {
            letter,
            flags: flags::to_store(&begin.flags),
            date: date(&begin),
        })),
        Err(why) => Received::NotKept(why),
    })
}

/// INTERNALDATE as given, or now; a worker knows no zone but UTC.
fn date(begin: &AppendBegin) -> InternalDate {
    match begin.date {
        Some(date) => InternalDate {
            secs: date.unix_seconds,
            offset_minutes: date.offset_minutes,
        },
        None => InternalDate {
            secs: clock::seconds(),
            offset_minutes: 0,
        },
    }
}

/// Gives the command up; what the client still sends of it is swallowed.
fn refuse(client: &mut Client, tag: Tag, why: NotKept) -> (Tag, Answer) {
    client.refuse_append();
    (tag, Answer::from(why))
}

async fn keep(client: &mut Client, mailbox: &MailboxHandle, items: Vec<Item>) -> Answer {
    match arrival::keep(client.account(), mailbox, items).await {
        Ok(placed) => {
            client.made(mailbox.id(), &of_uids(placed.iter().map(|place| place.uid)));
            let code = append_uid(&placed).filter(|_| client.may_know_uids(mailbox));
            Answer::ok_with(code, "Kept")
        }
        Err(why) => Answer::from(why),
    }
}

fn append_uid(placed: &[Placed]) -> Option<Code> {
    Some(Code::AppendUid {
        validity: placed.first()?.validity.get(),
        uids: SequenceSet::from_numbers(placed.iter().map(|place| place.uid.get()))?,
    })
}

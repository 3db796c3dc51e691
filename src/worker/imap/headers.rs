//! What letters say in the fields that lists show, one letter after the other: for
//! commands that go by what many letters say.
//!
//! As everywhere, a letter is noted before it is looked into ([`crate::suspects`]): many
//! together, as long as nothing speaks against them, and every other one alone.

use super::End;
use super::client::Client;
use super::letter::{Letter, Place, Trouble};
use super::search::Found;
use super::sort::Facts;
use crate::account::Account;
use crate::disk::Gone;
use crate::shapes::Depth;
use message::{Address, Envelope, header};
use std::rc::Rc;
use store::MailboxHandle;

/// What a letter says.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// In these fields, and no others that are asked for.
    Fields(&'a [u8]),
    /// It has too much to say: what its envelope keeps of that.
    Envelope(&'a Envelope),
    /// Nothing that could be read.
    Nothing,
}

impl<'a> Said<'a> {
    /// The value of the first field of this name, in lower case, not decoded.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        match self {
            Self::Fields(fields) => header::find(fields, name).next().map(|field| field.value),
            Self::Envelope(envelope) => match name {
                b"date" => envelope.date.as_deref(),
                b"subject" => envelope.subject.as_deref(),
                b"in-reply-to" => envelope.in_reply_to.as_deref(),
                b"message-id" => envelope.message_id.as_deref(),
                _ => None,
            },
            Self::Nothing => None,
        }
    }

    /// The first address in fields of this name, in lower case.
    pub fn first_address(&self, name: &[u8]) -> Option<Address> {
        match self {
            Self::Fields(fields) => header::find(fields, name)
                .find_map(|field| Address::list(field.value).into_iter().next()),
            Self::Envelope(envelope) => match name {
                b"from" => envelope.from.first().cloned(),
                b"to" => envelope.to.first().cloned(),
                b"cc" => envelope.cc.first().cloned(),
                _ => None,
            },
            Self::Nothing => None,
        }
    }
}

/// A message whose letter is looked into.
struct Candidate {
    found: Found,
    facts: Facts,
    place: Place,
}

/// Shows what each of some letters says, at most [`crate::suspects::TOGETHER_MAX`], in
/// any order; a message that is gone says nothing. Whether some letter could not be read.
///
/// # Errors
/// [`End`]: the session is over.
pub async fn read_each(
    client: &mut Client,
    handle: &MailboxHandle,
    some: &[Found],
    mut show: impl FnMut(Found, &Facts, &Said<'_>),
) -> Result<bool, End> {
    let account = Rc::clone(client.account());
    let mut reader = Reader::default();
    let (together, mut alone) = candidates(&account, handle, some, &mut show)?;
    let left = reader.together(client, &account, together, &mut show).await;
    alone.extend(left?);
    let mut unread = false;
    for candidate in alone {
        match reader.alone(client, &account, &candidate, &mut show).await {
            Ok(()) => {}
            Err(Trouble::End(end)) => return Err(end),
            Err(why) => {
                let message = candidate.place.id.0;
                tracing::error!(message, ?why, "a letter can't be read");
                show(candidate.found, &candidate.facts, &Said::Nothing);
                unread = true;
            }
        }
        client.breathe().await?;
    }
    Ok(unread)
}

/// Those that nothing speaks against, and the others.
fn candidates(
    account: &Account,
    handle: &MailboxHandle,
    some: &[Found],
    show: &mut impl FnMut(Found, &Facts, &Said<'_>),
) -> Result<(Vec<Candidate>, Vec<Candidate>), End> {
    let store = account.store();
    let messages = store.messages(handle).map_err(|_| End::MailboxGone)?;
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for found in some {
        let Some(entry) = messages.get(found.uid) else {
            show(*found, &Facts::default(), &Said::Nothing);
            continue;
        };
        let place = Place {
            mailbox: *handle,
            uid: entry.uid(),
            id: entry.message(),
            date: entry.date(),
            body: messages.body(entry),
        };
        let row = match account.trusts(place.id) {
            true => &mut together,
            false => &mut alone,
        };
        row.push(Candidate {
            found: *found,
            facts: Facts::of(entry),
            place,
        });
    }
    Ok((together, alone))
}

/// Room for the fields of one letter after the other.
#[derive(Default)]
struct Reader {
    fields: Vec<u8>,
}

impl Reader {
    /// Gives back those of which something could not be read.
    async fn together(
        &mut self,
        client: &mut Client,
        account: &Rc<Account>,
        candidates: Vec<Candidate>,
        show: &mut impl FnMut(Found, &Facts, &Said<'_>),
    ) -> Result<Vec<Candidate>, End> {
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let letters = candidates.iter().map(|candidate| candidate.place.id);
        let watch = account.suspects().watch_all(account.disk(), letters).await;
        let Ok(_watch) = watch else {
            return Ok(candidates);
        };
        let mut troubled = Vec::new();
        for candidate in candidates {
            let mut letter = Letter::noted(Rc::clone(account), candidate.place);
            match self.read(client, &mut letter, &candidate, show).await {
                Ok(()) => {}
                Err(Trouble::End(end)) => return Err(end),
                Err(_) => troubled.push(candidate),
            }
            client.breathe().await?;
        }
        Ok(troubled)
    }

    /// What is damaged says what its placeholder says.
    async fn alone(
        &mut self,
        client: &mut Client,
        account: &Rc<Account>,
        candidate: &Candidate,
        show: &mut impl FnMut(Found, &Facts, &Said<'_>),
    ) -> Result<(), Trouble> {
        let watch = account
            .suspects()
            .watch(account.disk(), candidate.place.id)
            .await;
        let _watch = watch.map_err(|Gone| Trouble::from(Gone))?;
        let mut letter = Letter::noted(Rc::clone(account), candidate.place);
        loop {
            match self.read(client, &mut letter, candidate, show).await {
                Err(trouble) if letter.is_damaged(&trouble) => {}
                Err(Trouble::Expunged) => {
                    show(candidate.found, &candidate.facts, &Said::Nothing);
                    return Ok(());
                }
                done => return done,
            }
        }
    }

    async fn read(
        &mut self,
        client: &mut Client,
        letter: &mut Letter,
        candidate: &Candidate,
        show: &mut impl FnMut(Found, &Facts, &Said<'_>),
    ) -> Result<(), Trouble> {
        let Candidate { found, facts, .. } = candidate;
        letter.look(client, Depth::Nothing).await?;
        self.fields.clear();
        if letter.recall_fields(&mut self.fields).await {
            show(*found, facts, &Said::Fields(&self.fields));
            return Ok(());
        }
        letter.look(client, Depth::Header).await?;
        let said = match (letter.listed_fields(), letter.envelope()) {
            (Some(fields), _) => Said::Fields(fields),
            (None, Some(envelope)) => Said::Envelope(envelope),
            (None, None) => Said::Nothing,
        };
        show(*found, facts, &said);
        Ok(())
    }
}

//! GETMETADATA and SETMETADATA, what others' changes are told as (RFC 5464), and
//! LIST's annotations (RFC 9590).
//!
//! Values are kept by the store, but for those that say what is known otherwise:
//! `/private/specialuse` is what LIST says, and what the server as a whole says to
//! all is the administrator's, who has it in the configuration. Neither is set here.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::names;
use ipc::slice::Notice;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use store::{
    Annotated, AnnotationName, Annotations, MailboxName as StoreName, Modseq, NewAnnotation,
    Outcome, Refusal, Store,
};
use wire::imap::response::{Code, Data, Entries, Metadata, MetadataCode};
use wire::imap::{Depth, EntryValue, GetMetadata, MailboxName, MetadataEntry, MetadataOf};

/// Bytes of values in one METADATA response; more go into another.
const RESPONSE_BYTES_MAX: usize = 32 * 1024;

/// RFC 6154, section 4.
const SPECIAL_USE: &str = "/private/specialuse";

/// RFC 5464, section 6.2.
const ADMIN: &str = "/shared/admin";
const COMMENT: &str = "/shared/comment";

impl Client {
    /// GETMETADATA.
    pub async fn get_metadata(&mut self, asked: &GetMetadata) -> Result<Answer, End> {
        let found = match self.look_up(&asked.of, &asked.entries, asked.depth) {
            Ok(found) => found,
            Err(refusal) => return Ok(Answer::from(refusal)),
        };
        let (told, longest) = found.up_to(asked.max_size);
        self.tell_values(asked.of.as_ref(), &told).await?;
        let code = longest.map(|bytes| Code::Metadata(MetadataCode::LongEntries(bytes)));
        Ok(Answer::ok_with(code, "That is all"))
    }

    /// LIST RETURN (METADATA ...). What can't be looked up is passed over (RFC 9590,
    /// section 3).
    pub async fn tell_metadata_of(
        &mut self,
        name: &MailboxName,
        entries: &[MetadataEntry],
    ) -> Result<(), End> {
        let of = Some(name.clone());
        match self.look_up(&of, entries, Depth::Zero) {
            Ok(found) => self.tell_values(of.as_ref(), &found.up_to(None).0).await,
            Err(_) => Ok(()),
        }
    }

    /// SETMETADATA.
    pub async fn set_metadata(
        &mut self,
        of: &MetadataOf,
        values: Vec<EntryValue>,
    ) -> Result<Answer, End> {
        let news = match new_annotations(of, values) {
            Ok(news) => news,
            Err(answer) => return Ok(answer),
        };
        let (account, principal) = (self.account().clone(), self.principal());
        let mailbox = match of.as_ref().map(names::to_store) {
            Some(None) => return Ok(Answer::from(Refusal::NoSuchMailbox)),
            Some(name) => name,
            None => None,
        };
        let set = account.change_tree(|store| match &mailbox {
            Some(name) => {
                let handle = store.open_mailbox(&principal, name)?;
                store.annotate(Annotated::Mailbox(&handle), &news)
            }
            None => store.annotate(Annotated::Account(&principal), &news),
        });
        match set.await {
            Ok(Outcome::Annotated { modseq }) => {
                self.tell_annotated(Some(modseq)).await?;
                Ok(Answer::ok("Set"))
            }
            Ok(_) => Ok(Answer::ok("Set")),
            Err(refusal) => Ok(Answer::from(refusal)),
        }
    }

    /// Tells a client that has enabled METADATA what has changed since it was last
    /// told, but for what it has done itself with the change `own` (RFC 5464, section
    /// 4.4.2).
    pub async fn tell_annotated(&mut self, own: Option<Modseq>) -> Result<(), End> {
        let Some(since) = self.annotations_told() else {
            return Ok(());
        };
        self.tell_noticed();
        let newest = self.account().store().annotations_modseq();
        if newest <= since {
            return Ok(());
        }
        if self.account().store().annotations_forgotten(since) {
            return Err(End::LeftBehind);
        }
        self.set_annotations_told(newest);
        for (mailbox, entries) in self.annotated_since(since, own) {
            if !self.hears_annotations(mailbox.as_ref()) {
                continue;
            }
            let entries: Vec<&str> = entries.iter().map(AnnotationName::as_str).collect();
            self.tell(&Data::Metadata(Metadata {
                of: mailbox.as_ref(),
                entries: Entries::Changed(&entries),
            }));
            self.out().relieve().await?;
        }
        Ok(())
    }

    /// The administrator has changed what the server says of itself.
    fn tell_noticed(&mut self) {
        let now = print(&self.account().notice());
        if now == self.notice_told() {
            return;
        }
        self.set_notice_told(now);
        if self.hears_annotations(None) {
            self.tell(&Data::Metadata(Metadata {
                of: None,
                entries: Entries::Changed(&[ADMIN, COMMENT]),
            }));
        }
    }

    fn annotated_since(
        &self,
        since: Modseq,
        own: Option<Modseq>,
    ) -> Vec<(MetadataOf, Vec<AnnotationName>)> {
        let store = self.account().store();
        let changed = store.annotations_changed(&self.principal(), since, own);
        let told = changed.into_iter().filter_map(|it| {
            let mailbox = match it.mailbox {
                Some((_, name)) => Some(names::to_wire(name)?),
                None => None,
            };
            Some((mailbox, it.names.into_iter().cloned().collect()))
        });
        told.collect()
    }

    fn look_up(
        &self,
        of: &MetadataOf,
        entries: &[MetadataEntry],
        depth: Depth,
    ) -> Result<Found, Refusal> {
        let store = self.account().store();
        let principal = self.principal();
        let shelf = match of {
            None => Shelf {
                kept: store.annotations(Annotated::Account(&principal))?,
                known: self.said_to_all(),
            },
            Some(name) => {
                let name = names::to_store(name).ok_or(Refusal::NoSuchMailbox)?;
                let handle = store.open_mailbox(&principal, &name)?;
                Shelf {
                    kept: store.annotations(Annotated::Mailbox(&handle))?,
                    known: self.special_use_of(&store, &name),
                }
            }
        };
        Ok(shelf.find(entries, depth))
    }

    /// What the server as a whole says (RFC 5464, section 6.2).
    fn said_to_all(&self) -> Known {
        let notice = self.account().notice();
        let said = [(ADMIN, &notice.admin), (COMMENT, &notice.comment)];
        let said = said
            .into_iter()
            .filter(|(_, value)| !value.as_slice().is_empty());
        said.map(|(name, value)| (name.to_owned(), value.as_slice().into()))
            .collect()
    }

    /// As LIST tells it, to whom it is told.
    fn special_use_of(&self, store: &Store, name: &StoreName) -> Known {
        let principal = self.principal();
        let mut listed = store.list(&principal);
        let special_use = listed
            .find(|it| it.name == name)
            .and_then(|it| it.special_use);
        let value = special_use.map(|it| names::use_to_wire(it).as_str().as_bytes().into());
        value
            .map(|value| (SPECIAL_USE.to_owned(), value))
            .into_iter()
            .collect()
    }

    async fn tell_values(
        &mut self,
        of: Option<&MailboxName>,
        told: &[(String, Option<Value>)],
    ) -> Result<(), End> {
        let mut rest = told;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(how_many_fit(rest));
            let values: Vec<(&str, Option<&[u8]>)> = now
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect();
            self.tell(&Data::Metadata(Metadata {
                of,
                entries: Entries::Values(&values),
            }));
            self.out().relieve().await?;
            self.breathe().await?;
            rest = later;
        }
        Ok(())
    }
}

/// Two of them differ if two notices do: a session keeps it while its worker changes.
pub fn print(notice: &Notice) -> u64 {
    let mut hasher = DefaultHasher::new();
    (notice.admin.as_slice(), notice.comment.as_slice()).hash(&mut hasher);
    hasher.finish()
}

type Value = Arc<[u8]>;

/// Values that are known without being kept, by their names.
type Known = BTreeMap<String, Value>;

/// All values of one mailbox, or of the server.
struct Shelf<'a> {
    kept: Annotations<'a>,
    known: Known,
}

impl Shelf<'_> {
    /// What of it was asked for. An entry at and below which there is nothing has no
    /// value, which is said; one below which there is something need not have one.
    fn find(&self, entries: &[MetadataEntry], depth: Depth) -> Found {
        let mut found = BTreeMap::new();
        for entry in entries {
            let asked = entry.as_str().to_ascii_lowercase();
            let mut there = self.values(&asked, depth).peekable();
            if there.peek().is_none() {
                found.insert(asked.clone(), (entry.as_str().to_owned(), None));
                continue;
            }
            for (name, value) in there {
                let spelled = match *name == asked {
                    true => entry.as_str(),
                    false => name,
                };
                found.insert(name.to_owned(), (spelled.to_owned(), Some(value)));
            }
        }
        Found(found.into_values().collect())
    }

    /// The values at a name, and as far below it as `depth` says.
    fn values<'s>(
        &'s self,
        above: &'s str,
        depth: Depth,
    ) -> impl Iterator<Item = (&'s str, Value)> {
        let known = self
            .known
            .iter()
            .map(|(name, value)| (name.as_str(), value));
        let kept = self.kept.iter().map(|(name, value)| (name.as_str(), value));
        let all = kept.chain(known);
        all.filter(move |(name, _)| is_within(name, above, depth))
            .map(|(name, value)| (name, Arc::clone(value)))
    }
}

/// Whether a name is `above`, or lies below it as far as `depth` says.
fn is_within(name: &str, above: &str, depth: Depth) -> bool {
    match name.strip_prefix(above) {
        Some("") => true,
        Some(below) => match (below.strip_prefix('/'), depth) {
            (None, _) | (_, Depth::Zero) => false,
            (Some(below), Depth::One) => !below.contains('/'),
            (Some(_), Depth::Infinity) => true,
        },
        None => false,
    }
}

/// Names as they are told, and values.
struct Found(Vec<(String, Option<Value>)>);

impl Found {
    /// Those whose values are not too long; how long the longest is that is.
    fn up_to(self, max_size: Option<u64>) -> (Vec<(String, Option<Value>)>, Option<u64>) {
        let len = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.len() as u64);
        let max = max_size.unwrap_or(u64::MAX);
        let (told, long): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|(_, value)| len(value) <= max);
        (told, long.iter().map(|(_, value)| len(value)).max())
    }
}

/// How many of the first go into one response; at least one.
fn how_many_fit(values: &[(String, Option<Value>)]) -> usize {
    let mut bytes = 0_usize;
    let fitting = values.iter().take_while(|(name, value)| {
        let fits = bytes <= RESPONSE_BYTES_MAX;
        let value = value.as_ref().map_or(0, |value| value.len());
        bytes = bytes.saturating_add(name.len()).saturating_add(value);
        fits
    });
    fitting.count()
}

/// What SETMETADATA sets, each entry once: the last value holds.
fn new_annotations(of: &MetadataOf, values: Vec<EntryValue>) -> Result<Vec<NewAnnotation>, Answer> {
    let mut news = BTreeMap::new();
    for (entry, value) in values {
        let name = AnnotationName::new(entry.as_str()).ok_or_else(|| {
            Answer::bad("An entry has two components at least, in a vendor's tree four")
        })?;
        refuse_known(of, &name)?;
        news.insert(name, value.map(Arc::from));
    }
    Ok(news.into_iter().collect())
}

/// What is known otherwise isn't set.
fn refuse_known(of: &MetadataOf, name: &AnnotationName) -> Result<(), Answer> {
    match of {
        None if !name.is_private() => Err(Answer::no(
            Code::NoPerm,
            "What the server says to all is the administrator's to set",
        )),
        Some(_) if name.as_str() == SPECIAL_USE => Err(Answer::no(
            Code::Cannot,
            "A special use is given when a mailbox is created",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_one_is_children_and_not_grandchildren() {
        let within = |depth| {
            let names = ["/a", "/a/b", "/a/b/c", "/ab", "/b"];
            let names = names
                .into_iter()
                .filter(|name| is_within(name, "/a", depth));
            names.collect::<Vec<_>>()
        };
        assert_eq!(within(Depth::Zero), ["/a"]);
        assert_eq!(within(Depth::One), ["/a", "/a/b"]);
        assert_eq!(within(Depth::Infinity), ["/a", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn the_longest_that_is_left_out_is_told() {
        let value = |len: usize| Some(Value::from(vec![0; len]));
        let found = || {
            Found(vec![
                ("/private/a".to_owned(), value(10)),
                ("/private/b".to_owned(), value(11)),
                ("/private/c".to_owned(), value(30)),
                ("/private/d".to_owned(), None),
            ])
        };
        let (told, longest) = found().up_to(Some(10));
        let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            (names, longest),
            (vec!["/private/a", "/private/d"], Some(30))
        );
        assert_eq!(found().up_to(Some(30)).1, None);
        assert_eq!(found().up_to(None).1, None);
    }

    #[test]
    fn every_response_has_something_and_none_has_much() {
        let one = ("/private/a".to_owned(), Some(Value::from(vec![0; 20_000])));
        assert_eq!(how_many_fit(&vec![one.clone(); 5]), 2);
        assert_eq!(how_many_fit(&[one]), 1);
    }
}

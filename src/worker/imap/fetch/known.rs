//! Answers that are in memory, or as good as: the store's entries, and the cache's
//! records as far as the kernel has them. Many messages are told of in one step, in which
//! nothing waits and nothing is allocated for each.
//!
//! What is told is byte for byte what looking into the letters would say. A message whose
//! answer isn't at hand, or whose letter is suspected or damaged, is left to whoever can
//! wait.

use super::{Facts, Order};
use crate::account::Account;
use crate::cache::record::Record;
use crate::imap::client::Client;
use crate::imap::flags;
use crate::imap::messages::{CHUNK_MESSAGES_MAX, Walk};
use crate::imap::object;
use crate::imap::selected::Selected;
use crate::imap::uid_only;
use crate::imap::view::Told;
use crate::output::GATHERED_BYTES_MAX;
use crate::session::Enabled;
use crate::shapes::Depth;
use ipc::AccountId;
use message::gist::{Glance, are_listed};
use message::header;
use store::{Entry, Messages, Modseq, Refusal};
use wire::imap::response::{Content, FetchData, FetchWriter};
use wire::imap::{FetchItem, Section, SectionText};

/// Messages told of in one step where nothing but the store is asked: a fifth of a
/// microsecond each. Of what is kept of letters, up to 32 KiB must be looked at for each:
/// there it is [`CHUNK_MESSAGES_MAX`].
const STEP_MESSAGES_MAX: usize = 1024;

/// What is asked of each message, if all of it may be at hand.
pub struct Known<'a> {
    asks: Vec<Ask<'a>>,
    enabled: Enabled,
    depth: Depth,
    with_flags: bool,
    with_modseq: bool,
    /// The fields of one letter: the same memory for each.
    chosen: Vec<u8>,
}

enum Ask<'a> {
    Uid,
    Modseq,
    EmailId,
    ThreadId,
    SaveDate,
    Preview,
    Flags,
    InternalDate,
    Size,
    Envelope,
    BodyStructure,
    /// Fields that gists have, by their names in lower case.
    Fields(&'a Section, Vec<Vec<u8>>),
}

/// What the answers for one message are made of.
#[derive(Clone, Copy)]
struct Letter<'m> {
    entry: &'m Entry,
    messages: &'m Messages<'m>,
    account: AccountId,
    recent: bool,
    record: Option<(Record<'m>, Glance<'m>)>,
}

impl<'a> Known<'a> {
    /// None if something is asked for which letters must be read, or changed.
    pub fn of(order: &Order<'a>) -> Option<Self> {
        let uid = order.with_uid.then_some(Ask::Uid);
        let asks = uid.map(Some).into_iter();
        let asks = asks.chain(order.items.iter().map(Ask::of));
        Some(Self {
            asks: asks
                .collect::<Option<Vec<_>>>()
                .filter(|_| !order.sets_seen)?,
            enabled: order.enabled,
            // What is at hand of a letter is looked at for words that nobody waits for, too.
            depth: match order.items.contains(&FetchItem::Preview { lazy: true }) {
                true => order.depth.max(Depth::Header),
                false => order.depth,
            },
            with_flags: order.with_flags,
            with_modseq: order.with_modseq(),
            chosen: Vec::new(),
        })
    }

    fn step_messages(&self) -> usize {
        match self.depth {
            Depth::Nothing => STEP_MESSAGES_MAX,
            _ => CHUNK_MESSAGES_MAX,
        }
    }

    /// Renders the answer for one message; false if it can't, and then something may have
    /// been rendered that must be taken back.
    fn tell(&mut self, out: &mut Vec<u8>, seq: u32, letter: &Letter<'_>) -> bool {
        let mut writer = uid_only::begin(self.enabled, out, seq, letter.entry.uid());
        for ask in &self.asks {
            if ask
                .tell(out, &mut writer, letter, &mut self.chosen)
                .is_none()
            {
                return false;
            }
        }
        writer.end(out);
        true
    }
}

impl<'a> Ask<'a> {
    fn of(item: &'a FetchItem) -> Option<Self> {
        Some(match item {
            FetchItem::Uid => Self::Uid,
            FetchItem::Modseq => Self::Modseq,
            FetchItem::EmailId => Self::EmailId,
            FetchItem::ThreadId => Self::ThreadId,
            FetchItem::SaveDate => Self::SaveDate,
            FetchItem::Preview { .. } => Self::Preview,
            FetchItem::Flags => Self::Flags,
            FetchItem::InternalDate => Self::InternalDate,
            FetchItem::Rfc822Size => Self::Size,
            FetchItem::Envelope => Self::Envelope,
            FetchItem::BodyStructure => Self::BodyStructure,
            FetchItem::Section {
                section,
                partial: None,
                ..
            } => Self::Fields(section, listed(section)?),
            _ => return None,
        })
    }

    /// Renders one item; none if that which it says isn't at hand.
    fn tell(
        &self,
        out: &mut Vec<u8>,
        writer: &mut FetchWriter,
        letter: &Letter<'_>,
        chosen: &mut Vec<u8>,
    ) -> Option<()> {
        let entry = letter.entry;
        let data = match self {
            Self::Uid => FetchData::Uid(entry.uid().get()),
            Self::Modseq => FetchData::Modseq(entry.modseq().0),
            Self::EmailId => FetchData::EmailId(object::email(letter.account, entry.message())),
            Self::ThreadId => FetchData::ThreadId(object::thread(letter.account, entry.thread())),
            Self::SaveDate => FetchData::SaveDate(Facts::save_date(entry.saved())),
            Self::Preview => FetchData::Preview(Some(letter.record?.1.preview()?)),
            Self::Flags => {
                let keywords = letter.messages.keywords_of(entry);
                let names = flags::names(entry.system_flags(), keywords, letter.recent);
                writer.flags(out, names);
                return Some(());
            }
            Self::InternalDate => FetchData::InternalDate(Facts::date_time(entry.date())),
            Self::Size => FetchData::Size(entry.size().into()),
            Self::Envelope => FetchData::RenderedEnvelope(letter.record?.0.envelope()?),
            Self::BodyStructure => {
                FetchData::RenderedBodyStructure(letter.record?.0.body_structure()?)
            }
            Self::Fields(section, names) => {
                chosen.clear();
                header::choose(letter.record?.1.fields, names, chosen);
                FetchData::Section {
                    section,
                    origin: None,
                    content: Content::Inline(chosen),
                }
            }
        };
        writer.item(out, &data);
        Some(())
    }
}

/// The names of fields, in lower case, if they are all that a section is, and gists have
/// them.
fn listed(section: &Section) -> Option<Vec<Vec<u8>>> {
    let SectionText::HeaderFields(names) = &section.text else {
        return None;
    };
    let names = names.iter().map(|name| name.to_ascii_lowercase());
    let names: Vec<Vec<u8>> = names.map(String::into_bytes).collect();
    (section.part.is_empty() && are_listed(&names)).then_some(names)
}

/// One step in which messages are told of.
struct Step<'s> {
    account: &'s Account,
    selected: &'s Selected,
    messages: &'s Messages<'s>,
    out: &'s mut Vec<u8>,
    told: &'s mut Told,
    with_recent: bool,
    /// The highest modseq that it told of.
    modseq: Modseq,
}

impl Step<'_> {
    /// Tells of one message; false if that must be left to others, or enough has gathered.
    fn tell(&mut self, known: &mut Known<'_>, entry: &Entry, seq: u32) -> bool {
        let mark = self.out.len();
        if mark >= GATHERED_BYTES_MAX || !self.has_answer(known, entry, seq) {
            self.out.truncate(mark);
            return false;
        }
        if known.with_flags {
            self.told.push(entry.uid(), entry.modseq());
        }
        if known.with_modseq {
            self.modseq = self.modseq.max(entry.modseq());
        }
        true
    }

    fn has_answer(&mut self, known: &mut Known<'_>, entry: &Entry, seq: u32) -> bool {
        let (id, octets, depth) = (entry.message(), entry.size(), known.depth);
        let damage = self.account.damage();
        if damage.has(id) || damage.doubts(id) {
            return false;
        }
        let letter = Letter {
            entry,
            messages: self.messages,
            account: self.account.id(),
            recent: self.with_recent && self.selected.is_recent(entry.uid()),
            record: None,
        };
        if depth == Depth::Nothing {
            return known.tell(self.out, seq, &letter);
        }
        if self.account.suspects().is_flat(id) {
            return false;
        }
        let cache = self.account.cache();
        let told = cache.look(id, octets.into(), depth, |record, glance| {
            let letter = Letter {
                record: Some((record, glance)),
                ..letter
            };
            known.tell(self.out, seq, &letter)
        });
        told == Some(true)
    }
}

impl Selected {
    /// Tells of the next messages as long as the answers are at hand, and for one step;
    /// whether it told of any.
    pub(super) fn tell_known(
        &mut self,
        client: &mut Client,
        known: &mut Known<'_>,
        walk: &mut Walk,
        told: &mut Told,
    ) -> Result<bool, Refusal> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store.messages(self.handle())?;
        if known.with_flags && walk.has_next(&messages, self.view()) {
            self.tell_keywords(client, &messages);
        }
        let mut step = Step {
            account: &account,
            selected: self,
            messages: &messages,
            with_recent: !client.enabled().rev2,
            out: client.out().buffer(),
            told,
            modseq: Modseq::default(),
        };
        let most = known.step_messages();
        let count = walk.show(&messages, self.view(), most, |entry, seq| {
            step.tell(known, entry, seq)
        });
        let modseq = step.modseq;
        self.heard.modseq = self.heard.modseq.max(modseq);
        Ok(count > 0)
    }
}

//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3; RFC 7162 §3.1.2, §3.1.8, §3.2.5).

use super::answer::Answer;
use super::authenticated::Authenticated;
use super::client::Client;
use super::condstore;
use super::selected::Selected;
use super::{End, State, flags, names};
use crate::session::{Access, Mailbox};
use store::{Messages, Refusal, Rights, SystemFlags, Uid};
use wire::imap::response::{Code, Data};
use wire::imap::{MailboxName, SelectParams, Tag};

/// Messages looked at between two breaths, for one flag each.
const LOOKED_AT_MAX: usize = 1 << 14;

/// A SELECT or EXAMINE.
pub struct Order<'a> {
    /// Which mailbox.
    pub name: &'a MailboxName,
    /// How.
    pub access: Access,
    /// What else to tell.
    pub params: &'a SelectParams,
}

/// Opens a mailbox. Whatever was open is closed, even if this one can't be
/// opened.
pub async fn select(
    client: &mut Client,
    tag: &Tag,
    order: Order<'_>,
    before: State,
) -> Result<State, End> {
    close(client, before);
    if order.params.condstore {
        client.enable_condstore();
    }
    let opened = match open(client, &order).await {
        Ok(mut selected) => {
            let unseen = selected.first_unseen(client).await?;
            selected.claim_recent(client).await;
            selected.tell(client, order.name, unseen).map(|()| selected)
        }
        Err(refusal) => Err(refusal),
    };
    match opened {
        Ok(mut selected) => {
            if let Some(resync) = &order.params.resync {
                selected.resync(client, resync).await?;
                selected.settle(client, None)?;
            }
            client.answer(tag, &selected.opened()).await?;
            Ok(State::Selected(Box::new(selected)))
        }
        Err(refusal) => {
            client.answer(tag, &Answer::from(refusal)).await?;
            Ok(State::Authenticated(Authenticated::after_unselect()))
        }
    }
}

fn close(client: &mut Client, before: State) {
    if matches!(before, State::Selected(_)) {
        client.remark(&Code::Closed, "The previous mailbox is closed");
    }
}

/// Answers a SELECT of what can't be a name. What was open is closed by it as by
/// any that fails.
pub fn refuse(client: &mut Client, tag: &Tag, why: &wire::imap::Refusal, before: State) -> State {
    close(client, before);
    client.refuse(Some(tag), why);
    State::Authenticated(Authenticated::after_unselect())
}

async fn open(client: &Client, order: &Order<'_>) -> Result<Selected, Refusal> {
    let name = names::to_store(order.name).ok_or(Refusal::NoSuchMailbox)?;
    let account = client.account();
    let handle = account.store().open_mailbox(&client.principal(), &name)?;
    let seat = account.sit_down(&handle);
    account.load(&handle).await?;
    let store = account.store();
    let view = store.messages(&handle)?.view();
    let mailbox = Mailbox {
        id: handle.id(),
        access: match (store.rights(&handle)? & Rights::CHANGE).is_empty() {
            true => Access::ReadOnly,
            false => order.access,
        },
        view,
        recent: Vec::new(),
        saved: Vec::new(),
        keywords_told: 0,
    };
    Ok(Selected::new(handle, mailbox, seat))
}

impl Selected {
    /// The picture that the client begins with: taken anew, in one step, since
    /// what came before took a while.
    fn tell(
        &mut self,
        client: &mut Client,
        name: &MailboxName,
        unseen: Option<Uid>,
    ) -> Result<(), Refusal> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store.messages(self.handle())?;
        self.set_view(messages.view());
        self.watch.arrived = Some(self.view().uid_next);
        self.tell_flag_names(client, &messages);
        client.tell(&Data::Exists(messages.exists(self.view())));
        if client.enabled().rev2 {
            client.tell(&Data::Named(name));
        } else {
            client.tell(&Data::Recent(self.recent(&messages)));
            let unseen = unseen.and_then(|uid| messages.seq_of(self.view(), uid));
            if let Some(seq) = unseen {
                client.remark(&Code::Unseen(seq), "First unseen");
            }
        }
        let validity = Code::UidValidity(messages.uid_validity().get());
        client.remark(&validity, "UIDs are valid");
        let next = Code::UidNext(messages.uid_next().get());
        client.remark(&next, "Predicted next UID");
        let highest = condstore::highest(&store, messages.highest_modseq());
        client.remark(&Code::HighestModseq(highest), "Highest");
        Ok(())
    }

    fn tell_flag_names(&mut self, client: &mut Client, messages: &Messages<'_>) {
        let keywords = messages.keywords();
        self.mailbox.keywords_told = u16::try_from(keywords.len()).unwrap_or(u16::MAX);
        let all = flags::with_system(keywords);
        client.tell(&Data::Flags(&all));
        let rights = client.account().store().rights(self.handle());
        let rights = match self.is_read_only() {
            true => Rights::NONE,
            false => rights.unwrap_or_default(),
        };
        let permanent = Code::PermanentFlags {
            flags: flags::changeable(all, rights),
            any: rights.contains(Rights::WRITE),
        };
        client.remark(&permanent, "Flags that last");
    }

    /// UNSEEN (RFC 3501 §6.3.1), looked for in steps. A mailbox without any is
    /// known by its counter.
    async fn first_unseen(&self, client: &mut Client) -> Result<Option<Uid>, End> {
        let mut from = Some(Uid::MIN);
        while let Some(first) = from.filter(|_| !client.enabled().rev2) {
            let (unseen, last) = self.unseen_from(client, first);
            if unseen.is_some() {
                return Ok(unseen);
            }
            client.breathe().await?;
            from = last.and_then(|last| Uid::new(last.get().checked_add(1)?));
        }
        Ok(None)
    }

    /// An unseen message among the next, or the last of them.
    fn unseen_from(&self, client: &Client, from: Uid) -> (Option<Uid>, Option<Uid>) {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let Some(messages) = messages.ok().filter(|them| them.counters().unseen > 0) else {
            return (None, None);
        };
        let mut last = None;
        for entry in messages.iter_from(from).take(LOOKED_AT_MAX) {
            last = Some(entry.uid());
            if !entry.system_flags().contains(SystemFlags::SEEN) {
                return (last, None);
            }
        }
        (None, last)
    }

    fn opened(&self) -> Answer {
        match self.is_read_only() {
            true => Answer::ok_with(Some(Code::ReadOnly), "Opened for reading"),
            false => Answer::ok_with(Some(Code::ReadWrite), "Opened"),
        }
    }
}

//! The selected state: one mailbox is open, and the client has a picture of it.

use super::answer::Answer;
use super::authenticated::{self, Authenticated};
use super::client::Client;
use super::condstore::{Heard, asks_for_modseqs, lacks_qresync, not_enabled};
use super::messages::{Meant, NoSuchNumber};
use super::search::Watch;
use super::select::{Order, select};
use super::view::Expunges;
use super::{End, State};
use crate::account::Seat;
use crate::session::{Access, Mailbox};
use store::{MailboxHandle, Refusal, UidRange, View};
use wire::imap::{Command, Request, SequenceSet, Tag};

/// The open mailbox: the right to it, and what the session remembers of it.
#[derive(Debug)]
pub struct Selected {
    handle: MailboxHandle,
    pub(super) mailbox: Mailbox,
    /// What the client has been told since its last answer.
    pub(super) heard: Heard,
    /// What is followed, and how far.
    pub(super) watch: Watch,
    /// Keeps the mailbox loaded, and the history that the view needs.
    seat: Seat,
}

impl Selected {
    /// A mailbox that was just opened.
    pub fn new(handle: MailboxHandle, mailbox: Mailbox, seat: Seat) -> Self {
        seat.told(mailbox.view.told_expunged);
        Self {
            handle,
            mailbox,
            heard: Heard::default(),
            watch: Watch::default(),
            seat,
        }
    }

    /// The way to the mailbox.
    pub fn handle(&self) -> &MailboxHandle {
        &self.handle
    }

    /// What the client has been told of.
    pub fn view(&self) -> &View {
        &self.mailbox.view
    }

    /// The client has been told of more.
    pub fn set_view(&mut self, view: View) {
        self.mailbox.view = view;
        self.seat.told(view.told_expunged);
    }

    /// Whether the client may change anything.
    pub fn is_read_only(&self) -> bool {
        self.mailbox.access == Access::ReadOnly
    }

    /// Does one command.
    pub async fn obey(
        self: Box<Self>,
        client: &mut Client,
        request: Request,
    ) -> Result<State, End> {
        let Request { tag, command } = request;
        if lacks_qresync(&command, client.enabled()) {
            client.answer(&tag, &not_enabled()).await?;
            return Ok(State::Selected(self));
        }
        match command {
            Command::Select { mailbox, params } => {
                let order = Order {
                    name: &mailbox,
                    access: Access::Full,
                    params: &params,
                };
                Box::pin(select(client, &tag, order, State::Selected(self))).await
            }
            Command::Examine { mailbox, params } => {
                let order = Order {
                    name: &mailbox,
                    access: Access::ReadOnly,
                    params: &params,
                };
                Box::pin(select(client, &tag, order, State::Selected(self))).await
            }
            Command::Close => self.close(client, &tag).await,
            Command::Unselect => leave(client, &tag).await,
            Command::Idle => self.idle(client, &tag).await,
            Command::Logout => authenticated::logout(client, &tag).await,
            Command::Compress => {
                client.compress(&tag).await?;
                Ok(State::Selected(self))
            }
            command => self.stay(client, &tag, command).await,
        }
    }

    /// What a set means to this client.
    ///
    /// # Errors
    /// The answer to give.
    pub fn meant(&self, client: &Client, set: &SequenceSet, by_uid: bool) -> Result<Meant, Answer> {
        let store = client.account().store();
        let messages = store.messages(&self.handle).map_err(Answer::from)?;
        Meant::new(set, by_uid, &messages, self.view(), self.saved())
            .map_err(|NoSuchNumber| Answer::bad("No message has this number"))
    }

    /// `$`.
    pub fn saved(&self) -> &[UidRange] {
        &self.mailbox.saved
    }

    /// `$` is empty: a SEARCH that was to be saved has failed (RFC 5182 §2.1).
    pub fn forget_saved(&mut self) {
        self.mailbox.saved.clear();
    }

    /// A command after which the mailbox is still open, unless it is gone.
    async fn stay(
        mut self: Box<Self>,
        client: &mut Client,
        tag: &Tag,
        command: Command,
    ) -> Result<State, End> {
        let manners = Manners::of(&command);
        self.check_view(client)?;
        if asks_for_modseqs(&command) {
            self.enable_condstore(client)?;
        }
        self.watch.asked = manners.asks;
        // What a command needs while it runs lies on the heap: a session mostly sleeps.
        let mut answer = Box::pin(self.answer(client, tag, command)).await?;
        let announced = self
            .tell_news(client, manners.expunges, manners.with_uid)
            .await;
        self.watch.asked = false;
        let announced = announced.and_then(|()| self.settle(client, Some(&mut answer)));
        client.answer(tag, &answer).await?;
        match announced {
            // Whoever deletes the mailbox that it has open knows what it does.
            Err(End::MailboxGone) if manners.may_delete => {
                Ok(State::Authenticated(Authenticated::after_unselect()))
            }
            announced => announced.map(|()| State::Selected(self)),
        }
    }

    /// A command that is about messages, or any other.
    async fn answer(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        command: Command,
    ) -> Result<Answer, End> {
        match command {
            Command::Fetch {
                uid,
                set,
                items,
                modifiers,
            } => self.fetch(client, uid, &set, &items, &modifiers).await,
            Command::Store {
                uid,
                set,
                unchanged_since,
                action,
                silent,
                flags,
            } => {
                let change = super::store::Change {
                    unchanged_since,
                    action,
                    silent,
                    flags,
                };
                self.store(client, uid, &set, change).await
            }
            Command::Search { uid, search } => self.search(client, tag, uid, &search).await,
            Command::Sort { uid, sort } => self.sort(client, tag, uid, &sort).await,
            Command::Thread { uid, thread } => self.thread(client, uid, &thread).await,
            Command::ESearch(search) => {
                Box::pin(client.multi_search(tag, &search, Some(self))).await
            }
            Command::Copy { uid, set, mailbox } => self.copy(client, uid, &set, &mailbox).await,
            Command::Move { uid, set, mailbox } => self.move_to(client, uid, &set, &mailbox).await,
            Command::Expunge => self.expunge(client, None).await,
            Command::UidExpunge(set) => self.expunge(client, Some(&set)).await,
            Command::UidBatches(asked) => self.uid_batches(client, tag, asked).await,
            command => self.answer_at_large(client, command).await,
        }
    }

    /// A command that is about the session or other mailboxes, where it matters that one is
    /// open.
    async fn answer_at_large(
        &mut self,
        client: &mut Client,
        command: Command,
    ) -> Result<Answer, End> {
        match command {
            Command::Check => {
                client.account().sync().await;
                Ok(Answer::ok("Everything is on the disk"))
            }
            Command::Enable(names) => {
                let had = client.enabled().condstore;
                let answer = client.enable(&names);
                if client.enabled().condstore && !had {
                    self.tell_point(client)?;
                }
                Ok(answer)
            }
            Command::CancelUpdate(tags) => {
                self.watch.cancel(&tags);
                Ok(Answer::ok("No further updates"))
            }
            Command::Notify(notify) => {
                let open = Some(self.handle().id());
                Box::pin(client.notify(&notify, open)).await
            }
            command => authenticated::anywhere(client, command).await,
        }
    }

    /// CLOSE (RFC 9051 §6.4.1): expunges without a word.
    async fn close(self: Box<Self>, client: &mut Client, tag: &Tag) -> Result<State, End> {
        if !self.is_read_only() {
            let handle = *self.handle();
            let expunged = client
                .account()
                .change(|store| store.expunge(&handle, None));
            match expunged.await {
                // Without the right to expunge, or anything to, CLOSE only leaves.
                Ok(_) | Err(Refusal::NothingToDo | Refusal::NoRight | Refusal::NoSuchMailbox) => {}
                Err(refusal) => {
                    client.answer(tag, &Answer::from(refusal)).await?;
                    return Ok(State::Selected(self));
                }
            }
        }
        leave(client, tag).await
    }
}

/// UNSELECT (RFC 9051 §6.4.2), and the end of CLOSE.
async fn leave(client: &mut Client, tag: &Tag) -> Result<State, End> {
    client.account().sync().await;
    client.answer(tag, &Answer::ok("Closed")).await?;
    Ok(State::Authenticated(Authenticated::after_unselect()))
}

/// What a command allows to be announced with its answer.
struct Manners {
    expunges: Expunges,
    with_uid: bool,
    may_delete: bool,
    /// It asks what is new, or is answered by it.
    asks: bool,
}

impl Manners {
    /// RFC 9051 §7.5.1: no EXPUNGE in answer to FETCH, STORE or SEARCH, for the
    /// client may have sent others with sequence numbers behind it; nor to a UID
    /// SEARCH that has such numbers in itself (RFC 7162 §3.2.10.2).
    fn of(command: &Command) -> Self {
        let uid = match command {
            Command::Fetch { uid, .. }
            | Command::Store { uid, .. }
            | Command::Search { uid, .. }
            | Command::Sort { uid, .. }
            | Command::Thread { uid, .. } => Some(*uid),
            _ => None,
        };
        Self {
            expunges: match (uid, command) {
                (Some(false), _) => Expunges::Held,
                (_, Command::Search { search, .. }) if search.key.names_numbers() => Expunges::Held,
                (_, Command::ESearch(search)) if search.key.names_numbers() => Expunges::Held,
                (_, Command::Sort { sort, .. }) if sort.key.names_numbers() => Expunges::Held,
                (_, Command::Thread { thread, .. }) if thread.key.names_numbers() => Expunges::Held,
                _ => Expunges::Told,
            },
            with_uid: uid == Some(true),
            may_delete: matches!(command, Command::Delete(_)),
            asks: matches!(
                command,
                Command::Noop
                    | Command::Check
                    | Command::Expunge
                    | Command::UidExpunge(_)
                    | Command::Move { .. }
                    | Command::Notify(_)
            ),
        }
    }
}

//! The client of one session: its connection, what it has enabled, and what it
//! must be told to end.

use super::answer::Answer;
use super::connection::Connection;
use super::metadata;
use super::notify::Notified;
use super::progress::Progress;
use super::{End, Handed};
use crate::account::{Account, Orders};
use crate::output::{DEFLATER_KEPT, Output};
use crate::pace::Pace;
use crate::session::{Enabled, Session};
use crate::socket::Socket;
use ipc::slice::MessageLimits;
use std::rc::Rc;
use std::time::Duration;
use store::{Modseq, Principal};
use tokio::sync::watch;
use tokio::time::Instant;
use wire::Text;
use wire::imap::response::{self, Code, Data};
use wire::imap::{AppendBegin, Dialect, Event, Loss, Refusal, Request, Status, Tag};

/// How long a last word may take to be written.
const LAST_WORD_WAIT_MAX: Duration = Duration::from_secs(5);

/// What the client has said.
#[derive(Debug)]
pub enum Heard {
    /// A whole command.
    Request(Request),
    /// A letter is about to come.
    Letter(AppendBegin),
    /// The next bytes of the letter.
    Bytes(Vec<u8>),
    /// The letter is whole.
    LetterEnd,
    /// The APPEND is whole.
    AppendDone,
    /// IDLE is over.
    IdleDone,
    /// Something that was refused with NO, to be answered, and what the client
    /// loses by it.
    Costly(Tag, Refusal, Loss),
    /// Something that was refused; it has been answered.
    Refused,
}

/// Why a wait for the client is over.
enum Woken {
    /// It has said something, or has gone.
    Heard(Result<(), End>),
    /// The worker has changed its orders.
    Ordered,
    /// Something else has happened that was waited for.
    Otherwise,
    /// It has been quiet for long enough to do without its compressor.
    Quiet,
    /// It has been silent for too long.
    Silent,
}

/// See the module.
pub struct Client {
    account: Rc<Account>,
    connection: Connection,
    orders: watch::Receiver<Orders>,
    session: Session,
    login: Tag,
    pace: Pace,
    heard_last: Instant,
    /// Bytes of the longest letter that this session takes.
    append_bytes_max: u64,
    /// None until NOTIFY is said.
    notified: Option<Box<Notified>>,
    /// Messages that a command of this session takes.
    pub(super) messages_max: MessageLimits,
    /// The command that is being done, or was done last.
    pub(super) progress: Option<Progress>,
    /// It was told that the account is over quota.
    pub(super) knows_over_quota: bool,
}

impl Client {
    /// A client that was handed over; none if its tag is none.
    pub fn new(account: Rc<Account>, socket: Socket, handed: Handed) -> Option<Self> {
        let append_bytes_max = account.limits().message_bytes_max;
        Some(Self {
            orders: account.orders(),
            connection: Connection::new(socket, handed.leftover, append_bytes_max),
            session: Session {
                account: account.id(),
                principal: handed.principal,
                epoch: handed.epoch,
                enabled: Enabled::default(),
                annotations_told: Modseq::default(),
                notice_told: 0,
            },
            login: Tag::new(&handed.tag)?,
            pace: Pace::new(),
            heard_last: Instant::now(),
            append_bytes_max,
            notified: None,
            messages_max: account.limits().messages,
            progress: None,
            knows_over_quota: false,
            account,
        })
    }

    /// The first words: the answer to the command that authenticated.
    pub fn welcome(&mut self) {
        let tag = self.login.clone();
        let code = Code::Capability(self.capabilities());
        let answer = Answer::ok_with(Some(code), "Logged in");
        self.render(&tag, &answer);
    }

    /// A command begins.
    pub fn begin(&mut self, tag: &Tag) {
        self.progress = Some(Progress::new(tag.clone()));
    }

    /// The account that this client is in.
    pub fn account(&self) -> &Rc<Account> {
        &self.account
    }

    /// Who acts.
    pub fn principal(&self) -> Principal {
        self.session.principal()
    }

    /// What the client has enabled.
    pub fn enabled(&self) -> Enabled {
        self.session.enabled
    }

    /// The client has enabled more.
    pub fn enable_also(&mut self, enabled: Enabled) {
        if enabled.metadata && !self.session.enabled.metadata {
            self.hear_annotations_from_now();
        }
        self.session.enabled = enabled;
        self.connection.set_dialect(enabled.dialect());
    }

    /// The modseq up to which the client knows what annotations have changed; none if
    /// it doesn't want to.
    pub fn annotations_told(&self) -> Option<Modseq> {
        let wants = self.session.enabled.metadata || self.notified.is_some();
        wants.then_some(self.session.annotations_told)
    }

    /// The client has been told of more.
    pub fn set_annotations_told(&mut self, told: Modseq) {
        self.session.annotations_told = told;
    }

    /// What the client knows of what the server says of itself.
    pub fn notice_told(&self) -> u64 {
        self.session.notice_told
    }

    /// The client has been told of more.
    pub fn set_notice_told(&mut self, told: u64) {
        self.session.notice_told = told;
    }

    fn hear_annotations_from_now(&mut self) {
        self.session.annotations_told = self.account.store().annotations_modseq();
        self.session.notice_told = metadata::print(&self.account.notice());
    }

    /// What of the grammar depends upon what the client has enabled.
    pub fn dialect(&self) -> Dialect {
        self.session.enabled.dialect()
    }

    /// What the client has asked to be told of its own accord; none until it has.
    pub fn notified(&self) -> Option<&Notified> {
        self.notified.as_deref()
    }

    /// The same, to be changed.
    pub fn notified_mut(&mut self) -> Option<&mut Notified> {
        self.notified.as_deref_mut()
    }

    /// From now on the client is told this.
    pub fn set_notified(&mut self, notified: Notified) {
        if self.annotations_told().is_none() {
            self.hear_annotations_from_now();
        }
        self.notified = Some(Box::new(notified));
    }

    /// Whether it is the account's own holder who acts.
    pub fn is_at_home(&self) -> bool {
        self.session.principal == self.session.account
    }

    /// Bytes of the longest letter that this session takes.
    pub fn append_bytes_max(&self) -> u64 {
        self.append_bytes_max
    }

    /// Whether what goes and comes is compressed.
    pub fn is_compressed(&self) -> bool {
        self.connection.is_compressed()
    }

    /// Compresses from now on. All answers must have been written.
    pub fn begin_compression(&mut self) {
        self.connection.begin_compression();
    }

    /// Where answers go.
    pub fn out(&mut self) -> &mut Output {
        self.connection.out()
    }

    /// Renders one line of untagged data.
    pub fn tell(&mut self, data: &Data<'_>) {
        let dialect = self.dialect();
        response::data(self.out().buffer(), dialect, data);
    }

    /// Renders an untagged OK.
    pub fn remark(&mut self, code: &Code, text: &'static str) {
        let text = Text::new(text);
        let out = self.out().buffer();
        response::untagged(out, Status::Ok, Some(code), &text);
    }

    /// Answers a command.
    pub async fn answer(&mut self, tag: &Tag, answer: &Answer) -> Result<(), End> {
        self.warn_of_quota();
        self.tell_annotated(None).await?;
        match &answer.copied {
            Some(copied) => self.tell_copied(Some(tag), copied, answer.text).await?,
            None if !answer.modified.is_empty() => self.tell_modified(tag, answer).await?,
            None => self.render(tag, answer),
        }
        Ok(self.out().relieve().await?)
    }

    /// Asks for more.
    pub async fn ask_for_more(&mut self) -> Result<(), End> {
        response::continuation(self.out().buffer());
        Ok(self.out().flush().await?)
    }

    /// Gives up the APPEND that is coming in.
    pub fn refuse_append(&mut self) {
        self.connection.refuse_append();
    }

    /// The next thing that the client says. All answers leave before it waits.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn hear(&mut self) -> Result<Heard, End> {
        loop {
            self.breathe().await?;
            self.check_orders()?;
            match self.heard()? {
                Some(heard) => return Ok(heard),
                None => self.wait().await?,
            }
        }
    }

    /// Lets others run if it is time to; a session whose client has gone then
    /// stops, whatever it was doing.
    ///
    /// # Errors
    /// [`End::ClientGone`].
    pub async fn breathe(&mut self) -> Result<(), End> {
        if self.pace.breathe().await && self.connection.out().client_is_gone().await {
            return Err(End::ClientGone);
        }
        Ok(())
    }

    /// As [`Self::hear`], but gives up when something else has happened.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn hear_or(
        &mut self,
        otherwise: impl Future<Output = ()>,
    ) -> Result<Option<Heard>, End> {
        let heard = self.heard()?;
        if heard.is_some() {
            return Ok(heard);
        }
        self.check_orders()?;
        self.out().flush().await?;
        self.wait_or(otherwise).await?;
        self.heard()
    }

    /// The last words, as far as there are any, and as far as they are heard.
    pub async fn part(&mut self, end: &End) {
        let Some((code, text)) = last_words(end) else {
            return;
        };
        response::bye(self.out().buffer(), code.as_ref(), &text);
        let _ = tokio::time::timeout(LAST_WORD_WAIT_MAX, self.out().flush()).await;
    }

    async fn wait(&mut self) -> Result<(), End> {
        self.out().flush().await?;
        // A long answer is no silence of the client's.
        self.heard_last = Instant::now();
        self.wait_or(std::future::pending()).await
    }

    /// Waits until the client has said something, the worker has changed its
    /// orders, or something else has happened.
    async fn wait_or(&mut self, otherwise: impl Future<Output = ()>) -> Result<(), End> {
        let patience = Duration::from_secs(u64::from(self.account.limits().idle_seconds));
        self.out().rest();
        let holds_deflater = self.out().holds_deflater();
        let silent_at = self.heard_last + patience;
        let (connection, orders) = (&mut self.connection, &mut self.orders);
        let woken = self.pace.wait(async {
            tokio::select! {
                heard = connection.fill() => Woken::Heard(heard),
                _ = orders.changed() => Woken::Ordered,
                () = otherwise => Woken::Otherwise,
                () = tokio::time::sleep(DEFLATER_KEPT), if holds_deflater => Woken::Quiet,
                () = tokio::time::sleep_until(silent_at) => Woken::Silent,
            }
        });
        match woken.await {
            Woken::Heard(heard) => {
                self.heard_last = Instant::now();
                heard
            }
            Woken::Ordered => self.check_orders(),
            Woken::Otherwise => Ok(()),
            Woken::Quiet => {
                self.out().forget_deflater();
                Ok(())
            }
            Woken::Silent => Err(End::Silent),
        }
    }

    /// What has been read already.
    fn heard(&mut self) -> Result<Option<Heard>, End> {
        loop {
            let Some(event) = self.connection.event() else {
                return Ok(None);
            };
            return Ok(Some(match event {
                Event::Request(request) => Heard::Request(request),
                Event::AppendBegin(begin) => Heard::Letter(begin),
                Event::AppendBytes(bytes) => Heard::Bytes(bytes.to_vec()),
                Event::AppendEnd => Heard::LetterEnd,
                Event::AppendDone(_) => Heard::AppendDone,
                Event::IdleDone => Heard::IdleDone,
                Event::Bad {
                    tag: Some(tag),
                    why,
                    loses: loses @ (Loss::Selection | Loss::Saved),
                } if why.status() == Status::No => Heard::Costly(tag, why, loses),
                Event::Bad { tag, why, .. } => self.refuse(tag.as_ref(), &why),
                Event::Bye(why) => return Err(End::OutOfStep(why)),
                Event::Continue => {
                    response::continuation(self.out().buffer());
                    continue;
                }
            }));
        }
    }

    /// Answers what was refused.
    pub fn refuse(&mut self, tag: Option<&Tag>, why: &Refusal) -> Heard {
        response::refused(self.out().buffer(), tag, why);
        Heard::Refused
    }

    fn check_orders(&mut self) -> Result<(), End> {
        let orders = *self.orders.borrow_and_update();
        if self.session.epoch < orders.epoch {
            Err(End::Revoked)
        } else if orders.leaving {
            Err(End::Leaving)
        } else {
            Ok(())
        }
    }

    fn render(&mut self, tag: &Tag, answer: &Answer) {
        let text = Text::new(answer.text);
        let out = self.out().buffer();
        response::tagged(out, tag, answer.status, answer.code.as_ref(), &text);
    }
}

/// What is said at an end, in words that help.
fn last_words(end: &End) -> Option<(Option<Code>, Text<'static>)> {
    let (code, text) = match end {
        End::LoggedOut | End::ClientGone | End::ClientDoesNotRead | End::Torn => return None,
        End::OutOfStep(why) => {
            return Some((why.code(), Text::from(why as &dyn std::fmt::Display)));
        }
        End::NotDeflate(_) => (
            Some(Code::ClientBug),
            "What you send is not compressed as commands are",
        ),
        End::Silent => (None, "Autologout: nothing was said for a long time"),
        End::Leaving => (
            Some(Code::Unavailable),
            "The server restarts; connect again",
        ),
        End::Revoked => (
            Some(Code::Expired),
            "The account's password or standing has changed; log in again",
        ),
        End::MailboxGone => (
            None,
            "The selected mailbox is gone, or no longer yours to read",
        ),
        End::LeftBehind => (
            Some(Code::Unavailable),
            "Too much has changed since you were last told; select the mailbox again",
        ),
    };
    Some((code, Text::new(text)))
}

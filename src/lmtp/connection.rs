//! One connection: bytes between an MTA and its [`Session`], letters to the
//! spool, deliveries and their answers.

use crate::delivery::{self, Undelivered};
use crate::house::Shared;
use crate::return_path::Filter;
use crate::session::{CannotKeep, Envelope, Rules, Session, Step, Way};
use crate::spool::{Intake, Letter, random_name};
use crate::trace::Arrival;
use ipc::edge::lmtp_auth::Standing;
use ipc_async::Stream;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;
use wire::Address;
use wire::lmtp::Reply;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of replies that wait for others: those to some hundred recipients.
const REPLIES_BYTES_MAX: usize = 4 * 1024;

/// How long a peer may take to read our replies.
pub const WRITE_SECONDS_MAX: u64 = 60;

/// Deliveries of one letter that run at once; workers sync alongside each other.
pub const DELIVERIES_PER_LETTER_MAX: usize = 16;

/// How a connection ended, from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is over.
    Closed,
    /// The peer wants TLS: all has been said in the clear that is to be.
    StartTls,
}

/// Serves a connection to its end.
///
/// # Errors
/// The peer vanished or did not read.
pub async fn serve(socket: &Stream, way: Way, shared: &Rc<Shared>) -> io::Result<Ended> {
    let settings = shared.settings();
    let connection = Connection {
        socket,
        shared: Rc::clone(shared),
        session: Session::new(&settings.rules, way),
        tls: way.tls,
        idle: Duration::from_secs(settings.slice.idle_seconds.into()),
        intake: None,
    };
    connection.converse(&settings.rules).await
}

struct Connection<'c> {
    socket: &'c Stream,
    shared: Rc<Shared>,
    session: Session<'c>,
    tls: bool,
    idle: Duration,
    /// The letter that comes in, if one does and can be kept.
    intake: Option<(Intake, Filter)>,
}

impl Connection<'_> {
    async fn converse(mut self, rules: &Rules) -> io::Result<Ended> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.flush().await?;
            let read = match self.read(&mut buffer).await? {
                Heard::Bytes(read) => read,
                Heard::End => return Ok(Ended::Closed),
                Heard::Nothing(why) => {
                    self.session.end(why);
                    0
                }
            };
            let mut input = buffer.get(..read).unwrap_or_default();
            if let Some(ended) = self.hear(&mut input, rules).await? {
                self.flush().await?;
                return Ok(ended);
            }
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<Heard> {
        tokio::select! {
            biased;
            () = self.shared.stopped() => Ok(Heard::Nothing(Reply::Stopping)),
            read = timeout(self.idle, self.socket.read(buffer)) => match read {
                Err(_) => Ok(Heard::Nothing(Reply::TimedOut)),
                Ok(Ok(0)) => Ok(Heard::End),
                Ok(read) => read.map(Heard::Bytes),
            }
        }
    }

    /// Does what the input asks for, all of it or up to the end.
    async fn hear(&mut self, input: &mut &[u8], rules: &Rules) -> io::Result<Option<Ended>> {
        loop {
            match self.session.advance(input) {
                Step::More => return Ok(None),
                Step::Look(address) => self.look(&address).await?,
                Step::Begin => self.intake = Some((self.shared.spool.intake(), Filter::default())),
                Step::Bytes(bytes) => {
                    if let Err(why) = keep(&mut self.intake, bytes) {
                        self.cannot_keep(why);
                    }
                }
                Step::Deliver(envelope) => self.deliver(envelope, rules).await?,
                Step::Forget => self.intake = None,
                Step::StartTls => return Ok(Some(Ended::StartTls)),
                Step::Close => return Ok(Some(Ended::Closed)),
            }
        }
    }

    /// Replies wait for those that follow in the same breath (RFC 2920 §3.2): each
    /// that is sent alone wakes `front` and the client.
    async fn look(&mut self, address: &Address) -> io::Result<()> {
        if self.session.output_bytes() > REPLIES_BYTES_MAX {
            self.flush().await?;
        }
        let standing = match delivery::address(address) {
            Some(address) => self.shared.peers.look(address).await,
            None => Standing::Unknown,
        };
        self.session.found(standing);
        Ok(())
    }

    fn cannot_keep(&mut self, why: CannotKeep) {
        tracing::warn!(?why, "a letter could not be kept");
        self.intake = None;
        self.session.cannot_keep(why);
    }

    /// Delivers to all, some at once, and answers in their order.
    async fn deliver(&mut self, envelope: Envelope, rules: &Rules) -> io::Result<()> {
        let recipients = envelope.recipients.clone();
        let letter = match self.intake.take().map(finish) {
            Some(Ok(letter)) => Rc::new(letter),
            Some(Err(why)) => return self.lost(why, recipients.len()).await,
            None => return self.lost(CannotKeep::Failed, recipients.len()).await,
        };
        let arrival = Rc::new(self.arrival(envelope, rules));
        let mut running: VecDeque<JoinHandle<Reply<'static>>> = VecDeque::new();
        for to in recipients {
            if running.len() >= DELIVERIES_PER_LETTER_MAX {
                self.answer_first(&mut running).await?;
            }
            let (shared, letter) = (Rc::clone(&self.shared), Rc::clone(&letter));
            running.push_back(spawn_local(deliver_one(
                shared,
                letter,
                Rc::clone(&arrival),
                to,
            )));
        }
        drop(letter);
        while !running.is_empty() {
            self.answer_first(&mut running).await?;
        }
        Ok(())
    }

    async fn answer_first(
        &mut self,
        running: &mut VecDeque<JoinHandle<Reply<'static>>>,
    ) -> io::Result<()> {
        if let Some(first) = running.pop_front() {
            let reply = first.await.unwrap_or(Reply::TryLater);
            self.session.answer(reply);
            self.flush().await?;
        }
        Ok(())
    }

    /// The letter could not be kept at its very end.
    async fn lost(&mut self, why: CannotKeep, recipients: usize) -> io::Result<()> {
        tracing::warn!(?why, "a letter could not be kept");
        for _ in 0..recipients {
            self.session.answer(why.reply());
        }
        self.flush().await
    }

    fn arrival(&self, envelope: Envelope, rules: &Rules) -> Arrival {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Arrival {
            envelope,
            tls: self.tls,
            hostname: rules.hostname.clone(),
            // Without randomness nothing is delivered anyway.
            id: random_name().unwrap_or_default(),
            unix_seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        let written = self.socket.write_all(&output);
        timeout(Duration::from_secs(WRITE_SECONDS_MAX), written)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

enum Heard {
    Bytes(usize),
    End,
    Nothing(Reply<'static>),
}

fn keep(intake: &mut Option<(Intake, Filter)>, bytes: &[u8]) -> Result<(), CannotKeep> {
    match intake {
        Some((intake, filter)) => filter.pass(bytes, |bytes| intake.write(bytes)),
        None => Err(CannotKeep::Failed),
    }
}

fn finish((mut intake, filter): (Intake, Filter)) -> Result<Letter, CannotKeep> {
    filter.finish(|held| intake.write(held))?;
    intake.finish()
}

async fn deliver_one(
    shared: Rc<Shared>,
    letter: Rc<Letter>,
    arrival: Rc<Arrival>,
    to: Address,
) -> Reply<'static> {
    // Closed only when the process ends.
    let Ok(_permit) = shared.deliveries.acquire().await else {
        return Undelivered::Silent.reply();
    };
    let bytes = letter.length();
    match delivery::deliver(&shared.peers, letter, &arrival, &to).await {
        Ok(()) => {
            tracing::info!(id = %arrival.id, %to, bytes, "delivered");
            Reply::Delivered
        }
        Err(why) => {
            tracing::warn!(id = %arrival.id, %to, ?why, "not delivered");
            why.reply()
        }
    }
}

//! One client's session, from the first byte until it is authenticated or sent
//! away: the protocol's states on one side, the client's socket, `auth` and
//! `director` on the other.
//!
//! Invariants: everything before the hand-over ends at one deadline, counted
//! from the session's start, whatever the client does; nothing is read from the
//! socket while `auth` or `director` is asked; once the socket is with
//! `director`, not a byte is written to it unless `director` has refused it.
//! A session logs its connection's number and what came of it, nothing else.

use crate::admission::Place;
use crate::client::{Client, Gone};
use crate::dialogue::{Dialogue, Verdict, Whose};
use crate::house::House;
use crate::imap;
use crate::pop3;
use crate::sasl::Question;
use crate::states::{Authenticating, Dismissal, HandingOver, Heard, Listening};
use crate::terms::Terms;
use ipc::codec::Bytes;
use ipc::edge::front_service::Transport;
use ipc::edge::handover::{self, ToAsker, Work};
use ipc::slice::Protocol;
use ipc::{ConnectionId, Instance, Nonce};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::debug;

/// How long `director` may take over a hand-over. A birth waits up to 5 s for
/// its predecessor and tickets live 20 s: who hasn't answered by then won't.
const HANDOVER_SECONDS_MAX: u64 = 30;

/// How long a socket may take to be closed by the other side when its session
/// has ended with STARTTLS.
const FINISH_SECONDS_MAX: u64 = 30;

/// What `front` said of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Which `front` has the client.
    pub front: Instance,
    /// Its number for the connection.
    pub connection: ConnectionId,
    /// How the client came.
    pub transport: Transport,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether STARTTLS can be asked for on this connection.
    pub may_start_tls: bool,
    /// Whether TLS has just begun on it.
    pub after_starttls: bool,
    /// Whether the client has shown a certificate that names it.
    pub client_certificate: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A worker has the socket.
    HandedOver,
    /// TLS is to begin; the next session will have a new socket.
    StartTls,
    /// The client has left, or was told why it must.
    Closed,
    /// Nobody knows who has the socket, so nothing may be said on it.
    Lost,
}

/// Serves one client. The client and its place are given up on return, but for
/// [`End::StartTls`], where `start_tls` is called first.
pub async fn serve(
    house: Rc<House>,
    origin: Origin,
    client: Client,
    place: Place,
    start_tls: impl FnOnce(),
) -> End {
    let seconds = u64::from(house.settings().login_seconds);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let whose = Whose {
        front: origin.front,
        cookie: client.cookie(),
        protocol: origin.protocol,
    };
    let dialogue = Dialogue::new(Rc::clone(&house.auth), whose);
    let mut session = Session {
        house,
        origin,
        client,
        dialogue,
    };
    let end = match origin.protocol {
        Protocol::Imap => session.run::<imap::Listening>(&place, deadline).await,
        Protocol::Pop3 => session.run::<pop3::Listening>(&place, deadline).await,
        Protocol::ManageSieve | Protocol::Lmtp | Protocol::Admin => End::Closed,
    };
    debug!(connection = origin.connection.0, ?end, "session ended");
    if end == End::StartTls {
        start_tls();
        drop(place);
        let patience = Duration::from_secs(FINISH_SECONDS_MAX);
        let _ = tokio::time::timeout(patience, session.client.finish()).await;
    }
    end
}

struct Session {
    house: Rc<House>,
    origin: Origin,
    client: Client,
    dialogue: Dialogue,
}

/// What a client came to while it was heard.
enum Asks<L: Listening> {
    Verify(L::Authenticating, Question),
    StartTls,
    Close,
}

/// What came of a hand-over.
enum Brought {
    Taken,
    Refused(handover::Refusal),
    Unknown,
}

impl Session {
    async fn run<L: Listening>(&mut self, place: &Place, deadline: Instant) -> End {
        let mut state: L = self.begin();
        loop {
            let asked = tokio::select! {
                biased;
                why = dismissal(place, deadline) => return self.dismiss::<L>(why),
                asked = self.listen(state) => asked,
            };
            let (authenticating, question) = match asked {
                Ok(Asks::Verify(authenticating, question)) => (authenticating, question),
                Ok(Asks::StartTls) => return End::StartTls,
                Ok(Asks::Close) | Err(Gone) => return End::Closed,
            };
            let verdict = tokio::select! {
                biased;
                why = dismissal(place, deadline) => return self.dismiss::<L>(why),
                verdict = self.dialogue.ask(question) => verdict,
            };
            let next = match verdict {
                Verdict::Verified(nonce) => {
                    let handing_over = authenticating.verified();
                    place.hand_over(true);
                    let brought = self.hand_over(nonce, &handing_over).await;
                    place.hand_over(false);
                    match brought {
                        Brought::Taken => return End::HandedOver,
                        Brought::Unknown => return End::Lost,
                        Brought::Refused(why) => {
                            Some(handing_over.refused(why, &mut self.client.output))
                        }
                    }
                }
                Verdict::Challenge(challenge) => {
                    Some(authenticating.challenged(&challenge, &mut self.client.output))
                }
                Verdict::Rejected(why) => authenticating.rejected(why, &mut self.client.output),
            };
            match next {
                Some(listening) => state = listening,
                None => {
                    self.client.write_at_once();
                    return End::Closed;
                }
            }
        }
    }

    fn begin<L: Listening>(&mut self) -> L {
        let terms = Terms::new(
            self.origin.transport,
            self.origin.may_start_tls,
            self.origin.client_certificate,
            &self.house.settings(),
        );
        match self.origin.after_starttls {
            true => L::after_starttls(terms),
            false => L::greet(terms, &mut self.client.output),
        }
    }

    /// Hears the client until it wants something that others decide.
    async fn listen<L: Listening>(&mut self, mut state: L) -> Result<Asks<L>, Gone> {
        loop {
            if self.client.has_said_enough() {
                self.client.write().await?;
            }
            let heard = self.client.hear(|input, output| state.hear(input, output));
            if heard.ends_dialogue() {
                self.dialogue.give_up();
            }
            let asks = match heard {
                Heard::Answered(next) => {
                    state = next;
                    continue;
                }
                Heard::NeedsMore(next) => {
                    state = next;
                    self.client.write().await?;
                    self.client.read().await?;
                    continue;
                }
                Heard::Ask(authenticating, question) => Asks::Verify(authenticating, question),
                Heard::StartTls => Asks::StartTls,
                Heard::Close => Asks::Close,
            };
            self.client.write().await?;
            return Ok(asks);
        }
    }

    /// Gives `director` a copy of the socket with what was read and not used.
    async fn hand_over(&mut self, nonce: Nonce, state: &impl HandingOver) -> Brought {
        // Nothing has been sent as long as nobody was asked.
        let Some(question) = self.hand_over_message(nonce, state) else {
            return Brought::Refused(handover::Refusal::NoWorker);
        };
        let Ok(answer) = self.house.director.ask(nonce, question) else {
            return Brought::Refused(handover::Refusal::NoWorker);
        };
        let patience = Duration::from_secs(HANDOVER_SECONDS_MAX);
        match tokio::time::timeout(patience, answer).await {
            Ok(Some(ToAsker::Taken { .. })) => {
                // `auth` has said who came; a second line for each login costs as much.
                debug!(connection = self.origin.connection.0, "handed over");
                Brought::Taken
            }
            Ok(Some(ToAsker::Refused { refusal, .. })) => Brought::Refused(refusal),
            Ok(Some(ToAsker::Lost { .. }) | None) => Brought::Unknown,
            Err(_) => {
                // A copy of the socket lies with a `director` that doesn't move: the
                // client must not wait for it, too.
                self.client.cut();
                Brought::Unknown
            }
        }
    }

    fn hand_over_message(
        &self,
        nonce: Nonce,
        state: &impl HandingOver,
    ) -> Option<handover::ToDirector> {
        let work = Work::Session {
            protocol: self.origin.protocol,
            transport: self.origin.transport,
            tag: Bytes::new(state.tag()).ok()?,
            utf8: state.utf8(),
            mechanisms: Bytes::new(state.mechanisms()).ok()?,
            leftover: Bytes::new(self.client.leftover()).ok()?,
        };
        let socket = self.client.duplicate().ok()?;
        Some(handover::ToDirector::HandOver {
            nonce,
            work,
            socket,
        })
    }

    fn dismiss<L: Listening>(&mut self, why: Dismissal) -> End {
        L::dismiss(why, &mut self.client.output);
        self.client.write_at_once();
        End::Closed
    }
}

/// Returns when the session must end.
async fn dismissal(place: &Place, deadline: Instant) -> Dismissal {
    tokio::select! {
        () = place.sent_away() => Dismissal::Crowded,
        () = tokio::time::sleep_until(deadline) => Dismissal::TooSlow,
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

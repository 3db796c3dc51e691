//! A protocol before authentication, as a session drives it: states that are
//! consumed by what moves them on.
//!
//! ```text
//!   greet --> Listening --Ask--> Authenticating --verified--> HandingOver
//!              ^     |               |                             |
//!              |     +--StartTls,    |                             |
//!              |        Close        |                             |
//!              +------------- challenged, rejected, refused -------+
//! ```
//!
//! Invariants, for whoever implements these: what a state needs is in the state;
//! nothing is heard but in [`Listening`], so what the client sends meanwhile stays
//! where it is; no state keeps a name or a password beyond its command.

use crate::sasl::Question;
use crate::terms::Terms;
use ipc::edge::handover;
use ipc::edge::login_auth::Rejection;

/// What came of listening.
pub enum Heard<L: Listening> {
    /// The input is used up.
    NeedsMore(L),
    /// One thing was answered; there may be more in the input.
    Answered(L),
    /// Ask `auth`. What is left in the input stays there.
    Ask(L::Authenticating, Question),
    /// The OK to beginning TLS is in the output. Whatever is left in the input was
    /// said in the clear and must be thrown away.
    StartTls,
    /// Send the output and close.
    Close,
}

impl<L: Listening> Heard<L> {
    /// Whether `auth`, if it waits for the client's answer, will get none.
    #[must_use]
    pub fn ends_dialogue(&self) -> bool {
        match self {
            Self::NeedsMore(next) => !next.keeps_auth_waiting(),
            Self::Ask(..) => false,
            Self::Answered(_) | Self::StartTls | Self::Close => true,
        }
    }
}

/// Why a client is sent away in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissal {
    /// Its time is over.
    TooSlow,
    /// Others need its place, or the set stops.
    Crowded,
}

/// The client is heard.
pub trait Listening: Sized {
    /// `auth` is being asked.
    type Authenticating: Authenticating<Listening = Self>;

    /// A new connection: greets.
    fn greet(terms: Terms, out: &mut Vec<u8>) -> Self;

    /// A connection on which TLS has just begun: no greeting, and nothing is known
    /// of what was said before.
    fn after_starttls(terms: Terms) -> Self;

    /// Consumes `input` up to one event and answers it in `out`.
    #[must_use]
    fn hear(self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard<Self>;

    /// Whether `auth` waits for the client's next answer, and must be told if none
    /// comes.
    fn keeps_auth_waiting(&self) -> bool;

    /// The last words to a client that is dismissed, whatever its state.
    fn dismiss(why: Dismissal, out: &mut Vec<u8>);
}

/// `auth` is being asked; the client is not heard.
pub trait Authenticating: Sized {
    /// Where the client is heard again.
    type Listening;

    /// The socket is on its way to the account's worker.
    type HandingOver: HandingOver<Listening = Self::Listening>;

    /// The credentials are good; the client is not told yet.
    #[must_use]
    fn verified(self) -> Self::HandingOver;

    /// Tells the client what it has to answer.
    #[must_use]
    fn challenged(self, challenge: &[u8], out: &mut Vec<u8>) -> Self::Listening;

    /// Tells the client. `None`: and it may not try again; send the output and
    /// close.
    #[must_use]
    fn rejected(self, why: Rejection, out: &mut Vec<u8>) -> Option<Self::Listening>;
}

/// The socket is on its way to the account's worker; we are silent, unless it is
/// refused.
pub trait HandingOver: Sized {
    /// Where the client is heard again.
    type Listening;

    /// What the worker's first answer is tagged with.
    fn tag(&self) -> &str;

    /// Whether the client has asked for UTF-8 for the time behind authentication.
    fn utf8(&self) -> bool;

    /// The mechanisms that the client was offered, as the worker is to name them.
    fn mechanisms(&self) -> String;

    /// No worker has it or will have it: tells the client, who may try again.
    #[must_use]
    fn refused(self, why: handover::Refusal, out: &mut Vec<u8>) -> Self::Listening;
}

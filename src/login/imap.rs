//! IMAP before authentication (RFC 9051, sections 3.1, 6.1 and 6.2), as states
//! that are consumed by what moves them on. No socket, no clock, no channel.
//!
//! ```text
//!                  LOGIN, AUTHENTICATE with initial response
//!            +-------------------------------------------------+
//!            |                                                 v
//!   NotAuthenticated --AUTHENTICATE--> Challenged --answer--> Authenticating --verified--> HandingOver
//!        ^   |                             | ^                 |                            |
//!        |   +--STARTTLS, LOGOUT: the end  | +----challenged---+                            |
//!        +------------------------- cancelled, rejected, refused ---------------------------+
//! ```
//!
//! Invariants: what a state needs is in the state, so nothing of a cleartext
//! session can reach the one that begins after STARTTLS; a password is taken
//! only on [`Terms`] that allow it; in `Authenticating` and `HandingOver` nothing
//! is heard, so what the client sends meanwhile stays where it is. Never here: a
//! name or a password that outlives its command.

use crate::sasl::{Asked, Exchange, Question, Step, password_step};
use ipc::edge::front_service::Transport;
use ipc::edge::handover;
use ipc::edge::login_auth::Rejection;
use ipc::slice;
use preauth::imap::response::{self, Capability, Code, Status};
use preauth::imap::{Answer, Command, Event, Reader, Refusal, Request, ResponseReader, Tag};
use preauth::sasl::Mechanism;
use preauth::{Secret, Text};
use std::fmt::Display;

/// Rejected credentials on one connection, after which it is closed. A person
/// mistypes twice; a guesser shall pay for a new connection.
pub const FAILURES_MAX: u8 = 3;

/// What is announced before authentication on every connection. Only what the
/// whole set has, for many clients ask once and never again.
const CAPABILITIES: [Capability; 6] = [
    Capability::Imap4Rev1,
    Capability::LiteralPlus,
    Capability::SaslIr,
    Capability::Id,
    Capability::Enable,
    Capability::Idle,
];

/// What this connection allows; fixed when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Passwords may be sent.
    passwords: bool,
    /// STARTTLS is offered.
    start_tls: bool,
    /// TLS is on.
    tls: bool,
    /// SCRAM is spoken here.
    scram: bool,
    /// The TLS connection can be bound to (RFC 9266): it is of version 1.3.
    binding: bool,
    /// The client has shown a certificate that names it.
    certificate: bool,
}

/// TLS 1.3, as on the wire.
const TLS13: u16 = 0x0304;

impl Terms {
    /// The terms of a connection that came this way.
    #[must_use]
    pub fn new(
        transport: Transport,
        may_start_tls: bool,
        certificate: bool,
        settings: &slice::Login,
    ) -> Self {
        let (passwords, start_tls, version) = match transport {
            Transport::Tls { version } => (true, false, Some(version)),
            Transport::Cleartext { loopback } => (
                loopback && settings.cleartext_on_loopback,
                may_start_tls && settings.starttls,
                None,
            ),
        };
        Self {
            passwords,
            start_tls,
            tls: version.is_some(),
            scram: settings.scram,
            binding: version == Some(TLS13),
            certificate: certificate && version.is_some(),
        }
    }

    /// Whether the mechanism can be used on this connection: no other is
    /// announced, nor taken.
    fn offers(self, mechanism: Mechanism) -> bool {
        self.passwords
            && match mechanism {
                Mechanism::Plain | Mechanism::Login => true,
                Mechanism::ScramSha256 => self.scram,
                Mechanism::ScramSha256Plus => self.scram && self.binding,
                Mechanism::External => self.certificate,
                Mechanism::Unknown => false,
            }
    }

    fn capabilities(self) -> Vec<Capability> {
        let mut all = CAPABILITIES.to_vec();
        if self.start_tls {
            all.push(Capability::StartTls);
        }
        if !self.passwords {
            all.push(Capability::LoginDisabled);
        }
        let offered = Mechanism::ALL.into_iter();
        all.extend(
            offered
                .filter(|one| self.offers(*one))
                .map(Capability::Auth),
        );
        all
    }
}

/// A state in which the client is heard.
pub enum Listening {
    /// It gives commands.
    NotAuthenticated(NotAuthenticated),
    /// It answers a challenge.
    Challenged(Challenged),
}

/// What came of listening.
pub enum Heard {
    /// The input is used up.
    NeedsMore(Listening),
    /// One thing was answered; there may be more in the input.
    Answered(Listening),
    /// Ask `auth`. What is left in the input stays there.
    Ask(Authenticating, Question),
    /// The OK to STARTTLS is in the output. Whatever is left in the input was
    /// said in the clear and must be thrown away.
    StartTls,
    /// Send the output and close.
    Close,
}

impl Heard {
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

impl Listening {
    /// Whether `auth` waits for the client's next answer, and must be told if none
    /// comes.
    fn keeps_auth_waiting(&self) -> bool {
        match self {
            Self::NotAuthenticated(_) => false,
            Self::Challenged(state) => state.exchange.keeps_auth_waiting(),
        }
    }

    /// Consumes `input` up to one event and answers it in `out`.
    #[must_use]
    pub fn hear(self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self {
            Self::NotAuthenticated(state) => state.hear(input, out),
            Self::Challenged(state) => state.hear(input, out),
        }
    }
}

/// What lasts through all states: the terms, and how often it went wrong.
#[derive(Debug, Clone, Copy)]
struct Course {
    terms: Terms,
    failures: u8,
}

impl Course {
    fn listen(self) -> NotAuthenticated {
        NotAuthenticated {
            course: self,
            reader: Reader::new(),
        }
    }

    fn answered(self) -> Heard {
        Heard::Answered(Listening::NotAuthenticated(self.listen()))
    }
}

/// The client gives commands (RFC 9051, section 3.1).
pub struct NotAuthenticated {
    course: Course,
    reader: Reader,
}

impl NotAuthenticated {
    /// A new connection: greets.
    #[must_use]
    pub fn greet(terms: Terms, out: &mut Vec<u8>) -> Self {
        response::greeting(out, &terms.capabilities(), &Text::new("Mailkeep ready"));
        Self::after_starttls(terms)
    }

    /// A connection on which TLS has just begun: no greeting (RFC 9051, section
    /// 6.2.1), and nothing is known of what was said before.
    #[must_use]
    pub fn after_starttls(terms: Terms) -> Self {
        Course { terms, failures: 0 }.listen()
    }

    fn hear(mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self.reader.advance(input) {
            None => return Heard::NeedsMore(Listening::NotAuthenticated(self)),
            Some(Event::Request(request)) => return self.course.obey(request, out),
            Some(Event::Bye(why)) => return out_of_step(why, out),
            Some(Event::Continue) => response::continuation(out),
            Some(Event::Bad(tag, why)) => response::refused(out, tag.as_ref(), why),
        }
        Heard::Answered(Listening::NotAuthenticated(self))
    }
}

impl Course {
    /// `command-any / command-nonauth` (RFC 9051, section 9)
    fn obey(self, Request { tag, command }: Request, out: &mut Vec<u8>) -> Heard {
        match command {
            Command::Capability => response::capabilities(out, &self.terms.capabilities()),
            Command::Noop => (),
            Command::Id => response::id(out),
            Command::Logout => return logout(&tag, out),
            Command::StartTls => return self.start_tls(&tag, out),
            Command::Login { .. } | Command::Authenticate { .. } if !self.terms.passwords => {
                return self.no(&tag, Code::PrivacyRequired, "Use TLS first", out);
            }
            Command::Login { user, password } => {
                return self.step(tag, password_step("", &user, &password), out);
            }
            Command::Authenticate { mechanism, initial } => {
                return self.authenticate(tag, mechanism, initial.as_ref(), out);
            }
        }
        response::tagged(out, &tag, Status::Ok, None, &Text::new("Done"));
        self.answered()
    }

    fn start_tls(self, tag: &Tag, out: &mut Vec<u8>) -> Heard {
        let (status, text) = match self.terms {
            Terms {
                start_tls: true, ..
            } => (Status::Ok, "Begin TLS"),
            Terms { tls: true, .. } => (Status::Bad, "TLS is on already"),
            _ => (Status::No, "No TLS here"),
        };
        response::tagged(out, tag, status, None, &Text::new(text));
        match status {
            Status::Ok => Heard::StartTls,
            _ => self.answered(),
        }
    }

    fn authenticate(
        self,
        tag: Tag,
        mechanism: Mechanism,
        initial: Option<&Secret>,
        out: &mut Vec<u8>,
    ) -> Heard {
        let offered = self.terms.offers(mechanism);
        match Exchange::begin(mechanism, initial).filter(|_| offered) {
            Some(step) => self.step(tag, step, out),
            None => {
                response::tagged(out, &tag, Status::No, None, &Text::new("Unknown mechanism"));
                self.answered()
            }
        }
    }

    fn step(self, tag: Tag, step: Step, out: &mut Vec<u8>) -> Heard {
        match step {
            Step::Challenge(exchange, challenge) => {
                Heard::Answered(self.challenge(tag, exchange, &challenge, out))
            }
            Step::Ask(asked, question) => {
                let authenticating = Authenticating {
                    course: self,
                    tag,
                    asked,
                };
                Heard::Ask(authenticating, question)
            }
            Step::Bad(why) => self.bad(&tag, &why, out),
        }
    }

    fn challenge(
        self,
        tag: Tag,
        exchange: Exchange,
        challenge: &[u8],
        out: &mut Vec<u8>,
    ) -> Listening {
        response::challenge(out, challenge);
        Listening::Challenged(Challenged {
            course: self,
            tag,
            exchange,
            reader: ResponseReader::new(),
        })
    }

    fn no(self, tag: &Tag, code: Code<'_>, text: &str, out: &mut Vec<u8>) -> Heard {
        response::tagged(out, tag, Status::No, Some(code), &Text::new(text));
        self.answered()
    }

    fn bad(self, tag: &Tag, why: &dyn Display, out: &mut Vec<u8>) -> Heard {
        response::tagged(out, tag, Status::Bad, None, &Text::from(why));
        self.answered()
    }
}

fn logout(tag: &Tag, out: &mut Vec<u8>) -> Heard {
    response::bye(out, None, &Text::new("Bye"));
    response::tagged(out, tag, Status::Ok, None, &Text::new("Done"));
    Heard::Close
}

fn out_of_step(why: Refusal, out: &mut Vec<u8>) -> Heard {
    response::bye(out, None, &Text::from(&why as &dyn Display));
    Heard::Close
}

/// The client answers a challenge of AUTHENTICATE (RFC 9051, section 6.2.2).
pub struct Challenged {
    course: Course,
    tag: Tag,
    exchange: Exchange,
    reader: ResponseReader,
}

impl Challenged {
    fn hear(mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self.reader.advance(input) {
            None => Heard::NeedsMore(Listening::Challenged(self)),
            Some(Answer::Message(message)) => {
                self.course
                    .step(self.tag, self.exchange.hear(&message), out)
            }
            Some(Answer::Cancelled) => self.course.bad(&self.tag, &"Cancelled", out),
            Some(Answer::Bad(why)) => self.course.bad(&self.tag, &why, out),
            Some(Answer::Bye(why)) => out_of_step(why, out),
        }
    }
}

/// `auth` is being asked; the client is not heard.
pub struct Authenticating {
    course: Course,
    tag: Tag,
    asked: Asked,
}

impl Authenticating {
    /// The credentials are good; the client is not told yet.
    #[must_use]
    pub fn verified(self) -> HandingOver {
        HandingOver {
            course: self.course,
            tag: self.tag,
        }
    }

    /// Tells the client what it has to answer.
    #[must_use]
    pub fn challenged(self, challenge: &[u8], out: &mut Vec<u8>) -> Listening {
        let Self { course, tag, asked } = self;
        match asked.challenged() {
            Some(exchange) => course.challenge(tag, exchange, challenge, out),
            None => {
                let text = Text::new("Try again later");
                response::tagged(out, &tag, Status::No, Some(Code::Unavailable), &text);
                Listening::NotAuthenticated(course.listen())
            }
        }
    }

    /// Tells the client. `None`: and it may not try again; send the output and
    /// close.
    #[must_use]
    pub fn rejected(mut self, why: Rejection, out: &mut Vec<u8>) -> Option<Listening> {
        let (code, text) = match why {
            Rejection::Credentials => (Code::AuthenticationFailed, "Wrong name or password"),
            Rejection::Unavailable => (Code::Unavailable, "Try again later"),
            Rejection::PrivacyRequired => (Code::PrivacyRequired, "Use TLS first"),
            Rejection::TooManySessions => (Code::Limit, "Too many sessions"),
        };
        response::tagged(out, &self.tag, Status::No, Some(code), &Text::new(text));
        self.course.failures = self
            .course
            .failures
            .saturating_add(u8::from(why == Rejection::Credentials));
        if self.course.failures >= FAILURES_MAX {
            response::bye(out, None, &Text::new("Too many failures"));
            return None;
        }
        Some(Listening::NotAuthenticated(self.course.listen()))
    }
}

/// The socket is on its way to the account's worker; we are silent, unless it is
/// refused.
pub struct HandingOver {
    course: Course,
    tag: Tag,
}

impl HandingOver {
    /// What the worker's first answer is tagged with.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.tag.as_str()
    }

    /// No worker has it or will have it: tells the client, who may try again.
    #[must_use]
    pub fn refused(self, why: handover::Refusal, out: &mut Vec<u8>) -> Listening {
        let (code, text) = match why {
            handover::Refusal::TooManySessions => (Code::Limit, "Too many sessions"),
            _ => (Code::Unavailable, "Try again later"),
        };
        response::tagged(out, &self.tag, Status::No, Some(code), &Text::new(text));
        Listening::NotAuthenticated(self.course.listen())
    }
}

/// The last words to a client that is dismissed in the middle.
pub fn dismiss(text: &str, out: &mut Vec<u8>) {
    response::bye(out, Some(Code::Unavailable), &Text::new(text));
}

#[cfg(test)]
#[path = "imap_traces.rs"]
mod traces;

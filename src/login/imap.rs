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

use crate::sasl::{Asked, Exchange, Step, password_step};
use crate::states::{self, Dismissal};
use crate::terms::{Failures, Terms};
use ipc::edge::handover;
use ipc::edge::login_auth::Rejection;
use preauth::imap::response::{self, Capability, Code, Status};
use preauth::imap::{Answer, Command, Event, Reader, Refusal, Request, ResponseReader, Tag};
use preauth::sasl::Mechanism;
use preauth::{Secret, Text};
use std::fmt::Display;

/// What is announced before authentication on every connection. Only what the
/// whole set has, for many clients ask once and never again; IMAP4rev2 must be among
/// it, whatever the state (RFC 9051, section 6.1.1).
const CAPABILITIES: [Capability; 7] = [
    Capability::Imap4Rev1,
    Capability::Imap4Rev2,
    Capability::LiteralPlus,
    Capability::SaslIr,
    Capability::Id,
    Capability::Enable,
    Capability::Idle,
];

/// What came of listening.
type Heard = states::Heard<Listening>;

/// A state in which the client is heard.
pub enum Listening {
    /// It gives commands.
    NotAuthenticated(NotAuthenticated),
    /// It answers a challenge.
    Challenged(Challenged),
}

impl states::Listening for Listening {
    type Authenticating = Authenticating;

    fn greet(terms: Terms, out: &mut Vec<u8>) -> Self {
        response::greeting(out, &capabilities(terms), &Text::new("Mailkeep ready"));
        Self::after_starttls(terms)
    }

    /// RFC 9051, section 6.2.1.
    fn after_starttls(terms: Terms) -> Self {
        let failures = Failures::default();
        Course { terms, failures }.listen()
    }

    fn hear(self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self {
            Self::NotAuthenticated(state) => state.hear(input, out),
            Self::Challenged(state) => state.hear(input, out),
        }
    }

    fn keeps_auth_waiting(&self) -> bool {
        match self {
            Self::NotAuthenticated(_) => false,
            Self::Challenged(state) => state.exchange.keeps_auth_waiting(),
        }
    }

    fn dismiss(why: Dismissal, out: &mut Vec<u8>) {
        let text = match why {
            Dismissal::TooSlow => "Too slow",
            Dismissal::Crowded => "Too many connections, or shutting down",
        };
        response::bye(out, Some(Code::Unavailable), &Text::new(text));
    }
}

/// What lasts through all states: the terms, and how often it went wrong.
#[derive(Debug, Clone, Copy)]
struct Course {
    terms: Terms,
    failures: Failures,
}

impl Course {
    fn listen(self) -> Listening {
        Listening::NotAuthenticated(NotAuthenticated {
            course: self,
            reader: Reader::new(),
        })
    }

    fn answered(self) -> Heard {
        Heard::Answered(self.listen())
    }
}

/// The client gives commands (RFC 9051, section 3.1).
pub struct NotAuthenticated {
    course: Course,
    reader: Reader,
}

impl NotAuthenticated {
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
            Command::Capability => response::capabilities(out, &capabilities(self.terms)),
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
        match self.terms {
            Terms {
                start_tls: true, ..
            } => {
                response::tagged(out, tag, Status::Ok, None, &Text::new("Begin TLS"));
                Heard::StartTls
            }
            Terms { tls: true, .. } => self.bad(tag, &"TLS is on already", out),
            _ => self.no(tag, Code::Cannot, "TLS is not offered on this port", out),
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
            None => self.no(&tag, Code::Cannot, "Unknown mechanism", out),
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

/// What is announced on a connection of these terms.
fn capabilities(terms: Terms) -> Vec<Capability> {
    let mut all = CAPABILITIES.to_vec();
    if terms.start_tls {
        all.push(Capability::StartTls);
    }
    if !terms.passwords {
        all.push(Capability::LoginDisabled);
    }
    all.extend(terms.mechanisms().into_iter().map(Capability::Auth));
    all
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

impl states::Authenticating for Authenticating {
    type Listening = Listening;
    type HandingOver = HandingOver;

    fn verified(self) -> HandingOver {
        HandingOver {
            course: self.course,
            tag: self.tag,
        }
    }

    fn challenged(self, challenge: &[u8], out: &mut Vec<u8>) -> Listening {
        let Self { course, tag, asked } = self;
        match asked.challenged() {
            Some(exchange) => course.challenge(tag, exchange, challenge, out),
            None => {
                let text = Text::new("Try again later");
                response::tagged(out, &tag, Status::No, Some(Code::Unavailable), &text);
                course.listen()
            }
        }
    }

    fn rejected(self, why: Rejection, out: &mut Vec<u8>) -> Option<Listening> {
        let (code, text) = match why {
            Rejection::Credentials => (Code::AuthenticationFailed, "Wrong name or password"),
            Rejection::Unavailable => (Code::Unavailable, "Try again later"),
            Rejection::PrivacyRequired => (Code::PrivacyRequired, "Use TLS first"),
            Rejection::TooManySessions => (Code::Limit, "Too many sessions"),
            Rejection::TooSoon => (Code::Limit, "Too soon after the last login"),
        };
        response::tagged(out, &self.tag, Status::No, Some(code), &Text::new(text));
        let Some(failures) = self.course.failures.after(why) else {
            response::bye(out, None, &Text::new("Too many failures"));
            return None;
        };
        let terms = self.course.terms;
        Some(Course { terms, failures }.listen())
    }
}

/// The socket is on its way to the account's worker; we are silent, unless it is
/// refused.
pub struct HandingOver {
    course: Course,
    tag: Tag,
}

impl states::HandingOver for HandingOver {
    type Listening = Listening;

    fn tag(&self) -> &str {
        self.tag.as_str()
    }

    /// IMAP enables it behind authentication (RFC 6855, section 3).
    fn utf8(&self) -> bool {
        false
    }

    /// None can be used any more, and CAPABILITY names none (RFC 9051, section 6.1.1).
    fn mechanisms(&self) -> String {
        String::new()
    }

    fn refused(self, why: handover::Refusal, out: &mut Vec<u8>) -> Listening {
        let (code, text) = match why {
            handover::Refusal::TooManySessions => (Code::Limit, "Too many sessions"),
            _ => (Code::Unavailable, "Try again later"),
        };
        response::tagged(out, &self.tag, Status::No, Some(code), &Text::new(text));
        self.course.listen()
    }
}

#[cfg(test)]
#[path = "imap_traces.rs"]
mod traces;

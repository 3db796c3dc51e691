//! POP3 before authentication: the AUTHORIZATION state (RFC 1939, section 4), with
//! CAPA, STLS, AUTH, UTF8 and LANG, as states that are consumed by what moves them
//! on. No socket, no clock, no channel.
//!
//! ```text
//!            PASS behind USER, AUTH with initial response
//!            +---------------------------------------------+
//!            |                                             v
//!   Authorization --AUTH--> Challenged --answer--> Authenticating --verified--> HandingOver
//!        ^   |                  | ^                    |                             |
//!        |   +--STLS, QUIT      | +-----challenged-----+                             |
//!        +------------------- cancelled, rejected, refused --------------------------+
//! ```
//!
//! Invariants: what a state needs is in the state, so nothing of a cleartext
//! session can reach the one that begins after STLS; a password is taken only on
//! [`Terms`] that allow it; USER is answered without asking anybody, so it can't
//! tell whether there is such a name, and its name is good for the very next
//! command only. Never here: a name or a password that outlives its command.

use crate::sasl::{Asked, Exchange, Step, password_step};
use crate::states::{self, Dismissal};
use crate::terms::{Failures, Terms};
use ipc::edge::handover;
use ipc::edge::login_auth::Rejection;
use preauth::pop3::response::{self, Capability, Code};
use preauth::pop3::{Answer, Command, Event, Language, Reader, Refusal, ResponseReader};
use preauth::sasl::Mechanism;
use preauth::{Secret, Text};
use std::fmt::Display;

/// What came of listening.
type Heard = states::Heard<Listening>;

/// A state in which the client is heard.
pub enum Listening {
    /// It gives commands.
    Authorization(Authorization),
    /// It answers a challenge.
    Challenged(Challenged),
}

impl states::Listening for Listening {
    type Authenticating = Authenticating;

    fn greet(terms: Terms, out: &mut Vec<u8>) -> Self {
        ok("Mailkeep ready", out);
        Self::after_starttls(terms)
    }

    /// RFC 2595, section 4.
    fn after_starttls(terms: Terms) -> Self {
        Course {
            terms,
            failures: Failures::default(),
            utf8: false,
        }
        .listen()
    }

    fn hear(self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self {
            Self::Authorization(state) => state.hear(input, out),
            Self::Challenged(state) => state.hear(input, out),
        }
    }

    fn keeps_auth_waiting(&self) -> bool {
        match self {
            Self::Authorization(_) => false,
            Self::Challenged(state) => state.exchange.keeps_auth_waiting(),
        }
    }

    /// To a client that was too slow nothing is said (RFC 1939, section 3).
    fn dismiss(why: Dismissal, out: &mut Vec<u8>) {
        match why {
            Dismissal::TooSlow => (),
            Dismissal::Crowded => {
                err(Code::SysTemp, "Too many connections, or shutting down", out);
            }
        }
    }
}

/// What lasts through all states.
#[derive(Debug, Clone, Copy)]
struct Course {
    terms: Terms,
    failures: Failures,
    /// The client has said UTF8 (RFC 6856, section 2.1).
    utf8: bool,
}

impl Course {
    fn listen(self) -> Listening {
        self.listen_to(None)
    }

    fn listen_to(self, named: Option<String>) -> Listening {
        Listening::Authorization(Authorization {
            course: self,
            named,
            reader: Reader::new(),
        })
    }

    fn answered(self) -> Heard {
        Heard::Answered(self.listen())
    }
}

/// The client gives commands (RFC 1939, section 4).
pub struct Authorization {
    course: Course,
    /// By USER, if that was the last command.
    named: Option<String>,
    reader: Reader,
}

impl Authorization {
    fn hear(mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self.reader.advance(input) {
            None => return Heard::NeedsMore(Listening::Authorization(self)),
            Some(Event::Command(command)) => {
                return self.course.obey(command, self.named, out);
            }
            Some(Event::Bye(why)) => return out_of_step(why, out),
            Some(Event::Bad(why)) => response::refused(out, why),
        }
        self.course.answered()
    }
}

impl Course {
    fn obey(mut self, command: Command, named: Option<String>, out: &mut Vec<u8>) -> Heard {
        let terms = self.terms;
        match command {
            Command::Quit => return quit(out),
            Command::Stls => return self.start_tls(out),
            Command::Capa => response::capabilities(out, &capabilities(terms)),
            Command::Utf8 => {
                self.utf8 = true;
                ok("UTF-8 it is", out);
            }
            Command::Languages => response::languages(out),
            Command::Language(language) => speak(language, out),
            Command::Mechanisms => response::mechanisms(out, &terms.mechanisms()),
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } if !terms.passwords => {
                err(Code::Auth, "Use TLS first", out);
            }
            Command::User(name) => {
                ok("Now the password", out);
                return Heard::Answered(self.listen_to(Some(name)));
            }
            Command::Pass(password) => return self.password(named, &password, out),
            Command::Auth { mechanism, initial } => {
                return self.authenticate(mechanism, initial.as_ref(), out);
            }
        }
        self.answered()
    }

    /// RFC 2595, section 4.
    fn start_tls(self, out: &mut Vec<u8>) -> Heard {
        match self.terms {
            Terms {
                start_tls: true, ..
            } => {
                ok("Begin TLS", out);
                return Heard::StartTls;
            }
            Terms { tls: true, .. } => bad(&"TLS is on already", out),
            _ => bad(&"No TLS here", out),
        }
        self.answered()
    }

    fn password(self, named: Option<String>, password: &Secret, out: &mut Vec<u8>) -> Heard {
        match named {
            Some(name) => self.step(password_step("", &name, password), out),
            None => {
                bad(&"USER comes first", out);
                self.answered()
            }
        }
    }

    fn authenticate(
        self,
        mechanism: Mechanism,
        initial: Option<&Secret>,
        out: &mut Vec<u8>,
    ) -> Heard {
        let offered = self.terms.offers(mechanism);
        match Exchange::begin(mechanism, initial).filter(|_| offered) {
            Some(step) => self.step(step, out),
            None => {
                bad(&"Unknown mechanism", out);
                self.answered()
            }
        }
    }

    fn step(self, step: Step, out: &mut Vec<u8>) -> Heard {
        match step {
            Step::Challenge(exchange, challenge) => {
                Heard::Answered(self.challenge(exchange, &challenge, out))
            }
            Step::Ask(asked, question) => {
                let course = self;
                Heard::Ask(Authenticating { course, asked }, question)
            }
            Step::Bad(why) => {
                bad(&why, out);
                self.answered()
            }
        }
    }

    fn challenge(self, exchange: Exchange, challenge: &[u8], out: &mut Vec<u8>) -> Listening {
        response::challenge(out, challenge);
        Listening::Challenged(Challenged {
            course: self,
            exchange,
            reader: ResponseReader::new(),
        })
    }
}

/// What is announced on a connection of these terms (RFC 2449, section 5).
fn capabilities(terms: Terms) -> Vec<Capability> {
    let mut all = Capability::ALWAYS.to_vec();
    if terms.pop3_login_delay_seconds > 0 {
        let seconds = terms.pop3_login_delay_seconds;
        all.push(Capability::LoginDelay { seconds });
    }
    if terms.start_tls {
        all.push(Capability::Stls);
    }
    if terms.passwords {
        all.extend([Capability::User, Capability::Sasl(terms.mechanisms())]);
    }
    all
}

fn speak(language: Option<Language>, out: &mut Vec<u8>) {
    match language {
        Some(language) => response::language(out, language),
        None => bad(&"That language is not spoken here", out),
    }
}

fn quit(out: &mut Vec<u8>) -> Heard {
    ok("Bye", out);
    Heard::Close
}

fn out_of_step(why: Refusal, out: &mut Vec<u8>) -> Heard {
    response::refused(out, why);
    Heard::Close
}

fn ok(text: &str, out: &mut Vec<u8>) {
    response::ok(out, &Text::new(text));
}

fn err(code: Code, text: &str, out: &mut Vec<u8>) {
    response::err(out, Some(code), &Text::new(text));
}

fn bad(why: &dyn Display, out: &mut Vec<u8>) {
    response::err(out, None, &Text::from(why));
}

/// The client answers a challenge of AUTH (RFC 5034, section 4).
pub struct Challenged {
    course: Course,
    exchange: Exchange,
    reader: ResponseReader,
}

impl Challenged {
    fn hear(mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Heard {
        match self.reader.advance(input) {
            None => return Heard::NeedsMore(Listening::Challenged(self)),
            Some(Answer::Message(message)) => {
                return self.course.step(self.exchange.hear(&message), out);
            }
            Some(Answer::Bye(why)) => return out_of_step(why, out),
            Some(Answer::Cancelled) => bad(&"Cancelled", out),
            Some(Answer::Bad(why)) => response::refused(out, why),
        }
        self.course.answered()
    }
}

/// `auth` is being asked; the client is not heard.
pub struct Authenticating {
    course: Course,
    asked: Asked,
}

impl states::Authenticating for Authenticating {
    type Listening = Listening;
    type HandingOver = HandingOver;

    fn verified(self) -> HandingOver {
        HandingOver {
            course: self.course,
        }
    }

    fn challenged(self, challenge: &[u8], out: &mut Vec<u8>) -> Listening {
        match self.asked.challenged() {
            Some(exchange) => self.course.challenge(exchange, challenge, out),
            None => {
                err(Code::SysTemp, "Try again later", out);
                self.course.listen()
            }
        }
    }

    fn rejected(self, why: Rejection, out: &mut Vec<u8>) -> Option<Listening> {
        let (code, text) = match why {
            Rejection::Credentials => (Code::Auth, "Wrong name or password"),
            Rejection::Unavailable => (Code::SysTemp, "Try again later"),
            Rejection::PrivacyRequired => (Code::Auth, "Use TLS first"),
            Rejection::TooManySessions => (Code::InUse, "Too many sessions"),
            Rejection::TooSoon => (Code::LoginDelay, "Too soon after the last login"),
        };
        err(code, text, out);
        let course = Course {
            failures: self.course.failures.after(why)?,
            ..self.course
        };
        Some(course.listen())
    }
}

/// The socket is on its way to the account's worker; we are silent, unless it is
/// refused.
pub struct HandingOver {
    course: Course,
}

impl states::HandingOver for HandingOver {
    type Listening = Listening;

    /// POP3 has none.
    fn tag(&self) -> &str {
        ""
    }

    fn utf8(&self) -> bool {
        self.course.utf8
    }

    fn mechanisms(&self) -> String {
        let offered = self.course.terms.mechanisms().into_iter();
        offered.map(Mechanism::name).collect::<Vec<_>>().join(" ")
    }

    fn refused(self, why: handover::Refusal, out: &mut Vec<u8>) -> Listening {
        match why {
            handover::Refusal::TooManySessions => err(Code::InUse, "Too many sessions", out),
            _ => err(Code::SysTemp, "Try again later", out),
        }
        self.course.listen()
    }
}

#[cfg(test)]
#[path = "pop3_traces.rs"]
mod traces;

//! Conversations, as they go over the wire.
//!
//! `C:` is a line of the client, `S:` one of ours. Lines of the client that
//! follow each other are one segment. `--` says what other processes are asked,
//! answer, or see; a NUL is shown as `|`. Every conversation is played with the
//! client's bytes in one piece, and cut into pieces of 1, 2, 3 and 7 bytes, and
//! must go the same way.

use crate::sasl::Question;
use crate::states::{Authenticating, HandingOver, Heard, Listening};
use crate::terms::Terms;
use ipc::edge::front_service::Transport;
use ipc::edge::handover;
use ipc::edge::login_auth::{self, Rejection};
use ipc::slice;

pub const CLEAR: Transport = Transport::Cleartext { loopback: false };
pub const LOOPBACK: Transport = Transport::Cleartext { loopback: true };
pub const TLS: Transport = Transport::Tls { version: 0x0304 };

pub fn settings() -> slice::Login {
    slice::Login {
        logging: slice::Logging {
            level: slice::LogLevel::Info,
            journal: false,
        },
        login_seconds: 60,
        sessions_max: 10,
        cleartext_on_loopback: true,
        starttls: true,
        scram: true,
        pop3_login_delay_seconds: 0,
    }
}

enum State<L: Listening> {
    Listening(L),
    Asking(L::Authenticating),
    HandingOver(<L::Authenticating as Authenticating>::HandingOver),
    TlsBegins,
    Closed,
}

pub struct Play<L: Listening> {
    state: State<L>,
    piece: usize,
    unheard: Vec<u8>,
    output: Vec<u8>,
    asked: Option<String>,
}

impl<L: Listening> Play<L> {
    pub fn begin(transport: Transport, piece: usize) -> Self {
        let mut output = Vec::new();
        let terms = Terms::new(transport, true, false, &settings());
        let state = L::greet(terms, &mut output);
        Self {
            state: State::Listening(state),
            piece,
            unheard: Vec::new(),
            output,
            asked: None,
        }
    }

    fn take(&mut self) -> State<L> {
        std::mem::replace(&mut self.state, State::Closed)
    }

    pub fn client_says(&mut self, segment: &[u8]) {
        self.unheard.extend_from_slice(segment);
        self.hear();
    }

    /// Hears the client as long as it is listened to.
    fn hear(&mut self) {
        while !self.unheard.is_empty() {
            let State::Listening(listening) = self.take() else {
                panic!("nobody listens")
            };
            let piece = &self.unheard[..self.piece.min(self.unheard.len())];
            let mut rest = piece;
            let heard = listening.hear(&mut rest, &mut self.output);
            let used = piece.len() - rest.len();
            self.unheard.drain(..used);
            self.state = match heard {
                Heard::NeedsMore(next) | Heard::Answered(next) => State::Listening(next),
                Heard::Ask(next, question) => {
                    self.asked = Some(shown(&question));
                    State::Asking(next)
                }
                Heard::StartTls => State::TlsBegins,
                Heard::Close => State::Closed,
            };
            if !matches!(self.state, State::Listening(_)) {
                return;
            }
        }
    }

    pub fn line(&mut self) -> String {
        let end = self
            .output
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("nothing more was said");
        let line = self.output.drain(..end + 2).take(end).collect();
        String::from_utf8(line).unwrap()
    }

    /// Whether the connection is closed, and no more was said or asked than was
    /// heard of.
    pub fn is_closed_in_silence(&self) -> bool {
        matches!(self.state, State::Closed) && self.output.is_empty() && self.asked.is_none()
    }

    fn others(&mut self, what: &str) {
        let (what, detail) = what.split_once(": ").unwrap_or((what, ""));
        match what {
            "auth is asked" => assert_eq!(self.asked.take().as_deref(), Some(detail)),
            "auth verifies" => {
                let State::Asking(state) = self.take() else {
                    panic!("auth was not asked")
                };
                self.state = State::HandingOver(state.verified());
            }
            "auth challenges" => {
                let State::Asking(state) = self.take() else {
                    panic!("auth was not asked")
                };
                let next = state.challenged(detail.as_bytes(), &mut self.output);
                self.state = State::Listening(next);
                self.hear();
            }
            "auth rejects" => {
                let State::Asking(state) = self.take() else {
                    panic!("auth was not asked")
                };
                let next = state.rejected(rejection(detail), &mut self.output);
                self.state = next.map_or(State::Closed, State::Listening);
                if matches!(self.state, State::Listening(_)) {
                    self.hear();
                }
            }
            "handed over" => {
                let State::HandingOver(state) = &self.state else {
                    panic!("not verified")
                };
                let left = String::from_utf8_lossy(&self.unheard);
                let utf8 = if state.utf8() { "(UTF-8)" } else { "" };
                let shown = format!("{} {} {utf8}", state.tag(), left.escape_default());
                assert_eq!(shown.trim(), detail);
            }
            "director refuses" => {
                let State::HandingOver(state) = self.take() else {
                    panic!("not verified")
                };
                self.state = State::Listening(state.refused(refusal(detail), &mut self.output));
                self.hear();
            }
            "TLS begins" => {
                assert!(
                    matches!(self.state, State::TlsBegins),
                    "no STARTTLS was granted"
                );
                self.unheard.clear();
                let terms = Terms::new(TLS, true, false, &settings());
                self.state = State::Listening(L::after_starttls(terms));
            }
            "closed" => assert!(matches!(self.state, State::Closed), "still open"),
            _ => panic!("no such line: {what}"),
        }
    }
}

/// PLAIN's message as it is, another's with its mechanism.
fn shown(question: &Question) -> String {
    let (mechanism, said) = match question {
        Question::Begin(login_auth::Mechanism::Plain, said) => (String::new(), said),
        Question::Begin(mechanism, said) => (format!("{mechanism:?} "), said),
        Question::Continue(said) => ("on: ".to_owned(), said),
    };
    let said = String::from_utf8(said.dangerous_reveal().to_vec()).unwrap();
    format!("{mechanism}{said}").replace('\0', "|")
}

fn rejection(name: &str) -> Rejection {
    match name {
        "Credentials" => Rejection::Credentials,
        "Unavailable" => Rejection::Unavailable,
        "PrivacyRequired" => Rejection::PrivacyRequired,
        "TooManySessions" => Rejection::TooManySessions,
        "TooSoon" => Rejection::TooSoon,
        _ => panic!("{name}"),
    }
}

fn refusal(name: &str) -> handover::Refusal {
    match name {
        "NoWorker" => handover::Refusal::NoWorker,
        "TooManySessions" => handover::Refusal::TooManySessions,
        _ => panic!("{name}"),
    }
}

/// Plays a conversation in pieces of every size.
pub fn converse<L: Listening>(transport: Transport, script: &str) {
    for piece in [usize::MAX, 1, 2, 3, 7] {
        play::<L>(transport, script, piece);
    }
}

fn play<L: Listening>(transport: Transport, script: &str, piece: usize) {
    let mut play = Play::<L>::begin(transport, piece);
    let mut segment = Vec::new();
    for line in script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
    {
        let (who, what) = line.split_at(2);
        let what = what.strip_prefix(' ').unwrap_or(what);
        if who != "C:" && !segment.is_empty() {
            play.client_says(&segment);
            segment.clear();
        }
        match who {
            "C:" => segment.extend(format!("{what}\r\n").into_bytes()),
            "S:" => assert_eq!(play.line(), what, "in pieces of {piece}"),
            "--" => play.others(what),
            _ => panic!("no such line: {line}"),
        }
    }
    if !segment.is_empty() {
        play.client_says(&segment);
    }
    assert_eq!(
        String::from_utf8_lossy(&play.output),
        "",
        "more was said, in pieces of {piece}"
    );
    assert_eq!(play.asked, None, "auth was asked more");
}

//! A SASL exchange (RFC 4422) as `login` leads it, whatever protocol it is
//! wrapped in. No protocol's words, no socket, no channel.
//!
//! ```text
//!   begin --> Challenge(Exchange) --hear--> ... --> Ask(Asked, Question)
//!                 ^                                      |
//!                 +------------- challenged -------------+---> verified, rejected
//! ```
//!
//! PLAIN and LOGIN are read here and become one message of PLAIN. Of all other
//! mechanisms `login` knows nothing but that the client speaks first: it carries
//! their messages between the client and `auth`, which can't be told anything
//! here that it rests on.
//!
//! Invariants: `auth` is asked at most [`ROUNDS_MAX`] times in one exchange; what
//! a client says lives in secrets that are wiped.

use ipc::edge::login_auth::{self, ROUNDS_MAX, SASL_BYTES_MAX};
use preauth::Secret;
use preauth::sasl::{self, LOGIN_PASSWORD_CHALLENGE, LOGIN_USER_CHALLENGE, Malformed, Mechanism};

/// One message of a client's, in the form that `auth` takes.
pub type Credentials = ipc::Secret<SASL_BYTES_MAX>;

/// What `auth` is to be asked.
#[derive(Debug)]
pub enum Question {
    /// The first message of an exchange.
    Begin(login_auth::Mechanism, Credentials),
    /// The answer to `auth`'s challenge.
    Continue(Credentials),
}

/// Where an exchange stands.
pub enum Step {
    /// Send this challenge, then let the exchange hear the answer. If the client
    /// cancels, drop the exchange.
    Challenge(Exchange, Vec<u8>),
    /// Ask `auth`.
    Ask(Asked, Question),
    /// The client said what its mechanism doesn't know; the exchange is over.
    Bad(Malformed),
}

/// An exchange in which the client has the word.
pub struct Exchange(Awaits);

/// What the client's next message is.
enum Awaits {
    /// PLAIN's only one.
    Plain,
    /// LOGIN's first.
    LoginUser,
    /// LOGIN's second.
    LoginPassword { user: String },
    /// The first one, which begins the dialogue with `auth`.
    First(login_auth::Mechanism),
    /// The answer to a challenge of `auth`'s, which has been asked so often.
    Next { asked: usize },
}

/// An exchange in which `auth` has the word; so often it has been asked.
pub struct Asked(usize);

impl Exchange {
    /// Begins. `None` for a mechanism that we don't speak.
    #[must_use]
    pub fn begin(mechanism: Mechanism, initial: Option<&Secret>) -> Option<Step> {
        let exchange = Self(match mechanism {
            Mechanism::Plain => Awaits::Plain,
            Mechanism::Login => Awaits::LoginUser,
            Mechanism::ScramSha256 => Awaits::First(login_auth::Mechanism::ScramSha256),
            Mechanism::ScramSha256Plus => Awaits::First(login_auth::Mechanism::ScramSha256Plus),
            Mechanism::External => Awaits::First(login_auth::Mechanism::External),
            Mechanism::Unknown => return None,
        });
        Some(match initial {
            Some(message) => exchange.hear(message),
            None => exchange.ask_for_it(),
        })
    }

    /// Hears what the client says, decoded.
    #[must_use]
    pub fn hear(self, message: &Secret) -> Step {
        match self.0 {
            Awaits::Plain => match sasl::plain(message) {
                Ok(sasl::Plain {
                    authzid,
                    authcid,
                    password,
                }) => password_step(authzid.as_deref().unwrap_or_default(), &authcid, &password),
                Err(why) => Step::Bad(why),
            },
            Awaits::LoginUser => match sasl::login_user(message) {
                Ok(user) => Self(Awaits::LoginPassword { user }).ask_for_it(),
                Err(why) => Step::Bad(why),
            },
            Awaits::LoginPassword { user } => match sasl::login_password(message) {
                Ok(password) => password_step("", &user, &password),
                Err(why) => Step::Bad(why),
            },
            Awaits::First(mechanism) => {
                ask(0, message, |response| Question::Begin(mechanism, response))
            }
            Awaits::Next { asked } => ask(asked, message, Question::Continue),
        }
    }

    /// Whether `auth` waits for the client's answer, and must be told if none
    /// comes.
    #[must_use]
    pub fn keeps_auth_waiting(&self) -> bool {
        matches!(self.0, Awaits::Next { .. })
    }

    /// A challenge of our own: the client shall go on.
    fn ask_for_it(self) -> Step {
        let challenge = match self.0 {
            Awaits::LoginUser => LOGIN_USER_CHALLENGE,
            Awaits::LoginPassword { .. } => LOGIN_PASSWORD_CHALLENGE,
            Awaits::Plain | Awaits::First(_) | Awaits::Next { .. } => "",
        };
        Step::Challenge(self, challenge.into())
    }
}

impl Asked {
    /// `auth` gave a challenge: send it, then let the exchange hear the answer.
    /// `None` if it has been asked as often as it may.
    #[must_use]
    pub fn challenged(self) -> Option<Exchange> {
        let Self(asked) = self;
        (asked < ROUNDS_MAX).then_some(Exchange(Awaits::Next { asked }))
    }
}

/// A name and a password, wherever they come from, as PLAIN's one message.
#[must_use]
pub fn password_step(authzid: &str, authcid: &str, password: &Secret) -> Step {
    // Made at its full size, so that no copy is left behind by growth.
    let mut message = Vec::with_capacity(SASL_BYTES_MAX);
    message.extend_from_slice(authzid.as_bytes());
    message.push(0);
    message.extend_from_slice(authcid.as_bytes());
    message.push(0);
    message.extend_from_slice(password.expose());
    match Credentials::new(message) {
        Ok(message) => Step::Ask(
            Asked(1),
            Question::Begin(login_auth::Mechanism::Plain, message),
        ),
        Err(_) => Step::Bad(Malformed::TooLong),
    }
}

fn ask(asked: usize, message: &Secret, question: impl FnOnce(Credentials) -> Question) -> Step {
    match Credentials::new(message.expose().to_vec()) {
        Ok(response) => Step::Ask(Asked(asked.saturating_add(1)), question(response)),
        Err(_) => Step::Bad(Malformed::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &[u8]) -> Secret {
        Secret::from(text)
    }

    fn begun(mechanism: Mechanism, initial: Option<&[u8]>) -> Step {
        Exchange::begin(mechanism, initial.map(secret).as_ref()).unwrap()
    }

    fn challenged(step: Step) -> (Exchange, Vec<u8>) {
        match step {
            Step::Challenge(exchange, challenge) => (exchange, challenge),
            _ => panic!("no challenge"),
        }
    }

    fn asked(step: Step) -> (Asked, Vec<u8>) {
        match step {
            Step::Ask(asked, Question::Begin(_, said) | Question::Continue(said)) => {
                (asked, said.dangerous_reveal().to_vec())
            }
            _ => panic!("auth was not asked"),
        }
    }

    #[test]
    fn plain_and_login_become_the_same_message() {
        let plain = begun(Mechanism::Plain, Some(b"\0alice\0wonderland"));
        let (exchange, challenge) = challenged(begun(Mechanism::Login, None));
        assert_eq!(challenge, b"Username:");
        let (exchange, challenge) = challenged(exchange.hear(&secret(b"alice")));
        assert_eq!(challenge, b"Password:");
        let login = exchange.hear(&secret(b"wonderland"));
        assert_eq!(asked(plain).1, asked(login).1);
    }

    #[test]
    fn an_exchange_without_initial_response_asks_for_it_with_an_empty_challenge() {
        for mechanism in Mechanism::ALL {
            let (_, challenge) = challenged(begun(mechanism, None));
            assert_eq!(challenge.is_empty(), mechanism != Mechanism::Login);
        }
        assert!(Exchange::begin(Mechanism::Unknown, None).is_none());
    }

    #[test]
    fn a_message_that_is_not_the_mechanisms_own_is_not_brought_to_auth() {
        let bad = begun(Mechanism::Plain, Some(b"alice"));
        assert!(matches!(bad, Step::Bad(Malformed::NotThreeFields)));
        let bad = begun(Mechanism::Login, Some(b"a\0"));
        assert!(matches!(bad, Step::Bad(Malformed::UserName)));
    }

    #[test]
    fn auth_is_asked_so_often_and_no_more() {
        let (mut asked_so_far, _) = asked(begun(Mechanism::ScramSha256, Some(b"n,,n=a,r=b")));
        for _ in 1..ROUNDS_MAX {
            let exchange = asked_so_far.challenged().unwrap();
            assert!(exchange.keeps_auth_waiting());
            (asked_so_far, _) = asked(exchange.hear(&secret(b"")));
        }
        assert!(asked_so_far.challenged().is_none());
    }

    proptest! {
        #[test]
        fn what_login_does_not_read_reaches_auth_byte_for_byte(first: Vec<u8>, second: Vec<u8>) {
            for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha256Plus, Mechanism::External] {
                let (exchange, _) = challenged(begun(mechanism, None));
                prop_assert!(!exchange.keeps_auth_waiting());
                let (state, said) = asked(exchange.hear(&secret(&first)));
                prop_assert_eq!(&said, &first);
                let exchange = state.challenged().unwrap();
                prop_assert_eq!(&asked(exchange.hear(&secret(&second))).1, &second);
            }
        }
    }
}

//! The private key as TLS sees it: a question to `keyholder`.
//!
//! rustls asks for a signature in the middle of a handshake and cannot be made to
//! wait without a thread, so the question blocks this process, and with it every
//! relay, for at most [`ANSWER_MILLIS_MAX`]. A keyholder that missed it once is
//! not waited for again: until its late answer has come, handshakes fail at once.

use ipc::Bytes;
use ipc::channel::{Channel, Fault, Received};
use ipc::edge::front_keyholder::{FromKeyholder, ToKeyholder};
use ipc::epoll::Epoll;
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one signature may take. An RSA-4096 one takes 5 ms.
pub const ANSWER_MILLIS_MAX: u64 = 2_000;

/// The way to the keyholder, shared by every TLS configuration. The lock is for
/// rustls' bounds: there is one thread.
#[derive(Debug, Clone, Default)]
pub struct Keyholder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    link: Option<Link>,
    /// Asked once per link, and again after a refusal: the key may be a new one.
    schemes: Option<Vec<u16>>,
}

#[derive(Debug)]
struct Link {
    channel: Channel<ToKeyholder, FromKeyholder>,
    epoll: Epoll,
    /// The last question's answer has not come in time, and is still to come.
    is_late: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// There is no keyholder now.
    Gone,
    /// It did not answer in time.
    Late,
    /// It refused, or answered another question.
    Refused,
}

impl Keyholder {
    /// Takes a new channel; the old one is closed.
    ///
    /// # Errors
    /// [`Fault`] if it is none.
    pub fn connect(&self, socket: OwnedFd) -> Result<(), Fault> {
        let channel = Channel::adopt(socket)?;
        let epoll = Epoll::new().map_err(Fault::Socket)?;
        epoll.add(&channel, 0).map_err(Fault::Socket)?;
        let link = Some(Link {
            channel,
            epoll,
            is_late: false,
        });
        *self.state() = State {
            link,
            schemes: None,
        };
        Ok(())
    }

    /// Whether a handshake can be begun: there is a keyholder that answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let mut state = self.state();
        let ready = state.link.as_mut().map(Link::is_ready);
        if ready == Some(Err(NoAnswer::Gone)) {
            *state = State::default();
        }
        ready == Some(Ok(()))
    }

    /// Whether there is a channel to ask on.
    #[must_use]
    pub fn has_link(&self) -> bool {
        self.state().link.is_some()
    }

    /// Forgets what is known of the key, because the certificate changed.
    pub fn forget_schemes(&self) {
        self.state().schemes = None;
    }

    /// The key's schemes, best first; empty if they cannot be learnt now.
    fn schemes(&self) -> Vec<u16> {
        let mut state = self.state();
        if let Some(schemes) = &state.schemes {
            return schemes.clone();
        }
        match state.ask(ToKeyholder::Schemes) {
            Ok(FromKeyholder::Schemes { schemes }) => {
                state.schemes.insert(schemes.into_vec()).clone()
            }
            _ => Vec::new(),
        }
    }

    fn sign(&self, scheme: u16, input: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let input = Bytes::new(input).map_err(|_| NoAnswer::Refused)?;
        let mut state = self.state();
        match state.ask(ToKeyholder::Sign { scheme, input })? {
            FromKeyholder::Signed { signature } => Ok(signature.into_vec()),
            FromKeyholder::Refused | FromKeyholder::Schemes { .. } => {
                state.schemes = None;
                Err(NoAnswer::Refused)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask(&mut self, question: ToKeyholder) -> Result<FromKeyholder, NoAnswer> {
        let answer = self.link.as_mut().ok_or(NoAnswer::Gone)?.ask(question);
        if answer.as_ref().is_err_and(|why| *why == NoAnswer::Gone) {
            *self = Self::default();
        }
        answer
    }
}

impl Link {
    fn ask(&mut self, question: ToKeyholder) -> Result<FromKeyholder, NoAnswer> {
        self.is_ready()?;
        self.channel.send(question).map_err(|_| NoAnswer::Gone)?;
        let deadline = Instant::now() + Duration::from_millis(ANSWER_MILLIS_MAX);
        loop {
            if let Some(answer) = self.receive()? {
                return Ok(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.is_late = true;
                return Err(NoAnswer::Late);
            }
            self.epoll.wait(Some(left)).map_err(|_| NoAnswer::Gone)?;
        }
    }

    /// Whether it may be asked. A late answer belongs to nobody any more; nothing
    /// else may come unasked.
    fn is_ready(&mut self) -> Result<(), NoAnswer> {
        match self.receive()? {
            Some(_) if self.is_late => self.is_late = false,
            Some(_) => return Err(NoAnswer::Gone),
            None if self.is_late => return Err(NoAnswer::Late),
            None => {}
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<FromKeyholder>, NoAnswer> {
        match self.channel.receive() {
            Ok(Received::Message(answer)) => Ok(Some(answer)),
            Ok(Received::Nothing) => Ok(None),
            Ok(Received::Closed) | Err(_) => Err(NoAnswer::Gone),
        }
    }
}

impl SigningKey for Keyholder {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let keyholder = self.clone();
        let ours = self.schemes().into_iter().map(SignatureScheme::from);
        ours.into_iter()
            .find(|scheme| offered.contains(scheme))
            .map(|scheme| Box::new(Question { keyholder, scheme }) as Box<dyn Signer>)
    }

    /// TLS 1.2 chooses its cipher suites by this. Without an answer none fits.
    fn algorithm(&self) -> SignatureAlgorithm {
        match self.schemes().first().copied().map(SignatureScheme::from) {
            Some(
                SignatureScheme::ECDSA_NISTP256_SHA256 | SignatureScheme::ECDSA_NISTP384_SHA384,
            ) => SignatureAlgorithm::ECDSA,
            Some(SignatureScheme::ED25519) => SignatureAlgorithm::ED25519,
            Some(_) => SignatureAlgorithm::RSA,
            None => SignatureAlgorithm::Anonymous,
        }
    }
}

#[derive(Debug)]
struct Question {
    keyholder: Keyholder,
    scheme: SignatureScheme,
}

impl Signer for Question {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.keyholder
            .sign(self.scheme.into(), message)
            .map_err(|why| rustls::Error::General(format!("no signature: {why:?}")))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::List;

    type Answerer = Channel<FromKeyholder, ToKeyholder>;

    fn connected() -> (Keyholder, Answerer) {
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let keyholder = Keyholder::default();
        keyholder.connect(ours).unwrap();
        (keyholder, Channel::adopt(theirs).unwrap())
    }

    fn signed(byte: u8) -> FromKeyholder {
        FromKeyholder::Signed {
            signature: Bytes::new([byte; 8]).unwrap(),
        }
    }

    #[test]
    fn without_a_keyholder_every_handshake_fails_at_once() {
        let keyholder = Keyholder::default();
        assert!(!keyholder.is_ready());
        assert_eq!(keyholder.sign(0x0403, b"x"), Err(NoAnswer::Gone));
        assert!(
            keyholder
                .choose_scheme(&[SignatureScheme::ED25519])
                .is_none()
        );
    }

    #[test]
    fn a_keyholder_that_has_gone_is_noticed() {
        let (keyholder, answerer) = connected();
        assert!(keyholder.is_ready());
        drop(answerer);
        assert!(!keyholder.is_ready());
    }

    #[test]
    fn a_stopped_keyholder_costs_one_bounded_wait_and_its_late_answer_is_nobodys() {
        let (keyholder, mut answerer) = connected();
        let begin = Instant::now();
        assert_eq!(keyholder.sign(0x0403, b"first"), Err(NoAnswer::Late));
        assert!(begin.elapsed() < Duration::from_millis(2 * ANSWER_MILLIS_MAX));
        let again = Instant::now();
        assert_eq!(keyholder.sign(0x0403, b"second"), Err(NoAnswer::Late));
        assert!(again.elapsed() < Duration::from_millis(ANSWER_MILLIS_MAX / 2));

        answerer.send(signed(1)).unwrap();
        assert!(keyholder.is_ready());
        let asked = std::thread::spawn(move || keyholder.sign(0x0403, b"third"));
        let third = loop {
            if let Received::Message(ToKeyholder::Sign { input, .. }) = answerer.receive().unwrap()
                && input.as_slice() == b"third"
            {
                break answerer.send(signed(3));
            }
            std::thread::yield_now();
        };
        third.unwrap();
        assert_eq!(asked.join().unwrap(), Ok(vec![3; 8]));
    }

    #[test]
    fn an_answer_that_nobody_asked_for_ends_the_channel() {
        let (keyholder, mut answerer) = connected();
        answerer.send(signed(1)).unwrap();
        assert_eq!(keyholder.sign(0x0403, b"x"), Err(NoAnswer::Gone));
        assert!(!keyholder.is_ready());
    }

    #[test]
    fn the_schemes_are_asked_for_once_and_again_after_a_refusal() {
        let (keyholder, mut answerer) = connected();
        let schemes = || FromKeyholder::Schemes {
            schemes: List::new(vec![0x0807]).unwrap(),
        };
        let answers = std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut answers = vec![schemes(), FromKeyholder::Refused, schemes()].into_iter();
            while asked.len() < 3 {
                if let Received::Message(question) = answerer.receive().unwrap() {
                    asked.push(matches!(question, ToKeyholder::Schemes));
                    answerer.send(answers.next().unwrap()).unwrap();
                }
                std::thread::yield_now();
            }
            asked
        });
        let choose = || keyholder.choose_scheme(&[SignatureScheme::ED25519]);
        assert!(choose().is_some());
        let signer = choose().unwrap();
        assert!(signer.sign(b"x").is_err());
        assert!(choose().is_some());
        assert_eq!(answers.join().unwrap(), [true, false, true]);
    }
}

//! `login`'s questions by mechanisms that send no password: SCRAM and EXTERNAL.
//!
//! Invariants: what a client is told before it has proved anything depends on no
//! account's existence: a name that nobody has, or has without keys, gets a salt
//! that is its own for ever, and the same words and penalties; what SCRAM is bound
//! to, and whom a certificate names, comes from `front` alone.

use super::Desk;
use super::attempts::{Asker, Attempt, Owner};
use crate::facts::Facts;
use crate::scram::{Challenged, Failure, First, Keys};
use ipc::edge::login_auth::{Rejection, ToLogin};
use journal::disk::Disk;

/// What we wait for, when a client has the word.
pub enum Round {
    /// The proof that it knows the password.
    Proof(Box<(Attempt, Challenged)>),
    /// That it has seen our proof, too.
    Acknowledged(Attempt),
    /// That it has seen why it failed.
    Failed(Asker),
}

impl<D: Disk> Desk<D> {
    /// SCRAM's first message.
    pub(super) fn begin_scram(
        &mut self,
        asker: Asker,
        facts: &Facts,
        plus: bool,
        said: &[u8],
    ) -> Result<(), Rejection> {
        if !self.rules.cost.scram() {
            return Err(Rejection::Credentials);
        }
        let read =
            First::read(said).and_then(|first| Ok((first.bound_to(plus, facts.exporter)?, first)));
        let (bound_to, first) = match read {
            Ok(read) => read,
            Err(failure) => {
                self.tell_failure(asker, failure);
                return Ok(());
            }
        };
        let ours = ipc::identity::random().map_err(|_| Rejection::Unavailable)?;
        let (challenged, challenge) = first.challenge(self.keys(&first.user), bound_to, ours);
        let keyed = self.owner(&first.authzid, &first.user);
        let keyed = keyed.filter(|account| account.kept.keys.is_some());
        let attempt = Attempt {
            asker,
            owner: keyed.map(Owner::of),
            name: first.user,
            mark: None,
        };
        let round = Round::Proof(Box::new((attempt, challenged)));
        self.challenge(asker, challenge, round);
        Ok(())
    }

    /// The client has answered our challenge.
    pub(super) fn go_on(&mut self, now: u64, round: Round, said: &[u8]) {
        match round {
            Round::Proof(proof) => {
                let (attempt, challenged) = *proof;
                self.prove(now, attempt, &challenged, said);
            }
            Round::Acknowledged(attempt) => {
                match attempt.owner.and_then(|owner| self.still(owner)) {
                    Some(account) => self.grant(now, attempt.asker, &account),
                    None => self.turn_away(attempt.asker, Rejection::Credentials),
                }
            }
            Round::Failed(asker) => self.turn_away(asker, Rejection::Credentials),
        }
    }

    /// EXTERNAL (RFC 4422, appendix A): the one message is whom to act as.
    pub(super) fn external(
        &mut self,
        now: u64,
        asker: Asker,
        facts: &Facts,
        authzid: &[u8],
    ) -> Result<(), Rejection> {
        let shown = facts.client_name.as_ref().filter(|_| self.rules.external);
        let name = shown.ok_or(Rejection::Credentials)?.as_slice();
        let attempt = Attempt {
            asker,
            name: name.to_vec(),
            owner: self.owner(authzid, name).map(Owner::of),
            mark: None,
        };
        self.open_attempt(now, &attempt)?;
        match attempt.owner.and_then(|owner| self.still(owner)) {
            Some(account) => self.succeed(now, &attempt, &account),
            None => self.fail(now, attempt),
        }
        Ok(())
    }

    /// The client's last message. What is wrong with it but its proof teaches
    /// nobody a password, and is told; a wrong proof is told as a wrong password is.
    fn prove(&mut self, now: u64, attempt: Attempt, challenged: &Challenged, said: &[u8]) {
        let proven = challenged.proven(said);
        if let Err(failure) = proven
            && failure != Failure::InvalidProof
        {
            return self.tell_failure(attempt.asker, failure);
        }
        if let Err(rejection) = self.open_attempt(now, &attempt) {
            return self.turn_away(attempt.asker, rejection);
        }
        match (proven, attempt.owner.and_then(|owner| self.still(owner))) {
            (Ok(signature), Some(_)) => {
                self.penalties.close(attempt.source());
                self.challenge(attempt.asker, signature, Round::Acknowledged(attempt));
            }
            _ => self.fail(now, attempt),
        }
    }

    /// The keys of a name, its own or made up.
    fn keys(&self, name: &[u8]) -> Keys {
        let decoy = Keys::decoy(&self.decoys, &self.one_form(name));
        let account = self.named_for_login(name);
        let keys = account.and_then(|account| account.kept.keys.clone());
        keys.unwrap_or(decoy)
    }

    /// What is the same for all ways to write a login name: if it were anybody's, so
    /// were its keys.
    fn one_form(&self, name: &[u8]) -> Vec<u8> {
        let candidates = self.rules.domains.candidates(name);
        let base = candidates.base.map(|(name, _)| name);
        let form = base.or(candidates.whole);
        form.map_or_else(|| name.to_vec(), |form| form.as_bytes().to_vec())
    }

    /// The server's last message may say why; then it is over (RFC 5802, section 5.1,
    /// `e`).
    fn tell_failure(&mut self, asker: Asker, failure: Failure) {
        self.challenge(asker, failure.message().to_vec(), Round::Failed(asker));
    }

    fn turn_away(&mut self, asker: Asker, rejection: Rejection) {
        let Asker { login, nonce, .. } = asker;
        self.answer(login, ToLogin::Rejected { nonce, rejection });
    }
}

//! Looking into letters of which the store doesn't know whether they fit.
//!
//! Before it is parsed a letter is noted ([`crate::suspects`]). Those that nobody has
//! a reason to fear are noted together, and read in the order in which they lie on the
//! disk; every other one, and whatever goes wrong, is looked at alone.

use super::Candidate;
use super::header::HeaderSearch;
use super::key::{Evidence, Facts, Key, Verdict};
use super::text::TextSearch;
use crate::account::Account;
use crate::disk::Gone;
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use std::rc::Rc;
use store::Uid;

/// See the module.
pub struct Judge<'k> {
    key: &'k Key,
    headers: HeaderSearch<'k>,
    texts: TextSearch<'k>,
    unread: bool,
    /// Of those that it judges now, how many are left.
    left: u32,
}

/// How many messages a search has looked at, and how many there are with these, when of
/// those that are judged now so many are left.
pub type Progress<'a> = &'a dyn Fn(&Client, u32) -> Option<(u32, u32)>;

impl<'k> Judge<'k> {
    /// By this key.
    pub fn new(key: &'k Key) -> Self {
        Self {
            key,
            headers: HeaderSearch::new(key),
            texts: TextSearch::new(key.wanted()),
            unread: false,
            left: 0,
        }
    }

    /// Whether something could not be read.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    /// Which of these messages fit.
    pub async fn all(
        &mut self,
        client: &mut Client,
        open: Vec<Candidate>,
        progress: Progress<'_>,
    ) -> Result<Vec<Uid>, End> {
        self.left = u32::try_from(open.len()).unwrap_or(u32::MAX);
        let account = Rc::clone(client.account());
        let (together, mut alone): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|candidate| account.trusts(candidate.place.id));
        let mut fits = Vec::new();
        let together = self.together(client, &account, together, &mut fits, progress);
        alone.extend(together.await?);
        for candidate in alone {
            match self.alone(client, &account, &candidate).await {
                Ok(true) => fits.push(candidate.place.uid),
                Ok(false) => {}
                Err(Trouble::End(end)) => return Err(end),
                Err(why) => {
                    let message = candidate.place.id.0;
                    tracing::error!(message, ?why, "a letter can't be read");
                    self.unread = true;
                }
            }
            self.tell_progress(client, progress).await?;
        }
        Ok(fits)
    }

    /// One more is judged.
    async fn tell_progress(
        &mut self,
        client: &mut Client,
        progress: Progress<'_>,
    ) -> Result<(), End> {
        self.left = self.left.saturating_sub(1);
        let left = self.left;
        client.tell_progress(|client| progress(client, left)).await
    }

    /// Gives back those of which something could not be read.
    async fn together(
        &mut self,
        client: &mut Client,
        account: &Rc<Account>,
        mut candidates: Vec<Candidate>,
        fits: &mut Vec<Uid>,
        progress: Progress<'_>,
    ) -> Result<Vec<Candidate>, End> {
        if candidates.is_empty() {
            return Ok(candidates);
        }
        if self.key.asks().bytes {
            candidates.sort_unstable_by_key(|candidate| candidate.place.body);
        }
        let letters = candidates.iter().map(|candidate| candidate.place.id);
        let watch = account.suspects().watch_all(account.disk(), letters).await;
        let Ok(_watch) = watch else {
            return Ok(candidates);
        };
        let mut troubled = Vec::new();
        for candidate in candidates {
            let mut letter = Letter::noted(Rc::clone(account), candidate.place);
            match self.judge(client, &candidate.facts, &mut letter).await {
                Ok((true, _)) => fits.push(candidate.place.uid),
                Ok((false, _)) => {}
                Err(Trouble::End(end)) => return Err(end),
                Err(_) => troubled.push(candidate),
            }
            self.tell_progress(client, progress).await?;
            client.breathe().await?;
        }
        Ok(troubled)
    }

    /// Whether a message fits. What is damaged is judged by its placeholder, as
    /// its reader sees it.
    async fn alone(
        &mut self,
        client: &mut Client,
        account: &Rc<Account>,
        candidate: &Candidate,
    ) -> Result<bool, Trouble> {
        let watch = account.suspects().watch(account.disk(), candidate.place.id);
        let watch = watch.await.map_err(|Gone| Trouble::from(Gone))?;
        let mut facts = candidate.facts.clone();
        let mut letter = Letter::noted(Rc::clone(account), candidate.place);
        loop {
            facts.octets = letter.octets();
            match self.judge(client, &facts, &mut letter).await {
                Err(trouble) if letter.is_damaged(&trouble) => {}
                Err(Trouble::Expunged) => return Ok(false),
                Err(trouble) => return Err(trouble),
                Ok((fits, to_its_end)) => {
                    if to_its_end {
                        watch.acquit();
                    }
                    return Ok(fits);
                }
            }
        }
    }

    /// Whether a message fits, and whether its letter was parsed to its end.
    async fn judge(
        &mut self,
        client: &mut Client,
        facts: &Facts,
        letter: &mut Letter,
    ) -> Result<(bool, bool), Trouble> {
        let facts = Evidence::facts(facts);
        match self.key.judge(&facts) {
            Verdict::Unknown => {}
            known => return Ok((known == Verdict::Yes, false)),
        }
        let header = self.headers.read(client, letter).await?;
        let evidence = facts.with_header(&header);
        match self.key.judge(&evidence) {
            Verdict::Unknown => {}
            known => return Ok((known == Verdict::Yes, false)),
        }
        let found = self.texts.read(client, letter).await?;
        let fits = self.key.judge(&evidence.with_body(&found)) == Verdict::Yes;
        Ok((fits, found.to_its_end()))
    }
}

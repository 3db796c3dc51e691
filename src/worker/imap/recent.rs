//! `\Recent` (RFC 3501 §2.3.2): messages that this session is the first to be
//! told of. The store hands each message to one session only; which ones it has
//! got, the session remembers.

use super::client::Client;
use super::selected::Selected;
use crate::session::RECENT_RANGES_MAX;
use store::{Messages, Outcome, Uid, UidRange};

/// Claims in a row, while new messages come with each: whoever delivers without a
/// pause must not keep a session from its answer.
const CLAIMS_MAX: usize = 8;

impl Selected {
    /// Takes what is recent for this session. EXAMINE takes nothing, and sees what
    /// nobody has taken (RFC 3501 §6.3.2). Whoever tells of new messages does so at once
    /// afterwards: one that came in between would be told without `\Recent`, and get it
    /// later.
    pub async fn claim_recent(&mut self, client: &Client) {
        for _ in 0..CLAIMS_MAX {
            if !self.recent_wait(client) {
                return;
            }
            if self.is_read_only() {
                return self.look_at_recent(client);
            }
            let handle = *self.handle();
            let claimed = client.account().change(|store| store.claim_recent(&handle));
            // A claim that fails leaves them to the next session.
            if let Ok(Outcome::Recent { from, to }) = claimed.await {
                self.keep_recent(from, to);
            }
        }
    }

    /// Whether there are messages that are recent to nobody yet.
    fn recent_wait(&self, client: &Client) -> bool {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        messages.is_ok_and(|messages| messages.counters().recent > 0)
    }

    fn look_at_recent(&mut self, client: &Client) {
        let store = client.account().store();
        let Ok(messages) = store.messages(self.handle()) else {
            return;
        };
        let seen = self.mailbox.recent.last().map(|range| range.last);
        let behind = seen.and_then(|last| Uid::new(last.get().saturating_add(1)));
        let from = behind.unwrap_or(Uid::MIN).max(messages.recent_from());
        self.keep_recent(from, messages.uid_next());
    }

    /// Whether a message is recent to this session.
    pub fn is_recent(&self, uid: Uid) -> bool {
        let holds = |range: &UidRange| range.first <= uid && uid <= range.last;
        self.mailbox.recent.iter().any(holds)
    }

    /// How many of the view's messages are recent.
    pub fn recent(&self, messages: &Messages<'_>) -> u32 {
        let end = self.view().uid_next;
        let ranges = self.mailbox.recent.iter();
        let known = ranges.filter_map(|range| {
            let last = end.get().checked_sub(1).and_then(Uid::new)?;
            let last = range.last.min(last);
            (range.first <= last).then_some(UidRange { last, ..*range })
        });
        known.fold(0, |sum: u32, range| {
            sum.saturating_add(messages.count_in(range) as u32)
        })
    }

    /// Beyond the bound the oldest are forgotten: they were recent for long.
    fn keep_recent(&mut self, from: Uid, to: Uid) {
        let Some(last) = Uid::new(to.get().saturating_sub(1)).filter(|last| from <= *last) else {
            return;
        };
        let recent = &mut self.mailbox.recent;
        match recent.last_mut() {
            Some(range) if range.last.get().checked_add(1) == Some(from.get()) => range.last = last,
            _ => recent.push(UidRange { first: from, last }),
        }
        if recent.len() > RECENT_RANGES_MAX {
            recent.remove(0);
        }
    }
}

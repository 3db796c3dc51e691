//! What is known of the health of the account's files: said to `director`, for
//! `status`.

use super::Account;
use ipc::edge::director_worker::Health;
use store::MessageId;
use tokio::sync::futures::Notified;

impl Account {
    /// How the files are, as far as anybody has looked since this worker was
    /// born.
    pub fn health(&self) -> Health {
        let store = self.store();
        let found = store.findings();
        let unreadable = self.unreadable.count() as u64;
        let ended = self.rounds.ended().and_then(|secs| secs.try_into().ok());
        Health {
            distress: false,
            damaged_letters: found.rotten_letters.max(self.damage.count() as u64),
            damaged_files: found.damaged_files.max(unreadable),
            scrubbed_bytes: found.scrubbed_bytes,
            scrubbed_at: ended.unwrap_or(0),
        }
    }

    /// Resolves when the health has changed so that an administrator would want
    /// to know.
    pub fn ailing(&self) -> Notified<'_> {
        self.ailing.notified()
    }

    /// A letter was found damaged.
    pub fn note_damage(&self, letter: MessageId, why: &dyn std::fmt::Display) {
        if let Some(note) = self.damage.note(letter, why) {
            self.disk().note_later(note);
            self.ailing.notify_waiters();
        }
    }

    /// A letter that a former worker has found damaged reads well.
    pub fn acquit(&self, letter: MessageId) {
        if let Some(note) = self.damage.acquit(letter) {
            self.disk().note_later(note);
        }
    }
}

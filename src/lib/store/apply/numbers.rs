//! Counters that go on: epochs, the ceiling of modseqs, and what becomes of them
//! when an account's end was unclean or its files were put back.

use super::{Fault, Written};
use crate::account::{Account, LOST_RANGES_MAX};
use crate::history::History;
use crate::id::{MailboxId, Modseq, UidValidity};
use crate::operation::Operation;
use crate::pending::Outcome;

/// How far numbers go on when an account's files were put back to an older
/// state: further than anybody can have got since.
pub(crate) const REWOUND_STEP: u64 = 1 << 32;

/// The same for UIDVALIDITY, which has 32 bits: more than mailboxes that were
/// made since, and little enough for thousands of times.
const REWOUND_VALIDITY_STEP: u32 = 1 << 20;

impl Account {
    pub(super) fn renumber(
        &mut self,
        written: Written<'_>,
        operation: &Operation,
    ) -> Result<Outcome, Fault> {
        match operation {
            Operation::RaiseEpoch(epoch) => self.epoch = self.epoch.max(*epoch),
            Operation::RaiseCeiling(ceiling) => self.ceiling = self.ceiling.max(*ceiling),
            Operation::Lose { from, to } => self.lose(written, *from, *to)?,
            _ => self.rewind(written)?,
        }
        Ok(Outcome::Done)
    }

    fn lose(&mut self, written: Written<'_>, from: Modseq, to: Modseq) -> Result<(), Fault> {
        let follows = self.lost.last().is_none_or(|(_, last)| from >= *last);
        if from >= to || to >= written.modseq() || !follows {
            return Err(Fault::Absurd("modseqs are lost that weren't given"));
        }
        self.lost.push((from, to));
        if self.lost.len() > LOST_RANGES_MAX {
            let (from, _) = self.lost.remove(0);
            if let Some(oldest) = self.lost.first_mut() {
                oldest.0 = from;
            }
        }
        Ok(())
    }

    /// Whether the counters can go on so far.
    pub(crate) fn can_rewind(&self) -> bool {
        self.clone().jump().is_some()
            && self.jumped_validity().is_some_and(|from| {
                let mailboxes = u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX);
                from.get().checked_add(mailboxes).is_some()
            })
    }

    fn rewind(&mut self, written: Written<'_>) -> Result<(), Fault> {
        let to = Modseq(written.modseq().0.saturating_sub(1));
        if self.modseq < to {
            self.lose(written, self.modseq, to)?;
        }
        self.jump().ok_or(USED_UP)?;
        self.validity = Some(self.jumped_validity().ok_or(USED_UP)?);
        let ids: Vec<MailboxId> = self.mailboxes.keys().copied().collect();
        for id in ids {
            self.revalidate(id, written.modseq())?;
        }
        Ok(())
    }

    fn jump(&mut self) -> Option<()> {
        for counter in [
            &mut self.next_mailbox,
            &mut self.next_message,
            &mut self.next_pack,
            &mut self.next_chunk,
        ] {
            let on = counter.checked_add(REWOUND_STEP);
            *counter = on.filter(|next| *next < 1 << 63)?;
        }
        Some(())
    }

    fn jumped_validity(&self) -> Option<UidValidity> {
        let given = self.validity.map_or(0, UidValidity::get);
        UidValidity::new(given.checked_add(REWOUND_VALIDITY_STEP)?)
    }

    /// Gives a mailbox another UIDVALIDITY: to every client it is a new one.
    fn revalidate(&mut self, id: MailboxId, modseq: Modseq) -> Result<(), Fault> {
        let validity = self.next_validity().ok_or(USED_UP)?;
        self.validity = Some(validity);
        let mailbox = self.named_by(id)?;
        mailbox.validity = validity;
        mailbox.modseq = modseq;
        mailbox.history = History::from(modseq);
        Ok(())
    }
}

const USED_UP: Fault = Fault::Absurd("no number is left to give");

//! Setting annotations.

use super::{Fault, NO_MAILBOX, Written};
use crate::account::Account;
use crate::metadata::{ANNOTATION_BYTES_MAX, AnnotationName, Place};
use crate::pending::Outcome;
use std::sync::Arc;

impl Account {
    pub(super) fn annotate(
        &mut self,
        written: Written<'_>,
        place: Place,
        name: &AnnotationName,
        value: Option<&Arc<[u8]>>,
    ) -> Result<Outcome, Fault> {
        if place.is_some_and(|id| self.mailbox(id).is_none()) {
            return Err(NO_MAILBOX);
        }
        if value.is_some_and(|value| value.len() > ANNOTATION_BYTES_MAX) {
            return Err(Fault::Absurd("an annotation is too long"));
        }
        let metadata = Arc::make_mut(&mut self.metadata);
        let modseq = written.modseq();
        let changes = metadata.set(place, name, value.cloned(), modseq);
        if let Some(mailbox) = place
            .filter(|_| changes)
            .and_then(|id| self.mailbox_mut(id))
        {
            // RFC 7162, section 3.2.
            mailbox.modseq = mailbox.modseq.max(modseq);
        }
        Ok(Outcome::Annotated { modseq })
    }
}

//! Annotations: who sees them, who sets them, and what changed (RFC 5464, section
//! 3.3).
//!
//! Private ones are the owner's; who comes from another account has none here yet.

use crate::handle::MailboxHandle;
use crate::id::{MailboxId, Modseq};
use crate::mailbox::Mailbox;
use crate::metadata::{ANNOTATION_BYTES_MAX, AnnotationName, Annotations, Metadata, Place};
use crate::name::MailboxName;
use crate::operation::Operation;
use crate::pending::Ticket;
use crate::refusal::Refusal;
use crate::rights::{Principal, Rights, granted};
use crate::store::{Change, Store};
use std::sync::Arc;

/// What annotations are of.
#[derive(Clone, Copy, Debug)]
pub enum Annotated<'a> {
    /// The account itself.
    Account(&'a Principal),
    /// A mailbox.
    Mailbox(&'a MailboxHandle),
}

/// A value to be set, or taken away.
pub type NewAnnotation = (AnnotationName, Option<Arc<[u8]>>);

/// Where annotations have changed, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAnnotations<'a> {
    /// The mailbox, or `None`: of the account itself.
    pub mailbox: Option<(MailboxId, &'a MailboxName)>,
    /// Each once.
    pub names: Vec<&'a AnnotationName>,
}

impl Store {
    /// The annotations of a mailbox, or of the account itself.
    ///
    /// # Errors
    /// `NoSuchMailbox`; `NoRight` (without one of `r`, `s`, `w`, `i`, `p`; of the account
    /// for anybody but the owner).
    pub fn annotations(&self, of: Annotated<'_>) -> Result<Annotations<'_>, Refusal> {
        let (place, principal) = match of {
            Annotated::Account(principal) => (None, *principal),
            Annotated::Mailbox(handle) => {
                let mailbox = self.checked(handle, Rights::LOOKUP)?;
                if !shows(self.rights_of(handle, mailbox)) {
                    return Err(Refusal::NoRight);
                }
                (Some(handle.id()), handle.principal())
            }
        };
        let owner = principal == Principal::Owner;
        if place.is_none() && !owner {
            return Err(Refusal::NoRight);
        }
        Ok(Annotations {
            all: &self.account().metadata,
            place,
            owner,
        })
    }

    /// Sets annotations, all or none. Shared ones of a mailbox are part of what is
    /// in it, so they take `w`.
    ///
    /// # Errors
    /// As [`Self::annotations`]; `NoRight` (without `w`), `NoPrivateAnnotations` (for anybody
    /// but the owner), `AnnotationTooLong`, `TooManyAnnotations`, `NothingToDo`, `Busy`.
    pub fn annotate(
        &mut self,
        of: Annotated<'_>,
        news: &[NewAnnotation],
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        let Annotations { place, owner, .. } = self.annotations(of)?;
        if !owner && news.iter().any(|(name, _)| name.is_private()) {
            return Err(Refusal::NoPrivateAnnotations);
        }
        if let Annotated::Mailbox(handle) = of {
            self.checked(handle, Rights::WRITE)?;
        }
        let operations = self.annotations_at(place, news)?;
        self.submit(
            Change {
                operations,
                ..Change::default()
            }
            .alone(),
        )
    }

    /// What sets these, if they have room.
    pub(super) fn annotations_at(
        &self,
        place: Place,
        news: &[NewAnnotation],
    ) -> Result<Vec<Operation>, Refusal> {
        let known = &self.account().metadata;
        let mut after = Metadata::clone(known);
        for (name, value) in news {
            let long = |value: &Arc<[u8]>| value.len() > ANNOTATION_BYTES_MAX;
            if value.as_ref().is_some_and(long) {
                return Err(Refusal::AnnotationTooLong);
            }
            // Any modseq will do: what is asked is how much there is.
            after.set(place, name, value.clone(), Modseq::MAX);
        }
        if !after.is_within() {
            return Err(Refusal::TooManyAnnotations);
        }
        if after == **known {
            return Err(Refusal::NothingToDo);
        }
        let set = news.iter().map(|(name, value)| Operation::Annotate {
            place,
            name: name.clone(),
            value: value.clone(),
        });
        Ok(set.collect())
    }

    /// The modseq of the last change of any annotation.
    pub fn annotations_modseq(&self) -> Modseq {
        self.account().metadata.changed()
    }

    /// Whether so many annotations were taken away above `since` that not all are known.
    pub fn annotations_forgotten(&self, since: Modseq) -> bool {
        self.account().metadata.has_forgotten_since(since)
    }

    /// The annotations that were set or taken away above `since`, but not by the change
    /// with the modseq `but`: as far as `principal` may see them.
    pub fn annotations_changed(
        &self,
        principal: &Principal,
        since: Modseq,
        but: Option<Modseq>,
    ) -> Vec<ChangedAnnotations<'_>> {
        let owner = *principal == Principal::Owner;
        let changed = self.account().metadata.changed_since(since, but);
        let seen = changed.into_iter().filter_map(|(place, names)| {
            let mailbox = match place {
                None if owner => None,
                None => return None,
                Some(id) => Some(self.annotated_mailbox(*principal, id)?),
            };
            let names = names.into_iter().filter(|name| owner || !name.is_private());
            let names: Vec<_> = names.collect();
            (!names.is_empty()).then_some(ChangedAnnotations { mailbox, names })
        });
        seen.collect()
    }

    /// A mailbox whose annotations `principal` may see.
    fn annotated_mailbox(
        &self,
        principal: Principal,
        id: MailboxId,
    ) -> Option<(MailboxId, &MailboxName)> {
        let mailbox: &Mailbox = self.account().mailbox(id)?;
        let rights = granted(&mailbox.acl, principal);
        let seen = rights.contains(Rights::LOOKUP) && shows(rights);
        seen.then_some((id, &mailbox.name))
    }
}

fn shows(rights: Rights) -> bool {
    !(rights & Rights::ANNOTATIONS).is_empty()
}

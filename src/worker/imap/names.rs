//! The same words on both sides: mailbox names and special uses of the wire and
//! of the store.

use ipc::slice;
use store::SpecialUse;
use wire::imap::MailboxName;
use wire::imap::SpecialUse as WireUse;

/// A name of the wire, for the store. The wire's limits are within the store's;
/// a name for which that were not so is one that no mailbox has.
pub fn to_store(name: &MailboxName) -> Option<store::MailboxName> {
    store::MailboxName::new(name.components())
}

/// A name of the store, for the wire.
pub fn to_wire(name: &store::MailboxName) -> Option<MailboxName> {
    MailboxName::from_components(name.components()).ok()
}

/// A special use of the wire, for the store; none if it keeps no such use.
pub fn use_to_store(special_use: WireUse) -> Option<SpecialUse> {
    Some(match special_use {
        WireUse::All => SpecialUse::All,
        WireUse::Archive => SpecialUse::Archive,
        WireUse::Drafts => SpecialUse::Drafts,
        WireUse::Flagged => SpecialUse::Flagged,
        WireUse::Junk => SpecialUse::Junk,
        WireUse::Sent => SpecialUse::Sent,
        WireUse::Trash => SpecialUse::Trash,
        WireUse::Important => return None,
    })
}

/// A special use of the store, for the wire.
pub fn use_to_wire(special_use: SpecialUse) -> WireUse {
    match special_use {
        SpecialUse::All => WireUse::All,
        SpecialUse::Archive => WireUse::Archive,
        SpecialUse::Drafts => WireUse::Drafts,
        SpecialUse::Flagged => WireUse::Flagged,
        SpecialUse::Junk => WireUse::Junk,
        SpecialUse::Sent => WireUse::Sent,
        SpecialUse::Trash => WireUse::Trash,
    }
}

/// A special use of the configuration, for the store.
pub fn use_of_slice(special_use: slice::SpecialUse) -> Option<SpecialUse> {
    Some(match special_use {
        slice::SpecialUse::All => SpecialUse::All,
        slice::SpecialUse::Archive => SpecialUse::Archive,
        slice::SpecialUse::Drafts => SpecialUse::Drafts,
        slice::SpecialUse::Flagged => SpecialUse::Flagged,
        slice::SpecialUse::Junk => SpecialUse::Junk,
        slice::SpecialUse::Sent => SpecialUse::Sent,
        slice::SpecialUse::Trash => SpecialUse::Trash,
        slice::SpecialUse::None | slice::SpecialUse::Important => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_wire_takes_as_a_name_the_store_takes_and_gives_back(
            components in prop::collection::vec("\\PC{1,60}", 1..6),
        ) {
            if let Ok(name) = MailboxName::from_components(&components) {
                let stored = to_store(&name).expect("within the store's limits");
                prop_assert_eq!(to_wire(&stored), Some(name));
            }
        }
    }

    #[test]
    fn uses_come_back_as_they_went() {
        for special_use in [
            WireUse::All,
            WireUse::Archive,
            WireUse::Drafts,
            WireUse::Flagged,
            WireUse::Junk,
            WireUse::Sent,
            WireUse::Trash,
        ] {
            assert_eq!(
                use_to_store(special_use).map(use_to_wire),
                Some(special_use)
            );
        }
    }
}

//! Flags of the wire and of the store.

use store::{FlagAction, Flags, Keyword, Rights, SystemFlags};
use wire::imap::response::RECENT;
use wire::imap::{Flag, StoreAction};

/// The system flags, in the order in which they are told.
pub static SYSTEM: [(Flag, SystemFlags); 5] = [
    (Flag::Answered, SystemFlags::ANSWERED),
    (Flag::Flagged, SystemFlags::FLAGGED),
    (Flag::Deleted, SystemFlags::DELETED),
    (Flag::Seen, SystemFlags::SEEN),
    (Flag::Draft, SystemFlags::DRAFT),
];

/// Flags that a client names, for the store.
pub fn to_store(flags: &[Flag]) -> Flags {
    let mut stored = Flags::default();
    for flag in flags {
        match flag {
            // The wire's limit of a keyword is the store's.
            Flag::Keyword(keyword) => stored.keywords.extend(Keyword::new(keyword.as_str())),
            system => stored.system = stored.system | bit(system),
        }
    }
    stored
}

/// Flags of the store, for a client.
pub fn to_wire<'a>(
    system: SystemFlags,
    keywords: impl IntoIterator<Item = &'a Keyword>,
) -> Vec<Flag> {
    let set = SYSTEM.iter().filter(|(_, bit)| system.contains(*bit));
    let mut flags: Vec<Flag> = set.map(|(flag, _)| flag.clone()).collect();
    let names = keywords.into_iter().map(Keyword::as_str);
    flags.extend(
        names
            .filter_map(wire::imap::Keyword::new)
            .map(Flag::Keyword),
    );
    flags
}

/// Flags of the store by their names on the wire, in the order of [`to_wire`].
pub fn names<'a>(
    system: SystemFlags,
    keywords: impl Iterator<Item = &'a Keyword>,
    recent: bool,
) -> impl Iterator<Item = &'a str> {
    let set = SYSTEM.iter().filter(move |(_, bit)| system.contains(*bit));
    let keywords = keywords.map(Keyword::as_str);
    let keywords = keywords.filter(|name| wire::imap::Keyword::is_one(name));
    let recent = recent.then_some(RECENT);
    let set = set.map(|(flag, _)| flag.as_str());
    set.chain(keywords).chain(recent)
}

/// All system flags and these keywords.
pub fn with_system<'a>(keywords: impl IntoIterator<Item = &'a Keyword>) -> Vec<Flag> {
    to_wire(SystemFlags::ALL, keywords)
}

/// Those that may be changed with these rights (RFC 4314 §4), for the client to
/// know: the store decides by itself.
pub fn changeable(flags: Vec<Flag>, rights: Rights) -> Vec<Flag> {
    let right = |flag: &Flag| match flag {
        Flag::Seen => Rights::SEEN,
        Flag::Deleted => Rights::DELETE_MESSAGES,
        Flag::Answered | Flag::Flagged | Flag::Draft | Flag::Keyword(_) => Rights::WRITE,
    };
    let may = |flag: &Flag| rights.contains(right(flag));
    flags.into_iter().filter(may).collect()
}

/// What STORE does, for the store.
pub fn action(action: StoreAction) -> FlagAction {
    match action {
        StoreAction::Add => FlagAction::Add,
        StoreAction::Remove => FlagAction::Remove,
        StoreAction::Replace => FlagAction::Replace,
    }
}

fn bit(flag: &Flag) -> SystemFlags {
    let known = SYSTEM.iter().find(|(known, _)| known == flag);
    known.map_or(SystemFlags::NONE, |(_, bit)| *bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back_as_they_went() {
        let keyword = wire::imap::Keyword::new("$Forwarded").unwrap();
        let flags = vec![Flag::Deleted, Flag::Seen, Flag::Keyword(keyword)];
        let stored = to_store(&flags);
        assert_eq!(stored.system, SystemFlags::DELETED | SystemFlags::SEEN);
        assert_eq!(to_wire(stored.system, &stored.keywords), flags);
    }

    #[test]
    fn every_system_flag_has_a_bit_of_its_own() {
        for (flag, bit) in SYSTEM.clone() {
            assert_eq!(to_store(std::slice::from_ref(&flag)).system, bit);
            assert_eq!(to_wire(bit, []), std::slice::from_ref(&flag));
            let told: Vec<&str> = names(bit, [].iter(), true).collect();
            assert_eq!(told, [flag.as_str(), RECENT]);
        }
    }
}

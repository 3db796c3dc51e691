//! CAPABILITY, ENABLE and ID.

use super::answer::Answer;
use super::client::Client;
use wire::imap::response::{Capability, Data};

/// What we can do, completely.
pub const ALL: [Capability; 21] = [
    Capability::Imap4Rev1,
    Capability::Imap4Rev2,
    Capability::Binary,
    Capability::Children,
    Capability::CreateSpecialUse,
    Capability::Enable,
    Capability::ESearch,
    Capability::Id,
    Capability::Idle,
    Capability::ListExtended,
    Capability::ListStatus,
    Capability::LiteralPlus,
    Capability::Move,
    Capability::MultiAppend,
    Capability::Namespace,
    Capability::SearchRes,
    Capability::SpecialUse,
    Capability::StatusSize,
    Capability::UidPlus,
    Capability::Unselect,
    Capability::Within,
];

impl Client {
    /// CAPABILITY (RFC 9051 §6.1.1).
    pub fn capability(&mut self) -> Answer {
        self.tell(&Data::Capability(&ALL));
        Answer::ok("That is all")
    }

    /// ENABLE (RFC 9051 §6.3.1): what we don't know is passed over.
    pub fn enable(&mut self, names: &[String]) -> Answer {
        let rev2 = Capability::Imap4Rev2;
        let asked = names
            .iter()
            .any(|name| name == &rev2.as_str().to_ascii_uppercase());
        if asked && !self.enabled().rev2 {
            self.tell(&Data::Enabled(&[rev2]));
            self.enable_rev2();
        } else {
            self.tell(&Data::Enabled(&[]));
        }
        Answer::ok("Enabled")
    }

    /// ID (RFC 2971). What the client says of itself is neither kept nor logged.
    pub fn id(&mut self) -> Answer {
        self.tell(&Data::Id(&[
            ("name", "Mailkeep"),
            ("version", env!("CARGO_PKG_VERSION")),
        ]));
        Answer::ok("Pleased to meet you")
    }
}

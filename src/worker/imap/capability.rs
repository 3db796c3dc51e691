//! CAPABILITY, ENABLE and ID.

use super::answer::Answer;
use super::client::Client;
use wire::imap::response::{Capability, Data};

/// What we can do, but for what has a value.
const ALL: &[Capability] = &[
    Capability::Imap4Rev1,
    Capability::Imap4Rev2,
    Capability::Binary,
    Capability::Children,
    Capability::CompressDeflate,
    Capability::CondStore,
    Capability::ContextSearch,
    Capability::CreateSpecialUse,
    Capability::Enable,
    Capability::ESearch,
    Capability::ESort,
    Capability::I18nLevel1,
    Capability::Id,
    Capability::Idle,
    Capability::InProgress,
    Capability::ListExtended,
    Capability::ListMetadata,
    Capability::ListStatus,
    Capability::LiteralPlus,
    Capability::Metadata,
    Capability::Move,
    Capability::MultiAppend,
    Capability::MultiSearch,
    Capability::Namespace,
    Capability::Notify,
    Capability::ObjectId,
    Capability::Partial,
    Capability::Preview,
    Capability::QResync,
    Capability::Quota,
    Capability::QuotaMailbox,
    Capability::QuotaMessage,
    Capability::QuotaStorage,
    Capability::Replace,
    Capability::SaveDate,
    Capability::SearchRes,
    Capability::Sort,
    Capability::SortDisplay,
    Capability::SpecialUse,
    Capability::StatusSize,
    Capability::ThreadOrderedSubject,
    Capability::ThreadReferences,
    Capability::ThreadRefs,
    Capability::UidBatches,
    Capability::UidOnly,
    Capability::UidPlus,
    Capability::Unselect,
    Capability::Utf8Accept,
    Capability::Within,
    Capability::Xlist,
];

impl Client {
    /// What we can do, completely. The limit of APPEND is one for all mailboxes
    /// (RFC 7889 §2).
    pub fn capabilities(&self) -> Vec<Capability> {
        let mut all = ALL.to_vec();
        all.push(Capability::AppendLimit(self.append_bytes_max()));
        all.extend(self.message_limit());
        all
    }

    /// CAPABILITY (RFC 9051 §6.1.1).
    pub fn capability(&mut self) -> Answer {
        let all = self.capabilities();
        self.tell(&Data::Capability(&all));
        Answer::ok("That is all")
    }

    /// ENABLE (RFC 9051 §6.3.1, RFC 5161): tells what it has turned on; what is on
    /// already, and what we don't know, is passed over.
    pub fn enable(&mut self, names: &[String]) -> Answer {
        let mut enabled = self.enabled();
        let switches = [
            (Capability::Imap4Rev2, &mut enabled.rev2),
            (Capability::Utf8Accept, &mut enabled.utf8),
            (Capability::Metadata, &mut enabled.metadata),
            (Capability::QResync, &mut enabled.qresync),
            (Capability::CondStore, &mut enabled.condstore),
            (Capability::UidOnly, &mut enabled.uidonly),
        ];
        let mut new = Vec::new();
        for (capability, is_on) in switches {
            let is_it = |name: &String| name.eq_ignore_ascii_case(capability.as_str());
            if !*is_on && names.iter().any(is_it) {
                *is_on = true;
                new.push(capability);
            }
        }
        // ENABLE QRESYNC is ENABLE QRESYNC CONDSTORE (RFC 7162 §3.2.3).
        enabled.condstore |= enabled.qresync;
        self.tell(&Data::Enabled(&new));
        self.enable_also(enabled);
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

//! Words that may stand in the configuration file, and what each stands for.

use crate::mistake::Objection;
use crate::value;
use ipc::slice::{LogLevel, SpecialUse, TlsUse};
use sandbox::{Layer, Waivers};

pub(super) fn tls_use(text: &str) -> Result<TlsUse, Objection> {
    const WORDS: [(&str, TlsUse); 3] = [
        ("never", TlsUse::Never),
        ("starttls", TlsUse::OnRequest),
        ("immediate", TlsUse::Immediate),
    ];
    value::word(text, &WORDS)
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, Objection> {
    const WORDS: [(&str, LogLevel); 4] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
    value::word(text, &WORDS)
}

/// RFC 6154 §2, without the backslash.
pub(super) fn special_use(text: &str) -> Result<SpecialUse, Objection> {
    const WORDS: [(&str, SpecialUse); 9] = [
        ("none", SpecialUse::None),
        ("archive", SpecialUse::Archive),
        ("drafts", SpecialUse::Drafts),
        ("junk", SpecialUse::Junk),
        ("sent", SpecialUse::Sent),
        ("trash", SpecialUse::Trash),
        ("all", SpecialUse::All),
        ("flagged", SpecialUse::Flagged),
        ("important", SpecialUse::Important),
    ];
    value::word(text, &WORDS)
}

pub(super) fn layer(text: &str) -> Result<Layer, Objection> {
    Waivers::layer_named(text).ok_or_else(|| {
        let names: Vec<&str> = Layer::ALL.iter().map(|layer| layer.name()).collect();
        Objection::new(
            format!(
                "{} is not a layer that can be done without",
                crate::mistake::quote(text)
            ),
            value::one_of(text, &names),
        )
    })
}

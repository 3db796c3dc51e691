//! audit/secrets.toml: which secret may stand where, and when.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    secret: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    what: String,
    /// Processes and reasons, by moment.
    #[serde(flatten)]
    moments: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ledger {
    /// Reads it.
    pub fn read() -> Self {
        let path = harness::set::workspace().join("audit/secrets.toml");
        let text = std::fs::read_to_string(path).expect("the ledger");
        toml::from_str(&text).expect("the ledger is TOML")
    }

    /// The programs that may have a secret at a moment.
    pub fn allowed(&self, what: &str, moment: &str) -> BTreeSet<String> {
        let entry = self.secret.iter().find(|entry| entry.what == what);
        let entry = entry.unwrap_or_else(|| panic!("audit/secrets.toml has no {what:?}"));
        let processes = entry.moments.get(moment);
        let processes = processes.unwrap_or_else(|| panic!("{what:?} has no {moment:?}"));
        let program = |process: &String| match process.as_str() {
            "mailkeep" => "mailkeep".to_owned(),
            process => format!("mailkeep-{process}"),
        };
        processes.keys().map(program).collect()
    }
}

//! The reader of the configuration as the fuzzer sees it: `src/config` without
//! its `main`, its confinement and its channel.
#![forbid(unsafe_code)]
#![allow(
    dead_code,
    reason = "what `config` does with its readers' results isn't here"
)]

#[path = "../../src/config/key.rs"]
mod key;
#[path = "../../src/config/machine.rs"]
mod machine;
#[path = "../../src/config/mistake.rs"]
mod mistake;
#[path = "../../src/config/nearest.rs"]
mod nearest;
#[path = "../../src/config/plan.rs"]
mod plan;
#[path = "../../src/config/rules.rs"]
mod rules;
#[path = "../../src/config/settings.rs"]
mod settings;
#[path = "../../src/config/source.rs"]
mod source;
#[path = "../../src/config/table.rs"]
mod table;
#[path = "../../src/config/value.rs"]
mod value;

use ipc::Message;
use ipc::edge::config::FromConfig;
use plan::Runner;

/// A file of these bytes is told its mistakes, or makes a plan that arrives as it
/// was sent.
pub fn exercise(file: &[u8]) {
    for runner in [Runner::Root, Runner::User(1000)] {
        let Ok((text, settings, notes)) = plan::read_bytes(file, None) else {
            panic!("our own defaults don't hold");
        };
        if notes.mistakes.count() > 0 {
            assert!(!notes.mistakes.to_text("f", &text).is_empty());
            assert!(!notes.mistakes.to_json(&text).is_empty());
        } else if let Ok(messages) = plan::messages(settings, runner) {
            messages.into_iter().for_each(arrives);
        } else {
            panic!("no mistake, and no plan");
        }
    }
}

fn arrives(message: FromConfig) {
    let (bytes, descriptors) = message.into_datagram();
    let again = FromConfig::from_datagram(&bytes, descriptors);
    let again = again.expect("a message that its receiver takes");
    assert_eq!(again.into_datagram().0, bytes);
}

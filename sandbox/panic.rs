//! What is said of a panic: where, and never what.
//!
//! The words of a panic can hold whatever the code held (a slice's content, the
//! `Debug` of an error), so also what a stranger typed or a letter says. They stay
//! unsaid; the place is enough to find the code.

use std::fmt::Write as _;
use std::panic::{PanicHookInfo, set_hook};

/// From now on a panic's words are kept from the log.
pub fn say_where_only() {
    set_hook(Box::new(|info| {
        // There is nobody else to tell, and the process is about to end.
        let _unheard = rustix::io::write(rustix::stdio::stderr(), words(info).as_bytes());
    }));
}

/// One line, critical (`<2>`, sd-daemon(3)).
fn words(info: &PanicHookInfo<'_>) -> String {
    let mut line = "<2>panicked".to_owned();
    if let Some(place) = info.location() {
        let _infallible = write!(line, " at {}:{}", place.file(), place.line());
    }
    line.push('\n');
    line
}

//! Why something was not measured. A row says it in place of its figure, and the rest
//! of the table goes on: nothing in this program panics because a server misbehaves.

use std::fmt::Display;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// A file, a socket or a program didn't do what it should.
    World(String),
    /// The server answered something else than what was asked for.
    Refused(String),
    /// The server doesn't offer it.
    Lacking(&'static str),
    /// There was no time left for it.
    Late,
}

impl Failed {
    /// What a file, socket or program failed at.
    pub fn doing(what: impl Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::World(format!("{what}: {error}"))
    }

    /// An answer, as far as it fits into a cell of a table.
    pub fn refused(answer: &[u8]) -> Self {
        const SHOWN_BYTES: usize = 120;
        let shown = &answer[..answer.len().min(SHOWN_BYTES)];
        Self::Refused(String::from_utf8_lossy(shown).trim().to_owned())
    }
}

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::World(why) => write!(f, "failed: {why}"),
            Self::Refused(answer) => write!(f, "failed: the server said {answer:?}"),
            Self::Lacking(what) => write!(f, "{what}: not there yet"),
            Self::Late => f.write_str("not run: out of time"),
        }
    }
}

//! The worst that one account can do to a machine within its rights, until it is told to
//! stop.

use crate::client::Imap;
use crate::failed::Failed;
use crate::server::{Over, Server};
use crate::users;
use std::sync::atomic::{AtomicBool, Ordering};

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worst {
    /// Looks through all its letters for what is in none of them.
    Search,
    /// Copies all its letters, and again.
    Copy,
    /// Fetches flags in many sessions at once, without a pause.
    Sessions,
}

impl Worst {
    /// Each in turn.
    pub const ALL: [Self; 3] = [Self::Search, Self::Copy, Self::Sessions];

    /// How many sessions it takes.
    pub const fn sessions(self) -> usize {
        match self {
            Self::Search | Self::Copy => 1,
            Self::Sessions => 50,
        }
    }

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "SEARCH BODY over it all",
            Self::Copy => "COPY of it all",
            Self::Sessions => "50 sessions that FETCH 1:1000 (FLAGS)",
        }
    }

    /// Does it in one session, command by command; says how often.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn go_on(self, server: &Server, until: &AtomicBool) -> Result<u64, Failed> {
        let mut imap = server.login(users::BIG, Over::Clear)?;
        imap.run("SELECT INBOX")?;
        let mut times = 0;
        while !until.load(Ordering::Relaxed) {
            self.once(&mut imap)?;
            times += 1;
        }
        Ok(times)
    }

    fn once(self, imap: &mut Imap) -> Result<(), Failed> {
        let commands: &[&str] = match self {
            Self::Search => &["SEARCH BODY \"isinnoneofthem\""],
            Self::Copy => &["CREATE copies", "COPY 1:* copies", "DELETE copies"],
            Self::Sessions => &["FETCH 1:1000 (FLAGS)"],
        };
        commands.iter().try_for_each(|it| imap.run(it).map(drop))
    }
}

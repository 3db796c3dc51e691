//! INPROGRESS (RFC 9585): a client whose command takes long hears now and then that it
//! goes on, and how far it has come.

use super::End;
use super::client::Client;
use std::time::Duration;
use tokio::time::Instant;
use wire::imap::Tag;
use wire::imap::response::Code;

/// How often a client hears of a command that goes on. RFC 9585 §4 has 10 to 15 seconds in
/// mind; so long no client gives up, and whoever waits has begun to wonder.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// The command that is being done.
#[derive(Debug)]
pub struct Progress {
    tag: Tag,
    /// When the client last heard of it, or said it.
    heard: Instant,
}

impl Progress {
    /// It begins.
    pub fn new(tag: Tag) -> Self {
        Self {
            tag,
            heard: Instant::now(),
        }
    }
}

impl Client {
    /// Says how far the command has come, if it is time to: how many messages were looked
    /// at, and how many there are with them. It never says that all were: that is what
    /// the tagged answer says.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_progress(
        &mut self,
        messages: impl FnOnce(&Self) -> Option<(u32, u32)>,
    ) -> Result<(), End> {
        let Some(progress) = &self.progress else {
            return Ok(());
        };
        if progress.heard.elapsed() < PROGRESS_INTERVAL {
            return Ok(());
        }
        let tag = progress.tag.clone();
        let messages = messages(self).filter(|(done, goal)| done < goal);
        let code = Code::InProgress {
            tag: tag.clone(),
            messages,
        };
        self.remark(&code, "Still at it");
        self.out().flush().await?;
        self.progress = Some(Progress::new(tag));
        Ok(())
    }
}

//! COMPRESS (RFC 4978).

use super::End;
use super::answer::Answer;
use super::client::Client;
use wire::imap::Tag;
use wire::imap::response::Code;

impl Client {
    /// COMPRESS DEFLATE. Everything up to the CRLF of the tagged OK leaves as it
    /// is; whatever follows is compressed, and so is what the client has sent
    /// behind the command, which it must not before it has seen the answer.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn compress(&mut self, tag: &Tag) -> Result<(), End> {
        if self.is_compressed() {
            let text = "COMPRESS was given before, and holds";
            let answer = Answer::no(Code::CompressionActive, text);
            return self.answer(tag, &answer).await;
        }
        self.answer(tag, &Answer::ok("From here on compressed"))
            .await?;
        self.out().flush().await?;
        self.begin_compression();
        Ok(())
    }
}

//! RETR and TOP (RFC 1939, sections 5 and 7): a letter, piece by piece, never in
//! memory whole.

use super::End;
use super::client::Client;
use super::lengths::Fault;
use super::maildrop::{Absent, Message};
use super::transaction::Transaction;
use crate::imap::letter::{Letter, Trouble};
use message::downgrade::Downgrader;
use wire::pop3::response::Code;
use wire::pop3::{self, Number, Top};

impl Transaction {
    /// RETR; with a number of lines, TOP. No flag is set.
    pub(super) async fn retrieve(
        &self,
        client: &mut Client,
        number: Number,
        lines: Option<u64>,
    ) -> Result<(), End> {
        let Some(message) = self.named(client, number)? else {
            return Ok(());
        };
        // A letter that a former worker has found damaged is read through first.
        let octets = match lines.is_none() || client.doubts(&message) {
            true => client.octets(&self.maildrop, &message).await?,
            false => Some(0),
        };
        match octets {
            Some(octets) => send(client, &message, octets, lines).await,
            None => {
                client.err(None, Absent::Gone.text());
                Ok(())
            }
        }
    }
}

/// Sends a letter. What can't be read is told as long as nothing of it was sent; a
/// letter that shows itself as damaged till then is told again, from its placeholder.
async fn send(
    client: &mut Client,
    message: &Message,
    octets: u64,
    lines: Option<u64>,
) -> Result<(), End> {
    let mut letter = Letter::new(client.account().clone(), message.place);
    let mark = client.out().mark();
    loop {
        match lines {
            Some(lines) => client.ok(&format_args!("The header and {lines} lines follow")),
            None => client.ok(&format_args!("{octets} octets")),
        }
        let trouble = match render(client, &letter, lines).await {
            Ok(()) => return Ok(()),
            Err(Fault::End(end)) => return Err(end),
            Err(Fault::Letter(trouble)) => trouble,
        };
        let is_damaged = letter.is_damaged(&trouble);
        if !client.out().rewind(mark) {
            return Err(End::Torn);
        }
        if !is_damaged {
            refuse(client, &trouble);
            return Ok(());
        }
    }
}

async fn render(client: &mut Client, letter: &Letter, lines: Option<u64>) -> Result<(), Fault> {
    let mut rendering = Rendering::new(client.is_utf8(), lines);
    let mut pieces = letter.pieces(letter.whole());
    while !rendering.is_over()
        && let Some(piece) = pieces.next().await?
    {
        rendering.push(&piece, client.out().buffer());
        client.pause().await?;
    }
    rendering.finish(client.out().buffer());
    Ok(())
}

/// What becomes of a letter's bytes on their way.
struct Rendering {
    /// None for a client that takes UTF-8.
    downgrader: Option<Downgrader>,
    downgraded: Vec<u8>,
    /// None if all is shown.
    top: Option<Top>,
    lines: pop3::Letter,
}

impl Rendering {
    fn new(is_utf8: bool, lines: Option<u64>) -> Self {
        Self {
            downgrader: (!is_utf8).then(Downgrader::new),
            downgraded: Vec::new(),
            top: lines.map(Top::new),
            lines: pop3::Letter::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.top.as_ref().is_some_and(Top::is_over)
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Some(downgrader) = &mut self.downgrader else {
            return self.show(piece, out);
        };
        let mut downgraded = std::mem::take(&mut self.downgraded);
        downgraded.clear();
        downgrader.push(piece, &mut downgraded);
        self.show(&downgraded, out);
        self.downgraded = downgraded;
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        if let Some(mut downgrader) = self.downgrader.take() {
            let mut rest = Vec::new();
            downgrader.finish(&mut rest);
            self.show(&rest, out);
        }
        self.lines.finish(out);
    }

    fn show(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let shown = match &mut self.top {
            Some(top) => top.shown(bytes),
            None => bytes,
        };
        self.lines.push(shown, out);
    }
}

fn refuse(client: &mut Client, trouble: &Trouble) {
    match trouble {
        Trouble::Expunged => client.err(None, Absent::Gone.text()),
        trouble => {
            tracing::warn!(?trouble, "a letter can't be read");
            client.err(
                Some(Code::SysTemp),
                "The disk would not give this letter; try again",
            );
        }
    }
}

//! LMTP (RFC 2033), which is SMTP's grammar (RFC 5321) with one answer per
//! recipient.
//!
//! Lines end in CRLF and in nothing else. A command line with a bare CR or LF
//! is refused with `500 5.5.2`, and ends at the LF. A letter with a bare CR or
//! LF anywhere is read to its strict end, `CRLF.CRLF`; then every recipient is
//! answered `554 5.6.0` ([`Reply::BareLineEnd`]) and the connection should be
//! closed, since a peer that writes such lines may see the letter's end
//! elsewhere. `LF.LF`, `LF.CRLF`, `CR.CRLF`, `CRLF.LF` and their like end
//! nothing.

mod command;
mod letter;
mod reader;
mod refusal;
mod reply;

pub use command::{Body, Command, ForwardPath, MailParameters, ReversePath};
pub use letter::LineFault;
pub use reader::{Event, Reader};
pub use refusal::Refusal;
pub use reply::{Extension, Reply};

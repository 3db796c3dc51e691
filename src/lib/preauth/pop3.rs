//! POP3 before authentication (RFC 1939, section 4), with CAPA (RFC 2449), STLS
//! (RFC 2595), AUTH (RFC 5034), UTF8 and LANG (RFC 6856).
//!
//! [`Reader`] turns bytes into [`Command`]s; [`ResponseReader`] reads the client's
//! side of AUTH; [`response`] renders what we say. APOP is not spoken: it needs
//! passwords that can be read back.

mod command;
mod language;
mod reader;
mod refusal;
pub mod response;

pub use command::Command;
pub use language::Language;
pub use reader::{Answer, Event, Reader, ResponseReader};
pub use refusal::Refusal;

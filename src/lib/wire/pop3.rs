//! POP3 after authentication (RFC 1939, RFC 2449, RFC 6856).
//!
//! [`Reader`] turns bytes into commands; [`response`] renders what we say, and
//! [`Letter`] the bytes of a letter as a multi-line answer. What is valid before
//! authentication only is named here so that it can be refused in words.
//!
//! Lines end in CRLF and in nothing else. A line with a bare CR or LF is refused,
//! and ends at the LF.

mod command;
mod encode_command;
mod language;
mod letter;
mod reader;
mod refusal;
pub mod response;
mod unique_id;

pub use command::{Command, Number};
pub use encode_command::encode_command;
pub use language::LanguageRange;
pub use letter::{Letter, Top};
pub use preauth::pop3::Language;
pub use reader::Reader;
pub use refusal::Refusal;
pub use unique_id::UniqueId;

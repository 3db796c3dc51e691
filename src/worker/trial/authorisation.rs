//! Who may do what, in IMAP: every command in each of its ways, for somebody who is
//! not the owner and has these rights on a mailbox, and no others.
//!
//! The store decides (`store/tests/rights.rs` tests that it does). Here it is tested
//! that nothing gets round it: that a session does what RFC 4314 says and nothing
//! more ([`table`]), that what may not be seen is in all answers, byte for byte, and
//! in all work as if it weren't there ([`hidden`]), and what may not be counted as if
//! it were empty ([`counts`]). [`grammar`] is why no command is forgotten.
//!
//! Principals and access lists are injected: no ticket has either yet.

mod counts;
mod grammar;
mod hidden;
mod opening;
mod revoked;
mod rows;
mod table;
mod world;

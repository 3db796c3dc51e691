//! Every bound on what a stranger can make us hold, with its reason.
//!
//! One connection holds at most `LINE_BYTES_MAX + LITERALS_BYTES_MAX` bytes of
//! a command: 10 KiB in a buffer of 16 KiB, and 24 KiB for the moment in which
//! that grows. Between commands it holds nothing.

/// Bytes of all the lines of one command, line ends included, literals apart;
/// also of one line of POP3, and of one SASL answer. RFC 7162 (section 4) asks servers to take 8192. A
/// SASL answer may have 12288 by RFC 4954's count, which is for Kerberos
/// tickets; our mechanisms need less than 2 KiB, a bearer token fits in 6 KiB.
pub const LINE_BYTES_MAX: usize = 8192;

/// Bytes of one literal. Only LOGIN's two arguments and ID's values have a use
/// for one; RFC 2971 bounds the latter at 1024.
pub const LITERAL_BYTES_MAX: usize = 1024;

/// Bytes of all literals of one command together: a user name and a password.
pub const LITERALS_BYTES_MAX: usize = 2048;

/// Literals in one command. Each costs the peer few bytes and us a turn.
pub const LITERALS_MAX: usize = 8;

/// Bytes of a tag. Clients use four to ten; it is echoed, so it must be short.
pub const TAG_BYTES_MAX: usize = 64;

/// Bytes of a user name. RFC 4616 demands 255 at least; an address is up to
/// 320, and UTF-8 needs room.
pub const USER_BYTES_MAX: usize = 512;

/// Bytes of a password. RFC 4616 demands 255 at least. Hashing cost grows with
/// it, so it ends somewhere.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Bytes of a SASL mechanism's name (RFC 4422, section 3.1).
pub const MECHANISM_BYTES_MAX: usize = 20;

/// Field-value pairs of ID (RFC 2971, section 3.3).
pub const ID_PAIRS_MAX: usize = 30;

/// Bytes of the text for humans in a response: with tag and code it stays
/// below the 998 that the strictest line readers take.
pub const TEXT_BYTES_MAX: usize = 512;

/// Bytes of a line that we say in POP3, CRLF included (RFC 2449, section 4).
pub const POP3_RESPONSE_BYTES_MAX: usize = 512;

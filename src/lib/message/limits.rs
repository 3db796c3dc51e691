//! Every limit of this crate, with its unit and its reason.
//!
//! A limit bounds what one letter can cost; it never decides whether the letter
//! is served. What lies beyond is left out, or becomes part of an opaque leaf.

/// Multiparts and nested messages around one part. Real mail stays under ten;
/// the stack of open boundaries is searched for every line that begins with
/// two dashes, so its height is a factor of the scanner's time.
pub const DEPTH_MAX: usize = 100;

/// Parts in one letter. Beyond it the open part holds the rest of the letter.
/// Digests of a busy list reach some hundreds. Each session that asks for the
/// structure of a letter holds one, and a worker has some dozen sessions: with ten
/// thousand parts a dozen of them had all of its memory.
pub const PARTS_MAX: usize = 2_000;

/// Bytes of one header section in which fields are looked at. The section may
/// be longer and is served whole; later fields are not known to the structure.
pub const HEADER_SECTION_BYTES_MAX: u64 = 1 << 20;

/// Bytes of one unfolded field value that are kept and read. A To: field with
/// three thousand addresses fits; reading the dearest value (`a,` all along)
/// takes 2 ms.
pub const FIELD_BYTES_MAX: usize = 128 << 10;

/// Bytes of a field name that are compared. RFC 5322 allows a line of 998.
pub const FIELD_NAME_BYTES_MAX: usize = 998;

/// Parameters of one field. They are grouped and sorted, and a client holds
/// them all; real fields have up to five, split file names some dozens.
pub const PARAMS_MAX: usize = 256;

/// Languages of one Content-Language field; real ones name one to three.
pub const LANGUAGES_MAX: usize = 64;

/// Bytes of a boundary that are compared. RFC 2046 allows 70; of a longer one
/// than this only the beginning counts, so that a line's first bytes decide.
pub const BOUNDARY_BYTES_MAX: usize = 200;

/// Addresses (group marks included) of one envelope list. Larger lists are
/// hidden behind a list server; a client would wait for them in vain.
pub const ADDRESSES_MAX: usize = 5_000;

/// Bytes that the structure of one letter may keep: parts, parameters and
/// envelopes together. A part costs about half a KiB, so that two thousand
/// plain ones fit with room for their names. A worker's memory limit counts on
/// this: 64 sessions with such a structure, and its rendering, stay below it.
pub const STRUCTURE_BYTES_MAX: usize = 3 << 20;

/// Bytes that a caller should feed at once. The dearest ones (every line begins
/// with two dashes, under 99 open boundaries) take 1 ms, plain text 10 µs.
pub const PIECE_BYTES: usize = 16 << 10;

/// Bytes of a Date field that are read. The longest real ones, with a comment
/// that names the zone, have some sixty.
pub const DATE_BYTES_MAX: usize = 1_000;

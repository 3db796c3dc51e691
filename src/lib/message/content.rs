//! What the Content- fields of a part say (RFC 2045, 2183, 3282, 2557, 1864).
//!
//! Values are raw: encoded words and percent escapes stay as they came, since
//! that is what IMAP passes on. Decoding them is [`crate::decode`]'s.

use std::borrow::Cow;

/// One parameter. Continuations (RFC 2231) are joined: `name*0=a; name*1=b` is
/// one parameter `name`; if any piece was percent-encoded its name ends in `*`
/// and its value is `charset'language'percent-encoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The name as it came.
    pub name: Vec<u8>,
    /// The value without quotes.
    pub value: Vec<u8>,
}

/// A Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` or another token, as it came.
    pub kind: Vec<u8>,
    /// Its parameters.
    pub params: Vec<Param>,
}

/// What the Content- fields say, with RFC 2045's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The top-level media type as it came, or the default (`text`; `message`
    /// within a multipart/digest).
    pub media_type: Cow<'static, [u8]>,
    /// The subtype as it came, or the default.
    pub subtype: Cow<'static, [u8]>,
    /// The parameters of Content-Type.
    pub params: Vec<Param>,
    /// Content-ID, raw.
    pub id: Option<Vec<u8>>,
    /// Content-Description, raw.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding as it came, or `7bit`.
    pub encoding: Cow<'static, [u8]>,
    /// Content-MD5, raw.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// The tags of Content-Language.
    pub languages: Vec<Vec<u8>>,
    /// Content-Location, raw.
    pub location: Option<Vec<u8>>,
}

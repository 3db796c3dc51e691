//! What the Content- fields of a part say (RFC 2045, 2183, 3282, 2557, 1864).
//!
//! Values are raw: encoded words and percent escapes stay as they came, since
//! that is what IMAP passes on. Decoding them is [`crate::decode`]'s. Of a field
//! that stands twice the first counts, as with Dovecot.

mod params;

pub(crate) use params::{hex_pair, params_of, percent_decode};

use std::borrow::Cow;

use crate::lexer::Lexer;
use crate::limits::LANGUAGES_MAX;

/// One parameter. Continuations (RFC 2231) are joined: `name*0=a; name*1=b` is
/// one parameter `name`; if any piece was percent-encoded its name ends in `*`
/// and its value is `charset'language'percent-encoded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The name as it came.
    pub name: Cow<'static, [u8]>,
    /// The value without quotes.
    pub value: Cow<'static, [u8]>,
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
    /// The parameters of Content-Type; text without a charset has us-ascii.
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

impl Content {
    /// Whether the top-level type is this one, whatever the case.
    pub fn is(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
    }

    /// Whether the type is one whose body is a message (RFC 2046 §5.2.1, RFC
    /// 6532 §3.7).
    pub fn is_message(&self) -> bool {
        let subtypes: [&[u8]; 2] = [b"rfc822", b"global"];
        self.is("message")
            && subtypes
                .iter()
                .any(|subtype| self.subtype.eq_ignore_ascii_case(subtype))
    }

    /// The value of the first parameter with this name, whatever the case.
    pub fn param(&self, name: &[u8]) -> Option<&[u8]> {
        params::find(&self.params, name).map(|param| &*param.value)
    }

    /// The boundary of a multipart, decoded if it was percent-encoded. White
    /// space can't end one (RFC 2046 §5.1.1).
    pub(crate) fn boundary(&self) -> Option<Vec<u8>> {
        let plain = self.param(b"boundary").map(<[u8]>::to_vec);
        let extended = || {
            self.param(b"boundary*")
                .map(|value| percent_decode(value).1)
        };
        let boundary = plain.or_else(extended)?;
        Some(boundary.trim_ascii_end().to_vec())
    }

    /// What a part is called that we don't look into though its type says that
    /// there is something inside.
    pub(crate) fn make_opaque(&mut self) {
        self.media_type = Cow::Borrowed(b"application");
        self.subtype = Cow::Borrowed(b"octet-stream");
    }
}

/// One of the fields that make up [`Content`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentField {
    Type,
    Id,
    Description,
    Encoding,
    Md5,
    Disposition,
    Language,
    Location,
}

impl ContentField {
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], ContentField); 8] = [
            (b"content-type", ContentField::Type),
            (b"content-id", ContentField::Id),
            (b"content-description", ContentField::Description),
            (b"content-transfer-encoding", ContentField::Encoding),
            (b"content-md5", ContentField::Md5),
            (b"content-disposition", ContentField::Disposition),
            (b"content-language", ContentField::Language),
            (b"content-location", ContentField::Location),
        ];
        let known = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(known.1)
    }
}

/// The fields of one header section as far as they were seen.
#[derive(Default)]
pub(crate) struct ContentFields {
    seen: u32,
    media: Option<(Vec<u8>, Vec<u8>)>,
    params: Vec<Param>,
    id: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    encoding: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
    disposition: Option<Disposition>,
    languages: Vec<Vec<u8>>,
    location: Option<Vec<u8>>,
}

impl ContentFields {
    /// Takes a field's unfolded value unless the field was there already. Gives
    /// the bytes kept and the steps taken.
    pub(crate) fn set(&mut self, field: ContentField, value: &[u8]) -> (usize, u64) {
        let bit = 1_u32.wrapping_shl(field as u32);
        if self.seen & bit != 0 {
            return (0, 1);
        }
        self.seen |= bit;
        let mut lexer = Lexer::new(value);
        let kept = match field {
            ContentField::Type => self.set_type(&mut lexer),
            ContentField::Disposition => self.set_disposition(&mut lexer),
            ContentField::Language => self.set_languages(&mut lexer),
            ContentField::Encoding => {
                lexer.cfws();
                keep(&mut self.encoding, lexer.token())
            }
            ContentField::Id => keep(&mut self.id, value),
            ContentField::Description => keep(&mut self.description, value),
            ContentField::Md5 => keep(&mut self.md5, value),
            ContentField::Location => keep(&mut self.location, value),
        };
        (kept, lexer.steps().saturating_add(1))
    }

    /// `content := "Content-Type" ":" type "/" subtype *(";" parameter)`
    /// (RFC 2045 §5.1). What isn't of this form leaves the default (§5.2).
    fn set_type(&mut self, lexer: &mut Lexer<'_>) -> usize {
        lexer.cfws();
        let media_type = lexer.token();
        lexer.cfws();
        let slash = lexer.take(b'/');
        lexer.cfws();
        let subtype = lexer.token();
        if !slash || media_type.is_empty() || subtype.is_empty() {
            return 0;
        }
        self.media = Some((media_type.to_vec(), subtype.to_vec()));
        self.params = params::params(lexer);
        params::kept(&self.params).saturating_add(kept_by(media_type.len()))
    }

    /// `disposition := "Content-Disposition" ":" disposition-type
    /// *(";" disposition-parm)` (RFC 2183 §2).
    fn set_disposition(&mut self, lexer: &mut Lexer<'_>) -> usize {
        lexer.cfws();
        let kind = lexer.token().to_vec();
        if kind.is_empty() {
            return 0;
        }
        let kept = kept_by(kind.len());
        let params = params::params(lexer);
        let kept = kept.saturating_add(params::kept(&params));
        self.disposition = Some(Disposition { kind, params });
        kept
    }

    /// `Language-List = Language-Tag [CFWS] *("," [CFWS] Language-Tag [CFWS])`
    /// (RFC 3282 §2).
    fn set_languages(&mut self, lexer: &mut Lexer<'_>) -> usize {
        let mut kept: usize = 0;
        while self.languages.len() < LANGUAGES_MAX {
            lexer.cfws();
            let tag = params::value(lexer);
            if !tag.is_empty() {
                kept = kept.saturating_add(kept_by(tag.len()));
                self.languages.push(tag);
            }
            lexer.skip_to(b',');
            if !lexer.take(b',') {
                break;
            }
        }
        kept
    }

    /// What the fields say, with the defaults of RFC 2045 §5.2 and §6.1, and of
    /// RFC 2046 §5.1.5 within a digest.
    pub(crate) fn settle(self, in_digest: bool) -> Content {
        let (media_type, subtype): (Cow<'static, [u8]>, Cow<'static, [u8]>) = match self.media {
            Some((media_type, subtype)) => (media_type.into(), subtype.into()),
            None if in_digest => (b"message".as_slice().into(), b"rfc822".as_slice().into()),
            None => (b"text".as_slice().into(), b"plain".as_slice().into()),
        };
        let encoding = self.encoding.filter(|name| !name.is_empty());
        let mut content = Content {
            media_type,
            subtype,
            params: self.params,
            id: self.id,
            description: self.description,
            encoding: encoding.map_or(Cow::Borrowed(b"7bit"), Cow::Owned),
            md5: self.md5,
            disposition: self.disposition,
            languages: self.languages,
            location: self.location,
        };
        params::default_charset(&mut content);
        content
    }
}

fn keep(slot: &mut Option<Vec<u8>>, value: &[u8]) -> usize {
    *slot = Some(value.to_vec());
    kept_by(value.len())
}

/// What a value of this many bytes costs with its allocation.
pub(crate) fn kept_by(bytes: usize) -> usize {
    bytes.saturating_add(32)
}

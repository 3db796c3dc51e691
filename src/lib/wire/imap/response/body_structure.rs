//! BODY and BODYSTRUCTURE: the caller's tree, in the protocol's lists.

use super::envelope::{Envelope, envelope};
use super::string::{nstring, number, string};
use super::{put, put_spaced};
use crate::limits::BODY_STRUCTURE_DEPTH_MAX;

/// `body = "(" (body-type-1part / body-type-mpart) ")"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyStructure<'a> {
    /// `body-type-mpart`. Without a child, which the grammar demands, one empty
    /// text stands for it.
    Multipart {
        /// Of which subtype, parameters, disposition, languages and location
        /// are told.
        fields: BodyFields<'a>,
        /// The parts.
        children: Vec<BodyStructure<'a>>,
    },
    /// `body-type-msg`
    Message {
        /// What the Content- fields say.
        fields: BodyFields<'a>,
        /// Bytes of the body.
        octets: u64,
        /// Lines of the body.
        lines: u64,
        /// Of the letter within.
        envelope: Box<Envelope<'a>>,
        /// Of the letter within.
        body: Box<BodyStructure<'a>>,
    },
    /// `body-type-text`
    Text {
        /// What the Content- fields say.
        fields: BodyFields<'a>,
        /// Bytes of the body.
        octets: u64,
        /// Lines of the body.
        lines: u64,
    },
    /// `body-type-basic`
    Basic {
        /// What the Content- fields say.
        fields: BodyFields<'a>,
        /// Bytes of the body.
        octets: u64,
    },
}

/// What the Content- fields of a part say, in raw bytes, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFields<'a> {
    /// The type.
    pub media_type: &'a [u8],
    /// The subtype.
    pub subtype: &'a [u8],
    /// The type's parameters, name and value.
    pub params: Vec<(&'a [u8], &'a [u8])>,
    /// Content-ID.
    pub id: Option<&'a [u8]>,
    /// Content-Description.
    pub description: Option<&'a [u8]>,
    /// Content-Transfer-Encoding.
    pub encoding: &'a [u8],
    /// Content-MD5.
    pub md5: Option<&'a [u8]>,
    /// Content-Disposition.
    pub disposition: Option<Disposition<'a>>,
    /// Content-Language.
    pub languages: Vec<&'a [u8]>,
    /// Content-Location.
    pub location: Option<&'a [u8]>,
}

/// `body-fld-dsp`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition<'a> {
    /// `inline`, `attachment` and so on.
    pub kind: &'a [u8],
    /// Its parameters, name and value.
    pub params: Vec<(&'a [u8], &'a [u8])>,
}

impl BodyFields<'_> {
    /// A part about which nothing is said but its type.
    #[must_use]
    pub fn of_type(media_type: &'static [u8], subtype: &'static [u8]) -> Self {
        Self {
            media_type,
            subtype,
            params: Vec::new(),
            id: None,
            description: None,
            encoding: b"7BIT",
            md5: None,
            disposition: None,
            languages: Vec::new(),
            location: None,
        }
    }
}

/// Writes one body as BODYSTRUCTURE has it.
pub fn body_structure(out: &mut Vec<u8>, value: &BodyStructure<'_>) {
    body(out, value, true);
}

/// Writes one body; `extended` is what BODYSTRUCTURE has beyond BODY.
pub(super) fn body(out: &mut Vec<u8>, value: &BodyStructure<'_>, extended: bool) {
    Writer { extended }.body(out, value, 0);
}

struct Writer {
    extended: bool,
}

impl Writer {
    /// `body = "(" (body-type-1part / body-type-mpart) ")"`. Too deep in the
    /// tree, a part is opaque.
    fn body(&self, out: &mut Vec<u8>, value: &BodyStructure<'_>, depth: usize) {
        put(out, "(");
        match value {
            _ if depth > BODY_STRUCTURE_DEPTH_MAX => {
                let fields = BodyFields::of_type(b"APPLICATION", b"OCTET-STREAM");
                self.one_part(out, &fields, 0, |_| ());
            }
            BodyStructure::Multipart { fields, children } => {
                self.multipart(out, fields, children, depth);
            }
            BodyStructure::Message {
                fields,
                octets,
                lines,
                envelope: within,
                body,
            } => {
                self.one_part(out, fields, *octets, |out| {
                    put(out, " ");
                    envelope(out, within);
                    put(out, " ");
                    self.body(out, body, depth.saturating_add(1));
                    spaced_number(out, *lines);
                });
            }
            BodyStructure::Text {
                fields,
                octets,
                lines,
            } => {
                self.one_part(out, fields, *octets, |out| spaced_number(out, *lines));
            }
            BodyStructure::Basic { fields, octets } => self.one_part(out, fields, *octets, |_| ()),
        }
        put(out, ")");
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`,
    /// `body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]`
    fn multipart(
        &self,
        out: &mut Vec<u8>,
        fields: &BodyFields<'_>,
        children: &[BodyStructure<'_>],
        depth: usize,
    ) {
        for child in children {
            self.body(out, child, depth.saturating_add(1));
        }
        if children.is_empty() {
            let fields = BodyFields::of_type(b"TEXT", b"PLAIN");
            let empty = BodyStructure::Text {
                fields,
                octets: 0,
                lines: 0,
            };
            self.body(out, &empty, depth.saturating_add(1));
        }
        put(out, " ");
        string(out, fields.subtype);
        if self.extended {
            put(out, " ");
            body_fld_param(out, &fields.params);
            extension(out, fields);
        }
    }

    /// `body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`,
    /// `body-ext-1part = body-fld-md5 [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]`
    fn one_part(
        &self,
        out: &mut Vec<u8>,
        fields: &BodyFields<'_>,
        octets: u64,
        specific: impl FnOnce(&mut Vec<u8>),
    ) {
        string(out, fields.media_type);
        put(out, " ");
        string(out, fields.subtype);
        put(out, " ");
        body_fields(out, fields, octets);
        specific(out);
        if self.extended {
            put(out, " ");
            nstring(out, fields.md5);
            extension(out, fields);
        }
    }
}

/// `body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets`
fn body_fields(out: &mut Vec<u8>, fields: &BodyFields<'_>, octets: u64) {
    body_fld_param(out, &fields.params);
    put(out, " ");
    nstring(out, fields.id);
    put(out, " ");
    nstring(out, fields.description);
    put(out, " ");
    string(out, fields.encoding);
    spaced_number(out, octets);
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
fn body_fld_param(out: &mut Vec<u8>, params: &[(&[u8], &[u8])]) {
    if params.is_empty() {
        return put(out, "NIL");
    }
    put(out, "(");
    put_spaced(out, params, |out, (name, value)| {
        string(out, name);
        put(out, " ");
        string(out, value);
    });
    put(out, ")");
}

/// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn extension(out: &mut Vec<u8>, fields: &BodyFields<'_>) {
    put(out, " ");
    body_fld_dsp(out, fields.disposition.as_ref());
    put(out, " ");
    body_fld_lang(out, &fields.languages);
    put(out, " ");
    nstring(out, fields.location);
}

/// `body-fld-dsp = "(" string SP body-fld-param ")" / nil`
fn body_fld_dsp(out: &mut Vec<u8>, disposition: Option<&Disposition<'_>>) {
    let Some(Disposition { kind, params }) = disposition else {
        return put(out, "NIL");
    };
    put(out, "(");
    string(out, kind);
    put(out, " ");
    body_fld_param(out, params);
    put(out, ")");
}

/// `body-fld-lang = nstring / "(" string *(SP string) ")"`
fn body_fld_lang(out: &mut Vec<u8>, languages: &[&[u8]]) {
    match languages {
        [] => put(out, "NIL"),
        [one] => string(out, one),
        all => {
            put(out, "(");
            put_spaced(out, all, |out, one| string(out, one));
            put(out, ")");
        }
    }
}

fn spaced_number(out: &mut Vec<u8>, value: u64) {
    put(out, " ");
    number(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &BodyStructure<'_>, extended: bool) -> String {
        let mut out = Vec::new();
        body(&mut out, value, extended);
        String::from_utf8(out).unwrap()
    }

    fn text(charset: &'static [u8], octets: u64, lines: u64) -> BodyStructure<'static> {
        let fields = BodyFields {
            params: vec![(b"CHARSET", charset)],
            ..BodyFields::of_type(b"TEXT", b"PLAIN")
        };
        BodyStructure::Text {
            fields,
            octets,
            lines,
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let one = text(b"US-ASCII", 2279, 48);
        assert_eq!(
            said(&one, false),
            r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2279 48)"#
        );
        let mut second = BodyFields::of_type(b"TEXT", b"PLAIN");
        second.params = vec![(b"CHARSET", b"US-ASCII"), (b"NAME", b"cc.diff")];
        second.id = Some(b"<960723163407.20117h@cac.washington.edu>");
        second.description = Some(b"Compiler diff");
        second.encoding = b"BASE64";
        let mixed = BodyStructure::Multipart {
            fields: BodyFields::of_type(b"MULTIPART", b"MIXED"),
            children: vec![
                text(b"US-ASCII", 1152, 23),
                BodyStructure::Text {
                    fields: second,
                    octets: 4554,
                    lines: 73,
                },
            ],
        };
        assert_eq!(
            said(&mixed, false),
            concat!(
                r#"(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)"#,
                r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4554 73) "MIXED")"#,
            )
        );
    }

    #[test]
    fn bodystructure_adds_the_extension_data() {
        let mut fields = BodyFields::of_type(b"IMAGE", b"PNG");
        fields.disposition = Some(Disposition {
            kind: b"attachment",
            params: vec![(b"filename", b"a b.png")],
        });
        fields.languages = vec![b"de", b"en"];
        let image = BodyStructure::Basic { fields, octets: 7 };
        assert_eq!(
            said(&image, true),
            r#"("IMAGE" "PNG" NIL NIL NIL "7BIT" 7 NIL ("attachment" ("filename" "a b.png")) ("de" "en") NIL)"#
        );
        let mixed = BodyStructure::Multipart {
            fields: BodyFields {
                params: vec![(b"boundary", b"x")],
                ..BodyFields::of_type(b"MULTIPART", b"MIXED")
            },
            children: vec![],
        };
        assert_eq!(
            said(&mixed, true),
            r#"(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0 NIL NIL NIL NIL) "MIXED" ("boundary" "x") NIL NIL NIL)"#
        );
    }

    #[test]
    fn a_letter_within_comes_with_envelope_and_body() {
        let within = BodyStructure::Message {
            fields: BodyFields::of_type(b"MESSAGE", b"RFC822"),
            octets: 9,
            lines: 2,
            envelope: Box::default(),
            body: Box::new(text(b"UTF-8", 3, 1)),
        };
        assert_eq!(
            said(&within, false),
            concat!(
                r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "#,
                r#"("TEXT" "PLAIN" ("CHARSET" "UTF-8") NIL NIL "7BIT" 3 1) 2)"#,
            )
        );
    }

    #[test]
    fn a_tree_that_is_too_deep_ends_in_an_opaque_part() {
        let mut deep = text(b"UTF-8", 1, 1);
        for _ in 0..1000 {
            let fields = BodyFields::of_type(b"MULTIPART", b"MIXED");
            deep = BodyStructure::Multipart {
                fields,
                children: vec![deep],
            };
        }
        let said = said(&deep, false);
        assert!(said.contains("\"OCTET-STREAM\""));
        assert_eq!(
            said.matches('(').count(),
            BODY_STRUCTURE_DEPTH_MAX.saturating_add(2)
        );
    }
}

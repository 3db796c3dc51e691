//! The gist of a letter: what clients ask of it again and again, kept so that the
//! letter isn't read again. Its structure, the fields that lists show, its first
//! words.
//!
//! Invariants: a gist says of a letter what reading it would say, byte for byte,
//! or nothing; decoding what was encoded gives the same gist; decoding any other
//! bytes gives none, or one that keeps all the promises of a [`Structure`].
//!
//! The letter's own envelope and content are not encoded: they are read again
//! from the fields, so that both can't disagree, and a gist is half as long.

mod bytes;
mod decode;
mod encode;
mod glance;

pub use glance::Glance;

use crate::envelope::Envelope;
use crate::header::{FieldFilter, Keep};
use crate::limits::HEADER_SECTION_BYTES_MAX;
use crate::structure::{Part, Scanner, Structure};

/// The version of the encoding, and of what the parsers make of a letter: raise
/// it whenever either changes, and every gist is made anew.
pub const GIST_VERSION: u16 = 1;

/// Bytes of an encoded gist. Most take less than 1 KiB; a letter to some hundreds
/// of people, or with hundreds of parts, has none, and is read whenever it is
/// asked for. A 32nd of it is what a worker can read in 50 µs.
pub const GIST_BYTES_MAX: usize = 32 << 10;

/// Bytes of the listed fields of one letter; their sum with the rest must stay
/// below [`GIST_BYTES_MAX`].
const FIELDS_BYTES_MAX: usize = 24 << 10;

/// The fields that a gist has, in lower case: those of the envelope and of the
/// letter's content, and what the lists of common clients ask for besides (Apple
/// Mail, K-9, mutt, Outlook, Roundcube, Thunderbird). A field that no list shows
/// would make every gist longer and none of them useful more often.
pub const LISTED: [&str; 36] = [
    "bcc",
    "cc",
    "content-description",
    "content-disposition",
    "content-id",
    "content-language",
    "content-location",
    "content-md5",
    "content-transfer-encoding",
    "content-type",
    "date",
    "disposition-notification-to",
    "from",
    "importance",
    "in-reply-to",
    "lines",
    "list-id",
    "list-post",
    "list-subscribe",
    "list-unsubscribe",
    "mail-followup-to",
    "mail-reply-to",
    "message-id",
    "mime-version",
    "newsgroups",
    "priority",
    "references",
    "reply-to",
    "sender",
    "subject",
    "to",
    "user-agent",
    "x-label",
    "x-mailer",
    "x-priority",
    "x-spam-flag",
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    /// The structure; of a letter that was read only to the end of its header,
    /// nothing but where that ends, and the envelope.
    pub structure: Structure,
    /// Whether the whole letter was read.
    pub whole: bool,
    /// The fields of [`LISTED`] in order, as they stand in the letter, with the
    /// empty line that ends its header, if it has one. None if they are too long.
    pub fields: Option<Vec<u8>>,
    /// The first words ([`crate::preview`]); none if there was no text or nobody
    /// has looked.
    pub preview: Option<String>,
}

impl Gist {
    /// The chosen fields of the letter's header, as reading it would give them;
    /// none if the gist can't know. Names may be in any case.
    pub fn header_fields(&self, names: &[Vec<u8>]) -> Option<Vec<u8>> {
        let fields = self.fields.as_ref().filter(|_| are_listed(names))?;
        let mut filter = FieldFilter::new(names.to_vec(), Keep::Listed);
        let mut chosen = Vec::new();
        filter.push(fields, &mut chosen);
        filter.finish(&mut chosen);
        Some(chosen)
    }

    /// The gist as bytes; none if they would be more than [`GIST_BYTES_MAX`], or
    /// its fields are not known.
    pub fn encode(&self) -> Option<Vec<u8>> {
        encode::encode(self)
    }

    /// The gist that these bytes are; none if they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode::decode(bytes)
    }

    /// The parts of a letter of so many bytes, of which these are the gist, without the
    /// letter's own envelope; none if they are not, or don't tell.
    pub fn parts(bytes: &[u8], octets: u64) -> Option<Vec<Part>> {
        decode::parts(bytes, octets)
    }
}

/// Whether a gist has each of these fields, if the letter has.
pub fn are_listed(names: &[Vec<u8>]) -> bool {
    let is = |name: &Vec<u8>| {
        let mut listed = LISTED.iter();
        listed.any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    };
    names.iter().all(is)
}

/// Puts the gist of a letter together that is fed in pieces of any size; as
/// bounded as the [`Scanner`] in it.
pub struct Collector {
    scanner: Scanner,
    filter: FieldFilter,
    fields: Vec<u8>,
}

impl Collector {
    /// Before the first byte of a letter.
    pub fn new() -> Self {
        let names = LISTED.iter().map(|name| name.as_bytes().to_vec());
        Self {
            scanner: Scanner::new(),
            filter: FieldFilter::new(names.collect(), Keep::Listed),
            fields: Vec::new(),
        }
    }

    /// Takes the next bytes; in pieces of [`crate::limits::PIECE_BYTES`] a step
    /// stays under 5 ms.
    pub fn feed(&mut self, piece: &[u8]) {
        self.scanner.feed(piece);
        if self.fields.len() <= FIELDS_BYTES_MAX {
            self.filter.push(piece, &mut self.fields);
        }
    }

    /// The letter's envelope, as soon as its header has been fed: who wants no
    /// more may stop here.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.scanner.envelope()
    }

    /// The gist of what was fed, without a preview. `whole`: whether that was all
    /// of the letter.
    pub fn finish(self, whole: bool) -> Gist {
        let mut fields = self.fields;
        self.filter.finish(&mut fields);
        let structure = self.scanner.finish();
        // Beyond this nobody looks for fields, and both ways must be one.
        let short = structure.root().header.octets() <= HEADER_SECTION_BYTES_MAX;
        Gist {
            fields: (short && fields.len() <= FIELDS_BYTES_MAX).then_some(fields),
            structure,
            whole,
            preview: None,
        }
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gist(letter: &[u8]) -> Gist {
        let mut collector = Collector::new();
        collector.feed(letter);
        collector.finish(true)
    }

    fn read(letter: &[u8], names: &[Vec<u8>]) -> Vec<u8> {
        let mut filter = FieldFilter::new(names.to_vec(), Keep::Listed);
        let mut fields = Vec::new();
        filter.push(letter, &mut fields);
        filter.finish(&mut fields);
        fields
    }

    /// Letters made of what matters to fields, to parts and to a gist.
    fn letters() -> impl Strategy<Value = Vec<u8>> {
        let lines = prop::sample::select(vec![
            "--a",
            "--a--",
            "--b",
            "",
            "",
            "text",
            " folded",
            "subject",
            "X-Y: z",
            "Subject: s",
            "SUBJECT : t",
            "From: a@b, \"c\" <d@e>",
            "Reply-To: g: a@b;",
            "Date: today",
            "Message-ID: <1@a>",
            "Content-ID: <c>",
            "Content-Language: x, y",
            "Content-Type: multipart/mixed; boundary=a",
            "Content-Type: multipart/digest; boundary=b",
            "Content-Type: message/rfc822",
            "Content-Type: TEXT/html; charset=\"UTF-8\"; x*=a''%41",
            "Content-Disposition: attachment; filename=x",
            "Content-Location: l",
            "Content-Transfer-Encoding: base64",
            "Content-MD5: m",
            "Content-Description: d",
        ]);
        let ends = prop::sample::select(vec!["\r\n", "\r\n", "\n", "\r", ""]);
        let lines = prop::collection::vec((lines, ends), 0..40);
        lines.prop_map(|lines| {
            let lines = lines.iter().map(|(line, end)| format!("{line}{end}"));
            let text: String = lines.collect();
            format!("Content-Type: multipart/mixed; boundary=a\r\n{text}").into_bytes()
        })
    }

    #[test]
    fn listed_names_are_in_order_and_in_lower_case() {
        assert!(LISTED.is_sorted());
        assert!(
            LISTED
                .iter()
                .all(|name| name.to_ascii_lowercase() == **name)
        );
    }

    #[test]
    fn a_field_that_is_not_listed_is_not_known() {
        let gist = gist(b"X-Y: z\r\nSubject: s\r\n\r\n");
        assert_eq!(gist.header_fields(&[b"X-Y".to_vec()]), None);
        let names = [b"SUBJECT".to_vec(), b"to".to_vec()];
        assert_eq!(gist.header_fields(&names).unwrap(), b"Subject: s\r\n\r\n");
    }

    #[test]
    fn a_letter_with_too_much_to_say_has_a_gist_that_is_not_kept() {
        let to = "To: a@b\r\n".repeat(FIELDS_BYTES_MAX / 9 + 1);
        let long = gist(format!("{to}\r\n").as_bytes());
        assert_eq!(
            long.structure.root().envelope.as_ref().unwrap().to.len(),
            to.len() / 9
        );
        assert_eq!((&long.fields, long.encode()), (&None, None));
        let parts = "--a\nContent-Type: x/y; name=abcdefghijklmnopqrst\n\n".repeat(900);
        let parts = gist(format!("Content-Type: multipart/x; boundary=a\n\n{parts}").as_bytes());
        assert!(parts.fields.is_some() && parts.encode().is_none());
    }

    #[test]
    fn a_header_that_is_looked_at_only_in_part_has_no_known_fields() {
        let mut letter = b"X: y\r\n".repeat(200_000);
        letter.extend_from_slice(b"Subject: late\r\n\r\n");
        assert_eq!(gist(&letter).fields, None);
    }

    #[test]
    fn a_letter_in_a_letter_keeps_its_envelope() {
        let letter = b"Content-Type: message/rfc822\r\n\r\nFrom: Bob <b@c>, g: <x@y>;\r\n\
            Date: d\r\nIn-Reply-To: <1@a>\r\nSubject:\r\n\r\nbody\r\n";
        let gist = gist(letter);
        assert_eq!(gist.structure.parts().len(), 2);
        assert_eq!(Gist::decode(&gist.encode().unwrap()), Some(gist));
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_what_was_encoded(
            letter in letters(), cut in any::<prop::sample::Index>(), preview in prop::option::of("[a-zä]{0,200}"),
        ) {
            let (left, right) = letter.split_at(cut.index(letter.len() + 1));
            let mut collector = Collector::new();
            collector.feed(left);
            collector.feed(right);
            let gist = Gist { preview, ..collector.finish(true) };
            let bytes = gist.encode().unwrap();
            let mut parts = gist.structure.parts().to_vec();
            parts[0].envelope = None;
            prop_assert_eq!(Gist::parts(&bytes, letter.len() as u64), Some(parts));
            prop_assert_eq!(Gist::parts(&bytes, letter.len() as u64 + 1), None);
            prop_assert_eq!(Gist::decode(&bytes), Some(gist));
        }

        #[test]
        fn the_gist_of_a_header_says_where_it_ends_and_the_envelope(letter in letters(), more in any::<u8>()) {
            let mut collector = Collector::new();
            let mut pieces = letter.chunks(usize::from(more) + 1);
            while collector.envelope().is_none() {
                let Some(piece) = pieces.next() else { break };
                collector.feed(piece);
            }
            let part = collector.finish(false);
            let decoded = Gist::decode(&part.encode().unwrap()).unwrap();
            let whole = gist(&letter);
            let (known, right) = (decoded.structure.root(), whole.structure.root());
            prop_assert_eq!((&known.envelope, &known.content), (&right.envelope, &right.content));
            prop_assert_eq!((known.header, known.body.start), (right.header, right.body.start));
            prop_assert_eq!((decoded.whole, decoded.fields), (false, whole.fields));
        }

        #[test]
        fn fields_are_those_of_the_letter_byte_for_byte(
            letter in letters(), names in prop::sample::subsequence(LISTED.to_vec(), 0..9),
        ) {
            let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_uppercase().into_bytes()).collect();
            let known = Gist::decode(&gist(&letter).encode().unwrap()).unwrap();
            prop_assert_eq!(known.header_fields(&names), Some(read(&letter, &names)));
        }
    }
}

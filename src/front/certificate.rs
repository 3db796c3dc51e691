//! Whose a client's certificate is: the one name that is read from it.
//!
//! The certificate has been verified before, so its signer vouches for what stands
//! in it; still nothing here trusts its form. What is read is DER (X.690) of X.509
//! (RFC 5280, section 4.1), down to two places: the mail address in
//! subjectAltName, and where there is none, the subject's common name. A
//! certificate with two of a kind names nobody: we would not know whom.
//!
//! Invariants: no recursion, no allocation but the name, every step ends with the
//! input.

use ipc::Bytes;

/// Bytes of a name, as `auth` takes it.
const NAME_BYTES_MAX: usize = 255;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// `[0]`, explicit: the certificate's version.
const VERSION: u8 = 0xa0;
/// `[3]`, explicit: the extensions.
const EXTENSIONS: u8 = 0xa3;
/// `[1]`, implicit IA5String: a GeneralName's rfc822Name.
const RFC822_NAME: u8 = 0x81;

/// 2.5.29.17, id-ce-subjectAltName.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.4.3, id-at-commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// A client's name.
pub type ClientName = Bytes<NAME_BYTES_MAX>;

/// The name in a certificate, if it has exactly one.
#[must_use]
pub fn client_name(certificate: &[u8]) -> Option<ClientName> {
    let (whole, _) = Der(certificate).expect(SEQUENCE)?;
    let (mut to_be_signed, _) = whole.expect(SEQUENCE)?;
    to_be_signed = to_be_signed.pass(VERSION);
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        (_, _, to_be_signed) = to_be_signed.next()?;
    }
    let (subject, mut rest) = to_be_signed.expect(SEQUENCE)?;
    let mut addresses = Found::None;
    while let Some((tag, content, after)) = rest.next() {
        if tag == EXTENSIONS {
            addresses = mail_addresses(content)?;
        }
        rest = after;
    }
    match addresses {
        Found::None => common_names(subject)?.one(),
        found => found.one(),
    }
}

/// What was found of a kind.
#[derive(Clone, Copy)]
enum Found<'a> {
    None,
    One(&'a [u8]),
    Several,
}

impl<'a> Found<'a> {
    fn and(self, name: &'a [u8]) -> Self {
        match self {
            Self::None => Self::One(name),
            Self::One(_) | Self::Several => Self::Several,
        }
    }

    /// A name is text without controls, as a user name must be.
    fn one(self) -> Option<ClientName> {
        let Self::One(name) = self else {
            return None;
        };
        let text = std::str::from_utf8(name).ok()?;
        let usable = !text.is_empty() && !text.chars().any(char::is_control);
        usable.then(|| Bytes::new(name).ok()).flatten()
    }
}

/// `Extensions ::= SEQUENCE OF SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }`
fn mail_addresses(extensions: Der<'_>) -> Option<Found<'_>> {
    let (mut extensions, _) = extensions.expect(SEQUENCE)?;
    let mut found = Found::None;
    while !extensions.is_empty() {
        let (extension, after) = extensions.expect(SEQUENCE)?;
        extensions = after;
        let (id, value) = extension.expect(OBJECT_IDENTIFIER)?;
        if id.0 != SUBJECT_ALT_NAME {
            continue;
        }
        let (value, _) = value.pass(BOOLEAN).expect(OCTET_STRING)?;
        let (mut names, _) = value.expect(SEQUENCE)?;
        while !names.is_empty() {
            let (tag, name, after) = names.next()?;
            names = after;
            if tag == RFC822_NAME {
                found = found.and(name.0);
            }
        }
    }
    Some(found)
}

/// `RDNSequence ::= SEQUENCE OF SET OF SEQUENCE { type, value }`
fn common_names(mut subject: Der<'_>) -> Option<Found<'_>> {
    let mut found = Found::None;
    while !subject.is_empty() {
        let (mut attributes, after) = subject.expect(SET)?;
        subject = after;
        while !attributes.is_empty() {
            let (attribute, after) = attributes.expect(SEQUENCE)?;
            attributes = after;
            let (id, value) = attribute.expect(OBJECT_IDENTIFIER)?;
            let (tag, name, _) = value.next()?;
            if id.0 == COMMON_NAME {
                found = match [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) {
                    true => found.and(name.0),
                    // A name in letters that we don't read is a name still.
                    false => Found::Several,
                };
            }
        }
    }
    Some(found)
}

/// Elements, one behind the other.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The first element's tag and content, and what follows it. Tags of one byte
    /// and definite lengths: others are not in a certificate.
    fn next(self) -> Option<(u8, Self, Self)> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        Some((*tag, Self(content), Self(after)))
    }

    /// The first element's content, if it has this tag, and what follows it.
    fn expect(self, expected: u8) -> Option<(Self, Self)> {
        let (tag, content, after) = self.next()?;
        (tag == expected).then_some((content, after))
    }

    /// What follows the first element, if it has this tag; else all.
    fn pass(self, optional: u8) -> Self {
        self.expect(optional).map_or(self, |(_, after)| after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    fn certificate(common: &[&str], addresses: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "nobody@example.net");
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let host = SanType::DnsName("mail.example.org".try_into().unwrap());
        let addresses = addresses
            .iter()
            .map(|address| SanType::Rfc822Name((*address).try_into().unwrap()));
        params.subject_alt_names = addresses.chain([host]).collect();
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn name(certificate: &[u8]) -> Option<String> {
        let name = client_name(certificate)?;
        Some(String::from_utf8(name.into_vec()).unwrap())
    }

    #[test]
    fn the_mail_address_is_the_name_and_else_the_common_name() {
        let table: [(&[&str], &[&str], Option<&str>); 6] = [
            (&[], &["alice@example.org"], Some("alice@example.org")),
            (&["bob"], &["alice@example.org"], Some("alice@example.org")),
            (&["bob"], &[], Some("bob")),
            (&["bob"], &["alice@example.org", "carol@example.org"], None),
            (&["bob\r\n"], &[], None),
            (&[], &[], None),
        ];
        for (common, addresses, expected) in table {
            let found = name(&certificate(common, addresses));
            assert_eq!(found.as_deref(), expected, "{common:?} {addresses:?}");
        }
        let long = "a".repeat(256);
        assert_eq!(name(&certificate(&[&long], &[])), None);
    }

    #[test]
    fn a_second_common_name_in_another_kind_of_string_makes_two() {
        let two = |second: DnValue| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            let names = &mut params.distinguished_name;
            names.push(DnType::CommonName, "bob");
            // The same attribute, as rcgen, which has one of each, would not have it.
            names.push(DnType::CustomDnType(vec![2, 5, 4, 3]), second);
            let key = KeyPair::generate().unwrap();
            params.self_signed(&key).unwrap().der().to_vec()
        };
        let text = DnValue::Utf8String("alice".into());
        let odd = DnValue::BmpString("alice".try_into().unwrap());
        assert_eq!([text, odd].map(|second| name(&two(second))), [None, None]);
    }

    #[test]
    fn a_certificate_that_was_cut_short_names_nobody() {
        let whole = certificate(&["bob"], &["alice@example.org"]);
        for length in 0..whole.len() {
            assert_eq!(name(&whole[..length]), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = client_name(&bytes);
        }

        #[test]
        fn a_certificate_with_a_changed_byte_is_read(at: prop::sample::Index, with: u8) {
            let mut changed = certificate(&["bob"], &["alice@example.org"]);
            let at = at.index(changed.len());
            changed[at] = with;
            let _ = client_name(&changed);
        }
    }
}

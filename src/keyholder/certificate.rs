//! Whose public key a certificate has: as much of X.509 as that takes.
//!
//! The file is the administrator's own, so this guards against a mistake and not
//! against an attack; still, no bytes make it panic, loop or allocate, and what is
//! not understood has no key. Never here: names, times, signatures, trust. Whether a
//! client will believe the certificate is the client's business.

/// The public key of a certificate: the content of `subjectPublicKey`, as its
/// algorithm writes it. RFC 5280 §4.1:
///
/// ```text
/// Certificate          ::= SEQUENCE { tbsCertificate, … }
/// TBSCertificate       ::= SEQUENCE { version [0] OPTIONAL, serialNumber INTEGER,
///                                     signature, issuer, validity, subject SEQUENCE,
///                                     subjectPublicKeyInfo, … }
/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE, subjectPublicKey BIT STRING }
/// ```
pub fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (to_be_signed, _) = element(SEQUENCE, certificate)?;
    let fields = element(VERSION, to_be_signed).map_or(to_be_signed, |(_, rest)| rest);
    let (_, fields) = element(INTEGER, fields)?;
    let (_signature, fields) = element(SEQUENCE, fields)?;
    let (_issuer, fields) = element(SEQUENCE, fields)?;
    let (_validity, fields) = element(SEQUENCE, fields)?;
    let (_subject, fields) = element(SEQUENCE, fields)?;
    let (info, _) = element(SEQUENCE, fields)?;
    let (_algorithm, info) = element(SEQUENCE, info)?;
    let (bits, _) = element(BIT_STRING, info)?;
    // How many bits of the last byte don't count: keys are whole bytes.
    bits.strip_prefix(&[0])
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the element that comes first, if it has this tag, and what follows
/// it. X.690 §8.1, in DER:
///
/// ```text
/// element = tag length content
/// length  = %x00-7F / %x81 OCTET / %x82 2OCTET / %x83 3OCTET / %x84 4OCTET
/// ```
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = octets
                .iter()
                .fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::samples;
    use proptest::prelude::*;
    use rcgen::PublicKeyData as _;

    #[test]
    fn a_certificates_key_is_the_one_that_it_was_made_for() {
        for key in [samples::p256(), samples::p384(), samples::ed25519()] {
            let certificate = samples::certificate_of(&key);
            assert_eq!(public_key(certificate.der()), Some(key.der_bytes()));
        }
    }

    #[test]
    fn an_old_certificate_has_no_version() {
        let info = [&[0x30, 6, 0x30, 0, 0x03, 2, 0][..], &[7]].concat();
        let empty = [0x30, 0];
        let fields = [&[0x02, 1, 1][..], &empty, &empty, &empty, &empty, &info].concat();
        let length = u8::try_from(fields.len()).unwrap();
        let certificate = [&[0x30, length + 2, 0x30, length][..], &fields].concat();
        assert_eq!(public_key(&certificate), Some(&[7][..]));
    }

    #[test]
    fn a_certificate_that_is_cut_off_within_its_key_has_none() {
        let key = samples::p256();
        let certificate = samples::certificate_of(&key);
        let whole = certificate.der();
        for end in 0..whole.len() {
            assert_eq!(public_key(&whole[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_have_a_key_within_them_or_none(bytes: Vec<u8>) {
            let within = |key: &[u8]| bytes.as_ptr_range().contains(&key.as_ptr()) || key.is_empty();
            prop_assert!(public_key(&bytes).is_none_or(within));
        }

        #[test]
        fn a_damaged_certificate_never_has_a_longer_key_than_it_is_long(
            at: prop::sample::Index,
            byte: u8,
        ) {
            let mut bytes = samples::certificate_of(&samples::ed25519()).der().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert!(public_key(&bytes).is_none_or(|key| key.len() < bytes.len()));
        }

        #[test]
        fn an_element_of_any_length_is_told_from_what_follows(
            content in prop::collection::vec(any::<u8>(), 0..70_000),
            octets in 2_usize..=4,
            rest: Vec<u8>,
        ) {
            let length = u32::try_from(content.len()).unwrap().to_be_bytes();
            prop_assume!(content.len() >> (8 * octets) == 0);
            let head = [SEQUENCE, 0x80 | u8::try_from(octets).unwrap()];
            let bytes = [&head, &length[4 - octets..], &content, &rest].concat();
            prop_assert_eq!(element(SEQUENCE, &bytes), Some((&content[..], &rest[..])));
            prop_assert_eq!(element(INTEGER, &bytes), None);
        }
    }
}

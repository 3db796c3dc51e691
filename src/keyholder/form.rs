//! Which bytes are a TLS handshake's to sign, and which are not.
//!
//! TLS 1.3 was made so that this can be told: what a server signs begins with
//! 64 spaces and names its own purpose. For TLS 1.2 only the shape can be
//! checked, and 64 of its bytes are whatever both sides drew, so it counts only
//! where the site allows it. No input has both forms.

/// What a handshake asks a server to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A TLS 1.3 server's CertificateVerify.
    Tls13,
    /// A TLS 1.2 server's ServerKeyExchange with an elliptic curve.
    Tls12,
}

impl Form {
    /// The form of an input; `None` if it is no handshake's.
    pub fn of(input: &[u8]) -> Option<Self> {
        if is_certificate_verify(input) {
            Some(Self::Tls13)
        } else if is_server_key_exchange(input) {
            Some(Self::Tls12)
        } else {
            None
        }
    }
}

/// Lengths of SHA-256 and SHA-384, the hashes of TLS 1.3's cipher suites.
const HASH_BYTES: [usize; 2] = [32, 48];

const PADDING: [u8; 64] = [b' '; 64];

const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";

/// RFC 8446 §4.4.3:
///
/// ```text
/// input   = padding context hash
/// padding = 64%x20
/// context = "TLS 1.3, server CertificateVerify" %x00
/// hash    = 32OCTET / 48OCTET
/// ```
fn is_certificate_verify(input: &[u8]) -> bool {
    input
        .strip_prefix(&PADDING)
        .and_then(|rest| rest.strip_prefix(CONTEXT))
        .is_some_and(|hash| HASH_BYTES.contains(&hash.len()))
}

/// Named curves (RFC 8422 §5.1.1, and 5.4.1 for x25519), each with the bytes of
/// its public point: those that `front` can choose.
const CURVES: [(u16, u8); 3] = [(0x0017, 65), (0x0018, 97), (0x001d, 32)];

const NAMED_CURVE: u8 = 3;

/// RFC 8422 §5.4:
///
/// ```text
/// input         = client-random server-random %x03 curve point
/// client-random = 32OCTET
/// server-random = 32OCTET
/// curve         = 2OCTET            ; one of CURVES
/// point         = length *OCTET     ; of that curve's length
/// ```
///
/// Randoms that are all spaces are refused: they would be TLS 1.3's padding
/// (RFC 8446 §4.4.3 says what that guards against).
fn is_server_key_exchange(input: &[u8]) -> bool {
    let Some((randoms, parameters)) = input.split_at_checked(PADDING.len()) else {
        return false;
    };
    let [NAMED_CURVE, high, low, length, point @ ..] = parameters else {
        return false;
    };
    let curve = (u16::from_be_bytes([*high, *low]), *length);
    randoms != PADDING && CURVES.contains(&curve) && point.len() == usize::from(*length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate_verify(hash: &[u8]) -> Vec<u8> {
        [&PADDING, CONTEXT, hash].concat()
    }

    fn server_key_exchange(randoms: &[u8; 64], curve: (u16, u8)) -> Vec<u8> {
        let [high, low] = curve.0.to_be_bytes();
        let point = vec![7; usize::from(curve.1)];
        [&randoms[..], &[NAMED_CURVE, high, low, curve.1], &point].concat()
    }

    #[test]
    fn both_hash_lengths_of_tls_13_are_a_handshakes() {
        for length in HASH_BYTES {
            let input = certificate_verify(&vec![9; length]);
            assert_eq!(Form::of(&input), Some(Form::Tls13));
        }
    }

    #[test]
    fn each_curve_of_tls_12_is_a_handshakes() {
        for curve in CURVES {
            let input = server_key_exchange(&[9; 64], curve);
            assert_eq!(Form::of(&input), Some(Form::Tls12));
        }
    }

    #[test]
    fn every_other_hash_length_is_refused() {
        for length in (0..200).filter(|length| !HASH_BYTES.contains(length)) {
            assert_eq!(Form::of(&certificate_verify(&vec![9; length])), None);
        }
    }

    #[test]
    fn every_change_of_one_byte_before_the_hash_is_refused() {
        let good = certificate_verify(&[9; 32]);
        for position in 0..PADDING.len() + CONTEXT.len() {
            for byte in (0..=255).filter(|byte| *byte != good[position]) {
                let mut changed = good.clone();
                changed[position] = byte;
                assert_eq!(Form::of(&changed), None, "byte {position} as {byte}");
            }
        }
    }

    #[test]
    fn every_prefix_and_every_suffix_is_refused() {
        let good = certificate_verify(&[9; 32]);
        for cut in 1..=good.len() {
            assert_eq!(Form::of(&good[cut..]), None);
            assert_eq!(Form::of(&good[..good.len() - cut]), None);
        }
    }

    #[test]
    fn what_a_client_signs_is_not_a_servers() {
        let input = [
            &PADDING,
            &b"TLS 1.3, client CertificateVerify\0"[..],
            &[9; 32],
        ]
        .concat();
        assert_eq!(Form::of(&input), None);
    }

    #[test]
    fn randoms_that_are_all_spaces_belong_to_neither_form() {
        for curve in CURVES {
            assert_eq!(Form::of(&server_key_exchange(&PADDING, curve)), None);
        }
    }

    /// The forms again, as differently as they can be written.
    fn model(input: &[u8]) -> Option<Form> {
        let spaces = input.iter().take_while(|byte| **byte == b' ').count();
        if spaces == 64 && input[64..].starts_with(b"TLS 1.3, server CertificateVerify\0") {
            return matches!(input.len(), 130 | 146).then_some(Form::Tls13);
        }
        let curve = input.get(64..68)?;
        let points: [(&[u8], usize); 3] = [
            (&[3, 0, 23, 65], 133),
            (&[3, 0, 24, 97], 165),
            (&[3, 0, 29, 32], 100),
        ];
        (spaces < 64 && points.contains(&(curve, input.len()))).then_some(Form::Tls12)
    }

    fn nearly_a_handshake() -> impl Strategy<Value = Vec<u8>> {
        let good = prop_oneof![
            prop::sample::select(vec![32, 48]).prop_map(|n| certificate_verify(&vec![9; n])),
            prop::sample::select(CURVES.to_vec()).prop_map(|c| server_key_exchange(&[9; 64], c)),
        ];
        let edits =
            prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, any::<u8>()), 0..4);
        (good, edits).prop_map(|(mut input, edits)| {
            for (index, edit, byte) in edits {
                let at = index.index(input.len());
                match edit {
                    0 => input[at] = byte,
                    1 => input.insert(at, byte),
                    _ => drop(input.remove(at)),
                }
            }
            input
        })
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_handshake(input in prop::collection::vec(any::<u8>(), 0..512)) {
            prop_assert_eq!(Form::of(&input), model(&input));
        }

        #[test]
        fn any_deviation_from_the_form_is_refused(input in nearly_a_handshake()) {
            prop_assert_eq!(Form::of(&input), model(&input));
        }
    }
}

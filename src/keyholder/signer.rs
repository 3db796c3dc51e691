//! What `front` asks, and what it is answered: the rules, without a channel.

use crate::form::Form;
use crate::key::Key;
use ipc::edge::front_keyholder::{FromKeyholder, ToKeyholder};
use ipc::{Bytes, List};

/// A key and what it may sign.
pub struct Signer {
    key: Key,
    tls12: bool,
}

impl Signer {
    /// A key that signs for TLS 1.3, and with `tls12` for TLS 1.2.
    pub fn new(key: Key, tls12: bool) -> Self {
        Self { key, tls12 }
    }

    /// The same key under another rule.
    pub fn allow_tls12(&mut self, tls12: bool) {
        self.tls12 = tls12;
    }

    /// The answer to one question. Asking for what may not be signed is
    /// [`FromKeyholder::Refused`].
    pub fn answer(&self, question: ToKeyholder) -> FromKeyholder {
        match question {
            ToKeyholder::Schemes => self.schemes(),
            ToKeyholder::Sign { scheme, input } => self
                .sign(scheme, input.as_slice())
                .unwrap_or(FromKeyholder::Refused),
        }
    }

    fn schemes(&self) -> FromKeyholder {
        // No key has more than six, so the list always fits.
        List::new(self.key.schemes(self.tls12).to_vec()).map_or(FromKeyholder::Refused, |schemes| {
            FromKeyholder::Schemes { schemes }
        })
    }

    fn sign(&self, scheme: u16, input: &[u8]) -> Option<FromKeyholder> {
        let for_tls12 = match Form::of(input)? {
            Form::Tls13 => false,
            Form::Tls12 if self.tls12 => true,
            Form::Tls12 => return None,
        };
        if !self.key.schemes(for_tls12).contains(&scheme) {
            return None;
        }
        let signature = Bytes::new(self.key.sign(scheme, input)?).ok()?;
        Some(FromKeyholder::Signed { signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{samples, scheme};

    fn signer(pem: &str, tls12: bool) -> Signer {
        let key = Key::from_pem(pem.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
        Signer::new(key, tls12)
    }

    fn tls13_input() -> Vec<u8> {
        [
            &[b' '; 64],
            &b"TLS 1.3, server CertificateVerify\0"[..],
            &[5; 32],
        ]
        .concat()
    }

    fn tls12_input() -> Vec<u8> {
        [&[5; 64], &[3, 0, 29, 32][..], &[6; 32]].concat()
    }

    fn signs(signer: &Signer, scheme: u16, input: &[u8]) -> bool {
        let input = Bytes::new(input).unwrap();
        match signer.answer(ToKeyholder::Sign { scheme, input }) {
            FromKeyholder::Signed { .. } => true,
            FromKeyholder::Refused => false,
            FromKeyholder::Schemes { .. } => panic!("an answer to another question"),
        }
    }

    #[test]
    fn tls_13_is_always_signed_and_tls_12_only_where_allowed() {
        let pem = samples::p256().serialize_pem();
        for tls12 in [false, true] {
            let signer = signer(&pem, tls12);
            assert!(signs(
                &signer,
                scheme::ECDSA_SECP256R1_SHA256,
                &tls13_input()
            ));
            let for_tls12 = signs(&signer, scheme::ECDSA_SECP256R1_SHA256, &tls12_input());
            assert_eq!(for_tls12, tls12);
        }
    }

    #[test]
    fn nothing_that_is_no_handshake_is_signed() {
        let signer = signer(&samples::p256().serialize_pem(), true);
        for input in [&b"hello"[..], b"", &[0; 512]] {
            assert!(!signs(&signer, scheme::ECDSA_SECP256R1_SHA256, input));
        }
    }

    #[test]
    fn a_tls_13_handshake_is_never_signed_with_pkcs1() {
        let signer = signer(samples::RSA_2048, true);
        assert!(signs(&signer, scheme::RSA_PSS_RSAE_SHA256, &tls13_input()));
        assert!(!signs(&signer, scheme::RSA_PKCS1_SHA256, &tls13_input()));
        assert!(signs(&signer, scheme::RSA_PKCS1_SHA256, &tls12_input()));
    }

    #[test]
    fn a_scheme_that_is_not_the_keys_is_refused() {
        let signer = signer(&samples::ed25519().serialize_pem(), true);
        assert!(!signs(
            &signer,
            scheme::ECDSA_SECP256R1_SHA256,
            &tls13_input()
        ));
        assert!(signs(&signer, scheme::ED25519, &tls13_input()));
    }
}

//! The private key: read from PEM, asked to sign, never shown.
//!
//! There is no way from a [`Key`] back to its bytes. The text that it was read
//! from is wiped by whoever read it, the DER here, and the PEM reader's own buffer
//! by the process's allocator. So is the key, once another has taken its place: it
//! lies on the heap, for what is moved about on a stack leaves copies.

use ring::rand::SystemRandom;
use ring::signature::{self as sig, KeyPair as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use zeroize::Zeroize;

/// Why a file holds no key that we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    /// There is no PEM section with an unencrypted private key.
    NotFound,
    /// `EC PRIVATE KEY`, the old form of RFC 5915.
    OldForm,
    /// A key of a kind or size that we do not sign with, or a damaged one.
    Unusable,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the key file has no unencrypted private key in PEM",
            Self::OldForm => {
                "the key is an EC PRIVATE KEY; convert it with openssl pkcs8 -topk8 -nocrypt"
            }
            Self::Unusable => {
                "the key is damaged, or not of ECDSA P-256, ECDSA P-384, Ed25519 or RSA 2048 to 4096"
            }
        })
    }
}

/// TLS's numbers of signature schemes (RFC 8446 §4.2.3) that keys of ours have.
pub mod scheme {
    pub const RSA_PKCS1_SHA256: u16 = 0x0401;
    pub const RSA_PKCS1_SHA384: u16 = 0x0501;
    pub const RSA_PKCS1_SHA512: u16 = 0x0601;
    pub const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
    pub const ECDSA_SECP384R1_SHA384: u16 = 0x0503;
    pub const RSA_PSS_RSAE_SHA256: u16 = 0x0804;
    pub const RSA_PSS_RSAE_SHA384: u16 = 0x0805;
    pub const RSA_PSS_RSAE_SHA512: u16 = 0x0806;
    pub const ED25519: u16 = 0x0807;
}

/// A private key.
pub struct Key {
    kind: Box<Kind>,
    random: SystemRandom,
}

enum Kind {
    P256(sig::EcdsaKeyPair),
    P384(sig::EcdsaKeyPair),
    Ed25519(sig::Ed25519KeyPair),
    Rsa(sig::RsaKeyPair),
}

impl Key {
    /// The first private key of a PEM text.
    ///
    /// # Errors
    /// [`BadKey`]: the administrator gave us something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadKey> {
        let mut der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| BadKey::NotFound)?;
        let key = Self::from_der(&der);
        der.zeroize();
        key
    }

    fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, BadKey> {
        let random = SystemRandom::new();
        let kind = match der {
            PrivateKeyDer::Pkcs8(pkcs8) => from_pkcs8(pkcs8.secret_pkcs8_der(), &random),
            PrivateKeyDer::Pkcs1(pkcs1) => sig::RsaKeyPair::from_der(pkcs1.secret_pkcs1_der())
                .ok()
                .map(Kind::Rsa),
            PrivateKeyDer::Sec1(_) => return Err(BadKey::OldForm),
            _ => None,
        };
        let kind = kind.map(Box::new);
        kind.map(|kind| Self { kind, random })
            .ok_or(BadKey::Unusable)
    }

    /// The schemes that the key can sign with, best first; without TLS 1.2, those
    /// that TLS 1.3 knows.
    pub fn schemes(&self, tls12: bool) -> &'static [u16] {
        match *self.kind {
            Kind::P256(_) => &[scheme::ECDSA_SECP256R1_SHA256],
            Kind::P384(_) => &[scheme::ECDSA_SECP384R1_SHA384],
            Kind::Ed25519(_) => &[scheme::ED25519],
            Kind::Rsa(_) if tls12 => &RSA_SCHEMES,
            Kind::Rsa(_) => RSA_SCHEMES
                .first_chunk::<RSA_PSS_SCHEMES>()
                .map_or(&[], |pss| pss),
        }
    }

    /// Its public key, as X.509 certificates have it.
    pub fn public(&self) -> &[u8] {
        match &*self.kind {
            Kind::P256(pair) | Kind::P384(pair) => pair.public_key().as_ref(),
            Kind::Ed25519(pair) => pair.public_key().as_ref(),
            Kind::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    /// Signs; `None` if the scheme is not the key's, or ring fails.
    pub fn sign(&self, scheme: u16, input: &[u8]) -> Option<Vec<u8>> {
        match &*self.kind {
            Kind::P256(pair) if scheme == scheme::ECDSA_SECP256R1_SHA256 => self.ecdsa(pair, input),
            Kind::P384(pair) if scheme == scheme::ECDSA_SECP384R1_SHA384 => self.ecdsa(pair, input),
            Kind::Ed25519(pair) if scheme == scheme::ED25519 => {
                Some(pair.sign(input).as_ref().to_vec())
            }
            Kind::Rsa(pair) => self.rsa(pair, scheme, input),
            _ => None,
        }
    }

    fn ecdsa(&self, pair: &sig::EcdsaKeyPair, input: &[u8]) -> Option<Vec<u8>> {
        let signature = pair.sign(&self.random, input).ok()?;
        Some(signature.as_ref().to_vec())
    }

    fn rsa(&self, pair: &sig::RsaKeyPair, scheme: u16, input: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(padding(scheme)?, &self.random, input, &mut signature)
            .ok()?;
        Some(signature)
    }
}

/// PSS first: TLS 1.3 signs handshakes with nothing else (RFC 8446 §4.2.3).
const RSA_SCHEMES: [u16; 6] = [
    scheme::RSA_PSS_RSAE_SHA256,
    scheme::RSA_PSS_RSAE_SHA384,
    scheme::RSA_PSS_RSAE_SHA512,
    scheme::RSA_PKCS1_SHA256,
    scheme::RSA_PKCS1_SHA384,
    scheme::RSA_PKCS1_SHA512,
];

const RSA_PSS_SCHEMES: usize = 3;

fn padding(scheme: u16) -> Option<&'static dyn sig::RsaEncoding> {
    match scheme {
        scheme::RSA_PSS_RSAE_SHA256 => Some(&sig::RSA_PSS_SHA256),
        scheme::RSA_PSS_RSAE_SHA384 => Some(&sig::RSA_PSS_SHA384),
        scheme::RSA_PSS_RSAE_SHA512 => Some(&sig::RSA_PSS_SHA512),
        scheme::RSA_PKCS1_SHA256 => Some(&sig::RSA_PKCS1_SHA256),
        scheme::RSA_PKCS1_SHA384 => Some(&sig::RSA_PKCS1_SHA384),
        scheme::RSA_PKCS1_SHA512 => Some(&sig::RSA_PKCS1_SHA512),
        _ => None,
    }
}

/// PKCS #8 names its algorithm inside, and ring wants to be told, so each is
/// tried. RSA comes last: it is the slowest to check.
fn from_pkcs8(der: &[u8], random: &SystemRandom) -> Option<Kind> {
    let ecdsa = |algorithm| sig::EcdsaKeyPair::from_pkcs8(algorithm, der, random).ok();
    ecdsa(&sig::ECDSA_P256_SHA256_ASN1_SIGNING)
        .map(Kind::P256)
        .or_else(|| ecdsa(&sig::ECDSA_P384_SHA384_ASN1_SIGNING).map(Kind::P384))
        .or_else(|| {
            sig::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .ok()
                .map(Kind::Ed25519)
        })
        .or_else(|| sig::RsaKeyPair::from_pkcs8(der).ok().map(Kind::Rsa))
}

#[cfg(test)]
pub mod samples {
    //! Keys for tests, worth nothing, and certificates that they have signed.

    use rcgen::{Certificate, CertificateParams, KeyPair};
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    pub const RSA_2048: &str = include_str!("samples/rsa-2048.pem");
    pub const P256_OLD_FORM: &str = include_str!("samples/p256-sec1.pem");

    pub fn p256() -> KeyPair {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
    }

    pub fn p384() -> KeyPair {
        KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
    }

    pub fn ed25519() -> KeyPair {
        KeyPair::generate_for(&PKCS_ED25519).unwrap()
    }

    pub fn certificate_of(key: &KeyPair) -> Certificate {
        let names = vec!["mail.example.com".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        params.self_signed(key).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::PublicKeyData as _;

    fn read(pem: &str) -> Key {
        Key::from_pem(pem.as_bytes()).unwrap_or_else(|why| panic!("{why}"))
    }

    fn verifies(
        algorithm: &'static dyn sig::VerificationAlgorithm,
        public: &[u8],
        signature: &[u8],
    ) {
        sig::UnparsedPublicKey::new(algorithm, public)
            .verify(b"input", signature)
            .unwrap();
    }

    #[test]
    fn a_signature_of_each_small_key_verifies() {
        let cases: [(rcgen::KeyPair, u16, &dyn sig::VerificationAlgorithm); 3] = [
            (
                samples::p256(),
                scheme::ECDSA_SECP256R1_SHA256,
                &sig::ECDSA_P256_SHA256_ASN1,
            ),
            (
                samples::p384(),
                scheme::ECDSA_SECP384R1_SHA384,
                &sig::ECDSA_P384_SHA384_ASN1,
            ),
            (samples::ed25519(), scheme::ED25519, &sig::ED25519),
        ];
        for (pair, scheme, algorithm) in cases {
            let key = read(&pair.serialize_pem());
            assert_eq!(key.schemes(true), [scheme]);
            verifies(
                algorithm,
                pair.der_bytes(),
                &key.sign(scheme, b"input").unwrap(),
            );
        }
    }

    #[test]
    fn a_signature_of_an_rsa_key_verifies_with_each_of_its_schemes() {
        let key = read(samples::RSA_2048);
        let Kind::Rsa(pair) = &*key.kind else {
            panic!("an RSA key is none")
        };
        let public = pair.public_key().as_ref();
        let algorithms: [&dyn sig::VerificationAlgorithm; 6] = [
            &sig::RSA_PSS_2048_8192_SHA256,
            &sig::RSA_PSS_2048_8192_SHA384,
            &sig::RSA_PSS_2048_8192_SHA512,
            &sig::RSA_PKCS1_2048_8192_SHA256,
            &sig::RSA_PKCS1_2048_8192_SHA384,
            &sig::RSA_PKCS1_2048_8192_SHA512,
        ];
        for (scheme, algorithm) in RSA_SCHEMES.iter().zip(algorithms) {
            verifies(algorithm, public, &key.sign(*scheme, b"input").unwrap());
        }
    }

    #[test]
    fn without_tls_12_an_rsa_key_has_no_pkcs1_scheme() {
        let key = read(samples::RSA_2048);
        assert_eq!(key.schemes(false), [0x0804, 0x0805, 0x0806]);
        assert_eq!(key.schemes(true).len(), 6);
    }

    #[test]
    fn a_key_signs_with_its_own_schemes_only() {
        let keys = [
            read(&samples::p256().serialize_pem()),
            read(&samples::p384().serialize_pem()),
            read(&samples::ed25519().serialize_pem()),
            read(samples::RSA_2048),
        ];
        for key in keys {
            for scheme in 0..=u16::MAX {
                // RSA signatures take a millisecond each: only the refusals are many.
                let own = key.schemes(true).contains(&scheme);
                assert_eq!(key.sign(scheme, b"x").is_some(), own, "{scheme:04x}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        let fault = |pem: &str| Key::from_pem(pem.as_bytes()).err();
        assert_eq!(fault(""), Some(BadKey::NotFound));
        assert_eq!(fault(samples::P256_OLD_FORM), Some(BadKey::OldForm));
        let damaged = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
        assert_eq!(fault(damaged), Some(BadKey::Unusable));
    }
}

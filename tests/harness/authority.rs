//! Somebody who signs clients' certificates.

use crate::session::Own;
use crate::set::Set;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody believes yet.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate of this mail address, with its key.
    ///
    /// # Panics
    /// If that is none.
    #[must_use]
    pub fn signs(&self, address: &str) -> Own {
        let mut params = CertificateParams::default();
        let address = address.try_into().expect("ASCII");
        params.subject_alt_names = vec![SanType::Rfc822Name(address)];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Own {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    /// A set that asks for its certificates wherever people log in.
    #[must_use]
    pub fn believed_by(&self, mailkeep: &Path, further: &str) -> Set {
        Set::edited(mailkeep, further, |directory, text| {
            let file = directory.write("authorities.pem", self.0.pem());
            let named = format!("[tls]\nclient_authorities = \"{}\"", file.display());
            let asking = |protocol: &str| format!("protocol = \"{protocol}\"\n");
            let mut text = text.replace("[tls]", &named);
            for protocol in ["imap", "pop3"].map(asking) {
                let with = format!("{protocol}client_certificates = true\n");
                text = text.replace(&protocol, &with);
            }
            text
        })
    }
}

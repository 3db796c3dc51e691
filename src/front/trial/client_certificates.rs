//! Clients that show who they are.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

/// Somebody who signs clients' certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A client that shows a certificate of this mail address.
    fn client(&self, address: &str, server: &CertificateDer<'static>) -> ClientConfig {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.0).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(server.clone()).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(TLS13)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![own.der().clone()], key.into())
            .unwrap()
    }
}

/// A front that asks for certificates of this authority's, or doesn't.
async fn trial(authority: &Authority, asks: bool) -> Trial {
    let listener = Listener {
        client_certificates: asks,
        ..listener(TlsUse::Immediate)
    };
    Trial::with(front_slice(), listener, |supervisor| {
        let file = memory_file(&authority.0.pem());
        let purpose = FileUse::ClientAuthorities;
        say(supervisor, ToProcess::Provide { purpose, file });
    })
    .await
}

fn name(facts: &Facts) -> Option<Vec<u8>> {
    match facts {
        Facts::Opened { client_name, .. } => {
            client_name.as_ref().map(|name| name.as_slice().to_vec())
        }
        Facts::Closed { .. } => panic!("closed"),
    }
}

#[test]
fn auth_hears_the_name_of_a_verified_certificate_and_login_that_there_is_one() {
    run(async {
        let authority = Authority::new();
        let trial = trial(&authority, true).await;
        let config = authority.client("alice@example.org", &trial.certified.der);
        let _client = tls_with(config, trial.tcp().await).await.unwrap();
        let given = trial.session().await;
        assert_eq!(name(&given.facts), Some(b"alice@example.org".to_vec()));
        assert!(given.client_certificate);
    });
}

#[test]
fn a_client_without_a_certificate_is_as_welcome_as_ever() {
    run(async {
        let authority = Authority::new();
        let trial = trial(&authority, true).await;
        let _client = trial.tls().await;
        let given = trial.session().await;
        assert_eq!(
            (name(&given.facts), given.client_certificate),
            (None, false)
        );
    });
}

#[test]
fn a_certificate_that_somebody_else_signed_ends_the_connection() {
    run(async {
        let authority = Authority::new();
        let trial = trial(&authority, true).await;
        let config = Authority::new().client("alice@example.org", &trial.certified.der);
        // In TLS 1.3 the client learns of it with the first thing that it reads.
        if let Ok(mut client) = tls_with(config, trial.tcp().await).await {
            assert_eq!(rest(&mut client).await, b"");
        }
        let _other = trial.tls().await;
        assert_eq!(name(&trial.session().await.facts), None);
    });
}

#[test]
fn where_nobody_asks_a_certificate_names_nobody() {
    run(async {
        let authority = Authority::new();
        let trial = trial(&authority, false).await;
        let config = authority.client("alice@example.org", &trial.certified.der);
        let _client = tls_with(config, trial.tcp().await).await.unwrap();
        let given = trial.session().await;
        assert_eq!(
            (name(&given.facts), given.client_certificate),
            (None, false)
        );
    });
}

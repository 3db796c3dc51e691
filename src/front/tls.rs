//! How we speak TLS: versions, certificate, and what is deliberately off.
//!
//! Off are resumption (no session is stored, no ticket sent: a ticket key would
//! be a second key to guard, and would let one `front` speak for another's
//! past), early data (it can be replayed), and renegotiation, which rustls does
//! not have. The private key is not here ([`crate::keyholder`]).

use crate::certificate::{ClientName, client_name};
use crate::keyholder::Keyholder;
use ipc::slice::{Listener, Protocol};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, RootCertStore, ServerConfig, ServerConnection};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Bytes of a certificate file. A chain of RSA-4096 certificates is some 8 KB.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = 256 * 1024;

/// Certificates in a chain; all are sent in every handshake.
pub const CHAIN_CERTIFICATES_MAX: usize = 16;

/// Why a file holds no certificates that we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCertificates {
    /// It could not be read.
    Unreadable,
    /// It is longer, or holds more certificates, than any chain.
    TooMany,
    /// It is not PEM with at least one certificate.
    NotFound,
    /// The first certificate is no X.509 certificate.
    Damaged,
    /// One of those that sign clients' is none that could.
    NoAuthority,
}

impl std::fmt::Display for BadCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the certificate file cannot be read",
            Self::TooMany => "the certificate file is too long for a chain",
            Self::NotFound => "the certificate file has no certificate in PEM",
            Self::Damaged => "the first certificate of the file is damaged",
            Self::NoAuthority => {
                "the file of client authorities has a certificate that can sign none"
            }
        })
    }
}

/// A certificate chain, the server's own first.
#[derive(Debug, Clone)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Reads a file that the supervisor opened.
    ///
    /// # Errors
    /// [`BadCertificates`]: the administrator gave us something else.
    pub fn read(file: &OwnedFd) -> Result<Self, BadCertificates> {
        let chain = certificates(&read(file)?)?;
        let own = chain.first().ok_or(BadCertificates::NotFound)?;
        ParsedCertificate::try_from(own).map_err(|_| BadCertificates::Damaged)?;
        Ok(Self(chain))
    }
}

fn read(file: &OwnedFd) -> Result<Vec<u8>, BadCertificates> {
    let mut pem = Vec::with_capacity(CERTIFICATE_FILE_BYTES_MAX);
    while pem.len() < CERTIFICATE_FILE_BYTES_MAX {
        match rustix::io::read(file, spare_capacity(&mut pem)) {
            Ok(0) => return Ok(pem),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Err(BadCertificates::Unreadable),
        }
    }
    Err(BadCertificates::TooMany)
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadCertificates> {
    let all = CertificateDer::pem_slice_iter(pem)
        .take(CHAIN_CERTIFICATES_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| BadCertificates::NotFound)?;
    match all.len() {
        0 => Err(BadCertificates::NotFound),
        1..=CHAIN_CERTIFICATES_MAX => Ok(all),
        _ => Err(BadCertificates::TooMany),
    }
}

/// Those that sign clients' certificates.
#[derive(Clone)]
pub struct Authorities(Arc<dyn ClientCertVerifier>);

impl Authorities {
    /// Reads a file that the supervisor opened.
    ///
    /// # Errors
    /// [`BadCertificates`]: the administrator gave us something else.
    pub fn read(file: &OwnedFd) -> Result<Self, BadCertificates> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&read(file)?)? {
            roots
                .add(certificate)
                .map_err(|_| BadCertificates::NoAuthority)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            // Whoever has none gives a password.
            .allow_unauthenticated()
            .build();
        verifier.map(Self).map_err(|_| BadCertificates::NoAuthority)
    }
}

/// One configuration for each protocol, alike but for its ALPN name.
#[derive(Debug, Clone)]
pub struct Tls {
    imap: Pair,
    pop3: Pair,
    managesieve: Pair,
    lmtp: Arc<ServerConfig>,
}

/// One that asks for no certificate of the client's, and one that does.
#[derive(Debug, Clone)]
struct Pair {
    usual: Arc<ServerConfig>,
    asking: Option<Arc<ServerConfig>>,
}

impl Tls {
    /// TLS 1.3, and 1.2 where it is allowed.
    #[must_use]
    pub fn new(
        chain: &Chain,
        authorities: Option<&Authorities>,
        keyholder: &Keyholder,
        tls12: bool,
    ) -> Self {
        let usual = config(chain, None, keyholder, tls12);
        let asking = authorities.map(|them| config(chain, Some(them), keyholder, tls12));
        let named = |config: &ServerConfig, name: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![name.to_vec()];
            Arc::new(config)
        };
        let pair = |name| Pair {
            usual: named(&usual, name),
            asking: asking.as_ref().map(|asking| named(asking, name)),
        };
        Self {
            imap: pair(b"imap"),
            pop3: pair(b"pop3"),
            managesieve: pair(b"managesieve"),
            // LMTP has no registered name: whatever the client offers is ignored.
            lmtp: Arc::new(usual),
        }
    }

    /// What makes a handshake for this protocol. A client that offers ALPN
    /// names and not ours meant another service, and is refused (ALPACA); one
    /// that offers none is fine. `None` if certificates are to be asked for, and
    /// nobody is known who signs them.
    #[must_use]
    pub fn acceptor(&self, listener: &Listener) -> Option<TlsAcceptor> {
        let pair = match listener.protocol {
            Protocol::Imap => &self.imap,
            Protocol::Pop3 => &self.pop3,
            Protocol::ManageSieve => &self.managesieve,
            Protocol::Lmtp | Protocol::Admin => return Some(Arc::clone(&self.lmtp).into()),
        };
        let config = match listener.client_certificates {
            true => pair.asking.as_ref()?,
            false => &pair.usual,
        };
        Some(Arc::clone(config).into())
    }
}

#[expect(
    clippy::expect_used,
    reason = "what the cryptography can is known when we are built, and every test shows it"
)]
fn config(
    chain: &Chain,
    authorities: Option<&Authorities>,
    keyholder: &Keyholder,
    tls12: bool,
) -> ServerConfig {
    let versions: &[_] = if tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let key = CertifiedKey::new(chain.0.clone(), Arc::new(keyholder.clone()));
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("ring has cipher suites for both versions");
    let builder = match authorities {
        Some(Authorities(verifier)) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What is known of a finished handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// As on the wire: 0x0304 is TLS 1.3.
    pub version: u16,
    /// tls-exporter channel binding (RFC 9266), which TLS 1.2 has only with an
    /// extension that we don't insist on.
    pub exporter: Option<[u8; 32]>,
    /// The name in the client's certificate, which was verified.
    pub client_name: Option<ClientName>,
}

impl Handshake {
    /// Reads it from a connection whose handshake is complete.
    #[must_use]
    pub fn of(connection: &ServerConnection) -> Self {
        let version = connection.protocol_version();
        let exporter = (version == Some(ProtocolVersion::TLSv1_3))
            .then(|| exporter(connection))
            .flatten();
        Self {
            version: version.map_or(0, u16::from),
            exporter,
            client_name: own_certificate(connection).and_then(|own| client_name(own)),
        }
    }
}

/// The client's, first of what it has shown; the rest is its chain.
fn own_certificate(connection: &ServerConnection) -> Option<&CertificateDer<'static>> {
    connection.peer_certificates()?.first()
}

/// RFC 9266 §2: this label, an empty context, 32 bytes.
fn exporter(connection: &ServerConnection) -> Option<[u8; 32]> {
    const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
    connection
        .export_keying_material([0; 32], LABEL, Some(b""))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(vec!["localhost".into()])
            .unwrap()
            .cert
            .pem()
    }

    fn file(pem: &[u8]) -> OwnedFd {
        let file = memfd_create("pem", MemfdFlags::CLOEXEC).unwrap();
        let mut rest = pem;
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&file, rest).unwrap()..];
        }
        seek(&file, SeekFrom::Start(0)).unwrap();
        file
    }

    fn read(pem: &[u8]) -> Result<usize, BadCertificates> {
        Chain::read(&file(pem)).map(|chain| chain.0.len())
    }

    #[test]
    fn a_chain_is_read_whole() {
        assert_eq!(read(certificate().as_bytes()), Ok(1));
        assert_eq!(read((certificate() + &certificate()).as_bytes()), Ok(2));
    }

    #[test]
    fn what_is_no_chain_is_refused_with_its_reason() {
        assert_eq!(read(b""), Err(BadCertificates::NotFound));
        let damaged = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert_eq!(read(damaged), Err(BadCertificates::Damaged));
        let many = certificate().repeat(CHAIN_CERTIFICATES_MAX + 1);
        assert_eq!(read(many.as_bytes()), Err(BadCertificates::TooMany));
        assert_eq!(
            read(&[b'\n'; CERTIFICATE_FILE_BYTES_MAX]),
            Err(BadCertificates::TooMany)
        );
    }

    #[test]
    fn authorities_are_read_and_what_is_none_is_refused() {
        let read = |pem: &[u8]| Authorities::read(&file(pem)).err();
        assert_eq!(read(certificate().as_bytes()), None);
        assert_eq!(read(b""), Some(BadCertificates::NotFound));
        let damaged = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert_eq!(read(damaged), Some(BadCertificates::NoAuthority));
    }
}

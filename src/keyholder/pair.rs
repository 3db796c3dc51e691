//! The two files that the supervisor opens for us: the certificates and the key, which
//! must belong together.
//!
//! `front` presents the one and we sign with the other. Nobody but we can see both,
//! so what would be found out at the first client's is found out here, before anything
//! has changed. The first certificate of the file counts, as it does for clients.

use crate::certificate;
use crate::key::{BadKey, Key};
use ipc::edge::supervisor::FileUse;
use rustix::io::Errno;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::os::fd::OwnedFd;
use zeroize::Zeroizing;

/// Bytes of either file. RSA-4096 in PEM is 3.3 KB, a chain of such certificates some
/// 8 KB; `front` takes no more for its chain.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// The files, as far as they have come.
#[derive(Debug, Default)]
pub struct Pair {
    certificates: Option<OwnedFd>,
    key: Option<OwnedFd>,
}

/// Why we can't sign for what `front` presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPair {
    /// One of the two files was not given.
    Half,
    /// A file cannot be read.
    Unreadable(Errno),
    /// A file is longer than any chain or key.
    TooLong,
    /// The key file has no key for us.
    Key(BadKey),
    /// There is no PEM section with a certificate, or it is damaged.
    NoCertificate,
    /// The certificate is another key's.
    Strangers,
}

impl fmt::Display for BadPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Half => "a key and its certificate are needed, and only one was given",
            Self::Unreadable(errno) => {
                return write!(
                    f,
                    "a file of the certificate or the key can't be read: {errno}"
                );
            }
            Self::TooLong => "a file of the certificate or the key is too long",
            Self::Key(why) => return why.fmt(f),
            Self::NoCertificate => "the certificate file has no whole certificate in PEM",
            Self::Strangers => "the key in tls.key is not that of the certificate",
        })
    }
}

impl Pair {
    /// Takes a file, instead of an earlier one with the same use.
    pub fn take(&mut self, purpose: FileUse, file: OwnedFd) {
        match purpose {
            FileUse::Certificates => self.certificates = Some(file),
            FileUse::PrivateKey => self.key = Some(file),
            // Is for `front`, and isn't sent here.
            FileUse::ClientAuthorities => drop(file),
        }
    }

    /// The key, if it is the certificate's; `None` if no file has come at all.
    ///
    /// # Errors
    /// [`BadPair`]: the administrator gave us something else.
    pub fn key(self) -> Result<Option<Key>, BadPair> {
        let (certificates, key) = match (self.certificates, self.key) {
            (Some(certificates), Some(key)) => (certificates, key),
            (None, None) => return Ok(None),
            _ => return Err(BadPair::Half),
        };
        let key = Key::from_pem(&read(&key)?).map_err(BadPair::Key)?;
        let own = CertificateDer::from_pem_slice(&read(&certificates)?)
            .map_err(|_| BadPair::NoCertificate)?;
        match certificate::public_key(&own) {
            Some(public) if public == key.public() => Ok(Some(key)),
            Some(_) => Err(BadPair::Strangers),
            None => Err(BadPair::NoCertificate),
        }
    }
}

/// A whole file; a key may be in either, so it is wiped.
fn read(file: &OwnedFd) -> Result<Zeroizing<Vec<u8>>, BadPair> {
    let mut text = Zeroizing::new(vec![0; FILE_BYTES_MAX]);
    let mut length = 0_usize;
    while let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) {
        match rustix::io::read(file, room) {
            Ok(0) => {
                text.truncate(length);
                return Ok(text);
            }
            Ok(read) => length = length.saturating_add(read),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(BadPair::Unreadable(errno)),
        }
    }
    Err(BadPair::TooLong)
}

#[cfg(test)]
pub mod samples {
    //! Files for tests.

    use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
    use std::os::fd::OwnedFd;

    /// An open file with this text.
    pub fn file(text: &str) -> OwnedFd {
        let file = memfd_create("file", MemfdFlags::CLOEXEC).unwrap();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest).unwrap();
            rest = &rest[written..];
        }
        seek(&file, SeekFrom::Start(0)).unwrap();
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::samples::{self as keys, certificate_of};

    fn outcome(certificates: &str, key: &str) -> Result<(), BadPair> {
        let mut pair = Pair::default();
        pair.take(FileUse::Certificates, samples::file(certificates));
        pair.take(FileUse::PrivateKey, samples::file(key));
        pair.key().map(|key| assert!(key.is_some()))
    }

    #[test]
    fn a_key_of_each_kind_belongs_to_its_own_certificate_and_to_no_other() {
        let rsa = rcgen::KeyPair::from_pem(keys::RSA_2048).unwrap();
        let all = [
            keys::p256(),
            keys::p256(),
            keys::p384(),
            keys::ed25519(),
            rsa,
        ];
        for (one, key) in all.iter().enumerate() {
            for (other, certificates) in all.iter().enumerate() {
                let told = outcome(&certificate_of(certificates).pem(), &key.serialize_pem());
                let right = if one == other {
                    Ok(())
                } else {
                    Err(BadPair::Strangers)
                };
                assert_eq!(told, right, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_first_certificate_of_a_chain_counts() {
        let (own, issuer) = (keys::p256(), keys::p256());
        let (first, second) = (certificate_of(&own).pem(), certificate_of(&issuer).pem());
        let key = own.serialize_pem();
        assert_eq!(outcome(&[first.as_str(), &second].concat(), &key), Ok(()));
        let swapped = outcome(&[second.as_str(), &first].concat(), &key);
        assert_eq!(swapped, Err(BadPair::Strangers));
    }

    #[test]
    fn both_may_be_in_one_file() {
        let own = keys::ed25519();
        let both = [own.serialize_pem(), certificate_of(&own).pem()].concat();
        assert_eq!(outcome(&both, &both), Ok(()));
    }

    #[test]
    fn each_fault_has_its_name() {
        let own = keys::p256();
        let (certificate, key) = (certificate_of(&own).pem(), own.serialize_pem());
        let not_found = Err(BadPair::Key(BadKey::NotFound));
        assert_eq!(outcome(&certificate, "no key"), not_found);
        assert_eq!(outcome("no certificate", &key), Err(BadPair::NoCertificate));
        let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert_eq!(outcome(damaged, &key), Err(BadPair::NoCertificate));
        let long = "\n".repeat(FILE_BYTES_MAX);
        assert_eq!(outcome(&long, &key), Err(BadPair::TooLong));
    }

    #[test]
    fn half_a_pair_is_refused_and_none_changes_nothing() {
        let mut half = Pair::default();
        half.take(
            FileUse::PrivateKey,
            samples::file(&keys::p256().serialize_pem()),
        );
        assert_eq!(half.key().err(), Some(BadPair::Half));
        assert!(matches!(Pair::default().key(), Ok(None)));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_reason() {
        let (_reading, writing) = rustix::pipe::pipe().unwrap();
        let mut pair = Pair::default();
        pair.take(FileUse::Certificates, samples::file(""));
        pair.take(FileUse::PrivateKey, writing);
        assert_eq!(pair.key().err(), Some(BadPair::Unreadable(Errno::BADF)));
    }
}

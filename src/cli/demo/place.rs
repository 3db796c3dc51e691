//! What a demonstration makes on the disk: one directory with the certificate,
//! the key, the configuration, the log, the sockets and the state; removed at
//! the end.

use super::Failure;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use sandbox::Site;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a log's end that are shown.
const LOG_SHOWN: usize = 4000;

/// The ports that the set listens on.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// IMAP over TLS.
    pub imaps: u16,
    /// POP3 with STLS.
    pub pop3: u16,
    /// POP3 over TLS.
    pub pop3s: u16,
    /// LMTP.
    pub lmtp: u16,
}

/// See the module.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
    ports: Ports,
    keep: bool,
}

impl Place {
    /// Makes everything that has to be there before the set starts.
    ///
    /// # Errors
    /// A [`Failure`] that names the file.
    pub fn make(directory: Option<&Path>, keep: bool, site: Site) -> Result<Self, Failure> {
        let directory = match directory {
            Some(directory) => named(directory),
            None => fresh(site),
        }?;
        let ports = Ports {
            imap: free(10143),
            imaps: free(10993),
            pop3: free(10110),
            pop3s: free(10995),
            lmtp: free(10024),
        };
        let place = Self {
            directory,
            ports,
            keep,
        };
        place.write_certificate()?;
        place.write("mailkeep.toml", 0o644, &place.configuration(site))?;
        Ok(place)
    }

    /// Where everything is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The set's log.
    ///
    /// # Errors
    /// [`Failure::Place`].
    pub fn log(&self) -> Result<File, Failure> {
        let path = self.path("log");
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        opened.map_err(|error| Failure::Place(path, error))
    }

    /// What it holds last.
    pub fn end_of_log(&self) -> String {
        let bytes = std::fs::read(self.path("log")).unwrap_or_default();
        let shown = bytes.get(bytes.len().saturating_sub(LOG_SHOWN)..);
        String::from_utf8_lossy(shown.unwrap_or_default()).into_owned()
    }

    fn write_certificate(&self) -> Result<(), Failure> {
        let names = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        let mut parameters = CertificateParams::new(names).map_err(Failure::Certificate)?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(Failure::Certificate)?;
        let certificate = parameters.self_signed(&key).map_err(Failure::Certificate)?;
        self.write("certificate.pem", 0o644, &certificate.pem())?;
        self.write("key.pem", 0o600, &key.serialize_pem())
    }

    fn write(&self, name: &str, mode: u32, text: &str) -> Result<(), Failure> {
        let path = self.path(name);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path);
        made.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::Place(path, error))
    }

    fn configuration(&self, site: Site) -> String {
        let layers = site
            .waivers()
            .layers()
            .map(|layer| format!("\"{}\"", layer.name()));
        let without: Vec<String> = layers.collect();
        let Ports {
            imap,
            imaps,
            pop3,
            pop3s,
            lmtp,
        } = self.ports;
        format!(
            r#"# A demonstration; docs/manual/configuration.md has every key.
[store]
directory = "{directory}/state"

[accounts]
domains = ["example.org"]

[tls]
certificates = "{directory}/certificate.pem"
key = "{directory}/key.pem"

[[listen]]
protocol = "imap"
address = "127.0.0.1:{imap}"

[[listen]]
protocol = "imap"
address = "127.0.0.1:{imaps}"
tls = "immediate"

[[listen]]
protocol = "pop3"
address = "127.0.0.1:{pop3}"

[[listen]]
protocol = "pop3"
address = "127.0.0.1:{pop3s}"
tls = "immediate"

[[listen]]
protocol = "lmtp"
address = "127.0.0.1:{lmtp}"

[[listen]]
protocol = "lmtp"
address = "{directory}/lmtp.sock"

[admin]
socket = "{directory}/control.sock"

[confinement]
without = [{without}]
"#,
            directory = self.directory.display(),
            without = without.join(", "),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            // Should something be left, it is in a directory of temporary ones.
            let _left = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// The directory that somebody named: made, or there and empty.
fn named(directory: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::Place(directory.to_owned(), error);
    match make(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed)?,
    }
    let directory = directory.canonicalize().map_err(failed)?;
    match std::fs::read_dir(&directory).map_err(failed)?.next() {
        None => Ok(directory),
        Some(_) => Err(failed(io::ErrorKind::DirectoryNotEmpty.into())),
    }
}

/// A new one, where other uids can pass: root's own under /run, for what lies in
/// /tmp may be swept; anybody else's under $TMPDIR or /tmp.
fn fresh(site: Site) -> Result<PathBuf, Failure> {
    let above = match site.ranges() {
        Some(_) => PathBuf::from("/run"),
        None => std::env::temp_dir(),
    };
    let random: [u8; 4] = ipc::identity::random().map_err(Failure::Kernel)?;
    let directory = above.join(format!("mailkeep-demo-{:08x}", u32::from_le_bytes(random)));
    make(&directory).map_err(|error| Failure::Place(directory.clone(), error))?;
    Ok(directory)
}

/// Whatever the umask is, every uid of the set must be able to pass.
fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(directory)?;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}

/// This port, or if it is taken another. Between now and the set's start somebody
/// may take it; then the set says so and the demonstration ends.
fn free(wanted: u16) -> u16 {
    let port = |listener: TcpListener| listener.local_addr().map(|address| address.port());
    TcpListener::bind(("127.0.0.1", wanted))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .and_then(port)
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::Waivers;

    fn place() -> Place {
        Place::make(None, false, Site::single(Waivers::NONE)).unwrap()
    }

    #[test]
    fn the_key_is_its_owners_alone_and_all_goes_at_the_end() {
        let place = place();
        let mode = |name: &str| place.path(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("key.pem"), 0o600);
        assert_eq!(mode("."), 0o755);
        assert!(
            place
                .configuration(Site::single(Waivers::NONE))
                .contains("without = [\"separate-uids\"]")
        );
        let directory = place.directory().to_owned();
        drop(place);
        assert!(!directory.exists());
    }

    #[test]
    fn a_directory_that_holds_something_is_left_alone() {
        let other = place();
        let refused = Place::make(Some(other.directory()), false, Site::single(Waivers::NONE));
        assert!(matches!(refused, Err(Failure::Place(..))));
        assert!(other.path("key.pem").exists());
    }

    #[test]
    fn a_port_that_is_taken_is_not_wanted() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free(port), port);
    }
}

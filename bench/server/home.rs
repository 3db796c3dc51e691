//! Where a server lives: a directory, an address and a certificate.

use crate::client::Trust;
use crate::failed::Failed;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A directory with all that is a server's.
#[derive(Debug)]
pub struct Home {
    /// Where it is.
    pub path: PathBuf,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// Which of the sets that may run at once on this machine it belongs to.
    pub number: u8,
    /// How its clients know it.
    pub trust: Trust,
}

impl Home {
    /// Makes one, or takes what an earlier run has left.
    ///
    /// # Errors
    /// If the directory can't be written.
    pub fn open(path: &Path, number: u8, host: u8) -> Result<Self, Failed> {
        let doing = || Failed::doing(path.display().to_string());
        std::fs::create_dir_all(path).map_err(doing())?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).map_err(doing())?;
        Ok(Self {
            path: path.to_owned(),
            address: Ipv4Addr::new(127, 91, number, host),
            number,
            trust: certified(path)?,
        })
    }

    /// Something in the directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file into the directory.
    ///
    /// # Errors
    /// If that can't be done.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failed> {
        let path = self.at(name);
        std::fs::write(&path, text).map_err(Failed::doing(path.display()))?;
        Ok(path)
    }

    /// Where the server's output goes.
    ///
    /// # Errors
    /// If that can't be written.
    pub fn log(&self) -> Result<File, Failed> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.at("log"));
        log.map_err(Failed::doing("the server's log"))
    }

    /// The end of what the server has said.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.at("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// A new certificate for `localhost` in `certificate.pem`, its key in `key.pem`.
fn certified(path: &Path) -> Result<Trust, Failed> {
    let doing = || Failed::doing("the certificate");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.map_err(|error| Failed::World(format!("the certificate: {error}")))?;
    std::fs::write(path.join("certificate.pem"), made.cert.pem()).map_err(doing())?;
    let key = path.join("key.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).map_err(doing())?;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(key, owner_only).map_err(doing())?;
    Trust::of(made.cert.der().clone())
}

//! The listening sockets, bound once and kept: a new `front` gets the same ones,
//! so no connection that waits in a queue is lost with the old.

use crate::directories;
use crate::failure::Failure;
use crate::plan::as_path;
use crate::programs::raw;
use ipc::edge::config::Address;
use ipc::slice::{Listener, Protocol, TlsUse};
use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Connections that may wait to be accepted; the kernel cuts it to
/// net.core.somaxconn, which is 4096 by default.
const BACKLOG: i32 = 4096;

/// One listening socket.
#[derive(Debug)]
pub struct Bound {
    /// How it is served.
    pub listener: Listener,
    /// The socket.
    pub socket: OwnedFd,
    /// Whether `lmtp` accepts on it itself: a Unix socket, where there is no TLS
    /// and no address that `front` would have to look at.
    pub local: bool,
    /// The socket's file, to be removed at the end.
    path: Option<PathBuf>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Somebody may have removed it already.
            let _gone = rustix::fs::unlinkat(CWD, path, AtFlags::empty());
        }
    }
}

/// A socket that systemd passed, and its name.
pub type Passed = (Vec<u8>, OwnedFd);

/// Binds what the plan names; what systemd passed is found by its name.
///
/// # Errors
/// A [`Failure`] that names the address.
pub fn bind_all(
    listeners: &[(Listener, Address)],
    passed: &[Passed],
) -> Result<Vec<Bound>, Failure> {
    let mut all = Vec::new();
    for (listener, address) in listeners {
        match address {
            Address::Ip { address, port } => all.push(bind_ip(listener, address, *port)?),
            Address::Unix { path, mode } => all.push(bind_unix(listener, as_path(path), *mode)?),
            Address::Systemd { name } => all.extend(named(listener, name.as_slice(), passed)?),
        }
    }
    Ok(all)
}

/// Binds the admin socket. Who may use it is decided by the peer's uid, so
/// everybody may connect.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn bind_admin(path: &Path) -> Result<Bound, Failure> {
    // `control` looks at the socket alone: what is spoken there is typed.
    let listener = Listener {
        protocol: Protocol::Lmtp,
        tls: TlsUse::Never,
        proxy: false,
        client_certificates: false,
    };
    bind_file(listener, path, 0o666, SocketType::SEQPACKET)
}

fn bind_ip(listener: &Listener, address: &[u8; 16], port: u16) -> Result<Bound, Failure> {
    let ip = Ipv6Addr::from(*address);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    let address = SocketAddr::new(ip, port);
    let bound = || {
        let family = if ip.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let socket = socket(family, SocketType::STREAM)?;
        if ip.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    Ok(Bound {
        listener: listener.clone(),
        socket: bound().map_err(|errno| Failure::Listener(address.to_string(), errno))?,
        local: false,
        path: None,
    })
}

fn bind_unix(listener: &Listener, path: &Path, mode: u32) -> Result<Bound, Failure> {
    bind_file(listener.clone(), path, mode, SocketType::STREAM)
}

fn bind_file(
    listener: Listener,
    path: &Path,
    mode: u32,
    kind: SocketType,
) -> Result<Bound, Failure> {
    directories::make_above(path)?;
    let bound = || {
        remove_stale(path)?;
        let socket = socket(AddressFamily::UNIX, kind)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Nobody gets in before it listens.
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    Ok(Bound {
        local: listener.protocol == Protocol::Lmtp,
        listener,
        socket: bound().map_err(|errno| Failure::Listener(path.display().to_string(), errno))?,
        path: Some(path.to_owned()),
    })
}

fn socket(family: AddressFamily, kind: SocketType) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, kind, flags, None)
}

/// A socket of ours that an earlier set has left; the state's lock says that no
/// other set of this state lives.
fn remove_stale(path: &Path) -> Result<(), Errno> {
    let found = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let ours = found.st_uid == rustix::process::geteuid().as_raw();
    if ours && FileType::from_raw_mode(found.st_mode) == FileType::Socket {
        rustix::fs::unlinkat(CWD, path, AtFlags::empty())
    } else {
        Err(Errno::EXIST)
    }
}

/// Every socket of this name: one unit can have several.
fn named(listener: &Listener, name: &[u8], passed: &[Passed]) -> Result<Vec<Bound>, Failure> {
    let shown = || String::from_utf8_lossy(name).into_owned();
    let sockets: Vec<&OwnedFd> = passed
        .iter()
        .filter(|(other, _)| other == name)
        .map(|(_, socket)| socket)
        .collect();
    if sockets.is_empty() {
        return Err(Failure::NoSuchSocket(shown()));
    }
    let bound = |socket: &OwnedFd| {
        let copy = socket.try_clone().map_err(|error| raw(&error))?;
        let listens = sockopt::socket_acceptconn(&copy)?;
        let stream = sockopt::socket_type(&copy)? == SocketType::STREAM;
        if !listens || !stream {
            return Err(Errno::PROTOTYPE);
        }
        let local = sockopt::socket_domain(&copy)? == AddressFamily::UNIX;
        Ok(Bound {
            listener: listener.clone(),
            socket: copy,
            local,
            path: None,
        })
    };
    let all = sockets.into_iter().map(bound).collect::<Result<_, Errno>>();
    all.map_err(|errno| Failure::Listener(shown(), errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::Bytes;

    fn listener() -> Listener {
        Listener {
            protocol: Protocol::Lmtp,
            tls: TlsUse::Never,
            proxy: false,
            client_certificates: false,
        }
    }

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mailkeep-{name}-{}", std::process::id()))
    }

    fn ip(address: IpAddr, port: u16) -> Address {
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Address::Ip { address, port }
    }

    #[test]
    fn both_families_listen_at_one_port_without_meeting() {
        let any = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let all = [
            (listener(), ip("0.0.0.0".parse().unwrap(), port)),
            (listener(), ip("::".parse().unwrap(), port)),
        ];
        let bound = bind_all(&all, &[]).unwrap();
        assert!(bound.iter().all(|one| !one.local));
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let twice = bind_all(&all[..1], &[]).unwrap_err();
        assert_eq!(
            twice,
            Failure::Listener(format!("0.0.0.0:{port}"), Errno::ADDRINUSE)
        );
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let path = place("listener");
        let bytes = Bytes::new(path.as_os_str().as_encoded_bytes()).unwrap();
        let address = Address::Unix {
            path: bytes,
            mode: 0o600,
        };
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = bind_all(&[(listener(), address.clone())], &[]).unwrap();
        assert!(bound[0].local);
        assert_eq!(rustix::fs::stat(&path).unwrap().st_mode & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
        std::fs::write(&path, "somebody's").unwrap();
        assert!(bind_all(&[(listener(), address)], &[]).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn systemds_sockets_are_found_by_name_and_must_listen() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (connected, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let passed = [
            (b"imap".to_vec(), listening.into()),
            (b"odd".to_vec(), connected.into()),
        ];
        let find = |name: &str| {
            let name = Bytes::new(name).unwrap();
            bind_all(&[(listener(), Address::Systemd { name })], &passed)
        };
        assert_eq!(find("imap").unwrap().len(), 1);
        assert_eq!(
            find("odd").unwrap_err(),
            Failure::Listener("odd".into(), Errno::PROTOTYPE)
        );
        assert_eq!(
            find("pop").unwrap_err(),
            Failure::NoSuchSocket("pop".into())
        );
    }
}

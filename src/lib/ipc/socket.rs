//! What a passed descriptor must be before anybody talks through it.

use crate::identity::Cookie;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::os::fd::{AsFd, BorrowedFd};

/// Why a descriptor is not the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotASession {
    /// It is no socket at all.
    NoSocket(Errno),
    /// It is a socket of another family or type, or one that listens.
    WrongKind,
    /// It is not the socket that the ticket names.
    OtherCookie,
}

/// `SO_COOKIE` of a socket.
///
/// # Errors
/// As getsockopt(2).
pub fn cookie(socket: impl AsFd) -> Result<Cookie, Errno> {
    sockopt::socket_cookie(socket).map(Cookie)
}

/// The cookie of a descriptor that is one end of a Unix stream pair (a session that
/// `front` relays).
///
/// # Errors
/// [`NotASession`]: whoever passed it is at fault.
pub fn session(fd: impl AsFd) -> Result<Cookie, NotASession> {
    cookie_of(fd.as_fd(), SocketType::STREAM)
}

/// Checks that a descriptor is one end of a Unix stream pair (a session that
/// `front` relays) and has the cookie expected.
///
/// # Errors
/// [`NotASession`]: whoever passed it is at fault.
pub fn check_session(fd: impl AsFd, expected: Cookie) -> Result<(), NotASession> {
    check_unix(fd, SocketType::STREAM, expected)
}

/// Checks that a descriptor is one end of a Unix seqpacket pair (a delivery or
/// an admin task) and has the cookie expected.
///
/// # Errors
/// [`NotASession`]: whoever passed it is at fault.
pub fn check_task(fd: impl AsFd, expected: Cookie) -> Result<(), NotASession> {
    check_unix(fd, SocketType::SEQPACKET, expected)
}

fn check_unix(fd: impl AsFd, kind: SocketType, expected: Cookie) -> Result<(), NotASession> {
    match cookie_of(fd.as_fd(), kind) {
        Ok(cookie) if cookie == expected => Ok(()),
        Ok(_) => Err(NotASession::OtherCookie),
        Err(why) => Err(why),
    }
}

fn cookie_of(fd: BorrowedFd<'_>, kind: SocketType) -> Result<Cookie, NotASession> {
    let found = sockopt::socket_type(fd).map_err(NotASession::NoSocket)?;
    let family = sockopt::socket_domain(fd).map_err(NotASession::NoSocket)?;
    let listens = sockopt::socket_acceptconn(fd).map_err(NotASession::NoSocket)?;
    if found != kind || family != AddressFamily::UNIX || listens {
        return Err(NotASession::WrongKind);
    }
    cookie(fd).map_err(NotASession::NoSocket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_session_socket_keeps_its_cookie_across_a_copy() {
        let (a, b) = UnixStream::pair().unwrap();
        let expected = cookie(&a).unwrap();
        assert_eq!(check_session(a.try_clone().unwrap(), expected), Ok(()));
        assert_eq!(check_session(&b, expected), Err(NotASession::OtherCookie));
    }

    #[test]
    fn files_and_listening_and_foreign_sockets_are_no_sessions() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(
            check_session(&file, Cookie(1)),
            Err(NotASession::NoSocket(_))
        ));
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            check_session(&tcp, cookie(&tcp).unwrap()),
            Err(NotASession::WrongKind)
        );
        let directory = std::env::temp_dir().join(format!("ipc-listener-{}", std::process::id()));
        let listener = UnixListener::bind(&directory).unwrap();
        std::fs::remove_file(&directory).unwrap();
        assert_eq!(
            check_session(&listener, cookie(&listener).unwrap()),
            Err(NotASession::WrongKind)
        );
    }
}

//! Accepting, without ever spinning or holding one client up for another.

use crate::connection::Connection;
use crate::house::Shared;
use ipc::slice::Listener;
use rustix::io::Errno;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

/// How long accepting pauses when the process or the machine has no room for a
/// further connection. The listener stays readable then, and trying at once
/// would be a loop at full speed.
pub const PAUSE_MILLIS: u64 = 500;

/// Seconds of silence after which the kernel asks whether a client is still
/// there: half an hour's idle client is normal (RFC 9051 §5.4), and one that is
/// gone is noticed within the hour at the latest.
pub const KEEPALIVE_IDLE_SECONDS: u64 = 300;

/// Seconds between two such questions.
pub const KEEPALIVE_INTERVAL_SECONDS: u64 = 60;

/// Unanswered questions after which it is gone.
pub const KEEPALIVE_PROBES: u32 = 5;

/// Says of a listener what is to hold for its connections, which begin with its options
/// (Linux does so): one call each in a life, and not in each connection's.
///
/// # Errors
/// As setsockopt(2).
pub fn prepare(listener: impl AsFd) -> io::Result<()> {
    let listener = listener.as_fd();
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, Duration::from_secs(KEEPALIVE_IDLE_SECONDS))?;
    sockopt::set_tcp_keepintvl(listener, Duration::from_secs(KEEPALIVE_INTERVAL_SECONDS))?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Accepts for ever. Ended by dropping it.
pub async fn accept(socket: TcpListener, listener: Listener, shared: Rc<Shared>) {
    loop {
        match socket.accept().await {
            Ok((tcp, peer)) => admit(tcp, peer, &listener, &shared),
            Err(error) if is_exhausted(&error) => {
                tracing::error!(%error, "no room to accept; pausing");
                sleep(Duration::from_millis(PAUSE_MILLIS)).await;
            }
            // What else accept(2) reports is one client's misfortune.
            Err(error) => tracing::debug!(%error, "a client vanished before it was accepted"),
        }
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// At the limit the newcomer is closed at once: it learns so sooner than if it
/// waited in the backlog.
fn admit(tcp: TcpStream, peer: SocketAddr, listener: &Listener, shared: &Rc<Shared>) {
    let settings = shared.settings();
    let place = match shared.census.admit(settings.slice.connections_max) {
        Ok(place) => place,
        Err(full) => return tracing::debug!(%peer, ?full, "refused"),
    };
    let peers = Rc::clone(&shared.peers);
    let connection = Connection {
        listener: listener.clone(),
        peer,
        place,
        settings,
        peers,
    };
    spawn_local(async move {
        if let Err(why) = connection.serve(tcp).await {
            tracing::debug!(%peer, %why, "ended early");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_connection_is_prepared_as_its_listener_was() {
        for loopback in [
            Ipv4Addr::LOCALHOST.into(),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ] {
            let listener = std::net::TcpListener::bind((loopback, 0)).unwrap();
            prepare(&listener).unwrap();
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (tcp, _) = listener.accept().unwrap();
            assert!(!sockopt::tcp_nodelay(&client).unwrap());
            assert!(sockopt::tcp_nodelay(&tcp).unwrap());
            assert!(sockopt::socket_keepalive(&tcp).unwrap());
            let seconds = Duration::from_secs;
            assert_eq!(
                sockopt::tcp_keepidle(&tcp),
                Ok(seconds(KEEPALIVE_IDLE_SECONDS))
            );
            assert_eq!(
                sockopt::tcp_keepintvl(&tcp),
                Ok(seconds(KEEPALIVE_INTERVAL_SECONDS))
            );
            assert_eq!(sockopt::tcp_keepcnt(&tcp), Ok(KEEPALIVE_PROBES));
        }
    }
}

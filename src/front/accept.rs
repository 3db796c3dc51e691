//! Accepting, without ever spinning or holding one client up for another.

use crate::connection::Connection;
use crate::house::Shared;
use ipc::slice::Listener;
use rustix::io::Errno;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
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
    if let Err(error) = prepare(&tcp) {
        return tracing::debug!(%peer, %error, "a client vanished as it was accepted");
    }
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

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, Duration::from_secs(KEEPALIVE_IDLE_SECONDS))?;
    sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(KEEPALIVE_INTERVAL_SECONDS))?;
    sockopt::set_tcp_keepcnt(tcp, KEEPALIVE_PROBES)?;
    Ok(())
}

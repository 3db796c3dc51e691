//! The client's connection: TCP, with TLS over it or not.

use crate::tls::Handshake;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client.
pub enum Client {
    /// Cleartext.
    Clear(TcpStream),
    /// TLS, all the way from the first byte or from STARTTLS on.
    Tls(Box<TlsStream<Rewound>>),
}

impl Client {
    /// Makes the server's side of a handshake. `heard` are the client's first
    /// bytes of it, where they have been read already.
    ///
    /// # Errors
    /// Whatever the client did instead of a handshake; rustls has told it.
    pub async fn handshake(
        acceptor: &TlsAcceptor,
        tcp: TcpStream,
        heard: Vec<u8>,
    ) -> io::Result<(Self, Handshake)> {
        let stream = acceptor
            .accept(Rewound {
                heard,
                used: 0,
                tcp,
            })
            .await?;
        let handshake = Handshake::of(stream.get_ref().1);
        Ok((Self::Tls(Box::new(stream)), handshake))
    }
}

/// A TCP connection of which some bytes had been read before it was known what
/// they are.
pub struct Rewound {
    heard: Vec<u8>,
    used: usize,
    tcp: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = this.heard.get(this.used..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.tcp).poll_read(cx, buffer);
        }
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..taken).unwrap_or_default());
        this.used = this.used.saturating_add(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

//! The bytes of one connection: sent as they are, and heard as whole responses, a
//! line with its literals at a time.
//!
//! Nothing here knows what a response means. A wait always has an end.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one look at the socket waits: what can be said by others meanwhile is
/// seen this much later at most.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 1 << 16;

/// A stream in the clear or over TLS.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    heard: Vec<u8>,
    deflate: Option<(Box<CompressorOxide>, Box<InflateState>)>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects; with a certificate over TLS, trusting this one alone.
    ///
    /// # Errors
    /// In words, if nobody listens.
    pub fn connect(
        address: SocketAddr,
        certificate: Option<&CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let tcp = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        let set = tcp.set_read_timeout(Some(LOOK));
        set.and_then(|()| tcp.set_nodelay(true))
            .map_err(|error| error.to_string())?;
        let stream: Box<dyn Stream> = match certificate {
            Some(certificate) => Box::new(StreamOwned::new(tls(certificate)?, tcp)),
            None => Box::new(tcp),
        };
        Ok(Self {
            stream,
            heard: Vec::new(),
            deflate: None,
        })
    }

    /// From here on both sides compress (RFC 4978).
    pub fn deflate(&mut self) {
        // Raw, without zlib's header.
        let compressor = CompressorOxide::new(create_comp_flags_from_zip_params(1, -15, 0));
        let pair = (
            Box::new(compressor),
            InflateState::new_boxed(DataFormat::Raw),
        );
        self.deflate = Some(pair);
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// In words, if the connection is over.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.deflate {
            Some((deflate, _)) => self.stream.write_all(&compressed(deflate, bytes)?),
            None => self.stream.write_all(bytes),
        };
        sent.and_then(|()| self.stream.flush())
            .map_err(|error| format!("sending: {error}"))
    }

    /// The next response, with its last CRLF; none if none has come by then.
    ///
    /// # Errors
    /// In words, if the connection is over.
    pub fn hear(&mut self, until: Instant) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(end) = whole(&self.heard) {
                let rest = self.heard.split_off(end);
                return Ok(Some(std::mem::replace(&mut self.heard, rest)));
            }
            if !self.read()? && Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Whether anything has come.
    fn read(&mut self) -> Result<bool, String> {
        let mut bytes = vec![0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("the server has closed the connection".to_owned()),
            Ok(count) => {
                match &mut self.deflate {
                    Some((_, inflate)) => expand(inflate, &bytes[..count], &mut self.heard)?,
                    None => self.heard.extend_from_slice(&bytes[..count]),
                }
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(false),
                _ => Err(format!("reading: {error}")),
            },
        }
    }
}

fn compressed(compressor: &mut CompressorOxide, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (mut out, mut piece) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let done = deflate(compressor, bytes, &mut piece, MZFlush::Sync);
        out.extend_from_slice(&piece[..done.bytes_written]);
        bytes = &bytes[done.bytes_consumed..];
        match done.status {
            Ok(_) if bytes.is_empty() && done.bytes_written < piece.len() => return Ok(out),
            Err(MZError::Buf) => return Ok(out),
            Ok(_) => {}
            Err(error) => return Err(format!("compress: {error:?}")),
        }
    }
}

fn expand(state: &mut InflateState, mut bytes: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    let mut piece = vec![0; READ_BYTES];
    loop {
        let done = inflate(state, bytes, &mut piece, MZFlush::None);
        to.extend_from_slice(&piece[..done.bytes_written]);
        bytes = &bytes[done.bytes_consumed..];
        match done.status {
            Ok(_) if bytes.is_empty() && done.bytes_written < piece.len() => return Ok(()),
            Err(MZError::Buf) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(format!("compress: {error:?}")),
        }
    }
}

fn tls(certificate: &CertificateDer<'static>) -> Result<ClientConnection, String> {
    let words = |error: rustls::Error| error.to_string();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(words)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(words)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    ClientConnection::new(Arc::new(config), name).map_err(words)
}

/// Where the first response ends, if it is here whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line = from + memchr::memchr(b'\n', bytes.get(from..)?)?;
        match literal_at_end(&bytes[from..line]) {
            Some(length) if line + 1 + length <= bytes.len() => from = line + 1 + length,
            Some(_) => return None,
            None => return Some(line + 1),
        }
    }
}

/// How long the literal is that a line announces.
fn literal_at_end(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r")?.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', line)?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_response_ends_behind_its_last_literal() {
        assert_eq!(whole(b"* OK hello"), None);
        assert_eq!(whole(b"* OK hello\r\n* 1 EXISTS\r\n"), Some(12));
        assert_eq!(whole(b"* 1 FETCH (BODY[] {2}\r\n"), None);
        assert_eq!(whole(b"* 1 FETCH (BODY[] {2}\r\n\r\n"), None);
        let all = b"* 1 FETCH (BODY[] {2}\r\n\r\n UID 7)\r\n";
        assert_eq!(whole(all), Some(all.len()));
    }
}

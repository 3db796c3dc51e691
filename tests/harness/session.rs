//! A client's connection, in the clear or over TLS, line by line.

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long any answer may take before the test fails: longer than every deadline
/// of the set that ends a session (30 s for a hand-over).
pub const PATIENCE: Duration = Duration::from_secs(45);

/// What a client shows of itself.
#[derive(Debug)]
pub struct Own {
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// The certificate's key.
    pub key: PrivatePkcs8KeyDer<'static>,
}

/// A stream in either form.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A client's connection.
pub struct Session {
    stream: BufReader<Box<dyn Stream>>,
    tcp: TcpStream,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects in the clear.
    ///
    /// # Panics
    /// If nobody listens.
    #[must_use]
    pub fn clear(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address);
        Self::over(tcp.unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// Speaks over a connection that somebody else has made.
    ///
    /// # Panics
    /// If it is over already.
    #[must_use]
    pub fn over(tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(PATIENCE)).expect("a socket");
        tcp.set_write_timeout(Some(PATIENCE)).expect("a socket");
        tcp.set_nodelay(true).expect("a socket");
        let stream: Box<dyn Stream> = Box::new(tcp.try_clone().expect("a socket"));
        Self {
            stream: BufReader::new(stream),
            tcp,
        }
    }

    /// Connects over TLS, trusting this certificate alone.
    ///
    /// # Panics
    /// If nobody listens there.
    #[must_use]
    pub fn tls(address: SocketAddr, certificate: &CertificateDer<'static>) -> Self {
        Self::clear(address).start_tls(certificate)
    }

    /// Goes on over TLS (after STARTTLS).
    ///
    /// # Panics
    /// If something that was sent in the clear has not been read yet.
    #[must_use]
    pub fn start_tls(self, certificate: &CertificateDer<'static>) -> Self {
        self.through(client(certificate, None))
    }

    /// Goes on over TLS, and shows a certificate of its own if it has one. Tells what
    /// the connection exports for channel binding (RFC 9266).
    ///
    /// # Panics
    /// If something that was sent in the clear has not been read yet, or there is no
    /// handshake.
    #[must_use]
    pub fn start_tls_as(
        mut self,
        certificate: &CertificateDer<'static>,
        own: Option<Own>,
    ) -> (Self, [u8; 32]) {
        let mut client = client(certificate, own);
        client.complete_io(&mut self.tcp).expect("a handshake");
        let exported = client
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
            .expect("a finished handshake");
        (self.through(client), exported)
    }

    fn through(self, client: ClientConnection) -> Self {
        assert!(self.stream.buffer().is_empty(), "cleartext behind STARTTLS");
        let tcp = self.tcp.try_clone().expect("a socket");
        let stream: Box<dyn Stream> = Box::new(StreamOwned::new(client, tcp));
        Self {
            stream: BufReader::new(stream),
            tcp: self.tcp,
        }
    }

    /// Lets an answer take another time than [`PATIENCE`] before the test fails.
    ///
    /// # Panics
    /// Never: it is a socket.
    pub fn give_up_after(&self, time: Duration) {
        self.tcp.set_read_timeout(Some(time)).expect("a socket");
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the connection is over.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes)
            .unwrap_or_else(|error| panic!("sending: {error}"));
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Sends a line.
    pub fn line(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes());
    }

    /// The next line without its end; `None` when the connection is over.
    ///
    /// # Panics
    /// If nothing comes in time.
    pub fn read_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(
                String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            ),
            Err(error) if is_timeout(&error) => panic!("nothing came in time"),
            Err(_) => None,
        }
    }

    /// The next response as it came, with the literals in it, without its line end;
    /// `None` when the connection is over.
    ///
    /// # Panics
    /// If nothing comes in time.
    pub fn read_response(&mut self) -> Option<Vec<u8>> {
        let mut response = Vec::new();
        loop {
            match self.stream.read_until(b'\n', &mut response) {
                Ok(0) => return None,
                Err(error) if is_timeout(&error) => panic!("nothing came within {PATIENCE:?}"),
                Err(_) => return None,
                Ok(_) => {}
            }
            let Some(bytes) = literal_bytes(&response) else {
                let end = response.trim_ascii_end().len();
                response.truncate(end);
                return Some(response);
            };
            let literal = self.read_exact(bytes);
            response.extend_from_slice(&literal);
        }
    }

    /// So many bytes (a literal's).
    ///
    /// # Panics
    /// If fewer come.
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream
            .read_exact(&mut bytes)
            .unwrap_or_else(|error| panic!("reading {count} bytes: {error}"));
        bytes
    }

    /// All that comes until the connection is over.
    ///
    /// # Panics
    /// If it isn't over in time.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if is_timeout(&error) => panic!("the connection stays open"),
            _ => bytes,
        }
    }

    /// Sends an IMAP command and gives the lines up to its tagged answer, which
    /// is the last. Literals appear as lines.
    ///
    /// # Panics
    /// If the connection ends before the answer.
    pub fn command(&mut self, command: &str) -> Vec<String> {
        let tag = command.split(' ').next().unwrap_or_default();
        self.line(command);
        let mut lines = Vec::new();
        loop {
            let line = self
                .read_line()
                .unwrap_or_else(|| panic!("no answer to {command:?} but {lines:?}"));
            let answered = line.starts_with(&format!("{tag} "));
            lines.push(line);
            if answered {
                return lines;
            }
        }
    }

    /// Sends an IMAP command whose tagged answer must be OK.
    ///
    /// # Panics
    /// If it isn't.
    pub fn ok(&mut self, command: &str) -> Vec<String> {
        let lines = self.command(command);
        let tag = command.split(' ').next().unwrap_or_default();
        let good = lines
            .last()
            .is_some_and(|line| line.starts_with(&format!("{tag} OK")));
        assert!(good, "{command:?}: {lines:#?}");
        lines
    }

    /// Whether the peer has closed the connection, waited for.
    pub fn is_over(&mut self) -> bool {
        self.read_line().is_none()
    }
}

/// Bytes of the literal that a line announces at its end.
fn literal_bytes(line: &[u8]) -> Option<usize> {
    let head = line.strip_suffix(b"}\r\n")?;
    let brace = head.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&head[brace + 1..]).ok()?.parse().ok()
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}

/// One that trusts this certificate alone.
fn client(certificate: &CertificateDer<'static>, own: Option<Own>) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match own {
        Some(Own { certificate, key }) => config
            .with_client_auth_cert(vec![certificate], key.into())
            .expect("a key"),
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

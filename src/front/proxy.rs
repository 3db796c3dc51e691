//! PROXY protocol version 2, binary: who is behind the proxy that connected.
//!
//! The layout is that of HAProxy's proxy-protocol.txt, section 2.2. The text
//! form (version 1) is refused: it has no length, so a reader could take a byte
//! too many. Nothing is read beyond the header, since TLS begins right behind.
//! Whether the peer may say such a thing at all is decided before, by its
//! address.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the part that every header has.
pub const PREAMBLE_BYTES: usize = 16;

/// Bytes behind the preamble. Addresses are 36 at most; extensions that proxies
/// send (TLS facts, names, checksums) fit well below.
pub const BODY_BYTES_MAX: usize = 2048;

/// Whom a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The proxy itself, for instance to see whether we are alive.
    Proxy,
    /// A client, as the proxy saw it.
    Client(SocketAddr),
}

/// What a proxy did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not begin with the signature of version 2.
    NoSignature,
    /// The version is not 2, or the command neither LOCAL nor PROXY.
    UnknownCommand,
    /// The connection behind it is not TCP over IPv4 or IPv6.
    UnknownFamily,
    /// The body is longer than anything that we know of.
    TooLong,
    /// The body is too short for its addresses, or its extensions end elsewhere
    /// than the body.
    Torn,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSignature => "the peer sent no PROXY header of version 2",
            Self::UnknownCommand => "the PROXY header has an unknown version or command",
            Self::UnknownFamily => "the PROXY header names no TCP over IPv4 or IPv6",
            Self::TooLong => "the PROXY header is too long",
            Self::Torn => "the PROXY header's length does not fit its content",
        })
    }
}

/// The first sixteen bytes, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    command: Command,
    family: u8,
    /// How many bytes follow.
    pub length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

impl Preamble {
    /// ```text
    /// preamble  = signature command family length
    /// signature = %x0D.0A.0D.0A.00.0D.0A.51.55.49.54.0A
    /// command   = %x20 / %x21       ; version 2; LOCAL, PROXY
    /// family    = OCTET
    /// length    = 2OCTET            ; of what follows, big-endian
    /// ```
    ///
    /// # Errors
    /// [`Refusal`]: the proxy is at fault.
    pub fn parse(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Self, Refusal> {
        let [signature @ .., command, family, high, low] = bytes;
        if *signature != SIGNATURE {
            return Err(Refusal::NoSignature);
        }
        let command = match command {
            0x20 => Command::Local,
            0x21 => Command::Proxy,
            _ => return Err(Refusal::UnknownCommand),
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > BODY_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        Ok(Self {
            command,
            family: *family,
            length,
        })
    }

    /// Whom the connection is for, by the body: exactly `length` bytes.
    ///
    /// ```text
    /// body      = addresses *extension
    /// addresses = 4OCTET 4OCTET port port        ; family %x11: source, destination
    ///           / 16OCTET 16OCTET port port      ; family %x21
    /// port      = 2OCTET
    /// ```
    ///
    /// With LOCAL, whatever follows is passed over, as section 2.2 demands.
    ///
    /// # Errors
    /// [`Refusal`]: the proxy is at fault.
    pub fn source(&self, body: &[u8]) -> Result<Source, Refusal> {
        const TCP_OVER_IPV4: u8 = 0x11;
        const TCP_OVER_IPV6: u8 = 0x21;
        match (self.command, self.family) {
            (Command::Local, _) => Ok(Source::Proxy),
            (Command::Proxy, TCP_OVER_IPV4) => ipv4(body),
            (Command::Proxy, TCP_OVER_IPV6) => ipv6(body),
            (Command::Proxy, _) => Err(Refusal::UnknownFamily),
        }
    }
}

fn ipv4(body: &[u8]) -> Result<Source, Refusal> {
    let (addresses, extensions) = body.split_first_chunk::<12>().ok_or(Refusal::Torn)?;
    check_extensions(extensions)?;
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
    let port = u16::from_be_bytes([high, low]);
    Ok(Source::Client((Ipv4Addr::new(a, b, c, d), port).into()))
}

fn ipv6(body: &[u8]) -> Result<Source, Refusal> {
    let (source, rest) = body.split_first_chunk::<16>().ok_or(Refusal::Torn)?;
    let (_destination, rest) = rest.split_first_chunk::<16>().ok_or(Refusal::Torn)?;
    let (ports, extensions) = rest.split_first_chunk::<4>().ok_or(Refusal::Torn)?;
    check_extensions(extensions)?;
    let [high, low, _, _] = *ports;
    let address = Ipv6Addr::from(*source).to_canonical();
    Ok(Source::Client(
        (address, u16::from_be_bytes([high, low])).into(),
    ))
}

/// ```text
/// extension = type length *OCTET
/// type      = OCTET
/// length    = 2OCTET            ; of the octets, big-endian
/// ```
///
/// We use none of them, but one that reaches beyond the header would mean that
/// we and the proxy disagree about where the client's first byte is.
fn check_extensions(mut rest: &[u8]) -> Result<(), Refusal> {
    while !rest.is_empty() {
        let [_, high, low, tail @ ..] = rest else {
            return Err(Refusal::Torn);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = tail.get(length..).ok_or(Refusal::Torn)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn parse(header: &[u8]) -> Result<Source, Refusal> {
        let (preamble, body) = header.split_first_chunk().ok_or(Refusal::Torn)?;
        let preamble = Preamble::parse(preamble)?;
        preamble.source(body.get(..preamble.length).ok_or(Refusal::Torn)?)
    }

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    fn body(client: SocketAddr, extensions: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut body = match client.ip() {
            IpAddr::V4(ip) => [ip.octets(), [10, 0, 0, 1]].concat(),
            IpAddr::V6(ip) => [ip.octets(), [1; 16]].concat(),
        };
        body.extend(client.port().to_be_bytes());
        body.extend(993_u16.to_be_bytes());
        for (kind, value) in extensions {
            body.push(*kind);
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(value);
        }
        body
    }

    fn proxied(client: SocketAddr, extensions: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let family = if client.is_ipv4() { 0x11 } else { 0x21 };
        header(0x21, family, &body(client, extensions))
    }

    fn extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        prop::collection::vec(
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..100)),
            0..5,
        )
    }

    proptest! {
        #[test]
        fn the_client_that_the_proxy_names_is_found(client: SocketAddr, extensions in extensions()) {
            let expected = SocketAddr::new(client.ip().to_canonical(), client.port());
            prop_assert_eq!(parse(&proxied(client, &extensions)), Ok(Source::Client(expected)));
        }

        #[test]
        fn a_body_cut_anywhere_inside_a_field_is_torn(client: SocketAddr, cut: prop::sample::Index) {
            let whole = body(client, &[(4, vec![0; 30])]);
            let family = if client.is_ipv4() { 0x11 } else { 0x21 };
            let kept = cut.index(whole.len());
            // Without its only extension the body is whole again.
            if kept != whole.len() - 33 {
                let cut = header(0x21, family, &whole[..kept]);
                prop_assert_eq!(parse(&cut), Err(Refusal::Torn));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_need_the_signature(bytes: Vec<u8>) {
            if parse(&bytes).is_ok() {
                prop_assert!(bytes.starts_with(&SIGNATURE));
            }
        }

        #[test]
        fn bytes_behind_the_signature_never_panic(rest in prop::collection::vec(any::<u8>(), 4..300)) {
            let _ = parse(&[&SIGNATURE[..], &rest].concat());
        }

        #[test]
        fn a_local_connection_is_the_proxys_own(family: u8, body in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(parse(&header(0x20, family, &body)), Ok(Source::Proxy));
        }
    }

    #[test]
    fn the_text_form_is_refused() {
        let text = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 993\r\n";
        assert_eq!(parse(text), Err(Refusal::NoSignature));
    }

    #[test]
    fn every_other_command_and_family_is_refused() {
        let client = "192.0.2.1:5".parse().unwrap();
        for command in (0..=255).filter(|command| ![0x20, 0x21].contains(command)) {
            let header = header(command, 0x11, &body(client, &[]));
            assert_eq!(parse(&header), Err(Refusal::UnknownCommand));
        }
        for family in (0..=255).filter(|family| ![0x11, 0x21].contains(family)) {
            let header = header(0x21, family, &body(client, &[]));
            assert_eq!(parse(&header), Err(Refusal::UnknownFamily));
        }
    }

    #[test]
    fn a_body_above_the_maximum_is_refused_before_it_is_read() {
        let mut preamble = *header(0x21, 0x11, &[]).first_chunk().unwrap();
        for length in [BODY_BYTES_MAX + 1, usize::from(u16::MAX)] {
            let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
            (preamble[14], preamble[15]) = (high, low);
            assert_eq!(Preamble::parse(&preamble), Err(Refusal::TooLong));
        }
    }
}

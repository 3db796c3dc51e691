//! What the strings of the file may say: times, sizes, addresses, networks,
//! domains, paths, folder names, and one word of several.
//!
//! Each function takes one string and answers with a value or an [`Objection`];
//! none looks at the machine.

use crate::mistake::{Objection, quote};
use crate::nearest::nearest;
use ipc::Bytes;
use ipc::edge::config::{Address, PATH_BYTES_MAX};
use ipc::slice::{DOMAIN_BYTES_MAX, NOTICE_BYTES_MAX, Network};
use std::net::{IpAddr, SocketAddr};

/// Bytes of a Unix socket's path: sun_path less its NUL (unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Bytes of a folder's name, as in `ipc::slice::Folder`.
const FOLDER_BYTES_MAX: usize = 1024;

/// Seconds in each unit of time.
const SECONDS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)];

/// Milliseconds in each unit of short times.
const MILLISECONDS: [(&str, u64); 3] = [("ms", 1), ("s", 1000), ("min", 60_000)];

/// Bytes in each unit of size.
const BYTES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A time such as `30 s` or `5 min`, in seconds.
pub fn seconds(text: &str) -> Result<u64, Objection> {
    amount(text, &SECONDS, "30 s")
}

/// A short time such as `100 ms`, in milliseconds.
pub fn milliseconds(text: &str) -> Result<u64, Objection> {
    amount(text, &MILLISECONDS, "100 ms")
}

/// A size such as `50 MiB`, in bytes.
pub fn bytes(text: &str) -> Result<u64, Objection> {
    amount(text, &BYTES, "50 MiB")
}

/// amount = 1*DIGIT *SP unit
fn amount(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, Objection> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim());
    let value = number
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(number, (_, factor))| number.checked_mul(*factor));
    value.ok_or_else(|| {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        Objection::new(
            format!("{} is not a number and a unit", quote(text)),
            format!(
                "write for instance \"{example}\"; the units are {}",
                names.join(", ")
            ),
        )
    })
}

/// One of these words.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Objection> {
    let found = words.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        Objection::new(
            format!("{} is not a word that is known here", quote(text)),
            one_of(text, &names),
        )
    })
}

/// The suggestion to use one of these names.
pub fn one_of(text: &str, names: &[&str]) -> String {
    match nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("the words are: {}", names.join(", ")),
    }
}

/// An absolute path.
pub fn path<const MAX: usize>(text: &str) -> Result<Bytes<MAX>, Objection> {
    if !text.starts_with('/') || text.contains('\0') {
        return Err(Objection::new(
            format!("{} is not an absolute path", quote(text)),
            "begin it with /",
        ));
    }
    Bytes::new(text).map_err(|_| {
        Objection::new(
            format!("the path is longer than {MAX} bytes"),
            "choose a shorter one",
        )
    })
}

/// The path of a Unix socket.
pub fn socket_path(text: &str) -> Result<Bytes<PATH_BYTES_MAX>, Objection> {
    path::<SOCKET_PATH_BYTES_MAX>(text)
        .and_then(|short| path(&String::from_utf8_lossy(short.as_slice())))
}

/// A listener's address:
/// address = IPv4 ":" port / "[" IPv6 "]" ":" port / path / "systemd:" name
pub fn address(text: &str) -> Result<Address, Objection> {
    if text.starts_with('/') {
        let path = socket_path(text)?;
        return Ok(Address::Unix { path, mode: 0o666 });
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        return systemd_name(name);
    }
    let socket: SocketAddr = text.parse().map_err(|_| {
        Objection::new(
            format!("{} is not an address to listen at", quote(text)),
            "write \"127.0.0.1:143\", \"[::]:993\", \"/run/…\" or \"systemd:NAME\"",
        )
    })?;
    if socket.port() == 0 {
        return Err(Objection::new(
            "port 0 is no port",
            "name one from 1 to 65535",
        ));
    }
    Ok(Address::Ip {
        address: mapped(socket.ip()),
        port: socket.port(),
    })
}

/// A name as FileDescriptorName= of systemd.socket(5) allows it.
fn systemd_name(name: &str) -> Result<Address, Objection> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    let fits = !name.is_empty() && name.bytes().all(plain);
    Bytes::new(name)
        .ok()
        .filter(|_| fits)
        .map(|name| Address::Systemd { name })
        .ok_or_else(|| {
            Objection::new(
                format!("{} is not a name of a systemd socket", quote(name)),
                "write the FileDescriptorName= of its .socket unit",
            )
        })
}

/// A network: address "/" prefix, or one address alone.
pub fn network(text: &str) -> Result<Network, Objection> {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let objection = || {
        Objection::new(
            format!("{} is not a network", quote(text)),
            "write for instance \"10.1.0.0/16\" or \"2001:db8::/32\"",
        )
    };
    let address: IpAddr = address.parse().map_err(|_| objection())?;
    let (width, before) = match address {
        IpAddr::V4(_) => (32, 96),
        IpAddr::V6(_) => (128, 0),
    };
    let prefix: u8 = match prefix {
        "" if !text.contains('/') => width,
        digits => digits.parse().map_err(|_| objection())?,
    };
    if prefix > width {
        return Err(objection());
    }
    let network = Network {
        address: mapped(address),
        prefix: prefix + before,
    };
    whole(network, text)
}

/// A network's address has no bits beyond its prefix.
fn whole(network: Network, text: &str) -> Result<Network, Objection> {
    let beyond = u128::MAX
        .checked_shr(u32::from(network.prefix))
        .unwrap_or(0);
    if u128::from_be_bytes(network.address) & beyond == 0 {
        return Ok(network);
    }
    Err(Objection::new(
        format!("{} has bits beyond its prefix", quote(text)),
        "write the network's first address",
    ))
}

/// IPv4 is mapped into IPv6 (RFC 4291 §2.5.5.2).
fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A domain in the one form in which domains are compared: lower-case A-labels
/// (RFC 5890 §2.3.2.1) without a final dot.
pub fn domain(text: &str) -> Result<Bytes<DOMAIN_BYTES_MAX>, Objection> {
    let object = |suggestion: &str| {
        Err(Objection::new(
            format!("{} is not a domain of lower-case A-labels", quote(text)),
            suggestion,
        ))
    };
    let lower = text.to_ascii_lowercase();
    if !text.is_ascii() {
        return object(
            "write each label with other letters than a to z as its A-label (\"xn--…\")",
        );
    }
    if !lower.split('.').all(is_label) || text.len() > 253 {
        return object("write labels of letters, digits and hyphens, with dots between them");
    }
    if lower != text {
        return object(&format!("write \"{lower}\""));
    }
    Bytes::new(text).or_else(|_| object("no domain is longer than 253 characters"))
}

/// label = let-dig *61(let-dig / "-") let-dig   (RFC 1035 §2.3.1, RFC 1123 §2.1)
fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What separates the detail in `user+detail`: one character, or nothing.
pub fn separator(text: &str) -> Result<Option<u8>, Objection> {
    match text.as_bytes() {
        [] => Ok(None),
        [byte] if b"+-_=#%".contains(byte) => Ok(Some(*byte)),
        _ => Err(Objection::new(
            format!("{} can't separate a detail from a name", quote(text)),
            "write one of + - _ = # %, or \"\" for no details",
        )),
    }
}

/// A folder's name: components between slashes, none of them empty, no control
/// characters, not INBOX itself.
pub fn folder(text: &str) -> Result<Bytes<FOLDER_BYTES_MAX>, Objection> {
    let object = |why: &str| {
        Err(Objection::new(
            format!("{} can't be a folder's name: {why}", quote(text)),
            "write for instance \"Sent\" or \"Lists/Security\"",
        ))
    };
    if text.chars().any(char::is_control) {
        return object("it has a control character");
    }
    if text.split('/').any(str::is_empty) {
        return object("a component is empty");
    }
    if text.eq_ignore_ascii_case("INBOX") {
        return object("every account has INBOX already");
    }
    Bytes::new(text).or_else(|_| object("it is too long"))
}

/// A URI (RFC 3986 §3): a scheme, a colon, and something behind it.
pub fn uri(text: &str) -> Result<Bytes<NOTICE_BYTES_MAX>, Objection> {
    let object = |why: &str| {
        Err(Objection::new(
            format!("{} is not a URI: {why}", quote(text)),
            "write for instance \"mailto:postmaster@example.org\"",
        ))
    };
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(in_scheme)
    {
        return object("it begins with no scheme");
    }
    if rest.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return object("other characters than printable ASCII are written as %XX");
    }
    Bytes::new(text).or_else(|_| object("it is too long"))
}

/// A line for people.
pub fn note(text: &str) -> Result<Bytes<NOTICE_BYTES_MAX>, Objection> {
    let object = |why: &str| {
        Err(Objection::new(
            format!("this can't be told to everybody: {why}"),
            "write one line of text",
        ))
    };
    if text.chars().any(char::is_control) {
        return object("it has a control character");
    }
    Bytes::new(text).or_else(|_| object("it is longer than 1024 bytes"))
}

/// Whether only this machine can reach the address.
pub fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Ip { address, .. } => {
            let ip = std::net::Ipv6Addr::from(*address);
            ip.to_canonical().is_loopback()
        }
        Address::Unix { .. } => true,
        Address::Systemd { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_have_a_unit_and_fit() {
        assert_eq!(seconds("5 min"), Ok(300));
        assert_eq!(seconds("2h"), Ok(7200));
        assert_eq!(milliseconds("100 ms"), Ok(100));
        assert_eq!(bytes("50 MiB"), Ok(50 << 20));
        for wrong in [
            "",
            "5",
            "min",
            "5 m",
            "-5 s",
            "99999999999999999999 s",
            "18446744073709551615 GiB",
        ] {
            assert!(seconds(wrong).is_err() && bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_word_that_is_nearly_right_is_suggested() {
        let words = [("starttls", 1), ("immediate", 2)];
        assert_eq!(word("immediate", &words), Ok(2));
        let objection = word("start-tls", &words).unwrap_err();
        assert_eq!(objection.suggestion, "did you mean \"starttls\"?");
    }

    #[test]
    fn addresses_name_a_family_a_path_or_systemds_name() {
        let v4 = Address::Ip {
            address: "::ffff:127.0.0.1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
            port: 143,
        };
        assert_eq!(address("127.0.0.1:143"), Ok(v4.clone()));
        assert!(is_loopback(&v4));
        assert!(is_loopback(&address("[::1]:143").unwrap()));
        assert!(!is_loopback(&address("[::]:143").unwrap()));
        assert!(matches!(
            address("/run/x"),
            Ok(Address::Unix { mode: 0o666, .. })
        ));
        assert!(matches!(
            address("systemd:imap"),
            Ok(Address::Systemd { .. })
        ));
        let long = format!("/{}", "x".repeat(107));
        for wrong in [
            "143",
            "localhost:143",
            "::1:143x",
            "1.2.3.4:0",
            "run/x",
            "systemd:",
            "systemd:a:b",
            &long,
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_count_their_prefix_in_the_mapped_address() {
        assert_eq!(network("10.0.0.0/8").unwrap().prefix, 104);
        assert_eq!(network("192.0.2.1").unwrap().prefix, 128);
        assert_eq!(network("2001:db8::/32").unwrap().prefix, 32);
        assert_eq!(network("::/0").unwrap().prefix, 0);
        for wrong in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::/129",
            "x/8",
            "10.0.0.0/-1",
        ] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_domain_is_written_as_it_is_compared() {
        assert!(domain("example.org").is_ok());
        assert!(domain("xn--bcher-kva.example").is_ok());
        let objection = domain("Example.ORG").unwrap_err();
        assert_eq!(objection.suggestion, "write \"example.org\"");
        let long = format!("{}.org", "x".repeat(64));
        for wrong in [
            "",
            ".",
            "example.",
            "bücher.example",
            "a b",
            "-a.org",
            "a-.org",
            "a..b",
            &long,
        ] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_uri_has_a_scheme_and_a_note_is_one_line() {
        for good in ["mailto:p@example.org", "tel:+1-201-555-0123", "HTTPS://x"] {
            assert_eq!(uri(good).unwrap().as_slice(), good.as_bytes());
        }
        let long = format!("mailto:{}", "x".repeat(NOTICE_BYTES_MAX));
        for wrong in [
            "", "x", ":x", "mailto:", "1a:x", "m o:x", "m:a b", "m:ä", &long,
        ] {
            assert!(uri(wrong).is_err(), "{wrong}");
        }
        assert!(note("Wartung am Sonntag, 3 Uhr früh").is_ok());
        for wrong in ["two\nlines", "a\u{85}b", &long] {
            assert!(note(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_has_no_empty_component_and_is_not_inbox() {
        assert!(folder("Entwürfe/2026").is_ok());
        for wrong in ["", "/a", "a/", "a//b", "inbox", "a\u{7}"] {
            assert!(folder(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_objection(text: String) {
            let _ = (seconds(&text), milliseconds(&text), bytes(&text), address(&text), network(&text));
            let _ = (domain(&text), folder(&text), separator(&text), socket_path(&text));
        }

        #[test]
        fn what_a_network_prints_is_that_network(address: u32, prefix in 0u8..=32) {
            let first = address & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let text = format!("{}/{prefix}", std::net::Ipv4Addr::from(first));
            prop_assert!(network(&text).unwrap().contains(std::net::Ipv4Addr::from(address).into()));
        }
    }
}

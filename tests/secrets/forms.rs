//! The forms in which a secret may stand somewhere: whole or half, encoded or not,
//! forwards or backwards.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::memory::Needle;

/// Bytes of a piece that is looked for: half a password.
pub const HALF_BYTES: usize = 12;

/// A password that stands nowhere else on the machine.
pub fn canary() -> String {
    let bytes: [u8; 2 * HALF_BYTES] = ipc::identity::random().expect("random bytes");
    let letter = |byte: u8| char::from(b'A' + byte % 26);
    bytes.into_iter().map(letter).collect()
}

/// Both halves of a password, as it is and within a SASL message, wherever it begins
/// there.
pub fn password(password: &str) -> Vec<Needle> {
    let mut needles = halves("password", password.as_bytes());
    for before in 0..3 {
        let message = [&vec![0; before], password.as_bytes()].concat();
        let encoded = STANDARD.encode(&message);
        // The characters that no neighbour of the password has a part in.
        let own = (before * 8).div_ceil(6)..message.len() * 8 / 6;
        needles.extend(halves("base64", &encoded.as_bytes()[own]));
    }
    needles
}

fn halves(name: &str, bytes: &[u8]) -> Vec<Needle> {
    let end = bytes.len() - HALF_BYTES;
    vec![
        Needle::new(&format!("{name}, begin"), &bytes[..HALF_BYTES]),
        Needle::new(&format!("{name}, end"), &bytes[end..]),
    ]
}

/// The private key of a PEM file: its text line by line, the number itself, and what
/// `ring` makes of it to compute with; numbers both ways around, for in memory they
/// stand with the lowest byte first.
pub fn key(pem: &str) -> Vec<Needle> {
    let lines = pem.lines().filter(|line| !line.starts_with("---"));
    let text: String = lines.clone().collect();
    let mut needles: Vec<Needle> = lines
        .filter(|line| line.len() >= HALF_BYTES)
        .flat_map(|line| halves("PEM", line.as_bytes()))
        .collect();
    let der = STANDARD.decode(text).expect("base64");
    let number = scalar(&der);
    for (name, number) in [("the number", number), ("Montgomery's", montgomery(number))] {
        needles.extend(halves(name, &number));
        let reversed: Vec<u8> = number.into_iter().rev().collect();
        needles.extend(halves(&format!("{name}, reversed"), &reversed));
    }
    needles
}

/// The order of P-256's group (SEC 2, section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The number times 2^256, modulo the order: 256 doublings.
fn montgomery(number: [u8; 32]) -> [u8; 32] {
    (0..256).fold(number, |number, _| doubled(number))
}

fn doubled(number: [u8; 32]) -> [u8; 32] {
    let (mut double, mut carry) = ([0; 32], 0);
    for (to, from) in double.iter_mut().zip(number).rev() {
        *to = (from << 1) | carry;
        carry = from >> 7;
    }
    match carry == 1 || double >= ORDER {
        true => less_the_order(double),
        false => double,
    }
}

fn less_the_order(number: [u8; 32]) -> [u8; 32] {
    let (mut less, mut borrow) = ([0; 32], false);
    for (to, (from, order)) in less.iter_mut().zip(number.into_iter().zip(ORDER)).rev() {
        let (difference, below) = from.overflowing_sub(order);
        let (difference, further) = difference.overflowing_sub(borrow.into());
        (*to, borrow) = (difference, below || further);
    }
    less
}

/// `ECPrivateKey ::= SEQUENCE { version INTEGER (1), privateKey OCTET STRING, ...`
/// (RFC 5915 §3), within PKCS #8.
fn scalar(der: &[u8]) -> [u8; 32] {
    let head = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = memchr::memmem::find(der, &head).expect("a key of P-256");
    der[at + head.len()..][..32].try_into().expect("32 bytes")
}

/// A password's hash as Dovecot's `{SSHA512}` has it: hash, then salt.
pub struct Hash {
    /// In base64.
    pub text: String,
    bytes: Vec<u8>,
}

/// A hash of nothing in particular.
pub fn hash() -> Hash {
    let bytes: [u8; 64 + 8] = ipc::identity::random().expect("random bytes");
    let text = STANDARD.encode(bytes);
    let bytes = bytes[..64].to_vec();
    Hash { text, bytes }
}

impl Hash {
    /// As it was imported.
    pub fn as_text(&self) -> Vec<Needle> {
        halves("text", self.text.as_bytes())
    }

    /// As it is kept.
    pub fn as_bytes(&self) -> Vec<Needle> {
        halves("hash", &self.bytes)
    }
}

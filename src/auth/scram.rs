//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 9266): the server's side
//! of one exchange, without a table, a clock or randomness.
//!
//! Invariants: what is kept of a password proves it and can't be used to log in;
//! the client's word on channel binding is held against `front`'s facts, so who
//! strips it is found out; both sides have signed every byte of both first
//! messages, so who changes one is, too; proofs are compared in constant time.

use crate::prepared::prepared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac_sha256::{HMAC, Hash};
use ipc::record;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Iterations for new keys, which each client computes at each login. RFC 7677
/// wants 4096 at least, and more is better: whoever steals the table tries
/// passwords at this price. It is the highest that Cyrus SASL's clients accept,
/// and costs a telephone some 50 ms.
pub const ITERATIONS: u32 = 65_536;

/// Bytes of one message of a client's: as many as Cyrus SASL's server takes. An
/// address of 320 bytes, all escaped, and once more to act as, fits; so that four
/// thousand open exchanges take some 25 MiB.
pub const MESSAGE_BYTES_MAX: usize = 2048;

/// Bytes of a salt: as many as Argon2id's.
const SALT_BYTES: usize = 16;

/// Bytes of our half of a nonce: 24 characters, which nobody guesses.
pub const NONCE_BYTES: usize = 18;

/// The one kind of channel binding that TLS 1.3 has (RFC 9266).
const BINDING_TYPE: &[u8] = b"tls-exporter";

/// What the TLS connection exports for it.
pub type Exporter = [u8; 32];

record! {
    /// What is kept of a password (RFC 5802, section 3). Never printed: with the server
    /// key one can play the server, with either try passwords.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Keys {
        iterations: u32,
        salt: [u8; SALT_BYTES],
        stored_key: [u8; 32],
        server_key: [u8; 32],
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// From a password, as it was typed, and a fresh salt.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self::at(ITERATIONS, password, salt)
    }

    fn at(iterations: u32, password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        let salted = hi(&prepared(password), salt, iterations);
        let client_key = Zeroizing::new(HMAC::mac(b"Client Key", *salted));
        Self {
            iterations,
            salt,
            stored_key: Hash::hash(client_key.as_slice()),
            server_key: HMAC::mac(b"Server Key", *salted),
        }
    }

    /// For a name that has none: always the same, so that nobody learns from them
    /// that it has none. No password belongs to them.
    #[must_use]
    pub fn decoy(key: &[u8; 32], name: &[u8]) -> Self {
        let drawn = |what: &[u8]| HMAC::mac([what, name].concat(), key);
        let mut salt = [0; SALT_BYTES];
        salt.iter_mut()
            .zip(drawn(b"salt "))
            .for_each(|(to, from)| *to = from);
        Self {
            iterations: ITERATIONS,
            salt,
            stored_key: drawn(b"stored key "),
            server_key: drawn(b"server key "),
        }
    }
}

/// `Hi(str, salt, i)` (RFC 5802, section 2.2), which is PBKDF2 with one block.
fn hi(password: &[u8], salt: [u8; SALT_BYTES], iterations: u32) -> Zeroizing<[u8; 32]> {
    let keyed = HMAC::new(password);
    let step = |from: &[u8]| {
        let mut mac = keyed.clone();
        mac.update(from);
        mac.finalize()
    };
    let mut last = Zeroizing::new(step(&[salt.as_slice(), &[0, 0, 0, 1]].concat()));
    let mut sum = last.clone();
    for _ in 1..iterations {
        *last = step(last.as_slice());
        sum.iter_mut().zip(*last).for_each(|(to, with)| *to ^= with);
    }
    sum
}

/// Why an exchange failed (RFC 5802, section 7, `server-error-value`). None of
/// them depends on whether the name is anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It doesn't know the password, or the name is nobody's.
    InvalidProof,
    /// It is bound to another TLS connection than ours: somebody sits between.
    BindingsDontMatch,
    /// It believes that we have no channel binding, and we have: somebody has
    /// taken -PLUS out of the announcement.
    ServerDoesSupportBinding,
    /// It wants a binding by a mechanism, or on a connection, without.
    BindingNotSupported,
    /// It wants another kind of binding.
    UnsupportedBindingType,
    /// It demands an extension.
    ExtensionsNotSupported,
    /// A name is not in the form that it must have.
    InvalidUserName,
    /// Not a message of this mechanism.
    InvalidEncoding,
    /// A nonce that isn't ours, or a gs2 header that isn't the first one.
    Other,
}

impl Failure {
    /// The server's last message, `"e=" server-error-value`.
    #[must_use]
    pub fn message(self) -> &'static [u8] {
        match self {
            Self::InvalidProof => b"e=invalid-proof",
            Self::BindingsDontMatch => b"e=channel-bindings-dont-match",
            Self::ServerDoesSupportBinding => b"e=server-does-support-channel-binding",
            Self::BindingNotSupported => b"e=channel-binding-not-supported",
            Self::UnsupportedBindingType => b"e=unsupported-channel-binding-type",
            Self::ExtensionsNotSupported => b"e=extensions-not-supported",
            Self::InvalidUserName => b"e=invalid-username-encoding",
            Self::InvalidEncoding => b"e=invalid-encoding",
            Self::Other => b"e=other-error",
        }
    }
}

/// What a client says of channel binding (`gs2-cbind-flag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding<'a> {
    /// `n`: it can't.
    Cannot,
    /// `y`: it could, and thinks that we can't.
    CouldIfWeCould,
    /// `p`: by this.
    By(&'a [u8]),
}

/// The client's first message.
#[derive(Debug, PartialEq, Eq)]
pub struct First<'a> {
    binding: Binding<'a>,
    /// With both its commas.
    gs2_header: &'a [u8],
    bare: &'a [u8],
    nonce: &'a [u8],
    /// Whom to act as; empty: as the one who authenticates.
    pub authzid: Vec<u8>,
    /// Who authenticates.
    pub user: Vec<u8>,
}

impl<'a> First<'a> {
    /// `client-first-message = gs2-header [reserved-mext ","] username "," nonce
    /// ["," extensions]`
    ///
    /// # Errors
    /// [`Failure`].
    pub fn read(message: &'a [u8]) -> Result<Self, Failure> {
        is_text(message)?;
        let (flag, rest) = split(message)?;
        let (authzid, bare) = split(rest)?;
        let gs2_header = message
            .get(..message.len().saturating_sub(bare.len()))
            .unwrap_or_default();
        let mut attributes = bare.split(|byte| *byte == b',');
        let user = value(b'n', attributes.next())?;
        let nonce = value(b'r', attributes.next())?;
        extensions(attributes)?;
        Ok(Self {
            binding: binding(flag)?,
            gs2_header,
            bare,
            nonce: is_nonce(nonce)?,
            authzid: match authzid {
                b"" => Vec::new(),
                given => name(value(b'a', Some(given))?)?,
            },
            user: name(user)?,
        })
    }

    /// What the exchange is bound to, if to anything: by the mechanism that was
    /// chosen, and by what `front` knows of the TLS connection.
    ///
    /// # Errors
    /// [`Failure`], also where somebody has stripped what we announced.
    pub fn bound_to(
        &self,
        plus: bool,
        exporter: Option<Exporter>,
    ) -> Result<Option<Exporter>, Failure> {
        match (self.binding, plus, exporter) {
            (Binding::By(BINDING_TYPE), true, Some(exporter)) => Ok(Some(exporter)),
            (Binding::By(BINDING_TYPE), _, _) => Err(Failure::BindingNotSupported),
            (Binding::By(_), true, _) => Err(Failure::UnsupportedBindingType),
            (Binding::By(_), false, _) => Err(Failure::BindingNotSupported),
            (_, true, _) => Err(Failure::Other),
            (Binding::CouldIfWeCould, false, Some(_)) => Err(Failure::ServerDoesSupportBinding),
            (Binding::CouldIfWeCould | Binding::Cannot, false, _) => Ok(None),
        }
    }

    /// Our first message, and what waits for the client's last.
    #[must_use]
    pub fn challenge(
        &self,
        keys: Keys,
        bound_to: Option<Exporter>,
        ours: [u8; NONCE_BYTES],
    ) -> (Challenged, Vec<u8>) {
        let nonce = [self.nonce, STANDARD.encode(ours).as_bytes()].concat();
        let rest = format!(",s={},i={}", STANDARD.encode(keys.salt), keys.iterations);
        let message = [b"r=", nonce.as_slice(), rest.as_bytes()].concat();
        let binding = bound_to.as_ref().map_or(&[][..], |exporter| exporter);
        let challenged = Challenged {
            binding: STANDARD.encode([self.gs2_header, binding].concat()),
            nonce,
            signed: [self.bare, b",", &message, b","].concat(),
            keys,
        };
        (challenged, message)
    }
}

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub struct Challenged {
    /// What the client's `c=` must be: the gs2 header and the channel's data.
    binding: String,
    /// Both halves.
    nonce: Vec<u8>,
    /// What is signed, but for the client's last message.
    signed: Vec<u8>,
    keys: Keys,
}

impl Challenged {
    /// Reads the proof; gives our last message, which proves in turn that we know
    /// the password.
    ///
    /// `client-final-message = channel-binding "," nonce ["," extensions] "," proof`
    ///
    /// # Errors
    /// [`Failure`].
    pub fn proven(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        is_text(message)?;
        let at = message.iter().rposition(|byte| *byte == b',');
        let (unproven, last) = at
            .and_then(|at| message.split_at_checked(at))
            .ok_or(Failure::InvalidEncoding)?;
        let mut attributes = unproven.split(|byte| *byte == b',');
        let binding = value(b'c', attributes.next())?;
        let nonce = value(b'r', attributes.next())?;
        extensions(attributes)?;
        let proof = proof(value(b'p', last.get(1..))?)?;
        if binding != self.binding.as_bytes() {
            return Err(Failure::BindingsDontMatch);
        }
        if nonce != self.nonce {
            return Err(Failure::Other);
        }
        let signed = [self.signed.as_slice(), unproven].concat();
        if !self.is_proof(&signed, &proof) {
            return Err(Failure::InvalidProof);
        }
        let signature = HMAC::mac(&signed, self.keys.server_key);
        Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }

    /// Whether it hides the key that the stored one was made from.
    fn is_proof(&self, signed: &[u8], proof: &[u8; 32]) -> bool {
        let mut key = Zeroizing::new(HMAC::mac(signed, self.keys.stored_key));
        key.iter_mut().zip(proof).for_each(|(to, with)| *to ^= with);
        Hash::hash(key.as_slice())
            .ct_eq(&self.keys.stored_key)
            .into()
    }
}

/// A comma separates, so it is in no value.
fn split(message: &[u8]) -> Result<(&[u8], &[u8]), Failure> {
    let at = message.iter().position(|byte| *byte == b',');
    let (first, rest) = at
        .and_then(|at| message.split_at_checked(at))
        .ok_or(Failure::InvalidEncoding)?;
    Ok((first, rest.get(1..).unwrap_or_default()))
}

fn is_text(message: &[u8]) -> Result<(), Failure> {
    let fits = message.len() <= MESSAGE_BYTES_MAX && !message.contains(&0);
    match fits && std::str::from_utf8(message).is_ok() {
        true => Ok(()),
        false => Err(Failure::InvalidEncoding),
    }
}

/// `gs2-cbind-flag = ("p=" cb-name) / "n" / "y"`
fn binding(flag: &[u8]) -> Result<Binding<'_>, Failure> {
    match flag {
        b"n" => Ok(Binding::Cannot),
        b"y" => Ok(Binding::CouldIfWeCould),
        _ => value(b'p', Some(flag)).map(Binding::By),
    }
}

/// `attr-val = ALPHA "=" value`, of this attribute. `m=` demands an extension.
fn value(attribute: u8, given: Option<&[u8]>) -> Result<&[u8], Failure> {
    match given {
        Some([first, b'=', value @ ..]) if *first == attribute && !value.is_empty() => Ok(value),
        Some([b'm', b'=', ..]) => Err(Failure::ExtensionsNotSupported),
        _ => Err(Failure::InvalidEncoding),
    }
}

/// Optional ones mean nothing to us and are part of what is signed.
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
    attributes.try_for_each(|attribute| match attribute {
        [b'm', b'=', ..] => Err(Failure::ExtensionsNotSupported),
        [first, b'=', _, ..] if first.is_ascii_alphabetic() => Ok(()),
        _ => Err(Failure::InvalidEncoding),
    })
}

/// `printable = %x21-2B / %x2D-7E`
fn is_nonce(nonce: &[u8]) -> Result<&[u8], Failure> {
    match nonce.iter().all(u8::is_ascii_graphic) {
        true => Ok(nonce),
        false => Err(Failure::InvalidEncoding),
    }
}

/// `saslname = 1*(value-safe-char / "=2C" / "=3D")`
fn name(escaped: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    loop {
        rest = match rest {
            [] => return Ok(name),
            [b'=', b'2', b'C', rest @ ..] => {
                name.push(b',');
                rest
            }
            [b'=', b'3', b'D', rest @ ..] => {
                name.push(b'=');
                rest
            }
            [b'=', ..] => return Err(Failure::InvalidUserName),
            [byte, rest @ ..] => {
                name.push(*byte);
                rest
            }
        }
    }
}

/// Canonical base64 of 32 bytes.
fn proof(encoded: &[u8]) -> Result<[u8; 32], Failure> {
    let decoded = STANDARD.decode(encoded);
    let decoded = decoded.map_err(|_| Failure::InvalidEncoding)?;
    decoded.try_into().map_err(|_| Failure::InvalidEncoding)
}

#[cfg(test)]
#[path = "scram_tests.rs"]
pub mod tests;

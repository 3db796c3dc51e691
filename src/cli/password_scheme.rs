//! Other servers' password hashes, from text to typed [`Verifier`]s.
//!
//! Text is read here, in the administrator's own process, so that `auth`, which
//! could open all mail, reads none. Forms are those of Dovecot's passwd-file
//! (`{SCHEME}data`) and of crypt(5).

use base64::Engine as _;
use base64::alphabet::{Alphabet, BCRYPT};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use ipc::Bytes;
use ipc::edge::control_auth::Verifier;

/// Why a hash is not one that can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadHash {
    /// It has no `{SCHEME}` and no `$id$` that tells what it is.
    NoScheme,
    /// Its scheme is not one that is taken: it is named.
    UnknownScheme(String),
    /// What stands behind the scheme has not the scheme's form.
    Malformed(&'static str),
}

impl std::fmt::Display for BadHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoScheme => f.write_str("the hash names no scheme; expected {ARGON2ID}, {BLF-CRYPT}, {SHA512-CRYPT}, {SSHA512} or {PBKDF2} before it"),
            Self::UnknownScheme(name) => write!(f, "scheme {name:?} is not taken; expected ARGON2ID, BLF-CRYPT, SHA512-CRYPT, SSHA512 or PBKDF2"),
            Self::Malformed(scheme) => write!(f, "the hash is not of the form of {scheme}"),
        }
    }
}

/// Reads `{SCHEME}data`, or `$id$…` alone.
///
/// # Errors
/// [`BadHash`].
pub fn parse(text: &str) -> Result<Verifier, BadHash> {
    let (scheme, data) = split_scheme(text)?;
    match scheme.to_ascii_uppercase().as_str() {
        "ARGON2ID" => argon2id(data).ok_or(BadHash::Malformed(
            "{ARGON2ID}$argon2id$v=19$m=…,t=…,p=…$salt$hash",
        )),
        "BLF-CRYPT" => bcrypt(data).ok_or(BadHash::Malformed("{BLF-CRYPT}$2y$cost$salt-and-hash")),
        "SHA512-CRYPT" => {
            sha512_crypt(data).ok_or(BadHash::Malformed("{SHA512-CRYPT}$6$rounds=…$salt$hash"))
        }
        "SSHA512" => salted_sha512(STANDARD.decode(data).ok()).ok_or(SALTED),
        "SSHA512.B64" => salted_sha512(STANDARD.decode(data).ok()).ok_or(SALTED),
        "SSHA512.HEX" => salted_sha512(hex(data)).ok_or(SALTED),
        "PBKDF2" => pbkdf2(data).ok_or(BadHash::Malformed("{PBKDF2}$1$salt$rounds$hash")),
        "CRYPT" => split_scheme(data).and_then(|_| parse(data)),
        _ => Err(BadHash::UnknownScheme(scheme.to_owned())),
    }
}

const SALTED: BadHash = BadHash::Malformed("{SSHA512}base64 of hash and salt");

fn split_scheme(text: &str) -> Result<(&str, &str), BadHash> {
    if let Some(rest) = text.strip_prefix('{') {
        return rest.split_once('}').ok_or(BadHash::NoScheme);
    }
    let known = [
        ("$argon2id$", "ARGON2ID"),
        ("$2", "BLF-CRYPT"),
        ("$6$", "SHA512-CRYPT"),
    ];
    let scheme = known.iter().find(|(prefix, _)| text.starts_with(prefix));
    scheme
        .map(|(_, scheme)| (*scheme, text))
        .ok_or(BadHash::NoScheme)
}

/// `$argon2id$v=19$m=65536,t=3,p=1$salt$hash` (the PHC string format).
fn argon2id(data: &str) -> Option<Verifier> {
    const UNPADDED: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, NO_PAD);
    let mut fields = data.strip_prefix("$argon2id$v=19$")?.split('$');
    let [kib, passes, lanes] = costs(fields.next()?)?;
    let salt = Bytes::new(UNPADDED.decode(fields.next()?).ok()?).ok()?;
    let hash = Bytes::new(UNPADDED.decode(fields.next()?).ok()?).ok()?;
    fields.next().is_none().then_some(Verifier::Argon2id {
        kib,
        passes,
        lanes,
        salt,
        hash,
    })
}

/// `m=65536,t=3,p=1`, in this order.
fn costs(field: &str) -> Option<[u32; 3]> {
    let mut parts = field.split(',');
    let mut cost = |name: &str| parts.next()?.strip_prefix(name)?.parse().ok();
    let costs = [cost("m=")?, cost("t=")?, cost("p=")?];
    parts.next().is_none().then_some(costs)
}

/// `$2y$05$` and 53 characters: 22 of salt, 31 of hash, in bcrypt's own alphabet.
fn bcrypt(data: &str) -> Option<Verifier> {
    let alphabet: &Alphabet = &BCRYPT;
    // The last character of the salt carries four bits too many, which bcrypt
    // implementations don't all leave at zero.
    let config = NO_PAD.with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(alphabet, config);
    let rest = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .find_map(|prefix| data.strip_prefix(prefix))?;
    let (cost, encoded) = rest.split_once('$')?;
    let (salt, hash) = encoded.split_at_checked(22)?;
    let salt = engine.decode(salt).ok()?.try_into().ok()?;
    let hash = engine.decode(hash).ok()?.try_into().ok()?;
    Some(Verifier::Bcrypt {
        cost: cost.parse().ok()?,
        salt,
        hash,
    })
}

/// `$6$rounds=5000$salt$hash`; without `rounds` they are 5,000 (crypt(5)).
fn sha512_crypt(data: &str) -> Option<Verifier> {
    const ROUNDS_DEFAULT: u32 = 5_000;
    let rest = data.strip_prefix("$6$")?;
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => rest
            .split_once('$')
            .and_then(|(rounds, rest)| Some((rounds.parse().ok()?, rest)))?,
        None => (ROUNDS_DEFAULT, rest),
    };
    let (salt, hash) = rest.split_once('$')?;
    Some(Verifier::Sha512Crypt {
        rounds,
        salt: Bytes::new(salt).ok()?,
        hash: sha512_crypt_hash(hash)?,
    })
}

/// The 64 bytes behind crypt(5)'s 86 characters: groups of four little-endian
/// characters hold three bytes, which stand 21 (and again 21) apart in the hash;
/// the last two characters hold byte 63.
fn sha512_crypt_hash(text: &str) -> Option<[u8; 64]> {
    let digits = text
        .bytes()
        .map(crypt_digit)
        .collect::<Option<Vec<u32>>>()?;
    let (groups, last) = digits.split_at_checked(84)?;
    let mut hash = [0_u8; 64];
    for (number, group) in groups.chunks_exact(4).enumerate() {
        let value = group
            .iter()
            .rev()
            .fold(0, |value, digit| value << 6 | digit);
        for (byte, place) in value.to_be_bytes().into_iter().skip(1).zip(places(number)) {
            *hash.get_mut(place)? = byte;
        }
    }
    let [low, high] = last.try_into().ok()?;
    let [.., byte] = u32::to_be_bytes(low | high << 6);
    hash[63] = byte;
    (high < 4).then_some(hash)
}

/// Where the three bytes of a group belong: (0, 21, 42), rotated by one place to
/// the left for each group, and one further on.
fn places(group: usize) -> [usize; 3] {
    let mut places = [group, group + 21, group + 42];
    places.rotate_left(group % 3);
    places
}

/// crypt(5)'s digits: `./0-9A-Za-z`.
fn crypt_digit(character: u8) -> Option<u32> {
    let digits = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    digits
        .iter()
        .position(|digit| *digit == character)
        .and_then(|digit| u32::try_from(digit).ok())
}

fn salted_sha512(bytes: Option<Vec<u8>>) -> Option<Verifier> {
    let bytes = bytes?;
    let (hash, salt) = bytes.split_first_chunk::<64>()?;
    Some(Verifier::SaltedSha512 {
        salt: Bytes::new(salt).ok()?,
        hash: *hash,
    })
}

/// Dovecot's `$1$salt$rounds$hash`, the hash in hexadecimal.
fn pbkdf2(data: &str) -> Option<Verifier> {
    let mut fields = data.strip_prefix("$1$")?.split('$');
    let salt = Bytes::new(fields.next()?).ok()?;
    let rounds = fields.next()?.parse().ok()?;
    let hash = hex(fields.next()?)?.try_into().ok()?;
    fields
        .next()
        .is_none()
        .then_some(Verifier::Pbkdf2Sha1 { rounds, salt, hash })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(
                std::str::from_utf8(pair)
                    .ok()
                    .filter(|pair| pair.len() == 2)?,
                16,
            )
            .ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha512};

    #[test]
    fn a_phc_string_is_taken_apart() {
        let text = "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo";
        let Ok(Verifier::Argon2id {
            kib: 65_536,
            passes: 3,
            lanes: 1,
            salt,
            hash,
        }) = parse(text)
        else {
            panic!()
        };
        assert_eq!(
            (salt.as_slice(), hash.as_slice()),
            (&b"somesalt"[..], &b"hashhashhash"[..])
        );
    }

    /// From "Unix crypt using SHA-256 and SHA-512" (Drepper), the specification's
    /// own test vectors; the hash is checked by encoding it again.
    #[test]
    fn sha512_crypt_is_decoded_to_the_bytes_that_encode_to_it() {
        let encoded = "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        for text in [
            format!("$6$saltstring${encoded}"),
            format!("{{SHA512-CRYPT}}$6$rounds=5000$saltstring${encoded}"),
        ] {
            let Ok(Verifier::Sha512Crypt {
                rounds: 5_000,
                salt,
                hash,
            }) = parse(&text)
            else {
                panic!("{text}")
            };
            assert_eq!(salt.as_slice(), b"saltstring");
            assert_eq!(encode_sha512_crypt(&hash), encoded);
        }
    }

    /// The specification's own table, byte for byte.
    fn encode_sha512_crypt(hash: &[u8; 64]) -> String {
        let order = "0,21,42;22,43,1;44,2,23;3,24,45;25,46,4;47,5,26;6,27,48;28,49,7;50,8,29;9,30,51;31,52,10;\
                     53,11,32;12,33,54;34,55,13;56,14,35;15,36,57;37,58,16;59,17,38;18,39,60;40,61,19;62,20,41";
        let digits = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut text = String::new();
        let mut put = |value: u32, count: u32| {
            for place in 0..count {
                text.push(char::from(digits[(value >> (6 * place) & 63) as usize]));
            }
        };
        for group in order.split(';') {
            let bytes: Vec<u32> = group
                .split(',')
                .map(|at| hash[at.parse::<usize>().unwrap()].into())
                .collect();
            put(bytes[0] << 16 | bytes[1] << 8 | bytes[2], 4);
        }
        put(hash[63].into(), 2);
        text
    }

    #[test]
    fn salted_sha512_is_hash_then_salt() {
        let mut bytes = Sha512::new()
            .chain_update(b"password")
            .chain_update(b"pepper")
            .finalize()
            .to_vec();
        bytes.extend(b"pepper");
        let Ok(Verifier::SaltedSha512 { salt, hash }) =
            parse(&format!("{{SSHA512}}{}", STANDARD.encode(&bytes)))
        else {
            panic!()
        };
        assert_eq!((salt.as_slice(), &hash[..]), (&b"pepper"[..], &bytes[..64]));
    }

    #[test]
    fn bcrypt_and_pbkdf2_are_taken_apart() {
        let text = "{BLF-CRYPT}$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";
        assert!(matches!(parse(text), Ok(Verifier::Bcrypt { cost: 5, .. })));
        let text = "{PBKDF2}$1$WLo5NzgLhmZ1e8R.$5000$eb0e09b4a6ba6a7cc0ca7ba1c7f3a3ea8e3e6ac3";
        assert!(matches!(
            parse(text),
            Ok(Verifier::Pbkdf2Sha1 { rounds: 5_000, .. })
        ));
    }

    #[test]
    fn a_scheme_that_is_not_taken_is_named() {
        assert_eq!(
            parse("{MD5}abc"),
            Err(BadHash::UnknownScheme("MD5".to_owned()))
        );
        assert_eq!(parse("plain"), Err(BadHash::NoScheme));
        assert_eq!(parse("{CRYPT}plain"), Err(BadHash::NoScheme));
    }

    proptest! {
        #[test]
        fn any_text_is_a_verifier_or_a_reason(text: String) {
            let _either = parse(&text);
            for scheme in ["ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SSHA512", "SSHA512.HEX", "PBKDF2", "CRYPT"] {
                let _either = parse(&format!("{{{scheme}}}{text}"));
            }
        }
    }
}

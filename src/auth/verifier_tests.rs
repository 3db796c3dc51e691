//! Hashes that `doveadm pw` (Dovecot 2.4, Debian) has made, and their bounds.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{NO_PAD, STANDARD, STANDARD_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use proptest::prelude::*;

const PLAIN: &str = "correct horse";
const UTF8: &str = "pässwörd";

fn bytes<const N: usize>(bytes: Vec<u8>) -> Bytes<N> {
    Bytes::new(bytes).unwrap()
}

/// Any of Dovecot's formats as the typed value that `auth` is given.
pub fn decode(text: &str) -> Verifier {
    let (scheme, rest) = text.trim_start_matches('{').split_once('}').unwrap();
    let fields: Vec<&str> = rest.split('$').collect();
    match (scheme, fields.as_slice()) {
        ("ARGON2ID", [_, "argon2id", "v=19", costs, salt, hash]) => {
            let costs: Vec<u32> = costs
                .split(',')
                .map(|cost| cost[2..].parse().unwrap())
                .collect();
            let [salt, hash] =
                [salt, hash].map(|part| bytes(STANDARD_NO_PAD.decode(part).unwrap()));
            Verifier::Argon2id {
                kib: costs[0],
                passes: costs[1],
                lanes: costs[2],
                salt,
                hash,
            }
        }
        ("BLF-CRYPT", [_, "2y", cost, both]) => {
            let lax = NO_PAD
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::RequireNone);
            let engine = GeneralPurpose::new(&base64::alphabet::BCRYPT, lax);
            let [salt, hash] = [&both[..22], &both[22..]].map(|part| engine.decode(part).unwrap());
            Verifier::Bcrypt {
                cost: cost.parse().unwrap(),
                salt: salt.try_into().unwrap(),
                hash: hash.try_into().unwrap(),
            }
        }
        ("SHA512-CRYPT", [_, "6", rounds @ .., salt, hash]) => {
            let rounds = rounds
                .first()
                .map_or(5000, |rounds| rounds["rounds=".len()..].parse().unwrap());
            Verifier::Sha512Crypt {
                rounds,
                salt: bytes((*salt).into()),
                hash: unpermuted(hash),
            }
        }
        ("SSHA512", _) => {
            let mut hash = STANDARD.decode(rest).unwrap();
            let salt = bytes(hash.split_off(64));
            Verifier::SaltedSha512 {
                salt,
                hash: hash.try_into().unwrap(),
            }
        }
        ("PBKDF2", [_, "1", salt, rounds, hash]) => {
            let digits =
                (0..20).map(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap());
            let hash = digits.collect::<Vec<u8>>().try_into().unwrap();
            Verifier::Pbkdf2Sha1 {
                rounds: rounds.parse().unwrap(),
                salt: bytes((*salt).into()),
                hash,
            }
        }
        _ => panic!("{text}"),
    }
}

/// SHA-512-crypt writes the hash's bytes in an order of its own, three at a
/// time, the lowest six bits first.
fn unpermuted(text: &str) -> [u8; 64] {
    let alphabet = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digits: Vec<u32> = text
        .bytes()
        .map(|c| alphabet.iter().position(|a| *a == c).unwrap() as u32)
        .collect();
    let mut hash = [0; 64];
    let mut triple = [0, 21, 42];
    for group in digits.chunks(4) {
        let word = group.iter().rev().fold(0, |word, digit| word << 6 | digit);
        match group.len() {
            4 => triple
                .iter()
                .zip([16, 8, 0])
                .for_each(|(at, shift): (&usize, _)| hash[*at] = (word >> shift) as u8),
            _ => hash[63] = word as u8,
        }
        triple = [triple[1] + 1, triple[2] + 1, triple[0] + 1];
    }
    hash
}

const MADE_BY_DOVEADM: [(&str, &str); 8] = [
    (
        PLAIN,
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$5gXAER6tFT7rJp4tgWeXjw$qCSPRJiIO1/+RfQipvnExQeIFlhnJxDMaWHH/TNWLrw",
    ),
    (
        PLAIN,
        "{BLF-CRYPT}$2y$05$.Mk0pxwZnwxqoUOvUzxKIu.j391X50GFeEoHYF2w/0GF/qfUD5mNi",
    ),
    (
        UTF8,
        "{BLF-CRYPT}$2y$06$nIn4qmz56b9jLHCBnx47ROCawVUCr0DX6WTULqd/UgRwPJeNzGQZu",
    ),
    (
        PLAIN,
        "{SHA512-CRYPT}$6$nD.DxMtTyRRc1.fm$is7pe7XjMB5IKUbqs7i0Fp4a0EqHCPHMTvrrExNUYLH/KO5IMEjiRKELU/BOBHzXdTWLMQa86OW1rkx3Euw6c0",
    ),
    (
        UTF8,
        "{SHA512-CRYPT}$6$rounds=10000$DVYGGhc.RgvQSHv3$SLP8ZEf9/2Xn3aV6ZbXVZwPgkjb2lxR9a52t3.nDumvCoOAd8kThBRZ/Y.i8NNUCHHLi47kqVqJiVsaWQl.dX/",
    ),
    (
        PLAIN,
        "{SSHA512}xUIkQCQYrb3tfEWpLb6bQBvDlMKiG+s0h553SQpxnDcb216iFrxYXJ8bu7rR/1fKqg8DuKv2UvyhKLC/wMD0d1ROOvE=",
    ),
    (
        PLAIN,
        "{PBKDF2}$1$7ZWhj6xspMQVKJaF$5000$9e48e70a75ce51ab4734cb4fa40a1cc8f5af5856",
    ),
    (
        UTF8,
        "{PBKDF2}$1$l61pPOAziYrjECGj$1500$15b6e6ad08692863b0c1f71c25116190a8a2404c",
    ),
];

#[test]
fn what_dovecot_has_hashed_is_verified_and_nothing_near_it() {
    for (password, text) in MADE_BY_DOVEADM {
        let verifier = decode(text);
        assert_eq!(check(&verifier), Ok(()), "{text}");
        assert!(verify(&verifier, password.as_bytes()), "{text}");
        let near = [
            &password[1..],
            &password.to_uppercase(),
            &format!("{password} "),
            "",
        ];
        assert!(
            near.iter().all(|near| !verify(&verifier, near.as_bytes())),
            "{text}"
        );
    }
}

#[test]
fn bcrypt_looks_at_72_bytes_as_everybody_elses_does() {
    let long = [b'x'; 80];
    let hash = bcrypt::bcrypt(4, [1; 16], &long[..72]);
    let verifier = Verifier::Bcrypt {
        cost: 4,
        salt: [1; 16],
        hash: hash[..23].try_into().unwrap(),
    };
    assert!(
        verify(&verifier, &long)
            && verify(&verifier, &long[..72])
            && !verify(&verifier, &long[..71])
    );
}

pub fn cost() -> Cost {
    Cost {
        kib: 64,
        passes: 1,
        scram: true,
    }
}

#[test]
fn what_we_hash_is_verified_and_salted() {
    let [first, second] = [(); 2].map(|()| cost().keep(b"wonderland").unwrap());
    assert!(first.verifier != second.verifier && first.keys != second.keys);
    assert!(verify(&first.verifier, b"wonderland") && !verify(&first.verifier, b"wonder"));
    let dearer = Cost {
        passes: 2,
        ..cost()
    };
    assert!(!cost().exceeds(&first) && dearer.exceeds(&first));
}

#[test]
fn keys_are_kept_where_scram_is_spoken() {
    let without = Cost {
        scram: false,
        ..cost()
    };
    let kept = without.keep(b"x").unwrap();
    assert!(kept.keys.is_none() && !without.exceeds(&kept));
    assert!(cost().exceeds(&kept) && cost().keep(b"x").unwrap().keys.is_some());
}

/// What others hashed as it was typed is as good as what we hash in the one form.
#[test]
fn a_password_is_tried_in_its_one_form_and_as_it_was_typed() {
    let typed = "fu\u{308}nf".as_bytes();
    let elsewhere = Verifier::SaltedSha512 {
        salt: bytes(b"salt".to_vec()),
        hash: Sha512::digest([typed, b"salt"].concat()).into(),
    };
    assert!(verify(&elsewhere, typed) && !verify(&elsewhere, "fünf".as_bytes()));
    let ours = cost().keep(typed).unwrap().verifier;
    assert!(verify(&ours, typed) && verify(&ours, "fünf".as_bytes()));
}

#[test]
fn every_scheme_but_ours_is_to_be_hashed_anew() {
    let without = Cost {
        scram: false,
        ..cost()
    };
    for (_, text) in MADE_BY_DOVEADM {
        let ours = text.starts_with("{ARGON2ID}");
        assert_eq!(without.exceeds(&decode(text).into()), !ours, "{text}");
    }
}

#[test]
fn parameters_too_weak_or_too_costly_are_refused_and_cost_nothing() {
    let argon2id = |kib, passes, lanes, salt, hash| Verifier::Argon2id {
        kib,
        passes,
        lanes,
        salt: bytes(vec![1; salt]),
        hash: bytes(vec![1; hash]),
    };
    let bcrypt = |cost| Verifier::Bcrypt {
        cost,
        salt: [0; 16],
        hash: [0; 23],
    };
    let sha512_crypt = |rounds| Verifier::Sha512Crypt {
        rounds,
        salt: bytes(vec![b'.'; 16]),
        hash: [0; 64],
    };
    let pbkdf2 = |rounds, salt| Verifier::Pbkdf2Sha1 {
        rounds,
        salt: bytes(vec![1; salt]),
        hash: [0; 20],
    };
    let bad = [
        argon2id(u32::MAX, 1, 1, 16, 32),
        argon2id(63, 1, 1, 16, 32),
        argon2id(64, 0, 1, 16, 32),
        argon2id(131_072, 9, 1, 16, 32),
        argon2id(64, 1, 0, 16, 32),
        argon2id(64, 1, 9, 16, 32),
        argon2id(64, 1, 1, 7, 32),
        argon2id(64, 1, 1, 16, 4),
        argon2id(64, 1, 1, 16, 128),
        bcrypt(3),
        bcrypt(16),
        bcrypt(255),
        sha512_crypt(999),
        sha512_crypt(999_999_999),
        Verifier::SaltedSha512 {
            salt: bytes(vec![]),
            hash: [0; 64],
        },
        pbkdf2(0, 16),
        pbkdf2(u32::MAX, 16),
        pbkdf2(5000, 0),
    ];
    for verifier in bad {
        assert_eq!(check(&verifier), Err(BadVerifier), "{verifier:?}");
        assert!(!verify(&verifier, b"x"));
    }
}

#[test]
fn a_configured_cost_outside_of_the_bounds_is_refused() {
    let slice = crate::names::tests::slice(&["example.org"]);
    assert_eq!(Cost::new(&slice), Ok(cost()));
    assert!(
        Cost::new(&slice::Auth {
            argon2_kib: ARGON2_KIB_MAX + 1,
            ..slice.clone()
        })
        .is_err()
    );
    assert!(
        Cost::new(&slice::Auth {
            argon2_passes: 0,
            ..slice
        })
        .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_password_but_the_right_one_opens(right in "\\PC{1,80}", wrong in "\\PC{1,80}") {
        let verifier = cost().keep(right.as_bytes()).unwrap().verifier;
        prop_assert!(verify(&verifier, right.as_bytes()));
        let same = prepared(right.as_bytes()) == prepared(wrong.as_bytes());
        prop_assert_eq!(verify(&verifier, wrong.as_bytes()), same);
    }
}

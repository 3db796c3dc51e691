//! The users of both servers, with the same cheap password scheme: what is measured is
//! a login, not a hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA512, digest};

/// Everybody's password.
pub const PASSWORD: &str = "pass";

/// Whose the large mailboxes are.
pub const BIG: &str = "u0001";

/// The name of the user of this number.
pub fn name(number: usize) -> String {
    format!("u{number:04}")
}

/// Users in a passwd-file, with salted SHA-512.
pub fn passwd(names: impl Iterator<Item = String>) -> String {
    names.map(|name| line(&name)).collect()
}

fn line(name: &str) -> String {
    let salt = format!("salt of {name}");
    let hash = digest(&SHA512, format!("{PASSWORD}{salt}").as_bytes());
    let salted = [hash.as_ref(), salt.as_bytes()].concat();
    format!("{name}:{{SSHA512}}{}::::::\n", STANDARD.encode(salted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_salt_of_his_own() {
        let file = passwd((1..=2).map(name));
        let (one, other) = file.split_once('\n').expect("two lines");
        assert!(one.starts_with("u0001:{SSHA512}") && other.starts_with("u0002:{SSHA512}"));
        assert_ne!(one[5..], other[5..]);
    }
}

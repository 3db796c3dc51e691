//! Any bytes as PLAIN's message, as `auth` and as `login` read it: what `login`
//! lets pass, `auth` takes apart the same way.

#[path = "../src/auth/plain.rs"]
mod plain;

use preauth::{Secret, sasl};

/// One input.
pub fn run(data: &[u8]) {
    let read = plain::message(data);
    if let Some(read) = &read {
        assert_eq!([read.authzid, read.authcid, read.passwd].join(&0), data);
    }
    if let Ok(checked) = sasl::plain(&secret(data)) {
        let authzid = checked.authzid.unwrap_or_default();
        let same = read.is_some_and(|read| {
            read.authzid == authzid.as_bytes()
                && read.authcid == checked.authcid.as_bytes()
                && read.passwd == checked.password.expose()
        });
        assert!(same, "two readers, two messages");
    }
}

fn secret(bytes: &[u8]) -> Secret {
    let mut secret = Secret::new();
    secret.append(bytes);
    secret
}

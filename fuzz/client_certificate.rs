//! Any bytes as a client's certificate: a name is text that can be logged, or there is
//! none.

#[path = "../src/front/certificate.rs"]
mod certificate;

/// One input.
pub fn run(data: &[u8]) {
    if let Some(name) = certificate::client_name(data) {
        let name = std::str::from_utf8(name.as_slice()).expect("text");
        assert!(!name.is_empty() && !name.chars().any(char::is_control));
        assert!(data.windows(name.len()).any(|part| part == name.as_bytes()));
    }
}

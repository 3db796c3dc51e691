//! Any bytes before a connection: a header that says whose it is, or a refusal.
//! Nothing behind the header is looked at.

#[path = "../src/front/proxy.rs"]
mod proxy;

use proxy::{BODY_BYTES_MAX, Preamble, Source};

/// One input.
pub fn run(data: &[u8]) {
    let Some((preamble, rest)) = data.split_first_chunk() else {
        return;
    };
    let preamble = match Preamble::parse(preamble) {
        Ok(preamble) => preamble,
        Err(refusal) => return assert!(!refusal.to_string().is_empty()),
    };
    assert!(preamble.length <= BODY_BYTES_MAX);
    let Some(body) = rest.get(..preamble.length) else {
        return;
    };
    if let Ok(Source::Client(client)) = preamble.source(body) {
        let port = client.port().to_be_bytes();
        assert!(body.windows(2).any(|two| two == port));
        // An IPv4 client has one form, however its proxy wrote it.
        assert_eq!(client.ip(), client.ip().to_canonical());
    }
}

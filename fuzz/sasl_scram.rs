//! Any two lines as a client's messages of SCRAM: what is read of the first is what
//! stands there, our answer is one line of what may stand in it, and nothing proves a
//! password that nobody has.

use crate::scram::{First, Keys};

/// One input: whether the connection exports anything and -PLUS was chosen, then the
/// first message up to a line end, then the last.
pub fn run(data: &[u8]) {
    let Some((way, said)) = data.split_first() else {
        return;
    };
    let exporter = (way & 1 == 1).then_some([7; 32]);
    let end = said.iter().position(|byte| *byte == b'\n');
    let (first, last) = said.split_at(end.unwrap_or(said.len()));
    let Ok(read) = First::read(first) else {
        return;
    };
    assert_same(first, &read.authzid, &read.user);
    let Ok(bound_to) = read.bound_to(way & 2 == 2, exporter) else {
        return;
    };
    let keys = Keys::decoy(&[1; 32], &read.user);
    let (challenged, challenge) = read.challenge(keys, bound_to, [2; 18]);
    assert!(challenge.starts_with(b"r=") && challenge.iter().all(u8::is_ascii_graphic));
    let last = last.get(1..).unwrap_or_default();
    assert!(challenged.proven(last).is_err(), "a proof of no password");
}

/// Written again, the names are what was read.
fn assert_same(message: &[u8], authzid: &[u8], user: &[u8]) {
    let flag = message.split(|byte| *byte == b',').next();
    let authzid = match authzid {
        b"" => Vec::new(),
        name => [b"a=".as_slice(), &escaped(name)].concat(),
    };
    let parts = [flag.unwrap_or_default(), &authzid, b"n="].join(&b',');
    let again = [parts, escaped(user), b",r=".to_vec()].concat();
    assert!(message.starts_with(&again), "read otherwise than it is written");
}

fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in name {
        match byte {
            b',' => escaped.extend(b"=2C"),
            b'=' => escaped.extend(b"=3D"),
            byte => escaped.push(*byte),
        }
    }
    escaped
}

//! A file of a journal, changed by whatever an input says.

use journal::record::HEADER_BYTES;

/// What became of a good file.
pub struct Damaged {
    /// The file now.
    pub bytes: Vec<u8>,
    /// How many bytes at its beginning are as they were.
    pub untouched: usize,
}

/// Changes a good file. `None` if the input is too short to say how.
///
/// ```text
/// input = how where *OCTET
/// how   = OCTET     ; instead of all, behind a cut, over, between, or as a header
/// where = 2OCTET    ; little-endian
/// ```
pub fn damage(good: &[u8], input: &[u8]) -> Option<Damaged> {
    let ([how, low, high], put) = input.split_first_chunk()?;
    let at = usize::from(u16::from_le_bytes([*low, *high])) % (good.len() + 1);
    let (before, behind) = good.split_at(at);
    let bytes = match how % 5 {
        0 => put.to_vec(),
        1 => [before, put].concat(),
        2 => [before, put, behind.get(put.len()..).unwrap_or_default()].concat(),
        3 => [before, put, behind].concat(),
        _ => [
            before,
            &header(put),
            put.get(COVERED_BYTES..).unwrap_or_default(),
        ]
        .concat(),
    };
    let same = bytes.iter().zip(good).take_while(|(now, then)| now == then);
    let untouched = same.count();
    Some(Damaged { bytes, untouched })
}

/// What a header's CRC covers.
const COVERED_BYTES: usize = HEADER_BYTES - 4;

/// A header with a right CRC, which no fuzzer finds by itself.
fn header(from: &[u8]) -> Vec<u8> {
    let mut covered = from[..from.len().min(COVERED_BYTES)].to_vec();
    covered.resize(COVERED_BYTES, 0);
    let crc = crc32fast::hash(&covered).to_le_bytes();
    [&covered[..], &crc].concat()
}

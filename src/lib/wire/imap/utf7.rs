//! Modified UTF-7 (RFC 3501, section 5.1.3), both ways.
//!
//! Decoding is strict: only the one encoding that [`encode`] would make of a
//! name is taken, so that two spellings never mean one mailbox.

/// `,` where base64 has `/`; never padded.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Encodes UTF-8. Printable ASCII stands for itself, `&` is `&-`, and a run of
/// anything else is UTF-16 in base64 between `&` and `-`.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut run: Vec<u16> = Vec::new();
    for letter in text.chars() {
        if is_direct(letter) {
            end_run(&mut encoded, &mut run);
            encoded.push(letter);
            if letter == '&' {
                encoded.push('-');
            }
        } else {
            run.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
        }
    }
    end_run(&mut encoded, &mut run);
    encoded
}

/// Decodes what [`encode`] makes, and nothing else.
#[must_use]
pub fn decode(encoded: &[u8]) -> Option<String> {
    let encoded = std::str::from_utf8(encoded).ok()?;
    let mut text = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((plain, behind)) = rest.split_once('&') {
        let (run, after) = behind.split_once('-')?;
        text.push_str(plain);
        match run {
            "" => text.push('&'),
            _ => text.push_str(&decode_run(run)?),
        }
        rest = after;
    }
    text.push_str(rest);
    (encode(&text) == encoded).then_some(text)
}

fn is_direct(letter: char) -> bool {
    matches!(letter, ' '..='~')
}

/// Writes a run, if there is one: six bits at a time, the last filled with
/// zeros.
fn end_run(encoded: &mut String, run: &mut Vec<u16>) {
    if run.is_empty() {
        return;
    }
    encoded.push('&');
    let mut bits = Bits::default();
    for unit in run.drain(..) {
        bits.put(u32::from(unit), 16);
        while let Some(six) = bits.take(6) {
            encoded.push(letter_of(six));
        }
    }
    if let Some(six) = bits.take_last(6) {
        encoded.push(letter_of(six));
    }
    encoded.push('-');
}

fn decode_run(run: &str) -> Option<String> {
    let mut units = Vec::with_capacity(run.len());
    let mut bits = Bits::default();
    for letter in run.bytes() {
        let six = ALPHABET.iter().position(|known| *known == letter)?;
        bits.put(u32::try_from(six).ok()?, 6);
        if let Some(unit) = bits.take(16) {
            units.push(u16::try_from(unit).ok()?);
        }
    }
    String::from_utf16(&units).ok()
}

fn letter_of(six: u32) -> char {
    let at = usize::try_from(six).unwrap_or_default();
    ALPHABET.get(at).copied().map_or('A', char::from)
}

/// A queue of fewer than 32 bits.
#[derive(Default)]
struct Bits {
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.held = self.held.wrapping_shl(count) | value;
        self.count = self.count.saturating_add(count);
    }

    /// The oldest `count` bits, if there are so many.
    fn take(&mut self, count: u32) -> Option<u32> {
        self.count = self.count.checked_sub(count)?;
        let value = self.held.wrapping_shr(self.count);
        self.held &= 1_u32.wrapping_shl(self.count).wrapping_sub(1);
        Some(value)
    }

    /// What is left, filled with zeros to `count` bits.
    fn take_last(&mut self, count: u32) -> Option<u32> {
        let missing = count.checked_sub(self.count)?;
        (self.count > 0).then(|| self.held.wrapping_shl(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    const KNOWN: [(&str, &str); 7] = [
        // RFC 3501, section 5.1.3.
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("☺!", "&Jjo-!"),
        ("Tom & Jerry", "Tom &- Jerry"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
        ("😀", "&2D3eAA-"),
        ("", ""),
    ];

    #[test]
    fn the_examples_of_the_rfc_and_of_common_clients_go_both_ways() {
        for (text, encoded) in KNOWN {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_second_spelling_of_a_name_is_refused() {
        let refused: [&str; 10] = [
            "&AGE-",              // `a` needs no shift
            "&U,BTFw",            // never shifted back
            "&",                  // nothing behind it
            "&Jjo!",              // `!` is no base64
            "&Jjp-!",             // bits beyond the last letter
            "&U,BTFw-&ZeVnLIqe-", // two runs where one would do
            "&2D0-",              // half a surrogate pair
            "&AAA-x&",            // open at the end
            "&Jjo=-",             // padded
            "日本語",             // 8-bit
        ];
        for name in refused {
            assert_eq!(decode(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode(encoded.as_bytes()), Some(text));
        }

        #[test]
        fn what_is_decoded_encodes_to_the_same_bytes(name in "[&A-Za-z0-9+,-]{0,24}") {
            if let Some(text) = decode(name.as_bytes()) {
                prop_assert_eq!(encode(&text), name);
            }
        }
    }
}

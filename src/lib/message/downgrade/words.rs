//! Encoded words (RFC 2047).

/// Bytes of text in one encoded word: 60 characters of base64 and 12 around them stay
/// below the 75 that a word may have (RFC 2047, section 2).
const WORD_TEXT_BYTES_MAX: usize = 45;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes text, in which words with other characters than ASCII, and what stands
/// between two of them, become encoded words. Line ends elsewhere stay.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) {
    // Words that are to be encoded as one, and the space behind them.
    let (mut foreign, mut space) = (String::new(), "");
    for part in parts(text) {
        if part.starts_with(is_space) {
            space = part;
        } else if part.is_ascii() {
            flush(&mut foreign, out);
            out.extend_from_slice(std::mem::take(&mut space).as_bytes());
            out.extend_from_slice(part.as_bytes());
        } else {
            let between = std::mem::take(&mut space);
            match foreign.is_empty() {
                true => out.extend_from_slice(between.as_bytes()),
                false => foreign.extend(between.chars().filter(|c| !matches!(c, '\r' | '\n'))),
            }
            foreign.push_str(part);
        }
    }
    flush(&mut foreign, out);
    out.extend_from_slice(space.as_bytes());
}

/// Writes text as encoded words, all of it.
pub(super) fn encode_all(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(WORD_TEXT_BYTES_MAX);
        let (word, behind) = rest.split_at(end);
        out.extend_from_slice(b"=?utf-8?B?");
        base64(word.as_bytes(), out);
        out.extend_from_slice(b"?=");
        if !behind.is_empty() {
            out.extend_from_slice(b"\r\n ");
        }
        rest = behind;
    }
}

fn flush(foreign: &mut String, out: &mut Vec<u8>) {
    encode_all(foreign, out);
    foreign.clear();
}

/// Words and what is between them, in turn.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let space = rest.chars().next().map(is_space)?;
        let end = rest.find(|c| is_space(c) != space);
        let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        Some(part)
    })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = BASE64.get((bits >> shift & 63) as usize);
            let digit = digit.filter(|_| at <= three.len());
            out.push(digit.copied().unwrap_or(b'='));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let coded = |text: &str| {
            let mut out = Vec::new();
            base64(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let examples = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")];
        assert!(examples.iter().all(|(text, code)| coded(text) == *code));
        assert_eq!(coded("foobar"), "Zm9vYmFy");
    }

    #[test]
    fn words_are_short_and_cut_between_characters() {
        let mut out = Vec::new();
        encode(&"\u{20ac}".repeat(40), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.split("\r\n ").all(|word| word.len() <= 75));
        assert_eq!(text.split("\r\n ").count(), 3);
    }
}

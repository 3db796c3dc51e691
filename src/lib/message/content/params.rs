//! Parameters, and what RFC 2231 did to them.
//!
//! Joining sorts the pieces once, so that a hundred thousand of them cost no
//! more than reading them (CVE-2026-27859).

use std::borrow::Cow;

use super::{Content, Param, kept_by};
use crate::lexer::{Lexer, is_white};
use crate::limits::{FIELD_BYTES_MAX, PARAMS_MAX};

/// `*(";" parameter)`, whatever stands before the first semicolon skipped.
/// What isn't a parameter is skipped up to the next one.
pub(super) fn params(lexer: &mut Lexer<'_>) -> Vec<Param> {
    let mut params = Vec::new();
    while params.len() < PARAMS_MAX {
        lexer.skip_to(b';');
        if !lexer.take(b';') {
            break;
        }
        params.extend(param(lexer));
    }
    join_continuations(params)
}

/// The parameters of a field's unfolded value; at most what a field may have.
pub(crate) fn params_of(value: &[u8]) -> Vec<Param> {
    let value = value.get(..FIELD_BYTES_MAX).unwrap_or(value);
    params(&mut Lexer::new(value))
}

/// The first parameter with this name, whatever the case.
pub(super) fn find<'a>(params: &'a [Param], name: &[u8]) -> Option<&'a Param> {
    params
        .iter()
        .find(|param| param.name.eq_ignore_ascii_case(name))
}

/// What these parameters cost.
pub(super) fn kept(params: &[Param]) -> usize {
    let each = |param: &Param| {
        let texts = kept_by(param.name.len()).saturating_add(kept_by(param.value.len()));
        texts.saturating_add(size_of::<Param>())
    };
    params.iter().map(each).fold(0, usize::saturating_add)
}

/// `charset=us-ascii` for text that names none (RFC 2045 §5.2).
pub(super) fn default_charset(content: &mut Content) {
    let named = |name| content.param(name).is_some();
    if content.is("text") && !named(b"charset") && !named(b"charset*") {
        content.params.reserve_exact(1);
        content.params.push(Param {
            name: Cow::Borrowed(b"charset"),
            value: Cow::Borrowed(b"us-ascii"),
        });
    }
}

/// `parameter := attribute "=" value` (RFC 2045 §5.1).
fn param(lexer: &mut Lexer<'_>) -> Option<Param> {
    lexer.cfws();
    let name = lexer.token();
    lexer.cfws();
    if name.is_empty() || !lexer.take(b'=') {
        return None;
    }
    lexer.cfws();
    Some(Param {
        name: name.to_vec().into(),
        value: value(lexer).into(),
    })
}

/// `value := token / quoted-string`. A bare value may hold what a token may
/// not: boundaries with `=` and `/` are often left unquoted.
pub(super) fn value(lexer: &mut Lexer<'_>) -> Vec<u8> {
    if lexer.peek() == Some(b'"') {
        return lexer.quoted_string();
    }
    lexer
        .take_while(|byte| !is_white(byte) && !b"\";,()".contains(&byte))
        .to_vec()
}

/// A piece of a parameter: `attribute "*" section ["*"]` (RFC 2231 §7).
struct Piece {
    attribute: Vec<u8>,
    section: usize,
    extended: bool,
    place: usize,
}

impl Piece {
    fn of(name: &[u8], place: usize) -> Option<Self> {
        let extended = name.ends_with(b"*");
        let name = name.strip_suffix(b"*").unwrap_or(name);
        let star = name
            .iter()
            .rposition(|byte| *byte == b'*')
            .filter(|at| *at > 0)?;
        let (attribute, digits) = name.split_at_checked(star)?;
        let digits = std::str::from_utf8(digits.get(1..)?).ok()?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            attribute: attribute.to_ascii_lowercase(),
            section: digits.parse().ok().filter(|_| plain)?,
            extended,
            place,
        })
    }
}

/// Joins the pieces of each parameter at the place of the first one. Pieces
/// behind a gap, or doubled, stay as they came.
fn join_continuations(params: Vec<Param>) -> Vec<Param> {
    let mut pieces: Vec<Piece> = params
        .iter()
        .enumerate()
        .filter_map(|(place, param)| Piece::of(&param.name, place))
        .collect();
    if pieces.is_empty() {
        return params;
    }
    pieces.sort_by(|a, b| {
        let key = |piece: &Piece| (piece.section, piece.place);
        a.attribute.cmp(&b.attribute).then(key(a).cmp(&key(b)))
    });
    let mut params: Vec<Option<Param>> = params.into_iter().map(Some).collect();
    for same in pieces.chunk_by(|a, b| a.attribute == b.attribute) {
        join(same, &mut params);
    }
    params.into_iter().flatten().collect()
}

/// Joins one parameter's pieces, which are in order: those numbered 0, 1, 2 ...
fn join(pieces: &[Piece], params: &mut [Option<Param>]) {
    let mut run: Vec<&Piece> = Vec::new();
    for piece in pieces {
        if piece.section == run.len() {
            run.push(piece);
        }
    }
    let Some(first) = run.first() else { return };
    let extended = run.iter().any(|piece| piece.extended);
    let mut value = Vec::new();
    if extended && !first.extended {
        value.extend_from_slice(b"''");
    }
    let mut name = Vec::new();
    for piece in &run {
        let Some(param) = params.get_mut(piece.place).and_then(Option::take) else {
            return;
        };
        append(&mut value, &param.value, extended && !piece.extended);
        if piece.section == 0 {
            name = param.name.into_owned();
        }
    }
    name.truncate(first.attribute.len());
    name.extend(extended.then_some(b'*'));
    if let Some(slot) = params.get_mut(first.place) {
        *slot = Some(Param {
            name: name.into(),
            value: value.into(),
        });
    }
}

/// Appends a piece; one that isn't percent-encoded becomes so if others are.
fn append(value: &mut Vec<u8>, piece: &[u8], escape: bool) {
    for byte in piece {
        match byte {
            b'%' if escape => value.extend_from_slice(b"%25"),
            _ => value.push(*byte),
        }
    }
}

/// `extended-value := [charset] "'" [language] "'" *(ext-octet / char)`
/// (RFC 2231 §7): the charset's name and the bytes.
pub(crate) fn percent_decode(value: &[u8]) -> (&[u8], Vec<u8>) {
    let mut fields = value.splitn(3, |byte| *byte == b'\'');
    let parts = (fields.next(), fields.next(), fields.next());
    let (charset, text) = match parts {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => (&b""[..], value),
    };
    (charset, percent_bytes(text))
}

fn percent_bytes(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let octet = (*first == b'%').then(|| hex_pair(rest)).flatten();
        bytes.push(octet.unwrap_or(*first));
        text = match octet {
            Some(_) => rest.get(2..).unwrap_or_default(),
            None => rest,
        };
    }
    bytes
}

/// The octet that two hexadecimal digits at the beginning of `text` write.
pub(crate) fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*text.get(index)?).to_digit(16);
    u8::try_from(digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pair = |param: &Param| format!("{}={}", text(&param.name), text(&param.value));
        let params = params(&mut Lexer::new(value.as_bytes()));
        params.iter().map(pair).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn parameters_are_read_leniently() {
        for (value, expected) in [
            ("", ""),
            ("junk; a=b", "a=b"),
            ("; a = \"b;\\\"c\" ; D=e", "a=b;\"c|D=e"),
            ("; a=b (;x=y); c=d", "a=b|c=d"),
            ("; a; =x; ; c=", "c="),
            ("; a=--=_1/2?:3; b=c", "a=--=_1/2?:3|b=c"),
            ("; a=b c; d=e", "a=b|d=e"),
            ("; a=b; A=c", "a=b|A=c"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn continuations_are_joined_in_order_at_the_place_of_the_first() {
        for (value, expected) in [
            ("; x=y; n*1=b; N*0=a; z=y", "x=y|N=ab|z=y"),
            ("; n*0=a; m*0=c; n*1=b; m*1=d", "n=ab|m=cd"),
            ("; n*00=a; n*01=b", "n=ab"),
            (
                "; n*0*=utf-8'en'%41; n*1=%b; n*2*=c",
                "n*=utf-8'en'%41%25bc",
            ),
            ("; n*0=a; n*1*=%41", "n*=''a%41"),
            ("; n*=utf-8''%41", "n*=utf-8''%41"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn pieces_behind_a_gap_or_doubled_stay_as_they_came() {
        assert_eq!(read("; n*0=a; n*2=c"), "n=a|n*2=c");
        assert_eq!(read("; n*1=b"), "n*1=b");
        assert_eq!(read("; n*0=a; n*0=b; n*1=c"), "n=ac|n*0=b");
        assert_eq!(
            read("; n*x=a; n*+1=b; n**=c; *0=d"),
            "n*x=a|n*+1=b|n**=c|*0=d"
        );
    }

    #[test]
    fn percent_escapes_are_decoded_and_others_stay() {
        assert_eq!(
            percent_decode(b"utf-8'en'%41%zz%4"),
            (&b"utf-8"[..], b"A%zz%4".to_vec())
        );
        assert_eq!(percent_decode(b"%41'b"), (&b""[..], b"A'b".to_vec()));
    }
}

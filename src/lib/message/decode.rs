//! From raw to text, for SEARCH and for BINARY.
//!
//! Nothing here fails: what can't be decoded comes out as it is, or as U+FFFD.
//! Everything is linear, and makes at most three bytes of text of one byte.

mod charset;
mod date;
mod encoded_word;
mod markup;
mod reference;
mod transfer;

pub use charset::{CharsetDecoder, exact_text, knows_charset};
pub use date::{HeaderDate, date, sent_date};
pub use encoded_word::field_text;
pub use markup::MarkupDecoder;
pub use transfer::{TransferDecoder, TransferEncoding};

use crate::content::{Param, params_of, percent_decode};
use crate::limits::FIELD_BYTES_MAX;
use std::borrow::Cow;

/// A parameter's value as text (RFC 2231 first, else RFC 2047 as found in the
/// wild). The name is given without `*`, in any case.
pub fn param_text(params: &[Param], name: &str) -> Option<String> {
    let extended = format!("{name}*");
    let find = |name: &str| {
        let wanted = |param: &&Param| param.name.eq_ignore_ascii_case(name.as_bytes());
        params.iter().find(wanted)
    };
    if let Some(param) = find(&extended) {
        let (charset, bytes) = percent_decode(&param.value);
        return Some(charset::text(charset, &bytes));
    }
    find(name).map(|param| field_text(&param.value))
}

/// A field's value as text, if nothing in it is to be decoded: then [`field_text`] says
/// the same of it, and [`params_text`] nothing.
pub fn plain_text(value: &[u8]) -> Option<Cow<'_, str>> {
    if value.len() > FIELD_BYTES_MAX || !value.is_ascii() {
        return None;
    }
    let text = crate::header::unfold(value);
    let has_word =
        memchr::memchr(b'=', &text).is_some() && memchr::memmem::find(&text, b"=?").is_some();
    if has_word || may_have_params(&text) {
        return None;
    }
    match text {
        Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

/// Whether parameters of an unfolded value may be encoded or split.
fn may_have_params(value: &[u8]) -> bool {
    memchr::memchr(b'*', value).is_some() && memchr::memchr(b';', value).is_some()
}

/// The parameters of a field's value as text, `; name=text` each, if RFC 2231 has made
/// something of them that can't be read as it stands; else nothing.
pub fn params_text(value: &[u8]) -> String {
    let value = &*crate::header::unfold(value);
    if !may_have_params(value) {
        return String::new();
    }
    let params = params_of(value);
    let mut text = String::new();
    for param in &params {
        let name = String::from_utf8_lossy(&param.name).into_owned();
        let name = name.trim_end_matches('*');
        let value = param_text(&params, name).unwrap_or_default();
        text.extend(["; ", name, "=", &value]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_plain_is_what_decoding_makes_of_it(
            value in prop::collection::vec(prop::sample::select(&b"=?_utf-8bQ 4*;'%a\xff\r\n"[..]), 0..40),
        ) {
            if let Some(text) = plain_text(&value) {
                prop_assert_eq!(&*text, field_text(&value));
                prop_assert_eq!(params_text(&value), "");
            }
        }

        #[test]
        fn words_and_spaces_are_plain(value in "[a-zA-Z0-9 ,.<@>]{0,40}(\r\n [a-z]{0,9}){0,2}\r\n") {
            prop_assert!(plain_text(value.as_bytes()).is_some());
        }
    }

    fn params(list: &[(&'static str, &'static str)]) -> Vec<Param> {
        let param = |(name, value): &(&'static str, &'static str)| Param {
            name: name.as_bytes().into(),
            value: value.as_bytes().into(),
        };
        list.iter().map(param).collect()
    }

    #[test]
    fn a_file_name_is_found_in_each_of_its_three_forms() {
        let text = |name, value| param_text(&params(&[(name, value)]), "filename");
        assert_eq!(text("FileName", "a b.txt").as_deref(), Some("a b.txt"));
        assert_eq!(
            text("filename*", "utf-8'en'%C3%A4.txt").as_deref(),
            Some("ä.txt")
        );
        assert_eq!(
            text("filename*", "iso-8859-1''%E4%zz%").as_deref(),
            Some("ä%zz%")
        );
        assert_eq!(text("filename", "=?utf-8?q?=C3=A4?=").as_deref(), Some("ä"));
        assert_eq!(text("name", "x"), None);
    }

    #[test]
    fn parameters_are_spelled_out_where_they_are_encoded_or_split() {
        let value = b" attachment; filename*0*=utf-8''%C3%A4;\r\n filename*1=b.txt";
        assert_eq!(params_text(value), "; filename=äb.txt");
        assert_eq!(params_text(b"attachment; filename=b.txt"), "");
        assert_eq!(params_text(b"a * b"), "");
    }

    #[test]
    fn the_encoded_form_wins() {
        let both = params(&[("name", "plain"), ("name*", "utf-8''better")]);
        assert_eq!(param_text(&both, "name").as_deref(), Some("better"));
    }
}

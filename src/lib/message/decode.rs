//! From raw to text, for SEARCH and for BINARY.
//!
//! Nothing here fails: what can't be decoded comes out as it is, or as U+FFFD.
//! Everything is linear, and makes at most three bytes of text of one byte.

mod charset;
mod date;
mod encoded_word;
mod transfer;

pub use charset::{CharsetDecoder, knows_charset};
pub use date::{HeaderDate, date};
pub use encoded_word::field_text;
pub use transfer::{TransferDecoder, TransferEncoding};

use crate::content::{Param, percent_decode};

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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_encoded_form_wins() {
        let both = params(&[("name", "plain"), ("name*", "utf-8''better")]);
        assert_eq!(param_text(&both, "name").as_deref(), Some("better"));
    }
}

//! From raw to text, for SEARCH and for BINARY.
//!
//! Nothing here fails: what can't be decoded comes out as it is, or as U+FFFD.
//! Everything is linear, and makes at most three bytes of text of one byte.

mod charset;
mod date;
mod encoded_word;
mod transfer;

pub use charset::{CharsetDecoder, exact_text, knows_charset};
pub use date::{HeaderDate, date};
pub use encoded_word::field_text;
pub use transfer::{TransferDecoder, TransferEncoding};

use crate::content::{Param, params_of, percent_decode};

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

/// The parameters of a field's value as text, `; name=text` each, if RFC 2231 has made
/// something of them that can't be read as it stands; else nothing.
pub fn params_text(value: &[u8]) -> String {
    let value = &*crate::header::unfold(value);
    if !value.contains(&b'*') || !value.contains(&b';') {
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

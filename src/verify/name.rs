//! What people have named: mailboxes and keywords. Names are needed whole,
//! because a rename moves all that lies below; of keywords a print is enough.
//!
//! Never here: a name on its way out. They are letters of the owner.

use sha2::{Digest, Sha256};
use std::rc::Rc;
use unicode_normalization::is_nfc;

/// Components of one name.
const DEPTH_MAX: usize = 32;

/// Bytes of one component.
const COMPONENT_BYTES_MAX: usize = 255;

/// Bytes of a name, with one between two components.
const NAME_BYTES_MAX: usize = 1_024;

/// Bytes of a keyword.
const KEYWORD_BYTES_MAX: usize = 128;

/// Stands between components: below every byte that one can hold, so that a
/// mailbox and all that lies below it are one run.
const BETWEEN: char = '\0';

/// A mailbox's name, components one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Rc<str>);

/// A name on its way in.
pub struct Builder {
    name: String,
    components: usize,
    good: bool,
}

impl Name {
    /// A name without components, which is none yet.
    pub fn builder() -> Builder {
        Builder {
            name: String::new(),
            components: 0,
            good: true,
        }
    }

    /// Whether mail comes here.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// Whether it lies below `other`, at any depth.
    pub fn is_below(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&*other.0);
        rest.is_some_and(|rest| rest.starts_with(BETWEEN))
    }

    /// What this, which is `from` or lies below, is called after a rename; `None`
    /// if that is no name.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(&*from.0)?;
        let moved = format!("{}{rest}", to.0);
        let components = moved.split(BETWEEN).count();
        (components <= DEPTH_MAX && moved.len() <= NAME_BYTES_MAX).then(|| Self(moved.into()))
    }

    /// Tells names apart without keeping them.
    pub fn print(&self) -> [u8; 16] {
        print(self.0.as_bytes())
    }
}

impl Builder {
    /// One component more.
    pub fn push(&mut self, component: &[u8]) {
        let text = std::str::from_utf8(component).unwrap_or_default();
        self.good &= is_component(text);
        if self.components > 0 {
            self.name.push(BETWEEN);
        } else {
            self.good &= text == "INBOX" || !text.eq_ignore_ascii_case("INBOX");
        }
        self.name.push_str(text);
        self.components = self.components.saturating_add(1);
    }

    /// The name, if it is one.
    pub fn finish(self) -> Option<Name> {
        let fits = (1..=DEPTH_MAX).contains(&self.components) && self.name.len() <= NAME_BYTES_MAX;
        (self.good && fits).then(|| Name(self.name.into()))
    }
}

fn is_component(text: &str) -> bool {
    let plain = |c: char| c != '/' && !c.is_control();
    let fits = (1..=COMPONENT_BYTES_MAX).contains(&text.len());
    fits && text.chars().all(plain) && is_nfc(text)
}

/// Tells keywords apart without keeping them; case makes no other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeywordPrint([u8; 16]);

impl KeywordPrint {
    /// `None` if it is no keyword: an IMAP atom of 1 to 128 bytes.
    ///
    /// `ATOM-CHAR = <any CHAR except atom-specials>` (RFC 9051, section 9)
    pub fn of(keyword: &[u8]) -> Option<Self> {
        let is_atom_char = |byte: &u8| byte.is_ascii_graphic() && !br#"(){%*"\]"#.contains(byte);
        let fits = (1..=KEYWORD_BYTES_MAX).contains(&keyword.len());
        let good = fits && keyword.iter().all(is_atom_char);
        good.then(|| Self(print(&keyword.to_ascii_lowercase())))
    }
}

fn print(bytes: &[u8]) -> [u8; 16] {
    let mut print = [0; 16];
    print.copy_from_slice(Sha256::digest(bytes).split_at(16).0);
    print
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(components: &[&str]) -> Option<Name> {
        let mut builder = Name::builder();
        components
            .iter()
            .for_each(|text| builder.push(text.as_bytes()));
        builder.finish()
    }

    #[test]
    fn a_name_is_as_the_format_has_it() {
        assert!(name(&["Work", "2026"]).is_some());
        assert!(name(&["INBOX", "inbox"]).is_some());
        let deep = ["a"; 33];
        let long = ["a", "b", "c", "d", "e"].map(|letter| letter.repeat(205));
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert!(name(&deep[..32]).is_some() && name(&long).is_none());
        for none in [
            &[][..],
            &[""],
            &["a/b"],
            &["a\u{7}"],
            &["a\u{85}"],
            &["Inbox"],
            &["u\u{308}"],
            &deep,
        ] {
            assert_eq!(name(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_tree_is_one_run_and_moves_whole() {
        let (work, plus) = (name(&["Work"]).unwrap(), name(&["Work+"]).unwrap());
        let below = name(&["Work", "a"]).unwrap();
        assert!(work < below && below < plus);
        assert!(below.is_below(&work) && !plus.is_below(&work) && !work.is_below(&work));
        assert_eq!(below.moved(&work, &plus), name(&["Work+", "a"]));
    }

    #[test]
    fn case_makes_no_other_keyword() {
        assert_eq!(KeywordPrint::of(b"$Junk"), KeywordPrint::of(b"$junk"));
        assert_ne!(KeywordPrint::of(b"a"), KeywordPrint::of(b"b"));
        for none in [
            &b""[..],
            b"a b",
            b"\\Seen",
            b"]",
            &[b'a'; 129],
            "ä".as_bytes(),
        ] {
            assert_eq!(KeywordPrint::of(none), None);
        }
    }
}

//! Address lists (RFC 5322 §3.4 and §4.4), leniently.
//!
//! What no rule allows is skipped up to the next comma or semicolon, so that
//! one bad address hides no other. A phrase without an address becomes an
//! address with a name only.

use std::borrow::Cow;

use super::{Address, MISSING_DOMAIN, MISSING_MAILBOX};
use crate::lexer::{Lexer, is_white};

/// `address-list = (address *("," address)) / obs-addr-list`: the addresses, at
/// most `list_max` before the mark that ends an open group, and the steps taken.
pub(super) fn address_list(value: &[u8], list_max: usize) -> (Vec<Address>, u64) {
    let mut parser = Parser {
        lexer: Lexer::new(value),
        list: Vec::new(),
        in_group: false,
    };
    while parser.list.len() < list_max && parser.address() {}
    if parser.in_group {
        parser.end_group();
    }
    parser.list.shrink_to_fit();
    (parser.list, parser.lexer.steps())
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    list: Vec<Address>,
    in_group: bool,
}

/// Words as they stand in a row, read both ways until what follows tells which
/// is meant.
#[derive(Default)]
struct Words {
    /// `phrase`: with one space where there was white space.
    phrase: Vec<u8>,
    /// `local-part`: without white space.
    local: Vec<u8>,
    /// Whether there was any word, if only `""`.
    any: bool,
    /// Whether two words stood in a row without a dot: no local part then.
    apart: bool,
}

impl Words {
    /// The local part; the placeholder if there is none.
    fn mailbox(self) -> Vec<u8> {
        if self.any {
            self.local
        } else {
            MISSING_MAILBOX.to_vec()
        }
    }
}

impl Parser<'_> {
    /// `address = mailbox / group`, with what separates it from the next; false
    /// at the end.
    fn address(&mut self) -> bool {
        self.lexer.take_comment();
        self.lexer.cfws();
        match self.lexer.peek() {
            None => return false,
            Some(b',') => drop(self.lexer.bump()),
            Some(b';') => self.semicolon(),
            Some(_) => self.mailbox_or_group(),
        }
        true
    }

    /// The end of a group; elsewhere as good as a comma.
    fn semicolon(&mut self) {
        self.lexer.bump();
        if std::mem::take(&mut self.in_group) {
            self.end_group();
        }
    }

    fn end_group(&mut self) {
        self.list.push(Address::default());
    }

    /// `mailbox = name-addr / addr-spec`, `group = display-name ":"
    /// [group-list] ";" [CFWS]`.
    fn mailbox_or_group(&mut self) {
        let words = self.words();
        match self.lexer.peek() {
            Some(b'<') => self.angle_addr(words.phrase),
            Some(b'@') if !words.apart => self.addr_spec(words),
            Some(b':') if !self.in_group => self.begin_group(words.phrase),
            _ => self.words_only(words),
        }
    }

    /// `addr-spec = local-part "@" domain`, at the `@`.
    fn addr_spec(&mut self, words: Words) {
        self.lexer.bump();
        let host = self.domain();
        self.skip_to_separator();
        self.list.push(Address {
            name: self.lexer.take_comment(),
            adl: None,
            mailbox: Some(words.mailbox()),
            host: Some(or_missing(host)),
        });
    }

    fn begin_group(&mut self, name: Vec<u8>) {
        self.lexer.bump();
        self.in_group = true;
        self.list.push(Address {
            mailbox: Some(name),
            ..Address::default()
        });
    }

    /// Words that belong to no address: a local name if they could be one, else
    /// a display name.
    fn words_only(&mut self, words: Words) {
        self.skip_to_separator();
        if !words.any {
            return;
        }
        let comment = self.lexer.take_comment();
        let (name, mailbox) = match words.apart {
            true => (Some(words.phrase), MISSING_MAILBOX.to_vec()),
            false => (comment, words.local),
        };
        self.list.push(Address {
            name,
            adl: None,
            mailbox: Some(mailbox),
            host: Some(MISSING_DOMAIN.to_vec()),
        });
    }

    /// `angle-addr = [CFWS] "<" [obs-route] addr-spec ">" [CFWS]`, at the `<`.
    fn angle_addr(&mut self, name: Vec<u8>) {
        self.lexer.bump();
        let adl = self.route();
        let words = self.words();
        let (mailbox, host) = if words.apart {
            (MISSING_MAILBOX.to_vec(), Vec::new())
        } else {
            let has_host = self.lexer.take(b'@');
            let host = if has_host { self.domain() } else { Vec::new() };
            (words.mailbox(), host)
        };
        self.skip_to_separator();
        self.list.push(Address {
            name: (!name.is_empty()).then_some(name),
            adl,
            mailbox: Some(mailbox),
            host: Some(or_missing(host)),
        });
    }

    /// `obs-route = obs-domain-list ":"`, `obs-domain-list = *(CFWS / ",") "@"
    /// domain *("," [CFWS] ["@" domain])`.
    fn route(&mut self) -> Option<Vec<u8>> {
        let mut route = Vec::new();
        self.lexer.cfws();
        while matches!(self.lexer.peek(), Some(b'@' | b',')) {
            route.extend(self.lexer.bump());
            route.extend(self.domain());
        }
        self.lexer.take(b':');
        (!route.is_empty()).then_some(route)
    }

    /// `phrase = 1*word / obs-phrase` and `local-part = dot-atom /
    /// quoted-string / obs-local-part` at once.
    fn words(&mut self) -> Words {
        let mut words = Words::default();
        let mut joined = true;
        loop {
            let space = self.lexer.cfws();
            let text: Cow<'_, [u8]> = match self.lexer.peek() {
                Some(b'"') => self.lexer.quoted_string().into(),
                Some(b'.') => self.lexer.take_while(|byte| byte == b'.').into(),
                Some(byte) if is_atom_byte(byte) => self.lexer.take_while(is_atom_byte).into(),
                _ => return words,
            };
            if space && !words.phrase.is_empty() {
                words.phrase.push(b' ');
            }
            let dot = text.first() == Some(&b'.');
            words.apart |= !joined && !dot;
            joined = dot;
            words.any = true;
            words.phrase.extend_from_slice(&text);
            words.local.extend_from_slice(&text);
        }
    }

    /// `domain = dot-atom / domain-literal / obs-domain`; empty if there is
    /// none.
    fn domain(&mut self) -> Vec<u8> {
        self.lexer.cfws();
        if self.lexer.peek() == Some(b'[') {
            return self.domain_literal();
        }
        let mut domain = Vec::new();
        loop {
            domain.extend_from_slice(self.lexer.take_while(is_domain_byte));
            self.lexer.cfws();
            let goes_on = match self.lexer.peek() {
                Some(b'.') => true,
                Some(byte) => domain.ends_with(b".") && is_domain_byte(byte),
                None => false,
            };
            if !goes_on {
                return domain;
            }
        }
    }

    /// `domain-literal = "[" *([FWS] dtext) [FWS] "]"`, with its brackets.
    fn domain_literal(&mut self) -> Vec<u8> {
        let text = self.lexer.take_while(|byte| !b"],;>".contains(&byte));
        let mut literal = text.to_vec();
        if self.lexer.take(b']') {
            literal.push(b']');
        }
        literal
    }

    /// Skips what follows an address up to the next comma or semicolon.
    fn skip_to_separator(&mut self) {
        loop {
            self.lexer.cfws();
            match self.lexer.peek() {
                None | Some(b',' | b';') => return,
                Some(b'"') => drop(self.lexer.quoted_string()),
                Some(_) => drop(self.lexer.bump()),
            }
        }
    }
}

fn or_missing(host: Vec<u8>) -> Vec<u8> {
    if host.is_empty() {
        MISSING_DOMAIN.to_vec()
    } else {
        host
    }
}

/// `atext`, and what is found in its place: brackets, backslashes, controls and
/// 8-bit bytes, but no separator.
fn is_atom_byte(byte: u8) -> bool {
    !is_white(byte) && !b"()<>,;:@\".".contains(&byte)
}

fn is_domain_byte(byte: u8) -> bool {
    is_atom_byte(byte) || byte == b'.'
}

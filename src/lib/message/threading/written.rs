//! Threads as they stand on the wire (RFC 5256 §5), however deep they are: piece by
//! piece, and without recursion.

use super::Row;
use super::links::Links;

/// `thread-list = "(" (thread-members / thread-nested) ")"`,
/// `thread-members = nz-number *(SP nz-number) [SP thread-nested]`,
/// `thread-nested = 2*thread-list`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// ` `
    Space,
    /// A letter.
    Letter(Row),
}

/// See the module.
#[derive(Debug)]
pub struct Written<'t> {
    links: &'t Links,
    tops: std::slice::Iter<'t, u32>,
    /// What comes, the next one last.
    coming: Vec<Coming>,
}

#[derive(Debug)]
enum Coming {
    Token(Token),
    Node(u32),
    /// Each of the siblings from this one on as a list of its own.
    Lists(u32),
}

impl<'t> Written<'t> {
    pub(super) fn new(links: &'t Links, tops: &'t [u32]) -> Self {
        Self {
            links,
            tops: tops.iter(),
            coming: Vec::new(),
        }
    }

    fn list(&mut self, node: u32) {
        self.coming.push(Coming::Token(Token::Close));
        self.coming.push(Coming::Node(node));
        self.coming.push(Coming::Token(Token::Open));
    }

    /// What is below a node is still to come.
    fn node(&mut self, node: u32) -> Option<Token> {
        let row = self.links.row(node);
        if let Some(first) = self.links.first(node) {
            self.coming.push(match self.links.next(first) {
                Some(_) => Coming::Lists(first),
                None => Coming::Node(first),
            });
            if row.is_some() {
                self.coming.push(Coming::Token(Token::Space));
            }
        }
        row.map(Token::Letter)
    }
}

impl Iterator for Written<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            match self.coming.pop() {
                Some(Coming::Token(token)) => return Some(token),
                Some(Coming::Node(node)) => {
                    if let Some(token) = self.node(node) {
                        return Some(token);
                    }
                }
                Some(Coming::Lists(first)) => {
                    self.coming
                        .extend(self.links.next(first).map(Coming::Lists));
                    self.list(first);
                }
                None => {
                    let top = *self.tops.next()?;
                    self.list(top);
                }
            }
        }
    }
}

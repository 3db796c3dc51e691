//! Which letter answers which (RFC 5256 §3, REFERENCES, steps 1 to 3), and who stands
//! where in the end.
//!
//! Of ids a keyed hash is kept. Nobody who writes letters can know of two that would be
//! taken for one, and among millions the odds of chance are one to a million.

use super::table::Table;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

/// Nodes of all threads together: letters, and what they name that isn't there; three
/// for each of a million letters. Together they take some 200 MB.
pub const NODES_MAX: usize = 3_500_000;

/// Generations that are looked back for loops before one letter, and what it names, are
/// put under others. It is needed only for what has descendants already, so that real
/// threads, which come in order, may be as long as they like.
pub const ANCESTRY_MAX: usize = 1000;

/// No node.
const NONE: u32 = u32::MAX;

/// What threading goes by, of one letter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Letter<'l> {
    /// Its Message-ID.
    pub own: Option<&'l [u8]>,
    /// What it answers, the eldest first.
    pub references: &'l [Vec<u8>],
    /// Its base subject, as it is compared.
    pub subject: &'l [u8],
    /// Whether the subject says that it answers or forwards.
    pub is_reply_or_forward: bool,
}

/// There are more nodes than [`NODES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// See the module.
#[derive(Debug, Default)]
pub struct Links {
    keys: RandomState,
    named: Table<u32>,
    nodes: Vec<Node>,
    rows: Vec<Said>,
}

/// A letter or a dummy, which stands for a letter that isn't there.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    row: u32,
    first: u32,
    last: u32,
    next: u32,
    /// Children that a dummy at the top will have.
    heirs: u32,
    has_descendants: bool,
    is_marked: bool,
}

impl Node {
    const DUMMY: Self = Self {
        parent: NONE,
        row: NONE,
        first: NONE,
        last: NONE,
        next: NONE,
        heirs: 0,
        has_descendants: false,
        is_marked: false,
    };
}

/// Of a letter.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// Its node.
    pub node: u32,
    /// What its base subject is known by; none if that is empty.
    pub subject: Option<u64>,
    /// Whether the subject says that it answers or forwards.
    pub is_reply_or_forward: bool,
}

impl Links {
    /// Without a letter; nothing has to be moved while so many come.
    pub fn for_letters(letters: usize) -> Self {
        let letters = letters.min(NODES_MAX);
        Self {
            nodes: Vec::with_capacity(letters),
            rows: Vec::with_capacity(letters),
            ..Self::default()
        }
    }

    /// One more letter, which nobody names and which names nobody.
    pub fn add_alone(&mut self, letter: &Letter<'_>) -> Result<(), TooMany> {
        let node = self.new_node()?;
        self.fill(node, letter, Some(self.known_by(letter.subject)));
        Ok(())
    }

    /// One more letter.
    pub fn add(&mut self, letter: &Letter<'_>) -> Result<(), TooMany> {
        let node = self.node_of(letter.own)?;
        let subject = (!letter.subject.is_empty()).then(|| self.known_by(letter.subject));
        self.fill(node, letter, subject);
        let (mut elder, mut looks) = (None, ANCESTRY_MAX);
        for id in letter.references {
            let younger = self.named(id)?;
            if let Some(elder) = elder
                && self.get(younger).parent == NONE
            {
                self.put_under(elder, younger, &mut looks);
            }
            elder = Some(younger);
        }
        // Whoever named it before has seen less than it says itself.
        self.change(node, |node| node.parent = NONE);
        if let Some(elder) = elder {
            self.put_under(elder, node, &mut looks);
        }
        Ok(())
    }

    /// A node for a letter with this id. Of letters with one id only the first has it.
    fn node_of(&mut self, own: Option<&[u8]>) -> Result<u32, TooMany> {
        let Some(own) = own else {
            return self.new_node();
        };
        let named = self.named(own)?;
        match self.is_dummy(named) {
            true => Ok(named),
            false => self.new_node(),
        }
    }

    fn fill(&mut self, node: u32, letter: &Letter<'_>, subject: Option<u64>) {
        let row = u32::try_from(self.rows.len()).unwrap_or(NONE);
        self.change(node, |node| node.row = row);
        self.rows.push(Said {
            node,
            subject,
            is_reply_or_forward: letter.is_reply_or_forward,
        });
    }

    /// The node with this id.
    fn named(&mut self, id: &[u8]) -> Result<u32, TooMany> {
        let key = self.known_by(id);
        match self.named.entry(key) {
            Some(Entry::Occupied(known)) => Ok(*known.get()),
            Some(Entry::Vacant(place)) => Ok(*place.insert(new_node(&mut self.nodes)?)),
            None => Err(TooMany),
        }
    }

    fn known_by(&self, bytes: &[u8]) -> u64 {
        self.keys.hash_one(bytes)
    }

    /// A dummy that nobody names.
    fn new_node(&mut self) -> Result<u32, TooMany> {
        new_node(&mut self.nodes)
    }

    /// Unless that would make a loop.
    fn put_under(&mut self, elder: u32, younger: u32, looks: &mut usize) {
        if elder == younger || self.may_descend_from(elder, younger, looks) {
            return;
        }
        self.change(younger, |node| node.parent = elder);
        self.change(elder, |node| node.has_descendants = true);
    }

    /// Whether one is below another, or so deep that nobody looks.
    fn may_descend_from(&self, below: u32, above: u32, looks: &mut usize) -> bool {
        if !self.get(above).has_descendants {
            return false;
        }
        let mut at = below;
        while *looks > 0 {
            *looks = looks.saturating_sub(1);
            at = self.get(at).parent;
            if at == above || at == NONE {
                return at == above;
            }
        }
        true
    }

    /// Puts a letter under the nearest letter above it, or else under the dummy at the
    /// top, and counts who stands there (step 3). False if the effort was used up before.
    pub fn prune(&mut self, row: u32, effort: &mut usize) -> bool {
        let node = self.said(row).node;
        if !self.climb(node, |above| above.row == NONE, effort) {
            return false;
        }
        let above = self.get(node).parent;
        if self.is_dummy(above) {
            self.change(above, |node| node.heirs = node.heirs.saturating_add(1));
        }
        true
    }

    /// Puts a node under the first above it that may not be passed, or at the top of all.
    /// Whom it passes moves up, too, so that nobody goes the same long way again. If the
    /// effort is used up before, it says false, and goes on from there the next time.
    fn climb(&mut self, node: u32, may_pass: fn(Node) -> bool, effort: &mut usize) -> bool {
        loop {
            let above = self.get(node).parent;
            let beyond = self.get(above).parent;
            if beyond == NONE || !may_pass(self.get(above)) {
                return true;
            }
            let Some(left) = effort.checked_sub(1) else {
                return false;
            };
            *effort = left;
            self.change(node, |node| node.parent = beyond);
            let farther = self.get(beyond).parent;
            if farther != NONE && may_pass(self.get(beyond)) {
                self.change(above, |node| node.parent = farther);
            }
        }
    }

    /// The nearest letter above, or else the dummy at the top. When all are pruned that
    /// is a step, or two where a dummy was put under another since.
    fn nearest(&self, node: u32) -> Option<u32> {
        let mut at = self.get(node).parent;
        while self.is_dummy(at) && self.get(at).parent != NONE {
            at = self.get(at).parent;
        }
        (at != NONE).then_some(at)
    }

    /// Who stands above a letter or a dummy; a dummy at the top is left out if there is
    /// only one below it.
    pub fn above(&self, node: u32) -> Option<u32> {
        let above = self.nearest(node)?;
        let is_needed = !self.is_dummy(above) || self.get(above).heirs > 1;
        is_needed.then_some(above)
    }

    /// Puts what is at the top under something else that is there, a dummy among
    /// dummies, or a letter under either.
    pub fn adopt(&mut self, elder: u32, younger: u32) {
        self.change(younger, |node| node.parent = elder);
    }

    /// A dummy over two that are at the top.
    pub fn over(&mut self, one: u32, other: u32) -> Option<u32> {
        let dummy = self.new_node().ok()?;
        self.change(dummy, |node| node.heirs = 2);
        self.adopt(dummy, one);
        self.adopt(dummy, other);
        Some(dummy)
    }

    /// Puts a letter behind its siblings; gives back what is new at the top by that.
    pub fn place(&mut self, row: u32) -> Option<u32> {
        let node = self.said(row).node;
        let Some(above) = self.above(node) else {
            self.change(node, |node| node.parent = NONE);
            return Some(node);
        };
        let is_first = self.get(above).last == NONE;
        match self.get(above).last {
            NONE => self.change(above, |elder| elder.first = node),
            last => self.change(last, |elder| elder.next = node),
        }
        self.change(above, |elder| elder.last = node);
        (is_first && self.is_dummy(above)).then_some(above)
    }

    /// The top of a letter's thread, when all are placed; none if the effort was used up
    /// before it was reached. From now on parents are good for nothing else.
    pub fn top(&mut self, row: u32, effort: &mut usize) -> Option<u32> {
        let node = self.said(row).node;
        let is_there = self.climb(node, |_| true, effort);
        is_there.then(|| match self.get(node).parent {
            NONE => node,
            top => top,
        })
    }

    /// True for the first time.
    pub fn mark(&mut self, node: u32) -> bool {
        let is_new = !self.get(node).is_marked;
        self.change(node, |node| node.is_marked = true);
        is_new
    }

    /// Whether it stands for a letter that isn't there.
    pub fn is_dummy(&self, node: u32) -> bool {
        node != NONE && self.get(node).row == NONE
    }

    /// The letter of a node.
    pub fn row(&self, node: u32) -> Option<u32> {
        Some(self.get(node).row).filter(|row| *row != NONE)
    }

    /// The eldest below a node.
    pub fn first(&self, node: u32) -> Option<u32> {
        Some(self.get(node).first).filter(|node| *node != NONE)
    }

    /// The next sibling of a node.
    pub fn next(&self, node: u32) -> Option<u32> {
        Some(self.get(node).next).filter(|node| *node != NONE)
    }

    /// What is known of a letter.
    pub fn said(&self, row: u32) -> Said {
        let said = self.rows.get(row as usize).copied();
        said.unwrap_or(Said {
            node: NONE,
            subject: None,
            is_reply_or_forward: false,
        })
    }

    fn get(&self, node: u32) -> Node {
        let node = self.nodes.get(node as usize).copied();
        node.unwrap_or(Node::DUMMY)
    }

    fn change(&mut self, node: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(node as usize) {
            change(node);
        }
    }
}

fn new_node(nodes: &mut Vec<Node>) -> Result<u32, TooMany> {
    let fits = nodes.len() < NODES_MAX;
    let node = u32::try_from(nodes.len()).ok().filter(|_| fits);
    let node = node.ok_or(TooMany)?;
    nodes.push(Node::DUMMY);
    Ok(node)
}

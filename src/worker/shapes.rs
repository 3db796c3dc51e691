//! Letters that were looked into lately: clients ask for the structure of one, then
//! for its parts one by one.

use message::Gist;
use std::collections::VecDeque;
use std::rc::Rc;
use store::MessageId;

/// Shapes kept: what a client's screen shows.
const SHAPES_MAX: usize = 64;

/// Parts of a shape that is kept. Larger ones are found again, so that what is
/// kept stays below a few MiB.
const PARTS_MAX: usize = 64;

/// How much of a letter's shape is needed. More is had by reading more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: the bytes as they are.
    Nothing,
    /// Where the header ends, the envelope, and the fields that lists show.
    Header,
    /// All parts.
    Whole,
}

impl Depth {
    /// How deep a gist goes.
    pub fn of(gist: &Gist) -> Self {
        match gist.whole {
            true => Self::Whole,
            false => Self::Header,
        }
    }
}

/// See the module. The one used last stands last.
#[derive(Debug, Default)]
pub struct Shapes(VecDeque<(MessageId, Rc<Gist>)>);

impl Shapes {
    /// What is known of a letter, if it is known as deep as needed.
    pub fn get(&mut self, id: MessageId, depth: Depth) -> Option<Rc<Gist>> {
        let fits = |(known, gist): &(MessageId, Rc<Gist>)| *known == id && Depth::of(gist) >= depth;
        let at = self.0.iter().position(fits)?;
        let found = self.0.remove(at)?;
        let gist = Rc::clone(&found.1);
        self.0.push_back(found);
        Some(gist)
    }

    /// Keeps a shape, instead of one that knows less of the same letter.
    pub fn keep(&mut self, id: MessageId, gist: &Rc<Gist>) {
        if gist.structure.parts().len() > PARTS_MAX {
            return;
        }
        self.0.retain(|(known, _)| *known != id);
        if self.0.len() >= SHAPES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, Rc::clone(gist)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(whole: bool) -> Rc<Gist> {
        Rc::new(message::gist::Collector::new().finish(whole))
    }

    #[test]
    fn a_shape_serves_whoever_needs_no_more_than_it_knows() {
        let mut shapes = Shapes::default();
        shapes.keep(MessageId(1), &shape(false));
        assert!(shapes.get(MessageId(1), Depth::Header).is_some());
        assert!(shapes.get(MessageId(1), Depth::Whole).is_none());
        shapes.keep(MessageId(1), &shape(true));
        assert!(shapes.get(MessageId(1), Depth::Header).is_some());
    }

    #[test]
    fn the_shape_that_nobody_used_longest_goes_first() {
        let mut shapes = Shapes::default();
        for id in 0..SHAPES_MAX as u64 {
            shapes.keep(MessageId(id), &shape(true));
        }
        assert!(shapes.get(MessageId(0), Depth::Whole).is_some());
        shapes.keep(MessageId(1000), &shape(true));
        assert!(shapes.get(MessageId(0), Depth::Whole).is_some());
        assert!(shapes.get(MessageId(1), Depth::Whole).is_none());
    }
}

//! Threads of one subject become one (RFC 5256 §3, REFERENCES, steps 4 and 5).

use super::links::Links;
use super::table::Table;

/// See the module.
#[derive(Debug, Default)]
pub struct Subjects {
    threads: Vec<Thread>,
    meant: Table<Meant>,
}

/// What was at the top before anything was merged.
#[derive(Debug, Clone, Copy)]
struct Thread {
    top: u32,
    /// The letter whose subject it has.
    row: u32,
}

/// The thread that a subject means.
#[derive(Debug, Clone, Copy)]
struct Meant {
    top: u32,
    is_reply_or_forward: bool,
}

impl Subjects {
    /// How many threads there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.threads.len()).unwrap_or(u32::MAX)
    }

    /// A letter that begins a thread, or is the eldest under a dummy that does.
    pub fn begin(&mut self, links: &mut Links, row: u32) {
        let node = links.said(row).node;
        let top = match links.above(node) {
            None => node,
            Some(above) if links.is_dummy(above) && links.mark(above) => above,
            Some(_) => return,
        };
        self.threads.push(Thread { top, row });
    }

    /// The table of step 5 B: a dummy before a letter, a letter before a reply to it, and
    /// of equals the first.
    pub fn name(&mut self, links: &Links, thread: u32) {
        let Some((thread, subject)) = self.thread(links, thread) else {
            return;
        };
        let is_reply_or_forward = links.said(thread.row).is_reply_or_forward;
        let new = Meant {
            top: thread.top,
            is_reply_or_forward,
        };
        let Some(meant) = self.meant.entry(subject) else {
            return;
        };
        let meant = meant.or_insert(new);
        let (is_dummy, was_dummy) = (links.is_dummy(new.top), links.is_dummy(meant.top));
        let is_better = is_dummy || (meant.is_reply_or_forward && !is_reply_or_forward);
        if !was_dummy && is_better {
            *meant = new;
        }
    }

    fn thread(&self, links: &Links, thread: u32) -> Option<(Thread, u64)> {
        let thread = self.threads.get(thread as usize).copied()?;
        Some((thread, links.said(thread.row).subject?))
    }

    /// Step 5 C. What has got a dummy above it already is put there once more, and
    /// stays.
    pub fn merge(&mut self, links: &mut Links, thread: u32) {
        let Some((Thread { top, row }, subject)) = self.thread(links, thread) else {
            return;
        };
        let Some(meant) = self.meant.get_mut(subject) else {
            return;
        };
        if meant.top == top {
            return;
        }
        let is_reply = links.said(row).is_reply_or_forward;
        if links.is_dummy(meant.top) || (is_reply && !meant.is_reply_or_forward) {
            links.adopt(meant.top, top);
        } else if let Some(dummy) = links.over(meant.top, top) {
            meant.top = dummy;
        }
    }

    /// ORDEREDSUBJECT: under the earliest.
    pub fn join(&mut self, links: &mut Links, thread: u32) {
        let Some((Thread { top, .. }, subject)) = self.thread(links, thread) else {
            return;
        };
        let first = Meant {
            top,
            is_reply_or_forward: false,
        };
        let known = self.meant.entry(subject);
        let first = known.map(|known| known.or_insert(first).top);
        if let Some(first) = first.filter(|first| *first != top) {
            links.adopt(first, top);
        }
    }
}

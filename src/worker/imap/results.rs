//! What SEARCH, ESEARCH and SORT tell of what was found: every number of it, or what
//! RETURN asks for (RFC 4731 §3.1, RFC 5267 §3, RFC 9394 §3.1).
//!
//! Results stand in the order in which they are told: that of their numbers, or as they
//! were sorted. However many they are, they are told in steps.

use super::End;
use super::client::Client;
use super::runs::Runs;
use super::search::Found;
use wire::imap::response::{ESearch, SearchWriter, Source};
use wire::imap::{PartialRange, SearchReturn, Tag};

/// Numbers told between two breaths.
const STEP_MESSAGES: usize = 4096;

/// What is told where nothing is said of it, but the answer is an ESEARCH.
pub const EVERYTHING: &[SearchReturn] = &[SearchReturn::All];

/// Whether ALL or COUNT is asked for, so that more is spoken of than what is singled out.
pub fn speak_of_everything(returns: &[SearchReturn]) -> bool {
    returns.contains(&SearchReturn::All) || returns.contains(&SearchReturn::Count)
}

/// Which command an ESEARCH answers.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Its tag.
    pub tag: &'a Tag,
    /// The numbers are UIDs.
    pub by_uid: bool,
    /// Where that was found, if it isn't the open mailbox that is meant.
    pub source: Option<Source<'a>>,
}

/// What was found, in order.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a> {
    /// From the first to the last. Of more than are asked for some may be left out in the
    /// middle.
    pub found: &'a [Found],
    /// How many were found, with what is left out.
    pub count: usize,
}

impl<'a> Results<'a> {
    /// Nothing is left out.
    pub fn all(found: &'a [Found]) -> Self {
        Self {
            found,
            count: found.len(),
        }
    }

    /// What RETURN asks for by itself: MIN, the page, MAX; in this order, which is that of
    /// the results if the page lies between the two.
    pub fn singled_out(&self, returns: &[SearchReturn]) -> impl Iterator<Item = &'a Found> {
        let wants = |what| returns.contains(&what);
        let first = self.found.first().filter(|_| wants(SearchReturn::Min));
        let last = self.found.last().filter(|_| wants(SearchReturn::Max));
        let page = returns.iter().find_map(SearchReturn::page);
        let page = page.map_or(&[][..], |page| self.on_page(page));
        first.into_iter().chain(page).chain(last)
    }

    /// A page of all results. What is left out lies before a page that is counted from the
    /// last, and behind every other.
    fn on_page(&self, page: PartialRange) -> &'a [Found] {
        let left_out = match page.is_from_last() {
            true => self.count.saturating_sub(self.found.len()),
            false => 0,
        };
        let page = page.of(self.count);
        let at = page.start.saturating_sub(left_out)..page.end.saturating_sub(left_out);
        self.found.get(at).unwrap_or_default()
    }

    /// ESEARCH. Where nothing but SAVE is asked for there is none (RFC 5182 §2.1).
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn report(
        &self,
        client: &mut Client,
        head: Head<'_>,
        returns: &[SearchReturn],
        modseq: Option<u64>,
    ) -> Result<(), End> {
        if returns == [SearchReturn::Save] {
            return Ok(());
        }
        let wants = |what| returns.contains(&what);
        let number = |found: &Found| found.number;
        let first = self.found.first().map(number);
        let last = self.found.last().map(number);
        let head = ESearch {
            tag: head.tag,
            source: head.source,
            uid: head.by_uid,
            min: first.filter(|_| wants(SearchReturn::Min)),
            max: last.filter(|_| wants(SearchReturn::Max)),
            all: None,
            count: wants(SearchReturn::Count).then_some(self.count as u32),
            modseq,
        };
        let mut writer = SearchWriter::esearch(client.out().buffer(), &head);
        if wants(SearchReturn::All) {
            tell_ranges(client, &mut writer, self.found).await?;
        }
        if let Some(page) = returns.iter().find_map(SearchReturn::page) {
            writer.partial(client.out().buffer(), page);
            tell_ranges(client, &mut writer, self.on_page(page)).await?;
        }
        writer.end(client.out().buffer());
        Ok(client.out().relieve().await?)
    }

    /// SEARCH or SORT, as it was begun: every number, and the highest mod-sequence if that
    /// was asked for (RFC 7162 §3.1.5, §3.1.6).
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_numbers(
        &self,
        client: &mut Client,
        mut writer: SearchWriter,
        modseq: Option<u64>,
    ) -> Result<(), End> {
        for some in self.found.chunks(STEP_MESSAGES) {
            let numbers: Vec<u32> = some.iter().map(|found| found.number).collect();
            writer.numbers(client.out().buffer(), &numbers);
            client.out().relieve().await?;
            client.breathe().await?;
        }
        if let Some(modseq) = modseq {
            writer.modseq(client.out().buffer(), modseq);
        }
        writer.end(client.out().buffer());
        Ok(client.out().relieve().await?)
    }
}

/// ALL or PARTIAL of an ESEARCH: ranges only where the order is that of the numbers (RFC
/// 5267 §3.2).
async fn tell_ranges(
    client: &mut Client,
    writer: &mut SearchWriter,
    found: &[Found],
) -> Result<(), End> {
    let mut runs = Runs::default();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter().for_each(|found| runs.push(found.number));
        writer.ranges(client.out().buffer(), &runs.closed());
        client.out().relieve().await?;
        client.breathe().await?;
    }
    writer.ranges(client.out().buffer(), &runs.all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use store::Uid;
    use wire::imap::{Command, Event, Reader};

    /// A page as a client writes it.
    fn page(text: &str) -> PartialRange {
        let command = format!("a SEARCH RETURN (PARTIAL {text}) ALL\r\n");
        let mut reader = Reader::new(1 << 10);
        let Some(Event::Request(request)) = reader.advance(&mut command.as_bytes()) else {
            panic!("{text} is no page");
        };
        match request.command {
            Command::Search { search, .. } => {
                let mut returns = search.returns.iter().flatten();
                returns.find_map(SearchReturn::page).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn found(count: u32) -> Vec<Found> {
        let found = |number| Found {
            uid: Uid::new(number).unwrap(),
            number,
        };
        (1..=count).map(found).collect()
    }

    proptest! {
        /// As many are kept as the page wants, at its end, and perhaps one at the other.
        #[test]
        fn a_page_is_the_same_if_what_is_not_asked_for_is_left_out(
            count in 0u32..24, (one, other) in (1u32..12, 1u32..12),
            is_from_last in any::<bool>(), other_end in 0usize..2,
        ) {
            let sign = if is_from_last { "-" } else { "" };
            let page = page(&format!("{sign}{one}:{sign}{other}"));
            let all = found(count);
            let (first, last) = match is_from_last {
                true => (other_end, page.depth()),
                false => (page.depth(), other_end),
            };
            let mut kept = all.clone();
            if first + last < kept.len() {
                kept.drain(first..kept.len() - last);
            }
            let part = Results { found: &kept, count: all.len() };
            prop_assert_eq!(part.on_page(page), Results::all(&all).on_page(page));
        }
    }

    #[test]
    fn a_page_is_counted_from_either_end() {
        let all = found(6);
        let numbers = |text| {
            let on_page = Results::all(&all).on_page(page(text)).iter();
            on_page.map(|found| found.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers("2:3"), [2, 3]);
        assert_eq!(numbers("-3:-2"), [4, 5]);
        assert_eq!(numbers("5:9"), [5, 6]);
        assert_eq!(numbers("-5:-9"), [1, 2]);
        assert_eq!(numbers("7:9"), []);
    }
}

//! What a search has found, told and kept for `$`.

use super::Found;
use super::scope::Scope;
use crate::imap::End;
use crate::imap::answer::Answer;
use crate::imap::client::Client;
use crate::imap::selected::Selected;
use crate::session::SAVED_RANGES_MAX;
use std::ops::RangeInclusive;
use store::{Uid, UidRange};
use wire::imap::response::{Code, ESearch, SearchWriter, Source};
use wire::imap::{PartialRange, SearchReturn, Tag};

/// Numbers told, or joined, between two breaths.
const STEP_MESSAGES: usize = 4096;

/// Which search an ESEARCH answers.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Its tag.
    pub tag: &'a Tag,
    /// The numbers are UIDs.
    pub by_uid: bool,
    /// Where that was found, if it isn't the open mailbox that is meant.
    pub source: Option<Source<'a>>,
}

/// ESEARCH.
pub(super) async fn report(
    client: &mut Client,
    head: Head<'_>,
    returns: &[SearchReturn],
    found: &[Found],
    modseq: Option<u64>,
) -> Result<(), End> {
    if returns == [SearchReturn::Save] {
        return Ok(());
    }
    let wants = |what| returns.contains(&what);
    let number = |found: &Found| found.number;
    let head = ESearch {
        tag: head.tag,
        source: head.source,
        uid: head.by_uid,
        min: found
            .first()
            .map(number)
            .filter(|_| wants(SearchReturn::Min)),
        max: found
            .last()
            .map(number)
            .filter(|_| wants(SearchReturn::Max)),
        all: None,
        count: wants(SearchReturn::Count).then_some(found.len() as u32),
        modseq,
    };
    let mut writer = SearchWriter::esearch(client.out().buffer(), &head);
    if wants(SearchReturn::All) {
        tell_ranges(client, &mut writer, found).await?;
    }
    if let Some(page) = returns.iter().find_map(SearchReturn::page) {
        writer.partial(client.out().buffer(), page);
        tell_ranges(client, &mut writer, on_page(page, found)).await?;
    }
    writer.end(client.out().buffer());
    Ok(client.out().relieve().await?)
}

impl Scope<'_> {
    /// The highest mod-sequence of what was found, as far as that is told: of MIN, MAX and
    /// a page alone, unless ALL or COUNT speak of everything (RFC 7162 §3.1.5, RFC 4731
    /// §3.2).
    pub(super) async fn modseq_of(
        &self,
        client: &mut Client,
        returns: Option<&[SearchReturn]>,
        found: &[Found],
    ) -> Result<Option<u64>, End> {
        let returns = returns.unwrap_or(&[SearchReturn::All]);
        let wants = |what| returns.contains(&what);
        let uid = |found: &Found| found.uid;
        if wants(SearchReturn::All) || wants(SearchReturn::Count) {
            return self.highest_of(client, found.iter().map(uid)).await;
        }
        let min = found.first().filter(|_| wants(SearchReturn::Min));
        let max = found.last().filter(|_| wants(SearchReturn::Max));
        let page = returns.iter().find_map(SearchReturn::page);
        let page = page.map_or(&[][..], |page| on_page(page, found));
        let told = min.into_iter().chain(max).chain(page).map(uid);
        self.highest_of(client, told).await
    }
}

impl Selected {
    /// `$`, if the result is to be saved. With MIN, MAX or PARTIAL and neither ALL nor
    /// COUNT only these are (RFC 5182 §2.1, RFC 9394 §3.2).
    pub(super) async fn save(
        &mut self,
        client: &mut Client,
        returns: &[SearchReturn],
        found: &[Found],
    ) -> Result<Result<(), Answer>, End> {
        let wants = |what| returns.contains(&what);
        if !wants(SearchReturn::Save) {
            return Ok(Ok(()));
        }
        let page = returns.iter().find_map(SearchReturn::page);
        let narrow = (wants(SearchReturn::Min) || wants(SearchReturn::Max) || page.is_some())
            && !wants(SearchReturn::All)
            && !wants(SearchReturn::Count);
        let saved = match narrow {
            true => {
                let min = found.first().filter(|_| wants(SearchReturn::Min));
                let max = found.last().filter(|_| wants(SearchReturn::Max));
                let page = page.map_or(Default::default(), |page| on_page(page, found));
                let some = min.into_iter().chain(page).chain(max).copied();
                saved(client, &some.collect::<Vec<Found>>()).await?
            }
            false => saved(client, found).await?,
        };
        let fits = saved.is_some();
        self.mailbox.saved = saved.unwrap_or_default();
        Ok(fits.then_some(()).ok_or(Answer::no(
            Code::NotSaved,
            "The result is too scattered to be saved",
        )))
    }
}

/// SEARCH.
pub async fn tell_numbers(
    client: &mut Client,
    found: &[Found],
    modseq: Option<u64>,
) -> Result<(), End> {
    let mut writer = SearchWriter::search(client.out().buffer());
    for some in found.chunks(STEP_MESSAGES) {
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

/// What is on a page of the results.
fn on_page(page: PartialRange, found: &[Found]) -> &[Found] {
    found.get(page.of(found.len())).unwrap_or_default()
}

/// ALL or PARTIAL of an ESEARCH. A range that ends a step may go on in the next.
async fn tell_ranges(
    client: &mut Client,
    writer: &mut SearchWriter,
    found: &[Found],
) -> Result<(), End> {
    let mut ranges = Vec::new();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter()
            .for_each(|found| join(&mut ranges, found.number));
        let open = ranges.pop();
        writer.ranges(client.out().buffer(), &ranges);
        ranges.clear();
        ranges.extend(open);
        client.out().relieve().await?;
        client.breathe().await?;
    }
    writer.ranges(client.out().buffer(), &ranges);
    Ok(())
}

/// What was found, as ranges of UIDs; none if they are too many to be kept.
async fn saved(client: &mut Client, found: &[Found]) -> Result<Option<Vec<UidRange>>, End> {
    let mut ranges = Vec::new();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter()
            .for_each(|found| join(&mut ranges, found.uid.get()));
        if ranges.len() > SAVED_RANGES_MAX {
            return Ok(None);
        }
        client.breathe().await?;
    }
    let ranges = ranges.into_iter().filter_map(|range| {
        Some(UidRange {
            first: Uid::new(*range.start())?,
            last: Uid::new(*range.end())?,
        })
    });
    Ok(Some(ranges.collect()))
}

/// One more number, behind what was joined so far: part of its last range only if it is
/// the next.
pub fn joined(ranges: &mut Vec<RangeInclusive<u32>>, number: u32) {
    match ranges.last_mut() {
        Some(range) if range.end().checked_add(1) == Some(number) => {
            *range = *range.start()..=number;
        }
        _ => ranges.push(number..=number),
    }
}

/// One more number, behind all others, or the last once more.
pub fn join(ranges: &mut Vec<RangeInclusive<u32>>, number: u32) {
    match ranges.last_mut() {
        Some(range) if range.end().saturating_add(1) >= number => *range = *range.start()..=number,
        _ => ranges.push(number..=number),
    }
}

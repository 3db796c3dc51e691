//! `$`: the result of a search that was to be saved (RFC 5182).

use super::Found;
use crate::imap::End;
use crate::imap::answer::Answer;
use crate::imap::client::Client;
use crate::imap::results::{Results, speak_of_everything};
use crate::imap::runs::Runs;
use crate::imap::selected::Selected;
use crate::session::SAVED_RANGES_MAX;
use store::{Uid, UidRange};
use wire::imap::SearchReturn;
use wire::imap::response::Code;

/// Messages saved between two breaths.
const STEP_MESSAGES: usize = 4096;

impl Selected {
    /// `$`, if the result is to be saved. With MIN, MAX or PARTIAL and neither ALL nor
    /// COUNT only these are (RFC 5182 §2.1, RFC 9394 §3.2).
    pub(super) async fn save(
        &mut self,
        client: &mut Client,
        returns: &[SearchReturn],
        results: Results<'_>,
    ) -> Result<Result<(), Answer>, End> {
        if !returns.contains(&SearchReturn::Save) {
            return Ok(Ok(()));
        }
        let saved = match saves_everything(returns) {
            true => ranges(client, results.found).await?,
            false => {
                let some: Vec<Found> = results.singled_out(returns).copied().collect();
                ranges(client, &some).await?
            }
        };
        let fits = saved.is_some();
        self.mailbox.saved = saved.unwrap_or_default();
        Ok(fits.then_some(()).ok_or(Answer::no(
            Code::NotSaved,
            "The result is too scattered to be saved",
        )))
    }
}

fn saves_everything(returns: &[SearchReturn]) -> bool {
    let wants = |what| returns.contains(&what);
    let singles_out = wants(SearchReturn::Min)
        || wants(SearchReturn::Max)
        || returns.iter().any(|one| one.page().is_some());
    !singles_out || speak_of_everything(returns)
}

/// What was found, as ranges of UIDs; none if they are too many to be kept.
async fn ranges(client: &mut Client, found: &[Found]) -> Result<Option<Vec<UidRange>>, End> {
    let mut runs = Runs::default();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter().for_each(|found| runs.push(found.uid.get()));
        if runs.len() > SAVED_RANGES_MAX {
            return Ok(None);
        }
        client.breathe().await?;
    }
    let ranges = runs.all().into_iter().filter_map(|range| {
        Some(UidRange {
            first: Uid::new(*range.start())?,
            last: Uid::new(*range.end())?,
        })
    });
    Ok(Some(ranges.collect()))
}

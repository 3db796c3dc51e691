//! Two states that must be the same: what replaying the journal from the older
//! manifest gave, and what the newer manifest says.

use crate::directory::Directory;
use crate::entry::Entry;
use crate::manifest::Manifest;
use crate::model::{Model, stored};
use crate::report::Report;
use crate::state::Mailbox;
use ipc::edge::verify::{Finding, What};

/// Compares a model with the manifest at whose LSN it stands; `base` is what the
/// model began with.
pub fn compare<D: Directory>(
    directory: &D,
    model: &Model<'_, D>,
    base: Option<&Manifest<D::File>>,
    manifest: &Manifest<D::File>,
    report: &mut Report<'_>,
) {
    let (replayed, said) = (&model.state, &manifest.content.state);
    if replayed.numbers != said.numbers {
        report.find(Finding {
            mailbox: None,
            ..manifest.finding(What::OtherAccount, 0)
        });
    }
    if replayed.subscriptions != said.subscriptions {
        report.find(Finding {
            mailbox: None,
            ..manifest.finding(What::OtherSubscriptions, 0)
        });
    }
    if replayed.annotations != said.annotations {
        report.find(Finding {
            mailbox: None,
            ..manifest.finding(What::OtherAnnotations, 0)
        });
    }
    let only_replayed = replayed
        .mailboxes
        .keys()
        .filter(|id| !said.mailboxes.contains_key(id));
    for id in only_replayed {
        report.find(manifest.finding(What::OtherMailboxes, *id));
    }
    for (id, said) in &said.mailboxes {
        let Some(replayed) = replayed.mailboxes.get(id) else {
            report.find(manifest.finding(What::OtherMailboxes, *id));
            continue;
        };
        for what in differences(replayed, said) {
            report.find(manifest.finding(what, *id));
        }
        if !are_the_same_chunks(replayed, base, said, manifest) {
            let replayed = stored(directory, base, *id, replayed.entries.away)
                .chain(replayed.entries.here().copied().map(Ok));
            let said = stored(directory, Some(manifest), *id, said.entries.away);
            entries(
                replayed,
                said,
                |uid| Finding {
                    uid,
                    ..manifest.finding(What::OtherEntry, *id)
                },
                report,
            );
        }
    }
}

fn differences(replayed: &Mailbox, said: &Mailbox) -> impl Iterator<Item = What> {
    let names = |mailbox: &Mailbox| {
        (
            mailbox.name.clone(),
            mailbox.special_use,
            mailbox.acl.clone(),
        )
    };
    let uids = |mailbox: &Mailbox| (mailbox.validity, mailbox.uid_next, mailbox.recent_from);
    [
        (What::OtherName, names(replayed) != names(said)),
        (What::OtherUids, uids(replayed) != uids(said)),
        (What::OtherModseq, replayed.modseq != said.modseq),
        (What::OtherKeywords, replayed.keywords != said.keywords),
        (What::OtherCounters, replayed.counters != said.counters),
    ]
    .into_iter()
    .filter_map(|(what, wrong)| wrong.then_some(what))
}

/// Files are never changed, so a mailbox that names the same ones has the same
/// entries.
fn are_the_same_chunks<F: crate::directory::File>(
    replayed: &Mailbox,
    base: Option<&Manifest<F>>,
    said: &Mailbox,
    manifest: &Manifest<F>,
) -> bool {
    let nothing_came = replayed.entries.here().next().is_none();
    let old = base
        .into_iter()
        .flat_map(|base| base.references(replayed.entries.away));
    nothing_came && old.eq(manifest.references(said.entries.away))
}

/// Shows the first difference. What can't be read was told.
fn entries(
    replayed: impl Iterator<Item = Result<Entry, What>>,
    mut said: impl Iterator<Item = Result<Entry, What>>,
    finding: impl Fn(Option<u32>) -> Finding,
    report: &mut Report<'_>,
) {
    for entry in replayed {
        match (entry, said.next()) {
            (Err(_), _) | (_, Some(Err(_))) => return,
            (Ok(replayed), Some(Ok(said))) if is_same(&replayed, &said) => {}
            (Ok(replayed), _) => return report.find(finding(Some(replayed.uid))),
        }
    }
    if let Some(Ok(more)) = said.next() {
        report.find(finding(Some(more.uid)));
    }
}

fn is_same(replayed: &Entry, said: &Entry) -> bool {
    Entry {
        ailment: None,
        ..*replayed
    } == *said
}

//! The section of annotations, written and read.

use super::ManifestFault;
use super::decode::{ABSURD_SECTION, require};
use crate::account::Account;
use crate::decode;
use crate::encode::Out;
use crate::id::Modseq;
use crate::metadata::{Annotation, AnnotationName, Metadata, Place, Removal};
use journal::le::Fields;
use std::collections::{BTreeMap, VecDeque};

pub(super) fn write(out: &mut Out, metadata: &Metadata) {
    out.u64(metadata.changed().0);
    let values = metadata.values();
    out.len(values.len());
    for (place, name, annotation) in values {
        out.place(place);
        out.annotation_name(name);
        out.u64(annotation.modseq.0);
        out.value(&annotation.value);
    }
    out.len(metadata.removals().len());
    for removal in metadata.removals() {
        out.u64(removal.modseq.0);
        out.place(removal.place);
        out.annotation_name(&removal.name);
    }
}

pub(super) fn read(fields: &mut Fields<'_>, modseq: Modseq) -> Result<Metadata, ManifestFault> {
    let changed = Modseq(fields.u64().ok_or(ABSURD_SECTION)?);
    require(changed <= modseq, "annotations are of the future")?;
    let values = values(fields)?;
    let removals = removals(fields)?;
    let metadata = Metadata::restore(changed, values, removals);
    metadata.ok_or(ManifestFault::Absurd(
        "annotations are too many, or too new",
    ))
}

type Values = BTreeMap<(Place, AnnotationName), Annotation>;

fn values(fields: &mut Fields<'_>) -> Result<Values, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let mut values = Values::new();
    for _ in 0..count {
        let (key, value) = value(fields).ok_or(ABSURD_SECTION)?;
        let last = values.last_key_value().map(|(last, _)| last);
        require(
            last.is_none_or(|last| *last < key),
            "annotations are out of order",
        )?;
        values.insert(key, value);
    }
    Ok(values)
}

fn value(fields: &mut Fields<'_>) -> Option<((Place, AnnotationName), Annotation)> {
    let key = (decode::place_of(fields)?, decode::annotation_name(fields)?);
    let modseq = Modseq(fields.u64()?);
    let value = decode::value(fields)?;
    Some((key, Annotation { value, modseq }))
}

fn removals(fields: &mut Fields<'_>) -> Result<VecDeque<Removal>, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let mut removals = VecDeque::new();
    for _ in 0..count {
        let removal = removal(fields).ok_or(ABSURD_SECTION)?;
        let last = removals.back().map(|last: &Removal| last.modseq);
        require(
            last.is_none_or(|last| last <= removal.modseq),
            "removals are out of order",
        )?;
        removals.push_back(removal);
    }
    Ok(removals)
}

fn removal(fields: &mut Fields<'_>) -> Option<Removal> {
    Some(Removal {
        modseq: Modseq(fields.u64()?),
        place: decode::place_of(fields)?,
        name: decode::annotation_name(fields)?,
    })
}

/// Whether every annotation is of something that is there.
pub(super) fn belongs(account: &Account) -> bool {
    let metadata = &account.metadata;
    let values = metadata.values().map(|(place, _, _)| place);
    let removals = metadata.removals().iter().map(|removal| removal.place);
    let mut places = values.chain(removals).flatten();
    places.all(|id| account.mailboxes.contains_key(&id))
}

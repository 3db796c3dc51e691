//! After the scan: cuts what is torn, and makes what is kept durable for sure.
//!
//! Every step can be cut short by another crash: the old segment is untouched
//! until the new one is in place and durable, and doing it all again is right.

use super::prefix::{Boundary, Prefix};
use super::{End, Mended};
use crate::disk::{Disk, DiskError, File};
use crate::record::{HEADER_BYTES, Lsn};
use crate::segment::{self, Header};
use crate::torn::{self, Torn};
use crate::writer::{Carried, Tail};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Leaves a journal that may be appended to. `all` are the first LSNs of its
/// segments.
pub(super) fn mend<D: Disk>(
    root: &D,
    dir: &D,
    end: &End,
    all: &[Lsn],
) -> Result<Mended<D::File>, DiskError> {
    let Some(last) = end.last else {
        return Ok(unchanged(end, all, None, None));
    };
    let file = dir.open(&segment::name(last.start))?;
    if end.is_clean() {
        let quiet = quiet_record(&file, last.start, end.prefix.tail)?;
        return Ok(unchanged(end, all, Some((last.start, file)), Some(quiet)));
    }
    if !end.torn && end.prefix.tail == end.prefix.end {
        // All of it was durable before: there is no doubt that could be mended.
        return Ok(unchanged(end, all, Some((last.start, file)), None));
    }
    let torn = save_torn(root, &file, last.start, end)?;
    let (segment, file) = renew(dir, last, file, &end.prefix)?;
    Ok(Mended {
        tail: Tail {
            durable: end.prefix.end.lsn,
            ..tail_of(end, Some(segment), all)
        },
        file: Some((segment.start, file)),
        rewritten: true,
        torn,
    })
}

/// Nothing is written.
fn unchanged<F>(
    end: &End,
    all: &[Lsn],
    file: Option<(Lsn, F)>,
    carried: Option<Carried>,
) -> Mended<F> {
    Mended {
        tail: Tail {
            carried,
            ..tail_of(end, end.last, all)
        },
        file,
        rewritten: false,
        torn: None,
    }
}

fn tail_of(end: &End, segment: Option<Header>, all: &[Lsn]) -> Tail {
    let current = segment.map(|segment| segment.start);
    let older = all.iter().copied().filter(|start| Some(*start) < current);
    Tail {
        end: end.prefix.end.lsn,
        predecessor: end.prefix.end.predecessor,
        durable: end.prefix.tail.lsn,
        term: end.term,
        segment,
        segments: older.chain(current).collect(),
        carried: None,
    }
}

/// The quiet record of a clean end, as it stands.
fn quiet_record<F: File>(file: &F, start: Lsn, at: Boundary) -> Result<Carried, DiskError> {
    let mut bytes = vec![0; HEADER_BYTES];
    file.read_at(segment::file_offset(start, at.lsn), &mut bytes)?;
    Ok(Carried {
        lsn: at.lsn,
        predecessor: at.predecessor,
        bytes,
    })
}

fn save_torn<D: Disk>(
    root: &D,
    file: &D::File,
    start: Lsn,
    end: &End,
) -> Result<Option<Torn>, DiskError> {
    let behind = end.prefix.end.lsn;
    let from = segment::file_offset(start, behind);
    let bytes = end.filled.beyond(behind);
    if bytes == 0 {
        return Ok(None);
    }
    torn::save(root, file, from, behind, bytes).map(Some)
}

/// Writes the tail anew; the segment that now holds it.
fn renew<D: Disk>(
    dir: &D,
    last: Header,
    file: D::File,
    prefix: &Prefix,
) -> Result<(Header, D::File), DiskError> {
    let header = Header {
        start: prefix.tail.lsn,
        predecessor: prefix.tail.predecessor,
        ..last
    };
    match copy_tail(dir, header, last.start, &file, prefix) {
        Err(DiskError::NoSpace) => {
            rewrite_in_place(&file, last.start, prefix)?;
            Ok((last, file))
        }
        Err(error) => Err(error),
        Ok(fresh) => {
            if last.start < header.start {
                file.truncate(segment::file_offset(last.start, header.start))?;
            }
            Ok((header, fresh))
        }
    }
}

/// Copies the tail into a segment of its own, which takes its name only when it
/// is durable.
fn copy_tail<D: Disk>(
    dir: &D,
    header: Header,
    old: Lsn,
    file: &D::File,
    prefix: &Prefix,
) -> Result<D::File, DiskError> {
    segment::make(dir, &header, |fresh| {
        copy(file, old, prefix, |lsn, bytes| {
            fresh.write_at(segment::file_offset(header.start, lsn), bytes)
        })
    })
}

/// With no room for a copy: the same bytes at the same place make the pages
/// dirty again, and a crash in between leaves a tail as before.
fn rewrite_in_place<F: File>(file: &F, start: Lsn, prefix: &Prefix) -> Result<(), DiskError> {
    file.truncate(segment::file_offset(start, prefix.end.lsn))?;
    copy(file, start, prefix, |lsn, bytes| {
        file.write_at(segment::file_offset(start, lsn), bytes)
    })?;
    file.sync_data()
}

/// Hands the tail's bytes on, in pieces, out of the segment that has them.
fn copy<F: File>(
    file: &F,
    segment: Lsn,
    prefix: &Prefix,
    mut put: impl FnMut(Lsn, &[u8]) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let (mut at, to) = (prefix.tail.lsn, prefix.end.lsn);
    while at < to {
        let len = usize::try_from(to.beyond(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(COPY_BYTES)];
        let read = file.read_at(segment::file_offset(segment, at), &mut bytes)?;
        bytes.truncate(read);
        if bytes.is_empty() {
            return Err(DiskError::NotOurs);
        }
        put(at, &bytes)?;
        at = Lsn(at.0.saturating_add(read as u64));
    }
    Ok(())
}

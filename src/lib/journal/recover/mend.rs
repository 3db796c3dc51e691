//! After the scan: cuts what is torn, and makes what is kept durable for sure.
//!
//! Every step can be cut short by another crash: the old segment is untouched
//! until the new one is in place and durable, and doing it all again is right.

use super::Mended;
use super::scan::Scan;
use crate::disk::{Disk, DiskError, File};
use crate::record::{HEADER_BYTES, Lsn};
use crate::segment::{self, Header};
use crate::torn::{self, Torn};
use crate::writer::{Carried, Tail};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Leaves a journal that may be appended to.
pub(super) fn mend<D: Disk>(
    root: &D,
    dir: &D,
    scan: &Scan,
    starts: &[Lsn],
    term: u64,
) -> Result<Mended<D::File>, DiskError> {
    let Some(last) = scan.last else {
        return Ok(Mended {
            tail: Tail {
                end: Lsn::ZERO,
                predecessor: 0,
                durable: Lsn::ZERO,
                term,
                segment: None,
                segments: Vec::new(),
                carried: None,
            },
            file: None,
            rewritten: false,
            torn: None,
        });
    };
    let file = dir.open(&segment::name(last.start))?;
    if scan.damage.is_none() && scan.tail.lsn == scan.end {
        return Ok(kept(scan, last, file, starts, None));
    }
    if scan.damage.is_none() && scan.quiet {
        let quiet = quiet_record(&file, last.start, scan)?;
        return Ok(kept(scan, last, file, starts, Some(quiet)));
    }
    let torn = save_torn(root, &file, last.start, scan)?;
    let (start, file) = renew(dir, last, file, scan)?;
    Ok(Mended {
        tail: Tail {
            durable: scan.end,
            ..tail(scan, Header { start, ..last }, starts)
        },
        file: Some((start, file)),
        rewritten: true,
        torn,
    })
}

/// A clean end: nothing is written.
fn kept<F>(
    scan: &Scan,
    last: Header,
    file: F,
    starts: &[Lsn],
    carried: Option<Carried>,
) -> Mended<F> {
    Mended {
        tail: Tail {
            carried,
            ..tail(scan, last, starts)
        },
        file: Some((last.start, file)),
        rewritten: false,
        torn: None,
    }
}

fn tail(scan: &Scan, segment: Header, starts: &[Lsn]) -> Tail {
    let older = starts
        .iter()
        .copied()
        .filter(|start| *start < segment.start);
    Tail {
        end: scan.end,
        predecessor: scan.predecessor,
        durable: scan.tail.lsn,
        term: segment.term,
        segment: Some(segment),
        segments: older.chain([segment.start]).collect(),
        carried: None,
    }
}

/// The quiet record of a clean end, as it stands.
fn quiet_record<F: File>(file: &F, start: Lsn, scan: &Scan) -> Result<Carried, DiskError> {
    let mut bytes = vec![0; HEADER_BYTES];
    file.read_at(segment::file_offset(start, scan.tail.lsn), &mut bytes)?;
    Ok(Carried {
        lsn: scan.tail.lsn,
        predecessor: scan.tail.predecessor,
        bytes,
    })
}

fn save_torn<D: Disk>(
    root: &D,
    file: &D::File,
    start: Lsn,
    scan: &Scan,
) -> Result<Option<Torn>, DiskError> {
    let from = segment::file_offset(start, scan.end);
    let bytes = file.len()?.saturating_sub(from);
    if bytes == 0 {
        return Ok(None);
    }
    torn::save(root, file, from, scan.end, bytes).map(Some)
}

/// Writes the tail anew; the segment that now holds it.
fn renew<D: Disk>(
    dir: &D,
    last: Header,
    file: D::File,
    scan: &Scan,
) -> Result<(Lsn, D::File), DiskError> {
    match copy_tail(dir, last, &file, scan) {
        Err(DiskError::NoSpace) => {
            rewrite_in_place(&file, last.start, scan)?;
            Ok((last.start, file))
        }
        Err(error) => Err(error),
        Ok(fresh) => {
            if last.start < scan.tail.lsn {
                file.truncate(segment::file_offset(last.start, scan.tail.lsn))?;
            }
            Ok((scan.tail.lsn, fresh))
        }
    }
}

/// Copies the tail into a segment of its own, which takes its name only when it
/// is durable.
fn copy_tail<D: Disk>(
    dir: &D,
    last: Header,
    file: &D::File,
    scan: &Scan,
) -> Result<D::File, DiskError> {
    let start = scan.tail.lsn;
    let header = Header {
        start,
        predecessor: scan.tail.predecessor,
        ..last
    };
    segment::make(dir, &header, |fresh| {
        copy(file, last.start, start, scan.end, |lsn, bytes| {
            fresh.write_at(segment::file_offset(start, lsn), bytes)
        })
    })
}

/// With no room for a copy: the same bytes at the same place make the pages
/// dirty again, and a crash in between leaves a tail as before.
fn rewrite_in_place<F: File>(file: &F, start: Lsn, scan: &Scan) -> Result<(), DiskError> {
    file.truncate(segment::file_offset(start, scan.end))?;
    copy(file, start, scan.tail.lsn, scan.end, |lsn, bytes| {
        file.write_at(segment::file_offset(start, lsn), bytes)
    })?;
    file.sync_data()
}

/// Hands the records from `from` to `to` of a segment on, in pieces.
fn copy<F: File>(
    file: &F,
    segment: Lsn,
    from: Lsn,
    to: Lsn,
    mut put: impl FnMut(Lsn, &[u8]) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let mut at = from;
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

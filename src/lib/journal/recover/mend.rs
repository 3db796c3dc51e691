//! After the scan: cuts what is torn, and makes what is kept durable for sure.
//!
//! Every step can be cut short by another crash: the old segment is untouched
//! until the new one is in place and durable, and doing it all again is right.

use super::prefix::Boundary;
use super::{End, Mended};
use crate::disk::{Disk, DiskError, File};
use crate::record::{self, HEADER_BYTES, Kind, Lsn};
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
    let tail = Rewritten::of(end, last);
    let (segment, file) = renew(dir, last, file, &tail)?;
    Ok(Mended {
        tail: Tail {
            end: tail.to.lsn,
            predecessor: tail.to.predecessor,
            durable: tail.to.lsn,
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

/// The tail as it is written anew.
struct Rewritten {
    from: Boundary,
    to: Boundary,
    /// Stands in place of what is there. Else that is copied.
    mended: Option<Vec<u8>>,
}

impl Rewritten {
    /// A lone quiet record, with the torn bytes behind it gone, would look clean:
    /// a mended one takes its place, of the same length.
    fn of(end: &End, segment: Header) -> Self {
        let (from, to) = (end.prefix.tail, end.prefix.end);
        if !end.prefix.quiet {
            let mended = None;
            return Self { from, to, mended };
        }
        let mut bytes = Vec::new();
        let (header, predecessor) = record::encode(mended(from, segment), &[], &[], &mut bytes);
        Self {
            from,
            to: Boundary {
                lsn: header.end(),
                predecessor,
            },
            mended: Some(bytes),
        }
    }

    /// Hands its bytes on, in pieces, out of the segment that has them.
    fn hand_on<F: File>(
        &self,
        file: &F,
        segment: Lsn,
        mut put: impl FnMut(Lsn, &[u8]) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        match &self.mended {
            Some(bytes) => put(self.from.lsn, bytes),
            None => copy(file, segment, self.from.lsn, self.to.lsn, put),
        }
    }
}

fn mended(at: Boundary, segment: Header) -> record::Header {
    record::Header {
        kind: Kind::MENDED,
        head_len: 0,
        body_len: 0,
        lsn: at.lsn,
        term: segment.term,
        writer: segment.writer,
        durable: at.lsn,
        predecessor: at.predecessor,
        seal: 0,
    }
}

fn save_torn<D: Disk>(
    root: &D,
    file: &D::File,
    start: Lsn,
    end: &End,
) -> Result<Option<Torn>, DiskError> {
    let behind = end.prefix.end.lsn;
    let from = segment::file_offset(start, behind);
    let bytes = file.len()?.saturating_sub(from);
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
    tail: &Rewritten,
) -> Result<(Header, D::File), DiskError> {
    let header = Header {
        start: tail.from.lsn,
        predecessor: tail.from.predecessor,
        ..last
    };
    match make_segment(dir, header, last.start, &file, tail) {
        Err(DiskError::NoSpace) => {
            rewrite_in_place(&file, last.start, tail)?;
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

/// Puts the tail into a segment of its own, which takes its name only when it is
/// durable.
fn make_segment<D: Disk>(
    dir: &D,
    header: Header,
    old: Lsn,
    file: &D::File,
    tail: &Rewritten,
) -> Result<D::File, DiskError> {
    segment::make(dir, &header, |fresh| {
        tail.hand_on(file, old, |lsn, bytes| {
            fresh.write_at(segment::file_offset(header.start, lsn), bytes)
        })
    })
}

/// With no room for a new file: the same bytes at the same place make the pages
/// dirty again. What is torn goes last, so a crash in between leaves an end that
/// is unclean as before.
fn rewrite_in_place<F: File>(file: &F, start: Lsn, tail: &Rewritten) -> Result<(), DiskError> {
    tail.hand_on(file, start, |lsn, bytes| {
        file.write_at(segment::file_offset(start, lsn), bytes)
    })?;
    file.sync_data()?;
    file.truncate(segment::file_offset(start, tail.to.lsn))?;
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

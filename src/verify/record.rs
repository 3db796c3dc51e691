//! The header of a record.

use crate::fields::{Fields, in_range};
use crate::sealed::Section;
use ipc::edge::verify::What;

/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: u64 = 56;

/// Where a record's header has its LSN.
pub const LSN_AT: usize = 12;

/// Head and body of one record together, without CRCs.
const RECORD_BYTES_MAX: u64 = 16 << 20;

/// Bit 15 of a kind or code: who doesn't know it passes it over.
const OPTIONAL: u16 = 1 << 15;

/// A record that says nothing but that all before it is durable.
pub const QUIET: u16 = 0x8001;

/// A transaction.
pub const TRANSACTION: u16 = 0x0010;

/// A header whose CRC is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct RecordHeader {
    pub kind: u16,
    pub head_len: u32,
    pub body_len: u32,
    pub lsn: u64,
    pub term: u64,
    pub writer: u64,
    pub durable: u64,
    pub predecessor: u32,
    pub seal: u32,
    pub crc: u32,
}

impl RecordHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8; RECORD_HEADER_BYTES as usize]) -> Result<Self, What> {
        let (covered, mut crc) = bytes.split_at(52);
        let crc = crc.u32()?;
        if crc32fast::hash(covered) != crc {
            return Err(What::HeaderChecksum);
        }
        let mut fields = covered;
        let kind = fields.u16()?;
        fields.zeros::<2>()?;
        let header = Self {
            kind,
            head_len: fields.u32()?,
            body_len: fields.u32()?,
            lsn: fields.u64()?,
            term: fields.u64()?,
            writer: fields.u64()?,
            durable: fields.u64()?,
            predecessor: fields.u32()?,
            seal: fields.u32()?,
            crc,
        };
        in_range(header, |header| header.is_in_range())
    }

    fn is_in_range(&self) -> bool {
        let bytes = u64::from(self.head_len).saturating_add(u64::from(self.body_len));
        let ends = self.lsn.checked_add(self.len());
        bytes <= RECORD_BYTES_MAX && ends.is_some()
    }

    /// Its head, if the record begins at this byte of its file.
    pub fn head(&self, at: u64) -> Section {
        Section {
            domain: self.lsn,
            first_block: 0,
            at: at.saturating_add(RECORD_HEADER_BYTES),
            len: self.head_len.into(),
        }
    }

    /// Its body, likewise.
    pub fn body(&self, at: u64) -> Section {
        self.head(at).followed_by(self.body_len.into())
    }

    /// Bytes of the whole record, which the next LSN is further on.
    pub fn len(&self) -> u64 {
        self.body(0).end()
    }
}

/// Whether a kind, an operation or a section may be passed over.
pub fn is_optional(code: u16) -> bool {
    code & OPTIONAL != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::record_header;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut header = RecordHeader {
            kind: TRANSACTION,
            head_len: 100,
            body_len: 70_000,
            lsn: 5,
            term: 1,
            writer: 2,
            durable: 3,
            predecessor: 4,
            seal: 6,
            crc: 0,
        };
        let bytes = record_header(&header);
        header.crc = u32::from_le_bytes(bytes[52..].try_into().unwrap());
        assert_eq!(RecordHeader::parse(&bytes), Ok(header));
        assert_eq!(header.len(), 56 + 104 + 70_008);
        for n in 0..56 {
            let mut damaged = bytes;
            damaged[n] ^= 4;
            assert_eq!(RecordHeader::parse(&damaged), Err(What::HeaderChecksum));
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_none() {
        let header = RecordHeader {
            kind: 0,
            head_len: 8 << 20,
            body_len: (8 << 20) + 1,
            lsn: 0,
            term: 0,
            writer: 0,
            durable: 0,
            predecessor: 0,
            seal: 0,
            crc: 0,
        };
        assert_eq!(
            RecordHeader::parse(&record_header(&header)),
            Err(What::OutOfRange)
        );
    }
}

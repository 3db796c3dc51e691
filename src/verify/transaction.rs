//! A transaction's operations, one at a time: a head of 16 MiB may hold two
//! million, which are never in memory together.

use crate::annotations::Annotate;
use crate::fields::{AclLine, Fields, in_range};
use crate::name::{KeywordPrint, Name};
use crate::record::is_optional;
use ipc::edge::verify::What;

/// All ones: "unchanged since" wasn't asked.
const NOT_ASKED: u64 = u64::MAX;

/// What one operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub enum Operation {
    Found {
        account: u32,
        created: i64,
    },
    Create {
        mailbox: u64,
        validity: u32,
        special_use: u8,
        name: Name,
    },
    Delete {
        mailbox: u64,
    },
    Rename {
        from: Name,
        to: Name,
    },
    Subscribe(Name),
    Unsubscribe(Name),
    SetAcl {
        mailbox: u64,
        line: AclLine,
    },
    RaiseEpoch(u64),
    Append(Append),
    SetFlags(SetFlags),
    Expunge {
        mailbox: u64,
        only_deleted: bool,
        uids: Uids,
    },
    Transfer(Transfer),
    ClaimRecent {
        mailbox: u64,
        up_to: u32,
    },
    SetQuota([u64; 3]),
    RaiseCeiling(u64),
    Lose {
        from: u64,
        to: u64,
    },
    Rewound,
    Annotate(Annotate),
}

/// A letter comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Append {
    pub mailbox: u64,
    pub uid: u32,
    pub message: u64,
    pub thread: u64,
    pub date: i64,
    pub minutes: i16,
    pub saved: u32,
    pub flags: u8,
    /// The pack, or `None`: inline.
    pub pack: Option<u64>,
    pub offset: u32,
    pub size: u32,
    pub sha256: [u8; 32],
    pub keywords: Vec<KeywordPrint>,
}

/// How flags change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is called what it does")]
pub enum Action {
    Add,
    Remove,
    Replace,
}

/// Flags change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct SetFlags {
    pub mailbox: u64,
    pub action: Action,
    pub mask: u8,
    pub keywords_change: bool,
    pub flags: u8,
    pub unchanged_since: Option<u64>,
    pub keywords: Vec<KeywordPrint>,
    pub uids: Uids,
}

/// COPY and MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Transfer {
    pub source: u64,
    pub target: u64,
    pub first: u32,
    pub reserved: u32,
    pub saved: u32,
    pub uids: Uids,
    pub moving: bool,
}

/// Ranges of UIDs, first and last, ascending and apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uids(pub Vec<(u32, u32)>);

/// A transaction on its way in.
#[derive(Debug)]
pub struct Transaction<'h> {
    /// Its modseq.
    pub modseq: u64,
    count: u32,
    rest: &'h [u8],
}

impl<'h> Transaction<'h> {
    /// Begins to read a head.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn begin(mut head: &'h [u8]) -> Result<Self, What> {
        Ok(Self {
            modseq: head.id()?,
            count: head.u32()?,
            rest: head,
        })
    }

    /// The next operation that is known; `None` at the end.
    ///
    /// # Errors
    /// What is wrong with it; nothing more can be read then.
    pub fn next_operation(&mut self) -> Result<Option<Operation>, What> {
        while let Some(left) = self.count.checked_sub(1) {
            self.count = left;
            let code = self.rest.u16()?;
            self.rest.zeros::<2>()?;
            let len = usize::try_from(self.rest.u32()?).map_err(|_| What::Malformed)?;
            let (mut fields, rest) = self.rest.split_at_checked(len).ok_or(What::Malformed)?;
            self.rest = rest;
            if let Some(operation) = operation(code, &mut fields)? {
                return if fields.is_empty() {
                    Ok(Some(operation))
                } else {
                    Err(What::Malformed)
                };
            }
        }
        if self.rest.is_empty() {
            Ok(None)
        } else {
            Err(What::Malformed)
        }
    }
}

fn operation(code: u16, fields: &mut &[u8]) -> Result<Option<Operation>, What> {
    Ok(Some(match code {
        1 => Operation::Found {
            account: fields.u32()?,
            created: fields.i64()?,
        },
        2 => Operation::Create {
            mailbox: fields.id()?,
            validity: fields.nonzero()?,
            special_use: fields.special_use()?,
            name: fields.name()?,
        },
        3 => Operation::Delete {
            mailbox: fields.id()?,
        },
        4 => Operation::Rename {
            from: fields.name()?,
            to: fields.name()?,
        },
        5 => Operation::Subscribe(fields.name()?),
        6 => Operation::Unsubscribe(fields.name()?),
        7 => Operation::SetAcl {
            mailbox: fields.id()?,
            line: fields.acl_line()?,
        },
        8 => Operation::RaiseEpoch(fields.u64()?),
        9 => Operation::Append(append(fields)?),
        10 => Operation::SetFlags(set_flags(fields)?),
        11 => Operation::Expunge {
            mailbox: fields.id()?,
            only_deleted: fields.boolean()?,
            uids: uids(fields)?,
        },
        12 => Operation::Transfer(transfer(fields, false)?),
        13 => Operation::Transfer(transfer(fields, true)?),
        14 => Operation::ClaimRecent {
            mailbox: fields.id()?,
            up_to: fields.nonzero()?,
        },
        15 => Operation::SetQuota(fields.quota()?),
        16 => Operation::RaiseCeiling(fields.modseq()?),
        17 => lose(fields)?,
        18 => Operation::Rewound,
        19 => Operation::Annotate(Annotate::read(fields)?),
        unknown if is_optional(unknown) => return Ok(None),
        _ => return Err(What::UnknownCritical),
    }))
}

fn append(fields: &mut &[u8]) -> Result<Append, What> {
    Ok(Append {
        mailbox: fields.id()?,
        uid: in_range(fields.nonzero()?, |uid| *uid != u32::MAX)?,
        message: fields.id()?,
        thread: fields.id()?,
        date: fields.date()?,
        minutes: fields.i16()?,
        saved: fields.u32()?,
        flags: fields.flags()?,
        pack: place(fields)?,
        offset: fields.u32()?,
        size: fields.u32()?,
        sha256: fields.bytes()?,
        keywords: fields.keywords()?,
    })
}

fn place(fields: &mut &[u8]) -> Result<Option<u64>, What> {
    match (fields.boolean()?, fields.u64()?) {
        (false, 0) => Ok(None),
        (true, pack) => in_range(pack, |pack| (1..1 << 63).contains(pack)).map(Some),
        (false, _) => Err(What::OutOfRange),
    }
}

fn set_flags(fields: &mut &[u8]) -> Result<SetFlags, What> {
    Ok(SetFlags {
        mailbox: fields.id()?,
        action: match fields.u8()? {
            0 => Action::Add,
            1 => Action::Remove,
            2 => Action::Replace,
            _ => return Err(What::OutOfRange),
        },
        mask: fields.flags()?,
        keywords_change: fields.boolean()?,
        flags: fields.flags()?,
        unchanged_since: match fields.u64()? {
            NOT_ASKED => None,
            since => Some(in_range(since, |since| *since < 1 << 63)?),
        },
        keywords: fields.keywords()?,
        uids: uids(fields)?,
    })
}

fn transfer(fields: &mut &[u8], moving: bool) -> Result<Transfer, What> {
    Ok(Transfer {
        source: fields.id()?,
        target: fields.id()?,
        first: fields.nonzero()?,
        reserved: fields.u32()?,
        saved: fields.u32()?,
        uids: uids(fields)?,
        moving,
    })
}

fn lose(fields: &mut &[u8]) -> Result<Operation, What> {
    let (from, to) = (fields.modseq()?, fields.modseq()?);
    in_range((from, to), |(from, to)| from < to).map(|(from, to)| Operation::Lose { from, to })
}

/// Ranges ascend, and neither meet nor touch.
fn uids(fields: &mut &[u8]) -> Result<Uids, What> {
    let number = fields.u32()?;
    let (mut ranges, mut above) = (Vec::new(), 0_u64);
    for _ in 0..number {
        let (first, last) = (fields.nonzero()?, fields.nonzero()?);
        if u64::from(first) < above || last < first {
            return Err(What::Disorder);
        }
        above = u64::from(last).saturating_add(2);
        ranges.push((first, last));
    }
    Ok(Uids(ranges))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{operation as encoded, transaction};

    fn read(head: &[u8]) -> Result<Vec<Operation>, What> {
        let mut transaction = Transaction::begin(head)?;
        let mut all = Vec::new();
        while let Some(operation) = transaction.next_operation()? {
            all.push(operation);
        }
        Ok(all)
    }

    fn one(code: u16, fields: &[u8]) -> Result<Vec<Operation>, What> {
        read(&transaction(7, &[encoded(code, fields)]))
    }

    #[test]
    fn an_optional_operation_is_passed_over_and_a_critical_one_is_not() {
        assert_eq!(one(0x8063, b"later"), Ok(vec![]));
        assert_eq!(one(0x0063, b"later"), Err(What::UnknownCritical));
    }

    #[test]
    fn every_field_must_be_there_and_nothing_behind_the_last() {
        let fields = 3_u64.to_le_bytes();
        assert_eq!(one(3, &fields), Ok(vec![Operation::Delete { mailbox: 3 }]));
        assert_eq!(one(3, &fields[..7]), Err(What::Malformed));
        assert_eq!(one(3, &[&fields[..], &[0]].concat()), Err(What::Malformed));
        let mut behind = transaction(7, &[]);
        behind.push(0);
        assert_eq!(read(&behind), Err(What::Malformed));
        let mut more = transaction(7, &[]);
        more[8] = 1;
        assert_eq!(read(&more), Err(What::Malformed));
    }

    #[test]
    fn ranges_of_uids_neither_meet_nor_touch() {
        let of = |ranges: &[(u32, u32)]| {
            let mut fields = 1_u64.to_le_bytes().to_vec();
            fields.push(0);
            fields.extend((ranges.len() as u32).to_le_bytes());
            for (first, last) in ranges {
                fields.extend(first.to_le_bytes());
                fields.extend(last.to_le_bytes());
            }
            one(11, &fields).map(drop)
        };
        assert_eq!(of(&[(1, 2), (4, 4)]), Ok(()));
        for wrong in [
            &[(1, 2), (3, 4)][..],
            &[(2, 1)],
            &[(5, 6), (1, 2)],
            &[(1, 5), (5, 6)],
        ] {
            assert_eq!(of(wrong), Err(What::Disorder), "{wrong:?}");
        }
        assert_eq!(of(&[(0, 2)]), Err(What::OutOfRange));
    }

    #[test]
    fn a_range_of_lost_modseqs_has_something_in_it() {
        let fields = [9_u64.to_le_bytes(), 9_u64.to_le_bytes()].concat();
        assert_eq!(one(17, &fields), Err(What::OutOfRange));
    }
}

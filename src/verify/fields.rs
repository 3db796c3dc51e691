//! Fields one after the other, as records and manifests have them: numbers,
//! names, keywords, access lists, UIDs.
//!
//! Everything is checked against the format's ranges as it is read; nothing is
//! allocated beyond what one field may hold.

use crate::name::{KeywordPrint, Name};
use ipc::edge::verify::What;

/// Keywords of one mailbox: an entry has 64 bits for them.
pub const KEYWORDS_MAX: usize = 64;

/// The bits of the five flags.
pub const FLAGS: u8 = 0b1_1111;

/// `\Seen`
pub const SEEN: u8 = 1;

/// `\Deleted`
pub const DELETED: u8 = 8;

/// The bits of the eleven rights.
const RIGHTS: u16 = 0x7ff;

/// The highest special use: `\Trash`.
const SPECIAL_USE_MAX: u8 = 7;

/// Where fields come from.
pub trait Source {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`What::Malformed`] if there are not so many, or what is wrong with them.
    fn fill(&mut self, into: &mut [u8]) -> Result<(), What>;
}

impl Source for &[u8] {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), What> {
        let (taken, rest) = self.split_at_checked(into.len()).ok_or(What::Malformed)?;
        into.copy_from_slice(taken);
        *self = rest;
        Ok(())
    }
}

/// So many bytes of another source, and none beyond.
pub struct Limited<'s, S: ?Sized> {
    source: &'s mut S,
    left: u64,
}

impl<'s, S: Source + ?Sized> Limited<'s, S> {
    /// The next `left` bytes.
    pub fn new(source: &'s mut S, left: u64) -> Self {
        Self { source, left }
    }

    /// How many are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Passes what is left.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub fn skip(&mut self) -> Result<(), What> {
        let mut passed = [0; 256];
        while self.left > 0 {
            let len = usize::try_from(self.left).map_or(256, |left| left.min(256));
            self.fill(passed.get_mut(..len).unwrap_or_default())?;
        }
        Ok(())
    }

    /// # Errors
    /// [`What::Malformed`] if bytes stand behind the last field.
    pub fn end(&self) -> Result<(), What> {
        match self.left {
            0 => Ok(()),
            _ => Err(What::Malformed),
        }
    }
}

impl<S: Source + ?Sized> Source for Limited<'_, S> {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), What> {
        self.left = self
            .left
            .checked_sub(into.len() as u64)
            .ok_or(What::Malformed)?;
        self.source.fill(into)
    }
}

/// One line of an access list: kind of grantee, account, rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclLine {
    /// 0 anyone, 1 an account; and which.
    pub grantee: (u8, u32),
    /// 0 removes the line.
    pub rights: u16,
}

/// Fields of a fixed meaning. Each fails as [`Source::fill`], with
/// [`What::OutOfRange`], or as it says.
#[allow(missing_docs, reason = "each is called what it reads")]
pub trait Fields: Source {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], What> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).map(|()| bytes)
    }

    fn u8(&mut self) -> Result<u8, What> {
        self.bytes().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, What> {
        self.bytes().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, What> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, What> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, What> {
        self.bytes().map(i64::from_le_bytes)
    }

    /// UTC seconds of a letter's date: what 40 bits hold.
    fn date(&mut self) -> Result<i64, What> {
        in_range(self.i64()?, |date| (-1 << 39..1 << 39).contains(date))
    }

    /// The same in 5 bytes.
    fn short_date(&mut self) -> Result<i64, What> {
        let [a, b, c, d, e] = self.bytes()?;
        Ok(i64::from_le_bytes([0, 0, 0, a, b, c, d, e]) >> 24)
    }

    fn i16(&mut self) -> Result<i16, What> {
        self.bytes().map(i16::from_le_bytes)
    }

    /// [`What::NotZero`] if they aren't.
    fn zeros<const N: usize>(&mut self) -> Result<(), What> {
        match self.bytes::<N>()? == [0; N] {
            true => Ok(()),
            false => Err(What::NotZero),
        }
    }

    /// From 1, below 2^63: ids, modseqs, numbers of files.
    fn id(&mut self) -> Result<u64, What> {
        in_range(self.u64()?, |id| (1..1 << 63).contains(id))
    }

    /// From 0, below 2^63.
    fn modseq(&mut self) -> Result<u64, What> {
        in_range(self.u64()?, |modseq| *modseq < 1 << 63)
    }

    /// A number of 32 bits that is never 0: a UID, a UIDVALIDITY.
    fn nonzero(&mut self) -> Result<u32, What> {
        in_range(self.u32()?, |number| *number != 0)
    }

    fn boolean(&mut self) -> Result<bool, What> {
        in_range(self.u8()?, |byte| *byte < 2).map(|byte| byte == 1)
    }

    fn flags(&mut self) -> Result<u8, What> {
        in_range(self.u8()?, |flags| *flags <= FLAGS)
    }

    fn special_use(&mut self) -> Result<u8, What> {
        in_range(self.u8()?, |code| *code <= SPECIAL_USE_MAX)
    }

    fn quota(&mut self) -> Result<[u64; 3], What> {
        Ok([self.u64()?, self.u64()?, self.u64()?])
    }

    fn acl_line(&mut self) -> Result<AclLine, What> {
        let grantee = (self.u8()?, self.u32()?);
        let rights = in_range(self.u16()?, |rights| *rights <= RIGHTS)?;
        in_range(grantee, |grantee| matches!(grantee, (0, 0) | (1, _)))
            .map(|grantee| AclLine { grantee, rights })
    }

    /// [`What::BadName`]
    fn name(&mut self) -> Result<Name, What> {
        let depth = self.u8()?;
        let mut name = Name::builder();
        for _ in 0..depth {
            let (mut room, len) = ([0; 255], self.u8()?);
            let component = room.get_mut(..usize::from(len)).unwrap_or_default();
            self.fill(component)?;
            name.push(component);
        }
        name.finish().ok_or(What::BadName)
    }

    /// [`What::BadKeyword`]
    fn keywords(&mut self) -> Result<Vec<KeywordPrint>, What> {
        let number = usize::from(self.u8()?);
        let mut keywords: Vec<KeywordPrint> = Vec::with_capacity(number.min(KEYWORDS_MAX));
        for _ in 0..number {
            let (mut room, len) = ([0; 255], self.u8()?);
            let keyword = room.get_mut(..usize::from(len)).unwrap_or_default();
            self.fill(keyword)?;
            let keyword = KeywordPrint::of(keyword).ok_or(What::BadKeyword)?;
            let again = keywords.contains(&keyword);
            keywords.extend((!again).then_some(keyword));
            if again {
                return Err(What::BadKeyword);
            }
        }
        Ok(keywords)
    }
}

impl<S: Source + ?Sized> Fields for S {}

/// The value, if it is in its range.
pub fn in_range<T>(value: T, is: impl FnOnce(&T) -> bool) -> Result<T, What> {
    match is(&value) {
        true => Ok(value),
        false => Err(What::OutOfRange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_its_range_is_told() {
        assert_eq!((&[0_u8; 8][..]).id(), Err(What::OutOfRange));
        assert_eq!((&[255_u8; 8][..]).id(), Err(What::OutOfRange));
        assert_eq!((&[32_u8][..]).flags(), Err(What::OutOfRange));
        assert_eq!((&[8_u8][..]).special_use(), Err(What::OutOfRange));
        assert_eq!((&[2_u8][..]).boolean(), Err(What::OutOfRange));
        assert_eq!((&[0_u8; 4][..]).nonzero(), Err(What::OutOfRange));
        assert_eq!(
            (&[0_u8, 1, 0, 0, 0, 1, 0][..]).acl_line(),
            Err(What::OutOfRange)
        );
        assert_eq!(
            (&[1_u8, 1, 0, 0, 0, 0, 8][..]).acl_line(),
            Err(What::OutOfRange)
        );
        assert_eq!((&[0_u8, 1][..]).zeros::<2>(), Err(What::NotZero));
        assert_eq!((&[0_u8][..]).u16(), Err(What::Malformed));
    }

    #[test]
    fn a_limit_holds_whatever_stands_behind_it() {
        let mut bytes: &[u8] = &[1, 0, 0, 0, 2, 0, 0, 0];
        let mut limited = Limited::new(&mut bytes, 6);
        assert_eq!(limited.u32(), Ok(1));
        assert_eq!(limited.end(), Err(What::Malformed));
        assert_eq!(limited.u32(), Err(What::Malformed));
    }

    #[test]
    fn a_keyword_stands_once_whatever_its_case() {
        assert_eq!(
            (&b"\x02\x01a\x01b"[..]).keywords().map(|all| all.len()),
            Ok(2)
        );
        assert_eq!((&b"\x02\x01a\x01A"[..]).keywords(), Err(What::BadKeyword));
        assert_eq!((&b"\x01\x00"[..]).keywords(), Err(What::BadKeyword));
        assert_eq!((&b"\x01\x02a("[..]).keywords(), Err(What::BadKeyword));
    }
}

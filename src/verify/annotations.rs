//! Annotations: values under names, and what was taken away. Of a value a print is
//! enough.
//!
//! Never here: a value, or a name on its way out.

use crate::fields::{Fields, in_range};
use ipc::edge::verify::What;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes of one value.
const VALUE_BYTES_MAX: u32 = 16 * 1024;

/// Values of one mailbox, and of the account itself.
const VALUES_MAX: usize = 256;

/// What all of them cost.
const BYTES_MAX: u64 = 1 << 20;

/// What one costs beside its bytes and those of its name.
const COST_BYTES: u64 = 64;

/// Removals that are remembered.
const REMOVALS_MAX: usize = 1_024;

/// A mailbox, or 0: the account; and a name in lower case.
type Key = (u64, Rc<str>);

/// A value that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    modseq: u64,
    len: u32,
    print: [u8; 16],
}

/// All of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// The modseq of the last change.
    changed: u64,
    values: BTreeMap<Key, Value>,
    /// With the modseq of each, in their order.
    removals: Vec<(u64, Key)>,
}

/// *Annotate*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotate {
    key: Key,
    /// Its length and print; none takes it away.
    value: Option<(u32, [u8; 16])>,
}

impl Annotate {
    /// # Errors
    /// What is wrong with its fields.
    pub fn read(fields: &mut impl Fields) -> Result<Self, What> {
        let (key, is_set, value) = (key(fields)?, fields.boolean()?, value(fields)?);
        in_range(value.0, |len| is_set || *len == 0)?;
        Ok(Self {
            key,
            value: is_set.then_some(value),
        })
    }

    /// The mailbox; `None`: the account.
    pub fn mailbox(&self) -> Option<u64> {
        (self.key.0 != 0).then_some(self.key.0)
    }
}

impl Annotations {
    /// The section of a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(fields: &mut impl Fields) -> Result<Self, What> {
        let mut all = Self {
            changed: fields.modseq()?,
            ..Self::default()
        };
        for _ in 0..fields.u32()? {
            let (key, modseq, (len, print)) = (key(fields)?, fields.modseq()?, value(fields)?);
            let last = all.values.last_key_value().map(|(last, _)| last);
            if last.is_some_and(|last| *last >= key) {
                return Err(What::Disorder);
            }
            all.values.insert(key, Value { modseq, len, print });
            all.within()?;
        }
        for _ in 0..fields.u32()? {
            let (modseq, key) = (fields.modseq()?, key(fields)?);
            if all.removals.last().is_some_and(|(last, _)| *last > modseq) {
                return Err(What::Disorder);
            }
            all.removals.push((modseq, key));
            all.within()?;
        }
        let values = all.values.values().map(|value| value.modseq);
        let mut modseqs = values.chain(all.removals.iter().map(|(modseq, _)| *modseq));
        match modseqs.any(|modseq| modseq > all.changed) {
            true => Err(What::ModseqTooHigh),
            false => Ok(all),
        }
    }

    /// The modseq of the last change.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Mailboxes that something is known of.
    pub fn mailboxes(&self) -> impl Iterator<Item = u64> {
        let set = self.values.keys().map(|(mailbox, _)| *mailbox);
        let gone = self.removals.iter().map(|(_, (mailbox, _))| *mailbox);
        set.chain(gone).filter(|mailbox| *mailbox != 0)
    }

    /// Sets a value or takes it away; what is as it was is no change. Whether it is one.
    pub fn apply(&mut self, modseq: u64, annotate: &Annotate) -> bool {
        let Annotate { key, value } = annotate;
        let known = self.values.get(key).map(|known| (known.len, known.print));
        if known == *value {
            return false;
        }
        self.changed = modseq;
        self.values.remove(key);
        self.removals.retain(|(_, gone)| gone != key);
        match *value {
            Some((len, print)) => {
                let value = Value { modseq, len, print };
                self.values.insert(key.clone(), value);
            }
            None => {
                if self.removals.len() >= REMOVALS_MAX {
                    self.removals.remove(0);
                }
                self.removals.push((modseq, key.clone()));
            }
        }
        true
    }

    /// A mailbox is gone.
    pub fn clear(&mut self, mailbox: u64) {
        self.values.retain(|(of, _), _| *of != mailbox);
        self.removals.retain(|(_, (of, _))| *of != mailbox);
    }

    /// # Errors
    /// [`What::TooManyThings`]
    pub fn within(&self) -> Result<(), What> {
        let cost = |((_, name), value): (&Key, &Value)| {
            let bytes = (name.len() as u64).saturating_add(value.len.into());
            bytes.saturating_add(COST_BYTES)
        };
        let bytes = self.values.iter().map(cost).fold(0, u64::saturating_add);
        let places: Vec<u64> = self.values.keys().map(|(mailbox, _)| *mailbox).collect();
        let mut each = places.chunk_by(|one, next| one == next);
        let few = bytes <= BYTES_MAX
            && self.removals.len() <= REMOVALS_MAX
            && each.all(|of| of.len() <= VALUES_MAX);
        few.then_some(()).ok_or(What::TooManyThings)
    }
}

fn key(fields: &mut impl Fields) -> Result<Key, What> {
    let mailbox = in_range(fields.u64()?, |mailbox| *mailbox < 1 << 63)?;
    Ok((mailbox, name(fields)?))
}

/// [`What::BadAnnotation`] if it isn't one: at least two components (four in a
/// vendor's tree), the first `private` or `shared`, none of them empty; printable
/// ASCII without `*` and `%`, in lower case.
fn name(fields: &mut impl Fields) -> Result<Rc<str>, What> {
    let (mut room, len) = ([0; 255], fields.u8()?);
    let name = room.get_mut(..usize::from(len)).unwrap_or_default();
    fields.fill(name)?;
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"*%".contains(byte);
    let lower = name
        .iter()
        .all(|byte| plain(byte) && !byte.is_ascii_uppercase());
    let name = std::str::from_utf8(name).map_err(|_| What::BadAnnotation)?;
    let components: Vec<&str> = name.split('/').collect();
    let shape = match components.as_slice() {
        ["", "private" | "shared", "vendor", rest @ ..] => rest.len() >= 2,
        ["", "private" | "shared", _, ..] => true,
        _ => false,
    };
    let whole = components
        .iter()
        .skip(1)
        .all(|component| !component.is_empty());
    match lower && shape && whole {
        true => Ok(name.into()),
        false => Err(What::BadAnnotation),
    }
}

/// Length and print.
fn value(fields: &mut impl Fields) -> Result<(u32, [u8; 16]), What> {
    let len = in_range(fields.u32()?, |len| *len <= VALUE_BYTES_MAX)?;
    let mut bytes = vec![0; len as usize];
    fields.fill(&mut bytes)?;
    let mut print = [0; 16];
    print.copy_from_slice(Sha256::digest(&bytes).split_at(16).0);
    Ok((len, print))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Bytes;

    fn named(name: &str) -> Result<Rc<str>, What> {
        self::name(&mut &*Bytes::default().text(name).0)
    }

    #[test]
    fn a_name_is_as_the_format_has_it() {
        for good in [
            "/private/a",
            "/shared/a/b",
            "/shared/vendor/x/y",
            "/private/a b",
        ] {
            assert!(named(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/private",
            "/private/",
            "/private//a",
            "private/a",
            "/public/a",
            "/shared/vendor",
            "/shared/vendor/x",
            "/shared/A",
            "/shared/a*",
            "/shared/\u{e4}",
        ] {
            assert_eq!(named(bad), Err(What::BadAnnotation), "{bad}");
        }
    }

    #[test]
    fn the_oldest_of_too_many_removals_is_forgotten() {
        let mut all = Annotations::default();
        for n in 0..=REMOVALS_MAX as u64 {
            let key: Key = (1, format!("/private/{n}").into());
            for value in [Some((0, [0; 16])), None] {
                let key = key.clone();
                all.apply(n + 1, &Annotate { key, value });
            }
        }
        assert_eq!(all.removals.len(), REMOVALS_MAX);
        assert_eq!(&*all.removals[0].1.1, "/private/1");
    }
}

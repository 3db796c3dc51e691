//! Annotations of mailboxes and of the account itself (METADATA, RFC 5464): values
//! under names. All of them are in memory and in every manifest, so they are few
//! and small.
//!
//! Invariants: `bytes` is the cost of all values; `changed` is at or above the
//! modseq of each value and each removal; nothing is noted of a mailbox that is
//! gone.
//!
//! Never here: what a value means. It is bytes, and nobody reads them.

use crate::id::{MailboxId, Modseq};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// Bytes of an entry's name: its length is one byte on the disk.
pub const ANNOTATION_NAME_BYTES_MAX: usize = 255;

/// Bytes of one value. RFC 5464, section 4.1, asks for 1024; a colour, a comment, a
/// script of a few pages fit, a picture does not.
pub const ANNOTATION_BYTES_MAX: usize = 16 * 1024;

/// Values of one mailbox, and of the account itself. RFC 5464, section 4.1, asks
/// for 10.
pub const ANNOTATIONS_MAX: usize = 256;

/// What all values of an account cost together: every manifest repeats them.
pub const ANNOTATIONS_BYTES_MAX: u64 = 1 << 20;

/// What a value costs beside its bytes and those of its name: about what it takes
/// in memory, so that the limit above also bounds how many there are.
const ANNOTATION_COST_BYTES: u64 = 64;

/// Removals that are remembered, the last ones of the whole account: who wasn't told
/// of one while so many followed can't be told of it any more, and must begin anew.
pub(crate) const REMOVALS_MAX: usize = 1024;

/// An entry's name, in lower case: names are the same in any case (RFC 5464, section
/// 3.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnnotationName(Box<str>);

impl AnnotationName {
    /// Checks a name; `None` if it is too long, not below `/private` or `/shared`, or
    /// not of RFC 5464's form: at least two components, in a vendor's tree four; none
    /// empty; printable ASCII without `*` and `%`.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let mut components = name.split('/');
        let rooted = components.next() == Some("");
        let scope = components.next();
        let vendor = components.next() == Some("vendor");
        let needed = if vendor { 4 } else { 2 };
        let deep = name.split('/').skip(1).count() >= needed;
        let whole = name
            .split('/')
            .skip(1)
            .all(|component| !component.is_empty());
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'*' | b'%');
        let good = rooted
            && matches!(scope, Some("private" | "shared"))
            && deep
            && whole
            && name.len() <= ANNOTATION_NAME_BYTES_MAX
            && name.bytes().all(plain);
        good.then(|| Self(name.into()))
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is its user's alone.
    pub fn is_private(&self) -> bool {
        self.0.starts_with("/private/")
    }

    /// How many components lie below `above`; `None` if it isn't below.
    pub fn depth_below(&self, above: &str) -> Option<usize> {
        let rest = self.0.strip_prefix(above)?.strip_prefix('/')?;
        Some(rest.split('/').count())
    }
}

impl fmt::Debug for AnnotationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a value is of: a mailbox, or (`None`) the account itself.
pub(crate) type Place = Option<MailboxId>;

/// A value that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) value: Arc<[u8]>,
    /// Of the change that set it.
    pub(crate) modseq: Modseq,
}

/// A value that was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) modseq: Modseq,
    pub(crate) place: Place,
    pub(crate) name: AnnotationName,
}

/// Every annotation of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    values: BTreeMap<(Place, AnnotationName), Annotation>,
    /// In the order in which it happened.
    removals: VecDeque<Removal>,
    changed: Modseq,
    bytes: u64,
}

impl Metadata {
    /// The modseq of the last change.
    pub(crate) fn changed(&self) -> Modseq {
        self.changed
    }

    pub(crate) fn values(
        &self,
    ) -> impl ExactSizeIterator<Item = (Place, &AnnotationName, &Annotation)> {
        self.values
            .iter()
            .map(|((place, name), value)| (*place, name, value))
    }

    pub(crate) fn removals(&self) -> &VecDeque<Removal> {
        &self.removals
    }

    pub(crate) fn get(&self, place: Place, name: &AnnotationName) -> Option<&Annotation> {
        self.values.get(&(place, name.clone()))
    }

    /// The values of one place, in the order of their names.
    pub(crate) fn of(&self, place: Place) -> impl Iterator<Item = (&AnnotationName, &Annotation)> {
        // Below every name.
        let first = (place, AnnotationName("".into()));
        let values = self.values.range(first..);
        let values = values.take_while(move |((other, _), _)| *other == place);
        values.map(|((_, name), value)| (name, value))
    }

    /// Sets a value, or takes it away. What is as it was is no change: whether it is one.
    pub(crate) fn set(
        &mut self,
        place: Place,
        name: &AnnotationName,
        value: Option<Arc<[u8]>>,
        modseq: Modseq,
    ) -> bool {
        if self.get(place, name).map(|known| &known.value) == value.as_ref() {
            return false;
        }
        self.forget(place, name);
        self.changed = self.changed.max(modseq);
        match value {
            Some(value) => self.put(place, name.clone(), Annotation { value, modseq }),
            None => self.remember(Removal {
                modseq,
                place,
                name: name.clone(),
            }),
        }
        true
    }

    /// A place is gone, with all that was known of it.
    pub(crate) fn clear(&mut self, place: Place) {
        let names: Vec<_> = self.of(place).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.forget(place, &name);
        }
        self.removals.retain(|removal| removal.place != place);
    }

    /// Whether anything is known of a place.
    pub(crate) fn knows(&self, place: Place) -> bool {
        self.of(place).next().is_some() || self.removals.iter().any(|gone| gone.place == place)
    }

    /// What was set or taken away above `since`, but not at `but`.
    pub(crate) fn changed_since(
        &self,
        since: Modseq,
        but: Option<Modseq>,
    ) -> BTreeMap<Place, BTreeSet<&AnnotationName>> {
        let is_new = |modseq: Modseq| modseq > since && Some(modseq) != but;
        let values = self.values();
        let set = values.filter(|(_, _, value)| is_new(value.modseq));
        let set = set.map(|(place, name, _)| (place, name));
        let gone = self.removals.iter().filter(|gone| is_new(gone.modseq));
        let gone = gone.map(|gone| (gone.place, &gone.name));
        let mut changed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (place, name) in set.chain(gone) {
            changed.entry(place).or_default().insert(name);
        }
        changed
    }

    /// Whether removals above `since` may have been forgotten.
    pub(crate) fn has_forgotten_since(&self, since: Modseq) -> bool {
        let oldest = self.removals.front();
        let oldest = oldest.filter(|_| self.removals.len() >= REMOVALS_MAX);
        oldest.is_some_and(|oldest| oldest.modseq > since)
    }

    /// Whether the limits of every place and of the account hold. Asked when a
    /// transaction is done: on the way one may take before it gives.
    pub(crate) fn is_within(&self) -> bool {
        let places: Vec<Place> = self.values.keys().map(|(place, _)| *place).collect();
        let mut each = places.chunk_by(|one, next| one == next);
        self.bytes <= ANNOTATIONS_BYTES_MAX && each.all(|of| of.len() <= ANNOTATIONS_MAX)
    }

    /// As it was read from a manifest: values, then removals; whether it can be.
    pub(super) fn restore(
        changed: Modseq,
        values: BTreeMap<(Place, AnnotationName), Annotation>,
        removals: VecDeque<Removal>,
    ) -> Option<Self> {
        let cost = |((_, name), value): (&(Place, AnnotationName), &Annotation)| cost(name, value);
        let bytes = values.iter().map(cost).fold(0, u64::saturating_add);
        let newest = values.values().map(|value| value.modseq);
        let newest = newest.chain(removals.iter().map(|gone| gone.modseq)).max();
        let whole = Self {
            values,
            removals,
            changed,
            bytes,
        };
        let few = whole.removals.len() <= REMOVALS_MAX && whole.is_within();
        (few && newest.is_none_or(|newest| newest <= changed)).then_some(whole)
    }

    fn put(&mut self, place: Place, name: AnnotationName, value: Annotation) {
        self.bytes = self.bytes.saturating_add(cost(&name, &value));
        self.values.insert((place, name), value);
    }

    fn forget(&mut self, place: Place, name: &AnnotationName) {
        if let Some(gone) = self.values.remove(&(place, name.clone())) {
            self.bytes = self.bytes.saturating_sub(cost(name, &gone));
        }
        self.removals
            .retain(|removal| (removal.place, &removal.name) != (place, name));
    }

    fn remember(&mut self, removal: Removal) {
        if self.removals.len() >= REMOVALS_MAX {
            self.removals.pop_front();
        }
        self.removals.push_back(removal);
    }
}

fn cost(name: &AnnotationName, value: &Annotation) -> u64 {
    let bytes = (name.as_str().len() as u64).saturating_add(value.value.len() as u64);
    bytes.saturating_add(ANNOTATION_COST_BYTES)
}

/// The annotations of one place, as far as somebody may see them.
#[derive(Clone, Copy, Debug)]
pub struct Annotations<'a> {
    pub(crate) all: &'a Metadata,
    pub(crate) place: Place,
    /// Whether the owner asks, whose the private ones are.
    pub(crate) owner: bool,
}

impl<'a> Annotations<'a> {
    /// One value.
    pub fn get(&self, name: &AnnotationName) -> Option<&'a [u8]> {
        let value = self.all.get(self.place, name)?;
        self.shows(name).then_some(&*value.value)
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'a AnnotationName, &'a Arc<[u8]>)> + use<'a> {
        let this = *self;
        let all = this.all.of(this.place);
        all.filter(move |(name, _)| this.shows(name))
            .map(|(name, annotation)| (name, &annotation.value))
    }

    fn shows(&self, name: &AnnotationName) -> bool {
        self.owner || !name.is_private()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Place = Some(MailboxId::INBOX);

    fn name(n: &str) -> AnnotationName {
        AnnotationName::new(n).unwrap()
    }

    #[test]
    fn a_name_has_the_form_of_the_rfc() {
        for good in [
            "/private/comment",
            "/SHARED/Comment",
            "/private/filters/values/small",
            "/shared/vendor/cmu/cyrus-imapd/color",
            "/private/vendor/x/y",
            "/private/vendors",
            "/shared/a b",
        ] {
            assert_eq!(name(good).as_str(), good.to_ascii_lowercase());
        }
        let long = format!("/private/{}", "a".repeat(ANNOTATION_NAME_BYTES_MAX - 8));
        for bad in [
            "",
            "/",
            "/private",
            "/private/",
            "/private//a",
            "/private/a/",
            "private/a",
            "a/private/b",
            "/public/a",
            "/private/vendor/x",
            "/shared/vendor",
            "/shared/a*",
            "/shared/%",
            "/shared/a\u{1f}",
            "/shared/a\u{7f}",
            "/shared/ä",
            &long,
        ] {
            assert_eq!(AnnotationName::new(bad), None, "{bad}");
        }
        assert!(AnnotationName::new(&long[..ANNOTATION_NAME_BYTES_MAX]).is_some());
    }

    #[test]
    fn depth_is_counted_in_components_and_not_in_letters() {
        let deep = name("/private/a/b/c");
        assert_eq!(deep.depth_below("/private/a"), Some(2));
        assert_eq!(deep.depth_below("/private"), Some(3));
        assert_eq!(deep.depth_below("/private/a/b/c"), None);
        assert_eq!(name("/private/ab").depth_below("/private/a"), None);
    }

    #[test]
    fn only_the_last_removals_are_remembered() {
        let mut metadata = Metadata::default();
        for n in 1..=REMOVALS_MAX as u64 + 1 {
            let one = name(&format!("/private/{n}"));
            metadata.set(HERE, &one, Some([0][..].into()), Modseq(2 * n));
            metadata.set(HERE, &one, None, Modseq(2 * n + 1));
        }
        assert_eq!(metadata.removals().len(), REMOVALS_MAX);
        assert_eq!(metadata.removals()[0].name, name("/private/2"));
        assert!(metadata.has_forgotten_since(Modseq(3)));
        assert!(!metadata.has_forgotten_since(Modseq(5)));
        assert_eq!(metadata.bytes, 0);
    }

    #[test]
    fn a_removal_is_forgotten_with_its_place_or_when_a_value_comes_back() {
        let mut metadata = Metadata::default();
        let comment = name("/private/comment");
        let value: Arc<[u8]> = [1][..].into();
        metadata.set(HERE, &comment, Some(Arc::clone(&value)), Modseq(1));
        metadata.set(HERE, &comment, None, Modseq(2));
        assert!(metadata.knows(HERE) && metadata.of(HERE).next().is_none());
        metadata.set(HERE, &comment, Some(value), Modseq(3));
        assert!(metadata.removals().is_empty());
        metadata.set(HERE, &comment, None, Modseq(4));
        metadata.clear(HERE);
        assert!(!metadata.knows(HERE));
    }

    #[test]
    fn what_no_account_could_have_written_is_not_restored() {
        let removal = |n: u64| Removal {
            modseq: Modseq(n),
            place: HERE,
            name: name(&format!("/private/{n}")),
        };
        let restores = |removals: u64, changed: u64| {
            let removals = (1..=removals).map(removal).collect();
            Metadata::restore(Modseq(changed), BTreeMap::new(), removals).is_some()
        };
        let most = REMOVALS_MAX as u64;
        assert!(restores(most, most));
        assert!(!restores(most, most - 1), "removed after the last change");
        assert!(!restores(most + 1, most + 1));
    }

    #[test]
    fn values_that_hold_nothing_are_not_without_end_either() {
        let mut metadata = Metadata::default();
        let empty: Arc<[u8]> = [][..].into();
        let values = ANNOTATIONS_BYTES_MAX / ANNOTATION_COST_BYTES;
        for n in 0..=values {
            let place = Some(MailboxId(1 + n / ANNOTATIONS_MAX as u64));
            let entry = name(&format!("/private/{}", n % ANNOTATIONS_MAX as u64));
            metadata.set(place, &entry, Some(Arc::clone(&empty)), Modseq(1));
        }
        assert!(!metadata.is_within());
    }

    #[test]
    fn what_is_as_it_was_is_no_change() {
        let mut metadata = Metadata::default();
        let comment = name("/private/comment");
        metadata.set(HERE, &comment, None, Modseq(5));
        assert_eq!(metadata, Metadata::default());
        metadata.set(HERE, &comment, Some([1][..].into()), Modseq(6));
        metadata.set(HERE, &comment, Some([1][..].into()), Modseq(7));
        assert_eq!(metadata.changed(), Modseq(6));
    }

    proptest! {
        #[test]
        fn whoever_is_told_of_every_change_knows_what_is_there(
            changes in prop::collection::vec((0_u8..3, 0_u8..4, prop::option::of(0_u8..3)), 0..60),
            told_at in prop::collection::btree_set(0_usize..60, 0..8),
        ) {
            let mut metadata = Metadata::default();
            let mut known: BTreeMap<(Place, String), u8> = BTreeMap::new();
            let mut told = Modseq(0);
            let places = [None, HERE, Some(MailboxId(9))];
            for (n, (place, entry, value)) in changes.iter().enumerate() {
                let entry = name(&format!("/shared/{entry}"));
                let value = value.map(|value| [value][..].into());
                metadata.set(places[usize::from(*place)], &entry, value, Modseq(n as u64 + 1));
                if !told_at.contains(&n) && n + 1 < changes.len() {
                    continue;
                }
                for (place, names) in metadata.changed_since(told, None) {
                    for name in names {
                        let key = (place, name.as_str().to_owned());
                        match metadata.get(place, name) {
                            Some(value) => _ = known.insert(key, value.value[0]),
                            None => _ = known.remove(&key),
                        }
                    }
                }
                told = metadata.changed();
            }
            let there: BTreeMap<_, _> = metadata
                .values()
                .map(|(place, name, value)| ((place, name.as_str().to_owned()), value.value[0]))
                .collect();
            prop_assert_eq!(known, there);
            let cost = metadata.values().map(|(_, name, value)| cost(name, value)).sum::<u64>();
            prop_assert_eq!(metadata.bytes, cost);
        }
    }
}

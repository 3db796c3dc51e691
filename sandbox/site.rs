//! What a site has decided about confinement, as it travels from the
//! supervisor to every process: four decimal arguments of the program.
//!
//! Not text of a stranger: only the parent can set a program's arguments, and a
//! child that finds others refuses to go on.

use crate::ids::IdRanges;
use crate::layer::{Layer, Waivers};
use std::ffi::{CString, OsString};

/// Which ids the set runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// One for each kind of process and one for each account: the supervisor is
    /// root.
    Separate(IdRanges),
    /// One for all, that of the ordinary user who started it: accounts are kept
    /// apart by chroot, Landlock and the system-call filter only.
    Single,
}

/// A site's decisions. Invariant: the ids are single exactly if the layer of
/// separate ones is waived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    waivers: Waivers,
    ids: Ids,
}

impl Site {
    /// A set that root starts.
    #[must_use]
    pub fn separate(ranges: IdRanges, waivers: Waivers) -> Self {
        Self {
            waivers: waivers.without(Layer::SeparateUids),
            ids: Ids::Separate(ranges),
        }
    }

    /// A set that an ordinary user starts.
    #[must_use]
    pub fn single(waivers: Waivers) -> Self {
        Self {
            waivers: waivers.with(Layer::SeparateUids),
            ids: Ids::Single,
        }
    }

    /// The layers that the site does without.
    #[must_use]
    pub fn waivers(&self) -> Waivers {
        self.waivers
    }

    /// The ids that the set runs under.
    #[must_use]
    pub fn ids(&self) -> Ids {
        self.ids
    }

    /// The ranges, if ids are separate.
    #[must_use]
    pub fn ranges(&self) -> Option<IdRanges> {
        match self.ids {
            Ids::Separate(ranges) => Some(ranges),
            Ids::Single => None,
        }
    }

    /// As the arguments of a program, after its name.
    pub(crate) fn to_arguments(self) -> [CString; 4] {
        let (processes, accounts, count) = match self.ids {
            Ids::Separate(ranges) => (
                ranges.processes().0,
                ranges.accounts().0,
                ranges.accounts_count(),
            ),
            Ids::Single => (0, 0, 0),
        };
        [self.waivers.bits(), processes, accounts, count].map(decimal)
    }

    /// From the arguments of a program, after its name; `None` if they are not
    /// what `to_arguments` makes.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let numbers: Vec<u32> = arguments
            .map(|a| a.to_str()?.parse().ok())
            .collect::<Option<_>>()?;
        let &[waivers, processes, accounts, count] = numbers.as_slice() else {
            return None;
        };
        let waivers = Waivers::from_bits(waivers)?;
        if waivers.has(Layer::SeparateUids) {
            return ((processes, accounts, count) == (0, 0, 0)).then(|| Self::single(waivers));
        }
        Some(Self::separate(
            IdRanges::new(processes, accounts, count)?,
            waivers,
        ))
    }
}

fn decimal(number: u32) -> CString {
    // Digits hold no NUL, so the empty default is never taken.
    CString::new(number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(site: Site) -> Option<Site> {
        Site::from_arguments(
            site.to_arguments()
                .into_iter()
                .map(|a| a.into_string().unwrap().into()),
        )
    }

    fn parse(arguments: &[&str]) -> Option<Site> {
        Site::from_arguments(arguments.iter().map(OsString::from))
    }

    #[test]
    fn every_site_survives_the_way_to_a_child() {
        for waivers in (0..=u8::MAX).filter_map(|bits| Waivers::from_bits(bits.into())) {
            for site in [
                Site::single(waivers),
                Site::separate(IdRanges::default(), waivers),
            ] {
                assert_eq!(round_trip(site), Some(site));
            }
        }
    }

    #[test]
    fn single_ids_and_the_waiver_are_one_thing() {
        assert!(
            Site::single(Waivers::NONE)
                .waivers()
                .has(Layer::SeparateUids)
        );
        let waived = Waivers::NONE.with(Layer::SeparateUids);
        assert!(
            !Site::separate(IdRanges::default(), waived)
                .waivers()
                .has(Layer::SeparateUids)
        );
    }

    #[test]
    fn anything_else_is_no_site() {
        let no: [&[&str]; 7] = [
            &[],
            &["0"],
            &["0", "0", "0", "0"],
            &["0", "1000", "1000", "5"],
            &["x", "1", "1000", "5"],
            &["4294967295", "1000", "2000", "5"],
            &["0", "1000", "2000", "5", "5"],
        ];
        for arguments in no {
            assert_eq!(parse(arguments), None, "{arguments:?}");
        }
    }
}

//! The maps of a user namespace (user_namespaces(7)): which ids exist in it.
//! The parent writes them, once, while the child waits.

use crate::layer::Layer;
use crate::profile::{Namespace, Profile};
use crate::site::{Ids, Site};
use rustix::io::Errno;
use rustix::process::Pid;

/// Whether the process gets a user namespace of its own. An ordinary user can
/// make the others in no other way, so where ids are single every process that has
/// any namespace has this one.
pub fn wanted(profile: &Profile, site: Site) -> bool {
    match site.ids() {
        Ids::Single => !profile.namespaces.is_empty(),
        Ids::Separate(_) => {
            let has =
                |one: &Namespace| matches!(one, Namespace::UserOwn | Namespace::UserOwnAndAccounts);
            profile.namespaces.iter().any(has) && !site.waivers().has(Layer::UserNamespace)
        }
    }
}

/// Writes both maps. Every id that exists inside is the same number outside.
pub fn write(child: Pid, profile: &Profile, site: Site) -> Result<(), Errno> {
    match site.ids() {
        Ids::Separate(_) => {
            let map = separate(profile, site);
            put(child, "gid_map", &map)?;
            put(child, "uid_map", &map)
        }
        Ids::Single => {
            // The kernel's condition for a map that no privilege backs.
            put(child, "setgroups", "deny")?;
            put(
                child,
                "gid_map",
                &line(rustix::process::getegid().as_raw(), 1),
            )?;
            put(
                child,
                "uid_map",
                &line(rustix::process::geteuid().as_raw(), 1),
            )
        }
    }
}

fn separate(profile: &Profile, site: Site) -> String {
    let Some(ranges) = site.ranges() else {
        return String::new();
    };
    let mut map = line(ranges.process(profile.process).number(), 1);
    if profile.namespaces.contains(&Namespace::UserOwnAndAccounts) {
        map.push_str(&line(ranges.accounts().0, ranges.accounts_count()));
    }
    map
}

fn line(first: u32, count: u32) -> String {
    format!("{first} {first} {count}\n")
}

fn put(child: Pid, file: &str, text: &str) -> Result<(), Errno> {
    std::fs::write(format!("/proc/{}/{file}", child.as_raw_nonzero()), text)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdRanges;
    use crate::layer::Waivers;
    use crate::profile::{ALL, BROKER, LOGIN, WORKER};

    fn site() -> Site {
        Site::separate(IdRanges::default(), Waivers::NONE)
    }

    #[test]
    fn only_the_broker_sees_the_accounts_and_nobody_sees_root() {
        assert_eq!(separate(&LOGIN, site()), "1899999008 1899999008 1\n");
        assert_eq!(
            separate(&BROKER, site()),
            "1899999002 1899999002 1\n1900000000 1900000000 200000000\n"
        );
        for profile in ALL {
            assert!(
                separate(profile, site())
                    .lines()
                    .all(|line| !line.starts_with("0 "))
            );
        }
    }

    #[test]
    fn a_worker_lives_in_its_broker_s_namespaces() {
        assert!(!wanted(&WORKER, site()));
        assert!(!wanted(&WORKER, Site::single(Waivers::NONE)));
    }

    #[test]
    fn a_waived_user_namespace_is_not_made_by_root_but_is_by_an_ordinary_user() {
        let waived = Waivers::NONE.with(Layer::UserNamespace);
        assert!(!wanted(&LOGIN, Site::separate(IdRanges::default(), waived)));
        assert!(wanted(&LOGIN, Site::single(waived)));
    }
}

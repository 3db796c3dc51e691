//! What confines a process, in words: for `mailkeep status`, the demo, and
//! whoever wants to know.

use crate::birth::unshared;
use crate::layer::Layer;
use crate::profile::{Identity, Namespace, Path, Process, Profile, Right, Root, Threads};
use crate::site::{Ids, Site};

/// One row for each wall, name first.
#[must_use]
pub fn describe(profile: &Profile, site: Site) -> Vec<(&'static str, String)> {
    vec![
        ("uid", uid(profile, site)),
        ("capabilities", capabilities(profile, site)),
        ("namespaces", namespaces(profile, site)),
        ("root", root(profile).to_owned()),
        ("landlock", landlock(profile, site)),
        ("system calls", system_calls(profile)),
        ("descriptors at birth", profile.descriptors.join(", ")),
    ]
}

fn uid(profile: &Profile, site: Site) -> String {
    match (profile.identity, site.ids()) {
        (Identity::Own, Ids::Separate(ranges)) => {
            ranges.process(profile.process).number().to_string()
        }
        (Identity::Account, Ids::Separate(ranges)) => format!("{} + account", ranges.accounts().0),
        (Identity::Starter, _) => "of whoever started the set".to_owned(),
        (_, Ids::Single) => "of whoever started the set, as all have, with his groups".to_owned(),
    }
}

fn capabilities(profile: &Profile, site: Site) -> String {
    let names: Vec<&str> = profile
        .capabilities
        .iter_names()
        .map(|(name, _)| name)
        .collect();
    match (profile.process, site.ids()) {
        _ if names.is_empty() => "none".to_owned(),
        (Process::Supervisor, Ids::Single) => "none".to_owned(),
        _ if unshared(profile, site) & libc::CLONE_NEWUSER == 0 => names.join(" "),
        _ => format!("{}, inside its user namespace", names.join(" ")),
    }
}

fn namespaces(profile: &Profile, site: Site) -> String {
    let sees_accounts =
        profile.namespaces.contains(&Namespace::UserOwnAndAccounts) && site.ids() != Ids::Single;
    let user = if sees_accounts {
        "user (itself and the accounts)"
    } else {
        "user (itself)"
    };
    let rows = [
        (libc::CLONE_NEWUSER, user),
        (libc::CLONE_NEWNET, "network (empty)"),
        (libc::CLONE_NEWIPC, "ipc (empty)"),
    ];
    let made = unshared(profile, site);
    let names: Vec<&str> = rows
        .iter()
        .filter(|(flag, _)| made & flag != 0)
        .map(|(_, name)| *name)
        .collect();
    match profile.process {
        Process::Worker | Process::Verify => "its broker's".to_owned(),
        _ if names.is_empty() => "the machine's".to_owned(),
        _ => names.join(", "),
    }
}

fn root(profile: &Profile) -> &'static str {
    match profile.root {
        Root::Host => "the machine's",
        Root::Empty => "an empty directory",
        Root::Own => "a directory of its own",
        Root::Store => "the store",
        Root::Account => "the account's directory",
    }
}

fn landlock(profile: &Profile, site: Site) -> String {
    let Some(paths) = profile.paths else {
        return "none".to_owned();
    };
    if site.waivers().has(Layer::Landlock) {
        return "waived".to_owned();
    }
    let writes = |path: &Path| path.rights.contains(&Right::WriteFile);
    let files = match paths {
        [] => "no file",
        paths if paths.iter().any(writes) => "files below its root, none executable",
        _ => "files below its root, to be read",
    };
    let walls = [
        (Layer::LandlockNet, ", no TCP"),
        (
            Layer::LandlockScopes,
            ", no signal or abstract socket of others",
        ),
    ];
    let stand = walls
        .iter()
        .filter(|(layer, _)| !site.waivers().has(*layer))
        .map(|(_, wall)| *wall);
    std::iter::once(files).chain(stand).collect()
}

fn system_calls(profile: &Profile) -> String {
    let numbers = profile
        .calls
        .iter()
        .flat_map(|list| list.calls)
        .map(|call| call.number);
    let count = numbers.collect::<std::collections::BTreeSet<_>>().len();
    let inherited = if profile.bears.is_empty() {
        ""
    } else {
        ", and those of whom it bears"
    };
    let sealed = if profile.threads == Threads::Sealed {
        ", then no new thread"
    } else {
        ""
    };
    format!("{count}{inherited}{sealed}; any other kills it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdRanges;
    use crate::layer::Waivers;
    use crate::profile::{ALL, BROKER, LOGIN, WORKER};

    fn row(profile: &Profile, site: Site, name: &str) -> String {
        describe(profile, site)
            .into_iter()
            .find(|(found, _)| *found == name)
            .unwrap()
            .1
    }

    #[test]
    fn a_waived_layer_is_not_boasted_of() {
        let all: Waivers = Layer::ALL.iter().copied().collect();
        let site = Site::separate(IdRanges::default(), all);
        assert_eq!(row(&LOGIN, site, "landlock"), "waived");
        assert_eq!(row(&LOGIN, site, "namespaces"), "the machine's");
        let scopes = Site::single(Waivers::NONE.with(Layer::LandlockScopes));
        assert_eq!(row(&LOGIN, scopes, "landlock"), "no file, no TCP");
    }

    #[test]
    fn an_ordinary_user_is_told_that_all_have_his_id_and_groups() {
        for profile in ALL {
            assert!(
                row(profile, Site::single(Waivers::NONE), "uid")
                    .starts_with("of whoever started the set")
            );
        }
        assert!(row(&WORKER, Site::single(Waivers::NONE), "uid").ends_with("with his groups"));
    }

    #[test]
    fn the_broker_s_capabilities_are_named_with_where_they_count() {
        let site = Site::separate(IdRanges::default(), Waivers::NONE);
        assert!(row(&BROKER, site, "capabilities").ends_with("inside its user namespace"));
        assert_eq!(row(&WORKER, site, "capabilities"), "none");
    }
}

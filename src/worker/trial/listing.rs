//! LIST, LSUB and RENAME against a naive reading of the same names.

mod extended;

use super::{House, run};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Short names, so that they meet.
fn names() -> impl Strategy<Value = BTreeSet<String>> {
    let component = "[ab]{1,2}";
    let name = prop::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"));
    prop::collection::btree_set(name, 0..7)
}

/// Whether a name fits a pattern, by trying everything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return name.is_empty();
    };
    let rest = &pattern[1..];
    match first {
        '*' => (0..=name.len()).any(|at| fits(rest, &name[at..])),
        '%' => {
            let level = name.find('/').unwrap_or(name.len());
            (0..=level).any(|at| fits(rest, &name[at..]))
        }
        letter => name.starts_with(letter) && fits(rest, &name[1..]),
    }
}

/// The names and all that lie above them.
fn with_parents(names: &BTreeSet<String>) -> BTreeSet<String> {
    let above = |name: &String| {
        let ends = name.match_indices('/').map(|(at, _)| name[..at].to_owned());
        ends.collect::<Vec<_>>()
    };
    names
        .iter()
        .flat_map(above)
        .chain(names.iter().cloned())
        .collect()
}

/// The names of answers to LIST or LSUB, with what stands before them.
fn told(lines: &[String]) -> BTreeSet<(bool, String)> {
    let told = lines.iter().filter_map(|line| {
        let (attributes, name) = line.strip_prefix("* L")?.split_once(" \"/\" ")?;
        Some((attributes.contains("\\Noselect"), name.to_owned()))
    });
    told.collect()
}

const ALWAYS: [&str; 3] = ["Archive", "INBOX", "Sent"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn list_tells_every_fitting_name_and_every_fitting_parent(
        names in names(), pattern in "[ab/]{0,2}[*%]{1,2}[ab/]{0,2}[*%]?",
    ) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            for name in &names {
                client.command("c", &format!("CREATE {name}")).await;
            }
            let said = client.command("l", &format!("LIST \"\" \"{pattern}\"")).await;
            let exists = |name: &String| names.contains(name) || ALWAYS.contains(&name.as_str());
            let always = ALWAYS.map(str::to_owned);
            let all = with_parents(&names).into_iter().chain(always);
            // INBOX alone is the same in any case of letters.
            let fitting = all.filter(|name| match name.as_str() {
                "INBOX" => fits(&pattern, "inbox"),
                name => fits(&pattern, name),
            });
            let expected: BTreeSet<(bool, String)> =
                fitting.map(|name| (!exists(&name), name)).collect();
            assert_eq!(told(&said), expected);
            house.leave().await;
        });
    }

    #[test]
    fn lsub_tells_subscribed_names_or_their_fitting_parents(names in names()) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            for name in ALWAYS {
                client.command("u", &format!("UNSUBSCRIBE {name}")).await;
            }
            for name in &names {
                client.command("s", &format!("SUBSCRIBE {name}")).await;
            }
            let said = client.command("l", "LSUB \"\" %").await;
            let roots = names.iter().map(|name| name.split('/').next().unwrap().to_owned());
            let expected: BTreeSet<(bool, String)> =
                roots.map(|root| (!names.contains(&root), root)).collect();
            assert_eq!(told(&said), expected);
            house.leave().await;
        });
    }

    #[test]
    fn a_renamed_tree_keeps_its_shape_or_stays_as_it_was(names in names()) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            for name in &names {
                client.command("c", &format!("CREATE {name}")).await;
            }
            let said = client.command("r", "RENAME a moved/here").await;
            let moves = |name: &&String| *name == "a" || name.starts_with("a/");
            let any = names.iter().any(|name| moves(&name));
            assert_eq!(said.last().unwrap().starts_with("r OK"), any, "{said:?} {names:?}");
            let expected = names.iter().map(|name| match moves(&name) {
                true => format!("moved/here{}", &name[1..]),
                false => name.clone(),
            });
            let expected: BTreeSet<String> =
                expected.chain(ALWAYS.map(str::to_owned)).collect();
            let said = client.command("l", "LIST \"\" *").await;
            let exist = told(&said).into_iter().filter(|(virtual_, _)| !virtual_);
            assert_eq!(exist.map(|(_, name)| name).collect::<BTreeSet<_>>(), expected);
            house.leave().await;
        });
    }
}

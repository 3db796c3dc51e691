//! LIST with every option of RFC 5258, RFC 5819 and RFC 6154 against the definitions,
//! read name by name.

use super::{ALWAYS, fits, names, with_parents};
use crate::trial::{House, run};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What an account has.
#[derive(Debug, Clone)]
struct Tree {
    mailboxes: BTreeSet<String>,
    subscribed: BTreeSet<String>,
    uses: BTreeMap<String, &'static str>,
}

/// What a client asks.
#[derive(Debug, Clone)]
struct Question {
    reference: String,
    patterns: Vec<String>,
    selects: Vec<&'static str>,
    returns: Vec<&'static str>,
}

/// One line of the answer: attributes and name; what follows says whether CHILDINFO and
/// a STATUS come with it.
type Told = (BTreeSet<String>, String, bool, bool);

fn trees() -> impl Strategy<Value = Tree> {
    let special = prop::sample::select(vec!["\\Drafts", "\\Junk", "\\Trash"]);
    let uses = prop::collection::vec((any::<prop::sample::Index>(), special), 0..3);
    (names(), names(), uses).prop_map(|(mailboxes, mut subscribed, uses)| {
        let all: Vec<&String> = mailboxes.iter().collect();
        let uses = uses.into_iter().filter(|_| !all.is_empty());
        let uses = uses.map(|(at, special)| ((*at.get(&all)).clone(), special));
        let uses = uses.collect();
        subscribed.extend(mailboxes.iter().step_by(2).cloned());
        Tree {
            mailboxes,
            subscribed,
            uses,
        }
    })
}

fn questions() -> impl Strategy<Value = Question> {
    let selects = vec!["SUBSCRIBED", "REMOTE", "SPECIAL-USE", "RECURSIVEMATCH"];
    let returns = vec!["SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS (MESSAGES)"];
    let reference = prop::sample::select(vec!["", "", "a", "a/", "b/a"]);
    let pattern = "[ab]{0,1}[*%]/{0,1}[ab%*]{0,2}";
    let patterns = prop::collection::vec(pattern, 1..3);
    (
        reference,
        patterns,
        prop::sample::subsequence(selects, 0..=4),
        prop::sample::subsequence(returns, 0..=4),
    )
        .prop_map(|(reference, patterns, mut selects, returns)| {
            // RFC 5258 §3.1: it MUST NOT occur alone, or only with REMOTE.
            if !selects.contains(&"SUBSCRIBED") {
                selects.retain(|option| *option != "RECURSIVEMATCH");
            }
            Question {
                reference: reference.to_owned(),
                patterns,
                selects,
                returns,
            }
        })
}

impl Question {
    fn command(&self) -> String {
        format!(
            "LIST ({}) \"{}\" (\"{}\") RETURN ({})",
            self.selects.join(" "),
            self.reference,
            self.patterns.join("\" \""),
            self.returns.join(" ")
        )
    }

    fn fits(&self, name: &str) -> bool {
        // INBOX alone is the same in any case of letters, and all patterns are small.
        let name = if name == "INBOX" { "inbox" } else { name };
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| fits(&format!("{}{pattern}", self.reference), name))
    }

    fn selected(&self, tree: &Tree, name: &str) -> bool {
        let subscribed = self.selects.contains(&"SUBSCRIBED");
        let special = self.selects.contains(&"SPECIAL-USE");
        let exists = tree.mailboxes.contains(name) || tree.has_children(name);
        (exists || subscribed)
            && (!subscribed || tree.subscribed.contains(name))
            && (!special || tree.uses.contains_key(name))
    }

    fn answers(&self, tree: &Tree) -> BTreeSet<Told> {
        let names: BTreeSet<String> = tree.mailboxes.union(&tree.subscribed).cloned().collect();
        let names = with_parents(&names);
        let below = |name: &str| {
            let above = format!("{name}/");
            let below = names.iter().filter(move |it| it.starts_with(&above));
            below.filter(|it| self.selected(tree, it))
        };
        let recursive = self.selects.contains(&"RECURSIVEMATCH");
        let told = names
            .iter()
            .filter(|name| self.fits(name))
            .filter_map(|name| {
                let selected = self.selected(tree, name);
                let hidden = below(name).any(|it| !self.fits(it));
                if !(selected || recursive && hidden) {
                    return None;
                }
                let child = recursive
                    && if selected {
                        below(name).next().is_some()
                    } else {
                        hidden
                    };
                let counted = self.returns.contains(&"STATUS (MESSAGES)");
                let counted = counted && selected && tree.mailboxes.contains(name);
                Some((self.attributes(tree, name), name.clone(), child, counted))
            });
        told.collect()
    }

    fn attributes(&self, tree: &Tree, name: &str) -> BTreeSet<String> {
        let mut attributes = BTreeSet::new();
        if !tree.mailboxes.contains(name) {
            attributes.insert("\\NonExistent".to_owned());
        }
        let children = ["\\HasNoChildren", "\\HasChildren"];
        attributes.insert(children[usize::from(tree.has_children(name))].to_owned());
        let asked = [&self.selects, &self.returns];
        if asked.iter().any(|them| them.contains(&"SUBSCRIBED")) && tree.subscribed.contains(name) {
            attributes.insert("\\Subscribed".to_owned());
        }
        attributes.extend(tree.uses.get(name).map(|special| (*special).to_owned()));
        attributes
    }
}

impl Tree {
    fn has_children(&self, name: &str) -> bool {
        let above = format!("{name}/");
        self.mailboxes.iter().any(|it| it.starts_with(&above))
    }

    async fn make(&self) -> (House, crate::trial::Wire) {
        let house = House::new();
        let mut client = house.client().await;
        for name in ALWAYS {
            client.command("u", &format!("UNSUBSCRIBE {name}")).await;
        }
        for name in &self.mailboxes {
            let special = self.uses.get(name);
            let special = special.map_or(String::new(), |it| format!(" (USE ({it}))"));
            client
                .command("c", &format!("CREATE {name}{special}"))
                .await;
        }
        for name in &self.subscribed {
            client.command("s", &format!("SUBSCRIBE {name}")).await;
        }
        (house, client)
    }

    /// With what every account has.
    fn whole(mut self) -> Self {
        self.mailboxes.extend(ALWAYS.map(str::to_owned));
        self.uses.insert("Sent".to_owned(), "\\Sent");
        self
    }
}

/// What was said, line by line; a STATUS belongs to the LIST before it.
fn heard(lines: &[String]) -> BTreeSet<Told> {
    let mut told: Vec<Told> = Vec::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("* LIST (") {
            let (attributes, rest) = rest.split_once(") \"/\" ").unwrap();
            let (name, info) = rest.split_once(' ').unwrap_or((rest, ""));
            let attributes = attributes.split(' ').map(str::to_owned).collect();
            let child = info == "(\"CHILDINFO\" (\"SUBSCRIBED\"))";
            assert!(child || info.is_empty(), "{line}");
            told.push((attributes, name.to_owned(), child, false));
        }
        if let Some(rest) = line.strip_prefix("* STATUS ") {
            let last = told.last_mut().unwrap();
            assert_eq!(rest, format!("{} (MESSAGES 0)", last.1));
            last.3 = true;
        }
    }
    let count = told.len();
    let told: BTreeSet<Told> = told.into_iter().collect();
    assert_eq!(told.len(), count, "told twice: {lines:?}");
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn extended_list_answers_what_the_rfcs_define(
        tree in trees(),
        questions in prop::collection::vec(questions(), 1..6),
    ) {
        run(async {
            let (house, mut client) = tree.make().await;
            let tree = tree.whole();
            for question in questions {
                let command = question.command();
                let said = client.command("l", &command).await;
                assert_eq!(said.last().unwrap(), "l OK Listed", "{command}");
                assert_eq!(heard(&said), question.answers(&tree), "{command}");
            }
            house.leave().await;
        });
    }
}

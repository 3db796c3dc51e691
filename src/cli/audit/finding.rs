//! What was looked at: one check, with what the ledger says, what was found, and
//! whether the two agree.

/// What one check is about: a layer of a process's confinement. In the order of a row
/// of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    Program,
    Ids,
    Capabilities,
    Privileges,
    Filter,
    Landlock,
    Namespaces,
    Root,
    Limits,
    Threads,
    Descriptors,
    Channels,
}

impl Layer {
    pub const ALL: [Self; 12] = [
        Self::Program,
        Self::Ids,
        Self::Capabilities,
        Self::Privileges,
        Self::Filter,
        Self::Landlock,
        Self::Namespaces,
        Self::Root,
        Self::Limits,
        Self::Threads,
        Self::Descriptors,
        Self::Channels,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Ids => "ids",
            Self::Capabilities => "capabilities",
            Self::Privileges => "privileges",
            Self::Filter => "filter",
            Self::Landlock => "landlock",
            Self::Namespaces => "namespaces",
            Self::Root => "root",
            Self::Limits => "limits",
            Self::Threads => "threads",
            Self::Descriptors => "descriptors",
            Self::Channels => "channels",
        }
    }

    /// How the heading of a narrow column says it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Capabilities => "caps",
            Self::Privileges => "gain",
            Self::Namespaces => "ns",
            Self::Descriptors => "fds",
            Self::Channels => "chan",
            Self::Landlock => "lock",
            _ => self.name(),
        }
    }

    /// What is looked at, for whoever has not read the ledger.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Program => {
                "what it executes: sealed memory that nobody can change, the supervisor's own copy of this program"
            }
            Self::Ids => {
                "uid and gid, in each of their four places, and supplementary groups, of every thread"
            }
            Self::Capabilities => "all five sets of every thread",
            Self::Privileges => {
                "that it can gain nothing by a program that it executes, and that nobody looks into it"
            }
            Self::Filter => {
                "the system-call filters that the kernel runs for every thread, instruction by instruction"
            }
            Self::Landlock => {
                "what it may do with files, sockets and signals; the kernel shows it to nobody outside"
            }
            Self::Namespaces => "which network, message queues and ids exist for it",
            Self::Root => "what it sees as /, and where it stands",
            Self::Limits => "open descriptors, memory, core dumps: soft and hard",
            Self::Threads => "how many there are",
            Self::Descriptors => "what it holds open",
            Self::Channels => "who is at the other end of its sockets",
        }
    }
}

/// Whether what was found is what the ledger says. The later ones weigh more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is.
    AsStated,
    /// It can't be seen from outside; tests show it.
    Tested,
    /// The configuration does without it.
    Waived,
    /// Who looks may not see it, or the kernel doesn't show it.
    NotSeen,
    /// It was not at an earlier look, and is at the last.
    Passed,
    /// It is not.
    Differs,
}

impl Verdict {
    /// For people and for JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsStated => "as stated",
            Self::Tested => "tested",
            Self::Waived => "waived",
            Self::NotSeen => "not seen",
            Self::Passed => "differed and then did not",
            Self::Differs => "differs",
        }
    }

    /// In one cell of the table.
    pub fn mark(self) -> &'static str {
        match self {
            Self::AsStated => "ok",
            Self::Tested => "t",
            Self::Waived => "-",
            Self::NotSeen => "?",
            Self::Passed => "DIFFERED",
            Self::Differs => "DIFFERS",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub layer: Layer,
    /// Which part of the layer.
    pub what: &'static str,
    pub expected: String,
    pub found: String,
    pub verdict: Verdict,
}

impl Check {
    /// Compares two texts.
    pub fn compare(
        layer: Layer,
        what: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        let verdict = if expected == found {
            Verdict::AsStated
        } else {
            Verdict::Differs
        };
        Self {
            layer,
            what,
            expected,
            found,
            verdict,
        }
    }

    /// Compares with something that may not have been seen.
    pub fn compare_seen<E: std::fmt::Display>(
        layer: Layer,
        what: &'static str,
        expected: impl Into<String>,
        found: Result<String, E>,
    ) -> Self {
        match found {
            Ok(found) => Self::compare(layer, what, expected, found),
            Err(unseen) => Self {
                layer,
                what,
                expected: expected.into(),
                found: unseen.to_string(),
                verdict: Verdict::NotSeen,
            },
        }
    }

    /// The same, judged by somebody who has compared already.
    pub fn judged(
        layer: Layer,
        what: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
        holds: bool,
    ) -> Self {
        let verdict = if holds {
            Verdict::AsStated
        } else {
            Verdict::Differs
        };
        Self {
            layer,
            what,
            expected: expected.into(),
            found: found.into(),
            verdict,
        }
    }

    /// What is as the site wants it and not as the ledger says is waived.
    pub fn waived_if(mut self, waived: bool) -> Self {
        if waived && self.verdict == Verdict::AsStated {
            self.verdict = Verdict::Waived;
        }
        self
    }
}

/// The checks of one process, or of the set as a whole.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The program; "the set" for the whole.
    pub program: String,
    pub pid: Option<u32>,
    /// Which of its kind: an instance's number, or an account's.
    pub which: Option<String>,
    pub checks: Vec<Check>,
}

impl Subject {
    /// The gravest verdict on a layer; none if nothing was checked there.
    pub fn verdict(&self, layer: Layer) -> Option<Verdict> {
        let of_layer = self.checks.iter().filter(|check| check.layer == layer);
        of_layer.map(|check| check.verdict).max()
    }

    /// The gravest verdict of all.
    pub fn gravest(&self) -> Verdict {
        let verdicts = self.checks.iter().map(|check| check.verdict);
        verdicts.max().unwrap_or(Verdict::AsStated)
    }

    /// How people call it.
    pub fn name(&self) -> String {
        match (&self.which, self.pid) {
            (Some(which), Some(pid)) => format!("{} {which} (pid {pid})", self.program),
            (None, Some(pid)) => format!("{} (pid {pid})", self.program),
            _ => self.program.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_that_differs_makes_its_layer_differ() {
        let same = Check::compare(Layer::Ids, "uid", "1", "1");
        let unseen = Check::compare_seen(Layer::Ids, "gid", "1", Err::<String, _>("no"));
        let differs = Check::compare(Layer::Root, "root", "/a", "/b");
        let subject = Subject {
            program: "x".into(),
            pid: Some(3),
            which: Some("of account 7".into()),
            checks: vec![same, unseen, differs],
        };
        assert_eq!(subject.verdict(Layer::Ids), Some(Verdict::NotSeen));
        assert_eq!(subject.verdict(Layer::Root), Some(Verdict::Differs));
        assert_eq!(subject.verdict(Layer::Limits), None);
        assert_eq!(subject.gravest(), Verdict::Differs);
        assert_eq!(subject.name(), "x of account 7 (pid 3)");
    }

    #[test]
    fn a_waiver_excuses_what_the_site_wants_and_nothing_else() {
        let same = Check::compare(Layer::Ids, "uid", "1", "1").waived_if(true);
        let differs = Check::compare(Layer::Ids, "uid", "1", "2").waived_if(true);
        assert_eq!(same.verdict, Verdict::Waived);
        assert_eq!(differs.verdict, Verdict::Differs);
    }
}

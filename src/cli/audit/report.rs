//! All that was seen, and its two plain forms: a table for people, JSON for
//! machines.

use super::finding::{Check, Layer, Subject, Verdict};
use super::judging::House;
use super::ledger::Ledger;
use super::programs::Programs;
use sandbox::Site;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The tests that show what the kernel shows to nobody outside.
pub const SHOWN_BY_TESTS: [(&str, &str); 6] = [
    (
        "tests/possessed.rs",
        "somebody else's code inside the living front, login and worker, and all that it can't do",
    ),
    (
        "tests/possessed_trusted.rs",
        "the same inside those with more power",
    ),
    (
        "sandbox/tests/escape.rs",
        "the same in every profile, attempt by attempt",
    ),
    (
        "sandbox/tests/layers.rs",
        "each layer alone, and what still holds when another is gone",
    ),
    (
        "sandbox/tests/birth.rs",
        "a process that finds less than its profile never serves",
    ),
    (
        "tests/closed.rs",
        "nor does the set, whichever step of confinement fails",
    ),
];

/// What the check is called that tells the site's own decisions.
pub const WAIVED_LAYERS: &str = "layers that the configuration does without";

/// The build's revision, if whoever built it has said so.
const REVISION: Option<&str> = option_env!("MAILKEEP_REVISION");

/// What was seen, when, and of what.
#[derive(Debug)]
pub struct Report {
    /// Seconds since 1970.
    pub at: u64,
    pub host: String,
    pub kernel: String,
    pub looked_as_root: bool,
    pub site: Site,
    pub programs: Programs,
    pub set: Subject,
    pub members: Vec<Subject>,
    pub edges: Edges,
}

/// Who was found connected with whom, by their programs, and by how many channels;
/// `None` where it couldn't be told.
pub type Edges = Option<BTreeMap<(String, String), usize>>;

/// The channels that live, each counted once.
pub fn edges(house: &House<'_>) -> Edges {
    let mut edges = BTreeMap::new();
    let mut seen = false;
    for member in &house.found.members {
        let Some(neighbours) = house.neighbours(member) else {
            continue;
        };
        seen = true;
        for (other, count) in neighbours {
            let own = member.program();
            // Each is seen from both sides; the larger count is of several fronts.
            let pair = if own < other {
                (own, other)
            } else {
                (other, own)
            };
            let pair = (pair.0.to_owned(), pair.1.to_owned());
            let sum = edges.entry(pair).or_insert([0_usize; 2]);
            let side = usize::from(own > other);
            sum[side] = sum[side].saturating_add(count);
        }
    }
    let counted = edges
        .into_iter()
        .map(|(pair, [one, other])| (pair, one.max(other)));
    seen.then(|| counted.collect())
}

impl Report {
    /// Of what was judged just now.
    pub fn new(
        set: Subject,
        members: Vec<Subject>,
        edges: Edges,
        programs: Programs,
        site: Site,
    ) -> Self {
        let system = rustix::system::uname();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
        Self {
            at: now.map_or(0, |now| now.as_secs()),
            host: text(system.nodename()),
            kernel: format!(
                "{} {} {}",
                text(system.sysname()),
                text(system.release()),
                text(system.machine())
            ),
            looked_as_root: rustix::process::geteuid().is_root(),
            site,
            programs,
            set,
            members,
            edges,
        }
    }

    /// The set, then each process.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        std::iter::once(&self.set).chain(&self.members)
    }

    /// Every check with this verdict, and whose it is.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = (&Subject, &Check)> {
        self.subjects().flat_map(move |subject| {
            let checks = subject
                .checks
                .iter()
                .filter(move |check| check.verdict == verdict);
            checks.map(move |check| (subject, check))
        })
    }

    /// The gravest verdict of all.
    pub fn gravest(&self) -> Verdict {
        let verdicts = self.subjects().map(Subject::gravest);
        verdicts.max().unwrap_or(Verdict::AsStated)
    }

    /// The same, where what tests show is as stated.
    pub fn verdict(&self) -> Verdict {
        match self.gravest() {
            Verdict::Tested => Verdict::AsStated,
            other => other,
        }
    }

    /// Whether a second look would see the same: all is as stated, or what isn't is the
    /// site's own decision, or hidden from who looks. (Root sees all, unless somebody
    /// else is just looking, too.)
    pub fn is_for_good(&self) -> bool {
        let decided = |check: &Check| check.what == WAIVED_LAYERS;
        let hidden = self.looked_as_root && self.count(Verdict::NotSeen) > 0;
        !hidden && self.with(Verdict::Differs).all(|(_, check)| decided(check))
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.with(verdict).count()
    }

    /// When, as RFC 3339 writes it.
    pub fn time(&self) -> String {
        rfc3339(self.at)
    }

    pub fn revision(&self) -> &'static str {
        REVISION.unwrap_or("not told to the build")
    }

    pub fn waived(&self) -> Vec<&'static str> {
        self.site
            .waivers()
            .layers()
            .map(sandbox::Layer::name)
            .collect()
    }

    /// One sentence.
    pub fn verdict_in_words(&self) -> String {
        let checks: usize = self.subjects().map(|subject| subject.checks.len()).sum();
        let of = format!("{} processes, {checks} checks", self.members.len());
        match self.gravest() {
            Verdict::Differs => match self.count(Verdict::Differs) {
                1 => format!("1 statement of the ledger does NOT hold ({of})."),
                more => format!("{more} statements of the ledger do NOT hold ({of})."),
            },
            Verdict::Passed => format!(
                "{} statements of the ledger did not hold at an earlier look, and do now ({of}).",
                self.count(Verdict::Passed)
            ),
            Verdict::NotSeen => format!(
                "Nothing differs from the ledger, but {} checks could not be made ({of}).",
                self.count(Verdict::NotSeen)
            ),
            _ => format!("All is as the ledger says ({of})."),
        }
    }

    /// For a terminal.
    pub fn as_text(&self) -> String {
        let mut text = format!(
            "Mailkeep {} on {} ({}), {}\n\n",
            env!("CARGO_PKG_VERSION"),
            self.host,
            self.kernel,
            self.time()
        );
        text.push_str(&self.table());
        text.push('\n');
        let differing = self.with(Verdict::Differs);
        for (subject, check) in differing.chain(self.with(Verdict::Passed)) {
            let _ = writeln!(
                text,
                "{}: {}: {}, {}: the ledger says {}; found {}",
                check.verdict.mark(),
                subject.name(),
                check.layer.name(),
                check.what,
                check.expected,
                check.found
            );
        }
        if !self.looked_as_root {
            text.push_str("Not everything can be seen by an ordinary user: run it as root.\n");
        }
        text.push_str("lock: Landlock rules are shown to nobody outside; tests hold them (--html names them).\n");
        let _ = writeln!(text, "{}", self.verdict_in_words());
        text
    }

    fn table(&self) -> String {
        let mut text = format!("{:<13}{:>8}", "process", "pid");
        for layer in Layer::ALL {
            let _ = write!(text, " {:>8}", layer.short());
        }
        text.push('\n');
        for member in &self.members {
            let short = member.program.trim_start_matches("mailkeep-");
            let _ = write!(text, "{short:<13}{:>8}", member.pid.unwrap_or(0));
            for layer in Layer::ALL {
                let mark = member.verdict(layer).map_or("", Verdict::mark);
                let _ = write!(text, " {mark:>8}");
            }
            text.push('\n');
        }
        text
    }

    /// For machines.
    pub fn as_json(&self) -> Value {
        let programs = self.programs.all.iter().map(|one| {
            json!({
                "program": one.name,
                "on_disk": one.on_disk.as_ref().ok(),
                "running": one.sealed.as_ref().ok(),
            })
        });
        let edges = self.edges.as_ref().map(|edges| {
            let edge = |((one, other), count): (&(String, String), &usize)| {
                json!({ "between": [one, other], "channels": count })
            };
            edges.iter().map(edge).collect::<Vec<_>>()
        });
        let ledger = Ledger::files();
        let ledger = ledger
            .iter()
            .map(|(name, digest)| ((*name).to_owned(), digest.as_str().into()));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "revision": REVISION,
            "at": self.time(),
            "host": self.host,
            "kernel": self.kernel,
            "verdict": self.verdict().word(),
            "differences": self.count(Verdict::Differs),
            "passed": self.count(Verdict::Passed),
            "not_seen": self.count(Verdict::NotSeen),
            "without": self.waived(),
            "ledger": ledger.collect::<serde_json::Map<String, Value>>(),
            "programs": programs.collect::<Vec<_>>(),
            "channels": edges,
            "subjects": self.subjects().map(subject_json).collect::<Vec<_>>(),
        })
    }
}

fn subject_json(subject: &Subject) -> Value {
    let check = |check: &Check| {
        json!({
            "layer": check.layer.name(),
            "what": check.what,
            "expected": check.expected,
            "found": check.found,
            "verdict": check.verdict.word(),
        })
    };
    json!({
        "program": subject.program,
        "pid": subject.pid,
        "which": subject.which,
        "verdict": subject.gravest().word(),
        "checks": subject.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

/// Seconds since 1970 as `2026-01-01T12:00:00Z`: days to a date by the civil
/// calendar's eras of 400 years.
fn rfc3339(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // Days from 0000-03-01.
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_knows_leap_days() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in known {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}

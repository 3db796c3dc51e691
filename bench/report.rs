//! What came of it: rows with the figures of both servers, as JSON and as a table.

use crate::statistics::{median, spread};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A line of the table, before anything is measured.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What is done.
    pub title: &'static str,
    /// In what it is counted.
    pub unit: Unit,
    /// What Mailkeep is to reach.
    pub aim: Option<Aim>,
}

impl Row {
    /// A row that has an aim: a figure on the machine where the peers' best were taken,
    /// and by how many times it is better than Dovecot's there.
    pub const fn aiming(title: &'static str, unit: Unit, figure: f64, times: f64) -> Self {
        let aim = Some(Aim { figure, times });
        Self { title, unit, aim }
    }

    /// A row that is only looked at.
    pub const fn open(title: &'static str, unit: Unit) -> Self {
        let aim = None;
        Self { title, unit, aim }
    }
}

/// What is to be reached: machines differ, so either of both will do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// In the row's unit.
    pub figure: f64,
    /// As a multiple of Dovecot's figure in the same run.
    pub times: f64,
}

/// A unit, and which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// More is better.
    MessagesASecond,
    /// More is better.
    OperationsASecond,
    /// More is better: millions of bytes.
    MegabytesASecond,
    /// Less is better.
    Milliseconds,
    /// Less is better.
    Kibibytes,
    /// Less is better.
    Calls,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::MessagesASecond => "msg/s",
            Self::OperationsASecond => "op/s",
            Self::MegabytesASecond => "MB/s",
            Self::Milliseconds => "ms",
            Self::Kibibytes => "KiB",
            Self::Calls => "calls",
        }
    }

    /// How many times better one figure is than another.
    fn times_better(self, figure: f64, than: f64) -> f64 {
        match self {
            Self::MessagesASecond | Self::OperationsASecond | Self::MegabytesASecond => {
                figure / than
            }
            Self::Milliseconds | Self::Kibibytes | Self::Calls => than / figure,
        }
    }
}

/// One run of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Processors, memory, kernel.
    pub machine: String,
    /// Which Mailkeep and which Dovecot.
    pub versions: Vec<String>,
    /// Turns that were asked for.
    pub turns: u32,
    /// What was measured.
    pub rows: Vec<Measured>,
}

/// A row with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The workload it comes from.
    pub workload: String,
    /// What was done.
    pub title: String,
    /// In what it is counted.
    pub unit: Unit,
    /// What Mailkeep is to reach.
    pub aim: Option<Aim>,
    /// The peer's.
    pub dovecot: Figures,
    /// Ours.
    pub mailkeep: Figures,
}

/// One server's figures of a row, a turn each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Them, in the order of the turns.
    pub all: Vec<f64>,
    /// Why there are no more.
    pub failed: Option<String>,
}

impl Figures {
    fn cell(&self) -> String {
        match (median(&self.all), &self.failed) {
            (Some(median), _) => {
                let spread = spread(&self.all);
                let spread = spread.map(|part| format!(" ±{:.0} %", part * 100.0));
                format!("{}{}", readable(median), spread.unwrap_or_default())
            }
            (None, Some(why)) => why.replace('|', "/"),
            (None, None) => "-".to_owned(),
        }
    }
}

impl Measured {
    /// How many times better Mailkeep's median is than Dovecot's.
    pub fn ratio(&self) -> Option<f64> {
        let (peer, own) = (median(&self.dovecot.all)?, median(&self.mailkeep.all)?);
        Some(self.unit.times_better(own, peer)).filter(|ratio| ratio.is_finite())
    }

    /// Whether the aim is reached, by its figure or as a multiple; none without both an
    /// aim and a figure.
    pub fn is_reached(&self) -> Option<bool> {
        let (aim, own) = (self.aim?, median(&self.mailkeep.all)?);
        let by_figure = self.unit.times_better(own, aim.figure) >= 1.0;
        Some(by_figure || self.ratio().is_some_and(|ratio| ratio >= aim.times))
    }

    fn line(&self) -> String {
        let aim = self.aim.map_or_else(String::new, |aim| {
            format!("{} or {} x", readable(aim.figure), readable(aim.times))
        });
        let reached = self
            .is_reached()
            .map_or("", |yes| if yes { "yes" } else { "no" });
        let ratio = self.ratio().map(|ratio| format!("{} x", readable(ratio)));
        format!(
            "| {} | {} | {} | {} | {} | {aim} | {reached} |",
            self.title,
            self.unit.name(),
            self.dovecot.cell(),
            self.mailkeep.cell(),
            ratio.unwrap_or_default(),
        )
    }
}

impl Table {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}. {}. Medians of up to {} turns, and half the way from the worst to the best; \
             the ratio is how many times better Mailkeep is.\n\n",
            self.machine,
            self.versions.join(", "),
            self.turns
        );
        text += "| workload | unit | Dovecot | Mailkeep | ratio | aim | reached |\n";
        text += "|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.line());
        }
        text
    }
}

/// Three digits that count, and separators between thousands.
pub fn readable(figure: f64) -> String {
    if figure < 100.0 {
        let digits = match figure {
            _ if figure >= 10.0 => 1,
            _ if figure >= 1.0 || figure == 0.0 => 2,
            _ => 3,
        };
        let text = format!("{figure:.digits$}");
        let text = text.trim_end_matches('0');
        return text.trim_end_matches('.').to_owned();
    }
    let scale = 10_f64.powf(figure.log10().floor() - 2.0);
    let digits = format!("{:.0}", (figure / scale).round() * scale);
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: Unit, dovecot: &[f64], mailkeep: &[f64]) -> Measured {
        let figures = |all: &[f64]| Figures {
            all: all.to_vec(),
            failed: None,
        };
        Measured {
            workload: "w".to_owned(),
            title: "Title".to_owned(),
            unit,
            aim: Some(Aim {
                figure: 100.0,
                times: 4.0,
            }),
            dovecot: figures(dovecot),
            mailkeep: figures(mailkeep),
        }
    }

    #[test]
    fn figures_are_read_at_a_glance() {
        let shown = [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.5, "1.5"),
            (3.0, "3"),
            (42.04, "42"),
            (99.96, "100"),
            (123.4, "123"),
            (1336.0, "1,340"),
            (2_712_345.0, "2,710,000"),
            (10_000.0, "10,000"),
        ];
        for (figure, text) in shown {
            assert_eq!(readable(figure), text, "{figure}");
        }
    }

    #[test]
    fn less_is_better_where_it_is() {
        let rate = row(Unit::MessagesASecond, &[10.0], &[30.0]);
        let time = row(Unit::Milliseconds, &[30.0], &[10.0]);
        assert_eq!(rate.ratio(), Some(3.0));
        assert_eq!(time.ratio(), Some(3.0));
    }

    #[test]
    fn an_aim_is_reached_by_its_figure_or_as_a_multiple() {
        let reached =
            |dovecot, mailkeep| row(Unit::OperationsASecond, &[dovecot], &[mailkeep]).is_reached();
        assert_eq!(reached(10.0, 39.0), Some(false));
        assert_eq!(reached(10.0, 41.0), Some(true));
        assert_eq!(reached(90.0, 101.0), Some(true));
        assert_eq!(
            row(Unit::Milliseconds, &[350.0], &[99.0]).is_reached(),
            Some(true)
        );
        assert_eq!(
            row(Unit::Milliseconds, &[350.0], &[101.0]).is_reached(),
            Some(false)
        );
        assert_eq!(row(Unit::Milliseconds, &[350.0], &[]).is_reached(), None);
    }

    #[test]
    fn a_row_that_failed_says_why_and_the_others_stand() {
        let mut failed = row(Unit::MessagesASecond, &[10.0, 12.0], &[]);
        failed.mailkeep.failed = Some("failed: it | hung up".to_owned());
        let table = Table {
            machine: "A machine".to_owned(),
            versions: vec!["Mailkeep 0.1".to_owned()],
            turns: 3,
            rows: vec![failed, row(Unit::MessagesASecond, &[10.0], &[50.0])],
        };
        let text = table.markdown();
        assert!(
            text.contains(
                "| Title | msg/s | 11 ±9 % | failed: it / hung up |  | 100 or 4 x |  |\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("| Title | msg/s | 10 | 50 | 5 x | 100 or 4 x | yes |\n"),
            "{text}"
        );
        let json = serde_json::to_string(&table).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Table>(&json).expect("the same"),
            table
        );
    }
}

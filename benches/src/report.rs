//! Rows, for people and for programs.

use std::fmt::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::measure::{Pace, Sample, Series, Spread};
use crate::{Outcome, machine};

/// One figure beside its peer's.
pub(crate) struct Row {
    name: String,
    what: String,
    value: Spread,
    unit: &'static str,
    peer: &'static str,
    peer_value: Spread,
    ratio: Spread,
    goal: Option<Goal>,
}

/// What is to be reached: the bound that is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// The ratio is this or more.
    RatioAtLeast(f64),
    /// The ratio is this or less.
    RatioAtMost(f64),
    /// The value is this or more, in the row's unit.
    ValueAtLeast(f64),
    /// The value is this or less, in the row's unit.
    ValueAtMost(f64),
}

/// What is measured of a series, and in what.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) of: fn(&Sample) -> f64,
    pub(crate) scale: f64,
    pub(crate) unit: &'static str,
}

impl Row {
    /// The figure of a series beside that of its peer.
    pub(crate) fn new(
        name: impl Into<String>,
        what: impl Into<String>,
        figure: Figure,
        ours: &Series,
        peer: &Series,
    ) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            value: ours.spread(figure.of).scaled(figure.scale),
            unit: figure.unit,
            peer: peer.name,
            peer_value: peer.spread(figure.of).scaled(figure.scale),
            ratio: ours.ratio(peer, figure.of),
            goal: None,
        }
    }

    /// The same, with another value: a difference to the peer, for instance.
    pub(crate) fn with_value(mut self, value: Spread) -> Self {
        self.value = value;
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn met(&self) -> Option<bool> {
        self.goal.map(|goal| goal.met(self.value.median, self.ratio.median))
    }

    fn for_programs(&self) -> ProgramRow<'_> {
        ProgramRow {
            name: &self.name,
            value: self.value.median,
            unit: self.unit,
            peer: self.peer,
            peer_value: self.peer_value.median,
            ratio: self.ratio.median,
            goal: self.goal.map(|goal| goal.to_string()),
            met: self.met(),
        }
    }
}

impl Goal {
    fn met(self, value: f64, ratio: f64) -> bool {
        match self {
            Self::RatioAtLeast(bound) => ratio >= bound,
            Self::RatioAtMost(bound) => ratio <= bound,
            Self::ValueAtLeast(bound) => value >= bound,
            Self::ValueAtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(bound) => write!(f, "ratio >= {bound}"),
            Self::RatioAtMost(bound) => write!(f, "ratio <= {bound}"),
            Self::ValueAtLeast(bound) => write!(f, "value >= {bound}"),
            Self::ValueAtMost(bound) => write!(f, "value <= {bound}"),
        }
    }
}

/// A row of `summary.json`; medians.
#[derive(Serialize)]
struct ProgramRow<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
    peer: &'a str,
    peer_value: f64,
    ratio: f64,
    goal: Option<String>,
    met: Option<bool>,
}

/// What one comparison found.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
    /// How it was measured.
    pub(crate) how: &'static str,
    /// Another table, if there is more to see.
    pub(crate) details: String,
}

impl Section {
    /// The rows as a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = String::from(
            "| what | ours | peer | peer's | ratio | goal | met |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let goal = row.goal.map_or_else(|| "-".to_owned(), |goal| goal.to_string());
            let met = row.met().map_or("-", |met| if met { "yes" } else { "no" });
            let _ = writeln!(
                out,
                "| {} | {} {} | {} | {} {} | {} | {goal} | {met} |",
                row.what,
                shown(row.value),
                row.unit,
                row.peer,
                shown(row.peer_value),
                row.unit,
                shown(row.ratio),
            );
        }
        if !self.details.is_empty() {
            let _ = write!(out, "\n{}", self.details);
        }
        out
    }
}

/// Everything that one run found.
pub(crate) struct Report {
    sections: Vec<Section>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self { sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Writes the rows for programs.
    pub(crate) fn write_summary(&self, path: &Path) -> Outcome<()> {
        let rows: Vec<_> =
            self.sections.iter().flat_map(|section| &section.rows).map(Row::for_programs).collect();
        Ok(std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?)
    }

    /// Writes the page for people.
    pub(crate) fn write_results(&self, path: &Path, pace: Pace) -> Outcome<()> {
        let mut out = String::from("# Results\n\n");
        let facts = machine::facts()?;
        let _ = writeln!(out, "Written by `make bench`; do not edit.\n");
        for (name, fact) in facts {
            let _ = writeln!(out, "- {name}: {fact}");
        }
        if pace == Pace::QUICK {
            let _ = writeln!(out, "- **quick run**: short rounds, the figures mean little");
        }
        let _ = writeln!(
            out,
            "\nEvery figure is the median of {} rounds (in brackets: least to most); in each round every \
             arm runs once, and each round begins with another arm. A ratio is ours to the peer's, \
             taken round by round; its median need not be the quotient of the medians. Ratios within \
             one run can be compared, figures of different runs or machines cannot.",
            pace.rounds
        );
        for section in &self.sections {
            let _ = write!(out, "\n## {}\n\n{}\n{}\n", section.title, section.table(), section.how);
        }
        Ok(std::fs::write(path, out)?)
    }
}

/// Median and ends, in three significant digits.
pub(crate) fn shown(spread: Spread) -> String {
    format!("**{}** ({}..{})", digits(spread.median), digits(spread.min), digits(spread.max))
}

fn digits(figure: f64) -> String {
    let size = figure.abs();
    let decimals = match size {
        _ if size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{figure:.decimals$}");
    if size < 10_000.0 {
        return text;
    }
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_bound_values_or_ratios() {
        let check =
            |goal: Goal, value, ratio, met| assert_eq!(goal.met(value, ratio), met, "{goal}");
        check(Goal::RatioAtLeast(0.75), 0.0, 0.75, true);
        check(Goal::RatioAtLeast(0.75), 9.0, 0.74, false);
        check(Goal::RatioAtMost(18.0), 99.0, 18.0, true);
        check(Goal::RatioAtMost(18.0), 0.0, 18.1, false);
        check(Goal::ValueAtLeast(20.0), 20.0, 0.0, true);
        check(Goal::ValueAtLeast(20.0), 19.0, 99.0, false);
        check(Goal::ValueAtMost(9.8), 9.8, 99.0, true);
        check(Goal::ValueAtMost(9.8), 9.9, 0.0, false);
        // What was not measured has met nothing.
        check(Goal::RatioAtLeast(0.75), f64::NAN, f64::NAN, false);
    }

    #[test]
    fn figures_have_three_digits_or_are_whole() {
        let check = |figure, expected| assert_eq!(digits(figure), expected);
        check(0.123_4, "0.123");
        check(1.234, "1.23");
        check(12.34, "12.3");
        check(123.4, "123");
        check(1234.5, "1234");
        check(1_234_567.0, "1,234,567");
        check(-12.34, "-12.3");
    }
}

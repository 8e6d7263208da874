//! Figures, each beside the limit it is held against, as a table for people and JSON for programs.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::machine::Machine;

/// What a figure should come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// The ratio to its limit.
    RatioAtLeast(f64),
    /// The ratio to its limit.
    RatioAtMost(f64),
    /// The figure itself.
    AtLeast(f64),
    /// The figure itself.
    AtMost(f64),
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
struct Limit {
    name: String,
    value: f64,
}

impl Figure {
    pub(crate) fn new(name: &str, value: f64, unit: &'static str) -> Self {
        let name = name.to_owned();
        Self { name, value, unit, p50_ms: None, p99_ms: None, limit: None, ratio: None, target: None, met: None }
    }

    pub(crate) fn p50(self, milliseconds: f64) -> Self {
        Self { p50_ms: Some(milliseconds), ..self }
    }

    pub(crate) fn p99(self, milliseconds: f64) -> Self {
        Self { p99_ms: Some(milliseconds), ..self }
    }

    /// Holds it against a limit.
    pub(crate) fn against(self, name: &str, value: f64) -> Self {
        let ratio = Some(self.value / value);
        Self { limit: Some(Limit { name: name.to_owned(), value }), ratio, ..self }
    }

    /// A ratio measured better than by dividing two medians.
    pub(crate) fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    /// Judges it; last.
    pub(crate) fn target(self, target: Target) -> Self {
        let met = match target {
            Target::RatioAtLeast(bound) => self.ratio.is_some_and(|ratio| ratio >= bound),
            Target::RatioAtMost(bound) => self.ratio.is_some_and(|ratio| ratio <= bound),
            Target::AtLeast(bound) => self.value >= bound,
            Target::AtMost(bound) => self.value <= bound,
        };
        Self { target: Some(target), met: Some(met), ..self }
    }

    fn cells(&self) -> [String; 8] {
        let number = |value: f64| if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
        [
            self.name.clone(),
            format!("{} {}", number(self.value), self.unit),
            optional(self.p50_ms),
            optional(self.p99_ms),
            self.limit.as_ref().map(|limit| number(limit.value)).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            self.target
                .map(|target| match target {
                    Target::RatioAtLeast(bound) => format!("ratio >= {bound}"),
                    Target::RatioAtMost(bound) => format!("ratio <= {bound}"),
                    Target::AtLeast(bound) => format!(">= {bound}"),
                    Target::AtMost(bound) => format!("<= {bound}"),
                })
                .unwrap_or_default(),
            self.met.map(|met| if met { "yes" } else { "NO" }.to_owned()).unwrap_or_default(),
        ]
    }
}

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, figures: Vec::new() }
    }

    /// Adds a figure and shows it at once: a run takes minutes.
    pub(crate) fn add(&mut self, figure: Figure) {
        let [name, value, p50, p99, _, ratio, target, met] = figure.cells();
        let latency = if p99.is_empty() { String::new() } else { format!("  p50 {p50} ms, p99 {p99} ms") };
        let judged =
            if ratio.is_empty() && met.is_empty() { String::new() } else { format!("  {ratio} {target} {met}") };
        eprintln!("  {name}: {value}{latency}{judged}");
        self.figures.push(figure);
    }

    /// What another figure of this run came to.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    pub(crate) fn machine(&self) -> String {
        let Machine { cores, cpu, memory_gib, kernel, commit } = &self.machine;
        let quick = if self.quick { "; a smoke test, not a measurement" } else { "" };
        format!("Jangteo {commit} on {cores} cores ({cpu}), {memory_gib} GiB, Linux {kernel}{quick}")
    }

    pub(crate) fn table(&self) -> String {
        let head = ["figure", "value", "p50 ms", "p99 ms", "limit", "ratio", "target", "met"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.figures.iter().map(Figure::cells)).collect();
        let mut table = String::new();
        for (index, row) in rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
                let padding = " ".repeat(width - cell.chars().count());
                // Names to the left, numbers to the right.
                let _infallible = if matches!(column, 0 | 6 | 7) {
                    write!(table, "| {cell}{padding} ")
                } else {
                    write!(table, "| {padding}{cell} ")
                };
            }
            table.push_str("|\n");
            if index == 0 {
                table.push_str("|---|--:|--:|--:|--:|--:|---|---|\n");
            }
        }
        table
    }

    pub(crate) fn missed(&self) -> Vec<&str> {
        self.figures.iter().filter(|figure| figure.met == Some(false)).map(|figure| figure.name.as_str()).collect()
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let error = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(error)?;
        }
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        std::fs::write(path, json).with_context(error)
    }
}

/// The middle value.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_by_ratio_or_by_value() {
        let orders = Figure::new("orders", 900.0, "/s").against("syncs", 500.0);
        assert_eq!(orders.clone().target(Target::RatioAtLeast(2.0)).met, Some(false));
        assert_eq!(orders.clone().target(Target::RatioAtMost(2.0)).met, Some(true));
        assert_eq!(orders.ratio(2.1).target(Target::RatioAtLeast(2.0)).met, Some(true));
        assert_eq!(Figure::new("memory", 80.0, "MB").target(Target::AtMost(80.0)).met, Some(true));
        assert_eq!(Figure::new("rate", 80.0, "/s").target(Target::AtLeast(80.5)).met, Some(false));
        assert_eq!(Figure::new("nothing", 1.0, "/s").target(Target::RatioAtLeast(0.0)).met, Some(false));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }
}

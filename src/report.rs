//! A report: every reading of every group at one moment, to print, to iterate or to store.

use std::fmt;

use crate::{Metric, Reading};

/// The readings of an observer.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// Steps since the observer was made or reset, observed or not.
    pub step: u64,
    /// Observed steps in the window that the readings speak of.
    pub window: u64,
    /// One row for each metric of each group, then of the model.
    pub rows: Vec<Row>,
}

/// One reading.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Row {
    /// The group's name, or `None` for the model as a whole.
    pub group: Option<String>,
    /// The metric.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "name_of", rename = "metric")
    )]
    pub metric: Metric,
    /// Its reading.
    pub reading: Reading,
}

#[cfg(feature = "serde")]
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serialize_with asks for"
)]
fn name_of<S: serde::Serializer>(metric: &Metric, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(metric.name())
}

impl Report {
    /// The reading of a metric for a group, or for the model where `group` is `None`.
    pub fn get(&self, group: Option<&str>, metric: &str) -> Option<&Reading> {
        self.rows
            .iter()
            .find(|row| row.group.as_deref() == group && row.metric.name() == metric)
            .map(|row| &row.reading)
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// The report as one line of JSON, without the line's end.
    ///
    /// ```
    /// use thermograd::{slices, Groups, Observer, Step, Symmetry};
    /// let mut groups = Groups::new();
    /// let all = groups.add("all", Symmetry::Generic);
    /// let mut observer = Observer::new(groups)?;
    /// observer.observe(&Step::new(0.5), &slices(all, &[1.0_f64], &[0.0_f64]))?;
    /// let line = observer.report().to_json_line();
    /// assert!(line.starts_with("{\"step\":1,\"window\":1,\"rows\":[{\"group\":\"all\""));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn to_json_line(&self) -> String {
        // Strings, numbers and enums: nothing in a report can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Report {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Report {
    /// An aligned table of the ready readings; the others are counted, and listed by `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |row: &Row| row.group.as_deref().unwrap_or("total").to_owned();
        let width = |column: &dyn Fn(&Row) -> usize, title: &str| {
            self.rows
                .iter()
                .map(column)
                .max()
                .unwrap_or(0)
                .max(title.chars().count())
        };
        let group_width = width(&|row| group(row).chars().count(), "group");
        let name_width = width(&|row| row.metric.name().len(), "metric");
        let symbol_width = width(&|row| row.metric.symbol_str().chars().count(), "symbol");
        writeln!(f, "step {}, window of {} steps", self.step, self.window)?;
        writeln!(
            f,
            "{:group_width$}  {:name_width$}  {:symbol_width$}  {:>13}  {:>9}  {:>9}  unit",
            "group", "metric", "symbol", "value", "error", "n_eff"
        )?;
        let mut silent = 0_usize;
        for row in &self.rows {
            let head = |f: &mut fmt::Formatter<'_>| {
                write!(
                    f,
                    "{:group_width$}  {:name_width$}  {:symbol_width$}  ",
                    group(row),
                    row.metric.name(),
                    row.metric.symbol_str()
                )
            };
            match &row.reading {
                Reading::Ready(estimate) => {
                    head(f)?;
                    writeln!(
                        f,
                        "{:>13.5e}  {:>9.1e}  {:>9.0}  {}",
                        estimate.value,
                        estimate.std_error,
                        estimate.n_eff,
                        row.metric.unit_str()
                    )?;
                }
                other if f.alternate() => {
                    head(f)?;
                    writeln!(f, "{other}")?;
                }
                _ => silent += 1,
            }
        }
        if silent > 0 {
            writeln!(f, "({silent} more pending or undefined)")?;
        }
        Ok(())
    }
}

//! A report: every reading of every group at one moment, to print, to iterate or to store.

use std::fmt;

use crate::{Metric, Reading, Sampling};

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
    /// How the last observed step's batch was drawn; reshuffled if any in the window was.
    pub sampling: Sampling,
    /// Standard deviation of ln η over the window, `None` where η was never given.
    pub learning_rate_spread: Option<f64>,
    /// Standard deviation of ln λ over the window.
    pub weight_decay_spread: Option<f64>,
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

/// What a reader of the table should not overlook.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Remark<'a> {
    /// A group that was declared scale-invariant has w·g ≠ 0.
    NotScaleInvariant {
        /// The group, `None` for the model.
        group: Option<&'a str>,
        /// |w·g|/(|w||g|).
        virial_ratio: f64,
    },
    /// The norm still moves: the equation of state reads the start of the run.
    NormNotStationary {
        /// The group, `None` for the model.
        group: Option<&'a str>,
        /// (⟨p r²⟩ + ⟨w·g⟩)/(d·T_kinetic), 1 for a norm that has settled.
        balance: f64,
    },
    /// Z differs from 1 because the group is a real gas.
    VirialTerm {
        /// The group, `None` for the model.
        group: Option<&'a str>,
        /// Z.
        z: f64,
        /// −⟨w·g⟩/(dT), its virial term.
        z_virial: f64,
    },
    /// Z differs from 1 because the mean gradient pushes the norm as noise does.
    MeanGradient {
        /// The group, `None` for the model.
        group: Option<&'a str>,
        /// Z.
        z: f64,
        /// |∇L|²/tr Σ, the mean gradient's share of it.
        signal_to_noise: f64,
    },
    /// The step is near the edge of stability.
    NearEdge {
        /// The group, `None` for the model.
        group: Option<&'a str>,
        /// e: 0 for small steps, 1 where they become unstable.
        edge_ratio: f64,
    },
    /// The window mixes the temperatures of a schedule.
    Schedule {
        /// What changed: the learning rate or the weight decay.
        what: &'static str,
        /// Standard deviation of its logarithm over the window.
        spread: f64,
    },
    /// Batches are cut from a shuffled epoch: temperatures from per-step noise are upper bounds.
    Reshuffled,
}

impl fmt::Display for Remark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |group: Option<&str>| group.map_or("total".to_owned(), str::to_owned);
        match *self {
            Self::NotScaleInvariant {
                group,
                virial_ratio,
            } => write!(
                f,
                "{}: declared scale-invariant, but |w·g|/(|w||g|) = {virial_ratio:.1e}: is it \
                 normalised without an affine part, and its epsilon negligible?",
                name(group)
            ),
            Self::NormNotStationary { group, balance } => write!(
                f,
                "{}: what shrinks the norm over what expands it is {balance:.3}: it has not settled, \
                 and Z reads the run's start",
                name(group)
            ),
            Self::VirialTerm { group, z, z_virial } => write!(
                f,
                "{}: Z = {z:.3}: a real gas, its virial term -<w·g>/(dT) = {z_virial:.3} is the cause",
                name(group)
            ),
            Self::MeanGradient {
                group,
                z,
                signal_to_noise,
            } => write!(
                f,
                "{}: Z = {z:.3}: the mean gradient's share is |∇L|²/tr Σ = {signal_to_noise:.3}",
                name(group)
            ),
            Self::Schedule { what, spread } => write!(
                f,
                "the {what} changes within the window (its logarithm has standard deviation \
                 {spread:.2}): readings are averages over different temperatures"
            ),
            Self::Reshuffled => write!(
                f,
                "batches are cut from a shuffled epoch: slow modes are colder than the noise of \
                 one step says, and temperature_noise is an upper bound"
            ),
            Self::NearEdge { group, edge_ratio } => write!(
                f,
                "{}: e = {edge_ratio:.2}: near the edge of stability",
                name(group)
            ),
        }
    }
}

/// Departures smaller than this are left without remark, however significant.
const WORTH_A_REMARK: f64 = 0.02;
/// Standard deviation of ln η within a window above which the window is said to mix
/// temperatures: a change by a third from its first step to its last.
const SCHEDULE_SPREAD: f64 = 0.1;

impl Report {
    /// What a reader of the table should not overlook, group by group.
    ///
    /// A departure is remarked on when it is both significant (three standard errors) and larger
    /// than 2 %: with enough steps everything is significant. A learning rate or decay whose
    /// logarithm has a standard deviation above 0.1 within the window is remarked on.
    pub fn remarks(&self) -> Vec<Remark<'_>> {
        let mut groups: Vec<Option<&str>> = Vec::new();
        for row in &self.rows {
            if !groups.contains(&row.group.as_deref()) {
                groups.push(row.group.as_deref());
            }
        }
        // A model of one group says everything twice.
        if groups.len() == 2 {
            groups.retain(Option::is_some);
        }
        let mut remarks: Vec<Remark<'_>> = groups
            .iter()
            .flat_map(|&group| self.remarks_on(group))
            .collect();
        for (what, spread) in [
            ("learning rate", self.learning_rate_spread),
            ("weight decay", self.weight_decay_spread),
        ] {
            if let Some(spread) = spread.filter(|&spread| spread > SCHEDULE_SPREAD) {
                remarks.push(Remark::Schedule { what, spread });
            }
        }
        if self.sampling == Sampling::Reshuffled {
            remarks.push(Remark::Reshuffled);
        }
        remarks
    }

    fn remarks_on<'a>(&'a self, group: Option<&'a str>) -> Vec<Remark<'a>> {
        let ready = |metric: &str| self.get(group, metric).and_then(Reading::ready);
        let apart = |metric: &str, from: f64| {
            ready(metric)
                .filter(|e| (e.value - from).abs() > WORTH_A_REMARK.max(3.0 * e.std_error))
                .map(|e| e.value)
        };
        let mut remarks = Vec::new();
        // z_d is read for scale-invariant groups alone.
        let invariant = ready("z_d").is_some();
        if let Some(ratio) = ready("virial_ratio").filter(|e| invariant && e.value > 1e-3) {
            remarks.push(Remark::NotScaleInvariant {
                group,
                virial_ratio: ratio.value,
            });
        }
        if let Some(balance) = apart("real_gas_balance", 1.0) {
            remarks.push(Remark::NormNotStationary { group, balance });
        }
        if let Some(z) = apart("z", 1.0) {
            if let Some(z_virial) = apart("z_virial", 0.0) {
                remarks.push(Remark::VirialTerm { group, z, z_virial });
            } else if let Some(signal_to_noise) = apart("signal_to_noise", 0.0) {
                remarks.push(Remark::MeanGradient {
                    group,
                    z,
                    signal_to_noise,
                });
            }
        }
        if let Some(edge_ratio) = ready("edge_ratio").filter(|e| e.value > 0.7) {
            remarks.push(Remark::NearEdge {
                group,
                edge_ratio: edge_ratio.value,
            });
        }
        remarks
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
        let symbol_width = width(&|row| row.metric.symbol().chars().count(), "symbol");
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
                    row.metric.symbol()
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
                        row.metric.unit()
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
        for remark in self.remarks() {
            writeln!(f, "{remark}")?;
        }
        Ok(())
    }
}

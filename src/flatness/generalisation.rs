//! Does flatness go with generalisation, over a family of runs.
//!
//! The generalisation gap of a run is its test loss less its training loss. Over a family of runs each measure of
//! flatness is correlated with the gap by Kendall's τ, plainly and with the training loss held fixed, and once more with it
//! held fixed by normal scores, which unlike the partial τ vanish for a measure that goes with the gap through the training
//! loss alone ([`correlation`](crate::correlation)). A run that has trained further has a larger gap and, mostly, a
//! different curvature, with nothing between the two. All come with bootstrap intervals.
//!
//! What such a study shows and what it does not (Jiang et al., arXiv 1912.02178): an association within *this* family. A family over learning
//! rates and batch sizes has one cause behind both sides, and a measure that tells the temperature will follow whatever the temperature does. Hold the
//! temperature fixed as well, to see what a measure knows beyond it. Measures that change with the scale of the weights where the
//! function does not (trace, entropy) can be moved at will by reparametrising (Dinh et al., arXiv 1703.04933); over runs of one architecture from
//! one initialisation they still may rank. Test sets are finite: the same one for all runs makes its noise largely common.

use std::fmt;

use crate::correlation::{Bootstrap, Coefficient, Interval, bootstrap};
use crate::{Error, Reading};

/// A quantity over the runs, some of which may not have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    name: String,
    values: Vec<Option<f64>>,
}

impl Measure {
    /// A quantity with a value, or `None`, a run.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        Self {
            name: name.into(),
            values: values.into_iter().collect(),
        }
    }

    /// A quantity that every run has.
    pub fn known(name: impl Into<String>, values: &[f64]) -> Self {
        Self::new(name, values.iter().copied().map(Some))
    }
}

/// How [`generalisation_study`] correlates.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyConfig {
    bootstrap: Bootstrap,
}

impl StudyConfig {
    /// Level, resamples, and clusters of the intervals.
    #[must_use]
    pub fn bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = bootstrap;
        self
    }
}

/// One measure against the gap.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Association {
    /// The measure.
    pub name: String,
    /// Runs that have it.
    pub runs: usize,
    /// Kendall's τ with the gap.
    pub plain: Reading<Interval>,
    /// The same with the controls held fixed.
    pub held: Reading<Interval>,
    /// The correlation of normal scores with the controls held fixed: the one to ask whether
    /// anything is left.
    pub scores: Reading<Interval>,
}

/// The answer of [`generalisation_study`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Study {
    /// One row a measure, in the order given.
    pub rows: Vec<Association>,
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |reading: &Reading<Interval>| match reading {
            Reading::Ready(i) => format!("{:+.2} [{:+.2}, {:+.2}]", i.value, i.low, i.high),
            Reading::Pending { seen, needed } => format!("pending ({seen} of {needed})"),
            Reading::Undefined(_) => "undefined".to_owned(),
        };
        let rows = self.rows.iter();
        let width = rows
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(0)
            .max(7);
        writeln!(
            f,
            "{:<width$}  {:>4}  {:<20}  {:<20}  held fixed, scores",
            "measure", "runs", "τ with the gap", "controls held fixed"
        )?;
        for row in &self.rows {
            let [plain, held, scores] = [&row.plain, &row.held, &row.scores].map(cell);
            writeln!(
                f,
                "{:<width$}  {:>4}  {plain:<20}  {held:<20}  {scores}",
                row.name, row.runs
            )?;
        }
        Ok(())
    }
}

/// Correlates measures with the generalisation gap, plainly and with `held` (the training loss, first of all) fixed.
///
/// A measure is correlated over the runs that have it. One that is itself held, or determined by what is, has no partial correlation.
///
/// ```
/// use thermograd::flatness::{Measure, StudyConfig, generalisation_study};
/// let gap: Vec<f64> = (0..16).map(f64::from).collect();
/// let loss: Vec<f64> = gap.iter().map(|g| (2.3 * g).sin()).collect();
/// let sharpness: Vec<f64> = gap.iter().map(|g| g + 2.0 * (1.7 * g).cos()).collect();
/// let measures = [Measure::known("sharpness", &sharpness)];
/// let study = generalisation_study(&gap, &[&loss], &measures, &StudyConfig::default())?;
/// assert!(study.rows[0].plain.ready().unwrap().low > 0.5);
/// assert!(study.rows[0].held.ready().unwrap().low > 0.5);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`] for gaps, controls and measures;
/// [`Error::OutOfRange`] for the bootstrap.
pub fn generalisation_study(
    gap: &[f64],
    held: &[&[f64]],
    measures: &[Measure],
    config: &StudyConfig,
) -> Result<Study, Error> {
    let check = |place: &str, found: usize| {
        crate::curvature::objective::check_length(place, gap.len(), found)
    };
    for held in held {
        check("what is held fixed", held.len())?;
    }
    let rows = measures.iter().map(|measure| {
        check(&format!("measure {:?}", measure.name), measure.values.len())?;
        let known = || measure.values.iter().map(Option::is_some);
        let only = |from: &[f64]| -> Vec<f64> {
            let pairs = from.iter().zip(known());
            pairs.filter(|(_, known)| *known).map(|(x, _)| *x).collect()
        };
        let values: Vec<f64> = measure.values.iter().copied().flatten().collect();
        let gap = only(gap);
        let held: Vec<Vec<f64>> = held.iter().map(|held| only(held)).collect();
        let held: Vec<&[f64]> = held.iter().map(Vec::as_slice).collect();
        let resampling = config.bootstrap.restricted(known());
        let with = |held: &[&[f64]], which| bootstrap(&values, &gap, held, which, &resampling);
        Ok(Association {
            name: measure.name.clone(),
            runs: values.len(),
            plain: with(&[], Coefficient::Kendall)?,
            held: with(&held, Coefficient::Kendall)?,
            scores: with(&held, Coefficient::NormalScores)?,
        })
    });
    Ok(Study {
        rows: rows.collect::<Result<_, Error>>()?,
    })
}

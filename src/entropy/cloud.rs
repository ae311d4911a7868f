//! The cloud of an observed group: its last snapshots, scale by scale, and the entropy of them.
//!
//! A scale-invariant group of K scales is K spheres, each with a window of its own; the group's
//! entropy is the sum of their directions' and of (dₖ − 1) ln rₖ. Any other group is one cloud in
//! flat space, read by the Gaussian with shrinkage where snapshots are fewer than parameters.
//!
//! The rows of a group are taken for equally long, and a window needs every coordinate: where the
//! observer follows a part of them, there is no entropy.

use super::{
    Caveat, EntropyEstimate, Neighbors, Sampling, SnapshotWindow, Sphere, Validity, WindowConfig,
    entropy_at_radii, gaussian, geodesic_cap, ledoit_wolf,
};
use crate::{Error, Estimate, Reading, Reason, Symmetry, View};

/// Windows of one group.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    config: WindowConfig,
    scales: usize,
    windows: Vec<SnapshotWindow>,
    /// What the last snapshot came to grief on: told when the entropy is asked for.
    failed: Option<Error>,
    partial: bool,
}

/// Snapshots of one group in a checkpoint.
#[cfg(feature = "serde")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stored {
    partial: bool,
    windows: Vec<super::window::Rows>,
}

impl Cloud {
    pub(crate) fn new(config: WindowConfig, symmetry: Symmetry) -> Self {
        Self {
            config,
            scales: symmetry.scales(),
            windows: Vec::new(),
            failed: None,
            partial: false,
        }
    }

    /// Offers the group's weights after a step, `None` where not all of them are followed.
    pub(crate) fn offer(&mut self, step: u64, weights: Option<View<'_>>) {
        let Some(weights) = weights else {
            self.partial = true;
            return;
        };
        if self.failed.is_none() {
            self.failed = self.push(step, weights).err();
        }
    }

    pub(crate) fn push(&mut self, step: u64, weights: View<'_>) -> Result<(), Error> {
        let rows = self.scales.max(1);
        let row = weights.len() / rows;
        if row == 0 || row * rows != weights.len() {
            return Err(Error::LengthMismatch {
                place: format!("rows of {}", self.config.name),
                expected: row.max(1).saturating_mul(rows),
                found: weights.len(),
            });
        }
        if self.windows.is_empty() {
            for _ in 0..rows {
                self.windows.push(SnapshotWindow::new(self.config.clone())?);
            }
        }
        for (index, window) in self.windows.iter_mut().enumerate() {
            let range = index * row..(index + 1) * row;
            window.push(step, weights.slice(range))?;
        }
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        for window in &mut self.windows {
            window.clear();
        }
        self.failed = None;
    }

    /// What a checkpoint keeps. A window that failed is tried again after it.
    #[cfg(feature = "serde")]
    pub(crate) fn stored(&self) -> Stored {
        Stored {
            partial: self.partial,
            windows: self.windows.iter().map(SnapshotWindow::rows).collect(),
        }
    }

    /// Takes back what [`Cloud::stored`] gave, from before step `end`.
    #[cfg(feature = "serde")]
    pub(crate) fn restore(&mut self, stored: &Stored, end: u64) -> Result<(), Error> {
        let rows = self.scales.max(1);
        if !stored.windows.is_empty() && stored.windows.len() != rows {
            return Err(Error::Corrupt {
                what: "snapshots",
                place: format!("{} windows for {rows} scales", stored.windows.len()),
            });
        }
        self.partial = stored.partial;
        let windows = stored.windows.iter();
        self.windows = windows
            .map(|rows| SnapshotWindow::from_rows(self.config.clone(), rows, end))
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(crate) fn windows(&self) -> &[SnapshotWindow] {
        &self.windows
    }

    /// S of the group in nats.
    pub(crate) fn entropy(&self) -> Result<Reading<EntropyEstimate>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.partial {
            return Ok(Reading::Undefined(Reason::Meaningless(
                "only a part of the group's coordinates is followed: widen the probe",
            )));
        }
        let Some(first) = self.windows.first() else {
            return Ok(Reading::Pending { seen: 0, needed: 1 });
        };
        if self.scales == 0 {
            let distances = first.distances();
            return Ok(match gaussian(&distances, Sampling::Trajectory) {
                Reading::Ready(estimate) => Reading::Ready(estimate),
                _ => ledoit_wolf(&distances, Sampling::Trajectory),
            });
        }
        let mut parts = Vec::with_capacity(self.windows.len());
        for window in &self.windows {
            let distances = window.distances();
            let estimate = match geodesic_cap(&distances, Neighbors::default())? {
                Reading::Ready(estimate) => estimate,
                other => return Ok(other),
            };
            let norms = distances.squared_norms().unwrap_or_default();
            let logs: f64 = norms.iter().map(|norm| 0.5 * norm.ln()).sum();
            let sphere = Sphere {
                dimension: estimate.dimension,
                radius: (logs / norms.len() as f64).exp(),
            };
            parts.push((estimate, sphere));
        }
        together(&parts).map(|sum| {
            sum.map_or(
                Reading::Undefined(Reason::Degenerate("a group without spheres")),
                Reading::Ready,
            )
        })
    }
}

/// Independent spheres: entropies and squared errors add, doubts join.
fn together(parts: &[(EntropyEstimate, Sphere)]) -> Result<Option<EntropyEstimate>, Error> {
    let Some(((first, _), rest)) = parts.split_first() else {
        return Ok(None);
    };
    let mut sum = first.clone();
    let mut variance = first.entropy.std_error.powi(2);
    for (part, _) in rest {
        sum.entropy.value += part.entropy.value;
        variance += part.entropy.std_error.powi(2);
        sum.entropy.n_eff = sum.entropy.n_eff.min(part.entropy.n_eff);
        sum.dimension += part.dimension;
        sum.autocorrelation_time = sum.autocorrelation_time.max(part.autocorrelation_time);
        sum.effective_dimension += part.effective_dimension;
        if part.validity == Validity::DifferenceOnly {
            sum.validity = Validity::DifferenceOnly;
        }
        let new: Vec<Caveat> = part
            .caveats
            .iter()
            .copied()
            .filter(|&caveat| !sum.has(caveat))
            .collect();
        sum.caveats.extend(new);
    }
    let spheres: Vec<Sphere> = parts.iter().map(|&(_, sphere)| sphere).collect();
    sum.entropy = Estimate {
        value: entropy_at_radii(sum.entropy.value, &spheres)?,
        std_error: variance.sqrt(),
        n_eff: sum.entropy.n_eff,
    };
    Ok(Some(sum))
}

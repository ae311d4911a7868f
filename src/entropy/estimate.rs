//! What an entropy estimate says about itself.
//!
//! An entropy in hundreds of dimensions is easily off by more than everything it is compared with,
//! while its error bar, which sees scatter and no bias, stays small. So no estimator here returns a
//! bare number. It returns the number with what its bias depends on: how many snapshots, how many
//! of them independent, how many dimensions the cloud really fills; and with a [`Validity`]:
//!
//! * [`Absolute`](Validity::Absolute): the value itself may be compared with a theory;
//! * [`DifferenceOnly`](Validity::DifferenceOnly): only differences between clouds of like shape, taken
//!   with the same estimator and the same N, mean something. [`EntropyEstimate::absolute`] then
//!   refuses.
//!
//! The rule for an absolute value is `N_eff` ≥ 100 and `N_eff` ≥ 10 PR, with PR the participation ratio
//! of the covariance spectrum, and no projection. Neighbour estimators need more, for they assume a
//! density that is constant out to the nearest neighbour: `N_eff` ≥ exp(PR/2). On an isotropic Gaussian
//! with N = 1000 the bias of the Kozachenko-Leonenko estimate with k = 1 is −0.1 nats in 10
//! dimensions, where the rule just admits it, and +2.4 nats in 30, where it does not.

use std::fmt;

use crate::{Estimate, Reading, Reason};

/// Fewest independent snapshots behind an absolute value.
pub(super) const LEAST_INDEPENDENT: f64 = 100.0;
/// Fewest independent snapshots for each dimension that the cloud fills.
pub(super) const LEAST_PER_DIMENSION: f64 = 10.0;

/// Which estimator an entropy comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Estimator {
    /// Nearest neighbours in flat space.
    KozachenkoLeonenko(Scaling),
    /// Nearest neighbours among directions, by the area of spherical caps.
    GeodesicCap,
    /// Nearest neighbours among hyperspherical angles, as published.
    HypersphericalAngles,
    /// Total length of the graph of nearest neighbours.
    GraphLength {
        /// The power of the edge lengths.
        gamma: f64,
    },
    /// Log-determinant of the sample covariance, freed of its bias.
    Gaussian,
    /// Log-determinant of the covariance after Ledoit-Wolf shrinkage.
    LedoitWolf,
    /// Log-determinant of the covariance against a resolution.
    ResolutionLimited {
        /// The resolution δ, in units of a parameter.
        resolution: f64,
    },
    /// A fitted von Mises-Fisher distribution of directions.
    VonMisesFisher,
}

/// The metric in which flat neighbours are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Scaling {
    /// Euclidean: invariant under rotations.
    Isotropic,
    /// Each coordinate in units of its own standard deviation.
    PerCoordinate,
    /// Mahalanobis: the whole covariance divided out; needs more snapshots than coordinates.
    Covariance,
}

/// What an entropy may be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Validity {
    /// With a theory, or with any other estimate.
    Absolute,
    /// With estimates of the same kind from clouds of the same shape and size.
    DifferenceOnly,
}

/// A reason to doubt an entropy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Caveat {
    /// Fewer than 100 independent snapshots.
    FewIndependent,
    /// Fewer than ten independent snapshots for each dimension that the cloud fills.
    FewPerDimension,
    /// Too many dimensions for neighbours: the nearest is nearly as far as the average one.
    HighDimension,
    /// Successive snapshots are correlated, which makes neighbours too near: thin, or exclude lags.
    Correlated,
    /// Some snapshots are equal.
    Duplicates,
    /// Distances of a random projection.
    Projected,
    /// The estimator leaves an unknown constant: relative by construction.
    Relative,
    /// The answer depends on the resolution that was chosen.
    Resolution,
    /// Directions of small variance are a guess of the shrinkage.
    Shrunk,
    /// Right if the distribution is of the fitted family, an upper bound otherwise.
    Parametric,
    /// Coordinate-dependent: the same cloud rotated has another value.
    CoordinateDependent,
}

impl Caveat {
    const fn text(self) -> &'static str {
        match self {
            Self::FewIndependent => "fewer than 100 independent snapshots",
            Self::FewPerDimension => "fewer than 10 independent snapshots per effective dimension",
            Self::HighDimension => "too many dimensions for nearest neighbours",
            Self::Correlated => "correlated snapshots",
            Self::Duplicates => "duplicated snapshots",
            Self::Projected => "distances of a random projection",
            Self::Relative => "relative by construction",
            Self::Resolution => "relative to a resolution",
            Self::Shrunk => "small variances come from shrinkage",
            Self::Parametric => "an upper bound unless the fitted family is the true one",
            Self::CoordinateDependent => "depends on the choice of coordinates",
        }
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// An entropy in nats, with the facts that its bias depends on.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EntropyEstimate {
    /// The value in nats, with a standard error from blocks of the trajectory, which sees
    /// autocorrelation and no bias.
    pub entropy: Estimate,
    /// Where it comes from.
    pub estimator: Estimator,
    /// Snapshots N.
    pub snapshots: usize,
    /// Parameters d; on a sphere the cloud has d − 1 dimensions.
    pub dimension: usize,
    /// Which neighbour k, for neighbour estimators.
    pub neighbors: Option<usize>,
    /// Autocorrelation time g of the trajectory, in snapshots; 1 where they were declared
    /// independent. `entropy.n_eff` is N / g.
    pub autocorrelation_time: f64,
    /// How many dimensions the cloud fills: the participation ratio of its covariance.
    pub effective_dimension: f64,
    /// What the value may be compared with.
    pub validity: Validity,
    /// Every reason for doubt, in no order.
    pub caveats: Vec<Caveat>,
}

impl EntropyEstimate {
    /// The value as an absolute entropy; undefined where it is good for differences only.
    pub fn absolute(&self) -> Reading {
        match self.validity {
            Validity::Absolute => Reading::Ready(self.entropy),
            Validity::DifferenceOnly => Reading::Undefined(Reason::Meaningless(
                self.caveats
                    .first()
                    .map_or("good for differences only", |caveat| caveat.text()),
            )),
        }
    }

    /// S(self) − S(other), errors added in quadrature; undefined between estimates whose biases
    /// have no reason to be equal: of another estimator, k, d or N.
    pub fn minus(&self, other: &Self) -> Reading {
        let absolute = self.validity == Validity::Absolute && other.validity == Validity::Absolute;
        let alike = self.estimator == other.estimator
            && self.neighbors == other.neighbors
            && self.snapshots == other.snapshots;
        if self.dimension != other.dimension {
            return Reading::Undefined(Reason::Meaningless(
                "entropies of different numbers of parameters",
            ));
        }
        if !(absolute || alike) {
            return Reading::Undefined(Reason::Meaningless(
                "estimates good for differences only, of different estimator, k or N",
            ));
        }
        Reading::Ready(Estimate {
            value: self.entropy.value - other.entropy.value,
            std_error: self.entropy.std_error.hypot(other.entropy.std_error),
            n_eff: self.entropy.n_eff.min(other.entropy.n_eff),
        })
    }

    /// Whether a caveat applies.
    pub fn has(&self, caveat: Caveat) -> bool {
        self.caveats.contains(&caveat)
    }
}

impl fmt::Display for EntropyEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entropy.fmt(f)?;
        f.write_str(match self.validity {
            Validity::Absolute => " nats",
            Validity::DifferenceOnly => " nats, for differences only",
        })?;
        for (i, caveat) in self.caveats.iter().enumerate() {
            write!(f, "{} {caveat}", if i == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

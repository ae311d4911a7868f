//! What an estimator answers where the answer is known: a null of the same N and d.
//!
//! The bias of a neighbour entropy has no usable formula away from low dimension, but it can be
//! measured: draw clouds of the same N and d from an isotropic Gaussian, apply the estimator, and
//! subtract the truth,
//!
//! <!-- math
//! h = \tfrac{d}{2} \ln 2 \pi e \quad\text{or, for directions,}\quad h = \ln \Omega_d .
//! -->
#![doc = include_str!("../math/entropy_null.html")]
//!
//! Only distances matter, so for d > N nothing of size N × d is drawn: the Gram matrix of N Gaussian
//! points is Wishart, and its triangular factor has independent normal entries below the diagonal and
//! χ with d, d − 1, … degrees of freedom on it (Bartlett, Proc. R. Soc. Edinb. 53, 260 (1934)).
//!
//! When it lies: the bias found is that of an isotropic cloud. To subtract it is right for clouds of
//! that shape alone; elsewhere it is a scale of what to fear, not a correction.

use super::distances::{Distances, Points, Provenance, check_entries};
use super::estimate::EntropyEstimate;
use super::sphere::{check_dimension, ln_area};
use crate::random::Random;
use crate::{Error, Estimate, Reading};

/// Which entropy of the Gaussian cloud is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum NullKind {
    /// Of the points: (d/2) ln 2πe.
    Points,
    /// Of their directions, which are uniform: ln `Ω_d`.
    Directions,
}

/// Clouds of known entropy, like the one in question.
///
/// ```
/// use thermograd::entropy::{Neighbors, NullCloud, NullKind, geodesic_cap, kozachenko_leonenko};
/// let null = NullCloud::new(NullKind::Points, 100).snapshots(200).replicas(4);
/// let nearest = Neighbors::new(1).independent();
/// // Flat neighbours err by a dozen nats in a hundred dimensions ...
/// let bias = null.bias(|cloud| kozachenko_leonenko(cloud, nearest))?;
/// assert!(bias.ready().unwrap().value > 12.0);
/// // ... caps on the sphere do not.
/// let null = NullCloud::new(NullKind::Directions, 100).snapshots(200).replicas(4);
/// let bias = null.bias(|cloud| geodesic_cap(cloud, nearest))?;
/// assert!(bias.ready().unwrap().value.abs() < 1.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NullCloud {
    /// Which entropy is the truth.
    pub kind: NullKind,
    /// Number of parameters d.
    pub dimension: usize,
    /// Snapshots N of each cloud. Default 1000.
    pub snapshots: usize,
    /// Number of clouds. Default 8.
    pub replicas: usize,
    /// Seed of their drawing. Default 0.
    pub seed: u64,
}

impl NullCloud {
    /// Clouds of N = 1000 in so many dimensions.
    pub const fn new(kind: NullKind, dimension: usize) -> Self {
        Self {
            kind,
            dimension,
            snapshots: 1000,
            replicas: 8,
            seed: 0,
        }
    }

    /// Another number of snapshots: the *independent* ones, N / g, of the cloud in question.
    #[must_use]
    pub const fn snapshots(mut self, snapshots: usize) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// Another number of clouds.
    #[must_use]
    pub const fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Another seed.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The entropy that an estimator should find, in nats.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for d = 0.
    pub fn truth(&self) -> Result<f64, Error> {
        check_dimension(self.dimension, 1)?;
        let d = self.dimension as f64;
        Ok(match self.kind {
            NullKind::Points => 0.5 * d * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln(),
            NullKind::Directions => ln_area(d),
        })
    }

    /// One of the clouds: standard normal points, as distances.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for d = 0 or more snapshots than a matrix of 4 GiB holds.
    pub fn cloud(&self, replica: u64) -> Result<Distances<'static>, Error> {
        check_dimension(self.dimension, 1)?;
        check_entries(self.snapshots)?;
        let (n, d) = (self.snapshots, self.dimension);
        let seeds = crate::random::mix(self.seed).wrapping_add(replica);
        let mut random = Random::new(seeds);
        if d <= n {
            let rows = (0..n * d).map(|_| random.normal()).collect();
            return Points::new(rows, d)?.distances();
        }
        let mut rows = vec![0.0; n * n];
        for (i, row) in rows.chunks_exact_mut(n.max(1)).enumerate() {
            for x in &mut row[..i] {
                *x = random.normal();
            }
            row[i] = chi(d - i, &mut random);
        }
        let folded = Points::new(rows, n.max(1))?.distances()?;
        let mut provenance = Provenance::new(d, folded.steps());
        provenance.squared_norms = folded.squared_norms();
        Distances::from_flat(folded.to_flat(), provenance)
    }

    /// Mean and standard error of an estimator's bias, in nats.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than 2 or more than 10000 replicas, and as
    /// [`cloud`](Self::cloud) and the estimator.
    pub fn bias(
        &self,
        estimator: impl Fn(&Distances<'_>) -> Result<Reading<EntropyEstimate>, Error>,
    ) -> Result<Reading<Estimate>, Error> {
        if !(2..=10_000).contains(&self.replicas) {
            return Err(Error::OutOfRange {
                what: "number of null clouds",
                value: self.replicas as f64,
                allowed: "2 to 10000",
            });
        }
        let truth = self.truth()?;
        let mut errors = Vec::with_capacity(self.replicas);
        for replica in 0..self.replicas as u64 {
            match estimator(&self.cloud(replica)?)? {
                Reading::Ready(estimate) => errors.push(estimate.entropy.value - truth),
                Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
                Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
            }
        }
        let count = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / count;
        let squares: f64 = errors.iter().map(|e| (e - mean) * (e - mean)).sum();
        Ok(Reading::Ready(Estimate {
            value: mean,
            std_error: (squares / (count - 1.0) / count).sqrt(),
            n_eff: count,
        }))
    }
}

/// Root of a χ² with ν ≥ 1 degrees of freedom (Marsaglia and Tsang, ACM TOMS 26, 363 (2000)).
fn chi(degrees: usize, random: &mut Random) -> f64 {
    if degrees == 1 {
        return random.normal().abs();
    }
    let shape = 0.5 * degrees as f64 - 1.0 / 3.0;
    let scale = 1.0 / (9.0 * shape).sqrt();
    loop {
        let x = random.normal();
        let v = (1.0 + scale * x).powi(3);
        let u = 1.0 - random.uniform();
        if v > 0.0 && u.ln() < 0.5 * x * x + shape * (1.0 - v + v.ln()) {
            return (2.0 * shape * v).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::chi;
    use crate::random::Random;

    #[test]
    fn chi_has_its_moments() {
        let mut random = Random::new(2);
        for degrees in [1_usize, 2, 3, 10, 1000] {
            let n = 40_000;
            let squares: Vec<f64> = (0..n).map(|_| chi(degrees, &mut random).powi(2)).collect();
            let (nu, n) = (degrees as f64, f64::from(n));
            let mean = squares.iter().sum::<f64>() / n;
            let variance = squares.iter().map(|x| (x - nu).powi(2)).sum::<f64>() / n;
            assert!(
                (mean - nu).abs() < 4.0 * (2.0 * nu / n).sqrt(),
                "{nu} {mean}"
            );
            // Fourth central moment 12 ν (ν + 4).
            let error = ((12.0 * nu * (nu + 4.0) - 4.0 * nu * nu) / n).sqrt();
            assert!((variance - 2.0 * nu).abs() < 4.0 * error, "{nu} {variance}");
        }
    }
}

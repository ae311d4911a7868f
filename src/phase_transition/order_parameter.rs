//! Order parameters of weights: what tells a gas of directions from a condensate.
//!
//! With the directions `ŵ = w/|w|` of snapshots in `d` dimensions:
//!
//! ```text
//! overlap            q = ⟨ŵᵢ·ŵⱼ⟩                 0 in a gas, with standard deviation 1/√d a pair; a plateau in a condensate
//! resultant length   R = √q                      q over pairs of independent snapshots
//! participation      PR = (tr C)² / tr C²        directions that the cloud spreads over: d if isotropic, 1 along a line
//! step alignment     ⟨cos(Δᵢ, Δᵢ₋₁)⟩             0 in diffusion, 1 in a drift, negative in an oscillation
//! energy fraction    φ = (U − U_best)/(U_gas − U_best)    1 in the gas
//! ```
//!
//! `q` is taken over pairs of different snapshots only, so that it has no bias: the naive squared length of the mean of
//! `n` directions is high by `(1 − q)/n`. The participation ratio divides unbiased estimates of `(tr C)²` and `tr C²` for Gaussian
//! snapshots, `n = N − 1` and `S` the sample covariance:
//!
//! <!-- math
//! \operatorname{tr} C^2 \leftarrow \frac{n^2}{(n-1)(n+2)} \Bigl(\operatorname{tr} S^2 - \frac{(\operatorname{tr} S)^2}{n}\Bigr), \qquad (\operatorname{tr} C)^2 \leftarrow \frac{n}{(n-1)(n+2)} \bigl((n+1)(\operatorname{tr} S)^2 - 2 \operatorname{tr} S^2\bigr)
//! -->
#![doc = include_str!("../math/phase_transition_order_parameter_1.html")]
//!
//! (Srivastava, J. Japan Statist. Soc. 35, 2005).
//!
//! When they lie: directions that spread over fewer dimensions than `d` have a wider null than 1/√d; put their
//! participation ratio in its place. Replicas that differ by a permutation of neurons have no overlap though they are the same
//! function; align them first. Snapshots closer than the relaxation time overlap in a gas too.

use crate::phase_transition::series::{block_jackknife, check_length, check_series, finite, mean};
use crate::sums::dot;
use crate::{Error, Estimate, Reading, Reason};

/// Groups of the jackknife over snapshots.
const GROUPS: usize = 20;
/// The largest number of snapshots compared pair by pair.
const MOST_SNAPSHOTS: usize = 10_000;

/// An overlap and what chance would make of it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Overlap {
    /// Mean overlap, in `[−1, 1]`.
    pub estimate: Estimate,
    /// Standard deviation of that mean if the directions were independent and isotropic.
    pub null_std_dev: f64,
}

impl Overlap {
    /// An overlap of known null, such as one measured in function space.
    pub const fn new(estimate: Estimate, null_std_dev: f64) -> Self {
        Self {
            estimate,
            null_std_dev,
        }
    }
}

/// Lengths alike, elements finite; the dimension.
fn check_snapshots<S: AsRef<[f64]>>(snapshots: &[S]) -> Result<usize, Error> {
    let d = snapshots.first().map_or(0, |s| s.as_ref().len());
    for (i, snapshot) in snapshots.iter().enumerate() {
        let (place, snapshot) = (format!("snapshot {i}"), snapshot.as_ref());
        check_length(&place, d, snapshot.len())?;
        Error::check_finite(&place, snapshot)?;
        let largest = snapshot.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        if largest > 1e140 {
            return Err(Error::Overflow { place, largest });
        }
    }
    Ok(d)
}

/// Unit vectors; `None` if one has no direction.
fn directions<S: AsRef<[f64]>>(snapshots: &[S]) -> Option<Vec<Vec<f64>>> {
    snapshots
        .iter()
        .map(|s| {
            let norm = dot(s.as_ref(), s.as_ref()).sqrt();
            (norm > 1e-150).then(|| s.as_ref().iter().map(|x| x / norm).collect())
        })
        .collect()
}

const NO_DIRECTION: Reason = Reason::DividesByZero("the norm of a snapshot");

/// Cosine of the angle between two vectors.
///
/// ```
/// use thermograd::phase_transition::overlap;
/// // 3·4 + 4·3 over 5·5.
/// assert_eq!(overlap(&[3.0, 4.0], &[4.0, 3.0])?.ready(), Some(&0.96));
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where one is zero.
///
/// # Errors
/// Lengths that differ, a non-finite or overflowing element.
pub fn overlap(first: &[f64], second: &[f64]) -> Result<Reading<f64>, Error> {
    check_snapshots(&[first, second])?;
    Ok(match directions(&[first, second]).as_deref() {
        Some([a, b]) => Reading::Ready(dot(a, b).clamp(-1.0, 1.0)),
        _ => Reading::Undefined(NO_DIRECTION),
    })
}

/// Mean overlap of snapshots this many apart, `⟨ŵ(t)·ŵ(t + lag)⟩`.
///
/// ```
/// use thermograd::{phase_transition::overlap_at_lag, systems::Random};
/// // (1, ±1), each sign anew: 1 for equal signs and 0 for others.
/// let mut random = Random::new(1);
/// let snapshots: Vec<[f64; 2]> = (0..1000).map(|_| [1.0, random.normal().signum()]).collect();
/// let q = *overlap_at_lag(&snapshots, 3)?.ready().unwrap();
/// assert!(q.estimate.z_score(0.5).unwrap().abs() < 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A lag of 0, lengths that differ, a non-finite or overflowing element.
pub fn overlap_at_lag<S: AsRef<[f64]>>(
    snapshots: &[S],
    lag: usize,
) -> Result<Reading<Overlap>, Error> {
    let d = check_snapshots(snapshots)?;
    check_lag(lag)?;
    let Some(units) = directions(snapshots) else {
        return Ok(Reading::Undefined(NO_DIRECTION));
    };
    let series = lagged(&units, lag);
    Ok(
        block_jackknife(&[&series], |m| Some(m[0])).map(|estimate| Overlap {
            estimate,
            null_std_dev: (d as f64 * estimate.n_eff.max(1.0)).sqrt().recip(),
        }),
    )
}

fn lagged(units: &[Vec<f64>], lag: usize) -> Vec<f64> {
    let later = units.iter().skip(lag);
    units.iter().zip(later).map(|(a, b)| dot(a, b)).collect()
}

/// The overlaps of which [`overlap_at_lag`] is the mean, in order of time.
pub(crate) fn overlaps<S: AsRef<[f64]>>(snapshots: &[S], lag: usize) -> Option<Vec<f64>> {
    Some(lagged(&directions(snapshots)?, lag))
}

fn check_lag(lag: usize) -> Result<(), Error> {
    if lag > 0 {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what: "lag",
        value: 0.0,
        allowed: "1 or more snapshots",
    })
}

/// Mean overlap of all pairs of snapshots at least this far apart: the order parameter of a condensate.
///
/// Snapshots `least_lag` apart are taken for independent: choose it at the relaxation time of the direction or
/// beyond. Its square root is the debiased mean resultant length.
///
/// ```
/// use thermograd::phase_transition::long_overlap;
/// // Half the snapshots along x, half along y, by turns: of the pairs, 90 of 190 agree.
/// let snapshots: Vec<[f64; 2]> = (0..20).map(|t| if t % 2 == 0 { [1.0, 0.0] } else { [0.0, 2.0] }).collect();
/// let q = long_overlap(&snapshots, 1)?;
/// assert!((q.ready().unwrap().estimate.value - 90.0 / 190.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending below 8 independent snapshots.
///
/// # Errors
/// A lag of 0, lengths that differ, a non-finite or overflowing element, more than 10 000 snapshots.
pub fn long_overlap<S: AsRef<[f64]>>(
    snapshots: &[S],
    least_lag: usize,
) -> Result<Reading<Overlap>, Error> {
    let d = check_snapshots(snapshots)?;
    check_lag(least_lag)?;
    check_many(snapshots.len())?;
    let n = snapshots.len();
    let independent = n / least_lag;
    if independent < 8 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: (least_lag as u64).saturating_mul(8),
        });
    }
    let Some(units) = directions(snapshots) else {
        return Ok(Reading::Undefined(NO_DIRECTION));
    };
    // Sums over pairs between groups, so that a group can be left out.
    let groups = GROUPS.min(independent);
    let of = |i: usize| i * groups / n;
    let mut sums = vec![(0.0, 0.0); groups * groups];
    for i in 0..n {
        for j in (i + least_lag)..n {
            let slot = &mut sums[of(i) * groups + of(j)];
            slot.0 += dot(&units[i], &units[j]);
            slot.1 += 1.0;
        }
    }
    let mean_without = |left_out: Option<usize>| {
        let (mut sum, mut count) = (0.0, 0.0);
        for a in 0..groups {
            for b in 0..groups {
                if left_out != Some(a) && left_out != Some(b) {
                    sum += sums[a * groups + b].0;
                    count += sums[a * groups + b].1;
                }
            }
        }
        if count > 0.0 { sum / count } else { 0.0 }
    };
    let n_ind = independent as f64;
    let estimate = grouped_jackknife(groups, n_ind, mean_without);
    Ok(Reading::Ready(Overlap {
        estimate,
        null_std_dev: (d as f64 * 0.5 * n_ind * (n_ind - 1.0)).sqrt().recip(),
    }))
}

/// Delete-one-group jackknife of an unbiased estimate.
fn grouped_jackknife(
    groups: usize,
    n_eff: f64,
    without: impl Fn(Option<usize>) -> f64,
) -> Estimate {
    let partial: Vec<f64> = (0..groups).map(|g| without(Some(g))).collect();
    let centre = mean(&partial);
    let k = groups as f64;
    let spread: f64 = partial.iter().map(|p| (p - centre).powi(2)).sum();
    Estimate {
        value: without(None),
        std_error: ((k - 1.0) / k * spread).sqrt(),
        n_eff,
    }
}

fn check_many(n: usize) -> Result<(), Error> {
    if n <= MOST_SNAPSHOTS {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what: "number of snapshots",
        value: n as f64,
        allowed: "10 000 or fewer: thin them",
    })
}

/// Mean overlap between replicas: independent runs at one state.
///
/// Pending below 3 replicas, of which no error bar can be made.
///
/// ```
/// use thermograd::phase_transition::replica_overlap;
/// // Cosines 0, 1/√2 and 1/√2 between three runs.
/// let runs = [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]];
/// let q = replica_overlap(&runs)?;
/// assert!((q.ready().unwrap().estimate.value - 2f64.sqrt() / 3.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Lengths that differ, a non-finite or overflowing element, more than 10 000 replicas.
pub fn replica_overlap<S: AsRef<[f64]>>(replicas: &[S]) -> Result<Reading<Overlap>, Error> {
    let d = check_snapshots(replicas)?;
    let n = replicas.len();
    check_many(n)?;
    if n < 3 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 3,
        });
    }
    let Some(units) = directions(replicas) else {
        return Ok(Reading::Undefined(NO_DIRECTION));
    };
    let total: Vec<f64> = (0..d).map(|k| units.iter().map(|u| u[k]).sum()).collect();
    let size = n as f64;
    // |Σu|² = n + 2 Σ pairs; without replica i the sum loses u_i.
    let all = dot(&total, &total);
    let without = |left_out: Option<usize>| match left_out {
        None => (all - size) / (size * (size - 1.0)),
        Some(i) => {
            let rest = all - 2.0 * dot(&total, &units[i]) + 1.0;
            (rest - (size - 1.0)) / ((size - 1.0) * (size - 2.0))
        }
    };
    Ok(Reading::Ready(Overlap {
        estimate: grouped_jackknife(n, size, without),
        null_std_dev: (d as f64 * 0.5 * size * (size - 1.0)).sqrt().recip(),
    }))
}

/// The debiased mean resultant length `R = √q`, 0 where `q` is negative.
///
/// ```
/// use thermograd::{phase_transition::mean_resultant_length, systems::Random};
/// // Directions about the first axis: cos = 2/√(4 + 1), so that R = 0.894.
/// let mut random = Random::new(1);
/// let cone: Vec<[f64; 3]> = (0..1000)
///     .map(|_| {
///         let angle = std::f64::consts::TAU * random.uniform();
///         [2.0, angle.cos(), angle.sin()]
///     })
///     .collect();
/// let r = mean_resultant_length(&cone, 1)?;
/// assert!((r.ready().unwrap().value - 0.8_f64.sqrt()).abs() < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// As [`long_overlap`].
pub fn mean_resultant_length<S: AsRef<[f64]>>(
    snapshots: &[S],
    least_lag: usize,
) -> Result<Reading<Estimate>, Error> {
    Ok(long_overlap(snapshots, least_lag)?.map(|q| root(&q)))
}

/// `R = √q`.
pub(crate) fn root(q: &Overlap) -> Estimate {
    let value = q.estimate.value.max(0.0).sqrt();
    Estimate {
        value,
        // Where q is zero within its error, so is R within the root of that.
        std_error: (q.estimate.std_error / (2.0 * value)).min(q.estimate.std_error.sqrt()),
        n_eff: q.estimate.n_eff,
    }
}

/// How many directions a cloud of independent snapshots spreads over, without bias from their number.
///
/// Pending below 8 snapshots; undefined where they are all alike or too few for the cloud (the estimate of `tr C²`
/// not positive).
///
/// ```
/// use thermograd::{phase_transition::participation_ratio, systems::Random};
/// // Four weights of which one moves twice as far: (4 + 3)²/(16 + 3).
/// let mut random = Random::new(1);
/// let cloud: Vec<Vec<f64>> = (0..2000)
///     .map(|_| (0..4).map(|i| random.normal() * if i == 0 { 2.0 } else { 1.0 }).collect())
///     .collect();
/// let ratio = *participation_ratio(&cloud)?.ready().unwrap();
/// assert!(ratio.z_score(49.0 / 19.0).unwrap().abs() < 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Lengths that differ, a non-finite or overflowing element, more than 10 000 snapshots.
pub fn participation_ratio<S: AsRef<[f64]>>(snapshots: &[S]) -> Result<Reading<Estimate>, Error> {
    check_snapshots(snapshots)?;
    let size = snapshots.len();
    check_many(size)?;
    if size < 8 {
        return Ok(Reading::Pending {
            seen: size as u64,
            needed: 8,
        });
    }
    // Products about the first snapshot: no digits cancel in a cloud far from the origin.
    let origin = snapshots[0].as_ref();
    let shifted: Vec<Vec<f64>> = snapshots
        .iter()
        .map(|s| s.as_ref().iter().zip(origin).map(|(x, o)| x - o).collect())
        .collect();
    let largest = shifted
        .iter()
        .flatten()
        .fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "all snapshots are alike",
        )));
    }
    let gram: Vec<Vec<f64>> = shifted
        .iter()
        .map(|a| {
            let scale = largest.recip();
            shifted
                .iter()
                .map(|b| {
                    a.iter()
                        .zip(b)
                        .map(|(x, y)| (x * scale) * (y * scale))
                        .sum()
                })
                .collect()
        })
        .collect();
    let groups = GROUPS.min(size);
    let ratio = |left_out: Option<usize>| -> Option<f64> {
        let kept: Vec<usize> = (0..size)
            .filter(|i| left_out != Some(i * groups / size))
            .collect();
        let count = kept.len() as f64;
        let rows: Vec<f64> = kept
            .iter()
            .map(|&i| kept.iter().map(|&j| gram[i][j]).sum::<f64>() / count)
            .collect();
        let all = mean(&rows);
        let (mut trace, mut square) = (0.0, 0.0);
        for (a, &i) in kept.iter().enumerate() {
            for (b, &j) in kept.iter().enumerate() {
                let centred = gram[i][j] - rows[a] - rows[b] + all;
                square += centred * centred;
                if a == b {
                    trace += centred;
                }
            }
        }
        let n = count - 1.0;
        let (trace, square) = (trace / n, square / (n * n));
        let numerator = ((n + 1.0) * trace * trace - 2.0 * square) / n;
        let denominator = square - trace * trace / n;
        (denominator > 1e-12 * square && numerator > 0.0).then(|| numerator / denominator)
    };
    let Some(value) = ratio(None) else {
        return Ok(Reading::Undefined(Reason::DividesByNoise("tr C²")));
    };
    let Some(partial) = (0..groups)
        .map(|g| ratio(Some(g)))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(Reading::Undefined(Reason::DividesByNoise("tr C²")));
    };
    let centre = mean(&partial);
    let k = groups as f64;
    let spread: f64 = partial.iter().map(|p| (p - centre).powi(2)).sum();
    Ok(Reading::Ready(Estimate {
        value,
        std_error: ((k - 1.0) / k * spread).sqrt(),
        n_eff: size as f64,
    }))
}

/// Mean cosine between successive steps of a trajectory of consecutive weights.
///
/// ```
/// use thermograd::{phase_transition::step_alignment, systems::Random};
/// // Steps (1, ±1), each sign anew: 1 for equal signs and 0 for others.
/// let (mut random, mut height) = (Random::new(1), 0.0);
/// let walk: Vec<[f64; 2]> = (0..1000)
///     .map(|i| {
///         height += random.normal().signum();
///         [f64::from(i), height]
///     })
///     .collect();
/// let cosine = *step_alignment(&walk)?.ready().unwrap();
/// assert!(cosine.z_score(0.5).unwrap().abs() < 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Lengths that differ, a non-finite or overflowing element.
pub fn step_alignment<S: AsRef<[f64]>>(trajectory: &[S]) -> Result<Reading<Estimate>, Error> {
    check_snapshots(trajectory)?;
    let steps: Vec<Vec<f64>> = trajectory
        .windows(2)
        .map(|w| {
            let (a, b) = (w[0].as_ref(), w[1].as_ref());
            b.iter().zip(a).map(|(b, a)| b - a).collect()
        })
        .collect();
    let Some(units) = directions(&steps) else {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "the length of a step",
        )));
    };
    let series: Vec<f64> = units.windows(2).map(|w| dot(&w[0], &w[1])).collect();
    Ok(block_jackknife(&[&series], |m| Some(m[0])))
}

/// The two energies that a third is measured against.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EnergyScale {
    /// Energy of the gas: the mean loss at random directions of the same norm.
    pub gas: Estimate,
    /// The lowest energy seen, by this run or by others.
    pub best: Estimate,
}

/// `φ = (U − U_best)/(U_gas − U_best)`, with the errors of all three.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::phase_transition::{EnergyScale, energy_fraction};
/// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 100.0 };
/// let scale = EnergyScale { gas: exact(2.3), best: exact(0.3) };
/// let energy = Estimate { value: 0.8, std_error: 0.1, n_eff: 100.0 };
/// let phi = energy_fraction(&energy, &scale)?;
/// let phi = phi.ready().unwrap();
/// assert!((phi.value - 0.25).abs() < 1e-12 && (phi.std_error - 0.05).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where the scale is zero within three of its standard errors.
///
/// # Errors
/// A non-finite energy or error.
pub fn energy_fraction(energy: &Estimate, scale: &EnergyScale) -> Result<Reading<Estimate>, Error> {
    for e in [energy, &scale.gas, &scale.best] {
        check_series("energies", &[e.value, e.std_error])?;
        e.check_count()?;
    }
    let range = scale.gas.value - scale.best.value;
    let range_error = scale.gas.std_error.hypot(scale.best.std_error);
    if range <= 3.0 * range_error {
        return Ok(Reading::Undefined(Reason::DividesByNoise("U_gas − U_best")));
    }
    let value = (energy.value - scale.best.value) / range;
    let std_error = (energy.std_error / range)
        .hypot(value * scale.gas.std_error / range)
        .hypot((1.0 - value) * scale.best.std_error / range);
    Ok(finite(Estimate {
        value,
        std_error,
        n_eff: energy.n_eff.min(scale.gas.n_eff).min(scale.best.n_eff),
    }))
}

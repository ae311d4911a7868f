//! Do two quantities go together: rank and linear correlation, with others held fixed, with intervals.
//!
//! Kendall's τ-b counts pairs: (concordant − discordant) over the pairs that could be either,
//!
//! <!-- math
//! \tau = \frac{C - D}{\sqrt{(n_0 - n_1)(n_0 - n_2)}}, \qquad n_0 = \frac{N(N-1)}{2}
//! -->
#![doc = include_str!("math/correlation_1.html")]
//!
//! with n₁ and n₂ the pairs tied in one or the other (Kendall 1945). It depends on the order alone, so a
//! measure and its logarithm have the same τ. Spearman's ρ is the linear correlation of ranks, Pearson's r that of the
//! values.
//!
//! Held fixed, other quantities are taken out by the inverse P of the matrix of all correlations,
//!
//! <!-- math
//! \mathrm{partial} = -\frac{P_{xy}}{\sqrt{P_{xx} P_{yy}}} = \frac{\tau_{xy} - \tau_{xz} \tau_{yz}}{\sqrt{(1 - \tau_{xz}^2)(1 - \tau_{yz}^2)}}
//! -->
#![doc = include_str!("math/correlation_2.html")]
//!
//! the second form for one of them. For r this is the correlation of what is left after straight lines. A partial τ is
//! not zero where x and y go together through z alone: for a binormal law with correlations 0.8 of both with z it is
//! +0.14. Where that question is asked, ask it of [`Coefficient::NormalScores`].
//!
//! Intervals are bootstrap intervals with correction for bias and skewness (BCa; Efron 1987), by resampling runs, or whole
//! clusters of runs that belong together ([`Bootstrap::clusters`]). At a nominal 95% and 24 pairs from a binormal
//! law they covered the truth in these parts of 1000 samples (so ±0.007), plainly and with an unrelated third quantity
//! held:
//!
//! ```sh
//! cargo test --test it -- --ignored --nocapture coverage_of_intervals
//! ```
//!
//! | correlation | τ | partial τ |
//! |---|---|---|
//! | 0 | 0.960 | 0.954 |
//! | 0.5 | 0.956 | 0.951 |
//! | 0.9 | 0.970 | 0.973 |
//!
//! Correlation over a family of runs is about that family. What varies them (learning rate, batch) may move both sides
//! with no arrow between; and twenty measures at 95% hold one that goes with anything.

use nalgebra::DMatrix;

use crate::equilibrium::autocorrelation::rank_normalised;
use crate::equilibrium::support::{self, check_equal, law, ranks};
use crate::systems::Random;
use crate::{Error, Reading, Reason};

const CONSTANT: Reason = Reason::Degenerate("a quantity that is constant");
const DETERMINED: Reason =
    Reason::Degenerate("what is held fixed determines one of the two, or itself");

/// Which correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Coefficient {
    /// Kendall's τ-b.
    #[default]
    Kendall,
    /// Spearman's ρ: Pearson's r of the ranks, ties sharing theirs.
    Spearman,
    /// Pearson's r.
    Pearson,
    /// Pearson's r of the normal scores of ranks (van der Waerden): as blind to monotone
    /// transformations as τ, and with others held it vanishes for a binormal law of ranks in
    /// which nothing is left between the two.
    NormalScores,
}

/// Inversions of a sequence by merge sort, which leaves it sorted.
pub(crate) fn inversions(values: &mut [f64], buffer: &mut Vec<f64>) -> u64 {
    let n = values.len();
    if n < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(n / 2);
    let mut found = inversions(left, buffer) + inversions(right, buffer);
    buffer.clear();
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        if y < x {
            found += a.len() as u64;
            buffer.extend(b.next());
        } else {
            buffer.extend(a.next());
        }
    }
    buffer.extend(a);
    buffer.extend(b);
    values.copy_from_slice(buffer);
    found
}

/// What Kendall's coefficients are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pairs {
    /// n₀.
    all: f64,
    /// Not tied in x; in y.
    untied: (f64, f64),
    /// Concordant less discordant.
    score: f64,
}

impl Pairs {
    /// Of a sequence with its order.
    pub(crate) fn with_order(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        let discordant = inversions(&mut sorted, &mut Vec::with_capacity(values.len())) as f64;
        let all = pairs(values.len());
        let untied = all - tied(sorted.chunk_by(|a, b| a == b).map(<[f64]>::len));
        Self {
            all,
            untied: (all, untied),
            score: untied - 2.0 * discordant,
        }
    }

    fn between(x: &[f64], y: &[f64]) -> Self {
        // Zeros of either sign are equal, but not in a total order: adding 0 leaves +0.
        let mut both: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (x + 0.0, y + 0.0)).collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let all = pairs(both.len());
        let in_x = tied(both.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
        let in_both = tied(both.chunk_by(|a, b| a == b).map(<[_]>::len));
        let mut order: Vec<f64> = both.iter().map(|pair| pair.1).collect();
        let discordant = inversions(&mut order, &mut Vec::with_capacity(both.len())) as f64;
        let in_y = tied(order.chunk_by(|a, b| a == b).map(<[f64]>::len));
        Self {
            all,
            untied: (all - in_x, all - in_y),
            score: all - in_x - in_y + in_both - 2.0 * discordant,
        }
    }

    /// τ-b; `None` where one side is constant.
    pub(crate) fn tau_b(&self) -> Option<f64> {
        let (x, y) = self.untied;
        (x > 0.0 && y > 0.0).then(|| self.score / (x * y).sqrt())
    }

    /// τ-a: ties count as neither; 0 of less than two values.
    pub(crate) fn tau_a(&self) -> f64 {
        if self.all > 0.0 {
            self.score / self.all
        } else {
            0.0
        }
    }
}

fn pairs(n: usize) -> f64 {
    0.5 * n as f64 * (n as f64 - 1.0)
}

fn tied(runs: impl Iterator<Item = usize>) -> f64 {
    runs.map(pairs).sum()
}

/// Pearson's r of two sequences; `None` where one is constant to rounding.
fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (support::centred(x)?, support::centred(y)?);
    let (x, y) = (x.values, y.values);
    let norms = support::dot(&x, &x) * support::dot(&y, &y);
    Some((support::dot(&x, &y) / norms.sqrt()).clamp(-1.0, 1.0))
}

fn coefficient(x: &[f64], y: &[f64], which: Coefficient) -> Option<f64> {
    match which {
        Coefficient::Kendall => Pairs::between(x, y).tau_b(),
        Coefficient::Spearman => pearson(&ranks(x), &ranks(y)),
        Coefficient::Pearson => pearson(x, y),
        Coefficient::NormalScores => {
            let scores = |x: &[f64]| rank_normalised(&[x.to_vec()]).concat();
            pearson(&scores(x), &scores(y))
        }
    }
}

/// The correlation of two quantities over the same runs, in [-1, 1].
///
/// Pending below 2 runs, undefined where one of the two is constant.
///
/// ```
/// use thermograd::correlation::{Coefficient, correlation};
/// // Of six pairs five agree and one does not.
/// let tau = correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 9.0], Coefficient::Kendall)?;
/// assert!((tau.ready().unwrap() - 4.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`].
pub fn correlation(x: &[f64], y: &[f64], which: Coefficient) -> Result<Reading<f64>, Error> {
    partial_correlation(x, y, &[], which)
}

/// The correlation of two quantities with others held fixed, in [-1, 1].
///
/// Pending below 3 runs and one for each that is held; undefined where one of them is constant, or
/// where those held determine one of the two.
///
/// ```
/// use thermograd::correlation::{Coefficient, partial_correlation};
/// // τ_xy = 1/3, τ_xz = 2/3, τ_yz = 2/3: (1/3 − 4/9)/(5/9).
/// let (x, y, z) = ([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0], [1.0, 2.0, 4.0, 3.0]);
/// let partial = partial_correlation(&x, &y, &[&z], Coefficient::Kendall)?;
/// assert!((partial.ready().unwrap() + 0.2).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Those of [`correlation`].
pub fn partial_correlation(
    x: &[f64],
    y: &[f64],
    held: &[&[f64]],
    which: Coefficient,
) -> Result<Reading<f64>, Error> {
    let all = together(x, y, held)?;
    let needed = if held.is_empty() { 2 } else { 3 + held.len() };
    if x.len() < needed {
        return Ok(Reading::Pending {
            seen: x.len() as u64,
            needed: needed as u64,
        });
    }
    Ok(match partial(&all, which) {
        Ok(value) => Reading::Ready(value),
        Err(reason) => Reading::Undefined(reason),
    })
}

/// All quantities of one analysis, checked.
fn together<'a>(x: &'a [f64], y: &'a [f64], held: &[&'a [f64]]) -> Result<Vec<&'a [f64]>, Error> {
    let mut all = vec![x, y];
    all.extend_from_slice(held);
    check_equal("quantity", &all)?;
    Ok(all)
}

/// The correlation of the first two with the rest held.
fn partial(all: &[&[f64]], which: Coefficient) -> Result<f64, Reason> {
    let n = all.len();
    let mut matrix = DMatrix::identity(n, n);
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate().skip(i + 1) {
            let value = coefficient(a, b, which).ok_or(CONSTANT)?;
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
        }
    }
    if n == 2 {
        return Ok(matrix[(0, 1)]);
    }
    let inverse = matrix.try_inverse().ok_or(DETERMINED)?;
    let (xx, yy) = (inverse[(0, 0)], inverse[(1, 1)]);
    // 1/P_xx is the part of x that the rest leaves: none but rounding is none.
    if !(xx > 0.0 && xx < 1e12 && yy > 0.0 && yy < 1e12) {
        return Err(DETERMINED);
    }
    Ok((-inverse[(0, 1)] / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

/// How [`bootstrap`] resamples.
///
/// ```
/// use thermograd::correlation::Bootstrap;
/// // Three runs of each of two settings.
/// let config = Bootstrap::default().level(0.9).clusters(&[0, 0, 0, 1, 1, 1]).seed(4);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    level: f64,
    resamples: usize,
    clusters: Option<Vec<usize>>,
    seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            level: 0.95,
            resamples: 2000,
            clusters: None,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// The part of intervals that should hold the truth: 0.95 by default.
    #[must_use]
    pub const fn level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// How many resamples: 2000 by default.
    #[must_use]
    pub const fn resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// Which cluster each run belongs to, as seeds of one setting do. Whole clusters are resampled then; by default each run is
    /// its own.
    #[must_use]
    pub fn clusters(mut self, clusters: &[usize]) -> Self {
        self.clusters = Some(clusters.to_vec());
        self
    }

    /// Seed of the resamples.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same over part of the runs.
    pub(crate) fn restricted(&self, known: impl Iterator<Item = bool> + Clone) -> Self {
        let mut out = self.clone();
        if let Some(clusters) = &mut out.clusters
            && clusters.len() == known.clone().count()
        {
            let mut known = known;
            clusters.retain(|_| known.next() == Some(true));
        }
        out
    }

    /// The runs of each cluster.
    fn units(&self, runs: usize) -> Result<Vec<Vec<usize>>, Error> {
        let range = |what, value, allowed| Error::OutOfRange {
            what,
            value,
            allowed,
        };
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(range(
                "level of the interval",
                self.level,
                "a number between 0 and 1",
            ));
        }
        if !(100..=1_000_000).contains(&self.resamples) {
            let value = self.resamples as f64;
            return Err(range("number of resamples", value, "100 to 1000000"));
        }
        let Some(clusters) = &self.clusters else {
            return Ok((0..runs).map(|i| vec![i]).collect());
        };
        if clusters.len() != runs {
            return Err(Error::LengthMismatch {
                place: "clusters".to_owned(),
                expected: runs,
                found: clusters.len(),
            });
        }
        let mut order: Vec<usize> = (0..runs).collect();
        order.sort_by_key(|&i| clusters.get(i));
        let same = |a: &usize, b: &usize| clusters.get(*a) == clusters.get(*b);
        Ok(order.chunk_by(same).map(<[usize]>::to_vec).collect())
    }
}

/// A correlation with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Interval {
    /// The coefficient.
    pub value: f64,
    /// The standard deviation over resamples.
    pub std_error: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The part of such intervals that should hold the truth.
    pub level: f64,
    /// Runs, or clusters of them, that were resampled.
    pub units: usize,
}

impl Interval {
    /// Whether the interval lies on one side of zero.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// A correlation with others held fixed, and its bootstrap interval.
///
/// Pending below 8 runs or clusters; undefined as [`partial_correlation`], and where more than one
/// resample in ten is.
///
/// ```
/// use thermograd::correlation::{Bootstrap, Coefficient, bootstrap};
/// let x: Vec<f64> = (0..20).map(f64::from).collect();
/// let y: Vec<f64> = x.iter().map(|x| x + 3.0 * (1.7 * x).sin()).collect();
/// let found = bootstrap(&x, &y, &[], Coefficient::Kendall, &Bootstrap::default())?;
/// assert!(found.ready().unwrap().excludes_zero());
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Those of [`correlation`]; [`Error::OutOfRange`] and [`Error::LengthMismatch`] for the configuration.
pub fn bootstrap(
    x: &[f64],
    y: &[f64],
    held: &[&[f64]],
    which: Coefficient,
    config: &Bootstrap,
) -> Result<Reading<Interval>, Error> {
    const FEWEST: usize = 8;
    let all = together(x, y, held)?;
    let units = config.units(x.len())?;
    if units.len() < FEWEST {
        return Ok(Reading::Pending {
            seen: units.len() as u64,
            needed: FEWEST as u64,
        });
    }
    let value = match partial_correlation(x, y, held, which)? {
        Reading::Ready(value) => value,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let mut room: Vec<Vec<f64>> = vec![Vec::with_capacity(2 * x.len()); all.len()];
    let mut over = |chosen: &mut dyn Iterator<Item = &Vec<usize>>| {
        for place in &mut room {
            place.clear();
        }
        for unit in chosen {
            for (place, from) in room.iter_mut().zip(&all) {
                place.extend(unit.iter().filter_map(|&i| from.get(i)));
            }
        }
        let views: Vec<&[f64]> = room.iter().map(Vec::as_slice).collect();
        partial(&views, which).ok()
    };
    let mut random = Random::new(config.seed);
    let mut seen: Vec<f64> = (0..config.resamples)
        .filter_map(|_| {
            let mut draw = (0..units.len()).filter_map(|_| units.get(random.below(units.len())));
            over(&mut draw)
        })
        .collect();
    if 10 * seen.len() < 9 * config.resamples {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "too many resamples in which a quantity is constant or determined by the others",
        )));
    }
    seen.sort_by(f64::total_cmp);
    let without: Vec<f64> = (0..units.len())
        .filter_map(|left_out| {
            let mut rest = units.iter().enumerate().filter(|(i, _)| *i != left_out);
            over(&mut rest.by_ref().map(|(_, unit)| unit))
        })
        .collect();
    let (low, high) = corrected(&seen, value, &without, config.level);
    Ok(Reading::Ready(Interval {
        value,
        std_error: support::variance(&seen).sqrt(),
        low,
        high,
        level: config.level,
        units: units.len(),
    }))
}

/// The interval from sorted resamples, corrected for bias and acceleration.
fn corrected(seen: &[f64], value: f64, without: &[f64], level: f64) -> (f64, f64) {
    let below = seen.iter().filter(|s| **s < value - 1e-12).count() as f64;
    let same = seen.iter().filter(|s| (**s - value).abs() <= 1e-12).count() as f64;
    let size = seen.len() as f64;
    let part = (below + 0.5 * same) / size;
    let bias = law::normal_quantile(part.clamp(0.5 / size, 1.0 - 0.5 / size));
    let middle = support::mean(without);
    let power = |k: i32| without.iter().map(|x| (middle - x).powi(k)).sum::<f64>();
    let square = power(2);
    let acceleration = if square > 0.0 {
        power(3) / (6.0 * square.powf(1.5))
    } else {
        0.0
    };
    let end = |probability: f64| {
        let z = bias + law::normal_quantile(probability);
        // Beyond the pole of the correction it has no meaning: the end itself.
        let scale = (1.0 - acceleration * z).max(1e-3);
        support::quantile_sorted(seen, law::normal_cdf(bias + z / scale))
    };
    let tail = 0.5 * (1.0 - level);
    (end(tail), end(1.0 - tail))
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    #[test]
    fn ties_by_the_definition() {
        let mut random = crate::systems::Random::new(3);
        for n in [2_usize, 3, 10, 33] {
            let x: Vec<f64> = (0..n).map(|_| random.below(5) as f64).collect();
            let y: Vec<f64> = (0..n).map(|_| random.below(4) as f64).collect();
            let (mut score, mut in_x, mut in_y) = (0.0, 0.0, 0.0);
            for i in 0..n {
                for j in 0..i {
                    let (a, b) = (x[i] - x[j], y[i] - y[j]);
                    score += (a * b)
                        .partial_cmp(&0.0)
                        .map_or(0.0, |o| f64::from(o as i8));
                    in_x += f64::from(u8::from(a != 0.0));
                    in_y += f64::from(u8::from(b != 0.0));
                }
            }
            let found = Pairs::between(&x, &y);
            assert_eq!((found.score, found.untied), (score, (in_x, in_y)));
            let order: Vec<f64> = (0..n).map(|i| i as f64).collect();
            assert_eq!(Pairs::with_order(&y), Pairs::between(&order, &y));
        }
    }
}

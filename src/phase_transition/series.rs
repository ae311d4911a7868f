//! What every estimator here needs of a correlated series: its inefficiency, a jackknife, medians.
//!
//! The statistical inefficiency is that of
//! [`equilibrium::autocorrelation`](crate::equilibrium), by an initial monotone sequence. The jackknife deletes one block at a time (Künsch, Ann. Statist. 17, 1989), blocks
//! being several inefficiencies long so that they are nearly independent.

use crate::equilibrium::autocorrelation::inefficiency_within;
pub(crate) use crate::equilibrium::support::mean;
use crate::{Error, Estimate, Reading, Reason};

/// Blocks of a jackknife are this many inefficiencies long: the error bar is then low by about 5 %.
const BLOCK_OVER_INEFFICIENCY: f64 = 5.0;
/// Fewer blocks than this give no error bar.
const MIN_BLOCKS: usize = 8;

/// Statistical inefficiency, at least 1; `None` for a constant series or fewer than 4 elements.
///
/// The number of products is bounded; a series that correlates longer has no usable g anyway.
pub(crate) fn inefficiency(series: &[f64]) -> Option<f64> {
    let n = series.len();
    let lags = (n / 2).min((100_000_000 / n.max(1)).max(1000));
    inefficiency_within(series, lags)
}

/// Delete-one-block jackknife of a function of column means, its bias removed to first order.
///
/// `function` gets the mean of each column. The block length comes from the largest inefficiency
/// among the columns.
pub(crate) fn block_jackknife(
    columns: &[&[f64]],
    function: impl Fn(&[f64]) -> Option<f64>,
) -> Reading<Estimate> {
    let n = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let Some(g) = columns
        .iter()
        .filter_map(|c| inefficiency(c))
        .reduce(f64::max)
    else {
        return if n < 4 {
            Reading::Pending {
                seen: n as u64,
                needed: 5 * MIN_BLOCKS as u64,
            }
        } else {
            Reading::Undefined(Reason::Degenerate("the series is constant"))
        };
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an inefficiency is between 1 and the length of the series"
    )]
    let length = (BLOCK_OVER_INEFFICIENCY * g).ceil() as usize;
    let blocks = n / length.max(1);
    if blocks < MIN_BLOCKS {
        return Reading::Pending {
            seen: n as u64,
            needed: (length * MIN_BLOCKS) as u64,
        };
    }
    let total: Vec<f64> = columns.iter().map(|c| c[..n].iter().sum()).collect();
    let mut at: Vec<f64> = total.iter().map(|s| s / n as f64).collect();
    let undefined = Reading::Undefined(Reason::DividesByZero("a mean in the denominator"));
    let Some(full) = function(&at).filter(|v| v.is_finite()) else {
        return undefined;
    };
    let (mut first, mut second) = (0.0, 0.0);
    for block in 0..blocks {
        let (from, to) = (block * n / blocks, (block + 1) * n / blocks);
        for (slot, (column, sum)) in at.iter_mut().zip(columns.iter().zip(&total)) {
            *slot = (sum - column[from..to].iter().sum::<f64>()) / (n - (to - from)) as f64;
        }
        let Some(partial) = function(&at).filter(|v| v.is_finite()) else {
            return undefined;
        };
        first += partial - full;
        second += (partial - full).powi(2);
    }
    let k = blocks as f64;
    let offset = first / k;
    let variance = (k - 1.0) * (second / k - offset * offset);
    finite(Estimate {
        value: full - (k - 1.0) * offset,
        std_error: variance.max(0.0).sqrt(),
        n_eff: n as f64 / g,
    })
}

/// An estimate that overflow did not spoil.
pub(crate) fn finite(estimate: Estimate) -> Reading<Estimate> {
    if estimate.value.is_finite() && estimate.std_error.is_finite() {
        return Reading::Ready(estimate);
    }
    Reading::Undefined(Reason::Meaningless("the estimate leaves the range of f64"))
}

/// Median, destroying the order of the slice; 0 for an empty one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * lower + 0.5 * upper
}

/// `ln Σ e^x` without overflow; `-∞` for an empty sum.
pub(crate) fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.map(|v| (v - largest).exp()).sum::<f64>().ln()
}

/// Refuses a number that is not positive and finite.
pub(crate) fn check_positive(what: &'static str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value,
        allowed: "a positive finite number",
    })
}

/// Refuses lengths that differ.
pub(crate) fn check_length(place: &str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::LengthMismatch {
        place: place.to_owned(),
        expected,
        found,
    })
}

/// Refuses non-finite data and data whose squares overflow.
pub(crate) fn check_series(place: &str, series: &[f64]) -> Result<(), Error> {
    Error::check_finite(place, series)?;
    let largest = series.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest < 1e150 {
        return Ok(());
    }
    Err(Error::Overflow {
        place: place.to_owned(),
        largest,
    })
}

#[cfg(test)]
mod tests {
    use super::{block_jackknife, inefficiency, log_sum_exp, median};
    use crate::random::Random;

    fn ar1(rho: f64, n: usize, random: &mut Random) -> Vec<f64> {
        let innovation = (1.0 - rho * rho).sqrt();
        let mut x = random.normal();
        (0..n)
            .map(|_| {
                x = rho * x + innovation * random.normal();
                x
            })
            .collect()
    }

    #[test]
    fn inefficiency_of_ar1() {
        let mut random = Random::new(3);
        for (rho, truth) in [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)] {
            let g = inefficiency(&ar1(rho, 40_000, &mut random)).unwrap();
            assert!((g / truth - 1.0).abs() < 0.25, "{rho}: {g} {truth}");
        }
        assert_eq!(inefficiency(&[2.0; 100]), None);
    }

    #[test]
    fn jackknife_error_bars_have_unit_spread() {
        let mut random = Random::new(5);
        let runs = 300;
        let z2: f64 = (0..runs)
            .map(|_| {
                let x = ar1(0.5, 2000, &mut random);
                let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
                let variance = block_jackknife(&[&x, &squares], |m| Some(m[1] - m[0] * m[0]));
                variance.ready().unwrap().z_score(1.0).unwrap().powi(2)
            })
            .sum::<f64>()
            / f64::from(runs);
        // The mean square of 300 z-scores has standard error sqrt(2/300) = 0.08; blocks of 5 g
        // leave the variance low by a tenth.
        assert!((0.85..1.4).contains(&z2), "{z2}");
    }

    #[test]
    fn median_and_log_sum_exp() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0, 10.0]), 2.5);
        assert!((log_sum_exp([1000.0, 1000.0].into_iter()) - 1000.0 - 2_f64.ln()).abs() < 1e-12);
    }
}

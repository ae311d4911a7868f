//! What every test of this folder needs: checked input, centred series, lagged products, batches.
//!
//! A series is centred and divided by its largest deviation before anything is squared, so that
//! no finite input overflows or underflows, and constant input is found before it divides.

use crate::error::Error;

/// The largest magnitude whose products of two still fit, with room for a sum of them.
const LARGEST: f64 = 1e150;

/// Finite, and squares that fit.
pub(crate) fn check(place: &str, series: &[f64]) -> Result<(), Error> {
    Error::check_finite(place, series)?;
    let largest = series.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest > LARGEST {
        return Err(Error::Overflow {
            place: place.to_owned(),
            largest,
        });
    }
    Ok(())
}

/// Every replica checked, and at least one of them.
pub(crate) fn check_all(place: &str, replicas: &[&[f64]]) -> Result<(), Error> {
    if replicas.is_empty() {
        return Err(Error::Empty {
            place: place.to_owned(),
            remedy: "give at least one series",
        });
    }
    for (k, series) in replicas.iter().enumerate() {
        check(&format!("{place} {k}"), series)?;
    }
    Ok(())
}

/// Every replica as long as the first.
pub(crate) fn check_equal(place: &str, replicas: &[&[f64]]) -> Result<usize, Error> {
    check_all(place, replicas)?;
    let expected = replicas.first().map_or(0, |s| s.len());
    for (k, series) in replicas.iter().enumerate() {
        if series.len() != expected {
            return Err(Error::LengthMismatch {
                place: format!("{place} {k}"),
                expected,
                found: series.len(),
            });
        }
    }
    Ok(expected)
}

/// Arithmetic mean with one correction pass; 0 of nothing.
pub(crate) fn mean(series: &[f64]) -> f64 {
    if series.is_empty() {
        return 0.0;
    }
    let n = series.len() as f64;
    let first = series.iter().sum::<f64>() / n;
    first + series.iter().map(|x| x - first).sum::<f64>() / n
}

/// Sum of squared deviations from the mean.
pub(crate) fn squared_deviations(series: &[f64]) -> f64 {
    let m = mean(series);
    series.iter().map(|x| (x - m) * (x - m)).sum()
}

/// Variance with n - 1; 0 below two values.
pub(crate) fn variance(series: &[f64]) -> f64 {
    if series.len() < 2 {
        0.0
    } else {
        squared_deviations(series) / (series.len() - 1) as f64
    }
}

/// A series as `centre + scale * values`, the largest of `values` being 1 in magnitude.
#[derive(Debug, Clone)]
pub(crate) struct Centred {
    pub(crate) values: Vec<f64>,
    pub(crate) centre: f64,
    pub(crate) scale: f64,
}

/// `None` for a series that is constant to rounding.
pub(crate) fn centred(series: &[f64]) -> Option<Centred> {
    centred_at(series, mean(series))
}

/// The same about a given centre; `None` where no value is away from the series' own first one.
pub(crate) fn centred_at(series: &[f64], centre: f64) -> Option<Centred> {
    if is_constant(series) {
        return None;
    }
    let scale = series
        .iter()
        .fold(0.0_f64, |m, x| m.max((x - centre).abs()));
    if scale <= 0.0 {
        return None;
    }
    let values = series.iter().map(|x| (x - centre) / scale).collect();
    Some(Centred {
        values,
        centre,
        scale,
    })
}

/// Spread within a few roundings of the values themselves.
pub(crate) fn is_constant(series: &[f64]) -> bool {
    let (mut low, mut high, mut largest) = (f64::INFINITY, f64::NEG_INFINITY, 0.0_f64);
    for &x in series {
        low = low.min(x);
        high = high.max(x);
        largest = largest.max(x.abs());
    }
    // Also true for the empty series, whose spread is minus infinity.
    high - low <= 8.0 * f64::EPSILON * largest
}

/// Residuals of the least-squares line, and its slope per step.
pub(crate) fn detrended(series: &[f64]) -> (Vec<f64>, f64) {
    let n = series.len() as f64;
    let centre = mean(series);
    let middle = 0.5 * (n - 1.0);
    let (mut tx, mut tt) = (0.0, 0.0);
    for (i, x) in series.iter().enumerate() {
        let t = i as f64 - middle;
        tx += t * (x - centre);
        tt += t * t;
    }
    let slope = if tt > 0.0 { tx / tt } else { 0.0 };
    let residuals = series
        .iter()
        .enumerate()
        .map(|(i, x)| x - centre - slope * (i as f64 - middle))
        .collect();
    (residuals, slope)
}

/// Residuals of the least-squares polynomial of degree five in time.
pub(crate) fn without_quintic(series: &[f64]) -> Vec<f64> {
    let n = series.len();
    let mut out = series.to_vec();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(6);
    for degree in 0..6 {
        // Legendre-like: the power on [-1, 1], made orthogonal to those before it, twice.
        let mut next: Vec<f64> = (0..n)
            .map(|i| (2.0 * (i as f64 + 0.5) / n as f64 - 1.0).powi(degree))
            .collect();
        for _ in 0..2 {
            for known in &basis {
                let along = dot(known, &next);
                for (x, k) in next.iter_mut().zip(known) {
                    *x -= along * k;
                }
            }
        }
        let norm = dot(&next, &next).sqrt();
        if norm <= 1e-9 {
            break;
        }
        for x in &mut next {
            *x /= norm;
        }
        let along = dot(&out, &next);
        for (x, k) in out.iter_mut().zip(&next) {
            *x -= along * k;
        }
        basis.push(next);
    }
    out
}

/// Means of `batches` equal runs; what does not fill them is left out at the start.
pub(crate) fn batch_means(series: &[f64], batches: usize) -> Vec<f64> {
    if batches == 0 || series.len() < batches {
        return Vec::new();
    }
    let length = series.len() / batches;
    series
        .get(series.len() - length * batches..)
        .unwrap_or(&[])
        .chunks_exact(length)
        .map(mean)
        .collect()
}

/// Dot product over the common length.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    crate::sums::dot(a.get(..n).unwrap_or(a), b.get(..n).unwrap_or(b))
}

/// Sums of lagged products `Σ x_i x_{i+t}` of a centred series, computed when asked for.
///
/// The first lags are summed directly; once more are wanted the Fourier transform gives all of
/// them, where that feature is on.
#[derive(Debug)]
pub(crate) struct LagSums<'a> {
    values: &'a [f64],
    sums: Vec<f64>,
}

impl<'a> LagSums<'a> {
    pub(crate) fn new(values: &'a [f64]) -> Self {
        Self {
            values,
            sums: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// 0 beyond the last lag.
    pub(crate) fn at(&mut self, lag: usize) -> f64 {
        if lag >= self.values.len() {
            return 0.0;
        }
        #[cfg(feature = "fft")]
        if lag >= self.sums.len()
            && lag >= 48
            && self.values.len() > 256
            && let Some(all) =
                super::autocorrelation::lag_sums_fft(self.values, self.values.len() - 1)
        {
            self.sums = all;
        }
        while self.sums.len() <= lag {
            let t = self.sums.len();
            self.sums
                .push(dot(self.values, self.values.get(t..).unwrap_or(&[])));
        }
        self.sums.get(lag).copied().unwrap_or(0.0)
    }
}

/// Ranks from 1, ties sharing their mean.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = vec![0.0; values.len()];
    let mut done = 0;
    for tie in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = done as f64 + 0.5 * (tie.len() as f64 + 1.0);
        for (_, index) in tie {
            if let Some(slot) = out.get_mut(*index) {
                *slot = rank;
            }
        }
        done += tie.len();
    }
    out
}

/// The quantile between order statistics by linear interpolation (type 7) of sorted values.
pub(crate) fn quantile_sorted(sorted: &[f64], probability: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = probability.clamp(0.0, 1.0) * last as f64;
    let (whole, part) = (place.floor(), place - place.floor());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a non-negative number no larger than the length"
    )]
    let k = whole as usize;
    let low = sorted.get(k).copied().unwrap_or(0.0);
    let high = sorted.get(k + 1).copied().unwrap_or(low);
    low + part * (high - low)
}

/// A non-negative number as a count, saturating; NaN becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating by the language's definition of the cast"
)]
pub(crate) const fn count(x: f64) -> usize {
    x as usize
}

/// The same as 64 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating by the language's definition of the cast"
)]
pub(crate) const fn steps(x: f64) -> u64 {
    x as u64
}

/// Tail probabilities and quantiles, in one place so that no caller meets a fallible constructor.
pub(crate) mod law {
    use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal, StudentsT};

    /// Φ(z).
    pub(crate) fn normal_cdf(z: f64) -> f64 {
        0.5 * statrs::function::erf::erfc(-z / std::f64::consts::SQRT_2)
    }

    /// Φ⁻¹(p).
    pub(crate) fn normal_quantile(p: f64) -> f64 {
        Normal::standard().inverse_cdf(p.clamp(f64::MIN_POSITIVE, 1.0 - 0.5 * f64::EPSILON))
    }

    /// Two-sided tail of Student's t; 1 where the law is undefined.
    pub(crate) fn student_two_sided(t: f64, dof: f64) -> f64 {
        if t.is_nan() || !dof.is_finite() {
            return 1.0;
        }
        StudentsT::new(0.0, 1.0, dof).map_or(1.0, |law| (2.0 * law.sf(t.abs())).clamp(0.0, 1.0))
    }

    /// Upper tail of F; 1 where the law is undefined.
    pub(crate) fn fisher_upper(f: f64, numerator: f64, denominator: f64) -> f64 {
        if f <= 0.0 || f.is_nan() || !(numerator + denominator).is_finite() {
            return 1.0;
        }
        // The law computes this product, and panics where it is not finite.
        if !(numerator * f).is_finite() {
            return 0.0;
        }
        FisherSnedecor::new(numerator, denominator).map_or(1.0, |law| law.sf(f).clamp(0.0, 1.0))
    }

    /// Upper tail of χ²; 1 where the law is undefined.
    pub(crate) fn chi_squared_upper(x: f64, dof: f64) -> f64 {
        if x <= 0.0 {
            return 1.0;
        }
        ChiSquared::new(dof).map_or(1.0, |law| law.sf(x).clamp(0.0, 1.0))
    }

    /// The |z| of a standard normal whose two-sided tail is `p`.
    pub(crate) fn sigmas(p: f64) -> f64 {
        // Below the smallest normal number the quantile would be infinite.
        -normal_quantile(0.5 * p.clamp(f64::MIN_POSITIVE, 1.0))
    }
}

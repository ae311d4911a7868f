//! Temperature: every thermometer that training offers, and when to believe which.
//!
//! The bath is the gradient noise. With tr Σ the total variance of the step's gradient over d
//! thermal degrees of freedom, and m the mobility of the update rule (η for SGD, η/(1−μ) with
//! heavy-ball momentum), the bath's temperature is
//!
//! <!-- math
//! T = \frac{m \operatorname{tr}\Sigma}{2d}
//! -->
#![doc = include_str!("math/temperature.html")]
//!
//! in units of the loss (k_B = 1). [`noise`] measures it by definition. The others read it off
//! the motion and agree with it where their assumptions hold, so that their disagreement is a
//! measurement too:
//!
//! | thermometer | needs | exact for | lies when |
//! |---|---|---|---|
//! | [`noise`] | a second gradient | any loss | batches are drawn without replacement: slow modes are colder than it says |
//! | [`midpoint`] | three consecutive steps | any stationary quadratic, any μ | Nesterov; strongly anharmonic losses, by O(η²); decoupled decay under momentum reads low by up to ηλ/(1−μ) |
//! | [`kinetic`] | two consecutive steps | reads T/(1 − e), e the edge ratio | near the edge of stability it reads high |
//! | [`virial`] | a centre | stationary states, reads as `kinetic` | anything still drifts: it reads the drift |
//! | [`calorimetric`] | the same batch's loss after the step | any loss under additive noise | dropout or augmentation differ between the two evaluations |
//! | [`lag_sum`] | two consecutive gradients, μ = 0 | any stationary quadratic | the mean gradient is not small |
//! | [`lag_difference`] | the same | reads high by 1 + ηa + … | curvature is large |
//!
//! Under a preconditioner D (Adam) tr Σ becomes tr(DΣ), and squares of displacements are weighted
//! by D⁻¹; each coordinate then has a temperature of its own, m Dᵢ Σᵢᵢ/2, whose mean the
//! thermometers read and whose spread is in [`Spread`]. [`calorimetric`] needs no D.
//!
//! Default: [`midpoint`] beside [`noise`]. On a cold start three standard deviations off
//! equilibrium, both are nearly unbiased while the virial thermometer is off by 40 %.
//!
//! Sources: arXiv 2511.07308 (definition), arXiv 1810.00004 (kinetic = virial). The midpoint and
//! calorimetric identities hold exactly for the heavy ball on any quadratic and are tested so.

use crate::{Ensemble, Moment, Reading, Reason};

/// The temperatures of single coordinates, summarised.
///
/// Each is an average of squares over `steps` steps and scatters by itself, by
/// [`Spread::sampling`] relative to its value where the noise is Gaussian: quantiles are wider
/// than the true ones by that much.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Spread {
    /// Mean over the followed coordinates.
    pub mean: f64,
    /// Values at [`Spread::LEVELS`].
    pub quantiles: [f64; 5],
    /// Followed coordinates.
    pub coordinates: usize,
    /// Steps behind each.
    pub steps: u64,
    /// √(3/steps): relative scatter of each temperature under Gaussian noise.
    pub sampling: f64,
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "temperatures of {} coordinates: mean {:.4e}, quantiles",
            self.coordinates, self.mean
        )?;
        for (level, value) in Self::LEVELS.iter().zip(self.quantiles) {
            write!(f, " {:.0}% {value:.3e}", 100.0 * level)?;
        }
        Ok(())
    }
}

impl Spread {
    /// The shares of coordinates below each of the quantiles.
    pub const LEVELS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

    /// Steps below which nothing is said.
    const FEWEST: u64 = 64;

    pub(crate) fn of(mut temperatures: Vec<f64>, steps: u64) -> Reading<Self> {
        if steps == 0 {
            return Reading::Undefined(Reason::Missing("a preconditioner with a second gradient"));
        }
        if steps < Self::FEWEST || temperatures.is_empty() {
            return Reading::Pending {
                seen: steps,
                needed: Self::FEWEST,
            };
        }
        temperatures.sort_unstable_by(f64::total_cmp);
        let last = temperatures.len() - 1;
        let quantiles = Self::LEVELS.map(|level| {
            // Linear between order statistics, the definition of most packages.
            let place = level * last as f64;
            let low = crate::sums::whole(place).min(last);
            let (a, b) = (temperatures[low], temperatures[(low + 1).min(last)]);
            a + (b - a) * (place - low as f64)
        });
        Reading::Ready(Self {
            mean: temperatures.iter().sum::<f64>() / temperatures.len() as f64,
            quantiles,
            coordinates: temperatures.len(),
            steps,
            sampling: (3.0 / steps as f64).sqrt(),
        })
    }
}

/// Bath temperature from measured gradient noise, ⟨m tr Σ⟩/(2d).
///
/// ```
/// use thermograd::{temperature, Ensemble, Piece, Step, Sums, Symmetry};
/// // g and g₂ differ by 2 in one of two coordinates: tr Σ = 2²/2 = 2, T = 0.1·2/(2·2).
/// let piece = Piece::new(&[0.0_f64, 0.0], &[1.0_f64, 1.0]).second_gradient(&[1.0_f64, -1.0]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&Step::new(0.0).learning_rate(0.1), None, &sums, Symmetry::Generic);
/// assert!((temperature::noise(&ensemble).unwrap() - 0.05).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn noise(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::NoiseHeat)? / e.dof()?)
}

/// Temperature of the midpoints of two displacements, ⟨|(w₊ − w₋)/2|²⟩/(η(1−τ)d).
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.midpoint_count, sums.midpoint_midpoint) = (2.0, 2.0, 0.04);
/// let step = Step::new(0.0).learning_rate(0.1);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&step, Some(&step), &sums, Symmetry::Generic);
/// assert!((temperature::midpoint(&ensemble).unwrap() - 0.2).abs() < 1e-15);
/// ```
pub fn midpoint(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::MidpointHeat)? / e.dof()?)
}

/// Temperature of the displacements, (1+μ)⟨|Δ|²⟩/(2η(1−τ)d).
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.step_count, sums.step_step) = (2.0, 2.0, 0.04);
/// let step = Step::new(0.0).learning_rate(0.1);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&step, Some(&step), &sums, Symmetry::Generic);
/// assert!((temperature::kinetic(&ensemble).unwrap() - 0.1).abs() < 1e-15);
/// ```
pub fn kinetic(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::KineticHeat)? / e.dof()?)
}

/// Temperature of the forces, ⟨(w − c)·(g + pw)⟩/d about a mean c of the weights.
///
/// c is the mean over the window so far, taken anew each time the window has doubled in length:
/// a constant while it is used, so that the average is unbiased up to the ratio of the
/// autocorrelation time to the window. In a scale-invariant group w·g = 0 at every step, and
/// about the origin this would read the norm alone.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.g_count, sums.centre_count) = (2.0, 2.0, 2.0);
/// (sums.centred_g, sums.centred_w) = (0.3, 2.0);
/// let step = Step::new(0.0).weight_decay(0.05);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&step, None, &sums, Symmetry::Generic);
/// assert!((temperature::virial(&ensemble).unwrap() - 0.2).abs() < 1e-15);
/// ```
pub fn virial(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::CentredVirial)? / e.dof()?)
}

/// Temperature by calorimetry, −⟨q⟩/(2(1−μ)d): q is the change of a batch's loss by the very
/// step that was made with it.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// sums.w_count = 5.0;
/// let mut ensemble = Ensemble::default();
/// let now = Step::new(0.8).previous_batch_loss(0.6);
/// ensemble.push(&now, Some(&Step::new(0.7)), &sums, Symmetry::Generic);
/// assert!((temperature::calorimetric(&ensemble).unwrap() - 0.01).abs() < 1e-15);
/// ```
pub fn calorimetric(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::CalorimetricHeat)? / e.dof()?)
}

/// Temperature from sums of successive gradients, m⟨|g + g₋₁|²⟩/(4d); μ = 0 only.
///
/// Exact on any stationary quadratic. Elsewhere the mean gradient adds 2|∇L|² to tr Σ here and
/// nothing to [`lag_difference`]: the gap between the two is m⟨g·g₋₁⟩/d.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.lag_count, sums.lag_sum, sums.lag_difference) = (2.0, 2.0, 8.0, 12.0);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&Step::new(0.0).learning_rate(0.1), None, &sums, Symmetry::Generic);
/// assert!((temperature::lag_sum(&ensemble).unwrap() - 0.1).abs() < 1e-15);
/// assert!((temperature::lag_difference(&ensemble).unwrap() - 0.15).abs() < 1e-15);
/// ```
pub fn lag_sum(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::LagSumHeat)? / e.dof()?)
}

/// Temperature from differences of successive gradients, m⟨|g − g₋₁|²⟩/(4d); μ = 0 only.
/// High by a factor (2+ηa)/(2−ηa) in a mode of curvature a.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.lag_count, sums.lag_sum, sums.lag_difference) = (1.0, 1.0, 4.0, 12.0);
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0).learning_rate(0.1), None, &sums, Symmetry::Generic);
/// let high = temperature::lag_difference(&e).unwrap() / temperature::lag_sum(&e).unwrap();
/// // What a single mode of ηa = 1 shows: (2+1)/(2−1).
/// assert!((high - 3.0).abs() < 1e-15);
/// ```
pub fn lag_difference(e: &Ensemble) -> Option<f64> {
    Some(e.mean(Moment::LagDifferenceHeat)? / e.dof()?)
}

/// Edge ratio e = 1 − T_midpoint/T_kinetic: how near the step is to the edge of stability.
///
/// In a mode of curvature a it is ηa/(2(1+μ)): 0 for small steps, 1 where the mode becomes
/// unstable. It costs no curvature measurement. A drift of the weights lowers it.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.step_count, sums.midpoint_count) = (1.0, 1.0, 1.0);
/// // T_midpoint = 0.01/0.1, T_kinetic = 0.04/0.2.
/// (sums.step_step, sums.midpoint_midpoint) = (0.04, 0.01);
/// let step = Step::new(0.0).learning_rate(0.1);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&step, Some(&step), &sums, Symmetry::Generic);
/// assert!((temperature::edge_ratio(&ensemble).unwrap() - 0.5).abs() < 1e-12);
/// ```
pub fn edge_ratio(e: &Ensemble) -> Option<f64> {
    let kinetic = e.mean(Moment::KineticHeat).filter(|&heat| heat > 0.0)?;
    Some(1.0 - e.mean(Moment::MidpointHeat)? / kinetic)
}

/// Signal-to-noise ratio |∇L|²/tr Σ of the step's gradient, both unbiased: ⟨g·g₂⟩/⟨|g−g₂|²/2⟩.
/// May come out negative within its error where the signal is small.
///
/// ```
/// use thermograd::{temperature, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.g_count, sums.g2_count) = (1.0, 1.0, 1.0);
/// (sums.noise, sums.g_g2) = (8.0, 1.0);
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&Step::new(0.0), None, &sums, Symmetry::Generic);
/// assert_eq!(temperature::signal_to_noise(&ensemble), Some(0.25));
/// ```
pub fn signal_to_noise(e: &Ensemble) -> Option<f64> {
    let noise = e.mean(Moment::NoiseTrace).filter(|&trace| trace > 0.0)?;
    Some(e.mean(Moment::SignalSquared)? / noise)
}

#[cfg(test)]
mod tests {
    use super::Spread;
    use crate::{Reading, Reason};

    #[test]
    fn quantiles_between_order_statistics() {
        // 0, 1, 4, 9, … 100, out of order: the places are 0.5, 2.5, 5, 7.5 and 9.5.
        let squares: Vec<f64> = (0..11).map(|i| f64::from(7 * i % 11).powi(2)).collect();
        let spread = Spread::of(squares.clone(), 64);
        let spread = spread.ready().unwrap();
        for (found, expected) in spread
            .quantiles
            .into_iter()
            .zip([0.5, 6.5, 25.0, 56.5, 90.5])
        {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(
            (spread.mean, spread.coordinates, spread.steps),
            (35.0, 11, 64)
        );
        assert!((spread.sampling - 3_f64.sqrt() / 8.0).abs() < 1e-15);
        let text = "temperatures of 11 coordinates: mean 3.5000e1, quantiles 5% 5.000e-1 25% 6.500e0 \
                    50% 2.500e1 75% 5.650e1 95% 9.050e1";
        assert_eq!(spread.to_string(), text);

        let pending = |seen| Reading::Pending { seen, needed: 64 };
        assert_eq!(Spread::of(squares.clone(), 63), pending(63));
        assert_eq!(Spread::of(Vec::new(), 64), pending(64));
        assert!(matches!(
            Spread::of(squares, 0),
            Reading::Undefined(Reason::Missing(_))
        ));
        let one = Spread::of(vec![2.0], 64);
        assert_eq!(one.ready().map(|s| s.quantiles), Some([2.0; 5]));
    }
}

//! Values by hand, closed forms and boundaries: online bayes.

use super::*;
use statrs::function::gamma::ln_gamma;
use thermograd::phase_transition::change_point::{
    NormalInverseGamma, NormalInverseWishart, OnlineChangePoints, OnlineConfig, Prior,
};

const PRIOR: NormalInverseGamma = NormalInverseGamma {
    mean: 0.4,
    mean_weight: 0.6,
    shape: 1.7,
    rate: 2.3,
};

/// Student's t of 2α degrees of freedom about μ, of squared scale β(κ + 1)/(ακ).
fn student(p: &NormalInverseGamma, x: f64) -> f64 {
    let nu = 2.0 * p.shape;
    let scale = p.rate * (p.mean_weight + 1.0) / (p.shape * p.mean_weight);
    ln_gamma(0.5 * (nu + 1.0))
        - ln_gamma(0.5 * nu)
        - 0.5 * (nu * std::f64::consts::PI * scale).ln()
        - 0.5 * (nu + 1.0) * (1.0 + (x - p.mean).powi(2) / (nu * scale)).ln()
}

/// The posterior after a sample, from its mean and its spread.
fn after(p: &NormalInverseGamma, x: &[f64]) -> NormalInverseGamma {
    if x.is_empty() {
        return *p;
    }
    let (n, mean) = (x.len() as f64, average(x));
    let spread: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    let kappa = p.mean_weight + n;
    NormalInverseGamma {
        mean: (p.mean_weight * p.mean + n * mean) / kappa,
        mean_weight: kappa,
        shape: p.shape + 0.5 * n,
        rate: p.rate + 0.5 * spread + 0.5 * p.mean_weight * n * (mean - p.mean).powi(2) / kappa,
    }
}

#[test]
fn the_predictive_is_students_and_the_posterior_that_of_the_sample() {
    let sample = [0.3, -2.0, 5.5, 1.25, 0.0, 9.0];
    let mut running = PRIOR;
    for n in 0..sample.len() {
        let batch = after(&PRIOR, &sample[..n]);
        near(running.mean, batch.mean, 1e-13);
        near(running.mean_weight, batch.mean_weight, 1e-13);
        near(running.shape, batch.shape, 1e-13);
        near(running.rate, batch.rate, 1e-13);
        for x in [-7.0, 0.4, 3.0, 1e3] {
            near(running.log_predictive(x), student(&batch, x), 1e-12);
        }
        running = running.update(sample[n]);
    }
    let weak = NormalInverseGamma::weak(3.0, 4.0);
    assert_eq!(
        (weak.mean, weak.mean_weight, weak.shape, weak.rate),
        (3.0, 0.01, 1.0, 4.0)
    );
}

/// The recursion with plain probabilities, every segment's predictive computed from its sample anew.
struct Slow {
    hazard: f64,
    capacity: usize,
    runs: Vec<(usize, f64)>,
    evidence: f64,
    truncation: f64,
    seen: usize,
}

impl Slow {
    const fn new(hazard: f64, capacity: usize) -> Self {
        Self {
            hazard,
            capacity,
            runs: Vec::new(),
            evidence: 0.0,
            truncation: 0.0,
            seen: 0,
        }
    }

    /// `log_predictive(n)`: that of the newest observation given the `n` before it.
    fn push(&mut self, log_predictive: impl Fn(usize) -> f64) -> f64 {
        let fresh = if self.seen == 0 { 1.0 } else { self.hazard };
        let mut next: Vec<(usize, f64)> = self
            .runs
            .iter()
            .map(|&(r, p)| (r + 1, p * (1.0 - self.hazard) * log_predictive(r).exp()))
            .collect();
        next.push((1, fresh * log_predictive(0).exp()));
        let total: f64 = next.iter().map(|r| r.1).sum();
        for r in &mut next {
            r.1 /= total;
        }
        if next.len() > self.capacity {
            next.sort_by(|a, b| b.1.total_cmp(&a.1));
            let least = next.pop().unwrap().1;
            self.truncation = self.truncation.max(least);
            for r in &mut next {
                r.1 /= 1.0 - least;
            }
        }
        self.runs = next;
        self.evidence += total.ln();
        self.seen += 1;
        total.ln()
    }

    #[track_caller]
    fn compare(&self, fast: &OnlineChangePoints) {
        assert_eq!(fast.seen(), self.seen as u64);
        near(fast.log_evidence(), self.evidence, 1e-10);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-10, "{a} {b}");
        close(fast.largest_truncation(), self.truncation);
        assert_eq!(fast.posterior().count(), self.runs.len());
        let mut best = (0, 0.0);
        for &(r, p) in &self.runs {
            close(fast.run_length_probability(r as u64), p);
            let found: f64 = fast
                .posterior()
                .filter(|x| x.0 == r as u64)
                .map(|x| x.1)
                .sum();
            close(found, p);
            if p > best.1 {
                best = (r, p);
            }
        }
        assert_eq!(fast.most_probable_run_length(), Some(best.0 as u64));
        for steps in [0, 1, 3, self.seen - 1, self.seen, 1000] {
            let within: f64 = self
                .runs
                .iter()
                .filter(|x| x.0 <= steps && x.0 != self.seen)
                .map(|x| x.1)
                .sum();
            close(fast.probability_of_change_within(steps as u64), within);
        }
    }
}

fn steps(n: usize, d: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|t| {
            let level = if t % 20 < 10 { 0.0 } else { 3.0 };
            (0..d)
                .map(|k| level + (1.0 + k as f64) * random.normal())
                .collect()
        })
        .collect()
}

#[test]
fn the_posterior_is_that_of_the_plain_recursion() {
    for (hazard, capacity) in [(0.1, 200), (0.3, 5), (0.05, 2)] {
        let data = steps(45, 1, 7);
        let series: Vec<f64> = data.iter().map(|x| x[0]).collect();
        let config = OnlineConfig::scalar(PRIOR)
            .hazard(hazard)
            .capacity(capacity);
        let mut fast = OnlineChangePoints::new(&config).unwrap();
        assert_eq!((fast.seen(), fast.log_evidence()), (0, 0.0));
        assert_eq!(fast.most_probable_run_length(), None);
        let mut slow = Slow::new(hazard, capacity);
        for t in 0..series.len() {
            let expected = slow.push(|n| student(&after(&PRIOR, &series[t - n..t]), series[t]));
            near(fast.push(&data[t]).unwrap(), expected, 1e-10);
            slow.compare(&fast);
        }
    }
}

#[test]
fn independent_coordinates_have_the_product_of_their_predictives() {
    let other = NormalInverseGamma {
        mean: -1.0,
        mean_weight: 2.0,
        shape: 0.8,
        rate: 0.5,
    };
    let data = steps(30, 2, 8);
    let config = OnlineConfig::new(Prior::Independent(vec![PRIOR, other]))
        .hazard(0.2)
        .capacity(6);
    let mut fast = OnlineChangePoints::new(&config).unwrap();
    let mut slow = Slow::new(0.2, 6);
    for t in 0..data.len() {
        let expected = slow.push(|n| {
            let column = |k: usize| -> Vec<f64> { data[t - n..t].iter().map(|x| x[k]).collect() };
            student(&after(&PRIOR, &column(0)), data[t][0])
                + student(&after(&other, &column(1)), data[t][1])
        });
        near(fast.push(&data[t]).unwrap(), expected, 1e-10);
        slow.compare(&fast);
    }
}

/// Determinant by elimination of a matrix that needs no pivots.
fn log_det(mut a: Vec<Vec<f64>>) -> f64 {
    let mut sum = 0.0;
    for i in 0..a.len() {
        sum += a[i][i].ln();
        for r in i + 1..a.len() {
            let factor = a[r][i] / a[i][i];
            let pivot = a[i].clone();
            for (x, above) in a[r].iter_mut().zip(&pivot).skip(i) {
                *x -= factor * above;
            }
        }
    }
    sum
}

/// The multivariate t with the posterior of a sample from its mean and its scatter matrix.
fn student_vector(p: &NormalInverseWishart, sample: &[Vec<f64>], x: &[f64]) -> f64 {
    let (d, n) = (x.len(), sample.len() as f64);
    let size = d as f64;
    let mean: Vec<f64> = (0..d)
        .map(|k| sample.iter().map(|x| x[k]).sum::<f64>() / n.max(1.0))
        .collect();
    let kappa = p.mean_weight + n;
    let centre: Vec<f64> = (0..d)
        .map(|k| (p.mean_weight * p.mean[k] + n * mean[k]) / kappa)
        .collect();
    let df = p.degrees + n - size + 1.0;
    let shape: Vec<Vec<f64>> = (0..d)
        .map(|i| {
            (0..d)
                .map(|j| {
                    let scatter: f64 = sample
                        .iter()
                        .map(|x| (x[i] - mean[i]) * (x[j] - mean[j]))
                        .sum();
                    let shift =
                        p.mean_weight * n / kappa * (mean[i] - p.mean[i]) * (mean[j] - p.mean[j]);
                    (p.scale[i * d + j] + scatter + shift) * (kappa + 1.0) / (kappa * df)
                })
                .collect()
        })
        .collect();
    let step: Vec<f64> = (0..d).map(|k| x[k] - centre[k]).collect();
    let solved = solve(shape.clone(), step.clone());
    let distance: f64 = step.iter().zip(&solved).map(|(a, b)| a * b).sum();
    ln_gamma(0.5 * (df + size))
        - ln_gamma(0.5 * df)
        - 0.5 * size * (df * std::f64::consts::PI).ln()
        - 0.5 * log_det(shape)
        - 0.5 * (df + size) * (1.0 + distance / df).ln()
}

fn wishart() -> NormalInverseWishart {
    NormalInverseWishart {
        mean: vec![0.5, -1.0, 2.0],
        mean_weight: 0.7,
        degrees: 3.5,
        scale: vec![2.0, 0.5, -0.3, 0.5, 1.5, 0.2, -0.3, 0.2, 3.0],
    }
}

#[test]
fn joint_coordinates_have_the_multivariate_predictive() {
    let prior = wishart();
    let data = steps(30, 3, 9);
    let config = OnlineConfig::new(Prior::Joint(prior.clone()))
        .hazard(0.15)
        .capacity(7);
    let mut fast = OnlineChangePoints::new(&config).unwrap();
    let mut slow = Slow::new(0.15, 7);
    for t in 0..data.len() {
        let expected = slow.push(|n| student_vector(&prior, &data[t - n..t], &data[t]));
        near(fast.push(&data[t]).unwrap(), expected, 1e-9);
        slow.compare(&fast);
    }
}

#[test]
fn a_detector_keeps_to_its_ranges() {
    let config = OnlineConfig::scalar(PRIOR);
    assert_eq!((config.hazard, config.capacity), (1.0 / 250.0, 256));
    assert_eq!(config.prior, Prior::Independent(vec![PRIOR]));
    let new = |config: &OnlineConfig| OnlineChangePoints::new(config);
    assert!(new(&config.clone().hazard(0.0)).is_ok());
    assert!(new(&config.clone().hazard(0.999)).is_ok());
    for bad in [-0.1, 1.0, 1.5] {
        assert_eq!(refused(new(&config.clone().hazard(bad))), bad);
    }
    assert!(new(&config.clone().hazard(f64::NAN)).is_err());
    assert!(new(&config.clone().capacity(2)).is_ok());
    for bad in [0, 1] {
        assert_eq!(refused(new(&config.clone().capacity(bad))), bad as f64);
    }
    // 2²⁵ numbers in rows: five for each coordinate; d² + d + 2 of a joint prior; and one row more than the capacity.
    let many = OnlineConfig::new(Prior::Independent(vec![PRIOR; 400]));
    let most = (1 << 25) / 2000 - 1;
    assert!(new(&many.clone().capacity(most)).is_ok());
    assert_eq!(refused(new(&many.capacity(most + 1))), (most + 1) as f64);
    let d = 50;
    let unit = (0..d * d).map(|i| f64::from(u8::from(i % (d + 1) == 0)));
    let joint = OnlineConfig::new(Prior::Joint(NormalInverseWishart {
        mean: vec![0.0; d],
        mean_weight: 1.0,
        degrees: 60.0,
        scale: unit.collect(),
    }));
    let most = (1 << 25) / (d * d + d + 2) - 1;
    assert!(new(&joint.clone().capacity(most)).is_ok());
    assert_eq!(refused(new(&joint.capacity(most + 1))), (most + 1) as f64);
    assert!(matches!(
        new(&OnlineConfig::new(Prior::Independent(Vec::new()))),
        Err(Error::Empty { .. })
    ));
}

#[test]
fn a_scalar_prior_keeps_to_its_ranges() {
    let ask = |set: &dyn Fn(&mut NormalInverseGamma)| {
        let mut prior = PRIOR;
        set(&mut prior);
        OnlineChangePoints::new(&OnlineConfig::scalar(prior))
    };
    for good in [1e-100, 1.0, 1e100] {
        assert!(ask(&|p| p.mean_weight = good).is_ok());
        assert!(ask(&|p| p.rate = good).is_ok());
    }
    for bad in [0.0, -1.0, 0.9e-100, 1.1e100, f64::INFINITY] {
        assert_eq!(refused(ask(&|p| p.mean_weight = bad)), bad);
        assert_eq!(refused(ask(&|p| p.rate = bad)), bad);
    }
    for good in [1e-100, 1e12] {
        assert!(ask(&|p| p.shape = good).is_ok());
    }
    for bad in [0.9e-100, 1.1e12, -1.0] {
        assert_eq!(refused(ask(&|p| p.shape = bad)), bad);
    }
    for good in [1e100, -1e100] {
        assert!(ask(&|p| p.mean = good).is_ok());
    }
    for bad in [1.1e100, -1.1e100] {
        assert!(matches!(
            ask(&|p| p.mean = bad),
            Err(Error::Overflow { largest, .. }) if largest == 1.1e100
        ));
    }
    assert!(matches!(
        ask(&|p| p.mean = f64::NAN),
        Err(Error::NonFinite { .. })
    ));
}

#[test]
fn a_joint_prior_keeps_to_its_ranges() {
    let ask = |set: &dyn Fn(&mut NormalInverseWishart)| {
        let mut prior = wishart();
        set(&mut prior);
        OnlineChangePoints::new(&OnlineConfig::new(Prior::Joint(prior)))
    };
    assert!(ask(&|_| ()).is_ok());
    assert!(ask(&|p| p.degrees = 2.001).is_ok());
    assert!(ask(&|p| p.degrees = 1e12).is_ok());
    for bad in [2.0, 1.0, 1.1e12] {
        assert_eq!(refused(ask(&|p| p.degrees = bad)), bad);
    }
    assert_eq!(refused(ask(&|p| p.mean_weight = 0.0)), 0.0);
    assert!(matches!(ask(&|p| p.mean.clear()), Err(Error::Empty { .. })));
    assert!(matches!(
        ask(&|p| p.scale.truncate(8)),
        Err(Error::LengthMismatch {
            expected: 9,
            found: 8,
            ..
        })
    ));
    assert!(matches!(
        ask(&|p| p.mean[1] = 1.1e100),
        Err(Error::Overflow { .. })
    ));
    assert!(matches!(
        ask(&|p| p.scale[4] = f64::NAN),
        Err(Error::NonFinite { index: 4, .. })
    ));
    // Not symmetric by more than rounding, or not positive.
    assert!(ask(&|p| p.scale[1] += 1e-12).is_ok());
    for spoil in [
        |p: &mut NormalInverseWishart| p.scale[1] += 1e-11,
        |p: &mut NormalInverseWishart| p.scale[1] -= 1e-11,
        |p: &mut NormalInverseWishart| p.scale[0] = -2.0,
        |p: &mut NormalInverseWishart| (p.scale[1], p.scale[3]) = (2.0, 2.0),
    ] {
        assert!(matches!(ask(&spoil), Err(Error::Conflict { .. })));
    }
}

#[test]
fn an_observation_keeps_to_its_ranges_or_leaves_no_trace() {
    let mut detector = OnlineChangePoints::new(&OnlineConfig::scalar(PRIOR)).unwrap();
    detector.push(&[1.0]).unwrap();
    let before = detector.log_evidence();
    assert!(matches!(
        detector.push(&[1.1e100]),
        Err(Error::Overflow { .. })
    ));
    assert!(matches!(
        detector.push(&[1.0, 2.0]),
        Err(Error::LengthMismatch {
            expected: 1,
            found: 2,
            ..
        })
    ));
    assert!(detector.push(&[f64::NAN]).is_err());
    assert_eq!((detector.seen(), detector.log_evidence()), (1, before));
    let density = detector.push(&[1e100]).unwrap();
    assert!(density.is_finite() && density < -500.0);
    assert_eq!(detector.seen(), 2);
}

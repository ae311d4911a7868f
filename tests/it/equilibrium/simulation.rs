//! Rates of rejection over seeds: shared by the calibration test and the example that prints them.

use thermograd::equilibrium::{TestConfig, drift, geweke, kpss, trend};
use thermograd::systems::Random;
use thermograd::{Error, Reading};

/// How often a test rejected, and how often it declined to answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    pub(crate) rejected: u32,
    pub(crate) answered: u32,
    pub(crate) seeds: u32,
}

impl Rate {
    pub(crate) fn add(&mut self, p_value: Option<f64>) {
        self.seeds += 1;
        if let Some(p) = p_value {
            self.answered += 1;
            self.rejected += u32::from(p < 0.05);
        }
    }

    /// Rejections among answers; `None` where fewer than a fifth of the seeds had one.
    pub(crate) fn rate(&self) -> Option<f64> {
        (5 * self.answered >= self.seeds)
            .then(|| f64::from(self.rejected) / f64::from(self.answered.max(1)))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rate() {
            Some(rate) if self.answered < self.seeds => {
                let part = f64::from(self.answered) / f64::from(self.seeds);
                write!(f, "{rate:.3} ({:.0}%)", 100.0 * part)
            }
            Some(rate) => write!(f, "{rate:.3}"),
            None => write!(f, "pending"),
        }
    }
}

/// A stationary first-order autoregression of unit variance.
pub(crate) fn ar1(random: &mut Random, rho: f64, n: usize) -> Vec<f64> {
    let noise = (1.0 - rho * rho).sqrt();
    let mut x = random.normal();
    (0..n)
        .map(|_| {
            x = rho * x + noise * random.normal();
            x
        })
        .collect()
}

fn p<T>(reading: Result<Reading<T>, Error>, of: impl Fn(&T) -> f64) -> Option<f64> {
    reading.unwrap().ready().map(of)
}

pub(crate) const SERIES_TESTS: [&str; 4] = ["drift", "geweke", "kpss", "trend"];

/// Rejection rates of the tests of one series: an autoregression plus a line rising `rise` sd.
pub(crate) fn series_rates(seeds: u32, rho: f64, n: usize, rise: f64) -> [Rate; 4] {
    let mut rates = [Rate::default(); 4];
    let config = TestConfig::default();
    for seed in 0..seeds {
        let mut random = Random::new(u64::from(seed) + 1_000_000);
        let mut x = ar1(&mut random, rho, n);
        for (i, x) in x.iter_mut().enumerate() {
            *x += rise * i as f64 / n as f64;
        }
        let found = [
            p(drift(&x, &config), |d| d.p_value),
            p(geweke(&x, &config), |d| d.p_value),
            p(kpss(&x, &config), |d| d.p_value),
            p(trend(&x, &config), |d| d.p_value),
        ];
        for (rate, p) in rates.iter_mut().zip(found) {
            rate.add(p);
        }
    }
    rates
}

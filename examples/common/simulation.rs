//! Rates of rejection over seeds: shared by the calibration test and the example that prints them.

#![expect(clippy::unwrap_used, reason = "simulated series are valid input")]

use thermograd::equilibrium::{
    EnsembleRun, Observable, TestConfig, Verdict, VerdictConfig, Width, area_rates, drift,
    ensemble_test, equipartition, geweke, kpss, maxwell_boltzmann, thermometer_agreement, trend,
    verdict,
};
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
    fn add(&mut self, rejected: Option<bool>) {
        self.seeds += 1;
        if let Some(rejected) = rejected {
            self.answered += 1;
            self.rejected += u32::from(rejected);
        }
    }

    /// Rejections among answers; `None` where fewer than half of the seeds had one.
    pub(crate) fn rate(&self) -> Option<f64> {
        (2 * self.answered >= self.seeds)
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
            None if self.answered > 0 => {
                let part = f64::from(self.answered) / f64::from(self.seeds);
                write!(f, "mostly pending ({:.0}%)", 100.0 * part)
            }
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

/// The memory and the length of a simulated series, and the seeds it is simulated with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) rho: f64,
    pub(crate) n: usize,
    pub(crate) seeds: u32,
}

pub(crate) const CASES: [(f64, usize); 7] = [
    (0.0, 200),
    (0.0, 1000),
    (0.5, 1000),
    (0.9, 1000),
    (0.9, 5000),
    (0.99, 1000),
    (0.99, 15_000),
];

fn rejects<T>(reading: Result<Reading<T>, Error>, p: impl Fn(&T) -> f64) -> Option<bool> {
    reading.unwrap().ready().map(|found| p(found) < 0.05)
}

fn tally<const K: usize>(
    case: Case,
    mut one: impl FnMut(&mut Random) -> [Option<bool>; K],
) -> [Rate; K] {
    let mut rates = [Rate::default(); K];
    for seed in 0..case.seeds {
        let mut random = Random::new(u64::from(seed) + 1_000_000);
        for (rate, rejected) in rates.iter_mut().zip(one(&mut random)) {
            rate.add(rejected);
        }
    }
    rates
}

pub(crate) const SERIES_TESTS: [&str; 6] = [
    "drift",
    "geweke",
    "kpss",
    "trend",
    "maxwell_boltzmann, known width",
    "maxwell_boltzmann, estimated",
];

/// The tests of one series: an autoregression plus a line that rises by `rise` sd over it.
pub(crate) fn series_rates(case: Case, rise: f64) -> [Rate; 6] {
    let config = TestConfig::default();
    tally(case, |random| {
        let mut x = ar1(random, case.rho, case.n);
        for (i, x) in x.iter_mut().enumerate() {
            *x += rise * i as f64 / case.n as f64;
        }
        [
            rejects(drift(&x, &config), |d| d.p_value),
            rejects(geweke(&x, &config), |d| d.p_value),
            rejects(kpss(&x, &config), |d| d.p_value),
            rejects(trend(&x, &config), |d| d.p_value),
            rejects(maxwell_boltzmann(&x, Width::Known(1.0)), |d| d.p_value),
            rejects(maxwell_boltzmann(&x, Width::Estimated), |d| d.p_value),
        ]
    })
}

pub(crate) const SYSTEM_TESTS: [&str; 4] = [
    "equipartition",
    "thermometer_agreement",
    "ensemble_test",
    "area_rates",
];

/// Energies of four harmonic modes at a temperature.
fn energies(random: &mut Random, case: Case, temperature: f64) -> Vec<f64> {
    let mut sum = vec![0.0; case.n];
    for _ in 0..4 {
        for (e, z) in sum.iter_mut().zip(ar1(random, case.rho, case.n)) {
            *e += 0.5 * temperature * z * z;
        }
    }
    sum
}

/// The tests of several series of one system, in equilibrium.
pub(crate) fn system_rates(case: Case) -> [Rate; 4] {
    let config = TestConfig::default();
    tally(case, |random| {
        let layers: Vec<Vec<f64>> = [1.0, 2.0, 0.5]
            .iter()
            .map(|width| {
                let x = ar1(random, case.rho, case.n);
                x.into_iter().map(|x| 10.0 + width * x).collect()
            })
            .collect();
        let layers: Vec<&[f64]> = layers.iter().map(Vec::as_slice).collect();
        let bath = ar1(random, case.rho, case.n);
        let thermometers: Vec<Vec<f64>> = (0..3)
            .map(|_| {
                let own = ar1(random, case.rho, case.n);
                bath.iter().zip(own).map(|(b, o)| b + 0.3 * o).collect()
            })
            .collect();
        let thermometers: Vec<&[f64]> = thermometers.iter().map(Vec::as_slice).collect();
        let (cold, hot) = (energies(random, case, 1.0), energies(random, case, 1.2));
        let runs = ensemble_test(
            &EnsembleRun::at_temperature(&cold, 1.0),
            &EnsembleRun::at_temperature(&hot, 1.2),
        );
        let coordinates: Vec<Vec<f64>> = [1.0, 0.7, 0.4]
            .iter()
            .map(|width| {
                let x = ar1(random, case.rho, case.n);
                x.into_iter().map(|x| width * x).collect()
            })
            .collect();
        let coordinates: Vec<&[f64]> = coordinates.iter().map(Vec::as_slice).collect();
        [
            rejects(equipartition(&layers, &config), |d| d.p_value),
            rejects(thermometer_agreement(&thermometers, &config), |d| d.p_value),
            rejects(runs, |d| d.p_value),
            rejects(area_rates(&coordinates, 3, &config), |d| d.p_value),
        ]
    })
}

/// What is wrong with the system that the verdict is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Rise of the loss over the series, in its own sd.
    pub(crate) rise: f64,
    /// Temperature of one layer over that of the two others.
    pub(crate) ratio: f64,
}

/// How the verdict answered: alarm (of any kind), out of equilibrium, steady but not thermal.
pub(crate) fn verdict_rates(case: Case, fault: Fault) -> [Rate; 3] {
    let config = VerdictConfig::default();
    tally(case, |random| {
        let mut loss = ar1(random, case.rho, case.n);
        for (i, x) in loss.iter_mut().enumerate() {
            *x += fault.rise * i as f64 / case.n as f64;
        }
        let norm = ar1(random, case.rho, case.n);
        // Each layer's temperature as a mean over eight squared displacements.
        let layers: Vec<Vec<f64>> = [1.0, 1.0, fault.ratio]
            .iter()
            .map(|temperature| {
                let mut sum = vec![0.0; case.n];
                for _ in 0..8 {
                    for (s, z) in sum.iter_mut().zip(ar1(random, case.rho, case.n)) {
                        *s += temperature * z * z / 8.0;
                    }
                }
                sum
            })
            .collect();
        let coordinates: Vec<Vec<f64>> = (0..3).map(|_| ar1(random, case.rho, case.n)).collect();
        let coordinates: Vec<&[f64]> = coordinates.iter().map(Vec::as_slice).collect();
        let currents = area_rates(&coordinates, 3, &config.tests).unwrap();
        let observables = [
            Observable::new("loss", &loss),
            Observable::new("squared norm", &norm),
            Observable::temperature("first", &layers[0]),
            Observable::temperature("second", &layers[1]),
            Observable::temperature("third", &layers[2]),
        ];
        let found = verdict(&observables, currents.ready(), &config).unwrap();
        let answered = !matches!(found, Verdict::InsufficientData { .. });
        let told = |alarm: bool| answered.then_some(alarm);
        [
            told(found.is_alarm()),
            told(matches!(found, Verdict::OutOfEquilibrium { .. })),
            told(matches!(found, Verdict::SteadyNotThermal { .. })),
        ]
    })
}

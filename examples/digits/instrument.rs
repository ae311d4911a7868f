//! A stand-in for the instrument, just enough to check the physics of the run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::common::training::State;

/// One step, as seen between gradient and update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    pub(crate) loss: f64,
    pub(crate) state: State<'a>,
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) momentum: f64,
}

/// Sums over steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    n: f64,
    loss: f64,
    r2: f64,
    gg: f64,
    wg: f64,
    noise: f64,
    r2_noise: f64,
    cosine: f64,
    moves: f64,
    delta2: f64,
    middle2: f64,
    eta: f64,
    lambda: f64,
    mu: f64,
    dof: f64,
    parameters: f64,
}

impl Sums {
    fn mean(&self, sum: f64) -> f64 {
        sum / self.n
    }
    pub(crate) fn energy(&self) -> f64 {
        self.mean(self.loss)
    }
    pub(crate) fn volume(&self) -> f64 {
        self.mean(self.r2) / 2.0
    }
    pub(crate) fn radius(&self) -> f64 {
        self.mean(self.r2).sqrt()
    }
    pub(crate) fn temperature(&self) -> f64 {
        self.eta * self.mean(self.noise) / (2.0 * (1.0 - self.mu) * self.dof)
    }
    pub(crate) fn temperature_middle(&self) -> f64 {
        self.middle2 / self.moves / (self.eta * self.dof)
    }
    fn temperature_kinetic(&self) -> f64 {
        (1.0 + self.mu) / (2.0 * self.eta) * self.delta2 / self.moves / self.parameters
    }
    pub(crate) fn compressibility(&self) -> f64 {
        self.lambda * self.mean(self.r2) / (self.dof * self.temperature())
    }
    fn damping(&self) -> f64 {
        self.lambda * (1.0 - self.mu) * (2.0 - self.eta * self.lambda / (1.0 + self.mu))
    }
    fn stationarity(&self) -> f64 {
        self.damping() * self.r2 / (self.eta * self.gg)
    }
    pub(crate) fn radius_predicted(&self) -> f64 {
        (self.eta * self.mean(self.r2_noise) / self.damping()).powf(0.25)
    }
    fn virial(&self) -> f64 {
        (self.lambda * self.mean(self.r2) + self.mean(self.wg))
            / (self.parameters * self.temperature_kinetic())
    }
    fn rows(&self) -> [(&'static str, f64); 12] {
        [
            ("energy U", self.energy()),
            ("temperature T (noise)", self.temperature()),
            ("temperature T (midpoint)", self.temperature_middle()),
            ("temperature T (kinetic)", self.temperature_kinetic()),
            ("volume V", self.volume()),
            ("compressibility Z", self.compressibility()),
            ("norm stationarity Z_d", self.stationarity()),
            ("radius r", self.radius()),
            ("radius predicted", self.radius_predicted()),
            (
                "T midpoint / T noise",
                self.temperature_middle() / self.temperature(),
            ),
            ("virial / kinetic", self.virial()),
            ("|w.g| / |w||g|", self.mean(self.cosine)),
        ]
    }
}

#[derive(Debug)]
pub(crate) struct Instrument {
    scales: usize,
    last: Vec<f64>,
    before_last: Vec<f64>,
    seen: usize,
    window: usize,
    half: usize,
    current: Sums,
    pub(crate) windows: Vec<(f64, Sums)>,
    pub(crate) second_half: Sums,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Instrument {
    pub(crate) fn new(scales: usize, steps: usize) -> Self {
        Self {
            scales,
            last: Vec::new(),
            before_last: Vec::new(),
            seen: 0,
            window: (steps / 100).max(1),
            half: steps / 2,
            current: Sums::default(),
            windows: Vec::new(),
            second_half: Sums::default(),
        }
    }

    pub(crate) fn observe(&mut self, o: &Observation<'_>) {
        let State {
            weights: w,
            gradient: g,
            second_gradient: g2,
        } = o.state;
        let (r2, gg, wg) = (dot(w, w), dot(g, g), dot(w, g));
        let noise = g.iter().zip(g2).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 2.0;
        let distance = |other: &[f64]| {
            w.iter()
                .zip(other)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
        };
        let (delta2, middle2) = (distance(&self.last), distance(&self.before_last) / 4.0);
        for (on, sums) in [
            (true, &mut self.current),
            (self.seen >= self.half, &mut self.second_half),
        ] {
            if !on {
                continue;
            }
            sums.n += 1.0;
            sums.loss += o.loss;
            sums.r2 += r2;
            sums.gg += gg;
            sums.wg += wg;
            sums.noise += noise;
            sums.r2_noise += r2 * noise;
            sums.cosine += wg.abs() / (r2 * gg).sqrt();
            if self.seen >= 2 {
                sums.moves += 1.0;
                sums.delta2 += delta2;
                sums.middle2 += middle2;
            }
            sums.eta = o.learning_rate;
            sums.lambda = o.weight_decay;
            sums.mu = o.momentum;
            sums.parameters = w.len() as f64;
            sums.dof = (w.len() - self.scales) as f64;
        }
        std::mem::swap(&mut self.last, &mut self.before_last);
        self.last.clear();
        self.last.extend_from_slice(w);
        self.seen += 1;
        if self.seen.is_multiple_of(self.window) {
            let sums = std::mem::take(&mut self.current);
            self.windows.push((self.seen as f64, sums));
        }
    }

    pub(crate) fn live(&self) -> String {
        self.windows.last().map_or_else(String::new, |(_, s)| {
            let (u, t, z, r) = (s.energy(), s.temperature(), s.compressibility(), s.radius());
            format!("U {u:.4}  T {t:.3e}  Z {z:.3}  r {r:.4}")
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.second_half.rows() {
            let _ = writeln!(out, "{name:<26} {value:>12.5e}");
        }
        out
    }

    pub(crate) fn json(&self) -> Value {
        self.second_half
            .rows()
            .iter()
            .map(|&(name, value)| (name.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

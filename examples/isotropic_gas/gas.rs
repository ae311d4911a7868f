//! One isotropic gas at each place of a grid, observed.

use std::{
    error::Error,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use thermograd::{
    Cadence, Config, Estimate, Groups, Observer, Piece, Reading, Symmetry, Window,
    entropy::{
        Neighbors, Resultant, Sampling, SnapshotWindow, WindowConfig, entropy_at_radius,
        fit_von_mises_fisher, geodesic_cap,
    },
    from_fn,
    systems::{GasProtocol, GasState, IsotropicGasConfig},
};

use super::common::fit::{exact, mean, ready};

/// What is held fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Held {
    /// The effective learning rate η/|w|², under weight decay.
    Elr,
    /// The learning rate, under weight decay.
    Lr,
    /// The effective learning rate, on a sphere of given radius.
    Sphere,
}

/// Snapshots in a window: one entropy each.
const SNAPSHOTS: usize = 1000;
/// Fewest snapshots that an entropy of a short run is made of.
const FEWEST: usize = 200;
/// Observed steps between two snapshots.
const LOOKS: u64 = 20;
/// Relaxation times that a run is given to forget its start.
const BURN_IN: f64 = 5.0;
/// Relaxation times of the norm that a run lasts at least: fewer give the radius no error bar.
const LEAST: f64 = 60.0;
/// How many times as long it may become until the radius has one.
const MOST: u64 = 8;

/// The grid and the length of the runs on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) held: Held,
    pub(crate) dims: usize,
    /// Places along each axis.
    pub(crate) grid: usize,
    /// Where the axes begin, a radius excepted.
    pub(crate) lowest: f64,
    /// Steps measured at the coldest place; elsewhere as many relaxation times of the direction, and
    /// everywhere at least [`LEAST`] of the norm.
    pub(crate) steps: u64,
    pub(crate) seed: u64,
}

/// One place of the grid: what is predicted, and what is measured.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// η, or η/|w|² where that is held.
    pub(crate) rate: f64,
    /// λ, or the radius on a sphere.
    pub(crate) other: f64,
    /// In the limit of small steps.
    pub(crate) continuum: GasState,
    /// To first order in the step.
    pub(crate) corrected: GasState,
    pub(crate) steps: u64,
    pub(crate) measured: Measured,
}

/// Readings of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) energy: Estimate,
    pub(crate) temperature: Estimate,
    pub(crate) radius: Estimate,
    pub(crate) volume: Estimate,
    /// λ, or what the gradient exerts on the sphere.
    pub(crate) pressure: Estimate,
    /// Of the direction: geodesic caps in few dimensions, a fit in many.
    pub(crate) direction_entropy: Estimate,
    /// The same by a von Mises-Fisher fit.
    pub(crate) fitted_entropy: Estimate,
    /// With the radius's share.
    pub(crate) entropy: Estimate,
}

impl Setting {
    /// The rates along the first axis.
    ///
    /// Up to 0.1, as published; where the effective rate is held no further than
    /// η_eff²(d − 1)σ² = 1/4, for at 1 no decay holds the radius. (A fixed learning rate has
    /// η_eff²(d − 1) = 2ηλ.)
    pub(crate) fn rates(&self) -> Vec<f64> {
        let most = match self.held {
            Held::Lr => 0.1,
            Held::Elr | Held::Sphere => (0.25 / (self.dims as f64 - 1.0)).sqrt().min(0.1),
        };
        logarithmic(self.lowest, most, self.grid)
    }

    /// The decays or radii along the second.
    pub(crate) fn others(&self) -> Vec<f64> {
        match self.held {
            Held::Sphere => logarithmic(0.1, 10.0, self.grid),
            Held::Elr | Held::Lr => logarithmic(self.lowest, 0.1, self.grid),
        }
    }

    fn gas(&self, rate: f64, other: f64) -> IsotropicGasConfig {
        let protocol = match self.held {
            Held::Elr => GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: rate,
                weight_decay: other,
            },
            Held::Lr => GasProtocol::FixedLearningRate {
                learning_rate: rate,
                weight_decay: other,
            },
            Held::Sphere => GasProtocol::FixedSphere {
                effective_learning_rate: rate,
            },
        };
        let gas = IsotropicGasConfig::new(self.dims, protocol).strength(1.0);
        match self.held {
            Held::Sphere => gas.radius(other),
            Held::Elr | Held::Lr => gas,
        }
    }

    /// Runs the whole grid on this many threads, first axis outermost; `done` hears of every place.
    pub(crate) fn run(
        &self,
        threads: usize,
        done: impl Fn() + Sync,
    ) -> Result<Vec<Place>, Box<dyn Error>> {
        let (rates, others) = (self.rates(), self.others());
        let mut places = Vec::with_capacity(rates.len() * others.len());
        for &rate in &rates {
            for &other in &others {
                let gas = self.gas(rate, other);
                let (corrected, continuum) = (gas.stationary_state(), gas.continuum_state());
                let (Reading::Ready(corrected), Reading::Ready(continuum)) = (corrected, continuum)
                else {
                    return Err(format!("no stationary state at {rate}, {other}").into());
                };
                places.push((gas, rate, other, corrected, continuum));
            }
        }
        let coldest = places.iter().map(|place| 2.0 * place.3.temperature);
        let coldest = coldest.fold(f64::INFINITY, f64::min);
        // Two relaxation times of the direction from one snapshot to the next.
        let snapshots = whole(self.steps as f64 * coldest / 2.0).max(FEWEST);
        // The longest first, so that no thread is left with one at the end.
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by(|&a, &b| places[a].3.temperature.total_cmp(&places[b].3.temperature));
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<(), String> {
            while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (gas, rate, other, corrected, continuum) = places[index];
                let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
                let radius = corrected.squared_radius.sqrt();
                let gas = gas.radius(radius).seed(seed);
                let (steps, measured) = measure(gas, &corrected, self, snapshots)
                    .map_err(|error| format!("at {rate}, {other}: {error}"))?;
                let place = Place {
                    rate,
                    other,
                    continuum,
                    corrected,
                    steps,
                    measured,
                };
                results
                    .lock()
                    .map_err(|_| "a worker gave up")?
                    .push((index, place));
                done();
            }
            Ok(())
        };
        thread::scope(|scope| -> Result<(), String> {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| "a worker gave up")?)
        })?;
        let mut results = results.into_inner()?;
        results.sort_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, place)| place).collect())
    }
}

/// Entropies of successive windows of snapshots.
struct Entropies {
    window: SnapshotWindow,
    caps: Vec<Estimate>,
    fits: Vec<Estimate>,
}

impl Entropies {
    fn new(snapshots: usize) -> Result<Self, thermograd::Error> {
        Ok(Self {
            window: SnapshotWindow::new(WindowConfig::new(snapshots))?,
            caps: Vec::new(),
            fits: Vec::new(),
        })
    }

    fn push(&mut self, step: u64, weights: &[f64]) -> Result<(), Box<dyn Error>> {
        self.window.push(step, weights)?;
        if self.window.is_full() {
            let distances = self.window.distances();
            let cap = geodesic_cap(&distances, Neighbors::new(2))?;
            self.caps.push(ready("entropy", &cap.map(|s| s.entropy))?);
            let sampling = Sampling::Trajectory;
            let fit = fit_von_mises_fisher(&distances, Resultant::DistinctPairs, sampling);
            let fit = fit.map(|fit| fit.entropy.entropy);
            self.fits.push(ready("fitted entropy", &fit)?);
            self.window.clear();
        }
        Ok(())
    }
}

/// The mean over windows that follow one another.
fn together(windows: &[Estimate]) -> Estimate {
    Estimate {
        n_eff: windows.iter().map(|s| s.n_eff).sum(),
        ..mean(windows)
    }
}

/// Runs one gas and reads it.
fn measure(
    gas: IsotropicGasConfig,
    expected: &GasState,
    setting: &Setting,
    snapshots: usize,
) -> Result<(u64, Measured), Box<dyn Error>> {
    let step = 2.0 * expected.temperature;
    // A tenth of the direction's relaxation time between looks, two of them between snapshots.
    let every = whole(0.1 / step).max(1) as u64;
    let spacing = LOOKS * every;
    let freedom = setting.dims as f64 - 1.0;
    let norm = match setting.held {
        Held::Sphere => 0.0,
        // r² and r⁴ relax at η_eff²M and 4ηλ = 2η_eff²M.
        Held::Elr => 1.0 / (step * step * freedom),
        Held::Lr => 0.5 / (step * step * freedom),
    };
    let burn_in = whole(BURN_IN * norm.max(2.0 / step)) as u64;
    let burn_in = burn_in.next_multiple_of(every);

    let mut gas = gas.build()?;
    for _ in 0..burn_in {
        gas.step()?;
    }
    let mut groups = Groups::new();
    let all = groups.add("gas", Symmetry::ScaleInvariant);
    let config = Config::default()
        .window(Window::Growing)
        .cadence(Cadence::bursts(1, every)?);
    let mut observer = Observer::with_config(groups, config)?;
    let size = SNAPSHOTS.min(snapshots);
    let mut entropies = Entropies::new(size)?;
    let sampled = spacing * (size * snapshots.div_ceil(size)) as u64;
    let steps = sampled.max((whole(LEAST * norm) as u64).next_multiple_of(every));
    let most = steps.saturating_mul(MOST);
    let (mut step, mut end) = (0, steps);
    while step < end {
        let facts = gas.facts();
        if observer.is_due() {
            gas.draw_second();
        }
        let snapshot = from_fn(|out| {
            let piece = Piece::new(gas.weights(), gas.gradient());
            match gas.second_gradient() {
                Some(second) => out.piece(all, &piece.second_gradient(second)),
                None => out.piece(all, &piece),
            }
        });
        observer.observe(&facts, &snapshot)?;
        if step < sampled && step % spacing == 0 {
            entropies.push(step, gas.weights())?;
        }
        gas.step()?;
        step += 1;
        // A radius that wanders slowly gets a longer run.
        if step == end && end < most && observer.read(all, "radius")?.ready().is_none() {
            end += (steps / 2).next_multiple_of(every);
        }
    }

    let read = |name: &str| -> Result<Estimate, Box<dyn Error>> {
        Ok(ready(name, &observer.read(all, name)?)?)
    };
    let energy = ready("loss", &observer.read_model("loss")?)?;
    // On the sphere the radius is set and has no error to estimate.
    let sphere = setting.held == Held::Sphere;
    let held = |value: Estimate| if sphere { exact(value.value) } else { value };
    let (radius, volume) = (held(read("radius")?), held(read("volume")?));
    let pressure = if sphere {
        read("pressure_mechanical")?
    } else {
        exact(read("pressure")?.value)
    };
    let fitted_entropy = together(&entropies.fits);
    let direction_entropy = if setting.dims == 3 {
        together(&entropies.caps)
    } else {
        fitted_entropy
    };
    let value = entropy_at_radius(direction_entropy.value, setting.dims, radius.value)?;
    let from_radius = freedom * radius.std_error / radius.value;
    Ok((
        step,
        Measured {
            energy,
            temperature: read("temperature_noise")?,
            radius,
            volume,
            pressure,
            direction_entropy,
            fitted_entropy,
            entropy: Estimate {
                value,
                std_error: direction_entropy.std_error.hypot(from_radius),
                n_eff: direction_entropy.n_eff,
            },
        },
    ))
}

/// From one value to another in equal ratios.
fn logarithmic(from: f64, to: f64, count: usize) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count)
        .map(|i| from * (to / from).powf(i as f64 / last))
        .collect()
}

/// The nearest count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a count holds"
)]
fn whole(x: f64) -> usize {
    x.round().clamp(0.0, 1e15) as usize
}

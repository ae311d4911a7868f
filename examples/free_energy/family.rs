//! One network cooled through a family of learning rates on its spheres, observed at each.

use std::error::Error;

use thermograd::{
    Cadence, Config, Estimate, Groups, Observer, Protocol, Step, Symmetry, Window,
    entropy::{Neighbors, WindowConfig, geodesic_cap, spread},
    slices,
};

use super::common::{
    data::Digits,
    fit::{linear, ready},
    training::{Config as Knobs, Training},
};

/// A network and how long it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) hidden: usize,
    pub(crate) batch: usize,
    pub(crate) snapshots: usize,
    /// Of the network.
    pub(crate) seed: u64,
    /// Of the batches.
    pub(crate) run: u64,
}

/// What is seen at one rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) energy: Estimate,
    /// Of the directions of all rows, by nearest neighbours: for differences.
    pub(crate) entropy: Estimate,
    /// Of the gradient's noise.
    pub(crate) temperature: Estimate,
    /// Independent snapshots in the least settled row.
    pub(crate) independent: f64,
}

/// In units of 1/η_eff: steps given to settle, and from one snapshot to the next.
const BURN_IN: f64 = 60.0;
const SPACING: f64 = 0.5;
/// Looks from one snapshot to the next.
const LOOKS: u64 = 5;

/// Runs through these rates from the first to the last.
pub(crate) fn cool(
    setting: &Setting,
    rates: &[f64],
    digits: &Digits,
    done: impl Fn(),
) -> Result<Vec<Seen>, Box<dyn Error>> {
    let knobs = Knobs {
        weight_decay: 0.0,
        batch: setting.batch,
        hidden: setting.hidden,
        seed: setting.seed,
        ..Knobs::default()
    };
    let mut training = Training::new(&knobs, digits);
    training.reseed(setting.run);
    project(&mut training);
    rates
        .iter()
        .map(|&rate| {
            let seen = at(&mut training, rate, setting.snapshots);
            done();
            seen
        })
        .collect()
}

/// Puts every row back on its sphere, of radius 1/√rows.
fn project(training: &mut Training<'_>) {
    let rows = training.network.scales().max(1);
    let weights = training.network.weights_mut();
    let width = (weights.len() / rows).max(1);
    for row in weights.chunks_mut(width) {
        let norm = (rows as f64 * row.iter().map(|w| w * w).sum::<f64>()).sqrt();
        if norm > 0.0 {
            for w in row {
                *w /= norm;
            }
        }
    }
}

fn at(training: &mut Training<'_>, rate: f64, snapshots: usize) -> Result<Seen, Box<dyn Error>> {
    training.optimizer.learning_rate = rate;
    for _ in 0..whole(BURN_IN / rate) {
        training.gradient();
        training.update();
        project(training);
    }
    let every = whole(SPACING / rate / LOOKS as f64).max(1);
    let mut groups = Groups::new();
    let symmetry = Symmetry::ScaleInvariantBy(training.network.scales());
    let hidden = groups.add("hidden", symmetry);
    let config = Config::default()
        .window(Window::Growing)
        .cadence(Cadence::bursts(1, every)?)
        .snapshots(WindowConfig::new(snapshots).every(every * LOOKS));
    let mut observer = Observer::with_config(groups, config)?;
    for _ in 0..every * LOOKS * snapshots as u64 {
        let loss = training.gradient();
        if observer.is_due() {
            training.second_gradient();
        }
        let facts = Step::new(loss)
            .learning_rate(rate)
            .protocol(Protocol::FixedSphere);
        let state = training.state();
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        observer.observe(&facts, &snapshot)?;
        training.update();
        project(training);
    }
    // Row by row. A network in a flat valley drifts on, and would be refused an entropy: its
    // snapshots are taken as they come, and how many of them are independent is told beside.
    let (mut rows, mut independent) = (Vec::new(), f64::INFINITY);
    for window in observer.snapshots(hidden)? {
        let distances = window.distances();
        let cap = geodesic_cap(&distances, Neighbors::new(1).independent())?;
        rows.push((1.0, ready("entropy", &cap.map(|s| s.entropy))?));
        if let Some(spread) = spread(&distances).ready() {
            let count = distances.len() as f64 / spread.autocorrelation_time;
            independent = count.min(independent);
        }
    }
    Ok(Seen {
        energy: ready("loss", &observer.read_model("loss")?)?,
        entropy: linear(rows),
        temperature: ready("temperature", &observer.read(hidden, "temperature_noise")?)?,
        independent,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a count holds"
)]
fn whole(x: f64) -> u64 {
    x.ceil().clamp(0.0, 1e12) as u64
}

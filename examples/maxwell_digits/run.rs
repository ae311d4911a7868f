//! The normalised digits network in one protocol at one place of the grid, observed.

use std::error::Error;

use thermograd::{
    Cadence, Config, Ensemble, Estimate, GroupId, Groups, Moment, Observer, Protocol, Reading,
    Step, Symmetry, Window, entropy::WindowConfig, pressure, slices,
};

use super::common::{
    data::Digits,
    fit::ready,
    training::{Config as Knobs, Training},
};

/// What is held fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Held {
    /// The learning rate, under weight decay.
    Lr,
    /// The effective learning rate η/|W|², under weight decay.
    Elr,
    /// The effective learning rate, on a sphere of given radius.
    Sphere,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) held: Held,
    /// η, or η/|W|².
    pub(crate) rate: f64,
    /// λ, or the radius.
    pub(crate) other: f64,
    pub(crate) hidden: usize,
    pub(crate) batch: usize,
    pub(crate) snapshots: usize,
    /// Of the network, the same at all places.
    pub(crate) seed: u64,
    /// Of the batches.
    pub(crate) run: u64,
}

/// What one run says.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) steps: u64,
    /// η_eff²M/2: the part by which a step turns the weights, and the gas's memory.
    pub(crate) turn: f64,
    pub(crate) freedom: f64,
    pub(crate) energy: Estimate,
    pub(crate) temperature: Estimate,
    pub(crate) pressure: Estimate,
    pub(crate) volume: Estimate,
    pub(crate) radius: Estimate,
    /// pV/(RT) with the temperature of the noise.
    pub(crate) z: Reading,
    /// What decay takes from the norm over what gradients add.
    pub(crate) z_d: Reading,
    /// By the noise alone, and by noise and mean gradient: both corrected for the step.
    pub(crate) predicted: Reading,
    pub(crate) balance: Reading,
    pub(crate) entropy: Estimate,
    /// Autocorrelation time of the snapshots.
    pub(crate) memory: f64,
}

/// Steps after which the rate of forgetting is estimated, and over how many.
const PILOT: u64 = 3000;
const LOOK: u64 = 500;
/// Memories of the gas given to settle, and from one snapshot to the next.
const BURN_IN: f64 = 6.0;
const SPACING: f64 = 0.5;
/// Looks from one snapshot to the next.
const LOOKS: u64 = 10;
/// How many times as long a run may become until its readings have error bars.
const MOST: u64 = 6;

impl Seen {
    /// A prediction as it is for small steps: r*² or r*⁴ less the part ηλ/2.
    pub(crate) fn continuous(held: Held, decay: f64, rate: f64, r: Estimate) -> Estimate {
        let factor = match held {
            Held::Lr => (1.0 - 0.5 * rate * decay).powf(0.25),
            // x = η_eff λ r*² solves 2x − x² = η_eff²M.
            Held::Elr => (1.0 - 0.5 * rate * decay * r.value * r.value).sqrt(),
            Held::Sphere => 1.0,
        };
        Estimate {
            value: factor * r.value,
            std_error: factor * r.std_error,
            n_eff: r.n_eff,
        }
    }
}

/// pV/(RT) with the pressure that the gradient exerts on a sphere.
fn z_of_sphere(e: &Ensemble) -> Option<f64> {
    let heat = e.mean(Moment::NoiseHeat).filter(|&heat| heat > 0.0)?;
    Some(2.0 * pressure::mechanical(e)? * pressure::volume(e)? / heat)
}

/// A network with its protocol.
struct Run<'a> {
    training: Training<'a>,
    setting: &'a Setting,
}

impl<'a> Run<'a> {
    fn new(setting: &'a Setting, digits: &'a Digits) -> Self {
        let knobs = Knobs {
            learning_rate: setting.rate,
            weight_decay: if setting.held == Held::Sphere {
                0.0
            } else {
                setting.other
            },
            batch: setting.batch,
            hidden: setting.hidden,
            seed: setting.seed,
            ..Knobs::default()
        };
        let mut training = Training::new(&knobs, digits);
        training.reseed(setting.run);
        let mut run = Self { training, setting };
        run.project();
        run.set_rate();
        run
    }

    fn squared_norm(&self) -> f64 {
        self.training.network.weights().iter().map(|w| w * w).sum()
    }

    /// Back to the sphere, where there is one.
    fn project(&mut self) {
        if self.setting.held == Held::Sphere {
            let scale = self.setting.other / self.squared_norm().sqrt();
            for w in self.training.network.weights_mut() {
                *w *= scale;
            }
        }
    }

    fn set_rate(&mut self) {
        if self.setting.held != Held::Lr {
            self.training.optimizer.learning_rate = self.setting.rate * self.squared_norm();
        }
    }

    fn update(&mut self) {
        self.training.update();
        self.project();
        self.set_rate();
    }

    /// η²|g|²/(2|W|²) of the gradient at hand.
    fn turn(&self) -> f64 {
        let g2: f64 = self.training.state().gradient.iter().map(|g| g * g).sum();
        0.5 * self.training.optimizer.learning_rate.powi(2) * g2 / self.squared_norm()
    }

    fn facts(&self, loss: f64) -> Step {
        let step = Step::new(loss)
            .learning_rate(self.training.optimizer.learning_rate)
            .batch_size(self.setting.batch);
        match self.setting.held {
            Held::Lr => step.weight_decay(self.setting.other),
            Held::Elr => step
                .weight_decay(self.setting.other)
                .protocol(Protocol::FixedEffectiveLearningRate),
            Held::Sphere => step.protocol(Protocol::FixedSphere),
        }
    }
}

/// Trains until the start is forgotten, then reads.
pub(crate) fn run(setting: &Setting, digits: &Digits) -> Result<Seen, Box<dyn Error>> {
    let mut run = Run::new(setting, digits);
    let mut pilot = 0.0;
    for step in 0..PILOT {
        run.training.gradient();
        if step >= PILOT - LOOK {
            pilot += run.turn() / LOOK as f64;
        }
        run.update();
    }
    let turn = match setting.held {
        Held::Lr => setting.rate * setting.other,
        Held::Elr | Held::Sphere => pilot,
    };
    let turn = turn.clamp(1e-5, 0.1);
    for _ in 0..whole(BURN_IN / turn) {
        run.training.gradient();
        run.update();
    }

    let every = whole(SPACING / turn / LOOKS as f64).max(1);
    let spacing = every * LOOKS;
    let mut groups = Groups::new();
    let scales = run.training.network.scales();
    let hidden = groups.add("hidden", Symmetry::ScaleInvariantBy(scales));
    let config = Config::default()
        .window(Window::Growing)
        .cadence(Cadence::bursts(1, every)?)
        .snapshots(WindowConfig::new(setting.snapshots).every(spacing));
    let mut observer = Observer::with_config(groups, config)?;
    let steps = spacing * setting.snapshots as u64;
    let (mut step, mut end) = (0, steps);
    while step < end {
        let loss = run.training.gradient();
        if observer.is_due() {
            run.training.second_gradient();
        }
        let facts = run.facts(loss);
        let state = run.training.state();
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        observer.observe(&facts, &snapshot)?;
        run.update();
        step += 1;
        // What wanders slowly gets a longer run; snapshots are then the last ones.
        if step == end && end < MOST * steps {
            let pending = |name: &str| -> Result<bool, thermograd::Error> {
                Ok(matches!(
                    observer.read(hidden, name)?,
                    Reading::Pending { .. }
                ))
            };
            let short = matches!(observer.entropy(hidden)?, Reading::Pending { .. });
            if short || pending("volume")? || pending("temperature_noise")? {
                end += (steps / 2).next_multiple_of(every);
            }
        }
    }

    let weights = run.training.network.weights().len();
    seen(setting, &observer, hidden, (step, turn, weights - scales))
}

/// What the observer has to say of the steps, the turn and the degrees of freedom.
fn seen(
    setting: &Setting,
    observer: &Observer,
    hidden: GroupId,
    (steps, turn, freedom): (u64, f64, usize),
) -> Result<Seen, Box<dyn Error>> {
    let read = |name: &str| observer.read(hidden, name);
    let value = |name: &str| -> Result<Estimate, Box<dyn Error>> { Ok(ready(name, &read(name)?)?) };
    let sphere = setting.held == Held::Sphere;
    let set = |e: Estimate| {
        if sphere {
            Estimate {
                std_error: 0.0,
                ..e
            }
        } else {
            e
        }
    };
    let entropy = observer.entropy(hidden)?;
    let memory = entropy.ready().map_or(0.0, |s| s.autocorrelation_time);
    Ok(Seen {
        steps,
        turn,
        freedom: freedom as f64,
        energy: ready("loss", &observer.read_model("loss")?)?,
        temperature: value("temperature_noise")?,
        pressure: value(if sphere {
            "pressure_mechanical"
        } else {
            "pressure"
        })?,
        volume: set(value("volume")?),
        radius: set(value("radius")?),
        z: if sphere {
            let needs = &[
                Moment::NoiseHeat,
                Moment::MechanicalPressure,
                Moment::NormSquared,
            ];
            observer.read_formula(Some(hidden), needs, z_of_sphere)?
        } else {
            read("z")?
        },
        z_d: read("z_d")?,
        predicted: read("radius_predicted")?,
        balance: read("radius_balance")?,
        entropy: ready("entropy", &entropy.map(|s| s.entropy))?,
        memory,
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

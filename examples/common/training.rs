//! Stochastic gradient descent, or AdamW, on the digits, one step at a time.
//!
//! Batches are drawn with replacement, so that the noise of successive steps is independent and
//! its covariance is 1/B of that of one example. A second batch of the same size, from a stream
//! of its own, gives a second gradient at the same weights: an unbiased measure of the noise that
//! leaves the run as it is.

use thermograd::{Optimizer, Step, systems::Random};

use super::{
    data::{Digits, Split},
    network::{Architecture, Network, Normalisation},
};

/// The update rules on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rule {
    /// Heavy ball with coupled weight decay.
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// The knobs of a run, as flags.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Config {
    /// The update rule.
    #[arg(long, value_enum, default_value_t = Config::default().optimizer)]
    pub(crate) optimizer: Rule,
    /// Learning rate η.
    #[arg(long = "lr", value_name = "RATE", default_value_t = Config::default().learning_rate, allow_negative_numbers = true)]
    pub(crate) learning_rate: f64,
    /// Weight decay λ: coupled under sgd (λw is added to the gradient), decoupled under adamw.
    #[arg(long, value_name = "RATE", default_value_t = Config::default().weight_decay, allow_negative_numbers = true)]
    pub(crate) weight_decay: f64,
    /// Heavy-ball momentum μ, or β₁ of adamw.
    #[arg(long, value_name = "FRACTION", default_value_t = Config::default().momentum, allow_negative_numbers = true)]
    pub(crate) momentum: f64,
    /// β₂ of adamw.
    #[arg(long, value_name = "FRACTION", default_value_t = Config::default().beta2, allow_negative_numbers = true)]
    pub(crate) beta2: f64,
    /// Examples in a batch, drawn with replacement.
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().batch)]
    pub(crate) batch: usize,
    /// Hidden neurons.
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().hidden)]
    pub(crate) hidden: usize,
    /// Optimiser steps.
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().steps)]
    pub(crate) steps: usize,
    /// Seed of the initial weights and of the batches.
    #[arg(long, value_name = "NUMBER", default_value_t = Config::default().seed)]
    pub(crate) seed: u64,
    /// Leave out the batch normalisation: a real gas in place of an ideal one.
    #[arg(long)]
    pub(crate) no_norm: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            optimizer: Rule::Sgd,
            learning_rate: 0.1,
            weight_decay: 0.01,
            momentum: 0.0,
            beta2: 0.999,
            batch: 64,
            hidden: 32,
            steps: 40_000,
            seed: 0,
            no_norm: false,
        }
    }
}

impl Config {
    /// What is wrong with these numbers, if anything is.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let rates = [
            (
                "learning rate",
                self.learning_rate,
                f64::MAX,
                "a finite number, 0 or more",
            ),
            (
                "weight decay",
                self.weight_decay,
                f64::MAX,
                "a finite number, 0 or more",
            ),
            (
                "momentum",
                self.momentum,
                1.0 - f64::EPSILON,
                "0 or more, and less than 1",
            ),
            (
                "beta2",
                self.beta2,
                1.0 - f64::EPSILON,
                "0 or more, and less than 1",
            ),
        ];
        for (what, value, most, allowed) in rates {
            if !(0.0..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {allowed}"));
            }
        }
        let counts = [
            ("batch", self.batch, 2, 100_000),
            ("hidden", self.hidden, 1, 10_000),
            ("steps", self.steps, 1, 1_000_000_000),
        ];
        for (what, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        Ok(())
    }

    fn normalisation(&self) -> Normalisation {
        if self.no_norm {
            Normalisation::None
        } else {
            Normalisation::Batch
        }
    }
}

/// A run in progress: [`gradient`](Self::gradient), a look at it, [`update`](Self::update).
#[derive(Debug, Clone)]
pub(crate) struct Training<'a> {
    /// The network being trained.
    pub(crate) network: Network,
    /// Learning rate, decay and momentum; they may change between steps.
    pub(crate) optimizer: Updater,
    data: &'a Split,
    batches: Batches,
    other_batches: Batches,
    gradient: Vec<f64>,
    second_gradient: Vec<f64>,
}

impl<'a> Training<'a> {
    /// A fresh network, not yet trained.
    pub(crate) fn new(config: &Config, digits: &'a Digits) -> Self {
        let mut random = Random::new(config.seed);
        let architecture = Architecture {
            inputs: digits.training.width(),
            hidden: config.hidden,
            normalisation: config.normalisation(),
        };
        let network = Network::new(architecture, &mut random);
        let parameters = network.weights().len();
        let mut batches = || Batches {
            random: Random::new(random.bits()),
            indices: vec![0; config.batch],
        };
        Self {
            network,
            optimizer: Updater {
                rule: config.optimizer,
                learning_rate: config.learning_rate,
                weight_decay: config.weight_decay,
                momentum: config.momentum,
                beta2: config.beta2,
                steps: 0,
                velocity: vec![0.0; parameters],
                second_moment: vec![0.0; parameters],
                preconditioner: vec![1.0 / EPSILON; parameters],
            },
            data: &digits.training,
            batches: batches(),
            other_batches: batches(),
            gradient: vec![0.0; parameters],
            second_gradient: vec![0.0; parameters],
        }
    }

    /// Draws batches from other streams from now on: another run of the same network.
    pub(crate) fn reseed(&mut self, seed: u64) {
        let mut random = Random::new(seed);
        self.batches.random = Random::new(random.bits());
        self.other_batches.random = Random::new(random.bits());
    }

    /// Draws the batch of this step and takes its gradient; its mean loss.
    pub(crate) fn gradient(&mut self) -> f64 {
        let batch = self.batches.draw(self.data.len());
        let loss = self
            .network
            .loss_and_gradient(self.data, batch, &mut self.gradient);
        self.optimizer.prepare(&self.gradient);
        loss
    }

    /// Examples in the batches that follow.
    pub(crate) fn set_batch(&mut self, examples: usize) {
        for batches in [&mut self.batches, &mut self.other_batches] {
            batches.indices.resize(examples, 0);
        }
    }

    /// The loss of this step's batch at the weights of now: after the update, the heat is in it.
    pub(crate) fn loss_again(&mut self) -> f64 {
        self.network.loss(self.data, &self.batches.indices)
    }

    /// The same with an independent batch at the same weights. The run does not notice.
    pub(crate) fn second_gradient(&mut self) -> f64 {
        let batch = self.other_batches.draw(self.data.len());
        self.network
            .loss_and_gradient(self.data, batch, &mut self.second_gradient)
    }

    /// The weights with the gradients computed last.
    pub(crate) fn state(&self) -> State<'_> {
        State {
            weights: self.network.weights(),
            gradient: &self.gradient,
            second_gradient: &self.second_gradient,
            preconditioner: match self.optimizer.rule {
                Rule::Sgd => None,
                Rule::Adamw => Some(&self.optimizer.preconditioner),
            },
        }
    }

    /// Moves the weights by the gradient of this step's batch.
    pub(crate) fn update(&mut self) {
        self.optimizer
            .step(self.network.weights_mut(), &self.gradient);
    }
}

/// What there is to observe between gradient and update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State<'a> {
    /// The weights, before the update.
    pub(crate) weights: &'a [f64],
    /// The gradient that the update will use, without weight decay.
    pub(crate) gradient: &'a [f64],
    /// That of an independent batch.
    pub(crate) second_gradient: &'a [f64],
    /// What the optimiser multiplies the gradient by, if anything.
    pub(crate) preconditioner: Option<&'a [f64]>,
}

/// ε of `AdamW`.
const EPSILON: f64 = 1e-8;

/// Heavy ball with coupled weight decay: v ← μv + g + λw, w ← w − ηv. Or `AdamW`:
/// m ← μm + (1−μ)g, v ← β₂v + (1−β₂)g², w ← (1−ηλ)w − ηm̂/(√v̂ + ε).
#[derive(Debug, Clone)]
pub(crate) struct Updater {
    rule: Rule,
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) momentum: f64,
    beta2: f64,
    steps: i32,
    velocity: Vec<f64>,
    second_moment: Vec<f64>,
    preconditioner: Vec<f64>,
}

impl Updater {
    /// What an observer should know of a step with this batch loss.
    pub(crate) fn facts(&self, loss: f64) -> Step {
        let step = Step::new(loss).learning_rate(self.learning_rate);
        match self.rule {
            Rule::Sgd => step.weight_decay(self.weight_decay).momentum(self.momentum),
            Rule::Adamw => {
                step.decoupled_weight_decay(self.weight_decay)
                    .optimizer(Optimizer::Adam {
                        beta1: self.momentum,
                        beta2: self.beta2,
                        epsilon: EPSILON,
                    })
            }
        }
    }

    /// Takes the gradient into the second moment: the preconditioner is then that of the step.
    fn prepare(&mut self, gradient: &[f64]) {
        if self.rule == Rule::Sgd {
            return;
        }
        self.steps = self.steps.saturating_add(1);
        let bias = 1.0 - self.beta2.powi(self.steps);
        let state = self.second_moment.iter_mut().zip(&mut self.preconditioner);
        for (g, (v, d)) in gradient.iter().zip(state) {
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *d = 1.0 / ((*v / bias).sqrt() + EPSILON);
        }
    }

    fn step(&mut self, weights: &mut [f64], gradient: &[f64]) {
        match self.rule {
            Rule::Sgd => {
                for ((w, g), v) in weights.iter_mut().zip(gradient).zip(&mut self.velocity) {
                    *v = self.momentum * *v + g + self.weight_decay * *w;
                    *w -= self.learning_rate * *v;
                }
            }
            Rule::Adamw => self.adamw(weights, gradient),
        }
    }

    fn adamw(&mut self, weights: &mut [f64], gradient: &[f64]) {
        let bias = 1.0 - self.momentum.powi(self.steps);
        let state = self.velocity.iter_mut().zip(&self.preconditioner);
        for ((w, g), (m, d)) in weights.iter_mut().zip(gradient).zip(state) {
            *m = self.momentum * *m + (1.0 - self.momentum) * g;
            *w -= self.learning_rate * (self.weight_decay * *w + d * *m / bias);
        }
    }
}

#[derive(Debug, Clone)]
struct Batches {
    random: Random,
    indices: Vec<usize>,
}

impl Batches {
    fn draw(&mut self, examples: usize) -> &[usize] {
        for index in &mut self.indices {
            *index = self.random.below(examples);
        }
        &self.indices
    }
}

//! What a training step is, apart from its tensors: loss, hyper-parameters, batch.
//!
//! Every fact but the loss is optional. A metric that needs a learning rate nobody gave is
//! undefined, not computed with zero.

use crate::error::check_range;
use crate::{Decay, Error, Optimizer, Protocol};

/// How a batch is drawn from the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Sampling {
    /// Every example anew: the noise of a batch is S/B.
    #[default]
    WithReplacement,
    /// No example twice in a batch, batches independent: S(1/B − 1/N).
    WithoutReplacement,
    /// The data set is shuffled and cut into batches, epoch by epoch: S(1/B − 1/N) in one step,
    /// but batches of an epoch lean against each other and slow modes are colder than that; see
    /// [`noise::reshuffling_factor`](crate::noise::reshuffling_factor).
    Reshuffled,
}

/// The facts of one training step, told by name.
///
/// ```
/// use thermograd::Step;
/// let step = Step::new(2.3).learning_rate(0.1).weight_decay(1e-3).batch_size(128);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step {
    pub(crate) loss: f64,
    pub(crate) independent_loss: Option<f64>,
    pub(crate) previous_batch_loss: Option<f64>,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) decay: Decay,
    pub(crate) optimizer: Optimizer,
    pub(crate) protocol: Protocol,
    pub(crate) batch_size: Option<usize>,
    pub(crate) data_set_size: Option<usize>,
    pub(crate) sampling: Sampling,
}

impl Step {
    /// A step whose mini-batch had this mean loss, weight decay left out.
    pub const fn new(loss: f64) -> Self {
        Self {
            loss,
            independent_loss: None,
            previous_batch_loss: None,
            learning_rate: None,
            weight_decay: None,
            decay: Decay::Coupled,
            optimizer: Optimizer::SGD,
            protocol: Protocol::FixedLearningRate,
            batch_size: None,
            data_set_size: None,
            sampling: Sampling::WithReplacement,
        }
    }

    /// η of this step.
    #[must_use]
    pub const fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = Some(learning_rate);
        self
    }

    /// λ, added to the gradient as λw (coupled).
    #[must_use]
    pub const fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self.decay = Decay::Coupled;
        self
    }

    /// λ, applied apart from the gradient as w ← (1−ηλ)w.
    #[must_use]
    pub const fn decoupled_weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self.decay = Decay::Decoupled;
        self
    }

    /// μ of the optimiser in use, β₁ of Adam (heavy ball, unless [`Step::optimizer`] said otherwise).
    #[must_use]
    pub const fn momentum(mut self, momentum: f64) -> Self {
        self.optimizer = self.optimizer.with_momentum(momentum);
        self
    }

    /// The update rule, plain SGD by default.
    #[must_use]
    pub const fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// What is held fixed while the weights move: the learning rate by default.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// B, the number of examples behind the gradient.
    #[must_use]
    pub const fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// N, the number of examples that batches are drawn from.
    #[must_use]
    pub const fn data_set_size(mut self, data_set_size: usize) -> Self {
        self.data_set_size = Some(data_set_size);
        self
    }

    /// How the batch is drawn: with replacement by default.
    #[must_use]
    pub const fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// The loss at the same weights on another, independent batch (or on the whole data set).
    /// The heat capacity needs it: the variance of one batch's loss is mostly the batch's.
    #[must_use]
    pub const fn independent_loss(mut self, loss: f64) -> Self {
        self.independent_loss = Some(loss);
        self
    }

    /// The previous step's batch evaluated again, now that its update is done, with the same
    /// dropout and augmentation: what the calorimetric thermometer reads.
    #[must_use]
    pub const fn previous_batch_loss(mut self, loss: f64) -> Self {
        self.previous_batch_loss = Some(loss);
        self
    }

    /// The same step told for the *mean* of `parts` micro-batch gradients, where its facts were
    /// those of their sum, which the optimiser took: g/K with the learning rate Kη and the decay
    /// λ/K moves the weights as g with η and λ does. Adam is blind to the scale of g but for ε.
    /// The batch is that of all parts together.
    #[cfg(feature = "burn022-train")]
    pub(crate) fn of_mean(mut self, parts: u32) -> Self {
        let k = f64::from(parts.max(1));
        let adaptive = match &mut self.optimizer {
            Optimizer::Adam { epsilon, .. } => {
                *epsilon /= k;
                true
            }
            Optimizer::Update => true,
            _ => false,
        };
        if !adaptive {
            self.learning_rate = self.learning_rate.map(|rate| rate * k);
        }
        if !adaptive || self.decay == Decay::Coupled {
            self.weight_decay = self.weight_decay.map(|decay| decay / k);
        }
        self.batch_size = self
            .batch_size
            .map(|size| size.saturating_mul(parts.max(1) as usize));
        self
    }

    /// Refuses facts that no training step has.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the name and value of the first such fact.
    pub fn check(&self) -> Result<(), Error> {
        let known = |what, value: Option<f64>, allowed, holds: fn(f64) -> bool| {
            value.map_or(Ok(()), |value| check_range(what, value, allowed, holds))
        };
        let finite = [
            ("loss", Some(self.loss)),
            ("independent loss", self.independent_loss),
            ("previous batch's loss", self.previous_batch_loss),
        ];
        for (what, value) in finite {
            // Squares of these are averaged: their range is that of sqrt(f64::MAX).
            known(what, value, "a finite number below 1e150 in size", |x| {
                x.abs() < 1e150
            })?;
        }
        for (what, value) in [
            ("learning rate", self.learning_rate),
            ("weight decay", self.weight_decay),
        ] {
            known(what, value, "a number from 0 to 1e50", |x| {
                (0.0..=1e50).contains(&x)
            })?;
        }
        let shares = match self.optimizer {
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                known("epsilon", Some(epsilon), "a number from 0 to 1e50", |x| {
                    (0.0..=1e50).contains(&x)
                })?;
                [("beta1", beta1), ("beta2", beta2)]
            }
            rule => [
                ("momentum", rule.momentum()),
                ("dampening", rule.dampening()),
            ],
        };
        for (what, value) in shares {
            known(what, Some(value), "a number in [0, 1)", |x| {
                (0.0..1.0).contains(&x)
            })?;
        }
        for (what, value) in [
            ("batch size", self.batch_size),
            ("data-set size", self.data_set_size),
        ] {
            known(what, value.map(|n| n as f64), "at least 1", |x| x >= 1.0)?;
        }
        match (self.batch_size, self.data_set_size) {
            (Some(batch), Some(data)) if batch > data => Err(Error::OutOfRange {
                what: "batch size",
                value: batch as f64,
                allowed: "at most the data-set size",
            }),
            _ => Ok(()),
        }
    }
}

//! A multilayer perceptron with one trained layer, written out so that nothing is hidden.
//!
//! ```text
//! inputs ── W ── batch normalisation ── ReLU ── fixed random layer ── softmax ── cross-entropy
//! ```
//!
//! Only W (hidden × inputs) is trained. With batch normalisation (no affine part, and no ε: it
//! would break the invariance) the loss does not change when a row of W is multiplied by a positive
//! number, so W·∂L/∂W = 0 row by row, and W is as many ideal gases as it has rows. The fixed layer has
//! Frobenius norm 10: a trained one could grow without bound and carry the loss to zero, which
//! would be one more thing to control. Without normalisation the same network is a real gas.
//!
//! In f64: f32 would be faster, but W·∂L/∂W = 0 is a thing to be measured here.

use thermograd::systems::Random;

use super::data::{CLASSES, Split};

const LAST_LAYER_NORM: f64 = 10.0;

/// What stands between the weights and the nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalisation {
    /// By mean and biased variance over the batch: every row of W is scale invariant.
    Batch,
    /// Nothing.
    None,
}

/// Which network to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    /// The length of one input.
    pub(crate) inputs: usize,
    /// The number of hidden neurons.
    pub(crate) hidden: usize,
    /// What the neurons are normalised by.
    pub(crate) normalisation: Normalisation,
}

/// The answer of [`Network::evaluate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evaluation {
    /// Mean cross-entropy in nats.
    pub(crate) loss: f64,
    /// Fraction of right answers.
    pub(crate) accuracy: f64,
}

/// The network, and room to run it without allocating.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    architecture: Architecture,
    /// W, hidden × inputs.
    weights: Vec<f64>,
    /// The fixed layer, classes × hidden, and its transpose.
    last: Vec<f64>,
    last_transposed: Vec<f64>,
    work: Workspace,
}

/// Intermediate results of one batch; matrices are row-major, with one column an example except
/// where noted.
#[derive(Debug, Clone, Default)]
struct Workspace {
    labels: Vec<usize>,
    /// One row an example: what the gradient is multiplied by.
    inputs: Vec<f64>,
    inputs_transposed: Vec<f64>,
    /// Normalised pre-activations.
    normal: Vec<f64>,
    /// 1 / standard deviation of each neuron over the batch.
    inverse_sd: Vec<f64>,
    active: Vec<f64>,
    /// Logits, then the gradient by them.
    logits: Vec<f64>,
    /// The gradient by the pre-activations.
    back: Vec<f64>,
}

impl Network {
    /// Gaussian weights, scaled to a joint norm of 1, and a Gaussian last layer of norm 10.
    pub(crate) fn new(architecture: Architecture, random: &mut Random) -> Self {
        let Architecture { inputs, hidden, .. } = architecture;
        let weights = gaussian(hidden * inputs, 1.0, random);
        let last = gaussian(CLASSES * hidden, LAST_LAYER_NORM, random);
        let mut last_transposed = vec![0.0; last.len()];
        transpose(&last, &mut last_transposed, hidden);
        Self {
            architecture,
            weights,
            last,
            last_transposed,
            work: Workspace::default(),
        }
    }

    /// W, row after row.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// W, to be moved.
    pub(crate) fn weights_mut(&mut self) -> &mut [f64] {
        &mut self.weights
    }

    /// How many rows of W are scale invariant, each on its own.
    pub(crate) fn scales(&self) -> usize {
        match self.architecture.normalisation {
            Normalisation::Batch => self.architecture.hidden,
            Normalisation::None => 0,
        }
    }

    /// The mean loss over these examples.
    pub(crate) fn loss(&mut self, data: &Split, batch: &[usize]) -> f64 {
        self.forward(data, batch);
        let work = &mut self.work;
        cross_entropy(&mut work.logits, &work.labels)
    }

    /// The mean loss over these examples, and its gradient by W.
    pub(crate) fn loss_and_gradient(
        &mut self,
        data: &Split,
        batch: &[usize],
        gradient: &mut [f64],
    ) -> f64 {
        let loss = self.loss(data, batch);
        let (n, hidden) = (batch.len(), self.architecture.hidden);
        let work = &mut self.work;
        multiply(
            &self.last_transposed,
            &work.logits,
            &mut work.back,
            Inner(CLASSES),
        );
        for neuron in 0..hidden {
            let row = neuron * n..(neuron + 1) * n;
            let (back, normal) = (&mut work.back[row.clone()], &work.normal[row]);
            // Through the ReLU...
            let (mut sum, mut product) = (0.0, 0.0);
            for (b, &z) in back.iter_mut().zip(normal) {
                *b = if z > 0.0 { *b } else { 0.0 };
                sum += *b;
                product += *b * z;
            }
            // ... and, through mean and variance, what each example does to all the others.
            if self.architecture.normalisation == Normalisation::Batch {
                let (mean, slope) = (sum / n as f64, product / n as f64);
                for (b, &z) in back.iter_mut().zip(normal) {
                    *b = (*b - mean - z * slope) * work.inverse_sd[neuron];
                }
            }
        }
        multiply(&work.back, &work.inputs, gradient, Inner(n));
        loss
    }

    /// Loss and accuracy with the normalisation statistics of the whole training set.
    pub(crate) fn evaluate(&self, training: &Split, split: &Split) -> Evaluation {
        let (inputs, hidden) = (self.architecture.inputs, self.architecture.hidden);
        let before = |split: &Split| {
            let mut transposed = vec![0.0; split.inputs.len()];
            transpose(&split.inputs, &mut transposed, inputs);
            let mut out = vec![0.0; hidden * split.len()];
            multiply(&self.weights, &transposed, &mut out, Inner(inputs));
            out
        };
        let mut active = before(split);
        if self.architecture.normalisation == Normalisation::Batch {
            let reference = before(training);
            let rows = active.chunks_exact_mut(split.len());
            for (row, reference) in rows.zip(reference.chunks_exact(training.len())) {
                let (mean, inverse_sd) = statistics(reference);
                for z in row {
                    *z = (*z - mean) * inverse_sd;
                }
            }
        }
        for z in &mut active {
            *z = z.max(0.0);
        }
        let n = split.len();
        let mut logits = vec![0.0; CLASSES * n];
        multiply(&self.last, &active, &mut logits, Inner(hidden));
        let right = (0..n).filter(|&i| {
            let own = logits[split.labels[i] * n + i];
            (0..CLASSES).all(|c| logits[c * n + i] <= own)
        });
        let accuracy = right.count() as f64 / n as f64;
        let loss = cross_entropy(&mut logits, &split.labels);
        Evaluation { loss, accuracy }
    }

    /// From inputs to logits.
    fn forward(&mut self, data: &Split, batch: &[usize]) {
        let (inputs, hidden) = (self.architecture.inputs, self.architecture.hidden);
        let n = batch.len();
        let work = &mut self.work;
        work.resize(&self.architecture, n);
        for (place, &i) in work.inputs.chunks_exact_mut(inputs).zip(batch) {
            place.copy_from_slice(&data.inputs[i * inputs..(i + 1) * inputs]);
        }
        for (place, &i) in work.labels.iter_mut().zip(batch) {
            *place = data.labels[i];
        }
        transpose(&work.inputs, &mut work.inputs_transposed, inputs);
        multiply(
            &self.weights,
            &work.inputs_transposed,
            &mut work.normal,
            Inner(inputs),
        );
        if self.architecture.normalisation == Normalisation::Batch {
            let rows = work.normal.chunks_exact_mut(n);
            for (row, place) in rows.zip(&mut work.inverse_sd) {
                let (mean, inverse_sd) = statistics(row);
                for z in row {
                    *z = (*z - mean) * inverse_sd;
                }
                *place = inverse_sd;
            }
        }
        for (a, z) in work.active.iter_mut().zip(&work.normal) {
            *a = z.max(0.0);
        }
        multiply(&self.last, &work.active, &mut work.logits, Inner(hidden));
    }
}

impl Workspace {
    /// Allocates only where the batch is larger than any before.
    fn resize(&mut self, architecture: &Architecture, n: usize) {
        let &Architecture { inputs, hidden, .. } = architecture;
        self.labels.resize(n, 0);
        self.inputs.resize(n * inputs, 0.0);
        self.inputs_transposed.resize(n * inputs, 0.0);
        self.normal.resize(n * hidden, 0.0);
        self.inverse_sd.resize(hidden, 0.0);
        self.active.resize(n * hidden, 0.0);
        self.logits.resize(n * CLASSES, 0.0);
        self.back.resize(n * hidden, 0.0);
    }
}

/// Mean, and 1 / (biased) standard deviation; 0 for a row that is constant up to rounding, which
/// says nothing. The bound is relative to the row: an absolute one would break the invariance.
fn statistics(row: &[f64]) -> (f64, f64) {
    const ROUNDING: f64 = 1e-24;
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
    let inverse_sd = if variance > ROUNDING * mean * mean {
        variance.sqrt().recip()
    } else {
        0.0
    };
    (mean, inverse_sd)
}

/// Mean cross-entropy of logits (classes × examples), which its gradient replaces.
fn cross_entropy(logits: &mut [f64], labels: &[usize]) -> f64 {
    let n = labels.len();
    let mut total = 0.0;
    for (i, &label) in labels.iter().enumerate() {
        let column = |c: usize| c * n + i;
        let largest = (0..CLASSES).fold(f64::MIN, |m, c| m.max(logits[column(c)]));
        total += largest - logits[column(label)];
        let mut sum = 0.0;
        for c in 0..CLASSES {
            let e = (logits[column(c)] - largest).exp();
            logits[column(c)] = e;
            sum += e;
        }
        total += sum.ln();
        let scale = 1.0 / (sum * n as f64);
        for c in 0..CLASSES {
            logits[column(c)] *= scale;
        }
        logits[column(label)] -= 1.0 / n as f64;
    }
    total / n as f64
}

fn gaussian(len: usize, norm: f64, random: &mut Random) -> Vec<f64> {
    let mut out: Vec<f64> = (0..len).map(|_| random.normal()).collect();
    let scale = norm / out.iter().map(|x| x * x).sum::<f64>().sqrt();
    for x in &mut out {
        *x *= scale;
    }
    out
}

/// From rows of this width to columns.
fn transpose(from: &[f64], to: &mut [f64], width: usize) {
    let height = from.len() / width;
    for (i, row) in from.chunks_exact(width).enumerate() {
        for (j, &x) in row.iter().enumerate() {
            to[j * height + i] = x;
        }
    }
}

/// The dimension that a product sums over.
#[derive(Debug, Clone, Copy)]
struct Inner(usize);

/// c = a b, all row-major; sizes follow from the lengths and the inner dimension.
///
/// Blocks of rows and columns are kept in registers over the inner loop, which is what makes the
/// compiler's vector code fast; the order of summation is that of the textbook.
fn multiply(a: &[f64], b: &[f64], c: &mut [f64], Inner(inner): Inner) {
    const ROWS: usize = 4;
    let columns = b.len() / inner;
    let mut from = a.chunks_exact(ROWS * inner);
    let mut to = c.chunks_exact_mut(ROWS * columns);
    for (a, c) in from.by_ref().zip(to.by_ref()) {
        multiply_rows::<ROWS>(a, b, c);
    }
    let from = from.remainder().chunks_exact(inner);
    let to = to.into_remainder().chunks_exact_mut(columns);
    for (a, c) in from.zip(to) {
        multiply_rows::<1>(a, b, c);
    }
}

fn multiply_rows<const ROWS: usize>(a: &[f64], b: &[f64], c: &mut [f64]) {
    const LANES: usize = 4;
    let (inner, columns) = (a.len() / ROWS, c.len() / ROWS);
    let whole = columns - columns % LANES;
    for j in (0..whole).step_by(LANES) {
        let mut sums = [[0.0; LANES]; ROWS];
        for (k, b) in b.chunks_exact(columns).enumerate() {
            let b = &b[j..j + LANES];
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = a[row * inner + k];
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum += a * b;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            c[row * columns + j..][..LANES].copy_from_slice(sums);
        }
    }
    for j in whole..columns {
        for row in 0..ROWS {
            let a = &a[row * inner..][..inner];
            let b = b.iter().skip(j).step_by(columns);
            c[row * columns + j] = a.iter().zip(b).map(|(a, b)| a * b).sum();
        }
    }
}

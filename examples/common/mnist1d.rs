//! MNIST-1D: ten digits as lines of 40 points, shifted, scaled, sheared and noisy.
//!
//! Written from the description by S. Greydanus and D. Kobak, *Scaling down deep learning with
//! MNIST-1D* (arXiv 2011.14439; templates and constants: Apache-2.0, github.com/greydanus/mnist1d): a
//! template of 12 points is padded to a random length of 48 to 72, stretched to 72, scaled
//! by 0.8 to 1.2, shifted round by up to 48 places, filled up with correlated noise, sheared, and
//! read at 40 places. 4000 examples are for training and 1000 for test, standardised by one mean and
//! deviation. The random numbers are ours, so examples differ from the published file's in detail.

use thermograd::systems::Random;

use super::data::{Digits, Split};

const TEMPLATES: [[f64; 12]; 10] = [
    [5.0, 6.0, 6.5, 6.75, 7.0, 7.0, 7.0, 7.0, 6.75, 6.5, 6.0, 5.0],
    [5.0, 3.0, 3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.4, 5.8, 5.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.25, 4.75, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.0, 5.0, 6.0, 6.5, 6.5, 6.0, 5.0],
    [5.0, 4.4, 3.8, 3.2, 2.6, 2.6, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
    [5.0, 3.0, 3.0, 3.0, 3.0, 5.0, 6.0, 6.5, 6.5, 6.0, 4.5, 5.0],
    [5.0, 4.0, 3.5, 3.25, 3.0, 3.0, 3.0, 3.0, 3.25, 3.5, 4.0, 5.0],
    [5.0, 7.0, 7.0, 6.6, 6.2, 5.8, 5.4, 5.0, 4.6, 4.2, 5.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 5.0, 5.0, 4.7, 4.3, 5.0],
];
const EXAMPLES: usize = 5000;
const TRAINING: usize = 4000;
const PADDED: usize = 72;
const LENGTH: usize = 40;

/// The data set of this seed.
pub(crate) fn generate(seed: u64) -> Digits {
    let mut random = Random::new(seed);
    let mut examples: Vec<(Vec<f64>, usize)> = (0..EXAMPLES)
        .map(|i| {
            let label = i % TEMPLATES.len();
            (example(&TEMPLATES[label], &mut random), label)
        })
        .collect();
    for last in (1..examples.len()).rev() {
        examples.swap(last, random.below(last + 1));
    }
    let values = || examples.iter().flat_map(|(x, _)| x);
    let n = (EXAMPLES * LENGTH) as f64;
    let mean = values().sum::<f64>() / n;
    let deviation = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let split = |examples: &[(Vec<f64>, usize)]| Split {
        inputs: examples
            .iter()
            .flat_map(|(x, _)| x.iter().map(|x| (x - mean) / deviation))
            .collect(),
        labels: examples.iter().map(|(_, label)| *label).collect(),
    };
    let (training, test) = examples.split_at(TRAINING);
    Digits {
        training: split(training),
        test: split(test),
        dropped: Vec::new(),
    }
}

fn example(template: &[f64; 12], random: &mut Random) -> Vec<f64> {
    // Zero mean and unit deviation, then moved so that it begins at 0, over 6.
    let mean = template.iter().sum::<f64>() / 12.0;
    let deviation = (template.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 12.0).sqrt();
    // Exact zeros are padding: the template's own are kept apart from them.
    let mut x: Vec<f64> = template
        .iter()
        .map(|x| (x - template[0]) / deviation / 6.0 + 1e-8)
        .collect();
    x.resize(12 + 36 + random.below(25), 0.0);
    let mut x = interpolate(&x, PADDED);
    let scale = 1.0 + 0.4 * (random.uniform() - 0.5);
    x.rotate_right(random.below(48));
    let noise: Vec<f64> = (0..PADDED).map(|_| 0.25 * random.normal()).collect();
    let noise = smooth(&noise);
    let shear = 0.75 * (random.uniform() - 0.5);
    for (i, (x, noise)) in x.iter_mut().zip(noise).enumerate() {
        *x = if *x == 0.0 { noise } else { scale * *x };
        let place = i as f64 / (PADDED - 1) as f64 - 0.5;
        *x += 0.02 * random.normal() - shear * place;
    }
    interpolate(&x, LENGTH)
}

/// The line through these points, read at `n` places at equal distances.
fn interpolate(x: &[f64], n: usize) -> Vec<f64> {
    let last = x.len() - 1;
    (0..n)
        .map(|i| {
            // In whole numbers: the ends are hit exactly.
            let (low, rest) = ((i * last) / (n - 1), (i * last) % (n - 1));
            let share = rest as f64 / (n - 1) as f64;
            let high = (low + 1).min(last);
            x[low] + share * (x[high] - x[low])
        })
        .collect()
}

/// Gaussian filter of two places' width, mirrored at the ends.
fn smooth(x: &[f64]) -> Vec<f64> {
    const REACH: usize = 8;
    let n = x.len();
    let kernel: Vec<f64> = (0..=REACH)
        .map(|k| (-0.125 * (k * k) as f64).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f64>();
    let at = |i: usize, k: usize, forward: bool| {
        if forward {
            let j = i + k;
            if j < n { x[j] } else { x[2 * n - 1 - j] }
        } else if k <= i {
            x[i - k]
        } else {
            x[k - i - 1]
        }
    };
    (0..n)
        .map(|i| {
            let sides = (1..=REACH).map(|k| kernel[k] * (at(i, k, true) + at(i, k, false)));
            (kernel[0] * x[i] + sides.sum::<f64>()) / total
        })
        .collect()
}

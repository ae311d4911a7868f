//! The examples' data, network and optimiser: what is measured there must be what is claimed.

#[path = "../../examples/common/mod.rs"]
pub(crate) mod common;

use common::{
    data::{CLASSES, Digits, Split},
    network::{Architecture, Network, Normalisation},
    training::{Config, Training},
};
use thermograd::systems::Random;

pub(crate) fn random_split(examples: usize, width: usize, random: &mut Random) -> Split {
    Split {
        inputs: (0..examples * width).map(|_| random.normal()).collect(),
        labels: (0..examples).map(|_| random.below(CLASSES)).collect(),
    }
}

/// Sizes that leave remainders in every blocked loop.
pub(crate) const ODD: Architecture = Architecture {
    inputs: 13,
    hidden: 7,
    normalisation: Normalisation::Batch,
};

/// Central differences in every weight: errors are O(h²) and no pre-activation lies within h of
/// the kink of its neuron at this seed.
#[test]
fn gradient_is_that_of_the_loss() {
    let mut random = Random::new(3);
    for normalisation in [Normalisation::Batch, Normalisation::None] {
        let architecture = Architecture {
            normalisation,
            ..ODD
        };
        let data = random_split(30, ODD.inputs, &mut random);
        let mut network = Network::new(architecture, &mut random);
        let batch: Vec<usize> = (0..19).map(|_| random.below(30)).collect();
        let mut gradient = vec![0.0; network.weights().len()];
        let loss = network.loss_and_gradient(&data, &batch, &mut gradient);
        assert_eq!(loss, network.loss(&data, &batch));

        let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let h = 1e-6;
        for (i, g) in gradient.iter().enumerate() {
            let w = network.weights()[i];
            let mut at = |w: f64| {
                network.weights_mut()[i] = w;
                network.loss(&data, &batch)
            };
            let slope = (at(w + h) - at(w - h)) / (2.0 * h);
            at(w);
            assert!(
                (g - slope).abs() < 1e-7 * largest.max(1.0),
                "{normalisation:?}, weight {i}: {g} and {slope}"
            );
        }
    }
}

/// Euler's theorem, for each row of its own; and the loss itself does not change.
#[test]
fn each_normalised_row_is_scale_invariant() {
    let mut random = Random::new(4);
    let data = random_split(40, ODD.inputs, &mut random);
    let mut network = Network::new(ODD, &mut random);
    let batch: Vec<usize> = (0..32).map(|_| random.below(40)).collect();
    let mut gradient = vec![0.0; network.weights().len()];
    let loss = network.loss_and_gradient(&data, &batch, &mut gradient);
    assert_eq!(network.scales(), ODD.hidden);
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let rows = network.weights().chunks(ODD.inputs);
    for (w, g) in rows.zip(gradient.chunks(ODD.inputs)) {
        let along: f64 = w.iter().zip(g).map(|(w, g)| w * g).sum();
        assert!(along.abs() < 1e-12 * norm(w) * norm(g), "{along}");
    }
    for w in &mut network.weights_mut()[..ODD.inputs] {
        *w *= 3.0;
    }
    assert!((network.loss(&data, &batch) - loss).abs() < 1e-12);
}

/// A batch that is the whole training set has its statistics, so both ways must agree.
#[test]
fn evaluation_uses_the_statistics_of_the_training_set() {
    let mut random = Random::new(5);
    let data = random_split(50, ODD.inputs, &mut random);
    let mut network = Network::new(ODD, &mut random);
    let all: Vec<usize> = (0..50).collect();
    let loss = network.loss(&data, &all);
    assert!((network.evaluate(&data, &data).loss - loss).abs() < 1e-12);

    // And one example alone, which has no statistics of its own, is judged by them as well.
    let first = |i: usize| Split {
        inputs: data.inputs[i * ODD.inputs..(i + 1) * ODD.inputs].to_vec(),
        labels: vec![data.labels[i]],
    };
    let mean = (0..50).map(|i| network.evaluate(&data, &first(i)).loss);
    assert!((mean.sum::<f64>() / 50.0 - loss).abs() < 1e-12);
}

/// A batch of one image repeated has no variance: no gradient, and no NaN.
#[test]
fn a_constant_batch_teaches_nothing() {
    let mut random = Random::new(6);
    let data = random_split(10, ODD.inputs, &mut random);
    let mut network = Network::new(ODD, &mut random);
    let mut gradient = vec![1.0; network.weights().len()];
    // All logits are 0: every digit is as likely as the others.
    let loss = network.loss_and_gradient(&data, &[4; 9], &mut gradient);
    assert!((loss - (CLASSES as f64).ln()).abs() < 1e-12);
    assert!(gradient.iter().all(|&g| g == 0.0));
}

#[test]
fn the_data_are_whole_split_and_standardised() {
    let digits = Digits::load(0).unwrap();
    let (training, test) = (&digits.training, &digits.test);
    assert_eq!((training.len(), test.len()), (1437, 360));
    let width = training.width();
    assert_eq!(width + digits.dropped.len(), 64);
    // The three that no image of the whole set touches.
    assert_eq!(digits.dropped, [0, 32, 39]);
    for pixel in 0..width {
        let column = || training.inputs.iter().skip(pixel).step_by(width);
        let mean = column().sum::<f64>() / 1437.0;
        let square = column().map(|x| x * x).sum::<f64>() / 1437.0;
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12);
    }
    // Each digit, as counted in the file.
    let mut counts = [0; CLASSES];
    for &label in training.labels.iter().chain(&test.labels) {
        counts[label] += 1;
    }
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    // The split follows its seed alone.
    assert_eq!(Digits::load(0).unwrap().test.labels, test.labels);
    assert_ne!(Digits::load(1).unwrap().test.labels, test.labels);
}

/// v ← μv + g + λw, w ← w − ηv, twice, by hand; and looking at the noise changes nothing.
#[test]
fn two_steps_of_heavy_ball_by_hand() {
    let digits = Digits::load(0).unwrap();
    let config = Config {
        learning_rate: 0.5,
        weight_decay: 0.1,
        momentum: 0.9,
        hidden: 3,
        batch: 16,
        ..Config::default()
    };
    let mut plain = Training::new(&config, &digits);
    let mut watched = plain.clone();
    let mut w = plain.state().weights.to_vec();
    let mut v = vec![0.0; w.len()];
    assert!((w.iter().map(|w| w * w).sum::<f64>() - 1.0).abs() < 1e-12);
    for _ in 0..2 {
        plain.gradient();
        watched.gradient();
        watched.second_gradient();
        let state = watched.state();
        assert_eq!(plain.state().gradient, state.gradient);
        assert_ne!(state.gradient, state.second_gradient);
        for ((w, v), g) in w.iter_mut().zip(&mut v).zip(state.gradient) {
            *v = 0.9 * *v + g + 0.1 * *w;
            *w -= 0.5 * *v;
        }
        plain.update();
        watched.update();
        assert_eq!(plain.state().weights, watched.state().weights);
        for (a, b) in watched.state().weights.iter().zip(&w) {
            assert!((a - b).abs() < 1e-14);
        }
    }
}

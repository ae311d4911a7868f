//! Symmetries that are known by construction are found, with their number of scales.

use thermograd::{
    Error, Observer, Reading, Step, Symmetry, from_fn,
    invariance::{Proposal, ScaleTest},
    systems::Random,
};

use crate::digits::common::network::{Architecture, Network, Normalisation};
use crate::digits::{ODD, random_split};

fn normal(random: &mut Random, n: usize) -> Vec<f64> {
    (0..n).map(|_| random.normal()).collect()
}

/// Takes the part of `g` along `w` away over the elements that `of` maps to one number.
fn project(w: &[f64], g: &mut [f64], slices: usize, of: impl Fn(usize) -> usize) {
    let mut sums = vec![(0.0, 0.0); slices];
    for (i, (w, g)) in w.iter().zip(&*g).enumerate() {
        sums[of(i)].0 += w * g;
        sums[of(i)].1 += w * w;
    }
    for (i, (w, g)) in w.iter().zip(g.iter_mut()).enumerate() {
        let (wg, ww) = sums[of(i)];
        *g -= wg / ww * w;
    }
}

/// Rows, columns, the whole, nothing: 6 × 5 of each, and a bias with the last of them.
fn known(steps: usize, seed: u64) -> Proposal {
    let mut random = Random::new(seed);
    let mut test = ScaleTest::new();
    for _ in 0..steps {
        let w = normal(&mut random, 30);
        let mut gradients = [0; 4].map(|_| normal(&mut random, 30));
        project(&w, &mut gradients[0], 6, |i| i / 5);
        project(&w, &mut gradients[1], 5, |i| i % 5);
        project(&w, &mut gradients[2], 1, |_| 0);
        // Jointly with its bias, and only so.
        let mut joint = normal(&mut random, 36);
        let both: Vec<f64> = normal(&mut random, 36);
        project(&both, &mut joint, 1, |_| 0);
        test.observe(|step| {
            for (name, g) in ["rows.w", "columns.w", "whole.w", "generic.w"]
                .into_iter()
                .zip(&gradients)
            {
                step.tensor(name, &[6, 5], &w, g)?;
            }
            step.tensor("joint.w", &[6, 5], &both[..30], &joint[..30])?;
            step.tensor("joint.b", &[6], &both[30..], &joint[30..])
        })
        .unwrap();
    }
    test.proposal()
}

#[test]
fn known_symmetries_are_found() {
    let proposal = known(200, 1);
    for (name, expected) in [
        ("rows.w", Symmetry::ScaleInvariantBy(6)),
        ("columns.w", Symmetry::ScaleInvariantBy(5)),
        ("whole.w", Symmetry::ScaleInvariant),
        ("generic.w", Symmetry::Generic),
        ("joint.w", Symmetry::Generic),
        ("joint.b", Symmetry::Generic),
    ] {
        assert_eq!(
            proposal.symmetry(name),
            Some(expected),
            "{name}\n{proposal}"
        );
    }
    let layers = proposal.assignment().unwrap();
    let groups = layers.groups();
    let of = |name: &str| {
        let id = layers.of(name).unwrap().unwrap();
        (groups.name(id).unwrap(), groups.symmetry(id).unwrap())
    };
    assert_eq!(of("rows.w"), ("rows.w", Symmetry::ScaleInvariantBy(6)));
    assert_eq!(of("generic.w"), ("rest", Symmetry::Generic));
    assert_eq!(of("joint.b"), ("joint", Symmetry::ScaleInvariant));
    assert_eq!(of("joint.b"), of("joint.w"));
    let table = proposal.to_string();
    assert!(table.contains("-> scale-invariant by 6"), "{table}");
    assert!(table.contains("-> one scale with it"), "{table}");
}

/// For directions at random ⟨n c²⟩ = 1 exactly: the error bar must tell by how much it is missed.
#[test]
fn error_bars_are_those_of_random_directions() {
    let (mut sum, mut square) = (0.0, 0.0);
    let seeds = 200_u16;
    for seed in 0..seeds {
        let mut random = Random::new(u64::from(seed) + 1000);
        let mut test = ScaleTest::new();
        for _ in 0..300 {
            let (w, g) = (normal(&mut random, 40), normal(&mut random, 40));
            test.observe(|step| step.tensor("w", &[40], &w, &g))
                .unwrap();
        }
        let proposal = test.proposal();
        let ratio = proposal.findings[0].ratio.ready().unwrap();
        let z = ratio.z_score(1.0).unwrap();
        sum += z;
        square += z * z;
    }
    let n = f64::from(seeds);
    let (mean, spread) = (sum / n, (square / n).sqrt());
    assert!(mean.abs() < 4.0 / n.sqrt(), "mean of z: {mean}");
    assert!((0.85..1.2).contains(&spread), "spread of z: {spread}");
}

#[test]
fn rows_of_a_batch_normalised_network_are_found() {
    for normalisation in [Normalisation::Batch, Normalisation::None] {
        let mut random = Random::new(5);
        let data = random_split(60, ODD.inputs, &mut random);
        let architecture = Architecture {
            normalisation,
            ..ODD
        };
        let mut network = Network::new(architecture, &mut random);
        let mut gradient = vec![0.0; network.weights().len()];
        let mut test = ScaleTest::new();
        for _ in 0..256 {
            let batch: Vec<usize> = (0..20).map(|_| random.below(60)).collect();
            network.loss_and_gradient(&data, &batch, &mut gradient);
            // In single precision, as a training loop has it.
            #[expect(clippy::cast_possible_truncation, reason = "on purpose")]
            let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
            let (w, g) = (single(network.weights()), single(&gradient));
            test.observe(|step| step.tensor("w", &[ODD.hidden, ODD.inputs], &w, &g))
                .unwrap();
            for (w, g) in network.weights_mut().iter_mut().zip(&gradient) {
                *w -= 0.01 * g;
            }
        }
        let expected = match normalisation {
            Normalisation::Batch => Symmetry::ScaleInvariantBy(network.scales()),
            Normalisation::None => Symmetry::Generic,
        };
        let proposal = test.proposal();
        assert_eq!(proposal.symmetry("w"), Some(expected), "{proposal}");
    }
}

#[test]
fn one_row_that_is_not_normalised_is_enough_to_refuse_the_rows() {
    let mut random = Random::new(9);
    let mut test = ScaleTest::new();
    for _ in 0..128 {
        let w = normal(&mut random, 500 * 4);
        let mut g = normal(&mut random, 500 * 4);
        project(&w[..499 * 4], &mut g[..499 * 4], 499, |i| i / 4);
        test.observe(|step| step.tensor("w", &[500, 4], &w, &g))
            .unwrap();
    }
    let proposal = test.proposal();
    assert_ne!(
        proposal.symmetry("w"),
        Some(Symmetry::ScaleInvariantBy(500)),
        "{proposal}"
    );
}

#[test]
fn too_few_steps_are_pending_and_dead_parameters_undefined() {
    let proposal = known(10, 2);
    assert!(proposal.findings.iter().all(|finding| matches!(
        finding.symmetry,
        Reading::Pending { seen: 10, needed } if needed >= 64
    )));
    let mut test = ScaleTest::new();
    for _ in 0..100 {
        test.observe(|step| step.tensor("dead", &[2, 2], &[1.0_f32; 4], &[0.0_f32; 4]))
            .unwrap();
    }
    let proposal = test.proposal();
    assert!(matches!(
        proposal.findings[0].symmetry,
        Reading::Undefined(_)
    ));
    assert_eq!(proposal.undecided().count(), 1);
    assert_eq!(proposal.assignment().unwrap().groups().len(), 1);
}

#[test]
fn bad_input_leaves_no_trace() {
    let mut test = ScaleTest::new();
    let (w, g) = ([1.0_f64, 2.0], [0.5_f64, 0.1]);
    let nan = [1.0, f64::NAN];
    test.observe(|step| step.tensor("w", &[2], &w, &g)).unwrap();
    let before = test.proposal();
    let refused = [
        test.observe(|step| {
            step.tensor("w", &[2], &w, &g)?;
            step.tensor("new", &[2], &w, &nan)
        }),
        test.observe(|step| step.tensor("w", &[1, 2], &w, &g)),
        test.observe(|step| step.tensor("w", &[3], &w, &g)),
        test.observe(|step| step.tensor("w", &[usize::MAX, 2], &w, &g)),
        test.observe(|step| step.tensor("none", &[0], &[0.0_f64; 0], &[0.0_f64; 0])),
        test.observe(|step| {
            step.tensor("w", &[2], &w, &g)?;
            step.tensor("w", &[2], &w, &g)
        }),
        test.observe(|_| Ok(())),
        // A refusal that the closure swallows is a refusal all the same.
        test.observe(|step| {
            let _ = step.tensor("w", &[3], &w, &g);
            step.tensor("other", &[2], &w, &g)
        }),
    ];
    assert!(matches!(refused[0], Err(Error::NonFinite { index: 1, .. })));
    assert!(matches!(refused[1], Err(Error::ShapeMismatch { .. })));
    assert!(matches!(refused[5], Err(Error::GivenTwice { .. })));
    for refused in refused {
        assert!(refused.is_err());
    }
    assert_eq!(test.proposal(), before);
    assert_eq!(test.steps(), 1);
    for tolerance in [0.0, 1.0, f64::NAN] {
        assert!(ScaleTest::with_tolerance(tolerance).is_err());
    }
}

/// The assignment goes straight into an observer.
#[test]
fn a_proposal_is_observed() {
    let layers = known(128, 3).assignment().unwrap();
    let mut observer = Observer::new(layers.groups().clone()).unwrap();
    let w = [1.0_f64; 30];
    let names: Vec<_> = layers.iter().collect();
    observer
        .observe(
            &Step::new(0.5),
            &from_fn(|out| {
                names
                    .iter()
                    .filter_map(|&(_, group)| group)
                    .try_for_each(|group| out.tensor(group, &w, &w))
            }),
        )
        .unwrap();
}

/// A ratio that drifts has no error bar, and on one side of the tolerance it needs none.
#[test]
fn a_drifting_ratio_is_told_where_it_never_crosses_the_tolerance() {
    for (along, expected) in [
        (1e-7, Some(Symmetry::ScaleInvariant)),
        (10.0, Some(Symmetry::Generic)),
        // From below to above: nothing is known.
        (0.03, None),
    ] {
        let mut test = ScaleTest::new();
        let mut random = Random::new(3);
        let w = vec![1.0_f64; 400];
        for step in 0..256 {
            let mut g: Vec<f64> = (0..400).map(|_| random.normal()).collect();
            let mean = g.iter().sum::<f64>() / 400.0;
            let rising = along * f64::from(step + 32) / 64.0 / 20.0;
            for g in &mut g {
                *g += rising - mean;
            }
            test.observe(|step| step.tensor("w", &[400], &w, &g))
                .unwrap();
        }
        let proposal = test.proposal();
        assert!(
            proposal.findings[0].ratio.ready().is_none(),
            "{along}: {proposal}"
        );
        assert_eq!(proposal.symmetry("w"), expected, "{along}: {proposal}");
    }
}

//! Correlations: known values, invariances, intervals that cover.

use proptest::prelude::*;
use thermograd::correlation::{
    Bootstrap, Coefficient, bootstrap, correlation, partial_correlation,
};
use thermograd::equilibrium::kendall_tau;
use thermograd::systems::Random;
use thermograd::{Error, Reading};

const ALL: [Coefficient; 4] = [
    Coefficient::Kendall,
    Coefficient::Spearman,
    Coefficient::Pearson,
    Coefficient::NormalScores,
];

fn value(x: &[f64], y: &[f64], which: Coefficient) -> f64 {
    *correlation(x, y, which).unwrap().ready().unwrap()
}

#[test]
fn by_hand() {
    // scipy.stats.kendalltau, spearmanr, pearsonr give the same for these.
    let x = [12.0, 2.0, 1.0, 12.0, 2.0];
    let y = [1.0, 4.0, 7.0, 1.0, 0.0];
    assert!((value(&x, &y, Coefficient::Kendall) + 0.471_404_520_791_031_7).abs() < 1e-12);
    // Ranks 4.5 2.5 1 4.5 2.5 and 2.5 4 5 2.5 1: −5/√(9 × 9.5).
    assert!((value(&x, &y, Coefficient::Spearman) + 5.0 / 85.5_f64.sqrt()).abs() < 1e-12);
    assert!(
        (value(&[0.0, 1.0, 2.0], &[0.0, 1.0, 5.0], Coefficient::Pearson) - 5.0 / 28_f64.sqrt())
            .abs()
            < 1e-12
    );
    // Against time it is the trend's.
    let order: Vec<f64> = (0..5).map(f64::from).collect();
    assert_eq!(
        kendall_tau(&y).unwrap().ready(),
        Some(&value(&order, &y, Coefficient::Kendall))
    );
    for which in ALL {
        assert!(matches!(
            correlation(&x, &[1.0; 5], which),
            Ok(Reading::Undefined(_))
        ));
        assert!(matches!(
            correlation(&x[..1], &y[..1], which),
            Ok(Reading::Pending { .. })
        ));
        assert!(matches!(
            correlation(&x, &y[..4], which),
            Err(Error::LengthMismatch { .. })
        ));
        assert!(matches!(
            correlation(&[f64::NAN; 5], &y, which),
            Err(Error::NonFinite { .. })
        ));
        assert!(matches!(
            partial_correlation(&x, &y, &[&x], which),
            Ok(Reading::Undefined(_))
        ));
        let partial = bootstrap(&x, &y, &[], which, &Bootstrap::default());
        assert!(matches!(
            partial,
            Ok(Reading::Pending { seen: 5, needed: 8 })
        ));
    }
    let x: Vec<f64> = (0..20).map(|i| f64::from(i * i % 17)).collect();
    let y: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 13)).collect();
    for config in [
        Bootstrap::default().level(1.0),
        Bootstrap::default().level(f64::NAN),
        Bootstrap::default().resamples(3),
        Bootstrap::default().clusters(&[0; 3]),
    ] {
        assert!(bootstrap(&x, &y, &[], Coefficient::Kendall, &config).is_err());
    }
    // One cluster of everything cannot be resampled.
    let config = Bootstrap::default().clusters(&[7; 20]);
    let found = bootstrap(&x, &y, &[], Coefficient::Kendall, &config).unwrap();
    assert!(matches!(found, Reading::Pending { seen: 1, .. }));
}

/// Coverage and mean width of intervals of τ over samples of 24 from a binormal law.
fn coverage(rho: f64, held: bool, samples: u64) -> f64 {
    let truth = std::f64::consts::FRAC_2_PI * rho.asin();
    let mut covered = 0;
    for seed in 0..samples {
        let mut random = Random::new(seed);
        let (mut x, mut y, mut z) = (vec![], vec![], vec![]);
        for _ in 0..24 {
            let (a, b, c) = (random.normal(), random.normal(), random.normal());
            x.push(a);
            y.push(rho * a + (1.0 - rho * rho).sqrt() * b);
            z.push(c);
        }
        let held: &[&[f64]] = if held { &[&z] } else { &[] };
        let config = Bootstrap::default().resamples(400).seed(seed);
        let found = bootstrap(&x, &y, held, Coefficient::Kendall, &config).unwrap();
        let found = found.ready().unwrap();
        covered += u64::from(found.low <= truth && truth <= found.high);
    }
    covered as f64 / samples as f64
}

#[test]
fn intervals_cover() {
    for rho in [0.0, 0.7] {
        let part = coverage(rho, false, 150);
        assert!((0.89..=0.995).contains(&part), "{rho}: {part}");
    }
}

#[test]
#[ignore = "slow: the table of the module's documentation"]
fn coverage_of_intervals() {
    for rho in [0.0, 0.5, 0.9] {
        let (plain, held) = (coverage(rho, false, 1000), coverage(rho, true, 1000));
        println!("| correlation {rho} | {plain:.3} | {held:.3} |");
        assert!(plain > 0.90 && held > 0.88, "{rho}: {plain} {held}");
    }
}

#[test]
fn clusters_widen_what_repeats() {
    // Every run three times over tells no more than once.
    let mut random = Random::new(2);
    let once: Vec<(f64, f64)> = (0..12)
        .map(|_| {
            let a = random.normal();
            (a, a + random.normal())
        })
        .collect();
    let x: Vec<f64> = (0..36).map(|i| once[i / 3].0).collect();
    let y: Vec<f64> = (0..36).map(|i| once[i / 3].1).collect();
    let cluster: Vec<usize> = (0..36).map(|i| i / 3).collect();
    let width = |config: Bootstrap| {
        let found = bootstrap(&x, &y, &[], Coefficient::Pearson, &config).unwrap();
        found.ready().unwrap().std_error
    };
    let (single, whole) = (
        width(Bootstrap::default()),
        width(Bootstrap::default().clusters(&cluster)),
    );
    assert!(
        (whole / single - 3_f64.sqrt()).abs() < 0.5,
        "{whole} {single}"
    );
}

#[test]
fn what_goes_through_a_third_alone() {
    // Correlations of 0.8 with z, nothing else: 10 000 draws, errors below 0.01.
    let mut random = Random::new(5);
    let (mut x, mut y, mut z) = (vec![], vec![], vec![]);
    for _ in 0..10_000 {
        let c = random.normal();
        x.push((0.8 * c + 0.6 * random.normal()).exp());
        y.push(0.8 * c + 0.6 * random.normal());
        z.push(c);
    }
    let partial = |which| {
        *partial_correlation(&x, &y, &[&z], which)
            .unwrap()
            .ready()
            .unwrap()
    };
    assert!(partial(Coefficient::NormalScores).abs() < 0.04);
    // (2/π) asin: 0.44213 and 0.59033.
    let (xy, xz): (f64, f64) = (0.442_13, 0.590_33);
    let expected = (xy - xz * xz) / (1.0 - xz * xz);
    assert!(
        (partial(Coefficient::Kendall) - expected).abs() < 0.03,
        "{}",
        partial(Coefficient::Kendall)
    );
    assert!(expected > 0.1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn symmetry_order_and_bounds(pairs in prop::collection::vec((-5_i32..5, -5_i32..5, -5_i32..5), 5..30)) {
        let x: Vec<f64> = pairs.iter().map(|p| f64::from(p.0)).collect();
        let y: Vec<f64> = pairs.iter().map(|p| f64::from(p.1)).collect();
        let z: Vec<f64> = pairs.iter().map(|p| f64::from(p.2)).collect();
        for which in ALL {
            let (Reading::Ready(a), Reading::Ready(b)) = (correlation(&x, &y, which).unwrap(), correlation(&y, &x, which).unwrap()) else {
                continue;
            };
            prop_assert!((a - b).abs() < 1e-12 && a.abs() <= 1.0 + 1e-12);
            let negative: Vec<f64> = y.iter().map(|y| -y).collect();
            prop_assert!((value(&x, &negative, which) + a).abs() < 1e-12);
            if which != Coefficient::Pearson {
                let curved: Vec<f64> = y.iter().map(|y| y.exp()).collect();
                prop_assert!((value(&x, &curved, which) - a).abs() < 1e-12);
            }
            if let Reading::Ready(partial) = partial_correlation(&x, &y, &[&z], which).unwrap() {
                prop_assert!(partial.abs() <= 1.0);
                let (xz, yz) = (value(&x, &z, which), value(&y, &z, which));
                let formula = (a - xz * yz) / ((1.0 - xz * xz) * (1.0 - yz * yz)).sqrt();
                prop_assert!((partial - formula).abs() < 1e-6, "{partial} {formula}");
            }
        }
    }
}

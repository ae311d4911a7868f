//! Values by hand, closed forms and boundaries: invariance.

use thermograd::invariance::{Proposal, ScaleTest};
use thermograd::systems::Random;
use thermograd::{Error, Reading, Reason, Symmetry};

use super::{above, below, close, ready, refused};

/// Name, shape, weights and gradient.
type Tensor<'a> = (&'a str, &'a [usize], &'a [f64], &'a [f64]);

/// As many steps of the same weights and gradients, at sizes that change.
fn after(steps: u32, tolerance: f64, tensors: &[Tensor<'_>]) -> Proposal {
    let mut test = ScaleTest::with_tolerance(tolerance).unwrap();
    for i in 0..steps {
        let scale = f64::from(1 + i % 3);
        test.observe(|step| {
            for (name, shape, w, g) in tensors {
                let g: Vec<f64> = g.iter().map(|g| scale * g).collect();
                step.tensor(name, shape, *w, &g)?;
            }
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(test.steps(), u64::from(steps));
    test.proposal()
}

/// ρ = √n |cos|: rows (3, 4)·(4, −3) = 0 and (1, 0)·(1, 1) = 1/√2, columns, and the whole.
#[test]
fn ratios_of_a_tensor_by_hand() {
    let (w, g) = ([3.0, 4.0, 1.0, 0.0], [4.0, -3.0, 1.0, 1.0]);
    let found = after(70, 0.1, &[("fc.w", &[2, 2], &w, &g)]);
    assert_eq!((found.steps, found.tolerance), (70, 0.1));
    let finding = &found.findings[0];
    assert_eq!(
        (finding.name.as_str(), &finding.shape[..]),
        ("fc.w", &[2, 2][..])
    );
    // w·g = 1, |w|² = 26, |g|² = 27.
    let rho = (4.0_f64 / (26.0 * 27.0)).sqrt();
    close(ready(&finding.ratio).value, rho, 1e-13);
    assert_eq!(ready(&finding.ratio).std_error, 0.0);
    let [rows, columns] = &finding.slices[..] else {
        panic!("two axes");
    };
    assert_eq!(
        (rows.axis, rows.count, columns.axis, columns.count),
        (0, 2, 1, 2)
    );
    // Two elements each: 2·0 and 2·½ on average ½.
    close(ready(&rows.ratio).value, 0.5_f64.sqrt(), 1e-13);
    close(rows.worst, 1.0, 1e-13);
    // (3, 1)·(4, 1) = 13 of 10·17, and (4, 0)·(−3, 1) = −12 of 16·10.
    let (first, second) = (2.0 * 169.0 / 170.0, 2.0 * 144.0 / 160.0);
    close(
        ready(&columns.ratio).value,
        (0.5_f64 * (first + second)).sqrt(),
        1e-13,
    );
    close(columns.worst, first.sqrt(), 1e-13);
    assert_eq!(found.symmetry("fc.w"), Some(Symmetry::ScaleInvariant));
    assert_eq!(found.symmetry("fc.b"), None);
    assert!(finding.jointly.is_none());
    let table = found.to_string();
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("ρ over 70 steps: 1 for a random direction, invariant below 0.1")
    );
    assert_eq!(
        lines.next(),
        Some(
            "fc.w  whole 7.5e-2 ± 0e0  2 slices of axis 0 7.1e-1 ± 0e0  \
             2 slices of axis 1 1.4e0 ± 0e0  -> scale-invariant"
        )
    );
}

/// The finest cut that holds: rows of zero product, columns, one row that does not.
#[test]
fn the_finest_cut_is_proposed() {
    let w = [1.0, 2.0, 3.0, -1.0, 0.5, 2.0];
    // Rows of three: (2, −1, 0) and (0, 4, −1).
    let rows = [2.0, -1.0, 0.0, 0.0, 4.0, -1.0];
    // Columns of two: (1, 1), (−0.5, 2), (2, −3).
    let columns = [1.0, -0.5, 2.0, 1.0, 2.0, -3.0];
    // One row across, one along.
    let one = [2.0, -1.0, 0.0, -1.0, 0.5, 2.0];
    let found = after(
        70,
        0.1,
        &[
            ("rows", &[2, 3], &w, &rows),
            ("columns", &[2, 3], &w, &columns),
            ("one", &[2, 3], &w, &one),
            ("flat", &[6], &w, &rows),
        ],
    );
    assert_eq!(found.symmetry("rows"), Some(Symmetry::ScaleInvariantBy(2)));
    assert_eq!(
        found.symmetry("columns"),
        Some(Symmetry::ScaleInvariantBy(3))
    );
    assert_eq!(found.symmetry("one"), Some(Symmetry::Generic));
    assert_eq!(found.symmetry("flat"), Some(Symmetry::ScaleInvariant));
    let flat = found.findings.iter().find(|f| f.name == "flat").unwrap();
    assert!(flat.slices.is_empty());
    let table = found.to_string();
    assert!(table.contains("-> scale-invariant by 3\n") && table.contains("-> generic\n"));
    let layers = found.assignment().unwrap();
    let groups = layers.groups();
    let of = |name: &str| {
        let id = layers.of(name).unwrap().unwrap();
        (
            groups.name(id).unwrap().to_owned(),
            groups.symmetry(id).unwrap(),
        )
    };
    assert_eq!(
        of("columns"),
        ("columns".to_owned(), Symmetry::ScaleInvariantBy(3))
    );
    assert_eq!(of("one"), ("rest".to_owned(), Symmetry::Generic));
    assert_eq!(found.undecided().count(), 0);
    // Slices of one element, and one slice, are no cuts.
    let found = after(
        70,
        0.1,
        &[
            ("thin", &[6, 1], &w, &rows),
            ("flat", &[1, 6], &w, &rows),
            ("deep", &[2, 1, 3], &w, &rows),
        ],
    );
    let cuts = |name: &str| {
        let finding = found.findings.iter().find(|f| f.name == name).unwrap();
        finding
            .slices
            .iter()
            .map(|s| (s.axis, s.count))
            .collect::<Vec<_>>()
    };
    assert!(cuts("thin").is_empty() && cuts("flat").is_empty());
    assert_eq!(cuts("deep"), [(0, 2), (2, 3)]);
}

/// Below the tolerance is invariant, above it is not; ρ² = 4·¼·… of a cosine that is chosen.
#[test]
fn a_tolerance_divides() {
    // cos = 0.6 over four elements: ρ = 1.2; and 0.28 over one direction of two.
    let (w, g) = ([1.0, 0.0, 0.0, 0.0], [0.28, 0.96, 0.0, 0.0]);
    let of = |tolerance: f64| after(64, tolerance, &[("w", &[4], &w, &g)]).symmetry("w");
    assert_eq!(of(0.57), Some(Symmetry::ScaleInvariant));
    assert_eq!(of(0.55), Some(Symmetry::Generic));
    let with = |tolerance: f64| ScaleTest::with_tolerance(tolerance).map(|_| ());
    refused(with(0.0), "tolerance of the scale test");
    refused(with(1.0), "tolerance of the scale test");
    assert!(with(above(0.0)).is_ok() && with(below(1.0)).is_ok());
    assert_eq!(ScaleTest::new().proposal().tolerance, 0.1);
    // Too few steps to tell.
    let few = after(63, 0.57, &[("w", &[4], &w, &g)]);
    assert!(matches!(
        few.findings[0].symmetry,
        Reading::Pending { seen: 63, .. }
    ));
    assert_eq!(few.undecided().count(), 1);
    assert!(
        few.to_string()
            .contains("w  whole pending  -> pending (63 of "),
        "{few}"
    );
    // A gradient that is zero throughout says nothing.
    let none = after(70, 0.57, &[("w", &[4], &w, &[0.0; 4])]);
    assert!(matches!(none.findings[0].symmetry, Reading::Undefined(_)));
    assert!(
        none.to_string()
            .contains("w  whole undefined  -> undecided: "),
        "{none}"
    );
    let layers = none.assignment().unwrap();
    let rest = layers.of("w").unwrap().unwrap();
    assert_eq!(layers.groups().name(rest), Some("rest"));
    assert!(matches!(
        ScaleTest::new().proposal().assignment(),
        Err(Error::Empty { .. })
    ));
}

/// A verdict needs three errors between ρ and the tolerance; the error of a root is half the
/// relative error of its square.
#[test]
fn verdicts_need_three_errors() {
    let mut random = Random::new(3);
    let cosines: Vec<f64> = (0..120).map(|_| 0.2 + 0.05 * random.normal()).collect();
    let of = |tolerance: f64| {
        let mut test = ScaleTest::with_tolerance(tolerance).unwrap();
        for c in &cosines {
            let g = [*c, (1.0 - c * c).sqrt()];
            test.observe(|step| step.tensor("w", &[2], &[2.0, 0.0], &g))
                .unwrap();
        }
        test.proposal()
    };
    let ratio = ready(&of(0.5).findings[0].ratio);
    let squares: Vec<f64> = cosines.iter().map(|c| 2.0 * c * c).collect();
    let mean = squares.iter().sum::<f64>() / 120.0;
    close(ratio.value, mean.sqrt(), 1e-12);
    let variance = squares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 119.0;
    let plain = (variance / 120.0).sqrt() / (2.0 * mean.sqrt());
    assert!(
        (0.95..1.4).contains(&(ratio.std_error / plain)),
        "{ratio} {plain}"
    );
    let (low, high) = (
        ratio.value - 3.0 * ratio.std_error,
        ratio.value + 3.0 * ratio.std_error,
    );
    assert_eq!(
        of(high + 1e-9).symmetry("w"),
        Some(Symmetry::ScaleInvariant)
    );
    assert_eq!(of(low - 1e-9).symmetry("w"), Some(Symmetry::Generic));
    for tolerance in [low + 1e-9, high - 1e-9] {
        let proposal = of(tolerance);
        assert!(matches!(
            proposal.findings[0].symmetry,
            Reading::Undefined(Reason::DividesByNoise(_))
        ));
    }
}

/// A ratio that drifts has no error bar, and needs none on one side of the tolerance.
#[test]
fn what_drifts_on_one_side_is_decided() {
    let of = |from: f64, to: f64| {
        let mut test = ScaleTest::new();
        for i in 0..100 {
            let c = from * (to / from).powf(f64::from(i) / 99.0);
            let g = [c, (1.0 - c * c).sqrt()];
            test.observe(|step| step.tensor("w", &[2], &[2.0, 0.0], &g))
                .unwrap();
        }
        let proposal = test.proposal();
        assert!(matches!(
            proposal.findings[0].ratio,
            Reading::Pending { .. }
        ));
        proposal.symmetry("w")
    };
    // ρ = √2 c against 0.1.
    assert_eq!(of(1e-4, 0.07), Some(Symmetry::ScaleInvariant));
    assert_eq!(of(0.072, 0.9), Some(Symmetry::Generic));
    assert_eq!(of(1e-4, 0.072), None);
    assert_eq!(of(0.07, 0.9), None);
}

/// A weight with its bias: (1, 2, 2)·(2, 0, −1) = 0 together, and not apart.
#[test]
fn a_module_may_be_invariant_as_a_whole() {
    let tensors: [Tensor<'_>; 3] = [
        ("bn.b", &[1], &[2.0], &[-1.0]),
        ("bn.w", &[2], &[1.0, 2.0], &[2.0, 0.0]),
        ("out.w", &[2], &[1.0, 2.0], &[2.0, 0.0]),
    ];
    let found = after(70, 0.1, &tensors);
    for name in ["bn.b", "bn.w"] {
        let finding = found.findings.iter().find(|f| f.name == name).unwrap();
        let joint = finding.jointly.as_ref().unwrap();
        assert_eq!(
            (joint.module.as_str(), ready(&joint.ratio).value),
            ("bn", 0.0)
        );
        assert_eq!(found.symmetry(name), Some(Symmetry::Generic));
    }
    // All but: 2 − 1.98 of 9·(4 + 0.99²), three elements.
    let mut almost = tensors;
    almost[0].3 = &[-0.99];
    let nearly = after(70, 0.1, &almost);
    let joint = nearly.findings[0].jointly.as_ref().unwrap();
    let rho = (3.0 * 0.02_f64.powi(2) / (9.0 * (4.0 + 0.99 * 0.99))).sqrt();
    close(ready(&joint.ratio).value, rho, 1e-12);
    let out = found.findings.iter().find(|f| f.name == "out.w").unwrap();
    assert!(out.jointly.is_none());
    let layers = found.assignment().unwrap();
    let bias = layers.of("bn.b").unwrap().unwrap();
    assert_eq!(layers.of("bn.w").unwrap(), Some(bias));
    assert_eq!(layers.groups().name(bias), Some("bn"));
    assert_eq!(
        layers.groups().symmetry(bias),
        Some(Symmetry::ScaleInvariant)
    );
    let table = found.to_string();
    assert!(
        table.contains("with all of \"bn\" 0.0e0 ± 0e0  -> one scale with it"),
        "{table}"
    );
    // Where a member is invariant by itself, the module says nothing new.
    let own: [Tensor<'_>; 2] = [
        ("bn.b", &[1], &[2.0], &[0.0]),
        ("bn.w", &[2], &[1.0, 2.0], &[2.0, -1.0]),
    ];
    let found = after(70, 0.1, &own);
    assert!(found.findings.iter().all(|f| f.jointly.is_none()));
    assert_eq!(found.symmetry("bn.w"), Some(Symmetry::ScaleInvariant));
}

#[test]
fn steps_that_are_refused_leave_no_trace() {
    let mut test = ScaleTest::new();
    let (w, g) = ([1.0, 2.0], [2.0, -1.0]);
    let pair = |w: &[f64], g: &[f64], shape: &[usize], test: &mut ScaleTest| {
        test.observe(|step| step.tensor("w", shape, w, g))
    };
    assert!(matches!(test.observe(|_| Ok(())), Err(Error::Empty { .. })));
    assert!(matches!(
        pair(&w, &g, &[3], &mut test),
        Err(Error::LengthMismatch {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(matches!(
        pair(&w, &g[..1], &[2], &mut test),
        Err(Error::LengthMismatch {
            expected: 2,
            found: 1,
            ..
        })
    ));
    assert!(matches!(
        pair(&[], &[], &[0], &mut test),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(
        pair(&w, &[1.0, f64::NAN], &[2], &mut test),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        pair(&[1e200, 0.0], &g, &[2], &mut test),
        Err(Error::Overflow { .. })
    ));
    assert!(test.proposal().findings.is_empty());
    pair(&w, &g, &[2], &mut test).unwrap();
    assert!(matches!(
        pair(&w, &g, &[2, 1], &mut test),
        Err(Error::ShapeMismatch { .. })
    ));
    let twice = test.observe(|step| {
        step.tensor("w", &[2], &w, &g)?;
        // Told even where the visitor does not hand it on.
        let _ = step.tensor("w", &[2], &w, &g);
        step.tensor("new", &[2], &w, &g)
    });
    assert!(matches!(twice, Err(Error::GivenTwice { .. })));
    assert_eq!((test.steps(), test.proposal().findings.len()), (1, 1));
    // Long tensors are read in pieces, and an offender is named by its place.
    let long = vec![1.0; 1100];
    let mut bad = long.clone();
    bad[1030] = f64::INFINITY;
    let found = test.observe(|step| step.tensor("long", &[1100], &long, &bad));
    assert!(matches!(found, Err(Error::NonFinite { index: 1030, .. })));
    let rows: Vec<f64> = (0..1200)
        .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let ones = vec![1.0; 1200];
    let found = after(64, 0.1, &[("long", &[2, 600], &ones, &rows)]);
    assert_eq!(found.symmetry("long"), Some(Symmetry::ScaleInvariantBy(2)));
    let whole = &found.findings[0];
    // Columns are (1, 1)·(±1, ±1): along, √2.
    close(whole.slices[1].worst, 2_f64.sqrt(), 1e-13);
}

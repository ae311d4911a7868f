//! Values by hand, closed forms and boundaries: curvature.

use std::f64::consts::PI;

use thermograd::curvature::{
    CentralDifference, Convergence, Coordinates, DensityConfig, Dynamics, HessianVector,
    LanczosConfig, Loss, Objective, Probe, TraceConfig, edge_of_stability, edge_ratio, extremes,
    frobenius_squared, gradient, gradient_f32, hessian_vector, loss, loss_f32, sharpness,
    spectral_density, trace, traces,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading, Reason};

use super::{above, below, close, dot, near, ready, refused};

/// diag(2, 5, −1, 3) with what couples neighbours.
const H: [[f64; 4]; 4] = [
    [2.0, 0.5, 0.0, 0.25],
    [0.5, 5.0, -1.0, 0.0],
    [0.0, -1.0, -1.0, 0.75],
    [0.25, 0.0, 0.75, 3.0],
];

fn matrix() -> impl HessianVector {
    hessian_vector(4, |v: &[f64], out: &mut [f64]| {
        for (out, row) in out.iter_mut().zip(&H) {
            *out = dot(row, v);
        }
        Ok::<(), std::fmt::Error>(())
    })
}

fn form(z: &[f64], y: &[f64]) -> f64 {
    (0..4).map(|i| z[i] * dot(&H[i], y)).sum()
}

/// Signs by the bits of the stream, 64 to a word, the lowest first.
fn probe(law: Probe, d: usize, random: &mut Random) -> Vec<f64> {
    if law == Probe::Gaussian {
        return (0..d).map(|_| random.normal()).collect();
    }
    let mut bits = 0;
    (0..d)
        .map(|i| {
            if i % 64 == 0 {
                bits = random.bits();
            }
            if bits >> (i % 64) & 1 == 0 { 1.0 } else { -1.0 }
        })
        .collect()
}

fn mean_of(values: &[f64]) -> (f64, f64) {
    let n = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / n;
    let sum: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (sum / (n * (n - 1.0))).sqrt())
}

/// z'Hz, |Hz|² and z_g'(Hz)_g of the same probes, with the standard errors of their means.
#[test]
fn traces_are_means_over_their_probes() {
    for law in [Probe::Rademacher, Probe::Gaussian] {
        let config = TraceConfig::default()
            .probe(law)
            .relative_error(0.0)
            .least_probes(10)
            .most_probes(30)
            .seed(7);
        let mut random = Random::new(7);
        let probes: Vec<Vec<f64>> = (0..30).map(|_| probe(law, 4, &mut random)).collect();
        let forms: Vec<f64> = probes.iter().map(|z| form(z, z)).collect();
        let squares: Vec<f64> = probes
            .iter()
            .map(|z| H.iter().map(|row| dot(row, z).powi(2)).sum())
            .collect();
        let groups = [
            Coordinates::range(0..1).unwrap(),
            Coordinates::ranges([1..2, 3..4]).unwrap(),
        ];
        let parts: [Vec<f64>; 2] = [&[0][..], &[1, 3]].map(|of| {
            probes
                .iter()
                .map(|z| of.iter().map(|&i: &usize| z[i] * dot(&H[i], z)).sum())
                .collect()
        });
        let mut found = vec![
            (trace(&mut matrix(), &config).unwrap(), forms, 4),
            (
                frobenius_squared(&mut matrix(), &config).unwrap(),
                squares,
                4,
            ),
        ];
        let shared = traces(&mut matrix(), &groups, &config).unwrap();
        for ((trace, part), size) in shared.into_iter().zip(parts).zip([1, 2]) {
            found.push((trace, part, size));
        }
        for (trace, values, size) in found {
            let (mean, error) = mean_of(&values);
            close(trace.estimate.value, mean, 1e-12);
            near(trace.estimate.std_error, error, 1e-11);
            assert_eq!((trace.estimate.n_eff, trace.dimension), (30.0, size));
            assert_eq!(trace.cost.products, 30);
            assert_eq!(trace.cost.gradient_evaluations, 0);
            let size = f64::from(u32::try_from(size).unwrap());
            close(trace.mean_curvature().value, mean / size, 1e-12);
            near(trace.mean_curvature().std_error, error / size, 1e-11);
            assert_eq!(trace.convergence, Convergence::Exhausted);
        }
    }
    // More than 64 signs take more than one word: the diagonal is exact all the same.
    let wide = |z: &[f64]| -> f64 { (0..129).map(|i| z[i] * z[i + 1]).sum() };
    let mut h = hessian_vector(130, |v: &[f64], out: &mut [f64]| {
        for (i, out) in out.iter_mut().enumerate() {
            let (before, after) = (i.checked_sub(1), i + 1);
            *out = 0.5 * before.map_or(0.0, |j| v[j]) + 0.5 * v.get(after).unwrap_or(&0.0);
        }
        Ok::<(), std::fmt::Error>(())
    });
    let config = TraceConfig::default()
        .relative_error(0.0)
        .most_probes(16)
        .seed(2);
    let mut random = Random::new(2);
    let values: Vec<f64> = (0..16)
        .map(|_| wide(&probe(Probe::Rademacher, 130, &mut random)))
        .collect();
    close(
        trace(&mut h, &config).unwrap().estimate.value,
        mean_of(&values).0,
        1e-12,
    );
}

/// The error bar is looked at after the least number, and each time another quarter has come:
/// 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, …
#[test]
fn probing_stops_where_it_looks() {
    let config = TraceConfig::default().least_probes(4).most_probes(1000);
    let mut random = Random::new(0);
    let mut values = Vec::new();
    let looks = [
        4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41, 51, 63, 78, 97, 121, 151, 188,
    ];
    let mut last = 0;
    for stop in looks {
        while values.len() < stop {
            let z = probe(Probe::Rademacher, 4, &mut random);
            values.push(form(&z, &z));
        }
        let (_, error) = mean_of(&values);
        let found = trace(
            &mut matrix(),
            &config
                .relative_error(0.0)
                .absolute_error(error * (1.0 + 1e-9)),
        )
        .unwrap();
        // It may have been met before; never between two looks.
        assert_eq!(found.convergence, Convergence::Met);
        let products = usize::try_from(found.cost.products).unwrap();
        assert!(
            looks.contains(&products) && products <= stop,
            "{products} {stop}"
        );
        last = last.max(products);
    }
    assert!(last > 60, "{last}");
    // Relative to the trace, whatever its sign.
    let (mean, error) = mean_of(&values[..4]);
    let at = |tolerance: f64| trace(&mut matrix(), &config.relative_error(tolerance)).unwrap();
    assert_eq!(at(error / mean.abs() * (1.0 + 1e-9)).cost.products, 4);
    assert!(at(error / mean.abs() * (1.0 - 1e-9)).cost.products > 4);
}

/// Over its range a sketch is exact: tr Q'HQ and nothing left of a Hessian of rank one.
#[test]
fn a_sketch_takes_the_range_out() {
    let u = [1.0, -2.0, 3.0, 0.5, 1.5];
    let mut h = hessian_vector(5, |v: &[f64], out: &mut [f64]| {
        let along = dot(&u, v);
        for (out, u) in out.iter_mut().zip(&u) {
            *out = along * u;
        }
        Ok::<(), std::fmt::Error>(())
    });
    let found = trace(&mut h, &TraceConfig::default().sketch(2)).unwrap();
    close(found.estimate.value, dot(&u, &u), 1e-12);
    assert!(found.estimate.std_error < 1e-12);
    // Two to sketch, one direction of range, the sixteen that are asked at least.
    assert_eq!(found.cost.products, 2 + 1 + 16);
    let whole = trace(&mut matrix(), &TraceConfig::default().sketch(9)).unwrap();
    close(whole.estimate.value, 9.0, 1e-12);
    assert_eq!((whole.cost.products, whole.estimate.std_error), (8, 0.0));
    assert_eq!(
        (whole.convergence, whole.estimate.n_eff),
        (Convergence::Met, 0.0)
    );
}

#[test]
fn probing_has_bounds() {
    let of = |config: TraceConfig| trace(&mut matrix(), &config).map(|_| ());
    let plain = TraceConfig::default();
    refused(of(plain.relative_error(-1e-9)), "relative error of a trace");
    refused(
        of(plain.absolute_error(f64::INFINITY)),
        "absolute error of a trace",
    );
    refused(of(plain.least_probes(1)), "least number of probes");
    refused(of(plain.most_probes(15)), "largest number of probes");
    refused(of(plain.most_probes(1_000_001)), "largest number of probes");
    refused(of(plain.sketch(1_000_001)), "number of sketched directions");
    assert!(of(plain.most_probes(16)).is_ok());
    assert!(of(plain.least_probes(2).most_probes(2)).is_ok());
    let none = || hessian_vector(0, |_: &[f64], _: &mut [f64]| Ok::<(), std::fmt::Error>(()));
    assert!(matches!(
        trace(&mut none(), &plain),
        Err(Error::Empty { .. })
    ));
    let far = [Coordinates::range(3..5).unwrap()];
    assert!(matches!(
        traces(&mut matrix(), &far, &plain),
        Err(Error::LengthMismatch {
            expected: 5,
            found: 4,
            ..
        })
    ));
    assert!(traces(&mut matrix(), &[], &plain).unwrap().is_empty());
    let density = |config: DensityConfig| spectral_density(&mut matrix(), &config).map(|_| ());
    refused(
        density(DensityConfig::default().probes(1)),
        "number of probes",
    );
    refused(
        density(DensityConfig::default().probes(1_000_001)),
        "number of probes",
    );
    refused(
        density(DensityConfig::default().steps(0)),
        "number of Lanczos steps",
    );
    refused(
        density(DensityConfig::default().steps(2001)),
        "number of Lanczos steps",
    );
    assert!(density(DensityConfig::default().probes(2).steps(2000)).is_ok());
    let lanczos = |config: LanczosConfig| extremes(&mut matrix(), &config).map(|_| ());
    let plain = LanczosConfig::default();
    refused(
        lanczos(plain.tolerance(-1e-9)),
        "tolerance of Lanczos' iteration",
    );
    refused(
        lanczos(plain.tolerance(f64::NAN)),
        "tolerance of Lanczos' iteration",
    );
    refused(lanczos(plain.largest(0)), "number of eigenvalues");
    refused(lanczos(plain.largest(3).steps(2)), "number of eigenvalues");
    refused(lanczos(plain.steps(2001)), "number of Lanczos steps");
    assert!(lanczos(plain.largest(1).smallest(1).steps(2)).is_ok());
}

/// One step of Lanczos is Rayleigh's quotient of its first direction, with the length of what
/// is left as its residual.
#[test]
fn one_step_is_a_quotient() {
    let found = extremes(&mut matrix(), &LanczosConfig::default().steps(1).seed(3)).unwrap();
    let mut random = Random::new(3);
    let v: Vec<f64> = (0..4).map(|_| random.normal()).collect();
    let square = dot(&v, &v);
    let quotient = form(&v, &v) / square;
    let left: f64 = (0..4)
        .map(|i| (dot(&H[i], &v) - quotient * v[i]).powi(2))
        .sum();
    let top = found.top().unwrap();
    close(top.value, quotient, 1e-13);
    near(top.residual, (left / square).sqrt(), 1e-12);
    for (found, v) in top.vector.iter().zip(&v) {
        close(found.abs(), v.abs() / square.sqrt(), 1e-13);
    }
    assert_eq!(
        (found.convergence, found.cost.products),
        (Convergence::Exhausted, 1)
    );
    // All four: they add up to the trace, their squares to the Frobenius norm.
    let all = LanczosConfig::default().largest(2).smallest(2);
    let found = extremes(&mut matrix(), &all).unwrap();
    let values: Vec<f64> = found
        .largest
        .iter()
        .chain(&found.smallest)
        .map(|pair| pair.value)
        .collect();
    close(values.iter().sum(), 9.0, 1e-12);
    let frobenius: f64 = H.iter().map(|row| dot(row, row)).sum();
    close(dot(&values, &values), frobenius, 1e-11);
    assert!(values[0] > values[1] && values[2] < values[3] && values[1] > values[3]);
    for pair in found.largest.iter().chain(&found.smallest) {
        for (row, v) in H.iter().zip(&pair.vector) {
            close(dot(row, &pair.vector), pair.value * v, 1e-11);
        }
        assert_eq!(pair.residual, 0.0);
    }
    assert_eq!(
        (found.convergence, found.cost.products),
        (Convergence::Met, 4)
    );
    // More than there are: none twice.
    let found = extremes(
        &mut matrix(),
        &LanczosConfig::default().largest(3).smallest(3),
    )
    .unwrap();
    assert_eq!((found.largest.len(), found.smallest.len()), (3, 1));
}

/// Ritz values are looked at after every step up to 20 and every tenth of their number from
/// there on: 22, 24, …, 30, 33, …; the first look that meets the tolerance is the last.
#[test]
fn extremes_are_looked_at_every_tenth() {
    let mut looks = vec![1_usize];
    while looks[looks.len() - 1] < 100 {
        let last = looks[looks.len() - 1];
        looks.push(last + (last / 10).max(1));
    }
    let wide = || {
        hessian_vector(60, |v: &[f64], out: &mut [f64]| {
            for i in 0..60 {
                let x = f64::from(u32::try_from(i).unwrap()) / 30.0 - 1.0;
                out[i] = (x + 0.3 * x * x) * v[i];
            }
            Ok::<(), std::fmt::Error>(())
        })
    };
    let mut seen = Vec::new();
    for tolerance in [0.1, 1e-3, 1e-8] {
        let config = LanczosConfig::default().smallest(1).tolerance(tolerance);
        let found = extremes(&mut wide(), &config).unwrap();
        assert_eq!(found.convergence, Convergence::Met);
        let products = usize::try_from(found.cost.products).unwrap();
        let at = looks.iter().position(|look| *look == products);
        let Some(at) = at else {
            panic!("{products} is no look");
        };
        let scale = found.largest[0].value.max(-found.smallest[0].value);
        for pair in found.largest.iter().chain(&found.smallest) {
            assert!(pair.residual <= tolerance * scale);
        }
        if products > 2 {
            let before = extremes(&mut wide(), &config.steps(looks[at - 1].max(2))).unwrap();
            assert_eq!(before.convergence, Convergence::Exhausted, "{tolerance}");
        }
        seen.push(products);
    }
    assert!(
        seen.iter().any(|m| *m > 20) && seen.iter().any(|m| *m < 20),
        "{seen:?}"
    );
}

/// A space that closes goes on from a new direction: equal values are all found.
#[test]
fn equal_curvatures_are_found_as_often_as_they_are_there() {
    let mut h = hessian_vector(5, |v: &[f64], out: &mut [f64]| {
        for (i, (out, v)) in out.iter_mut().zip(v).enumerate() {
            *out = if i < 3 { 2e-6 * v } else { 5e-6 * v };
        }
        Ok::<(), std::fmt::Error>(())
    });
    let found = extremes(&mut h, &LanczosConfig::default().largest(5)).unwrap();
    let values: Vec<f64> = found.largest.iter().map(|pair| pair.value).collect();
    assert_eq!(found.cost.products, 5);
    for (value, expected) in values.iter().zip([5e-6, 5e-6, 2e-6, 2e-6, 2e-6]) {
        near(*value, expected, 1e-12);
    }
    for (i, a) in found.largest.iter().enumerate() {
        for b in &found.largest[..i] {
            close(dot(&a.vector, &b.vector), 0.0, 1e-12);
        }
        close(dot(&a.vector, &a.vector), 1.0, 1e-12);
    }
    // By quadrature a space that closes is exact with the steps it has.
    let spectrum = spectral_density(&mut h, &DensityConfig::default()).unwrap();
    assert_eq!(spectrum.cost().products, 16);
    let found = ready(&spectrum.trace_of(|h| h));
    near(found.estimate.value, 16e-6, 1e-12);
    assert!(found.truncation < 1e-18);
}

/// Moments of a spectrum are exact up to the degree of its rule, probe by probe.
#[test]
fn spectra_by_quadrature_have_exact_moments() {
    let config = DensityConfig::default().probes(5).steps(2).seed(6);
    let spectrum = spectral_density(&mut matrix(), &config).unwrap();
    let mut random = Random::new(6);
    let probes: Vec<Vec<f64>> = (0..5)
        .map(|_| probe(Probe::Rademacher, 4, &mut random))
        .collect();
    let image = |z: &[f64]| -> Vec<f64> { H.iter().map(|row| dot(row, z)).collect() };
    for power in 0..4 {
        let values: Vec<f64> = probes
            .iter()
            .map(|z| {
                let mut y = z.clone();
                for _ in 0..power {
                    y = image(&y);
                }
                dot(z, &y)
            })
            .collect();
        let (mean, error) = mean_of(&values);
        let found = ready(&spectrum.trace_of(|h| h.powi(power)));
        close(found.estimate.value, mean, 1e-11);
        close(found.estimate.std_error, error, 1e-10);
        assert_eq!(found.estimate.n_eff, 5.0);
    }
    assert_eq!((spectrum.dimension(), spectrum.cost().products), (4, 10));
    let nodes: Vec<(f64, f64)> = spectrum.nodes().collect();
    assert_eq!(nodes.len(), 10);
    close(nodes.iter().map(|n| n.1).sum(), 1.0, 1e-13);
    let bound = 1.7;
    let part: f64 = nodes.iter().filter(|n| n.0 <= bound).map(|n| n.1).sum();
    close(ready(&spectrum.fraction_below(bound)).value, part, 1e-13);
    assert_eq!(ready(&spectrum.fraction_below(f64::INFINITY)).value, 1.0);
    let below_it = ready(&spectrum.trace_of(|h| if h <= bound { 1.0 } else { 0.0 }));
    near(
        ready(&spectrum.fraction_below(bound)).std_error,
        below_it.estimate.std_error / 4.0,
        1e-13,
    );
    let shifted = ready(&spectrum.trace_of(|h| (h + 3.5).ln()));
    assert_eq!(ready(&spectrum.ln_det(3.5).unwrap()), shifted);
    assert!(spectrum.fraction_below(f64::NAN).ready().is_none());
    let width = 0.4;
    let height: f64 = nodes
        .iter()
        .map(|n| n.1 * (-0.5 * ((n.0 - bound) / width).powi(2)).exp())
        .sum();
    let found = spectrum.density(bound, width).unwrap();
    close(
        ready(&found).value,
        height / (width * (2.0 * PI).sqrt()),
        1e-13,
    );
    refused(spectrum.density(f64::NAN, 1.0), "curvature");
    refused(spectrum.density(0.0, 1e-150), "width of the broadening");
    refused(spectrum.density(0.0, 1e150), "width of the broadening");
    assert!(spectrum.density(0.0, above(1e-150)).is_ok());
    refused(spectrum.ln_det(-1e-9), "localisation");
    refused(spectrum.ln_det(1e150), "localisation");
    assert!(spectrum.ln_det(below(1e150)).is_ok());
    assert!(matches!(
        spectrum.trace_of(|_| f64::NAN),
        Reading::Undefined(Reason::Meaningless(_))
    ));
    // The coarser rule has three quarters of the steps: 4 less 1, whose top moment is off.
    let wide = |steps: usize| {
        let mut h = hessian_vector(12, |v: &[f64], out: &mut [f64]| {
            for i in 0..12 {
                out[i] = f64::from(u32::try_from(i).unwrap()) * v[i];
            }
            Ok::<(), std::fmt::Error>(())
        });
        spectral_density(&mut h, &DensityConfig::default().steps(steps)).unwrap()
    };
    let power = |steps: usize, degree: i32| {
        let found = ready(&wide(steps).trace_of(|h| h.powi(degree)));
        (found.estimate.value, found.truncation)
    };
    let (value, truncation) = power(4, 7);
    near(truncation, (value - power(3, 7).0).abs(), 1e-9);
    assert!(power(4, 5).1 < 1e-9 * power(4, 5).0 && truncation > 1e-4 * value);
}

/// Δ'HΔ/|Δ|², the ratio of means, and the scatter of what is left of it.
#[test]
fn edges_by_hand() {
    let v = [1.0, 2.0, 0.0, -1.0];
    let along = sharpness(&mut matrix(), &v).unwrap();
    close(along.quadratic_form, form(&v, &v), 1e-13);
    close(along.squared_length, 6.0, 1e-13);
    close(ready(&along.curvature()), form(&v, &v) / 6.0, 1e-13);
    assert_eq!(along.cost.products, 1);
    let still = sharpness(&mut matrix(), &[0.0; 4]).unwrap();
    assert!(still.curvature().ready().is_none());
    assert_eq!(still.cost.products, 0);
    assert!(matches!(
        sharpness(&mut matrix(), &v[..3]),
        Err(Error::LengthMismatch {
            expected: 4,
            found: 3,
            ..
        })
    ));
    assert!(matches!(
        sharpness(&mut matrix(), &[1.1e100, 0.0, 0.0, 0.0]),
        Err(Error::Overflow { .. })
    ));
    assert!(sharpness(&mut matrix(), &[1e100, 0.0, 0.0, 0.0]).is_ok());
    let mut random = Random::new(5);
    let many: Vec<_> = (0..64)
        .map(|_| {
            let v: Vec<f64> = (0..4).map(|_| random.normal()).collect();
            sharpness(&mut matrix(), &v).unwrap()
        })
        .collect();
    let dynamics = Dynamics::learning_rate(0.25).momentum(0.5);
    let found = ready(&edge_ratio(&many, dynamics).unwrap());
    let square: f64 = many.iter().map(|s| s.squared_length).sum::<f64>() / 64.0;
    let ratio = many.iter().map(|s| s.quadratic_form).sum::<f64>() / 64.0 / square;
    close(found.value, ratio / 12.0, 1e-13);
    // The error of the ratio by its linearisation, for what memory it says: s²/n_eff.
    let residuals: Vec<f64> = many
        .iter()
        .map(|s| (s.quadratic_form - ratio * s.squared_length) / square)
        .collect();
    let variance = residuals.iter().map(|r| r * r).sum::<f64>() / 64.0;
    near(
        found.std_error,
        (variance / found.n_eff).sqrt() / 12.0,
        0.02,
    );
    // The unit of the updates drops out, error and all.
    let mut scaled = many.clone();
    for s in &mut scaled {
        s.quadratic_form *= 16.0;
        s.squared_length *= 16.0;
    }
    assert_eq!(ready(&edge_ratio(&scaled, dynamics).unwrap()), found);
    assert!(matches!(
        edge_ratio(&many[..7], dynamics).unwrap(),
        Reading::Pending { seen: 7, needed: 8 }
    ));
    assert!(edge_ratio(&many[..8], dynamics).unwrap().ready().is_some());
    assert!(edge_ratio(&[still; 8], dynamics).unwrap().ready().is_none());
    let exhausted = LanczosConfig::default().steps(2).seed(1);
    let found = extremes(&mut matrix(), &exhausted).unwrap();
    let top = found.top().unwrap();
    let edge = ready(&edge_of_stability(&found, dynamics).unwrap());
    close(edge.critical, 12.0, 1e-13);
    close(edge.ratio, top.value / 12.0, 1e-14);
    close(edge.margin, 1.0 - top.value / 12.0, 1e-14);
    close(edge.bound, top.residual / 12.0, 1e-14);
    assert!(edge.bound > 0.0);
    let lower = extremes(&mut matrix(), &exhausted.largest(0).smallest(1)).unwrap();
    assert!(
        edge_of_stability(&lower, dynamics)
            .unwrap()
            .ready()
            .is_none()
    );
}

#[test]
fn coordinates_are_ranges_that_ascend() {
    let set = Coordinates::ranges([1..3, 3..4, 6..6, 7..9]).unwrap();
    assert_eq!(set.as_ranges(), [1..4, 7..9]);
    assert_eq!((set.len(), set.is_empty()), (5, false));
    let x: Vec<f64> = (0..10).map(f64::from).collect();
    assert_eq!(set.gather(&x).unwrap(), [1.0, 2.0, 3.0, 7.0, 8.0]);
    assert!(set.gather(&x[..9]).is_ok());
    assert!(matches!(
        set.gather(&x[..8]),
        Err(Error::LengthMismatch {
            expected: 9,
            found: 8,
            ..
        })
    ));
    for bad in [vec![0..2, 1..3], vec![4..5, 0..1]] {
        assert!(matches!(
            Coordinates::ranges(bad),
            Err(Error::Conflict { .. })
        ));
    }
    #[expect(clippy::reversed_empty_ranges, reason = "what is to be refused")]
    let backwards = Coordinates::range(3..2);
    assert!(matches!(backwards, Err(Error::Conflict { .. })));
    assert!(matches!(Coordinates::range(3..3), Err(Error::Empty { .. })));
    assert!(matches!(
        Coordinates::mask(&[false; 3]),
        Err(Error::Empty { .. })
    ));
    let mask = Coordinates::mask(&[true, false, false, true, true]).unwrap();
    assert_eq!(mask.as_ranges(), [0..1, 3..5]);
    // Restricted to them, an objective, a loss, a Hessian.
    let some = Coordinates::ranges([0..1, 2..4]).unwrap();
    let at = [1.0, 2.0, 3.0, 4.0];
    let whole = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            for i in 0..4 {
                g[i] = dot(&H[i], w);
            }
            0.5 * form(w, w)
        })
    };
    let mut part = some.of(whole(), &at).unwrap();
    let mut g = [0.0; 3];
    let moved = [5.0, 2.0, 6.0, 7.0];
    close(
        part.evaluate(&[5.0, 6.0, 7.0], &mut g).unwrap(),
        0.5 * form(&moved, &moved),
        1e-13,
    );
    for (g, i) in g.iter().zip([0, 2, 3]) {
        close(*g, dot(&H[i], &moved), 1e-13);
    }
    assert!(part.evaluate(&[5.0, 6.0], &mut g).is_err());
    assert_eq!(part.rounding(), f64::EPSILON);
    let mut values = some
        .loss_of(loss(|w: &[f64]| 0.5 * form(w, w)), &at)
        .unwrap();
    close(
        values.loss(&[5.0, 6.0, 7.0]).unwrap(),
        0.5 * form(&moved, &moved),
        1e-13,
    );
    assert!(values.loss(&[1.0; 4]).is_err());
    assert!(some.of(whole(), &at[..3]).is_err());
    assert!(some.loss_of(loss(|w: &[f64]| w[0]), &at[..3]).is_err());
    let mut block = some.block(matrix()).unwrap();
    let mut out = [0.0; 3];
    block.apply(&[1.0, -1.0, 2.0], &mut out).unwrap();
    let direction = [1.0, 0.0, -1.0, 2.0];
    for (out, i) in out.iter().zip([0, 2, 3]) {
        close(*out, dot(&H[i], &direction), 1e-13);
    }
    assert_eq!((block.dimension(), block.evaluations_per_product()), (3, 0));
    assert_eq!(block.rounding(), f64::EPSILON);
    assert!(block.apply(&[1.0], &mut out).is_err());
    let far = Coordinates::range(4..5).unwrap();
    assert!(matches!(
        far.block(matrix()),
        Err(Error::LengthMismatch {
            expected: 5,
            found: 4,
            ..
        })
    ));
    let differences = CentralDifference::new(whole(), &at).unwrap();
    assert_eq!(
        some.block(differences).unwrap().evaluations_per_product(),
        2
    );
}

/// (∇L(w + εv) − ∇L(w − εv))/2ε with |εv| as it was set: of a cube exactly 6w + …
#[test]
fn differences_take_the_step_that_they_are_told() {
    use std::cell::RefCell;
    let seen = RefCell::new(Vec::new());
    let quartic = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            seen.borrow_mut().push(w.to_vec());
            for (g, w) in g.iter_mut().zip(w) {
                *g = w.powi(3);
            }
            0.25 * w.iter().map(|w| w.powi(4)).sum::<f64>()
        })
    };
    let mut h = CentralDifference::new(quartic(), &[3.0, 4.0]).unwrap();
    assert_eq!(h.weights(), [3.0, 4.0]);
    let mut out = [0.0; 2];
    h.apply(&[0.0, 2.0], &mut out).unwrap();
    // |w| = 5 and ρ^{1/3} of double precision.
    let length = 5.0 * f64::EPSILON.cbrt();
    let steps = seen.take();
    near(steps[0][1] - 4.0, length, 1e-9);
    near(4.0 - steps[1][1], length, 1e-9);
    assert_eq!((steps[0][0], steps.len()), (3.0, 2));
    let mut h = h.step_length(0.5).unwrap();
    h.apply(&[0.0, 2.0], &mut out).unwrap();
    // (4.5³ − 3.5³)/1 · 2.
    close(out[1], 2.0 * (91.125 - 42.875), 1e-12);
    assert_eq!(out[0], 0.0);
    h.apply(&[0.0, 0.0], &mut out).unwrap();
    assert_eq!(out, [0.0, 0.0]);
    assert!(h.apply(&[1.0], &mut out).is_err());
    assert!(h.apply(&[1.0, 1.0], &mut out[..1]).is_err());
    near(h.rounding(), f64::EPSILON.powf(2.0 / 3.0), 1e-14);
    assert_eq!((h.dimension(), h.evaluations_per_product()), (2, 2));
    let mut by_reference = &mut h;
    assert_eq!(HessianVector::dimension(&by_reference), 2);
    assert_eq!(HessianVector::evaluations_per_product(&by_reference), 2);
    near(
        HessianVector::rounding(&by_reference),
        f64::EPSILON.powf(2.0 / 3.0),
        1e-14,
    );
    HessianVector::apply(&mut by_reference, &[1.0, 0.0], &mut out).unwrap();
    close(out[0], 3.5_f64.powi(3) - 2.5_f64.powi(3), 1e-12);
    let mut inner = h.into_inner();
    assert_eq!(inner.evaluate(&[2.0, 0.0], &mut out).unwrap(), 4.0);
    let mut lent = &mut inner;
    assert_eq!(Objective::rounding(&lent), f64::EPSILON);
    assert_eq!(
        Objective::evaluate(&mut lent, &[0.0, 2.0], &mut out).unwrap(),
        4.0
    );
    let new = |length: f64| {
        let h = CentralDifference::new(quartic(), &[1.0]).unwrap();
        h.step_length(length).map(|_| ())
    };
    refused(new(0.0), "step length of the differences");
    refused(new(1e150), "step length of the differences");
    assert!(new(below(1e150)).is_ok());
    // At the origin the length is ρ^{1/3} itself.
    seen.take();
    let mut h = CentralDifference::new(quartic(), &[0.0]).unwrap();
    h.apply(&[3.0], &mut out[..1]).unwrap();
    near(seen.borrow()[0][0], f64::EPSILON.cbrt(), 1e-12);
    // In single precision it suits 24 bits, and what is not written is found out.
    let single = gradient_f32(|w: &[f32], g: &mut [f32]| {
        g[0] = 2.0 * w[0];
        w[0] * w[0]
    });
    assert_eq!(single.rounding(), f64::from(f32::EPSILON));
    let h = CentralDifference::new(single, &[1.0]).unwrap();
    near(h.rounding(), f64::from(f32::EPSILON).powf(2.0 / 3.0), 1e-14);
    let mut lazy = gradient_f32(|w: &[f32], _: &mut [f32]| w[0]);
    let mut g = [0.0];
    assert_eq!(lazy.evaluate(&[0.25], &mut g).unwrap(), 0.25);
    assert!(g[0].is_nan());
}

fn lent<L: Loss>(mut loss: L) -> Result<f64, Error> {
    loss.loss(&[2.0])
}

#[test]
fn closures_that_fail_are_counted() {
    let fails = |error: Error, name: &str, call: u64| match error {
        Error::Evaluation {
            closure,
            evaluation,
            cause,
        } => {
            assert_eq!(
                (closure, evaluation, cause.as_str()),
                (name, call, "no memory")
            );
        }
        other => panic!("{other:?}"),
    };
    let mut calls = 0;
    let mut once = loss(move |w: &[f64]| {
        calls += 1;
        if calls > 1 {
            Err("no memory")
        } else {
            Ok(w[0])
        }
    });
    assert_eq!(once.loss(&[2.0]).unwrap(), 2.0);
    fails(lent(&mut once).unwrap_err(), "the loss closure", 2);
    assert_eq!(lent(&mut loss(|w: &[f64]| 3.0 * w[0])).unwrap(), 6.0);
    let mut single = loss_f32(|_: &[f32]| Err::<f32, _>("no memory"));
    fails(single.loss(&[2.0]).unwrap_err(), "the loss closure", 1);
    let mut slope = gradient(|_: &[f64], _: &mut [f64]| Err::<f64, _>("no memory"));
    fails(
        slope.evaluate(&[2.0], &mut [0.0]).unwrap_err(),
        "the gradient closure",
        1,
    );
    fails(
        slope.evaluate(&[2.0], &mut [0.0]).unwrap_err(),
        "the gradient closure",
        2,
    );
    let mut product = hessian_vector(1, |_: &[f64], _: &mut [f64]| Err::<(), _>("no memory"));
    fails(
        product.apply(&[2.0], &mut [0.0]).unwrap_err(),
        "the Hessian-vector closure",
        1,
    );
    // A product beyond 1e70 has a square that does not fit into another square.
    let huge = |size: f64| {
        let mut h = hessian_vector(1, move |v: &[f64], out: &mut [f64]| {
            out[0] = size * v[0];
            Ok::<(), std::fmt::Error>(())
        });
        trace(&mut h, &TraceConfig::default()).map(|found| found.estimate.value)
    };
    assert!(matches!(huge(above(1e70)), Err(Error::Overflow { .. })));
    assert_eq!(huge(1e70).unwrap(), 1e70);
    assert!(matches!(huge(f64::NAN), Err(Error::NonFinite { .. })));
}

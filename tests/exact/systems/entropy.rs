//! Values by hand, closed forms and boundaries: entropy.

use std::f64::consts::{E, LN_2, PI};

use thermograd::entropy::{
    Caveat, Distances, EntropyEstimate, Estimator, GraphLength, Neighbors, NullCloud, NullKind,
    Offered, Points, Projection, Provenance, Resultant, Sampling, Scaling, SnapshotWindow, Space,
    Sphere, Spread, Validity, WindowConfig, concentration, covariance_spectrum, effective_rank,
    entropy_at_radii, entropy_at_radius, fit_von_mises_fisher, gaussian, geodesic_cap,
    graph_length, hyperspherical_angles, kozachenko_leonenko, kozachenko_leonenko_scaled,
    ledoit_wolf, ledoit_wolf_shrinkage, ln_ball_volume, ln_cap_area, ln_det_bias,
    ln_pseudo_determinant, ln_sphere_area, resolution_limited, spread, thermal_degrees_of_freedom,
    two_neighbor_dimension,
};
use thermograd::systems::{Random, VonMisesFisher};
use thermograd::{Error, Reading, Reason, View};

use super::{above, below, close, dot, integral, near, ready, refused};

const EULER: f64 = 0.577_215_664_901_532_9;
const LN_TWO_PI_E: f64 = 2.837_877_066_409_345_3;

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

/// ψ at half a whole number: −γ at 1, −γ − 2 ln 2 at ½, and ψ(x + 1) = ψ(x) + 1/x.
fn psi(halves: usize) -> f64 {
    let (mut x, mut sum) = if halves.is_multiple_of(2) {
        (1.0, -EULER)
    } else {
        (0.5, -EULER - 2.0 * LN_2)
    };
    while x < 0.5 * count(halves) {
        sum += 1.0 / x;
        x += 1.0;
    }
    sum
}

/// ψ′ at half a whole number: π²/6 at 1, π²/2 at ½, and ψ′(x + 1) = ψ′(x) − 1/x².
fn psi_prime(halves: usize) -> f64 {
    let (mut x, mut sum) = if halves.is_multiple_of(2) {
        (1.0, PI * PI / 6.0)
    } else {
        (0.5, PI * PI / 2.0)
    };
    while x < 0.5 * count(halves) {
        sum -= 1.0 / (x * x);
        x += 1.0;
    }
    sum
}

fn cloud(n: usize, d: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n * d)
        .map(|i| (1.0 + 0.5 * count(i % d)) * random.normal() + 0.5)
        .collect()
}

fn distances(rows: &[f64], d: usize) -> Distances<'static> {
    Points::new(rows.to_vec(), d).unwrap().distances().unwrap()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Blocks of a trajectory of independent snapshots.
fn blocks(n: usize, most: usize) -> Vec<(usize, usize)> {
    let b = n.div_ceil(4).clamp(5, most).min(n);
    (0..b).map(|i| (i * n / b, (i + 1) * n / b)).collect()
}

/// Delete-one-block jackknife.
fn jackknife(values: &[f64]) -> f64 {
    let b = count(values.len());
    let mean = values.iter().sum::<f64>() / b;
    let sum: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    ((b - 1.0) / b * sum).sqrt()
}

/// The rows without those of a block.
fn without(rows: &[f64], d: usize, (start, end): (usize, usize)) -> Vec<f64> {
    [&rows[..start * d], &rows[end * d..]].concat()
}

/// The covariance about the mean with a denominator, flat.
fn covariance(rows: &[f64], d: usize, denominator: f64) -> Vec<f64> {
    let n = count(rows.len() / d);
    let mean: Vec<f64> = (0..d)
        .map(|i| rows.iter().skip(i).step_by(d).sum::<f64>() / n)
        .collect();
    let mut out = vec![0.0; d * d];
    for row in rows.chunks(d) {
        for i in 0..d {
            for j in 0..d {
                out[i * d + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / denominator;
            }
        }
    }
    out
}

/// ln det by elimination, for a positive definite matrix.
fn ln_det(d: usize, matrix: &[f64]) -> f64 {
    let mut m = matrix.to_vec();
    let mut ln = 0.0;
    for k in 0..d {
        ln += m[k * d + k].ln();
        for i in k + 1..d {
            let factor = m[i * d + k] / m[k * d + k];
            for j in k..d {
                m[i * d + j] -= factor * m[k * d + j];
            }
        }
    }
    ln
}

fn with_identity(d: usize, matrix: &[f64], scale: f64, shift: f64) -> Vec<f64> {
    (0..d * d)
        .map(|k| scale * matrix[k] + if k % (d + 1) == 0 { shift } else { 0.0 })
        .collect()
}

/// Neighbours by sorting: for each the squared distances to the others in order, those within
/// `lags` in time left out.
fn sorted(rows: &[Vec<f64>], times: &[usize], lags: usize) -> Vec<Vec<f64>> {
    (0..rows.len())
        .map(|i| {
            let mut all: Vec<f64> = (0..rows.len())
                .filter(|&j| times[i].abs_diff(times[j]) > lags)
                .map(|j| apart(&rows[i], &rows[j]))
                .collect();
            all.sort_by(f64::total_cmp);
            all
        })
        .collect()
}

/// Mean of ψ(m + 1) − ψ(k) + ln of the volume out to the k-th of m neighbours.
fn by_neighbors(near: &[Vec<f64>], k: usize, ln_volume: impl Fn(f64) -> f64) -> f64 {
    let sum: f64 = near
        .iter()
        .map(|all| psi(2 * all.len() + 2) - psi(2 * k) + ln_volume(all[k - 1]))
        .sum();
    sum / count(near.len())
}

/// Value and error of a statistic of neighbours, by the definition of the error bar: blocks on
/// their own where at least five of them hold four times what a neighbour needs, all but one
/// block where not.
fn neighbors_with_error(
    rows: &[Vec<f64>],
    (k, lags): (usize, usize),
    statistic: impl Fn(&[Vec<f64>], &[usize]) -> f64,
) -> (f64, f64) {
    let n = rows.len();
    let times: Vec<usize> = (0..n).collect();
    let value = statistic(&sorted(rows, &times, lags), &times);
    let least = k + 2 * lags + 2;
    let room = blocks(n, 20).len();
    let b = room.min(n / (4 * least));
    if b >= 5 {
        let parts: Vec<f64> = (0..b)
            .map(|i| {
                let range = i * n / b..(i + 1) * n / b;
                let times = &times[range.clone()];
                statistic(&sorted(&rows[range], times, lags), times)
            })
            .collect();
        let mean = parts.iter().sum::<f64>() / count(b);
        let sum: f64 = parts.iter().map(|v| (v - mean).powi(2)).sum();
        let nu = count(b) - 1.0;
        // s/√B, widened by √(ν/(ν − 2)).
        return (value, (sum / nu / count(b) * nu / (nu - 2.0)).sqrt());
    }
    let parts: Vec<f64> = (0..room)
        .map(|i| {
            let (start, end) = (i * n / room, (i + 1) * n / room);
            let kept: Vec<usize> = times
                .iter()
                .copied()
                .filter(|t| !(start..end).contains(t))
                .collect();
            let rows: Vec<Vec<f64>> = kept.iter().map(|&t| rows[t].clone()).collect();
            statistic(&sorted(&rows, &kept, lags), &kept)
        })
        .collect();
    (value, jackknife(&parts))
}

fn row_vectors(rows: &[f64], d: usize) -> Vec<Vec<f64>> {
    rows.chunks(d).map(<[f64]>::to_vec).collect()
}

#[test]
fn flat_neighbours_by_sorting() {
    for (n, d, k, lags) in [(12, 2, 1, 0), (30, 3, 2, 1), (70, 1, 1, 0), (160, 2, 3, 0)] {
        let rows = cloud(n, d, 3);
        let neighbors = Neighbors::new(k).exclude_lags(lags).independent();
        let found = kozachenko_leonenko(&distances(&rows, d), neighbors).unwrap();
        let found = ready(&found);
        let unit = ln_ball_volume(d).unwrap();
        let (value, error) = neighbors_with_error(&row_vectors(&rows, d), (k, lags), |near, _| {
            by_neighbors(near, k, |squared| unit + 0.5 * count(d) * squared.ln())
        });
        close(found.entropy.value, value, 1e-12);
        near(found.entropy.std_error, error, 1e-9);
        assert_eq!((found.snapshots, found.dimension), (n, d));
        assert_eq!(
            (found.neighbors, found.autocorrelation_time),
            (Some(k), 1.0)
        );
        assert_eq!(found.entropy.n_eff, count(n));
        assert_eq!(
            found.estimator,
            Estimator::KozachenkoLeonenko(Scaling::Isotropic)
        );
    }
    assert_eq!(Neighbors::new(7).k(), 7);
    assert_eq!(Neighbors::default(), Neighbors::new(4));
}

#[test]
fn neighbours_among_directions_by_sorting() {
    for (n, d, k, lags) in [(14, 2, 1, 0), (30, 3, 2, 1), (60, 4, 1, 0), (80, 5, 1, 0)] {
        let rows = cloud(n, d, 5);
        let neighbors = Neighbors::new(k).exclude_lags(lags).independent();
        let found = ready(&geodesic_cap(&distances(&rows, d), neighbors).unwrap());
        let unit: Vec<Vec<f64>> = rows
            .chunks(d)
            .map(|w| w.iter().map(|x| x / dot(w, w).sqrt()).collect())
            .collect();
        let (value, error) = neighbors_with_error(&unit, (k, lags), |near, _| {
            by_neighbors(near, k, |squared| {
                ln_cap_area(d, 2.0 * (0.5 * squared.sqrt()).min(1.0).asin()).unwrap()
            })
        });
        close(found.entropy.value, value, 1e-9);
        near(found.entropy.std_error, error, 1e-6);
        assert_eq!(found.estimator, Estimator::GeodesicCap);
    }
}

/// H = (d/γ)[ln L − (1 − γ/d) ln N], L the sum of the k shortest edges of each to the power γ.
#[test]
fn lengths_of_graphs_by_sorting() {
    for (n, d, k, gamma) in [(10, 2, 1, 1.0), (60, 3, 2, 0.5), (100, 2, 1, 1.5)] {
        let rows = cloud(n, d, 7);
        let neighbors = Neighbors::new(k).independent();
        let graph = GraphLength::new(neighbors).gamma(gamma);
        for (graph, dim) in [(graph, count(d)), (graph.dimension(6), 6.0)] {
            let found = ready(&graph_length(&distances(&rows, d), graph).unwrap());
            let statistic = |near: &[Vec<f64>], _: &[usize]| {
                let edges = near.iter().flat_map(|all| all[..k].to_vec());
                let length: f64 = edges.map(|s| s.sqrt().powf(gamma)).sum();
                dim / gamma * (length.ln() - (1.0 - gamma / dim) * count(near.len()).ln())
            };
            let rows = row_vectors(&rows, d);
            let (value, error) = neighbors_with_error(&rows, (k, 0), statistic);
            close(found.entropy.value, value, 1e-11);
            near(found.entropy.std_error, error, 1e-9);
            assert_eq!(found.estimator, Estimator::GraphLength { gamma });
            assert!(found.has(Caveat::Relative));
            assert_eq!(found.validity, Validity::DifferenceOnly);
        }
    }
    let cloud = distances(&cloud(10, 2, 7), 2);
    let graph = GraphLength::new(Neighbors::new(1).independent());
    let of = |graph: GraphLength| graph_length(&cloud, graph);
    let power = "power gamma of the edge lengths";
    refused(of(graph.gamma(0.0)), power);
    refused(of(graph.gamma(2.0)), power);
    refused(of(graph.dimension(1)), power);
    assert!(of(graph.gamma(below(2.0))).is_ok());
    refused(of(graph.dimension(0)), "dimension");
}

/// ln(N − 1) + γ + ln c_{d−1} + mean of (d − 1) ln ε + Σ (d − 1 − m) ln sin φ_m.
#[test]
fn published_angles_by_sorting() {
    for (n, d) in [(12, 2), (15, 3), (60, 5)] {
        let rows = cloud(n, d, 9);
        let points = Points::new(rows.clone(), d).unwrap();
        let nearest = Neighbors::new(1).independent();
        let found = ready(&hyperspherical_angles(&points, nearest).unwrap());
        let angles: Vec<Vec<f64>> = rows
            .chunks(d)
            .map(|w| {
                (0..d - 1)
                    .map(|m| {
                        if m == d - 2 {
                            w[d - 1].atan2(w[d - 2])
                        } else {
                            dot(&w[m + 1..], &w[m + 1..]).sqrt().atan2(w[m])
                        }
                    })
                    .collect()
            })
            .collect();
        let volume: Vec<f64> = angles
            .iter()
            .map(|a| (0..d - 2).map(|m| count(d - 2 - m) * a[m].sin().ln()).sum())
            .collect();
        let unit = ln_ball_volume(d - 1).unwrap();
        let (value, error) = neighbors_with_error(&angles, (1, 0), |near, times| {
            let sum: f64 = near
                .iter()
                .zip(times)
                .map(|(all, &t)| count(d - 1) * 0.5 * all[0].ln() + volume[t])
                .sum();
            let n = count(near.len());
            sum / n + unit + (n - 1.0).ln() + EULER
        });
        close(found.entropy.value, value, 1e-11);
        near(found.entropy.std_error, error, 1e-8);
        assert!(found.has(Caveat::CoordinateDependent));
    }
    let plane = Points::new(cloud(10, 2, 1), 2).unwrap();
    let k = "number k of the neighbour";
    refused(hyperspherical_angles(&plane, Neighbors::new(2)), k);
    let line = Points::new(cloud(10, 1, 1), 1).unwrap();
    refused(hyperspherical_angles(&line, Neighbors::new(1)), "dimension");
    let flat = plane.distances().unwrap();
    refused(kozachenko_leonenko(&flat, Neighbors::new(0)), k);
}

/// (N − 1)/Σ ln(r₂/r₁), with m/√N for its error.
#[test]
fn two_neighbours_tell_the_dimension() {
    let rows = cloud(25, 3, 2);
    let times: Vec<usize> = (0..25).collect();
    let sum: f64 = sorted(&row_vectors(&rows, 3), &times, 0)
        .iter()
        .map(|all| 0.5 * (all[1] / all[0]).ln())
        .sum();
    let neighbors = Neighbors::new(9).independent();
    let found = ready(&two_neighbor_dimension(&distances(&rows, 3), neighbors).unwrap());
    near(found.value, 24.0 / sum, 1e-12);
    near(found.std_error, 24.0 / sum / 5.0, 1e-12);
    assert_eq!(found.n_eff, 25.0);
    let grid = distances(&[0.0, 1.0, 2.0, 3.0, 2.0], 1);
    let found = two_neighbor_dimension(&grid, neighbors).unwrap();
    assert!(matches!(
        found,
        Reading::Undefined(Reason::Degenerate("duplicated snapshots"))
    ));
}

/// Each coordinate in units of its deviation, or the whole covariance divided out: h of what is
/// left plus the logarithm of the scale.
#[test]
fn scalings_add_the_logarithm_of_their_scale() {
    let (n, d) = (40, 2);
    let rows = cloud(n, d, 4);
    let points = Points::new(rows.clone(), d).unwrap();
    let neighbors = Neighbors::new(2).independent();
    let c = covariance(&rows, d, count(n - 1));
    let (sx, sy) = (c[0].sqrt(), c[3].sqrt());
    let scaled: Vec<f64> = rows
        .chunks(2)
        .flat_map(|w| [w[0] / sx, w[1] / sy])
        .collect();
    let rho = c[1] / (sx * sy);
    // Cholesky: y − ρ x over √(1 − ρ²).
    let white: Vec<f64> = scaled
        .chunks(2)
        .flat_map(|w| [w[0], (w[1] - rho * w[0]) / (1.0 - rho * rho).sqrt()])
        .collect();
    let plain = |rows: &[f64]| {
        ready(&kozachenko_leonenko(&distances(rows, d), neighbors).unwrap())
            .entropy
            .value
    };
    let of = |scaling| ready(&kozachenko_leonenko_scaled(&points, scaling, neighbors).unwrap());
    let found = of(Scaling::PerCoordinate);
    close(found.entropy.value, plain(&scaled) + (sx * sy).ln(), 1e-11);
    assert!(found.has(Caveat::CoordinateDependent));
    let found = of(Scaling::Covariance);
    let expected = plain(&white) + (sx * sy).ln() + 0.5 * (1.0 - rho * rho).ln();
    close(found.entropy.value, expected, 1e-11);
    assert!(!found.has(Caveat::CoordinateDependent));
    let own = ready(&spread(&points.distances().unwrap())).debiased_participation_ratio;
    assert_eq!(found.effective_dimension, own);
    close(of(Scaling::Isotropic).entropy.value, plain(&rows), 1e-14);
    // A coordinate that never changes, one that follows another, and too few snapshots.
    let of = |rows: Vec<f64>, scaling| {
        let points = Points::new(rows, 2).unwrap();
        kozachenko_leonenko_scaled(&points, scaling, neighbors).unwrap()
    };
    let constant: Vec<f64> = rows.chunks(2).flat_map(|w| [w[0], 3.0]).collect();
    assert!(matches!(
        of(constant, Scaling::PerCoordinate),
        Reading::Undefined(Reason::Degenerate("a coordinate that never changes"))
    ));
    let twin: Vec<f64> = rows.chunks(2).flat_map(|w| [w[0], -2.0 * w[0]]).collect();
    assert!(matches!(
        of(twin, Scaling::Covariance),
        Reading::Undefined(Reason::Degenerate("a singular covariance"))
    ));
    assert!(matches!(
        of(rows[..2].to_vec(), Scaling::PerCoordinate),
        Reading::Pending { seen: 1, needed: 2 }
    ));
    assert!(matches!(
        of(rows[..4].to_vec(), Scaling::Covariance),
        Reading::Pending { seen: 2, needed: 4 }
    ));
}

#[test]
fn neighbours_need_enough_snapshots() {
    let at = |n: usize, k: usize, lags: usize| {
        let rows = cloud(n, 2, 1);
        let neighbors = Neighbors::new(k).exclude_lags(lags).independent();
        kozachenko_leonenko(&distances(&rows, 2), neighbors).unwrap()
    };
    // k + 2w + 2, and never fewer than three.
    for (k, lags, needed) in [(1, 0, 3), (4, 0, 6), (2, 3, 10)] {
        let seen = needed - 1;
        assert_eq!(
            at(usize::try_from(seen).unwrap(), k, lags),
            Reading::Pending { seen, needed }
        );
        assert!(
            at(usize::try_from(needed).unwrap(), k, lags)
                .ready()
                .is_some()
        );
    }
    // Duplicates: of the nearest a doubt, of the k-th no answer.
    let mut rows = cloud(12, 2, 1);
    rows.copy_within(..2, 2);
    let of = |rows: &[f64], k| {
        kozachenko_leonenko(&distances(rows, 2), Neighbors::new(k).independent()).unwrap()
    };
    assert!(matches!(
        of(&rows, 1),
        Reading::Undefined(Reason::Degenerate("duplicated snapshots"))
    ));
    assert!(ready(&of(&rows, 2)).has(Caveat::Duplicates));
    assert!(!ready(&of(&cloud(12, 2, 1), 2)).has(Caveat::Duplicates));
    let graph = GraphLength::new(Neighbors::new(1).independent());
    assert!(
        graph_length(&distances(&rows, 2), graph)
            .unwrap()
            .ready()
            .is_none()
    );
}

/// g from the products of centred snapshots by lag, by Geyer's sequence; traces of C and C².
#[test]
fn spread_by_its_definition() {
    for (n, d, memory) in [(30, 2, 0.8), (41, 3, 0.0), (64, 1, 0.5)] {
        let mut random = Random::new(12);
        let mut rows = vec![0.0; n * d];
        for i in 0..n * d {
            let last = if i < d { 0.0 } else { rows[i - d] };
            rows[i] = memory * last + random.normal();
        }
        let found = ready(&spread(&distances(&rows, d)));
        let c = covariance(&rows, d, count(n - 1));
        let trace: f64 = (0..d).map(|i| c[i * d + i]).sum();
        let square: f64 = c.iter().map(|x| x * x).sum();
        assert_eq!(found.snapshots, n);
        near(found.total_variance, trace, 1e-12);
        near(
            found.participation_ratio,
            (trace * trace / square).max(1.0),
            1e-11,
        );
        // Srivastava's unbiased traces under a Gaussian, common factors left out.
        let dof = count(n - 1);
        let ratio =
            ((dof + 1.0) * trace * trace - 2.0 * square) / (dof * (square - trace * trace / dof));
        near(
            found.debiased_participation_ratio,
            ratio.clamp(1.0, count(d)),
            1e-10,
        );
        let mean: Vec<f64> = (0..d)
            .map(|i| rows.iter().skip(i).step_by(d).sum::<f64>() / count(n))
            .collect();
        let centred: Vec<Vec<f64>> = rows
            .chunks(d)
            .map(|w| w.iter().zip(&mean).map(|(x, m)| x - m).collect())
            .collect();
        let lag = |t: usize| -> f64 {
            (0..n - t)
                .map(|i| dot(&centred[i], &centred[i + t]))
                .sum::<f64>()
        };
        let (mut sum, mut last) = (0.0, f64::INFINITY);
        for pair in 0..n / 2 {
            let gamma = (lag(2 * pair) + lag(2 * pair + 1)) / lag(0);
            if gamma <= 0.0 {
                break;
            }
            last = gamma.min(last);
            sum += last;
        }
        let g = (2.0 * sum - 1.0).max(1.0);
        near(found.autocorrelation_time, g, 1e-10);
        near(found.n_eff(), count(n) / g, 1e-10);
        assert_eq!(count(usize::try_from(found.thinning()).unwrap()), g.ceil());
    }
    let short = distances(&[0.0, 1.0], 1);
    assert!(matches!(
        spread(&short),
        Reading::Pending { seen: 2, needed: 3 }
    ));
    let equal = distances(&[1.0; 6], 2);
    assert!(matches!(
        spread(&equal),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    // Mean squared distances from 1e-140 to 1e140: three points a and two at 0 apart by 4a²/9.
    let of = |a: f64| spread(&distances(&[a, 0.0, 0.0], 1));
    assert!(of(1.4e-70).ready().is_none() && of(1.6e-70).ready().is_some());
    assert!(of(1.6e70).ready().is_none() && of(1.4e70).ready().is_some());
}

#[test]
fn spectra_and_ranks_by_hand() {
    // Twice (3, 4), and 0, along one line: 2·25·(4 − 0)... of variance 25·(1 + 1 + 4 − 6/9·...).
    let rows = [3.0, 4.0, 0.0, 0.0, -3.0, -4.0];
    let spectrum = ready(&covariance_spectrum(&distances(&rows, 2)));
    close(spectrum[0], 25.0, 1e-12);
    close(spectrum[1], 0.0, 1e-12);
    assert_eq!(spectrum.len(), 2);
    // Never more than N − 1 of them.
    assert_eq!(
        ready(&covariance_spectrum(&distances(&cloud(3, 7, 1), 7))).len(),
        2
    );
    assert!(matches!(
        covariance_spectrum(&distances(&[1.0], 1)),
        Reading::Pending { seen: 1, needed: 2 }
    ));
    // Shares ½, ¼, ¼: exp(½ ln 2 + ½ ln 4).
    let rank = ready(&effective_rank(&[2.0, 1.0, 0.0, 1.0]).unwrap());
    close(rank, 8_f64.sqrt(), 1e-14);
    refused(
        effective_rank(&[1.0, -1e-300]),
        "eigenvalue of a covariance",
    );
    assert!(effective_rank(&[0.0, 0.0]).unwrap().ready().is_none());
    assert!(matches!(
        effective_rank(&[0.0, f64::NAN]),
        Err(Error::NonFinite { index: 1, .. })
    ));
}

/// ½[d ln 2πe + ln det C − bias] with ± ½ √(Σ ψ′ · how widely Mahalanobis distances scatter).
#[test]
fn gaussian_entropy_and_its_error_by_definition() {
    for (n, d) in [(9, 1), (12, 2), (30, 2)] {
        let rows = cloud(n, d, 6);
        let found = ready(&gaussian(&distances(&rows, d), Sampling::Independent));
        let c = covariance(&rows, d, count(n - 1));
        let dof = count(n - 1);
        let bias: f64 = (0..d).map(|i| psi(n - 1 - i)).sum::<f64>() + count(d) * (2.0 / dof).ln();
        close(ln_det_bias(n, d).unwrap(), bias, 1e-12);
        let value = 0.5 * (count(d) * LN_TWO_PI_E + ln_det(d, &c) - bias);
        close(found.entropy.value, value, 1e-12);
        // Shares x'C⁻¹x/(N − 1) add up to d; under a Gaussian they are Beta(d/2, (N−1−d)/2),
        // whose variance is scaled to the mean d/N.
        let mean: Vec<f64> = (0..d)
            .map(|i| rows.iter().skip(i).step_by(d).sum::<f64>() / count(n))
            .collect();
        let shares: Vec<f64> = rows
            .chunks(d)
            .map(|w| {
                let x: Vec<f64> = w.iter().zip(&mean).map(|(x, m)| x - m).collect();
                if d == 1 {
                    x[0] * x[0] / c[0] / dof
                } else {
                    let form = c[3] * x[0] * x[0] + c[0] * x[1] * x[1] - 2.0 * c[1] * x[0] * x[1];
                    form / (c[0] * c[3] - c[1] * c[1]) / dof
                }
            })
            .collect();
        close(shares.iter().sum(), count(d), 1e-12);
        let centre = count(d) / count(n);
        let scatter = shares.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / count(n);
        let (a, b) = (0.5 * count(d), 0.5 * (dof - count(d)));
        let beta = a * b / ((a + b).powi(2) * (a + b + 1.0));
        let ratio = scatter / (beta * (dof / count(n)).powi(2));
        let wishart: f64 = (0..d).map(|i| psi_prime(n - 1 - i)).sum();
        near(
            found.entropy.std_error,
            0.5 * (wishart * ratio).sqrt(),
            1e-10,
        );
        assert_eq!(found.estimator, Estimator::Gaussian);
        // Below N = d: the same through the pseudo-determinant.
        let pseudo = ready(&ln_pseudo_determinant(&distances(&rows, d)));
        close(pseudo, ln_det(d, &c), 1e-12);
    }
    refused(ln_det_bias(3, 3), "number of snapshots");
    refused(ln_det_bias(3, 0), "dimension");
    assert!(ln_det_bias(4, 3).is_ok());
}

/// ½ Σ ln(1 + 2πe λ/δ²) and the shrunk covariance, both with a jackknife over ten blocks at
/// most, for clouds with more snapshots than parameters and with fewer.
#[test]
fn determinants_and_their_errors_by_elimination() {
    for (n, d) in [(8, 2), (50, 3), (7, 9)] {
        let rows = cloud(n, d, 8);
        let delta = 0.7;
        let limited = |rows: &[f64]| {
            let c = covariance(rows, d, count(rows.len() / d - 1));
            0.5 * ln_det(
                d,
                &with_identity(d, &c, 2.0 * PI * E / (delta * delta), 1.0),
            )
        };
        let parts: Vec<f64> = blocks(n, 10)
            .into_iter()
            .map(|block| limited(&without(&rows, d, block)))
            .collect();
        let cloud = distances(&rows, d);
        let found = resolution_limited(&cloud, delta, Sampling::Independent).unwrap();
        let found = ready(&found);
        close(found.entropy.value, limited(&rows), 1e-11);
        near(found.entropy.std_error, jackknife(&parts), 1e-8);
        assert!(found.has(Caveat::Resolution) && !found.has(Caveat::Shrunk));

        let target = |rows: &[f64]| {
            let n = count(rows.len() / d);
            let s = covariance(rows, d, n);
            let p = count(d);
            let m = (0..d).map(|i| s[i * d + i]).sum::<f64>() / p;
            let frobenius: f64 = s.iter().map(|x| x * x).sum();
            let spread = frobenius / p - m * m;
            let mean: Vec<f64> = (0..d)
                .map(|i| rows.iter().skip(i).step_by(d).sum::<f64>() / n)
                .collect();
            let fourth: f64 = rows.chunks(d).map(|w| apart(w, &mean).powi(2)).sum();
            let noise = ((fourth / n - frobenius) / (n * p)).min(spread);
            (noise / spread, m, s)
        };
        let shrunk = |rows: &[f64]| {
            let (weight, m, s) = target(rows);
            let mixed = with_identity(d, &s, 1.0 - weight, weight * m);
            0.5 * (count(d) * LN_TWO_PI_E + ln_det(d, &mixed))
        };
        let parts: Vec<f64> = blocks(n, 10)
            .into_iter()
            .map(|block| shrunk(&without(&rows, d, block)))
            .collect();
        let found = ready(&ledoit_wolf(&cloud, Sampling::Independent));
        close(found.entropy.value, shrunk(&rows), 1e-11);
        near(found.entropy.std_error, jackknife(&parts), 1e-7);
        assert!(found.has(Caveat::Shrunk) && !found.has(Caveat::Resolution));
        let (weight, m, _) = target(&rows);
        let shrinkage = ready(&ledoit_wolf_shrinkage(&cloud));
        close(shrinkage.weight, weight, 1e-11);
        near(shrinkage.variance, m, 1e-12);
    }
    // ±1 along both axes is a sphere already: S = 1/2 each.
    let cross = distances(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0].repeat(2), 2);
    let found = ready(&ledoit_wolf(&cross, Sampling::Independent));
    close(found.entropy.value, LN_TWO_PI_E - LN_2, 1e-12);
    let of = |delta| resolution_limited(&cross, delta, Sampling::Independent);
    refused(of(1e-150), "resolution");
    refused(of(1e150), "resolution");
    assert!(of(above(1e-150)).is_ok() && of(below(1e150)).is_ok());
    let one = distances(&[1.0], 1);
    assert!(matches!(
        ledoit_wolf_shrinkage(&one),
        Reading::Pending { seen: 1, needed: 2 }
    ));
}

/// Ω_{d−1} ∫ sin^{d−2}, and the closed forms of arcs, spheres and balls.
#[test]
fn areas_of_caps_by_a_sum_over_angles() {
    for d in [2_usize, 3, 4, 5, 9, 40] {
        let power = count(d) - 2.0;
        let rest = if d == 2 {
            LN_2
        } else {
            ln_sphere_area(d - 1).unwrap()
        };
        for theta in [0.01, 0.6, 1.5, 1.7, 2.5, PI] {
            let sum = integral(0.0, theta, 4000, |angle| angle.sin().powf(power));
            close(ln_cap_area(d, theta).unwrap(), rest + sum.ln(), 2e-5);
        }
        // The whole of it, and both halves.
        close(
            ln_cap_area(d, PI).unwrap(),
            ln_sphere_area(d).unwrap(),
            1e-12,
        );
        for theta in [0.3, 1.2] {
            let two =
                ln_cap_area(d, theta).unwrap().exp() + ln_cap_area(d, PI - theta).unwrap().exp();
            near(two, ln_sphere_area(d).unwrap().exp(), 1e-12);
        }
        // d times the ball is the sphere.
        let ball = ln_ball_volume(d).unwrap() + count(d).ln();
        close(ball, ln_sphere_area(d).unwrap(), 1e-12);
    }
    for theta in [1e-9_f64, 0.4, 1.5, 2.0, 3.0] {
        close(ln_cap_area(2, theta).unwrap(), (2.0 * theta).ln(), 1e-13);
        let five = 2.0 * PI * PI * (2.0 / 3.0 - theta.cos() + theta.cos().powi(3) / 3.0);
        if theta > 0.1 {
            close(ln_cap_area(5, theta).unwrap(), five.ln(), 1e-12);
        }
    }
    close(ln_sphere_area(1).unwrap(), LN_2, 1e-14);
    close(ln_ball_volume(2).unwrap(), PI.ln(), 1e-14);
    refused(ln_sphere_area(0), "dimension");
    refused(ln_ball_volume((1 << 53) + 1), "dimension");
    refused(ln_cap_area(1, 1.0), "dimension");
    refused(ln_cap_area(3, 0.9e-150), "angular radius of a cap");
    refused(ln_cap_area(3, above(PI)), "angular radius of a cap");
    assert!(ln_cap_area(3, 1e-150).is_ok() && ln_sphere_area(1 << 53).is_ok());
}

#[test]
fn radii_add_their_logarithms() {
    let spheres =
        [(3, 2.0), (1, 5.0), (4, 0.5)].map(|(dimension, radius)| Sphere { dimension, radius });
    // 2 ln 2 + 0 − 3 ln 2.
    close(entropy_at_radii(1.5, &spheres).unwrap(), 1.5 - LN_2, 1e-14);
    close(entropy_at_radius(-1.0, 3, E).unwrap(), 1.0, 1e-14);
    assert_eq!(thermal_degrees_of_freedom(&spheres), 5);
    assert!(matches!(
        entropy_at_radii(0.0, &[]),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(
        entropy_at_radius(f64::NAN, 3, 1.0),
        Err(Error::NonFinite { .. })
    ));
    refused(entropy_at_radius(0.0, 3, 0.0), "radius");
    refused(entropy_at_radius(0.0, 3, f64::INFINITY), "radius");
    refused(entropy_at_radius(0.0, 0, 1.0), "dimension");
}

/// The fit from the mean of all chords, or of those of distinct pairs, with a jackknife.
#[test]
fn fits_of_directions_by_definition() {
    let (n, d) = (30, 3);
    let mut random = Random::new(14);
    let rows: Vec<f64> = (0..n * d)
        .map(|i| 0.4 * random.normal() + if i % 3 == 0 { 1.0 } else { 0.0 })
        .collect();
    let unit: Vec<f64> = rows
        .chunks(d)
        .flat_map(|w| w.iter().map(|x| x / dot(w, w).sqrt()).collect::<Vec<_>>())
        .collect();
    for resultant in [Resultant::DistinctPairs, Resultant::MaximumLikelihood] {
        let fit = |unit: &[f64]| {
            let n = count(unit.len() / d);
            let mean: Vec<f64> = (0..d)
                .map(|i| unit.iter().skip(i).step_by(d).sum::<f64>() / n)
                .collect();
            let square = dot(&mean, &mean);
            // R² of the mean direction is biased by (1 − A²)/N.
            let length = match resultant {
                Resultant::MaximumLikelihood => square.sqrt(),
                _ => ((n * square - 1.0) / (n - 1.0)).sqrt(),
            };
            // Langevin's function coth κ − 1/κ of three dimensions inverted by halves.
            let (mut low, mut high) = (1e-3, 1e3);
            for _ in 0..200 {
                let kappa: f64 = 0.5 * (low + high);
                if 1.0 / kappa.tanh() - 1.0 / kappa < length {
                    low = kappa;
                } else {
                    high = kappa;
                }
            }
            let system = VonMisesFisher::new(3, low).unwrap();
            [low, length, system.entropy(), system.heat_capacity()]
        };
        let values = fit(&unit);
        let parts: Vec<[f64; 4]> = blocks(n, 20)
            .into_iter()
            .map(|block| fit(&without(&unit, d, block)))
            .collect();
        let error = |k: usize| jackknife(&parts.iter().map(|p| p[k]).collect::<Vec<_>>());
        let found = fit_von_mises_fisher(&distances(&rows, d), resultant, Sampling::Independent);
        let found = ready(&found);
        for (k, estimate) in [
            found.concentration,
            found.mean_resultant_length,
            found.entropy.entropy,
            found.heat_capacity,
        ]
        .into_iter()
        .enumerate()
        {
            near(estimate.value, values[k], 1e-9);
            near(estimate.std_error, error(k), 1e-6);
            assert_eq!(estimate.n_eff, 30.0);
        }
        assert!(found.entropy.has(Caveat::Parametric));
        assert!(!found.entropy.has(Caveat::FewPerDimension));
        assert_eq!(found.entropy.estimator, Estimator::VonMisesFisher);
    }
    for kappa in [0.01, 0.9, 3.0, 40.0, 1e5] {
        for d in [2, 3, 11] {
            let shortfall = VonMisesFisher::new(d, kappa).unwrap().energy();
            near(concentration(d, shortfall).unwrap(), kappa, 1e-10);
        }
    }
    assert_eq!(concentration(5, 1.0).unwrap(), 0.0);
    assert_eq!(concentration(5, 3.0).unwrap(), 0.0);
    let what = "shortfall 1 - A of the mean direction";
    refused(concentration(5, 1e-140), what);
    refused(concentration(5, f64::INFINITY), what);
    assert!(concentration(5, above(1e-140)).is_ok());
    refused(concentration(1, 0.5), "dimension");
}

#[test]
fn null_clouds_have_their_known_entropy() {
    let null = NullCloud::new(NullKind::Points, 3);
    assert_eq!((null.snapshots, null.replicas, null.seed), (1000, 8, 0));
    close(null.truth().unwrap(), 1.5 * LN_TWO_PI_E, 1e-14);
    let sphere = NullCloud::new(NullKind::Directions, 3);
    close(sphere.truth().unwrap(), (4.0 * PI).ln(), 1e-13);
    refused(NullCloud::new(NullKind::Points, 0).truth(), "dimension");
    let null = null.snapshots(20).replicas(5).seed(7);
    let neighbors = Neighbors::new(1).independent();
    let found = ready(&null.bias(|c| kozachenko_leonenko(c, neighbors)).unwrap());
    let errors: Vec<f64> = (0..5)
        .map(|replica| {
            let cloud = null.cloud(replica).unwrap();
            let s = ready(&kozachenko_leonenko(&cloud, neighbors).unwrap());
            s.entropy.value - 1.5 * LN_TWO_PI_E
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / 5.0;
    let sum: f64 = errors.iter().map(|e| (e - mean).powi(2)).sum();
    close(found.value, mean, 1e-13);
    near(found.std_error, (sum / 20.0).sqrt(), 1e-12);
    assert_eq!(found.n_eff, 5.0);
    let bias = |replicas| {
        null.replicas(replicas)
            .bias(|c| kozachenko_leonenko(c, neighbors))
    };
    refused(bias(1), "number of null clouds");
    refused(bias(10_001), "number of null clouds");
    assert!(bias(2).is_ok());
    assert!(matches!(
        null.snapshots(2)
            .bias(|c| kozachenko_leonenko(c, neighbors))
            .unwrap(),
        Reading::Pending { seen: 2, needed: 3 }
    ));
    refused(null.snapshots(23_171).cloud(0), "number of snapshots");
    // Another replica, another seed: another cloud. More dimensions than snapshots: norms of
    // mean d, distances of mean 2d, to within 5 √(2d/pairs).
    assert_ne!(null.cloud(0).unwrap(), null.cloud(1).unwrap());
    assert_ne!(null.cloud(0).unwrap(), null.seed(8).cloud(0).unwrap());
    assert_eq!(null.cloud(3).unwrap(), null.cloud(3).unwrap());
    let wide = NullCloud::new(NullKind::Points, 500)
        .snapshots(40)
        .cloud(0)
        .unwrap();
    assert_eq!((wide.len(), wide.dimension()), (40, 500));
    let norms = wide.squared_norms().unwrap();
    let mean = norms.iter().sum::<f64>() / 40.0;
    assert!(
        (mean - 500.0).abs() < 5.0 * (1000.0_f64 / 40.0).sqrt(),
        "{mean}"
    );
    let flat = wide.to_flat();
    let mean = flat.iter().sum::<f64>() / (40.0 * 39.0);
    assert!(
        (mean - 1000.0).abs() < 5.0 * (4000.0_f64 / 40.0).sqrt(),
        "{mean}"
    );
}

fn estimate() -> EntropyEstimate {
    let rows = cloud(300, 1, 3);
    ready(&gaussian(&distances(&rows, 1), Sampling::Independent))
}

#[test]
fn estimates_compare_with_their_like() {
    let mut a = estimate();
    a.entropy = thermograd::Estimate {
        value: 5.0,
        std_error: 0.3,
        n_eff: 200.0,
    };
    let mut b = a.clone();
    b.entropy = thermograd::Estimate {
        value: 3.0,
        std_error: 0.4,
        n_eff: 150.0,
    };
    assert_eq!((a.validity, a.caveats.len()), (Validity::Absolute, 0));
    let difference = ready(&a.minus(&b));
    close(difference.value, 2.0, 1e-15);
    close(difference.std_error, 0.5, 1e-15);
    assert_eq!(difference.n_eff, 150.0);
    assert_eq!(ready(&a.absolute()), a.entropy);
    assert_eq!(a.to_string(), format!("{} nats", a.entropy));
    // Two absolute ones of whatever kind; one that is not needs its like.
    let mut other = b.clone();
    other.estimator = Estimator::GeodesicCap;
    other.neighbors = Some(4);
    other.snapshots = 7;
    assert!(a.minus(&other).ready().is_some());
    a.validity = Validity::DifferenceOnly;
    assert!(a.minus(&b).ready().is_some() && b.minus(&a).ready().is_some());
    for change in [
        |e: &mut EntropyEstimate| e.estimator = Estimator::GeodesicCap,
        |e: &mut EntropyEstimate| e.neighbors = Some(4),
        |e: &mut EntropyEstimate| e.snapshots += 1,
        |e: &mut EntropyEstimate| e.dimension += 1,
    ] {
        let mut other = b.clone();
        change(&mut other);
        assert!(a.minus(&other).ready().is_none() && other.minus(&a).ready().is_none());
    }
    let mut wider = b.clone();
    wider.dimension += 1;
    assert!(b.minus(&wider).ready().is_none());
    assert_eq!(
        a.absolute(),
        Reading::Undefined(Reason::Meaningless("good for differences only"))
    );
    a.caveats = vec![Caveat::Projected, Caveat::Correlated];
    assert_eq!(
        a.absolute(),
        Reading::Undefined(Reason::Meaningless("distances of a random projection"))
    );
    assert!(a.has(Caveat::Correlated) && !a.has(Caveat::Relative));
    assert_eq!(
        a.to_string(),
        format!(
            "{} nats, for differences only: distances of a random projection, \
             correlated snapshots",
            a.entropy
        )
    );
}

#[test]
fn doubts_are_told_in_words() {
    for (caveat, words) in [
        (
            Caveat::FewIndependent,
            "fewer than 100 independent snapshots",
        ),
        (
            Caveat::FewPerDimension,
            "fewer than 10 independent snapshots per effective dimension",
        ),
        (
            Caveat::HighDimension,
            "too many dimensions for nearest neighbours",
        ),
        (Caveat::Duplicates, "duplicated snapshots"),
        (Caveat::Relative, "relative by construction"),
        (Caveat::Resolution, "relative to a resolution"),
        (Caveat::Shrunk, "small variances come from shrinkage"),
        (
            Caveat::Parametric,
            "an upper bound unless the fitted family is the true one",
        ),
        (
            Caveat::CoordinateDependent,
            "depends on the choice of coordinates",
        ),
    ] {
        assert_eq!(caveat.to_string(), words);
    }
    // N_eff ≥ 100, and ten to a dimension: 99 and 100 of one; 100 of twelve.
    let of = |n: usize, d: usize| {
        ready(&gaussian(
            &distances(&cloud(n, d, 3), d),
            Sampling::Independent,
        ))
    };
    assert!(of(99, 1).has(Caveat::FewIndependent) && !of(100, 1).has(Caveat::FewIndependent));
    assert_eq!(of(100, 1).validity, Validity::Absolute);
    let wide = of(120, 40);
    assert!(wide.has(Caveat::FewPerDimension) && wide.effective_dimension > 12.0);
    // Fewer than twenty that are independent are no trajectory.
    let short = gaussian(&distances(&cloud(19, 1, 3), 1), Sampling::Trajectory);
    assert!(matches!(short, Reading::Pending { seen: 19, .. }));
}

/// Three points of a right triangle, over and over.
#[test]
fn distances_are_a_matrix_in_time() {
    let points = Points::new(vec![0.0, 0.0, 3.0, 0.0, 3.0, 4.0, 6.0, 8.0], 2).unwrap();
    assert_eq!(
        (points.len(), points.dimension(), points.is_empty()),
        (4, 2, false)
    );
    assert_eq!(points.as_flat()[4..6], [3.0, 4.0]);
    assert_eq!(points.iter().nth(3), Some(&[6.0, 8.0][..]));
    assert!(Points::new(vec![], 2).unwrap().is_empty());
    let all = points.distances().unwrap();
    assert_eq!((all.len(), all.is_empty(), all.dimension()), (4, false, 2));
    assert_eq!((all.steps(), all.projected()), (vec![0, 1, 2, 3], None));
    assert_eq!(all.squared_norms(), Some(vec![0.0, 9.0, 25.0, 100.0]));
    assert_eq!(all.squared(0, 3), Some(100.0));
    assert_eq!(all.squared(3, 3), Some(0.0));
    assert_eq!((all.squared(4, 0), all.squared(0, 4)), (None, None));
    // Counted back from the last: 3 and 1, then 3 and 0.
    let thin = all.thinned(2).unwrap();
    assert_eq!((thin.steps(), thin.squared(0, 1)), (vec![1, 3], Some(73.0)));
    assert_eq!(thin.squared_norms(), Some(vec![9.0, 100.0]));
    assert_eq!(all.thinned(3).unwrap().steps(), [0, 3]);
    assert_eq!(all.thinned(1).unwrap().to_flat(), all.to_flat());
    refused(all.thinned(0), "thinning");
    // From (3, 0) to (3, 4) directions are apart by 2 − 2·3/5.
    let directions = all.thinned(1).unwrap();
    assert!(matches!(
        directions.directions(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    let rest = Points::new(vec![3.0, 0.0, 3.0, 4.0, 6.0, 8.0], 2).unwrap();
    let directions = ready(&rest.distances().unwrap().directions());
    close(directions.squared(0, 1).unwrap(), 0.8, 1e-15);
    close(directions.squared(1, 2).unwrap(), 0.0, 1e-15);
    assert_eq!(directions.squared(2, 2), Some(0.0));
    assert_eq!(directions.squared_norms(), Some(vec![1.0; 3]));
    let line = Points::new(vec![1.0, 2.0], 1).unwrap().distances().unwrap();
    assert!(line.directions().ready().is_none());
    let five = Points::new(vec![0.0, 1.0, 2.0, 3.0, 4.0], 1)
        .unwrap()
        .distances()
        .unwrap();
    assert_eq!(five.thinned(3).unwrap().steps(), [1, 4]);
    let window = SnapshotWindow::new(WindowConfig::new(3)).unwrap();
    assert!(window.distances().is_empty());
}

/// Whole numbers have exact distances, in whatever order they are summed: one by one and at
/// once, in either precision, for few and for many parameters and snapshots.
#[test]
fn distances_of_whole_numbers_are_exact() {
    for (n, d) in [
        (9, 1),
        (9, 2),
        (9, 3),
        (9, 4),
        (9, 5),
        (9, 15),
        (9, 16),
        (10, 17),
        (11, 33),
        (7, 1024),
        (7, 1025),
        (6, 2100),
        (210, 6),
        (99, 21),
    ] {
        let value =
            |i: usize, j: usize| i32::try_from((i * i * 7 + j * 3 + i * j * 5) % 23).unwrap() - 11;
        let ints: Vec<Vec<i32>> = (0..n)
            .map(|i| (0..d).map(|j| value(i, j)).collect())
            .collect();
        let wide: Vec<Vec<f64>> = ints
            .iter()
            .map(|w| w.iter().map(|&x| f64::from(x)).collect())
            .collect();
        let narrow: Vec<Vec<f32>> = ints
            .iter()
            .map(|w| {
                w.iter()
                    .map(|&x| f32::from(i16::try_from(x).unwrap()))
                    .collect()
            })
            .collect();
        let make = || SnapshotWindow::new(WindowConfig::new(n)).unwrap();
        let mut windows = [make(), make(), make(), make(), make()];
        for (i, step) in (0..n).zip(0_u64..) {
            windows[0].push(step, &wide[i]).unwrap();
            windows[1].push(step, &narrow[i]).unwrap();
        }
        windows[2]
            .push_all((0..).zip(&wide).map(|(t, w)| (t, View::F64(w))))
            .unwrap();
        windows[3]
            .push_all((0..).zip(&narrow).map(|(t, w)| (t, View::F32(w))))
            .unwrap();
        // A third one by one, the rest at once.
        let third = n / 3;
        for (i, step) in (0..third).zip(0_u64..) {
            windows[4].push(step, &narrow[i]).unwrap();
        }
        let rest = (0..).zip(&narrow).skip(third);
        windows[4]
            .push_all(rest.map(|(t, w)| (t, View::F32(w))))
            .unwrap();
        for i in 0..n {
            for j in 0..n {
                let sum: i32 = ints[i]
                    .iter()
                    .zip(&ints[j])
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum();
                for window in &windows {
                    let found = window.distances().squared(i, j);
                    assert_eq!(found, Some(f64::from(sum)), "{n} {d} {i} {j}");
                }
            }
        }
    }
}

/// What a sum of 10¹⁶ and ones would lose is kept: once in lanes, once in the rest.
#[test]
fn norms_are_summed_in_twice_the_precision() {
    let mut row = vec![0.0; 8 * 9];
    row.iter_mut().step_by(8).for_each(|x| *x = 1.0);
    row[0] = 1e8;
    let norm = |row: &[f64]| distances(row, row.len()).squared_norms().unwrap()[0];
    assert_eq!(norm(&row), 1e16 + 8.0);
    let mut row = vec![0.0; 12];
    row[8..].fill(1.0);
    row[0] = 1e8;
    assert_eq!(norm(&row), 1e16 + 4.0);
    let left = distances(&row, 12);
    let both = left.clone().merge(&left).unwrap();
    assert_eq!(both.squared_norms().unwrap()[0], 2e16 + 8.0);
}

/// Snapshots 1024 k and 1025 k have one direction: with norms of sixteen digits alone their
/// chord would come out near √(2·10⁻¹⁹).
#[test]
fn parallel_snapshots_have_no_chord() {
    for i in 0..40 {
        let k = [1.0 + f64::from(i), 2.0 + 3.0 * f64::from(i % 7), 5.0];
        let rows: Vec<f64> = [1024.0, 1025.0, 1023.0]
            .iter()
            .flat_map(|c| k.map(|k| c * k))
            .collect();
        let directions = ready(&distances(&rows, 3).directions());
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let chord = directions.squared(a, b).unwrap();
            assert!(chord < 4e-21, "{i}: {chord:e}");
        }
    }
}

/// A trajectory is as good as N/g independent snapshots: g is that of the spread, and widens
/// the error of a Gaussian by √g.
#[test]
fn trajectories_count_by_their_memory() {
    let mut random = Random::new(2);
    let walk = |memory: f64, n: usize, d: usize, random: &mut Random| {
        let mut rows = vec![0.0; n * d];
        for i in 0..n * d {
            let last = if i < d { 0.0 } else { rows[i - d] };
            rows[i] = memory * last + random.normal();
        }
        rows
    };
    for (memory, n) in [(0.7, 200), (0.0, 150)] {
        let cloud = distances(&walk(memory, n, 2, &mut random), 2);
        let g = ready(&spread(&cloud)).autocorrelation_time;
        assert_eq!(g > 1.5, memory > 0.5, "{g}");
        let found = ready(&gaussian(&cloud, Sampling::Trajectory));
        let free = ready(&gaussian(&cloud, Sampling::Independent));
        close(found.entropy.value, free.entropy.value, 1e-14);
        near(
            found.entropy.std_error,
            free.entropy.std_error * g.sqrt(),
            1e-12,
        );
        near(found.entropy.n_eff, count(n) / g, 1e-13);
        assert_eq!(found.autocorrelation_time, g);
        let shrunk = ready(&ledoit_wolf(&cloud, Sampling::Trajectory));
        for found in [&found, &shrunk] {
            assert_eq!(found.has(Caveat::Correlated), g > 1.5);
            assert_eq!(found.has(Caveat::FewIndependent), count(n) / g < 100.0);
        }
        assert!(!free.has(Caveat::Correlated));
        // Neighbours that are passed over as far as the memory goes leave no doubt.
        let memory = usize::try_from(ready(&spread(&cloud)).thinning()).unwrap();
        for lags in [0, 1, 3, 20, memory - 1] {
            let neighbors = Neighbors::new(1).exclude_lags(lags);
            let doubt = |neighbors: Neighbors| match kozachenko_leonenko(&cloud, neighbors).unwrap()
            {
                Reading::Ready(found) => found.has(Caveat::Correlated),
                _ => panic!("{n} snapshots are enough"),
            };
            assert_eq!(
                doubt(neighbors),
                g > 1.5 && count(lags) + 1.0 < g,
                "{lags} {g}"
            );
            assert!(!doubt(neighbors.independent()));
        }
    }
    // Twenty independent ones are asked for: 20 g of these.
    let cloud = distances(&walk(0.95, 60, 2, &mut random), 2);
    let g = ready(&spread(&cloud)).autocorrelation_time;
    let Reading::Pending { seen, needed } = gaussian(&cloud, Sampling::Trajectory) else {
        panic!("sixty snapshots of a slow walk are too few");
    };
    assert_eq!(seen, 60);
    assert_eq!(count(usize::try_from(needed).unwrap()), (20.0 * g).ceil());
    // ln N against half the dimension that is filled.
    for (n, d) in [(60, 2), (60, 7), (60, 12), (150, 9), (150, 30)] {
        let cloud = distances(&walk(0.0, n, d, &mut random), d);
        let found = kozachenko_leonenko(&cloud, Neighbors::new(1).independent()).unwrap();
        let found = ready(&found);
        let high = count(n).ln() < 0.5 * found.effective_dimension;
        assert_eq!(found.has(Caveat::HighDimension), high, "{n} {d}");
        assert_eq!(high, d > 10 || (n, d) == (60, 12));
    }
}

#[test]
fn points_and_matrices_are_checked() {
    refused(Points::new(vec![], 0), "dimension");
    assert!(matches!(
        Points::new(vec![1.0; 5], 3),
        Err(Error::LengthMismatch {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(matches!(
        Points::new(vec![1.0, f64::INFINITY], 2),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        Points::new(vec![1.0, -1.1e150], 2),
        Err(Error::Overflow {
            largest: 1.1e150,
            ..
        })
    ));
    assert!(Points::new(vec![1e150], 1).is_ok());
    let of =
        |matrix: &[f64], provenance: Provenance| Distances::from_flat(matrix.to_vec(), provenance);
    let plain = || Provenance::new(5, vec![3, 8]);
    let good = of(&[0.0, 2.0, 2.0, 0.0], plain()).unwrap();
    assert_eq!(
        (good.len(), good.dimension(), good.steps()),
        (2, 5, vec![3, 8])
    );
    assert_eq!(good.squared_norms(), None);
    assert!(matches!(
        good.directions(),
        Reading::Undefined(Reason::Missing("the norm of snapshots"))
    ));
    assert!(matches!(
        of(&[0.0, 2.0, 2.0], plain()),
        Err(Error::LengthMismatch {
            expected: 4,
            found: 3,
            ..
        })
    ));
    for bad in [
        [0.0, 2.0, 2.5, 0.0],
        [0.0, -2.0, -2.0, 0.0],
        [0.0, 2.0, 2.0, 0.1],
    ] {
        assert!(
            matches!(of(&bad, plain()), Err(Error::Corrupt { .. })),
            "{bad:?}"
        );
    }
    assert!(of(&[0.0, 2.0, 2.0, 0.0], Provenance::new(5, vec![8, 8])).is_err());
    let with = |norms: Vec<f64>| of(&[0.0, 2.0, 2.0, 0.0], plain().squared_norms(norms));
    assert!(with(vec![1.0]).is_err() && with(vec![1.0, -1e-9]).is_err());
    let found = with(vec![0.0, 4.0]).unwrap();
    assert_eq!(found.squared_norms(), Some(vec![0.0, 4.0]));
    assert_eq!(found.provenance(), plain().squared_norms(vec![0.0, 4.0]));
}

#[test]
fn merged_distances_add_up() {
    let of = |scale: f64, provenance: Provenance| {
        let matrix = [0.0, 1.0, 4.0, 1.0, 0.0, 9.0, 4.0, 9.0, 0.0].map(|x| scale * x);
        Distances::from_flat(matrix.to_vec(), provenance).unwrap()
    };
    let left = of(
        1.0,
        Provenance::new(2, vec![1, 2, 3]).squared_norms(vec![1.0, 2.0, 3.0]),
    );
    let right = of(
        2.0,
        Provenance::new(3, vec![1, 2, 3]).squared_norms(vec![4.0, 5.0, 6.0]),
    );
    let both = left.clone().merge(&right).unwrap();
    assert_eq!(
        both.to_flat(),
        [0.0, 3.0, 12.0, 3.0, 0.0, 27.0, 12.0, 27.0, 0.0]
    );
    assert_eq!((both.dimension(), both.projected()), (5, None));
    assert_eq!(both.squared_norms(), Some(vec![5.0, 7.0, 9.0]));
    // A projection stays one: 16 coordinates and the 2 that are kept.
    let projected = of(1.0, Provenance::new(90, vec![1, 2, 3]).projected(16));
    let mixed = left.clone().merge(&projected).unwrap();
    assert_eq!((mixed.dimension(), mixed.projected()), (92, Some(18)));
    assert_eq!(mixed.squared_norms(), None);
    let turned = projected.clone().merge(&left).unwrap();
    assert_eq!((turned.dimension(), turned.projected()), (92, Some(18)));
    let twice = projected.clone().merge(&projected).unwrap();
    assert_eq!(twice.projected(), Some(32));
    let late = of(1.0, Provenance::new(2, vec![1, 2, 4]));
    assert!(matches!(
        left.clone().merge(&late),
        Err(Error::Conflict { .. })
    ));
    let short = left.thinned(2).unwrap();
    assert!(matches!(
        left.merge(&short),
        Err(Error::LengthMismatch {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(ready(&spread(&both)).total_variance > 0.0);
    let nearest = Neighbors::new(1).independent();
    let doubtful = ready(&kozachenko_leonenko(&twice, nearest).unwrap());
    assert!(doubtful.has(Caveat::Projected));
}

/// A window is what it keeps of the last snapshots, whatever their pieces.
#[test]
fn windows_are_their_last_snapshots() {
    let mut window = SnapshotWindow::new(WindowConfig::new(3).name("layer")).unwrap();
    assert!(window.is_empty() && !window.is_full() && window.last_step().is_none());
    assert_eq!((window.len(), window.dimension()), (0, 0));
    assert!(matches!(
        window.points(),
        Err(Error::Empty { ref place, .. }) if place == "layer"
    ));
    for step in 0..8_u8 {
        let (a, b) = (f32::from(step), f64::from(step) * 0.5);
        window
            .push_pieces(u64::from(step), [View::F64(&[b]), View::F32(&[a, 1.0])])
            .unwrap();
        assert_eq!(window.len(), usize::from(step + 1).min(3));
        assert_eq!((window.is_full(), window.is_empty()), (step >= 2, false));
        assert_eq!(window.last_step(), Some(u64::from(step)));
        // The single-precision part first.
        let points = window.points().unwrap();
        let last = points.iter().last().unwrap().to_vec();
        assert_eq!(last, [f64::from(step), 1.0, b]);
        let d = window.distances();
        let n = d.len();
        for i in 0..n {
            for j in 0..n {
                // 1 + 1/4 a step.
                let lag = count(i.abs_diff(j));
                assert_eq!(d.squared(i, j), Some(1.25 * lag * lag));
            }
        }
        let norms: Vec<f64> = points.iter().map(|w| dot(w, w)).collect();
        assert_eq!(d.squared_norms(), Some(norms));
    }
    assert_eq!(window.dimension(), 3);
    assert_eq!(window.config().name, "layer");
    window.clear();
    assert!(window.is_empty() && window.last_step().is_none());
    window
        .push_pieces(0, [View::F64(&[0.0]), View::F32(&[2.0, 1.0])])
        .unwrap();
    assert_eq!(window.distances().to_flat(), [0.0]);
    // A piece too many, and one that is missing.
    window.begin(1).unwrap();
    assert!(matches!(
        window.extend(&[1.0, 2.0]),
        Err(Error::LengthChanged {
            expected: 3,
            found: 2,
            ..
        })
    ));
    window.begin(1).unwrap();
    window.extend(&[1.0]).unwrap();
    assert!(matches!(
        window.commit(),
        Err(Error::LengthChanged {
            expected: 3,
            found: 1,
            ..
        })
    ));
    assert!(matches!(window.commit(), Err(Error::Conflict { .. })));
    window.begin(1).unwrap();
    window.abandon();
    assert!(matches!(window.extend(&[1.0]), Err(Error::Conflict { .. })));
    refused(window.begin(0), "step of a snapshot");
    assert_eq!(window.len(), 1);
}

#[test]
fn windows_know_what_memory_they_take() {
    let bytes = |config: WindowConfig| {
        let mut window = SnapshotWindow::new(config).unwrap();
        window.push(0, &[0.5, 1.0, 2.0]).unwrap();
        window.bytes()
    };
    let plain = WindowConfig::new(4);
    // Five rows of three doubles, 25 distances, and for each row its step and two norms.
    assert_eq!(bytes(plain.clone()), 5 * (3 * 8 + 5 * 8 + 8 + 2 * 16));
    let follow = plain.clone().follow(Space::Parameters, Neighbors::new(1));
    for config in [plain.clone(), follow] {
        let takes = bytes(config.clone());
        let mut window = SnapshotWindow::new(config.clone().most_bytes(takes)).unwrap();
        assert!(window.push(0, &[0.5, 1.0, 2.0]).is_ok());
        let mut window = SnapshotWindow::new(config.most_bytes(takes - 1)).unwrap();
        refused(
            window.push(0, &[0.5, 1.0, 2.0]),
            "bytes of a window of snapshots",
        );
    }
    // One more neighbour is two more entries among all and one among its block, of a distance
    // and a number each; for each snapshot there are some more numbers, 8 bytes each.
    let with = |k: usize| bytes(plain.clone().follow(Space::Directions, Neighbors::new(k)));
    assert_eq!(with(3) - with(2), 5 * 3 * 12);
    let more = with(1) - bytes(plain.clone()) - 5 * (6 + 4) * 12;
    assert!((5 * 16 * 8..=5 * 20 * 8).contains(&more), "{more}");
    let singles: [f32; 3] = [1.0; 3];
    let mut window = SnapshotWindow::new(plain.clone()).unwrap();
    window.push(0, &singles).unwrap();
    assert_eq!(window.bytes(), 5 * (3 * 4 + 5 * 8 + 8 + 2 * 16));
    let new = |config: WindowConfig| SnapshotWindow::new(config).map(|_| ());
    refused(new(WindowConfig::new(1)), "number of snapshots");
    assert!(new(WindowConfig::new(2)).is_ok());
    refused(new(plain.clone().every(0)), "steps between snapshots");
    refused(new(WindowConfig::new(23_170)), "number of snapshots");
    for (coordinates, good) in [
        (15, false),
        (16, true),
        (1 << 24, true),
        ((1 << 24) + 1, false),
    ] {
        let projection = Projection {
            coordinates,
            seed: 1,
        };
        assert_eq!(new(plain.clone().projection(projection)).is_ok(), good);
    }
    for (k, good) in [(0, false), (1, true), (64, true), (65, false)] {
        let config = plain.clone().follow(Space::Parameters, Neighbors::new(k));
        assert_eq!(new(config).is_ok(), good);
    }
    // Points take eight bytes a number of what is allowed.
    let mut window = SnapshotWindow::new(WindowConfig::new(2).every(5).most_bytes(1000)).unwrap();
    assert_eq!(window.push(3, &[1.0; 4]), Ok(Offered::Recorded));
    assert_eq!(window.push(7, &[1.0; 4]), Ok(Offered::Thinned));
    assert_eq!(window.push(8, &[1.0; 4]), Ok(Offered::Recorded));
    assert_eq!(window.distances().steps(), [3, 8]);
}

#[test]
fn windows_say_where_a_snapshot_is_bad() {
    let mut window = SnapshotWindow::new(WindowConfig::new(3).name("layer")).unwrap();
    let mut singles = vec![1.0_f32; 600];
    let mut doubles = vec![1.0_f64; 600];
    singles[290] = f32::NAN;
    doubles[520] = f64::INFINITY;
    let fails = |outcome: Result<(), Error>, at: usize| match outcome {
        Err(Error::NonFinite {
            place,
            index,
            value,
        }) => {
            assert_eq!((place.as_str(), index), ("layer", at));
            assert!(!value.is_finite());
        }
        other => panic!("{other:?}"),
    };
    fails(window.push(0, &singles).map(|_| ()), 290);
    fails(window.push(0, &doubles).map(|_| ()), 520);
    window.begin(0).unwrap();
    window.extend(&[1.0_f32; 7]).unwrap();
    window.extend(&[1.0_f64; 5]).unwrap();
    fails(window.extend(&singles), 302);
    // Squares that sum to a sixteenth of the range at most.
    let edge = (f64::MAX / 16.0).sqrt();
    assert!(window.push(1, &[1.0001 * edge]).is_err());
    assert!(window.push(1, &[0.9999 * edge]).is_ok());
    window.clear();
    assert!(matches!(window.points(), Err(Error::Empty { .. })));
    refused(window.set_every(0), "steps between snapshots");
    window.set_every(4).unwrap();
    assert_eq!(window.config().every, 4);
    window.push(10, &[1.0]).unwrap();
    assert_eq!(window.push(13, &[1.0]), Ok(Offered::Thinned));
    assert_eq!(window.push(14, &[1.0]), Ok(Offered::Recorded));
    // Four rows of a thousand singles take 32 kB as points, and less in the window.
    for (allowed, good) in [(31_999, false), (32_000, true)] {
        let config = WindowConfig::new(4).most_bytes(allowed);
        let mut window = SnapshotWindow::new(config).unwrap();
        for step in 0..4 {
            window.push(step, &[0.5_f32; 1000]).unwrap();
        }
        assert_eq!(window.points().is_ok(), good);
    }
}

/// 0x3f80 is 1 in brain floating point, each of the next 128 by 1/128 more.
#[test]
fn sixteen_bits_are_kept_as_they_are() {
    let bits: Vec<u16> = (0..600).map(|i| 0x3f80 + i % 128).collect();
    let mut window = SnapshotWindow::new(WindowConfig::new(2)).unwrap();
    window.push(0, View::Bf16(&bits)).unwrap();
    let points = window.points().unwrap();
    let expected: Vec<f64> = (0..600).map(|i| 1.0 + f64::from(i % 128) / 128.0).collect();
    assert_eq!(points.as_flat(), expected);
    window
        .push_pieces(1, [View::Bf16(&bits[..77]), View::Bf16(&bits[77..])])
        .unwrap();
    assert_eq!(window.distances().squared(0, 1), Some(0.0));
}

/// Over seeds the square of four blocks of ones is 64 on average: 16 (Σ ±1)² with deviation
/// √24·16 where all of them meet. One block keeps its length wherever it lies.
#[test]
fn projections_are_unbiased_over_seeds() {
    let square = |coordinates: usize, seed: u64, w: &[f64]| {
        let projection = Projection { coordinates, seed };
        let config = WindowConfig::new(2).projection(projection);
        let mut window = SnapshotWindow::new(config).unwrap();
        window.push(0, &vec![0.0; w.len()]).unwrap();
        window.push(1, w).unwrap();
        window.distances().squared(0, 1).unwrap()
    };
    for coordinates in [16, 40, 300] {
        let sum: f64 = (0..400)
            .map(|seed| square(coordinates, seed, &[1.0; 64]))
            .sum();
        let error = 24_f64.sqrt() * 16.0 / 20.0;
        assert!(
            (sum / 400.0 - 64.0).abs() < 5.0 * error,
            "{coordinates}: {sum}"
        );
    }
    let one: Vec<f64> = (1..=16).map(f64::from).collect();
    for seed in 0..60 {
        assert_eq!(square(20, seed, &one), dot(&one, &one));
    }
    // With room enough blocks seldom meet: places differ from block to block.
    let apart = (0..100).filter(|&seed| square(4000, seed, &[1.0; 64]) == 64.0);
    assert!(apart.count() > 90);
}

/// Sixteen parameters times a sign go to sixteen buckets: lengths within a block are kept.
#[test]
fn projections_keep_what_lies_in_one_block() {
    let projection = Projection {
        coordinates: 64,
        seed: 5,
    };
    let config = WindowConfig::new(3).projection(projection);
    let mut window = SnapshotWindow::new(config.clone()).unwrap();
    let mut far = vec![0.0; 100];
    window.push(0, &far).unwrap();
    for (i, x) in far[32..48].iter_mut().enumerate() {
        *x = count(i) - 7.0;
    }
    window.push(1, &far).unwrap();
    far[96] = 3.0;
    window.push(2, &far).unwrap();
    let d = window.distances();
    assert_eq!(d.squared(0, 1), Some(dot(&far[32..48], &far[32..48])));
    assert_eq!(d.squared(1, 2), Some(9.0));
    assert_eq!((d.projected(), d.dimension()), (Some(64), 100));
    assert!(matches!(window.points(), Err(Error::Conflict { .. })));
    // Another seed puts the blocks elsewhere: products between blocks differ.
    let across = |seed: u64| {
        let projection = Projection {
            coordinates: 16,
            seed,
        };
        let mut window = SnapshotWindow::new(WindowConfig::new(2).projection(projection)).unwrap();
        window.push(0, &[0.0; 64]).unwrap();
        let w: Vec<f64> = (0..64).map(|i| count(i) + 1.0).collect();
        window.push(1, &w).unwrap();
        window.distances().squared(0, 1).unwrap()
    };
    let found: Vec<f64> = (0..6).map(across).collect();
    assert!(found.iter().any(|x| *x != found[0]));
    // Singles and doubles of the same values are projected alike.
    let mut narrow = SnapshotWindow::new(config).unwrap();
    let single: Vec<f32> = (0_u8..100).map(|i| f32::from(i) * 0.5).collect();
    let double: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
    narrow.push(0, &single).unwrap();
    narrow.begin(1).unwrap();
    narrow.extend(&single[..37]).unwrap();
    narrow.extend(&single[37..]).unwrap();
    narrow.commit().unwrap();
    assert_eq!(narrow.distances().squared(0, 1), Some(0.0));
    let norm = narrow.distances().squared_norms().unwrap()[1];
    assert!(norm > 0.0 && norm.is_finite() && double.len() == 100);
}

/// Two windows, one of which follows its neighbours, say the same to the bit: plain clouds,
/// trajectories, repeats, zeros, and what is too large to follow.
#[test]
fn followed_neighbours_are_searched_ones() {
    for (seed, n, d, k, lags, independent, directions) in [
        (1, 40, 2, 1, 0, true, false),
        (2, 61, 3, 2, 1, false, true),
        (3, 90, 2, 1, 0, true, true),
        (4, 97, 4, 1, 2, false, false),
        (5, 130, 1, 3, 0, false, false),
        (6, 125, 3, 2, 0, true, true),
    ] {
        let space = if directions {
            Space::Directions
        } else {
            Space::Parameters
        };
        let mut neighbors = Neighbors::new(k).exclude_lags(lags);
        if independent {
            neighbors = neighbors.independent();
        }
        let config = WindowConfig::new(n);
        let mut slow = SnapshotWindow::new(config.clone()).unwrap();
        let mut fast = SnapshotWindow::new(config.follow(space, neighbors)).unwrap();
        let mut random = Random::new(seed);
        let mut first: Vec<f64> = Vec::new();
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for i in 0..n + 75 {
            let mut w: Vec<f64> = (0..d).map(|_| random.normal()).collect();
            if !independent && i > 0 {
                w.iter_mut()
                    .zip(&rows[i - 1])
                    .for_each(|(x, y)| *x += 0.3 * y.clamp(-3.0, 3.0));
            }
            match i {
                5 => first.clone_from(&w),
                // One repeat of what is long gone, one of what is near.
                _ if i == n + 3 => w.clone_from(&rows[i - 9]),
                _ if i == n + 20 => w.iter_mut().for_each(|x| *x *= 1e6),
                _ => {}
            }
            rows.push(w);
        }
        // The first third at once.
        let bulk = n / 3;
        fast.push_all((0..).zip(&rows[..bulk]).map(|(t, w)| (t, View::F64(w))))
            .unwrap();
        for (step, w) in (0_u64..).zip(&rows) {
            slow.push(step, w).unwrap();
            if step < u64::try_from(bulk).unwrap() {
                continue;
            }
            fast.push(step, w).unwrap();
            if slow.is_full() && step % 9 == 0 {
                let of = |window: &SnapshotWindow| match space {
                    Space::Parameters => kozachenko_leonenko(&window.distances(), neighbors),
                    Space::Directions => geodesic_cap(&window.distances(), neighbors),
                };
                match (of(&fast).unwrap(), of(&slow).unwrap()) {
                    (Reading::Ready(fast), Reading::Ready(slow)) => {
                        assert_eq!(fast.entropy.value, slow.entropy.value);
                        assert_eq!(fast.entropy.std_error, slow.entropy.std_error);
                        assert_eq!(fast.caveats, slow.caveats);
                        near(fast.autocorrelation_time, slow.autocorrelation_time, 1e-9);
                        near(fast.effective_dimension, slow.effective_dimension, 1e-9);
                    }
                    (Reading::Pending { .. }, Reading::Pending { .. }) => {}
                    (fast, slow) => assert_eq!(fast, slow),
                }
            }
        }
        assert_eq!(first.len(), d);
    }
}

/// A window that is filled at once follows from the first snapshot after; zeros have no
/// direction and are waited for.
#[test]
fn windows_filled_at_once_are_followed() {
    let neighbors = Neighbors::new(1).independent();
    let config = WindowConfig::new(50);
    let mut random = Random::new(31);
    let rows: Vec<Vec<f64>> = (0..130)
        .map(|i| {
            let scale = if i == 20 || i == 70 { 0.0 } else { 1.0 };
            (0..3).map(|_| scale * random.normal()).collect()
        })
        .collect();
    let mut slow = SnapshotWindow::new(config.clone()).unwrap();
    let mut fast = SnapshotWindow::new(config.follow(Space::Directions, neighbors)).unwrap();
    let views = |from: usize, to: usize| {
        let steps = u64::try_from(from).unwrap();
        (steps..)
            .zip(&rows[from..to])
            .map(|(t, w)| (t, View::F64(w)))
    };
    for (from, to) in [
        (0, 60),
        (60, 62),
        (62, 65),
        (65, 100),
        (100, 128),
        (128, 130),
    ] {
        assert_eq!(fast.push_all(views(from, to)).unwrap(), to - from);
        for (step, w) in views(from, to) {
            slow.push(step, w).unwrap();
        }
        assert_eq!(fast.distances().to_flat(), slow.distances().to_flat());
        let of = |window: &SnapshotWindow| geodesic_cap(&window.distances(), neighbors).unwrap();
        assert_eq!(of(&fast), of(&slow));
        fast.push(u64::try_from(to).unwrap(), &[1.0, 2.0, 3.0])
            .unwrap_or(Offered::Thinned);
        slow.push(u64::try_from(to).unwrap(), &[1.0, 2.0, 3.0])
            .unwrap();
        let (a, b) = (of(&fast), of(&slow));
        match (a, b) {
            (Reading::Ready(a), Reading::Ready(b)) => assert_eq!(a.entropy, b.entropy),
            (a, b) => assert_eq!(a, b),
        }
        fast.clear();
        slow.clear();
        let again = views(from.saturating_sub(40), to);
        fast.push_all(again).unwrap();
        for (step, w) in views(from.saturating_sub(40), to) {
            slow.push(step, w).unwrap();
        }
    }
}

#[test]
fn a_spread_is_what_its_numbers_say() {
    let rows = cloud(40, 2, 3);
    let found: Spread = ready(&spread(&distances(&rows, 2)));
    close(found.n_eff() * found.autocorrelation_time, 40.0, 1e-12);
    assert!(found.participation_ratio >= 1.0 && found.participation_ratio <= 2.0);
}

//! Snapshot windows, distances between them, and every estimator of entropy.

use thermograd::entropy::{
    Distances, FamilyMember, GraphLength, Neighbors, NullCloud, NullKind, Offered, Points,
    Projection, Provenance, Resultant, Rule, Sampling, Scaling, SnapshotWindow, Space, Sphere,
    ThermalState, Variable, WindowConfig, concentration, covariance_spectrum, effective_rank,
    entropy_at_radii, entropy_at_radius, entropy_from_energy, entropy_from_heat_capacity,
    family_temperatures, fit_von_mises_fisher, gaussian, geodesic_cap, graph_length,
    hyperspherical_angles, kozachenko_leonenko, kozachenko_leonenko_scaled, ledoit_wolf,
    ledoit_wolf_shrinkage, ln_ball_volume, ln_cap_area, ln_det_bias, ln_pseudo_determinant,
    ln_sphere_area, resolution_limited, spread, thermal_degrees_of_freedom, two_neighbor_dimension,
};

use crate::check::{answer, made, sound};
use crate::observer::Elements;
use crate::source::Source;

fn neighbors(source: &mut Source) -> Neighbors {
    let neighbors = Neighbors::new(source.count(5));
    match source.below(3) {
        0 => neighbors,
        1 => neighbors.exclude_lags(source.count(3)),
        _ => neighbors.independent(),
    }
}

pub(crate) fn window_config(source: &mut Source) -> WindowConfig {
    let mut config = WindowConfig::new(source.count(40)).every(source.long_count(3));
    if source.chance(4) {
        config = config.projection(Projection {
            coordinates: if source.chance(2) {
                16
            } else {
                source.count(40)
            },
            seed: source.bits(),
        });
    }
    if source.chance(3) {
        let space = source.pick(&[Space::Parameters, Space::Directions]);
        config = config.follow(space, neighbors(source));
    }
    if source.chance(8) {
        config = config.most_bytes(source.count(60_000));
    }
    config
}

/// What every set of distances answers.
fn estimate(source: &mut Source, distances: &Distances<'_>) {
    let neighbors = neighbors(source);
    let sampling = source.pick(&[Sampling::Trajectory, Sampling::Independent]);
    let entropies = [
        answer(kozachenko_leonenko(distances, neighbors)),
        answer(geodesic_cap(distances, neighbors)),
        answer(graph_length(
            distances,
            GraphLength::new(neighbors)
                .gamma(source.share())
                .dimension(source.count(6)),
        )),
        answer(graph_length(distances, GraphLength::new(neighbors))),
        Some(gaussian(distances, sampling)),
        Some(ledoit_wolf(distances, sampling)),
        answer(resolution_limited(distances, source.positive(), sampling)),
    ];
    sound(&entropies);
    let ready: Vec<_> = entropies
        .iter()
        .flatten()
        .filter_map(|found| found.ready())
        .collect();
    for found in &ready {
        sound(&found.absolute());
        sound(&found.minus(ready[0]));
    }
    sound(&ln_pseudo_determinant(distances));
    sound(&ledoit_wolf_shrinkage(distances));
    let resultant = source.pick(&[Resultant::DistinctPairs, Resultant::MaximumLikelihood]);
    sound(&fit_von_mises_fisher(distances, resultant, sampling));
    if let Some(found) = spread(distances).ready() {
        sound(found);
        sound(&(found.n_eff(), found.thinning()));
    }
    if let Some(spectrum) = covariance_spectrum(distances).ready() {
        sound(spectrum);
        answer(effective_rank(spectrum));
    }
    answer(two_neighbor_dimension(distances, neighbors));
    sound(&distances.squared_norms());
    sound(&distances.to_flat());
    if let Some(thinned) = answer(distances.thinned(source.count(4))) {
        sound(&gaussian(&thinned, sampling));
    }
    if let Some(directions) = distances.directions().ready() {
        answer(geodesic_cap(directions, neighbors));
    }
}

/// A window that takes snapshots in any way it can.
pub(crate) fn window(source: &mut Source) {
    let Some(mut window) = made(SnapshotWindow::new(window_config(source))) else {
        return;
    };
    let dimension = source.len(20);
    let kind = source.below(5);
    let drawn: Vec<Elements> = (0..=source.below(12))
        .map(|_| Elements::draw(source, dimension, kind))
        .collect();
    let mut step = source.long_count(3);
    for i in 0..source.below(60) {
        let values = &drawn[if source.chance(2) {
            i % drawn.len()
        } else {
            source.below(drawn.len())
        }];
        step = if source.chance(32) {
            source.bits()
        } else {
            step.saturating_add(1)
        };
        let (len, last) = (window.len(), window.last_step());
        let taken = match source.below(12) {
            0 => window.push_pieces(step, [values.view(), drawn[0].view()]),
            1 => window
                .push_all([
                    (step, values.view()),
                    (step.saturating_add(1), drawn[0].view()),
                ])
                .map(|_| Offered::Recorded),
            2 => {
                let begun = window.begin(step);
                if source.chance(2) {
                    answer(window.extend(values.view()));
                    if source.chance(4) {
                        window.abandon();
                    }
                    window.commit()
                } else {
                    begun
                }
            }
            3 => window.commit(),
            4 => window
                .set_every(source.long_count(3))
                .map(|()| Offered::Thinned),
            5 if source.chance(4) => {
                window.clear();
                continue;
            }
            _ => window.push(step, values.view()),
        };
        if answer(taken).is_none() {
            // A series of pushes may have taken the first.
            assert!(window.len() == len || window.last_step() != last);
        }
        assert!(window.is_empty() || window.bytes() <= window.config().most_bytes);
    }
    let distances = window.distances();
    estimate(source, &distances);
    if let Some(points) = answer(window.points()) {
        answer(hyperspherical_angles(&points, Neighbors::default()));
    }
}

/// Distances and points from anywhere.
pub(crate) fn distances(source: &mut Source) {
    let n = source.len(14);
    let dimension = source.len(8);
    let rows = source.numbers(n * dimension);
    if let Some(points) = made(Points::new(
        rows,
        if source.chance(8) {
            source.count(3)
        } else {
            dimension
        },
    )) {
        let scaling = source.pick(&[
            Scaling::Isotropic,
            Scaling::PerCoordinate,
            Scaling::Covariance,
        ]);
        answer(kozachenko_leonenko_scaled(
            &points,
            scaling,
            neighbors(source),
        ));
        answer(hyperspherical_angles(&points, neighbors(source)));
        if let Some(distances) = answer(points.distances()) {
            estimate(source, &distances);
            if let Some(twice) = answer(distances.clone().merge(&distances)) {
                sound(&gaussian(&twice, Sampling::Trajectory));
            }
        }
    }
    let len = if source.chance(8) {
        source.below(30)
    } else {
        n * n
    };
    let mut flat: Vec<f64> = source.numbers(len).iter().map(|x| x.abs()).collect();
    if len == n * n && !source.chance(4) {
        for i in 0..n {
            flat[i * n + i] = 0.0;
            for j in 0..i {
                flat[i * n + j] = flat[j * n + i];
            }
        }
    }
    let steps = if source.chance(4) {
        source
            .numbers(n)
            .iter()
            .map(|x| x.to_bits() >> source.below(60))
            .collect()
    } else {
        (0..n as u64).collect()
    };
    let mut provenance = Provenance::new(source.count(9), steps);
    if source.chance(2) {
        provenance = provenance.squared_norms(source.numbers(n).iter().map(|x| x.abs()).collect());
    }
    if source.chance(8) {
        provenance = provenance.projected(source.count(20));
    }
    if let Some(distances) = made(Distances::from_flat(flat, provenance)) {
        estimate(source, &distances);
    }
}

/// Closed forms, fits and thermodynamic integration.
pub(crate) fn laws(source: &mut Source) {
    let dimension = source.count(2000);
    answer(ln_sphere_area(dimension));
    answer(ln_ball_volume(dimension));
    answer(ln_cap_area(dimension, source.share() * 3.2));
    answer(ln_cap_area(source.count(20), source.number()));
    answer(entropy_at_radius(
        source.number(),
        dimension,
        source.number(),
    ));
    let spheres: Vec<Sphere> = (0..source.below(4))
        .map(|_| Sphere {
            dimension: source.count(100),
            radius: source.number(),
        })
        .collect();
    answer(entropy_at_radii(source.number(), &spheres));
    sound(&thermal_degrees_of_freedom(&spheres));
    answer(ln_det_bias(source.count(3000), source.count(3000)));
    answer(concentration(source.count(3000), source.share()));
    answer(effective_rank(&source.series(20)));
    let state = |source: &mut Source| ThermalState {
        temperature: source.estimate(),
        observable: source.estimate(),
    };
    let mut states: Vec<ThermalState> = (0..source.below(9)).map(|_| state(source)).collect();
    if source.chance(2) {
        for state in &mut states {
            state.temperature.value = state.temperature.value.abs();
        }
        states.sort_by(|a, b| a.temperature.value.total_cmp(&b.temperature.value));
    }
    let variable = source.pick(&[
        Variable::LogTemperature,
        Variable::Temperature,
        Variable::InverseTemperature,
    ]);
    let rule = source.pick(&[Rule::Trapezoid, Rule::Spline]);
    answer(entropy_from_energy(&states, variable, rule));
    answer(entropy_from_heat_capacity(&states, variable, rule));
    let family: Vec<FamilyMember> = (0..source.below(8))
        .map(|_| FamilyMember {
            energy: source.estimate(),
            entropy: source.estimate(),
        })
        .collect();
    answer(family_temperatures(&family));
}

/// Clouds drawn by a law whose entropy is known.
pub(crate) fn nulls(source: &mut Source) {
    let kind = source.pick(&[NullKind::Points, NullKind::Directions]);
    let cloud = NullCloud::new(kind, source.count(12))
        .snapshots(source.below(30))
        .replicas(source.below(4))
        .seed(source.bits());
    answer(cloud.truth());
    if let Some(distances) = answer(cloud.cloud(source.bits())) {
        estimate(source, &distances);
    }
    answer(cloud.bias(|distances| geodesic_cap(distances, Neighbors::default())));
}

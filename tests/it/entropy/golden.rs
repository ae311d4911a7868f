//! Values of other packages: see `tests/golden/entropy.py`.
//!
//! Tolerance 1e-9 relative to the larger of 1 and the value: both sides work in double precision on
//! well-conditioned clouds, and log-gamma and incomplete beta functions carry about 1e-12.

use serde_json::Value;
use thermograd::entropy::{
    GraphLength, Neighbors, Points, Sampling, gaussian, geodesic_cap, graph_length,
    hyperspherical_angles, kozachenko_leonenko, ledoit_wolf, ledoit_wolf_shrinkage, ln_cap_area,
    resolution_limited, spread,
};

use super::value;

pub(super) fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/entropy.json")).unwrap()
}

#[track_caller]
pub(super) fn close(ours: f64, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!(
        (ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0),
        "{what}: {ours} against {theirs}"
    );
}

#[test]
fn every_estimator_agrees_with_its_formula_written_elsewhere() {
    for cloud in golden()["clouds"].as_array().unwrap() {
        let rows = cloud["rows"].as_array().unwrap();
        let d = usize::try_from(cloud["dimension"].as_u64().unwrap()).unwrap();
        let points = Points::new(rows.iter().map(|x| x.as_f64().unwrap()).collect(), d).unwrap();
        let distances = points.distances().unwrap();
        let kth = |k| Neighbors::new(k).independent();
        for (name, k) in [("1", 1), ("3", 3)] {
            let flat = value(&kozachenko_leonenko(&distances, kth(k)).unwrap());
            close(flat, &cloud["kozachenko_leonenko"][name], "flat");
            let cap = value(&geodesic_cap(&distances, kth(k)).unwrap());
            close(cap, &cloud["geodesic_cap"][name], "cap");
        }
        let angles = value(&hyperspherical_angles(&points, kth(1)).unwrap());
        close(angles, &cloud["hyperspherical_angles"], "angles");
        let graph = GraphLength::new(kth(2));
        let length = value(&graph_length(&distances, graph).unwrap());
        close(length, &cloud["graph_length"]["2"], "graph");
        let half = value(&graph_length(&distances, graph.gamma(0.5)).unwrap());
        close(
            half,
            &cloud["graph_length"]["gamma_half"],
            "graph, gamma 1/2",
        );
        let normal = gaussian(&distances, Sampling::Independent);
        if cloud["gaussian"].is_null() {
            assert!(normal.ready().is_none());
        } else {
            close(value(&normal), &cloud["gaussian"], "gaussian");
        }
        let shrinkage = ledoit_wolf_shrinkage(&distances);
        let weight = shrinkage.ready().unwrap().weight;
        let theirs = cloud["shrinkage"].as_f64().unwrap();
        assert!((weight - theirs).abs() < 1e-10, "{weight} {theirs}");
        let shrunk = value(&ledoit_wolf(&distances, Sampling::Independent));
        close(shrunk, &cloud["ledoit_wolf"], "shrunk");
        let limited = resolution_limited(&distances, 0.7, Sampling::Independent).unwrap();
        close(value(&limited), &cloud["resolution"], "resolution");
        let ratio = spread(&distances).ready().unwrap().participation_ratio;
        close(ratio, &cloud["participation_ratio"], "participation ratio");
    }
}

#[test]
fn cap_areas_at_fifty_digits() {
    for row in golden()["caps"].as_array().unwrap() {
        let d = usize::try_from(row[0].as_u64().unwrap()).unwrap();
        let area = ln_cap_area(d, row[1].as_f64().unwrap()).unwrap();
        close(area, &row[2], "cap");
    }
}

//! The numbers of pymbar, red, arviz, scipy and statsmodels; see `tests/golden/equilibrium.py`.

#![expect(
    clippy::unwrap_used,
    reason = "a golden file that does not parse is a failed test"
)]

use serde_json::Value;
use thermograd::Estimate;
use thermograd::equilibrium::{
    BurnIn, InitialSequenceConfig, LagGrid, LagWindow, Objective, Spacing, Truncation,
    WindowConfig, autocovariance, detect_by_initial_sequence, detect_by_window,
    detect_equilibration, ess_bulk, ess_mean, ess_quantile, ess_tail, estimate_heterogeneity,
    kendall_tau, kpss_statistic, mcse_mean, mcse_quantile, mcse_sd, rhat, rhat_bulk, rhat_folded,
    rhat_split, statistical_inefficiency, statistical_inefficiency_multiple, thinning,
};

pub(crate) fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/equilibrium.json")).unwrap()
}

pub(crate) fn series(seed: u64, entry: &Value) -> Vec<f64> {
    let (rho, transient) = (number(&entry["rho"]), number(&entry["transient"]));
    let (mut state, mut x) = (seed, 0.0);
    (0..entry["n"].as_u64().unwrap())
        .map(|t| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            x = rho * x + (state >> 11) as f64 / 2.0_f64.powi(53) - 0.5;
            x + transient * (-(t as f64) / 50.0).exp()
        })
        .collect()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
pub(crate) fn same(ours: f64, theirs: &Value) {
    let theirs = number(theirs);
    assert!(
        (ours - theirs).abs() <= 1e-8 * theirs.abs().max(1e-3),
        "{ours} is not {theirs}"
    );
}

#[track_caller]
fn same_start(ours: &BurnIn, theirs: &Value) {
    assert_eq!(ours.origin as u64, theirs[0].as_u64().unwrap());
    same(ours.inefficiency, &theirs[1]);
    same(ours.n_eff, &theirs[2]);
}

#[test]
fn correlation_times_of_pymbar_and_statsmodels() {
    for entry in golden()["series"].as_array().unwrap() {
        let x = series(entry["seed"].as_u64().unwrap(), entry);
        for (ours, theirs) in autocovariance(&x, 5)
            .unwrap()
            .into_iter()
            .zip(entry["autocovariance"].as_array().unwrap())
        {
            same(ours, theirs);
        }
        for (rule, name) in [
            (Truncation::FirstZero, "g"),
            (Truncation::FirstZeroSparse, "g_fast"),
        ] {
            let time = statistical_inefficiency(&x, rule).unwrap();
            same(time.ready().unwrap().inefficiency, &entry[name]);
        }
        let kept = thinning(x.len(), 2.7, Spacing::Nearest).unwrap();
        for (ours, theirs) in kept.iter().zip(entry["subsample"].as_array().unwrap()) {
            assert_eq!(*ours as u64, theirs.as_u64().unwrap());
        }
    }
}

#[test]
fn burn_in_of_pymbar() {
    for entry in golden()["series"].as_array().unwrap() {
        let x = series(entry["seed"].as_u64().unwrap(), entry);
        for (grid, name) in [
            (LagGrid::Every, "detect_every"),
            (LagGrid::Sparse, "detect_sparse"),
        ] {
            let found = detect_equilibration(&x, grid).unwrap();
            same_start(found.ready().unwrap(), &entry[name]);
        }
    }
}

const RULES: [(Truncation, &str); 3] = [
    (Truncation::InitialPositive, "initial_positive"),
    (Truncation::InitialMonotone, "initial_monotone"),
    (Truncation::InitialConvex, "initial_convex"),
];

const OBJECTIVES: [(Objective, &str); 2] = [
    (Objective::SquaredError, "min_sse"),
    (Objective::EffectiveSize, "max_ess"),
];

#[test]
fn burn_in_of_red() {
    for entry in golden()["series"].as_array().unwrap() {
        let x = series(entry["seed"].as_u64().unwrap(), entry);
        for (objective, objective_name) in OBJECTIVES {
            for (rule, rule_name) in RULES {
                let mut config = InitialSequenceConfig::default();
                (config.rule, config.objective) = (rule, objective);
                let found = detect_by_initial_sequence(&[&x], &config).unwrap();
                let name = format!("red_{rule_name}_{objective_name}");
                same_start(found.ready().unwrap(), &entry[name.as_str()]);
            }
            for (window, window_name) in [
                (LagWindow::SquareRoot, "red_window"),
                (LagWindow::Fixed(25), "red_window25"),
            ] {
                let mut config = WindowConfig::default();
                (config.window, config.objective) = (window, objective);
                let found = detect_by_window(&[&x], &config).unwrap();
                let name = format!("{window_name}_{objective_name}");
                same_start(found.ready().unwrap(), &entry[name.as_str()]);
            }
        }
    }
}

pub(crate) fn replicas(entry: &Value) -> Vec<Vec<f64>> {
    entry["seeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seed| series(seed.as_u64().unwrap(), entry))
        .collect()
}

#[test]
fn effective_sizes_and_errors_of_arviz() {
    for entry in golden()["replicas"].as_array().unwrap() {
        let chains = replicas(entry);
        let views: Vec<&[f64]> = chains.iter().map(Vec::as_slice).collect();
        for (ours, name) in [
            (ess_bulk(&views), "ess_bulk"),
            (ess_tail(&views), "ess_tail"),
            (ess_mean(&views), "ess_mean"),
            (ess_quantile(&views, 0.3), "ess_quantile_30"),
        ] {
            same(*ours.unwrap().ready().unwrap(), &entry[name]);
        }
        for (ours, name) in [
            (mcse_mean(&views), "mcse_mean"),
            (mcse_sd(&views), "mcse_sd"),
            (mcse_quantile(&views, 0.3), "mcse_quantile_30"),
        ] {
            same(ours.unwrap().ready().unwrap().std_error, &entry[name]);
        }
    }
}

#[test]
fn replicas_of_pymbar_and_red() {
    for entry in golden()["replicas"].as_array().unwrap() {
        let chains = replicas(entry);
        let views: Vec<&[f64]> = chains.iter().map(Vec::as_slice).collect();
        if chains.len() > 1 {
            let pooled = statistical_inefficiency_multiple(&views, Truncation::FirstZero).unwrap();
            same(pooled.ready().unwrap().inefficiency, &entry["g_multiple"]);
        }
        let convex = statistical_inefficiency_multiple(&views, Truncation::InitialConvex).unwrap();
        same(convex.ready().unwrap().inefficiency, &entry["red_g_convex"]);
        let found = detect_by_initial_sequence(&views, &InitialSequenceConfig::default()).unwrap();
        same_start(found.ready().unwrap(), &entry["red_detect"]);
    }
}

#[test]
fn rhat_of_arviz() {
    for entry in golden()["replicas"].as_array().unwrap() {
        let chains = replicas(entry);
        if chains.len() < 2 {
            continue;
        }
        let views: Vec<&[f64]> = chains.iter().map(Vec::as_slice).collect();
        for (ours, name) in [
            (rhat_split(&views), "rhat_split"),
            (rhat_bulk(&views), "rhat_z_scale"),
            (rhat_folded(&views), "rhat_folded"),
            (rhat(&views), "rhat_rank"),
        ] {
            same(*ours.unwrap().ready().unwrap(), &entry[name]);
        }
    }
}

#[test]
fn statistics_of_scipy_and_statsmodels() {
    for entry in golden()["series"].as_array().unwrap() {
        let x = series(entry["seed"].as_u64().unwrap(), entry);
        let found = kpss_statistic(&x, 12).unwrap();
        same(*found.ready().unwrap(), &entry["kpss_12"]);
        let found = kendall_tau(&x).unwrap();
        same(*found.ready().unwrap(), &entry["kendall"]);
    }
    let groups: Vec<Estimate> = (0..4_u32)
        .map(|k| {
            let n = 30 + 5 * k;
            let entry = serde_json::json!({ "rho": 0.0, "transient": 0.0, "n": n });
            let scale = f64::from(1 + k);
            let x: Vec<f64> = series(50 + u64::from(k), &entry)
                .into_iter()
                .map(|x| x * scale + 0.05 * f64::from(k))
                .collect();
            let n = f64::from(n);
            let mean = x.iter().sum::<f64>() / n;
            let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
            Estimate {
                value: mean,
                std_error: (squares / (n - 1.0) / n).sqrt(),
                n_eff: n,
            }
        })
        .collect();
    let found = estimate_heterogeneity(&groups).unwrap();
    let found = found.ready().unwrap();
    let welch = &golden()["welch"];
    same(found.statistic, &welch["statistic"]);
    same(found.degrees_of_freedom.1, &welch["df"][1]);
    same(found.p_value, &welch["p"]);
}

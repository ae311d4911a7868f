//! Reports: rows, remarks, a user's own metric, JSON lines.

use thermograd::systems::Random;
use thermograd::{
    CATALOGUE, Config, Error, GroupId, Groups, Metric, Moment, Observer, Remark, Scope, Step,
    Symmetry, slices,
};

const GRADIENT: Metric = Metric::new("gradient_rms", &[Moment::GradientNormSquared], |e| {
    Some((e.mean(Moment::GradientNormSquared)? / e.mean(Moment::Dof)?).sqrt())
})
.with_symbol("g_rms")
.with_unit("loss/weight");

/// Noise gradients of unit variance, plus `along` times the weights, plus a steady push of size
/// `mean` at right angles to them: what they turn in pairs.
fn run(symmetry: Symmetry, along: f64, mean: f64) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("layer", symmetry);
    let config = Config::every_step().metric(GRADIENT);
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut random = Random::new(1);
    let (rate, decay) = (0.05, 0.1);
    let mut w = vec![0.27; 50];
    for _ in 0..8000 {
        let r2: f64 = w.iter().map(|w| w * w).sum();
        let mut draw = || {
            let mut g: Vec<f64> = (0..50).map(|_| random.normal()).collect();
            let overlap = w.iter().zip(&g).map(|(w, g)| w * g).sum::<f64>() / r2;
            for (g, w) in g.iter_mut().zip(&w) {
                *g += (along - overlap) * w;
            }
            let push = mean * (50.0 / r2).sqrt();
            for (g, w) in g.chunks_exact_mut(2).zip(w.chunks_exact(2)) {
                g[0] -= push * w[1];
                g[1] += push * w[0];
            }
            g
        };
        let (g, g2) = (draw(), draw());
        let step = Step::new(1.0).learning_rate(rate).weight_decay(decay);
        let snapshot = slices(group, &w, &g).second_gradient(&g2);
        observer.observe(&step, &snapshot).unwrap();
        for (w, g) in w.iter_mut().zip(&g) {
            *w -= rate * (g + decay * *w);
        }
    }
    (observer, group)
}

#[test]
fn a_metric_of_ones_own_has_a_row_and_an_error_bar() {
    let (observer, group) = run(Symmetry::Generic, 0.0, 0.0);
    let reading = observer.read(group, "gradient_rms").unwrap();
    let estimate = reading.ready().unwrap();
    // 49 of 50 directions carry unit noise.
    let z = estimate.z_score((49.0_f64 / 50.0).sqrt()).unwrap();
    assert!(z.abs() < 4.0, "{estimate}");
    let report = observer.report();
    assert_eq!(report.get(Some("layer"), "gradient_rms"), Some(&reading));
    assert!(report.to_string().contains("gradient_rms"));
    assert!(report.iter().count() > 20);
    assert_eq!(report.rows.len(), (&report).into_iter().count());

    let mut groups = Groups::new();
    groups.add("layer", Symmetry::Generic);
    let twice = Config::default().metric(GRADIENT).metric(GRADIENT);
    let error = Observer::with_config(groups.clone(), twice).unwrap_err();
    assert!(matches!(error, Error::DuplicateName { .. }));
    let taken = Config::default().metric(Metric::new("z", &[], |_| None));
    assert!(Observer::with_config(groups, taken).is_err());
}

#[test]
fn the_catalogue_is_in_order() {
    for (i, metric) in CATALOGUE.iter().enumerate() {
        let others = CATALOGUE.iter().skip(i + 1);
        assert!(others.into_iter().all(|m| m.name() != metric.name()));
        assert!(!metric.symbol().is_empty() && !metric.needs().is_empty());
        assert!(
            metric
                .name()
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_')
        );
    }
    assert!(CATALOGUE.iter().any(|m| m.scope() == Scope::Model));
}

#[test]
fn remarks_say_what_is_amiss() {
    let remarks = |symmetry, along, mean| {
        let (observer, _) = run(symmetry, along, mean);
        let report = observer.report();
        let text = report.to_string();
        let remarks: Vec<String> = report.remarks().iter().map(ToString::to_string).collect();
        for remark in &remarks {
            assert!(text.contains(remark.as_str()), "{remark}");
        }
        let has = |wanted: fn(&Remark<'_>) -> bool| report.remarks().iter().any(wanted);
        (
            has(|r| matches!(r, Remark::NotScaleInvariant { .. })),
            has(|r| matches!(r, Remark::VirialTerm { .. })),
            has(|r| matches!(r, Remark::MeanGradient { .. })),
        )
    };
    // A clean gas has nothing amiss; a pull along w is a real gas, and a lie where invariance was
    // declared; a steady gradient is a signal.
    assert_eq!(
        remarks(Symmetry::ScaleInvariant, 0.0, 0.0),
        (false, false, false)
    );
    assert_eq!(
        remarks(Symmetry::ScaleInvariant, 0.1, 0.0),
        (true, true, false)
    );
    assert_eq!(remarks(Symmetry::Generic, 0.1, 0.0), (false, true, false));
    assert_eq!(
        remarks(Symmetry::ScaleInvariant, 0.0, 0.5),
        (false, false, true)
    );
}

#[cfg(feature = "json")]
#[test]
fn a_line_of_json_holds_every_reading() {
    let (observer, group) = run(Symmetry::Generic, 0.0, 0.0);
    let line = observer.report().to_json_line();
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let rows = value["rows"].as_array().unwrap();
    assert_eq!(rows.len(), observer.report().rows.len());
    let find = |metric: &str| {
        let row = rows.iter().find(|row| row["metric"] == metric);
        row.unwrap()["reading"].clone()
    };
    let own = observer.read(group, "gradient_rms").unwrap();
    let found = find("gradient_rms")["ready"]["value"].as_f64();
    assert_eq!(found, own.ready().map(|e| e.value));
    assert!(found.is_some());
    assert!(find("z_d")["undefined"]["symmetry"].is_string());
}

//! Values by hand, closed forms and boundaries: report.

use super::{estimate, noise};
use thermograd::{
    Config, Groups, Observer, Reading, Reason, Remark, Report, Sampling, Step, Symmetry, Window,
    slices,
};

/// A report of these groups in which nothing is ready.
fn empty(names: &[&str]) -> Report {
    let mut groups = Groups::new();
    let ids: Vec<_> = names
        .iter()
        .map(|name| groups.add(*name, Symmetry::ScaleInvariant))
        .collect();
    let config = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    for _ in 0..3 {
        let visit = thermograd::from_fn(|out| {
            let piece = thermograd::Piece::new(&[1.0_f64, 2.0], &[0.5_f64, 0.25]);
            ids.iter().try_for_each(|&id| out.piece(id, &piece))
        });
        observer.observe(&Step::new(0.5), &visit).unwrap();
    }
    let mut report = observer.report();
    for row in &mut report.rows {
        row.reading = Reading::Pending {
            seen: 5,
            needed: 96,
        };
    }
    report
}

fn set(report: &mut Report, group: Option<&str>, metric: &str, value: f64, error: f64) {
    let mut rows = report.rows.iter_mut();
    let row = rows.find(|r| r.group.as_deref() == group && r.metric.name() == metric);
    row.unwrap().reading = Reading::Ready(estimate(value, error, 100.0));
}

fn remarks(set_up: &[(&str, f64, f64)]) -> Vec<String> {
    let mut report = empty(&["a"]);
    for &(metric, value, error) in set_up {
        set(&mut report, Some("a"), metric, value, error);
    }
    report.remarks().iter().map(ToString::to_string).collect()
}

#[test]
fn a_row_is_found_by_group_and_metric() {
    let mut report = empty(&["a", "b"]);
    assert_eq!((report.step, report.window), (3, 3));
    set(&mut report, Some("b"), "z", 1.5, 0.25);
    let found = report.get(Some("b"), "z").and_then(Reading::ready);
    assert_eq!(found, Some(&estimate(1.5, 0.25, 100.0)));
    assert!(report.get(Some("a"), "z").unwrap().ready().is_none());
    assert_eq!(report.get(Some("c"), "z"), None);
    assert_eq!(report.get(None, "y"), None);
    // The loss is the model's, and all else is everybody's.
    assert_eq!(report.get(Some("a"), "loss"), None);
    assert!(report.get(None, "loss").is_some() && report.get(None, "z").is_some());
    assert_eq!(report.iter().count(), report.rows.len());
    // A model of one group says it once.
    assert_eq!(empty(&["a"]).get(None, "z"), None);
}

#[test]
fn departures_are_remarked_on_that_are_large_and_significant() {
    assert!(remarks(&[]).is_empty());
    let balance = |value, error| remarks(&[("real_gas_balance", value, error)]);
    assert_eq!(
        balance(1.021, 0.0),
        [
            "a: what shrinks the norm over what expands it is 1.021: it has not settled, and Z reads \
         the run's start"
        ]
    );
    assert_eq!(balance(0.979, 0.0).len(), 1);
    assert!(balance(1.019, 0.0).is_empty() && balance(0.981, 0.0).is_empty());
    // Three standard errors.
    assert_eq!(balance(1.31, 0.1).len(), 1);
    assert!(balance(1.29, 0.1).is_empty());
    let edge = |value| remarks(&[("edge_ratio", value, 0.0)]);
    assert_eq!(edge(0.71), ["a: e = 0.71: near the edge of stability"]);
    assert!(edge(0.7).is_empty());
    // Only where invariance is declared, which is where z_d is read.
    let ratio = |value| remarks(&[("virial_ratio", value, 0.0), ("z_d", 1.0, 0.0)]);
    assert_eq!(
        ratio(0.0021),
        [
            "a: declared scale-invariant, but |w·g|/(|w||g|) = 2.1e-3: is it normalised without an \
         affine part, and its epsilon negligible?"
        ]
    );
    assert!(ratio(1e-3).is_empty());
    assert!(remarks(&[("virial_ratio", 0.5, 0.0)]).is_empty());
}

/// The virial term where there is one, else the mean gradient, and neither beside Z of 1.
#[test]
fn a_z_that_differs_from_one_has_a_cause() {
    let of = |z: f64, virial: f64, signal: f64| {
        remarks(&[
            ("z", z, 0.01),
            ("z_virial", virial, 0.01),
            ("signal_to_noise", signal, 0.01),
        ])
    };
    assert_eq!(
        of(1.2, 0.15, 0.5),
        ["a: Z = 1.200: a real gas, its virial term -<w·g>/(dT) = 0.150 is the cause"]
    );
    assert_eq!(
        of(1.2, 0.02, 0.05),
        ["a: Z = 1.200: the mean gradient's share is |∇L|²/tr Σ = 0.050"]
    );
    assert!(of(1.2, 0.02, 0.02).is_empty());
    assert!(of(1.02, 0.15, 0.5).is_empty());
}

#[test]
fn every_group_and_the_model_of_several_are_remarked_on() {
    let mut one = empty(&["a"]);
    let mut two = empty(&["a", "b"]);
    let metric = "edge_ratio";
    for (report, groups) in [
        (&mut one, &[Some("a")][..]),
        (&mut two, &[Some("a"), Some("b"), None]),
    ] {
        for &group in groups {
            set(report, group, metric, 0.9, 0.0);
        }
        let found: Vec<Remark<'_>> = report.remarks();
        let expected: Vec<Remark<'_>> = groups
            .iter()
            .map(|&group| Remark::NearEdge {
                group,
                edge_ratio: 0.9,
            })
            .collect();
        assert_eq!(found, expected);
    }
    let last = two.remarks()[2].to_string();
    assert_eq!(last, "total: e = 0.90: near the edge of stability");
}

#[test]
fn schedules_and_shuffled_epochs_are_remarked_on() {
    let mut report = empty(&["a"]);
    report.learning_rate_spread = Some(0.1);
    report.weight_decay_spread = None;
    assert_eq!(report.remarks(), []);
    report.learning_rate_spread = Some(0.123);
    report.weight_decay_spread = Some(0.2);
    report.sampling = Sampling::Reshuffled;
    let found = report.remarks();
    let schedule = |what, spread| Remark::Schedule { what, spread };
    assert_eq!(
        found,
        [
            schedule("learning rate", 0.123),
            schedule("weight decay", 0.2),
            Remark::Reshuffled
        ]
    );
    assert_eq!(
        found[0].to_string(),
        "the learning rate changes within the window (its logarithm has standard deviation 0.12): \
         readings are averages over different temperatures"
    );
    assert!(
        found[2]
            .to_string()
            .contains("temperature_noise is an upper bound")
    );
}

#[test]
fn a_report_is_an_aligned_table() {
    let mut report = empty(&["a"]);
    set(&mut report, Some("a"), "temperature_noise", 0.125, 0.0025);
    set(&mut report, None, "loss", 2.5, 0.0);
    report.rows.retain(|row| {
        let name = row.metric.name();
        ["temperature_noise", "z", "loss"].contains(&name)
    });
    for row in &mut report.rows {
        if let Reading::Ready(found) = &mut row.reading {
            found.n_eff = if found.value < 1.0 { 1234.6 } else { 10.0 };
        }
    }
    let table = [
        "step 3, window of 3 steps",
        "group  metric             symbol          value      error      n_eff  unit",
        "a      temperature_noise  T          1.25000e-1     2.5e-3       1235  loss",
        "a      z                  Z       pending (5 of 96)",
        "total  loss               U           2.50000e0      0.0e0         10  loss",
    ];
    let told = |places: &[usize]| {
        let lines: Vec<&str> = places.iter().map(|&i| table[i]).collect();
        lines.join("\n") + "\n"
    };
    let short = told(&[0, 1, 2, 4]);
    assert_eq!(
        report.to_string(),
        short + "(1 more pending or undefined)\n"
    );
    let whole = told(&[0, 1, 2, 3, 4]);
    assert_eq!(format!("{report:#}"), whole);
    // What is undefined says why.
    report.rows[1].reading = Reading::Undefined(Reason::Missing("the learning rate"));
    assert!(format!("{report:#}").contains("undefined: the learning rate was never given\n"));
}

/// ln η of two values half the time each: half their distance.
#[test]
fn a_report_knows_how_far_a_schedule_went() {
    let mut groups = Groups::new();
    let group = groups.add("a", Symmetry::Generic);
    let config = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    assert_eq!(observer.report().learning_rate_spread, None);
    for t in 0..100 {
        let facts = Step::new(0.0)
            .learning_rate(if t < 50 { 0.1 } else { 0.2 })
            .weight_decay(0.01)
            .sampling(if t == 7 {
                Sampling::Reshuffled
            } else {
                Sampling::WithoutReplacement
            });
        let g = noise(2, t);
        observer
            .observe(&facts, &slices(group, &[1.0, 2.0], &g))
            .unwrap();
        let report = observer.report();
        let expected = if t < 7 {
            Sampling::WithoutReplacement
        } else {
            Sampling::Reshuffled
        };
        assert_eq!(report.sampling, expected);
    }
    let report = observer.report();
    let spread = report.learning_rate_spread.unwrap();
    super::near(spread, 0.5 * 2f64.ln(), 1e-6);
    super::near(report.weight_decay_spread.unwrap(), 0.0, 1e-6);
    assert_eq!((report.step, report.window), (100, 100));
}

//! Equation of state, paths and books at numbers worked out by hand.

use std::num::NonZeroU64;

use thermograd::engine::{
    Basis, BathState, EquationOfState, Ledger, Path, StatePoint, excess_heat,
};
use thermograd::equilibrium::{Direction, Verdict, VerdictConfig};
use thermograd::systems::Random;
use thermograd::{
    Config, Ensemble, Error, Estimate, Groups, Moment, Observer, Optimizer, Reading, Reason, Step,
    Symmetry, Window, slices,
};

fn with_error(value: f64, std_error: f64) -> Estimate {
    Estimate {
        value,
        std_error,
        n_eff: 10.0,
    }
}

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    }
}

fn assert_close(what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-12 * expected.abs(),
        "{what}: {found} for {expected}"
    );
}

/// Three states (T, V, p) whose pV/T is 2 ± 1, 3 ± 1 and 4 ± 1/2, U = 3, 5, 12 with errors as
/// large times `energy`.
fn three(ratio: f64, energy: f64) -> Vec<StatePoint> {
    [
        ((1.0, 1.0, 2.0), (3.0, 1.0)),
        ((2.0, 2.0, 3.0), (5.0, 1.0)),
        ((4.0, 2.0, 8.0), (12.0, 0.5)),
    ]
    .into_iter()
    .map(|((t, v, p), (u, error))| {
        let state = StatePoint::new(with_error(p, ratio), exact(v), exact(t));
        state.energy(with_error(u, energy * error))
    })
    .collect()
}

fn fit(states: &[StatePoint]) -> EquationOfState {
    EquationOfState::fit(states)
        .unwrap()
        .ready()
        .unwrap()
        .clone()
}

/// Weights 1, 1, 4: R = 21/6, χ² = 7/2. Energies: mean T = 19/6, spread 53/36, covariance 166/36,
/// mean square residual 6/53.
#[test]
fn weighted_least_squares() {
    let law = fit(&three(1.0, 1.0));
    assert_close("R", law.gas_constant.value, 3.5);
    assert_close(
        "its error",
        law.gas_constant.std_error,
        (1.75_f64 / 6.0).sqrt(),
    );
    assert_eq!(law.gas_constant.n_eff, 3.0);
    assert_close("misfit", *law.misfit.ready().unwrap(), 1.75_f64.sqrt());
    let heat = *law.heat_capacity.ready().unwrap();
    assert_close("C", heat.value, 166.0 / 53.0);
    // χ² = 6·6/53 on one degree of freedom does not widen the error, nor 100 times less of it.
    assert_close("its error", heat.std_error, (6.0_f64 / 53.0).sqrt());
    assert_eq!(heat.n_eff, 3.0);
    assert_eq!(
        law.entropy_constant,
        Reading::Undefined(Reason::Missing("an entropy"))
    );
    let law = fit(&three(10.0, 0.1));
    assert_close("R", law.gas_constant.value, 3.5);
    assert_close(
        "its error",
        law.gas_constant.std_error,
        10.0 / 6.0_f64.sqrt(),
    );
    assert_close(
        "misfit",
        *law.misfit.ready().unwrap(),
        0.1 * 1.75_f64.sqrt(),
    );
    let heat = *law.heat_capacity.ready().unwrap();
    assert_close("C", heat.value, 166.0 / 53.0);
    assert_close("widened", heat.std_error, 216_f64.sqrt() / 53.0);
}

/// R = 3 ± √(1/3); energies: mean T = 7/3, spread 14/9, covariance 43/9, residual 3/14.
#[test]
fn least_squares_without_errors() {
    let law = fit(&three(0.0, 0.0));
    assert_close("R", law.gas_constant.value, 3.0);
    assert_close(
        "its error",
        law.gas_constant.std_error,
        (1.0_f64 / 3.0).sqrt(),
    );
    assert!(matches!(law.misfit, Reading::Undefined(Reason::Missing(_))));
    let heat = *law.heat_capacity.ready().unwrap();
    assert_close("C", heat.value, 43.0 / 14.0);
    assert_close("its error", heat.std_error, 9.0 / 588_f64.sqrt());
    // One exact state among others: all weigh the same.
    let mut states = three(1.0, 1.0);
    states[0] = StatePoint::new(exact(2.0), exact(1.0), exact(1.0)).energy(exact(3.0));
    let mixed = fit(&states);
    assert_close("R", mixed.gas_constant.value, 3.0);
    assert_close("C", mixed.heat_capacity.ready().unwrap().value, 43.0 / 14.0);
}

#[test]
fn what_few_states_tell() {
    let state = StatePoint::new(
        with_error(1.0, 0.1),
        with_error(1.0, 0.2),
        with_error(1.0, 0.2),
    );
    let one = fit(&[state]);
    // Relative errors add in squares.
    assert_close("R", one.gas_constant.value, 1.0);
    assert_close("its error", one.gas_constant.std_error, 0.3);
    assert_eq!(one.misfit, Reading::Pending { seen: 1, needed: 2 });
    assert!(matches!(
        one.heat_capacity,
        Reading::Undefined(Reason::Missing(_))
    ));
    let one = fit(&[StatePoint::new(exact(6.0), exact(1.0), exact(2.0))]);
    assert_eq!(
        (one.gas_constant.value, one.gas_constant.std_error),
        (3.0, 0.0)
    );
    let one = fit(&three(1.0, 1.0)[..1]);
    assert_eq!(one.heat_capacity, Reading::Pending { seen: 1, needed: 2 });
    assert_eq!(
        one.entropy_constant,
        Reading::Pending { seen: 1, needed: 2 }
    );
    assert_eq!(
        EquationOfState::fit(&[]).unwrap(),
        Reading::Pending { seen: 0, needed: 1 }
    );
    let vanishing = StatePoint::new(exact(1.0), exact(1e-70), exact(1.0));
    assert!(matches!(
        EquationOfState::fit(&[vanishing]).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
}

#[test]
fn slopes_of_energy() {
    let law = |points: &[(f64, f64)]| {
        let state = |&(t, u)| StatePoint::new(exact(t), exact(1.0), exact(t)).energy(exact(u));
        fit(&points.iter().map(state).collect::<Vec<_>>()).heat_capacity
    };
    // Mean square residual 9/20 on two degrees of freedom, spread 5/4.
    let four = law(&[(1.0, 0.0), (2.0, 1.0), (3.0, 1.0), (4.0, 4.0)]);
    let four = four.ready().unwrap();
    assert_close("C", four.value, 1.2);
    assert_close("its error", four.std_error, 0.18_f64.sqrt());
    // Temperatures apart by their own size, however small, and equal ones.
    let cold = law(&[(1e-20, 0.0), (2e-20, 3e-20)]);
    assert_close("C", cold.ready().unwrap().value, 3.0);
    for equal in [[(1.0, 0.0), (1.0, 1.0)], [(1e9, 0.0), (1e9 + 1.0, 1.0)]] {
        assert!(matches!(
            law(&equal),
            Reading::Undefined(Reason::Degenerate(_))
        ));
    }
}

/// R = 2, C_V = 3, S = 1 + 3 ln T + 2 ln V.
fn ideal() -> EquationOfState {
    let state = |p, v, t: f64| StatePoint::new(exact(p), exact(v), exact(t)).energy(exact(3.0 * t));
    let entropy = |t: f64, v: f64| exact(1.0 + 3.0 * t.ln() + 2.0 * v.ln());
    fit(&[
        state(2.0, 1.0, 1.0).entropy(entropy(1.0, 1.0)),
        state(1.0, 4.0, 2.0).entropy(entropy(2.0, 4.0)),
        state(2.0, 4.0, 4.0),
    ])
}

#[test]
fn curves_of_an_ideal_gas() {
    let law = ideal();
    assert_close("S0", *law.entropy_constant.ready().unwrap(), 1.0);
    let isotherm = law.isotherm(3.0, (0.5, 2.0), 3).unwrap();
    let isochore = law.isochore(4.0, (1.0, 4.0), 3).unwrap();
    let isobar = law.isobar(0.5, (1.0, 4.0), 3).unwrap();
    let (isochore, isobar) = (isochore.ready().unwrap(), isobar.ready().unwrap());
    assert_eq!([isotherm.len(), isochore.len(), isobar.len()], [3; 3]);
    for (i, x) in [1.0, 2.0, 4.0_f64].into_iter().enumerate() {
        assert_close("V", isotherm[i].0, 0.5 * x);
        assert_close("p", isotherm[i].1, 12.0 / x);
        assert_close("T", isochore[i].1, x);
        assert_close("S", isochore[i].0, 1.0 + 3.0 * x.ln() + 2.0 * 4.0_f64.ln());
        // V = RT/p = 4T
        assert_close("T", isobar[i].1, x);
        assert_close("S", isobar[i].0, 1.0 + 3.0 * x.ln() + 2.0 * (4.0 * x).ln());
    }
    for refused in [
        law.isotherm(1e-71, (1.0, 4.0), 3),
        law.isotherm(1.0, (1.0, 1e71), 3),
        law.isotherm(1.0, (1.0, 4.0), 1),
        law.adiabat((1.0, f64::NAN), 2.0, 3),
    ] {
        assert!(
            matches!(refused, Err(Error::OutOfRange { .. })),
            "{refused:?}"
        );
    }
    let mut unknown = law;
    unknown.entropy_constant = Reading::Undefined(Reason::Missing("an entropy"));
    assert!(matches!(
        unknown.isochore(1.0, (1.0, 2.0), 2),
        Ok(Reading::Undefined(Reason::Missing(_)))
    ));
}

/// Where C_V is not positive beyond twice its error, an adiabat is an isochore.
#[test]
fn adiabats_with_and_without_heat_capacity() {
    let mut law = ideal();
    let vertical = [(2.0, 2.0), (2.0, 1.0), (2.0, 0.5)];
    for (value, error, stiff) in [
        (3.0, 0.0, false),
        (3.0, 1.4, false),
        (3.0, 1.5, true),
        (3.0, 2.0, true),
        (0.0, 0.0, true),
        (-3.0, 0.0, true),
        (-3.0, 2.0, true),
    ] {
        law.heat_capacity = Reading::Ready(with_error(value, error));
        let points = law.adiabat((2.0, 2.0), 8.0, 3).unwrap();
        for (i, (v, p)) in points.into_iter().enumerate() {
            let volume = [2.0, 4.0, 8.0][i];
            let expected = if stiff {
                vertical[i]
            } else {
                (volume, 2.0 * f64::powf(2.0 / volume, 5.0 / 3.0))
            };
            assert_close("V", v, expected.0);
            assert_close("p", p, expected.1);
        }
    }
}

/// A rectangle of (V, p, U): work 2, heat of its upper side 3 + 4.
fn rectangle() -> Vec<StatePoint> {
    [
        (1.0, 2.0, 1.0),
        (3.0, 2.0, 4.0),
        (3.0, 1.0, 2.0),
        (1.0, 1.0, 0.0),
    ]
    .into_iter()
    .map(|(v, p, u)| {
        let state = StatePoint::new(exact(p), exact(v), exact(1.0)).energy(exact(u));
        state.basis(Basis::Stationary)
    })
    .collect()
}

#[test]
fn efficiency_of_a_rectangle() {
    let mut states = rectangle();
    assert_eq!(Path::new(states.clone()).unwrap().states(), states);
    // Slopes of W/Q over p_A 5/49, V_B −1/98, U_B −2/49, U_A 2/49.
    states[0].pressure.std_error = 0.1;
    states[0].energy = Some(with_error(1.0, 0.25));
    states[1].volume.std_error = 0.2;
    states[1].energy = Some(with_error(4.0, 0.5));
    (states[0].pressure.n_eff, states[1].volume.n_eff) = (20.0, 30.0);
    let path = Path::new(states.clone()).unwrap();
    let found = path.efficiency(0..=1).unwrap();
    let found = found.ready().unwrap();
    assert_close("W/Q", found.value.value, 2.0 / 7.0);
    assert_close("its error", found.value.std_error, 1.51_f64.sqrt() / 49.0);
    // The fewest among those that have an error.
    assert_eq!(found.value.n_eff, 10.0);
    assert_eq!(found.basis, Basis::Stationary);
    let heat = path.heat_by_first_law(0..=1).unwrap();
    assert_close("Q", heat.ready().unwrap().value.value, 7.0);
    // The lower side gives heat off.
    assert!(matches!(
        path.efficiency(2..=3),
        Ok(Reading::Undefined(Reason::Meaningless(_)))
    ));
    let nothing = path.expansion_work(1..=1).unwrap();
    assert_eq!(nothing.ready().unwrap().value.value, 0.0);
    // From a state to itself its energy cancels, and so does its error.
    let nothing = path.heat_by_first_law(1..=1).unwrap();
    let nothing = nothing.ready().unwrap().value;
    assert_eq!((nothing.value, nothing.std_error), (0.0, 0.0));
    #[expect(clippy::reversed_empty_ranges, reason = "what is to be refused")]
    let backwards = 2..=1;
    assert!(matches!(
        path.expansion_work(backwards),
        Err(Error::OutOfRange { .. })
    ));
    states[2].basis = Basis::Unknown;
    let work = Path::new(states).unwrap().work();
    assert_eq!(work.ready().unwrap().basis, Basis::Unknown);
}

#[test]
fn ratios_out_of_range() {
    let state = |v, p, u| StatePoint::new(exact(p), exact(v), exact(1.0)).energy(exact(u));
    let states = vec![
        state(1.0, 1e70, 0.0),
        state(1.0, 1e70, 1e-200),
        state(1e70, 1e70, 0.0),
    ];
    let mut down = states.clone();
    down.push(state(1e70, 1.0, 0.0));
    assert!(matches!(
        Path::new(down).unwrap().efficiency(0..=1),
        Ok(Reading::Undefined(Reason::Degenerate(_)))
    ));
}

#[test]
fn verdicts_as_a_basis() {
    let evidence = Vec::new;
    for (verdict, basis) in [
        (
            Verdict::Equilibrium {
                n_eff: 50.0,
                evidence: evidence(),
            },
            Basis::Stationary,
        ),
        (
            Verdict::OutOfEquilibrium {
                observable: "radius".to_owned(),
                direction: Direction::Rising,
                rate: exact(1.0),
                sigmas: 9.0,
                evidence: evidence(),
            },
            Basis::Transient,
        ),
        (
            Verdict::InsufficientData {
                more_steps: 5,
                observable: "radius".to_owned(),
                evidence: evidence(),
            },
            Basis::Unknown,
        ),
    ] {
        assert_eq!(Basis::from(&verdict), basis);
    }
}

#[test]
fn books_in_a_bath() {
    let mut ledger = Ledger::new();
    ledger.set_bath(BathState::new(0.25, -0.5).unwrap());
    ledger.observe(&Step::new(2.0)).unwrap();
    for _ in 0..96 {
        // Each step gives 3/4 to the bath and each batch brings it back.
        ledger
            .observe(&Step::new(2.0).previous_batch_loss(1.25))
            .unwrap();
    }
    let mut balance = ledger.balance();
    // 96·(3/4)/(1/4) nats, of which 96·(1/4)/(1/4) are not explained.
    assert_close("S", balance.entropy_to_bath.ready().unwrap().value, 288.0);
    assert_close(
        "excess",
        balance.excess_entropy_to_bath.ready().unwrap().value,
        96.0,
    );
    assert_eq!(balance.residual(), 0.0);
    balance.energy_change += 1.5;
    assert_eq!(balance.residual(), 1.5);

    let mut e = Ensemble::default();
    e.add(Moment::Heat, -3.0);
    e.add(Moment::NoiseHeat, 1.0);
    // Housekeeping is −2(1−μ)·1.
    assert_eq!(
        excess_heat(&e, Optimizer::SGD.with_momentum(0.5)),
        Some(-2.0)
    );
}

/// The state of an observed group: an exact pressure where the decay never changed, and midpoints
/// where there is no second gradient.
#[test]
fn states_are_read_off_an_observer() {
    let read = |second: bool, change: f64| {
        let mut groups = Groups::new();
        let group = groups.add("all", Symmetry::Generic);
        let window = Window::Tumbling(NonZeroU64::new(400).unwrap());
        let config = Config::every_step().window(window);
        let mut observer = Observer::with_config(groups, config).unwrap();
        let mut random = Random::new(1);
        let mut w = [1.0_f64, -1.0];
        for i in 0..300 {
            let mut draw = || [w[0] + random.normal(), w[1] + random.normal()];
            let (g, h) = (draw(), draw());
            let decay = 0.5 + change * f64::from(i % 3);
            let step = Step::new(1.0 + 0.1 * g[0])
                .learning_rate(0.1)
                .weight_decay(decay);
            let piece = slices(group, &w, &g);
            if second {
                observer.observe(&step, &piece.second_gradient(&h)).unwrap();
            } else {
                observer.observe(&step, &piece).unwrap();
            }
            for (w, g) in w.iter_mut().zip(g) {
                *w -= 0.1 * (g + decay * *w);
            }
        }
        let verdict = observer.verdict(&VerdictConfig::default()).unwrap();
        let state = StatePoint::read(&observer, group, &verdict).unwrap();
        let metric = |name| *observer.read(group, name).unwrap().ready().unwrap();
        let midpoint = metric("temperature_midpoint");
        let expected = if second {
            metric("temperature_noise")
        } else {
            midpoint
        };
        let state = *state.ready().unwrap();
        assert_eq!(state.temperature, expected);
        assert_eq!(state.volume, metric("volume"));
        assert_ne!(state.volume, state.temperature);
        assert!(state.energy.is_some());
        (state, metric("pressure"))
    };
    let exact = Estimate {
        value: 0.5,
        std_error: 0.0,
        n_eff: 300.0,
    };
    assert_eq!(read(true, 0.0).0.pressure, exact);
    assert_eq!(read(false, 0.0).0.pressure, exact);
    let (state, pressure) = read(true, 0.25);
    assert_eq!(state.pressure, pressure);
    assert_close("p", pressure.value, 0.75);
    assert!(pressure.std_error > 0.0);
}

/// No decay, no pressure: nothing else takes its place.
#[test]
fn states_without_a_decay_are_undefined() {
    let mut groups = Groups::new();
    let group = groups.add("all", Symmetry::Generic);
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    let mut random = Random::new(1);
    for _ in 0..300 {
        let mut draw = || [random.normal(), random.normal()];
        let (w, g) = (draw(), draw());
        let step = Step::new(1.0).learning_rate(0.1);
        observer.observe(&step, &slices(group, &w, &g)).unwrap();
    }
    let verdict = observer.verdict(&VerdictConfig::default()).unwrap();
    assert_eq!(
        StatePoint::read(&observer, group, &verdict).unwrap(),
        Reading::Undefined(Reason::Missing("the weight decay"))
    );
}

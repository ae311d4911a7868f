//! Heat engines: ledgers, diagrams, the fitted equation of state.

use thermograd::Estimate;
use thermograd::engine::{
    Basis, BathState, EquationOfState, Ledger, Path, StatePoint, diagram::carnot_efficiency,
    excess_heat, housekeeping_heat,
};

use crate::check::{answer, made, sound};
use crate::observer::{facts, optimizer};
use crate::source::Source;

/// Books of any run; an error leaves them as they were.
pub(crate) fn ledgers(source: &mut Source) {
    let mut ledger = Ledger::new();
    let kinds: Vec<_> = (0..=source.below(3))
        .map(|_| (facts(source), source.positive()))
        .collect();
    let steps = if source.chance(4) {
        200
    } else {
        source.below(8)
    };
    for i in 0..steps {
        let (step, norm) = &kinds[if i % 5 == 0 {
            source.below(kinds.len())
        } else {
            i % kinds.len()
        }];
        let before = (i < 5).then(|| format!("{ledger:?}"));
        let booked = if source.chance(2) {
            ledger.observe(step)
        } else {
            ledger.observe_decayed(step, *norm)
        };
        match answer(booked) {
            None => {
                if let Some(before) = before {
                    assert_eq!(before, format!("{ledger:?}"));
                }
            }
            Some(Some(exchange)) => sound(&exchange.work()),
            Some(None) => {}
        }
        if source.chance(16)
            && let Some(bath) = made(BathState::new(source.number(), source.number()))
        {
            ledger.set_bath(bath);
        }
    }
    let balance = ledger.balance();
    sound(&balance);
    sound(&(balance.work(), balance.residual()));
    let mut ensemble = thermograd::Ensemble::default();
    let (step, before) = (facts(source), facts(source));
    ensemble.push(
        &step,
        Some(&before),
        &crate::observer::sums(source),
        thermograd::Symmetry::Generic,
    );
    let rule = optimizer(source);
    sound(&housekeeping_heat(&ensemble, rule));
    sound(&excess_heat(&ensemble, rule));
}

pub(crate) fn diagrams(source: &mut Source) {
    let positive = |source: &mut Source| {
        let estimate = source.estimate();
        if source.chance(16) {
            estimate
        } else {
            Estimate {
                value: estimate.value.abs(),
                ..estimate
            }
        }
    };
    let states: Vec<StatePoint> = (0..source.below(12))
        .map(|_| {
            let mut state = StatePoint::new(positive(source), positive(source), positive(source))
                .basis(source.pick(&[Basis::Stationary, Basis::Unknown, Basis::Transient]));
            if !source.chance(3) {
                state = state.entropy(source.estimate());
            }
            if !source.chance(3) {
                state = state.energy(source.estimate());
            }
            state
        })
        .collect();
    if let Some(found) = answer(EquationOfState::fit(&states))
        && let Some(law) = found.ready()
    {
        let count = source.count(9);
        let ends = (source.positive(), source.positive());
        answer(law.isotherm(source.number(), ends, count));
        answer(law.adiabat(ends, source.number(), count));
        answer(law.isochore(source.number(), ends, count));
        answer(law.isobar(source.number(), ends, count));
    }
    if let [cold, hot, ..] = states.as_slice() {
        answer(carnot_efficiency(&cold.temperature, &hot.temperature));
    }
    if let Some(path) = made(Path::new(states)) {
        sound(path.states());
        sound(&path.pressure_volume().collect::<Vec<_>>());
        sound(&path.temperature_entropy().collect::<Vec<_>>());
        sound(&path.work());
        sound(&path.heat());
        let part = || source.count(12);
        let mut part = part;
        let range = part()..=part();
        answer(path.expansion_work(range.clone()));
        answer(path.heat_by_entropy(range.clone()));
        answer(path.heat_by_first_law(range.clone()));
        answer(path.efficiency(range));
    }
}

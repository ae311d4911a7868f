//! Cooling: records, caloric curves, fluctuations and controllers.

use thermograd::Estimate;
use thermograd::cooling::{
    BatchGrowth, Bounds, CaloricCurve, ConstantSpeed, Controller, CoolingPoint, CoolingRecord,
    EquilibriumTriggered, HyperParameters, Mode, Schedule, Signals, State, decay_advice,
    energy_fluctuations,
};

use crate::check::{answer, made, sound};
use crate::observer::facts;
use crate::source::Source;

fn positive(source: &mut Source) -> Estimate {
    let estimate = source.estimate();
    Estimate {
        value: estimate.value.abs(),
        ..estimate
    }
}

/// A record of any cooling, and all that it tells.
pub(crate) fn records(source: &mut Source) {
    let mut time = 0.0;
    let points: Vec<CoolingPoint> = (0..source.below(14))
        .map(|_| {
            time = if source.chance(8) {
                source.number()
            } else {
                time + source.positive()
            };
            let mut point = CoolingPoint::new(time, positive(source));
            if source.chance(2) {
                point = point.energy(source.estimate());
            }
            if source.chance(2) {
                point = point.heat_capacity(positive(source));
            }
            if source.chance(2) {
                point = point.relaxation_time(positive(source));
            }
            point
        })
        .collect();
    let curve = if source.chance(2) {
        made(CaloricCurve::linear(source.number(), source.number()))
    } else {
        let mut table: Vec<(f64, f64)> = (0..source.below(9))
            .map(|_| (source.positive(), source.number()))
            .collect();
        if source.chance(2) {
            table.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut energies: Vec<f64> = table.iter().map(|(_, u)| *u).collect();
            energies.sort_by(f64::total_cmp);
            for (point, energy) in table.iter_mut().zip(energies) {
                point.1 = energy;
            }
        }
        made(CaloricCurve::table(&table))
    };
    if let Some(curve) = &curve {
        let (t, u) = (source.number(), source.positive());
        sound(&curve.energy(t));
        sound(&curve.fictive_temperature(t));
        sound(&curve.entropy_change(t, u));
        sound(&curve.entropy_change(1.0, 2.0));
    }
    if let Some(record) = made(CoolingRecord::new(points)) {
        sound(record.points());
        sound(&record.duration());
        sound(&record.thermodynamic_length());
        sound(&record.relaxation_length());
        sound(&record.dissipation_bound());
        sound(&record.thermodynamic_speed());
        sound(&record.deborah());
        sound(&record.tool_temperatures());
        if let Some(curve) = &curve {
            sound(&record.fictive_temperatures(curve));
            sound(&record.entropy_production(curve));
        }
        sound(&record.assess(curve.as_ref()));
    }
    let len = source.len(200);
    let (losses, other) = (source.numbers(len), source.numbers(len));
    answer(energy_fluctuations(&losses, &other, source.positive()));
    answer(decay_advice(&facts(source), source.long_count(10_000)));
}

/// Controllers under any signals: what is in force stays within its bounds.
pub(crate) fn controllers(source: &mut Source) {
    let (low, high) = (source.positive(), source.positive());
    let bounds = made(Bounds::new(low.min(high), low.max(high)));
    let Some(mut bounds) = bounds else { return };
    if source.chance(2) {
        let Some(wider) = made(bounds.batch_sizes(source.count(10), source.count(1000))) else {
            return;
        };
        bounds = wider;
    }
    let schedule: Option<Box<dyn Schedule>> = match source.below(3) {
        0 => made(ConstantSpeed::new(source.long_count(500))).and_then(|schedule| {
            let schedule = if source.chance(2) {
                schedule.from_equilibrium()
            } else {
                schedule
            };
            sound(&schedule.exponent());
            let ended = if source.chance(2) {
                made(schedule.end(source.share()))
            } else {
                Some(schedule)
            };
            ended.map(|schedule| Box::new(schedule) as Box<dyn Schedule>)
        }),
        1 => made(EquilibriumTriggered::default().factor(source.share())).map(|schedule| {
            Box::new(schedule.horizon(source.long_count(500))) as Box<dyn Schedule>
        }),
        _ => made(BatchGrowth::new(source.count(5000))).map(|schedule| {
            Box::new(schedule.horizon(source.long_count(500))) as Box<dyn Schedule>
        }),
    };
    let Some(schedule) = schedule else { return };
    let learning_rate = if source.chance(2) {
        low
    } else {
        source.positive()
    };
    let start = HyperParameters::new(learning_rate, source.count(500));
    let Some(controller) = made(Controller::new(schedule, bounds, start)) else {
        return;
    };
    let mut controller = controller.mode(source.pick(&[Mode::Act, Mode::DryRun]));
    let mut step = 0;
    for _ in 0..source.below(30) {
        step = if source.chance(16) {
            source.bits()
        } else {
            u64::saturating_add(step, source.below(60) as u64)
        };
        let mut signals = Signals::new(step);
        signals.state = source.pick(&[
            State::Stationary,
            State::Drifting,
            State::Unknown,
            State::Overheating,
            State::Stationary,
        ]);
        signals.relaxation_time = source.maybe(Source::number);
        signals.heat_capacity = source.maybe(Source::number);
        if source.chance(16)
            && let Some(judged) = made(signals.loss(&source.series(120)))
        {
            signals = judged;
        }
        sound(&controller.step(&signals));
        sound(&controller.current());
        if source.chance(16) {
            let current = HyperParameters::new(source.positive(), source.count(500));
            answer(controller.set_current(current));
        }
    }
}

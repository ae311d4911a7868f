//! Sums, ensembles and the formulas that read them, each called directly.

use std::num::NonZeroUsize;

use thermograd::{CATALOGUE, Ensemble, Instructions, Moment, Sums};
use thermograd::{energy, motion, noise, pressure, temperature};

use crate::check::{answer, made, number, sound};
use crate::observer::{Streams, facts, symmetry};
use crate::source::Source;

/// The pass over one piece: the same bits for any number of threads and any instructions.
pub(crate) fn sums(source: &mut Source) {
    let len = if source.chance(64) {
        source.below(5000)
    } else {
        source.len(1100)
    };
    let kind = source.below(5);
    let streams = Streams::draw(source, len, kind);
    let piece = streams.piece();
    let whole = answer(Sums::reduce(&piece, NonZeroUsize::MIN));
    for instructions in Instructions::available() {
        let again = Sums::reduce_with(&piece, NonZeroUsize::MIN, instructions).ok();
        assert_eq!(whole, again, "{instructions:?}");
    }
    if let Some(sums) = whole {
        answer(sums.check("all"));
        assert_eq!(Sums::from_array(sums.to_array()), sums);
    }
    if source.chance(8) {
        let threads = NonZeroUsize::MIN.saturating_add(source.count(3));
        assert_eq!(Sums::reduce(&piece, threads).ok(), whole);
    }
    let outside = crate::observer::sums(source);
    answer(outside.check("outside"));
}

/// Formulas of ensembles from steps and of ensembles from anywhere.
pub(crate) fn ensemble(source: &mut Source) {
    let mut ensemble = if source.chance(2) {
        let mut flat = Ensemble::default().to_array();
        let any = source.numbers(flat.len());
        let given = source.bits();
        let count = flat.len() / 2;
        for i in 0..count {
            if given >> (i % 64) & 1 == 1 || source.chance(2) {
                flat[i] = any[i].abs().round();
                flat[count + i] = any[count + i];
            }
        }
        Ensemble::from_array(&flat)
    } else {
        Ensemble::default()
    };
    for _ in 0..source.below(4) {
        let (step, before) = (facts(source), source.maybe(facts));
        let sums = crate::observer::sums(source);
        ensemble.push(&step, before.as_ref(), &sums, symmetry(source));
        if source.chance(4) {
            let other = ensemble;
            ensemble.merge(&other);
        }
    }
    for _ in 0..source.below(3) {
        ensemble.add(source.pick(&Moment::ALL), source.number());
    }
    for moment in Moment::ALL {
        sound(&ensemble.mean(moment));
    }
    for metric in CATALOGUE {
        sound(&metric.value(&ensemble));
    }
    for formula in [
        energy::internal,
        energy::decay_potential,
        energy::kinetic,
        energy::heat,
        energy::enthalpy,
        energy::entropy,
        energy::helmholtz,
        energy::gibbs,
        energy::heat_capacity,
        motion::alignment,
        noise::scale,
        noise::critical_batch_size,
        pressure::pressure,
        pressure::volume,
        pressure::radius,
        pressure::mechanical,
        pressure::mechanical_published,
        pressure::mechanical_exact,
        pressure::z,
        pressure::z_virial,
        pressure::z_d,
        pressure::real_gas_balance,
        pressure::virial_ratio,
        pressure::radius_gas,
        pressure::radius_balance,
        pressure::relaxation_steps,
        pressure::rotation,
        pressure::norm_balance,
        pressure::z_update,
        pressure::z_update_virial,
        pressure::rate_spread,
        pressure::decay_spread,
        temperature::noise,
        temperature::midpoint,
        temperature::kinetic,
        temperature::virial,
        temperature::calorimetric,
        temperature::lag_sum,
        temperature::lag_difference,
        temperature::edge_ratio,
        temperature::signal_to_noise,
    ] {
        if let Some(value) = formula(&ensemble) {
            number(value);
        }
    }
    let step = facts(source);
    answer(step.check());
    sound(&pressure::gas_rotation(&step));
    sound(&pressure::gas_z(&step));
    // What never settles takes for ever.
    number(pressure::Settling::forecast(source.number(), source.number()).remaining_steps);
    let bath = match source.below(3) {
        0 => made(pressure::Bath::new(source.count(1000), source.number())),
        _ => pressure::Bath::measured(&ensemble),
    };
    if let Some(bath) = bath {
        let radius = source.maybe(Source::number);
        answer(bath.forecast(&step, radius));
        if let Some(scaled) = made(bath.scale_batch(source.number())) {
            answer(scaled.forecast(&step, None));
        }
    }
}

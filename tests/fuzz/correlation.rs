//! Correlation, partial and bootstrapped, and the study that is made of it.

use thermograd::correlation::{
    Bootstrap, Coefficient, bootstrap, correlation, partial_correlation,
};
use thermograd::flatness::{Measure, StudyConfig, generalisation_study};

use crate::check::{answer, prints, sound};
use crate::source::Source;

pub(crate) fn correlations(source: &mut Source) {
    let len = source.len(40);
    let series = |source: &mut Source| {
        if source.chance(32) {
            source.series(40)
        } else {
            source.numbers(len)
        }
    };
    let (x, y) = (series(source), series(source));
    let held: Vec<Vec<f64>> = (0..source.below(3)).map(|_| series(source)).collect();
    let held: Vec<&[f64]> = held.iter().map(Vec::as_slice).collect();
    let which = source.pick(&[
        Coefficient::Kendall,
        Coefficient::Spearman,
        Coefficient::Pearson,
        Coefficient::NormalScores,
    ]);
    answer(correlation(&x, &y, which));
    answer(partial_correlation(&x, &y, &held, which));
    let mut config = Bootstrap::default()
        .resamples(source.below(60))
        .seed(source.bits());
    if source.chance(4) {
        config = config.level(source.share());
    }
    if source.chance(4) {
        let clusters: Vec<usize> = (0..len).map(|_| source.below(4)).collect();
        config = config.clusters(&clusters);
    }
    if let Some(found) = answer(bootstrap(&x, &y, &held, which, &config)) {
        sound(
            &found
                .ready()
                .map(thermograd::correlation::Interval::excludes_zero),
        );
    }
    let measures: Vec<Measure> = (0..source.below(3))
        .map(|i| match i {
            0 => Measure::known("a", &y),
            _ => Measure::new("b", y.iter().map(|&y| source.chance(2).then_some(y))),
        })
        .collect();
    if let Some(study) = answer(generalisation_study(
        &x,
        &held,
        &measures,
        &StudyConfig::default().bootstrap(config),
    )) {
        prints(&study);
    }
}

//! A short run that every route into the crate is given: slices, ndarray, nalgebra, candle, burn.

use thermograd::{
    Config, Groups, Observer, Snapshot, Step, Sums, Symmetry, slices, systems::Random,
};

pub(crate) const ROWS: usize = 37;
pub(crate) const COLUMNS: usize = 53;
pub(crate) const STEPS: usize = 20;

/// One step's tensors, row by row.
#[derive(Clone)]
pub(crate) struct Tensors {
    pub(crate) w: Vec<f32>,
    pub(crate) g: Vec<f32>,
    pub(crate) g2: Vec<f32>,
}

/// A short run of a plausible layer: gradients lean against the weights, so that no inner product
/// is a small difference of large numbers.
pub(crate) fn run() -> Vec<Tensors> {
    let mut random = Random::new(7);
    #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
    let mut normal = |scale: f64| (scale * random.normal()) as f32;
    let mut w: Vec<f32> = (0..ROWS * COLUMNS).map(|_| normal(0.1)).collect();
    (0..STEPS)
        .map(|_| {
            let mut gradient = || w.iter().map(|&w| 0.3 * w + normal(0.05)).collect();
            let (g, g2): (Vec<f32>, Vec<f32>) = (gradient(), gradient());
            let now = Tensors {
                w: w.clone(),
                g: g.clone(),
                g2,
            };
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= 0.1 * g;
            }
            now
        })
        .collect()
}

/// The sums of the last step of a run that is observed in one way.
pub(crate) fn observed<S: Snapshot>(snapshots: impl IntoIterator<Item = S>) -> Sums {
    let mut groups = Groups::new();
    let layer = groups.add("layer", Symmetry::Generic);
    let config = Config::every_step();
    let mut observer = Observer::with_config(groups, config).unwrap();
    let step = Step::new(0.5).learning_rate(0.1).weight_decay(1e-3);
    for snapshot in snapshots {
        observer.observe(&step, &snapshot).unwrap();
    }
    observer.sums(layer).unwrap().unwrap()
}

pub(crate) fn group() -> thermograd::GroupId {
    Groups::new().add("layer", Symmetry::Generic)
}

pub(crate) fn reference(run: &[Tensors]) -> Sums {
    observed(
        run.iter()
            .map(|at| slices(group(), &at.w, &at.g).second_gradient(&at.g2)),
    )
}

/// Largest relative difference over all sums, and its name.
pub(crate) fn apart(sums: &Sums, reference: &Sums) -> (f64, &'static str) {
    let mut worst = (0.0, "");
    for ((a, b), name) in sums
        .to_array()
        .into_iter()
        .zip(reference.to_array())
        .zip(Sums::FIELDS)
    {
        let difference = (a - b).abs() / b.abs().max(f64::MIN_POSITIVE);
        if a != b && difference > worst.0 {
            worst = (difference, name);
        }
    }
    worst
}

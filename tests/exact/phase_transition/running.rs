//! A running loop of one group that is looked at in every step.

use std::num::NonZeroU64;
use thermograd::phase_transition::MonitorConfig;
use thermograd::{Config, GroupId, Groups, Observer, Step, Symmetry, Window, slices};

pub(super) struct Loop {
    pub(super) observer: Observer,
    pub(super) group: GroupId,
}

impl Loop {
    pub(super) fn new(symmetry: Symmetry, window: u64, monitor: MonitorConfig) -> Self {
        let mut groups = Groups::new();
        let group = groups.add("all", symmetry);
        let window = Window::Tumbling(NonZeroU64::new(window).unwrap());
        let config = Config::every_step().window(window).monitor(monitor);
        Self {
            observer: Observer::with_config(groups, config).unwrap(),
            group,
        }
    }

    pub(super) fn observe(&mut self, step: &Step, w: &[f64], g: &[f64]) {
        self.observer
            .observe(step, &slices(self.group, w, g))
            .unwrap();
    }
}

/// Median, the mean of the two in the middle where there are two.
pub(super) fn median(x: &[f64]) -> f64 {
    let mut x = x.to_vec();
    x.sort_by(f64::total_cmp);
    let n = x.len();
    0.5 * x[(n - 1) / 2] + 0.5 * x[n / 2]
}

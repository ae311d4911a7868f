//! What a group must remember of past steps, on a bounded and unbiased part of its coordinates.
//!
//! Kinetic metrics need the weights of one and two steps ago, the lag thermometers the previous
//! gradient, and the virial thermometer a centre. For a group larger than the probe these are
//! followed on whole leaves of 512 coordinates, evenly spaced from a random start, so that every
//! coordinate has the same chance and the sums scale up without bias.
//!
//! A step is first written beside the memory and moves into it by [`History::commit`], so that a
//! step which fails leaves no trace.

use crate::kernel::{self, Instructions, Past, PastSums};
use crate::random::mix;
use crate::sums::{LEAF, Leaf, Sums, inverse_weighted};

/// Observations before the first centre is taken.
const FIRST_CENTRE: u64 = 16;

/// The leaves, of `all` there are, that follow at most `probe` coordinates: ascending, and every
/// leaf with the same chance.
pub(crate) fn draw(all: usize, probe: usize, seed: u64) -> impl Iterator<Item = usize> {
    let wanted = (probe / LEAF).max(1).min(all);
    // Leaf (o + i·all)/wanted for i in 0..wanted: of the `all` values of the random start o,
    // exactly `wanted` take in any given leaf. In u128 against overflow.
    let start = (u128::from(mix(seed)) * all as u128) >> 64;
    (0..wanted).map(move |i| {
        if wanted == all {
            i
        } else {
            ((start + i as u128 * all as u128) / wanted as u128) as usize
        }
    })
}

/// Past values in the precision in which they came.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Store {
    Narrow(Vec<f32>),
    Wide(Vec<f64>),
}

impl Default for Store {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Store {
    /// Whether it holds `len` finite values in that precision.
    #[cfg(feature = "serde")]
    fn holds(&self, wide: bool, len: usize) -> bool {
        match self {
            Self::Narrow(values) => {
                !wide && values.len() == len && values.iter().all(|x| x.is_finite())
            }
            Self::Wide(values) => {
                wide && values.len() == len && values.iter().all(|x| x.is_finite())
            }
        }
    }

    fn new(wide: bool, len: usize) -> Self {
        if wide {
            Self::Wide(vec![0.0; len])
        } else {
            Self::Narrow(vec![0.0; len])
        }
    }

    fn widen(&mut self) {
        if let Self::Narrow(values) = self {
            *self = Self::Wide(values.iter().map(|&x| f64::from(x)).collect());
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a narrow store holds only what came as f32 or less, so the cast is exact"
    )]
    fn write(&mut self, at: usize, values: &[f64]) {
        match self {
            Self::Narrow(store) => {
                for (slot, &value) in store[at..at + values.len()].iter_mut().zip(values) {
                    *slot = value as f32;
                }
            }
            Self::Wide(store) => store[at..at + values.len()].copy_from_slice(values),
        }
    }

    fn read<'a>(&'a self, at: usize, len: usize, scratch: &'a mut [f64; LEAF]) -> &'a [f64] {
        match self {
            Self::Narrow(store) => {
                for (slot, &value) in scratch.iter_mut().zip(&store[at..at + len]) {
                    *slot = f64::from(value);
                }
                &scratch[..len]
            }
            Self::Wide(store) => &store[at..at + len],
        }
    }

    /// Adds all values to a vector of sums.
    fn add_to(&self, total: &mut [f64]) {
        match self {
            Self::Narrow(store) => {
                for (sum, &value) in total.iter_mut().zip(store) {
                    *sum += f64::from(value);
                }
            }
            Self::Wide(store) => {
                for (sum, &value) in total.iter_mut().zip(store) {
                    *sum += value;
                }
            }
        }
    }
}

/// Memory of one group.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not hang together: precision, a step under way, what is held"
)]
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct History {
    /// Followed leaves by absolute number, ascending.
    leaves: Vec<usize>,
    /// Positions of the group.
    #[cfg(feature = "statistics")]
    count: usize,
    wide: bool,
    weights: Store,
    weights_before: Store,
    gradient: Store,
    // What a step writes before it is taken in: nothing to store between steps.
    #[cfg_attr(feature = "serde", serde(skip))]
    next_weights: Store,
    #[cfg_attr(feature = "serde", serde(skip))]
    next_gradient: Store,
    /// A step has written beside the memory and was not taken in yet.
    #[cfg_attr(feature = "serde", serde(skip))]
    visited: bool,
    /// Consecutive past steps held: 0, 1 or 2.
    depth: u8,
    /// The last step held came with a gradient.
    has_gradient: bool,
    centre: Vec<f64>,
    total: Vec<f64>,
    /// Snapshots in `total`, and the number at which the centre is next taken from it.
    samples: u64,
    next_centre: u64,
    has_centre: bool,
    heat: Heat,
}

/// Heat of each followed coordinate, gD(g − g₂) times half the mobility, summed over steps.
/// Empty until a step brings a preconditioner and a second gradient.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Heat {
    #[cfg_attr(feature = "serde", serde(skip))]
    next: Vec<f64>,
    current: Vec<f64>,
    steps: u64,
    /// Of the last complete window.
    complete: Option<(Vec<f64>, u64)>,
}

impl History {
    /// Memory for positions `first .. last`, on at most `probe` of them (in whole leaves).
    pub(crate) fn new(first: usize, last: usize, probe: usize, wide: bool, seed: u64) -> Self {
        let (from, to) = (first / LEAF, last.div_ceil(LEAF));
        let all = to - from;
        let leaves: Vec<usize> = draw(all, probe, seed).map(|leaf| from + leaf).collect();
        let len = leaves.len() * LEAF;
        Self {
            leaves,
            #[cfg(feature = "statistics")]
            count: last - first,
            wide,
            weights: Store::new(wide, len),
            weights_before: Store::new(wide, len),
            gradient: Store::new(wide, len),
            next_weights: Store::new(wide, len),
            next_gradient: Store::new(wide, len),
            visited: false,
            depth: 0,
            has_gradient: false,
            centre: vec![0.0; len],
            total: vec![0.0; len],
            samples: 0,
            next_centre: FIRST_CENTRE,
            has_centre: false,
            heat: Heat::default(),
        }
    }

    /// Checks what was read back from storage, for positions `first .. last` after that many
    /// steps, and makes room for the next step.
    #[cfg(feature = "serde")]
    pub(crate) fn restore(
        &mut self,
        (first, last): (usize, usize),
        steps: u64,
    ) -> Result<(), String> {
        let fault = |what: &str| Err(format!("history, {what}"));
        let inside = |&leaf: &usize| (first / LEAF..last.div_ceil(LEAF)).contains(&leaf);
        if self.leaves.is_empty()
            || !self.leaves.is_sorted_by(|a, b| a < b)
            || !self.leaves.iter().all(inside)
        {
            return fault("positions");
        }
        let len = self.leaves.len() * LEAF;
        let stores = [&self.weights, &self.weights_before, &self.gradient];
        if !stores.into_iter().all(|store| store.holds(self.wide, len)) {
            return fault("past values");
        }
        let full = |x: &[f64]| x.len() == len && x.iter().all(|x| x.is_finite());
        if !full(&self.centre) || !full(&self.total) {
            return fault("centre");
        }
        let counts = self.depth <= 2 && self.samples <= steps && self.samples < self.next_centre;
        let in_range = (FIRST_CENTRE..=2 * FIRST_CENTRE.max(steps)).contains(&self.next_centre);
        if !counts || !in_range {
            return fault("counts");
        }
        let heats = |x: &[f64], n: u64| {
            let absent = x.is_empty() && n == 0;
            let sums = x.len() == len && x.iter().all(|x| x.is_finite());
            (absent || sums) && n <= steps
        };
        let complete = self.heat.complete.as_ref();
        if !heats(&self.heat.current, self.heat.steps)
            || complete.is_some_and(|(sums, n)| !heats(sums, *n))
        {
            return fault("heats");
        }
        self.next_weights = Store::new(self.wide, len);
        self.next_gradient = Store::new(self.wide, len);
        Ok(())
    }

    /// A step begins: what a step that failed has left beside the memory goes. It may have reached
    /// beyond the group, where no later one writes.
    pub(crate) fn begin(&mut self) {
        if self.visited {
            let len = self.leaves.len() * LEAF;
            self.next_weights = Store::new(self.wide, len);
            self.next_gradient = Store::new(self.wide, len);
            self.heat.next.fill(0.0);
            self.visited = false;
        }
    }

    /// Keeps values as f64 from this step on; the past follows when the step is taken in.
    pub(crate) fn widen(&mut self) {
        self.visited = true;
        self.next_weights.widen();
        self.next_gradient.widen();
    }

    /// How many leaves from this one on are not followed.
    pub(crate) fn unfollowed(&self, leaf: usize) -> usize {
        let next = self.leaves.partition_point(|&followed| followed < leaf);
        self.leaves.get(next).map_or(usize::MAX, |next| next - leaf)
    }

    /// Adds the products of this leaf's present with its past, and notes the present.
    pub(crate) fn visit(
        &mut self,
        instructions: Instructions,
        start: usize,
        leaf: &Leaf<'_>,
        sums: &mut Sums,
    ) {
        let &Leaf {
            w,
            g,
            previous,
            g2,
            d,
        } = leaf;
        let Ok(slot) = self.leaves.binary_search(&(start / LEAF)) else {
            return;
        };
        let at = slot * LEAF + start % LEAF;
        let len = w.len();
        let count = len as f64;
        self.visited = true;
        if self.depth >= 1 || self.has_centre {
            let centre = &self.centre[at..at + len];
            let stores = (&self.weights, &self.weights_before, &self.gradient);
            let found = match stores {
                (Store::Narrow(w1), Store::Narrow(w2), Store::Narrow(g1)) => {
                    let past = Past {
                        w1: &w1[at..at + len],
                        w2: &w2[at..at + len],
                        g1: &g1[at..at + len],
                        centre,
                    };
                    kernel::past(instructions, w, g, &past)
                }
                (Store::Wide(w1), Store::Wide(w2), Store::Wide(g1)) => {
                    let past = Past {
                        w1: &w1[at..at + len],
                        w2: &w2[at..at + len],
                        g1: &g1[at..at + len],
                        centre,
                    };
                    kernel::past(instructions, w, g, &past)
                }
                // They are widened together.
                _ => return,
            };
            self.name(&found, count, previous.is_some(), sums);
        }
        if let Some(d) = d {
            self.weigh(at, w, d, sums);
        }
        if let (Some(g2), Some(d)) = (g2, d) {
            // Appears with its first use.
            self.heat.next.resize(self.centre.len(), 0.0);
            let next = &mut self.heat.next[at..at + len];
            for (((to, &d), &a), &b) in next.iter_mut().zip(d).zip(g).zip(g2) {
                *to = d * a * (a - b);
            }
        }
        self.next_weights.write(at, w);
        self.next_gradient.write(at, g);
    }

    /// Puts what a kernel found under its names, as far as that much of the past is known.
    fn name(&self, found: &PastSums, count: f64, given: bool, sums: &mut Sums) {
        if self.depth >= 1 {
            // The caller may have given it for all coordinates.
            if !given {
                sums.step_count = count;
                sums.step_step = found.step_step;
                sums.previous_step = found.previous_step;
                sums.g_step = found.g_step;
            }
            if self.depth >= 2 {
                sums.midpoint_count = count;
                sums.midpoint_midpoint = found.midpoint_midpoint;
                sums.step_step1 = found.step_step1;
            }
            if self.has_gradient {
                sums.lag_count = count;
                sums.g_g1 = found.g_g1;
                sums.lag_sum = found.lag_sum;
                sums.lag_difference = found.lag_difference;
            }
        }
        if self.has_centre {
            sums.centre_count = count;
            sums.centred_g = found.centred_g;
            sums.centred_w = found.centred_w;
        }
    }

    /// The sums with the inverse of a preconditioner.
    fn weigh(&self, at: usize, w: &[f64], d: &[f64], sums: &mut Sums) {
        let len = w.len();
        let mut scratch = [[0.0; LEAF]; 2];
        let [first, second] = &mut scratch;
        let mut apart = [0.0; LEAF];
        let apart = &mut apart[..len];
        if self.depth >= 1 {
            let w1 = self.weights.read(at, len, first);
            for ((to, &w), &w1) in apart.iter_mut().zip(w).zip(w1) {
                *to = w - w1;
            }
            sums.step_step_d = inverse_weighted(apart, apart, d);
            if self.depth >= 2 {
                let w2 = self.weights_before.read(at, len, second);
                for ((step, &w1), &w2) in apart.iter_mut().zip(w1).zip(w2) {
                    *step = 0.5 * ((w1 - w2) + *step);
                }
                sums.midpoint_d = inverse_weighted(apart, apart, d);
            }
        }
        if self.has_centre {
            let centre = &self.centre[at..at + len];
            for ((to, &w), &c) in apart.iter_mut().zip(w).zip(centre) {
                *to = w - c;
            }
            sums.centred_w_d = inverse_weighted(apart, w, d);
        }
    }

    /// Whether the weights of the last step are held.
    #[cfg(feature = "statistics")]
    pub(crate) const fn holds(&self) -> bool {
        self.depth > 0
    }

    /// How many positions the group has.
    #[cfg(feature = "statistics")]
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// The last step's weights on as many sums as `out` has room for: every coordinate goes, with
    /// a random sign, to one of them. With room for all, the coordinates themselves.
    #[cfg(feature = "statistics")]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product over 2⁶⁴ is below the number of sums"
    )]
    pub(crate) fn sketch(&self, seed: u64, out: &mut [f64]) {
        // Positions are contiguous, so that no two of few enough meet.
        let whole = out.len() >= self.count;
        let sums = out.len().max(1);
        out.fill(0.0);
        let mut add = |i: usize, w: f64| {
            // Beyond the ends of the group, and often enough within.
            if w == 0.0 {
                return;
            }
            let hash = mix(seed ^ mix(i as u64));
            let (place, sign) = if whole {
                (i % sums, 1.0)
            } else {
                let place = ((u128::from(hash) * sums as u128) >> 64) as usize;
                // The lowest bit has next to no part in the place.
                (place, if hash & 1 == 0 { 1.0 } else { -1.0 })
            };
            if let Some(slot) = out.get_mut(place) {
                *slot += sign * w;
            }
        };
        match &self.weights {
            Store::Narrow(values) => {
                for (i, &w) in values.iter().enumerate() {
                    add(i, f64::from(w));
                }
            }
            Store::Wide(values) => {
                for (i, &w) in values.iter().enumerate() {
                    add(i, w);
                }
            }
        }
    }

    /// Moves the step that was just visited into memory.
    pub(crate) fn commit(&mut self, has_gradient: bool) {
        if matches!(self.next_weights, Store::Wide(_)) && !self.wide {
            // What is held already is exact in both.
            self.wide = true;
            for store in [
                &mut self.weights,
                &mut self.weights_before,
                &mut self.gradient,
            ] {
                store.widen();
            }
        }
        self.visited = false;
        std::mem::swap(&mut self.weights_before, &mut self.weights);
        std::mem::swap(&mut self.weights, &mut self.next_weights);
        std::mem::swap(&mut self.gradient, &mut self.next_gradient);
        self.has_gradient = has_gradient;
        self.depth = (self.depth + 1).min(2);
        self.weights.add_to(&mut self.total);
        self.samples += 1;
        if self.samples >= self.next_centre {
            for (centre, &sum) in self.centre.iter_mut().zip(&self.total) {
                *centre = sum / self.samples as f64;
            }
            self.has_centre = true;
            self.next_centre = self.samples * 2;
        }
    }

    /// Adds the heats of the step that was just visited, `factor` being half the mobility, if
    /// all of the group came with what they need.
    pub(crate) fn add_heat(&mut self, factor: Option<f64>, sums: &Sums) {
        let whole = sums.w_count == sums.d_count && sums.w_count == sums.g2_count;
        let Some(factor) = factor.filter(|_| whole && !self.heat.next.is_empty()) else {
            return;
        };
        self.heat.current.resize(self.heat.next.len(), 0.0);
        for (sum, &heat) in self.heat.current.iter_mut().zip(&self.heat.next) {
            *sum += factor * heat;
        }
        self.heat.steps += 1;
    }

    /// Mean heats of the followed coordinates that lie in `first .. last`, and the number of
    /// steps behind them: of the last complete window, or of the first while it fills.
    pub(crate) fn temperatures(&self, first: usize, last: usize) -> (Vec<f64>, u64) {
        let (heats, steps) = match &self.heat.complete {
            Some((heats, steps)) => (heats, *steps),
            None => (&self.heat.current, self.heat.steps),
        };
        let of_leaf = |(&leaf, heats): (&usize, &[f64])| {
            let start = leaf * LEAF;
            let from = first.saturating_sub(start).min(heats.len());
            let to = last.saturating_sub(start).min(heats.len());
            heats[from..to.max(from)]
                .iter()
                .map(|heat| heat / steps as f64)
                .collect::<Vec<f64>>()
        };
        let leaves = self.leaves.iter().zip(heats.chunks(LEAF));
        (leaves.flat_map(of_leaf).collect(), steps)
    }

    /// Consecutive past steps held, 0 after a gap.
    #[cfg(feature = "statistics")]
    pub(crate) const fn depth(&self) -> u8 {
        self.depth
    }

    /// The weights of the last step, if every coordinate of `first .. last` is followed.
    #[cfg(feature = "statistics")]
    pub(crate) fn whole(&self, first: usize, last: usize) -> Option<crate::View<'_>> {
        let all = last.div_ceil(LEAF) - first / LEAF;
        if self.leaves.len() < all || !first.is_multiple_of(LEAF) || self.depth == 0 {
            return None;
        }
        Some(match &self.weights {
            Store::Narrow(values) => crate::View::F32(&values[..last - first]),
            Store::Wide(values) => crate::View::F64(&values[..last - first]),
        })
    }

    /// Steps were left out: what is held is no longer the previous step.
    pub(crate) fn gap(&mut self) {
        self.depth = 0;
    }

    /// A new window begins: the centre is taken anew.
    pub(crate) fn new_window(&mut self) {
        self.total.fill(0.0);
        self.samples = 0;
        self.next_centre = FIRST_CENTRE;
        self.has_centre = false;
        let heat = &mut self.heat;
        if let Some((heats, steps)) = &mut heat.complete {
            std::mem::swap(heats, &mut heat.current);
            *steps = heat.steps;
            heat.current.fill(0.0);
        } else {
            heat.complete = Some((std::mem::take(&mut heat.current), heat.steps));
        }
        heat.steps = 0;
    }
}

//! Scale invariance found, not guessed: which parameters the loss lets be rescaled, measured.
//!
//! # Definition
//! A loss that does not change under w → c·w has w·g = 0 (Euler's theorem for homogeneous
//! functions of degree 0). What is measured is therefore the cosine between a tensor's weights and
//! its gradient,
//!
//! <!-- math
//! c = \frac{w \cdot g}{|w|\,|g|}, \qquad \rho = \sqrt{\langle n\,c^2\rangle},
//! -->
#![doc = include_str!("math/invariance.html")]
//!
//! over its n elements and over steps. A gradient without any relation to its weights has
//! ⟨c²⟩ = 1/n, so ρ = 1; an invariant tensor has ρ at the level of rounding. A bare |c| says little:
//! for a tensor of a million elements 0.001 is what chance gives.
//!
//! ρ is formed for the whole tensor (K = 1: layer normalisation after it), for the slices along
//! its first axis and for those along its last (K slices: batch normalisation of neurons or
//! channels, stored as rows or as columns), and for all tensors of a module together (K = 1: a
//! weight with the bias that is normalised with it). The proposal takes the finest that holds in
//! every slice, since each scale takes one degree of freedom out of the bath.
//!
//! # Assumptions, and when it lies
//! An ε in the normalisation breaks the symmetry by ε/(σ² + ε) of the activations' variance σ²:
//! ρ grows by that factor, and a layer whose activations shrink to √ε is no longer invariant.
//! Below the tolerance, 0.1 by default, the gas law of the group holds to a per cent. A tensor may be
//! invariant by accident of the moment, as where it has no effect yet; measure where the loss
//! already falls. Two symmetries of one tensor (rows and columns both) are counted as the larger.
//! Nothing here looks at names. The proposal is for the user to confirm.
//!
//! Source of the identity and of its use: van Laarhoven, arXiv 1706.05350; Li and Arora, arXiv
//! 1910.07454.
//!
//! ```
//! use thermograd::{Symmetry, invariance::ScaleTest, systems::Random};
//! let mut test = ScaleTest::new();
//! let mut random = Random::new(1);
//! let w: Vec<f64> = (0..12).map(|_| random.normal()).collect();
//! for _ in 0..128 {
//!     // A loss that reads the direction of each of 4 rows alone: its gradient is across them.
//!     let mut g: Vec<f64> = (0..12).map(|_| random.normal()).collect();
//!     for (w, g) in w.chunks(3).zip(g.chunks_mut(3)) {
//!         let along = w.iter().zip(&*g).map(|(w, g)| w * g).sum::<f64>()
//!             / w.iter().map(|w| w * w).sum::<f64>();
//!         g.iter_mut().zip(w).for_each(|(g, w)| *g -= along * w);
//!     }
//!     test.observe(|step| step.tensor("fc.weight", &[4, 3], &w, &g))?;
//! }
//! let proposal = test.proposal();
//! assert_eq!(proposal.symmetry("fc.weight"), Some(Symmetry::ScaleInvariantBy(4)));
//! # Ok::<(), thermograd::Error>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::blocks::{FEWEST_BLOCKS, MeanSeries, mean_of};
use crate::{Assignment, Error, Estimate, Reading, Reason, Symmetry, View};

/// Elements widened at a time.
const TILE: usize = 512;
/// Most slices along one axis: above it the axis is not looked at.
const MOST_SLICES: usize = 1 << 20;

/// |w|², w·g and |g|² of some elements.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Products {
    ww: f64,
    wg: f64,
    gg: f64,
}

impl Products {
    fn add(&mut self, w: f64, g: f64) {
        self.ww += w * w;
        self.wg += w * g;
        self.gg += g * g;
    }

    fn merge(&mut self, other: Self) {
        self.ww += other.ww;
        self.wg += other.wg;
        self.gg += other.gg;
    }

    /// n c², `None` where a norm is zero.
    fn excess(self, n: f64) -> Option<f64> {
        let norms = self.ww * self.gg;
        // Norms whose product under- or overflows say nothing either.
        (norms > 0.0 && norms.is_finite())
            .then(|| (n * self.wg / norms.sqrt()) * (self.wg / norms.sqrt()))
    }
}

/// ρ² of one way to cut a tensor, over steps.
#[derive(Debug, Clone, Default)]
struct Track {
    /// Mean over the slices, step by step.
    series: MeanSeries,
    /// Sum over steps and number of steps, for each slice.
    slices: Vec<(f64, u32)>,
}

impl Track {
    fn push(&mut self, slices: &[Products], n: f64) {
        self.slices.resize(slices.len(), (0.0, 0));
        let (mut sum, mut count) = (0.0, 0.0);
        for (slot, products) in self.slices.iter_mut().zip(slices) {
            if let Some(excess) = products.excess(n) {
                slot.0 += excess;
                slot.1 = slot.1.saturating_add(1);
                sum += excess;
                count += 1.0;
            }
        }
        if count > 0.0 {
            self.series.push(sum / count);
        }
    }

    /// ρ with its error bar.
    fn ratio(&self) -> Reading {
        if self.series.is_empty() && !self.slices.is_empty() {
            return Reading::Undefined(Reason::Degenerate("its weights or its gradient are zero"));
        }
        mean_of(self.series.values()).map(|square| {
            let value = square.value.max(0.0).sqrt();
            let std_error = if value > 0.0 {
                // d√x = dx/(2√x)
                square.std_error / (2.0 * value)
            } else {
                square.std_error.sqrt()
            };
            Estimate {
                value,
                std_error,
                n_eff: square.n_eff,
            }
        })
    }

    /// Largest ρ of any slice.
    fn worst(&self) -> f64 {
        self.slices
            .iter()
            .filter(|slice| slice.1 > 0)
            .map(|&(sum, count)| sum / f64::from(count))
            .fold(0.0, f64::max)
            .sqrt()
    }
}

/// One axis along which a tensor is cut into slices.
#[derive(Debug, Clone)]
struct Cut {
    axis: usize,
    /// Slices, and neighbouring elements that belong to one slice.
    count: usize,
    run: usize,
    now: Vec<Products>,
    track: Track,
}

#[derive(Debug, Clone)]
struct Watched {
    shape: Vec<usize>,
    len: usize,
    /// Whether the step under way has given it.
    given: bool,
    now: Products,
    whole: Track,
    cuts: Vec<Cut>,
}

impl Watched {
    fn new(shape: &[usize], len: usize) -> Self {
        let mut cuts = Vec::new();
        if shape.len() > 1 {
            let last = shape.len() - 1;
            let along = [(0, shape[0]), (last, shape[last])];
            for (axis, count) in along {
                if (2..=MOST_SLICES).contains(&count) && len / count > 1 {
                    cuts.push(Cut {
                        axis,
                        count,
                        run: if axis == 0 { len / count } else { 1 },
                        now: vec![Products::default(); count],
                        track: Track::default(),
                    });
                }
            }
        }
        Self {
            shape: shape.to_vec(),
            len,
            given: false,
            now: Products::default(),
            whole: Track::default(),
            cuts,
        }
    }

    fn begin(&mut self) {
        self.given = false;
        self.now = Products::default();
        for cut in &mut self.cuts {
            cut.now.fill(Products::default());
        }
    }

    fn read(&mut self, name: &str, w: View<'_>, g: View<'_>) -> Result<(), Error> {
        let (mut ws, mut gs) = ([0.0; TILE], [0.0; TILE]);
        let mut from = 0;
        while from < self.len {
            let take = TILE.min(self.len - from);
            let (ws, gs) = (&mut ws[..take], &mut gs[..take]);
            w.widen(from, ws);
            g.widen(from, gs);
            for (i, (&w, &g)) in ws.iter().zip(&*gs).enumerate() {
                for (stream, value) in [("weights", w), ("gradient", g)] {
                    if !value.is_finite() {
                        return Err(Error::NonFinite {
                            place: format!("parameter {name:?}, {stream}"),
                            index: from + i,
                            value,
                        });
                    }
                }
                self.now.add(w, g);
                for cut in &mut self.cuts {
                    let slice = (from + i) / cut.run % cut.count;
                    if let Some(products) = cut.now.get_mut(slice) {
                        products.add(w, g);
                    }
                }
            }
            from += take;
        }
        let now = self.now;
        if !(now.ww.is_finite() && now.gg.is_finite()) {
            return Err(Error::Overflow {
                place: format!("parameter {name:?}"),
                largest: now.ww.max(now.gg).sqrt(),
            });
        }
        self.given = true;
        Ok(())
    }

    fn commit(&mut self) {
        if self.given {
            self.whole.push(&[self.now], self.len as f64);
            for cut in &mut self.cuts {
                let n = (self.len / cut.count) as f64;
                cut.track.push(&cut.now, n);
            }
        }
    }
}

/// Receives the tensors of one step.
#[derive(Debug)]
pub struct Tensors<'a> {
    parameters: &'a mut BTreeMap<String, Watched>,
    refused: Option<Error>,
}

impl Tensors<'_> {
    /// Weights and gradient of one parameter, contiguous, of this shape.
    ///
    /// # Errors
    /// Lengths that do not fit the shape, another shape than before, elements that are not finite,
    /// one name twice in a step.
    pub fn tensor<'v>(
        &mut self,
        name: &str,
        shape: &[usize],
        weights: impl Into<View<'v>>,
        gradient: impl Into<View<'v>>,
    ) -> Result<(), Error> {
        let taken = self.take(name, shape, weights.into(), gradient.into());
        if let (Err(error), None) = (&taken, &self.refused) {
            self.refused = Some(error.clone());
        }
        taken
    }

    fn take(&mut self, name: &str, shape: &[usize], w: View<'_>, g: View<'_>) -> Result<(), Error> {
        let product = shape
            .iter()
            .try_fold(1_usize, |len, &axis| len.checked_mul(axis));
        let place = |what: &str| format!("parameter {name:?}, {what}");
        for (what, view) in [("weights", w), ("gradient", g)] {
            if product != Some(view.len()) {
                return Err(Error::LengthMismatch {
                    place: place(what),
                    expected: product.unwrap_or(usize::MAX),
                    found: view.len(),
                });
            }
        }
        if w.is_empty() {
            return Err(Error::Empty {
                place: place("weights"),
                remedy: "leave out tensors without elements",
            });
        }
        if !self.parameters.contains_key(name) {
            self.parameters
                .insert(name.to_owned(), Watched::new(shape, w.len()));
        }
        let Some(watched) = self.parameters.get_mut(name) else {
            return Ok(());
        };
        if watched.shape != shape {
            return Err(Error::ShapeMismatch {
                place: place("between steps"),
                expected: watched.shape.clone(),
                found: shape.to_vec(),
            });
        }
        if watched.given {
            return Err(Error::GivenTwice {
                parameter: name.to_owned(),
            });
        }
        watched.read(name, w, g)
    }
}

/// Follows parameters over some steps and proposes their symmetries.
#[derive(Debug, Clone)]
pub struct ScaleTest {
    parameters: BTreeMap<String, Watched>,
    /// All tensors of a module together, by the module's name.
    modules: BTreeMap<String, Track>,
    tolerance: f64,
    steps: u64,
}

impl Default for ScaleTest {
    fn default() -> Self {
        Self {
            parameters: BTreeMap::new(),
            modules: BTreeMap::new(),
            tolerance: 0.1,
            steps: 0,
        }
    }
}

impl ScaleTest {
    /// A test that calls invariant what has ρ below 0.1.
    pub fn new() -> Self {
        Self::default()
    }

    /// A test with a tolerance on ρ of your own.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for one that is not between 0 and 1.
    pub fn with_tolerance(tolerance: f64) -> Result<Self, Error> {
        if !(tolerance > 0.0 && tolerance < 1.0) {
            return Err(Error::OutOfRange {
                what: "tolerance of the scale test",
                value: tolerance,
                allowed: "a number between 0 and 1, the ratio of a random direction",
            });
        }
        Ok(Self {
            tolerance,
            ..Self::default()
        })
    }

    /// Takes in one step: after the backward pass, before the update, without weight decay in the
    /// gradient.
    ///
    /// # Errors
    /// Whatever [`Tensors::tensor`] refused; nothing of the step is then kept.
    pub fn observe(
        &mut self,
        visit: impl FnOnce(&mut Tensors<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for watched in self.parameters.values_mut() {
            watched.begin();
        }
        let mut tensors = Tensors {
            parameters: &mut self.parameters,
            refused: None,
        };
        let visited = visit(&mut tensors);
        if let Err(error) = tensors.refused.map_or(visited, Err) {
            // Parameters that this step brought for the first time go with it.
            self.parameters
                .retain(|_, watched| !watched.whole.slices.is_empty());
            return Err(error);
        }
        if !self.parameters.values().any(|watched| watched.given) {
            return Err(Error::Empty {
                place: "the step".to_owned(),
                remedy: "give at least one tensor",
            });
        }
        self.join_modules();
        for watched in self.parameters.values_mut() {
            watched.commit();
        }
        self.steps += 1;
        Ok(())
    }

    /// Names are sorted: the parameters of a module follow one another.
    fn join_modules(&mut self) {
        let mut totals: BTreeMap<&str, (Products, f64, usize)> = BTreeMap::new();
        for (name, watched) in self.parameters.iter().filter(|(_, w)| w.given) {
            let Some((module, _)) = name.rsplit_once('.') else {
                continue;
            };
            let total = totals.entry(module).or_default();
            total.0.merge(watched.now);
            total.1 += watched.len as f64;
            total.2 += 1;
        }
        for (module, (products, n, members)) in totals {
            if members > 1 {
                if let Some(track) = self.modules.get_mut(module) {
                    track.push(&[products], n);
                } else {
                    let mut track = Track::default();
                    track.push(&[products], n);
                    self.modules.insert(module.to_owned(), track);
                }
            }
        }
    }

    /// Steps taken in.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// What the steps so far say of each parameter, sorted by name.
    pub fn proposal(&self) -> Proposal {
        let mut findings: Vec<Finding> = self
            .parameters
            .iter()
            .map(|(name, watched)| self.finding(name, watched))
            .collect();
        for (module, track) in &self.modules {
            let ratio = track.ratio();
            let members: Vec<usize> = findings
                .iter()
                .enumerate()
                .filter(|(_, f)| f.name.rsplit_once('.').map(|(m, _)| m) == Some(module))
                .map(|(i, _)| i)
                .collect();
            let apart = members.iter().all(
                |&i| !matches!(findings[i].symmetry, Reading::Ready(s) if s.is_scale_invariant()),
            );
            if apart && self.holds(track) == Some(true) {
                for i in members {
                    findings[i].jointly = Some(Joint {
                        module: module.clone(),
                        ratio: ratio.clone(),
                    });
                }
            }
        }
        Proposal {
            steps: self.steps,
            tolerance: self.tolerance,
            findings,
        }
    }

    /// Whether a symmetry holds; `None` where it cannot be told yet.
    fn holds(&self, track: &Track) -> Option<bool> {
        let worst = track.worst();
        let ratio = track.ratio();
        let Some(estimate) = ratio.ready() else {
            // A ratio that drifts, as that of rounding does, has no error bar. It needs none where
            // it was on one side of the tolerance all the time.
            let squares = track.series.values();
            let limit = self.tolerance * self.tolerance;
            return match squares.len() {
                0..FEWEST_BLOCKS => None,
                _ if squares.iter().all(|&square| square < limit) => Some(worst < self.tolerance),
                _ => squares
                    .iter()
                    .all(|&square| square > limit)
                    .then_some(false),
            };
        };
        let above = estimate.value - 3.0 * estimate.std_error > self.tolerance;
        let below = estimate.value + 3.0 * estimate.std_error < self.tolerance;
        match (above, below) {
            (true, _) => Some(false),
            (_, true) => Some(worst < self.tolerance),
            _ => None,
        }
    }

    fn finding(&self, name: &str, watched: &Watched) -> Finding {
        let ratio = watched.whole.ratio();
        let slices: Vec<Slices> = watched
            .cuts
            .iter()
            .map(|cut| Slices {
                axis: cut.axis,
                count: cut.count,
                ratio: cut.track.ratio(),
                worst: cut.track.worst(),
            })
            .collect();
        // The finest that holds: slices before the whole, many slices before few.
        let finest = watched
            .cuts
            .iter()
            .filter(|cut| self.holds(&cut.track) == Some(true))
            .map(|cut| cut.count)
            .max();
        let symmetry = match (finest, self.holds(&watched.whole)) {
            (Some(count), _) => Reading::Ready(Symmetry::ScaleInvariantBy(count)),
            (None, Some(true)) => Reading::Ready(Symmetry::ScaleInvariant),
            (None, Some(false)) => Reading::Ready(Symmetry::Generic),
            (None, None) => match &ratio {
                Reading::Ready(_) => Reading::Undefined(Reason::DividesByNoise(
                    "the distance of ρ from its tolerance",
                )),
                Reading::Pending { seen, needed } => Reading::Pending {
                    seen: *seen,
                    needed: *needed,
                },
                Reading::Undefined(reason) => Reading::Undefined(reason.clone()),
            },
        };
        Finding {
            name: name.to_owned(),
            shape: watched.shape.clone(),
            ratio,
            slices,
            jointly: None,
            symmetry,
        }
    }
}

/// ρ of the slices of a tensor along one axis.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Slices {
    /// The axis: 0 for the first.
    pub axis: usize,
    /// How many slices there are along it.
    pub count: usize,
    /// ρ, root mean square over slices and steps.
    pub ratio: Reading,
    /// ρ of the slice in which it is largest.
    pub worst: f64,
}

/// ρ of all tensors of a module together.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Joint {
    /// The module: what the names of its parameters share before their last dot.
    pub module: String,
    /// ρ over steps.
    pub ratio: Reading,
}

/// What was found of one parameter.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// The parameter.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// ρ of the whole tensor.
    pub ratio: Reading,
    /// ρ of its slices along its first and its last axis.
    pub slices: Vec<Slices>,
    /// Its module, if that is invariant as a whole and none of its members by itself.
    pub jointly: Option<Joint>,
    /// The symmetry of the parameter by itself.
    pub symmetry: Reading<Symmetry>,
}

/// Proposed symmetries, to be looked at and confirmed.
///
/// Its `Display` is a table.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Proposal {
    /// Steps behind it.
    pub steps: u64,
    /// The largest ρ that was called invariant.
    pub tolerance: f64,
    /// What was found, sorted by name.
    pub findings: Vec<Finding>,
}

impl Proposal {
    /// The symmetry of a parameter by itself; `None` for one that is unknown or undecided.
    pub fn symmetry(&self, parameter: &str) -> Option<Symmetry> {
        let mut named = self.findings.iter().filter(|f| f.name == parameter);
        named.next()?.symmetry.ready().copied()
    }

    /// Parameters of which it cannot be said, and why.
    pub fn undecided(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.jointly.is_none() && finding.symmetry.ready().is_none())
    }

    /// The proposal as an assignment: each invariant parameter a group of its own name, each
    /// module that is invariant as a whole one group, and everything else, the undecided
    /// included, in one group `rest` without symmetry.
    ///
    /// # Errors
    /// [`Error::Empty`] where there are no parameters; [`Error::DuplicateName`] where one of them
    /// has the name of a group.
    pub fn assignment(&self) -> Result<Assignment, Error> {
        let mut layers = Assignment::new();
        if self.findings.is_empty() {
            return Err(Error::Empty {
                place: "the proposal".to_owned(),
                remedy: "observe some steps first",
            });
        }
        let mut rest = None;
        for finding in &self.findings {
            let (name, symmetry) = match (&finding.symmetry, &finding.jointly) {
                (Reading::Ready(symmetry), _) if symmetry.is_scale_invariant() => {
                    (finding.name.as_str(), *symmetry)
                }
                (_, Some(joint)) => (joint.module.as_str(), Symmetry::ScaleInvariant),
                _ => {
                    let group = match rest {
                        Some(group) => group,
                        None => *rest.insert(layers.group("rest", Symmetry::Generic)),
                    };
                    layers.assign(&finding.name, group)?;
                    continue;
                }
            };
            let group = match layers.groups().find(name) {
                Some(group) => group,
                None => layers.group(name, symmetry),
            };
            layers.assign(&finding.name, group)?;
        }
        layers.groups().check()?;
        Ok(layers)
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ρ over {} steps: 1 for a random direction, invariant below {}",
            self.steps, self.tolerance
        )?;
        let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let names = width(&mut self.findings.iter().map(|x| x.name.chars().count()));
        for finding in &self.findings {
            write!(f, "{:names$}  whole ", finding.name)?;
            short(f, &finding.ratio)?;
            for slices in &finding.slices {
                write!(f, "  {} slices of axis {} ", slices.count, slices.axis)?;
                short(f, &slices.ratio)?;
            }
            match (&finding.symmetry, &finding.jointly) {
                (_, Some(joint)) => {
                    write!(f, "  with all of {:?} ", joint.module)?;
                    short(f, &joint.ratio)?;
                    writeln!(f, "  -> one scale with it")?;
                }
                (Reading::Ready(symmetry), _) => match symmetry.scales() {
                    0 => writeln!(f, "  -> generic")?,
                    1 => writeln!(f, "  -> scale-invariant")?,
                    scales => writeln!(f, "  -> scale-invariant by {scales}")?,
                },
                (Reading::Pending { seen, needed }, _) => {
                    writeln!(f, "  -> pending ({seen} of {needed})")?;
                }
                (Reading::Undefined(reason), _) => writeln!(f, "  -> undecided: {reason}")?,
            }
        }
        Ok(())
    }
}

fn short(f: &mut fmt::Formatter<'_>, ratio: &Reading) -> fmt::Result {
    match ratio {
        Reading::Ready(estimate) => {
            write!(f, "{:.1e} ± {:.0e}", estimate.value, estimate.std_error)
        }
        Reading::Pending { .. } => f.write_str("pending"),
        Reading::Undefined(_) => f.write_str("undefined"),
    }
}

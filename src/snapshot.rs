//! The door: how a model hands its parameters and gradients to the library.
//!
//! A [`Snapshot`] visits a [`Collector`] with one call for each tensor. The element type is a
//! value, [`View`], so the trait is object-safe and no type parameter follows it inside.
//!
//! Within one step the pieces of a group are laid one after another: a group of several tensors,
//! a group visited twice and a tensor given in chunks are all the same thing, and give the same
//! bits. A piece may say its position instead ([`Piece::offset`]), for a model that does not
//! visit in the same order every time, or for a shard that begins in the middle of its group;
//! pieces must then cover a range without gap or overlap. A group that a step does not visit
//! is left out of that step: its readings wait and the others go on.

use crate::history::History;
use crate::noise::GradientNoise;
use crate::sums::{Accumulator, too_far};
use crate::{Error, GroupId, Groups, Sums};

/// Parameters and gradients of a model at one step.
///
/// ```
/// use thermograd::{Collector, Error, GroupId, Snapshot};
/// struct Model { hidden: GroupId, w: Vec<f32>, g: Vec<f32> }
/// impl Snapshot for Model {
///     fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
///         out.tensor(self.hidden, &self.w, &self.g)
///     }
/// }
/// ```
pub trait Snapshot {
    /// Hands every tensor to the collector.
    ///
    /// # Errors
    /// Whatever the collector answers: pass it on with `?`.
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error>;
}

impl<S: Snapshot + ?Sized> Snapshot for &S {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        (**self).visit(out)
    }
}

impl<S: Snapshot + ?Sized> Snapshot for &mut S {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        (**self).visit(out)
    }
}

impl<S: Snapshot + ?Sized> Snapshot for Box<S> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        (**self).visit(out)
    }
}

impl<S: Snapshot> Snapshot for [S] {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        self.iter().try_for_each(|part| part.visit(out))
    }
}

/// A snapshot made of a closure.
#[derive(Clone, Copy)]
pub struct FromFn<F>(F);

impl<F> std::fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FromFn")
    }
}

/// A snapshot from a closure over whatever holds the tensors.
///
/// ```
/// use thermograd::{from_fn, Groups, Observer, Step, Symmetry};
/// let mut groups = Groups::new();
/// let layer = groups.add("layer", Symmetry::Generic);
/// let mut observer = Observer::new(groups)?;
/// let (w, g) = ([1.0_f32, 2.0], [0.1_f32, 0.0]);
/// observer.observe(&Step::new(0.7), &from_fn(|out| out.tensor(layer, &w, &g)))?;
/// # Ok::<(), thermograd::Error>(())
/// ```
pub const fn from_fn<F>(visit: F) -> FromFn<F>
where
    F: Fn(&mut Collector<'_>) -> Result<(), Error>,
{
    FromFn(visit)
}

impl<F> Snapshot for FromFn<F>
where
    F: Fn(&mut Collector<'_>) -> Result<(), Error>,
{
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        self.0(out)
    }
}

/// One group as plain slices: a snapshot without an implementation of the trait.
///
/// ```
/// use thermograd::{slices, Groups, Observer, Step, Symmetry};
/// let mut groups = Groups::new();
/// let all = groups.add("all", Symmetry::Generic);
/// let mut observer = Observer::new(groups)?;
/// observer.observe(&Step::new(0.7), &slices(all, &[1.0_f64, 2.0], &[0.1_f64, 0.0]))?;
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn slices<'a>(
    group: GroupId,
    weights: impl Into<View<'a>>,
    gradient: impl Into<View<'a>>,
) -> Slices<'a> {
    Slices {
        group,
        piece: Piece::new(weights, gradient),
    }
}

/// The snapshot that [`slices`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Slices<'a> {
    group: GroupId,
    piece: Piece<'a>,
}

impl<'a> Slices<'a> {
    /// Adds the weights of one optimiser step ago; see [`Piece::previous_weights`].
    #[must_use]
    pub fn previous_weights(mut self, weights: impl Into<View<'a>>) -> Self {
        self.piece = self.piece.previous_weights(weights);
        self
    }

    /// Adds an independent gradient at the same weights; see [`Piece::second_gradient`].
    #[must_use]
    pub fn second_gradient(mut self, gradient: impl Into<View<'a>>) -> Self {
        self.piece = self.piece.second_gradient(gradient);
        self
    }

    /// Adds the optimiser's update; see [`Piece::update`].
    #[must_use]
    pub fn update(mut self, update: impl Into<View<'a>>) -> Self {
        self.piece = self.piece.update(update);
        self
    }

    /// Adds the optimiser's preconditioner; see [`Piece::preconditioner`].
    #[must_use]
    pub fn preconditioner(mut self, diagonal: impl Into<View<'a>>) -> Self {
        self.piece = self.piece.preconditioner(diagonal);
        self
    }
}

impl Snapshot for Slices<'_> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        out.piece(self.group, &self.piece)
    }
}

/// A contiguous run of numbers in the type that the user has.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum View<'a> {
    /// IEEE single precision.
    F32(&'a [f32]),
    /// IEEE double precision.
    F64(&'a [f64]),
    /// bfloat16, as its bits: the upper half of an `f32`.
    Bf16(&'a [u16]),
    /// IEEE half precision, as its bits.
    F16(&'a [u16]),
}

impl View<'_> {
    /// The elements of a range within the length.
    pub(crate) fn slice(self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::F32(values) => View::F32(&values[range]),
            Self::F64(values) => View::F64(&values[range]),
            Self::Bf16(bits) => View::Bf16(&bits[range]),
            Self::F16(bits) => View::F16(&bits[range]),
        }
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::Bf16(bits) | Self::F16(bits) => bits.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes elements from `source` on, as f64. This is the one place that knows the types.
    pub(crate) fn widen(&self, source: usize, out: &mut [f64]) {
        let range = source..source + out.len();
        match self {
            Self::F32(values) => {
                for (slot, &value) in out.iter_mut().zip(&values[range]) {
                    *slot = f64::from(value);
                }
            }
            Self::F64(values) => out.copy_from_slice(&values[range]),
            Self::Bf16(bits) => {
                for (slot, &bits) in out.iter_mut().zip(&bits[range]) {
                    *slot = brain(bits);
                }
            }
            Self::F16(bits) => {
                for (slot, &bits) in out.iter_mut().zip(&bits[range]) {
                    *slot = half(bits);
                }
            }
        }
    }

    /// Writes elements from `source` on and every `stride`th as f64; the last must be within the
    /// length.
    #[cfg(feature = "candle011")]
    pub(crate) fn widen_strided(&self, source: usize, stride: usize, out: &mut [f64]) {
        fn strided<T: Copy>(
            values: &[T],
            stride: usize,
            out: &mut [f64],
            widen: impl Fn(T) -> f64,
        ) {
            match stride {
                // Broadcast: one element for all.
                0 => out.fill(values.first().map_or(0.0, |&value| widen(value))),
                stride => {
                    for (slot, &value) in out.iter_mut().zip(values.iter().step_by(stride)) {
                        *slot = widen(value);
                    }
                }
            }
        }
        match self {
            Self::F32(values) => strided(&values[source..], stride, out, f64::from),
            Self::F64(values) => strided(&values[source..], stride, out, |x| x),
            Self::Bf16(bits) => strided(&bits[source..], stride, out, brain),
            Self::F16(bits) => strided(&bits[source..], stride, out, half),
        }
    }
}

/// bfloat16: the upper half of an `f32`.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// IEEE half precision: 1 sign, 5 exponent (bias 15) and 10 fraction bits.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

macro_rules! views {
    ($($type:ty => $variant:ident),*) => {$(
        impl<'a> From<&'a [$type]> for View<'a> {
            fn from(values: &'a [$type]) -> Self {
                Self::$variant(values)
            }
        }
        impl<'a> From<&'a Vec<$type>> for View<'a> {
            fn from(values: &'a Vec<$type>) -> Self {
                Self::$variant(values)
            }
        }
        impl<'a, const N: usize> From<&'a [$type; N]> for View<'a> {
            fn from(values: &'a [$type; N]) -> Self {
                Self::$variant(values)
            }
        }
    )*};
}
views!(f32 => F32, f64 => F64);

/// A run of a group's elements with all that is known of them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Piece<'a> {
    pub(crate) weights: View<'a>,
    pub(crate) gradient: Option<View<'a>>,
    pub(crate) previous: Option<View<'a>>,
    pub(crate) second: Option<View<'a>>,
    pub(crate) update: Option<View<'a>>,
    pub(crate) preconditioner: Option<View<'a>>,
    pub(crate) offset: Option<usize>,
}

impl<'a> Piece<'a> {
    /// Weights and their gradient on the step's batch, weight decay left out.
    pub fn new(weights: impl Into<View<'a>>, gradient: impl Into<View<'a>>) -> Self {
        Self {
            gradient: Some(gradient.into()),
            ..Self::weights(weights)
        }
    }

    /// Weights alone, from a checkpoint: norms and displacements, no gradient metrics.
    pub fn weights(weights: impl Into<View<'a>>) -> Self {
        Self {
            weights: weights.into(),
            gradient: None,
            previous: None,
            second: None,
            update: None,
            preconditioner: None,
            offset: None,
        }
    }

    /// The weights w₋₁ of one optimiser step ago, where the caller has them: the displacement
    /// Δ = w − w₋₁ is then summed over every coordinate, and not only over those that an observer
    /// follows by itself.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use thermograd::{Piece, Sums};
    /// let piece = Piece::new(&[3.0_f32, 1.0], &[1.0_f32, 2.0]).previous_weights(&[1.0_f32, 4.0]);
    /// let sums = Sums::reduce(&piece, NonZeroUsize::MIN)?;
    /// // Δ = (2, −3): |Δ|² = 13, w₋₁·Δ = 2 − 12, g·Δ = 2 − 6.
    /// assert_eq!((sums.step_step, sums.previous_step, sums.g_step), (13.0, -10.0, -4.0));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    #[must_use]
    pub fn previous_weights(mut self, weights: impl Into<View<'a>>) -> Self {
        self.previous = Some(weights.into());
        self
    }

    /// A second gradient at the same weights, from an independent batch of the same size: the
    /// noise of the step is then measured as |g − g₂|²/2.
    #[must_use]
    pub fn second_gradient(mut self, gradient: impl Into<View<'a>>) -> Self {
        self.second = Some(gradient.into());
        self
    }

    /// The optimiser's update u of this step, in w′ = (1 − ηλ)w − ηu.
    #[must_use]
    pub fn update(mut self, update: impl Into<View<'a>>) -> Self {
        self.update = Some(update.into());
        self
    }

    /// The diagonal D by which the optimiser multiplies the gradient: positive, and for Adam
    /// 1/(√v + ε) with the bias-corrected second moment v. Best is the one that the coming step
    /// will use, with this very gradient in v; the one that the optimiser holds is as good where
    /// single gradients do not move v, and reads the noise high by (1−β₂) times the kurtosis
    /// where they do. The thermometers of
    /// [`Optimizer::Adam`](crate::Optimizer::Adam) and
    /// [`Optimizer::Preconditioned`](crate::Optimizer::Preconditioned) need it.
    #[must_use]
    pub fn preconditioner(mut self, diagonal: impl Into<View<'a>>) -> Self {
        self.preconditioner = Some(diagonal.into());
        self
    }

    /// The position of the first element in its group. Without it, pieces follow one another.
    #[must_use]
    pub const fn offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Whether a stream carries more than single precision.
    pub(crate) fn is_wide(&self) -> bool {
        matches!(self.weights, View::F64(_)) || matches!(self.gradient, Some(View::F64(_)))
    }

    /// Streams of equal length, and at least one element.
    pub(crate) fn check(&self, group: &str) -> Result<(), Error> {
        let expected = self.weights.len();
        if expected == 0 {
            return Err(Error::Empty {
                place: format!("a piece of group {group:?}"),
                remedy: "leave out tensors without elements",
            });
        }
        let streams = [
            ("gradient", self.gradient),
            ("previous weights", self.previous),
            ("second gradient", self.second),
            ("update", self.update),
            ("preconditioner", self.preconditioner),
        ];
        for (stream, view) in streams {
            if let Some(view) = view
                && view.len() != expected
            {
                return Err(Error::LengthMismatch {
                    place: format!("group {group:?}, {stream}"),
                    expected,
                    found: view.len(),
                });
            }
        }
        Ok(())
    }
}

/// What one group collects while a snapshot visits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    pub(crate) accumulator: Accumulator,
    pub(crate) history: Option<History>,
    /// Sums that were reduced elsewhere.
    pub(crate) outside: Sums,
    /// Sums that were reduced elsewhere, of which the pieces are a sample.
    pub(crate) sampled: Option<Sums>,
    /// Gradient noise that was estimated elsewhere, of what is visited here.
    pub(crate) noise: Option<GradientNoise>,
}

/// Receives the tensors of one snapshot.
#[derive(Debug)]
pub struct Collector<'a> {
    pub(crate) groups: &'a Groups,
    pub(crate) slots: &'a mut [Slot],
    /// The first refusal: a snapshot that goes on after one is refused all the same.
    pub(crate) refused: Option<Error>,
}

impl Collector<'_> {
    /// Weights and gradient of one contiguous tensor.
    ///
    /// # Errors
    /// An unknown group, no elements, unequal lengths, an element that is not finite.
    pub fn tensor<'v>(
        &mut self,
        group: GroupId,
        weights: impl Into<View<'v>>,
        gradient: impl Into<View<'v>>,
    ) -> Result<(), Error> {
        self.piece(group, &Piece::new(weights, gradient))
    }

    /// A tensor with all that is known of it.
    ///
    /// # Errors
    /// An unknown group, no elements, unequal lengths, an element that is not finite, an offset
    /// beyond the largest index.
    pub fn piece(&mut self, group: GroupId, piece: &Piece<'_>) -> Result<(), Error> {
        let taken = self.take(group, piece);
        self.note(taken)
    }

    fn take(&mut self, group: GroupId, piece: &Piece<'_>) -> Result<(), Error> {
        let (name, slot) = self.slot(group)?;
        piece.check(name)?;
        let at = piece.offset.unwrap_or_else(|| slot.accumulator.position());
        let len = piece.weights.len();
        at.checked_add(len).ok_or_else(|| too_far(at))?;
        if piece.is_wide()
            && let Some(history) = &mut slot.history
        {
            history.widen();
        }
        slot.accumulator
            .piece(piece, at, len, 0, slot.history.as_mut())
            .map_err(|fault| fault.in_group(name))
    }

    /// Pairs of weight and gradient in any layout: strided, transposed, computed on the fly.
    /// Slower than [`Collector::tensor`], with the same bits for the same order.
    ///
    /// # Errors
    /// As [`Collector::tensor`].
    pub fn pairs(
        &mut self,
        group: GroupId,
        pairs: impl IntoIterator<Item = (f64, f64)>,
    ) -> Result<(), Error> {
        let mut weights = [0.0; 64];
        let mut gradient = [0.0; 64];
        let mut fill = 0;
        let mut seen = false;
        for (w, g) in pairs {
            weights[fill] = w;
            gradient[fill] = g;
            fill += 1;
            seen = true;
            if fill == weights.len() {
                self.tensor(group, &weights, &gradient)?;
                fill = 0;
            }
        }
        if fill > 0 || !seen {
            self.tensor(group, &weights[..fill], &gradient[..fill])?;
        }
        Ok(())
    }

    /// Sums that a device, a thread or another process has reduced already. They add to whatever
    /// else the group is given in this step.
    ///
    /// # Errors
    /// An unknown group, or sums that no vectors can have; see [`Sums::check`].
    pub fn sums(&mut self, group: GroupId, sums: &Sums) -> Result<(), Error> {
        let taken = self.slot(group).and_then(|(name, slot)| {
            sums.check(name)?;
            slot.outside.merge(sums);
            Ok(())
        });
        self.note(taken)
    }

    /// Sums over the whole group that a device has reduced, of which the pieces of this visit are
    /// a sample. Norms, noise and all else that one step shows are read from the sums; what needs
    /// past values is followed on the sample and scaled up to the group, which is unbiased where
    /// every coordinate had the same chance to be in it. The sample must be of the same
    /// coordinates at every step. Sums of several tensors of a group add.
    ///
    /// What needs all coordinates by themselves, such as the snapshots of
    /// [`Config::snapshots`](crate::Config::snapshots), is not to be had of a sampled group.
    ///
    /// # Errors
    /// An unknown group, or sums that no vectors can have; see [`Sums::check`]. A sample larger
    /// than its group is refused at the end of the visit.
    pub fn sampled(&mut self, group: GroupId, whole: &Sums) -> Result<(), Error> {
        let taken = self.slot(group).and_then(|(name, slot)| {
            whole.check(name)?;
            slot.sampled.get_or_insert_default().merge(whole);
            Ok(())
        });
        self.note(taken)
    }

    /// The noise of the step's gradient, from any source in [`noise`](crate::noise), for all
    /// that this snapshot visits of the group. Estimates of several tensors of a group add; a
    /// noise estimate goes before a second gradient.
    ///
    /// # Errors
    /// An unknown group, or an estimate that is not finite.
    pub fn noise(&mut self, group: GroupId, noise: &GradientNoise) -> Result<(), Error> {
        let taken = self.slot(group).and_then(|(name, slot)| {
            noise.check(name)?;
            slot.noise.get_or_insert_default().merge(noise);
            Ok(())
        });
        self.note(taken)
    }

    fn note(&mut self, taken: Result<(), Error>) -> Result<(), Error> {
        if let (Err(error), None) = (&taken, &self.refused) {
            self.refused = Some(error.clone());
        }
        taken
    }

    fn slot(&mut self, group: GroupId) -> Result<(&str, &mut Slot), Error> {
        let known = self.slots.len();
        match (self.groups.name(group), self.slots.get_mut(group.0)) {
            (Some(name), Some(slot)) => Ok((name, slot)),
            _ => Err(Error::UnknownGroup {
                index: group.0,
                known,
            }),
        }
    }
}

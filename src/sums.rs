//! One group in one step, reduced: every inner product that a formula needs, and the pass that
//! forms them.
//!
//! # The law
//! [`Sums`] holds sums over coordinates and nothing else, so that `Sums::default()` is the
//! identity and [`Sums::merge`] is field-wise `+`: the reduction of a concatenation is the merge
//! of the reductions. Chunks, rows of a strided tensor, threads, devices and tensor-parallel
//! shards merge by that law alone. (Data-parallel ranks do not: they hold the *same* weights.)
//!
//! # Cost on many machines
//! Everything that leaves a rank is a fixed number of `f64`, whatever the number of parameters.
//! For each group and observed step:
//!
//! | parallelism | what is all-reduced by addition | bytes |
//! |---|---|---|
//! | tensor, pipeline, fully sharded | [`Sums::to_array`] of the shard | 8 × 40 = 320 |
//! | data | [`Replicas::to_array`](crate::noise::Replicas::to_array) of the local gradient | 8 × 4 = 32 |
//! | windows, at their end | [`Ensemble::to_array`](crate::Ensemble::to_array) | some 1.2 kB |
//!
//! A model of 10¹² parameters in 1000 groups on 10 000 ranks sends 0.35 MB a step and rank, in one
//! message of 14 hops; its gradient is 2 TB. Each rank reads its own 10⁸ weights and gradients
//! once, and keeps at most 36 bytes for each of the 65 536 probed coordinates of a group that it
//! holds a part of: 2.4 MB. With [`Cadence::bursts`](crate::Cadence::bursts) of 4 steps in 64 the
//! rest is a sixteenth of that. Sums are deterministic for a fixed tree of ranks; another tree
//! changes the last bits.
//!
//! # The pass
//! Leaves of 512 positions lie at fixed positions of the group, and each is reduced in 8 lanes of
//! `f64`. They meet in a binary tree over their positions, so the same numbers give the same bits
//! whatever the pieces they arrive in (in order), the number of threads and the instructions of the
//! processor. The tree also keeps the rounding error near that of a single addition: at 10⁷
//! positions some 2e-16 of the sum of absolute terms. The product of two `f32` is exact in `f64`,
//! and differences are formed before they are squared.
//!
//! Streams of one element type (f32, f64 or bfloat16: weights, gradient and at most one more) are
//! read where they lie; others are widened to `f64` leaf by leaf first. With the feature `simd` the
//! loop is written in vectors of the widest instructions that the processor is found to have, and
//! reads f32 as fast as memory gives it; without, it is plain code. With the feature `rayon`
//! [`Sums::reduce`] runs on the threads of its pool instead of starting its own. See
//! [the guide](crate::guide::speed) for what that is worth.
//!
//! An element that is not finite costs nothing to look for: it makes the sum of its subtree not
//! finite, and only then is the subtree searched for its index.

use crate::kernel::{self, BLOCK_LEVEL, Instructions, LANES, SUMS, Shape};
use crate::snapshot::{Piece, View};
use crate::{Error, history::History};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Positions in a leaf of the summation tree.
pub(crate) const LEAF: usize = 512;

/// Declares the fields once: struct, merge and the flat form can not fall out of step.
macro_rules! sums {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Sums over the coordinates of one group in one step.
        ///
        /// Build one from [`Sums::default`] and set what was reduced elsewhere, or let
        /// [`Sums::of`] reduce a piece. A count of zero says that the stream was not given; a
        /// count other than zero must equal `w_count`.
        ///
        /// ```
        /// use thermograd::Sums;
        /// let mut a = Sums::of(&[3.0_f64, 0.0], &[1.0_f64, 2.0])?;
        /// let b = Sums::of(&[4.0_f64], &[1.0_f64])?;
        /// a.merge(&b);
        /// assert_eq!((a.w_count, a.w_w, a.w_g, a.g_g), (3.0, 25.0, 7.0, 6.0));
        /// # Ok::<(), thermograd::Error>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct Sums {
            $($(#[$doc])* pub $field: f64,)*
        }

        impl Sums {
            /// The names of the fields, in the order of [`Sums::to_array`].
            pub const FIELDS: [&'static str; [$(stringify!($field)),*].len()] =
                [$(stringify!($field)),*];

            /// All fields flat, ready for an all-reduce by addition. A later version may have more of them: where
            /// their number is needed, it is `Sums::FIELDS.len()`.
            pub const fn to_array(&self) -> [f64; Self::FIELDS.len()] {
                [$(self.$field),*]
            }

            /// The inverse of [`Sums::to_array`].
            pub const fn from_array(flat: [f64; Self::FIELDS.len()]) -> Self {
                let [$($field),*] = flat;
                Self { $($field),* }
            }

            /// Adds the sums over other coordinates of the same group and step.
            pub fn merge(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

sums! {
    /// Number of weights.
    w_count,
    /// Number of weights that came with a gradient.
    g_count,
    /// Number of weights that came with a second gradient.
    g2_count,
    /// Number of weights that came with an update.
    u_count,
    /// Number of weights that came with a preconditioner D.
    d_count,
    /// Number of weights whose gradient noise was estimated elsewhere.
    trace_count,
    /// Number of weights whose displacement Δ = w − w₋₁ is known.
    step_count,
    /// Number of weights whose last two displacements are known.
    midpoint_count,
    /// Number of weights whose previous gradient is known.
    lag_count,
    /// Number of weights whose running mean c is known.
    centre_count,
    /// |w|².
    w_w,
    /// w·g.
    w_g,
    /// |g|².
    g_g,
    /// |g − g₂|² with a second gradient g₂ at the same weights.
    noise,
    /// g·g₂.
    g_g2,
    /// w·g₂.
    w_g2,
    /// w·u with the optimiser's update u.
    w_u,
    /// |u|².
    u_u,
    /// g·u.
    g_u,
    /// |Δ|².
    step_step,
    /// w₋₁·Δ.
    previous_step,
    /// g·Δ, with today's gradient.
    g_step,
    /// |(w − w₋₂)/2|².
    midpoint_midpoint,
    /// Δ·Δ₋₁.
    step_step1,
    /// g·g₋₁.
    g_g1,
    /// |g + g₋₁|².
    lag_sum,
    /// |g − g₋₁|².
    lag_difference,
    /// (w − c)·g.
    centred_g,
    /// (w − c)·w.
    centred_w,
    /// w·D⁻¹w with the preconditioner D.
    w_w_d,
    /// g·Dg.
    g_g_d,
    /// |Dg|².
    dg_dg,
    /// g·D(g − g₂), unbiased for tr(DΣ) even where D depends on g; may be negative in one step.
    noise_d,
    /// g·Dg₂.
    g_g2_d,
    /// Dg·D(g − g₂), unbiased for tr(D²Σ).
    d_noise,
    /// Δ·D⁻¹Δ.
    step_step_d,
    /// m·D⁻¹m of the midpoint displacement m = (w − w₋₂)/2.
    midpoint_d,
    /// (w − c)·D⁻¹w.
    centred_w_d,
    /// tr Σ of the step's gradient, estimated elsewhere; may be negative in one step.
    trace,
    /// |∇L|² unbiased, estimated elsewhere; may be negative in one step.
    signal,
}

impl Sums {
    /// Reduces weights and gradient of one piece.
    ///
    /// # Errors
    /// Unequal lengths, or an element that is not finite.
    pub fn of<'a>(
        weights: impl Into<View<'a>>,
        gradient: impl Into<View<'a>>,
    ) -> Result<Self, Error> {
        Self::reduce(&Piece::new(weights, gradient), NonZeroUsize::MIN)
    }

    /// Reduces one piece on up to this many threads, with the widest instructions that the
    /// processor has. The result has the same bits for every number. A thread has to get a million
    /// elements to be worth its start: smaller pieces get fewer threads.
    ///
    /// # Errors
    /// Streams of unequal length, an element that is not finite, or squares that overflow.
    pub fn reduce(piece: &Piece<'_>, threads: NonZeroUsize) -> Result<Self, Error> {
        let worth = NonZeroUsize::new(piece.weights.len() / WORTH_A_THREAD);
        let threads = threads.min(worth.unwrap_or(NonZeroUsize::MIN));
        Self::reduce_with(piece, threads, Instructions::default())
    }

    /// Reduces one piece on this many threads with these instructions. The result has the same
    /// bits for all of them. Shares of the work have 65 536 elements at least.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use thermograd::{Instructions, Piece, Sums};
    /// let w: Vec<f32> = (0..5000_u16).map(|i| f32::from(i) * 0.1).collect();
    /// let piece = Piece::weights(&w);
    /// let best = Sums::reduce_with(&piece, NonZeroUsize::MIN, Instructions::detected())?;
    /// let plain = Sums::reduce_with(&piece, NonZeroUsize::MIN, Instructions::Plain)?;
    /// assert_eq!(best.w_w.to_bits(), plain.w_w.to_bits());
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sums::reduce`].
    pub fn reduce_with(
        piece: &Piece<'_>,
        threads: NonZeroUsize,
        instructions: Instructions,
    ) -> Result<Self, Error> {
        let name = "piece";
        piece.check(name)?;
        let start = piece.offset.unwrap_or(0);
        let len = piece.weights.len();
        let end = start.checked_add(len).ok_or_else(|| too_far(start))?;
        let run = Run::of(piece);
        let share = share(len, threads);
        // Shares begin at multiples of their size, so that no leaf is shared.
        let shares = end.div_ceil(share) - start / share;
        let reduce = |index: usize| {
            let from = start.max((start / share + index) * share);
            let to = end.min(
                (start / share + index)
                    .saturating_add(1)
                    .saturating_mul(share),
            );
            if let Some((run, shape)) = run
                && let range = (from - start, to - start)
                && let Some(tree) = run.tree(instructions, shape, range, from)
            {
                return Ok(tree);
            }
            let mut part = Accumulator {
                instructions,
                ..Accumulator::default()
            };
            part.piece(piece, from, to - from, from - start, None)?;
            part.flush(None)?;
            Ok(part.tree)
        };
        let whole = in_shares(shares, threads, reduce).map_err(|fault| fault.in_group(name))?;
        let mut sums = whole.total();
        let count = |given: bool| if given { sums.w_count } else { 0.0 };
        let (g, g2, u, d) = (
            count(piece.gradient.is_some()),
            count(piece.second.is_some()),
            count(piece.update.is_some()),
            count(piece.preconditioner.is_some()),
        );
        (sums.g_count, sums.g2_count, sums.u_count, sums.d_count) = (g, g2, u, d);
        sums.check_finite(name)?;
        Ok(sums)
    }

    /// The sums with history streams that were followed on a part of the coordinates scaled up
    /// to the group: unbiased when the part was drawn with equal chance for every coordinate.
    pub(crate) fn extrapolated(mut self) -> Self {
        let scale = |count: &mut f64, whole: f64, sums: &mut [&mut f64]| {
            if *count > 0.0 && *count < whole {
                let factor = whole / *count;
                for sum in sums {
                    **sum *= factor;
                }
                *count = whole;
            }
        };
        let whole = self.w_count;
        scale(
            &mut self.step_count,
            whole,
            &mut [
                &mut self.step_step,
                &mut self.previous_step,
                &mut self.g_step,
                &mut self.step_step_d,
            ],
        );
        scale(
            &mut self.midpoint_count,
            whole,
            &mut [
                &mut self.midpoint_midpoint,
                &mut self.step_step1,
                &mut self.midpoint_d,
            ],
        );
        scale(
            &mut self.lag_count,
            whole,
            &mut [&mut self.g_g1, &mut self.lag_sum, &mut self.lag_difference],
        );
        scale(
            &mut self.centre_count,
            whole,
            &mut [
                &mut self.centred_g,
                &mut self.centred_w,
                &mut self.centred_w_d,
            ],
        );
        self
    }

    /// Sums over a whole group with the motion that was followed on a sample of it: history
    /// streams of the sample, scaled up, and everything else from the whole.
    pub(crate) fn with_motion_of(self, sample: &Self) -> Self {
        let motion = Self {
            w_count: self.w_count,
            ..*sample
        }
        .extrapolated();
        Self {
            step_count: motion.step_count,
            step_step: motion.step_step,
            previous_step: motion.previous_step,
            g_step: motion.g_step,
            step_step_d: motion.step_step_d,
            midpoint_count: motion.midpoint_count,
            midpoint_midpoint: motion.midpoint_midpoint,
            step_step1: motion.step_step1,
            midpoint_d: motion.midpoint_d,
            lag_count: motion.lag_count,
            g_g1: motion.g_g1,
            lag_sum: motion.lag_sum,
            lag_difference: motion.lag_difference,
            centre_count: motion.centre_count,
            centred_g: motion.centred_g,
            centred_w: motion.centred_w,
            centred_w_d: motion.centred_w_d,
            ..self
        }
    }

    /// Refuses sums that no vectors can have.
    ///
    /// # Errors
    /// A field that is not finite or is a negative count or square; a count other than zero or
    /// `w_count`; an inner product above the product of the norms.
    pub fn check(&self, group: &str) -> Result<(), Error> {
        self.check_finite(group)?;
        let counts = [
            ("gradient", self.g_count),
            ("second gradient", self.g2_count),
            ("update", self.u_count),
            ("preconditioner", self.d_count),
            ("noise estimate", self.trace_count),
            ("displacement", self.step_count),
            ("midpoint", self.midpoint_count),
            ("previous gradient", self.lag_count),
            ("centre", self.centre_count),
        ];
        if !(self.w_count >= 1.0 && self.w_count.fract() == 0.0 && self.w_count < 2f64.powi(53)) {
            return Err(Error::OutOfRange {
                what: "w_count of reduced sums",
                value: self.w_count,
                allowed: "a whole number of weights, at least 1",
            });
        }
        self.check_counts(group, &counts)?;
        let squares = [
            self.w_w,
            self.g_g,
            self.noise,
            self.u_u,
            self.step_step,
            self.midpoint_midpoint,
            self.lag_sum,
            self.lag_difference,
            self.w_w_d,
            self.g_g_d,
            self.dg_dg,
            self.step_step_d,
            self.midpoint_d,
        ];
        if let Some(&value) = squares.iter().find(|&&square| square < 0.0) {
            return Err(Error::OutOfRange {
                what: "a sum of squares",
                value,
                allowed: "a number of at least 0",
            });
        }
        let pairs = [
            ("w·g", self.w_g, self.w_w, self.g_g),
            ("w·u", self.w_u, self.w_w, self.u_u),
            ("g·u", self.g_u, self.g_g, self.u_u),
            ("g·Δ", self.g_step, self.g_g, self.step_step),
        ];
        for (product, value, left, right) in pairs {
            let bound = left.sqrt() * right.sqrt();
            // Reductions in 16 bits keep three digits.
            if value.abs() > bound * (1.0 + 1e-2) {
                return Err(Error::CauchySchwarz {
                    group: group.to_owned(),
                    product,
                    value,
                    bound,
                });
            }
        }
        Ok(())
    }
}

impl Sums {
    /// Refuses sums that overflowed.
    pub(crate) fn check_finite(&self, group: &str) -> Result<(), Error> {
        let fields = self.to_array();
        match fields.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::NonFinite {
                place: format!("group {group:?}, sum {}", Self::FIELDS[index]),
                index,
                value: fields[index],
            }),
        }
    }

    /// Refuses a stream that the user gave for a part of the group.
    pub(crate) fn check_given(&self, group: &str) -> Result<(), Error> {
        let counts = [
            ("gradient", self.g_count),
            ("second gradient", self.g2_count),
            ("update", self.u_count),
            ("preconditioner", self.d_count),
            ("noise estimate", self.trace_count),
        ];
        self.check_counts(group, &counts)
    }

    fn check_counts(&self, group: &str, counts: &[(&'static str, f64)]) -> Result<(), Error> {
        for &(stream, count) in counts {
            if count != 0.0 && count != self.w_count {
                return Err(Error::PartialStream {
                    group: group.to_owned(),
                    stream,
                    expected: whole(self.w_count),
                    found: whole(count),
                });
            }
        }
        Ok(())
    }
}

/// A count held as `f64`, back as a number of elements.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-int cast saturates, and this one only words an error"
)]
pub(crate) const fn whole(count: f64) -> usize {
    count as usize
}

pub(crate) fn too_far(offset: usize) -> Error {
    Error::OutOfRange {
        what: "the offset of a piece",
        value: offset as f64,
        allowed: "a position from which the piece ends below the largest index",
    }
}

/// A bad element, before the group's name is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    NonFinite {
        stream: &'static str,
        index: usize,
        value: f64,
    },
    Overflow {
        stream: &'static str,
        largest: f64,
    },
    /// A preconditioner that does not scale: its inverse is needed.
    NotPositive {
        value: f64,
    },
}

impl Fault {
    pub(crate) fn in_group(self, group: &str) -> Error {
        match self {
            Self::NonFinite {
                stream,
                index,
                value,
            } => Error::NonFinite {
                place: format!("group {group:?}, {stream}"),
                index,
                value,
            },
            Self::Overflow { stream, largest } => Error::Overflow {
                place: format!("group {group:?}, {stream}"),
                largest,
            },
            Self::NotPositive { value } => Error::OutOfRange {
                what: "an element of the preconditioner",
                value,
                allowed: "a positive number, 1/(√v + ε) for Adam",
            },
        }
    }
}

/// A node of the summation tree: the sums over leaves `index << level ..`.
#[derive(Debug, Clone, Copy)]
struct Node {
    index: usize,
    level: u32,
    sums: Sums,
}

/// The canonical binary tree over leaf positions, kept as its maximal complete subtrees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Appends a subtree to the right, and merges siblings as far up as they are complete.
    fn push(&mut self, mut node: Node) {
        while let Some(last) = self.nodes.last()
            && last.level == node.level
            && last.index % 2 == 0
            && last.index + 1 == node.index
        {
            let mut sums = last.sums;
            sums.merge(&node.sums);
            self.nodes.pop();
            node = Node {
                index: node.index / 2,
                level: node.level + 1,
                sums,
            };
        }
        self.nodes.push(node);
    }

    /// Appends what lies to the right.
    fn append(&mut self, right: Self) {
        for node in right.nodes {
            self.push(node);
        }
    }

    fn total(&self) -> Sums {
        let mut total = Sums::default();
        for node in self.nodes.iter().rev() {
            let mut sums = node.sums;
            sums.merge(&total);
            total = sums;
        }
        total
    }
}

/// Elements for each thread below which starting it costs more than it saves.
const WORTH_A_THREAD: usize = 1 << 20;

/// The least share of the work.
const LEAST_SHARE: usize = 1 << 16;

/// Elements in a share of the work: a power of two, small enough that a thread which others hold
/// up leaves its shares to the rest.
fn share(len: usize, threads: NonZeroUsize) -> usize {
    if threads.get() == 1 {
        return 1 << (usize::BITS - 1);
    }
    (len / threads.get() / 8)
        .max(LEAST_SHARE)
        .checked_next_power_of_two()
        .unwrap_or(1 << (usize::BITS - 1))
}

/// The trees of all shares side by side, or the fault of the first share that has one.
fn in_shares(
    shares: usize,
    threads: NonZeroUsize,
    reduce: impl Fn(usize) -> Result<Tree, Fault> + Sync,
) -> Result<Tree, Fault> {
    if threads.get() == 1 || shares < 2 {
        let mut whole = Tree::default();
        for index in 0..shares {
            whole.append(reduce(index)?);
        }
        return Ok(whole);
    }
    let next = AtomicUsize::new(0);
    // Shares are taken in ascending order: when one has a fault, all before it are taken.
    let mut parts: Vec<(usize, Result<Tree, Fault>)> =
        side_by_side(threads.get().min(shares), || {
            let mut parts = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= shares {
                    return parts;
                }
                let part = reduce(index);
                if part.is_err() {
                    next.store(shares, Ordering::Relaxed);
                }
                parts.push((index, part));
            }
        });
    parts.sort_unstable_by_key(|(index, _)| *index);
    let mut whole = Tree::default();
    for (_, part) in parts {
        whole.append(part?);
    }
    Ok(whole)
}

/// Does the same on that many threads of rayon's pool.
#[cfg(feature = "rayon")]
fn side_by_side<T: Send>(threads: usize, work: impl Fn() -> Vec<T> + Sync) -> Vec<T> {
    use rayon::prelude::*;
    (0..threads)
        .into_par_iter()
        .with_max_len(1)
        .flat_map_iter(|_| work())
        .collect()
}

/// Does the same on that many threads.
#[cfg(not(feature = "rayon"))]
fn side_by_side<T: Send>(threads: usize, work: impl Fn() -> Vec<T> + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mut all = work();
        for handle in handles {
            match handle.join() {
                Ok(part) => all.extend(part),
                // A panic in the pass is a bug of ours: let it surface as one.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

/// The streams of a piece as they lie in memory, where a kernel can read them so.
#[derive(Debug, Clone, Copy)]
enum Run<'a> {
    F32([&'a [f32]; 3]),
    F64([&'a [f64]; 3]),
    Bf16([&'a [u16]; 3]),
}

impl<'a> Run<'a> {
    fn of(piece: &Piece<'a>) -> Option<(Self, Shape)> {
        if piece.preconditioner.is_some() {
            return None;
        }
        let (g, t, shape) = match (piece.gradient, piece.previous, piece.second, piece.update) {
            (None, None, None, None) => (piece.weights, piece.weights, Shape::Weights),
            (Some(g), None, None, None) => (g, piece.weights, Shape::Gradient),
            (Some(g), Some(t), None, None) => (g, t, Shape::Previous),
            (Some(g), None, Some(t), None) => (g, t, Shape::Second),
            (Some(g), None, None, Some(t)) => (g, t, Shape::Update),
            _ => return None,
        };
        let run = match (piece.weights, g, t) {
            (View::F32(w), View::F32(g), View::F32(t)) => Self::F32([w, g, t]),
            (View::F64(w), View::F64(g), View::F64(t)) => Self::F64([w, g, t]),
            (View::Bf16(w), View::Bf16(g), View::Bf16(t)) => Self::Bf16([w, g, t]),
            _ => return None,
        };
        Some((run, shape))
    }

    /// The sums of a complete subtree, or of a part of one leaf, if they are finite.
    fn sums(
        &self,
        instructions: Instructions,
        shape: Shape,
        range: std::ops::Range<usize>,
    ) -> Option<Sums> {
        fn found<F: kernel::Format>(
            instructions: Instructions,
            shape: Shape,
            all: &[&[F::Bits]; 3],
            range: &std::ops::Range<usize>,
        ) -> [f64; SUMS] {
            let streams = all.map(|stream| &stream[range.clone()]);
            if range.len() < LEAF {
                kernel::part::<F>(instructions, shape, streams)
            } else {
                kernel::reduce::<F>(instructions, shape, streams)
            }
        }
        let sums = match self {
            Self::F32(all) => found::<kernel::F32>(instructions, shape, all, &range),
            Self::F64(all) => found::<kernel::F64>(instructions, shape, all, &range),
            Self::Bf16(all) => found::<kernel::Bf16>(instructions, shape, all, &range),
        };
        sums.iter()
            .all(|sum| sum.is_finite())
            .then(|| named(shape, range.len() as f64, sums))
    }

    /// The tree over elements `from .. to`, the first of which has this position; none where a sum
    /// is not finite.
    fn tree(
        &self,
        instructions: Instructions,
        shape: Shape,
        (from, to): (usize, usize),
        mut position: usize,
    ) -> Option<Tree> {
        let mut tree = Tree {
            nodes: Vec::with_capacity(16),
        };
        let mut at = from;
        while at < to {
            let level = subtree(position, to - at, usize::MAX);
            let len = match level {
                Some(level) => LEAF << level,
                None => (LEAF - position % LEAF).min(to - at),
            };
            let level = level.unwrap_or(0);
            tree.push(Node {
                index: (position / LEAF) >> level,
                level,
                sums: self.sums(instructions, shape, at..at + len)?,
            });
            at += len;
            position += len;
        }
        Some(tree)
    }
}

/// The level of the largest complete subtree of the summation tree that begins at this position,
/// lies in the coming `len` elements and has no more than `free` leaves; none where not even one
/// leaf does.
fn subtree(position: usize, len: usize, free: usize) -> Option<u32> {
    let leaf = position / LEAF;
    if !position.is_multiple_of(LEAF) {
        return None;
    }
    let level = (len / LEAF).min(free).checked_ilog2()?;
    Some(level.min(leaf.trailing_zeros()).min(BLOCK_LEVEL))
}

/// What a kernel found, under the names that the fields have.
fn named(shape: Shape, count: f64, [w_w, w_g, g_g, a, b, c]: [f64; SUMS]) -> Sums {
    let sums = Sums {
        w_count: count,
        w_w,
        w_g,
        g_g,
        ..Sums::default()
    };
    match shape {
        Shape::Weights | Shape::Gradient => sums,
        Shape::Previous => Sums {
            step_count: count,
            step_step: a,
            previous_step: b,
            g_step: c,
            ..sums
        },
        Shape::Second => Sums {
            noise: a,
            g_g2: b,
            w_g2: c,
            ..sums
        },
        Shape::Update => Sums {
            w_u: a,
            u_u: b,
            g_u: c,
            ..sums
        },
    }
}

/// The streams of one leaf, widened.
#[derive(Debug, Clone)]
struct Tile {
    w: Vec<f64>,
    g: Vec<f64>,
    previous: Vec<f64>,
    g2: Vec<f64>,
    u: Vec<f64>,
    d: Vec<f64>,
}

impl Tile {
    /// The sums of the first `fill` positions, over the streams that are there.
    fn sums(&self, instructions: Instructions, fill: usize) -> Sums {
        let (w, g) = (&self.w[..fill], &self.g[..fill]);
        let count = fill as f64;
        let optional = [
            (self.previous.get(..fill), Shape::Previous),
            (self.g2.get(..fill), Shape::Second),
            (self.u.get(..fill), Shape::Update),
        ];
        let mut given = optional
            .into_iter()
            .filter_map(|(stream, shape)| Some((stream?, shape)))
            .map(|(t, shape)| {
                let found = kernel::part::<kernel::F64>(instructions, shape, [w, g, t]);
                named(shape, count, found)
            });
        let Some(mut sums) = given.next() else {
            let found = kernel::part::<kernel::F64>(instructions, Shape::Gradient, [w, g, w]);
            return named(Shape::Gradient, count, found);
        };
        for more in given {
            // The sums of weights and gradient are in every one of them.
            sums.merge(&Sums {
                w_count: 0.0,
                w_w: 0.0,
                w_g: 0.0,
                g_g: 0.0,
                ..more
            });
        }
        sums
    }
}

/// Numbers of elements that came with each optional stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Given {
    gradient: usize,
    previous: usize,
    second: usize,
    update: usize,
    preconditioner: usize,
}

/// Reduces the pieces of one group in one step.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    tile: Tile,
    /// Position in the group of the tile's first element.
    start: usize,
    fill: usize,
    tree: Tree,
    given: Given,
    /// Where the visited elements lie, merged where they touch, in order of arrival.
    spans: Vec<(usize, usize)>,
    count: usize,
    /// Some element came as f64, so that history must be kept as f64.
    pub(crate) wide: bool,
    instructions: Instructions,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self {
            tile: Tile {
                w: Vec::new(),
                g: Vec::new(),
                previous: Vec::new(),
                g2: Vec::new(),
                u: Vec::new(),
                d: Vec::new(),
            },
            start: 0,
            fill: 0,
            tree: Tree {
                nodes: Vec::with_capacity(64),
            },
            given: Given::default(),
            spans: Vec::with_capacity(8),
            count: 0,
            wide: false,
            instructions: Instructions::default(),
        }
    }
}

impl Accumulator {
    /// Forgets the last step.
    pub(crate) fn begin(&mut self) {
        self.start = 0;
        self.fill = 0;
        self.tree.nodes.clear();
        self.given = Given::default();
        self.spans.clear();
        self.count = 0;
        self.wide = false;
        // What a step does not bring is not there, whatever the last one brought.
        let Tile {
            previous, g2, u, d, ..
        } = &mut self.tile;
        for optional in [previous, g2, u, d] {
            optional.clear();
        }
    }

    /// Elements taken so far.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The position after the last element.
    pub(crate) fn position(&self) -> usize {
        self.start + self.fill
    }

    /// How many elements came with previous weights, where only some did.
    pub(crate) fn partly_previous(&self) -> Option<usize> {
        let given = self.given.previous;
        (given != 0 && given != self.count).then_some(given)
    }

    /// First position, and one past the last, if the spans cover what lies between them.
    pub(crate) fn extent(&mut self) -> Result<(usize, usize), (usize, usize)> {
        self.spans.sort_unstable();
        for pair in self.spans.windows(2) {
            if pair[0].1 != pair[1].0 {
                return Err((pair[1].0, pair[0].1));
            }
        }
        let first = self.spans.first().map_or(0, |span| span.0);
        let last = self.spans.last().map_or(0, |span| span.1);
        Ok((first, last))
    }

    /// Takes elements `skip .. skip + len` of a checked piece to position `at` of the group.
    pub(crate) fn piece(
        &mut self,
        piece: &Piece<'_>,
        at: usize,
        len: usize,
        skip: usize,
        mut history: Option<&mut History>,
    ) -> Result<(), Fault> {
        if at != self.position() {
            self.flush(history.as_deref_mut())?;
            self.start = at;
        }
        self.wide |= piece.is_wide();
        let run = Run::of(piece);
        let mut done = 0;
        while done < len {
            if let Some((run, shape)) = run
                && self.fill == 0
                && let free = history
                    .as_deref()
                    .map_or(usize::MAX, |history| history.unfollowed(self.start / LEAF))
                && let Some(level) = subtree(self.start, len - done, free)
                && let from = skip + done
                && let Some(sums) = run.sums(self.instructions, shape, from..from + (LEAF << level))
            {
                self.tree.push(Node {
                    index: (self.start / LEAF) >> level,
                    level,
                    sums,
                });
                self.start += LEAF << level;
                done += LEAF << level;
                continue;
            }
            // Up to the next leaf boundary of the group.
            let room = LEAF - self.position() % LEAF;
            let take = room.min(len - done);
            let (from, to) = (self.fill, self.fill + take);
            let source = skip + done;
            self.tile.w.resize(LEAF, 0.0);
            self.tile.g.resize(LEAF, 0.0);
            piece.weights.widen(source, &mut self.tile.w[from..to]);
            match piece.gradient {
                Some(view) => view.widen(source, &mut self.tile.g[from..to]),
                None => self.tile.g[from..to].fill(0.0),
            }
            widen_optional(
                piece.previous,
                source,
                &mut self.tile.previous,
                from..to,
                0.0,
            );
            widen_optional(piece.second, source, &mut self.tile.g2, from..to, 0.0);
            widen_optional(piece.update, source, &mut self.tile.u, from..to, 0.0);
            widen_optional(
                piece.preconditioner,
                source,
                &mut self.tile.d,
                from..to,
                1.0,
            );
            self.fill += take;
            done += take;
            if take == room {
                self.flush(history.as_deref_mut())?;
            }
        }
        self.count += len;
        self.given.gradient += if piece.gradient.is_some() { len } else { 0 };
        self.given.previous += if piece.previous.is_some() { len } else { 0 };
        self.given.second += if piece.second.is_some() { len } else { 0 };
        self.given.update += if piece.update.is_some() { len } else { 0 };
        self.given.preconditioner += if piece.preconditioner.is_some() {
            len
        } else {
            0
        };
        match self.spans.last_mut() {
            Some(span) if span.1 == at => span.1 += len,
            _ => self.spans.push((at, at + len)),
        }
        Ok(())
    }

    /// Reduces what the tile holds and moves to the next position.
    pub(crate) fn flush(&mut self, history: Option<&mut History>) -> Result<(), Fault> {
        let fill = self.fill;
        if fill == 0 {
            return Ok(());
        }
        let mut sums = self.tile.sums(self.instructions, fill);
        let (w, g) = (&self.tile.w[..fill], &self.tile.g[..fill]);
        let previous = self.tile.previous.get(..fill);
        let (g2, d) = (self.tile.g2.get(..fill), self.tile.d.get(..fill));
        if let Some(d) = d {
            if let Some(&value) = d.iter().find(|&&d| d <= 0.0) {
                return Err(Fault::NotPositive { value });
            }
            let mut dg = [0.0; LEAF];
            let dg = &mut dg[..fill];
            for ((to, &d), &g) in dg.iter_mut().zip(d).zip(g) {
                *to = d * g;
            }
            sums.g_g_d = dot(g, dg);
            sums.dg_dg = dot(dg, dg);
            sums.w_w_d = inverse_weighted(w, w, d);
            if let Some(g2) = g2 {
                sums.g_g2_d = dot(dg, g2);
                let mut apart = [0.0; LEAF];
                let apart = &mut apart[..fill];
                for ((to, &a), &b) in apart.iter_mut().zip(g).zip(g2) {
                    *to = a - b;
                }
                sums.noise_d = dot(dg, apart);
                for (apart, &d) in apart.iter_mut().zip(d) {
                    *apart *= d;
                }
                sums.d_noise = dot(dg, apart);
            }
        }
        if let Some(history) = history {
            let leaf = Leaf {
                w,
                g,
                previous,
                g2,
                d,
            };
            history.visit(self.instructions, self.start, &leaf, &mut sums);
        }
        if !sums.to_array().iter().all(|x| x.is_finite()) {
            return Err(self.fault());
        }
        self.tree.push(Node {
            index: self.start / LEAF,
            level: 0,
            sums,
        });
        self.start += fill;
        self.fill = 0;
        Ok(())
    }

    /// The element that made a sum non-finite: looked for only once it is known to be there.
    fn fault(&self) -> Fault {
        let streams = [
            ("weights", &self.tile.w),
            ("gradient", &self.tile.g),
            ("previous weights", &self.tile.previous),
            ("second gradient", &self.tile.g2),
            ("update", &self.tile.u),
            ("preconditioner", &self.tile.d),
        ];
        let mut worst = ("weights", 0.0_f64);
        for (stream, values) in streams {
            for (i, &value) in values.iter().take(self.fill).enumerate() {
                if !value.is_finite() {
                    return Fault::NonFinite {
                        stream,
                        index: self.start + i,
                        value,
                    };
                }
                if value.abs() > worst.1 {
                    worst = (stream, value.abs());
                }
            }
        }
        Fault::Overflow {
            stream: worst.0,
            largest: worst.1,
        }
    }

    /// Everything reduced so far; call after a last [`Accumulator::flush`].
    pub(crate) fn total(&self) -> Sums {
        let mut sums = self.tree.total();
        sums.g_count = self.given.gradient as f64;
        sums.g2_count = self.given.second as f64;
        sums.u_count = self.given.update as f64;
        sums.d_count = self.given.preconditioner as f64;
        sums
    }
}

/// Widens a stream that most users do not have, in a buffer that appears with its first use.
fn widen_optional(
    view: Option<View<'_>>,
    source: usize,
    buffer: &mut Vec<f64>,
    range: std::ops::Range<usize>,
    absent: f64,
) {
    match view {
        Some(view) => {
            buffer.resize(LEAF, absent);
            view.widen(source, &mut buffer[range]);
        }
        None if buffer.len() == LEAF => buffer[range].fill(absent),
        None => {}
    }
}

/// Sum of `f` over two slices of equal length in fixed lanes: lane i takes positions ≡ i mod 8.
pub(crate) fn lanes(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut partial = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            partial[lane] += f(a[lane], b[lane]);
        }
    }
    for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        partial[lane] += f(a, b);
    }
    kernel::total(partial)
}

/// Σ a b / d.
pub(crate) fn inverse_weighted(a: &[f64], b: &[f64], d: &[f64]) -> f64 {
    let mut scaled = [0.0; LEAF];
    let scaled = &mut scaled[..a.len().min(LEAF)];
    for ((to, &b), &d) in scaled.iter_mut().zip(b).zip(d) {
        *to = b / d;
    }
    dot(a, scaled)
}

/// The streams of one leaf, as history sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) w: &'a [f64],
    pub(crate) g: &'a [f64],
    pub(crate) previous: Option<&'a [f64]>,
    pub(crate) g2: Option<&'a [f64]>,
    pub(crate) d: Option<&'a [f64]>,
}

/// Inner product in fixed lanes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    lanes(a, b, |a, b| a * b)
}

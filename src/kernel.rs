//! The inner loop of the pass: the sums of one leaf, in vector instructions or in plain code.
//!
//! # The definition
//! A leaf has 512 positions and eight partial sums for every product: partial sum i takes the
//! positions ≡ i mod 8 in ascending order, each as one multiplication and one addition in `f64`.
//! The eight then meet as ((0+1)+(2+3))+((4+5)+(6+7)). That order is all of the definition, so
//! whatever follows it gives the same bits: plain code, and registers of two, four or eight lanes.
//!
//! # Where a multiplication may be fused with its addition
//! Two `f32` have 24 significant bits each, and `f64` holds the 48 of their product and its
//! exponent: the product rounds nowhere, so that a fused multiply-add and two operations are the
//! same number. So it is with bfloat16. A difference of two `f32` is rounded, and so is the
//! product of two `f64`: there, the two operations stay two.
//!
//! # Memory
//! Two streams are as fast as memory without further care. With three, the hardware's own
//! prefetching falls behind; the loop therefore asks for the lines of the leaf after next while it
//! works on this one, and does so through a function that is safe to call.
//!
//! # When a number lies
//! It does not, but it costs: elements below 1.2e-38, the subnormal `f32`, are exact here and make
//! some processors convert them in microcode, more slowly.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a dispatched function is compiled for its instructions"
)]

use crate::projection::{BLOCK, Table};
use crate::snapshot::View;
use crate::sums::LEAF;

/// Eight `f64` in lanes, and what a kernel does with them.
pub(crate) trait Machine: Copy {
    type Lanes: Copy;
    fn zero(self) -> Self::Lanes;
    fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// a b + c, fused or not: only where a b is exact.
    fn exact_mul_add(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    /// One, as no compiler knows it: it would make an addition of a product with it.
    fn one(self) -> Self::Lanes;
    /// a + c, where there is a unit for it by that which multiplies: a · 1 + c.
    fn add_by(self, a: Self::Lanes, one: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    fn f32s(self, values: &[f32; STEP]) -> [Self::Lanes; WIDTH];
    fn bf16s(self, bits: &[u16; STEP]) -> [Self::Lanes; WIDTH];
    fn f64s(self, values: &[f64; STEP]) -> [Self::Lanes; WIDTH];
    fn f32x8(self, values: &[f32; LANES]) -> Self::Lanes;
    fn f64x8(self, values: &[f64; LANES]) -> Self::Lanes;
    /// Sixteen values, negated where their bit is set.
    fn signed(self, values: &[f32; BLOCK], signs: u16) -> [Self::Lanes; 2];
    fn store(self, lanes: Self::Lanes) -> [f64; LANES];
}

/// Independent partial sums in a leaf.
pub(crate) const LANES: usize = 8;
/// Positions that a kernel loads at once.
pub(crate) const STEP: usize = 32;
const WIDTH: usize = STEP / LANES;

/// An element type that kernels read as it lies in memory.
pub(crate) trait Format {
    type Bits: Copy + Default + Sync;
    /// Whether the product of two elements is exact in `f64`.
    const EXACT: bool;
    fn load<M: Machine>(machine: M, bits: &[Self::Bits; STEP]) -> [M::Lanes; WIDTH];
}

/// A type in which past values are kept.
pub(crate) trait Kept: Copy + Default + Sync {
    fn lanes<M: Machine>(machine: M, values: &[Self; LANES]) -> M::Lanes;
}

impl Kept for f32 {
    #[inline(always)]
    fn lanes<M: Machine>(machine: M, values: &[Self; LANES]) -> M::Lanes {
        machine.f32x8(values)
    }
}

impl Kept for f64 {
    #[inline(always)]
    fn lanes<M: Machine>(machine: M, values: &[Self; LANES]) -> M::Lanes {
        machine.f64x8(values)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct F32;
#[derive(Debug, Clone, Copy)]
pub(crate) struct F64;
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bf16;

impl Format for F32 {
    type Bits = f32;
    const EXACT: bool = true;
    #[inline(always)]
    fn load<M: Machine>(machine: M, bits: &[f32; STEP]) -> [M::Lanes; WIDTH] {
        machine.f32s(bits)
    }
}

impl Format for F64 {
    type Bits = f64;
    const EXACT: bool = false;
    #[inline(always)]
    fn load<M: Machine>(machine: M, bits: &[f64; STEP]) -> [M::Lanes; WIDTH] {
        machine.f64s(bits)
    }
}

impl Format for Bf16 {
    type Bits = u16;
    const EXACT: bool = true;
    #[inline(always)]
    fn load<M: Machine>(machine: M, bits: &[u16; STEP]) -> [M::Lanes; WIDTH] {
        machine.bf16s(bits)
    }
}

/// What the streams of a leaf are, beyond the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// w: Σw².
    Weights,
    /// w, g: and Σwg, Σg².
    Gradient,
    /// w, g, w₋₁: and Σ(w−w₋₁)², Σw₋₁(w−w₋₁), Σg(w−w₋₁).
    Previous,
    /// w, g, g₂: and Σ(g−g₂)², Σgg₂, Σwg₂.
    Second,
    /// w, g, u: and Σwu, Σu², Σgu.
    Update,
}

/// The most sums that a shape has.
pub(crate) const SUMS: usize = 6;

const WEIGHTS: u8 = 0;
const GRADIENT: u8 = 1;
const PREVIOUS: u8 = 2;
const SECOND: u8 = 3;
const UPDATE: u8 = 4;

/// Adds one step of positions to the partial sums.
#[inline(always)]
fn add_step<M: Machine, F: Format, const SHAPE: u8>(
    m: M,
    mut sums: [M::Lanes; SUMS],
    one: M::Lanes,
    [w, g, t]: [&[F::Bits; STEP]; 3],
) -> [M::Lanes; SUMS] {
    let product = |a, b, c| {
        if F::EXACT {
            m.exact_mul_add(a, b, c)
        } else {
            m.add(m.mul(a, b), c)
        }
    };
    let rounded = |a, b, c| m.add(m.mul(a, b), c);
    let w = F::load(m, w);
    let g = if SHAPE >= GRADIENT { F::load(m, g) } else { w };
    let t = if SHAPE >= PREVIOUS { F::load(m, t) } else { w };
    for k in 0..WIDTH {
        let (w, g, t) = (w[k], g[k], t[k]);
        sums[0] = product(w, w, sums[0]);
        if SHAPE == WEIGHTS {
            continue;
        }
        sums[1] = product(w, g, sums[1]);
        sums[2] = product(g, g, sums[2]);
        match SHAPE {
            PREVIOUS => {
                let step = m.sub(w, t);
                // Seven additions and conversions to six multiplications: one for the others' unit.
                sums[3] = m.add_by(m.mul(step, step), one, sums[3]);
                sums[4] = rounded(t, step, sums[4]);
                sums[5] = rounded(g, step, sums[5]);
            }
            SECOND => {
                let apart = m.sub(g, t);
                sums[3] = m.add_by(m.mul(apart, apart), one, sums[3]);
                sums[4] = product(g, t, sums[4]);
                sums[5] = product(w, t, sums[5]);
            }
            UPDATE => {
                sums[3] = product(w, t, sums[3]);
                sums[4] = product(t, t, sums[4]);
                sums[5] = product(g, t, sums[5]);
            }
            _ => {}
        }
    }
    sums
}

/// The sums of one whole leaf, while the lines of another are asked for.
#[inline(always)]
fn leaf<M: Machine, F: Format, const SHAPE: u8>(
    m: M,
    streams: [&[F::Bits; LEAF]; 3],
    ahead: [&[F::Bits; LEAF]; 3],
) -> [f64; SUMS] {
    let (mut sums, one) = ([m.zero(); SUMS], m.one());
    let [w, g, t] = streams.map(|stream| stream.as_chunks::<STEP>().0);
    for (i, ((w, g), t)) in w.iter().zip(g).zip(t).enumerate() {
        prefetch(ahead[0], i * STEP);
        if SHAPE >= GRADIENT {
            prefetch(ahead[1], i * STEP);
        }
        if SHAPE >= PREVIOUS {
            prefetch(ahead[2], i * STEP);
        }
        sums = add_step::<M, F, SHAPE>(m, sums, one, [w, g, t]);
    }
    sums.map(|lanes| total(m.store(lanes)))
}

/// The sums of a part of a leaf: whatever lies beyond its end adds zeros.
#[inline(always)]
fn part_by<M: Machine, F: Format, const SHAPE: u8>(m: M, streams: [&[F::Bits]; 3]) -> [f64; SUMS] {
    let (mut sums, one) = ([m.zero(); SUMS], m.one());
    let [(w, w_rest), (g, g_rest), (t, t_rest)] = streams.map(|stream| stream.as_chunks::<STEP>());
    for ((w, g), t) in w.iter().zip(g).zip(t) {
        sums = add_step::<M, F, SHAPE>(m, sums, one, [w, g, t]);
    }
    if !w_rest.is_empty() {
        let rest = [padded(w_rest), padded(g_rest), padded(t_rest)];
        sums = add_step::<M, F, SHAPE>(m, sums, one, rest.each_ref());
    }
    sums.map(|lanes| total(m.store(lanes)))
}

/// The eight partial sums as one.
#[inline(always)]
pub(crate) fn total([a, b, c, d, e, f, g, h]: [f64; LANES]) -> f64 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Levels of the summation tree that one call reduces: 64 leaves, 32 768 positions.
pub(crate) const BLOCK_LEVEL: u32 = 6;

/// The sums of a complete subtree of leaves.
#[inline(always)]
fn block<M: Machine, F: Format, const SHAPE: u8>(m: M, streams: [&[F::Bits]; 3]) -> [f64; SUMS] {
    let [w, g, t] = streams.map(|stream| stream.as_chunks::<LEAF>().0);
    // Siblings wait here for each other.
    let mut waiting = [[0.0; SUMS]; BLOCK_LEVEL as usize + 1];
    let mut depth = 0;
    for (i, ((w_leaf, g_leaf), t_leaf)) in w.iter().zip(g).zip(t).enumerate() {
        let ahead = (i + AHEAD).min(w.len().min(g.len()).min(t.len()) - 1);
        let mut node = leaf::<M, F, SHAPE>(
            m,
            [w_leaf, g_leaf, t_leaf],
            [&w[ahead], &g[ahead], &t[ahead]],
        );
        for _ in 0..(i + 1).trailing_zeros() {
            depth -= 1;
            for (right, left) in node.iter_mut().zip(waiting[depth]) {
                *right += left;
            }
        }
        waiting[depth] = node;
        depth += 1;
    }
    waiting[0]
}

/// Leaves between the one that is read and the one that is asked for.
const AHEAD: usize = 1;

/// Asks for the line that an element lies in.
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn fetch<T>(values: &[T], at: usize) {
    if let Some(value) = values.get(at) {
        safe_arch::prefetch_t0(value);
    }
}

#[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
#[inline(always)]
pub(crate) fn fetch<T>(_: &[T], _: usize) {}

/// Asks for the lines of one step.
#[inline(always)]
fn prefetch<T>(values: &[T; LEAF], from: usize) {
    let line = 64 / size_of::<T>();
    for i in 0..STEP.div_ceil(line) {
        fetch(values, from + i * line);
    }
}

/// The sums of a complete subtree of whole leaves, by the best that this machine has.
pub(crate) fn reduce<F: Format>(
    instructions: Instructions,
    shape: Shape,
    streams: [&[F::Bits]; 3],
) -> [f64; SUMS] {
    match shape {
        Shape::Weights => run::<F, WEIGHTS>(instructions, streams),
        Shape::Gradient => run::<F, GRADIENT>(instructions, streams),
        Shape::Previous => run::<F, PREVIOUS>(instructions, streams),
        Shape::Second => run::<F, SECOND>(instructions, streams),
        Shape::Update => run::<F, UPDATE>(instructions, streams),
    }
}

fn run<F: Format, const SHAPE: u8>(
    instructions: Instructions,
    streams: [&[F::Bits]; 3],
) -> [f64; SUMS] {
    #[cfg(feature = "simd")]
    if let Some(level) = vectors::level(instructions) {
        return fearless_simd::dispatch!(level, simd => {
            block::<_, F, SHAPE>(vectors::Vectors(simd), streams)
        });
    }
    let _ = instructions;
    block::<_, F, SHAPE>(Plain, streams)
}

/// The sums of a part of a leaf, by the best that this machine has.
pub(crate) fn part<F: Format>(
    instructions: Instructions,
    shape: Shape,
    streams: [&[F::Bits]; 3],
) -> [f64; SUMS] {
    match shape {
        Shape::Weights => run_part::<F, WEIGHTS>(instructions, streams),
        Shape::Gradient => run_part::<F, GRADIENT>(instructions, streams),
        Shape::Previous => run_part::<F, PREVIOUS>(instructions, streams),
        Shape::Second => run_part::<F, SECOND>(instructions, streams),
        Shape::Update => run_part::<F, UPDATE>(instructions, streams),
    }
}

fn run_part<F: Format, const SHAPE: u8>(
    instructions: Instructions,
    streams: [&[F::Bits]; 3],
) -> [f64; SUMS] {
    #[cfg(feature = "simd")]
    if let Some(level) = vectors::level(instructions) {
        return fearless_simd::dispatch!(level, simd => {
            part_by::<_, F, SHAPE>(vectors::Vectors(simd), streams)
        });
    }
    let _ = instructions;
    part_by::<_, F, SHAPE>(Plain, streams)
}

/// What is remembered of a leaf: the weights of one and of two steps ago, the gradient of one step
/// ago, and the centre. All are as long as the leaf's present; what is not known is anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past<'a, K> {
    pub(crate) w1: &'a [K],
    pub(crate) w2: &'a [K],
    pub(crate) g1: &'a [K],
    pub(crate) centre: &'a [f64],
}

/// Products of a leaf's present with its past.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PastSums {
    pub(crate) step_step: f64,
    pub(crate) previous_step: f64,
    pub(crate) g_step: f64,
    pub(crate) midpoint_midpoint: f64,
    pub(crate) step_step1: f64,
    pub(crate) g_g1: f64,
    pub(crate) lag_sum: f64,
    pub(crate) lag_difference: f64,
    pub(crate) centred_g: f64,
    pub(crate) centred_w: f64,
}

/// All products of weights and gradient with the past at once, in the order of a leaf.
pub(crate) fn past<K: Kept>(
    instructions: Instructions,
    w: &[f64],
    g: &[f64],
    past: &Past<'_, K>,
) -> PastSums {
    #[cfg(feature = "simd")]
    if let Some(level) = vectors::level(instructions) {
        return fearless_simd::dispatch!(level, simd => {
            past_by(vectors::Vectors(simd), w, g, past)
        });
    }
    let _ = instructions;
    past_by(Plain, w, g, past)
}

#[inline(always)]
fn past_by<M: Machine, K: Kept>(m: M, w: &[f64], g: &[f64], past: &Past<'_, K>) -> PastSums {
    let mut sums = [m.zero(); PAST_SUMS];
    let (w, w_rest) = w.as_chunks();
    let (g, g_rest) = g.as_chunks();
    let (w1, w1_rest) = past.w1.as_chunks();
    let (w2, w2_rest) = past.w2.as_chunks();
    let (g1, g1_rest) = past.g1.as_chunks();
    let (c, c_rest) = past.centre.as_chunks();
    for (((((w, g), w1), w2), g1), c) in w.iter().zip(g).zip(w1).zip(w2).zip(g1).zip(c) {
        sums = add_past(m, sums, (w, g, c), (w1, w2, g1));
    }
    if !w_rest.is_empty() {
        let present = (&padded(w_rest), &padded(g_rest), &padded(c_rest));
        let before = (&padded(w1_rest), &padded(w2_rest), &padded(g1_rest));
        sums = add_past(m, sums, present, before);
    }
    let [
        step_step,
        previous_step,
        g_step,
        midpoint_midpoint,
        step_step1,
        g_g1,
        lag_sum,
        lag_difference,
        centred_g,
        centred_w,
    ] = sums.map(|lanes| total(m.store(lanes)));
    PastSums {
        step_step,
        previous_step,
        g_step,
        midpoint_midpoint,
        step_step1,
        g_g1,
        lag_sum,
        lag_difference,
        centred_g,
        centred_w,
    }
}

const PAST_SUMS: usize = 10;

type Eight<T> = [T; LANES];

/// Eight positions of (w, g, centre) and (w₋₁, w₋₂, g₋₁) more.
#[inline(always)]
fn add_past<M: Machine, K: Kept>(
    m: M,
    sums: [M::Lanes; PAST_SUMS],
    (w, g, centre): (&Eight<f64>, &Eight<f64>, &Eight<f64>),
    (w1, w2, g1): (&Eight<K>, &Eight<K>, &Eight<K>),
) -> [M::Lanes; PAST_SUMS] {
    let (w, g, centre) = (m.f64x8(w), m.f64x8(g), m.f64x8(centre));
    let (w1, w2, g1) = (K::lanes(m, w1), K::lanes(m, w2), K::lanes(m, g1));
    let (step, before) = (m.sub(w, w1), m.sub(w1, w2));
    let midpoint = m.mul(m.f64x8(&[0.5; LANES]), m.sub(w, w2));
    let (plus, minus) = (m.add(g, g1), m.sub(g, g1));
    let apart = m.sub(w, centre);
    [
        m.add(m.mul(step, step), sums[0]),
        m.add(m.mul(w1, step), sums[1]),
        m.add(m.mul(g, step), sums[2]),
        m.add(m.mul(midpoint, midpoint), sums[3]),
        m.add(m.mul(step, before), sums[4]),
        m.add(m.mul(g, g1), sums[5]),
        m.add(m.mul(plus, plus), sums[6]),
        m.add(m.mul(minus, minus), sums[7]),
        m.add(m.mul(apart, g), sums[8]),
        m.add(m.mul(apart, w), sums[9]),
    ]
}

/// The last few positions, and zeros, which change no sum.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut padded = [T::default(); N];
    for (to, from) in padded.iter_mut().zip(rest) {
        *to = *from;
    }
    padded
}

/// Adds whole blocks of values, the first of them number `first`, to the sums of a projection.
pub(crate) fn project(
    instructions: Instructions,
    table: &Table,
    first: usize,
    values: View<'_>,
    sums: &mut [f64],
) {
    #[cfg(feature = "simd")]
    if let Some(level) = vectors::level(instructions) {
        return fearless_simd::dispatch!(level, simd => {
            project_by(vectors::Vectors(simd), table, first, values, sums);
        });
    }
    let _ = instructions;
    project_by(Plain, table, first, values, sums);
}

#[inline(always)]
fn project_by<M: Machine>(m: M, table: &Table, first: usize, values: View<'_>, sums: &mut [f64]) {
    match values {
        View::F32(values) => {
            let blocks = values.as_chunks::<BLOCK>().0;
            // Pairs share a hash, and the first block may be the second of its pair.
            let (single, rest) = blocks.split_at(blocks.len().min(first % 2));
            let (pairs, last) = rest.as_chunks::<2>();
            let start = first + single.len();
            for block in single {
                let (place, signs) = table.entry(first);
                add_block(m, sums, place, m.signed(block, signs));
            }
            for (i, [even, odd]) in pairs.iter().enumerate() {
                fetch(values, i * 2 * BLOCK + LEAF);
                fetch(values, i * 2 * BLOCK + LEAF + BLOCK);
                let [(place, signs), (next_place, next_signs)] = table.pair(start / 2 + i);
                add_block(m, sums, place, m.signed(even, signs));
                add_block(m, sums, next_place, m.signed(odd, next_signs));
            }
            for block in last {
                let (place, signs) = table.entry(start + 2 * pairs.len());
                add_block(m, sums, place, m.signed(block, signs));
            }
        }
        View::Bf16(bits) => {
            for (i, block) in bits.as_chunks::<BLOCK>().0.iter().enumerate() {
                let (place, signs) = table.entry(first + i);
                let block = block.map(|bits| f32::from_bits(u32::from(bits) << 16));
                add_block(m, sums, place, m.signed(&block, signs));
            }
        }
        View::F64(_) | View::F16(_) => {
            for i in 0..values.len() / BLOCK {
                let (place, signs) = table.entry(first + i);
                let mut block = [0.0; BLOCK];
                values.widen(i * BLOCK, &mut block);
                let [low, high] = m.signed(&[1.0; BLOCK], signs);
                let (a, b) = block.split_at(LANES);
                let (a, b) = (padded(a), padded(b));
                let signed = [m.mul(m.f64x8(&a), low), m.mul(m.f64x8(&b), high)];
                add_block(m, sums, place, signed);
            }
        }
    }
}

/// Adds to sixteen sums from one place on.
#[inline(always)]
fn add_block<M: Machine>(m: M, sums: &mut [f64], place: usize, block: [M::Lanes; 2]) {
    let Some(sums) = sums.get_mut(place..place + BLOCK) else {
        return;
    };
    for (sums, more) in sums.as_chunks_mut().0.iter_mut().zip(block) {
        *sums = m.store(m.add(m.f64x8(sums), more));
    }
}

/// Plain code, which the compiler may put into the vectors that every processor of the target has.
#[derive(Debug, Clone, Copy)]
struct Plain;

impl Machine for Plain {
    type Lanes = [f64; LANES];
    #[inline(always)]
    fn zero(self) -> Self::Lanes {
        [0.0; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn exact_mul_add(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn one(self) -> Self::Lanes {
        [1.0; LANES]
    }
    #[inline(always)]
    fn add_by(self, a: Self::Lanes, _: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
        self.add(a, c)
    }
    #[inline(always)]
    fn f32s(self, values: &[f32; STEP]) -> [Self::Lanes; WIDTH] {
        std::array::from_fn(|k| std::array::from_fn(|i| f64::from(values[k * LANES + i])))
    }
    #[inline(always)]
    fn bf16s(self, bits: &[u16; STEP]) -> [Self::Lanes; WIDTH] {
        let wide = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
        std::array::from_fn(|k| std::array::from_fn(|i| wide(bits[k * LANES + i])))
    }
    #[inline(always)]
    fn f64s(self, values: &[f64; STEP]) -> [Self::Lanes; WIDTH] {
        std::array::from_fn(|k| std::array::from_fn(|i| values[k * LANES + i]))
    }
    #[inline(always)]
    fn f32x8(self, values: &[f32; LANES]) -> Self::Lanes {
        values.map(f64::from)
    }
    #[inline(always)]
    fn f64x8(self, values: &[f64; LANES]) -> Self::Lanes {
        *values
    }
    #[inline(always)]
    fn signed(self, values: &[f32; BLOCK], signs: u16) -> [Self::Lanes; 2] {
        let sign = |i: usize| u32::from(signs >> i & 1) << 31;
        let signed = |i: usize| f64::from(f32::from_bits(values[i].to_bits() ^ sign(i)));
        [
            std::array::from_fn(signed),
            std::array::from_fn(|i| signed(i + LANES)),
        ]
    }
    #[inline(always)]
    fn store(self, lanes: Self::Lanes) -> [f64; LANES] {
        lanes
    }
}

#[cfg(feature = "simd")]
mod vectors {
    use fearless_simd::{Level, f32x8, f32x16, f64x8, prelude::*, u16x8, u32x16};

    use super::{BLOCK, Instructions, LANES, Machine, STEP, WIDTH};

    /// Powers of two that bring bit i of sixteen to bit 31.
    const SHIFTS: [u32; BLOCK] = {
        let mut shifts = [0; BLOCK];
        let mut i = 0;
        while i < BLOCK {
            shifts[i] = 1 << (31 - i);
            i += 1;
        }
        shifts
    };

    /// A level of vector instructions that the processor was found to have.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct Vectors<S>(pub(super) S);

    impl<S: Simd> Machine for Vectors<S> {
        type Lanes = f64x8<S>;
        #[inline(always)]
        fn zero(self) -> Self::Lanes {
            self.0.splat_f64x8(0.0)
        }
        #[inline(always)]
        fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            a + b
        }
        #[inline(always)]
        fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            a - b
        }
        #[inline(always)]
        fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            a * b
        }
        #[inline(always)]
        fn exact_mul_add(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
            a.mul_add(b, c)
        }
        #[inline(always)]
        fn one(self) -> Self::Lanes {
            self.0.splat_f64x8(std::hint::black_box(1.0))
        }
        #[inline(always)]
        fn add_by(self, a: Self::Lanes, one: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
            // Registers of two have no fused multiply-add that would be worth it.
            if S::f64s::LEN > 2 {
                a.mul_add(one, c)
            } else {
                a + c
            }
        }
        #[inline(always)]
        fn f32s(self, values: &[f32; STEP]) -> [Self::Lanes; WIDTH] {
            let (a, b) = values.split_at(STEP / 2);
            let (a, b) = (f32x16::from_slice(self.0, a), f32x16::from_slice(self.0, b));
            let ((a, b), (c, d)) = (self.0.widen_f32x16(a), self.0.widen_f32x16(b));
            [a, b, c, d]
        }
        #[inline(always)]
        fn bf16s(self, bits: &[u16; STEP]) -> [Self::Lanes; WIDTH] {
            let mut lanes = [self.zero(); WIDTH];
            for (lanes, bits) in lanes.iter_mut().zip(bits.as_chunks::<LANES>().0) {
                let (a, b) = self.0.widen_u16x8(u16x8::load_array_ref(self.0, bits));
                let wide: f32x8<S> = (self.0.combine_u32x4(a, b) << 16).bitcast();
                let (a, b) = self.0.widen_f32x8(wide);
                *lanes = self.0.combine_f64x4(a, b);
            }
            lanes
        }
        #[inline(always)]
        fn f64s(self, values: &[f64; STEP]) -> [Self::Lanes; WIDTH] {
            std::array::from_fn(|k| f64x8::from_slice(self.0, &values[k * LANES..(k + 1) * LANES]))
        }
        #[inline(always)]
        fn f32x8(self, values: &[f32; LANES]) -> Self::Lanes {
            let (a, b) = self.0.widen_f32x8(f32x8::load_array_ref(self.0, values));
            self.0.combine_f64x4(a, b)
        }
        #[inline(always)]
        fn f64x8(self, values: &[f64; LANES]) -> Self::Lanes {
            f64x8::load_array_ref(self.0, values)
        }
        #[inline(always)]
        fn signed(self, values: &[f32; BLOCK], signs: u16) -> [Self::Lanes; 2] {
            // The product shifts each lane's own bit to where the sign is.
            let shifts = u32x16::load_array(self.0, SHIFTS);
            let signs = u32x16::splat(self.0, u32::from(signs)) * shifts;
            let values: u32x16<S> = f32x16::load_array_ref(self.0, values).bitcast();
            let signed: f32x16<S> = (values ^ (signs & (1 << 31))).bitcast();
            self.0.widen_f32x16(signed).into()
        }
        #[inline(always)]
        fn store(self, lanes: Self::Lanes) -> [f64; LANES] {
            lanes.into()
        }
    }

    /// The level behind a choice, if the processor has it.
    pub(super) fn level(instructions: Instructions) -> Option<Level> {
        let best = Level::new();
        match instructions {
            Instructions::Best => Some(best),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Instructions::Sse2 => best.as_sse2().map(Level::Sse2),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Instructions::Sse42 => best.as_sse4_2().map(Level::Sse4_2),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Instructions::Avx2 => best.as_avx2().map(Level::Avx2),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Instructions::Avx512 => best.as_avx512().map(Level::Avx512),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => best.as_neon().map(Level::Neon),
            _ => None,
        }
    }

    /// The name of the best level.
    pub(super) fn best() -> Instructions {
        [
            Instructions::Avx512,
            Instructions::Avx2,
            Instructions::Sse42,
            Instructions::Sse2,
            Instructions::Neon,
        ]
        .into_iter()
        .find(|&instructions| level(instructions).is_some())
        .unwrap_or(Instructions::Plain)
    }
}

/// The vector instructions that the pass uses. All give the same bits; a choice other than the
/// default is for measuring, or for a machine whose clock slows down under the widest.
///
/// A choice that the processor lacks, or that the crate was built without (feature `simd`), runs
/// the plain code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Instructions {
    /// The widest that the processor has, found when the program runs.
    #[default]
    Best,
    /// Plain code, as the compiler makes it for any processor of the target.
    Plain,
    /// x86: registers of two `f64`.
    Sse2,
    /// x86: registers of two `f64`.
    Sse42,
    /// x86: registers of four `f64`, with fused multiply-add.
    Avx2,
    /// x86: registers of eight `f64`, as of Ice Lake and Zen 4.
    Avx512,
    /// 64-bit ARM: registers of two `f64`.
    Neon,
}

impl Instructions {
    /// What [`Instructions::Best`] is on this processor and in this build.
    pub fn detected() -> Self {
        #[cfg(feature = "simd")]
        return vectors::best();
        #[cfg(not(feature = "simd"))]
        Self::Plain
    }

    /// Everything that differs and runs on this processor and in this build, plain code first.
    pub fn available() -> impl Iterator<Item = Self> {
        let all = [
            Self::Plain,
            Self::Sse2,
            Self::Sse42,
            Self::Avx2,
            Self::Avx512,
            Self::Neon,
        ];
        all.into_iter().filter(|&instructions| {
            #[cfg(feature = "simd")]
            if vectors::level(instructions).is_some() {
                return true;
            }
            instructions == Self::Plain
        })
    }
}

impl std::fmt::Display for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Best => "best",
            Self::Plain => "plain",
            Self::Sse2 => "SSE2",
            Self::Sse42 => "SSE4.2",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
            Self::Neon => "NEON",
        })
    }
}

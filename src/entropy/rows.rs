//! Squared distances between rows of parameters, in an order of summation that never changes.
//!
//! Differences are taken in f64, squared and added; no product is ever formed of the parameters
//! themselves, for `|a|² + |b|² − 2 a·b` loses every digit of a displacement that is small against
//! the weights. The sum of a pair of rows is defined as
//!
//! <!-- math
//! \sum_{\text{leaf}} \operatorname{fold}_{l < 16} \sum_{j} (a_{16j+l} - b_{16j+l})^2 ,
//! -->
#![doc = include_str!("../math/entropy_rows.html")]
//!
//! over leaves of 1024 parameters, each summed in sixteen lanes which are folded by a fixed tree;
//! leaves are added in twice the working precision. Multiplication and addition are rounded
//! separately. So a distance has the same bits on every instruction set and for every number of
//! threads, whether it was computed row by row ([`one_against_many`]) or in tiles of many rows
//! ([`each_against_earlier`]), and its relative error stays near 10⁻¹⁵ for any number of
//! parameters.
//!
//! One row against many reads each of them once: it runs at the speed of memory. Tiles of many
//! rows are packed as f64 once and compared while they are in cache: they run at the speed of
//! arithmetic.
//!
//! When it lies: never more than the rounding of its input; differences below 10⁻¹⁵⁴ square to
//! zero.
#![expect(
    clippy::inline_always,
    reason = "what is called where vector instructions are allowed must be compiled there"
)]

use super::distances::Twofold;

/// Running sums of a leaf.
const LANES: usize = 16;
/// Parameters of a leaf; part of the definition of the sum.
const LEAF: usize = 1024;
/// Parameters of the new row compared at a time: this much of it stays in cache.
const TILE: usize = 64 * LEAF;
/// Rows on the left of a tile.
const GROUP: usize = 64;
/// Groups whose results wait together: bounds what is held beside the matrix.
const WAVE: usize = 8;
/// Parameters compared in all below which threads cost more than they bring.
#[cfg(feature = "rayon")]
const WORTH_THREADS: usize = 1 << 18;

/// Parameters as they are stored.
pub(super) trait Scalar: Copy + Into<f64> + Send + Sync + 'static {
    /// Σ (a − b)² of each row against `new`, added to its sum.
    fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]);
}

/// `((t₀ + t₄) + (t₂ + t₆)) + ((t₁ + t₅) + (t₃ + t₇))` of `t_i = s_i + s_{i+8}`.
#[inline(always)]
fn fold(s: &[f64; LANES]) -> f64 {
    let t = |i: usize| s[i] + s[i + 8];
    ((t(0) + t(4)) + (t(2) + t(6))) + ((t(1) + t(5)) + (t(3) + t(7)))
}

/// A leaf by the definition: the oracle, and the path without explicit vectors.
#[cfg_attr(feature = "simd", allow(dead_code, reason = "the oracle of the tests"))]
#[inline(always)]
fn leaf<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (wholes, rest) = a.as_chunks::<LANES>();
    let (others, other_rest) = b.as_chunks::<LANES>();
    for (x, y) in wholes.iter().zip(others) {
        for lane in 0..LANES {
            let difference = x[lane].into() - y[lane].into();
            sums[lane] += difference * difference;
        }
    }
    for ((sum, &x), &y) in sums.iter_mut().zip(rest).zip(other_rest) {
        let difference = x.into() - y.into();
        *sum += difference * difference;
    }
    fold(&sums)
}

/// Rows of one to four parameters, where a leaf is a handful of terms of the same tree.
fn tiny<T: Scalar, const D: usize>(new: &[T], rows: &[T], sums: &mut [Twofold]) {
    let Some(new) = new.first_chunk::<D>() else {
        return;
    };
    for (row, sum) in rows.as_chunks::<D>().0.iter().zip(sums) {
        let square = |i: usize| {
            let difference = new[i].into() - row[i].into();
            difference * difference
        };
        sum.add(match D {
            1 => square(0),
            2 => square(0) + square(1),
            3 => (square(0) + square(2)) + square(1),
            _ => (square(0) + square(2)) + (square(1) + square(3)),
        });
    }
}

/// The squared distances of `new` to each of the rows, which follow each other in memory, added to
/// `sums`.
pub(super) fn one_against_many<T: Scalar>(new: &[T], rows: &[T], sums: &mut [Twofold]) {
    match new.len() {
        0 => {}
        1 => tiny::<T, 1>(new, rows, sums),
        2 => tiny::<T, 2>(new, rows, sums),
        3 => tiny::<T, 3>(new, rows, sums),
        4 => tiny::<T, 4>(new, rows, sums),
        _ => {
            #[cfg(feature = "rayon")]
            if rows.len() >= WORTH_THREADS && rayon::current_num_threads() > 1 {
                use rayon::prelude::*;
                // Some pieces for each thread, so that a slow one is waited for no longer than that.
                let pieces = 4 * rayon::current_num_threads();
                let take = sums.len().div_ceil(pieces).max(1);
                rows.par_chunks(take * new.len())
                    .zip(sums.par_chunks_mut(take))
                    .for_each(|(rows, sums)| T::run(new, rows, sums));
                return;
            }
            T::run(new, rows, sums);
        }
    }
}

/// Rows in one piece of memory, of one width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) flat: &'a [T],
    pub(super) width: usize,
}

impl<T> Rows<'_, T> {
    /// No parameters of this precision.
    pub(super) const NONE: Self = Self {
        flat: &[],
        width: 0,
    };

    fn leaf(&self, row: usize, number: usize) -> &[T] {
        let from = (number * LEAF).min(self.width);
        let to = (from + LEAF).min(self.width);
        let start = row * self.width;
        self.flat.get(start + from..start + to).unwrap_or(&[])
    }
}

type Packed = [[f64; LANES]];

/// Writes a leaf as f64, filled up with zeros, and says how many lines it takes.
fn pack<T: Scalar>(leaf: &[T], into: &mut Packed) -> usize {
    let lines = leaf.len().div_ceil(LANES);
    for (line, piece) in into.iter_mut().zip(leaf.chunks(LANES)) {
        for (slot, &x) in line.iter_mut().zip(piece) {
            *slot = x.into();
        }
        if let Some(empty) = line.get_mut(piece.len()..) {
            empty.fill(0.0);
        }
    }
    lines
}

/// Squared distances of the rows `order[from..]` to all those that stand before them in `order`:
/// calls `write` with both positions in `order`, the later one first, and the distance.
///
/// Rows may have parameters of two precisions; either may be none.
pub(super) fn each_against_earlier(
    singles: Rows<'_, f32>,
    doubles: Rows<'_, f64>,
    order: &[usize],
    from: usize,
    mut write: impl FnMut(usize, usize, f64),
) {
    let groups: Vec<(usize, usize)> = (from..order.len())
        .step_by(GROUP)
        .map(|start| (start, order.len().min(start + GROUP)))
        .collect();
    let of = |&(start, end): &(usize, usize)| {
        let mut sums = vec![Twofold::default(); (end - start) * end];
        group(singles, order, (start, end), &mut sums);
        group(doubles, order, (start, end), &mut sums);
        sums
    };
    for wave in groups.chunks(WAVE) {
        #[cfg(feature = "rayon")]
        let done: Vec<Vec<Twofold>> = {
            use rayon::prelude::*;
            wave.par_iter().map(of).collect()
        };
        #[cfg(not(feature = "rayon"))]
        let done: Vec<Vec<Twofold>> = wave.iter().map(of).collect();
        for (&(start, end), sums) in wave.iter().zip(&done) {
            for (later, row) in (start..end).zip(sums.chunks_exact(end)) {
                for (earlier, sum) in row.iter().enumerate().take(later) {
                    write(later, earlier, sum.value());
                }
            }
        }
    }
}

/// One group of rows against all before its last.
fn group<T: Scalar>(
    rows: Rows<'_, T>,
    order: &[usize],
    (start, end): (usize, usize),
    sums: &mut [Twofold],
) {
    if rows.width == 0 {
        return;
    }
    #[cfg(feature = "simd")]
    {
        let level = fearless_simd::Level::new();
        fearless_simd::dispatch!(level, simd => explicit::group(simd, rows, order, (start, end), sums));
    }
    #[cfg(not(feature = "simd"))]
    tiles::<T, 1>(rows, order, (start, end), sums, |left, [right]| {
        [leaf(left.as_flattened(), right.as_flattened())]
    });
}

/// Packs tiles of the group and of `WIDE` other rows, and lets `kernel` compare them.
#[inline(always)]
fn tiles<T: Scalar, const WIDE: usize>(
    rows: Rows<'_, T>,
    order: &[usize],
    (start, end): (usize, usize),
    sums: &mut [Twofold],
    kernel: impl Fn(&Packed, [&Packed; WIDE]) -> [f64; WIDE],
) {
    let lines = LEAF.min(rows.width.next_multiple_of(LANES)) / LANES;
    let mut left = vec![[0.0; LANES]; (end - start) * lines];
    let mut right = vec![[0.0; LANES]; WIDE * lines];
    for number in 0..rows.width.div_ceil(LEAF) {
        let mut used = lines;
        for (&row, packed) in order[start..end].iter().zip(left.chunks_exact_mut(lines)) {
            used = pack(rows.leaf(row, number), packed);
        }
        for first in (0..end).step_by(WIDE) {
            let others = &order[first..end.min(first + WIDE)];
            for (&row, packed) in others.iter().zip(right.chunks_exact_mut(lines)) {
                pack(rows.leaf(row, number), packed);
            }
            let mut sides: [&Packed; WIDE] = [&[]; WIDE];
            for (side, packed) in sides.iter_mut().zip(right.chunks_exact(lines)) {
                *side = &packed[..used];
            }
            // Rows of the group that stand before these need no distance to them.
            let skip = first.saturating_sub(start).min(end - start);
            let packed = left.chunks_exact(lines).skip(skip);
            for (packed, row) in packed.zip(sums.chunks_exact_mut(end).skip(skip)) {
                let found = kernel(&packed[..used], sides);
                for (sum, leaf) in row[first..].iter_mut().zip(found) {
                    sum.add(leaf);
                }
            }
        }
    }
}

#[cfg(not(feature = "simd"))]
impl<T: Copy + Into<f64> + Send + Sync + 'static> Scalar for T {
    fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]) {
        by_tiles(new, rows, sums, |a, b| leaf(a, b));
    }
}

/// Leaf by leaf, in tiles of the new row that stay in cache.
#[inline(always)]
fn by_tiles<T: Copy>(
    new: &[T],
    rows: &[T],
    sums: &mut [Twofold],
    leaf: impl Fn(&[T], &[T]) -> f64,
) {
    for (number, tile) in new.chunks(TILE).enumerate() {
        for (row, sum) in rows.chunks_exact(new.len()).zip(sums.iter_mut()) {
            let row = &row[number * TILE..][..tile.len()];
            for (a, b) in tile.chunks(LEAF).zip(row.chunks(LEAF)) {
                sum.add(leaf(a, b));
            }
        }
    }
}

/// The same sums in explicit vectors of the widest instruction set there is.
#[cfg(feature = "simd")]
mod explicit {
    use fearless_simd::{Level, Simd, SimdBase, dispatch, f32x16, f64x8, prelude::*};

    use super::{LANES, Packed, Rows, Scalar, Twofold, by_tiles, fold, tiles};

    macro_rules! scalar {
        ($scalar:ty, $leaf:ident) => {
            impl Scalar for $scalar {
                fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]) {
                    dispatch!(Level::new(), simd => {
                        by_tiles(new, rows, sums, #[inline(always)] |a, b| $leaf(simd, a, b));
                    });
                }
            }
        };
    }
    scalar!(f32, leaf_f32);
    scalar!(f64, leaf_f64);

    #[inline(always)]
    fn square<S: Simd>(sum: f64x8<S>, x: f64x8<S>, y: f64x8<S>) -> f64x8<S> {
        let difference = x - y;
        sum + difference * difference
    }

    #[inline(always)]
    fn folded<S: Simd>(low: f64x8<S>, high: f64x8<S>) -> f64 {
        let mut lanes = [0.0; LANES];
        low.store_slice(&mut lanes[..8]);
        high.store_slice(&mut lanes[8..]);
        fold(&lanes)
    }

    #[inline(always)]
    pub(super) fn leaf_f32<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f64 {
        let (mut low, mut high) = (f64x8::splat(simd, 0.0), f64x8::splat(simd, 0.0));
        let (wholes, rest) = a.as_chunks::<LANES>();
        let (others, other_rest) = b.as_chunks::<LANES>();
        for (x, y) in wholes.iter().zip(others) {
            let (x0, x1) = f32x16::from_slice(simd, x).widen();
            let (y0, y1) = f32x16::from_slice(simd, y).widen();
            low = square(low, x0, y0);
            high = square(high, x1, y1);
        }
        if !rest.is_empty() {
            // Zeros on both sides add zero.
            let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
            for ((x, y), (&a, &b)) in x.iter_mut().zip(&mut y).zip(rest.iter().zip(other_rest)) {
                (*x, *y) = (a, b);
            }
            let (x0, x1) = f32x16::from_slice(simd, &x).widen();
            let (y0, y1) = f32x16::from_slice(simd, &y).widen();
            low = square(low, x0, y0);
            high = square(high, x1, y1);
        }
        folded(low, high)
    }

    #[inline(always)]
    pub(super) fn leaf_f64<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> f64 {
        let (mut low, mut high) = (f64x8::splat(simd, 0.0), f64x8::splat(simd, 0.0));
        let (wholes, rest) = a.as_chunks::<LANES>();
        let (others, other_rest) = b.as_chunks::<LANES>();
        for (x, y) in wholes.iter().zip(others) {
            low = square(low, half(simd, x, 0), half(simd, y, 0));
            high = square(high, half(simd, x, 8), half(simd, y, 8));
        }
        if !rest.is_empty() {
            let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
            for ((x, y), (&a, &b)) in x.iter_mut().zip(&mut y).zip(rest.iter().zip(other_rest)) {
                (*x, *y) = (a, b);
            }
            low = square(low, half(simd, &x, 0), half(simd, &y, 0));
            high = square(high, half(simd, &x, 8), half(simd, &y, 8));
        }
        folded(low, high)
    }

    #[inline(always)]
    fn half<S: Simd>(simd: S, line: &[f64; LANES], from: usize) -> f64x8<S> {
        f64x8::from_slice(simd, &line[from..from + 8])
    }

    /// As many rows on the right as there are registers for their sums.
    #[inline(always)]
    pub(super) fn group<S: Simd, T: Scalar>(
        simd: S,
        rows: Rows<'_, T>,
        order: &[usize],
        range: (usize, usize),
        sums: &mut [Twofold],
    ) {
        match S::f64s::LEN {
            8 => tiles(
                rows,
                order,
                range,
                sums,
                #[inline(always)]
                |a, b| many::<S, 4>(simd, a, b),
            ),
            4 => tiles(
                rows,
                order,
                range,
                sums,
                #[inline(always)]
                |a, b| many::<S, 2>(simd, a, b),
            ),
            _ => tiles(
                rows,
                order,
                range,
                sums,
                #[inline(always)]
                |a, b| many::<S, 1>(simd, a, b),
            ),
        }
    }

    #[inline(always)]
    fn many<S: Simd, const WIDE: usize>(
        simd: S,
        left: &Packed,
        right: [&Packed; WIDE],
    ) -> [f64; WIDE] {
        let zero = f64x8::splat(simd, 0.0);
        let (mut low, mut high) = ([zero; WIDE], [zero; WIDE]);
        let right = right.map(|side| &side[..left.len()]);
        for (j, line) in left.iter().enumerate() {
            let (x0, x1) = (half(simd, line, 0), half(simd, line, 8));
            for side in 0..WIDE {
                let other = &right[side][j];
                low[side] = square(low[side], x0, half(simd, other, 0));
                high[side] = square(high[side], x1, half(simd, other, 8));
            }
        }
        std::array::from_fn(|side| folded(low[side], high[side]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, Scalar, Twofold, each_against_earlier, leaf, one_against_many};
    use crate::random::Random;

    fn noise(len: usize, random: &mut Random) -> Vec<f32> {
        // Many exponents, zeros and denormals.
        let mut next = || match random.below(8) {
            0 => 0.0,
            1 => f32::MIN_POSITIVE / 4.0,
            k => {
                let power = i32::try_from(k).unwrap_or(0) * 5 - 20;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "single precision is wanted"
                )]
                let x = (random.normal() * 2_f64.powi(power)) as f32;
                x
            }
        };
        (0..len).map(|_| next()).collect()
    }

    /// The sum by its definition.
    fn defined<T: Scalar>(a: &[T], b: &[T]) -> f64 {
        let mut sum = Twofold::default();
        for (a, b) in a.chunks(super::LEAF).zip(b.chunks(super::LEAF)) {
            sum.add(leaf(a, b));
        }
        sum.value()
    }

    #[test]
    fn every_path_has_the_bits_of_the_definition() {
        let mut random = Random::new(7);
        for width in (1..40).chain([1000, 1024, 1030, 4097]) {
            let singles = noise(9 * width, &mut random);
            let doubles: Vec<f64> = (0..9 * width).map(|_| random.normal()).collect();
            let truth = |i: usize, j: usize| {
                (
                    defined(
                        &singles[i * width..][..width],
                        &singles[j * width..][..width],
                    ),
                    defined(
                        &doubles[i * width..][..width],
                        &doubles[j * width..][..width],
                    ),
                )
            };
            let (mut a, mut b) = (vec![Twofold::default(); 8], vec![Twofold::default(); 8]);
            one_against_many(&singles[..width], &singles[width..], &mut a);
            one_against_many(&doubles[..width], &doubles[width..], &mut b);
            for i in 1..9 {
                assert_eq!((a[i - 1].value(), b[i - 1].value()), truth(0, i), "{width}");
            }
            let order = [4, 0, 8, 1, 2, 7, 3, 5, 6];
            let (singles, doubles) = (
                Rows {
                    flat: &singles[..],
                    width,
                },
                Rows {
                    flat: &doubles[..],
                    width,
                },
            );
            each_against_earlier(singles, Rows::NONE, &order, 2, |i, j, d| {
                assert!(i >= 2 && j < i);
                assert_eq!(d, truth(order[i], order[j]).0, "{width}");
            });
            each_against_earlier(Rows::NONE, doubles, &order, 0, |i, j, d| {
                assert_eq!(d, truth(order[i], order[j]).1, "{width}");
            });
        }
    }

    #[cfg(feature = "simd")]
    #[test]
    fn every_instruction_set_has_the_same_bits() {
        use super::explicit::{leaf_f32, leaf_f64};
        use fearless_simd::{Level, dispatch};
        let mut random = Random::new(8);
        let best = Level::new();
        let mut levels = vec![best, Level::baseline()];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            levels.extend(best.as_sse2().map(Level::Sse2));
            levels.extend(best.as_sse4_2().map(Level::Sse4_2));
            levels.extend(best.as_avx2().map(Level::Avx2));
        }
        for width in (1..40).chain([1000, 1024]) {
            let (a, b) = (noise(width, &mut random), noise(width, &mut random));
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (c, d) = (wide(&a), wide(&b));
            for &level in &levels {
                dispatch!(level, simd => {
                    assert_eq!(leaf_f32(simd, &a, &b), leaf(&a, &b), "{width} {level:?}");
                    assert_eq!(leaf_f64(simd, &c, &d), leaf(&c, &d), "{width} {level:?}");
                });
            }
        }
    }

    #[cfg(feature = "rayon")]
    #[test]
    fn any_number_of_threads_has_the_same_bits() {
        let mut random = Random::new(9);
        let (width, n) = (3001, 150);
        let flat = noise(n * width, &mut random);
        let order: Vec<usize> = (0..n).collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool").install(|| {
                let mut sums = vec![Twofold::default(); n];
                one_against_many(&flat[..width], &flat, &mut sums);
                let mut all = Vec::new();
                let rows = Rows {
                    flat: &flat[..],
                    width,
                };
                each_against_earlier(rows, Rows::NONE, &order, 0, |i, j, d| all.push((i, j, d)));
                (sums, all)
            })
        };
        let one = with(1);
        for threads in [2, 3, 8] {
            assert!(with(threads) == one, "{threads}");
        }
    }
}

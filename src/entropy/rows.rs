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
//! One row against many reads each of them once, four at a time, for what is done to the new one
//! is then done once for four: it runs at the speed of memory. Tiles of many rows are packed as f64
//! once and compared while they are in cache, four rows with four others in registers: they run at
//! the speed of arithmetic.
//!
//! A difference, a square and a sum are two additions to one multiplication. Processors that have
//! separate units for the two would leave half of the latter idle; so some sums are taken as
//! `square · 1 + sum` by a fused multiply-add, which is the same number to the bit.
//!
//! When it lies: never more than the rounding of its input; differences below 10⁻¹⁵⁴ square to
//! zero.
#![expect(
    clippy::inline_always,
    reason = "what is called where vector instructions are allowed must be compiled there"
)]

use super::distances::Twofold;
use crate::kernel;

/// Running sums of a leaf.
const LANES: usize = 16;
/// Parameters of a leaf; part of the definition of the sum.
const LEAF: usize = 1024;
/// Parameters of the new row compared at a time: this much of it stays in cache.
const TILE: usize = 64 * LEAF;
/// Rows compared with a new one at a time, in vectors.
#[cfg(feature = "simd")]
const ABREAST: usize = 4;
/// Rows on the left whose leaves stay in cache.
const GROUP: usize = 96;
/// Groups that threads work on at a time: bounds what is held beside the matrix.
#[cfg(feature = "rayon")]
const MOST_ROOMS: usize = 16;
/// Side of the squares in which a matrix is written.
const SQUARE: usize = 8;
/// Parameters compared in all below which threads cost more than they bring.
#[cfg(feature = "rayon")]
const WORTH_THREADS: usize = 1 << 18;

/// Parameters as they are stored.
pub(super) trait Scalar: Copy + Into<f64> + Send + Sync + 'static {
    /// Σ (a − b)² of each row against `new`, added to its sum.
    fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]);

    /// The same of one group of rows against all before its last.
    fn group(rows: Rows<'_, Self>, order: &[usize], range: (usize, usize), room: &mut Room);
}

/// What one group of rows is worked out in.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Leaves of the group, and of those it is compared with.
    left: Vec<[f64; HALF]>,
    right: Vec<[f64; HALF]>,
    /// One for each of the group and each up to its last.
    sums: Vec<Twofold>,
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

/// Half of the lanes: a line of cache.
const HALF: usize = LANES / 2;

/// A leaf as f64: the lower half of the lanes, line by line, and then the upper half.
type Packed = [[f64; HALF]];

/// Writes a leaf as f64, filled up with zeros.
#[inline(always)]
fn pack<T: Scalar>(leaf: &[T], into: &mut Packed, line: impl Fn(&[T; LANES]) -> [[f64; HALF]; 2]) {
    let (low, high) = into.split_at_mut(into.len() / 2);
    let (wholes, rest) = leaf.as_chunks::<LANES>();
    for ((low, high), whole) in low.iter_mut().zip(high.iter_mut()).zip(wholes) {
        [*low, *high] = line(whole);
    }
    if let (Some(low), Some(high)) = (low.get_mut(wholes.len()), high.get_mut(wholes.len())) {
        (*low, *high) = ([0.0; HALF], [0.0; HALF]);
        for (slot, &x) in low.iter_mut().chain(high).zip(rest) {
            *slot = x.into();
        }
    }
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
    let of = |(&(start, end), room): (&(usize, usize), &mut Room)| {
        room.sums.clear();
        room.sums.resize((end - start) * end, Twofold::default());
        if singles.width > 0 {
            f32::group(singles, order, (start, end), room);
        }
        if doubles.width > 0 {
            f64::group(doubles, order, (start, end), room);
        }
    };
    #[cfg(feature = "rayon")]
    let wave = match rayon::current_num_threads() {
        0 | 1 => 1,
        _ => MOST_ROOMS,
    };
    #[cfg(not(feature = "rayon"))]
    let wave = 1;
    let mut rooms = Vec::new();
    rooms.resize_with(wave.min(groups.len()), Room::default);
    for wave in groups.chunks(wave) {
        #[cfg(feature = "rayon")]
        if wave.len() > 1 {
            use rayon::prelude::*;
            // The later a group the more it costs: no thread takes two at once.
            let work = wave.par_iter().zip(&mut rooms).with_max_len(1);
            work.for_each(of);
        } else {
            wave.iter().zip(&mut rooms).for_each(of);
        }
        #[cfg(not(feature = "rayon"))]
        wave.iter().zip(&mut rooms).for_each(of);
        for (&(start, end), Room { sums, .. }) in wave.iter().zip(&rooms) {
            // In squares: a matrix written by rows and by columns is so written line by line.
            for ((first, rows), column) in (start..end)
                .step_by(SQUARE)
                .zip(sums.chunks(SQUARE * end))
                .flat_map(|rows| (0..end).step_by(SQUARE).map(move |column| (rows, column)))
            {
                for (later, row) in (first..).zip(rows.chunks_exact(end)) {
                    for (earlier, sum) in (column..later.min(column + SQUARE)).zip(&row[column..]) {
                        write(later, earlier, sum.value());
                    }
                }
            }
        }
    }
}

/// Packs leaves of the group and of `N` other rows, and lets `compare` take `M` of the one with
/// those.
#[inline(always)]
fn tiles<T: Scalar, const M: usize, const N: usize>(
    rows: Rows<'_, T>,
    order: &[usize],
    (start, end): (usize, usize),
    Room { left, right, sums }: &mut Room,
    line: impl Fn(&[T; LANES]) -> [[f64; HALF]; 2] + Copy,
    compare: impl Fn([&Packed; M], [&Packed; N]) -> [[f64; N]; M],
) {
    let most = 2 * LEAF.min(rows.width).div_ceil(LANES);
    // Whatever lies in places that no row takes is finite, and what comes of it is not used.
    left.resize((end - start).next_multiple_of(M) * most, [0.0; HALF]);
    right.resize(N * most, [0.0; HALF]);
    let step = 64 / size_of::<T>();
    for number in 0..rows.width.div_ceil(LEAF) {
        let lines = 2 * LEAF.min(rows.width - number * LEAF).div_ceil(LANES);
        let own = &order[start..end];
        for (i, (&row, packed)) in own.iter().zip(left.chunks_exact_mut(lines)).enumerate() {
            if let Some(&row) = own.get(i + 1) {
                let next = rows.leaf(row, number);
                for line in next.chunks(step) {
                    kernel::fetch(line, 0);
                }
            }
            pack(rows.leaf(row, number), packed, line);
        }
        for first in (0..end).step_by(N) {
            let others = &order[first..end.min(first + N)];
            for (&row, packed) in others.iter().zip(right.chunks_exact_mut(lines)) {
                pack(rows.leaf(row, number), packed, line);
            }
            let coming = order.get(first + N..end.min(first + 2 * N)).unwrap_or(&[]);
            let mut sides: [&Packed; N] = [&[]; N];
            for (side, packed) in sides.iter_mut().zip(right.chunks_exact(lines)) {
                *side = packed;
            }
            // Rows of the group that stand before these need no distance to them.
            let skip = first.saturating_sub(start).min(end - start) / M;
            let tiles = left.chunks_exact(M * lines).skip(skip);
            let rows_of_sums = sums.chunks_mut(M * end).skip(skip);
            for (turn, (tile, sums)) in tiles.zip(rows_of_sums).enumerate() {
                // Meanwhile a part of what comes next is asked for.
                if let Some(&row) = coming.get(turn % N) {
                    let next = rows.leaf(row, number);
                    let part = turn / N * (LEAF / M);
                    let part = next.get(part..next.len().min(part + LEAF / M));
                    for line in part.unwrap_or(&[]).chunks(step) {
                        kernel::fetch(line, 0);
                    }
                }
                let mut own: [&Packed; M] = [&[]; M];
                for (own, packed) in own.iter_mut().zip(tile.chunks_exact(lines)) {
                    *own = packed;
                }
                let found = compare(own, sides);
                for (row, found) in sums.chunks_exact_mut(end).zip(found) {
                    for (sum, leaf) in row[first..].iter_mut().zip(found) {
                        sum.add(leaf);
                    }
                }
            }
        }
    }
}

#[cfg(not(feature = "simd"))]
impl<T: Copy + Into<f64> + Send + Sync + 'static> Scalar for T {
    fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]) {
        by_tiles::<Self, 1>(new, rows, sums, |a, [b]| [leaf(a, b)]);
    }

    fn group(rows: Rows<'_, Self>, order: &[usize], range: (usize, usize), room: &mut Room) {
        tiles::<Self, 1, 1>(
            rows,
            order,
            range,
            room,
            |line| {
                let wide = |from: usize| std::array::from_fn(|lane| line[from + lane].into());
                [wide(0), wide(HALF)]
            },
            |[left], [right]| {
                let mut lanes = [0.0; LANES];
                let lines = left.len() / 2;
                for half in 0..2 {
                    let range = half * lines..(half + 1) * lines;
                    let sums = &mut lanes[half * HALF..][..HALF];
                    for (x, y) in left[range.clone()].iter().zip(&right[range]) {
                        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
                            *sum += (x - y) * (x - y);
                        }
                    }
                }
                [[fold(&lanes)]]
            },
        );
    }
}

/// Leaf by leaf, in tiles of the new row that stay in cache, `R` rows abreast.
#[inline(always)]
fn by_tiles<T: Copy, const R: usize>(
    new: &[T],
    rows: &[T],
    sums: &mut [Twofold],
    compare: impl Fn(&[T], [&[T]; R]) -> [f64; R],
) {
    let width = new.len();
    for (number, tile) in new.chunks(TILE).enumerate() {
        for (rows, sums) in rows.chunks_exact(R * width).zip(sums.chunks_exact_mut(R)) {
            for (part, leaf) in tile.chunks(LEAF).enumerate() {
                let at = number * TILE + part * LEAF;
                let mut others: [&[T]; R] = [&[]; R];
                for (other, row) in others.iter_mut().zip(rows.chunks_exact(width)) {
                    *other = &row[at..at + leaf.len()];
                }
                for (sum, found) in sums.iter_mut().zip(compare(leaf, others)) {
                    sum.add(found);
                }
            }
        }
    }
}

/// The same sums in explicit vectors of the widest instruction set there is.
#[cfg(feature = "simd")]
mod explicit {
    use fearless_simd::{Level, Simd, SimdBase, dispatch, f32x16, f64x8, prelude::*};

    use super::{ABREAST, HALF, LANES, Packed, Room, Rows, Scalar, Twofold, by_tiles, tiles};

    /// Parameters that are widened in vectors.
    pub(super) trait Wide: Copy + Default + Into<f64> {
        fn wide<S: Simd>(simd: S, line: &[Self; LANES]) -> [f64x8<S>; 2];
    }

    impl Wide for f32 {
        #[inline(always)]
        fn wide<S: Simd>(simd: S, line: &[Self; LANES]) -> [f64x8<S>; 2] {
            f32x16::from_slice(simd, line).widen().into()
        }
    }

    impl Wide for f64 {
        #[inline(always)]
        fn wide<S: Simd>(simd: S, line: &[Self; LANES]) -> [f64x8<S>; 2] {
            let half = |from: usize| f64x8::from_slice(simd, &line[from..from + HALF]);
            [half(0), half(HALF)]
        }
    }

    macro_rules! scalar {
        ($scalar:ty) => {
            impl Scalar for $scalar {
                fn run(new: &[Self], rows: &[Self], sums: &mut [Twofold]) {
                    dispatch!(Level::new(), simd => abreast(simd, new, rows, sums));
                }
                fn group(
                    rows: Rows<'_, Self>,
                    order: &[usize],
                    range: (usize, usize),
                    room: &mut Room,
                ) {
                    dispatch!(Level::new(), simd => group(simd, rows, order, range, room));
                }
            }
        };
    }
    scalar!(f32);
    scalar!(f64);

    /// One, as no compiler knows it: it would make an addition of a product with it.
    fn one() -> f64 {
        std::hint::black_box(1.0)
    }

    /// `ABREAST` rows at a time, and the rest one by one.
    #[inline(always)]
    pub(super) fn abreast<S: Simd, T: Wide>(simd: S, new: &[T], rows: &[T], sums: &mut [Twofold]) {
        let one = f64x8::splat(simd, one());
        let whole = sums.len() / ABREAST * ABREAST;
        let (many, few) = rows.split_at(whole * new.len());
        let (sums, rest) = sums.split_at_mut(whole);
        by_tiles(
            new,
            many,
            sums,
            #[inline(always)]
            |a, b| leaves::<S, T, ABREAST>(simd, one, a, b),
        );
        by_tiles(
            new,
            few,
            rest,
            #[inline(always)]
            |a, b| leaves::<S, T, 1>(simd, one, a, b),
        );
    }

    /// The sums of one leaf with each of `R` others.
    #[inline(always)]
    fn leaves<S: Simd, T: Wide, const R: usize>(
        simd: S,
        one: f64x8<S>,
        a: &[T],
        b: [&[T]; R],
    ) -> [f64; R] {
        let zero = f64x8::splat(simd, 0.0);
        let (mut low, mut high) = ([zero; R], [zero; R]);
        let (wholes, rest) = a.as_chunks::<LANES>();
        let mut others: [&[[T; LANES]]; R] = [&[]; R];
        for (other, b) in others.iter_mut().zip(b) {
            *other = &b.as_chunks::<LANES>().0[..wholes.len()];
        }
        for (i, x) in wholes.iter().enumerate() {
            let [x0, x1] = T::wide(simd, x);
            for r in 0..R {
                let [y0, y1] = T::wide(simd, &others[r][i]);
                let (d0, d1) = (x0 - y0, x1 - y1);
                low[r] = (d0 * d0).mul_add(one, low[r]);
                high[r] = (d1 * d1).mul_add(one, high[r]);
            }
        }
        let mut found = [0.0; R];
        for r in 0..R {
            if !rest.is_empty() {
                // Zeros on both sides add zero.
                let [x0, x1] = T::wide(simd, &padded(rest));
                let [y0, y1] = T::wide(simd, &padded(&b[r][wholes.len() * LANES..]));
                let (d0, d1) = (x0 - y0, x1 - y1);
                low[r] += d0 * d0;
                high[r] += d1 * d1;
            }
            found[r] = folded(simd, low[r] + high[r]);
        }
        found
    }

    #[inline(always)]
    fn padded<T: Copy + Default>(rest: &[T]) -> [T; LANES] {
        let mut padded = [T::default(); LANES];
        for (to, &from) in padded.iter_mut().zip(rest) {
            *to = from;
        }
        padded
    }

    /// The tree of [`fold`](super::fold) from its second level on.
    #[inline(always)]
    fn folded<S: Simd>(simd: S, t: f64x8<S>) -> f64 {
        let (low, high) = simd.split_f64x8(t);
        let (low, high) = simd.split_f64x4(low + high);
        let two = low + high;
        two[0] + two[1]
    }

    /// A line as f64, in two halves.
    #[inline(always)]
    fn halves<S: Simd, T: Wide>(simd: S, line: &[T; LANES]) -> [[f64; HALF]; 2] {
        let [low, high] = T::wide(simd, line);
        [low.into(), high.into()]
    }

    /// As many rows abreast on both sides as there are registers for their sums.
    #[inline(always)]
    pub(super) fn group<S: Simd, T: Wide + Scalar>(
        simd: S,
        rows: Rows<'_, T>,
        order: &[usize],
        range: (usize, usize),
        room: &mut Room,
    ) {
        let one = S::f64s::splat(simd, one());
        if S::f64s::LEN == 8 {
            tiles(
                rows,
                order,
                range,
                room,
                #[inline(always)]
                |line| halves(simd, line),
                #[inline(always)]
                |a, b| tile::<S, 4, 4>(simd, one, a, b),
            );
        } else {
            tiles(
                rows,
                order,
                range,
                room,
                #[inline(always)]
                |line| halves(simd, line),
                #[inline(always)]
                |a, b| tile::<S, 2, 4>(simd, one, a, b),
            );
        }
    }

    /// The sums of each of `M` leaves with each of `N` others.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        simd: S,
        one: S::f64s,
        left: [&Packed; M],
        right: [&Packed; N],
    ) -> [[f64; N]; M] {
        let lines = left[0].len() / 2;
        let mut lanes = [[[0.0; HALF]; N]; M];
        for half in 0..2 {
            let (mut own, mut others): ([&Packed; M], [&Packed; N]) = ([&[]; M], [&[]; N]);
            for m in 0..M {
                own[m] = &left[m][half * lines..][..lines];
            }
            for n in 0..N {
                others[n] = &right[n][half * lines..][..lines];
            }
            let mut from = 0;
            while from < HALF {
                let sums = register(simd, one, own, others, from);
                for m in 0..M {
                    for n in 0..N {
                        // The lower half of the lanes, and the upper added to it.
                        let to = &mut lanes[m][n][from..from + S::f64s::LEN];
                        (S::f64s::from_slice(simd, to) + sums[m][n]).store_slice(to);
                    }
                }
                from += S::f64s::LEN;
            }
        }
        let mut found = [[0.0; N]; M];
        for m in 0..M {
            for n in 0..N {
                found[m][n] = folded(simd, f64x8::from_slice(simd, &lanes[m][n]));
            }
        }
        found
    }

    /// As many lanes of all those sums as a register has, from one on.
    #[inline(always)]
    fn register<S: Simd, const M: usize, const N: usize>(
        simd: S,
        one: S::f64s,
        left: [&Packed; M],
        right: [&Packed; N],
        from: usize,
    ) -> [[S::f64s; N]; M] {
        let zero = S::f64s::splat(simd, 0.0);
        let mut sums = [[zero; N]; M];
        for j in 0..left[0].len() {
            let mut own = [zero; M];
            for m in 0..M {
                own[m] = S::f64s::from_slice(simd, &left[m][j][from..from + S::f64s::LEN]);
            }
            for n in 0..N {
                let other = S::f64s::from_slice(simd, &right[n][j][from..from + S::f64s::LEN]);
                for m in 0..M {
                    let difference = own[m] - other;
                    let square = difference * difference;
                    // Three operations each, half of them for either unit.
                    sums[m][n] = if (m + n) % 2 == 0 {
                        sums[m][n] + square
                    } else {
                        square.mul_add(one, sums[m][n])
                    };
                }
            }
        }
        sums
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
        use super::explicit::{Wide, abreast, group};
        use fearless_simd::{Level, Simd, dispatch};
        /// One against many and many against many, of nine rows of at most a leaf.
        fn check<S: Simd, T: Scalar + Wide>(simd: S, flat: &[T]) {
            let width = flat.len() / 9;
            let truth =
                |i: usize, j: usize| leaf(&flat[i * width..][..width], &flat[j * width..][..width]);
            let mut sums = vec![Twofold::default(); 9];
            abreast(simd, &flat[..width], flat, &mut sums);
            for (i, sum) in sums.iter().enumerate() {
                assert_eq!(sum.value(), truth(0, i), "{width} {:?}", simd.level());
            }
            let order: Vec<usize> = (0..9).collect();
            let mut room = super::Room {
                sums: vec![Twofold::default(); 7 * 9],
                ..super::Room::default()
            };
            group(simd, Rows { flat, width }, &order, (2, 9), &mut room);
            for (i, row) in (2..9).zip(room.sums.chunks_exact(9)) {
                for (j, sum) in row[..i].iter().enumerate() {
                    assert_eq!(sum.value(), truth(i, j), "{width} {:?}", simd.level());
                }
            }
        }
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
            let singles = noise(9 * width, &mut random);
            let doubles: Vec<f64> = singles.iter().map(|&x| f64::from(x)).collect();
            for &level in &levels {
                dispatch!(level, simd => {
                    check(simd, &singles);
                    check(simd, &doubles);
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

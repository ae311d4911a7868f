//! A vector of any length as a few sums, from a seed: what keeps distances, roughly, and costs one
//! reading of memory.
//!
//! # Definition
//! Every coordinate i is given a bucket b(i) out of k and a sign s(i) = ±1 by a hash of the seed
//! and i, and the projection of x is
//!
//! <!-- math
//! y_b = \sum_{i:\, b(i) = b} s(i)\, x_i
//! -->
#![doc = include_str!("math/projection.html")]
//!
//! That is CountSketch (Charikar, Chen and Farach-Colton, ICALP 2002; as an embedding, Clarkson and
//! Woodruff, arXiv 1207.6365). It is linear, so that a difference of projections is the projection of
//! the difference, and shards add. The expectation of |y|² is |x|² and its relative standard
//! deviation at most √(2/k), so that distances keep theirs within 1/√(2k): 2% at k = 1024.
//!
//! # In blocks
//! One hash serves 16 neighbours. They go to 16 neighbouring buckets from a hashed place on, round
//! the end, and each has a sign of its own. Two coordinates of different blocks meet with
//! probability 1/k and their signs are independent, which is all that the variance above asks for,
//! whatever the vector looks like; two of one block never meet (for k of at least 16).
//!
//! # What it is for
//! Drift of a run, distances between snapshots, near neighbours: trends at the price of reading the
//! weights, where keeping the weights is out of the question. It is never for absolute entropies. A
//! nearest-neighbour entropy takes the logarithm of distances times the *dimension*: an error of 2%
//! in a distance is 0.02 d nats for d parameters, and what lies in k sums cannot know d. Take
//! entropies from a [window](crate::entropy) of whole snapshots.
//!
//! # When it lies
//! A distance within a factor 1 ± 1/√(2k) of another is not known to be the larger, and the error
//! is the same in every step of a run, because the seed is: a bias of one run's distances, and
//! noise only over seeds. The bound is for a fixed vector. One chosen with knowledge of the seed
//! can project to zero.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a dispatched function is compiled for its instructions"
)]

use crate::kernel::{self, Instructions};
use crate::snapshot::View;
use crate::{Error, random::mix};

/// Neighbours that share a hash.
pub(crate) const BLOCK: usize = 16;
/// Buckets are kept this many times over, and successive blocks take turns: a sum is then not
/// asked for again before it is stored.
const TURNS: usize = 4;
/// The increment of the counter behind the hash.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A linear projection of a vector onto a few sums.
///
/// ```
/// use thermograd::Projection;
/// let (x, y) = (vec![3.0_f32; 5000], vec![1.0_f32; 5000]);
/// let mut a = Projection::new(1024, 7)?;
/// let mut b = a.clone();
/// a.add(0, &x)?;
/// b.add(0, &y)?;
/// // |x − y| = 2 √5000 = 141.4, to within a few times 1/√2048 of it.
/// let distance = a.distance(&b)?;
/// assert!((distance / 141.42 - 1.0).abs() < 4.0 * a.relative_error());
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Stored", try_from = "Stored"))]
pub struct Projection {
    dimension: usize,
    seed: u64,
    /// The sums, [`TURNS`] times over, each with room for a block that runs over its end.
    sums: Vec<f64>,
    /// What to go back to when values are refused.
    before: Vec<f64>,
}

/// A projection as it is stored: what can be checked.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    seed: u64,
    coordinates: Vec<f64>,
}

#[cfg(feature = "serde")]
impl From<Projection> for Stored {
    fn from(projection: Projection) -> Self {
        Self {
            seed: projection.seed,
            coordinates: projection.coordinates(),
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for Projection {
    type Error = Error;
    fn try_from(stored: Stored) -> Result<Self, Error> {
        Self::from_coordinates(stored.seed, &stored.coordinates)
    }
}

/// The most sums that a projection has.
const LARGEST: usize = 1024;

impl Projection {
    /// An empty projection onto that many sums, from 1 to 1024. Only projections of the same
    /// dimension and seed can be compared.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for another dimension.
    pub fn new(dimension: usize, seed: u64) -> Result<Self, Error> {
        if !(1..=LARGEST).contains(&dimension) {
            return Err(Error::OutOfRange {
                what: "the dimension of a projection",
                value: dimension as f64,
                allowed: "a whole number from 1 to 1024",
            });
        }
        let len = TURNS * stride(dimension);
        Ok(Self {
            dimension,
            seed,
            sums: vec![0.0; len],
            before: vec![0.0; len],
        })
    }

    /// A projection from the [coordinates](Self::coordinates) of one of this seed, or from the sums
    /// of several shards' coordinates.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for less than 1 or more than 1024 coordinates, [`Error::NonFinite`] for
    /// one that is not finite, [`Error::Overflow`] for one of 1e150 and more.
    pub fn from_coordinates(seed: u64, coordinates: &[f64]) -> Result<Self, Error> {
        let mut projection = Self::new(coordinates.len(), seed)?;
        Error::check_finite("coordinates of a projection", coordinates)?;
        check_moderate("coordinates of a projection", coordinates)?;
        for (sum, coordinate) in projection.sums.iter_mut().zip(coordinates) {
            *sum = *coordinate;
        }
        Ok(projection)
    }

    /// Adds the values at positions from `offset` on. Pieces may come in any order; in the order
    /// of their positions, the same numbers give the same bits whatever the pieces.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the position of the first value that is not finite,
    /// [`Error::Overflow`] if a sum reaches 1e150, [`Error::OutOfRange`] for an offset from
    /// which the values run beyond the largest index. Nothing is added then.
    pub fn add<'a>(&mut self, offset: usize, values: impl Into<View<'a>>) -> Result<(), Error> {
        self.add_with(offset, values.into(), Instructions::default())
    }

    pub(crate) fn add_with(
        &mut self,
        offset: usize,
        values: View<'_>,
        instructions: Instructions,
    ) -> Result<(), Error> {
        if offset.checked_add(values.len()).is_none() {
            return Err(crate::sums::too_far(offset));
        }
        self.before.copy_from_slice(&self.sums);
        let table = Table {
            seed: mix(self.seed),
            places: places(self.dimension),
            stride: stride(self.dimension),
        };
        // Up to a boundary of blocks one by one, then whole blocks, then the rest.
        let len = values.len();
        let head = ((BLOCK - offset % BLOCK) % BLOCK).min(len);
        let whole = (len - head) / BLOCK * BLOCK;
        self.singly(&table, offset, values, 0..head);
        kernel::project(
            instructions,
            &table,
            (offset + head) / BLOCK,
            values.slice(head..head + whole),
            &mut self.sums,
        );
        self.singly(&table, offset, values, head + whole..len);
        if self.sums.iter().all(|&sum| is_moderate(sum)) {
            return Ok(());
        }
        self.sums.copy_from_slice(&self.before);
        Err(fault(offset, values))
    }

    /// The definition, one value at a time.
    fn singly(
        &mut self,
        table: &Table,
        offset: usize,
        values: View<'_>,
        range: std::ops::Range<usize>,
    ) {
        for i in range {
            let mut value = [0.0];
            values.widen(i, &mut value);
            let at = offset + i;
            let (place, signs) = table.entry(at / BLOCK);
            let within = at % BLOCK;
            let sign = if signs >> within & 1 == 0 { 1.0 } else { -1.0 };
            if let Some(sum) = self.sums.get_mut(place + within) {
                *sum += sign * value[0];
            }
        }
    }

    /// Adds the projection of other coordinates, such as another shard's.
    ///
    /// # Errors
    /// [`Error::Conflict`] for another dimension or seed, [`Error::Overflow`] if a sum reaches
    /// 1e150. Nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.comparable(other)?;
        self.before.copy_from_slice(&self.sums);
        for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
            *sum += more;
        }
        let merged = check_moderate("merged projections", &self.sums);
        if merged.is_err() {
            self.sums.copy_from_slice(&self.before);
        }
        merged
    }

    /// Forgets the values, and keeps dimension and seed.
    pub fn clear(&mut self) {
        self.sums.fill(0.0);
    }

    /// The number of sums, k.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// What the places and signs come from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The k sums.
    pub fn coordinates(&self) -> Vec<f64> {
        let places = places(self.dimension);
        let mut folded = vec![0.0; self.dimension];
        for turn in self.sums.chunks_exact(stride(self.dimension)) {
            for (place, sum) in turn.iter().enumerate() {
                // Round the end, and then onto as many as were asked for.
                if let Some(to) = folded.get_mut(place % places % self.dimension) {
                    *to += sum;
                }
            }
        }
        folded
    }

    /// An estimate of |x|², unbiased over seeds.
    pub fn norm_squared(&self) -> f64 {
        self.coordinates().iter().map(|y| y * y).sum()
    }

    /// An estimate of the distance |x − x′| of what two projections were made of.
    ///
    /// # Errors
    /// [`Error::Conflict`] for projections of another dimension or seed.
    pub fn distance(&self, other: &Self) -> Result<f64, Error> {
        self.comparable(other)?;
        let (mine, theirs) = (self.coordinates(), other.coordinates());
        let squares = mine.iter().zip(&theirs).map(|(a, b)| (a - b) * (a - b));
        Ok(squares.sum::<f64>().sqrt())
    }

    /// The standard deviation of a distance over seeds, in units of the distance: 1/√(2k).
    ///
    /// ```
    /// use thermograd::Projection;
    /// assert_eq!(Projection::new(50, 0)?.relative_error(), 0.1);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn relative_error(&self) -> f64 {
        (2.0 * self.dimension as f64).sqrt().recip()
    }

    fn comparable(&self, other: &Self) -> Result<(), Error> {
        if (self.dimension, self.seed) == (other.dimension, other.seed) {
            return Ok(());
        }
        Err(Error::Conflict {
            what: "two projections differ in dimension or seed",
            remedy: "project both with the same",
        })
    }
}

/// Buckets that blocks are laid on: k, or for fewer than a block has, the first multiple that is
/// as long as one.
const fn places(dimension: usize) -> usize {
    dimension * BLOCK.div_ceil(dimension)
}

/// Places of one turn, with room for a block that begins at the last.
const fn stride(dimension: usize) -> usize {
    places(dimension) + BLOCK
}

/// Where blocks go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    seed: u64,
    places: usize,
    stride: usize,
}

impl Table {
    /// The first place of a block among all sums, and the signs of its members as bits.
    #[inline(always)]
    pub(crate) const fn entry(&self, block: usize) -> (usize, u16) {
        let [even, odd] = self.pair(block / 2);
        if block.is_multiple_of(2) { even } else { odd }
    }

    /// Two blocks share the 64 bits of a hash: 16 for the signs and 16 for the place of each.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bits of a hash, and a product scaled below the number of places"
    )]
    #[inline(always)]
    pub(crate) const fn pair(&self, pair: usize) -> [(usize, u16); 2] {
        let hash = mix(self.seed.wrapping_add((pair as u64).wrapping_mul(GOLDEN)));
        let turn = pair % (TURNS / 2) * 2 * self.stride;
        let places = self.places as u64;
        [
            (
                turn + ((((hash >> 16) & 0xffff) * places) >> 16) as usize,
                hash as u16,
            ),
            (
                turn + self.stride + (((hash >> 48) * places) >> 16) as usize,
                (hash >> 32) as u16,
            ),
        ]
    }
}

/// Why a sum is not finite.
/// Whether squares of it are finite, and sums of them.
fn is_moderate(sum: f64) -> bool {
    sum.abs() < 1e150
}

fn check_moderate(place: &str, sums: &[f64]) -> Result<(), Error> {
    match sums.iter().find(|&&sum| !is_moderate(sum)) {
        None => Ok(()),
        Some(sum) => Err(Error::Overflow {
            place: place.to_owned(),
            largest: sum.abs(),
        }),
    }
}

fn fault(offset: usize, values: View<'_>) -> Error {
    let mut largest = 0.0_f64;
    for i in 0..values.len() {
        let mut value = [0.0];
        values.widen(i, &mut value);
        let [value] = value;
        if !value.is_finite() {
            return Error::NonFinite {
                place: "values to project".to_owned(),
                index: offset + i,
                value,
            };
        }
        largest = largest.max(value.abs());
    }
    Error::Overflow {
        place: "values to project".to_owned(),
        largest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Projection;
    use crate::{Error, Instructions, View, random::Random};

    fn normals(seed: u64, len: usize) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..len).map(|_| random.normal()).collect()
    }

    fn single(values: &[f64]) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
        values.iter().map(|&x| x as f32).collect()
    }

    fn bits(projection: &Projection) -> Vec<u64> {
        projection
            .coordinates()
            .iter()
            .map(|y| y.to_bits())
            .collect()
    }

    proptest! {
        /// Any pieces in order, and any instructions, give the bits of the whole.
        #[test]
        fn pieces_and_instructions_leave_the_bits(
            dimension in 1_usize..=1024,
            offset in 0_usize..100,
            lens in prop::collection::vec(1_usize..300, 1..8),
            seed: u64,
        ) {
            let values = single(&normals(seed, lens.iter().sum()));
            let mut whole = Projection::new(dimension, seed)?;
            whole.singly_all(offset, View::F32(&values));
            for instructions in Instructions::available() {
                let mut pieces = Projection::new(dimension, seed)?;
                let mut at = 0;
                for &len in &lens {
                    let piece = View::F32(&values[at..at + len]);
                    pieces.add_with(offset + at, piece, instructions)?;
                    at += len;
                }
                prop_assert_eq!(bits(&pieces), bits(&whole));
            }
        }

        /// Shards add, up to the rounding of one addition in each sum.
        #[test]
        fn shards_add(cut in 1_usize..999, dimension in 1_usize..=1024, seed: u64) {
            let values = normals(seed, 1000);
            let mut whole = Projection::new(dimension, seed)?;
            whole.add(0, &values)?;
            let mut left = Projection::new(dimension, seed)?;
            left.add(0, &values[..cut])?;
            let mut right = Projection::new(dimension, seed)?;
            right.add(cut, &values[cut..])?;
            left.merge(&right)?;
            for (a, b) in left.coordinates().iter().zip(whole.coordinates()) {
                prop_assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
        }
    }

    impl Projection {
        fn singly_all(&mut self, offset: usize, values: View<'_>) {
            let table = super::Table {
                seed: super::mix(self.seed),
                places: super::places(self.dimension),
                stride: super::stride(self.dimension),
            };
            self.singly(&table, offset, values, 0..values.len());
        }
    }

    #[test]
    fn every_format_gives_the_same_sums() -> Result<(), Error> {
        let brain: Vec<u16> = (0..1000)
            .map(|i| 0x3f80 + i % 64 + (i % 2) * 0x8000)
            .collect();
        let wide: Vec<f64> = brain
            .iter()
            .map(|&x| f64::from(f32::from_bits(u32::from(x) << 16)))
            .collect();
        let mut sums = Vec::new();
        for view in [
            View::Bf16(&brain),
            View::F32(&single(&wide)),
            View::F64(&wide),
        ] {
            let mut projection = Projection::new(100, 3)?;
            projection.add(5, view)?;
            sums.push(bits(&projection));
        }
        assert_eq!(sums[0], sums[1]);
        assert_eq!(sums[0], sums[2]);
        Ok(())
    }

    /// The error over seeds is the one that is stated, on vectors that have nothing random about
    /// them too: constant ones, and ones that are large in one place of every block.
    #[test]
    fn distances_have_the_stated_error() -> Result<(), Error> {
        let len = 20_000;
        let spiky: Vec<f64> = (0..len)
            .map(|i| if i % 16 == 3 { 1.0 } else { 0.01 })
            .collect();
        let vectors = [normals(1, len), vec![1.0; len], spiky];
        for dimension in [7, 16, 64, 100, 1024] {
            for x in &vectors {
                let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                let seeds = 400;
                let mut squares = 0.0;
                for seed in 0..seeds {
                    let mut projection = Projection::new(dimension, seed)?;
                    projection.add(0, x)?;
                    squares += (projection.norm_squared().sqrt() / norm - 1.0).powi(2);
                }
                let ratio = (squares / seeds as f64).sqrt()
                    / Projection::new(dimension, 0)?.relative_error();
                // A standard deviation out of 400 seeds is known to 3.5%; four of that.
                assert!((0.86..1.14).contains(&ratio), "{dimension}: {ratio}");
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_refused_leaves_no_trace() -> Result<(), Error> {
        let mut projection = Projection::new(32, 1)?;
        projection.add(0, &[1.0_f32; 100])?;
        let before = projection.clone();
        let mut bad = vec![1.0_f32; 500];
        bad[333] = f32::NEG_INFINITY;
        assert!(matches!(
            projection.add(100, &bad),
            Err(Error::NonFinite { index: 433, .. })
        ));
        assert!(matches!(
            projection.add(0, &vec![f64::MAX; 4000]),
            Err(Error::Overflow { .. })
        ));
        assert!(projection.add(usize::MAX, &[1.0, 2.0]).is_err());
        assert_eq!(bits(&projection), bits(&before));
        assert!(Projection::new(0, 1).is_err() && Projection::new(1025, 1).is_err());
        assert!(projection.merge(&Projection::new(32, 2)?).is_err());
        Ok(())
    }
}

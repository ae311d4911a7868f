//! The limit: reading the same numbers and doing next to nothing with them.
//!
//! Each stream is read from end to end, one after the other, by additions in 32-byte registers,
//! the fastest loads on the processors tried. That is done with the hardware's prefetching alone
//! and with lines asked for ahead; the faster of the two, on this machine and for this length, is
//! the limit.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::row::time;

/// Elements that a thread reads before it looks for more work.
const SHARE: usize = 1 << 18;

/// Whether lines are asked for ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    No,
    Yes,
}

/// The faster way of reading these, on that many threads.
pub(crate) fn faster<T: Number>(streams: &[&[T]], threads: usize) -> Ahead {
    let best = |ahead| {
        (0..3)
            .map(|_| time(&mut || read(streams, threads, ahead), 1))
            .fold(f64::INFINITY, f64::min)
    };
    if best(Ahead::Yes) < best(Ahead::No) {
        Ahead::Yes
    } else {
        Ahead::No
    }
}

/// Reads all of these on that many threads.
pub(crate) fn read<T: Number>(streams: &[&[T]], threads: usize, ahead: Ahead) {
    for stream in streams {
        if threads == 1 {
            black_box(T::sum(stream, ahead));
            continue;
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(share) = stream
                .chunks(SHARE)
                .nth(next.fetch_add(1, Ordering::Relaxed))
            {
                black_box(T::sum(share, ahead));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
    }
}

/// Operations on `f64` a second, additions and multiplications in equal numbers, neither waiting for
/// the other: what arithmetic can be at most on one thread, where a fused one counts once.
pub(crate) fn arithmetic() -> f64 {
    const TURNS: usize = 200_000;
    let best = (0..9)
        .map(|_| time(&mut || operate(black_box(TURNS)), 1))
        .fold(f64::INFINITY, f64::min);
    (TURNS * OPERATIONS) as f64 / best
}

/// Of one turn: sixteen registers of eight lanes.
const OPERATIONS: usize = 16 * 8;

/// What streams are made of.
pub(crate) trait Number: Copy + Sync {
    fn sum(values: &[Self], ahead: Ahead) -> u64;
}

#[cfg(feature = "simd")]
use vectors::operate;

#[cfg(not(feature = "simd"))]
fn operate(turns: usize) {
    let (factor, term) = (black_box(0.5), black_box(1.0));
    let mut lanes: [f64; OPERATIONS] = std::array::from_fn(|i| i as f64);
    for _ in 0..turns {
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = if i % 16 < 8 {
                *lane * factor
            } else {
                *lane + term
            };
        }
    }
    black_box(lanes);
}

#[cfg(feature = "simd")]
mod vectors {
    #![expect(
        clippy::inline_always,
        reason = "only what is inlined into a dispatched function is compiled for its instructions"
    )]

    use std::hint::black_box;

    use fearless_simd::{Level, dispatch, f32x8, f64x8, prelude::*, u16x16};

    use super::{Ahead, Number};

    /// Sixteen registers, of which every other is multiplied and the rest added to.
    pub(super) fn operate(turns: usize) {
        #[inline(always)]
        fn operate<S: Simd>(simd: S, turns: usize) -> f64 {
            let factor = f64x8::splat(simd, black_box(0.5));
            let term = f64x8::splat(simd, black_box(1.0));
            let mut lanes = [term; 16];
            for (i, lane) in lanes.iter_mut().enumerate() {
                *lane = f64x8::splat(simd, i as f64);
            }
            for _ in 0..turns {
                for (i, lane) in lanes.iter_mut().enumerate() {
                    *lane = if i % 2 == 0 {
                        lane.mul_add(factor, term)
                    } else {
                        *lane + term
                    };
                }
            }
            let mut total = lanes[0];
            for lane in &lanes[1..] {
                total += *lane;
            }
            total[0]
        }
        black_box(dispatch!(Level::new(), simd => operate(simd, turns)));
    }

    /// The level with the fastest loads: registers of 32 bytes beat those of 64.
    fn level() -> Level {
        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(avx2) = best.as_avx2() {
            return Level::Avx2(avx2);
        }
        best
    }

    /// Bytes between what is read and what is asked for.
    const DISTANCE: usize = 2048;

    #[inline(always)]
    fn prefetch<T>(values: &[T], at: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in 0..4 {
            if let Some(value) = values.get(at + (DISTANCE + 64 * line) / size_of::<T>()) {
                safe_arch::prefetch_t0(value);
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (values, at, DISTANCE);
    }

    macro_rules! number {
        ($type:ty, $vector:ident, $lanes:literal, $bits:expr) => {
            impl Number for $type {
                fn sum(values: &[Self], ahead: Ahead) -> u64 {
                    #[inline(always)]
                    fn sum<S: Simd, const AHEAD: bool>(simd: S, values: &[$type]) -> u64 {
                        // Eight registers of 32 bytes: four lines.
                        const BLOCK: usize = 8 * $lanes;
                        let mut sums = [$vector::splat(simd, Default::default()); 8];
                        let (blocks, rest) = values.as_chunks::<BLOCK>();
                        for (i, block) in blocks.iter().enumerate() {
                            if AHEAD {
                                prefetch(values, i * BLOCK);
                            }
                            for (sum, part) in sums.iter_mut().zip(block.as_chunks::<$lanes>().0) {
                                *sum += $vector::from_slice(simd, part);
                            }
                        }
                        let mut total = sums[0];
                        for sum in &sums[1..] {
                            total += *sum;
                        }
                        let bits = $bits;
                        let rest: u64 = rest.iter().map(|&x| bits(x)).fold(0, u64::wrapping_add);
                        bits(total[0]).wrapping_add(rest)
                    }
                    if ahead == Ahead::Yes {
                        dispatch!(level(), simd => sum::<_, true>(simd, values))
                    } else {
                        dispatch!(level(), simd => sum::<_, false>(simd, values))
                    }
                }
            }
        };
    }
    number!(f32, f32x8, 8, |x: f32| u64::from(x.to_bits()));
    number!(u16, u16x16, 16, u64::from);
}

#[cfg(not(feature = "simd"))]
mod plain {
    use super::{Ahead, Number};

    macro_rules! number {
        ($type:ty, $bits:expr) => {
            impl Number for $type {
                fn sum(values: &[Self], _: Ahead) -> u64 {
                    // Integers: the compiler may add them in any order, and so in vectors.
                    values
                        .iter()
                        .map(|&x| $bits(x))
                        .fold(0, u32::wrapping_add)
                        .into()
                }
            }
        };
    }
    number!(f32, f32::to_bits);
    number!(u16, u32::from);
}

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

/// What streams are made of.
pub(crate) trait Number: Copy + Sync {
    fn sum(values: &[Self], ahead: Ahead) -> u64;
}

#[cfg(feature = "simd")]
mod vectors {
    #![expect(
        clippy::inline_always,
        reason = "only what is inlined into a dispatched function is compiled for its instructions"
    )]

    use fearless_simd::{Level, dispatch, f32x8, prelude::*, u16x16};

    use super::{Ahead, Number};

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

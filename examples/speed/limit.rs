//! The limit: reading the same numbers and doing next to nothing with them.
//!
//! Each stream is read from end to end, one after the other, by additions in 32-byte registers:
//! the fastest way that the processors tried have of reading memory from one thread.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements that a thread reads before it looks for more work.
const SHARE: usize = 1 << 18;

/// Reads all of these on that many threads.
pub(crate) fn read<T: Number>(streams: &[&[T]], threads: usize) {
    for stream in streams {
        if threads == 1 {
            black_box(T::sum(stream));
            continue;
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(share) = stream
                .chunks(SHARE)
                .nth(next.fetch_add(1, Ordering::Relaxed))
            {
                black_box(T::sum(share));
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
    fn sum(values: &[Self]) -> u64;
}

#[cfg(feature = "simd")]
mod vectors {
    use fearless_simd::{Level, dispatch, prelude::*, u16x16, u32x8};

    use super::Number;

    /// The level with the fastest loads: registers of 32 bytes beat those of 64.
    fn level() -> Level {
        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(avx2) = best.as_avx2() {
            return Level::Avx2(avx2);
        }
        best
    }

    macro_rules! number {
        ($type:ty, $vector:ident, $lanes:literal, $bits:expr) => {
            impl Number for $type {
                fn sum(values: &[Self]) -> u64 {
                    #[inline(always)]
                    fn sum<S: Simd>(simd: S, values: &[$type]) -> u64 {
                        const WIDTH: usize = 8;
                        let mut sums = [$vector::splat(simd, Default::default()); WIDTH];
                        let (blocks, rest) = values.as_chunks::<{ WIDTH * $lanes }>();
                        for block in blocks {
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
                    dispatch!(level(), simd => sum(simd, values))
                }
            }
        };
    }
    use fearless_simd::f32x8;
    number!(f32, f32x8, 8, |x: f32| u64::from(x.to_bits()));
    number!(u16, u16x16, 16, u64::from);
    number!(u32, u32x8, 8, u64::from);
}

#[cfg(not(feature = "simd"))]
mod plain {
    use super::Number;

    macro_rules! number {
        ($type:ty, $bits:expr) => {
            impl Number for $type {
                fn sum(values: &[Self]) -> u64 {
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

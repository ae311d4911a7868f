//! What observing costs: the pass at the speed of memory, and what that is worth.
//!
//! ```text
//! cargo run --release --features simd,rayon --example speed -- --json speed.json --plots plots
//! ```
//! prints every figure of this page beside its target, for your machine, in a few minutes;
//! `--quick` does so for small sizes in seconds. Nothing on this page is promised for another
//! machine, and each ratio was taken by timing two things in turn. All figures are of one run on a
//! virtual machine with two cores of an AMD EPYC (Zen 4, 3.6 GHz, AVX-512), at rest but for what
//! others do with the memory and the cache that it shares with them.
//!
//! # The pass
//! Observing a step means a handful of sums over weights, gradients and, for displacements, the
//! weights of the step before. There is hardly any arithmetic in it, so that its limit, where the
//! streams lie in memory, is the reading of it: the pass over `f32` comes within a tenth of that
//! on one core. Where they lie in a cache, or are of 16 bits, its limit is arithmetic.
//!
//! | what | share of the read bandwidth, or ratio | quartiles | target |
//! |---|---|---|---|
//! | pass, f32, 2 streams, d=1e8, 1 thread | 0.90 of the read bandwidth | 0.83 to 1.18 | ≥ 0.9 |
//! | pass, f32, 3 streams, d=1e8, 1 thread | 0.96 of the read bandwidth | 0.96 to 0.96 | ≥ 0.85 |
//! | pass, f32, 2 streams, d=1e8, 2 threads | 0.93 of the read bandwidth | 0.82 to 1.02 | ≥ 0.9 |
//! | pass, f32, 3 streams, d=1e8, 2 threads | 1.05 of the read bandwidth | 1.03 to 1.08 | ≥ 0.85 |
//! | pass, bf16, 2 streams, d=1e8, 1 thread | 0.64 of the read bandwidth | 0.63 to 0.65 | ≥ 0.8, missed |
//! | pass, bf16, 3 streams, d=1e8, 1 thread | 0.50 of the read bandwidth | 0.49 to 0.50 | ≥ 0.8, missed |
//! | pass, bf16, 2 streams, d=1e8, 2 threads | 0.67 of the read bandwidth | 0.61 to 0.76 | ≥ 0.8, missed |
//! | pass, bf16, 3 streams, d=1e8, 2 threads | 0.74 of the read bandwidth | 0.54 to 0.79 | ≥ 0.8, missed |
//! | pass, f32, 2 streams, d=1e6, 1 thread | 0.53 of the read bandwidth | 0.49 to 0.56 | ≥ 0.95, missed |
//! | pass, f32, 3 streams, d=1e6, 1 thread | 0.46 of the read bandwidth | 0.44 to 0.47 | ≥ 0.95, missed |
//! | pass, f32, 2 streams, d=1e4, 1 thread | 4.9e+09 parameters/s | 4.9e+09 to 4.9e+09 | ≥ 3e+09 |
//! | pass, f32, 3 streams, d=1e4, 1 thread | 2.6e+09 parameters/s | 2.6e+09 to 2.6e+09 | ≥ 3e+09, missed |
//! | pass, f32, 3 streams, d=1e6, against nalgebra | 32.32 times faster | 29.23 to 41.08 | ≥ 10 |
//! | pass, f32, 3 streams, d=1e6, against ndarray | 36.42 times faster | 28.96 to 44.07 | ≥ 4 |
//! | pass, f32, 3 streams, d=1e6, against a plain fold | 3.83 times faster | 3.75 to 3.88 | ≥ 5, missed |
//! | projection, f32, d=1e8, k=64, over a pure read | 1.46 times its time | 1.45 to 1.47 | ≤ 1.25, missed |
//! | projection, f32, d=1e8, k=1024, over a pure read | 1.92 times its time | 1.91 to 2.11 | ≤ 1.25, missed |
//! | projection, f32, d=1e6, k=8, over a pure read | 4.23 times its time | 3.93 to 4.39 | ≤ 1.25, missed |
//! | projection, f32, d=1e6, k=64, over a pure read | 4.05 times its time | 3.79 to 4.16 | ≤ 1.25, missed |
//! | projection, f32, d=1e6, k=1000, over a pure read | 4.22 times its time | 4.14 to 4.54 | ≤ 1.25, missed |
//! | projection, f32, d=1e6, k=1024, over a pure read | 4.23 times its time | 4.14 to 4.52 | ≤ 1.25, missed |
//! | projection, rms error of a distance times √2k, k=64 | 0.99 | | ≤ 1.1 |
//! | projection, rms error of a distance times √2k, k=1024 | 0.99 | | ≤ 1.1 |
//! | same bits: 1, 2, 3, 8 threads, splits, instructions | 0 passes that differ | | ≤ 0 |
//! | rounding of w², w·g, g², d=1e7 | 2.1e-16 of the sum of absolute terms | | ≤ 2e-15 |
//! | observing the digits network, 4 steps in 64 (the default) | 0.010 of the step | 0.007 to 0.012 | ≤ 0.01 |
//! | observing the digits network, every step | 0.067 of the step | 0.066 to 0.071 | ≤ 0.1 |
//!
//! The limit is the faster of two ways of reading the same streams one after the other, with and
//! without asking for lines ahead. With two threads memory itself is unsteady here, and so are those
//! rows.
//!
#![doc = include_str!("pictures/speed_d.svg")]
//!
//! Read it from the left: up to a thousand parameters a call costs what a call costs, half a
//! microsecond; then the arithmetic of six sums; from some 3·10⁶ on, where the streams no longer fit
//! the caches, the pass lies on the line of the pure read. There a plain fold takes 2.5 times as long,
//! and 3.8 times at 10⁶. A second thread pays from some 2·10⁶ parameters on; before that it costs more
//! than it saves, here, and `Sums::reduce` does without. nalgebra and ndarray are written the way one
//! would, with vectors of `f64` made for the purpose. At 10⁴ nalgebra takes 3.5 times as long as the
//! pass; beyond 10⁶ each of its own parameters costs up to 13 times as much as at 10⁴, presumably
//! because memory that large is mapped anew in every call, and the rows of the table hold that too.
//!
//! # Why the bits are always the same
//! Sums in floating point depend on their order, so the order is fixed: 512 positions to a leaf,
//! eight lanes in it, a binary tree over the leaves, all by the position in the group. Threads,
//! pieces and vector instructions follow it and cannot show. Fused multiply-adds are used only
//! where the product is exact to begin with. The tests compare every path that the processor has,
//! on 1, 2, 3 and 8 threads, over random splits, with the definition written out one element at a
//! time, on numbers from the smallest subnormal to the largest finite one.
//!
//! The tree is also accurate: at 10⁷ parameters its error is some 10⁻¹⁶ of the sum of absolute
//! terms, where a plain fold in the same `f64` is off by 10⁻¹².
//!
//! # Features
//! | feature | what it does | without it |
//! |---|---|---|
//! | `simd` | vector instructions chosen when the program runs: SSE2, SSE4.2, AVX2, AVX-512, NEON | plain code |
//! | `rayon` | threads from rayon's pool | threads started for the call |
//!
//! There is no `unsafe` in this crate with any of them. Asking for memory ahead of its use is what
//! keeps three streams at the speed of one; the standard library has no safe call for it on stable
//! Rust, and `safe_arch` has. [`Instructions`](crate::Instructions) says what is in use.
//!
//! # In a training loop
//! The step of the small digits network is short: tens of nanoseconds a parameter. Looking at every
//! step is several percent of that, and cannot be below one: the sums of a step with two steps of
//! memory are thirteen products for every parameter. The default, bursts of 4 consecutive steps in
//! 64, brings it to one percent. A larger batch has more arithmetic to a parameter for the same
//! look.
//!
//! # Where it stops
//! - This core does at most 5·10¹⁰ operations on `f64` a second, half of them additions. Three `f32`
//!   streams take thirteen for each parameter, conversions counted: 3.8·10⁹ parameters a second
//!   at best, 2.8·10⁹ as measured in a cache. Reading the third-level cache, at 70 to 90 GB/s, is not
//!   the limit there, and no way of reading could make it so. On a processor whose cache gives
//!   36 GB/s, the target of 0.95 was met.
//! - bfloat16 is bound by arithmetic in the same way: each element must become an `f64`, and half the
//!   bytes bring the same number of them. Sums of blocks in `f32` would be faster, and would give up
//!   that all formats have the same bits.
//! - A plain fold takes one element at a time. On this core that is 3.8 times as slow as the pass,
//!   where 5 were aimed at.
//! - Subnormal `f32` are exact, and slow on processors that convert them in microcode.
//! - The projection adds every block of 16 to a place that a hash chose, in `f64`: two stores of eight
//!   across lines of cache for every 64 bytes read. Places at whole lines were tried: a tenth faster,
//!   but no faster with the permutation of lanes that keeps the error what it is.
//!
//! # A projection, where keeping weights is out of the question
//! [`Projection`](crate::Projection) adds up weights, with signs and places from a seed, on at most
//! 1024 sums, for up to twice the price of reading them from memory. Distances between projections
//! are those of the weights within 1/√(2k). It is for drift and neighbours, and never for absolute entropies: see its page.
//!
//! # Windows, neighbours and detectors
//! One thread, N = 1000 snapshots.
//!
//! | what | times faster | quartiles | target |
//! |---|---|---|---|
//! | an entropy for each added snapshot, d = 1e3, than arXiv 2511.07308 as published | 314 | 262 to 319 | ≥ 100 |
//! | d = 1e4 | 459 | 396 to 462 | ≥ 200 |
//! | d = 1e5, two rounds | 463 | 440 to 486 | ≥ 300 |
//! | d = 3, against a k-d tree of angles | 4.6 | 4.3 to 4.8 | ≥ 20, missed |
//! | d = 3, against all pairs | 34 | 33 to 36 | ≥ 20 |
//! | a cold window and an entropy, d = 1e3 | 2.1 | 1.9 to 2.9 | ≥ 3, missed |
//! | d = 1e4 | 2.4 | 2.3 to 3.1 | ≥ 3, missed |
//! | d = 1e5, two rounds | 2.5 | 2.4 to 2.6 | ≥ 3, missed |
//! | burn-in, 1e4 steps, than pymbar's loop over every origin | 477 | 471 to 479 | ≥ 50 |
//! | PELT, 1000 elements, a change every 100, than an O(n²) programme | 10.3 | 9.8 to 10.5 | ≥ 100, missed |
//! | the same, than one that takes its costs from the elements | 2490 | 2178 to 2683 | ≥ 100 |
//! | PELT, 1000 elements without a change, than an O(n²) programme | 8.6 | 8.1 to 8.8 | ≥ 100, missed |
//! | PELT, 1e4 elements without a change, than our own O(n²) programme | 36 | 36 to 37 | ≥ 100, missed |
//!
//! The baselines are written in Rust and compiled with the example: the published entropy takes its
//! angles in `f64`, its products of matrices through nalgebra and its tree with leaves of thirty.
//! What they cost in Python is not part of the ratios.
//!
//! - A snapshot that enters a full window brings one row of distances, read at the speed of memory
//!   (22 GB/s at d = 1e5, where a pure read of as much had 21), and
//!   [`WindowConfig::follow`](crate::entropy::WindowConfig::follow) keeps neighbours up to date.
//!   From a few thousand parameters on, the row is nearly all of the cost.
//! - A tree of a thousand points in two dimensions takes a quarter of a millisecond to build and to
//!   ask: following neighbours, with an error bar from blocks and the effective dimension, which
//!   the tree does not give, cannot be twenty times as fast. Much of its 50 µs goes to the blocks.
//! - A cold window ([`SnapshotWindow::push_all`](crate::entropy::SnapshotWindow::push_all)) takes
//!   differences, squares and sums, three roundings a parameter and pair, where a product of
//!   matrices needs one fused operation. It does so at 85% of what the core can do at all; at the
//!   whole of it, the ratio would be below 3 still. Two threads take 0.62 of the time of one at
//!   d = 1e5. Products would be faster and lose the digits: an entropy of f32 snapshots of norm
//!   10 in steps of 10⁻⁴, d = 1e5, agrees with integer arithmetic to the last digit of its `f64`,
//!   2·10⁻¹⁰ nats.
//! - PELT costs one or two tenths of a microsecond for each element, whatever the length, and the
//!   programme a nanosecond for each pair: a hundred times is reached at some 3·10⁴ elements. At a
//!   thousand it would leave 35 cycles for each element, what one division and one root take.
//!
//! The pictures are of three measurements a point.
//!
#![doc = concat!(include_str!("pictures/speed_entropy_d.svg"), "\n")]
#![doc = concat!(include_str!("pictures/speed_entropy_n.svg"), "\n")]
#![doc = concat!(include_str!("pictures/speed_detectors_n.svg"), "\n")]

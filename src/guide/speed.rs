//! What observing costs: the pass at the speed of memory, and what that is worth.
//!
//! ```text
//! cargo run --release --features simd,rayon --example speed -- --json speed.json --plots plots
//! ```
//! prints every figure of this page beside its target, for your machine, in a few minutes;
//! `--quick` does so for small sizes in seconds. Nothing on this page is promised for another
//! machine: the ratios are what carries over, and each was taken by timing two things in turn.
//!
//! # The pass
//! Observing a step means a handful of sums over weights, gradients and, for displacements, the
//! weights of the step before. There is hardly any arithmetic in it, so that its limit is the
//! reading of memory. The pass reaches it, on one core and on all.
//!
//! | what | share of the read bandwidth, or ratio | quartiles | target |
//! |---|---|---|---|
//! | pass, f32, 2 streams, d=1e8, 1 thread | 0.97 of the read bandwidth | 0.94 to 1.08 | ≥ 0.9 |
//! | pass, f32, 3 streams, d=1e8, 1 thread | 1.07 of the read bandwidth | 1.05 to 1.09 | ≥ 0.85 |
//! | pass, f32, 2 streams, d=1e8, 2 threads | 1.01 of the read bandwidth | 0.98 to 1.16 | ≥ 0.9 |
//! | pass, f32, 3 streams, d=1e8, 2 threads | 1.03 of the read bandwidth | 1.00 to 1.03 | ≥ 0.85 |
//! | pass, bf16, 2 streams, d=1e8, 1 thread | 0.85 of the read bandwidth | 0.81 to 0.87 | ≥ 0.8 |
//! | pass, bf16, 3 streams, d=1e8, 1 thread | 0.76 of the read bandwidth | 0.71 to 0.84 | ≥ 0.8 |
//! | pass, bf16, 2 streams, d=1e8, 2 threads | 0.86 of the read bandwidth | 0.68 to 0.98 | ≥ 0.8 |
//! | pass, bf16, 3 streams, d=1e8, 2 threads | 0.89 of the read bandwidth | 0.73 to 0.91 | ≥ 0.8 |
//! | pass, f32, 2 streams, d=1e6, 1 thread | 1.00 of the read bandwidth | 0.96 to 1.02 | ≥ 0.95 |
//! | pass, f32, 3 streams, d=1e6, 1 thread | 1.00 of the read bandwidth | 0.95 to 1.23 | ≥ 0.95 |
//! | pass, f32, 2 streams, d=1e4, 1 thread | 5.3e+09 parameters/s | 5.3e+09 to 5.5e+09 | ≥ 3e+09 |
//! | pass, f32, 3 streams, d=1e4, 1 thread | 2.9e+09 parameters/s | 2.8e+09 to 2.9e+09 | ≥ 3e+09 |
//! | pass, f32, 3 streams, d=1e6, against nalgebra | 221 times faster | 173 to 281 | ≥ 10 |
//! | pass, f32, 3 streams, d=1e6, against ndarray | 78.75 times faster | 59.54 to 153 | ≥ 4 |
//! | pass, f32, 3 streams, d=1e6, against a plain fold | 4.77 times faster | 3.85 to 20.22 | ≥ 5 |
//! | projection, f32, d=1e8, k=64, over a pure read | 1.32 times its time | 1.24 to 1.41 | ≤ 1.25 |
//! | projection, f32, d=1e8, k=1024, over a pure read | 1.23 times its time | 1.22 to 1.31 | ≤ 1.25 |
//! | projection, f32, d=1e6, k=8, over a pure read | 1.41 times its time | 1.39 to 1.44 | ≤ 1.25 |
//! | projection, f32, d=1e6, k=64, over a pure read | 1.40 times its time | 1.38 to 1.44 | ≤ 1.25 |
//! | projection, f32, d=1e6, k=1000, over a pure read | 1.47 times its time | 1.44 to 1.50 | ≤ 1.25 |
//! | projection, f32, d=1e6, k=1024, over a pure read | 1.49 times its time | 1.45 to 1.51 | ≤ 1.25 |
//! | projection, rms error of a distance times √2k, k=64 | 0.99 | | ≤ 1.1 |
//! | projection, rms error of a distance times √2k, k=1024 | 0.99 | | ≤ 1.1 |
//! | same bits: 1, 2, 3, 8 threads, splits, instructions | 0.00 passes that differ | | ≤ 0 |
//! | rounding of w², w·g, g², d=1e7 | 2.1e-16 of the sum of absolute terms | | ≤ 2e-15 |
//! | observing the digits network, 4 steps in 64 (the default) | 0.01 of the step | 0.00 to 0.01 | ≤ 0.01 |
//! | observing the digits network, every step | 0.04 of the step | 0.03 to 0.07 | ≤ 0.1 |
//!
//! The limit is the faster of two ways of reading the same streams one after the other, with and
//! without asking for lines ahead; a share above 1 is the noise of a machine that others use too.
//!
#![doc = include_str!("pictures/speed_d.svg")]
//!
//! Read it from the left: up to a few thousand parameters a call costs what a call costs, about a
//! microsecond; then the arithmetic of six sums; from some 10⁵ on, where the streams no longer fit
//! the caches nearest to the core, the pass lies on the line of the pure read. A plain fold stays
//! above it at every length. nalgebra and ndarray are written the way one would, with vectors of
//! `f64` made for the purpose. At 10⁴ nalgebra takes 4 times as long as the pass; at 10⁶ each of its
//! own parameters costs 35 times as much as it did at 10⁴, presumably because memory that large is
//! mapped anew in every call, and the rows of the table hold that too.
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
//! 64, brings it below one percent. A larger batch has more arithmetic to a parameter for the same
//! look.
//!
//! # Where it stops
//! - bfloat16 with three streams is bound by arithmetic: each element must become an `f64`, and
//!   half the bytes bring the same number of them. Sums of blocks in `f32` would be faster, and
//!   would give up that all formats have the same bits.
//! - Subnormal `f32` are exact, and slow on processors that convert them in microcode.
//! - Three f32 streams from the second-level cache are bound by arithmetic as well: 52 vector
//!   operations for 32 positions, 28 of them for displacements, whose products may not be fused.
//! - The projection adds every block of 16 to a place that a hash chose, in `f64`: in the
//!   third-level cache that is slower than reading, from memory it is hidden behind it.
//! - A plain fold over data in the third-level cache waits for that cache as well: no pass can beat
//!   it by more than the reading of the cache does.
//!
//! # A projection, where keeping weights is out of the question
//! [`Projection`](crate::Projection) adds up weights, with signs and places from a seed, on at most
//! 1024 sums, for the price of reading them. Distances between projections are those of the weights
//! within 1/√(2k). It is for drift and neighbours, and never for absolute entropies: see its page.
//!
//! # Windows, neighbours and detectors
//! One thread, N = 1000 snapshots, on two virtual cores that other programs kept busy (reading from
//! memory then ran at 3 GB/s for each, a sixth of what it does at rest): hence the ratios.
//!
//! | what | times faster | quartiles | target |
//! |---|---|---|---|
//! | an entropy for each added snapshot, d = 1e3, than arXiv 2511.07308 as published | 225 | 202 to 246 | ≥ 100 |
//! | d = 1e4 | 142 | 118 to 143 | ≥ 200, missed |
//! | d = 1e5 | 213 | 148 to 213 | ≥ 300, missed |
//! | d = 3, against a k-d tree of angles | 4.4 | 4.2 to 4.6 | ≥ 20, missed |
//! | d = 3, against all pairs | 33 | 28 to 217 | ≥ 20 |
//! | a cold window and an entropy, d = 1e3, 1e4, 1e5 | 1.5, 1.5, 1.6 | 1.4 to 1.6 | ≥ 3, missed |
//! | burn-in, 1e4 steps, than pymbar's loop over every origin | 1940 | 1930 to 2030 | ≥ 50 |
//! | PELT, 1000 elements, than an O(n²) programme | 7.8 | 7.5 to 8.2 | ≥ 100, missed |
//! | the same without a change | 5.3 | 5.0 to 5.6 | ≥ 100, missed |
//! | PELT, 1e4 elements without a change, than our own O(n²) programme | 131 | 131 to 133 | |
//!
//! The baselines are written in Rust and compiled with the example: the published entropy takes its
//! angles in `f64`, its products of matrices through nalgebra and its tree with leaves of thirty.
//! What they cost in Python is not part of the ratios.
//!
//! - A snapshot that enters a full window brings one row of distances, read at the speed of memory,
//!   and [`WindowConfig::follow`](crate::entropy::WindowConfig::follow) keeps neighbours up to date.
//!   From a few thousand parameters on, the row is nearly all of the cost.
//! - A tree of a thousand points in two dimensions takes a quarter of a millisecond to build and to
//!   ask: following neighbours, with an error bar from blocks and the autocorrelation time, which
//!   the tree does not give, cannot be twenty times as fast.
//! - A cold window ([`SnapshotWindow::push_all`](crate::entropy::SnapshotWindow::push_all)) takes
//!   differences, squares and sums, three roundings a parameter and pair, where a product of
//!   matrices needs one fused operation. Products would be faster and lose the digits: an entropy
//!   of f32 snapshots of norm 10 in steps of 10⁻⁴, d = 1e5, agrees with integer arithmetic to the
//!   last digit of its `f64`, 2·10⁻¹⁰ nats.
//! - The programme of PELT costs a nanosecond for each pair of elements. A thousand elements are too
//!   few for pruning to tell; the gain grows with the length.
//!
//! The pictures are of the same busy machine, and of three measurements a point: bumps of a factor of
//! some are other programs.
//!
#![doc = concat!(include_str!("pictures/speed_entropy_d.svg"), "\n")]
#![doc = concat!(include_str!("pictures/speed_entropy_n.svg"), "\n")]
#![doc = concat!(include_str!("pictures/speed_detectors_n.svg"), "\n")]

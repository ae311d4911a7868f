//! The fused pass: one definition, whatever carries it out.
//!
//! The oracle is the definition written down one element at a time: leaves of 512 in eight lanes,
//! leaves in a binary tree. Everything else must have its bits.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use thermograd::{
    Config, Error, Groups, Instructions, Observer, Piece, Step, Sums, Symmetry, View, from_fn,
    slices, systems::Random,
};

const LEAF: usize = 512;

/// Σ over positions `start..` of a group in the order that defines the pass.
fn defined(start: usize, terms: &[f64]) -> f64 {
    /// The subtree of leaves `from .. from + 2^level`, where any of it is there.
    fn tree(start: usize, terms: &[f64], from: usize, level: u32) -> Option<f64> {
        let (first, last) = (from * LEAF, (from + (1 << level)) * LEAF);
        let end = start + terms.len();
        if last <= start || first >= end {
            return None;
        }
        if level == 0 {
            let mut lanes = [0.0; 8];
            let here = &terms[first.max(start) - start..last.min(end) - start];
            for (i, term) in here.iter().enumerate() {
                lanes[i % 8] += term;
            }
            let [a, b, c, d, e, f, g, h] = lanes;
            return Some(((a + b) + (c + d)) + ((e + f) + (g + h)));
        }
        let left = tree(start, terms, from, level - 1);
        let right = tree(start, terms, from + (1 << (level - 1)), level - 1);
        match (left, right) {
            (Some(left), Some(right)) => Some(left + right),
            (one, other) => one.or(other),
        }
    }
    // Complete subtrees from the left, met from the right: the order of a sum whose end is open.
    let (mut leaf, last) = (start / LEAF, (start + terms.len()).div_ceil(LEAF));
    let mut subtrees = Vec::new();
    while leaf < last {
        let whole = start <= leaf * LEAF;
        let fits = |level: u32| {
            let ends = (leaf + (1 << level)) * LEAF;
            leaf.is_multiple_of(1 << level) && (ends <= start + terms.len() || level == 0)
        };
        let level = if whole {
            (0..40).rev().find(|&level| fits(level)).unwrap_or(0)
        } else {
            0
        };
        subtrees.push((leaf, level, tree(start, terms, leaf, level).unwrap_or(0.0)));
        leaf += 1 << level;
        // Siblings meet as soon as both are there.
        while let [.., (l, lk, left), (r, rk, right)] = subtrees[..]
            && lk == rk
            && (l >> lk).is_multiple_of(2)
            && r == l + (1 << lk)
        {
            subtrees.truncate(subtrees.len() - 2);
            subtrees.push((l, lk + 1, left + right));
        }
    }
    subtrees
        .iter()
        .rev()
        .fold(0.0, |right, (_, _, left)| left + right)
}

/// Numbers of all sizes that a product of two can have in f64: zeros, subnormal and huge ones.
fn draw(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..len)
        .map(|_| {
            #[expect(clippy::cast_possible_truncation, reason = "numbers of any precision")]
            let x = random.normal() as f32;
            match random.below(20) {
                0 => 0.0,
                1 => -0.0,
                2 => x * f32::MIN_POSITIVE,
                3 => x * 1e-44,
                4 => x * 1e37,
                5 => f32::MAX.copysign(x),
                6 => f32::from_bits(1).copysign(x),
                _ => x,
            }
        })
        .collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

fn terms(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn bits(sums: &Sums) -> Vec<u64> {
    sums.to_array().iter().map(|x| x.to_bits()).collect()
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

/// What a third stream is.
#[derive(Debug, Clone, Copy)]
enum Third {
    None,
    Previous,
    Second,
    Update,
}

fn piece<'a>(w: View<'a>, g: View<'a>, t: View<'a>, third: Third) -> Piece<'a> {
    let two = Piece::new(w, g);
    match third {
        Third::None => two,
        Third::Previous => two.previous_weights(t),
        Third::Second => two.second_gradient(t),
        Third::Update => two.update(t),
    }
}

/// The definition of every sum.
fn oracle(start: usize, w: &[f64], g: &[f64], t: &[f64], third: Third) -> Sums {
    let sum = |a: &[f64], b: &[f64]| defined(start, &terms(a, b, |a, b| a * b));
    let mut sums = Sums::default();
    let count = w.len() as f64;
    (sums.w_count, sums.g_count) = (count, count);
    (sums.w_w, sums.w_g, sums.g_g) = (sum(w, w), sum(w, g), sum(g, g));
    match third {
        Third::None => {}
        Third::Previous => {
            let step = terms(w, t, |w, t| w - t);
            sums.step_count = count;
            sums.step_step = sum(&step, &step);
            sums.previous_step = sum(t, &step);
            sums.g_step = sum(g, &step);
        }
        Third::Second => {
            let apart = terms(g, t, |g, t| g - t);
            sums.g2_count = count;
            sums.noise = sum(&apart, &apart);
            sums.g_g2 = sum(g, t);
            sums.w_g2 = sum(w, t);
        }
        Third::Update => {
            sums.u_count = count;
            sums.w_u = sum(w, t);
            sums.u_u = sum(t, t);
            sums.g_u = sum(g, t);
        }
    }
    sums
}

const THIRDS: [Third; 4] = [Third::None, Third::Previous, Third::Second, Third::Update];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any length, place, format, number of threads and set of instructions.
    #[test]
    fn every_path_has_the_bits_of_the_definition(
        len in prop_oneof![1_usize..40, 400_usize..3000, 60_000_usize..80_000],
        start in prop_oneof![Just(0_usize), 0_usize..2000],
        third in prop::sample::select(&THIRDS),
        seed: u64,
    ) {
        let [w, g, t] = [0, 1, 2].map(|i| draw(seed.wrapping_add(i), len));
        let [w64, g64, t64] = [&w, &g, &t].map(|x| wide(x));
        let expected = bits(&oracle(start, &w64, &g64, &t64, third));
        let narrow = piece((&w).into(), (&g).into(), (&t).into(), third).offset(start);
        let double = piece((&w64).into(), (&g64).into(), (&t64).into(), third).offset(start);
        for instructions in Instructions::available().chain([Instructions::Best]) {
            for n in [1, 2, 3, 8] {
                let found = Sums::reduce_with(&narrow, threads(n), instructions)?;
                prop_assert_eq!(bits(&found), expected.clone(), "{} on {}", instructions, n);
            }
            let found = Sums::reduce_with(&double, threads(1), instructions)?;
            prop_assert_eq!(bits(&found), expected.clone(), "f64, {}", instructions);
        }
        // bfloat16 is the upper half of an f32.
        let brain = [&w, &g, &t].map(|x| {
            x.iter().map(|x| (x.to_bits() >> 16) as u16).collect::<Vec<u16>>()
        });
        let back = brain.each_ref().map(|x| {
            x.iter().map(|&x| f64::from(f32::from_bits(u32::from(x) << 16))).collect::<Vec<f64>>()
        });
        let expected = bits(&oracle(start, &back[0], &back[1], &back[2], third));
        let [w, g, t] = &brain;
        let brain = piece(View::Bf16(w), View::Bf16(g), View::Bf16(t), third).offset(start);
        for instructions in Instructions::available() {
            let found = Sums::reduce_with(&brain, threads(2), instructions)?;
            prop_assert_eq!(bits(&found), expected.clone(), "bf16, {}", instructions);
        }
    }

    /// An observer that is handed any split into pieces, in order, has the bits of the whole, with
    /// history on some of the leaves, on all, and whatever the pieces cut.
    #[test]
    fn any_split_has_the_bits_of_the_whole(
        cuts in prop::collection::vec(1_usize..6000, 0..6),
        len in 1_usize..12_000,
        probe in prop_oneof![Just(512_usize), Just(1 << 16)],
        seed: u64,
    ) {
        let [w, g, t] = [0, 1, 2].map(|i| draw(seed.wrapping_add(i), len));
        let mut all = Vec::new();
        for split in [false, true] {
            let mut groups = Groups::new();
            let id = groups.add("group", Symmetry::Generic);
            let mut observer = Observer::with_config(groups, Config::every_step().probe(probe))?;
            let mut found = Vec::new();
            for values in [&w, &t, &w] {
                let visit = from_fn(|out| {
                    let mut at = 0;
                    for cut in cuts.iter().filter(|_| split).copied().chain([len]) {
                        let to = len.min(at + cut);
                        if to > at {
                            out.tensor(id, &values[at..to], &g[at..to])?;
                        }
                        at = to;
                    }
                    Ok(())
                });
                observer.observe(&Step::new(1.0), &visit)?;
                found.push(observer.sums(id)?.map(|sums| bits(&sums)));
            }
            all.push(found);
        }
        prop_assert_eq!(&all[0], &all[1]);
    }

    /// Whatever is not finite is refused with its place, on every path.
    #[test]
    fn infinities_are_refused_with_their_index(
        len in prop_oneof![1_usize..600, 60_000_usize..70_000, Just(200_000_usize)],
        at: prop::sample::Index,
        stream in 0_usize..3,
        bad in prop::sample::select(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]),
        third in prop::sample::select(&THIRDS[1..]),
        seed: u64,
    ) {
        let mut streams = [0, 1, 2].map(|i| draw(seed.wrapping_add(i), len));
        let at = at.index(len);
        streams[stream][at] = bad;
        // Later ones are not the first.
        if at + 700 < len {
            streams[stream][at + 700] = f32::NAN;
        }
        let [w, g, t] = &streams;
        let name = match (stream, third) {
            (0, _) => "weights",
            (1, _) => "gradient",
            (_, Third::Previous) => "previous weights",
            (_, Third::Second) => "second gradient",
            _ => "update",
        };
        let whole = piece(w.into(), g.into(), t.into(), third);
        for instructions in [Instructions::Best, Instructions::Plain] {
            for n in [1, 3] {
                match Sums::reduce_with(&whole, threads(n), instructions) {
                    Err(Error::NonFinite { place, index, value }) => {
                        prop_assert_eq!(index, at);
                        prop_assert!(place.ends_with(name), "{} {}", place, name);
                        prop_assert_eq!(value.is_nan(), bad.is_nan());
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }
}

#[test]
fn numbers_too_large_to_square_are_told_from_infinities() {
    for len in [3, 5000] {
        let mut w = vec![1.0_f64; len];
        w[len - 1] = 1e200;
        let refused = Sums::of(&w, &w);
        assert!(
            matches!(&refused, Err(Error::Overflow { largest, .. }) if *largest == 1e200),
            "{refused:?}"
        );
    }
    // Each leaf is finite, and their sum is not.
    let w = vec![1.2e152_f64; 20_000];
    let refused = Sums::of(&w, &w);
    assert!(
        matches!(refused, Err(Error::NonFinite { .. })),
        "{refused:?}"
    );
}

/// a + b as a sum and what it left out (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// Products of f32 are exact in f64, so that sums of them in twice the precision are exact to 1e-30.
#[test]
fn rounding_is_that_of_a_few_additions() -> Result<(), Error> {
    let len = 10_000_000;
    let mut random = Random::new(3);
    #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
    let mut draw = |mean: f64| -> Vec<f32> {
        (0..len)
            .map(|_| (mean + random.uniform() - 0.5) as f32)
            .collect()
    };
    let (w, g) = (draw(0.3), draw(0.0));
    let sums = Sums::of(&w, &g)?;
    for (found, a, b) in [(sums.w_w, &w, &w), (sums.w_g, &w, &g), (sums.g_g, &g, &g)] {
        let (mut exact, mut rest, mut size) = (0.0, 0.0, 0.0);
        for (&a, &b) in a.iter().zip(b) {
            let term = f64::from(a) * f64::from(b);
            let (sum, left) = two_sum(exact, term);
            exact = sum;
            rest += left;
            size += term.abs();
        }
        let error = ((found - exact) - rest).abs() / size;
        assert!(error < 2e-15, "{error:e}");
    }
    Ok(())
}

/// The displacement from previous weights that the caller has is the one from those that the
/// observer kept, over all coordinates where the observer follows only some.
#[test]
fn previous_weights_stand_for_memory() -> Result<(), Error> {
    let len = 5000;
    let [w, g, before] = [1, 2, 3].map(|seed| {
        let mut random = Random::new(seed);
        (0..len).map(|_| random.normal()).collect::<Vec<f64>>()
    });
    let of = |probe: usize, given: bool| -> Result<Option<Sums>, Error> {
        let mut groups = Groups::new();
        let id = groups.add("group", Symmetry::Generic);
        let mut observer = Observer::with_config(groups, Config::every_step().probe(probe))?;
        // The first step only tells how much there is to remember.
        for _ in 0..2 {
            observer.observe(&Step::new(1.0), &slices(id, &before, &g))?;
        }
        let now = slices(id, &w, &g);
        let now = if given {
            now.previous_weights(&before)
        } else {
            now
        };
        observer.observe(&Step::new(1.0), &now)?;
        observer.sums(id)
    };
    let kept = of(1 << 16, false)?;
    assert!(kept.is_some_and(|sums| sums.step_count == 5000.0));
    assert_eq!(of(1 << 16, true)?, kept);
    let (probed, given) = (of(512, false)?, of(512, true)?);
    let step =
        |sums: Option<Sums>| sums.map(|sums| (sums.step_step, sums.previous_step, sums.g_step));
    assert_eq!(step(given), step(kept));
    assert_ne!(step(probed), step(kept));
    Ok(())
}

/// Previous weights come for all of a group or for none of it.
#[test]
fn previous_weights_for_a_part_are_refused() -> Result<(), Error> {
    let mut groups = Groups::new();
    let id = groups.add("group", Symmetry::Generic);
    let mut observer = Observer::new(groups)?;
    let (w, g) = ([1.0_f32; 600], [1.0_f32; 600]);
    let visit = from_fn(|out| {
        out.piece(id, &Piece::new(&w, &g).previous_weights(&g))?;
        out.tensor(id, &w, &g)
    });
    assert!(matches!(
        observer.observe(&Step::new(1.0), &visit),
        Err(Error::PartialStream {
            stream: "previous weights",
            expected: 1200,
            found: 600,
            ..
        })
    ));
    Ok(())
}

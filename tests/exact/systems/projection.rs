//! Values by hand, closed forms and boundaries: projection.

use thermograd::{Error, Projection, View};

use super::{above, below, close, dot, near, refused};

fn of(dimension: usize, seed: u64, offset: usize, values: &[f64]) -> Projection {
    let mut projection = Projection::new(dimension, seed).unwrap();
    projection.add(offset, values).unwrap();
    projection
}

/// Where the coordinate goes and with which sign: all others are zero.
fn place(dimension: usize, seed: u64, at: usize) -> (usize, f64) {
    let found = of(dimension, seed, at, &[1.0]).coordinates();
    let at = found.iter().position(|y| *y != 0.0).unwrap();
    assert_eq!(dot(&found, &found), 1.0);
    (at, found[at])
}

/// Sixteen neighbours of a block go to sixteen neighbouring sums, round the end.
#[test]
fn a_block_goes_to_neighbouring_sums() {
    let mut wrapped = 0;
    for dimension in [16, 20, 33, 100] {
        for block in 0..12 {
            let (first, _) = place(dimension, 3, 16 * block);
            for lane in 1..16 {
                let (at, _) = place(dimension, 3, 16 * block + lane);
                assert_eq!(at, (first + lane) % dimension);
                wrapped += usize::from(at < first);
            }
        }
    }
    assert!(wrapped > 0);
}

/// Places are even and signs are fair, block by block and lane by lane: 4000 blocks into 20
/// sums are 200 ± √190 each, and 4000 signs sum to 0 ± √4000; five of these.
#[test]
fn places_and_signs_are_even() {
    let (blocks, dimension) = (4000_usize, 20);
    let mut counts = [[0_i32; 20]; 4];
    let mut signs = [[0.0; 16]; 2];
    let mut pairs = [0.0; 4];
    let mut last = (0, 0.0);
    for block in 0..blocks {
        let values: Vec<f64> = (0..16).map(|lane| f64::from(2_u32.pow(lane))).collect();
        // With powers of two every sum tells its sign; the lane by its size.
        let found = of(dimension, 8, 16 * block, &values).coordinates();
        let mut first = 0;
        for (at, y) in found.iter().enumerate() {
            if *y != 0.0 {
                let lane = values.iter().position(|v| *v == y.abs()).unwrap();
                signs[block % 2][lane] += y.signum();
                if lane == 0 {
                    first = at;
                }
            }
        }
        counts[block % 4][first] += 1;
        let sign = found[first];
        pairs[block % 4] += sign * last.1;
        last = (first, sign);
    }
    for count in counts.iter().flatten() {
        assert!(
            (f64::from(*count) - 50.0).abs() < 5.0 * 47.5_f64.sqrt(),
            "{count}"
        );
    }
    for sum in signs.iter().flatten() {
        assert!(f64::abs(*sum) < 5.0 * 2000_f64.sqrt(), "{sum}");
    }
    for sum in pairs {
        assert!(f64::abs(sum) < 5.0 * 1000_f64.sqrt(), "{sum}");
    }
}

#[test]
fn projections_are_linear() {
    let x: Vec<f64> = (0..700).map(|i| f64::from(i % 37) - 18.0).collect();
    let y: Vec<f64> = (0..700).map(|i| f64::from(i % 11) * 0.5).collect();
    for dimension in [1, 7, 16, 100] {
        let (a, b) = (of(dimension, 4, 5, &x), of(dimension, 4, 5, &y));
        let difference: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
        let both = of(dimension, 4, 5, &difference);
        let expected: Vec<f64> = a
            .coordinates()
            .iter()
            .zip(b.coordinates())
            .map(|(a, b)| a - b)
            .collect();
        assert_eq!(both.coordinates(), expected);
        close(
            a.distance(&b).unwrap(),
            dot(&expected, &expected).sqrt(),
            1e-13,
        );
        let norm = dot(&a.coordinates(), &a.coordinates());
        close(a.norm_squared(), norm, 1e-13);
        // Pieces in any order, merged shards, and back from coordinates.
        let mut pieces = Projection::new(dimension, 4).unwrap();
        for (from, to) in [(300, 700), (0, 3), (3, 50), (50, 300)] {
            pieces.add(5 + from, &x[from..to]).unwrap();
        }
        assert_eq!(pieces.coordinates(), a.coordinates());
        let mut shard = of(dimension, 4, 5, &x[..123]);
        shard.merge(&of(dimension, 4, 128, &x[123..])).unwrap();
        assert_eq!(shard.coordinates(), a.coordinates());
        let back = Projection::from_coordinates(4, &a.coordinates()).unwrap();
        assert_eq!(back.coordinates(), a.coordinates());
        assert_eq!((back.dimension(), back.seed()), (dimension, 4));
        pieces.clear();
        assert_eq!(pieces.coordinates(), vec![0.0; dimension]);
    }
    // Single precision and sixteen bits of the same numbers.
    let single: Vec<f32> = (0_u8..200).map(|i| f32::from(i) * 0.5).collect();
    let double: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
    let mut narrow = Projection::new(50, 1).unwrap();
    narrow.add(9, &single).unwrap();
    assert_eq!(narrow.coordinates(), of(50, 1, 9, &double).coordinates());
    let bits: Vec<u16> = (0..40).map(|i| 0x3f80 + i).collect();
    let wide: Vec<f64> = bits
        .iter()
        .map(|&b| f64::from(f32::from_bits(u32::from(b) << 16)))
        .collect();
    let mut brain = Projection::new(50, 1).unwrap();
    brain.add(3, View::Bf16(&bits)).unwrap();
    assert_eq!(brain.coordinates(), of(50, 1, 3, &wide).coordinates());
    assert_ne!(of(50, 2, 3, &wide).coordinates(), brain.coordinates());
}

#[test]
fn projections_have_bounds() {
    for (dimension, good) in [(0, false), (1, true), (1024, true), (1025, false)] {
        assert_eq!(Projection::new(dimension, 0).is_ok(), good);
    }
    refused(Projection::new(1025, 0), "the dimension of a projection");
    near(
        Projection::new(32, 0).unwrap().relative_error(),
        0.125,
        1e-15,
    );
    let mut full = of(16, 0, 0, &[below(1e150)]);
    assert!(matches!(
        full.add(0, &[below(1e150)]),
        Err(Error::Overflow { largest, .. }) if largest == below(1e150)
    ));
    assert!(matches!(
        full.add(3, &[1.0, f64::NAN]),
        Err(Error::NonFinite { index: 4, .. })
    ));
    close(full.norm_squared().sqrt() / 1e150, 1.0, 1e-14);
    let twin = full.clone();
    assert!(matches!(full.merge(&twin), Err(Error::Overflow { .. })));
    assert_eq!(full.coordinates(), twin.coordinates());
    assert!(full.add(usize::MAX, &[1.0]).is_err());
    let other = Projection::new(17, 0).unwrap();
    assert!(matches!(full.distance(&other), Err(Error::Conflict { .. })));
    assert!(matches!(
        full.distance(&Projection::new(16, 1).unwrap()),
        Err(Error::Conflict { .. })
    ));
    let back = |y: &[f64]| Projection::from_coordinates(0, y).map(|_| ());
    assert!(matches!(
        back(&[1.0, f64::NAN]),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        back(&[-1e150]),
        Err(Error::Overflow { largest: 1e150, .. })
    ));
    assert!(back(&[below(1e150)]).is_ok());
    assert!(back(&[-above(1e149)]).is_ok());
}

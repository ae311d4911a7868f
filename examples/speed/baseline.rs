//! What the window and the detectors are measured against: the usual algorithms, taken literally.
//!
//! Each is written as its source has it and made no slower than it must be: products of matrices
//! go through the same blocked kernel that nalgebra uses, trees prune, sums run over slices.
#![allow(dead_code, reason = "examples and benches use a part each")]

use nalgebra::DMatrix;

/// The entropy of arXiv 2511.07308 as published: hyperspherical angles, the nearest neighbour of
/// each among them, the mean log of their volume elements.
///
/// Neighbours are found as scikit-learn does by default: by a k-d tree with up to 15 coordinates,
/// by `|a|² + |b|² − 2 a·b` with more. The constant of the unit ball is left out.
pub(crate) fn published_entropy(snapshots: &[Vec<f32>]) -> f64 {
    let width = snapshots.first().map_or(0, Vec::len).saturating_sub(1);
    let mut angles = Vec::with_capacity(snapshots.len() * width);
    let mut ln_volume = 0.0;
    for snapshot in snapshots {
        let from = angles.len();
        append_angles(snapshot, &mut angles);
        let bent = angles[from..].iter().take(width.saturating_sub(1));
        ln_volume += bent
            .enumerate()
            .map(|(m, angle)| (width - 1 - m) as f64 * angle.sin().max(1e-8).ln())
            .sum::<f64>();
    }
    let nearest = if width > 15 {
        nearest_by_product(&angles, width)
    } else {
        nearest_by_tree(&angles, width)
    };
    let ln_distance: f64 = nearest.iter().map(|d| d.sqrt().max(1e-8).ln()).sum();
    let n = snapshots.len() as f64;
    (n - 1.0).ln() + (width as f64 * ln_distance + ln_volume) / n
}

fn append_angles(snapshot: &[f32], angles: &mut Vec<f64>) {
    let from = angles.len();
    let mut tail = 0.0;
    for pair in snapshot.windows(2).rev() {
        let (own, next) = (f64::from(pair[0]), f64::from(pair[1]));
        tail += next * next;
        angles.push(if angles.len() == from {
            next.atan2(own)
        } else {
            tail.sqrt().atan2(own)
        });
    }
    angles[from..].reverse();
}

/// Squared distances to the nearest, through the Gram matrix.
fn nearest_by_product(points: &[f64], width: usize) -> Vec<f64> {
    let n = points.len() / width;
    let columns = DMatrix::from_column_slice(width, n, points);
    let norms: Vec<f64> = columns.column_iter().map(|c| c.norm_squared()).collect();
    let gram = columns.transpose() * &columns;
    gram.column_iter()
        .enumerate()
        .map(|(i, products)| {
            let others = products.iter().zip(&norms).enumerate();
            others
                .filter(|(j, _)| *j != i)
                .map(|(_, (product, norm))| norms[i] + norm - 2.0 * product)
                .fold(f64::INFINITY, f64::min)
                .max(0.0)
        })
        .collect()
}

/// Squared distances to the nearest, every pair in turn.
pub(crate) fn nearest_by_pairs(points: &[f64], width: usize) -> Vec<f64> {
    let rows: Vec<&[f64]> = points.chunks_exact(width).collect();
    let mut nearest = vec![f64::INFINITY; rows.len()];
    for i in 0..rows.len() {
        for j in 0..i {
            let d: f64 = rows[i]
                .iter()
                .zip(rows[j])
                .map(|(a, b)| (a - b) * (a - b))
                .sum();
            nearest[i] = nearest[i].min(d);
            nearest[j] = nearest[j].min(d);
        }
    }
    nearest
}

const LEAF: usize = 30;

enum Tree {
    Leaf(Vec<usize>),
    Fork {
        axis: usize,
        at: f64,
        sides: Box<[Tree; 2]>,
    },
}

impl Tree {
    fn grow(points: &[f64], width: usize, mut members: Vec<usize>) -> Self {
        if members.len() <= LEAF {
            return Self::Leaf(members);
        }
        let coordinate = |i: usize, axis: usize| points[i * width + axis];
        let extent = |axis: usize| {
            let all = members.iter().map(|&i| coordinate(i, axis));
            let (low, high) = all.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
            high - low
        };
        let widest = |a: &usize, b: &usize| extent(*a).total_cmp(&extent(*b));
        let axis = (0..width).max_by(widest).unwrap_or(0);
        let middle = members.len() / 2;
        members.select_nth_unstable_by(middle, |&a, &b| {
            coordinate(a, axis).total_cmp(&coordinate(b, axis))
        });
        let at = coordinate(members[middle], axis);
        let right = members.split_off(middle);
        Self::Fork {
            axis,
            at,
            sides: Box::new([
                Self::grow(points, width, members),
                Self::grow(points, width, right),
            ]),
        }
    }

    fn nearest(&self, points: &[f64], width: usize, own: usize, best: &mut f64) {
        let here = &points[own * width..][..width];
        match self {
            Self::Leaf(members) => {
                for &j in members {
                    if j == own {
                        continue;
                    }
                    let there = &points[j * width..][..width];
                    let d: f64 = here.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum();
                    *best = best.min(d);
                }
            }
            Self::Fork { axis, at, sides } => {
                let beyond = here[*axis] - at;
                let near = usize::from(beyond >= 0.0);
                sides[near].nearest(points, width, own, best);
                if beyond * beyond < *best {
                    sides[1 - near].nearest(points, width, own, best);
                }
            }
        }
    }
}

/// Squared distances to the nearest, by a k-d tree with leaves of 30.
fn nearest_by_tree(points: &[f64], width: usize) -> Vec<f64> {
    let n = points.len() / width.max(1);
    let tree = Tree::grow(points, width, (0..n).collect());
    (0..n)
        .map(|i| {
            let mut best = f64::INFINITY;
            tree.nearest(points, width, i, &mut best);
            best
        })
        .collect()
}

/// pymbar's `detect_equilibration(fast=True, nskip=1)`: for every start a mean, a variance and a
/// loop over lags until the correlation crosses zero. The start and its effective size.
pub(crate) fn pymbar_equilibration(series: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for start in 0..series.len().saturating_sub(1) {
        let x = &series[start..];
        let n = x.len();
        let mean = x.iter().sum::<f64>() / n as f64;
        let d: Vec<f64> = x.iter().map(|x| x - mean).collect();
        let variance = d.iter().map(|d| d * d).sum::<f64>() / n as f64;
        let (mut g, mut t, mut gap) = (1.0, 1, 1_usize);
        while t < n - 1 {
            let sum: f64 = d.iter().zip(&d[t..]).map(|(a, b)| a * b).sum();
            let c = sum / ((n - t) as f64 * variance);
            if c <= 0.0 && t > 3 {
                break;
            }
            g += 2.0 * c * (1.0 - t as f64 / n as f64) * gap as f64;
            t += gap;
            gap += 1;
        }
        let size = (n + 1) as f64 / g.max(1.0);
        if size > best.1 {
            best = (start, size);
        }
    }
    best
}

/// Optimal partitioning (arXiv math/0309285) by its recursion: for every end the best of all starts,
/// the cost of a segment in O(1) from sums of elements and of squares. Changes of the mean in noise
/// of unit variance, segments of two elements or more.
pub(crate) fn optimal_partitioning(series: &[f64], penalty: f64) -> Vec<usize> {
    let n = series.len();
    let (mut sums, mut squares) = (vec![0.0], vec![0.0]);
    for x in series {
        sums.push(sums[sums.len() - 1] + x);
        squares.push(squares[squares.len() - 1] + x * x);
    }
    let cost = |from: usize, to: usize| {
        let sum: f64 = sums[to] - sums[from];
        squares[to] - squares[from] - sum * sum / (to - from) as f64
    };
    programme(n, penalty, cost)
}

/// The same with the cost taken from the elements of the segment, as general-purpose packages have
/// it.
pub(crate) fn optimal_partitioning_by_elements(series: &[f64], penalty: f64) -> Vec<usize> {
    let cost = |from: usize, to: usize| {
        let segment = &series[from..to];
        let mean = segment.iter().sum::<f64>() / segment.len() as f64;
        segment.iter().map(|x| (x - mean) * (x - mean)).sum()
    };
    programme(series.len(), penalty, cost)
}

fn programme(n: usize, penalty: f64, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut best = vec![f64::INFINITY; n + 1];
    let mut previous = vec![0; n + 1];
    best[0] = -penalty;
    for to in 2..=n {
        for from in 0..=to - 2 {
            let value = best[from] + cost(from, to) + penalty;
            if value < best[to] {
                best[to] = value;
                previous[to] = from;
            }
        }
    }
    let (mut changes, mut at) = (Vec::new(), previous[n]);
    while at > 0 {
        changes.push(at);
        at = previous[at];
    }
    changes.reverse();
    changes
}

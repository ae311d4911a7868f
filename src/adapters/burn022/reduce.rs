//! Sums that are formed on the device: inner products that lose no digit of `f32`.
//!
//! A backend adds in the type of the tensor, and some add from one end to the other: 2²⁴ times 1
//! in `f32` that way ends where 1 no longer counts. So products are formed and added in `f64` where
//! the device computes in that. Elsewhere rows of 1024 are added in two stages of 32, which keeps
//! the error of a row to that of some ten additions, and the rows are read back and added in `f64`.

use burn022::tensor::{DType, FloatDType, Tensor};

use super::read::{Answers, Readback, Ticket};
use crate::{Error, Sums};

/// Elements that are added on the device in one stage, and stages of a row.
const STAGE: usize = 32;
const ROW: usize = STAGE * STAGE;

/// In what numbers a device adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accumulation {
    /// `f64` where the device has it, else rows.
    Auto,
    /// Rows in `f32`.
    #[cfg_attr(
        not(all(test, feature = "burn022-test")),
        expect(
            dead_code,
            reason = "what Auto takes on devices that tests do not have"
        )
    )]
    Rows,
}

impl Accumulation {
    fn widen(self, tensor: &Tensor<1>) -> Tensor<1> {
        let device = tensor.device();
        if self == Self::Auto && device.supports_dtype(DType::F64) {
            tensor.clone().cast(FloatDType::F64)
        } else if matches!(tensor.dtype(), DType::F64) {
            tensor.clone()
        } else {
            tensor.clone().cast(FloatDType::F32)
        }
    }
}

/// The sums of one parameter, asked for.
pub(super) struct Asked {
    w_w: Vec<Ticket>,
    w_g: Vec<Ticket>,
    g_g: Vec<Ticket>,
    second: Option<[Vec<Ticket>; 3]>,
}

/// Asks for the sums of weights, gradient and, where there is one, a second gradient.
pub(super) fn ask(
    readback: &mut Readback,
    (weights, gradient, second): (&Tensor<1>, &Tensor<1>, Option<&Tensor<1>>),
    accumulation: Accumulation,
) -> Asked {
    let w = accumulation.widen(weights);
    let g = accumulation.widen(gradient);
    let mut dot = |a: &Tensor<1>, b: &Tensor<1>| {
        rows(a.clone() * b.clone())
            .into_iter()
            .map(|part| readback.ask(part))
            .collect::<Vec<_>>()
    };
    Asked {
        w_w: dot(&w, &w),
        w_g: dot(&w, &g),
        g_g: dot(&g, &g),
        second: second.map(|second| {
            let g2 = accumulation.widen(second);
            // The difference first: the noise is small against the gradients.
            let apart = g.clone() - g2.clone();
            [dot(&apart, &apart), dot(&g, &g2), dot(&w, &g2)]
        }),
    }
}

/// |g|² of one tensor, to be read later.
pub(super) fn square(tensor: &Tensor<1>) -> Vec<Tensor<1>> {
    let tensor = Accumulation::Auto.widen(tensor);
    rows(tensor.clone() * tensor)
}

/// Tensors whose elements add up to the sum of the given one.
fn rows(products: Tensor<1>) -> Vec<Tensor<1>> {
    if products.dtype() == DType::F64 {
        return vec![products.sum()];
    }
    let [len] = products.dims();
    let even = len - len % ROW;
    let mut parts = Vec::new();
    if even > 0 {
        let staged =
            |row: Tensor<1>, count: usize| row.reshape([count, STAGE]).sum_dim(1).reshape([count]);
        let first = staged(products.clone().slice(0..even), even / STAGE);
        parts.push(staged(first, even / ROW));
    }
    if even < len {
        // Less than a row: as it is.
        parts.push(products.slice(even..len));
    }
    parts
}

impl Asked {
    /// The sums, of a parameter of `len` coordinates.
    pub(super) fn sums(&self, answers: &Answers, len: usize) -> Result<Sums, Error> {
        let count = len as f64;
        let mut sums = Sums {
            w_count: count,
            g_count: count,
            w_w: answers.total(&self.w_w)?,
            w_g: answers.total(&self.w_g)?,
            g_g: answers.total(&self.g_g)?,
            ..Sums::default()
        };
        if let Some([apart, g_g2, w_g2]) = &self.second {
            sums.g2_count = count;
            sums.noise = answers.total(apart)?;
            sums.g_g2 = answers.total(g_g2)?;
            sums.w_g2 = answers.total(w_g2)?;
        }
        Ok(sums)
    }
}

#[cfg(all(test, feature = "burn022-test"))]
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
mod tests {
    use super::*;
    use crate::systems::Random;
    use burn022::tensor::{Device, TensorData};

    fn single(values: &[f64]) -> (Tensor<1>, Vec<f32>) {
        #[expect(clippy::cast_possible_truncation, reason = "the test's own numbers")]
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        let data = TensorData::new(values.clone(), [values.len()]);
        (Tensor::from_data(data, &Device::flex()), values)
    }

    fn reduced(w: &Tensor<1>, g: &Tensor<1>, g2: &Tensor<1>, how: Accumulation) -> Sums {
        let mut readback = Readback::default();
        let asked = ask(&mut readback, (w, g, Some(g2)), how);
        let [len] = w.dims();
        asked.sums(&readback.execute().unwrap(), len).unwrap()
    }

    /// Rows in f32 lose no more than f64 does to six digits, at lengths on and off a row's.
    #[test]
    fn rows_are_as_good_as_double_precision() {
        for len in [1, 31, 1023, 1024, 1025, 300_001] {
            let mut random = Random::new(len);
            let mut normal = |n: u64| (0..n).map(|_| random.normal()).collect::<Vec<f64>>();
            let (w, ws) = single(&normal(len));
            let (g, gs) = single(&normal(len));
            let (g2, g2s) = single(&normal(len));
            let piece = crate::Piece::new(&ws, &gs).second_gradient(&g2s);
            let exact = Sums::reduce(&piece, std::num::NonZeroUsize::MIN).unwrap();
            for how in [Accumulation::Auto, Accumulation::Rows] {
                let found = reduced(&w, &g, &g2, how);
                for (name, a, b, scale) in [
                    ("w_w", found.w_w, exact.w_w, exact.w_w),
                    ("g_g", found.g_g, exact.g_g, exact.g_g),
                    ("noise", found.noise, exact.noise, exact.noise),
                    ("w_g", found.w_g, exact.w_g, (exact.w_w * exact.g_g).sqrt()),
                    ("g_g2", found.g_g2, exact.g_g2, exact.g_g),
                    (
                        "w_g2",
                        found.w_g2,
                        exact.w_g2,
                        (exact.w_w * exact.g_g).sqrt(),
                    ),
                ] {
                    assert!(
                        (a - b).abs() <= 1e-6 * scale,
                        "{len} {how:?} {name}: {a} for {b}"
                    );
                }
            }
        }
    }

    /// 2²⁴ + 2²⁰ ones: one after another in f32 they end at 2²⁴.
    #[test]
    fn long_sums_do_not_saturate() {
        let len = (1 << 24) + (1 << 20);
        let ones = Tensor::<1>::ones([len], &Device::flex());
        let sums = reduced(&ones, &ones, &ones, Accumulation::Rows);
        assert_eq!(sums.w_w, f64::from(len));
        assert_eq!(sums.noise, 0.0);
    }
}

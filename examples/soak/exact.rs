//! Sums in twice the precision of f64: the reference.

/// A sum as high and low part, without rounding that shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Exact {
    high: f64,
    low: f64,
}

impl Exact {
    /// Knuth's exact sum of two numbers.
    pub(crate) fn add(&mut self, x: f64) {
        let sum = self.high + x;
        let back = sum - self.high;
        self.low += (self.high - (sum - back)) + (x - back);
        self.high = sum;
    }

    /// The product's own rounding counts as well.
    pub(crate) fn add_product(&mut self, x: f64, y: f64) {
        let product = x * y;
        self.add(product);
        self.low += x.mul_add(y, -product);
    }

    pub(crate) fn value(self) -> f64 {
        self.high + self.low
    }
}

//! Tensors that are not one slice: read tile by tile in one logical order.
//!
//! What a thermometer remembers of a coordinate is kept by its position, so a tensor must be read
//! in the same order whatever its layout is today: a gradient is often laid out as the transpose
//! of its weight, and a framework may change that from one step to the next. Streams that are
//! contiguous in the logical order are passed as they are; the others are copied into a tile of
//! 256 elements. Nothing is allocated.

use crate::{Collector, Error, GroupId, Piece, View};

/// Elements in a tile.
const TILE: usize = 256;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element of an array that is read as it is: `f32` or `f64`.
pub trait Element: sealed::Sealed + Copy + Into<f64> + 'static {
    /// Whether it carries more than single precision.
    #[doc(hidden)]
    const WIDE: bool;
    /// A contiguous run of it.
    #[doc(hidden)]
    fn view(run: &[Self]) -> View<'_>;
}

impl Element for f32 {
    const WIDE: bool = false;
    fn view(run: &[Self]) -> View<'_> {
        View::F32(run)
    }
}

impl Element for f64 {
    const WIDE: bool = true;
    fn view(run: &[Self]) -> View<'_> {
        View::F64(run)
    }
}

/// A stream that is read from its first element to its last.
pub(crate) trait Read {
    /// The next elements, as many as there is room for.
    fn read(&mut self, out: &mut [f64]);
    /// Whether elements carry more than single precision.
    fn is_wide(&self) -> bool;
}

/// One stream of a tensor.
pub(crate) enum Stream<'s> {
    /// Contiguous in the logical order.
    #[cfg_attr(
        not(any(feature = "candle011", feature = "ndarray017")),
        expect(
            dead_code,
            reason = "a matrix of nalgebra that is contiguous is a slice before it comes here"
        )
    )]
    Run(View<'s>),
    /// Anything else.
    Scattered(&'s mut dyn Read),
}

/// Single and double precision of one tile.
struct Tile {
    wide: [f64; TILE],
    single: [f32; TILE],
}

impl Tile {
    const fn new() -> Self {
        Self {
            wide: [0.0; TILE],
            single: [0.0; TILE],
        }
    }

    fn fill<'t>(&'t mut self, stream: &'t mut Stream<'_>, from: usize, to: usize) -> View<'t> {
        match stream {
            Stream::Run(view) => view.slice(from..to),
            Stream::Scattered(source) => {
                let wide = &mut self.wide[..to - from];
                source.read(wide);
                if source.is_wide() {
                    return View::F64(wide);
                }
                let single = &mut self.single[..to - from];
                for (single, &wide) in single.iter_mut().zip(wide.iter()) {
                    // The source is single precision or less: the conversion is exact.
                    #[expect(clippy::cast_possible_truncation, reason = "exact, see above")]
                    {
                        *single = wide as f32;
                    }
                }
                View::F32(single)
            }
        }
    }
}

/// The streams of one tensor.
pub(crate) struct Streams<'s> {
    pub(crate) weights: Stream<'s>,
    pub(crate) gradient: Stream<'s>,
    pub(crate) second: Option<Stream<'s>>,
    pub(crate) update: Option<Stream<'s>>,
    pub(crate) preconditioner: Option<Stream<'s>>,
}

impl<'s> Streams<'s> {
    /// All of it as one piece, where every stream is contiguous.
    fn whole(&self) -> Option<Piece<'s>> {
        let run = |stream: &Stream<'s>| match stream {
            Stream::Run(view) => Some(*view),
            Stream::Scattered(_) => None,
        };
        let mut piece = Piece::new(run(&self.weights)?, run(&self.gradient)?);
        if let Some(stream) = &self.second {
            piece = piece.second_gradient(run(stream)?);
        }
        if let Some(stream) = &self.update {
            piece = piece.update(run(stream)?);
        }
        if let Some(stream) = &self.preconditioner {
            piece = piece.preconditioner(run(stream)?);
        }
        Some(piece)
    }
}

/// Hands a tensor of `len` elements to the collector.
pub(crate) fn give(
    out: &mut Collector<'_>,
    group: GroupId,
    len: usize,
    mut streams: Streams<'_>,
) -> Result<(), Error> {
    if let Some(piece) = streams.whole() {
        return out.piece(group, &piece);
    }
    if len == 0 {
        return out.tensor(group, &[0.0_f64; 0], &[0.0_f64; 0]);
    }
    let [mut w, mut g, mut g2, mut u, mut d] = [const { Tile::new() }; 5];
    let mut from = 0;
    while from < len {
        let to = len.min(from + TILE);
        let weights = w.fill(&mut streams.weights, from, to);
        let gradient = g.fill(&mut streams.gradient, from, to);
        let mut piece = Piece::new(weights, gradient);
        if let Some(second) = &mut streams.second {
            piece = piece.second_gradient(g2.fill(second, from, to));
        }
        if let Some(update) = &mut streams.update {
            piece = piece.update(u.fill(update, from, to));
        }
        if let Some(preconditioner) = &mut streams.preconditioner {
            piece = piece.preconditioner(d.fill(preconditioner, from, to));
        }
        out.piece(group, &piece)?;
        from = to;
    }
    Ok(())
}

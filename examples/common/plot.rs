//! Line charts as SVG and PNG: named series, error bars, predictions as dashed lines.
//!
//! The legend stands above the frame, where it never covers data. Both files come from one drawing,
//! lettered in a font that travels with the examples, so that a machine needs none.

use std::{error::Error, ops::Range, path::Path};

use plotters::{
    backend::DrawingBackend,
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
    style::{
        FontStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

const SIZE: (u32, u32) = (800, 500);
const HEADER: u32 = 58;
const MARGIN: i32 = 20;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(45, 45, 45);
const FAINT: RGBColor = RGBColor(110, 110, 110);
/// Okabe and Ito's colours, which all kinds of sight tell apart.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A value of y with its standard error at a value of x.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Half the height of its bar.
    pub(crate) error: f64,
}

/// What an axis counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Line,
    Dashed,
    /// Dots with error bars.
    Dots,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    points: Vec<Point>,
    mark: Mark,
}

/// A chart in the making.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    title: String,
    x: (String, Scale),
    y: (String, Scale),
    series: Vec<Series>,
    levels: Vec<(String, f64)>,
}

impl Plot {
    /// An empty chart; the labels of the axes carry their units.
    pub(crate) fn new(title: &str, x: &str, y: &str) -> Self {
        Self {
            title: title.to_owned(),
            x: (x.to_owned(), Scale::Linear),
            y: (y.to_owned(), Scale::Linear),
            series: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// A logarithmic x axis; points at x ≤ 0 are left out.
    pub(crate) fn log_x(mut self) -> Self {
        self.x.1 = Scale::Log;
        self
    }

    /// A logarithmic y axis; points at y ≤ 0 are left out.
    pub(crate) fn log_y(mut self) -> Self {
        self.y.1 = Scale::Log;
        self
    }

    /// A line through `(x, y)`.
    pub(crate) fn line(self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.push(name, Mark::Line, points.into_iter().map(exact))
    }

    /// A dashed line through `(x, y)`: a prediction.
    pub(crate) fn dashed(self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.push(name, Mark::Dashed, points.into_iter().map(exact))
    }

    /// Dots with error bars: measurements.
    pub(crate) fn dots(self, name: &str, points: impl IntoIterator<Item = Point>) -> Self {
        self.push(name, Mark::Dots, points)
    }

    /// A horizontal line across the frame: a constant prediction.
    pub(crate) fn level(mut self, name: &str, y: f64) -> Self {
        self.levels.push((name.to_owned(), y));
        self
    }

    fn push(mut self, name: &str, mark: Mark, points: impl IntoIterator<Item = Point>) -> Self {
        self.series.push(Series {
            name: name.to_owned(),
            points: points.into_iter().collect(),
            mark,
        });
        self
    }

    /// Writes the chart twice, as `path` with the endings `.svg` and `.png`; what is not finite, or
    /// has no logarithm, is left out.
    pub(crate) fn save(mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let fits = |x: f64, scale: Scale| x.is_finite() && (scale == Scale::Linear || x > 0.0);
        for series in &mut self.series {
            let good = |p: &Point| fits(p.x, self.x.1) && fits(p.y, self.y.1);
            series.points.retain(good);
        }
        self.levels.retain(|&(_, y)| fits(y, self.y.1));
        both(path, SIZE, &self)
    }
}

impl Picture for Plot {
    fn draw_on<B: DrawingBackend>(&self, root: &Area<B>) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        let fits = |x: f64, scale: Scale| x.is_finite() && (scale == Scale::Linear || x > 0.0);
        let points = || self.series.iter().flat_map(|s| &s.points);
        let xs = range(points().map(|p| p.x), self.x.1, 0.02);
        let ends = points().flat_map(|p| [p.y - p.error, p.y, p.y + p.error]);
        let ends = ends.chain(self.levels.iter().map(|l| l.1));
        let ys = range(ends.filter(|&y| fits(y, self.y.1)), self.y.1, 0.06);

        let (header, frame) = root.split_vertically(HEADER);
        self.draw_header(&header)?;
        let log = |r: &Range<f64>| r.clone().log_scale().with_key_points(decades(r));
        match (self.x.1, self.y.1) {
            (Scale::Linear, Scale::Linear) => self.draw(&frame, xs.clone(), ys.clone(), &xs, &ys),
            (Scale::Log, Scale::Linear) => self.draw(&frame, log(&xs), ys.clone(), &xs, &ys),
            (Scale::Linear, Scale::Log) => self.draw(&frame, xs.clone(), log(&ys), &xs, &ys),
            (Scale::Log, Scale::Log) => self.draw(&frame, log(&xs), log(&ys), &xs, &ys),
        }
    }
}

impl Plot {
    fn draw_header<B: DrawingBackend>(&self, area: &Area<B>) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        let left = Pos::new(HPos::Left, VPos::Center);
        let style = |size: i32| (FONT, size).into_font().color(&INK).pos(left);
        area.draw(&Text::new(self.title.as_str(), (MARGIN, 20), style(18)))?;
        let levels = self.levels.iter().map(|l| (&l.0, Mark::Dashed, FAINT));
        let colors = PALETTE.iter().cycle();
        let entries = self.series.iter().zip(colors);
        let entries = entries.map(|(s, &color)| (&s.name, s.mark, color));
        let mut x = MARGIN;
        for (name, mark, color) in entries.chain(levels) {
            let dashes: &[(i32, i32)] = match mark {
                Mark::Line => &[(0, 26)],
                Mark::Dashed => &[(0, 6), (10, 16), (20, 26)],
                Mark::Dots => &[],
            };
            for (from, to) in dashes {
                let ends = [(x + from, 46), (x + to, 46)];
                area.draw(&PathElement::new(ends, color.stroke_width(2)))?;
            }
            if mark == Mark::Dots {
                area.draw(&Circle::new((x + 13, 46), 4, color.filled()))?;
            }
            area.draw(&Text::new(name.as_str(), (x + 34, 46), style(14)))?;
            // About the width of the text in a font that is not known here.
            x += 34 + 24 + 7 * i32::try_from(name.chars().count())?;
        }
        Ok(())
    }

    fn draw<B: DrawingBackend, X, Y>(
        &self,
        area: &Area<B>,
        x: X,
        y: Y,
        xs: &Range<f64>,
        ys: &Range<f64>,
    ) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .margin_right(MARGIN)
            .margin_bottom(10)
            .margin_left(10)
            .x_label_area_size(48)
            .y_label_area_size(76)
            .build_cartesian_2d(x, y)?;
        let (x_label, y_label) = (label(xs, self.x.1), label(ys, self.y.1));
        chart
            .configure_mesh()
            .x_desc(self.x.0.as_str())
            .y_desc(self.y.0.as_str())
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 15).into_font().color(&INK))
            .axis_style(FAINT)
            .bold_line_style(BLACK.mix(0.12))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (_, y) in &self.levels {
            let ends = [(xs.start, *y), (xs.end, *y)];
            let line = DashedLineSeries::new(ends, 6, 4, FAINT.stroke_width(2));
            chart.draw_series(line)?;
        }
        for (series, color) in self.series.iter().zip(PALETTE.iter().cycle()) {
            let line = series.points.iter().map(|p| (p.x, p.y));
            match series.mark {
                Mark::Line => {
                    chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
                }
                Mark::Dashed => {
                    let style = color.stroke_width(2);
                    chart.draw_series(DashedLineSeries::new(line, 6, 4, style))?;
                }
                Mark::Dots => {
                    // On a logarithmic axis a bar that reaches 0 ends at the frame.
                    let low = |p: &Point| (p.y - p.error).max(ys.start);
                    let bar = |p: &Point| {
                        let (x, high) = (p.x, p.y + p.error);
                        ErrorBar::new_vertical(x, low(p), p.y, high, color.filled(), 7)
                    };
                    chart.draw_series(series.points.iter().map(bar))?;
                    chart.draw_series(line.map(|at| Circle::new(at, 4, color.filled())))?;
                }
            }
        }
        Ok(())
    }
}

type Area<B> = DrawingArea<B, Shift>;

/// What can be drawn on any surface.
pub(crate) trait Picture {
    /// Draws it on a white surface.
    fn draw_on<B: DrawingBackend>(&self, root: &Area<B>) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static;
}

/// Writes a picture as SVG and as PNG.
fn both(path: &Path, size: (u32, u32), picture: &impl Picture) -> Result<(), Box<dyn Error>> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the font of the plots can't be read")?;
    let svg = path.with_extension("svg");
    let root = SVGBackend::new(&svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    picture.draw_on(&root)?;
    root.present()?;
    let png = path.with_extension("png");
    let root = BitMapBackend::new(&png, size).into_drawing_area();
    root.fill(&WHITE)?;
    picture.draw_on(&root)?;
    root.present()?;
    Ok(())
}

fn exact((x, y): (f64, f64)) -> Point {
    Point { x, y, error: 0.0 }
}

/// From the least to the largest value with room at both ends; never empty.
fn range(values: impl Iterator<Item = f64>, scale: Scale, room: f64) -> Range<f64> {
    let forth = |x: f64| if scale == Scale::Log { x.ln() } else { x };
    let back = |x: f64| if scale == Scale::Log { x.exp() } else { x };
    let bounds = (f64::MAX, f64::MIN);
    let (low, high) = values
        .map(forth)
        .fold(bounds, |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return back(0.0)..back(1.0);
    }
    let room = if high > low {
        room * (high - low)
    } else {
        (0.1 * low.abs()).max(0.1)
    };
    back(low - room)..back(high + room)
}

/// Ticks of a logarithmic axis: decades, and numbers between them while there is room.
fn decades(range: &Range<f64>) -> Vec<f64> {
    const FINER: [&[f64]; 3] = [
        &[1.0],
        &[1.0, 2.0, 5.0],
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    ];
    let ticks = |digits: &[f64]| -> Vec<f64> {
        (-300..300)
            .flat_map(|n| digits.iter().map(move |x| x * 10_f64.powi(n)))
            .filter(|x| range.contains(x))
            .collect()
    };
    FINER
        .into_iter()
        .map(ticks)
        .find(|ticks| ticks.len() > 3)
        .unwrap_or_else(|| RangedCoordf64::from(range.clone()).key_points(8))
}

/// Labels of ticks: digits enough to tell them apart, powers of ten for what is large or small.
fn label(range: &Range<f64>, scale: Scale) -> impl Fn(&f64) -> String + use<> {
    let largest = range.start.abs().max(range.end.abs());
    let smallest = match scale {
        Scale::Linear => (range.end - range.start) / 10.0,
        Scale::Log => range.start,
    };
    let powers = !(1e-4..1e6).contains(&largest) || smallest < 1e-4;
    move |&x: &f64| {
        // Through text and back: ticks carry rounding errors that nobody wants to read.
        let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
        match scale {
            _ if rounded == 0.0 => "0".to_owned(),
            _ if powers => format!("{rounded:e}"),
            Scale::Linear => format!("{x:.*}", decimals(smallest)),
            Scale::Log => rounded.to_string(),
        }
    }
}

/// How many decimals show the leading digit of a number.
fn decimals(x: f64) -> usize {
    (0..9)
        .find(|&n| x * 10_f64.powi(n) >= 0.999)
        .map_or(9, |n| n.unsigned_abs() as usize)
}

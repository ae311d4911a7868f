//! Sinks: where reports go, for a notebook, a spreadsheet or a dashboard.
//!
//! | sink | feature | one report becomes | read by |
//! |---|---|---|---|
//! | `JsonLines` | `json` | one line, as [`Report::to_json_line`](crate::Report) | any JSON reader, `pandas.read_json(lines=True)` |
//! | `Csv` | `csv` | one row a reading, in long form | any spreadsheet, pandas, R |
//! | `TensorBoard` | `tensorboard` | two scalars a ready reading: value and standard error | TensorBoard and what reads its files |
//!
//! A sink takes a [`Report`] and knows nothing of an observer, so that one report may go to many,
//! and from any thread. Only the first two keep what is pending or undefined, and why;
//! TensorBoard has numbers alone. Writing costs what the file costs: report once in some hundred
//! steps, not in each.
//!
//! When it lies: TensorBoard stores single precision. Entropies keep seven digits in it, and a
//! value that no `f32` holds is left out.

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "json")]
mod json_lines;
#[cfg(feature = "tensorboard")]
mod tensorboard;

#[cfg(feature = "csv")]
pub use self::csv::Csv;
#[cfg(feature = "json")]
pub use self::json_lines::JsonLines;
#[cfg(feature = "tensorboard")]
pub use self::tensorboard::TensorBoard;

use crate::{Error, Report};

/// Something that reports are written to.
///
/// ```
/// use thermograd::{Error, Report, sink::Sink};
/// /// Counts what it is given.
/// struct Count(usize);
/// impl Sink for Count {
///     fn write(&mut self, report: &Report) -> Result<(), Error> {
///         self.0 += report.iter().count();
///         Ok(())
///     }
///     fn flush(&mut self) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// ```
pub trait Sink {
    /// Takes in one report.
    ///
    /// # Errors
    /// [`Error::File`] where what lies behind it refuses.
    fn write(&mut self, report: &Report) -> Result<(), Error>;

    /// Sees to it that everything written so far has left this process.
    ///
    /// # Errors
    /// [`Error::File`] where what lies behind it refuses.
    fn flush(&mut self) -> Result<(), Error>;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        (**self).write(report)
    }

    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        (**self).write(report)
    }

    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }
}

/// One after another; the first that refuses ends it.
impl<S: Sink> Sink for [S] {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        self.iter_mut().try_for_each(|sink| sink.write(report))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.iter_mut().try_for_each(Sink::flush)
    }
}

#[cfg(any(feature = "csv", feature = "json", feature = "tensorboard"))]
fn refused(file: &str, doing: &'static str, kind: std::io::ErrorKind) -> Error {
    Error::File {
        file: file.to_owned(),
        fault: crate::FileFault::Io { doing, kind },
    }
}

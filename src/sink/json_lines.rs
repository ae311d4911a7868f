//! JSON lines: a report a line, complete as it stands.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::{Sink, refused};
use crate::{Error, Report};

/// Writes each report as one line of JSON.
///
/// ```
/// use thermograd::{slices, Groups, Observer, Step, Symmetry, sink::{JsonLines, Sink}};
/// let mut groups = Groups::new();
/// let all = groups.add("all", Symmetry::Generic);
/// let mut observer = Observer::new(groups)?;
/// let mut sink = JsonLines::new(Vec::new());
/// for _ in 0..2 {
///     observer.observe(&Step::new(0.5), &slices(all, &[1.0_f64], &[0.0_f64]))?;
///     sink.write(&observer.report())?;
/// }
/// let text = String::from_utf8(sink.into_inner()).unwrap();
/// assert_eq!(text.lines().count(), 2);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines<W> {
    writer: W,
    place: String,
}

impl<W: Write> JsonLines<W> {
    /// A sink that writes to anything.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            place: "JSON lines".to_owned(),
        }
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl JsonLines<BufWriter<File>> {
    /// A sink that writes to a new file; one of that name is replaced.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let place = path.as_ref().display().to_string();
        let file = File::create(path).map_err(|e| refused(&place, "create", e.kind()))?;
        Ok(Self {
            writer: BufWriter::new(file),
            place,
        })
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        let mut line = report.to_json_line();
        line.push('\n');
        self.writer
            .write_all(line.as_bytes())
            .map_err(|e| refused(&self.place, "write", e.kind()))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|e| refused(&self.place, "write", e.kind()))
    }
}

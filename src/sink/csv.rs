//! CSV in long form: one row a reading, so that new groups and metrics add rows and no columns.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::{Sink, refused};
use crate::{Error, Reading, Report};

/// The columns. The group of the whole model is empty; so is what a reading does not have.
const COLUMNS: [&str; 13] = [
    "step",
    "window",
    "group",
    "metric",
    "symbol",
    "unit",
    "status",
    "value",
    "std_error",
    "n_eff",
    "seen",
    "needed",
    "reason",
];

/// Writes each reading as a row: step, window, group, metric, symbol, unit, status (`ready`,
/// `pending`, `undefined`), value, standard error, `n_eff`, and why there is none.
///
/// Numbers have all the digits that bring the same double back.
///
/// ```
/// use thermograd::{slices, Groups, Observer, Step, Symmetry, sink::{Csv, Sink}};
/// let mut groups = Groups::new();
/// let all = groups.add("all", Symmetry::Generic);
/// let mut observer = Observer::new(groups)?;
/// observer.observe(&Step::new(0.5), &slices(all, &[1.0_f64], &[0.0_f64]))?;
/// let mut sink = Csv::new(Vec::new())?;
/// sink.write(&observer.report())?;
/// let text = String::from_utf8(sink.into_inner()?).unwrap();
/// assert!(text.starts_with("step,window,group,metric,symbol,unit,status,value,"));
/// assert!(text.contains("1,1,,loss,U,loss,pending,"));
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug)]
pub struct Csv<W: Write> {
    writer: csv::Writer<W>,
    place: String,
}

fn kind(error: &csv::Error) -> std::io::ErrorKind {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.kind(),
        _ => std::io::ErrorKind::Other,
    }
}

impl<W: Write> Csv<W> {
    /// A sink that writes to anything, beginning with the names of the columns.
    ///
    /// # Errors
    /// [`Error::File`] where the writer refuses.
    pub fn new(writer: W) -> Result<Self, Error> {
        Self::named(writer, "CSV".to_owned())
    }

    fn named(writer: W, place: String) -> Result<Self, Error> {
        let mut writer = csv::Writer::from_writer(writer);
        writer
            .write_record(COLUMNS)
            .map_err(|e| refused(&place, "write", kind(&e)))?;
        Ok(Self { writer, place })
    }

    /// What it writes to, with everything written.
    ///
    /// # Errors
    /// [`Error::File`] where the writer refuses.
    pub fn into_inner(self) -> Result<W, Error> {
        let place = self.place;
        self.writer
            .into_inner()
            .map_err(|e| refused(&place, "write", e.error().kind()))
    }
}

impl Csv<File> {
    /// A sink that writes to a new file; one of that name is replaced.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let place = path.as_ref().display().to_string();
        let file = File::create(path).map_err(|e| refused(&place, "create", e.kind()))?;
        Self::named(file, place)
    }
}

impl<W: Write> Sink for Csv<W> {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        let (step, window) = (report.step.to_string(), report.window.to_string());
        for row in report {
            let empty = String::new;
            let (status, cells) = match &row.reading {
                Reading::Ready(estimate) => (
                    "ready",
                    [
                        estimate.value.to_string(),
                        estimate.std_error.to_string(),
                        estimate.n_eff.to_string(),
                        empty(),
                        empty(),
                        empty(),
                    ],
                ),
                Reading::Pending { seen, needed } => (
                    "pending",
                    [
                        empty(),
                        empty(),
                        empty(),
                        seen.to_string(),
                        needed.to_string(),
                        empty(),
                    ],
                ),
                Reading::Undefined(reason) => (
                    "undefined",
                    [
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                        reason.to_string(),
                    ],
                ),
            };
            let head = [
                step.as_str(),
                window.as_str(),
                row.group.as_deref().unwrap_or_default(),
                row.metric.name(),
                row.metric.symbol(),
                row.metric.unit(),
                status,
            ];
            self.writer
                .write_record(head.into_iter().chain(cells.iter().map(String::as_str)))
                .map_err(|e| refused(&self.place, "write", kind(&e)))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|e| refused(&self.place, "write", e.kind()))
    }
}

//! TensorBoard event files: a scalar for each ready reading and one for its standard error.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tfrecord::protobuf::{Event, Summary, event::What, summary};
use tfrecord::{EventWriter, EventWriterConfig};

use super::{Sink, refused};
use crate::{Error, Reading, Report};

/// Writes the ready readings of each report as scalars into an event file.
///
/// A reading's tag is `group/metric`, with `total` for the model as a whole, and that of its
/// standard error `group/metric_std_error`: TensorBoard makes a section of each group. The step is
/// the report's.
///
/// ```
/// # use thermograd::{Groups, Observer, Symmetry, sink::{Sink, TensorBoard}};
/// # let runs = std::env::temp_dir().join(format!("thermograd-runs-{}", std::process::id()));
/// # let mut groups = Groups::new();
/// # groups.add("all", Symmetry::Generic);
/// # let observer = Observer::new(groups)?;
/// let mut sink = TensorBoard::create(runs.join("first"))?;
/// // now and then, in the loop:
/// sink.write(&observer.report())?;
/// sink.flush()?;
/// // then: tensorboard --logdir runs
/// # assert_eq!(std::fs::read_dir(runs.join("first")).unwrap().count(), 1);
/// # std::fs::remove_dir_all(&runs).unwrap();
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    writer: EventWriter<BufWriter<File>>,
    path: PathBuf,
    left_out: u64,
}

/// Event files that one directory may get in one second.
const MOST_IN_A_SECOND: u32 = 1000;

impl TensorBoard {
    /// A new event file in a directory, which is made where it is not there: one directory a run.
    ///
    /// # Errors
    /// [`Error::File`] where directory or file cannot be made.
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let at = directory.display().to_string();
        fs::create_dir_all(directory).map_err(|e| refused(&at, "create", e.kind()))?;
        let now = wall_time();
        let mut number = 0;
        let (file, path) = loop {
            let name = format!("events.out.tfevents.{now:010.0}.thermograd.{number}");
            let path = directory.join(name);
            match File::create_new(&path) {
                Ok(file) => break (file, path),
                Err(error)
                    if error.kind() == std::io::ErrorKind::AlreadyExists
                        && number < MOST_IN_A_SECOND =>
                {
                    number += 1;
                }
                Err(error) => {
                    return Err(refused(&path.display().to_string(), "create", error.kind()));
                }
            }
        };
        let config = EventWriterConfig { auto_flush: false };
        let writer = EventWriter::from_writer(BufWriter::new(file), config)
            .map_err(|e| refused(&path.display().to_string(), "write", kind(&e)))?;
        let mut this = Self {
            writer,
            path,
            left_out: 0,
        };
        // Readers look for this first.
        this.event(0, What::FileVersion("brain.Event:2".to_owned()))?;
        this.flush()?;
        Ok(this)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers that single precision could not hold, and that were not written.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    fn event(&mut self, step: i64, what: What) -> Result<(), Error> {
        let event = Event {
            wall_time: wall_time(),
            step,
            source_metadata: None,
            what: Some(what),
        };
        let written = self.writer.write_event(event);
        written.map_err(|e| refused(&self.path.display().to_string(), "write", kind(&e)))
    }
}

/// Seconds since 1970; 0 where the clock stands before that.
fn wall_time() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

fn kind(error: &tfrecord::Error) -> std::io::ErrorKind {
    match error {
        tfrecord::Error::IoError(error) => error.kind(),
        _ => std::io::ErrorKind::Other,
    }
}

/// The nearest single: `None` where it would be infinite, or zero for a number that is not.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the format's precision; checked"
)]
fn single(value: f64) -> Option<f32> {
    let single = value as f32;
    (single.is_finite() && (single != 0.0 || value == 0.0)).then_some(single)
}

impl Sink for TensorBoard {
    fn write(&mut self, report: &Report) -> Result<(), Error> {
        let step = i64::try_from(report.step).map_err(|_| Error::OutOfRange {
            what: "step of a report",
            value: report.step as f64,
            allowed: "a step below 2^63",
        })?;
        let mut values = Vec::new();
        for row in report {
            let Reading::Ready(estimate) = &row.reading else {
                continue;
            };
            let group = row.group.as_deref().unwrap_or("total");
            let name = row.metric.name();
            for (suffix, number) in [("", estimate.value), ("_std_error", estimate.std_error)] {
                match single(number) {
                    Some(number) => values.push(summary::Value {
                        tag: format!("{group}/{name}{suffix}"),
                        value: Some(summary::value::Value::SimpleValue(number)),
                        ..summary::Value::default()
                    }),
                    None => self.left_out += 1,
                }
            }
        }
        if values.is_empty() {
            return Ok(());
        }
        self.event(step, What::Summary(Summary { value: values }))
    }

    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        flushed.map_err(|e| refused(&self.path.display().to_string(), "write", kind(&e)))
    }
}

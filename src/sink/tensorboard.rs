//! TensorBoard event files: a scalar for each ready reading and one for its standard error.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

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
    writer: BufWriter<File>,
    path: PathBuf,
    left_out: u64,
}

/// One event: the fields of TensorBoard's `event.proto` that scalars need.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// The scalars of one step, as in TensorBoard's `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// One scalar. A zero is written too.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The file's frame about an event: length and data, each with its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    // Masked, as the format asks, lest a checksum be mistaken for data.
    let masked = |bytes: &[u8]| {
        let sum = CRC_32C.checksum(bytes).rotate_right(15);
        sum.wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked(&length)[..], data, &masked(data)].concat()
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
        let mut this = Self {
            writer: BufWriter::new(file),
            path,
            left_out: 0,
        };
        // Readers look for this first.
        this.event(&Event {
            wall_time: wall_time(),
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        })?;
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

    fn event(&mut self, event: &Event) -> Result<(), Error> {
        let written = self.writer.write_all(&record(&event.encode_to_vec()));
        written.map_err(|e| refused(&self.path.display().to_string(), "write", e.kind()))
    }
}

/// Seconds since 1970; 0 where the clock stands before that.
fn wall_time() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
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
                    Some(number) => values.push(Scalar {
                        tag: format!("{group}/{name}{suffix}"),
                        simple_value: Some(number),
                    }),
                    None => self.left_out += 1,
                }
            }
        }
        if values.is_empty() {
            return Ok(());
        }
        self.event(&Event {
            wall_time: wall_time(),
            step,
            summary: Some(Summary { value: values }),
            ..Event::default()
        })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        flushed.map_err(|e| refused(&self.path.display().to_string(), "write", e.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The bytes of TensorBoard's own `RecordWriter` for the same events.
    #[test]
    fn records_are_those_of_tensorboard() {
        let version = Event {
            wall_time: 1.5,
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        };
        let scalar = |tag: &str, value| Scalar {
            tag: tag.to_owned(),
            simple_value: Some(value),
        };
        let scalars = Event {
            wall_time: 2.5,
            step: 300,
            summary: Some(Summary {
                value: vec![scalar("h/z", 1.25), scalar("h/z_std_error", 0.0)],
            }),
            ..Event::default()
        };
        let expected = [
            (
                version,
                "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
            ),
            (
                scalars,
                "300000000000000095f5d05f09000000000000044010ac022a220a0a0a03682f7a150000a03f\
                 0a140a0d682f7a5f7374645f6572726f721500000000cd90d48b",
            ),
        ];
        for (event, bytes) in expected {
            let mut hex = String::new();
            for byte in record(&event.encode_to_vec()) {
                write!(hex, "{byte:02x}").unwrap();
            }
            assert_eq!(hex, bytes);
        }
    }
}

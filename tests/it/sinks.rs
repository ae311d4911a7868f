//! What a sink wrote, read back by a reader that is not ours.

use thermograd::{
    Config, Groups, Observer, Reading, Report, Step, Symmetry, sink::Sink, slices, systems::Random,
};

/// Reports with readings of every kind; a group's name that needs quoting.
fn reports() -> Vec<Report> {
    let mut groups = Groups::new();
    let all = groups.add("all, \"quoted\"", Symmetry::ScaleInvariant);
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    let mut random = Random::new(1);
    let mut w: Vec<f64> = (0..50).map(|_| random.normal()).collect();
    let mut reports = Vec::new();
    for t in 1..=400 {
        let g: Vec<f64> = w.iter().map(|w| 0.1 * w + random.normal()).collect();
        let step = Step::new(random.uniform())
            .learning_rate(0.1)
            .weight_decay(0.01);
        observer.observe(&step, &slices(all, &w, &g)).unwrap();
        for (w, g) in w.iter_mut().zip(&g) {
            *w -= 0.1 * (g + 0.01 * *w);
        }
        if t == 10 || t == 200 || t == 400 {
            reports.push(observer.report());
        }
    }
    let kinds = |report: &Report| {
        let count =
            |holds: fn(&Reading) -> bool| report.iter().filter(|row| holds(&row.reading)).count();
        (
            count(|r| matches!(r, Reading::Ready(_))),
            count(|r| matches!(r, Reading::Pending { .. })),
            count(|r| matches!(r, Reading::Undefined(_))),
        )
    };
    let last = kinds(&reports[2]);
    assert!(last.0 > 10 && last.2 > 5, "{last:?}");
    assert!(kinds(&reports[0]).1 > 5);
    reports
}

fn written<S: Sink>(mut sink: S, reports: &[Report]) -> S {
    for report in reports {
        sink.write(report).unwrap();
    }
    sink.flush().unwrap();
    sink
}

#[cfg(feature = "json")]
#[test]
fn json_lines_are_read_by_serde_json() {
    use thermograd::sink::JsonLines;
    let reports = reports();
    let bytes = written(JsonLines::new(Vec::new()), &reports).into_inner();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count(), reports.len());
    for (line, report) in text.lines().zip(&reports) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["step"], report.step);
        let rows = value["rows"].as_array().unwrap();
        assert_eq!(rows.len(), report.iter().count());
        for (found, row) in rows.iter().zip(report) {
            assert_eq!(found["group"].as_str(), row.group.as_deref());
            assert_eq!(found["metric"], row.metric.name());
            match &row.reading {
                Reading::Ready(estimate) => {
                    let ready = &found["reading"]["ready"];
                    assert_eq!(ready["value"].as_f64(), Some(estimate.value));
                    assert_eq!(ready["std_error"].as_f64(), Some(estimate.std_error));
                }
                Reading::Pending { seen, needed } => {
                    assert_eq!(found["reading"]["pending"]["seen"], *seen);
                    assert_eq!(found["reading"]["pending"]["needed"], *needed);
                }
                _ => assert!(!found["reading"]["undefined"].is_null()),
            }
        }
    }
}

#[cfg(feature = "csv")]
#[test]
fn csv_is_read_by_the_csv_crate() {
    use std::collections::HashMap;
    use thermograd::sink::Csv;
    let reports = reports();
    let bytes = written(Csv::new(Vec::new()).unwrap(), &reports)
        .into_inner()
        .unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let mut rows = reader.deserialize::<HashMap<String, String>>();
    for report in &reports {
        for row in report {
            let found = rows.next().unwrap().unwrap();
            let cell = |name: &str| found[name].as_str();
            assert_eq!(cell("step"), report.step.to_string());
            assert_eq!(cell("group"), row.group.as_deref().unwrap_or(""));
            assert_eq!(cell("metric"), row.metric.name());
            assert_eq!(cell("symbol"), row.metric.symbol());
            match &row.reading {
                Reading::Ready(estimate) => {
                    assert_eq!(cell("status"), "ready");
                    // To the last bit.
                    assert_eq!(cell("value").parse(), Ok(estimate.value));
                    assert_eq!(cell("std_error").parse(), Ok(estimate.std_error));
                    assert_eq!(cell("n_eff").parse(), Ok(estimate.n_eff));
                }
                Reading::Pending { seen, needed } => {
                    assert_eq!(cell("status"), "pending");
                    assert_eq!(cell("seen").parse(), Ok(*seen));
                    assert_eq!(cell("needed").parse(), Ok(*needed));
                }
                Reading::Undefined(reason) => {
                    assert_eq!(cell("status"), "undefined");
                    assert_eq!(cell("reason"), reason.to_string());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(rows.next().is_none());
}

/// A writer that is full.
#[cfg(any(feature = "csv", feature = "json"))]
#[derive(Debug)]
struct Full;

#[cfg(any(feature = "csv", feature = "json"))]
impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(any(feature = "csv", feature = "json"))]
#[test]
fn a_full_disk_is_a_typed_error() {
    use thermograd::{Error, FileFault};
    let report = &reports()[2];
    let told = |error: Error| {
        assert!(
            matches!(
                error,
                Error::File {
                    fault: FileFault::Io {
                        kind: std::io::ErrorKind::StorageFull,
                        ..
                    },
                    ..
                }
            ),
            "{error}"
        );
    };
    #[cfg(feature = "json")]
    told(
        thermograd::sink::JsonLines::new(Full)
            .write(report)
            .unwrap_err(),
    );
    #[cfg(feature = "csv")]
    {
        let mut sink = thermograd::sink::Csv::new(Full).unwrap();
        told(sink.write(report).and_then(|()| sink.flush()).unwrap_err());
    }
    #[cfg(feature = "json")]
    assert!(matches!(
        thermograd::sink::JsonLines::create("/nowhere/at/all"),
        Err(Error::File { file, .. }) if file.contains("nowhere")
    ));
}

#[cfg(feature = "tensorboard")]
mod tensorboard {
    use super::*;
    use prost::Message;
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use thermograd::sink::TensorBoard;

    type Scalars = BTreeMap<(String, i64), f32>;

    /// What must be in the file.
    #[expect(clippy::cast_possible_truncation, reason = "the format's precision")]
    fn expected(reports: &[Report]) -> Scalars {
        let mut scalars = Scalars::new();
        for report in reports {
            for row in report {
                if let Reading::Ready(estimate) = &row.reading {
                    let group = row.group.as_deref().unwrap_or("total");
                    let tag = format!("{group}/{}", row.metric.name());
                    let step = i64::try_from(report.step).unwrap();
                    scalars.insert(
                        (format!("{tag}_std_error"), step),
                        estimate.std_error as f32,
                    );
                    scalars.insert((tag, step), estimate.value as f32);
                }
            }
        }
        assert!(scalars.len() > 40);
        scalars
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("thermograd-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[derive(Message)]
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

    #[derive(Message)]
    struct Summary {
        #[prost(message, repeated, tag = "1")]
        value: Vec<Scalar>,
    }

    #[derive(Message)]
    struct Scalar {
        #[prost(string, tag = "1")]
        tag: String,
        #[prost(float, optional, tag = "2")]
        simple_value: Option<f32>,
    }

    #[test]
    fn event_files_hold_every_ready_reading() {
        let reports = reports();
        let directory = directory("tensorboard");
        let sink = written(TensorBoard::create(&directory).unwrap(), &reports);
        let other = TensorBoard::create(&directory).unwrap();
        assert_ne!(sink.path(), other.path());
        assert_eq!(sink.left_out(), 0);
        let bytes = std::fs::read(sink.path()).unwrap();
        let (mut rest, mut found, mut events) = (&bytes[..], Scalars::new(), 0);
        while let Some((length, after)) = rest.split_first_chunk() {
            // A record: its length, that one's checksum, the event and its checksum.
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            let event = Event::decode(&after[4..4 + length]).unwrap();
            rest = &after[4 + length + 4..];
            events += 1;
            assert_eq!(event.file_version.is_some(), events == 1);
            assert!(event.file_version.is_none_or(|v| v == "brain.Event:2"));
            assert!(event.wall_time > 0.0);
            for scalar in event.summary.into_iter().flat_map(|summary| summary.value) {
                let number = scalar.simple_value.unwrap();
                found.insert((scalar.tag, event.step), number);
            }
        }
        assert!(rest.is_empty());
        let told = |report: &&Report| report.iter().any(|row| row.reading.ready().is_some());
        assert_eq!(events, 1 + reports.iter().filter(told).count());
        assert_eq!(found, expected(&reports));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    #[ignore = "needs Python with the package tensorboard"]
    fn event_files_are_read_by_tensorboard() {
        let reports = reports();
        let directory = directory("tensorboard-python");
        drop(written(TensorBoard::create(&directory).unwrap(), &reports));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/event_files.py");
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let output = std::process::Command::new(python)
            .args([script.as_ref(), directory.as_os_str()])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Scalars = text
            .lines()
            .map(|line| {
                let mut cells = line.split('\t');
                let mut cell = || cells.next().unwrap();
                let (tag, step, value) = (cell().to_owned(), cell(), cell());
                ((tag, step.parse().unwrap()), value.parse().unwrap())
            })
            .collect();
        assert_eq!(found, expected(&reports));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

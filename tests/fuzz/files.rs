//! What comes from elsewhere: checkpoint files, arrays of other libraries, and sinks that fail.

#[cfg(any(feature = "safetensors", feature = "csv", feature = "json"))]
use crate::check::answer;
#[cfg(feature = "safetensors")]
use crate::check::sound;
#[cfg(any(
    feature = "csv",
    feature = "json",
    feature = "nalgebra035",
    feature = "ndarray017",
    feature = "safetensors"
))]
use crate::source::Source;

/// Bytes of a tensor, and what a header says of them.
#[cfg(feature = "safetensors")]
fn checkpoint(source: &mut Source, names: &[&str], len: usize) -> Vec<u8> {
    use std::fmt::Write;

    let mut data = Vec::new();
    let mut header = String::from("{");
    for (i, name) in names.iter().enumerate() {
        let (dtype, size) = source.pick(&[
            ("F32", 4),
            ("F32", 4),
            ("F64", 8),
            ("BF16", 2),
            ("F16", 2),
            ("I64", 8),
        ]);
        let values = source.numbers(len);
        let from = data.len();
        for x in &values {
            match (dtype, size) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "single precision is wanted"
                )]
                (_, 4) => data.extend((*x as f32).to_le_bytes()),
                (_, 2) => data.extend(&x.to_le_bytes()[6..]),
                _ => data.extend(x.to_le_bytes()),
            }
        }
        let shape = match source.below(24) {
            0 => format!("[{}]", source.count(9)),
            1 => format!("[{},{}]", usize::MAX, source.count(4)),
            2 => "[]".to_owned(),
            _ => format!("[{len}]"),
        };
        let to = if source.chance(24) {
            source.count(90)
        } else {
            data.len()
        };
        let from = if source.chance(24) {
            source.count(90)
        } else {
            from
        };
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(
            header,
            "{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}"
        );
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let told = if source.chance(24) {
        source.bits()
    } else {
        header.len() as u64
    };
    let mut bytes = told.to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.extend(data);
    if source.chance(8) && !bytes.is_empty() {
        let at = source.below(bytes.len().min(1 << 16));
        if source.chance(2) {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << source.below(8);
        }
    }
    bytes
}

/// Series of checkpoint files, whole and damaged.
#[cfg(feature = "safetensors")]
pub(crate) fn checkpoints(source: &mut Source) {
    use thermograd::adapters::safetensors::{Analysis, AnalysisConfig, Checkpoint, Series};

    let id = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let directory = std::env::temp_dir().join(format!("thermograd-fuzz-{id}"));
    std::fs::create_dir_all(&directory).unwrap();
    let len = source.len(9);
    let names = &["a.weight", "a.bias", "b"][..source.below(4)];
    let mut paths = Vec::new();
    for i in 0..source.below(6) {
        let name = match source.below(8) {
            0 => format!("step-{}.safetensors", source.bits()),
            1 => format!("x{i}.safetensors"),
            _ => format!("step-{i}.safetensors"),
        };
        let path = directory.join(name);
        std::fs::write(&path, checkpoint(source, names, len)).unwrap();
        paths.push(path);
    }
    answer(Checkpoint::open(&paths));
    let series = if source.chance(2) {
        answer(Series::directory(&directory))
    } else {
        answer(Series::files(&paths))
    };
    if let Some(series) = series {
        sound(&series.names());
        let mut config = AnalysisConfig::default();
        if source.chance(4) {
            config = config.most_bytes(source.count(4000));
        }
        if source.chance(4) {
            let mut assignment = thermograd::Assignment::new();
            let group = assignment.group("a", crate::observer::symmetry(source));
            for name in names {
                answer(assignment.assign(*name, group));
            }
            config = config.assignment(assignment);
        }
        if let Ok(found) = Analysis::of(&series, &config) {
            sound(&found.groups);
            sound(&found.total);
            for error in &found.refused {
                crate::check::prints(error);
            }
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Arrays with any strides, as ndarray and nalgebra have them.
#[cfg(any(feature = "ndarray017", feature = "nalgebra035"))]
pub(crate) fn arrays(source: &mut Source) {
    use thermograd::{Groups, Observer, Step, Symmetry};

    let mut groups = Groups::new();
    let all = groups.add("all", Symmetry::Generic);
    let mut observer = Observer::new(groups).unwrap();
    let (rows, columns) = (source.below(6), source.below(6));
    let (w, g) = (
        source.numbers(rows * columns),
        source.numbers(rows * columns),
    );
    let facts = Step::new(0.5).learning_rate(0.1);
    #[cfg(feature = "ndarray017")]
    {
        use ndarray017::{ArrayView2, Axis, Slice};
        use thermograd::adapters::ndarray017::tensor;
        let w = ArrayView2::from_shape((rows, columns), &w).unwrap();
        let g = ArrayView2::from_shape((rows, columns), &g).unwrap();
        let step = 1 + source.below(3).cast_signed();
        let step = if source.chance(2) { step } else { -step };
        let rows = Slice::new(0, None, step);
        let (w, g) = (w.slice_axis(Axis(0), rows), g.slice_axis(Axis(0), rows));
        let (w, g) = if source.chance(2) {
            (w.reversed_axes(), g.reversed_axes())
        } else {
            (w, g)
        };
        let other = if source.chance(16) {
            g.t().reborrow()
        } else {
            g
        };
        if let Ok(tensor) = tensor(all, w, other).and_then(|tensor| tensor.second_gradient(g)) {
            let _ = observer
                .observe(&facts, &tensor)
                .inspect_err(crate::check::prints);
        }
    }
    #[cfg(feature = "nalgebra035")]
    {
        use nalgebra::DMatrix;
        use thermograd::adapters::nalgebra035::tensor;
        let w = DMatrix::from_column_slice(rows, columns, &w);
        let g = DMatrix::from_column_slice(rows, columns, &g);
        let size = (source.below(rows + 1), source.below(columns + 1));
        let part = w.view_with_steps((0, 0), size, (0, 0));
        let other = g.view_with_steps((rows - size.0, 0), size, (0, 0));
        if let Ok(tensor) = tensor(all, part, other) {
            let _ = observer
                .observe(&facts, &tensor)
                .inspect_err(crate::check::prints);
        }
    }
    crate::check::sound(&observer.report());
}

/// A place that takes so many bytes and then no more.
#[cfg(any(feature = "csv", feature = "json"))]
#[derive(Debug)]
struct Full(usize);

#[cfg(any(feature = "csv", feature = "json"))]
impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 && !bytes.is_empty() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reports written to where there is no room.
#[cfg(any(feature = "csv", feature = "json"))]
pub(crate) fn sinks(source: &mut Source) {
    use thermograd::{Groups, Observer, Symmetry, sink::Sink, slices};

    let mut groups = Groups::new();
    let name = source.pick(&["a", "", "a,b", "\"", "\n", "é\u{0}", "=1+1"]);
    let all = groups.add(name, Symmetry::ScaleInvariant);
    let mut observer = Observer::new(groups).unwrap();
    let (w, g) = (source.numbers(3), source.numbers(3));
    let step = crate::observer::facts(source);
    for _ in 0..source.below(110) {
        if observer.observe(&step, &slices(all, &w, &g)).is_err() {
            break;
        }
    }
    let report = observer.report();
    #[cfg(feature = "csv")]
    if let Ok(mut sink) = thermograd::sink::Csv::new(Full(source.below(20_000))) {
        answer(sink.write(&report));
        answer(sink.write(&report));
        answer(sink.flush());
        let _ = sink.into_inner();
    }
    #[cfg(feature = "json")]
    {
        let mut sink = thermograd::sink::JsonLines::new(Full(source.below(20_000)));
        answer(sink.write(&report));
        answer(sink.flush());
        let line: serde_json::Value = serde_json::from_str(&report.to_json_line()).unwrap();
        assert!(line.is_object());
    }
}

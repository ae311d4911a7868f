//! Checkpoint files: what is known of a walk is read from it, and a bad file harms itself alone.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, serialize, tensor::TensorView};
use thermograd::adapters::safetensors::{Analysis, AnalysisConfig, Series};
use thermograd::entropy::Validity;
use thermograd::{Assignment, Error, FileFault, Reading, Symmetry, TensorFault, systems::Random};

/// A directory that goes when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("thermograd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bytes_of(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "on purpose")]
    let single = |x: f64| x as f32;
    match dtype {
        Dtype::F64 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Dtype::F32 => values
            .iter()
            .flat_map(|&x| single(x).to_le_bytes())
            .collect(),
        Dtype::BF16 => values
            .iter()
            .flat_map(|&x| ((single(x).to_bits() >> 16) as u16).to_le_bytes())
            .collect(),
        _ => panic!("no writer for {dtype}"),
    }
}

/// A file of tensors, all of one type.
fn file(dtype: Dtype, tensors: &[(&str, &[usize], &[f64])]) -> Vec<u8> {
    let stored: Vec<(&str, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|&(name, shape, values)| (name, shape, bytes_of(dtype, values)))
        .collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        (
            *name,
            TensorView::new(dtype, shape.to_vec(), bytes).unwrap(),
        )
    });
    serialize(views, None).unwrap()
}

fn vector(random: &mut Random, n: usize) -> Vec<f64> {
    (0..n).map(|_| random.normal()).collect()
}

fn analyse(path: &Path) -> Analysis {
    Analysis::of(
        &Series::directory(path).unwrap(),
        &AnalysisConfig::default(),
    )
    .unwrap()
}

/// Every number against its definition, on weights that are kept.
#[test]
fn displacements_overlaps_and_alignments_are_those_of_the_weights() {
    let directory = Directory::new("definitions");
    let mut random = Random::new(3);
    let walk: Vec<Vec<f64>> = (0..7)
        .scan(vector(&mut random, 20), |w, _| {
            for w in w.iter_mut() {
                *w += 0.2 * random.normal();
            }
            Some(w.clone())
        })
        .collect();
    for (t, w) in walk.iter().enumerate() {
        let bytes = file(
            Dtype::F64,
            &[
                ("fc.weight", &[3, 5], &w[..15]),
                ("fc.bias", &[5], &w[15..]),
            ],
        );
        directory.write(&format!("run2/step_{}_bits16.safetensors", 50 * t), &bytes);
    }
    let series = Series::directory(directory.0.join("run2")).unwrap();
    let mut layers = Assignment::new();
    let fc = layers.group("fc", Symmetry::Generic);
    // Order of names within a group: bias before weight.
    for name in series.names() {
        layers.assign(name, fc).unwrap();
    }
    let config = AnalysisConfig::default().assignment(layers);
    let analysis = Analysis::of(&series, &config).unwrap();
    assert!(analysis.refused.is_empty(), "{:?}", analysis.refused);
    let [group] = &analysis.groups[..] else {
        panic!("one group")
    };
    assert_eq!(group.steps, [0, 50, 100, 150, 200, 250, 300]);
    assert_eq!(group.parameters, 20);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let norm = |a: &[f64]| dot(a, a).sqrt();
    let near = |found: f64, expected: f64| {
        assert!(
            (found - expected).abs() < 1e-12 * (1.0 + expected.abs()),
            "{found} {expected}"
        );
    };
    for t in 0..walk.len() {
        near(group.radius[t], norm(&walk[t]));
        if t > 0 {
            let step = minus(&walk[t], &walk[t - 1]);
            near(group.displacement[t - 1], norm(&step));
            near(group.from_first[t - 1], norm(&minus(&walk[t], &walk[0])));
            let cosine = |a: &[f64], b: &[f64]| dot(a, b) / (norm(a) * norm(b));
            near(
                group.overlap_previous[t - 1].unwrap(),
                cosine(&walk[t], &walk[t - 1]),
            );
            near(
                group.overlap_first[t - 1].unwrap(),
                cosine(&walk[t], &walk[0]),
            );
            if t > 1 {
                let before = minus(&walk[t - 1], &walk[t - 2]);
                near(group.alignment[t - 2].unwrap(), cosine(&step, &before));
            }
        }
    }
    assert!(group.spread.ready().is_some());
    assert!(matches!(group.change_points, Reading::Pending { .. }));
}

/// 600 independent draws from a Gaussian in three dimensions, entropy (3/2) ln(2πeσ²).
#[test]
fn the_entropy_of_a_window_of_files_is_that_of_its_law() {
    let directory = Directory::new("entropy");
    let mut random = Random::new(11);
    for step in 0..600 {
        let w: Vec<f64> = vector(&mut random, 3)
            .iter()
            .map(|x| 0.1 * x + 1.0)
            .collect();
        directory.write(
            &format!("{step:04}.safetensors"),
            &file(Dtype::F32, &[("w", &[3], &w)]),
        );
    }
    let analysis = analyse(&directory.0);
    let entropy = analysis.groups[0].entropy.ready().unwrap();
    let truth = 1.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * 0.01).ln();
    assert_eq!(entropy.validity, Validity::Absolute);
    let z = entropy.entropy.z_score(truth).unwrap();
    assert!(z.abs() < 3.5, "{:?}, truth {truth}", entropy.entropy);
    let spread = analysis.groups[0].spread.ready().unwrap();
    assert!(
        (spread.debiased_participation_ratio - 3.0).abs() < 0.15,
        "{spread:?}"
    );
    let changes = analysis.groups[0].change_points.ready().unwrap();
    assert!(changes.change_points.is_empty(), "{changes:?}");
}

#[test]
fn a_change_of_step_length_is_found() {
    let directory = Directory::new("change");
    let mut random = Random::new(12);
    let mut w = vec![0.0; 30];
    for step in 0..240_u32 {
        let scale = if step < 150 { 0.1 } else { 0.02 };
        for w in &mut w {
            *w += scale * random.normal();
        }
        directory.write(
            &format!("ckpt-{step}.safetensors"),
            &file(Dtype::F32, &[("w", &[5, 6], &w)]),
        );
    }
    let analysis = analyse(&directory.0);
    let changes = analysis.groups[0].change_points.ready().unwrap();
    // Displacement 149 is that from checkpoint 149 to 150.
    assert_eq!(changes.change_points, [149]);
}

#[test]
fn shards_and_subdirectories_are_one_checkpoint_each() {
    let directory = Directory::new("shards");
    for step in [500, 1000, 1500] {
        let x = f64::from(step) / 500.0;
        for (part, name) in [(1, "a"), (2, "b")] {
            directory.write(
                &format!("checkpoint-{step}/model-0000{part}-of-00002.safetensors"),
                &file(Dtype::BF16, &[(name, &[2], &[x, -x])]),
            );
        }
        directory.write(&format!("checkpoint-{step}/optimizer.pt"), b"not ours");
    }
    let analysis = analyse(&directory.0);
    assert!(analysis.refused.is_empty(), "{:?}", analysis.refused);
    assert_eq!(analysis.groups.len(), 2);
    assert_eq!(analysis.groups[1].steps, [500, 1000, 1500]);
    assert_eq!(
        analysis.groups[1].radius,
        [2f64.sqrt(), 8f64.sqrt(), 18f64.sqrt()]
    );
    let total = analysis.total.unwrap();
    assert_eq!(total.parameters, 4);
    assert_eq!(total.displacement, [2.0, 2.0]);
    // Flat shards are one checkpoint as well.
    let flat = Directory::new("flat-shards");
    for part in 1..=2 {
        let name = ["a", "b"][part - 1];
        flat.write(
            &format!("model-0000{part}-of-00002.safetensors"),
            &file(Dtype::F32, &[(name, &[1], &[1.0])]),
        );
    }
    let series = Series::directory(&flat.0).unwrap();
    assert_eq!(series.checkpoints().len(), 1);
    assert_eq!(series.checkpoints()[0].tensors().len(), 2);
}

/// A good series of three tensors, to be damaged.
fn series_of(directory: &Directory, steps: u64) -> Vec<PathBuf> {
    (0..steps)
        .map(|step| {
            let mut random = Random::new(step);
            let (a, b, c) = (
                vector(&mut random, 6),
                vector(&mut random, 4),
                vector(&mut random, 2),
            );
            directory.write(
                &format!("{step:03}.safetensors"),
                &file(
                    Dtype::F32,
                    &[("a", &[2, 3], &a), ("b", &[4], &b), ("c", &[2], &c)],
                ),
            )
        })
        .collect()
}

fn faults(refused: &[Error]) -> Vec<(String, String, TensorFault)> {
    refused
        .iter()
        .map(|error| match error {
            Error::Tensor {
                file,
                tensor,
                fault,
            } => (name_of(Path::new(file)), tensor.clone(), fault.clone()),
            other => panic!("{other}"),
        })
        .collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn damaged_files_are_named_and_harm_only_themselves() {
    let good = Directory::new("good");
    series_of(&good, 12);
    let expected = analyse(&good.0);

    let bad = Directory::new("bad");
    let files = series_of(&bad, 12);
    // 3: a NaN in b. 5: cut within the data of c, the last tensor. 7: cut within its header.
    // 9: another shape of a. 10: b is missing, and something else is there.
    let mut bytes = fs::read(&files[3]).unwrap();
    let at = bytes.len() - 8 - 4;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&files[3], &bytes).unwrap();
    let bytes = fs::read(&files[5]).unwrap();
    fs::write(&files[5], &bytes[..bytes.len() - 3]).unwrap();
    fs::write(&files[7], &bytes[..20]).unwrap();
    let (a, b, c) = ([1.0; 6], [1.0; 4], [1.0; 2]);
    fs::write(
        &files[9],
        file(
            Dtype::F32,
            &[("a", &[3, 2], &a), ("b", &[4], &b), ("c", &[2], &c)],
        ),
    )
    .unwrap();
    fs::write(
        &files[10],
        file(
            Dtype::F32,
            &[("a", &[2, 3], &a), ("extra", &[4], &b), ("c", &[2], &c)],
        ),
    )
    .unwrap();

    let analysis = analyse(&bad.0);
    let (file_errors, tensor_errors): (Vec<Error>, Vec<Error>) = analysis
        .refused
        .iter()
        .cloned()
        .partition(|error| matches!(error, Error::File { .. }));
    assert!(matches!(
        &file_errors[..],
        [Error::File { file, fault: FileFault::Truncated { found: 20, .. } }]
            if file.ends_with("007.safetensors")
    ));
    let told = faults(&tensor_errors);
    let has = |file: &str, tensor: &str, holds: &dyn Fn(&TensorFault) -> bool| {
        assert!(
            told.iter()
                .any(|(f, t, fault)| f.starts_with(file) && t == tensor && holds(fault)),
            "{file} {tensor}: {told:?}"
        );
    };
    has(
        "003",
        "b",
        &|f| matches!(f, TensorFault::NonFinite { index: 3, value } if value.is_nan()),
    );
    has(
        "005",
        "c",
        &|f| matches!(f, TensorFault::Truncated { expected, found } if expected - found == 3),
    );
    has("009", "a", &|f| matches!(f, TensorFault::Shape { .. }));
    has("010", "b", &|f| *f == TensorFault::Missing);
    has("010", "extra", &|f| *f == TensorFault::Unexpected);
    assert_eq!(told.len(), 5, "{told:?}");
    // Everything else is as it would be without the damage.
    let of = |analysis: &Analysis, i: usize| {
        let group = &analysis.groups[i];
        group
            .steps
            .iter()
            .copied()
            .zip(group.radius.clone())
            .collect::<Vec<_>>()
    };
    for (i, gone) in [(0, vec![7, 9]), (1, vec![3, 7, 10]), (2, vec![5, 7])] {
        let kept: Vec<_> = of(&expected, i)
            .into_iter()
            .filter(|(step, _)| !gone.contains(step))
            .collect();
        let found = of(&analysis, i);
        let replaced: Vec<_> = found
            .iter()
            .zip(&kept)
            .filter(|((step, _), _)| ![9, 10].contains(step))
            .map(|(found, _)| *found)
            .collect();
        let same: Vec<_> = kept
            .into_iter()
            .filter(|(step, _)| ![9, 10].contains(step))
            .collect();
        assert_eq!(replaced, same, "group {i}");
    }
    assert!(analysis.total.is_none());
}

#[test]
fn files_that_are_none_are_typed_errors() {
    let directory = Directory::new("none");
    assert!(matches!(
        Series::directory(directory.0.join("absent")),
        Err(Error::File {
            fault: FileFault::Io { .. },
            ..
        })
    ));
    assert!(matches!(
        Series::directory(&directory.0),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(
        Series::files::<&str>([]),
        Err(Error::Empty { .. })
    ));
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend([b'{'; 100]);
    let claims = br#"{"w":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,4]}}"#;
    let mut overflow = (claims.len() as u64).to_le_bytes().to_vec();
    overflow.extend(claims);
    let deep = vec![b'['; 4096];
    let mut nested = (deep.len() as u64).to_le_bytes().to_vec();
    nested.extend(deep);
    for (i, bytes) in [&b"abc"[..], &huge, &overflow, &nested, &[0; 8]]
        .into_iter()
        .enumerate()
    {
        let path = directory.write(&format!("{i}.safetensors"), bytes);
        let refused = Series::files([&path]).unwrap_err();
        assert!(
            matches!(&refused, Error::File { file, .. } if *file == path.display().to_string()),
            "{i}: {refused}"
        );
    }
}

#[test]
fn integers_are_left_out_and_large_doubles_refused() {
    let directory = Directory::new("types");
    for step in 0..3_u8 {
        let count = u64::from(step).to_le_bytes();
        let value = if step == 1 { 1e200 } else { f64::from(step) };
        let w = bytes_of(Dtype::F64, &[value, 1.0]);
        let views = [
            (
                "count",
                TensorView::new(Dtype::I64, vec![1], &count).unwrap(),
            ),
            ("w", TensorView::new(Dtype::F64, vec![2], &w).unwrap()),
        ];
        directory.write(
            &format!("{step}.safetensors"),
            &serialize(views, None).unwrap(),
        );
    }
    let analysis = analyse(&directory.0);
    assert_eq!(analysis.left_out, ["count"]);
    assert_eq!(analysis.groups[0].steps, [0, 2]);
    assert!(matches!(
        &analysis.refused[..],
        [Error::Tensor { tensor, fault: TensorFault::TooLarge { index: 0, .. }, .. }] if tensor == "w"
    ));
}

#[test]
fn a_group_that_is_too_large_is_projected_and_says_so() {
    let directory = Directory::new("large");
    let mut random = Random::new(5);
    let mut w = vector(&mut random, 80_000);
    for step in 0..5 {
        for w in &mut w {
            *w += 0.1 * random.normal();
        }
        directory.write(
            &format!("{step}.safetensors"),
            &file(Dtype::F32, &[("w", &[80_000], &w)]),
        );
    }
    let series = Series::directory(&directory.0).unwrap();
    let exact = Analysis::of(&series, &AnalysisConfig::default()).unwrap();
    assert_eq!(exact.groups[0].projected, None);
    // Five rows and one to spare; 0.3 % is as close as a projection is asked to be.
    let with = |limit| Analysis::of(&series, &AnalysisConfig::default().most_bytes(limit)).unwrap();
    assert!(with(1 << 20).groups[0].projected.unwrap() * 6 * 8 <= 1 << 20);
    // All would take 2 MB.
    let small = with(1_900_000);
    let kept = small.groups[0].projected.unwrap();
    assert!(kept * 6 * 8 <= 1_900_000 && kept > 35_000, "{kept}");
    for (a, b) in small.groups[0]
        .displacement
        .iter()
        .zip(&exact.groups[0].displacement)
    {
        assert!(
            (a / b - 1.0).abs() < 4.0 / ((2 * kept) as f64).sqrt(),
            "{a} {b}"
        );
    }
}

/// Many scales share the memory of their group, and each is projected the further for it.
#[test]
fn many_scales_are_projected_within_the_memory_of_one_group() {
    const SCALES: usize = 64;
    const ROW: usize = 1500;
    let directory = Directory::new("scales");
    let mut random = Random::new(6);
    let mut w = vector(&mut random, SCALES * ROW);
    for step in 0..5 {
        for w in &mut w {
            *w += 0.1 * random.normal();
        }
        directory.write(
            &format!("{step}.safetensors"),
            &file(Dtype::F32, &[("w", &[SCALES, ROW], &w)]),
        );
    }
    let series = Series::directory(&directory.0).unwrap();
    let with = |bytes| {
        let mut layers = Assignment::new();
        let rows = layers.group("w", Symmetry::ScaleInvariantBy(SCALES));
        layers.assign("w", rows).unwrap();
        let config = AnalysisConfig::default().assignment(layers);
        Analysis::of(&series, &config.most_bytes(bytes))
    };
    let exact = with(1 << 30).unwrap();
    assert_eq!(exact.groups[0].projected, None);
    // Six rows and their distances, 64 times.
    let limit = 1 << 20;
    let small = with(limit).unwrap();
    let kept = small.groups[0].projected.unwrap();
    assert!(6 * 8 * (kept + SCALES * 6) <= limit, "{kept}");
    for (a, b) in small.groups[0]
        .displacement
        .iter()
        .zip(&exact.groups[0].displacement)
    {
        let error = 1.0 / ((2 * kept) as f64).sqrt();
        assert!((a / b - 1.0).abs() < 4.0 * error, "{a} {b}");
    }
    assert!(matches!(with(1 << 18), Err(Error::OutOfRange { .. })));
}

#[test]
fn an_assignment_must_fit() {
    let directory = Directory::new("assignment");
    series_of(&directory, 3);
    let series = Series::directory(&directory.0).unwrap();
    let with = |layers| Analysis::of(&series, &AnalysisConfig::default().assignment(layers));
    assert!(matches!(
        with(Assignment::each(["a", "b"])),
        Err(Error::Unassigned { parameter }) if parameter == "c"
    ));
    assert!(matches!(
        with(Assignment::each(["a", "b", "c", "d"])),
        Err(Error::UnknownParameter { parameter }) if parameter == "d"
    ));
    let mut layers = Assignment::new();
    let rows = layers.group("rows", Symmetry::ScaleInvariantBy(2));
    layers.assign("a", rows).unwrap();
    layers.leave_out("b");
    layers.leave_out("c");
    let analysis = with(layers).unwrap();
    assert_eq!(analysis.groups.len(), 1);
    assert_eq!(analysis.groups[0].parameters, 6);
}

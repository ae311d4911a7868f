//! Safetensors: a series of checkpoints, from any framework, analysed without training code.
//!
//! A checkpoint holds weights and no gradients, so what it tells is motion: how far the weights go
//! between checkpoints, how they turn, how many directions they spread over, what the entropy of
//! the window is, and whether something changed on the way. [`Series`] finds the files and reads
//! their headers, [`Analysis`] reads the tensors once and answers.
//!
//! ```
//! use safetensors::{Dtype, serialize_to_file, tensor::TensorView};
//! use thermograd::adapters::safetensors::{Analysis, AnalysisConfig, Series};
//! let directory = std::env::temp_dir().join(format!("thermograd-doc-{}", std::process::id()));
//! std::fs::create_dir_all(&directory)?;
//! // A weight that walks along the first axis: (3, 4), (6, 4), (9, 4).
//! for step in 1..4_u8 {
//!     let weights = [3.0 * f32::from(step), 4.0];
//!     let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
//!     let view = TensorView::new(Dtype::F32, vec![2], &bytes)?;
//!     let file = directory.join(format!("step-{}.safetensors", 100 * u32::from(step)));
//!     serialize_to_file([("fc.weight", view)], None, &file)?;
//! }
//! let series = Series::directory(&directory)?;
//! let analysis = Analysis::of(&series, &AnalysisConfig::default())?;
//! let weight = &analysis.groups[0];
//! assert_eq!(weight.steps, [100, 200, 300]);
//! assert_eq!(weight.radius[0], 5.0);
//! assert_eq!(weight.displacement, [3.0, 3.0]);
//! assert!((weight.alignment[0].unwrap() - 1.0).abs() < 1e-12);
//! assert!(analysis.refused.is_empty());
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Formulas
//! Everything follows from the squared distances D between the checkpoints of a group and from
//! their norms ([`Distances`]): with Δₜ = wₜ − wₜ₋₁,
//!
//! <!-- math
//! |\Delta_t| = \sqrt{D_{t,t-1}}, \qquad
//! \Delta_t \cdot \Delta_{t-1} = \tfrac12 (D_{t,t-2} - D_{t,t-1} - D_{t-1,t-2}),
//! -->
#![doc = include_str!("../math/adapters_safetensors.html")]
//!
//! and the overlap of two checkpoints is the cosine q = 1 − |ŵᵢ − ŵⱼ|²/2 of their directions.
//! Participation ratio, entropy and change points are those of
//! [`entropy`](crate::entropy) and [`phase_transition`](crate::phase_transition).
//!
//! # What is read, and what is refused
//! Files in a directory are a checkpoint each, `name-00001-of-00003` together one; so is each
//! subdirectory that holds such files. Steps are the last number by which all names differ. Tensors may be f32,
//! f64, bf16 or f16. A file that is truncated, a tensor that is missing, misshapen or not finite
//! is reported in [`Analysis::refused`] with file and tensor; its group leaves that checkpoint out,
//! and all other groups and checkpoints are as they would be without it.
//!
//! Files are read in pieces of 1 MiB and not mapped into memory: a run that overwrites its
//! checkpoint while it is mapped ends the reader with a signal that no error type can carry, and a
//! sequential pass gains nothing from a map. Memory is that of one group at a time: its checkpoints
//! with their distances, or a random projection of them where that would take more than
//! [`AnalysisConfig::most_bytes`], and the group's tensors of the one checkpoint that is being read.
//!
//! # When it lies
//! Checkpoints far apart see only the slow part of the motion: displacements between them are
//! no steps of the optimiser, and their alignment says whether the *path* is straight on that scale.
//! Sorting needs steps in the names; without them, the order of the names is taken and steps are
//! counted 0, 1, 2. Tied tensors count as often as the file has them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, tensor::Metadata};

use crate::entropy::{
    Distances, EntropyEstimate, Projection, Spread, WindowConfig, cloud::Cloud, spread,
};
use crate::phase_transition::change_point::{Cost, PeltConfig, Segmentation, pelt};
use crate::{Assignment, Error, FileFault, Reading, Reason, Symmetry, TensorFault, View};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;
/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes before the header: its length.
const PREFIX: u64 = 8;
/// Coordinates that are kept of a group that is projected: distances err by 0.3 %.
const PROJECTED: usize = 1 << 16;
/// The fewest, where many scales share the memory: distances of one err by 4 %.
const FEWEST_PROJECTED: usize = 256;
/// From here on the squares of 10⁶ elements might overflow.
const LARGEST: f64 = 1e150;

fn io_fault(path: &Path, doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    let file = path.display().to_string();
    move |error| Error::File {
        file: file.clone(),
        fault: FileFault::Io {
            doing,
            kind: error.kind(),
        },
    }
}

/// A tensor as a file's header describes it.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// First byte, and one past the last, in the file.
    from: u64,
    to: u64,
}

impl Entry {
    const fn is_float(&self) -> bool {
        matches!(
            self.dtype,
            Dtype::F32 | Dtype::F64 | Dtype::BF16 | Dtype::F16
        )
    }
}

/// One checkpoint: a file, or several that hold parts of one.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    files: Vec<(PathBuf, u64)>,
    tensors: BTreeMap<String, Entry>,
    step: u64,
}

impl Checkpoint {
    /// Reads the headers of the files that make up a checkpoint.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, ends within its header, or has a header
    /// that the format does not allow; [`Error::GivenTwice`] for a tensor in two files.
    pub fn open<P: AsRef<Path>>(files: &[P]) -> Result<Self, Error> {
        let mut this = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
            step: 0,
        };
        for path in files {
            this.add(path.as_ref())?;
        }
        Ok(this)
    }

    fn add(&mut self, path: &Path) -> Result<(), Error> {
        let mut file = File::open(path).map_err(io_fault(path, "open"))?;
        let found = file.metadata().map_err(io_fault(path, "examine"))?.len();
        let truncated = |expected| Error::File {
            file: path.display().to_string(),
            fault: FileFault::Truncated { expected, found },
        };
        let header = |message: String| Error::File {
            file: path.display().to_string(),
            fault: FileFault::Header {
                format: "safetensors",
                message,
            },
        };
        if found < PREFIX {
            return Err(truncated(PREFIX));
        }
        let mut length = [0; 8];
        file.read_exact(&mut length)
            .map_err(io_fault(path, "read"))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(header(format!("it claims {length} bytes")));
        }
        let data = PREFIX + length;
        if data > found {
            return Err(truncated(data));
        }
        // Bounded by the length of the file, which was just looked at.
        let mut text = Vec::new();
        (&mut file)
            .take(length)
            .read_to_end(&mut text)
            .map_err(io_fault(path, "read"))?;
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|error| header(error.to_string()))?;
        let index = self.files.len();
        self.files.push((path.to_path_buf(), found));
        for (name, info) in metadata.tensors() {
            let (from, to) = info.data_offsets;
            let entry = Entry {
                file: index,
                dtype: info.dtype,
                shape: info.shape.clone(),
                from: data.saturating_add(from as u64),
                to: data.saturating_add(to as u64),
            };
            if self.tensors.insert(name.clone(), entry).is_some() {
                return Err(Error::GivenTwice { parameter: name });
            }
        }
        Ok(())
    }

    /// The training step, from the name, or the position in the series.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// Its files.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Names and shapes of its tensors, sorted by name.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    fn fault(&self, tensor: &str, fault: TensorFault) -> Error {
        let file = self.tensors.get(tensor).map_or(0, |entry| entry.file);
        Error::Tensor {
            file: self
                .files
                .get(file)
                .map(|(path, _)| path.display().to_string())
                .unwrap_or_default(),
            tensor: tensor.to_owned(),
            fault,
        }
    }

    /// Appends a tensor's elements to a buffer.
    fn read(&self, tensor: &str, expected: &[usize], out: &mut Buffer) -> Result<(), Error> {
        let Some(entry) = self.tensors.get(tensor) else {
            return Err(self.fault(tensor, TensorFault::Missing));
        };
        if entry.shape != expected {
            return Err(self.fault(
                tensor,
                TensorFault::Shape {
                    expected: expected.to_vec(),
                    found: entry.shape.clone(),
                },
            ));
        }
        let Some((path, length)) = self.files.get(entry.file) else {
            return Err(self.fault(tensor, TensorFault::Missing));
        };
        if entry.to > *length {
            return Err(self.fault(
                tensor,
                TensorFault::Truncated {
                    expected: entry.to,
                    found: *length,
                },
            ));
        }
        let mut file = File::open(path).map_err(io_fault(path, "open"))?;
        file.seek(SeekFrom::Start(entry.from))
            .map_err(io_fault(path, "read"))?;
        let mut left = entry.to - entry.from;
        let mut index = 0;
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = &mut piece[..take];
            if let Err(error) = file.read_exact(piece) {
                return Err(match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => self.fault(
                        tensor,
                        TensorFault::Truncated {
                            expected: entry.to,
                            found: file.metadata().map_or(0, |now| now.len()),
                        },
                    ),
                    _ => io_fault(path, "read")(error),
                });
            }
            let first = out.len();
            out.extend(entry.dtype, piece);
            if let Some((at, value)) = out.first_bad(first) {
                let index = index + at;
                return Err(self.fault(
                    tensor,
                    if value.is_finite() {
                        TensorFault::TooLarge { index, value }
                    } else {
                        TensorFault::NonFinite { index, value }
                    },
                ));
            }
            index += out.len() - first;
            left -= take as u64;
        }
        Ok(())
    }
}

/// Elements of a group, in the precision that the whole series needs.
enum Buffer {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Buffer {
    fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    fn view(&self) -> View<'_> {
        match self {
            Self::Single(values) => View::F32(values),
            Self::Double(values) => View::F64(values),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Single(values) => values.clear(),
            Self::Double(values) => values.clear(),
        }
    }

    /// Appends little-endian elements, whatever their alignment.
    fn extend(&mut self, dtype: Dtype, bytes: &[u8]) {
        match dtype {
            Dtype::F64 => {
                let (words, _) = bytes.as_chunks();
                self.push(words.iter().map(|&word| f64::from_le_bytes(word)));
            }
            Dtype::F32 => {
                let (words, _) = bytes.as_chunks();
                self.push(
                    words
                        .iter()
                        .map(|&word| f64::from(f32::from_le_bytes(word))),
                );
            }
            // Both kinds of 16 bits, through the place that knows them.
            _ => {
                let (words, _) = bytes.as_chunks();
                let bits: Vec<u16> = words.iter().map(|&word| u16::from_le_bytes(word)).collect();
                let mut wide = vec![0.0; bits.len()];
                match dtype {
                    Dtype::BF16 => View::Bf16(&bits).widen(0, &mut wide),
                    _ => View::F16(&bits).widen(0, &mut wide),
                }
                self.push(wide.into_iter());
            }
        }
    }

    fn push(&mut self, values: impl Iterator<Item = f64>) {
        match self {
            Self::Double(to) => to.extend(values),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a single buffer takes what was single precision or less: exact"
            )]
            Self::Single(to) => to.extend(values.map(|value| value as f32)),
        }
    }

    /// The first element from `from` on that is not finite, or whose square may not be.
    fn first_bad(&self, from: usize) -> Option<(usize, f64)> {
        match self {
            Self::Single(values) => values[from..]
                .iter()
                .position(|x| !x.is_finite())
                .map(|i| (i, f64::from(values[from + i]))),
            Self::Double(values) => values[from..]
                .iter()
                // Not below, so that a NaN is found as well.
                .position(|x| !matches!(x.abs().partial_cmp(&LARGEST), Some(Ordering::Less)))
                .map(|i| (i, values[from + i])),
        }
    }
}

/// Checkpoints in order of their steps.
#[derive(Debug, Clone)]
pub struct Series {
    checkpoints: Vec<Checkpoint>,
    refused: Vec<Error>,
}

impl Series {
    /// All checkpoints of a directory: its `.safetensors` files, and its subdirectories with such
    /// files. Files that cannot be used are kept in [`Series::refused`].
    ///
    /// # Errors
    /// [`Error::File`] for a directory that cannot be read, [`Error::Empty`] for one without a
    /// readable checkpoint.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut members: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for entry in fs::read_dir(path).map_err(io_fault(path, "list"))? {
            let entry = entry.map_err(io_fault(path, "list"))?.path();
            if entry.is_dir() {
                let inner: Vec<PathBuf> = match fs::read_dir(&entry) {
                    Ok(inner) => inner.filter_map(Result::ok).map(|e| e.path()).collect(),
                    Err(_) => continue,
                };
                let inner: Vec<PathBuf> = inner.into_iter().filter(|p| is_safetensors(p)).collect();
                if !inner.is_empty() {
                    members.entry(name_of(&entry)).or_default().extend(inner);
                }
            } else if is_safetensors(&entry) {
                members
                    .entry(without_shard(&name_of(&entry)))
                    .or_default()
                    .push(entry);
            }
        }
        Self::of_members(members.into_iter().collect(), &path.display().to_string())
    }

    /// These files, a checkpoint each; sorted by step where every name has one of its own.
    ///
    /// # Errors
    /// [`Error::Empty`] where none of them is readable.
    pub fn files<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let members = paths
            .into_iter()
            .map(|path| {
                let path = path.as_ref().to_path_buf();
                (name_of(&path), vec![path])
            })
            .collect();
        Self::of_members(members, "the list of files")
    }

    fn of_members(members: Vec<(String, Vec<PathBuf>)>, place: &str) -> Result<Self, Error> {
        let mut this = Self {
            checkpoints: Vec::new(),
            refused: Vec::new(),
        };
        let mut steps = steps_in(members.iter().map(|(name, _)| name.as_str()))
            .unwrap_or_else(|| (0..members.len() as u64).collect());
        if members.len() < 2 && steps.is_empty() {
            steps = vec![0; members.len()];
        }
        let mut ordered: Vec<(u64, Vec<PathBuf>)> = steps
            .into_iter()
            .zip(members.into_iter().map(|(_, files)| files))
            .collect();
        ordered.sort_by_key(|&(step, _)| step);
        for (step, mut files) in ordered {
            files.sort_unstable();
            match Checkpoint::open(&files) {
                Ok(mut checkpoint) => {
                    checkpoint.step = step;
                    this.checkpoints.push(checkpoint);
                }
                Err(error) => this.refused.push(error),
            }
        }
        if this.checkpoints.is_empty() {
            return Err(this.refused.into_iter().next().unwrap_or(Error::Empty {
                place: format!("{place} (checkpoints)"),
                remedy: "give .safetensors files",
            }));
        }
        Ok(this)
    }

    /// The checkpoints, in order.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// Files that could not be opened as checkpoints, and why.
    pub fn refused(&self) -> &[Error] {
        &self.refused
    }

    /// Names of the floating-point tensors that most checkpoints have, sorted: what an
    /// [`Assignment`] is made for.
    pub fn names(&self) -> Vec<&str> {
        self.shapes().into_keys().collect()
    }

    /// Those names with the shape that is most common, the earliest of several.
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        let mut seen: BTreeMap<&str, Vec<(&[usize], usize)>> = BTreeMap::new();
        for checkpoint in &self.checkpoints {
            for (name, entry) in &checkpoint.tensors {
                if entry.is_float() {
                    let shapes = seen.entry(name).or_default();
                    match shapes.iter_mut().find(|(shape, _)| *shape == entry.shape) {
                        Some((_, count)) => *count += 1,
                        None => shapes.push((&entry.shape, 1)),
                    }
                }
            }
        }
        let half = self.checkpoints.len().div_ceil(2);
        seen.into_iter()
            .filter(|(_, shapes)| shapes.iter().map(|(_, n)| n).sum::<usize>() >= half)
            .filter_map(|(name, shapes)| {
                // The first of the largest: max_by_key would take the last.
                let most = shapes.iter().map(|&(_, n)| n).max()?;
                let (shape, _) = shapes.into_iter().find(|&(_, n)| n == most)?;
                Some((name, shape))
            })
            .collect()
    }
}

fn is_safetensors(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("safetensors"))
}

fn name_of(path: &Path) -> String {
    let name = path.file_stem().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// `model-00001-of-00003` without the last two numbers.
fn without_shard(name: &str) -> String {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if let Some((head, count)) = name.rsplit_once("-of-")
        && digits(count)
        && let Some((stem, shard)) = head.rsplit_once('-')
        && digits(shard)
    {
        return stem.to_owned();
    }
    name.to_owned()
}

/// The numbers in a name, in order; one of more than 19 digits is none.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// The last number by which all names differ: the step, and not the size or the precision.
fn steps_in<'a>(names: impl Iterator<Item = &'a str>) -> Option<Vec<u64>> {
    let all: Vec<Vec<u64>> = names.map(numbers).collect();
    let columns = all.first()?.len();
    if all.iter().any(|row| row.len() != columns) {
        return None;
    }
    (0..columns).rev().find_map(|column| {
        let steps: Vec<u64> = all
            .iter()
            .filter_map(|row| row.get(column).copied())
            .collect();
        let distinct: BTreeSet<u64> = steps.iter().copied().collect();
        (distinct.len() == all.len()).then_some(steps)
    })
}

/// How a series is analysed.
#[derive(Debug, Clone)]
pub struct AnalysisConfig {
    assignment: Option<Assignment>,
    most_bytes: usize,
}

impl Default for AnalysisConfig {
    /// Every tensor a group of its own, without symmetry; 1 GiB a group before it is projected.
    fn default() -> Self {
        Self {
            assignment: None,
            most_bytes: 1 << 30,
        }
    }
}

impl AnalysisConfig {
    /// Which groups the tensors form, and their symmetries: a scale-invariant group has its
    /// entropy measured among directions.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.assignment = Some(assignment);
        self
    }

    /// The most bytes that the checkpoints of one group may take in memory, with the distances among
    /// them for each scale; a larger group is kept as a random projection.
    #[must_use]
    pub const fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }
}

/// What a series of checkpoints says.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Analysis {
    /// One entry for each group, in the order of the assignment.
    pub groups: Vec<GroupAnalysis>,
    /// All groups together; `None` where some group lacks checkpoints that others have.
    pub total: Option<GroupAnalysis>,
    /// Tensors that hold no floating-point numbers: counters, masks.
    pub left_out: Vec<String>,
    /// Files and tensors that could not be used, and why.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    pub refused: Vec<Error>,
}

#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(errors: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(ToString::to_string))
}

/// What a series says of one group.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GroupAnalysis {
    /// The group's name.
    pub name: String,
    /// Its declared symmetry.
    pub symmetry: Symmetry,
    /// Its number of parameters.
    pub parameters: usize,
    /// Coordinates of the random projection, where the group was too large to keep: lengths and
    /// overlaps then err by 1/√(2k) of themselves.
    pub projected: Option<usize>,
    /// Steps of the checkpoints that it was read from.
    pub steps: Vec<u64>,
    /// |w| at each of them.
    pub radius: Vec<f64>,
    /// |wₜ − wₜ₋₁|, from the second on.
    pub displacement: Vec<f64>,
    /// |wₜ − w₀| from the first checkpoint, from the second on.
    pub from_first: Vec<f64>,
    /// Cosine of wₜ and wₜ₋₁, from the second on; `None` where one of them has no direction.
    pub overlap_previous: Vec<Option<f64>>,
    /// Cosine of wₜ and the first checkpoint, from the second on.
    pub overlap_first: Vec<Option<f64>>,
    /// Cosine of successive displacements, from the third on; `None` where one of them is zero.
    pub alignment: Vec<Option<f64>>,
    /// Size, memory and participation ratio of the cloud of checkpoints.
    pub spread: Reading<Spread>,
    /// Entropy of the window in nats; a single direction of weights for a symmetry of scales.
    pub entropy: Reading<EntropyEstimate>,
    /// Changes of the mean of ln |wₜ − wₜ₋₁|: positions in [`GroupAnalysis::displacement`].
    pub change_points: Reading<Segmentation>,
}

impl Analysis {
    /// Reads every tensor of a series once.
    ///
    /// # Errors
    /// [`Error::Unassigned`] and [`Error::UnknownParameter`] where an assignment does not fit the
    /// names; [`Error::OutOfRange`] where the distances among so many checkpoints of so many scales
    /// would take more than [`AnalysisConfig::most_bytes`]. What is wrong with single files and tensors is no error: it is in
    /// [`Analysis::refused`].
    pub fn of(series: &Series, config: &AnalysisConfig) -> Result<Self, Error> {
        let shapes = series.shapes();
        let own;
        let assignment = if let Some(assignment) = &config.assignment {
            assignment
        } else {
            own = Assignment::each(shapes.keys().copied());
            &own
        };
        if let Some((name, _)) = assignment
            .iter()
            .find(|(name, group)| group.is_some() && !shapes.contains_key(name))
        {
            return Err(Error::UnknownParameter {
                parameter: name.to_owned(),
            });
        }
        let mut refused = series.refused.clone();
        let mut left_out = BTreeSet::new();
        for checkpoint in &series.checkpoints {
            for (name, entry) in &checkpoint.tensors {
                if !entry.is_float() {
                    left_out.insert(name.clone());
                    if shapes.contains_key(name.as_str()) {
                        refused.push(checkpoint.fault(
                            name,
                            TensorFault::Type {
                                found: entry.dtype.to_string(),
                            },
                        ));
                    }
                } else if !shapes.contains_key(name.as_str()) {
                    refused.push(checkpoint.fault(name, TensorFault::Unexpected));
                }
            }
        }
        left_out.retain(|name| !shapes.contains_key(name.as_str()));
        let mut members: Vec<Vec<(&str, &[usize])>> = vec![Vec::new(); assignment.groups().len()];
        for (&name, &shape) in &shapes {
            if let Some(group) = assignment.of(name)?
                && let Some(slot) = members.get_mut(group.index())
            {
                slot.push((name, shape));
            }
        }
        let mut groups = Vec::new();
        let mut whole: Option<Result<Distances<'static>, Error>> = None;
        for (id, tensors) in assignment.groups().ids().zip(&members) {
            let name = assignment.groups().name(id).unwrap_or_default();
            let symmetry = assignment.groups().symmetry(id).unwrap_or_default();
            if tensors.is_empty() {
                continue;
            }
            let cloud = collect(series, (name, symmetry), tensors, config, &mut refused)?;
            let Some(distances) = whole_of(&cloud)? else {
                refused.push(Error::Empty {
                    place: format!("group {name:?}"),
                    remedy: "none of its checkpoints is readable: see what was refused of it",
                });
                continue;
            };
            let entropy = cloud.entropy()?;
            groups.push(GroupAnalysis::of(name, symmetry, &distances, entropy)?);
            whole = Some(match whole {
                None => Ok(distances),
                Some(Ok(sum)) => sum.merge(&distances),
                Some(Err(error)) => Err(error),
            });
        }
        let total = match whole {
            Some(Ok(distances)) if groups.len() > 1 => Some(GroupAnalysis::of(
                "total",
                Symmetry::Generic,
                &distances,
                Reading::Undefined(Reason::Meaningless(
                    "groups of different symmetries have no joint entropy here",
                )),
            )?),
            _ => None,
        };
        Ok(Self {
            groups,
            total,
            left_out: left_out.into_iter().collect(),
            refused,
        })
    }
}

/// Reads the tensors of one group, checkpoint by checkpoint.
fn collect(
    series: &Series,
    (name, symmetry): (&str, Symmetry),
    tensors: &[(&str, &[usize])],
    config: &AnalysisConfig,
    refused: &mut Vec<Error>,
) -> Result<Cloud, Error> {
    let wide = series.checkpoints.iter().any(|checkpoint| {
        tensors.iter().any(|(name, _)| {
            checkpoint
                .tensors
                .get(*name)
                .is_some_and(|entry| entry.dtype == Dtype::F64)
        })
    });
    let parameters = tensors.iter().fold(0_usize, |sum, (_, shape)| {
        let len = shape
            .iter()
            .fold(1_usize, |len, &axis| len.saturating_mul(axis));
        sum.saturating_add(len)
    });
    let snapshots = series.checkpoints.len().max(2);
    let mut window = WindowConfig::new(snapshots)
        .name(name)
        .most_bytes(usize::MAX);
    let scales = symmetry.scales().max(1);
    let bytes = if wide { 8 } else { 4 };
    if let Some(coordinates) = coordinates(parameters, bytes, scales, snapshots, config)? {
        window = window.projection(Projection {
            coordinates,
            seed: 0,
        });
    }
    let mut cloud = Cloud::new(window, symmetry);
    let mut buffer = if wide {
        Buffer::Double(Vec::new())
    } else {
        Buffer::Single(Vec::new())
    };
    for checkpoint in &series.checkpoints {
        buffer.clear();
        let mut complete = true;
        for (tensor, shape) in tensors {
            if let Err(error) = checkpoint.read(tensor, shape, &mut buffer) {
                refused.push(error);
                complete = false;
            }
        }
        if complete && buffer.len() > 0 {
            cloud.push(checkpoint.step, buffer.view())?;
        }
    }
    Ok(cloud)
}

/// To how many coordinates each scale of a group must be projected; `None` where all of them may
/// be kept.
fn coordinates(
    parameters: usize,
    bytes: usize,
    scales: usize,
    snapshots: usize,
    config: &AnalysisConfig,
) -> Result<Option<usize>, Error> {
    // A window has one row to spare, and a matrix of distances in f64.
    let slots = snapshots.saturating_add(1);
    let distances = scales.saturating_mul(slots).saturating_mul(8 * slots);
    let rows = parameters.saturating_mul(bytes).saturating_mul(slots);
    if rows.saturating_add(distances) <= config.most_bytes {
        return Ok(None);
    }
    let of_one = scales.saturating_mul(slots).saturating_mul(8);
    let room = config.most_bytes.saturating_sub(distances) / of_one;
    if room < FEWEST_PROJECTED {
        return Err(Error::OutOfRange {
            what: "bytes for the distances among the checkpoints of one group",
            value: FEWEST_PROJECTED
                .saturating_mul(of_one)
                .saturating_add(distances) as f64,
            allowed: "a larger most_bytes, fewer checkpoints, or fewer scales to a group",
        });
    }
    let coordinates = room.min(PROJECTED);
    // A projection to as many coordinates would only lose digits.
    Ok((coordinates < parameters / scales).then_some(coordinates))
}

/// The distances of a whole group, from those of its scales.
fn whole_of(cloud: &Cloud) -> Result<Option<Distances<'static>>, Error> {
    let mut windows = cloud.windows().iter();
    let Some(first) = windows.next().filter(|first| !first.is_empty()) else {
        return Ok(None);
    };
    let mut sum = first.distances().into_owned();
    for window in windows {
        sum = sum.merge(&window.distances())?;
    }
    Ok(Some(sum))
}

impl GroupAnalysis {
    fn of(
        name: &str,
        symmetry: Symmetry,
        distances: &Distances<'_>,
        entropy: Reading<EntropyEstimate>,
    ) -> Result<Self, Error> {
        let n = distances.len();
        let squared = |i: usize, j: usize| distances.squared(i, j).unwrap_or(0.0);
        let directions = distances.directions();
        let cosine = |i: usize, j: usize| {
            let chord = directions.ready()?.squared(i, j)?;
            Some(1.0 - 0.5 * chord)
        };
        let displacement: Vec<f64> = (1..n).map(|t| squared(t, t - 1).sqrt()).collect();
        let alignment = (2..n)
            .map(|t| {
                let (last, before) = (squared(t, t - 1), squared(t - 1, t - 2));
                let product = 0.5 * (squared(t, t - 2) - last - before);
                let norms = last.sqrt() * before.sqrt();
                (norms > 0.0).then(|| (product / norms).clamp(-1.0, 1.0))
            })
            .collect();
        let change_points = if displacement.contains(&0.0) {
            Reading::Undefined(Reason::Degenerate("two successive checkpoints are equal"))
        } else {
            let logs: Vec<f64> = displacement.iter().map(|d| d.ln()).collect();
            if logs.is_empty() {
                Reading::Pending { seen: 0, needed: 1 }
            } else {
                pelt(&logs, &PeltConfig::new(Cost::Mean))?
            }
        };
        Ok(Self {
            name: name.to_owned(),
            symmetry,
            parameters: distances.dimension(),
            projected: distances.projected(),
            steps: distances.steps(),
            radius: distances
                .squared_norms()
                .unwrap_or_default()
                .iter()
                .map(|norm| norm.sqrt())
                .collect(),
            displacement,
            from_first: (1..n).map(|t| squared(t, 0).sqrt()).collect(),
            overlap_previous: (1..n).map(|t| cosine(t, t - 1)).collect(),
            overlap_first: (1..n).map(|t| cosine(t, 0)).collect(),
            alignment,
            spread: spread(distances),
            entropy,
            change_points,
        })
    }
}

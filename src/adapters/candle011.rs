//! Candle 0.11: snapshots from a `VarMap` and a `GradStore`.
//!
//! [`Parameters`] is made once, from the variables and an [`Assignment`] of their names to groups;
//! [`Parameters::snapshot`] goes with each backward pass. Names are those of the `VarMap`, sorted,
//! since the map itself has no order. A variable that two names share is read once.
//!
//! ```
//! use candle_core011::{DType, Device, Tensor};
//! use candle_nn011::{Linear, Module, VarBuilder, VarMap, linear, loss};
//! use thermograd::{Assignment, Observer, Step, adapters::candle011};
//!
//! let vars = VarMap::new();
//! let build = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
//! let model = linear(4, 2, build.pp("fc"))?;
//!
//! let layers = Assignment::by_module(candle011::names(&vars)?.iter().map(String::as_str));
//! let parameters = candle011::Parameters::new(&vars, &layers)?;
//! let mut observer = Observer::new(layers.groups().clone())?;
//!
//! let batch = Tensor::ones((3, 4), DType::F32, &Device::Cpu)?;
//! let loss = model.forward(&batch)?.sqr()?.mean_all()?;
//! let gradients = loss.backward()?;
//! // After the backward pass, before the update, and before gradients are clipped or decayed.
//! let step = Step::new(f64::from(loss.to_scalar::<f32>()?)).learning_rate(0.1);
//! observer.observe(&step, &parameters.snapshot(&gradients))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On the host and on a device
//! Tensors in host memory are read in place, in any of f32, f64, bf16 and f16; a gradient that is
//! laid out as a transpose is read through its strides, in the order of its weight. Tensors on
//! another device are reduced there: upcast to at least f32, multiplied, summed in rows of 256,
//! and the rows summed in f64, on the device where it has f64 and else on the host. All sums of a
//! snapshot come back in one transfer. Such a reduction forms no displacements, so the
//! thermometers that read motion stay silent; and its products underflow where elements are below
//! 1e-19. Summing a bf16 tensor as it is would be wrong by any factor: 65 536 elements of 1e-4 add
//! up to 0.03 in it.
//!
//! # A parameter without a gradient
//! Candle's `LayerNorm`, `RmsNorm` and `softmax_last_dim` run fused kernels without a backward
//! pass: everything before them in the graph gets no gradient, and nothing is said (candle issues
//! 2168, 2977, 3011). `layer_norm_slow`, `RmsNorm::forward_diff` and `ops::softmax` compute the
//! same and keep the graph. Here such a parameter is [`Error::NoGradient`], by name. Running
//! statistics of a batch normalisation are variables of the map without being parameters: leave
//! them out by name ([`Assignment::leave_out`]).
//!
//! # When it lies
//! `Var::set` writes in place: a snapshot must be observed before the optimiser's step. An edit of
//! the `GradStore` (clipping, decay) goes after observing. `AdamW` of candle keeps its moments to
//! itself; a loop that knows 1/(√v + ε) passes it with [`Gradients::preconditioner`].

use std::collections::HashSet;

use candle_core011::{
    CpuStorage, DType, Device, Layout, Storage, Tensor, Var, backprop::GradStore,
};
use candle_nn011::VarMap;
use half::slice::HalfFloatSliceExt;

use super::gather::{Read, Stream, Streams, give};
use crate::invariance::ScaleTest;
use crate::{Assignment, Collector, Error, GroupId, Snapshot, Sums, View};

/// Most axes of a tensor that is read through its strides.
const MOST_AXES: usize = 16;
/// Products that are summed in single precision on a device before f64 takes over.
const ROW: usize = 256;

/// The names in a `VarMap`, sorted.
///
/// # Errors
/// [`Error::Framework`] where another thread panicked with the map in hand.
pub fn names(vars: &VarMap) -> Result<Vec<String>, Error> {
    let data = lock(vars)?;
    let mut names: Vec<String> = data.keys().cloned().collect();
    names.sort_unstable();
    Ok(names)
}

fn lock(
    vars: &VarMap,
) -> Result<std::sync::MutexGuard<'_, std::collections::HashMap<String, Var>>, Error> {
    vars.data().lock().map_err(|poisoned| Error::Framework {
        place: "the VarMap".to_owned(),
        library: "candle",
        message: poisoned.to_string(),
    })
}

fn failed(place: &str) -> impl Fn(candle_core011::Error) -> Error + '_ {
    move |error| Error::Framework {
        place: format!("parameter {place:?}"),
        library: "candle",
        message: error.to_string(),
    }
}

/// The variables that are observed, by name, each with its group.
#[derive(Debug, Clone)]
pub struct Parameters {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// An alias: it shares its storage with the model's variable.
    var: Var,
    group: GroupId,
}

impl Parameters {
    /// All variables of the map that the assignment does not leave out.
    ///
    /// # Errors
    /// [`Error::Unassigned`] for a variable that the assignment does not mention,
    /// [`Error::UnknownParameter`] for a name in a group that the map does not have,
    /// [`Error::ElementType`] for a variable that is no floating-point tensor.
    pub fn new(vars: &VarMap, assignment: &Assignment) -> Result<Self, Error> {
        let data = lock(vars)?;
        if let Some((name, _)) = assignment
            .iter()
            .find(|(name, group)| group.is_some() && !data.contains_key(*name))
        {
            return Err(Error::UnknownParameter {
                parameter: name.to_owned(),
            });
        }
        let mut named: Vec<_> = data.iter().collect();
        named.sort_unstable_by_key(|(name, _)| name.as_str());
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for (name, var) in named {
            if let Some(group) = assignment.of(name)?
                && seen.insert(var.as_tensor().id())
            {
                check_type(name, var.as_tensor())?;
                entries.push(Entry {
                    name: name.clone(),
                    var: var.clone(),
                    group,
                });
            }
        }
        Ok(Self { entries })
    }

    /// Names and tensors in the order in which they are visited.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.var.as_tensor()))
    }

    /// The parameter that holds an element of a group, and the element's position in it: where the
    /// index of an [`Error::NonFinite`] comes from.
    pub fn locate(&self, group: GroupId, index: usize) -> Option<(&str, usize)> {
        let mut first = 0;
        for entry in self.entries.iter().filter(|entry| entry.group == group) {
            let len = entry.var.as_tensor().elem_count();
            if index - first < len {
                return Some((&entry.name, index - first));
            }
            first += len;
        }
        None
    }

    /// Shows one step's weights and gradients to a [`ScaleTest`], which proposes symmetries after
    /// some steps. Tensors are copied to the host: this is for a look, not for every step.
    ///
    /// # Errors
    /// [`Error::NoGradient`] and what [`ScaleTest::observe`] refuses.
    pub fn scale_test(&self, gradients: &GradStore, test: &mut ScaleTest) -> Result<(), Error> {
        test.observe(|step| {
            for entry in &self.entries {
                let weights = entry.var.as_tensor();
                let gradient = gradient_of(gradients, entry)?;
                let host =
                    |tensor: &Tensor| tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
                let w = host(weights).map_err(failed(&entry.name))?;
                let g = host(gradient).map_err(failed(&entry.name))?;
                step.tensor(&entry.name, weights.dims(), &w, &g)?;
            }
            Ok(())
        })
    }

    /// The weights as they are now, with the gradients of a backward pass.
    pub const fn snapshot<'a>(&'a self, gradients: &'a GradStore) -> Gradients<'a> {
        Gradients {
            parameters: self,
            first: gradients,
            second: None,
            preconditioner: None,
            place: Place::WhereItIs,
        }
    }
}

fn check_type(name: &str, tensor: &Tensor) -> Result<(), Error> {
    match tensor.dtype() {
        DType::F32 | DType::F64 | DType::BF16 | DType::F16 => Ok(()),
        other => Err(Error::ElementType {
            place: format!("parameter {name:?}"),
            found: other.as_str().to_owned(),
        }),
    }
}

/// Where sums are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    WhereItIs,
    Device,
}

/// The snapshot that [`Parameters::snapshot`] returns.
#[derive(Clone, Copy)]
pub struct Gradients<'a> {
    parameters: &'a Parameters,
    first: &'a GradStore,
    second: Option<&'a GradStore>,
    preconditioner: Option<&'a [Tensor]>,
    place: Place,
}

impl std::fmt::Debug for Gradients<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gradients")
            .field("parameters", self.parameters)
            .finish_non_exhaustive()
    }
}

impl<'a> Gradients<'a> {
    /// Adds the gradients of an independent batch at the same weights; see
    /// [`Piece::second_gradient`](crate::Piece::second_gradient).
    #[must_use]
    pub const fn second_gradient(mut self, gradients: &'a GradStore) -> Self {
        self.second = Some(gradients);
        self
    }

    /// Adds the optimiser's preconditioner, a tensor for each parameter in the order of
    /// [`Parameters::iter`]; see [`Piece::preconditioner`](crate::Piece::preconditioner). It is
    /// read on the host only.
    #[must_use]
    pub const fn preconditioner(mut self, diagonals: &'a [Tensor]) -> Self {
        self.preconditioner = Some(diagonals);
        self
    }

    /// Reduces with candle's own operations even what lies in host memory: for comparison.
    #[must_use]
    pub const fn reduced_by_candle(mut self) -> Self {
        self.place = Place::Device;
        self
    }
}

fn gradient_of<'a>(store: &'a GradStore, entry: &Entry) -> Result<&'a Tensor, Error> {
    let gradient = store
        .get(entry.var.as_tensor())
        .ok_or_else(|| Error::NoGradient {
            parameter: entry.name.clone(),
            cause: likely_cause(&entry.name),
        })?;
    check_type(&entry.name, gradient)?;
    same_shape(&entry.name, "gradient", entry.var.as_tensor(), gradient)?;
    Ok(gradient)
}

fn same_shape(name: &str, stream: &str, weights: &Tensor, other: &Tensor) -> Result<(), Error> {
    if weights.dims() == other.dims() {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        place: format!("parameter {name:?}, {stream}"),
        expected: weights.dims().to_vec(),
        found: other.dims().to_vec(),
    })
}

fn likely_cause(name: &str) -> &'static str {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last {
        "running_mean" | "running_var" | "num_batches_tracked" => {
            "it is a running statistic and no parameter: leave it out of the assignment"
        }
        _ => {
            "it did not take part in the loss, was detached, or lies before a fused operation \
             that cuts candle's graph (LayerNorm, RmsNorm, softmax_last_dim: use layer_norm_slow, \
             RmsNorm::forward_diff, ops::softmax); leave it out of the assignment if it is frozen"
        }
    }
}

impl Snapshot for Gradients<'_> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        if let Some(diagonals) = self.preconditioner
            && diagonals.len() != self.parameters.entries.len()
        {
            return Err(Error::LengthMismatch {
                place: "preconditioner, a tensor for each parameter".to_owned(),
                expected: self.parameters.entries.len(),
                found: diagonals.len(),
            });
        }
        let mut elsewhere = Reduction::default();
        for (index, entry) in self.parameters.entries.iter().enumerate() {
            let gradient = gradient_of(self.first, entry)?;
            let second = match self.second {
                Some(store) => Some(gradient_of(store, entry)?),
                None => None,
            };
            let weights = entry.var.as_tensor();
            if self.place == Place::Device || !matches!(weights.device(), Device::Cpu) {
                elsewhere.add(out, entry, gradient, second)?;
                continue;
            }
            let diagonal = self
                .preconditioner
                .and_then(|diagonals| diagonals.get(index));
            if let Some(diagonal) = diagonal {
                check_type(&entry.name, diagonal)?;
                same_shape(&entry.name, "preconditioner", weights, diagonal)?;
            }
            on_host(out, entry, gradient, second, diagonal)?;
        }
        elsewhere.finish(out)
    }
}

/// A tensor in host memory, read in place.
fn on_host(
    out: &mut Collector<'_>,
    entry: &Entry,
    gradient: &Tensor,
    second: Option<&Tensor>,
    diagonal: Option<&Tensor>,
) -> Result<(), Error> {
    let weights = entry.var.as_tensor();
    // The guards outlive the slices that are taken from them.
    let w = weights.storage_and_layout();
    let g = gradient.storage_and_layout();
    let g2 = second.map(Tensor::storage_and_layout);
    let d = diagonal.map(Tensor::storage_and_layout);
    let mut w = Source::new(&entry.name, &w.0, w.1)?;
    let mut g = Source::new(&entry.name, &g.0, g.1)?;
    let mut g2 = match &g2 {
        Some((storage, layout)) => Some(Source::new(&entry.name, storage, layout)?),
        None => None,
    };
    let mut d = match &d {
        Some((storage, layout)) => Some(Source::new(&entry.name, storage, layout)?),
        None => None,
    };
    let streams = Streams {
        weights: w.stream(),
        gradient: g.stream(),
        second: g2.as_mut().map(Source::stream),
        update: None,
        preconditioner: d.as_mut().map(Source::stream),
    };
    give(out, entry.group, weights.elem_count(), streams)
}

/// A host tensor as a stream: in place, or through its strides.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one tensor; a box would allocate at every step"
)]
enum Source<'a> {
    Run(View<'a>),
    Walk(Walk<'a>),
}

impl<'a> Source<'a> {
    fn new(name: &str, storage: &'a Storage, layout: &Layout) -> Result<Self, Error> {
        let refuse = |message: &str| Error::Framework {
            place: format!("parameter {name:?}"),
            library: "candle",
            message: message.to_owned(),
        };
        let Storage::Cpu(storage) = storage else {
            return Err(refuse("weights are in host memory and a gradient is not"));
        };
        let data = match storage {
            CpuStorage::F32(values) => View::F32(values),
            CpuStorage::F64(values) => View::F64(values),
            CpuStorage::BF16(values) => View::Bf16(values.reinterpret_cast()),
            CpuStorage::F16(values) => View::F16(values.reinterpret_cast()),
            _ => {
                return Err(Error::ElementType {
                    place: format!("parameter {name:?}"),
                    found: "no float".to_owned(),
                });
            }
        };
        let beyond = || refuse("a layout that reaches beyond its storage");
        if let Some((from, to)) = layout.contiguous_offsets() {
            if from > to || to > data.len() {
                return Err(beyond());
            }
            return Ok(Self::Run(data.slice(from..to)));
        }
        Walk::new(data, layout).map(Self::Walk).ok_or_else(beyond)
    }

    fn stream(&mut self) -> Stream<'_> {
        match self {
            Self::Run(view) => Stream::Run(*view),
            Self::Walk(walk) => Stream::Scattered(walk),
        }
    }
}

/// A walk over a strided tensor in its logical order, the last axis fastest.
struct Walk<'a> {
    data: View<'a>,
    /// Length, stride and present index of each axis but the last.
    outer: [(usize, usize, usize); MOST_AXES],
    rank: usize,
    /// Length and stride of the last axis.
    lane: (usize, usize),
    /// Where the present lane begins, and how much of it is read.
    start: usize,
    at: usize,
}

impl<'a> Walk<'a> {
    /// `None` for a layout that its storage cannot have, or of more axes than are counted here.
    fn new(data: View<'a>, layout: &Layout) -> Option<Self> {
        let (dims, strides) = (layout.dims(), layout.stride());
        let (&lane_len, outer_dims) = dims.split_last()?;
        let (&lane_stride, outer_strides) = strides.split_last()?;
        if outer_dims.len() > MOST_AXES || outer_dims.len() != outer_strides.len() {
            return None;
        }
        let mut last = layout.start_offset();
        for (&len, &stride) in dims.iter().zip(strides) {
            last = last.checked_add(len.checked_sub(1)?.checked_mul(stride)?)?;
        }
        if last >= data.len() {
            return None;
        }
        let mut outer = [(1, 0, 0); MOST_AXES];
        for (slot, (&len, &stride)) in outer.iter_mut().zip(outer_dims.iter().zip(outer_strides)) {
            *slot = (len, stride, 0);
        }
        Some(Self {
            data,
            outer,
            rank: outer_dims.len(),
            lane: (lane_len, lane_stride),
            start: layout.start_offset(),
            at: 0,
        })
    }

    fn next_lane(&mut self) {
        self.at = 0;
        for (len, stride, index) in self.outer[..self.rank].iter_mut().rev() {
            *index += 1;
            self.start += *stride;
            if *index < *len {
                return;
            }
            self.start -= *index * *stride;
            *index = 0;
        }
    }
}

impl Read for Walk<'_> {
    fn read(&mut self, mut out: &mut [f64]) {
        let (len, stride) = self.lane;
        while !out.is_empty() {
            let take = out.len().min(len - self.at);
            let (now, later) = out.split_at_mut(take);
            self.data
                .widen_strided(self.start + self.at * stride, stride, now);
            self.at += take;
            if self.at == len {
                self.next_lane();
            }
            out = later;
        }
    }

    fn is_wide(&self) -> bool {
        matches!(self.data, View::F64(_))
    }
}

/// Sums that are under way on a device.
#[derive(Default)]
struct Reduction {
    device: Option<Device>,
    /// One for each product of each tensor: its row sums, or their total in f64.
    parts: Vec<Tensor>,
    members: Vec<Member>,
}

struct Member {
    name: String,
    group: GroupId,
    /// What is known beforehand: the counts.
    sums: Sums,
    products: usize,
}

impl Reduction {
    fn add(
        &mut self,
        out: &mut Collector<'_>,
        entry: &Entry,
        gradient: &Tensor,
        second: Option<&Tensor>,
    ) -> Result<(), Error> {
        let weights = entry.var.as_tensor();
        if weights.elem_count() == 0 {
            return Err(Error::Empty {
                place: format!("parameter {:?}", entry.name),
                remedy: "leave out tensors without elements",
            });
        }
        let device = weights.device();
        if !self.device.as_ref().is_some_and(|d| d.same_device(device)) {
            self.finish(out)?;
            self.device = Some(device.clone());
        }
        let before = self.parts.len();
        self.products(weights, gradient, second)
            .map_err(failed(&entry.name))?;
        let count = weights.elem_count() as f64;
        self.members.push(Member {
            name: entry.name.clone(),
            group: entry.group,
            sums: Sums {
                w_count: count,
                g_count: count,
                g2_count: if second.is_some() { count } else { 0.0 },
                ..Sums::default()
            },
            products: self.parts.len() - before,
        });
        Ok(())
    }

    fn products(
        &mut self,
        weights: &Tensor,
        gradient: &Tensor,
        second: Option<&Tensor>,
    ) -> candle_core011::Result<()> {
        let wide = if [Some(weights), Some(gradient), second]
            .iter()
            .flatten()
            .any(|tensor| tensor.dtype() == DType::F64)
        {
            DType::F64
        } else {
            DType::F32
        };
        // Upcast before anything is multiplied or added.
        let flat = |tensor: &Tensor| tensor.detach().flatten_all()?.to_dtype(wide);
        let (w, g) = (flat(weights)?, flat(gradient)?);
        self.parts.push(sum(&w.sqr()?)?);
        self.parts.push(sum(&(&w * &g)?)?);
        self.parts.push(sum(&g.sqr()?)?);
        if let Some(second) = second {
            let g2 = flat(second)?;
            self.parts.push(sum(&(&g - &g2)?.sqr()?)?);
            self.parts.push(sum(&(&g * &g2)?)?);
            self.parts.push(sum(&(&w * &g2)?)?);
        }
        Ok(())
    }

    /// Reads everything back and hands it over.
    fn finish(&mut self, out: &mut Collector<'_>) -> Result<(), Error> {
        let members = std::mem::take(&mut self.members);
        let parts = std::mem::take(&mut self.parts);
        let Some(first) = members.first() else {
            return Ok(());
        };
        let lengths: Vec<usize> = parts.iter().map(Tensor::elem_count).collect();
        let read = |parts: &[Tensor]| Tensor::cat(parts, 0)?.to_device(&Device::Cpu);
        let flat = read(&parts)
            .and_then(|flat| flat.to_dtype(DType::F64)?.to_vec1::<f64>())
            .map_err(failed(&first.name))?;
        let mut rest = flat.as_slice();
        let mut lengths = lengths.iter();
        for member in members {
            let mut sums = member.sums;
            let slots = [
                &mut sums.w_w,
                &mut sums.w_g,
                &mut sums.g_g,
                &mut sums.noise,
                &mut sums.g_g2,
                &mut sums.w_g2,
            ];
            for (slot, &len) in slots.into_iter().take(member.products).zip(&mut lengths) {
                let (rows, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                *slot = rows.iter().sum();
                rest = after;
            }
            out.sums(member.group, &sums)?;
        }
        Ok(())
    }
}

/// The sum of a flat tensor in rows of 256: in f64 on a device that has it, else as row sums that
/// the host adds.
fn sum(product: &Tensor) -> candle_core011::Result<Tensor> {
    let len = product.elem_count();
    let whole = len / ROW * ROW;
    let mut rows = Vec::with_capacity(2);
    if whole > 0 {
        let table = product.narrow(0, 0, whole)?.reshape((whole / ROW, ROW))?;
        rows.push(table.sum(1)?);
    }
    if len > whole {
        rows.push(product.narrow(0, whole, len - whole)?.sum_keepdim(0)?);
    }
    let rows = Tensor::cat(&rows, 0)?;
    if matches!(product.device(), Device::Metal(_)) {
        return Ok(rows);
    }
    rows.to_dtype(DType::F64)?.sum_keepdim(0)
}

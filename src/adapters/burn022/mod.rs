//! Burn 0.22: any module and its gradients as a snapshot.
//!
//! # Use
//! [`Parameters`] is built once from the module: names as in a checkpoint (`conv1.weight`), groups
//! with their declared symmetry, tied weights counted once, frozen parameters and buffers set
//! apart. [`Parameters::snapshot`] then takes the module and its gradients at every step, after
//! the backward pass and before `optim.step`, which consumes the gradients.
//!
//! ```no_run
//! use burn022 as burn;
//! use burn::{module::Module, optim::GradientsParams, tensor::Tensor};
//! use thermograd::adapters::burn022::Parameters;
//! use thermograd::{Observer, Step};
//!
//! fn instrument<M: Module>(model: &M) -> Result<(Parameters, Observer), thermograd::Error> {
//!     let parameters = Parameters::of(model)?;
//!     let observer = Observer::new(parameters.groups().clone())?;
//!     Ok((parameters, observer))
//! }
//!
//! fn observe<M: Module>(
//!     model: &M,
//!     loss: &Tensor<1>,
//!     (parameters, observer): &mut (Parameters, Observer),
//! ) -> Result<GradientsParams, Box<dyn std::error::Error>> {
//!     let value = loss.clone().try_into_scalar::<f64>()?;
//!     let gradients = GradientsParams::from_grads(loss.backward(), model);
//!     let step = Step::new(value).learning_rate(0.1).momentum(0.9).weight_decay(5e-4);
//!     observer.observe(&step, &parameters.snapshot(model, &gradients))?;
//!     Ok(gradients) // now for optim.step
//! }
//! ```
//!
//! Burn's gradients are those of the loss alone: clipping and weight decay happen in the
//! optimiser, and momentum or Adam is told by [`Step`](crate::Step). The snapshot reads nothing
//! until the observer asks, so a step outside the observer's cadence costs nothing. In a training
//! loop of burn's own, the module `train` of the feature `burn022-train` does all of this.
//!
//! # What is read, and where it is reduced
//! Everything comes back in one [`Transaction`](burn022::tensor::Transaction) a device.
//!
//! | group | read back | what it gives |
//! |---|---|---|
//! | up to 65 536 coordinates ([`Parameters::read_whole`]) | every weight and gradient | the sums of the plain slices, to the bit |
//! | larger | some sums, and 65 536 coordinates of weight and gradient | norms, w·g and noise on every coordinate, motion on the sample |
//!
//! Kinetic metrics need the weights of the steps before, and no sum over the present holds them.
//! A large group therefore gives its norms reduced on the device, and a sample of its coordinates,
//! drawn in runs of 512 with equal chance, by which the observer follows the motion: what
//! [`Config::probe`](crate::Config::probe) does with slices. Memory on the host is bounded, and
//! there is no second copy of the model on the device. Only the entropy of a group from its own
//! snapshots needs every coordinate: raise `read_whole` for it.
//!
//! On the device, products and sums are formed in `f64` where it computes in that, and else in
//! `f32` in rows of 1024, each added up in two stages of 32, with the rows added in `f64` on the
//! host. Half-precision tensors are widened before the first product.
//!
//! # Rows and columns
//! A `Linear` layer of burn keeps its weight as `[inputs, outputs]`: its neurons are columns. Where
//! a tensor that is a group by itself declares as many scales as one of its sides is long, it is
//! handed over with that side first, so that every scale is one run of coordinates. Sums do not
//! depend on it.
//!
//! # When it lies
//! A symmetry is declared, not found: normalisation behind a layer makes it scale-invariant, an
//! activation or a bias in between breaks that, and the reading `virial_ratio` shows it. A
//! parameter that the loss reaches only at some steps has no gradient at the others: say by
//! [`Unreached`] what that means. Gradients accumulated by hand are sums of micro-batches:
//! give [`ModuleSnapshot::mean_of`] their number, or K times the learning rate will be missing
//! from every temperature.
//!
//! Burn 0.22 needs Rust 1.95, the rest of this crate 1.89.

use std::collections::{HashMap, HashSet};

use burn022::module::{Module, ModuleVisitor, Param, ParamId};
use burn022::optim::{GradientsParams, MultiGradientsParams};
use burn022::tensor::{Device, Tensor};

use crate::history::draw;
use crate::noise::{BatchGradient, Replicas};
use crate::sums::LEAF;
use crate::{Collector, Error, GroupId, Groups, Reading, Snapshot, Symmetry};

mod read;
#[cfg(feature = "burn022-train")]
mod readout;
mod reduce;
#[cfg(feature = "burn022-train")]
pub mod train;

#[cfg(feature = "burn022-train")]
pub use readout::{NumericReadout, TextReadout};
#[cfg(feature = "burn022-train")]
pub use train::{Instrumented, StopAtEpochEnd, StopWhen, Watch, WatchConfig};

use read::{Answers, Readback, Ticket};
use reduce::Accumulation;

/// Coordinates of a group up to which all of them are read back, and the size of the sample of a
/// larger one: the default of [`Config::probe`](crate::Config::probe).
const READ_WHOLE: usize = 1 << 16;

/// What a parameter is to the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It requires a gradient and belongs to a group.
    Observed(GroupId),
    /// It requires a gradient and was left out by the grouping.
    LeftOut,
    /// It requires no gradient: frozen, or a buffer such as a running mean.
    Frozen,
}

/// A parameter of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// Its path in the module, as in a checkpoint: `conv1.weight`. Variants of enums are no part
    /// of it.
    pub name: String,
    /// The layer that holds it, such as `Linear`; empty where it stands in no module.
    pub layer: String,
    /// Its sides.
    pub shape: Vec<usize>,
    /// What it is to the training.
    pub role: Role,
    /// Other paths that lead to the same, tied parameter.
    pub tied: Vec<String>,
}

impl Parameter {
    /// The number of its coordinates.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of neurons or filters of a weight with two sides or more: `outputs` of a
    /// `Linear`, whose sides are `[inputs, outputs]`, and the first side of a convolution. It is
    /// the K of [`Symmetry::ScaleInvariantBy`] where batch normalisation follows directly. None for
    /// vectors.
    pub fn rows(&self) -> Option<usize> {
        let side = if self.layer == "Linear" {
            self.shape.last()
        } else {
            self.shape.first()
        };
        side.copied().filter(|_| self.shape.len() >= 2)
    }
}

/// What it means that a parameter which requires a gradient has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Unreached {
    /// The graph was cut by mistake: [`Error::NoGradient`] with the parameter's name.
    #[default]
    Refuse,
    /// The loss of this step did not depend on it, and its gradient is zero: experts and branches
    /// that take turns.
    Zero,
}

/// How one parameter is handed over.
#[derive(Debug, Clone)]
struct Plan {
    index: usize,
    group: GroupId,
    /// The side that comes first.
    leading: usize,
    /// Positions of the sample within the tensor; `None` where all of it is read.
    sample: Option<Vec<i32>>,
}

/// The parameters of a module, their names, roles and groups: built once, used at every step.
#[derive(Debug, Clone)]
pub struct Parameters {
    list: Vec<Parameter>,
    by_id: HashMap<ParamId, usize>,
    groups: Groups,
    plans: Vec<Plan>,
    read_whole: usize,
    unreached: Unreached,
    accumulation: Accumulation,
}

impl Parameters {
    /// Every parameter that requires a gradient as a group of its own, under its own name, without
    /// a declared symmetry.
    ///
    /// # Errors
    /// As [`Parameters::grouped`].
    pub fn of<M: Module>(module: &M) -> Result<Self, Error> {
        Self::grouped(module, |parameter| {
            Some((parameter.name.clone(), Symmetry::Generic))
        })
    }

    /// Every parameter that requires a gradient in the group that `assign` names for it, with its
    /// symmetry; `None` leaves it out. Parameters of one name are one group.
    ///
    /// ```no_run
    /// # use burn022 as burn;
    /// # fn f<M: burn::module::Module>(model: &M) -> Result<(), thermograd::Error> {
    /// use thermograd::{adapters::burn022::Parameters, Symmetry};
    /// // Convolutions with batch normalisation behind them: as many scales as filters.
    /// let parameters = Parameters::grouped(model, |parameter| match parameter.rows() {
    ///     Some(rows) if parameter.layer == "Conv2d" => {
    ///         Some((parameter.name.clone(), Symmetry::ScaleInvariantBy(rows)))
    ///     }
    ///     _ => Some(("rest".to_owned(), Symmetry::Generic)),
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] where no parameter is left, [`Error::Conflict`] for a group that is given
    /// two symmetries, [`Error::TooManyScales`] for more scales than coordinates.
    pub fn grouped<M: Module>(
        module: &M,
        mut assign: impl FnMut(&Parameter) -> Option<(String, Symmetry)>,
    ) -> Result<Self, Error> {
        let mut survey = Survey::default();
        module.visit(&mut survey);
        let mut groups = Groups::new();
        let mut list = survey.list;
        for parameter in &mut list {
            if parameter.role == Role::Frozen || parameter.is_empty() {
                continue;
            }
            let Some((name, symmetry)) = assign(parameter) else {
                continue;
            };
            let group = match groups.find(&name) {
                None => groups.add(name, symmetry),
                Some(known) if groups.symmetry(known) == Some(symmetry) => known,
                Some(_) => {
                    return Err(Error::Conflict {
                        what: "one group was given two symmetries",
                        remedy: "name the same symmetry for every parameter of a group",
                    });
                }
            };
            parameter.role = Role::Observed(group);
        }
        if groups.is_empty() {
            return Err(Error::Empty {
                place: "the set of parameters that require a gradient".to_owned(),
                remedy: "give the module in training, not what valid() returned, and assign at least one parameter to a group",
            });
        }
        let mut parameters = Self {
            list,
            by_id: survey.by_id,
            groups,
            plans: Vec::new(),
            read_whole: READ_WHOLE,
            unreached: Unreached::Refuse,
            accumulation: Accumulation::Auto,
        };
        parameters.plan();
        for group in parameters.groups.ids() {
            let len = parameters.group_len(group);
            let scales = parameters
                .groups
                .symmetry(group)
                .map_or(0, Symmetry::scales);
            if scales > len {
                return Err(Error::TooManyScales {
                    group: parameters.groups.name(group).unwrap_or_default().to_owned(),
                    scales,
                    len,
                });
            }
        }
        Ok(parameters)
    }

    /// Up to how many coordinates a group is read back whole; 65 536 by default. It is also the
    /// size of the sample of a larger group.
    #[must_use]
    pub fn read_whole(mut self, coordinates: usize) -> Self {
        self.read_whole = coordinates.max(LEAF);
        self.plan();
        self
    }

    /// What a parameter without a gradient means: a mistake, by default.
    #[must_use]
    pub fn unreached(mut self, meaning: Unreached) -> Self {
        self.unreached = meaning;
        self
    }

    /// The groups, for the observer.
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// All parameters of the module, in its order, with what became of each.
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    /// The module's weights with these gradients, for [`Observer::observe`](crate::Observer::observe).
    pub fn snapshot<'a, M: Module>(
        &'a self,
        module: &'a M,
        gradients: &'a GradientsParams,
    ) -> ModuleSnapshot<'a, M> {
        ModuleSnapshot {
            parameters: self,
            module,
            gradients: Gradients::One(gradients),
            second: None,
            parts: 1,
        }
    }

    /// The same with gradients that are still spread over devices, whose sum the optimiser takes.
    pub fn snapshot_of_devices<'a, M: Module>(
        &'a self,
        module: &'a M,
        gradients: &'a MultiGradientsParams,
    ) -> ModuleSnapshot<'a, M> {
        ModuleSnapshot {
            parameters: self,
            module,
            gradients: Gradients::Many(gradients),
            second: None,
            parts: 1,
        }
    }

    fn group_len(&self, group: GroupId) -> usize {
        let of_group = |parameter: &&Parameter| parameter.role == Role::Observed(group);
        self.list.iter().filter(of_group).map(Parameter::len).sum()
    }

    /// Lays the parameters of each group one after another and decides how each is read.
    fn plan(&mut self) {
        self.plans.clear();
        for group in self.groups.ids() {
            let members: Vec<usize> = (0..self.list.len())
                .filter(|&i| self.list[i].role == Role::Observed(group))
                .collect();
            let len = self.group_len(group);
            let scales = self.groups.symmetry(group).map_or(0, Symmetry::scales);
            let mut leaves =
                draw(len.div_ceil(LEAF), self.read_whole, group.index() as u64).peekable();
            let mut start = 0;
            for &index in &members {
                let parameter = &self.list[index];
                let end = start + parameter.len();
                let sample = (len > self.read_whole).then(|| {
                    let mut positions = Vec::new();
                    while let Some(&leaf) = leaves.peek()
                        && leaf * LEAF < end
                    {
                        let last = (leaf + 1) * LEAF;
                        let run = (leaf * LEAF).max(start)..last.min(end);
                        // Tensors of more than 2³¹ coordinates are sampled at their beginning.
                        positions.extend(run.filter_map(|i| i32::try_from(i - start).ok()));
                        if last > end {
                            break;
                        }
                        leaves.next();
                    }
                    positions
                });
                let alone = members.len() == 1;
                self.plans.push(Plan {
                    index,
                    group,
                    leading: if alone { leading(parameter, scales) } else { 0 },
                    sample,
                });
                start = end;
            }
        }
    }
}

/// The side along which a tensor has its scales.
fn leading(parameter: &Parameter, scales: usize) -> usize {
    let shape = &parameter.shape;
    let last = shape.len().saturating_sub(1);
    let fits = |side: usize| shape.get(side) == Some(&scales);
    if parameter.layer == "Linear" && fits(last) {
        return last;
    }
    (0..shape.len()).find(|&side| fits(side)).unwrap_or(0)
}

/// The first visit: what there is.
#[derive(Default)]
struct Survey {
    path: Path,
    list: Vec<Parameter>,
    by_id: HashMap<ParamId, usize>,
}

impl ModuleVisitor for Survey {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        if let Some(&known) = self.by_id.get(&param.id) {
            self.list[known].tied.push(name);
            return;
        }
        let value = param.val();
        self.by_id.insert(param.id, self.list.len());
        self.list.push(Parameter {
            name,
            layer: self.path.layer(),
            shape: value.dims().to_vec(),
            role: if value.is_require_grad() {
                Role::LeftOut
            } else {
                Role::Frozen
            },
            tied: Vec::new(),
        });
    }
}

/// Where in the module a visitor is.
#[derive(Default)]
struct Path {
    names: Vec<String>,
    layers: Vec<String>,
}

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        if let Some(layer) = container.strip_prefix("Struct:") {
            self.layers.push(layer.to_owned());
        }
        // The variant of an enum is no part of a name in a checkpoint.
        if !container.starts_with("Enum:") {
            self.names.push(name.to_owned());
        }
    }

    fn exit(&mut self, container: &str) {
        if container.starts_with("Struct:") {
            self.layers.pop();
        }
        if !container.starts_with("Enum:") {
            self.names.pop();
        }
    }

    fn name(&self) -> String {
        self.names.join(".")
    }

    fn layer(&self) -> String {
        self.layers.last().cloned().unwrap_or_default()
    }
}

/// Where gradients lie.
#[derive(Clone, Copy)]
enum Gradients<'a> {
    One(&'a GradientsParams),
    Many(&'a MultiGradientsParams),
}

impl Gradients<'_> {
    /// The gradient of a parameter on its device, summed over devices.
    fn get<const D: usize>(&self, id: ParamId, device: &Device) -> Option<Tensor<D>> {
        match self {
            Self::One(gradients) => gradients.get(id),
            Self::Many(several) => several
                .grads
                .iter()
                .filter_map(|(gradients, _)| gradients.get::<D>(id))
                .map(|gradient| gradient.to_device(device))
                .reduce(|a, b| a + b),
        }
        .map(Tensor::inner)
    }

    fn are_gone(&self) -> bool {
        match self {
            Self::One(gradients) => gradients.is_empty(),
            Self::Many(several) => several.grads.iter().all(|(one, _)| one.is_empty()),
        }
    }
}

/// A module with its gradients; see [`Parameters::snapshot`].
#[derive(Clone, Copy)]
pub struct ModuleSnapshot<'a, M> {
    parameters: &'a Parameters,
    module: &'a M,
    gradients: Gradients<'a>,
    second: Option<&'a GradientsParams>,
    parts: u32,
}

impl<M> std::fmt::Debug for ModuleSnapshot<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleSnapshot")
            .field("parameters", &self.parameters.list.len())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl<'a, M: Module> ModuleSnapshot<'a, M> {
    /// Adds the gradients of an independent batch at the same weights; see
    /// [`Piece::second_gradient`](crate::Piece::second_gradient).
    #[must_use]
    pub const fn second_gradient(mut self, gradients: &'a GradientsParams) -> Self {
        self.second = Some(gradients);
        self
    }

    /// The gradients are the sum of this many micro-batches, as burn accumulates them: they are
    /// divided by it, so that they belong to the mean loss. The optimiser takes the sum, which is a
    /// learning rate K times as large for plain SGD, and a decay K times as small: tell
    /// [`Step`](crate::Step) so.
    #[must_use]
    pub const fn mean_of(mut self, micro_batches: u32) -> Self {
        self.parts = micro_batches;
        self
    }
}

impl<M: Module> Snapshot for ModuleSnapshot<'_, M> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let mut fetch = Fetch::new(self.parameters, self.gradients, self.parts);
        fetch.second = self.second;
        self.module.visit(&mut fetch);
        fetch.execute()?.visit(out)
    }
}

/// The visit of one step: every parameter's numbers are asked for, and then come all at once.
struct Fetch<'a> {
    parameters: &'a Parameters,
    gradients: Gradients<'a>,
    second: Option<&'a GradientsParams>,
    scale: f64,
    /// Of each parameter of the list, its plan.
    plan_of: Vec<Option<&'a Plan>>,
    tickets: Vec<Option<Tickets>>,
    readback: Readback,
    seen: HashSet<ParamId>,
    refused: Option<Error>,
    /// Of every group, |g|² of the step's gradient, where its noise is to be measured.
    squares: Option<Vec<Vec<Ticket>>>,
}

/// Of every group, |g|² of every micro-batch, still on the device.
#[cfg(feature = "burn022-train")]
pub(crate) type Squares = Vec<Vec<Tensor<1>>>;

/// What was asked for one parameter.
struct Tickets {
    weights: Ticket,
    gradient: Ticket,
    second: Option<Ticket>,
    sums: Option<reduce::Asked>,
}

impl<'a> Fetch<'a> {
    fn new(parameters: &'a Parameters, gradients: Gradients<'a>, parts: u32) -> Self {
        let mut plan_of = vec![None; parameters.list.len()];
        for plan in &parameters.plans {
            plan_of[plan.index] = Some(plan);
        }
        Self {
            parameters,
            gradients,
            second: None,
            scale: 1.0 / f64::from(parts.max(1)),
            tickets: plan_of.iter().map(|_| None).collect(),
            plan_of,
            readback: Readback::default(),
            seen: HashSet::new(),
            refused: None,
            squares: None,
        }
    }

    fn fetch<const D: usize>(
        &mut self,
        param: &Param<Tensor<D>>,
        index: usize,
        plan: &Plan,
    ) -> Result<Tickets, Error> {
        let parameter = &self.parameters.list[index];
        let value = param.val();
        if !value.is_require_grad() {
            return Err(no_gradient(
                &parameter.name,
                "it requires none now and did when Parameters was built: give the module in training, not what valid() returned, and build Parameters anew after freezing",
            ));
        }
        if value.dims().as_slice() != parameter.shape {
            return Err(Error::LengthChanged {
                group: parameter.name.clone(),
                expected: parameter.len(),
                found: value.dims().iter().product(),
            });
        }
        let weights = value.inner();
        let device = weights.device();
        let scale = self.scale;
        let gradient = |found: Option<Tensor<D>>| match found {
            Some(gradient) if scale == 1.0 => Ok(gradient),
            Some(gradient) => Ok(gradient.mul_scalar(scale)),
            None if self.parameters.unreached == Unreached::Zero => Ok(weights.zeros_like()),
            None if self.gradients.are_gone() => Err(no_gradient(
                &parameter.name,
                "no parameter has one: the gradients were consumed, or belong to another fork of the module",
            )),
            None => Err(no_gradient(
                &parameter.name,
                "the loss does not depend on it: look for detach(), inner() or a layer whose output is not used; freeze it by no_grad(), leave it out of the groups, or allow it by Unreached::Zero",
            )),
        };
        let first = gradient(self.gradients.get::<D>(param.id, &device))?;
        let second = match self.second {
            None => None,
            Some(gradients) => Some(gradient(
                Gradients::One(gradients).get::<D>(param.id, &device),
            )?),
        };
        let flat = |tensor: Tensor<D>| flatten(tensor, plan.leading);
        let (weights, first, second) = (flat(weights), flat(first), second.map(flat));
        if let Some(squares) = &mut self.squares {
            let parts = reduce::square(&first);
            squares[plan.group.index()].extend(parts.into_iter().map(|x| self.readback.ask(x)));
        }
        let Some(positions) = &plan.sample else {
            return Ok(Tickets {
                weights: self.readback.ask(weights),
                gradient: self.readback.ask(first),
                second: second.map(|second| self.readback.ask(second)),
                sums: None,
            });
        };
        let sums = reduce::ask(
            &mut self.readback,
            (&weights, &first, second.as_ref()),
            self.parameters.accumulation,
        );
        Ok(Tickets {
            weights: self.readback.ask_some(weights, positions),
            gradient: self.readback.ask_some(first, positions),
            second: second.map(|second| self.readback.ask_some(second, positions)),
            sums: Some(sums),
        })
    }

    /// Reads everything back.
    fn execute(self) -> Result<Fetched<'a>, Error> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let parameters = self.parameters;
        let missing = parameters
            .plans
            .iter()
            .find(|plan| self.tickets[plan.index].is_none());
        if let Some(plan) = missing {
            return Err(no_gradient(
                &parameters.list[plan.index].name,
                "the module does not have it: give the module that Parameters was built from",
            ));
        }
        Ok(Fetched {
            parameters,
            tickets: self.tickets,
            squares: self.squares,
            answers: self.readback.execute()?,
            micro_batches: Vec::new(),
        })
    }
}

/// The numbers of one step, on the host.
struct Fetched<'a> {
    parameters: &'a Parameters,
    tickets: Vec<Option<Tickets>>,
    squares: Option<Vec<Vec<Ticket>>>,
    answers: Answers,
    /// Of every micro-batch and group, |g|².
    micro_batches: Vec<Vec<Vec<Ticket>>>,
}

impl Fetched<'_> {
    /// The noise of the step from the spread of its micro-batches.
    fn noise(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let Some(squares) = self
            .squares
            .as_ref()
            .filter(|_| self.micro_batches.len() > 1)
        else {
            return Ok(());
        };
        for group in self.parameters.groups.ids() {
            let of = |tickets: &[Vec<Ticket>]| match tickets.get(group.index()) {
                Some(tickets) => self.answers.total(tickets),
                None => Ok(0.0),
            };
            let mut replicas = Replicas::default();
            for one in &self.micro_batches {
                replicas.push(BatchGradient {
                    batch_size: 1,
                    squared_norm: of(one)?,
                })?;
            }
            if let Reading::Ready(noise) = replicas.noise(of(squares)?)? {
                out.noise(group, &noise)?;
            }
        }
        Ok(())
    }
}

impl Snapshot for Fetched<'_> {
    /// Parameter by parameter of each group.
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let (parameters, answers) = (self.parameters, &self.answers);
        for plan in &parameters.plans {
            let Some(tickets) = &self.tickets[plan.index] else {
                continue;
            };
            if let Some(asked) = &tickets.sums {
                let len = parameters.list[plan.index].len();
                out.sampled(plan.group, &asked.sums(answers, len)?)?;
            }
            let weights = answers.values(tickets.weights)?;
            if weights.view().is_empty() {
                continue;
            }
            let gradient = answers.values(tickets.gradient)?;
            let mut piece = crate::Piece::new(weights.view(), gradient.view());
            if let Some(second) = tickets.second {
                piece = piece.second_gradient(answers.values(second)?.view());
            }
            out.piece(plan.group, &piece)?;
        }
        self.noise(out)
    }
}

impl ModuleVisitor for Fetch<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(&index) = self.parameters.by_id.get(&param.id) else {
            return;
        };
        let Some(plan) = self.plan_of[index] else {
            return;
        };
        if self.refused.is_some() || !self.seen.insert(param.id) {
            return;
        }
        match self.fetch(param, index, plan) {
            Ok(tickets) => self.tickets[index] = Some(tickets),
            Err(error) => self.refused = Some(error),
        }
    }
}

fn no_gradient(parameter: &str, cause: &'static str) -> Error {
    Error::NoGradient {
        parameter: parameter.to_owned(),
        cause,
    }
}

/// All coordinates in one row, one side first.
fn flatten<const D: usize>(tensor: Tensor<D>, leading: usize) -> Tensor<1> {
    let tensor = if leading == 0 || leading >= D {
        tensor
    } else {
        tensor.swap_dims(0, leading)
    };
    tensor.reshape([-1])
}

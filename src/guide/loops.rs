//! # In whose loop?
//!
//! The library holds no loop. It is shown weights and gradients after the backward pass and before
//! the update, and everything else follows. What "shown" means depends on where the tensors live.
//!
//! | your loop | way in | what it costs |
//! |---|---|---|
//! | slices, `Vec`s | [`slices`](crate::slices), [`Snapshot`](crate::Snapshot) | one pass over memory |
//! | ndarray, nalgebra | features `ndarray017`, `nalgebra035` | the same, through strides where there are any |
//! | candle | feature `candle011` | the same on a CPU; on a device, sums formed there |
//! | burn | feature `burn022` | sums formed on the device, one transfer |
//! | tch, or any library with a sum | [`Sums`](crate::Sums), as below | sums formed on the device, one transfer |
//! | another language, or a run that is over | checkpoints, feature `safetensors` | no training code at all |
//!
//! # Before anything: which layers are scale-invariant?
//! The gas law needs it declared. [`ScaleTest`](crate::invariance::ScaleTest) measures it over a
//! hundred steps and proposes groups with their number of scales; look at its table and confirm.
//!
//! # A library that has no adapter: tch
//! Every framework can multiply and add, and [`Collector::sums`](crate::Collector::sums) takes what
//! it has added. Upcast first: a sum in the tensor's own precision is wrong by any factor for bf16
//! and by parts in a thousand for large `f32` tensors. Stack the results and read them back once.
//!
//! ```
//! # // A stand-in with the signatures of tch that the recipe uses: libtorch is no part of the tests.
//! # mod tch {
//! #     #[derive(Clone, Copy)] pub enum Kind { Double }
//! #     #[derive(Clone, Copy)] pub enum Device { Cpu }
//! #     #[derive(Clone, Default)] pub struct Tensor { data: Vec<f64>, grad: Option<Vec<f64>>, defined: bool }
//! #     #[derive(Debug)] pub struct TchError;
//! #     impl std::fmt::Display for TchError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("tch") } }
//! #     impl Tensor {
//! #         pub fn with_grad(data: &[f64], grad: Option<&[f64]>) -> Self { Self { data: data.to_vec(), grad: grad.map(<[f64]>::to_vec), defined: true } }
//! #         pub fn grad(&self) -> Self { self.grad.as_ref().map_or_else(Self::default, |g| Self::with_grad(g, None)) }
//! #         pub fn defined(&self) -> bool { self.defined }
//! #         pub fn detach(&self) -> Self { Self::with_grad(&self.data, None) }
//! #         pub fn to_kind(&self, _: Kind) -> Self { self.clone() }
//! #         pub fn to_device(&self, _: Device) -> Self { self.clone() }
//! #         pub fn numel(&self) -> usize { self.data.len() }
//! #         pub fn sum(&self, _: impl Into<Option<Kind>>) -> Self { Self::with_grad(&[self.data.iter().sum()], None) }
//! #         pub fn stack<T: std::borrow::Borrow<Self>>(tensors: &[T], _: i64) -> Self {
//! #             Self::with_grad(&tensors.iter().flat_map(|t| t.borrow().data.clone()).collect::<Vec<f64>>(), None)
//! #         }
//! #     }
//! #     impl std::ops::Mul for &Tensor {
//! #         type Output = Tensor;
//! #         fn mul(self, other: &Tensor) -> Tensor { Tensor::with_grad(&self.data.iter().zip(&other.data).map(|(a, b)| a * b).collect::<Vec<f64>>(), None) }
//! #     }
//! #     impl TryFrom<Tensor> for Vec<f64> { type Error = TchError; fn try_from(t: Tensor) -> Result<Self, TchError> { Ok(t.data) } }
//! #     pub mod nn {
//! #         pub struct VarStore(pub std::collections::HashMap<String, super::Tensor>);
//! #         impl VarStore { pub fn variables(&self) -> std::collections::HashMap<String, super::Tensor> { self.0.clone() } }
//! #     }
//! # }
//! use tch::{Kind, Tensor, nn::VarStore};
//! use thermograd::{Assignment, Collector, Error, Snapshot, Sums};
//!
//! /// The trainable variables of a VarStore after `loss.backward()`.
//! struct Model<'a> { vars: &'a VarStore, layers: &'a Assignment }
//!
//! impl Snapshot for Model<'_> {
//!     fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
//!         let mut named: Vec<(String, Tensor)> = self.vars.variables().into_iter().collect();
//!         named.sort_by(|a, b| a.0.cmp(&b.0)); // the map has no order
//!         let mut members = Vec::new();
//!         let mut products = Vec::new();
//!         for (name, w) in &named {
//!             let Some(group) = self.layers.of(name)? else { continue };
//!             let g = w.grad();
//!             if !g.defined() {
//!                 return Err(Error::NoGradient {
//!                     parameter: name.clone(),
//!                     cause: "it took no part in the loss: leave it out if it is frozen",
//!                 });
//!             }
//!             let (w, g) = (w.detach().to_kind(Kind::Double), g.to_kind(Kind::Double));
//!             members.push((group, w.numel()));
//!             products.extend([&w * &w, &w * &g, &g * &g].map(|p| p.sum(Kind::Double)));
//!         }
//!         let flat = Tensor::stack(&products, 0).to_device(tch::Device::Cpu);
//!         let flat = Vec::<f64>::try_from(flat).map_err(|error| Error::Framework {
//!             place: "the sums".into(), library: "tch", message: error.to_string(),
//!         })?;
//!         for ((group, count), p) in members.into_iter().zip(flat.chunks_exact(3)) {
//!             let mut sums = Sums::default();
//!             (sums.w_count, sums.g_count) = (count as f64, count as f64);
//!             (sums.w_w, sums.w_g, sums.g_g) = (p[0], p[1], p[2]);
//!             out.sums(group, &sums)?;
//!         }
//!         Ok(())
//!     }
//! }
//! # let mut layers = Assignment::new();
//! # let all = layers.group("all", thermograd::Symmetry::Generic);
//! # layers.assign("w", all)?;
//! # let store = |grad| VarStore([("w".to_owned(), Tensor::with_grad(&[3.0, 4.0], grad))].into());
//! # let mut observer = thermograd::Observer::new(layers.groups().clone())?;
//! # let step = thermograd::Step::new(1.0);
//! # observer.observe(&step, &Model { vars: &store(Some(&[1.0, 2.0])), layers: &layers })?;
//! # let sums = observer.sums(all)?.unwrap();
//! # assert_eq!((sums.w_w, sums.w_g, sums.g_g), (25.0, 11.0, 5.0));
//! # let frozen = observer.observe(&step, &Model { vars: &store(None), layers: &layers });
//! # assert!(matches!(frozen, Err(Error::NoGradient { .. })));
//! # Ok::<(), Error>(())
//! ```
//!
//! Sums that were formed elsewhere say nothing of displacements, so the thermometers that read
//! motion stay silent. A second gradient at the same weights adds |g − g₂|², g·g₂ and w·g₂ in the same way
//! (`noise`, `g_g2`, `w_g2`, with `g2_count`) and opens the temperature of the noise. Where the
//! tensors fit into host memory, `Vec::<f32>::try_from(&w.flatten(0, -1))` and
//! [`Collector::tensor`](crate::Collector::tensor) give every reading, for a copy. (tch links to
//! libtorch, which shares no manifest with burn's own back ends; our tests run this code with a
//! stand-in for tch.)
//!
//! # A loop in another language: checkpoints
//! A checkpoint in the safetensors format is a dictionary of names and arrays, and every framework
//! writes it. Save one in every so many steps, with the step in its name:
//!
//! ```python
#![doc = include_str!("../../examples/recipes/series.py")]
//! ```
//!
//! Then, without any of that code:
//!
//! ```sh
//! cargo run --release --features safetensors --example checkpoints -- runs/numpy --rows hidden.weight
//! ```
//!
//! Weights without gradients tell of motion: radius, displacement, overlap, how many directions the
//! run spreads over, its entropy, and where something changed. Pressure and temperature need
//! gradients; to have those as well, save `w` and two gradients of the same weights, read them with
//! any safetensors reader and hand them to [`slices`](crate::slices).
//!
//! # Where readings go
//! [`Report`](crate::Report) prints itself; the [sinks](crate::sink) write it as JSON lines, CSV or
//! TensorBoard event files.
//!
//! # What it costs
//! An observed step reads weights and gradients once. By default 4 steps in 64 are observed, and the
//! rest cost nothing; [`Config::every_step`](crate::Config::every_step) is for short runs and for
//! alarms. The examples `examples/candle-mlp`, `examples/candle-transformer` and
//! `examples/burn-dashboard` measure it on your machine with `cargo run --release -- --overhead`:
//! the same training unobserved, at 4 steps in 64 and at every step, in turn and in one run.

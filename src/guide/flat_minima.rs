//! Flat minima: how to measure them, and what they say about generalisation.
//!
//! "Flatter minima are states of higher entropy, bear more noise, and generalise better." Each
//! clause of the sentence is a number here: [`curvature`](crate::curvature) and [`flatness`](crate::flatness) measure the first
//! two, [`generalisation_study`](crate::flatness::generalisation_study) asks about the third.
//!
//! # One closure
//! Everything asks your model through one closure: flat weights in, flat gradient out, loss
//! returned, always on the same batch. In plain Rust:
//!
//! ```
//! use thermograd::curvature::{CentralDifference, LanczosConfig, TraceConfig, extremes, gradient, trace};
//! # let weights = [0.3, -0.2];
//! # struct Model; impl Model { fn backward(&mut self, w: &[f64], g: &mut [f64]) -> f64 { g.copy_from_slice(w); 0.5 * (w[0] * w[0] + w[1] * w[1]) } }
//! # let mut model = Model;
//! let closure = gradient(|w: &[f64], g: &mut [f64]| model.backward(w, g));
//! let mut hessian = CentralDifference::new(closure, &weights)?;
//! let trace = trace(&mut hessian, &TraceConfig::default())?;
//! let top = extremes(&mut hessian, &LanczosConfig::default())?;
//! println!("tr H = {}, h_max = {}", trace.estimate, top.largest[0].value);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! With candle, for a parameter in a `Var` (several: cut `w` and `g` at their lengths):
//!
#![cfg_attr(not(feature = "candle011"), doc = "```text")]
#![cfg_attr(
    feature = "candle011",
    doc = "```
# use std::error::Error;
# use candle_core011::{Device, Tensor, Var};
# use thermograd::curvature::{CentralDifference, TraceConfig, gradient_f32, trace};
# let var = Var::from_slice(&[0.3_f32, -0.2, 0.1, 0.4], (2, 2), &Device::Cpu)?;
# let loss = |w: &Tensor| w.sqr()?.sum_all()?.affine(0.5, 0.0);
# let weights: Vec<f64> = var.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect();"
)]
//! let closure = gradient_f32(|w: &[f32], g: &mut [f32]| -> Result<f32, Box<dyn Error>> {
//!     var.set(&Tensor::from_slice(w, var.shape(), var.device())?)?;
//!     let loss = loss(&var)?;
//!     let gradients = loss.backward()?;
//!     g.copy_from_slice(&gradients.get(&var).ok_or("no gradient")?.flatten_all()?.to_vec1::<f32>()?);
//!     Ok(loss.to_scalar()?)
//! });
#![cfg_attr(
    feature = "candle011",
    doc = "# let found = trace(&mut CentralDifference::new(closure, &weights)?, &TraceConfig::default())?;
# assert!((found.estimate.value - 4.0).abs() < 1e-3, \"{}\", found.estimate);
# Ok::<(), Box<dyn Error>>(())"
)]
//! ```
//!
//! With burn, for a parameter in a tensor on a device with autodiff:
//!
#![cfg_attr(not(feature = "burn022-test"), doc = "```text")]
#![cfg_attr(
    feature = "burn022-test",
    doc = "```
# use std::error::Error;
# use burn022::tensor::{Device, Tensor, TensorData};
# use thermograd::curvature::{CentralDifference, TraceConfig, gradient_f32, trace};
# let (device, shape) = (Device::default().autodiff(), [2_usize, 2]);
# let loss = |w: Tensor<2>| w.powi_scalar(2).sum() * 0.5;"
)]
//! let closure = gradient_f32(|w: &[f32], g: &mut [f32]| -> Result<f32, Box<dyn Error>> {
//!     let w = Tensor::<2>::from_data(TensorData::new(w.to_vec(), shape), &device).require_grad();
//!     let loss = loss(w.clone());
//!     let gradient = w.grad(&loss.backward()).ok_or("no gradient")?;
//!     g.copy_from_slice(gradient.try_into_data()?.as_slice()?);
//!     Ok(loss.try_into_scalar()?)
//! });
#![cfg_attr(
    feature = "burn022-test",
    doc = "# let weights = [0.3, -0.2, 0.1, 0.4];
# let found = trace(&mut CentralDifference::new(closure, &weights)?, &TraceConfig::default())?;
# assert!((found.estimate.value - 4.0).abs() < 1e-3, \"{}\", found.estimate);
# Ok::<(), Box<dyn Error>>(())"
)]
//! ```
//!
//! What the closure returns as an error comes back as [`Error::Evaluation`](crate::Error::Evaluation) with the number of the
//! call; a gradient that is not finite, or not written, is an error too. Single precision takes steps that suit it.
//!
//! Three things to mind. Switch dropout off, or fix its masks: a difference of gradients under
//! different masks is noise. Batch normalisation takes its statistics from the batch you fix. And
//! with ReLUs set [`step_length`](crate::curvature::CentralDifference::step_length) to a hundredth of |w| or so: in the
//! example below the default, tuned for smooth losses, met a kink in some networks and reported a largest
//! curvature of 75 where it is below 1.
//!
//! # What to ask, and what it costs
//! | question | call | gradient evaluations |
//! |---|---|---|
//! | how sharp in total | [`trace()`](crate::curvature::trace()) | 2 a probe; 32 at least by default |
//! | how sharp at most | [`extremes`](crate::curvature::extremes) | 2 a step; some 20 in the example |
//! | how far from the edge of stability | [`edge_of_stability`](crate::curvature::edge_of_stability) | none more |
//! | curvature along the updates | [`sharpness`](crate::curvature::sharpness) | 2 an update; the observer's `edge_ratio` says the same for none |
//! | the whole spectrum, entropy of a bowl | [`spectral_density`](crate::curvature::spectral_density), [`Basin`](crate::flatness::Basin) | 2 × probes × steps: 640 by default |
//! | how many directions hold heat | [`learning_coefficient()`](crate::flatness::learning_coefficient()) | 1 a draw: 4000 by default |
//! | room of any shape | [`local_entropy()`](crate::flatness::local_entropy()) | 1 a draw: 8000 by default |
//! | how much noise it bears | [`resilience()`](crate::flatness::resilience()) | none; some 1400 losses |
//!
//! Every answer carries its count. For one layer restrict the closure by
//! [`Coordinates`](crate::curvature::Coordinates); [`traces`](crate::curvature::traces) does all layers from the same products.
//!
//! # Flatness as thermodynamics
//! A bath at temperature T about a minimum holds the energy U = L₀ + λT: the learning coefficient λ is a
//! heat capacity, d/2 if the minimum is a bowl, less if it is degenerate. Its entropy is
//! (d/2) ln(2πeT) − ½ ln det H, so each e-fold of curvature costs half a nat a direction. Noise of the
//! thermal size σ_T = √(T d/tr H) costs T d/2, as the bath itself does. All three are exact in a bowl, where the
//! tests hold them to their error bars, and differ elsewhere; that is why there are three.
//!
//! # Does it go with generalisation?
//! ```sh
//! cargo run --release --example flat_minima -- --plots plots
//! ```
//!
//! 48 networks of 32 ReLUs, each trained on the same 400 digits by plain SGD from weights of its own until its training loss first
//! fell to 0.05; four learning rates from 0.004 to 0.2, four batch sizes from 2 to 128, three seeds each. The gap is the loss over
//! 1397 other digits less that over the 400. Entropy and learning coefficient are taken at one temperature and one spring for all.
//!
#![doc = include_str!("pictures/flat_minima_noise.svg")]
//!
//! Kendall's τ with the gap, and the correlation of normal scores with more and more held fixed; 95 % bootstrap intervals over runs:
//!
//! | measure | τ | loss held | and ln T | and \|w\| |
//! |---|---|---|---|---|
//! | temperature T | +0.37 [+0.12, +0.55] | +0.46 [+0.20, +0.69] | | |
//! | trace tr H | −0.35 [−0.53, −0.10] | −0.41 [−0.62, −0.13] | +0.07 [−0.18, +0.39] | +0.33 [+0.10, +0.62] |
//! | largest curvature | −0.33 [−0.50, −0.10] | −0.38 [−0.59, −0.10] | −0.13 [−0.41, +0.17] | +0.29 [+0.02, +0.50] |
//! | basin entropy S | +0.31 [+0.05, +0.50] | +0.35 [+0.09, +0.59] | −0.15 [−0.42, +0.07] | −0.29 [−0.55, −0.10] |
//! | learning coefficient | −0.23 [−0.43, +0.03] | −0.25 [−0.52, +0.04] | +0.11 [−0.18, +0.40] | +0.43 [+0.11, +0.68] |
//! | noise that doubles | −0.59 [−0.72, −0.40] | −0.75 [−0.86, −0.58] | −0.73 [−0.86, −0.55] | −0.53 [−0.76, −0.17] |
//! | norm \|w\| | +0.53 [+0.32, +0.68] | +0.65 [+0.41, +0.80] | +0.60 [+0.32, +0.77] | |
//!
#![doc = include_str!("pictures/flat_minima_correlations.svg")]
//!
//! Read from left to right, the signs turn. Plainly, the *flatter* minima, by trace, by largest curvature and by entropy, have the
//! *larger* gap: hot networks (large learning rate, small batch) reach the target with weights up to eight times as long, and curvature
//! per unit of weight falls as the weights grow. With the temperature held fixed nothing of that is left. With the norm held as well, all
//! go the way of the sentence: less curvature, more entropy and a smaller learning coefficient go with a smaller gap, each
//! interval off zero. The noise that doubles the loss, which is relative to the weights row by row, says so in every column: networks
//! that bear more have the smaller gap. Flatness in units of the weights and flatness relative to them are different things.
//!
//! What this does not show: that flatness or resilience *causes* generalisation (the norm of the weights goes with the gap as well, and one
//! architecture on one data set is one family); that one may hold fixed what one likes until the signs please (four columns are four questions); that the signs would be the same with weight decay, with normalisation layers, or at another
//! training loss; that seven intervals at 95 % are all right at once (one in three such studies has an accidental one). The gap of most runs lies
//! between 0.12 and 0.16, and ranks among those are partly the noise of seeds; the hot corner stands apart.
//!
//! # When the numbers lie
//! - Away from a minimum the Hessian has negative eigenvalues: the trace cancels, the entropy is undefined without a spring.
//! - A negative learning coefficient means that the chains found lower loss than where they began, or that the step was unstable. It is
//!   flagged, as are chains that differ by R̂, that never settled, or that diverged; do not average over flags. (In the family
//!   above, four of 48 were: one in the hottest setting truly is no minimum.)
//! - Learning coefficients are comparable at equal nβ and localisation only; both are in the answer.
//! - On a scale-invariant layer trace, eigenvalues and entropy change with |w| where the network does not: multiply curvatures by |w|², or
//!   use filter-normalised noise.

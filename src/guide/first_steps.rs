//! First steps: ten lines in a training loop, and how to read what comes out.
//!
//! You know how to train a network; this page asks for no physics. It uses a few of its words, and
//! says what each means here.
//!
//! # The picture
//! The gradient of a mini-batch is the gradient of the whole loss plus noise. At every step the
//! noise kicks the weights somewhere, and the loss pulls them back. After a while the two balance:
//! the loss stops falling and fluctuates about a level, and the weights wander without getting
//! anywhere. That is a body in a heat bath, and it answers to the same few numbers:
//!
//! | word | in training | symbol |
//! |---|---|---|
//! | temperature | learning rate × gradient noise, for each weight: how hard the kicks are, in units of the loss | T |
//! | energy | the loss | U |
//! | pressure | weight decay: what pulls the norm in | p |
//! | volume | half the squared norm of the weights | V |
//! | degrees of freedom | the weights, less the scales that a normalisation layer makes irrelevant | d |
//! | entropy | how many states the weights wander over: the logarithm of their spread | S |
//! | heat | what a batch's own update takes from its loss | Q |
//! | equilibrium | nothing drifts any more, and every part of the network has one temperature | |
//!
//! They are worth knowing because they are *causes*. A loss curve says that nothing moves. These
//! say why: the kicks are too hard, or the time was too short, or the norm still grows, or the
//! step is at the edge of stability. What to do then is the next page, [`diagnosis`](super::diagnosis).
//!
//! # Ten lines
//! Show the observer weights and gradients after the backward pass and before the update:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Symmetry, slices};
//! # use thermograd::systems::{GasProtocol, IsotropicGasConfig};
//! # let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.05 };
//! # let mut model = IsotropicGasConfig::new(100, protocol).strength(1.0).radius(3.0).build()?;
//! let mut groups = Groups::new();
//! let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
//! // Every step is looked at; `Observer::new` looks at 4 in 64, see below.
//! let mut observer = Observer::with_config(groups, Config::every_step())?;
//! for _ in 0..20_000 {
//!     // The batch's loss, the learning rate η, the weight decay λ:
//!     // Step::new(loss).learning_rate(0.1).weight_decay(0.05)
//!     let step = model.facts();
//!     // A second batch at the same weights is optional. It opens half of the readings.
//! #   model.draw_second();
//!     let second = model.second_gradient().unwrap_or_default();
//!     let snapshot = slices(hidden, model.weights(), model.gradient()).second_gradient(second);
//!     observer.observe(&step, &snapshot)?;
//!     model.step()?;
//! }
//! println!("{}", observer.report());
//! # let ready = |name| observer.read(hidden, name).map(|reading| *reading.ready().unwrap());
//! # // What the next section says of the lines.
//! # let (noise, midpoint, z_d) = (ready("temperature_noise")?, ready("temperature_midpoint")?, ready("z_d")?);
//! # assert!((noise.value / midpoint.value - 1.0).abs() < 0.02);
//! # assert!((z_d.value - 1.0).abs() < 4.0 * z_d.std_error);
//! # let (radius, predicted) = (ready("radius")?, ready("radius_balance")?);
//! # assert!((radius.value / predicted.value - 1.0).abs() < 0.01);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! The model of this page is [`IsotropicGas`](crate::systems::IsotropicGas): 100 weights behind a
//! normalisation, whose loss falls from 1 towards 0 as they turn into one direction, under noise
//! that is the same in all directions. Everything about it is known, so you can see what a right
//! answer looks like. For tensors of a framework see [`loops`](super::loops).
//!
//! Three things are yours to get right, and no reading can repair them:
//! - the loss is the *mean* over the batch, and the gradient is that of this mean;
//! - the gradient holds no weight decay, whatever the optimiser does with it later;
//! - `learning_rate` is that of *this* step, so hand over what the schedule gives.
//!
//! # The report, line by line
#![doc = "```text"]
#![doc = include_str!("first_steps.txt")]
#![doc = "```"]
//!
//! A line is one reading of one group: its value, one standard error of it, how many independent
//! observations stand behind it, and its unit. The lines of `total` are those of the whole model.
//! From above:
//!
//! **How hot is it?** `temperature_noise` is the bath: the learning rate times the measured noise of
//! the gradient, for each degree of freedom. `temperature_midpoint` measures the same from how the
//! weights move, and knows nothing of gradients. Two instruments without a common part agree, so
//! both can be believed. `temperature_kinetic` and `temperature_virial` belong somewhat above them,
//! by the share that `edge_ratio` names, and `temperature_calorimetric` measures the heat that each
//! batch gives off. *They lie* where something drifts, and where batches are cut from a shuffled
//! epoch (tell it with [`Step::sampling`](crate::Step::sampling)): the slow directions are then
//! colder than `temperature_noise` says. [`temperature`](crate::temperature) has a table of which
//! fails when. What a temperature means for the loss: each direction that the loss holds costs T/2,
//! so about dT/2 of the
//! loss is there because of the noise, and goes away as the learning rate does. Here that is 0.247, and the loss is 0.219: it is
//! nothing but noise, on a sphere that is not quite a bowl.
//!
//! **Is the step too large?** `edge_ratio` is 0 for a learning rate that is small against the
//! curvature, and 1 where training becomes unstable. It is an average over all directions, by how
//! much they move: the stiffest one is nearer to the edge than it says. `step_alignment` tells the
//! same story: near 0 (under momentum μ, near μ) steps are independent kicks, near 1 they go straight on,
//! below 0 each undoes the one before.
//!
//! **Is there anything left to learn?** `signal_to_noise` compares the gradient that all batches
//! agree on with the noise between them. 0.01 is a run that is all noise. `gradient_noise_scale`
//! turns it into a batch size, once the step says its own.
//!
//! **Has the norm settled?** For a layer before a normalisation nothing but noise moves the norm
//! out, and nothing but weight decay moves it in. `z_d` compares the two: 1 is settled, below 1 it
//! grows, above 1 it shrinks. `radius` is the norm, `radius_balance` where the present gradients would
//! hold it, and `relaxation_steps` how many steps it takes to get there by a factor e. *It lies*
//! about a layer that is not in fact scale-invariant: `virial_ratio` says whether it is, and should
//! be at the level of rounding.
//!
//! **Is it a gas?** `z` compares pressure × volume with temperature × degrees of freedom/2. 1 says
//! that noise alone holds the weights where they are; 1 plus something that the gradient still has
//! a mean, of which `signal_to_noise` is the measure.
//!
//! Below the table stand remarks on what a reader should not overlook, and how many readings are
//! missing. `println!("{:#}", observer.report())` lists those with the reason. The meaning of every
//! name is in [`metrics`](super::metrics).
//!
//! On a network nothing is known beforehand, and two instruments are all the more welcome. The hidden layer of a
//! network on handwritten digits, in windows of a fiftieth of the run:
//!
//! ```sh
//! cargo run --release --example digits -- --plots plots
//! ```
//!
#![doc = include_str!("pictures/first_steps_temperature.svg")]
//!
//! # Ready, pending, undefined
//! A reading is a number with an error bar, or says why there is none. It is never NaN, and never a
//! number that was computed from an input you did not give:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Step, Symmetry, slices};
//! let mut groups = Groups::new();
//! let all = groups.add("all", Symmetry::Generic);
//! let mut observer = Observer::with_config(groups, Config::every_step())?;
//! # let (w, mut g) = ([0.3_f32, 0.1], [0.0_f32; 2]);
//! for step in 0..200 {
//! #   g[0] = if step % 2 == 0 { 1.0 } else { -1.0 };
//!     observer.observe(&Step::new(0.7).learning_rate(0.1), &slices(all, &w, &g))?;
//!     if step == 20 {
//!         let reading = observer.read(all, "volume")?;
//!         assert_eq!(reading.to_string(), "pending (21 of 96)");
//!     }
//! }
//! let reading = observer.read(all, "pressure")?;
//! assert_eq!(reading.to_string(), "undefined: the weight decay was never given");
//! let reading = observer.read(all, "z_d")?;
//! assert_eq!(reading.to_string(), "undefined: symmetry: holds for scale-invariant groups only");
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! *Pending* asks for more steps, at least as many as it names. *Undefined* will not get better by
//! waiting: give the input, declare another symmetry, or take another reading. A ratio whose
//! denominator cannot be told from zero is undefined as well, and not enormous.
//!
//! # Error bars
//! Losses of successive steps resemble each other, so a thousand of them may be worth twenty. The
//! standard error of a reading takes that into account, and `n_eff` says how many independent
//! observations would have the same error. Here a series in which each value keeps 0.95 of the one
//! before:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Step, Symmetry, slices, systems::Ar1};
//! let mut groups = Groups::new();
//! let all = groups.add("all", Symmetry::Generic);
//! let mut observer = Observer::with_config(groups, Config::every_step())?;
//! let losses = Ar1::new(0.95)?.with_mean(2.0)?.with_variance(0.04)?;
//! for loss in losses.series(0).take(10_000) {
//!     observer.observe(&Step::new(loss), &slices(all, &[1.0_f32], &[0.0_f32]))?;
//! }
//! let loss = *observer.read_model("loss")?.ready().unwrap();
//! let naive = (0.04_f64 / 10_000.0).sqrt();
//! // √((1 + 0.95)/(1 − 0.95)) = 6.2 times the error that independent steps would have.
//! assert!((loss.std_error / naive / 6.2 - 1.0).abs() < 0.3);
//! assert!((loss.value - 2.0).abs() < 3.0 * loss.std_error);
//! assert!(loss.n_eff < 500.0);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! Read it as in any laboratory: two numbers differ when they are three errors apart. What an error
//! bar cannot know is a motion slower than the window. Whether there is one is what
//! `observer.verdict(..)` asks.
//!
//! # Groups, and which of them are scale-invariant
//! A group is what gets a thermometer of its own: a tensor, a layer, a kind of layer. Some tens of
//! them are plenty. One declaration is physics: whether the loss ignores the scale of the weights.
//! It does so wherever a normalisation follows *before* anything else can see that scale:
//!
//! | weights | symmetry |
//! |---|---|
//! | linear or convolution of h outputs, batch normalisation next | [`ScaleInvariantBy(h)`](crate::Symmetry::ScaleInvariantBy): each output has a scale of its own |
//! | linear, layer normalisation next, no bias in between | [`ScaleInvariant`](crate::Symmetry::ScaleInvariant): one scale |
//! | the same with a bias | [`ScaleInvariant`](crate::Symmetry::ScaleInvariant) for weight and bias as one group |
//! | queries and keys, normalised by head | [`ScaleInvariantBy`](crate::Symmetry::ScaleInvariantBy) the number of heads |
//! | any layer whose output meets a residual sum first, or an activation other than ReLU | [`Generic`](crate::Symmetry::Generic) |
//! | embeddings, biases, gains, output layers | [`Generic`](crate::Symmetry::Generic) |
//!
//! You need not guess: [`ScaleTest`](crate::invariance::ScaleTest) measures it over a hundred steps and
//! proposes the groups. A group that is not scale-invariant has temperatures, edge ratio, noise and
//! alignment all the same; what it lacks is the law of the norm, and its `z` holds an interaction,
//! `z_virial`, besides.
//!
//! # Cadence: what it costs
//! The runs of this guide are short, and every step of them is looked at. Thermometers that read
//! motion want two or three steps in a row and no more, so for the thousands of steps of a training a few
//! in a row now and then are enough. By default an observer looks at 4 in 64:
//!
//! ```
//! use thermograd::{Groups, Observer, Symmetry, slices};
//! # use thermograd::systems::{GasProtocol, IsotropicGasConfig};
//! # let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.05 };
//! # let mut model = IsotropicGasConfig::new(100, protocol).radius(3.0).build()?;
//! # let mut groups = Groups::new();
//! # let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
//! let mut observer = Observer::new(groups)?;
//! let mut second_gradients = 0;
//! for _ in 0..19_200 {
//!     if observer.is_due() {
//!         second_gradients += 1; // a backward pass that is made only where it is read
//! #       model.draw_second();
//!     }
//!     let mut snapshot = slices(hidden, model.weights(), model.gradient());
//!     if let Some(second) = model.second_gradient() {
//!         snapshot = snapshot.second_gradient(second);
//!     }
//!     observer.observe(&model.facts(), &snapshot)?;
//!     model.step()?;
//! }
//! assert_eq!(second_gradients, 19_200 / 16);
//! let midpoint = *observer.read(hidden, "temperature_midpoint")?.ready().unwrap();
//! let noise = *observer.read(hidden, "temperature_noise")?.ready().unwrap();
//! assert!((midpoint.value - noise.value).abs() < 4.0 * midpoint.std_error.hypot(noise.std_error));
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! A step that is looked at costs one reading of weights and gradients at the speed of memory;
//! [`speed`](super::speed) has figures. Past weights are kept on 65 536 coordinates a group, drawn once at
//! random; norms and noise read all. Windows of 1024 observed steps follow each other, or of 10 000 with
//! [`Config::every_step`](crate::Config::every_step); [`Config`](crate::Config) says when to take which.
//!
//! # When something changes
//! Readings are averages over a window. A learning rate that changes within it gives an average
//! over two temperatures, and a remark that says so. After a deliberate change, call
//! [`Observer::start_window`](crate::Observer::start_window); where changes never stop (cosine and the
//! like), take windows over which the rate changes by less than a third.

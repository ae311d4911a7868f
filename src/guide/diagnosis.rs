//! Diagnosis: from a symptom to the readings that tell its causes apart, and what to do.
//!
//! Each section names a symptom, the readings to look at, what their values mean and what follows.
//! The code beside it runs on a system whose answer is known, so that you see the reading change
//! with its cause. How to read a report at all is on the page before, [`first_steps`](super::first_steps).
//!
//! # My loss plateaued
//! A flat loss curve has five causes, and four of them are not the end:
//!
//! | cause | seen by | what helps |
//! |---|---|---|
//! | it is not flat: something slow still moves | [`verdict`](crate::Observer::verdict) is out of equilibrium; `z_d` is not 1; [`settling`](crate::Observer::settling) has steps left | wait, or shorten the wait |
//! | too few steps to know | `verdict` has insufficient data | as many steps as it says |
//! | noise holds the loss up | equilibrium; `temperature_noise` × d/2 is a good part of the loss | cool: lower η, raise B |
//! | trapped: a lower state exists and is not found | [`phase`](crate::Observer::phase) is gas, and another run is a [witness](crate::Observer::set_witness) | heat, then cool; a warm-up; another start |
//! | nothing left to gain | phase is condensed, `signal_to_noise` small, T·d/2 a small part of the loss | stop, or change the model |
//!
//! **Does anything move?** The verdict tests loss, norms and temperatures for drift, with a measured rate
//! of false alarms. Here twenty directions have settled and one is soft, so that the loss falls by 0.00004 a step,
//! under fluctuations of about 1 from batch to batch:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Symmetry, slices, equilibrium::{Verdict, VerdictConfig}};
//! # use thermograd::systems::{HarmonicBath, HarmonicConfig};
//! # let diagonal = |soft: f64| -> Vec<f64> { (0..441).map(|i| if i % 22 != 0 { 0.0 } else if i == 0 { soft } else { 1.0 }).collect() };
//! # let bath = HarmonicBath::new(&diagonal(0.002), &diagonal(0.0), HarmonicConfig::new(0.1))?;
//! # let start: Vec<f64> = (0..21).map(|i| if i == 0 { 16.0 } else { 0.2 }).collect();
//! # let mut model = bath.sampler(&start, 2)?;
//! # let mut groups = Groups::new();
//! # let all = groups.add("all", Symmetry::Generic);
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! for step in 0..70_000 {
//!     if step == 4000 {
//!         let verdict = observer.verdict(&VerdictConfig::default())?;
//!         assert!(verdict.to_string().starts_with("out of equilibrium: loss falls"));
//!     }
//!     observer.observe(&model.facts(), &slices(all, model.weights(), model.gradient()))?;
//!     model.step()?;
//! }
//! // The soft direction takes 5000 steps. Long after, in a window of its own:
//! let verdict = observer.verdict(&VerdictConfig::default())?;
//! assert!(matches!(verdict, Verdict::Equilibrium { .. }));
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! A norm that has not settled moves so slowly that a short window cannot see it; the verdict then asks for more steps, and
//! [`settling`](crate::Observer::settling) says how far there is to go ([below](#is-my-weight-decay-right)).
//!
//! **Is it the noise?** In equilibrium each direction that the loss holds costs T/2, so a loss of dT/2
//! above the minimum is noise and nothing else. Halve the learning rate, and half of it goes. A quadratic loss
//! in 20 dimensions, minimum 0:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Symmetry, slices, systems::{HarmonicBath, HarmonicConfig}};
//! # fn diagonal(d: usize, x: f64) -> Vec<f64> { (0..d * d).map(|i| if i % (d + 1) == 0 { x } else { 0.0 }).collect() }
//! let mut levels = Vec::new();
//! for learning_rate in [0.1, 0.05] {
//!     let bath = HarmonicBath::new(&diagonal(20, 1.0), &diagonal(20, 1.0), HarmonicConfig::new(learning_rate))?;
//!     let mut model = bath.stationary_sampler(1)?;
//! #   let mut groups = Groups::new();
//! #   let all = groups.add("all", Symmetry::Generic);
//! #   let mut observer = Observer::with_config(groups, Config::every_step())?;
//!     for _ in 0..10_000 {
//! #       model.draw_second();
//! #       let second = model.second_gradient().unwrap();
//!         observer.observe(&model.facts(), &slices(all, model.weights(), model.gradient()).second_gradient(second))?;
//!         model.step()?;
//!     }
//!     let loss = *observer.read_model("loss")?.ready().unwrap();
//!     let heat = *observer.read(all, "temperature_noise")?.ready().unwrap();
//!     // d·T/2 is the whole of the loss, up to the O(ηa) of a finite step.
//!     assert!((loss.value / (10.0 * heat.value) - 1.0).abs() < 0.1);
//!     levels.push(loss.value);
//! }
//! assert!((levels[0] / levels[1] - 2.0).abs() < 0.15);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! **Is it trapped?** This cannot be seen from one run that stays where it is: a gas that is stable and
//! one that has a lower state beside it have the same statistics. The phase says so
//! (`metastability_not_excluded`) and takes a witness: another run at the same hyper-parameters
//! that found the lower state, started from a checkpoint of a better run or cooled down from above. The ferromagnet
//! [`PSpin`](crate::systems::PSpin) with p = 3 has both states at this temperature:
//!
//! ```
//! use thermograd::phase_transition::{MonitorConfig, Phase, Witness};
//! use thermograd::systems::{PSpin, PSpinSgd, Start};
//! use thermograd::{Config, Error, Estimate, GroupId, Groups, Observer, Protocol, Step, Symmetry, Window, slices};
//! # use std::num::NonZeroU64;
//! # fn run(start: Start) -> Result<(Observer, GroupId), Error> {
//! #     let (dimension, rate) = (1000, 0.02);
//! #     let mut model = PSpinSgd::new(PSpin::new(3, dimension)?, 0.9 / dimension as f64, rate, start, 5)?;
//! #     let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
//! #     let monitor = MonitorConfig::default().gas_energy(exact(0.0)).best_energy(exact(-1.0));
//! #     let window = Window::Tumbling(NonZeroU64::new(10_000).unwrap());
//! #     let mut groups = Groups::new();
//! #     let all = groups.add("all", Symmetry::ScaleInvariant);
//! #     let mut observer = Observer::with_config(groups, Config::default().window(window).monitor(monitor))?;
//! #     for _ in 0..20_000 {
//! #         let step = Step::new(model.loss()).learning_rate(rate).protocol(Protocol::FixedSphere);
//! #         observer.observe(&step, &slices(all, model.weights(), model.gradient()))?;
//! #         model.step();
//! #     }
//! #     Ok((observer, all))
//! # }
//! let (mut mine, _) = run(Start::Gas)?;
//! let phase = mine.phase();
//! let alone = phase.ready().unwrap();
//! assert!(alone.phase == Phase::Gas && alone.metastability_not_excluded);
//!
//! let (other, group) = run(Start::Condensed)?;
//! let energy = *other.read_model("loss")?.ready().unwrap();
//! let long_overlap = *other.order_parameters(group)?.long_overlap.ready().unwrap();
//! mine.set_witness(Some(Witness { energy, long_overlap }))?;
//! assert_eq!(mine.phase().ready().unwrap().phase, Phase::Trapped);
//! assert_eq!(other.phase().ready().unwrap().phase, Phase::Condensed);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! The phase needs to be told one number that nobody else knows, the
//! [loss at random weights](crate::phase_transition::MonitorConfig::gas_energy), about ln 10 for ten classes.
//! Where learning rates are scanned, the whole picture appears at once. The digits network,
//! from convergence through a chaotic equilibrium to divergence:
//!
//! ```sh
//! cargo run --release --example phase_diagram -- --plots plots
//! ```
//!
#![doc = include_str!("pictures/diagnosis_phases.svg")]
//!
//! Left of the first line a lower rate gains nothing any more. Between the lines noise holds the loss up, and cooling
//! brings it down. Right of the second the network is worse than guessing, whatever the rate, and every step undoes the
//! one before: `step_alignment` is near −0.7.
//!
//! # Which batch size?
//! *Readings:* `gradient_noise_scale`, under Adam `critical_batch_size`; `temperature_noise`.
//! *Needed:* the batch size in the step, and two gradients: a second batch, accumulated
//! micro-batches, or replicas ([`noise`](crate::noise)).
//!
//! The noise scale is the batch at which noise and mean gradient are equally long. Far below it, doubling the
//! batch saves nearly half of the steps; far above, it saves none. Here a gradient of length 1
//! whose single examples scatter by tr Σ₁ = 400, in batches of 32:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Step, Symmetry, slices, systems::Random};
//! # let mut groups = Groups::new();
//! # let all = groups.add("all", Symmetry::Generic);
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! # let mut random = Random::new(3);
//! # let (dimension, batch) = (64, 32);
//! # let sd = (400.0 / (dimension * batch) as f64).sqrt();
//! # let mut gradient = || (0..dimension).map(|i| f64::from(i == 0) + sd * random.normal()).collect::<Vec<f64>>();
//! # let weights = vec![0.1; dimension];
//! for _ in 0..5000 {
//!     let (first, second) = (gradient(), gradient());
//!     let step = Step::new(1.0).learning_rate(0.1).batch_size(32);
//!     observer.observe(&step, &slices(all, &weights, &first).second_gradient(&second))?;
//! }
//! let scale = *observer.read(all, "gradient_noise_scale")?.ready().unwrap();
//! assert!(scale.z_score(400.0).unwrap().abs() < 4.0);
//! assert!(scale.std_error < 20.0);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! It grows during training, as the gradient's mean dies away. In a stationary state nothing but noise is
//! left, and the reading is undefined: "zero within its error". The question is then not of speed but of temperature,
//! and T goes as η/B for plain SGD: twice the batch at twice the rate is the same bath. What another batch or rate
//! would give is forecast from the bath that was measured
//! ([`Bath::measured`](crate::pressure::Bath::measured)), before it is run:
//!
//! ```
//! use thermograd::{Step, pressure::Bath};
//! let bath = Bath::new(1000, 1000.0)?; // 1000 degrees of freedom, noise 1 each on the unit sphere
//! let now = Step::new(0.0).learning_rate(0.1).weight_decay(1e-3);
//! let twice = Step::new(0.0).learning_rate(0.2).weight_decay(1e-3);
//! let a = *bath.forecast(&now, None)?.ready().unwrap();
//! let b = *bath.scale_batch(2.0)?.forecast(&twice, None)?.ready().unwrap();
//! assert!((b.temperature / a.temperature - 1.0).abs() < 1e-3);
//! assert!((b.relaxation_steps / a.relaxation_steps - 0.5).abs() < 1e-12);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! *When it lies:* with batch normalisation the gradient's mean depends on the batch, and the noise scale of two batch
//! sizes contains the difference. Under Adam T goes as η/√B, where noise makes up the second moment.
//!
//! # Is it safe to raise the rate?
//! *Readings:* `edge_ratio`, `step_alignment`; [`events`](crate::Observer::events).
//!
//! A direction of curvature a becomes unstable at ηa = 2(1+μ), and `edge_ratio` is how near the motion is to that
//! on average: in one direction e = ηa/(2(1+μ)). A rate may grow by less than 1/e, and by much less where few stiff
//! directions hide among many soft ones. One direction in twenty is stiff here:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Symmetry, slices, systems::{HarmonicBath, HarmonicConfig}};
//! # fn diagonal(x: &[f64]) -> Vec<f64> { let d = x.len(); (0..d * d).map(|i| if i % (d + 1) == 0 { x[i / d] } else { 0.0 }).collect() }
//! # let run = |stiff: f64| -> Result<f64, thermograd::Error> {
//! #     let mut curvature = [1.0; 20];
//! #     curvature[0] = stiff;
//! #     let bath = HarmonicBath::new(&diagonal(&curvature), &diagonal(&[1.0; 20]), HarmonicConfig::new(0.1))?;
//! #     let mut model = bath.stationary_sampler(1)?;
//! #     let mut groups = Groups::new();
//! #     let all = groups.add("all", Symmetry::Generic);
//! #     let mut observer = Observer::with_config(groups, Config::every_step())?;
//! #     for _ in 0..10_000 {
//! #         observer.observe(&model.facts(), &slices(all, model.weights(), model.gradient()))?;
//! #         model.step()?;
//! #     }
//! #     let e = *observer.read(all, "edge_ratio")?.ready().unwrap();
//! #     assert!((e.value - bath.stationary()?.edge_ratio()).abs() < 4.0 * e.std_error);
//! #     Ok(e.value)
//! # };
//! // η = 0.1, curvature 1 in all twenty directions: e = 0.05.
//! assert!((run(1.0)? - 0.05).abs() < 0.01);
//! // One of them at 0.9 of the edge, curvature 18: the average says 0.33.
//! assert!((run(18.0)? - 0.33).abs() < 0.05);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! So 0.33 is not safe for three times the rate, which is far beyond the edge. The stiffest direction itself costs some
//! products with the Hessian: [`edge_of_stability`](crate::curvature::edge_of_stability). While training, the observer
//! says so before it is too late:
//!
//! ```
//! use thermograd::phase_transition::Event;
//! use thermograd::{Config, Groups, Observer, Step, Symmetry, slices, systems::Random};
//! # let mut groups = Groups::new();
//! # let all = groups.add("all", Symmetry::Generic);
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! # let mut random = Random::new(0);
//! # let mut w = vec![0.0_f64; 20];
//! let mut alarm = None;
//! for step in 0..5500 {
//!     // 0.2 for 1500 steps, then up to 3 by step 5500. The edge is at 2, step 4900.
//!     let rate = if step < 1500 { 0.2 } else { 0.2 * 15_f64.powf(f64::from(step - 1500) / 4000.0) };
//! #   let loss: f64 = w.iter().enumerate().map(|(i, w)| 0.5 * 0.01_f64.powf(i as f64 / 20.0) * w * w).sum();
//! #   let gradient: Vec<f64> = w.iter().enumerate().map(|(i, w)| 0.01_f64.powf(i as f64 / 20.0) * w + random.normal()).collect();
//!     observer.observe(&Step::new(loss).learning_rate(rate), &slices(all, &w, &gradient))?;
//!     for event in observer.events() {
//!         if let Event::Overheating { step, .. } = event {
//!             alarm = alarm.or(Some(step)); // lower the rate; here we go on
//!         }
//!     }
//!     if loss > 1e4 {
//!         assert!(alarm.unwrap() + 50 < step as u64, "{alarm:?}, {step}");
//!         break;
//!     }
//! #   w.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate * g);
//! }
//! assert!(alarm.is_some());
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! # Is it safe to lower the rate?
//! It is always stable, and often too early. To lower the rate is to cool: the noise falls at once, and the weights follow at
//! their own pace. Cooled too fast they freeze where they happen to be, with the order of the old temperature.
//! *Readings:* `verdict`, `relaxation_steps`, `relaxations`.
//!
//! - Lower it when the verdict is equilibrium. Before, the run still gains at this temperature.
//! - Mind the clock. A norm forgets its start in `relaxation_steps`, 1/(4ηλ) for SGD, the directions in 1/(ηλ): a tenth
//!   of the rate is ten times the wait.
//!
//! ```
//! use thermograd::{Step, pressure::Bath};
//! let bath = Bath::new(1000, 1000.0)?;
//! let at = |rate: f64| bath.forecast(&Step::new(0.0).learning_rate(rate).weight_decay(1e-3), None);
//! let (hot, cold) = (*at(0.1)?.ready().unwrap(), *at(0.01)?.ready().unwrap());
//! assert_eq!(hot.relaxation_steps.round(), 2500.0);
//! assert_eq!(cold.relaxation_steps.round(), 25_000.0);
//! // T goes as √(ηλ) once the norm has followed; by η alone, ten times, as long as it has not.
//! assert!((hot.temperature / cold.temperature - 10_f64.sqrt()).abs() < 0.01);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! Whether a schedule was followed is measured by [`CoolingRecord`](crate::cooling::CoolingRecord), and schedules that wait for
//! equilibrium by themselves are on the page [`cooling`](super::cooling), with what they gain.
//!
//! # Is my weight decay right?
//! *Readings:* `radius` beside `radius_balance`, `z_d`, `rotation`, `relaxation_steps`.
//!
//! Behind a normalisation weight decay does not regularise. It sets the norm and, by that, the effective learning rate
//! η/|w|² and the clock. Four times the decay shrinks r* by √2, doubles the temperature and quarters the time to settle.
//! Where the run is shorter than 5/(4ηλ) steps, the norm is still that of the initialisation: decay has no say yet, and
//! `z_d` is far from 1. Weights started 1.5 times too far out:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Symmetry, slices, systems::{GasProtocol, IsotropicGasConfig}};
//! let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.01 };
//! let config = IsotropicGasConfig::new(100, protocol);
//! let stationary = *config.stationary_radius().ready().unwrap();
//! let mut model = config.radius(1.5 * stationary).build()?;
//! # let mut groups = Groups::new();
//! # let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! for _ in 0..128 {
//!     observer.observe(&model.facts(), &slices(hidden, model.weights(), model.gradient()))?;
//!     model.step()?;
//! }
//! let settling = *observer.settling(Some(hidden))?.ready().unwrap();
//! assert!((settling.relaxation_steps - 250.0).abs() < 1.0); // 1/(4ηλ)
//! assert!(settling.deviation > 1.0); // r⁴ is more than twice what it will be
//! # let wait = settling.remaining_steps.ceil();
//! # let mut steps = 0.0;
//! # while steps < wait { model.step()?; steps += 1.0; }
//! // After the steps that it named:
//! assert!((model.radius() / stationary - 1.0).abs() < 0.05);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! Decoupled decay under an undampened momentum μ is weaker than it looks, by 1 − μ
//! ([`Optimizer::pressure`](crate::Optimizer::pressure)). In layers without normalisation decay does regularise: `z` is what
//! decay pulls in, against what noise pushes out, and `z_virial` the part of it that the loss holds up.
//!
//! # `AdamW` and bf16
//! Tell the rule by [`Step::optimizer`](crate::Step::optimizer); what a rule does not have becomes undefined
//! with that reason. Temperatures under Adam need the preconditioner D = 1/(√v̂ + ε)
//! ([`preconditioner`](crate::Slices::preconditioner)). Without it, or with a rule that is not known at all, the law of the norm
//! is left: in any state whose norm is stationary 2⟨w·Δ⟩ + ⟨|Δ|²⟩ = 0. `norm_balance` is 1 then. And where successive updates do not
//! remember each other, `z_update` is 1 plus what they have along the weights. Updates by the sign of the gradient:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Optimizer, Step, Symmetry, slices, systems::Random};
//! # let mut groups = Groups::new();
//! # let all = groups.add("all", Symmetry::Generic);
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! # let mut random = Random::new(2);
//! let (rate, decay) = (0.01, 0.5);
//! let mut w = vec![0.1_f64; 64]; // r² = ηd/(2λ) = 0.64 already
//! for _ in 0..20_000 {
//!     let g: Vec<f64> = w.iter().map(|_| random.normal()).collect();
//!     let step = Step::new(1.0).learning_rate(rate).decoupled_weight_decay(decay);
//!     observer.observe(&step.optimizer(Optimizer::Update), &slices(all, &w, &g))?;
//!     for (w, g) in w.iter_mut().zip(&g) {
//!         *w -= rate * (g.signum() + decay * *w);
//!     }
//! }
//! for name in ["norm_balance", "z_update"] {
//!     let reading = *observer.read(all, name)?.ready().unwrap();
//!     assert!((reading.value - 1.0).abs() < 0.01 + 4.0 * reading.std_error, "{name}: {reading}");
//! }
//! let temperature = observer.read(all, "temperature_kinetic")?;
//! assert!(temperature.to_string().starts_with("undefined: optimiser: "));
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! **bf16.** Sums are formed in `f64` whatever the elements are, so that weights in bf16 cost no precision of
//! the readings. They cost motion. A bf16 number has 8 significant bits: below 1 neighbours are 0.0039
//! apart, and an update of less than half of that is lost in rounding. *Readings:* `temperature_midpoint` beside
//! `temperature_noise`. One reads how the weights move, the other how they should:
//!
//! ```
//! use thermograd::{Config, Groups, Observer, Step, Symmetry, View, slices, systems::Random};
//! let bf16 = |x: f32| ((x.to_bits() + 0x7fff + ((x.to_bits() >> 16) & 1)) >> 16) as u16; // to nearest
//! let widen = |bits: u16| f32::from_bits(u32::from(bits) << 16);
//! # let mut random = Random::new(4);
//! # let mut groups = Groups::new();
//! let (rounded, master) = (groups.add("bf16", Symmetry::Generic), groups.add("f32", Symmetry::Generic));
//! # let mut observer = Observer::with_config(groups, Config::every_step())?;
//! let mut low: Vec<u16> = vec![bf16(1.0); 256]; // weights in bf16 alone
//! let mut high: Vec<f32> = vec![1.0; 256]; // master weights
//! # let mut draw = || (0..256).map(|_| 0.1 * random.normal() as f32).collect::<Vec<f32>>();
//! for _ in 0..1000 {
//!     let (g, second) = (draw(), draw());
//!     let step = Step::new(1.0).learning_rate(1e-3);
//!     observer.observe(&step, &[
//!         slices(rounded, View::Bf16(&low), &g).second_gradient(&second),
//!         slices(master, &high, &g).second_gradient(&second),
//!     ][..])?;
//!     for ((low, high), g) in low.iter_mut().zip(&mut high).zip(&g) {
//!         *low = bf16(widen(*low) - 1e-3 * g); // 1e-4 against half of 3.9e-3
//!         *high -= 1e-3 * g;
//!     }
//! }
//! let ratio = |group| -> Result<f64, thermograd::Error> {
//!     let moved = observer.ensemble(Some(group))?;
//!     Ok(thermograd::temperature::midpoint(&moved).unwrap() / thermograd::temperature::noise(&moved).unwrap())
//! };
//! assert_eq!(ratio(rounded)?, 0.0); // a bath that does not reach the weights
//! assert!((ratio(master)? - 1.0).abs() < 0.05);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! *What to do:* keep master weights in `f32` and show those to the observer, or round stochastically. With
//! stochastic rounding the ratio exceeds 1: the rounding is a bath of its own, of variance ulp²/4 at most for each weight
//! and step, and heats what the gradient does not.
//!
//! # A billion parameters
//! Nothing grows with the model but the reading of it:
//!
//! - *Memory.* Past weights are kept on 65 536 coordinates of each group ([`Config::probe`](crate::Config::probe)), an
//!   unbiased sample; where coordinates are alike, the error it adds to a squared displacement is √(2/65 536), half a per cent. Use tens of groups, not thousands.
//! - *Time.* [`Cadence::bursts`](crate::Cadence::bursts), and [`is_due`](crate::Observer::is_due) for what only the
//!   observer needs, such as a second gradient.
//! - *Where the tensors are.* On a device, form [`Sums`](crate::Sums) there and hand those over
//!   ([`Collector::sums`](crate::Collector::sums)): one transfer of some numbers a group.
//! - *Shards.* Tensor-parallel shards hold different coordinates, so their sums add. Data-parallel ranks hold the same weights:
//!   do *not* add those; what they measure together is the noise ([`Replicas`](crate::noise::Replicas)).
//!
//! ```
//! use thermograd::{Sums, noise::{BatchGradient, Replicas}};
//! let (w, g) = ([0.5_f32, -1.0, 2.0, 0.25], [1.0_f32, 0.0, -1.0, 2.0]);
//! // Two shards of one tensor:
//! let mut sums = Sums::of(&w[..2], &g[..2])?;
//! sums.merge(&Sums::of(&w[2..], &g[2..])?);
//! assert_eq!(sums, Sums::of(&w, &g)?);
//! // Two ranks with the same weights, local gradients 3 and 1, their average 2:
//! let mut ranks = Replicas::default();
//! ranks.push(BatchGradient { batch_size: 8, squared_norm: 9.0 })?;
//! ranks.push(BatchGradient { batch_size: 8, squared_norm: 1.0 })?;
//! let noise = ranks.noise(4.0)?;
//! assert_eq!(noise.ready().unwrap().trace, 1.0); // of the averaged step, not of a rank's
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! What it costs in seconds is on the page [`speed`](super::speed).
//!
//! # Is my minimum flat?
//! *Readings:* for the price of nothing, `edge_ratio`: the curvature along the motion, in units of the largest that the rate
//! allows. For some gradients on one fixed batch, tr H, the largest curvature and the entropy of the basin: page
//! [`flat_minima`](super::flat_minima). A flat minimum is one that noise at temperature T may spread over widely; each e-fold of curvature costs half a nat a
//! direction:
//!
//! ```
//! use thermograd::flatness::Basin;
//! let basin = Basin::at_temperature(1e-3);
//! let (sharp, flat) = (*basin.entropy(&[100.0; 10])?.ready().unwrap(), *basin.entropy(&[1.0; 10])?.ready().unwrap());
//! assert!((flat - sharp - 5.0 * 100_f64.ln()).abs() < 1e-12);
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! *When it lies:* the curvature of a scale-invariant layer goes as 1/|w|², so that a larger norm looks flatter and is the same network.
//! Compare at one norm, or compare r²·tr H.

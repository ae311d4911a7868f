//! Every reading: what it is, what it needs, its formula, its source, and when it lies.
//!
//! This is the [`CATALOGUE`](crate::CATALOGUE) in words. A test compares the two, so that no reading is
//! missing and none is described otherwise than it is computed; formulas are quoted from the functions that compute them,
//! which is where each is explained, with an example in numbers.
//!
//! # How to read the tables
//! *Of*: `any` is read for each group and for the model; `scale-invariant` for groups so declared, and for a model of such groups;
//! `model` for the whole alone, because the loss is. *Needs*, beyond weights and loss:
//!
//! | sign | input | given by |
//! |---|---|---|
//! | g | the gradient of every parameter of the group | [`slices`](crate::slices), [`Collector::tensor`](crate::Collector::tensor) |
//! | g₂ | a second, independent gradient at the same weights, or a noise estimate | [`second_gradient`](crate::Slices::second_gradient), [`noise`](crate::noise) |
//! | η, λ, B | learning rate, weight decay, batch size of the step | [`Step`](crate::Step) |
//! | 2 steps, 3 steps | so many consecutive observed steps | [`Cadence`](crate::Cadence) |
//! | centre | a window long enough for a mean of the weights | |
//! | L′ | the loss of another, independent batch at the same weights | [`Step::independent_loss`](crate::Step::independent_loss) |
//! | L_B(w′) | the previous batch's loss, after its update | [`Step::previous_batch_loss`](crate::Step::previous_batch_loss) |
//! | S | the entropy, from snapshots or told | [`Config::snapshots`](crate::Config::snapshots), [`Observer::set_entropy`](crate::Observer::set_entropy) |
//!
//! Under Adam and other preconditioned rules squares of displacements and noise are weighted by the preconditioner D, which
//! the snapshot then has to bring ([`preconditioner`](crate::Slices::preconditioner)).
//!
//! *In formulas*: ⟨·⟩ is the mean over the steps of the window, and where a ratio stands the means are taken first. w weights, r = |w|,
//! Δ the displacement of a step, Δ₋₁ that of the step before, w₊ and w₋ the weights a step later and earlier, g the gradient, g₋₁ that of the
//! step before, Σ the covariance of the step's gradient and Σ₁ that of a single example, d the thermal degrees of freedom (parameters less
//! scales), η learning rate, λ weight decay, μ momentum, τ dampening, m the mobility and p the pressure of the update rule, f its radius
//! factor, c the mean weights, q the heat of a step, u the update (Δ = −ηλw − ηu).
//!
//! *Sources* are numbers of arXiv where they are numbers. "Derived here": from the stationary moments of the update rule, exact as the
//! function's page says, and tested against systems whose answer is known.
//!
//! # Temperature
//! | reading | symbol | unit | of | needs | formula | source | it lies when |
//! |---|---|---|---|---|---|---|---|
//! | [`temperature_noise`](crate::temperature::noise) | T | loss | any | g₂, η | ⟨m tr Σ⟩/(2d) | 2511.07308 | batches are cut from a shuffled epoch: slow directions are colder, so that it is an upper bound |
//! | [`temperature_midpoint`](crate::temperature::midpoint) | T_mid | loss | any | η, 3 steps | ⟨\|(w₊ − w₋)/2\|²⟩/(η(1−τ)d) | derived here | strongly anharmonic losses, by O(η²); Nesterov; a drift of the weights heats it |
//! | [`temperature_kinetic`](crate::temperature::kinetic) | T_kin | loss | any | η, 2 steps | (1+μ)⟨\|Δ\|²⟩/(2η(1−τ)d) | 1810.00004 | near the edge of stability: it is T/(1 − e), and belongs there |
//! | [`temperature_virial`](crate::temperature::virial) | T_vir | loss | any | g, λ, centre | ⟨(w − c)·(g + pw)⟩/d | 1810.00004 | anything still drifts: it reads the drift |
//! | [`temperature_lag_sum`](crate::temperature::lag_sum) | T_sum | loss | any | g, η, 2 steps | m⟨\|g + g₋₁\|²⟩/(4d) | derived here | the mean gradient is not small; momentum (undefined) |
//! | [`temperature_lag_difference`](crate::temperature::lag_difference) | T_dif | loss | any | g, η, 2 steps | m⟨\|g − g₋₁\|²⟩/(4d) | derived here | large curvature, where it reads high; momentum (undefined) |
//! | [`temperature_calorimetric`](crate::temperature::calorimetric) | T_cal | loss | model | L_B(w′) | −⟨q⟩/(2(1−μ)d) | derived here | dropout or augmentation differ between the two losses; noise that depends on the weights |
//!
//! # Motion and noise
//! | reading | symbol | unit | of | needs | formula | source | it lies when |
//! |---|---|---|---|---|---|---|---|
//! | [`edge_ratio`](crate::temperature::edge_ratio) | e |  | any | η, 3 steps | e = 1 − T_midpoint/T_kinetic | derived here | an average by motion: the stiffest direction is nearer to the edge; a drift lowers it |
//! | [`update_ratio`](crate::motion::update_ratio) | \|Δ\|/\|w\| |  | any | 2 steps | √(⟨\|Δ\|²⟩/⟨\|w\|²⟩) | √(2ηλ) of a gas: 2006.08419 | steps that undo each other are as long as those that lead somewhere; large at first where weights start at zero |
//! | [`step_alignment`](crate::motion::alignment) | ρ₁ |  | any | 3 steps | ⟨Δ·Δ₋₁⟩/⟨\|Δ\|²⟩ | a correlation | the learning rate changes much within the window; under momentum a gas has μ, not 0 |
//! | [`rotation`](crate::pressure::rotation) | 1-cos |  | any | 2 steps | ⟨1 − cos⟩ | 2006.08419, 2305.17212 | measured on the probe where a group is larger than that |
//! | [`signal_to_noise`](crate::temperature::signal_to_noise) | SNR |  | any | g₂ | ⟨g·g₂⟩/⟨\|g−g₂\|²/2⟩ | 1812.06162 | batch statistics differ with the batch size; may be negative within its error |
//! | [`gradient_noise_scale`](crate::noise::scale) | B_simple | examples | any | g₂, B | ⟨tr Σ₁⟩/⟨\|∇L\|²⟩ | 1812.06162 | curvature is far from the same in all directions: it is then a rough guide |
//! | [`critical_batch_size`](crate::noise::critical_batch_size) | B_crit | examples | any | g₂, B | ⟨tr(DΣ₁)⟩/⟨∇L·D∇L⟩ | 1812.06162 | the preconditioner is not the inverse curvature; needs D under Adam |
//!
//! # Norm and equation of state
//! | reading | symbol | unit | of | needs | formula | source | it lies when |
//! |---|---|---|---|---|---|---|---|
//! | [`pressure`](crate::pressure::pressure) | p | loss/V | any | λ | ⟨p⟩ | 2511.07308 | it is set and not measured (with the factor 1 − μ of decoupled decay under momentum) |
//! | [`pressure_mechanical`](crate::pressure::mechanical) | p_mech | loss/V | scale-invariant | g, η | ⟨η\|g\|²/(2r²)⟩ | 2511.07308 | the mean gradient pushes as well: it is the decay that would balance both |
//! | [`volume`](crate::pressure::volume) | V | weight² | any |  | ⟨\|w\|²⟩/2 | 2511.07308 | its fluctuations are not those of a gas: no compressibility follows |
//! | [`radius`](crate::pressure::radius) | r | weight | any |  | ⟨\|w\|⟩ | 2511.07308 | the window holds the start of the run |
//! | [`radius_predicted`](crate::pressure::radius_gas) | r\* | weight | scale-invariant | g₂, η, λ | r\*⁴ = f⟨r² tr Σ⟩ | 2511.07308, 2305.17212 | the gradient has a mean: `radius_balance` is nearer |
//! | [`radius_balance`](crate::pressure::radius_balance) | r\*_M | weight | scale-invariant | g, η, λ | r\*⁴ = f⟨r²\|g\|²⟩ | 2006.08419 | the gradient still shrinks: it is where the norm would settle under those of now |
//! | [`z`](crate::pressure::z) | Z |  | any | g₂, η, λ | ⟨p r²⟩/(dT) | 2511.07308 | the norm has not settled: see `z_d` |
//! | [`z_d`](crate::pressure::z_d) | Z_d |  | scale-invariant | g, η, λ | λ(1−μ)(2 − ηλ/(1+μ))⟨r²⟩/(η⟨\|g\|²⟩) | derived here | momentum, where successive gradients are correlated with the velocity |
//! | [`z_virial`](crate::pressure::z_virial) | Z_vir |  | any | g, g₂, η | −⟨w·g⟩/(dT) | Clausius | nothing but rounding in a scale-invariant group |
//! | [`real_gas_balance`](crate::pressure::real_gas_balance) | bal |  | any | g, η, λ, 2 steps | (⟨p r²⟩ + ⟨w·g⟩)/(d·T_kinetic) | Clausius, 1810.00004 | it is an identity of the update: it tests the norm and the bookkeeping, and no equilibrium |
//! | [`norm_balance`](crate::pressure::norm_balance) | -2wΔ/Δ² |  | any | 2 steps | −2⟨w·Δ⟩/⟨\|Δ\|²⟩ | an identity | as `real_gas_balance` |
//! | [`z_update`](crate::pressure::z_update) | Z_u |  | any | η, λ, 2 steps | λ⟨\|w\|²⟩/⟨\|Δ\|²/(2η)⟩ | 2305.17212 | the optimiser remembers: 1 + μ for a heavy-ball gas |
//! | [`z_update_virial`](crate::pressure::z_update_virial) | Z_u,vir |  | any | η, λ, 2 steps | −⟨w·u⟩/⟨\|Δ\|²/(2η)⟩ | 2305.17212 | as `z_update` |
//! | [`virial_ratio`](crate::pressure::virial_ratio) | \|cos\| |  | any | g | ⟨\|w·g\|/(\|w\|\|g\|)⟩ | 1706.05350 | a large group has a small one by chance, 1/√d: use [`invariance`](crate::invariance) |
//! | [`relaxation_steps`](crate::pressure::relaxation_steps) | τ | steps | scale-invariant | η, λ | 1/(4mp) | 2010.02916 | it is known from the hyper-parameters and not measured; directions take four times as long |
//!
//! # Energy and entropy
//! | reading | symbol | unit | of | needs | formula | source | it lies when |
//! |---|---|---|---|---|---|---|---|
//! | [`loss`](crate::energy::internal) | U | loss | model |  | U = ⟨L⟩ | 2505.23489 | it is the training loss, with dropout and all; no natural zero |
//! | [`decay_potential`](crate::energy::decay_potential) | pV | loss | any | λ | pV = ⟨p\|w\|²⟩/2 | 2511.07308 | under AdamW it is λ w·D⁻¹w/2 and needs D |
//! | [`kinetic_energy`](crate::energy::kinetic) | K | loss | any | η, 2 steps | (1+μ)⟨\|Δ\|²⟩/(4η(1−τ)) | 1810.00004 | as `temperature_kinetic`, of which it is d/2 times |
//! | [`heat`](crate::energy::heat) | Q | loss | model | L_B(w′) | ⟨L_B(w′) − L_B(w)⟩ | Sekimoto | dropout or augmentation differ between the two losses |
//! | [`enthalpy`](crate::energy::enthalpy) | H | loss | model | λ | H = U + pV | 2511.07308 | as its parts |
//! | [`entropy`](crate::energy::entropy) | S | nats | any | S | S(direction) + (dₖ − 1) ln rₖ | 2511.07308; [`entropy`](crate::entropy) | snapshots are few against dimensions, or correlated: differences are better than values |
//! | [`helmholtz`](crate::energy::helmholtz) | F | loss | model | g₂, η, S | F = U − TS | 2505.23489 | S does: see `entropy` |
//! | [`gibbs`](crate::energy::gibbs) | G | loss | model | g₂, η, λ, S | G = U + pV − TS | 2511.07308 | S does: see `entropy` |
//! | [`heat_capacity`](crate::energy::heat_capacity) | C |  | model | g₂, η, L′ | C = Cov(L, L′)/T² | fluctuation formula | the window is short against the memory of the loss: low by their ratio |
//!
//! # A reading of your own
//! Any function of an [`Ensemble`](crate::Ensemble) is a metric, with the same error bar: [`Metric::new`](crate::Metric::new) and
//! [`Config::metric`](crate::Config::metric), or [`Observer::read_formula`](crate::Observer::read_formula) for a single look.

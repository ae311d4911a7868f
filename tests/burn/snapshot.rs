//! One step: names, roles, sums.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{GradientsParams, MultiGradientsParams, SgdConfig};
use burn::tensor::{DType, FloatDType, Tensor};
use thermograd::adapters::burn022::{Parameters, Role, Unreached};
use thermograd::noise::GradientVariance;
use thermograd::{
    Collector, Config, Error, Observer, Piece, Snapshot, Step, Sums, Symmetry, from_fn,
};

use crate::common::{Cloud, Zoo, device, normal};
use crate::routes::{COLUMNS, ROWS, Tensors, apart, observed, reference, run};

fn gradients(zoo: &Zoo, seed: u64) -> GradientsParams {
    let images = normal([8, 1, 6, 6], seed, &device());
    GradientsParams::from_grads(zoo.loss(images).backward(), zoo)
}

/// Everything that requires a gradient, as plain vectors.
struct Plain<'a> {
    gradients: Vec<&'a GradientsParams>,
    seen: Vec<burn::module::ParamId>,
    found: Vec<Vec<Vec<f32>>>,
}

impl ModuleVisitor for Plain<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() || self.seen.contains(&param.id) {
            return;
        }
        self.seen.push(param.id);
        let mut streams = vec![value.inner()];
        for gradients in &self.gradients {
            streams.push(gradients.get::<D>(param.id).unwrap());
        }
        let vector = |t: Tensor<D>| t.into_data().try_into_vec_as::<f32>().unwrap();
        self.found.push(streams.into_iter().map(vector).collect());
    }
}

fn plain<M: Module>(module: &M, gradients: Vec<&GradientsParams>) -> Vec<Vec<Vec<f32>>> {
    let mut visitor = Plain {
        gradients,
        seen: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

#[track_caller]
fn agree(found: &Sums, expected: &Sums) {
    for ((name, a), b) in Sums::FIELDS
        .iter()
        .zip(found.to_array())
        .zip(expected.to_array())
    {
        // Inner products that nearly vanish, against their vectors.
        let scale = match *name {
            "w_g" | "w_g2" => (expected.w_w * expected.g_g).sqrt(),
            "g_g2" => expected.g_g,
            _ => b.abs(),
        };
        assert!((a - b).abs() <= 1e-6 * scale, "{name}: {a} for {b}");
    }
}

fn sums_of(parameters: &Parameters, snapshot: &dyn Snapshot) -> Vec<Sums> {
    let mut observer = Observer::new(parameters.groups().clone()).unwrap();
    observer.observe(&Step::new(1.0), snapshot).unwrap();
    let sums = |id| observer.sums(id).unwrap().unwrap();
    parameters.groups().ids().map(sums).collect()
}

#[test]
fn names_roles_and_ties() {
    let zoo = Zoo::new(&device());
    let parameters = Parameters::of(&zoo).unwrap();
    let names: Vec<_> = parameters
        .list()
        .iter()
        .map(|p| (p.name.as_str(), p.role == Role::Frozen))
        .collect();
    assert_eq!(
        names,
        [
            ("conv.weight", false),
            ("norm.gamma", false),
            ("norm.beta", false),
            ("norm.running_mean", true),
            ("norm.running_var", true),
            ("frozen.weight", true),
            ("frozen.bias", true),
            ("first.weight", false),
            ("first.bias", false),
            ("again.bias", false),
            ("head.weight", false),
            ("head.bias", false),
        ]
    );
    let tied = parameters.list().iter().find(|p| p.name == "first.weight");
    assert_eq!(tied.unwrap().tied, ["again.weight"]);
    let conv = &parameters.list()[0];
    assert_eq!((conv.layer.as_str(), conv.rows()), ("Conv2d", Some(4)));
    let head = parameters.list().iter().find(|p| p.name == "head.weight");
    assert_eq!(head.unwrap().rows(), Some(3));
    // The tied weight counts once.
    let trained: usize = parameters
        .list()
        .iter()
        .filter(|p| matches!(p.role, Role::Observed(_)))
        .map(thermograd::adapters::burn022::Parameter::len)
        .sum();
    assert_eq!(trained, 36 + 8 + 256 + 16 + 16 + 48 + 3);
}

/// Burn and the plain slices, with the same weights and two gradients.
#[test]
fn sums_agree_with_plain_slices() {
    let zoo = Zoo::new(&device());
    let (first, second) = (gradients(&zoo, 1), gradients(&zoo, 2));
    let parameters = Parameters::of(&zoo).unwrap();
    let burn = parameters.snapshot(&zoo, &first).second_gradient(&second);
    let streams = plain(&zoo, vec![&first, &second]);
    let ids: Vec<_> = parameters.groups().ids().collect();
    let slices = from_fn(|out: &mut Collector<'_>| {
        for (&id, s) in ids.iter().zip(&streams) {
            out.piece(id, &Piece::new(&s[0], &s[1]).second_gradient(&s[2]))?;
        }
        Ok(())
    });
    let (burn, slices) = (sums_of(&parameters, &burn), sums_of(&parameters, &slices));
    assert_eq!(burn.len(), 8);
    for (a, b) in burn.iter().zip(&slices) {
        agree(a, b);
    }
}

/// One step of the run that every adapter is given, held by burn.
struct Held {
    parameters: Parameters,
    cloud: Cloud,
    gradients: [GradientsParams; 2],
}

impl Snapshot for Held {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let [first, second] = &self.gradients;
        let snapshot = self.parameters.snapshot(&self.cloud, first);
        snapshot.second_gradient(second).visit(out)
    }
}

/// The run in a module whose groups are read whole up to so many coordinates.
fn held(run: &[Tensors], read_whole: usize) -> Vec<Held> {
    let device = device();
    let mut cloud = Cloud::new(ROWS * COLUMNS, &device);
    let parameters = Parameters::of(&cloud).unwrap().read_whole(read_whole);
    let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, &device);
    run.iter()
        .map(|at| {
            cloud.weight = cloud.weight.clone().map(|_| tensor(&at.w).require_grad());
            let gradient = |values: &[f32]| {
                let mut gradients = GradientsParams::new();
                gradients.register(cloud.weight.id, tensor(values).inner());
                gradients
            };
            Held {
                parameters: parameters.clone(),
                cloud: cloud.clone(),
                gradients: [gradient(&at.g), gradient(&at.g2)],
            }
        })
        .collect()
}

/// On the weights and gradients that candle, ndarray and nalgebra are tested with: the bits of the
/// plain slices where a group is read whole, a millionth where the device reduces it.
#[test]
fn the_run_of_every_route_has_the_sums_of_slices() {
    let run = run();
    assert_eq!(observed(held(&run, 1 << 16)), reference(&run));
    let last = &run[run.len() - 1..];
    let (difference, name) = apart(&observed(held(last, 512)), &reference(last));
    assert!(difference < 1e-6, "{name}: {difference:e}");
}

/// A group that is reduced on the device gives the same sums as one that is read whole.
#[test]
fn the_device_reduces_to_the_same_sums() {
    let device = device();
    let cloud = Cloud::new(20_001, &device);
    let one = |seed| {
        let data = normal([4, 20_001], seed, &device);
        let apart = cloud.weight.val().unsqueeze::<2>() - data;
        let loss = apart.powi_scalar(2).mean();
        GradientsParams::from_grads(loss.backward(), &cloud)
    };
    let (first, second) = (one(1), one(2));
    let whole = Parameters::of(&cloud).unwrap();
    let sampled = whole.clone().read_whole(4096);
    let sums = |parameters: &Parameters| {
        let snapshot = parameters.snapshot(&cloud, &first).second_gradient(&second);
        sums_of(parameters, &snapshot).remove(0)
    };
    let (whole, sampled) = (sums(&whole), sums(&sampled));
    assert_eq!(whole.w_count, 20_001.0);
    agree(&sampled, &whole);
}

/// Motion is followed on the sample and scaled up: unbiased, and the norms are exact.
#[test]
fn a_sample_follows_the_motion() {
    let device = device();
    let mut cloud = Cloud::new(40_000, &device);
    let whole = Parameters::of(&cloud).unwrap();
    let sampled = whole.clone().read_whole(8192);
    let mut observers = [
        Observer::with_config(whole.groups().clone(), Config::every_step()).unwrap(),
        Observer::with_config(whole.groups().clone(), Config::every_step()).unwrap(),
    ];
    let mut optim = SgdConfig::new().init();
    let id = whole.groups().ids().next().unwrap();
    let sums = |observer: &Observer| observer.sums(id).unwrap().unwrap();
    let mut motion = [0.0; 2];
    for seed in 0..40 {
        let data = normal([4, 40_000], 100 + seed, &device);
        let apart = cloud.weight.val().unsqueeze::<2>() - data;
        let loss = apart.powi_scalar(2).sum() / 8.0;
        let grads = GradientsParams::from_grads(loss.backward(), &cloud);
        let step = Step::new(1.0).learning_rate(0.1).weight_decay(0.0);
        for (observer, parameters) in observers.iter_mut().zip([&whole, &sampled]) {
            observer
                .observe(&step, &parameters.snapshot(&cloud, &grads))
                .unwrap();
        }
        for (total, observer) in motion.iter_mut().zip(&observers) {
            *total += sums(observer).step_step;
        }
        cloud = optim.step(0.1, cloud, grads);
    }
    let [exact, estimate] = motion;
    // 8192 of 40 000 coordinates: √(2/8192) = 1.6 % in one step, less over 39.
    assert!(
        (estimate / exact - 1.0).abs() < 0.02,
        "{estimate} for {exact}"
    );
    assert!(estimate != exact);
    let [whole, sampled] = observers.each_ref().map(sums);
    assert_eq!(whole.step_count, 40_000.0);
    assert_eq!(sampled.step_count, 40_000.0);
    assert!((sampled.w_w / whole.w_w - 1.0).abs() < 1e-6);
}

#[test]
fn half_precision_is_widened_before_the_first_product() {
    struct Halve;
    impl ModuleMapper for Halve {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                Tensor::from_inner(value.inner().cast(FloatDType::BF16)).require_grad()
            })
        }
    }
    let device = device();
    // 65 536 times 1e-4 is 6.55; added in bf16 it stops at .03.
    let cloud = Cloud {
        weight: Param::from_tensor(Tensor::<1>::full([65_536], 1e-2, &device)),
    };
    let cloud = cloud.map(&mut Halve);
    assert_eq!(cloud.weight.val().dtype(), DType::BF16);
    let mut grads = GradientsParams::new();
    grads.register(cloud.weight.id, cloud.weight.val().inner() * 2.0);
    let w = f64::from(half_of(1e-2));
    let whole = Parameters::of(&cloud).unwrap();
    let sampled = whole.clone().read_whole(1024);
    for parameters in [whole, sampled] {
        let sums = sums_of(&parameters, &parameters.snapshot(&cloud, &grads)).remove(0);
        let expected = 65_536.0 * w * w;
        assert!((sums.w_w / expected - 1.0).abs() < 1e-6, "{}", sums.w_w);
        assert!((sums.w_g / expected - 2.0).abs() < 1e-6, "{}", sums.w_g);
        assert!((sums.g_g / expected - 4.0).abs() < 1e-6, "{}", sums.g_g);
    }
}

/// A number rounded to bfloat16, to nearest and even.
fn half_of(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits + 0x7fff + ((bits >> 16) & 1);
    f32::from_bits(rounded & 0xffff_0000)
}

#[test]
fn a_cut_graph_is_named() {
    let device = device();
    let zoo = Zoo::new(&device);
    let parameters = Parameters::of(&zoo).unwrap();
    let images = normal([8, 1, 6, 6], 1, &device);
    let x = zoo.norm.forward(zoo.conv.forward(images)).detach();
    let x = x.mean_dim(1).reshape([8, 16]);
    let loss = zoo.first.forward(x).powi_scalar(2).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &zoo);
    let refused = |parameters: &Parameters, grads: &GradientsParams| {
        let mut observer = Observer::new(parameters.groups().clone()).unwrap();
        observer.observe(&Step::new(1.0), &parameters.snapshot(&zoo, grads))
    };
    match refused(&parameters, &grads) {
        Err(Error::NoGradient { parameter, cause }) => {
            assert_eq!(parameter, "conv.weight");
            assert!(cause.contains("detach"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    match refused(&parameters, &GradientsParams::new()) {
        Err(Error::NoGradient { cause, .. }) => assert!(cause.contains("consumed"), "{cause}"),
        other => panic!("{other:?}"),
    }
    assert!(refused(&parameters.clone().unreached(Unreached::Zero), &grads).is_ok());
    // Validation modules require no gradient, and say so.
    let valid = zoo.valid();
    assert!(matches!(Parameters::of(&valid), Err(Error::Empty { .. })));
    let mut observer = Observer::new(parameters.groups().clone()).unwrap();
    match observer.observe(&Step::new(1.0), &parameters.snapshot(&valid, &grads)) {
        Err(Error::NoGradient { cause, .. }) => assert!(cause.contains("valid()"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_group_has_one_symmetry() {
    let zoo = Zoo::new(&device());
    let mut calls = 0;
    let refused = Parameters::grouped(&zoo, |_| {
        calls += 1;
        Some(("all".to_owned(), Symmetry::ScaleInvariantBy(calls)))
    });
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    let refused = Parameters::grouped(&zoo, |p| {
        (p.name == "norm.beta").then(|| ("beta".to_owned(), Symmetry::ScaleInvariantBy(5)))
    });
    assert!(matches!(refused, Err(Error::TooManyScales { len: 4, .. })));
    // One group of all tensors sums what its tensors sum.
    let grads = gradients(&zoo, 1);
    let all = Parameters::grouped(&zoo, |_| Some(("all".to_owned(), Symmetry::Generic))).unwrap();
    let each = Parameters::of(&zoo).unwrap();
    let mut total = Sums::default();
    for sums in sums_of(&each, &each.snapshot(&zoo, &grads)) {
        total.merge(&sums);
    }
    agree(&sums_of(&all, &all.snapshot(&zoo, &grads))[0], &total);
}

/// Sums of micro-batches on several devices are told from their mean.
#[test]
fn accumulated_gradients_are_divided() {
    let zoo = Zoo::new(&device());
    let (a, b) = (gradients(&zoo, 1), gradients(&zoo, 2));
    let parameters = Parameters::of(&zoo).unwrap();
    let streams = plain(&zoo, vec![&a, &b]);
    let mut several = MultiGradientsParams::default();
    several.grads.push((a, device()));
    several.grads.push((b, device()));
    let snapshot = parameters.snapshot_of_devices(&zoo, &several).mean_of(2);
    for (sums, s) in sums_of(&parameters, &snapshot).iter().zip(&streams) {
        let mut mean = GradientVariance::default();
        mean.push(&s[1]).unwrap();
        mean.push(&s[2]).unwrap();
        let w: Vec<f64> = s[0].iter().map(|&w| f64::from(w)).collect();
        agree(sums, &Sums::of(&w, mean.mean()).unwrap());
    }
}

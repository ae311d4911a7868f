//! Models, data and loops that the tests share.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
use thermograd::systems::Random;

pub(crate) fn device() -> Device {
    Device::default().autodiff()
}

pub(crate) fn normal<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| random.normal() as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A layer of one kind or another.
#[derive(Module, Debug)]
pub(crate) enum Head {
    Plain(Linear),
    #[allow(dead_code)]
    Other(BatchNorm),
}

/// Convolution, batch normalisation, a frozen layer, a weight that is tied, an enum.
#[derive(Module, Debug)]
pub(crate) struct Zoo {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm,
    pub(crate) frozen: Linear,
    pub(crate) first: Linear,
    pub(crate) again: Linear,
    pub(crate) head: Head,
}

impl Zoo {
    pub(crate) fn new(device: &Device) -> Self {
        let conv = Conv2dConfig::new([1, 4], [3, 3])
            .with_bias(false)
            .init(device);
        let mut zoo = seeded(Self {
            conv,
            norm: BatchNormConfig::new(4).init(device),
            frozen: LinearConfig::new(16, 16).init(device).no_grad(),
            first: LinearConfig::new(16, 16).init(device),
            again: LinearConfig::new(16, 16).init(device),
            head: Head::Plain(LinearConfig::new(16, 3).init(device)),
        });
        zoo.again.weight = zoo.first.weight.clone();
        zoo
    }

    pub(crate) fn loss(&self, images: Tensor<4>) -> Tensor<1> {
        let x = self.norm.forward(self.conv.forward(images));
        let [n, ..] = x.dims();
        let x = x.mean_dim(1).reshape([n, 16]);
        let x = self.first.forward(self.frozen.forward(x)).tanh();
        let x = self.again.forward(x);
        let x = match &self.head {
            Head::Plain(layer) => layer.forward(x),
            Head::Other(_) => x,
        };
        (x - 1.0).powi_scalar(2).mean()
    }
}

/// The same module with weights that a seed fixes.
pub(crate) fn seeded<M: Module>(module: M) -> M {
    struct Mapper(u64);
    impl burn::module::ModuleMapper for Mapper {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let seed = self.0;
            param.map(|old| {
                let (wants, device) = (old.is_require_grad(), old.device());
                let new = normal(old.dims(), seed, &device) * 0.3;
                match (wants, D) {
                    (true, _) => new.detach().require_grad(),
                    // Frozen, and not a buffer.
                    (false, 2) => new.detach(),
                    (false, _) => old,
                }
            })
        }
    }
    module.map(&mut Mapper(7))
}

/// A single vector that is drawn to its data: an exactly solvable heat bath.
#[derive(Module, Debug)]
pub(crate) struct Cloud {
    pub(crate) weight: Param<Tensor<1>>,
}

impl Cloud {
    pub(crate) fn new(len: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(normal([len], 3, device)),
        }
    }
}

impl TrainStep for Cloud {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, batch: Tensor<2>) -> TrainOutput<RegressionOutput> {
        let output = InferenceStep::step(self, batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Cloud {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, batch: Tensor<2>) -> RegressionOutput {
        let [n, _] = batch.dims();
        let apart = self.weight.val().unsqueeze::<2>() - batch.clone();
        let loss = apart.clone().powi_scalar(2).sum() / (2.0 * n as f64);
        RegressionOutput::new(loss, apart, batch)
    }
}

/// Rows of a matrix as a batch.
#[derive(Clone)]
pub(crate) struct Rows(pub(crate) usize);

impl Batcher<Vec<f32>, Tensor<2>> for Rows {
    fn batch(&self, items: Vec<Vec<f32>>, device: &Device) -> Tensor<2> {
        let count = items.len();
        let flat: Vec<f32> = items.into_iter().flatten().collect();
        Tensor::from_data(TensorData::new(flat, [count, self.0]), device)
    }
}

pub(crate) fn rows(count: usize, len: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|_| (0..len).map(|_| random.normal() as f32).collect())
        .collect()
}

pub(crate) fn loader(data: Vec<Vec<f32>>, batch: usize) -> Arc<dyn DataLoader<Tensor<2>>> {
    let len = data.first().map_or(0, Vec::len);
    DataLoaderBuilder::new(Rows(len))
        .batch_size(batch)
        .build(InMemDataset::new(data))
}

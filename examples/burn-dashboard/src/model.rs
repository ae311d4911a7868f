//! A small convolutional network, as anybody would write it: nothing here knows of the library.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

use crate::data::Batch;

/// Three convolutions, each followed by batch normalisation, and a linear layer.
#[derive(Module, Debug)]
pub(crate) struct Network {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    conv3: Conv2d,
    norm3: BatchNorm,
    head: Linear,
}

impl Network {
    pub(crate) fn new(device: &Device) -> Self {
        let conv = |from, to, stride| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        Self {
            conv1: conv(1, 16, 1),
            norm1: BatchNormConfig::new(16).init(device),
            conv2: conv(16, 32, 2),
            norm2: BatchNormConfig::new(32).init(device),
            conv3: conv(32, 32, 1),
            norm3: BatchNormConfig::new(32).init(device),
            head: LinearConfig::new(32, 10).init(device),
        }
    }

    pub(crate) fn classify(&self, batch: Batch) -> ClassificationOutput {
        let x = relu(self.norm1.forward(self.conv1.forward(batch.images)));
        let x = relu(self.norm2.forward(self.conv2.forward(x)));
        let x = relu(self.norm3.forward(self.conv3.forward(x)));
        let [n, channels, ..] = x.dims();
        let x: Tensor<2> = x
            .reshape([n, channels, 16])
            .mean_dim(2)
            .reshape([n, channels]);
        let output = self.head.forward(x);
        let loss = CrossEntropyLossConfig::new()
            .init(&output.device())
            .forward(output.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, output, batch.labels)
    }
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classify(batch)
    }
}

//! A batch-normalised perceptron on handwritten digits in candle.
//!
//! ```text
//! cargo run --release                  # which symmetries, and the thermodynamics
//! cargo run --release -- --overhead    # what observing costs, paired in one run
//! ```
//!
//! Nothing about the model is told to the observer: the first 256 steps go to a scale test, which
//! proposes the groups and their symmetries from |w·g|/(|w||g|).
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../../common/overhead.rs"]
mod overhead;

use std::error::Error;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::{VarBuilder, VarMap};
use clap::Parser;
use flate2::read::GzDecoder;
use thermograd::adapters::candle011::{Parameters, names};
use thermograd::invariance::ScaleTest;
use thermograd::systems::Random;
use thermograd::{Assignment, Config, Observer, Step};

type Fallible<T> = Result<T, Box<dyn Error>>;

const PIXELS: usize = 64;
const CLASSES: usize = 10;

/// A perceptron in candle, observed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps of training.
    #[arg(long, default_value_t = 12_000)]
    steps: usize,
    /// Neurons in each of two hidden layers.
    #[arg(long, default_value_t = 128)]
    hidden: usize,
    /// Examples in a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Learning rate of plain SGD.
    #[arg(long, default_value_t = 0.1)]
    lr: f64,
    /// Weight decay, coupled.
    #[arg(long, default_value_t = 1e-2)]
    weight_decay: f64,
    /// Measure what observing costs instead: turns of 3 × 64 steps.
    #[arg(long)]
    overhead: bool,
    /// Turns of that measurement.
    #[arg(long, default_value_t = 60)]
    turns: usize,
    /// Seed of weights and batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Digits {
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

/// The 1797 images that the library's other examples use, pixels from −1 to 1.
fn load() -> Fallible<Digits> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits.csv.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let mut digits = Digits {
        inputs: Vec::new(),
        labels: Vec::new(),
    };
    for line in text.lines() {
        let (pixels, label) = line.rsplit_once(',').ok_or("a line without a label")?;
        for pixel in pixels.split(',') {
            digits.inputs.push(pixel.parse::<f32>()? / 8.0 - 1.0);
        }
        digits.labels.push(label.parse()?);
    }
    Ok(digits)
}

impl Digits {
    /// A batch drawn with replacement.
    fn batch(&self, size: usize, random: &mut Random) -> Fallible<(Tensor, Tensor)> {
        let mut inputs = Vec::with_capacity(size * PIXELS);
        let mut labels = Vec::with_capacity(size);
        for _ in 0..size {
            let i = random.below(self.labels.len());
            inputs.extend_from_slice(&self.inputs[i * PIXELS..(i + 1) * PIXELS]);
            labels.push(self.labels[i]);
        }
        Ok((
            Tensor::from_vec(inputs, (size, PIXELS), &Device::Cpu)?,
            Tensor::from_vec(labels, size, &Device::Cpu)?,
        ))
    }
}

/// Two hidden layers, each normalised over the batch without an affine part, and a last layer.
struct Model {
    hidden: [Tensor; 2],
    last: Tensor,
    bias: Tensor,
    vars: Vec<Var>,
}

impl Model {
    fn new(arguments: &Arguments, vars: &VarMap) -> Fallible<Self> {
        let build = VarBuilder::from_varmap(vars, DType::F32, &Device::Cpu);
        let h = arguments.hidden;
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        let weight = |name: &str, rows, columns| {
            build
                .pp(name)
                .get_with_hints((rows, columns), "weight", init)
        };
        Ok(Self {
            hidden: [weight("fc1", h, PIXELS)?, weight("fc2", h, h)?],
            last: weight("fc3", CLASSES, h)?,
            bias: build
                .pp("fc3")
                .get_with_hints(CLASSES, "bias", candle_nn::init::ZERO)?,
            vars: vars.all_vars(),
        })
    }

    fn loss(&self, (inputs, labels): &(Tensor, Tensor)) -> Fallible<Tensor> {
        let mut x = inputs.clone();
        for weight in &self.hidden {
            let y = x.matmul(&weight.t()?)?;
            let centred = y.broadcast_sub(&y.mean_keepdim(0)?)?;
            let variance = centred.sqr()?.mean_keepdim(0)?;
            x = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?.relu()?;
        }
        let logits = x.matmul(&self.last.t()?)?.broadcast_add(&self.bias)?;
        Ok(candle_nn::loss::cross_entropy(&logits, labels)?)
    }

    /// Plain SGD with coupled decay.
    fn update(&self, gradients: &GradStore, arguments: &Arguments) -> Fallible<()> {
        for var in &self.vars {
            let w = var.as_tensor();
            let gradient = gradients.get(w).ok_or("a variable without a gradient")?;
            let pull = (gradient + (w * arguments.weight_decay)?)?;
            var.set(&(w - (pull * arguments.lr)?)?)?;
        }
        Ok(())
    }
}

struct Run {
    arguments: Arguments,
    digits: Digits,
    model: Model,
    random: Random,
    parameters: Parameters,
}

impl Run {
    /// One forward and backward pass.
    fn backward(&mut self) -> Fallible<(f64, GradStore)> {
        let batch = self.digits.batch(self.arguments.batch, &mut self.random)?;
        let loss = self.model.loss(&batch)?;
        let gradients = loss.backward()?;
        Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
    }

    fn facts(&self, loss: f64) -> Step {
        Step::new(loss)
            .learning_rate(self.arguments.lr)
            .weight_decay(self.arguments.weight_decay)
            .batch_size(self.arguments.batch)
            .data_set_size(self.digits.labels.len())
    }

    /// One step of training, observed or not.
    fn step(&mut self, observer: Option<&mut Observer>) -> Fallible<f64> {
        let (loss, gradients) = self.backward()?;
        if let Some(observer) = observer {
            observer.observe(&self.facts(loss), &self.parameters.snapshot(&gradients))?;
        }
        self.model.update(&gradients, &self.arguments)?;
        Ok(loss)
    }
}

fn main() -> Fallible<()> {
    let arguments = Arguments::parse();
    let vars = VarMap::new();
    let model = Model::new(&arguments, &vars)?;
    let all = names(&vars)?;
    let each = Assignment::each(all.iter().map(String::as_str));
    let mut run = Run {
        digits: load()?,
        random: Random::new(arguments.seed),
        parameters: Parameters::new(&vars, &each)?,
        arguments,
        model,
    };

    let mut test = ScaleTest::new();
    for _ in 0..256 {
        let (_, gradients) = run.backward()?;
        run.parameters.scale_test(&gradients, &mut test)?;
        run.model.update(&gradients, &run.arguments)?;
    }
    let proposal = test.proposal();
    println!("{proposal}");
    let layers = proposal.assignment()?;
    run.parameters = Parameters::new(&vars, &layers)?;

    if run.arguments.overhead {
        let turns = run.arguments.turns;
        let told = overhead::overhead(turns, layers.groups(), |observer| {
            run.step(observer).map(|_| ())
        })?;
        println!("{told}");
        return Ok(());
    }
    // A short run: every step is looked at.
    let mut observer = Observer::with_config(layers.groups().clone(), Config::every_step())?;
    for step in 0..run.arguments.steps {
        if step == run.arguments.steps / 2 {
            // The first half is transient.
            observer.start_window();
        }
        run.step(Some(&mut observer))?;
    }
    println!("{}", observer.report());
    Ok(())
}

//! A small character transformer under AdamW in candle.
//!
//! ```text
//! cargo run --release
//! cargo run --release -- --overhead    # what observing costs, paired in one run
//! ```
//!
//! The layers are pre-normalised, with `layer_norm_slow`: the fused `LayerNorm` of candle cuts the
//! graph, and everything before it would get no gradient. Queries, keys and values read a
//! normalised input but are not normalised themselves, so no group is scale-invariant: this is a
//! real gas, and under AdamW its norm is set by the learning rate and the decay.
//!
//! AdamW is written out, for its preconditioner D = 1/(√v + ε) is what temperatures under Adam
//! need, and candle's own optimiser keeps it to itself.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../../common/overhead.rs"]
mod overhead;

use std::collections::BTreeSet;
use std::error::Error;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::ops::{layer_norm_slow, softmax};
use candle_nn::{Init, VarBuilder, VarMap};
use clap::Parser;
use thermograd::adapters::candle011::{Parameters, names};
use thermograd::systems::Random;
use thermograd::{Assignment, Cadence, Config, Observer, Optimizer, Step};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Prose of this library's own documentation.
const CORPUS: &str = include_str!("../corpus.txt");
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// A character transformer in candle, observed.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// Steps of training.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Blocks of attention and perceptron.
    #[arg(long, default_value_t = 2)]
    layers: usize,
    /// Width of the residual stream.
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Heads of attention.
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// Characters in a window.
    #[arg(long, default_value_t = 64)]
    context: usize,
    /// Windows in a batch.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Learning rate of AdamW.
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Decoupled weight decay.
    #[arg(long, default_value_t = 0.1)]
    weight_decay: f64,
    /// Take a second gradient in each observed step: temperatures of the noise, for a backward pass.
    #[arg(long)]
    second_gradient: bool,
    /// Measure what observing costs instead: turns of 3 × 64 steps.
    #[arg(long)]
    overhead: bool,
    /// Turns of that measurement.
    #[arg(long, default_value_t = 12)]
    turns: usize,
    /// Seed of the batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The corpus as numbers.
struct Text {
    alphabet: Vec<char>,
    codes: Vec<u32>,
}

impl Text {
    fn new(text: &str) -> Fallible<Self> {
        let alphabet: Vec<char> = text.chars().collect::<BTreeSet<_>>().into_iter().collect();
        let codes = text
            .chars()
            .map(|c| u32::try_from(alphabet.binary_search(&c).unwrap_or(0)))
            .collect::<Result<Vec<u32>, _>>()?;
        Ok(Self { alphabet, codes })
    }

    /// Windows drawn at random, and the same one character on.
    fn batch(&self, arguments: &Arguments, random: &mut Random) -> Fallible<(Tensor, Tensor)> {
        let (size, context) = (arguments.batch, arguments.context);
        let starts = self
            .codes
            .len()
            .checked_sub(context)
            .filter(|&starts| starts > 0)
            .ok_or("the context is longer than the corpus")?;
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..size {
            let at = random.below(starts);
            inputs.extend_from_slice(&self.codes[at..at + context]);
            targets.extend_from_slice(&self.codes[at + 1..=at + context]);
        }
        Ok((
            Tensor::from_vec(inputs, (size, context), &Device::Cpu)?,
            Tensor::from_vec(targets, size * context, &Device::Cpu)?,
        ))
    }
}

struct Norm {
    scale: Tensor,
    shift: Tensor,
}

impl Norm {
    fn new(width: usize, build: &VarBuilder<'_>) -> Fallible<Self> {
        Ok(Self {
            scale: build.get_with_hints(width, "weight", Init::Const(1.0))?,
            shift: build.get_with_hints(width, "bias", Init::Const(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Fallible<Tensor> {
        Ok(layer_norm_slow(x, &self.scale, &self.shift, 1e-5)?)
    }
}

struct Block {
    before_attention: Norm,
    /// Queries, keys and values in one matrix.
    attention: Tensor,
    out: Tensor,
    before_perceptron: Norm,
    up: Tensor,
    down: Tensor,
}

/// x·Wᵀ for a batch of sequences.
fn linear(x: &Tensor, weight: &Tensor) -> Fallible<Tensor> {
    let (batch, length, width) = x.dims3()?;
    let flat = x.reshape((batch * length, width))?;
    let y = flat.matmul(&weight.t()?)?;
    Ok(y.reshape((batch, length, ()))?)
}

impl Block {
    fn new(width: usize, build: &VarBuilder<'_>) -> Fallible<Self> {
        let weight = |name: &str, rows: usize, columns: usize| {
            let stdev = (columns as f64).sqrt().recip();
            let init = Init::Randn { mean: 0.0, stdev };
            build
                .pp(name)
                .get_with_hints((rows, columns), "weight", init)
        };
        Ok(Self {
            before_attention: Norm::new(width, &build.pp("norm1"))?,
            attention: weight("attention", 3 * width, width)?,
            out: weight("out", width, width)?,
            before_perceptron: Norm::new(width, &build.pp("norm2"))?,
            up: weight("up", 4 * width, width)?,
            down: weight("down", width, 4 * width)?,
        })
    }

    fn forward(&self, x: &Tensor, heads: usize, mask: &Tensor) -> Fallible<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let size = width / heads;
        let all = linear(&self.before_attention.forward(x)?, &self.attention)?;
        let part = |i: usize| -> candle_core::Result<Tensor> {
            all.narrow(2, i * width, width)?
                .reshape((batch, length, heads, size))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scores = (q.matmul(&k.t()?.contiguous()?)? / (size as f64).sqrt())?;
        // `softmax`, not `softmax_last_dim`: the latter has no backward pass.
        let weights = softmax(&scores.broadcast_add(mask)?, 3)?;
        let mixed = weights
            .matmul(&v)?
            .transpose(1, 2)?
            .reshape((batch, length, width))?;
        let x = (x + linear(&mixed, &self.out)?)?;
        let inner = linear(&self.before_perceptron.forward(&x)?, &self.up)?.relu()?;
        Ok((x + linear(&inner, &self.down)?)?)
    }
}

struct Model {
    embedding: Tensor,
    position: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Tensor,
    heads: usize,
}

impl Model {
    fn new(arguments: &Arguments, characters: usize, vars: &VarMap) -> Fallible<Self> {
        let build = VarBuilder::from_varmap(vars, DType::F32, &Device::Cpu);
        let width = arguments.width;
        if arguments.heads == 0 || !width.is_multiple_of(arguments.heads) {
            return Err("the width must be a multiple of the heads".into());
        }
        let small = Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        let weight = |name: &str, rows| {
            build
                .pp(name)
                .get_with_hints((rows, width), "weight", small)
        };
        Ok(Self {
            embedding: weight("embedding", characters)?,
            position: weight("position", arguments.context)?,
            blocks: (0..arguments.layers)
                .map(|i| Block::new(width, &build.pp(format!("block{i}"))))
                .collect::<Result<_, _>>()?,
            norm: Norm::new(width, &build.pp("norm"))?,
            head: weight("head", characters)?,
            heads: arguments.heads,
        })
    }

    /// Logits of the next character at every place: (batch · length, characters).
    fn logits(&self, inputs: &Tensor) -> Fallible<Tensor> {
        let (batch, length) = inputs.dims2()?;
        let width = self.embedding.dim(1)?;
        let rows = self.embedding.index_select(&inputs.flatten_all()?, 0)?;
        let position = self.position.narrow(0, 0, length)?;
        let mut x = rows
            .reshape((batch, length, width))?
            .broadcast_add(&position)?;
        let mask: Vec<f32> = (0..length * length)
            .map(|i| if i % length > i / length { -1e9 } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(mask, (1, 1, length, length), &Device::Cpu)?;
        for block in &self.blocks {
            x = block.forward(&x, self.heads, &mask)?;
        }
        let logits = linear(&self.norm.forward(&x)?, &self.head)?;
        Ok(logits.reshape((batch * length, ()))?)
    }

    fn loss(&self, (inputs, targets): &(Tensor, Tensor)) -> Fallible<Tensor> {
        Ok(candle_nn::loss::cross_entropy(
            &self.logits(inputs)?,
            targets,
        )?)
    }
}

/// AdamW with its preconditioner in the open.
struct AdamW {
    vars: Vec<Var>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    /// 1/(√v + ε) of the coming step, bias-corrected.
    preconditioner: Vec<Tensor>,
    steps: i32,
}

impl AdamW {
    fn new(vars: Vec<Var>) -> Fallible<Self> {
        let zeros = |vars: &[Var]| -> candle_core::Result<Vec<Tensor>> {
            vars.iter()
                .map(|var| var.as_tensor().zeros_like())
                .collect()
        };
        Ok(Self {
            first: zeros(&vars)?,
            second: zeros(&vars)?,
            preconditioner: Vec::new(),
            steps: 0,
            vars,
        })
    }

    /// Takes the gradient into the moments.
    fn take(&mut self, gradients: &GradStore) -> Fallible<()> {
        self.steps += 1;
        self.preconditioner.clear();
        let correction = 1.0 - BETA2.powi(self.steps);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (var, (m, v)) in self.vars.iter().zip(moments) {
            let g = gradients
                .get(var.as_tensor())
                .ok_or("a variable without a gradient")?;
            *m = ((&*m * BETA1)? + (g * (1.0 - BETA1))?)?.detach();
            *v = ((&*v * BETA2)? + (g.sqr()? * (1.0 - BETA2))?)?.detach();
            let root = (&*v / correction)?.sqrt()?;
            self.preconditioner.push((root + EPSILON)?.recip()?);
        }
        Ok(())
    }

    /// w ← (1 − ηλ)w − η D m.
    fn update(&self, lr: f64, weight_decay: f64) -> Fallible<()> {
        let scale = lr / (1.0 - BETA1.powi(self.steps));
        for ((var, m), d) in self.vars.iter().zip(&self.first).zip(&self.preconditioner) {
            let w = (var.as_tensor() * (1.0 - lr * weight_decay))?;
            var.set(&(w - ((m * d)? * scale)?)?)?;
        }
        Ok(())
    }
}

struct Run {
    arguments: Arguments,
    text: Text,
    model: Model,
    random: Random,
    parameters: Parameters,
    optimizer: AdamW,
}

impl Run {
    fn backward(&mut self) -> Fallible<(f64, GradStore)> {
        let batch = self.text.batch(&self.arguments, &mut self.random)?;
        let loss = self.model.loss(&batch)?;
        let gradients = loss.backward()?;
        Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
    }

    /// One step of training, observed or not.
    fn step(&mut self, observer: Option<&mut Observer>) -> Fallible<f64> {
        let (loss, gradients) = self.backward()?;
        self.optimizer.take(&gradients)?;
        if let Some(observer) = observer {
            let adam = Optimizer::Adam {
                beta1: BETA1,
                beta2: BETA2,
                epsilon: EPSILON,
            };
            let facts = Step::new(loss)
                .learning_rate(self.arguments.lr)
                .decoupled_weight_decay(self.arguments.weight_decay)
                .optimizer(adam)
                .batch_size(self.arguments.batch);
            let again = if self.arguments.second_gradient && observer.is_due() {
                Some(self.backward()?.1)
            } else {
                None
            };
            let mut snapshot = self
                .parameters
                .snapshot(&gradients)
                .preconditioner(&self.optimizer.preconditioner);
            if let Some(again) = &again {
                snapshot = snapshot.second_gradient(again);
            }
            observer.observe(&facts, &snapshot)?;
        }
        self.optimizer
            .update(self.arguments.lr, self.arguments.weight_decay)?;
        Ok(loss)
    }

    /// The most probable text, character by character, from a beginning in the corpus.
    fn write(&self, characters: usize) -> Fallible<String> {
        let context = self.arguments.context;
        let mut codes: Vec<u32> = self.text.codes.iter().copied().take(context / 2).collect();
        for _ in 0..characters {
            let from = codes.len().saturating_sub(context);
            let window = Tensor::new(&codes[from..], &Device::Cpu)?.unsqueeze(0)?;
            let logits = self.model.logits(&window)?;
            let last = logits.get(codes.len() - from - 1)?;
            codes.push(last.argmax(0)?.to_scalar()?);
        }
        let letters = codes
            .iter()
            .map(|&code| self.text.alphabet.get(code as usize));
        Ok(letters.flatten().collect())
    }
}

fn main() -> Fallible<()> {
    let arguments = Arguments::parse();
    let text = Text::new(CORPUS)?;
    let vars = VarMap::new();
    let model = Model::new(&arguments, text.alphabet.len(), &vars)?;
    let all = names(&vars)?;
    let layers = Assignment::by_module(all.iter().map(String::as_str));
    let parameters = Parameters::new(&vars, &layers)?;
    // In the order of the parameters, so that preconditioners stand where they belong.
    let data = vars.data().lock().map_err(|error| error.to_string())?;
    let ordered = parameters
        .iter()
        .filter_map(|(name, _)| data.get(name).cloned())
        .collect();
    drop(data);
    let mut run = Run {
        random: Random::new(arguments.seed),
        optimizer: AdamW::new(ordered)?,
        arguments,
        text,
        model,
        parameters,
    };
    println!(
        "{} characters, {} of them different; {} tensors in {} groups",
        run.text.codes.len(),
        run.text.alphabet.len(),
        all.len(),
        layers.groups().len()
    );
    if run.arguments.overhead {
        let turns = run.arguments.turns;
        let told = overhead::overhead(turns, layers.groups(), |observer| {
            run.step(observer).map(|_| ())
        })?;
        println!("{told}");
        return Ok(());
    }
    let config = Config::default().cadence(Cadence::bursts(4, 8)?);
    let mut observer = Observer::with_config(layers.groups().clone(), config)?;
    let steps = run.arguments.steps;
    for step in 0..steps {
        if step == steps / 2 {
            // The first half is transient.
            observer.start_window();
        }
        let loss = run.step(Some(&mut observer))?;
        if step % (steps / 10).max(1) == 0 {
            println!("step {step:6}  loss {loss:.3} nats a character");
        }
    }
    println!("\n{}\n", run.write(200)?);
    println!("{}", observer.report());
    Ok(())
}

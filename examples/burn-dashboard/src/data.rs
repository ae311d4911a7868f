//! The digits as images of 8 × 8, shuffled and cut into training and validation.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Int, Tensor, TensorData};
use flate2::read::GzDecoder;
use thermograd::systems::Random;

/// The side of an image.
const SIDE: usize = 8;
/// Images for training; the other 261 validate.
const TRAINING: usize = 1536;

/// An image with values from −1 to 1 and its digit.
#[derive(Debug, Clone)]
pub(crate) struct Digit {
    pixels: Vec<f32>,
    label: i32,
}

/// Images with their digits, as tensors.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) images: Tensor<4>,
    pub(crate) labels: Tensor<1, Int>,
}

#[derive(Clone)]
struct Stack;

impl Batcher<Digit, Batch> for Stack {
    fn batch(&self, items: Vec<Digit>, device: &Device) -> Batch {
        batch(&items, device)
    }
}

pub(crate) fn batch(items: &[Digit], device: &Device) -> Batch {
    let pixels: Vec<f32> = items
        .iter()
        .flat_map(|x| x.pixels.iter().copied())
        .collect();
    let labels: Vec<i32> = items.iter().map(|x| x.label).collect();
    let count = items.len();
    Batch {
        images: Tensor::from_data(TensorData::new(pixels, [count, 1, SIDE, SIDE]), device),
        labels: Tensor::from_data(TensorData::new(labels, [count]), device),
    }
}

/// Training and validation images.
pub(crate) fn load(seed: u64) -> Result<(Vec<Digit>, Vec<Digit>), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits.csv.gz");
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text)?;
    let mut digits = text.lines().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut random = Random::new(seed);
    for last in (1..digits.len()).rev() {
        digits.swap(last, random.below(last + 1));
    }
    let validation = digits.split_off(TRAINING.min(digits.len()));
    Ok((digits, validation))
}

fn parse(line: &str) -> Result<Digit, Box<dyn Error>> {
    let (pixels, label) = line.rsplit_once(',').ok_or("no label")?;
    let pixels = pixels
        .split(',')
        .map(|x| Ok(x.parse::<f32>()? / 8.0 - 1.0))
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    if pixels.len() != SIDE * SIDE {
        return Err(format!("{} pixels", pixels.len()).into());
    }
    Ok(Digit {
        pixels,
        label: label.parse()?,
    })
}

/// Batches, shuffled anew in every epoch where a seed is given.
pub(crate) fn loader(
    digits: Vec<Digit>,
    size: usize,
    seed: Option<u64>,
) -> Arc<dyn DataLoader<Batch>> {
    let mut builder = DataLoaderBuilder::new(Stack).batch_size(size);
    if let Some(seed) = seed {
        builder = builder.shuffle(seed);
    }
    builder.build(InMemDataset::new(digits))
}

//! 1797 real handwritten digits, split and standardised.
//!
//! A pixel that is the same in every training image carries no information, and its weights would
//! feel no noise: they would count as degrees of freedom and never be warm. Such pixels are left
//! out, and [`Digits::dropped`] tells which. The others are standardised by mean and standard
//! deviation over the training images.

use std::{error::Error, fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;
use thermograd::systems::Random;

const PIXELS: usize = 64;
const TRAINING: usize = 1437;

/// The number of classes.
pub(crate) const CLASSES: usize = 10;

/// Images and their labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Split {
    /// Row after row, one image each.
    pub(crate) inputs: Vec<f64>,
    /// One digit an image.
    pub(crate) labels: Vec<usize>,
}

impl Split {
    /// The number of images.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The number of inputs of one image.
    pub(crate) fn width(&self) -> usize {
        self.inputs.len() / self.labels.len().max(1)
    }
}

/// The data set, ready for training.
#[derive(Debug, Clone)]
pub(crate) struct Digits {
    /// 1437 images.
    pub(crate) training: Split,
    /// 360 images.
    pub(crate) test: Split,
    /// The pixels left out because no training image varies in them.
    pub(crate) dropped: Vec<usize>,
}

impl Digits {
    /// Reads the vendored file and splits it at random, the same way for the same seed.
    pub(crate) fn load(seed: u64) -> Result<Self, Box<dyn Error>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.csv.gz");
        let file = File::open(&path).map_err(|error| {
            let place = path.display();
            format!("{place}: {error}: the data are in the repository, not in the published crate")
        })?;
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text)?;
        let mut images = text.lines().map(parse).collect::<Result<Vec<_>, _>>()?;
        if images.len() <= TRAINING {
            return Err(format!("{} images, more than {TRAINING} needed", images.len()).into());
        }
        shuffle(&mut images, &mut Random::new(seed));
        let (training, test) = images.split_at(TRAINING);
        Ok(Self::standardise(training, test))
    }

    fn standardise(training: &[Image], test: &[Image]) -> Self {
        let n = training.len() as f64;
        // (pixel, mean, standard deviation) of every pixel that varies.
        let mut kept = Vec::new();
        let mut dropped = Vec::new();
        for pixel in 0..PIXELS {
            let mean = training.iter().map(|x| x.pixels[pixel]).sum::<f64>() / n;
            let square = |x: &Image| (x.pixels[pixel] - mean).powi(2);
            let variance = training.iter().map(square).sum::<f64>() / n;
            if variance > 0.0 {
                kept.push((pixel, mean, variance.sqrt()));
            } else {
                dropped.push(pixel);
            }
        }
        let split = |images: &[Image]| Split {
            inputs: images
                .iter()
                .flat_map(|x| kept.iter().map(|&(i, mean, sd)| (x.pixels[i] - mean) / sd))
                .collect(),
            labels: images.iter().map(|x| x.label).collect(),
        };
        Self {
            training: split(training),
            test: split(test),
            dropped,
        }
    }
}

struct Image {
    pixels: [f64; PIXELS],
    label: usize,
}

fn parse(line: &str) -> Result<Image, Box<dyn Error>> {
    let malformed = || format!("not an image and its digit: {line:?}");
    let (pixels, label) = line.rsplit_once(',').ok_or_else(malformed)?;
    let pixels = pixels
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let label: usize = label.parse()?;
    if label >= CLASSES {
        return Err(malformed().into());
    }
    Ok(Image {
        pixels: pixels.try_into().map_err(|_| malformed())?,
        label,
    })
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last + 1));
    }
}

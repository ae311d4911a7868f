//! What did a finished run do? A series of safetensors checkpoints, from any framework, read without
//! its training code.
//!
//! ```text
//! cargo run --release --features safetensors --example checkpoints -- DIR
//! cargo run --release --features safetensors,json --example checkpoints -- DIR --json out.json --plots plots
//! cargo run --release --features safetensors --example checkpoints -- --demo
//! ```
//!
//! `--demo` first trains the digits network for some seconds and writes a checkpoint every 25 steps;
//! its learning rate falls tenfold on the way, and the change is found in the displacements.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

mod common;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use safetensors::{Dtype, serialize_to_file, tensor::TensorView};
use thermograd::adapters::safetensors::{
    Analysis, AnalysisConfig, Checkpoint, GroupAnalysis, Series,
};
use thermograd::systems::Random;
use thermograd::{Assignment, Reading, Symmetry};

use common::{
    data::Digits,
    network::{Architecture, Network, Normalisation},
    plot::Plot,
};

/// A series of checkpoints, analysed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory with the checkpoints: files, or subdirectories with files.
    #[arg(required_unless_present = "demo")]
    directory: Option<PathBuf>,
    /// Train the digits network and write checkpoints first, into this directory or a temporary one.
    #[arg(long)]
    demo: bool,
    /// Take every module for one group: tensors that share their name up to the last dot.
    #[arg(long)]
    modules: bool,
    /// Tensors whose rows are scale-invariant each: their entropy is one of directions.
    #[arg(long, value_name = "NAME")]
    rows: Vec<String>,
    /// Tensors that are scale-invariant as a whole.
    #[arg(long, value_name = "NAME")]
    whole: Vec<String>,
    /// Megabytes that one group's checkpoints may take before they are projected.
    #[arg(long, default_value_t = 1024)]
    megabytes: usize,
    /// Write everything as JSON into this file.
    #[cfg(feature = "json")]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw radius, displacement and overlap into this folder, as SVG and PNG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let directory = arguments.directory.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("thermograd-checkpoints-{}", std::process::id()))
    });
    if arguments.demo {
        demo(&directory)?;
    }
    let series = Series::directory(&directory)?;
    let layers = assignment(&arguments, &series)?;
    let config = AnalysisConfig::default()
        .assignment(layers)
        .most_bytes(arguments.megabytes.saturating_mul(1 << 20));
    let analysis = Analysis::of(&series, &config)?;
    if let Some(first) = series.checkpoints().first()
        && let Some(last) = series.checkpoints().last()
    {
        println!(
            "{} checkpoints, steps {} to {}, {} tensors",
            series.checkpoints().len(),
            first.step(),
            last.step(),
            series.names().len()
        );
    }
    print(&analysis);
    #[cfg(feature = "json")]
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string(&analysis)?)?;
        println!("wrote {}", path.display());
    }
    if let Some(folder) = &arguments.plots {
        draw(&analysis, folder)?;
    }
    Ok(())
}

fn assignment(arguments: &Arguments, series: &Series) -> Result<Assignment, Box<dyn Error>> {
    let names = series.names();
    if arguments.modules {
        return Ok(Assignment::by_module(names));
    }
    let shapes: Vec<(&str, &[usize])> = series
        .checkpoints()
        .iter()
        .flat_map(Checkpoint::tensors)
        .collect();
    let mut layers = Assignment::new();
    for name in names {
        let rows = shapes
            .iter()
            .find(|(known, _)| *known == name)
            .and_then(|(_, shape)| shape.first().copied())
            .unwrap_or(1);
        let symmetry = if arguments.rows.iter().any(|row| row == name) {
            Symmetry::ScaleInvariantBy(rows)
        } else if arguments.whole.iter().any(|whole| whole == name) {
            Symmetry::ScaleInvariant
        } else {
            Symmetry::Generic
        };
        let group = layers.group(name, symmetry);
        layers.assign(name, group)?;
    }
    Ok(layers)
}

fn print(analysis: &Analysis) {
    let all: Vec<&GroupAnalysis> = analysis.groups.iter().chain(&analysis.total).collect();
    let width = all.iter().map(|g| g.name.len()).max().unwrap_or(0).max(5);
    println!(
        "\n{:width$}  {:>10}  {:>10}  {:>10}  {:>10}  {:>8}  {:>9}  {:>8}  {:>18}  changes",
        "group",
        "parameters",
        "|w| first",
        "|w| last",
        "step",
        "q(0,t)",
        "alignment",
        "PR",
        "S / nats"
    );
    for group in all {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let aligned: Vec<f64> = group.alignment.iter().copied().flatten().collect();
        let overlap = group.overlap_first.last().copied().flatten();
        let entropy = match &group.entropy {
            Reading::Ready(estimate) => format!(
                "{:.3e} ± {:.0e}{}",
                estimate.entropy.value,
                estimate.entropy.std_error,
                if estimate.absolute().ready().is_some() {
                    " "
                } else {
                    "*"
                }
            ),
            Reading::Pending { .. } => "pending".to_owned(),
            _ => "-".to_owned(),
        };
        let changes = match &group.change_points {
            Reading::Ready(found) => {
                let steps = found
                    .change_points
                    .iter()
                    .filter_map(|&at| group.steps.get(at));
                let steps: Vec<String> = steps.map(u64::to_string).collect();
                if steps.is_empty() {
                    "none".to_owned()
                } else {
                    steps.join(", ")
                }
            }
            Reading::Pending { seen, needed } => format!("pending ({seen} of {needed})"),
            _ => "-".to_owned(),
        };
        println!(
            "{:width$}  {:>10}  {:>10.4e}  {:>10.4e}  {:>10.3e}  {:>8}  {:>9.3}  {:>8}  {entropy:>18}  {changes}",
            group.name,
            group.parameters,
            group.radius.first().copied().unwrap_or(0.0),
            group.radius.last().copied().unwrap_or(0.0),
            mean(&group.displacement),
            overlap.map_or("-".to_owned(), |q| format!("{q:.4}")),
            mean(&aligned),
            group.spread.ready().map_or("-".to_owned(), |s| format!(
                "{:.1}",
                s.debiased_participation_ratio
            )),
        );
    }
    println!(
        "\nstep: mean displacement between checkpoints; q(0,t): overlap of the first and the last; \
         alignment: of successive displacements;\nPR: participation ratio; S with *: only for \
         comparison with like series; changes: of ln displacement, at steps."
    );
    for error in &analysis.refused {
        println!("refused: {error}");
    }
    if !analysis.left_out.is_empty() {
        println!(
            "no floating-point numbers: {}",
            analysis.left_out.join(", ")
        );
    }
}

fn draw(analysis: &Analysis, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut radius = Plot::new("Radius", "step", "|w|");
    let mut moved = Plot::new("Displacement between checkpoints", "step", "|Δ|").log_y();
    let mut overlap = Plot::new("Overlap with the first checkpoint", "step", "q");
    // More lines than colours tell nothing.
    for group in analysis.groups.iter().take(6) {
        let steps: Vec<f64> = group.steps.iter().map(|&step| step as f64).collect();
        let later = || steps.iter().copied().skip(1);
        radius = radius.line(
            &group.name,
            steps.iter().copied().zip(group.radius.iter().copied()),
        );
        moved = moved.line(
            &group.name,
            later()
                .zip(group.displacement.iter().copied())
                .filter(|&(_, length)| length > 0.0),
        );
        let cosines = group.overlap_first.iter().copied();
        overlap = overlap.line(
            &group.name,
            later().zip(cosines).filter_map(|(x, q)| Some((x, q?))),
        );
    }
    for (name, plot) in [
        ("radius", radius),
        ("displacement", moved),
        ("overlap", overlap),
    ] {
        plot.save(&folder.join(name))?;
    }
    println!("wrote plots to {}", folder.display());
    Ok(())
}

/// Trains for 4000 steps, the second half at a tenth of the learning rate.
fn demo(directory: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let data = Digits::load(1)?.training;
    let mut random = Random::new(1);
    let architecture = Architecture {
        inputs: data.width(),
        hidden: 16,
        normalisation: Normalisation::Batch,
    };
    let mut network = Network::new(architecture, &mut random);
    let mut gradient = vec![0.0; network.weights().len()];
    for step in 0..=4000_u32 {
        if step % 25 == 0 {
            let bytes: Vec<u8> = network
                .weights()
                .iter()
                .flat_map(|w| w.to_le_bytes())
                .collect();
            let shape = vec![architecture.hidden, architecture.inputs];
            let view = TensorView::new(Dtype::F64, shape, &bytes)?;
            let path = directory.join(format!("step-{step:05}.safetensors"));
            serialize_to_file([("hidden.weight", view)], None, &path)?;
        }
        let lr = if step < 2000 { 0.1 } else { 0.01 };
        let batch: Vec<usize> = (0..32).map(|_| random.below(data.len())).collect();
        network.loss_and_gradient(&data, &batch, &mut gradient);
        for (w, g) in network.weights_mut().iter_mut().zip(&gradient) {
            *w -= lr * (g + 1e-2 * *w);
        }
    }
    println!("wrote checkpoints to {}", directory.display());
    Ok(())
}

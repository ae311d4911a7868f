//! How fast are the metrics, as a share of what this machine can do at all?
//!
//! ```text
//! cargo run --release --features simd,rayon --example speed -- --json speed.json --plots plots
//! cargo run --release --features simd,rayon --example speed -- --quick
//! ```
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

mod baseline;
#[path = "../common/mod.rs"]
mod common;
mod limit;
mod pass;
mod row;
mod window;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Parser;
use serde_json::{Value, json};

use common::plot::Plot;
use row::{Better, Curve, Effort, Row};
use thermograd::Instructions;

/// Prints targets of speed and accuracy beside what is measured now, on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write the table and the curves as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw time against size, log-log, as SVG files into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Small sizes and few rounds, in seconds.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let arguments = Arguments::parse();
    let effort = if arguments.quick {
        Effort::Quick
    } else {
        Effort::Full
    };
    println!(
        "{} of {}, {} threads; median of paired ratios [quartiles]\n",
        Instructions::detected(),
        Instructions::available()
            .map(|x| x.to_string())
            .collect::<Vec<_>>()
            .join(", "),
        std::thread::available_parallelism()?,
    );
    let mut rows = Vec::new();
    for row in pass::rows(effort)?.into_iter().chain(window::rows(effort)?) {
        print(&row);
        rows.push(row);
    }
    println!("\n{:.0} s", begin.elapsed().as_secs_f64());
    let curves = if arguments.plots.is_some() || arguments.json.is_some() {
        let mut curves = pass::curves(effort);
        curves.extend(window::curves(effort)?);
        curves
    } else {
        Vec::new()
    };
    if let Some(folder) = &arguments.plots {
        draw(folder, &curves)?;
    }
    if let Some(file) = &arguments.json {
        let machine = json!({
            "instructions": Instructions::detected().to_string(),
            "threads": std::thread::available_parallelism()?.get(),
            "seconds": begin.elapsed().as_secs_f64(),
        });
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        let curves: Vec<Value> = curves.iter().map(Curve::json).collect();
        let all = json!({ "machine": machine, "rows": rows, "curves": curves });
        fs::write(file, serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}

fn print(row: &Row) {
    let sign = match row.better {
        Better::Higher => '≥',
        Better::Lower => '≤',
    };
    let number = |x: f64| {
        if x != 0.0 && !(1e-3..1e4).contains(&x.abs()) {
            format!("{x:.2e}")
        } else {
            format!("{x:.3}")
        }
    };
    println!(
        "{} {:<62} {sign} {:<8} {:>9} [{}, {}] {}  {}",
        if row.met() { "met   " } else { "missed" },
        row.name,
        number(row.target),
        number(row.ratio.median),
        number(row.ratio.low),
        number(row.ratio.high),
        row.unit,
        row.note,
    );
}

/// One picture for each name among the curves.
fn draw(folder: &Path, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let mut pictures: BTreeMap<&str, Vec<&Curve>> = BTreeMap::new();
    for curve in curves {
        pictures.entry(curve.picture).or_default().push(curve);
    }
    fs::create_dir_all(folder)?;
    for (picture, curves) in pictures {
        let mut plot = Plot::new("time", curves[0].x, curves[0].y).log_x().log_y();
        for curve in curves {
            plot = plot.line(&curve.name, curve.points.iter().copied());
        }
        plot.save(&folder.join(format!("{picture}.svg")))?;
    }
    Ok(())
}

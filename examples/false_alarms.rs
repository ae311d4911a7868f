//! How often does each detector see a change where there is none?
//!
//! Runs every detector on stationary AR(1) series and prints, as a table, the share of series in which it gave an alarm, and in
//! brackets the share in which it asked for more data instead. Thinned detectors get a longer series, so that as many elements are left. With `--step`, a step of that many standard deviations
//! stands in the middle of each series and the table is one of detection.
//!
//! ```text
//! cargo run --release --example false_alarms -- --runs 400
//! ```

#![expect(clippy::print_stdout, reason = "the table is the output")]

use clap::Parser;
use thermograd::phase_transition::change_point::{
    Cost, Cusum, CusumConfig, Direction, EarlyWarningConfig, NormalInverseGamma,
    OnlineChangePoints, OnlineConfig, PageHinkley, PeltConfig, Penalty, Reference, early_warning,
    pelt,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading};

#[derive(Debug, Parser)]
struct Flags {
    /// Series for each entry of the table.
    #[arg(long, default_value_t = 400)]
    runs: u32,
    /// Length of a series.
    #[arg(long, default_value_t = 1000)]
    length: usize,
    /// Correlations of neighbours in the series.
    #[arg(long, value_delimiter = ',', default_value = "0,0.5,0.9,0.99")]
    correlations: Vec<f64>,
    /// Height of a step in the middle, in standard deviations.
    #[arg(long, default_value_t = 0.0)]
    step: f64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What a detector said of one series.
enum Verdict {
    Alarm,
    Quiet,
    Refused,
}

/// What a detector is given.
#[derive(Clone, Copy, PartialEq)]
enum Diet {
    /// Every element of the series.
    All,
    /// Every so many elements that they are independent, of a series that is longer by as much.
    Thinned,
}

type Detector = fn(&[f64]) -> Result<Verdict, Error>;

const DETECTORS: [(&str, Diet, Detector); 13] = [
    ("PELT, mean, `Bic`", Diet::All, |x| {
        segments(x, Cost::Mean, Penalty::Bic)
    }),
    ("PELT, mean, `Mbic`", Diet::All, |x| {
        segments(x, Cost::Mean, Penalty::Mbic)
    }),
    ("PELT, mean, `Automatic`", Diet::All, |x| {
        segments(x, Cost::Mean, Penalty::Automatic)
    }),
    ("PELT, mean and variance, `Bic`", Diet::All, |x| {
        segments(x, Cost::MeanAndVariance, Penalty::Bic)
    }),
    ("PELT, mean and variance, `Automatic`", Diet::All, |x| {
        segments(x, Cost::MeanAndVariance, Penalty::Automatic)
    }),
    ("PELT, kernel, `Automatic`", Diet::All, |x| {
        segments(x, Cost::Kernel { bandwidth: None }, Penalty::Automatic)
    }),
    (
        "Bayesian online, P(change in last 50) > 0.9",
        Diet::All,
        bayes,
    ),
    ("the same, thinned by 2 g", Diet::Thinned, bayes),
    ("CUSUM, k = 1/2, h = 8", Diet::All, cusum),
    ("the same, thinned by 2 g", Diet::Thinned, cusum),
    (
        "Page-Hinkley up, running mean, 1/2, 8, thinned by 2 g",
        Diet::Thinned,
        page_hinkley,
    ),
    ("Early warning, autocorrelation, p < 0.05", Diet::All, |x| {
        warning(x, |_, r| r < 0.05)
    }),
    ("Early warning, both, p < 0.05", Diet::All, |x| {
        warning(x, |v, r| v < 0.05 && r < 0.05)
    }),
];

/// Every how many elements are nearly independent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number"
)]
fn thinning(inefficiency: f64) -> usize {
    if inefficiency <= 1.0 {
        1
    } else {
        (2.0 * inefficiency).ceil() as usize
    }
}

fn judge(alarm: bool) -> Verdict {
    if alarm {
        Verdict::Alarm
    } else {
        Verdict::Quiet
    }
}

fn segments(series: &[f64], cost: Cost, penalty: Penalty) -> Result<Verdict, Error> {
    Ok(
        match pelt(series, &PeltConfig::new(cost).penalty(penalty))? {
            Reading::Ready(found) => judge(!found.change_points.is_empty()),
            _ => Verdict::Refused,
        },
    )
}

fn bayes(series: &[f64]) -> Result<Verdict, Error> {
    let prior = NormalInverseGamma::weak(0.0, 1.0);
    let mut detector = OnlineChangePoints::new(&OnlineConfig::scalar(prior).hazard(1e-3))?;
    for x in series {
        detector.push(&[*x])?;
        if detector.probability_of_change_within(50) > 0.9 {
            return Ok(Verdict::Alarm);
        }
    }
    Ok(Verdict::Quiet)
}

fn cusum(series: &[f64]) -> Result<Verdict, Error> {
    let mut chart = Cusum::new(CusumConfig::new(0.0, 1.0).threshold(8.0))?;
    for x in series {
        if chart.push(*x)?.is_some() {
            return Ok(Verdict::Alarm);
        }
    }
    Ok(Verdict::Quiet)
}

fn page_hinkley(series: &[f64]) -> Result<Verdict, Error> {
    let mut test = PageHinkley::new(Reference::Running, Direction::Up).threshold(8.0);
    for x in series {
        if test.push(*x)? {
            return Ok(Verdict::Alarm);
        }
    }
    Ok(Verdict::Quiet)
}

fn warning(series: &[f64], alarm: fn(f64, f64) -> bool) -> Result<Verdict, Error> {
    let config = EarlyWarningConfig::default().surrogates(99);
    Ok(match early_warning(series, &config)? {
        Reading::Ready(w) => judge(alarm(w.variance.p_value, w.autocorrelation.p_value)),
        _ => Verdict::Refused,
    })
}

fn main() -> Result<(), Error> {
    let flags = Flags::parse();
    print!("| detector |");
    for rho in &flags.correlations {
        print!(" ρ = {rho} |");
    }
    println!("\n|---|{}", "---|".repeat(flags.correlations.len()));
    for (name, diet, detect) in DETECTORS {
        print!("| {name} |");
        for rho in &flags.correlations {
            let (mut alarms, mut refusals) = (0, 0);
            let every = match diet {
                Diet::All => 1,
                Diet::Thinned => thinning((1.0 + rho) / (1.0 - rho)),
            };
            for run in 0..flags.runs {
                let mut random = Random::new(flags.seed + u64::from(run));
                let innovation = (1.0 - rho * rho).sqrt();
                let mut x = random.normal();
                let series: Vec<f64> = (0..flags.length)
                    .map(|t| {
                        for _ in 0..every {
                            x = rho * x + innovation * random.normal();
                        }
                        x + if 2 * t >= flags.length {
                            flags.step
                        } else {
                            0.0
                        }
                    })
                    .collect();
                match detect(&series)? {
                    Verdict::Alarm => alarms += 1,
                    Verdict::Refused => refusals += 1,
                    Verdict::Quiet => {}
                }
            }
            let share = |count: u32| f64::from(count) / f64::from(flags.runs);
            if refusals == 0 {
                print!(" {:.3} |", share(alarms));
            } else {
                print!(" {:.3} ({:.2}) |", share(alarms), share(refusals));
            }
        }
        println!();
    }
    Ok(())
}

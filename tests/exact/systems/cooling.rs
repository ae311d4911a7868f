//! Values by hand, closed forms and boundaries: cooling.

use thermograd::Reading;
use thermograd::systems::HarmonicCooling;

use super::{below, near, ready, refused};

/// 2a/(2a − k), k/4a and their product; (1 − (1−x)²)/(e^−k − (1−x)²) in steps.
#[test]
fn lags_of_a_cooling_mode_by_hand() {
    let slow = HarmonicCooling::new(0.5, 0.25).unwrap();
    near(ready(&slow.lag()), 4.0 / 3.0, 1e-15);
    near(slow.dissipation_bound(), 0.125, 1e-15);
    near(ready(&slow.entropy_production()), 1.0 / 6.0, 1e-15);
    near(
        ready(&slow.discrete_lag()),
        0.75 / ((-0.25_f64).exp() - 0.25),
        1e-14,
    );
    // Where the bath cools as fast as the mode relaxes there is no lag any more.
    let glass = HarmonicCooling::new(0.5, 1.0).unwrap();
    assert!(matches!(glass.lag(), Reading::Undefined(_)));
    assert!(matches!(glass.entropy_production(), Reading::Undefined(_)));
    assert!(ready(&HarmonicCooling::new(0.5, below(1.0)).unwrap().lag()) > 1e15);
    // In steps it comes at e^−k = (1 − x)²: ln 4 for a half.
    let k = 4_f64.ln();
    let step = |k: f64| HarmonicCooling::new(0.5, k).unwrap().discrete_lag();
    assert!(step(k + 1e-12).ready().is_none() && step(k - 1e-12).ready().is_some());
    // Unstable from x = 2 on; at rest the lag is 1.
    let unstable = HarmonicCooling::new(2.0, 0.0).unwrap().discrete_lag();
    assert!(unstable.ready().is_none());
    let stable = HarmonicCooling::new(1.75, 0.0).unwrap().discrete_lag();
    assert_eq!(ready(&stable), 1.0);
}

#[test]
fn curvatures_and_rates_have_bounds() {
    refused(HarmonicCooling::new(below(1e-100), 0.0), "curvature");
    refused(HarmonicCooling::new(1.1e100, 0.0), "curvature");
    refused(HarmonicCooling::new(1.0, -1e-300), "cooling rate");
    refused(HarmonicCooling::new(1.0, 1.1e100), "cooling rate");
    assert!(HarmonicCooling::new(1e-100, 0.0).is_ok());
    assert!(HarmonicCooling::new(1e100, 1e100).is_ok());
}

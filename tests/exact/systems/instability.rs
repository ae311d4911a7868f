//! Values by hand, closed forms and boundaries: instability.

use thermograd::systems::{circle_cycle, heavy_ball_radius, regression_growth};

use super::{below, close, refused};

/// z² − (1 + μ − x) z + μ = 0 with roots that are chosen: real ones multiply to μ.
#[test]
fn the_radius_of_the_heavy_ball_is_its_larger_root() {
    // Roots 0.8 and 0.5: μ = 0.4, x = 1.4 − 1.3.
    close(heavy_ball_radius(0.1, 0.4).unwrap(), 0.8, 1e-14);
    // Roots −1.25 and −0.4: μ = 0.5, x = 1.5 + 1.65.
    close(heavy_ball_radius(3.15, 0.5).unwrap(), 1.25, 1e-14);
    // Complex ones have the modulus √μ.
    close(heavy_ball_radius(1.0, 0.49).unwrap(), 0.7, 1e-15);
    refused(heavy_ball_radius(1.0, 1.0), "momentum");
    refused(heavy_ball_radius(1.0, -0.1), "momentum");
    refused(heavy_ball_radius(1e150, 0.5), "stiffness");
    refused(heavy_ball_radius(f64::NAN, 0.5), "stiffness");
    assert!(heavy_ball_radius(-below(1e150), 0.0).is_ok());
    // E(1 − ηq)² with E q² = 1 + 2/B: 1 − 0.6 + 0.09·1.5.
    close(regression_growth(0.3, 4).unwrap(), 0.535, 1e-15);
    refused(regression_growth(0.3, 0), "batch size");
    refused(regression_growth(-1e150, 1), "learning rate");
}

#[test]
fn the_cycle_on_the_circle_returns_after_two_steps() {
    for e in [2.01, 2.5, 4.0, 50.0] {
        let angle = circle_cycle(e).unwrap();
        assert!(angle > 0.0);
        close(angle - (e * angle.sin()).atan2(1.0), -angle, 1e-12);
    }
    assert_eq!(circle_cycle(2.0).unwrap(), 0.0);
    refused(circle_cycle(-1e-9), "effective learning rate");
    refused(circle_cycle(1e150), "effective learning rate");
    assert_eq!(circle_cycle(0.0).unwrap(), 0.0);
}

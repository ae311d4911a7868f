//! Values by hand, closed forms and boundaries: saddle.

use thermograd::Error;
use thermograd::systems::SaddleToSaddle;

use super::{above, below, close, near, refused};

/// u = s e^{2st}/(e^{2st} − 1 + s/u₀) with e^{2st} = 9: 3·9/(8 + 30).
#[test]
fn the_flow_of_two_weights_in_closed_form() {
    let network = SaddleToSaddle::new(3.0, 0.1).unwrap();
    let t = 9_f64.ln() / 6.0;
    close(network.product(t).unwrap(), 27.0 / 38.0, 1e-14);
    let missing = 3.0 - 27.0 / 38.0;
    close(network.loss(t).unwrap(), 0.5 * missing * missing, 1e-14);
    near(network.half_time(), 29_f64.ln() / 6.0, 1e-14);
    assert!(matches!(
        network.product(f64::NAN),
        Err(Error::OutOfRange { .. })
    ));
    assert!(network.loss(f64::INFINITY).is_err());
    refused(SaddleToSaddle::new(1.1e6, 0.1), "target");
    refused(SaddleToSaddle::new(1.0, 1e-300), "start");
    refused(SaddleToSaddle::new(1.0, above(1.0)), "start");
    assert!(SaddleToSaddle::new(1.0, 1.0).is_err());
    assert!(SaddleToSaddle::new(1e6, below(1e6)).is_ok());
}

#[test]
fn descent_of_two_weights_is_its_recursion() {
    let network = SaddleToSaddle::new(2.0, 0.25).unwrap();
    let mut descent = network.descent(0.1).unwrap();
    let (mut a, mut b) = (0.5, 0.5);
    for _ in 0..30 {
        let error: f64 = a * b - 2.0;
        close(descent.weights()[0], a, 1e-14);
        close(descent.weights()[1], b, 1e-14);
        close(descent.gradient()[0], error * b, 1e-14);
        close(descent.gradient()[1], error * a, 1e-14);
        close(descent.loss(), 0.5 * error * error, 1e-14);
        (a, b) = (a - 0.1 * error * b, b - 0.1 * error * a);
        descent.step();
    }
    refused(network.descent(0.0), "learning rate");
    refused(network.descent(0.5), "learning rate");
    assert!(network.descent(below(0.5)).is_ok());
}

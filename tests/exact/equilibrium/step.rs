//! Values by hand, closed forms and boundaries: step.

use super::refused;
use thermograd::{Optimizer, Step};

#[test]
fn facts_end_where_they_are_said_to() {
    let step = || Step::new(0.5);
    for loss in [0.99e150, -0.99e150] {
        Step::new(loss).check().unwrap();
        step().independent_loss(loss).check().unwrap();
        step().previous_batch_loss(loss).check().unwrap();
    }
    for loss in [1e150, -1e150, f64::INFINITY] {
        assert_eq!(refused(Step::new(loss).check()), ("loss", loss));
        let found = step().independent_loss(loss).check();
        assert_eq!(refused(found), ("independent loss", loss));
        let found = step().previous_batch_loss(loss).check();
        assert_eq!(refused(found), ("previous batch's loss", loss));
    }
    for size in [0.0, 1e50] {
        step().learning_rate(size).check().unwrap();
        step().weight_decay(size).check().unwrap();
        step().decoupled_weight_decay(size).check().unwrap();
    }
    for size in [-1e-300, 1.1e50] {
        let found = step().learning_rate(size).check();
        assert_eq!(refused(found), ("learning rate", size));
        let found = step().weight_decay(size).check();
        assert_eq!(refused(found), ("weight decay", size));
    }
    step().momentum(0.0).check().unwrap();
    step().momentum(0.999).check().unwrap();
    for momentum in [-0.1, 1.0] {
        assert_eq!(
            refused(step().momentum(momentum).check()),
            ("momentum", momentum)
        );
    }
    let adam = |beta1, beta2, epsilon| {
        let rule = Optimizer::Adam {
            beta1,
            beta2,
            epsilon,
        };
        step().optimizer(rule).check()
    };
    adam(0.0, 0.0, 0.0).unwrap();
    adam(0.9, 0.999, 1e50).unwrap();
    assert_eq!(refused(adam(1.0, 0.9, 0.0)), ("beta1", 1.0));
    assert_eq!(refused(adam(0.9, 1.0, 0.0)), ("beta2", 1.0));
    assert_eq!(refused(adam(0.9, 0.9, -1.0)), ("epsilon", -1.0));
    assert_eq!(refused(adam(0.9, 0.9, 1.1e50)), ("epsilon", 1.1e50));
    step().batch_size(1).data_set_size(1).check().unwrap();
    assert_eq!(refused(step().batch_size(0).check()), ("batch size", 0.0));
    let found = step().data_set_size(0).check();
    assert_eq!(refused(found), ("data-set size", 0.0));
    let found = step().batch_size(9).data_set_size(8).check();
    assert_eq!(refused(found), ("batch size", 9.0));
}

//! Values by hand, closed forms and boundaries: response.

use super::*;
use thermograd::phase_transition::{
    Conditions, binder_cumulant, heat_capacity, susceptibility, vector_binder_cumulant,
};

/// Averages first, ratios after, blocks of five inefficiencies: by a jackknife that computes every mean anew.
#[test]
fn fluctuation_formulas_are_their_jackknives() {
    for (rho, n, seed) in [(0.0, 103, 1), (0.6, 397, 2), (0.8, 1201, 3)] {
        let x: Vec<f64> = ar1(rho, n, seed).iter().map(|x| x + 0.7).collect();
        let map = |f: &dyn Fn(f64) -> f64| -> Vec<f64> { x.iter().map(|&x| f(x)).collect() };
        let conditions = Conditions::at(1.7).sites(13.0);
        let chi = jackknife(&[map(&f64::abs), map(&|x| x * x)], |m| {
            13.0 / 1.7 * (m[1] - m[0] * m[0])
        });
        same(ready(susceptibility(&x, &conditions)), chi, 1e-9);
        let centre = average(&x);
        let c = jackknife(
            &[map(&|x| x - centre), map(&|x| (x - centre).powi(2))],
            |m| (m[1] - m[0] * m[0]) / (1.7 * 1.7 * 13.0),
        );
        same(ready(heat_capacity(&x, &conditions)), c, 1e-9);
        for components in [1, 2, 7] {
            let u = jackknife(&[map(&|x| x * x), map(&|x| x.powi(4))], |m| {
                1.0 - m[1] / ((1.0 + 2.0 / components as f64) * m[0] * m[0])
            });
            same(ready(vector_binder_cumulant(&x, components)), u, 1e-8);
            if components == 1 {
                same(ready(binder_cumulant(&x)), u, 1e-8);
            }
        }
    }
}

#[test]
fn heat_capacity_knows_no_zero_of_the_energy() {
    let x = ar1(0.3, 400, 4);
    let far: Vec<f64> = x.iter().map(|x| x + 1e6).collect();
    let conditions = Conditions::at(0.5);
    let (a, b) = (
        ready(heat_capacity(&x, &conditions)),
        ready(heat_capacity(&far, &conditions)),
    );
    same(b, a, 1e-7);
}

#[test]
fn conditions_divide_by_one_site_unless_told() {
    let at = Conditions::at(2.0);
    assert_eq!((at.temperature, at.sites), (2.0, 1.0));
    assert_eq!(at.sites(9.0).sites, 9.0);
}

#[test]
fn fourth_powers_stay_in_range() {
    let mut x = ar1(0.0, 100, 5);
    x[3] = 9e69;
    assert!(susceptibility(&x, &Conditions::at(1.0)).is_ok());
    assert!(binder_cumulant(&x).is_ok());
    for bad in [1e70, -1e70] {
        x[3] = bad;
        for answer in [
            susceptibility(&x, &Conditions::at(1.0)),
            vector_binder_cumulant(&x, 3),
        ] {
            assert!(matches!(answer, Err(Error::Overflow { largest, .. }) if largest == 1e70));
        }
    }
    assert_eq!(refused(vector_binder_cumulant(&[1.0, 2.0], 0)), 0.0);
    // The energy needs squares only.
    x[3] = 0.9e150;
    assert!(heat_capacity(&x, &Conditions::at(1.0)).is_ok());
    x[3] = 1e150;
    assert!(matches!(
        heat_capacity(&x, &Conditions::at(1.0)),
        Err(Error::Overflow { .. })
    ));
    for bad in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(
            refused(heat_capacity(&[1.0, 2.0], &Conditions::at(bad))),
            bad
        );
        let sites = Conditions::at(1.0).sites(bad);
        assert_eq!(refused(susceptibility(&[1.0, 2.0], &sites)), bad);
    }
}

/// A series that turns its sign at every step has an inefficiency of 1: blocks of 5, and 8 of them needed.
#[test]
fn eight_blocks_of_five_inefficiencies_are_needed() {
    let by_turns = |n: usize| -> Vec<f64> {
        (0..n)
            .map(|t| if t % 2 == 0 { 1.0 } else { -1.0 })
            .collect()
    };
    let ask = |n: usize| heat_capacity(&by_turns(n), &Conditions::at(1.0));
    for n in [0, 1, 3, 4, 39] {
        assert_eq!(pending(ask(n)), (n as u64, 40));
    }
    assert!(ask(40).is_ok_and(|r| r.ready().is_some()));
    // Constant: pending below four elements, undefined from there on.
    assert_eq!(
        pending(heat_capacity(&[2.0; 3], &Conditions::at(1.0))),
        (3, 40)
    );
    for n in [4, 5, 100] {
        assert!(undefined(&heat_capacity(
            &vec![2.0; n],
            &Conditions::at(1.0)
        )));
    }
}

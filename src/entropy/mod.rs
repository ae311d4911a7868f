//! How spread the weights are in their stationary state.
//!
//! The entropy here is differential, S = −∫ ρ ln ρ in nats, of the distribution of a group's weights
//! (or of their directions) over the stationary part of training. A trajectory is a sample of it. The
//! snapshots go through a [`SnapshotWindow`], which keeps the last N and their matrix of squared
//! [`Distances`]; every estimator reads that matrix (the first two also follow their neighbours from
//! snapshot to snapshot, [`WindowConfig::follow`], and then cost next to nothing):
//!
//! | estimator | for | absolute value | cost beside the matrix |
//! |---|---|---|---|
//! | [`geodesic_cap`] | directions of a scale-invariant group | few dimensions, or nearly uniform | N² |
//! | [`kozachenko_leonenko`] | any group | few dimensions | N² |
//! | [`gaussian`] | N > d, one basin | if Gaussian | N d² |
//! | [`fit_von_mises_fisher`] | directions about one mean | if of that family | N² |
//! | [`ledoit_wolf`], [`resolution_limited`] | any N | never | N³ |
//! | [`graph_length`], [`hyperspherical_angles`] | comparison with published numbers | never, no | N² |
//!
//! Which to believe? In order: thermodynamic integration across runs
//! ([`entropy_from_energy`]), which measures no density at all;
//! the Gaussian where N is ten times what the cloud's participation ratio asks for; neighbours on the
//! sphere. Every one of them returns an [`EntropyEstimate`] that says whether its value may be taken
//! for absolute, and none returns a number from fewer than twenty independent snapshots.
//!
//! ```
//! use thermograd::entropy::{Neighbors, SnapshotWindow, WindowConfig, geodesic_cap};
//! use thermograd::systems::Random;
//! let mut random = Random::new(1);
//! let mut window = SnapshotWindow::new(WindowConfig::new(200))?;
//! for step in 0..300 {
//!     // Directions uniform on the sphere in three dimensions, whose area is 4π.
//!     let w: Vec<f64> = (0..3).map(|_| random.normal()).collect();
//!     window.push(step, &w)?;
//! }
//! let s = geodesic_cap(&window.distances(), Neighbors::default())?;
//! let s = s.ready().unwrap().absolute();
//! assert!(s.ready().unwrap().z_score(2.5310).unwrap().abs() < 3.0);
//! # Ok::<(), thermograd::Error>(())
//! ```

pub(crate) mod cloud;
mod distances;
mod estimate;
mod gaussian;
mod integration;
mod knn;
mod null;
mod parametric;
mod rows;
mod sphere;
mod spread;
mod tracker;
mod window;

pub use distances::{Distances, Points, Provenance};
pub use estimate::{Caveat, EntropyEstimate, Estimator, Scaling, Validity};
pub use gaussian::{
    Sampling, Shrinkage, gaussian, ledoit_wolf, ledoit_wolf_shrinkage, ln_det_bias,
    ln_pseudo_determinant, resolution_limited,
};
pub use integration::{
    FamilyMember, FamilyTemperature, Integrated, Rule, ThermalState, Variable, entropy_from_energy,
    entropy_from_heat_capacity, family_temperatures,
};
pub use knn::{
    GraphLength, Neighbors, geodesic_cap, graph_length, hyperspherical_angles, kozachenko_leonenko,
    kozachenko_leonenko_scaled,
};
pub use null::{NullCloud, NullKind};
pub use parametric::{Resultant, VonMisesFisherFit, concentration, fit_von_mises_fisher};
pub use sphere::{
    Sphere, entropy_at_radii, entropy_at_radius, ln_ball_volume, ln_cap_area, ln_sphere_area,
    thermal_degrees_of_freedom,
};
pub use spread::{Spread, covariance_spectrum, effective_rank, spread, two_neighbor_dimension};
pub use tracker::{Followed, Space};
pub use window::{Offered, Projection, SnapshotWindow, WindowConfig};

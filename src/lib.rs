//! Thermodynamic training metrics.

mod blocks;
#[cfg(feature = "serde")]
mod checkpoint;
mod ensemble;
mod error;
mod estimate;
mod groups;
mod history;
mod metric;
mod observer;
mod optimizer;
mod random;
mod report;
mod snapshot;
mod step;
mod sums;

pub mod energy;
#[cfg(feature = "statistics")]
pub mod entropy;
#[cfg(feature = "statistics")]
pub mod equilibrium;
pub mod noise;
#[cfg(feature = "statistics")]
pub mod phase_transition;
pub mod pressure;
pub mod systems;
pub mod temperature;

#[cfg(feature = "serde")]
pub use checkpoint::State;
pub use ensemble::{Ensemble, Input, Moment};
pub use error::Error;
pub use estimate::{Estimate, Reading, Reason};
pub use groups::{GroupId, Groups, Symmetry};
pub use metric::{CATALOGUE, Formula, Metric, Scope};
pub use observer::{Cadence, Config, Observed, Observer, Window};
pub use optimizer::{Decay, Optimizer};
pub use pressure::Protocol;
pub use report::{Remark, Report, Row};
pub use snapshot::{Collector, FromFn, Piece, Slices, Snapshot, View, from_fn, slices};
pub use step::{Sampling, Step};
pub use sums::Sums;

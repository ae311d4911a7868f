//! What the interface promises beyond its signatures: what users keep can be printed, and used from any thread.

use std::fmt::Debug;

use thermograd::{
    Assignment, Cadence, Config, Ensemble, Error, Estimate, GroupId, Groups, Instructions, Metric,
    Moment, Observed, Observer, Optimizer, Projection, Reading, Reason, Remark, Report, Row,
    Slices, Step, Sums, View, Window, invariance, noise, pressure, systems, temperature,
};

fn kept<T: Send + Sync + Unpin + Debug>() {}

macro_rules! kept {
    ($($type:ty),* $(,)?) => { $(kept::<$type>();)* };
}

#[test]
fn what_is_kept_goes_to_any_thread() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<Error>();
    kept!(
        Assignment,
        Cadence,
        Config,
        Ensemble,
        Error,
        Estimate,
        GroupId,
        Groups,
        Instructions,
        Metric,
        Moment,
        Observed,
        Observer,
        Optimizer,
        Projection,
        Reading,
        Reading<Vec<f64>>,
        Reason,
        Remark<'static>,
        Report,
        Row,
        Slices<'static>,
        Step,
        Sums,
        View<'static>,
        Window,
        invariance::Proposal,
        invariance::ScaleTest,
        noise::GradientNoise,
        noise::GradientVariance,
        noise::Replicas,
        noise::TwoBatchSizes,
        pressure::Bath,
        pressure::Forecast,
        pressure::Settling,
        temperature::Spread,
        systems::HarmonicBath,
        systems::IsotropicGas,
        systems::Random,
        systems::VonMisesFisher,
    );
    #[cfg(feature = "serde")]
    kept!(thermograd::State);
    #[cfg(feature = "csv")]
    kept!(thermograd::sink::Csv<std::fs::File>);
    #[cfg(feature = "json")]
    kept!(thermograd::sink::JsonLines<std::fs::File>);
    #[cfg(feature = "tensorboard")]
    kept!(thermograd::sink::TensorBoard);
    #[cfg(feature = "safetensors")]
    kept!(
        thermograd::adapters::safetensors::Analysis,
        thermograd::adapters::safetensors::Checkpoint,
        thermograd::adapters::safetensors::Series,
    );
    #[cfg(feature = "ndarray017")]
    kept!(thermograd::adapters::ndarray017::Tensor<'static, f32, ndarray017::Ix2>);
    #[cfg(feature = "nalgebra035")]
    kept!(thermograd::adapters::nalgebra035::Tensor<'static, f32>);
}

#[cfg(feature = "statistics")]
#[test]
fn what_is_kept_of_statistics_goes_to_any_thread() {
    use thermograd::{
        cooling, correlation, curvature, engine, entropy, equilibrium, flatness, phase_transition,
    };
    kept!(
        cooling::CaloricCurve,
        cooling::Controller<cooling::EquilibriumTriggered>,
        cooling::CoolingRecord,
        cooling::Decision,
        cooling::Signals,
        correlation::Interval,
        curvature::Extremes,
        curvature::SpectralDensity,
        curvature::Trace,
        engine::Balance,
        engine::EquationOfState,
        engine::Ledger,
        engine::Path,
        entropy::Distances<'static>,
        entropy::EntropyEstimate,
        entropy::SnapshotWindow,
        entropy::WindowConfig,
        equilibrium::Blocking,
        equilibrium::BurnIn,
        equilibrium::Verdict,
        equilibrium::VerdictConfig,
        flatness::LearningCoefficient,
        flatness::LocalEntropy,
        flatness::Resilience,
        flatness::Study,
        phase_transition::Classification,
        phase_transition::Event,
        phase_transition::MonitorConfig,
        phase_transition::MultiHistogram,
        phase_transition::change_point::Cusum,
        phase_transition::change_point::OnlineChangePoints,
        phase_transition::change_point::Segmentation,
    );
}

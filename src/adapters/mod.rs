//! Adapters: the door for tensors of other libraries, each behind a feature of its own.
//!
//! | module | feature | what it takes | what it gives |
//! |---|---|---|---|
//! | `burn022` | `burn022` | any module of burn 0.22 and its gradients | a snapshot |
//! | `burn022` | `burn022-train` | burn's own training loop | readings in its dashboard and logs, early stopping |
//! | `candle011` | `candle011` | a `VarMap` and a `GradStore` of candle 0.11 | a snapshot |
//! | `ndarray017` | `ndarray017` | arrays and views of ndarray 0.17, any strides | pieces of a snapshot |
//! | `nalgebra035` | `nalgebra035` | matrices and views of nalgebra 0.35, any strides | pieces of a snapshot |
//! | `safetensors` | `safetensors` | checkpoint files of any framework | metrics of displacement |
//!
//! # Names of features
//! A feature carries a version where a type of the other library stands in a signature of ours:
//! then a new generation of that library is a new feature beside the old one, and no release of
//! it breaks anybody. Where only files and bytes pass, as for safetensors, the name is bare and
//! the version is ours to change. Nalgebra is a dependency of the core in any case, and its
//! feature adds no crate: it marks the signatures that would change with nalgebra's version.
//!
//! # What all of them keep
//! The sums are those of the plain slices: products are formed in `f64`, or on a device after an
//! upcast to at least `f32` in rows short enough that no digit is lost, and the rest is added in
//! `f64`. Parameters are known by name, in an order that does not depend on a hash. A parameter
//! that no gradient reached is an error that names it
//! ([`Error::NoGradient`](crate::Error::NoGradient)), never left out in silence.

#[cfg(feature = "burn022")]
pub mod burn022;
#[cfg(feature = "candle011")]
pub mod candle011;
#[cfg(any(feature = "candle011", feature = "ndarray017", feature = "nalgebra035"))]
mod gather;
#[cfg(feature = "nalgebra035")]
pub mod nalgebra035;
#[cfg(feature = "ndarray017")]
pub mod ndarray017;
#[cfg(feature = "safetensors")]
pub mod safetensors;

#[cfg(any(feature = "nalgebra035", feature = "ndarray017"))]
pub use gather::Element;

//! Checkpoints: an observer's memory as plain data, checked on its way back.
//!
//! A run that is resumed from a [`State`] gives the same readings, to the last bit, as one that
//! was never interrupted, if the format keeps every `f64` exactly. JSON does with the feature
//! `float_roundtrip` of `serde_json`; binary formats do anyway.
//!
//! A state holds what was observed. Groups are in it, to be compared with those of the observer
//! that takes it over; options and metrics are not, because metrics are functions: give
//! [`Observer::restore`] the same [`Config`](crate::Config) as before. A state that no observer
//! can have written, by a disk error or a careless edit, is refused with the place where it went
//! wrong, before anything is built from it.
//!
//! What watches for phases and overheating is not in it and begins anew: alarms are silent for
//! their first few hundred steps, and a phase needs two windows.
//!
//! Its size is that of the memory: about 16 bytes for each known moment of 127 blocks and two
//! windows, and the past values on the probe.

use serde::{Deserialize, Serialize};

use crate::blocks::Blocks;
use crate::history::History;
use crate::observer::{Extent, Record};
use crate::{Ensemble, Error, Groups, Moment, Step};

/// Of the stored form; another number is another form.
const VERSION: u32 = 1;
/// Counts above it are no counts: `f64` could not hold them either.
pub(crate) const MOST: u64 = 1 << 53;

/// The memory of an [`Observer`](crate::Observer).
///
/// ```
/// use thermograd::{slices, Config, Groups, Observer, State, Step, Symmetry};
/// let mut groups = Groups::new();
/// let all = groups.add("all", Symmetry::Generic);
/// let mut observer = Observer::new(groups.clone())?;
/// observer.observe(&Step::new(0.5), &slices(all, &[1.0_f64], &[0.25_f64]))?;
///
/// let stored = serde_json::to_string(&observer.state()).unwrap();
/// let state: State = serde_json::from_str(&stored).unwrap();
/// let resumed = Observer::restore(groups, Config::default(), state)?;
/// assert_eq!(resumed.steps(), 1);
/// assert_eq!(resumed.ensemble(Some(all))?, observer.ensemble(Some(all))?);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    version: u32,
    pub(crate) groups: Groups,
    pub(crate) steps: u64,
    pub(crate) in_window: u64,
    pub(crate) before: Option<Step>,
    pub(crate) model: Record,
    pub(crate) members: Vec<Member>,
    pub(crate) entropy: Option<crate::Estimate>,
    /// Snapshots by group, none where they are not kept.
    #[cfg(feature = "statistics")]
    #[serde(default)]
    pub(crate) clouds: Vec<crate::entropy::cloud::Stored>,
}

/// What is kept of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) record: Record,
    pub(crate) extent: Option<Extent>,
    pub(crate) history: Option<History>,
}

/// Where a state is wrong.
pub(crate) type Place = String;

impl State {
    pub(crate) fn new(
        groups: &Groups,
        (steps, in_window): (u64, u64),
        before: Option<Step>,
        model: Record,
        members: Vec<Member>,
    ) -> Self {
        Self {
            version: VERSION,
            groups: groups.clone(),
            steps,
            in_window,
            before,
            model,
            members,
            entropy: None,
            #[cfg(feature = "statistics")]
            clouds: Vec::new(),
        }
    }

    /// Refuses what no observer of these groups has written.
    pub(crate) fn check(&mut self, groups: &Groups) -> Result<(), Error> {
        let corrupt = |place: Place| Error::Corrupt {
            what: "observer state",
            place,
        };
        if self.version != VERSION {
            return Err(corrupt(format!("version {}, not {VERSION}", self.version)));
        }
        if self.groups != *groups {
            return Err(Error::Conflict {
                what: "the stored state is of other groups",
                remedy: "restore with the groups that were observed, in the same order",
            });
        }
        if self.members.len() != groups.len() {
            return Err(corrupt(format!(
                "{} members for {} groups",
                self.members.len(),
                groups.len()
            )));
        }
        if self.steps >= MOST || self.in_window > self.steps {
            return Err(corrupt("the number of steps".to_owned()));
        }
        if let Some(before) = &self.before {
            before
                .check()
                .map_err(|e| corrupt(format!("last step, {e}")))?;
        }
        if let Some(entropy) = &self.entropy {
            let sane = entropy.value.abs() < 1e150
                && (0.0..1e150).contains(&entropy.std_error)
                && entropy.n_eff >= 0.0;
            if !sane {
                return Err(corrupt("the entropy".to_owned()));
            }
        }
        let steps = self.steps;
        self.model
            .check(steps)
            .map_err(|place| corrupt(format!("model, {place}")))?;
        for (member, id) in self.members.iter_mut().zip(groups.ids()) {
            let name = groups.name(id).unwrap_or_default();
            member
                .check(steps)
                .map_err(|place| corrupt(format!("group {name:?}, {place}")))?;
        }
        Ok(())
    }
}

impl Member {
    fn check(&mut self, steps: u64) -> Result<(), Place> {
        self.record.check(steps)?;
        if let Some(extent) = &self.extent {
            let len = extent.last.checked_sub(extent.first);
            let fits = len.is_some_and(|len| is_count(extent.count) && extent.count >= len as f64);
            if !fits || extent.count < 1.0 {
                return Err("extent".to_owned());
            }
        }
        match (&mut self.history, &self.extent) {
            (Some(history), Some(extent)) => history.restore((extent.first, extent.last), steps),
            (Some(_), None) => Err("history of a group without extent".to_owned()),
            (None, Some(extent)) if extent.last > extent.first => {
                Err("extent without history".to_owned())
            }
            (None, _) => Ok(()),
        }
    }
}

impl Record {
    fn check(&self, steps: u64) -> Result<(), Place> {
        let rate = self.rate.unwrap_or(1.0);
        let sane = |x: f64| (0.0..=f64::MAX).contains(&x);
        if !sane(self.relaxations) || !sane(rate) || rate == 0.0 {
            return Err("relaxations".to_owned());
        }
        let windows = [
            ("window", Some(&self.current)),
            ("complete window", self.complete.as_ref()),
        ];
        for (name, blocks) in windows {
            if let Some(blocks) = blocks {
                Blocks::check(blocks, steps).map_err(|place| format!("{name}, {place}"))?;
            }
        }
        Ok(())
    }
}

/// A whole number of things.
pub(crate) fn is_count(x: f64) -> bool {
    x >= 0.0 && x.fract() == 0.0 && x <= MOST as f64
}

impl Ensemble {
    /// Refuses what `steps` steps cannot have summed to.
    pub(crate) fn check(&self, steps: u64) -> Result<(), Place> {
        for moment in Moment::ALL {
            let (count, sum) = self.entry(moment);
            if !is_count(count) || count > steps as f64 {
                return Err(format!("count of {}: {count}", moment.name()));
            }
            if !sum.is_finite() {
                return Err(format!("sum of {}: {sum}", moment.name()));
            }
        }
        Ok(())
    }
}

/// Known moments by name, with count and sum: a moment that a later version adds is absent.
impl Serialize for Ensemble {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = Moment::ALL.into_iter().filter_map(|moment| {
            let (count, sum) = self.entry(moment);
            (count != 0.0).then_some((moment.name(), count, sum))
        });
        serializer.collect_seq(known)
    }
}

impl<'de> Deserialize<'de> for Ensemble {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let known = Vec::<(String, f64, f64)>::deserialize(deserializer)?;
        let mut ensemble = Self::default();
        for (name, count, sum) in known {
            let moment = Moment::ALL
                .into_iter()
                .find(|moment| moment.name() == name)
                .ok_or_else(|| serde::de::Error::custom(format!("no moment is called {name:?}")))?;
            ensemble.set(moment, count, sum);
        }
        Ok(ensemble)
    }
}

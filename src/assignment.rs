//! Which group each named parameter belongs to: the bridge from a framework's names to [`Groups`].
//!
//! Frameworks know parameters by name ("blocks.0.fc1.weight"), thermometers are per group. An
//! [`Assignment`] says which name goes where, and which names are left out on purpose: running
//! statistics of a normalisation layer, frozen embeddings. A name that it does not know is an
//! error and no guess: a layer that was forgotten would be missing from every sum of the model.

use std::collections::BTreeMap;

use crate::{Error, GroupId, Groups, Symmetry};

/// Groups, and which of them each parameter belongs to.
///
/// ```
/// use thermograd::{Assignment, Symmetry};
/// let mut layers = Assignment::new();
/// // Ten neurons under batch normalisation: ten scales that the loss ignores.
/// let hidden = layers.group("hidden", Symmetry::ScaleInvariantBy(10));
/// let rest = layers.group("rest", Symmetry::Generic);
/// layers.assign("fc1.weight", hidden)?;
/// layers.assign("fc2.weight", rest)?;
/// layers.assign("fc2.bias", rest)?;
/// layers.leave_out("bn.running_mean");
/// assert_eq!(layers.of("fc2.bias")?, Some(rest));
/// assert_eq!(layers.of("bn.running_mean")?, None);
/// assert!(layers.of("fc3.weight").is_err());
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Assignment {
    groups: Groups,
    /// `None` for a parameter that is left out.
    parameters: BTreeMap<String, Option<GroupId>>,
}

impl Assignment {
    /// No groups and no parameters.
    pub const fn new() -> Self {
        Self {
            groups: Groups::new(),
            parameters: BTreeMap::new(),
        }
    }

    /// Every parameter a group of its own name, without symmetry: what to begin with.
    ///
    /// ```
    /// use thermograd::Assignment;
    /// let layers = Assignment::each(["fc1.weight", "fc1.bias"]);
    /// assert_eq!(layers.groups().len(), 2);
    /// ```
    pub fn each<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut this = Self::new();
        for name in names {
            if !this.parameters.contains_key(name) {
                let group = this.group(name, Symmetry::Generic);
                this.parameters.insert(name.to_owned(), Some(group));
            }
        }
        this
    }

    /// Every module a group without symmetry: parameters that share all of their name before the
    /// last dot. A name without a dot is its own module.
    ///
    /// ```
    /// use thermograd::Assignment;
    /// let layers = Assignment::by_module(["fc1.weight", "fc1.bias", "fc2.weight", "scale"]);
    /// assert_eq!(layers.groups().len(), 3);
    /// assert_eq!(layers.of("fc1.weight")?, layers.of("fc1.bias")?);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn by_module<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut this = Self::new();
        for name in names {
            let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
            let group = match this.groups.find(module) {
                Some(group) => group,
                None => this.group(module, Symmetry::Generic),
            };
            this.parameters.insert(name.to_owned(), Some(group));
        }
        this
    }

    /// Adds a group; see [`Groups::add`].
    pub fn group(&mut self, name: impl Into<String>, symmetry: Symmetry) -> GroupId {
        self.groups.add(name, symmetry)
    }

    /// Puts a parameter into a group; the last word on a name counts.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] for an id that [`Assignment::group`] did not return.
    pub fn assign(&mut self, parameter: impl Into<String>, group: GroupId) -> Result<(), Error> {
        if self.groups.name(group).is_none() {
            return Err(Error::UnknownGroup {
                index: group.index(),
                known: self.groups.len(),
            });
        }
        self.parameters.insert(parameter.into(), Some(group));
        Ok(())
    }

    /// Leaves a parameter out of everything: a buffer, a frozen tensor.
    pub fn leave_out(&mut self, parameter: impl Into<String>) {
        self.parameters.insert(parameter.into(), None);
    }

    /// The groups, for an [`Observer`](crate::Observer).
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The group of a parameter, `None` for one that is left out.
    ///
    /// # Errors
    /// [`Error::Unassigned`] for a name that was never mentioned.
    pub fn of(&self, parameter: &str) -> Result<Option<GroupId>, Error> {
        match self.parameters.get(parameter) {
            Some(&group) => Ok(group),
            None => Err(Error::Unassigned {
                parameter: parameter.to_owned(),
            }),
        }
    }

    /// Every parameter that was mentioned, sorted by name, with its group.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<GroupId>)> {
        self.parameters
            .iter()
            .map(|(name, &group)| (name.as_str(), group))
    }
}

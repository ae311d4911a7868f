//! Groups of parameters: their names and their declared scale symmetry, built once.
//!
//! A group is what gets its own thermometer: a layer, a tensor, a set of tensors that are
//! normalised together. Scale invariance is declared here, as data, and then checked: a group
//! whose loss does not change when its weights are rescaled has w·g = 0 at every step, and the
//! reading `virial_ratio` shows by how much a group that was declared so departs from it.

use crate::Error;

/// A group's number in the [`Groups`] that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupId(pub(crate) usize);

impl GroupId {
    /// The position in the order of [`Groups::add`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// How the loss answers to a rescaling of the group's weights.
///
/// Each independent scale that the loss ignores takes one degree of freedom out of the bath: a
/// group of d parameters with K scales has d − K thermal degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Symmetry {
    /// No symmetry: a real gas, K = 0. Biases, affine parameters, layers without normalisation.
    #[default]
    Generic,
    /// The loss is the same for w and c·w, c > 0: one jointly normalised tensor, K = 1.
    ScaleInvariant,
    /// The loss ignores this many separate scales: the rows of a batch-normalised layer of h
    /// neurons have K = h.
    ScaleInvariantBy(usize),
}

impl Symmetry {
    /// The number K of independent scales.
    ///
    /// ```
    /// use thermograd::Symmetry;
    /// assert_eq!(Symmetry::Generic.scales(), 0);
    /// assert_eq!(Symmetry::ScaleInvariant.scales(), 1);
    /// assert_eq!(Symmetry::ScaleInvariantBy(32).scales(), 32);
    /// ```
    pub const fn scales(self) -> usize {
        match self {
            Self::Generic => 0,
            Self::ScaleInvariant => 1,
            Self::ScaleInvariantBy(scales) => scales,
        }
    }

    /// Whether the ideal-gas law holds for the group.
    pub const fn is_scale_invariant(self) -> bool {
        self.scales() > 0
    }

    /// The symmetry of two groups taken together: scale-invariant only if both are.
    #[must_use]
    pub(crate) const fn join(self, other: Self) -> Self {
        match (self.scales(), other.scales()) {
            (0, _) | (_, 0) => Self::Generic,
            (a, b) => Self::ScaleInvariantBy(a.saturating_add(b)),
        }
    }
}

/// The groups of a model, in the order in which they were added.
///
/// ```
/// use thermograd::{Groups, Symmetry};
/// let mut groups = Groups::new();
/// let hidden = groups.add("hidden", Symmetry::ScaleInvariantBy(32));
/// assert_eq!(groups.name(hidden), Some("hidden"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Groups {
    entries: Vec<(String, Symmetry)>,
}

impl Groups {
    /// No groups yet.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Adds a group and returns the id by which snapshots name it. Names are checked to be
    /// distinct when an observer takes the groups.
    pub fn add(&mut self, name: impl Into<String>, symmetry: Symmetry) -> GroupId {
        self.entries.push((name.into(), symmetry));
        GroupId(self.entries.len() - 1)
    }

    /// The number of groups.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name of a group, `None` for an id of other groups.
    pub fn name(&self, id: GroupId) -> Option<&str> {
        self.entries.get(id.0).map(|(name, _)| name.as_str())
    }

    /// The declared symmetry of a group, `None` for an id of other groups.
    pub fn symmetry(&self, id: GroupId) -> Option<Symmetry> {
        self.entries.get(id.0).map(|&(_, symmetry)| symmetry)
    }

    /// All ids in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = GroupId> + use<> {
        (0..self.entries.len()).map(GroupId)
    }

    /// The id of the group of that name.
    pub fn find(&self, name: &str) -> Option<GroupId> {
        self.entries
            .iter()
            .position(|(known, _)| known == name)
            .map(GroupId)
    }

    /// The symmetry of the whole model.
    pub(crate) fn joint_symmetry(&self) -> Symmetry {
        self.entries
            .iter()
            .map(|&(_, symmetry)| symmetry)
            .reduce(Symmetry::join)
            .unwrap_or_default()
    }

    /// The first name that occurs twice, as an error; also an error where there is no group.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Err(Error::Empty {
                place: "the set of groups".to_owned(),
                remedy: "add at least one group",
            });
        }
        let mut names: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::DuplicateName {
                name: pair[0].to_owned(),
            }),
            None => Ok(()),
        }
    }
}

//! What a run announces while it runs: transitions, changes of phase, overheating, equilibrium.
//!
//! Events wait in a queue of fixed length until [`Observer::events`](crate::Observer::events) hands them out; when
//! nobody asks, the oldest make way for new ones. Overheating is announced by the very step that shows it, among those
//! that are looked at: [`Config::every_step`](crate::Config::every_step) sees it in time. Transitions and phases are
//! looked for when events are asked for, so a loop that wants to hear of every window asks at least once a window.

use std::collections::VecDeque;

use super::Phase;
use crate::GroupId;

/// Events kept while nobody asks.
const CAPACITY: usize = 64;

/// Something that happened to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Event {
    /// A level of the run changed from one plateau to another.
    Transition {
        /// Where the change is most probable.
        step: u64,
        /// The interval that holds it with a probability of 95 %.
        interval: Interval,
        /// What changed.
        quantity: Quantity,
    },
    /// Two successive windows agree on another phase.
    PhaseChanged {
        /// The end of the window that settled it.
        step: u64,
        /// The phase before; `None` for the first that is known.
        from: Option<Phase>,
        /// The phase now.
        to: Phase,
    },
    /// Divergence is ahead, or has come.
    Overheating {
        /// The step that showed it.
        step: u64,
        /// The group that overheats; `None` where no group can be named.
        group: Option<GroupId>,
        /// What it was seen by.
        cause: Cause,
    },
    /// The first window in equilibrium by [`Observer::verdict`](crate::Observer::verdict), after none or some that were
    /// not.
    EquilibriumReached {
        /// The end of that window.
        step: u64,
    },
}

/// Steps from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Interval {
    /// The first step.
    pub first: u64,
    /// The last step.
    pub last: u64,
}

/// The series in which a transition was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Quantity {
    /// The mean loss.
    Energy,
    /// The turning of the weights in a step, `1 − cos`.
    Rotation,
}

/// How overheating was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Cause {
    /// Successive steps undo each other: the edge of stability is reached.
    EdgeRatio,
    /// Steps and loss grow together beyond all that the run did lately.
    StepGrowth,
    /// `η²|g|² ≥ |w|²` where the norm does not answer: a step forgets the direction.
    EffectiveRate,
    /// Growing steps at the energy of a random network.
    GasEnergy,
    /// A loss, a weight or a gradient was not finite. The step itself was refused.
    NonFinite,
}

/// The queue; its memory is taken once.
#[derive(Debug, Clone)]
pub(crate) struct Queue(VecDeque<Event>);

impl Queue {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(CAPACITY))
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.0.drain(..)
    }
}

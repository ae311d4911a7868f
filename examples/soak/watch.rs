//! What is watched over a run, and what it may be at most.

use std::fmt;

use serde_json::{Value, json};
use stats_alloc::Region;
use thermograd::{Error, Observed, Observer, Snapshot, Step};

/// A figure and the largest that it may be, in size.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    what: String,
    value: f64,
    most: f64,
}

impl Finding {
    pub(crate) fn new(what: impl Into<String>, value: f64, most: f64) -> Self {
        Self {
            what: what.into(),
            value,
            most,
        }
    }

    pub(crate) fn met(&self) -> bool {
        self.value.abs() <= self.most
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "what": self.what, "value": self.value, "most": self.most, "met": self.met() })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = if self.met() { "met   " } else { "missed" };
        write!(
            f,
            "{met} {:<62} {:>10.3e}  at most {:.1e}",
            self.what, self.value, self.most
        )
    }
}

/// Resident bytes of this process; 0 where the system does not tell.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 bytes")]
fn resident() -> f64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = told.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    4096.0 * pages.unwrap_or(0_u64) as f64
}

/// Follows memory and allocations from the end of the warm-up on.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    warm: bool,
    resident_warm: f64,
    resident_most: f64,
    allocations: usize,
}

impl Watch {
    /// The warm-up is over.
    pub(crate) fn warm(&mut self) {
        self.warm = true;
        self.resident_warm = resident();
    }

    /// Looks at the resident set, which takes a system call.
    pub(crate) fn look(&mut self) {
        if self.warm {
            self.resident_most = self.resident_most.max(resident());
        }
    }

    /// One step, with its allocations counted.
    pub(crate) fn observe<S: Snapshot>(
        &mut self,
        observer: &mut Observer,
        step: &Step,
        snapshot: &S,
    ) -> Result<Observed, Error> {
        let region = Region::new(crate::ALLOCATOR);
        let observed = observer.observe(step, snapshot);
        if self.warm {
            let change = region.change();
            self.allocations += change.allocations + change.reallocations;
        }
        observed
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 allocations")]
    pub(crate) fn tell(&self, model: &str, findings: &mut Vec<Finding>) {
        let grown = (self.resident_most - self.resident_warm) / f64::from(1 << 20);
        findings.push(Finding::new(
            format!("{model}: allocations while observing"),
            self.allocations as f64,
            0.0,
        ));
        // Pages that the allocator and the standard library touch late.
        findings.push(Finding::new(
            format!("{model}: growth of the resident set, MiB"),
            grown,
            1.0,
        ));
        println!(
            "{model}: {:.1} MiB resident after the warm-up",
            self.resident_warm / f64::from(1 << 20)
        );
    }
}

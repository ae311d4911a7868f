//! Readings as metrics of burn's dashboard and logs.
//!
//! Burn's metrics run on a thread of their own and see one item of output after another, some time
//! after the step. So readings travel in a queue, each marked with the number of micro-batches that
//! stood behind the model when it was taken, and a metric shows the newest that its own items have
//! caught up with: what is shown at an iteration is of that iteration, however late it is drawn.
//! Between readings the last one stays. Before the first there is no number: the text says what is
//! missing, nothing is plotted, and nothing is written to a log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn022::tensor::TensorReadError;
use burn022::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use super::train::{Subject, Watch};

/// Readings that wait while nobody shows them; older ones make way.
const WAITING: usize = 4096;

/// One reading on its way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Micro-batches behind the model when it was taken.
    pub(super) at: u64,
    pub(super) value: Option<f64>,
    pub(super) text: String,
}

/// Readings on their way to one metric.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<VecDeque<Entry>>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, entry: Entry) {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back(entry);
    }
}

/// What both kinds of metric are made of.
#[derive(Debug)]
struct Readout {
    watch: Watch,
    subject: Subject,
    name: MetricName,
    unit: &'static str,
    queue: Arc<Queue>,
    /// Items seen so far, on the count of the queue.
    seen: u64,
    shown: Option<Entry>,
}

impl Clone for Readout {
    /// A metric of the same name with a queue of its own.
    fn clone(&self) -> Self {
        let queue = Arc::new(Queue::default());
        for entry in self.queue.lock().iter() {
            queue.push(entry.clone());
        }
        self.watch.subscribe(self.subject.clone(), &queue);
        Self {
            watch: self.watch.clone(),
            subject: self.subject.clone(),
            name: self.name.clone(),
            unit: self.unit,
            queue,
            seen: self.seen,
            shown: self.shown.clone(),
        }
    }
}

impl Readout {
    fn new(watch: &Watch, subject: Subject, name: String, unit: &'static str) -> Self {
        let queue = Arc::new(Queue::default());
        let seen = watch.subscribe(subject.clone(), &queue);
        Self {
            watch: watch.clone(),
            subject,
            name: Arc::new(name),
            unit,
            queue,
            seen,
            shown: None,
        }
    }

    fn advance(&mut self) {
        self.seen = self.seen.saturating_add(1);
        let mut waiting = self.queue.lock();
        while waiting.front().is_some_and(|entry| entry.at <= self.seen) {
            self.shown = waiting.pop_front();
        }
    }

    fn value(&self) -> Option<f64> {
        self.shown.as_ref().and_then(|entry| entry.value)
    }

    fn text(&self) -> String {
        match &self.shown {
            None => "nothing observed yet".to_owned(),
            Some(entry) if self.unit.is_empty() || entry.value.is_none() => entry.text.clone(),
            Some(entry) => format!("{} {}", entry.text, self.unit),
        }
    }
}

/// A reading as a number that burn plots, logs, and stops early by.
///
/// Register it with `SupervisedTraining::metric_train_numeric`: validation takes no optimiser
/// step.
#[derive(Debug, Clone)]
pub struct NumericReadout(Readout);

impl NumericReadout {
    pub(super) fn new(watch: &Watch, subject: Subject, name: String, unit: &'static str) -> Self {
        Self(Readout::new(watch, subject, name, unit))
    }

    fn entry(&self, form: fn(f64) -> NumericEntry) -> SerializedEntry {
        let logged = self.0.value().map_or_else(
            || SerializedEntry::NOT_AVAILABLE.to_owned(),
            |value| form(value).serialize(),
        );
        SerializedEntry::new(self.0.text(), logged)
    }
}

impl Metric for NumericReadout {
    type Input = ();

    fn name(&self) -> MetricName {
        self.0.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: Some(self.0.unit.to_owned()).filter(|unit| !unit.is_empty()),
            higher_is_better: false,
        }
        .into()
    }

    fn update(
        &mut self,
        (): &Self::Input,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.0.advance();
        Ok(self.entry(NumericEntry::Value))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry(NumericEntry::Final))
    }

    /// Nothing: windows do not end with epochs.
    fn clear(&mut self) {}
}

impl Numeric for NumericReadout {
    fn value(&self) -> Option<NumericEntry> {
        self.0.value().map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.value()
    }

    /// The last reading. Burn asks for a number even where there has been none, and its own word
    /// for that is NaN; it is in no log.
    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.0.value().unwrap_or(f64::NAN))
    }
}

/// The phase or the verdict in words.
///
/// Register it with `SupervisedTraining::metric_train`.
#[derive(Debug, Clone)]
pub struct TextReadout(Readout);

impl TextReadout {
    pub(super) fn new(watch: &Watch, subject: Subject, name: &str) -> Self {
        Self(Readout::new(watch, subject, name.to_owned(), ""))
    }

    fn entry(&self) -> SerializedEntry {
        let text = self.0.text();
        SerializedEntry::new(text.clone(), text)
    }
}

impl Metric for TextReadout {
    type Input = ();

    fn name(&self) -> MetricName {
        self.0.name.clone()
    }

    fn update(
        &mut self,
        (): &Self::Input,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.0.advance();
        Ok(self.entry())
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry())
    }

    /// Nothing: windows do not end with epochs.
    fn clear(&mut self) {}
}

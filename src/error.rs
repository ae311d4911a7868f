//! What invalid input gets: a typed error that names the value, the place and the remedy.
//!
//! An `Err` means that the *input* was wrong and that nothing was recorded of it. A number that
//! merely cannot be computed from good input is no error: it is a
//! [`Reading`](crate::Reading) that is pending or undefined, with its reason.

use thiserror::Error as ThisError;

/// Invalid input, told as value, place and remedy.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A number outside the range in which it means something.
    #[error("{what} is {value}: give {allowed}")]
    OutOfRange {
        /// The quantity, as the caller knows it.
        what: &'static str,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        allowed: &'static str,
    },
    /// A NaN or an infinity among data.
    #[error("{place}: element {index} is {value}: give finite numbers")]
    NonFinite {
        /// Whose data: a group's stream or a series.
        place: String,
        /// Position of the first offender.
        index: usize,
        /// The offender.
        value: f64,
    },
    /// Finite data whose squares or products leave the range of `f64`.
    #[error(
        "{place}: squares of its elements overflow (largest magnitude {largest:e}): rescale it below 1e150"
    )]
    Overflow {
        /// Whose data.
        place: String,
        /// Its largest magnitude.
        largest: f64,
    },
    /// Two lengths that must agree and do not.
    #[error("{place}: {found} elements where {expected} are needed: give equal lengths")]
    LengthMismatch {
        /// Which of the inputs.
        place: String,
        /// The length that the others have.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// Two shapes that must agree and do not.
    #[error("{place}: shape {found:?} where {expected:?} is needed: give tensors of one shape")]
    ShapeMismatch {
        /// Which of the inputs.
        place: String,
        /// The shape that the others have.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// Elements of a type that is no floating-point number that is read here.
    #[error("{place}: elements of type {found}: give f32, f64, bf16 or f16")]
    ElementType {
        /// Which of the inputs.
        place: String,
        /// The type, as its library calls it.
        found: String,
    },
    /// No data at all where some is needed.
    #[error("{place} is empty: {remedy}")]
    Empty {
        /// Which input.
        place: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A group that this observer does not know.
    #[error(
        "group number {index} is unknown, {known} groups are: use the id that this observer's Groups::add returned"
    )]
    UnknownGroup {
        /// The number in the id.
        index: usize,
        /// How many groups there are.
        known: usize,
    },
    /// Two groups of one name.
    #[error("group name {name:?} is taken: give each group a name of its own")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// More scale symmetries than parameters to carry them.
    #[error(
        "group {group:?} declares {scales} independent scales over {len} parameters: declare one scale per normalised row or tensor"
    )]
    TooManyScales {
        /// The group.
        group: String,
        /// The declared number K.
        scales: usize,
        /// The number of parameters seen.
        len: usize,
    },
    /// A group whose number of parameters changed between steps.
    #[error(
        "group {group:?} has {found} parameters, {expected} before: reset the observer when the model changes"
    )]
    LengthChanged {
        /// The group.
        group: String,
        /// The first length.
        expected: usize,
        /// This step's length.
        found: usize,
    },
    /// A stream that covers only part of a group.
    #[error(
        "group {group:?}: {stream} given for {found} of {expected} parameters: give it for every piece of the group or for none"
    )]
    PartialStream {
        /// The group.
        group: String,
        /// The stream: gradient, second gradient, update.
        stream: &'static str,
        /// Parameters of the group in this step.
        expected: usize,
        /// Parameters that came with the stream.
        found: usize,
    },
    /// Reduced sums that no vectors can have.
    #[error(
        "group {group:?}: {product} = {value} breaks the Cauchy-Schwarz bound {bound}: the sums are of different vectors or lost precision in their reduction"
    )]
    CauchySchwarz {
        /// The group.
        group: String,
        /// Which inner product.
        product: &'static str,
        /// Its value.
        value: f64,
        /// The product of the norms.
        bound: f64,
    },
    /// Pieces that overlap, or leave a gap between them.
    #[error(
        "group {group:?}: a piece begins at {found} where {expected} is next: cover a range without gap or overlap"
    )]
    Misplaced {
        /// The group.
        group: String,
        /// Where the piece begins.
        found: usize,
        /// The first position that is not covered.
        expected: usize,
    },
    /// A metric that neither the catalogue nor the configuration has.
    #[error(
        "no metric is called {name:?}: see CATALOGUE for the names, or add your own by Config::metric"
    )]
    UnknownMetric {
        /// What was asked for.
        name: String,
    },
    /// A closure of the caller's that failed.
    #[error("{closure} failed at evaluation {evaluation}: {cause}: mend what it calls and repeat")]
    Evaluation {
        /// Which closure.
        closure: &'static str,
        /// Its how many-th call, from 1.
        evaluation: u64,
        /// What it said.
        cause: String,
    },
    /// Options that contradict each other.
    #[error("{what}: {remedy}")]
    Conflict {
        /// The contradiction.
        what: &'static str,
        /// The way out.
        remedy: &'static str,
    },
    /// A parameter that should have a gradient and has none.
    #[error("no gradient reached parameter {parameter:?}: {cause}")]
    NoGradient {
        /// The parameter.
        parameter: String,
        /// The likely cause, and what to do about it.
        cause: &'static str,
    },
    /// A parameter that no group was given for.
    #[error(
        "parameter {parameter:?} belongs to no group: assign it to one, or leave it out by name"
    )]
    Unassigned {
        /// The parameter.
        parameter: String,
    },
    /// A parameter that a group was given for and that the model does not have.
    #[error("the model has no parameter {parameter:?}: assign the names that it has")]
    UnknownParameter {
        /// The parameter.
        parameter: String,
    },
    /// A parameter that came twice in one step.
    #[error("parameter {parameter:?} is given twice in one step: give each name once")]
    GivenTwice {
        /// The parameter.
        parameter: String,
    },
    /// A framework that failed to do what it was asked.
    #[error("{place}: {library} failed: {message}")]
    Framework {
        /// What it was asked for.
        place: String,
        /// The framework.
        library: &'static str,
        /// What it said.
        message: String,
    },
    /// A file that cannot be read or written, or is not what it is said to be.
    #[error("{file}: {fault}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// A tensor of a file that cannot be used; the rest of the file can.
    #[error("{file}, tensor {tensor:?}: {fault}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        fault: TensorFault,
    },
    /// A device that did not give back what was computed on it.
    #[error("{place} could not be read from its device: {cause}")]
    DeviceRead {
        /// What was asked for.
        place: String,
        /// What the device said.
        cause: String,
    },
    /// Stored state that this version cannot have written.
    #[error("stored {what} is corrupt at {place}: restore from an intact copy")]
    Corrupt {
        /// What was being restored.
        what: &'static str,
        /// Where it went wrong.
        place: String,
    },
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum FileFault {
    /// The operating system refused.
    #[error("cannot {doing} it ({kind})")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The kind of failure.
        kind: std::io::ErrorKind,
    },
    /// The header is not that of the format.
    #[error("its header is not that of a {format} file: {message}")]
    Header {
        /// The format.
        format: &'static str,
        /// What the format's own reader says.
        message: String,
    },
    /// The file ends before its header does.
    #[error("it has {found} bytes where its header alone takes {expected}: copy it again")]
    Truncated {
        /// Bytes that the header takes.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
}

/// What is wrong with a tensor of a file.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum TensorFault {
    /// Its bytes reach beyond the end of the file.
    #[error("ends at byte {expected} of a file of {found}: copy the file again")]
    Truncated {
        /// Where it should end.
        expected: u64,
        /// Where the file ends.
        found: u64,
    },
    /// A NaN or an infinity.
    #[error(
        "element {index} is {value}: leave the checkpoint out, or look for the step that diverged"
    )]
    NonFinite {
        /// Position of the first offender.
        index: usize,
        /// The offender.
        value: f64,
    },
    /// A number whose square may overflow.
    #[error("element {index} is {value:e}: rescale it below 1e150")]
    TooLarge {
        /// Position of the first offender.
        index: usize,
        /// The offender.
        value: f64,
    },
    /// A shape that differs from that of most other files of the series.
    #[error("has shape {found:?} and {expected:?} elsewhere: give checkpoints of one model")]
    Shape {
        /// The shape elsewhere.
        expected: Vec<usize>,
        /// The shape here.
        found: Vec<usize>,
    },
    /// It is in most other files of the series and not in this one.
    #[error("is missing, though most of the series has it")]
    Missing,
    /// It is in this file and not in most others of the series.
    #[error("is not in most of the series, and is left out")]
    Unexpected,
    /// Its elements are no floating-point numbers that are read here.
    #[error("has elements of type {found}: f32, f64, bf16 and f16 are read")]
    Type {
        /// The type, as its format calls it.
        found: String,
    },
}

impl Error {
    /// The first non-finite element of a series as an error, if there is one.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the index and the value.
    pub(crate) fn check_finite(place: &str, series: &[f64]) -> Result<(), Self> {
        match series.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Self::NonFinite {
                place: place.to_owned(),
                index,
                value: series[index],
            }),
        }
    }
}

/// A finite number for which `holds` is true, or the error that says what is allowed.
///
/// # Errors
/// [`Error::OutOfRange`].
pub(crate) fn check_range(
    what: &'static str,
    value: f64,
    allowed: &'static str,
    holds: impl FnOnce(f64) -> bool,
) -> Result<(), Error> {
    if value.is_finite() && holds(value) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what,
            value,
            allowed,
        })
    }
}

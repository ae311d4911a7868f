//! What an answer must not hold.

use std::fmt::{self, Debug, Display, Write};

use thermograd::Error;

/// Reads the debug form of an answer as it is written: floats come as pieces of their own.
#[derive(Default)]
struct Scan {
    field: String,
    bad: Option<String>,
}

impl Write for Scan {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match piece {
            "NaN" => self.bad = Some(format!("{}: NaN", self.field)),
            // A constant over the window is known for as many observations as one likes.
            "inf" if self.field != "n_eff" => self.bad = Some(format!("{}: inf", self.field)),
            _ if piece.starts_with(|c: char| c.is_ascii_lowercase()) => {
                piece.clone_into(&mut self.field);
            }
            _ => {}
        }
        Ok(())
    }
}

/// An answer without a NaN, and without an infinity other than a number of observations.
#[track_caller]
pub(crate) fn sound<T: Debug + ?Sized>(answer: &T) {
    let mut scan = Scan::default();
    let _ = write!(scan, "{answer:?}");
    if let Some(bad) = scan.bad {
        let whole: String = format!("{answer:?}").chars().take(2000).collect();
        panic!("{bad} in {whole}");
    }
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// Whatever prints itself can.
pub(crate) fn prints(answer: &impl Display) {
    let _ = write!(Nowhere, "{answer} {answer:#}");
}

/// An answer that is sound, or an error that can be told.
#[track_caller]
pub(crate) fn answer<T: Debug>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(found) => {
            sound(&found);
            Some(found)
        }
        Err(error) => {
            prints(&error);
            None
        }
    }
}

/// What was made and is no answer: a machine may hold an infinity for its own ends.
pub(crate) fn made<T>(result: Result<T, Error>) -> Option<T> {
    result.inspect_err(prints).ok()
}

/// A bare number that may leave the range of `f64`, as the documentation says, but is never NaN.
#[track_caller]
pub(crate) fn number(x: f64) {
    assert!(!x.is_nan(), "NaN");
}

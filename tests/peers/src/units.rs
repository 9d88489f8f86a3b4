//! Numbers with units, as they are given on the command line.

use std::num::NonZeroU64;
use std::time::Duration;

/// Why a number with a unit is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error("`{0}` does not begin with a number")]
    NoNumber(String),
    #[error("`{text}` does not end with a unit that is known here; these are: {known}")]
    UnknownUnit { text: String, known: String },
    #[error("`{0}` is too large")]
    TooLarge(String),
    #[error("it has to be more than nothing")]
    Zero,
}

type Units = [(&'static str, u64)];

const RATES: &Units = &[("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
const SIZES: &Units = &[("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &Units = &[("us", 1), ("ms", 1_000), ("s", 1_000_000)];

/// A whole number of the smallest unit.
fn parse(text: &str, units: &Units) -> Result<u64, UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    let unit = unit.trim();
    let Some((_, times)) = units.iter().find(|(name, _)| *name == unit) else {
        let known: Vec<&str> = units
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !name.is_empty())
            .collect();
        return Err(UnitError::UnknownUnit {
            text: text.to_owned(),
            known: known.join(", "),
        });
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*times));
    number.ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

/// Bits a second, as `100M`; `None`: 0, which is no limit.
pub(crate) fn rate(text: &str) -> Result<Option<NonZeroU64>, UnitError> {
    // Beyond a terabit the arithmetic of a chunk's time means nothing.
    match parse(text, RATES)? {
        rate if rate > 1_000_000_000_000 => Err(UnitError::TooLarge(text.to_owned())),
        rate => Ok(NonZeroU64::new(rate)),
    }
}

/// Bytes, as `64KiB`; not none.
pub(crate) fn size(text: &str) -> Result<usize, UnitError> {
    let bytes = usize::try_from(parse(text, SIZES)?).map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    if bytes == 0 { Err(UnitError::Zero) } else { Ok(bytes) }
}

/// The length of a message, up to 1 MiB, which every contestant takes by default.
pub(crate) fn message(text: &str) -> Result<usize, UnitError> {
    match size(text)? {
        bytes if bytes > 1 << 20 => Err(UnitError::TooLarge(text.to_owned())),
        bytes => Ok(bytes),
    }
}

/// A round trip of up to ten seconds, as `100ms`; `0ms` is none.
pub(crate) fn round_trip(text: &str) -> Result<Duration, UnitError> {
    match parse(text, TIMES)? {
        micros if micros > 10_000_000 => Err(UnitError::TooLarge(text.to_owned())),
        micros => Ok(Duration::from_micros(micros)),
    }
}

/// How a size is written: `64 B`, `16 KiB`.
pub(crate) fn show_size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

/// A rate in bits a second, as it is written.
pub(crate) fn show_rate(rate: Option<NonZeroU64>) -> String {
    match rate.map(NonZeroU64::get) {
        None => "no pacing".to_owned(),
        Some(rate) if rate.is_multiple_of(1_000_000) => format!("{} Mbit/s", rate / 1_000_000),
        Some(rate) => format!("{rate} bit/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(rate("100M"), Ok(NonZeroU64::new(100_000_000)));
        assert_eq!(rate("0"), Ok(None));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1 MiB"), Ok(1 << 20));
        assert_eq!(round_trip("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(round_trip("0ms"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_number_says_why() {
        assert_eq!(size("KiB"), Err(UnitError::NoNumber("KiB".into())));
        assert_eq!(size("-1"), Err(UnitError::NoNumber("-1".into())));
        assert_eq!(size("0"), Err(UnitError::Zero));
        let unknown = |text: &str, known: &str| UnitError::UnknownUnit {
            text: text.into(),
            known: known.into(),
        };
        assert_eq!(rate("5MiB"), Err(unknown("5MiB", "k, M, G")));
        assert_eq!(round_trip("100"), Err(unknown("100", "us, ms, s")));
        assert_eq!(rate("2000G"), Err(UnitError::TooLarge("2000G".into())));
        assert_eq!(
            size("99999999999GiB"),
            Err(UnitError::TooLarge("99999999999GiB".into()))
        );
        assert_eq!(message("2MiB"), Err(UnitError::TooLarge("2MiB".into())));
        assert_eq!(round_trip("11s"), Err(UnitError::TooLarge("11s".into())));
    }

    #[test]
    fn sizes_and_rates_are_written_as_they_are_given() {
        assert_eq!(show_size(64), "64 B");
        assert_eq!(show_size(16 << 10), "16 KiB");
        assert_eq!(show_size(3 << 20), "3 MiB");
        assert_eq!(show_rate(NonZeroU64::new(10_000_000)), "10 Mbit/s");
        assert_eq!(show_rate(None), "no pacing");
    }
}

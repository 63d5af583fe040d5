//! The end of access.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};

use super::ValueError;

/// The first instant at which access is refused, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(Timestamp);

const NO_SUCH_DAY: ValueError = ValueError::new("there is no such date");
const TOO_FAR: ValueError = ValueError::new("the latest time allowed is 9999-12-30T22:00:00Z");

impl Expiry {
    pub(crate) const ACCEPTED: ValueError = ValueError::new(
        "give a date such as 2026-12-31, an RFC 3339 time such as 2026-12-31T18:00:00+01:00, \
         a duration such as 2w, 90d or 12h, or \"never\" for no end",
    );
    pub(crate) const PASSED: ValueError = ValueError::new("that time has already passed");

    /// Reads what [`Display`](fmt::Display) wrote, in the past too.
    pub(crate) fn at(text: &str) -> Option<Self> {
        let time: Timestamp = text.parse().ok()?;
        Timestamp::from_second(time.as_second()).ok().map(Self)
    }

    fn parse(text: &str, now: Timestamp) -> Result<Self, ValueError> {
        let expiry = Self::parse_any(text, now)?;
        if expiry.0 > now { Ok(expiry) } else { Err(Self::PASSED) }
    }

    /// Reads a time that may have passed.
    fn parse_any(text: &str, now: Timestamp) -> Result<Self, ValueError> {
        let words = text.to_ascii_lowercase();
        if words.split(|c: char| !c.is_alphabetic()).any(is_vague_unit) {
            return Err(ValueError::new(
                "a duration is in weeks, days, hours or minutes, such as 2w, 90d, 12h or 30min; \
                 m could mean months, and months and years have no fixed length",
            ));
        }
        if text.starts_with(|c: char| c.is_ascii_digit())
            && text.split_once('-').is_some_and(|(year, _)| year.len() != 4)
        {
            return Err(Self::ACCEPTED);
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            Ok(Self(Timestamp::from_second(time.as_second()).map_err(|_| TOO_FAR)?))
        } else if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
            // The whole day counts.
            Self::midnight(date.checked_add(1.day()).map_err(|_| TOO_FAR)?)
        } else {
            let Some(span) = text.parse().ok().filter(|span: &Span| !span.is_negative()) else {
                return Err(if names_no_day(text) { NO_SUCH_DAY } else { Self::ACCEPTED });
            };
            let end = now.to_zoned_datetime(TimeZone::UTC).checked_add(span);
            Ok(Self(end.map_err(|_| TOO_FAR)?.timestamp()))
        }
    }

    /// Reads a time as it stands in a list of users: it may have passed since. Tells, too,
    /// whether it is named by how long it is from now.
    #[cfg(feature = "cli")]
    pub(crate) fn in_list(text: &str) -> Result<(Self, bool), ValueError> {
        Ok((Self::parse_any(text, this_second()?)?, text.parse::<Span>().is_ok()))
    }

    fn midnight(date: Date) -> Result<Self, ValueError> {
        let midnight = date.to_zoned_datetime(TimeZone::UTC).map_err(|_| TOO_FAR)?;
        Ok(Self(midnight.timestamp()))
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0 <= Timestamp::now()
    }

    /// True if it is still to come, and at this time or before.
    pub(crate) fn is_ahead_until(&self, latest: Timestamp) -> bool {
        !self.has_passed() && self.0 <= latest
    }

    /// The time from `now` until then in days, in hours if it is less than two days, or in
    /// minutes if it is less than two hours.
    pub(crate) fn time_left(&self, now: Timestamp) -> (i64, &'static str) {
        const HOUR: i64 = 60;
        const DAY: i64 = 24 * HOUR;
        let rounded = |minutes: i64, unit: i64| (minutes + unit / 2) / unit;
        match (self.0.as_second() - now.as_second() + 59) / 60 {
            minutes if minutes < 2 * HOUR => (minutes, "minute"),
            minutes if minutes < 2 * DAY => (rounded(minutes, HOUR), "hour"),
            minutes => (rounded(minutes, DAY), "day"),
        }
    }

    /// True if it had passed more than a minute before `now`, so that clocks that
    /// differ a little agree on it.
    pub(crate) fn has_surely_passed(&self, now: Timestamp) -> bool {
        self.0 < now - 1.minute()
    }

    /// The end in a sentence: the last day, where access ends with that day in UTC,
    /// or else the minute.
    pub(crate) fn for_people(&self) -> String {
        match self.last_day() {
            Some(day) => format!("until the end of {} (UTC)", day.strftime("%-d %B %Y")),
            None => format!("until {} UTC", self.in_utc().strftime("%-d %B %Y, %H:%M")),
        }
    }

    /// The end as it is typed: the last day, or the minute.
    pub(crate) fn in_words(&self) -> String {
        match self.last_day() {
            Some(day) => day.to_string(),
            None => format!("{} UTC", self.in_table()),
        }
    }

    /// The end as a users file has it: the last day, or the time.
    #[cfg(feature = "cli")]
    pub(crate) fn in_list_cell(&self) -> String {
        self.last_day().map_or_else(|| self.to_string(), |day| day.to_string())
    }

    /// The end without words, for a table of times in UTC.
    pub(crate) fn in_table(&self) -> String {
        match self.last_day() {
            Some(day) => day.to_string(),
            None => self.in_utc().strftime("%Y-%m-%d %H:%M").to_string(),
        }
    }

    /// The last whole day, where access ends with one.
    fn last_day(&self) -> Option<Date> {
        let end = self.in_utc();
        if end.time() == Time::midnight() { end.date().yesterday().ok() } else { None }
    }

    fn in_utc(&self) -> ZonedDateTime {
        self.0.to_zoned_datetime(TimeZone::UTC)
    }
}

/// `m` is minutes to some and months to others, and a month has no fixed length.
fn is_vague_unit(unit: &str) -> bool {
    ["m", "y"].contains(&unit) || unit.starts_with("mo") || unit.starts_with("year")
}

/// True if the text is a date, or begins with one before a time, and that day doesn't
/// exist.
fn names_no_day(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked("YYYY-MM-DD".len()) else {
        return false;
    };
    let is_date = date.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date
        && (rest.is_empty() || rest.starts_with(['T', 't', ' ']))
        && Date::strptime("%Y-%m-%d", date).is_err()
}

fn this_second() -> Result<Timestamp, ValueError> {
    Timestamp::from_second(Timestamp::now().as_second()).map_err(|_| TOO_FAR)
}

impl FromStr for Expiry {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::parse(text, this_second()?)
    }
}

impl fmt::Display for Expiry {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expiry, ValueError> {
        Expiry::parse(text, "2026-06-15T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn times_are_read_as_people_mean_them() {
        for (text, expected) in [
            ("2026-12-31", "2027-01-01T00:00:00Z"),
            ("2026-06-15", "2026-06-16T00:00:00Z"),
            ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00Z"),
            ("2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00Z"),
            ("2026-12-31T18:00:00.7Z", "2026-12-31T18:00:00Z"),
            ("12h", "2026-06-16T00:00:00Z"),
            ("90d", "2026-09-13T12:00:00Z"),
            ("1d 2h", "2026-06-16T14:00:00Z"),
            ("30min", "2026-06-15T12:30:00Z"),
        ] {
            let expiry = parse(text).unwrap();
            assert_eq!(expiry.to_string(), expected, "{text}");
            assert_eq!(Expiry::at(expected), Some(expiry));
        }
    }

    #[test]
    fn people_read_the_last_day_or_the_minute() {
        for (text, expected, in_table) in [
            ("2026-12-31", "until the end of 31 December 2026 (UTC)", "2026-12-31"),
            ("2027-01-05T18:00:30+01:00", "until 5 January 2027, 17:00 UTC", "2027-01-05 17:00"),
        ] {
            let expiry = parse(text).unwrap();
            assert_eq!(expiry.for_people(), expected);
            assert_eq!(expiry.in_table(), in_table);
        }
    }

    #[test]
    fn last_minute_may_not_have_passed_on_another_clock() {
        for (seconds, has_passed) in [(-30, false), (30, false), (90, true)] {
            let now = Timestamp::now();
            let expiry = Expiry(now - seconds.seconds());
            assert_eq!(expiry.has_surely_passed(now), has_passed, "{seconds}");
        }
    }

    #[test]
    fn time_left_is_told_in_the_unit_that_fits() {
        let now = Timestamp::UNIX_EPOCH;
        for (minutes, expected) in [
            (1, (1, "minute")),
            (119, (119, "minute")),
            (120, (2, "hour")),
            (150, (3, "hour")),
            (2850, (48, "hour")),
            (2880, (2, "day")),
            (14 * 1440, (14, "day")),
        ] {
            assert_eq!(Expiry(now + minutes.minutes()).time_left(now), expected);
        }
        assert_eq!(Expiry(now + 1.second()).time_left(now), (1, "minute"));
    }

    #[test]
    fn past_and_unreadable_times_are_refused() {
        for (text, part) in [
            ("2026-06-14", "passed"),
            ("2026-06-15T12:00:00Z", "passed"),
            ("2026-06-15T13:00:00+02:00", "passed"),
            ("0s", "passed"),
            ("2026-02-30", "no such date"),
            ("2026-13-01", "no such date"),
            ("2026-02-30T10:00:00Z", "no such date"),
            ("2026-02-28T10", "RFC 3339"),
            ("2026-02-300", "RFC 3339"),
            ("31.12.2026", "RFC 3339"),
            ("tomorrow", "RFC 3339"),
            ("-5d", "RFC 3339"),
            ("90", "RFC 3339"),
            ("3m", "no fixed length"),
            ("1d 3M", "no fixed length"),
            ("6months", "no fixed length"),
            ("1y", "no fixed length"),
            ("P1Y", "no fixed length"),
            ("9000years", "no fixed length"),
            ("", "RFC 3339"),
            ("900000w", "9999-12-30"),
            ("9999-12-31", "9999-12-30"),
            ("99999999999999999d", "RFC 3339"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}

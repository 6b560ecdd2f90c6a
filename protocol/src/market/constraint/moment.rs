//! Times as people write them: a date, `2026-11-21`, which is its midnight in UTC, or a date with a time and an offset,
//! `2026-11-21T10:00:00Z`. RFC 3339, to the millisecond, from 1970 on.

use crate::time::Timestamp;

/// The last moment with a year of four digits.
pub(super) const LAST: Timestamp = Timestamp(253_402_300_799_999);

pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let midnight = midnight(date)?;
    let (of_day, offset) = match time {
        Some(time) => {
            let (clock, offset) = time.split_at(time.find(['Z', '+', '-'])?);
            (of_day(clock)?, shift(offset)?)
        }
        None => (0, 0),
    };
    let moment = Timestamp(u64::try_from(midnight + of_day - offset).ok()?);
    (moment <= LAST).then_some(moment)
}

/// The shortest text that [`parse`] reads as this moment.
pub(super) fn print(moment: Timestamp) -> String {
    let text = moment.to_string();
    match (text.strip_suffix("T00:00:00.000Z"), text.strip_suffix(".000Z")) {
        (Some(date), _) => date.to_owned(),
        (None, Some(seconds)) => format!("{seconds}Z"),
        (None, None) => text,
    }
}

/// Milliseconds from the epoch. After Howard Hinnant's `days_from_civil`, whose inverse prints a [`Timestamp`].
fn midnight(date: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let midnight = days * 86_400_000;
    // A day that its month does not have is another one when it is printed.
    let real = Timestamp(u64::try_from(midnight).ok()?).to_string().starts_with(date);
    real.then_some(midnight)
}

/// Milliseconds of `10:00:00` or `10:00:00.125`.
fn of_day(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "000"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let [thousandths] = numbers(&format!("{fraction:0<3}"), '.', [3])?;
    let real = hour < 24 && minute < 60 && second < 60 && !fraction.is_empty();
    real.then_some(((hour * 60 + minute) * 60 + second) * 1_000 + thousandths)
}

/// Milliseconds of `Z`, `+02:00` or `-05:30`.
fn shift(offset: &str) -> Option<i64> {
    let (sign, ahead) = match offset.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", ahead) => (1, ahead),
        ("-", ahead) => (-1, ahead),
        _ => return None,
    };
    let [hours, minutes] = numbers(ahead, ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Plain numbers of these many digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_it_is_printed_and_in_any_offset() {
        for (text, ms, printed) in [
            ("1970-01-01", 0, "1970-01-01"),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            ("2024-02-29T12:34:56.7Z", 1_709_210_096_700, "2024-02-29T12:34:56.700Z"),
            ("2026-11-21T00:00:00Z", 1_795_219_200_000, "2026-11-21"),
            ("2026-11-21T01:30:00+01:30", 1_795_219_200_000, "2026-11-21"),
            ("2026-11-20T19:00:00-05:00", 1_795_219_200_000, "2026-11-21"),
            ("2000-03-01", 951_868_800_000, "2000-03-01"),
            ("9999-12-31T23:59:59.999Z", LAST.0, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(parse(text), Some(Timestamp(ms)), "{text}");
            assert_eq!(print(Timestamp(ms)), printed);
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_moment() {
        let dates = ["2023-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-04-31", "1969-12-31", "2026-1-1"];
        let times = [
            "2026-11-21T10:00:00",
            "2026-11-21T10:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T10:60:00Z",
            "2026-11-21T10:00:60Z",
            "2026-11-21T10:00:00.Z",
            "2026-11-21T10:00:00.1234Z",
            "2026-11-21T10:00:00.+1Z",
            "2026-11-21T10:00:00z",
            "2026-11-21T10:00:00+1:00",
            "2026-11-21T10:00:00+24:00",
            "9999-12-31T23:59:59-00:01",
            "2026-11-21 10:00:00Z",
            "2026-11-21T",
            "+026-11-21",
            "éé-11-21",
            "2026-11-21TZé",
            "",
        ];
        for text in dates.into_iter().chain(times) {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

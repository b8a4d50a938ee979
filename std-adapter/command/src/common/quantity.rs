//! Rates and times as they are written on a command line.

use std::time::Duration;

/// The highest rate, in events per second.
pub(crate) const FASTEST: u64 = 100_000_000;

/// Parses a rate in events per second, such as `5000`, `200k` or `1.5M`.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let (number, times) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |number| (number, 1e6)),
    };
    let number: f64 =
        number.trim().parse().map_err(|_| "a number, as in 5000, 200k or 1.5M".to_owned())?;
    let rate = number * times;
    if (1.0..=FASTEST as f64).contains(&rate) {
        Ok(rate as u64)
    } else {
        Err(format!("1 to {FASTEST} a second"))
    }
}

/// Parses a time such as `30`, `30s`, `500ms` or `2m`; without a unit it is in seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0)];
    let unit = UNITS.iter().find_map(|(unit, s)| text.strip_suffix(unit).map(|n| (n, *s)));
    let (number, seconds) = unit.unwrap_or((text, 1.0));
    let number: Option<f64> = number.trim().parse().ok();
    let time = number.and_then(|n| Duration::try_from_secs_f64(n * seconds).ok());
    time.filter(|t| *t >= Duration::from_micros(1))
        .ok_or_else(|| "a time, as in 30, 30s, 500ms or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, ms) in
            [("2", 2000), ("2s", 2000), ("1.5", 1500), ("500ms", 500), ("2m", 120_000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse_time("250us"), Ok(Duration::from_micros(250)));
        for text in ["", "s", "-1", "0", "nan", "inf", "1e300", "3 weeks"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_with_their_multiples() {
        for (text, rate) in [("5", 5), ("200k", 200_000), ("1.5M", 1_500_000), ("2 k", 2000)] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "k", "0", "-5", "0.2", "101M", "nan", "1G"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}

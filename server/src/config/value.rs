//! What a value may be: how it is read, and the words for what is allowed.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

type Reader<T> = dyn Fn(&str) -> Option<T>;

/// A way to read a value.
pub struct Kind<T> {
    pub(super) read: Box<Reader<T>>,
    pub(super) allowed: String,
}

impl<T> Kind<T> {
    fn new(allowed: impl Into<String>, read: impl Fn(&str) -> Option<T> + 'static) -> Self {
        Kind { read: Box::new(read), allowed: allowed.into() }
    }
}

/// A whole number in a range.
#[must_use]
pub fn whole(range: RangeInclusive<u32>) -> Kind<u32> {
    Kind::new(format!("a whole number from {} to {}", range.start(), range.end()), move |text| {
        text.parse().ok().filter(|value| range.contains(value))
    })
}

/// A time span in a range, written `500ms`, `5s`, `10m`, `2h` or `30d`.
#[must_use]
pub fn span(range: RangeInclusive<Duration>) -> Kind<Duration> {
    let (least, most) = (short(*range.start()), short(*range.end()));
    Kind::new(format!("a time such as 500ms, 5s, 10m or 2h, from {least} to {most}"), move |text| {
        parse_span(text).filter(|value| range.contains(value))
    })
}

/// Reads a time span.
#[must_use]
pub fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(millis)?))
}

/// The way [`parse_span`] reads it.
fn short(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A number, whole or not, in a range.
#[must_use]
pub fn number(range: RangeInclusive<f64>) -> Kind<f64> {
    Kind::new(format!("a number from {} to {}", range.start(), range.end()), move |text| {
        text.parse().ok().filter(|value: &f64| range.contains(value))
    })
}

/// A number of bytes in a range, written `512KiB`, `64MiB`, `2GiB` or `1TiB`.
#[must_use]
pub fn bytes(range: RangeInclusive<u64>) -> Kind<u64> {
    let written = |bytes: u64| headroom_model::format::bytes(bytes as f64);
    Kind::new(
        format!("a size such as 512KiB, 64MiB or 2GiB, from {} to {}", written(*range.start()), written(*range.end())),
        move |text| parse_bytes(text).filter(|value| range.contains(value)),
    )
}

/// Reads a number of bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// What a network carries, written `100 Mbit/s`, `1 Gbit/s` or `2.5 Gbit/s`, in bytes a second.
#[must_use]
pub fn bit_rate() -> Kind<f64> {
    Kind::new("a rate such as 100 Mbit/s or 2.5 Gbit/s", parse_bit_rate)
}

fn parse_bit_rate(text: &str) -> Option<f64> {
    let (count, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let bits = match unit.trim() {
        "Mbit/s" => 1e6,
        "Gbit/s" => 1e9,
        _ => return None,
    };
    let rate = count.parse::<f64>().ok()? * bits / 8.0;
    (1e3..=1e13).contains(&rate).then_some(rate)
}

/// `true` or `false`.
#[must_use]
pub fn flag() -> Kind<bool> {
    Kind::new("true or false", |text| text.parse().ok())
}

/// An address to listen on.
#[must_use]
pub fn address() -> Kind<SocketAddr> {
    Kind::new("an address with a port, such as 127.0.0.1:3000 or [::1]:3000", parse_address)
}

/// Reads an address; `localhost` is 127.0.0.1.
#[must_use]
pub fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port))),
        None => text.parse().ok(),
    }
}

/// Text that is not empty.
#[must_use]
pub fn text() -> Kind<String> {
    Kind::new("text", |text| (!text.trim().is_empty()).then(|| text.to_owned()))
}

/// One of some words.
#[must_use]
pub fn one_of<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Kind::new(allowed.join(", "), |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
}

/// Text of a certain form; `allowed` describes it.
#[must_use]
pub fn form(allowed: &'static str, is_allowed: fn(&str) -> bool) -> Kind<String> {
    Kind::new(allowed, move |text| is_allowed(text).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_written() {
        for (text, millis) in [("500ms", 500), ("5s", 5000), ("10m", 600_000), ("2h", 7_200_000), ("1d", 86_400_000)] {
            assert_eq!(parse_span(text), Some(Duration::from_millis(millis)));
            assert_eq!(short(Duration::from_millis(millis)), text);
        }
        for (text, bytes) in [
            ("0B", Some(0)),
            ("1TiB", Some(1 << 40)),
            ("64MiB", Some(64 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("7", None),
            ("9MB", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
        for (text, rate) in
            [("100 Mbit/s", Some(12.5e6)), ("2.5Gbit/s", Some(312.5e6)), ("1 GB/s", None), ("0 Mbit/s", None)]
        {
            assert_eq!(parse_bit_rate(text), rate, "{text}");
        }
        for bad in ["", "5", "s", "5x", "-5s", "1.5s", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }
}

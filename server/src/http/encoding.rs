//! Which compression a client takes (RFC 9110 §12.5.3).

use axum::http::{HeaderMap, header};
use headroom_engine::dataset::Encoding;

/// The best of what the client takes: the highest weight, and among equals what unpacks fastest.
#[must_use]
pub fn negotiate(headers: &HeaderMap) -> Encoding {
    let mut best = (0, Encoding::Identity);
    let lists = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    for (name, weight) in lists.flat_map(|list| list.split(',')).map(weighed) {
        let encoding = match name.to_ascii_lowercase().as_str() {
            "zstd" => Encoding::Zstd,
            "br" => Encoding::Brotli,
            "gzip" | "x-gzip" => Encoding::Gzip,
            _ => continue,
        };
        let rank = |encoding| match encoding {
            Encoding::Identity => 0,
            Encoding::Gzip => 1,
            Encoding::Brotli => 2,
            Encoding::Zstd => 3,
        };
        if (weight, rank(encoding)) > (best.0, rank(best.1)) && weight > 0 {
            best = (weight, encoding);
        }
    }
    best.1
}

/// A name and its weight in thousandths.
fn weighed(item: &str) -> (&str, u32) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
    (name, (weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_decides() {
        for (accepts, expected) in [
            ("gzip, deflate, br, zstd", Encoding::Zstd),
            ("gzip;q=1.0, br;q=0.5", Encoding::Gzip),
            ("br;q=0, gzip;q=0", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("zstd;q=x, BR", Encoding::Brotli),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepts.parse().unwrap())]);
            assert_eq!(negotiate(&headers), expected, "{accepts}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Encoding::Identity);
    }
}

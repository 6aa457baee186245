//! What the URL says of the page: how far ahead, and the question it asks.

use headroom_model::capacity::WhatIfFields;
use leptos_router::params::ParamsMap;

/// Query key of the horizon, in days.
pub const DAYS: &str = "days";
/// Query keys of a question.
pub const RESOURCE: &str = "what";
/// Growth, in per cent of what is forecast.
pub const GROWTH: &str = "growth";
/// The day of something planned.
pub const DAY: &str = "day";
/// What that adds.
pub const ADDS: &str = "adds";
/// Another limit.
pub const LIMIT: &str = "limit";

/// Horizons on offer: days and name.
pub const HORIZONS: [(u32, &str); 5] =
    [(30, "30 days"), (60, "60 days"), (180, "180 days"), (365, "12 months"), (731, "24 months")];
/// The horizon when the URL names none.
pub const DEFAULT_DAYS: u32 = 60;

/// How far the URL looks ahead; what it cannot be is the default.
#[must_use]
pub fn days(query: &ParamsMap) -> u32 {
    let asked = query.get_str(DAYS).and_then(|text| text.parse().ok());
    asked.filter(|days| (1..=headroom_model::forecast::MAX_HORIZON_DAYS).contains(days)).unwrap_or(DEFAULT_DAYS)
}

/// The question that the URL asks.
#[must_use]
pub fn what_if(query: &ParamsMap) -> WhatIfFields {
    let field = |key| query.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
    WhatIfFields {
        resource: field(RESOURCE),
        growth: field(GROWTH),
        day: field(DAY),
        adds: field(ADDS),
        limit: field(LIMIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_how_far_and_what_if() {
        let query = |pairs: &[(&'static str, &str)]| -> ParamsMap {
            pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
        };
        assert_eq!(days(&query(&[])), DEFAULT_DAYS);
        assert_eq!(days(&query(&[(DAYS, "365")])), 365);
        for wrong in ["0", "732", "-1", "many"] {
            assert_eq!(days(&query(&[(DAYS, wrong)])), DEFAULT_DAYS);
        }
        let asked = what_if(&query(&[(RESOURCE, "storage"), (GROWTH, " 150 ")]));
        assert_eq!((asked.resource.as_str(), asked.growth.as_str(), asked.limit.as_str()), ("storage", "150", ""));
    }
}

//! The picture of a shared snapshot, from its stored points.

use crate::{
    chart::card::{self, CHARTS},
    pages::trends::plots::drawing,
    url,
};
use headroom_model::{
    format,
    share::{Share, notable},
    trends::{TrendsData, TrendsView},
};

/// A snapshot as a drawing of 1200 × 630 pixels, a complete SVG document. Fonts are left to whoever turns it into pixels.
#[must_use]
pub fn card(share: &Share, data: &TrendsData) -> String {
    let query = url::parse(&share.view);
    let view = TrendsView::read(|key| query.get(key));
    let firsts = data.charts.iter().filter_map(|chart| chart.lines.first()).map(|line| line.series.metric);
    let plots: Vec<_> = firsts
        .take(CHARTS)
        .filter_map(|metric| drawing(data, &view, metric, data.range.to))
        .map(|drawing| drawing.plot)
        .collect();
    let foot = format!("Snapshot by {}, {}", share.created_by, format::date(share.created_at));
    card::card(&share.title, &notable(data), &foot, &plots)
}

/// The drawing that stands for every link whose data needs a sign-in.
#[must_use]
pub fn neutral_card() -> String {
    card::neutral()
}

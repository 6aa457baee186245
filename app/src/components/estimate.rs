//! The word beside a figure that is estimated, not measured.

use headroom_model::MetricId;
use leptos::prelude::*;

/// "est." where the metric is an estimate, with the way it is made; nothing elsewhere.
#[component]
pub fn Estimate(metric: MetricId) -> impl IntoView {
    metric.is_estimate().then(|| view! { <abbr class="est" title=metric.metric().help>"est."</abbr> }).into_any()
}

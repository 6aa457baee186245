use crate::error::AppError;
use headroom_model::trends::{Compare, TrendsData};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Everything the Trends page draws: `charts` is written as in its URL, empty for the default ones.
#[server(name = ReadTrends, prefix = "/api/fn", endpoint = "trends", input = GetUrl)]
pub async fn trends(
    target: Option<String>,
    from: String,
    to: String,
    charts: String,
    compare: Compare,
    usual: bool,
) -> Result<TrendsData, AppError> {
    let context = crate::context::PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    read::trends(&context.console, target, &from, &to, &charts, compare, usual).await
}

#[cfg(feature = "ssr")]
pub use read::trends as read_trends;

#[cfg(feature = "ssr")]
mod read {
    use super::super::{
        moment::usual_of,
        timeline::{limits_of, shorten},
    };
    use crate::{
        error::{AppError, ErrorCode},
        pages::trends::presets,
    };
    use headroom_engine::{
        console::Console,
        nearest::nearest,
        store::{EventQuery, StoreError},
    };
    use headroom_model::{
        MetricId, TargetId,
        metric::CATALOGUE,
        range::{self, Resolved},
        series::{MAX_POINTS, Series},
        trends::{
            self, Around, Ceiling, Compare, MAX_EVENTS, TrendsChart, TrendsData, TrendsLine, TrendsView, UnknownMetric,
        },
    };

    /// Points of all lines together: with more lines each has fewer, so that an answer stays below half a megabyte.
    const ALL_POINTS: usize = 40_000;
    /// Points a line has at least.
    const FEWEST_POINTS: usize = 361;
    /// Longest text of charts that is read.
    const MAX_TEXT: usize = 4096;

    /// Reads everything that is drawn for a view.
    pub async fn trends(
        console: &Console,
        target: TargetId,
        from: &str,
        to: &str,
        charts: &str,
        compare: Compare,
        usual: bool,
    ) -> Result<TrendsData, AppError> {
        let invalid = |message: String| AppError::new(ErrorCode::Invalid, message).answered();
        if charts.len() > MAX_TEXT {
            return Err(invalid(format!("The charts are named in more than {MAX_TEXT} characters.")));
        }
        let now = console.clock.now();
        let range =
            range::resolve(from, to, now).map_err(|error| invalid(format!("{}: {}.", error.field, error.reason)))?;
        let mut view = TrendsView { compare, ..TrendsView::default() };
        view.take_charts(charts);
        if view.charts.is_empty() {
            let latest = console.latest(&target);
            let measured = |metric: MetricId| latest.as_ref().is_some_and(|live| live.figures.contains_key(&metric));
            view.charts = presets::first_charts(measured);
        }
        let unavailable = |cause: StoreError| {
            tracing::error!(%cause, %target, "the state store did not answer a page");
            AppError::new(ErrorCode::Unavailable, "The state store does not answer, so there is no history to show.")
                .answered()
        };
        let looks: Vec<presets::Look> = view.charts.iter().map(|chart| presets::look(chart)).collect();
        let metrics: Vec<MetricId> = view.metrics().collect();
        let leads: Vec<MetricId> = view.charts.iter().zip(&looks).map(|(chart, look)| chart[look.lead]).collect();
        let limits: Vec<MetricId> = looks.iter().filter_map(|look| look.ceiling).collect();
        let lines = metrics.len() + if compare == Compare::None { 0 } else { leads.len() };
        let points = (ALL_POINTS / lines.max(1)).clamp(FEWEST_POINTS, MAX_POINTS);
        let read = async |metrics: &[MetricId], range: Resolved, points: usize| {
            let mut series = console.history.series_within(&target, metrics, range, points).await?;
            series.iter_mut().for_each(shorten);
            Ok::<Vec<Series>, StoreError>(series)
        };
        let mut series = read(&metrics, range, points).await.map_err(unavailable)?.into_iter();
        let ceilings = read(&limits, range, FEWEST_POINTS).await.map_err(unavailable)?;
        let mut before = match compare.shift_ms(range) {
            Some(shift) => {
                let earlier =
                    Resolved { from: range.from.plus_millis(-shift), to: range.to.plus_millis(-shift), live: false };
                let mut series = read(&leads, earlier, points).await.map_err(unavailable)?;
                series.iter_mut().for_each(|series| series.from = series.from.plus_millis(shift));
                series
            }
            None => Vec::new(),
        }
        .into_iter();
        let mut charts = Vec::with_capacity(view.charts.len());
        for (chart, look) in view.charts.iter().zip(&looks) {
            let lead_before = before.next();
            let ceiling = look.ceiling.and_then(|metric| {
                let known = ceilings.iter().find(|series| series.metric == metric)?;
                Some(Ceiling { metric, value: known.summary()?.last })
            });
            let lines = series.by_ref().take(chart.len()).map(|series| TrendsLine { series, before: None });
            let mut lines: Vec<TrendsLine> = lines.collect();
            if let Some(line) = lines.get_mut(look.lead) {
                line.before = lead_before;
            }
            charts.push(TrendsChart { lines, lead: look.lead, ceiling });
        }
        let query = EventQuery {
            target: Some(target.clone()),
            from: Some(range.from),
            to: Some(range.to),
            limit: MAX_EVENTS + 1,
            ..EventQuery::default()
        };
        let mut events = console.store.events(&query).await.map_err(unavailable)?;
        let most = usize::try_from(MAX_EVENTS).unwrap_or(usize::MAX);
        let more_events = events.len() > most;
        events.truncate(most);
        let drawn = Resolved { from: range.from.plus_millis(-compare.shift_ms(range).unwrap_or(0)), ..range };
        let origins = console.history.origins(&target, drawn).await.map_err(unavailable)?;
        // Only the lines that lead their charts have a band: more would hide each other.
        let baselines = if usual {
            let shown = charts.iter().filter_map(|chart| Some(chart.lines.get(chart.lead)?.series.clone()));
            usual_of(console, &target, &shown.collect::<Vec<_>>()).await.map_err(unavailable)?
        } else {
            Vec::new()
        };
        let wide = trends::around(range, now);
        let around = match leads.first() {
            Some(lead) => {
                let series = read(&[*lead], wide, FEWEST_POINTS).await.map_err(unavailable)?;
                series.into_iter().next().map(|series| Around { range: wide, series })
            }
            None => None,
        };
        let mut limits = limits_of(&console.config.health);
        limits.retain(|limit| metrics.contains(&limit.metric));
        let ids = || CATALOGUE.iter().map(|metric| metric.id.as_str());
        let unknown = view.unknown.into_iter().map(|name| {
            let nearest = nearest(&name, ids()).and_then(MetricId::parse);
            UnknownMetric { name, nearest }
        });
        Ok(TrendsData {
            range,
            compare,
            charts,
            events,
            more_events,
            limits,
            interval_ms: i64::try_from(console.config.collect.live_every.as_millis()).unwrap_or(i64::MAX),
            starts: console.history.starts(&target).await.map_err(unavailable)?,
            around,
            origins,
            baselines,
            unknown: unknown.collect(),
            left_out: view.left_out,
            target,
        })
    }
}

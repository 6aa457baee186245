//! Shared snapshots: the points of a view, kept beyond their retention, and who may open them until when.

use crate::{
    Role, TargetId, Timestamp, format,
    overview::MetricLimits,
    range::Resolved,
    series::Series,
    trends::{TrendsChart, TrendsData, TrendsLine},
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Snapshots that work at a time, at most.
pub const SHARES_MAX: u32 = 1_000;
/// Snapshots of one maker that work at a time, at most: nobody takes the place of all others.
pub const SHARES_OF_ONE_MAX: u32 = 200;
/// The points of one snapshot as they are stored, compressed.
pub const SHARE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long one that ended is remembered, so that its link says what became of it.
pub const SHARE_REMEMBERED_DAYS: u32 = 30;
/// Characters a title has at most.
pub const SHARE_TITLE_MAX: usize = 120;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The name of a snapshot in its address: 144 random bits, so that nobody finds one by guessing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct ShareId(pub String);

impl ShareId {
    /// Characters of an id: 18 bytes in URL-safe base64.
    pub const LENGTH: usize = 24;

    /// An id as it stands in an address; none for what can be none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LENGTH
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        fits.then(|| ShareId(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it opens.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/s/{}", self.0)
    }

    /// Its preview image.
    #[must_use]
    pub fn preview_path(&self) -> String {
        format!("/s/{}/preview.png", self.0)
    }
}

/// Who may open a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Anyone who has the link, without signing in.
    Link,
    /// Everyone who can sign in.
    #[default]
    Viewer,
    /// Operators and admins.
    Operator,
    /// Admins.
    Admin,
}

impl Audience {
    /// Every audience, widest first.
    pub const ALL: [Audience; 4] = [Audience::Link, Audience::Viewer, Audience::Operator, Audience::Admin];

    /// The name stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Audience::Link => "link",
            Audience::Viewer => "viewer",
            Audience::Operator => "operator",
            Audience::Admin => "admin",
        }
    }

    /// The name shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Audience::Link => "Anyone with the link",
            Audience::Viewer => "Everyone who can sign in",
            Audience::Operator => "Operators and admins",
            Audience::Admin => "Admins",
        }
    }

    /// The role that a reader needs; none where no sign-in is asked for.
    #[must_use]
    pub fn role(self) -> Option<Role> {
        match self {
            Audience::Link => None,
            Audience::Viewer => Some(Role::Viewer),
            Audience::Operator => Some(Role::Operator),
            Audience::Admin => Some(Role::Admin),
        }
    }

    /// Whether someone with this role (none: a stranger) may open it.
    #[must_use]
    pub fn admits(self, reader: Option<Role>) -> bool {
        self.role().is_none_or(|needed| reader.is_some_and(|role| role >= needed))
    }

    /// The role it takes to share with this audience: showing figures to strangers is an operator's decision, showing them
    /// to those who could look themselves is anyone's. Nobody shares above the own role: they could not open it again.
    #[must_use]
    pub fn maker(self) -> Role {
        match self {
            Audience::Link | Audience::Operator => Role::Operator,
            Audience::Viewer => Role::Viewer,
            Audience::Admin => Role::Admin,
        }
    }
}

impl FromStr for Audience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Audience::ALL
            .into_iter()
            .find(|audience| audience.as_str() == text)
            .ok_or_else(|| format!("audience \"{text}\" is not known; allowed: link, viewer, operator, admin"))
    }
}

/// How long a snapshot opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// One day.
    Day,
    /// Seven days.
    Week,
    /// Thirty days.
    Month,
    /// A year.
    #[default]
    Year,
}

impl Lifetime {
    /// Every choice, shortest first.
    pub const ALL: [Lifetime; 4] = [Lifetime::Day, Lifetime::Week, Lifetime::Month, Lifetime::Year];

    /// The name sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lifetime::Day => "day",
            Lifetime::Week => "week",
            Lifetime::Month => "month",
            Lifetime::Year => "year",
        }
    }

    /// The name shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Lifetime::Day => "1 day",
            Lifetime::Week => "7 days",
            Lifetime::Month => "30 days",
            Lifetime::Year => "1 year",
        }
    }

    /// When something made `now` stops opening.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Timestamp {
        let days = match self {
            Lifetime::Day => 1,
            Lifetime::Week => 7,
            Lifetime::Month => 30,
            Lifetime::Year => 365,
        };
        now.plus_millis(days * DAY_MS)
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Lifetime::ALL
            .into_iter()
            .find(|lifetime| lifetime.as_str() == text)
            .ok_or_else(|| format!("lifetime \"{text}\" is not known; allowed: day, week, month, year"))
    }
}

/// Everything about a snapshot but its points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Its name in the address.
    pub id: ShareId,
    /// One line: what it shows.
    pub title: String,
    /// The target whose points it holds, whether or not it is still configured.
    pub target: TargetId,
    /// The query of the view it was taken from (`target=orders&from=…&to=…`).
    pub view: String,
    /// The start of its range.
    pub from: Timestamp,
    /// The end of its range.
    pub to: Timestamp,
    /// Who may open it.
    pub audience: Audience,
    /// The stored size of its points.
    pub size_bytes: u64,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it stops opening.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// How often it was opened.
    pub opens: u64,
    /// When last.
    pub last_opened_at: Option<Timestamp>,
}

/// Whether a snapshot opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ShareState {
    /// It opens.
    Open,
    /// Its time is over.
    Expired,
    /// Someone ended it.
    Revoked,
}

impl Share {
    /// Whether it opens at this moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> ShareState {
        if self.revoked_at.is_some() {
            ShareState::Revoked
        } else if now >= self.expires_at {
            ShareState::Expired
        } else {
            ShareState::Open
        }
    }

    /// Whether someone may end it: whoever made it, and admins.
    #[must_use]
    pub fn may_revoke(&self, name: &str, role: Role) -> bool {
        role >= Role::Admin || self.created_by == name
    }
}

/// What is asked for when a snapshot is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewShare {
    /// The query of the Trends page it is taken of, the target included.
    pub view: String,
    /// One line, at most 120 characters; none names metrics, target and range.
    #[serde(default)]
    pub title: Option<String>,
    /// Who may open it.
    #[serde(default)]
    pub audience: Audience,
    /// How long it opens.
    #[serde(default)]
    pub lifetime: Lifetime,
}

/// What a snapshot of a view would hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SharePreview {
    /// What it would be called.
    pub title: String,
    /// The size its points would take.
    pub size_bytes: u64,
    /// Its range.
    pub range: Resolved,
    /// How many metrics it would hold.
    pub metrics: usize,
    /// The view with its range fixed: what the snapshot is made of.
    pub view: String,
}

/// The most metrics a title names.
const TITLE_METRICS: usize = 3;

/// What a view shows, in one line: "Query latency p95, Connections and 2 more of orders, 19 Nov 2026 08:32 – 14:32 UTC".
#[must_use]
pub fn title(data: &TrendsData) -> String {
    let names: Vec<&str> = data.charts.iter().filter_map(lead).map(|line| line.series.metric.metric().name).collect();
    titled(&names, Some(data.target.as_str()), Some(&span(data.range)))
}

/// The same from names of metrics, a target and a range, as far as they are known.
#[must_use]
pub fn titled(names: &[&str], target: Option<&str>, range: Option<&str>) -> String {
    let named = names.len().min(TITLE_METRICS);
    let list = match (named, names.len() - named) {
        (0, _) => "Trends".to_owned(),
        (1, 0) => names[0].to_owned(),
        (_, 0) => format!("{} and {}", names[..named - 1].join(", "), names[named - 1]),
        (_, more) => format!("{} and {more} more", names[..named].join(", ")),
    };
    let of = target.map(|target| format!(" of {target}")).unwrap_or_default();
    let over = range.map(|range| format!(", {range}")).unwrap_or_default();
    format!("{list}{of}{over}")
}

/// A range that is read on any later day: "19 Nov 2026 08:32 – 14:32 UTC".
#[must_use]
pub fn span(range: Resolved) -> String {
    let (from, to) = (range.from, range.to);
    let (day, end_day) = (format::date(from), format::date(to));
    let end = if day == end_day { String::new() } else { format!("{end_day} ") };
    format!("{day} {} – {end}{} UTC", format::clock(from), format::clock(to))
}

fn lead(chart: &TrendsChart) -> Option<&TrendsLine> {
    chart.lines.get(chart.lead).or(chart.lines.first())
}

/// The figure that is worth a look, in one sentence: the first chart whose leading line missed its target, else the range
/// of the first that has data.
#[must_use]
pub fn notable(data: &TrendsData) -> String {
    let leads = || data.charts.iter().filter_map(lead).map(|line| &line.series);
    let limits = |series: &Series| data.limits.iter().find(|limit| limit.metric == series.metric);
    leads()
        .find_map(|series| missed(series, limits(series)?))
        .or_else(|| leads().find_map(spread))
        .unwrap_or_else(|| "Nothing was measured in this range.".to_owned())
}

/// "Query latency p95 reached 640 ms at 13:24, target 500 ms."
fn missed(series: &Series, limit: &MetricLimits) -> Option<String> {
    let metric = series.metric.metric();
    let is_floor = limit.critical < limit.degraded;
    let values = if is_floor { &series.min } else { &series.max };
    let points = values.iter().enumerate().filter_map(|(i, value)| Some((i, (*value)?)));
    let (i, worst) = points.reduce(|worst, next| if (next.1 < worst.1) == is_floor { next } else { worst })?;
    let is_missed = if is_floor { worst < limit.degraded } else { worst > limit.degraded };
    is_missed.then(|| {
        let verb = if is_floor { "fell to" } else { "reached" };
        let (worst, target) = (format::value(worst, metric.unit), format::value(limit.degraded, metric.unit));
        format!("{} {verb} {worst} at {} UTC, target {target}.", metric.name, format::clock(series.at(i)))
    })
}

/// "Query latency p95 was 84 ms to 640 ms, 412 ms on average."
fn spread(series: &Series) -> Option<String> {
    let (summary, metric) = (series.summary()?, series.metric.metric());
    let [min, max, avg] = [summary.min, summary.max, summary.avg].map(|value| format::value(value, metric.unit));
    Some(format!("{} was {min} to {max}, {avg} on average.", metric.name))
}

/// What a reader of a snapshot sees: its points, and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// One line: what it shows.
    pub title: String,
    /// Where it opens.
    pub path: String,
    /// Who may open it.
    pub audience: Audience,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it stops opening.
    pub expires_at: Timestamp,
    /// The same view with the figures of now, for those who may see it.
    pub live: Option<String>,
    /// Whether it is shown inside a page of another site.
    pub embedded: bool,
    /// The server's clock.
    pub now: Timestamp,
    /// The points.
    pub data: TrendsData,
}

/// What stands at the address of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    /// The snapshot.
    Open(Box<Opened>),
    /// Its time was over then.
    Expired {
        /// When.
        at: Timestamp,
        /// Who made it.
        by: String,
    },
    /// It was ended.
    Revoked {
        /// When.
        at: Timestamp,
        /// By whom.
        by: String,
    },
    /// It is for others: the role it takes.
    Forbidden(Role),
    /// Too many are opened at the moment.
    Busy,
    /// Nothing.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricId;
    use serde_json::json;

    #[test]
    fn names_read_back() {
        for audience in Audience::ALL {
            assert_eq!(audience.as_str().parse(), Ok(audience));
        }
        for lifetime in Lifetime::ALL {
            assert_eq!(lifetime.as_str().parse(), Ok(lifetime));
        }
        assert!("everyone".parse::<Audience>().unwrap_err().contains("link, viewer"));
        assert!("decade".parse::<Lifetime>().unwrap_err().contains("day, week"));
    }

    #[test]
    fn an_audience_admits_its_role_and_above() {
        assert!(Audience::Link.admits(None) && Audience::Link.admits(Some(Role::Viewer)));
        for (audience, least) in
            [(Audience::Viewer, Role::Viewer), (Audience::Operator, Role::Operator), (Audience::Admin, Role::Admin)]
        {
            assert!(!audience.admits(None));
            for role in Role::ALL {
                assert_eq!(audience.admits(Some(role)), role >= least, "{audience:?} {role}");
            }
            assert!(audience.admits(Some(audience.maker())), "its maker can open it");
        }
    }

    #[test]
    fn an_id_is_what_an_id_looks_like() {
        assert!(ShareId::parse("abcdefghijklmnopqrstuv-_").is_some());
        for text in ["", "short", "abcdefghijklmnopqrstuv-_x", "abcdefghijklmnopqrstuv/."] {
            assert_eq!(ShareId::parse(text), None, "{text}");
        }
    }

    fn view(metrics: &[(MetricId, &[Option<f64>])]) -> TrendsData {
        let from = Timestamp(1_795_077_120_000);
        let line = |metric, values: &[Option<f64>]| {
            let avg = values.to_vec();
            let series = Series { metric, from, step_ms: 60_000, min: avg.clone(), max: avg.clone(), avg };
            TrendsLine { series, before: None }
        };
        let chart = |&(metric, values): &(MetricId, &[Option<f64>])| TrendsChart {
            lines: vec![line(metric, values)],
            lead: 0,
            ceiling: None,
        };
        let data = json!({
            "target": "orders", "range": {"from": from, "to": from.0 + 6 * 3_600_000, "live": false}, "compare": "none",
            "charts": [], "events": [], "moreEvents": false, "limits": [], "intervalMs": 5000,
        });
        TrendsData {
            charts: metrics.iter().map(chart).collect(),
            limits: vec![
                MetricLimits { metric: MetricId::QueryLatencyP95, degraded: 500.0, critical: 2000.0 },
                MetricLimits { metric: MetricId::BufferHitRatio, degraded: 90.0, critical: 50.0 },
            ],
            ..serde_json::from_value(data).unwrap()
        }
    }

    #[test]
    fn a_title_names_metrics_target_and_range() {
        let all = [MetricId::Connections, MetricId::QueryLatencyP95, MetricId::RedisKeys, MetricId::Queries];
        let of_first = |n: usize| {
            let metrics: Vec<(MetricId, &[Option<f64>])> = all[..n].iter().map(|metric| (*metric, &[][..])).collect();
            title(&view(&metrics))
        };
        assert_eq!(of_first(0), "Trends of orders, 19 Nov 2026 08:32 – 14:32 UTC");
        assert_eq!(of_first(1), "Connections in use of orders, 19 Nov 2026 08:32 – 14:32 UTC");
        let (two, four) = (of_first(2), of_first(4));
        assert!(two.starts_with("Connections in use and ") && four.contains(" and 1 more of orders"), "{two} {four}");
        assert!(four.chars().count() <= SHARE_TITLE_MAX);
    }

    #[test]
    fn the_notable_figure_is_a_missed_target_or_the_spread() {
        let calm: &[Option<f64>] = &[Some(100.0), None, Some(300.0)];
        let high: &[Option<f64>] = &[Some(100.0), Some(640.0), None];
        let low: &[Option<f64>] = &[Some(99.0), Some(71.0), Some(98.0)];
        let says = |metrics: &[(MetricId, &[Option<f64>])]| notable(&view(metrics));
        let name = MetricId::QueryLatencyP95.metric().name;
        assert_eq!(
            says(&[(MetricId::QueryLatencyP95, calm)]),
            format!("{name} was 100 ms to 300 ms, 200 ms on average.")
        );
        let missed = format!("{name} reached 640 ms at 08:33 UTC, target 500 ms.");
        assert_eq!(says(&[(MetricId::Connections, calm), (MetricId::QueryLatencyP95, high)]), missed);
        let fell = says(&[(MetricId::BufferHitRatio, low)]);
        assert!(fell.contains("fell to 71 % at 08:33 UTC, target 90 %"), "{fell}");
        assert_eq!(says(&[(MetricId::Queries, &[None])]), "Nothing was measured in this range.");
    }
}
